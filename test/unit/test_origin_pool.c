// SPDX-License-Identifier: Apache-2.0
// Many calls and few connections: the line, the limits, the times, and cancelling. What goes over
// one connection: test_origin.c.
#include "origin_scene.h"

#include <sys/socket.h>
#include <unistd.h>

#include "origin_admission.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define HI OK "Content-Length: 2\r\n\r\nhi"

static void assert_counts(struct scene *s, unsigned idle, unsigned busy, unsigned dialing,
                          unsigned waiting) {
    struct origin_pool_counts counts = origin_pool_counts(s->pool);
    if (counts.idle != idle || counts.busy != busy || counts.dialing != dialing ||
        counts.waiting != waiting) {
        fail_msg("idle %u, busy %u, dialing %u, waiting %u", counts.idle, counts.busy,
                 counts.dialing, counts.waiting);
    }
    scene_expect_gauges(s, idle, busy + dialing, waiting);
}

static void start_get(struct user *user, struct scene *s, const char *path, bool is_push) {
    user_init(user, s, "GET", path);
    user->options.is_push = is_push;
    user_start(user);
}

// --- the line ------------------------------------------------------------------------------------

static const struct {
    const char *starts; // one call a letter: a page is large, a push is small
    const char *served; // in this order
} lines[] = {
    {"ABC", "ABC"},
    {"AbCdE", "ACEbd"},
    {"aBcD", "aBDc"},
    {"ABCDEFGH", "ABCDEFGH"},
};

static void test_line(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct scene s;
        scene_open(&s, "max_connections: 1");
        struct user users[8];
        size_t count = strlen(lines[i].starts);
        char paths[8][3];
        for (size_t j = 0; j < count; j++) {
            paths[j][0] = '/', paths[j][1] = lines[i].starts[j], paths[j][2] = '\0';
            start_get(&users[j], &s, paths[j], lines[i].starts[j] >= 'a');
        }
        assert_counts(&s, 0, 0, 1, (unsigned)count - 1);
        int fd = origin_accept(&s);
        for (const char *next = lines[i].served; *next != '\0'; next++) {
            const char *head = origin_hear_head(&s, fd);
            if (head[5] != *next) {
                fail_msg("%s: '%c' before '%c'", lines[i].starts, head[5], *next);
            }
            origin_say(&s, fd, HI);
        }
        for (size_t j = 0; j < count; j++) {
            user_expect(&users[j], "head 200 2\nend\n");
            user_finish(&users[j]);
        }
        assert_true(origin_has_none(&s)); // one connection served them all
        assert_counts(&s, 1, 0, 0, 0);
        scene_close(&s);
    }
}

static void test_as_many_connections_as_allowed(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 3");
    struct user users[5];
    for (size_t i = 0; i < 5; i++) {
        start_get(&users[i], &s, "/", false);
    }
    int fds[3];
    for (size_t i = 0; i < 3; i++) {
        fds[i] = origin_accept(&s);
        origin_hear_head(&s, fds[i]);
    }
    assert_true(origin_has_none(&s));
    assert_counts(&s, 0, 3, 0, 2);
    // One that closes makes room as well as one that is kept.
    origin_say(&s, fds[0], OK "Connection: close\r\nContent-Length: 0\r\n\r\n");
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    origin_say(&s, fds[1], HI);
    origin_hear_head(&s, fds[1]);
    assert_counts(&s, 0, 3, 0, 0);
    for (size_t i = 0; i < 5; i++) {
        user_finish(&users[i]);
    }
    scene_close(&s);
}

