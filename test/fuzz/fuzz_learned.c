// SPDX-License-Identifier: Apache-2.0
// The learned table and what it is told by files and by other workers. Input: a byte for the part:
//   0  a file: all of it is taken or nothing; what was taken is saved and read again as it was
//   1  the same, with the last line made here, so that the lines before it count
//   2  records as bytes
//   3  responses seen by two workers that tell each other; records may be lost, told twice or late
// In the end each table is walked, asked, shown as JSON and saved.
#include "fuzz.h"

#include <inttypes.h>

#include "admin/admin_hints.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "fuzz_json.h"
#include "http/link_header.h"
#include "push/push_learn_file.h"
#include "push/push_memory.h"

enum { TABLES = 2, START_MS = 5000000, CHECKSUM_SEED = 0x68696e74 };
#define WALL_MS INT64_C(1800000000000)

static struct metrics metrics;

static void open_memory(struct push_memory *memory) {
    const struct push_learn_limits limits = {.pages = 16, .page_bytes = 512};
    *memory = (struct push_memory){.learn = push_learn_create(&limits, 7),
                                   .behaviour = push_learn_behaviour_create(16, 7),
                                   .metrics = &metrics};
}

// --- what must hold of any table -----------------------------------------------------------------

static void check_page(struct push_learn *learn, const struct push_learn_view *page,
                       uint64_t now_ms) {
    fuzz_check(page->key.path.length > 0 && page->key.path.data[0] == '/');
    fuzz_check(page->count > 0 && page->hint_count <= page->count);
    fuzz_check(page->left_ms <= PUSH_LEARN_LIFE_MS);
    for (size_t i = 0; i < page->count; i++) {
        struct link_reader reader = {0};
        struct link_header link;
        fuzz_check(headers_is_value(page->elements[i]));
        link_reader_start(&reader, page->elements[i]);
        fuzz_check(link_reader_next(&reader, &link) && !link_reader_next(&reader, &link));
    }
    struct push_learn_view again;
    fuzz_check(push_learn_look(learn, &page->key, now_ms, &again));
    fuzz_check(again.is_confirmed == page->is_confirmed && again.count == page->count);
}

static unsigned walk(struct push_learn *learn, uint64_t now_ms) {
    struct push_learn_cursor cursor = {0};
    struct push_learn_view page;
    unsigned confirmed = 0;
    unsigned pages = 0;
    while (push_learn_next(learn, &cursor, now_ms, &page)) {
        fuzz_check(++pages <= 16);
        confirmed += page.is_confirmed;
        check_page(learn, &page, now_ms);
    }
    fuzz_check(push_learn_stats(learn)->pages >= pages);
    return confirmed;
}

// Saved and read again it is the same file, as long as nothing is left out since it is over.
static void check_saving(struct push_learn *learn, uint64_t now_ms) {
    struct buffer text = {0};
    struct buffer text_again = {0};
    struct push_learn_file_error error;
    push_learn_file_save(learn, now_ms, WALL_MS, &text);
    const struct push_learn_limits limits = {.pages = 16, .page_bytes = 512};
    struct push_learn *again = push_learn_create(&limits, 7);
    bool is_good = push_learn_file_load(again, buffer_peek(&text), now_ms, WALL_MS, &error);
    if (!is_good) {
        fprintf(stderr, "line %zu: %s\n%.*s", error.line, error.reason,
                SLICE_ARGS(buffer_peek(&text)));
    }
    fuzz_check(is_good);
    push_learn_file_save(again, now_ms, WALL_MS, &text_again);
    fuzz_check(walk(again, now_ms) == walk(learn, now_ms));
    fuzz_check(buffer_length(&text) == buffer_length(&text_again));
    push_learn_destroy(again);
    buffer_finish(&text);
    buffer_finish(&text_again);
}

