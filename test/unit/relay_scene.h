// SPDX-License-Identifier: Apache-2.0
// A relay with a real configuration between a fake front and a fake origin, for the tests of
// relay/.
#ifndef OUTRIDER_RELAY_SCENE_H
#define OUTRIDER_RELAY_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "config/config_yaml.h"
#include "fake_front.h"
#include "fake_origin_call.h"
#include "relay/relay.h"

struct scene {
    struct config *config;
    struct router *router;
    struct metrics metrics;
    struct push_memory memory;
    struct origin_pool pool;
    struct relay relay;
    struct fake_front front;
};

// `routes` is YAML: the value of the key. Origins: app (0) and inner (1), which has a Host of its
// own.
static inline void scene_open(struct scene *s, const char *routes) {
    char text[2048];
    int length = snprintf(text, sizeof(text),
                          "listeners: [{address: \"http://127.0.0.1:8080\"}]\n"
                          "origins:\n"
                          "  app: {url: \"http://127.0.0.1:3000\"}\n"
                          "  inner: {url: \"http://127.0.0.1:3001\", host_header: inner.example}\n"
                          "routes: %s\n",
                          routes);
    struct config_errors errors = {0};
    s->config = config_load_text("test.yaml", text, (size_t)length, &errors);
    config_errors_print(&errors, stderr);
    assert_non_null(s->config);
    s->router = router_create(s->config);
    s->metrics = (struct metrics){0};
    push_memory_init(&s->memory, &(struct push_learn_limits){.is_alone = true}, 1, &s->metrics);
    push_digest_key_from_text(SLICE("of the tests"), &s->memory.digest_key);
    fake_origin_init(&s->pool);
    relay_init(&s->relay, s->config, s->router, &s->pool, &s->memory);
    fake_front_init(&s->front, s->relay.handler);
}

static inline void scene_close(struct scene *s) {
    fake_front_finish(&s->front);
    assert_int_equal(s->relay.exchanges, 0);
    fake_origin_finish(&s->pool);
    push_memory_finish(&s->memory);
    router_destroy(s->router);
    config_destroy(s->config);
}

// Another client; what the relay remembers of the first goes. Time goes on.
static inline void scene_change_client(struct scene *s) {
    uint64_t id = s->front.client.id + 1;
    struct clock clock = s->front.clock;
    fake_front_finish(&s->front);
    fake_front_init(&s->front, s->relay.handler);
    s->front.client.id = id;
    s->front.clock = clock;
}

// Takes both records away.
static inline void scene_forget(struct scene *s) {
    fake_front_record(&s->front);
    fake_origin_record(&s->pool);
}

static inline struct fake_stream *scene_get(struct scene *s, const char *path) {
    return fake_front_start(fake_front_open(&s->front, "a.example", path));
}

// What a browser of today sends for a page: its fields, and no promises taken.
static inline struct exchange *scene_open_navigation(struct scene *s, const char *path) {
    s->front.promise_room = 0;
    struct exchange *x = fake_front_open(&s->front, "a.example", path);
    fake_front_add(x, "sec-fetch-mode", "navigate");
    fake_front_add(x, "sec-fetch-dest", "document");
    return x;
}

static inline struct fake_stream *scene_navigate(struct scene *s, const char *path) {
    return fake_front_start(scene_open_navigation(s, path));
}

static inline struct fake_stream *scene_stream(struct scene *s, unsigned number) {
    assert_in_range(number, 1, s->front.stream_count);
    return &s->front.streams[number - 1];
}

static inline struct origin_call *scene_call(struct scene *s, unsigned number) {
    struct origin_call *call = fake_origin_call(&s->pool, number);
    assert_non_null(call);
    return call;
}

static inline struct origin_call *scene_last_call(struct scene *s) {
    return scene_call(s, s->pool.call_count);
}

// The whole answer, which has these fields.
static inline void scene_answer(struct origin_call *call, const char *fields) {
    fake_origin_head(call, 200, fields);
    fake_origin_end(call, NULL);
}

// The exchange is over then, if it was not.
static inline void scene_expect_skipped(struct fake_stream *stream, const char *text) {
    if (stream->x != NULL) {
        fake_front_close(stream, FAULT_NONE);
    }
    struct slice skipped = stream->story.skipped;
    if (!slice_equal(skipped, slice_of_text(text))) {
        fail_msg("skipped '%.*s', not '%s'", SLICE_ARGS(skipped), text);
    }
}

#define assert_front(s, text) assert_string_equal(fake_front_record(&(s)->front), text)
#define assert_origin(s, text) assert_string_equal(fake_origin_record(&(s)->pool), text)
#define assert_response_field(stream, name, text)                                                  \
    assert_string_equal(fake_front_field(stream, &(stream)->head.headers, name), text)
#define assert_interim_field(stream, name, text)                                                   \
    assert_string_equal(fake_front_field(stream, &(stream)->interim.headers, name), text)
#define assert_request_field(call, name, text)                                                     \
    assert_string_equal(fake_origin_request_field(call, name), text)

#endif
