// SPDX-License-Identifier: Apache-2.0
// The HTTP/2 session in memory: requests and responses. What else there is to test of it stands in
// the other test_h2_*.c.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "h2_assert.h"

// --- whole requests -----------------------------------------------------------------------------

static void test_get(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    int32_t id = h2_peer_request(peer, "GET /path?query\naccept: text/html");
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    assert_record(peer, "start GET http a.example/path?query\nclosed none\n");
    struct h2_peer_stream *stream = h2_peer_stream(peer, id);
    assert_text(&stream->head, "content-type: text/plain\ncontent-length: 5\n");
    assert_text(&stream->body, "hello");
    h2_peer_destroy(peer);
}

static void test_announced_settings(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    assert_int_equal(peer->settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS], 100);
    assert_int_equal(peer->settings[NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE], 64 * 1024);
    assert_int_equal(peer->settings[NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES], 1);
    assert_int_equal(peer->window, 1024 * 1024 - 65535);
    h2_peer_destroy(peer);
}

static void test_post(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    int32_t id = h2_peer_open(peer, "POST /form\ncontent-length: 9");
    assert_log(peer, "");
    assert_record(peer, "start POST http a.example/form\n");
    h2_peer_send(peer, id, SLICE("abc"), false);
    h2_peer_turn(peer);
    assert_text(&peer->handler.content, "abc");
    h2_peer_send(peer, id, SLICE("defghi"), true);
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    assert_record(peer, "end\nclosed none\n");
    assert_text(&peer->handler.content, "abcdefghi");
    h2_peer_destroy(peer);
}

static void test_post_without_content(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    int32_t id = h2_peer_open(peer, "POST /form");
    h2_peer_send(peer, id, SLICE_EMPTY, true);
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    assert_record(peer, "start POST http a.example/form\nend\nclosed none\n");
    h2_peer_destroy(peer);
}

static void test_head(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    h2_peer_request(peer, "HEAD /");
    assert_log(peer, "HEADERS 1 200\nDATA 1 0 end\n");
    assert_record(peer, "start HEAD http a.example/\nclosed none\n");
    h2_peer_destroy(peer);
}

// A head that nothing follows ends the stream itself.
static void test_head_alone(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    struct exchange *x = peer->handler.x;
    struct response_head head = {.status = 304, .is_end = true};
    headers_init(&head.headers, x->arena);
    exchange_send_head(x, &head);
    exchange_finish(x, NULL);
    assert_log(peer, "HEADERS 1 304 end\n");
    assert_record(peer, "start GET http a.example/\nclosed none\n");
    h2_peer_destroy(peer);
}

static void test_many_at_once(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    for (int i = 0; i < 100; i++) {
        h2_peer_request(peer, "GET /");
    }
    h2_peer_turn(peer);
    assert_int_equal(peer->handler.closed, 100);
    for (int32_t id = 1; id < 200; id += 2) {
        assert_text(&h2_peer_stream(peer, id)->body, "hello");
        assert_true(h2_peer_stream(peer, id)->has_ended);
    }
    h2_peer_destroy(peer);
}

// Whatever the pieces in which the bytes come.
static void test_byte_by_byte(void **state) {
    (void)state;
    struct h2_peer *peer = h2_peer_create();
    h2_peer_connect(peer, NULL, 0);
    fake_conn_set_piece(peer->conn, 1);
    fake_conn_set_limit(peer->conn, 1);
    int32_t id = h2_peer_open(peer, "POST /slow\nx-a: b");
    h2_peer_send(peer, id, SLICE("content"), false);
    h2_peer_end_with(peer, id, "x-sum: 1");
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    assert_record(peer, "start POST http a.example/slow\nend x-sum=1\nclosed none\n");
    assert_text(&peer->handler.content, "content");
    h2_peer_destroy(peer);
}

static void test_no_authority_no_service(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    h2_peer_request(peer, ":method: GET\n:scheme: http\n:path: /");
    assert_log(peer, "RST_STREAM 1 PROTOCOL_ERROR\n");
    assert_record(peer, "");
    h2_peer_destroy(peer);
}

