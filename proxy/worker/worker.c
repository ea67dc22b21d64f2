// SPDX-License-Identifier: Apache-2.0
#include "worker/worker.h"

#include <stdio.h>

#include "admin/admin_hints.h"
#include "base/alloc.h"
#include "base/ensure.h"
#include "base/spare.h"
#include "front/front.h"
#include "net/listener.h"
#include "net/timer.h"
#include "net/tls_hash.h"
#include "push/push_learn_file.h"
#include "worker/logs.h"
#include "worker/service.h"

struct worker {
    struct worker_options options;
    uv_thread_t thread;
    struct loop loop;
    struct front front;
    struct service *service; // of the generation in force
    struct push_memory memory;
    struct timer share_timer;
    bool is_sharing; // the timer runs
    struct timer beat_timer;
    uint64_t beat_due_ms;
    atomic_uint_fast64_t beat_ms;
    struct access_log *access_log;
    struct listener **listeners;
    bool is_draining;
    uv_mutex_t end_lock; // protects has_ended
    bool has_ended;      // the loop takes no more posts
};

enum { SHARE_NOW_BYTES = PUSH_LEARN_OUTBOX_BYTES / 4, BEAT_MS = 1000 };

struct message { // to a worker
    struct worker *worker;
    struct generation *generation;
    struct buffer bytes; // records, or the argument of a question
    uint64_t id;
    enum admin_question question;
};

static void run(void *argument);
static void open_memory(struct worker *worker);
static void open_front(struct worker *worker);
static void serve(struct worker *worker, struct generation *generation);
static void switch_listeners(struct worker *worker, const struct generation *before,
                             struct generation *generation);
static void apply(void *argument);
static struct front_limits front_limits_of(const struct config *config, unsigned workers);
static bool is_trusted(const void *user, const uint8_t address[16]);
static void on_accept(void *user, struct conn *take_conn);
static void on_relay_learned(void *user);
static void on_share_timer(struct timer *timer);
static void share(struct worker *worker);
static void hear(void *argument);
static void save(void *argument);
static void answer(void *argument);
static void forget(struct worker *worker, struct slice page);
static void start_beat(struct worker *worker);
static void on_beat(struct timer *timer);
static bool post(struct worker *worker, void (*function)(void *argument), void *argument);
static void end_posts(struct worker *worker);
static void report(const struct worker *worker);
static void drain(void *argument);
static void on_drained(void *user);
static void abort_all(void *argument);

struct worker *worker_create(const struct worker_options *options) {
    struct worker *worker = alloc_new(struct worker);
    worker->options = *options;
    generation_ref(worker->options.generation); // until its service has one
    loop_init(&worker->loop);                   // before the thread, so that posts find it
    ensure(uv_mutex_init(&worker->end_lock) == 0);
    int failed = uv_thread_create(&worker->thread, run, worker);
    if (failed != 0) {
        alloc_fail(0);
    }
    return worker;
}

static void run(void *argument) {
    struct worker *worker = argument;
    struct loop *loop = &worker->loop;
    spare_open();
    loop_wake(loop);
    open_memory(worker);
    open_front(worker);
    start_beat(worker);
    serve(worker, worker->options.generation);
    generation_unref(&worker->options.generation);
    loop_run(loop);
    end_posts(worker);
    loop_finish(loop);
    report(worker);
    push_memory_finish(&worker->memory);
    free(worker->listeners);
    spare_close();
    worker->options.on_ended(worker->options.user);
}

static void open_memory(struct worker *worker) {
    const struct generation *generation = worker->options.generation;
    const struct config_learned *learned = &generation->config->learned;
    const struct push_learn_limits limits = {.pages = learned->pages,
                                             .page_bytes = (uint32_t)learned->page_bytes,
                                             .is_alone = generation->workers == 1};
    push_memory_init(&worker->memory, &limits, worker->options.seed, &worker->loop.metrics);
    worker->memory.sha256 = tls_hash_sha256;
    worker->memory.gauge = worker->options.memory;
    timer_init(&worker->share_timer, &worker->loop, on_share_timer);
    const struct clock *clock = &worker->loop.clock;
    struct push_learn_file_error error; // the server has looked at it
    if (worker->options.learned.length > 0) {
        push_learn_file_load(worker->memory.learn, worker->options.learned, clock->now_ms,
                             clock->wall_ms, &error);
    }
}

static void open_front(struct worker *worker) {
    const struct generation *generation = worker->options.generation;
    const struct config *config = generation->config;
    const struct front_limits limits = front_limits_of(config, generation->workers);
    front_init(&worker->front, &worker->loop, &limits);
    worker->front.is_trusted = is_trusted;
    worker->front.seed = worker->options.seed;
    worker->front.memory = worker->options.memory;
    worker->access_log = access_log_create(&worker->loop, worker->options.access_sink);
}

