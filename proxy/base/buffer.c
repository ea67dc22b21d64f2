// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"

#include <string.h>

#include "base/ensure.h"
#include "base/spare.h"

enum { BUFFER_MIN_BYTES = 512 };

static void grow(struct buffer *buffer, size_t needed);

void buffer_finish(struct buffer *buffer) {
    spare_give(buffer->data, buffer->capacity);
    *buffer = (struct buffer){0};
}

char *buffer_reserve(struct buffer *buffer, size_t length) {
    if (buffer->capacity - buffer->end < length) {
        grow(buffer, length);
    }
    return buffer->data + buffer->end;
}

void buffer_commit(struct buffer *buffer, size_t length) {
    ensure(length <= buffer->capacity - buffer->end);
    buffer->end += length;
}

void buffer_consume(struct buffer *buffer, size_t length) {
    ensure(length <= buffer_length(buffer));
    buffer->start += length;
    if (buffer->start == buffer->end) {
        buffer_finish(buffer);
    }
}

void buffer_move(struct buffer *to, struct buffer *from) {
    if (to->data == NULL) {
        *to = *from;
        *from = (struct buffer){0};
        return;
    }
    buffer_append_slice(to, buffer_peek(from));
    buffer_finish(from);
}

// Moves the bytes to the front when that makes enough room, else doubles.
static void grow(struct buffer *buffer, size_t needed) {
    size_t length = buffer_length(buffer);
    ensure(needed <= (size_t)1 << 40);
    if (buffer->start > length && buffer->capacity - length >= needed) {
        memmove(buffer->data, buffer->data + buffer->start, length);
        buffer->start = 0;
        buffer->end = length;
        return;
    }
    size_t capacity = BUFFER_MIN_BYTES;
    while (capacity < length + needed) {
        capacity *= 2;
    }
    char *data = spare_take(capacity);
    if (length > 0) {
        memcpy(data, buffer->data + buffer->start, length);
    }
    spare_give(buffer->data, buffer->capacity);
    *buffer = (struct buffer){.data = data, .end = length, .capacity = capacity};
}
