// SPDX-License-Identifier: Apache-2.0
// Bodies that wait for the path while something more urgent is awaited: the decision by a table,
// and the HTTP/2 session in memory before a path that the test describes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "h2_assert.h"
#include "h2_impl.h"

enum { SEGMENT = 1000, IMAGE_BYTES = 60000, LONG_MS = 60000 };

// 100 KB/s, 100 ms: 10 KB fill it. No queue.
static const struct conn_path slow_path = {.rate = 100000,
                                           .segment_bytes = SEGMENT,
                                           .round_trip_us = 100000,
                                           .least_round_trip_us = 100000};

static void test_decide(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint64_t rate; // bytes a second
        uint32_t round_trip_ms, least_ms;
        uint64_t bytes;
        uint32_t look_again_ms;
    } cases[] = {
        {"nothing known: what TCP lets out at first", 0, 100, 100, 10000, 12},
        {"a first small answer says little", 10000, 100, 100, 10000, 12},
        {"no queue: twice the path", 100000, 100, 100, 22400, 12},
        {"a small queue: more than the path", 100000, 112, 100, 13440, 12},
        {"a queue: the path", 100000, 115, 100, 11200, 12},
        {"too long a queue: less than the path", 100000, 250, 100, 5152, 12},
        {"but never nothing", 10000, 1000, 100, 4000, 12},
        {"a queue before anything is known", 0, 300, 100, 4000, 12},
        {"looks as often as two segments need", 250000, 115, 100, 27000, 8},
        {"but not all the time", 10000000, 100, 100, 2080000, 4},
        {"and not too seldom", 10000, 800, 800, 16400, 20},
        {"a round trip below the least is none", 100000, 50, 100, 22400, 12},
        {"a short way", 100000, 3, 3, 10000, 4},
        {"next door", 100000, 50, 2, H2_HOLD_UNLIMITED, 0},
        {"nobody knows the round trip", 100000, 100, 4294967, H2_HOLD_UNLIMITED, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct conn_path path = {
            .rate = cases[i].rate,
            .segment_bytes = SEGMENT,
            .round_trip_us = cases[i].round_trip_ms * 1000,
            .least_round_trip_us = cases[i].least_ms * 1000,
        };
        struct h2_hold_limit limit = h2_hold_decide(&path);
        if (limit.bytes != cases[i].bytes || limit.look_again_ms != cases[i].look_again_ms) {
            fail_msg("%s: %llu bytes, %u ms", cases[i].name, (unsigned long long)limit.bytes,
                     limit.look_again_ms);
        }
    }
}

// --- the session ---------------------------------------------------------------------------------

static struct h2_peer *connect_over(const struct conn_path *path) {
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10 * 1000 * 1000}};
    struct h2_peer *peer = h2_peer_create();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_connect(peer, settings, 1);
    h2_peer_open_window(peer, 0, 10 * 1000 * 1000);
    h2_peer_turn(peer);
    fake_conn_set_path(peer->conn, path);
    return peer;
}

static struct exchange *ask(struct h2_peer *peer, const char *text) {
    h2_peer_request(peer, text);
    h2_peer_turn(peer);
    assert_non_null(peer->handler.x);
    return peer->handler.x;
}

static void answer(struct exchange *x, size_t bytes) {
    static const char zeros[IMAGE_BYTES];
    fake_handler_send_head(x, 200, (int64_t)bytes);
    exchange_send_body(x, slice_of(zeros, bytes));
    exchange_finish(x, NULL);
}

// The peer has acknowledged all but `bytes`.
static void set_under_way(struct h2_peer *peer, uint64_t bytes) {
    struct conn_path path = slow_path;
    path.under_way = bytes;
    fake_conn_set_path(peer->conn, &path);
}

static size_t come(struct h2_peer *peer, int32_t id) {
    h2_peer_turn(peer);
    return h2_peer_body(peer, id).length;
}

// Time passes, but not so long that the page is given up.
static void look_again(struct h2_peer *peer) {
    h2_peer_wait(peer, 15);
}

