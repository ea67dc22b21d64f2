// SPDX-License-Identifier: Apache-2.0
// The road of a request to its origin and back. Pushes: test_relay_push.c.
#include "relay_scene.h"

static const char plain[] = "[{origin: app}]";

// A request that has content to come.
static struct exchange *open_with_content(struct scene *s, const char *method) {
    struct exchange *x = fake_front_open(&s->front, "a.example", "/form");
    x->request.method = slice_of_text(method);
    x->request.content_length = BODY_UNKNOWN;
    x->request.is_end = false;
    return x;
}

static struct headers *lines(struct exchange *x, const char *name, const char *value) {
    struct headers *headers = arena_new(x->arena, struct headers);
    headers_init(headers, x->arena);
    headers_add(headers, slice_of_text(name), slice_of_text(value));
    return headers;
}

// --- which origin --------------------------------------------------------------------------------

static const char table_of_routes[] = "[{host: a.example, origin: app},"
                                      " {host: a.example, path: /in, origin: inner},"
                                      " {host: \"*.b.example\", origin: inner}]";

static const struct {
    const char *authority, *path;
    const char *record; // of the origin; "": no route
} roads[] = {
    {"a.example", "/", "1 start app0 GET a.example/\n"},
    {"a.example:8443", "/x?y=/in", "1 start app0 GET a.example:8443/x?y=/in\n"},
    {"a.example", "/in/x", "1 start app1 GET inner.example/in/x\n"},
    {"a.example", "/inner", "1 start app0 GET a.example/inner\n"},
    {"x.b.example", "/", "1 start app1 GET inner.example/\n"},
    {"b.example", "/", ""},
    {"other.example", "/in", ""},
};

// Which of them, is a question of who resolves the path.
static const char *const climbing[] = {"/x/../in", "/in/%2e%2e/", "/in/..%2fx"};

static void test_a_path_that_climbs_between_routes_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(climbing) / sizeof(climbing[0]); i++) {
        struct scene s;
        scene_open(&s, table_of_routes);
        struct fake_stream *stream =
            fake_front_start(fake_front_open(&s.front, "a.example", climbing[i]));
        assert_origin(&s, "");
        assert_int_equal(stream->head.status, 400);
        scene_close(&s);
        scene_open(&s, plain);
        stream = fake_front_start(fake_front_open(&s.front, "a.example", climbing[i]));
        assert_int_equal(stream->head.status, 0); // asked
        scene_close(&s);
    }
}

static void test_options_that_may_go_no_further_are_answered_here(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct exchange *x = fake_front_open(&s.front, "a.example", "*");
    x->request.method = SLICE("OPTIONS");
    headers_add(&x->request.headers, SLICE("max-forwards"), SLICE("0"));
    struct fake_stream *stream = fake_front_start(x);
    assert_origin(&s, "");
    assert_int_equal(stream->head.status, 204);
    scene_close(&s);
}

static void test_roads(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(roads) / sizeof(roads[0]); i++) {
        struct scene s;
        scene_open(&s, table_of_routes);
        struct fake_stream *stream =
            fake_front_start(fake_front_open(&s.front, roads[i].authority, roads[i].path));
        bool is_routed = roads[i].record[0] != '\0';
        assert_origin(&s, roads[i].record);
        assert_int_equal(stream->head.status, is_routed ? 0 : 404);
        scene_close(&s);
    }
}

static void test_no_route(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{host: b.example, origin: app}]");
    struct exchange *x = open_with_content(&s, "POST");
    struct fake_stream *stream = fake_front_start(x);
    exchange_request_body(x, SLICE("abc"));
    exchange_request_end(x, NULL);
    assert_front(&s, "1 head 404\n1 body 34\n1 finish\n1 consumed 3\n");
    assert_response_field(stream, "proxy-status", "outrider; error=destination_not_found");
    fake_front_close(stream, FAULT_NONE);
    assert_int_equal(stream->fault, FAULT_NO_ROUTE);
    assert_int_equal(stream->story.origin.length, 0);
    assert_int_equal(s.relay.exchanges, 0);
    scene_close(&s);
}

// --- there and back ------------------------------------------------------------------------------

