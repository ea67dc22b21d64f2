// SPDX-License-Identifier: Apache-2.0
// What of a request's parts may be read in the log. Pure. `redact` is a set of ACCESS_LOG_REDACT_;
// the result is the part itself where nothing is hidden, else it lies in the scratch buffer, which
// is emptied before. Never shown, whatever the set: credentials.
#ifndef OUTRIDER_FRONT_ACCESS_REDACT_H
#define OUTRIDER_FRONT_ACCESS_REDACT_H

#include "base/buffer.h"
#include "base/slice.h"
#include "http/headers.h"

struct slice access_redact_client(unsigned redact, struct slice address, struct buffer *scratch);
struct slice access_redact_authority(unsigned redact, struct slice authority);
// A request target, perhaps a malformed one.
struct slice access_redact_path(unsigned redact, struct slice path, struct buffer *scratch);
// All fields of that name as one list, cut where it becomes too long for a line; false when there
// is none.
bool access_redact_field(unsigned redact, const struct headers *headers, struct slice name,
                         struct buffer *scratch, struct slice *out_value);

#endif
