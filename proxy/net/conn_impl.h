// SPDX-License-Identifier: Apache-2.0
// The inside of a conn, for conn.c (its life) and conn_close.c (its end) only.
#ifndef OUTRIDER_NET_CONN_IMPL_H
#define OUTRIDER_NET_CONN_IMPL_H

#include "base/ensure.h"
#include "net/conn.h"
#include "net/timer.h"
#include "net/tls_session.h"
#include "wire.h"

enum conn_state {
    CONN_OPENING,   // for attach and the end of its turn, or for the handshake
    CONN_OPEN,      // for bytes, for output, for the user
    CONN_FLUSHING,  // closing: for the kernel to take the output
    CONN_LINGERING, // closing: FIN is sent; for the peer's
    CONN_ENDED,     // for the handles to close
};

struct conn {
    struct wire wire;
    struct timer timer; // the user's deadline; ours once closing
    struct loop_task turn;
    enum conn_state state;
    enum fault fault; // for on_end
    const struct conn_events *events;
    void *user;
    struct tls_session *tls;
    struct tls_context *tls_context; // the session's
    struct buffer output;
    struct buffer held; // plaintext that came while paused
    struct conn_address peer;
    uint16_t local_port;
    size_t turn_bytes; // read in this turn
    int open_handles;
    bool is_paused;
    bool is_eof;      // the peer's side has ended,
    bool is_eof_told; // and the user knows
    bool is_marked;
    bool is_flushing;
    bool owes_drained;
    bool wants_ticket;
    bool is_tls_broken; // nothing can be sealed
    bool has_read;
};

static inline bool conn_is_alive(const struct conn *conn) {
    return conn->state == CONN_OPENING || conn->state == CONN_OPEN;
}

static inline void conn_set_state(struct conn *conn, enum conn_state state) {
    ensure(state > conn->state);
    conn->state = state;
}

// Hands output to the wire, at most one scratch full. False when TLS cannot go on.
bool conn_write_output(struct conn *conn);

// Like conn_close, but on_end says `fault`.
void conn_start_close(struct conn *conn, enum fault fault);
// In CONN_FLUSHING, once a turn in which something changed.
void conn_go_on_closing(struct conn *conn);
// The timer fired while closing.
void conn_closing_expired(struct conn *conn);
// Closes the handles; on_end and the freeing follow.
void conn_end(struct conn *conn, enum fault fault);
void conn_on_wire_closed(struct wire *wire);

void conn_address_of_peer(struct conn_address *out_address, int fd, bool is_unix);
uint16_t conn_address_local_port(int fd);

#endif
