// SPDX-License-Identifier: Apache-2.0
// Defaults, the table of options, the files of config/, flags, trusted networks.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/config_options.h"
#include "config/config_yaml.h"

static char *path_of(const char *name) {
    static char path[4096];
    const char *root = getenv("OUTRIDER_ROOT");
    snprintf(path, sizeof(path), "%s/config/%s", root != NULL ? root : ".", name);
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

static struct config *load(const char *name) {
    struct config_errors errors = {0};
    struct config *config = config_load(path_of(name), &errors);
    config_errors_print(&errors, stderr);
    assert_non_null(config);
    return config;
}

// --- defaults -----------------------------------------------------------------------------------

static void test_defaults(void **state) {
    (void)state;
    struct config *config = config_create_default();
    assert_string_equal(config->file, "");
    assert_int_equal(config->listener_count + config->origin_count + config->route_count, 0);
    assert_int_equal(config->workers, 0);
    const struct config_limits limits = {
        .head_bytes = 64 * 1024,
        .head_fields = 100,
        .field_bytes = 16 * 1024,
        .cookie_crumbs = 256,
        .cookie_bytes = 32 * 1024,
        .uri_bytes = 8 * 1024,
        .response_head_bytes = 64 * 1024,
        .response_head_fields = 256,
        .interim_responses = 100,
        .interim_bytes = 64 * 1024,
        .streams = 100,
        .connections = 10000,
        .address_share = 50,
    };
    assert_memory_equal(&config->limits, &limits, sizeof(limits));
    const struct config_timeouts timeouts = {
        .handshake_ms = 10000,
        .head_ms = 10000,
        .body_ms = 30000,
        .idle_ms = 180000,
        .write_ms = 30000,
        .drain_ms = 25000,
        .origin_connect_ms = 3000,
        .origin_first_byte_ms = 60000,
        .origin_between_bytes_ms = 60000,
        .origin_total_ms = 0,
        .origin_idle_ms = 2000,
    };
    assert_memory_equal(&config->timeouts, &timeouts, sizeof(timeouts));
    assert_true(config->push.is_on);
    assert_int_equal(config->push.max_per_page, 32);
    assert_int_equal(config->push.max_open, 32);
    assert_int_equal(config->push.origin_share, 25);
    assert_int_equal(config->push.credentials, CONFIG_CREDENTIALS_NONE);
    assert_false(config->push.on_behind_proxy);
    assert_false(config->push.is_marked);
    assert_null(config->push.authorities);
    assert_int_equal(config->push.visitors, CONFIG_VISITORS_OFF);
    assert_int_equal(config->push.short_life_ms, 600000);
    assert_false(config->push.with_cache_digest || config->push.revalidate);
    assert_string_equal(config->push.event, "");
    assert_true(config->hint.is_on);
    assert_false(config->hint.to_all || config->hint.on_http1);
    assert_null(config->hint.fields);
    assert_true(config->learn.is_on);
    assert_false(config->learn.by_behaviour || config->learn.with_query);
    assert_false(config->learn.with_private);
    assert_int_equal(config->learned.pages, 1024);
    assert_int_equal(config->learned.page_bytes, 2048);
    assert_null(config->learned.file);
    assert_int_equal(config->learned.save_ms, 300000);
    assert_null(config->digest.key_file);
    assert_string_equal(config->digest.cookie, "outrider-digest");
    assert_string_equal(config->log.access, "stdout");
    assert_int_equal(config->log.format, CONFIG_LOG_JSON);
    assert_int_equal(config->log.level, CONFIG_LEVEL_INFO);
    assert_int_equal(config->log.error_format, CONFIG_LOG_TEXT);
    assert_int_equal(config->log.sample, 1);
    assert_null(config->log.redact);
    assert_null(config->log.fields);
    assert_string_equal(config->log.request_id, "x-request-id");
    config_destroy(config);
    config_destroy(NULL);
}

static void check_table(const struct config_section *section, size_t *count) {
    for (size_t i = 0; section != NULL && i < section->count; i++) {
        const struct config_option *option = &section->options[i];
        assert_non_null(option->name);
        assert_non_null(option->meaning);
        assert_in_range(strlen(option->meaning), 4, 100);
        assert_true(option->min <= option->max);
        assert_true(!option->is_required || option->initial == NULL);
        assert_ptr_equal(config_options_find(section, slice_of_text(option->name), NULL, NULL),
                         option);
        if (option->section != NULL) {
            check_table(option->section, count);
        }
        ++*count;
    }
    if (section->rest != NULL) {
        check_table(section->rest, count);
    }
}

static void test_every_option_has_a_meaning(void **state) {
    (void)state;
    size_t count = 0;
    check_table(&config_options_root, &count);
    assert_true(count > 80);
}

static void test_options_are_found_by_path(void **state) {
    (void)state;
    struct config *config = config_create_default();
    void *place = NULL;
    const struct config_option *option =
        config_options_find_path("timeouts.origin_idle", config, &place);
    assert_non_null(option);
    assert_ptr_equal(config_option_member(option, place), &config->timeouts.origin_idle_ms);
    option = config_options_find_path("workers", config, &place);
    assert_non_null(option);
    assert_ptr_equal(config_option_member(option, place), &config->workers);
    assert_null(config_options_find_path("timeouts.nothing", config, &place));
    assert_null(config_options_find_path("workers.idle", config, &place));
    assert_null(config_options_find_path("listeners.address", config, &place));
    config_destroy(config);
}

// --- the files of config/ -----------------------------------------------------------------------

static void test_the_reference_says_the_defaults(void **state) {
    (void)state;
    struct config *reference = load("outrider.yaml");
    struct config *minimal = load("minimal.yaml");
    char *first = print(reference);
    char *second = print(minimal);
    assert_string_equal(first, second);
    free(first);
    free(second);
    struct config *defaults = config_create_default();
    assert_memory_equal(&reference->limits, &defaults->limits, sizeof(defaults->limits));
    assert_memory_equal(&reference->timeouts, &defaults->timeouts, sizeof(defaults->timeouts));
    config_destroy(defaults);
    config_destroy(reference);
    config_destroy(minimal);
}

static bool is_word_byte(char c) {
    c = slice_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

// `key:` in the block of a top-level option; live: not in a comment, with one behind it.
static bool stands_in(struct slice block, const char *key, bool is_live, bool needs_comment) {
    struct slice name = slice_of_text(key);
    for (size_t i = 0; i + name.length < block.length; i++) {
        struct slice here = slice_of(block.data + i, block.length - i);
        bool is_start = i == 0 || !is_word_byte(block.data[i - 1]);
        if (!is_start || !slice_starts_with(here, name) || here.data[name.length] != ':') {
            continue;
        }
        size_t line = i;
        while (line > 0 && block.data[line - 1] != '\n') {
            line--;
        }
        struct slice before = slice_of(block.data + line, i - line);
        struct slice behind = slice_first(here, slice_find(here, '\n'));
        bool is_comment = slice_find(before, '#') < before.length;
        bool has_comment = slice_find(behind, '#') < behind.length;
        if (!is_live || (!is_comment && (has_comment || !needs_comment))) {
            return true;
        }
    }
    return false;
}

static void check_block(struct slice block, const struct config_section *section) {
    for (size_t i = 0; i < section->count; i++) {
        const struct config_option *option = &section->options[i];
        bool has_default =
            (option->initial != NULL && option->initial[0] != '\0') || option->inherits != NULL;
        if (!stands_in(block, option->name, has_default, config_kind_is_value(option->kind))) {
            fail_msg("config/outrider.yaml lacks %s (below %.30s), or its meaning", option->name,
                     block.data);
        }
        if (option->section != NULL) {
            check_block(block, option->section);
        }
    }
}

// The lines from `name:` at their start up to the next key that stands at a start.
static struct slice find_block(const char *text, const char *name) {
    char start[64];
    snprintf(start, sizeof(start), "\n%s:", name);
    const char *from = strstr(text, start);
    if (from == NULL) {
        fail_msg("config/outrider.yaml lacks %s", name);
        return SLICE_EMPTY;
    }
    const char *to = from + 1;
    do {
        to = strchr(to, '\n');
        to = to != NULL ? to + 1 : NULL;
    } while (to != NULL && !is_word_byte(*to));
    return slice_of(from + 1, to != NULL ? (size_t)(to - from - 1) : strlen(from + 1));
}

static void test_the_reference_names_every_option(void **state) {
    (void)state;
    static char text[64 * 1024];
    FILE *file = fopen(path_of("outrider.yaml"), "r");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    assert_in_range(length, 1000, sizeof(text) - 2);
    for (size_t i = 0; i < config_options_root.count; i++) {
        const struct config_option *option = &config_options_root.options[i];
        struct slice block = find_block(text, option->name);
        if (option->section != NULL) {
            check_block(block, option->section);
        }
    }
}

static void test_the_minimal_file_is_short(void **state) {
    (void)state;
    FILE *file = fopen(path_of("minimal.yaml"), "r");
    assert_non_null(file);
    size_t lines = 0;
    for (int c = fgetc(file); c != EOF; c = fgetc(file)) {
        lines += c == '\n';
    }
    fclose(file);
    assert_in_range(lines, 3, 10);
}

// --- flags --------------------------------------------------------------------------------------

struct flag_case {
    struct config_flags flags;
    const char *errors; // "" when it is good
    const char *listeners;
    const char *origin;
};

#define LISTEN(...)                                                                                \
    .listen = (const char *const[]){__VA_ARGS__},                                                  \
    .listen_count = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)
#define APP .origin = "http://127.0.0.1:3000"

static const struct flag_case flag_cases[] = {
    {{APP}, "", "https 127.0.0.1 8443 0,", "127.0.0.1 3000"},
    {{.origin = "127.0.0.1:3000"}, "", "https 127.0.0.1 8443 0,", "127.0.0.1 3000"},
    {{.origin = "App.local:80"}, "", "https 127.0.0.1 8443 0,", "app.local 80"},
    {{.origin = "http://localhost"}, "", "https 127.0.0.1 8443 0,", "localhost 80"},
    {{.origin = "http://[::1]:3000/"}, "", "https 127.0.0.1 8443 0,", "::1 3000"},
    {{.origin = "unix:/run/app.sock"}, "", "https 127.0.0.1 8443 0,", "/run/app.sock"},
    {{APP, LISTEN("https://127.0.0.1:8443", "http://127.0.0.1:8080", "[::]:443", ":0", ":0")},
     "",
     "https 127.0.0.1 8443 0,http 127.0.0.1 8080 0,https :: 443 0,https  0 0,https  0 0,",
     "127.0.0.1 3000"},
    {{APP, .certificate = "/dev/null", .key = "/dev/null", LISTEN("*:1", "http://*:2", "*:3")},
     "",
     "https  1 1,http  2 0,https  3 1,",
     "127.0.0.1 3000"},
    {{0}, "--origin: is missing: http://HOST:PORT or unix:/PATH\n", NULL, NULL},
    {{.origin = "https://a:1"},
     "--origin: TLS to an origin is not supported yet: use http://\n",
     NULL,
     NULL},
    {{.origin = "localhost"},
     "--origin: needs a port, such as http://127.0.0.1:3000\n",
     NULL,
     NULL},
    {{APP, .certificate = "/dev/null"},
     "--cert: needs a key as well: --key FILE or OUTRIDER_KEY\n",
     NULL,
     NULL},
    {{APP, .key = "/dev/null"},
     "--key: needs a certificate as well: --cert FILE or OUTRIDER_CERT\n",
     NULL,
     NULL},
    {{APP, .certificate = "/nonexistent/c", .key = "/nonexistent/k"},
     "--cert: cannot read '/nonexistent/c': No such file or directory\n"
     "--key: cannot read '/nonexistent/k': No such file or directory\n",
     NULL,
     NULL},
    {{APP, .certificate = "/dev/null", .key = "/dev/null", LISTEN("http://127.0.0.1:8080")},
     "--cert: no listener is an https:// one\n",
     NULL,
     NULL},
    {{APP, LISTEN("127.0.0.1:1", "http://127.0.0.1:1")},
     "--listen: the same address is given twice\n",
     NULL,
     NULL},
    {{APP, LISTEN("here", ":x"), .workers = "1025", .origin_timeout = "60"},
     "--origin-timeout: '60' needs a unit: ms, s, m, h or d\n"
     "--workers: must be 1 to 1024, or auto\n"
     "--listen: needs a port, such as https://0.0.0.0:8443, not 'here'\n"
     "--listen: 'x' is not a port: expected 0 to 65535\n",
     NULL,
     NULL},
};

static void check_flags(const struct flag_case *row, const struct config *config) {
    char text[400] = "";
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "http%s %s %u %zu,", listener->is_tls ? "s" : "",
                 listener->host, listener->port, listener->certificate_count);
    }
    assert_string_equal(text, row->listeners);
    const struct config_origin *origin = &config->origins[0];
    snprintf(text, sizeof(text), "%s %u", origin->host, origin->port);
    assert_string_equal(origin->kind == CONFIG_ORIGIN_UNIX ? origin->path : text, row->origin);
    assert_int_equal(config->origin_count, 1);
    assert_int_equal(config->route_count, 1);
    assert_string_equal(config->routes[0].host, "");
    assert_string_equal(config->routes[0].path, "/");
    assert_int_equal(config->routes[0].origin, 0);
    assert_true(config->routes[0].push.is_on && config->routes[0].hint.is_on);
    assert_true(config->routes[0].learn.is_on);
}

