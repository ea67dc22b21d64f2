// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "access_redact.h"
#include "base/alloc.h"
#include "front/access_log.h"

enum {
    AUTHORITY = ACCESS_LOG_REDACT_AUTHORITY,
    CLIENT = ACCESS_LOG_REDACT_CLIENT,
    PATH = ACCESS_LOG_REDACT_PATH,
    QUERY = ACCESS_LOG_REDACT_QUERY,
    ALL = AUTHORITY | CLIENT | PATH | QUERY,
};

static void expect(const char *what, struct slice got, const char *wanted) {
    if (!slice_equal(got, slice_of_text(wanted))) {
        fail_msg("%s: '%.*s', not '%s'", what, SLICE_ARGS(got), wanted);
    }
}

static void test_clients(void **state) {
    (void)state;
    static const struct {
        unsigned redact;
        const char *address;
        const char *wanted;
    } cases[] = {
        {ALL & ~CLIENT, "192.0.2.77", "192.0.2.77"},
        {CLIENT, "192.0.2.77", "192.0.2.0"},
        {CLIENT, "255.255.255.255", "255.255.255.0"},
        {CLIENT, "2001:db8:1:2:3:4:5:6", "2001:db8:1::"},
        {CLIENT, "2001:db8::1", "2001:db8::"},
        {CLIENT, "::1", "::"},
        {CLIENT, "fe80::1%eth0", "[redacted]"}, // no address that can be read
        {CLIENT, "unix", "unix"},
        {CLIENT, "", "[redacted]"},
        {CLIENT, "2001:0db8:0001:0002:0003:0004:0005:0006:0007:0008:0009", "[redacted]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer scratch = {0};
        expect(cases[i].address,
               access_redact_client(cases[i].redact, slice_of_text(cases[i].address), &scratch),
               cases[i].wanted);
        buffer_finish(&scratch);
    }
}

static void test_paths(void **state) {
    (void)state;
    static const struct {
        unsigned redact;
        const char *path;
        const char *wanted;
    } cases[] = {
        {0, "/a?b", "/a?b"},
        {CLIENT | AUTHORITY, "/a?b", "/a?b"},
        {QUERY, "/a", "/a"},
        {QUERY, "/a?b", "/a?[redacted]"},
        {QUERY, "/a?b?c#d", "/a?[redacted]"},
        {QUERY, "/a?", "/a?[redacted]"},
        {QUERY, "/a#b", "/a#[redacted]"}, // malformed, but in a line
        {QUERY, "*", "*"},
        {QUERY, "", ""},
        {PATH, "/a?b", "/[redacted]"},
        {PATH, "/", "/[redacted]"},
        {PATH, "*", "[redacted]"},
        {PATH, "http://a/b", "[redacted]"},
        {AUTHORITY, "http://a/b", "[redacted]"}, // likewise
        {AUTHORITY, "a:443", "[redacted]"},
        {AUTHORITY, "*", "*"},
        {ALL, "/a?b", "/[redacted]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer scratch = {0};
        expect(cases[i].path,
               access_redact_path(cases[i].redact, slice_of_text(cases[i].path), &scratch),
               cases[i].wanted);
        buffer_finish(&scratch);
    }
    expect("authority", access_redact_authority(ALL & ~AUTHORITY, SLICE("a")), "a");
    expect("authority", access_redact_authority(AUTHORITY, SLICE("a")), "[redacted]");
}

static void test_fields(void **state) {
    (void)state;
    static const struct {
        unsigned redact;
        const char *name;
        const char *values[2];
        const char *wanted;
    } cases[] = {
        {0, "user-agent", {"A b"}, "A b"},
        {0, "user-agent", {""}, ""},
        {0, "x", {"a", "b"}, "a, b"},
        {ALL, "user-agent", {"A (+http://bot.example/?b)"}, "A (+http://bot.example/?b)"},
        {0, "referer", {"https://a/b?c"}, "https://a/b?c"},
        {QUERY, "referer", {"https://a/b?c"}, "https://a/b?[redacted]"},
        {QUERY, "referer", {"HTTPS://a/b#c"}, "HTTPS://a/b#[redacted]"},
        {QUERY, "referer", {"b?c"}, "b?[redacted]"},
        {QUERY, "referer", {"/b", "/c?d"}, "/b, /c?[redacted]"},
        {PATH, "referer", {"https://a/b?c"}, "[redacted]"},
        {AUTHORITY, "referer", {"https://a/b"}, "[redacted]"},
        {CLIENT, "referer", {"https://a/b"}, "https://a/b"},
        {QUERY, "x-original-url", {"/b?c"}, "/b?[redacted]"},
        {PATH, "x-original-url", {"/b?c"}, "[redacted]"},
        {QUERY, "x", {"what?"}, "what?"},
        {0, "cookie", {"a=b"}, "[redacted]"},
        {0, "authorization", {"Basic x"}, "[redacted]"},
        {0, "proxy-authorization", {"Basic x"}, "[redacted]"},
        {0, "set-cookie", {"a=b"}, "[redacted]"},
        {0, "x-forwarded-for", {"192.0.2.1"}, "192.0.2.1"},
        {CLIENT, "x-forwarded-for", {"192.0.2.1"}, "[redacted]"},
        {CLIENT, "x-real-ip", {"192.0.2.1"}, "[redacted]"},
        {CLIENT, "forwarded", {"for=192.0.2.1"}, "[redacted]"},
        {AUTHORITY, "forwarded", {"host=a"}, "[redacted]"},
        {AUTHORITY, "x-forwarded-host", {"a"}, "[redacted]"},
        {AUTHORITY, "origin", {"https://a"}, "[redacted]"},
        {QUERY, "origin", {"https://a"}, "https://a"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *arena = arena_create();
        struct buffer scratch = {0};
        struct headers headers;
        struct slice value;
        headers_init(&headers, arena);
        headers_add(&headers, SLICE("before"), SLICE("1"));
        for (size_t j = 0; j < 2 && cases[i].values[j] != NULL; j++) {
            headers_add(&headers, slice_of_text(cases[i].name), slice_of_text(cases[i].values[j]));
            headers_add(&headers, SLICE("between"), SLICE("2"));
        }
        assert_true(access_redact_field(cases[i].redact, &headers, slice_of_text(cases[i].name),
                                        &scratch, &value));
        expect(cases[i].name, value, cases[i].wanted);
        assert_false(access_redact_field(0, &headers, SLICE("missing"), &scratch, &value));
        buffer_finish(&scratch);
        arena_destroy(arena);
    }
}

static void test_long_fields_are_cut(void **state) {
    (void)state;
    char text[2000];
    struct arena *arena = arena_create();
    for (size_t extra = 0; extra < 4; extra++) { // one of them cuts inside the euro sign
        struct headers headers;
        struct slice value;
        struct buffer scratch = {0};
        memset(text, 'a', sizeof(text));
        memcpy(text + 1024 - extra, "\xe2\x82\xac", 3);
        headers_init(&headers, arena);
        headers_add(&headers, SLICE("x"), slice_of(text, sizeof(text)));
        assert_true(access_redact_field(0, &headers, SLICE("x"), &scratch, &value));
        size_t kept = extra == 3 ? 1024 : 1024 - extra;
        assert_int_equal(value.length, kept + 3);
        assert_memory_equal(value.data, text, kept);
        assert_memory_equal(value.data + kept, "...", 3);
        buffer_finish(&scratch);
        headers_init(&headers, arena);
        headers_add(&headers, SLICE("x"), slice_of(text, 1024));
        assert_true(access_redact_field(0, &headers, SLICE("x"), &scratch, &value));
        assert_int_equal(value.length, 1024);
        buffer_finish(&scratch);
    }
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_long_fields_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
