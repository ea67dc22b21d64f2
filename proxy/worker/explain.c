// SPDX-License-Identifier: Apache-2.0
#include "worker/explain.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/ensure.h"
#include "base/log.h"
#include "explain_impl.h"
#include "http/forward.h"
#include "net/loop.h"
#include "net/tls_hash.h"
#include "push/push_learn_file.h"
#include "relay/relay.h"
#include "worker/file.h"

enum { EXIT_EXPLAINED = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { ROOM_BYTES = 64 * 1024, MAX_KEY_BYTES = 4096 };
#define MAX_STATE_BYTES (4ULL << 30)

// A worker of one exchange, with this in the place of its front.
struct asker {
    struct explanation *out;
    const struct config *config;
    struct router *router;
    struct loop loop;
    struct origin_pool *pool;
    struct push_memory memory;
    struct relay relay;
    struct client client;
    struct request_head request;
    struct exchange *exchange;
    struct loop_task end;
    unsigned promised;
    bool has_hinted; // a 103 went out
    bool is_done;    // nothing more is looked at
};

static int ask(struct asker *asker, const struct explain_options *options);
static bool read_question(struct asker *asker, const struct explain_options *options);
static bool read_url(const char *text, struct explanation *out);
static void judge_client(struct asker *asker);
static void open_worker(struct asker *asker);
static void load_key(struct asker *asker);
static struct slice load_state(struct asker *asker);
static void look_up(struct asker *asker);
static void start(void *argument);
static void on_plan(void *user, const struct exchange *x, enum push_moment moment,
                    const struct push_plan *plan);
static struct exchange *on_promise(struct exchange *x, const struct request_head *request,
                                   struct priority priority);
static unsigned promise_room(const struct exchange *x);
static void on_interim(struct exchange *x, const struct response_head *head);
static void on_head(struct exchange *x, const struct response_head *head);
static void note_too_late(struct asker *asker);
static void on_body(struct exchange *x, struct slice bytes);
static size_t room(const struct exchange *x);
static void on_finish(struct exchange *x, const struct headers *trailers);
static void on_fail(struct exchange *x, enum fault fault);
static void on_consumed(struct exchange *x, size_t bytes);
static void finish(struct asker *asker);
static void on_end(struct loop_task *task);
static enum push_learn_reason find_learning(struct asker *asker);
static void close_worker(struct asker *asker);
static int report(const struct explanation *out);
static struct explain_step *add_step(struct asker *asker, enum explain_kind kind,
                                     enum push_moment moment);

static const struct exchange_front_ops front_ops = {
    .interim = on_interim,
    .head = on_head,
    .body = on_body,
    .finish = on_finish,
    .fail = on_fail,
    .promise = on_promise,
    .promise_room = promise_room,
    .consumed = on_consumed,
    .room = room,
};

int explain_run(const struct config *config, const struct explain_options *options) {
    struct explanation explanation = {.arena = arena_create()};
    struct asker asker = {.out = &explanation, .config = config, .router = router_create(config)};
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_ERROR); // what goes wrong at the origin is said once, here
    int code = ask(&asker, options);
    router_destroy(asker.router);
    arena_destroy(explanation.arena);
    return code;
}

static int ask(struct asker *asker, const struct explain_options *options) {
    struct explanation *out = asker->out;
    if (!read_question(asker, options)) {
        return EXIT_USAGE;
    }
    out->route = router_find(asker->router, asker->request.authority, asker->request.path);
    if (out->route == NULL) {
        fprintf(stderr, "outrider: %s: %s\n", fault_text(FAULT_NO_ROUTE), options->url);
        return EXIT_FAILED;
    }
    out->origin = &asker->config->origins[out->route->origin];
    judge_client(asker);
    open_worker(asker);
    loop_post(&asker->loop, start, asker);
    loop_run(&asker->loop);
    close_worker(asker);
    return report(out);
}

// --- the question -------------------------------------------------------------------------------