static void test_flags(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(flag_cases) / sizeof(flag_cases[0]); i++) {
        const struct flag_case *row = &flag_cases[i];
        struct config_errors errors = {0};
        struct config *config = config_from_flags(&row->flags, &errors);
        char *lines = NULL;
        size_t length = 0;
        FILE *out = open_memstream(&lines, &length);
        config_errors_print(&errors, out);
        fclose(out);
        assert_string_equal(lines, row->errors);
        assert_true((config != NULL) == (row->errors[0] == '\0'));
        if (config != NULL) {
            check_flags(row, config);
        }
        free(lines);
        config_errors_finish(&errors);
        config_destroy(config);
    }
}

static void test_flags_set_workers_and_silence(void **state) {
    (void)state;
    struct config_errors errors = {0};
    const struct config_flags flags = {APP, .workers = "3", .origin_timeout = "1500ms"};
    struct config *config = config_from_flags(&flags, &errors);
    assert_non_null(config);
    assert_int_equal(config->workers, 3);
    assert_int_equal(config->origins[0].first_byte_ms, 1500);
    assert_int_equal(config->origins[0].between_bytes_ms, 1500);
    assert_int_equal(config->origins[0].connect_ms, 3000);
    assert_int_equal(config->origins[0].max_connections, 1024);
    char *text = print(config);
    struct config *again = config_load_text("printed", text, strlen(text), &errors);
    assert_non_null(again);
    assert_int_equal(again->origins[0].first_byte_ms, 1500);
    free(text);
    config_destroy(again);
    config_destroy(config);
}