static void check_memory(struct push_memory *memory, uint64_t now_ms) {
    struct buffer json = {0};
    struct push_learn_links links;
    walk(memory->learn, now_ms);
    const struct push_learn_key key = {SLICE("https"), SLICE("a.example"), SLICE("/p"), false};
    if (push_learn_find(memory->learn, &key, SLICE_EMPTY, now_ms, &links)) {
        fuzz_check(links.count > 0 && links.hint_count <= links.count);
    }
    admin_hints_write(memory, now_ms, &json);
    fuzz_check(fuzz_json_is_valid(buffer_peek(&json)));
    buffer_finish(&json);
    check_saving(memory->learn, now_ms);
}

// --- files ---------------------------------------------------------------------------------------

static void load(struct push_memory *memory, struct slice text) {
    struct push_learn_file_error error = {0};
    char *copy = fuzz_copy(text);
    if (!push_learn_file_load(memory->learn, slice_of(copy, text.length), START_MS, WALL_MS,
                              &error)) {
        fuzz_check(error.line > 0 && error.reason != NULL);
        fuzz_check(push_learn_stats(memory->learn)->pages == 0); // all or nothing
    }
    free(copy);
}

static void load_ended(struct push_memory *memory, struct slice lines) {
    struct buffer text = {0};
    unsigned count = 0;
    buffer_append_slice(&text, SLICE("outrider-hints 1 1800000000000\n"));
    while (lines.length > 0) {
        struct slice line = slice_first(lines, slice_find(lines, '\n'));
        lines = slice_skip(lines, line.length + 1);
        buffer_append_slice(&text, line);
        buffer_append_slice(&text, SLICE("\n"));
        count++;
    }
    char end[64];
    int length = snprintf(end, sizeof(end), "end\t%u\t%016" PRIx64 "\n", count,
                          hash_bytes(CHECKSUM_SEED, buffer_peek(&text)));
    buffer_append(&text, end, (size_t)length);
    load(memory, buffer_peek(&text));
    buffer_finish(&text);
}

// --- workers -------------------------------------------------------------------------------------

static const char *const links[] = {
    "</a.css>; rel=preload; as=style",
    "</b.js>; rel=modulepreload, </c.woff2>; rel=preload; as=font; crossorigin",
    "<https://cdn.example>; rel=preconnect, </a.css>; rel=preload; as=style; x-http2-push-only",
    "",
};

static void observe(struct fuzz_input *input, struct push_memory *memory, uint64_t now_ms) {
    static const char *const fields[][2] = {
        {"cookie", "a=1"}, {"cookie", "a=2"}, {"authorization", "x"}, {"referer", "https://x/"}};
    static const char *const answers[][2] = {{"set-cookie", "a=b"},
                                             {"cache-control", "private"},
                                             {"cache-control", "max-age=5"},
                                             {"cache-control", "no-store"},
                                             {"vary", "*"},
                                             {"vary", "cookie"}};
    static const int statuses[] = {200, 200, 200, 304, 404, 403, 500};
    struct arena *arena = arena_create();
    unsigned choice = fuzz_byte(input);
    unsigned more = fuzz_byte(input);
    struct request_head request = {.method = SLICE("GET"),
                                   .scheme = SLICE("https"),
                                   .authority = SLICE("a.example"),
                                   .path = arena_printf(arena, "/p%u?%u", choice & 3, more & 7),
                                   .is_end = true};
    struct response_head response = {.status = statuses[more % 7]};
    headers_init(&request.headers, arena);
    headers_init(&response.headers, arena);
    if ((more >> 5) < 4) {
        headers_add(&request.headers, slice_of_text(fields[more >> 5][0]),
                    slice_of_text(fields[more >> 5][1]));
    }
    if ((choice >> 5) < 6) {
        headers_add(&response.headers, slice_of_text(answers[choice >> 5][0]),
                    slice_of_text(answers[choice >> 5][1]));
    }
    struct slice link = slice_of_text(links[choice >> 2 & 3]);
    if ((choice & 0x10) != 0) { // one of the input's own
        struct slice own = fuzz_take_until(input, '\n');
        link = headers_is_value(own) ? slice_trim(own) : link;
    }
    if (link.length > 0) {
        headers_add(&response.headers, SLICE("link"), link);
    }
    struct push_learn_policy policy = {.with_query = (more & 8) != 0,
                                       .with_private = (more & 16) != 0};
    struct push_learn_response seen = {
        .request = &request, .response = &response, .policy = &policy, .wall_ms = WALL_MS};
    uint64_t conn_id = 1 + fuzz_below(input, 4);
    push_learn_observe(memory->learn, &seen, conn_id, arena, now_ms);
    push_learn_behaviour_start(memory->behaviour, &request, &policy, conn_id, now_ms);
    push_learn_behaviour_observe(memory->behaviour, &seen, conn_id, arena, now_ms);
    struct push_learn_key key;
    struct push_learn_links found;
    if (push_learn_rules_key(&request, &policy, &key)) {
        push_learn_find(memory->learn, &key, push_learn_rules_visitor(&request, arena), now_ms,
                        &found);
        push_learn_behaviour_find(memory->behaviour, &key, now_ms, &found);
    }
    if (push_learn_rules_is_bad(&request, response.status)) {
        push_learn_note_bad(memory->learn, request.authority, request.path, now_ms);
        push_learn_behaviour_note_bad(memory->behaviour, request.authority, request.path);
    }
    arena_destroy(arena);
}

