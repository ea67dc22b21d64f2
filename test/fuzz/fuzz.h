// SPDX-License-Identifier: Apache-2.0
// What all fuzz targets share: one entry point, a reader that makes decisions of the input's bytes,
// and checks that end the run. A target must do the same for the same input, must end, and must
// leave nothing behind. Owner: none. One thread.
// See also: test/fuzz/README.md, fuzz_replay.c (the driver where there is no libFuzzer).
#ifndef OUTRIDER_FUZZ_H
#define OUTRIDER_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What must hold whatever the input is.
#define fuzz_check(condition)                                                                      \
    ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, __func__, #condition))

__attribute__((noreturn, cold)) static inline void
fuzz_fail(const char *file, int line, const char *function, const char *condition) {
    fprintf(stderr, "fuzz: does not hold: %s:%d: %s: %s\n", file, line, function, condition);
    abort();
}

// With FUZZ_TRACE in the environment: what is done, for whoever looks into a finding.
#define fuzz_trace(...)                                                                            \
    (getenv("FUZZ_TRACE") != NULL ? (void)fprintf(stderr, __VA_ARGS__) : (void)0)

// For loops over content: what they compare is no news to libFuzzer, and costs most of its time.
#ifdef __clang__
#define FUZZ_UNCOUNTED __attribute__((no_sanitize("coverage")))
#else
#define FUZZ_UNCOUNTED
#endif

struct fuzz_input {
    const uint8_t *data;
    size_t length;
};

static inline struct fuzz_input fuzz_input_of(const uint8_t *data, size_t size) {
    return (struct fuzz_input){data, size};
}

// Zeros when the input is used up.
static inline unsigned fuzz_byte(struct fuzz_input *input) {
    if (input->length == 0) {
        return 0;
    }
    input->length--;
    return *input->data++;
}

static inline unsigned fuzz_below(struct fuzz_input *input, unsigned bound) {
    return fuzz_byte(input) % bound;
}

static inline bool fuzz_bool(struct fuzz_input *input) {
    return (fuzz_byte(input) & 1) != 0;
}

static inline unsigned fuzz_word(struct fuzz_input *input) {
    unsigned high = fuzz_byte(input);
    return high << 8 | fuzz_byte(input);
}

static inline uint64_t fuzz_number(struct fuzz_input *input) {
    uint64_t number = 0;
    for (unsigned i = 0; i < 8; i++) {
        number = number << 8 | fuzz_byte(input);
    }
    return number;
}

// The next bytes, at most so many.
static inline struct slice fuzz_take(struct fuzz_input *input, size_t most) {
    struct slice bytes = slice_of((const char *)input->data, input->length);
    bytes = slice_first(bytes, most);
    input->data += bytes.length;
    input->length -= bytes.length;
    return bytes;
}

static inline struct slice fuzz_rest(struct fuzz_input *input) {
    return fuzz_take(input, input->length);
}

// Up to the byte, which is taken too.
static inline struct slice fuzz_take_until(struct fuzz_input *input, char byte) {
    struct slice bytes = slice_of((const char *)input->data, input->length);
    bytes = slice_first(bytes, slice_find(bytes, byte));
    fuzz_take(input, bytes.length + 1);
    return bytes;
}

// A copy of its own size, so that the sanitizer sees who reads on; free it.
static inline char *fuzz_copy(struct slice bytes) {
    char *copy = malloc(bytes.length > 0 ? bytes.length : 1);
    fuzz_check(copy != NULL);
    if (bytes.length > 0) {
        memcpy(copy, bytes.data, bytes.length);
    }
    return copy;
}

#endif
