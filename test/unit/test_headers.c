// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/headers.h"

struct fixture {
    struct arena *arena;
    struct headers headers;
};

static int set_up(void **state) {
    static struct fixture fixture;
    fixture.arena = arena_create();
    headers_init(&fixture.headers, fixture.arena);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    arena_destroy(fixture->arena);
    return 0;
}

static void add(struct headers *headers, const char *name, const char *value) {
    headers_add(headers, slice_of_text(name), slice_of_text(value));
}

static void expect_fields(const struct headers *headers, const char *wanted) {
    char text[4096] = "";
    size_t length = 0;
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct header *row = &headers->rows[i];
        assert_int_equal(row->id, headers_identify(row->name));
        assert_true(headers_has(headers, row->id));
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%.*s=%.*s",
                                   i > 0 ? " " : "", SLICE_ARGS(row->name), SLICE_ARGS(row->value));
    }
    assert_string_equal(text, wanted);
}

static void test_every_known_name_is_found(void **state) {
    (void)state;
    for (unsigned id = HEADER_OTHER + 1; id < HEADER_COUNT; id++) {
        struct slice name = headers_name((enum header_id)id);
        assert_true(headers_is_name(name));
        assert_int_equal(headers_identify(name), id);
        for (size_t i = 0; i < name.length; i++) {
            assert_true(slice_lower(name.data[i]) == name.data[i]);
        }
        // Neither its beginning nor a name that only starts like it.
        assert_int_not_equal(headers_identify(slice_first(name, name.length - 1)), id);
        char other[32];
        memcpy(other, name.data, name.length);
        other[name.length - 1] ^= 1;
        assert_int_not_equal(headers_identify(slice_of(other, name.length)), id);
    }
    assert_int_equal(headers_identify(SLICE("")), HEADER_OTHER);
    assert_int_equal(headers_identify(SLICE("x-nobody-knows-this-one")), HEADER_OTHER);
    assert_int_equal(headers_identify(SLICE("x-nobody-knows-this-longer-one")), HEADER_OTHER);
}

static void test_add_folds_and_copies(void **state) {
    struct fixture *fixture = *state;
    char name[] = "Content-Type";
    char value[] = "text/html";
    add(&fixture->headers, name, value);
    add(&fixture->headers, "X-Very-Long-Name-Of-A-Field-That-Nobody-Knows", "");
    add(&fixture->headers, "X-Own", "A");
    memset(name, 'x', sizeof(name) - 1);
    memset(value, 'x', sizeof(value) - 1);
    expect_fields(&fixture->headers,
                  "content-type=text/html x-very-long-name-of-a-field-that-nobody-knows= x-own=A");
}

static void test_find(void **state) {
    struct fixture *fixture = *state;
    struct headers *headers = &fixture->headers;
    assert_null(headers_find(headers, HEADER_LINK));
    assert_int_equal(headers_value(headers, HEADER_LINK).length, 0);
    add(headers, "Link", "</1>");
    add(headers, "x-a", "1");
    add(headers, "link", "</2>");
    add(headers, "vary", "x");
    const struct header *first = headers_find(headers, HEADER_LINK);
    const struct header *second = headers_find_next(headers, HEADER_LINK, first);
    assert_true(slice_equal(first->value, SLICE("</1>")));
    assert_true(slice_equal(second->value, SLICE("</2>")));
    assert_null(headers_find_next(headers, HEADER_LINK, second));
    assert_true(slice_equal(headers_value(headers, HEADER_LINK), SLICE("</1>")));
    assert_true(headers_has(headers, HEADER_VARY));
    assert_false(headers_has(headers, HEADER_ETAG));
    assert_true(slice_equal(headers_find_name(headers, SLICE("x-a"))->value, SLICE("1")));
    assert_null(headers_find_name(headers, SLICE("x-b")));
}

static void test_many_fields_keep_their_order(void **state) {
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < 100; i++) {
        struct slice value = arena_printf(fixture->arena, "%u", i);
        headers_add_id(&fixture->headers, HEADER_SET_COOKIE, value);
    }
    unsigned i = 0;
    const struct header *row = headers_find(&fixture->headers, HEADER_SET_COOKIE);
    for (; row != NULL; row = headers_find_next(&fixture->headers, HEADER_SET_COOKIE, row)) {
        assert_true(slice_equal(row->value, arena_printf(fixture->arena, "%u", i++)));
    }
    assert_int_equal(i, 100);
}

