// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "fake_conn.h"
#include "front/front.h"
#include "front/h1_session.h"
#include "front/h2_session.h"

static const struct slice preface = {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24};

// --- sessions that only note what they are given, in place of the real ones ---------------------

struct session {
    struct front_session base;
    bool is_h2;
    struct buffer bytes;
    unsigned drains, aborts;
};

static struct session *last; // the one created last
static unsigned ended;

static void on_ready(void *user, struct slice alpn) {
    (void)user, (void)alpn;
    fail_msg("on_ready is not repeated");
}

static void on_bytes(void *user, struct slice bytes) {
    struct session *session = user;
    buffer_append_slice(&session->bytes, bytes);
}

static void on_deadline(void *user) {
    (void)user;
}

static void on_end(void *user, enum fault fault) {
    struct session *session = user;
    front_session_end(&session->base, fault);
    buffer_finish(&session->bytes);
    free(session);
    ended++;
    if (last == session) {
        last = NULL;
    }
}

static void drain_session(struct front_session *base) {
    LIST_ENTRY(base, struct session, base)->drains++;
    conn_close(base->conn);
}

static void abort_session(struct front_session *base) {
    LIST_ENTRY(base, struct session, base)->aborts++;
    conn_abort(base->conn, FAULT_DRAINING);
}

static const struct conn_events events = {
    .on_ready = on_ready, .on_bytes = on_bytes, .on_deadline = on_deadline, .on_end = on_end};

static void create(struct front *front, struct conn *conn, struct slice first, bool is_h2) {
    struct session *session = alloc_new(struct session);
    session->base.drain = drain_session;
    session->base.abort = abort_session;
    session->is_h2 = is_h2;
    front_session_begin(&session->base, front, conn, is_h2 ? PROTOCOL_HTTP_2 : PROTOCOL_HTTP_1_1);
    conn_attach(conn, &events, session);
    buffer_append_slice(&session->bytes, first);
    last = session;
}

void h1_session_create(struct front *front, struct conn *take_conn, struct slice first) {
    create(front, take_conn, first, false);
}

void h2_session_create(struct front *front, struct conn *take_conn, struct slice first) {
    create(front, take_conn, first, true);
}

// ------------------------------------------------------------------------------------------------

struct fixture {
    struct loop loop;
    struct front front;
    struct conn *conns[8];
    size_t conn_count;
    unsigned drained;
};

static int set_up(void **state) {
    struct fixture *f = alloc_new(struct fixture);
    loop_init(&f->loop);
    struct front_limits limits = {.connections = 3, .handshake_ms = 10000, .head_ms = 7000};
    front_init(&f->front, &f->loop, &limits);
    last = NULL;
    ended = 0;
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < f->conn_count; i++) {
        fake_conn_destroy(f->conns[i]);
    }
    front_finish(&f->front);
    loop_finish(&f->loop);
    free(f);
    return 0;
}

static struct conn *make_conn(struct fixture *f) {
    struct conn *conn = fake_conn_create(&f->loop);
    f->conns[f->conn_count++] = conn;
    return conn;
}

static struct conn *accept_plain(struct fixture *f) {
    struct conn *conn = make_conn(f);
    front_accept(&f->front, conn);
    fake_conn_turn(conn);
    return conn;
}

static struct conn *accept_tls(struct fixture *f, const char *alpn) {
    struct conn *conn = make_conn(f);
    fake_conn_set_tls(conn, alpn, "a.example");
    front_accept(&f->front, conn);
    return conn;
}

static void on_drained(void *user) {
    struct fixture *f = user;
    f->drained++;
}

static void assert_last(bool is_h2, struct slice bytes) {
    assert_non_null(last);
    assert_int_equal(last->is_h2, is_h2);
    assert_int_equal(last->base.client.protocol, is_h2 ? PROTOCOL_HTTP_2 : PROTOCOL_HTTP_1_1);
    assert_true(slice_equal(buffer_peek(&last->bytes), bytes));
}

static void test_alpn_decides(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *alpn;
        bool is_h2;
    } cases[] = {{"h2", true}, {"http/1.1", false}, {"", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct conn *conn = accept_tls(f, cases[i].alpn);
        assert_int_equal(fake_conn_deadline_ms(conn), 10000);
        fake_conn_feed(conn, SLICE("PRI x"));
        fake_conn_turn(conn);
        assert_last(cases[i].is_h2, SLICE("PRI x")); // never sniffed
        assert_true(last->base.client.is_tls);
    }
}

