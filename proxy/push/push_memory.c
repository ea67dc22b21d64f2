// SPDX-License-Identifier: Apache-2.0
#include "push/push_memory.h"

void push_memory_init(struct push_memory *memory, const struct push_learn_limits *limits,
                      uint64_t seed, struct metrics *metrics) {
    *memory = (struct push_memory){
        .seed = seed,
        .learn = push_learn_create(limits, seed),
        .behaviour = push_learn_behaviour_create(0, seed),
        .assets = push_assets_create(seed),
        .unfit = push_unfit_create(seed),
        .ledger = push_ledger_create(seed),
        .metrics = metrics,
    };
}

void push_memory_finish(struct push_memory *memory) {
    push_learn_destroy(memory->learn);
    push_learn_behaviour_destroy(memory->behaviour);
    push_assets_destroy(memory->assets);
    push_unfit_destroy(memory->unfit);
    push_ledger_destroy(memory->ledger);
    *memory = (struct push_memory){.seed = 0};
}

void push_memory_publish(const struct push_memory *memory) {
    const struct push_learn_stats *stats = push_learn_stats(memory->learn);
    metrics_set(memory->metrics, LEARNED_PAGES, 0, stats->confirmed);
    metrics_set(memory->metrics, LEARNED_EVICTED, 0, stats->evicted);
    metrics_set(memory->metrics, LEARNED_DROPPED, 0, stats->dropped_bad);
    metrics_set(memory->metrics, RECORDS_LOST, 0, stats->records_lost);
}