static void test_whole_exchange(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    s.pool.is_reused = true;
    struct exchange *x = fake_front_open(&s.front, "a.example", "/page");
    fake_front_add(x, "accept", "text/html");
    fake_front_add(x, "te", "trailers");
    fake_front_add(x, "x-forwarded-for", "10.0.0.1");
    struct fake_stream *stream = fake_front_start(x);
    assert_origin(&s, "1 start app0 GET a.example/page\n");
    assert_int_equal(s.relay.exchanges, 1);
    struct origin_call *call = scene_call(&s, 1);
    assert_request_field(call, "accept", "text/html");
    assert_request_field(call, "via", "2.0 outrider");
    assert_request_field(call, "x-forwarded-for", "192.0.2.7"); // what a stranger says is replaced
    assert_request_field(call, "x-forwarded-proto", "https");
    assert_true(call->is_request_ended);

    s.front.clock.now_ms += 25;
    fake_origin_head(call, 200,
                     "content-type: text/html\nconnection: keep-alive, x-hop\nx-hop: 1\n"
                     "keep-alive: timeout=5\ncontent-length: 9");
    fake_origin_body(call, "hello");
    fake_origin_body(call, " you");
    fake_origin_end(call, "sum: 9\ncontent-length: 1");
    assert_front(&s, "1 head 200\n1 body 5\n1 body 4\n1 finish sum=9\n");
    assert_string_equal(fake_front_body(stream), "hello you");
    assert_int_equal(stream->head.content_length, 9);
    assert_response_field(stream, "content-type", "text/html");
    assert_response_field(stream, "date", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_response_field(stream, "connection", "");
    assert_response_field(stream, "keep-alive", "");
    assert_response_field(stream, "x-hop", "");
    assert_response_field(stream, "link", "");
    fake_front_close(stream, FAULT_NONE);
    assert_origin(&s, ""); // nothing is left to cancel
    assert_int_equal(stream->fault, FAULT_NONE);
    assert_true(slice_equal(stream->story.origin, SLICE("app")));
    assert_true(stream->story.origin_reused);
    assert_false(stream->story.is_retried);
    assert_int_equal(stream->story.origin_head_ms, 25);
    assert_int_equal(stream->story.promised, 0);
    assert_int_equal(stream->story.skipped.length, 0);
    assert_int_equal(s.relay.exchanges, 0);
    scene_close(&s);
}

static void test_response_without_content(void **state) {
    (void)state;
    const int statuses[] = {204, 304, 301, 500};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct scene s;
        scene_open(&s, plain);
        struct fake_stream *stream = scene_get(&s, "/");
        fake_origin_head(scene_call(&s, 1), statuses[i], "");
        fake_origin_end(scene_call(&s, 1), NULL);
        assert_int_equal(stream->head.status, statuses[i]); // an origin's own errors are passed on
        assert_true(stream->is_finished);
        scene_close(&s);
    }
}

static void test_request_content(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct exchange *x = open_with_content(&s, "POST");
    fake_front_start(x);
    struct origin_call *call = scene_call(&s, 1);
    assert_false(call->is_request_ended);
    exchange_request_body(x, SLICE("abc"));
    exchange_request_body(x, SLICE("defgh"));
    fake_origin_taken(call, 6);
    fake_origin_taken(call, 2);
    struct headers *trailers = lines(x, "sum", "8");
    headers_add(trailers, SLICE("transfer-encoding"), SLICE("chunked"));
    exchange_request_end(x, trailers);
    assert_origin(&s, "1 start app0 POST a.example/form\n1 write 3\n1 write 5\n1 finish sum=8\n");
    assert_front(&s, "1 consumed 6\n1 consumed 2\n");
    assert_memory_equal(buffer_peek(&call->content).data, "abcdefgh", 8);
    scene_close(&s);
}

// The origin answers without waiting for the end of the request.
static void test_early_answer(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct exchange *x = open_with_content(&s, "POST");
    fake_front_start(x);
    exchange_request_body(x, SLICE("abc"));
    fake_origin_head(scene_call(&s, 1), 413, "");
    exchange_request_body(x, SLICE("de")); // still wanted, as far as we know
    fake_origin_end(scene_call(&s, 1), NULL);
    scene_forget(&s);
    exchange_request_body(x, SLICE("fghi"));
    exchange_request_end(x, NULL);
    assert_front(&s, "1 consumed 4\n");
    assert_origin(&s, "");
    scene_close(&s);
}

