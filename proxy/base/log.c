// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/ensure.h"
#include "base/json.h"

enum {
    NO_FD = -1,
    TEXT_BYTES = 4096,         // of an event, before escaping
    ERROR_LOG_BYTES = 1 << 20, // waiting at most
    FINISH_SECONDS = 2,
    LINGER_SECONDS = 2,
};

// For what may be on the stack of a thread that is cancelled: AddressSanitizer takes what it left
// there for variables still in use.
#define UNCHECKED __attribute__((no_sanitize_address))

struct log_sink {
    int fd;      // NO_FD: lines are thrown away
    int next_fd; // takes the place of fd between two batches
    bool has_next;
    size_t max_bytes;
    pthread_t thread;
    pthread_mutex_t lock; // never held while writing to fd
    pthread_cond_t wake;
    struct buffer waiting;
    size_t writing_bytes; // taken by the thread, not written yet
    bool is_ending;
    uint64_t unreported; // lines dropped since the last report
    log_report_fn *report;
    atomic_uint_fast64_t dropped;
    struct buffer writing; // the thread's own
    char last_byte;        // likewise: written last, a line feed unless a line was torn
};

static void *run(void *argument) UNCHECKED;
static bool take_batch(struct log_sink *sink);
static bool wait_for_news(struct log_sink *sink);
static void switch_fd(struct log_sink *sink);
static void close_fd(int fd);
static void write_batch(struct log_sink *sink) UNCHECKED;
static bool write_some(struct log_sink *sink) UNCHECKED;
static void add_report(struct log_sink *sink);
static struct timespec after(int seconds);
static void report_as_event(struct buffer *out, uint64_t lines);
static uint64_t count_lines(struct slice lines);
static void write_line(struct slice line);
static void append_event(struct buffer *out, enum log_level level, const char *area, const char *id,
                         struct slice message);
static void append_text_event(struct buffer *out, enum log_level level, const char *area,
                              const char *id, struct slice message);
static void append_json_event(struct buffer *out, enum log_level level, const char *area,
                              const char *id, struct slice message);
static void append_stamp(struct buffer *out);
static void append_escaped(struct buffer *out, struct slice text);

static const char level_names[][6] = {"error", "warn", "info", "debug"};
static _Atomic(struct log_sink *) error_log;
static atomic_int current_level = LOG_INFO;
static atomic_int current_format = LOG_TEXT;

// --- a sink -------------------------------------------------------------------------------------

struct log_sink *log_sink_create(int take_fd, size_t max_bytes) {
    struct log_sink *sink = alloc_new(struct log_sink);
    sink->fd = take_fd;
    sink->max_bytes = max_bytes;
    sink->report = report_as_event;
    sink->last_byte = '\n';
    pthread_mutex_init(&sink->lock, NULL);
    pthread_cond_init(&sink->wake, NULL);
    // Signals are for the main thread; a broken pipe is then only an error of write().
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&sink->thread, NULL, run, sink);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        alloc_fail(0);
    }
    return sink;
}

void log_sink_set_report(struct log_sink *sink, log_report_fn *report) {
    pthread_mutex_lock(&sink->lock);
    sink->report = report;
    pthread_mutex_unlock(&sink->lock);
}

void log_sink_reopen(struct log_sink *sink, int take_fd) {
    pthread_mutex_lock(&sink->lock);
    int unused_fd = sink->has_next ? sink->next_fd : NO_FD;
    sink->next_fd = take_fd;
    sink->has_next = take_fd >= 0 || sink->fd >= 0;
    pthread_cond_signal(&sink->wake);
    pthread_mutex_unlock(&sink->lock);
    close_fd(unused_fd);
}

bool log_sink_write(struct log_sink *sink, struct slice lines) {
    pthread_mutex_lock(&sink->lock);
    if (sink->fd < 0 && !sink->has_next) {
        pthread_mutex_unlock(&sink->lock);
        return true;
    }
    size_t held = sink->writing_bytes + buffer_length(&sink->waiting);
    bool fits = lines.length <= sink->max_bytes && held <= sink->max_bytes - lines.length;
    if (fits) {
        add_report(sink);
        buffer_append_slice(&sink->waiting, lines);
        pthread_cond_signal(&sink->wake);
    } else {
        uint64_t count = count_lines(lines);
        sink->unreported += count;
        atomic_fetch_add_explicit(&sink->dropped, count, memory_order_relaxed);
    }
    pthread_mutex_unlock(&sink->lock);
    return fits;
}

uint64_t log_sink_dropped(const struct log_sink *sink) {
    return atomic_load_explicit(&sink->dropped, memory_order_relaxed);
}

