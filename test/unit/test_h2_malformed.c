// SPDX-License-Identifier: Apache-2.0
// The HTTP/2 session in memory: requests and frames that no polite client sends.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "h2_assert.h"

enum {
    END = NGHTTP2_FLAG_END_STREAM,
    BLOCK = NGHTTP2_FLAG_END_HEADERS,
};

#define S(text)                                                                                    \
    { text, sizeof(text) - 1 }

// --- fields --------------------------------------------------------------------------------------

enum verdict {
    SERVED,  // reaches the handler
    REFUSED, // 400
    RESET,   // PROTOCOL_ERROR of the stream
};

// One field more than a good request has.
static const struct {
    struct slice name, value;
    enum verdict verdict;
} fields[] = {
    {S("x-a"), S("value"), SERVED},
    {S("x-a"), S(""), SERVED},
    {S("x-a"), S("tab\there"), SERVED},
    {S("x-a"), S("\x80\xff"), SERVED},
    {S("x_a"), S("dropped"), SERVED},
    {S("te"), S("trailers"), SERVED},
    {S("host"), S("a.example"), SERVED},
    {S("host"), S("A.EXAMPLE:80"), SERVED},
    {S("x-a"), S("a\rb"), REFUSED},
    {S("x-a"), S("a\nb"), REFUSED},
    {S("x-a"), S("a\r\nx-b: c"), REFUSED},
    {S("x-a"), S("a\0b"), REFUSED},
    {S("x-a"), S("\0"), REFUSED},
    {S("x-a"), S("a\x7f"), REFUSED},
    {S("x-a"), S("a\x01"), REFUSED},
    {S("x-a"), S(" a"), REFUSED},
    {S("x-a"), S("a\t"), REFUSED},
    {S("x a"), S("b"), REFUSED},
    {S("x-a "), S("b"), REFUSED},
    {S("x-a:"), S("b"), REFUSED},
    {S("x-a: c\r\nx-d"), S("b"), REFUSED},
    {S("x-\0"), S("b"), REFUSED},
    {S("x-\xe4"), S("b"), REFUSED},
    {S("x(a)"), S("b"), REFUSED},
    {S(""), S("b"), REFUSED},
    {S("host"), S("b.example"), REFUSED},
    {S("X-A"), S("b"), RESET},
    {S("x-A"), S("b"), RESET},
    {S("connection"), S("close"), RESET},
    {S("keep-alive"), S("timeout=5"), RESET},
    {S("proxy-connection"), S("close"), RESET},
    {S("transfer-encoding"), S("chunked"), RESET},
    {S("upgrade"), S("websocket"), RESET},
    {S("te"), S("gzip"), RESET},
    {S("content-length"), S("1"), RESET},
    {S("content-length"), S("-1"), RESET},
    {S("content-length"), S("1a"), RESET},
    {S(":path"), S("/twice"), RESET},
    {S(":status"), S("200"), RESET},
    {S(":other"), S("x"), RESET},
};

static void assert_verdict(struct h2_peer *peer, int32_t id, enum verdict verdict, size_t number) {
    h2_peer_turn(peer);
    const struct h2_peer_stream *stream = h2_peer_stream(peer, id);
    enum verdict found = stream->was_reset && stream->error_code == NGHTTP2_PROTOCOL_ERROR ? RESET
                         : stream->status == 400                                           ? REFUSED
                                                                                           : SERVED;
    bool is_started = peer->handler.started > 0;
    if (found != verdict || is_started != (verdict == SERVED) || peer->has_goaway) {
        fail_msg("case %zu: %d, not %d: %s", number, found, verdict, h2_peer_log(peer));
    }
}

// Whatever is in a request, the next one on the connection is served.
static void assert_next_is_served(struct h2_peer *peer, int32_t id) {
    peer->handler.answer = FAKE_ANSWER_AT_END;
    h2_peer_headers(peer, END, id, "GET /next");
    h2_peer_turn(peer);
    assert_int_equal(h2_peer_stream(peer, id)->status, 200);
    assert_true(h2_peer_stream(peer, id)->has_ended);
}

