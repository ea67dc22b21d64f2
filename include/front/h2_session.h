// SPDX-License-Identifier: Apache-2.0
// One nghttp2 session on a client conn (RFC 9113): bytes in, callbacks sorted to streams, the one
// flush. Streams are in h2_stream.c, budgets in h2_limits.c.
// Owner: itself, from create until its conn's on_end. One thread.
#ifndef OUTRIDER_FRONT_H2_SESSION_H
#define OUTRIDER_FRONT_H2_SESSION_H

#include "base/slice.h"
#include "front/front.h"

// Attaches itself to the conn; `first` holds bytes that were read before the protocol was known.
void h2_session_create(struct front *front, struct conn *take_conn, struct slice first);

#endif
