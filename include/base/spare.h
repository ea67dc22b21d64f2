// SPDX-License-Identifier: Apache-2.0
// Blocks of memory that a thread keeps for its own reuse, by powers of two: what a busy loop takes
// and gives back thousands of times a second (arenas, streams, bodies, output) costs no allocator
// and no page faults. What was not needed for a while goes back (spare_tend), and a thread keeps no
// more than it took itself.
// A block is the caller's until it is given back; free() is right for it too. A thread that has not
// opened its spares, and every thread of a sanitizer's build, keeps nothing.
#ifndef OUTRIDER_BASE_SPARE_H
#define OUTRIDER_BASE_SPARE_H

#include <stddef.h>

enum {
    SPARE_LEAST_BYTES = 64,
    SPARE_MOST_BYTES = 256 * 1024, // larger and smaller blocks, and other sizes, are not kept
    SPARE_THREAD_BYTES = 16 * 1024 * 1024,
};

void spare_open(void);
void spare_close(void); // before the thread ends; frees all

// Never NULL; not initialised. Give it back with the same size.
void *spare_take(size_t size);
void spare_give(void *take_block, size_t size); // NULL is fine

// Call it regularly: frees the blocks that were not needed since the last call.
void spare_tend(void);
size_t spare_bytes(void); // kept by this thread now

#endif
