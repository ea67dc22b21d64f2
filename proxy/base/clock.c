// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static void write_date(struct clock *clock) {
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)clock->date_s;
    struct tm tm;
    gmtime_r(&seconds, &tm);
    snprintf(clock->date, sizeof(clock->date), "%s, %02u %s %04u %02u:%02u:%02u GMT",
             days[tm.tm_wday], (unsigned)tm.tm_mday % 100U, months[tm.tm_mon],
             (unsigned)(tm.tm_year + 1900) % 10000U, (unsigned)tm.tm_hour % 100U,
             (unsigned)tm.tm_min % 100U, (unsigned)tm.tm_sec % 100U);
}

void clock_update(struct clock *clock, uint64_t now_ms, int64_t wall_ms) {
    clock->now_ms = now_ms;
    clock->wall_ms = wall_ms;
    int64_t second = wall_ms / 1000;
    if (second != clock->date_s || clock->date[0] == '\0') {
        clock->date_s = second;
        write_date(clock);
    }
}
