// SPDX-License-Identifier: Apache-2.0
#include "access_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "access_redact.h"
#include "base/ensure.h"
#include "base/json.h"

static void append_json(struct access_line *line, const struct exchange *x, unsigned sample,
                        struct buffer *out);
static void append_json_request(struct access_line *line, const struct exchange *x,
                                struct buffer *out);
static void append_json_story(struct access_line *line, const struct exchange *x, unsigned sample,
                              struct buffer *out);
static void append_json_fields(const struct access_log_options *options, const struct exchange *x,
                               struct buffer *scratch, struct buffer *out);
static void json_slice(struct buffer *out, struct slice key, struct slice value);
static void json_number(struct buffer *out, struct slice key, uint64_t value);
static void json_bool(struct buffer *out, struct slice key, bool value);
static void json_counts(struct buffer *out, struct slice key, struct slice counts);
static void append_text_line(struct access_line *line, const struct exchange *x, unsigned sample,
                             struct buffer *out);
static void append_text_request(struct access_line *line, const struct exchange *x,
                                struct buffer *out);
static void append_text_story(struct access_line *line, const struct exchange *x, unsigned sample,
                              struct buffer *out);
static void append_text_fields(const struct access_log_options *options, const struct exchange *x,
                               struct buffer *scratch, struct buffer *out);
