// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/alloc.h"
#include "http/trace.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

// --- the trace ----------------------------------------------------------------------------------

static const struct {
    const char *value;
    bool is_valid;
} parents[] = {
    {"00-" TRACE "-" PARENT "-01", true},
    {"00-" TRACE "-" PARENT "-00", true},
    {"00-" TRACE "-" PARENT "-ff", true},
    {"00-00000000000000000000000000000001-0000000000000001-01", true},
    {"01-" TRACE "-" PARENT "-01", true}, // later versions begin alike
    {"cc-" TRACE "-" PARENT "-01-what-is-this", true},
    {"fe-" TRACE "-" PARENT "-01-", true},
    {"", false},
    {"00", false},
    {"00-" TRACE "-" PARENT "-0", false},
    {"00-" TRACE "-" PARENT "-01-", false}, // version 00 ends here
    {"00-" TRACE "-" PARENT "-01-more", false},
    {"00-" TRACE "-" PARENT "-011", false},
    {"01-" TRACE "-" PARENT "-011", false},
    {"01-" TRACE "-" PARENT "-01.more", false},
    {"ff-" TRACE "-" PARENT "-01", false},
    {"0-" TRACE "-" PARENT "-011", false},
    {"0g-" TRACE "-" PARENT "-01", false},
    {"00-" TRACE "-" PARENT "-0x", false},
    {"00-" TRACE "-" PARENT "-0A", false},
    {"0A-" TRACE "-" PARENT "-01", false},
    {"00-4BF92f3577b34da6a3ce929d0e0e4736-" PARENT "-01", false},
    {"00-" TRACE "-00F067aa0ba902b7-01", false},
    {"00-00000000000000000000000000000000-" PARENT "-01", false},
    {"00-" TRACE "-0000000000000000-01", false},
    {"00_" TRACE "-" PARENT "-01", false},
    {"00-" TRACE "_" PARENT "-01", false},
    {"00-" TRACE "-" PARENT "_01", false},
    {" 00-" TRACE "-" PARENT "-01", false},
    {"00-" TRACE "-" PARENT "-01 ", false},
    {"00-" TRACE "-" PARENT "-01,00-" TRACE "-" PARENT "-01", false},
    {"00-4bf92f3577b34da6a3ce929d0e0e473\xff-" PARENT "-01", false},
};

static void test_parents(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
        // Of its own length, so that reading behind its end is found.
        size_t length = strlen(parents[i].value);
        char *value = alloc_bytes(length);
        memcpy(value, parents[i].value, length);
        struct slice trace = SLICE_EMPTY;
        if (trace_parse_parent(slice_of(value, length), &trace) != parents[i].is_valid) {
            fail_msg("%s", parents[i].value);
        }
        assert_int_equal(trace.length, parents[i].is_valid ? 32 : 0);
        assert_true(trace.length == 0 || trace.data == value + 3);
        free(value);
    }
}

static const struct {
    const char *fields; // "name: value" lines
    const char *left;
    const char *trace;
} contexts[] = {
    {"a: b\n", "a: b\n", ""},
    {"traceparent: 00-" TRACE "-" PARENT "-01\n", "traceparent: 00-" TRACE "-" PARENT "-01\n",
     TRACE},
    {"tracestate: a=1\nx: y\ntraceparent: 00-" TRACE "-" PARENT "-01\ntracestate: b=2\n",
     "tracestate: a=1\nx: y\ntraceparent: 00-" TRACE "-" PARENT "-01\ntracestate: b=2\n", TRACE},
    {"traceparent: 00-1\ntracestate: a=1\nx: y\ntracestate: b=2\n", "x: y\n", ""},
    {"traceparent: 00-" TRACE "-" PARENT "-01\ntraceparent: 00-" TRACE "-" PARENT
     "-01\nx: y\ntracestate: a=1\n",
     "x: y\n", ""}, // twice
    {"tracestate: a=1\n", "", ""},
    {"traceparent: \n", "", ""},
};

static void add_fields(struct headers *headers, const char *fields) {
    struct slice rest = slice_of_text(fields);
    while (rest.length > 0) {
        struct slice line = slice_first(rest, slice_find(rest, '\n'));
        size_t colon = slice_find(line, ':');
        headers_add(headers, slice_first(line, colon), slice_trim(slice_skip(line, colon + 1)));
        rest = slice_skip(rest, line.length + 1);
    }
}

static void expect_fields(const struct headers *headers, const char *wanted) {
    struct slice all = SLICE_EMPTY;
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct header *row = &headers->rows[i];
        all = arena_printf(headers->arena, "%.*s%.*s: %.*s\n", SLICE_ARGS(all),
                           SLICE_ARGS(row->name), SLICE_ARGS(row->value));
    }
    assert_int_equal(all.length, strlen(wanted));
    assert_memory_equal(all.data, wanted, all.length);
}

