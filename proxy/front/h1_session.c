// SPDX-License-Identifier: Apache-2.0
#include "front/h1_session.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "front/access_log.h"
#include "h1_impl.h"

enum { CHUNK_EXTENSION_BYTES = 16 * 1024 };

static struct h1_reader *create_reader(struct h1_session *session);
static void on_ready(void *user, struct slice alpn);
static void on_bytes(void *user, struct slice bytes);
static void take_bytes(struct h1_session *session, struct slice bytes);
static size_t feed(struct h1_session *session, struct slice bytes);
static void on_malformed(struct h1_session *session, struct slice bytes, enum fault fault);
static bool is_foreign(const struct h1_session *session, struct slice bytes);
static void continue_if_wanted(struct h1_session *session);
static size_t room(void *user);
static void on_flush(void *user);
static void on_probe(struct loop_task *task);
static void end_response(struct h1_session *session);
static void feed_starved(struct h1_session *session);
static void read_on(struct h1_session *session);
static void check_end(struct h1_session *session);
static void finish_exchange(struct h1_session *session, enum fault fault);
static void on_drained(void *user);
static void on_eof(void *user);
static void update_deadline(struct h1_session *session);
static uint64_t write_deadline(const struct h1_session *session);
static uint64_t read_deadline(const struct h1_session *session);
static bool is_content_awaited(const struct h1_session *session);
static bool is_perhaps_gone(const struct h1_session *session);
static void on_deadline(void *user);
static void drain(struct front_session *base);
static void abort_session(struct front_session *base);
static void close_conn(struct h1_session *session);
static void abort_conn(struct h1_session *session, enum fault fault);
static void on_end(void *user, enum fault fault);

static const struct conn_events conn_events = {
    .on_ready = on_ready,
    .on_bytes = on_bytes,
    .on_eof = on_eof,
    .on_flush = on_flush,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_end = on_end,
    .room = room,
    .must_answer = true,
};

static uint64_t now_ms(const struct h1_session *session) {
    return loop_now(session->base.front->loop);
}

void h1_session_create(struct front *front, struct conn *take_conn, struct slice first) {
    struct h1_session *session = alloc_new(struct h1_session);
    session->base.drain = drain;
    session->base.abort = abort_session;
    front_session_begin(&session->base, front, take_conn, PROTOCOL_HTTP_1_1);
    session->reader = create_reader(session);
    session->probe.run = on_probe;
    session->is_first = true;
    session->since_ms = now_ms(session);
    conn_attach(take_conn, &conn_events, session);
    if (first.length > 0) {
        on_bytes(session, first);
    } else {
        update_deadline(session);
    }
}

static struct h1_reader *create_reader(struct h1_session *session) {
    const struct front_limits *limits = &session->base.front->limits;
    struct h1_reader_limits reader_limits = {
        .head_bytes = limits->head_bytes,
        .field_bytes = limits->field_bytes,
        .head_fields = limits->head_fields,
        .uri_bytes = limits->uri_bytes,
        .cookie_crumbs = limits->cookie_crumbs,
        .cookie_bytes = limits->cookie_bytes,
        .chunk_extension_bytes = CHUNK_EXTENSION_BYTES,
    };
    return h1_reader_create(H1_READER_REQUEST, &reader_limits, &h1_request_events, session);
}

// The conn was ready before it was ours.
static void on_ready(void *user, struct slice alpn) {
    (void)user, (void)alpn;
}

void h1_session_set_state(struct h1_session *session, enum h1_session_state next) {
    enum h1_session_state now = session->state;
    switch (next) {
    case H1_SESSION_WAITING:
        ensure(now == H1_SESSION_EXCHANGE && session->x == NULL);
        break;
    case H1_SESSION_HEAD:
        ensure(now == H1_SESSION_WAITING && session->x != NULL);
        break;
    case H1_SESSION_EXCHANGE:
        ensure(now == H1_SESSION_HEAD && session->x != NULL);
        break;
    case H1_SESSION_CLOSING:
        ensure(now != H1_SESSION_CLOSING && session->x == NULL);
        break;
    }
    session->state = next;
    session->since_ms = now_ms(session);
}

// --- bytes in -----------------------------------------------------------------------------------

static void on_bytes(void *user, struct slice bytes) {
    struct h1_session *session = user;
    take_bytes(session, bytes);
    h1_session_sync_reading(session);
    update_deadline(session);
}

