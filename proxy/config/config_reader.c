// SPDX-License-Identifier: Apache-2.0
#include "config_reader.h"

#include <stdarg.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "config_check.h"
#include "config_guess.h"
#include "config_record.h"
#include "config_value.h"

enum { MOST_ERRORS = 100 };

static void read_section(struct config_reader *reader, const struct config_scope *scope,
                         const struct config_section *section, void *place,
                         const struct config_node *node);
static void check_keys(struct config_reader *reader, const struct config_scope *scope,
                       const struct config_section *section, const struct config_node *node);
static const char *guess_key(const struct config_section *section, struct slice key);
static bool is_misspelt(const struct config_section *section, const char *name,
                        const struct config_node *node);
static void read_options(struct config_reader *reader, const struct config_scope *scope,
                         const struct config_section *section, void *place,
                         const struct config_node *node, bool is_about_values);
static void read_option(struct config_reader *reader, const struct config_scope *scope,
                        const struct config_option *option, void *place,
                        const struct config_node *node);
static void read_record(struct config_reader *reader, const struct config_scope *scope,
                        const struct config_option *option, void *place,
                        const struct config_node *node);
static void read_list(struct config_reader *reader, const struct config_scope *scope,
                      const struct config_option *option, void *place,
                      const struct config_node *node);
static void read_item(struct config_reader *reader, const struct config_scope *scope,
                      const struct config_option *option, void *place,
                      const struct config_node *node);
static void read_map(struct config_reader *reader, const struct config_scope *scope,
                     const struct config_option *option, void *place,
                     const struct config_node *node);
static bool check_count(struct config_reader *reader, const struct config_scope *scope,
                        const struct config_option *option, const struct config_node *node,
                        size_t count);
static bool is_good_name(struct slice name);
static void read_value(struct config_reader *reader, const struct config_scope *scope,
                       const struct config_option *option, void *place,
                       const struct config_node *node);
static bool read_origin_name(struct config_reader *reader, struct slice name, uint32_t *out_index,
                             struct config_reason *out_reason);
static bool has_control(struct slice text);
static bool is_utf8(struct slice text);
static void add_error(struct config_reader *reader, const struct config_node *node,
                      const char *file, const char *key, const char *text);
static void print_scope(const struct config_scope *scope, FILE *out);

struct config *config_reader_read(const char *file, struct arena *take_arena,
                                  const struct config_node *root, struct config_errors *errors) {
    struct config_reader reader = {
        .file = file, .config = config_create_default(), .errors = errors};
    size_t before = errors->count;
    reader.config->arena = take_arena;
    reader.config->written = root;
    config_value_set_text(&reader.config->file, slice_of_text(file));
    read_section(&reader, NULL, &config_options_root, reader.config, root);
    if (errors->count == before) {
        return reader.config;
    }
    config_destroy(reader.config);
    return NULL;
}

// --- sections -----------------------------------------------------------------------------------

static void read_section(struct config_reader *reader, const struct config_scope *scope,
                         const struct config_section *section, void *place,
                         const struct config_node *node) {
    // `limits:` with every line below it commented out is an empty mapping.
    if (node->kind != CONFIG_NODE_MAP && !config_node_is_null(node)) {
        config_reader_say(reader, scope, node, "expected a mapping, not %s",
                          config_node_what(node));
        return;
    }
    check_keys(reader, scope, section, node);
    size_t offset = 0;
    for (const struct config_section *part = section; part != NULL;
         offset += part->rest_offset, part = part->rest) {
        // Lists come last: their items inherit from the rest.
        read_options(reader, scope, part, (char *)place + offset, node, true);
        read_options(reader, scope, part, (char *)place + offset, node, false);
    }
    config_check_section(reader, scope, section, place, node);
}

