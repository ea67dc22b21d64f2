// SPDX-License-Identifier: Apache-2.0
#include "base/alloc.h"
#include "base/ensure.h"
#include "conn_impl.h"

enum {
    LINGER_MS = 2 * 1000,       // waiting for the peer's FIN
    CLOSE_STALL_MS = 10 * 1000, // closing, but the peer takes no bytes
};

static void write_rest(struct conn *conn);
static void say_close_notify(struct conn *conn);
static void on_timer_closed(struct timer *timer);
static void on_handle_closed(struct conn *conn);

void conn_close(struct conn *conn) {
    if (conn_is_alive(conn)) {
        conn_start_close(conn, FAULT_NONE);
    }
}

void conn_start_close(struct conn *conn, enum fault fault) {
    if (conn->tls != NULL && conn->state == CONN_OPENING) {
        conn->is_tls_broken = true;
    }
    conn->fault = fault;
    conn_set_state(conn, CONN_FLUSHING);
    buffer_finish(&conn->held);
    timer_start(&conn->timer, CLOSE_STALL_MS);
    loop_defer(conn->wire.loop, &conn->turn);
}

void conn_go_on_closing(struct conn *conn) {
    write_rest(conn);
    if (conn->wire.error != 0) {
        conn_end(conn, conn->fault);
    } else if (!conn->wire.is_busy) {
        wire_shutdown(&conn->wire);
        conn_set_state(conn, CONN_LINGERING);
        timer_start(&conn->timer, LINGER_MS);
        if (conn->is_eof) {
            conn_end(conn, conn->fault);
        }
    }
}

static void write_rest(struct conn *conn) {
    if (conn->is_tls_broken) {
        buffer_finish(&conn->output);
    }
    while (buffer_length(&conn->output) > 0 && !conn->wire.is_busy && conn->wire.error == 0) {
        if (!conn_write_output(conn)) {
            buffer_finish(&conn->output);
        }
    }
    if (!conn->wire.is_busy && conn->wire.error == 0) {
        say_close_notify(conn);
    }
}

// tls_session_end says it only once.
static void say_close_notify(struct conn *conn) {
    if (conn->tls != NULL && !conn->is_tls_broken) {
        struct tls_span span = {.data = conn->wire.loop->cipher_scratch,
                                .capacity = LOOP_SCRATCH_BYTES};
        tls_session_end(conn->tls, &span);
        wire_send(&conn->wire, slice_of(span.data, span.length));
    }
}

void conn_closing_expired(struct conn *conn) {
    uint64_t now = loop_now(conn->wire.loop);
    uint64_t give_up_ms = wire_last_progress_ms(&conn->wire) + CLOSE_STALL_MS;
    if (conn->state == CONN_FLUSHING && give_up_ms > now) {
        timer_start(&conn->timer, give_up_ms - now);
        return;
    }
    if (conn->state == CONN_FLUSHING) {
        wire_reset(&conn->wire);
    }
    conn_end(conn, conn->fault);
}

void conn_abort(struct conn *conn, enum fault fault) {
    if (conn->state != CONN_ENDED) {
        wire_reset(&conn->wire);
        conn_end(conn, fault);
    }
}

void conn_end(struct conn *conn, enum fault fault) {
    conn_set_state(conn, CONN_ENDED);
    conn->fault = fault;
    metrics_add(&conn->wire.loop->metrics, HANDSHAKES, METRIC_HANDSHAKE_FAILED,
                fault == FAULT_TLS_HANDSHAKE);
    wire_close(&conn->wire);
    timer_close(&conn->timer, on_timer_closed);
}

void conn_on_wire_closed(struct wire *wire) {
    on_handle_closed(LIST_ENTRY(wire, struct conn, wire));
}

static void on_timer_closed(struct timer *timer) {
    on_handle_closed(LIST_ENTRY(timer, struct conn, timer));
}

// The one place that frees.
static void on_handle_closed(struct conn *conn) {
    if (--conn->open_handles > 0) {
        return;
    }
    if (conn->events != NULL) {
        conn->events->on_end(conn->user, conn->fault);
    }
    loop_cancel(&conn->turn);
    tls_session_destroy(conn->tls);
    buffer_finish(&conn->output);
    buffer_finish(&conn->held);
    free(conn);
}
