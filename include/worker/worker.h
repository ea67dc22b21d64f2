// SPDX-License-Identifier: Apache-2.0
// One thread: a loop with its own listening sockets, front, relay and origin pool. Nothing that
// changes is shared with other workers on the way of a request: what one learns, it tells to the
// others by messages, through the server.
// Owner: the server. worker_create to worker_join run on the main thread; the rest on its own.
// States: running, draining, ended.
#ifndef OUTRIDER_WORKER_WORKER_H
#define OUTRIDER_WORKER_WORKER_H

#include "admin/admin.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/memory_gauge.h"
#include "worker/generation.h"

struct worker;

struct worker_options {
    struct generation *generation; // the first; the worker takes a reference, and its sockets
    unsigned index;
    struct log_sink *access_sink;      // borrowed
    const struct memory_gauge *memory; // borrowed until worker_join
    uint64_t seed;                     // random, the same for all
    struct slice learned; // text of the state file, borrowed until worker_join; empty: none
    // Called on the worker's thread: records for the other workers' memory; all that it has
    // learned, as the state file's text (asked for by worker_save, and at its end).
    void (*on_records)(void *user, unsigned index, struct buffer *take_records);
    void (*on_learned)(void *user, struct buffer *take_text);
    // The answer to worker_ask; an empty report when it has none.
    void (*on_report)(void *user, uint64_t id, struct buffer *take_report);
    // The worker has ended; called on its thread, the last thing it does.
    void (*on_ended)(void *user);
    void *user;
};

struct worker *worker_create(const struct worker_options *options);
// From now on serves another generation: new exchanges begin on it, those under way end on theirs.
void worker_apply(struct worker *worker, struct generation *generation);
// What other workers have learned. Copied.
void worker_tell(struct worker *worker, struct slice records);
// Asks for on_learned.
void worker_save(struct worker *worker);
// Asks for on_report, or for something to be done (ADMIN_DO_FORGET). False when the worker has
// ended. `argument` is copied.
bool worker_ask(struct worker *worker, uint64_t id, enum admin_question question,
                struct slice argument);
// Any thread: its numbers, and when its loop last turned to its once-a-second timer (monotonic ms,
// 0: not yet, UINT64_MAX: it has ended).
const struct metrics *worker_metrics(const struct worker *worker);
uint64_t worker_beat_ms(const struct worker *worker);
// No new connections; sessions end politely, then the worker ends.
void worker_drain(struct worker *worker);
// What is left is cut.
void worker_abort(struct worker *worker);
// After on_ended: waits for the thread and frees.
void worker_join(struct worker *worker);

#endif
