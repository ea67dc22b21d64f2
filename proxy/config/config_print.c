// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "config/config.h"
#include "config/config_options.h"
#include "config_node.h"
#include "config_record.h"
#include "config_value.h"

enum { STEP = 2, COMMENT_COLUMN = 44 }; // blanks a level; where comments stand

struct printer {
    const struct config *config;
    FILE *out;
    int column;
    bool is_behind_dash; // where the first line of an item stands, without an indent
};

// A mapping that is printed, and what was written of it.
struct scope {
    const struct config_section *section;
    const void *place;
    const struct config_option *option; // whose mapping it is; NULL for the whole
    const struct config_node *node;     // NULL when nothing was written
    size_t indent;
};

static void print_section(struct printer *printer, const struct scope *scope);
static void print_option(struct printer *printer, const struct scope *scope,
                         const struct config_option *option);
static void print_value(struct printer *printer, const struct scope *scope,
                        const struct config_option *option);
static void print_list(struct printer *printer, const struct scope *scope,
                       const struct config_option *option);
static void print_map(struct printer *printer, const struct scope *scope,
                      const struct config_option *option);
static struct scope scope_of_item(const struct scope *scope, const struct config_option *option,
                                  const struct config_node *node, size_t index);
static char *format_value(const struct config *config, const struct config_option *option,
                          const void *place);
static const struct config_node *find_source(const struct printer *printer,
                                             const struct scope *scope,
                                             const struct config_option *option);
static const struct config_node *find_inherited(const struct printer *printer, const char *path);
static const struct config_node *find_written(const struct config_option *holder,
                                              const struct config_node *node, const char *name);
static const struct config_node *item_at(const struct config_option *option,
                                         const struct config_node *node, size_t index);
