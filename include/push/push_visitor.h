// SPDX-License-Identifier: Apache-2.0
// Does this visitor already have it? (PUSH section 1, "Who already has it".) Brings together what
// the visitor said (the digest's cookie, Cache-Digest) and what is known of the resource
// (push/push_assets.h). One answer per candidate, for the ladder of push_plan.c; hints don't ask.
// Owner: the relay's state of one exchange; all pointers are borrowed. Pure.
#ifndef OUTRIDER_PUSH_PUSH_VISITOR_H
#define OUTRIDER_PUSH_PUSH_VISITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "http/url.h"
#include "push/push_assets.h"
#include "push/push_cache_digest.h"
#include "push/push_digest.h"

enum push_visitor_mode {
    PUSH_VISITOR_OFF,         // only Cache-Digest counts
    PUSH_VISITOR_FIRST_VISIT, // a readable cookie marks those who were here
    PUSH_VISITOR_DIGEST,
};

struct push_visitor {
    enum push_visitor_mode mode;
    const struct push_digest *digest; // NULL: no readable cookie, so a new visitor
    const struct push_digest_key *key;
    const struct push_cache_digest *cache_digest; // NULL: no such field, or it is not to count
    push_sha256_fn *sha256;                       // needed with cache_digest
    const struct push_assets *assets;             // NULL: nothing is known
    uint64_t short_ms; // first-visit: what lives no longer than this is pushed to everybody
    uint64_t now_ms;   // monotonic
};

// Only LACKS is to be pushed in full. All that says otherwise comes from sets with false positives.
// A push not made for one of those costs nothing, a pushed 304 leaves the client with no resource
// at all, so a promise with `if-none-match` needs better knowledge than any of these answers.
enum push_visitor_answer {
    PUSH_VISITOR_LACKS,
    PUSH_VISITOR_HAS,
    PUSH_VISITOR_HAS_VERSION, // the client listed the ETag that is known here
    // Was here, and the version that it was given or the present one is not known to us (a new
    // process, a long list). Hint: the client asks for it if it lacks it, and then both are known.
    PUSH_VISITOR_MAY_HAVE,
};

// Stands in the digest for what was given before any response of it had been seen; that of a
// resource without validator is not looked up.
#define PUSH_VISITOR_NO_VERSION SLICE("?")

enum push_visitor_answer push_visitor_ask(const struct push_visitor *visitor, const struct url *url,
                                          struct arena *arena);
// The client has its present version, or is about to: promised now, or asked for by itself.
void push_visitor_give(const struct push_visitor *visitor, struct push_digest *digest,
                       const struct url *url);

#endif
