// SPDX-License-Identifier: Apache-2.0
#include "push/push_learn_rules.h"

#include "http/freshness.h"
#include "http/link_header.h"
#include "push_learn_reflection.h"

static enum push_learn_reason judge(const struct push_learn_response *response,
                                    struct push_learn_key *out_key, uint64_t *out_life_ms);
static bool is_gone(int status);
static enum push_learn_reason judge_sharing(const struct headers *headers,
                                            const struct freshness *freshness, bool with_private);
static uint64_t life_ms(const struct freshness *freshness, bool with_private);
static void read_links(const struct push_learn_response *response, struct arena *arena,
                       struct push_learn_lesson *lesson);
static struct url page_url(const struct push_learn_key *key);
static bool read_text(struct slice text, const struct url *page, struct arena *arena,
                      struct push_learn_element *out_element);
static void drop_foreign(struct push_learn_lesson *lesson);
static bool read_link(const struct link_header *link, const struct url *page, struct arena *arena,
                      struct push_learn_element *out_element);
static bool is_about_page(const struct link_header *link, const struct url *page,
                          struct arena *arena);

const char *push_learn_rules_reason_name(enum push_learn_reason reason) {
    static const char *const names[PUSH_LEARN_REASON_COUNT] = {
#define X(name, text, effect) text,
        PUSH_LEARN_REASON_LIST(X)
#undef X
    };
    return names[reason];
}

bool push_learn_rules_drops(enum push_learn_reason reason) {
    enum { KEEP, DROP };
    static const char effects[PUSH_LEARN_REASON_COUNT] = {
#define X(name, text, effect) effect,
        PUSH_LEARN_REASON_LIST(X)
#undef X
    };
    return effects[reason] == DROP;
}

// --- the page ---------------------------------------------------------------------------------

bool push_learn_rules_key(const struct request_head *request,
                          const struct push_learn_policy *policy, struct push_learn_key *out_key) {
    return slice_equal(request->method, SLICE("GET")) &&
           !headers_has(&request->headers, HEADER_AUTHORIZATION) &&
           push_learn_rules_make_key(request, policy, out_key);
}

bool push_learn_rules_make_key(const struct request_head *request,
                               const struct push_learn_policy *policy,
                               struct push_learn_key *out_key) {
    size_t length = policy->with_query ? request->path.length : slice_find(request->path, '?');
    *out_key = (struct push_learn_key){
        .scheme = request->scheme,
        .authority = request->authority,
        .path = slice_first(request->path, length),
        .has_credentials = headers_has(&request->headers, HEADER_COOKIE) ||
                           headers_has(&request->headers, HEADER_AUTHORIZATION),
    };
    return length > 0 && request->path.data[0] == '/' &&
           request->scheme.length + request->authority.length + length <= PUSH_LEARN_KEY_BYTES;
}

bool push_learn_rules_key_equal(const struct push_learn_key *a, const struct push_learn_key *b) {
    return a->has_credentials == b->has_credentials && slice_equal(a->path, b->path) &&
           slice_equal(a->authority, b->authority) && slice_equal(a->scheme, b->scheme);
}

bool push_learn_rules_is_key(const struct push_learn_key *key, struct arena *arena) {
    struct slice authority;
    struct slice path;
    return (slice_equal(key->scheme, SLICE("https")) || slice_equal(key->scheme, SLICE("http"))) &&
           key->scheme.length + key->authority.length + key->path.length <= PUSH_LEARN_KEY_BYTES &&
           url_normalize_authority(key->scheme, key->authority, arena, &authority) &&
           slice_equal(authority, key->authority) && url_check_path(key->path, arena, &path) &&
           slice_equal(path, key->path);
}

// --- the response -----------------------------------------------------------------------------

void push_learn_rules_open(const struct push_learn_response *response,
                           struct push_learn_lesson *out_lesson) {
    *out_lesson = (struct push_learn_lesson){.visitor = SLICE_EMPTY};
    out_lesson->reason = judge(response, &out_lesson->key, &out_lesson->life_ms);
}

void push_learn_rules_read(const struct push_learn_response *response, struct arena *arena,
                           struct push_learn_lesson *out_lesson) {
    if (headers_has(&response->response->headers, HEADER_LINK)) {
        read_links(response, arena, out_lesson);
    }
    if (out_lesson->count == 0) {
        out_lesson->reason = PUSH_LEARN_NO_LINKS;
        return;
    }
    if (!push_learn_rules_is_key(&out_lesson->key, arena)) {
        out_lesson->reason = PUSH_LEARN_URL;
        out_lesson->count = 0;
        return;
    }
    if (!response->policy->with_query &&
        push_learn_reflection_is_in(response->request, out_lesson->elements, out_lesson->count,
                                    arena)) {
        out_lesson->reason = PUSH_LEARN_REFLECTED;
        out_lesson->count = 0;
        return;
    }
    drop_foreign(out_lesson);
    out_lesson->reason = out_lesson->count > 0 ? PUSH_LEARN_FIRST : PUSH_LEARN_NO_LINKS;
    out_lesson->visitor = push_learn_rules_visitor(response->request, arena);
}

