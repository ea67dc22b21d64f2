// SPDX-License-Identifier: Apache-2.0
// What concerns more than one option, or the machine: files that must be readable, values that do
// not go together, listeners and routes given twice. Called when a section has been read.
#ifndef OUTRIDER_CONFIG_CONFIG_CHECK_H
#define OUTRIDER_CONFIG_CONFIG_CHECK_H

#include "config_reader.h"
#include "config_value.h"

void config_check_section(struct config_reader *reader, const struct config_scope *scope,
                          const struct config_section *section, void *place,
                          const struct config_node *node);

// What only the machine can say about a value that reads well: is its file there?
bool config_check_value(const struct config_option *option, const void *member,
                        struct config_reason *out_reason);

#endif
