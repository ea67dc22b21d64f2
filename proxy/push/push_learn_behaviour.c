// SPDX-License-Identifier: Apache-2.0
#include "push/push_learn_behaviour.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "http/freshness.h"
#include "push_learn_habits.h"
#include "push_learn_visits.h"

struct push_learn_behaviour {
    uint64_t seed;
    struct push_learn_visits visits;
    struct push_learn_habits habits;
    struct slice found[PUSH_LEARN_BEHAVIOUR_PARTS]; // what the last find gave
};

// A part that is to be counted for a page.
struct part {
    struct slice element;
    uint64_t url;
    const struct destination *destination;
};

static bool is_document(const struct request_head *request);
static uint64_t hash_url(uint64_t seed, struct slice authority, struct slice path);
static uint64_t hash_key(const struct push_learn_behaviour *behaviour,
                         const struct push_learn_key *key);
static uint64_t hash_visit(const struct push_learn_behaviour *behaviour, uint64_t conn_id,
                           struct slice scheme, struct slice authority, struct slice path);
static void end_visits(struct push_learn_behaviour *behaviour, uint64_t now_ms,
                       bool is_room_needed);
static void end_visit(struct push_learn_behaviour *behaviour, struct push_learn_visit *visit);
static struct push_learn_habit *habit_of(struct push_learn_behaviour *behaviour,
                                         const struct push_learn_visit *visit);
static enum push_learn_behaviour_reason
observe_page(struct push_learn_behaviour *behaviour, const struct push_learn_response *response,
             uint64_t conn_id, enum push_learn_reason reason, uint64_t now_ms);
static enum push_learn_behaviour_reason observe_part(struct push_learn_behaviour *behaviour,
                                                     const struct push_learn_response *response,
                                                     uint64_t conn_id,
                                                     const struct destination *destination,
                                                     struct arena *arena, uint64_t now_ms);
static const struct destination *learned_destination(const struct request_head *request);
static bool is_resource(const struct response_head *response,
                        const struct destination *destination);
static bool read_referer(const struct push_learn_response *response, struct arena *arena,
                         struct push_learn_key *out_page);
static bool read_part(const struct push_learn_behaviour *behaviour,
                      const struct request_head *request, struct arena *arena,
                      struct part *out_part);
static enum push_learn_behaviour_reason count_part(struct push_learn_behaviour *behaviour,
                                                   struct push_learn_visit *visit,
                                                   struct push_learn_key *page,
                                                   const struct part *part, uint64_t now_ms);
static enum push_learn_behaviour_reason count_promise(struct push_learn_behaviour *behaviour,
                                                      struct push_learn_visit *visit,
                                                      const struct push_learn_key *page,
                                                      struct slice path, uint64_t now_ms);
static enum push_learn_behaviour_reason mark(struct push_learn_visit *visit,
                                             struct push_learn_habit *habit, int place);
static void view(const struct push_learn_habit *habit, uint64_t now_ms,
                 struct push_learn_behaviour_view *out_view);

struct push_learn_behaviour *push_learn_behaviour_create(uint32_t pages, uint64_t seed) {
    struct push_learn_behaviour *behaviour = alloc_new(struct push_learn_behaviour);
    behaviour->seed = seed;
    push_learn_visits_init(&behaviour->visits);
    push_learn_habits_init(&behaviour->habits, pages > 0 ? pages : PUSH_LEARN_BEHAVIOUR_PAGES);
    return behaviour;
}

// --- visits -----------------------------------------------------------------------------------

void push_learn_behaviour_start(struct push_learn_behaviour *behaviour,
                                const struct request_head *request,
                                const struct push_learn_policy *policy, uint64_t conn_id,
                                uint64_t now_ms) {
    struct push_learn_key key;
    if (!is_document(request) || !push_learn_rules_key(request, policy, &key)) {
        return;
    }
    end_visits(behaviour, now_ms, true);
    uint64_t hash = hash_visit(behaviour, conn_id, key.scheme, key.authority, key.path);
    struct push_learn_visit *visit = push_learn_visits_find(&behaviour->visits, hash);
    if (visit != NULL) {
        end_visit(behaviour, visit);
    }
    visit = push_learn_visits_begin(&behaviour->visits, hash);
    visit->conn_id = conn_id;
    visit->page = hash_key(behaviour, &key);
    visit->has_credentials = key.has_credentials;
    visit->started_ms = now_ms;
}

static bool is_document(const struct request_head *request) {
    return slice_equal(headers_value(&request->headers, HEADER_SEC_FETCH_DEST), SLICE("document"));
}

static uint64_t hash_url(uint64_t seed, struct slice authority, struct slice path) {
    return hash_bytes(hash_bytes(seed, authority), path);
}

