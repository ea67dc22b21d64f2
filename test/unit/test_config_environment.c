// SPDX-License-Identifier: Apache-2.0
// Options by variables: names, precedence, each kind of value, errors, and where `outrider check`
// says that values came from.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "config/config_options.h"
#include "config/config_yaml.h"
#include "config_value.h"

#define MOST 4 // variables of a row
#define LENGTH(rows) (sizeof(rows) / sizeof((rows)[0]))
#define SITE                                                                                       \
    "listeners: [':1']\n"                                                                          \
    "origins: {a: 'h:1'}\n"                                                                        \
    "routes: [{origin: a}]\n" // what follows is in line 4

static struct config *load(const char *text, const char *const *environment,
                           struct config_errors *errors) {
    return config_load_text_with("f.yaml", text, strlen(text), environment, errors);
}

static char *errors_of(struct config_errors *errors) {
    char *lines = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&lines, &length);
    config_errors_print(errors, out);
    fclose(out);
    config_errors_finish(errors);
    return lines;
}

static struct config *load_good(const char *text, const char *const *environment) {
    struct config_errors errors = {0};
    struct config *config = load(text, environment, &errors);
    char *lines = errors_of(&errors);
    assert_string_equal(lines, "");
    free(lines);
    assert_non_null(config);
    return config;
}

static char *print(const struct config *config) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    fputc('\n', out);
    config_print(config, out);
    fclose(out);
    return text;
}

// Finds lines one below the other, such as {"push:", "  max_open:"}, and gives what stands behind
// the last, with single blanks: "8 # default". Nothing when one is missing.
static void find_line(const char *text, const char *const *lines, char *out, size_t size) {
    size_t length = 0;
    for (; *lines != NULL && text != NULL; lines++) {
        char start[100];
        snprintf(start, sizeof(start), "\n%s", *lines);
        text = strstr(text, start);
        text = text != NULL ? text + strlen(start) : NULL;
    }
    for (; text != NULL && *text != '\n' && length + 1 < size; text++) {
        if (*text != ' ' || (length > 0 && out[length - 1] != ' ')) {
            out[length++] = *text;
        }
    }
    out[length] = '\0';
}

static void check_line(const struct config *config, const char *const *lines, const char *wanted) {
    char *text = print(config);
    char line[300];
    find_line(text, lines, line, sizeof(line));
    assert_string_equal(line, wanted);
    free(text);
}

// --- names --------------------------------------------------------------------------------------

struct name {
    char variable[64];
    const struct config_option *option;
};

static void add_names(const struct config_section *section, const char *before, struct name *names,
                      size_t *count) {
    for (size_t i = 0; i < section->count; i++) {
        const struct config_option *option = &section->options[i];
        struct name name = {.option = option};
        size_t length =
            (size_t)snprintf(name.variable, sizeof(name.variable), "%s_%s", before, option->name);
        assert_in_range(length, 1, sizeof(name.variable) - 1);
        for (char *c = name.variable; *c != '\0'; c++) {
            *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        }
        if (option->kind == CONFIG_SECTION) {
            add_names(option->section, name.variable, names, count);
        } else if (config_kind_is_value(option->kind) || option->item != NULL) {
            names[(*count)++] = name;
        }
    }
}

static const char *sample(const struct config_option *option) {
    return option->kind != CONFIG_LIST            ? option->initial
           : option->item->kind == CONFIG_NETWORK ? "192.0.2.0/24"
           : option->item->kind == CONFIG_FIELD   ? "permissions-policy"
           : option->item->kind == CONFIG_WORD    ? option->item->words[0]
                                                  : "www.example";
}

