// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"
#include "push_learn_impl.h"

// So long it is remembered that a page was dropped: longer than records of older sightings travel.
enum { DROPPED_MS = 10 * 1000 };

// The elements that are kept, each once, and their hashes.
struct choice {
    const struct push_learn_element *elements[LINK_MAX_ELEMENTS];
    uint64_t texts[LINK_MAX_ELEMENTS];
    uint32_t count;
    uint32_t hint_count;
    uint32_t left_out;
    size_t bytes;
    uint64_t fingerprint;
};

static void choose(const struct push_learn *learn, const struct push_learn_lesson *lesson,
                   struct choice *out_choice);
static void choose_some(const struct push_learn *learn, const struct push_learn_lesson *lesson,
                        bool is_push_only, struct choice *choice);
static bool has_text(const struct choice *choice, uint64_t text);
static struct push_learn_page *store(struct push_learn *learn,
                                     const struct push_learn_lesson *lesson,
                                     const struct choice *choice, uint64_t now_ms);
static void start(struct push_learn_page *page, const struct push_learn_lesson *lesson,
                  struct push_learn_sighting sighting, uint64_t barrier_ms);
static bool is_same(struct push_learn_sighting a, struct push_learn_sighting b);
static bool is_other_client(struct push_learn_sighting a, struct push_learn_sighting b);
static bool is_own(struct push_learn_sighting a, struct push_learn_sighting b);
static bool is_void_since(struct push_learn *learn, struct push_learn_page *page, uint64_t ms);

enum push_learn_reason push_learn_sight(struct push_learn *learn,
                                        const struct push_learn_lesson *lesson,
                                        struct push_learn_sighting sighting, uint64_t now_ms,
                                        struct push_learn_page **out_page) {
    struct choice choice;
    choose(learn, lesson, &choice);
    struct push_learn_page *page = push_learn_get(learn, &lesson->key, now_ms);
    enum push_learn_reason reason = PUSH_LEARN_FIRST;
    uint64_t barrier_ms = 0;
    *out_page = page;
    if (choice.count == 0) {
        return PUSH_LEARN_NO_LINKS; // each is larger than a page may be
    }
    if (sighting.ms + lesson->life_ms <= now_ms ||
        (page != NULL && sighting.ms < page->barrier_ms)) {
        return PUSH_LEARN_OUTDATED;
    }
    if (page != NULL && page->count > 0) {
        if (page->fingerprint == choice.fingerprint) {
            return push_learn_agree(learn, page, lesson, sighting);
        }
        if (!is_void_since(learn, page, sighting.ms)) {
            return PUSH_LEARN_OUTDATED;
        }
        reason = PUSH_LEARN_DISAGREED;
        barrier_ms = page->last.ms;
    } else if (page != NULL) {
        barrier_ms = page->barrier_ms;
    }
    if (page != NULL) {
        push_learn_pages_remove(&learn->pages, page);
    }
    *out_page = store(learn, lesson, &choice, now_ms);
    start(*out_page, lesson, sighting, barrier_ms);
    return reason;
}

// --- the set ----------------------------------------------------------------------------------

static void choose(const struct push_learn *learn, const struct push_learn_lesson *lesson,
                   struct choice *out_choice) {
    out_choice->count = 0;
    out_choice->left_out = 0;
    out_choice->bytes = 0;
    out_choice->fingerprint = 0;
    choose_some(learn, lesson, false, out_choice);
    out_choice->hint_count = out_choice->count;
    choose_some(learn, lesson, true, out_choice);
}

// The fingerprint is a sum: the order in which a page names its elements means nothing.
static void choose_some(const struct push_learn *learn, const struct push_learn_lesson *lesson,
                        bool is_push_only, struct choice *choice) {
    for (size_t i = 0; i < lesson->count; i++) {
        const struct push_learn_element *element = &lesson->elements[i];
        uint64_t text = hash_bytes(learn->seed, element->text);
        if (element->is_push_only != is_push_only || has_text(choice, text)) {
            continue;
        }
        if (choice->bytes + element->text.length > learn->page_bytes ||
            choice->count == LINK_MAX_ELEMENTS) {
            choice->left_out++;
            continue;
        }
        choice->elements[choice->count] = element;
        choice->texts[choice->count++] = text;
        choice->bytes += element->text.length;
        choice->fingerprint += text;
    }
}

static bool has_text(const struct choice *choice, uint64_t text) {
    for (uint32_t i = 0; i < choice->count; i++) {
        if (choice->texts[i] == text) {
            return true;
        }
    }
    return false;
}

struct push_learn_page *push_learn_store(struct push_learn *learn,
                                         const struct push_learn_lesson *lesson, uint64_t now_ms) {
    struct choice choice;
    choose(learn, lesson, &choice);
    return choice.count > 0 ? store(learn, lesson, &choice, now_ms) : NULL;
}

