// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "forward_fields.h"
#include "http/forward.h"
#include "http/h1_head.h"
#include "http/url.h"

static enum fault check_method(struct slice method);
static enum fault check_scheme(struct slice scheme, struct request_head *head);
static enum fault check_authority(const struct raw_request *raw, struct arena *arena,
                                  struct request_head *head);
static enum fault check_path(const struct raw_request *raw, struct arena *arena,
                             struct request_head *head);
static enum fault check_framing(const struct raw_request *raw, struct request_head *head);
static enum fault check_expect(const struct raw_request *raw);
static enum fault check_connection(const struct raw_request *raw);
static bool may_be_nominated(struct slice name);
static enum fault check_fields(const struct raw_request *raw, struct arena *arena,
                               struct request_head *head);
static bool has_underscore(const struct header *field);
static bool is_dropped(const struct header *field);

enum fault forward_check_request(const struct raw_request *raw, struct arena *arena,
                                 struct request_head *out_head) {
    *out_head = (struct request_head){.method = raw->method, .is_end = raw->is_end};
    enum fault fault = check_method(raw->method);
    if (fault == FAULT_NONE) {
        fault = check_scheme(raw->scheme, out_head);
    }
    if (fault == FAULT_NONE) {
        fault = check_authority(raw, arena, out_head);
    }
    if (fault == FAULT_NONE) {
        fault = check_path(raw, arena, out_head);
    }
    if (fault == FAULT_NONE) {
        fault = check_framing(raw, out_head);
    }
    if (fault == FAULT_NONE) {
        fault = check_connection(raw);
    }
    if (fault == FAULT_NONE) {
        fault = check_fields(raw, arena, out_head);
    }
    return fault == FAULT_NONE ? check_expect(raw) : fault;
}

// TRACE would show an attacker the fields that we add; nobody needs it. PRI is no method but the
// beginning of a preface (RFC 9113 section 3.4), and an origin may take it for one.
static enum fault check_method(struct slice method) {
    if (!headers_is_name(method)) {
        return FAULT_BAD_REQUEST;
    }
    bool is_refused = slice_equal(method, SLICE("CONNECT")) ||
                      slice_equal(method, SLICE("TRACE")) || slice_equal(method, SLICE("PRI"));
    return is_refused ? FAULT_NOT_IMPLEMENTED : FAULT_NONE;
}

static enum fault check_scheme(struct slice scheme, struct request_head *head) {
    if (slice_equal_nocase(scheme, SLICE("https"))) {
        head->scheme = SLICE("https");
    } else if (slice_equal_nocase(scheme, SLICE("http"))) {
        head->scheme = SLICE("http");
    } else {
        return FAULT_BAD_REQUEST;
    }
    return FAULT_NONE;
}

// The one authority, from :authority, the request target or Host; where two are given they agree.
static enum fault check_authority(const struct raw_request *raw, struct arena *arena,
                                  struct request_head *head) {
    const struct header *host = headers_find(&raw->headers, HEADER_HOST);
    bool has_authority = raw->authority.length > 0;
    if (host == NULL && (!has_authority || raw->protocol == PROTOCOL_HTTP_1_1)) {
        return FAULT_BAD_REQUEST;
    }
    if (host != NULL && headers_find_next(&raw->headers, HEADER_HOST, host) != NULL) {
        return FAULT_BAD_REQUEST;
    }
    struct slice named = host != NULL ? slice_trim(host->value) : SLICE_EMPTY;
    struct slice first = has_authority ? raw->authority : named;
    if (!url_normalize_authority(head->scheme, first, arena, &head->authority)) {
        return FAULT_BAD_REQUEST;
    }
    if (!has_authority || host == NULL || slice_equal(first, named)) {
        return FAULT_NONE;
    }
    struct slice second;
    bool agrees = url_normalize_authority(head->scheme, named, arena, &second) &&
                  slice_equal(head->authority, second);
    return agrees ? FAULT_NONE : FAULT_BAD_REQUEST;
}

static enum fault check_path(const struct raw_request *raw, struct arena *arena,
                             struct request_head *head) {
    if (slice_equal(raw->path, SLICE("*"))) {
        head->path = raw->path;
        return slice_equal(raw->method, SLICE("OPTIONS")) ? FAULT_NONE : FAULT_BAD_REQUEST;
    }
    return url_check_path(raw->path, arena, &head->path) ? FAULT_NONE : FAULT_BAD_REQUEST;
}

