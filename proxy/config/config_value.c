// SPDX-License-Identifier: Apache-2.0
#include "config_value.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "config_address.h"
#include "config_endpoint.h"
#include "config_field.h"
#include "config_guess.h"
#include "http/headers.h"

typedef bool value_parse_fn(const struct config_option *option, struct slice text, void *member,
                            struct config_reason *out_reason);
typedef char *value_format_fn(const struct config_option *option, const void *member);
typedef void value_finish_fn(void *member);

struct value_kind {
    value_parse_fn *parse;
    value_format_fn *format;
    value_finish_fn *finish;
};

struct unit {
    const char *name;
    uint64_t factor;
    bool is_for_output;
};

static value_parse_fn parse_switch, parse_either, parse_count, parse_size, parse_time;
static value_parse_fn parse_word, parse_name, parse_cookie, parse_event;
static value_format_fn format_switch, format_either, format_count, format_size, format_time;
static value_format_fn format_word, format_text, format_or_off;
static value_finish_fn finish_text, finish_nothing;

static bool read_switch(struct slice text, bool *out_is_on);
static bool parse_number(const struct config_option *option, struct slice text,
                         const struct unit *units, uint64_t *out_number,
                         struct config_reason *out_reason);
static bool parse_digits(struct slice digits, uint64_t *out_number,
                         struct config_reason *out_reason);
static bool find_unit(const struct unit *units, struct slice name, uint64_t *out_factor);
static bool say_unit(const struct unit *units, struct slice text, struct slice name,
                     struct config_reason *out_reason);
static bool check_range(const struct config_option *option, const struct unit *units,
                        uint64_t number, struct config_reason *out_reason);
static char *format_number(const struct config_option *option, const struct unit *units,
                           uint64_t number);
static bool find_word(const struct config_option *option, struct slice text, size_t *out_index,
                      struct config_reason *out_reason);
static char *list_words(const char *const *words);

// Largest first where a number is written.
static const struct unit no_units[] = {{"", 1, true}, {NULL, 0, false}};
static const struct unit size_units[] = {
    {"GiB", 1024ULL * 1024 * 1024, true},
    {"MiB", 1024 * 1024, true},
    {"KiB", 1024, true},
    {"", 1, true},
    {"B", 1, false},
    {"KB", 1000, false},
    {"MB", 1000 * 1000, false},
    {"GB", 1000ULL * 1000 * 1000, false},
    {NULL, 0, false},
};
static const struct unit time_units[] = {
    {"h", 3600 * 1000, true}, {"m", 60 * 1000, true},         {"s", 1000, true},
    {"ms", 1, true},          {"d", 24 * 3600 * 1000, false}, {NULL, 0, false},
};

static const struct value_kind kinds[CONFIG_KINDS] = {
    [CONFIG_SWITCH] = {parse_switch, format_switch, finish_nothing},
    [CONFIG_EITHER] = {parse_either, format_either, finish_nothing},
    [CONFIG_COUNT] = {parse_count, format_count, finish_nothing},
    [CONFIG_SIZE] = {parse_size, format_size, finish_nothing},
    [CONFIG_TIME] = {parse_time, format_time, finish_nothing},
    [CONFIG_WORD] = {parse_word, format_word, finish_nothing},
    [CONFIG_NAME] = {parse_name, format_text, finish_text},
    [CONFIG_FILE] = {config_address_parse_file, format_text, finish_text},
    [CONFIG_STATE] = {config_address_parse_state, format_text, finish_text},
    [CONFIG_TARGET] = {config_address_parse_target, format_text, finish_text},
    [CONFIG_HOST] = {config_address_parse_host, config_address_format_host, finish_text},
    [CONFIG_PREFIX] = {config_address_parse_prefix, format_text, finish_text},
    [CONFIG_PATH] = {config_address_parse_path, format_text, finish_text},
    [CONFIG_LINK] = {config_address_parse_link, format_text, finish_text},
    [CONFIG_SITE] = {config_address_parse_site, format_text, finish_text},
    [CONFIG_FIELD] = {config_field_parse_hinted, format_text, finish_text},
    [CONFIG_LOGGED] = {config_field_parse_logged, format_text, finish_text},
    [CONFIG_ID_FIELD] = {config_field_parse_id, format_or_off, finish_text},
    [CONFIG_COOKIE] = {parse_cookie, format_text, finish_text},
    [CONFIG_EVENT] = {parse_event, format_or_off, finish_text},
    [CONFIG_ADDRESS] = {config_address_parse_listener, config_address_format_listener,
                        config_address_finish_listener},
    [CONFIG_URL] = {config_address_parse_origin, config_address_format_origin,
                    config_address_finish_origin},
    [CONFIG_ENDPOINT] = {config_endpoint_parse, config_endpoint_format, config_endpoint_finish},
    [CONFIG_NETWORK] = {config_address_parse_network, config_address_format_network,
                        finish_nothing},
};

