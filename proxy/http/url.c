// SPDX-License-Identifier: Apache-2.0
#include "http/url.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>

#include "base/swar.h"

enum { HOST_MAX_BYTES = 255, PORT_MAX_DIGITS = 5, PORT_MAX = 65535 };

static size_t host_length(struct slice authority);
static bool is_host_name(struct slice host);
static bool is_ipv6(struct slice text);
static bool parse_port(struct slice digits, unsigned *out_port);
static unsigned default_port(struct slice scheme);
static struct slice lower_copy(struct arena *arena, struct slice text);
static bool is_ordinary(struct slice path);
static uint64_t find_special(uint64_t word);
static bool is_forbidden(unsigned char byte);
static bool is_encoded(unsigned char byte);
static struct slice encode(struct arena *arena, struct slice path, size_t encoded);
static size_t scheme_length(struct slice reference);
static enum url_relation resolve_authority(const struct url *base, struct slice scheme,
                                           struct slice rest, struct arena *arena,
                                           struct url *out_url);
static enum url_relation resolve_path(const struct url *base, struct slice reference,
                                      struct arena *arena, struct url *out_url);
static bool join(struct slice folder, struct slice path, struct slice query, struct arena *arena,
                 struct slice *out_path);
static size_t remove_dot_segments(char *path, size_t length);
static unsigned dots(const char *segment, size_t length);

// --- authorities ------------------------------------------------------------------------------

bool url_normalize_authority(struct slice scheme, struct slice authority, struct arena *arena,
                             struct slice *out_authority) {
    size_t length = host_length(authority);
    if (length == 0) {
        return false;
    }
    struct slice host = slice_first(authority, length);
    struct slice port_text = slice_skip(authority, length + 1); // behind the colon
    unsigned port = 0;
    if (port_text.length > 0 && !parse_port(port_text, &port)) {
        return false;
    }
    host = lower_copy(arena, host);
    if (port == 0 || port == default_port(scheme)) {
        *out_authority = host;
    } else if (host.data == authority.data && port_text.data[0] != '0') {
        *out_authority = authority; // the usual case: it is normal already
    } else {
        *out_authority = arena_printf(arena, "%.*s:%u", SLICE_ARGS(host), port);
    }
    return true;
}

struct slice url_host(struct slice authority) {
    if (authority.length > 0 && authority.data[0] == '[') {
        struct slice inner = slice_skip(authority, 1);
        return slice_first(inner, slice_find(inner, ']'));
    }
    return slice_first(authority, slice_find(authority, ':'));
}

unsigned url_port(struct slice scheme, struct slice authority) {
    unsigned port = 0;
    size_t length = host_length(authority);
    if (length > 0 && parse_port(slice_skip(authority, length + 1), &port)) {
        return port;
    }
    return default_port(scheme);
}

// Bytes of a good host, brackets included, that is followed by the end or a colon; 0 when it is
// not.
static size_t host_length(struct slice authority) {
    struct slice host;
    if (authority.length > 0 && authority.data[0] == '[') {
        size_t close = slice_find(authority, ']');
        if (close == authority.length || !is_ipv6(slice_of(authority.data + 1, close - 1))) {
            return 0;
        }
        host = slice_first(authority, close + 1);
    } else {
        host = slice_first(authority, slice_find(authority, ':'));
        if (!is_host_name(host)) {
            return 0;
        }
    }
    bool is_followed_well = host.length == authority.length || authority.data[host.length] == ':';
    return is_followed_well ? host.length : 0;
}

