// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>

#include "base/ensure.h"
#include "base/spare.h"

// One block holds the heads of an ordinary request and its response; it is as large as one of those
// that a thread keeps.
enum { BLOCK_BYTES = 8192 };

struct block {
    struct block *next;
    size_t capacity; // of data
    alignas(max_align_t) char data[];
};

struct arena {
    struct block *blocks; // the newest first; the arena itself lives in the oldest
    size_t offset;        // in the newest block
    size_t used;
};

static struct block *block_create(size_t needed);
static void block_destroy(struct block *block);
static size_t align_up(size_t size);

struct arena *arena_create(void) {
    struct block *first = block_create(1);
    struct arena *arena = (struct arena *)(void *)first->data;
    *arena = (struct arena){.blocks = first, .offset = align_up(sizeof(struct arena))};
    return arena;
}

void *arena_alloc(struct arena *arena, size_t size) {
    size_t needed = align_up(size > 0 ? size : 1);
    struct block *block = arena->blocks;
    if (block->capacity - arena->offset < needed) {
        block = block_create(needed);
        block->next = arena->blocks;
        arena->blocks = block;
        arena->offset = 0;
    }
    void *memory = block->data + arena->offset;
    arena->offset += needed;
    arena->used += needed;
    return memory;
}

size_t arena_used(const struct arena *arena) {
    return arena->used;
}

void arena_destroy(struct arena *arena) {
    if (arena == NULL) {
        return;
    }
    struct block *block = arena->blocks; // the arena dies with its last block
    while (block != NULL) {
        struct block *next = block->next;
        block_destroy(block);
        block = next;
    }
}

// With room for that much at least.
static struct block *block_create(size_t needed) {
    size_t size = BLOCK_BYTES;
    if (needed > BLOCK_BYTES - sizeof(struct block)) {
        ensure(needed <= SIZE_MAX - sizeof(struct block));
        size = sizeof(struct block) + needed;
    }
    struct block *block = spare_take(size);
    block->capacity = size - sizeof(struct block);
    block->next = NULL;
    return block;
}

static void block_destroy(struct block *block) {
    spare_give(block, sizeof(struct block) + block->capacity);
}

static size_t align_up(size_t size) {
    size_t alignment = alignof(max_align_t);
    ensure(size <= SIZE_MAX - alignment);
    return (size + alignment - 1) / alignment * alignment;
}