// Whatever comes, in whatever pieces, all of it reaches the session once its protocol is known.
static void test_cleartext_is_sniffed_at_every_cut(void **state) {
    struct fixture *f = *state;
    f->front.limits.connections = 1000;
    static const struct {
        const char *bytes;
        size_t known_after;
        bool is_h2;
    } cases[] = {
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, true},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 24, true},
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, false},
        {"PUT / HTTP/1.1\r\nHost: a\r\n\r\n", 2, false},
        {"PRI * HTTP/1.1\r\n\r\n and more and more", 12, false},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX and more", 24, false},
        {"\x16\x03\x01\x02", 1, false}, // TLS by mistake
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice bytes = slice_of_text(cases[i].bytes);
        if (i == 1) {
            bytes.length = 33;
        }
        for (size_t cut = 0; cut <= bytes.length; cut++) {
            f->conn_count = 0;
            struct conn *conn = accept_plain(f);
            assert_int_equal(fake_conn_deadline_ms(conn), 7000);
            if (cut > 0) {
                fake_conn_feed(conn, slice_first(bytes, cut));
            }
            assert_int_equal(last != NULL, cut >= cases[i].known_after);
            if (cut < bytes.length) {
                fake_conn_feed(conn, slice_skip(bytes, cut));
            }
            assert_last(cases[i].is_h2, bytes);
            fake_conn_destroy(conn);
            assert_null(last);
            f->conn_count = 0;
        }
        struct conn *conn = accept_plain(f);
        fake_conn_set_piece(conn, 1);
        fake_conn_feed(conn, bytes);
        assert_last(cases[i].is_h2, bytes);
        fake_conn_destroy(conn);
        f->conn_count = 0;
    }
}

static void test_undecided_conns_leave_nothing_behind(void **state) {
    struct fixture *f = *state;
    for (size_t cut = 0; cut < preface.length; cut++) {
        struct conn *conn = accept_plain(f);
        fake_conn_feed(conn, slice_first(preface, cut));
        assert_int_equal(f->front.session_count, 1);
        if (cut % 2 == 0) {
            fake_conn_reset(conn, FAULT_CONN_RESET);
        } else {
            fake_conn_eof(conn);
            fake_conn_turn(conn);
            fake_conn_end(conn);
        }
        assert_int_equal(f->front.session_count, 0);
        assert_true(list_is_empty(&f->front.undecided));
        fake_conn_destroy(conn);
        f->conn_count = 0;
    }
}

static void test_silent_conns_are_ended(void **state) {
    struct fixture *f = *state;
    struct conn *conn = accept_plain(f);
    fake_conn_feed(conn, SLICE("PRI"));
    fake_conn_expire(conn);
    assert_true(fake_conn_is_aborted(conn));
    fake_conn_end(conn);
    assert_int_equal(f->front.session_count, 0);
}

static void test_limit_on_connections(void **state) {
    struct fixture *f = *state;
    struct conn *undecided = accept_plain(f); // counts too
    accept_tls(f, "h2");
    accept_tls(f, "http/1.1");
    fake_conn_turn(undecided);
    assert_int_equal(f->front.session_count, 3);
    struct conn *refused = make_conn(f);
    front_accept(&f->front, refused);
    assert_true(fake_conn_is_aborted(refused));
    fake_conn_end(refused);
    assert_int_equal(f->front.session_count, 3);
    fake_conn_reset(undecided, FAULT_CONN_RESET);
    struct conn *next = accept_plain(f);
    assert_false(fake_conn_is_aborted(next));
    assert_int_equal(f->front.session_count, 3);
}

static uint64_t limit_hits(struct fixture *f, enum metric_limit limit) {
    return metrics_read(&f->loop.metrics, METRIC_AT_LIMITS + limit);
}

static struct conn *accept_from(struct fixture *f, const char *address) {
    struct conn *conn = make_conn(f);
    fake_conn_set_peer(conn, address, 50000, 8443);
    front_accept(&f->front, conn);
    fake_conn_turn(conn);
    return conn;
}

static bool is_believed(const void *user, const uint8_t address[16]) {
    (void)user;
    return address[15] == 9;
}

