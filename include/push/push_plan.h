// SPDX-License-Identifier: Apache-2.0
// The decision: which resources are promised or hinted for one exchange at one moment, and why each
// other candidate is not. A pure function over plain structs; nothing is mutated, nothing is sent.
// relay/relay_push.c carries the plan out and then records it.
// Owner: the exchange's arena. Source: RFC 9113 section 8.4, RFC 8297, RFC 8288.
#ifndef OUTRIDER_PUSH_PUSH_PLAN_H
#define OUTRIDER_PUSH_PUSH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "config/config.h"
#include "http/message.h"
#include "http/url.h"
#include "push/push_diary.h"
#include "push/push_promise.h"

enum push_moment {
    PUSH_AT_REQUEST, // before the origin is asked: declared candidates
    PUSH_AT_INTERIM, // the origin sent a 103 (or another 1xx with Link)
    PUSH_AT_HEAD,    // the final head is here
};

// One named outcome for every candidate. The first PUSH_REASON_* that applies wins; their order is
// the order of the ladder in push_plan.c.
#define PUSH_REASON_LIST(X)                                                                        \
    X(PROMISED, "promised")                                                                        \
    X(NOPUSH, "nopush")       /* the element says so */                                            \
    X(HINT_ONLY, "hint_only") /* preconnect; the client or its credentials choose which */         \
    X(BAD_URL, "bad_url")                                                                          \
    X(OTHER_SITE, "other_site")                                                                    \
    X(SELF, "self")                 /* the page itself */                                          \
    X(REPEATED, "repeated")         /* a second time in this request */                            \
    X(OFF, "off")                   /* push: off on the route */                                   \
    X(METHOD, "method")             /* the page was not asked for with GET */                      \
    X(STATUS, "status")             /* not a 2xx that may push */                                  \
    X(NESTED, "nested")             /* the page is itself a push */                                \
    X(CLIENT, "client")             /* ENABLE_PUSH=0, HTTP/1, GOAWAY, stream ended */              \
    X(BEHIND_PROXY, "behind_proxy") /* one connection carries many people */                       \
    X(CREDENTIALS, "credentials")   /* Authorization without `credentials: all` */                 \
    X(REFUSED, "refused")           /* this client refuses promises: the stop rule */              \
    X(ALREADY, "already")           /* the diary: promised or asked for on this connection */      \
    X(UNFIT, "unfit")               /* an earlier push of it was not fit to be pushed */           \
    X(TOO_MANY, "too_many")         /* max_per_page, max_open, the client's limit */

enum push_reason {
#define X(name, text) PUSH_REASON_##name,
    PUSH_REASON_LIST(X)
#undef X
        PUSH_REASON_COUNT
};

const char *push_plan_reason_name(enum push_reason reason);

struct push_question {
    enum push_moment moment;
    const struct request_head *request;   // the page
    const struct response_head *response; // interim or final head, NULL at request
    const struct config_push *policy;
    // Pass them at every moment. Used at PUSH_AT_REQUEST; for a conditional or range request, whose
    // answer may well be 304 or 206, only at PUSH_AT_HEAD.
    const struct config_declared *declared;
    size_t declared_count;
    const struct push_diary *diary; // may be NULL: nothing known
    // May be NULL. Asked for each candidate: was a push of (authority, path) unfit before?
    // has_credentials: the page carries some that the promise would not.
    bool (*is_unfit)(const void *unfit_user, struct slice authority, struct slice path,
                     bool has_credentials);
    const void *unfit_user;
    bool is_promised;     // the page is itself a push
    bool is_behind_proxy; // Via, Forwarded or X-Forwarded-For came from an untrusted peer
    unsigned room;        // promises the front can make now, 0 when the client takes none
    bool is_full; // room is 0 since a limit is reached, not since this client takes no promises
    unsigned already_promised; // for this page, at earlier moments
    // (authority, path) pairs used at earlier moments of this request, in order.
    const struct url *used;
    size_t used_count;
};

struct push_plan {
    struct push_promise *promises;
    size_t promise_count;
    unsigned outcomes[PUSH_REASON_COUNT]; // candidates per reason
    // The response's Link fields as they are to be forwarded, when x-http2-push-only elements of
    // rel=preload or modulepreload were taken out (whether promised or not: they are meant for us).
    // Fields left empty are not in the list, which may be empty. Else forward them as they are.
    const struct slice *rewritten_links;
    size_t rewritten_link_count;
    bool has_rewritten_links;
    const struct url *used; // used of the question plus what this plan used
    size_t used_count;
    unsigned ignored_elements; // Link elements beyond the limits
};

// `out_plan` and all it points to live in the arena.
void push_plan_make(const struct push_question *question, struct arena *arena,
                    struct push_plan *out_plan);

// May this pushed response go out? (PUSH section 1, "The pushed response"). The promise is taken
// back on 4xx and 5xx, and, when the page carried credentials that the promise does not, on
// Set-Cookie, private, no-store, Vary on cookie, authorization or *.
bool push_plan_may_deliver(const struct response_head *response, bool page_had_credentials,
                           bool promise_had_credentials);

#endif
