// SPDX-License-Identifier: Apache-2.0
#include "http/h1_reader.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/ensure.h"
#include "h1_parser.h"
#include "http/h1_lines.h"

enum {
    START_LINE_SLACK = 64, // method and version beside the target
    FIELD_LINE_SLACK = 64, // colon and blanks beside name and value
};

enum h1_reader_state {
    H1_READER_BETWEEN,
    H1_READER_HEAD,
    H1_READER_LENGTH, // `left` bytes of content to come
    H1_READER_CHUNKS,
    H1_READER_TRAILERS,
    H1_READER_CLOSE, // content until the connection ends
    H1_READER_ENDED, // on_end is due
};

struct h1_reader {
    enum h1_reader_kind kind;
    enum h1_reader_state state;
    struct h1_reader_limits limits;
    const struct h1_reader_events *events;
    void *user;
    enum fault fault;
    bool is_paused;
    bool is_expected;     // responses: a request is waiting for one
    bool is_head_request; // responses
    bool is_last;         // the connection is not kept alive after the message that was read
    bool has_surplus;     // bytes came that nobody asked for
    bool is_start_checked;
    unsigned blank_bytes; // of the one CR LF that may stand in front of a request line

    struct arena *arena; // of this message
    struct h1_lines lines;
    struct buffer held; // the part of a head or of trailers that is here, until the rest comes
    struct h1_head head;
    struct headers *trailers;
    int64_t left;
    unsigned interims;
    size_t interim_bytes;
    struct h1_parser parser;
};

static bool step(struct h1_reader *reader, struct slice *rest);
static bool step_between(struct h1_reader *reader, struct slice *rest);
static bool step_blank(struct h1_reader *reader, struct slice *rest);
static void begin(struct h1_reader *reader);
static void start_lines(struct h1_reader *reader, size_t start_line_bytes);
static bool step_lines(struct h1_reader *reader, struct slice *rest);
static void hold(struct h1_reader *reader, struct slice bytes);
static enum fault check_beginning(struct h1_reader *reader);
static enum fault read_start_line(struct h1_reader *reader, struct slice text,
                                  struct h1_head *head);
static struct slice take_lines(struct h1_reader *reader, struct slice last);
static void read_head(struct h1_reader *reader, struct slice text);
static enum fault parse_head(struct h1_reader *reader, struct slice text);
static void deliver_interim(struct h1_reader *reader, size_t bytes);
static void deliver_head(struct h1_reader *reader);
static enum h1_reader_state state_of_body(const struct h1_head *head);
static bool step_length(struct h1_reader *reader, struct slice *rest);
static bool step_close(struct h1_reader *reader, struct slice *rest);
static bool step_chunks(struct h1_reader *reader, struct slice *rest);
static void read_trailers(struct h1_reader *reader, struct slice text);
static bool step_end(struct h1_reader *reader, struct slice rest);
static bool fail(struct h1_reader *reader, enum fault fault);
static enum fault fault_of(const struct h1_reader *reader, enum fault of_request,
                           enum fault of_response);
static enum fault malformed(const struct h1_reader *reader);
static enum fault too_large(const struct h1_reader *reader);

struct h1_reader *h1_reader_create(enum h1_reader_kind kind, const struct h1_reader_limits *limits,
                                   const struct h1_reader_events *events, void *user) {
    struct h1_reader *reader = alloc_new(struct h1_reader);
    reader->kind = kind;
    reader->limits = *limits;
    reader->events = events;
    reader->user = user;
    h1_parser_init(&reader->parser, kind, &reader->limits);
    return reader;
}

void h1_reader_destroy(struct h1_reader *reader) {
    if (reader != NULL) {
        buffer_finish(&reader->held);
        free(reader);
    }
}

void h1_reader_expect(struct h1_reader *reader, bool is_head_request) {
    ensure(reader->kind == H1_READER_RESPONSE && reader->state == H1_READER_BETWEEN);
    reader->is_expected = true;
    reader->is_head_request = is_head_request;
    reader->interims = 0;
    reader->interim_bytes = 0;
}

size_t h1_reader_feed(struct h1_reader *reader, struct slice bytes, enum fault *out_fault) {
    struct slice rest = bytes;
    while (reader->fault == FAULT_NONE && !reader->is_paused && step(reader, &rest)) {
    }
    *out_fault = reader->fault;
    return bytes.length - rest.length;
}

