// SPDX-License-Identifier: Apache-2.0
// The HTTP/2 session in memory: windows in both directions and what is held in memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "h2_assert.h"

enum { WINDOW = 65535, HELD = 64 * 1024 };

// A client that gives windows only when the test says so.
static struct h2_peer *connect_manual(uint32_t window) {
    struct h2_peer *peer = h2_peer_create();
    peer->is_manual = true;
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window}};
    h2_peer_connect(peer, settings, 1);
    return peer;
}

static void assert_big_body(struct h2_peer *peer, int32_t id, size_t length) {
    struct slice body = h2_peer_body(peer, id);
    assert_int_equal(body.length, length);
    for (size_t i = 0; i < length; i++) {
        if (body.data[i] != fake_handler_big_byte(i)) {
            fail_msg("byte %zu is wrong", i);
        }
    }
}

// What was given to the front and is neither with the kernel nor on its way there.
static size_t held_bytes(struct h2_peer *peer, int32_t id) {
    return (size_t)peer->handler.x->response_bytes - h2_peer_body(peer, id).length;
}

static struct slice zeros(size_t length) {
    static const char bytes[WINDOW];
    assert_true(length <= sizeof(bytes));
    return slice_of(bytes, length);
}

// --- responses ----------------------------------------------------------------------------------

static void test_body_larger_than_windows(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(WINDOW);
    peer->handler.big_bytes = 300000;
    h2_peer_request(peer, "GET /");
    assert_log(peer, "HEADERS 1 200\nDATA 1 65535\n");
    assert_true(held_bytes(peer, 1) <= HELD);
    h2_peer_open_window(peer, 1, 100000);
    assert_log(peer, "");
    h2_peer_open_window(peer, 0, 10);
    assert_log(peer, "DATA 1 10\n");
    h2_peer_open_window(peer, 0, 1000000);
    assert_log(peer, "DATA 1 99990\n");
    assert_true(held_bytes(peer, 1) <= HELD);
    h2_peer_open_window(peer, 1, 1000000);
    assert_log(peer, "DATA 1 134465 end\n");
    assert_big_body(peer, 1, 300000);
    assert_record(peer, "start GET http a.example/\nclosed none\n");
    h2_peer_destroy(peer);
}

static void test_window_zero_from_the_start(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(0);
    h2_peer_request(peer, "GET /");
    assert_log(peer, "HEADERS 1 200\n");
    h2_peer_open_window(peer, 1, 1);
    assert_log(peer, "DATA 1 1\n");
    h2_peer_open_window(peer, 1, 100);
    assert_log(peer, "DATA 1 4 end\n");
    h2_peer_destroy(peer);
}

// The library sends no DATA frame at all without a window, not even an empty one.
static void test_empty_body_in_no_window(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(0);
    peer->handler.body = SLICE_EMPTY;
    h2_peer_request(peer, "GET /");
    assert_log(peer, "HEADERS 1 200\n");
    h2_peer_open_window(peer, 1, 1);
    assert_log(peer, "DATA 1 0 end\n");
    h2_peer_destroy(peer);
}

// The client takes back what it has given (RFC 9113 section 6.9.2).
static void test_window_below_zero(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(1000);
    peer->handler.big_bytes = 5000;
    h2_peer_request(peer, "GET /");
    assert_log(peer, "HEADERS 1 200\nDATA 1 1000\n");
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 100}};
    nghttp2_submit_settings(peer->ng, NGHTTP2_FLAG_NONE, settings, 1);
    assert_log(peer, "");
    h2_peer_open_window(peer, 1, 900);
    assert_log(peer, "");
    h2_peer_open_window(peer, 1, 4000);
    assert_log(peer, "DATA 1 4000 end\n");
    assert_big_body(peer, 1, 5000);
    h2_peer_destroy(peer);
}

static void test_one_closed_window_holds_up_nobody(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(30000);
    peer->handler.big_bytes = 40000;
    h2_peer_request(peer, "GET /a");
    assert_log(peer, "HEADERS 1 200\nDATA 1 30000\n");
    peer->handler.big_bytes = 0;
    h2_peer_request(peer, "GET /b");
    assert_log(peer, "HEADERS 3 200\nDATA 3 5 end\n");
    h2_peer_reset(peer, 1, NGHTTP2_CANCEL);
    assert_log(peer, "");
    assert_record(peer, "start GET http a.example/a\nstart GET http a.example/b\nclosed none\n"
                        "closed client_reset\n");
    h2_peer_destroy(peer);
}

