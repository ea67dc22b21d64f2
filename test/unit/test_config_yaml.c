// SPDX-License-Identifier: Apache-2.0
// The files of test/data/configs: all of good/ are read, printed and read again; in bad/ the first
// lines of a file (`# expect: LINE:COLUMN: text`) are all of its errors.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/config_yaml.h"

#define REST                                                                                       \
    "\nlisteners: ['127.0.0.1:8443']\norigins: {app: 'http://127.0.0.1:3000'}\n"                   \
    "routes: [{origin: app}]\n"

static char *path_of(const char *folder, const char *name) {
    static char path[4096];
    const char *root = getenv("OUTRIDER_ROOT");
    snprintf(path, sizeof(path), "%s/test/data/configs/%s/%s", root != NULL ? root : ".", folder,
             name);
    return path;
}

// Without the comments, which say where a value came from.
static char *print(const struct config *config) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    config_print(config, out);
    fclose(out);
    char *end = text;
    for (char *line = text; *line != '\0';) {
        size_t size = strcspn(line, "\n");
        size_t kept = size;
        while (kept > 1 && strncmp(line + kept - 1, " # ", 3) != 0) {
            kept--;
        }
        kept = kept > 1 ? kept - 1 : size;
        char *next = line + size + 1;
        memmove(end, line, kept);
        end += kept;
        *end++ = '\n';
        line = next;
    }
    *end = '\0';
    return text;
}

static struct config *load(const char *text) {
    struct config_errors errors = {0};
    struct config *config = config_load_text("test", text, strlen(text), &errors);
    config_errors_print(&errors, stderr);
    assert_int_equal(errors.count, 0);
    assert_non_null(config);
    return config;
}

// The errors of a text as lines without the file's name.
static char *errors_of(const char *text, size_t length) {
    struct config_errors errors = {0};
    assert_null(config_load_text("", text, length, &errors));
    assert_true(errors.count > 0);
    char *lines = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&lines, &size);
    config_errors_print(&errors, out);
    fclose(out);
    config_errors_finish(&errors);
    return lines;
}

// --- whole files --------------------------------------------------------------------------------

static void check_good(const char *name) {
    struct config_errors errors = {0};
    struct config *config = config_load(path_of("good", name), &errors);
    config_errors_print(&errors, stderr);
    assert_non_null(config);
    assert_int_equal(errors.count, 0);
    assert_string_equal(config->file, path_of("good", name));
    char *first = print(config);
    struct config *again = load(first);
    char *second = print(again);
    assert_string_equal(first, second);
    free(first);
    free(second);
    config_destroy(again);
    config_destroy(config);
}

static bool is_as_expected(const char *expect, const struct config_error *error) {
    unsigned line;
    unsigned column;
    int start = 0;
    if (sscanf(expect, "# expect: %u:%u: %n", &line, &column, &start) != 2 || start == 0) {
        return false;
    }
    char *shown = NULL;
    if (asprintf(&shown, "%s%s%s", error->key, error->key[0] != '\0' ? ": " : "", error->text) <
        0) {
        return false;
    }
    bool is_same =
        line == error->line && column == error->column && strstr(shown, expect + start) != NULL;
    free(shown);
    return is_same;
}

static void check_bad(const char *name) {
    struct config_errors errors = {0};
    FILE *file = fopen(path_of("bad", name), "r");
    assert_non_null(file);
    assert_null(config_load(path_of("bad", name), &errors));
    char *line = NULL;
    size_t size = 0;
    size_t count = 0;
    while (getline(&line, &size, file) > 0 && strncmp(line, "# expect: ", 10) == 0) {
        line[strcspn(line, "\n")] = '\0';
        if (count >= errors.count || !is_as_expected(line, &errors.rows[count])) {
            config_errors_print(&errors, stderr);
            fail_msg("%s: %s", name, line);
        }
        count++;
    }
    if (count != errors.count || count == 0) {
        config_errors_print(&errors, stderr);
        fail_msg("%s: %zu errors, but %zu expected", name, errors.count, count);
    }
    free(line);
    fclose(file);
    config_errors_finish(&errors);
}

static size_t check_folder(const char *folder, void check(const char *name)) {
    DIR *files = opendir(path_of(folder, ""));
    assert_non_null(files);
    size_t count = 0;
    for (struct dirent *entry = readdir(files); entry != NULL; entry = readdir(files)) {
        if (strstr(entry->d_name, ".yaml") != NULL) {
            check(entry->d_name);
            count++;
        }
    }
    closedir(files);
    return count;
}

