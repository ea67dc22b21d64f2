// SPDX-License-Identifier: Apache-2.0
// The HTTP/2 session in memory: the polite end, two GOAWAYs with a round trip between them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "h2_assert.h"

enum { END = NGHTTP2_FLAG_END_STREAM };

static struct exchange *promise(struct exchange *page, const char *path) {
    struct request_head head = {
        .method = SLICE("GET"),
        .scheme = page->request.scheme,
        .authority = page->request.authority,
        .path = slice_of_text(path),
        .is_end = true,
    };
    headers_init(&head.headers, page->arena);
    return exchange_promise(page, &head, (struct priority){2, false});
}

static struct h2_peer *connect_waiting(void) {
    struct h2_peer *peer = connect_raw();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    return peer;
}

static void count_call(void *user) {
    ++*(unsigned *)user;
}

static void answer_ping(struct h2_peer *peer) {
    h2_peer_frame(peer, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, SLICE("outrider"));
}

static void test_drain_of_an_idle_connection(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    unsigned drained = 0;
    front_drain(&peer->front, count_call, &drained);
    assert_log(peer, "GOAWAY 2147483647 NO_ERROR\nPING\n");
    h2_peer_wait(peer, 1000); // nghttp2 answers no PING when it has no streams
    assert_log(peer, "GOAWAY 0 NO_ERROR\n");
    assert_true(fake_conn_is_closing(peer->conn));
    assert_int_equal(drained, 0);
    fake_conn_end(peer->conn);
    fake_conn_turn(peer->conn);
    assert_int_equal(drained, 1);
    h2_peer_destroy(peer);
}

