// SPDX-License-Identifier: Apache-2.0
#include "http/forward.h"

#include <inttypes.h>

#include "forward_fields.h"
#include "http/h1_head.h"
#include "http/url.h"

enum { ADDED_FIELDS = 7, MAX_PORT_DIGITS = 5 };

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool hops_left(const struct request_head *request, const struct header *field,
                      int64_t *out_left);
static struct header one_hop_less(const struct header *field, int64_t left, struct arena *arena);
static bool is_claim_about_client(const struct header *field);
static void add_via(struct headers *headers, enum protocol protocol);
static void add_forwarding(const struct request_head *request, const struct client *client,
                           struct headers *headers);
static struct slice appended(const struct headers *headers, enum header_id id, struct slice last);
static struct slice forwarded_element(const struct request_head *request,
                                      const struct client *client, struct arena *arena);
static struct slice client_address(const struct client *client);
static void add_unless_there(struct headers *headers, enum header_id id, struct slice value);
static struct slice client_port(const struct request_head *request, const struct client *client,
                                struct arena *arena);
static void copy_end_to_end(const struct response_head *response, struct arena *arena,
                            struct response_head *out_head);
static bool may_have_length(int status);
static bool may_be_trailer(const struct header *field);

// --- requests -----------------------------------------------------------------------------------

void forward_request(const struct request_head *request, const struct forward_options *options,
                     struct arena *arena, struct request_head *out_head) {
    const struct client *client = options->client;
    *out_head = *request;
    if (options->host_header.length > 0) {
        out_head->authority = options->host_header;
    }
    headers_init(&out_head->headers, arena);
    headers_reserve(&out_head->headers, request->headers.count + ADDED_FIELDS);
    for (uint32_t i = 0; i < request->headers.count; i++) {
        const struct header *field = &request->headers.rows[i];
        if (!forward_is_hop_by_hop(field, FORWARD_REQUEST) &&
            (client->is_trusted_proxy || !is_claim_about_client(field))) {
            int64_t left;
            struct header row = *field;
            if (hops_left(request, field, &left)) {
                row = one_hop_less(field, left, arena);
            }
            headers_add_row(&out_head->headers, &row);
        }
    }
    add_via(&out_head->headers, client->protocol);
    add_forwarding(request, client, &out_head->headers);
}

bool forward_ends_here(const struct request_head *request) {
    int64_t left;
    return hops_left(request, headers_find(&request->headers, HEADER_MAX_FORWARDS), &left) &&
           left == 0;
}

// A number that the method gives a meaning to; else the field is one like others.
static bool hops_left(const struct request_head *request, const struct header *field,
                      int64_t *out_left) {
    return field != NULL && field->id == HEADER_MAX_FORWARDS &&
           slice_equal(request->method, SLICE("OPTIONS")) &&
           h1_head_parse_length(field->value, out_left);
}

static struct header one_hop_less(const struct header *field, int64_t left, struct arena *arena) {
    struct header less = *field;
    less.value = arena_printf(arena, "%" PRId64, left - 1);
    return less;
}

// What only a trusted proxy may say about the one who asks.
static bool is_claim_about_client(const struct header *field) {
    if (field->id == HEADER_OTHER) {
        return slice_starts_with(field->name, SLICE("x-forwarded-")) ||
               slice_equal(field->name, SLICE("x-real-ip"));
    }
    return field->id == HEADER_FORWARDED || field->id == HEADER_X_FORWARDED_FOR ||
           field->id == HEADER_X_FORWARDED_HOST || field->id == HEADER_X_FORWARDED_PORT ||
           field->id == HEADER_X_FORWARDED_PROTO;
}

// A further field is the same as a further element (RFC 9110 section 5.3).
static void add_via(struct headers *headers, enum protocol protocol) {
    struct slice value;
    switch (protocol) {
    case PROTOCOL_HTTP_1_0:
        value = SLICE("1.0 outrider");
        break;
    case PROTOCOL_HTTP_1_1:
        value = SLICE("1.1 outrider");
        break;
    case PROTOCOL_HTTP_2:
        value = SLICE("2.0 outrider");
        break;
    }
    headers_add_id(headers, HEADER_VIA, value);
}

