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
#include "push/push_learn.h"
#include "push/push_promise.h"
#include "push/push_visitor.h"

enum push_moment {
    PUSH_AT_REQUEST, // while the origin thinks: declared and learned candidates
    PUSH_AT_INTERIM, // the origin sent a 103 (or another 1xx with Link)
    PUSH_AT_HEAD,    // the final head is here
    PUSH_AT_EVENT,   // a running response said so in a server-sent event
};

// Where a candidate was named.
#define PUSH_SOURCE_LIST(X)                                                                        \
    X(DECLARED_PUSH, "push")  /* the route's `push` */                                             \
    X(DECLARED_HINT, "hint")  /* the route's `hint` */                                             \
    X(LEARNED, "learned")     /* Link fields of earlier responses */                               \
    X(BEHAVIOUR, "behaviour") /* what browsers asked for after this page */                        \
    X(INTERIM, "103")         /* this response's 1xx */                                            \
    X(HEAD, "link")           /* this response's head */                                           \
    X(EVENT, "event")         /* an event of this response */

enum push_source {
#define X(name, text) PUSH_SOURCE_##name,
    PUSH_SOURCE_LIST(X)
#undef X
        PUSH_SOURCE_COUNT
};

// One named outcome for every candidate. Of those that are neither promised nor hinted it says why
// there is no promise: the first PUSH_REASON_* that applies wins; their order is the order of the
// ladder in push_plan.c.
// X(NAME, "name", may it be hinted instead, to a client that takes hints)
#define PUSH_REASON_LIST(X)                                                                        \
    X(PROMISED, "promised", false)                                                                 \
    X(HINTED, "hinted", false)                                                                     \
    X(BAD_URL, "bad_url", false)                                                                   \
    X(SELF, "self", false)          /* the page itself */                                          \
    X(REPEATED, "repeated", false)  /* a second time in this request */                            \
    X(NOPUSH, "nopush", true)       /* the element says so */                                      \
    X(HINT_ONLY, "hint_only", true) /* preconnect; the client or its credentials choose which */   \
    X(OTHER_SITE, "other_site", true)                                                              \
    X(OFF, "off", true)        /* push: off on the route */                                        \
    X(METHOD, "method", false) /* the page was not asked for with GET */                           \
    X(CONDITIONAL, "conditional",                                                                  \
      true)                    /* it may be answered with 304 or 206: wait for the head */         \
    X(STATUS, "status", false) /* not a 2xx that may push */                                       \
    X(NESTED, "nested", false) /* the page is itself a push */                                     \
    X(CLIENT, "client", true)  /* ENABLE_PUSH=0, HTTP/1, GOAWAY, stream ended */                   \
    X(POLICY, "policy", true)  /* Accept-Push-Policy */                                            \
    X(BEHIND_PROXY, "behind_proxy", true) /* one connection carries many people */                 \
    X(CREDENTIALS, "credentials", true)   /* Authorization without `credentials: all` */           \
    X(REFUSED, "refused", true)           /* this client refuses promises: the stop rule */        \
    X(MEMORY, "memory", true)             /* outrider is short of it */                            \
    X(ALREADY, "already", false)    /* the diary: promised or asked for on this connection */      \
    X(UNFIT, "unfit", false)        /* an earlier push of it was not fit to be pushed */           \
    X(UNWANTED, "unwanted", true)   /* most clients refused its last pushes */                     \
    X(IN_CACHE, "in_cache", true)   /* from an earlier visit, as the client says */                \
    X(RETURNING, "returning", true) /* a client that was here and may have it */                   \
    X(TOO_MANY, "too_many", true)   /* max_per_page, max_open, the client's limit */               \
    X(TOO_LATE, "too_late", false)  /* hints of the origin that came with its final head */

enum push_reason {
#define X(name, text, may_hint) PUSH_REASON_##name,
    PUSH_REASON_LIST(X)
#undef X
        PUSH_REASON_COUNT
};

const char *push_plan_reason_name(enum push_reason reason);
const char *push_plan_source_name(enum push_source source);

// What is known of resources beyond the messages: asked once for each candidate that comes so far.
struct push_facts {
    // Not PROMISED: a push of it was UNFIT or is UNWANTED. has_credentials: the page carries some
    // that the promise would not.
    enum push_reason (*fitness)(const void *user, const struct url *url, bool has_credentials);
    // The client was given it on this connection, and its copy is stale now: the field for a
    // promise that asks whether it changed. May be NULL.
    bool (*find_condition)(const void *user, const struct url *url, struct arena *arena,
                           enum header_id *out_id, struct slice *out_value);
    // Bytes, 0 when not known: what not promising it to who has it spares. May be NULL.
    uint64_t (*find_weight)(const void *user, const struct url *url);
    const void *user;
};

struct push_question {
    enum push_moment moment;
    const struct request_head *request;   // the page
    const struct response_head *response; // interim or final head, NULL at request
    struct slice event;                   // a Link value, at PUSH_AT_EVENT
    const struct config_push *policy;
    // Pass these at every moment. Used at PUSH_AT_REQUEST; for a conditional request, whose answer
    // may well be 304, only hints are, and promises wait for PUSH_AT_HEAD.
    const struct config_declared *declared;
    size_t declared_count;
    const struct config_declared *declared_hints; // never promised
    size_t declared_hint_count;
    const struct push_learn_links *learned;   // NULL: nothing
    const struct push_learn_links *behaviour; // NULL: nothing
    const struct push_diary *diary;           // may be NULL: nothing known
    const struct push_facts *facts;           // may be NULL
    const struct push_visitor *visitor;       // NULL: everybody is new here
    bool is_promised;                         // the page is itself a push
    bool is_behind_proxy; // Via, Forwarded or X-Forwarded-For came from an untrusted peer
    bool is_memory_short;
    bool may_hint;     // a 103 can go out now: what isn't promised may be hinted
    bool is_explained; // make rows
    unsigned room;     // promises the front can make now, 0 when the client takes none
    bool is_full; // room is 0 since a limit is reached, not since this client takes no promises
    unsigned already_promised; // for this page, at earlier moments
    // What was used at earlier moments of this request, in order.
    const struct url *used;
    size_t used_count;
};

struct push_row { // one candidate, for people
    enum push_source source;
    enum push_reason reason;
    struct slice target; // resolved where that was possible
};

struct push_plan {
    struct push_promise *promises;
    size_t promise_count;
    // Link elements for the 103 that is to go out now: what the page can't be shown without first.
    // At PUSH_AT_INTERIM the origin's own fields are passed on instead, and this is empty.
    struct slice *hints;
    size_t hint_count;
    unsigned outcomes[PUSH_REASON_COUNT]; // candidates per reason
    // The response's Link fields as they are to be forwarded, when x-http2-push-only elements of
    // rel=preload or modulepreload were taken out (whether promised or not: they are meant for us).
    // Fields left empty are not in the list, which may be empty. Else forward them as they are.
    const struct slice *rewritten_links;
    size_t rewritten_link_count;
    bool has_rewritten_links;
    const struct url *used; // used of the question plus what this plan used
    size_t used_count;
    // What the client has once this page is shown: promised now, or there already.
    struct url *given;
    size_t given_count;
    unsigned spared; // candidates that the client has already
    uint64_t spared_bytes;
    unsigned ignored_elements; // Link elements beyond the limits
    struct push_row *rows;     // of every candidate, when asked for
    size_t row_count;
};

// `out_plan` and all it points to live in the arena.
void push_plan_make(const struct push_question *question, struct arena *arena,
                    struct push_plan *out_plan);

#endif
