// SPDX-License-Identifier: Apache-2.0
// What relay.c (the sequence) and its siblings share. Private to this folder.
#ifndef OUTRIDER_RELAY_RELAY_IMPL_H
#define OUTRIDER_RELAY_RELAY_IMPL_H

#include "http/sse_reader.h"
#include "origin/origin_call.h"
#include "push/push_cookie.h"
#include "push/push_diary.h"
#include "push/push_hint.h"
#include "push/push_plan.h"
#include "relay/relay.h"

// What the relay remembers of a client connection, in its memory slot.
enum { RELAY_RECENT_PUSHES = 32 };

struct relay_client {
    struct push_diary *diary;
    struct push_memory *memory; // the worker's
    unsigned open_promises;
    // Completed not long ago: the client may still refuse them.
    struct relay_recent_push {
        uint64_t tag; // the exchange's promise_tag
        uint64_t ledger_key;
        uint64_t bytes;
    } recent[RELAY_RECENT_PUSHES];
    unsigned next_recent;
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
    bool is_behind_proxy; // one that we don't know: its connection carries many people
    uint64_t asked_ms;
    uint64_t early_ms;   // when the first hint or promise left while the origin thought, 0: none
    uint64_t ledger_key; // of this page's row in the ledger, or of the page that promised this; 0
    // what is known of this page
    struct push_learn_links learned;
    struct push_learn_links behaviour;
    // pushes and hints of this page
    const struct url *used;
    size_t used_count;
    unsigned outcomes[PUSH_REASON_COUNT];
    struct push_hint_client hint_client;
    bool has_hinted;
    struct headers held;       // of the origin's 103s that will go out as one
    unsigned held_hints;       // candidates in them
    struct sse_reader *events; // watched for promises; NULL: this response isn't
    // who has it already; `digest` is what the visitor's cookie said, NULL: it is not looked at
    struct push_visitor visitor;
    bool has_visitor;
    struct push_digest *digest;
    enum push_digest_outcome digest_outcome;
    uint32_t version; // of this response, as the diary keeps it
    bool has_version;
    // this exchange is itself a push
    bool page_had_credentials;
    bool promise_has_credentials;
    struct relay_client *pusher; // counts this open promise; NULL once counted off
};

// --- relay_trace.c: names for the logs ----------------------------------------------------------
// Before the first that may fail, so that its line and its answer have them.
void relay_trace_open(struct relay_exchange *r);

// --- relay_push.c: promises ---------------------------------------------------------------------
// The client asked for this itself; it need not be promised any more.
void relay_push_note_request(struct relay_exchange *r);
struct relay_client *relay_push_client(const struct relay_exchange *r); // NULL: takes no promises
void relay_push_at_request(struct relay_exchange *r);
// These two may rewrite the head's Link fields.
void relay_push_at_interim(struct relay_exchange *r, struct response_head *head);
void relay_push_at_head(struct relay_exchange *r, struct response_head *head);
// A Link value from the middle of the response; valid only now.
void relay_push_at_event(struct relay_exchange *r, struct slice links);
// A pushed response's head: may it go out? Remembers the URL when not.
bool relay_push_may_deliver(struct relay_exchange *r, const struct response_head *head);
void relay_push_on_closed(struct relay_exchange *r, enum fault fault);
// What became of the candidates in hints that were held: HINTED or TOO_LATE.
void relay_push_settle_hints(struct relay_exchange *r, enum push_reason reason);

// --- relay_hint.c: 103 Early Hints --------------------------------------------------------------
void relay_hint_open(struct relay_exchange *r);
// Can a 103 with what the plan chooses go out at this moment? `head` is the origin's 1xx, if any.
bool relay_hint_may(const struct relay_exchange *r, enum push_moment moment,
                    const struct response_head *head);
void relay_hint_send(struct relay_exchange *r, const struct push_plan *plan);
// A 1xx of the origin, cleaned: passed on, held for others that come with it, or dropped.
void relay_hint_pass(struct relay_exchange *r, const struct response_head *head);
void relay_hint_flush(struct relay_exchange *r);
// The final head is here, or none comes: what is held is of no use any more.
void relay_hint_drop(struct relay_exchange *r);

// --- relay_ledger.c: what it was good for -------------------------------------------------------
// Before the plan's promises are made; so many of them were.
void relay_ledger_note_plan(struct relay_exchange *r, const struct push_plan *plan);
void relay_ledger_note_promises(struct relay_exchange *r, unsigned made);
// A 103 leaves: our own, with so many elements, or the origin's.
void relay_ledger_note_hints(struct relay_exchange *r, unsigned elements);
void relay_ledger_note_passed(struct relay_exchange *r);
// Something leaves before the origin's head; the head is here.
void relay_ledger_note_early(struct relay_exchange *r);
void relay_ledger_note_head(struct relay_exchange *r);
void relay_ledger_open_push(struct relay_exchange *r);
void relay_ledger_note_push_end(struct relay_exchange *r, enum fault fault);
// All of it had been sent.
void relay_ledger_note_late_refusal(struct relay_client *client, uint64_t tag);
uint64_t relay_ledger_find_weight(const void *relay_exchange, const struct url *url);

// --- relay_event.c: promises from a running response --------------------------------------------
void relay_event_open(struct relay_exchange *r, const struct response_head *head);
// Bytes of the response, before they go on: a promise comes before what mentions it.
void relay_event_watch(struct relay_exchange *r, struct slice bytes);
void relay_event_close(struct relay_exchange *r);

// --- relay_visitor.c: who has it already --------------------------------------------------------
// Takes our own cookie out of the request, so that it is neither the origin's nor anybody's
// credentials. Behind relay_push_note_request.
void relay_visitor_open(struct relay_exchange *r);
void relay_visitor_note_plan(struct relay_exchange *r, const struct push_plan *plan);
// The final head, as it came: what this connection is given of which version.
void relay_visitor_note_head(struct relay_exchange *r, const struct response_head *head);
// May add the cookie to the page's head.
void relay_visitor_mark(struct relay_exchange *r, struct response_head *head);
// The client was given all of it.
void relay_visitor_note_given(struct relay_exchange *r);
// The client was given it on this connection, and its copy is stale now (struct push_facts).
bool relay_visitor_find_condition(const void *relay_exchange, const struct url *url,
                                  struct arena *arena, enum header_id *out_id,
                                  struct slice *out_value);

// --- relay_learn.c: the memory ------------------------------------------------------------------
void relay_learn_open(struct relay_exchange *r);
// The origin's final head, as it came.
void relay_learn_observe(struct relay_exchange *r, const struct response_head *head);

#endif