static void test_wide_windows(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(50 * 1000 * 1000);
    h2_peer_open_window(peer, 0, 50 * 1000 * 1000);
    peer->handler.big_bytes = 5 * 1000 * 1000;
    peer->handler.is_length_unknown = true;
    h2_peer_request(peer, "GET /");
    assert_log(peer, "HEADERS 1 200\nDATA 1 5000000 end\n");
    assert_big_body(peer, 1, 5 * 1000 * 1000);
    h2_peer_destroy(peer);
}

// The kernel takes nothing: one flush stands in the conn, little more in the stream.
static void test_client_that_does_not_read(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(50 * 1000 * 1000);
    h2_peer_open_window(peer, 0, 50 * 1000 * 1000);
    h2_peer_turn(peer);
    peer->handler.big_bytes = 10 * 1000 * 1000;
    fake_conn_set_limit(peer->conn, 0);
    h2_peer_request(peer, "GET /");
    assert_log(peer, "");
    assert_true(conn_unsent(peer->conn) <= 64 * 1024);
    assert_true(peer->handler.x->response_bytes <= 3 * HELD);
    fake_conn_set_limit(peer->conn, SIZE_MAX);
    assert_log(peer, "HEADERS 1 200\nDATA 1 10000000 end\n");
    assert_big_body(peer, 1, 10 * 1000 * 1000);
    h2_peer_destroy(peer);
}

// Who takes little at a time is given little at a time, so that what is more urgent can still go
// ahead; also when the path was fast once.
static void test_slow_path_gets_small_flushes(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(50 * 1000 * 1000);
    h2_peer_open_window(peer, 0, 50 * 1000 * 1000);
    peer->handler.big_bytes = 3 * 1000 * 1000;
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    h2_peer_log(peer);
    fake_conn_set_limit(peer->conn, 4000);
    h2_peer_request(peer, "GET /");
    h2_peer_bytes(peer, SLICE_EMPTY);
    size_t most = 0;
    for (unsigned turns = 0; turns < 600; turns++) {
        fake_conn_turn(peer->conn);
        h2_peer_pass_ms(2);
        if (turns > 200 && conn_unsent(peer->conn) > most) {
            most = conn_unsent(peer->conn);
        }
    }
    assert_true(peer->handler.started == 2 && peer->handler.closed == 1);
    assert_true(most >= 16 * 1024);
    assert_true(most <= 64 * 1024);
    fake_conn_set_limit(peer->conn, SIZE_MAX);
    assert_log(peer, "HEADERS 3 200\nDATA 3 3000000 end\n");
    h2_peer_destroy(peer);
}

// Also when each flush takes exactly what was held.
static void test_who_takes_all_at_once_gets_more_at_once(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(0x7fffffff);
    h2_peer_open_window(peer, 0, 0x7fff0000 - WINDOW);
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    struct exchange *x = peer->handler.x;
    fake_handler_send_head(x, 200, BODY_UNKNOWN);
    size_t most = 0;
    for (unsigned turns = 0; turns < 20; turns++) {
        size_t room = exchange_room(x);
        most = room > most ? room : most;
        for (size_t left = room; left > 0;) {
            size_t piece = left < WINDOW ? left : WINDOW;
            exchange_send_body(x, zeros(piece));
            left -= piece;
        }
        h2_peer_turn(peer);
    }
    assert_in_range(most, 3 * HELD, 4 * HELD);
    exchange_finish(x, NULL);
    h2_peer_turn(peer);
    h2_peer_destroy(peer);
}

static void test_drained_is_told_once_per_fullness(void **state) {
    (void)state;
    struct h2_peer *peer = connect_manual(WINDOW);
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    struct exchange *x = peer->handler.x;
    fake_handler_send_head(x, 200, BODY_UNKNOWN);
    while (exchange_room(x) > 0) {
        size_t room = exchange_room(x);
        exchange_send_body(x, zeros(room < WINDOW ? room : WINDOW));
    }
    h2_peer_turn(peer);
    assert_record(peer, "start GET http a.example/\ndrained\n");
    assert_true(exchange_room(x) >= HELD / 2);
    exchange_finish(x, NULL);
    h2_peer_open_window(peer, 0, 1000000);
    h2_peer_open_window(peer, 1, 1000000);
    h2_peer_turn(peer);
    assert_record(peer, "closed none\n");
    h2_peer_destroy(peer);
}

// --- requests -----------------------------------------------------------------------------------