static uint64_t run_workers(struct fuzz_input *input, struct push_memory *memories) {
    uint64_t now_ms = START_MS;
    struct buffer kept = {0};
    while (input->length > 0) {
        struct push_memory *memory = &memories[fuzz_below(input, TABLES)];
        struct push_memory *other = &memories[memory == &memories[0] ? 1 : 0];
        struct buffer records = {0};
        switch (fuzz_below(input, 8)) {
        case 0:
            now_ms += (uint64_t)fuzz_word(input) * 100;
            break;
        case 1: // perhaps twice
            if (push_learn_take_records(memory->learn, &records)) {
                fuzz_check(push_learn_apply(other->learn, buffer_peek(&records), now_ms));
                if (fuzz_bool(input)) {
                    fuzz_check(push_learn_apply(other->learn, buffer_peek(&records), now_ms));
                }
            }
            break;
        case 2: // later, or never
            if (push_learn_take_records(memory->learn, &records)) {
                buffer_finish(&kept);
                buffer_append_slice(&kept, buffer_peek(&records));
            }
            break;
        case 3:
            fuzz_check(push_learn_apply(other->learn, buffer_peek(&kept), now_ms));
            break;
        case 4:
            push_learn_note_bad(memory->learn, SLICE("a.example"), SLICE("/a.css"), now_ms);
            break;
        case 5:
            push_learn_forget(memory->learn, SLICE("a.example"), SLICE("/p1"));
            push_learn_behaviour_forget(memory->behaviour, SLICE_EMPTY, SLICE_EMPTY);
            break;
        default:
            observe(input, memory, now_ms);
            break;
        }
        buffer_finish(&records);
    }
    buffer_finish(&kept);
    return now_ms;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input_of(data, size);
    struct push_memory memories[TABLES];
    uint64_t now_ms = START_MS;
    for (size_t i = 0; i < TABLES; i++) {
        open_memory(&memories[i]);
    }
    switch (fuzz_below(&input, 4)) {
    case 0:
        load(&memories[0], fuzz_rest(&input));
        break;
    case 1:
        load_ended(&memories[0], fuzz_rest(&input));
        break;
    case 2: {
        struct slice records = fuzz_rest(&input);
        char *copy = fuzz_copy(records);
        push_learn_apply(memories[0].learn, slice_of(copy, records.length), now_ms);
        free(copy);
        break;
    }
    default:
        now_ms = run_workers(&input, memories);
        break;
    }
    for (size_t i = 0; i < TABLES; i++) {
        check_memory(&memories[i], now_ms);
        push_memory_publish(&memories[i]);
        push_learn_destroy(memories[i].learn);
        push_learn_behaviour_destroy(memories[i].behaviour);
    }
    return 0;
}
