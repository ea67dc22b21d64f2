// SPDX-License-Identifier: Apache-2.0
// Which fields belong to one connection only (RFC 9110 section 7.6.1). Pure; private to forward*.c.
#ifndef OUTRIDER_HTTP_FORWARD_FIELDS_H
#define OUTRIDER_HTTP_FORWARD_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "http/headers.h"

#define HEADER_BIT(id) (UINT64_C(1) << HEADER_##id)

enum forward_direction { FORWARD_REQUEST, FORWARD_RESPONSE };

// Connection, Keep-Alive, Upgrade and so on. Of requests also all that is meant for a proxy, and
// Expect, which the fronts answer themselves.
bool forward_is_hop_by_hop(const struct header *field, enum forward_direction direction);
// Removes from `headers` what the Connection fields of `original` name.
void forward_remove_nominated(const struct headers *original, struct headers *headers);
// The trimmed, non-empty values of all fields of that id, joined; a single one is not copied.
struct slice forward_join(const struct headers *headers, enum header_id id, struct slice separator,
                          struct arena *arena);

#endif
