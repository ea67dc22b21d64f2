// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin_request.h"

static struct request_head make_request(struct arena *arena, const char *authority) {
    struct request_head request = {.method = SLICE("POST"),
                                   .scheme = SLICE("http"),
                                   .authority = slice_of_text(authority),
                                   .path = SLICE("/reload"),
                                   .is_end = true};
    headers_init(&request.headers, arena);
    return request;
}

static void test_local(void **state) {
    (void)state;
    static const struct {
        const char *address;
        const char *field;
        bool is_local;
    } cases[] = {
        {"127.0.0.1", NULL, true},
        {"127.8.9.10", NULL, true},
        {"::1", NULL, true},
        {"::ffff:127.0.0.1", NULL, true},
        {"unix", NULL, true},
        {"128.0.0.1", NULL, false},
        {"10.127.0.1", NULL, false},
        {"::2", NULL, false},
        {"::ffff:10.0.0.1", NULL, false},
        {"fe80::1", NULL, false},
        {"", NULL, false},
        {"127.0.0.1", "via", false},
        {"::1", "x-forwarded-for", false},
        {"unix", "forwarded", false},
        {"127.0.0.1", "x-real-ip", false},
        {"unix", "x-real-ip", false},
        {"127.0.0.1", "x-forwarded-host", false},
        {"::1", "x-real-ips", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *arena = arena_create();
        struct request_head request = make_request(arena, "localhost");
        if (cases[i].field != NULL) {
            headers_add(&request.headers, slice_of_text(cases[i].field), SLICE("10.0.0.1"));
        }
        struct client client = {.address = slice_of_text(cases[i].address)};
        if (admin_request_is_local(&request, &client) != cases[i].is_local) {
            fail_msg("%s, %s", cases[i].address, cases[i].field);
        }
        arena_destroy(arena);
    }
}

static void test_names(void **state) {
    (void)state;
    static const struct {
        const char *authority;
        const char *address;
        bool is_good;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1:9901", "127.0.0.1", true},
        {"10.1.2.3:9901", "10.1.2.4", true},
        {"[::1]:9901", "::1", true},
        {"[2001:db8::1]", "2001:db8::2", true},
        {"localhost", "127.0.0.1", true},
        {"localhost:9901", "::1", true},
        {"outrider.localhost:9901", "::1", true},
        {"evil.example", "127.0.0.1", false},
        {"evil.example:9901", "127.0.0.1", false},
        {"localhost.evil.example", "127.0.0.1", false},
        {"notlocalhost", "127.0.0.1", false},
        {".localhost", "127.0.0.1", false},
        {"127.0.0.1.evil.example", "127.0.0.1", false},
        {"127.0.0.evil", "127.0.0.1", false},
        {"127.1", "127.0.0.1", false},
        {"[::1.evil]", "::1", false},
        {"evil.example", "unix", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *arena = arena_create();
        struct request_head request = make_request(arena, cases[i].authority);
        struct client client = {.address = slice_of_text(cases[i].address)};
        if (admin_request_is_named_well(&request, &client) != cases[i].is_good) {
            fail_msg("%s", cases[i].authority);
        }
        arena_destroy(arena);
    }
}

static void test_cross_site(void **state) {
    (void)state;
    static const struct {
        const char *site;
        const char *origin;
        bool is_cross;
    } cases[] = {
        {NULL, NULL, false}, // curl
        {"same-origin", "http://127.0.0.1:9901", false},
        {"none", NULL, false}, // typed by hand
        {NULL, "http://127.0.0.1:9901", false},
        {NULL, "http://127.0.0.1:9902", true},
        {NULL, "http://127.0.0.1", true},
        {NULL, "https://127.0.0.1:9901", true},
        {NULL, "http://127.0.0.1:9901.evil.example", true},
        {NULL, "http://evil.example", true},
        {NULL, "http:/127.0.0.1:9901", true},
        {NULL, "null", true},
        {NULL, "", true},
        {"cross-site", NULL, true},
        {"same-site", "http://127.0.0.1:9901", true},
        {"cross-site", "http://127.0.0.1:9901", true},
        {"same-origin", "http://evil.example", true},
        {"", NULL, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *arena = arena_create();
        struct request_head request = make_request(arena, "127.0.0.1:9901");
        if (cases[i].site != NULL) {
            headers_add(&request.headers, SLICE("sec-fetch-site"), slice_of_text(cases[i].site));
        }
        if (cases[i].origin != NULL) {
            headers_add(&request.headers, SLICE("origin"), slice_of_text(cases[i].origin));
        }
        if (admin_request_is_cross_site(&request) != cases[i].is_cross) {
            fail_msg("case %zu: %s, %s", i, cases[i].site, cases[i].origin);
        }
        arena_destroy(arena);
    }
}

static void test_format(void **state) {
    (void)state;
    static const struct {
        const char *accept; // lines are fields
        bool is_open;
    } cases[] = {
        {"*/*", false},
        {"text/plain", false},
        {"application/openmetrics-text", true},
        {"Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", true},
        {"application/openmetrics-text; version=\"1.0.0\"", true},
        {"application/openmetrics-text; version=0.0.1", false},
        {"application/openmetrics-text; version=2.0.0", false},
        {"application/*", false},
        // Prometheus 2.30, 2.42, 3.0
        {"application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         false},
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
         "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         true},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
         "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;"
         "escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
         true},
        // A browser
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false},
        // Weights
        {"application/openmetrics-text;q=0", false},
        {"application/openmetrics-text;q=0.000", false},
        {"application/openmetrics-text;q=0.001, text/plain;q=0", true},
        {"application/openmetrics-text;q=0.5, text/plain", false},
        {"application/openmetrics-text;q=0.5, text/plain;q=0.4", true},
        {"application/openmetrics-text;q=0.5, text/plain;q=0.5", true},
        {"application/openmetrics-text;q=0.45, text/plain;q=0.5", false},
        {"application/openmetrics-text;q=0.5, text/*;q=0.9", false},
        {"application/openmetrics-text;q=0.5, */*", false},
        {"application/openmetrics-text;q=0.5, */*, text/plain;q=0.1", true}, // the exact one counts
        {"application/openmetrics-text;q=much, text/plain;q=0.1", false},
        {"application/openmetrics-text;q=1.5", false},
        {"application/openmetrics-text;q=1.0001", false},
        {"text/plain;q=0.3\napplication/openmetrics-text;q=0.4", true}, // two fields
        {"application/openmetrics-text;;q=0.5;", true},
        {",,", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *arena = arena_create();
        struct headers headers;
        headers_init(&headers, arena);
        struct slice rest = slice_of_text(cases[i].accept);
        do {
            size_t end = slice_find(rest, '\n');
            headers_add(&headers, SLICE("accept"), slice_first(rest, end));
            rest = slice_skip(rest, end + 1);
        } while (rest.length > 0);
        bool is_open = admin_request_format(&headers) == ADMIN_METRICS_OPEN;
        if (is_open != cases[i].is_open) {
            fail_msg("%s", cases[i].accept);
        }
        arena_destroy(arena);
    }
    struct headers none;
    struct arena *arena = arena_create();
    headers_init(&none, arena);
    assert_int_equal(admin_request_format(&none), ADMIN_METRICS_PROMETHEUS);
    arena_destroy(arena);
}

static void test_parameter(void **state) {
    (void)state;
    static const struct {
        const char *query;
        enum admin_parameter found;
        const char *value;
    } cases[] = {
        {"", ADMIN_PARAMETER_ABSENT, ""},
        {"page=a.example/", ADMIN_PARAMETER_GIVEN, "a.example/"},
        {"page=a.example%2Fb%20c%2f%41", ADMIN_PARAMETER_GIVEN, "a.example/b c/A"},
        {"page=a%2520b+c=d?e", ADMIN_PARAMETER_GIVEN, "a%20b+c=d?e"},
        {"page=", ADMIN_PARAMETER_BAD, ""}, // is not "everything"
        {"page", ADMIN_PARAMETER_BAD, ""},
        {"pages=a", ADMIN_PARAMETER_BAD, ""},
        {"page=a&page=b", ADMIN_PARAMETER_BAD, ""},
        {"page=a&", ADMIN_PARAMETER_BAD, ""},
        {"x=1&page=a", ADMIN_PARAMETER_BAD, ""},
        {"page=%", ADMIN_PARAMETER_BAD, ""},
        {"page=%2", ADMIN_PARAMETER_BAD, ""},
        {"page=a%2", ADMIN_PARAMETER_BAD, ""},
        {"page=%2g", ADMIN_PARAMETER_BAD, ""},
        {"page=%g2", ADMIN_PARAMETER_BAD, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *arena = arena_create();
        struct slice value;
        enum admin_parameter found =
            admin_request_parameter(slice_of_text(cases[i].query), SLICE("page"), arena, &value);
        if (found != cases[i].found || (found == ADMIN_PARAMETER_GIVEN &&
                                        !slice_equal(value, slice_of_text(cases[i].value)))) {
            fail_msg("%s", cases[i].query);
        }
        arena_destroy(arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local),      cmocka_unit_test(test_names),
        cmocka_unit_test(test_cross_site), cmocka_unit_test(test_format),
        cmocka_unit_test(test_parameter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
