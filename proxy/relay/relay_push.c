// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "push/push_delivery.h"
#include "relay_impl.h"

static bool plan_moment(struct relay_exchange *r, enum push_moment moment,
                        const struct response_head *head, struct push_plan *out_plan);
static void open_question(struct relay_exchange *r, enum push_moment moment,
                          const struct response_head *head, struct push_facts *facts,
                          struct push_question *out_question);
static void carry_out(struct relay_exchange *r, enum push_moment moment,
                      const struct push_plan *plan);
static void count_outcomes(struct relay_exchange *r, enum push_moment moment,
                           const struct push_plan *plan, unsigned not_taken);
static void count_outcome(struct relay_exchange *r, enum push_reason reason, unsigned count);
static unsigned open_room(const struct relay_exchange *r);
static bool make_promise(struct relay_exchange *r, const struct push_promise *promise);
static void rewrite_links(struct response_head *head, const struct push_plan *plan);
static bool is_behind_proxy(const struct exchange *x);
static enum push_reason find_fitness(const void *user, const struct url *url,
                                     bool page_has_credentials);
static bool has_credentials(const struct request_head *request);
static struct relay_client *remember_client(struct relay_exchange *r);
static void on_late_refusal(void *memory, uint64_t tag);
static void destroy_client(void *memory);
static void note_outcome(struct relay_exchange *r, enum fault fault);
static struct slice describe_skipped(struct relay_exchange *r);

// --- what the client asks for itself ------------------------------------------------------------

void relay_push_note_request(struct relay_exchange *r) {
    struct exchange *x = r->exchange;
    r->is_behind_proxy = is_behind_proxy(x);
    if (x->is_promised) {
        r->promise_has_credentials = has_credentials(&x->request);
        r->page_had_credentials = x->page != NULL && has_credentials(&x->page->request);
        r->pusher = relay_push_client(r);
        r->pusher->open_promises++;
        relay_ledger_open_push(r);
        x->promise_tag =
            push_unfit_key(r->relay->memory->unfit, x->request.authority, x->request.path);
        return;
    }
    struct relay_client *client = remember_client(r);
    if (client != NULL && slice_equal(x->request.method, SLICE("GET"))) {
        push_diary_add(client->diary, x->request.authority, x->request.path);
    }
}

// Only a client that takes promises needs a diary.
static struct relay_client *remember_client(struct relay_exchange *r) {
    struct exchange *x = r->exchange;
    if (x->client->memory == NULL && exchange_promise_room(x) > 0) {
        struct relay_client *client = alloc_new(struct relay_client);
        client->diary = push_diary_create(r->relay->memory->seed);
        client->memory = r->relay->memory;
        x->client->memory = client;
        x->client->memory_destroy = destroy_client;
        x->client->memory_on_late_refusal = on_late_refusal;
    }
    return x->client->memory;
}

struct relay_client *relay_push_client(const struct relay_exchange *r) {
    return r->exchange->client->memory;
}

static void on_late_refusal(void *memory, uint64_t tag) {
    struct relay_client *client = memory;
    push_diary_note_late_refusal(client->diary);
    relay_ledger_note_late_refusal(client, tag);
    if (!push_diary_is_refusing(client->diary)) {
        push_unfit_note_late_refusal(client->memory->unfit, tag);
    }
}

static void destroy_client(void *memory) {
    struct relay_client *client = memory;
    push_diary_destroy(client->diary);
    free(client);
}

// --- the three moments --------------------------------------------------------------------------

void relay_push_at_request(struct relay_exchange *r) {
    struct push_plan plan;
    if (!plan_moment(r, PUSH_AT_REQUEST, NULL, &plan)) {
        return;
    }
    carry_out(r, PUSH_AT_REQUEST, &plan);
    if (plan.hint_count > 0) { // behind the promises, which mention none of the same
        relay_hint_send(r, &plan);
    }
}

void relay_push_at_interim(struct relay_exchange *r, struct response_head *head) {
    struct push_plan plan;
    if (!plan_moment(r, PUSH_AT_INTERIM, head, &plan)) {
        return;
    }
    carry_out(r, PUSH_AT_INTERIM, &plan);
    if (plan.has_rewritten_links) {
        rewrite_links(head, &plan);
    }
}

void relay_push_at_head(struct relay_exchange *r, struct response_head *head) {
    struct push_plan plan;
    if (plan_moment(r, PUSH_AT_HEAD, head, &plan)) {
        carry_out(r, PUSH_AT_HEAD, &plan);
        if (plan.has_rewritten_links) {
            rewrite_links(head, &plan);
        }
    }
    if (r->exchange->is_promised && r->route->push.is_marked) {
        headers_set_id(&head->headers, HEADER_X_HTTP2_PUSH, SLICE("pushed"));
    }
}

