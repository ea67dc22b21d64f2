// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"

enum { SUM_OF_TIMES = METRICS_TIME_SLOTS - 1, SUM_OF_SIZES = METRICS_SIZE_SLOTS - 1 };

static struct metrics metrics; // 40 KB or so

static int clear(void **state) {
    (void)state;
    for (unsigned i = 0; i < METRICS_SLOTS; i++) {
        metrics_set_at(&metrics, i, 0);
    }
    return 0;
}

// --- where families are -------------------------------------------------------------------------

static const struct {
    const char *name;
    unsigned at, last, slots;
    enum metric_kind kind;
} families[] = {
#define X(id, kind, slots, name, labels, help)                                                     \
    {name, METRIC_AT_##id, METRIC_LAST_##id, slots, METRIC_##kind},
    METRIC_LIST(X)
#undef X
};

static void test_families_lie_side_by_side(void **state) {
    (void)state;
    unsigned next = 0;
    for (size_t i = 0; i < METRIC_FAMILIES; i++) {
        if (families[i].at != next || families[i].last != next + families[i].slots - 1) {
            fail_msg("%s begins at %u, not %u", families[i].name, families[i].at, next);
        }
        next += families[i].slots;
    }
    assert_int_equal(next, METRICS_SLOTS);
    assert_int_equal(sizeof(families) / sizeof(families[0]), METRIC_FAMILIES);
}

static void test_names_say_what_it_is(void **state) {
    (void)state;
    for (size_t i = 0; i < METRIC_FAMILIES; i++) {
        const char *name = families[i].name;
        size_t length = strlen(name);
        bool is_total = length > 6 && strcmp(name + length - 6, "_total") == 0;
        bool is_time = length > 8 && strcmp(name + length - 8, "_seconds") == 0;
        bool is_size = length > 6 && strcmp(name + length - 6, "_bytes") == 0;
        enum metric_kind kind = families[i].kind;
        if (is_total != (kind == METRIC_COUNTER) || is_time != (kind == METRIC_TIMES) ||
            is_size != (kind == METRIC_SIZES)) {
            fail_msg("%s is of another kind", name);
        }
        if ((kind == METRIC_TIMES && families[i].slots != METRICS_TIME_SLOTS) ||
            (kind == METRIC_SIZES && families[i].slots != METRICS_SIZE_SLOTS)) {
            fail_msg("%s has %u slots", name, families[i].slots);
        }
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(name, families[j].name);
        }
    }
}

// What one family is told of is seen in no other.
static void test_writers(void **state) {
    (void)state;
    metrics_add(&metrics, REQUESTS, METRIC_HTTP2 * METRIC_CODES + METRIC_CODES - 1, 2);
    metrics_add(&metrics, METHODS, METRIC_GET, 5);
    metrics_count(&metrics, RECEIVED);
    metrics_count(&metrics, RECEIVED);
    metrics_set(&metrics, LEARNED_PAGES, 0, 77);
    metrics_set(&metrics, LEARNED_PAGES, 0, 76);
    metrics_add(&metrics, ORIGIN_WAITING, METRICS_NAMES - 1, 3);
    metrics_subtract(&metrics, ORIGIN_WAITING, METRICS_NAMES - 1, 2);
    uint64_t sum = 0;
    for (unsigned i = 0; i < METRICS_SLOTS; i++) {
        sum += metrics_read(&metrics, i);
    }
    assert_int_equal(sum, 2 + 5 + 2 + 76 + 1);
    assert_int_equal(metrics_read(&metrics, METRIC_LAST_REQUESTS), 2);
    assert_int_equal(metrics_read(&metrics, METRIC_AT_METHODS), 5);
    assert_int_equal(metrics_read(&metrics, METRIC_AT_RECEIVED), 2);
    assert_int_equal(metrics_read(&metrics, METRIC_AT_LEARNED_PAGES), 76);
    assert_int_equal(metrics_read(&metrics, METRIC_LAST_ORIGIN_WAITING), 1);
}

// One thread opens what another one closes: each may be below zero, their sum is right.
static void test_gauges_of_threads_add_up(void **state) {
    (void)state;
    static struct metrics other;
    metrics_add(&metrics, CONNECTIONS, METRIC_HTTP1, 3);
    metrics_subtract(&other, CONNECTIONS, METRIC_HTTP1, 2);
    uint64_t sum =
        metrics_read(&metrics, METRIC_AT_CONNECTIONS) + metrics_read(&other, METRIC_AT_CONNECTIONS);
    assert_int_equal(sum, 1);
}

// --- histograms ---------------------------------------------------------------------------------

