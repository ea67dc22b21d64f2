// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"
#include "push_learn_impl.h"
#include "push_learn_record.h"

// Sightings may fill so much of the outbox; the rest is for what takes hints back. A worker's turn
// may have begun so much later than ours.
enum { SIGHTINGS_BYTES = PUSH_LEARN_OUTBOX_BYTES / 4 * 3, AHEAD_MS = 10 * 1000 };

static bool tell(struct push_learn *learn, const struct push_learn_record *record, size_t room);
static bool apply(struct push_learn *learn, const struct push_learn_record *record,
                  struct arena *arena, uint64_t now_ms);
static bool apply_drop(struct push_learn *learn, const struct push_learn_record *record,
                       struct arena *arena, uint64_t now_ms);
static bool apply_sighting(struct push_learn *learn, const struct push_learn_record *record,
                           struct arena *arena, uint64_t now_ms);

void push_learn_tell_sighting(struct push_learn *learn, struct push_learn_page *page,
                              struct push_learn_sighting sighting) {
    const struct push_learn_record record = {
        .kind = PUSH_LEARN_RECORD_SIGHTING,
        .sighting = sighting,
        .life_ms = page->expires_ms - sighting.ms,
        .key = page->key,
        .elements = page->elements,
        .count = page->count,
    };
    if (tell(learn, &record, SIGHTINGS_BYTES)) {
        page->shared_ms = sighting.ms;
    }
}

void push_learn_tell_drop(struct push_learn *learn, const struct push_learn_key *key, uint64_t ms) {
    const struct push_learn_record record = {
        .kind = PUSH_LEARN_RECORD_DROP, .sighting = {.ms = ms}, .key = *key};
    tell(learn, &record, PUSH_LEARN_OUTBOX_BYTES);
}

void push_learn_tell_bad(struct push_learn *learn, struct slice authority, struct slice path,
                         uint64_t ms) {
    const struct push_learn_record record = {
        .kind = PUSH_LEARN_RECORD_BAD,
        .sighting = {.ms = ms},
        .key = {.scheme = SLICE_EMPTY, .authority = authority, .path = path}};
    tell(learn, &record, PUSH_LEARN_OUTBOX_BYTES);
}

// A record that finds no room is lost: the others learn later, or keep a hint until its life ends.
static bool tell(struct push_learn *learn, const struct push_learn_record *record, size_t room) {
    if (learn->is_alone) {
        return true;
    }
    if (buffer_length(&learn->outbox) + push_learn_record_bytes(record) > room) {
        learn->stats.records_lost++;
        return false;
    }
    push_learn_record_write(record, &learn->outbox);
    return true;
}

size_t push_learn_record_bytes_waiting(const struct push_learn *learn) {
    return buffer_length(&learn->outbox);
}

bool push_learn_take_records(struct push_learn *learn, struct buffer *to) {
    if (buffer_length(&learn->outbox) == 0) {
        return false;
    }
    buffer_move(to, &learn->outbox);
    return true;
}

// --- the other side ---------------------------------------------------------------------------

bool push_learn_apply(struct push_learn *learn, struct slice records, uint64_t now_ms) {
    struct push_learn_record record;
    enum push_learn_record_result result = PUSH_LEARN_RECORD_READ;
    while (result == PUSH_LEARN_RECORD_READ) {
        struct arena *arena = arena_create();
        result = push_learn_record_read(&records, arena, &record);
        if (result == PUSH_LEARN_RECORD_READ && !apply(learn, &record, arena, now_ms)) {
            result = PUSH_LEARN_RECORD_DAMAGED;
        }
        arena_destroy(arena);
    }
    learn->stats.records_damaged += result == PUSH_LEARN_RECORD_DAMAGED;
    return result == PUSH_LEARN_RECORD_END;
}

static bool apply(struct push_learn *learn, const struct push_learn_record *record,
                  struct arena *arena, uint64_t now_ms) {
    if (record->sighting.ms > now_ms + AHEAD_MS) {
        return false;
    }
    switch (record->kind) {
    case PUSH_LEARN_RECORD_SIGHTING:
        return apply_sighting(learn, record, arena, now_ms);
    case PUSH_LEARN_RECORD_DROP:
        return apply_drop(learn, record, arena, now_ms);
    case PUSH_LEARN_RECORD_BAD:
        push_learn_forbid(learn,
                          push_learn_hash_url(learn, record->key.authority, record->key.path),
                          record->sighting.ms);
        return true;
    }
    unreachable();
}

static bool apply_drop(struct push_learn *learn, const struct push_learn_record *record,
                       struct arena *arena, uint64_t now_ms) {
    if (!push_learn_rules_is_key(&record->key, arena)) {
        return false;
    }
    if (push_learn_get(learn, &record->key, now_ms) != NULL) {
        push_learn_drop(learn, &record->key, record->sighting.ms, now_ms);
    } else {
        push_learn_bar(learn, &record->key, record->sighting.ms, now_ms);
    }
    return true;
}

static bool apply_sighting(struct push_learn *learn, const struct push_learn_record *record,
                           struct arena *arena, uint64_t now_ms) {
    struct push_learn_page *page;
    struct push_learn_lesson lesson;
    if (record->life_ms == 0 || record->life_ms > PUSH_LEARN_LIFE_MS ||
        !push_learn_rules_lesson(&record->key, record->elements, record->count, arena, &lesson)) {
        return false;
    }
    lesson.life_ms = record->life_ms;
    push_learn_sight(learn, &lesson, record->sighting, now_ms, &page);
    if (page != NULL && record->sighting.ms > page->shared_ms) {
        page->shared_ms = record->sighting.ms; // all have heard of it
    }
    return true;
}
