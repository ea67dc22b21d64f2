// SPDX-License-Identifier: Apache-2.0
// Text behind what a buffer holds, for everything that is shown to operators and their tools. Pure.
// Owner: none. Any thread. See also: base/json.h.
#ifndef OUTRIDER_ADMIN_TEXT_H
#define OUTRIDER_ADMIN_TEXT_H

#include <stdint.h>

#include "base/buffer.h"

void admin_text_add(struct buffer *out, const char *text);
void admin_text_format(struct buffer *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Seconds with three decimals: "1.250".
void admin_text_add_seconds(struct buffer *out, uint64_t ms);

#endif
