// SPDX-License-Identifier: Apache-2.0
#include "worker/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ensure.h"

enum { ACCESS_LOG_BYTES = 8 * 1024 * 1024, NO_FD = -1 };

_Static_assert(ACCESS_LOG_REDACT_AUTHORITY == 1 << CONFIG_REDACT_AUTHORITY &&
                   ACCESS_LOG_REDACT_CLIENT == 1 << CONFIG_REDACT_CLIENT &&
                   ACCESS_LOG_REDACT_PATH == 1 << CONFIG_REDACT_PATH &&
                   ACCESS_LOG_REDACT_QUERY == 1 << CONFIG_REDACT_QUERY,
               "the set is made by shifting");

static bool is_off(const struct config *config);
static bool is_file(const struct config *config);
static bool open_place(const struct config *config, int *out_fd);
static void add_error(const struct config *config, struct config_errors *errors);
static void set_error_format(const struct config *config);

bool logs_open(struct logs *logs, const struct config *config, struct config_errors *errors) {
    int fd;
    if (!open_place(config, &fd)) {
        add_error(config, errors);
        return false;
    }
    logs->access_sink = log_sink_create(fd, ACCESS_LOG_BYTES);
    set_error_format(config);
    return true;
}

static bool is_off(const struct config *config) {
    return strcmp(config->log.access, "off") == 0;
}

static bool is_file(const struct config *config) {
    return !is_off(config) && strcmp(config->log.access, "stdout") != 0;
}

static bool open_place(const struct config *config, int *out_fd) {
    *out_fd = is_off(config) ? NO_FD : STDOUT_FILENO;
    if (is_file(config)) { // a pipe without a reader is an error, and nothing to wait for
        int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
        *out_fd = open(config->log.access, flags, 0640);
    }
    return *out_fd >= 0 || !is_file(config);
}

static void add_error(const struct config *config, struct config_errors *errors) {
    const struct config_position *at = &config->log.access_at;
    config_errors_add(errors, config->file, at->line, at->column, "log.access", "can't open %s: %s",
                      config->log.access, strerror(errno));
}

static void set_error_format(const struct config *config) {
    log_set_format(config->log.error_format == CONFIG_LOG_JSON ? LOG_JSON : LOG_TEXT);
}

// --- changes ------------------------------------------------------------------------------------

bool logs_prepare(struct logs *logs, const struct config *before, const struct config *config,
                  struct config_errors *errors) {
    if (strcmp(before->log.access, config->log.access) == 0 || open_place(config, &logs->next_fd)) {
        return true;
    }
    add_error(config, errors);
    return false;
}

void logs_switch(struct logs *logs, const struct config *before, const struct config *config) {
    set_error_format(config);
    if (strcmp(before->log.access, config->log.access) != 0) {
        log_sink_reopen(logs->access_sink, logs->next_fd);
    }
}

void logs_reopen(struct logs *logs, const struct config *config) {
    int fd;
    if (!is_file(config)) {
        log_info("logs", "-", "nothing to reopen: the access log is no file");
    } else if (open_place(config, &fd)) {
        log_sink_reopen(logs->access_sink, fd);
        log_info("logs", "-", "access log reopened file=%s", config->log.access);
    } else {
        log_error("logs", "-", "can't reopen the access log, the old file stays in use: %s: %s",
                  config->log.access, strerror(errno));
    }
}

void logs_close(struct logs *logs) {
    log_sink_destroy(logs->access_sink);
    logs->access_sink = NULL;
}

// --- lines and events ---------------------------------------------------------------------------

struct access_log *logs_configure(struct access_log *log, const struct config *config) {
    struct access_log_options options = {
        .format = config->log.format == CONFIG_LOG_JSON ? ACCESS_LOG_JSON : ACCESS_LOG_TEXT,
        .fields = config->log.fields,
        .field_count = config->log.field_count,
    };
    for (size_t i = 0; i < config->log.redact_count; i++) {
        options.redact |= 1U << config->log.redact[i];
    }
    access_log_configure(log, &options);
    return is_off(config) ? NULL : log;
}

void logs_tell_errors(const struct config_errors *errors) {
    char *text = config_errors_text(errors);
    struct slice rest = slice_of_text(text);
    while (rest.length > 0) {
        struct slice line = slice_first(rest, slice_find(rest, '\n'));
        rest = slice_skip(rest, line.length + 1);
        log_error("config", "-", "%.*s", SLICE_ARGS(line));
    }
    free(text);
}
