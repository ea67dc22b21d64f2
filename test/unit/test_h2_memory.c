// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "h2_impl.h"

enum { FRAME_ROOM = 16 * 1024 + 100 };

// Around the small blocks, which a thread keeps, and the room of a frame with its own pages.
static const size_t sizes[] = {1,         48, 49, 1024, 1025, FRAME_ROOM, 20 * 1024, 20 * 1024 + 1,
                               100 * 1024};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static void fill(char *memory, size_t size) {
    for (size_t i = 0; i < size; i++) {
        memory[i] = (char)(i % 251);
    }
}

static void expect_filled(const char *memory, size_t size) {
    for (size_t i = 0; i < size; i++) {
        assert_int_equal((unsigned char)memory[i], i % 251);
    }
}

static void test_bytes_stay_when_a_piece_changes_its_size(void **state) {
    (void)state;
    for (unsigned i = 0; i < SIZES * SIZES; i++) {
        struct h2_session session = {.frame_room = NULL};
        nghttp2_mem library = h2_memory_of(&session);
        size_t before = sizes[i / SIZES];
        size_t after = sizes[i % SIZES];
        char *memory = library.realloc(NULL, before, library.mem_user_data);
        fill(memory, before);
        memory = library.realloc(memory, after, library.mem_user_data);
        expect_filled(memory, before < after ? before : after);
        fill(memory, after);
        library.free(memory, library.mem_user_data);
        assert_null(session.frame_room);
    }
}

// A session asks for one such room; whatever else is as large is like any other piece.
static void test_one_room_has_pages_of_its_own(void **state) {
    (void)state;
    struct h2_session session = {.frame_room = NULL};
    nghttp2_mem library = h2_memory_of(&session);
    for (int round = 0; round < 2; round++) {
        char *room = library.malloc(FRAME_ROOM, library.mem_user_data);
        assert_ptr_equal(session.frame_room, ALLOC_IS_WATCHED ? NULL : room);
        char *other = library.malloc(FRAME_ROOM, library.mem_user_data);
        char *zeroed = library.calloc(FRAME_ROOM, 1, library.mem_user_data);
        fill(room, FRAME_ROOM);
        fill(other, FRAME_ROOM);
        assert_int_equal(zeroed[0] | zeroed[FRAME_ROOM - 1], 0);
        library.free(other, library.mem_user_data);
        library.free(zeroed, library.mem_user_data);
        library.free(NULL, library.mem_user_data);
        expect_filled(room, FRAME_ROOM);
        library.free(room, library.mem_user_data);
        assert_null(session.frame_room);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_stay_when_a_piece_changes_its_size),
        cmocka_unit_test(test_one_room_has_pages_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
