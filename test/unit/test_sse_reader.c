// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "http/sse_reader.h"

// What a stream gave: each event's data with '|' behind it, and the number of those passed over.
struct result {
    struct buffer data;
    uint64_t skipped;
    bool is_holding; // memory, at the end
};

// Each piece stands in memory of its own size, so that a sanitizer sees a look beyond it.
static void feed(struct sse_reader *reader, struct slice piece, struct result *result) {
    char *copy = alloc_bytes(piece.length);
    memcpy(copy, piece.data, piece.length);
    struct slice rest = slice_of(copy, piece.length);
    struct slice data;
    while (sse_reader_next(reader, &rest, &data)) {
        assert_true(data.length <= SSE_READER_MAX_BYTES);
        buffer_append_slice(&result->data, data);
        buffer_append(&result->data, "|", 1);
    }
    assert_int_equal(rest.length, 0);
    assert_true(reader->data.capacity <= SSE_READER_MAX_BYTES);
    assert_memory_equal(copy, piece.data, piece.length);
    free(copy);
}

// In pieces of `step` bytes, the first one of `first`.
static struct result read_stream(struct slice event, struct slice stream, size_t first,
                                 size_t step) {
    struct result result = {0};
    struct sse_reader reader;
    sse_reader_init(&reader, event);
    for (size_t length = first; stream.length > 0; length = step) {
        feed(&reader, slice_first(stream, length), &result);
        stream = slice_skip(stream, length);
    }
    result.skipped = reader.skipped;
    result.is_holding = reader.data.data != NULL;
    sse_reader_finish(&reader);
    return result;
}

static void expect(const char *what, size_t first, struct result result, struct slice wanted,
                   uint64_t skipped) {
    if (!slice_equal(buffer_peek(&result.data), wanted) || result.skipped != skipped) {
        fail_msg("%s (first piece %zu): got '%.*s' and %u skipped, wanted '%.*s' and %u", what,
                 first, SLICE_ARGS(buffer_peek(&result.data)), (unsigned)result.skipped,
                 SLICE_ARGS(wanted), (unsigned)skipped);
    }
    buffer_finish(&result.data);
}

// --- the format -------------------------------------------------------------------------------

#define BOM "\xef\xbb\xbf"
#define E "event: push\n"

static const struct {
    const char *stream;
    const char *wanted;
} formats[] = {
    {"", ""},
    {"\n\n\r\n\r\r", ""},
    {E "data: </a.css>; rel=preload\n\n", "</a.css>; rel=preload|"},
    {"event:push\ndata:a\n\n", "a|"},
    {"event:  push\ndata: a\n\n", ""}, // one blank only
    {E "data:  a \n\n", " a |"},
    {E "data:\ta\n\n", "\ta|"},
    {E "data: a:b: c\n\n", "a:b: c|"},
    {"event: push \ndata: a\n\n", ""},
    {"event: Push\ndata: a\n\n", ""},
    {"event: pus\ndata: a\n\n", ""},
    {"event: pushy\ndata: a\n\n", ""},
    {"event: ush\ndata: a\n\n", ""},
    {"event: xpush\ndata: a\n\n", ""},
    {"Event: push\ndata: a\n\n", ""},
    {E "Data: a\n\n", ""},
    {E "data : a\n\n", ""},
    {E " data: a\n\n", ""},
    // line ends
    {"event: push\rdata: a\r\r", "a|"},
    {"event: push\r\ndata: a\r\n\r\n", "a|"},
    {"event: push\rdata: a\r\n\n", "a|"},
    {"event: push\ndata: a\n\revent: push\r\ndata: b\r\n\r", "a|b|"},
    {E "data: a\n\r\n" E "data: b\r\n\n", "a|b|"},
    {"\r\n" E "data: a\r\n\r\n\r\n", "a|"},
    {E "data: a\v\f\n\n", "a\v\f|"},
    // the byte order mark
    {BOM E "data: a\n\n", "a|"},
    {BOM BOM E "data: a\n\n", ""},
    {BOM "\n" E "data: a\n\n", "a|"},
    {"\xef\xbb" E "data: a\n\n", ""},
    {"\xef" E "data: a\n\n", ""},
    {"\xef\xbb\n" E "data: a\n\n", "a|"},
    {E BOM "data: a\n\n", ""},
    {E "data: " BOM "\n\n", BOM "|"},
    {BOM, ""},
    // several lines, and data without anything
    {E "data: a\ndata: b\n\n", "a\nb|"},
    {E "data: a\ndata:\ndata\ndata: b\n\n", "a\n\n\nb|"},
    {E "data\n\n", "|"},
    {E "data:\n\n", "|"},
    {E "data: \n\n", "|"},
    {E "data\ndata\n\n", "\n|"},
    {E "\n", ""},
    {E "\ndata: a\n\n", ""},
    {E "data: a\n\ndata: b\n\n", "a|"}, // the name doesn't last
    {E "data: a\n\n" E "data: b\n\n", "a|b|"},
    // comments and other fields
    {": hello\n:\n::\n:event: push\n" E ": x\n:data: z\ndata: a\n\n", "a|"},
    {"id: 7\n" E "events: x\nevent1\ndatas: x\ndat: x\nd\nx:data\ndatadatadata: 1\ndata: a\n\n",
     "a|"},
    {E "retry: 1\n\n", ""},
    // the last name counts, wherever it stands
    {"data: a\n" E "\n", "a|"},
    {"data: a\n" E "data: b\n\n", "a\nb|"},
    {"event: x\n" E "data: a\n\n", "a|"},
    {E "event: x\ndata: a\n\n", ""},
    {E "data: a\nevent: x\n\n", ""},
    {E "data: a\nevent\n\n", ""},
    {"event: x\ndata: a\n\n" E "data: b\n\n", "b|"},
    {"data: a\n\n", ""},
    // not ended
    {E "data: a\n\nda", "a|"},
    {"event: x\ndata: a\n", ""},
    {"id: a", ""},
    {E, ""},
};