// What the reader does not take now (it rests after each request) waits in `input`.
static void take_bytes(struct h1_session *session, struct slice bytes) {
    if (session->is_deaf) {
        return;
    }
    if (buffer_length(&session->input) == 0 && !h1_reader_is_paused(session->reader)) {
        bytes = slice_skip(bytes, feed(session, bytes));
    }
    if (!session->is_deaf) {
        buffer_append_slice(&session->input, bytes);
    }
}

static size_t feed(struct h1_session *session, struct slice bytes) {
    enum fault fault = FAULT_NONE;
    size_t used = h1_reader_feed(session->reader, bytes, &fault);
    if (fault != FAULT_NONE && !session->is_deaf) {
        on_malformed(session, bytes, fault);
    }
    session->has_fed = true;
    continue_if_wanted(session);
    return used;
}

static void on_malformed(struct h1_session *session, struct slice bytes, enum fault fault) {
    if (session->state != H1_SESSION_EXCHANGE && is_foreign(session, bytes)) {
        close_conn(session);
        return;
    }
    if (session->state != H1_SESSION_EXCHANGE) {
        if (session->x != NULL) {
            session->x->request.method = h1_reader_method(session->reader);
        }
        h1_request_refuse(session, fault);
        return;
    }
    session->is_deaf = true;
    exchange_cut(session->x, fault);
}

// Cleartext whose very first line is words and no request, such as a mistaken HTTP/2 preface: an
// HTTP/1 answer would be taken for garbage in turn (RFC 9113 section 3.4).
static bool is_foreign(const struct h1_session *session, struct slice bytes) {
    struct slice line = slice_first(bytes, slice_find(bytes, '\n'));
    struct slice second = slice_skip(line, slice_find(line, ' ') + 1);
    bool is_first_line = !session->base.client.is_tls && !session->has_ticket && !session->has_fed;
    return is_first_line && second.length > 0 && second.data[0] != '/' &&
           memmem(line.data, line.length, "HTTP/", 5) == NULL;
}

// The handler was started and has not answered at once: it will take the content.
static void continue_if_wanted(struct h1_session *session) {
    struct exchange *x = session->x;
    if (!session->wants_continue || session->state != H1_SESSION_EXCHANGE) {
        return;
    }
    session->wants_continue = false;
    if (session->response == H1_RESPONSE_WAITING && x->request_bytes == 0 &&
        x->request_state == EXCHANGE_REQUEST_OPEN) {
        h1_response_continue(session);
    }
}

static size_t room(void *user) {
    struct h1_session *session = user;
    bool is_request_over = session->state == H1_SESSION_EXCHANGE &&
                           session->x->request_state == EXCHANGE_REQUEST_ENDED;
    size_t most = is_request_over ? H1_INPUT_BYTES : H1_CONTENT_HIGH_BYTES;
    size_t held = is_request_over ? buffer_length(&session->input) : session->unconsumed;
    return held < most ? most - held : 0;
}

void h1_session_sync_reading(struct h1_session *session) {
    size_t most = session->is_paused ? H1_CONTENT_LOW_BYTES : H1_CONTENT_HIGH_BYTES;
    bool is_paused =
        session->unconsumed >= most || buffer_length(&session->input) >= H1_INPUT_BYTES;
    if (is_paused == session->is_paused) {
        return;
    }
    session->is_paused = is_paused;
    if (is_paused) {
        conn_pause(h1_session_conn(session));
    } else {
        session->content_ms = now_ms(session); // the client could not send in between
        conn_resume(h1_session_conn(session));
    }
    update_deadline(session);
}

// --- the end of a turn --------------------------------------------------------------------------

void h1_session_mark(struct h1_session *session) {
    if (!session->is_flushing) {
        conn_mark(h1_session_conn(session));
    }
}

// Everything the exchange's words lead to happens here, on no one's stack but the loop's.
static void on_flush(void *user) {
    struct h1_session *session = user;
    session->is_flushing = true;
    if (!session->is_fast && conn_unsent(h1_session_conn(session)) == 0) {
        front_return_lot(&session->base);
    }
    feed_starved(session);
    while (session->state == H1_SESSION_EXCHANGE && session->response >= H1_RESPONSE_FINISHED) {
        end_response(session);
    }
    session->is_flushing = false;
    if (session->state != H1_SESSION_CLOSING) {
        if (session->is_starved) {
            conn_mark(h1_session_conn(session)); // look again when this is written
            loop_defer_next(session->base.front->loop, &session->probe);
        }
        h1_session_sync_reading(session);
        update_deadline(session);
    }
}