static void text_slice(struct buffer *out, struct slice key, struct slice value);
static void text_string(struct buffer *out, struct slice bytes, bool has_blanks);
static void append_text(struct buffer *out, const char *text);
static void append_format(struct buffer *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void append_stamp(struct buffer *out, struct access_line *line, int64_t wall_ms);
static void append_stamp_of_now(struct buffer *out);
static void write_seconds(char stamp[ACCESS_LINE_STAMP_BYTES], int64_t wall_s);
static void append_millis(struct buffer *out, int64_t wall_ms);
static uint64_t duration_ms(const struct exchange *x);

void access_line_append(struct access_line *line, const struct exchange *x, unsigned sample,
                        struct buffer *out) {
    switch (line->options.format) {
    case ACCESS_LOG_JSON:
        append_json(line, x, sample, out);
        break;
    case ACCESS_LOG_TEXT:
        append_text_line(line, x, sample, out);
        break;
    }
}

// --- JSON ---------------------------------------------------------------------------------------

static void append_json(struct access_line *line, const struct exchange *x, unsigned sample,
                        struct buffer *out) {
    append_text(out, "{\"time\":\"");
    append_stamp(out, line, x->clock->wall_ms);
    append_text(out, "\"");
    append_json_request(line, x, out);
    json_number(out, SLICE(",\"status\":"), (uint64_t)x->status);
    json_number(out, SLICE(",\"request_bytes\":"), x->request_bytes);
    json_number(out, SLICE(",\"response_bytes\":"), x->response_bytes);
    json_number(out, SLICE(",\"duration_ms\":"), duration_ms(x));
    json_number(out, SLICE(",\"origin_ms\":"), x->story.origin_head_ms);
    json_slice(out, SLICE(",\"origin\":"), x->story.origin);
    json_bool(out, SLICE(",\"reused\":"), x->story.origin_reused);
    json_bool(out, SLICE(",\"retried\":"), x->story.is_retried);
    append_json_story(line, x, sample, out);
    append_text(out, "}\n");
}

static void append_json_request(struct access_line *line, const struct exchange *x,
                                struct buffer *out) {
    unsigned redact = line->options.redact;
    struct buffer scratch = {0};
    json_slice(out, SLICE(",\"client\":"),
               access_redact_client(redact, x->client->address, &scratch));
    append_text(out, ",\"conn\":\"c");
    json_append_number(out, x->client->id);
    append_text(out, "\"");
    json_number(out, SLICE(",\"stream\":"), x->stream_id);
    json_slice(out, SLICE(",\"protocol\":"), slice_of_text(protocol_name(x->client->protocol)));
    json_bool(out, SLICE(",\"tls\":"), x->client->is_tls);
    json_slice(out, SLICE(",\"method\":"), x->request.method);
    json_slice(out, SLICE(",\"authority\":"),
               access_redact_authority(redact, x->request.authority));
    json_slice(out, SLICE(",\"path\":"), access_redact_path(redact, x->request.path, &scratch));
    buffer_finish(&scratch);
}

static void append_json_story(struct access_line *line, const struct exchange *x, unsigned sample,
                              struct buffer *out) {
    const struct access_log_options *options = &line->options;
    struct buffer scratch = {0};
    if (x->request_id.value.length > 0) {
        json_slice(out, SLICE(",\"request\":"), x->request_id.value);
    }
    if (x->story.trace_id.length > 0) {
        json_slice(out, SLICE(",\"trace\":"), x->story.trace_id);
    }
    if (x->is_promised) {
        json_slice(out, SLICE(",\"page\":"),
                   access_redact_path(options->redact, x->page_path, &scratch));
    }
    json_number(out, SLICE(",\"promised\":"), x->story.promised);
    json_number(out, SLICE(",\"hinted\":"), x->story.hinted);
    json_counts(out, SLICE(",\"skipped\":"), x->story.skipped);
    if (options->field_count > 0) {
        append_json_fields(options, x, &scratch, out);
    }
    if (sample > 1) {
        json_number(out, SLICE(",\"sample\":"), sample);
    }
    if (x->fault != FAULT_NONE) {
        json_slice(out, SLICE(",\"fault\":"), slice_of_text(fault_name(x->fault)));
    }
    buffer_finish(&scratch);
}

static void append_json_fields(const struct access_log_options *options, const struct exchange *x,
                               struct buffer *scratch, struct buffer *out) {
    const char *comma = "";
    append_text(out, ",\"fields\":{");
    struct slice value;
    for (size_t i = 0; i < options->field_count; i++) {
        struct slice name = slice_of_text(options->fields[i]);
        if (access_redact_field(options->redact, &x->request.headers, name, scratch, &value)) {
            append_text(out, comma);
            json_append_text(out, name);
            append_text(out, ":");
            json_append_text(out, value);
            comma = ",";
        }
    }
    append_text(out, "}");
}

void access_line_report_json(struct buffer *out, uint64_t lines) {
    append_text(out, "{\"time\":\"");
    append_stamp_of_now(out);
    json_number(out, SLICE("\",\"dropped\":"), lines);
    append_text(out, "}\n");
}

static void json_slice(struct buffer *out, struct slice key, struct slice value) {
    buffer_append_slice(out, key);
    json_append_text(out, value);
}

static void json_number(struct buffer *out, struct slice key, uint64_t value) {
    buffer_append_slice(out, key);
    json_append_number(out, value);
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
        json_append_text(out, slice_first(element, colon));
        append_text(out, ":");
        json_append_number(out, number);
        comma = ",";
    }
    append_text(out, "}");
}

// --- text ---------------------------------------------------------------------------------------

static void append_text_line(struct access_line *line, const struct exchange *x, unsigned sample,
                             struct buffer *out) {
    append_stamp(out, line, x->clock->wall_ms);
    append_text_request(line, x, out);
    append_format(out, " %d in=%" PRIu64 " out=%" PRIu64 " ms=%" PRIu64, x->status,
                  x->request_bytes, x->response_bytes, duration_ms(x));
    append_text_story(line, x, sample, out);
    append_text(out, "\n");
}

static void append_text_request(struct access_line *line, const struct exchange *x,
                                struct buffer *out) {
    unsigned redact = line->options.redact;
    struct buffer scratch = {0};
    append_format(out, " c%" PRIu64 "/%" PRIu32 " ", x->client->id, x->stream_id);
    text_string(out, access_redact_client(redact, x->client->address, &scratch), false);
    append_format(out, " %s%s \"", protocol_name(x->client->protocol),
                  x->client->is_tls ? "+tls" : "");
    text_string(out, x->request.method, false);
    append_text(out, " ");
    text_string(out, access_redact_authority(redact, x->request.authority), false);
    text_string(out, access_redact_path(redact, x->request.path, &scratch), false);
    append_text(out, "\"");
    buffer_finish(&scratch);
}

