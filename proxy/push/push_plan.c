// SPDX-License-Identifier: Apache-2.0
#include "push/push_plan.h"

#include "base/ensure.h"
#include "push/push_candidates.h"

// Candidates that are remembered for one request, over all its moments. An origin may send many 1xx
// with many links; beyond this they are TOO_MANY without being looked at.
enum { MAX_USED = 512, FIRST_CAPACITY = 8 };

// One plan in the making.
struct planner {
    const struct push_question *question;
    struct arena *arena;
    struct push_plan *plan;
    const struct url *page;
    enum push_reason page_reason; // why this page can't push now; PROMISED when it can
    bool lacks_credentials;       // the page carries credentials that a promise would not
    struct url *used;             // plan->used once this plan added to it, else NULL
    size_t used_capacity;
    size_t promise_capacity;
};

static void plan_candidate(struct planner *planner, const struct push_candidate *candidate);
static enum push_reason judge(struct planner *planner, const struct push_candidate *candidate,
                              struct url *out_url);
static enum push_reason judge_page(const struct push_question *question);
static bool may_status_push(const struct push_question *question);
static bool is_declined(const struct request_head *request);
static bool is_allowed_authority(const struct planner *planner, const struct url *url);
static bool is_used(const struct planner *planner, const struct url *url);
static void note_used(struct planner *planner, const struct url *url);
static bool has_room(const struct planner *planner);
static void promise(struct planner *planner, const struct push_candidate *candidate,
                    const struct url *url);
static void *grow(struct arena *arena, const void *rows, size_t count, size_t *capacity,
                  size_t row_size);
static bool has_private_directive(const struct headers *headers);

static const char *const reason_names[PUSH_REASON_COUNT] = {
#define X(name, text) [PUSH_REASON_##name] = text,
    PUSH_REASON_LIST(X)
#undef X
};

const char *push_plan_reason_name(enum push_reason reason) {
    ensure((unsigned)reason < PUSH_REASON_COUNT);
    return reason_names[reason];
}

void push_plan_make(const struct push_question *question, struct arena *arena,
                    struct push_plan *out_plan) {
    struct push_candidates candidates;
    *out_plan = (struct push_plan){.used = question->used, .used_count = question->used_count};
    if (!push_candidates_start(&candidates, question, arena)) {
        return;
    }
    struct planner planner = {
        .question = question,
        .arena = arena,
        .plan = out_plan,
        .page = &candidates.page,
        .page_reason = judge_page(question),
        .lacks_credentials =
            push_promise_page_has_credentials(question->request) &&
            !push_promise_has_credentials(question->request, question->policy->credentials),
    };
    struct push_candidate candidate;
    while (push_candidates_next(&candidates, &candidate)) {
        plan_candidate(&planner, &candidate);
    }
    out_plan->ignored_elements = candidates.reader.ignored;
    out_plan->has_rewritten_links = candidates.has_push_only;
    if (candidates.has_push_only) {
        out_plan->rewritten_link_count =
            push_candidates_rewrite_links(&candidates, &out_plan->rewritten_links);
    }
}

static void plan_candidate(struct planner *planner, const struct push_candidate *candidate) {
    struct url url = {.path = SLICE_EMPTY};
    enum push_reason reason = judge(planner, candidate, &url);
    planner->plan->outcomes[reason]++;
    if (reason == PUSH_REASON_PROMISED) {
        promise(planner, candidate, &url);
    }
}

// --- the ladder -------------------------------------------------------------------------------

// RFC 9113 section 8.4 and PUSH section 1; in the order of PUSH_REASON_LIST.
static enum push_reason judge(struct planner *planner, const struct push_candidate *candidate,
                              struct url *out_url) {
    const struct push_question *question = planner->question;
    if (candidate->is_nopush) {
        return PUSH_REASON_NOPUSH;
    }
    // On our own site every crossorigin mode but use-credentials is answered alike; that one says
    // that the page's credentials matter, so a promise must carry them.
    if (candidate->is_hint_only || (candidate->needs_credentials && planner->lacks_credentials)) {
        return PUSH_REASON_HINT_ONLY;
    }
    if (planner->plan->used_count >= MAX_USED) {
        return PUSH_REASON_TOO_MANY;
    }
    enum url_relation relation =
        url_resolve(planner->page, candidate->target, planner->arena, out_url);
    if (relation == URL_BAD) {
        return PUSH_REASON_BAD_URL;
    }
    if (relation == URL_OTHER_SITE && !is_allowed_authority(planner, out_url)) {
        return PUSH_REASON_OTHER_SITE;
    }
    if (url_equal(out_url, planner->page)) {
        return PUSH_REASON_SELF;
    }
    if (is_used(planner, out_url)) {
        return PUSH_REASON_REPEATED;
    }
    note_used(planner, out_url);
    if (planner->page_reason != PUSH_REASON_PROMISED) {
        return planner->page_reason;
    }
    if (question->diary != NULL &&
        push_diary_has(question->diary, out_url->authority, out_url->path)) {
        return PUSH_REASON_ALREADY;
    }
    bool lacks_credentials =
        planner->lacks_credentials ||
        (relation == URL_OTHER_SITE && push_promise_page_has_credentials(question->request));
    if (question->is_unfit != NULL && question->is_unfit(question->unfit_user, out_url->authority,
                                                         out_url->path, lacks_credentials)) {
        return PUSH_REASON_UNFIT;
    }
    return has_room(planner) ? PUSH_REASON_PROMISED : PUSH_REASON_TOO_MANY;
}

