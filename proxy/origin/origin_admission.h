// SPDX-License-Identifier: Apache-2.0
// How many requests an origin is given before it answers. One that answers within a moment gets no
// faster by having a thousand requests instead of some dozens: the others would wait there, each on
// a connection of its own, which costs a fifth more a request (cold sockets, cold memory). So they
// are held back for that moment. One that thinks must not be kept waiting: what it has had for a
// moment without an answer no longer counts, and as many more may follow, so that a burst is with a
// slow origin within a few moments, however large it is.
// Pure: knows neither clock nor calls. Owner: struct origin. Times: monotonic ms.
#ifndef OUTRIDER_ORIGIN_ORIGIN_ADMISSION_H
#define OUTRIDER_ORIGIN_ORIGIN_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

enum {
    ORIGIN_ADMISSION_WIDTH = 64,   // fresh requests: enough to keep a quick origin busy
    ORIGIN_ADMISSION_FRESH_MS = 5, // so long a request is fresh
    // Who was held so long shows that the origin could take more at once.
    ORIGIN_ADMISSION_HELD_MS = 50,
    ORIGIN_ADMISSION_WIDE_MS = 10 * 1000, // then it is tried with less again
};

// One request, embedded in its call; zeroed: not begun.
struct origin_admission_entry {
    struct list_link link; // among the fresh ones
    uint64_t begun_ms;
    bool is_counted; // begun and not answered
};

struct origin_admission {
    struct list fresh; // of entries, the oldest first
    unsigned fresh_count;
    unsigned aged_count; // not answered either, but not fresh
    unsigned width;
    uint64_t widened_ms; // when the width was last changed
};

void origin_admission_init(struct origin_admission *admission);
bool origin_admission_is_open(const struct origin_admission *admission);
void origin_admission_begin(struct origin_admission *admission,
                            struct origin_admission_entry *entry, uint64_t now_ms);
// Bytes came, or nobody waits for them any more; harmless when it is not counted.
void origin_admission_answer(struct origin_admission *admission,
                             struct origin_admission_entry *entry);
// Ages what is fresh no longer. At the end of a turn, with the time of its beginning: what had come
// by then was read. `held_since_ms`: of the request that is admitted next, 0: none.
void origin_admission_tend(struct origin_admission *admission, uint64_t turn_ms,
                           uint64_t held_since_ms);

#endif
