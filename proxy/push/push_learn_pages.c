// SPDX-License-Identifier: Apache-2.0
#include "push_learn_pages.h"

#include "base/alloc.h"

enum { MIN_CHAINS = 16, ROOM_SHARE = 8 };

static void make_room(struct push_learn_pages *pages, uint64_t now_ms);
static struct push_learn_page *find_over(const struct push_learn_pages *pages, uint64_t now_ms);
static enum push_learn_tier crowded_tier(const struct push_learn_pages *pages);
static struct push_learn_page *oldest(const struct push_learn_pages *pages,
                                      enum push_learn_tier tier);
static struct push_learn_page *make_page(const struct push_learn_key *key,
                                         const struct push_learn_choice *choice);
static struct slice put(char **text, struct slice bytes);
static void link_targets(struct push_learn_pages *pages, struct push_learn_page *page,
                         const uint64_t *targets);
static void unlink_targets(struct push_learn_page *page);
static void unlink_page(struct push_learn_pages *pages, struct push_learn_page *page);

void push_learn_pages_init(struct push_learn_pages *pages, uint32_t limit) {
    uint64_t chains = MIN_CHAINS;
    while (chains < 2 * (uint64_t)limit) {
        chains *= 2;
    }
    *pages = (struct push_learn_pages){.limit = limit, .mask = chains - 1};
    pages->chains = alloc_zeroed(chains, sizeof(struct push_learn_page *));
    pages->target_chains = alloc_zeroed(chains, sizeof(struct push_learn_target *));
    for (unsigned i = 0; i < PUSH_LEARN_TIERS; i++) {
        list_init(&pages->tiers[i]);
    }
}

struct push_learn_page *push_learn_pages_find(const struct push_learn_pages *pages, uint64_t hash,
                                              const struct push_learn_key *key) {
    struct push_learn_page *page = pages->chains[hash & pages->mask];
    while (page != NULL && (page->hash != hash || !push_learn_rules_key_equal(&page->key, key))) {
        page = page->next;
    }
    return page;
}

struct push_learn_page *push_learn_pages_insert(struct push_learn_pages *pages, uint64_t hash,
                                                const struct push_learn_key *key,
                                                const struct push_learn_choice *choice,
                                                uint64_t now_ms) {
    if (pages->count == pages->limit) {
        make_room(pages, now_ms);
    }
    struct push_learn_page *page = make_page(key, choice);
    page->hash = hash;
    page->next = pages->chains[hash & pages->mask];
    pages->chains[hash & pages->mask] = page;
    link_targets(pages, page, choice->targets);
    list_append(&pages->tiers[PUSH_LEARN_TIER_SEEN], &page->link);
    pages->counts[PUSH_LEARN_TIER_SEEN]++;
    pages->count++;
    return page;
}

// --- who leaves -------------------------------------------------------------------------------

static void make_room(struct push_learn_pages *pages, uint64_t now_ms) {
    struct push_learn_page *page = find_over(pages, now_ms);
    if (page == NULL) {
        page = oldest(pages, crowded_tier(pages));
        pages->evicted++;
    }
    push_learn_pages_remove(pages, page);
}

// Only the least recently used of each tier are looked at: most often they are the first to end.
static struct push_learn_page *find_over(const struct push_learn_pages *pages, uint64_t now_ms) {
    for (unsigned i = 0; i < PUSH_LEARN_TIERS; i++) {
        struct push_learn_page *page = oldest(pages, (enum push_learn_tier)i);
        if (page != NULL && page->expires_ms <= now_ms) {
            return page;
        }
    }
    return NULL;
}

// A flood of new pages takes the room of other new ones; of the pages that serve visitors it can
// take no more than the share that is kept for learning.
static enum push_learn_tier crowded_tier(const struct push_learn_pages *pages) {
    uint32_t share = pages->limit / ROOM_SHARE;
    for (unsigned i = 0; i < PUSH_LEARN_TIER_USED; i++) {
        if (pages->counts[i] > share) {
            return (enum push_learn_tier)i;
        }
    }
    return PUSH_LEARN_TIER_USED;
}

