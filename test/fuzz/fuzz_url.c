// SPDX-License-Identifier: Apache-2.0
// Authorities, paths and references. Input: scheme, authority and path of a page, each on a line,
// then a reference. What is normal stays as it is; and what url_resolve says is what RFC 3986
// section 5.2 says, written once more here in the plainest way.
#include "fuzz.h"

#include "base/alloc.h"
#include "http/url.h"

enum { LONGEST = 32768 };

struct text {
    char bytes[LONGEST];
    size_t length;
};

static void check_authority(struct slice scheme, struct slice text, struct arena *arena) {
    struct slice authority;
    if (!url_normalize_authority(scheme, text, arena, &authority)) {
        return;
    }
    struct slice again;
    fuzz_check(url_normalize_authority(scheme, authority, arena, &again));
    fuzz_check(slice_equal(authority, again));
    fuzz_check(authority.length > 0 && url_host(authority).length > 0);
    for (size_t i = 0; i < authority.length; i++) {
        fuzz_check(authority.data[i] == slice_lower(authority.data[i]));
        fuzz_check(memchr("@/\\?#%\" ,;", authority.data[i], 11) == NULL);
    }
    fuzz_check(slice_find(authority, '\0') == authority.length);
}

static void check_path(struct slice text, struct arena *arena) {
    struct slice path;
    struct slice again;
    if (url_check_path(text, arena, &path)) {
        fuzz_check(url_check_path(path, arena, &again) && slice_equal(path, again));
        fuzz_check(path.data[0] == '/');
        for (size_t i = 0; i < path.length; i++) {
            fuzz_check(path.data[i] > ' ' && path.data[i] < 0x7f);
            fuzz_check(memchr("\"<>\\^`{|}#", path.data[i], 10) == NULL);
        }
    }
}

// --- RFC 3986 once more --------------------------------------------------------------------------

static void put(struct text *to, struct slice bytes) {
    fuzz_check(to->length + bytes.length <= sizeof(to->bytes));
    memcpy(to->bytes + to->length, bytes.data, bytes.length);
    to->length += bytes.length;
}

// "%2e" is a dot where a whole segment is of dots.
static unsigned dots(struct slice segment) {
    unsigned count = 0;
    while (segment.length > 0) {
        bool is_dot = segment.data[0] == '.';
        bool is_code = segment.length >= 3 && segment.data[0] == '%' && segment.data[1] == '2' &&
                       (segment.data[2] == 'e' || segment.data[2] == 'E');
        if (!is_dot && !is_code) {
            return 0;
        }
        count++;
        segment = slice_skip(segment, is_dot ? 1 : 3);
    }
    return count;
}

// Section 5.2.4 as it is told there, by the letters A to E, for a path that begins with '/'.
static void remove_dots(struct slice path, struct text *out) {
    out->length = 0;
    while (path.length > 0) {
        struct slice segment = slice_skip(path, 1);
        segment = slice_first(segment, slice_find(segment, '/'));
        bool is_last = 1 + segment.length == path.length;
        unsigned count = dots(segment);
        if (count == 1 || count == 2) {
            if (count == 2) {
                while (out->length > 0 && out->bytes[--out->length] != '/') {
                }
            }
            path = is_last ? SLICE_EMPTY : slice_skip(path, 1 + segment.length);
            if (is_last) {
                put(out, SLICE("/"));
            }
            continue;
        }
        put(out, slice_first(path, 1 + segment.length));
        path = slice_skip(path, 1 + segment.length);
    }
}

struct parts {
    bool has_scheme, has_authority, has_query;
    struct slice scheme, authority, path, query;
};