bool config_reason_set(struct config_reason *reason, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason->text, sizeof(reason->text), format, arguments);
    va_end(arguments);
    return false;
}

struct slice config_reason_word(struct slice word) {
    enum { SHOWN_BYTES = 60 };
    if (word.length <= SHOWN_BYTES) {
        return word;
    }
    size_t end = SHOWN_BYTES;
    while (end > 0 && ((unsigned char)word.data[end] & 0xc0) == 0x80) {
        end--; // not inside a character
    }
    return slice_first(word, end);
}

bool config_value_parse(const struct config_option *option, struct slice text, void *place,
                        struct config_reason *out_reason) {
    ensure(kinds[option->kind].parse != NULL);
    return kinds[option->kind].parse(option, text, config_option_member(option, place), out_reason);
}

char *config_value_format(const struct config_option *option, const void *place) {
    ensure(kinds[option->kind].format != NULL);
    return kinds[option->kind].format(option, (const char *)place + option->offset);
}

void config_value_finish(const struct config_option *option, void *place) {
    if (kinds[option->kind].finish != NULL) {
        kinds[option->kind].finish(config_option_member(option, place));
    }
}

void config_value_set_text(char **member, struct slice text) {
    char *copy = alloc_bytes(text.length + 1);
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    free(*member);
    *member = copy;
}

// --- switches -----------------------------------------------------------------------------------

static bool parse_switch(const struct config_option *option, struct slice text, void *member,
                         struct config_reason *out_reason) {
    (void)option;
    if (read_switch(text, member)) {
        return true;
    }
    return config_reason_set(out_reason, "expected on or off, not '%.*s'",
                             SLICE_ARGS(config_reason_word(text)));
}

// Untouched when the text is no such word.
static bool read_switch(struct slice text, bool *out_is_on) {
    static const char *const words[] = {"false", "off", "no", "true", "on", "yes"};
    for (size_t i = 0; i < 6; i++) {
        if (slice_equal_nocase(text, slice_of_text(words[i]))) {
            *out_is_on = i >= 3;
            return true;
        }
    }
    return false;
}

static char *format_switch(const struct config_option *option, const void *member) {
    (void)option;
    return alloc_text(*(const bool *)member ? "on" : "off");
}

static bool parse_either(const struct config_option *option, struct slice text, void *member,
                         struct config_reason *out_reason) {
    size_t index;
    if (!find_word(option, text, &index, out_reason)) {
        return false;
    }
    *(bool *)member = index == 1;
    return true;
}

static char *format_either(const struct config_option *option, const void *member) {
    return alloc_text(option->words[*(const bool *)member]);
}

// --- numbers ------------------------------------------------------------------------------------

static bool parse_count(const struct config_option *option, struct slice text, void *member,
                        struct config_reason *out_reason) {
    uint64_t number;
    if (!parse_number(option, text, no_units, &number, out_reason)) {
        return false;
    }
    *(uint32_t *)member = (uint32_t)number;
    return true;
}

static bool parse_size(const struct config_option *option, struct slice text, void *member,
                       struct config_reason *out_reason) {
    return parse_number(option, text, size_units, member, out_reason);
}

static bool parse_time(const struct config_option *option, struct slice text, void *member,
                       struct config_reason *out_reason) {
    return parse_number(option, text, time_units, member, out_reason);
}

