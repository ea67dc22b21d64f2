// SPDX-License-Identifier: Apache-2.0
#include "push/push_plan.h"

#include "base/ensure.h"
#include "http/destination.h"
#include "push/push_candidates.h"
#include "push/push_hint.h"
#include "push/push_policy.h"
#include "push_used.h"

enum {
    MAX_HINT_BYTES = 16 * 1024,
    SEPARATOR_BYTES = 2, // ", "
    FIRST_CAPACITY = 8,
    RANKS = DESTINATION_MEDIA + 2, // and one before the first, for fetchpriority=high
};

struct hint {
    struct slice element;
    unsigned rank;
};

// One plan in the making.
struct planner {
    const struct push_question *question;
    struct arena *arena;
    struct push_plan *plan;
    const struct url *page;
    enum push_reason page_reason; // why this page can't push now; PROMISED when it can
    enum push_policy client_policy;
    bool lacks_credentials; // the page carries credentials that a promise would not
    bool may_hint;          // what isn't promised may be hinted
    struct push_used used;  // candidates; beyond its bound they are TOO_MANY without a look
    size_t promise_capacity;
    struct hint *hints;
    size_t hint_capacity;
    size_t hint_bytes;
    size_t given_capacity;
    size_t row_capacity;
};

// What judging one candidate brought.
struct verdict {
    enum push_reason reason;
    struct url url; // resolved, when has_url
    bool has_url;
    enum header_id condition; // the promise's, HEADER_OTHER: none
    struct slice condition_value;
};

static void plan_candidate(struct planner *planner, const struct push_candidate *candidate);
static enum push_reason judge(struct planner *planner, const struct push_candidate *candidate,
                              struct verdict *verdict);
static enum push_reason judge_element(const struct planner *planner,
                                      const struct push_candidate *candidate,
                                      enum url_relation relation, const struct url *url);
static enum push_reason judge_resource(const struct planner *planner,
                                       const struct push_candidate *candidate,
                                       enum url_relation relation, struct verdict *verdict);
static enum push_reason judge_page(const struct push_question *question, enum push_policy policy);
static bool may_status_push(const struct push_question *question);
static enum push_reason ask_visitor(const struct planner *planner, const struct url *url);
static bool is_allowed_authority(const struct planner *planner, const struct url *url);
static bool has_room(const struct planner *planner);
static void promise(struct planner *planner, const struct push_candidate *candidate,
                    const struct verdict *verdict);
static bool may_be_hinted(const struct planner *planner, const struct push_candidate *candidate,
                          enum push_reason reason);
static bool hint(struct planner *planner, const struct push_candidate *candidate);
static bool is_hinted(const struct planner *planner, struct slice element);
static void order_hints(struct planner *planner, size_t count);
static bool is_given(const struct planner *planner, enum push_reason reason);
static void note_given(struct planner *planner, const struct url *url);
static void note_spared(struct planner *planner, enum push_reason reason, const struct url *url);
static void explain(struct planner *planner, const struct push_candidate *candidate,
                    const struct verdict *verdict);
static void *grow(struct arena *arena, const void *rows, size_t count, size_t *capacity,
                  size_t row_size);

static const char *const reason_names[PUSH_REASON_COUNT] = {
#define X(name, text, may_hint) [PUSH_REASON_##name] = (text),
    PUSH_REASON_LIST(X)
#undef X
};

static const bool reason_may_hint[PUSH_REASON_COUNT] = {
#define X(name, text, may_hint) [PUSH_REASON_##name] = (may_hint),
    PUSH_REASON_LIST(X)
#undef X
};

static const char *const source_names[PUSH_SOURCE_COUNT] = {
#define X(name, text) [PUSH_SOURCE_##name] = (text),
    PUSH_SOURCE_LIST(X)
#undef X
};

const char *push_plan_reason_name(enum push_reason reason) {
    ensure((unsigned)reason < PUSH_REASON_COUNT);
    return reason_names[reason];
}

