// SPDX-License-Identifier: Apache-2.0
// What one worker has of one generation: connections to its origins and the relay that uses them.
// A reload gives the worker another service; exchanges end on the one that they began with.
// Owner: the worker, until it retires it. One thread. States: serving, retired, gone.
#ifndef OUTRIDER_WORKER_SERVICE_H
#define OUTRIDER_WORKER_SERVICE_H

#include "http/exchange.h"
#include "net/loop.h"
#include "push/push_memory.h"
#include "worker/generation.h"

struct service;

// Takes a reference to the generation; borrows the memory. `on_learned` as in relay/relay.h.
struct service *service_create(struct loop *loop, struct generation *generation,
                               struct push_memory *memory, void (*on_learned)(void *user),
                               void *user);
struct handler service_handler(const struct service *service);
struct generation *service_generation(const struct service *service);
// No more exchanges begin; it goes, with its hold on the generation, when the last one is over.
void service_retire(struct service *take_service);

#endif
