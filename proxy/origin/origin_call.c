// SPDX-License-Identifier: Apache-2.0
#include "origin/origin_call.h"

#include "base/ensure.h"
#include "origin_impl.h"

static void count_fault(const struct origin_call *call);
static void let_go(struct origin_call *call);

struct origin_call *origin_call_start(struct origin_pool *pool,
                                      const struct origin_call_options *options,
                                      const struct request_head *head, struct arena *arena,
                                      const struct origin_call_events *events, void *user) {
    ensure(options->origin < pool->origin_count);
    struct origin_call *call = arena_new(arena, struct origin_call);
    call->origin = &pool->origins[options->origin];
    call->arena = arena;
    call->head = head;
    call->events = events;
    call->user = user;
    call->client = options->client;
    call->is_push = options->is_push;
    call->is_retry = options->is_retry;
    call->max_push = call->origin->max_connections * options->push_share / 100;
    if (call->max_push == 0) {
        call->max_push = 1;
    }
    call->is_request_ended = head->is_end;
    call->started_ms = loop_now(pool->loop);
    origin_count(call->origin, RETRIED, call->is_retry);
    origin_pool_ask(call);
    return call;
}

void origin_call_on_conn(struct origin_call *call, struct origin_conn *oc) {
    origin_call_set_state(call, ORIGIN_CALL_SENDING);
    origin_count(call->origin, REQUESTS, 1);
    origin_conn_send(oc, call);
    if (buffer_length(&call->early) > 0) {
        origin_conn_write(oc, buffer_peek(&call->early));
        buffer_finish(&call->early);
    }
    if (call->is_request_ended) {
        origin_conn_finish_request(oc);
    }
}

void origin_call_write(struct origin_call *call, struct slice bytes) {
    ensure(!call->is_request_ended);
    switch (call->state) {
    case ORIGIN_CALL_WAITING:
    case ORIGIN_CALL_DIALING:
        buffer_append_slice(&call->early, bytes);
        break;
    case ORIGIN_CALL_SENDING:
    case ORIGIN_CALL_RECEIVING:
        origin_conn_write(call->conn, bytes);
        break;
    case ORIGIN_CALL_ENDED:
        break;
    }
}

void origin_call_finish_request(struct origin_call *call, const struct headers *trailers) {
    ensure(!call->is_request_ended);
    call->is_request_ended = true;
    call->trailers = trailers;
    if (call->conn != NULL) {
        origin_conn_finish_request(call->conn);
    }
}

void origin_call_resume(struct origin_call *call) {
    if (call->conn != NULL) {
        origin_conn_resume(call->conn);
    }
}

void origin_call_cancel(struct origin_call *call) {
    let_go(call);
}

void origin_call_end(struct origin_call *call, const struct headers *trailers) {
    let_go(call);
    call->events->on_end(call->user, trailers);
}

void origin_call_fail(struct origin_call *call, enum fault fault) {
    call->fault = fault;
    count_fault(call);
    let_go(call);
    call->events->on_fail(call->user, fault);
}

// That our own line is full, or the client slow, is no fault of the origin.
static void count_fault(const struct origin_call *call) {
    if (origin_call_may_retry(call)) {
        origin_count(call->origin, RACED, 1);
    } else if (call->fault != FAULT_ORIGIN_BUSY && call->fault != FAULT_CLIENT_TIMEOUT) {
        origin_count(call->origin, FAULTS, 1);
    }
}

bool origin_call_may_retry(const struct origin_call *call) {
    return fault_may_retry(call->fault) && call->was_reused && !call->is_retry &&
           !call->has_response_bytes && !call->has_sent_content;
}

bool origin_call_was_reused(const struct origin_call *call) {
    return call->was_reused;
}

// Cuts every link between the call and the rest of the floor, whatever its state.
static void let_go(struct origin_call *call) {
    enum origin_call_state state = call->state;
    if (state == ORIGIN_CALL_ENDED) {
        return;
    }
    if (state == ORIGIN_CALL_WAITING || state == ORIGIN_CALL_DIALING) {
        origin_pool_forget(call);
    }
    origin_pool_note_answer(call);
    origin_call_set_state(call, ORIGIN_CALL_ENDED);
    buffer_finish(&call->early);
    loop_cancel(&call->fail_task);
    if (call->conn != NULL) {
        origin_conn_abandon(call->conn);
    }
}

void origin_call_set_state(struct origin_call *call, enum origin_call_state next) {
    enum origin_call_state now = call->state;
    switch (next) {
    case ORIGIN_CALL_WAITING:
        unreachable();
    case ORIGIN_CALL_DIALING:
        ensure(now == ORIGIN_CALL_WAITING);
        break;
    case ORIGIN_CALL_SENDING:
        ensure(now == ORIGIN_CALL_WAITING || now == ORIGIN_CALL_DIALING);
        break;
    case ORIGIN_CALL_RECEIVING:
        ensure(now == ORIGIN_CALL_SENDING);
        break;
    case ORIGIN_CALL_ENDED:
        ensure(now != ORIGIN_CALL_ENDED);
        break;
    }
    call->state = next;
}