static void test_fields(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct h2_peer *peer = connect_raw();
        struct buffer block = {0};
        h2_peer_add_request(&block, "GET", "/");
        h2_peer_add_field(&block, fields[i].name, fields[i].value);
        h2_peer_block(peer, END, 1, buffer_peek(&block));
        assert_verdict(peer, 1, fields[i].verdict, i);
        assert_next_is_served(peer, 3);
        buffer_finish(&block);
        h2_peer_destroy(peer);
    }
}

static const struct {
    const char *text;
    enum verdict verdict;
} heads[] = {
    {"GET /", SERVED},
    {"GET /%7e?a=b&c", SERVED},
    {"OPTIONS *", SERVED},
    {":scheme: http\n:authority: a.example\n:path: /", RESET},
    {":method: GET\n:authority: a.example\n:path: /", RESET},
    {":method: GET\n:scheme: http\n:authority: a.example", RESET},
    {":method: GET\n:scheme: http\n:authority: a.example\n:path: ", RESET},
    {":method: \n:scheme: http\n:authority: a.example\n:path: /", RESET},
    {":method: GET\n:scheme: http\n:authority: a.example\n:path: a", RESET},
    {":method: GET\n:scheme: http\n:authority: a.example\n:path: *", RESET},
    {":method: GET\n:scheme: http\n:authority: a.example\nx-a: b\n:path: /", RESET},
    {":method: GET\n:scheme: http\n:authority: a example\n:path: /", RESET},
    {":method: G T\n:scheme: http\n:authority: a.example\n:path: /", RESET},
    {":method: GET\n:scheme: http\n:authority: a.example\n:path: /a b", RESET},
    {":method: GET\n:scheme: http\n:authority: a.example\n:path: /a\tb", RESET},
    {":method: GET\n:scheme: http\n:authority: u@a.example\n:path: /", REFUSED},
    {":method: GET\n:scheme: http\n:authority: a.example,b\n:path: /", REFUSED},
    {":method: GET\n:scheme: http\n:authority: a.example\n:path: /#fragment", REFUSED},
    {":method: GET\n:scheme: http\n:authority: a.example\n:path: /a\\b", REFUSED},
    {":method: GET\n:scheme: http\n:authority: a.example\n:path: /\xc3\xa4", REFUSED},
    {":method: GET\n:scheme: http\n:path: /\nhost: a.example", SERVED},
};

static void test_heads(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct h2_peer *peer = connect_raw();
        h2_peer_headers(peer, END, 1, heads[i].text);
        assert_verdict(peer, 1, heads[i].verdict, i);
        assert_next_is_served(peer, 3);
        h2_peer_destroy(peer);
    }
}

static void test_connect_is_not_implemented(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    h2_peer_headers(peer, 0, 1, ":method: CONNECT\n:authority: a.example:443");
    h2_peer_turn(peer);
    assert_int_equal(h2_peer_stream(peer, 1)->status, 501);
    assert_true(h2_peer_stream(peer, 1)->has_ended);
    assert_int_equal(peer->handler.started, 0);
    h2_peer_destroy(peer);
}

static void test_bad_trailers(void **state) {
    (void)state;
    static const struct {
        struct slice name, value;
        enum verdict verdict;
    } cases[] = {
        {S("x-a"), S("b"), SERVED},  {S("x-a"), S("a\rb"), REFUSED},
        {S("x a"), S("b"), REFUSED}, {S(":path"), S("/"), RESET},
        {S("X-A"), S("b"), RESET},   {S("upgrade"), S("h2c"), RESET},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct h2_peer *peer = connect_raw();
        struct buffer block = {0};
        h2_peer_headers(peer, 0, 1, "POST /");
        h2_peer_add_field(&block, cases[i].name, cases[i].value);
        h2_peer_block(peer, END, 1, buffer_peek(&block));
        h2_peer_turn(peer);
        const struct h2_peer_stream *stream = h2_peer_stream(peer, 1);
        assert_int_equal(stream->was_reset, cases[i].verdict == RESET);
        assert_int_equal(stream->status, cases[i].verdict == SERVED    ? 200
                                         : cases[i].verdict == REFUSED ? 400
                                                                       : 0);
        assert_int_equal(peer->handler.closed, 1);
        assert_next_is_served(peer, 3);
        buffer_finish(&block);
        h2_peer_destroy(peer);
    }
}