static bool read_question(struct asker *asker, const struct explain_options *options) {
    struct explanation *out = asker->out;
    if (!read_url(options->url, out)) {
        fprintf(stderr, "outrider: not an absolute http or https URL: %s\n", options->url);
        return false;
    }
    struct raw_request raw = {.method = SLICE("GET"),
                              .scheme = out->page.scheme,
                              .authority = out->page.authority,
                              .path = out->page.path,
                              .is_end = true,
                              .protocol = PROTOCOL_HTTP_2};
    out->client_name = slice_of_text(options->client);
    headers_init(&raw.headers, out->arena);
    if (!explain_client_read(options->client, &raw.headers, &out->takes_push)) {
        return false;
    }
    enum fault fault = forward_check_request(&raw, out->arena, &asker->request);
    if (fault != FAULT_NONE) {
        fprintf(stderr, "outrider: such a request is refused: %s\n", fault_text(fault));
        return false;
    }
    out->page.path = asker->request.path;
    return true;
}

// Without a base nothing relative can be resolved.
static bool read_url(const char *text, struct explanation *out) {
    const struct url base = {SLICE_EMPTY, SLICE_EMPTY, SLICE("/")};
    return url_resolve(&base, slice_of_text(text), out->arena, &out->page) == URL_OTHER_SITE;
}

static void judge_client(struct asker *asker) {
    struct explanation *out = asker->out;
    const struct headers *headers = &asker->request.headers;
    push_hint_read_client(&asker->request, &out->route->hint, PROTOCOL_HTTP_2, &out->hint_client);
    out->has_proxy = headers_has(headers, HEADER_VIA) || headers_has(headers, HEADER_FORWARDED) ||
                     headers_has(headers, HEADER_X_FORWARDED_FOR);
    out->is_trusted_proxy = out->has_proxy && asker->config->trusted_count > 0;
    asker->client = (struct client){
        .address = SLICE("127.0.0.1"),
        .protocol = PROTOCOL_HTTP_2,
        .is_tls = slice_equal(out->page.scheme, SLICE("https")),
        .is_trusted_proxy = !out->has_proxy || out->is_trusted_proxy,
        .id = 1,
    };
}

// --- what a worker has --------------------------------------------------------------------------

static void open_worker(struct asker *asker) {
    const struct config *config = asker->config;
    const struct push_learn_limits limits = {.pages = config->learned.pages,
                                             .page_bytes = (uint32_t)config->learned.page_bytes,
                                             .is_alone = true};
    loop_init(&asker->loop);
    asker->end.run = on_end;
    asker->pool = origin_pool_create(&asker->loop, config, 1);
    push_memory_init(&asker->memory, &limits, 1, &asker->loop.metrics);
    asker->memory.sha256 = tls_hash_sha256;
    load_key(asker);
    asker->out->state = load_state(asker);
    look_up(asker);
    relay_init(&asker->relay, config, asker->router, asker->pool, &asker->memory);
    struct hash_key *key = &asker->relay.random.key;
    ensure(uv_random(NULL, NULL, key, sizeof(*key), 0, NULL) == 0);
    asker->relay.on_plan = on_plan;
    asker->relay.user = asker;
}

// Without the file's key nobody's cookie can be read, as in a process that has just started.
static void load_key(struct asker *asker) {
    struct push_digest_key *key = &asker->memory.digest_key;
    const char *path = asker->config->digest.key_file;
    struct buffer text = {0};
    push_digest_key_from_bytes((const unsigned char[16]){0}, key);
    if (path != NULL && file_read(path, MAX_KEY_BYTES, &text)) {
        push_digest_key_from_text(slice_trim(buffer_peek(&text)), key);
    }
    buffer_finish(&text);
}

