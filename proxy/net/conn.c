// SPDX-License-Identifier: Apache-2.0
#include "net/conn.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "conn_impl.h"
#include "net/tls_context.h"

enum {
    // A TLS record grows by less than this; so all plaintext of one read fits into the scratch,
    // together with a record whose beginning came earlier.
    TLS_READ_BYTES = LOOP_SCRATCH_BYTES - 32 * 1024,
    // A flush of a TLS conn seals this much at most; others get their turn, then it goes on.
    TLS_SEAL_BYTES = LOOP_SCRATCH_BYTES - 8 * 1024,
    TLS_PAUSE_MS = 1000,
    // Read of one conn in one turn (libuv would read 32 times); then others get theirs.
    TURN_READ_BYTES = 256 * 1024,
};

static void on_turn(struct loop_task *task);
static void become_open(struct conn *conn, struct slice alpn);
static size_t on_wire_room(struct wire *wire);
static void on_wire_read(struct wire *wire, struct slice bytes);
static void feed_tls(struct conn *conn, struct slice cipher);
static void count_handshake(struct conn *conn, enum metric_handshake result);
static void deliver(struct conn *conn, struct slice bytes);
static void deliver_held(struct conn *conn);
static void on_wire_read_end(struct wire *wire, int error);
static void note_eof(struct conn *conn);
static void tell_eof(struct conn *conn);
static void sync_reading(struct conn *conn);
static void note_fullness(struct conn *conn);
static void flush(struct conn *conn);
static void tell_drained(struct conn *conn);
static bool seal_output(struct conn *conn);
static void check_broken_wire(struct conn *conn);
static void on_wire_written(struct wire *wire);
static void on_timer(struct timer *timer);

static struct conn *conn_of_wire(struct wire *wire) {
    return LIST_ENTRY(wire, struct conn, wire);
}

static const struct wire_events wire_events = {
    .room = on_wire_room,
    .on_read = on_wire_read,
    .on_read_end = on_wire_read_end,
    .on_written = on_wire_written,
    .on_closed = conn_on_wire_closed,
};

struct conn *conn_create(struct loop *loop, int take_fd, bool is_unix, struct tls_context *tls) {
    struct conn *conn = alloc_new(struct conn);
    conn->turn.run = on_turn;
    conn->open_handles = 2;
    conn_address_of_peer(&conn->peer, take_fd, is_unix);
    conn->local_port = is_unix ? 0 : conn_address_local_port(take_fd);
    wire_open(&conn->wire, loop, take_fd, is_unix, &wire_events);
    timer_init(&conn->timer, loop, on_timer);
    if (tls != NULL) {
        conn->tls_context = tls;
        conn->tls = tls_session_create(tls);
    }
    return conn;
}

void conn_attach(struct conn *conn, const struct conn_events *events, void *user) {
    ensure(conn->state == CONN_OPENING || conn->state == CONN_OPEN);
    conn->events = events;
    conn->user = user;
    loop_defer(conn->wire.loop, &conn->turn);
}

// The end of a turn in which something changed: the one place from which bytes leave.
static void on_turn(struct loop_task *task) {
    struct conn *conn = LIST_ENTRY(task, struct conn, turn);
    conn->turn_bytes = 0;
    if (conn->state == CONN_OPENING && conn->tls == NULL && conn->events != NULL) {
        become_open(conn, SLICE_EMPTY);
    }
    if (conn->state == CONN_OPEN) {
        deliver_held(conn);
    }
    if (conn->state == CONN_OPEN && conn->is_marked) {
        flush(conn);
    }
    if (conn->state == CONN_OPEN) {
        check_broken_wire(conn);
    }
    if (conn->state == CONN_FLUSHING) {
        conn_go_on_closing(conn);
    }
    if (conn->state != CONN_ENDED) {
        sync_reading(conn);
    }
}

static void become_open(struct conn *conn, struct slice alpn) {
    conn_set_state(conn, CONN_OPEN);
    if (conn->events->on_ready != NULL) {
        conn->events->on_ready(conn->user, alpn);
    }
}