static uint64_t hash_key(const struct push_learn_behaviour *behaviour,
                         const struct push_learn_key *key) {
    uint64_t seed = behaviour->seed + (key->has_credentials ? 1 : 0) + 2 * key->scheme.length;
    return hash_url(seed, key->authority, key->path);
}

// Without credentials: a part may be asked for with a cookie that came with the page.
static uint64_t hash_visit(const struct push_learn_behaviour *behaviour, uint64_t conn_id,
                           struct slice scheme, struct slice authority, struct slice path) {
    uint64_t seed = hash_bytes(behaviour->seed + scheme.length,
                               slice_of((const char *)&conn_id, sizeof(conn_id)));
    return hash_url(seed, authority, path);
}

static void end_visits(struct push_learn_behaviour *behaviour, uint64_t now_ms,
                       bool is_room_needed) {
    struct push_learn_visit *visit;
    while ((visit = push_learn_visits_over(&behaviour->visits, now_ms, is_room_needed)) != NULL) {
        end_visit(behaviour, visit);
    }
}

// A visit that asked for nothing shows what the client has, not what the page needs.
static void end_visit(struct push_learn_behaviour *behaviour, struct push_learn_visit *visit) {
    struct push_learn_habit *habit = visit->parts != 0 ? habit_of(behaviour, visit) : NULL;
    if (habit != NULL) {
        push_learn_habits_count(&behaviour->habits, habit, visit);
    }
    push_learn_visits_end(&behaviour->visits, visit);
}

// NULL when the page was dropped meanwhile.
static struct push_learn_habit *habit_of(struct push_learn_behaviour *behaviour,
                                         const struct push_learn_visit *visit) {
    struct push_learn_habit *habit = behaviour->habits.chains[visit->page & behaviour->habits.mask];
    while (habit != NULL && habit->id != visit->habit_id) {
        habit = habit->next;
    }
    return habit;
}

// --- responses --------------------------------------------------------------------------------

enum push_learn_behaviour_reason
push_learn_behaviour_observe(struct push_learn_behaviour *behaviour,
                             const struct push_learn_response *response, uint64_t conn_id,
                             struct arena *arena, uint64_t now_ms) {
    bool is_page = is_document(response->request);
    const struct destination *destination = learned_destination(response->request);
    end_visits(behaviour, now_ms, false);
    if (!is_page && !response->is_promised && destination == NULL) {
        return PUSH_LEARN_BEHAVIOUR_KIND;
    }
    struct push_learn_response asked = *response;
    asked.is_promised = false;
    enum push_learn_reason reason = push_learn_rules_judge(&asked);
    if (is_page) {
        return observe_page(behaviour, response, conn_id, reason, now_ms);
    }
    if (reason != PUSH_LEARN_FIRST) {
        return PUSH_LEARN_BEHAVIOUR_RULES;
    }
    if (!response->is_promised && !is_resource(response->response, destination)) {
        return PUSH_LEARN_BEHAVIOUR_KIND;
    }
    return observe_part(behaviour, response, conn_id, destination, arena, now_ms);
}

// Whoever asks says of anything that it is a style. Whether it is one, and not a way to log out,
// the answer tells: by its type, and since what caches can keep is made to be asked for.
static bool is_resource(const struct response_head *response,
                        const struct destination *destination) {
    const struct headers *headers = &response->headers;
    struct freshness freshness;
    freshness_read(headers, 0, &freshness);
    bool has_validator =
        headers_has(headers, HEADER_ETAG) || headers_has(headers, HEADER_LAST_MODIFIED);
    bool is_kept = freshness.has_lifetime ? freshness.lifetime_ms > 0 : has_validator;
    return is_kept && destination_fits(destination, headers_value(headers, HEADER_CONTENT_TYPE));
}

static enum push_learn_behaviour_reason
observe_page(struct push_learn_behaviour *behaviour, const struct push_learn_response *response,
             uint64_t conn_id, enum push_learn_reason reason, uint64_t now_ms) {
    struct push_learn_key key;
    if (!push_learn_rules_key(response->request, response->policy, &key)) {
        return PUSH_LEARN_BEHAVIOUR_RULES;
    }
    uint64_t hash = hash_visit(behaviour, conn_id, key.scheme, key.authority, key.path);
    struct push_learn_visit *visit = push_learn_visits_find(&behaviour->visits, hash);
    if (visit != NULL) {
        visit->counts = reason == PUSH_LEARN_FIRST;
    }
    struct push_learn_habit *habit =
        push_learn_habits_find(&behaviour->habits, hash_key(behaviour, &key), &key, now_ms);
    if (habit != NULL && push_learn_rules_drops(reason)) {
        push_learn_habits_remove(&behaviour->habits, habit);
    }
    return reason == PUSH_LEARN_FIRST ? PUSH_LEARN_BEHAVIOUR_PAGE : PUSH_LEARN_BEHAVIOUR_RULES;
}