static void test_every_scalar_has_a_name_of_its_own(void **state) {
    (void)state;
    static struct name names[200];
    size_t count = 0;
    add_names(&config_options_root, "OUTRIDER", names, &count);
    assert_in_range(count, 50, LENGTH(names));
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < i; n++) {
            assert_string_not_equal(names[i].variable, names[n].variable);
        }
        char set[512];
        snprintf(set, sizeof(set), "%.63s=%s", names[i].variable, sample(names[i].option));
        struct config *config = load_good(SITE, (const char *const[]){set, NULL});
        char *text = print(config);
        char comment[256];
        snprintf(comment, sizeof(comment), " # %.63s\n", names[i].variable);
        assert_non_null(strstr(text, comment));
        snprintf(comment, sizeof(comment), "%s:", names[i].option->name);
        assert_non_null(strstr(text, comment));
        free(text);
        config_destroy(config);
    }
}

static void test_the_names_that_stand_in_the_manual(void **state) {
    (void)state;
    struct config *config = load_good(
        SITE, (const char *const[]){"OUTRIDER_TIMEOUTS_ORIGIN_CONNECT=7s", "OUTRIDER_WORKERS=3",
                                    "OUTRIDER_PUSH_MAX_PER_PAGE=9", "OUTRIDER_LOG_LEVEL=debug",
                                    "HOME=/root", "OUTRIDERS=4", "outrider_workers=8", "", NULL});
    assert_int_equal(config->timeouts.origin_connect_ms, 7000);
    assert_int_equal(config->origins[0].connect_ms, 7000);
    assert_int_equal(config->workers, 3);
    assert_int_equal(config->push.max_per_page, 9);
    assert_int_equal(config->routes[0].push.max_per_page, 9);
    assert_int_equal(config->log.level, CONFIG_LEVEL_DEBUG);
    config_destroy(config);
}

// --- values and precedence ----------------------------------------------------------------------

struct value_case {
    const char *file; // below SITE
    const char *variables[MOST];
    const char *lines[MOST];
    const char *wanted;
};

