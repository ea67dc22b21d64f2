// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/timer.h"

static struct loop loop;
static int expired_count;
static int closed_count;
static uint64_t expired_ms;

static void on_expired(struct timer *timer) {
    expired_count++;
    expired_ms = loop_now(timer->loop);
}

static void on_closed(struct timer *timer) {
    (void)timer;
    closed_count++;
}

static int setup(void **state) {
    (void)state;
    expired_count = closed_count = 0;
    loop_init(&loop);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    loop_finish(&loop);
    assert_int_equal(closed_count, 1);
    return 0;
}

static void on_tick(uv_timer_t *tick) {
    (void)tick;
}

static void run_for(uint64_t ms) {
    uint64_t end = uv_hrtime() / 1000000 + ms;
    uv_timer_t tick;
    uv_timer_init(&loop.uv, &tick);
    uv_timer_start(&tick, on_tick, 1,
                   1); // repeats: one that is due at once would not end the sleep
    do {
        uv_run(&loop.uv, UV_RUN_ONCE);
    } while (uv_hrtime() / 1000000 < end);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
}

static void test_expires_once(void **state) {
    (void)state;
    struct timer timer;
    timer_init(&timer, &loop, on_expired);
    uint64_t start = loop_now(&loop);
    timer_start(&timer, 20);
    run_for(60);
    assert_int_equal(expired_count, 1);
    assert_true(expired_ms >= start + 20);
    timer_close(&timer, on_closed);
    run_for(1);
}

static void test_moving_later_does_not_arm_again(void **state) {
    (void)state;
    struct timer timer;
    timer_init(&timer, &loop, on_expired);
    uint64_t start = loop_now(&loop);
    timer_start(&timer, 20);
    uint64_t armed_ms = timer.armed_ms;
    timer_start(&timer, 300);
    assert_int_equal(timer.armed_ms, armed_ms);
    run_for(40);
    assert_int_equal(expired_count, 0);
    run_for(300);
    assert_int_equal(expired_count, 1);
    assert_true(expired_ms >= start + 300);
    timer_close(&timer, on_closed);
    run_for(1);
}

static void test_moving_earlier_counts(void **state) {
    (void)state;
    struct timer timer;
    timer_init(&timer, &loop, on_expired);
    timer_start(&timer, 10000);
    timer_start(&timer, 10);
    run_for(40);
    assert_int_equal(expired_count, 1);
    timer_close(&timer, on_closed);
    run_for(1);
}

static void test_stopped_timer_is_silent_and_can_start_again(void **state) {
    (void)state;
    struct timer timer;
    timer_init(&timer, &loop, on_expired);
    timer_start(&timer, 10);
    timer_stop(&timer);
    run_for(30);
    assert_int_equal(expired_count, 0);
    timer_start(&timer, 10);
    run_for(30);
    assert_int_equal(expired_count, 1);
    timer_close(&timer, on_closed);
    run_for(1);
}

static void test_closed_timer_is_silent(void **state) {
    (void)state;
    static struct timer timer;
    timer_init(&timer, &loop, on_expired);
    timer_start(&timer, 1);
    timer_close(&timer, on_closed);
    assert_int_equal(closed_count, 0); // not from inside
    run_for(20);
    assert_int_equal(expired_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_expires_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_moving_later_does_not_arm_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_moving_earlier_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped_timer_is_silent_and_can_start_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_closed_timer_is_silent, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
