// SPDX-License-Identifier: Apache-2.0
#include "push_learn_record.h"

#include "http/link_header.h"

enum {
    VERSION = 1,
    HEAD_BYTES = 8,     // version, kind, flags, 0, length of all in four bytes
    NUMBERS_BYTES = 32, // when, life, connection, visitor
    FLAG_CREDENTIALS = 1,
    FLAG_HTTPS = 2,
};

static void put_number(struct buffer *to, uint64_t number, unsigned bytes);
static void put_text(struct buffer *to, struct slice text);
static bool take_number(struct slice *rest, unsigned bytes, uint64_t *out_number);
static bool take_text(struct slice *rest, struct slice *out_text);
static bool read_body(struct slice rest, struct arena *arena, struct push_learn_record *record);
static bool read_elements(struct slice *rest, struct arena *arena,
                          struct push_learn_record *record);

size_t push_learn_record_bytes(const struct push_learn_record *record) {
    size_t bytes = HEAD_BYTES + NUMBERS_BYTES + 2 + record->key.authority.length + 2 +
                   record->key.path.length + 2;
    for (uint32_t i = 0; i < record->count; i++) {
        bytes += 2 + record->elements[i].length;
    }
    return bytes;
}

void push_learn_record_write(const struct push_learn_record *record, struct buffer *to) {
    unsigned flags = record->key.has_credentials ? FLAG_CREDENTIALS : 0;
    flags |= slice_equal(record->key.scheme, SLICE("https")) ? FLAG_HTTPS : 0;
    put_number(to, VERSION, 1);
    put_number(to, record->kind, 1);
    put_number(to, flags, 2);
    put_number(to, push_learn_record_bytes(record), 4);
    put_number(to, record->sighting.ms, 8);
    put_number(to, record->life_ms, 8);
    put_number(to, record->sighting.conn_id, 8);
    put_number(to, record->sighting.visitor, 8);
    put_text(to, record->key.authority);
    put_text(to, record->key.path);
    put_number(to, record->count, 2);
    for (uint32_t i = 0; i < record->count; i++) {
        put_text(to, record->elements[i]);
    }
}

static void put_number(struct buffer *to, uint64_t number, unsigned bytes) {
    char text[8];
    for (unsigned i = 0; i < bytes; i++) {
        text[i] = (char)(unsigned char)(number >> (8 * i) & 255);
    }
    buffer_append(to, text, bytes);
}

// All texts are far below 64 KB: push_learn.h has the limits.
static void put_text(struct buffer *to, struct slice text) {
    put_number(to, text.length, 2);
    buffer_append_slice(to, text);
}

// --- reading ----------------------------------------------------------------------------------

enum push_learn_record_result push_learn_record_read(struct slice *rest, struct arena *arena,
                                                     struct push_learn_record *out_record) {
    struct slice head = *rest;
    uint64_t version;
    uint64_t kind;
    uint64_t flags;
    uint64_t length;
    if (rest->length == 0) {
        return PUSH_LEARN_RECORD_END;
    }
    if (!take_number(&head, 1, &version) || version != VERSION || !take_number(&head, 1, &kind) ||
        kind < PUSH_LEARN_RECORD_SIGHTING || kind > PUSH_LEARN_RECORD_BAD ||
        !take_number(&head, 2, &flags) || flags > (FLAG_CREDENTIALS | FLAG_HTTPS) ||
        !take_number(&head, 4, &length) || length < HEAD_BYTES || length > rest->length) {
        return PUSH_LEARN_RECORD_DAMAGED;
    }
    *out_record = (struct push_learn_record){
        .kind = (enum push_learn_record_kind)kind,
        .key = {.scheme = flags & FLAG_HTTPS ? SLICE("https") : SLICE("http"),
                .has_credentials = (flags & FLAG_CREDENTIALS) != 0},
    };
    if (!read_body(slice_first(head, length - HEAD_BYTES), arena, out_record)) {
        return PUSH_LEARN_RECORD_DAMAGED;
    }
    *rest = slice_skip(*rest, length);
    return PUSH_LEARN_RECORD_READ;
}

static bool read_body(struct slice rest, struct arena *arena, struct push_learn_record *record) {
    return take_number(&rest, 8, &record->sighting.ms) && take_number(&rest, 8, &record->life_ms) &&
           take_number(&rest, 8, &record->sighting.conn_id) &&
           take_number(&rest, 8, &record->sighting.visitor) &&
           take_text(&rest, &record->key.authority) && take_text(&rest, &record->key.path) &&
           read_elements(&rest, arena, record) && rest.length == 0;
}

static bool read_elements(struct slice *rest, struct arena *arena,
                          struct push_learn_record *record) {
    uint64_t count;
    if (!take_number(rest, 2, &count) || count > LINK_MAX_ELEMENTS) {
        return false;
    }
    struct slice *elements = arena_alloc(arena, count * sizeof(struct slice));
    for (uint64_t i = 0; i < count; i++) {
        if (!take_text(rest, &elements[i])) {
            return false;
        }
    }
    record->elements = elements;
    record->count = (uint32_t)count;
    return (count > 0) == (record->kind == PUSH_LEARN_RECORD_SIGHTING);
}

static bool take_number(struct slice *rest, unsigned bytes, uint64_t *out_number) {
    uint64_t number = 0;
    if (rest->length < bytes) {
        return false;
    }
    for (unsigned i = 0; i < bytes; i++) {
        number |= (uint64_t)(unsigned char)rest->data[i] << (8 * i);
    }
    *out_number = number;
    *rest = slice_skip(*rest, bytes);
    return true;
}

static bool take_text(struct slice *rest, struct slice *out_text) {
    uint64_t length;
    if (!take_number(rest, 2, &length) || length > rest->length) {
        return false;
    }
    *out_text = slice_first(*rest, length);
    *rest = slice_skip(*rest, length);
    return true;
}