static void test_contexts(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++) {
        struct arena *arena = arena_create();
        struct headers headers;
        headers_init(&headers, arena);
        add_fields(&headers, contexts[i].fields);
        struct slice trace = trace_clean(&headers);
        assert_true(slice_equal(trace, slice_of_text(contexts[i].trace)));
        expect_fields(&headers, contexts[i].left);
        arena_destroy(arena);
    }
}

// --- request ids --------------------------------------------------------------------------------

static void test_characters_of_ids(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool is_good =
            c != 0 && c < 128 &&
            strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~+/=:@-", c);
        if (trace_is_request_id(slice_of(&byte, 1)) != is_good) {
            fail_msg("byte %d", c);
        }
    }
}

static void test_length_of_ids(void **state) {
    (void)state;
    char text[129];
    memset(text, 'a', sizeof(text));
    assert_false(trace_is_request_id(SLICE_EMPTY));
    assert_true(trace_is_request_id(slice_of(text, 128)));
    assert_false(trace_is_request_id(slice_of(text, 129)));
    text[127] = ' ';
    assert_false(trace_is_request_id(slice_of(text, 128)));
}

#define FRESH "?" // 32 hex digits

static const struct {
    const char *fields;
    const char *left; // without the id, which is the last
    const char *id;
} requests[] = {
    {"", "", FRESH},
    {"a: b\n", "a: b\n", FRESH},
    {"a: b\nx-request-id: abc-1\nc: d\n", "a: b\nc: d\n", "abc-1"},
    {"X-Request-ID: Abc\n", "", "Abc"},
    {"x-request-id: \n", "", FRESH},
    {"x-request-id: a b\n", "", FRESH},
    {"x-request-id: a\"b\n", "", FRESH},
    {"x-request-id: a\na: b\nx-request-id: a\n", "a: b\n", FRESH}, // which one?
    {"x-request-idx: a\n", "x-request-idx: a\n", FRESH},
};

static bool is_fresh(struct slice id) {
    bool is_hex = id.length == 32;
    for (size_t i = 0; i < id.length; i++) {
        is_hex = is_hex && strchr("0123456789abcdef", id.data[i]) != NULL;
    }
    return is_hex;
}

static void test_ids_are_kept_or_replaced(void **state) {
    (void)state;
    struct trace_random random = {.key = {1, 2}};
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct arena *arena = arena_create();
        struct headers headers;
        headers_init(&headers, arena);
        add_fields(&headers, requests[i].fields);
        struct header id = trace_set_request_id(&headers, SLICE("x-request-id"), &random);
        assert_true(slice_equal(id.name, SLICE("x-request-id")));
        if (strcmp(requests[i].id, FRESH) == 0) {
            assert_true(is_fresh(id.value));
        } else {
            assert_true(slice_equal(id.value, slice_of_text(requests[i].id)));
        }
        struct slice left =
            arena_printf(arena, "%sx-request-id: %.*s\n", requests[i].left, SLICE_ARGS(id.value));
        expect_fields(&headers, left.data);
        arena_destroy(arena);
    }
}

static void test_no_id_comes_twice(void **state) {
    (void)state;
    enum { COUNT = 2000 };
    static char seen[COUNT][33];
    struct trace_random random = {.key = {1, 2}};
    struct arena *arena = arena_create();
    for (int i = 0; i < COUNT; i++) {
        struct headers headers;
        headers_init(&headers, arena);
        struct slice id = trace_set_request_id(&headers, SLICE("x-request-id"), &random).value;
        assert_int_equal(id.length, 32);
        memcpy(seen[i], id.data, 32);
    }
    qsort(seen, COUNT, sizeof(seen[0]), (int (*)(const void *, const void *))strcmp);
    for (int i = 1; i < COUNT; i++) {
        assert_string_not_equal(seen[i - 1], seen[i]);
        assert_memory_not_equal(seen[i], seen[i] + 16, 16); // both halves are random
    }
    arena_destroy(arena);
}

static void test_numbers_are_spread(void **state) {
    (void)state;
    struct trace_random random = {.key = {3, 4}};
    unsigned counts[16] = {0};
    for (int i = 0; i < 16000; i++) {
        counts[trace_random_next(&random) >> 60]++;
    }
    for (int i = 0; i < 16; i++) {
        assert_in_range(counts[i], 850, 1150); // 1000 ± 5 deviations
    }
    struct trace_random other = {.key = {3, 5}};
    random = (struct trace_random){.key = {3, 4}};
    assert_int_not_equal(trace_random_next(&other), trace_random_next(&random));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parents),
        cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_characters_of_ids),
        cmocka_unit_test(test_length_of_ids),
        cmocka_unit_test(test_ids_are_kept_or_replaced),
        cmocka_unit_test(test_no_id_comes_twice),
        cmocka_unit_test(test_numbers_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
