// SPDX-License-Identifier: Apache-2.0
#include "push/push_promise.h"

#include "base/ensure.h"
#include "http/destination.h"

// Urgencies by rank and fetchpriority: RFC 9218 section 4.1, browsers' habits of PUSH section 4.
static const struct priority priorities[DESTINATION_RANKS][3] = {
    [DESTINATION_BLOCKING] = {{2, false}, {1, false}, {3, false}},
    [DESTINATION_ORDINARY] = {{3, false}, {2, false}, {4, false}},
    [DESTINATION_MEDIA] = {{5, true}, {3, true}, {6, true}},
};

static struct slice image_accept(const struct request_head *page, struct slice fallback);
static struct slice referer(const struct request_head *page, const struct url *url,
                            struct arena *arena);
static void copy_fields(const struct request_head *page, enum header_id id,
                        struct headers *headers);

bool push_promise_page_has_credentials(const struct request_head *page) {
    return headers_has(&page->headers, HEADER_COOKIE) ||
           headers_has(&page->headers, HEADER_AUTHORIZATION);
}

bool push_promise_has_credentials(const struct request_head *page,
                                  enum config_credentials credentials) {
    switch (credentials) {
    case CONFIG_CREDENTIALS_NONE:
        return false;
    case CONFIG_CREDENTIALS_COOKIES:
        return !headers_has(&page->headers, HEADER_AUTHORIZATION);
    case CONFIG_CREDENTIALS_ALL:
        return true;
    }
    unreachable();
}

void push_promise_make(const struct request_head *page, enum config_credentials credentials,
                       const struct push_resource *resource, struct arena *arena,
                       struct push_promise *out_promise) {
    const struct url *url = &resource->url;
    const struct destination *destination = destination_of(resource->as, url->path);
    *out_promise = (struct push_promise){
        .request = {.method = SLICE("GET"),
                    .scheme = url->scheme,
                    .authority = url->authority,
                    .path = url->path,
                    .content_length = BODY_NONE,
                    .is_end = true},
        .as = destination->as,
        .priority = priorities[destination->rank][resource->fetch_priority],
    };
    bool is_image = slice_equal(destination->as, SLICE("image"));
    struct headers *headers = &out_promise->request.headers;
    headers_init(headers, arena);
    headers_add_id(headers, HEADER_ACCEPT,
                   is_image ? image_accept(page, destination->accept) : destination->accept);
    copy_fields(page, HEADER_ACCEPT_ENCODING, headers);
    copy_fields(page, HEADER_ACCEPT_LANGUAGE, headers);
    copy_fields(page, HEADER_USER_AGENT, headers);
    copy_fields(page, HEADER_TRACEPARENT, headers); // the same trace, as if the client had asked
    copy_fields(page, HEADER_TRACESTATE, headers);
    headers_add_id(headers, HEADER_REFERER, referer(page, url, arena));
    // Another authority never sees this one's credentials.
    bool is_same_site = slice_equal(url->authority, page->authority);
    if (is_same_site && credentials != CONFIG_CREDENTIALS_NONE) {
        copy_fields(page, HEADER_COOKIE, headers);
    }
    if (is_same_site && credentials == CONFIG_CREDENTIALS_ALL) {
        copy_fields(page, HEADER_AUTHORIZATION, headers);
    }
}

// The newer formats only to clients that have said that they know them: many who take push today
// are no browsers, and the promise would be answered in a format they can't read.
static struct slice image_accept(const struct request_head *page, struct slice fallback) {
    struct slice accept = headers_value(&page->headers, HEADER_ACCEPT);
    bool has_avif = memmem(accept.data, accept.length, "image/avif", 10) != NULL;
    bool has_webp = memmem(accept.data, accept.length, "image/webp", 10) != NULL;
    if (has_avif && has_webp) {
        return SLICE("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8");
    }
    return has_webp ? SLICE("image/webp,image/apng,image/*,*/*;q=0.8") : fallback;
}

// To another authority only the origin, as browsers do by default
// (strict-origin-when-cross-origin).
static struct slice referer(const struct request_head *page, const struct url *url,
                            struct arena *arena) {
    bool is_same_site = slice_equal(url->authority, page->authority);
    struct slice path = is_same_site ? page->path : SLICE("/");
    const struct slice parts[] = {page->scheme, SLICE("://"), page->authority, path};
    return arena_join(arena, parts, sizeof(parts) / sizeof(parts[0]));
}

static void copy_fields(const struct request_head *page, enum header_id id,
                        struct headers *headers) {
    const struct header *field = headers_find(&page->headers, id);
    for (; field != NULL; field = headers_find_next(&page->headers, id, field)) {
        headers_add_id(headers, id, field->value);
    }
}
