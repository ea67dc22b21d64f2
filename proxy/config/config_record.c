// SPDX-License-Identifier: Apache-2.0
#include "config_record.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "config_value.h"

static void init_value(const struct config_option *option, void *place, struct config *config);
static void set_value(const struct config_option *option, void *place, const char *text);
static void copy_record(const struct config_section *section, void *to, const void *from);
static void copy_value(const struct config_option *option, void *to,
                       const struct config_option *from_option, const void *from);
static void finish_item(const struct config_option *list, void *item);
static size_t *count_of(const struct config_option *list, const void *place);
static char **items_of(const struct config_option *list, const void *place);

// --- defaults -----------------------------------------------------------------------------------

void config_record_init(const struct config_section *section, void *place, struct config *config) {
    for (size_t i = 0; i < section->count; i++) {
        const struct config_option *option = &section->options[i];
        if (option->kind == CONFIG_SECTION) {
            config_record_init(option->section, config_option_member(option, place), config);
        } else if (config_kind_is_value(option->kind)) {
            init_value(option, place, config);
        }
    }
    if (section->rest != NULL) {
        copy_record(section->rest, (char *)place + section->rest_offset,
                    (char *)config + section->rest_source);
    }
}

static void init_value(const struct config_option *option, void *place, struct config *config) {
    if (option->initial != NULL) {
        set_value(option, place, option->initial);
    } else if (option->inherits != NULL) {
        void *from = NULL;
        const struct config_option *source =
            config_options_find_path(option->inherits, config, &from);
        ensure(source != NULL);
        copy_value(option, place, source, from);
    }
}

static void set_value(const struct config_option *option, void *place, const char *text) {
    struct config_reason reason;
    bool is_good = config_value_parse(option, slice_of_text(text), place, &reason);
    ensure(is_good);
}

static void copy_record(const struct config_section *section, void *to, const void *from) {
    for (size_t i = 0; i < section->count; i++) {
        const struct config_option *option = &section->options[i];
        if (config_kind_is_value(option->kind)) {
            copy_value(option, to, option, from);
            continue;
        }
        ensure(option->kind == CONFIG_LIST && option->item != NULL);
        const char *items = config_record_items(option, from);
        for (size_t n = 0; n < config_record_count(option, from); n++) {
            copy_value(option->item, config_record_append(option, to), option->item,
                       items + n * option->item_size);
        }
    }
}

static void copy_value(const struct config_option *option, void *to,
                       const struct config_option *from_option, const void *from) {
    char *text = config_value_format(from_option, from);
    if (text != NULL) {
        set_value(option, to, text);
    }
    free(text);
}

// --- lists --------------------------------------------------------------------------------------

static size_t *count_of(const struct config_option *list, const void *place) {
    return (size_t *)(void *)((char *)(uintptr_t)place + list->count_offset);
}

static char **items_of(const struct config_option *list, const void *place) {
    return (char **)(void *)((char *)(uintptr_t)place + list->offset);
}

size_t config_record_count(const struct config_option *list, const void *place) {
    return *count_of(list, place);
}

void *config_record_items(const struct config_option *list, const void *place) {
    return *items_of(list, place);
}

void *config_record_append(const struct config_option *list, void *place) {
    size_t count = *count_of(list, place);
    char **items = items_of(list, place);
    if ((count & (count - 1)) == 0) { // full at 0, 1, 2, 4, 8 ...
        size_t room = count == 0 ? 1 : count * 2;
        *items = alloc_resize(*items, (room + 1) * list->item_size); // one more ends the list
        memset(*items + count * list->item_size, 0, (room + 1 - count) * list->item_size);
    }
    *count_of(list, place) = count + 1;
    return *items + count * list->item_size;
}

void config_record_clear(const struct config_option *list, void *place) {
    char **items = items_of(list, place);
    for (size_t i = 0; i < *count_of(list, place); i++) {
        finish_item(list, *items + i * list->item_size);
    }
    free(*items);
    *items = NULL;
    *count_of(list, place) = 0;
}

static void finish_item(const struct config_option *list, void *item) {
    if (list->item != NULL) {
        config_value_finish(list->item, item);
        return;
    }
    config_record_finish(list->section, item);
    if (list->kind == CONFIG_MAP) {
        free(*(char **)item); // its name
    }
}

// --- the end ------------------------------------------------------------------------------------

void config_record_finish(const struct config_section *section, void *place) {
    for (size_t i = 0; i < section->count; i++) {
        const struct config_option *option = &section->options[i];
        if (config_kind_is_value(option->kind)) {
            config_value_finish(option, place);
        } else if (option->kind == CONFIG_SECTION) {
            config_record_finish(option->section, config_option_member(option, place));
        } else {
            config_record_clear(option, place);
        }
    }
    if (section->rest != NULL) {
        config_record_finish(section->rest, (char *)place + section->rest_offset);
    }
}