// A page whose origin thinks, and an image that is there: it goes as far as the path takes it, more
// as that arrives, and all of it when the page is out (and what it names has been asked for).
static void test_image_waits_for_the_path(void **state) {
    (void)state;
    struct h2_peer *peer = connect_over(&slow_path);
    struct exchange *page = ask(peer, "GET /page\npriority: u=0");
    struct exchange *image = ask(peer, "GET /image");
    answer(image, IMAGE_BYTES);
    size_t first = come(peer, 3);
    assert_in_range(first, 22400 - SEGMENT, 22400);
    assert_true(fake_conn_is_hastened(peer->conn));
    set_under_way(peer, 22400);
    look_again(peer);
    assert_int_equal(come(peer, 3), first);
    set_under_way(peer, 12400);
    assert_int_equal(come(peer, 3), first); // nothing wakes it but time
    look_again(peer);
    assert_in_range(come(peer, 3), first + 10000 - SEGMENT, first + 10000);
    answer(page, 5000);
    assert_int_equal(come(peer, 1), 5000);
    set_under_way(peer, 0);
    h2_peer_wait(peer, 600);
    assert_int_equal(come(peer, 3), IMAGE_BYTES);
    assert_true(h2_peer_stream(peer, 3)->has_ended);
    h2_peer_destroy(peer);
}

// A moment after the page its style may be asked for: a queue of one round trip is all it may find.
static void test_a_moment_more(void **state) {
    (void)state;
    struct h2_peer *peer = connect_over(&slow_path);
    struct exchange *page = ask(peer, "GET /page\npriority: u=0");
    struct exchange *image = ask(peer, "GET /image");
    answer(image, IMAGE_BYTES);
    size_t first = come(peer, 3);
    answer(page, 1000);
    set_under_way(peer, 22400);
    assert_in_range(come(peer, 3), first + 22400 - 1000 - SEGMENT, first + 22400);
    set_under_way(peer, 44800);
    h2_peer_wait(peer, 400);
    assert_in_range(come(peer, 3), first + 22400 - 1000 - SEGMENT, first + 22400);
    h2_peer_wait(peer, 120);
    assert_int_equal(come(peer, 3), IMAGE_BYTES);
    h2_peer_destroy(peer);
}

// How the more urgent one may end: each time the image goes on, although nothing is acknowledged.
static void test_nothing_stays_held(void **state) {
    (void)state;
    enum { ANSWERED, REFUSED, RESET, GIVEN_UP, LESS_URGENT, MORE_URGENT, WAYS };
    for (int way = 0; way < WAYS; way++) {
        struct h2_peer *peer = connect_over(&slow_path);
        struct exchange *page = ask(peer, "GET /page\npriority: u=0");
        struct exchange *image = ask(peer, "GET /image");
        answer(image, IMAGE_BYTES);
        assert_in_range(come(peer, 3), 1, 22400);
        set_under_way(peer, 100000);
        look_again(peer);
        assert_in_range(come(peer, 3), 1, 22400);
        switch (way) {
        case ANSWERED:
            answer(page, 10);
            break;
        case REFUSED:
            exchange_fail(page, FAULT_ORIGIN_TIMEOUT);
            break;
        case RESET:
            h2_peer_reset(peer, 1, NGHTTP2_CANCEL);
            break;
        case GIVEN_UP: // it thinks for longer than anybody waits
            h2_peer_wait(peer, 6000);
            break;
        case LESS_URGENT:
            h2_peer_update_priority(peer, 1, "u=5");
            break;
        default:
            h2_peer_update_priority(peer, 3, "u=0");
            break;
        }
        h2_peer_turn(peer);
        h2_peer_wait(peer, 600);
        if (come(peer, 3) != IMAGE_BYTES) {
            fail_msg("way %d: %zu bytes", way, come(peer, 3));
        }
        h2_peer_destroy(peer);
    }
}

