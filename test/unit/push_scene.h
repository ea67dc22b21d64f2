// SPDX-License-Identifier: Apache-2.0
// A page and everything that push_plan_make is asked about it, made from one row of a table.
// Shared by the tests of push/; everything lives in the scene's arena.
#ifndef OUTRIDER_TEST_PUSH_SCENE_H
#define OUTRIDER_TEST_PUSH_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "push/push_plan.h"

// A field that a row leaves out is zero and means the ordinary thing.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

// Zero in a field means the ordinary thing: a page https://example.org/dir/page?q asked for with
// GET by a client that takes promises, answered with 200, under the default policy.
struct push_scene_row {
    const char *links;    // Link fields of the response, separated by '\n'
    const char *wanted;   // promised paths, joined with blanks
    const char *outcomes; // "reason:count" in the order of the ladder
    const char *left;     // Link fields to forward, joined with '|'; NULL: as they are
    const char *method;
    const char *path;
    const char *fields;  // of the page's request: "name: value\nname: value"
    const char *declare; // paths of the route's push list, joined with blanks
    const char *known;   // paths in the diary, joined with blanks
    int status;          // of the final head; 1xx is an interim one
    unsigned room;
    unsigned already;
    unsigned max_per_page;
    enum config_credentials credentials;
    bool is_cleartext; // scheme http, authority basehost, path /basepath/ as in R01 to R22
    bool is_request;   // PUSH_AT_REQUEST, without response
    bool is_off;
    bool is_promised;
    bool is_behind_proxy;
    bool on_behind_proxy;
    bool has_no_room;
    bool is_full;
    bool has_stopped;
    bool is_memory_short;
    bool has_authorities; // static.example.org may be pushed too
    // Hints, and what was known before.
    const char *hints;         // wanted: elements of the 103, joined with '|'
    const char *declare_hints; // the route's hint list, by '\n': "/path as", or a Link element
    const char *learned;       // Link elements, by '\n'
    const char *behaviour;     // likewise
    const char *event;         // a Link value; PUSH_AT_EVENT
    bool may_hint;
    bool may_revalidate; // /stale and /changed, where the diary has them
    bool is_visitor;     // one who was here before: see push_scene_open_visitor
};

#define P "; rel=preload"

// A question with everything that it points to.
struct push_scene {
    struct arena *arena;
    struct request_head request;
    struct response_head response;
    struct config_push policy;
    struct config_declared declared[8];
    struct config_declared declared_hints[8];
    struct slice elements[2][16];
    struct push_learn_links learned;
    struct push_learn_links behaviour;
    struct push_diary *diary;
    struct push_assets *assets;
    struct push_digest digest;
    struct push_digest_key key;
    struct push_visitor visitor;
    struct push_facts facts;
    struct push_question question;
};

static char *push_scene_authorities[] = {(char[]){"Static.example.org:443"}, NULL};

// Takes the text up to `separator` off `rest`; false at its end.
static inline bool push_scene_next_part(struct slice *rest, char separator,
                                        struct slice *out_part) {
    if (rest->length == 0) {
        return false;
    }
    size_t end = slice_find(*rest, separator);
    *out_part = slice_first(*rest, end);
    *rest = slice_skip(*rest, end + 1);
    return true;
}

static inline void push_scene_add_fields(struct headers *headers, const char *text) {
    struct slice rest = slice_of_text(text != NULL ? text : "");
    struct slice line;
    while (push_scene_next_part(&rest, '\n', &line)) {
        size_t colon = slice_find(line, ':');
        headers_add(headers, slice_first(line, colon), slice_trim(slice_skip(line, colon + 1)));
    }
}

static inline enum push_reason push_scene_fitness(const void *user, const struct url *url,
                                                  bool has_credentials) {
    (void)user;
    bool is_unfit = slice_equal(url->path, SLICE("/unfit")) ||
                    (has_credentials && slice_equal(url->path, SLICE("/unfit-for-users")));
    bool is_unwanted = slice_equal(url->path, SLICE("/unwanted"));
    return is_unfit ? PUSH_REASON_UNFIT : is_unwanted ? PUSH_REASON_UNWANTED : PUSH_REASON_PROMISED;
}

