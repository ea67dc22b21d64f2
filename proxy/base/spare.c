// SPDX-License-Identifier: Apache-2.0
#include "base/spare.h"

#include <stdbool.h>

#include "base/alloc.h"

enum { LEAST_BITS = 6, MOST_BITS = 18, CLASSES = MOST_BITS - LEAST_BITS + 1, NO_CLASS = CLASSES };

// Of a class in one go, so that the thread is not held up after a rush of small blocks.
enum { MOST_DROPS = 16 * 1024 };

_Static_assert(1 << LEAST_BITS == SPARE_LEAST_BYTES && 1 << MOST_BITS == SPARE_MOST_BYTES,
               "one class for each power of two");

struct spare {
    struct spare *next;
};

struct spare_class {
    struct spare *first; // the last one given, so that its bytes are still in the cache
    size_t count;
    size_t least; // count at its lowest since spare_tend
    size_t out;   // taken by this thread and not given back
};

static _Thread_local struct {
    bool is_open;
    size_t bytes;
    struct spare_class classes[CLASSES];
} spares;

static unsigned class_of(size_t size);
static void drop(unsigned index);

void spare_open(void) {
    spares.is_open = !ALLOC_IS_WATCHED;
}

void spare_close(void) {
    spares.is_open = false;
    for (unsigned i = 0; i < CLASSES; i++) {
        while (spares.classes[i].first != NULL) {
            drop(i);
        }
    }
}

void *spare_take(size_t size) {
    unsigned index = class_of(size);
    if (index == NO_CLASS) {
        return alloc_bytes(size);
    }
    struct spare_class *class = &spares.classes[index];
    class->out++;
    if (class->first == NULL) {
        return alloc_bytes(size);
    }
    struct spare *block = class->first;
    class->first = block->next;
    class->count--;
    class->least = class->least < class->count ? class->least : class->count;
    spares.bytes -= size;
    return block;
}

void spare_give(void *take_block, size_t size) {
    unsigned index = class_of(size);
    if (index == NO_CLASS || take_block == NULL) {
        free(take_block);
        return;
    }
    struct spare_class *class = &spares.classes[index];
    bool is_own = class->out > 0; // else another thread took it, and here it would only pile up
    class->out -= is_own;
    if (!is_own || !spares.is_open || spares.bytes + size > SPARE_THREAD_BYTES) {
        free(take_block);
        return;
    }
    struct spare *block = take_block;
    block->next = class->first;
    class->first = block;
    class->count++;
    spares.bytes += size;
}

void spare_tend(void) {
    for (unsigned i = 0; i < CLASSES; i++) {
        struct spare_class *class = &spares.classes[i];
        size_t idle = class->least < MOST_DROPS ? class->least : MOST_DROPS;
        for (; idle > 0; idle--) {
            drop(i);
        }
        class->least = class->count;
    }
}

size_t spare_bytes(void) {
    return spares.bytes;
}

static unsigned class_of(size_t size) {
    bool is_kept =
        size >= SPARE_LEAST_BYTES && size <= SPARE_MOST_BYTES && (size & (size - 1)) == 0;
    return is_kept ? (unsigned)__builtin_ctzl(size) - LEAST_BITS : NO_CLASS;
}

static void drop(unsigned index) {
    struct spare_class *class = &spares.classes[index];
    struct spare *block = class->first;
    class->first = block->next;
    class->count--;
    spares.bytes -= (size_t)1 << (index + LEAST_BITS);
    free(block);
}