static const struct value_case value_cases[] = {
    // Each kind, over the default.
    {"", {"OUTRIDER_PUSH_MARK=yes"}, {"push:", "  mark:"}, "on # OUTRIDER_PUSH_MARK"},
    {"", {"OUTRIDER_HINT_CLIENTS=ALL"}, {"hint:", "  clients:"}, "all # OUTRIDER_HINT_CLIENTS"},
    {"", {"OUTRIDER_WORKERS=auto"}, {"workers:"}, "auto # OUTRIDER_WORKERS"},
    {"", {"OUTRIDER_LIMITS_URI=4KiB"}, {"limits:", "  uri:"}, "4KiB # OUTRIDER_LIMITS_URI"},
    {"", {"OUTRIDER_LIMITS_BODY=none"}, {"limits:", "  body:"}, "none # OUTRIDER_LIMITS_BODY"},
    {"", {"OUTRIDER_TIMEOUTS_DRAIN=0"}, {"timeouts:", "  drain:"}, "0 # OUTRIDER_TIMEOUTS_DRAIN"},
    {"", {"OUTRIDER_LOG_FORMAT=text"}, {"log:", "  format:"}, "text # OUTRIDER_LOG_FORMAT"},
    {"",
     {"OUTRIDER_LOG_ACCESS=/a b=c#d"},
     {"log:", "  access:"},
     "\"/a b=c#d\" # OUTRIDER_LOG_ACCESS"},
    {"",
     {"OUTRIDER_DIGEST_KEY_FILE=/dev/null"},
     {"digest:", "  key_file:"},
     "/dev/null # OUTRIDER_DIGEST_KEY_FILE"},
    {"",
     {"OUTRIDER_LEARNED_FILE=./learned"},
     {"learned:", "  file:"},
     "\"./learned\" # OUTRIDER_LEARNED_FILE"},
    {"",
     {"OUTRIDER_DIGEST_COOKIE=null"}, // no YAML: a word like others
     {"digest:", "  cookie:"},
     "\"null\" # OUTRIDER_DIGEST_COOKIE"},
    {"", {"OUTRIDER_PUSH_EVENT=go"}, {"push:", "  event:"}, "go # OUTRIDER_PUSH_EVENT"},
    // Lists.
    {"", {"OUTRIDER_TRUSTED=10.0.0.0/8"}, {"trusted:", "  - 10"}, ".0.0.0/8 # OUTRIDER_TRUSTED"},
    {"",
     {"OUTRIDER_TRUSTED=10.0.0.0/8, ::1"},
     {"trusted:", "  - \"::"},
     "1/128\" # OUTRIDER_TRUSTED"},
    {"trusted: [10.0.0.0/8]\n", {"OUTRIDER_TRUSTED="}, {"trusted:"}, "[] # OUTRIDER_TRUSTED"},
    {"trusted: [10.0.0.0/8]\n", {"OUTRIDER_TRUSTED=::1"}, {"trusted:", "  - 10"}, ""},
    {"", {"OUTRIDER_HINT_FIELDS=A,b"}, {"hint:", "  fields:", "    - b"}, "# OUTRIDER_HINT_FIELDS"},
    {"",
     {"OUTRIDER_LOG_REDACT=Query,client"},
     {"log:", "  redact:", "    - client"},
     "# OUTRIDER_LOG_REDACT"},
    {"log: {redact: path}\n",
     {"OUTRIDER_LOG_REDACT="},
     {"log:", "  redact:"},
     "[] # OUTRIDER_LOG_REDACT"},
    {"",
     {"OUTRIDER_LOG_FIELDS=user-agent, Referer"},
     {"log:", "  fields:", "    - referer"},
     "# OUTRIDER_LOG_FIELDS"},
    {"",
     {"OUTRIDER_LOG_REQUEST_ID=off"},
     {"log:", "  request_id:"},
     "off # OUTRIDER_LOG_REQUEST_ID"},
    {"",
     {"OUTRIDER_PUSH_AUTHORITIES=cdn.example"},
     {"    push:", "      authorities:", "        - cdn.example"},
     "# OUTRIDER_PUSH_AUTHORITIES"},
    // Over the file, in every way in which a section can stand there.
    {"push: {max_open: 5}\n", {NULL}, {"push:", "  max_open:"}, "5 # file line 4"},
    {"push: {max_open: 5}\n",
     {"OUTRIDER_PUSH_MAX_OPEN=6"},
     {"push:", "  max_open:"},
     "6 # OUTRIDER_PUSH_MAX_OPEN"},
    {"push: {max_open: 5}\n",
     {"OUTRIDER_PUSH_MARK=on"},
     {"push:", "  max_open:"},
     "5 # file line 4"},
    {"push: off\n", {NULL}, {"push:", "  enabled:"}, "off # file line 4"},
    {"push: off\n", {"OUTRIDER_PUSH_MAX_OPEN=6"}, {"push:", "  enabled:"}, "off # file line 4"},
    {"push: off\n",
     {"OUTRIDER_PUSH_MAX_OPEN=6"},
     {"push:", "  max_open:"},
     "6 # OUTRIDER_PUSH_MAX_OPEN"},
    {"push: off\n",
     {"OUTRIDER_PUSH_ENABLED=on"},
     {"push:", "  enabled:"},
     "on # OUTRIDER_PUSH_ENABLED"},
    {"push:\n  # nothing\n",
     {"OUTRIDER_PUSH_MAX_OPEN=6"},
     {"push:", "  max_open:"},
     "6 # OUTRIDER_PUSH_MAX_OPEN"},
    {"workers: 2\n", {"OUTRIDER_WORKERS=3"}, {"workers:"}, "3 # OUTRIDER_WORKERS"},
    {"workers: 2\n", {NULL}, {"workers:"}, "2 # file line 4"},
    {"", {NULL}, {"workers:"}, "auto # default"},
    // What it replaces may even be wrong.
    {"workers: {}\n", {"OUTRIDER_WORKERS=3"}, {"workers:"}, "3 # OUTRIDER_WORKERS"},
    // What inherits says from where.
    {"",
     {"OUTRIDER_TIMEOUTS_ORIGIN_IDLE=9s"},
     {"origins:", "    idle_timeout:"},
     "9s # OUTRIDER_TIMEOUTS_ORIGIN_IDLE"},
    {"timeouts: {origin_idle: 8s}\n",
     {NULL},
     {"origins:", "    idle_timeout:"},
     "8s # file line 4"},
    {"", {NULL}, {"origins:", "    idle_timeout:"}, "2s # default"},
    {"hint: off\n", {NULL}, {"    hint:", "      enabled:"}, "off # file line 4"},
    {"",
     {"OUTRIDER_HINT_ENABLED=off"},
     {"    hint:", "      enabled:"},
     "off # OUTRIDER_HINT_ENABLED"},
    // What stands in the file in short.
    {"", {NULL}, {"listeners:", "  - address:"}, "\"https://*:1\" # file line 1"},
    {"", {NULL}, {"origins:", "    url:"}, "http://h:1 # file line 2"},
    {"", {NULL}, {"routes:", "    origin:"}, "a # file line 3"},
    {"", {NULL}, {"routes:", "    path:"}, "/ # default"},
};