// What runs is finished, in both directions.
static void test_drain_while_streams_run(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    int32_t upload = h2_peer_open(peer, "POST /");
    h2_peer_turn(peer);
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    struct exchange *download = peer->handler.x;
    front_drain(&peer->front, NULL, NULL);
    assert_log(peer, "GOAWAY 2147483647 NO_ERROR\nPING\nGOAWAY 3 NO_ERROR\n");
    assert_false(h2_peer_is_closed(peer));
    peer->handler.big_bytes = 200000;
    fake_handler_answer(&peer->handler, download);
    assert_log(peer, "HEADERS 3 200\nDATA 3 200000 end\n");
    peer->handler.answer = FAKE_ANSWER_AT_END;
    peer->handler.big_bytes = 0;
    h2_peer_send(peer, upload, SLICE("the rest"), true);
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    assert_int_equal(peer->handler.closed, 2);
    assert_true(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

// Requests that were under way when the first GOAWAY left are served, later ones are not.
static void test_requests_during_drain(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    front_drain(&peer->front, NULL, NULL);
    assert_log(peer, "GOAWAY 2147483647 NO_ERROR\nPING\n");
    h2_peer_headers(peer, END, 1, "GET /under-way");
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_headers(peer, END, 3, "GET /slow");
    answer_ping(peer);
    assert_log(peer, "GOAWAY 3 NO_ERROR\n");
    h2_peer_headers(peer, 0, 5, "POST /too-late");
    h2_peer_frame(peer, NGHTTP2_DATA, END, 5, SLICE("content"));
    assert_log(peer, "");
    fake_handler_answer(&peer->handler, peer->handler.x);
    assert_log(peer, "HEADERS 3 200\nDATA 3 5 end\n");
    assert_int_equal(peer->handler.started, 2);
    assert_true(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

static void test_drain_without_answer_to_ping(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    front_drain(&peer->front, NULL, NULL);
    assert_log(peer, "GOAWAY 2147483647 NO_ERROR\nPING\n");
    h2_peer_wait(peer, 900);
    assert_log(peer, "");
    h2_peer_wait(peer, 200);
    assert_log(peer, "GOAWAY 0 NO_ERROR\n");
    assert_true(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

// A request in between does not put the end off.
static void test_drain_ends_with_new_requests(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    front_drain(&peer->front, NULL, NULL);
    h2_peer_turn(peer);
    h2_peer_wait(peer, 500);
    h2_peer_headers(peer, END, 1, "GET /");
    h2_peer_wait(peer, 600);
    assert_log(peer, "GOAWAY 2147483647 NO_ERROR\nPING\nHEADERS 1 200\nDATA 1 5 end\n"
                     "GOAWAY 1 NO_ERROR\n");
    assert_true(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

static void test_drain_before_settings(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct h2_peer *peer = h2_peer_create();
        peer->conn = fake_conn_create(&peer->loop);
        front_accept(&peer->front, peer->conn);
        fake_conn_turn(peer->conn);
        h2_peer_bytes(peer,
                      slice_first(SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), i == 0 ? 5 : 24));
        h2_peer_turn(peer);
        front_drain(&peer->front, NULL, NULL);
        h2_peer_wait(peer, 2000);
        assert_true(h2_peer_is_closed(peer));
        h2_peer_destroy(peer);
    }
}

// What was promised is kept, nothing new is promised.
static void test_promises_during_drain(void **state) {
    (void)state;
    struct h2_peer *peer = connect_waiting();
    h2_peer_headers(peer, END, 1, "GET /page");
    h2_peer_turn(peer);
    struct exchange *page = peer->handler.x;
    struct exchange *pushed = promise(page, "/a.css");
    front_drain(&peer->front, NULL, NULL);
    assert_int_equal(exchange_promise_room(page), 0);
    answer_ping(peer);
    fake_handler_answer(&peer->handler, page);
    assert_log(peer, "PUSH_PROMISE 1 2 /a.css\nGOAWAY 2147483647 NO_ERROR\nPING\n"
                     "HEADERS 1 200\nDATA 1 5 end\n");
    h2_peer_wait(peer, 5000);
    assert_false(h2_peer_is_closed(peer));
    fake_handler_answer(&peer->handler, pushed);
    assert_log(peer, "HEADERS 2 200\nDATA 2 5 end\n");
    h2_peer_wait(peer, 3000);
    assert_log(peer, "GOAWAY 1 NO_ERROR\n");
    assert_true(h2_peer_is_closed(peer));
    assert_int_equal(peer->handler.closed, 2);
    h2_peer_destroy(peer);
}

static void test_abort_after_drain(void **state) {
    (void)state;
    struct h2_peer *peer = connect_waiting();
    h2_peer_headers(peer, END, 1, "GET /slow");
    h2_peer_turn(peer);
    front_drain(&peer->front, NULL, NULL);
    h2_peer_turn(peer);
    front_abort_all(&peer->front);
    assert_true(fake_conn_is_aborted(peer->conn));
    fake_conn_end(peer->conn);
    assert_record(peer, "start GET http a.example/slow\nclosed draining\n");
    h2_peer_destroy(peer);
}

// nghttp2 before 1.61 aborts here if it is the one that reads PRIORITY_UPDATE.
static void test_drain_with_priorities_told_beforehand(void **state) {
    (void)state;
    struct h2_peer *peer = connect_waiting();
    h2_peer_update_priority(peer, 1, "u=1");
    h2_peer_headers(peer, END, 1, "GET /");
    h2_peer_update_priority(peer, 3, "u=2");
    front_drain(&peer->front, NULL, NULL);
    assert_log(peer, "GOAWAY 2147483647 NO_ERROR\nPING\n");
    answer_ping(peer);
    h2_peer_headers(peer, END, 3, "GET /too-late"); // in the same turn
    assert_log(peer, "GOAWAY 1 NO_ERROR\n");
    h2_peer_destroy(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drain_of_an_idle_connection),
        cmocka_unit_test(test_drain_while_streams_run),
        cmocka_unit_test(test_requests_during_drain),
        cmocka_unit_test(test_drain_without_answer_to_ping),
        cmocka_unit_test(test_drain_ends_with_new_requests),
        cmocka_unit_test(test_drain_before_settings),
        cmocka_unit_test(test_promises_during_drain),
        cmocka_unit_test(test_abort_after_drain),
        cmocka_unit_test(test_drain_with_priorities_told_beforehand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
