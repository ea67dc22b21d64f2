// SPDX-License-Identifier: Apache-2.0
// The promised request and its priority (PUSH section 1, "The promised request" and "Priority").
// Pure. Owner: the arena; header values are borrowed from the page's head, which lives in the same
// one. See also: push/push_plan.h.
#ifndef OUTRIDER_PUSH_PUSH_PROMISE_H
#define OUTRIDER_PUSH_PUSH_PROMISE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/slice.h"
#include "config/config.h"
#include "http/message.h"
#include "http/url.h"

struct push_promise {
    struct request_head request; // complete, ends with its head
    struct slice as;             // in lower case; "" when neither the link nor the name tells
    struct priority priority;
};

enum push_fetch_priority { PUSH_FETCH_AUTO, PUSH_FETCH_HIGH, PUSH_FETCH_LOW };

// What the link says about the resource.
struct push_resource {
    struct url url;
    struct slice as; // as in the link, any case
    enum push_fetch_priority fetch_priority;
};

// Can the promise carry every credential of the page's request?
bool push_promise_has_credentials(const struct request_head *page,
                                  enum config_credentials credentials);
// The page's request carries a cookie or an authorization.
bool push_promise_page_has_credentials(const struct request_head *page);

void push_promise_make(const struct request_head *page, enum config_credentials credentials,
                       const struct push_resource *resource, struct arena *arena,
                       struct push_promise *out_promise);

#endif
