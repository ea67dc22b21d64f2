// SPDX-License-Identifier: Apache-2.0
// Is it JSON (RFC 8259) in valid UTF-8 (RFC 3629)? Says yes or no, and gives nothing of it. Pure.
#ifndef OUTRIDER_FUZZ_JSON_H
#define OUTRIDER_FUZZ_JSON_H

#include <stdbool.h>

#include "base/slice.h"

// One value, with blanks around it.
bool fuzz_json_is_valid(struct slice text);
bool fuzz_json_is_utf8(struct slice text);

#endif
