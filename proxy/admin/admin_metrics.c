// SPDX-License-Identifier: Apache-2.0
#include "admin_metrics.h"

#include <inttypes.h>

#include "admin_family.h"
#include "admin_text.h"
#include "base/json.h"

struct writer {
    struct buffer *out;
    bool is_open; // OpenMetrics
};

enum type { TYPE_COUNTER, TYPE_GAUGE, TYPE_HISTOGRAM, TYPE_INFO };

#define PREFIX "outrider_"

static void write_outrider(struct writer *w, const struct admin_status *status);
static void write_certificates(struct writer *w, const struct admin_status *status);
static bool find_earliest(const struct admin_certificate *rows, size_t count, size_t index,
                          int64_t *out_not_after_s);
static void write_memory(struct writer *w, const struct admin_status *status);
static void write_process(struct writer *w, const struct admin_status *status);
static void write_family(struct writer *w, const struct admin_family *family,
                         const struct admin_status *status);
static void write_series(struct writer *w, const struct admin_family *family, const char *name,
                         const struct admin_status *status);
static void write_histogram(struct writer *w, const struct admin_family *family, const char *name,
                            const struct admin_status *status);
static void begin(struct writer *w, const char *name, enum type type, const char *help);
static void write_number(struct writer *w, const char *name, uint64_t value);
static void write_labelled(struct writer *w, const char *name, const char *label, const char *value,
                           uint64_t number);
static void write_label(struct writer *w, const char *separator, const char *name,
                        const char *value);
static void write_value(struct writer *w, struct slice value);
static struct slice without_end(struct slice name, struct slice end);

const char *admin_metrics_type(enum admin_metrics_format format) {
    return format == ADMIN_METRICS_OPEN
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

void admin_metrics_write(const struct admin_status *status, enum admin_metrics_format format,
                         struct buffer *out) {
    struct writer w = {out, format == ADMIN_METRICS_OPEN};
    write_outrider(&w, status);
    write_certificates(&w, status);
    write_memory(&w, status);
    write_process(&w, status);
    for (unsigned i = 0; i < METRIC_FAMILIES; i++) {
        write_family(&w, &admin_families[i], status);
    }
    if (w.is_open) {
        admin_text_add(out, "# EOF\n");
    }
}

// --- of the process as a whole ------------------------------------------------------------------

static void write_outrider(struct writer *w, const struct admin_status *status) {
    begin(w, PREFIX "build_info", TYPE_INFO, "The version that runs.");
    write_labelled(w, PREFIX "build_info", "version", OUTRIDER_VERSION, 1);

    begin(w, PREFIX "live", TYPE_GAUGE, "What /live says: every loop turns.");
    write_number(w, PREFIX "live", status->is_live);
    begin(w, PREFIX "ready", TYPE_GAUGE, "What /ready says: new requests are welcome.");
    write_number(w, PREFIX "ready", status->is_ready);

    uint64_t silent_ms = 0;
    for (unsigned i = 0; i < status->worker_count; i++) {
        uint64_t ms = status->workers[i].silent_ms;
        silent_ms = ms > silent_ms ? ms : silent_ms;
    }
    begin(w, PREFIX "workers", TYPE_GAUGE, "Threads that serve clients.");
    write_number(w, PREFIX "workers", status->worker_count);
    begin(w, PREFIX "worker_silent_seconds", TYPE_GAUGE,
          "Since the worker that is silent the longest last turned its loop.");
    admin_text_add(w->out, PREFIX "worker_silent_seconds ");
    admin_text_add_seconds(w->out, silent_ms);
    admin_text_add(w->out, "\n");

    begin(w, PREFIX "reloads_total", TYPE_COUNTER, "Reloads of the configuration, by result.");
    write_labelled(w, PREFIX "reloads_total", "result", "good", status->reloads);
    write_labelled(w, PREFIX "reloads_total", "result", "failed", status->failed_reloads);
    begin(w, PREFIX "config_reloaded_timestamp_seconds", TYPE_GAUGE,
          "When the configuration in force was loaded (Unix time).");
    write_number(w, PREFIX "config_reloaded_timestamp_seconds", (uint64_t)status->reloaded_s);
    begin(w, PREFIX "log_dropped_lines_total", TYPE_COUNTER,
          "Lines of the logs that were dropped since nobody took them fast enough.");
    write_number(w, PREFIX "log_dropped_lines_total", status->dropped_log_lines);
}

static void write_certificates(struct writer *w, const struct admin_status *status) {
    begin(w, PREFIX "certificate_not_after_timestamp_seconds", TYPE_GAUGE,
          "When a listener's certificate expires (Unix time).");
    size_t count = status->certificate_count < ADMIN_METRICS_CERTIFICATES
                       ? status->certificate_count
                       : ADMIN_METRICS_CERTIFICATES;
    for (size_t i = 0; i < count; i++) {
        const struct admin_certificate *row = &status->certificates[i];
        int64_t not_after_s;
        if (find_earliest(status->certificates, count, i, &not_after_s)) {
            admin_text_add(w->out, PREFIX "certificate_not_after_timestamp_seconds");
            write_label(w, "{", "listener", row->listener);
            write_label(w, ",", "name", row->name);
            admin_text_format(w->out, "} %" PRId64 "\n", not_after_s);
        }
    }
}

// One name may have two certificates on a listener, of RSA and of an elliptic curve: no two lines
// may have the same labels. False when an earlier row has them.
static bool find_earliest(const struct admin_certificate *rows, size_t count, size_t index,
                          int64_t *out_not_after_s) {
    *out_not_after_s = rows[index].not_after_s;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, rows[index].name) != 0 ||
            strcmp(rows[i].listener, rows[index].listener) != 0) {
            continue;
        }
        if (i < index) {
            return false;
        }
        if (rows[i].not_after_s < *out_not_after_s) {
            *out_not_after_s = rows[i].not_after_s;
        }
    }
    return true;
}