// The limits of the configuration are those of all workers together.
static void test_part_of_a_worker(void **state) {
    (void)state;
    static const struct { unsigned workers, dialing; } cases[] = {{1, 5}, {2, 2}, {5, 1}, {16, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene s;
        scene_open(&s, "max_connections: 5");
        origin_pool_destroy(s.pool, NULL, NULL);
        s.pool = origin_pool_create(&s.loop, s.config, cases[i].workers);
        struct user users[7];
        for (size_t j = 0; j < 7; j++) {
            start_get(&users[j], &s, "/", false);
        }
        assert_counts(&s, 0, 0, cases[i].dialing, 7 - cases[i].dialing);
        for (size_t j = 0; j < 7; j++) {
            user_finish(&users[j]);
        }
        scene_close(&s);
    }
}

static void test_line_is_full(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 1, max_waiting: 2");
    struct user users[4];
    for (size_t i = 0; i < 4; i++) {
        start_get(&users[i], &s, "/", false);
    }
    assert_false(users[3].is_over); // told later, not inside start
    user_expect(&users[3], "fail origin_busy\n");
    assert_false(origin_call_may_retry(users[3].call));
    assert_counts(&s, 0, 1, 0, 2);
    for (size_t i = 0; i < 4; i++) {
        user_finish(&users[i]);
    }
    scene_close(&s);
}

static void test_refused_and_cancelled_at_once(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 1, max_waiting: 1");
    struct user users[3];
    for (size_t i = 0; i < 3; i++) {
        start_get(&users[i], &s, "/", false);
    }
    user_finish(&users[2]); // before it was told that the line is full
    scene_run(&s, 5);
    user_finish(&users[1]);
    user_finish(&users[0]);
    scene_close(&s);
}

static void test_waiting_too_long(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 1, first_byte_timeout: 300ms, between_bytes_timeout: 10s");
    struct user first, second;
    start_get(&first, &s, "/1", false);
    start_get(&second, &s, "/2", false);
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    origin_say(&s, fd, OK "Content-Length: 5\r\n\r\nhe"); // and no more
    user_expect(&second, "fail origin_busy\n");
    assert_false(first.is_over);
    user_finish(&first);
    user_finish(&second);
    scene_close(&s);
}

// --- pushes --------------------------------------------------------------------------------------

static const struct {
    unsigned share; // percent, of 8 connections
    unsigned pushes_at_once;
} shares[] = {{25, 2}, {1, 1}, {50, 4}, {100, 8}};

static void test_share_of_pushes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        struct scene s;
        scene_open(&s, "max_connections: 8");
        struct user pushes[9], page;
        for (size_t j = 0; j < 9; j++) {
            user_init(&pushes[j], &s, "GET", "/push");
            pushes[j].options.is_push = true;
            pushes[j].options.push_share = shares[i].share;
            user_start(&pushes[j]);
        }
        assert_counts(&s, 0, 0, shares[i].pushes_at_once, 9 - shares[i].pushes_at_once);
        int fd = origin_accept(&s);
        for (unsigned j = 1; j < shares[i].pushes_at_once; j++) {
            origin_accept(&s);
        }
        // A page does not wait while the share is used up and there are connections.
        start_get(&page, &s, "/page", false);
        assert_counts(&s, 0, shares[i].pushes_at_once, shares[i].pushes_at_once < 8 ? 1 : 0,
                      9 - shares[i].pushes_at_once + (shares[i].pushes_at_once < 8 ? 0 : 1));
        user_finish(&page);
        // Each that ends makes room for one.
        origin_hear_head(&s, fd);
        origin_say(&s, fd, HI);
        origin_hear_head(&s, fd);
        assert_counts(&s, 0, shares[i].pushes_at_once, 0, 8 - shares[i].pushes_at_once);
        for (size_t j = 0; j < 9; j++) {
            user_finish(&pushes[j]);
        }
        scene_close(&s);
    }
}

// One that goes before it has a connection, cancelled or not connected, leaves its share too.
static void test_share_of_pushes_that_go(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 4");
    struct user pushes[3];
    for (size_t i = 0; i < 3; i++) {
        start_get(&pushes[i], &s, i == 2 ? "/last" : "/", true);
    }
    assert_counts(&s, 0, 0, 1, 2);
    user_finish(&pushes[0]); // while dialing
    assert_counts(&s, 0, 0, 1, 1);
    user_finish(&pushes[1]);
    assert_counts(&s, 0, 0, 1, 0);
    int fd = origin_accept(&s);
    origin_expect(&s, fd, "GET /last ");
    user_finish(&pushes[2]);
    scene_close(&s);
}

// An idle connection is not taken by a push beyond the share either.
static void test_share_counts_idle_connections(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 4");
    int fd = scene_leave_idle(&s);
    struct user pushes[2];
    start_get(&pushes[0], &s, "/1", true); // on the idle one
    origin_hear_head(&s, fd);
    struct user page;
    start_get(&page, &s, "/page", false);
    int other = origin_accept(&s);
    origin_hear_head(&s, other);
    origin_say(&s, other, HI);
    user_expect(&page, "head 200 2\nend\n");
    start_get(&pushes[1], &s, "/2", true);
    assert_counts(&s, 1, 1, 0, 1);
    assert_true(origin_is_open(&s, other));
    origin_say(&s, fd, HI); // now it may
    user_expect(&pushes[0], "head 200 2\nend\n");
    scene_run(&s, 5);
    assert_counts(&s, 1, 1, 0, 0);
    user_finish(&page);
    user_finish(&pushes[0]);
    user_finish(&pushes[1]);
    scene_close(&s);
}

// --- idle connections ----------------------------------------------------------------------------

static void test_idle_connections_end(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "idle_timeout: 1s");
    int fd = scene_leave_idle(&s);
    assert_true(origin_is_open(&s, fd));
    scene_run(&s, 400);
    scene_reuse(&s, fd); // its time starts anew
    scene_run(&s, 600);
    assert_true(origin_is_open(&s, fd));
    origin_expect_closed(&s, fd);
    assert_counts(&s, 0, 0, 0, 0);
    scene_use_new(&s);
    scene_close(&s);
}