static void test_interim_responses(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct fake_stream *stream = scene_get(&s, "/");
    fake_origin_interim(scene_call(&s, 1), 100, ""); // the front says that itself
    fake_origin_interim(scene_call(&s, 1), 102, "");
    fake_origin_interim(scene_call(&s, 1), 103,
                        "link: </a.css>; rel=preconnect\nconnection: x\nx: 1\nkeep-alive: 5");
    fake_origin_interim(scene_call(&s, 1), 103, "x: 1"); // nothing of it may pass
    fake_origin_interim(scene_call(&s, 1), 103, "link: </b.css>; rel=preconnect");
    assert_front(&s, "1 interim 102\n1 interim 103\n1 interim 103\n");
    fake_origin_head(scene_call(&s, 1), 200, "");
    fake_origin_end(scene_call(&s, 1), NULL);
    assert_front(&s, "1 head 200\n1 finish\n");
    assert_response_field(stream, "link", ""); // nothing leaks from there into the final one
    scene_close(&s);
}

static void test_interim_is_cleaned(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct fake_stream *stream = scene_get(&s, "/");
    fake_origin_interim(scene_call(&s, 1), 103, "link: <//b>; rel=preconnect\nconnection: x\nx: 1");
    const struct headers *interim = &stream->interim.headers;
    assert_string_equal(fake_front_field(stream, interim, "link"), "<//b>; rel=preconnect");
    assert_int_equal(interim->count, 1);
    scene_close(&s);
}

static void test_back_pressure(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct fake_stream *stream = scene_get(&s, "/");
    fake_origin_head(scene_call(&s, 1), 200, "");
    s.front.room = 77;
    assert_int_equal(fake_origin_room(scene_call(&s, 1)), 77);
    s.front.room = 0;
    assert_int_equal(fake_origin_room(scene_call(&s, 1)), 0);
    scene_forget(&s);
    exchange_drained(stream->x);
    assert_origin(&s, "1 resume\n");
    fake_origin_end(scene_call(&s, 1), NULL);
    exchange_drained(stream->x); // what is left of a complete response
    assert_origin(&s, "");
    scene_close(&s);
}

// --- faults --------------------------------------------------------------------------------------

static const enum fault origin_faults[] = {
    FAULT_ORIGIN_DNS,           FAULT_ORIGIN_REFUSED,         FAULT_ORIGIN_UNREACHABLE,
    FAULT_ORIGIN_RESET,         FAULT_ORIGIN_CONNECT_TIMEOUT, FAULT_ORIGIN_CUT,
    FAULT_ORIGIN_TIMEOUT,       FAULT_ORIGIN_BAD_RESPONSE,    FAULT_ORIGIN_HEAD_TOO_LARGE,
    FAULT_ORIGIN_INTERIM_FLOOD, FAULT_ORIGIN_UPGRADE,         FAULT_ORIGIN_BUSY,
};

static void test_origin_faults(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(origin_faults) / sizeof(origin_faults[0]); i++) {
        for (int after_head = 0; after_head <= 1; after_head++) {
            struct scene s;
            scene_open(&s, plain);
            struct fake_stream *stream = scene_get(&s, "/");
            if (after_head) {
                fake_origin_head(scene_call(&s, 1), 200, "content-length: 10");
                fake_origin_body(scene_call(&s, 1), "half");
            }
            fake_origin_fail(scene_call(&s, 1), origin_faults[i]);
            if (after_head) { // never a fake end
                assert_int_equal(stream->reset, origin_faults[i]);
                assert_false(stream->is_finished);
            } else {
                assert_int_equal(stream->head.status, fault_status(origin_faults[i]));
                assert_true(stream->is_finished);
            }
            fake_front_close(stream, FAULT_NONE);
            assert_int_equal(stream->fault, origin_faults[i]);
            assert_origin(&s, "1 start app0 GET a.example/\n");
            scene_close(&s);
        }
    }
}

static void test_impossible_status_is_502(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct fake_stream *stream = scene_get(&s, "/");
    fake_origin_head(scene_call(&s, 1), 666, "");
    assert_int_equal(stream->head.status, 502);
    assert_origin(&s, "1 start app0 GET a.example/\n1 cancel\n");
    fake_front_close(stream, FAULT_NONE);
    assert_int_equal(stream->fault, FAULT_ORIGIN_BAD_RESPONSE);
    scene_close(&s);
}

// --- once more -----------------------------------------------------------------------------------

enum { REUSED = 1, INTERIM = 2, CONTENT = 4 };

