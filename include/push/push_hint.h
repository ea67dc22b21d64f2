// SPDX-License-Identifier: Apache-2.0
// Who takes 103 Early Hints, and what may stand in one (PUSH section 1, "103 Early Hints"). Pure.
// Source: RFC 8297; Chrome's and Firefox's habit to read only the first 103 of a navigation; Fetch
// metadata (Sec-Fetch-*) tells browsers and their navigations. See also: push/push_plan.h.
#ifndef OUTRIDER_PUSH_PUSH_HINT_H
#define OUTRIDER_PUSH_PUSH_HINT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/slice.h"
#include "config/config.h"
#include "http/message.h"

struct push_hint_client {
    bool takes_ours;    // a 103 that outrider makes
    bool takes_origins; // those of the origin
    bool takes_one;     // only the first, whoever made it
};

void push_hint_read_client(const struct request_head *request, const struct config_hint *policy,
                           enum protocol protocol, struct push_hint_client *out_client);

// Drops what a 103 may not carry: all but Link, Content-Security-Policy, Referrer-Policy and the
// fields that the route lets through.
void push_hint_filter(struct headers *headers, const struct config_hint *policy);

// The Link element of a declared hint or push; the path itself when it is an element already.
struct slice push_hint_element(struct slice path, struct slice as, struct arena *arena);

#endif
