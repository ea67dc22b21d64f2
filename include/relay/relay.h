// SPDX-License-Identifier: Apache-2.0
// The handler that answers by asking an origin: the story of a request, in relay.c, in the order in
// which it happens. Pushes are carried out in relay_push.c.
// Owner: the worker. One thread. A relay belongs to one generation; exchanges keep the relay they
// started with. See also: http/exchange.h, origin/origin_call.h, push/push_plan.h.
#ifndef OUTRIDER_RELAY_RELAY_H
#define OUTRIDER_RELAY_RELAY_H

#include <stdint.h>

#include "config/config.h"
#include "config/router.h"
#include "http/exchange.h"
#include "origin/origin_pool.h"
#include "push/push_unfit.h"

struct relay {
    struct handler handler; // give this to the front
    const struct config *config;
    const struct router *router;
    struct origin_pool *pool;
    struct push_unfit *unfit; // URLs that must not be promised for a while
    uint64_t seed;            // random, for the diaries
    unsigned exchanges;       // in flight
};

// Everything is borrowed and must outlive the relay's exchanges.
void relay_init(struct relay *relay, const struct config *config, const struct router *router,
                struct origin_pool *pool, struct push_unfit *unfit, uint64_t seed);

#endif
