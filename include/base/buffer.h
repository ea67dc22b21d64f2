// SPDX-License-Identifier: Apache-2.0
// A growing queue of bytes: append at the end, consume at the start. Memory is taken when the
// first byte comes and given back when the last one goes, so an idle object holds none.
// Owner: the object it is embedded in; a zeroed struct is an empty buffer. One thread.
#ifndef OUTRIDER_BASE_BUFFER_H
#define OUTRIDER_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/slice.h"

struct buffer {
    char *data;
    size_t start;
    size_t end;
    size_t capacity;
};

void buffer_finish(struct buffer *buffer); // frees; the buffer may be used again

static inline size_t buffer_length(const struct buffer *buffer) {
    return buffer->end - buffer->start;
}

static inline struct slice buffer_peek(const struct buffer *buffer) {
    return slice_of(buffer->data != NULL ? buffer->data + buffer->start : "",
                    buffer_length(buffer));
}

// Room for `length` more bytes behind the end; write there, then commit what was written.
char *buffer_reserve(struct buffer *buffer, size_t length);
void buffer_commit(struct buffer *buffer, size_t length);
// Inline, since most of what is appended is short and of a known length.
static inline void buffer_append(struct buffer *buffer, const void *data, size_t length) {
    if (length > 0) {
        bool has_room = buffer->capacity - buffer->end >= length;
        memcpy(has_room ? buffer->data + buffer->end : buffer_reserve(buffer, length), data,
               length);
        buffer->end += length;
    }
}
static inline void buffer_append_slice(struct buffer *buffer, struct slice bytes) {
    buffer_append(buffer, bytes.data, bytes.length);
}
// Drops `length` bytes at the start; an emptied buffer gives its memory back.
void buffer_consume(struct buffer *buffer, size_t length);
// Moves everything from `from` behind the end of `to`; no copy when `to` is empty.
void buffer_move(struct buffer *to, struct buffer *from);

#endif