static void test_youngest_is_used_first(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_idle: 2");
    struct user users[3];
    int fds[3];
    for (size_t i = 0; i < 3; i++) {
        start_get(&users[i], &s, "/", false);
        fds[i] = origin_accept(&s);
        origin_hear_head(&s, fds[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        origin_say(&s, fds[i], HI);
        user_expect(&users[i], "head 200 2\nend\n");
        user_finish(&users[i]);
    }
    origin_expect_closed(&s, fds[0]); // the oldest of three
    assert_counts(&s, 2, 0, 0, 0);
    scene_reuse(&s, fds[2]);
    scene_reuse(&s, fds[2]);
    scene_close(&s);
}

static void test_retry_wants_a_new_connection(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "");
    scene_leave_idle(&s);
    struct user user;
    user_init(&user, &s, "GET", "/");
    user.options.is_retry = true;
    user_start(&user);
    int fd = origin_accept(&s);
    assert_false(origin_call_was_reused(user.call));
    origin_hear_head(&s, fd);
    origin_hang_up(&s, fd);
    user_expect(&user, "fail origin_reset\n");
    assert_false(origin_call_may_retry(user.call));
    assert_int_equal(metrics_read(&s.loop.metrics, METRIC_AT_ORIGIN_RETRIED), 1);
    user_finish(&user);
    scene_close(&s);
}

// What the relay does: the second call is started inside on_fail of the first.
static void test_retry_from_inside(void **state) {
    (void)state;
    for (int is_narrow = 0; is_narrow <= 1; is_narrow++) {
        struct scene s;
        scene_open(&s, is_narrow ? "max_connections: 1" : "");
        int fd = scene_leave_idle(&s);
        struct user first, second;
        user_init(&first, &s, "GET", "/1");
        user_init(&second, &s, "GET", "/2");
        second.options.is_retry = true;
        first.act_at = "fail";
        first.act = USER_STARTS_ANOTHER;
        first.other = &second;
        user_start(&first);
        origin_hear_head(&s, fd);
        origin_hang_up(&s, fd);
        user_expect(&first, "fail origin_reset\n");
        fd = origin_accept(&s);
        origin_expect(&s, fd, "GET /2 ");
        origin_hear_head(&s, fd);
        origin_say(&s, fd, HI);
        user_expect(&second, "head 200 2\nend\n");
        user_finish(&first);
        user_finish(&second);
        scene_close(&s);
    }
}

static void test_next_call_from_inside_the_end(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 1");
    struct user first, second;
    user_init(&first, &s, "GET", "/1");
    user_init(&second, &s, "GET", "/2");
    first.act_at = "end";
    first.act = USER_STARTS_ANOTHER;
    first.other = &second;
    user_start(&first);
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    origin_say(&s, fd, HI);
    user_expect(&first, "head 200 2\nend\n");
    origin_expect(&s, fd, "GET /2 ");
    origin_hear_head(&s, fd);
    assert_true(origin_call_was_reused(second.call));
    origin_say(&s, fd, HI);
    user_expect(&second, "head 200 2\nend\n");
    user_finish(&first);
    user_finish(&second);
    scene_close(&s);
}

static void post_behind_stray_bytes(bool has_content) {
    struct scene s;
    scene_open(&s, "");
    struct user first, second;
    user_init(&first, &s, "GET", "/1");
    user_init(&second, &s, "POST", "/2");
    second.head.content_length = has_content ? 2 : 0;
    second.head.is_end = !has_content;
    first.act_at = "end";
    first.act = USER_STARTS_ANOTHER;
    first.other = &second;
    user_start(&first);
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    first.stray_fd = fd;
    origin_say(&s, fd, HI);
    user_expect(&first, "head 200 2\nend\n");
    int other_fd = origin_accept(&s);
    origin_expect(&s, other_fd, "POST /2 ");
    origin_expect_closed(&s, fd);
    user_finish(&first);
    user_finish(&second);
    origin_expect_closed(&s, other_fd);
    scene_close(&s);
}

// It could not be sent again.
static void test_a_post_does_not_meet_what_came_behind_a_response(void **state) {
    (void)state;
    post_behind_stray_bytes(true);
    post_behind_stray_bytes(false);
}

// --- admission -----------------------------------------------------------------------------------

enum { BURST = 150 }; // more than twice what is admitted at once

// Each moment as many as it has already; the page is before the push that came before it.
static void test_a_silent_origin_gets_all_of_a_burst(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "");
    struct user users[BURST];
    for (size_t i = 0; i < BURST; i++) {
        start_get(&users[i], &s, i == BURST - 2 ? "/push" : "/page", i == BURST - 2);
    }
    struct origin_pool_counts counts = origin_pool_counts(s.pool);
    assert_int_equal(counts.dialing, ORIGIN_ADMISSION_WIDTH);
    assert_int_equal(counts.held, BURST - ORIGIN_ADMISSION_WIDTH);
    scene_expect_gauges(&s, 0, ORIGIN_ADMISSION_WIDTH, 0);
    for (size_t i = 0; i < BURST; i++) {
        const char *head = origin_hear_head(&s, origin_accept(&s));
        assert_int_equal(strncmp(head, "GET /push", 9) == 0, i == BURST - 1);
    }
    assert_counts(&s, 0, BURST, 0, 0);
    for (size_t i = 0; i < BURST; i++) {
        user_finish(&users[i]);
    }
    scene_close(&s);
}