static void test_other_host_over_tls(void **state) {
    (void)state;
    struct h2_peer *peer = h2_peer_create();
    peer->conn = fake_conn_create(&peer->loop);
    fake_conn_set_tls(peer->conn, "h2", "b.example");
    fake_conn_set_covered(peer->conn, "b.example c.example");
    h2_peer_attach(peer, NULL, 0);
    h2_peer_request(peer, ":method: GET\n:scheme: https\n:authority: b.example\n:path: /");
    h2_peer_request(peer, ":method: GET\n:scheme: https\n:authority: c.example:8443\n:path: /");
    h2_peer_request(peer, ":method: GET\n:scheme: https\n:authority: d.example\n:path: /");
    h2_peer_turn(peer);
    assert_int_equal(h2_peer_stream(peer, 1)->status, 200);
    assert_int_equal(h2_peer_stream(peer, 3)->status, 200);
    assert_int_equal(h2_peer_stream(peer, 5)->status, 421);
    assert_true(fake_conn_has_ticket(peer->conn));
    h2_peer_destroy(peer);
}

// A client can't make the origin believe that it came without TLS.
static void test_the_scheme_is_what_it_came_by(void **state) {
    (void)state;
    struct h2_peer *peer = h2_peer_create();
    peer->conn = fake_conn_create(&peer->loop);
    fake_conn_set_tls(peer->conn, "h2", "b.example");
    h2_peer_attach(peer, NULL, 0);
    h2_peer_request(peer, ":method: GET\n:scheme: http\n:authority: b.example\n:path: /");
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    assert_record(peer, "start GET https b.example/\nclosed none\n");
    h2_peer_destroy(peer);
}

// --- trailers and interim responses --------------------------------------------------------------

static void test_request_trailers(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    int32_t id = h2_peer_open(peer, "POST /");
    h2_peer_send(peer, id, SLICE("abc"), false);
    h2_peer_turn(peer);
    h2_peer_end_with(peer, id, "x-checksum: 17\nx-other: yes");
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    assert_record(peer, "start POST http a.example/\nend x-checksum=17 x-other=yes\nclosed none\n");
    h2_peer_destroy(peer);
}

// The trailers need not live longer than the call.
static void test_response_trailers(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    struct exchange *x = peer->handler.x;
    fake_handler_send_head(x, 200, BODY_UNKNOWN);
    exchange_send_body(x, SLICE("content"));
    assert_log(peer, "HEADERS 1 200\nDATA 1 7\n");
    struct arena *arena = arena_create();
    struct headers trailers;
    headers_init(&trailers, arena);
    headers_add(&trailers, SLICE("X-Checksum"), SLICE("17"));
    headers_add(&trailers, SLICE("server-timing"), SLICE("a, b"));
    exchange_finish(x, &trailers);
    arena_destroy(arena);
    assert_log(peer, "HEADERS 1 trailers end\n");
    assert_text(&h2_peer_stream(peer, 1)->trailers, "x-checksum: 17\nserver-timing: a, b\n");
    assert_record(peer, "start GET http a.example/\nclosed none\n");
    h2_peer_destroy(peer);
}

static void send_interim(struct exchange *x, int status, const char *link) {
    struct response_head head = {.status = status};
    headers_init(&head.headers, x->arena);
    if (link != NULL) {
        headers_add_id(&head.headers, HEADER_LINK, slice_of_text(link));
    }
    exchange_send_interim(x, &head);
}

static void test_interim(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    send_interim(peer->handler.x, 103, "</a>");
    assert_log(peer, "HEADERS 1 103\n");
    send_interim(peer->handler.x, 102, NULL);
    send_interim(peer->handler.x, 103, "</b>");
    fake_handler_answer(&peer->handler, peer->handler.x);
    assert_log(peer, "HEADERS 1 102\nHEADERS 1 103\nHEADERS 1 200\nDATA 1 5 end\n");
    struct h2_peer_stream *stream = h2_peer_stream(peer, 1);
    assert_text(&stream->interim,
                ":status: 103\nlink: </a>\n:status: 102\n:status: 103\nlink: </b>\n");
    assert_text(&stream->head, "content-type: text/plain\ncontent-length: 5\n");
    h2_peer_destroy(peer);
}