// False when more input is needed.
static bool step(struct h1_reader *reader, struct slice *rest) {
    switch (reader->state) {
    case H1_READER_BETWEEN:
        return step_between(reader, rest);
    case H1_READER_HEAD:
    case H1_READER_TRAILERS:
        return step_lines(reader, rest);
    case H1_READER_LENGTH:
        return step_length(reader, rest);
    case H1_READER_CHUNKS:
        return step_chunks(reader, rest);
    case H1_READER_CLOSE:
        return step_close(reader, rest);
    case H1_READER_ENDED:
        return step_end(reader, *rest);
    }
    unreachable();
}

// --- the head -----------------------------------------------------------------------------------

static bool step_between(struct h1_reader *reader, struct slice *rest) {
    if (rest->length == 0) {
        return false;
    }
    bool is_wanted = !reader->is_last;
    if (reader->kind == H1_READER_RESPONSE) {
        is_wanted = is_wanted && reader->is_expected;
    }
    if (!is_wanted) {
        reader->has_surplus = true;
        *rest = slice_skip(*rest, rest->length);
        return false;
    }
    if (reader->has_surplus) { // it would be taken for the answer to another request
        return fail(reader, malformed(reader));
    }
    if (reader->kind == H1_READER_REQUEST && step_blank(reader, rest)) {
        return true;
    }
    begin(reader);
    return true;
}

// One empty line in front of a request line is what old clients send behind a form's content
// (RFC 9112 section 2.2).
static bool step_blank(struct h1_reader *reader, struct slice *rest) {
    static const char blank[2] = {'\r', '\n'};
    bool is_due = reader->blank_bytes == 1;
    bool is_blank = reader->blank_bytes < 2 && rest->data[0] == blank[reader->blank_bytes];
    if (is_blank) {
        reader->blank_bytes++;
        *rest = slice_skip(*rest, 1);
    } else if (is_due) {
        fail(reader, malformed(reader));
    }
    return is_blank || is_due;
}

static void begin(struct h1_reader *reader) {
    reader->state = H1_READER_HEAD;
    reader->is_start_checked = false;
    reader->trailers = NULL;
    reader->arena = reader->events->on_begin(reader->user);
    reader->head = (struct h1_head){0}; // the last one's memory is gone
    start_lines(reader, reader->kind == H1_READER_REQUEST
                            ? reader->limits.uri_bytes + START_LINE_SLACK
                            : reader->limits.field_bytes);
}

static void start_lines(struct h1_reader *reader, size_t start_line_bytes) {
    const struct h1_reader_limits *limits = &reader->limits;
    bool has_cookies = reader->kind == H1_READER_REQUEST && start_line_bytes > 0;
    size_t cookie_bytes = has_cookies ? limits->cookie_bytes : 0;
    size_t line_bytes = limits->field_bytes > cookie_bytes ? limits->field_bytes : cookie_bytes;
    reader->lines = (struct h1_lines){
        .start_line_bytes = start_line_bytes,
        .line_bytes = line_bytes + FIELD_LINE_SLACK,
        .block_bytes = limits->head_bytes + cookie_bytes,
        .line_count = limits->head_fields + (has_cookies ? limits->cookie_crumbs : 0),
    };
    h1_lines_start(&reader->lines);
}

static bool step_lines(struct h1_reader *reader, struct slice *rest) {
    if (rest->length == 0) {
        return false;
    }
    size_t used = 0;
    enum h1_lines_state state = h1_lines_scan(&reader->lines, *rest, &used);
    struct slice piece = slice_first(*rest, used);
    *rest = slice_skip(*rest, used);
    switch (state) {
    case H1_LINES_MORE:
        hold(reader, piece);
        return false;
    case H1_LINES_END:
        if (reader->state == H1_READER_HEAD) {
            read_head(reader, take_lines(reader, piece));
        } else {
            read_trailers(reader, take_lines(reader, piece));
        }
        return true;
    case H1_LINES_LONG_START:
        return fail(reader, fault_of(reader, FAULT_URI_TOO_LONG, FAULT_ORIGIN_HEAD_TOO_LARGE));
    case H1_LINES_LARGE:
        return fail(reader, too_large(reader));
    case H1_LINES_BAD:
        return fail(reader, malformed(reader));
    }
    unreachable();
}

