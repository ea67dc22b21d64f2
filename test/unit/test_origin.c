// SPDX-License-Identifier: Apache-2.0
// One call on one connection: what is written, what is read, and whether the connection is used
// again. Lines, limits, timeouts and cancelling: test_origin_pool.c.
#include "origin_scene.h"

#define OK "HTTP/1.1 200 OK\r\n"

// --- the request --------------------------------------------------------------------------------

static void test_request_text(void **state) {
    (void)state;
    for (int is_unix = 0; is_unix <= 1; is_unix++) {
        struct scene s;
        if (is_unix) {
            scene_open_unix(&s, "");
        } else {
            scene_open(&s, "");
        }
        struct user user;
        user_init(&user, &s, "GET", "/a?b");
        headers_add(&user.head.headers, SLICE("accept"), SLICE("*/*"));
        user_start(&user);
        int fd = origin_accept(&s);
        origin_expect(&s, fd, "GET /a?b HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\n\r\n");
        origin_say(&s, fd, OK "Content-Length: 5\r\nX-A: 1\r\n\r\nhello");
        user_expect(&user, "head 200 5\nend\n");
        assert_true(slice_equal(user_body(&user), SLICE("hello")));
        assert_non_null(headers_find_name(user.headers, SLICE("x-a")));
        user_finish(&user);
        scene_reuse(&s, fd);
        scene_reuse(&s, fd);
        unsigned slot = metrics_name_slot("app");
        assert_int_equal(origin_pool_counts(s.pool).idle, 1);
        assert_int_equal(metrics_read(&s.loop.metrics, METRIC_AT_ORIGIN_OPENED + slot), 1);
        assert_int_equal(metrics_read(&s.loop.metrics, METRIC_AT_ORIGIN_REUSED + slot), 2);
        assert_int_equal(metrics_read(&s.loop.metrics, METRIC_AT_ORIGIN_IDLE + slot), 1);
        assert_int_equal(metrics_read(&s.loop.metrics, METRIC_AT_ORIGIN_BUSY + slot), 0);
        scene_close(&s);
    }
}

static void init_post(struct user *user, struct scene *s, int64_t length) {
    user_init(user, s, "POST", "/form");
    user->head.is_end = false;
    user->head.content_length = length;
}

// Content that came before there was a connection, and content that came later.
static void test_content_of_known_length(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "");
    struct user user;
    init_post(&user, &s, 11);
    user_start(&user);
    origin_call_write(user.call, SLICE("hello"));
    origin_call_write(user.call, SLICE(" "));
    int fd = origin_accept(&s);
    origin_expect(&s, fd,
                  "POST /form HTTP/1.1\r\nhost: a.example\r\ncontent-length: 11\r\n\r\n"
                  "hello ");
    scene_wait(&s, user.taken == 6);
    origin_call_write(user.call, SLICE("world"));
    origin_call_write(user.call, SLICE_EMPTY);
    origin_call_finish_request(user.call, NULL);
    origin_expect(&s, fd, "world");
    scene_wait(&s, user.taken == 11);
    origin_say(&s, fd, "HTTP/1.1 204 No\r\n\r\n");
    user_expect(&user, "head 204 0 end\nend\n");
    user_finish(&user);
    scene_reuse(&s, fd);
    scene_close(&s);
}

static void test_chunked_content(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "");
    struct user user;
    init_post(&user, &s, BODY_UNKNOWN);
    user_start(&user);
    origin_call_write(user.call, SLICE("abc"));
    int fd = origin_accept(&s);
    origin_expect(&s, fd,
                  "POST /form HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n"
                  "\r\n3\r\nabc\r\n");
    origin_call_write(user.call, SLICE("0123456789abcdef"));
    origin_expect(&s, fd, "10\r\n0123456789abcdef\r\n");
    scene_wait(&s, user.taken == 19); // content, not its wrapping
    struct headers trailers;
    headers_init(&trailers, user.arena);
    headers_add(&trailers, SLICE("sum"), SLICE("19"));
    origin_call_finish_request(user.call, &trailers);
    origin_expect(&s, fd, "0\r\nsum: 19\r\n\r\n");
    origin_say(&s, fd, OK "Content-Length: 0\r\n\r\n");
    user_expect(&user, "head 200 0 end\nend\n");
    assert_int_equal(user.taken, 19);
    user_finish(&user);
    scene_reuse(&s, fd);
    scene_close(&s);
}