static void end_value(struct printer *printer, const struct config_node *source);
static void end_line(struct printer *printer);
static void print(struct printer *printer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void print_text(struct printer *printer, const char *text);
static bool is_plain(const char *text);
static void print_indent(struct printer *printer, size_t indent);

void config_print(const struct config *config, FILE *out) {
    struct printer printer = {.config = config, .out = out};
    const struct scope scope = {
        .section = &config_options_root, .place = config, .node = config->written};
    print_section(&printer, &scope);
}

static void print_section(struct printer *printer, const struct scope *scope) {
    for (size_t i = 0; i < scope->section->count; i++) {
        print_option(printer, scope, &scope->section->options[i]);
    }
    if (scope->section->rest != NULL) {
        struct scope rest = *scope;
        rest.section = scope->section->rest;
        rest.place = (const char *)scope->place + scope->section->rest_offset;
        print_section(printer, &rest);
    }
}

static void print_option(struct printer *printer, const struct scope *scope,
                         const struct config_option *option) {
    if (config_kind_is_value(option->kind)) {
        print_value(printer, scope, option);
        return;
    }
    bool is_section = option->kind == CONFIG_SECTION;
    if (!is_section && option->min > 0 && !option->is_required &&
        config_record_count(option, scope->place) == 0) {
        return; // no certificates: `tls: []` would be an error
    }
    print_indent(printer, scope->indent);
    print(printer, "%s:", option->name);
    if (is_section) {
        end_line(printer);
        const struct scope inner = {
            .section = option->section,
            .place = (const char *)scope->place + option->offset,
            .option = option,
            .node = find_written(scope->option, scope->node, option->name),
            .indent = scope->indent + STEP,
        };
        print_section(printer, &inner);
    } else if (config_record_count(option, scope->place) == 0) {
        print(printer, option->kind == CONFIG_MAP ? " {}" : " []");
        end_value(printer, find_source(printer, scope, option));
    } else if (option->kind == CONFIG_MAP) {
        print_map(printer, scope, option);
    } else {
        print_list(printer, scope, option);
    }
}

static void print_value(struct printer *printer, const struct scope *scope,
                        const struct config_option *option) {
    char *text = format_value(printer->config, option, scope->place);
    if (text != NULL && text[0] != '\0') {
        print_indent(printer, scope->indent);
        print(printer, "%s: ", option->name);
        print_text(printer, text);
        end_value(printer, find_source(printer, scope, option));
    }
    free(text);
}

static void print_list(struct printer *printer, const struct scope *scope,
                       const struct config_option *option) {
    const struct config_node *node = find_source(printer, scope, option);
    end_line(printer);
    for (size_t i = 0; i < config_record_count(option, scope->place); i++) {
        const struct scope item = scope_of_item(scope, option, node, i);
        print_indent(printer, scope->indent + STEP);
        print(printer, "- ");
        if (option->item == NULL) {
            printer->is_behind_dash = true;
            print_section(printer, &item);
            continue;
        }
        char *text = format_value(printer->config, option->item, item.place);
        print_text(printer, text != NULL ? text : "");
        free(text);
        end_value(printer, item.node);
    }
}

static void print_map(struct printer *printer, const struct scope *scope,
                      const struct config_option *option) {
    const struct config_node *node = find_source(printer, scope, option);
    end_line(printer);
    for (size_t i = 0; i < config_record_count(option, scope->place); i++) {
        const struct scope item = scope_of_item(scope, option, node, i);
        print_indent(printer, scope->indent + STEP);
        print_text(printer, *(char *const *)item.place);
        print(printer, ":");
        end_line(printer);
        print_section(printer, &item);
    }
}

static struct scope scope_of_item(const struct scope *scope, const struct config_option *option,
                                  const struct config_node *node, size_t index) {
    const char *items = config_record_items(option, scope->place);
    return (struct scope){
        .section = option->section,
        .place = items + index * option->item_size,
        .option = option,
        .node = item_at(option, node, index),
        .indent = scope->indent + 2 * STEP,
    };
}

static char *format_value(const struct config *config, const struct config_option *option,
                          const void *place) {
    if (option->kind != CONFIG_ORIGIN) {
        return config_value_format(option, place);
    }
    uint32_t index = *(const uint32_t *)(const void *)((const char *)place + option->offset);
    return alloc_text(config->origins[index].name);
}

// --- where values came from ---------------------------------------------------------------------

bool config_is_written(const struct config *config, const char *section) {
    return config->written != NULL && config_node_child(config->written, section) != NULL;
}

// What gave an option its value; NULL for its default.
static const struct config_node *find_source(const struct printer *printer,
                                             const struct scope *scope,
                                             const struct config_option *option) {
    const struct config_node *node = find_written(scope->option, scope->node, option->name);
    if (node == NULL && option->inherits != NULL) {
        return find_inherited(printer, option->inherits);
    }
    const struct config_section *root = &config_options_root;
    for (size_t i = 0; node == NULL && i < root->count; i++) {
        const struct config_option *general = &root->options[i]; // `push` of a route's push
        if (general->kind == CONFIG_SECTION && general->section == scope->section) {
            const struct config_node *section =
                find_written(NULL, printer->config->written, general->name);
            node = find_written(general, section, option->name);
        }
    }
    return node;
}

// "timeouts.origin_connect"
static const struct config_node *find_inherited(const struct printer *printer, const char *path) {
    const struct config_section *section = &config_options_root;
    const struct config_option *holder = NULL;
    const struct config_node *node = printer->config->written;
    for (struct slice rest = slice_of_text(path); rest.length > 0;) {
        size_t dot = slice_find(rest, '.');
        const struct config_option *option =
            config_options_find(section, slice_first(rest, dot), NULL, NULL);
        ensure(option != NULL);
        node = find_written(holder, node, option->name);
        holder = option;
        section = option->section;
        rest = slice_skip(rest, dot + 1);
    }
    return node;
}

// In a mapping, or in the word or list that stands for it.
static const struct config_node *find_written(const struct config_option *holder,
                                              const struct config_node *node, const char *name) {
    if (node == NULL || node->kind == CONFIG_NODE_MAP) {
        return node != NULL ? config_node_child(node, name) : NULL;
    }
    bool is_list = node->kind == CONFIG_NODE_LIST;
    bool is_bare = holder != NULL && holder->bare != NULL && strcmp(holder->bare, name) == 0;
    bool is_bare_list = is_list && holder != NULL && holder->bare_list != NULL &&
                        strcmp(holder->bare_list, name) == 0;
    return is_bare_list || (is_bare && !config_node_is_null(node)) ? node : NULL;
}

// What may be single may stand there without its list.
static const struct config_node *item_at(const struct config_option *option,
                                         const struct config_node *node, size_t index) {
    if (node == NULL || (node->kind != CONFIG_NODE_LIST && option->kind == CONFIG_LIST)) {
        return node;
    }
    const struct config_node *item = node->first;
    while (index > 0 && item != NULL) {
        item = item->next;
        index--;
    }
    return item;
}

// --- lines --------------------------------------------------------------------------------------

static void end_value(struct printer *printer, const struct config_node *source) {
    int blanks = printer->column < COMMENT_COLUMN ? COMMENT_COLUMN - printer->column : 2;
    if (source != NULL && source->source == NULL) {
        print(printer, "%*s# file line %u", blanks, "", source->line);
    } else {
        print(printer, "%*s# %s", blanks, "", source != NULL ? source->source : "default");
    }
    end_line(printer);
}

static void end_line(struct printer *printer) {
    fputc('\n', printer->out);
    printer->column = 0;
}

static void print(struct printer *printer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vfprintf(printer->out, format, arguments);
    va_end(arguments);
    printer->column += length > 0 ? length : 0;
}

// Everything is read as text, so quotes are needed only where YAML would see something else.
static void print_text(struct printer *printer, const char *text) {
    if (is_plain(text)) {
        print(printer, "%s", text);
        return;
    }
    print(printer, "\"");
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\') {
            print(printer, "\\%c", byte);
        } else if (byte < ' ' || byte == 0x7f) {
            print(printer, "\\x%02x", byte);
        } else {
            print(printer, "%c", byte);
        }
    }
    print(printer, "\"");
}

static bool is_plain(const char *text) {
    struct slice word = slice_of_text(text);
    bool is_start = true;
    for (size_t i = 0; i < word.length; i++) {
        char c = slice_lower(word.data[i]);
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '/';
        if (!is_letter && (is_start || strchr("._-:%+", c) == NULL)) {
            return false;
        }
        is_start = false;
    }
    return word.length > 0 && word.data[word.length - 1] != ':' &&
           !slice_equal_nocase(word, SLICE("null"));
}

static void print_indent(struct printer *printer, size_t indent) {
    if (printer->is_behind_dash) {
        printer->is_behind_dash = false;
        return;
    }
    print(printer, "%*s", (int)indent, "");
}