// The client's copy of /stale is the one that is known here, but old; that of /changed is another.
static inline bool push_scene_find_condition(const void *user, const struct url *url,
                                             struct arena *arena, enum header_id *out_id,
                                             struct slice *out_value) {
    (void)user, (void)arena;
    if (slice_equal(url->path, SLICE("/stale"))) {
        *out_id = HEADER_IF_NONE_MATCH;
        *out_value = SLICE("\"v\"");
        return true;
    }
    return slice_equal(url->path, SLICE("/changed"));
}

static inline void push_scene_open_messages(struct push_scene *scene,
                                            const struct push_scene_row *row) {
    const char *path = row->is_cleartext ? "/basepath/" : "/dir/page?q";
    scene->request = (struct request_head){
        .method = slice_of_text(row->method != NULL ? row->method : "GET"),
        .scheme = row->is_cleartext ? SLICE("http") : SLICE("https"),
        .authority = row->is_cleartext ? SLICE("basehost") : SLICE("example.org"),
        .path = slice_of_text(row->path != NULL ? row->path : path),
        .is_end = true,
    };
    headers_init(&scene->request.headers, scene->arena);
    push_scene_add_fields(&scene->request.headers, row->fields);
    scene->response.status = row->status != 0 ? row->status : 200;
    headers_init(&scene->response.headers, scene->arena);
    headers_add(&scene->response.headers, SLICE("content-type"), SLICE("text/html"));
    struct slice rest = slice_of_text(row->links != NULL ? row->links : "");
    struct slice link;
    while (push_scene_next_part(&rest, '\n', &link)) {
        headers_add(&scene->response.headers, SLICE("link"), link);
    }
}

static inline void push_scene_open_memory(struct push_scene *scene,
                                          const struct push_scene_row *row) {
    scene->diary = push_diary_create(7);
    struct slice rest = slice_of_text(row->known != NULL ? row->known : "");
    struct slice path;
    while (push_scene_next_part(&rest, ' ', &path)) {
        push_diary_add(scene->diary, scene->request.authority, path);
    }
    for (unsigned i = 0; row->has_stopped && i < 3; i++) {
        push_diary_note_outcome(scene->diary, true);
    }
}

static inline char *push_scene_text(struct push_scene *scene, struct slice text) {
    return (char *)(uintptr_t)arena_copy(scene->arena, text).data; // ends with NUL
}

static inline void push_scene_open_elements(struct push_scene *scene, const char *text,
                                            struct slice *elements, struct push_learn_links *links,
                                            const struct push_learn_links **out_links) {
    struct slice rest = slice_of_text(text != NULL ? text : "");
    while (push_scene_next_part(&rest, '\n', &elements[links->count])) {
        elements[links->count] = arena_copy(scene->arena, elements[links->count]);
        links->count++;
    }
    links->elements = elements;
    *out_links = links->count > 0 ? links : NULL;
}

static inline void push_scene_open_known(struct push_scene *scene,
                                         const struct push_scene_row *row) {
    struct push_question *question = &scene->question;
    struct slice rest = slice_of_text(row->declare != NULL ? row->declare : "");
    struct slice part;
    while (push_scene_next_part(&rest, ' ', &part)) {
        scene->declared[question->declared_count++] =
            (struct config_declared){push_scene_text(scene, part), NULL};
    }
    rest = slice_of_text(row->declare_hints != NULL ? row->declare_hints : "");
    while (push_scene_next_part(&rest, '\n', &part)) {
        size_t end = part.data[0] == '<' ? part.length : slice_find(part, ' ');
        scene->declared_hints[question->declared_hint_count++] =
            (struct config_declared){push_scene_text(scene, slice_first(part, end)),
                                     push_scene_text(scene, slice_skip(part, end + 1))};
    }
    question->declared = scene->declared;
    question->declared_hints = scene->declared_hints;
    push_scene_open_elements(scene, row->learned, scene->elements[0], &scene->learned,
                             &question->learned);
    push_scene_open_elements(scene, row->behaviour, scene->elements[1], &scene->behaviour,
                             &question->behaviour);
}