// Chunked and without any: ended before and after the connection is there.
static void test_empty_chunked_content(void **state) {
    (void)state;
    for (int is_late = 0; is_late <= 1; is_late++) {
        struct scene s;
        scene_open(&s, "");
        struct user user;
        init_post(&user, &s, BODY_UNKNOWN);
        user_start(&user);
        if (!is_late) {
            origin_call_finish_request(user.call, NULL);
        }
        int fd = origin_accept(&s);
        origin_hear_head(&s, fd);
        if (is_late) {
            origin_call_finish_request(user.call, NULL);
        }
        origin_expect(&s, fd, "0\r\n\r\n");
        origin_say(&s, fd, OK "Content-Length: 0\r\n\r\n");
        user_expect(&user, "head 200 0 end\nend\n");
        user_finish(&user);
        scene_reuse(&s, fd);
        scene_close(&s);
    }
}

// An origin that reads slowly: what it has not taken is not reported, so the client is held back.
static void test_slow_origin_holds_back_the_client(void **state) {
    (void)state;
    enum { WINDOW = 64 * 1024, TOTAL = 8 * 1024 * 1024 };
    struct scene s;
    scene_open(&s, "");
    struct user user;
    init_post(&user, &s, TOTAL);
    user_start(&user);
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    static const char bytes[8192];
    size_t written = 0;
    size_t heard = 0;
    size_t stalled_at = 0;
    uint64_t until = scene_limit(&s);
    while (heard < TOTAL && scene_step(&s, until)) {
        size_t before = written;
        while (written < TOTAL && written - user.taken + sizeof(bytes) <= WINDOW) {
            origin_call_write(user.call, slice_of(bytes, sizeof(bytes)));
            written += sizeof(bytes);
        }
        if (stalled_at == 0 && written == before && written < TOTAL) {
            scene_run(&s, 20);
            if (written - user.taken + sizeof(bytes) > WINDOW) {
                stalled_at = written; // the kernel's buffers are full: from here on it reads
            }
        }
        if (stalled_at > 0) {
            heard += origin_hear_some(&s, fd);
        }
        assert_true(user.taken <= written);
    }
    assert_in_range(stalled_at, WINDOW, TOTAL - 1);
    assert_int_equal(heard, TOTAL);
    scene_wait(&s, user.taken == TOTAL);
    origin_call_finish_request(user.call, NULL);
    origin_say(&s, fd, OK "Content-Length: 0\r\n\r\n");
    user_expect(&user, "head 200 0 end\nend\n");
    user_finish(&user);
    scene_reuse(&s, fd);
    scene_close(&s);
}

// --- the response --------------------------------------------------------------------------------

enum { BY_FIN = 1, REUSED = 2 };

