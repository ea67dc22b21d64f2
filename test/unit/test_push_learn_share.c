// SPDX-License-Identifier: Apache-2.0
#include "learn_scene.h"

#include <stdlib.h>

#include "push/push_learn.h"
#include "push_learn_record.h"

#define A "</a.css>; rel=preload; as=style"
#define B "</b.js>; rel=preload; as=script"
#define START 5000000

enum { WORKERS = 3, SEED = 99 };

static struct push_learn *workers[WORKERS];

static void open_workers_of(uint32_t pages) {
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = push_learn_create(&(struct push_learn_limits){.pages = pages}, SEED);
    }
}

static void open_workers(void) {
    open_workers_of(0);
}

static void close_workers(void) {
    for (unsigned i = 0; i < WORKERS; i++) {
        push_learn_destroy(workers[i]);
    }
}

static uint32_t next_random;

static unsigned random_below(unsigned limit) {
    next_random = next_random * 1664525 + 1013904223;
    return (next_random >> 8) % limit;
}

// Each gives its records to all others.
static void share(uint64_t now_ms) {
    for (unsigned i = 0; i < WORKERS; i++) {
        struct buffer records = {0};
        push_learn_take_records(workers[i], &records);
        for (unsigned j = 0; j < WORKERS; j++) {
            assert_true(j == i || push_learn_apply(workers[j], buffer_peek(&records), now_ms));
        }
        buffer_finish(&records);
    }
}

static void expect_all(const char *path, bool has_credentials, uint64_t now_ms,
                       const char *wanted) {
    for (unsigned i = 0; i < WORKERS; i++) {
        const char *found = learn_scene_found(workers[i], path, has_credentials, now_ms);
        if (strcmp(found, wanted) != 0) {
            fail_msg("worker %u: '%s', wanted '%s'", i, found, wanted);
        }
    }
}

static void test_two_workers_are_two_witnesses(void **state) {
    (void)state;
    const struct learn_scene_row a = {.response = "link: " A};
    open_workers();
    learn_scene_show(workers[0], &a, 1, START);
    learn_scene_show(workers[1], &a, 2, START + 1);
    expect_all("/page", false, START + 2, "");
    share(START + 400);
    expect_all("/page", false, START + 401, A);
    struct buffer records = {0};
    share(START + 402);
    assert_false(push_learn_take_records(workers[0], &records)); // applying makes no records
    close_workers();
}

static void test_one_connection_is_one_witness(void **state) {
    (void)state;
    const struct learn_scene_row a = {.response = "link: " A};
    const struct learn_scene_row v = {
        .path = "/v", .request = "cookie: sid=1", .response = "link: " A};
    open_workers();
    learn_scene_show(workers[0], &a, 1, START);
    learn_scene_show(workers[1], &a, 1, START + 1);
    learn_scene_show(workers[0], &v, 1, START);
    learn_scene_show(workers[1], &v, 2, START + 1);
    share(START + 2);
    share(START + 3);
    expect_all("/page", false, START + 4, "");
    expect_all("/v", true, START + 4, "");
    for (unsigned i = 0; i < WORKERS; i++) { // one visitor's connections are enough for himself
        const char *found = learn_scene_found_by(workers[i], "/v", "sid=1", START + 4);
        assert_string_equal(found, A);
    }
    close_workers();
}

static void test_visitors_on_two_workers(void **state) {
    (void)state;
    struct learn_scene_row row = {.request = "cookie: sid=1", .response = "link: " A};
    open_workers();
    learn_scene_show(workers[0], &row, 1, START);
    row.request = "cookie: sid=2";
    learn_scene_show(workers[1], &row, 2, START + 1);
    share(START + 2);
    expect_all("/page", true, START + 3, A);
    expect_all("/page", false, START + 3, "");
    close_workers();
}