static bool parse_number(const struct config_option *option, struct slice text,
                         const struct unit *units, uint64_t *out_number,
                         struct config_reason *out_reason) {
    if (option->zero != NULL && slice_equal_nocase(text, slice_of_text(option->zero))) {
        *out_number = 0;
        return true;
    }
    size_t end = 0;
    while (end < text.length && text.data[end] >= '0' && text.data[end] <= '9') {
        end++;
    }
    struct slice unit = slice_trim(slice_skip(text, end));
    uint64_t number = 0;
    uint64_t factor = 1;
    bool is_zero = end == 1 && text.data[0] == '0' && unit.length == 0; // needs no unit
    if (end == 0 || (!is_zero && !find_unit(units, unit, &factor))) {
        return say_unit(units, text, end > 0 ? unit : SLICE_EMPTY, out_reason);
    }
    if (!parse_digits(slice_first(text, end), &number, out_reason)) {
        return false;
    }
    if (__builtin_mul_overflow(number, factor, &number)) {
        number = UINT64_MAX; // out of every range
    }
    if (!check_range(option, units, number, out_reason)) {
        return false;
    }
    *out_number = number;
    return true;
}

static bool parse_digits(struct slice digits, uint64_t *out_number,
                         struct config_reason *out_reason) {
    if (digits.length > 1 && digits.data[0] == '0') {
        // YAML calls 010 eight; people mean ten.
        return config_reason_set(out_reason, "'%.*s' begins with a 0",
                                 SLICE_ARGS(config_reason_word(digits)));
    }
    uint64_t number = 0;
    for (size_t i = 0; i < digits.length; i++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(digits.data[i] - '0'), &number)) {
            number = UINT64_MAX;
            break;
        }
    }
    *out_number = number;
    return true;
}

static bool find_unit(const struct unit *units, struct slice name, uint64_t *out_factor) {
    for (; units->name != NULL; units++) {
        if (slice_equal_nocase(name, slice_of_text(units->name))) {
            *out_factor = units->factor;
            return true;
        }
    }
    return false;
}

static bool say_unit(const struct unit *units, struct slice text, struct slice name,
                     struct config_reason *out_reason) {
    struct slice word = config_reason_word(text);
    const char *what = units == no_units     ? "a whole number"
                       : units == size_units ? "a size such as 512, 16KiB or 1MiB"
                                             : "a time such as 500ms, 5s, 2m or 1h";
    bool is_number = text.length > 0 && text.data[0] >= '0' && text.data[0] <= '9';
    if (units == time_units && is_number && name.length == 0) {
        return config_reason_set(out_reason, "'%.*s' needs a unit: ms, s, m, h or d",
                                 SLICE_ARGS(word));
    }
    if (units != no_units && is_number && name.length > 0) {
        return config_reason_set(out_reason, "unknown unit in '%.*s': expected %s",
                                 SLICE_ARGS(word), what);
    }
    return config_reason_set(out_reason, "expected %s, not '%.*s'", what, SLICE_ARGS(word));
}

static bool check_range(const struct config_option *option, const struct unit *units,
                        uint64_t number, struct config_reason *out_reason) {
    if ((number >= option->min && number <= option->max) || (number == 0 && option->zero != NULL)) {
        return true;
    }
    char *low = format_number(option, units, option->min);
    char *high = format_number(option, units, option->max);
    config_reason_set(out_reason, "must be %s to %s%s%s", low, high,
                      option->zero != NULL ? ", or " : "",
                      option->zero != NULL ? option->zero : "");
    free(low);
    free(high);
    return false;
}

static char *format_count(const struct config_option *option, const void *member) {
    return format_number(option, no_units, *(const uint32_t *)member);
}

static char *format_size(const struct config_option *option, const void *member) {
    return format_number(option, size_units, *(const uint64_t *)member);
}

static char *format_time(const struct config_option *option, const void *member) {
    return format_number(option, time_units, *(const uint64_t *)member);
}

static char *format_number(const struct config_option *option, const struct unit *units,
                           uint64_t number) {
    if (number == 0) {
        return alloc_text(option->zero != NULL ? option->zero : "0");
    }
    while (!units->is_for_output || number % units->factor != 0) {
        units++;
        ensure(units->name != NULL);
    }
    char text[48];
    snprintf(text, sizeof(text), "%" PRIu64 "%s", number / units->factor, units->name);
    return alloc_text(text);
}

