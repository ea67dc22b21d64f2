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

// Is there such a file, and may we read it?
bool config_check_file(const char *path, struct config_reason *out_reason);

#endif