static void test_stream_window_follows_consumption(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.holds_content = true;
    int32_t id = h2_peer_open(peer, "POST /");
    h2_peer_send(peer, id, zeros(WINDOW), false);
    h2_peer_send(peer, id, zeros(40000), false);
    h2_peer_turn(peer);
    assert_int_equal(buffer_length(&peer->handler.content), WINDOW);
    assert_int_equal(h2_peer_stream(peer, id)->window, 0);
    exchange_request_consumed(peer->handler.x, 40000);
    h2_peer_turn(peer);
    assert_int_equal(h2_peer_stream(peer, id)->window, 40000);
    assert_int_equal(buffer_length(&peer->handler.content), WINDOW + 40000);
    exchange_request_consumed(peer->handler.x, WINDOW);
    h2_peer_send(peer, id, SLICE_EMPTY, true);
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    h2_peer_destroy(peer);
}

// Twenty slow origins do not stop the twenty-first: the connection's window comes back at once.
static void test_connection_window_comes_back_at_once(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.holds_content = true;
    for (int i = 0; i < 20; i++) {
        int32_t id = h2_peer_open(peer, "POST /slow");
        h2_peer_send(peer, id, zeros(WINDOW), false);
    }
    h2_peer_turn(peer);
    assert_int_equal(buffer_length(&peer->handler.content), 20 * WINDOW);
    assert_int_equal(h2_peer_stream(peer, 1)->window, 0);
    peer->handler.holds_content = false;
    int32_t id = h2_peer_open(peer, "POST /quick");
    h2_peer_send(peer, id, zeros(WINDOW), false);
    h2_peer_send(peer, id, zeros(WINDOW), true);
    assert_log(peer, "HEADERS 41 200\nDATA 41 5 end\n");
    h2_peer_destroy(peer);
}

static void test_large_upload(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    int32_t id = h2_peer_open(peer, "POST /");
    for (int i = 0; i < 50; i++) {
        h2_peer_send(peer, id, zeros(WINDOW), i == 49);
    }
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    assert_int_equal(buffer_length(&peer->handler.content), 50 * WINDOW);
    h2_peer_destroy(peer);
}

// What nobody wants any more costs the connection no window.
static void test_ignored_content_costs_no_window(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    peer->handler.answer = FAKE_ANSWER_AT_START;
    for (int32_t id = 1; id < 60; id += 2) {
        h2_peer_headers(peer, 0, id, "POST /");
    }
    h2_peer_turn(peer);
    assert_int_equal(peer->handler.closed, 30);
    size_t before = peer->window;
    for (int32_t id = 1; id < 60; id += 2) {
        for (int i = 0; i < 4; i++) { // was under way before the client saw RST_STREAM
            h2_peer_frame(peer, NGHTTP2_DATA, 0, id, zeros(16000));
        }
        h2_peer_turn(peer);
    }
    assert_true(peer->window - before >= 30 * 4 * 16000 / 2);
    assert_false(peer->has_goaway);
    h2_peer_destroy(peer);
}

// Who sends more than the window allows is cut off.
static void test_content_beyond_the_window(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    peer->handler.holds_content = true;
    h2_peer_headers(peer, 0, 1, "POST /");
    for (int i = 0; i < 5; i++) {
        h2_peer_frame(peer, NGHTTP2_DATA, 0, 1, zeros(16000));
    }
    assert_log(peer, "RST_STREAM 1 FLOW_CONTROL_ERROR\n");
    assert_record(peer, "start POST http a.example/\nclosed protocol\n");
    h2_peer_destroy(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_larger_than_windows),
        cmocka_unit_test(test_window_zero_from_the_start),
        cmocka_unit_test(test_empty_body_in_no_window),
        cmocka_unit_test(test_window_below_zero),
        cmocka_unit_test(test_one_closed_window_holds_up_nobody),
        cmocka_unit_test(test_wide_windows),
        cmocka_unit_test(test_client_that_does_not_read),
        cmocka_unit_test(test_slow_path_gets_small_flushes),
        cmocka_unit_test(test_who_takes_all_at_once_gets_more_at_once),
        cmocka_unit_test(test_drained_is_told_once_per_fullness),
        cmocka_unit_test(test_stream_window_follows_consumption),
        cmocka_unit_test(test_connection_window_comes_back_at_once),
        cmocka_unit_test(test_large_upload),
        cmocka_unit_test(test_ignored_content_costs_no_window),
        cmocka_unit_test(test_content_beyond_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
