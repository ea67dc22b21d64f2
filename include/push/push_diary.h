// SPDX-License-Identifier: Apache-2.0
// What one client connection already has: what was promised to it and what it asked for itself, and
// which version of it; and how it took the promises (PUSH section 1, "The diary", "Never more than
// helps"). At most 8 KB, and less for a quiet client: up to 256 hashes in a ring with a small
// index; then the oldest entry ages out.
// Owner: the relay, in the client's memory slot (http/message.h); dies with the connection.
// One thread. Times: monotonic ms, an argument. See also: push/push_plan.h.
#ifndef OUTRIDER_PUSH_PUSH_DIARY_H
#define OUTRIDER_PUSH_PUSH_DIARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct push_diary;

enum { PUSH_DIARY_ENTRIES = 256 };

// `seed` is random per process, so that a peer can't choose colliding paths.
struct push_diary *push_diary_create(uint64_t seed);
void push_diary_destroy(struct push_diary *diary); // NULL is fine

// Keys are (authority, path with query).
bool push_diary_has(const struct push_diary *diary, struct slice authority, struct slice path);
// It is asked for or promised. An entry that is there already becomes young again; which version
// the client has is not known until the answer is complete.
void push_diary_add(struct push_diary *diary, struct slice authority, struct slice path);
void push_diary_forget(struct push_diary *diary, struct slice authority, struct slice path);

// A response with this version (a hash of its validators) was delivered to its last byte, pushed or
// asked for. Adds the entry when it is not there; does not make it younger.
void push_diary_note_version(struct push_diary *diary, struct slice authority, struct slice path,
                             uint32_t version_hash, uint64_t now_ms);
// The version that was given last, and when. False when there is no entry or no version.
bool push_diary_find_version(const struct push_diary *diary, struct slice authority,
                             struct slice path, uint32_t *out_version_hash, uint64_t *out_given_ms);

// How a promise ended: taken (completed) or refused (reset by the client).
void push_diary_note_outcome(struct push_diary *diary, bool was_refused);
// The latest of those that counted as taken was refused after all: its reset came when all of it
// had been sent.
void push_diary_note_late_refusal(struct push_diary *diary);
// More than half of the last 20 promises, or 3 of the first 4, were refused: stop for good.
bool push_diary_has_stopped(const struct push_diary *diary);
// In its whole life this connection has refused more promises than it took: its refusals say
// something about the client, nothing about the resources (push/push_unfit.h).
bool push_diary_is_refusing(const struct push_diary *diary);

#endif
