// SPDX-License-Identifier: Apache-2.0
#include "config_environment.h"

#include <string.h>

#include "config/config_options.h"
#include "config_guess.h"
#include "config_value.h"

#define PREFIX "OUTRIDER_"

static void apply_one(struct config_node_maker *maker, struct slice name, struct slice value,
                      bool has_file, struct config_node *root, struct config_errors *errors);
static const struct config_option *find(const struct config_section *section, struct slice name,
                                        struct slice *out_rest);
static bool is_settable(const struct config_option *option);
static bool take_upper(struct slice *name, const char *word);
static struct config_node *enter(struct config_node_maker *maker, struct config_node *map,
                                 const struct config_option *option);
static void put_value(struct config_node_maker *maker, struct config_node *map,
                      const struct config_option *option, struct slice value);
static bool is_flag(struct slice name);
static bool is_foreign(struct slice name, struct slice value);
static bool is_service_link(struct slice name, struct slice value);
static struct slice next_part(struct slice *rest);
static void say_unknown(struct config_node_maker *maker, struct slice name,
                        struct config_errors *errors);
static void consider(struct config_node_maker *maker, const struct config_section *section,
                     const char *before, struct config_guess *guess);
static void say(struct config_node_maker *maker, struct config_errors *errors, const char *text);

// The flags that can be given as a variable when there is no file.
static const char *const flag_names[] = {"ORIGIN", "LISTEN", "CERT", "KEY"};
enum { FLAG_COUNT = sizeof(flag_names) / sizeof(flag_names[0]) };

void config_environment_apply(struct config_node_maker *maker, const char *const *environment,
                              bool has_file, struct config_node *root,
                              struct config_errors *errors) {
    for (; environment != NULL && *environment != NULL; environment++) {
        struct slice text = slice_of_text(*environment);
        size_t equals = slice_find(text, '=');
        struct slice name = slice_first(text, equals);
        if (slice_starts_with(name, SLICE(PREFIX))) {
            maker->source = arena_copy(maker->arena, name).data;
            apply_one(maker, slice_skip(name, strlen(PREFIX)), slice_skip(text, equals + 1),
                      has_file, root, errors);
        }
    }
}

const char *config_environment_find(const char *const *environment, const char *name) {
    size_t length = strlen(name);
    for (; environment != NULL && *environment != NULL; environment++) {
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=') {
            return *environment + length + 1;
        }
    }
    return NULL;
}

static void apply_one(struct config_node_maker *maker, struct slice name, struct slice value,
                      bool has_file, struct config_node *root, struct config_errors *errors) {
    const struct config_section *section = &config_options_root;
    struct config_node *map = root;
    struct slice rest = name;
    const struct config_option *option = find(section, name, &rest);
    while (option != NULL && option->kind == CONFIG_SECTION && map != NULL) {
        map = enter(maker, map, option);
        section = option->section;
        option = find(section, rest, &rest);
    }
    if (option != NULL) {
        put_value(maker, map, option, value);
    } else if (is_flag(name)) {
        if (has_file) {
            say(maker, errors, "is for a start without a configuration file: set it there");
        }
    } else if (!is_foreign(name, value)) {
        say_unknown(maker, name, errors);
    }
}

// --- names --------------------------------------------------------------------------------------

// The option that a name ends with, or the section it goes on in. NULL also for a section in which
// there is no such option.
static const struct config_option *find(const struct config_section *section, struct slice name,
                                        struct slice *out_rest) {
    for (size_t i = 0; i < section->count; i++) {
        const struct config_option *option = &section->options[i];
        struct slice rest = name;
        struct slice inner;
        if (!take_upper(&rest, option->name)) {
            continue;
        }
        if (rest.length == 0 && is_settable(option)) {
            return option;
        }
        if (option->kind == CONFIG_SECTION && take_upper(&rest, "_") &&
            find(option->section, rest, &inner) != NULL) {
            *out_rest = rest;
            return option;
        }
    }
    return NULL;
}

// Lists and maps of sections have no name for one value in them.
static bool is_settable(const struct config_option *option) {
    return config_kind_is_value(option->kind) ||
           (option->kind == CONFIG_LIST && option->item != NULL);
}

static bool take_upper(struct slice *name, const char *word) {
    size_t length = strlen(word);
    if (name->length < length) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = name->data[i];
        if (slice_lower(c) != word[i] || (c >= 'a' && c <= 'z')) {
            return false;
        }
    }
    *name = slice_skip(*name, length);
    return true;
}

static bool is_flag(struct slice name) {
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (slice_equal(name, slice_of_text(flag_names[i]))) {
            return true;
        }
    }
    return false;
}

// Others give variables such names too: the tests, and Kubernetes where a service has our name.
static bool is_foreign(struct slice name, struct slice value) {
    return slice_starts_with(name, SLICE("TEST_")) || slice_equal(name, SLICE("BINARY")) ||
           slice_equal(name, SLICE("ROOT")) || slice_equal(name, SLICE("LINK")) ||
           is_service_link(name, value);
}

