// SPDX-License-Identifier: Apache-2.0
// Reads the three forms of a date in HTTP: RFC 9110 section 5.6.7. Pure.
#ifndef OUTRIDER_HTTP_HTTP_DATE_H
#define OUTRIDER_HTTP_HTTP_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

// Milliseconds since 1970-01-01 UTC. False when it is none, or before 1970.
bool http_date_parse(struct slice text, int64_t *out_wall_ms);

#endif
