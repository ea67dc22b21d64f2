// SPDX-License-Identifier: Apache-2.0
// Where the plan's candidates come from: what the route declares, and the Link fields of an interim
// or final response. Reads only; the ladder of push_plan.c judges each.
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
    struct slice target; // not resolved
    struct slice as;
    enum push_fetch_priority fetch_priority;
    bool is_nopush;
    bool is_hint_only;      // preconnect, or one of several variants
    bool needs_credentials; // crossorigin=use-credentials
};

struct push_candidates {
    const struct push_question *question;
    struct arena *arena;
    struct url page;      // to resolve against; without dot segments
    size_t declared_next; // next row of the question's declared
    size_t declared_end;
    const struct header *field; // the Link field being read, or NULL
    struct link_reader reader;
    bool has_push_only; // an element that is to be taken out was seen
};

// False, at once, when the question has no candidates: most responses.
bool push_candidates_start(struct push_candidates *candidates, const struct push_question *question,
                           struct arena *arena);
bool push_candidates_next(struct push_candidates *candidates, struct push_candidate *out_candidate);
// The response's Link fields without their x-http2-push-only elements; empty fields are left out.
size_t push_candidates_rewrite_links(const struct push_candidates *candidates,
                                     const struct slice **out_fields);

#endif
