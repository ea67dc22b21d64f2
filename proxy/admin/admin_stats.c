// SPDX-License-Identifier: Apache-2.0
#include "admin_stats.h"

#include <inttypes.h>
#include <stdlib.h>

#include "admin_family.h"
#include "admin_text.h"
#include "base/json.h"
#include "push/push_ledger.h"

static void write_process(struct buffer *out, const struct admin_status *status, int64_t now_s);
static void write_families(struct buffer *out, const struct admin_status *status);
static void write_series(struct buffer *out, const struct admin_family *family,
                         const struct admin_status *status);
static void write_histogram(struct buffer *out, const struct admin_family *family,
                            const struct admin_worker *workers, unsigned count);
static void write_bounds(struct buffer *out, const char *name, const char *const *bounds);
static void write_workers(struct buffer *out, const struct admin_status *status);
static void write_resources(struct buffer *out, const struct admin_status *status);
static void write_certificates(struct buffer *out, const struct admin_status *status);
static void write_pages(struct buffer *out, struct buffer *rows);
static void write_page(struct buffer *out, const struct push_ledger_row *row);
static int compare_rows(const void *a, const void *b);
static void write_text(struct buffer *out, const char *text);
static void separate(struct buffer *out, size_t index);

void admin_stats_write(const struct admin_status *status, struct buffer *rows, int64_t now_s,
                       struct buffer *out_json) {
    admin_text_add(out_json, "{");
    write_process(out_json, status, now_s);
    admin_text_add(out_json, ",\n\"metrics\":{");
    write_families(out_json, status);
    admin_text_add(out_json, "},\n\"bounds\":{");
    write_bounds(out_json, "seconds", metrics_time_bounds);
    admin_text_add(out_json, ",");
    write_bounds(out_json, "bytes", metrics_size_bounds);
    admin_text_add(out_json, "},\n\"workers\":[");
    write_workers(out_json, status);
    admin_text_add(out_json, "],\n");
    write_resources(out_json, status);
    admin_text_add(out_json, ",\n\"certificates\":[");
    write_certificates(out_json, status);
    admin_text_add(out_json, "],\n\"pages\":[");
    write_pages(out_json, rows);
    admin_text_add(out_json, "]}\n");
}

static void write_process(struct buffer *out, const struct admin_status *status, int64_t now_s) {
    admin_text_format(out,
                      "\"version\":\"" OUTRIDER_VERSION "\",\"now_s\":%" PRId64
                      ",\"started_s\":%" PRId64 ",\"uptime_s\":%" PRIu64 ",\"state\":",
                      now_s, status->started_s, status->uptime_ms / 1000);
    write_text(out, status->is_ready ? "ready" : status->reason);
    admin_text_format(out, ",\"live\":%s", status->is_live ? "true" : "false");
}

// --- families -----------------------------------------------------------------------------------

static void write_families(struct buffer *out, const struct admin_status *status) {
    for (unsigned i = 0; i < METRIC_FAMILIES; i++) {
        const struct admin_family *family = &admin_families[i];
        separate(out, i);
        admin_text_format(out, "\n\"%s\":", family->name);
        if (admin_family_is_histogram(family)) {
            write_histogram(out, family, status->workers, status->worker_count);
        } else if (family->label_count == 0) {
            json_append_number(out,
                               admin_family_read(family, 0, status->workers, status->worker_count));
        } else {
            write_series(out, family, status);
        }
    }
}

// Labels joined by one space are the keys.
static void write_series(struct buffer *out, const struct admin_family *family,
                         const struct admin_status *status) {
    admin_text_add(out, "{");
    size_t written = 0;
    for (unsigned i = 0; i < family->count; i++) {
        const char *values[ADMIN_FAMILY_LABELS];
        if (!admin_family_name_slot(family, i, values)) {
            continue;
        }
        struct buffer key = {0};
        for (unsigned j = 0; j < family->label_count; j++) {
            admin_text_add(&key, j > 0 ? " " : "");
            admin_text_add(&key, values[j]);
        }
        separate(out, written++);
        json_append_text(out, buffer_peek(&key));
        buffer_finish(&key);
        admin_text_add(out, ":");
        json_append_number(out,
                           admin_family_read(family, i, status->workers, status->worker_count));
    }
    admin_text_add(out, "}");
}

static void write_histogram(struct buffer *out, const struct admin_family *family,
                            const struct admin_worker *workers, unsigned count) {
    struct admin_histogram histogram;
    admin_family_read_histogram(family, workers, count, &histogram);
    admin_text_add(out, "{\"buckets\":[");
    for (unsigned i = 0; i < histogram.bucket_count; i++) {
        separate(out, i);
        json_append_number(out, histogram.buckets[i]);
    }
    admin_text_format(out, "],\"count\":%" PRIu64 ",\"sum\":", histogram.total);
    if (family->kind == METRIC_TIMES) {
        admin_text_add_seconds(out, histogram.sum);
    } else {
        json_append_number(out, histogram.sum);
    }
    admin_text_add(out, "}");
}

