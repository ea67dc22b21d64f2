// SPDX-License-Identifier: Apache-2.0
#include "http/h1_head.h"

static enum fault read_version(struct slice text, struct h1_head *head);
static bool is_digit(char c);
static bool is_more_than_once(const struct headers *headers, enum header_id id);
static enum fault check_request_coding(const struct h1_head *head);
static enum fault judge_unknown_coding(struct slice value);
static bool read_content_length(struct h1_head *head);
static bool decide_keep_alive(const struct h1_head *head);
static bool is_response_framing_sound(const struct h1_head *head);

// "GET /path HTTP/1.1": exactly two blanks, so that nobody can take another word for the target.
enum fault h1_head_read_request_line(struct slice line, struct h1_head *head) {
    size_t first = slice_find(line, ' ');
    struct slice rest = slice_skip(line, first + 1);
    size_t second = slice_find(rest, ' ');
    head->method = slice_first(line, first);
    head->target = slice_first(rest, second);
    if (second == rest.length || !headers_is_name(head->method) || head->target.length == 0) {
        return FAULT_BAD_REQUEST;
    }
    for (size_t i = 0; i < head->target.length; i++) {
        if ((unsigned char)head->target.data[i] <= (unsigned char)' ' ||
            (unsigned char)head->target.data[i] >= 0x7f) {
            return FAULT_BAD_REQUEST;
        }
    }
    return read_version(slice_skip(rest, second + 1), head);
}

static enum fault read_version(struct slice text, struct h1_head *head) {
    if (text.length != 8 || !slice_starts_with(text, SLICE("HTTP/")) || !is_digit(text.data[5]) ||
        text.data[6] != '.' || !is_digit(text.data[7])) {
        return FAULT_BAD_REQUEST;
    }
    head->major = (unsigned)(text.data[5] - '0');
    head->minor = (unsigned)(text.data[7] - '0');
    return head->major == 1 && head->minor <= 1 ? FAULT_NONE : FAULT_VERSION;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// "HTTP/1.1 200 OK", "HTTP/1.1 200 " or, as some servers have it, "HTTP/1.1 200".
enum fault h1_head_read_status_line(struct slice line, struct h1_head *head) {
    if (line.length < 12 || line.data[8] != ' ' || !headers_is_value(line) ||
        read_version(slice_first(line, 8), head) != FAULT_NONE ||
        (line.length > 12 && line.data[12] != ' ')) {
        return FAULT_ORIGIN_BAD_RESPONSE;
    }
    head->status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (!is_digit(line.data[i])) {
            return FAULT_ORIGIN_BAD_RESPONSE;
        }
        head->status = head->status * 10 + (line.data[i] - '0');
    }
    return head->status >= 100 && head->status <= 599 ? FAULT_NONE : FAULT_ORIGIN_BAD_RESPONSE;
}

enum fault h1_head_frame_request(struct h1_head *head) {
    head->is_chunked = headers_has(&head->headers, HEADER_TRANSFER_ENCODING);
    if (head->is_chunked) {
        enum fault fault = check_request_coding(head);
        if (fault != FAULT_NONE) {
            return fault;
        }
        head->content_length = BODY_UNKNOWN;
    } else if (!read_content_length(head)) {
        return FAULT_BAD_REQUEST;
    }
    head->is_end = head->content_length == 0;
    head->is_keep_alive = decide_keep_alive(head);
    head->has_expect_continue =
        head->minor == 1 && headers_has_token(&head->headers, HEADER_EXPECT, SLICE("100-continue"));
    return FAULT_NONE;
}

static enum fault check_request_coding(const struct h1_head *head) {
    const struct headers *headers = &head->headers;
    if (head->minor == 0 || headers_has(headers, HEADER_CONTENT_LENGTH) ||
        is_more_than_once(headers, HEADER_TRANSFER_ENCODING)) {
        return FAULT_BAD_REQUEST;
    }
    struct slice value = headers_value(headers, HEADER_TRANSFER_ENCODING);
    return slice_equal_nocase(value, SLICE("chunked")) ? FAULT_NONE : judge_unknown_coding(value);
}

