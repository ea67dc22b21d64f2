// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "config/router.h"

struct question {
    const char *authority;
    const char *path;
    const char *answer; // "host path" of the route, "" for none
};

static struct config *make_config(const char *const *hosts_and_paths) {
    struct config *config = config_create_default();
    size_t count = 0;
    while (hosts_and_paths[2 * count] != NULL) {
        count++;
    }
    config->routes = alloc_zeroed(count, sizeof(struct config_route));
    config->route_count = count;
    for (size_t i = 0; i < count; i++) {
        config->routes[i].host = alloc_text(hosts_and_paths[2 * i]);
        config->routes[i].path = alloc_text(hosts_and_paths[2 * i + 1]);
    }
    return config;
}

static void ask(const char *const *hosts_and_paths, const struct question *questions,
                size_t count) {
    struct config *config = make_config(hosts_and_paths);
    struct router *router = router_create(config);
    for (size_t i = 0; i < count; i++) {
        const struct question *question = &questions[i];
        const struct config_route *route =
            router_find(router, slice_of_text(question->authority), slice_of_text(question->path));
        char answer[600] = "";
        if (route != NULL) {
            snprintf(answer, sizeof(answer), "%s %s", route->host, route->path);
        }
        if (strcmp(answer, question->answer) != 0) {
            print_error("%s %s -> '%s'\n", question->authority, question->path, answer);
        }
        assert_string_equal(answer, question->answer);
    }
    router_destroy(router);
    config_destroy(config);
}

#define ASK(routes, questions) ask(routes, questions, sizeof(questions) / sizeof((questions)[0]))

static void test_a_path_prefix_ends_at_a_segment_border(void **state) {
    (void)state;
    static const char *const routes[] = {"", "/app", "", "/app/x/y", "",  "/app-z",
                                         "", "/a",   "", "/b/c",     NULL};
    static const struct question questions[] = {
        {"h", "/app", " /app"},
        {"h", "/app/", " /app"},
        {"h", "/app/x", " /app"},
        {"h", "/app/x/", " /app"},
        {"h", "/app/x/y", " /app/x/y"},
        {"h", "/app/x/yz", " /app"},
        {"h", "/app/x/y/z?q=/b/c", " /app/x/y"},
        {"h", "/app?x", " /app"},
        {"h", "/app?x/app-z", " /app"},
        {"h", "/app-z", " /app-z"},
        {"h", "/app-z/app", " /app-z"},
        {"h", "/app-y", ""},
        {"h", "/apple", ""},
        {"h", "/ap", ""},
        {"h", "/a/pp", " /a"},
        {"h", "/a!", ""},
        {"h", "/b", ""},
        {"h", "/b/c", " /b/c"},
        {"h", "/b/cd", ""},
        {"h", "/", ""},
        {"h", "", ""},
        {"h", "*", ""},
        {"", "/a", " /a"},
    };
    ASK(routes, questions);
}

static void test_the_most_exact_host_wins(void **state) {
    (void)state;
    static const char *const routes[] = {"",
                                         "/",
                                         "*.example.org",
                                         "/",
                                         "*.www.example.org",
                                         "/",
                                         "example.org",
                                         "/",
                                         "a.example.org",
                                         "/",
                                         "[::1]",
                                         "/",
                                         "10.0.0.1",
                                         "/",
                                         NULL};
    static const struct question questions[] = {
        {"example.org", "/x", "example.org /"},
        {"example.org:8443", "/x", "example.org /"},
        {"Example.ORG", "/x", "example.org /"},
        {"example.org.", "/x", "example.org /"},
        {"example.org.:80", "/x", "example.org /"},
        {"a.example.org", "/", "a.example.org /"},
        {"b.example.org", "/", "*.example.org /"},
        {"b.a.example.org", "/", "*.example.org /"},
        {"www.example.org", "/", "*.example.org /"},
        {"b.www.example.org", "/", "*.www.example.org /"},
        {"c.b.www.example.org:1", "/", "*.www.example.org /"},
        {"xexample.org", "/", " /"},
        {"org", "/", " /"},
        {".example.org", "/", "*.example.org /"},
        {"example.org.evil", "/", " /"},
        {"[::1]", "/", "[::1] /"},
        {"[::1]:443", "/", "[::1] /"},
        {"[::2]:443", "/", " /"},
        {"[::1", "/", " /"},
        {"10.0.0.1:80", "/", "10.0.0.1 /"},
        {"110.0.0.1:80", "/", " /"},
        {"", "/", " /"},
        {":80", "/", " /"},
    };
    ASK(routes, questions);
}

