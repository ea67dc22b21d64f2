// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/spare.h"

enum { SIZE = 8192 };

// A build with a sanitizer keeps nothing, so that it sees what is used after it was given back.
static bool keeps(void) {
    spare_open();
    spare_give(spare_take(SIZE), SIZE);
    bool is_kept = spare_bytes() > 0;
    spare_close();
    return is_kept;
}

static void test_a_block_that_was_given_is_taken_again(void **state) {
    (void)state;
    spare_open();
    char *first = spare_take(SIZE);
    char *second = spare_take(SIZE);
    assert_ptr_not_equal(first, second);
    memset(first, 1, SIZE);
    memset(second, 2, SIZE);
    spare_give(first, SIZE);
    spare_give(second, SIZE);
    if (spare_bytes() > 0) {
        assert_int_equal(spare_bytes(), 2 * SIZE);
        assert_ptr_equal(spare_take(SIZE), second); // the last one first
        assert_ptr_equal(spare_take(SIZE), first);
        spare_give(first, SIZE);
        spare_give(second, SIZE);
    }
    spare_close();
    assert_int_equal(spare_bytes(), 0);
}

static void test_only_common_sizes_are_kept(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 32, 3000, 8191, 8193, 512 * 1024, 1 << 20};
    spare_open();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *block = spare_take(sizes[i]);
        memset(block, 7, sizes[i]);
        spare_give(block, sizes[i]);
        assert_int_equal(spare_bytes(), 0);
    }
    spare_give(NULL, SIZE);
    assert_int_equal(spare_bytes(), 0);
    spare_close();
}

static void test_what_was_not_needed_goes_back(void **state) {
    (void)state;
    if (!keeps()) {
        skip();
    }
    spare_open();
    void *blocks[10];
    for (int i = 0; i < 10; i++) {
        blocks[i] = spare_take(SIZE);
    }
    for (int i = 0; i < 10; i++) {
        spare_give(blocks[i], SIZE);
    }
    spare_tend(); // all were needed just now
    assert_int_equal(spare_bytes(), 10 * SIZE);
    void *one = spare_take(SIZE);
    void *two = spare_take(SIZE);
    spare_give(one, SIZE);
    spare_give(two, SIZE);
    spare_tend(); // two at a time
    assert_int_equal(spare_bytes(), 2 * SIZE);
    spare_tend();
    assert_int_equal(spare_bytes(), 0);
    spare_close();
}

static void test_a_thread_keeps_so_much_and_no_more(void **state) {
    (void)state;
    enum { COUNT = 2 * SPARE_THREAD_BYTES / SPARE_MOST_BYTES };
    void *blocks[COUNT];
    spare_open();
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = spare_take(SPARE_MOST_BYTES);
    }
    for (int i = 0; i < COUNT; i++) {
        spare_give(blocks[i], SPARE_MOST_BYTES);
    }
    assert_true(spare_bytes() <= SPARE_THREAD_BYTES);
    spare_close();
}

// A generation is made by one thread and freed by another, again and again.
static void test_what_others_took_is_not_kept(void **state) {
    (void)state;
    spare_open();
    for (int i = 0; i < 10; i++) {
        spare_give(malloc(SIZE), SIZE);
        assert_int_equal(spare_bytes(), 0);
    }
    spare_close();
}

static void test_a_thread_that_has_not_opened_keeps_nothing(void **state) {
    (void)state;
    spare_give(spare_take(SIZE), SIZE);
    assert_int_equal(spare_bytes(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_block_that_was_given_is_taken_again),
        cmocka_unit_test(test_only_common_sizes_are_kept),
        cmocka_unit_test(test_what_was_not_needed_goes_back),
        cmocka_unit_test(test_a_thread_keeps_so_much_and_no_more),
        cmocka_unit_test(test_what_others_took_is_not_kept),
        cmocka_unit_test(test_a_thread_that_has_not_opened_keeps_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
