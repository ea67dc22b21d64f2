// SPDX-License-Identifier: Apache-2.0
// While memory is full nothing new begins, and what runs goes on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "front/h1_session.h"
#include "h2_assert.h"

enum { END = NGHTTP2_FLAG_END_STREAM };

static struct memory_gauge gauge;

static struct h2_peer *connect_at(enum memory_level level) {
    struct h2_peer *peer = connect_peer();
    memory_gauge_set(&gauge, level);
    peer->front.memory = &gauge;
    h2_peer_turn(peer);
    h2_peer_log(peer);
    return peer;
}

static void test_streams_are_refused(void **state) {
    (void)state;
    struct h2_peer *peer = connect_at(MEMORY_SHORT);
    peer->handler.answer = FAKE_ANSWER_NEVER;
    int32_t running = h2_peer_request(peer, "GET /running");
    assert_log(peer, "");
    struct exchange *x = peer->handler.x;
    memory_gauge_set(&gauge, MEMORY_FULL);
    int32_t refused = h2_peer_request(peer, "GET /refused");
    assert_log(peer, "RST_STREAM 3 REFUSED_STREAM\n");
    assert_int_equal(h2_peer_stream(peer, refused)->error_code, NGHTTP2_REFUSED_STREAM);
    assert_int_equal(peer->handler.started, 1);

    fake_handler_answer(&peer->handler, x); // what had begun ends well
    h2_peer_turn(peer);
    assert_int_equal(h2_peer_stream(peer, running)->status, 200);
    assert_true(h2_peer_stream(peer, running)->has_ended);

    memory_gauge_set(&gauge, MEMORY_SHORT); // below full all is served
    peer->handler.answer = FAKE_ANSWER_AT_START;
    int32_t next = h2_peer_request(peer, "GET /next");
    h2_peer_turn(peer);
    assert_int_equal(h2_peer_stream(peer, next)->status, 200);
    assert_false(peer->has_goaway);
    h2_peer_destroy(peer);
}

// The rest of a refused request is not wanted, and not held against the client.
static void test_content_of_refused_streams_is_dropped(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    memory_gauge_set(&gauge, MEMORY_FULL);
    peer->front.memory = &gauge;
    for (int32_t id = 1; id < 400; id += 2) {
        h2_peer_headers(peer, 0, id, "POST /refused");
        h2_peer_frame(peer, NGHTTP2_DATA, 0, id, SLICE("before the answer is out"));
        h2_peer_turn(peer);
        assert_int_equal(h2_peer_stream(peer, id)->error_code, NGHTTP2_REFUSED_STREAM);
        h2_peer_frame(peer, NGHTTP2_DATA, END, id, SLICE("on its way when it came"));
    }
    h2_peer_turn(peer);
    assert_false(peer->has_goaway);
    assert_int_equal(peer->handler.started, 0);
    memory_gauge_set(&gauge, MEMORY_PLENTY);
    h2_peer_headers(peer, END, 401, "GET /next");
    h2_peer_turn(peer);
    assert_int_equal(h2_peer_stream(peer, 401)->status, 200);
    h2_peer_destroy(peer);
}

// Nobody is told that it may come again with a request that is no good.
static void test_malformed_requests_are_that_first(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    memory_gauge_set(&gauge, MEMORY_FULL);
    peer->front.memory = &gauge;
    peer->front.limits.field_bytes = 40;
    h2_peer_headers(peer, END, 1, "GET /\nx-a: 0123456789012345678901234567890123456789");
    h2_peer_turn(peer);
    assert_int_equal(h2_peer_stream(peer, 1)->status, 431);
    h2_peer_destroy(peer);
}

static void feed(struct conn *conn, const char *text) {
    fake_conn_feed(conn, slice_of_text(text));
    for (int i = 0; i < 5; i++) {
        fake_conn_turn(conn);
    }
}

static void test_http1_is_answered(void **state) {
    (void)state;
    struct h2_peer *peer = connect_at(MEMORY_PLENTY); // lends its loop, front and handler
    struct conn *conn = fake_conn_create(&peer->loop);
    h1_session_create(&peer->front, conn, SLICE_EMPTY);
    feed(conn, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
    struct buffer *taken = fake_conn_taken(conn);
    assert_true(slice_starts_with(buffer_peek(taken), SLICE("HTTP/1.1 200 ")));
    buffer_consume(taken, buffer_length(taken));

    memory_gauge_set(&gauge, MEMORY_FULL);
    feed(conn, "POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    buffer_append(taken, "", 1);
    const char *text = buffer_peek(taken).data;
    assert_non_null(strstr(text, "HTTP/1.1 503 "));
    assert_non_null(strcasestr(text, "\r\nretry-after: 1\r\n"));
    assert_non_null(strcasestr(text, "\r\nconnection: close\r\n"));
    assert_true(fake_conn_is_closing(conn));
    assert_int_equal(peer->handler.started, 1);
    fake_conn_destroy(conn);
    h2_peer_destroy(peer);
}

static bool is_accepted(struct h2_peer *peer, bool is_tls) {
    struct conn *conn = fake_conn_create(&peer->loop);
    if (is_tls) {
        fake_conn_set_tls(conn, "h2", "a.example");
    }
    front_accept(&peer->front, conn);
    bool is_accepted = !fake_conn_is_aborted(conn);
    fake_conn_destroy(conn);
    return is_accepted;
}

static void test_handshakes_are_not_begun(void **state) {
    (void)state;
    struct h2_peer *peer = connect_at(MEMORY_SHORT);
    peer->front.limits.connections = 10;
    assert_true(is_accepted(peer, true));
    memory_gauge_set(&gauge, MEMORY_FULL);
    assert_false(is_accepted(peer, true));
    assert_true(is_accepted(peer, false)); // costs little, and is told what is the matter
    memory_gauge_set(&gauge, MEMORY_SHORT);
    assert_true(is_accepted(peer, true));
    h2_peer_destroy(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_are_refused),
        cmocka_unit_test(test_content_of_refused_streams_is_dropped),
        cmocka_unit_test(test_malformed_requests_are_that_first),
        cmocka_unit_test(test_http1_is_answered),
        cmocka_unit_test(test_handshakes_are_not_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