// Unlike the server's reading: a damaged file stays where it is.
static struct slice load_state(struct asker *asker) {
    struct arena *arena = asker->out->arena;
    const char *path = asker->config->learned.file;
    const struct clock *clock = &asker->loop.clock;
    if (path == NULL) {
        return SLICE("no state file is configured");
    }
    struct buffer text = {0};
    struct push_learn_file_error error;
    struct slice said;
    if (!file_read(path, MAX_STATE_BYTES, &text)) {
        said = errno == ENOENT ? arena_printf(arena, "there is no %s yet", path)
                               : arena_printf(arena, "%s can't be read: %s", path, strerror(errno));
    } else if (push_learn_file_load(asker->memory.learn, buffer_peek(&text), clock->now_ms,
                                    clock->wall_ms, &error)) {
        said = arena_printf(arena, "from %s", path);
    } else {
        said = arena_printf(arena, "%s is damaged: line %zu: %s", path, error.line, error.reason);
    }
    buffer_finish(&text);
    return said;
}

// As it was before this request.
static void look_up(struct asker *asker) {
    struct explanation *out = asker->out;
    const struct config_learn *learn = &out->route->learn;
    const struct push_learn_policy policy = {.with_query = learn->with_query,
                                             .with_private = learn->with_private};
    struct push_learn_key key;
    out->may_be_known = push_learn_rules_key(&asker->request, &policy, &key);
    out->is_known = learn->is_on && out->may_be_known &&
                    push_learn_look(asker->memory.learn, &key, loop_now(&asker->loop), &out->known);
}

// --- the exchange -------------------------------------------------------------------------------

static void start(void *argument) {
    struct asker *asker = argument;
    struct exchange *x = exchange_create(&front_ops, asker);
    asker->exchange = x;
    x->client = &asker->client;
    x->clock = &asker->loop.clock;
    x->request = asker->request;
    x->stream_id = 1;
    add_step(asker, EXPLAIN_MOMENT, PUSH_AT_REQUEST);
    exchange_start(x, asker->relay.handler);
}

static void on_plan(void *user, const struct exchange *x, enum push_moment moment,
                    const struct push_plan *plan) {
    struct asker *asker = user;
    struct explanation *out = asker->out;
    (void)x;
    if (asker->is_done) { // events of a running response
        return;
    }
    if (moment != PUSH_AT_REQUEST) {
        add_step(asker, EXPLAIN_MOMENT, moment);
    }
    for (size_t i = 0; i < plan->row_count; i++) {
        struct explain_step *step = add_step(asker, EXPLAIN_ROW, moment);
        step->row = plan->rows[i];
        step->row.target = arena_copy(out->arena, plan->rows[i].target);
    }
    out->ignored_elements += plan->ignored_elements;
}

// The rows have said it; the origin is asked for the page alone. The relay counts what was made,
// and the plans to come need that number.
static struct exchange *on_promise(struct exchange *x, const struct request_head *request,
                                   struct priority priority) {
    struct asker *asker = x->front_user;
    (void)request;
    (void)priority;
    asker->promised++;
    x->story.promised++;
    return NULL;
}

// As many as may be open: those made so far would be.
static unsigned promise_room(const struct exchange *x) {
    const struct asker *asker = x->front_user;
    unsigned most = asker->out->route->push.max_open;
    return asker->out->takes_push && asker->promised < most ? most - asker->promised : 0;
}

static void on_interim(struct exchange *x, const struct response_head *head) {
    struct asker *asker = x->front_user;
    int status = head->status;
    asker->has_hinted |= status == 103;
    for (uint32_t i = 0; i < head->headers.count || status != 0; i++) {
        struct explain_step *step = add_step(asker, EXPLAIN_SENT, PUSH_AT_INTERIM);
        step->status = status;
        status = 0;
        if (i < head->headers.count) {
            const struct header *row = &head->headers.rows[i];
            step->text = arena_printf(asker->out->arena, "%.*s: %.*s", SLICE_ARGS(row->name),
                                      SLICE_ARGS(row->value));
        }
    }
}

static void on_head(struct exchange *x, const struct response_head *head) {
    struct asker *asker = x->front_user;
    struct explanation *out = asker->out;
    if (x->fault != FAULT_NONE) { // our own answer to it
        out->fault = x->fault;
        finish(asker);
        return;
    }
    note_too_late(asker);
    if (out->steps[out->step_count - 1].moment != PUSH_AT_HEAD) {
        add_step(asker, EXPLAIN_MOMENT, PUSH_AT_HEAD);
    }
    out->status = head->status;
    out->head_ms = exchange_now(x) - x->started_ms;
    finish(asker);
}

