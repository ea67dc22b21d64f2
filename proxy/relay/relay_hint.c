// SPDX-License-Identifier: Apache-2.0
#include "base/ensure.h"
#include "relay_impl.h"

static void hold(struct relay_exchange *r, const struct headers *headers);
static void pass(struct relay_exchange *r, const struct headers *headers);
static void send(struct relay_exchange *r, const struct headers *headers);
static struct slice join(const struct push_plan *plan, struct arena *arena);

void relay_hint_open(struct relay_exchange *r) {
    const struct exchange *x = r->exchange;
    if (!x->is_promised) {
        push_hint_read_client(&x->request, &r->route->hint, x->client->protocol, &r->hint_client);
    }
}

bool relay_hint_may(const struct relay_exchange *r, enum push_moment moment,
                    const struct response_head *head) {
    switch (moment) {
    case PUSH_AT_REQUEST:
        return r->hint_client.takes_ours;
    case PUSH_AT_INTERIM: // who takes them all is told of them as the origin says it
        return head->status == 103 && r->hint_client.takes_origins && r->hint_client.takes_one &&
               !r->has_hinted;
    case PUSH_AT_HEAD:
    case PUSH_AT_EVENT:
        return false;
    }
    unreachable();
}

void relay_hint_send(struct relay_exchange *r, const struct push_plan *plan) {
    struct headers headers;
    headers_init(&headers, r->exchange->arena);
    headers_add_id(&headers, HEADER_LINK, join(plan, r->exchange->arena));
    relay_ledger_note_hints(r, (unsigned)plan->hint_count);
    send(r, &headers);
}

void relay_hint_pass(struct relay_exchange *r, const struct response_head *head) {
    struct exchange *x = r->exchange;
    if (head->status != 103) { // its meaning is the client's affair, if its HTTP/1 has heard of it
        if (x->client->protocol == PROTOCOL_HTTP_2) {
            exchange_send_interim(x, head);
        }
        return;
    }
    if (!r->hint_client.takes_origins || (r->hint_client.takes_one && r->has_hinted)) {
        return;
    }
    struct headers headers = head->headers;
    push_hint_filter(&headers, &r->route->hint);
    if (r->hint_client.takes_one) {
        hold(r, &headers);
    } else if (headers.count > 0) {
        pass(r, &headers);
    }
}

// Puma and others send one 103 per link; a browser reads only the first.
static void hold(struct relay_exchange *r, const struct headers *headers) {
    if (r->held.arena == NULL) {
        headers_init(&r->held, r->exchange->arena);
    }
    for (uint32_t i = 0; i < headers->count; i++) {
        headers_add_row(&r->held, &headers->rows[i]);
    }
}

void relay_hint_flush(struct relay_exchange *r) {
    // The one that is read had better carry links.
    if (r->held.count > 0 && headers_has(&r->held, HEADER_LINK) && !r->has_hinted) {
        relay_push_settle_hints(r, PUSH_REASON_HINTED);
        pass(r, &r->held);
    }
}

void relay_hint_drop(struct relay_exchange *r) {
    relay_push_settle_hints(r, PUSH_REASON_TOO_LATE);
}

static void pass(struct relay_exchange *r, const struct headers *headers) {
    relay_ledger_note_passed(r);
    send(r, headers);
}

static void send(struct relay_exchange *r, const struct headers *headers) {
    const struct response_head head = {
        .status = 103, .headers = *headers, .content_length = BODY_NONE};
    r->has_hinted = true;
    relay_ledger_note_early(r);
    exchange_send_interim(r->exchange, &head);
}

static struct slice join(const struct push_plan *plan, struct arena *arena) {
    size_t length = 0;
    for (size_t i = 0; i < plan->hint_count; i++) {
        length += plan->hints[i].length + 2;
    }
    char *text = arena_alloc(arena, length);
    char *at = text;
    for (size_t i = 0; i < plan->hint_count; i++) {
        at = i > 0 ? mempcpy(at, ", ", 2) : at;
        at = mempcpy(at, plan->hints[i].data, plan->hints[i].length);
    }
    return slice_of(text, (size_t)(at - text));
}
