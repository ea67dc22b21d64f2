// SPDX-License-Identifier: Apache-2.0
#include "fuzz_loop.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "fuzz.h"
#include "net/timer.h"

enum { MOST_TIMERS = 1024, START_MS = 1000000 };
#define START_WALL_MS INT64_C(1800000000000)

// Of the one loop there is. `armed_ms` of a timer that is being closed is CLOSING.
static struct timer *timers[MOST_TIMERS];
static size_t timer_count;
#define CLOSING UINT64_MAX

void loop_init(struct loop *loop) {
    *loop = (struct loop){.turn = 1};
    list_init(&loop->posts);
    list_init(&loop->tasks);
    list_init(&loop->next_tasks);
    clock_update(&loop->clock, START_MS, START_WALL_MS);
    fuzz_check(timer_count == 0);
}

void loop_finish(struct loop *loop) {
    fuzz_check(fuzz_loop_is_over(loop));
    fuzz_check(timer_count == 0);
}

bool fuzz_loop_is_over(const struct loop *loop) {
    for (size_t i = 0; i < timer_count; i++) {
        if (timers[i]->deadline_ms != 0 || timers[i]->armed_ms == CLOSING) {
            return false;
        }
    }
    return list_is_empty(&loop->tasks) && list_is_empty(&loop->next_tasks);
}

void fuzz_loop_turn(struct loop *loop) {
    for (size_t i = 0; i < timer_count;) {
        struct timer *timer = timers[i];
        if (timer->armed_ms != CLOSING) {
            i++;
            continue;
        }
        timers[i] = timers[--timer_count];
        if (timer->on_closed != NULL) {
            timer->on_closed(timer);
        }
    }
    struct list_link *link;
    unsigned tasks = 0;
    while ((link = list_take_first(&loop->tasks)) != NULL) {
        struct loop_task *task = LIST_ENTRY(link, struct loop_task, link);
        task->run(task);
        fuzz_check(++tasks < 100000); // a turn ends
    }
    while ((link = list_take_first(&loop->next_tasks)) != NULL) {
        list_append(&loop->tasks, link);
    }
    loop->turn++;
}

void fuzz_loop_pass(struct loop *loop, uint64_t ms) {
    uint64_t now = loop->clock.now_ms + ms;
    clock_update(&loop->clock, now, loop->clock.wall_ms + (int64_t)ms);
    for (size_t i = 0; i < timer_count; i++) {
        struct timer *timer = timers[i];
        if (timer->deadline_ms != 0 && timer->deadline_ms <= now) {
            timer->deadline_ms = 0;
            timer->on_expired(timer);
        }
    }
}

uint64_t loop_precise_now(const struct loop *loop) {
    return loop->clock.now_ms;
}

void loop_run(struct loop *loop) {
    fuzz_loop_turn(loop);
}

void loop_stop(struct loop *loop) {
    (void)loop;
}

void loop_wake(struct loop *loop) {
    (void)loop;
}

void loop_defer(struct loop *loop, struct loop_task *task) {
    ensure(task->run != NULL);
    if (!list_link_is_in_list(&task->link)) {
        list_append(&loop->tasks, &task->link);
    }
}

void loop_defer_next(struct loop *loop, struct loop_task *task) {
    ensure(task->run != NULL);
    if (!list_link_is_in_list(&task->link)) {
        list_append(&loop->next_tasks, &task->link);
    }
}

void loop_cancel(struct loop_task *task) {
    list_remove(&task->link);
}

void loop_post(struct loop *loop, void (*function)(void *argument), void *argument) {
    (void)loop;
    (void)function;
    (void)argument;
    unreachable(); // there is one thread
}

void timer_init(struct timer *timer, struct loop *loop, void (*on_expired)(struct timer *timer)) {
    *timer = (struct timer){.loop = loop, .on_expired = on_expired};
    fuzz_check(timer_count < MOST_TIMERS);
    timers[timer_count++] = timer;
}

void timer_start(struct timer *timer, uint64_t delay_ms) {
    ensure(timer->armed_ms != CLOSING);
    timer->deadline_ms = loop_now(timer->loop) + (delay_ms > 0 ? delay_ms : 1);
}

void timer_stop(struct timer *timer) {
    timer->deadline_ms = 0;
}

void timer_close(struct timer *timer, void (*on_closed)(struct timer *timer)) {
    ensure(timer->armed_ms != CLOSING);
    timer->deadline_ms = 0;
    timer->armed_ms = CLOSING;
    timer->on_closed = on_closed;
}

// What would be random is the same every time.
int uv_random(uv_loop_t *loop, uv_random_t *request, void *bytes, size_t length, unsigned flags,
              uv_random_cb callback) {
    (void)loop;
    (void)request;
    (void)flags;
    (void)callback;
    memset(bytes, 7, length);
    return 0;
}
