// SPDX-License-Identifier: Apache-2.0
// One change of the learned table as bytes for the other workers: version, kind, flags, length,
// then the fields below in their order, numbers little-endian. The reader trusts nothing.
// Owner: the buffer; what is read points into its bytes. Any thread. See also: push/push_learn.h.
#ifndef OUTRIDER_PUSH_PUSH_LEARN_RECORD_H
#define OUTRIDER_PUSH_PUSH_LEARN_RECORD_H

#include "base/buffer.h"
#include "push_learn_pages.h"

enum push_learn_record_kind {
    PUSH_LEARN_RECORD_SIGHTING = 1, // all fields
    PUSH_LEARN_RECORD_DROP,         // key and time
    PUSH_LEARN_RECORD_BAD,          // time, authority and path of a URL that answers 4xx
};

struct push_learn_record {
    enum push_learn_record_kind kind;
    struct push_learn_sighting sighting;
    uint64_t life_ms;
    struct push_learn_key key;
    const struct slice *elements;
    uint32_t count;
};

enum push_learn_record_result {
    PUSH_LEARN_RECORD_READ,
    PUSH_LEARN_RECORD_END, // nothing is left
    PUSH_LEARN_RECORD_DAMAGED,
};

size_t push_learn_record_bytes(const struct push_learn_record *record);
void push_learn_record_write(const struct push_learn_record *record, struct buffer *to);
// Takes one record off `rest`; its list of elements lives in the arena.
enum push_learn_record_result push_learn_record_read(struct slice *rest, struct arena *arena,
                                                     struct push_learn_record *out_record);

#endif
