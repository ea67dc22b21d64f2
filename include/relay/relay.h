// SPDX-License-Identifier: Apache-2.0
// The handler that answers by asking an origin: the story of a request, in relay.c, in the order in
// which it happens. Its siblings carry out what push/ decides: relay_push.c promises, relay_hint.c
// sends 103s, relay_learn.c feeds and asks the memory, relay_visitor.c knows who has it already,
// relay_trace.c gives requests their names.
// Owner: the worker. One thread. A relay belongs to one generation; exchanges keep the relay they
// started with. See also: http/exchange.h, origin/origin_call.h, push/push_plan.h.
#ifndef OUTRIDER_RELAY_RELAY_H
#define OUTRIDER_RELAY_RELAY_H

#include <stdint.h>

#include "config/config.h"
#include "config/router.h"
#include "http/exchange.h"
#include "http/trace.h"
#include "origin/origin_pool.h"
#include "push/push_memory.h"
#include "push/push_plan.h"

struct relay {
    struct handler handler; // give this to the front
    const struct config *config;
    const struct router *router;
    struct origin_pool *pool;
    struct push_memory *memory;
    bool has_cookie;              // some route sets the cookie that tells who has what
    bool notes_assets;            // some route needs to know what is known of resources
    struct trace_random random;   // its key is the owner's to set
    unsigned exchanges;           // in flight
    void (*on_ended)(void *user); // once retired
    void *ended_user;
    // The memory has records for other workers. May be NULL; called inside a callback of an
    // exchange.
    void (*on_learned)(void *user);
    // One exchange's plan at one moment, for people; NULL: nobody asks.
    void (*on_plan)(void *user, const struct exchange *x, enum push_moment moment,
                    const struct push_plan *plan);
    void *user;
};

// Everything is borrowed and must outlive the relay's exchanges.
void relay_init(struct relay *relay, const struct config *config, const struct router *router,
                struct origin_pool *pool, struct push_memory *memory);

// No more exchanges begin. on_ended when the last one is over: at once, or inside its end, so it
// only marks.
void relay_retire(struct relay *relay, void (*on_ended)(void *user), void *user);

#endif
