// SPDX-License-Identifier: Apache-2.0
#include "worker/worker.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/ensure.h"
#include "front/access_log.h"
#include "front/front.h"
#include "net/listener.h"
#include "origin/origin_pool.h"
#include "relay/relay.h"

struct worker {
    struct worker_options options;
    uv_thread_t thread;
    struct loop loop;
    struct front front;
    struct relay relay;
    struct origin_pool *pool;
    struct push_unfit *unfit;
    struct access_log *access_log;
    struct listener **listeners;
    bool is_draining;
    uv_mutex_t end_lock; // protects has_ended
    bool has_ended;      // the loop takes no more posts
};

static void run(void *argument);
static void open_listeners(struct worker *worker);
static struct front_limits front_limits_of(const struct config *config, unsigned workers);
static bool is_trusted(const void *user, const uint8_t address[16]);
static void on_accept(void *user, struct conn *take_conn);
static void post(struct worker *worker, void (*function)(void *argument));
static void end_posts(struct worker *worker);
static void drain(void *argument);
static void on_drained(void *user);
static void abort_all(void *argument);

struct worker *worker_create(const struct worker_options *options) {
    struct worker *worker = alloc_new(struct worker);
    worker->options = *options;
    loop_init(&worker->loop); // before the thread, so that posts find it
    ensure(uv_mutex_init(&worker->end_lock) == 0);
    int failed = uv_thread_create(&worker->thread, run, worker);
    if (failed != 0) {
        alloc_fail(0);
    }
    return worker;
}

static void run(void *argument) {
    struct worker *worker = argument;
    const struct generation *generation = worker->options.generation;
    const struct config *config = generation->config;
    struct loop *loop = &worker->loop;
    struct front_limits limits = front_limits_of(config, generation->workers);
    worker->pool = origin_pool_create(loop, config, generation->workers);
    worker->unfit = push_unfit_create(worker->options.seed);
    relay_init(&worker->relay, config, generation->router, worker->pool, worker->unfit,
               worker->options.seed);
    front_init(&worker->front, loop, &limits);
    worker->front.handler = worker->relay.handler;
    worker->front.is_trusted = is_trusted;
    worker->front.is_trusted_user = config;
    if (worker->options.access_sink != NULL) {
        enum access_log_format format =
            config->log.format == CONFIG_LOG_JSON ? ACCESS_LOG_JSON : ACCESS_LOG_TEXT;
        worker->access_log = access_log_create(loop, worker->options.access_sink, format);
        worker->front.access_log = worker->access_log;
    }
    open_listeners(worker);
    loop_run(loop);
    end_posts(worker);
    loop_finish(loop);
    ensure(worker->relay.exchanges == 0);
    push_unfit_destroy(worker->unfit);
    free(worker->listeners);
    arena_finish_thread();
    worker->options.on_ended(worker->options.user);
}

static void open_listeners(struct worker *worker) {
    struct generation *generation = worker->options.generation;
    size_t count = generation->config->listener_count;
    worker->listeners = alloc_zeroed(count, sizeof(worker->listeners[0]));
    for (size_t i = 0; i < count; i++) {
        int *fd = &generation->sockets[i * generation->workers + worker->options.index];
        worker->listeners[i] =
            listener_open(&worker->loop, *fd, generation->tls[i], on_accept, worker);
        *fd = -1;
    }
}

static struct front_limits front_limits_of(const struct config *config, unsigned workers) {
    const struct config_limits *limits = &config->limits;
    const struct config_timeouts *timeouts = &config->timeouts;
    unsigned connections = limits->connections / workers;
    return (struct front_limits){
        .head_bytes = limits->head_bytes,
        .head_fields = limits->head_fields,
        .field_bytes = limits->field_bytes,
        .cookie_crumbs = limits->cookie_crumbs,
        .cookie_bytes = limits->cookie_bytes,
        .uri_bytes = limits->uri_bytes,
        .body_bytes = limits->body_bytes,
        .streams = limits->streams,
        .connections = connections > 0 ? connections : 1,
        .handshake_ms = timeouts->handshake_ms,
        .head_ms = timeouts->head_ms,
        .body_ms = timeouts->body_ms,
        .idle_ms = timeouts->idle_ms,
        .write_ms = timeouts->write_ms,
    };
}

static bool is_trusted(const void *user, const uint8_t address[16]) {
    return config_is_trusted(user, address);
}

static void on_accept(void *user, struct conn *take_conn) {
    struct worker *worker = user;
    front_accept(&worker->front, take_conn);
}

// --- the end -------------------------------------------------------------------------------------

void worker_drain(struct worker *worker) {
    post(worker, drain);
}

void worker_abort(struct worker *worker) {
    post(worker, abort_all);
}

// A worker that has nothing left ends by itself while others still drain.
static void post(struct worker *worker, void (*function)(void *argument)) {
    uv_mutex_lock(&worker->end_lock);
    if (!worker->has_ended) {
        loop_post(&worker->loop, function, worker);
    }
    uv_mutex_unlock(&worker->end_lock);
}

static void end_posts(struct worker *worker) {
    uv_mutex_lock(&worker->end_lock);
    worker->has_ended = true;
    uv_mutex_unlock(&worker->end_lock);
}

static void drain(void *argument) {
    struct worker *worker = argument;
    if (worker->is_draining) {
        return;
    }
    worker->is_draining = true;
    size_t count = worker->options.generation->config->listener_count;
    for (size_t i = 0; i < count; i++) {
        listener_close(worker->listeners[i], NULL);
    }
    front_drain(&worker->front, on_drained, worker);
}

static void abort_all(void *argument) {
    struct worker *worker = argument;
    drain(worker);
    front_abort_all(&worker->front);
}

static void on_drained(void *user) {
    struct worker *worker = user;
    front_finish(&worker->front);
    access_log_destroy(worker->access_log);
    origin_pool_destroy(worker->pool);
    loop_stop(&worker->loop);
}

void worker_join(struct worker *worker) {
    uv_thread_join(&worker->thread);
    uv_mutex_destroy(&worker->end_lock);
    free(worker);
}
