// SPDX-License-Identifier: Apache-2.0
#include "config_guess.h"

#include <stdbool.h>

enum { WORD_BYTES = 40 }; // longer words are not compared

static size_t count_edits(struct slice a, struct slice b);
static size_t smallest(size_t a, size_t b, size_t c);

void config_guess_consider(struct config_guess *guess, const char *name) {
    struct slice known = slice_of_text(name);
    size_t shorter = known.length < guess->word.length ? known.length : guess->word.length;
    if (shorter == 0 || known.length > WORD_BYTES || guess->word.length > WORD_BYTES) {
        return;
    }
    // The beginning of a name (`cert`) is as good as a slip.
    bool is_beginning = shorter >= 3 && slice_equal_nocase(slice_first(known, shorter),
                                                           slice_first(guess->word, shorter));
    size_t distance = is_beginning ? 2 : count_edits(guess->word, known);
    size_t allowed = known.length <= 3 ? 1 : known.length <= 7 ? 2 : 3;
    if (distance <= allowed && (guess->best == NULL || distance < guess->distance)) {
        guess->best = name;
        guess->distance = distance;
    }
}

// Edit distance in which two swapped neighbours count as one slip.
static size_t count_edits(struct slice a, struct slice b) {
    size_t rows[3][WORD_BYTES + 1]; // the last two and the present one
    for (size_t j = 0; j <= b.length; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.length; i++) {
        size_t *now = rows[i % 3];
        const size_t *last = rows[(i + 2) % 3];
        const size_t *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b.length; j++) {
            char x = slice_lower(a.data[i - 1]);
            char y = slice_lower(b.data[j - 1]);
            now[j] = smallest(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == slice_lower(b.data[j - 2]) &&
                y == slice_lower(a.data[i - 2]) && before[j - 2] + 1 < now[j]) {
                now[j] = before[j - 2] + 1;
            }
        }
    }
    return rows[a.length % 3][b.length];
}

static size_t smallest(size_t a, size_t b, size_t c) {
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}