static void test_values(void **state) {
    (void)state;
    for (size_t i = 0; i < LENGTH(value_cases); i++) {
        const struct value_case *row = &value_cases[i];
        char text[300];
        snprintf(text, sizeof(text), SITE "%s", row->file);
        struct config *config = load_good(text, row->variables);
        check_line(config, row->lines, row->wanted);
        config_destroy(config);
    }
}

static void test_a_route_says_more_than_a_variable(void **state) {
    (void)state;
    struct config *config =
        load_good("listeners:\n  - address: http://:1\norigins:\n  a:\n    url: h:1\n"
                  "    idle_timeout: 3s\n"
                  "routes:\n  - origin: a\n    push:\n      - /a.css\n      - path: /b.js\n"
                  "  - {path: /b, origin: a, push: {max_open: 4, declared: /c.css}, hint: off}\n",
                  (const char *const[]){"OUTRIDER_PUSH_MAX_OPEN=6", "OUTRIDER_PUSH_ENABLED=off",
                                        "OUTRIDER_TIMEOUTS_ORIGIN_IDLE=9s", NULL});
    static const struct {
        const char *lines[6];
        const char *wanted;
    } rows[] = {
        {{"    idle_timeout:"}, "3s # file line 6"},
        {{"    push:", "        - path: /a.css"}, "# file line 10"},
        {{"    push:", "        - path: /b.js"}, "# file line 11"},
        {{"    push:", "      enabled:"}, "on # file line 10"}, // the list says so
        {{"    push:", "      max_open:"}, "6 # OUTRIDER_PUSH_MAX_OPEN"},
        {{"    path: /b ", "    push:", "        - path: /c.css"}, "# file line 12"},
        {{"    path: /b ", "    push:", "      enabled:"}, "off # OUTRIDER_PUSH_ENABLED"},
        {{"    path: /b ", "    push:", "      max_open:"}, "4 # file line 12"},
        {{"    path: /b ", "    hint:", "      enabled:"}, "off # file line 12"},
        {{"push:", "  max_open:"}, "6 # OUTRIDER_PUSH_MAX_OPEN"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        check_line(config, rows[i].lines, rows[i].wanted);
    }
    config_destroy(config);
}

static void test_what_is_printed_gives_the_same_without_variables(void **state) {
    (void)state;
    const char *const environment[] = {"OUTRIDER_TRUSTED=10.0.0.0/8,::1",
                                       "OUTRIDER_PUSH_MAX_OPEN=6", "OUTRIDER_LIMITS_HEAD=8KiB",
                                       "OUTRIDER_LOG_ACCESS=/a # b", NULL};
    struct config *config = load_good(SITE, environment);
    char *text = print(config);
    struct config *again = load_good(text, NULL);
    assert_int_equal(again->trusted_count, 2);
    assert_memory_equal(again->trusted, config->trusted, 2 * sizeof(again->trusted[0]));
    assert_int_equal(again->routes[0].push.max_open, 6);
    assert_memory_equal(&again->limits, &config->limits, sizeof(config->limits));
    assert_int_equal(again->limits.field_bytes, 8 * 1024); // follows its bound
    assert_string_equal(again->log.access, "/a # b");
    free(text);
    config_destroy(again);
    config_destroy(config);
}

// --- errors -------------------------------------------------------------------------------------

struct error_case {
    const char *file;
    const char *variables[MOST];
    const char *wanted;
};

static const struct error_case error_cases[] = {
    {"",
     {"OUTRIDER_TIMEOUTS_IDLE=60"},
     "OUTRIDER_TIMEOUTS_IDLE: '60' needs a unit: ms, s, m, h or d\n"},
    {"", {"OUTRIDER_PUSH_MAX_OPEN=0"}, "OUTRIDER_PUSH_MAX_OPEN: must be 1 to 1000\n"},
    {"", {"OUTRIDER_PUSH_MARK=maybe"}, "OUTRIDER_PUSH_MARK: expected on or off, not 'maybe'\n"},
    {"",
     {"OUTRIDER_LOG_LEVEL=wran"},
     "OUTRIDER_LOG_LEVEL: 'wran' is not known here: did you mean 'warn'?\n"},
    {"", {"OUTRIDER_WORKERS="}, "OUTRIDER_WORKERS: a value is missing\n"},
    {"",
     {"OUTRIDER_DIGEST_KEY_FILE=/nonexistent/k"},
     "OUTRIDER_DIGEST_KEY_FILE: cannot read '/nonexistent/k': No such file or directory\n"},
    {"",
     {"OUTRIDER_PUSH_EVENT=a\nb"},
     "OUTRIDER_PUSH_EVENT: must not have line breaks or control characters\n"},
    {"", {"OUTRIDER_PUSH_EVENT=a\xff"}, "OUTRIDER_PUSH_EVENT: this is not UTF-8 text\n"},
    {"",
     {"OUTRIDER_TRUSTED=10.0.0.0/8,ten,10.0.0.1/8"},
     "OUTRIDER_TRUSTED: expected a network such as 10.0.0.0/8 or fd00::/8, not 'ten'\n"
     "OUTRIDER_TRUSTED: '10.0.0.1/8' has bits beyond its prefix\n"},
    // What is checked together.
    {"", {"OUTRIDER_LIMITS_FIELD=1MiB"}, "OUTRIDER_LIMITS_FIELD: must not be more than head\n"},
    {"limits: {field: 8KiB}\n",
     {"OUTRIDER_LIMITS_HEAD=4KiB"},
     "f.yaml:4:17: limits.field: must not be more than head\n"},
    {"",
     {"OUTRIDER_TRUSTED=::1,0.0.0.0/0"},
     "OUTRIDER_TRUSTED: everybody could pretend to be any client; if that is meant, say "
     "'trusted_any: on' too\n"},
    {"trusted: ['::/0']\n", {"OUTRIDER_TRUSTED_ANY=on"}, ""},
    // With the file's own, all at once.
    {"limits: {haed: 1}\n",
     {"OUTRIDER_WORKERS=0x", "OUTRIDER_NONSENSE=1"},
     "OUTRIDER_WORKERS: expected a whole number, not '0x'\n"
     "OUTRIDER_NONSENSE: unknown variable: no option has this name\n"
     "f.yaml:4:10: limits.haed: unknown key: did you mean 'head'?\n"},
    {"push: []\n",
     {"OUTRIDER_PUSH_MAX_OPEN=1"},
     "f.yaml:4:7: push: expected a mapping, not a list\n"},
    {"timeouts: 3s\n",
     {"OUTRIDER_TIMEOUTS_IDLE=1s"},
     "f.yaml:4:11: timeouts: expected a mapping, not a single value\n"},
    // Names.
    {"",
     {"OUTRIDER_PUSH_MAX_OPNE=1"},
     "OUTRIDER_PUSH_MAX_OPNE: unknown variable: did you mean 'OUTRIDER_PUSH_MAX_OPEN'?\n"},
    {"",
     {"OUTRIDER_WORKER=1"},
     "OUTRIDER_WORKER: unknown variable: did you mean 'OUTRIDER_WORKERS'?\n"},
    {"",
     {"OUTRIDER_push_max_open=1"},
     "OUTRIDER_push_max_open: unknown variable: did you mean 'OUTRIDER_PUSH_MAX_OPEN'?\n"},
    {"",
     {"OUTRIDER_PUSH=off"},
     "OUTRIDER_PUSH: unknown variable: did you mean 'OUTRIDER_PUSH_ENABLED'?\n"},
    {"",
     {"OUTRIDER_LISTENERS=:1"},
     "OUTRIDER_LISTENERS: unknown variable: did you mean 'OUTRIDER_LISTEN'?\n"},
    {"",
     {"OUTRIDER_ROUTES_0_PATH=/"},
     "OUTRIDER_ROUTES_0_PATH: unknown variable: no option has this name\n"},
    {"", {"OUTRIDER_=1"}, "OUTRIDER_: unknown variable: no option has this name\n"},
    {"", {"OUTRIDER_A\nB=1"}, "OUTRIDER_A?B: unknown variable: no option has this name\n"},
    // Flags are for a start without a file.
    {"",
     {"OUTRIDER_ORIGIN=h:1", "OUTRIDER_KEY=k"},
     "OUTRIDER_ORIGIN: is for a start without a configuration file: set it there\n"
     "OUTRIDER_KEY: is for a start without a configuration file: set it there\n"},
    // Names that others set: for the tests, and for a service of our name.
    {"", {"OUTRIDER_BINARY=b", "OUTRIDER_ROOT=r", "OUTRIDER_LINK=l", "OUTRIDER_TEST_CACHE=c"}, ""},
    {"",
     {"OUTRIDER_SERVICE_HOST=10.0.0.1", "OUTRIDER_SERVICE_PORT=443",
      "OUTRIDER_SERVICE_PORT_HTTPS=443"},
     ""},
    {"",
     {"OUTRIDER_PORT=tcp://10.0.0.1:443", "OUTRIDER_PORT_443_TCP_ADDR=10.0.0.1",
      "OUTRIDER_WEB_PORT=udp://10.0.0.1:443"},
     ""},
    {"",
     {"OUTRIDER_LISTEN_PORT=443"}, // one that somebody may have meant
     "OUTRIDER_LISTEN_PORT: unknown variable: did you mean 'OUTRIDER_LISTEN'?\n"},
    {"", {"OUTRIDER_PORT=443"}, "OUTRIDER_PORT: unknown variable: did you mean 'OUTRIDER_CERT'?\n"},
};

static void test_errors_name_the_variable(void **state) {
    (void)state;
    for (size_t i = 0; i < LENGTH(error_cases); i++) {
        const struct error_case *row = &error_cases[i];
        char text[300];
        snprintf(text, sizeof(text), SITE "%s", row->file);
        const char *variables[MOST + 1] = {0};
        memcpy(variables, row->variables, sizeof(row->variables));
        struct config_errors errors = {0};
        struct config *config = load(text, variables, &errors);
        char *lines = errors_of(&errors);
        assert_string_equal(lines, row->wanted);
        assert_true((config != NULL) == (row->wanted[0] == '\0'));
        free(lines);
        config_destroy(config);
    }
}

static void test_a_file_that_is_no_mapping(void **state) {
    (void)state;
    static const char *const texts[] = {"hello\n", "[a]\n", "{*a : 1}\n", "{", ""};
    for (size_t i = 0; i < LENGTH(texts); i++) {
        struct config_errors errors = {0};
        assert_null(load(texts[i],
                         (const char *const[]){"OUTRIDER_WORKERS=1", "OUTRIDER_PUSH_MARK=on", NULL},
                         &errors));
        assert_true(errors.count > 0);
        config_errors_finish(&errors);
    }
}

// --- without a file -----------------------------------------------------------------------------

struct flag_case {
    struct config_flags flags;
    const char *variables[MOST];
    const char *errors; // "" when it is good
    const char *lines[MOST];
    const char *wanted;
};

#define LISTEN(...)                                                                                \
    .listen = (const char *const[]){__VA_ARGS__},                                                  \
    .listen_count = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)
