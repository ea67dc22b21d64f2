// SPDX-License-Identifier: Apache-2.0
// How long caches may use a response without asking again: RFC 9111 sections 4.2 and 5.2. Pure.
// See also: push/push_assets.h, push/push_cookie.h.
#ifndef OUTRIDER_HTTP_FRESHNESS_H
#define OUTRIDER_HTTP_FRESHNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "http/headers.h"

struct freshness {
    bool is_storable; // no `no-store`
    bool is_private;
    bool is_public;
    // A shared cache may give it to others without asking: by s-maxage, max-age, Expires, a field
    // for shared caches alone, or by guessing from Last-Modified where nothing is said.
    bool is_shared;
    // In the client's own cache. 0 for no-cache; a value that can't be read is 0 too.
    bool has_lifetime;    // max-age, Expires, no-cache or no-store says it
    uint64_t lifetime_ms; // from the origin's answer on
    uint64_t left_ms;     // from now on: without what Age and Date say that is over
    // As a shared cache counts: s-maxage before max-age before Expires. no-cache and no-store,
    // which are no times, do not change it.
    bool has_shared_lifetime;
    uint64_t shared_left_ms;
};

void freshness_read(const struct headers *response, int64_t wall_ms,
                    struct freshness *out_freshness);

#endif
