// SPDX-License-Identifier: Apache-2.0
#include "origin/origin_pool.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/log.h"
#include "origin_impl.h"

// How often idle connections and waiting calls are looked at while there are any.
enum { SWEEP_MS = 250, WARN_EVERY_MS = 10000 };

static void origin_init(struct origin *origin, struct origin_pool *pool,
                        const struct config_origin *config, unsigned workers);
static unsigned part(uint32_t whole, unsigned workers);
static bool may_begin(struct origin *origin);
static void hold(struct origin_call *call);
static void look_again(struct origin_pool *pool);
static void line_up(struct origin_call *call);
static void place(struct origin_call *call);
static void on_admission_task(struct loop_task *task);
static void on_admission_timer(struct timer *timer);
static void tend_admissions(struct origin_pool *pool);
static bool somebody_waits(const struct origin *origin);
static void admit_held(struct origin *origin);
static struct origin_call *first_held(const struct origin *origin);
static struct origin_call *first_of(const struct list *held);
static void let_in(struct origin_call *call);
static struct origin_conn *find_idle(struct origin_call *call);
static bool may_repeat(const struct origin_call *call);
static void begin(struct origin_call *call, struct origin_conn *idle);
static bool can_dial(const struct origin *origin, const struct origin_call *call);
static bool push_is_over_share(const struct origin *origin, const struct origin_call *call);
static void take(struct origin_call *call, struct origin_conn *oc);
static void dial(struct origin_call *call);
static void on_connected(void *user, struct conn *take_conn);
static void on_dial_failed(void *user, enum fault fault);
static void warn_unreachable(struct origin *origin, enum fault fault);
static void serve_waiting(struct origin *origin);
static void start_sweeping(struct origin_pool *pool);
static void on_sweep(struct timer *timer);
static bool sweep_origin(struct origin *origin, uint64_t now);
static void close_idle(struct origin_conn *oc);
static void on_timer_closed(struct timer *timer);
static void on_admission_timer_closed(struct timer *timer);
static void count_closed_timer(struct origin_pool *pool);
static void free_when_done(struct origin_pool *pool);

struct origin_pool *origin_pool_create(struct loop *loop, const struct config *config,
                                       unsigned workers) {
    struct origin_pool *pool = alloc_new(struct origin_pool);
    pool->loop = loop;
    pool->config = config;
    pool->reader_limits = (struct h1_reader_limits){
        .head_bytes = config->limits.response_head_bytes,
        .field_bytes = config->limits.response_head_bytes,
        .head_fields = config->limits.response_head_fields,
        .uri_bytes = config->limits.response_head_bytes,
        .cookie_crumbs = config->limits.response_head_fields,
        .cookie_bytes = config->limits.response_head_bytes,
        .interim_responses = config->limits.interim_responses,
        .interim_bytes = config->limits.interim_bytes,
        .chunk_extension_bytes = 16384,
    };
    pool->origin_count = config->origin_count;
    pool->origins = alloc_zeroed(config->origin_count, sizeof(struct origin));
    for (size_t i = 0; i < config->origin_count; i++) {
        origin_init(&pool->origins[i], pool, &config->origins[i], workers);
    }
    timer_init(&pool->sweep_timer, loop, on_sweep);
    timer_init(&pool->admission_timer, loop, on_admission_timer);
    pool->admission_task.run = on_admission_task;
    pool->open_timers = 2;
    return pool;
}

static void origin_init(struct origin *origin, struct origin_pool *pool,
                        const struct config_origin *config, unsigned workers) {
    origin->pool = pool;
    origin->config = config;
    origin->slot = metrics_name_slot(config->name);
    origin->max_connections = part(config->max_connections, workers);
    origin->max_idle = part(config->max_idle, workers);
    origin->max_waiting = part(config->max_waiting, workers);
    origin_admission_init(&origin->admission);
    list_init(&origin->held_pages);
    list_init(&origin->held_pushes);
    list_init(&origin->idle);
    list_init(&origin->waiting);
    list_init(&origin->paused);
}

static unsigned part(uint32_t whole, unsigned workers) {
    unsigned share = whole / workers;
    return share > 0 ? share : 1;
}

// --- a call asks for a connection ---------------------------------------------------------------

void origin_pool_ask(struct origin_call *call) {
    struct origin *origin = call->origin;
    unsigned count = origin->busy_count + origin->dialing_count + origin->held_count;
    if (may_begin(origin)) {
        place(call);
    } else if (count < origin->max_connections) { // each could have one
        hold(call);
    } else {
        line_up(call);
    }
}