static const struct {
    const char *event;
    const char *stream;
    const char *wanted;
    unsigned skipped;
    bool is_holding;
} others[] = {
    // what came under another name was not kept
    {"push", "event: x\ndata: a\n" E "\n", "", 1, false},
    {"push", E "data: a\nevent: x\n" E "data: b\n\n" E "data: c\n\n", "c|", 1, false},
    {"push", "event: x\ndata\n" E "\n", "", 1, false},
    {"message", "event: x\ndata: a\nevent\n\n", "", 1, false},
    // not ended
    {"push", E "data: a\n", "", 0, true},
    {"push", E "data: a", "", 0, true},
    {"push", "data: a", "", 0, true},
    {"push", E "data: a\nevent: x\n", "", 0, false},
    {"push", E "data: a\nevent: x\n" E "data: b\n", "", 0, false},
    // events without a name are messages
    {"message", "data: a\n\n", "a|", 0, false},
    {"message", "event:\ndata: a\n\nevent\ndata: b\n\n", "a|b|", 0, false},
    {"message", "event: message\ndata: a\n\n", "a|", 0, false},
    {"message", "event: x\ndata: a\n\ndata: b\n\n", "b|", 0, false},
    {"message", "event: x\nevent\ndata: a\n\n", "a|", 0, false},
    {"", "data: a\n\nevent:\ndata: b\n\nevent: x\ndata: c\n\n", "", 0, false},
};

// Whole, in two pieces cut everywhere, and byte by byte.
static void check(const char *event, const char *text, const char *wanted, unsigned skipped,
                  bool is_holding) {
    struct slice stream = slice_of_text(text);
    for (size_t first = 0; first <= stream.length + 1; first++) {
        bool is_by_byte = first > stream.length;
        struct result result = read_stream(slice_of_text(event), stream, is_by_byte ? 1 : first,
                                           is_by_byte ? 1 : stream.length);
        assert_int_equal(result.is_holding, is_holding);
        expect(text, first, result, slice_of_text(wanted), skipped);
    }
}

static void test_format(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        check("push", formats[i].stream, formats[i].wanted, 0, false);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        check(others[i].event, others[i].stream, others[i].wanted, others[i].skipped,
              others[i].is_holding);
    }
}

// --- limits -----------------------------------------------------------------------------------

static void append_many(struct buffer *stream, const char *text, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buffer_append(stream, text, strlen(text));
    }
}

