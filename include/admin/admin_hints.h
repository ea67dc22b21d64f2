// SPDX-License-Identifier: Apache-2.0
// What a worker has learned, as JSON for people: each page with its links, age and use. Bounded in
// pages and bytes; beyond them "truncated" is true, and what is used the most is there.
// Owner: none. Thread: the worker's, whose memory is read. See also: push/push_learn.h.
#ifndef OUTRIDER_ADMIN_ADMIN_HINTS_H
#define OUTRIDER_ADMIN_ADMIN_HINTS_H

#include <stdint.h>

#include "base/buffer.h"
#include "push/push_memory.h"

enum {
    ADMIN_HINTS_PAGES = 2000,
    ADMIN_HINTS_BYTES = 2 * 1024 * 1024, // no further page beyond
};

void admin_hints_write(const struct push_memory *memory, uint64_t now_ms, struct buffer *out_json);

#endif
