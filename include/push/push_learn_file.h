// SPDX-License-Identifier: Apache-2.0
// The learned table as text, so that it survives a restart: a first line with version and
// wall-clock time, one line per confirmed page (fields between tabs), a last line with their number
// and a checksum. Bytes in and out; the caller reads and writes the file, and sets a damaged one
// aside. Owner: the caller's buffer. Thread: the table's. Times: ms. See also: push/push_learn.h.
//
//   outrider-hints 1 <wall_ms>
//   page <age_ms> <seen_ms> <left_ms> <sightings> <uses> plain|cookies <scheme> <authority> <path>
//        <element> ...
//   end <pages> <checksum>
#ifndef OUTRIDER_PUSH_PUSH_LEARN_FILE_H
#define OUTRIDER_PUSH_PUSH_LEARN_FILE_H

#include "base/buffer.h"
#include "push/push_learn.h"

// What was seen once is not saved: connections have no meaning in another process.
void push_learn_file_save(const struct push_learn *learn, uint64_t now_ms, int64_t wall_ms,
                          struct buffer *to);

struct push_learn_file_error {
    size_t line; // from 1
    const char *reason;
};

// All or nothing: false, and nothing loaded, when any line is damaged. Pages whose life ended
// meanwhile are passed over; those that the table knows already stay as they are.
bool push_learn_file_load(struct push_learn *learn, struct slice text, uint64_t now_ms,
                          int64_t wall_ms, struct push_learn_file_error *out_error);

#endif
