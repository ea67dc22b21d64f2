// SPDX-License-Identifier: Apache-2.0
#include "admin_request.h"

#include <arpa/inet.h>
#include <string.h>

#include "http/url.h"

// Of a media range that may match one of our types.
enum match { MATCH_NONE, MATCH_ALL, MATCH_TEXT, MATCH_EXACT };

enum { WEIGHT_FULL = 1000 };

struct wish {
    enum match match; // of the element that says it: the most exact one counts
    int weight;       // thousandths
};

static bool is_address(struct slice authority);
static bool is_local_name(struct slice host);
static enum match match_text(struct slice type, struct slice version);
static enum match match_open(struct slice type, struct slice version);
static void note_wish(struct wish *wish, enum match match, int weight);
static void read_element(struct slice element, struct slice *out_type, struct slice *out_version,
                         int *out_weight);
static int read_weight(struct slice text);
static bool decode(struct slice text, struct arena *arena, struct slice *out_value);
static int digit_of(char c);

// --- who asks -----------------------------------------------------------------------------------

bool admin_request_is_local(const struct request_head *request, const struct client *client) {
    bool is_local = slice_equal(client->address, SLICE("unix")) ||
                    slice_equal(client->address, SLICE("::1")) ||
                    slice_starts_with(client->address, SLICE("127.")) ||
                    slice_starts_with(client->address, SLICE("::ffff:127."));
    return is_local && headers_find_name(&request->headers, SLICE("x-real-ip")) == NULL &&
           !headers_has(&request->headers, HEADER_X_FORWARDED_HOST) &&
           !headers_has(&request->headers, HEADER_VIA) &&
           !headers_has(&request->headers, HEADER_FORWARDED) &&
           !headers_has(&request->headers, HEADER_X_FORWARDED_FOR);
}

bool admin_request_is_named_well(const struct request_head *request, const struct client *client) {
    return slice_equal(client->address, SLICE("unix")) || is_address(request->authority) ||
           is_local_name(url_host(request->authority));
}

// An authority is normalised: an address in brackets is one of IPv6, and nothing else is.
static bool is_address(struct slice authority) {
    char text[INET6_ADDRSTRLEN + 1];
    struct slice host = url_host(authority);
    if (host.length == 0 || host.length >= sizeof(text)) {
        return false;
    }
    memcpy(text, host.data, host.length);
    text[host.length] = '\0';
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(authority.data[0] == '[' ? AF_INET6 : AF_INET, text, address) == 1;
}

static bool is_local_name(struct slice host) {
    struct slice end = SLICE(".localhost");
    return slice_equal(host, SLICE("localhost")) ||
           (host.length > end.length &&
            slice_equal(slice_skip(host, host.length - end.length), end));
}

// Clients that are no browsers send neither field.
bool admin_request_is_cross_site(const struct request_head *request) {
    const struct header *site = headers_find_name(&request->headers, SLICE("sec-fetch-site"));
    if (site != NULL && !slice_equal(slice_trim(site->value), SLICE("same-origin")) &&
        !slice_equal(slice_trim(site->value), SLICE("none"))) {
        return true;
    }
    const struct header *row = headers_find_name(&request->headers, SLICE("origin"));
    if (row == NULL) {
        return false;
    }
    struct slice origin = slice_trim(row->value);
    struct slice separator = SLICE("://");
    if (!slice_starts_with(origin, request->scheme) ||
        !slice_starts_with(slice_skip(origin, request->scheme.length), separator)) {
        return true;
    }
    struct slice authority = slice_skip(origin, request->scheme.length + separator.length);
    return !slice_equal_nocase(authority, request->authority);
}

// --- Accept (RFC 9110 section 12.5.1) -----------------------------------------------------------

enum admin_metrics_format admin_request_format(const struct headers *headers) {
    struct wish text = {0};
    struct wish open = {0};
    const struct header *row = headers_find(headers, HEADER_ACCEPT);
    for (; row != NULL; row = headers_find_next(headers, HEADER_ACCEPT, row)) {
        struct slice rest = row->value;
        struct slice element;
        while (slice_next_element(&rest, &element)) {
            struct slice type;
            struct slice version;
            int weight;
            read_element(element, &type, &version, &weight);
            note_wish(&text, match_text(type, version), weight);
            note_wish(&open, match_open(type, version), weight);
        }
    }
    return open.weight > 0 && open.weight >= text.weight ? ADMIN_METRICS_OPEN
                                                         : ADMIN_METRICS_PROMETHEUS;
}

