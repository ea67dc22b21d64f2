// SPDX-License-Identifier: Apache-2.0
// What names a request in the logs, and which requests are logged. What is well-formed:
// test_trace.c.
#include "relay_scene.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define TRACEPARENT "00-" TRACE "-00f067aa0ba902b7-01"

static const char plain[] = "[{origin: app}]";

static struct origin_call *ask(struct scene *s, const char *name, const char *value) {
    struct exchange *x = fake_front_open(&s->front, "a.example", "/");
    if (name != NULL) {
        fake_front_add(x, name, value);
    }
    fake_front_start(x);
    return scene_last_call(s);
}

static bool is_fresh(const char *id) {
    return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32;
}

// --- ids ----------------------------------------------------------------------------------------

static void test_each_request_has_an_id(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    char first[64];
    struct origin_call *call = ask(&s, NULL, NULL);
    snprintf(first, sizeof(first), "%s", fake_origin_request_field(call, "x-request-id"));
    assert_true(is_fresh(first));
    const struct exchange *x = scene_stream(&s, 1)->x;
    assert_true(slice_equal(x->request_id.value, slice_of_text(first))); // for the access log
    const char *second = fake_origin_request_field(ask(&s, NULL, NULL), "x-request-id");
    assert_true(is_fresh(second));
    assert_string_not_equal(first, second);
    assert_request_field(ask(&s, "X-Request-Id", "own-1"), "x-request-id", "own-1");
    scene_close(&s);
}

static void test_another_field_or_none(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    char *name = s.config->log.request_id;
    s.config->log.request_id = (char[]){"x-correlation-id"};
    struct origin_call *call = ask(&s, "X-Request-Id", "not ours");
    assert_request_field(call, "x-request-id", "not ours");
    assert_true(is_fresh(fake_origin_request_field(call, "x-correlation-id")));
    s.config->log.request_id = (char[]){""};
    call = ask(&s, "X-Correlation-Id", "a b");
    assert_request_field(call, "x-correlation-id", "a b");
    assert_request_field(call, "x-request-id", "");
    assert_int_equal(scene_stream(&s, 2)->x->request_id.value.length, 0);
    s.config->log.request_id = name;
    scene_close(&s);
}

static void test_a_retry_has_the_same_id(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    s.pool.is_reused = true;
    char id[64];
    snprintf(id, sizeof(id), "%s", fake_origin_request_field(ask(&s, NULL, NULL), "x-request-id"));
    fake_origin_fail(scene_call(&s, 1), FAULT_ORIGIN_RESET);
    assert_request_field(scene_call(&s, 2), "x-request-id", id);
    scene_close(&s);
}

static void test_our_errors_say_it_and_others_do_not(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, host: a.example}]");
    ask(&s, "x-request-id", "own-1");
    fake_origin_fail(scene_call(&s, 1), FAULT_ORIGIN_REFUSED);
    assert_int_equal(scene_stream(&s, 1)->head.status, 502);
    assert_response_field(scene_stream(&s, 1), "x-request-id", "own-1");

    struct fake_stream *lost = fake_front_start(fake_front_open(&s.front, "b.example", "/"));
    assert_int_equal(lost->head.status, 404);
    assert_true(is_fresh(fake_front_field(lost, &lost->head.headers, "x-request-id")));

    ask(&s, "x-request-id", "own-2");
    scene_answer(scene_last_call(&s), "content-type: text/plain");
    assert_response_field(scene_stream(&s, 3), "x-request-id", "");
    ask(&s, "x-request-id", "own-3");
    scene_answer(scene_last_call(&s), "x-request-id: the-origins");
    assert_response_field(scene_stream(&s, 4), "x-request-id", "the-origins");
    scene_close(&s);
}

// --- the trace ----------------------------------------------------------------------------------

static void test_the_trace_is_passed_on_unless_malformed(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct exchange *x = fake_front_open(&s.front, "a.example", "/");
    fake_front_add(x, "traceparent", TRACEPARENT);
    fake_front_add(x, "tracestate", "a=1,b=2");
    fake_front_start(x);
    assert_request_field(scene_call(&s, 1), "traceparent", TRACEPARENT);
    assert_request_field(scene_call(&s, 1), "tracestate", "a=1,b=2");
    assert_true(slice_equal(x->story.trace_id, SLICE(TRACE)));

    x = fake_front_open(&s.front, "a.example", "/");
    fake_front_add(x, "traceparent", "00-" TRACE);
    fake_front_add(x, "tracestate", "a=1,b=2");
    fake_front_start(x);
    assert_request_field(scene_call(&s, 2), "traceparent", "");
    assert_request_field(scene_call(&s, 2), "tracestate", "");
    assert_int_equal(x->story.trace_id.length, 0);
    scene_close(&s);
}