static size_t on_wire_room(struct wire *wire) {
    struct conn *conn = conn_of_wire(wire);
    size_t most = conn->tls != NULL ? TLS_READ_BYTES : LOOP_SCRATCH_BYTES;
    if (conn->state != CONN_OPEN) {
        return most;
    }
    if (conn->is_paused || conn->is_eof) {
        return 0;
    }
    size_t room = conn->events->room != NULL ? conn->events->room(conn->user) : most;
    return room > most ? most : room > 0 ? room : 1;
}

static void on_wire_read(struct wire *wire, struct slice bytes) {
    struct conn *conn = conn_of_wire(wire);
    conn->has_read = true;
    conn->turn_bytes += bytes.length;
    if (conn->turn_bytes >= TURN_READ_BYTES) {
        wire_set_reading(wire, false); // until the end of the turn
        loop_defer(wire->loop, &conn->turn);
    }
    if (!conn_is_alive(conn)) {
        return;
    }
    if (conn->tls != NULL) {
        feed_tls(conn, bytes);
    } else {
        deliver(conn, bytes);
    }
}

// What TLS has to say itself (handshake, alerts) leaves at once: it stands in shared scratch.
static void feed_tls(struct conn *conn, struct slice cipher) {
    struct loop *loop = conn->wire.loop;
    enum tls_status status = TLS_HANDSHAKING;
    do {
        struct tls_span plain = {.data = loop->plain_scratch, .capacity = LOOP_SCRATCH_BYTES};
        struct tls_span answer = {.data = loop->cipher_scratch, .capacity = LOOP_SCRATCH_BYTES};
        cipher = slice_skip(cipher, tls_session_feed(conn->tls, cipher, &plain, &answer, &status));
        wire_send(&conn->wire, slice_of(answer.data, answer.length));
        if (conn->state == CONN_OPENING && (status == TLS_OPEN || status == TLS_ENDED)) {
            count_handshake(conn, tls_session_was_resumed(conn->tls) ? METRIC_HANDSHAKE_RESUMED
                                                                     : METRIC_HANDSHAKE_FULL);
            become_open(conn, tls_session_alpn(conn->tls));
            loop_defer(loop, &conn->turn);
        }
        deliver(conn, slice_of(plain.data, plain.length));
    } while (conn_is_alive(conn) && (status == TLS_OPEN || status == TLS_HANDSHAKING) &&
             (cipher.length > 0 || tls_session_has_more(conn->tls)));
    if (status == TLS_FAILED && conn_is_alive(conn) && tls_session_is_flooded(conn->tls)) {
        conn_end(conn, FAULT_ABUSE);
    } else if (status == TLS_FAILED && conn_is_alive(conn)) {
        conn->is_tls_broken = true;
        conn_start_close(conn, conn->state == CONN_OPENING ? FAULT_TLS_HANDSHAKE : FAULT_PROTOCOL);
    } else if (status == TLS_ENDED && conn_is_alive(conn)) {
        note_eof(conn);
    }
    // Answers that nobody takes, asked for again and again.
    if (wire_unsent(&conn->wire) > 2 * CONN_FULL_BYTES && conn_is_alive(conn)) {
        conn_end(conn, FAULT_ABUSE);
    }
}

static void count_handshake(struct conn *conn, enum metric_handshake result) {
    metrics_add(&conn->wire.loop->metrics, HANDSHAKES, result, 1);
}

static void deliver(struct conn *conn, struct slice bytes) {
    if (bytes.length == 0 || conn->state != CONN_OPEN) {
        return;
    }
    if (conn->is_paused || buffer_length(&conn->held) > 0) {
        buffer_append_slice(&conn->held, bytes);
    } else {
        conn->events->on_bytes(conn->user, bytes);
    }
}

static void deliver_held(struct conn *conn) {
    if (!conn->is_paused && buffer_length(&conn->held) > 0) {
        struct buffer bytes = conn->held;
        conn->held = (struct buffer){0};
        conn->events->on_bytes(conn->user, buffer_peek(&bytes));
        buffer_finish(&bytes);
    }
    tell_eof(conn);
}

static void on_wire_read_end(struct wire *wire, int error) {
    struct conn *conn = conn_of_wire(wire);
    bool is_handshake = conn->state == CONN_OPENING;
    if (conn->state == CONN_LINGERING || (error != 0 && conn->state == CONN_FLUSHING)) {
        conn_end(conn, conn->fault);
    } else if (error != 0) {
        conn_end(conn, error == UV_ETIMEDOUT ? FAULT_CONN_TIMEOUT : FAULT_CONN_RESET);
    } else if (is_handshake) {
        // Looking whether the port is open is no fault.
        conn_start_close(conn, conn->has_read ? FAULT_TLS_HANDSHAKE : FAULT_NONE);
    } else {
        note_eof(conn);
    }
}

