// SPDX-License-Identifier: Apache-2.0
#include "fake_conn.h"

#include <arpa/inet.h>

#include "base/alloc.h"
#include "base/ensure.h"

enum { PIECE_BYTES = 64 * 1024 };

struct conn {
    struct loop *loop;
    struct loop_task turn;
    const struct conn_events *events;
    void *user;
    struct buffer output;
    struct buffer incoming;
    struct buffer arriving; // in the kernel
    struct buffer taken;
    struct conn_address peer;
    struct conn_path path;
    uint16_t local_port;
    char *alpn;
    char *server_name;
    char *covered;
    size_t piece;
    size_t limit;
    size_t write_count;
    uint64_t deadline_ms;
    uint64_t deadline_set_ms;
    uint64_t progress_ms;
    uint64_t drained_turn;
    enum fault fault;
    bool is_tls;
    bool is_ready;
    bool is_eof;
    bool is_eof_told;
    bool is_eof_arriving;
    bool is_paused;
    bool is_marked;
    bool is_busy; // the limit left output over
    bool has_waited;
    bool is_flushing;
    bool owes_drained;
    bool is_closing;
    bool is_aborted;
    bool is_ended;
    bool has_ticket;
    bool has_path;
    bool is_hastened;
};

static void on_turn(struct loop_task *task);
static bool is_alive(const struct conn *conn);
static bool is_arriving(const struct conn *conn);
static void arrive(struct conn *conn);
static void deliver(struct conn *conn);
static void deliver_piece(struct conn *conn);
static void flush(struct conn *conn);
static void take_output(struct conn *conn);
static void tell_drained(struct conn *conn);
static void end(struct conn *conn, enum fault fault);

struct conn *fake_conn_create(struct loop *loop) {
    struct conn *conn = alloc_new(struct conn);
    conn->loop = loop;
    conn->turn.run = on_turn;
    conn->limit = SIZE_MAX;
    conn->alpn = alloc_text("");
    conn->server_name = alloc_text("");
    fake_conn_set_peer(conn, "192.0.2.7", 50000, 8443);
    return conn;
}

struct conn *conn_create(struct loop *loop, int take_fd, bool is_unix, struct tls_context *tls) {
    (void)take_fd;
    (void)is_unix;
    (void)tls;
    return fake_conn_create(loop);
}

void fake_conn_set_tls(struct conn *conn, const char *alpn, const char *server_name) {
    conn->is_tls = true;
    free(conn->alpn);
    free(conn->server_name);
    conn->alpn = alloc_text(alpn);
    conn->server_name = alloc_text(server_name);
}

void fake_conn_set_covered(struct conn *conn, const char *hosts) {
    free(conn->covered);
    conn->covered = alloc_text(hosts);
}

void fake_conn_set_peer(struct conn *conn, const char *address, uint16_t port,
                        uint16_t local_port) {
    snprintf(conn->peer.text, sizeof(conn->peer.text), "%s", address);
    conn->peer.port = port;
    memset(conn->peer.bytes, 0, sizeof(conn->peer.bytes));
    if (inet_pton(AF_INET, address, conn->peer.bytes + 12) == 1) {
        memset(conn->peer.bytes + 10, 0xff, 2);
    } else {
        inet_pton(AF_INET6, address, conn->peer.bytes);
    }
    conn->local_port = local_port;
}

void fake_conn_set_path(struct conn *conn, const struct conn_path *path) {
    conn->has_path = path != NULL;
    conn->path = path != NULL ? *path : (struct conn_path){0};
}

void conn_attach(struct conn *conn, const struct conn_events *events, void *user) {
    ensure(is_alive(conn));
    conn->events = events;
    conn->user = user;
    loop_defer(conn->loop, &conn->turn);
}

static void on_turn(struct loop_task *task) {
    struct conn *conn = LIST_ENTRY(task, struct conn, turn);
    if (is_alive(conn) && !conn->is_ready && conn->events != NULL) {
        conn->is_ready = true;
        if (conn->events->on_ready != NULL) {
            conn->events->on_ready(conn->user, slice_of_text(conn->alpn));
        }
    }
    deliver(conn);
    if (conn->is_closing && !conn->is_ended) {
        take_output(conn);
    } else if (is_alive(conn) && conn->is_ready && (conn->is_marked || conn->is_busy)) {
        flush(conn);
    }
    bool has_more = conn->is_busy || is_arriving(conn);
    arrive(conn); // the next turn begins with it
    if (has_more && !conn->is_ended) {
        loop_defer_next(conn->loop, &conn->turn);
    }
}

static bool is_alive(const struct conn *conn) {
    return !conn->is_closing && !conn->is_aborted && !conn->is_ended;
}

void fake_conn_feed(struct conn *conn, struct slice bytes) {
    arrive(conn);
    buffer_append_slice(&conn->incoming, bytes);
    deliver(conn);
}

void fake_conn_set_piece(struct conn *conn, size_t bytes) {
    conn->piece = bytes;
}

