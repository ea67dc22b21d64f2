// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <errno.h>
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

enum {
    LINE_BYTES = 4096,         // of the error log, before escaping
    ERROR_LOG_BYTES = 1 << 20, // waiting at most
    FINISH_SECONDS = 2,
};

struct log_sink {
    int fd;
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
};

static void *run(void *argument);
static bool take_batch(struct log_sink *sink);
static void write_batch(struct log_sink *sink);
static bool write_some(int fd, struct buffer *bytes);
static void add_report(struct log_sink *sink);
static void report_as_text(struct buffer *out, uint64_t lines);
static uint64_t count_lines(struct slice lines);
static void write_line(struct slice line);
static size_t begin_line(char *line, size_t size, enum log_level level);
static size_t escape(char *out, struct slice text);

static _Atomic(struct log_sink *) error_log;
static atomic_int current_level = LOG_INFO;

// --- a sink -------------------------------------------------------------------------------------

struct log_sink *log_sink_create(int take_fd, size_t max_bytes) {
    struct log_sink *sink = alloc_new(struct log_sink);
    sink->fd = take_fd;
    sink->max_bytes = max_bytes;
    sink->report = report_as_text;
    pthread_mutex_init(&sink->lock, NULL);
    pthread_cond_init(&sink->wake, NULL);
    // Signals are for the main thread; a broken pipe is then only an error of write().
    sigset_t all, before;
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

bool log_sink_write(struct log_sink *sink, struct slice lines) {
    pthread_mutex_lock(&sink->lock);
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
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += FINISH_SECONDS;
    if (pthread_timedjoin_np(sink->thread, NULL, &deadline) != 0) {
        pthread_cancel(sink->thread); // it waits for a reader that does not read
        pthread_join(sink->thread, NULL);
    }
    if (sink->fd > STDERR_FILENO) {
        close(sink->fd);
    }
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

// Waits for lines; false when the sink ends and nothing is left.
static bool take_batch(struct log_sink *sink) {
    pthread_mutex_lock(&sink->lock);
    sink->writing_bytes = 0;
    while (buffer_length(&sink->waiting) == 0 && !sink->is_ending) {
        pthread_cond_wait(&sink->wake, &sink->lock);
    }
    buffer_move(&sink->writing, &sink->waiting);
    sink->writing_bytes = buffer_length(&sink->writing);
    pthread_mutex_unlock(&sink->lock);
    return buffer_length(&sink->writing) > 0;
}

static void write_batch(struct log_sink *sink) {
    while (buffer_length(&sink->writing) > 0) {
        if (write_some(sink->fd, &sink->writing)) {
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
static bool write_some(int fd, struct buffer *bytes) {
    struct slice rest = buffer_peek(bytes);
    ssize_t written = write(fd, rest.data, rest.length);
    if (written >= 0) {
        buffer_consume(bytes, (size_t)written);
        return true;
    }
    if (errno == EAGAIN) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
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

static void report_as_text(struct buffer *out, uint64_t lines) {
    char line[160];
    size_t length = begin_line(line, sizeof(line), LOG_WARN);
    int more = snprintf(line + length, sizeof(line) - length, "log - lines dropped count=%llu\n",
                        (unsigned long long)lines);
    ensure(more > 0 && (size_t)more < sizeof(line) - length);
    buffer_append(out, line, length + (size_t)more);
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

bool log_is_on(enum log_level level) {
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

void log_event(enum log_level level, const char *area, const char *id, const char *format, ...) {
    if (!log_is_on(level)) {
        return;
    }
    char text[LINE_BYTES];
    int head = snprintf(text, sizeof(text), "%s %s ", area, id);
    size_t length = head < 0 ? 0 : (size_t)head;
    length = length < sizeof(text) ? length : sizeof(text) - 1;
    va_list arguments;
    va_start(arguments, format);
    int rest = vsnprintf(text + length, sizeof(text) - length, format, arguments);
    va_end(arguments);
    length += rest < 0 ? 0 : (size_t)rest;
    length = length < sizeof(text) ? length : sizeof(text) - 1;

    char line[64 + 4 * LINE_BYTES];
    size_t end = begin_line(line, sizeof(line), level);
    end += escape(line + end, slice_of(text, length));
    line[end++] = '\n';
    write_line(slice_of(line, end));
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

// "2026-11-20T17:05:09.012Z info "
static size_t begin_line(char *line, size_t size, enum log_level level) {
    static const char names[][6] = {"error", "warn", "info", "debug"};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm tm;
    gmtime_r(&now.tv_sec, &tm);
    size_t length = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &tm);
    int more = snprintf(line + length, size - length, ".%03uZ %s ",
                        (unsigned)(now.tv_nsec / 1000000) % 1000, names[level]);
    ensure(length > 0 && more > 0);
    return length + (size_t)more;
}

// Only printable ASCII leaves as it is, so that no peer can forge a line or speak to a terminal.
static size_t escape(char *out, struct slice text) {
    static const char digits[] = "0123456789abcdef";
    size_t end = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte >= ' ' && byte <= '~' && byte != '\\') {
            out[end++] = (char)byte;
            continue;
        }
        out[end++] = '\\';
        if (byte == '\\') {
            out[end++] = '\\';
            continue;
        }
        out[end++] = 'x';
        out[end++] = digits[byte >> 4];
        out[end++] = digits[byte & 15];
    }
    return end;
}
