// SPDX-License-Identifier: Apache-2.0
// Lines to files without ever blocking a worker. A sink owns a descriptor and a thread that writes;
// producers hand over whole batches under a short lock; when the bound is reached batches are
// dropped and counted, and the count is reported in front of the next lines that get through. The
// error log is one sink on stderr (1 MiB): `time level area id message key=value ...`, one event a
// line, or the same as JSON with the keys time, level, area, id and message. Any thread. See also:
// front/access_log.h.
#ifndef OUTRIDER_BASE_LOG_H
#define OUTRIDER_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

struct log_sink;

// take_fd is closed by destroy unless it is 0, 1 or 2; -1: lines are thrown away, uncounted.
// max_bytes: waiting bytes before dropping.
struct log_sink *log_sink_create(int take_fd, size_t max_bytes);
// What is not being written yet goes to another descriptor; the old one is closed as by destroy.
// With -1 it is closed once no line has come for two seconds, so that nobody's last ones are lost.
void log_sink_reopen(struct log_sink *sink, int take_fd);
// Writes what waits (at most 2 s), ends the thread. NULL is fine.
void log_sink_destroy(struct log_sink *sink);
// A batch of whole lines; false when it was dropped. Never blocks on the descriptor.
bool log_sink_write(struct log_sink *sink, struct slice lines);
uint64_t log_sink_dropped(const struct log_sink *sink); // lines
// How the count of dropped lines is written when the sink's format is not that of the error log:
// appends one line. Called under the sink's lock, so it may not log.
typedef void log_report_fn(struct buffer *out, uint64_t lines);
void log_sink_set_report(struct log_sink *sink, log_report_fn *report);

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

// The error log. Before log_start and after log_stop lines go straight to stderr.
void log_start(enum log_level level);
void log_stop(void);
void log_set_level(enum log_level level);
void log_set_format(enum log_format format); // text unless it is called
bool log_is_on(enum log_level level);
uint64_t log_dropped(void); // lines
// `area` is a module ("relay"); `id` the object ("c17/5", "o3") or "-". Control bytes in the text
// are escaped. Never with a path or query of a request: they are for the access log, which redacts.
void log_event(enum log_level level, const char *area, const char *id, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define log_error(area, id, ...) log_event(LOG_ERROR, area, id, __VA_ARGS__)
#define log_warn(area, id, ...) log_event(LOG_WARN, area, id, __VA_ARGS__)
#define log_info(area, id, ...) log_event(LOG_INFO, area, id, __VA_ARGS__)
#define log_debug(area, id, ...)                                                                   \
    (log_is_on(LOG_DEBUG) ? log_event(LOG_DEBUG, area, id, __VA_ARGS__) : (void)0)

#endif