// What an origin's 103 named is held for others that come with it; the head has overtaken it.
static void note_too_late(struct asker *asker) {
    struct explanation *out = asker->out;
    for (size_t i = 0; i < out->step_count && !asker->has_hinted; i++) {
        struct explain_step *step = &out->steps[i];
        if (step->kind == EXPLAIN_ROW && step->moment == PUSH_AT_INTERIM &&
            step->row.reason == PUSH_REASON_HINTED) {
            step->row.reason = PUSH_REASON_TOO_LATE;
        }
    }
}

static void on_body(struct exchange *x, struct slice bytes) {
    (void)x;
    (void)bytes;
}

static size_t room(const struct exchange *x) {
    const struct asker *asker = x->front_user;
    return asker->is_done ? 0 : ROOM_BYTES;
}

static void on_finish(struct exchange *x, const struct headers *trailers) {
    (void)x; // the head has ended it
    (void)trailers;
}

// Behind the head: of no interest any more.
static void on_fail(struct exchange *x, enum fault fault) {
    struct asker *asker = x->front_user;
    if (!asker->is_done) {
        asker->out->fault = fault;
        finish(asker);
    }
}

static void on_consumed(struct exchange *x, size_t bytes) {
    (void)x; // the request has no content
    (void)bytes;
}

// --- the end ------------------------------------------------------------------------------------

// Nobody dies inside their own call.
static void finish(struct asker *asker) {
    asker->is_done = true;
    loop_defer(&asker->loop, &asker->end);
}

static void on_end(struct loop_task *task) {
    struct asker *asker = LIST_ENTRY(task, struct asker, end);
    asker->out->learning = find_learning(asker);
    exchange_close(asker->exchange, FAULT_CLIENT_RESET);
    if (asker->client.memory_destroy != NULL) {
        asker->client.memory_destroy(asker->client.memory);
    }
    exchange_destroy(asker->exchange);
    origin_pool_destroy(asker->pool, NULL, NULL);
    loop_stop(&asker->loop);
}

// The only response that was observed.
static enum push_learn_reason find_learning(struct asker *asker) {
    const struct push_learn_stats *stats = push_learn_stats(asker->memory.learn);
    for (unsigned i = 0; i < PUSH_LEARN_REASON_COUNT; i++) {
        if (stats->reasons[i] > 0) {
            return (enum push_learn_reason)i;
        }
    }
    return PUSH_LEARN_NO_LINKS; // none was
}

static void close_worker(struct asker *asker) {
    loop_finish(&asker->loop);
    ensure(asker->relay.exchanges == 0);
    push_memory_finish(&asker->memory);
}

static int report(const struct explanation *out) {
    explain_print(out, stdout);
    fflush(stdout);
    if (out->fault == FAULT_NONE) {
        return EXIT_EXPLAINED;
    }
    fprintf(stderr, "outrider: origin %s: %s\n", out->origin->name, fault_text(out->fault));
    return EXIT_FAILED;
}

static struct explain_step *add_step(struct asker *asker, enum explain_kind kind,
                                     enum push_moment moment) {
    struct explanation *out = asker->out;
    if (out->step_count == out->step_capacity) {
        size_t capacity = out->step_capacity > 0 ? 2 * out->step_capacity : 32;
        struct explain_step *steps = arena_alloc(out->arena, capacity * sizeof(*steps));
        if (out->step_count > 0) {
            memcpy(steps, out->steps, out->step_count * sizeof(*steps));
        }
        out->steps = steps;
        out->step_capacity = capacity;
    }
    struct explain_step *step = &out->steps[out->step_count++];
    *step = (struct explain_step){.kind = kind,
                                  .moment = moment,
                                  .after_ms =
                                      exchange_now(asker->exchange) - asker->exchange->started_ms,
                                  .text = SLICE_EMPTY};
    return step;
}