static void test_all_hear_of_drops(void **state) {
    (void)state;
    const struct learn_scene_row a = {.response = "link: " A};
    const struct learn_scene_row b = {.response = "link: " B};
    const struct learn_scene_row bare = {.response = ""};
    const struct learn_scene_row gone = {.status = 403};
    const struct learn_scene_row *const drops[] = {&b, &bare, &gone, NULL};
    for (unsigned i = 0; i < 4; i++) {
        open_workers();
        learn_scene_show(workers[0], &a, 1, START);
        learn_scene_show(workers[0], &a, 2, START + 1);
        share(START + 2);
        expect_all("/page", false, START + 3, A);
        if (drops[i] != NULL) {
            learn_scene_show(workers[2], drops[i], 3, START + 4);
        } else {
            push_learn_note_bad(workers[2], SLICE("example.org"), SLICE("/a.css"), START + 4);
        }
        share(START + 5);
        expect_all("/page", false, START + 6, "");
        close_workers();
    }
}

// A busy page tells the others only now and then, and stays alive everywhere.
static void test_renewals_are_few(void **state) {
    (void)state;
    const struct learn_scene_row a = {.response = "cache-control: max-age=100\nlink: " A};
    unsigned bytes = 0;
    open_workers();
    learn_scene_show(workers[1], &a, 1, START);
    share(START);
    for (unsigned i = 0; i < 10000; i++) {
        struct buffer records = {0};
        uint64_t now_ms = START + i * 100;
        learn_scene_show(workers[0], &a, 100 + i, now_ms);
        if (push_learn_take_records(workers[0], &records)) {
            bytes += (unsigned)buffer_length(&records);
            assert_true(push_learn_apply(workers[1], buffer_peek(&records), now_ms));
            assert_true(push_learn_apply(workers[2], buffer_peek(&records), now_ms));
        }
        buffer_finish(&records);
        expect_all("/page", false, now_ms, A);
    }
    assert_true(bytes < 60 * 200);
    close_workers();
}

static void test_nobody_takes_records(void **state) {
    (void)state;
    open_workers();
    for (unsigned i = 0; i < 10000; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/page-%u", i);
        learn_scene_show(workers[0],
                         &(struct learn_scene_row){.path = path, .response = "link: " A}, i, START);
    }
    assert_true(push_learn_stats(workers[0])->records_lost > 0);
    // There is room for what takes hints back.
    struct push_learn *alone = push_learn_create(&(struct push_learn_limits){.is_alone = true}, 1);
    learn_scene_show(workers[0], &(struct learn_scene_row){.path = "/page-9999", .status = 404}, 1,
                     START);
    struct buffer records = {0};
    assert_true(push_learn_take_records(workers[0], &records));
    assert_true(buffer_length(&records) <= PUSH_LEARN_OUTBOX_BYTES);
    struct slice rest = buffer_peek(&records);
    struct push_learn_record record;
    struct arena *arena = arena_create();
    while (push_learn_record_read(&rest, arena, &record) == PUSH_LEARN_RECORD_READ) {
    }
    assert_int_equal(rest.length, 0);
    assert_int_equal(record.kind, PUSH_LEARN_RECORD_DROP);
    arena_destroy(arena);
    buffer_finish(&records);
    learn_scene_show(alone, &(struct learn_scene_row){.response = "link: " A}, 1, START);
    assert_false(push_learn_take_records(alone, &records));
    push_learn_destroy(alone);
    close_workers();
}

static void fill_outbox(struct push_learn *learn, uint64_t now_ms) {
    for (unsigned i = 0; push_learn_stats(learn)->records_lost == 0; i++) {
        char path[32];
        assert_true(i < 10000); // so that no record of them is longer than one of /page
        snprintf(path, sizeof(path), "/%u", i);
        learn_scene_show(learn, &(struct learn_scene_row){.path = path, .response = "link: " A}, 1,
                         now_ms);
    }
}