#define NULLS "/dev/null"

static const struct flag_case flag_cases[] = {
    {{0}, {"OUTRIDER_ORIGIN=h:1"}, "", {"    url:"}, "http://h:1 # OUTRIDER_ORIGIN"},
    {{0}, {"OUTRIDER_ORIGIN=h:1"}, "", {"  - address:"}, "https://127.0.0.1:8443 # default"},
    {{0}, {"OUTRIDER_ORIGIN=h:1"}, "", {"routes:", "    origin:"}, "origin # default"},
    {{.origin = "f:2"}, {"OUTRIDER_ORIGIN=h:1"}, "", {"    url:"}, "http://f:2 # --origin"},
    {{.origin = "f:2"},
     {"OUTRIDER_LISTEN=http://[::1]:1, :2"},
     "",
     {"  - address: \"http://[::1]:1\"", "  - address:"},
     "\"https://*:2\" # OUTRIDER_LISTEN"},
    {{.origin = "f:2", LISTEN(":3")},
     {"OUTRIDER_LISTEN=:1,:2"},
     "",
     {"  - address:"},
     "\"https://*:3\" # --listen"},
    {{.origin = "f:2", LISTEN(":3")},
     {"OUTRIDER_LISTEN=:1,:2"},
     "",
     {"  - address: h", "  - a"},
     ""},
    {{.origin = "f:2"},
     {"OUTRIDER_CERT=" NULLS, "OUTRIDER_KEY=" NULLS},
     "",
     {"    tls:", "      - certificate:"},
     "/dev/null # OUTRIDER_CERT"},
    {{.origin = "f:2", .certificate = NULLS},
     {"OUTRIDER_CERT=/nonexistent", "OUTRIDER_KEY=" NULLS},
     "",
     {"    tls:", "      - certificate: /dev/null", "        key:"},
     "/dev/null # OUTRIDER_KEY"},
    {{.origin = "f:2"}, {"OUTRIDER_WORKERS=3"}, "", {"workers:"}, "3 # OUTRIDER_WORKERS"},
    {{.origin = "f:2", .workers = "2"}, {"OUTRIDER_WORKERS=3"}, "", {"workers:"}, "2 # --workers"},
    {{.origin = "f:2", .origin_timeout = "4s"},
     {"OUTRIDER_TIMEOUTS_ORIGIN_FIRST_BYTE=5s", "OUTRIDER_TIMEOUTS_IDLE=6s"},
     "",
     {"    first_byte_timeout:"},
     "4s # --origin-timeout"},
    {{.origin = "f:2", .origin_timeout = "4s"},
     {"OUTRIDER_TIMEOUTS_ORIGIN_FIRST_BYTE=5s", "OUTRIDER_TIMEOUTS_IDLE=6s"},
     "",
     {"timeouts:", "  idle:"},
     "6s # OUTRIDER_TIMEOUTS_IDLE"},
    {{.origin = "f:2"},
     {"OUTRIDER_TIMEOUTS_ORIGIN_FIRST_BYTE=5s"},
     "",
     {"    first_byte_timeout:"},
     "5s # OUTRIDER_TIMEOUTS_ORIGIN_FIRST_BYTE"},
    {{.origin = "f:2"}, {NULL}, "", {"    first_byte_timeout:"}, "1m # default"},
    {{0}, {NULL}, "--origin: is missing: http://HOST:PORT or unix:/PATH\n", {NULL}, NULL},
    {{0}, {"OUTRIDER_ORIGIN="}, "OUTRIDER_ORIGIN: a value is missing\n", {NULL}, NULL},
    {{0},
     {"OUTRIDER_ORIGIN=https://h:1"},
     "OUTRIDER_ORIGIN: TLS to an origin is not supported yet: use http://\n",
     {NULL},
     NULL},
    {{.origin = "f:2"},
     {"OUTRIDER_LISTEN=:1,here,:1", "OUTRIDER_WORKER=1"},
     "OUTRIDER_WORKER: unknown variable: did you mean 'OUTRIDER_WORKERS'?\n"
     "OUTRIDER_LISTEN: needs a port, such as https://0.0.0.0:8443, not 'here'\n"
     "OUTRIDER_LISTEN: the same address is given twice\n",
     {NULL},
     NULL},
    {{.origin = "f:2"},
     {"OUTRIDER_LISTEN="},
     "OUTRIDER_LISTEN: needs at least one entry\n",
     {NULL},
     NULL},
    {{.origin = "f:2", LISTEN(":1", ":2")},
     {"OUTRIDER_CERT=/nonexistent/c", "OUTRIDER_KEY=/nonexistent/k"}, // once, not per listener
     "OUTRIDER_CERT: cannot read '/nonexistent/c': No such file or directory\n"
     "OUTRIDER_KEY: cannot read '/nonexistent/k': No such file or directory\n",
     {NULL},
     NULL},
    {{.origin = "f:2"},
     {"OUTRIDER_KEY=" NULLS},
     "OUTRIDER_KEY: needs a certificate as well: --cert FILE or OUTRIDER_CERT\n",
     {NULL},
     NULL},
    {{.origin = "f:2", LISTEN("HTTP://:1")},
     {"OUTRIDER_CERT=" NULLS, "OUTRIDER_KEY=" NULLS},
     "OUTRIDER_CERT: no listener is an https:// one\n",
     {NULL},
     NULL},
};

