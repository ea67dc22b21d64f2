// SPDX-License-Identifier: Apache-2.0
// The time of the present turn, read by code that may not ask for it. Owner: the worker's loop,
// which renews it once per turn; everyone else borrows it as const. One thread.
#ifndef OUTRIDER_BASE_CLOCK_H
#define OUTRIDER_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t now_ms; // monotonic
    int64_t wall_ms; // since 1970-01-01 UTC
    int64_t date_s;  // second for which `date` was written
    char date[32];   // IMF-fixdate of RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT"
};

// Renews all fields; the date text is written only when the second changed.
void clock_update(struct clock *clock, uint64_t now_ms, int64_t wall_ms);

#endif
