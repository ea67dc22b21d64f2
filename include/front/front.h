// SPDX-License-Identifier: Apache-2.0
// The front door of a worker: an accepted conn becomes an HTTP/2 or an HTTP/1 session, by ALPN or,
// in cleartext, by the HTTP/2 preface (RFC 9113 section 3.3). Holds what all sessions share and the
// list of them, for drain.
// Owner: the worker. One thread. See also: front/h2_session.h, front/h1_session.h.
#ifndef OUTRIDER_FRONT_FRONT_H
#define OUTRIDER_FRONT_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/memory_gauge.h"
#include "http/exchange.h"
#include "net/conn.h"

struct access_log;
struct front_addresses;

enum {
    FRONT_LOTS = 16,
    // While draining: a client that is connected and asks for nothing still gets an answer when its
    // request comes within this.
    FRONT_LAST_CALL_MS = 1000,
};

// Sizes in bytes, times in milliseconds. Plain numbers, so that the front needs no configuration.
struct front_limits {
    size_t head_bytes;
    unsigned head_fields;
    size_t field_bytes;
    unsigned cookie_crumbs;
    size_t cookie_bytes;
    size_t uri_bytes;
    uint64_t body_bytes; // 0: no limit
    unsigned streams;
    unsigned connections;   // of this worker,
    unsigned address_share; // percent of them that one client address may have; 0: do not count
    uint64_t handshake_ms, head_ms, body_ms, idle_ms, write_ms;
};

struct front;

// One HTTP session on one client conn: what front needs to know of it. Embedded in h1_session and
// h2_session, which own it.
struct front_session {
    struct list_link link;
    bool has_lot; // may have a large lot on its way
    struct front *front;
    struct conn *conn;
    struct client client;
    // Ends politely: no new exchanges (GOAWAY in two steps, "Connection: close"), then closes.
    void (*drain)(struct front_session *session);
    // Ends now.
    void (*abort)(struct front_session *session);
};

struct front {
    struct loop *loop;
    struct front_limits limits;
    struct handler handler;            // for new exchanges
    struct access_log *access_log;     // borrowed; NULL: none
    const struct memory_gauge *memory; // borrowed; NULL: there is always enough
    // Is this client address a proxy that we believe? Borrowed function of the configuration.
    bool (*is_trusted)(const void *user, const uint8_t address[16]);
    const void *is_trusted_user;
    uint64_t seed;
    struct front_addresses *addresses; // NULL: not counted
    uint64_t warned_ms;                // when the log last said that one has too many
    struct list sessions;
    unsigned lots;          // sessions that have one, see front_take_lot
    unsigned session_count; // conns still undecided count too
    struct list undecided;
    bool is_draining;
    void (*on_drained)(void *user);
    void *on_drained_user;
    struct loop_task drained_task;
};

// The owner then sets handler, access_log, memory, is_trusted and seed.
void front_init(struct front *front, struct loop *loop, const struct front_limits *limits);
// A conn beyond the limit, or while draining, is ended at once; while memory is full one of TLS is
// too, since its handshake would take more of it than the answer that it may try again.
void front_accept(struct front *front, struct conn *take_conn);
// Ends who has been here the longest, to make room.
void front_end_oldest(struct front *front);
// All sessions end politely; on_drained when the last is gone (perhaps at once, never inside).
void front_drain(struct front *front, void (*on_drained)(void *user), void *user);
void front_abort_all(struct front *front); // after the drain timeout
void front_finish(struct front *front);    // no session may be left

// --- for the sessions ---
// New requests are refused.
static inline bool front_is_full(const struct front *front) {
    return memory_gauge_read(front->memory) == MEMORY_FULL;
}
// Fills client (address, protocol, ids) and enters the list.
void front_session_begin(struct front_session *session, struct front *front, struct conn *conn,
                         enum protocol protocol);
// Large lots make large bodies cheap, but a client that stops reading leaves its lot in our memory:
// so only FRONT_LOTS sessions of a worker may have more than 64 KB on their way at once. True when
// this one may; it gives the right back when what it had written is gone.
bool front_take_lot(struct front_session *session);
void front_return_lot(struct front_session *session);
// Leaves the list and destroys what the handler remembers of the client.
void front_session_end(struct front_session *session, enum fault fault);

// --- front_count.c: numbers, and the access log ---
void front_count_session(struct front_session *session, bool is_open);
// An exchange was made; it has ended (final, not destroyed yet), unless no request came of it; it
// goes.
void front_exchange_begins(struct front *front, enum metric_asked asked);
void front_exchange_ended(struct front *front, const struct exchange *x);
void front_exchange_gone(struct front *front, const struct exchange *x);

#endif
