// SPDX-License-Identifier: Apache-2.0
#include "push/push_cookie.h"

#include "http/freshness.h"

enum { MAX_TRIED = 4 };

static bool next_pair(struct slice *rest, struct slice *out_pair);
static bool has_name(struct slice pair, struct slice name);
static bool has_any(struct slice cookie, struct slice name);
static bool is_html(const struct headers *headers);

// --- in a request -----------------------------------------------------------------------------

enum push_digest_outcome push_cookie_read(const struct headers *request, struct slice name,
                                          const struct push_digest_key *key,
                                          struct push_digest *out_digest) {
    enum push_digest_outcome first = PUSH_DIGEST_ABSENT;
    unsigned tried = 0;
    push_digest_init(out_digest);
    const struct header *field = headers_find(request, HEADER_COOKIE);
    for (; field != NULL; field = headers_find_next(request, HEADER_COOKIE, field)) {
        struct slice rest = field->value;
        struct slice pair;
        while (tried < MAX_TRIED && next_pair(&rest, &pair)) {
            if (!has_name(pair, name)) {
                continue;
            }
            struct slice value = slice_trim(slice_skip(pair, slice_find(pair, '=') + 1));
            enum push_digest_outcome outcome = push_digest_read(key, value, out_digest);
            if (outcome == PUSH_DIGEST_READ) {
                return outcome;
            }
            first = tried++ == 0 ? outcome : first;
        }
    }
    return first;
}

struct slice push_cookie_without(struct slice cookie, struct slice name, struct arena *arena) {
    if (!has_any(cookie, name)) {
        return cookie;
    }
    char *text = arena_alloc(arena, 2 * cookie.length);
    size_t length = 0;
    struct slice rest = cookie;
    struct slice pair;
    while (next_pair(&rest, &pair)) {
        if (pair.length == 0 || has_name(pair, name)) {
            continue;
        }
        if (length > 0) {
            text[length++] = ';';
            text[length++] = ' ';
        }
        memcpy(text + length, pair.data, pair.length);
        length += pair.length;
    }
    return slice_of(text, length);
}

void push_cookie_strip(struct headers *request, struct slice name) {
    if (!headers_has(request, HEADER_COOKIE)) {
        return;
    }
    for (uint32_t i = request->count; i > 0; i--) {
        struct header *row = &request->rows[i - 1];
        if (row->id != HEADER_COOKIE || !has_any(row->value, name)) {
            continue;
        }
        row->value = push_cookie_without(row->value, name, request->arena);
        if (row->value.length == 0) {
            headers_remove_at(request, i - 1);
        }
    }
}

// Takes the text up to the next ';' off `rest`, trimmed; it may be empty. Quotes mean nothing here.
static bool next_pair(struct slice *rest, struct slice *out_pair) {
    if (rest->length == 0) {
        return false;
    }
    size_t end = slice_find(*rest, ';');
    *out_pair = slice_trim(slice_first(*rest, end));
    *rest = slice_skip(*rest, end + 1);
    return true;
}

static bool has_name(struct slice pair, struct slice name) {
    size_t equals = slice_find(pair, '=');
    return equals < pair.length && slice_equal(slice_trim(slice_first(pair, equals)), name);
}

static bool has_any(struct slice cookie, struct slice name) {
    struct slice pair;
    while (next_pair(&cookie, &pair)) {
        if (has_name(pair, name)) {
            return true;
        }
    }
    return false;
}

// --- on a response ----------------------------------------------------------------------------

bool push_cookie_may_set(const struct request_head *request, const struct response_head *response) {
    if (!slice_equal(request->method, SLICE("GET")) || response->status != 200 ||
        !is_html(&response->headers)) {
        return false;
    }
    struct freshness freshness;
    freshness_read(&response->headers, 0, &freshness); // the time is of no matter for is_shared
    return !freshness.is_shared;
}

bool push_cookie_is_due(const struct push_digest *digest, enum push_digest_outcome outcome,
                        bool is_mark) {
    if (outcome == PUSH_DIGEST_ABSENT) {
        return digest->is_changed || is_mark;
    }
    return digest->is_changed || outcome != PUSH_DIGEST_READ;
}

struct slice push_cookie_text(struct slice name, struct slice value, uint64_t max_age_s,
                              bool is_tls, struct arena *arena) {
    return arena_printf(arena, "%.*s=%.*s; Path=/; Max-Age=%llu%s; HttpOnly; SameSite=Lax",
                        SLICE_ARGS(name), SLICE_ARGS(value), (unsigned long long)max_age_s,
                        is_tls ? "; Secure" : "");
}

static bool is_html(const struct headers *headers) {
    struct slice type = headers_value(headers, HEADER_CONTENT_TYPE);
    type = slice_trim(slice_first(type, slice_find(type, ';')));
    return slice_equal_nocase(type, SLICE("text/html")) ||
           slice_equal_nocase(type, SLICE("application/xhtml+xml"));
}