// RFC 7239, and its older unwritten relatives. Addresses are appended, so that the chain can be
// read; protocol, host and port are those of the outermost trusted proxy.
static void add_forwarding(const struct request_head *request, const struct client *client,
                           struct headers *headers) {
    struct arena *arena = headers->arena;
    headers_set_id(headers, HEADER_X_FORWARDED_FOR,
                   appended(headers, HEADER_X_FORWARDED_FOR, client_address(client)));
    add_unless_there(headers, HEADER_X_FORWARDED_PROTO,
                     client->is_tls ? SLICE("https") : SLICE("http"));
    add_unless_there(headers, HEADER_X_FORWARDED_HOST, request->authority);
    add_unless_there(headers, HEADER_X_FORWARDED_PORT, client_port(request, client, arena));
    headers_set_id(headers, HEADER_FORWARDED,
                   appended(headers, HEADER_FORWARDED, forwarded_element(request, client, arena)));
}

// The fields of that id as one list, with `last` at its end.
static struct slice appended(const struct headers *headers, enum header_id id, struct slice last) {
    struct slice list = forward_join(headers, id, SLICE(", "), headers->arena);
    const struct slice parts[] = {list, SLICE(", "), last};
    return list.length == 0 ? last : arena_join(headers->arena, parts, COUNT(parts));
}

// The authority holds no quotes and no backslashes: url_normalize_authority saw to it.
static struct slice forwarded_element(const struct request_head *request,
                                      const struct client *client, struct arena *arena) {
    bool is_ipv6 = slice_find(client->address, ':') < client->address.length;
    const struct slice parts[] = {
        is_ipv6 ? SLICE("for=\"[") : SLICE("for="),
        client_address(client),
        is_ipv6 ? SLICE("]\";host=\"") : SLICE(";host=\""),
        request->authority,
        client->is_tls ? SLICE("\";proto=https") : SLICE("\";proto=http"),
    };
    return arena_join(arena, parts, COUNT(parts));
}

static struct slice client_address(const struct client *client) {
    bool is_unix = slice_equal(client->address, SLICE("unix"));
    return is_unix || client->address.length == 0 ? SLICE("unknown") : client->address;
}

static void add_unless_there(struct headers *headers, enum header_id id, struct slice value) {
    if (!headers_has(headers, id)) {
        headers_add_id(headers, id, value);
    }
}

static struct slice client_port(const struct request_head *request, const struct client *client,
                                struct arena *arena) {
    struct slice scheme = client->is_tls ? SLICE("https") : SLICE("http");
    unsigned port =
        client->local_port > 0 ? client->local_port : url_port(scheme, request->authority);
    char *digits = arena_alloc(arena, MAX_PORT_DIGITS);
    size_t first = MAX_PORT_DIGITS;
    do {
        digits[--first] = (char)('0' + port % 10);
        port /= 10;
    } while (port > 0 && first > 0);
    return slice_of(digits + first, MAX_PORT_DIGITS - first);
}

// --- responses ----------------------------------------------------------------------------------

enum fault forward_response(const struct response_head *response, struct slice date,
                            struct arena *arena, struct response_head *out_head) {
    if (response->status < 200 || response->status > 599) {
        return FAULT_ORIGIN_BAD_RESPONSE;
    }
    copy_end_to_end(response, arena, out_head);
    if (!headers_has(&out_head->headers, HEADER_DATE)) {
        headers_add_id(&out_head->headers, HEADER_DATE, arena_copy(arena, date));
    }
    headers_add_id(&out_head->headers, HEADER_VIA, SLICE("1.1 outrider"));
    return FAULT_NONE;
}

void forward_interim(const struct response_head *response, struct arena *arena,
                     struct response_head *out_head) {
    copy_end_to_end(response, arena, out_head);
}