static const struct {
    const char *method;
    const char *response;
    const char *log;
    const char *body;
    unsigned facts; // BY_FIN: the origin ends its side behind it; REUSED: the next call comes on it
} responses[] = {
    {"GET", OK "Content-Length: 5\r\n\r\nhello", "head 200 5\nend\n", "hello", REUSED},
    {"GET", OK "Content-Length: 0\r\n\r\n", "head 200 0 end\nend\n", "", REUSED},
    {"GET", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
     "head 200 -1\nend\n", "abcde", REUSED},
    {"GET", OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "head 200 -1\nend\n", "", REUSED},
    {"GET", OK "Transfer-Encoding: chunked\r\nTrailer: sum\r\n\r\n1\r\na\r\n0\r\nSum: 1\r\n\r\n",
     "head 200 -1\nend sum=1\n", "a", REUSED},
    {"GET", OK "\r\nuntil the end", "head 200 -1\nend\n", "until the end", BY_FIN},
    {"GET", OK "\r\n", "head 200 -1\nend\n", "", BY_FIN},
    {"GET", OK "Connection: close\r\nContent-Length: 2\r\n\r\nhi", "head 200 2\nend\n", "hi", 0},
    {"GET", OK "Connection: close\r\nContent-Length: 2\r\n\r\nhi", "head 200 2\nend\n", "hi",
     BY_FIN},
    {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "head 200 2\nend\n", "hi", 0},
    {"HEAD", OK "Content-Length: 5\r\n\r\n", "head 200 0 end\nend\n", "", REUSED},
    {"HEAD", OK "Transfer-Encoding: chunked\r\n\r\n", "head 200 0 end\nend\n", "", REUSED},
    {"HEAD", OK "\r\n", "head 200 0 end\nend\n", "", REUSED},
    {"GET", "HTTP/1.1 204 None\r\n\r\n", "head 204 0 end\nend\n", "", REUSED},
    {"GET", "HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n", "head 304 0 end\nend\n", "", REUSED},
    {"GET", "HTTP/1.1 304 Same\r\n\r\n", "head 304 0 end\nend\n", "", REUSED},
    {"GET", "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno", "head 500 2\nend\n", "no", REUSED},
    {"GET",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n" OK
     "Content-Length: 2\r\n\r\nhi",
     "interim 100\ninterim 103\nhead 200 2\nend\n", "hi", REUSED},
    // What nobody asked for.
    {"GET", OK "Content-Length: 2\r\n\r\nhi!", "head 200 2\nend\n", "hi", 0},
    {"GET", OK "Content-Length: 2\r\n\r\nhi" OK "Content-Length: 0\r\n\r\n", "head 200 2\nend\n",
     "hi", 0},
    {"HEAD", OK "Content-Length: 2\r\n\r\nhi", "head 200 0 end\nend\n", "", 0},
    {"GET", "HTTP/1.1 204 None\r\n\r\nhi", "head 204 0 end\nend\n", "", 0},
    {"GET", OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n\r\n", "head 200 -1\nend\n", "", 0},
    // How long it will wait for the next request.
    {"GET", OK "Keep-Alive: timeout=5, max=100\r\nContent-Length: 0\r\n\r\n",
     "head 200 0 end\nend\n", "", REUSED},
    {"GET", OK "Keep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n", "head 200 0 end\nend\n", "",
     0},
    {"GET", OK "Keep-Alive: max=5, TIMEOUT=0\r\nContent-Length: 0\r\n\r\n", "head 200 0 end\nend\n",
     "", 0},
    {"GET", OK "Keep-Alive: timeout=99999999999999999999\r\nContent-Length: 0\r\n\r\n",
     "head 200 0 end\nend\n", "", REUSED},
    // Broken ones.
    {"GET", "SSH-2.0-x\r\n", "fail origin_bad_response\n", "", 0},
    {"GET", "HTTP/1.1 999 x\r\n\r\n", "fail origin_bad_response\n", "", 0},
    {"GET", OK "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", "fail origin_bad_response\n",
     "", 0},
    {"GET", OK "Content Length: 2\r\n\r\n", "fail origin_bad_response\n", "", 0},
    {"GET", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
     "head 200 -1\nfail origin_bad_response\n", "abc", 0},
    {"GET", OK "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
     "head 200 -1\nfail origin_bad_response\n", "", 0},
    {"GET", "HTTP/1.1 101 Up\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "fail origin_upgrade\n",
     "", 0},
};

// In pieces of so many bytes, with a turn of the loop between; 0: all at once.
static void play_response(size_t row, size_t piece) {
    struct scene s;
    scene_open(&s, "");
    struct user user;
    user_init(&user, &s, responses[row].method, "/");
    user_start(&user);
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    struct slice rest = slice_of_text(responses[row].response);
    while (rest.length > 0) {
        size_t length = piece > 0 ? piece : rest.length;
        origin_say_bytes(&s, fd, slice_first(rest, length));
        rest = slice_skip(rest, length);
        scene_step(&s, 0);
    }
    bool is_reused = (responses[row].facts & REUSED) != 0;
    if (responses[row].facts & BY_FIN) {
        origin_hang_up(&s, fd);
    }
    scene_wait(&s, user.is_over);
    if (strcmp(user_log(&user), responses[row].log) != 0 ||
        !slice_equal(user_body(&user), slice_of_text(responses[row].body))) {
        fail_msg("row %zu, pieces of %zu: %s'%.*s'", row, piece, user_log(&user),
                 SLICE_ARGS(user_body(&user)));
    }
    user_finish(&user);
    if (is_reused) {
        scene_reuse(&s, fd);
    } else {
        assert_int_equal(origin_pool_counts(s.pool).idle, 0);
        if ((responses[row].facts & BY_FIN) == 0) {
            origin_expect_closed(&s, fd);
        }
        scene_use_new(&s);
    }
    scene_close(&s);
}

static void test_responses(void **state) {
    (void)state;
    for (size_t row = 0; row < sizeof(responses) / sizeof(responses[0]); row++) {
        play_response(row, 0);
    }
}

static void test_responses_in_pieces(void **state) {
    (void)state;
    for (size_t row = 0; row < sizeof(responses) / sizeof(responses[0]); row++) {
        play_response(row, 1);
        play_response(row, 7);
    }
}

// Complete responses, each ended with `~` where the rest is only closing.
static const char *const to_cut[] = {
    OK "Content-Length: 5\r\n\r\nhello",
    OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nsum: 1\r\n\r\n",
    "HTTP/1.1 103 x\r\n\r\n" OK "Connection: close\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/1.1 204 None\r\n\r\n",
};

static void cut_at(struct scene *s, const char *response, size_t at, bool is_reset) {
    struct user user;
    user_init(&user, s, "GET", "/");
    user.options.is_retry = true; // on a new connection
    user_start(&user);
    int fd = origin_accept(s);
    origin_hear_head(s, fd);
    origin_say_bytes(s, fd, slice_of(response, at));
    if (is_reset) {
        scene_run(s, 1); // a reset may overtake what came before it
        origin_reset(s, fd);
    } else {
        origin_hang_up(s, fd);
    }
    scene_wait(s, user.is_over);
    enum fault expected = at == 0                 ? FAULT_ORIGIN_RESET
                          : at < strlen(response) ? FAULT_ORIGIN_CUT
                                                  : FAULT_NONE;
    if (user.fault != expected) {
        fail_msg("cut at %zu of '%s': %s", at, response, user_log(&user));
    }
    user_finish(&user);
}

static void test_cut_at_every_byte(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "");
    for (size_t row = 0; row < sizeof(to_cut) / sizeof(to_cut[0]); row++) {
        for (size_t at = 0; at <= strlen(to_cut[row]); at++) {
            cut_at(&s, to_cut[row], at, false);
            cut_at(&s, to_cut[row], at, true);
        }
    }
    scene_close(&s);
}