// OUTRIDER_SERVICE_HOST=10.0.0.1, OUTRIDER_SERVICE_PORT_HTTPS=443, OUTRIDER_PORT=tcp://10.0.0.1:443
// and OUTRIDER_PORT_443_TCP_ADDR=10.0.0.1; of a service outrider-web, OUTRIDER_WEB_PORT and so on.
static bool is_service_link(struct slice name, struct slice value) {
    struct slice part = next_part(&name);
    for (; part.length > 0; part = next_part(&name)) {
        struct slice behind = name;
        struct slice next = next_part(&behind);
        if (slice_equal(part, SLICE("SERVICE")) &&
            (slice_equal(next, SLICE("HOST")) || slice_equal(next, SLICE("PORT")))) {
            return true;
        }
        if (slice_equal(part, SLICE("PORT")) &&
            (next.length > 0
                 ? next.data[0] >= '0' && next.data[0] <= '9'
                 : slice_starts_with(slice_skip(value, slice_find(value, ':')), SLICE("://")))) {
            return true;
        }
    }
    return false;
}

static struct slice next_part(struct slice *rest) {
    size_t end = slice_find(*rest, '_');
    struct slice part = slice_first(*rest, end);
    *rest = slice_skip(*rest, end + 1);
    return part;
}

// --- the tree -----------------------------------------------------------------------------------

// The mapping of a section, made where it is missing or where a word stands for it: `push: off`.
static struct config_node *enter(struct config_node_maker *maker, struct config_node *map,
                                 const struct config_option *option) {
    if (map->kind != CONFIG_NODE_MAP) {
        return NULL;
    }
    struct config_node *node =
        (struct config_node *)(uintptr_t)config_node_child(map, option->name);
    if (node == NULL) {
        return config_node_put(maker, map, option->name,
                               config_node_make(maker, CONFIG_NODE_MAP, SLICE_EMPTY));
    }
    bool is_null = config_node_is_null(node);
    if (node->kind == CONFIG_NODE_MAP || (!is_null && node->kind != CONFIG_NODE_WORD) ||
        (!is_null && option->bare == NULL)) {
        return node->kind == CONFIG_NODE_MAP ? node : NULL;
    }
    struct config_node word = *node;
    node->kind = CONFIG_NODE_MAP;
    if (!is_null) {
        struct config_node *bare = config_node_make(maker, CONFIG_NODE_WORD, word.text);
        bare->is_plain = word.is_plain;
        bare->line = word.line;
        bare->column = word.column;
        bare->source = word.source;
        config_node_put(maker, node, option->bare, bare);
    }
    return node;
}

static void put_value(struct config_node_maker *maker, struct config_node *map,
                      const struct config_option *option, struct slice value) {
    if (map == NULL || map->kind != CONFIG_NODE_MAP) {
        return; // the file has no mapping there, which its reader will say
    }
    config_node_put(maker, map, option->name,
                    option->kind == CONFIG_LIST ? config_node_make_list(maker, value)
                                                : config_node_make(maker, CONFIG_NODE_WORD, value));
}

// --- errors -------------------------------------------------------------------------------------

static void say_unknown(struct config_node_maker *maker, struct slice name,
                        struct config_errors *errors) {
    struct config_guess guess = {.word = name};
    consider(maker, &config_options_root, "", &guess);
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        config_guess_consider(&guess, flag_names[i]);
    }
    struct slice text = guess.best != NULL
                            ? arena_printf(maker->arena, "unknown variable: did you mean '%s%s'?",
                                           PREFIX, guess.best)
                            : SLICE("unknown variable: no option has this name");
    say(maker, errors, text.data);
}

// Shows the guess the names of all options below.
static void consider(struct config_node_maker *maker, const struct config_section *section,
                     const char *before, struct config_guess *guess) {
    for (size_t i = 0; i < section->count; i++) {
        const struct config_option *option = &section->options[i];
        struct slice name = arena_printf(maker->arena, "%s%s", before, option->name);
        char *upper = (char *)(uintptr_t)name.data;
        for (size_t n = 0; n < name.length; n++) {
            upper[n] = upper[n] >= 'a' && upper[n] <= 'z' ? (char)(upper[n] - 'a' + 'A') : upper[n];
        }
        if (is_settable(option)) {
            config_guess_consider(guess, name.data);
        } else if (option->kind == CONFIG_SECTION) {
            consider(maker, option->section, arena_printf(maker->arena, "%s_", name.data).data,
                     guess);
        }
    }
}

static void say(struct config_node_maker *maker, struct config_errors *errors, const char *text) {
    struct slice name = config_reason_word(slice_of_text(maker->source));
    config_errors_add(errors, "", 0, ++maker->column, arena_copy(maker->arena, name).data, "%s",
                      text);
}