static void test_a_less_exact_host_takes_the_paths_that_are_left(void **state) {
    (void)state;
    static const char *const routes[] = {
        "www.example.org", "/app",  "*.example.org", "/app", "*.example.org", "/img", "*.org",
        "/img/big",        "*.org", "/css",          "",     "/js",           NULL};
    static const struct question questions[] = {
        {"www.example.org", "/app/1", "www.example.org /app"},
        {"www.example.org", "/img/1", "*.example.org /img"},
        {"www.example.org", "/img/big", "*.example.org /img"},
        {"www.example.com", "/img/big", ""},
        {"www.other.org", "/img/big", "*.org /img/big"},
        {"www.other.org", "/img/small", ""},
        {"www.example.org", "/css/a", "*.org /css"},
        {"www.example.org", "/js/a", " /js"},
        {"www.example.org", "/", ""},
        {"example.org", "/app", ""},
        {"example.org", "/css", "*.org /css"},
    };
    ASK(routes, questions);
}

static void test_without_a_route_for_any_host_there_may_be_none(void **state) {
    (void)state;
    static const char *const routes[] = {"example.org", "/", NULL};
    static const struct question questions[] = {
        {"example.org", "*", "example.org /"},
        {"example.com", "/", ""},
        {"a.example.org", "/", ""},
    };
    ASK(routes, questions);
}

static void test_a_very_long_host_is_any_host(void **state) {
    (void)state;
    static const char *const routes[] = {"", "/", "*.example.org", "/", NULL};
    char host[1000];
    memset(host, 'a', sizeof(host));
    memcpy(host + sizeof(host) - 13, ".example.org", 13);
    const struct question questions[] = {{host, "/", " /"},
                                         {host + sizeof(host) - 100, "/", "*.example.org /"}};
    ASK(routes, questions);
}

// The same answer as a plain search, for many random tables.
static bool fits(const char *prefix, const char *text, char border) {
    size_t length = strcmp(prefix, "/") == 0 ? 0 : strlen(prefix);
    return strncmp(prefix, text, length) == 0 && (text[length] == '\0' || text[length] == border);
}

static const struct config_route *search(const struct config *config, const char *path) {
    const struct config_route *best = NULL;
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        if (fits(route->path, path, '/') &&
            (best == NULL || strlen(route->path) > strlen(best->path))) {
            best = route;
        }
    }
    return best;
}

static void make_path(uint32_t *seed, char *out_path) {
    static const char letters[] = "ab-/~/a";
    size_t length = 0;
    out_path[length++] = '/';
    for (size_t i = 0; i < 8; i++) {
        *seed = *seed * 1103515245U + 12345U;
        char c = letters[(*seed >> 16) % 7];
        if ((*seed >> 8) % 9 == 0) {
            break;
        }
        if (c != '/' || out_path[length - 1] != '/') {
            out_path[length++] = c;
        }
    }
    length -= length > 1 && out_path[length - 1] == '/';
    out_path[length] = '\0';
}

static void test_it_finds_what_a_plain_search_finds(void **state) {
    (void)state;
    uint32_t seed = 7;
    for (size_t round = 0; round < 200; round++) {
        static char paths[30][16];
        const char *routes[61];
        for (size_t i = 0; i < 30; i++) {
            make_path(&seed, paths[i]);
            routes[2 * i] = "";
            routes[2 * i + 1] = paths[i];
        }
        routes[60] = NULL;
        struct config *config = make_config(routes);
        struct router *router = router_create(config);
        for (size_t i = 0; i < 100; i++) {
            char path[16];
            make_path(&seed, path);
            const struct config_route *expected = search(config, path);
            const struct config_route *found = router_find(router, SLICE("h"), slice_of_text(path));
            assert_ptr_equal(found, expected);
        }
        router_destroy(router);
        config_destroy(config);
    }
}

