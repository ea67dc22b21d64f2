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

// RFC 9110 section 15 and its neighbours, the commonest first.
static const struct {
    int status;
    const char *text;
} reasons[] = {
    {200, "OK"},
    {304, "Not Modified"},
    {100, "Continue"},
    {102, "Processing"},
    {103, "Early Hints"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};

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

// Empty for a status that has no standard phrase.
static struct slice reason_of(int status) {
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status) {
            return slice_of_text(reasons[i].text);
        }
    }
    return SLICE_EMPTY;
}