static enum fault check_framing(const struct raw_request *raw, struct request_head *head) {
    const struct header *length = headers_find(&raw->headers, HEADER_CONTENT_LENGTH);
    bool has_coding = headers_has(&raw->headers, HEADER_TRANSFER_ENCODING);
    head->content_length = raw->is_end ? BODY_NONE : BODY_UNKNOWN;
    if (has_coding && (length != NULL || raw->protocol != PROTOCOL_HTTP_1_1)) {
        return FAULT_BAD_REQUEST;
    }
    if (length == NULL) {
        return FAULT_NONE;
    }
    if (headers_find_next(&raw->headers, HEADER_CONTENT_LENGTH, length) != NULL ||
        !h1_head_parse_length(slice_trim(length->value), &head->content_length)) {
        return FAULT_BAD_REQUEST;
    }
    return raw->is_end && head->content_length > 0 ? FAULT_BAD_REQUEST : FAULT_NONE;
}

// 100-continue is the only expectation there is (RFC 9110 section 10.1.1); HTTP/1.0 has none.
static enum fault check_expect(const struct raw_request *raw) {
    const struct header *row = headers_find(&raw->headers, HEADER_EXPECT);
    if (raw->protocol == PROTOCOL_HTTP_1_0) {
        return FAULT_NONE;
    }
    for (; row != NULL; row = headers_find_next(&raw->headers, HEADER_EXPECT, row)) {
        if (!slice_equal_nocase(slice_trim(row->value), SLICE("100-continue"))) {
            return FAULT_EXPECTATION;
        }
    }
    return FAULT_NONE;
}

// Connection may not be used to make us drop what the origin relies on (VSV10 and its kin).
static enum fault check_connection(const struct raw_request *raw) {
    const struct header *row = headers_find(&raw->headers, HEADER_CONNECTION);
    if (row != NULL && raw->protocol == PROTOCOL_HTTP_2) {
        return FAULT_BAD_REQUEST;
    }
    for (; row != NULL; row = headers_find_next(&raw->headers, HEADER_CONNECTION, row)) {
        struct slice rest = row->value;
        struct slice option;
        while (slice_next_element(&rest, &option)) {
            if (!headers_is_name(option) || !may_be_nominated(option)) {
                return FAULT_BAD_REQUEST;
            }
        }
    }
    return FAULT_NONE;
}

static bool may_be_nominated(struct slice name) {
    static const struct slice protected_names[] = {
        {"host", 4},
        {"content-length", 14},
        {"transfer-encoding", 17},
        {"content-type", 12},
        {"content-encoding", 16},
        {"cookie", 6},
        {"authorization", 13},
        {"forwarded", 9},
        {"via", 3},
        {"cache-control", 13},
        {"range", 5},
        {"expect", 6},
        {"x-real-ip", 9},
    };
    for (size_t i = 0; i < sizeof protected_names / sizeof protected_names[0]; i++) {
        if (slice_equal_nocase(name, protected_names[i])) {
            return false;
        }
    }
    struct slice prefix = SLICE("x-forwarded-");
    return !slice_equal_nocase(slice_first(name, prefix.length), prefix);
}

static enum fault check_fields(const struct raw_request *raw, struct arena *arena,
                               struct request_head *head) {
    headers_init(&head->headers, arena);
    headers_reserve(&head->headers, raw->headers.count);
    bool has_cookie = false;
    for (uint32_t i = 0; i < raw->headers.count; i++) {
        struct header field = raw->headers.rows[i];
        if ((field.id == HEADER_OTHER && !headers_is_name(field.name)) ||
            !headers_is_value(field.value)) {
            return FAULT_BAD_REQUEST;
        }
        if (has_underscore(&field)) {
            head->dropped++;
            continue;
        }
        if (is_dropped(&field) || (field.id == HEADER_COOKIE && has_cookie)) {
            continue;
        }
        field.value = slice_trim(field.value);
        if (field.id == HEADER_COOKIE) {
            has_cookie = true; // one field for HTTP/1.1 (RFC 9113 section 8.2.3)
            field.value = forward_join(&raw->headers, HEADER_COOKIE, SLICE("; "), arena);
        }
        headers_add_row(&head->headers, &field);
    }
    forward_remove_nominated(&raw->headers, &head->headers);
    return FAULT_NONE;
}

// CGI-like origins cannot tell X_Forwarded_For from X-Forwarded-For.
static bool has_underscore(const struct header *field) {
    if (field->id != HEADER_OTHER || slice_find(field->name, '_') == field->name.length) {
        return false;
    }
    log_debug("forward", "-", "request field dropped for its '_': %.*s", SLICE_ARGS(field->name));
    return true;
}

static bool is_dropped(const struct header *field) {
    return field->id == HEADER_HOST || field->id == HEADER_CONTENT_LENGTH ||
           forward_is_hop_by_hop(field, FORWARD_REQUEST);
}