static const struct {
    const char *method;
    unsigned facts;
    enum fault fault;
    bool is_retried;
} retries[] = {
    {"GET", REUSED, FAULT_ORIGIN_RESET, true},
    {"HEAD", REUSED, FAULT_ORIGIN_RESET, true},
    {"OPTIONS", REUSED, FAULT_ORIGIN_RESET, true},
    {"PUT", REUSED, FAULT_ORIGIN_RESET, true},
    {"DELETE", REUSED, FAULT_ORIGIN_RESET, true},
    {"POST", REUSED, FAULT_ORIGIN_RESET, false},
    {"PATCH", REUSED, FAULT_ORIGIN_RESET, false},
    {"PROPFIND", REUSED, FAULT_ORIGIN_RESET, false}, // safe, but we don't know it
    {"get", REUSED, FAULT_ORIGIN_RESET, false},      // not GET
    {"GET", 0, FAULT_ORIGIN_RESET, false},           // a new connection: the origin means it
    {"GET", REUSED, FAULT_ORIGIN_CUT, false},
    {"GET", REUSED, FAULT_ORIGIN_TIMEOUT, false}, // it may be at work on it
    {"GET", REUSED, FAULT_ORIGIN_BAD_RESPONSE, false},
    {"GET", REUSED, FAULT_ORIGIN_REFUSED, false},
    {"GET", REUSED | INTERIM, FAULT_ORIGIN_RESET, false},
    {"GET", REUSED | CONTENT, FAULT_ORIGIN_RESET, false},
    {"PUT", REUSED | CONTENT, FAULT_ORIGIN_RESET, false},
};

static void test_retries(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(retries) / sizeof(retries[0]); i++) {
        struct scene s;
        scene_open(&s, plain);
        s.pool.is_reused = (retries[i].facts & REUSED) != 0;
        struct exchange *x = open_with_content(&s, retries[i].method);
        x->request.is_end = (retries[i].facts & CONTENT) == 0;
        struct fake_stream *stream = fake_front_start(x);
        if (retries[i].facts & CONTENT) {
            exchange_request_body(x, SLICE("abc"));
        }
        if (retries[i].facts & INTERIM) {
            fake_origin_interim(scene_call(&s, 1), 102, "");
        }
        fake_origin_fail(scene_call(&s, 1), retries[i].fault);
        if ((s.pool.call_count == 2) != retries[i].is_retried) {
            fail_msg("row %zu, %s: %u calls", i, retries[i].method, s.pool.call_count);
        }
        assert_int_equal(stream->head.status,
                         retries[i].is_retried ? 0 : fault_status(retries[i].fault));
        scene_close(&s);
    }
}

static void test_retry_succeeds(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    s.pool.is_reused = true;
    struct fake_stream *stream = scene_get(&s, "/page");
    fake_origin_fail(scene_call(&s, 1), FAULT_ORIGIN_RESET);
    assert_origin(&s, "1 start app0 GET a.example/page\n2 start app0 GET a.example/page retry\n");
    assert_front(&s, "");
    s.front.clock.now_ms += 40;
    fake_origin_head(scene_call(&s, 2), 200, "");
    fake_origin_end(scene_call(&s, 2), NULL);
    assert_front(&s, "1 head 200\n1 finish\n");
    fake_front_close(stream, FAULT_NONE);
    assert_true(stream->story.is_retried);
    assert_false(stream->story.origin_reused);
    assert_int_equal(stream->fault, FAULT_NONE);
    scene_close(&s);
}

static void test_retry_is_made_once(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    s.pool.is_reused = true;
    struct fake_stream *stream = scene_get(&s, "/");
    fake_origin_fail(scene_call(&s, 1), FAULT_ORIGIN_RESET);
    fake_origin_fail(scene_call(&s, 2), FAULT_ORIGIN_RESET);
    assert_int_equal(s.pool.call_count, 2);
    assert_int_equal(stream->head.status, 502);
    scene_close(&s);
}

// A request that was said to have content, and ended without any: the second call must end too.
static void test_retry_of_an_ended_request(void **state) {
    (void)state;
    for (int with_trailers = 0; with_trailers <= 1; with_trailers++) {
        struct scene s;
        scene_open(&s, plain);
        s.pool.is_reused = true;
        struct exchange *x = open_with_content(&s, "PUT");
        fake_front_start(x);
        exchange_request_end(x, with_trailers ? lines(x, "sum", "0") : NULL);
        fake_origin_record(&s.pool);
        fake_origin_fail(scene_call(&s, 1), FAULT_ORIGIN_RESET);
        assert_origin(&s, with_trailers ? "2 start app0 PUT a.example/form retry\n2 finish sum=0\n"
                                        : "2 start app0 PUT a.example/form retry\n2 finish\n");
        scene_close(&s);
    }
}

