// SPDX-License-Identifier: Apache-2.0
// What METRIC_LIST says, as data: each family with its slots and the labels that name them, and its
// numbers of all workers together. For those who write them out.
// Owner: none. Any thread. See also: base/metrics.h, docs/metrics.md.
#ifndef OUTRIDER_ADMIN_FAMILY_H
#define OUTRIDER_ADMIN_FAMILY_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/admin.h"

enum { ADMIN_FAMILY_LABELS = 2 }; // at most so many a family

struct admin_label {
    const char *name;
    // NULL: names of origins (metrics_slot_name). An entry that is NULL is never counted and so
    // never shown.
    const char *const *values;
    unsigned count;
};

struct admin_family {
    const char *name; // without prefix
    const char *help;
    enum metric_kind kind;
    unsigned at;    // its first slot
    unsigned count; // of slots in use: one for each label, or pair of them
    unsigned label_count;
    const struct admin_label *labels;
};

extern const struct admin_family admin_families[METRIC_FAMILIES];

static inline bool admin_family_is_histogram(const struct admin_family *family) {
    return family->kind == METRIC_TIMES || family->kind == METRIC_SIZES;
}
// What its slot `index` is called, label by label. False when nobody has it.
bool admin_family_name_slot(const struct admin_family *family, unsigned index,
                            const char *out_values[ADMIN_FAMILY_LABELS]);
// The number in slot `index`, of all workers together.
uint64_t admin_family_read(const struct admin_family *family, unsigned index,
                           const struct admin_worker *workers, unsigned count);

struct admin_histogram {
    unsigned bucket_count;                // the last one is for what lies beyond all bounds
    const char *const *bounds;            // of all but the last
    uint64_t buckets[METRICS_TIME_SLOTS]; // not cumulative
    uint64_t total;                       // all of them
    uint64_t sum;                         // ms or bytes
};

void admin_family_read_histogram(const struct admin_family *family,
                                 const struct admin_worker *workers, unsigned count,
                                 struct admin_histogram *out_histogram);

#endif
