// SPDX-License-Identifier: Apache-2.0
// The handler that answers operators and their tools: dashboard, probes, metrics, what was learned,
// reload, drain. It knows how things are shown and who may ask; what there is to show comes from
// its source. Owner: the control thread (worker/control.h), on whose loop it runs.
// See also: http/exchange.h (what a handler is), base/metrics.h, push/push_ledger.h.
#ifndef OUTRIDER_ADMIN_ADMIN_H
#define OUTRIDER_ADMIN_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/list.h"
#include "base/memory_gauge.h"
#include "base/metrics.h"
#include "http/exchange.h"

struct admin_worker {
    const struct metrics *metrics;
    uint64_t silent_ms; // since its loop last turned to its once-a-second timer
};

struct admin_certificate {
    const char *listener; // "https://127.0.0.1:8443"
    const char *name;     // the first name in it
    int64_t not_after_s;  // Unix time
};

// Borrowed until the next look.
struct admin_status {
    int64_t started_s; // Unix time
    uint64_t uptime_ms;
    bool is_live;       // every loop turns
    bool is_ready;      // and new requests are welcome
    const char *reason; // why not, in a word or two; "" when it is ready
    const struct admin_worker *workers;
    unsigned worker_count;
    uint64_t reloads, failed_reloads;
    int64_t reloaded_s;       // the last one that was good, or the start
    const char *reload_error; // of the last one when that was bad, else ""
    uint64_t resident_bytes;
    uint64_t memory_used, memory_ceiling; // ceiling 0: none
    enum memory_level memory_level;
    uint64_t descriptors, descriptor_limit;
    uint64_t cpu_ms;
    uint64_t dropped_log_lines;
    const struct admin_certificate *certificates;
    size_t certificate_count;
};

enum admin_question {
    ADMIN_ASK_PAGES, // reports: struct push_ledger_row[] of each worker
    ADMIN_ASK_HINTS, // reports: JSON of one worker (admin_hints.h)
    ADMIN_DO_FORGET, // argument: authority and path of a page, or empty: everything
    ADMIN_DO_RELOAD, // text: what became of it
    ADMIN_DO_DRAIN,  // text
    ADMIN_DO_LEVEL,  // argument: error, warn, info, debug
};

struct admin_source {
    void *user;
    void (*look)(void *user, struct admin_status *out_status); // at once
    void (*print_config)(void *user, struct buffer *out);      // at once
    // Answered by admin_reply, at once or later, exactly once for each id, perhaps with reports
    // missing. The argument is borrowed for the call.
    void (*ask)(void *user, uint64_t id, enum admin_question question, struct slice argument);
};

struct admin {
    struct handler handler; // give this to the front; everything
    struct handler probes;  // and this to the front of admin.probes: /live, /ready and /metrics
    struct admin_source source;
    struct list waiting; // of exchanges that wait for a reply
    uint64_t last_id;
};

struct admin_reply {
    bool is_good;           // of a command: it was done
    struct slice text;      // of a command: one line for people
    struct buffer *reports; // of a question; borrowed
    unsigned report_count;
};

void admin_init(struct admin *admin, const struct admin_source *source);
// An exchange that is gone by now is fine.
void admin_reply(struct admin *admin, uint64_t id, const struct admin_reply *reply);

#endif
