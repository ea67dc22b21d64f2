// SPDX-License-Identifier: Apache-2.0
// Name to address to connected conn, with a deadline. Names are resolved off the loop
// (uv_getaddrinfo), cached for a short time per loop and re-resolved; the addresses are tried in
// turn within the deadline. See also: net/conn.h.
#ifndef OUTRIDER_NET_DIALER_H
#define OUTRIDER_NET_DIALER_H

#include <stdbool.h>
#include <stdint.h>

#include "net/conn.h"

struct dialer;

struct dialer_target {
    bool is_unix;
    const char *host; // TCP: name or numeric
    uint16_t port;
    const char *path; // unix
};

// Exactly one of on_connected (the conn is the user's to attach) and on_failed follows, never
// before dialer_start returns; none after dialer_cancel; the dialer is gone with either. The
// target's strings live until then. All must be done within timeout_ms from now (a duration).
struct dialer *dialer_start(struct loop *loop, const struct dialer_target *target,
                            uint64_t timeout_ms,
                            void (*on_connected)(void *user, struct conn *take_conn),
                            void (*on_failed)(void *user, enum fault fault), void *user);
void dialer_cancel(struct dialer *dialer);

#endif