static void test_who_is_held_back_may_leave(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 100, max_waiting: 10");
    struct user users[BURST];
    for (size_t i = 0; i < 112; i++) { // the last two find no place in the line
        start_get(&users[i], &s, "/", false);
    }
    for (size_t i = 0; i < 100; i++) {
        user_finish(&users[i]);
    }
    user_expect(&users[110], "fail origin_busy\n");
    user_expect(&users[111], "fail origin_busy\n");
    for (size_t i = 100; i < 110; i++) { // those of the line
        int fd = origin_accept(&s);
        origin_hear_head(&s, fd);
        origin_say(&s, fd, HI);
    }
    for (size_t i = 100; i < 110; i++) {
        user_expect(&users[i], "head 200 2\nend\n");
    }
    for (size_t i = 100; i < 112; i++) {
        user_finish(&users[i]);
    }
    assert_counts(&s, 10, 0, 0, 0);
    scene_close(&s);
}

// --- no connection -------------------------------------------------------------------------------

static void test_nobody_listens(void **state) {
    (void)state;
    for (int is_unix = 0; is_unix <= 1; is_unix++) {
        struct scene s;
        if (is_unix) {
            scene_open_unix(&s, "max_connections: 1");
        } else {
            scene_open(&s, "max_connections: 1");
        }
        shutdown(s.listener, SHUT_RDWR); // the address stays ours, so nobody else takes it
        close(s.listener);
        struct user users[2];
        start_get(&users[0], &s, "/", false);
        start_get(&users[1], &s, "/", false); // waits, and is told the same then
        user_expect(&users[0], "fail origin_refused\n");
        user_expect(&users[1], "fail origin_refused\n");
        assert_false(origin_call_may_retry(users[0].call));
        user_finish(&users[0]);
        user_finish(&users[1]);
        s.listener = socket(AF_UNIX, SOCK_STREAM, 0); // for scene_close
        scene_close(&s);
    }
}

// A unix socket whose backlog is full never takes the connection.
static void test_connecting_takes_too_long(void **state) {
    (void)state;
    struct scene s;
    scene_open_unix(&s, "connect_timeout: 100ms, max_connections: 100");
    assert_int_equal(listen(s.listener, 0), 0);
    struct user users[8];
    for (size_t i = 0; i < 8; i++) {
        start_get(&users[i], &s, "/", false);
    }
    scene_wait(&s, users[7].is_over);
    assert_string_equal(user_log(&users[7]), "fail origin_connect_timeout\n");
    for (size_t i = 0; i < 8; i++) {
        user_finish(&users[i]);
    }
    scene_close(&s);
}

// --- time ----------------------------------------------------------------------------------------

static uint64_t now(struct scene *s) {
    uv_update_time(&s->loop.uv);
    return uv_now(&s->loop.uv);
}

static const struct {
    const char *options;
    const char *said; // then silence
    const char *log;
    unsigned least_ms, most_ms;
} silences[] = {
    {"first_byte_timeout: 200ms", "", "fail origin_timeout\n", 190, 2000},
    {"first_byte_timeout: 200ms", "HTTP/1.1 200 ", "fail origin_timeout\n", 190, 2000},
    {"first_byte_timeout: 200ms", "HTTP/1.1 102 x\r\n\r\n", "interim 102\nfail origin_timeout\n",
     190, 2000},
    {"first_byte_timeout: 5s, between_bytes_timeout: 200ms", OK "Content-Length: 5\r\n\r\nhe",
     "head 200 5\nfail origin_timeout\n", 190, 2000},
    {"first_byte_timeout: 100ms, between_bytes_timeout: 400ms", OK "\r\nhe",
     "head 200 -1\nfail origin_timeout\n", 390, 2000},
    {"total_timeout: 200ms", "", "fail origin_timeout\n", 190, 2000},
    {"total_timeout: 200ms", OK "\r\nhe", "head 200 -1\nfail origin_timeout\n", 190, 2000},
};