// A stream may run for days: nothing of its plans stays, and each event is like a page of its own.
void relay_push_at_event(struct relay_exchange *r, struct slice links) {
    struct arena *arena = arena_create();
    struct push_facts facts;
    struct push_question question;
    struct push_plan plan;
    open_question(r, PUSH_AT_EVENT, NULL, &facts, &question);
    question.event = links;
    push_plan_make(&question, arena, &plan);
    carry_out(r, PUSH_AT_EVENT, &plan);
    arena_destroy(arena);
}

// False when there is nothing to plan: most responses.
static bool plan_moment(struct relay_exchange *r, enum push_moment moment,
                        const struct response_head *head, struct push_plan *out_plan) {
    bool has_links = head != NULL && headers_has(&head->headers, HEADER_LINK);
    if (!has_links && r->route->declared_push_count == 0 && r->route->declared_hint_count == 0 &&
        r->learned.count == 0 && r->behaviour.count == 0) {
        return false;
    }
    struct push_facts facts;
    struct push_question question;
    open_question(r, moment, head, &facts, &question);
    question.already_promised = r->exchange->story.promised;
    question.used = r->used;
    question.used_count = r->used_count;
    push_plan_make(&question, r->exchange->arena, out_plan);
    r->used = out_plan->used;
    r->used_count = out_plan->used_count;
    return true;
}

static void open_question(struct relay_exchange *r, enum push_moment moment,
                          const struct response_head *head, struct push_facts *facts,
                          struct push_question *out_question) {
    const struct exchange *x = r->exchange;
    const struct config_route *route = r->route;
    const struct relay_client *client = relay_push_client(r);
    *facts = (struct push_facts){.fitness = find_fitness,
                                 .find_condition = relay_visitor_find_condition,
                                 .find_weight = relay_ledger_find_weight,
                                 .user = r};
    *out_question = (struct push_question){
        .moment = moment,
        .request = &x->request,
        .response = head,
        .policy = &route->push,
        .declared = route->declared_push,
        .declared_count = x->is_promised ? 0 : route->declared_push_count,
        .declared_hints = route->declared_hint,
        .declared_hint_count = x->is_promised ? 0 : route->declared_hint_count,
        .learned = r->learned.count > 0 ? &r->learned : NULL,
        .behaviour = r->behaviour.count > 0 ? &r->behaviour : NULL,
        .diary = client != NULL ? client->diary : NULL,
        .facts = facts,
        .visitor = r->has_visitor ? &r->visitor : NULL,
        .is_promised = x->is_promised,
        .is_behind_proxy = r->is_behind_proxy,
        .is_memory_short = memory_gauge_read(r->relay->memory->gauge) != MEMORY_PLENTY,
        .may_hint = relay_hint_may(r, moment, head),
        .is_explained = r->relay->on_plan != NULL,
        .room = open_room(r),
        .is_full = client != NULL && client->open_promises >= route->push.max_open,
    };
}

static void carry_out(struct relay_exchange *r, enum push_moment moment,
                      const struct push_plan *plan) {
    relay_ledger_note_plan(r, plan);
    if (r->relay->on_plan != NULL) {
        r->relay->on_plan(r->relay->user, r->exchange, moment, plan);
    }
    unsigned made = 0;
    for (size_t i = 0; i < plan->promise_count; i++) {
        made += make_promise(r, &plan->promises[i]);
    }
    relay_ledger_note_promises(r, made);
    if (made == plan->promise_count) {
        relay_visitor_note_plan(r, plan);
    }
    count_outcomes(r, moment, plan, (unsigned)plan->promise_count - made);
}

static void count_outcomes(struct relay_exchange *r, enum push_moment moment,
                           const struct push_plan *plan, unsigned not_taken) {
    bool are_held = moment == PUSH_AT_INTERIM;
    for (size_t i = 0; i < PUSH_REASON_COUNT; i++) {
        unsigned count = plan->outcomes[i];
        switch (i) {
        case PUSH_REASON_PROMISED:
            count -= not_taken;
            break;
        case PUSH_REASON_CLIENT:
            count += not_taken;
            break;
        case PUSH_REASON_HINTED:
            r->held_hints += are_held ? count : 0;
            count = are_held ? 0 : count;
            break;
        default:
            break;
        }
        count_outcome(r, (enum push_reason)i, count);
    }
}

static void count_outcome(struct relay_exchange *r, enum push_reason reason, unsigned count) {
    r->outcomes[reason] += count;
    metrics_add(r->relay->memory->metrics, OUTCOMES, reason, count);
}

void relay_push_settle_hints(struct relay_exchange *r, enum push_reason reason) {
    count_outcome(r, reason, r->held_hints);
    r->held_hints = 0;
}

// What the client's limits and our own leave on this connection.
static unsigned open_room(const struct relay_exchange *r) {
    const struct relay_client *client = relay_push_client(r);
    if (client == NULL || client->open_promises >= r->route->push.max_open) {
        return 0;
    }
    unsigned own = r->route->push.max_open - client->open_promises;
    unsigned front = exchange_promise_room(r->exchange);
    return front < own ? front : own;
}

