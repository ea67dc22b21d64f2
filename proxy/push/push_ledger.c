// SPDX-License-Identifier: Apache-2.0
#include "push/push_ledger.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/list.h"

enum { BUCKETS = 256, WEIGHTS = 1024 };

struct entry {
    struct list_link link; // in `used`
    struct entry *next;    // of the same bucket
    struct push_ledger_row row;
};

struct weight { // of a resource, as it was last pushed
    uint64_t key;
    uint64_t bytes;
};

struct push_ledger {
    uint64_t seed;
    struct list used; // the least recently asked for first
    unsigned count;
    struct entry *buckets[BUCKETS];
    struct weight weights[WEIGHTS]; // one place for each key
};

static uint64_t key_of(const struct push_ledger *ledger, struct slice authority, struct slice path);
static struct entry *find(const struct push_ledger *ledger, uint64_t key);
static struct entry *take_entry(struct push_ledger *ledger);
static void unlink_entry(struct push_ledger *ledger, struct entry *entry);
static void set_name(struct push_ledger_row *row, struct slice authority, struct slice path);
static void add_row(struct push_ledger_row *row, const struct push_ledger_row *more);

struct push_ledger *push_ledger_create(uint64_t seed) {
    struct push_ledger *ledger = alloc_new(struct push_ledger);
    ledger->seed = seed;
    list_init(&ledger->used);
    return ledger;
}

void push_ledger_destroy(struct push_ledger *ledger) {
    if (ledger == NULL) {
        return;
    }
    LIST_EACH(&ledger->used, link) {
        free(LIST_ENTRY(link, struct entry, link));
    }
    free(ledger);
}

// --- rows ---------------------------------------------------------------------------------------

struct push_ledger_row *push_ledger_row(struct push_ledger *ledger, struct slice authority,
                                        struct slice path) {
    path = slice_first(path, slice_find(path, '?'));
    uint64_t key = key_of(ledger, authority, path);
    struct entry *entry = find(ledger, key);
    if (entry != NULL) {
        list_remove(&entry->link);
    } else {
        entry = take_entry(ledger);
        entry->row.key = key;
        set_name(&entry->row, authority, path);
        entry->next = ledger->buckets[key % BUCKETS];
        ledger->buckets[key % BUCKETS] = entry;
        ledger->count++;
    }
    list_append(&ledger->used, &entry->link);
    return &entry->row;
}

struct push_ledger_row *push_ledger_find(struct push_ledger *ledger, uint64_t key) {
    struct entry *entry = find(ledger, key);
    return entry != NULL ? &entry->row : NULL;
}

static uint64_t key_of(const struct push_ledger *ledger, struct slice authority,
                       struct slice path) {
    uint64_t key = hash_bytes(hash_bytes(ledger->seed, authority), path);
    return key != 0 ? key : 1;
}

static struct entry *find(const struct push_ledger *ledger, uint64_t key) {
    struct entry *entry = ledger->buckets[key % BUCKETS];
    while (entry != NULL && entry->row.key != key) {
        entry = entry->next;
    }
    return entry;
}

// A new one, or at the bound the one that was not asked for the longest.
static struct entry *take_entry(struct push_ledger *ledger) {
    if (ledger->count < PUSH_LEDGER_PAGES) {
        return alloc_new(struct entry);
    }
    struct entry *entry = LIST_ENTRY(list_first(&ledger->used), struct entry, link);
    unlink_entry(ledger, entry);
    *entry = (struct entry){.next = NULL};
    return entry;
}

static void unlink_entry(struct push_ledger *ledger, struct entry *entry) {
    struct entry **place = &ledger->buckets[entry->row.key % BUCKETS];
    while (*place != entry) {
        place = &(*place)->next;
    }
    *place = entry->next;
    list_remove(&entry->link);
    ledger->count--;
}

static void set_name(struct push_ledger_row *row, struct slice authority, struct slice path) {
    struct slice parts[] = {authority, path};
    for (size_t i = 0; i < 2; i++) {
        struct slice part = slice_first(parts[i], PUSH_LEDGER_NAME_BYTES - row->name_length);
        memcpy(row->name + row->name_length, part.data, part.length);
        row->name_length = (uint16_t)(row->name_length + part.length);
    }
}

// --- what resources weigh -----------------------------------------------------------------------

void push_ledger_weigh(struct push_ledger *ledger, struct slice authority, struct slice path,
                       uint64_t bytes) {
    uint64_t key = key_of(ledger, authority, path);
    ledger->weights[key % WEIGHTS] = (struct weight){key, bytes};
}

uint64_t push_ledger_weight(const struct push_ledger *ledger, struct slice authority,
                            struct slice path) {
    uint64_t key = key_of(ledger, authority, path);
    const struct weight *weight = &ledger->weights[key % WEIGHTS];
    return weight->key == key ? weight->bytes : 0;
}

// --- copies -------------------------------------------------------------------------------------

void push_ledger_copy(const struct push_ledger *ledger, struct buffer *out_rows) {
    LIST_EACH(&ledger->used, link) {
        const struct entry *entry = LIST_ENTRY(link, struct entry, link);
        buffer_append(out_rows, &entry->row, sizeof(entry->row));
    }
}

// A few hundred rows at most, and for people only.
void push_ledger_merge(struct buffer *rows, struct slice more) {
    struct push_ledger_row *have = (struct push_ledger_row *)(void *)buffer_peek(rows).data;
    size_t count = buffer_length(rows) / sizeof(have[0]);
    struct buffer added = {0};
    for (; more.length >= sizeof(struct push_ledger_row);
         more = slice_skip(more, sizeof(struct push_ledger_row))) {
        struct push_ledger_row row;
        memcpy(&row, more.data, sizeof(row));
        size_t i = 0;
        while (i < count && have[i].key != row.key) {
            i++;
        }
        if (i < count) {
            add_row(&have[i], &row);
        } else {
            buffer_append(&added, &row, sizeof(row));
        }
    }
    buffer_append_slice(rows, buffer_peek(&added));
    buffer_finish(&added);
}

static void add_row(struct push_ledger_row *row, const struct push_ledger_row *more) {
    row->seen_s = more->seen_s > row->seen_s ? more->seen_s : row->seen_s;
    row->visits += more->visits;
    row->candidates += more->candidates;
    row->promised += more->promised;
    row->hinted += more->hinted;
    row->passed += more->passed;
    row->completed += more->completed;
    row->refused += more->refused;
    row->taken_back += more->taken_back;
    row->pushed_bytes += more->pushed_bytes;
    row->wasted_bytes += more->wasted_bytes;
    row->spared += more->spared;
    row->spared_bytes += more->spared_bytes;
    row->early += more->early;
    row->lead_ms += more->lead_ms;
}