static enum push_learn_behaviour_reason observe_part(struct push_learn_behaviour *behaviour,
                                                     const struct push_learn_response *response,
                                                     uint64_t conn_id,
                                                     const struct destination *destination,
                                                     struct arena *arena, uint64_t now_ms) {
    struct push_learn_key page;
    struct part part = {.destination = destination};
    const struct request_head *request = response->request;
    if (!read_referer(response, arena, &page)) {
        return PUSH_LEARN_BEHAVIOUR_NO_REFERER;
    }
    uint64_t hash = hash_visit(behaviour, conn_id, page.scheme, page.authority, page.path);
    struct push_learn_visit *visit = push_learn_visits_find(&behaviour->visits, hash);
    if (visit == NULL) {
        return PUSH_LEARN_BEHAVIOUR_NO_VISIT;
    }
    page.has_credentials = visit->has_credentials;
    if (response->is_promised) {
        return count_promise(behaviour, visit, &page, request->path, now_ms);
    }
    return read_part(behaviour, request, arena, &part)
               ? count_part(behaviour, visit, &page, &part, now_ms)
               : PUSH_LEARN_BEHAVIOUR_URL;
}

// What every view of a page needs, else NULL. Data fetched by scripts (`empty`) depends on more
// than the page, and its preload is often not used; sound and film are not preloaded.
static const struct destination *learned_destination(const struct request_head *request) {
    const struct destination *destination =
        destination_find(headers_value(&request->headers, HEADER_SEC_FETCH_DEST));
    bool is_learned =
        destination->rank == DESTINATION_BLOCKING || slice_equal(destination->as, SLICE("image"));
    return is_learned ? destination : NULL;
}

static bool read_referer(const struct push_learn_response *response, struct arena *arena,
                         struct push_learn_key *out_page) {
    const struct request_head *request = response->request;
    const struct url base = {request->scheme, request->authority, request->path};
    struct slice referer = headers_value(&request->headers, HEADER_REFERER);
    struct url page;
    bool is_absolute = slice_starts_with(referer, SLICE("http"));
    if (!is_absolute || url_resolve(&base, referer, arena, &page) != URL_SAME) {
        return false;
    }
    size_t length = response->policy->with_query ? page.path.length : slice_find(page.path, '?');
    *out_page = (struct push_learn_key){
        .scheme = page.scheme,
        .authority = page.authority,
        .path = slice_first(page.path, length),
    };
    return push_learn_rules_is_key(out_page, arena);
}

// Whatever is asked for in the mode `cors` is found again only by a preload that says so.
static bool read_part(const struct push_learn_behaviour *behaviour,
                      const struct request_head *request, struct arena *arena,
                      struct part *out_part) {
    struct slice path;
    if (request->path.length > PUSH_LEARN_BEHAVIOUR_PATH_BYTES ||
        !url_check_path(request->path, arena, &path)) {
        return false;
    }
    bool is_cors =
        slice_equal(headers_value(&request->headers, HEADER_SEC_FETCH_MODE), SLICE("cors"));
    out_part->url = hash_url(behaviour->seed, request->authority, request->path);
    out_part->element = destination_hint(path, out_part->destination->as, arena);
    if (is_cors && !out_part->destination->is_cors) {
        out_part->element = arena_printf(arena, "%.*s; crossorigin", SLICE_ARGS(out_part->element));
    }
    return true;
}

static enum push_learn_behaviour_reason count_part(struct push_learn_behaviour *behaviour,
                                                   struct push_learn_visit *visit,
                                                   struct push_learn_key *page,
                                                   const struct part *part, uint64_t now_ms) {
    struct push_learn_habits *habits = &behaviour->habits;
    struct push_learn_habit *habit = push_learn_habits_find(habits, visit->page, page, now_ms);
    if (habit == NULL) {
        habit = push_learn_habits_insert(habits, visit->page, page, now_ms);
    }
    int place = push_learn_habits_place(habits, habit, part->element, part->url, part->destination);
    return mark(visit, habit, place);
}

// A part that is promised is not asked for. Only what is known already is counted: the promise may
// have another reason, and nobody said how the page uses it.
static enum push_learn_behaviour_reason count_promise(struct push_learn_behaviour *behaviour,
                                                      struct push_learn_visit *visit,
                                                      const struct push_learn_key *page,
                                                      struct slice path, uint64_t now_ms) {
    struct push_learn_habit *habit =
        push_learn_habits_find(&behaviour->habits, visit->page, page, now_ms);
    int place =
        habit != NULL
            ? push_learn_habits_place_of(habit, hash_url(behaviour->seed, page->authority, path))
            : -1;
    return place >= 0 ? mark(visit, habit, place) : PUSH_LEARN_BEHAVIOUR_KIND;
}

