// SPDX-License-Identifier: Apache-2.0
// URLs that are not to be promised again for a while (PUSH section 1, "The pushed response"): bad,
// since their push was 4xx or 5xx, or private for visitors with credentials; and unwanted, since
// most clients refused their promise. Fixed size. Owner: the worker. One thread. Times: monotonic
// ms, an argument. See also: push/push_diary.h, which judges connections.
//
// Unwanted: of the last 16 outcomes of a URL's promises, when at least 6 are known, more than half
// are refusals. What was taken counts from the start and not only from the first refusal, so that
// six refusals among a thousand are not enough: six are a majority only of the first eleven
// outcomes that are known, of a full window it takes nine. When its time is over a URL starts
// afresh.
//
// When there is no room: URLs that may not be promised stay before those that were refused lately,
// and these before all else, the oldest gives way; what is only ever taken never replaces either.
#ifndef OUTRIDER_PUSH_PUSH_UNFIT_H
#define OUTRIDER_PUSH_PUSH_UNFIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct push_unfit;

enum { PUSH_UNFIT_ENTRIES = 512, PUSH_UNFIT_MS = 10 * 60 * 1000 };

enum push_unfit_reason {
    PUSH_UNFIT_NOT = 0, // may be promised
    PUSH_UNFIT_BAD,
    PUSH_UNFIT_UNWANTED,
};

struct push_unfit *push_unfit_create(uint64_t seed);
void push_unfit_destroy(struct push_unfit *unfit); // NULL is fine
// `only_with_credentials`: others may still be promised it.
void push_unfit_add(struct push_unfit *unfit, struct slice authority, struct slice path,
                    bool only_with_credentials, uint64_t now_ms);
// How a promise of it ended: taken (completed) or refused (reset by the client). So that a client
// that refuses everything can't speak for the others, report a refusal only when its connection has
// taken at least as many promises as it has refused, this one included: push_diary_note_outcome
// first, then not push_diary_is_refusing. Whatever was taken is reported.
void push_unfit_note_outcome(struct push_unfit *unfit, struct slice authority, struct slice path,
                             bool was_refused, uint64_t now_ms);
// The same of one that counted as taken, when all of it had been sent before the reset came: the
// latest of them was refused after all. `key` is of push_unfit_key.
uint64_t push_unfit_key(const struct push_unfit *unfit, struct slice authority, struct slice path);
void push_unfit_note_late_refusal(struct push_unfit *unfit, uint64_t key);
// Of two reasons the bad response is named.
enum push_unfit_reason push_unfit_has(const struct push_unfit *unfit, struct slice authority,
                                      struct slice path, bool has_credentials, uint64_t now_ms);

#endif
