// SPDX-License-Identifier: Apache-2.0
#include "relay/relay.h"

#include "base/ensure.h"
#include "http/forward.h"
#include "relay_impl.h"

static void start(struct exchange *x, void *handler);
static void answer_here(struct exchange *x);
static void ask_origin(struct relay_exchange *r, bool is_retry);
static void on_request_body(struct exchange *x, struct slice bytes);
static void on_request_end(struct exchange *x, const struct headers *trailers);
static void on_origin_taken(void *user, size_t bytes);
static void on_origin_interim(void *user, const struct response_head *head);
static void on_origin_interims(void *user);
static void on_origin_head(void *user, const struct response_head *head);
static void give_up(struct relay_exchange *r, enum fault fault);
static void on_origin_body(void *user, struct slice bytes);
static size_t client_room(void *user);
static void on_drained(struct exchange *x);
static void on_origin_end(void *user, const struct headers *trailers);
static void on_origin_fail(void *user, enum fault fault);
static bool may_retry(const struct relay_exchange *r);
static void on_closed(struct exchange *x, enum fault fault);
static void check_ended(struct relay *relay);

static const struct exchange_handler_ops handler_ops = {
    .start = start,
    .on_body = on_request_body,
    .on_request_end = on_request_end,
    .on_drained = on_drained,
    .on_closed = on_closed,
};

static const struct origin_call_events call_events = {
    .on_interim = on_origin_interim,
    .on_interims = on_origin_interims,
    .on_head = on_origin_head,
    .on_body = on_origin_body,
    .on_end = on_origin_end,
    .on_fail = on_origin_fail,
    .on_taken = on_origin_taken,
    .room = client_room,
};

void relay_init(struct relay *relay, const struct config *config, const struct router *router,
                struct origin_pool *pool, struct push_memory *memory) {
    *relay = (struct relay){.handler = {&handler_ops, relay},
                            .config = config,
                            .router = router,
                            .pool = pool,
                            .memory = memory};
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_push *push = &config->routes[i].push;
        relay->has_cookie |= push->visitors != CONFIG_VISITORS_OFF;
        relay->notes_assets |=
            push->visitors != CONFIG_VISITORS_OFF || push->with_cache_digest || push->revalidate;
    }
}

// --- the request goes to its origin -------------------------------------------------------------

static void start(struct exchange *x, void *handler) {
    struct relay *relay = handler;
    struct relay_exchange *r = arena_new(x->arena, struct relay_exchange);
    r->relay = relay;
    r->exchange = x;
    x->handler_user = r;
    relay->exchanges++;
    relay_trace_open(r);
    r->route = router_find(relay->router, x->request.authority, x->request.path);
    if (r->route == NULL) {
        exchange_fail(x, FAULT_NO_ROUTE);
        return;
    }
    if (router_is_ambiguous(relay->router, x->request.path)) {
        exchange_fail(x, FAULT_BAD_REQUEST);
        return;
    }
    if (forward_ends_here(&x->request)) {
        answer_here(x);
        return;
    }
    const struct config_origin *origin = &relay->config->origins[r->route->origin];
    // A stream that was cut is logged when it closes: then the configuration may be another.
    x->story.origin = arena_copy(x->arena, slice_of_text(origin->name));
    relay_push_note_request(r);
    relay_visitor_open(r);
    relay_hint_open(r);
    relay_learn_open(r);

    struct forward_options options = {.client = x->client, .host_header = SLICE_EMPTY};
    if (origin->host_header != NULL) {
        options.host_header = slice_of_text(origin->host_header);
    }
    struct request_head *request = arena_new(x->arena, struct request_head);
    forward_request(&x->request, &options, x->arena, request);
    r->request = request;
    ask_origin(r, false);
    relay_push_at_request(r); // while the origin thinks
}

// The least that is true: we have no say in what methods the origin allows.
static void answer_here(struct exchange *x) {
    struct response_head head = {.status = 204, .is_end = true};
    headers_init(&head.headers, x->arena);
    headers_add_id(&head.headers, HEADER_DATE, slice_of_text(x->clock->date));
    exchange_send_head(x, &head);
    exchange_finish(x, NULL);
}

static void ask_origin(struct relay_exchange *r, bool is_retry) {
    struct exchange *x = r->exchange;
    struct origin_call_options options = {.origin = r->route->origin,
                                          .client = x->client->id,
                                          .is_push = x->is_promised,
                                          .push_share = r->route->push.origin_share,
                                          .is_retry = is_retry};
    r->asked_ms = exchange_now(x);
    x->story.is_retried = is_retry;
    r->call = origin_call_start(r->relay->pool, &options, r->request, x->arena, &call_events, r);
    if (x->request_state == EXCHANGE_REQUEST_ENDED && !r->request->is_end) {
        origin_call_finish_request(r->call, r->trailers); // a retry: there was no content
    }
}

