// SPDX-License-Identifier: Apache-2.0
// From the tree of a file to struct config, by the table of options. Goes on after every error.
// See also: config_check.c for what concerns more than one option.
#ifndef OUTRIDER_CONFIG_CONFIG_READER_H
#define OUTRIDER_CONFIG_CONFIG_READER_H

#include "config/config.h"
#include "config/config_options.h"
#include "config_node.h"

struct config_reader {
    const char *file;
    struct config *config;
    struct config_errors *errors;
    bool is_tired; // enough errors for one screen; further ones are not kept
};

// Where we are: "listeners[0].tls.key" from the inside out. Lives on the stack.
struct config_scope {
    const struct config_scope *parent; // NULL at the top
    struct slice name;
    size_t index; // of an item
    bool is_item;
};

// NULL with errors. The configuration keeps the tree.
struct config *config_reader_read(const char *file, struct arena *take_arena,
                                  const struct config_node *root, struct config_errors *errors);

// Notes an error at the node.
void config_reader_say(struct config_reader *reader, const struct config_scope *scope,
                       const struct config_node *node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
