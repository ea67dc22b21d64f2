// SPDX-License-Identifier: Apache-2.0
// The Cache-Digest request field: what the client says that its cache holds. As service workers
// send it and h2o reads it: draft-ietf-httpbis-cache-digest before it turned to Cuckoo filters
// (-03), which are not read here. A list of Golomb-Rice coded sets in base64url, each
//   log2 N (5 bits), log2 P (5 bits), per member its gap (push/push_golomb.h)
// of SHA-256(URL) or, with the flag `validators`, SHA-256(URL ETag), cut to log2(N*P) bits; further
// flags `complete`, `stale`, `reset`.
// Bound: 8 sets, 4,096 members, 8 KB of text, counted over all fields; a set beyond is ignored.
// Owner: the exchange's arena. Pure. See also: push/push_visitor.h.
#ifndef OUTRIDER_PUSH_PUSH_CACHE_DIGEST_H
#define OUTRIDER_PUSH_PUSH_CACHE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "http/headers.h"
#include "http/url.h"
#include "push/push_assets.h"

enum {
    PUSH_CACHE_DIGEST_SETS = 8,
    PUSH_CACHE_DIGEST_MEMBERS = 4096,
    PUSH_CACHE_DIGEST_CHARS = 8192,
};

// This floor has no cryptography; the worker lends it.
typedef void push_sha256_fn(const void *bytes, size_t length, unsigned char out_hash[32]);

// How reading each element of the list ended; counted by these names.
#define PUSH_CACHE_DIGEST_OUTCOME_LIST(X)                                                          \
    X(READ, "read")                                                                                \
    X(FLAG, "flag")         /* a flag that is not known: it may mean anything */                   \
    X(GARBLED, "garbled")   /* not base64url, or too short */                                      \
    X(DAMAGED, "damaged")   /* cut short, or members out of range */                               \
    X(TOO_MANY, "too_many") /* sets, members or characters */

enum push_cache_digest_outcome {
#define X(name, text) PUSH_CACHE_DIGEST_##name,
    PUSH_CACHE_DIGEST_OUTCOME_LIST(X)
#undef X
        PUSH_CACHE_DIGEST_OUTCOME_COUNT
};

struct push_cache_set {
    const uint64_t *members; // ascending
    size_t count;
    unsigned bits; // of the hash, log2(N*P)
    bool has_validators;
    bool is_stale;
};

struct push_cache_digest {
    struct push_cache_set sets[PUSH_CACHE_DIGEST_SETS];
    size_t set_count;
    size_t member_count; // read so far, also those that a reset dropped
    size_t char_count;
    bool is_complete[2]; // of the fresh, of the stale: what is in no set isn't in the cache
    unsigned outcomes[PUSH_CACHE_DIGEST_OUTCOME_COUNT];
};

// The further down, the more is known to be there.
enum push_cache_state {
    PUSH_CACHE_UNKNOWN,
    PUSH_CACHE_ABSENT,
    PUSH_CACHE_STALE,
    PUSH_CACHE_STALE_VERSION, // and it is the version that is known here: a 304 would do
    PUSH_CACHE_FRESH,
    PUSH_CACHE_FRESH_VERSION,
};

// NULL when there is no such field.
struct push_cache_digest *push_cache_digest_read(const struct headers *request,
                                                 struct arena *arena);

// `asset` is the version known here, NULL when unknown: then sets with validators can't be asked.
enum push_cache_state push_cache_digest_find(const struct push_cache_digest *digest,
                                             push_sha256_fn *sha256, const struct url *url,
                                             const struct push_asset *asset, struct arena *arena);

#endif