// The content had been passed on already: the handler hears that it was not all true.
static void test_content_of_another_length(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct h2_peer *peer = connect_raw();
        h2_peer_headers(peer, 0, 1, "POST /\ncontent-length: 5");
        h2_peer_frame(peer, NGHTTP2_DATA, 0, 1, SLICE("abc"));
        h2_peer_frame(peer, NGHTTP2_DATA, END, 1, i == 0 ? SLICE("d") : SLICE("def"));
        assert_log(peer, "RST_STREAM 1 PROTOCOL_ERROR\n");
        assert_record(peer, "start POST http a.example/\nclosed protocol\n");
        assert_next_is_served(peer, 3);
        h2_peer_destroy(peer);
    }
}

// --- frames at the wrong time (RFC 9113 section 5.1) ---------------------------------------------

// What state stream 1 is in.
enum situation {
    IDLE,
    OPEN,            // no END_STREAM of either side
    HALF_CLOSED,     // the client has ended, we answer later
    CLOSED,          // both have ended
    RESET_BY_CLIENT, // after an unfinished request
    RESET_BY_US,     // after an unfinished request: answered early
    FAILED_BY_US,    // after an unfinished request: INTERNAL_ERROR
    PASSED_OVER,     // stream 5 was opened, 1 and 3 never
};

static struct h2_peer *bring_into(enum situation situation) {
    struct h2_peer *peer = connect_raw();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    uint8_t flags = situation == HALF_CLOSED || situation == CLOSED ? END : 0;
    int32_t id = situation == PASSED_OVER ? 5 : 1;
    if (situation != IDLE) {
        h2_peer_headers(peer, flags, id, "POST /");
        h2_peer_turn(peer);
    }
    if (situation == CLOSED || situation == RESET_BY_US) {
        fake_handler_answer(&peer->handler, peer->handler.x);
    } else if (situation == FAILED_BY_US) {
        fake_handler_send_head(peer->handler.x, 200, 10);
        exchange_fail(peer->handler.x, FAULT_ORIGIN_CUT);
    } else if (situation == RESET_BY_CLIENT) {
        h2_peer_frame(peer, NGHTTP2_RST_STREAM, 0, 1, slice_of("\0\0\0\x08", 4));
    }
    h2_peer_turn(peer);
    h2_peer_log(peer);
    return peer;
}

static void send_frame(struct h2_peer *peer, uint8_t type, int32_t id) {
    switch ((nghttp2_frame_type)type) {
    case NGHTTP2_HEADERS:
        h2_peer_headers(peer, END, id, "GET /again");
        break;
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_WINDOW_UPDATE:
        h2_peer_frame(peer, type, 0, id, slice_of("\0\0\0\x08", 4));
        break;
    case NGHTTP2_PRIORITY:
        h2_peer_frame(peer, type, 0, id, slice_of("\0\0\0\0\x08", 5));
        break;
    case NGHTTP2_DATA:
    case NGHTTP2_CONTINUATION:
        h2_peer_frame(peer, type, type == NGHTTP2_DATA ? END : BLOCK, id, SLICE("xy"));
        break;
    case NGHTTP2_PUSH_PROMISE:
        h2_peer_frame(peer, type, BLOCK, id, slice_of("\0\0\0\x02", 4));
        break;
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PING:
    case NGHTTP2_GOAWAY:
    case NGHTTP2_ALTSVC:
    case NGHTTP2_ORIGIN:
    case NGHTTP2_PRIORITY_UPDATE:
        fail();
    }
}

