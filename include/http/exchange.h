// SPDX-License-Identifier: Apache-2.0
// The waist of the house. An exchange is one request and its response, from the first header to the
// last byte; protocol-neutral, no I/O. Left of it stands the front (an HTTP/1.1 or HTTP/2 session),
// right of it a handler (the relay). Requests flow left to right, responses right to left.
//
// Owner: the front creates it, closes it and destroys it. The handler's own state dies in
// on_closed. Thread: the worker's. States: `request` and `response` below, two independent
// directions.
//
// Words: client - whom we serve; front - our half that faces clients; handler - who answers;
// promise - an HTTP/2 PUSH_PROMISE; interim - a 1xx response other than 101.
// To add a handler implement the five functions of exchange_handler_ops; test/fake has the
// smallest. See also: relay/relay.h (the handler), front/h2_session.h and front/h1_session.h (the
// fronts).
#ifndef OUTRIDER_HTTP_EXCHANGE_H
#define OUTRIDER_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/slice.h"
#include "http/message.h"

struct exchange;

// What the exchange asks of the front. All of them only change memory; bytes leave at the end of
// the turn. None may close or destroy the exchange before it returns.
struct exchange_front_ops {
    void (*interim)(struct exchange *x, const struct response_head *head);
    void (*head)(struct exchange *x, const struct response_head *head);
    void (*body)(struct exchange *x, struct slice bytes);               // copied
    void (*finish)(struct exchange *x, const struct headers *trailers); // NULL: no trailers
    void (*fail)(struct exchange *x, enum fault fault); // after the head: never a fake end
    // Opens a promised exchange and starts it with the same handler. NULL when it can't be done.
    struct exchange *(*promise)(struct exchange *x, const struct request_head *request,
                                struct priority priority);
    // How many more promises may be made now; 0 where the protocol or the client has none.
    unsigned (*promise_room)(const struct exchange *x);
    void (*consumed)(struct exchange *x, size_t bytes);
    // How many more response bytes the front would hold now; 0 is "full".
    size_t (*room)(const struct exchange *x);
};

// What the exchange tells the handler, in time order. on_closed: exactly once, last, also after
// success (then FAULT_NONE); the handler may not use the exchange after it.
struct exchange_handler_ops {
    void (*start)(struct exchange *x, void *handler);
    void (*on_body)(struct exchange *x, struct slice bytes);
    void (*on_request_end)(struct exchange *x, const struct headers *trailers); // NULL: none
    void (*on_drained)(struct exchange *x); // room after exchange_room said 0
    void (*on_closed)(struct exchange *x, enum fault fault);
};

struct handler {
    const struct exchange_handler_ops *ops;
    void *user;
};

enum exchange_request {
    EXCHANGE_REQUEST_OPEN,  // more of the request's content may come
    EXCHANGE_REQUEST_ENDED, // all of it is here
};

enum exchange_response {
    EXCHANGE_RESPONSE_WAITING,  // for the final head
    EXCHANGE_RESPONSE_BODY,     // head sent, for content or the end
    EXCHANGE_RESPONSE_FINISHED, // complete, as far as the handler is concerned
    EXCHANGE_RESPONSE_FAILED,   // by exchange_fail or _cut; the handler has nothing more to say
    EXCHANGE_RESPONSE_CLOSED,   // on_closed has been told
};

// For the access log; written by the handler, read by the front when the exchange is over.
struct exchange_story {
    struct slice origin; // name in the configuration, empty when none was asked
    bool origin_reused;  // answered on a connection that had served before
    bool is_retried;
    uint64_t origin_head_ms; // from asking the origin to its final head, 0 when none came
    unsigned promised;       // promises made for this page
    unsigned hinted;
    struct slice skipped;  // "nopush:1,already:3": candidates not pushed, by reason
    struct slice trace_id; // empty when the client named none
    unsigned sample;       // a line stands for so many exchanges like this one; 0 is 1
    bool is_left_out;      // another one's line stands for this one
};

struct exchange {
    // Set by the front before exchange_start. For the handler const, save that it may take out of
    // the request's fields what the client meant for outrider itself or what is of no use, and name
    // the request.
    struct arena *arena;
    struct client *client;
    const struct clock *clock;
    struct request_head request;
    uint32_t stream_id;          // 0 for HTTP/1
    const struct exchange *page; // who promised this one; NULL when it is not a push, or gone
    struct slice page_path;      // copy of the page's path, empty when this is not a push
    bool is_promised;
    uint64_t promise_tag; // the handler's, for client.memory_on_late_refusal
    // The field by which the handler named the request; it stands in the origin's request, and in
    // our own error response. No name: none.
    struct header request_id;

    enum exchange_request request_state;
    enum exchange_response response_state;
    enum fault fault;        // why it ended, FAULT_NONE while all is well
    int status;              // of the final head, 0 before
    bool is_head_request;    // HEAD: no response content on the wire
    uint64_t started_ms;     // monotonic
    uint64_t head_ms;        // when the final head came, 0 before
    uint64_t request_bytes;  // content received from the client
    uint64_t response_bytes; // content given to the front
    struct exchange_story story;

    const struct exchange_front_ops *front;
    void *front_user; // the front's stream
    struct handler handler;
    void *handler_user; // the handler's state for this exchange
};

// --- used by the front, in time order ---------------------------------------------------------
// Creates an exchange inside a new arena. The front then fills in request, client and so on.
struct exchange *exchange_create(const struct exchange_front_ops *front, void *front_user);
// The head is complete. The handler's start() runs before this returns.
void exchange_start(struct exchange *x, struct handler handler);
// Answers a request that never reached a handler (malformed, too large ...). Instead of start.
void exchange_refuse(struct exchange *x, enum fault fault);
// Likewise, with no answer but what the front says in its protocol: its `fail`.
void exchange_turn_away(struct exchange *x, enum fault fault);
// Content of the request; must not come after the end. Dropped (and consumed) once failed.
void exchange_request_body(struct exchange *x, struct slice bytes);
void exchange_request_end(struct exchange *x, const struct headers *trailers);
void exchange_drained(struct exchange *x);
// The front's own error door (the client is too slow, its content too large or malformed): answers
// as exchange_fail does, and the handler hears on_closed at once. Ignored once the response is
// over.
void exchange_cut(struct exchange *x, enum fault fault);
// The conversation is over: completely sent (FAULT_NONE), or the client left or was cut off.
void exchange_close(struct exchange *x, enum fault fault);
void exchange_destroy(struct exchange *x); // after exchange_close, or before exchange_start

// --- used by the handler, in time order -------------------------------------------------------
void exchange_send_interim(struct exchange *x, const struct response_head *head);
struct exchange *exchange_promise(struct exchange *x, const struct request_head *request,
                                  struct priority priority);
void exchange_send_head(struct exchange *x, const struct response_head *head);
void exchange_send_body(struct exchange *x, struct slice bytes);
void exchange_finish(struct exchange *x, const struct headers *trailers);
// The one error door: before the head a small error response, after it a reset. Legal in every
// state; ignored once the response is finished, failed or closed.
void exchange_fail(struct exchange *x, enum fault fault);
void exchange_request_consumed(struct exchange *x, size_t bytes);
size_t exchange_room(const struct exchange *x);
unsigned exchange_promise_room(const struct exchange *x);

static inline uint64_t exchange_now(const struct exchange *x) {
    return x->clock->now_ms;
}

#endif
