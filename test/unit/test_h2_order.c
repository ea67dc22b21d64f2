// SPDX-License-Identifier: Apache-2.0
// The HTTP/2 session in memory: pages, pushes and priorities in the order of DATA on the wire.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "h2_assert.h"

static const struct priority style = {2, false};
static const struct priority image = {5, true};

static struct h2_peer *connect_with(const nghttp2_settings_entry *settings, size_t count) {
    struct h2_peer *peer = h2_peer_create();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_connect(peer, settings, count);
    h2_peer_open_window(peer, 0, 10 * 1000 * 1000);
    h2_peer_turn(peer);
    return peer;
}

// A client with wide windows; the test answers by itself.
static struct h2_peer *connect_wide(void) {
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10 * 1000 * 1000}};
    return connect_with(settings, 1);
}

static struct exchange *ask(struct h2_peer *peer, const char *text) {
    h2_peer_request(peer, text);
    h2_peer_turn(peer);
    assert_non_null(peer->handler.x);
    return peer->handler.x;
}

// The request's memory ends with the call.
static struct exchange *promise(struct exchange *page, const char *path, struct priority priority) {
    struct arena *arena = arena_create();
    struct request_head head = {
        .method = SLICE("GET"),
        .scheme = arena_copy(arena, page->request.scheme),
        .authority = arena_copy(arena, page->request.authority),
        .path = arena_copy(arena, slice_of_text(path)),
        .is_end = true,
    };
    headers_init(&head.headers, arena);
    headers_add(&head.headers, SLICE("accept"), SLICE("text/css"));
    struct exchange *x = exchange_promise(page, &head, priority);
    arena_destroy(arena);
    return x;
}

static void answer(struct exchange *x, size_t bytes, const char *priority) {
    static const char zeros[64 * 1024];
    struct response_head head = {.status = 200, .content_length = (int64_t)bytes};
    headers_init(&head.headers, x->arena);
    if (priority != NULL) {
        headers_add_id(&head.headers, HEADER_PRIORITY, slice_of_text(priority));
    }
    exchange_send_head(x, &head);
    assert_true(bytes <= sizeof(zeros));
    exchange_send_body(x, slice_of(zeros, bytes));
    exchange_finish(x, NULL);
}

// The page's first 16 KB stand before all, then styles, the rest of the page, images by turns.
static void test_order_of_a_page(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    struct exchange *image1 = promise(page, "/1.png", image);
    struct exchange *css = promise(page, "/a.css", style);
    struct exchange *image2 = promise(page, "/2.png", image);
    answer(image1, 20000, NULL);
    answer(css, 20000, NULL);
    answer(image2, 20000, NULL);
    answer(page, 60000, NULL);
    assert_log(peer, "PUSH_PROMISE 1 2 /1.png\nPUSH_PROMISE 1 4 /a.css\nPUSH_PROMISE 1 6 /2.png\n"
                     "HEADERS 1 200\nHEADERS 2 200\nHEADERS 4 200\nHEADERS 6 200\n"
                     "DATA 1 16384\nDATA 4 20000 end\nDATA 1 43616 end\n"
                     "DATA 2 16384\nDATA 6 16384\nDATA 2 3616 end\nDATA 6 3616 end\n");
    h2_peer_destroy(peer);
}

// A page in pieces keeps its lead until 16 KB are out, and only then.
static void test_lead_of_a_page_in_pieces(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    struct exchange *css = promise(page, "/a.css", style);
    static const char zeros[20000];
    fake_handler_send_head(page, 200, BODY_UNKNOWN);
    exchange_send_body(page, slice_of(zeros, 10000));
    h2_peer_turn(peer);
    h2_peer_log(peer);
    answer(css, 30000, NULL);
    exchange_send_body(page, slice_of(zeros, 5000));
    assert_log(peer, "HEADERS 2 200\nDATA 1 5000\nDATA 2 30000 end\n");
    exchange_send_body(page, slice_of(zeros, 5000));
    assert_log(peer, "DATA 1 5000\n");
    struct exchange *other = ask(peer, "GET /urgent\npriority: u=1");
    answer(other, 30000, NULL);
    exchange_send_body(page, slice_of(zeros, 20000));
    exchange_finish(page, NULL);
    assert_log(peer, "HEADERS 3 200\nDATA 3 30000 end\nDATA 1 20000 end\n");
    h2_peer_destroy(peer);
}