static void test_times(void **state) {
    (void)state;
    static const struct {
        uint64_t ms;
        unsigned bucket;
    } rows[] = {
        {0, 0},     {5, 0},     {6, 1},     {10, 1},    {11, 2},     {25, 2},     {50, 3},
        {75, 4},    {100, 5},   {101, 6},   {250, 6},   {500, 7},    {750, 8},    {1000, 9},
        {1001, 10}, {2500, 10}, {5000, 11}, {7500, 12}, {10000, 13}, {10001, 14}, {UINT32_MAX, 14},
    };
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned slot = METRIC_AT_DURATION + rows[i].bucket;
        uint64_t before = metrics_read(&metrics, slot);
        metrics_observe_ms(&metrics, DURATION, rows[i].ms);
        if (metrics_read(&metrics, slot) != before + 1) {
            fail_msg("%llu ms are not in bucket %u", (unsigned long long)rows[i].ms,
                     rows[i].bucket);
        }
        sum += rows[i].ms;
    }
    assert_int_equal(metrics_read(&metrics, METRIC_AT_DURATION + SUM_OF_TIMES), sum);
    assert_int_equal(METRIC_AT_DURATION + SUM_OF_TIMES, METRIC_LAST_DURATION);
    // The next family has heard nothing of it.
    assert_int_equal(metrics_read(&metrics, METRIC_LAST_DURATION + 1), 0);
}

static void test_sizes(void **state) {
    (void)state;
    static const struct {
        uint64_t bytes;
        unsigned bucket;
    } rows[] = {
        {0, 0},    {256, 0},  {257, 1},   {512, 1},   {1024, 2},  {1025, 3},  {2048, 3},
        {4096, 4}, {8192, 5}, {16384, 6}, {16385, 7}, {32768, 7}, {32769, 8}, {1 << 30, 8},
    };
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned slot = METRIC_AT_COOKIE_BYTES + rows[i].bucket;
        uint64_t before = metrics_read(&metrics, slot);
        metrics_observe_bytes(&metrics, COOKIE_BYTES, rows[i].bytes);
        if (metrics_read(&metrics, slot) != before + 1) {
            fail_msg("%llu bytes are not in bucket %u", (unsigned long long)rows[i].bytes,
                     rows[i].bucket);
        }
        sum += rows[i].bytes;
    }
    assert_int_equal(metrics_read(&metrics, METRIC_LAST_COOKIE_BYTES), sum);
    assert_int_equal(metrics_read(&metrics, METRIC_LAST_COOKIE_BYTES + 1), 0);
}

// The bounds that people read are those that were compared with.
static void test_bounds_as_text(void **state) {
    (void)state;
    for (unsigned i = 0; i < METRICS_TIME_SLOTS - 2; i++) {
        double seconds = strtod(metrics_time_bounds[i], NULL);
        clear(NULL);
        metrics_observe_ms(&metrics, LEAD, (uint64_t)(seconds * 1000 + 0.5));
        metrics_observe_ms(&metrics, LEAD, (uint64_t)(seconds * 1000 + 1.5));
        assert_int_equal(metrics_read(&metrics, METRIC_AT_LEAD + i), 1);
        assert_int_equal(metrics_read(&metrics, METRIC_AT_LEAD + i + 1), 1);
    }
    assert_null(metrics_time_bounds[METRICS_TIME_SLOTS - 2]);
    for (unsigned i = 0; i < METRICS_SIZE_SLOTS - 2; i++) {
        double bytes = strtod(metrics_size_bounds[i], NULL);
        clear(NULL);
        metrics_observe_bytes(&metrics, HEAD_BYTES, (uint64_t)bytes);
        metrics_observe_bytes(&metrics, HEAD_BYTES, (uint64_t)bytes + 1);
        assert_int_equal(metrics_read(&metrics, METRIC_AT_HEAD_BYTES + i), 1);
        assert_int_equal(metrics_read(&metrics, METRIC_AT_HEAD_BYTES + i + 1), 1);
    }
    assert_null(metrics_size_bounds[METRICS_SIZE_SLOTS - 2]);
}

// --- names --------------------------------------------------------------------------------------

static void *take_names(void *argument) {
    unsigned *slots = argument;
    char name[16];
    for (unsigned i = 0; i < METRICS_NAMES + 8; i++) {
        snprintf(name, sizeof(name), "origin%u", i);
        slots[i] = metrics_name_slot(name);
    }
    return NULL;
}

// 31 have a slot of their own, the same for all threads; the others share the last.
static void test_names(void **state) {
    (void)state;
    enum { THREADS = 4, ORIGINS = METRICS_NAMES + 8 };
    pthread_t threads[THREADS];
    unsigned slots[THREADS][ORIGINS];
    assert_null(metrics_slot_name(0));
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_names, slots[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_memory_equal(slots[i], slots[0], sizeof(slots[0]));
    }
    for (unsigned i = 0; i < ORIGINS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "origin%u", i);
        bool has_own = i < METRICS_NAMES - 1;
        assert_int_equal(slots[0][i], has_own ? i : METRICS_NAMES - 1);
        assert_string_equal(metrics_slot_name(slots[0][i]), has_own ? name : "(others)");
    }
    assert_int_equal(metrics_name_slot("one more"), METRICS_NAMES - 1);
    assert_int_equal(metrics_name_slot("origin7"), 7);
    assert_null(metrics_slot_name(METRICS_NAMES));
    assert_null(metrics_slot_name(UINT32_MAX));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families_lie_side_by_side),
        cmocka_unit_test(test_names_say_what_it_is),
        cmocka_unit_test_setup(test_writers, clear),
        cmocka_unit_test_setup(test_gauges_of_threads_add_up, clear),
        cmocka_unit_test_setup(test_times, clear),
        cmocka_unit_test_setup(test_sizes, clear),
        cmocka_unit_test_setup(test_bounds_as_text, clear),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