static void test_good_files_survive_printing(void **state) {
    (void)state;
    assert_true(check_folder("good", check_good) >= 4);
}

static void test_bad_files_have_exactly_their_errors(void **state) {
    (void)state;
    assert_true(check_folder("bad", check_bad) >= 100);
}

static void test_files_that_cannot_be_read(void **state) {
    (void)state;
    static const struct {
        const char *path;
        const char *text;
    } rows[] = {
        {"/nonexistent/outrider.yaml", "cannot be read: No such file or directory"},
        {"/", "cannot be read: Is a directory"},
        {"/dev/null", "is empty"},
        {"/dev/zero", "is larger than 1MiB"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config_errors errors = {0};
        assert_null(config_load(rows[i].path, &errors));
        assert_int_equal(errors.count, 1);
        assert_string_equal(errors.rows[0].file, rows[i].path);
        assert_int_equal(errors.rows[0].line, 0);
        assert_string_equal(errors.rows[0].text, rows[i].text);
        config_errors_finish(&errors);
    }
}

// --- values -------------------------------------------------------------------------------------

static void test_what_the_fixed_part_means(void **state) {
    (void)state;
    struct config *config = load("listeners:\n"
                                 "  - address: https://0.0.0.0:8443\n"
                                 "    tls: {certificate: /dev/null, key: /dev/null}\n"
                                 "  - address: 'http://[::1]:8080'\n"
                                 "origins:\n"
                                 "  app: {url: 'http://127.0.0.1:3000'}\n"
                                 "  other: {url: 'unix:/run/app.sock', idle_timeout: 5s}\n"
                                 "routes:\n"
                                 "  - origin: other\n");
    assert_int_equal(config->listener_count, 2);
    const struct config_listener *listener = &config->listeners[0];
    assert_string_equal(listener->host, "0.0.0.0");
    assert_int_equal(listener->port, 8443);
    assert_true(listener->is_tls);
    assert_int_equal(listener->at.line, 2);
    assert_int_equal(listener->at.column, 14);
    assert_int_equal(listener->certificate_count, 1);
    assert_string_equal(listener->certificates[0].key, "/dev/null");
    assert_int_equal(listener->certificates[0].certificate_at.line, 3);
    assert_int_equal(listener->certificates[0].certificate_at.column, 24);
    assert_int_equal(listener->certificates[0].key_at.line, 3);
    assert_int_equal(listener->certificates[0].key_at.column, 40);
    assert_string_equal(config->listeners[1].host, "::1");
    assert_false(config->listeners[1].is_tls);
    assert_int_equal(config->origin_count, 2);
    assert_int_equal(config->origins[0].kind, CONFIG_ORIGIN_TCP);
    assert_string_equal(config->origins[0].host, "127.0.0.1");
    assert_int_equal(config->origins[0].port, 3000);
    assert_int_equal(config->origins[0].idle_ms, 2000);
    assert_null(config->origins[0].host_header);
    assert_int_equal(config->origins[1].kind, CONFIG_ORIGIN_UNIX);
    assert_string_equal(config->origins[1].path, "/run/app.sock");
    assert_int_equal(config->origins[1].idle_ms, 5000);
    assert_int_equal(config->route_count, 1);
    assert_string_equal(config->routes[0].host, "");
    assert_string_equal(config->routes[0].path, "/");
    assert_int_equal(config->routes[0].origin, 1);
    assert_true(config->routes[0].push.is_on);
    config_destroy(config);
}

static void test_units(void **state) {
    (void)state;
    static const struct {
        const char *body;
        uint64_t bytes;
    } sizes[] = {
        {"0", 0},
        {"none", 0},
        {"None", 0},
        {"1", 1},
        {"512B", 512},
        {"64KB", 64000},
        {"16KiB", 16384},
        {"16 KiB", 16384},
        {"16kib", 16384},
        {"1MiB", 1048576},
        {"3MB", 3000000},
        {"2GiB", 2147483648},
        {"'7GB'", 7000000000},
    };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char text[400];
        snprintf(text, sizeof(text), "limits: {body: %s}" REST, sizes[i].body);
        struct config *config = load(text);
        assert_int_equal(config->limits.body_bytes, sizes[i].bytes);
        config_destroy(config);
    }
    static const struct {
        const char *drain;
        uint64_t ms;
    } times[] = {
        {"0", 0},          {"0s", 0},        {"1ms", 1},      {"500ms", 500},
        {"5s", 5000},      {"2m", 120000},   {"1h", 3600000}, {"1d", 86400000},
        {"\"5 s\"", 5000}, {"1500ms", 1500}, {"5S", 5000},
    };
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        char text[400];
        snprintf(text, sizeof(text), "timeouts: {drain: %s}" REST, times[i].drain);
        struct config *config = load(text);
        assert_int_equal(config->timeouts.drain_ms, times[i].ms);
        config_destroy(config);
    }
}

