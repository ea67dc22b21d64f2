// SPDX-License-Identifier: Apache-2.0
// Where the running outrider is asked: config_load_admin, and the single words of the command line.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config_yaml.h"

static const char variable[] = "OUTRIDER_ADMIN_LISTEN";
static const char default_place[] = "127.0.0.1 9901";

static char file[] = "/tmp/outrider-admin-XXXXXX";

static int open_file(void **state) {
    (void)state;
    int fd = mkstemp(file);
    close(fd);
    unsetenv(variable);
    unsetenv("OUTRIDER_ADMIN_PROBES");
    return fd < 0;
}

static int remove_file(void **state) {
    (void)state;
    return unlink(file);
}

// "127.0.0.1 9901", "unix /path" or "off". Frees.
static const char *name_of(struct config_endpoint *endpoint) {
    static char text[512];
    if (endpoint->path != NULL) {
        snprintf(text, sizeof(text), "unix %s", endpoint->path);
        assert_null(endpoint->host);
    } else if (endpoint->host != NULL) {
        snprintf(text, sizeof(text), "%s %u", endpoint->host, endpoint->port);
    } else {
        snprintf(text, sizeof(text), "off");
    }
    config_endpoint_free(endpoint);
    return text;
}

static const char *load(const char *path) {
    struct config_endpoint endpoint;
    memset(&endpoint, 0xa5, sizeof(endpoint)); // nothing need be there
    config_load_admin(path, &endpoint);
    return name_of(&endpoint);
}

#define GOOD                                                                                       \
    "listeners: ['127.0.0.1:8443']\norigins: {app: 'http://127.0.0.1:3000'}\n"                     \
    "routes: [{origin: app}]\n"

static const struct {
    const char *text;
    const char *place; // NULL: the default
} rows[] = {
    {GOOD, NULL},
    {GOOD "admin: 127.0.0.1:1\n", "127.0.0.1 1"},
    {GOOD "admin: {listen: '[::1]:2'}\n", "::1 2"},
    {GOOD "admin: {listen: '*:2'}\n", " 2"},
    {GOOD "admin: {listen: 127.0.0.1:3, probes: '*:4'}\n", "127.0.0.1 3"},
    {GOOD "admin: {probes: '*:4'}\n", NULL},
    {GOOD "admin: {}\n", NULL},
    {GOOD "admin:\n", NULL},
    {GOOD "admin: unix:/run/admin.sock\n", "unix /run/admin.sock"},
    {GOOD "admin: {listen: 'unix:/run/admin.sock'}\n", "unix /run/admin.sock"},
    {GOOD "admin: off\n", "off"},
    {GOOD "admin: no\n", "off"},
    {GOOD "admin: {listen: off, probes: '*:4'}\n", " 4"}, // the only one to ask
    {GOOD "admin: {listen: off, probes: 'unix:/run/probes.sock'}\n", "unix /run/probes.sock"},
    {GOOD "admin: {listen: off, probes: off}\n", "off"},
    {GOOD "admin: {listen: off}\n", "off"},
    {GOOD "admin: {listen: off, probes: nonsense}\n", "off"},
    {GOOD "admin: {listen: off, probes: [127.0.0.1:5]}\n", "off"},
    // whatever else is wrong
    {"admin: 127.0.0.1:5\n", "127.0.0.1 5"},
    {GOOD "rotues: []\nadmin: 127.0.0.1:5\n", "127.0.0.1 5"},
    {"listeners: nonsense\norigins: 7\nadmin: {listen: 127.0.0.1:5, lisetn: x}\n", "127.0.0.1 5"},
    {"routes: [{origin: nobody}]\nworkers: many\nadmin: 127.0.0.1:5\n", "127.0.0.1 5"},
    {"admin: {probes: nonsense, listen: 127.0.0.1:5}\n", "127.0.0.1 5"},
    // what says nothing
    {"", NULL},
    {"\n", NULL},
    {"# nothing\n", NULL},
    {"word\n", NULL},
    {"7\n", NULL},
    {"- admin\n- 127.0.0.1:5\n", NULL},
    {"admin: [127.0.0.1:5]\n", NULL},
    {"admin: {listen: [127.0.0.1:5]}\n", NULL},
    {"admin: {listen: {listen: 127.0.0.1:5}}\n", NULL},
    {"admin: {listen: }\n", NULL},
    {"admin: nonsense\n", NULL},
    {"admin: https://127.0.0.1:5\n", NULL},
    {"admin: unix:relative\n", NULL},
    {"admin: 127.0.0.1:99999\n", NULL},
    {"log: {admin: 127.0.0.1:5}\n", NULL},
    // no YAML at all
    {"admin: 127.0.0.1:5\nlisteners: [\n", NULL},
    {"admin: 127.0.0.1:5\n\tx\n", NULL},
    {"admin: 127.0.0.1:5\n\x01", NULL},
    {"admin: 127.0.0.1:5\n\xff\xfe", NULL},
    {"{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{", NULL},
    {"admin: &a {listen: *a}\n", NULL},
};

static void test_files(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        FILE *out = fopen(file, "w");
        fputs(rows[i].text, out);
        fclose(out);
        const char *place = load(file);
        const char *wanted = rows[i].place != NULL ? rows[i].place : default_place;
        if (strcmp(place, wanted) != 0) {
            fail_msg("'%s': %s, not %s", rows[i].text, place, wanted);
        }
    }
}