static void write_memory(struct writer *w, const struct admin_status *status) {
    begin(w, PREFIX "memory_used_bytes", TYPE_GAUGE, "Memory that counts against the ceiling.");
    write_number(w, PREFIX "memory_used_bytes", status->memory_used);
    begin(w, PREFIX "memory_ceiling_bytes", TYPE_GAUGE,
          "The most that may be used; missing when there is no limit.");
    if (status->memory_ceiling > 0) {
        write_number(w, PREFIX "memory_ceiling_bytes", status->memory_ceiling);
    }
    begin(w, PREFIX "memory_level", TYPE_GAUGE,
          "1 for the level now: normal, short (no pushes, no learning) or full (refusing).");
    static const char *const levels[] = {"normal", "short", "full"};
    for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        write_labelled(w, PREFIX "memory_level", "level", levels[i], status->memory_level == i);
    }
}

// The names that client libraries of Prometheus use.
static void write_process(struct writer *w, const struct admin_status *status) {
    begin(w, "process_resident_memory_bytes", TYPE_GAUGE, "Resident memory.");
    write_number(w, "process_resident_memory_bytes", status->resident_bytes);
    begin(w, "process_open_fds", TYPE_GAUGE, "Descriptors that are open.");
    write_number(w, "process_open_fds", status->descriptors);
    begin(w, "process_max_fds", TYPE_GAUGE, "Descriptors that may be open.");
    write_number(w, "process_max_fds", status->descriptor_limit);
    begin(w, "process_cpu_seconds_total", TYPE_COUNTER, "Time on processors, user and system.");
    admin_text_add(w->out, "process_cpu_seconds_total ");
    admin_text_add_seconds(w->out, status->cpu_ms);
    admin_text_add(w->out, "\n");
    begin(w, "process_start_time_seconds", TYPE_GAUGE, "When the process began (Unix time).");
    write_number(w, "process_start_time_seconds", (uint64_t)status->started_s);
}

// --- of the workers -----------------------------------------------------------------------------

static void write_family(struct writer *w, const struct admin_family *family,
                         const struct admin_status *status) {
    char name[96];
    snprintf(name, sizeof(name), PREFIX "%s", family->name);
    if (admin_family_is_histogram(family)) {
        begin(w, name, TYPE_HISTOGRAM, family->help);
        write_histogram(w, family, name, status);
    } else {
        begin(w, name, family->kind == METRIC_COUNTER ? TYPE_COUNTER : TYPE_GAUGE, family->help);
        write_series(w, family, name, status);
    }
}