// Appendix B.
static struct parts split(struct slice s) {
    struct parts parts = {.path = SLICE_EMPTY};
    s = slice_first(s, slice_find(s, '#'));
    size_t colon = slice_find(s, ':');
    size_t end = 0;
    while (end < s.length && strchr(":/?", s.data[end]) == NULL) {
        end++;
    }
    bool is_name = colon > 0 && colon < s.length && end == colon;
    for (size_t i = 0; is_name && i < colon; i++) {
        char c = slice_lower(s.data[i]);
        is_name = (c >= 'a' && c <= 'z') ||
                  (i > 0 && ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'));
    }
    if (is_name) {
        parts.has_scheme = true;
        parts.scheme = slice_first(s, colon);
        s = slice_skip(s, colon + 1);
    }
    size_t query = slice_find(s, '?');
    parts.has_query = query < s.length;
    parts.query = slice_skip(s, query); // with its '?'
    s = slice_first(s, query);
    if (slice_starts_with(s, SLICE("//"))) {
        parts.has_authority = true;
        s = slice_skip(s, 2);
        parts.authority = slice_first(s, slice_find(s, '/'));
        s = slice_skip(s, parts.authority.length);
    }
    parts.path = s;
    return parts;
}

// The path with query that the reference means; false: it is no candidate for any reason.
static bool resolve(const struct url *base, struct slice reference, struct arena *arena,
                    struct slice *out_path, struct slice *out_authority) {
    struct text *merged = alloc_new(struct text);
    struct text *path = alloc_new(struct text);
    struct parts parts = split(reference);
    struct slice base_path = slice_first(base->path, slice_find(base->path, '?'));
    struct slice query = parts.query;
    bool is_good = true;
    if (parts.has_scheme && !parts.has_authority &&
        !slice_equal_nocase(parts.scheme, base->scheme)) {
        is_good = false;
    }
    if (parts.has_authority) {
        put(merged, parts.path.length > 0 ? parts.path : SLICE("/"));
    } else if (parts.path.length == 0) {
        put(merged, base_path);
        query = parts.has_query ? query : slice_skip(base->path, base_path.length);
    } else if (parts.path.data[0] == '/') {
        put(merged, parts.path);
    } else {
        size_t folder = base_path.length;
        while (folder > 0 && base_path.data[folder - 1] != '/') {
            folder--;
        }
        put(merged, slice_first(base_path, folder));
        put(merged, parts.path);
    }
    if (is_good && merged->length + query.length > URL_MAX_BYTES) {
        is_good = false;
    }
    remove_dots(slice_of(merged->bytes, merged->length), path);
    put(path, query);
    struct slice scheme = parts.has_scheme ? parts.scheme : base->scheme;
    bool is_web = slice_equal_nocase(scheme, SLICE("http")) || //
                  slice_equal_nocase(scheme, SLICE("https"));
    scheme = slice_equal_nocase(scheme, SLICE("http")) ? SLICE("http") : SLICE("https");
    *out_authority = base->authority;
    is_good = is_good && is_web &&
              (!parts.has_authority ||
               url_normalize_authority(scheme, parts.authority, arena, out_authority)) &&
              !(path->length >= 2 && path->bytes[1] == '/') &&
              url_check_path(slice_of(path->bytes, path->length), arena, out_path);
    if (is_good) {
        *out_path = arena_copy(arena, *out_path);
    }
    free(merged);
    free(path);
    return is_good;
}

static void check_reference(const struct url *base, struct slice reference, struct arena *arena) {
    struct url url;
    enum url_relation relation = url_resolve(base, reference, arena, &url);
    bool has_bad_byte = reference.length == 0 || reference.length > URL_MAX_BYTES;
    for (size_t i = 0; i < reference.length; i++) {
        unsigned char c = (unsigned char)reference.data[i];
        has_bad_byte = has_bad_byte || c <= ' ' || c >= 0x7f || c == '\\';
    }
    struct slice path;
    struct slice authority;
    bool is_good = !has_bad_byte && resolve(base, reference, arena, &path, &authority);
    fuzz_check(is_good == (relation != URL_BAD));
    if (!is_good) {
        return;
    }
    fuzz_check(slice_equal(url.path, path) && slice_equal(url.authority, authority));
    bool is_same = slice_equal(url.scheme, base->scheme) && slice_equal(authority, base->authority);
    fuzz_check(is_same == (relation == URL_SAME));
    // What is resolved is resolved: against any page it is itself.
    struct url again;
    struct url page = {base->scheme, base->authority, SLICE("/other/page?x")};
    struct slice whole = arena_printf(arena, "%.*s://%.*s%.*s", SLICE_ARGS(url.scheme),
                                      SLICE_ARGS(url.authority), SLICE_ARGS(url.path));
    if (whole.length <= URL_MAX_BYTES) {
        fuzz_check(url_resolve(&page, whole, arena, &again) == relation);
        fuzz_check(url_equal(&url, &again));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input_of(data, size);
    struct arena *arena = arena_create();
    struct slice scheme = fuzz_take_until(&input, '\n');
    scheme = slice_equal(scheme, SLICE("http")) ? SLICE("http") : SLICE("https");
    struct slice authority = fuzz_take_until(&input, '\n');
    struct slice path = fuzz_take_until(&input, '\n');
    struct slice reference = fuzz_rest(&input);
    check_authority(scheme, authority, arena);
    check_path(path, arena);
    check_path(reference, arena);
    check_authority(scheme, reference, arena);
    struct url base = {.scheme = scheme};
    if (path.length <= URL_MAX_BYTES && reference.length <= 2 * URL_MAX_BYTES &&
        url_normalize_authority(scheme, authority, arena, &base.authority) &&
        url_check_path(path, arena, &base.path) && base.path.length <= URL_MAX_BYTES) {
        char *copy = fuzz_copy(reference);
        check_reference(&base, slice_of(copy, reference.length), arena);
        free(copy);
    }
    arena_destroy(arena);
    return 0;
}