static void test_flags_go_over_variables(void **state) {
    (void)state;
    for (size_t i = 0; i < LENGTH(flag_cases); i++) {
        const struct flag_case *row = &flag_cases[i];
        struct config_flags flags = row->flags;
        flags.environment = row->variables;
        struct config_errors errors = {0};
        struct config *config = config_from_flags(&flags, &errors);
        char *lines = errors_of(&errors);
        assert_string_equal(lines, row->errors);
        free(lines);
        assert_true((config != NULL) == (row->errors[0] == '\0'));
        if (config != NULL) {
            check_line(config, row->lines, row->wanted);
        }
        config_destroy(config);
    }
}

// --- the process --------------------------------------------------------------------------------

static void test_a_file_is_loaded_with_the_environment_of_the_process(void **state) {
    (void)state;
    char path[4096];
    const char *root = getenv("OUTRIDER_ROOT");
    snprintf(path, sizeof(path), "%s/config/minimal.yaml", root != NULL ? root : ".");
    for (int i = 2; i >= 0; i--) { // a reload sees what is there then
        char value[8];
        snprintf(value, sizeof(value), "%d", 5 + i);
        assert_int_equal(i > 0 ? setenv("OUTRIDER_PUSH_MAX_OPEN", value, 1)
                               : unsetenv("OUTRIDER_PUSH_MAX_OPEN"),
                         0);
        struct config_errors errors = {0};
        struct config *config = config_load(path, &errors);
        assert_non_null(config);
        assert_int_equal(config->push.max_open, i > 0 ? 5 + i : 32);
        config_destroy(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_scalar_has_a_name_of_its_own),
        cmocka_unit_test(test_the_names_that_stand_in_the_manual),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_a_route_says_more_than_a_variable),
        cmocka_unit_test(test_what_is_printed_gives_the_same_without_variables),
        cmocka_unit_test(test_errors_name_the_variable),
        cmocka_unit_test(test_a_file_that_is_no_mapping),
        cmocka_unit_test(test_flags_go_over_variables),
        cmocka_unit_test(test_a_file_is_loaded_with_the_environment_of_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
