// SPDX-License-Identifier: Apache-2.0
// Options by variables: OUTRIDER_PUSH_MAX_OPEN is `max_open` of the section `push`. They are laid
// over the tree of a file before it is read, so they pass the same checks. Pure: the environment
// comes as data. See also: config_flags.c for those that stand for a flag.
#ifndef OUTRIDER_CONFIG_CONFIG_ENVIRONMENT_H
#define OUTRIDER_CONFIG_CONFIG_ENVIRONMENT_H

#include "config/config.h"
#include "config_node.h"

// `environment` holds "NAME=value" and ends with NULL; NULL is an empty one. What is no option is
// an error, and with a file so is a variable that stands for a flag.
void config_environment_apply(struct config_node_maker *maker, const char *const *environment,
                              bool has_file, struct config_node *root,
                              struct config_errors *errors);
// The value of a variable by its whole name; NULL when it is not set.
const char *config_environment_find(const char *const *environment, const char *name);

#endif
