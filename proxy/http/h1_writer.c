// SPDX-License-Identifier: Apache-2.0
#include "http/h1_writer.h"

#include <string.h>

enum {
    NUMBER_BYTES = 24, // room for any length in decimal or hexadecimal
    FIXED_BYTES = 128, // room for all that is written around the fields of a head
    MAX_REASON_BYTES = 40,
};

static bool needs_length(struct slice method);
static size_t fields_size(const struct headers *headers);
static char *put(char *at, struct slice text);
static char *put_decimal(char *at, uint64_t number);
static char *put_hexadecimal(char *at, size_t number);
static char *put_field(char *at, struct slice name, struct slice value);
static char *put_fields(char *at, const struct headers *headers, uint64_t without);
static char *put_length(char *at, int64_t length);
static struct slice reason_of(int status);

#define BIT(id) (UINT64_C(1) << HEADER_##id)

// Written from what the head means, not from what its fields say.
static const uint64_t framing_fields = BIT(CONTENT_LENGTH) | BIT(TRANSFER_ENCODING);
static const uint64_t connection_fields =
    BIT(CONNECTION) | BIT(KEEP_ALIVE) | BIT(PROXY_CONNECTION) | BIT(UPGRADE);

void h1_writer_request(struct buffer *out, const struct request_head *head) {
    size_t most = FIXED_BYTES + head->method.length + head->path.length + head->authority.length +
                  fields_size(&head->headers);
    char *start = buffer_reserve(out, most);
    char *at = put(start, head->method);
    *at++ = ' ';
    at = put(at, head->path);
    at = put(at, SLICE(" HTTP/1.1\r\nhost: "));
    at = put(at, head->authority);
    at = put(at, SLICE("\r\n"));
    at = put_fields(at, &head->headers, framing_fields | connection_fields | BIT(HOST));
    if (head->content_length == BODY_UNKNOWN) {
        at = put(at, SLICE("transfer-encoding: chunked\r\n"));
    } else if (head->content_length > 0 || !head->is_end || needs_length(head->method)) {
        at = put_length(at, head->content_length);
    }
    at = put(at, SLICE("\r\n"));
    buffer_commit(out, (size_t)(at - start));
}

// These are expected to have content, so its absence is said (RFC 9110 section 8.6).
static bool needs_length(struct slice method) {
    return slice_equal(method, SLICE("POST")) || slice_equal(method, SLICE("PUT")) ||
           slice_equal(method, SLICE("PATCH"));
}

static size_t fields_size(const struct headers *headers) {
    size_t size = 0;
    for (uint32_t i = 0; i < headers->count; i++) {
        size += headers->rows[i].name.length + headers->rows[i].value.length + 4;
    }
    return size;
}

static char *put(char *at, struct slice text) {
    if (text.length > 0) {
        memcpy(at, text.data, text.length);
    }
    return at + text.length;
}

static char *put_decimal(char *at, uint64_t number) {
    char digits[NUMBER_BYTES];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put(at, slice_of(digits + first, sizeof digits - first));
}

static char *put_hexadecimal(char *at, size_t number) {
    char digits[NUMBER_BYTES];
    size_t first = sizeof digits;
    do {
        digits[--first] = "0123456789abcdef"[number & 15];
        number >>= 4;
    } while (number > 0);
    return put(at, slice_of(digits + first, sizeof digits - first));
}

static char *put_field(char *at, struct slice name, struct slice value) {
    at = put(at, name);
    *at++ = ':';
    *at++ = ' ';
    at = put(at, value);
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static char *put_fields(char *at, const struct headers *headers, uint64_t without) {
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct header *field = &headers->rows[i];
        if ((without >> field->id & 1) == 0) {
            at = put_field(at, field->name, field->value);
        }
    }
    return at;
}

static char *put_length(char *at, int64_t length) {
    at = put(at, SLICE("content-length: "));
    at = put_decimal(at, length > 0 ? (uint64_t)length : 0);
    return put(at, SLICE("\r\n"));
}

