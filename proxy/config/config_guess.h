// SPDX-License-Identifier: Apache-2.0
// "Did you mean": the known name that is most like a misspelt word. Pure.
#ifndef OUTRIDER_CONFIG_CONFIG_GUESS_H
#define OUTRIDER_CONFIG_CONFIG_GUESS_H

#include <stddef.h>

#include "base/slice.h"

// Start with {.word = ...}, show it all names, then read `best`.
struct config_guess {
    struct slice word;
    const char *best; // NULL: nothing is near
    size_t distance;
};

void config_guess_consider(struct config_guess *guess, const char *name);

#endif
