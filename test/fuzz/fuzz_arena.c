// SPDX-License-Identifier: Apache-2.0
// base/arena.h with memory of its own for each allocation, so that the sanitizer sees who reads
// past one, or keeps one longer than its arena.
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/ensure.h"

struct piece {
    struct piece *next;
    alignas(max_align_t) char data[];
};

struct arena {
    struct piece *pieces;
    size_t used;
};

struct arena *arena_create(void) {
    return alloc_new(struct arena);
}

void arena_destroy(struct arena *arena) {
    if (arena == NULL) {
        return;
    }
    while (arena->pieces != NULL) {
        struct piece *piece = arena->pieces;
        arena->pieces = piece->next;
        free(piece);
    }
    free(arena);
}

void *arena_alloc(struct arena *arena, size_t size) {
    struct piece *piece = alloc_bytes(sizeof(struct piece) + size);
    piece->next = arena->pieces;
    arena->pieces = piece;
    arena->used += size;
    return piece->data;
}

void *arena_zeroed(struct arena *arena, size_t size) {
    return memset(arena_alloc(arena, size), 0, size);
}

struct slice arena_copy(struct arena *arena, struct slice bytes) {
    char *copy = arena_alloc(arena, bytes.length + 1);
    if (bytes.length > 0) {
        memcpy(copy, bytes.data, bytes.length);
    }
    copy[bytes.length] = '\0';
    return slice_of(copy, bytes.length);
}

struct slice arena_printf(struct arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ensure(length >= 0);
    char *text = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return slice_of(text, (size_t)length);
}

size_t arena_used(const struct arena *arena) {
    return arena->used;
}
