// SPDX-License-Identifier: Apache-2.0
// While memory is short pages are served without what only saves time, except hints that are
// known.
#include "relay_scene.h"

#define CSS "link: </a.css>; rel=preload; as=style"

static struct memory_gauge gauge;

static void open_at(struct scene *s, const char *routes, enum memory_level level) {
    scene_open(s, routes);
    memory_gauge_set(&gauge, level);
    s->memory.gauge = &gauge;
}

static struct fake_stream *navigate_as_another(struct scene *s) {
    scene_change_client(s);
    return scene_navigate(s, "/page");
}

static void teach(struct scene *s) {
    for (unsigned i = 0; i < 2; i++) {
        struct fake_stream *stream = navigate_as_another(s);
        scene_answer(scene_last_call(s), CSS);
        fake_front_close(stream, FAULT_NONE);
    }
}

static bool is_hinted(struct scene *s) {
    struct fake_stream *stream = navigate_as_another(s);
    bool has_interim = stream->interim.status == 103;
    fake_front_close(stream, FAULT_CLIENT_GONE);
    return has_interim;
}

static void test_no_promises(void **state) {
    (void)state;
    static const enum memory_level levels[] = {MEMORY_PLENTY, MEMORY_SHORT, MEMORY_FULL};
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        struct scene s;
        open_at(&s, "[{origin: app, push: [/b.css]}]", levels[i]);
        struct fake_stream *stream = scene_get(&s, "/");
        scene_answer(scene_call(&s, 1), CSS);
        scene_expect_skipped(stream, i == 0 ? "" : "memory:2");
        assert_int_equal(stream->story.promised, i == 0 ? 2 : 0);
        scene_close(&s);
    }
}

// What was promised while there was enough is kept.
static void test_promises_made_are_kept(void **state) {
    (void)state;
    struct scene s;
    open_at(&s, "[{origin: app}]", MEMORY_PLENTY);
    scene_get(&s, "/");
    scene_answer(scene_last_call(&s), CSS);
    memory_gauge_set(&gauge, MEMORY_FULL);
    scene_forget(&s);
    scene_answer(scene_last_call(&s), "content-type: text/css");
    assert_front(&s, "2 head 200\n2 finish\n");
    scene_close(&s);
}

static void test_nothing_is_learned(void **state) {
    (void)state;
    struct scene s;
    open_at(&s, "[{origin: app}]", MEMORY_SHORT);
    teach(&s);
    memory_gauge_set(&gauge, MEMORY_PLENTY);
    assert_false(is_hinted(&s));
    teach(&s);
    assert_true(is_hinted(&s));
    scene_close(&s);
}

static void test_what_is_known_serves_on(void **state) {
    (void)state;
    struct scene s;
    open_at(&s, "[{origin: app}]", MEMORY_PLENTY);
    teach(&s);
    memory_gauge_set(&gauge, MEMORY_FULL);
    assert_true(is_hinted(&s));
    // What is gone is forgotten at any time.
    struct fake_stream *stream = scene_get(&s, "/a.css");
    fake_origin_head(scene_last_call(&s), 404, "");
    fake_origin_end(scene_last_call(&s), NULL);
    fake_front_close(stream, FAULT_NONE);
    assert_false(is_hinted(&s));
    scene_close(&s);
}

static void browse(struct scene *s) {
    struct fake_stream *page = navigate_as_another(s);
    scene_answer(scene_last_call(s), "content-type: text/html");
    struct exchange *x = fake_front_open(&s->front, "a.example", "/a.css");
    fake_front_add(x, "sec-fetch-mode", "no-cors");
    fake_front_add(x, "sec-fetch-dest", "style");
    fake_front_add(x, "referer", "https://a.example/page");
    struct fake_stream *part = fake_front_start(x);
    scene_answer(scene_last_call(s), "content-type: text/css\netag: \"1\"");
    fake_front_close(part, FAULT_NONE);
    fake_front_close(page, FAULT_NONE);
}

static void test_nothing_is_learned_by_behaviour(void **state) {
    (void)state;
    struct scene s;
    open_at(&s, "[{origin: app, learn: {behaviour: on}}]", MEMORY_SHORT);
    for (unsigned i = 0; i < 2 * PUSH_LEARN_BEHAVIOUR_MIN_VISITS; i++) {
        if (i == PUSH_LEARN_BEHAVIOUR_MIN_VISITS) {
            s.front.clock.now_ms += PUSH_LEARN_BEHAVIOUR_VISIT_MS;
            memory_gauge_set(&gauge, MEMORY_PLENTY);
            assert_false(is_hinted(&s));
        }
        browse(&s);
    }
    s.front.clock.now_ms += PUSH_LEARN_BEHAVIOUR_VISIT_MS;
    assert_true(is_hinted(&s));
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_promises),
        cmocka_unit_test(test_promises_made_are_kept),
        cmocka_unit_test(test_nothing_is_learned),
        cmocka_unit_test(test_what_is_known_serves_on),
        cmocka_unit_test(test_nothing_is_learned_by_behaviour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
