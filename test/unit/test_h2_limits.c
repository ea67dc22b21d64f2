// SPDX-License-Identifier: Apache-2.0
// The HTTP/2 session in memory: sizes, budgets and timeouts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "h2_assert.h"

#define limit_of(peer, ID) metrics_read(&(peer)->loop.metrics, METRIC_AT_LIMITS + METRIC_LIMIT_##ID)

enum { END = NGHTTP2_FLAG_END_STREAM, BLOCK = NGHTTP2_FLAG_END_HEADERS };

// A value of that many legal bytes; valid until the next call.
static struct slice value_of(size_t length) {
    static char text[20000];
    assert_true(length <= sizeof(text));
    memset(text, 'v', sizeof(text));
    return slice_of(text, length);
}

static void assert_next_is_served(struct h2_peer *peer, int32_t id) {
    h2_peer_headers(peer, END, id, "GET /next");
    h2_peer_turn(peer);
    assert_int_equal(h2_peer_stream(peer, id)->status, 200);
}

// --- sizes ---------------------------------------------------------------------------------------

// A request head of `count` fields with values of `length` bytes, and crumbs of cookies.
static const struct {
    size_t count, length, crumbs, crumb_length, path_length;
    int status; // 0: GOAWAY
} heads[] = {
    {0, 0, 0, 0, 1, 200},          {100, 10, 0, 0, 1, 200},
    {101, 10, 0, 0, 1, 431},       {399, 0, 0, 0, 1, 431},
    {500, 0, 0, 0, 1, 0},          {1, 16384 - 36, 0, 0, 1, 200}, // "x-00" and 32 count too
    {1, 16384 - 35, 0, 0, 1, 431}, {9, 7000, 0, 0, 1, 200},
    {10, 7000, 0, 0, 1, 431},      {0, 0, 256, 10, 1, 200},
    {0, 0, 257, 10, 1, 431},       {100, 10, 256, 10, 1, 200}, // crumbs are counted apart
    {0, 0, 2, 16000, 1, 200},      {0, 0, 3, 16000, 1, 431},
    {0, 0, 1100, 0, 1, 0},         {0, 0, 0, 0, 8192, 200},
    {0, 0, 0, 0, 8193, 414},       {0, 0, 0, 0, 20000, 414},
};

static void add_fields(struct buffer *block, size_t count, size_t length, const char *name) {
    for (size_t i = 0; i < count; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%s%02zu", name, i % 100);
        h2_peer_add_field(block, slice_of_text(name[0] == 'x' ? text : name), value_of(length));
    }
}

static void test_heads(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct h2_peer *peer = connect_raw();
        struct buffer block = {0};
        char path[20001] = "/";
        memset(path + 1, 'p', heads[i].path_length - 1);
        h2_peer_add_request(&block, "GET", path);
        add_fields(&block, heads[i].count, heads[i].length, "x-");
        add_fields(&block, heads[i].crumbs, heads[i].crumb_length, "cookie");
        h2_peer_block(peer, END, 1, buffer_peek(&block));
        h2_peer_turn(peer);
        int status = h2_peer_stream(peer, 1)->status;
        if (status != heads[i].status || peer->has_goaway != (status == 0)) {
            fail_msg("case %zu: %d: %s", i, status, h2_peer_log(peer));
        }
        assert_int_equal(peer->handler.started, heads[i].status == 200);
        if (status != 0) {
            assert_next_is_served(peer, 3);
        } else {
            assert_int_equal(peer->goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
            assert_true(h2_peer_is_closed(peer));
        }
        buffer_finish(&block);
        h2_peer_destroy(peer);
    }
}