static void check_keys(struct config_reader *reader, const struct config_scope *scope,
                       const struct config_section *section, const struct config_node *node) {
    for (const struct config_node *value = node->first; value != NULL; value = value->next) {
        const struct config_node *key = value->key;
        struct config_scope inner = {.parent = scope, .name = config_reason_word(key->text)};
        if (key->kind != CONFIG_NODE_WORD) {
            config_reader_say(reader, scope, key, "a key is a word, not %s", config_node_what(key));
        } else if (config_options_find(section, key->text, NULL, NULL) == NULL) {
            const char *guess = guess_key(section, key->text);
            config_reader_say(reader, &inner, key, "unknown key%s%s%s",
                              guess != NULL ? ": did you mean '" : "", guess != NULL ? guess : "",
                              guess != NULL ? "'?" : "");
        } else if (value->same != NULL) {
            config_reader_say(reader, &inner, key, "given twice, first in line %u",
                              value->same->key->line);
        }
    }
}

static const char *guess_key(const struct config_section *section, struct slice key) {
    struct config_guess guess = {.word = key};
    for (const struct config_section *part = section; part != NULL; part = part->rest) {
        for (size_t i = 0; i < part->count; i++) {
            config_guess_consider(&guess, part->options[i].name);
        }
    }
    return guess.best;
}

// Stands the option there under a name that was reported already?
static bool is_misspelt(const struct config_section *section, const char *name,
                        const struct config_node *node) {
    for (const struct config_node *value = node->first; value != NULL; value = value->next) {
        struct slice key = value->key->text;
        const char *guess =
            config_options_find(section, key, NULL, NULL) == NULL ? guess_key(section, key) : NULL;
        if (guess != NULL && strcmp(guess, name) == 0) {
            return true;
        }
    }
    return false;
}

static void read_options(struct config_reader *reader, const struct config_scope *scope,
                         const struct config_section *section, void *place,
                         const struct config_node *node, bool is_about_values) {
    for (size_t i = 0; i < section->count; i++) {
        const struct config_option *option = &section->options[i];
        bool is_value = config_kind_is_value(option->kind) || option->kind == CONFIG_SECTION;
        if (is_value != is_about_values) {
            continue;
        }
        struct config_scope inner = {.parent = scope, .name = slice_of_text(option->name)};
        const struct config_node *value = config_node_child(node, option->name);
        if (value != NULL) {
            read_option(reader, &inner, option, place, value);
        } else if (option->is_required && !is_misspelt(section, option->name, node)) {
            config_reader_say(reader, &inner, node, "is missing");
        }
    }
}

static void read_option(struct config_reader *reader, const struct config_scope *scope,
                        const struct config_option *option, void *place,
                        const struct config_node *node) {
    if (node->kind == CONFIG_NODE_BROKEN) {
        return;
    }
    if (option->kind == CONFIG_SECTION) {
        read_record(reader, scope, option, config_option_member(option, place), node);
    } else if (option->kind == CONFIG_LIST) {
        read_list(reader, scope, option, place, node);
    } else if (option->kind == CONFIG_MAP) {
        read_map(reader, scope, option, place, node);
    } else {
        read_value(reader, scope, option, place, node);
    }
}

// A mapping, or the word or list that stands for one of its options.
static void read_record(struct config_reader *reader, const struct config_scope *scope,
                        const struct config_option *option, void *place,
                        const struct config_node *node) {
    const struct config_section *section = option->section;
    bool is_word = node->kind == CONFIG_NODE_WORD && !config_node_is_null(node);
    const char *name = is_word                          ? option->bare
                       : node->kind == CONFIG_NODE_LIST ? option->bare_list
                                                        : NULL;
    if (name == NULL) {
        read_section(reader, scope, section, place, node);
        return;
    }
    void *inner = NULL;
    const struct config_option *bare =
        config_options_find(section, slice_of_text(name), place, &inner);
    ensure(bare != NULL);
    read_option(reader, scope, bare, inner, node);
    if (!is_word) {
        struct config_reason reason;
        bare = config_options_find(section, slice_of_text(option->bare), place, &inner);
        ensure(bare != NULL && config_value_parse(bare, SLICE("on"), inner, &reason));
    }
    config_check_section(reader, scope, section, place, node);
}

