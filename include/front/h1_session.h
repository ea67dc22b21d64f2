// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 (and 1.0) on a client conn: one exchange at a time, pipelined requests answered in
// order, keep-alive, chunked both ways, Expect: 100-continue, HEAD (RFC 9112).
// Owner: itself, from create until its conn's on_end. One thread.
// States: see enum h1_session_state in h1_session.c.
#ifndef OUTRIDER_FRONT_H1_SESSION_H
#define OUTRIDER_FRONT_H1_SESSION_H

#include "base/slice.h"
#include "front/front.h"

// Attaches itself to the conn; `first` holds bytes that were read before the protocol was known.
void h1_session_create(struct front *front, struct conn *take_conn, struct slice first);

#endif