static void test_forms_of_push(void **state) {
    (void)state;
    static const struct {
        const char *all; // top level
        const char *route;
        bool is_on;
        const char *declared; // "path as,"
        uint32_t max_per_page;
    } rows[] = {
        {"on", "on", true, "", 32},
        {"on", "off", false, "", 32},
        {"on", "no", false, "", 32},
        {"on", "\"off\"", false, "", 32},
        {"off", "{}", false, "", 32},
        {"off", "on", true, "", 32},
        {"off", "{enabled: true}", true, "", 32},
        {"{max_per_page: 5}", "{}", true, "", 5},
        {"{max_per_page: 5}", "{max_per_page: 7}", true, "", 7},
        {"{max_per_page: 5, enabled: off}", "{max_per_page: 7}", false, "", 7},
        {"on", "[/a.css]", true, "/a.css ,", 32},
        {"off", "[/a.css]", true, "/a.css ,", 32},
        {"on", "[]", true, "", 32},
        {"on", "[/a.css?v=1, {path: /b.js, as: script}]", true, "/a.css?v=1 ,/b.js script,", 32},
        {"on", "{declared: [{path: /b.js}]}", true, "/b.js ,", 32},
        {"on", "{declared: /b.js, enabled: off}", false, "/b.js ,", 32},
        {"off", "{declared: [/b.js]}", false, "/b.js ,", 32},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[600];
        snprintf(text, sizeof(text),
                 "push: %s\nroutes: [{origin: app, push: %s}]\nlisteners: [':1']\n"
                 "origins: {app: 'localhost:1'}\n",
                 rows[i].all, rows[i].route);
        struct config *config = load(text);
        const struct config_route *route = &config->routes[0];
        char declared[200] = "";
        for (size_t n = 0; n < route->declared_push_count; n++) {
            size_t used = strlen(declared);
            snprintf(declared + used, sizeof(declared) - used, "%s %s,",
                     route->declared_push[n].path, route->declared_push[n].as);
        }
        assert_int_equal(route->push.is_on, rows[i].is_on);
        assert_int_equal(route->push.max_per_page, rows[i].max_per_page);
        assert_string_equal(declared, rows[i].declared);
        config_destroy(config);
    }
}

// Of its first route, in one text.
static char *describe(const struct config *config) {
    const struct config_route *route = &config->routes[0];
    const struct config_push *push = &route->push;
    const struct config_hint *hint = &route->hint;
    const struct config_learn *learn = &route->learn;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    fprintf(out, "push %d %ju %d%d '%s'\n", push->visitors, (uintmax_t)push->short_life_ms,
            push->with_cache_digest, push->revalidate, push->event);
    fprintf(out, "hint %d%d%d fields", hint->is_on, hint->to_all, hint->on_http1);
    for (char **field = hint->fields; field != NULL && *field != NULL; field++) {
        fprintf(out, " %s", *field);
    }
    fprintf(out, " %zu declared", hint->field_count);
    for (size_t i = 0; i < route->declared_hint_count; i++) {
        fprintf(out, " %s|%s", route->declared_hint[i].path, route->declared_hint[i].as);
    }
    fprintf(out, "\nlearn %d%d%d%d\n", learn->is_on, learn->by_behaviour, learn->with_query,
            learn->with_private);
    fclose(out);
    return text;
}