const char *push_plan_source_name(enum push_source source) {
    ensure((unsigned)source < PUSH_SOURCE_COUNT);
    return source_names[source];
}

void push_plan_make(const struct push_question *question, struct arena *arena,
                    struct push_plan *out_plan) {
    struct push_candidates candidates;
    *out_plan = (struct push_plan){.used = question->used, .used_count = question->used_count};
    if (!push_candidates_start(&candidates, question, arena)) {
        return;
    }
    enum push_policy client_policy = push_policy_read(&question->request->headers);
    struct planner planner = {
        .question = question,
        .arena = arena,
        .plan = out_plan,
        .page = &candidates.page,
        .page_reason = judge_page(question, client_policy),
        .client_policy = client_policy,
        .lacks_credentials =
            push_promise_page_has_credentials(question->request) &&
            !push_promise_has_credentials(question->request, question->policy->credentials),
        .may_hint = question->may_hint && !question->is_promised,
    };
    push_used_start(&planner.used, question->used, question->used_count, arena);
    struct push_candidate candidate;
    while (push_candidates_next(&candidates, &candidate)) {
        plan_candidate(&planner, &candidate);
    }
    out_plan->used = planner.used.urls;
    out_plan->used_count = planner.used.count;
    order_hints(&planner, out_plan->hint_count);
    out_plan->ignored_elements = candidates.reader.ignored;
    out_plan->has_rewritten_links = candidates.has_push_only && question->response != NULL;
    if (out_plan->has_rewritten_links) {
        out_plan->rewritten_link_count =
            push_candidates_rewrite_links(&candidates, &out_plan->rewritten_links);
    }
}

static void plan_candidate(struct planner *planner, const struct push_candidate *candidate) {
    struct verdict verdict = {.condition = HEADER_OTHER};
    enum push_reason judged = judge(planner, candidate, &verdict);
    verdict.reason = judged;
    if (verdict.reason == PUSH_REASON_PROMISED) {
        promise(planner, candidate, &verdict);
    } else if (may_be_hinted(planner, candidate, verdict.reason) && hint(planner, candidate)) {
        verdict.reason = PUSH_REASON_HINTED;
        if (!candidate->is_preconnect && !push_used_has(&planner->used, &verdict.url)) {
            push_used_add(&planner->used, &verdict.url);
        }
    }
    if (is_given(planner, judged)) {
        note_given(planner, &verdict.url);
    }
    note_spared(planner, judged, &verdict.url);
    planner->plan->outcomes[verdict.reason]++;
    if (planner->question->is_explained) {
        explain(planner, candidate, &verdict);
    }
}

static void note_spared(struct planner *planner, enum push_reason reason, const struct url *url) {
    const struct push_facts *facts = planner->question->facts;
    if (reason != PUSH_REASON_ALREADY && reason != PUSH_REASON_IN_CACHE &&
        reason != PUSH_REASON_RETURNING) {
        return;
    }
    planner->plan->spared++;
    if (facts != NULL && facts->find_weight != NULL) {
        planner->plan->spared_bytes += facts->find_weight(facts->user, url);
    }
}

// --- the ladder -------------------------------------------------------------------------------

// RFC 9113 section 8.4 and PUSH section 1; in the order of PUSH_REASON_LIST.
static enum push_reason judge(struct planner *planner, const struct push_candidate *candidate,
                              struct verdict *verdict) {
    struct url *url = &verdict->url;
    if (push_used_is_full(&planner->used)) {
        return PUSH_REASON_TOO_MANY;
    }
    enum url_relation relation = url_resolve(planner->page, candidate->target, planner->arena, url);
    if (relation == URL_BAD) {
        return PUSH_REASON_BAD_URL;
    }
    verdict->has_url = true;
    enum push_reason reason = judge_element(planner, candidate, relation, url);
    if (reason != PUSH_REASON_PROMISED) {
        return reason;
    }
    if (planner->page_reason == PUSH_REASON_CONDITIONAL) {
        return PUSH_REASON_CONDITIONAL; // not used, unless it is hinted: its time comes
    }
    push_used_add(&planner->used, url);
    if (planner->page_reason != PUSH_REASON_PROMISED) {
        return planner->page_reason;
    }
    return judge_resource(planner, candidate, relation, verdict);
}

