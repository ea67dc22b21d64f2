// SPDX-License-Identifier: Apache-2.0
// What is known of the resources that may be promised: the validator last seen of each and how long
// caches keep it, noted from responses that pass through. Answers "which version is the present
// one?" for push/push_visitor.h. Bounded: of two lists, those that pages ask for and those that
// only passed by, the latter leave first, so a million strange URLs do not push out what pages
// need. Owner: the worker. One thread. Times: monotonic ms, from the clock or an argument.
#ifndef OUTRIDER_PUSH_PUSH_ASSETS_H
#define OUTRIDER_PUSH_PUSH_ASSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/slice.h"
#include "http/headers.h"
#include "http/message.h"

struct push_assets;

enum {
    PUSH_ASSETS_ENTRIES = 4096,
    PUSH_ASSETS_WANTED = 3072,        // of them at most for what pages ask for
    PUSH_ASSETS_VALIDATOR_BYTES = 95, // a longer validator is as good as none
};

enum push_asset_validator {
    PUSH_ASSET_NONE,
    PUSH_ASSET_ETAG,
    PUSH_ASSET_LAST_MODIFIED,
};

struct push_asset {
    uint64_t fresh_until_ms; // copies made till the last sighting may be used till then
    uint64_t lifetime_ms;    // as the origin said it
    bool has_lifetime;       // it did
    bool is_storable;        // no `no-store`: clients can hold it
    enum push_asset_validator kind;
    uint8_t validator_length;
    char validator[PUSH_ASSETS_VALIDATOR_BYTES]; // as in the field
};

// `seed` is random per process, so that a peer can't choose colliding paths.
struct push_assets *push_assets_create(uint64_t seed);
void push_assets_destroy(struct push_assets *assets); // NULL is fine

// For each final response to GET of the client's own requests and of promises. 200 is noted, 304
// makes the life longer, other answers than 2xx and what differs from visitor to visitor (private,
// Vary on cookie or authorization) is forgotten.
void push_assets_note(struct push_assets *assets, const struct request_head *request,
                      const struct response_head *response, const struct clock *clock);
// A page named it as a candidate: it stays longer. Does nothing when it is not known.
void push_assets_want(struct push_assets *assets, struct slice authority, struct slice path);

// NULL when unknown. Valid until the next change of the table.
const struct push_asset *push_assets_find(const struct push_assets *assets, struct slice authority,
                                          struct slice path);
size_t push_assets_count(const struct push_assets *assets);

// What tells versions apart: the validator without W/, quotes and what servers append per content
// coding ("x-gzip" and "x" are one version, seen by two clients). Empty when there is none.
struct slice push_assets_version(const struct push_asset *asset);
// The lifetime is known, and at most `short_ms` or over: a returning client asks again anyway.
bool push_assets_is_short_lived(const struct push_asset *asset, uint64_t short_ms, uint64_t now_ms);
// The field that asks for it only if it changed; false when there is no validator. The value lives
// as long as the asset.
bool push_assets_condition(const struct push_asset *asset, enum header_id *out_id,
                           struct slice *out_value);

#endif
