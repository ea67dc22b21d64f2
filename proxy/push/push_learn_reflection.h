// SPDX-License-Identifier: Apache-2.0
// Does a link repeat what the client wrote into the query, a cookie or another field? A page that
// reflects its input into Link would let one visitor choose the hints of all, since none of that is
// part of the key (TRUST 1.12). A second line of defence behind the agreeing sightings; pure.
// See also: push/push_learn_rules.h.
#ifndef OUTRIDER_PUSH_PUSH_LEARN_REFLECTION_H
#define OUTRIDER_PUSH_PUSH_LEARN_REFLECTION_H

#include "push/push_learn_rules.h"

// True also when the query is too large to be looked through.
bool push_learn_reflection_is_in(const struct request_head *page,
                                 const struct push_learn_element *elements, size_t count,
                                 struct arena *arena);

#endif
