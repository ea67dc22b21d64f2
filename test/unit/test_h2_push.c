// SPDX-License-Identifier: Apache-2.0
// The HTTP/2 session in memory: promises and pushed responses. Their order: test_h2_order.c.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "h2_assert.h"

static const struct priority style = {2, false};

static struct h2_peer *connect_with(const nghttp2_settings_entry *settings, size_t count) {
    struct h2_peer *peer = h2_peer_create();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_connect(peer, settings, count);
    h2_peer_open_window(peer, 0, 10 * 1000 * 1000);
    h2_peer_turn(peer);
    return peer;
}

// A client with wide windows; the test answers by itself.
static struct h2_peer *connect_wide(void) {
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10 * 1000 * 1000}};
    return connect_with(settings, 1);
}

static struct exchange *ask(struct h2_peer *peer, const char *text) {
    h2_peer_request(peer, text);
    h2_peer_turn(peer);
    assert_non_null(peer->handler.x);
    return peer->handler.x;
}

// The request's memory ends with the call.
static struct exchange *promise(struct exchange *page, const char *path, struct priority priority) {
    struct arena *arena = arena_create();
    struct request_head head = {
        .method = SLICE("GET"),
        .scheme = arena_copy(arena, page->request.scheme),
        .authority = arena_copy(arena, page->request.authority),
        .path = arena_copy(arena, slice_of_text(path)),
        .is_end = true,
    };
    headers_init(&head.headers, arena);
    headers_add(&head.headers, SLICE("accept"), SLICE("text/css"));
    struct exchange *x = exchange_promise(page, &head, priority);
    arena_destroy(arena);
    return x;
}

static void answer(struct exchange *x, size_t bytes, const char *priority) {
    static const char zeros[64 * 1024];
    struct response_head head = {.status = 200, .content_length = (int64_t)bytes};
    headers_init(&head.headers, x->arena);
    if (priority != NULL) {
        headers_add_id(&head.headers, HEADER_PRIORITY, slice_of_text(priority));
    }
    exchange_send_head(x, &head);
    assert_true(bytes <= sizeof(zeros));
    exchange_send_body(x, slice_of(zeros, bytes));
    exchange_finish(x, NULL);
}

// --- promises ------------------------------------------------------------------------------------

static unsigned late_refusals;

static void on_late_refusal(void *memory, uint64_t tag) {
    assert_int_equal(tag, 77);
    (void)memory;
    late_refusals++;
}

// A round trip later than the promise, when all of it has been sent.
static void test_late_resets_are_told_once(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    page->client->memory_on_late_refusal = on_late_refusal;
    late_refusals = 0;
    struct exchange *pushed = promise(page, "/a.css", style);
    pushed->promise_tag = 77;
    answer(pushed, 20, NULL);
    answer(page, 10, NULL);
    h2_peer_turn(peer);
    static const char rst[] = "\0\0\x04\x03\0\0\0\0\x02\0\0\0\x08";
    h2_peer_bytes(peer, slice_of(rst, sizeof(rst) - 1));
    h2_peer_bytes(peer, slice_of(rst, sizeof(rst) - 1));
    h2_peer_turn(peer);
    assert_int_equal(late_refusals, 1);
    assert_false(peer->has_goaway);
    h2_peer_destroy(peer);
}

// The client lowers MAX_CONCURRENT_STREAMS when the promise is made: the library would hold the
// response, and with it an origin's connection, for ever.
static void test_promises_that_may_not_begin_are_taken_back(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    struct exchange *pushed = promise(page, "/a.css", style);
    h2_peer_turn(peer);
    const nghttp2_settings_entry none = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0};
    nghttp2_submit_settings(peer->ng, NGHTTP2_FLAG_NONE, &none, 1);
    h2_peer_turn(peer);
    answer(pushed, 20, NULL);
    answer(page, 10, NULL);
    assert_log(peer, "PUSH_PROMISE 1 2 /a.css\nHEADERS 1 200\nDATA 1 10 end\n");
    h2_peer_wait(peer, 29000);
    assert_log(peer, "");
    h2_peer_wait(peer, 5000);
    assert_log(peer, "RST_STREAM 2 CANCEL\n");
    h2_peer_destroy(peer);
}