// A turn after a flush: what the kernel did not take then is taken as fast as the client reads.
static void on_probe(struct loop_task *task) {
    struct h1_session *session = LIST_ENTRY(task, struct h1_session, probe);
    bool has_gone = conn_unsent(h1_session_conn(session)) == 0;
    session->is_fast = has_gone && front_take_lot(&session->base);
}

static void end_response(struct h1_session *session) {
    if (session->response == H1_RESPONSE_FAILED) {
        enum fault fault = session->x->fault;
        abort_conn(session, fault != FAULT_NONE ? fault : FAULT_ORIGIN_CUT);
        return;
    }
    finish_exchange(session, FAULT_NONE);
    session->is_fast = false;
    if (!session->has_ticket) {
        session->has_ticket = true;
        conn_offer_ticket(h1_session_conn(session));
    }
    if (session->is_last) {
        close_conn(session);
        return;
    }
    h1_session_set_state(session, H1_SESSION_WAITING);
    h1_reader_resume(session->reader);
    read_on(session);
}

// The next of the pipelined requests, unless the responses to the earlier ones pile up.
static void read_on(struct h1_session *session) {
    if (conn_unsent(h1_session_conn(session)) >= H1_OUTPUT_SLOW_BYTES) {
        session->is_starved = true;
        return;
    }
    struct buffer bytes = session->input;
    session->input = (struct buffer){0};
    if (buffer_length(&bytes) > 0) {
        take_bytes(session, buffer_peek(&bytes));
    }
    buffer_finish(&bytes);
    check_end(session);
}

static void feed_starved(struct h1_session *session) {
    if (!session->is_starved || conn_unsent(h1_session_conn(session)) >= H1_OUTPUT_SLOW_BYTES) {
        return;
    }
    session->is_starved = false;
    if (session->state == H1_SESSION_WAITING) {
        read_on(session);
    } else if (session->state == H1_SESSION_EXCHANGE) {
        exchange_drained(session->x);
    }
}

// The client has ended its side. It may do that after a request and wait for the response, but not
// in the middle of one.
static void check_end(struct h1_session *session) {
    switch (session->state) {
    case H1_SESSION_WAITING:
        if (buffer_length(&session->input) == 0 && session->is_eof) {
            close_conn(session);
        }
        break;
    case H1_SESSION_HEAD:
        if (session->is_eof) {
            close_conn(session);
        }
        break;
    case H1_SESSION_EXCHANGE:
        if (session->is_eof && is_content_awaited(session)) {
            abort_conn(session, FAULT_CLIENT_GONE);
        }
        break;
    case H1_SESSION_CLOSING:
        break;
    }
}

// The one place where an exchange ends.
static void finish_exchange(struct h1_session *session, enum fault fault) {
    struct exchange *x = session->x;
    session->x = NULL;
    session->unconsumed = 0;
    session->wants_continue = false;
    if (session->state == H1_SESSION_EXCHANGE) {
        exchange_close(x, fault);
        front_exchange_ended(session->base.front, x);
    }
    front_exchange_gone(session->base.front, x);
    exchange_destroy(x);
}

// A flush is not called while the conn is full, so it is asked for when it no longer is.
static void on_drained(void *user) {
    struct h1_session *session = user;
    h1_session_mark(session);
}

static void on_eof(void *user) {
    struct h1_session *session = user;
    session->is_eof = true;
    session->eof_ms = now_ms(session);
    check_end(session);
    update_deadline(session);
}

// --- times --------------------------------------------------------------------------------------

// One timer for all: the earlier of what the client owes us as a reader and as a writer.
static void update_deadline(struct h1_session *session) {
    if (session->state == H1_SESSION_CLOSING) {
        return; // the conn sees to it
    }
    uint64_t now = now_ms(session);
    uint64_t write = write_deadline(session);
    uint64_t read = read_deadline(session);
    uint64_t next = write < read ? write : read;
    conn_set_deadline(h1_session_conn(session), next == UINT64_MAX ? 0
                                                : next > now       ? next - now
                                                                   : 1);
}

