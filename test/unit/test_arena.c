// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>

#include "base/arena.h"

static void test_memory_is_aligned_and_distinct(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    unsigned char *before = NULL;
    for (size_t size = 0; size < 3000; size += 7) {
        unsigned char *memory = arena_alloc(arena, size);
        assert_int_equal((uintptr_t)memory % alignof(max_align_t), 0);
        assert_ptr_not_equal(memory, before);
        memset(memory, (int)(size & 255), size);
        if (before != NULL && size > 7) {
            assert_int_equal(before[0], (size - 7) & 255);
            assert_int_equal(before[size - 8], (size - 7) & 255);
        }
        before = memory;
    }
    arena_destroy(arena);
    arena_destroy(NULL);
}

static void test_large_pieces_get_blocks_of_their_own(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    char *small = arena_alloc(arena, 10);
    memcpy(small, "123456789", 10);
    char *large = arena_zeroed(arena, 1 << 20);
    assert_int_equal(large[0], 0);
    assert_int_equal(large[(1 << 20) - 1], 0);
    assert_string_equal(small, "123456789");
    assert_true(arena_used(arena) >= (1 << 20) + 10);
    arena_destroy(arena);
}

static void test_zeroed_after_reuse(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct arena *arena = arena_create();
        char *memory = arena_zeroed(arena, 2000);
        for (size_t k = 0; k < 2000; k++) {
            assert_int_equal(memory[k], 0);
        }
        memset(memory, 0xff, 2000);
        memset(arena_alloc(arena, 3000), 0xff, 3000);
        arena_destroy(arena);
    }
}

static void test_parts_are_joined(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    const struct slice parts[] = {SLICE("a"), SLICE_EMPTY, SLICE("bc"), SLICE("d")};
    struct slice joined = arena_join(arena, parts, 4);
    assert_int_equal(joined.length, 4);
    assert_memory_equal(joined.data, "abcd", 4);
    assert_int_equal(arena_join(arena, parts, 0).length, 0);
    arena_destroy(arena);
}

static void test_copy_and_printf_end_with_nul(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct slice copy = arena_copy(arena, SLICE("a\0b"));
    assert_int_equal(copy.length, 3);
    assert_memory_equal(copy.data, "a\0b", 4);
    struct slice empty = arena_copy(arena, slice_of(NULL, 0));
    assert_int_equal(empty.length, 0);
    assert_string_equal(empty.data, "");
    struct slice text = arena_printf(arena, "%s-%d", "x", 17);
    assert_int_equal(text.length, 4);
    assert_string_equal(text.data, "x-17");
    struct slice padded = arena_printf(arena, "%9000d", 1);
    assert_int_equal(padded.length, 9000);
    assert_int_equal(padded.data[8999], '1');
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_aligned_and_distinct),
        cmocka_unit_test(test_large_pieces_get_blocks_of_their_own),
        cmocka_unit_test(test_zeroed_after_reuse),
        cmocka_unit_test(test_parts_are_joined),
        cmocka_unit_test(test_copy_and_printf_end_with_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