static void test_it_takes_ten_thousand_routes(void **state) {
    (void)state;
    enum { COUNT = 10000 };
    struct config *config = config_create_default();
    config->routes = alloc_zeroed(COUNT, sizeof(struct config_route));
    config->route_count = COUNT;
    for (size_t i = 0; i < COUNT; i++) {
        char host[40];
        char path[40];
        snprintf(host, sizeof(host), "%s%zu.example.org", i % 3 == 0 ? "*.h" : "h", i / 4);
        snprintf(path, sizeof(path), "/p%zu/q", i);
        config->routes[i].host = alloc_text(host);
        config->routes[i].path = alloc_text(path);
    }
    struct router *router = router_create(config);
    for (size_t i = 0; i < COUNT; i++) {
        char host[40];
        char path[40];
        snprintf(host, sizeof(host), "%sh%zu.example.org:443", i % 3 == 0 ? "x." : "", i / 4);
        snprintf(path, sizeof(path), "/p%zu/q/r?s", i);
        assert_ptr_equal(router_find(router, slice_of_text(host), slice_of_text(path)),
                         &config->routes[i]);
    }
    router_destroy(router);
    config_destroy(config);
}

static void test_an_empty_table_has_no_route(void **state) {
    (void)state;
    static const char *const routes[] = {NULL};
    static const struct question questions[] = {{"example.org", "/", ""}};
    ASK(routes, questions);
    router_destroy(NULL);
}

static void test_a_climbing_path_is_ambiguous_where_routes_have_paths(void **state) {
    (void)state;
    static const struct {
        const char *path;
        bool climbs;
    } rows[] = {
        {"/public/../private", true},
        {"/public/..", true},
        {"/..", true},
        {"/../", true},
        {"/a/..?x", true},
        {"/public/%2e%2E/private", true},
        {"/public/.%2e/private", true},
        {"/public/..%2Fprivate", true},
        {"/public%2f../private", true},
        {"/public/..%5cprivate", true},
        {"/public%5C..%5cprivate", true},
        {"/public/..;x=1/private", true},
        {"/public/..%3b/private", true},
        {"/public//..//private", true},
        {"/public", false},
        {"/public/...", false},
        {"/public/..a", false},
        {"/public/a..", false},
        {"/public/a../b", false},
        {"/public/./b", false},
        {"/public/;../b", false},
        {"/public?/../x", false},
        {"/public/%252e%252e/b", false},
        {"/public/%2", false},
        {"/", false},
        {"*", false},
    };
    for (int with_paths = 0; with_paths < 2; with_paths++) {
        struct config *config =
            make_config(with_paths ? (const char *const[]){"", "/", "a.example", "/public", NULL}
                                   : (const char *const[]){"", "/", "a.example", "/", NULL});
        struct router *router = router_create(config);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            if (router_is_ambiguous(router, slice_of_text(rows[i].path)) !=
                (with_paths && rows[i].climbs)) {
                fail_msg("%s", rows[i].path);
            }
        }
        router_destroy(router);
        config_destroy(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_climbing_path_is_ambiguous_where_routes_have_paths),
        cmocka_unit_test(test_a_path_prefix_ends_at_a_segment_border),
        cmocka_unit_test(test_the_most_exact_host_wins),
        cmocka_unit_test(test_a_less_exact_host_takes_the_paths_that_are_left),
        cmocka_unit_test(test_without_a_route_for_any_host_there_may_be_none),
        cmocka_unit_test(test_a_very_long_host_is_any_host),
        cmocka_unit_test(test_it_finds_what_a_plain_search_finds),
        cmocka_unit_test(test_it_takes_ten_thousand_routes),
        cmocka_unit_test(test_an_empty_table_has_no_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