// `head`, so many times `middle`, `tail`; then another event.
static const struct {
    const char *head;
    const char *middle;
    size_t count;
    const char *tail;
    size_t wanted; // length of its data
    unsigned skipped;
} limits[] = {
    {E "data: ", "x", SSE_READER_MAX_BYTES, "\n\n", SSE_READER_MAX_BYTES, 0},
    {E "data: ", "x", SSE_READER_MAX_BYTES + 1, "\n\n", 0, 1},
    {E "data: ", "x", 1000000, "\n\n", 0, 1},
    {E "data: ", "x", SSE_READER_MAX_BYTES - 2, "\ndata: y\n\n", SSE_READER_MAX_BYTES, 0},
    {E "data: ", "x", SSE_READER_MAX_BYTES - 1, "\ndata: y\n\n", 0, 1},
    {E "data: ", "x", SSE_READER_MAX_BYTES - 1, "\ndata\n\n", SSE_READER_MAX_BYTES, 0},
    {E "data: ", "x", SSE_READER_MAX_BYTES, "\ndata\n\n", 0, 1},
    {E "data: ", "x", SSE_READER_MAX_BYTES + 1, "\ndata: y\n\n", 0, 1},
    {E "data\n", "data\n", SSE_READER_MAX_BYTES, "\n", SSE_READER_MAX_BYTES, 0},
    {E "data\n", "data\n", SSE_READER_MAX_BYTES + 1, "\n", 0, 1},
    {"data: ", "x", 100000, "\n" E "\n", 0, 1},
    {"data: ", "x", 100000, "\n\n", 0, 0}, // not of that name
    {"event: other\ndata: ", "x", 100000, "\n\n", 0, 0},
    {E "data: ", "x", 100000, "\nevent: other\n\n", 0, 0},
    {E "data: y\n:", "x", 100000, "\n\n", 1, 0}, // what isn't kept has no limit
    {E "data: y\nid: ", "x", 100000, "\n\n", 1, 0},
    {E "data: y\n", "data", 100000, "\n\n", 1, 0},
    {E "data: y\nevent: push", "x", 100000, "\n" E "data: z\n\n", 0, 1},
    {"event: push", "x", 100000, "\ndata: y\n\n", 0, 0},
    {E "data: y\n:", "x", 255, "\n\n", 1, 0},
    {E "data: y\n:", "x", 511, "\r\r", 1, 0},
    {E "data: y\n", ":\r\n", 100000, "\n", 1, 0},
};

static void test_limits(void **state) {
    (void)state;
    static const size_t steps[] = {SIZE_MAX, 16384, 4095, 255, 7};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct buffer stream = {0};
        append_many(&stream, limits[i].head, 1);
        append_many(&stream, limits[i].middle, limits[i].count);
        append_many(&stream, limits[i].tail, 1);
        append_many(&stream, E "data: after\n\n", 1);
        for (size_t j = 0; j < sizeof(steps) / sizeof(steps[0]); j++) {
            struct result result =
                read_stream(SLICE("push"), buffer_peek(&stream), steps[j], steps[j]);
            struct slice got = buffer_peek(&result.data);
            size_t length = slice_find(got, '|');
            bool is_given = length < got.length && length + 1 < got.length;
            if ((is_given ? length : 0) != limits[i].wanted ||
                result.skipped != limits[i].skipped ||
                !slice_equal(slice_skip(got, is_given ? length + 1 : 0), SLICE("after|"))) {
                fail_msg("row %zu: %zu bytes, %u skipped", i, got.length, (unsigned)result.skipped);
            }
            assert_false(result.is_holding);
            buffer_finish(&result.data);
        }
        buffer_finish(&stream);
    }
}

static void test_holds_nothing_of_what_is_too_long(void **state) {
    (void)state;
    struct buffer stream = {0};
    append_many(&stream, E "data: ", 1);
    append_many(&stream, "x", SSE_READER_MAX_BYTES + 1);
    append_many(&stream, "y", 1);
    append_many(&stream, "\ndata: z\n", 1);
    size_t length = buffer_length(&stream);
    for (size_t missing = 0; missing < 11; missing++) {
        struct slice start = slice_first(buffer_peek(&stream), length - missing);
        struct result result = read_stream(SLICE("push"), start, 100, 1);
        assert_false(result.is_holding);
        expect("too long", 1, result, SLICE(""), 0);
    }
    buffer_finish(&stream);
}

// A stream of one kind of line end is not searched for the other again and again.
static void test_many_lines_cost_little(void **state) {
    (void)state;
    static const char *const lines[] = {"\r", "\n", "data\r\r", "x\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct buffer stream = {0};
        append_many(&stream, lines[i], 1000000);
        struct result result =
            read_stream(SLICE("message"), buffer_peek(&stream), SIZE_MAX, SIZE_MAX);
        assert_int_equal(buffer_length(&result.data), i == 2 ? 1000000 : 0);
        buffer_finish(&result.data);
        buffer_finish(&stream);
    }
}

// --- against a plain reader of whole streams --------------------------------------------------

// As the standard's text has it, with what sse_reader.h says about data that is not kept.
struct plain {
    struct slice event;
    struct slice name;
    struct buffer data; // each line with its end, as in the standard
    bool is_lost;
    struct result result;
};

