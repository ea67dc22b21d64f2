// SPDX-License-Identifier: Apache-2.0
#include "push/push_learn.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "push_learn_impl.h"

static bool is_confirmed_by(const struct push_learn *learn, const struct push_learn_page *page,
                            struct slice visitor);
static uint64_t hash_visitor(const struct push_learn *learn, struct slice visitor);
static bool is_fresh(const struct push_learn_page *page, uint64_t now_ms);
static uint64_t hash_pair(uint64_t seed, struct slice authority, struct slice path);
static bool is_bad(const struct push_learn *learn, uint64_t url, uint64_t now_ms);
static void leave_out_bad(struct push_learn *learn, const struct push_learn_page *page,
                          uint64_t now_ms, struct push_learn_links *links);
static bool may_teach(struct push_learn *learn, const struct push_learn_response *response,
                      uint64_t now_ms);
static enum push_learn_reason see(struct push_learn *learn,
                                  const struct push_learn_response *response,
                                  struct push_learn_lesson *lesson, uint64_t conn_id,
                                  struct arena *arena, uint64_t now_ms);
static bool is_worded_alike(const struct push_learn_page *page, uint64_t wording, uint64_t now_ms);
static uint64_t hash_wording(const struct push_learn *learn, const struct headers *headers);
static bool holds_lesson(enum push_learn_reason reason);
static void view(const struct push_learn_page *page, uint64_t now_ms,
                 struct push_learn_view *out_view);
static uint64_t since(uint64_t then_ms, uint64_t now_ms);

struct push_learn *push_learn_create(const struct push_learn_limits *limits, uint64_t seed) {
    struct push_learn *learn = alloc_new(struct push_learn);
    uint32_t bytes = limits->page_bytes > 0 ? limits->page_bytes : PUSH_LEARN_PAGE_BYTES;
    learn->seed = seed;
    learn->page_bytes = bytes < PUSH_LEARN_MAX_PAGE_BYTES ? bytes : PUSH_LEARN_MAX_PAGE_BYTES;
    learn->is_alone = limits->is_alone;
    push_learn_pages_init(&learn->pages, limits->pages > 0 ? limits->pages : PUSH_LEARN_PAGES);
    return learn;
}

// --- at the request ---------------------------------------------------------------------------

bool push_learn_find(struct push_learn *learn, const struct push_learn_key *key,
                     struct slice visitor, uint64_t now_ms, struct push_learn_links *out_links) {
    struct push_learn_page *page = push_learn_get(learn, key, now_ms);
    bool is_own = page != NULL && page->tier == PUSH_LEARN_TIER_SEEN;
    if (page == NULL || (is_own && !is_confirmed_by(learn, page, visitor))) {
        return false;
    }
    struct push_learn_links links = {page->elements, page->count, page->hint_count};
    if (now_ms < learn->bads_until_ms) {
        leave_out_bad(learn, page, now_ms, &links);
    }
    if (links.count == 0) {
        return false;
    }
    push_learn_pages_touch(&learn->pages, page, is_own ? page->tier : PUSH_LEARN_TIER_USED);
    page->uses++;
    learn->stats.uses++;
    *out_links = links;
    return true;
}

// Twice on connections of one visitor: it may be a page of his own.
static bool is_confirmed_by(const struct push_learn *learn, const struct push_learn_page *page,
                            struct slice visitor) {
    return page->is_own && visitor.length > 0 &&
           page->first.visitor == hash_visitor(learn, visitor);
}

// 0 says that it is any.
static uint64_t hash_visitor(const struct push_learn *learn, struct slice visitor) {
    return hash_bytes(learn->seed, visitor) | 1;
}

struct push_learn_page *push_learn_get(struct push_learn *learn, const struct push_learn_key *key,
                                       uint64_t now_ms) {
    if (learn->pages.count == 0) {
        return NULL;
    }
    struct push_learn_page *page =
        push_learn_pages_find(&learn->pages, push_learn_hash_key(learn, key), key);
    if (page != NULL && !is_fresh(page, now_ms)) {
        push_learn_pages_remove(&learn->pages, page);
        page = NULL;
    }
    return page;
}

static bool is_fresh(const struct push_learn_page *page, uint64_t now_ms) {
    return now_ms < page->expires_ms;
}

uint64_t push_learn_hash_key(const struct push_learn *learn, const struct push_learn_key *key) {
    uint64_t seed = learn->seed + (key->has_credentials ? 1 : 0) + 2 * key->scheme.length;
    return hash_pair(seed, key->authority, key->path);
}

uint64_t push_learn_hash_url(const struct push_learn *learn, struct slice authority,
                             struct slice path) {
    return hash_pair(learn->seed, authority, path);
}

static uint64_t hash_pair(uint64_t seed, struct slice authority, struct slice path) {
    return hash_bytes(hash_bytes(seed, authority), path);
}

static bool is_bad(const struct push_learn *learn, uint64_t url, uint64_t now_ms) {
    const struct push_learn_bad *bad = &learn->bads[url % PUSH_LEARN_BADS];
    return bad->hash == url && now_ms < bad->until_ms;
}