static void test_silent_origin(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(silences) / sizeof(silences[0]); i++) {
        struct scene s;
        scene_open(&s, silences[i].options);
        struct user user;
        uint64_t started = now(&s); // on a slow machine, long before the origin hears it
        start_get(&user, &s, "/", false);
        int fd = origin_accept(&s);
        origin_hear_head(&s, fd);
        origin_say(&s, fd, silences[i].said);
        user_expect(&user, silences[i].log);
        uint64_t took = now(&s) - started;
        if (took < silences[i].least_ms || took > silences[i].most_ms) {
            fail_msg("row %zu: %llu ms", i, (unsigned long long)took);
        }
        origin_expect_closed(&s, fd);
        user_finish(&user);
        scene_close(&s);
    }
}

// Now and then a byte is no silence, but the total counts.
static void test_trickling_origin(void **state) {
    (void)state;
    for (int has_total = 0; has_total <= 1; has_total++) {
        struct scene s;
        scene_open(&s, has_total ? "between_bytes_timeout: 800ms, total_timeout: 1s"
                                 : "between_bytes_timeout: 800ms");
        struct user user;
        start_get(&user, &s, "/", false);
        int fd = origin_accept(&s);
        origin_hear_head(&s, fd);
        uint64_t started = now(&s);
        origin_say(&s, fd, OK "Content-Length: 10\r\n\r\n");
        for (unsigned i = 0; i < 10 && !user.is_over; i++) {
            scene_run(&s, 130);
            origin_say(&s, fd, ".");
        }
        if (has_total) {
            user_expect(&user, "head 200 10\nfail origin_timeout\n");
            assert_in_range(now(&s) - started, 950, 1500);
        } else {
            user_expect(&user, "head 200 10\nend\n");
        }
        user_finish(&user);
        scene_close(&s);
    }
}

// It is not the origin's fault that the client takes nothing, or sends nothing.
static void test_slow_client_is_not_blamed_on_the_origin(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "first_byte_timeout: 400ms, between_bytes_timeout: 400ms");
    struct user reader, writer;
    start_get(&reader, &s, "/", false);
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    reader.room = 4;
    origin_say(&s, fd, OK "Content-Length: 100000\r\n\r\nheld");
    user_init(&writer, &s, "POST", "/");
    writer.head.is_end = false;
    writer.head.content_length = 6;
    user_start(&writer);
    int other = origin_accept(&s);
    origin_hear_head(&s, other);
    scene_run(&s, 600);
    origin_call_write(writer.call, SLICE("abc"));
    origin_expect(&s, other, "abc");
    scene_run(&s, 600);
    assert_false(reader.is_over);
    assert_false(writer.is_over);
    // From here on they wait for the origin.
    reader.room = SIZE_MAX;
    origin_call_resume(reader.call);
    origin_call_write(writer.call, SLICE("def"));
    origin_call_finish_request(writer.call, NULL);
    uint64_t started = now(&s);
    user_expect(&reader, "head 200 100000\nfail origin_timeout\n");
    user_expect(&writer, "fail origin_timeout\n");
    assert_in_range(now(&s) - started, 390, 2000);
    user_finish(&reader);
    user_finish(&writer);
    scene_close(&s);
}

// It does not take the request's content: that is its silence.
static void test_origin_that_reads_nothing(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "first_byte_timeout: 200ms");
    struct user user;
    user_init(&user, &s, "POST", "/");
    user.head.is_end = false;
    user.head.content_length = 1 << 30;
    user_start(&user);
    origin_accept(&s);
    static const char bytes[65536];
    uint64_t until = scene_limit(&s);
    size_t written = 0;
    while (!user.is_over && scene_step(&s, until)) {
        if (!user.is_over && written - user.taken < sizeof(bytes)) {
            origin_call_write(user.call, slice_of(bytes, sizeof(bytes)));
            written += sizeof(bytes);
        }
    }
    user_expect(&user, "fail origin_timeout\n");
    assert_true(user.taken < written);
    user_finish(&user);
    scene_close(&s);
}

// --- cancelling ----------------------------------------------------------------------------------

// After it the pool works as before, and whatever connection it was on is closed.
static void check_after_cancel(struct scene *s, struct user *user, int fd) {
    if (fd >= 0) {
        origin_expect_closed(s, fd);
    }
    struct slice log = buffer_peek(&user->log);
    size_t length = log.length;
    scene_run(s, 5);
    assert_int_equal(buffer_length(&user->log), length); // nothing is told after it
    user_finish(user);
    assert_counts(s, 0, 0, 0, 0);
    scene_use_new(s);
    scene_close(s);
}

static void test_cancel_while_dialing(void **state) {
    (void)state;
    for (int turns = 0; turns <= 3; turns++) {
        struct scene s;
        scene_open(&s, "max_connections: 1");
        struct user user;
        start_get(&user, &s, "/", false);
        for (int i = 0; i < turns; i++) {
            uv_run(&s.loop.uv, UV_RUN_NOWAIT);
        }
        origin_call_cancel(user.call);
        origin_call_cancel(user.call); // legal in every state
        user.is_over = true;
        scene_run(&s, 5);
        int fd = accept(s.listener, NULL, NULL);
        if (fd >= 0) {
            close(fd);
        }
        check_after_cancel(&s, &user, -1);
    }
}

