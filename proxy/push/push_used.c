// SPDX-License-Identifier: Apache-2.0
#include "push_used.h"

#include <string.h>

#include "base/ensure.h"

enum { FIRST_CAPACITY = 8 };

static uint32_t mark_of(const struct url *url);
static void grow(struct push_used *used, size_t capacity);

void push_used_start(struct push_used *used, const struct url *urls, size_t count,
                     struct arena *arena) {
    *used = (struct push_used){.arena = arena, .urls = urls, .count = count};
    ensure(count <= PUSH_USED_MAX);
    if (count > 0) {
        grow(used, 2 * count);
        for (size_t i = 0; i < count; i++) {
            used->marks[i] = mark_of(&urls[i]);
        }
    }
}

bool push_used_has(const struct push_used *used, const struct url *url) {
    uint32_t mark = mark_of(url);
    for (size_t i = 0; i < used->count; i++) {
        if (used->marks[i] == mark && url_equal(&used->urls[i], url)) {
            return true;
        }
    }
    return false;
}

// Of the end: the URLs of a page begin alike.
static uint32_t mark_of(const struct url *url) {
    struct slice path = url->path;
    uint32_t mark = (uint32_t)path.length;
    for (size_t i = path.length > 8 ? path.length - 8 : 0; i < path.length; i++) {
        mark = mark * 31 + (unsigned char)path.data[i];
    }
    return mark;
}

bool push_used_is_full(const struct push_used *used) {
    return used->count >= PUSH_USED_MAX;
}

void push_used_add(struct push_used *used, const struct url *url) {
    ensure(!push_used_is_full(used));
    if (used->count == used->capacity) {
        grow(used, used->count > 0 ? 2 * used->count : FIRST_CAPACITY);
    }
    used->marks[used->count] = mark_of(url);
    used->own[used->count++] = *url;
}

static void grow(struct push_used *used, size_t capacity) {
    struct url *own = arena_alloc(used->arena, capacity * sizeof(*own));
    uint32_t *marks = arena_alloc(used->arena, capacity * sizeof(*marks));
    if (used->count > 0) {
        memcpy(own, used->urls, used->count * sizeof(*own));
    }
    if (used->marks != NULL) {
        memcpy(marks, used->marks, used->count * sizeof(*marks));
    }
    used->urls = used->own = own;
    used->marks = marks;
    used->capacity = capacity;
}
