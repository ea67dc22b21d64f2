// SPDX-License-Identifier: Apache-2.0
// The HTTP/2 session in memory: how streams and connections end. Whatever happens, each exchange
// that was started is closed once; fake_handler_finish and the sanitizers check it for every test.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

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

static void send_interim(struct exchange *x) {
    struct response_head head = {.status = 103};
    headers_init(&head.headers, x->arena);
    exchange_send_interim(x, &head);
}

static struct h2_peer *connect_waiting(void) {
    struct h2_peer *peer = connect_raw();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    return peer;
}

// --- the client gives up a request ------------------------------------------------------------

static void begin_request(struct h2_peer *peer) {
    h2_peer_headers(peer, 0, 1, "POST /");
}

static void begin_content(struct h2_peer *peer) {
    begin_request(peer);
    h2_peer_frame(peer, NGHTTP2_DATA, 0, 1, SLICE("content"));
}

static void hold_content(struct h2_peer *peer) {
    peer->handler.holds_content = true;
    begin_content(peer);
}

static void complete_request(struct h2_peer *peer) {
    h2_peer_headers(peer, END, 1, "GET /");
    h2_peer_turn(peer);
}

static void answer_interim(struct h2_peer *peer) {
    complete_request(peer);
    send_interim(peer->handler.x);
}

static void answer_head(struct h2_peer *peer) {
    complete_request(peer);
    fake_handler_send_head(peer->handler.x, 200, BODY_UNKNOWN);
}

static void answer_part(struct h2_peer *peer) {
    answer_head(peer);
    exchange_send_body(peer->handler.x, SLICE("part"));
}

static void answer_more_than_the_window(struct h2_peer *peer) {
    peer->handler.big_bytes = 1000000;
    complete_request(peer);
    fake_handler_answer(&peer->handler, peer->handler.x);
}

static void answer_during_the_request(struct h2_peer *peer) {
    begin_content(peer);
    fake_handler_send_head(peer->handler.x, 200, BODY_UNKNOWN);
    exchange_send_body(peer->handler.x, SLICE("part"));
}

static void fail_in_the_same_turn(struct h2_peer *peer) {
    answer_part(peer);
    h2_peer_turn(peer);
    exchange_fail(peer->handler.x, FAULT_ORIGIN_CUT);
}

static const struct {
    void (*prepare)(struct h2_peer *peer);
    const char *fault;
} resets[] = {
    {begin_request, "client_reset"},
    {begin_content, "client_reset"},
    {hold_content, "client_reset"},
    {complete_request, "client_reset"},
    {answer_interim, "client_reset"},
    {answer_head, "client_reset"},
    {answer_part, "client_reset"},
    {answer_more_than_the_window, "client_reset"},
    {answer_during_the_request, "client_reset"},
    {fail_in_the_same_turn, "origin_cut"},
};

// With what stands in the queues already sent, and with it still there.
static void test_reset_by_the_client(void **state) {
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(resets) / sizeof(resets[0]); i++) {
        struct h2_peer *peer = connect_waiting();
        resets[i / 2].prepare(peer);
        if (i % 2 == 0 && resets[i / 2].prepare != fail_in_the_same_turn) {
            h2_peer_turn(peer);
        }
        char expected[64];
        snprintf(expected, sizeof(expected), "closed %s\n", resets[i / 2].fault);
        fake_handler_record(&peer->handler);
        h2_peer_frame(peer, NGHTTP2_RST_STREAM, 0, 1, slice_of("\0\0\0\x08", 4));
        h2_peer_turn(peer);
        assert_record(peer, expected);
        assert_false(h2_peer_stream(peer, 1)->has_ended);
        peer->handler.answer = FAKE_ANSWER_AT_END;
        peer->handler.big_bytes = 0;
        h2_peer_headers(peer, END, 3, "GET /next");
        h2_peer_turn(peer);
        assert_int_equal(h2_peer_stream(peer, 3)->status, 200);
        h2_peer_destroy(peer);
    }
}