// A domain name or IPv4 address. Stricter than reg-name: what no host has may not reach the origin.
static bool is_host_name(struct slice host) {
    if (host.length == 0 || host.length > HOST_MAX_BYTES || host.data[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < host.length; i++) {
        char c = slice_lower(host.data[i]);
        bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        bool is_dot = c == '.' && host.data[i - 1] != '.';
        if (!is_word && !is_dot) {
            return false;
        }
    }
    return true;
}

static bool is_ipv6(struct slice text) {
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (text.length >= sizeof(copy) || memchr(text.data, '\0', text.length) != NULL) {
        return false;
    }
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1;
}

static bool parse_port(struct slice digits, unsigned *out_port) {
    unsigned port = 0;
    if (digits.length == 0 || digits.length > PORT_MAX_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < digits.length; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        port = port * 10 + (unsigned)(digits.data[i] - '0');
    }
    if (port == 0 || port > PORT_MAX) {
        return false;
    }
    *out_port = port;
    return true;
}

static unsigned default_port(struct slice scheme) {
    if (slice_equal(scheme, SLICE("https"))) {
        return 443;
    }
    return slice_equal(scheme, SLICE("http")) ? 80 : 0;
}

// The text itself when it is in lower case.
static struct slice lower_copy(struct arena *arena, struct slice text) {
    size_t first = 0;
    while (first < text.length && slice_lower(text.data[first]) == text.data[first]) {
        first++;
    }
    if (first == text.length) {
        return text;
    }
    char *copy = arena_alloc(arena, text.length);
    for (size_t i = 0; i < text.length; i++) {
        copy[i] = slice_lower(text.data[i]);
    }
    return slice_of(copy, text.length);
}

// --- paths ------------------------------------------------------------------------------------

bool url_check_path(struct slice path, struct arena *arena, struct slice *out_path) {
    if (path.length == 0 || path.data[0] != '/') {
        return false;
    }
    if (is_ordinary(path)) {
        *out_path = path;
        return true;
    }
    size_t encoded = 0;
    for (size_t i = 0; i < path.length; i++) {
        unsigned char byte = (unsigned char)path.data[i];
        if (is_forbidden(byte) || byte == '#') {
            return false;
        }
        encoded += is_encoded(byte);
    }
    *out_path = encoded == 0 ? path : encode(arena, path, encoded);
    return true;
}

// Nearly always. False does not say that there is anything special.
static bool is_ordinary(struct slice path) {
    return path.length >= SWAR_BYTES && !swar_marks(path, find_special);
}

// What is_forbidden, is_encoded or a fragment's mark; and "~".
static uint64_t find_special(uint64_t word) {
    return swar_below(word, ' ' + 1) | swar_from(word, '{') | swar_equal(word, '"') |
           swar_equal(word, '#') | swar_equal(word, '<') | swar_equal(word, '>') |
           swar_equal(word, '\\') | swar_equal(word, '^') | swar_equal(word, '`');
}

static bool is_forbidden(unsigned char byte) {
    return byte <= 0x20 || byte >= 0x7f || byte == '\\';
}

// Printable bytes that RFC 3986 allows nowhere.
static bool is_encoded(unsigned char byte) {
    return byte == '"' || byte == '<' || byte == '>' || byte == '^' || byte == '`' || byte == '{' ||
           byte == '|' || byte == '}';
}

static struct slice encode(struct arena *arena, struct slice path, size_t encoded) {
    static const char hex[] = "0123456789ABCDEF";
    char *text = arena_alloc(arena, path.length + 2 * encoded);
    size_t length = 0;
    for (size_t i = 0; i < path.length; i++) {
        unsigned char byte = (unsigned char)path.data[i];
        if (is_encoded(byte)) {
            text[length++] = '%';
            text[length++] = hex[byte >> 4];
            text[length++] = hex[byte & 15];
        } else {
            text[length++] = path.data[i];
        }
    }
    return slice_of(text, length);
}

// --- references -------------------------------------------------------------------------------

enum url_relation url_resolve(const struct url *base, struct slice reference, struct arena *arena,
                              struct url *out_url) {
    if (reference.length == 0 || reference.length > URL_MAX_BYTES) {
        return URL_BAD;
    }
    for (size_t i = is_ordinary(reference) ? reference.length : 0; i < reference.length; i++) {
        if (is_forbidden((unsigned char)reference.data[i])) {
            return URL_BAD;
        }
    }
    struct slice rest = slice_first(reference, slice_find(reference, '#'));
    struct slice scheme = base->scheme;
    size_t length = scheme_length(rest);
    if (length > 0) {
        scheme = lower_copy(arena, slice_first(rest, length));
        rest = slice_skip(rest, length + 1);
    }
    if (default_port(scheme) == 0) { // neither http nor https
        return URL_BAD;
    }
    if (slice_starts_with(rest, SLICE("//"))) {
        return resolve_authority(base, scheme, slice_skip(rest, 2), arena, out_url);
    }
    // "http:path" is relative when the schemes agree (RFC 3986 section 5.2.2, not strict).
    return slice_equal(scheme, base->scheme) ? resolve_path(base, rest, arena, out_url) : URL_BAD;
}

// Bytes before the colon when there is a scheme, else 0.
static size_t scheme_length(struct slice reference) {
    for (size_t i = 0; i < reference.length; i++) {
        char c = slice_lower(reference.data[i]);
        bool is_letter = c >= 'a' && c <= 'z';
        if (c == ':') {
            return i;
        }
        if (!is_letter &&
            (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'))) {
            return 0;
        }
    }
    return 0;
}

static enum url_relation resolve_authority(const struct url *base, struct slice scheme,
                                           struct slice rest, struct arena *arena,
                                           struct url *out_url) {
    size_t path_start = 0;
    while (path_start < rest.length && rest.data[path_start] != '/' &&
           rest.data[path_start] != '?') {
        path_start++;
    }
    struct slice tail = slice_skip(rest, path_start);
    size_t query_start = slice_find(tail, '?');
    struct slice path = query_start > 0 ? slice_first(tail, query_start) : SLICE("/");
    struct url url = {.scheme = scheme};
    if (!url_normalize_authority(scheme, slice_first(rest, path_start), arena, &url.authority) ||
        !join(SLICE_EMPTY, path, slice_skip(tail, query_start), arena, &url.path)) {
        return URL_BAD;
    }
    *out_url = url;
    bool is_same = slice_equal(url.authority, base->authority) && slice_equal(scheme, base->scheme);
    return is_same ? URL_SAME : URL_OTHER_SITE;
}

// The cases without authority of RFC 3986 section 5.2.2.
static enum url_relation resolve_path(const struct url *base, struct slice reference,
                                      struct arena *arena, struct url *out_url) {
    size_t query_start = slice_find(reference, '?');
    struct slice path = slice_first(reference, query_start);
    struct slice query = slice_skip(reference, query_start);
    struct slice folder = SLICE_EMPTY;
    size_t base_query_start = slice_find(base->path, '?');
    struct slice base_path = slice_first(base->path, base_query_start);
    if (path.length == 0) {
        path = base_path;
        query = reference.length > 0 ? query : slice_skip(base->path, base_query_start);
    } else if (path.data[0] != '/') {
        folder = base_path;
        while (folder.length > 0 && folder.data[folder.length - 1] != '/') {
            folder.length--;
        }
    }
    struct url url = {.scheme = base->scheme, .authority = base->authority};
    if (!join(folder, path, query, arena, &url.path)) {
        return URL_BAD;
    }
    *out_url = url;
    return URL_SAME;
}

// folder + path without dot segments, then the query. False when that is not a path to be asked
// for.
static bool join(struct slice folder, struct slice path, struct slice query, struct arena *arena,
                 struct slice *out_path) {
    size_t path_length = folder.length + path.length;
    if (path_length == 0 || path_length + query.length > URL_MAX_BYTES ||
        (folder.length > 0 ? folder.data[0] : path.data[0]) != '/') {
        return false;
    }
    char *text = arena_alloc(arena, path_length + query.length);
    memcpy(text, folder.data, folder.length);
    memcpy(text + folder.length, path.data, path.length);
    size_t length = remove_dot_segments(text, path_length);
    memcpy(text + length, query.data, query.length);
    // A path that starts with "//" would be read as an authority by whoever resolves it again.
    if (length >= 2 && text[1] == '/') {
        return false;
    }
    return url_check_path(slice_of(text, length + query.length), arena, out_path);
}

// RFC 3986 section 5.2.4, in place, segment by segment; the path starts with '/'.
static size_t remove_dot_segments(char *path, size_t length) {
    size_t out = 0;
    for (size_t in = 0, end; in < length; in = end) {
        end = in + 1;
        while (end < length && path[end] != '/') {
            end++;
        }
        unsigned count = dots(path + in + 1, end - in - 1);
        if (count == 0) {
            memmove(path + out, path + in, end - in);
            out += end - in;
            continue;
        }
        if (count == 2) { // up: the last segment goes, with its slash
            const char *slash = memrchr(path, '/', out);
            out = slash != NULL ? (size_t)(slash - path) : 0;
        }
        if (end == length) {
            path[out++] = '/';
        }
    }
    return out;
}

// 1 for ".", 2 for "..", else 0. "%2e" is a dot too: RFC 3986 section 6.2.2.2, and browsers agree.
static unsigned dots(const char *segment, size_t length) {
    unsigned count = 0;
    size_t i = 0;
    while (i < length && count < 3) {
        if (segment[i] == '.') {
            i++;
        } else if (length - i >= 3 && segment[i] == '%' && segment[i + 1] == '2' &&
                   slice_lower(segment[i + 2]) == 'e') {
            i += 3;
        } else {
            return 0;
        }
        count++;
    }
    return count <= 2 ? count : 0;
}