// A running outrider that had the file read the same place from it.
static void test_as_the_proxy_reads_it(void **state) {
    (void)state;
    unsigned good = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        FILE *out = fopen(file, "w");
        fputs(rows[i].text, out);
        fclose(out);
        struct config_errors errors = {0};
        struct config *config = config_load(file, &errors);
        if (config != NULL) {
            char place[512];
            bool is_on = config->admin.listen.host != NULL || config->admin.listen.path != NULL;
            struct config_endpoint *asked = is_on ? &config->admin.listen : &config->admin.probes;
            snprintf(place, sizeof(place), "%s", name_of(asked));
            *asked = (struct config_endpoint){0};
            assert_string_equal(load(file), place);
            good++;
        }
        config_destroy(config);
        config_errors_finish(&errors);
    }
    assert_in_range(good, 13, 17);
}

static void test_no_file(void **state) {
    (void)state;
    assert_string_equal(load(NULL), default_place);
    assert_string_equal(load("/nowhere/at/all.yaml"), default_place);
    assert_string_equal(load("/"), default_place);
    assert_string_equal(load("/dev/null"), default_place);
}

static void test_the_variable_wins(void **state) {
    (void)state;
    FILE *out = fopen(file, "w");
    fputs(GOOD "admin: 127.0.0.1:5\n", out);
    fclose(out);
    setenv(variable, "127.0.0.1:6", 1);
    assert_string_equal(load(file), "127.0.0.1 6");
    assert_string_equal(load(NULL), "127.0.0.1 6");
    setenv(variable, "off", 1);
    assert_string_equal(load(file), "off");
    setenv(variable, "unix:/run/a.sock", 1);
    assert_string_equal(load(file), "unix /run/a.sock");
    setenv(variable, "nonsense", 1); // with which nobody runs
    assert_string_equal(load(file), default_place);
    setenv(variable, "", 1);
    assert_string_equal(load(file), default_place);
    unsetenv(variable);
    assert_string_equal(load(file), "127.0.0.1 5");
}

static void test_the_variable_of_probes(void **state) {
    (void)state;
    setenv("OUTRIDER_ADMIN_PROBES", "127.0.0.1:7", 1);
    assert_string_equal(load(NULL), default_place); // admin.listen goes first
    setenv(variable, "127.0.0.1:6", 1);
    assert_string_equal(load(NULL), "127.0.0.1 6");
    setenv(variable, "off", 1);
    assert_string_equal(load(NULL), "127.0.0.1 7");
    setenv("OUTRIDER_ADMIN_PROBES", "off", 1);
    assert_string_equal(load(NULL), "off");
    unsetenv("OUTRIDER_ADMIN_PROBES");
    unsetenv(variable);
}

// --- words of the command line ------------------------------------------------------------------

static const struct {
    const char *text;
    const char *place; // NULL: it is none
} words[] = {
    {"127.0.0.1:9901", "127.0.0.1 9901"},
    {"http://127.0.0.1:9901", "127.0.0.1 9901"},
    {":9901", " 9901"},
    {"*:9901", " 9901"},
    {"[::1]:9901", "::1 9901"},
    {"unix:/run/a.sock", "unix /run/a.sock"},
    {"off", "off"},
    {"OFF", "off"},
    {"", NULL},
    {"localhost:9901", "127.0.0.1 9901"},
    {"example.org:9901", NULL},
    {"127.0.0.1", NULL},
    {"https://127.0.0.1:9901", NULL},
    {"127.0.0.1:9901/x", NULL},
    {"unix:", NULL},
    {"unix:a.sock", NULL},
    {"127.0.0.1:-1", NULL},
};

static void test_endpoint_words(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct config_endpoint endpoint = {0};
        char reason[256] = "";
        bool is_good = config_parse_endpoint(words[i].text, &endpoint, reason, sizeof(reason));
        const char *place = name_of(&endpoint);
        if (is_good != (words[i].place != NULL) || is_good != (reason[0] == '\0') ||
            (is_good && strcmp(place, words[i].place) != 0)) {
            fail_msg("'%s': %d, %s, '%s'", words[i].text, is_good, place, reason);
        }
    }
}

static void test_a_path_that_is_too_long(void **state) {
    (void)state;
    // struct sockaddr_un has room for 107 bytes and the end.
    for (int length = 105; length < 112; length++) {
        char text[128];
        char reason[256] = "";
        struct config_endpoint endpoint = {0};
        snprintf(text, sizeof(text), "unix:/%0*d", length - 1, 0);
        bool is_good = config_parse_endpoint(text, &endpoint, reason, sizeof(reason));
        config_endpoint_free(&endpoint);
        assert_int_equal(is_good, length <= 107);
    }
}

static void test_time_words(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms; // 0: it is none
    } times[] = {
        {"1s", 1000},
        {"250ms", 250},
        {"1m", 60000},
        {"60s", 60000},
        {"61s", 0},
        {"0s", 0},
        {"2m", 0},
        {"", 0},
        {"1", 0},
        {"-1s", 0},
        {"1 s", 1000},
        {"none", 0},
        {"99999999999999999999s", 0},
    };
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        uint64_t ms = 0;
        char reason[256] = "";
        bool is_good = config_parse_time(times[i].text, 60000, &ms, reason, sizeof(reason));
        if (is_good != (times[i].ms != 0) || (is_good && ms != times[i].ms) ||
            is_good != (reason[0] == '\0')) {
            fail_msg("'%s': %d, %llu ms, '%s'", times[i].text, is_good, (unsigned long long)ms,
                     reason);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_as_the_proxy_reads_it),
        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_the_variable_wins),
        cmocka_unit_test(test_the_variable_of_probes),
        cmocka_unit_test(test_endpoint_words),
        cmocka_unit_test(test_a_path_that_is_too_long),
        cmocka_unit_test(test_time_words),
    };
    return cmocka_run_group_tests(tests, open_file, remove_file);
}
