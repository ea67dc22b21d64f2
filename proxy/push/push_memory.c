// SPDX-License-Identifier: Apache-2.0
#include "push/push_memory.h"

#include <inttypes.h>
#include <stdio.h>

static size_t put(char *text, size_t size, size_t length, const char *name, uint64_t count);

void push_memory_init(struct push_memory *memory, const struct push_learn_limits *limits,
                      uint64_t seed) {
    *memory = (struct push_memory){
        .seed = seed,
        .learn = push_learn_create(limits, seed),
        .behaviour = push_learn_behaviour_create(0, seed),
        .assets = push_assets_create(seed),
        .unfit = push_unfit_create(seed),
    };
}

void push_memory_finish(struct push_memory *memory) {
    push_learn_destroy(memory->learn);
    push_learn_behaviour_destroy(memory->behaviour);
    push_assets_destroy(memory->assets);
    push_unfit_destroy(memory->unfit);
    *memory = (struct push_memory){.seed = 0};
}

void push_memory_describe(const struct push_memory *memory, char *out_text, size_t size) {
    const struct push_counts *counts = &memory->counts;
    size_t length = 0;
    out_text[0] = '\0';
    for (unsigned i = 0; i < PUSH_REASON_COUNT; i++) {
        length = put(out_text, size, length, push_plan_reason_name((enum push_reason)i),
                     counts->outcomes[i]);
    }
    length = put(out_text, size, length, "hints_sent", counts->hints_sent);
    length = put(out_text, size, length, "resets", counts->resets);
    length = put(out_text, size, length, "taken_back", counts->taken_back);
    length = put(out_text, size, length, "ignored_elements", counts->ignored_elements);
    for (unsigned i = 0; i < PUSH_DIGEST_OUTCOME_COUNT; i++) {
        char name[32];
        snprintf(name, sizeof(name), "digest_%s",
                 push_digest_outcome_name((enum push_digest_outcome)i));
        length = put(out_text, size, length, name, counts->digests[i]);
    }
}

// The new length.
static size_t put(char *text, size_t size, size_t length, const char *name, uint64_t count) {
    if (count == 0 || length >= size) {
        return length;
    }
    int written = snprintf(text + length, size - length, " %s=%" PRIu64, name, count);
    return written > 0 ? length + (size_t)written : length;
}