// What was begun long ago may count as fresh still: nobody has looked since.
static bool may_begin(struct origin *origin) {
    struct origin_admission *admission = &origin->admission;
    if (origin->held_count == 0 && !origin_admission_is_open(admission)) {
        origin_admission_tend(admission, loop_now(origin->pool->loop), 0);
    }
    return origin->held_count == 0 && origin_admission_is_open(admission);
}

static void hold(struct origin_call *call) {
    struct origin *origin = call->origin;
    list_append(call->is_push ? &origin->held_pushes : &origin->held_pages, &call->held);
    call->held_ms = loop_now(origin->pool->loop);
    origin->held_count++;
    look_again(origin->pool);
}

static void look_again(struct origin_pool *pool) {
    if (pool->admission_timer.deadline_ms == 0) {
        timer_start(&pool->admission_timer, ORIGIN_ADMISSION_FRESH_MS);
    }
}

void origin_pool_note_answer(struct origin_call *call) {
    struct origin *origin = call->origin;
    origin_admission_answer(&origin->admission, &call->asked);
    if (somebody_waits(origin)) {
        loop_defer(origin->pool->loop, &origin->pool->admission_task);
    }
}

// At the end of a turn, when all that had come was read.
static void on_admission_task(struct loop_task *task) {
    tend_admissions(LIST_ENTRY(task, struct origin_pool, admission_task));
}

static void on_admission_timer(struct timer *timer) {
    struct origin_pool *pool = LIST_ENTRY(timer, struct origin_pool, admission_timer);
    loop_defer(pool->loop, &pool->admission_task);
}

static void tend_admissions(struct origin_pool *pool) {
    for (size_t i = 0; i < pool->origin_count; i++) {
        struct origin *origin = &pool->origins[i];
        if (somebody_waits(origin)) {
            admit_held(origin);
        }
        if (somebody_waits(origin)) {
            look_again(pool);
        }
    }
}

static bool somebody_waits(const struct origin *origin) {
    return origin->held_count > 0 || origin->waiting_count > 0;
}

static void admit_held(struct origin *origin) {
    struct loop *loop = origin->pool->loop;
    struct origin_call *call = first_held(origin);
    origin_admission_tend(&origin->admission, loop_now(loop), call != NULL ? call->held_ms : 0);
    serve_waiting(origin);
    for (; call != NULL && origin_admission_is_open(&origin->admission);
         call = first_held(origin)) {
        let_in(call);
        place(call);
    }
    serve_waiting(origin);
}

// Pages before pushes, but not for ever.
static struct origin_call *first_held(const struct origin *origin) {
    struct origin_call *page = first_of(&origin->held_pages);
    struct origin_call *push = first_of(&origin->held_pushes);
    bool is_late =
        push != NULL && page != NULL && push->held_ms + ORIGIN_ADMISSION_HELD_MS <= page->held_ms;
    return page == NULL || is_late ? push : page;
}

static struct origin_call *first_of(const struct list *held) {
    struct list_link *link = list_first(held);
    return link != NULL ? LIST_ENTRY(link, struct origin_call, held) : NULL;
}

static void let_in(struct origin_call *call) {
    if (list_link_is_in_list(&call->held)) {
        list_remove(&call->held);
        call->origin->held_count--;
    }
}

static void place(struct origin_call *call) {
    struct origin_conn *idle = find_idle(call);
    if (idle != NULL || can_dial(call->origin, call)) {
        begin(call, idle);
    } else {
        line_up(call);
    }
}

static void line_up(struct origin_call *call) {
    origin_line_enter(call);
    start_sweeping(call->origin->pool);
    look_again(call->origin->pool);
}

// Whatever has come on an idle connection, be it its end, comes before the request: a response
// among it would be taken for the answer. What was read in this turn was looked at a moment ago,
// which is enough for a request that can be sent again.
static struct origin_conn *find_idle(struct origin_call *call) {
    struct origin *origin = call->origin;
    if (call->is_retry || push_is_over_share(origin, call)) {
        return NULL;
    }
    LIST_EACH(&origin->idle, link) {
        struct origin_conn *oc = LIST_ENTRY(link, struct origin_conn, idle);
        if ((may_repeat(call) && conn_was_drained(oc->conn)) || conn_is_quiet(oc->conn)) {
            return oc;
        }
        close_idle(oc);
    }
    return NULL;
}

