// SPDX-License-Identifier: Apache-2.0
// What a worker remembers between requests so that hints and pushes are early and not wasted: pages
// (by Link, by behaviour), resources, and URLs not fit to be pushed. It outlives the configuration.
// Owner: the worker. One thread. See also: relay/relay.h.
#ifndef OUTRIDER_PUSH_PUSH_MEMORY_H
#define OUTRIDER_PUSH_PUSH_MEMORY_H

#include <stdint.h>

#include "push/push_assets.h"
#include "push/push_cache_digest.h"
#include "push/push_digest.h"
#include "push/push_learn.h"
#include "push/push_learn_behaviour.h"
#include "push/push_plan.h"
#include "push/push_unfit.h"

struct push_counts {
    uint64_t outcomes[PUSH_REASON_COUNT]; // of candidates
    uint64_t hints_sent;                  // 103s, whoever made them
    uint64_t resets;                      // promises that the client refused
    uint64_t taken_back;                  // promises whose response was not fit to be pushed
    uint64_t ignored_elements;            // of Link fields, beyond the limits
    uint64_t digests[PUSH_DIGEST_OUTCOME_COUNT];
};

struct push_memory {
    uint64_t seed;                     // random, the same for all workers
    struct push_digest_key digest_key; // likewise
    push_sha256_fn *sha256;
    struct push_learn *learn;
    struct push_learn_behaviour *behaviour;
    struct push_assets *assets;
    struct push_unfit *unfit;
    struct push_counts counts;
};

// `limits` of the learned table. The key and the hash function are the caller's to set.
void push_memory_init(struct push_memory *memory, const struct push_learn_limits *limits,
                      uint64_t seed);
void push_memory_finish(struct push_memory *memory);
// What isn't zero of the counts, by name: " promised=3 hinted=2". Cut when it doesn't fit.
void push_memory_describe(const struct push_memory *memory, char *out_text, size_t size);

#endif
