// SPDX-License-Identifier: Apache-2.0
// May this pushed response go out? (PUSH section 1, "The pushed response"). The promise is taken
// back on 4xx and 5xx, and, when the page carried credentials that the promise does not, on
// Set-Cookie, private, no-store, Vary on cookie, authorization or *. Pure.
// See also: push/push_plan.h, push/push_unfit.h.
#ifndef OUTRIDER_PUSH_PUSH_DELIVERY_H
#define OUTRIDER_PUSH_PUSH_DELIVERY_H

#include <stdbool.h>

#include "http/message.h"

bool push_delivery_is_fit(const struct response_head *response, bool page_had_credentials,
                          bool promise_had_credentials);

#endif
