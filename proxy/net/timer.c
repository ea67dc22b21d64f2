// SPDX-License-Identifier: Apache-2.0
#include "net/timer.h"

#include "base/ensure.h"

static void arm(struct timer *timer);
static void on_fired(uv_timer_t *uv);
static void on_uv_closed(uv_handle_t *handle);

void timer_init(struct timer *timer, struct loop *loop, void (*on_expired)(struct timer *timer)) {
    *timer = (struct timer){.loop = loop, .on_expired = on_expired};
    ensure(uv_timer_init(&loop->uv, &timer->uv) == 0);
    timer->uv.data = timer;
}

void timer_start(struct timer *timer, uint64_t delay_ms) {
    timer->deadline_ms = uv_now(&timer->loop->uv) + delay_ms;
    if (timer->armed_ms == 0 || timer->armed_ms > timer->deadline_ms) {
        arm(timer);
    }
}

static void arm(struct timer *timer) {
    uint64_t now = uv_now(&timer->loop->uv);
    timer->armed_ms = timer->deadline_ms;
    uint64_t delay_ms = timer->deadline_ms > now ? timer->deadline_ms - now : 0;
    ensure(uv_timer_start(&timer->uv, on_fired, delay_ms, 0) == 0);
}

static void on_fired(uv_timer_t *uv) {
    struct timer *timer = uv->data;
    loop_wake(timer->loop);
    timer->armed_ms = 0;
    if (timer->deadline_ms == 0) {
        return;
    }
    if (timer->deadline_ms > uv_now(&timer->loop->uv)) {
        arm(timer);
        return;
    }
    timer->deadline_ms = 0;
    timer->on_expired(timer);
}

// The armed timer is left to fire into nothing: most deadlines are set again before that.
void timer_stop(struct timer *timer) {
    timer->deadline_ms = 0;
}

void timer_close(struct timer *timer, void (*on_closed)(struct timer *timer)) {
    timer->deadline_ms = 0;
    timer->on_closed = on_closed;
    uv_close((uv_handle_t *)&timer->uv, on_uv_closed);
}

static void on_uv_closed(uv_handle_t *handle) {
    struct timer *timer = handle->data;
    loop_wake(timer->loop);
    if (timer->on_closed != NULL) {
        timer->on_closed(timer);
    }
}
