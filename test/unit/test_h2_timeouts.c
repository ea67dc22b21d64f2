// SPDX-License-Identifier: Apache-2.0
// The HTTP/2 session in memory: who keeps us waiting, and for how long.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "h2_assert.h"

enum { END = NGHTTP2_FLAG_END_STREAM, BLOCK = NGHTTP2_FLAG_END_HEADERS };

static const struct slice wide = {(const char[20000]){0}, 20000};

static void test_idle(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    h2_peer_log(peer);
    h2_peer_wait(peer, 179000);
    assert_log(peer, "");
    h2_peer_wait(peer, 5000);
    assert_log(peer, "GOAWAY 1 NO_ERROR\n");
    assert_true(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

static void test_idle_from_the_start(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    h2_peer_wait(peer, 179000);
    assert_log(peer, "");
    h2_peer_wait(peer, 5000);
    assert_log(peer, "GOAWAY 0 NO_ERROR\n");
    assert_true(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

static void test_no_idleness_while_answering(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_request(peer, "GET /slow");
    h2_peer_wait(peer, 1000000);
    assert_log(peer, "");
    fake_handler_answer(&peer->handler, peer->handler.x);
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    h2_peer_destroy(peer);
}

static void test_no_settings(void **state) {
    (void)state;
    struct h2_peer *peer = h2_peer_create();
    peer->conn = fake_conn_create(&peer->loop);
    front_accept(&peer->front, peer->conn);
    h2_peer_bytes(peer, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    h2_peer_wait(peer, 9000);
    assert_false(h2_peer_is_closed(peer));
    h2_peer_wait(peer, 10000);
    assert_true(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

static void test_block_that_does_not_end(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    struct buffer block = {0};
    h2_peer_add_request(&block, "GET", "/");
    h2_peer_frame(peer, NGHTTP2_HEADERS, END, 1, buffer_peek(&block));
    h2_peer_wait(peer, 9000);
    assert_log(peer, "");
    h2_peer_frame(peer, NGHTTP2_CONTINUATION, 0, 1, SLICE_EMPTY); // no new lease
    h2_peer_wait(peer, 5000);
    assert_true(peer->has_goaway);
    assert_true(h2_peer_is_closed(peer));
    assert_int_equal(peer->handler.started, 0);
    buffer_finish(&block);
    h2_peer_destroy(peer);
}

// A refused block is over, too: the others on the connection live on.
static void test_refused_blocks_are_over(void **state) {
    (void)state;
    static const char *const blocks[] = {"GET /\nX-A: b", "GET /\ncontent-length: 3",
                                         "GET /\nx a: b"};
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        struct h2_peer *peer = connect_raw();
        peer->handler.answer = FAKE_ANSWER_NEVER;
        h2_peer_headers(peer, END, 1, "GET /slow");
        h2_peer_headers(peer, END, 3, blocks[i]);
        h2_peer_turn(peer);
        h2_peer_wait(peer, 60000);
        assert_false(peer->has_goaway);
        fake_handler_answer(&peer->handler, peer->handler.x);
        h2_peer_turn(peer);
        assert_int_equal(h2_peer_stream(peer, 1)->status, 200);
        h2_peer_destroy(peer);
    }
}

static struct h2_peer *connect_manual(uint32_t window) {
    struct h2_peer *peer = h2_peer_create();
    peer->is_manual = true;
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window}};
    h2_peer_connect(peer, settings, 1);
    return peer;
}

// The client gives no window; a larger one for the connection changes nothing.
static void test_closed_window(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(0);
    peer->handler.big_bytes = 100000;
    h2_peer_request(peer, "GET /");
    assert_log(peer, "HEADERS 1 200\n");
    h2_peer_wait(peer, 29000);
    h2_peer_open_window(peer, 0, 1000);
    assert_log(peer, "");
    h2_peer_wait(peer, 5000);
    assert_log(peer, "RST_STREAM 1 CANCEL\n");
    assert_record(peer, "start GET http a.example/\nclosed client_timeout\n");
    assert_false(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

static void test_closed_window_of_the_connection(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(1000000);
    peer->handler.big_bytes = 200000;
    h2_peer_request(peer, "GET /");
    assert_log(peer, "HEADERS 1 200\nDATA 1 65535\n");
    h2_peer_wait(peer, 35000);
    assert_log(peer, "RST_STREAM 1 CANCEL\n");
    h2_peer_destroy(peer);
}

// A finished response whose last, empty frame finds no window is held up, too.
static void test_closed_window_before_the_end(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(0);
    peer->handler.body = SLICE_EMPTY;
    h2_peer_request(peer, "GET /");
    h2_peer_wait(peer, 35000);
    assert_log(peer, "HEADERS 1 200\nRST_STREAM 1 CANCEL\n");
    h2_peer_destroy(peer);
}

// A byte now and then is no progress (TRUST row 6).
static void test_dripping_window(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(0);
    peer->handler.big_bytes = 100000;
    h2_peer_request(peer, "GET /");
    for (int i = 0; i < 40 && !h2_peer_stream(peer, 1)->was_reset; i++) {
        h2_peer_open_window(peer, 1, 1);
        h2_peer_wait(peer, 2500);
    }
    assert_true(h2_peer_stream(peer, 1)->was_reset);
    assert_true(h2_peer_body(peer, 1).length < 20);
    h2_peer_destroy(peer);
}

// Slow, but more than a drip.
static void test_slow_reader(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(0);
    peer->handler.big_bytes = 100000;
    h2_peer_open_window(peer, 0, 100000);
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    for (int i = 0; i < 50; i++) {
        h2_peer_open_window(peer, 1, 2000);
        h2_peer_wait(peer, 10000);
    }
    assert_true(h2_peer_stream(peer, 1)->has_ended);
    h2_peer_destroy(peer);
}

// A large download of more urgency holds this one up; the client is not to blame.
static void test_waiting_behind_a_more_urgent_stream(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(100 * 1000 * 1000);
    peer->handler.big_bytes = 2 * 1000 * 1000;
    h2_peer_request(peer, "GET /film\npriority: u=1");
    h2_peer_turn(peer);
    peer->handler.big_bytes = 0;
    h2_peer_request(peer, "GET /image\npriority: u=6");
    for (int i = 0; i < 35; i++) { // 20 KB each 2.5 s: the connection's window is always small
        h2_peer_open_window(peer, 0, 20000);
        h2_peer_wait(peer, 2500);
    }
    assert_false(h2_peer_stream(peer, 3)->was_reset);
    assert_false(h2_peer_stream(peer, 3)->has_ended);
    h2_peer_open_window(peer, 0, 10 * 1000 * 1000);
    h2_peer_turn(peer);
    assert_true(h2_peer_stream(peer, 3)->has_ended);
    h2_peer_destroy(peer);
}

// The same when the path itself is slow.
static void test_waiting_behind_a_slow_path(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(100 * 1000 * 1000);
    h2_peer_open_window(peer, 0, 100 * 1000 * 1000);
    h2_peer_turn(peer);
    fake_conn_set_limit(peer->conn, 4000);
    peer->handler.big_bytes = 2 * 1000 * 1000;
    h2_peer_request(peer, "GET /film\npriority: u=1");
    h2_peer_bytes(peer, SLICE_EMPTY);
    fake_conn_turn(peer->conn);
    peer->handler.big_bytes = 0;
    h2_peer_request(peer, "GET /image\npriority: u=6");
    h2_peer_bytes(peer, SLICE_EMPTY);
    for (int i = 0; i < 160; i++) {
        h2_peer_pass_ms(250);
        fake_conn_turn(peer->conn);
        if (i % 10 == 9) {
            fake_conn_expire(peer->conn);
        }
    }
    fake_conn_set_limit(peer->conn, SIZE_MAX);
    h2_peer_turn(peer);
    assert_true(h2_peer_stream(peer, 1)->has_ended);
    assert_true(h2_peer_stream(peer, 3)->has_ended);
    h2_peer_destroy(peer);
}

// The peer's kernel takes nothing at all.
static void test_dead_path(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(100 * 1000 * 1000);
    h2_peer_open_window(peer, 0, 100 * 1000 * 1000);
    h2_peer_turn(peer);
    peer->handler.big_bytes = 2 * 1000 * 1000;
    h2_peer_request(peer, "GET /");
    fake_conn_set_limit(peer->conn, 0);
    h2_peer_wait(peer, 29000);
    assert_false(h2_peer_is_closed(peer));
    h2_peer_wait(peer, 5000);
    assert_true(fake_conn_is_aborted(peer->conn));
    h2_peer_destroy(peer);
}

static void test_content_stops(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    int32_t id = h2_peer_open(peer, "POST /");
    h2_peer_wait(peer, 20000);
    h2_peer_send(peer, id, slice_of(wide.data, 1024), false);
    h2_peer_wait(peer, 20000);
    assert_log(peer, "");
    h2_peer_wait(peer, 15000);
    assert_int_equal(h2_peer_stream(peer, id)->status, 408);
    assert_true(h2_peer_stream(peer, id)->was_reset);
    assert_int_equal(h2_peer_stream(peer, id)->error_code, NGHTTP2_NO_ERROR);
    assert_record(peer, "start POST http a.example/\nclosed client_timeout\n");
    assert_false(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

static void test_content_stops_after_the_head(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_open(peer, "POST /");
    h2_peer_turn(peer);
    fake_handler_send_head(peer->handler.x, 200, BODY_UNKNOWN);
    assert_log(peer, "HEADERS 1 200\n");
    h2_peer_wait(peer, 35000);
    assert_log(peer, "RST_STREAM 1 CANCEL\n");
    assert_record(peer, "start POST http a.example/\nclosed client_timeout\n");
    h2_peer_destroy(peer);
}

// A byte now and then is no content (R-U-D-Y).
static void test_content_drips(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    int32_t id = h2_peer_open(peer, "POST /");
    unsigned seconds = 0;
    for (; seconds < 60 && h2_peer_stream(peer, id)->status == 0; seconds++) {
        h2_peer_send(peer, id, SLICE("abcdefghij"), false);
        h2_peer_wait(peer, 1000);
    }
    assert_in_range(seconds, 30, 34);
    assert_int_equal(h2_peer_stream(peer, id)->status, 408);
    h2_peer_destroy(peer);
}

// Slow, but fast enough; and when the response has begun the two may be talking.
static void test_content_that_is_slow(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    int32_t id = h2_peer_open(peer, "POST /");
    for (int i = 0; i < 120; i++) {
        h2_peer_send(peer, id, slice_of(wide.data, 40), false);
        h2_peer_wait(peer, 1000);
    }
    assert_log(peer, "");
    h2_peer_send(peer, id, SLICE_EMPTY, true);
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");

    peer->handler.answer = FAKE_ANSWER_NEVER;
    id = h2_peer_open(peer, "POST /talk");
    h2_peer_turn(peer);
    fake_handler_send_head(peer->handler.x, 200, BODY_UNKNOWN);
    for (int i = 0; i < 20; i++) {
        h2_peer_send(peer, id, SLICE("hello"), false);
        h2_peer_wait(peer, 10000);
    }
    assert_log(peer, "HEADERS 3 200\n");
    h2_peer_destroy(peer);
}

// It is the origin that is slow: its own timeouts count.
static void test_content_waits_for_the_handler(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.holds_content = true;
    int32_t id = h2_peer_open(peer, "POST /");
    h2_peer_send(peer, id, slice_of(wide.data, 20000), false);
    h2_peer_wait(peer, 100000);
    assert_log(peer, "");
    exchange_request_consumed(peer->handler.x, 20000);
    h2_peer_wait(peer, 25000);
    h2_peer_send(peer, id, SLICE_EMPTY, true);
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    h2_peer_destroy(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_idle_from_the_start),
        cmocka_unit_test(test_no_idleness_while_answering),
        cmocka_unit_test(test_no_settings),
        cmocka_unit_test(test_block_that_does_not_end),
        cmocka_unit_test(test_refused_blocks_are_over),
        cmocka_unit_test(test_closed_window),
        cmocka_unit_test(test_closed_window_of_the_connection),
        cmocka_unit_test(test_closed_window_before_the_end),
        cmocka_unit_test(test_dripping_window),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_waiting_behind_a_more_urgent_stream),
        cmocka_unit_test(test_waiting_behind_a_slow_path),
        cmocka_unit_test(test_dead_path),
        cmocka_unit_test(test_content_stops),
        cmocka_unit_test(test_content_stops_after_the_head),
        cmocka_unit_test(test_content_drips),
        cmocka_unit_test(test_content_that_is_slow),
        cmocka_unit_test(test_content_waits_for_the_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