static struct push_learn_page *oldest(const struct push_learn_pages *pages,
                                      enum push_learn_tier tier) {
    struct list_link *link = list_first(&pages->tiers[tier]);
    return link != NULL ? LIST_ENTRY(link, struct push_learn_page, link) : NULL;
}

void push_learn_pages_touch(struct push_learn_pages *pages, struct push_learn_page *page,
                            enum push_learn_tier tier) {
    list_remove(&page->link);
    list_append(&pages->tiers[tier], &page->link);
    pages->counts[page->tier]--;
    pages->counts[tier]++;
    page->tier = tier;
}

// --- one page ---------------------------------------------------------------------------------

// The struct, its elements, its targets and all texts in one piece.
static struct push_learn_page *make_page(const struct push_learn_key *key,
                                         const struct push_learn_choice *choice) {
    size_t texts = key->scheme.length + key->authority.length + key->path.length;
    for (uint32_t i = 0; i < choice->count; i++) {
        texts += choice->elements[i]->text.length;
    }
    size_t row = sizeof(struct slice) + sizeof(struct push_learn_target);
    struct push_learn_page *page = alloc_bytes(sizeof(*page) + choice->count * row + texts);
    struct push_learn_target *targets = (struct push_learn_target *)(void *)(page + 1);
    struct slice *elements = (struct slice *)(void *)(targets + choice->count);
    char *text = (char *)(elements + choice->count);
    *page = (struct push_learn_page){
        .key = {.scheme = put(&text, key->scheme),
                .authority = put(&text, key->authority),
                .path = put(&text, key->path),
                .has_credentials = key->has_credentials},
        .elements = elements,
        .targets = targets,
        .count = choice->count,
        .hint_count = choice->hint_count,
        .left_out = choice->left_out,
    };
    for (uint32_t i = 0; i < choice->count; i++) {
        elements[i] = put(&text, choice->elements[i]->text);
    }
    return page;
}

static struct slice put(char **text, struct slice bytes) {
    struct slice copy = slice_of(*text, bytes.length);
    if (bytes.length > 0) {
        memcpy(*text, bytes.data, bytes.length);
    }
    *text += bytes.length;
    return copy;
}

static void link_targets(struct push_learn_pages *pages, struct push_learn_page *page,
                         const uint64_t *targets) {
    for (uint32_t i = 0; i < page->count; i++) {
        struct push_learn_target **chain = &pages->target_chains[targets[i] & pages->mask];
        struct push_learn_target *target = &page->targets[i];
        *target = (struct push_learn_target){*chain, chain, page, targets[i]};
        if (*chain != NULL) {
            (*chain)->at = &target->next;
        }
        *chain = target;
    }
}

struct push_learn_page *push_learn_pages_hinting(const struct push_learn_pages *pages,
                                                 uint64_t target) {
    const struct push_learn_target *row = pages->target_chains[target & pages->mask];
    while (row != NULL && row->hash != target) {
        row = row->next;
    }
    return row != NULL ? row->page : NULL;
}

void push_learn_pages_remove(struct push_learn_pages *pages, struct push_learn_page *page) {
    unlink_targets(page);
    unlink_page(pages, page);
    list_remove(&page->link);
    pages->counts[page->tier]--;
    pages->count--;
    free(page);
}

static void unlink_targets(struct push_learn_page *page) {
    for (uint32_t i = 0; i < page->count; i++) {
        struct push_learn_target *target = &page->targets[i];
        *target->at = target->next;
        if (target->next != NULL) {
            target->next->at = target->at;
        }
    }
}

static void unlink_page(struct push_learn_pages *pages, struct push_learn_page *page) {
    struct push_learn_page **at = &pages->chains[page->hash & pages->mask];
    while (*at != page) {
        at = &(*at)->next;
    }
    *at = page->next;
}

void push_learn_pages_finish(struct push_learn_pages *pages) {
    for (unsigned i = 0; i < PUSH_LEARN_TIERS; i++) {
        LIST_EACH(&pages->tiers[i], link) {
            free(LIST_ENTRY(link, struct push_learn_page, link));
        }
    }
    free(pages->chains);
    free(pages->target_chains);
}
