// SPDX-License-Identifier: Apache-2.0
// What a worker remembers between requests so that hints and pushes are early and not wasted: pages
// (by Link, by behaviour), resources, and URLs not fit to be pushed. It outlives the configuration.
// Owner: the worker. One thread. See also: relay/relay.h.
#ifndef OUTRIDER_PUSH_PUSH_MEMORY_H
#define OUTRIDER_PUSH_PUSH_MEMORY_H

#include <stdint.h>

#include "base/memory_gauge.h"
#include "base/metrics.h"
#include "push/push_assets.h"
#include "push/push_cache_digest.h"
#include "push/push_digest.h"
#include "push/push_learn.h"
#include "push/push_learn_behaviour.h"
#include "push/push_ledger.h"
#include "push/push_plan.h"
#include "push/push_unfit.h"

struct push_memory {
    uint64_t seed;                     // random, the same for all workers
    struct push_digest_key digest_key; // likewise
    push_sha256_fn *sha256;
    const struct memory_gauge *gauge; // while it says short nothing is learned or promised
    struct push_learn *learn;
    struct push_learn_behaviour *behaviour;
    struct push_assets *assets;
    struct push_unfit *unfit;
    struct push_ledger *ledger;
    struct metrics *metrics; // of the worker
};

// `limits` of the learned table. The key, the hash function and the gauge (borrowed, NULL: none)
// are the caller's to set.
void push_memory_init(struct push_memory *memory, const struct push_learn_limits *limits,
                      uint64_t seed, struct metrics *metrics);
void push_memory_finish(struct push_memory *memory);
// Once a second or so: numbers of the tables become metrics.
void push_memory_publish(const struct push_memory *memory);

#endif