// Content that comes after the first call failed goes to the second.
static void test_retry_takes_the_content(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    s.pool.is_reused = true;
    struct exchange *x = open_with_content(&s, "PUT");
    fake_front_start(x);
    fake_origin_fail(scene_call(&s, 1), FAULT_ORIGIN_RESET);
    exchange_request_body(x, SLICE("abc"));
    exchange_request_end(x, NULL);
    assert_origin(&s, "1 start app0 PUT a.example/form\n2 start app0 PUT a.example/form retry\n"
                      "2 write 3\n2 finish\n");
    scene_close(&s);
}

// --- the client leaves ---------------------------------------------------------------------------

static void leave_at_once(struct scene *s) {
    (void)s;
}
static void leave_after_interim(struct scene *s) {
    fake_origin_interim(scene_call(s, 1), 103, "");
}
static void leave_in_content(struct scene *s) {
    exchange_request_body(scene_stream(s, 1)->x, SLICE("abc"));
}
static void leave_after_head(struct scene *s) {
    fake_origin_head(scene_call(s, 1), 200, "");
}
static void leave_in_body(struct scene *s) {
    leave_after_head(s);
    fake_origin_body(scene_call(s, 1), "half");
}
static void leave_after_end(struct scene *s) {
    leave_in_body(s);
    fake_origin_end(scene_call(s, 1), NULL);
}
static void leave_after_fault(struct scene *s) {
    fake_origin_fail(scene_call(s, 1), FAULT_ORIGIN_TIMEOUT);
}
static void leave_after_reset(struct scene *s) {
    leave_in_body(s);
    fake_origin_fail(scene_call(s, 1), FAULT_ORIGIN_CUT);
}

static const struct {
    void (*until)(struct scene *s);
    bool cancels;
} leavings[] = {
    {leave_at_once, true},      {leave_after_interim, true}, {leave_in_content, true},
    {leave_after_head, true},   {leave_in_body, true},       {leave_after_end, false},
    {leave_after_fault, false}, {leave_after_reset, false},
};

static void test_client_leaves(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(leavings) / sizeof(leavings[0]); i++) {
        for (int is_cut = 0; is_cut <= 1; is_cut++) { // by the front, which keeps the exchange
            struct scene s;
            scene_open(&s, plain);
            struct fake_stream *stream = fake_front_start(open_with_content(&s, "POST"));
            leavings[i].until(&s);
            fake_origin_record(&s.pool);
            if (is_cut) {
                exchange_cut(stream->x, FAULT_CLIENT_TIMEOUT);
                assert_int_equal(s.relay.exchanges, leavings[i].cancels ? 0 : 1);
            } else {
                fake_front_close(stream, FAULT_CLIENT_RESET);
                assert_int_equal(s.relay.exchanges, 0);
            }
            assert_origin(&s, leavings[i].cancels ? "1 cancel\n" : "");
            scene_close(&s);
        }
    }
}

static void test_client_leaves_during_the_retry(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    s.pool.is_reused = true;
    struct fake_stream *stream = scene_get(&s, "/");
    fake_origin_fail(scene_call(&s, 1), FAULT_ORIGIN_RESET);
    fake_origin_record(&s.pool);
    fake_front_close(stream, FAULT_CLIENT_GONE);
    assert_origin(&s, "2 cancel\n");
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roads),
        cmocka_unit_test(test_a_path_that_climbs_between_routes_is_refused),
        cmocka_unit_test(test_options_that_may_go_no_further_are_answered_here),
        cmocka_unit_test(test_no_route),
        cmocka_unit_test(test_whole_exchange),
        cmocka_unit_test(test_response_without_content),
        cmocka_unit_test(test_request_content),
        cmocka_unit_test(test_early_answer),
        cmocka_unit_test(test_interim_responses),
        cmocka_unit_test(test_interim_is_cleaned),
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_origin_faults),
        cmocka_unit_test(test_impossible_status_is_502),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_retry_succeeds),
        cmocka_unit_test(test_retry_is_made_once),
        cmocka_unit_test(test_retry_of_an_ended_request),
        cmocka_unit_test(test_retry_takes_the_content),
        cmocka_unit_test(test_client_leaves),
        cmocka_unit_test(test_client_leaves_during_the_retry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