static void plain_end_event(struct plain *plain) {
    struct slice name = plain->name.length > 0 ? plain->name : SLICE("message");
    size_t length = buffer_length(&plain->data);
    if (length > 0 && slice_equal(name, plain->event)) {
        if (plain->is_lost || length - 1 > SSE_READER_MAX_BYTES) {
            plain->result.skipped++;
        } else {
            buffer_append_slice(&plain->result.data,
                                slice_first(buffer_peek(&plain->data), length - 1));
            buffer_append(&plain->result.data, "|", 1);
        }
    }
    buffer_finish(&plain->data);
    plain->name = SLICE_EMPTY;
    plain->is_lost = false;
}

static void plain_line(struct plain *plain, struct slice line) {
    if (line.length == 0) {
        plain_end_event(plain);
        return;
    }
    size_t colon = slice_find(line, ':');
    struct slice name = slice_first(line, colon);
    struct slice value = slice_skip(line, colon + 1);
    value = slice_starts_with(value, SLICE(" ")) ? slice_skip(value, 1) : value;
    if (slice_equal(name, SLICE("event"))) {
        plain->name = value;
    } else if (slice_equal(name, SLICE("data"))) {
        buffer_append_slice(&plain->data, value);
        buffer_append(&plain->data, "\n", 1);
    }
    bool is_other = plain->name.length > 0 && !slice_equal(plain->name, plain->event);
    plain->is_lost |= is_other && buffer_length(&plain->data) > 0;
}

static struct result plain_read(struct slice event, struct slice stream) {
    struct plain plain = {.event = event};
    if (slice_starts_with(stream, SLICE(BOM))) {
        stream = slice_skip(stream, 3);
    }
    size_t start = 0;
    for (size_t i = 0; i < stream.length; i++) {
        bool is_crlf = stream.data[i] == '\n' && i > 0 && stream.data[i - 1] == '\r';
        if (is_crlf) {
            start = i + 1;
        } else if (stream.data[i] == '\n' || stream.data[i] == '\r') {
            plain_line(&plain, slice_of(stream.data + start, i - start));
            start = i + 1;
        }
    }
    buffer_finish(&plain.data);
    return plain.result;
}

static uint32_t roll(uint32_t *seed, uint32_t sides) {
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % sides;
}

static void append_random(struct buffer *stream, uint32_t *seed) {
    static const char *const words[] = {
        "\n",       "\n",
        "\n\n",     "\r",
        "\r\n",     "\r\n",
        "data",     "data:",
        "data",     "data: ",
        "event",    "event: ",
        "event:",   "event: push\n",
        "push",     "pus",
        "h",        "event: x\r\n",
        "message",  "id: 1\n",
        ":",        " ",
        "d",        "data: a\n",
        BOM,        "\xef",
        "\xef\xbb", "data: b\n\n",
        "event\n",  "e",
        "retry",    "0123456789",
    };
    uint32_t i = roll(seed, sizeof(words) / sizeof(words[0]) + 1);
    if (i < sizeof(words) / sizeof(words[0])) {
        append_many(stream, words[i], 1);
    } else if (roll(seed, 8) == 0) {
        append_many(stream, "0123456789abcdef", SSE_READER_MAX_BYTES / 32 + roll(seed, 2));
    } else {
        buffer_append(stream, "\0", 1);
    }
}

static void test_like_a_plain_reader(void **state) {
    (void)state;
    uint32_t seed = 1;
    unsigned given = 0, skipped = 0;
    for (unsigned round = 0; round < 20000; round++) {
        struct slice event = roll(&seed, 2) == 0 ? SLICE("push") : SLICE("message");
        struct buffer stream = {0};
        struct result result = {0};
        struct sse_reader reader;
        for (uint32_t words = 1 + roll(&seed, 40); words > 0; words--) {
            append_random(&stream, &seed);
        }
        struct result wanted = plain_read(event, buffer_peek(&stream));
        sse_reader_init(&reader, event);
        uint32_t longest = 1 + roll(&seed, 1 + roll(&seed, 9000));
        struct slice rest = buffer_peek(&stream);
        while (rest.length > 0) {
            size_t length = roll(&seed, longest + 1);
            feed(&reader, slice_first(rest, length), &result);
            rest = slice_skip(rest, length);
        }
        result.skipped = reader.skipped;
        given += buffer_length(&wanted.data) > 0;
        skipped += wanted.skipped > 0;
        expect("random", round, result, buffer_peek(&wanted.data), wanted.skipped);
        sse_reader_finish(&reader);
        buffer_finish(&wanted.data);
        buffer_finish(&stream);
    }
    assert_true(given > 1000 && skipped > 100); // else it tried nothing
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_holds_nothing_of_what_is_too_long),
        cmocka_unit_test(test_many_lines_cost_little),
        cmocka_unit_test(test_like_a_plain_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
