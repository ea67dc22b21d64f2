// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"

static void assert_text(const struct buffer *buffer, const char *text) {
    assert_true(slice_equal(buffer_peek(buffer), slice_of_text(text)));
}

static void test_empty_buffer_holds_no_memory(void **state) {
    (void)state;
    struct buffer buffer = {0};
    assert_text(&buffer, "");
    buffer_append(&buffer, "", 0);
    assert_null(buffer.data);
    buffer_append(&buffer, "abc", 3);
    assert_non_null(buffer.data);
    buffer_consume(&buffer, 2);
    assert_text(&buffer, "c");
    buffer_consume(&buffer, 1);
    assert_null(buffer.data);
    buffer_finish(&buffer);
}

static void test_reserve_and_commit(void **state) {
    (void)state;
    struct buffer buffer = {0};
    char *room = buffer_reserve(&buffer, 1000);
    memcpy(room, "12345", 5);
    buffer_commit(&buffer, 3);
    assert_text(&buffer, "123");
    buffer_finish(&buffer);
    assert_text(&buffer, "");
}

// A queue that never becomes empty must neither lose bytes nor grow for ever.
static void test_long_life_of_a_queue(void **state) {
    (void)state;
    struct buffer buffer = {0};
    unsigned in = 0, out = 0;
    for (int round = 0; round < 20000; round++) {
        for (int i = 0; i < 7; i++) {
            unsigned char byte = (unsigned char)(in++ * 31);
            buffer_append(&buffer, &byte, 1);
        }
        while (in - out > 600) {
            assert_int_equal((unsigned char)buffer_peek(&buffer).data[0],
                             (unsigned char)(out++ * 31));
            buffer_consume(&buffer, 1);
        }
    }
    assert_int_equal(buffer_length(&buffer), in - out);
    assert_true(buffer.capacity <= 4096);
    buffer_finish(&buffer);
}

static void test_move(void **state) {
    (void)state;
    struct buffer from = {0}, to = {0};
    buffer_append_slice(&from, SLICE("abc"));
    const char *data = from.data;
    buffer_move(&to, &from);
    assert_ptr_equal(to.data, data); // not copied
    assert_text(&from, "");
    buffer_append_slice(&from, SLICE("def"));
    buffer_consume(&from, 1);
    buffer_move(&to, &from);
    assert_text(&to, "abcef");
    assert_text(&from, "");
    buffer_move(&to, &from);
    assert_text(&to, "abcef");
    buffer_finish(&to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_buffer_holds_no_memory),
        cmocka_unit_test(test_reserve_and_commit),
        cmocka_unit_test(test_long_life_of_a_queue),
        cmocka_unit_test(test_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