static void hold(struct h1_reader *reader, struct slice bytes) {
    buffer_append_slice(&reader->held, bytes);
    if (reader->state == H1_READER_HEAD && !reader->is_start_checked) {
        fail(reader, check_beginning(reader));
    }
}

// What is plainly not HTTP/1 is refused at once, not when its head ends, which may be never.
static enum fault check_beginning(struct h1_reader *reader) {
    struct slice text = buffer_peek(&reader->held);
    if (reader->lines.count > 0) {
        struct h1_head ignored = {0};
        reader->is_start_checked = true;
        return read_start_line(reader, text, &ignored);
    }
    if (reader->kind == H1_READER_REQUEST) {
        return headers_is_name(slice_first(text, 1)) ? FAULT_NONE : FAULT_BAD_REQUEST;
    }
    struct slice start = SLICE("HTTP/1.");
    size_t common = text.length < start.length ? text.length : start.length;
    return slice_equal(slice_first(text, common), slice_first(start, common))
               ? FAULT_NONE
               : FAULT_ORIGIN_BAD_RESPONSE;
}

static enum fault read_start_line(struct h1_reader *reader, struct slice text,
                                  struct h1_head *head) {
    struct slice line = slice_first(text, slice_find(text, '\r'));
    if (reader->kind == H1_READER_RESPONSE) {
        return h1_head_read_status_line(line, head);
    }
    enum fault fault = h1_head_read_request_line(line, head);
    bool is_long = fault == FAULT_NONE && head->target.length > reader->limits.uri_bytes;
    return is_long ? FAULT_URI_TOO_LONG : fault;
}

// The whole head or trailers, copied into the arena.
static struct slice take_lines(struct h1_reader *reader, struct slice last) {
    if (buffer_length(&reader->held) == 0) {
        return arena_copy(reader->arena, last);
    }
    buffer_append_slice(&reader->held, last);
    struct slice text = arena_copy(reader->arena, buffer_peek(&reader->held));
    buffer_consume(&reader->held, text.length);
    return text;
}

static void read_head(struct h1_reader *reader, struct slice text) {
    enum fault fault = parse_head(reader, text);
    if (fault != FAULT_NONE) {
        fail(reader, fault);
    } else if (reader->kind == H1_READER_RESPONSE && reader->head.status < 200) {
        deliver_interim(reader, text.length);
    } else {
        deliver_head(reader);
    }
}

static enum fault parse_head(struct h1_reader *reader, struct slice text) {
    reader->head = (struct h1_head){0};
    headers_init(&reader->head.headers, reader->arena);
    enum fault fault = read_start_line(reader, text, &reader->head);
    if (fault != FAULT_NONE) {
        return fault;
    }
    fault = h1_parser_read_head(&reader->parser, text, &reader->head.headers);
    if (fault != FAULT_NONE) {
        return fault;
    }
    return reader->kind == H1_READER_REQUEST
               ? h1_head_frame_request(&reader->head)
               : h1_head_frame_response(&reader->head, reader->is_head_request);
}

static void deliver_interim(struct h1_reader *reader, size_t bytes) {
    reader->interims++;
    reader->interim_bytes += bytes;
    if (reader->interims > reader->limits.interim_responses ||
        reader->interim_bytes > reader->limits.interim_bytes) {
        fail(reader, FAULT_ORIGIN_INTERIM_FLOOD);
        return;
    }
    start_lines(reader, reader->limits.field_bytes); // for the next head
    reader->is_start_checked = false;
    reader->events->on_interim(reader->user, &reader->head);
}

static void deliver_head(struct h1_reader *reader) {
    reader->state = state_of_body(&reader->head);
    reader->left = reader->head.content_length;
    reader->events->on_head(reader->user, &reader->head);
}

static enum h1_reader_state state_of_body(const struct h1_head *head) {
    if (head->is_end) {
        return H1_READER_ENDED;
    }
    if (head->is_chunked) {
        return H1_READER_CHUNKS;
    }
    return head->content_length == BODY_UNKNOWN ? H1_READER_CLOSE : H1_READER_LENGTH;
}

// --- the body -----------------------------------------------------------------------------------

static bool step_length(struct h1_reader *reader, struct slice *rest) {
    if (rest->length == 0) {
        return false;
    }
    struct slice bytes = *rest;
    if ((uint64_t)reader->left < bytes.length) {
        bytes.length = (size_t)reader->left;
    }
    *rest = slice_skip(*rest, bytes.length);
    reader->left -= (int64_t)bytes.length;
    if (reader->left == 0) {
        reader->state = H1_READER_ENDED;
    }
    reader->events->on_body(reader->user, bytes);
    return true;
}

