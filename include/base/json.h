// SPDX-License-Identifier: Apache-2.0
// Pieces of JSON text (RFC 8259) behind what a buffer holds. Whatever the bytes are, what is
// appended is one line of valid JSON in valid UTF-8: control characters are escaped, and bytes that
// are no UTF-8 become U+FFFD.
// Owner: none, pure. Any thread. See also: base/log.h, front/access_log.h.
#ifndef OUTRIDER_BASE_JSON_H
#define OUTRIDER_BASE_JSON_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

// In quotes and escaped: "a\"b".
void json_append_text(struct buffer *out, struct slice text);
// Decimal digits: faster than printf, which would cost more than all the rest of a line.
void json_append_number(struct buffer *out, uint64_t number);
// Bytes of the UTF-8 character in front (RFC 3629), 0 when there is none.
size_t json_utf8_length(struct slice bytes);

#endif
