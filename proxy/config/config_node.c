// SPDX-License-Identifier: Apache-2.0
#include "config_node.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/ensure.h"

static int compare_keys(const void *a, const void *b);

struct config_node *config_node_create(struct arena *arena, enum config_node_kind kind,
                                       unsigned line, unsigned column) {
    struct config_node *node = arena_new(arena, struct config_node);
    node->kind = kind;
    node->line = line;
    node->column = column;
    node->text = SLICE_EMPTY;
    return node;
}

void config_node_append(struct config_node *parent, struct config_node *child) {
    if (parent->last != NULL) {
        parent->last->next = child;
    } else {
        parent->first = child;
    }
    parent->last = child;
    parent->count++;
}

void config_node_find_same(struct config_node *map) {
    struct config_node **values = alloc_zeroed(map->count, sizeof(struct config_node *));
    size_t count = 0;
    for (struct config_node *value = map->first; value != NULL; value = value->next) {
        if (value->key->kind == CONFIG_NODE_WORD) {
            values[count++] = value;
        }
    }
    qsort(values, count, sizeof(struct config_node *), compare_keys);
    for (size_t i = 1; i < count; i++) {
        const struct config_node *before = values[i - 1];
        if (slice_equal(before->key->text, values[i]->key->text)) {
            values[i]->same = before->same != NULL ? before->same : before;
        }
    }
    free(values);
}

// By text, then by place.
static int compare_keys(const void *a, const void *b) {
    const struct config_node *x = (*(struct config_node *const *)a)->key;
    const struct config_node *y = (*(struct config_node *const *)b)->key;
    if (x->text.length != y->text.length) {
        return x->text.length < y->text.length ? -1 : 1;
    }
    int order = memcmp(x->text.data, y->text.data, x->text.length);
    if (order != 0) {
        return order;
    }
    bool is_before = x->line < y->line || (x->line == y->line && x->column < y->column);
    return is_before ? -1 : 1;
}

// --- what does not stand in the file ------------------------------------------------------------

struct config_node *config_node_make(struct config_node_maker *maker, enum config_node_kind kind,
                                     struct slice text) {
    struct config_node *node = config_node_create(maker->arena, kind, 0, ++maker->column);
    node->source = maker->source;
    node->text = arena_copy(maker->arena, text);
    node->is_plain = text.length == 0; // the word null is no null here
    return node;
}

struct config_node *config_node_make_list(struct config_node_maker *maker, struct slice text) {
    struct config_node *list = config_node_make(maker, CONFIG_NODE_LIST, SLICE_EMPTY);
    struct slice element;
    while (slice_next_element(&text, &element)) {
        config_node_append(list, config_node_make(maker, CONFIG_NODE_WORD, element));
    }
    return list;
}

struct config_node *config_node_put(struct config_node_maker *maker, struct config_node *map,
                                    const char *key, const struct config_node *value) {
    struct config_node *node = (struct config_node *)(uintptr_t)config_node_child(map, key);
    if (node == NULL) {
        node = config_node_create(maker->arena, value->kind, 0, 0);
        node->key = config_node_make(maker, CONFIG_NODE_WORD, slice_of_text(key));
        config_node_append(map, node);
    }
    struct config_node before = *node;
    *node = *value;
    node->next = before.next;
    node->key = before.key;
    node->same = before.same;
    return node;
}

// --- questions ----------------------------------------------------------------------------------

const struct config_node *config_node_child(const struct config_node *node, const char *key) {
    if (node->kind != CONFIG_NODE_MAP) {
        return NULL;
    }
    struct slice name = slice_of_text(key);
    for (const struct config_node *value = node->first; value != NULL; value = value->next) {
        if (value->key->kind == CONFIG_NODE_WORD && slice_equal(value->key->text, name)) {
            return value;
        }
    }
    return NULL;
}

bool config_node_is_null(const struct config_node *node) {
    return node->kind == CONFIG_NODE_WORD && node->is_plain &&
           (node->text.length == 0 || slice_equal(node->text, SLICE("~")) ||
            slice_equal_nocase(node->text, SLICE("null")));
}

size_t config_node_measure(struct slice text) {
    unsigned char first = (unsigned char)text.data[0];
    size_t length = first < 0x80                     ? 1
                    : first >= 0xc2 && first <= 0xdf ? 2
                    : first >= 0xe0 && first <= 0xef ? 3
                    : first >= 0xf0 && first <= 0xf4 ? 4
                                                     : 0;
    if (length < 2 || text.length < length) {
        return text.length < length ? 0 : length;
    }
    unsigned value = first & (0xffU >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if ((byte & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (byte & 0x3fU);
    }
    static const unsigned least[] = {[2] = 0xa0, [3] = 0x800, [4] = 0x10000};
    bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
    bool is_outside = value > 0x10ffff || value == 0xfffe || value == 0xffff;
    return value < least[length] || is_surrogate || is_outside ? 0 : length;
}

const char *config_node_what(const struct config_node *node) {
    switch (node->kind) {
    case CONFIG_NODE_WORD:
        return "a single value";
    case CONFIG_NODE_LIST:
        return "a list";
    case CONFIG_NODE_MAP:
        return "a mapping";
    case CONFIG_NODE_BROKEN:
        return "an alias";
    }
    unreachable();
}
