// SPDX-License-Identifier: Apache-2.0
#include "front/access_log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/ensure.h"
#include "net/timer.h"

enum {
    GATHER_BYTES = 16 * 1024,
    GATHER_MS = 1000,
    STAMP_BYTES = 32,
};

struct access_log {
    struct loop *loop;
    struct log_sink *sink; // borrowed
    enum access_log_format format;
    struct buffer gathered;
    struct loop_task task;
    int64_t stamp_s;         // for which `stamp` was written
    char stamp[STAMP_BYTES]; // without the milliseconds
    struct timer timer;      // runs while something is gathered
};

static void write_json(struct access_log *log, const struct exchange *x);
static void write_text(struct access_log *log, const struct exchange *x);
static void on_turn_end(struct loop_task *task);
static void on_second(struct timer *timer);
static void hand_over(struct access_log *log);
static void on_timer_closed(struct timer *timer);
static void report_dropped_json(struct buffer *out, uint64_t lines);
static void json_slice(struct buffer *out, struct slice key, struct slice value);
static void json_number(struct buffer *out, struct slice key, uint64_t value);
static void json_bool(struct buffer *out, struct slice key, bool value);
static void json_counts(struct buffer *out, struct slice key, struct slice counts);
static void json_string(struct buffer *out, struct slice bytes);
static void text_string(struct buffer *out, struct slice bytes);
static size_t utf8_length(struct slice bytes);
static void append_text(struct buffer *out, const char *text);
static void append_format(struct buffer *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void append_number(struct buffer *out, uint64_t number);
static void append_stamp(struct buffer *out, struct access_log *log, int64_t wall_ms);
static void write_seconds(char stamp[STAMP_BYTES], int64_t wall_s);
static void append_millis(struct buffer *out, int64_t wall_ms);
static uint64_t duration_ms(const struct exchange *x);

struct access_log *access_log_create(struct loop *loop, struct log_sink *sink,
                                     enum access_log_format format) {
    struct access_log *log = alloc_new(struct access_log);
    log->loop = loop;
    log->sink = sink;
    log->format = format;
    log->task.run = on_turn_end;
    timer_init(&log->timer, loop, on_second);
    if (format == ACCESS_LOG_JSON) {
        log_sink_set_report(sink, report_dropped_json);
    }
    return log;
}

void access_log_write(struct access_log *log, const struct exchange *x) {
    if (buffer_length(&log->gathered) == 0) {
        timer_start(&log->timer, GATHER_MS);
    }
    switch (log->format) {
    case ACCESS_LOG_JSON:
        write_json(log, x);
        break;
    case ACCESS_LOG_TEXT:
        write_text(log, x);
        break;
    }
    if (buffer_length(&log->gathered) >= GATHER_BYTES) {
        loop_defer(log->loop, &log->task);
    }
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

// --- JSON ---------------------------------------------------------------------------------------

static void write_json(struct access_log *log, const struct exchange *x) {
    struct buffer *out = &log->gathered;
    append_text(out, "{\"time\":\"");
    append_stamp(out, log, x->clock->wall_ms);
    append_text(out, "\"");
    json_slice(out, SLICE(",\"client\":"), x->client->address);
    append_text(out, ",\"conn\":\"c");
    append_number(out, x->client->id);
    append_text(out, "\"");
    json_number(out, SLICE(",\"stream\":"), x->stream_id);
    json_slice(out, SLICE(",\"protocol\":"), slice_of_text(protocol_name(x->client->protocol)));
    json_bool(out, SLICE(",\"tls\":"), x->client->is_tls);
    json_slice(out, SLICE(",\"method\":"), x->request.method);
    json_slice(out, SLICE(",\"authority\":"), x->request.authority);
    json_slice(out, SLICE(",\"path\":"), x->request.path);
    json_number(out, SLICE(",\"status\":"), (uint64_t)x->status);
    json_number(out, SLICE(",\"request_bytes\":"), x->request_bytes);
    json_number(out, SLICE(",\"response_bytes\":"), x->response_bytes);
    json_number(out, SLICE(",\"duration_ms\":"), duration_ms(x));
    json_number(out, SLICE(",\"origin_ms\":"), x->story.origin_head_ms);
    json_slice(out, SLICE(",\"origin\":"), x->story.origin);
    json_bool(out, SLICE(",\"reused\":"), x->story.origin_reused);
    json_bool(out, SLICE(",\"retried\":"), x->story.is_retried);
    if (x->is_promised) {
        json_slice(out, SLICE(",\"page\":"), x->page_path);
    }
    json_number(out, SLICE(",\"promised\":"), x->story.promised);
    json_number(out, SLICE(",\"hinted\":"), x->story.hinted);
    json_counts(out, SLICE(",\"skipped\":"), x->story.skipped);
    if (x->fault != FAULT_NONE) {
        json_slice(out, SLICE(",\"fault\":"), slice_of_text(fault_name(x->fault)));
    }
    append_text(out, "}\n");
}

static void report_dropped_json(struct buffer *out, uint64_t lines) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char stamp[STAMP_BYTES];
    write_seconds(stamp, now.tv_sec);
    append_format(out, "{\"time\":\"%s", stamp);
    append_millis(out, now.tv_nsec / 1000000);
    append_format(out, "\",\"dropped\":%" PRIu64 "}\n", lines);
}

static void json_slice(struct buffer *out, struct slice key, struct slice value) {
    buffer_append_slice(out, key);
    json_string(out, value);
}

static void json_number(struct buffer *out, struct slice key, uint64_t value) {
    buffer_append_slice(out, key);
    append_number(out, value);
}

static void json_bool(struct buffer *out, struct slice key, bool value) {
    buffer_append_slice(out, key);
    buffer_append_slice(out, value ? SLICE("true") : SLICE("false"));
}

// "nopush:1,already:3" to {"nopush":1,"already":3}
static void json_counts(struct buffer *out, struct slice key, struct slice counts) {
    buffer_append_slice(out, key);
    append_text(out, "{");
    const char *comma = "";
    struct slice element;
    while (slice_next_element(&counts, &element)) {
        size_t colon = slice_find(element, ':');
        uint64_t number = 0;
        for (size_t i = colon + 1; i < element.length; i++) {
            ensure(element.data[i] >= '0' && element.data[i] <= '9'); // our own text
            number = number * 10 + (uint64_t)(element.data[i] - '0');
        }
        append_text(out, comma);
        json_string(out, slice_first(element, colon));
        append_text(out, ":");
        append_number(out, number);
        comma = ",";
    }
    append_text(out, "}");
}

static void json_string(struct buffer *out, struct slice bytes) {
    append_text(out, "\"");
    while (bytes.length > 0) {
        size_t plain = 0; // the long runs of ordinary bytes go in one piece
        while (plain < bytes.length && bytes.data[plain] >= ' ' && bytes.data[plain] < 0x7f &&
               bytes.data[plain] != '"' && bytes.data[plain] != '\\') {
            plain++;
        }
        buffer_append(out, bytes.data, plain);
        bytes = slice_skip(bytes, plain);
        if (bytes.length == 0) {
            break;
        }
        unsigned char byte = (unsigned char)bytes.data[0];
        size_t length = utf8_length(bytes);
        if (byte == '"' || byte == '\\') {
            append_format(out, "\\%c", byte);
        } else if (length == 0) {
            append_text(out, "\\ufffd");
        } else if (length == 1) {
            append_format(out, "\\u%04x", byte);
        } else {
            buffer_append(out, bytes.data, length);
        }
        bytes = slice_skip(bytes, length > 0 ? length : 1);
    }
    append_text(out, "\"");
}

// Bytes of the UTF-8 character in front (RFC 3629), 0 when there is none.
static size_t utf8_length(struct slice bytes) {
    const unsigned char *at = (const unsigned char *)bytes.data;
    unsigned char first = at[0];
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (length == 0 || first > 0xf4 || bytes.length < length) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool is_overlong = (first == 0xe0 && at[1] < 0xa0) || (first == 0xf0 && at[1] < 0x90);
    bool is_surrogate = first == 0xed && at[1] >= 0xa0;
    bool is_too_large = first == 0xf4 && at[1] >= 0x90;
    bool is_control = first == 0xc2 && at[1] < 0xa0; // C1: some terminals obey it
    return is_overlong || is_surrogate || is_too_large || is_control ? 0 : length;
}

// --- text ---------------------------------------------------------------------------------------

static void write_text(struct access_log *log, const struct exchange *x) {
    const struct exchange_story *story = &x->story;
    struct buffer *out = &log->gathered;
    append_stamp(out, log, x->clock->wall_ms);
    append_format(out, " c%" PRIu64 "/%" PRIu32 " ", x->client->id, x->stream_id);
    text_string(out, x->client->address);
    append_format(out, " %s%s ", protocol_name(x->client->protocol),
                  x->client->is_tls ? "+tls" : "");
    append_text(out, "\"");
    text_string(out, x->request.method);
    append_text(out, " ");
    text_string(out, x->request.authority);
    text_string(out, x->request.path);
    append_format(out, "\" %d in=%" PRIu64 " out=%" PRIu64 " ms=%" PRIu64, x->status,
                  x->request_bytes, x->response_bytes, duration_ms(x));
    if (story->origin.length > 0) {
        append_text(out, " origin=");
        text_string(out, story->origin);
        append_format(out, " origin_ms=%" PRIu64 "%s%s", story->origin_head_ms,
                      story->origin_reused ? " reused" : "", story->is_retried ? " retried" : "");
    }
    if (x->is_promised) {
        append_text(out, " page=");
        text_string(out, x->page_path);
    }
    if (story->promised > 0) {
        append_format(out, " promised=%u", story->promised);
    }
    if (story->hinted > 0) {
        append_format(out, " hinted=%u", story->hinted);
    }
    if (story->skipped.length > 0) {
        append_text(out, " skipped=");
        text_string(out, story->skipped);
    }
    if (x->fault != FAULT_NONE) {
        append_format(out, " fault=%s", fault_name(x->fault));
    }
    append_text(out, "\n");
}

// Only printable ASCII as it is; quotes too are escaped, so that the fields can be told apart.
static void text_string(struct buffer *out, struct slice bytes) {
    for (size_t i = 0; i < bytes.length; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        if (byte > ' ' && byte < 0x7f && byte != '"' && byte != '\\') {
            buffer_append(out, &bytes.data[i], 1);
        } else {
            append_format(out, "\\x%02x", byte);
        }
    }
}

// --- helpers ------------------------------------------------------------------------------------

static void append_text(struct buffer *out, const char *text) {
    buffer_append_slice(out, slice_of_text(text));
}

// For short things only: peers' bytes never come this way.
static void append_format(struct buffer *out, const char *format, ...) {
    char text[128];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ensure(length >= 0 && (size_t)length < sizeof(text));
    buffer_append(out, text, (size_t)length);
}

// Digits by hand: printf would cost more than all the rest of a line.
static void append_number(struct buffer *out, uint64_t number) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buffer_append(out, digits + at, sizeof(digits) - at);
}

// "2026-11-20T17:05:09.012Z"
static void append_stamp(struct buffer *out, struct access_log *log, int64_t wall_ms) {
    if (log->stamp_s != wall_ms / 1000 || log->stamp[0] == '\0') {
        log->stamp_s = wall_ms / 1000;
        write_seconds(log->stamp, log->stamp_s);
    }
    append_text(out, log->stamp);
    append_millis(out, wall_ms);
}

static void write_seconds(char stamp[STAMP_BYTES], int64_t wall_s) {
    time_t seconds = (time_t)wall_s;
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(stamp, STAMP_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
}

static void append_millis(struct buffer *out, int64_t wall_ms) {
    unsigned millis = (unsigned)(wall_ms % 1000);
    char text[5] = {'.', (char)('0' + millis / 100), (char)('0' + millis / 10 % 10),
                    (char)('0' + millis % 10), 'Z'};
    buffer_append(out, text, sizeof(text));
}

static uint64_t duration_ms(const struct exchange *x) {
    return exchange_now(x) - x->started_ms;
}
