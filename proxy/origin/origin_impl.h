// SPDX-License-Identifier: Apache-2.0
// What the files of origin/ share: origin_pool.c (connections), origin_admission.c (how many
// requests at once), origin_line.c (who waits for a connection), origin_conn.c (one HTTP/1.1
// connection) and origin_call.c (one request). Private to this folder.
#ifndef OUTRIDER_ORIGIN_ORIGIN_IMPL_H
#define OUTRIDER_ORIGIN_ORIGIN_IMPL_H

#include "base/buffer.h"
#include "base/list.h"
#include "http/h1_reader.h"
#include "net/conn.h"
#include "net/dialer.h"
#include "net/timer.h"
#include "origin/origin_call.h"
#include "origin/origin_pool.h"
#include "origin_admission.h"

struct origin_conn;

// One origin as this worker sees it.
struct origin {
    struct origin_pool *pool;
    const struct config_origin *config;
    unsigned max_connections, max_idle, max_waiting; // this worker's part
    struct list idle;                                // of origin_conn, the most recently used first
    struct origin_admission admission;
    struct list held_pages;  // of origin_call, held back,
    struct list held_pushes; // behind them
    unsigned held_count;
    struct list waiting; // of origin_call: pages first, pushes behind them; see origin_line.c
    struct list paused;  // of origin_conn, the longest first: their client takes nothing
    unsigned line_rank;  // of the call that was served last
    unsigned idle_count, busy_count, dialing_count, waiting_count;
    unsigned push_count; // busy or dialing for a push
    unsigned slot;       // of its name in the metrics
    uint64_t warned_ms;  // when the log last said that this origin can't be reached
};

struct origin_pool {
    struct loop *loop;
    const struct config *config;
    struct h1_reader_limits reader_limits;
    struct origin *origins;
    size_t origin_count;
    struct timer sweep_timer; // ends what is idle or waits too long; runs only while there is any
    struct loop_task admission_task; // admits those who are held back,
    struct timer admission_timer;    // and looks again; runs only while there are any
    unsigned open_conns;             // origin_conns that are not freed yet
    unsigned open_timers;
    bool is_destroyed; // waits for both
    void (*on_destroyed)(void *user);
    void *user;
};

enum origin_call_state {
    ORIGIN_CALL_WAITING,   // for admission, or for a free connection
    ORIGIN_CALL_DIALING,   // for a new connection to be made
    ORIGIN_CALL_SENDING,   // for the final head; the request may still be on its way
    ORIGIN_CALL_RECEIVING, // for the rest of the response
    ORIGIN_CALL_ENDED,     // told the user, or cancelled
};

struct origin_call {
    struct list_link waiting; // in origin->waiting
    struct list_link held;    // back,
    uint64_t held_ms;         // since
    struct origin_admission_entry asked;
    struct origin *origin;
    struct arena *arena;
    const struct request_head *head;
    const struct origin_call_events *events;
    void *user;
    enum origin_call_state state;
    struct origin_conn *conn; // while sending or receiving
    struct dialer *dialer;    // while dialing
    struct buffer early;      // content that came before the connection, at most a client's window
    const struct headers *trailers;
    unsigned max_push; // connections of this origin that pushes of this route may use
    uint64_t client;   // who asks
    unsigned rank;     // in the line
    bool is_push, is_retry;
    bool is_request_ended;
    bool was_reused;
    bool has_response_bytes;
    bool has_sent_content;
    uint64_t started_ms;
    struct loop_task fail_task; // a fault found inside origin_call_start is told later
    enum fault fault;
};

enum origin_conn_state {
    ORIGIN_CONN_IDLE,    // in the pool; any byte or end closes it
    ORIGIN_CONN_BUSY,    // serves a call
    ORIGIN_CONN_CLOSING, // waits for the conn's on_end
};

struct origin_conn {
    struct list_link idle;
    struct list_link paused; // in origin->paused
    struct origin *origin;
    struct conn *conn;
    struct h1_reader *reader;
    enum origin_conn_state state;
    struct origin_call *call;
    uint64_t id;            // "o3" in logs
    uint64_t served;        // responses completed
    uint64_t last_ms;       // when the origin last moved: gave or took a byte
    uint64_t idle_ms;       // how long it may be idle: the option or the origin's Keep-Alive
    uint64_t content_bytes; // of the request, written so far
    size_t content_unsent;  // request content written, not yet reported as taken
    struct loop_task taken_task;
    bool is_request_out; // its first bytes were given to the kernel
    bool is_complete;    // the response ended inside this feed
    bool is_keep_alive;
    bool is_paused;     // the user had no room,
    uint64_t paused_ms; // since
    bool has_interims;  // told in this feed
    const struct headers *trailers;
};

// A number that others see too: ORIGIN_IDLE, _BUSY, _WAITING, ...
#define origin_count(origin, ID, change)                                                           \
    metrics_add(&(origin)->pool->loop->metrics, ORIGIN_##ID, (origin)->slot,                       \
                (uint64_t)(int64_t)(change))

// --- origin_pool.c ---
// A connection for the call: an idle one, a new one, or a place in the line; never calls back.
void origin_pool_ask(struct origin_call *call);
// Something came for the call, or it is over: others may be admitted.
void origin_pool_note_answer(struct origin_call *call);
// The call waits or dials no longer (cancelled).
void origin_pool_forget(struct origin_call *call);
// The call left its connection; others may be served.
void origin_pool_release(struct origin *origin, bool was_push);
void origin_pool_store(struct origin_conn *oc);  // idle from now on
void origin_pool_remove(struct origin_conn *oc); // no longer idle
void origin_pool_on_conn_freed(struct origin_pool *pool);

// --- origin_line.c ---
void origin_line_enter(struct origin_call *call); // or somebody is refused
void origin_line_leave(struct origin_call *call); // harmless when it is not in it
void origin_line_serve(struct origin_call *call); // leaves it for a connection
void origin_line_relieve(struct origin *origin, uint64_t now);

// --- origin_conn.c ---
struct origin_conn *origin_conn_create(struct origin *origin, struct conn *take_conn);
void origin_conn_send(struct origin_conn *oc, struct origin_call *call);
void origin_conn_write(struct origin_conn *oc, struct slice bytes);
void origin_conn_finish_request(struct origin_conn *oc);
void origin_conn_resume(struct origin_conn *oc);
// The call fails, and the connection is closed. While it has a call.
void origin_conn_fail(struct origin_conn *oc, enum fault fault);
// Lets go of the call and closes; legal in every state.
void origin_conn_abandon(struct origin_conn *oc);

// --- origin_call.c ---
void origin_call_on_conn(struct origin_call *call, struct origin_conn *oc); // send now
// The last word to the user; the call's memory may be gone afterwards.
void origin_call_end(struct origin_call *call, const struct headers *trailers);
void origin_call_fail(struct origin_call *call, enum fault fault);
void origin_call_set_state(struct origin_call *call, enum origin_call_state next);

#endif
