// SPDX-License-Identifier: Apache-2.0
// What the sessions of both protocols count.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "front/h1_session.h"
#include "h2_assert.h"

enum {
    END = NGHTTP2_FLAG_END_STREAM,
    TIMES_SUM = METRICS_TIME_SLOTS - 1,
    SIZES_SUM = METRICS_SIZE_SLOTS - 1,
};

#define number_of(peer, ID, index) metrics_read(&(peer)->loop.metrics, METRIC_AT_##ID + (index))
#define slot_of(protocol, code) ((protocol)*METRIC_CODES + (code))

static uint64_t sum_of(struct h2_peer *peer, unsigned first, unsigned last) {
    uint64_t sum = 0;
    for (unsigned i = first; i <= last; i++) {
        sum += metrics_read(&peer->loop.metrics, i);
    }
    return sum;
}
#define total_of(peer, ID) sum_of(peer, METRIC_AT_##ID, METRIC_LAST_##ID)
#define times_count(peer, ID) sum_of(peer, METRIC_AT_##ID, METRIC_LAST_##ID - 1)

// What goes up and down has come back to nothing when all are gone.
static void end_peer(struct h2_peer *peer) {
    if (peer->conn != NULL && !fake_conn_is_ended(peer->conn)) {
        fake_conn_reset(peer->conn, FAULT_CONN_RESET);
    }
    for (unsigned i = 0; i < METRIC_PROTOCOLS; i++) {
        assert_int_equal(number_of(peer, CONNECTIONS, i), 0);
    }
    for (unsigned i = 0; i < METRIC_ASKED; i++) {
        assert_int_equal(number_of(peer, EXCHANGES, i), 0);
    }
    h2_peer_destroy(peer);
}

// --- HTTP/1.1, on the loop of an h2_peer that lends its front and handler -----------------------

struct old {
    struct h2_peer *peer;
    struct conn *conn;
};

static void old_open(struct old *old) {
    old->peer = h2_peer_create();
    h2_peer_connect(old->peer, NULL, 0);
    old->conn = fake_conn_create(&old->peer->loop);
    h1_session_create(&old->peer->front, old->conn, SLICE_EMPTY);
    fake_conn_turn(old->conn);
}

static void old_feed(struct old *old, const char *text) {
    fake_conn_feed(old->conn, slice_of_text(text));
    for (int i = 0; i < 5; i++) {
        fake_conn_turn(old->conn);
    }
}

static void old_wait(struct old *old, uint64_t ms) {
    h2_peer_pass_ms(ms);
    fake_conn_turn(old->conn);
    fake_conn_expire(old->conn);
    for (int i = 0; i < 5; i++) {
        fake_conn_turn(old->conn);
    }
}

static void old_close(struct old *old) {
    fake_conn_destroy(old->conn);
    assert_int_equal(number_of(old->peer, CONNECTIONS, METRIC_HTTP1), 0);
    end_peer(old->peer);
}

// --- requests -----------------------------------------------------------------------------------

static const struct {
    int status;
    unsigned code;
} statuses[] = {{200, 1}, {299, 1}, {304, 2}, {399, 2}, {404, 3}, {499, 3}, {500, 4}, {599, 4}};

static void test_statuses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct old old;
        old_open(&old);
        struct h2_peer *peer = old.peer;
        peer->handler.status = statuses[i].status;
        peer->handler.body = SLICE_EMPTY;
        h2_peer_request(peer, "GET /");
        h2_peer_turn(peer);
        assert_int_equal(number_of(peer, REQUESTS, slot_of(METRIC_HTTP2, statuses[i].code)), 1);
        assert_int_equal(total_of(peer, REQUESTS), 1);
        old_feed(&old, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_int_equal(number_of(peer, REQUESTS, slot_of(METRIC_HTTP1, statuses[i].code)), 1);
        assert_int_equal(total_of(peer, REQUESTS), 2);
        assert_int_equal(total_of(peer, FAULTS), 0);
        assert_int_equal(number_of(peer, METHODS, METRIC_GET), 2);
        old_close(&old);
    }
}