static void write_bounds(struct buffer *out, const char *name, const char *const *bounds) {
    admin_text_format(out, "\"%s\":[", name);
    for (size_t i = 0; bounds[i] != NULL; i++) {
        separate(out, i);
        admin_text_add(out, bounds[i]);
    }
    admin_text_add(out, "]");
}

// --- the process --------------------------------------------------------------------------------

static void write_workers(struct buffer *out, const struct admin_status *status) {
    for (unsigned i = 0; i < status->worker_count; i++) {
        separate(out, i);
        admin_text_format(out,
                          "{\"silent_ms\":%" PRIu64 ",\"loop_lag\":", status->workers[i].silent_ms);
        write_histogram(out, &admin_families[METRIC_FAMILY_LOOP_LAG], &status->workers[i], 1);
        admin_text_add(out, "}");
    }
}

static void write_resources(struct buffer *out, const struct admin_status *status) {
    static const char *const levels[] = {"normal", "short", "full"};
    admin_text_format(out,
                      "\"reloads\":{\"good\":%" PRIu64 ",\"failed\":%" PRIu64
                      ",\"reloaded_s\":%" PRId64 ",\"error\":",
                      status->reloads, status->failed_reloads, status->reloaded_s);
    write_text(out, status->reload_error);
    admin_text_format(out,
                      "},\n\"memory\":{\"resident\":%" PRIu64 ",\"used\":%" PRIu64
                      ",\"ceiling\":%" PRIu64 ",\"level\":\"%s\"},",
                      status->resident_bytes, status->memory_used, status->memory_ceiling,
                      levels[status->memory_level]);
    admin_text_format(out,
                      "\"descriptors\":{\"open\":%" PRIu64 ",\"limit\":%" PRIu64 "},\"cpu_s\":",
                      status->descriptors, status->descriptor_limit);
    admin_text_add_seconds(out, status->cpu_ms);
    admin_text_format(out, ",\"log_dropped\":%" PRIu64, status->dropped_log_lines);
}

static void write_certificates(struct buffer *out, const struct admin_status *status) {
    for (size_t i = 0; i < status->certificate_count; i++) {
        const struct admin_certificate *row = &status->certificates[i];
        separate(out, i);
        admin_text_add(out, "{\"listener\":");
        write_text(out, row->listener);
        admin_text_add(out, ",\"name\":");
        write_text(out, row->name);
        admin_text_format(out, ",\"not_after_s\":%" PRId64 "}", row->not_after_s);
    }
}

// --- pages --------------------------------------------------------------------------------------

static void write_pages(struct buffer *out, struct buffer *rows) {
    struct push_ledger_row *first = (struct push_ledger_row *)(void *)buffer_peek(rows).data;
    size_t count = buffer_length(rows) / sizeof(first[0]);
    if (count > 0) {
        qsort(first, count, sizeof(first[0]), compare_rows);
    }
    for (size_t i = 0; i < count && i < ADMIN_STATS_PAGES; i++) {
        separate(out, i);
        admin_text_add(out, "\n");
        write_page(out, &first[i]);
    }
}

static void write_page(struct buffer *out, const struct push_ledger_row *row) {
    admin_text_add(out, "{\"page\":");
    json_append_text(out, slice_of(row->name, row->name_length));
    admin_text_format(out, ",\"seen_s\":%" PRId64, row->seen_s);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"visits", row->visits},
        {"candidates", row->candidates},
        {"promised", row->promised},
        {"hinted", row->hinted},
        {"passed", row->passed},
        {"completed", row->completed},
        {"refused", row->refused},
        {"taken_back", row->taken_back},
        {"pushed_bytes", row->pushed_bytes},
        {"wasted_bytes", row->wasted_bytes},
        {"spared", row->spared},
        {"spared_bytes", row->spared_bytes},
        {"early", row->early},
        {"lead_ms", row->lead_ms},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        admin_text_format(out, ",\"%s\":%" PRIu64, numbers[i].name, numbers[i].value);
    }
    admin_text_add(out, "}");
}

// The most visits first; then those seen last, then by key, so that the order is always the same.
static int compare_rows(const void *a, const void *b) {
    const struct push_ledger_row *left = a;
    const struct push_ledger_row *right = b;
    if (left->visits != right->visits) {
        return left->visits > right->visits ? -1 : 1;
    }
    if (left->seen_s != right->seen_s) {
        return left->seen_s > right->seen_s ? -1 : 1;
    }
    return left->key < right->key ? -1 : left->key > right->key;
}

static void write_text(struct buffer *out, const char *text) {
    json_append_text(out, slice_of_text(text));
}

static void separate(struct buffer *out, size_t index) {
    if (index > 0) {
        buffer_append(out, ",", 1);
    }
}