static struct push_learn_page *store(struct push_learn *learn,
                                     const struct push_learn_lesson *lesson,
                                     const struct choice *choice, uint64_t now_ms) {
    uint64_t targets[LINK_MAX_ELEMENTS];
    for (uint32_t i = 0; i < choice->count; i++) {
        const struct url *target = &choice->elements[i]->target;
        targets[i] = push_learn_hash_url(learn, target->authority, target->path);
    }
    const struct push_learn_choice kept = {choice->elements, targets, choice->count,
                                           choice->hint_count, choice->left_out};
    struct push_learn_page *page = push_learn_pages_insert(
        &learn->pages, push_learn_hash_key(learn, &lesson->key), &lesson->key, &kept, now_ms);
    page->fingerprint = choice->fingerprint;
    learn->stats.left_out += choice->left_out;
    return page;
}

static void start(struct push_learn_page *page, const struct push_learn_lesson *lesson,
                  struct push_learn_sighting sighting, uint64_t barrier_ms) {
    page->first = page->last = sighting;
    page->barrier_ms = barrier_ms;
    page->expires_ms = sighting.ms + lesson->life_ms;
    page->shared_ms = 0; // until the others are told
    page->sightings = 1;
    page->is_own = false;
}

// --- agreement --------------------------------------------------------------------------------

// The first and the last sighting are kept: all between them agreed, whatever the order in which
// workers heard of them.
enum push_learn_reason push_learn_agree(struct push_learn *learn, struct push_learn_page *page,
                                        const struct push_learn_lesson *lesson,
                                        struct push_learn_sighting sighting) {
    if (is_same(sighting, page->first) || is_same(sighting, page->last)) {
        return page->tier == PUSH_LEARN_TIER_SEEN ? PUSH_LEARN_SAME_SOURCE : PUSH_LEARN_AGREED;
    }
    bool is_second = is_other_client(page->first, sighting);
    if (!page->is_own && is_own(page->first, sighting)) {
        page->is_own = true;
        page->shared_ms = 0; // news
    }
    if (sighting.ms < page->first.ms) {
        page->first = sighting;
    }
    if (sighting.ms >= page->last.ms) {
        page->last = sighting;
        page->expires_ms = sighting.ms + lesson->life_ms;
    }
    page->sightings++;
    if (page->tier != PUSH_LEARN_TIER_SEEN) {
        push_learn_pages_touch(&learn->pages, page, page->tier);
        return PUSH_LEARN_AGREED;
    }
    push_learn_pages_touch(&learn->pages, page,
                           is_second ? PUSH_LEARN_TIER_CONFIRMED : PUSH_LEARN_TIER_SEEN);
    return is_second ? PUSH_LEARN_CONFIRMED : PUSH_LEARN_SAME_SOURCE;
}

static bool is_same(struct push_learn_sighting a, struct push_learn_sighting b) {
    return a.ms == b.ms && a.conn_id == b.conn_id;
}

static bool is_other_client(struct push_learn_sighting a, struct push_learn_sighting b) {
    bool is_same_visitor = a.visitor != 0 && a.visitor == b.visitor;
    return a.conn_id != b.conn_id && !is_same_visitor;
}

static bool is_own(struct push_learn_sighting a, struct push_learn_sighting b) {
    return a.visitor != 0 && a.visitor == b.visitor && a.conn_id != b.conn_id;
}

// --- disagreement -----------------------------------------------------------------------------

bool push_learn_drop(struct push_learn *learn, const struct push_learn_key *key, uint64_t ms,
                     uint64_t now_ms) {
    struct push_learn_page *page = push_learn_get(learn, key, now_ms);
    if (page == NULL || !is_void_since(learn, page, ms)) {
        return page != NULL && page->count > 0;
    }
    push_learn_pages_remove(&learn->pages, page);
    push_learn_bar(learn, key, ms, now_ms);
    return true;
}

void push_learn_bar(struct push_learn *learn, const struct push_learn_key *key, uint64_t ms,
                    uint64_t now_ms) {
    const struct push_learn_choice nothing = {0};
    struct push_learn_page *page = push_learn_pages_insert(
        &learn->pages, push_learn_hash_key(learn, key), key, &nothing, now_ms);
    page->barrier_ms = ms;
    page->expires_ms = now_ms + DROPPED_MS;
}

// The page was something else at `ms`: what was seen up to then no longer counts. False when
// sightings after it remain: the last one, which then waits for a witness again.
static bool is_void_since(struct push_learn *learn, struct push_learn_page *page, uint64_t ms) {
    page->barrier_ms = ms > page->barrier_ms ? ms : page->barrier_ms;
    if (page->count == 0) {
        return false;
    }
    if (ms >= page->last.ms) {
        return true;
    }
    if (ms >= page->first.ms) {
        page->first = page->last;
        page->sightings = 1;
        page->is_own = false;
        push_learn_pages_touch(&learn->pages, page, PUSH_LEARN_TIER_SEEN);
    }
    return false;
}