static bool may_repeat(const struct origin_call *call) {
    const struct request_head *head = call->head;
    return head->is_end &&
           (slice_equal(head->method, SLICE("GET")) || slice_equal(head->method, SLICE("HEAD")));
}

static void begin(struct origin_call *call, struct origin_conn *idle) {
    struct origin *origin = call->origin;
    struct loop *loop = origin->pool->loop;
    origin_admission_begin(&origin->admission, &call->asked, loop_precise_now(loop));
    if (idle != NULL) {
        take(call, idle);
    } else {
        dial(call);
    }
}

static bool can_dial(const struct origin *origin, const struct origin_call *call) {
    return origin->busy_count + origin->dialing_count < origin->max_connections &&
           !push_is_over_share(origin, call);
}

// Pushes may use a part of the connections only, so that they never stand in a page's way.
static bool push_is_over_share(const struct origin *origin, const struct origin_call *call) {
    return call->is_push && origin->push_count >= call->max_push;
}

static void take(struct origin_call *call, struct origin_conn *oc) {
    struct origin *origin = call->origin;
    origin_pool_remove(oc);
    origin->busy_count++;
    origin->push_count += call->is_push;
    origin_count(origin, BUSY, 1);
    origin_count(origin, REUSED, 1);
    origin_call_on_conn(call, oc);
}

static void dial(struct origin_call *call) {
    struct origin *origin = call->origin;
    const struct config_origin *config = origin->config;
    origin_call_set_state(call, ORIGIN_CALL_DIALING);
    origin->dialing_count++;
    origin->push_count += call->is_push;
    origin_count(origin, BUSY, 1);
    struct dialer_target target = {.is_unix = config->kind == CONFIG_ORIGIN_UNIX,
                                   .host = config->host,
                                   .port = config->port,
                                   .path = config->path};
    call->dialer = dialer_start(origin->pool->loop, &target, config->connect_ms, on_connected,
                                on_dial_failed, call);
}

static void on_connected(void *user, struct conn *take_conn) {
    struct origin_call *call = user;
    struct origin *origin = call->origin;
    call->dialer = NULL;
    origin->dialing_count--;
    origin->busy_count++;
    origin_count(origin, OPENED, 1);
    origin_call_on_conn(call, origin_conn_create(origin, take_conn));
}

static void on_dial_failed(void *user, enum fault fault) {
    struct origin_call *call = user;
    call->dialer = NULL;
    warn_unreachable(call->origin, fault);
    origin_call_fail(call, fault);
}

static void warn_unreachable(struct origin *origin, enum fault fault) {
    uint64_t now = loop_now(origin->pool->loop);
    if (origin->warned_ms == 0 || now - origin->warned_ms >= WARN_EVERY_MS) {
        origin->warned_ms = now;
        log_warn("origin_pool", origin->config->name, "%s fault=%s", fault_text(fault),
                 fault_name(fault));
    }
}

// --- the line ------------------------------------------------------------------------------------

void origin_pool_forget(struct origin_call *call) {
    struct origin *origin = call->origin;
    let_in(call);
    origin_line_leave(call);
    if (call->state == ORIGIN_CALL_DIALING) {
        if (call->dialer != NULL) {
            dialer_cancel(call->dialer);
            call->dialer = NULL;
        }
        origin->dialing_count--;
        origin->push_count -= call->is_push;
        origin_count(origin, BUSY, -1);
        serve_waiting(origin);
    }
}

void origin_pool_release(struct origin *origin, bool was_push) {
    origin->busy_count--;
    origin->push_count -= was_push;
    origin_count(origin, BUSY, -1);
    serve_waiting(origin);
}

static void serve_waiting(struct origin *origin) {
    LIST_EACH(&origin->waiting, link) {
        struct origin_call *call = LIST_ENTRY(link, struct origin_call, waiting);
        const struct origin_call *held = first_held(origin);
        if (!origin_admission_is_open(&origin->admission) ||
            (held != NULL && held->started_ms <= call->started_ms)) {
            return; // who is held back and came before has its turn first
        }
        struct origin_conn *idle = find_idle(call);
        if (idle == NULL && !can_dial(origin, call)) {
            return; // pushes stand behind the pages
        }
        origin_line_serve(call);
        begin(call, idle);
    }
}

// --- idle connections ----------------------------------------------------------------------------

void origin_pool_store(struct origin_conn *oc) {
    struct origin *origin = oc->origin;
    list_prepend(&origin->idle, &oc->idle);
    origin->idle_count++;
    origin_count(origin, IDLE, 1);
    if (origin->idle_count > origin->max_idle) {
        close_idle(LIST_ENTRY(list_last(&origin->idle), struct origin_conn, idle));
    }
    start_sweeping(origin->pool);
}