// --- words and texts ----------------------------------------------------------------------------

static bool parse_word(const struct config_option *option, struct slice text, void *member,
                       struct config_reason *out_reason) {
    size_t index;
    if (!find_word(option, text, &index, out_reason)) {
        return false;
    }
    unsigned value = (unsigned)index;
    memcpy(member, &value, sizeof(value)); // enums are unsigned here
    return true;
}

static bool parse_name(const struct config_option *option, struct slice text, void *member,
                       struct config_reason *out_reason) {
    size_t index;
    if (text.length > 0 && !find_word(option, text, &index, out_reason)) {
        return false;
    }
    config_value_set_text(member, text.length > 0 ? slice_of_text(option->words[index]) : text);
    return true;
}

static bool find_word(const struct config_option *option, struct slice text, size_t *out_index,
                      struct config_reason *out_reason) {
    struct config_guess guess = {.word = text};
    for (size_t i = 0; option->words[i] != NULL; i++) {
        if (slice_equal_nocase(text, slice_of_text(option->words[i]))) {
            *out_index = i;
            return true;
        }
        config_guess_consider(&guess, option->words[i]);
    }
    struct slice word = config_reason_word(text);
    if (guess.best != NULL) {
        config_reason_set(out_reason, "'%.*s' is not known here: did you mean '%s'?",
                          SLICE_ARGS(word), guess.best);
        return false;
    }
    char *words = list_words(option->words);
    config_reason_set(out_reason, "expected %s, not '%.*s'", words, SLICE_ARGS(word));
    free(words);
    return false;
}

// "none, cookies or all"
static char *list_words(const char *const *words) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    ensure(out != NULL);
    for (size_t i = 0; words[i] != NULL; i++) {
        fprintf(out, "%s%s", i == 0 ? "" : words[i + 1] != NULL ? ", " : " or ", words[i]);
    }
    fclose(out);
    return text;
}

static char *format_word(const struct config_option *option, const void *member) {
    unsigned value;
    memcpy(&value, member, sizeof(value));
    return alloc_text(option->words[value]);
}

static char *format_text(const struct config_option *option, const void *member) {
    const char *text = *(char *const *)member;
    text = text != NULL ? text : option->zero;
    return text != NULL ? alloc_text(text) : NULL;
}

// --- names of HTTP ------------------------------------------------------------------------------

static bool parse_cookie(const struct config_option *option, struct slice text, void *member,
                         struct config_reason *out_reason) {
    (void)option;
    enum { MOST_BYTES = 40 }; // so that the cookie stays small, see push/push_cookie.h
    if (!headers_is_name(text)) {
        return config_reason_set(out_reason,
                                 "'%.*s' cannot be the name of a cookie: expected letters, "
                                 "digits, '-', '_' and the like",
                                 SLICE_ARGS(config_reason_word(text)));
    }
    if (text.length > MOST_BYTES) {
        return config_reason_set(out_reason, "has %zu bytes, more than the %d allowed", text.length,
                                 MOST_BYTES);
    }
    config_value_set_text(member, text);
    return true;
}

// A reader refuses control characters before, as in all values.
static bool parse_event(const struct config_option *option, struct slice text, void *member,
                        struct config_reason *out_reason) {
    (void)option;
    enum { MOST_BYTES = 64 };
    bool is_on = false;
    if (read_switch(text, &is_on)) {
        config_value_set_text(member, is_on ? SLICE("preload") : SLICE_EMPTY);
        return true;
    }
    if (text.length == 0 || text.length > MOST_BYTES) {
        return config_reason_set(
            out_reason, "expected off or the name of an event, 1 to %d bytes long", MOST_BYTES);
    }
    config_value_set_text(member, text);
    return true;
}

static char *format_or_off(const struct config_option *option, const void *member) {
    (void)option;
    const char *name = *(char *const *)member;
    return alloc_text(name[0] != '\0' ? name : "off");
}

// --- the end ------------------------------------------------------------------------------------

static void finish_text(void *member) {
    free(*(char **)member);
    *(char **)member = NULL;
}

static void finish_nothing(void *member) {
    (void)member;
}
