// SPDX-License-Identifier: Apache-2.0
#include "front/h2_session.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/log.h"
#include "h2_impl.h"

enum {
    FLUSH_MIN_BYTES = 32 * 1024,  // what one flush gathers at first: late decisions stay possible
    FLUSH_MAX_BYTES = 224 * 1024, // for those who take it all at once; a frame more is one seal
    FRAME_BYTES = 16 * 1024,
    FRAME_HEAD_BYTES = 9,
    CONNECTION_WINDOW_BYTES = 1024 * 1024,
    SHUTDOWN_ROUND_MS = 1000, // for clients that do not answer PING
    LEAVING_MS = 1000,        // for what a client asks behind its GOAWAY
    TICK_MS = 2500,           // how often stalled streams are looked for while there are any
    LEAST_GOAWAY_BYTES = 8,
    MAX_SETTINGS = 32,
    // Of a response: beyond the largest head that an origin may be allowed, with our own fields.
    MAX_HEAD_BYTES = 2 * 1024 * 1024,
    MAX_OUTBOUND_ACK = 256,
};

static nghttp2_session *create_engine(struct h2_session *session);
static void submit_settings(struct h2_session *session);
static void on_bytes(void *user, struct slice bytes);
static void on_eof(void *user);
static void on_flush(void *user);
static void on_deadline(void *user);
static void on_end(void *user, enum fault fault);
static bool gather(struct h2_session *session, struct buffer *output);
static void gather_more_next(struct h2_session *session);
static void reserve(const struct h2_session *session, struct buffer *output);
static void arm_deadline(struct h2_session *session);
static void close_when_done(struct h2_session *session);
static uint64_t idle_limit(const struct h2_session *session);
static void drain(struct front_session *base);
static void finish_drain(struct h2_session *session);
static void abort_session(struct front_session *base);
static void close_now(struct h2_session *session, enum fault fault);
static bool admit(struct h2_session *session, const struct h2_frame_head *head);
static void note_leaving(struct h2_session *session, const struct h2_frame_head *head);
static bool refuse_frame(struct h2_session *session, uint32_t error_code);
static void feed(struct h2_session *session, struct slice piece);
static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *user);

static const struct conn_events conn_events = {
    .on_bytes = on_bytes,
    .on_eof = on_eof,
    .on_flush = on_flush,
    .on_deadline = on_deadline,
    .on_end = on_end,
};

void h2_session_create(struct front *front, struct conn *take_conn, struct slice first) {
    struct h2_session *session = alloc_new(struct h2_session);
    list_init(&session->streams);
    list_init(&session->gathering);
    h2_gate_init(&session->gate);
    h2_credit_init(&session->credit);
    session->flush_bytes = FLUSH_MIN_BYTES;
    session->idle_since_ms = loop_now(front->loop);
    session->base.drain = drain;
    session->base.abort = abort_session;
    front_session_begin(&session->base, front, take_conn, PROTOCOL_HTTP_2);
    session->ng = create_engine(session);
    conn_attach(take_conn, &conn_events, session);
    submit_settings(session);
    h2_session_set_deadline(session);
    if (first.length > 0) {
        on_bytes(session, first);
    }
    h2_session_mark(session);
}

static nghttp2_session *create_engine(struct h2_session *session) {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session *ng;
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) {
        alloc_fail(0);
    }
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    h2_stream_register(callbacks);
    h2_response_register(callbacks);
    h2_priority_register(callbacks);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_user_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);
    nghttp2_option_set_max_settings(option, MAX_SETTINGS);
    nghttp2_option_set_max_send_header_block_length(option, MAX_HEAD_BYTES);
    nghttp2_option_set_max_outbound_ack(option, MAX_OUTBOUND_ACK);
    nghttp2_option_set_stream_reset_rate_limit(option, 1000, 33);
    nghttp2_mem memory = h2_memory_of(session);
    if (nghttp2_session_server_new3(&ng, callbacks, session, option, &memory) != 0) {
        alloc_fail(0);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return ng;
}

