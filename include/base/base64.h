// SPDX-License-Identifier: Apache-2.0
// base64url (RFC 4648 section 5), the alphabet that may stand in a cookie or a header field. Pure.
#ifndef OUTRIDER_BASE_BASE64_H
#define OUTRIDER_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

// Characters that `length` bytes take, without padding.
static inline size_t base64_text_length(size_t length) {
    return length / 3 * 4 + (length % 3 * 4 + 2) / 3;
}

// Writes base64_text_length(bytes.length) characters, without padding and without NUL.
void base64_encode(struct slice bytes, char *out_text);

// `out_bytes` has room for text.length / 4 * 3 + 2 bytes. False on a foreign character, a length
// that can't be, bits left over that are not zero, or wrong padding; right padding is accepted.
bool base64_decode(struct slice text, unsigned char *out_bytes, size_t *out_length);

#endif
