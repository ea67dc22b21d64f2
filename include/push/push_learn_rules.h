// SPDX-License-Identifier: Apache-2.0
// What may be learned from a response, and for whom (PUSH section 1, "Learning from Link"; TRUST
// 1.12). A pure function over plain structs; nothing is remembered here.
// Owner: the arena owns the lesson's elements; all texts are borrowed from the messages, which live
// in the same one. Any thread. Times: ms. See also: push/push_learn.h, http/link_header.h.
#ifndef OUTRIDER_PUSH_PUSH_LEARN_RULES_H
#define OUTRIDER_PUSH_PUSH_LEARN_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "http/message.h"
#include "http/url.h"

enum {
    PUSH_LEARN_KEY_BYTES = 1024, // scheme, authority and path; a longer one is not learned
    PUSH_LEARN_LIFE_MS = 60 * 60 * 1000,
};

// What became of one response. X(NAME, "name", what it does to hints that are known for the page).
// Those down to NO_LINKS are said by the rules, the first that applies; the rest by the table.
#define PUSH_LEARN_REASON_LIST(X)                                                                  \
    X(METHOD, "method", KEEP)               /* not GET */                                          \
    X(PROMISED, "promised", KEEP)           /* outrider itself asked for it */                     \
    X(URL, "url", KEEP)                     /* too long, or not one of a page */                   \
    X(GONE, "gone", DROP)                   /* 401, 403, 404, 410 */                               \
    X(STATUS, "status", KEEP)               /* another than 200 */                                 \
    X(AUTHORIZATION, "authorization", KEEP) /* the request had it */                               \
    X(NO_STORE, "no_store", DROP)           /* unless the route says so, as the next two */        \
    X(PRIVATE, "private", DROP)                                                                    \
    X(SET_COOKIE, "set_cookie", KEEP)   /* says nothing about the page */                          \
    X(VARY, "vary", DROP)               /* Vary: * */                                              \
    X(STALE, "stale", DROP)             /* no freshness left; unless the route says so */          \
    X(REFLECTED, "reflected", KEEP)     /* what was asked, in a link */                            \
    X(NO_LINKS, "no_links", DROP)       /* none worth a hint */                                    \
    X(FIRST, "first", KEEP)             /* a first sighting */                                     \
    X(SAME_SOURCE, "same_source", KEEP) /* agrees, but is of the same client */                    \
    X(CONFIRMED, "confirmed", KEEP)     /* agrees, from another client: usable from now on */      \
    X(AGREED, "agreed", KEEP)           /* with what is usable already */                          \
    X(DISAGREED, "disagreed", KEEP)     /* what was known is dropped, and this one the first */    \
    X(OUTDATED, "outdated", KEEP)       /* older than what is known */

enum push_learn_reason {
#define X(name, text, effect) PUSH_LEARN_##name,
    PUSH_LEARN_REASON_LIST(X)
#undef X
        PUSH_LEARN_REASON_COUNT
};

const char *push_learn_rules_reason_name(enum push_learn_reason reason);
// The third column: what is known of the page goes.
bool push_learn_rules_drops(enum push_learn_reason reason);

// What a route allows beyond the rules.
struct push_learn_policy {
    bool with_query;   // the query is part of the key
    bool with_private; // learn from Set-Cookie, private, no-store and max-age=0 too
};

// A page. `authority` in lower case without default port, `path` without query unless with_query.
struct push_learn_key {
    struct slice scheme;
    struct slice authority;
    struct slice path;
    bool has_credentials;
};

struct push_learn_element {
    struct slice text; // as it stands in the Link field
    struct url target;
    bool is_push_only; // x-http2-push-only: to be promised, not to be hinted
    bool is_foreign;   // another site's resource; in no lesson
};

struct push_learn_response {
    const struct request_head *request;   // as the client made it
    const struct response_head *response; // final, as the origin made it
    const struct push_learn_policy *policy;
    int64_t wall_ms;  // since 1970 UTC
    bool is_promised; // the request is a promise of ours
};

struct push_learn_lesson {
    // Of the rules; NO_LINKS: all of them are met, but there is nothing to learn; FIRST: elements.
    enum push_learn_reason reason;
    struct push_learn_key key; // valid unless the reason is one of the first three
    const struct push_learn_element *elements;
    size_t count;
    uint64_t life_ms; // at most PUSH_LEARN_LIFE_MS
    // push_learn_rules_visitor: the same one is no second witness.
    struct slice visitor;
};

// Reason, key and life. FIRST: the elements are to be read.
void push_learn_rules_open(const struct push_learn_response *response,
                           struct push_learn_lesson *out_lesson);
// The rest, after that reason; it may be another one now.
void push_learn_rules_read(const struct push_learn_response *response, struct arena *arena,
                           struct push_learn_lesson *lesson);
// The same without looking at links: FIRST when a response of this page may be learned from.
enum push_learn_reason push_learn_rules_judge(const struct push_learn_response *response);

// The page that a request asks for. False when nothing is learned for such requests nor used:
// another method than GET, Authorization, a key that is too long.
bool push_learn_rules_key(const struct request_head *request,
                          const struct push_learn_policy *policy, struct push_learn_key *out_key);
// The same for requests that may only take hints away, Authorization and all.
bool push_learn_rules_make_key(const struct request_head *request,
                               const struct push_learn_policy *policy,
                               struct push_learn_key *out_key);
bool push_learn_rules_key_equal(const struct push_learn_key *a, const struct push_learn_key *b);

// Is it a key of this page, whatever its scheme, credentials and, if `path` has none, query? An
// empty authority means every page.
bool push_learn_rules_is_page(const struct push_learn_key *key, struct slice authority,
                              struct slice path);

// Who asks, as far as cookies tell; empty without any.
struct slice push_learn_rules_visitor(const struct request_head *request, struct arena *arena);

// For what others say: could push_learn_rules_read have given this key?
bool push_learn_rules_is_key(const struct push_learn_key *key, struct arena *arena);
// A lesson from what a record or a file says. False unless push_learn_rules_read could have given
// it: a well-formed key, and elements each of which is one Link element worth a hint or a promise.
bool push_learn_rules_lesson(const struct push_learn_key *key, const struct slice *texts,
                             size_t count, struct arena *arena,
                             struct push_learn_lesson *out_lesson);

// Does this answer show that the URL is not to be hinted? A 4xx to an ordinary GET: not one that a
// client can bring about by its credentials, conditions or ranges.
bool push_learn_rules_is_bad(const struct request_head *request, int status);

#endif
