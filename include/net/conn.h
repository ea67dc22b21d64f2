// SPDX-License-Identifier: Apache-2.0
// A byte stream with a peer: TCP or a unix socket, perhaps with TLS inside. Knows no HTTP. Used for
// clients and for origins.
//
// Owner: its user (a session or an origin_conn) from conn_attach on, until on_end, after which the
// conn frees itself. Thread: its loop's.
// Rules: nothing here calls the user back before it returns, save where it says so. Bytes leave at
// the end of the turn (one gathered write per conn and turn). Nobody dies inside their own call:
// conn_close and conn_abort start the end, on_end and the freeing come later, from the loop.
// See also: net/listener.h and net/dialer.h, which make conns; test/fake/fake_conn.c.
#ifndef OUTRIDER_NET_CONN_H
#define OUTRIDER_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/fault.h"
#include "base/slice.h"
#include "net/conn_path.h"
#include "net/loop.h"

struct conn;
struct tls_context;

struct conn_events {
    // TLS: the handshake is done; plain: at the end of the turn of conn_attach. `alpn` may be "".
    // May be NULL.
    void (*on_ready)(void *user, struct slice alpn);
    // Bytes from the peer, valid during the call. Never after conn_close or conn_abort.
    void (*on_bytes)(void *user, struct slice bytes);
    // The peer ended its side (FIN or close_notify); nothing more will come, but we may still
    // write.
    // FIN without close_notify counts too: whether a message is complete is its framing's matter.
    // NULL: the conn closes itself.
    void (*on_eof)(void *user);
    // End of turn, before output is written: the last moment to append. May be NULL. Called when
    // conn_mark was called or output that waited was taken by the kernel, but not before it takes
    // more (so what is appended here leaves soon). Calling conn_mark inside: again next turn.
    void (*on_flush)(void *user);
    // Output that a flush could not write at once, or that made conn_is_full true, has now been
    // given to the kernel (nearly: see CONN_DRAINED_BYTES). May be NULL.
    void (*on_drained)(void *user);
    // The deadline passed. The user decides what that means.
    void (*on_deadline)(void *user);
    // Exactly once and last: FAULT_NONE after conn_close or a clean end by the peer. The conn is
    // gone when this returns.
    void (*on_end)(void *user, enum fault fault);
    // How many bytes the user would take in one on_bytes now. May be NULL: any number. Asked before
    // each read; at least one byte is read unless conn_pause was called.
    size_t (*room)(void *user);
    // What the peer has said is worth nothing when it can't be answered: a reset that writing hears
    // of ends the conn, although the user has paused and there is more to read.
    bool must_answer;
};

// In front of the kernel: from so many bytes on conn_is_full, on_drained once it is this few again.
enum { CONN_FULL_BYTES = 256 * 1024, CONN_DRAINED_BYTES = 32 * 1024 };

struct conn_address {
    char text[64]; // numeric address without port and brackets, or "unix"
    uint16_t port;
    uint8_t bytes[16]; // IPv4 mapped; zero for unix
};

// --- made by listener and dialer ---
// Takes over an open, connected, non-blocking socket. `tls` (may be NULL) is the server side
// context.
struct conn *conn_create(struct loop *loop, int take_fd, bool is_unix, struct tls_context *tls);

// --- used by the owner, in time order ---
// A second call hands the conn over to another owner: on_ready is not repeated.
void conn_attach(struct conn *conn, const struct conn_events *events, void *user);
// The plaintext on its way out: append here, then conn_mark.
struct buffer *conn_output(struct conn *conn);
void conn_mark(struct conn *conn); // flush at the end of this turn
// What is written next leaves in small TLS records, as after a pause: its first bytes are of use
// before the last have come over a slow path.
void conn_hasten(struct conn *conn);
bool conn_is_full(const struct conn *conn);
// Bytes written by the owner that the kernel has not taken yet.
size_t conn_unsent(const struct conn *conn);
// Nothing has come, not even the end, that on_bytes or on_eof has not told yet. Asks the kernel.
bool conn_is_quiet(const struct conn *conn);
// The same, as of a read earlier in this turn. Asks nobody.
bool conn_was_drained(const struct conn *conn);
// In on_flush: since the last on_flush the kernel did not take everything at once.
bool conn_has_waited(const struct conn *conn);
void conn_pause(struct conn *conn); // no on_bytes until conn_resume; legal in any state
void conn_resume(struct conn *conn);
// on_deadline after delay_ms from now; 0 takes the deadline away. Cheap to move.
void conn_set_deadline(struct conn *conn, uint64_t delay_ms);
// When output last moved (monotonic ms), or now when the kernel takes all there is: for write
// timeouts.
uint64_t conn_last_progress_ms(const struct conn *conn);
// Write what is in the output, say close_notify and FIN, wait a little for the peer's (up to 2 s,
// what comes is dropped), then on_end(FAULT_NONE).
void conn_close(struct conn *conn);
// Now, without writing anything more: a reset on TCP. on_end(fault) follows from the loop.
void conn_abort(struct conn *conn, enum fault fault);

// --- facts ---
const struct conn_address *conn_peer(const struct conn *conn);
uint16_t conn_local_port(const struct conn *conn);
bool conn_is_tls(const struct conn *conn);
struct slice conn_server_name(const struct conn *conn); // SNI or ""
// Does the certificate in use cover this host? True for plain conns.
bool conn_covers(const struct conn *conn, struct slice host);
// False for a unix socket and where the kernel does not say. Asks the kernel.
bool conn_measure_path(const struct conn *conn, struct conn_path *out_path);
// Offer a TLS session ticket behind the output of the next flush: after the first response (once;
// nothing happens for plain conns and TLS 1.2).
void conn_offer_ticket(struct conn *conn);

#endif
