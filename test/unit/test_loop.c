// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/loop.h"

// What happened, in order: one letter each.
static char story[64];
static struct loop loop;

static void tell(char letter) {
    size_t length = strlen(story);
    assert_true(length + 1 < sizeof(story));
    story[length] = letter;
    story[length + 1] = '\0';
}

static int setup(void **state) {
    (void)state;
    story[0] = '\0';
    loop_init(&loop);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    loop_finish(&loop);
    return 0;
}

static void turn(void) {
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    tell('|');
}

struct teller {
    struct loop_task task;
    char letter;
    struct teller *then;      // deferred when this one runs
    struct teller *then_next; // deferred to the next turn
};

static void run_teller(struct loop_task *task) {
    struct teller *teller = LIST_ENTRY(task, struct teller, task);
    tell(teller->letter);
    if (teller->then != NULL) {
        loop_defer(&loop, &teller->then->task);
    }
    if (teller->then_next != NULL) {
        loop_defer_next(&loop, &teller->then_next->task);
    }
}

static struct teller teller(char letter) {
    return (struct teller){.task.run = run_teller, .letter = letter};
}

static void test_tasks_run_in_order_and_once(void **state) {
    (void)state;
    struct teller a = teller('a');
    struct teller b = teller('b');
    loop_defer(&loop, &b.task);
    loop_defer(&loop, &a.task);
    loop_defer(&loop, &b.task);
    turn();
    turn();
    assert_string_equal(story, "ba||");
}

static void test_task_deferred_by_task_runs_in_the_same_turn(void **state) {
    (void)state;
    struct teller a = teller('a');
    struct teller b = teller('b');
    struct teller c = teller('c');
    a.then = &c;
    loop_defer(&loop, &a.task);
    loop_defer(&loop, &b.task);
    turn();
    assert_string_equal(story, "abc|");
}

static void test_task_for_next_turn_waits_and_others_come_first(void **state) {
    (void)state;
    struct teller a = teller('a');
    struct teller b = teller('b');
    a.then_next = &a;
    loop_defer(&loop, &a.task);
    turn();
    a.then_next = NULL;
    loop_defer(&loop, &a.task); // already waits
    loop_defer(&loop, &b.task);
    turn();
    turn();
    assert_string_equal(story, "a|ab||");
}

static void test_cancelled_task_does_not_run(void **state) {
    (void)state;
    struct teller a = teller('a');
    struct teller b = teller('b');
    loop_defer(&loop, &a.task);
    loop_defer_next(&loop, &b.task);
    loop_cancel(&a.task);
    loop_cancel(&b.task);
    loop_cancel(&b.task);
    turn();
    turn();
    assert_string_equal(story, "||");
}

// The loop would sleep for ever if a task for the next turn did not keep it awake.
static void stop_loop(struct loop_task *task) {
    struct teller *stopper = LIST_ENTRY(task, struct teller, task);
    tell(stopper->letter);
    loop_stop(&loop);
}

static void test_loop_does_not_sleep_before_next_turn(void **state) {
    (void)state;
    struct teller a = teller('a');
    struct teller stopper = {.task.run = stop_loop, .letter = 's'};
    a.then_next = &stopper;
    loop_defer(&loop, &a.task);
    loop_run(&loop);
    assert_string_equal(story, "as");
}

enum { POSTS = 1000 };

struct numbers {
    int values[POSTS];
    int count;
};

struct number {
    struct numbers *list;
    int value;
};

static void note_number(void *argument) {
    struct number *number = argument;
    struct numbers *list = number->list;
    list->values[list->count++] = number->value;
    if (list->count == POSTS) {
        loop_stop(&loop);
    }
}

static void *post_numbers(void *argument) {
    struct number *numbers = argument;
    for (int i = 0; i < POSTS; i++) {
        loop_post(&loop, note_number, &numbers[i]);
    }
    return NULL;
}

static void test_posts_from_a_thread_arrive_in_order(void **state) {
    (void)state;
    static struct number numbers[POSTS];
    struct numbers list = {.count = 0};
    for (int i = 0; i < POSTS; i++) {
        numbers[i] = (struct number){.list = &list, .value = i};
    }
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, post_numbers, numbers), 0);
    loop_run(&loop);
    pthread_join(thread, NULL);
    assert_int_equal(list.count, POSTS);
    for (int i = 0; i < POSTS; i++) {
        assert_int_equal(list.values[i], i);
    }
}

static void tell_posted(void *argument) {
    tell(*(char *)argument);
}

static void test_finish_runs_what_was_posted_and_deferred(void **state) {
    (void)state;
    struct loop other;
    loop_init(&other);
    char letter = 'p';
    struct teller a = teller('a');
    loop_post(&other, tell_posted, &letter);
    loop_defer(&other, &a.task);
    loop_finish(&other);
    assert_string_equal(story, "pa");
}

static void on_late(uv_timer_t *timer) {
    (void)timer;
    loop_wake(&loop);
}

static void test_clock_follows_sleep(void **state) {
    (void)state;
    uint64_t before = loop_now(&loop);
    int64_t wall_before = loop.clock.wall_ms;
    static uv_timer_t timer; // closed in teardown
    uv_timer_init(&loop.uv, &timer);
    uv_timer_start(&timer, on_late, 30, 30);
    uv_run(&loop.uv, UV_RUN_ONCE);
    assert_true(loop_now(&loop) >= before + 30);
    assert_true(loop.clock.wall_ms >= wall_before + 25);
    assert_int_equal(strlen(loop.clock.date), 29);
    uv_close((uv_handle_t *)&timer, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tasks_run_in_order_and_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_task_deferred_by_task_runs_in_the_same_turn, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_task_for_next_turn_waits_and_others_come_first, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_cancelled_task_does_not_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loop_does_not_sleep_before_next_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_posts_from_a_thread_arrive_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_finish_runs_what_was_posted_and_deferred, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_clock_follows_sleep, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