// It may name any last stream, the highest of all too (RFC 9113 section 6.8).
static void test_client_leaves_with_the_highest_id(void **state) {
    (void)state;
    static const char goaway[] = "\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\0";
    for (size_t cut = 0; cut < sizeof(goaway) - 1; cut++) {
        struct h2_peer *peer = connect_wide();
        struct exchange *page = ask(peer, "GET /page");
        h2_peer_bytes(peer, slice_of(goaway, cut));
        h2_peer_bytes(peer, slice_of(goaway + cut, sizeof(goaway) - 1 - cut));
        h2_peer_turn(peer);
        assert_int_equal(exchange_promise_room(page), 0);
        answer(page, 10, NULL);
        assert_log(peer, "HEADERS 1 200\nDATA 1 10 end\n");
        h2_peer_destroy(peer);
    }
}

static void test_promise_goes_first(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page?q");
    struct exchange *pushed = promise(page, "/a.css", style);
    assert_non_null(pushed);
    assert_true(pushed->is_promised);
    assert_int_equal(pushed->stream_id, 2);
    assert_null(pushed->page); // it was there during start only
    assert_true(slice_equal(pushed->page_path, SLICE("/page?q")));
    assert_true(
        slice_equal(headers_value(&pushed->request.headers, HEADER_ACCEPT), SLICE("text/css")));
    assert_int_equal(pushed->request_state, EXCHANGE_REQUEST_ENDED);
    answer(page, 10, NULL);
    answer(pushed, 20, NULL);
    assert_log(peer, "PUSH_PROMISE 1 2 /a.css\nHEADERS 1 200\nHEADERS 2 200\nDATA 1 10 end\n"
                     "DATA 2 20 end\n");
    assert_text(&h2_peer_stream(peer, 2)->promised,
                ":method: GET\n:scheme: http\n:authority: a.example\n:path: /a.css\n"
                "accept: text/css\n");
    assert_record(peer, "start GET http a.example/page?q\nstart GET http a.example/a.css\n"
                        "closed none\nclosed none\n");
    h2_peer_destroy(peer);
}

// At the request and at an interim response, before the origin has answered.
static void test_promise_before_the_origin_answers(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    answer(promise(page, "/a.css", style), 20, NULL);
    assert_log(peer, "PUSH_PROMISE 1 2 /a.css\nHEADERS 2 200\nDATA 2 20 end\n");
    struct exchange *second = promise(page, "/b.js", style);
    struct response_head interim = {.status = 103};
    headers_init(&interim.headers, page->arena);
    exchange_send_interim(page, &interim);
    assert_log(peer, "PUSH_PROMISE 1 4 /b.js\nHEADERS 1 103\n");
    answer(page, 10, NULL);
    assert_log(peer, "HEADERS 1 200\nDATA 1 10 end\n");
    answer(second, 30, NULL); // the page is gone by now
    assert_log(peer, "HEADERS 4 200\nDATA 4 30 end\n");
    h2_peer_destroy(peer);
}

static void test_pushed_does_not_promise(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    struct exchange *pushed = promise(page, "/a.css", style);
    assert_int_equal(exchange_promise_room(pushed), 0);
    assert_true(exchange_promise_room(page) > 0);
    answer(page, 10, NULL);
    assert_int_equal(exchange_promise_room(page), 0);
    answer(pushed, 10, NULL);
    h2_peer_destroy(peer);
}