// The others hear of it by the next renewal, which is reckoned from what was told.
static void test_lost_record_is_told_again(void **state) {
    (void)state;
    const struct learn_scene_row a = {.response = "link: " A};
    const uint64_t renewal_ms = START + PUSH_LEARN_SHARE_MS + PUSH_LEARN_LIFE_MS / 4;
    open_workers_of(20000); // nothing leaves for want of room
    learn_scene_show(workers[0], &a, 1, START);
    fill_outbox(workers[0], START + 1000);
    assert_int_equal(learn_scene_show(workers[0], &a, 2, START + 1000), PUSH_LEARN_CONFIRMED);
    assert_int_equal(push_learn_stats(workers[0])->records_lost, 2);
    share(START + 1000);
    assert_string_equal(learn_scene_found(workers[1], "/page", false, START + 1000), "");
    learn_scene_show(workers[0], &a, 3, renewal_ms - 1);
    assert_int_equal(push_learn_record_bytes_waiting(workers[0]), 0);
    learn_scene_show(workers[0], &a, 3, renewal_ms);
    assert_true(push_learn_record_bytes_waiting(workers[0]) > 0);
    share(renewal_ms);
    expect_all("/page", false, renewal_ms, A);
    close_workers();
}

// --- any order --------------------------------------------------------------------------------

enum { MOST_EVENTS = 8, LIFE_MS = 60000 };

struct event {
    uint64_t ms;      // no two are the same
    uint64_t conn_id; // of a sighting
    char set;         // 'A', 'B', or '-': a drop
};

static void write_event(const struct event *event, struct buffer *to) {
    struct slice element = event->set == 'A' ? SLICE(A) : SLICE(B);
    const struct push_learn_record record = {
        .kind = event->set == '-' ? PUSH_LEARN_RECORD_DROP : PUSH_LEARN_RECORD_SIGHTING,
        .sighting = {.conn_id = event->conn_id, .ms = event->ms},
        .life_ms = LIFE_MS,
        .key = {SLICE("https"), SLICE("example.org"), SLICE("/page"), false},
        .elements = &element,
        .count = event->set != '-',
    };
    push_learn_record_write(&record, to);
}

// By the rule itself: two clients saw the set, and nobody saw anything else since.
static bool is_usable(const struct event *events, unsigned count, char set) {
    uint64_t since_ms = 0;
    for (unsigned i = 0; i < count; i++) {
        if (events[i].set != set && events[i].ms > since_ms) {
            since_ms = events[i].ms;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (events[i].set == set && events[j].set == set && events[i].ms > since_ms &&
                events[j].ms > since_ms && events[i].conn_id != events[j].conn_id) {
                return true;
            }
        }
    }
    return false;
}

static unsigned make_events(struct event *events) {
    unsigned count = 1 + random_below(MOST_EVENTS);
    bool is_peaceful = random_below(3) == 0;
    uint64_t ms = START;
    for (unsigned i = 0; i < count; i++) {
        ms += 1 + random_below(300);
        events[i] = (struct event){ms, 1 + random_below(3), 'A'};
        if (!is_peaceful && random_below(3) == 0) {
            events[i].set = random_below(2) == 0 ? 'B' : '-';
        }
    }
    return count;
}

static void shuffle(struct event *events, unsigned count) {
    for (unsigned i = count; i > 1; i--) {
        unsigned other = random_below(i);
        struct event event = events[i - 1];
        events[i - 1] = events[other];
        events[other] = event;
    }
}

// In whatever order and how often records come: nothing is hinted that the rule forbids. In their
// own order, or when all agree, all is hinted that the rule allows.
static void test_any_order(void **state) {
    (void)state;
    unsigned usable = 0;
    next_random = 7;
    for (unsigned round = 0; round < 30000; round++) {
        struct event events[MOST_EVENTS];
        unsigned count = make_events(events);
        bool is_in_order = random_below(2) == 0;
        bool is_peaceful = true;
        struct buffer records = {0};
        uint64_t now_ms = events[count - 1].ms + random_below(2000);
        struct push_learn *learn = push_learn_create(&(struct push_learn_limits){.pages = 4}, SEED);
        if (!is_in_order) {
            shuffle(events, count);
        }
        for (unsigned i = 0; i < count; i++) {
            unsigned times = is_in_order ? 1 : 1 + random_below(2);
            is_peaceful &= events[i].set == 'A';
            write_event(&events[i], &records);
            for (unsigned j = 0; j < times; j++) {
                assert_true(push_learn_apply(learn, buffer_peek(&records), now_ms));
            }
            buffer_consume(&records,
                           is_in_order || random_below(2) == 0 ? buffer_length(&records) : 0);
            const char *found = learn_scene_found(learn, "/page", false, now_ms);
            bool allows_a = is_usable(events, i + 1, 'A');
            bool allows_b = is_usable(events, i + 1, 'B');
            bool is_forbidden =
                (strcmp(found, A) == 0 && !allows_a) || (strcmp(found, B) == 0 && !allows_b);
            bool is_missing =
                (is_in_order || is_peaceful) && *found == '\0' && (allows_a || allows_b);
            if (is_forbidden || is_missing) {
                for (unsigned j = 0; j <= i; j++) {
                    print_message("%c of %u at %u\n", events[j].set, (unsigned)events[j].conn_id,
                                  (unsigned)(events[j].ms - START));
                }
                fail_msg("round %u: '%s'", round, found);
            }
            usable += *found != '\0';
        }
        buffer_finish(&records);
        push_learn_destroy(learn);
    }
    assert_true(usable > 5000);
}

