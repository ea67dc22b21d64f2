// SPDX-License-Identifier: Apache-2.0
#include "worker/service.h"

#include <uv.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "origin/origin_pool.h"
#include "relay/relay.h"

struct service {
    struct generation *generation;
    struct loop *loop;
    struct origin_pool *pool;
    struct relay relay;
    struct loop_task end_task;
};

static void on_relay_ended(void *user);
static void end(struct loop_task *task);
static void on_pool_destroyed(void *user);

struct service *service_create(struct loop *loop, struct generation *generation,
                               struct push_memory *memory, void (*on_learned)(void *user),
                               void *user) {
    struct service *service = alloc_new(struct service);
    service->generation = generation_ref(generation);
    service->loop = loop;
    service->pool = origin_pool_create(loop, generation->config, generation->workers);
    service->end_task.run = end;
    relay_init(&service->relay, generation->config, generation->router, service->pool, memory);
    struct hash_key *key = &service->relay.random.key;
    ensure(uv_random(NULL, NULL, key, sizeof(*key), 0, NULL) == 0);
    service->relay.on_learned = on_learned;
    service->relay.user = user;
    return service;
}

struct handler service_handler(const struct service *service) {
    return service->relay.handler;
}

struct generation *service_generation(const struct service *service) {
    return service->generation;
}

void service_retire(struct service *take_service) {
    relay_retire(&take_service->relay, on_relay_ended, take_service);
}

// Perhaps inside the last exchange's end, which may still look at the configuration.
static void on_relay_ended(void *user) {
    struct service *service = user;
    loop_defer(service->loop, &service->end_task);
}

static void end(struct loop_task *task) {
    struct service *service = LIST_ENTRY(task, struct service, end_task);
    origin_pool_destroy(service->pool, on_pool_destroyed, service);
}

static void on_pool_destroyed(void *user) {
    struct service *service = user;
    generation_unref(&service->generation);
    free(service);
}
