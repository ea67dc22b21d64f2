// SPDX-License-Identifier: Apache-2.0
#include "http/exchange.h"

#include "base/ensure.h"

static void tell_closed(struct exchange *x);
static bool may_promise(const struct exchange *x);
static void set_response(struct exchange *x, enum exchange_response next);
static bool is_over(const struct exchange *x);
static bool may_receive(const struct exchange *x);
static void answer_fault(struct exchange *x, enum fault fault);
static struct slice error_page(struct exchange *x, enum fault fault);

// --- the front's side -------------------------------------------------------------------------

struct exchange *exchange_create(const struct exchange_front_ops *front, void *front_user) {
    struct arena *arena = arena_create();
    struct exchange *x = arena_new(arena, struct exchange);
    x->arena = arena;
    x->front = front;
    x->front_user = front_user;
    return x;
}

void exchange_start(struct exchange *x, struct handler handler) {
    ensure(x->handler.ops == NULL && x->response_state == EXCHANGE_RESPONSE_WAITING);
    x->handler = handler;
    x->started_ms = exchange_now(x);
    x->is_head_request = slice_equal(x->request.method, SLICE("HEAD"));
    if (x->request.is_end) {
        x->request_state = EXCHANGE_REQUEST_ENDED;
    }
    handler.ops->start(x, handler.user);
}

void exchange_refuse(struct exchange *x, enum fault fault) {
    ensure(x->handler.ops == NULL && x->response_state == EXCHANGE_RESPONSE_WAITING);
    x->started_ms = exchange_now(x);
    x->is_head_request = slice_equal(x->request.method, SLICE("HEAD"));
    exchange_fail(x, fault);
}

void exchange_turn_away(struct exchange *x, enum fault fault) {
    ensure(x->handler.ops == NULL && x->response_state == EXCHANGE_RESPONSE_WAITING);
    x->started_ms = exchange_now(x);
    x->fault = fault;
    set_response(x, EXCHANGE_RESPONSE_FAILED);
    x->front->fail(x, fault);
}

void exchange_request_body(struct exchange *x, struct slice bytes) {
    ensure(may_receive(x));
    x->request_bytes += bytes.length;
    if (is_over(x)) {
        x->front->consumed(x, bytes.length);
        return;
    }
    x->handler.ops->on_body(x, bytes);
}

void exchange_request_end(struct exchange *x, const struct headers *trailers) {
    ensure(may_receive(x));
    x->request_state = EXCHANGE_REQUEST_ENDED;
    if (!is_over(x)) {
        x->handler.ops->on_request_end(x, trailers);
    }
}

void exchange_drained(struct exchange *x) {
    if (x->response_state == EXCHANGE_RESPONSE_BODY) {
        x->handler.ops->on_drained(x);
    }
}

void exchange_cut(struct exchange *x, enum fault fault) {
    if (!is_over(x)) {
        ensure(x->handler.ops != NULL);
        exchange_fail(x, fault);
        tell_closed(x);
    }
}

void exchange_close(struct exchange *x, enum fault fault) {
    ensure(x->response_state != EXCHANGE_RESPONSE_CLOSED);
    if (x->fault == FAULT_NONE) {
        x->fault = fault;
    }
    if (x->started_ms == 0) { // the front's library refused it: it took no time
        x->started_ms = exchange_now(x);
    }
    set_response(x, EXCHANGE_RESPONSE_CLOSED);
    tell_closed(x);
}

// Once.
static void tell_closed(struct exchange *x) {
    const struct exchange_handler_ops *ops = x->handler.ops;
    if (ops != NULL) {
        x->handler.ops = NULL;
        ops->on_closed(x, x->fault);
    }
}

void exchange_destroy(struct exchange *x) {
    ensure(x->response_state == EXCHANGE_RESPONSE_CLOSED || x->handler.ops == NULL);
    arena_destroy(x->arena);
}

// --- the handler's side -----------------------------------------------------------------------

void exchange_send_interim(struct exchange *x, const struct response_head *head) {
    ensure(x->response_state == EXCHANGE_RESPONSE_WAITING);
    ensure(head->status >= 100 && head->status < 200 && head->status != 101);
    x->front->interim(x, head);
}

struct exchange *exchange_promise(struct exchange *x, const struct request_head *request,
                                  struct priority priority) {
    ensure(may_promise(x));
    return x->front->promise != NULL ? x->front->promise(x, request, priority) : NULL;
}

void exchange_send_head(struct exchange *x, const struct response_head *head) {
    ensure(x->response_state == EXCHANGE_RESPONSE_WAITING);
    ensure(head->status >= 200 && head->status <= 599);
    x->status = head->status;
    x->head_ms = exchange_now(x);
    set_response(x, EXCHANGE_RESPONSE_BODY);
    x->front->head(x, head);
}

void exchange_send_body(struct exchange *x, struct slice bytes) {
    ensure(x->response_state == EXCHANGE_RESPONSE_BODY);
    x->response_bytes += bytes.length;
    x->front->body(x, bytes);
}

