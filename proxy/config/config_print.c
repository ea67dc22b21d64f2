// SPDX-License-Identifier: Apache-2.0
#include "base/alloc.h"
#include "config/config.h"
#include "config/config_options.h"
#include "config_record.h"
#include "config_value.h"

enum { STEP = 2 }; // blanks a level

struct printer {
    const struct config *config;
    FILE *out;
    bool is_behind_dash; // where the first line of an item stands, without an indent
};

static void print_section(struct printer *printer, const struct config_section *section,
                          const void *place, size_t indent);
static void print_option(struct printer *printer, const struct config_option *option,
                         const void *place, size_t indent);
static void print_list(struct printer *printer, const struct config_option *option,
                       const void *place, size_t indent);
static void print_map(struct printer *printer, const struct config_option *option,
                      const void *place, size_t indent);
static void print_value(struct printer *printer, const struct config_option *option,
                        const void *place);
static char *format_value(const struct config *config, const struct config_option *option,
                          const void *place);
static void print_text(struct printer *printer, const char *text);
static bool is_plain(const char *text);
static void print_indent(struct printer *printer, size_t indent);

void config_print(const struct config *config, FILE *out) {
    struct printer printer = {.config = config, .out = out};
    print_section(&printer, &config_options_root, config, 0);
}

static void print_section(struct printer *printer, const struct config_section *section,
                          const void *place, size_t indent) {
    for (size_t i = 0; i < section->count; i++) {
        print_option(printer, &section->options[i], place, indent);
    }
    if (section->rest != NULL) {
        print_section(printer, section->rest, (const char *)place + section->rest_offset, indent);
    }
}

static void print_option(struct printer *printer, const struct config_option *option,
                         const void *place, size_t indent) {
    if (config_kind_is_value(option->kind)) {
        char *text = format_value(printer->config, option, place);
        if (text != NULL && text[0] != '\0') {
            print_indent(printer, indent);
            fprintf(printer->out, "%s: ", option->name);
            print_text(printer, text);
            fputc('\n', printer->out);
        }
        free(text);
        return;
    }
    if (option->kind == CONFIG_LIST && option->min > 0 && !option->is_required &&
        config_record_count(option, place) == 0) {
        return; // no certificates: `tls: []` would be an error
    }
    print_indent(printer, indent);
    fprintf(printer->out, "%s:", option->name);
    if (option->kind == CONFIG_SECTION) {
        fputc('\n', printer->out);
        print_section(printer, option->section, (const char *)place + option->offset,
                      indent + STEP);
    } else if (config_record_count(option, place) == 0) {
        fputs(option->kind == CONFIG_MAP ? " {}\n" : " []\n", printer->out);
    } else if (option->kind == CONFIG_MAP) {
        print_map(printer, option, place, indent + STEP);
    } else {
        print_list(printer, option, place, indent + STEP);
    }
}

static void print_list(struct printer *printer, const struct config_option *option,
                       const void *place, size_t indent) {
    const char *items = config_record_items(option, place);
    fputc('\n', printer->out);
    for (size_t i = 0; i < config_record_count(option, place); i++) {
        const void *item = items + i * option->item_size;
        print_indent(printer, indent);
        fputs("- ", printer->out);
        if (option->item != NULL) {
            print_value(printer, option->item, item);
            continue;
        }
        printer->is_behind_dash = true;
        print_section(printer, option->section, item, indent + STEP);
    }
}

static void print_map(struct printer *printer, const struct config_option *option,
                      const void *place, size_t indent) {
    const char *items = config_record_items(option, place);
    fputc('\n', printer->out);
    for (size_t i = 0; i < config_record_count(option, place); i++) {
        const void *item = items + i * option->item_size;
        print_indent(printer, indent);
        print_text(printer, *(char *const *)item);
        fputs(":\n", printer->out);
        print_section(printer, option->section, item, indent + STEP);
    }
}

static void print_value(struct printer *printer, const struct config_option *option,
                        const void *place) {
    char *text = format_value(printer->config, option, place);
    print_text(printer, text != NULL ? text : "");
    fputc('\n', printer->out);
    free(text);
}

static char *format_value(const struct config *config, const struct config_option *option,
                          const void *place) {
    if (option->kind != CONFIG_ORIGIN) {
        return config_value_format(option, place);
    }
    uint32_t index = *(const uint32_t *)(const void *)((const char *)place + option->offset);
    return alloc_text(config->origins[index].name);
}

// Everything is read as text, so quotes are needed only where YAML would see something else.
static void print_text(struct printer *printer, const char *text) {
    if (is_plain(text)) {
        fputs(text, printer->out);
        return;
    }
    fputc('"', printer->out);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\') {
            fprintf(printer->out, "\\%c", byte);
        } else if (byte < ' ' || byte == 0x7f) {
            fprintf(printer->out, "\\x%02x", byte);
        } else {
            fputc(byte, printer->out);
        }
    }
    fputc('"', printer->out);
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
    fprintf(printer->out, "%*s", (int)indent, "");
}
