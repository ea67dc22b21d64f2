// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "control_impl.h"
#include "worker/file.h"

enum { DEAD_MS = 5000, NAME_BYTES = 256 };

static int64_t wall_s(void);
static void free_certificates(struct control *control);
static char *describe_listener(const struct generation *generation, size_t index);
static void look_at_workers(struct control *control, struct admin_status *status);
static void look_at_process(struct admin_status *status);
static uint64_t resident_bytes(void);
static uint64_t count_descriptors(void);

void control_status_open(struct control *control) {
    control->started_s = wall_s();
    control->started_ms = loop_now(&control->loop);
    control->reloaded_s = control->started_s;
    control->workers = alloc_zeroed(control->options.worker_count, sizeof(control->workers[0]));
    for (unsigned i = 0; i < control->options.worker_count; i++) {
        control->workers[i].metrics = worker_metrics(control->options.workers[i]);
    }
}

static int64_t wall_s(void) {
    return (int64_t)time(NULL);
}

void control_status_close(struct control *control) {
    free_certificates(control);
    free(control->workers);
    buffer_finish(&control->error);
    buffer_finish(&control->reload_error);
}

// --- what the main thread tells -----------------------------------------------------------------

void control_status_note_reload(struct control *control) {
    uv_mutex_lock(&control->lock);
    control->reloads++;
    control->reloaded_s = wall_s();
    buffer_finish(&control->reload_error);
    uv_mutex_unlock(&control->lock);
}

void control_status_note_failure(struct control *control, struct buffer *take_text) {
    uv_mutex_lock(&control->lock);
    control->failed_reloads++;
    buffer_finish(&control->reload_error);
    buffer_move(&control->reload_error, take_text);
    uv_mutex_unlock(&control->lock);
}

void control_note_draining(struct control *control) {
    uv_mutex_lock(&control->lock);
    control->is_draining = true;
    uv_mutex_unlock(&control->lock);
}

// --- certificates -------------------------------------------------------------------------------

void control_status_describe(struct control *control) {
    const struct generation *generation = control->generation;
    free_certificates(control);
    size_t count = 0;
    for (size_t i = 0; i < generation->config->listener_count; i++) {
        count += generation->tls[i] != NULL ? tls_context_count(generation->tls[i]) : 0;
    }
    control->certificates = alloc_zeroed(count, sizeof(control->certificates[0]));
    for (size_t i = 0; i < generation->config->listener_count; i++) {
        const struct tls_context *tls = generation->tls[i];
        for (size_t j = 0; tls != NULL && j < tls_context_count(tls); j++) {
            char name[NAME_BYTES];
            struct admin_certificate *row = &control->certificates[control->certificate_count++];
            tls_context_describe(tls, j, name, sizeof(name), &row->not_after_s);
            row->name = alloc_text(name);
            row->listener = describe_listener(generation, i);
        }
    }
}

static void free_certificates(struct control *control) {
    for (size_t i = 0; i < control->certificate_count; i++) {
        free((char *)control->certificates[i].name);
        free((char *)control->certificates[i].listener);
    }
    free(control->certificates);
    control->certificates = NULL;
    control->certificate_count = 0;
}

static char *describe_listener(const struct generation *generation, size_t index) {
    const struct config_listener *listener = &generation->config->listeners[index];
    bool is_v6 = strchr(listener->host, ':') != NULL;
    char text[NAME_BYTES];
    snprintf(text, sizeof(text), "https://%s%s%s:%u", is_v6 ? "[" : "",
             listener->host[0] != '\0' ? listener->host : "*", is_v6 ? "]" : "",
             generation->ports[index]);
    return alloc_text(text);
}

// --- a look -------------------------------------------------------------------------------------

void control_look(void *user, struct admin_status *out_status) {
    struct control *control = user;
    const struct memory_gauge *gauge = control->options.memory;
    *out_status = (struct admin_status){
        .started_s = control->started_s,
        .uptime_ms = loop_now(&control->loop) - control->started_ms,
        .memory_used = atomic_load_explicit(&gauge->used, memory_order_relaxed),
        .memory_ceiling = atomic_load_explicit(&gauge->limit, memory_order_relaxed),
        .memory_level = memory_gauge_read(gauge),
        .dropped_log_lines = control->options.dropped_lines(control->options.user),
        .certificates = control->certificates,
        .certificate_count = control->certificate_count,
    };
    look_at_workers(control, out_status);
    look_at_process(out_status);
    uv_mutex_lock(&control->lock);
    bool is_draining = control->is_draining;
    out_status->reloads = control->reloads;
    out_status->failed_reloads = control->failed_reloads;
    out_status->reloaded_s = control->reloaded_s;
    buffer_finish(&control->error);
    buffer_append_slice(&control->error, buffer_peek(&control->reload_error));
    uv_mutex_unlock(&control->lock);
    bool has_error = buffer_length(&control->error) > 0;
    out_status->reload_error = has_error ? buffer_peek(&control->error).data : "";
    out_status->is_ready = out_status->is_live && !is_draining;
    out_status->reason = is_draining            ? "draining"
                         : !out_status->is_live ? "a worker is silent"
                                                : "";
}

static void look_at_workers(struct control *control, struct admin_status *status) {
    uint64_t now = loop_now(&control->loop);
    status->workers = control->workers;
    status->worker_count = control->options.worker_count;
    status->is_live = true;
    for (unsigned i = 0; i < status->worker_count; i++) {
        uint64_t beat_ms = worker_beat_ms(control->options.workers[i]);
        uint64_t from_ms = beat_ms > 0 ? beat_ms : control->started_ms;
        control->workers[i].silent_ms = now > from_ms ? now - from_ms : 0;
        status->is_live &= control->workers[i].silent_ms < DEAD_MS;
    }
}

static void look_at_process(struct admin_status *status) {
    struct rusage usage;
    struct rlimit limit;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        status->cpu_ms = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                         (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        status->descriptor_limit = limit.rlim_cur;
    }
    status->resident_bytes = resident_bytes();
    status->descriptors = count_descriptors();
}

// The second number of statm, see proc(5).
static uint64_t resident_bytes(void) {
    enum { MAX_BYTES = 4096 };
    struct buffer text = {0};
    uint64_t pages = 0;
    if (file_read("/proc/self/statm", MAX_BYTES, &text)) {
        buffer_append(&text, "", 1);
        const char *second = strchr(buffer_peek(&text).data, ' ');
        pages = second != NULL ? strtoull(second, NULL, 10) : 0;
    }
    buffer_finish(&text);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t count_descriptors(void) {
    DIR *directory = opendir("/proc/self/fd");
    uint64_t count = 0;
    if (directory == NULL) {
        return 0;
    }
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count > 3 ? count - 3 : 0; // ".", "..", and the directory's own
}