static void test_methods(void **state) {
    (void)state;
    static const char *const names[] = {"GET",   "HEAD",    "POST",     "PUT", "DELETE",
                                        "PATCH", "OPTIONS", "PROPFIND", "get"};
    struct old old;
    old_open(&old);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "%s /", names[i]);
        h2_peer_request(old.peer, text);
        h2_peer_turn(old.peer);
        snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
                 names[i]);
        old_feed(&old, text);
    }
    for (unsigned i = 0; i < METRIC_METHOD_OTHER; i++) {
        if (number_of(old.peer, METHODS, i) != 2) {
            fail_msg("%s: %llu", names[i], (unsigned long long)number_of(old.peer, METHODS, i));
        }
    }
    assert_int_equal(number_of(old.peer, METHODS, METRIC_METHOD_OTHER), 4);
    assert_int_equal(total_of(old.peer, METHODS), total_of(old.peer, REQUESTS));
    old_close(&old);
}

static void test_times_and_sizes(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    int32_t id = h2_peer_open(peer, "POST /form\ncookie: a=1\ncookie: b=22");
    h2_peer_send(peer, id, SLICE("content"), true);
    h2_peer_turn(peer);
    assert_int_equal(number_of(peer, EXCHANGES, METRIC_REQUEST), 1);
    assert_int_equal(total_of(peer, REQUESTS), 0); // not over
    h2_peer_wait(peer, 120);
    fake_handler_answer(&peer->handler, peer->handler.x);
    h2_peer_turn(peer);
    assert_int_equal(number_of(peer, EXCHANGES, METRIC_REQUEST), 0);
    assert_int_equal(number_of(peer, DURATION, TIMES_SUM), 120);
    assert_int_equal(times_count(peer, DURATION), 1);
    assert_int_equal(number_of(peer, RECEIVED, 0), 7);
    assert_int_equal(number_of(peer, SENT, METRIC_REQUEST), 5);
    assert_int_equal(number_of(peer, COOKIE_BYTES, SIZES_SUM), strlen("a=1; b=22"));
    assert_int_equal(number_of(peer, HEAD_BYTES, SIZES_SUM), 32 + strlen("cookie"
                                                                         "a=1; b=22"));
    h2_peer_request(peer, "GET /without");
    h2_peer_turn(peer);
    fake_handler_answer(&peer->handler, peer->handler.x);
    h2_peer_turn(peer);
    assert_int_equal(times_count(peer, COOKIE_BYTES), 1);
    assert_int_equal(times_count(peer, HEAD_BYTES), 2);
    end_peer(peer);
}

