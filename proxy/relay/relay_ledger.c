// SPDX-License-Identifier: Apache-2.0
#include "relay_impl.h"

static struct push_ledger_row *row_of(const struct relay_exchange *r);
static enum metric_push push_result(enum fault fault);
static void remember(struct relay_client *client, const struct exchange *x, uint64_t ledger_key);

// --- a page -------------------------------------------------------------------------------------

void relay_ledger_note_plan(struct relay_exchange *r, const struct push_plan *plan) {
    const struct exchange *x = r->exchange;
    struct push_memory *memory = r->relay->memory;
    unsigned candidates = 0;
    for (size_t i = 0; i < PUSH_REASON_COUNT; i++) {
        candidates += i != PUSH_REASON_REPEATED ? plan->outcomes[i] : 0;
    }
    metrics_add(memory->metrics, IGNORED, 0, plan->ignored_elements);
    if (x->is_promised || candidates == 0) {
        return;
    }
    struct push_ledger_row *row =
        push_ledger_row(memory->ledger, x->request.authority, x->request.path);
    row->visits += r->ledger_key == 0;
    row->seen_s = x->clock->wall_ms / 1000;
    row->candidates += candidates;
    row->spared += plan->spared;
    row->spared_bytes += plan->spared_bytes;
    r->ledger_key = row->key;
}

void relay_ledger_note_promises(struct relay_exchange *r, unsigned made) {
    struct push_ledger_row *row = row_of(r);
    if (row != NULL) {
        row->promised += made;
    }
    if (made > 0) {
        relay_ledger_note_early(r);
    }
}

// This page's row; NULL when it has none, or none any more.
static struct push_ledger_row *row_of(const struct relay_exchange *r) {
    return r->ledger_key != 0 ? push_ledger_find(r->relay->memory->ledger, r->ledger_key) : NULL;
}

void relay_ledger_note_hints(struct relay_exchange *r, unsigned elements) {
    struct push_ledger_row *row = row_of(r);
    metrics_add(r->relay->memory->metrics, HINTS, METRIC_HINT_OWN, 1);
    if (row != NULL) {
        row->hinted += elements;
    }
}

void relay_ledger_note_passed(struct relay_exchange *r) {
    struct push_ledger_row *row = row_of(r);
    metrics_add(r->relay->memory->metrics, HINTS, METRIC_HINT_ORIGIN, 1);
    if (row != NULL) {
        row->passed++;
    }
}

void relay_ledger_note_early(struct relay_exchange *r) {
    if (r->early_ms == 0 && r->exchange->response_state == EXCHANGE_RESPONSE_WAITING) {
        r->early_ms = exchange_now(r->exchange);
    }
}

void relay_ledger_note_head(struct relay_exchange *r) {
    struct metrics *metrics = r->relay->memory->metrics;
    metrics_observe_ms(metrics, ORIGIN_TIME, r->exchange->story.origin_head_ms);
    if (r->early_ms == 0) {
        return;
    }
    uint64_t lead_ms = exchange_now(r->exchange) - r->early_ms;
    metrics_observe_ms(metrics, LEAD, lead_ms);
    struct push_ledger_row *row = row_of(r);
    if (row != NULL) {
        row->early++;
        row->lead_ms += lead_ms;
    }
}

// --- a push -------------------------------------------------------------------------------------

// The page is there while its promise starts, and not always later.
void relay_ledger_open_push(struct relay_exchange *r) {
    const struct exchange *page = r->exchange->page;
    const struct relay_exchange *its = page != NULL ? page->handler_user : NULL;
    r->ledger_key = its != NULL ? its->ledger_key : 0;
}

void relay_ledger_note_push_end(struct relay_exchange *r, enum fault fault) {
    const struct exchange *x = r->exchange;
    struct push_memory *memory = r->relay->memory;
    struct push_ledger_row *row = row_of(r);
    struct push_ledger_row nowhere = {0}; // the page's row has left
    row = row != NULL ? row : &nowhere;
    enum metric_push result = push_result(fault);
    metrics_add(memory->metrics, PUSHES, result, 1);
    switch (result) {
    case METRIC_PUSH_COMPLETED:
        row->completed++;
        row->pushed_bytes += x->response_bytes;
        metrics_add(memory->metrics, PUSH_BYTES, METRIC_BYTES_DELIVERED, x->response_bytes);
        push_ledger_weigh(memory->ledger, x->request.authority, x->request.path, x->response_bytes);
        remember(r->pusher, x, r->ledger_key);
        break;
    case METRIC_PUSH_REFUSED:
        row->refused++;
        row->wasted_bytes += x->response_bytes;
        metrics_add(memory->metrics, PUSH_BYTES, METRIC_BYTES_WASTED, x->response_bytes);
        break;
    case METRIC_PUSH_TAKEN_BACK:
    case METRIC_PUSH_FAILED:
        row->taken_back++;
        break;
    case METRIC_PUSH_REFUSED_LATE:
    case METRIC_PUSHES:
        break;
    }
}

static void remember(struct relay_client *client, const struct exchange *x, uint64_t ledger_key) {
    client->recent[client->next_recent++ % RELAY_RECENT_PUSHES] =
        (struct relay_recent_push){x->promise_tag, ledger_key, x->response_bytes};
}

// What was delivered, as far as anybody knew, was wasted.
void relay_ledger_note_late_refusal(struct relay_client *client, uint64_t tag) {
    struct push_memory *memory = client->memory;
    metrics_add(memory->metrics, PUSHES, METRIC_PUSH_REFUSED_LATE, 1);
    for (unsigned i = 0; i < RELAY_RECENT_PUSHES; i++) {
        struct relay_recent_push *push = &client->recent[i];
        if (push->tag != tag || push->tag == 0) {
            continue;
        }
        metrics_add(memory->metrics, PUSH_BYTES, METRIC_BYTES_WASTED, push->bytes);
        struct push_ledger_row *row = push_ledger_find(memory->ledger, push->ledger_key);
        if (row != NULL && row->completed > 0 && row->pushed_bytes >= push->bytes) {
            row->completed--;
            row->refused++;
            row->pushed_bytes -= push->bytes;
            row->wasted_bytes += push->bytes;
        }
        push->tag = 0;
        return;
    }
}

static enum metric_push push_result(enum fault fault) {
    if (fault == FAULT_NONE) {
        return METRIC_PUSH_COMPLETED;
    }
    if (fault == FAULT_CLIENT_RESET) {
        return METRIC_PUSH_REFUSED;
    }
    return fault == FAULT_PUSH_UNWANTED ? METRIC_PUSH_TAKEN_BACK : METRIC_PUSH_FAILED;
}

uint64_t relay_ledger_find_weight(const void *relay_exchange, const struct url *url) {
    const struct relay_exchange *r = relay_exchange;
    return push_ledger_weight(r->relay->memory->ledger, url->authority, url->path);
}
