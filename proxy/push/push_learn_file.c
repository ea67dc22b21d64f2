// SPDX-License-Identifier: Apache-2.0
#include "push/push_learn_file.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/ensure.h"
#include "base/hash.h"
#include "http/link_header.h"

#define FIRST_LINE "outrider-hints 1 "

// Not against forgers, who could write the file as they like, but against half-written files.
enum { CHECKSUM_SEED = 0x68696e74, CHECKSUM_DIGITS = 16 };

struct row {
    struct push_learn_lesson lesson;
    struct push_learn_past past;
    struct row *next;
};

struct reader {
    struct slice text;
    struct slice rest;
    size_t line;
    const char *reason; // NULL while all is well
    struct arena *arena;
    uint64_t wall_ms; // when it was saved
    struct row *rows;
    struct row **end;
    uint64_t count;
    bool has_ended;
};

static void save_page(const struct push_learn_view *page, struct buffer *to);
static void put_escaped(struct slice text, struct buffer *to);
static void print(struct buffer *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void read_all(struct reader *reader);
static const char *read_line(struct reader *reader, struct slice line, struct slice before);
static const char *read_first(struct reader *reader, struct slice line);
static const char *read_page(struct reader *reader, struct slice line);
static const char *read_past(struct slice *rest, struct push_learn_past *past);
static const char *read_key(struct slice *rest, struct arena *arena, struct push_learn_key *key);
static const char *read_end(struct reader *reader, struct slice line, struct slice before);
static bool take_field(struct slice *rest, struct slice *out_field);
static bool take_number(struct slice *rest, uint64_t *out_number);
static bool take_escaped(struct slice *rest, struct arena *arena, struct slice *out_text);
static void restore(struct push_learn *learn, const struct reader *reader, uint64_t now_ms,
                    int64_t wall_ms);

// --- save -------------------------------------------------------------------------------------

void push_learn_file_save(const struct push_learn *learn, uint64_t now_ms, int64_t wall_ms,
                          struct buffer *to) {
    struct push_learn_cursor cursor = {0};
    struct push_learn_view page;
    size_t before = buffer_length(to);
    unsigned count = 0;
    print(to, FIRST_LINE "%" PRId64 "\n", wall_ms > 0 ? wall_ms : 0);
    while (push_learn_next(learn, &cursor, now_ms, &page)) {
        if (page.is_confirmed) {
            save_page(&page, to);
            count++;
        }
    }
    struct slice text = slice_skip(buffer_peek(to), before);
    print(to, "end\t%u\t%0*" PRIx64 "\n", count, CHECKSUM_DIGITS, hash_bytes(CHECKSUM_SEED, text));
}

static void save_page(const struct push_learn_view *page, struct buffer *to) {
    print(to, "page\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%u\t%u\t%s\t", page->age_ms,
          page->seen_ms, page->left_ms, page->sightings, page->uses,
          page->key.has_credentials ? "cookies" : "plain");
    put_escaped(page->key.scheme, to);
    buffer_append_slice(to, SLICE("\t"));
    put_escaped(page->key.authority, to);
    buffer_append_slice(to, SLICE("\t"));
    put_escaped(page->key.path, to);
    for (size_t i = 0; i < page->count; i++) {
        buffer_append_slice(to, SLICE("\t"));
        put_escaped(page->elements[i], to);
    }
    buffer_append_slice(to, SLICE("\n"));
}

// A field value may have tabs (RFC 9110 section 5.5), other control bytes it has not.
static void put_escaped(struct slice text, struct buffer *to) {
    size_t done = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == '\t' || text.data[i] == '\\') {
            buffer_append(to, text.data + done, i - done);
            buffer_append_slice(to, text.data[i] == '\t' ? SLICE("\\t") : SLICE("\\\\"));
            done = i + 1;
        }
    }
    buffer_append(to, text.data + done, text.length - done);
}

// For a few numbers and words.
static void print(struct buffer *to, const char *format, ...) {
    char text[192];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ensure(length >= 0 && (size_t)length < sizeof(text));
    buffer_append(to, text, (size_t)length);
}

// --- load -------------------------------------------------------------------------------------

bool push_learn_file_load(struct push_learn *learn, struct slice text, uint64_t now_ms,
                          int64_t wall_ms, struct push_learn_file_error *out_error) {
    struct reader reader = {.text = text, .rest = text, .arena = arena_create()};
    reader.end = &reader.rows;
    read_all(&reader);
    if (reader.reason == NULL) {
        restore(learn, &reader, now_ms, wall_ms);
    } else {
        *out_error = (struct push_learn_file_error){reader.line, reader.reason};
    }
    arena_destroy(reader.arena);
    return reader.reason == NULL;
}

static void read_all(struct reader *reader) {
    while (reader->reason == NULL && reader->rest.length > 0) {
        size_t end = slice_find(reader->rest, '\n');
        size_t done = reader->text.length - reader->rest.length;
        reader->line++;
        reader->reason =
            end < reader->rest.length
                ? read_line(reader, slice_first(reader->rest, end), slice_first(reader->text, done))
                : "the line has no end";
        reader->rest = slice_skip(reader->rest, end + 1);
    }
    if (reader->reason == NULL && !reader->has_ended) {
        reader->line++;
        reader->reason = "the last line is missing";
    }
}