static void write_series(struct writer *w, const struct admin_family *family, const char *name,
                         const struct admin_status *status) {
    for (unsigned i = 0; i < family->count; i++) {
        const char *values[ADMIN_FAMILY_LABELS];
        if (!admin_family_name_slot(family, i, values)) {
            continue;
        }
        admin_text_add(w->out, name);
        for (unsigned j = 0; j < family->label_count; j++) {
            write_label(w, j == 0 ? "{" : ",", family->labels[j].name, values[j]);
        }
        admin_text_add(w->out, family->label_count > 0 ? "} " : " ");
        json_append_number(w->out,
                           admin_family_read(family, i, status->workers, status->worker_count));
        admin_text_add(w->out, "\n");
    }
}

static void write_histogram(struct writer *w, const struct admin_family *family, const char *name,
                            const struct admin_status *status) {
    struct admin_histogram histogram;
    admin_family_read_histogram(family, status->workers, status->worker_count, &histogram);
    uint64_t below = 0;
    for (unsigned i = 0; i < histogram.bucket_count; i++) {
        below += histogram.buckets[i];
        const char *bound = i + 1 < histogram.bucket_count ? histogram.bounds[i] : "+Inf";
        admin_text_format(w->out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name, bound, below);
    }
    admin_text_format(w->out, "%s_count %" PRIu64 "\n%s_sum ", name, histogram.total, name);
    if (family->kind == METRIC_TIMES) {
        admin_text_add_seconds(w->out, histogram.sum);
    } else {
        json_append_number(w->out, histogram.sum);
    }
    admin_text_add(w->out, "\n");
}

// --- lines --------------------------------------------------------------------------------------

// OpenMetrics calls families without the ends that their samples have, and knows units.
static void begin(struct writer *w, const char *name, enum type type, const char *help) {
    static const char *const types[] = {"counter", "gauge", "histogram", "info"};
    struct slice family = slice_of_text(name);
    if (w->is_open) {
        family = type == TYPE_COUNTER ? without_end(family, SLICE("_total")) : family;
        family = type == TYPE_INFO ? without_end(family, SLICE("_info")) : family;
    } else if (type == TYPE_INFO) {
        type = TYPE_GAUGE;
    }
    admin_text_format(w->out, "# TYPE %.*s %s\n", SLICE_ARGS(family), types[type]);
    static const char *const units[] = {"seconds", "bytes"};
    for (unsigned i = 0; w->is_open && i < sizeof(units) / sizeof(units[0]); i++) {
        if (without_end(family, slice_of_text(units[i])).length < family.length) {
            admin_text_format(w->out, "# UNIT %.*s %s\n", SLICE_ARGS(family), units[i]);
        }
    }
    admin_text_format(w->out, "# HELP %.*s %s\n", SLICE_ARGS(family), help);
}

static void write_number(struct writer *w, const char *name, uint64_t value) {
    admin_text_format(w->out, "%s %" PRIu64 "\n", name, value);
}

static void write_labelled(struct writer *w, const char *name, const char *label, const char *value,
                           uint64_t number) {
    admin_text_add(w->out, name);
    write_label(w, "{", label, value);
    admin_text_format(w->out, "} %" PRIu64 "\n", number);
}

static void write_label(struct writer *w, const char *separator, const char *name,
                        const char *value) {
    admin_text_format(w->out, "%s%s=\"", separator, name);
    write_value(w, slice_of_text(value));
    admin_text_add(w->out, "\"");
}

// Valid UTF-8, with three characters escaped. What is no UTF-8, as the name in a certificate may
// be, becomes U+FFFD.
static void write_value(struct writer *w, struct slice value) {
    while (value.length > 0) {
        size_t length = json_utf8_length(value);
        if (length == 0) {
            admin_text_add(w->out, "\xef\xbf\xbd");
        } else if (value.data[0] == '\n') {
            admin_text_add(w->out, "\\n");
        } else {
            if (value.data[0] == '"' || value.data[0] == '\\') {
                admin_text_add(w->out, "\\");
            }
            buffer_append(w->out, value.data, length);
        }
        value = slice_skip(value, length > 0 ? length : 1);
    }
}

static struct slice without_end(struct slice name, struct slice end) {
    bool has_end =
        name.length > end.length && slice_equal(slice_skip(name, name.length - end.length), end);
    return has_end ? slice_first(name, name.length - end.length) : name;
}