// --- files that are written ---------------------------------------------------------------------

// What outrider check says of learned.file; "" when it is good.
static void check_learned_file(const char *path, const char *wanted) {
    char text[300];
    snprintf(text, sizeof(text),
             "listeners: [':1']\norigins: {a: 'h:1'}\nroutes: [{origin: a}]\n"
             "learned: {pages: 1, page: 32KiB, file: %s, save: 1s}\n"
             "digest: {cookie: __Host-D, key_file: /dev/null}\n",
             path);
    struct config_errors errors = {0};
    struct config *config = config_load_text("test", text, strlen(text), &errors);
    assert_string_equal(errors.count > 0 ? errors.rows[0].text : "", wanted);
    assert_true((config != NULL) == (wanted[0] == '\0'));
    if (config != NULL) {
        assert_string_equal(config->learned.file, path);
        assert_int_equal(config->learned.pages, 1);
        assert_int_equal(config->learned.page_bytes, 32768);
        assert_int_equal(config->learned.save_ms, 1000);
        assert_string_equal(config->digest.key_file, "/dev/null");
        assert_string_equal(config->digest.cookie, "__Host-D");
    }
    config_errors_finish(&errors);
    config_destroy(config);
}

static void test_the_learned_file_may_be_new(void **state) {
    (void)state;
    char folder[] = "config-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char path[64];
    char wanted[128];
    snprintf(path, sizeof(path), "./%s/learned", folder);
    check_learned_file(path, "");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    check_learned_file(path, "");
    if (geteuid() != 0) { // who may do everything
        assert_int_equal(chmod(folder, 0500), 0);
        snprintf(wanted, sizeof(wanted), "cannot write to the directory './%s': Permission denied",
                 folder);
        check_learned_file(path, wanted);
        assert_int_equal(chmod(folder, 0700), 0);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    snprintf(wanted, sizeof(wanted),
             "cannot write to the directory './%s': No such file or directory", folder);
    check_learned_file(path, wanted);
}

// --- trusted ------------------------------------------------------------------------------------

static void test_trusted_networks(void **state) {
    (void)state;
    static const char text[] =
        "listeners: [':1']\norigins: {a: 'h:1'}\nroutes: [{origin: a}]\n"
        "trusted: [10.0.0.0/8, 192.0.2.16/29, 127.0.0.1, 'fc00::/7', '::1']\n";
    static const struct {
        const char *address;
        bool is_trusted;
    } rows[] = {
        {"10.0.0.0", true},    {"10.255.255.255", true},
        {"11.0.0.0", false},   {"9.255.255.255", false},
        {"192.0.2.15", false}, {"192.0.2.16", true},
        {"192.0.2.23", true},  {"192.0.2.24", false},
        {"127.0.0.1", true},   {"127.0.0.2", false},
        {"::1", true},         {"::2", false},
        {"fd12::1", true},     {"fc00::", true},
        {"fe00::", false},     {"::ffff:10.1.1.1", true},
        {"::10.1.1.1", false},
    };
    struct config_errors errors = {0};
    struct config *config = config_load_text("test", text, sizeof(text) - 1, &errors);
    config_errors_print(&errors, stderr);
    assert_non_null(config);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t address[16] = {[10] = 0xff, [11] = 0xff};
        if (inet_pton(AF_INET, rows[i].address, address + 12) != 1) {
            assert_int_equal(inet_pton(AF_INET6, rows[i].address, address), 1);
        }
        assert_int_equal(config_is_trusted(config, address), rows[i].is_trusted);
    }
    config_destroy(config);
}