// What the element says, and where it points.
static enum push_reason judge_element(const struct planner *planner,
                                      const struct push_candidate *candidate,
                                      enum url_relation relation, const struct url *url) {
    if (url_equal(url, planner->page)) {
        return PUSH_REASON_SELF;
    }
    if (!candidate->is_preconnect && push_used_has(&planner->used, url)) {
        return PUSH_REASON_REPEATED;
    }
    if (candidate->is_nopush) {
        return PUSH_REASON_NOPUSH;
    }
    // On our own site every crossorigin mode but use-credentials is answered alike; that one says
    // that the page's credentials matter, so a promise must carry them.
    if (candidate->is_hint_only || (candidate->needs_credentials && planner->lacks_credentials)) {
        return PUSH_REASON_HINT_ONLY;
    }
    if (relation == URL_OTHER_SITE && !is_allowed_authority(planner, url)) {
        return PUSH_REASON_OTHER_SITE;
    }
    return PUSH_REASON_PROMISED;
}

// The rungs that are the same for every candidate of a page.
static enum push_reason judge_page(const struct push_question *question, enum push_policy policy) {
    const struct config_push *push = question->policy;
    const struct headers *headers = &question->request->headers;
    if (!push->is_on) {
        return PUSH_REASON_OFF;
    }
    if (!slice_equal(question->request->method, SLICE("GET"))) {
        return PUSH_REASON_METHOD;
    }
    if (question->moment == PUSH_AT_REQUEST && push_candidates_is_conditional(question->request)) {
        return PUSH_REASON_CONDITIONAL;
    }
    if (!may_status_push(question)) {
        return PUSH_REASON_STATUS;
    }
    if (question->is_promised) {
        return PUSH_REASON_NESTED;
    }
    // A client that took promises for this page and has no room now has only run out of it.
    if (question->room == 0 && !question->is_full && question->already_promised == 0) {
        return PUSH_REASON_CLIENT;
    }
    if (policy == PUSH_POLICY_NONE || policy == PUSH_POLICY_HEAD) {
        return PUSH_REASON_POLICY;
    }
    if (question->is_behind_proxy && !push->on_behind_proxy) {
        return PUSH_REASON_BEHIND_PROXY;
    }
    if (headers_has(headers, HEADER_AUTHORIZATION) && push->credentials != CONFIG_CREDENTIALS_ALL) {
        return PUSH_REASON_CREDENTIALS;
    }
    if (question->diary != NULL && push_diary_has_stopped(question->diary)) {
        return PUSH_REASON_REFUSED;
    }
    return question->is_memory_short ? PUSH_REASON_MEMORY : PUSH_REASON_PROMISED;
}

// What is known of the resource: fast-load, the diary, the visitor's cache, earlier pushes.
static enum push_reason judge_resource(const struct planner *planner,
                                       const struct push_candidate *candidate,
                                       enum url_relation relation, struct verdict *verdict) {
    const struct push_question *question = planner->question;
    const struct push_facts *facts = question->facts;
    const struct url *url = &verdict->url;
    const struct destination *destination = destination_of(candidate->as, url->path);
    if (!push_policy_allows(planner->client_policy, destination->as)) {
        return PUSH_REASON_POLICY;
    }
    bool is_known =
        question->diary != NULL && push_diary_has(question->diary, url->authority, url->path);
    bool may_ask = is_known && facts != NULL && facts->find_condition != NULL &&
                   facts->find_condition(facts->user, url, planner->arena, &verdict->condition,
                                         &verdict->condition_value);
    if (is_known && !may_ask) {
        return PUSH_REASON_ALREADY;
    }
    bool lacks_credentials =
        planner->lacks_credentials ||
        (relation == URL_OTHER_SITE && push_promise_page_has_credentials(question->request));
    enum push_reason fitness =
        facts != NULL ? facts->fitness(facts->user, url, lacks_credentials) : PUSH_REASON_PROMISED;
    if (fitness != PUSH_REASON_PROMISED) {
        return fitness;
    }
    enum push_reason visitor = is_known ? PUSH_REASON_PROMISED : ask_visitor(planner, url);
    if (visitor != PUSH_REASON_PROMISED) {
        return visitor;
    }
    return has_room(planner) ? PUSH_REASON_PROMISED : PUSH_REASON_TOO_MANY;
}