// A promise that can't be kept is taken back: there is no error page for a push.
static void test_failed_push(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    struct exchange *unwanted = promise(page, "/a.css", style);
    struct exchange *cut = promise(page, "/b.css", style);
    struct exchange *refused = promise(page, "/c.css", style);
    answer(page, 10, NULL);
    exchange_fail(unwanted, FAULT_PUSH_UNWANTED);
    fake_handler_send_head(cut, 200, 100);
    exchange_send_body(cut, SLICE("part"));
    assert_log(peer, "PUSH_PROMISE 1 2 /a.css\nPUSH_PROMISE 1 4 /b.css\n"
                     "PUSH_PROMISE 1 6 /c.css\nHEADERS 1 200\nRST_STREAM 2 CANCEL\n"
                     "HEADERS 4 200\nDATA 1 10 end\nDATA 4 4\n");
    exchange_fail(cut, FAULT_ORIGIN_CUT);
    exchange_fail(refused, FAULT_ORIGIN_REFUSED);
    assert_log(peer, "RST_STREAM 4 INTERNAL_ERROR\nRST_STREAM 6 INTERNAL_ERROR\n");
    assert_int_equal(peer->handler.closed, 4);
    h2_peer_destroy(peer);
}

// --- clients that want none, or not so many ------------------------------------------------------

static void test_push_disabled(void **state) {
    (void)state;
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    struct h2_peer *peer = connect_with(settings, 1);
    struct exchange *page = ask(peer, "GET /page");
    assert_int_equal(exchange_promise_room(page), 0);
    answer(page, 10, NULL);
    assert_log(peer, "HEADERS 1 200\nDATA 1 10 end\n");
    h2_peer_destroy(peer);
}

// The promise is made, and before it leaves the client's SETTINGS forbid it.
static void test_push_disabled_in_the_same_turn(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    assert_non_null(promise(page, "/a.css", style));
    const nghttp2_settings_entry off[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_submit_settings(peer->ng, NGHTTP2_FLAG_NONE, off, 1);
    answer(page, 10, NULL);
    assert_log(peer, "HEADERS 1 200\nDATA 1 10 end\n");
    assert_int_equal(peer->handler.closed, 2);
    page = ask(peer, "GET /page");
    assert_int_equal(exchange_promise_room(page), 0);
    answer(page, 10, NULL);
    h2_peer_destroy(peer);
}

static void test_room_is_what_the_client_allows(void **state) {
    (void)state;
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2}};
    struct h2_peer *peer = connect_with(settings, 1);
    struct exchange *page = ask(peer, "GET /page");
    assert_int_equal(exchange_promise_room(page), 2);
    struct exchange *first = promise(page, "/1", style);
    assert_int_equal(exchange_promise_room(page), 1);
    struct exchange *second = promise(page, "/2", style);
    assert_int_equal(exchange_promise_room(page), 0);
    answer(first, 5, NULL);
    h2_peer_turn(peer);
    assert_int_equal(exchange_promise_room(page), 1);
    answer(second, 5, NULL);
    h2_peer_turn(peer);
    assert_int_equal(exchange_promise_room(page), 2);
    answer(page, 5, NULL);
    h2_peer_destroy(peer);
}

static void test_no_concurrent_streams_no_promises(void **state) {
    (void)state;
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0}};
    struct h2_peer *peer = connect_with(settings, 1);
    struct exchange *page = ask(peer, "GET /page");
    assert_int_equal(exchange_promise_room(page), 0);
    answer(page, 10, NULL);
    assert_log(peer, "HEADERS 1 200\nDATA 1 10 end\n");
    h2_peer_destroy(peer);
}

static void test_client_refuses_a_promise(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    promise(page, "/a.css", style);
    struct exchange *second = promise(page, "/b.css", style);
    h2_peer_turn(peer);
    h2_peer_log(peer);
    fake_handler_record(&peer->handler);
    h2_peer_reset(peer, 2, NGHTTP2_CANCEL);
    assert_log(peer, "");
    assert_record(peer, "closed client_reset\n");
    fake_handler_send_head(second, 200, 100);
    exchange_send_body(second, SLICE("part"));
    assert_log(peer, "HEADERS 4 200\nDATA 4 4\n");
    h2_peer_reset(peer, 4, NGHTTP2_REFUSED_STREAM);
    assert_log(peer, "");
    assert_record(peer, "closed client_reset\n");
    answer(page, 10, NULL);
    assert_log(peer, "HEADERS 1 200\nDATA 1 10 end\n");
    h2_peer_destroy(peer);
}