static enum push_learn_behaviour_reason mark(struct push_learn_visit *visit,
                                             struct push_learn_habit *habit, int place) {
    if (place < 0) {
        return PUSH_LEARN_BEHAVIOUR_FULL;
    }
    if (visit->habit_id != habit->id) {
        visit->habit_id = habit->id; // what it counted for before is forgotten
        visit->parts = 0;
    }
    if ((visit->parts >> place & 1) != 0) {
        return PUSH_LEARN_BEHAVIOUR_REPEATED;
    }
    visit->parts |= UINT32_C(1) << place;
    habit->parts[place].open++;
    return PUSH_LEARN_BEHAVIOUR_PART;
}

// --- what it gives ----------------------------------------------------------------------------

bool push_learn_behaviour_find(struct push_learn_behaviour *behaviour,
                               const struct push_learn_key *key, uint64_t now_ms,
                               struct push_learn_links *out_links) {
    end_visits(behaviour, now_ms, false);
    struct push_learn_habit *habit =
        push_learn_habits_find(&behaviour->habits, hash_key(behaviour, key), key, now_ms);
    size_t count = 0;
    if (habit == NULL) {
        return false;
    }
    const struct destination *destination = NULL;
    while ((destination = destination_next(destination)) != NULL) {
        for (unsigned i = 0; i < PUSH_LEARN_BEHAVIOUR_PARTS; i++) {
            const struct push_learn_part *part = &habit->parts[i];
            if (part->destination == destination && push_learn_habits_is_candidate(habit, part)) {
                behaviour->found[count++] = part->element;
            }
        }
    }
    if (count == 0) {
        return false;
    }
    habit->uses++;
    push_learn_habits_touch(&behaviour->habits, habit);
    *out_links = (struct push_learn_links){behaviour->found, count, count};
    return true;
}

bool push_learn_behaviour_note_bad(struct push_learn_behaviour *behaviour, struct slice authority,
                                   struct slice path) {
    return push_learn_habits_forget(&behaviour->habits, hash_url(behaviour->seed, authority, path));
}

void push_learn_behaviour_forget(struct push_learn_behaviour *behaviour, struct slice authority,
                                 struct slice path) {
    struct list *lists[] = {&behaviour->habits.young, &behaviour->habits.ripe};
    for (unsigned i = 0; i < 2; i++) {
        LIST_EACH(lists[i], link) {
            struct push_learn_habit *habit = LIST_ENTRY(link, struct push_learn_habit, link);
            if (push_learn_rules_is_page(&habit->key, authority, path)) {
                push_learn_habits_remove(&behaviour->habits, habit);
            }
        }
    }
}

bool push_learn_behaviour_next(const struct push_learn_behaviour *behaviour,
                               struct push_learn_cursor *cursor, uint64_t now_ms,
                               struct push_learn_behaviour_view *out_view) {
    const struct list *lists[] = {&behaviour->habits.young, &behaviour->habits.ripe};
    const struct list_link *link = cursor->is_started ? cursor->next : lists[0]->head.next;
    cursor->is_started = true;
    for (;;) {
        while (cursor->tier < 2 && link == &lists[cursor->tier]->head) {
            cursor->tier++;
            link = cursor->tier < 2 ? lists[cursor->tier]->head.next : NULL;
        }
        if (cursor->tier == 2) {
            return false;
        }
        const struct push_learn_habit *habit = LIST_ENTRY(link, struct push_learn_habit, link);
        cursor->next = link = link->next;
        if (now_ms < habit->expires_ms) {
            view(habit, now_ms, out_view);
            return true;
        }
    }
}

static void view(const struct push_learn_habit *habit, uint64_t now_ms,
                 struct push_learn_behaviour_view *out_view) {
    *out_view = (struct push_learn_behaviour_view){
        .key = habit->key,
        .visits = habit->visits,
        .uses = habit->uses,
        .left_ms = habit->expires_ms - now_ms,
    };
    for (unsigned i = 0; i < PUSH_LEARN_BEHAVIOUR_PARTS; i++) {
        const struct push_learn_part *part = &habit->parts[i];
        if (part->element.length > 0) {
            out_view->parts[out_view->count++] = (struct push_learn_part_view){
                part->element, (unsigned)__builtin_popcount(part->visits),
                push_learn_habits_is_candidate(habit, part)};
        }
    }
}

void push_learn_behaviour_destroy(struct push_learn_behaviour *behaviour) {
    if (behaviour != NULL) {
        push_learn_habits_finish(&behaviour->habits);
        free(behaviour);
    }
}