// One stored field, then a byte for each further copy of it (RFC 7541 section 6.1).
static void test_bomb_of_references(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    peer->front.limits.head_fields = 10000;
    struct buffer block = {0};
    h2_peer_add_request(&block, "GET", "/");
    size_t start = buffer_length(&block);
    h2_peer_add_field(&block, SLICE("x-a"), value_of(4000));
    block.data[block.start + start] = 0x40; // with incremental indexing
    for (int i = 0; i < 2000; i++) {
        buffer_append(&block, "\xbe", 1); // the newest entry of the table
    }
    h2_peer_block(peer, END, 1, buffer_peek(&block));
    assert_log(peer, "GOAWAY 1 ENHANCE_YOUR_CALM\n");
    assert_int_equal(peer->handler.started, 0);
    assert_int_equal(limit_of(peer, HEAD), 1);
    buffer_finish(&block);
    h2_peer_destroy(peer);
}

// Each head is within the limits; all of them together are not. Who is turned away may come again.
static void test_heads_of_a_connection(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    struct buffer block = {0};
    h2_peer_add_request(&block, "GET", "/");
    add_fields(&block, 3, 15000, "x-"); // some 46 KB
    int32_t id = 1;
    for (; id < 200; id += 2) {
        h2_peer_block(peer, END, id, buffer_peek(&block));
        h2_peer_turn(peer);
        if (h2_peer_stream(peer, id)->was_reset) {
            break;
        }
    }
    assert_in_range(peer->handler.started, 40, 48);
    assert_int_equal(h2_peer_stream(peer, id)->error_code, NGHTTP2_REFUSED_STREAM);
    assert_int_equal(limit_of(peer, HEAD), 1);
    assert_false(peer->has_goaway);
    h2_peer_headers(peer, END, id + 2, "GET /small"); // there is room for this one
    h2_peer_turn(peer);
    assert_false(h2_peer_stream(peer, id + 2)->was_reset);
    h2_peer_frame(peer, NGHTTP2_RST_STREAM, 0, 1, slice_of("\0\0\0\x08", 4));
    h2_peer_block(peer, END, id + 4, buffer_peek(&block));
    h2_peer_turn(peer);
    assert_false(h2_peer_stream(peer, id + 4)->was_reset);
    buffer_finish(&block);
    h2_peer_destroy(peer);
}

