// SPDX-License-Identifier: Apache-2.0
// A conn without a socket, for driving a session or an origin_conn in memory: the test plays the
// peer. It implements net/conn.h in place of proxy/net/conn.c (objects win over archive members)
// and keeps its rules: no calls back from inside a call, output leaves at the end of the turn,
// on_flush waits until all earlier output was taken, on_end comes once and last.
// Owner: the test, also after on_end, so that it can look; fake_conn_destroy frees.
#ifndef OUTRIDER_FAKE_CONN_H
#define OUTRIDER_FAKE_CONN_H

#include "net/conn.h"

// `loop` must have been made by loop_init; its turns come from fake_conn_turn or any uv_run.
struct conn *fake_conn_create(struct loop *loop);
// Ends it first when that has not happened.
void fake_conn_destroy(struct conn *conn);

// --- set before conn_attach ---
void fake_conn_set_tls(struct conn *conn, const char *alpn, const char *server_name);
// Hosts that conn_covers accepts, separated by blanks; otherwise it accepts all.
void fake_conn_set_covered(struct conn *conn, const char *hosts);
void fake_conn_set_peer(struct conn *conn, const char *address, uint16_t port, uint16_t local_port);

// --- the peer and the kernel ---
// Gives bytes to on_bytes in pieces of at most `room`, each in memory of its own; what comes while
// the conn is paused or not ready waits until a turn in which it is not.
void fake_conn_feed(struct conn *conn, struct slice bytes);
// At most so many bytes for one on_bytes; 0: no limit. 1 feeds byte by byte.
void fake_conn_set_piece(struct conn *conn, size_t bytes);
void fake_conn_eof(struct conn *conn); // after what was fed
// The same, but the kernel has it until the next turn begins: conn_is_quiet says no.
void fake_conn_feed_later(struct conn *conn, struct slice bytes);
void fake_conn_eof_later(struct conn *conn);
void fake_conn_reset(struct conn *conn, enum fault fault); // on_end(fault) now, called by the peer
void fake_conn_expire(struct conn *conn);                  // on_deadline, which must have been set
// One turn of the loop, not sleeping.
void fake_conn_turn(struct conn *conn);
// The kernel takes at most so many bytes in a turn; SIZE_MAX (the beginning): all.
void fake_conn_set_limit(struct conn *conn, size_t bytes_per_turn);
// What conn_measure_path finds from now on; NULL (the beginning): nothing.
void fake_conn_set_path(struct conn *conn, const struct conn_path *path);
// Delivers on_end after conn_close (once all output was taken) or conn_abort.
void fake_conn_end(struct conn *conn);

// --- what the user did ---
struct buffer *fake_conn_taken(struct conn *conn);  // what the kernel took; consume it
bool fake_conn_is_closing(const struct conn *conn); // conn_close was called
bool fake_conn_is_aborted(const struct conn *conn);
enum fault fake_conn_fault(const struct conn *conn); // of conn_abort
bool fake_conn_is_ended(const struct conn *conn);
bool fake_conn_is_paused(const struct conn *conn);
bool fake_conn_has_ticket(const struct conn *conn);          // conn_offer_ticket was called
bool fake_conn_is_hastened(const struct conn *conn);         // conn_hasten was called
uint64_t fake_conn_deadline_ms(const struct conn *conn);     // the delay last set, 0: none
uint64_t fake_conn_due_ms(const struct conn *conn);          // when it ends (monotonic), 0: none
size_t fake_conn_write_count(const struct conn *conn);       // turns in which bytes left
void fake_conn_set_progress(struct conn *conn, uint64_t ms); // for conn_last_progress_ms

#endif