void h1_writer_response(struct buffer *out, const struct response_head *head,
                        enum h1_framing framing, enum protocol protocol, bool is_keep_alive) {
    size_t most = FIXED_BYTES + MAX_REASON_BYTES + fields_size(&head->headers);
    char *start = buffer_reserve(out, most);
    char *at = put(start, SLICE("HTTP/1.1 "));
    at = put_decimal(at, (uint64_t)head->status);
    *at++ = ' ';
    at = put(at, reason_of(head->status));
    at = put(at, SLICE("\r\n"));
    bool may_have_length = framing == H1_FRAMING_NONE && head->status >= 200 && head->status != 204;
    uint64_t without = framing_fields | connection_fields;
    at = put_fields(at, &head->headers, may_have_length ? without & ~BIT(CONTENT_LENGTH) : without);
    if (framing == H1_FRAMING_LENGTH) {
        at = put_length(at, head->content_length);
    } else if (framing == H1_FRAMING_CHUNKED) {
        at = put(at, SLICE("transfer-encoding: chunked\r\n"));
    }
    if (head->status >= 200 && !is_keep_alive) {
        at = put(at, SLICE("connection: close\r\n"));
    } else if (head->status >= 200 && protocol == PROTOCOL_HTTP_1_0) {
        at = put(at, SLICE("connection: keep-alive\r\n"));
    }
    at = put(at, SLICE("\r\n"));
    buffer_commit(out, (size_t)(at - start));
}

void h1_writer_chunk(struct buffer *out, struct slice bytes) {
    if (bytes.length == 0) {
        return;
    }
    char *start = buffer_reserve(out, bytes.length + NUMBER_BYTES);
    char *at = put_hexadecimal(start, bytes.length);
    at = put(at, SLICE("\r\n"));
    at = put(at, bytes);
    at = put(at, SLICE("\r\n"));
    buffer_commit(out, (size_t)(at - start));
}

void h1_writer_last_chunk(struct buffer *out, const struct headers *trailers) {
    if (trailers == NULL) {
        buffer_append_slice(out, SLICE("0\r\n\r\n"));
        return;
    }
    char *start = buffer_reserve(out, FIXED_BYTES + fields_size(trailers));
    char *at = put(start, SLICE("0\r\n"));
    at = put_fields(at, trailers, framing_fields | connection_fields | BIT(HOST));
    at = put(at, SLICE("\r\n"));
    buffer_commit(out, (size_t)(at - start));
}

// RFC 9110 section 15 and its neighbours; empty for a status that has no standard phrase.
static struct slice reason_of(int status) {
    static const struct {
        int status;
        struct slice reason;
    } reasons[] = {
#define REASON(status, text)                                                                       \
    {                                                                                              \
        status, {                                                                                  \
            text, sizeof(text) - 1                                                                 \
        }                                                                                          \
    }
        REASON(200, "OK"),
        REASON(304, "Not Modified"),
        REASON(100, "Continue"),
        REASON(102, "Processing"),
        REASON(103, "Early Hints"),
        REASON(201, "Created"),
        REASON(202, "Accepted"),
        REASON(203, "Non-Authoritative Information"),
        REASON(204, "No Content"),
        REASON(205, "Reset Content"),
        REASON(206, "Partial Content"),
        REASON(207, "Multi-Status"),
        REASON(208, "Already Reported"),
        REASON(226, "IM Used"),
        REASON(300, "Multiple Choices"),
        REASON(301, "Moved Permanently"),
        REASON(302, "Found"),
        REASON(303, "See Other"),
        REASON(307, "Temporary Redirect"),
        REASON(308, "Permanent Redirect"),
        REASON(400, "Bad Request"),
        REASON(401, "Unauthorized"),
        REASON(402, "Payment Required"),
        REASON(403, "Forbidden"),
        REASON(404, "Not Found"),
        REASON(405, "Method Not Allowed"),
        REASON(406, "Not Acceptable"),
        REASON(407, "Proxy Authentication Required"),
        REASON(408, "Request Timeout"),
        REASON(409, "Conflict"),
        REASON(410, "Gone"),
        REASON(411, "Length Required"),
        REASON(412, "Precondition Failed"),
        REASON(413, "Content Too Large"),
        REASON(414, "URI Too Long"),
        REASON(415, "Unsupported Media Type"),
        REASON(416, "Range Not Satisfiable"),
        REASON(417, "Expectation Failed"),
        REASON(421, "Misdirected Request"),
        REASON(422, "Unprocessable Content"),
        REASON(423, "Locked"),
        REASON(424, "Failed Dependency"),
        REASON(425, "Too Early"),
        REASON(426, "Upgrade Required"),
        REASON(428, "Precondition Required"),
        REASON(429, "Too Many Requests"),
        REASON(431, "Request Header Fields Too Large"),
        REASON(451, "Unavailable For Legal Reasons"),
        REASON(500, "Internal Server Error"),
        REASON(501, "Not Implemented"),
        REASON(502, "Bad Gateway"),
        REASON(503, "Service Unavailable"),
        REASON(504, "Gateway Timeout"),
        REASON(505, "HTTP Version Not Supported"),
        REASON(507, "Insufficient Storage"),
        REASON(508, "Loop Detected"),
        REASON(511, "Network Authentication Required"),
#undef REASON
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return SLICE_EMPTY;
}
