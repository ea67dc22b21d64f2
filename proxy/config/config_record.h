// SPDX-License-Identifier: Apache-2.0
// The life of a struct that a section of the table describes: defaults, copy, growth, end.
#ifndef OUTRIDER_CONFIG_CONFIG_RECORD_H
#define OUTRIDER_CONFIG_CONFIG_RECORD_H

#include "config/config.h"
#include "config/config_options.h"

// Zeroed memory gets its defaults, some of them from what `config` says already.
void config_record_init(const struct config_section *section, void *place, struct config *config);
// Frees what the struct holds, not the struct; a zeroed one is fine.
void config_record_finish(const struct config_section *section, void *place);

size_t config_record_count(const struct config_option *list, const void *place);
// The items of a LIST or MAP; NULL when there are none.
void *config_record_items(const struct config_option *list, const void *place);
// A new zeroed item at the end; all zero bytes follow it. Moves the others.
void *config_record_append(const struct config_option *list, void *place);
// Frees all items.
void config_record_clear(const struct config_option *list, void *place);

#endif
