// SPDX-License-Identifier: Apache-2.0
// One deadline. Moving it later costs nothing: the timer fires at the old time, sees that it is
// early, and is armed again. Embedded in its owner; timer_close is asynchronous and calls on_closed
// last, after which the memory may go. One thread.
#ifndef OUTRIDER_NET_TIMER_H
#define OUTRIDER_NET_TIMER_H

#include "net/loop.h"

struct timer {
    uv_timer_t uv;
    struct loop *loop;
    uint64_t deadline_ms; // monotonic, 0: none
    uint64_t armed_ms;    // when uv will fire, 0: not armed
    void (*on_expired)(struct timer *timer);
    void (*on_closed)(struct timer *timer);
};

void timer_init(struct timer *timer, struct loop *loop, void (*on_expired)(struct timer *timer));
void timer_start(struct timer *timer, uint64_t delay_ms); // replaces an earlier deadline
void timer_stop(struct timer *timer);
void timer_close(struct timer *timer, void (*on_closed)(struct timer *timer));

#endif