// The rungs that are the same for every candidate of a page.
static enum push_reason judge_page(const struct push_question *question) {
    const struct config_push *policy = question->policy;
    const struct headers *headers = &question->request->headers;
    if (!policy->is_on) {
        return PUSH_REASON_OFF;
    }
    if (!slice_equal(question->request->method, SLICE("GET"))) {
        return PUSH_REASON_METHOD;
    }
    if (!may_status_push(question)) {
        return PUSH_REASON_STATUS;
    }
    if (question->is_promised) {
        return PUSH_REASON_NESTED;
    }
    // A client that took promises for this page and has no room now has only run out of it.
    bool takes_none = question->room == 0 && !question->is_full && question->already_promised == 0;
    if (takes_none || is_declined(question->request)) {
        return PUSH_REASON_CLIENT;
    }
    if (question->is_behind_proxy && !policy->on_behind_proxy) {
        return PUSH_REASON_BEHIND_PROXY;
    }
    if (headers_has(headers, HEADER_AUTHORIZATION) &&
        policy->credentials != CONFIG_CREDENTIALS_ALL) {
        return PUSH_REASON_CREDENTIALS;
    }
    if (question->diary != NULL && push_diary_has_stopped(question->diary)) {
        return PUSH_REASON_REFUSED;
    }
    return PUSH_REASON_PROMISED;
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
    }
    unreachable();
}

// Accept-Push-Policy: `none` wants no push, `head` no content with it, which we can't promise.
static bool is_declined(const struct request_head *request) {
    struct slice policy = headers_value(&request->headers, HEADER_ACCEPT_PUSH_POLICY);
    policy = slice_trim(slice_first(policy, slice_find(policy, ';')));
    return slice_equal_nocase(policy, SLICE("none")) || slice_equal_nocase(policy, SLICE("head"));
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

static bool is_used(const struct planner *planner, const struct url *url) {
    for (size_t i = 0; i < planner->plan->used_count; i++) {
        if (url_equal(&planner->plan->used[i], url)) {
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

static void note_used(struct planner *planner, const struct url *url) {
    struct push_plan *plan = planner->plan;
    if (plan->used_count >= planner->used_capacity) {
        planner->used = grow(planner->arena, plan->used, plan->used_count, &planner->used_capacity,
                             sizeof(struct url));
    }
    planner->used[plan->used_count++] = *url;
    plan->used = planner->used;
}

static void promise(struct planner *planner, const struct push_candidate *candidate,
                    const struct url *url) {
    struct push_plan *plan = planner->plan;
    if (plan->promise_count >= planner->promise_capacity) {
        plan->promises = grow(planner->arena, plan->promises, plan->promise_count,
                              &planner->promise_capacity, sizeof(struct push_promise));
    }
    struct push_resource resource = {*url, candidate->as, candidate->fetch_priority};
    push_promise_make(planner->question->request, planner->question->policy->credentials, &resource,
                      planner->arena, &plan->promises[plan->promise_count++]);
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

// --- delivery ---------------------------------------------------------------------------------

bool push_plan_may_deliver(const struct response_head *response, bool page_had_credentials,
                           bool promise_had_credentials) {
    const struct headers *headers = &response->headers;
    if (response->status >= 400) {
        return false;
    }
    if (!page_had_credentials || promise_had_credentials) {
        return true;
    }
    // A visitor without credentials was answered: it may not be what this one would have got.
    return !headers_has(headers, HEADER_SET_COOKIE) && !has_private_directive(headers) &&
           !headers_has_token(headers, HEADER_VARY, SLICE("cookie")) &&
           !headers_has_token(headers, HEADER_VARY, SLICE("authorization")) &&
           !headers_has_token(headers, HEADER_VARY, SLICE("*"));
}

// private and no-store, also with arguments (RFC 9111 section 5.2.2).
static bool has_private_directive(const struct headers *headers) {
    const struct header *field = headers_find(headers, HEADER_CACHE_CONTROL);
    for (; field != NULL; field = headers_find_next(headers, HEADER_CACHE_CONTROL, field)) {
        struct slice rest = field->value;
        struct slice directive;
        while (slice_next_element(&rest, &directive)) {
            struct slice name = slice_trim(slice_first(directive, slice_find(directive, '=')));
            if (slice_equal_nocase(name, SLICE("private")) ||
                slice_equal_nocase(name, SLICE("no-store"))) {
                return true;
            }
        }
    }
    return false;
}