// Promises that are answered before their page leave it 16 KB of the window, so that its first
// bytes do not wait for a round trip; but no page can hold them up for ever.
static void test_pushes_leave_window_for_the_page(void **state) {
    (void)state;
    struct h2_peer *peer = h2_peer_create();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    peer->is_manual = true;
    h2_peer_connect(peer, NULL, 0);
    struct exchange *page = ask(peer, "GET /page");
    struct exchange *css = promise(page, "/a.css", style);
    struct exchange *js = promise(page, "/b.js", style);
    answer(css, 40000, NULL);
    answer(js, 40000, NULL);
    assert_log(peer, "PUSH_PROMISE 1 2 /a.css\nPUSH_PROMISE 1 4 /b.js\nHEADERS 2 200\n"
                     "HEADERS 4 200\nDATA 2 40000 end\nDATA 4 9151\n");
    answer(page, 20000, NULL);
    assert_log(peer, "HEADERS 1 200\nDATA 1 16384\n");
    h2_peer_open_window(peer, 0, 100000);
    assert_log(peer, "DATA 4 30849 end\nDATA 1 3616 end\n");
    h2_peer_destroy(peer);
}

static void test_held_pushes_go_on_without_the_page(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct h2_peer *peer = h2_peer_create();
        peer->handler.answer = FAKE_ANSWER_NEVER;
        peer->is_manual = true;
        h2_peer_connect(peer, NULL, 0);
        struct exchange *page = ask(peer, "GET /page");
        struct exchange *css = promise(page, "/a.css", style);
        answer(css, 60000, NULL);
        assert_log(peer, "PUSH_PROMISE 1 2 /a.css\nHEADERS 2 200\nDATA 2 49151\n");
        if (i == 0) { // a short page
            answer(page, 10, NULL);
            assert_log(peer, "HEADERS 1 200\nDATA 1 10 end\nDATA 2 10849 end\n");
        } else if (i == 1) {
            h2_peer_reset(peer, 1, NGHTTP2_CANCEL);
            assert_log(peer, "DATA 2 10849 end\n");
        } else { // the page is still to come, and there is enough for both
            h2_peer_open_window(peer, 0, 50000);
            assert_log(peer, "DATA 2 10849 end\n");
        }
        h2_peer_destroy(peer);
    }
}