// --- lists and maps -----------------------------------------------------------------------------

static void read_list(struct config_reader *reader, const struct config_scope *scope,
                      const struct config_option *option, void *place,
                      const struct config_node *node) {
    config_record_clear(option, place); // what was inherited
    if (node->kind != CONFIG_NODE_LIST && option->may_be_single && !config_node_is_null(node)) {
        read_item(reader, scope, option, place, node);
        return;
    }
    if (node->kind != CONFIG_NODE_LIST && !config_node_is_null(node)) {
        config_reader_say(reader, scope, node, "expected a list, not %s", config_node_what(node));
        return;
    }
    if (!check_count(reader, scope, option, node, node->count)) {
        return;
    }
    struct config_scope inner = {.parent = scope, .is_item = true};
    for (const struct config_node *item = node->first; item != NULL; item = item->next) {
        read_item(reader, &inner, option, place, item);
        inner.index++;
    }
}

static void read_item(struct config_reader *reader, const struct config_scope *scope,
                      const struct config_option *option, void *place,
                      const struct config_node *node) {
    void *item = config_record_append(option, place);
    if (option->section != NULL) {
        config_record_init(option->section, item, reader->config);
    }
    if (node->kind == CONFIG_NODE_BROKEN) {
        return;
    }
    if (option->item != NULL) {
        read_value(reader, scope, option->item, item, node);
    } else if (config_node_is_null(node)) {
        config_reader_say(reader, scope, node, "a value is missing");
    } else {
        read_record(reader, scope, option, item, node);
    }
}

static void read_map(struct config_reader *reader, const struct config_scope *scope,
                     const struct config_option *option, void *place,
                     const struct config_node *node) {
    if (node->kind != CONFIG_NODE_MAP && !config_node_is_null(node)) {
        config_reader_say(reader, scope, node, "expected a mapping of names, not %s",
                          config_node_what(node));
        return;
    }
    if (!check_count(reader, scope, option, node, node->count)) {
        return;
    }
    for (const struct config_node *value = node->first; value != NULL; value = value->next) {
        const struct config_node *key = value->key;
        struct config_scope inner = {.parent = scope, .name = config_reason_word(key->text)};
        if (key->kind != CONFIG_NODE_WORD || !is_good_name(key->text)) {
            config_reader_say(reader, scope, key,
                              "a name has 1 to 64 letters, digits, '-', '_' and '.'");
        } else if (value->same != NULL) {
            config_reader_say(reader, &inner, key, "given twice, first in line %u",
                              value->same->key->line);
        } else {
            read_item(reader, &inner, option, place, value);
            size_t last = config_record_count(option, place) - 1;
            char *items = config_record_items(option, place);
            config_value_set_text((char **)(void *)(items + last * option->item_size), key->text);
        }
    }
}

static bool check_count(struct config_reader *reader, const struct config_scope *scope,
                        const struct config_option *option, const struct config_node *node,
                        size_t count) {
    if (count < option->min) {
        config_reader_say(reader, scope, node, "needs at least one entry");
        return false;
    }
    if (count > option->max) {
        config_reader_say(reader, scope, node, "has %zu entries, more than the %zu allowed", count,
                          (size_t)option->max);
        return false;
    }
    return true;
}