// A request that the library refuses never began: it takes no time.
static void test_requests_that_never_began(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    h2_peer_wait(peer, 5000);
    h2_peer_headers(peer, END, 1, "GET /\nconnection: close");
    h2_peer_turn(peer);
    assert_int_equal(h2_peer_stream(peer, 1)->error_code, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(number_of(peer, REQUESTS, slot_of(METRIC_HTTP2, 0)), 1);
    assert_int_equal(number_of(peer, FAULTS, FAULT_BAD_REQUEST), 1);
    assert_int_equal(times_count(peer, DURATION), 1);
    assert_int_equal(number_of(peer, DURATION, TIMES_SUM), 0);
    end_peer(peer);
}

static void test_without_a_response(void **state) {
    (void)state;
    struct old old;
    old_open(&old);
    struct h2_peer *peer = old.peer;
    peer->handler.answer = FAKE_ANSWER_NEVER;
    int32_t id = h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    h2_peer_reset(peer, id, NGHTTP2_CANCEL);
    h2_peer_turn(peer);
    assert_int_equal(number_of(peer, REQUESTS, slot_of(METRIC_HTTP2, 0)), 1);
    assert_int_equal(number_of(peer, FAULTS, FAULT_CLIENT_RESET), 1);
    assert_int_equal(number_of(peer, EXCHANGES, METRIC_REQUEST), 0);
    old_feed(&old, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(number_of(peer, EXCHANGES, METRIC_REQUEST), 1);
    fake_conn_reset(old.conn, FAULT_CONN_RESET);
    assert_int_equal(number_of(peer, REQUESTS, slot_of(METRIC_HTTP1, 0)), 1);
    assert_int_equal(number_of(peer, FAULTS, FAULT_CLIENT_GONE), 1);
    assert_int_equal(number_of(peer, CONNECTION_FAULTS, FAULT_CONN_RESET), 1);
    assert_int_equal(number_of(peer, CONNECTIONS, METRIC_HTTP1), 0);
    assert_int_equal(number_of(peer, CONNECTIONS, METRIC_HTTP2), 1);
    old_close(&old);
}

// Nothing came of these: no request is counted, and nothing stays behind.
static void test_half_a_head(void **state) {
    (void)state;
    static const char *const pieces[] = {"G", "GET / HTTP/1.1\r\nHost: a\r\n", "\r\nGET"};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct old old;
        old_open(&old);
        old_feed(&old, pieces[i]);
        assert_int_equal(number_of(old.peer, EXCHANGES, METRIC_REQUEST), 1);
        fake_conn_eof(old.conn);
        for (int j = 0; j < 5; j++) {
            fake_conn_turn(old.conn);
        }
        fake_conn_end(old.conn);
        assert_int_equal(number_of(old.peer, EXCHANGES, METRIC_REQUEST), 0);
        assert_int_equal(total_of(old.peer, REQUESTS), 0);
        old_close(&old);
    }
}

static void test_connections(void **state) {
    (void)state;
    struct old old;
    old_open(&old);
    assert_int_equal(number_of(old.peer, CONNECTIONS, METRIC_HTTP1), 1);
    assert_int_equal(number_of(old.peer, CONNECTIONS, METRIC_HTTP2), 1);
    // An HTTP/1.0 client is one of HTTP/1, also when it goes.
    old_feed(&old, "GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_true(fake_conn_is_closing(old.conn));
    fake_conn_end(old.conn);
    assert_int_equal(number_of(old.peer, CONNECTIONS, METRIC_HTTP1), 0);
    assert_int_equal(number_of(old.peer, CONNECTIONS, METRIC_HTTP2), 1);
    assert_int_equal(number_of(old.peer, CONNECTIONS_OPENED, METRIC_HTTP1), 1);
    assert_int_equal(number_of(old.peer, CONNECTIONS_OPENED, METRIC_HTTP2), 1);
    assert_int_equal(total_of(old.peer, CONNECTION_FAULTS), 0);
    assert_int_equal(number_of(old.peer, REQUESTS, slot_of(METRIC_HTTP1, 1)), 1);
    old_close(&old);
}

// --- pushes -------------------------------------------------------------------------------------

static struct exchange *promise(struct h2_peer *peer, struct exchange *page) {
    struct request_head request = {.method = SLICE("GET"),
                                   .scheme = SLICE("http"),
                                   .authority = SLICE("a.example"),
                                   .path = SLICE("/a.css"),
                                   .is_end = true};
    headers_init(&request.headers, page->arena);
    struct exchange *push = exchange_promise(page, &request, (struct priority){.urgency = 2});
    assert_non_null(push);
    assert_int_equal(number_of(peer, EXCHANGES, METRIC_PUSH), 1);
    return push;
}

// Ends of a push: it is sent, reset by the client, or cut with the connection.
static void test_pushes(void **state) {
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct h2_peer *peer = connect_peer();
        peer->handler.answer = FAKE_ANSWER_NEVER;
        h2_peer_request(peer, "GET /");
        h2_peer_turn(peer);
        struct exchange *page = peer->handler.x;
        struct exchange *push = promise(peer, page);
        h2_peer_turn(peer);
        fake_handler_answer(&peer->handler, page);
        h2_peer_turn(peer);
        if (way == 0) {
            fake_handler_answer(&peer->handler, push);
            h2_peer_turn(peer);
            assert_int_equal(number_of(peer, SENT, METRIC_PUSH), 5);
        } else if (way == 1) {
            h2_peer_reset(peer, 2, NGHTTP2_CANCEL);
            h2_peer_turn(peer);
            assert_int_equal(number_of(peer, FAULTS, FAULT_CLIENT_RESET), 1);
        } else {
            fake_conn_reset(peer->conn, FAULT_CONN_RESET);
            assert_int_equal(number_of(peer, FAULTS, FAULT_CLIENT_GONE), 1);
        }
        // They are no requests of the client.
        assert_int_equal(number_of(peer, EXCHANGES, METRIC_PUSH), 0);
        assert_int_equal(total_of(peer, REQUESTS), 1);
        assert_int_equal(total_of(peer, METHODS), 1);
        assert_int_equal(times_count(peer, DURATION), 1);
        assert_int_equal(number_of(peer, SENT, METRIC_REQUEST), 5);
        end_peer(peer);
    }
}

// --- limits -------------------------------------------------------------------------------------

static const struct {
    enum fault fault; // of the handler
    enum metric_limit limit;
} origin_faults[] = {
    {FAULT_ORIGIN_BUSY, METRIC_LIMIT_ORIGIN_LINE},
    {FAULT_ORIGIN_HEAD_TOO_LARGE, METRIC_LIMIT_RESPONSE_HEAD},
    {FAULT_ORIGIN_INTERIM_FLOOD, METRIC_LIMIT_INTERIM},
    {FAULT_ORIGIN_TIMEOUT, METRIC_LIMITS},
    {FAULT_ORIGIN_RESET, METRIC_LIMITS},
    {FAULT_NO_ROUTE, METRIC_LIMITS},
};

static void test_limits_that_the_handler_meets(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(origin_faults) / sizeof(origin_faults[0]); i++) {
        struct h2_peer *peer = connect_peer();
        peer->handler.fail_with = origin_faults[i].fault;
        h2_peer_request(peer, "GET /");
        h2_peer_turn(peer);
        bool is_limit = origin_faults[i].limit != METRIC_LIMITS;
        assert_int_equal(total_of(peer, LIMITS), is_limit);
        assert_int_equal(total_of(peer, FAULTS), 1);
        assert_int_equal(number_of(peer, FAULTS, origin_faults[i].fault), 1);
        if (is_limit) {
            assert_int_equal(number_of(peer, LIMITS, origin_faults[i].limit), 1);
        }
        end_peer(peer);
    }
}

