// SPDX-License-Identifier: Apache-2.0
// A program of the build, and no part of outrider: writes the manual page outrider.yaml(5) to
// stdout, in the language mdoc(7). Its only argument is the page's frame, in which the line OPTIONS
// stands for what the table of options says. See also: config/man/outrider.yaml.5.in.
#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "config/config_options.h"
#include "config_value.h"

static bool print_page(FILE *frame);
static const char *name_type(const struct config_option *option);
static void print_heading(const char *path, const char *variable,
                          const struct config_option *option);
static void print_section(const char *path, const char *variable,
                          const struct config_section *section);
static void print_item(const char *path, const char *variable, const struct config_option *option);
static void print_rest(const struct config_section *section);
static void print_entries(const struct config_option *option);
static void print_short_forms(const struct config_option *option);
static void print_facts(const char *variable, const struct config_option *option);
static void print_default(const struct config_option *option);
static void print_range(const struct config_option *option);
static void print_number(const struct config_option *option, uint64_t number);
static void print_words(const struct config_option *option);
static void print_text(const char *text);
static const char *name_path(const char *before, const char *name);
static const char *name_variable(const char *before, const char *name);

static const char *const types[CONFIG_KINDS] = {
    [CONFIG_SWITCH] = "on or off",
    [CONFIG_EITHER] = "word",
    [CONFIG_COUNT] = "number",
    [CONFIG_SIZE] = "size",
    [CONFIG_TIME] = "time",
    [CONFIG_WORD] = "word",
    [CONFIG_NAME] = "word",
    [CONFIG_FILE] = "file",
    [CONFIG_STATE] = "file",
    [CONFIG_TARGET] = "word or file",
    [CONFIG_HOST] = "host",
    [CONFIG_PREFIX] = "path",
    [CONFIG_PATH] = "path",
    [CONFIG_LINK] = "path or link",
    [CONFIG_SITE] = "host",
    [CONFIG_FIELD] = "field name",
    [CONFIG_LOGGED] = "field name",
    [CONFIG_ID_FIELD] = "field name",
    [CONFIG_COOKIE] = "cookie name",
    [CONFIG_EVENT] = "event name",
    [CONFIG_ORIGIN] = "origin name",
    [CONFIG_ADDRESS] = "address",
    [CONFIG_URL] = "URL",
    [CONFIG_NETWORK] = "network",
    [CONFIG_ENDPOINT] = "address",
    [CONFIG_SECTION] = "mapping",
    [CONFIG_LIST] = "list",
    [CONFIG_MAP] = "mapping",
};

static struct arena *arena; // for names that are put together

int main(int count, char **words) {
    FILE *frame = count == 2 ? fopen(words[1], "r") : NULL;
    if (frame == NULL) {
        fprintf(stderr, "config_manual: %s\n", count == 2 ? strerror(errno) : "which frame?");
        return 1;
    }
    arena = arena_create();
    bool is_good = print_page(frame);
    arena_destroy(arena);
    fclose(frame);
    return is_good && fflush(stdout) == 0 ? 0 : 1;
}

static bool print_page(FILE *frame) {
    char line[1024];
    while (fgets(line, sizeof(line), frame) != NULL) {
        if (strcmp(line, "OPTIONS\n") != 0) {
            fputs(line, stdout);
            continue;
        }
        for (size_t i = 0; i < config_options_root.count; i++) {
            const struct config_option *option = &config_options_root.options[i];
            print_heading(option->name, name_variable("OUTRIDER", option->name), option);
        }
    }
    return !ferror(frame);
}

// A kind that is missing above is found by a test.
static const char *name_type(const struct config_option *option) {
    return types[option->kind] != NULL ? types[option->kind] : "value";
}

// --- the tree -----------------------------------------------------------------------------------

// An option with a heading of its own. `variable` is NULL inside lists and mappings of names.
static void print_heading(const char *path, const char *variable,
                          const struct config_option *option) {
    printf(".Ss %s\n", path);
    print_text(option->meaning);
    printf("\n.br\nType: %s.\n", name_type(option));
    print_facts(variable, option);
    if (option->section != NULL) {
        print_short_forms(option);
        print_section(path, option->kind == CONFIG_SECTION ? variable : NULL, option->section);
    }
}

// First all options as a list, then those that hold options themselves.
static void print_section(const char *path, const char *variable,
                          const struct config_section *section) {
    print_rest(section);
    if (section->count == 0) {
        return;
    }
    puts(".Bl -tag -width Ds");
    for (size_t i = 0; i < section->count; i++) {
        print_item(path, variable, &section->options[i]);
    }
    puts(".El");
    for (size_t i = 0; i < section->count; i++) {
        const struct config_option *option = &section->options[i];
        if (option->section != NULL) {
            print_heading(name_path(path, option->name), name_variable(variable, option->name),
                          option);
        }
    }
}