static bool is_more_than_once(const struct headers *headers, enum header_id id) {
    const struct header *first = headers_find(headers, id);
    return first != NULL && headers_find_next(headers, id, first) != NULL;
}

// A coding we do not know is 501 where the list is well-formed; chunked anywhere but last is an
// attempt to be read in two ways.
static enum fault judge_unknown_coding(struct slice value) {
    struct slice rest = value;
    struct slice element;
    bool is_after_chunked = false;
    bool has_any = false;
    while (slice_next_element(&rest, &element)) {
        if (is_after_chunked || !headers_is_name(element)) {
            return FAULT_BAD_REQUEST;
        }
        is_after_chunked = slice_equal_nocase(element, SLICE("chunked"));
        has_any = true;
    }
    return has_any ? FAULT_NOT_IMPLEMENTED : FAULT_BAD_REQUEST;
}

// Repeated values are refused even when they agree.
static bool read_content_length(struct h1_head *head) {
    const struct header *field = headers_find(&head->headers, HEADER_CONTENT_LENGTH);
    head->content_length = 0;
    return field == NULL || (!is_more_than_once(&head->headers, HEADER_CONTENT_LENGTH) &&
                             h1_head_parse_length(field->value, &head->content_length));
}

bool h1_head_parse_length(struct slice value, int64_t *out_length) {
    if (value.length == 0 || value.length > 18) {
        return false;
    }
    int64_t length = 0;
    for (size_t i = 0; i < value.length; i++) {
        if (!is_digit(value.data[i])) {
            return false;
        }
        length = length * 10 + (value.data[i] - '0');
    }
    *out_length = length;
    return true;
}

static bool decide_keep_alive(const struct h1_head *head) {
    const struct headers *headers = &head->headers;
    if (!headers_has(headers, HEADER_CONNECTION)) {
        return head->minor == 1;
    }
    if (headers_has_token(headers, HEADER_CONNECTION, SLICE("close"))) {
        return false;
    }
    return head->minor == 1 || headers_has_token(headers, HEADER_CONNECTION, SLICE("keep-alive"));
}

enum fault h1_head_frame_response(struct h1_head *head, bool is_head_request) {
    if (head->status == 101) {
        return FAULT_ORIGIN_UPGRADE;
    }
    bool has_length = headers_has(&head->headers, HEADER_CONTENT_LENGTH);
    bool has_coding = headers_has(&head->headers, HEADER_TRANSFER_ENCODING);
    if (!is_response_framing_sound(head) || !read_content_length(head)) {
        return FAULT_ORIGIN_BAD_RESPONSE;
    }
    head->is_keep_alive = decide_keep_alive(head);
    if (is_head_request || head->status < 200 || head->status == 204 || head->status == 304) {
        head->content_length = 0;
        head->is_end = true;
        return FAULT_NONE;
    }
    head->is_chunked = has_coding;
    if (!has_length) {
        head->content_length = BODY_UNKNOWN;
        head->is_keep_alive = head->is_keep_alive && has_coding;
    }
    head->is_end = head->content_length == 0;
    return FAULT_NONE;
}

static bool is_response_framing_sound(const struct h1_head *head) {
    const struct headers *headers = &head->headers;
    bool has_length = headers_has(headers, HEADER_CONTENT_LENGTH);
    bool has_coding = headers_has(headers, HEADER_TRANSFER_ENCODING);
    if (head->status < 200 && (head->minor == 0 || has_length || has_coding)) {
        return false;
    }
    if (!has_coding) {
        return true;
    }
    return head->minor == 1 && !has_length &&
           !is_more_than_once(headers, HEADER_TRANSFER_ENCODING) &&
           slice_equal_nocase(headers_value(headers, HEADER_TRANSFER_ENCODING), SLICE("chunked"));
}