// The answer to the promise is on its way when the client's refusal comes.
static void test_client_refuses_what_is_being_sent(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    struct exchange *pushed = promise(page, "/a.css", style);
    h2_peer_turn(peer);
    h2_peer_log(peer);
    answer(pushed, 60000, NULL);
    h2_peer_reset(peer, 2, NGHTTP2_CANCEL);
    assert_log(peer, "");
    answer(page, 10, NULL);
    assert_log(peer, "HEADERS 1 200\nDATA 1 10 end\n");
    assert_int_equal(peer->handler.closed, 2);
    h2_peer_destroy(peer);
}

// The client gives the page up before its promises have left: they die with it, each told once.
static void test_page_is_reset_before_promises_leave(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    promise(page, "/a.css", style);
    answer(promise(page, "/b.css", style), 100, NULL);
    h2_peer_reset(peer, 1, NGHTTP2_CANCEL);
    assert_log(peer, "");
    assert_int_equal(peer->handler.started, 3);
    assert_int_equal(peer->handler.closed, 3);
    page = ask(peer, "GET /page");
    assert_true(exchange_promise_room(page) > 0);
    answer(page, 1, NULL);
    h2_peer_destroy(peer);
}

// What was promised is kept, although the page was given up.
static void test_page_is_reset_after_promises_left(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    struct exchange *pushed = promise(page, "/a.css", style);
    assert_log(peer, "PUSH_PROMISE 1 2 /a.css\n");
    h2_peer_reset(peer, 1, NGHTTP2_CANCEL);
    h2_peer_turn(peer);
    answer(pushed, 100, NULL);
    assert_log(peer, "HEADERS 2 200\nDATA 2 100 end\n");
    h2_peer_destroy(peer);
}