static void test_what_a_route_says_or_inherits(void **state) {
    (void)state;
    static const struct {
        const char *all; // top level
        const char *route;
        const char *wanted; // a line of describe()
    } rows[] = {
        {"", "", "push 0 600000 00 ''\n"},
        {"push: {visitors: digest, short_life: 0}", "", "push 2 0 00 ''\n"},
        {"push: {visitors: digest}", "push: {visitors: First-Visit, short_life: 30d}",
         "push 1 2592000000 00 ''\n"},
        {"push: {visitors: digest}", "push: {visitors: off}", "push 0 600000 00 ''\n"},
        {"push: {cache_digest: on}", "push: {revalidate: on}", "push 0 600000 11 ''\n"},
        {"push: {cache_digest: on, event: yes}", "push: on", "push 0 600000 10 'preload'\n"},
        {"push: {revalidate: on, event: True}", "push: {event: 'OFF'}", "push 0 600000 01 ''\n"},
        {"push: {event: no}", "push: {event: \"a: 'x'\"}", "push 0 600000 00 'a: 'x''\n"},
        {"", "", "hint 100 fields 0 declared\n"},
        {"hint: off", "", "hint 000 fields 0 declared\n"},
        {"hint: off", "hint: on", "hint 100 fields 0 declared\n"},
        {"hint: {clients: all, http1: on}", "hint: off", "hint 011 fields 0 declared\n"},
        {"hint: {clients: all}", "hint: {clients: Navigations}", "hint 100 fields 0 declared\n"},
        {"hint: {clients: navigations}", "hint: {clients: all}", "hint 110 fields 0 declared\n"},
        {"hint: {fields: [X-A, x-b]}", "", "hint 100 fields x-a x-b 2 declared\n"},
        {"hint: {fields: [x-a, x-b]}", "hint: {fields: X-C}", "hint 100 fields x-c 1 declared\n"},
        {"hint: {fields: [x-a]}", "hint: {fields: []}", "hint 100 fields 0 declared\n"},
        {"hint: {enabled: off}", "hint: [/a?b]", "hint 100 fields 0 declared /a?b|\n"},
        {"", "hint: {declared: /a, enabled: off}", "hint 000 fields 0 declared /a|\n"},
        {"", "hint: [{path: /a, as: Font}, </b> ;rel=preload;nopush, /c]",
         "declared /a|font </b> ;rel=preload;nopush| /c|\n"},
        {"", "hint: ['  <b>; REL=\"x modulePreload\"; title=\"a, b\" ']",
         "declared <b>; REL=\"x modulePreload\"; title=\"a, b\"|\n"},
        {"", "hint: {declared: '<//cdn.example#x>; rel=preconnect; crossorigin'}",
         "declared <//cdn.example#x>; rel=preconnect; crossorigin|\n"},
        {"", "", "learn 1000\n"},
        {"learn: off", "", "learn 0000\n"},
        {"learn: {behaviour: on, private: on}", "learn: off", "learn 0101\n"},
        {"learn: {query: on, enabled: no}", "learn: {enabled: on}", "learn 1010\n"},
        {"learn: {query: on}", "learn: {query: off, private: on}", "learn 1001\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[400];
        snprintf(text, sizeof(text),
                 "%s\norigins: {app: 'h:1'}\nlisteners: [':1']\n"
                 "routes:\n  - origin: app\n    %s\n",
                 rows[i].all, rows[i].route);
        struct config *config = load(text);
        char *printed = print(config);
        struct config *again = load(printed);
        char *first = describe(config);
        char *second = describe(again);
        if (strstr(first, rows[i].wanted) == NULL) {
            fail_msg("%s is not in\n%s", rows[i].wanted, first);
        }
        assert_string_equal(first, second);
        free(first);
        free(second);
        free(printed);
        config_destroy(again);
        config_destroy(config);
    }
}

static void test_what_is_inherited_stands_anywhere_in_the_file(void **state) {
    (void)state;
    struct config *config =
        load("routes: [{origin: a}, {origin: b, path: /b, push: {authorities: [c.example]}}]\n"
             "origins:\n  a: 'h:1'\n"
             "  b: {url: 'http://h:2', total_timeout: none, max_connections: 9}\n"
             "listeners: [':1']\n"
             "push: {credentials: cookies, authorities: [A.example, 'b.example:8443']}\n"
             "timeouts: {origin_total: 30s, origin_connect: 1s}\n"
             "limits: {head: 4KiB}\n");
    assert_int_equal(config->origins[0].total_ms, 30000);
    assert_int_equal(config->origins[0].connect_ms, 1000);
    assert_int_equal(config->origins[0].max_idle, 1024);
    assert_int_equal(config->origins[1].total_ms, 0);
    assert_int_equal(config->origins[1].max_idle, 9); // follows its bound
    assert_int_equal(config->limits.field_bytes, 4096);
    const struct config_push *push = &config->routes[0].push;
    assert_int_equal(push->credentials, CONFIG_CREDENTIALS_COOKIES);
    assert_int_equal(push->authority_count, 2);
    assert_string_equal(push->authorities[0], "a.example");
    assert_string_equal(push->authorities[1], "b.example:8443");
    assert_null(push->authorities[2]);
    push = &config->routes[1].push;
    assert_int_equal(push->credentials, CONFIG_CREDENTIALS_COOKIES);
    assert_int_equal(push->authority_count, 1);
    assert_string_equal(push->authorities[0], "c.example");
    assert_null(push->authorities[1]);
    config_destroy(config);
}

static void test_large_and_hostile_texts(void **state) {
    (void)state;
    enum { BIG = 1024 * 1024 };
    char *text = alloc_zeroed(BIG + 2, 1);
    memset(text, '#', BIG + 1);
    char *lines = errors_of(text, BIG + 1);
    assert_non_null(strstr(lines, "is larger than 1MiB"));
    free(lines);
    for (size_t i = 0; i + 3 < BIG; i += 3) { // as many unknown keys as fit
        text[i] = (char)('a' + i % 26);
        text[i + 1] = ':';
        text[i + 2] = '\n';
    }
    lines = errors_of(text, BIG / 3 * 3 - 3);
    size_t count = 0;
    for (const char *at = strchr(lines, '\n'); at != NULL; at = strchr(at + 1, '\n')) {
        count++;
    }
    assert_int_equal(count, 100);
    free(lines);
    memset(text, '[', BIG);
    lines = errors_of(text, BIG);
    assert_non_null(strstr(lines, "nested too deeply"));
    free(lines);
    free(text);
}

// Whatever stands in the file: a configuration or errors, and no more.
static void try_text(const char *text, size_t length) {
    struct config_errors errors = {0};
    char *copy = alloc_bytes(length); // so that reading behind its end is seen
    memcpy(copy, text, length);
    struct config *config = config_load_text("test", copy, length, &errors);
    assert_true((config != NULL) == (errors.count == 0));
    config_destroy(config);
    config_errors_finish(&errors);
    free(copy);
}

static void test_cut_and_spoilt_texts(void **state) {
    (void)state;
    FILE *file = fopen(path_of("good", "everything_else.yaml"), "r");
    assert_non_null(file);
    static char text[8192];
    size_t length = fread(text, 1, sizeof(text), file);
    fclose(file);
    for (size_t i = 0; i < length; i++) {
        try_text(text, i);
    }
    static const char spoilers[] = "\t\n \0:[]{}-,#&*!|>'\"%@`~0\xff\xc3";
    uint32_t seed = 1;
    for (size_t i = 0; i < 3000; i++) {
        seed = seed * 1103515245U + 12345U;
        size_t at = (seed >> 8) % length;
        char kept = text[at];
        text[at] = spoilers[(seed >> 24) % (sizeof(spoilers) - 1)];
        try_text(text, length);
        if (i % 8 != 0) { // now and then a change stays
            text[at] = kept;
        }
    }
}

static void test_errors_stay_on_their_line(void **state) {
    (void)state;
    static const char text[] =
        "\"a\\nb\\e[31m\": 1\nlog: {level: \"x\\ny\", format: \"\\x7f\"}" REST;
    char *lines = errors_of(text, sizeof(text) - 1);
    assert_string_equal(lines, "a?b?[31m: unknown key\n"
                               "log.level: must not have line breaks or control characters\n"
                               "log.format: must not have line breaks or control characters\n");
    free(lines);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_files_survive_printing),
        cmocka_unit_test(test_bad_files_have_exactly_their_errors),
        cmocka_unit_test(test_files_that_cannot_be_read),
        cmocka_unit_test(test_what_the_fixed_part_means),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_forms_of_push),
        cmocka_unit_test(test_what_a_route_says_or_inherits),
        cmocka_unit_test(test_what_is_inherited_stands_anywhere_in_the_file),
        cmocka_unit_test(test_large_and_hostile_texts),
        cmocka_unit_test(test_cut_and_spoilt_texts),
        cmocka_unit_test(test_errors_stay_on_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
