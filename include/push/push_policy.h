// SPDX-License-Identifier: Apache-2.0
// What the client wishes by Accept-Push-Policy (draft-ruellan-http-accept-push-policy). Pure.
// See also: push/push_plan.h.
#ifndef OUTRIDER_PUSH_PUSH_POLICY_H
#define OUTRIDER_PUSH_PUSH_POLICY_H

#include <stdbool.h>

#include "base/slice.h"
#include "http/headers.h"

// The further down, the less is pushed.
enum push_policy {
    PUSH_POLICY_DEFAULT,   // as the server likes; also without the field and for unknown values
    PUSH_POLICY_FAST_LOAD, // only what the page can't be shown without
    // Only heads of responses. A promise of HEAD warms no cache and saves no round trip, so nothing
    // is promised; a hint is what fits the wish best.
    PUSH_POLICY_HEAD,
    PUSH_POLICY_NONE, // nothing
};

// The strictest of the known values of all fields.
enum push_policy push_policy_read(const struct headers *request);
// May a resource of this destination be promised? `as` in any case.
bool push_policy_allows(enum push_policy policy, struct slice as);

#endif
