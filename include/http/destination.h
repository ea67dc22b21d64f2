// SPDX-License-Identifier: Apache-2.0
// What a page wants a resource for: the request destinations of the Fetch standard (section 2.2.5),
// which the `as` of a preload and Sec-Fetch-Dest name, with what browsers make of them. Pure; the
// rows live for ever. Any thread. See also: push/push_promise.h.
#ifndef OUTRIDER_HTTP_DESTINATION_H
#define OUTRIDER_HTTP_DESTINATION_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/slice.h"

// When a page needs it: css, fonts and scripts before the rest, images and other media last.
enum destination_rank {
    DESTINATION_BLOCKING,
    DESTINATION_ORDINARY,
    DESTINATION_MEDIA,
    DESTINATION_RANKS
};

struct destination {
    struct slice as; // in lower case; "" in the row for everything unknown
    enum destination_rank rank;
    struct slice accept; // what browsers ask with; an image's depends on the client
    bool is_cors;        // always asked for in CORS mode, so its preload says `crossorigin`
};

// In any case. Never NULL.
const struct destination *destination_find(struct slice as);
// By the path's ending, its query not counted; empty when that doesn't tell.
struct slice destination_guess(struct slice path);
// What `as` names, or what the path's ending tells when `as` is empty. Never NULL.
const struct destination *destination_of(struct slice as, struct slice path);
// May a response of that Content-Type be what was wanted? Of style, script, font and image only.
bool destination_fits(const struct destination *destination, struct slice content_type);
// All known ones, one after the other, in the order in which a page needs them: styles, fonts,
// scripts, ... NULL gives the first, the last gives NULL.
const struct destination *destination_next(const struct destination *destination);

// The Link element that has `path` preloaded: `</f.woff2>; rel=preload; as=font; crossorigin`. `as`
// is guessed when empty, and `fetch` when it can't be guessed. `path` is as url_check_path gives
// it; `as` is a token, known or not.
struct slice destination_hint(struct slice path, struct slice as, struct arena *arena);

#endif
