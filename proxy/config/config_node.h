// SPDX-License-Identifier: Apache-2.0
// A configuration file as a tree of words, lists and mappings, each knowing where it stood. It
// knows no option and no YAML library. Owner: the arena it was made in. See also: config_yaml.c,
// which makes it, and config_reader.c, which reads it.
#ifndef OUTRIDER_CONFIG_CONFIG_NODE_H
#define OUTRIDER_CONFIG_CONFIG_NODE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/slice.h"

enum config_node_kind {
    CONFIG_NODE_WORD,
    CONFIG_NODE_LIST,
    CONFIG_NODE_MAP,
    CONFIG_NODE_BROKEN, // was reported already; readers skip it
};

struct config_node {
    enum config_node_kind kind;
    const char *source; // the flag or variable that said it; NULL: the file
    unsigned line;      // from 1; 0 when it did not come from the file
    unsigned column;    // from 1, in characters; what is not from the file is counted through
    bool is_plain;      // a word without quotes
    struct slice text;
    struct config_node *first; // of a LIST or MAP
    struct config_node *last;
    struct config_node *next;
    size_t count;
    struct config_node *key;        // of a value in a MAP
    const struct config_node *same; // of a value in a MAP: the earlier one with the same key
};

struct config_node *config_node_create(struct arena *arena, enum config_node_kind kind,
                                       unsigned line, unsigned column);
void config_node_append(struct config_node *parent, struct config_node *child);
// Sets `same` in all values of a complete MAP.
void config_node_find_same(struct config_node *map);

// Makes what does not stand in the file.
struct config_node_maker {
    struct arena *arena;
    const char *source; // of what is made next; outlives the tree
    unsigned column;    // of what was made last, so that errors keep their order
};

// A LIST or MAP ignores the text.
struct config_node *config_node_make(struct config_node_maker *maker, enum config_node_kind kind,
                                     struct slice text);
// A LIST of what stands between commas.
struct config_node *config_node_make_list(struct config_node_maker *maker, struct slice text);
// Sets or replaces a value in a MAP; the node it then is comes back. The key outlives the tree.
struct config_node *config_node_put(struct config_node_maker *maker, struct config_node *map,
                                    const char *key, const struct config_node *value);

// The first value of that key; NULL when there is none or the node is no MAP.
const struct config_node *config_node_child(const struct config_node *node, const char *key);
// Nothing was written where a value may stand: "", "~" or "null" without quotes.
bool config_node_is_null(const struct config_node *node);
// Bytes of the first character by RFC 3629; 0 when it is none. C1 controls count as none.
size_t config_node_measure(struct slice text);
const char *config_node_what(const struct config_node *node); // "a list"

#endif