// What has begun goes on; what has not is taken back, so that the client need not wait for it.
static void test_promises_after_goaway(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    struct exchange *begun = promise(page, "/a.css", style);
    promise(page, "/b.css", style);
    fake_handler_send_head(begun, 200, BODY_UNKNOWN);
    assert_log(peer, "PUSH_PROMISE 1 2 /a.css\nPUSH_PROMISE 1 4 /b.css\nHEADERS 2 200\n");
    fake_handler_record(&peer->handler);
    nghttp2_submit_goaway(peer->ng, NGHTTP2_FLAG_NONE, 4, NGHTTP2_NO_ERROR, NULL, 0);
    assert_log(peer, "RST_STREAM 4 CANCEL\n");
    assert_record(peer, "closed push_unwanted\n");
    assert_int_equal(exchange_promise_room(page), 0);
    answer(page, 10, NULL);
    assert_log(peer, "HEADERS 1 200\nDATA 1 10 end\n");
    assert_false(h2_peer_is_closed(peer));
    exchange_send_body(begun, SLICE("content"));
    exchange_finish(begun, NULL);
    assert_log(peer, "DATA 2 7 end\n");
    assert_true(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

// Answered in the turn in which GOAWAY comes.
static void test_goaway_before_the_pushed_head_leaves(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    struct exchange *pushed = promise(page, "/a.css", style);
    h2_peer_turn(peer);
    h2_peer_log(peer);
    answer(pushed, 100, NULL);
    nghttp2_submit_goaway(peer->ng, NGHTTP2_FLAG_NONE, 2, NGHTTP2_NO_ERROR, NULL, 0);
    assert_log(peer, "RST_STREAM 2 CANCEL\n");
    answer(page, 10, NULL);
    assert_log(peer, "HEADERS 1 200\nDATA 1 10 end\n");
    assert_int_equal(peer->handler.closed, 2);
    h2_peer_destroy(peer);
}

// The client does not know the stream: no RST_STREAM may name it.
static void test_nothing_is_said_of_a_promise_that_never_left(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct h2_peer *peer = connect_wide();
        struct exchange *page = ask(peer, "GET /page");
        struct exchange *pushed = promise(page, "/a.css", style);
        const nghttp2_settings_entry off[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
        if (i == 0) {
            h2_peer_reset(peer, 1, NGHTTP2_CANCEL);
        } else if (i == 1) {
            nghttp2_submit_goaway(peer->ng, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
        } else {
            nghttp2_submit_settings(peer->ng, NGHTTP2_FLAG_NONE, off, 1);
        }
        exchange_fail(pushed, FAULT_ORIGIN_REFUSED);
        assert_log(peer, "");
        h2_peer_destroy(peer);
    }
}

static void test_promise_taken_back_in_the_same_turn(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    exchange_fail(promise(page, "/a.css", style), FAULT_PUSH_UNWANTED);
    assert_log(peer, "PUSH_PROMISE 1 2 /a.css\nRST_STREAM 2 CANCEL\n");
    answer(page, 10, NULL);
    assert_log(peer, "HEADERS 1 200\nDATA 1 10 end\n");
    h2_peer_destroy(peer);
}

static void test_no_interim_on_a_push(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    struct exchange *pushed = promise(page, "/a.css", style);
    struct response_head interim = {.status = 103};
    headers_init(&interim.headers, pushed->arena);
    exchange_send_interim(pushed, &interim);
    answer(pushed, 10, NULL);
    answer(page, 10, NULL);
    assert_log(peer, "PUSH_PROMISE 1 2 /a.css\nHEADERS 1 200\nHEADERS 2 200\n"
                     "DATA 1 10 end\nDATA 2 10 end\n");
    h2_peer_destroy(peer);
}

// The client has not seen the promise when it says which is the last it takes.
static void test_goaway_names_an_earlier_promise(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    promise(page, "/a.css", style);
    h2_peer_turn(peer);
    h2_peer_log(peer);
    nghttp2_submit_goaway(peer->ng, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
    h2_peer_turn(peer);
    assert_int_equal(peer->handler.closed, 1);
    answer(page, 10, NULL);
    assert_log(peer, "HEADERS 1 200\nDATA 1 10 end\n");
    assert_true(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_resets_are_told_once),
        cmocka_unit_test(test_promises_that_may_not_begin_are_taken_back),
        cmocka_unit_test(test_client_leaves_with_the_highest_id),
        cmocka_unit_test(test_promise_goes_first),
        cmocka_unit_test(test_promise_before_the_origin_answers),
        cmocka_unit_test(test_pushed_does_not_promise),
        cmocka_unit_test(test_failed_push),
        cmocka_unit_test(test_push_disabled),
        cmocka_unit_test(test_push_disabled_in_the_same_turn),
        cmocka_unit_test(test_room_is_what_the_client_allows),
        cmocka_unit_test(test_no_concurrent_streams_no_promises),
        cmocka_unit_test(test_client_refuses_a_promise),
        cmocka_unit_test(test_client_refuses_what_is_being_sent),
        cmocka_unit_test(test_page_is_reset_before_promises_leave),
        cmocka_unit_test(test_page_is_reset_after_promises_left),
        cmocka_unit_test(test_promises_after_goaway),
        cmocka_unit_test(test_goaway_before_the_pushed_head_leaves),
        cmocka_unit_test(test_nothing_is_said_of_a_promise_that_never_left),
        cmocka_unit_test(test_promise_taken_back_in_the_same_turn),
        cmocka_unit_test(test_no_interim_on_a_push),
        cmocka_unit_test(test_goaway_names_an_earlier_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
