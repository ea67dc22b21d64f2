// SPDX-License-Identifier: Apache-2.0
// `outrider health`: asks the running outrider's admin listener whether it is ready, for probes of
// images that have neither shell nor curl. Blocks, at most for its timeout. Main thread.
#ifndef OUTRIDER_WORKER_HEALTH_H
#define OUTRIDER_WORKER_HEALTH_H

#include <stdint.h>

#include "config/config.h"

struct health_options {
    struct config_endpoint place;
    bool is_live_enough; // ask /live, not /ready
    uint64_t timeout_ms;
};

// Prints the answer to stdout, or to stderr why there is none. 0: it said 200; else 1.
int health_ask(const struct health_options *options);

#endif