// Content that lasts until the end of the connection: a reset is no end.
static void test_reset_is_no_end(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "");
    struct user user;
    user_init(&user, &s, "GET", "/");
    user_start(&user);
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    origin_say(&s, fd, OK "\r\nhalf");
    scene_wait(&s, user_body(&user).length == 4);
    origin_reset(&s, fd);
    user_expect(&user, "head 200 -1\nfail origin_cut\n");
    user_finish(&user);
    scene_close(&s);
}

static void test_limits_of_a_response(void **state) {
    (void)state;
    static const struct {
        unsigned fields, interims;
        const char *fault;
    } cases[] = {{1000, 0, "origin_head_too_large"}, {0, 101, "origin_interim_flood"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene s;
        scene_open(&s, "");
        struct user user;
        user_init(&user, &s, "GET", "/");
        user_start(&user);
        int fd = origin_accept(&s);
        origin_hear_head(&s, fd);
        for (unsigned j = 0; j < cases[i].interims; j++) {
            origin_say(&s, fd, "HTTP/1.1 102 x\r\n\r\n");
        }
        origin_say(&s, fd, OK);
        for (unsigned j = 0; j < cases[i].fields; j++) {
            origin_say(&s, fd, "x: 1\r\n");
        }
        origin_say(&s, fd, "Content-Length: 0\r\n\r\n");
        scene_wait(&s, user.is_over);
        assert_string_equal(fault_name(user.fault), cases[i].fault);
        user_finish(&user);
        origin_expect_closed(&s, fd);
        scene_close(&s);
    }
}

// --- a connection that is not used again ---------------------------------------------------------

static void test_unfinished_request(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "");
    struct user user;
    init_post(&user, &s, 100);
    user_start(&user);
    origin_call_write(user.call, SLICE("a part"));
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    origin_say(&s, fd, "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
    user_expect(&user, "head 413 2\nend\n");
    origin_expect_closed(&s, fd);
    user_finish(&user);
    scene_use_new(&s);
    scene_close(&s);
}

static void test_bytes_on_an_idle_connection(void **state) {
    (void)state;
    static const char *const words[] = {"x", OK "Content-Length: 4\r\n\r\nevil", "\r\n"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct scene s;
        scene_open(&s, "");
        int fd = scene_leave_idle(&s);
        origin_say(&s, fd, words[i]);
        origin_expect_closed(&s, fd);
        assert_int_equal(origin_pool_counts(s.pool).idle, 0);
        scene_use_new(&s);
        scene_close(&s);
    }
}

static void test_idle_connection_that_ends(void **state) {
    (void)state;
    for (int is_reset = 0; is_reset <= 1; is_reset++) {
        struct scene s;
        scene_open(&s, "");
        int fd = scene_leave_idle(&s);
        assert_int_equal(origin_pool_counts(s.pool).idle, 1);
        if (is_reset) {
            origin_reset(&s, fd);
        } else {
            origin_hang_up(&s, fd);
        }
        scene_wait(&s, origin_pool_counts(s.pool).idle == 0);
        scene_use_new(&s);
        scene_close(&s);
    }
}

// It closes while our request is on its way: that is what may be tried again.
// Interim responses that are read together are gathered, unless the final head comes with them.
static void test_interims_that_come_together(void **state) {
    (void)state;
    static const struct {
        const char *said;
        unsigned gathered;
    } rows[] = {
        {"HTTP/1.1 103 x\r\n\r\n", 1},
        {"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 103 x\r\n\r\nHTTP/1.1 2", 1},
        {"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\n", 0},
        {"HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\n", 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene s;
        scene_open(&s, "");
        struct user user;
        user_init(&user, &s, "GET", "/");
        user_start(&user);
        int fd = origin_accept(&s);
        origin_hear_head(&s, fd);
        origin_say(&s, fd, rows[i].said);
        scene_run(&s, 5);
        assert_int_equal(user.gathered, rows[i].gathered);
        origin_call_cancel(user.call);
        user.is_over = true;
        user_finish(&user);
        scene_close(&s);
    }
}

static void test_reused_connection_that_ends(void **state) {
    (void)state;
    static const struct {
        const char *said;
        bool may_retry;
        const char *log;
    } cases[] = {
        {"", true, "fail origin_reset\n"},
        {"HTTP/1.1 100 x\r\n\r\n", false, "interim 100\nfail origin_cut\n"},
        {"H", false, "fail origin_cut\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene s;
        scene_open(&s, "");
        int fd = scene_leave_idle(&s);
        struct user user;
        user_init(&user, &s, "GET", "/");
        user_start(&user);
        origin_hear_head(&s, fd);
        origin_say(&s, fd, cases[i].said);
        origin_hang_up(&s, fd);
        user_expect(&user, cases[i].log);
        assert_true(origin_call_was_reused(user.call));
        assert_int_equal(origin_call_may_retry(user.call), cases[i].may_retry);
        user_finish(&user);
        scene_close(&s);
    }
}

static void test_what_may_not_be_tried_again(void **state) {
    (void)state;
    for (int is_new = 0; is_new <= 1; is_new++) {
        struct scene s;
        scene_open(&s, "");
        int idle = is_new ? -1 : scene_leave_idle(&s);
        struct user user;
        init_post(&user, &s, 10);
        user_start(&user);
        if (!is_new) {
            origin_call_write(user.call, SLICE("abc"));
        }
        int fd = is_new ? origin_accept(&s) : idle;
        origin_hear_head(&s, fd);
        origin_hang_up(&s, fd);
        user_expect(&user, "fail origin_reset\n");
        assert_false(origin_call_may_retry(user.call));
        user_finish(&user);
        scene_close(&s);
    }
}

// More bytes than belong to the first response, read in the same breath, while the next call
// already waits for this connection: they must not become its response.
static void test_surplus_never_answers_the_next_call(void **state) {
    (void)state;
    static const char evil[] = OK "Content-Length: 4\r\n\r\nevil";
    for (int is_narrow = 0; is_narrow <= 1; is_narrow++) {
        struct scene s;
        scene_open(&s, "max_connections: 1");
        struct user first, second;
        user_init(&first, &s, "GET", "/first");
        user_init(&second, &s, "GET", "/second");
        user_start(&first);
        user_start(&second);
        int fd = origin_accept(&s);
        origin_hear_head(&s, fd);
        origin_say(&s, fd, OK "Content-Length: 4\r\n\r\n");
        scene_wait(&s, first.headers != NULL);
        first.room = is_narrow ? 4 : SIZE_MAX; // the read ends where the response does
        char text[64];
        snprintf(text, sizeof(text), "good%s", evil);
        origin_say(&s, fd, text);
        user_expect(&first, "head 200 4\nend\n");
        fd = origin_accept(&s);
        origin_hear_head(&s, fd);
        origin_say(&s, fd, OK "Content-Length: 2\r\n\r\nhi");
        user_expect(&second, "head 200 2\nend\n");
        user_finish(&first);
        user_finish(&second);
        scene_close(&s);
    }
}

// --- back-pressure -------------------------------------------------------------------------------

static void test_slow_client_holds_back_the_origin(void **state) {
    (void)state;
    enum { TOTAL = 32 * 1024 * 1024, ROOM = 64 * 1024 };
    struct scene s;
    scene_open(&s, "");
    struct user user;
    user_init(&user, &s, "GET", "/");
    user_start(&user);
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    user.room = ROOM;
    char head[64];
    snprintf(head, sizeof(head), OK "Content-Length: %d\r\n\r\n", TOTAL);
    origin_say(&s, fd, head);
    size_t said = origin_flood(&s, fd, TOTAL);
    assert_true(said < TOTAL); // the kernel's buffers are full, and nothing takes from them
    assert_int_equal(user_body(&user).length, ROOM);
    unsigned resumed = 0;
    while (said < TOTAL) {
        user.room = ROOM;
        origin_call_resume(user.call);
        said += origin_flood(&s, fd, TOTAL - said < ROOM ? TOTAL - said : ROOM);
        assert_true(user_body(&user).length <= ++resumed * ROOM + ROOM);
        if (resumed == 5) {
            user.room = SIZE_MAX; // it has woken up
            origin_call_resume(user.call);
            said += origin_flood(&s, fd, TOTAL - said);
        }
    }
    user_expect(&user, "head 200 33554432\nend\n");
    assert_int_equal(user_body(&user).length, TOTAL);
    user_finish(&user);
    scene_reuse(&s, fd);
    scene_close(&s);
}

static void test_every_byte_in_order(void **state) {
    (void)state;
    enum { TOTAL = 3 * 1000 * 1000 };
    struct scene s;
    scene_open(&s, "");
    struct user user;
    user_init(&user, &s, "GET", "/");
    user_start(&user);
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    origin_say(&s, fd, OK "Transfer-Encoding: chunked\r\n\r\n");
    char *bytes = test_malloc(TOTAL);
    for (size_t i = 0; i < TOTAL; i++) {
        bytes[i] = (char)(i % 251);
    }
    user.room = 1000;
    for (size_t at = 0, length = 1; at < TOTAL; at += length, length = length * 3 % 70001) {
        length = TOTAL - at < length ? TOTAL - at : length;
        char size[32];
        snprintf(size, sizeof(size), "%zx\r\n", length);
        origin_say(&s, fd, size);
        struct slice rest = slice_of(bytes + at, length);
        while (rest.length > 0) {
            origin_say_bytes(&s, fd, slice_first(rest, 4096));
            rest = slice_skip(rest, 4096);
            user.room = 1000 + at % 10000;
            origin_call_resume(user.call);
            uv_run(&s.loop.uv, UV_RUN_NOWAIT);
        }
        origin_say(&s, fd, "\r\n");
    }
    user.room = SIZE_MAX;
    origin_call_resume(user.call);
    origin_say(&s, fd, "0\r\n\r\n");
    user_expect(&user, "head 200 -1\nend\n");
    assert_int_equal(user_body(&user).length, TOTAL);
    assert_memory_equal(user_body(&user).data, bytes, TOTAL);
    test_free(bytes);
    user_finish(&user);
    scene_reuse(&s, fd);
    scene_close(&s);
}

// The response is complete in what was read although the client had just become full.
static void test_end_while_full(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "");
    struct user user;
    user_init(&user, &s, "GET", "/");
    user_start(&user);
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    user.room = 1;
    origin_say(&s, fd, OK "Content-Length: 3\r\n\r\nabc");
    while (!user.is_over) {
        scene_run(&s, 2);
        user.room = 1;
        if (!user.is_over) {
            origin_call_resume(user.call);
        }
    }
    user_expect(&user, "head 200 3\nend\n");
    user_finish(&user);
    scene_reuse(&s, fd);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_text),
        cmocka_unit_test(test_content_of_known_length),
        cmocka_unit_test(test_chunked_content),
        cmocka_unit_test(test_empty_chunked_content),
        cmocka_unit_test(test_slow_origin_holds_back_the_client),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_responses_in_pieces),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_reset_is_no_end),
        cmocka_unit_test(test_limits_of_a_response),
        cmocka_unit_test(test_unfinished_request),
        cmocka_unit_test(test_bytes_on_an_idle_connection),
        cmocka_unit_test(test_idle_connection_that_ends),
        cmocka_unit_test(test_interims_that_come_together),
        cmocka_unit_test(test_reused_connection_that_ends),
        cmocka_unit_test(test_what_may_not_be_tried_again),
        cmocka_unit_test(test_surplus_never_answers_the_next_call),
        cmocka_unit_test(test_slow_client_holds_back_the_origin),
        cmocka_unit_test(test_every_byte_in_order),
        cmocka_unit_test(test_end_while_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