// --- bytes of any kind ------------------------------------------------------------------------

static void write_samples(struct buffer *to) {
    const struct learn_scene_row rows[] = {
        {.response = "link: " A ", " B},
        {.path = "/x", .response = "link: " A, .request = "cookie: a=b"},
        {.path = "/x", .status = 404, .request = "cookie: a=b"},
        {.response = "link: " A, .request = "cookie: a=b"},
    };
    open_workers();
    for (unsigned i = 0; i < 4; i++) {
        learn_scene_show(workers[0], &rows[i], i, START);
    }
    push_learn_note_bad(workers[0], SLICE("example.org"), SLICE("/a.css"), START);
    assert_true(push_learn_take_records(workers[0], to));
    close_workers();
}

static void test_cut_records(void **state) {
    (void)state;
    struct buffer records = {0};
    write_samples(&records);
    unsigned whole = 0;
    for (size_t length = 0; length <= buffer_length(&records); length++) {
        struct push_learn *learn = push_learn_create(&(struct push_learn_limits){0}, SEED);
        char *copy = malloc(length + 1); // so that reading behind the end is noticed
        memcpy(copy, buffer_peek(&records).data, length);
        whole += push_learn_apply(learn, slice_of(copy, length), START);
        free(copy);
        push_learn_destroy(learn);
    }
    assert_int_equal(whole, 6); // the five records' ends, and nothing at all
    buffer_finish(&records);
}

static void test_spoilt_records(void **state) {
    (void)state;
    struct buffer records = {0};
    next_random = 1;
    write_samples(&records);
    size_t length = buffer_length(&records);
    struct push_learn *learn = push_learn_create(&(struct push_learn_limits){.pages = 20}, SEED);
    unsigned refused = 0;
    for (unsigned round = 0; round < 20000; round++) {
        char *copy = malloc(length);
        memcpy(copy, buffer_peek(&records).data, length);
        for (unsigned i = 1 + random_below(4); i > 0; i--) {
            copy[random_below((unsigned)length)] = (char)random_below(256);
        }
        refused += !push_learn_apply(learn, slice_of(copy, length), START);
        free(copy);
        struct push_learn_cursor cursor = {0};
        struct push_learn_view view;
        struct arena *arena = arena_create();
        while (push_learn_next(learn, &cursor, START, &view)) {
            struct push_learn_lesson lesson;
            assert_true(
                push_learn_rules_lesson(&view.key, view.elements, view.count, arena, &lesson));
            assert_true(view.left_ms <= PUSH_LEARN_LIFE_MS + 10000);
        }
        arena_destroy(arena);
    }
    assert_true(refused > 1000);
    assert_true(push_learn_stats(learn)->records_damaged == refused);
    push_learn_destroy(learn);
    buffer_finish(&records);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_workers_are_two_witnesses),
        cmocka_unit_test(test_one_connection_is_one_witness),
        cmocka_unit_test(test_visitors_on_two_workers),
        cmocka_unit_test(test_all_hear_of_drops),
        cmocka_unit_test(test_renewals_are_few),
        cmocka_unit_test(test_nobody_takes_records),
        cmocka_unit_test(test_lost_record_is_told_again),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_cut_records),
        cmocka_unit_test(test_spoilt_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
