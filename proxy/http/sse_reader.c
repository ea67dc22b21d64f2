// SPDX-License-Identifier: Apache-2.0
#include "http/sse_reader.h"

enum { BOM_BYTES = 3, STEP_BYTES = 256 };
static const char bom[BOM_BYTES] = {'\xef', '\xbb', '\xbf'};

static void read_bom(struct sse_reader *reader, struct slice *rest);
static size_t find_line_end(struct slice bytes);
static void read_line(struct sse_reader *reader, struct slice piece);
static struct slice read_name(struct sse_reader *reader, struct slice piece);
static void start_value(struct sse_reader *reader);
static void read_value(struct sse_reader *reader, struct slice piece);
static void append_data(struct sse_reader *reader, struct slice piece);
static bool end_line(struct sse_reader *reader);
static void set_type(struct sse_reader *reader);
static bool end_event(struct sse_reader *reader);
static void start_event(struct sse_reader *reader);
static void lose_data(struct sse_reader *reader);

void sse_reader_init(struct sse_reader *reader, struct slice event) {
    *reader = (struct sse_reader){.event = event};
}

bool sse_reader_next(struct sse_reader *reader, struct slice *rest, struct slice *out_data) {
    if (reader->is_given) {
        start_event(reader);
    }
    read_bom(reader, rest);
    while (rest->length > 0) {
        if (reader->is_after_cr && rest->data[0] == '\n') {
            *rest = slice_skip(*rest, 1);
        }
        size_t end = find_line_end(*rest);
        bool is_line = end < rest->length;
        read_line(reader, slice_first(*rest, end));
        reader->is_after_cr = is_line && rest->data[end] == '\r';
        *rest = slice_skip(*rest, end + 1);
        if (is_line && end_line(reader)) {
            *out_data = buffer_peek(&reader->data);
            return true;
        }
    }
    return false;
}

static void read_bom(struct sse_reader *reader, struct slice *rest) {
    while (reader->bom_length < BOM_BYTES && rest->length > 0) {
        if (rest->data[0] != bom[reader->bom_length]) {
            read_line(reader, slice_of(bom, reader->bom_length)); // it was none
            reader->bom_length = BOM_BYTES;
            return;
        }
        reader->bom_length++;
        *rest = slice_skip(*rest, 1);
    }
}

// Index of the first CR or LF, or the length. In steps, because most streams have only one of them:
// looking for the other must not go through all that follows, line by line.
static size_t find_line_end(struct slice bytes) {
    for (size_t at = 0; at < bytes.length; at += STEP_BYTES) {
        struct slice step = slice_first(slice_skip(bytes, at), STEP_BYTES);
        size_t end = slice_find(slice_first(step, slice_find(step, '\n')), '\r');
        if (end < step.length) {
            return at + end;
        }
    }
    return bytes.length;
}

// --- lines ------------------------------------------------------------------------------------

// A piece of a line, without its end.
static void read_line(struct sse_reader *reader, struct slice piece) {
    if (reader->place == SSE_READER_NAME) {
        piece = read_name(reader, piece);
    }
    if (reader->place == SSE_READER_BLANK && piece.length > 0) {
        piece = slice_skip(piece, piece.data[0] == ' ' ? 1 : 0);
        reader->place = SSE_READER_VALUE;
    }
    if (reader->place == SSE_READER_VALUE) {
        read_value(reader, piece);
    }
}

// Returns what stands behind the name and its colon.
static struct slice read_name(struct sse_reader *reader, struct slice piece) {
    struct slice name = slice_first(piece, sizeof(reader->name) - reader->name_length);
    name = slice_first(name, slice_find(name, ':'));
    if (name.length > 0) {
        memcpy(reader->name + reader->name_length, name.data, name.length);
        reader->name_length += name.length;
    }
    piece = slice_skip(piece, name.length);
    if (piece.length > 0) {
        start_value(reader);
    }
    return slice_skip(piece, 1);
}

// A comment is a field without a name. What stands behind a name that is too long is of no interest
// either, be it more of the name.
static void start_value(struct sse_reader *reader) {
    struct slice name = slice_of(reader->name, reader->name_length);
    bool is_data = slice_equal(name, SLICE("data"));
    bool is_event = slice_equal(name, SLICE("event"));
    reader->place = SSE_READER_BLANK;
    reader->field = is_data ? SSE_READER_DATA : is_event ? SSE_READER_EVENT : SSE_READER_IGNORED;
    reader->value_length = 0;
    reader->is_mismatch = false;
    if (is_data) {
        if (reader->has_data) {
            append_data(reader, SLICE("\n"));
        }
        reader->has_data = true;
        append_data(reader, SLICE_EMPTY);
    }
}

static void read_value(struct sse_reader *reader, struct slice piece) {
    switch (reader->field) {
    case SSE_READER_DATA:
        append_data(reader, piece);
        return;
    case SSE_READER_EVENT:
        reader->is_mismatch |=
            !slice_starts_with(slice_skip(reader->event, reader->value_length), piece);
        reader->value_length += piece.length;
        return;
    case SSE_READER_IGNORED:
        return;
    }
}

// Also before the event has a name: `data` may stand before `event`.
static void append_data(struct sse_reader *reader, struct slice piece) {
    size_t room = SSE_READER_MAX_BYTES - buffer_length(&reader->data);
    if (reader->is_lost || reader->type == SSE_READER_OTHER || piece.length > room) {
        lose_data(reader);
    } else {
        buffer_append_slice(&reader->data, piece);
    }
}

// True when an event is to be given.
static bool end_line(struct sse_reader *reader) {
    if (reader->place == SSE_READER_NAME && reader->name_length == 0) {
        return end_event(reader);
    }
    if (reader->place == SSE_READER_NAME) {
        start_value(reader); // a field without colon
    }
    if (reader->field == SSE_READER_EVENT) {
        set_type(reader);
    }
    reader->place = SSE_READER_NAME;
    reader->name_length = 0;
    return false;
}

// --- events -----------------------------------------------------------------------------------

// The last `event` field counts, and an empty one takes the name away.
static void set_type(struct sse_reader *reader) {
    if (reader->value_length == 0) {
        reader->type = SSE_READER_UNNAMED;
    } else if (!reader->is_mismatch && reader->value_length == reader->event.length) {
        reader->type = SSE_READER_WANTED;
    } else {
        reader->type = SSE_READER_OTHER;
        if (reader->has_data) {
            lose_data(reader);
        }
    }
}

static bool end_event(struct sse_reader *reader) {
    bool is_message = slice_equal(reader->event, SLICE("message"));
    bool is_wanted =
        reader->type == SSE_READER_WANTED || (reader->type == SSE_READER_UNNAMED && is_message);
    if (is_wanted && reader->has_data && !reader->is_lost) {
        reader->is_given = true;
        return true;
    }
    reader->skipped += is_wanted && reader->is_lost;
    start_event(reader);
    return false;
}

static void start_event(struct sse_reader *reader) {
    buffer_finish(&reader->data);
    reader->type = SSE_READER_UNNAMED;
    reader->has_data = false;
    reader->is_lost = false;
    reader->is_given = false;
}

static void lose_data(struct sse_reader *reader) {
    buffer_finish(&reader->data);
    reader->is_lost = true;
}

void sse_reader_finish(struct sse_reader *reader) {
    buffer_finish(&reader->data);
}
