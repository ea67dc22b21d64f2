// SPDX-License-Identifier: Apache-2.0
// What a returning client holds, as one cookie value: a set of hashes of (authority, path,
// version), Golomb-Rice coded, in base64url. With the version in the hash a changed file is not in
// the set and is pushed again. The client keeps it, outrider keeps nothing.
//   version (8 bits, 1), count (9), per member: gap (push/push_golomb.h), age (2); zeros to a whole
//   byte; SipHash-2-4 of all that (64 bits).
// The signature tells our cookies from damaged ones and from those of an earlier key. It guards
// nothing more: whoever forges one changes only what is pushed to himself.
// A member is a number below 2^17, so among n members a stranger is taken for one in n of 2^17
// cases (2^-10 at 128, 2^-8 when full); that costs one push that isn't made.
// Bound: PUSH_DIGEST_ENTRIES members never take more than PUSH_DIGEST_MAX_CHARS. A set has no
// order, so each member carries one of four ages, as in a clock with two bits: a new one or one
// used again is of age 0; when a quarter of the room is of age 0, all grow one older; when the set
// is full, a random one of the oldest leaves.
// Owner: the exchange's arena or a frame. Pure. See also: push/push_cookie.h, push/push_visitor.h.
#ifndef OUTRIDER_PUSH_PUSH_DIGEST_H
#define OUTRIDER_PUSH_PUSH_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/slice.h"

enum {
    PUSH_DIGEST_ENTRIES = 480,
    PUSH_DIGEST_MAX_CHARS = 980, // with a name of at most 43 the cookie stays below 1 KB
};

struct push_digest_key {
    struct hash_key sign;
    uint64_t entries;
};

struct push_digest {
    uint32_t rows[PUSH_DIGEST_ENTRIES]; // ascending: hash << 2 | age
    uint32_t count;
    bool is_changed; // since it was read or made: worth a new cookie
};

// How reading a cookie ended; counted by these names.
#define PUSH_DIGEST_OUTCOME_LIST(X)                                                                \
    X(READ, "read")                                                                                \
    X(ABSENT, "absent")       /* no such cookie */                                                 \
    X(OVERSIZED, "oversized") /* longer than any of ours */                                        \
    X(GARBLED, "garbled")     /* not base64url, or too short */                                    \
    X(VERSION, "version")     /* of another version */                                             \
    X(FORGED, "forged")       /* signed with another key or not at all */                          \
    X(DAMAGED, "damaged")     /* signed, and yet no set */

enum push_digest_outcome {
#define X(name, text) PUSH_DIGEST_##name,
    PUSH_DIGEST_OUTCOME_LIST(X)
#undef X
        PUSH_DIGEST_OUTCOME_COUNT
};

// From the configuration: 32 hexadecimal digits are the key, any other text is stretched to one.
// False when the text is empty. All workers, and all hosts behind one name, share the key.
bool push_digest_key_from_text(struct slice text, struct push_digest_key *out_key);
// From 16 random bytes.
void push_digest_key_from_bytes(const unsigned char bytes[16], struct push_digest_key *out_key);

void push_digest_init(struct push_digest *digest); // the empty set
// Unless the outcome is PUSH_DIGEST_READ, the set is empty.
enum push_digest_outcome push_digest_read(const struct push_digest_key *key, struct slice value,
                                          struct push_digest *out_digest);

// `version` as of push_assets_version.
bool push_digest_has(const struct push_digest *digest, const struct push_digest_key *key,
                     struct slice authority, struct slice path, struct slice version);
// The client has it, or is about to receive it. One that is there and not old changes nothing.
void push_digest_add(struct push_digest *digest, const struct push_digest_key *key,
                     struct slice authority, struct slice path, struct slice version);

// It is there no more, or under another version.
void push_digest_remove(struct push_digest *digest, const struct push_digest_key *key,
                        struct slice authority, struct slice path, struct slice version);

// The cookie's value.
struct slice push_digest_write(const struct push_digest *digest, const struct push_digest_key *key,
                               struct arena *arena);

#endif
