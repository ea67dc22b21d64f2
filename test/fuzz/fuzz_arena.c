// SPDX-License-Identifier: Apache-2.0
// base/arena.h with memory of its own for each allocation, so that the sanitizer sees who reads
// past one, or keeps one longer than its arena.
#include "base/arena.h"

#include <stdalign.h>

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

size_t arena_used(const struct arena *arena) {
    return arena->used;
}
