// SPDX-License-Identifier: Apache-2.0
// HTTP/1 as it comes from clients and from origins. Input: a byte of choices, a byte that says how
// the rest is cut, the rest. Read whole, byte by byte and in pieces it means the same, or is
// refused
// in the same place; what is accepted keeps the rules that the next one in the chain relies on.
#include "fuzz.h"

#include <stdarg.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "http/h1_reader.h"

struct reading {
    struct h1_reader *reader;
    struct arena *arena;
    struct buffer log;  // what was told, without how content was cut
    struct buffer body; // of the present message
    uint64_t left;      // of an announced length
    bool is_request;
    bool has_length;
    bool is_in_message;
    bool is_over; // of responses only the one that is expected is read
    enum fault fault;
};

static void note(struct reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(struct reading *r, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buffer_append(&r->log, text, (size_t)length);
}

static void note_text(struct reading *r, struct slice text) {
    note(r, "%zu:", text.length);
    buffer_append_slice(&r->log, text);
}

static void note_fields(struct reading *r, const struct headers *headers) {
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct header *row = &headers->rows[i];
        fuzz_check(headers_is_name(row->name) && headers_is_value(row->value));
        fuzz_check(slice_trim(row->value).length == row->value.length);
        fuzz_check(row->id == headers_identify(row->name));
        note_text(r, row->name);
        note_text(r, row->value);
    }
}

static struct arena *on_begin(void *user) {
    struct reading *r = user;
    fuzz_check(!r->is_in_message);
    arena_destroy(r->arena);
    r->arena = arena_create();
    r->is_in_message = true;
    note(r, "begin ");
    return r->arena;
}

static void check_head(const struct reading *r, const struct h1_head *head) {
    bool has_coding = headers_has(&head->headers, HEADER_TRANSFER_ENCODING);
    const struct header *length = headers_find(&head->headers, HEADER_CONTENT_LENGTH);
    fuzz_check(head->major == 1 && head->minor <= 1);
    fuzz_check(!(has_coding && length != NULL)); // one framing
    fuzz_check(length == NULL ||
               headers_find_next(&head->headers, HEADER_CONTENT_LENGTH, length) == NULL);
    fuzz_check(!has_coding || head->minor == 1);
    fuzz_check(!head->is_chunked ||
               slice_equal_nocase(headers_value(&head->headers, HEADER_TRANSFER_ENCODING),
                                  SLICE("chunked")));
    fuzz_check(head->content_length >= BODY_UNKNOWN && head->is_end == (head->content_length == 0));
    if (!r->is_request) {
        fuzz_check(head->status >= 100 && head->status <= 599 && head->status != 101);
        fuzz_check(head->content_length != BODY_UNKNOWN || head->is_chunked ||
                   !head->is_keep_alive);
        return;
    }
    fuzz_check(headers_is_name(head->method) && head->target.length > 0);
    fuzz_check(head->content_length != BODY_UNKNOWN || head->is_chunked);
    for (size_t i = 0; i < head->target.length; i++) {
        fuzz_check(head->target.data[i] > ' ' && head->target.data[i] < 0x7f);
    }
}

static void on_interim(void *user, const struct h1_head *head) {
    struct reading *r = user;
    fuzz_check(!r->is_request && head->status < 200 && r->is_in_message);
    check_head(r, head);
    note(r, "interim %d ", head->status);
    note_fields(r, &head->headers);
}

static void on_head(void *user, const struct h1_head *head) {
    struct reading *r = user;
    fuzz_check(r->is_in_message && (r->is_request || head->status >= 200));
    check_head(r, head);
    r->has_length = head->content_length != BODY_UNKNOWN;
    r->left = r->has_length ? (uint64_t)head->content_length : 0;
    note(r, "head %d %u %lld %d%d%d%d ", head->status, head->minor, (long long)head->content_length,
         head->is_chunked, head->is_end, head->is_keep_alive, head->has_expect_continue);
    note_text(r, r->is_request ? head->method : SLICE_EMPTY);
    note_text(r, r->is_request ? head->target : SLICE_EMPTY);
    note_fields(r, &head->headers);
}

static void on_body(void *user, struct slice bytes) {
    struct reading *r = user;
    fuzz_check(r->is_in_message && bytes.length > 0);
    fuzz_check(!r->has_length || bytes.length <= r->left);
    r->left -= r->has_length ? bytes.length : 0;
    buffer_append_slice(&r->body, bytes);
}