static void deliver(struct conn *conn) {
    while (is_alive(conn) && conn->is_ready && !conn->is_paused &&
           buffer_length(&conn->incoming) > 0) {
        deliver_piece(conn);
    }
    if (!is_alive(conn)) {
        buffer_finish(&conn->incoming);
    } else if (conn->is_ready && conn->is_eof && !conn->is_eof_told && !conn->is_paused) {
        conn->is_eof_told = true;
        if (conn->events->on_eof != NULL) {
            conn->events->on_eof(conn->user);
        } else {
            conn_close(conn);
        }
    }
}

// In memory of its own size, so that the sanitizer sees who reads on or keeps a pointer.
static void deliver_piece(struct conn *conn) {
    size_t most = conn->events->room != NULL ? conn->events->room(conn->user) : PIECE_BYTES;
    most = most < PIECE_BYTES ? most : PIECE_BYTES;
    most = conn->piece > 0 && most > conn->piece ? conn->piece : most;
    struct slice bytes = slice_first(buffer_peek(&conn->incoming), most > 0 ? most : 1);
    char *copy = memcpy(alloc_bytes(bytes.length), bytes.data, bytes.length);
    buffer_consume(&conn->incoming, bytes.length);
    conn->drained_turn = buffer_length(&conn->incoming) == 0 ? conn->loop->turn : 0;
    conn->events->on_bytes(conn->user, slice_of(copy, bytes.length));
    free(copy);
}

void fake_conn_eof(struct conn *conn) {
    arrive(conn);
    conn->is_eof = true;
    deliver(conn);
}

void fake_conn_feed_later(struct conn *conn, struct slice bytes) {
    buffer_append_slice(&conn->arriving, bytes);
    loop_defer(conn->loop, &conn->turn);
}

void fake_conn_eof_later(struct conn *conn) {
    conn->is_eof_arriving = true;
    loop_defer(conn->loop, &conn->turn);
}

static bool is_arriving(const struct conn *conn) {
    return buffer_length(&conn->arriving) > 0 || conn->is_eof_arriving;
}

static void arrive(struct conn *conn) {
    buffer_append_slice(&conn->incoming, buffer_peek(&conn->arriving));
    buffer_finish(&conn->arriving);
    conn->is_eof |= conn->is_eof_arriving;
    conn->is_eof_arriving = false;
}

void fake_conn_reset(struct conn *conn, enum fault fault) {
    ensure(!conn->is_ended);
    end(conn, is_alive(conn) ? fault : conn->fault);
}

void fake_conn_expire(struct conn *conn) {
    ensure(conn->deadline_ms > 0);
    conn->deadline_ms = 0;
    if (is_alive(conn)) {
        conn->events->on_deadline(conn->user);
    }
}

void fake_conn_turn(struct conn *conn) {
    uv_run(&conn->loop->uv, UV_RUN_NOWAIT);
}

void fake_conn_set_limit(struct conn *conn, size_t bytes_per_turn) {
    conn->limit = bytes_per_turn;
    if (conn->is_busy) {
        loop_defer(conn->loop, &conn->turn);
    }
}

static void flush(struct conn *conn) {
    conn->is_flushing = true;
    if (conn->is_busy) {
        take_output(conn);
    }
    if (!conn->is_busy) {
        conn->is_marked = false;
        tell_drained(conn);
        if (is_alive(conn) && conn->events->on_flush != NULL && !conn_is_full(conn)) {
            conn->events->on_flush(conn->user);
            conn->has_waited = false;
        }
        conn->owes_drained = conn->owes_drained || conn_is_full(conn);
        take_output(conn);
        tell_drained(conn);
    }
    conn->is_flushing = false;
    if (conn->is_marked && is_alive(conn)) {
        loop_defer_next(conn->loop, &conn->turn);
    }
}

static void take_output(struct conn *conn) {
    struct slice bytes = slice_first(buffer_peek(&conn->output), conn->limit);
    if (bytes.length > 0) {
        buffer_append_slice(&conn->taken, bytes);
        buffer_consume(&conn->output, bytes.length);
        conn->write_count++;
        conn->progress_ms = loop_now(conn->loop);
    }
    bool was_busy = conn->is_busy;
    conn->is_busy = buffer_length(&conn->output) > 0;
    conn->has_waited = conn->has_waited || conn->is_busy;
    conn->owes_drained = conn->owes_drained || conn->is_busy;
    conn->is_marked = conn->is_marked || (was_busy && !conn->is_busy);
}

static void tell_drained(struct conn *conn) {
    if (is_alive(conn) && conn->owes_drained && !conn->is_busy) {
        conn->owes_drained = false;
        if (conn->events->on_drained != NULL) {
            conn->events->on_drained(conn->user);
        }
    }
}

struct buffer *conn_output(struct conn *conn) {
    return &conn->output;
}

void conn_mark(struct conn *conn) {
    conn->is_marked = true;
    conn->owes_drained = conn->owes_drained || conn_is_full(conn);
    if (!conn->is_flushing) {
        loop_defer(conn->loop, &conn->turn);
    }
}

