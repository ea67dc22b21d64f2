// SPDX-License-Identifier: Apache-2.0
// A borrowed view of bytes: pointer and length, not NUL-terminated. Never owns anything; whoever
// made the slice says how long the bytes live. Comparison without case folds ASCII letters only.
#ifndef OUTRIDER_BASE_SLICE_H
#define OUTRIDER_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data;
    size_t length;
};

#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})
#define SLICE_EMPTY ((struct slice){"", 0})
// For printf: "%.*s", SLICE_ARGS(s)
#define SLICE_ARGS(s) (int)(s).length, (s).data

static inline struct slice slice_of(const char *data, size_t length) {
    return (struct slice){data, length};
}

static inline struct slice slice_of_text(const char *text) {
    return (struct slice){text, strlen(text)};
}

static inline char slice_lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline bool slice_equal(struct slice a, struct slice b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool slice_equal_nocase(struct slice a, struct slice b) {
    if (a.length != b.length) {
        return false;
    }
    for (size_t i = 0; i < a.length; i++) {
        if (slice_lower(a.data[i]) != slice_lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

static inline bool slice_starts_with(struct slice s, struct slice prefix) {
    return s.length >= prefix.length && memcmp(s.data, prefix.data, prefix.length) == 0;
}

// The rest after `count` bytes; empty when there are fewer.
static inline struct slice slice_skip(struct slice s, size_t count) {
    return count >= s.length ? slice_of(s.data + s.length, 0)
                             : slice_of(s.data + count, s.length - count);
}

static inline struct slice slice_first(struct slice s, size_t count) {
    return slice_of(s.data, count < s.length ? count : s.length);
}

// Index of the first `byte`, or s.length.
static inline size_t slice_find(struct slice s, char byte) {
    const char *at = s.length > 0 ? memchr(s.data, byte, s.length) : NULL;
    return at != NULL ? (size_t)(at - s.data) : s.length;
}

// Without blanks (SP, HTAB) at both ends: optional white space of RFC 9110 section 5.6.3.
static inline struct slice slice_trim(struct slice s) {
    while (s.length > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s = slice_skip(s, 1);
    }
    while (s.length > 0 && (s.data[s.length - 1] == ' ' || s.data[s.length - 1] == '\t')) {
        s.length--;
    }
    return s;
}

// Takes the next element of a comma-separated list off `rest`, trimmed; false at the end. Empty
// elements are skipped (RFC 9110 section 5.6.1.2). Commas inside quotes are not looked for.
static inline bool slice_next_element(struct slice *rest, struct slice *out_element) {
    while (rest->length > 0) {
        size_t comma = slice_find(*rest, ',');
        *out_element = slice_trim(slice_first(*rest, comma));
        *rest = slice_skip(*rest, comma + 1);
        if (out_element->length > 0) {
            return true;
        }
    }
    return false;
}

#endif