static void print_item(const char *path, const char *variable, const struct config_option *option) {
    printf(".It Cm %s : Ar %s\n", option->name, name_type(option));
    print_text(option->meaning);
    if (option->section != NULL) {
        printf("; see\n.Sx %s .\n", name_path(path, option->name));
        return;
    }
    puts("\n.br");
    print_facts(name_variable(variable, option->name), option);
}

static void print_rest(const struct config_section *section) {
    for (size_t i = 0; section->rest != NULL && i < config_options_root.count; i++) {
        const struct config_option *option = &config_options_root.options[i];
        if (option->section == section->rest) {
            printf("Every option of\n.Sx %s\nmay stand here too;"
                   " what is left out has the value that stands there.\n",
                   option->name);
        }
    }
}

// --- what is known of one option ----------------------------------------------------------------

static void print_facts(const char *variable, const struct config_option *option) {
    bool is_settable = config_kind_is_value(option->kind) || option->item != NULL;
    if (option->is_required) {
        puts("Required.");
    }
    print_default(option);
    print_range(option);
    print_words(option);
    print_entries(option);
    if (variable != NULL && is_settable) {
        printf("Variable:\n.Ev %s .\n", variable);
    }
}

static void print_default(const struct config_option *option) {
    if (option->inherits != NULL) {
        printf("Default: that of\n.Cm %s .\n", option->inherits);
    } else if (option->initial != NULL && option->initial[0] != '\0') {
        fputs("Default:\n.Cm ", stdout);
        print_text(option->initial);
        puts(" .");
    } else if (!option->is_required && option->kind != CONFIG_SECTION) {
        puts("Default: none.");
    }
}

static void print_range(const struct config_option *option) {
    if (option->kind != CONFIG_COUNT && option->kind != CONFIG_SIZE &&
        option->kind != CONFIG_TIME) {
        return;
    }
    fputs("Range: ", stdout);
    print_number(option, option->min);
    fputs(" to ", stdout);
    print_number(option, option->max);
    if (option->zero != NULL) {
        printf(", or %s", option->zero);
    }
    puts(".");
}

// As it is written in a file, with its unit.
static void print_number(const struct config_option *option, uint64_t number) {
    union {
        uint32_t count;
        uint64_t other;
    } value = {.other = number};
    if (option->kind == CONFIG_COUNT) {
        value.count = (uint32_t)number;
    }
    struct config_option at_once = *option;
    at_once.offset = 0;
    char *text = config_value_format(&at_once, &value);
    print_text(text);
    free(text);
}

static void print_words(const struct config_option *option) {
    if (option->words == NULL) {
        return;
    }
    puts("One of");
    for (size_t i = 0; option->words[i] != NULL; i++) {
        printf(".Cm %s %s\n", option->words[i], option->words[i + 1] != NULL ? "," : ".");
    }
}

static void print_entries(const struct config_option *option) {
    if (option->kind != CONFIG_LIST && option->kind != CONFIG_MAP) {
        return;
    }
    printf("Entries: %ju to %ju", (uintmax_t)option->min, (uintmax_t)option->max);
    if (option->item != NULL) {
        printf(", each: %s", name_type(option->item));
    }
    puts(option->kind == CONFIG_MAP ? ", by names of your choice." : ".");
    if (option->item != NULL) {
        print_words(option->item);
    }
    if (option->may_be_single) {
        puts("A single entry needs no list around it.");
    }
}

static void print_short_forms(const struct config_option *option) {
    const char *place = option->kind == CONFIG_SECTION ? "of the mapping" : "of an entry";
    if (option->bare != NULL) {
        printf("A word in place %s stands for\n.Cm %s .\n", place, option->bare);
    }
    if (option->bare_list != NULL) {
        printf("A list in place %s stands for\n.Cm %s .\n", place, option->bare_list);
    }
}

// --- text ---------------------------------------------------------------------------------------

// So that every character comes out as it went in, and can be searched and copied.
static void print_text(const char *text) {
    bool is_inside = false; // of `quotes`
    if (text[0] == '.') {
        fputs("\\&", stdout);
    }
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '`':
            fputs(is_inside ? "\\(cq" : "\\(oq", stdout);
            is_inside = !is_inside;
            break;
        case '\'':
            fputs("\\(aq", stdout);
            break;
        case '\\':
            fputs("\\e", stdout);
            break;
        case '-':
            fputs("\\-", stdout);
            break;
        default:
            putchar(*text);
            break;
        }
    }
}

static const char *name_path(const char *before, const char *name) {
    return arena_printf(arena, "%s.%s", before, name).data;
}

// PUSH_MAX_OPEN; NULL where `before` is.
static const char *name_variable(const char *before, const char *name) {
    if (before == NULL) {
        return NULL;
    }
    struct slice joined = arena_printf(arena, "%s_%s", before, name);
    char *upper = arena_alloc(arena, joined.length + 1);
    for (size_t i = 0; i <= joined.length; i++) {
        char c = joined.data[i];
        upper[i] = c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
    }
    return upper;
}