static void test_flood_of_continuations(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    struct buffer block = {0};
    h2_peer_add_request(&block, "GET", "/");
    h2_peer_frame(peer, NGHTTP2_HEADERS, END, 1, buffer_peek(&block));
    for (int i = 0; i < 100; i++) {
        h2_peer_frame(peer, NGHTTP2_CONTINUATION, 0, 1, SLICE_EMPTY);
    }
    h2_peer_turn(peer);
    assert_int_equal(peer->goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_true(h2_peer_is_closed(peer));
    assert_int_equal(peer->handler.started, 0);
    assert_int_equal(limit_of(peer, FRAMES), 1);
    buffer_finish(&block);
    h2_peer_destroy(peer);
}

static void test_too_many_trailers(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    struct buffer block = {0};
    h2_peer_headers(peer, 0, 1, "POST /");
    add_fields(&block, 120, 10, "x-");
    h2_peer_block(peer, END, 1, buffer_peek(&block));
    h2_peer_turn(peer);
    assert_int_equal(h2_peer_stream(peer, 1)->status, 431);
    assert_record(peer, "start POST http a.example/\nclosed head_too_large\n");
    assert_next_is_served(peer, 3);
    buffer_finish(&block);
    h2_peer_destroy(peer);
}

static void test_content_limit(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    peer->front.limits.body_bytes = 10;
    h2_peer_headers(peer, 0, 1, "POST /\ncontent-length: 11");
    h2_peer_turn(peer);
    assert_int_equal(h2_peer_stream(peer, 1)->status, 413);
    assert_record(peer, "");
    h2_peer_headers(peer, 0, 3, "POST /");
    h2_peer_frame(peer, NGHTTP2_DATA, 0, 3, SLICE("0123456789"));
    h2_peer_turn(peer);
    assert_false(h2_peer_stream(peer, 3)->has_head);
    h2_peer_frame(peer, NGHTTP2_DATA, 0, 3, SLICE("!"));
    // At once, not when the answer has left: the handler need not read on until then.
    assert_record(peer, "start POST http a.example/\nclosed body_too_large\n");
    h2_peer_turn(peer);
    assert_int_equal(h2_peer_stream(peer, 3)->status, 413);
    h2_peer_headers(peer, 0, 5, "POST /\ncontent-length: 10");
    h2_peer_frame(peer, NGHTTP2_DATA, END, 5, SLICE("0123456789"));
    h2_peer_turn(peer);
    assert_int_equal(h2_peer_stream(peer, 5)->status, 200);
    h2_peer_destroy(peer);
}

// --- budgets -------------------------------------------------------------------------------------

static void rapid_reset(struct h2_peer *peer, int32_t id) {
    h2_peer_headers(peer, END, id, "GET /");
    h2_peer_frame(peer, NGHTTP2_RST_STREAM, 0, id, slice_of("\0\0\0\x08", 4));
}

static void bad_field(struct h2_peer *peer, int32_t id) {
    h2_peer_headers(peer, END, id, "GET /\nx a: b");
}

static void upper_case_field(struct h2_peer *peer, int32_t id) {
    h2_peer_headers(peer, END, id, "GET /\nX-A: b");
}

static void wrong_length(struct h2_peer *peer, int32_t id) {
    h2_peer_headers(peer, END, id, "GET /\ncontent-length: 5");
}

static void window_overflow(struct h2_peer *peer, int32_t id) {
    h2_peer_headers(peer, END, id, "GET /");
    h2_peer_frame(peer, NGHTTP2_WINDOW_UPDATE, 0, id, slice_of("\x7f\xff\xff\xff", 4));
}

static void content_too_short(struct h2_peer *peer, int32_t id) {
    h2_peer_headers(peer, 0, id, "POST /\ncontent-length: 5");
    h2_peer_frame(peer, NGHTTP2_DATA, END, id, SLICE("x"));
}

static void content_too_long(struct h2_peer *peer, int32_t id) {
    h2_peer_headers(peer, 0, id, "POST /\ncontent-length: 1");
    h2_peer_frame(peer, NGHTTP2_DATA, 0, id, SLICE("xx"));
}

static void bad_trailers(struct h2_peer *peer, int32_t id) {
    h2_peer_headers(peer, 0, id, "POST /");
    h2_peer_headers(peer, END, id, "x a: b");
}

static void trailers_without_end(struct h2_peer *peer, int32_t id) {
    h2_peer_headers(peer, 0, id, "POST /");
    h2_peer_headers(peer, 0, id, "x-a: b");
}

static void content_beyond_the_limit(struct h2_peer *peer, int32_t id) {
    peer->front.limits.body_bytes = 2;
    h2_peer_headers(peer, 0, id, "POST /");
    h2_peer_frame(peer, NGHTTP2_DATA, 0, id, SLICE("xyz"));
}

static void many_fields(struct h2_peer *peer, int32_t id) {
    struct buffer block = {0};
    h2_peer_add_request(&block, "GET", "/");
    add_fields(&block, 150, 0, "x-");
    h2_peer_block(peer, END, id, buffer_peek(&block));
    buffer_finish(&block);
}

static void (*const attacks[])(struct h2_peer *peer, int32_t id) = {
    rapid_reset,
    bad_field,
    upper_case_field,
    wrong_length,
    window_overflow,
    many_fields,
    content_too_short,
    content_too_long,
    content_beyond_the_limit,
    bad_trailers,
    trailers_without_end,
};

// Each costs the client a token: after the burst the connection ends.
static void test_attacks_end(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        struct h2_peer *peer = connect_raw();
        peer->handler.answer = FAKE_ANSWER_NEVER;
        unsigned events = 0;
        for (; events < 300 && !peer->has_goaway; events++) {
            attacks[i](peer, (int32_t)(2 * events + 1));
            h2_peer_turn(peer);
        }
        if (events < 200 || events > 210 || peer->goaway_code != NGHTTP2_ENHANCE_YOUR_CALM) {
            fail_msg("attack %zu: %u events, code %u", i, events, peer->goaway_code);
        }
        assert_true(h2_peer_is_closed(peer));
        assert_true(peer->handler.started <= 210);
        assert_int_equal(limit_of(peer, RESETS), 1);
        h2_peer_destroy(peer);
    }
}