static void test_share_of_an_address(void **state) {
    struct fixture *f = *state;
    f->front.limits.connections = 5;
    f->front.limits.address_share = 20;
    struct conn *first = accept_from(f, "192.0.2.1");
    struct conn *greedy = accept_from(f, "192.0.2.1");
    assert_false(fake_conn_is_aborted(first));
    assert_true(fake_conn_is_aborted(greedy));
    fake_conn_end(greedy);
    assert_int_equal(limit_hits(f, METRIC_LIMIT_ADDRESS), 1);
    assert_int_equal(f->front.session_count, 1);
    assert_false(fake_conn_is_aborted(accept_from(f, "192.0.2.2")));
    fake_conn_feed(first, SLICE("GET /")); // its session goes on with the place, and gives it back
    assert_true(fake_conn_is_aborted(accept_from(f, "192.0.2.1")));
    fake_conn_reset(first, FAULT_CONN_RESET);
    struct conn *next = accept_from(f, "192.0.2.1");
    assert_false(fake_conn_is_aborted(next));
    fake_conn_reset(next, FAULT_CONN_RESET); // one without a session gives it back too
    assert_false(fake_conn_is_aborted(accept_from(f, "192.0.2.1")));
    assert_int_equal(limit_hits(f, METRIC_LIMIT_ADDRESS), 2);
}

// Proxies that are believed, this machine, and unix sockets.
static void test_addresses_that_may_have_all(void **state) {
    struct fixture *f = *state;
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.1", "::1",  "::1",
                                            "192.0.2.9", "192.0.2.9", "unix", "unix"};
    f->front.limits.connections = 100;
    f->front.limits.address_share = 1;
    f->front.is_trusted = is_believed;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        assert_false(fake_conn_is_aborted(accept_from(f, addresses[i])));
    }
    assert_int_equal(limit_hits(f, METRIC_LIMIT_ADDRESS), 0);
}

static void test_limits_are_counted(void **state) {
    struct fixture *f = *state;
    static struct memory_gauge gauge;
    memory_gauge_set(&gauge, MEMORY_FULL);
    f->front.memory = &gauge;
    assert_true(fake_conn_is_aborted(accept_tls(f, "h2"))); // its handshake would cost too much
    assert_int_equal(limit_hits(f, METRIC_LIMIT_MEMORY), 1);
    memory_gauge_set(&gauge, MEMORY_PLENTY);
    struct conn *plain = accept_plain(f);
    struct conn *other = accept_plain(f);
    struct conn *secure = accept_tls(f, "h2");
    memory_gauge_set(&gauge, MEMORY_FULL);
    accept_tls(f, "h2"); // for two reasons: one counts
    assert_int_equal(limit_hits(f, METRIC_LIMIT_CONNECTIONS), 1);
    assert_int_equal(limit_hits(f, METRIC_LIMIT_MEMORY), 1);
    fake_conn_expire(plain);
    assert_int_equal(limit_hits(f, METRIC_LIMIT_REQUEST_TIME), 1);
    fake_conn_expire(secure);
    assert_int_equal(limit_hits(f, METRIC_LIMIT_HANDSHAKE_TIME), 1);
    // Nobody is held up by a limit who comes while draining, and nobody had a protocol yet.
    fake_conn_end(plain);
    front_drain(&f->front, on_drained, f);
    accept_plain(f);
    fake_conn_expire(other);
    for (unsigned i = 0; i < METRIC_LIMITS; i++) {
        bool is_hit = i == METRIC_LIMIT_MEMORY || i == METRIC_LIMIT_CONNECTIONS ||
                      i == METRIC_LIMIT_REQUEST_TIME || i == METRIC_LIMIT_HANDSHAKE_TIME;
        assert_int_equal(limit_hits(f, i), is_hit);
    }
    for (unsigned i = METRIC_AT_CONNECTIONS; i <= METRIC_LAST_CONNECTIONS_OPENED; i++) {
        assert_int_equal(metrics_read(&f->loop.metrics, i), 0);
    }
}

static bool trust_nobody_but(const void *user, const uint8_t address[16]) {
    return address[15] == *(const uint8_t *)user;
}

static unsigned forgotten;

static void forget(void *memory) {
    (void)memory;
    forgotten++;
}

static void test_client_is_described(void **state) {
    struct fixture *f = *state;
    uint8_t trusted = 7;
    f->front.is_trusted = trust_nobody_but;
    f->front.is_trusted_user = &trusted; // what the fake's address ends with
    struct conn *conn = make_conn(f);
    fake_conn_set_peer(conn, "2001:db8::7", 4711, 8443);
    front_accept(&f->front, conn);
    fake_conn_turn(conn);
    fake_conn_feed(conn, SLICE("GET"));
    const struct client *client = &last->base.client;
    assert_true(slice_equal(client->address, SLICE("2001:db8::7")));
    assert_int_equal(client->port, 4711);
    assert_int_equal(client->local_port, 8443);
    assert_false(client->is_tls);
    assert_true(client->is_trusted_proxy);
    uint64_t id = client->id;
    assert_true(id > 0);
    last->base.client.memory = &trusted;
    last->base.client.memory_destroy = forget;

    trusted = 9;
    accept_plain(f);
    fake_conn_feed(f->conns[1], SLICE("GET"));
    assert_false(last->base.client.is_trusted_proxy);
    assert_int_equal(last->base.client.id, id + 1);
    forgotten = 0;
    fake_conn_reset(conn, FAULT_CONN_RESET);
    fake_conn_reset(f->conns[1], FAULT_CONN_RESET);
    assert_int_equal(forgotten, 1);
}

