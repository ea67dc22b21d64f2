// SPDX-License-Identifier: Apache-2.0
#include "push/push_memory.h"

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