static void note_eof(struct conn *conn) {
    conn->is_eof = true;
    loop_defer(conn->wire.loop, &conn->turn);
    tell_eof(conn);
}

static void tell_eof(struct conn *conn) {
    if (conn->state != CONN_OPEN || !conn->is_eof || conn->is_eof_told || conn->is_paused ||
        buffer_length(&conn->held) > 0) {
        return;
    }
    conn->is_eof_told = true;
    // The kernel tells a reset only once: when writing has heard of it, reading sees a clean end.
    if (conn->wire.error != 0 && conn->wire.error != UV_EPIPE) {
        conn_end(conn, FAULT_CONN_RESET);
    } else if (conn->events->on_eof != NULL) {
        conn->events->on_eof(conn->user);
    } else {
        conn_start_close(conn, FAULT_NONE);
    }
}

// At the end of the turn only: pauses that are shorter cost no system call.
static void sync_reading(struct conn *conn) {
    bool is_wanted = !conn->is_eof && (conn->events != NULL || !conn_is_alive(conn));
    if (conn->state == CONN_OPEN && conn->is_paused) {
        is_wanted = false;
    }
    wire_set_reading(&conn->wire, is_wanted);
}

void conn_pause(struct conn *conn) {
    conn->is_paused = true;
    loop_defer(conn->wire.loop, &conn->turn);
}

void conn_resume(struct conn *conn) {
    conn->is_paused = false;
    loop_defer(conn->wire.loop, &conn->turn);
}

struct buffer *conn_output(struct conn *conn) {
    return &conn->output;
}

void conn_mark(struct conn *conn) {
    conn->is_marked = true;
    note_fullness(conn);
    if (!conn->is_flushing && conn_is_alive(conn)) {
        loop_defer(conn->wire.loop, &conn->turn);
    }
}

void conn_offer_ticket(struct conn *conn) {
    if (conn->tls != NULL) {
        conn->wants_ticket = true;
        conn_mark(conn);
    }
}

void conn_hasten(struct conn *conn) {
    if (conn->tls != NULL) {
        tls_session_note_pause(conn->tls);
    }
}

bool conn_is_full(const struct conn *conn) {
    return conn_unsent(conn) >= CONN_FULL_BYTES;
}

size_t conn_unsent(const struct conn *conn) {
    return buffer_length(&conn->output) + wire_unsent(&conn->wire);
}

bool conn_has_waited(const struct conn *conn) {
    return conn->wire.has_waited;
}

bool conn_was_drained(const struct conn *conn) {
    return conn->state == CONN_OPEN && !conn->is_eof && buffer_length(&conn->held) == 0 &&
           conn->wire.drained_turn == conn->wire.loop->turn;
}

