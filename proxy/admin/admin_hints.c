// SPDX-License-Identifier: Apache-2.0
#include "admin/admin_hints.h"

#include <inttypes.h>

#include "admin_text.h"
#include "base/json.h"

struct writer {
    struct buffer *out;
    unsigned pages;
    bool is_truncated;
};

static void write_learned(struct writer *w, const struct push_learn *learn, uint64_t now_ms);
static size_t measure(const struct push_learn_view *view);
static void write_behaviour(struct writer *w, const struct push_learn_behaviour *behaviour,
                            uint64_t now_ms);
static bool begin_page(struct writer *w, const struct push_learn_key *key, const char *source,
                       bool is_confirmed);
static void write_link(struct writer *w, size_t index, struct slice element);
static void write_stats(struct buffer *out, const struct push_learn_stats *stats);

void admin_hints_write(const struct push_memory *memory, uint64_t now_ms, struct buffer *out_json) {
    const struct push_learn_stats *stats = push_learn_stats(memory->learn);
    struct writer w = {.out = out_json};
    admin_text_add(out_json, "{\"pages\":[");
    write_learned(&w, memory->learn, now_ms);
    write_behaviour(&w, memory->behaviour, now_ms);
    admin_text_format(out_json, "],\n\"truncated\":%s,\"stats\":{",
                      w.is_truncated ? "true" : "false");
    write_stats(out_json, stats);
    admin_text_add(out_json, "}}\n");
}

// They come in the order in which they would leave the table, so what is too much is left out at
// the beginning.
static void write_learned(struct writer *w, const struct push_learn *learn, uint64_t now_ms) {
    struct push_learn_view view;
    size_t pages = 0;
    size_t bytes = 0;
    struct push_learn_cursor counter = {0};
    while (push_learn_next(learn, &counter, now_ms, &view)) {
        pages++;
        bytes += measure(&view);
    }
    struct push_learn_cursor cursor = {0};
    while (push_learn_next(learn, &cursor, now_ms, &view)) {
        if (pages > ADMIN_HINTS_PAGES || bytes > ADMIN_HINTS_BYTES) {
            pages--;
            bytes -= measure(&view);
            w->is_truncated = true;
            continue;
        }
        if (!begin_page(w, &view.key, "link", view.is_confirmed)) {
            return;
        }
        admin_text_format(w->out,
                          ",\"age_s\":%" PRIu64 ",\"seen_s_ago\":%" PRIu64 ",\"left_s\":%" PRIu64
                          ",\"sightings\":%" PRIu32 ",\"uses\":%" PRIu32 ",\"links\":[",
                          view.age_ms / 1000, view.seen_ms / 1000, view.left_ms / 1000,
                          view.sightings, view.uses);
        for (size_t i = 0; i < view.count; i++) {
            write_link(w, i, view.elements[i]);
        }
        admin_text_add(w->out, "]}");
    }
}

// About what it will take.
static size_t measure(const struct push_learn_view *view) {
    enum { NUMBERS = 200 };
    size_t bytes = NUMBERS + view->key.authority.length + view->key.path.length;
    for (size_t i = 0; i < view->count; i++) {
        bytes += view->elements[i].length;
    }
    return bytes;
}

static void write_behaviour(struct writer *w, const struct push_learn_behaviour *behaviour,
                            uint64_t now_ms) {
    struct push_learn_cursor cursor = {0};
    struct push_learn_behaviour_view view;
    while (push_learn_behaviour_next(behaviour, &cursor, now_ms, &view)) {
        size_t candidates = 0;
        for (size_t i = 0; i < view.count; i++) {
            candidates += view.parts[i].is_candidate;
        }
        if (!begin_page(w, &view.key, "behaviour", candidates > 0)) {
            return;
        }
        admin_text_format(
            w->out, ",\"left_s\":%" PRIu64 ",\"sightings\":%u,\"uses\":%" PRIu32 ",\"links\":[",
            view.left_ms / 1000, view.visits, view.uses);
        size_t written = 0;
        for (size_t i = 0; i < view.count; i++) {
            if (view.parts[i].is_candidate) {
                write_link(w, written++, view.parts[i].element);
            }
        }
        admin_text_add(w->out, "]}");
    }
}

static bool begin_page(struct writer *w, const struct push_learn_key *key, const char *source,
                       bool is_confirmed) {
    if (w->pages == ADMIN_HINTS_PAGES || buffer_length(w->out) >= ADMIN_HINTS_BYTES) {
        w->is_truncated = true;
        return false;
    }
    admin_text_add(w->out, w->pages++ > 0 ? ",\n{\"page\":" : "\n{\"page\":");
    struct buffer name = {0};
    buffer_append_slice(&name, key->authority);
    buffer_append_slice(&name, key->path);
    json_append_text(w->out, buffer_peek(&name));
    buffer_finish(&name);
    admin_text_add(w->out, ",\"scheme\":");
    json_append_text(w->out, key->scheme);
    admin_text_format(w->out, ",\"credentials\":%s,\"source\":\"%s\",\"confirmed\":%s",
                      key->has_credentials ? "true" : "false", source,
                      is_confirmed ? "true" : "false");
    return true;
}

static void write_link(struct writer *w, size_t index, struct slice element) {
    if (index > 0) {
        buffer_append(w->out, ",", 1);
    }
    json_append_text(w->out, element);
}

static void write_stats(struct buffer *out, const struct push_learn_stats *stats) {
    admin_text_format(out, "\"pages\":%" PRIu32 ",\"confirmed\":%" PRIu32, stats->pages,
                      stats->confirmed);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"uses", stats->uses},
        {"evicted", stats->evicted},
        {"left_out", stats->left_out},
        {"dropped_bad", stats->dropped_bad},
        {"records_lost", stats->records_lost},
        {"records_damaged", stats->records_damaged},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        admin_text_format(out, ",\"%s\":%" PRIu64, numbers[i].name, numbers[i].value);
    }
    admin_text_add(out, ",\"reasons\":{");
    for (unsigned i = 0; i < PUSH_LEARN_REASON_COUNT; i++) {
        admin_text_format(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "",
                          push_learn_rules_reason_name((enum push_learn_reason)i),
                          stats->reasons[i]);
    }
    admin_text_add(out, "}");
}