static enum match match_text(struct slice type, struct slice version) {
    if (slice_equal_nocase(type, SLICE("text/plain"))) {
        bool is_ours = version.length == 0 || slice_equal(version, SLICE("0.0.4"));
        return is_ours ? MATCH_EXACT : MATCH_NONE;
    }
    if (slice_equal_nocase(type, SLICE("text/*"))) {
        return MATCH_TEXT;
    }
    return slice_equal(type, SLICE("*/*")) ? MATCH_ALL : MATCH_NONE;
}

// Only by its name: a browser that takes anything is not shown what it would save as a file.
static enum match match_open(struct slice type, struct slice version) {
    bool is_ours = slice_equal_nocase(type, SLICE("application/openmetrics-text")) &&
                   (version.length == 0 || slice_equal(version, SLICE("1.0.0")));
    return is_ours ? MATCH_EXACT : MATCH_NONE;
}

static void note_wish(struct wish *wish, enum match match, int weight) {
    if (match == MATCH_NONE) {
        return;
    }
    if (match > wish->match || (match == wish->match && weight > wish->weight)) {
        *wish = (struct wish){match, weight};
    }
}

// "text/plain; version=0.0.4; q=0.5".
static void read_element(struct slice element, struct slice *out_type, struct slice *out_version,
                         int *out_weight) {
    size_t end = slice_find(element, ';');
    *out_type = slice_trim(slice_first(element, end));
    *out_version = SLICE_EMPTY;
    *out_weight = WEIGHT_FULL;
    struct slice rest = slice_skip(element, end + 1);
    while (rest.length > 0) {
        end = slice_find(rest, ';');
        struct slice parameter = slice_first(rest, end);
        rest = slice_skip(rest, end + 1);
        size_t equals = slice_find(parameter, '=');
        struct slice name = slice_trim(slice_first(parameter, equals));
        struct slice value = slice_trim(slice_skip(parameter, equals + 1));
        if (slice_equal_nocase(name, SLICE("q"))) {
            *out_weight = read_weight(value);
        } else if (slice_equal_nocase(name, SLICE("version"))) {
            bool is_quoted = value.length >= 2 && value.data[0] == '"';
            *out_version = is_quoted ? slice_of(value.data + 1, value.length - 2) : value;
        }
    }
}

// "0", "0.75", "1.000" (section 12.4.2) in thousandths; 0 for anything else.
static int read_weight(struct slice text) {
    if (text.length == 0 || text.length > 5 || (text.data[0] != '0' && text.data[0] != '1') ||
        (text.length > 1 && text.data[1] != '.')) {
        return 0;
    }
    int weight = text.data[0] == '1' ? WEIGHT_FULL : 0;
    int unit = WEIGHT_FULL;
    for (size_t i = 2; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return 0;
        }
        unit /= 10;
        weight += (text.data[i] - '0') * unit;
    }
    return weight <= WEIGHT_FULL ? weight : 0;
}

// --- the query ----------------------------------------------------------------------------------

enum admin_parameter admin_request_parameter(struct slice query, struct slice name,
                                             struct arena *arena, struct slice *out_value) {
    *out_value = SLICE_EMPTY;
    if (query.length == 0) {
        return ADMIN_PARAMETER_ABSENT;
    }
    size_t equals = slice_find(query, '=');
    struct slice value = slice_skip(query, equals + 1);
    bool is_alone = slice_find(query, '&') == query.length;
    return is_alone && slice_equal(slice_first(query, equals), name) &&
                   decode(value, arena, out_value)
               ? ADMIN_PARAMETER_GIVEN
               : ADMIN_PARAMETER_BAD;
}

static bool decode(struct slice text, struct arena *arena, struct slice *out_value) {
    char *decoded = arena_alloc(arena, text.length + 1);
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.length ? digit_of(text.data[i + 1]) : -1;
            int low = high >= 0 ? digit_of(text.data[i + 2]) : -1;
            if (low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        decoded[length++] = c;
    }
    *out_value = slice_of(decoded, length);
    return length > 0;
}

static int digit_of(char c) {
    c = slice_lower(c);
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