static void test_reserve_makes_one_piece(void **state) {
    struct fixture *fixture = *state;
    add(&fixture->headers, "x-a", "1");
    headers_reserve(&fixture->headers, 40);
    const struct header *rows = fixture->headers.rows;
    for (unsigned i = 0; i < 40; i++) {
        headers_add_borrowed(&fixture->headers, SLICE("age"), SLICE("1"));
    }
    assert_ptr_equal(fixture->headers.rows, rows);
    assert_true(slice_equal(rows[0].name, SLICE("x-a")));
    assert_int_equal(rows[40].id, HEADER_AGE);
}

static void test_remove(void **state) {
    struct fixture *fixture = *state;
    struct headers *headers = &fixture->headers;
    static const char *const names[] = {"via", "x-a", "via", "date", "x-b", "x-a"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        headers_add_borrowed(headers, slice_of_text(names[i]), SLICE("v"));
    }
    headers_remove(headers, HEADER_ETAG);
    headers_remove(headers, HEADER_VIA);
    expect_fields(headers, "x-a=v date=v x-b=v x-a=v");
    assert_false(headers_has(headers, HEADER_VIA));
    for (uint32_t i = 3; i > 0; i--) { // all but the date
        headers_remove_at(headers, i == 1 ? 0 : i);
    }
    expect_fields(headers, "date=v");
    assert_false(headers_has(headers, HEADER_OTHER));
    headers_remove(headers, HEADER_DATE);
    assert_false(headers_has(headers, HEADER_DATE));
    assert_int_equal(headers->count, 0);
    headers_set_id(headers, HEADER_VIA, SLICE("1"));
    headers_add_id(headers, HEADER_VIA, SLICE("2"));
    headers_set_id(headers, HEADER_VIA, SLICE("3"));
    expect_fields(headers, "via=3");
    headers_add_row(headers, &headers->rows[0]);
    headers_remove_at(headers, 0);
    assert_true(headers_has(headers, HEADER_VIA));
}

static void test_has_token(void **state) {
    struct fixture *fixture = *state;
    add(&fixture->headers, "connection", "Keep-Alive,, upgrade ");
    add(&fixture->headers, "connection", "\tX-Own");
    static const struct {
        const char *token;
        bool wanted;
    } rows[] = {
        {"keep-alive", true}, {"UPGRADE", true}, {"x-own", true},
        {"close", false},     {"x-ow", false},   {"keep-alive,", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice token = slice_of_text(rows[i].token);
        assert_int_equal(headers_has_token(&fixture->headers, HEADER_CONNECTION, token),
                         rows[i].wanted);
    }
    assert_false(headers_has_token(&fixture->headers, HEADER_VARY, SLICE("x")));
}

// Every byte, at the beginning, in the middle and at the end.
static void test_syntax(void **state) {
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool is_alnum = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= 'a' && byte <= 'z');
        bool is_token =
            is_alnum || (byte > 0 && byte < 128 && strchr("!#$%&'*+-.^_`|~", (int)byte));
        bool is_text = (byte >= 0x20 && byte != 0x7f) || byte == '\t';
        for (size_t at = 0; at < 3; at++) {
            char text[] = "abc";
            text[at] = (char)byte;
            assert_int_equal(headers_is_name(slice_of(text, 3)), is_token);
            assert_int_equal(headers_is_value(slice_of(text, 3)), is_text);
        }
    }
    assert_false(headers_is_name(SLICE("")));
    assert_true(headers_is_value(SLICE("")));
    // Wherever it stands, and whatever stands beside it.
    for (size_t length = 1; length <= 24; length++) {
        for (size_t at = 0; at < length; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                char text[24];
                memset(text, at % 2 == 0 ? '\t' : (char)0x80, sizeof(text));
                text[at] = (char)byte;
                bool is_text = (byte >= ' ' || byte == '\t') && byte != 0x7f;
                assert_int_equal(headers_is_value(slice_of(text, length)), is_text);
            }
        }
    }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_every_known_name_is_found),
        TEST(test_add_folds_and_copies),
        TEST(test_find),
        TEST(test_many_fields_keep_their_order),
        TEST(test_reserve_makes_one_piece),
        TEST(test_remove),
        TEST(test_has_token),
        TEST(test_syntax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