static void leave_out_bad(struct push_learn *learn, const struct push_learn_page *page,
                          uint64_t now_ms, struct push_learn_links *links) {
    *links = (struct push_learn_links){.elements = learn->found};
    for (uint32_t i = 0; i < page->count; i++) {
        if (!is_bad(learn, page->targets[i].hash, now_ms)) {
            learn->found[links->count++] = page->elements[i];
            links->hint_count += i < page->hint_count;
        }
    }
}

// --- at the response --------------------------------------------------------------------------

enum push_learn_reason push_learn_observe(struct push_learn *learn,
                                          const struct push_learn_response *response,
                                          uint64_t conn_id, struct arena *arena, uint64_t now_ms) {
    struct push_learn_lesson lesson;
    if (!may_teach(learn, response, now_ms)) {
        learn->stats.reasons[PUSH_LEARN_NO_LINKS]++;
        return PUSH_LEARN_NO_LINKS;
    }
    push_learn_rules_open(response, &lesson);
    enum push_learn_reason reason = lesson.reason;
    if (reason == PUSH_LEARN_FIRST) {
        reason = see(learn, response, &lesson, conn_id, arena, now_ms);
    }
    if (push_learn_rules_drops(reason) && push_learn_drop(learn, &lesson.key, now_ms, now_ms)) {
        push_learn_tell_drop(learn, &lesson.key, now_ms);
    }
    learn->stats.reasons[reason]++;
    return reason;
}

// Most responses have no links and are of no page that is known: they are not read at all.
static bool may_teach(struct push_learn *learn, const struct push_learn_response *response,
                      uint64_t now_ms) {
    struct push_learn_key key;
    return headers_has(&response->response->headers, HEADER_LINK) ||
           (learn->pages.count > 0 &&
            push_learn_rules_make_key(response->request, response->policy, &key) &&
            push_learn_get(learn, &key, now_ms) != NULL);
}

// A page that says what it said before is not read again.
static enum push_learn_reason see(struct push_learn *learn,
                                  const struct push_learn_response *response,
                                  struct push_learn_lesson *lesson, uint64_t conn_id,
                                  struct arena *arena, uint64_t now_ms) {
    uint64_t wording = hash_wording(learn, &response->response->headers);
    struct push_learn_page *page = push_learn_get(learn, &lesson->key, now_ms);
    bool is_known = is_worded_alike(page, wording, now_ms);
    if (is_known) {
        lesson->visitor = push_learn_rules_visitor(response->request, arena);
    } else {
        push_learn_rules_read(response, arena, lesson);
        if (lesson->reason != PUSH_LEARN_FIRST) {
            return lesson->reason;
        }
    }
    struct push_learn_sighting sighting = {.conn_id = conn_id, .ms = now_ms};
    if (lesson->visitor.length > 0) {
        sighting.visitor = hash_visitor(learn, lesson->visitor);
    }
    enum push_learn_reason reason = is_known
                                        ? push_learn_agree(learn, page, lesson, sighting)
                                        : push_learn_sight(learn, lesson, sighting, now_ms, &page);
    if (page == NULL) {
        return reason;
    }
    page->wording = holds_lesson(reason) ? wording : page->wording;
    // What changes nothing is told seldom: so often that the page stays alive everywhere.
    uint64_t pause_ms = PUSH_LEARN_SHARE_MS + lesson->life_ms / 4;
    bool is_news = reason == PUSH_LEARN_FIRST || reason == PUSH_LEARN_DISAGREED ||
                   reason == PUSH_LEARN_CONFIRMED;
    bool is_renewal = (reason == PUSH_LEARN_AGREED || reason == PUSH_LEARN_SAME_SOURCE) &&
                      now_ms >= page->shared_ms + pause_ms;
    if (is_news || is_renewal) {
        push_learn_tell_sighting(learn, page, sighting);
    }
    return reason;
}

// Only what two witnesses have confirmed: before, each sighting is looked at for what was asked.
static bool is_worded_alike(const struct push_learn_page *page, uint64_t wording, uint64_t now_ms) {
    return page != NULL && page->count > 0 && page->tier != PUSH_LEARN_TIER_SEEN && wording != 0 &&
           page->wording == wording && now_ms >= page->barrier_ms;
}

static uint64_t hash_wording(const struct push_learn *learn, const struct headers *headers) {
    uint64_t hash = 0;
    const struct header *field = headers_find(headers, HEADER_LINK);
    for (; field != NULL; field = headers_find_next(headers, HEADER_LINK, field)) {
        hash = hash_bytes(learn->seed + hash, field->value) | 1;
    }
    return hash;
}

// The page has its elements now, or had them before.
static bool holds_lesson(enum push_learn_reason reason) {
    return reason != PUSH_LEARN_OUTDATED && reason != PUSH_LEARN_NO_LINKS;
}

bool push_learn_note_bad(struct push_learn *learn, struct slice authority, struct slice path,
                         uint64_t now_ms) {
    uint64_t url = push_learn_hash_url(learn, authority, path);
    if (push_learn_pages_hinting(&learn->pages, url) == NULL) {
        return false;
    }
    push_learn_forbid(learn, url, now_ms);
    push_learn_tell_bad(learn, authority, path, now_ms);
    return true;
}