static void test_pushes_belong_to_the_trace_of_their_page(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct exchange *x = fake_front_open(&s.front, "a.example", "/");
    fake_front_add(x, "traceparent", TRACEPARENT);
    fake_front_add(x, "tracestate", "a=1");
    fake_front_add(x, "tracestate", "b=2");
    fake_front_add(x, "x-request-id", "of-the-page");
    fake_front_start(x);
    fake_origin_head(scene_call(&s, 1), 200, "link: </a.css>; rel=preload; as=style");
    struct origin_call *push = scene_call(&s, 2);
    assert_true(push->options.is_push);
    assert_request_field(push, "traceparent", TRACEPARENT);
    assert_request_field(push, "tracestate", "a=1 | b=2");
    assert_true(is_fresh(fake_origin_request_field(push, "x-request-id")));
    assert_true(slice_equal(scene_stream(&s, 2)->x->story.trace_id, SLICE(TRACE)));
    fake_origin_end(scene_call(&s, 1), NULL);
    scene_answer(push, "content-type: text/css");
    scene_close(&s);
}

// --- what is learned ----------------------------------------------------------------------------

// A page that names the id in a link is another each time; that teaches nothing, and hides nothing
// that another page teaches.
static void test_a_reflected_id_is_not_learned(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, learn: on}]");
    for (int i = 0; i < 4; i++) {
        bool is_reflecting = i < 2;
        struct fake_stream *stream = scene_navigate(&s, is_reflecting ? "/mirror" : "/page");
        struct origin_call *call = scene_last_call(&s);
        char fields[256];
        snprintf(fields, sizeof(fields),
                 "cache-control: max-age=60\nlink: </a.css%s%s>; rel=preload; as=style",
                 is_reflecting ? "?" : "",
                 is_reflecting ? fake_origin_request_field(call, "x-request-id") : "");
        scene_answer(call, fields);
        fake_front_close(stream, FAULT_NONE);
        scene_change_client(&s);
    }
    const struct push_learn_stats *stats = push_learn_stats(s.memory.learn);
    assert_int_equal(stats->reasons[PUSH_LEARN_REFLECTED], 2);
    assert_int_equal(stats->confirmed, 1);
    scene_close(&s);
}

// --- sampling -----------------------------------------------------------------------------------

static void test_a_page_and_its_pushes_are_drawn_together(void **state) {
    (void)state;
    unsigned drawn = 0;
    enum { PAGES = 400, SAMPLE = 4 };
    struct trace_random random = {0};
    for (int i = 0; i < PAGES; i++) {
        struct scene s;
        scene_open(&s, "[{origin: app, push: [/a.css, /b.js]}]");
        s.config->log.sample = SAMPLE;
        s.relay.random = random;
        scene_get(&s, "/");
        assert_int_equal(s.front.stream_count, 3);
        const struct exchange_story *page = &scene_stream(&s, 1)->x->story;
        for (unsigned n = 2; n <= 3; n++) {
            const struct exchange_story *push = &scene_stream(&s, n)->x->story;
            assert_int_equal(push->is_left_out, page->is_left_out);
            assert_int_equal(push->sample, SAMPLE);
        }
        assert_int_equal(page->sample, SAMPLE);
        drawn += !page->is_left_out;
        random = s.relay.random;
        scene_close(&s);
    }
    assert_in_range(drawn, 60, 140); // 100 ± 4.6 deviations, and always the same with this key
}

static void test_all_are_drawn_when_nobody_samples(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    for (unsigned i = 1; i <= 20; i++) {
        scene_get(&s, "/");
        assert_false(scene_stream(&s, i)->x->story.is_left_out);
        assert_int_equal(scene_stream(&s, i)->x->story.sample, 1);
    }
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_request_has_an_id),
        cmocka_unit_test(test_another_field_or_none),
        cmocka_unit_test(test_a_retry_has_the_same_id),
        cmocka_unit_test(test_our_errors_say_it_and_others_do_not),
        cmocka_unit_test(test_the_trace_is_passed_on_unless_malformed),
        cmocka_unit_test(test_pushes_belong_to_the_trace_of_their_page),
        cmocka_unit_test(test_a_reflected_id_is_not_learned),
        cmocka_unit_test(test_a_page_and_its_pushes_are_drawn_together),
        cmocka_unit_test(test_all_are_drawn_when_nobody_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