static void test_errors_are_printed_one_a_line(void **state) {
    (void)state;
    struct config_errors errors = {0};
    config_errors_add(&errors, "a.yaml", 3, 7, "listeners[0].tls.key", "does not fit %s", "it");
    config_errors_add(&errors, "a.yaml", 0, 0, "", "is empty");
    config_errors_add(&errors, "a.yaml", 1, 1, "", "not valid\nYAML");
    config_errors_add(&errors, "", 0, 0, "--key", "needs --cert");
    char *lines = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&lines, &length);
    config_errors_print(&errors, out);
    fclose(out);
    assert_string_equal(lines, "a.yaml:3:7: listeners[0].tls.key: does not fit it\n"
                               "a.yaml: is empty\n"
                               "a.yaml:1:1: not valid?YAML\n"
                               "--key: needs --cert\n");
    free(lines);
    config_errors_finish(&errors);
    assert_int_equal(errors.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_option_has_a_meaning),
        cmocka_unit_test(test_options_are_found_by_path),
        cmocka_unit_test(test_the_reference_says_the_defaults),
        cmocka_unit_test(test_the_reference_names_every_option),
        cmocka_unit_test(test_the_minimal_file_is_short),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_flags_set_workers_and_silence),
        cmocka_unit_test(test_the_learned_file_may_be_new),
        cmocka_unit_test(test_trusted_networks),
        cmocka_unit_test(test_errors_are_printed_one_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
