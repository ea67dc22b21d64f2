// SPDX-License-Identifier: Apache-2.0
// Where the plan's candidates come from, one source after the other: what the route declares, what
// was learned of the page, and Link fields. Reads only; the ladder of push_plan.c judges each.
// Owner: push_plan_make's frame. Source: RFC 8288. See also: push/push_plan.h, http/link_header.h.
#ifndef OUTRIDER_PUSH_PUSH_CANDIDATES_H
#define OUTRIDER_PUSH_PUSH_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/slice.h"
#include "http/headers.h"
#include "http/link_header.h"
#include "http/url.h"
#include "push/push_promise.h"

struct push_question;

struct push_candidate {
    unsigned source;      // enum push_source
    struct slice target;  // not resolved
    struct slice element; // to be hinted: one Link element; empty: made from target and as
    struct slice as;
    enum push_fetch_priority fetch_priority;
    bool is_nopush;
    bool is_push_only; // not to be hinted
    bool is_preconnect;
    bool is_hint_only;      // not to be promised: preconnect, one of several variants, a `hint`
    bool needs_credentials; // crossorigin=use-credentials
};

struct push_candidates {
    const struct push_question *question;
    struct arena *arena;
    struct url page;            // to resolve against; without dot segments
    unsigned source;            // enum push_source: the present one
    size_t next;                // row of the present source
    bool has_known;             // declared and learned ones are used at this moment
    const struct header *field; // the Link field being read, or to be read next; NULL: none
    struct link_reader reader;
    bool is_reading;    // `reader` has begun with `field`, or with the event
    bool has_push_only; // an element that is to be taken out was seen
};

// False, at once, when the question has no candidates: most responses.
bool push_candidates_start(struct push_candidates *candidates, const struct push_question *question,
                           struct arena *arena);
// Conditional, or for a part.
bool push_candidates_is_conditional(const struct request_head *request);
bool push_candidates_next(struct push_candidates *candidates, struct push_candidate *out_candidate);
// The response's Link fields without their x-http2-push-only elements; empty fields are left out.
size_t push_candidates_rewrite_links(const struct push_candidates *candidates,
                                     const struct slice **out_fields);

#endif
