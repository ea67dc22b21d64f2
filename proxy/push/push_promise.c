// SPDX-License-Identifier: Apache-2.0
#include "push/push_promise.h"

#include "base/ensure.h"

enum rank { RANK_BLOCKING, RANK_ORDINARY, RANK_MEDIA, RANK_COUNT };

// Urgencies by rank and fetchpriority: RFC 9218 section 4.1, browsers' habits of PUSH section 4.
static const struct priority priorities[RANK_COUNT][3] = {
    [RANK_BLOCKING] = {{2, false}, {1, false}, {3, false}},
    [RANK_ORDINARY] = {{3, false}, {2, false}, {4, false}},
    [RANK_MEDIA] = {{5, true}, {3, true}, {6, true}},
};

struct destination {
    struct slice as;
    enum rank rank;
    struct slice accept; // what browsers ask with; an image's depends on the client
};

#define ACCEPT_ANY                                                                                 \
    { "*/*", 3 }
#define ACCEPT_PAGE SLICE_INIT("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
#define SLICE_INIT(literal)                                                                        \
    { "" literal, sizeof(literal) - 1 }

// The first row answers for everything unknown.
static const struct destination destinations[] = {
    {SLICE_INIT(""), RANK_ORDINARY, ACCEPT_ANY},
    {SLICE_INIT("style"), RANK_BLOCKING, SLICE_INIT("text/css,*/*;q=0.1")},
    {SLICE_INIT("script"), RANK_BLOCKING, ACCEPT_ANY},
    {SLICE_INIT("font"), RANK_BLOCKING, ACCEPT_ANY},
    {SLICE_INIT("image"), RANK_MEDIA, SLICE_INIT("image/*,*/*;q=0.8")},
    {SLICE_INIT("audio"), RANK_MEDIA, ACCEPT_ANY},
    {SLICE_INIT("video"), RANK_MEDIA, ACCEPT_ANY},
    {SLICE_INIT("fetch"), RANK_ORDINARY, ACCEPT_ANY},
    {SLICE_INIT("track"), RANK_ORDINARY, ACCEPT_ANY},
    {SLICE_INIT("worker"), RANK_ORDINARY, ACCEPT_ANY},
    {SLICE_INIT("json"), RANK_ORDINARY, SLICE_INIT("application/json,*/*;q=0.5")},
    {SLICE_INIT("document"), RANK_ORDINARY, ACCEPT_PAGE},
    {SLICE_INIT("iframe"), RANK_ORDINARY, ACCEPT_PAGE},
    {SLICE_INIT("frame"), RANK_ORDINARY, ACCEPT_PAGE},
    {SLICE_INIT("embed"), RANK_ORDINARY, ACCEPT_PAGE},
    {SLICE_INIT("object"), RANK_ORDINARY, ACCEPT_PAGE},
};

// For links and declared paths without `as`.
static const struct {
    struct slice ending;
    struct slice as;
} endings[] = {
    {SLICE_INIT(".css"), SLICE_INIT("style")},  {SLICE_INIT(".js"), SLICE_INIT("script")},
    {SLICE_INIT(".mjs"), SLICE_INIT("script")}, {SLICE_INIT(".woff2"), SLICE_INIT("font")},
    {SLICE_INIT(".woff"), SLICE_INIT("font")},  {SLICE_INIT(".ttf"), SLICE_INIT("font")},
    {SLICE_INIT(".otf"), SLICE_INIT("font")},   {SLICE_INIT(".png"), SLICE_INIT("image")},
    {SLICE_INIT(".jpg"), SLICE_INIT("image")},  {SLICE_INIT(".jpeg"), SLICE_INIT("image")},
    {SLICE_INIT(".gif"), SLICE_INIT("image")},  {SLICE_INIT(".webp"), SLICE_INIT("image")},
    {SLICE_INIT(".avif"), SLICE_INIT("image")}, {SLICE_INIT(".svg"), SLICE_INIT("image")},
    {SLICE_INIT(".ico"), SLICE_INIT("image")},  {SLICE_INIT(".json"), SLICE_INIT("fetch")},
};

static const struct destination *find_destination(struct slice as);
static struct slice guess_as(struct slice path);
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
    const struct destination *destination = find_destination(resource->as);
    if (resource->as.length == 0) {
        destination = find_destination(guess_as(url->path));
    }
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

static const struct destination *find_destination(struct slice as) {
    for (size_t i = 0; i < sizeof(destinations) / sizeof(destinations[0]); i++) {
        if (slice_equal_nocase(as, destinations[i].as)) {
            return &destinations[i];
        }
    }
    return &destinations[0];
}

static struct slice guess_as(struct slice path) {
    struct slice name = slice_first(path, slice_find(path, '?'));
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        struct slice ending = endings[i].ending;
        if (name.length > ending.length &&
            slice_equal_nocase(slice_skip(name, name.length - ending.length), ending)) {
            return endings[i].as;
        }
    }
    return SLICE_EMPTY;
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
    return arena_printf(arena, "%.*s://%.*s%.*s", SLICE_ARGS(page->scheme),
                        SLICE_ARGS(page->authority), SLICE_ARGS(path));
}

static void copy_fields(const struct request_head *page, enum header_id id,
                        struct headers *headers) {
    const struct header *field = headers_find(&page->headers, id);
    for (; field != NULL; field = headers_find_next(&page->headers, id, field)) {
        headers_add_id(headers, id, field->value);
    }
}