static void test_drain_of_an_empty_front(void **state) {
    struct fixture *f = *state;
    front_drain(&f->front, on_drained, f);
    assert_int_equal(f->drained, 0); // never inside
    uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(f->drained, 1);
}

static void test_drain_waits_for_the_last(void **state) {
    struct fixture *f = *state;
    struct conn *undecided = accept_plain(f);
    struct conn *session = accept_tls(f, "h2");
    fake_conn_turn(session);
    front_drain(&f->front, on_drained, f);
    assert_int_equal(last->drains, 1);
    assert_false(fake_conn_is_closing(undecided)); // it may be about to ask
    assert_int_equal(fake_conn_deadline_ms(undecided), FRONT_LAST_CALL_MS);
    fake_conn_expire(undecided);
    assert_true(fake_conn_is_closing(undecided));
    struct conn *late = make_conn(f);
    front_accept(&f->front, late);
    assert_true(fake_conn_is_aborted(late));
    fake_conn_turn(session);
    fake_conn_end(undecided);
    fake_conn_turn(session);
    assert_int_equal(f->drained, 0);
    fake_conn_end(session);
    fake_conn_turn(session);
    assert_int_equal(f->drained, 1);
    assert_int_equal(ended, 1);
}

static void test_who_asks_while_draining_is_served(void **state) {
    struct fixture *f = *state;
    struct conn *plain = accept_plain(f);
    struct conn *secure = accept_tls(f, "h2");
    front_drain(&f->front, on_drained, f);
    fake_conn_turn(secure);
    assert_last(true, SLICE_EMPTY);
    assert_int_equal(last->drains, 1); // and told that it is the last
    fake_conn_end(secure);
    fake_conn_feed(plain, SLICE("GET"));
    assert_last(false, SLICE("GET"));
    assert_int_equal(last->drains, 1);
    fake_conn_end(plain);
    fake_conn_turn(plain);
    assert_int_equal(f->drained, 1);
}

// Neither of two that come while many sit there ends the other.
static void test_the_oldest_of_the_larger_crowd_makes_room(void **state) {
    struct fixture *f = *state;
    struct conn *first = accept_tls(f, "h2");
    struct conn *second = accept_tls(f, "h2");
    fake_conn_turn(second);
    struct conn *fresh = accept_plain(f);
    front_end_oldest(&f->front);
    assert_true(fake_conn_is_aborted(first) && !fake_conn_is_aborted(second));
    front_end_oldest(&f->front); // though the first is not gone yet
    assert_true(fake_conn_is_aborted(second) && !fake_conn_is_aborted(fresh));
    fake_conn_end(first);
    fake_conn_end(second);
    front_end_oldest(&f->front);
    assert_true(fake_conn_is_aborted(fresh));
    fake_conn_end(fresh);
    front_end_oldest(&f->front); // nobody is there
}

static void test_abort_reaches_all(void **state) {
    struct fixture *f = *state;
    struct conn *undecided = accept_plain(f);
    struct conn *session = accept_tls(f, "h2");
    fake_conn_turn(session);
    front_drain(&f->front, on_drained, f);
    front_abort_all(&f->front);
    assert_int_equal(last->aborts, 1);
    assert_true(fake_conn_is_aborted(undecided));
    assert_true(fake_conn_is_aborted(session));
    fake_conn_end(undecided);
    fake_conn_end(session);
    uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(f->drained, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_alpn_decides),
        TEST(test_cleartext_is_sniffed_at_every_cut),
        TEST(test_undecided_conns_leave_nothing_behind),
        TEST(test_silent_conns_are_ended),
        TEST(test_limit_on_connections),
        TEST(test_share_of_an_address),
        TEST(test_addresses_that_may_have_all),
        TEST(test_limits_are_counted),
        TEST(test_client_is_described),
        TEST(test_drain_of_an_empty_front),
        TEST(test_drain_waits_for_the_last),
        TEST(test_who_asks_while_draining_is_served),
        TEST(test_the_oldest_of_the_larger_crowd_makes_room),
        TEST(test_abort_reaches_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