void exchange_finish(struct exchange *x, const struct headers *trailers) {
    set_response(x, EXCHANGE_RESPONSE_FINISHED);
    x->front->finish(x, trailers);
}

void exchange_fail(struct exchange *x, enum fault fault) {
    ensure(fault != FAULT_NONE);
    if (is_over(x)) {
        return;
    }
    x->fault = fault;
    bool has_head = x->response_state == EXCHANGE_RESPONSE_BODY;
    bool has_page = fault_status(fault) >= 400 && fault_status(fault) != 499;
    if (!has_head && has_page && !x->is_promised) { // a failed push is taken back instead
        answer_fault(x, fault);
        return;
    }
    set_response(x, EXCHANGE_RESPONSE_FAILED);
    x->front->fail(x, fault);
}

void exchange_request_consumed(struct exchange *x, size_t bytes) {
    if (x->response_state != EXCHANGE_RESPONSE_CLOSED && bytes > 0) {
        x->front->consumed(x, bytes);
    }
}

size_t exchange_room(const struct exchange *x) {
    return x->response_state == EXCHANGE_RESPONSE_CLOSED ? 0 : x->front->room(x);
}

// Before the end of the response (RFC 9113 section 6.6), and never from a promise.
static bool may_promise(const struct exchange *x) {
    bool is_open = x->response_state == EXCHANGE_RESPONSE_WAITING ||
                   x->response_state == EXCHANGE_RESPONSE_BODY;
    return is_open && !x->is_promised;
}

unsigned exchange_promise_room(const struct exchange *x) {
    return may_promise(x) && x->front->promise_room != NULL ? x->front->promise_room(x) : 0;
}

// --- states -----------------------------------------------------------------------------------

// The one place where the response's state changes; a wrong order is a bug on our side.
static void set_response(struct exchange *x, enum exchange_response next) {
    enum exchange_response now = x->response_state;
    switch (next) {
    case EXCHANGE_RESPONSE_WAITING:
        unreachable();
    case EXCHANGE_RESPONSE_BODY:
        ensure(now == EXCHANGE_RESPONSE_WAITING);
        break;
    case EXCHANGE_RESPONSE_FINISHED:
        ensure(now == EXCHANGE_RESPONSE_BODY);
        break;
    case EXCHANGE_RESPONSE_FAILED:
        ensure(now == EXCHANGE_RESPONSE_WAITING || now == EXCHANGE_RESPONSE_BODY);
        break;
    case EXCHANGE_RESPONSE_CLOSED:
        ensure(now != EXCHANGE_RESPONSE_CLOSED);
        break;
    }
    x->response_state = next;
}

static bool is_over(const struct exchange *x) {
    return x->response_state != EXCHANGE_RESPONSE_WAITING &&
           x->response_state != EXCHANGE_RESPONSE_BODY;
}

// Started or refused, not closed, and the request has not ended.
static bool may_receive(const struct exchange *x) {
    return x->request_state == EXCHANGE_REQUEST_OPEN &&
           x->response_state != EXCHANGE_RESPONSE_CLOSED && (x->handler.ops != NULL || is_over(x));
}

// --- the small honest error response ------------------------------------------------------------

static void answer_fault(struct exchange *x, enum fault fault) {
    struct slice page = error_page(x, fault);
    struct response_head head = {.status = fault_status(fault),
                                 .content_length = (int64_t)page.length,
                                 .is_end = x->is_head_request};
    headers_init(&head.headers, x->arena);
    headers_add_id(&head.headers, HEADER_CONTENT_TYPE, SLICE("text/plain; charset=utf-8"));
    headers_add_id(&head.headers, HEADER_CONTENT_LENGTH,
                   arena_printf(x->arena, "%zu", page.length));
    headers_add_id(&head.headers, HEADER_CACHE_CONTROL, SLICE("no-store"));
    headers_add_id(&head.headers, HEADER_DATE, slice_of_text(x->clock->date));
    const char *error = fault_proxy_status(fault);
    headers_add_id(&head.headers, HEADER_PROXY_STATUS,
                   error[0] != '\0' ? arena_printf(x->arena, "outrider; error=%s", error)
                                    : SLICE("outrider"));
    if (x->request_id.name.length > 0) { // for people to quote
        headers_add_row(&head.headers, &x->request_id);
    }
    if (head.status == 503) { // whatever it is, it passes, or another instance serves, soon
        headers_add_borrowed(&head.headers, SLICE("retry-after"), SLICE("1"));
    }
    x->status = head.status;
    x->head_ms = exchange_now(x);
    set_response(x, EXCHANGE_RESPONSE_FAILED);
    x->front->head(x, &head);
    if (!x->is_head_request) {
        x->response_bytes += page.length;
        x->front->body(x, page);
    }
    x->front->finish(x, NULL);
}

static struct slice error_page(struct exchange *x, enum fault fault) {
    return arena_printf(x->arena, "%d: %s\n", fault_status(fault), fault_text(fault));
}