static uint64_t write_deadline(const struct h1_session *session) {
    const struct conn *conn = h1_session_conn(session);
    if (conn_unsent(conn) == 0) {
        return UINT64_MAX;
    }
    uint64_t moved_ms = conn_last_progress_ms(conn);
    uint64_t since_ms = moved_ms > session->output_ms ? moved_ms : session->output_ms;
    return since_ms + session->base.front->limits.write_ms;
}

static uint64_t read_deadline(const struct h1_session *session) {
    const struct front_limits *limits = &session->base.front->limits;
    switch (session->state) {
    case H1_SESSION_WAITING:
        return session->since_ms + (session->is_draining ? FRONT_LAST_CALL_MS
                                    : session->is_first  ? limits->head_ms
                                                         : limits->idle_ms);
    case H1_SESSION_HEAD:
        return session->since_ms + limits->head_ms;
    case H1_SESSION_EXCHANGE:
        if (is_perhaps_gone(session)) {
            uint64_t from_ms =
                session->eof_ms > session->since_ms ? session->eof_ms : session->since_ms;
            return from_ms + H1_HALF_CLOSED_MS;
        }
        return is_content_awaited(session) ? session->content_ms + limits->body_ms : UINT64_MAX;
    case H1_SESSION_CLOSING:
        return UINT64_MAX;
    }
    unreachable();
}

static bool is_content_awaited(const struct h1_session *session) {
    return session->x->request_state == EXCHANGE_REQUEST_OPEN &&
           session->response < H1_RESPONSE_FINISHED && !session->is_paused && !session->is_deaf;
}

// Who closes, and who has only ended its side and waits for the response, look alike until
// something is written to them.
static bool is_perhaps_gone(const struct h1_session *session) {
    return session->is_eof && session->response == H1_RESPONSE_WAITING;
}

static void on_deadline(void *user) {
    struct h1_session *session = user;
    uint64_t now = now_ms(session);
    if (now >= write_deadline(session)) {
        metrics_add(&session->base.front->loop->metrics, LIMITS, METRIC_LIMIT_WRITE_TIME,
                    session->x == NULL); // else it is counted with its exchange
        abort_conn(session, FAULT_CLIENT_TIMEOUT);
        return;
    }
    if (now >= read_deadline(session)) {
        switch (session->state) {
        case H1_SESSION_WAITING:
            close_conn(session);
            return;
        case H1_SESSION_HEAD:
            h1_request_refuse(session, FAULT_CLIENT_TIMEOUT);
            break;
        case H1_SESSION_EXCHANGE:
            if (is_perhaps_gone(session)) {
                abort_conn(session, FAULT_CLIENT_GONE);
                return;
            }
            session->is_deaf = true;
            exchange_cut(session->x, FAULT_CLIENT_TIMEOUT);
            break;
        case H1_SESSION_CLOSING:
            return;
        }
    }
    update_deadline(session);
}

// --- the end ------------------------------------------------------------------------------------

static void drain(struct front_session *base) {
    struct h1_session *session = LIST_ENTRY(base, struct h1_session, base);
    session->is_draining = true;
    if (session->state == H1_SESSION_WAITING) {
        session->since_ms = now_ms(session);
    }
    update_deadline(session);
}

static void abort_session(struct front_session *base) {
    struct h1_session *session = LIST_ENTRY(base, struct h1_session, base);
    if (session->state == H1_SESSION_CLOSING) {
        conn_abort(base->conn, FAULT_DRAINING);
    } else {
        abort_conn(session, FAULT_DRAINING);
    }
}

static void close_conn(struct h1_session *session) {
    if (session->x != NULL) {
        finish_exchange(session, FAULT_CLIENT_GONE);
    }
    buffer_finish(&session->input);
    h1_session_set_state(session, H1_SESSION_CLOSING);
    conn_close(session->base.conn);
}

static void abort_conn(struct h1_session *session, enum fault fault) {
    if (session->x != NULL) {
        finish_exchange(session, fault);
    }
    h1_session_set_state(session, H1_SESSION_CLOSING);
    conn_abort(session->base.conn, fault);
}

static void on_end(void *user, enum fault fault) {
    struct h1_session *session = user;
    bool is_idle = session->x == NULL; // many clients end so what they need no more
    if (!is_idle) {
        finish_exchange(session, FAULT_CLIENT_GONE);
    }
    loop_cancel(&session->probe);
    h1_reader_destroy(session->reader);
    buffer_finish(&session->input);
    front_session_end(&session->base, is_idle && fault == FAULT_CONN_RESET ? FAULT_NONE : fault);
    free(session);
}
