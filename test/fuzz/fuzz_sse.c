// SPDX-License-Identifier: Apache-2.0
// An event stream in any pieces. Input: the event's name on a line, a byte that says how the rest
// is
// cut, the rest. The HTML standard's section 9.2.6 is written once more here, with whole lines kept
// in memory; both must see the same events, however the bytes come.
#include "fuzz.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "http/sse_reader.h"

// Events as "length data", one behind the other.
static void note(struct buffer *out, struct slice data) {
    uint64_t length = data.length;
    buffer_append(out, &length, sizeof(length));
    buffer_append_slice(out, data);
}

// --- the standard, plainly -----------------------------------------------------------------------

struct plain {
    struct slice wanted;
    struct buffer type;
    struct buffer data;
    bool has_data;
    bool is_lost; // came while the event had another name, or was too much: sse_reader.h says so
    uint64_t skipped;
    struct buffer *out;
};

static bool is_other(const struct plain *plain) {
    struct slice type = buffer_peek(&plain->type);
    return type.length > 0 && !slice_equal(type, plain->wanted);
}

static void dispatch(struct plain *plain) {
    struct slice type = buffer_peek(&plain->type);
    type = type.length > 0 ? type : SLICE("message");
    if (plain->has_data && slice_equal(type, plain->wanted)) {
        struct slice data = buffer_peek(&plain->data); // without the last line's end
        data = slice_first(data, data.length - 1);
        if (plain->is_lost || data.length > SSE_READER_MAX_BYTES) {
            plain->skipped++;
        } else {
            note(plain->out, data);
        }
    }
    buffer_finish(&plain->type);
    buffer_finish(&plain->data);
    plain->has_data = false;
    plain->is_lost = false;
}

static void take_line(struct plain *plain, struct slice line) {
    size_t colon = slice_find(line, ':');
    struct slice name = slice_first(line, colon);
    struct slice value = slice_skip(line, colon + 1);
    if (line.length == 0) {
        dispatch(plain);
        return;
    }
    if (value.length > 0 && value.data[0] == ' ') {
        value = slice_skip(value, 1);
    }
    if (slice_equal(name, SLICE("event"))) {
        buffer_finish(&plain->type);
        buffer_append_slice(&plain->type, value);
        plain->is_lost |= plain->has_data && is_other(plain);
    } else if (slice_equal(name, SLICE("data"))) {
        plain->has_data = true;
        plain->is_lost |= is_other(plain);
        buffer_append_slice(&plain->data, value);
        buffer_append_slice(&plain->data, SLICE("\n"));
    }
}

static uint64_t read_plainly(struct slice event, struct slice text, struct buffer *out) {
    struct plain plain = {.wanted = event, .out = out};
    if (slice_starts_with(text, SLICE("\xef\xbb\xbf"))) {
        text = slice_skip(text, 3);
    }
    while (text.length > 0) {
        size_t end = 0;
        while (end < text.length && text.data[end] != '\r' && text.data[end] != '\n') {
            end++;
        }
        if (end == text.length) {
            break; // not a line yet
        }
        take_line(&plain, slice_first(text, end));
        bool is_pair =
            text.data[end] == '\r' && end + 1 < text.length && text.data[end + 1] == '\n';
        text = slice_skip(text, end + (is_pair ? 2 : 1));
    }
    buffer_finish(&plain.type);
    buffer_finish(&plain.data);
    return plain.skipped;
}

// --- the reader ----------------------------------------------------------------------------------

static uint64_t read_in_pieces(struct slice event, struct slice text, size_t piece,
                               struct buffer *out) {
    struct sse_reader reader;
    sse_reader_init(&reader, event);
    while (text.length > 0) {
        size_t length = piece == 0 ? text.length : 1 + (text.length * 7 + piece) % piece;
        struct slice bytes = slice_first(text, length);
        text = slice_skip(text, bytes.length);
        char *copy = fuzz_copy(bytes);
        struct slice rest = slice_of(copy, bytes.length);
        struct slice data;
        while (sse_reader_next(&reader, &rest, &data)) {
            fuzz_check(data.length <= SSE_READER_MAX_BYTES);
            note(out, data);
        }
        fuzz_check(rest.length == 0);
        fuzz_check(buffer_length(&reader.data) <= SSE_READER_MAX_BYTES);
        free(copy);
    }
    sse_reader_finish(&reader);
    return reader.skipped;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input_of(data, size);
    struct slice event = fuzz_take_until(&input, '\n');
    if (event.length == 0 || event.length > 64) {
        return 0;
    }
    size_t piece = fuzz_byte(&input);
    struct slice text = fuzz_rest(&input);
    struct buffer whole = {0};
    struct buffer pieces = {0};
    struct buffer plain = {0};
    uint64_t skipped = read_in_pieces(event, text, 0, &whole);
    fuzz_check(read_in_pieces(event, text, piece, &pieces) == skipped);
    fuzz_check(read_plainly(event, text, &plain) == skipped);
    fuzz_check(slice_equal(buffer_peek(&whole), buffer_peek(&pieces)));
    fuzz_check(slice_equal(buffer_peek(&whole), buffer_peek(&plain)));
    buffer_finish(&whole);
    buffer_finish(&pieces);
    buffer_finish(&plain);
    return 0;
}
