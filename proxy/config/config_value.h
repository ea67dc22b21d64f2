// SPDX-License-Identifier: Apache-2.0
// One option as one word of text, both ways. Pure: files are not looked at.
// `place` is the struct that the option's offset counts from; texts in it belong to it.
#ifndef OUTRIDER_CONFIG_CONFIG_VALUE_H
#define OUTRIDER_CONFIG_CONFIG_VALUE_H

#include "config/config_options.h"

struct config_reason {
    char text[320]; // one sentence without a period
};

// Fills the reason; false, so that a reader can return it.
bool config_reason_set(struct config_reason *reason, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// As much of a word as an error line should repeat.
struct slice config_reason_word(struct slice word);

// An old value is freed. On failure the place is untouched and the reason says what is wrong.
// An ORIGIN is only known to its configuration; config_reader.c and config_print.c deal with it.
bool config_value_parse(const struct config_option *option, struct slice text, void *place,
                        struct config_reason *out_reason);
// On the heap; NULL when there is no value.
char *config_value_format(const struct config_option *option, const void *place);
void config_value_finish(const struct config_option *option, void *place);

// Replaces a text member.
void config_value_set_text(char **member, struct slice text);

#endif
