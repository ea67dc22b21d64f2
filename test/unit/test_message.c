// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "http/message.h"

static void test_protocol_names(void **state) {
    (void)state;
    assert_string_equal(protocol_name(PROTOCOL_HTTP_1_0), "HTTP/1.0");
    assert_string_equal(protocol_name(PROTOCOL_HTTP_1_1), "HTTP/1.1");
    assert_string_equal(protocol_name(PROTOCOL_HTTP_2), "HTTP/2");
}

static void assert_slice(struct slice found, const char *expected) {
    if (!slice_equal(found, slice_of_text(expected))) {
        fail_msg("'%.*s' is not '%s'", SLICE_ARGS(found), expected);
    }
}

// A text in memory that goes away, so that a copy that is none is seen.
static struct slice passing(const char *text, char *memory[], size_t *count) {
    size_t length = strlen(text);
    memory[*count] = malloc(length > 0 ? length : 1);
    memcpy(memory[*count], text, length);
    return slice_of(memory[(*count)++], length);
}

static void test_copy_outlives_its_source(void **state) {
    (void)state;
    char *memory[16];
    size_t count = 0;
    struct arena *from_arena = arena_create();
    struct request_head from = {.method = passing("GET", memory, &count),
                                .scheme = passing("https", memory, &count),
                                .authority = passing("a.example:8443", memory, &count),
                                .path = passing("/page?x=1", memory, &count),
                                .content_length = 77,
                                .is_end = true};
    headers_init(&from.headers, from_arena);
    headers_add_id(&from.headers, HEADER_COOKIE, passing("a=1", memory, &count));
    headers_add_borrowed(&from.headers, passing("x-own", memory, &count),
                         passing("", memory, &count));
    headers_add_id(&from.headers, HEADER_ACCEPT, passing("*/*", memory, &count));
    headers_add_id(&from.headers, HEADER_ACCEPT, passing("text/css", memory, &count));

    struct arena *arena = arena_create();
    struct request_head copy;
    request_head_copy(&from, arena, &copy);
    for (size_t i = 0; i < count; i++) {
        free(memory[i]);
    }
    arena_destroy(from_arena);

    assert_slice(copy.method, "GET");
    assert_slice(copy.scheme, "https");
    assert_slice(copy.authority, "a.example:8443");
    assert_slice(copy.path, "/page?x=1");
    assert_int_equal(copy.content_length, 77);
    assert_true(copy.is_end);
    assert_int_equal(copy.headers.count, 4);
    assert_int_equal(copy.headers.rows[0].id, HEADER_COOKIE);
    assert_slice(copy.headers.rows[0].name, "cookie");
    assert_slice(copy.headers.rows[0].value, "a=1");
    assert_slice(copy.headers.rows[1].name, "x-own");
    assert_slice(copy.headers.rows[1].value, "");
    assert_slice(copy.headers.rows[2].value, "*/*");
    assert_slice(copy.headers.rows[3].value, "text/css");
    assert_true(headers_has(&copy.headers, HEADER_ACCEPT));
    headers_add_id(&copy.headers, HEADER_TE, SLICE("trailers")); // it is a list of its own
    assert_int_equal(copy.headers.count, 5);
    arena_destroy(arena);
}

static void test_copy_of_an_empty_head(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct request_head from = {.content_length = BODY_UNKNOWN};
    struct request_head copy;
    request_head_copy(&from, arena, &copy);
    assert_int_equal(copy.content_length, BODY_UNKNOWN);
    assert_int_equal(copy.method.length, 0);
    assert_int_equal(copy.headers.count, 0);
    assert_false(copy.is_end);
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protocol_names),
        cmocka_unit_test(test_copy_outlives_its_source),
        cmocka_unit_test(test_copy_of_an_empty_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
