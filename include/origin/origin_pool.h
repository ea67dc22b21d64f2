// SPDX-License-Identifier: Apache-2.0
// Per worker: the connections to each origin, idle and busy, the limits, and the calls that wait
// for a connection. A connection returns to the pool only when the exchange on it ended cleanly on
// both sides; idle ones are closed before the usual origin closes them, and at once when it says
// anything. Owner: the worker. One thread. See also: origin/origin_call.h, which is the way in.
#ifndef OUTRIDER_ORIGIN_ORIGIN_POOL_H
#define OUTRIDER_ORIGIN_ORIGIN_POOL_H

#include <stdint.h>

#include "config/config.h"

struct loop;
struct origin_pool;

// Borrows the config. The limits of each origin are divided by the number of workers.
struct origin_pool *origin_pool_create(struct loop *loop, const struct config *config,
                                       unsigned workers);
// No call may be in flight. Idle connections are closed; the pool frees itself when the last one
// is, and needs its configuration no more: then on_destroyed (may be NULL). A NULL pool is fine.
void origin_pool_destroy(struct origin_pool *take_pool, void (*on_destroyed)(void *user),
                         void *user);

struct origin_pool_counts {
    unsigned idle, busy, dialing;
    unsigned held;    // back for a moment, until the origin has answered others
    unsigned waiting; // in line: all connections are in use
};
struct origin_pool_counts origin_pool_counts(const struct origin_pool *pool);

#endif