void conn_hasten(struct conn *conn) {
    conn->is_hastened = true;
}

bool conn_was_drained(const struct conn *conn) {
    return buffer_length(&conn->incoming) == 0 && !conn->is_eof &&
           conn->drained_turn == conn->loop->turn;
}

bool conn_is_quiet(const struct conn *conn) {
    return buffer_length(&conn->incoming) == 0 && !conn->is_eof && !is_arriving(conn);
}

bool conn_has_waited(const struct conn *conn) {
    return conn->has_waited;
}

bool conn_is_full(const struct conn *conn) {
    return conn_unsent(conn) >= CONN_FULL_BYTES;
}

size_t conn_unsent(const struct conn *conn) {
    return buffer_length(&conn->output);
}

void conn_pause(struct conn *conn) {
    conn->is_paused = true;
}

void conn_resume(struct conn *conn) {
    conn->is_paused = false;
    loop_defer(conn->loop, &conn->turn);
}

void conn_set_deadline(struct conn *conn, uint64_t delay_ms) {
    conn->deadline_ms = delay_ms;
    conn->deadline_set_ms = loop_now(conn->loop);
}

uint64_t conn_last_progress_ms(const struct conn *conn) {
    return conn->is_busy ? conn->progress_ms : loop_now(conn->loop);
}

void fake_conn_set_progress(struct conn *conn, uint64_t ms) {
    conn->progress_ms = ms;
}

void conn_offer_ticket(struct conn *conn) {
    conn->has_ticket = true;
}

void conn_close(struct conn *conn) {
    if (is_alive(conn)) {
        conn->is_closing = true;
        loop_defer(conn->loop, &conn->turn);
    }
}

void conn_abort(struct conn *conn, enum fault fault) {
    if (!conn->is_ended) {
        conn->is_aborted = true;
        conn->fault = fault;
        buffer_finish(&conn->output);
    }
}

void fake_conn_end(struct conn *conn) {
    ensure(conn->is_aborted || (conn->is_closing && buffer_length(&conn->output) == 0));
    end(conn, conn->fault);
}

static void end(struct conn *conn, enum fault fault) {
    ensure(!conn->is_ended);
    conn->is_ended = true;
    loop_cancel(&conn->turn);
    if (conn->events != NULL) {
        conn->events->on_end(conn->user, fault);
    }
}

void fake_conn_destroy(struct conn *conn) {
    if (!conn->is_ended) {
        end(conn, is_alive(conn) ? FAULT_CONN_RESET : conn->fault);
    }
    loop_cancel(&conn->turn);
    buffer_finish(&conn->output);
    buffer_finish(&conn->incoming);
    buffer_finish(&conn->arriving);
    buffer_finish(&conn->taken);
    free(conn->alpn);
    free(conn->server_name);
    free(conn->covered);
    free(conn);
}

struct buffer *fake_conn_taken(struct conn *conn) {
    return &conn->taken;
}

bool fake_conn_is_closing(const struct conn *conn) {
    return conn->is_closing;
}

bool fake_conn_is_aborted(const struct conn *conn) {
    return conn->is_aborted;
}

enum fault fake_conn_fault(const struct conn *conn) {
    return conn->fault;
}

bool fake_conn_is_ended(const struct conn *conn) {
    return conn->is_ended;
}

bool fake_conn_is_paused(const struct conn *conn) {
    return conn->is_paused;
}

bool fake_conn_has_ticket(const struct conn *conn) {
    return conn->has_ticket;
}

bool fake_conn_is_hastened(const struct conn *conn) {
    return conn->is_hastened;
}

uint64_t fake_conn_deadline_ms(const struct conn *conn) {
    return conn->deadline_ms;
}

uint64_t fake_conn_due_ms(const struct conn *conn) {
    return conn->deadline_ms > 0 ? conn->deadline_set_ms + conn->deadline_ms : 0;
}

size_t fake_conn_write_count(const struct conn *conn) {
    return conn->write_count;
}

const struct conn_address *conn_peer(const struct conn *conn) {
    return &conn->peer;
}

uint16_t conn_local_port(const struct conn *conn) {
    return conn->local_port;
}

bool conn_measure_path(const struct conn *conn, struct conn_path *out_path) {
    *out_path = conn->path;
    return conn->has_path;
}

bool conn_is_tls(const struct conn *conn) {
    return conn->is_tls;
}

struct slice conn_server_name(const struct conn *conn) {
    return slice_of_text(conn->server_name);
}

bool conn_covers(const struct conn *conn, struct slice host) {
    if (!conn->is_tls || conn->covered == NULL) {
        return true;
    }
    struct slice rest = slice_of_text(conn->covered);
    while (rest.length > 0) {
        size_t blank = slice_find(rest, ' ');
        if (slice_equal_nocase(slice_first(rest, blank), host)) {
            return true;
        }
        rest = slice_skip(rest, blank + 1);
    }
    return false;
}