// --- a generation -------------------------------------------------------------------------------

void worker_apply(struct worker *worker, struct generation *generation) {
    struct message *message = alloc_new(struct message);
    message->worker = worker;
    message->generation = generation_ref(generation);
    if (!post(worker, apply, message)) {
        generation_unref(&message->generation);
        free(message);
    }
}

static void apply(void *argument) {
    struct message *message = argument;
    if (!message->worker->is_draining) {
        serve(message->worker, message->generation);
    }
    generation_unref(&message->generation);
    free(message);
}

// The one place where the generation changes.
static void serve(struct worker *worker, struct generation *generation) {
    struct service *before = worker->service;
    worker->service =
        service_create(&worker->loop, generation, &worker->memory, on_relay_learned, worker);
    worker->memory.digest_key = generation->digest_key;
    worker->front.handler = service_handler(worker->service);
    worker->front.limits = front_limits_of(generation->config, generation->workers);
    worker->front.access_log = logs_configure(worker->access_log, generation->config);
    worker->front.is_trusted_user = generation->config;
    switch_listeners(worker, before != NULL ? service_generation(before) : NULL, generation);
    if (before != NULL) {
        service_retire(before);
    }
}

static void switch_listeners(struct worker *worker, const struct generation *before,
                             struct generation *generation) {
    size_t count = generation->config->listener_count;
    struct listener **listeners = alloc_zeroed(count, sizeof(listeners[0]));
    for (size_t i = 0; i < count; i++) {
        size_t old = generation->previous[i];
        int *fd = &generation->sockets[i * generation->workers + worker->options.index];
        if (old == SIZE_MAX) {
            listeners[i] = listener_open(&worker->loop, *fd, generation->tls[i], on_accept, worker);
            *fd = -1;
        } else {
            listeners[i] = worker->listeners[old];
            worker->listeners[old] = NULL;
            listener_set_tls(listeners[i], generation->tls[i]);
        }
    }
    for (size_t i = 0; before != NULL && i < before->config->listener_count; i++) {
        if (worker->listeners[i] != NULL) {
            listener_close(worker->listeners[i], NULL);
        }
    }
    free(worker->listeners);
    worker->listeners = listeners;
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
        .address_share = limits->address_share,
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

// --- what is learned ----------------------------------------------------------------------------

static void on_relay_learned(void *user) {
    struct worker *worker = user;
    if (push_learn_record_bytes_waiting(worker->memory.learn) >= SHARE_NOW_BYTES) {
        share(worker); // many pages at once, as after a start: there is no room to wait
    } else if (!worker->is_sharing) {
        worker->is_sharing = true;
        timer_start(&worker->share_timer, PUSH_LEARN_SHARE_MS);
    }
}

static void on_share_timer(struct timer *timer) {
    struct worker *worker = LIST_ENTRY(timer, struct worker, share_timer);
    worker->is_sharing = false;
    share(worker);
}

static void share(struct worker *worker) {
    struct buffer records = {0};
    if (push_learn_take_records(worker->memory.learn, &records)) {
        worker->options.on_records(worker->options.user, worker->options.index, &records);
    }
    buffer_finish(&records);
}

void worker_tell(struct worker *worker, struct slice records) {
    struct message *message = alloc_new(struct message);
    message->worker = worker;
    buffer_append_slice(&message->bytes, records);
    if (!post(worker, hear, message)) {
        buffer_finish(&message->bytes);
        free(message);
    }
}

static void hear(void *argument) {
    struct message *message = argument;
    struct worker *worker = message->worker;
    if (!push_learn_apply(worker->memory.learn, buffer_peek(&message->bytes),
                          worker->loop.clock.now_ms)) {
        log_error("worker", "-", "records of another worker are damaged");
    }
    buffer_finish(&message->bytes);
    free(message);
}

void worker_save(struct worker *worker) {
    post(worker, save, worker);
}

static void save(void *argument) {
    struct worker *worker = argument;
    if (worker->service == NULL ||
        service_generation(worker->service)->config->learned.file == NULL) {
        return;
    }
    const struct clock *clock = &worker->loop.clock;
    struct buffer text = {0};
    push_learn_file_save(worker->memory.learn, clock->now_ms, clock->wall_ms, &text);
    worker->options.on_learned(worker->options.user, &text);
    buffer_finish(&text);
}

// --- what operators ask -------------------------------------------------------------------------

bool worker_ask(struct worker *worker, uint64_t id, enum admin_question question,
                struct slice argument) {
    struct message *message = alloc_new(struct message);
    message->worker = worker;
    message->id = id;
    message->question = question;
    buffer_append_slice(&message->bytes, argument);
    if (!post(worker, answer, message)) {
        buffer_finish(&message->bytes);
        free(message);
        return false;
    }
    return true;
}

static void answer(void *argument) {
    struct message *message = argument;
    struct worker *worker = message->worker;
    struct buffer report = {0};
    switch (message->question) {
    case ADMIN_ASK_PAGES:
        push_ledger_copy(worker->memory.ledger, &report);
        break;
    case ADMIN_ASK_HINTS:
        admin_hints_write(&worker->memory, worker->loop.clock.now_ms, &report);
        break;
    case ADMIN_DO_FORGET:
        forget(worker, buffer_peek(&message->bytes));
        break;
    case ADMIN_DO_RELOAD:
    case ADMIN_DO_DRAIN:
    case ADMIN_DO_LEVEL:
        break; // the server's
    }
    worker->options.on_report(worker->options.user, message->id, &report);
    buffer_finish(&report);
    buffer_finish(&message->bytes);
    free(message);
}

// "example.org/path", or nothing: all pages. What the other workers were not told yet would bring
// it back to them; they hear of the rest when it is seen again.
static void forget(struct worker *worker, struct slice page) {
    struct buffer untold = {0};
    push_learn_take_records(worker->memory.learn, &untold);
    buffer_finish(&untold);
    size_t slash = slice_find(page, '/');
    struct slice authority = slice_first(page, slash);
    struct slice path = slice_skip(page, slash);
    push_learn_forget(worker->memory.learn, authority, path);
    push_learn_behaviour_forget(worker->memory.behaviour, authority, path);
}

static void start_beat(struct worker *worker) {
    timer_init(&worker->beat_timer, &worker->loop, on_beat);
    on_beat(&worker->beat_timer);
}

static void on_beat(struct timer *timer) {
    struct worker *worker = LIST_ENTRY(timer, struct worker, beat_timer);
    uint64_t now = worker->loop.clock.now_ms;
    if (worker->beat_due_ms != 0) {
        metrics_observe_ms(&worker->loop.metrics, LOOP_LAG,
                           now > worker->beat_due_ms ? now - worker->beat_due_ms : 0);
    }
    push_memory_publish(&worker->memory);
    spare_tend();
    atomic_store_explicit(&worker->beat_ms, now, memory_order_relaxed);
    worker->beat_due_ms = now + BEAT_MS;
    timer_start(timer, BEAT_MS);
}

const struct metrics *worker_metrics(const struct worker *worker) {
    return &worker->loop.metrics;
}

uint64_t worker_beat_ms(const struct worker *worker) {
    return atomic_load_explicit(&worker->beat_ms, memory_order_relaxed);
}

// --- the end -------------------------------------------------------------------------------------

void worker_drain(struct worker *worker) {
    post(worker, drain, worker);
}

void worker_abort(struct worker *worker) {
    post(worker, abort_all, worker);
}

// False when the worker has ended: one that has nothing left ends by itself while others drain.
static bool post(struct worker *worker, void (*function)(void *argument), void *argument) {
    uv_mutex_lock(&worker->end_lock);
    bool is_there = !worker->has_ended;
    if (is_there) {
        loop_post(&worker->loop, function, argument);
    }
    uv_mutex_unlock(&worker->end_lock);
    return is_there;
}

// Nor is it missed: while others drain for long, nobody may take it for dead.
static void end_posts(struct worker *worker) {
    uv_mutex_lock(&worker->end_lock);
    worker->has_ended = true;
    uv_mutex_unlock(&worker->end_lock);
    atomic_store_explicit(&worker->beat_ms, UINT64_MAX, memory_order_relaxed);
}

static void report(const struct worker *worker) {
    const struct push_learn_stats *stats = push_learn_stats(worker->memory.learn);
    log_info("worker", "-",
             "ended index=%u pages_learned=%u pages_evicted=%llu hints_dropped=%llu "
             "records_lost=%llu",
             worker->options.index, stats->confirmed, (unsigned long long)stats->evicted,
             (unsigned long long)stats->dropped_bad, (unsigned long long)stats->records_lost);
}

static void drain(void *argument) {
    struct worker *worker = argument;
    if (worker->is_draining) {
        return;
    }
    worker->is_draining = true;
    size_t count = service_generation(worker->service)->config->listener_count;
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
    share(worker);
    save(worker);
    timer_close(&worker->share_timer, NULL);
    timer_close(&worker->beat_timer, NULL);
    atomic_store_explicit(&worker->beat_ms, UINT64_MAX, memory_order_relaxed); // over, not silent
    front_finish(&worker->front);
    access_log_destroy(worker->access_log);
    service_retire(worker->service);
    worker->service = NULL;
    loop_stop(&worker->loop);
}

void worker_join(struct worker *worker) {
    uv_thread_join(&worker->thread);
    uv_mutex_destroy(&worker->end_lock);
    free(worker);
}