// Who asks without an urgency, who with one; what the origin says; what the client says later.
static void test_priorities(void **state) {
    (void)state;
    static const struct {
        const char *first, *second; // requests
        const char *update_first;   // PRIORITY_UPDATE
        const char *origin_first;   // priority field of the response
        bool is_first_ahead;
    } cases[] = {
        {"GET /1", "GET /2", NULL, NULL, true},
        {"GET /1", "GET /2\npriority: u=1", NULL, NULL, false},
        {"GET /1\npriority: u=5", "GET /2", NULL, NULL, false},
        {"GET /1", "GET /2", NULL, "u=6", false},
        {"GET /1\npriority: u=5", "GET /2", NULL, "u=1", true},
        {"GET /1\npriority: u=5", "GET /2", NULL, "nonsense", false},
        {"GET /1", "GET /2", "u=6", NULL, false},
        {"GET /1\npriority: u=5", "GET /2", "u=1", NULL, true},
        {"GET /1", "GET /2", "u=1", "u=6", true},
        {"GET /1", "GET /2", "u=6", "u=1", false},
        {"GET /1\npriority: u=0", "GET /2", "u=6", "u=1", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct h2_peer *peer = connect_wide();
        struct exchange *first = ask(peer, cases[i].first);
        struct exchange *second = ask(peer, cases[i].second);
        if (cases[i].update_first != NULL) {
            h2_peer_update_priority(peer, 1, cases[i].update_first);
        }
        answer(first, 20000, cases[i].origin_first);
        answer(second, 20000, NULL);
        h2_peer_turn(peer);
        const char *log = h2_peer_log(peer);
        const char *expected =
            cases[i].is_first_ahead
                ? "HEADERS 1 200\nHEADERS 3 200\nDATA 1 20000 end\nDATA 3 20000 end\n"
                : "HEADERS 1 200\nHEADERS 3 200\nDATA 3 20000 end\nDATA 1 20000 end\n";
        if (strcmp(log, expected) != 0) {
            fail_msg("case %zu: %s", i, log);
        }
        h2_peer_destroy(peer);
    }
}

static void test_origin_moves_a_push(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    struct exchange *first = promise(page, "/1.css", style);
    struct exchange *second = promise(page, "/2.css", style);
    answer(page, 10, NULL);
    answer(first, 20000, "u=6");
    answer(second, 20000, NULL);
    assert_log(peer, "PUSH_PROMISE 1 2 /1.css\nPUSH_PROMISE 1 4 /2.css\nHEADERS 1 200\n"
                     "HEADERS 2 200\nHEADERS 4 200\nDATA 1 10 end\nDATA 4 20000 end\n"
                     "DATA 2 20000 end\n");
    h2_peer_destroy(peer);
}

static void test_client_moves_a_push(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    struct exchange *page = ask(peer, "GET /page");
    struct exchange *first = promise(page, "/1.css", style);
    struct exchange *second = promise(page, "/2.css", style);
    answer(page, 10, NULL);
    h2_peer_turn(peer);
    h2_peer_log(peer);
    h2_peer_update_priority(peer, 4, "u=0");
    answer(first, 20000, NULL);
    answer(second, 20000, "u=7");
    assert_log(peer, "HEADERS 2 200\nHEADERS 4 200\nDATA 4 20000 end\nDATA 2 20000 end\n");
    h2_peer_destroy(peer);
}

// Said before the request itself came (RFC 9218 section 7.1), it wins over the origin as well.
static void test_client_says_so_beforehand(void **state) {
    (void)state;
    struct h2_peer *peer = connect_wide();
    h2_peer_update_priority(peer, 1, "u=1");
    struct exchange *first = ask(peer, "GET /1");
    struct exchange *second = ask(peer, "GET /2");
    answer(first, 20000, "u=6");
    answer(second, 20000, NULL);
    assert_log(peer, "HEADERS 1 200\nHEADERS 3 200\nDATA 1 20000 end\nDATA 3 20000 end\n");
    h2_peer_destroy(peer);
}

// Many streams, each told of beforehand, one after the other: with valgrind this shows whether
// anything is kept of those that are over.
static void test_priorities_told_beforehand_end_with_their_streams(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    for (int32_t id = 1; id < 60; id += 2) {
        h2_peer_update_priority(peer, id, "u=1");
        h2_peer_headers(peer, NGHTTP2_FLAG_END_STREAM, id, "GET /");
        h2_peer_turn(peer);
        h2_peer_log(peer);
    }
    assert_int_equal(peer->handler.closed, 30);
    h2_peer_destroy(peer);
}

// RFC 9218 section 7.1.
static void test_malformed_priority_updates(void **state) {
    (void)state;
    static const struct {
        int32_t id; // of the frame
        struct slice payload;
        const char *log;
    } cases[] = {
        {0, {"\0\0\0\x01u=1", 7}, ""},
        {0, {"\0\0\0\x01", 4}, ""},
        {0, {"\0\0\0\x01nonsense \0\xff", 14}, ""},
        {0, {"\0\0\0\x01u=1, x=\"0123456789012345678901234567890123456789012345678901\"", 66}, ""},
        {0, {"\0\0\0", 3}, "GOAWAY 0 FRAME_SIZE_ERROR\n"},
        {0, {"", 0}, "GOAWAY 0 FRAME_SIZE_ERROR\n"},
        {0, {"\0\0\0\0u=1", 7}, "GOAWAY 0 PROTOCOL_ERROR\n"},
        {1, {"\0\0\0\x01u=1", 7}, "GOAWAY 0 PROTOCOL_ERROR\n"},
        {0, {"\0\0\0\x02u=1", 7}, "GOAWAY 0 PROTOCOL_ERROR\n"}, // never promised
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t piece = 0; piece < 2; piece++) {
            struct h2_peer *peer = connect_raw();
            fake_conn_set_piece(peer->conn, piece);
            h2_peer_frame(peer, NGHTTP2_PRIORITY_UPDATE, 0, cases[i].id, cases[i].payload);
            assert_log(peer, cases[i].log);
            h2_peer_destroy(peer);
        }
    }
}

static void test_too_many_streams_prioritised_beforehand(void **state) {
    (void)state;
    struct h2_peer *peer = h2_peer_create();
    peer->front.limits.streams = 3;
    peer->handler.answer = FAKE_ANSWER_NEVER;
    h2_peer_connect_raw(peer);
    h2_peer_headers(peer, NGHTTP2_FLAG_END_STREAM, 1, "GET /");
    h2_peer_update_priority(peer, 3, "u=1");
    h2_peer_update_priority(peer, 5, "u=1");
    h2_peer_update_priority(peer, 5, "u=2");
    assert_log(peer, "");
    h2_peer_update_priority(peer, 7, "u=1");
    assert_log(peer, "GOAWAY 1 PROTOCOL_ERROR\n");
    h2_peer_destroy(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_a_page),
        cmocka_unit_test(test_lead_of_a_page_in_pieces),
        cmocka_unit_test(test_pushes_leave_window_for_the_page),
        cmocka_unit_test(test_held_pushes_go_on_without_the_page),
        cmocka_unit_test(test_priorities),
        cmocka_unit_test(test_origin_moves_a_push),
        cmocka_unit_test(test_client_moves_a_push),
        cmocka_unit_test(test_client_says_so_beforehand),
        cmocka_unit_test(test_priorities_told_beforehand_end_with_their_streams),
        cmocka_unit_test(test_malformed_priority_updates),
        cmocka_unit_test(test_too_many_streams_prioritised_beforehand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
