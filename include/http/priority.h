// SPDX-License-Identifier: Apache-2.0
// The Priority field of RFC 9218 section 5 (a structured dictionary with `u` and `i`). Pure.
// See also: http/message.h, struct priority.
#ifndef OUTRIDER_HTTP_PRIORITY_H
#define OUTRIDER_HTTP_PRIORITY_H

#include <stdbool.h>

#include "base/slice.h"
#include "http/message.h"

// Overwrites what the value says, leaves the rest of *priority alone. Unknown or malformed members
// are skipped (RFC 9218 section 4: ignore what is out of range). True when it said anything.
bool priority_parse(struct slice value, struct priority *priority);

#endif