static bool step_close(struct h1_reader *reader, struct slice *rest) {
    if (rest->length == 0) {
        return false;
    }
    struct slice bytes = *rest;
    *rest = slice_skip(*rest, rest->length);
    reader->events->on_body(reader->user, bytes);
    return false;
}

static bool step_chunks(struct h1_reader *reader, struct slice *rest) {
    if (rest->length == 0) {
        return false;
    }
    struct h1_chunk_event event;
    enum fault fault = h1_parser_read_chunks(&reader->parser, *rest, &event);
    if (fault != FAULT_NONE) {
        return fail(reader, fault);
    }
    *rest = slice_skip(*rest, event.used);
    if (event.is_last_chunk) {
        reader->state = H1_READER_TRAILERS;
        start_lines(reader, 0);
    }
    if (event.content.length > 0) {
        reader->events->on_body(reader->user, event.content);
    }
    return true;
}

static void read_trailers(struct h1_reader *reader, struct slice text) {
    reader->state = H1_READER_ENDED;
    if (text.length == 2) { // only the empty line
        return;
    }
    struct headers *trailers = arena_new(reader->arena, struct headers);
    headers_init(trailers, reader->arena);
    enum fault fault = h1_parser_read_trailers(&reader->parser, text, trailers);
    bool has_framing = headers_has(trailers, HEADER_TRANSFER_ENCODING) ||
                       headers_has(trailers, HEADER_CONTENT_LENGTH);
    if (fault == FAULT_NONE && has_framing) { // too late, and somebody may believe it
        fault = malformed(reader);
    }
    if (fault != FAULT_NONE) {
        fail(reader, fault);
        return;
    }
    reader->trailers = trailers;
}

// --- the end ------------------------------------------------------------------------------------

static bool step_end(struct h1_reader *reader, struct slice rest) {
    reader->state = H1_READER_BETWEEN;
    reader->is_last = !reader->head.is_keep_alive;
    reader->is_expected = false;
    reader->blank_bytes = 0;
    if (reader->kind == H1_READER_REQUEST) {
        reader->is_paused = true;
    } else if (rest.length > 0) {
        reader->has_surplus = true; // noted now: the owner may expect another response at once
    }
    reader->events->on_end(reader->user, reader->trailers);
    return true;
}

enum fault h1_reader_eof(struct h1_reader *reader) {
    if (reader->fault != FAULT_NONE) {
        return reader->fault;
    }
    if (reader->state == H1_READER_CLOSE || reader->state == H1_READER_ENDED) {
        reader->state = H1_READER_ENDED;
        step_end(reader, SLICE_EMPTY);
        return FAULT_NONE;
    }
    if (reader->state == H1_READER_BETWEEN) {
        return reader->is_expected ? FAULT_ORIGIN_RESET : FAULT_NONE;
    }
    return fault_of(reader, FAULT_CLIENT_GONE, FAULT_ORIGIN_CUT);
}

void h1_reader_pause(struct h1_reader *reader) {
    reader->is_paused = true;
}

void h1_reader_resume(struct h1_reader *reader) {
    reader->is_paused = false;
}

bool h1_reader_is_paused(const struct h1_reader *reader) {
    return reader->is_paused;
}

struct slice h1_reader_method(const struct h1_reader *reader) {
    return reader->head.method;
}

bool h1_reader_is_idle(const struct h1_reader *reader) {
    return reader->state == H1_READER_BETWEEN && !reader->has_surplus;
}

// For a last line: a fault ends the loop in h1_reader_feed by itself.
static bool fail(struct h1_reader *reader, enum fault fault) {
    reader->fault = fault;
    return false;
}

static enum fault fault_of(const struct h1_reader *reader, enum fault of_request,
                           enum fault of_response) {
    return reader->kind == H1_READER_REQUEST ? of_request : of_response;
}

static enum fault malformed(const struct h1_reader *reader) {
    return fault_of(reader, FAULT_BAD_REQUEST, FAULT_ORIGIN_BAD_RESPONSE);
}

static enum fault too_large(const struct h1_reader *reader) {
    return fault_of(reader, FAULT_HEAD_TOO_LARGE, FAULT_ORIGIN_HEAD_TOO_LARGE);
}