static void copy_end_to_end(const struct response_head *response, struct arena *arena,
                            struct response_head *out_head) {
    const struct headers *from = &response->headers;
    *out_head = *response;
    headers_init(&out_head->headers, arena);
    headers_reserve(&out_head->headers, from->count + 2);
    for (uint32_t i = 0; i < from->count; i++) {
        const struct header *field = &from->rows[i];
        bool is_wrong_length =
            field->id == HEADER_CONTENT_LENGTH && !may_have_length(response->status);
        if (!is_wrong_length && !forward_is_hop_by_hop(field, FORWARD_RESPONSE)) {
            headers_add_row(&out_head->headers, field);
        }
    }
    forward_remove_nominated(from, &out_head->headers);
}

// RFC 9110 section 8.6.
static bool may_have_length(int status) {
    return status >= 200 && status != 204;
}

// --- trailers -----------------------------------------------------------------------------------

void forward_trailers(const struct headers *trailers, struct arena *arena,
                      struct headers *out_trailers) {
    headers_init(out_trailers, arena);
    for (uint32_t i = 0; i < trailers->count; i++) {
        if (may_be_trailer(&trailers->rows[i])) {
            headers_add_row(out_trailers, &trailers->rows[i]);
        }
    }
}

// Not what frames, routes, authenticates, controls or describes the content: a recipient that
// merges trailers into the head would believe it (RFC 9110 section 6.5.1).
static bool may_be_trailer(const struct header *field) {
    static const uint64_t refused =
        HEADER_BIT(AGE) | HEADER_BIT(ALT_SVC) | HEADER_BIT(AUTHORIZATION) |
        HEADER_BIT(CACHE_CONTROL) | HEADER_BIT(CONTENT_ENCODING) | HEADER_BIT(CONTENT_LENGTH) |
        HEADER_BIT(CONTENT_SECURITY_POLICY) | HEADER_BIT(CONTENT_TYPE) | HEADER_BIT(COOKIE) |
        HEADER_BIT(DATE) | HEADER_BIT(EARLY_DATA) | HEADER_BIT(EXPIRES) | HEADER_BIT(FORWARDED) |
        HEADER_BIT(HOST) | HEADER_BIT(IF_MODIFIED_SINCE) | HEADER_BIT(IF_NONE_MATCH) |
        HEADER_BIT(LINK) | HEADER_BIT(LOCATION) | HEADER_BIT(MAX_FORWARDS) | HEADER_BIT(PRIORITY) |
        HEADER_BIT(RANGE) | HEADER_BIT(SET_COOKIE) | HEADER_BIT(TRAILER) | HEADER_BIT(VARY) |
        HEADER_BIT(VIA) | HEADER_BIT(X_FORWARDED_FOR) | HEADER_BIT(X_FORWARDED_HOST) |
        HEADER_BIT(X_FORWARDED_PORT) | HEADER_BIT(X_FORWARDED_PROTO) | HEADER_BIT(X_HTTP2_PUSH);
    static const struct slice refused_names[] = {
        {"content-range", 13}, {"content-location", 16},    {"if-match", 8},
        {"if-range", 8},       {"if-unmodified-since", 19}, {"pragma", 6},
        {"retry-after", 11},   {"www-authenticate", 16},    {"authentication-info", 19},
        {"x-real-ip", 9},
    };
    if (field->id != HEADER_OTHER) {
        return (refused >> field->id & 1) == 0 && !forward_is_hop_by_hop(field, FORWARD_REQUEST) &&
               headers_is_value(field->value);
    }
    for (size_t i = 0; i < COUNT(refused_names); i++) {
        if (slice_equal(field->name, refused_names[i])) {
            return false;
        }
    }
    return headers_is_name(field->name) && headers_is_value(field->value) &&
           slice_find(field->name, '_') == field->name.length &&
           !slice_starts_with(field->name, SLICE("x-forwarded-")) &&
           !forward_is_hop_by_hop(field, FORWARD_REQUEST);
}