// error_code: of GOAWAY; NO_ERROR: the connection goes on.
static const struct {
    enum situation situation;
    uint8_t type;
    int32_t id;
    uint32_t error_code;
} frames[] = {
    {IDLE, NGHTTP2_DATA, 1, NGHTTP2_PROTOCOL_ERROR},
    {IDLE, NGHTTP2_RST_STREAM, 1, NGHTTP2_PROTOCOL_ERROR},
    {IDLE, NGHTTP2_WINDOW_UPDATE, 1, NGHTTP2_PROTOCOL_ERROR},
    {IDLE, NGHTTP2_CONTINUATION, 1, NGHTTP2_PROTOCOL_ERROR},
    {IDLE, NGHTTP2_PUSH_PROMISE, 1, NGHTTP2_PROTOCOL_ERROR},
    {IDLE, NGHTTP2_HEADERS, 2, NGHTTP2_PROTOCOL_ERROR},
    {IDLE, NGHTTP2_HEADERS, 0, NGHTTP2_PROTOCOL_ERROR},
    {IDLE, NGHTTP2_DATA, 0, NGHTTP2_PROTOCOL_ERROR},
    {IDLE, NGHTTP2_PRIORITY, 1, NGHTTP2_NO_ERROR},
    {OPEN, NGHTTP2_DATA, 1, NGHTTP2_NO_ERROR},
    {OPEN, NGHTTP2_WINDOW_UPDATE, 1, NGHTTP2_NO_ERROR},
    {OPEN, NGHTTP2_RST_STREAM, 1, NGHTTP2_NO_ERROR},
    {OPEN, NGHTTP2_PUSH_PROMISE, 1, NGHTTP2_PROTOCOL_ERROR},
    {HALF_CLOSED, NGHTTP2_DATA, 1, NGHTTP2_STREAM_CLOSED},
    {HALF_CLOSED, NGHTTP2_HEADERS, 1, NGHTTP2_STREAM_CLOSED},
    {HALF_CLOSED, NGHTTP2_CONTINUATION, 1, NGHTTP2_PROTOCOL_ERROR},
    {HALF_CLOSED, NGHTTP2_WINDOW_UPDATE, 1, NGHTTP2_NO_ERROR},
    {HALF_CLOSED, NGHTTP2_PRIORITY, 1, NGHTTP2_NO_ERROR},
    {HALF_CLOSED, NGHTTP2_RST_STREAM, 1, NGHTTP2_NO_ERROR},
    {CLOSED, NGHTTP2_DATA, 1, NGHTTP2_STREAM_CLOSED},
    {CLOSED, NGHTTP2_HEADERS, 1, NGHTTP2_STREAM_CLOSED},
    {CLOSED, NGHTTP2_CONTINUATION, 1, NGHTTP2_PROTOCOL_ERROR},
    {CLOSED, NGHTTP2_WINDOW_UPDATE, 1, NGHTTP2_NO_ERROR},
    {CLOSED, NGHTTP2_RST_STREAM, 1, NGHTTP2_NO_ERROR},
    {CLOSED, NGHTTP2_PRIORITY, 1, NGHTTP2_NO_ERROR},
    {RESET_BY_CLIENT, NGHTTP2_DATA, 1, NGHTTP2_STREAM_CLOSED},
    {RESET_BY_CLIENT, NGHTTP2_HEADERS, 1, NGHTTP2_STREAM_CLOSED},
    {RESET_BY_CLIENT, NGHTTP2_WINDOW_UPDATE, 1, NGHTTP2_NO_ERROR},
    {RESET_BY_CLIENT, NGHTTP2_PRIORITY, 1, NGHTTP2_NO_ERROR},
    {RESET_BY_US, NGHTTP2_DATA, 1, NGHTTP2_NO_ERROR},
    {RESET_BY_US, NGHTTP2_HEADERS, 1, NGHTTP2_NO_ERROR},
    {RESET_BY_US, NGHTTP2_RST_STREAM, 1, NGHTTP2_NO_ERROR},
    {RESET_BY_US, NGHTTP2_WINDOW_UPDATE, 1, NGHTTP2_NO_ERROR},
    {FAILED_BY_US, NGHTTP2_DATA, 1, NGHTTP2_NO_ERROR},
    {FAILED_BY_US, NGHTTP2_HEADERS, 1, NGHTTP2_NO_ERROR},
    {FAILED_BY_US, NGHTTP2_RST_STREAM, 1, NGHTTP2_NO_ERROR},
    {PASSED_OVER, NGHTTP2_HEADERS, 3, NGHTTP2_PROTOCOL_ERROR},
    {PASSED_OVER, NGHTTP2_HEADERS, 1, NGHTTP2_PROTOCOL_ERROR},
    {PASSED_OVER, NGHTTP2_PRIORITY, 3, NGHTTP2_NO_ERROR},
};