// False when the front does not take it.
static bool make_promise(struct relay_exchange *r, const struct push_promise *promise) {
    struct exchange *x = r->exchange;
    if (exchange_promise(x, &promise->request, promise->priority) == NULL) {
        return false;
    }
    x->story.promised++;
    push_diary_add(relay_push_client(r)->diary, promise->request.authority, promise->request.path);
    return true;
}

static void rewrite_links(struct response_head *head, const struct push_plan *plan) {
    headers_remove(&head->headers, HEADER_LINK);
    for (size_t i = 0; i < plan->rewritten_link_count; i++) {
        headers_add_id(&head->headers, HEADER_LINK, plan->rewritten_links[i]);
    }
}

// One connection from another proxy carries many people: what is pushed may reach the wrong one.
static bool is_behind_proxy(const struct exchange *x) {
    const struct headers *headers = &x->request.headers;
    return !x->client->is_trusted_proxy &&
           (headers_has(headers, HEADER_VIA) || headers_has(headers, HEADER_FORWARDED) ||
            headers_has(headers, HEADER_X_FORWARDED_FOR));
}

static enum push_reason find_fitness(const void *user, const struct url *url,
                                     bool page_has_credentials) {
    const struct relay_exchange *r = user;
    if (router_find(r->relay->router, url->authority, url->path) == NULL) {
        return PUSH_REASON_UNFIT;
    }
    switch (push_unfit_has(r->relay->memory->unfit, url->authority, url->path, page_has_credentials,
                           exchange_now(r->exchange))) {
    case PUSH_UNFIT_NOT:
        return PUSH_REASON_PROMISED;
    case PUSH_UNFIT_BAD:
        return PUSH_REASON_UNFIT;
    case PUSH_UNFIT_UNWANTED:
        return PUSH_REASON_UNWANTED;
    }
    unreachable();
}

static bool has_credentials(const struct request_head *request) {
    return headers_has(&request->headers, HEADER_COOKIE) ||
           headers_has(&request->headers, HEADER_AUTHORIZATION);
}

// --- a pushed response and its end --------------------------------------------------------------

bool relay_push_may_deliver(struct relay_exchange *r, const struct response_head *head) {
    struct exchange *x = r->exchange;
    if (push_delivery_is_fit(head, r->page_had_credentials, r->promise_has_credentials)) {
        return true;
    }
    push_unfit_add(r->relay->memory->unfit, x->request.authority, x->request.path,
                   head->status < 400, exchange_now(x));
    push_diary_forget(r->pusher->diary, x->request.authority, x->request.path);
    return false;
}

void relay_push_on_closed(struct relay_exchange *r, enum fault fault) {
    struct exchange *x = r->exchange;
    if (r->route != NULL) {
        relay_hint_drop(r);
        x->story.hinted = r->outcomes[PUSH_REASON_HINTED];
        x->story.skipped = describe_skipped(r);
    }
    if (r->pusher != NULL) {
        r->pusher->open_promises--;
        note_outcome(r, fault);
        relay_ledger_note_push_end(r, fault);
        r->pusher = NULL;
    }
    if (fault == FAULT_NONE) {
        relay_visitor_note_given(r);
    }
}

static void note_outcome(struct relay_exchange *r, enum fault fault) {
    const struct request_head *request = &r->exchange->request;
    struct push_diary *diary = r->pusher->diary;
    bool was_refused = fault == FAULT_CLIENT_RESET;
    if (fault != FAULT_NONE && !was_refused) { // the client did not get it
        push_diary_forget(diary, request->authority, request->path);
        return;
    }
    push_diary_note_outcome(diary, was_refused);
    if (!was_refused || !push_diary_is_refusing(diary)) {
        push_unfit_note_outcome(r->relay->memory->unfit, request->authority, request->path,
                                was_refused, exchange_now(r->exchange));
    }
}

// "nopush:1,already:3" for the access log; empty when nothing was skipped.
static struct slice describe_skipped(struct relay_exchange *r) {
    char text[512];
    size_t length = 0;
    for (size_t i = 0; i < PUSH_REASON_COUNT; i++) {
        if (i == PUSH_REASON_PROMISED || i == PUSH_REASON_HINTED || r->outcomes[i] == 0) {
            continue;
        }
        int written =
            snprintf(text + length, sizeof(text) - length, "%s%s:%u", length > 0 ? "," : "",
                     push_plan_reason_name((enum push_reason)i), r->outcomes[i]);
        if (written < 0 || (size_t)written >= sizeof(text) - length) {
            break;
        }
        length += (size_t)written;
    }
    return length > 0 ? arena_copy(r->exchange->arena, slice_of(text, length)) : SLICE_EMPTY;
}