static void test_cancel_while_waiting(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 1");
    struct user users[4];
    for (size_t i = 0; i < 4; i++) {
        start_get(&users[i], &s, i == 3 ? "/last" : "/", false);
    }
    user_finish(&users[1]);
    user_finish(&users[2]);
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    user_finish(&users[0]); // the waiting one gets a connection of its own
    origin_expect_closed(&s, fd);
    fd = origin_accept(&s);
    origin_expect(&s, fd, "GET /last ");
    user_finish(&users[3]);
    scene_close(&s);
}

static const struct {
    const char *act_at; // cancelled inside this event; NULL: by the test when all was said
    const char *said;
    const char *log;
} cancels[] = {
    {NULL, "", ""},
    {NULL, "HTTP/1.1 2", ""},
    {NULL, OK "Content-Length: 5\r\n\r\nhe", "head 200 5\n"},
    {NULL, OK "\r\nhe", "head 200 -1\n"},
    {"interim", "HTTP/1.1 103 x\r\n\r\n" HI, "interim 103\n"},
    {"interims", "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 103 x\r\n\r\n", "interim 103\ninterim 103\n"},
    {"head", HI, "head 200 2\n"},
    {"head", OK "Content-Length: 0\r\n\r\n", "head 200 0 end\n"},
    {"head", "HTTP/1.1 204 x\r\n\r\nHTTP/1.1 200 evil\r\n\r\n", "head 204 0 end\n"},
    {"head", OK "\r\nuntil the end", "head 200 -1\n"},
    {"body", HI, "head 200 2\n"},
    {"body", OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", "head 200 -1\n"},
    {"body", OK "\r\nuntil the end", "head 200 -1\n"},
};

static void test_cancel_at_any_time(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cancels) / sizeof(cancels[0]); i++) {
        for (int is_reused = 0; is_reused <= 1; is_reused++) {
            struct scene s;
            scene_open(&s, "");
            int fd = is_reused ? scene_leave_idle(&s) : -1;
            struct user user;
            user_init(&user, &s, "GET", "/");
            user.act_at = cancels[i].act_at;
            user.act = USER_CANCELS;
            user_start(&user);
            fd = is_reused ? fd : origin_accept(&s);
            origin_hear_head(&s, fd);
            origin_say(&s, fd, cancels[i].said);
            if (cancels[i].act_at == NULL) {
                scene_run(&s, 5);
                origin_call_cancel(user.call);
                user.is_over = true;
            }
            user_expect(&user, cancels[i].log);
            check_after_cancel(&s, &user, fd);
        }
    }
}

static void test_cancel_before_the_request_left(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "");
    int fd = scene_leave_idle(&s);
    struct user user;
    start_get(&user, &s, "/", false);
    origin_call_cancel(user.call);
    user.is_over = true;
    check_after_cancel(&s, &user, fd);
}

// What is left of a large response is not read to its end.
static void test_cancel_stops_the_origin(void **state) {
    (void)state;
    enum { LARGE = 64 * 1024 * 1024 };
    struct scene s;
    scene_open(&s, "");
    struct user user;
    start_get(&user, &s, "/", false);
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    origin_say(&s, fd, OK "Content-Length: 1000000000\r\n\r\n");
    assert_int_equal(origin_flood(&s, fd, 1 << 20), 1 << 20);
    user_finish(&user);
    scene_run(&s, 5);
    assert_in_range(origin_flood(&s, fd, LARGE), 0, LARGE / 4);
    origin_hang_up(&s, fd);
    scene_close(&s);
}

static void test_cancel_inside_taken(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "");
    struct user user;
    user_init(&user, &s, "POST", "/");
    user.head.is_end = false;
    user.head.content_length = 3;
    user.act_at = "taken";
    user.act = USER_CANCELS;
    user_start(&user);
    origin_call_write(user.call, SLICE("abc"));
    int fd = origin_accept(&s);
    user_expect(&user, "");
    check_after_cancel(&s, &user, fd);
}

static void test_cancel_after_the_end(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "");
    struct user user;
    start_get(&user, &s, "/", false);
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    origin_say(&s, fd, HI);
    user_expect(&user, "head 200 2\nend\n");
    origin_call_cancel(user.call);
    origin_call_resume(user.call);
    user_finish(&user);
    scene_reuse(&s, fd); // the connection has done nothing wrong
    scene_close(&s);
}

// --- the end -------------------------------------------------------------------------------------

