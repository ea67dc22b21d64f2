// SPDX-License-Identifier: Apache-2.0
#include "front/access_log.h"

#include "access_line.h"
#include "base/alloc.h"
#include "base/buffer.h"
#include "net/timer.h"

enum {
    GATHER_BYTES = 16 * 1024,
    GATHER_MS = 1000,
    SLOW_MS = 1000,
};

struct access_log {
    struct loop *loop;
    struct log_sink *sink; // borrowed
    struct access_line line;
    struct buffer gathered;
    struct loop_task task;
    struct timer timer; // runs while something is gathered
};

static bool is_remarkable(const struct exchange *x);
static void on_turn_end(struct loop_task *task);
static void on_second(struct timer *timer);
static void hand_over(struct access_log *log);
static void on_timer_closed(struct timer *timer);

struct access_log *access_log_create(struct loop *loop, struct log_sink *sink) {
    struct access_log *log = alloc_new(struct access_log);
    log->loop = loop;
    log->sink = sink;
    log->task.run = on_turn_end;
    timer_init(&log->timer, loop, on_second);
    return log;
}

void access_log_configure(struct access_log *log, const struct access_log_options *options) {
    if (buffer_length(&log->gathered) > 0) {
        hand_over(log);
    }
    log->line.options = *options;
    log_sink_set_report(log->sink, options->format == ACCESS_LOG_JSON ? access_line_report_json
                                                                      : access_line_report_text);
}

void access_log_write(struct access_log *log, const struct exchange *x) {
    bool stands_for_itself = is_remarkable(x);
    if (x->story.is_left_out && !stands_for_itself) {
        return;
    }
    if (buffer_length(&log->gathered) == 0) {
        timer_start(&log->timer, GATHER_MS);
    }
    access_line_append(&log->line, x, stands_for_itself ? 1 : x->story.sample, &log->gathered);
    if (buffer_length(&log->gathered) >= GATHER_BYTES) {
        loop_defer(log->loop, &log->task);
    }
}

// It failed, or was slow: what people look for in a log.
static bool is_remarkable(const struct exchange *x) {
    return x->fault != FAULT_NONE || x->status >= 500 ||
           (x->head_ms > 0 && x->head_ms - x->started_ms >= SLOW_MS);
}

static void on_turn_end(struct loop_task *task) {
    hand_over(LIST_ENTRY(task, struct access_log, task));
}

static void on_second(struct timer *timer) {
    hand_over(LIST_ENTRY(timer, struct access_log, timer));
}

static void hand_over(struct access_log *log) {
    timer_stop(&log->timer);
    log_sink_write(log->sink, buffer_peek(&log->gathered)); // the sink counts what it drops
    buffer_finish(&log->gathered);
}

void access_log_destroy(struct access_log *log) {
    if (log == NULL) {
        return;
    }
    loop_cancel(&log->task);
    if (buffer_length(&log->gathered) > 0) {
        hand_over(log);
    }
    timer_close(&log->timer, on_timer_closed);
}

static void on_timer_closed(struct timer *timer) {
    free(LIST_ENTRY(timer, struct access_log, timer));
}
