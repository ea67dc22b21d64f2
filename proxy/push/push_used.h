// SPDX-License-Identifier: Apache-2.0
// The URLs that the plans of one request have used, so that none is named twice.
// Owner: the arena given at start; the URLs that were there before are borrowed. One thread.
// See also: push/push_plan.h.
#ifndef OUTRIDER_PUSH_PUSH_USED_H
#define OUTRIDER_PUSH_PUSH_USED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "http/url.h"

// Remembered for one request, over all its moments. An origin may send many 1xx with many links.
enum { PUSH_USED_MAX = 512 };

struct push_used {
    struct arena *arena;
    const struct url *urls;
    size_t count;
    size_t capacity;
    uint32_t *marks; // of the URLs: most differ, so few URLs are compared
    struct url *own; // urls, once one was added
};

void push_used_start(struct push_used *used, const struct url *urls, size_t count,
                     struct arena *arena);
bool push_used_has(const struct push_used *used, const struct url *url);
bool push_used_is_full(const struct push_used *used);
void push_used_add(struct push_used *used, const struct url *url); // unless it is full

#endif