static void test_destroy(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "");
    struct user users[5];
    int fds[5];
    for (size_t i = 0; i < 5; i++) {
        start_get(&users[i], &s, "/", false);
        fds[i] = origin_accept(&s);
    }
    for (size_t i = 0; i < 5; i++) {
        origin_hear_head(&s, fds[i]);
        origin_say(&s, fds[i], HI);
    }
    for (size_t i = 0; i < 5; i++) {
        user_expect(&users[i], "head 200 2\nend\n");
    }
    assert_counts(&s, 5, 0, 0, 0);
    for (size_t i = 0; i < 5; i++) {
        user_finish(&users[i]);
    }
    scene_close(&s); // looks for open descriptors
    origin_pool_destroy(NULL, NULL, NULL);
}

static void test_destroy_of_an_unused_pool(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "");
    scene_close(&s);
}

// --- numbers ------------------------------------------------------------------------------------

// After a reload the old pool goes on for a while: the row of an origin is both of theirs.
static void test_two_pools_have_one_row(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 2");
    struct origin_pool *before = s.pool;
    struct user old[4];
    struct user new[3];
    for (size_t i = 0; i < 4; i++) {
        start_get(&old[i], &s, "/old", false);
    }
    int busy = origin_accept(&s);
    origin_hear_head(&s, busy);
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    assert_counts(&s, 0, 2, 0, 2);
    s.pool = origin_pool_create(&s.loop, s.config, 1);
    for (size_t i = 0; i < 3; i++) {
        start_get(&new[i], &s, "/new", false);
    }
    scene_expect_gauges(&s, 0, 4, 3);
    for (size_t i = 0; i < 3; i++) { // one connection serves what waited for the old pool
        origin_say(&s, fd, HI);
        user_expect(&old[i + 1], "head 200 2\nend\n");
        if (i < 2) {
            origin_hear_head(&s, fd);
        }
    }
    scene_expect_gauges(&s, 1, 3, 1);
    user_finish(&old[0]);
    origin_expect_closed(&s, busy);
    for (size_t i = 1; i < 4; i++) {
        user_finish(&old[i]);
    }
    origin_pool_destroy(before, NULL, NULL);
    origin_expect_closed(&s, fd);
    scene_expect_gauges(&s, 0, 2, 1);
    assert_int_equal(scene_number(&s, METRIC_AT_ORIGIN_REUSED), 2);
    for (size_t i = 0; i < 3; i++) {
        user_finish(&new[i]);
    }
    scene_close(&s);
}

static void expect_numbers(const struct scene *s, unsigned requests, unsigned opened,
                           unsigned reused, unsigned raced, unsigned retried, unsigned faults) {
    const struct {
        const char *name;
        unsigned at, expected;
    } rows[] = {
        {"requests", METRIC_AT_ORIGIN_REQUESTS, requests},
        {"opened", METRIC_AT_ORIGIN_OPENED, opened},
        {"reused", METRIC_AT_ORIGIN_REUSED, reused},
        {"raced", METRIC_AT_ORIGIN_RACED, raced},
        {"retried", METRIC_AT_ORIGIN_RETRIED, retried},
        {"faults", METRIC_AT_ORIGIN_FAULTS, faults},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (scene_number(s, rows[i].at) != rows[i].expected) {
            fail_msg("%s: %llu, not %u", rows[i].name,
                     (unsigned long long)scene_number(s, rows[i].at), rows[i].expected);
        }
    }
}

// An idle connection that ends just when a request comes is no fault of the origin; that the
// request fails on the next one, too, is.
static void test_a_race_is_no_fault(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "");
    struct user user;
    int fd = scene_leave_idle(&s);
    expect_numbers(&s, 1, 1, 0, 0, 0, 0);
    start_get(&user, &s, "/", false);
    origin_hear_head(&s, fd);
    origin_hang_up(&s, fd);
    user_expect(&user, "fail origin_reset\n");
    expect_numbers(&s, 2, 1, 1, 1, 0, 0);
    user_finish(&user);
    user_init(&user, &s, "GET", "/");
    user.options.is_retry = true;
    user_start(&user);
    fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    origin_hang_up(&s, fd);
    scene_wait(&s, user.is_over);
    expect_numbers(&s, 3, 2, 1, 1, 1, 1);
    user_finish(&user);
    scene_close(&s);
}

static void test_what_is_a_fault_of_the_origin(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 1, max_waiting: 1");
    struct user users[3];
    for (size_t i = 0; i < 3; i++) {
        start_get(&users[i], &s, "/", false);
    }
    user_expect(&users[2], "fail origin_busy\n");
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    expect_numbers(&s, 1, 1, 0, 0, 0, 0);
    user_finish(&users[0]); // the client has left
    fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    expect_numbers(&s, 2, 2, 0, 0, 0, 0);
    origin_say(&s, fd, "HTTP/9 nonsense\r\n\r\n");
    scene_wait(&s, users[1].is_over);
    expect_numbers(&s, 2, 2, 0, 0, 0, 1);
    for (size_t i = 1; i < 3; i++) {
        user_finish(&users[i]);
    }
    scene_close(&s);
}