#define LONG "0123456789012345678901234567890123456789"

static const struct {
    const char *request;
    const char *old_request;
    enum metric_limit limit;
} requests[] = {
    {"GET /\nx-a: " LONG LONG, "GET / HTTP/1.1\r\nHost: a\r\nx-a: " LONG LONG "\r\n\r\n",
     METRIC_LIMIT_HEAD},
    {"GET /" LONG LONG LONG, "GET /" LONG LONG LONG " HTTP/1.1\r\nHost: a\r\n\r\n",
     METRIC_LIMIT_URI},
    {"POST /\ncontent-length: 2000", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n",
     METRIC_LIMIT_BODY},
};

static void test_limits_of_requests(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct old old;
        old_open(&old);
        struct front_limits *limits = &old.peer->front.limits;
        limits->field_bytes = 60;
        limits->uri_bytes = 100;
        limits->body_bytes = 1000;
        // These are read when the session is made.
        fake_conn_destroy(old.conn);
        old.conn = fake_conn_create(&old.peer->loop);
        h1_session_create(&old.peer->front, old.conn, SLICE_EMPTY);
        h2_peer_open(old.peer, requests[i].request);
        h2_peer_turn(old.peer);
        if (number_of(old.peer, LIMITS, requests[i].limit) != 1) {
            fail_msg("HTTP/2, %zu", i);
        }
        assert_int_equal(total_of(old.peer, LIMITS), 1);
        old_feed(&old, requests[i].old_request);
        if (number_of(old.peer, LIMITS, requests[i].limit) != 2) {
            fail_msg("HTTP/1, %zu", i);
        }
        assert_int_equal(total_of(old.peer, LIMITS), 2);
        assert_int_equal(number_of(old.peer, REQUESTS, slot_of(METRIC_HTTP1, 3)), 1);
        assert_int_equal(number_of(old.peer, REQUESTS, slot_of(METRIC_HTTP2, 3)), 1);
        old_close(&old);
    }
}

static void test_a_slow_head(void **state) {
    (void)state;
    struct old old;
    old_open(&old);
    old_feed(&old, "GET / HTTP/1.1\r\n");
    old_wait(&old, old.peer->front.limits.head_ms);
    assert_int_equal(number_of(old.peer, LIMITS, METRIC_LIMIT_REQUEST_TIME), 1);
    assert_int_equal(total_of(old.peer, LIMITS), 1);
    old_close(&old);
}

