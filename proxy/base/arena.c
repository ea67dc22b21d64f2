// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/ensure.h"

// One block holds the heads of an ordinary request and its response.
enum { BLOCK_BYTES = 4096 };
#ifndef __has_feature
#define __has_feature(name) 0 // gcc
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { SPARE_BLOCKS = 0 }; // reuse would hide a use after free from the sanitizer
#else
enum { SPARE_BLOCKS = 64 };
#endif

struct block {
    struct block *next;
    size_t capacity;
    alignas(max_align_t) char data[];
};

struct arena {
    struct block *blocks; // the newest first; the arena itself lives in the oldest
    size_t offset;        // in the newest block
    size_t used;
};

// Ordinary blocks are recycled on the thread that freed them: an exchange needs one or two.
static _Thread_local struct block *spare;
static _Thread_local unsigned spare_count;

static struct block *block_create(size_t capacity);
static void block_destroy(struct block *block);
static size_t align_up(size_t size);

struct arena *arena_create(void) {
    struct block *first = block_create(BLOCK_BYTES);
    struct arena *arena = (struct arena *)(void *)first->data;
    *arena = (struct arena){.blocks = first, .offset = align_up(sizeof(struct arena))};
    return arena;
}

void *arena_alloc(struct arena *arena, size_t size) {
    size_t needed = align_up(size > 0 ? size : 1);
    struct block *block = arena->blocks;
    if (block->capacity - arena->offset < needed) {
        block = block_create(needed > BLOCK_BYTES ? needed : BLOCK_BYTES);
        block->next = arena->blocks;
        arena->blocks = block;
        arena->offset = 0;
    }
    void *memory = block->data + arena->offset;
    arena->offset += needed;
    arena->used += needed;
    return memory;
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

void arena_finish_thread(void) {
    while (spare != NULL) {
        struct block *next = spare->next;
        free(spare);
        spare = next;
    }
    spare_count = 0;
}

static struct block *block_create(size_t capacity) {
    struct block *block = spare;
    if (capacity == BLOCK_BYTES && block != NULL) {
        spare = block->next;
        spare_count--;
    } else {
        block = alloc_bytes(sizeof(struct block) + capacity);
        block->capacity = capacity;
    }
    block->next = NULL;
    return block;
}

static void block_destroy(struct block *block) {
    if (block->capacity != BLOCK_BYTES || spare_count + 1 > SPARE_BLOCKS) {
        free(block);
        return;
    }
    block->next = spare;
    spare = block;
    spare_count++;
}

static size_t align_up(size_t size) {
    size_t alignment = alignof(max_align_t);
    ensure(size <= SIZE_MAX - alignment);
    return (size + alignment - 1) / alignment * alignment;
}
