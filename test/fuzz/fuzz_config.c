// SPDX-License-Identifier: Apache-2.0
// A configuration. Input: YAML; or lines of an environment, a NUL and then YAML. Either there are
// mistakes, each in a line that is there; or what is in force is printed, and the print, read
// again,
// is the same configuration; and every route is found by its own host and path.
#include "fuzz.h"

#include "base/alloc.h"
#include "config/config_yaml.h"
#include "config/router.h"

enum { MOST_VARIABLES = 16 };

static void check_errors(const struct config_errors *errors, struct slice text) {
    unsigned lines = 1;
    for (size_t i = 0; i < text.length; i++) {
        lines += text.data[i] == '\n' || text.data[i] == '\r';
    }
    fuzz_check(errors->count > 0);
    for (size_t i = 0; i < errors->count; i++) {
        const struct config_error *error = &errors->rows[i];
        fuzz_check(error->line <= lines + 1); // the end may be behind the last line's end
        fuzz_check(error->text[0] != '\0' && error->key != NULL && error->file != NULL);
        for (const char *at = error->text; *at != '\0'; at++) {
            fuzz_check((unsigned char)*at >= ' ');
        }
    }
}

static void check_routes(const struct config *config) {
    struct router *router = router_create(config);
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        char host[512];
        fuzz_check(route->origin < config->origin_count);
        snprintf(host, sizeof(host), "%s%s", route->host[0] == '*' ? "x" : "",
                 route->host[0] == '*'    ? route->host + 1
                 : route->host[0] == '\0' ? "any.example"
                                          : route->host);
        const struct config_route *found =
            router_find(router, slice_of_text(host), slice_of_text(route->path));
        fuzz_check(found != NULL); // itself, or one that is more exact
        fuzz_check(strlen(found->path) >= strlen(route->path) || found->host[0] != '\0');
        bool is_exact = route->host[0] != '\0' && route->host[0] != '*';
        fuzz_check(!is_exact || found == route);
    }
    router_find(router, SLICE("other.example:81"), SLICE("/a/b?c"));
    router_find(router, SLICE("[::1]"), SLICE("*"));
    router_destroy(router);
}

// Without the comments, which say where values come from.
static char *print(const struct config *config) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    fuzz_check(out != NULL);
    config_print(config, out);
    fclose(out);
    return text;
}

static struct slice without_comment(struct slice line) {
    for (size_t i = 0; i + 1 < line.length; i++) {
        if (line.data[i] == ' ' && line.data[i + 1] == '#') {
            line.length = i;
        }
    }
    while (line.length > 0 && line.data[line.length - 1] == ' ') {
        line.length--;
    }
    return line;
}

static void check_same(const char *first, const char *second) {
    struct slice a = slice_of_text(first);
    struct slice b = slice_of_text(second);
    while (a.length > 0 || b.length > 0) {
        struct slice line_a = slice_first(a, slice_find(a, '\n'));
        struct slice line_b = slice_first(b, slice_find(b, '\n'));
        fuzz_check(slice_equal(without_comment(line_a), without_comment(line_b)));
        a = slice_skip(a, line_a.length + 1);
        b = slice_skip(b, line_b.length + 1);
    }
}

static void check_print(const struct config *config) {
    struct config_errors errors = {0};
    char *printed = print(config);
    struct config *again = config_load_text("printed.yaml", printed, strlen(printed), &errors);
    if (again == NULL) {
        fprintf(stderr, "%s", printed);
        config_errors_print(&errors, stderr);
    }
    fuzz_check(again != NULL);
    char *printed_again = print(again);
    check_same(printed, printed_again);
    config_destroy(again);
    config_errors_finish(&errors);
    free(printed);
    free(printed_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input_of(data, size);
    const char *environment[MOST_VARIABLES + 1] = {NULL};
    char *variables = NULL;
    if (memchr(data, '\0', size) != NULL) {
        struct slice lines = fuzz_take_until(&input, '\0');
        variables = alloc_zeroed(lines.length + 1, 1);
        memcpy(variables, lines.data, lines.length);
        char *rest = variables;
        for (size_t i = 0; i < MOST_VARIABLES && rest != NULL && *rest != '\0'; i++) {
            environment[i] = strsep(&rest, "\n");
        }
    }
    struct slice text = fuzz_rest(&input);
    char *copy = fuzz_copy(text);
    struct config_errors errors = {0};
    struct config *config =
        config_load_text_with("fuzz.yaml", copy, text.length, environment, &errors);
    if (config == NULL) {
        check_errors(&errors, text);
    } else {
        fuzz_check(errors.count == 0);
        check_routes(config);
        check_print(config);
    }
    config_errors_finish(&errors);
    config_destroy(config);
    free(copy);
    free(variables);
    return 0;
}