static void submit_settings(struct h2_session *session) {
    const struct front_limits *limits = &session->base.front->limits;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->head_bytes},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    int failed = nghttp2_submit_settings(session->ng, NGHTTP2_FLAG_NONE, settings,
                                         sizeof(settings) / sizeof(settings[0]));
    ensure(failed == 0);
    nghttp2_session_set_local_window_size(session->ng, NGHTTP2_FLAG_NONE, 0,
                                          CONNECTION_WINDOW_BYTES);
}

// --- the one way in ------------------------------------------------------------------------------

static void on_bytes(void *user, struct slice bytes) {
    struct h2_session *session = user;
    while (bytes.length > 0 && session->state != H2_SESSION_CLOSED && !session->is_deaf) {
        struct h2_frame_head head;
        struct slice piece;
        bool has_head;
        bytes = slice_skip(bytes, h2_gate_step(&session->gate, bytes, &piece, &head, &has_head));
        if (!has_head || admit(session, &head)) {
            feed(session, piece);
        }
    }
    h2_stream_give_crumbs(session);
    h2_session_mark(session);
}

// What nghttp2 passes over in silence and RFC 9113 does not (sections 5.1, 5.3.1, 6.3).
static bool admit(struct h2_session *session, const struct h2_frame_head *head) {
    session->has_preface |= head->type == NGHTTP2_SETTINGS;
    if (!h2_credit_take(&session->credit, head)) {
        metrics_add(&session->base.front->loop->metrics, LIMITS, METRIC_LIMIT_FRAMES, 1);
        return refuse_frame(session, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    if (head->type == NGHTTP2_PRIORITY &&
        (head->stream_id == 0 || head->stream_id == head->depends_on)) {
        return refuse_frame(session, NGHTTP2_PROTOCOL_ERROR);
    }
    if (head->type == NGHTTP2_GOAWAY) {
        note_leaving(session, head);
    }
    if (head->type != NGHTTP2_HEADERS && head->type != NGHTTP2_DATA) {
        return true;
    }
    bool is_open = nghttp2_session_get_stream_user_data(session->ng, head->stream_id) != NULL;
    switch (h2_closed_check(&session->closed, head->type == NGHTTP2_HEADERS, head->stream_id,
                            is_open)) {
    case H2_CLOSED_FINE:
        return true;
    case H2_CLOSED_SKIPPED:
        return refuse_frame(session, NGHTTP2_PROTOCOL_ERROR);
    case H2_CLOSED_ENDED:
        return refuse_frame(session, NGHTTP2_STREAM_CLOSED);
    }
    unreachable();
}

// A client's GOAWAY forbids us to open streams, not itself (RFC 9113 section 6.8). The library
// would read nothing behind it when no stream is open, so it does not get to know; what the client
// asked for in the same moment is answered, and after a second without a stream we leave too.
static void note_leaving(struct h2_session *session, const struct h2_frame_head *head) {
    bool is_whole = head->stream_id == 0 && head->length >= LEAST_GOAWAY_BYTES;
    if (is_whole && session->state == H2_SESSION_OPEN && list_is_empty(&session->streams)) {
        h2_gate_hide(&session->gate);
        session->has_goaway = true;
        session->is_leaving = true;
        session->idle_since_ms = loop_now(session->base.front->loop);
        h2_session_set_deadline(session);
    }
}

static bool refuse_frame(struct h2_session *session, uint32_t error_code) {
    h2_session_terminate(session, error_code);
    return false;
}

static void feed(struct h2_session *session, struct slice piece) {
    if (piece.length == 0) {
        return;
    }
    ssize_t used = nghttp2_session_mem_recv(session->ng, (const uint8_t *)piece.data, piece.length);
    if (used < 0) { // bad preface, or more answers or CONTINUATIONs than the library allows
        bool is_flood = used != NGHTTP2_ERR_BAD_CLIENT_MAGIC;
        log_debug("h2_session", "-", "receive failed error=%s", nghttp2_strerror((int)used));
        metrics_add(&session->base.front->loop->metrics, LIMITS, METRIC_LIMIT_FRAMES, is_flood);
        refuse_frame(session, is_flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
    }
}

// The library answers; each such answer costs the client a token (TRUST 1.2, MadeYouReset).
static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error,
                            void *user) {
    struct h2_session *session = user;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        session->block_since_ms = 0; // refused; on_frame is not called for it
    }
    struct h2_stream *stream = h2_stream_find(ng, frame->hd.stream_id);
    if (stream != NULL) {
        stream->has_spent = true;
    }
    log_debug("h2_session", "-", "c%llu/%d invalid frame type=%d error=%s",
              (unsigned long long)session->base.client.id, frame->hd.stream_id, frame->hd.type,
              nghttp2_strerror(error));
    h2_session_spend(session);
    return 0;
}

void h2_session_spend(struct h2_session *session) {
    if (!h2_budget_spend(&session->budget, loop_now(session->base.front->loop))) {
        metrics_add(&session->base.front->loop->metrics, LIMITS, METRIC_LIMIT_RESETS, 1);
        h2_session_terminate(session, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

// After an error nothing more is read: what follows would cost us and be for nothing.
void h2_session_terminate(struct h2_session *session, uint32_t error_code) {
    session->is_deaf |= error_code != NGHTTP2_NO_ERROR;
    nghttp2_session_terminate_session(session->ng, error_code);
    h2_session_mark(session);
}

// --- the one way out -----------------------------------------------------------------------------

void h2_session_mark(struct h2_session *session) {
    if (session->state != H2_SESSION_CLOSED) {
        conn_mark(session->base.conn);
    }
}

static void on_flush(void *user) {
    struct h2_session *session = user;
    if (session->state == H2_SESSION_CLOSED) {
        return;
    }
    if (conn_has_waited(session->base.conn)) {
        session->flush_bytes = FLUSH_MIN_BYTES;
    }
    if (conn_unsent(session->base.conn) > 0) {
        h2_session_mark(session); // decide when the path takes more, not before
        return;
    }
    if (list_is_empty(&session->streams)) {
        session->flush_bytes = FLUSH_MIN_BYTES;
    }
    if (session->flush_bytes == FLUSH_MIN_BYTES) {
        front_return_lot(&session->base);
    }
    h2_hold_begin(session);
    h2_priority_release_held(session);
    if (!gather(session, conn_output(session->base.conn))) {
        close_now(session, FAULT_PROTOCOL);
        return;
    }
    arm_deadline(session);
    close_when_done(session);
}

// False when the library can't go on.
static bool gather(struct h2_session *session, struct buffer *output) {
    reserve(session, output);
    while (buffer_length(output) < session->flush_bytes) {
        const uint8_t *data;
        ssize_t length = nghttp2_session_mem_send(session->ng, &data);
        if (length < 0) {
            log_debug("h2_session", "-", "send failed error=%s", nghttp2_strerror((int)length));
            return false;
        }
        if (session->has_restore) { // send_body paused for this
            session->has_restore = false;
            h2_priority_restore(session);
            continue;
        }
        if (length == 0 && !session->is_blocked) {
            // DATA went to the output by itself (send_body in h2_response.c), as much as was held.
            if (buffer_length(output) >= session->flush_bytes) {
                gather_more_next(session);
            }
            return true;
        }
        if (length == 0) {
            break;
        }
        buffer_append(output, data, (size_t)length);
    }
    session->is_blocked = false;
    gather_more_next(session);
    conn_mark(session->base.conn); // there is more: our share of this turn is spent
    return true;
}

static void gather_more_next(struct h2_session *session) {
    bool is_small = 2 * session->flush_bytes <= H2_STREAM_HELD_BYTES;
    if (session->flush_bytes < FLUSH_MAX_BYTES && (is_small || front_take_lot(&session->base))) {
        session->flush_bytes *= 2;
        if (session->flush_bytes > FLUSH_MAX_BYTES) {
            session->flush_bytes = FLUSH_MAX_BYTES;
        }
    }
}

// So that the output is not copied while it grows.
static void reserve(const struct h2_session *session, struct buffer *output) {
    size_t bytes = session->held_bytes;
    if (bytes > session->flush_bytes) {
        bytes = session->flush_bytes + FRAME_BYTES; // the frame that goes beyond
    }
    if (bytes > 0) {
        buffer_reserve(output, bytes + (bytes / FRAME_BYTES + 1) * FRAME_HEAD_BYTES);
    }
}

static void close_when_done(struct h2_session *session) {
    bool wants_more =
        nghttp2_session_want_read(session->ng) != 0 || nghttp2_session_want_write(session->ng) != 0;
    if (!wants_more) {
        close_now(session, session->fault);
    }
}

// --- deadlines -----------------------------------------------------------------------------------

void h2_session_set_deadline(struct h2_session *session) {
    bool is_waiting = list_is_empty(&session->streams) && session->block_since_ms == 0 &&
                      session->state == H2_SESSION_OPEN;
    uint64_t now = loop_now(session->base.front->loop);
    uint64_t delay = TICK_MS;
    if (session->state == H2_SESSION_SHUTTING) {
        uint64_t round_ms = now - session->shutting_since_ms;
        delay = round_ms < SHUTDOWN_ROUND_MS ? SHUTDOWN_ROUND_MS - round_ms : SHUTDOWN_ROUND_MS;
    } else if (is_waiting) {
        uint64_t idle_ms = now - session->idle_since_ms;
        uint64_t limit = idle_limit(session);
        delay = limit > idle_ms ? limit - idle_ms : TICK_MS;
    }
    session->deadline_ms = now + delay;
    session->armed_ms = 0;
    arm_deadline(session);
}

static uint64_t idle_limit(const struct h2_session *session) {
    const struct front_limits *limits = &session->base.front->limits;
    if (!session->has_preface) {
        return limits->head_ms;
    }
    return session->is_leaving && limits->idle_ms > LEAVING_MS ? LEAVING_MS : limits->idle_ms;
}

// A body that is held up may be due before.
static void arm_deadline(struct h2_session *session) {
    uint64_t now = loop_now(session->base.front->loop);
    uint64_t wake_ms = session->hold.wake_ms;
    uint64_t due_ms = session->deadline_ms;
    due_ms = wake_ms != 0 && wake_ms < due_ms ? wake_ms : due_ms;
    if (due_ms != session->armed_ms) {
        session->armed_ms = due_ms;
        conn_set_deadline(session->base.conn, due_ms > now ? due_ms - now : 1);
    }
}

static void on_deadline(void *user) {
    struct h2_session *session = user;
    if (session->state == H2_SESSION_CLOSED) {
        return;
    }
    const struct front_limits *limits = &session->base.front->limits;
    uint64_t now = loop_now(session->base.front->loop);
    session->armed_ms = 0;
    if (now < session->deadline_ms) { // for bodies that are held up
        session->hold.wake_ms = 0;
        arm_deadline(session);
        h2_session_mark(session);
        return;
    }
    bool is_idle = list_is_empty(&session->streams);
    uint64_t idle_ms = is_idle ? now - session->idle_since_ms : 0;
    struct conn *conn = session->base.conn;
    if (conn_unsent(conn) > 0 && now - conn_last_progress_ms(conn) >= limits->write_ms) {
        metrics_add(&session->base.front->loop->metrics, LIMITS, METRIC_LIMIT_WRITE_TIME, 1);
        conn_abort(conn, FAULT_CONN_TIMEOUT);
        return;
    }
    bool is_late =
        (!session->has_preface && idle_ms >= limits->head_ms) ||
        (session->block_since_ms > 0 && now - session->block_since_ms >= limits->head_ms);
    if (session->state == H2_SESSION_SHUTTING &&
        now - session->shutting_since_ms >= SHUTDOWN_ROUND_MS) {
        finish_drain(session);
    } else if (is_late || (is_idle && idle_ms >= idle_limit(session))) {
        session->fault = is_late ? FAULT_CONN_TIMEOUT : FAULT_NONE;
        metrics_add(&session->base.front->loop->metrics, LIMITS, METRIC_LIMIT_REQUEST_TIME,
                    is_late);
        h2_session_terminate(session, NGHTTP2_NO_ERROR);
    }
    h2_stream_sweep(session, now);
    h2_session_set_deadline(session);
}

// --- the end -------------------------------------------------------------------------------------

// First GOAWAY with the highest id, so that requests under way are still taken; the last one after
// a round trip, measured by a PING (RFC 9113 section 6.8).
static void drain(struct front_session *base) {
    struct h2_session *session = LIST_ENTRY(base, struct h2_session, base);
    if (session->state != H2_SESSION_OPEN) {
        return;
    }
    session->state = H2_SESSION_SHUTTING;
    session->shutting_since_ms = loop_now(base->front->loop);
    nghttp2_submit_shutdown_notice(session->ng);
    h2_session_set_deadline(session);
    h2_session_mark(session);
}

// Not before: the library sends PING ahead of all that waits, and its answer would prove nothing.
void h2_session_on_goaway_sent(struct h2_session *session, uint32_t error_code) {
    bool is_reset_limit = error_code == NGHTTP2_INTERNAL_ERROR; // the library's own, of 1000
    metrics_add(&session->base.front->loop->metrics, LIMITS, METRIC_LIMIT_RESETS, is_reset_limit);
    if (error_code == NGHTTP2_ENHANCE_YOUR_CALM || is_reset_limit) {
        session->fault = FAULT_ABUSE;
    } else if (error_code != NGHTTP2_NO_ERROR) {
        session->fault = FAULT_PROTOCOL;
    }
    if (session->state == H2_SESSION_SHUTTING) {
        nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, (const uint8_t *)"outrider");
    }
}

void h2_session_on_ping_ack(struct h2_session *session) {
    finish_drain(session);
}

// After the last GOAWAY the library begins no pushed response, so promises are kept before it.
static void finish_drain(struct h2_session *session) {
    if (session->state == H2_SESSION_SHUTTING && !h2_promise_is_owed(session)) {
        session->state = H2_SESSION_DRAINING;
        nghttp2_submit_goaway(session->ng, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(session->ng),
                              NGHTTP2_NO_ERROR, NULL, 0);
        h2_session_mark(session);
    }
}

static void abort_session(struct front_session *base) {
    conn_abort(base->conn, FAULT_DRAINING);
}

// A client that closes its side has left: HTTP/2 has no half-closed connections.
static void on_eof(void *user) {
    close_now(user, FAULT_CLIENT_GONE);
}

static void close_now(struct h2_session *session, enum fault fault) {
    if (session->state == H2_SESSION_CLOSED) {
        return;
    }
    session->state = H2_SESSION_CLOSED;
    conn_close(session->base.conn);
    h2_stream_close_all(session, fault == FAULT_NONE ? FAULT_CLIENT_GONE : fault);
}

static void on_end(void *user, enum fault fault) {
    struct h2_session *session = user;
    bool is_idle = list_is_empty(&session->streams); // many clients end so what they need no more
    session->state = H2_SESSION_CLOSED;
    h2_stream_close_all(session, fault == FAULT_DRAINING ? fault : FAULT_CLIENT_GONE);
    fault = session->fault != FAULT_NONE ? session->fault : fault;
    front_session_end(&session->base, is_idle && fault == FAULT_CONN_RESET ? FAULT_NONE : fault);
    nghttp2_session_del(session->ng);
    free(session);
}
