// SPDX-License-Identifier: Apache-2.0
// Bump memory that is freed in one go. One arena per exchange holds its heads, its plan and the
// relay's state; nothing in an arena is freed alone. Owner: whoever created it. One thread.
// Its blocks come from the thread's spares (base/spare.h).
#ifndef OUTRIDER_BASE_ARENA_H
#define OUTRIDER_BASE_ARENA_H

#include <stddef.h>

#include "base/slice.h"

struct arena;

struct arena *arena_create(void);
void arena_destroy(struct arena *arena); // NULL is fine

// Aligned for any type; never NULL; the bytes are not initialised.
void *arena_alloc(struct arena *arena, size_t size);
// Zeroed.
void *arena_zeroed(struct arena *arena, size_t size);
// A copy, NUL-terminated behind its end (the NUL is not counted).
struct slice arena_copy(struct arena *arena, struct slice bytes);
// All parts in one piece.
struct slice arena_join(struct arena *arena, const struct slice *parts, size_t count);
struct slice arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Bytes handed out so far, for limits and tests.
size_t arena_used(const struct arena *arena);

#define arena_new(arena, type) ((type *)arena_zeroed((arena), sizeof(type)))

#endif
