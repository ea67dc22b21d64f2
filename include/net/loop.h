// SPDX-License-Identifier: Apache-2.0
// A thread's event loop (libuv) with three additions: the time of the turn, "run this at the end of
// the turn" (after all callbacks, before sleeping) and "run this on that thread".
// Owner: the worker. Everything but loop_post belongs to the loop's own thread.
// See also: net/timer.h and net/conn.h, which live on a loop.
#ifndef OUTRIDER_NET_LOOP_H
#define OUTRIDER_NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/metrics.h"

// Embedded in whoever wants to be called at the end of the turn; a zeroed task is idle.
struct loop_task {
    struct list_link link;
    void (*run)(struct loop_task *task);
};

enum { LOOP_SCRATCH_BYTES = 256 * 1024 };

struct resolver;

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare; // runs the tasks
    uv_idle_t idle;       // keeps the next sleep from blocking while tasks wait for the next turn
    uv_async_t async;     // wakes the loop for posts
    uv_mutex_t post_lock; // protects posts
    struct list posts;
    struct list tasks;      // due at the end of this turn
    struct list next_tasks; // due at the end of the next turn
    uint64_t turn;          // counts them, from 1
    struct clock clock;
    struct metrics metrics;    // of this thread
    char *read_scratch;        // LOOP_SCRATCH_BYTES each, used within one callback: bytes as read,
    char *plain_scratch;       // plaintext out of TLS,
    char *cipher_scratch;      // ciphertext into the socket
    struct resolver *resolver; // made by the first dialer that needs it,
    void (*resolver_destroy)(struct resolver *resolver); // destroyed by loop_finish
};

void loop_init(struct loop *loop);
void loop_run(struct loop *loop);  // until loop_stop
void loop_stop(struct loop *loop); // loop_run returns after this turn
// Runs what was posted and deferred, and the loop until all handles are closed, then closes what
// loop_init opened. Every other handle must have been closed, or be closing, before. Waits for name
// resolution that is under way, which may take seconds when a name server is silent.
void loop_finish(struct loop *loop);

// Every callback that libuv makes starts with this: libuv renews its time when it wakes, and the
// loop's clock follows here. Costs nothing when the millisecond is the same.
void loop_wake(struct loop *loop);

static inline uint64_t loop_now(const struct loop *loop) {
    return loop->clock.now_ms;
}

// Of this very moment, in a turn that may have begun long ago.
uint64_t loop_precise_now(const struct loop *loop);

// At the end of this turn, once; a second call before it ran changes nothing. A task deferred while
// tasks run still runs in the same turn.
void loop_defer(struct loop *loop, struct loop_task *task);
// At the end of the next turn, which will not sleep first: for those who have had their share.
void loop_defer_next(struct loop *loop, struct loop_task *task);
void loop_cancel(struct loop_task *task);

// Any thread: run function(argument) on the loop's thread. Order is kept.
void loop_post(struct loop *loop, void (*function)(void *argument), void *argument);

#endif
