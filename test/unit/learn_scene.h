// SPDX-License-Identifier: Apache-2.0
// A page's request and response, made from texts, as the learned table is shown them. Shared by the
// tests of push_learn*; everything lives in the scene's arena.
#ifndef OUTRIDER_TEST_LEARN_SCENE_H
#define OUTRIDER_TEST_LEARN_SCENE_H

#include "push_scene.h"

#include "push/push_learn.h"

#define LEARN_WALL_MS (INT64_C(784111777) * 1000) // Sun, 06 Nov 1994 08:49:37 GMT

struct learn_scene_row {
    const char *path;     // "/page" when NULL
    const char *request;  // fields, "name: value\nname: value"
    const char *response; // NULL: of the kind that Sec-Fetch-Dest asks for, with an ETag
    const char *method;
    int status; // 200 when 0
    bool with_query;
    bool with_private;
    bool is_promised;
};

struct learn_scene {
    struct arena *arena;
    struct request_head request;
    struct response_head head;
    struct push_learn_policy policy;
    struct push_learn_response response;
};

// What suits a request for a part of a page; of any other nothing is said.
static inline const char *learn_scene_fields_of(const struct request_head *request) {
    static const char *const kinds[][2] = {
        {"style", "content-type: text/css\netag: \"1\""},
        {"script", "content-type: text/javascript\netag: \"1\""},
        {"font", "content-type: font/woff2\netag: \"1\""},
        {"image", "content-type: image/png\netag: \"1\""},
    };
    struct slice wish = headers_value(&request->headers, HEADER_SEC_FETCH_DEST);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (slice_equal(wish, slice_of_text(kinds[i][0]))) {
            return kinds[i][1];
        }
    }
    return "";
}

static inline void learn_scene_open(struct learn_scene *scene, const struct learn_scene_row *row) {
    *scene = (struct learn_scene){.arena = arena_create()};
    scene->request = (struct request_head){
        .method = slice_of_text(row->method != NULL ? row->method : "GET"),
        .scheme = SLICE("https"),
        .authority = SLICE("example.org"),
        .path = slice_of_text(row->path != NULL ? row->path : "/page"),
        .is_end = true,
    };
    headers_init(&scene->request.headers, scene->arena);
    push_scene_add_fields(&scene->request.headers, row->request);
    scene->head.status = row->status != 0 ? row->status : 200;
    headers_init(&scene->head.headers, scene->arena);
    push_scene_add_fields(&scene->head.headers, row->response != NULL
                                                    ? row->response
                                                    : learn_scene_fields_of(&scene->request));
    scene->policy = (struct push_learn_policy){row->with_query, row->with_private};
    scene->response = (struct push_learn_response){
        .request = &scene->request,
        .response = &scene->head,
        .policy = &scene->policy,
        .wall_ms = LEARN_WALL_MS,
        .is_promised = row->is_promised,
    };
}

static inline void learn_scene_close(struct learn_scene *scene) {
    arena_destroy(scene->arena);
}

// One response shown to the table.
static inline enum push_learn_reason learn_scene_show(struct push_learn *learn,
                                                      const struct learn_scene_row *row,
                                                      uint64_t conn_id, uint64_t now_ms) {
    struct learn_scene scene;
    learn_scene_open(&scene, row);
    enum push_learn_reason reason =
        push_learn_observe(learn, &scene.response, conn_id, scene.arena, now_ms);
    learn_scene_close(&scene);
    return reason;
}

// What the table gives for a page, joined with " | "; those for promises only behind a " || ".
// `cookies` "": a visitor without any. The result is valid until the next call.
static inline const char *learn_scene_found_by(struct push_learn *learn, const char *path,
                                               const char *cookies, uint64_t now_ms) {
    static char text[8192];
    struct push_learn_links links;
    struct push_learn_key key = {SLICE("https"), SLICE("example.org"), slice_of_text(path),
                                 cookies[0] != '\0'};
    size_t length = 0;
    text[0] = '\0';
    if (!push_learn_find(learn, &key, slice_of_text(cookies), now_ms, &links)) {
        return text;
    }
    for (size_t i = 0; i < links.count; i++) {
        const char *separator = i == links.hint_count ? " || " : i > 0 ? " | " : "";
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%.*s", separator,
                                   SLICE_ARGS(links.elements[i]));
    }
    return text;
}

// What it gives to everybody: to a visitor without cookies, or with some that nobody else has.
static inline const char *learn_scene_found(struct push_learn *learn, const char *path,
                                            bool has_credentials, uint64_t now_ms) {
    return learn_scene_found_by(learn, path, has_credentials ? "of=nobody" : "", now_ms);
}

#endif