static void append_text_story(struct access_line *line, const struct exchange *x, unsigned sample,
                              struct buffer *out) {
    const struct access_log_options *options = &line->options;
    const struct exchange_story *story = &x->story;
    struct buffer scratch = {0};
    if (story->origin.length > 0) {
        text_slice(out, SLICE(" origin="), story->origin);
        append_format(out, " origin_ms=%" PRIu64 "%s%s", story->origin_head_ms,
                      story->origin_reused ? " reused" : "", story->is_retried ? " retried" : "");
    }
    text_slice(out, SLICE(" request="), x->request_id.value);
    text_slice(out, SLICE(" trace="), story->trace_id);
    if (x->is_promised) {
        text_slice(out, SLICE(" page="),
                   access_redact_path(options->redact, x->page_path, &scratch));
    }
    if (story->promised > 0) {
        append_format(out, " promised=%u", story->promised);
    }
    if (story->hinted > 0) {
        append_format(out, " hinted=%u", story->hinted);
    }
    text_slice(out, SLICE(" skipped="), story->skipped);
    append_text_fields(options, x, &scratch, out);
    if (sample > 1) {
        append_format(out, " sample=%u", sample);
    }
    if (x->fault != FAULT_NONE) {
        append_format(out, " fault=%s", fault_name(x->fault));
    }
    buffer_finish(&scratch);
}

static void append_text_fields(const struct access_log_options *options, const struct exchange *x,
                               struct buffer *scratch, struct buffer *out) {
    struct slice value;
    for (size_t i = 0; i < options->field_count; i++) {
        struct slice name = slice_of_text(options->fields[i]);
        if (access_redact_field(options->redact, &x->request.headers, name, scratch, &value)) {
            append_text(out, " ");
            text_string(out, name, false);
            append_text(out, "=\"");
            text_string(out, value, true);
            append_text(out, "\"");
        }
    }
}

void access_line_report_text(struct buffer *out, uint64_t lines) {
    append_stamp_of_now(out);
    append_format(out, " dropped=%" PRIu64 "\n", lines);
}

// Nothing when there is no value.
static void text_slice(struct buffer *out, struct slice key, struct slice value) {
    if (value.length > 0) {
        buffer_append_slice(out, key);
        text_string(out, value, false);
    }
}

// Only printable ASCII as it is; quotes too are escaped, so that the fields can be told apart.
static void text_string(struct buffer *out, struct slice bytes, bool has_blanks) {
    for (size_t i = 0; i < bytes.length; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        bool is_plain = byte > ' ' && byte < 0x7f && byte != '"' && byte != '\\';
        if (is_plain || (byte == ' ' && has_blanks)) {
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

// "2026-11-20T17:05:09.012Z"
static void append_stamp(struct buffer *out, struct access_line *line, int64_t wall_ms) {
    if (line->stamp_s != wall_ms / 1000 || line->stamp[0] == '\0') {
        line->stamp_s = wall_ms / 1000;
        write_seconds(line->stamp, line->stamp_s);
    }
    append_text(out, line->stamp);
    append_millis(out, wall_ms);
}

static void append_stamp_of_now(struct buffer *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char stamp[ACCESS_LINE_STAMP_BYTES];
    write_seconds(stamp, now.tv_sec);
    append_text(out, stamp);
    append_millis(out, now.tv_nsec / 1000000);
}

static void write_seconds(char stamp[ACCESS_LINE_STAMP_BYTES], int64_t wall_s) {
    time_t seconds = (time_t)wall_s;
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(stamp, ACCESS_LINE_STAMP_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
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