// All in one read.
static void test_rapid_reset_in_one_piece(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    for (int32_t id = 1; id < 2000; id += 2) {
        rapid_reset(peer, id);
    }
    h2_peer_turn(peer);
    assert_int_equal(peer->goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_true(peer->handler.started <= 300);
    assert_int_equal(peer->handler.closed, peer->handler.started);
    h2_peer_destroy(peer);
}

// A person who leaves a page full of images, now and then. (The library has a limit of its own, of
// 1000 in real time.)
static void test_leaving_pages_is_no_attack(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    peer->handler.answer = FAKE_ANSWER_NEVER;
    int32_t id = 1;
    for (int page = 0; page < 9; page++) {
        int32_t first = id;
        for (; id < first + 200; id += 2) {
            h2_peer_headers(peer, END, id, "GET /image");
        }
        h2_peer_turn(peer);
        for (; first < id; first += 2) {
            h2_peer_frame(peer, NGHTTP2_RST_STREAM, 0, first, slice_of("\0\0\0\x08", 4));
        }
        h2_peer_wait(peer, 5000);
    }
    assert_false(peer->has_goaway);
    assert_int_equal(peer->handler.closed, 900);
    h2_peer_destroy(peer);
}

static void test_served_requests_cost_nothing(void **state) {
    (void)state;
    struct h2_peer *peer = connect_raw();
    for (int32_t id = 1; id < 2000; id += 2) {
        h2_peer_headers(peer, END, id, "GET /");
        h2_peer_turn(peer);
    }
    assert_false(peer->has_goaway);
    assert_int_equal(peer->handler.closed, 1000);
    h2_peer_destroy(peer);
}

// Frames that bring nobody anything; each kind alone, by the ten thousand.
static const struct {
    uint8_t type;
    int32_t id;
    struct slice payload;
} idle_frames[] = {
    {NGHTTP2_DATA, 1, {"", 0}},
    {NGHTTP2_PRIORITY, 1, {"\0\0\0\0\x10", 5}},
    {NGHTTP2_WINDOW_UPDATE, 1, {"\0\0\0\x01", 4}},
    {NGHTTP2_WINDOW_UPDATE, 0, {"\0\0\0\x01", 4}},
    {NGHTTP2_PRIORITY_UPDATE, 0, {"\0\0\0\x01u=1", 7}},
    {0xbe, 0, {"?", 1}},
};

static void test_floods_of_idle_frames(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(idle_frames) / sizeof(idle_frames[0]); i++) {
        struct h2_peer *peer = connect_raw();
        peer->handler.answer = FAKE_ANSWER_NEVER;
        h2_peer_headers(peer, 0, 1, "POST /");
        unsigned frames = 0;
        for (; frames < 12000 && !peer->has_goaway; frames++) {
            h2_peer_frame(peer, idle_frames[i].type, 0, idle_frames[i].id, idle_frames[i].payload);
            if (frames % 100 == 0) {
                h2_peer_turn(peer);
            }
        }
        if (frames < 9900 || frames > 10200 || peer->goaway_code != NGHTTP2_ENHANCE_YOUR_CALM) {
            fail_msg("flood %zu: %u frames, code %u", i, frames, peer->goaway_code);
        }
        h2_peer_destroy(peer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floods_of_idle_frames),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_bomb_of_references),
        cmocka_unit_test(test_heads_of_a_connection),
        cmocka_unit_test(test_flood_of_continuations),
        cmocka_unit_test(test_too_many_trailers),
        cmocka_unit_test(test_content_limit),
        cmocka_unit_test(test_attacks_end),
        cmocka_unit_test(test_rapid_reset_in_one_piece),
        cmocka_unit_test(test_leaving_pages_is_no_attack),
        cmocka_unit_test(test_served_requests_cost_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
