// SPDX-License-Identifier: Apache-2.0
#include "admin_family.h"

#include "base/fault.h"
#include "push/push_digest.h"
#include "push/push_plan.h"

// --- labels -------------------------------------------------------------------------------------

static const char *const protocols[] = {"http1", "http2"};
static const char *const handshakes[] = {"full", "resumed", "failed"};
static const char *const askeds[] = {"request", "push"};
static const char *const codes[] = {"none", "2xx", "3xx", "4xx", "5xx"};
static const char *const methods[] = {"GET",    "HEAD",  "POST",    "PUT",
                                      "DELETE", "PATCH", "OPTIONS", "other"};
static const char *const pushes[] = {"completed", "refused", "refused_late", "taken_back",
                                     "failed"};
static const char *const push_bytes[] = {"delivered", "wasted"};
static const char *const hints[] = {"own", "origin"};
static const char *const faults[] = {
#define X(name, text, status, retry, proxy_status, description)                                    \
    FAULT_##name == FAULT_NONE ? NULL : (text),
    FAULT_LIST(X)
#undef X
};
static const char *const limits[] = {
#define X(name, text) text,
    METRIC_LIMIT_LIST(X)
#undef X
};
static const char *const outcomes[] = {
#define X(name, text, may_hint) text,
    PUSH_REASON_LIST(X)
#undef X
};
static const char *const digests[] = {
#define X(name, text) text,
    PUSH_DIGEST_OUTCOME_LIST(X)
#undef X
};

#define COUNT(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))

_Static_assert(COUNT(protocols) == METRIC_PROTOCOLS, "a label for each");
_Static_assert(COUNT(handshakes) == METRIC_HANDSHAKES, "a label for each");
_Static_assert(COUNT(askeds) == METRIC_ASKED, "a label for each");
_Static_assert(COUNT(codes) == METRIC_CODES, "a label for each");
_Static_assert(COUNT(methods) == METRIC_METHODS, "a label for each");
_Static_assert(COUNT(pushes) == METRIC_PUSHES, "a label for each");
_Static_assert(COUNT(push_bytes) == METRIC_BYTES, "a label for each");
_Static_assert(COUNT(hints) == METRIC_HINTS, "a label for each");

// The names are those in METRIC_LIST.
static const struct admin_label no_labels[] = {{.name = NULL}};
static const struct admin_label protocol_labels[] = {{"protocol", protocols, COUNT(protocols)}};
static const struct admin_label handshake_labels[] = {{"result", handshakes, COUNT(handshakes)}};
static const struct admin_label asked_labels[] = {{"kind", askeds, COUNT(askeds)}};
static const struct admin_label request_labels[] = {{"protocol", protocols, COUNT(protocols)},
                                                    {"code", codes, COUNT(codes)}};
static const struct admin_label method_labels[] = {{"method", methods, COUNT(methods)}};
static const struct admin_label fault_labels[] = {{"fault", faults, COUNT(faults)}};
static const struct admin_label limit_labels[] = {{"limit", limits, COUNT(limits)}};
static const struct admin_label origin_labels[] = {{"origin", NULL, METRICS_NAMES}};
static const struct admin_label outcome_labels[] = {{"outcome", outcomes, COUNT(outcomes)}};
static const struct admin_label push_labels[] = {{"result", pushes, COUNT(pushes)}};
static const struct admin_label push_bytes_labels[] = {{"result", push_bytes, COUNT(push_bytes)}};
static const struct admin_label hint_labels[] = {{"author", hints, COUNT(hints)}};
static const struct admin_label digest_labels[] = {{"result", digests, COUNT(digests)}};

// How many slots each of them names.
enum {
    NAMED_no_labels = 0,
    NAMED_protocol_labels = COUNT(protocols),
    NAMED_handshake_labels = COUNT(handshakes),
    NAMED_asked_labels = COUNT(askeds),
    NAMED_request_labels = COUNT(protocols) * COUNT(codes),
    NAMED_method_labels = COUNT(methods),
    NAMED_fault_labels = COUNT(faults),
    NAMED_limit_labels = COUNT(limits),
    NAMED_origin_labels = METRICS_NAMES,
    NAMED_outcome_labels = COUNT(outcomes),
    NAMED_push_labels = COUNT(pushes),
    NAMED_push_bytes_labels = COUNT(push_bytes),
    NAMED_hint_labels = COUNT(hints),
    NAMED_digest_labels = COUNT(digests),
};

#define X(id, kind, slots, name, labels, help)                                                     \
    _Static_assert((int)NAMED_##labels <= (int)(slots), "more labels than slots: " name);
METRIC_LIST(X)
#undef X

#define X(id, kind, slots, name, labels, help)                                                     \
    {(name),                                                                                       \
     (help),                                                                                       \
     METRIC_##kind,                                                                                \
     METRIC_AT_##id,                                                                               \
     NAMED_##labels > 0 ? (unsigned)NAMED_##labels : (unsigned)(slots),                            \
     NAMED_##labels > 0 ? COUNT(labels) : 0,                                                       \
     (labels)},
const struct admin_family admin_families[METRIC_FAMILIES] = {METRIC_LIST(X)};
#undef X

bool admin_family_name_slot(const struct admin_family *family, unsigned index,
                            const char *out_values[ADMIN_FAMILY_LABELS]) {
    for (unsigned i = family->label_count; i-- > 0;) { // the last label counts fastest
        const struct admin_label *label = &family->labels[i];
        unsigned place = index % label->count;
        index /= label->count;
        out_values[i] = label->values != NULL ? label->values[place] : metrics_slot_name(place);
        if (out_values[i] == NULL) {
            return false;
        }
    }
    return true;
}

// --- numbers ------------------------------------------------------------------------------------

uint64_t admin_family_read(const struct admin_family *family, unsigned index,
                           const struct admin_worker *workers, unsigned count) {
    uint64_t all = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t one = metrics_read(workers[i].metrics, family->at + index);
        if (family->kind == METRIC_LARGEST) {
            all = one > all ? one : all;
        } else {
            all += one;
        }
    }
    return all;
}

void admin_family_read_histogram(const struct admin_family *family,
                                 const struct admin_worker *workers, unsigned count,
                                 struct admin_histogram *out_histogram) {
    bool has_times = family->kind == METRIC_TIMES;
    *out_histogram = (struct admin_histogram){
        .bucket_count = (unsigned)(has_times ? METRICS_TIME_SLOTS : METRICS_SIZE_SLOTS) - 1,
        .bounds = has_times ? metrics_time_bounds : metrics_size_bounds,
    };
    for (unsigned i = 0; i < out_histogram->bucket_count; i++) {
        out_histogram->buckets[i] = admin_family_read(family, i, workers, count);
        out_histogram->total += out_histogram->buckets[i];
    }
    out_histogram->sum = admin_family_read(family, out_histogram->bucket_count, workers, count);
}
