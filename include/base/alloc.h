// SPDX-License-Identifier: Apache-2.0
// Allocate or die. Sizes that a peer controls are limited before they reach these functions,
// so dying here cannot be provoked from the network. The caller owns the memory and frees it
// with free(). Any thread.
#ifndef OUTRIDER_BASE_ALLOC_H
#define OUTRIDER_BASE_ALLOC_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A sanitizer watches malloc and free: memory of any other kind would hide faults from it.
#ifndef __has_feature
#define __has_feature(name) 0 // gcc
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { ALLOC_IS_WATCHED = 1 };
#else
enum { ALLOC_IS_WATCHED = 0 };
#endif

__attribute__((noreturn, cold)) static inline void alloc_fail(size_t size) {
    fprintf(stderr, "outrider: out of memory (%zu bytes)\n", size);
    abort();
}

static inline void *alloc_bytes(size_t size) {
    void *memory = malloc(size > 0 ? size : 1);
    if (memory == NULL) {
        alloc_fail(size);
    }
    return memory;
}

static inline void *alloc_zeroed(size_t count, size_t size) {
    void *memory = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    if (memory == NULL) {
        alloc_fail(count * size);
    }
    return memory;
}

static inline void *alloc_resize(void *take_memory, size_t size) {
    void *memory = realloc(take_memory, size > 0 ? size : 1);
    if (memory == NULL) {
        alloc_fail(size);
    }
    return memory;
}

// A NUL-terminated copy.
static inline char *alloc_text(const char *text) {
    size_t size = strlen(text) + 1;
    return memcpy(alloc_bytes(size), text, size);
}

#define alloc_new(type) ((type *)alloc_zeroed(1, sizeof(type)))

#endif