// Where nothing more urgent is awaited, or the way says nothing, all goes out at once.
static void test_all_at_once(void **state) {
    (void)state;
    static const struct conn_path next_door = {.rate = 100000,
                                               .segment_bytes = SEGMENT,
                                               .round_trip_us = 1000,
                                               .least_round_trip_us = 1000};
    static const struct {
        const char *first, *second;
        const struct conn_path *path;
    } cases[] = {
        {"GET /page", "GET /image", &slow_path},
        {"GET /page\npriority: u=4", "GET /image", &slow_path},
        {"GET /page\npriority: u=5", "GET /image\npriority: u=5, i", &slow_path},
        {"GET /page\npriority: u=0", "GET /image", NULL},
        {"GET /page\npriority: u=0", "GET /image", &next_door},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct h2_peer *peer = connect_over(cases[i].path);
        ask(peer, cases[i].first);
        answer(ask(peer, cases[i].second), IMAGE_BYTES);
        if (come(peer, 3) != IMAGE_BYTES) {
            fail_msg("case %zu: %zu bytes", i, come(peer, 3));
        }
        assert_false(fake_conn_is_hastened(peer->conn));
        h2_peer_destroy(peer);
    }
}

// Pushes are held back as well, and what the origin calls urgent is not.
static void test_pushes(void **state) {
    (void)state;
    struct h2_peer *peer = connect_over(&slow_path);
    struct exchange *page = ask(peer, "GET /page\npriority: u=1");
    struct request_head head = {.method = SLICE("GET"),
                                .scheme = page->request.scheme,
                                .authority = page->request.authority,
                                .path = SLICE("/image"),
                                .is_end = true};
    headers_init(&head.headers, page->arena);
    struct exchange *image = exchange_promise(page, &head, (struct priority){5, true});
    assert_non_null(image);
    answer(image, 40000);
    assert_in_range(come(peer, 2), 22400 - SEGMENT, 22400);
    set_under_way(peer, 22400);
    struct exchange *script = ask(peer, "GET /script");
    struct response_head urgent = {.status = 200, .content_length = BODY_UNKNOWN};
    headers_init(&urgent.headers, script->arena);
    headers_add_id(&urgent.headers, HEADER_PRIORITY, SLICE("u=0"));
    exchange_send_head(script, &urgent);
    exchange_send_body(script, SLICE("urgent"));
    assert_int_equal(come(peer, 3), 6);
    assert_in_range(come(peer, 2), 22400 - SEGMENT, 22400);
    h2_peer_destroy(peer);
}

// Our own holding back is not the client's fault, and its silence still is.
static void test_deadlines(void **state) {
    (void)state;
    struct h2_peer *peer = connect_over(&slow_path);
    struct exchange *page = ask(peer, "GET /page\npriority: u=0");
    struct exchange *image = ask(peer, "GET /image");
    answer(image, IMAGE_BYTES);
    assert_in_range(come(peer, 3), 1, 22400);
    set_under_way(peer, 22400);
    fake_handler_send_head(page, 200, BODY_UNKNOWN);
    for (int i = 0; i < LONG_MS / 1000; i++) { // an origin that speaks now and then
        exchange_send_body(page, SLICE("."));
        h2_peer_turn(peer);
        h2_peer_wait(peer, 1000);
    }
    assert_false(h2_peer_stream(peer, 3)->was_reset);
    assert_in_range(come(peer, 3), 1, 22400);
    exchange_finish(page, NULL);
    h2_peer_turn(peer);
    h2_peer_wait(peer, 600);
    assert_int_equal(come(peer, 3), IMAGE_BYTES);

    ask(peer, "GET /page\npriority: u=0");
    answer(ask(peer, "GET /image"), IMAGE_BYTES);
    fake_conn_set_limit(peer->conn, 0);
    h2_peer_turn(peer);
    for (int i = 0; i < LONG_MS / 1000 && !fake_conn_is_aborted(peer->conn); i++) {
        h2_peer_wait(peer, 1000);
    }
    assert_true(fake_conn_is_aborted(peer->conn));
    h2_peer_destroy(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decide),        cmocka_unit_test(test_image_waits_for_the_path),
        cmocka_unit_test(test_a_moment_more), cmocka_unit_test(test_nothing_stays_held),
        cmocka_unit_test(test_all_at_once),   cmocka_unit_test(test_pushes),
        cmocka_unit_test(test_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