// Some of everything, in an order that only the seed knows.
static void serve_crowd(const char *options, unsigned most_connections) {
    enum { USERS = 120 };
    struct scene s;
    scene_open(&s, options);
    struct user users[USERS];
    uint32_t random = 4711;
    unsigned over = 0;
    for (unsigned i = 0; i < USERS; i++) {
        random = random * 1664525 + 1013904223;
        user_init(&users[i], &s, "GET", "/");
        users[i].options.is_push = random >> 30 == 0;
        if ((random >> 16) % 5 == 0) {
            static const char *const events[] = {"head", "body", "end"};
            users[i].act_at = events[(random >> 8) % 3];
            users[i].act = USER_CANCELS;
        }
        user_start(&users[i]);
    }
    uint64_t until = scene_limit(&s);
    while (over < USERS && scene_step(&s, until)) {
        int fd = accept4(s.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            s.fds[s.fd_count++] = fd;
        }
        for (unsigned i = 0; i < s.fd_count; i++) {
            char bytes[4096];
            ssize_t count = read(s.fds[i], bytes, sizeof(bytes));
            random = random * 1664525 + 1013904223;
            unsigned mood = count > 0 ? random >> 29 : count == 0 ? 0 : 7;
            if (count > 0 && mood != 0) {
                origin_say(&s, s.fds[i], mood == 1 ? OK "Connection: close\r\n\r\nhalf" : HI);
            }
            if (mood <= 1) {
                origin_hang_up(&s, s.fds[i]);
            }
        }
        struct origin_pool_counts counts = origin_pool_counts(s.pool);
        assert_true(counts.busy + counts.dialing <= most_connections);
        scene_expect_gauges(&s, counts.idle, counts.busy + counts.dialing, counts.waiting);
        over = 0;
        for (unsigned i = 0; i < USERS; i++) {
            over += users[i].is_over;
        }
    }
    assert_int_equal(over, USERS);
    for (unsigned i = 0; i < USERS; i++) {
        user_finish(&users[i]);
    }
    scene_close(&s);
}

static void test_a_crowd(void **state) {
    (void)state;
    serve_crowd("max_connections: 6, max_waiting: 1000", 6);
}

// Some begin, some are held back, some stand in line.
static void test_a_crowd_with_many_connections(void **state) {
    (void)state;
    serve_crowd("max_connections: 80, max_waiting: 1000", 80);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_as_many_connections_as_allowed),
        cmocka_unit_test(test_part_of_a_worker),
        cmocka_unit_test(test_line_is_full),
        cmocka_unit_test(test_refused_and_cancelled_at_once),
        cmocka_unit_test(test_waiting_too_long),
        cmocka_unit_test(test_share_of_pushes),
        cmocka_unit_test(test_share_of_pushes_that_go),
        cmocka_unit_test(test_share_counts_idle_connections),
        cmocka_unit_test(test_idle_connections_end),
        cmocka_unit_test(test_youngest_is_used_first),
        cmocka_unit_test(test_retry_wants_a_new_connection),
        cmocka_unit_test(test_retry_from_inside),
        cmocka_unit_test(test_next_call_from_inside_the_end),
        cmocka_unit_test(test_a_post_does_not_meet_what_came_behind_a_response),
        cmocka_unit_test(test_a_silent_origin_gets_all_of_a_burst),
        cmocka_unit_test(test_who_is_held_back_may_leave),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_connecting_takes_too_long),
        cmocka_unit_test(test_silent_origin),
        cmocka_unit_test(test_trickling_origin),
        cmocka_unit_test(test_slow_client_is_not_blamed_on_the_origin),
        cmocka_unit_test(test_origin_that_reads_nothing),
        cmocka_unit_test(test_cancel_while_dialing),
        cmocka_unit_test(test_cancel_while_waiting),
        cmocka_unit_test(test_cancel_at_any_time),
        cmocka_unit_test(test_cancel_before_the_request_left),
        cmocka_unit_test(test_cancel_stops_the_origin),
        cmocka_unit_test(test_cancel_inside_taken),
        cmocka_unit_test(test_cancel_after_the_end),
        cmocka_unit_test(test_destroy),
        cmocka_unit_test(test_destroy_of_an_unused_pool),
        cmocka_unit_test(test_two_pools_have_one_row),
        cmocka_unit_test(test_a_race_is_no_fault),
        cmocka_unit_test(test_what_is_a_fault_of_the_origin),
        cmocka_unit_test(test_a_crowd),
        cmocka_unit_test(test_a_crowd_with_many_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