static bool is_good_name(struct slice name) {
    for (size_t i = 0; i < name.length; i++) {
        char c = slice_lower(name.data[i]);
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!is_letter && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return name.length > 0 && name.length <= 64;
}

// --- single values ------------------------------------------------------------------------------

static void read_value(struct config_reader *reader, const struct config_scope *scope,
                       const struct config_option *option, void *place,
                       const struct config_node *node) {
    struct config_reason reason;
    if (node->kind == CONFIG_NODE_BROKEN) {
        return;
    }
    if (node->kind != CONFIG_NODE_WORD) {
        config_reader_say(reader, scope, node, "expected a single value, not %s",
                          config_node_what(node));
        return;
    }
    if (config_node_is_null(node)) {
        config_reader_say(reader, scope, node, "a value is missing");
        return;
    }
    if (has_control(node->text)) {
        config_reader_say(reader, scope, node, "must not have line breaks or control characters");
        return;
    }
    if (!is_utf8(node->text)) { // a file was looked at as a whole
        config_reader_say(reader, scope, node, "this is not UTF-8 text");
        return;
    }
    void *member = config_option_member(option, place);
    bool is_good = option->kind == CONFIG_ORIGIN
                       ? read_origin_name(reader, node->text, member, &reason)
                       : config_value_parse(option, node->text, place, &reason);
    is_good = is_good && config_check_value(option, member, &reason);
    if (!is_good) {
        config_reader_say(reader, scope, node, "%s", reason.text);
        return;
    }
    if (option->at_offset > 0) {
        struct config_position *at = (void *)((char *)place + option->at_offset);
        *at = (struct config_position){node->line, node->column};
    }
}

static bool read_origin_name(struct config_reader *reader, struct slice name, uint32_t *out_index,
                             struct config_reason *out_reason) {
    const struct config *config = reader->config;
    struct config_guess guess = {.word = name};
    for (size_t i = 0; i < config->origin_count; i++) {
        if (slice_equal(name, slice_of_text(config->origins[i].name))) {
            *out_index = (uint32_t)i;
            return true;
        }
        config_guess_consider(&guess, config->origins[i].name);
    }
    struct slice word = config_reason_word(name);
    if (config->origin_count == 0) {
        return true; // that there are none was said already
    }
    if (guess.best != NULL) {
        return config_reason_set(out_reason, "there is no origin '%.*s': did you mean '%s'?",
                                 SLICE_ARGS(word), guess.best);
    }
    return config_reason_set(out_reason, "there is no origin '%.*s'", SLICE_ARGS(word));
}

static bool has_control(struct slice text) {
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < ' ' || byte == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool is_utf8(struct slice text) {
    size_t length = 1;
    for (; text.length > 0 && length > 0; text = slice_skip(text, length)) {
        length = config_node_measure(text);
    }
    return text.length == 0 && length > 0;
}

// --- errors -------------------------------------------------------------------------------------

void config_reader_say(struct config_reader *reader, const struct config_scope *scope,
                       const struct config_node *node, const char *format, ...) {
    if (reader->is_tired) {
        return;
    }
    char *key = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&key, &length);
    ensure(out != NULL);
    print_scope(scope, out);
    fclose(out);
    struct config_reason reason;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason.text, sizeof(reason.text), format, arguments);
    va_end(arguments);
    if (node->source != NULL) {
        add_error(reader, node, "", node->source, reason.text);
    } else {
        add_error(reader, node, reader->file, key, reason.text);
    }
    free(key);
    reader->is_tired = reader->errors->count >= MOST_ERRORS;
}

static void add_error(struct config_reader *reader, const struct config_node *node,
                      const char *file, const char *key, const char *text) {
    // One flag may stand for several options.
    for (size_t i = 0; node->source != NULL && i < reader->errors->count; i++) {
        const struct config_error *error = &reader->errors->rows[i];
        if (strcmp(error->key, key) == 0 && strcmp(error->text, text) == 0) {
            return;
        }
    }
    config_errors_add(reader->errors, file, node->line, node->column, key, "%s", text);
}

static void print_scope(const struct config_scope *scope, FILE *out) {
    if (scope == NULL) {
        return;
    }
    print_scope(scope->parent, out);
    if (scope->is_item) {
        fprintf(out, "[%zu]", scope->index);
    } else {
        fprintf(out, "%s%.*s", scope->parent != NULL ? "." : "", SLICE_ARGS(scope->name));
    }
}