bool conn_is_quiet(const struct conn *conn) {
    char byte;
    return conn->state == CONN_OPEN && !conn->is_eof && buffer_length(&conn->held) == 0 &&
           recv(wire_fd(&conn->wire), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

// Called before anything can end the fullness, and after what can begin a wait.
static void note_fullness(struct conn *conn) {
    conn->owes_drained = conn->owes_drained || conn->wire.is_busy || conn_is_full(conn);
}

static void flush(struct conn *conn) {
    if (conn->wire.is_busy || conn->wire.error != 0) {
        return; // stays marked until on_wire_written
    }
    conn->is_flushing = true;
    conn->is_marked = false;
    tell_drained(conn);
    if (conn->state == CONN_OPEN && conn->events->on_flush != NULL && !conn_is_full(conn)) {
        conn->events->on_flush(conn->user);
        conn->wire.has_waited = false;
    }
    note_fullness(conn);
    if (conn->state == CONN_OPEN && !conn_write_output(conn)) {
        conn_end(conn, FAULT_PROTOCOL);
    }
    note_fullness(conn);
    tell_drained(conn);
    conn->is_flushing = false;
    bool has_more = conn->is_marked || buffer_length(&conn->output) > 0;
    if (conn->state == CONN_OPEN && !conn->wire.is_busy && conn->wire.error == 0 && has_more) {
        conn->is_marked = true;
        loop_defer_next(conn->wire.loop, &conn->turn);
    }
}

static void tell_drained(struct conn *conn) {
    if (conn->state != CONN_OPEN || !conn->owes_drained || conn->wire.is_busy ||
        buffer_length(&conn->output) > CONN_DRAINED_BYTES) {
        return;
    }
    conn->owes_drained = false;
    if (conn->events->on_drained != NULL) {
        conn->events->on_drained(conn->user);
    }
}

bool conn_write_output(struct conn *conn) {
    if (conn->tls != NULL) {
        return seal_output(conn);
    }
    wire_send_buffer(&conn->wire, &conn->output);
    return true;
}

static bool seal_output(struct conn *conn) {
    struct tls_span span = {.data = conn->wire.loop->cipher_scratch, .capacity = TLS_SEAL_BYTES};
    struct slice plain = buffer_peek(&conn->output);
    if (loop_now(conn->wire.loop) - conn->wire.progress_ms >= TLS_PAUSE_MS) {
        tls_session_note_pause(conn->tls);
    }
    size_t used = tls_session_seal(conn->tls, plain, &span);
    if (used == 0 && plain.length > 0) {
        conn->is_tls_broken = true;
        return false;
    }
    buffer_consume(&conn->output, used);
    if (conn->wants_ticket && used == plain.length) {
        conn->wants_ticket = false;
        span.capacity = LOOP_SCRATCH_BYTES;
        tls_session_offer_ticket(conn->tls, &span);
    }
    wire_send(&conn->wire, slice_of(span.data, span.length));
    return true;
}

// Writing has failed. What the peer said before may still be on its way in, and reading will tell
// the end after it; who cannot read learns it now.
static void check_broken_wire(struct conn *conn) {
    int error = conn->wire.error;
    if (error == 0) {
        return;
    }
    char byte;
    bool is_reset = error == UV_EPIPE || error == UV_ECONNRESET;
    bool has_unread = is_reset && !conn->is_eof &&
                      recv(wire_fd(&conn->wire), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
    bool is_over = !has_unread || conn->events->must_answer;
    if (!is_reset || conn->is_eof_told || (conn->is_paused && is_over)) {
        conn_end(conn, FAULT_CONN_RESET);
    }
}

static void on_wire_written(struct wire *wire) {
    struct conn *conn = conn_of_wire(wire);
    if (conn->state == CONN_OPEN || conn->state == CONN_FLUSHING) {
        conn->is_marked = true;
        loop_defer(wire->loop, &conn->turn);
    }
}

uint64_t conn_last_progress_ms(const struct conn *conn) {
    struct wire *wire = (struct wire *)&conn->wire; // only its note of what libuv did changes
    bool is_stuck = wire->is_busy || wire->error != 0;
    return is_stuck ? wire_last_progress_ms(wire) : loop_now(wire->loop);
}

void conn_set_deadline(struct conn *conn, uint64_t delay_ms) {
    if (!conn_is_alive(conn)) {
        return;
    }
    if (delay_ms == 0) {
        timer_stop(&conn->timer);
    } else {
        timer_start(&conn->timer, delay_ms);
    }
}

static void on_timer(struct timer *timer) {
    struct conn *conn = LIST_ENTRY(timer, struct conn, timer);
    if (!conn_is_alive(conn)) {
        conn_closing_expired(conn);
    } else if (conn->events != NULL) {
        conn->events->on_deadline(conn->user);
    }
}

const struct conn_address *conn_peer(const struct conn *conn) {
    return &conn->peer;
}

uint16_t conn_local_port(const struct conn *conn) {
    return conn->local_port;
}

bool conn_is_tls(const struct conn *conn) {
    return conn->tls != NULL;
}

struct slice conn_server_name(const struct conn *conn) {
    return conn->tls != NULL ? tls_session_server_name(conn->tls) : SLICE_EMPTY;
}

bool conn_covers(const struct conn *conn, struct slice host) {
    return conn->tls == NULL ||
           tls_context_covers(conn->tls_context, tls_session_server_name(conn->tls), host);
}

bool conn_measure_path(const struct conn *conn, struct conn_path *out_path) {
    return conn->state == CONN_OPEN && conn_path_of_socket(wire_fd(&conn->wire), out_path);
}