// Of other sites only connections: their resources, said by a page that repeats what it was asked,
// would be fetched by all (TRUST 1.12).
static void drop_foreign(struct push_learn_lesson *lesson) {
    struct push_learn_element *elements = (struct push_learn_element *)(uintptr_t)lesson->elements;
    size_t count = 0;
    for (size_t i = 0; i < lesson->count; i++) {
        if (!elements[i].is_foreign) {
            elements[count++] = elements[i];
        }
    }
    lesson->count = count;
}

enum push_learn_reason push_learn_rules_judge(const struct push_learn_response *response) {
    struct push_learn_key key;
    uint64_t life;
    return judge(response, &key, &life);
}

// What an attacker chooses (method, Authorization) may not drop what others have taught; what the
// origin says about the page does.
static enum push_learn_reason judge(const struct push_learn_response *response,
                                    struct push_learn_key *out_key, uint64_t *out_life_ms) {
    const struct request_head *request = response->request;
    const struct headers *headers = &response->response->headers;
    if (!slice_equal(request->method, SLICE("GET"))) {
        return PUSH_LEARN_METHOD;
    }
    if (response->is_promised) {
        return PUSH_LEARN_PROMISED;
    }
    if (!push_learn_rules_make_key(request, response->policy, out_key)) {
        return PUSH_LEARN_URL;
    }
    if (is_gone(response->response->status)) {
        return PUSH_LEARN_GONE;
    }
    if (response->response->status != 200) {
        return PUSH_LEARN_STATUS;
    }
    if (headers_has(&request->headers, HEADER_AUTHORIZATION)) {
        return PUSH_LEARN_AUTHORIZATION;
    }
    struct freshness freshness;
    freshness_read(headers, response->wall_ms, &freshness);
    *out_life_ms = life_ms(&freshness, response->policy->with_private);
    return judge_sharing(headers, &freshness, response->policy->with_private);
}

static bool is_gone(int status) {
    return status == 401 || status == 403 || status == 404 || status == 410;
}

static enum push_learn_reason judge_sharing(const struct headers *headers,
                                            const struct freshness *freshness, bool with_private) {
    if (!with_private && !freshness->is_storable) {
        return PUSH_LEARN_NO_STORE;
    }
    if (!with_private && freshness->is_private) {
        return PUSH_LEARN_PRIVATE;
    }
    if (!with_private && headers_has(headers, HEADER_SET_COOKIE)) {
        return PUSH_LEARN_SET_COOKIE;
    }
    if (headers_has_token(headers, HEADER_VARY, SLICE("*"))) {
        return PUSH_LEARN_VARY;
    }
    return life_ms(freshness, with_private) > 0 ? PUSH_LEARN_FIRST : PUSH_LEARN_STALE;
}

// The response's freshness or an hour, whichever is shorter; the hour where none is stated.
// no-cache is no time: it asks that the page be checked at each use, and so are its hints, since
// every visit goes to the origin, whose answer confirms them or drops them at once. max-age=0 is a
// time. It ends all learning, unless the route asks for it: private pages mostly say both.
static uint64_t life_ms(const struct freshness *freshness, bool with_private) {
    uint64_t left_ms = freshness->shared_left_ms;
    bool is_bounded = freshness->has_shared_lifetime && !(with_private && left_ms == 0);
    return is_bounded && left_ms < PUSH_LEARN_LIFE_MS ? left_ms : PUSH_LEARN_LIFE_MS;
}

// Nearly always one field: the fronts join the crumbs.
bool push_learn_rules_is_page(const struct push_learn_key *key, struct slice authority,
                              struct slice path) {
    bool has_query = slice_find(path, '?') < path.length;
    struct slice own = has_query ? key->path : slice_first(key->path, slice_find(key->path, '?'));
    return authority.length == 0 ||
           (slice_equal(key->authority, authority) && slice_equal(own, path));
}