bool push_learn_forbid(struct push_learn *learn, uint64_t url, uint64_t from_ms) {
    uint64_t until_ms = from_ms + PUSH_LEARN_BAD_MS;
    struct push_learn_page *page;
    bool has_dropped = false;
    learn->bads[url % PUSH_LEARN_BADS] = (struct push_learn_bad){url, until_ms};
    learn->bads_until_ms = until_ms > learn->bads_until_ms ? until_ms : learn->bads_until_ms;
    while ((page = push_learn_pages_hinting(&learn->pages, url)) != NULL) {
        push_learn_pages_remove(&learn->pages, page);
        learn->stats.dropped_bad++;
        has_dropped = true;
    }
    return has_dropped;
}

// --- for people and files ---------------------------------------------------------------------

bool push_learn_look(const struct push_learn *learn, const struct push_learn_key *key,
                     uint64_t now_ms, struct push_learn_view *out_view) {
    const struct push_learn_page *page =
        push_learn_pages_find(&learn->pages, push_learn_hash_key(learn, key), key);
    if (page == NULL || page->count == 0 || !is_fresh(page, now_ms)) {
        return false;
    }
    view(page, now_ms, out_view);
    return true;
}

bool push_learn_next(const struct push_learn *learn, struct push_learn_cursor *cursor,
                     uint64_t now_ms, struct push_learn_view *out_view) {
    const struct list *tiers = learn->pages.tiers;
    const struct list_link *link = cursor->is_started ? cursor->next : tiers[0].head.next;
    cursor->is_started = true;
    for (;;) {
        while (cursor->tier < PUSH_LEARN_TIERS && link == &tiers[cursor->tier].head) {
            cursor->tier++;
            link = cursor->tier < PUSH_LEARN_TIERS ? tiers[cursor->tier].head.next : NULL;
        }
        if (cursor->tier == PUSH_LEARN_TIERS) {
            return false;
        }
        const struct push_learn_page *page = LIST_ENTRY(link, struct push_learn_page, link);
        cursor->next = link = link->next;
        if (page->count > 0 && is_fresh(page, now_ms)) {
            view(page, now_ms, out_view);
            return true;
        }
    }
}

void push_learn_forget(struct push_learn *learn, struct slice authority, struct slice path) {
    for (unsigned i = 0; i < PUSH_LEARN_TIERS; i++) {
        LIST_EACH(&learn->pages.tiers[i], link) {
            struct push_learn_page *page = LIST_ENTRY(link, struct push_learn_page, link);
            if (push_learn_rules_is_page(&page->key, authority, path)) {
                push_learn_pages_remove(&learn->pages, page);
            }
        }
    }
}

static void view(const struct push_learn_page *page, uint64_t now_ms,
                 struct push_learn_view *out_view) {
    *out_view = (struct push_learn_view){
        .key = page->key,
        .elements = page->elements,
        .count = page->count,
        .hint_count = page->hint_count,
        .left_out = page->left_out,
        .sightings = page->sightings,
        .uses = page->uses,
        .is_confirmed = page->tier != PUSH_LEARN_TIER_SEEN,
        .age_ms = since(page->first.ms, now_ms),
        .seen_ms = since(page->last.ms, now_ms),
        .left_ms = page->expires_ms - now_ms,
    };
}

// Another worker's turn may have begun a little later than ours.
static uint64_t since(uint64_t then_ms, uint64_t now_ms) {
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

const struct push_learn_stats *push_learn_stats(struct push_learn *learn) {
    const struct push_learn_pages *pages = &learn->pages;
    learn->stats.evicted = pages->evicted;
    learn->stats.pages = pages->count;
    learn->stats.confirmed = pages->count - pages->counts[PUSH_LEARN_TIER_SEEN];
    return &learn->stats;
}

void push_learn_restore(struct push_learn *learn, const struct push_learn_lesson *lesson,
                        const struct push_learn_past *past, uint64_t now_ms) {
    if (past->left_ms == 0 || push_learn_get(learn, &lesson->key, now_ms) != NULL) {
        return;
    }
    struct push_learn_page *page = push_learn_store(learn, lesson, now_ms);
    if (page == NULL) {
        return;
    }
    page->first.ms = since(past->age_ms, now_ms); // not before the clock's own beginning
    page->last.ms = since(past->seen_ms, now_ms);
    page->shared_ms = now_ms;
    page->expires_ms =
        now_ms + (past->left_ms < PUSH_LEARN_LIFE_MS ? past->left_ms : PUSH_LEARN_LIFE_MS);
    page->sightings = past->sightings;
    page->uses = past->uses;
    push_learn_pages_touch(&learn->pages, page,
                           past->uses > 0 ? PUSH_LEARN_TIER_USED : PUSH_LEARN_TIER_CONFIRMED);
}

void push_learn_destroy(struct push_learn *learn) {
    if (learn != NULL) {
        push_learn_pages_finish(&learn->pages);
        buffer_finish(&learn->outbox);
        free(learn);
    }
}