static const char *read_line(struct reader *reader, struct slice line, struct slice before) {
    if (reader->line == 1) {
        return read_first(reader, line);
    }
    if (reader->has_ended) {
        return "something stands behind the last line";
    }
    struct slice rest = line;
    struct slice word;
    if (take_field(&rest, &word) && slice_equal(word, SLICE("page"))) {
        return read_page(reader, rest);
    }
    return slice_equal(word, SLICE("end")) ? read_end(reader, rest, before)
                                           : "neither a page nor the end";
}

static const char *read_first(struct reader *reader, struct slice line) {
    struct slice rest = slice_skip(line, sizeof(FIRST_LINE) - 1);
    if (!slice_starts_with(line, SLICE(FIRST_LINE)) || !take_number(&rest, &reader->wall_ms) ||
        rest.length > 0) {
        return "not a file of learned hints, or of another version";
    }
    return NULL;
}

static const char *read_page(struct reader *reader, struct slice line) {
    struct row *row = arena_new(reader->arena, struct row);
    struct push_learn_key key;
    struct slice elements[LINK_MAX_ELEMENTS];
    size_t count = 0;
    const char *reason = read_past(&line, &row->past);
    reason = reason == NULL ? read_key(&line, reader->arena, &key) : reason;
    while (reason == NULL && line.length > 0) {
        if (count == LINK_MAX_ELEMENTS) {
            return "too many elements";
        }
        if (!take_escaped(&line, reader->arena, &elements[count++])) {
            return "a backslash that escapes nothing";
        }
    }
    if (reason == NULL &&
        !push_learn_rules_lesson(&key, elements, count, reader->arena, &row->lesson)) {
        reason = "not a page with elements that may be hinted";
    }
    *reader->end = row;
    reader->end = &row->next;
    reader->count++;
    return reason;
}

static const char *read_past(struct slice *rest, struct push_learn_past *past) {
    uint64_t sightings;
    uint64_t uses;
    if (!take_number(rest, &past->age_ms) || !take_number(rest, &past->seen_ms) ||
        !take_number(rest, &past->left_ms) || !take_number(rest, &sightings) ||
        !take_number(rest, &uses) || sightings > UINT32_MAX || uses > UINT32_MAX) {
        return "a number is missing or malformed";
    }
    past->sightings = (uint32_t)sightings;
    past->uses = (uint32_t)uses;
    return NULL;
}

static const char *read_key(struct slice *rest, struct arena *arena, struct push_learn_key *key) {
    struct slice word;
    if (!take_field(rest, &word) ||
        (!slice_equal(word, SLICE("plain")) && !slice_equal(word, SLICE("cookies")))) {
        return "neither plain nor cookies";
    }
    key->has_credentials = slice_equal(word, SLICE("cookies"));
    if (!take_escaped(rest, arena, &key->scheme) || !take_escaped(rest, arena, &key->authority) ||
        !take_escaped(rest, arena, &key->path)) {
        return "a part of the page's URL is missing";
    }
    return NULL;
}

static const char *read_end(struct reader *reader, struct slice line, struct slice before) {
    uint64_t count;
    char checksum[CHECKSUM_DIGITS + 1];
    snprintf(checksum, sizeof(checksum), "%0*" PRIx64, CHECKSUM_DIGITS,
             hash_bytes(CHECKSUM_SEED, before));
    reader->has_ended = true;
    if (!take_number(&line, &count) || count != reader->count) {
        return "pages are missing";
    }
    return slice_equal(line, slice_of_text(checksum)) ? NULL : "the checksum is wrong";
}

// --- fields -----------------------------------------------------------------------------------

static bool take_field(struct slice *rest, struct slice *out_field) {
    size_t end = slice_find(*rest, '\t');
    *out_field = slice_first(*rest, end);
    *rest = slice_skip(*rest, end + 1);
    return out_field->length > 0;
}

static bool take_number(struct slice *rest, uint64_t *out_number) {
    struct slice field;
    uint64_t number = 0;
    if (!take_field(rest, &field) || field.length > 18) {
        return false;
    }
    for (size_t i = 0; i < field.length; i++) {
        if (field.data[i] < '0' || field.data[i] > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(field.data[i] - '0');
    }
    *out_number = number;
    return true;
}

static bool take_escaped(struct slice *rest, struct arena *arena, struct slice *out_text) {
    struct slice field;
    if (!take_field(rest, &field)) {
        return false;
    }
    char *text = arena_alloc(arena, field.length);
    size_t length = 0;
    for (size_t i = 0; i < field.length; i++) {
        char c = field.data[i];
        if (c == '\\') {
            char escaped = ++i < field.length ? field.data[i] : '\0';
            if (escaped != 't' && escaped != '\\') {
                return false;
            }
            c = escaped == 't' ? '\t' : '\\';
        }
        text[length++] = c;
    }
    *out_text = slice_of(text, length);
    return true;
}

// A clock that was put back counts as one that stood still.
static void restore(struct push_learn *learn, const struct reader *reader, uint64_t now_ms,
                    int64_t wall_ms) {
    uint64_t now_wall_ms = wall_ms > 0 ? (uint64_t)wall_ms : 0;
    uint64_t passed_ms = now_wall_ms > reader->wall_ms ? now_wall_ms - reader->wall_ms : 0;
    for (const struct row *row = reader->rows; row != NULL; row = row->next) {
        struct push_learn_past past = row->past;
        past.left_ms = past.left_ms > passed_ms ? past.left_ms - passed_ms : 0;
        past.seen_ms += passed_ms;
        past.age_ms += passed_ms;
        push_learn_restore(learn, &row->lesson, &past, now_ms);
    }
}
