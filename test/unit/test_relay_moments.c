// SPDX-License-Identifier: Apache-2.0
// What one moment, page or answer leaves for the next.
#include "relay_scene.h"

#define CSS "link: </a.css>; rel=preload; as=style"
#define PAGE "content-type: text/html"
static const char revalidating[] = "[{origin: app, push: {revalidate: on}, learn: off}]";

// What is under way is not promised once more.
static struct fake_stream *page_of(struct scene *s) {
    unsigned number = s->pool.call_count + 1;
    struct fake_stream *stream = scene_get(s, "/");
    scene_answer(scene_call(s, number), CSS);
    return stream;
}

static void open_stale(struct scene *s) {
    scene_open(s, revalidating);
    page_of(s);
    scene_answer(scene_call(s, 2), "etag: \"1\"\ncache-control: max-age=10");
    fake_front_close(scene_stream(s, 2), FAULT_NONE);
    s->front.clock.now_ms += 10 * 1000;
}

static void test_stale_copy_is_promised_once(void **state) {
    (void)state;
    struct scene s;
    open_stale(&s);
    assert_int_equal(page_of(&s)->x->story.promised, 1);
    assert_int_equal(page_of(&s)->x->story.promised, 0); // the promise is under way
    scene_close(&s);
}

static void test_stale_copy_that_the_client_asks_for(void **state) {
    (void)state;
    struct scene s;
    open_stale(&s);
    scene_get(&s, "/a.css");
    assert_int_equal(page_of(&s)->x->story.promised, 0);
    scene_close(&s);
}

// The client's present copy has no version: no condition may be asked with the
// version of the copy before.
static void test_copy_without_version(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, revalidating);
    static const char *const fields[] = {"etag: \"1\"\ncache-control: max-age=10",
                                         "cache-control: max-age=10"};
    for (unsigned i = 0; i < 2; i++) {
        struct fake_stream *stream = scene_get(&s, "/a.css");
        scene_answer(scene_last_call(&s), fields[i]);
        fake_front_close(stream, FAULT_NONE);
    }
    s.front.clock.now_ms += 10 * 1000;
    // Meanwhile another client was given "1" (one server of two sends no ETag).
    struct arena *arena = arena_create();
    struct request_head request = {
        .method = SLICE("GET"), .authority = SLICE("a.example"), .path = SLICE("/a.css")};
    struct response_head response = {.status = 200};
    headers_init(&request.headers, arena);
    headers_init(&response.headers, arena);
    headers_add(&response.headers, SLICE("etag"), SLICE("\"1\""));
    headers_add(&response.headers, SLICE("cache-control"), SLICE("max-age=10"));
    push_assets_note(s.memory.assets, &request, &response, &s.front.clock);
    arena_destroy(arena);
    assert_int_equal(page_of(&s)->x->story.promised, 0);
    scene_close(&s);
}

// An origin's 103 does not cost the declared promises.
static void test_conditional_push_after_an_origins_103(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, push: [/app.css]}]");
    struct exchange *x = fake_front_open(&s.front, "a.example", "/");
    fake_front_add(x, "if-none-match", "\"1\"");
    struct fake_stream *stream = fake_front_start(x);
    fake_origin_interim(scene_call(&s, 1), 103, "link: <//c.example>; rel=preconnect");
    scene_answer(scene_call(&s, 1), "");
    assert_int_equal(stream->x->story.promised, 1);
    scene_close(&s);
}

// What waits for the head, and is not hinted meanwhile, is not used up.
static void test_conditional_push_only(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, push: [\"/b.css\"]}]");
    for (unsigned i = 0; i < 2; i++) {
        scene_change_client(&s);
        struct fake_stream *stream = scene_navigate(&s, "/p");
        scene_answer(scene_last_call(&s), "link: </a.css>; rel=preload; x-http2-push-only");
        fake_front_close(stream, FAULT_NONE);
    }
    scene_change_client(&s);
    struct exchange *x = scene_open_navigation(&s, "/p");
    s.front.promise_room = 10;
    fake_front_add(x, "if-none-match", "\"1\"");
    struct fake_stream *stream = fake_front_start(x);
    scene_answer(scene_last_call(&s), "link: </a.css>; rel=preload; x-http2-push-only");
    assert_int_equal(stream->x->story.promised, 1); // /b.css was hinted
    scene_close(&s);
}

// Held and never sent.
static void test_held_hints_of_a_failed_page(void **state) {
    (void)state;
    for (int is_client = 0; is_client <= 1; is_client++) {
        struct scene s;
        scene_open(&s, "[{origin: app}]");
        struct fake_stream *stream = scene_navigate(&s, "/");
        s.pool.is_gathering = true;
        fake_origin_interim(scene_call(&s, 1), 103, CSS);
        if (!is_client) {
            fake_origin_fail(scene_call(&s, 1), FAULT_ORIGIN_CUT);
        }
        fake_front_close(stream, is_client ? FAULT_CLIENT_GONE : FAULT_NONE);
        assert_int_equal(stream->interim.status, 0);
        assert_int_equal(stream->story.hinted, 0);
        scene_close(&s);
    }
}

// Only a 103 hints.
static void test_other_interims_are_no_hints(void **state) {
    (void)state;
    for (int status = 100; status <= 102; status += 2) {
        struct scene s;
        scene_open(&s, "[{origin: app}]");
        struct fake_stream *stream = scene_navigate(&s, "/");
        fake_origin_interim(scene_call(&s, 1), status, CSS);
        scene_answer(scene_call(&s, 1), "");
        fake_front_close(stream, FAULT_NONE);
        assert_int_equal(stream->story.hinted, 0);
        scene_close(&s);
    }
}

// What the front did not take is not given.
static void test_promise_not_made_is_not_given(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, push: {visitors: digest}, learn: off}]");
    s.front.refuses_promises = true;
    struct fake_stream *stream = scene_get(&s, "/");
    scene_answer(scene_call(&s, 1), PAGE "\n" CSS);
    assert_response_field(stream, "set-cookie", "");
    scene_close(&s);
}

// Two connections to one site: with and without credentials.
static void test_preconnect_in_both_modes(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, hint: [\"<https://c.example>; rel=preconnect\", "
                   "\"<https://c.example>; rel=preconnect; crossorigin\"]}]");
    struct fake_stream *stream = scene_navigate(&s, "/");
    assert_interim_field(stream, "link",
                         "<https://c.example>; rel=preconnect, "
                         "<https://c.example>; rel=preconnect; crossorigin");
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stale_copy_is_promised_once),
        cmocka_unit_test(test_stale_copy_that_the_client_asks_for),
        cmocka_unit_test(test_copy_without_version),
        cmocka_unit_test(test_conditional_push_after_an_origins_103),
        cmocka_unit_test(test_conditional_push_only),
        cmocka_unit_test(test_held_hints_of_a_failed_page),
        cmocka_unit_test(test_other_interims_are_no_hints),
        cmocka_unit_test(test_promise_not_made_is_not_given),
        cmocka_unit_test(test_preconnect_in_both_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
