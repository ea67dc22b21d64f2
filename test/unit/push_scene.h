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
    bool has_authorities; // static.example.org may be pushed too
};

#define P "; rel=preload"

// A question with everything that it points to.
struct push_scene {
    struct arena *arena;
    struct request_head request;
    struct response_head response;
    struct config_push policy;
    struct config_declared declared[8];
    struct push_diary *diary;
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

static const struct push_facts push_scene_facts = {.fitness = push_scene_fitness};

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
    rest = slice_of_text(row->declare != NULL ? row->declare : "");
    while (push_scene_next_part(&rest, ' ', &path)) {
        char *text = (char *)(uintptr_t)arena_copy(scene->arena, path).data;
        scene->declared[scene->question.declared_count++] = (struct config_declared){text, NULL};
    }
}

static inline void push_scene_open(struct push_scene *scene, const struct push_scene_row *row) {
    *scene = (struct push_scene){.arena = arena_create()};
    push_scene_open_messages(scene, row);
    push_scene_open_memory(scene, row);
    scene->policy = (struct config_push){
        .is_on = !row->is_off,
        .max_per_page = row->max_per_page != 0 ? row->max_per_page : 32,
        .max_open = 32,
        .credentials = row->credentials,
        .on_behind_proxy = row->on_behind_proxy,
        .authorities = row->has_authorities ? push_scene_authorities : NULL,
    };
    struct push_question *question = &scene->question;
    question->moment = row->is_request                ? PUSH_AT_REQUEST
                       : scene->response.status < 200 ? PUSH_AT_INTERIM
                                                      : PUSH_AT_HEAD;
    question->request = &scene->request;
    question->response = row->is_request ? NULL : &scene->response;
    question->policy = &scene->policy;
    question->declared = scene->declared;
    question->diary = scene->diary;
    question->facts = &push_scene_facts;
    question->is_promised = row->is_promised;
    question->is_behind_proxy = row->is_behind_proxy;
    question->room = row->has_no_room ? 0 : row->room != 0 ? row->room : 100;
    question->is_full = row->is_full;
    question->already_promised = row->already;
}

static inline void push_scene_close(struct push_scene *scene) {
    push_diary_destroy(scene->diary);
    arena_destroy(scene->arena);
}

static inline struct slice push_scene_join(struct arena *arena, struct slice text,
                                           const char *separator, struct slice part) {
    return arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(text), text.length > 0 ? separator : "",
                        SLICE_ARGS(part));
}

static inline void push_scene_expect(const char *input, const char *what, struct slice got,
                                     const char *wanted) {
    if (!slice_equal(got, slice_of_text(wanted))) {
        fail_msg("%s: %s: got '%.*s', wanted '%s'", input, what, SLICE_ARGS(got), wanted);
    }
}

#endif
