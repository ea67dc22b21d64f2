// SPDX-License-Identifier: Apache-2.0
// base/log.h without threads and files: whatever is logged is looked at and forgotten. Lines of the
// access log must be lines: of JSON where they begin so, and in any case of printable UTF-8.
#include "base/log.h"

#include <stdarg.h>

#include "fuzz.h"
#include "fuzz_json.h"

struct log_sink {
    int unused;
};

struct log_sink *log_sink_create(int take_fd, size_t max_bytes) {
    static struct log_sink sink;
    (void)take_fd;
    (void)max_bytes;
    return &sink;
}

void log_sink_reopen(struct log_sink *sink, int take_fd) {
    (void)sink;
    (void)take_fd;
}

void log_sink_destroy(struct log_sink *sink) {
    (void)sink;
}

bool log_sink_write(struct log_sink *sink, struct slice lines) {
    (void)sink;
    fuzz_check(lines.length == 0 || lines.data[lines.length - 1] == '\n');
    while (lines.length > 0) {
        struct slice line = slice_first(lines, slice_find(lines, '\n'));
        lines = slice_skip(lines, line.length + 1);
        fuzz_check(line.length > 0);
        fuzz_check(line.data[0] == '{' ? fuzz_json_is_valid(line) : fuzz_json_is_utf8(line));
        for (size_t i = 0; i < line.length; i++) {
            fuzz_check((unsigned char)line.data[i] >= 0x20 && line.data[i] != 0x7f);
        }
    }
    return true;
}

uint64_t log_sink_dropped(const struct log_sink *sink) {
    (void)sink;
    return 0;
}

void log_sink_set_report(struct log_sink *sink, log_report_fn *report) {
    (void)sink;
    (void)report;
}

void log_start(enum log_level level) {
    (void)level;
}

void log_stop(void) {
}

void log_set_level(enum log_level level) {
    (void)level;
}

void log_set_format(enum log_format format) {
    (void)format;
}

bool log_is_on(enum log_level level) {
    (void)level;
    return true;
}

uint64_t log_dropped(void) {
    return 0;
}

// Formatted, so that the sanitizer sees what is read for it.
void log_event(enum log_level level, const char *area, const char *id, const char *format, ...) {
    char text[512];
    va_list arguments;
    fuzz_check(level <= LOG_DEBUG && area[0] != '\0' && id[0] != '\0');
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fuzz_check(length >= 0);
}