struct slice push_learn_rules_visitor(const struct request_head *request, struct arena *arena) {
    const struct headers *headers = &request->headers;
    const struct header *field = headers_find(headers, HEADER_COOKIE);
    struct slice cookies = field != NULL ? field->value : SLICE_EMPTY;
    while (field != NULL && (field = headers_find_next(headers, HEADER_COOKIE, field)) != NULL) {
        cookies = arena_printf(arena, "%.*s; %.*s", SLICE_ARGS(cookies), SLICE_ARGS(field->value));
    }
    return cookies;
}

bool push_learn_rules_is_bad(const struct request_head *request, int status) {
    const struct headers *headers = &request->headers;
    switch (status) { // these are about the request: its speed, its fields, its length
    case 406:
    case 408:
    case 411:
    case 412:
    case 413:
    case 414:
    case 415:
    case 416:
    case 417:
    case 421:
    case 425:
    case 429:
    case 431:
        return false;
    default:
        return status >= 400 && status <= 499 && slice_equal(request->method, SLICE("GET")) &&
               !headers_has(headers, HEADER_AUTHORIZATION) && !headers_has(headers, HEADER_RANGE) &&
               !headers_has(headers, HEADER_EXPECT);
    }
}

// --- the links --------------------------------------------------------------------------------

static void read_links(const struct push_learn_response *response, struct arena *arena,
                       struct push_learn_lesson *lesson) {
    const struct headers *headers = &response->response->headers;
    struct push_learn_element *elements = NULL;
    size_t capacity = 0;
    lesson->count = 0;
    struct url page = page_url(&lesson->key);
    struct link_reader reader = {0};
    const struct header *field = headers_find(headers, HEADER_LINK);
    for (; field != NULL; field = headers_find_next(headers, HEADER_LINK, field)) {
        struct link_header link;
        link_reader_start(&reader, field->value);
        while (link_reader_next(&reader, &link)) {
            if (lesson->count == capacity) {
                capacity = capacity > 0 ? 2 * capacity : 8;
                struct push_learn_element *grown = arena_alloc(arena, capacity * sizeof(*grown));
                if (elements != NULL) {
                    memcpy(grown, elements, lesson->count * sizeof(*grown));
                }
                lesson->elements = elements = grown;
            }
            lesson->count += read_link(&link, &page, arena, &elements[lesson->count]);
        }
    }
}

static struct url page_url(const struct push_learn_key *key) {
    return (struct url){key->scheme, key->authority, key->path};
}

bool push_learn_rules_lesson(const struct push_learn_key *key, const struct slice *texts,
                             size_t count, struct arena *arena,
                             struct push_learn_lesson *out_lesson) {
    struct push_learn_element *elements = arena_alloc(arena, count * sizeof(*elements));
    struct url page = page_url(key);
    if (count == 0 || !push_learn_rules_is_key(key, arena)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_text(texts[i], &page, arena, &elements[i])) {
            return false;
        }
    }
    *out_lesson = (struct push_learn_lesson){.reason = PUSH_LEARN_FIRST,
                                             .key = *key,
                                             .elements = elements,
                                             .count = count,
                                             .visitor = SLICE_EMPTY};
    return true;
}

static bool read_text(struct slice text, const struct url *page, struct arena *arena,
                      struct push_learn_element *out_element) {
    struct link_reader reader = {0};
    struct link_header link;
    link_reader_start(&reader, text);
    return link_reader_next(&reader, &link) && slice_equal(link.element, text) &&
           read_link(&link, page, arena, out_element) && !out_element->is_foreign;
}

static bool read_link(const struct link_header *link, const struct url *page, struct arena *arena,
                      struct push_learn_element *out_element) {
    bool is_fetch = link->is_preload || link->is_modulepreload;
    struct url target;
    if ((!is_fetch && !link->is_preconnect) || link->is_conditional ||
        !headers_is_value(link->element) || !is_about_page(link, page, arena)) {
        return false;
    }
    enum url_relation relation = url_resolve(page, link->target, arena, &target);
    bool is_self = relation == URL_SAME && (!is_fetch || url_equal(&target, page));
    bool is_nothing = link->is_push_only && link->is_nopush;
    if (relation == URL_BAD || is_self || is_nothing) {
        return false;
    }
    bool is_foreign = relation == URL_OTHER_SITE && (is_fetch || link->is_push_only);
    *out_element =
        (struct push_learn_element){link->element, target, link->is_push_only, is_foreign};
    return true;
}

// As in push_candidates.c: an anchor with a fragment names a part of the page, another context.
static bool is_about_page(const struct link_header *link, const struct url *page,
                          struct arena *arena) {
    struct url url;
    return link->anchor.length == 0 ||
           (slice_find(link->anchor, '#') == link->anchor.length &&
            url_resolve(page, link->anchor, arena, &url) == URL_SAME && url_equal(&url, page));
}
