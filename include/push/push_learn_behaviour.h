// SPDX-License-Identifier: Apache-2.0
// Learning from behaviour (PUSH section 1; off by default): what browsers ask for next. A visit is
// one document and what is asked for with it as Referer on the same connection within ten seconds.
// A resource that most of a page's last visits had is a candidate.
// Owner: the worker; each learns from its own connections. One thread. Pure and bounded: times are
// monotonic ms and arguments; every operation costs the same however many pages there are.
//
// Only browsers that say so (Sec-Fetch-Dest) are counted, only GET 200 of the page's own origin,
// and nothing that carried Authorization or that push_learn_rules.h would not learn from. Only
// documents have visits, so what a stylesheet asks for belongs to no page.
// See also: push/push_learn.h.
#ifndef OUTRIDER_PUSH_PUSH_LEARN_BEHAVIOUR_H
#define OUTRIDER_PUSH_PUSH_LEARN_BEHAVIOUR_H

#include "push/push_learn.h"

struct push_learn_behaviour;

enum {
    PUSH_LEARN_BEHAVIOUR_PAGES = 256,
    PUSH_LEARN_BEHAVIOUR_PARTS = 24,     // resources remembered per page
    PUSH_LEARN_BEHAVIOUR_WINDOW = 16,    // visits looked back at
    PUSH_LEARN_BEHAVIOUR_MIN_VISITS = 5, // before there are candidates
    PUSH_LEARN_BEHAVIOUR_PERCENT = 60,   // of the visits in the window that had it
    PUSH_LEARN_BEHAVIOUR_VISIT_MS = 10 * 1000,
    PUSH_LEARN_BEHAVIOUR_OPEN = 256, // visits under way; the oldest ends early when more begin
    PUSH_LEARN_BEHAVIOUR_PATH_BYTES = 512,
};

// What became of one response.
#define PUSH_LEARN_BEHAVIOUR_LIST(X)                                                               \
    X(PAGE, "page")             /* a document: its visit counts */                                 \
    X(PART, "part")             /* counted for the page that it names as Referer */                \
    X(REPEATED, "repeated")     /* again, in the same visit */                                     \
    X(RULES, "rules")           /* push_learn_rules_judge says why not */                          \
    X(KIND, "kind")             /* Sec-Fetch-Dest is missing, or nothing to preload */             \
    X(NO_REFERER, "no_referer") /* or another site's */                                            \
    X(NO_VISIT, "no_visit")     /* no document's, on another connection, or too late */            \
    X(URL, "url")               /* too long */                                                     \
    X(FULL, "full")             /* the page has as many parts as are remembered */

enum push_learn_behaviour_reason {
#define X(name, text) PUSH_LEARN_BEHAVIOUR_##name,
    PUSH_LEARN_BEHAVIOUR_LIST(X)
#undef X
};

// `pages` 0: PUSH_LEARN_BEHAVIOUR_PAGES.
struct push_learn_behaviour *push_learn_behaviour_create(uint32_t pages, uint64_t seed);
void push_learn_behaviour_destroy(struct push_learn_behaviour *behaviour); // NULL is fine

// At every request: a document's begins a visit. (Hinted parts are asked for before it is
// answered.)
void push_learn_behaviour_start(struct push_learn_behaviour *behaviour,
                                const struct request_head *request,
                                const struct push_learn_policy *policy, uint64_t conn_id,
                                uint64_t now_ms);
// At every final head, promises included: a part that was promised is a part that was not asked
// for.
enum push_learn_behaviour_reason
push_learn_behaviour_observe(struct push_learn_behaviour *behaviour,
                             const struct push_learn_response *response, uint64_t conn_id,
                             struct arena *arena, uint64_t now_ms);

// As push_learn_find: `</app.css>; rel=preload; as=style` and so on, styles first, then fonts,
// scripts and images.
bool push_learn_behaviour_find(struct push_learn_behaviour *behaviour,
                               const struct push_learn_key *key, uint64_t now_ms,
                               struct push_learn_links *out_links);
// A URL answered 4xx. False, mostly at the cost of one hash, when it is no page's part.
bool push_learn_behaviour_note_bad(struct push_learn_behaviour *behaviour, struct slice authority,
                                   struct slice path);

struct push_learn_part_view {
    struct slice element;
    unsigned visits; // of the page's, in the window, that had it
    bool is_candidate;
};
struct push_learn_behaviour_view { // texts are valid until the table is next changed
    struct push_learn_key key;
    unsigned visits; // in the window
    uint32_t uses;
    uint64_t left_ms;
    struct push_learn_part_view parts[PUSH_LEARN_BEHAVIOUR_PARTS];
    size_t count;
};
// As push_learn_forget.
void push_learn_behaviour_forget(struct push_learn_behaviour *behaviour, struct slice authority,
                                 struct slice path);
// Walks over all pages, as push_learn_next.
bool push_learn_behaviour_next(const struct push_learn_behaviour *behaviour,
                               struct push_learn_cursor *cursor, uint64_t now_ms,
                               struct push_learn_behaviour_view *out_view);

#endif
