// SPDX-License-Identifier: Apache-2.0
// Who is served when there are fewer connections than calls, and who makes room.
#include "origin_scene.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define HI OK "Content-Length: 2\r\n\r\nhi"

static void start_by(struct user *user, struct scene *s, const char *path, uint64_t client,
                     bool is_push) {
    user_init(user, s, "GET", path);
    user->options.client = client;
    user->options.is_push = is_push;
    user_start(user);
}

// A call is a letter, its client the digit before it; small letters are pushes. The first is served
// at once, the others have to wait.
static const struct {
    const char *starts;
    const char *served;
} lines[] = {
    {"1A1B1C1D", "ABCD"},
    {"1A1B1C1D2E", "ABECD"},          // who comes last, with one, waits for one of the others'
    {"1A1B1C1D2E2F2G", "ABECFDG"},    // turn by turn
    {"1A1B1C1D2E3F2G4H", "ABEFHCGD"}, // of many
    {"1A1b1c2d2E", "AEbdc"},          // pages before pushes, also of others
    {"1A2B3C4D5E", "ABCDE"},
};

static void test_clients_take_turns(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct scene s;
        scene_open(&s, "max_connections: 1");
        struct user users[8];
        char paths[8][3];
        size_t count = strlen(lines[i].starts) / 2;
        for (size_t j = 0; j < count; j++) {
            char letter = lines[i].starts[2 * j + 1];
            paths[j][0] = '/', paths[j][1] = letter, paths[j][2] = '\0';
            start_by(&users[j], &s, paths[j], (uint64_t)lines[i].starts[2 * j], letter >= 'a');
        }
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
        scene_close(&s);
    }
}

// Whoever comes after the line has moved on begins where it is, not before those who waited.
static void test_new_clients_begin_where_the_line_is(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 1");
    struct user users[6];
    static const char *const paths[] = {"/A", "/B", "/C", "/D", "/E", "/F"};
    for (size_t i = 0; i < 5; i++) {
        start_by(&users[i], &s, paths[i], 1, false);
    }
    int fd = origin_accept(&s);
    for (size_t i = 0; i < 2; i++) { // A and B
        assert_int_equal(origin_hear_head(&s, fd)[5], paths[i][1]);
        origin_say(&s, fd, HI);
    }
    assert_int_equal(origin_hear_head(&s, fd)[5], 'C'); // of rank 1
    start_by(&users[5], &s, paths[5], 2, false);        // so is this one
    origin_say(&s, fd, HI);
    assert_int_equal(origin_hear_head(&s, fd)[5], 'F');
    origin_say(&s, fd, HI);
    assert_int_equal(origin_hear_head(&s, fd)[5], 'D');
    origin_say(&s, fd, HI);
    assert_int_equal(origin_hear_head(&s, fd)[5], 'E');
    origin_say(&s, fd, HI);
    for (size_t i = 0; i < 6; i++) {
        user_expect(&users[i], "head 200 2\nend\n");
        user_finish(&users[i]);
    }
    scene_close(&s);
}

static void test_who_waited_long_is_not_overtaken(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 1");
    struct user users[4];
    start_by(&users[0], &s, "/A", 1, false);
    start_by(&users[1], &s, "/B", 1, false);
    start_by(&users[2], &s, "/C", 1, false);
    s.loop.clock.now_ms += 5001;
    start_by(&users[3], &s, "/D", 2, false);
    int fd = origin_accept(&s);
    for (const char *next = "ABCD"; *next != '\0'; next++) {
        assert_int_equal(origin_hear_head(&s, fd)[5], *next);
        origin_say(&s, fd, HI);
    }
    for (size_t i = 0; i < 4; i++) {
        user_expect(&users[i], "head 200 2\nend\n");
        user_finish(&users[i]);
    }
    scene_close(&s);
}

// One client fills the line; the first call of another takes the place of its last one.
static void test_full_line_makes_room_for_others(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 1, max_waiting: 3");
    struct user users[7];
    static const uint64_t clients[] = {1, 1, 1, 1, 2, 1, 2};
    for (size_t i = 0; i < 7; i++) {
        start_by(&users[i], &s, "/", clients[i], false);
        assert_false(users[i].is_over); // told later, not inside start
    }
    user_expect(&users[3], "fail origin_busy\n"); // by client 2
    user_expect(&users[5], "fail origin_busy\n"); // nobody to take a place from
    user_expect(&users[6], "fail origin_busy\n"); // turns are equal: who came first stays
    scene_expect_gauges(&s, 0, 1, 3);
    for (size_t i = 0; i < 7; i++) {
        user_finish(&users[i]);
    }
    scene_close(&s);
}

// A page takes the place of a push.
static void test_full_line_of_pushes(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 1, max_waiting: 1");
    struct user users[3];
    start_by(&users[0], &s, "/", 1, false);
    start_by(&users[1], &s, "/", 1, true);
    start_by(&users[2], &s, "/", 1, false);
    user_expect(&users[1], "fail origin_busy\n");
    assert_false(users[2].is_over);
    for (size_t i = 0; i < 3; i++) {
        user_finish(&users[i]);
    }
    scene_close(&s);
}

// --- clients that take nothing -------------------------------------------------------------------

static int start_held(struct user *user, struct scene *s, uint64_t client) {
    user_init(user, s, "GET", "/held");
    user->options.client = client;
    user->room = 1000;
    user_start(user);
    int fd = origin_accept(s);
    origin_hear_head(s, fd);
    origin_say(s, fd, OK "Content-Length: 100000\r\n\r\n");
    origin_flood(s, fd, 100000);
    scene_wait(s, user->room == 0);
    return fd;
}

static void test_stalled_clients_make_room(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 2");
    struct user held[2];
    start_held(&held[0], &s, 1);
    start_held(&held[1], &s, 1);
    scene_run(&s, 2500);
    assert_false(held[0].is_over); // nobody waits, so they may
    struct user waiting;
    start_by(&waiting, &s, "/", 2, false);
    user_expect(&held[0], "head 200 100000\nfail client_timeout\n");
    int fd = origin_accept(&s);
    origin_hear_head(&s, fd);
    origin_say(&s, fd, HI);
    user_expect(&waiting, "head 200 2\nend\n");
    assert_false(held[1].is_over);                                  // one was enough
    assert_int_equal(scene_number(&s, METRIC_AT_ORIGIN_FAULTS), 0); // the origin did nothing wrong
    user_finish(&waiting);
    user_finish(&held[0]);
    user_finish(&held[1]);
    scene_close(&s);
}

// Who takes a little, again and again, is slow but not stalled; who has just stalled may go on.
static void test_slow_clients_do_not(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "max_connections: 1");
    struct user slow;
    start_held(&slow, &s, 1);
    struct user waiting;
    start_by(&waiting, &s, "/", 2, false);
    for (int i = 0; i < 6; i++) {
        scene_run(&s, 500);
        slow.room = 1000;
        origin_call_resume(slow.call);
        scene_wait(&s, slow.room == 0);
    }
    assert_false(slow.is_over || waiting.is_over);
    user_finish(&waiting);
    user_finish(&slow);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients_take_turns),
        cmocka_unit_test(test_new_clients_begin_where_the_line_is),
        cmocka_unit_test(test_who_waited_long_is_not_overtaken),
        cmocka_unit_test(test_full_line_makes_room_for_others),
        cmocka_unit_test(test_full_line_of_pushes),
        cmocka_unit_test(test_stalled_clients_make_room),
        cmocka_unit_test(test_slow_clients_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