static void test_frames_at_the_wrong_time(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        struct h2_peer *peer = bring_into(frames[i].situation);
        send_frame(peer, frames[i].type, frames[i].id);
        h2_peer_turn(peer);
        bool is_error = frames[i].error_code != NGHTTP2_NO_ERROR;
        if (peer->has_goaway != is_error || h2_peer_is_closed(peer) != is_error ||
            (is_error && peer->goaway_code != frames[i].error_code)) {
            fail_msg("case %zu: %s", i, h2_peer_log(peer));
        }
        if (is_error) {
            assert_int_equal(peer->handler.closed, peer->handler.started);
        } else {
            assert_next_is_served(peer, 7);
        }
        h2_peer_destroy(peer);
    }
}

// However late and however much: it was under way when RST_STREAM left.
static void test_late_content_of_many_streams(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    peer->handler.answer = FAKE_ANSWER_AT_START;
    for (int32_t id = 1; id < 400; id += 2) {
        h2_peer_headers(peer, 0, id, "POST /");
        h2_peer_turn(peer);
    }
    for (int32_t id = 1; id < 400; id += 2) {
        h2_peer_frame(peer, NGHTTP2_DATA, 0, id, SLICE("late"));
        h2_peer_headers(peer, END, id, "x-late: trailer");
    }
    h2_peer_turn(peer);
    assert_false(peer->has_goaway);
    assert_int_equal(buffer_length(&peer->handler.content), 0);
    assert_next_is_served(peer, 401);
    h2_peer_destroy(peer);
}