static void end_body(struct reading *r) {
    note_text(r, buffer_peek(&r->body));
    buffer_finish(&r->body);
}

static void on_end(void *user, const struct headers *trailers) {
    struct reading *r = user;
    fuzz_check(r->is_in_message && (!r->has_length || r->left == 0)); // never a fake end
    r->is_in_message = false;
    end_body(r);
    note(r, "end ");
    if (trailers != NULL) {
        fuzz_check(!headers_has(trailers, HEADER_CONTENT_LENGTH) &&
                   !headers_has(trailers, HEADER_TRANSFER_ENCODING));
        note_fields(r, trailers);
    }
    if (!r->is_request) {
        r->is_over = true;
        h1_reader_pause(r->reader);
    }
}

static const struct h1_reader_events events = {.on_begin = on_begin,
                                               .on_interim = on_interim,
                                               .on_head = on_head,
                                               .on_body = on_body,
                                               .on_end = on_end};

static void read_all(struct reading *r, unsigned choices, struct slice text, size_t piece) {
    const struct h1_reader_limits limits = {.head_bytes = 4096,
                                            .field_bytes = 1024,
                                            .head_fields = 30,
                                            .uri_bytes = 512,
                                            .cookie_crumbs = 8,
                                            .cookie_bytes = 512,
                                            .interim_responses = 4,
                                            .interim_bytes = 2048,
                                            .chunk_extension_bytes = 256};
    r->is_request = (choices & 1) != 0;
    r->reader = h1_reader_create(r->is_request ? H1_READER_REQUEST : H1_READER_RESPONSE, &limits,
                                 &events, r);
    if (!r->is_request) {
        h1_reader_expect(r->reader, (choices & 2) != 0);
    }
    unsigned rounds = 0;
    while (r->fault == FAULT_NONE && !r->is_over &&
           (text.length > 0 || h1_reader_is_paused(r->reader))) {
        size_t length = piece == 0 ? text.length : 1 + (text.length * 7 + piece) % piece;
        struct slice bytes = slice_first(text, length);
        char *copy = fuzz_copy(bytes);
        size_t used = h1_reader_feed(r->reader, slice_of(copy, bytes.length), &r->fault);
        free(copy);
        fuzz_check(used <= bytes.length);
        fuzz_check(used == bytes.length || r->fault != FAULT_NONE ||
                   h1_reader_is_paused(r->reader));
        text = slice_skip(text, used);
        if (text.length == 0 && !h1_reader_is_paused(r->reader)) {
            break;
        }
        fuzz_check(rounds++ < 200000); // each makes progress
        h1_reader_resume(r->reader);   // of requests the next one
    }
}

// Of a line that is both too long and malformed either is found first.
static enum fault class_of(enum fault fault) {
    if (fault == FAULT_URI_TOO_LONG || fault == FAULT_HEAD_TOO_LARGE || fault == FAULT_VERSION) {
        return FAULT_BAD_REQUEST;
    }
    return fault == FAULT_ORIGIN_HEAD_TOO_LARGE ? FAULT_ORIGIN_BAD_RESPONSE : fault;
}

static void finish(struct reading *r) {
    enum fault fault = r->fault;
    if (fault == FAULT_NONE && !r->is_over) {
        fault = h1_reader_eof(r->reader);
    }
    fuzz_check(fault_status(fault) == 0 || r->is_request == (fault < FAULT_ORIGIN_DNS));
    if (r->is_in_message) {
        end_body(r);
    }
    note(r, "%s", fault_name(class_of(fault)));
    h1_reader_destroy(r->reader);
    arena_destroy(r->arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input_of(data, size);
    unsigned choices = fuzz_byte(&input);
    size_t piece = 2 + (size_t)fuzz_byte(&input);
    struct slice text = fuzz_rest(&input);
    const size_t pieces[] = {0, 1, piece};
    struct reading readings[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        read_all(&readings[i], choices, text, pieces[i]);
        finish(&readings[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        if (!slice_equal(buffer_peek(&readings[0].log), buffer_peek(&readings[i].log))) {
            fprintf(stderr, "whole:  %.*s\npieces of %zu: %.*s\n",
                    SLICE_ARGS(buffer_peek(&readings[0].log)), pieces[i],
                    SLICE_ARGS(buffer_peek(&readings[i].log)));
            fuzz_check(!"read in pieces it means something else");
        }
    }
    for (size_t i = 0; i < 3; i++) {
        buffer_finish(&readings[i].log);
    }
    return 0;
}