static void on_request_body(struct exchange *x, struct slice bytes) {
    struct relay_exchange *r = x->handler_user;
    r->has_content = true;
    if (r->call != NULL) {
        origin_call_write(r->call, bytes);
    } else {
        exchange_request_consumed(x, bytes.length);
    }
}

static void on_request_end(struct exchange *x, const struct headers *trailers) {
    struct relay_exchange *r = x->handler_user;
    if (r->call == NULL) {
        return;
    }
    if (trailers != NULL) {
        struct headers *cleaned = arena_new(x->arena, struct headers);
        forward_trailers(trailers, x->arena, cleaned);
        r->trailers = cleaned;
    }
    origin_call_finish_request(r->call, r->trailers);
}

static void on_origin_taken(void *user, size_t bytes) {
    struct relay_exchange *r = user;
    exchange_request_consumed(r->exchange, bytes);
}

// --- the response comes back --------------------------------------------------------------------

static void on_origin_interim(void *user, const struct response_head *head) {
    struct relay_exchange *r = user;
    struct exchange *x = r->exchange;
    struct response_head interim;
    forward_interim(head, x->arena, &interim);
    relay_push_at_interim(r, &interim);
    if (!x->is_promised && head->status != 100) { // the front says 100 itself
        relay_hint_pass(r, &interim);
    }
}

static void on_origin_interims(void *user) {
    struct relay_exchange *r = user;
    relay_hint_flush(r);
}

static void on_origin_head(void *user, const struct response_head *head) {
    struct relay_exchange *r = user;
    struct exchange *x = r->exchange;
    x->story.origin_reused = origin_call_was_reused(r->call);
    x->story.origin_head_ms = exchange_now(x) - r->asked_ms;
    relay_ledger_note_head(r);
    relay_hint_drop(r);
    relay_learn_observe(r, head);
    relay_visitor_note_head(r, head);
    if (x->is_promised && !relay_push_may_deliver(r, head)) {
        give_up(r, FAULT_PUSH_UNWANTED);
        return;
    }
    struct response_head response;
    enum fault fault = forward_response(head, slice_of_text(x->clock->date), x->arena, &response);
    if (fault != FAULT_NONE) {
        give_up(r, fault);
        return;
    }
    relay_push_at_head(r, &response);
    relay_visitor_mark(r, &response);
    relay_event_open(r, &response);
    exchange_send_head(x, &response);
}

static void give_up(struct relay_exchange *r, enum fault fault) {
    origin_call_cancel(r->call);
    r->call = NULL;
    exchange_fail(r->exchange, fault);
}

static void on_origin_body(void *user, struct slice bytes) {
    struct relay_exchange *r = user;
    relay_event_watch(r, bytes);
    exchange_send_body(r->exchange, bytes);
}

static size_t client_room(void *user) {
    const struct relay_exchange *r = user;
    return exchange_room(r->exchange);
}

static void on_drained(struct exchange *x) {
    struct relay_exchange *r = x->handler_user;
    if (r->call != NULL) {
        origin_call_resume(r->call);
    }
}

static void on_origin_end(void *user, const struct headers *trailers) {
    struct relay_exchange *r = user;
    struct exchange *x = r->exchange;
    r->call = NULL;
    if (trailers == NULL) {
        exchange_finish(x, NULL);
        return;
    }
    struct headers *cleaned = arena_new(x->arena, struct headers);
    forward_trailers(trailers, x->arena, cleaned);
    exchange_finish(x, cleaned);
}

static void on_origin_fail(void *user, enum fault fault) {
    struct relay_exchange *r = user;
    if (may_retry(r)) {
        ask_origin(r, true);
        return;
    }
    r->call = NULL;
    exchange_fail(r->exchange, fault);
}

// Once, and only where the origin can't have acted on it, or may act twice (RFC 9110 section
// 9.2.2).
static bool may_retry(const struct relay_exchange *r) {
    struct slice method = r->request->method;
    bool is_idempotent = slice_equal(method, SLICE("GET")) || slice_equal(method, SLICE("HEAD")) ||
                         slice_equal(method, SLICE("OPTIONS")) ||
                         slice_equal(method, SLICE("PUT")) || slice_equal(method, SLICE("DELETE"));
    return is_idempotent && !r->has_content && origin_call_may_retry(r->call);
}

// --- the end ------------------------------------------------------------------------------------

static void on_closed(struct exchange *x, enum fault fault) {
    struct relay_exchange *r = x->handler_user;
    if (r->call != NULL) {
        origin_call_cancel(r->call);
        r->call = NULL;
    }
    relay_event_close(r);
    relay_push_on_closed(r, fault);
    r->relay->exchanges--;
    check_ended(r->relay);
}

void relay_retire(struct relay *relay, void (*on_ended)(void *user), void *user) {
    relay->on_ended = on_ended;
    relay->ended_user = user;
    check_ended(relay);
}

static void check_ended(struct relay *relay) {
    if (relay->on_ended != NULL && relay->exchanges == 0) {
        relay->on_ended(relay->ended_user);
    }
}