// Refused by the library before there is a stream: its content may be under way as well.
static void test_late_content_of_a_refused_stream(void **state) {
    (void)state;
    struct h2_peer *peer = h2_peer_create();
    peer->front.limits.streams = 2;
    peer->conn = fake_conn_create(&peer->loop);
    front_accept(&peer->front, peer->conn);
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_bytes(peer, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    h2_peer_frame(peer, NGHTTP2_SETTINGS, 0, 0, SLICE_EMPTY);
    for (int32_t id = 1; id < 8; id += 2) { // without having seen the server's limit
        h2_peer_headers(peer, 0, id, "POST /");
        h2_peer_frame(peer, NGHTTP2_DATA, 0, id, SLICE("content"));
        h2_peer_frame(peer, NGHTTP2_DATA, END, id, SLICE("content"));
    }
    assert_log(peer, "RST_STREAM 5 REFUSED_STREAM\nRST_STREAM 7 REFUSED_STREAM\n");
    h2_peer_frame(peer, NGHTTP2_DATA, 0, 5, SLICE("content"));
    h2_peer_frame(peer, NGHTTP2_DATA, 0, 7, SLICE("content"));
    assert_log(peer, "");
    assert_int_equal(peer->handler.started, 2);
    h2_peer_destroy(peer);
}

// --- the connection ------------------------------------------------------------------------------

static void test_bad_preface(void **state) {
    (void)state;
    struct h2_peer *peer = h2_peer_create();
    peer->conn = fake_conn_create(&peer->loop);
    fake_conn_set_tls(peer->conn, "h2", "a.example");
    front_accept(&peer->front, peer->conn);
    h2_peer_bytes(peer, SLICE("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    h2_peer_turn(peer);
    assert_true(peer->has_goaway);
    assert_int_equal(peer->goaway_code, NGHTTP2_PROTOCOL_ERROR);
    assert_true(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

static void test_first_frame_is_not_settings(void **state) {
    (void)state;
    struct h2_peer *peer = h2_peer_create();
    peer->conn = fake_conn_create(&peer->loop);
    front_accept(&peer->front, peer->conn);
    h2_peer_bytes(peer, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    h2_peer_headers(peer, END, 1, "GET /");
    h2_peer_turn(peer);
    assert_true(peer->has_goaway);
    assert_int_equal(peer->goaway_code, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(peer->handler.started, 0);
    h2_peer_destroy(peer);
}

static void test_another_frame_inside_a_block(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    struct buffer block = {0};
    h2_peer_add_request(&block, "GET", "/");
    h2_peer_frame(peer, NGHTTP2_HEADERS, END, 1, buffer_peek(&block));
    h2_peer_frame(peer, NGHTTP2_PING, 0, 0, slice_of("12345678", 8));
    h2_peer_frame(peer, NGHTTP2_CONTINUATION, BLOCK, 1, SLICE_EMPTY);
    h2_peer_turn(peer);
    assert_true(peer->has_goaway);
    assert_int_equal(peer->goaway_code, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(peer->handler.started, 0);
    buffer_finish(&block);
    h2_peer_destroy(peer);
}

static void test_block_that_is_no_hpack(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    h2_peer_block(peer, END, 1, slice_of("\xff\xff\xff\xff\xff\xff\xff", 7));
    h2_peer_turn(peer);
    assert_int_equal(peer->goaway_code, NGHTTP2_COMPRESSION_ERROR);
    assert_true(h2_peer_is_closed(peer));
    h2_peer_destroy(peer);
}

static void test_unknown_frames_and_padding(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    h2_peer_frame(peer, 0xfa, 0xff, 0, SLICE("what?"));
    h2_peer_headers(peer, 0, 1, "POST /");
    h2_peer_frame(peer, 0xfa, 0xff, 1, SLICE("what?"));
    h2_peer_frame(peer, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED | END, 1,
                  slice_of("\x03"
                           "abc\0\0\0",
                           7));
    assert_log(peer, "HEADERS 1 200\nDATA 1 5 end\n");
    assert_text(&peer->handler.content, "abc");
    h2_peer_destroy(peer);
}

// Padding costs window and must come back: it is no content.
static void test_padding_comes_back(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    static const char padded[256] = {(char)254, 'x'};
    h2_peer_headers(peer, 0, 1, "POST /");
    for (int i = 0; i < 1000; i++) {
        h2_peer_frame(peer, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, slice_of(padded, 256));
        h2_peer_turn(peer);
    }
    assert_false(peer->has_goaway);
    assert_false(h2_peer_stream(peer, 1)->was_reset);
    assert_int_equal(buffer_length(&peer->handler.content), 1000);
    assert_true(h2_peer_stream(peer, 1)->window >= 200000);
    h2_peer_destroy(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_connect_is_not_implemented),
        cmocka_unit_test(test_bad_trailers),
        cmocka_unit_test(test_content_of_another_length),
        cmocka_unit_test(test_frames_at_the_wrong_time),
        cmocka_unit_test(test_late_content_of_many_streams),
        cmocka_unit_test(test_late_content_of_a_refused_stream),
        cmocka_unit_test(test_bad_preface),
        cmocka_unit_test(test_first_frame_is_not_settings),
        cmocka_unit_test(test_another_frame_inside_a_block),
        cmocka_unit_test(test_block_that_is_no_hpack),
        cmocka_unit_test(test_unknown_frames_and_padding),
        cmocka_unit_test(test_padding_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