static enum push_reason ask_visitor(const struct planner *planner, const struct url *url) {
    const struct push_visitor *visitor = planner->question->visitor;
    if (visitor == NULL) {
        return PUSH_REASON_PROMISED;
    }
    switch (push_visitor_ask(visitor, url, planner->arena)) {
    case PUSH_VISITOR_LACKS:
        return PUSH_REASON_PROMISED;
    case PUSH_VISITOR_HAS:
    case PUSH_VISITOR_HAS_VERSION:
        return PUSH_REASON_IN_CACHE;
    case PUSH_VISITOR_MAY_HAVE:
        return PUSH_REASON_RETURNING;
    }
    unreachable();
}

static bool may_status_push(const struct push_question *question) {
    int status = question->response != NULL ? question->response->status : 0;
    switch (question->moment) {
    case PUSH_AT_REQUEST:
        return true;
    case PUSH_AT_INTERIM:
        return status >= 100 && status <= 199 && status != 101;
    case PUSH_AT_HEAD:
        return status >= 200 && status <= 299 && status != 206;
    case PUSH_AT_EVENT: // of a response that was looked at
        return true;
    }
    unreachable();
}

static bool is_allowed_authority(const struct planner *planner, const struct url *url) {
    char *const *authority = planner->question->policy->authorities;
    if (authority == NULL || !slice_equal(url->scheme, planner->page->scheme)) {
        return false;
    }
    for (; *authority != NULL; authority++) {
        struct slice normal;
        if (url_normalize_authority(url->scheme, slice_of_text(*authority), planner->arena,
                                    &normal) &&
            slice_equal(normal, url->authority)) {
            return true;
        }
    }
    return false;
}

static bool has_room(const struct planner *planner) {
    const struct push_question *question = planner->question;
    size_t count = planner->plan->promise_count;
    return count < question->room &&
           count + question->already_promised < question->policy->max_per_page;
}

// --- results ----------------------------------------------------------------------------------

static void promise(struct planner *planner, const struct push_candidate *candidate,
                    const struct verdict *verdict) {
    struct push_plan *plan = planner->plan;
    if (plan->promise_count >= planner->promise_capacity) {
        plan->promises = grow(planner->arena, plan->promises, plan->promise_count,
                              &planner->promise_capacity, sizeof(struct push_promise));
    }
    struct push_promise *made = &plan->promises[plan->promise_count++];
    struct push_resource resource = {verdict->url, candidate->as, candidate->fetch_priority};
    push_promise_make(planner->question->request, planner->question->policy->credentials, &resource,
                      planner->arena, made);
    if (verdict->condition != HEADER_OTHER) {
        headers_add_id(&made->request.headers, verdict->condition, verdict->condition_value);
    }
}

static bool may_be_hinted(const struct planner *planner, const struct push_candidate *candidate,
                          enum push_reason reason) {
    return planner->may_hint && reason_may_hint[reason] && !candidate->is_push_only &&
           !push_used_is_full(&planner->used);
}

