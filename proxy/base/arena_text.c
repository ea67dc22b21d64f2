// SPDX-License-Identifier: Apache-2.0
// What is made of arena_alloc; apart from it, since the fuzz targets have another arena_alloc.
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/ensure.h"

void *arena_zeroed(struct arena *arena, size_t size) {
    return memset(arena_alloc(arena, size), 0, size);
}

struct slice arena_copy(struct arena *arena, struct slice bytes) {
    char *copy = arena_alloc(arena, bytes.length + 1);
    if (bytes.length > 0) {
        memcpy(copy, bytes.data, bytes.length);
    }
    copy[bytes.length] = '\0';
    return slice_of(copy, bytes.length);
}

struct slice arena_join(struct arena *arena, const struct slice *parts, size_t count) {
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        length += parts[i].length;
    }
    char *bytes = arena_alloc(arena, length);
    char *at = bytes;
    for (size_t i = 0; i < count; i++) {
        at = (char *)mempcpy(at, parts[i].data, parts[i].length);
    }
    return slice_of(bytes, length);
}

struct slice arena_printf(struct arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ensure(length >= 0);
    char *text = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return slice_of(text, (size_t)length);
}