// NO_ERROR behind a complete response is a client that has all it wanted.
static void test_reset_after_everything(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    h2_peer_headers(peer, END, 1, "GET /");
    h2_peer_turn(peer);
    h2_peer_frame(peer, NGHTTP2_RST_STREAM, 0, 1, slice_of("\0\0\0\0", 4));
    h2_peer_turn(peer);
    assert_record(peer, "start GET http a.example/\nclosed none\n");
    assert_false(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

// --- the connection breaks ---------------------------------------------------------------------

static const struct exchange_handler_ops *plain_ops;

// Promises two for the page, then does what the fake handler does.
static void start_pushing(struct exchange *x, void *user) {
    if (slice_equal(x->request.path, SLICE("/page")) && exchange_promise_room(x) >= 2) {
        promise(x, "/a.css");
        promise(x, "/b.js");
    }
    plain_ops->start(x, user);
}

static void use_pushing_handler(struct h2_peer *peer) {
    static struct exchange_handler_ops ops;
    plain_ops = peer->handler.handler.ops;
    ops = *plain_ops;
    ops.start = start_pushing;
    peer->front.handler.ops = &ops;
    peer->handler.big_bytes = 3000;
}

// What a client says that does a bit of everything; after each mark it hears the answers first.
struct conversation {
    struct buffer bytes;
    size_t marks[10];
    size_t mark_count;
};

static void mark(struct conversation *conversation, struct h2_peer *peer) {
    h2_peer_turn(peer);
    assert_true(conversation->mark_count < sizeof(conversation->marks) / sizeof(size_t));
    conversation->marks[conversation->mark_count++] = buffer_length(&peer->sent);
}

static void record(struct conversation *conversation) {
    struct h2_peer *peer = h2_peer_create();
    use_pushing_handler(peer);
    h2_peer_connect(peer, NULL, 0);
    conversation->marks[conversation->mark_count++] = 24 + 9; // preface and SETTINGS
    mark(conversation, peer);
    h2_peer_request(peer, "GET /page\naccept: text/html");
    int32_t form = h2_peer_open(peer, "POST /form\nexpect: 100-continue");
    h2_peer_update_priority(peer, form, "u=1");
    mark(conversation, peer);
    h2_peer_send(peer, form, SLICE("some content"), false);
    int32_t given_up = h2_peer_open(peer, "PUT /given-up");
    h2_peer_send(peer, given_up, SLICE("begun"), false);
    mark(conversation, peer);
    h2_peer_reset(peer, given_up, NGHTTP2_CANCEL);
    h2_peer_end_with(peer, form, "x-checksum: 17");
    nghttp2_submit_ping(peer->ng, NGHTTP2_FLAG_NONE, NULL);
    h2_peer_request(peer, "GET /page");
    mark(conversation, peer);
    h2_peer_reset(peer, 8, NGHTTP2_CANCEL); // its second push
    h2_peer_request(peer, "HEAD /");
    mark(conversation, peer);
    nghttp2_submit_goaway(peer->ng, NGHTTP2_FLAG_NONE, 6, NGHTTP2_NO_ERROR, NULL, 0);
    mark(conversation, peer);
    assert_int_equal(peer->handler.started, 9);
    h2_peer_wait(peer, 1000);
    assert_true(h2_peer_is_closed(peer));
    buffer_append_slice(&conversation->bytes, buffer_peek(&peer->sent));
    h2_peer_destroy(peer);
}

// Its first `length` bytes.
static void say(struct h2_peer *peer, const struct conversation *conversation, size_t length) {
    struct slice bytes = slice_first(buffer_peek(&conversation->bytes), length);
    size_t said = 0;
    for (size_t i = 0; i < conversation->mark_count && said < bytes.length; i++) {
        if (i > 0) {
            h2_peer_turn(peer);
        }
        size_t end = conversation->marks[i] < bytes.length ? conversation->marks[i] : bytes.length;
        h2_peer_bytes(peer, slice_of(bytes.data + said, end - said));
        said = end;
    }
    assert_int_equal(said, bytes.length);
}

enum ending { BY_RESET, BY_EOF, BY_RESET_AFTER_EOF, BY_ABORT, ENDING_COUNT };

static void end_connection(struct h2_peer *peer, enum ending ending) {
    switch (ending) {
    case BY_RESET:
        fake_conn_reset(peer->conn, FAULT_CONN_RESET);
        break;
    case BY_EOF:
        fake_conn_eof(peer->conn);
        h2_peer_turn(peer);
        assert_true(h2_peer_is_closed(peer));
        break;
    case BY_RESET_AFTER_EOF:
        fake_conn_eof(peer->conn);
        fake_conn_reset(peer->conn, FAULT_CONN_RESET);
        break;
    case BY_ABORT:
        front_abort_all(&peer->front);
        break;
    case ENDING_COUNT:
        fail();
    }
}

static struct h2_peer *accept_pushing(void) {
    struct h2_peer *peer = h2_peer_create();
    use_pushing_handler(peer);
    peer->conn = fake_conn_create(&peer->loop);
    front_accept(&peer->front, peer->conn);
    fake_conn_turn(peer->conn);
    return peer;
}

// The client's bytes end anywhere, with and without the last answers having been sent.
static void test_cut_at_every_byte(void **state) {
    (void)state;
    struct conversation conversation = {0};
    record(&conversation);
    size_t length = buffer_length(&conversation.bytes);
    assert_in_range(length, 250, 2000);
    for (size_t cut = 0; cut <= length; cut++) {
        for (int ending = 0; ending < ENDING_COUNT; ending++) {
            struct h2_peer *peer = accept_pushing();
            say(peer, &conversation, cut);
            if (cut % 2 == 0) {
                h2_peer_turn(peer);
            }
            end_connection(peer, (enum ending)ending);
            h2_peer_destroy(peer);
        }
    }
    buffer_finish(&conversation.bytes);
}

// The kernel takes our bytes in small pieces, and the connection breaks after any of them.
static void test_cut_while_answering(void **state) {
    (void)state;
    struct conversation conversation = {0};
    record(&conversation);
    for (unsigned turns = 0; turns < 400; turns++) {
        struct h2_peer *peer = accept_pushing();
        say(peer, &conversation, conversation.marks[3]);
        fake_conn_set_limit(peer->conn, 97);
        h2_peer_bytes(peer, slice_of(buffer_peek(&conversation.bytes).data + conversation.marks[3],
                                     conversation.marks[4] - conversation.marks[3]));
        for (unsigned i = 0; i < turns; i++) {
            fake_conn_turn(peer->conn);
        }
        fake_conn_reset(peer->conn, FAULT_CONN_RESET);
        h2_peer_destroy(peer);
    }
    buffer_finish(&conversation.bytes);
}

// The same conversation in pieces of every small size has the same outcome.
static void test_pieces_of_every_size(void **state) {
    (void)state;
    struct conversation conversation = {0};
    record(&conversation);
    for (size_t piece = 1; piece < 80; piece++) {
        struct h2_peer *peer = accept_pushing();
        fake_conn_set_piece(peer->conn, piece);
        say(peer, &conversation, SIZE_MAX);
        h2_peer_turn(peer);
        assert_int_equal(peer->handler.started, 9);
        assert_int_equal(peer->handler.closed, 9);
        for (int32_t id = 1; id <= 4; id++) {
            assert_int_equal(h2_peer_body(peer, id).length, 3000);
        }
        assert_int_equal(h2_peer_body(peer, 7).length, 3000);
        h2_peer_wait(peer, 1000);
        assert_true(h2_peer_is_closed(peer));
        assert_text(&peer->handler.content, "some contentbegun");
        h2_peer_destroy(peer);
    }
    buffer_finish(&conversation.bytes);
}

static void test_client_leaves(void **state) {
    (void)state;
    struct h2_peer *peer = connect_waiting();
    h2_peer_headers(peer, END, 1, "GET /1");
    h2_peer_headers(peer, 0, 3, "POST /2");
    h2_peer_turn(peer);
    fake_conn_eof(peer->conn);
    assert_record(peer, "start GET http a.example/1\nstart POST http a.example/2\n"
                        "closed client_gone\nclosed client_gone\n");
    assert_true(fake_conn_is_closing(peer->conn));
    h2_peer_destroy(peer);
}

static void test_goaway_of_the_client(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    nghttp2_submit_goaway(peer->ng, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
    assert_log(peer, "");
    assert_false(h2_peer_is_closed(peer));
    fake_handler_answer(&peer->handler, peer->handler.x);
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    assert_record(peer, "start GET http a.example/\nclosed none\n");
    assert_true(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

// It had written them before it knew that it would leave.
static void test_requests_behind_a_goaway_are_answered(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    nghttp2_submit_goaway(peer->ng, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
    h2_peer_turn(peer);
    h2_peer_headers(peer, NGHTTP2_FLAG_END_STREAM, 1, "GET /1");
    h2_peer_wait(peer, 900);
    h2_peer_headers(peer, NGHTTP2_FLAG_END_STREAM, 3, "GET /2");
    h2_peer_turn(peer);
    assert_int_equal(peer->handler.started, 2);
    assert_false(h2_peer_is_closed(peer));
    h2_peer_wait(peer, 4000);
    assert_true(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset_by_the_client),
        cmocka_unit_test(test_reset_after_everything),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_cut_while_answering),
        cmocka_unit_test(test_pieces_of_every_size),
        cmocka_unit_test(test_client_leaves),
        cmocka_unit_test(test_goaway_of_the_client),
        cmocka_unit_test(test_requests_behind_a_goaway_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