void log_sink_destroy(struct log_sink *sink) {
    if (sink == NULL) {
        return;
    }
    pthread_mutex_lock(&sink->lock);
    add_report(sink);
    sink->is_ending = true;
    pthread_cond_signal(&sink->wake);
    pthread_mutex_unlock(&sink->lock);
    struct timespec deadline = after(FINISH_SECONDS);
    if (pthread_timedjoin_np(sink->thread, NULL, &deadline) != 0) {
        pthread_cancel(sink->thread); // it waits for a reader that does not read
        pthread_join(sink->thread, NULL);
    }
    close_fd(sink->fd);
    close_fd(sink->has_next ? sink->next_fd : NO_FD);
    buffer_finish(&sink->waiting);
    buffer_finish(&sink->writing);
    pthread_cond_destroy(&sink->wake);
    pthread_mutex_destroy(&sink->lock);
    free(sink);
}

// --- the sink's thread --------------------------------------------------------------------------

static void *run(void *argument) {
    struct log_sink *sink = argument;
    // May only be cancelled where it holds neither the lock nor memory of its own: in write_batch.
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    while (take_batch(sink)) {
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
        write_batch(sink);
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    }
    return NULL;
}

// Waits for lines; false when the sink ends and nothing is left. Batches are whole lines, so that
// another descriptor in between tears none.
static bool take_batch(struct log_sink *sink) {
    bool is_quiet = false;
    pthread_mutex_lock(&sink->lock);
    sink->writing_bytes = 0;
    for (;;) {
        if (sink->has_next && (sink->next_fd >= 0 || is_quiet)) {
            switch_fd(sink);
        }
        if (buffer_length(&sink->waiting) > 0 || sink->is_ending) {
            break;
        }
        is_quiet = !wait_for_news(sink);
    }
    if (sink->last_byte != '\n' && buffer_length(&sink->waiting) > 0) {
        buffer_append(&sink->writing, "\n", 1); // the rest of a torn line was given up
    }
    buffer_move(&sink->writing, &sink->waiting);
    sink->writing_bytes = buffer_length(&sink->writing);
    pthread_mutex_unlock(&sink->lock);
    return buffer_length(&sink->writing) > 0;
}

// False when none came, where only the producers' last lines are still waited for.
static bool wait_for_news(struct log_sink *sink) {
    if (!sink->has_next) {
        pthread_cond_wait(&sink->wake, &sink->lock);
        return true;
    }
    struct timespec deadline = after(LINGER_SECONDS);
    return pthread_cond_timedwait(&sink->wake, &sink->lock, &deadline) != ETIMEDOUT;
}

// Called with the lock held, which is let go while a file system takes its time.
static void switch_fd(struct log_sink *sink) {
    int old_fd = sink->fd;
    sink->fd = sink->next_fd;
    sink->has_next = false;
    sink->last_byte = '\n';
    pthread_mutex_unlock(&sink->lock);
    close_fd(old_fd);
    pthread_mutex_lock(&sink->lock);
}

static void close_fd(int fd) {
    if (fd > STDERR_FILENO) {
        close(fd);
    }
}

static void write_batch(struct log_sink *sink) {
    while (buffer_length(&sink->writing) > 0) {
        if (write_some(sink)) {
            continue;
        }
        // No reader, or no space: the lines are lost, and going on may help the next ones.
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
        uint64_t count = count_lines(buffer_peek(&sink->writing));
        buffer_finish(&sink->writing);
        atomic_fetch_add_explicit(&sink->dropped, count, memory_order_relaxed);
        pthread_mutex_lock(&sink->lock);
        sink->unreported += count;
        pthread_mutex_unlock(&sink->lock);
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    }
}

// The descriptor is usually blocking: it is shared with other processes, whose mode it is too.
static bool write_some(struct log_sink *sink) {
    struct slice rest = buffer_peek(&sink->writing);
    ssize_t written = write(sink->fd, rest.data, rest.length);
    if (written > 0) {
        sink->last_byte = rest.data[written - 1];
        buffer_consume(&sink->writing, (size_t)written);
    }
    if (written >= 0) {
        return true;
    }
    if (errno == EAGAIN) {
        struct pollfd poll_fd = {.fd = sink->fd, .events = POLLOUT};
        poll(&poll_fd, 1, -1);
        return true;
    }
    return errno == EINTR;
}

// Called with the lock held.
static void add_report(struct log_sink *sink) {
    if (sink->unreported > 0) {
        sink->report(&sink->waiting, sink->unreported);
        sink->unreported = 0;
    }
}