static void test_continue(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    int32_t id = h2_peer_open(peer, "POST /\nexpect: 100-continue");
    assert_log(peer, "HEADERS 1 100\n");
    h2_peer_send(peer, id, SLICE("abc"), true);
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    h2_peer_destroy(peer);
}

// No content is asked for when the answer is there already, and none when none comes.
static void test_no_continue(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.answer = FAKE_ANSWER_AT_START;
    h2_peer_open(peer, "POST /\nexpect: 100-continue");
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\nRST_STREAM 1 NO_ERROR\n");
    h2_peer_request(peer, "GET /\nexpect: 100-continue");
    assert_log(peer, "HEADERS 3 200\nDATA 3 5 end\n");
    h2_peer_destroy(peer);
}

// --- responses that end early or badly -----------------------------------------------------------

static void test_early_response(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    int32_t id = h2_peer_open(peer, "POST /");
    h2_peer_send(peer, id, SLICE("abc"), false);
    assert_log(peer, "");
    fake_handler_answer(&peer->handler, peer->handler.x);
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\nRST_STREAM 1 NO_ERROR\n");
    assert_record(peer, "start POST http a.example/\nclosed none\n");
    h2_peer_destroy(peer);
}

static void test_fail_before_head(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.fail_with = FAULT_ORIGIN_REFUSED;
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    struct h2_peer_stream *stream = h2_peer_stream(peer, 1);
    assert_int_equal(stream->status, 502);
    assert_text(&stream->body, "502: the origin refused the connection\n");
    assert_true(stream->has_ended);
    assert_record(peer, "start GET http a.example/\nclosed origin_refused\n");
    h2_peer_destroy(peer);
}

// Content that is cut short is never presented as complete.
static void test_fail_after_head(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    fake_handler_send_head(peer->handler.x, 200, 100);
    exchange_send_body(peer->handler.x, SLICE("part"));
    assert_log(peer, "HEADERS 1 200\nDATA 1 4\n");
    exchange_fail(peer->handler.x, FAULT_ORIGIN_CUT);
    assert_log(peer, "RST_STREAM 1 INTERNAL_ERROR\n");
    assert_false(h2_peer_stream(peer, 1)->has_ended);
    assert_record(peer, "start GET http a.example/\nclosed origin_cut\n");
    h2_peer_request(peer, "GET /next");
    peer->handler.answer = FAKE_ANSWER_AT_END;
    assert_log(peer, "HEADERS 3 200\nDATA 3 5 end\n");
    h2_peer_destroy(peer);
}

// All in one turn: what was given before the failure may be lost, the end may not be invented.
static void test_fail_in_the_same_turn(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    fake_handler_send_head(peer->handler.x, 200, 100);
    exchange_send_body(peer->handler.x, SLICE("part"));
    exchange_fail(peer->handler.x, FAULT_ORIGIN_CUT);
    h2_peer_turn(peer);
    assert_true(h2_peer_stream(peer, 1)->was_reset);
    assert_int_equal(h2_peer_stream(peer, 1)->error_code, NGHTTP2_INTERNAL_ERROR);
    assert_false(h2_peer_stream(peer, 1)->has_ended);
    assert_record(peer, "start GET http a.example/\nclosed origin_cut\n");
    h2_peer_destroy(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_announced_settings),
        cmocka_unit_test(test_post),
        cmocka_unit_test(test_post_without_content),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_head_alone),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_no_authority_no_service),
        cmocka_unit_test(test_other_host_over_tls),
        cmocka_unit_test(test_the_scheme_is_what_it_came_by),
        cmocka_unit_test(test_request_trailers),
        cmocka_unit_test(test_response_trailers),
        cmocka_unit_test(test_interim),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_no_continue),
        cmocka_unit_test(test_early_response),
        cmocka_unit_test(test_fail_before_head),
        cmocka_unit_test(test_fail_after_head),
        cmocka_unit_test(test_fail_in_the_same_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
