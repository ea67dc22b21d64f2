// SPDX-License-Identifier: Apache-2.0
// What relay.c (the sequence) and relay_push.c (pushes) share. Private to this folder.
#ifndef OUTRIDER_RELAY_RELAY_IMPL_H
#define OUTRIDER_RELAY_RELAY_IMPL_H

#include "origin/origin_call.h"
#include "push/push_diary.h"
#include "push/push_plan.h"
#include "relay/relay.h"

// What the relay remembers of a client connection, in its memory slot.
struct relay_client {
    struct push_diary *diary;
    unsigned open_promises;
};

// The relay's state for one exchange; lives in the exchange's arena, ends in on_closed.
struct relay_exchange {
    struct relay *relay;
    struct exchange *exchange;
    const struct config_route *route;
    struct origin_call *call;           // NULL: not asked yet, or over
    const struct request_head *request; // as sent to the origin
    const struct headers *trailers;     // of the request, NULL: none
    bool has_content;                   // some of the request's content was passed on
    uint64_t asked_ms;
    // pushes of this page
    const struct url *used;
    size_t used_count;
    unsigned outcomes[PUSH_REASON_COUNT];
    // this exchange is itself a push
    bool page_had_credentials;
    bool promise_has_credentials;
    struct relay_client *pusher; // counts this open promise; NULL once counted off
};

// The client asked for this itself; it need not be promised any more.
void relay_push_note_request(struct relay_exchange *r);
void relay_push_at_request(struct relay_exchange *r);
// These two may rewrite the head's Link fields.
void relay_push_at_interim(struct relay_exchange *r, struct response_head *head);
void relay_push_at_head(struct relay_exchange *r, struct response_head *head);
// A pushed response's head: may it go out? Remembers the URL when not.
bool relay_push_may_deliver(struct relay_exchange *r, const struct response_head *head);
void relay_push_on_closed(struct relay_exchange *r, enum fault fault);

#endif