static struct timespec after(int seconds) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_sec += seconds;
    return time;
}

static void report_as_event(struct buffer *out, uint64_t lines) {
    char text[64];
    int length = snprintf(text, sizeof(text), "lines dropped count=%" PRIu64, lines);
    append_event(out, LOG_WARN, "log", "-", slice_of(text, (size_t)length));
}

static uint64_t count_lines(struct slice lines) {
    uint64_t count = 0;
    while (lines.length > 0) {
        count++;
        lines = slice_skip(lines, slice_find(lines, '\n') + 1);
    }
    return count;
}

// --- the error log ------------------------------------------------------------------------------

void log_start(enum log_level level) {
    ensure(atomic_load(&error_log) == NULL);
    log_set_level(level);
    atomic_store(&error_log, log_sink_create(STDERR_FILENO, ERROR_LOG_BYTES));
}

void log_stop(void) {
    log_sink_destroy(atomic_exchange(&error_log, NULL));
}

void log_set_level(enum log_level level) {
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

void log_set_format(enum log_format format) {
    atomic_store_explicit(&current_format, (int)format, memory_order_relaxed);
}

bool log_is_on(enum log_level level) {
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

uint64_t log_dropped(void) {
    const struct log_sink *sink = atomic_load(&error_log);
    return sink != NULL ? log_sink_dropped(sink) : 0;
}

void log_event(enum log_level level, const char *area, const char *id, const char *format, ...) {
    if (!log_is_on(level)) {
        return;
    }
    char text[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int got = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    size_t length = got < 0 ? 0 : (size_t)got;
    length = length < sizeof(text) ? length : sizeof(text) - 1;
    struct buffer line = {0};
    append_event(&line, level, area, id, slice_of(text, length));
    write_line(buffer_peek(&line));
    buffer_finish(&line);
}

static void write_line(struct slice line) {
    struct log_sink *sink = atomic_load(&error_log);
    if (sink != NULL) {
        log_sink_write(sink, line);
        return;
    }
    ssize_t written = write(STDERR_FILENO, line.data, line.length);
    (void)written; // nobody is left to tell
}

static void append_event(struct buffer *out, enum log_level level, const char *area, const char *id,
                         struct slice message) {
    switch ((enum log_format)atomic_load_explicit(&current_format, memory_order_relaxed)) {
    case LOG_TEXT:
        append_text_event(out, level, area, id, message);
        break;
    case LOG_JSON:
        append_json_event(out, level, area, id, message);
        break;
    }
}

static void append_text_event(struct buffer *out, enum log_level level, const char *area,
                              const char *id, struct slice message) {
    const struct slice parts[] = {slice_of_text(level_names[level]), slice_of_text(area),
                                  slice_of_text(id), message};
    append_stamp(out);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        buffer_append(out, " ", 1);
        append_escaped(out, parts[i]);
    }
    buffer_append(out, "\n", 1);
}

static void append_json_event(struct buffer *out, enum log_level level, const char *area,
                              const char *id, struct slice message) {
    buffer_append_slice(out, SLICE("{\"time\":\""));
    append_stamp(out);
    buffer_append_slice(out, SLICE("\",\"level\":"));
    json_append_text(out, slice_of_text(level_names[level]));
    buffer_append_slice(out, SLICE(",\"area\":"));
    json_append_text(out, slice_of_text(area));
    buffer_append_slice(out, SLICE(",\"id\":"));
    json_append_text(out, slice_of_text(id));
    buffer_append_slice(out, SLICE(",\"message\":"));
    json_append_text(out, message);
    buffer_append_slice(out, SLICE("}\n"));
}

// "2026-11-20T17:05:09.012Z"
static void append_stamp(struct buffer *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm tm;
    gmtime_r(&now.tv_sec, &tm);
    char text[64];
    size_t length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    int more = snprintf(text + length, sizeof(text) - length, ".%03uZ",
                        (unsigned)(now.tv_nsec / 1000000) % 1000);
    ensure(length > 0 && more > 0);
    buffer_append(out, text, length + (size_t)more);
}

// Only printable ASCII leaves as it is, so that no peer can forge a line or speak to a terminal.
static void append_escaped(struct buffer *out, struct slice text) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte >= ' ' && byte <= '~' && byte != '\\') {
            buffer_append(out, &text.data[i], 1);
        } else if (byte == '\\') {
            buffer_append_slice(out, SLICE("\\\\"));
        } else {
            const char escaped[4] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
            buffer_append(out, escaped, sizeof(escaped));
        }
    }
}