static void test_slow_content(void **state) {
    (void)state;
    struct old old;
    old_open(&old);
    old_feed(&old, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    old_wait(&old, old.peer->front.limits.body_ms);
    assert_int_equal(number_of(old.peer, LIMITS, METRIC_LIMIT_REQUEST_TIME), 1);
    old_close(&old);
    struct h2_peer *peer = connect_peer();
    int32_t id = h2_peer_open(peer, "POST /");
    h2_peer_send(peer, id, SLICE("abc"), false);
    h2_peer_turn(peer);
    h2_peer_wait(peer, peer->front.limits.body_ms);
    h2_peer_wait(peer, 1000);
    assert_int_equal(number_of(peer, LIMITS, METRIC_LIMIT_REQUEST_TIME), 1);
    assert_int_equal(total_of(peer, LIMITS), 1);
    end_peer(peer);
}

// The client takes nothing of a response: its stream's window is shut, or the connection is full.
static void test_a_client_that_takes_nothing(void **state) {
    (void)state;
    struct h2_peer *peer = h2_peer_create();
    peer->is_manual = true;
    h2_peer_connect(peer, NULL, 0);
    peer->handler.big_bytes = 1 << 20;
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    for (int i = 0; i < 5; i++) {
        h2_peer_wait(peer, peer->front.limits.write_ms);
    }
    assert_int_equal(number_of(peer, LIMITS, METRIC_LIMIT_WRITE_TIME), 1);
    assert_int_equal(total_of(peer, LIMITS), 1);
    end_peer(peer);

    struct old old;
    old_open(&old);
    fake_conn_set_limit(old.conn, 0);
    old.peer->handler.big_bytes = 1 << 20;
    old_feed(&old, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    old_wait(&old, old.peer->front.limits.write_ms);
    assert_true(fake_conn_is_aborted(old.conn));
    assert_int_equal(number_of(old.peer, LIMITS, METRIC_LIMIT_WRITE_TIME), 1);
    assert_int_equal(total_of(old.peer, LIMITS), 1);
    old_close(&old);
}

static void test_a_connection_that_takes_nothing(void **state) {
    (void)state;
    struct h2_peer *peer = connect_peer();
    fake_conn_set_limit(peer->conn, 0);
    peer->handler.big_bytes = 1 << 20;
    h2_peer_request(peer, "GET /");
    h2_peer_turn(peer);
    for (int i = 0; i < 5 && !fake_conn_is_aborted(peer->conn); i++) {
        h2_peer_wait(peer, peer->front.limits.write_ms);
    }
    assert_true(fake_conn_is_aborted(peer->conn));
    assert_int_equal(number_of(peer, LIMITS, METRIC_LIMIT_WRITE_TIME), 1);
    end_peer(peer);

    // All of the answer is given to the connection, which takes none of it.
    struct old old;
    old_open(&old);
    fake_conn_set_limit(old.conn, 0);
    old_feed(&old, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    old_wait(&old, old.peer->front.limits.write_ms);
    assert_true(fake_conn_is_aborted(old.conn));
    assert_int_equal(number_of(old.peer, LIMITS, METRIC_LIMIT_WRITE_TIME), 1);
    old_close(&old);
}

static void test_floods(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    for (int32_t id = 1; !peer->has_goaway && id < 20000; id += 2) {
        h2_peer_headers(peer, END, id, "GET /");
        h2_peer_frame(peer, NGHTTP2_RST_STREAM, 0, id, (struct slice){"\0\0\0\x08", 4});
        h2_peer_turn(peer);
    }
    assert_true(peer->has_goaway);
    assert_int_equal(number_of(peer, LIMITS, METRIC_LIMIT_RESETS), 1);
    assert_int_equal(total_of(peer, LIMITS), 1);
    end_peer(peer);

    peer = connect_raw();
    for (int i = 0; !peer->has_goaway && i < 100000; i++) {
        h2_peer_frame(peer, NGHTTP2_PING, 0, 0, SLICE("12345678"));
        h2_peer_turn(peer);
    }
    assert_true(peer->has_goaway);
    assert_int_equal(number_of(peer, LIMITS, METRIC_LIMIT_FRAMES), 1);
    assert_int_equal(total_of(peer, LIMITS), 1);
    end_peer(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_times_and_sizes),
        cmocka_unit_test(test_requests_that_never_began),
        cmocka_unit_test(test_without_a_response),
        cmocka_unit_test(test_half_a_head),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_pushes),
        cmocka_unit_test(test_limits_that_the_handler_meets),
        cmocka_unit_test(test_limits_of_requests),
        cmocka_unit_test(test_a_slow_head),
        cmocka_unit_test(test_slow_content),
        cmocka_unit_test(test_a_client_that_takes_nothing),
        cmocka_unit_test(test_a_connection_that_takes_nothing),
        cmocka_unit_test(test_floods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