// Marked as one who was here. Of /cached it is known that copies live long, of /brief that they do
// not; of all else nothing.
static inline void push_scene_open_visitor(struct push_scene *scene) {
    static const char *const lives[][2] = {{"/cached", "max-age=86400"}, {"/brief", "max-age=1"}};
    const struct clock clock = {.now_ms = 1000, .wall_ms = INT64_C(784111777000)};
    scene->assets = push_assets_create(1);
    for (size_t i = 0; i < 2; i++) {
        struct request_head request = {.method = SLICE("GET"),
                                       .authority = scene->request.authority,
                                       .path = slice_of_text(lives[i][0])};
        struct response_head response = {.status = 200};
        headers_init(&request.headers, scene->arena);
        headers_init(&response.headers, scene->arena);
        headers_add(&response.headers, SLICE("cache-control"), slice_of_text(lives[i][1]));
        push_assets_note(scene->assets, &request, &response, &clock);
    }
    push_digest_init(&scene->digest);
    push_digest_key_from_text(SLICE("of the tests"), &scene->key);
    scene->visitor = (struct push_visitor){
        .mode = PUSH_VISITOR_FIRST_VISIT,
        .digest = &scene->digest,
        .key = &scene->key,
        .assets = scene->assets,
        .short_ms = 60 * 1000,
        .now_ms = 1000,
    };
    scene->question.visitor = &scene->visitor;
}

static inline void push_scene_open(struct push_scene *scene, const struct push_scene_row *row) {
    *scene = (struct push_scene){.arena = arena_create()};
    push_scene_open_messages(scene, row);
    push_scene_open_memory(scene, row);
    push_scene_open_known(scene, row);
    if (row->is_visitor) {
        push_scene_open_visitor(scene);
    }
    scene->policy = (struct config_push){
        .is_on = !row->is_off,
        .max_per_page = row->max_per_page != 0 ? row->max_per_page : 32,
        .max_open = 32,
        .credentials = row->credentials,
        .on_behind_proxy = row->on_behind_proxy,
        .authorities = row->has_authorities ? push_scene_authorities : NULL,
    };
    scene->facts = (struct push_facts){
        .fitness = push_scene_fitness,
        .find_condition = row->may_revalidate ? push_scene_find_condition : NULL,
    };
    struct push_question *question = &scene->question;
    question->moment = row->event != NULL             ? PUSH_AT_EVENT
                       : row->is_request              ? PUSH_AT_REQUEST
                       : scene->response.status < 200 ? PUSH_AT_INTERIM
                                                      : PUSH_AT_HEAD;
    question->request = &scene->request;
    question->response = row->is_request || row->event != NULL ? NULL : &scene->response;
    question->event = slice_of_text(row->event != NULL ? row->event : "");
    question->policy = &scene->policy;
    question->diary = scene->diary;
    question->facts = &scene->facts;
    question->may_hint = row->may_hint;
    question->is_promised = row->is_promised;
    question->is_behind_proxy = row->is_behind_proxy;
    question->room = row->has_no_room ? 0 : row->room != 0 ? row->room : 100;
    question->is_full = row->is_full;
    question->is_memory_short = row->is_memory_short;
    question->already_promised = row->already;
}

static inline void push_scene_close(struct push_scene *scene) {
    push_diary_destroy(scene->diary);
    push_assets_destroy(scene->assets);
    arena_destroy(scene->arena);
}

static inline struct slice push_scene_join(struct arena *arena, struct slice text,
                                           const char *separator, struct slice part) {
    return arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(text), text.length > 0 ? separator : "",
                        SLICE_ARGS(part));
}

static inline struct slice push_scene_promises(struct arena *arena, const struct push_plan *plan) {
    struct slice text = SLICE_EMPTY;
    for (size_t i = 0; i < plan->promise_count; i++) {
        text = push_scene_join(arena, text, " ", plan->promises[i].request.path);
    }
    return text;
}

static inline struct slice push_scene_outcomes(struct arena *arena, const struct push_plan *plan) {
    struct slice text = SLICE_EMPTY;
    for (unsigned i = 0; i < PUSH_REASON_COUNT; i++) {
        if (plan->outcomes[i] > 0) {
            const char *name = push_plan_reason_name((enum push_reason)i);
            text = push_scene_join(arena, text, ",",
                                   arena_printf(arena, "%s:%u", name, plan->outcomes[i]));
        }
    }
    return text;
}

static inline struct slice push_scene_hints(struct arena *arena, const struct push_plan *plan) {
    struct slice text = SLICE_EMPTY;
    for (size_t i = 0; i < plan->hint_count; i++) {
        text = push_scene_join(arena, text, "|", plan->hints[i]);
    }
    return text;
}

static inline void push_scene_expect(const char *input, const char *what, struct slice got,
                                     const char *wanted) {
    if (!slice_equal(got, slice_of_text(wanted))) {
        fail_msg("%s: %s: got '%.*s', wanted '%s'", input, what, SLICE_ARGS(got), wanted);
    }
}

#endif