void origin_pool_remove(struct origin_conn *oc) {
    ensure(list_link_is_in_list(&oc->idle));
    list_remove(&oc->idle);
    oc->origin->idle_count--;
    origin_count(oc->origin, IDLE, -1);
}

static void close_idle(struct origin_conn *oc) {
    origin_pool_remove(oc);
    origin_conn_abandon(oc);
}

static void start_sweeping(struct origin_pool *pool) {
    if (pool->sweep_timer.deadline_ms == 0 && !pool->is_destroyed) {
        timer_start(&pool->sweep_timer, SWEEP_MS);
    }
}

static void on_sweep(struct timer *timer) {
    struct origin_pool *pool = LIST_ENTRY(timer, struct origin_pool, sweep_timer);
    uint64_t now = loop_now(pool->loop);
    bool has_more = false;
    for (size_t i = 0; i < pool->origin_count; i++) {
        has_more |= sweep_origin(&pool->origins[i], now);
    }
    if (has_more) {
        timer_start(timer, SWEEP_MS);
    }
}

static bool sweep_origin(struct origin *origin, uint64_t now) {
    LIST_EACH(&origin->idle, link) {
        struct origin_conn *oc = LIST_ENTRY(link, struct origin_conn, idle);
        if (now - oc->last_ms >= oc->idle_ms) {
            close_idle(oc);
        }
    }
    for (;;) { // the user may do anything inside fail, so look from the front each time
        struct origin_call *late = NULL;
        LIST_EACH(&origin->waiting, link) {
            struct origin_call *call = LIST_ENTRY(link, struct origin_call, waiting);
            if (now - call->started_ms >= origin->config->first_byte_ms) {
                late = call;
                break;
            }
        }
        if (late == NULL) {
            break;
        }
        origin_call_fail(late, FAULT_ORIGIN_BUSY);
    }
    origin_line_relieve(origin, now);
    return origin->idle_count > 0 || origin->waiting_count > 0;
}

// --- the end -------------------------------------------------------------------------------------

void origin_pool_destroy(struct origin_pool *take_pool, void (*on_destroyed)(void *user),
                         void *user) {
    struct origin_pool *pool = take_pool;
    if (pool == NULL) {
        return;
    }
    pool->is_destroyed = true;
    pool->on_destroyed = on_destroyed;
    pool->user = user;
    for (size_t i = 0; i < pool->origin_count; i++) {
        struct origin *origin = &pool->origins[i];
        ensure(origin->busy_count == 0 && origin->dialing_count == 0);
        ensure(origin->waiting_count == 0 && origin->held_count == 0);
        LIST_EACH(&origin->idle, link) {
            close_idle(LIST_ENTRY(link, struct origin_conn, idle));
        }
    }
    loop_cancel(&pool->admission_task);
    timer_close(&pool->sweep_timer, on_timer_closed);
    timer_close(&pool->admission_timer, on_admission_timer_closed);
}

void origin_pool_on_conn_freed(struct origin_pool *pool) {
    pool->open_conns--;
    free_when_done(pool);
}

static void on_timer_closed(struct timer *timer) {
    count_closed_timer(LIST_ENTRY(timer, struct origin_pool, sweep_timer));
}

static void on_admission_timer_closed(struct timer *timer) {
    count_closed_timer(LIST_ENTRY(timer, struct origin_pool, admission_timer));
}

static void count_closed_timer(struct origin_pool *pool) {
    pool->open_timers--;
    free_when_done(pool);
}

static void free_when_done(struct origin_pool *pool) {
    if (pool->is_destroyed && pool->open_timers == 0 && pool->open_conns == 0) {
        void (*on_destroyed)(void *user) = pool->on_destroyed;
        void *user = pool->user;
        free(pool->origins);
        free(pool);
        if (on_destroyed != NULL) {
            on_destroyed(user);
        }
    }
}

struct origin_pool_counts origin_pool_counts(const struct origin_pool *pool) {
    struct origin_pool_counts counts = {0};
    for (size_t i = 0; i < pool->origin_count; i++) {
        const struct origin *origin = &pool->origins[i];
        counts.idle += origin->idle_count;
        counts.busy += origin->busy_count;
        counts.dialing += origin->dialing_count;
        counts.held += origin->held_count;
        counts.waiting += origin->waiting_count;
    }
    return counts;
}
