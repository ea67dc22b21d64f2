// SPDX-License-Identifier: Apache-2.0
// How near the process is to the most memory that it may use. One writer, worker/ceiling.h; any
// thread reads it with one relaxed load. States: plenty; short (nothing that only saves time is
// begun: no pushes, no learning); full (nothing new is begun at all).
// Owner: the ceiling. See also: front/front.h, push/push_memory.h.
#ifndef OUTRIDER_BASE_MEMORY_GAUGE_H
#define OUTRIDER_BASE_MEMORY_GAUGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum memory_level { MEMORY_PLENTY, MEMORY_SHORT, MEMORY_FULL };

struct memory_gauge {
    atomic_int level;
    atomic_uint_fast64_t used, limit; // bytes, for people; limit 0: none
};

// NULL: nobody measures.
static inline enum memory_level memory_gauge_read(const struct memory_gauge *gauge) {
    return gauge == NULL
               ? MEMORY_PLENTY
               : (enum memory_level)atomic_load_explicit(&gauge->level, memory_order_relaxed);
}

static inline void memory_gauge_set(struct memory_gauge *gauge, enum memory_level level) {
    atomic_store_explicit(&gauge->level, level, memory_order_relaxed);
}

#endif