// False when the 103 is full, or has it.
static bool hint(struct planner *planner, const struct push_candidate *candidate) {
    struct push_plan *plan = planner->plan;
    if (planner->question->moment != PUSH_AT_REQUEST) {
        return true; // it stands in the origin's 103
    }
    struct slice element = candidate->element;
    if (element.length == 0) {
        element = push_hint_element(candidate->target, candidate->as, planner->arena);
    }
    if (is_hinted(planner, element) ||
        planner->hint_bytes + element.length + SEPARATOR_BYTES > MAX_HINT_BYTES) {
        return false;
    }
    if (plan->hint_count >= planner->hint_capacity) {
        planner->hints = grow(planner->arena, planner->hints, plan->hint_count,
                              &planner->hint_capacity, sizeof(struct hint));
    }
    // Hints to connect cost nothing and help what follows them.
    unsigned rank = 0;
    if (!candidate->is_preconnect) {
        rank = 1 + destination_of(candidate->as, candidate->target)->rank;
        rank -= candidate->fetch_priority == PUSH_FETCH_HIGH;
        rank += candidate->fetch_priority == PUSH_FETCH_LOW && rank + 1 < RANKS;
    }
    planner->hint_bytes += element.length + SEPARATOR_BYTES;
    planner->hints[plan->hint_count++] = (struct hint){element, rank};
    return true;
}

// Connections to one site with credentials and without are two, so elements are compared whole.
static bool is_hinted(const struct planner *planner, struct slice element) {
    for (size_t i = 0; i < planner->plan->hint_count; i++) {
        if (slice_equal(planner->hints[i].element, element)) {
            return true;
        }
    }
    return false;
}

// Browsers ask in the order of the 103.
static void order_hints(struct planner *planner, size_t count) {
    if (planner->hints == NULL) {
        return;
    }
    struct slice *ordered = arena_alloc(planner->arena, count * sizeof(struct slice));
    size_t done = 0;
    for (unsigned rank = 0; rank < RANKS; rank++) {
        for (size_t i = 0; i < count; i++) {
            if (planner->hints[i].rank == rank) {
                ordered[done++] = planner->hints[i].element;
            }
        }
    }
    ensure(done == count);
    planner->plan->hints = ordered;
}

static bool is_given(const struct planner *planner, enum push_reason reason) {
    return planner->question->visitor != NULL &&
           (reason == PUSH_REASON_PROMISED || reason == PUSH_REASON_ALREADY ||
            reason == PUSH_REASON_IN_CACHE || reason == PUSH_REASON_RETURNING);
}

static void note_given(struct planner *planner, const struct url *url) {
    struct push_plan *plan = planner->plan;
    if (plan->given_count >= planner->given_capacity) {
        plan->given = grow(planner->arena, plan->given, plan->given_count, &planner->given_capacity,
                           sizeof(struct url));
    }
    plan->given[plan->given_count++] = *url;
}

static void explain(struct planner *planner, const struct push_candidate *candidate,
                    const struct verdict *verdict) {
    struct push_plan *plan = planner->plan;
    if (plan->row_count >= planner->row_capacity) {
        plan->rows = grow(planner->arena, plan->rows, plan->row_count, &planner->row_capacity,
                          sizeof(struct push_row));
    }
    const struct url *url = &verdict->url;
    struct slice target = candidate->target;
    if (verdict->has_url) {
        target = arena_printf(planner->arena, "%.*s://%.*s%.*s", SLICE_ARGS(url->scheme),
                              SLICE_ARGS(url->authority), SLICE_ARGS(url->path));
    }
    plan->rows[plan->row_count++] =
        (struct push_row){(enum push_source)candidate->source, verdict->reason, target};
}

static void *grow(struct arena *arena, const void *rows, size_t count, size_t *capacity,
                  size_t row_size) {
    *capacity = count < FIRST_CAPACITY ? FIRST_CAPACITY : 2 * count;
    void *grown = arena_alloc(arena, *capacity * row_size);
    if (count > 0) {
        memcpy(grown, rows, count * row_size);
    }
    return grown;
}
