// SPDX-License-Identifier: Apache-2.0
#include "h1_impl.h"

#include "base/ensure.h"

static void write_interim(struct exchange *x, const struct response_head *head);
static void write_head(struct exchange *x, const struct response_head *head);
static int64_t absent_length(const struct response_head *head);
static enum h1_framing choose_framing(const struct h1_session *session,
                                      const struct response_head *head);
static void write_body(struct exchange *x, struct slice bytes);
static void write_end(struct exchange *x, const struct headers *trailers);
static void note_failure(struct exchange *x, enum fault fault);
static void note_consumed(struct exchange *x, size_t bytes);
static size_t find_room(const struct exchange *x);
static struct buffer *output(struct h1_session *session);

// No promises: they are HTTP/2's.
const struct exchange_front_ops h1_response_ops = {
    .interim = write_interim,
    .head = write_head,
    .body = write_body,
    .finish = write_end,
    .fail = note_failure,
    .consumed = note_consumed,
    .room = find_room,
};

void h1_response_continue(struct h1_session *session) {
    buffer_append_slice(output(session), SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
    h1_session_mark(session);
}

// HTTP/1.0 knows none (RFC 9110 section 15.2). Whether a client of HTTP/1.1 is to be trusted with
// them, the handler decides: old ones take a 103 for the answer (RFC 8297 section 3).
static void write_interim(struct exchange *x, const struct response_head *head) {
    struct h1_session *session = x->front_user;
    ensure(session->response == H1_RESPONSE_WAITING);
    if (session->base.client.protocol == PROTOCOL_HTTP_1_1) {
        h1_writer_response(output(session), head, H1_FRAMING_NONE, PROTOCOL_HTTP_1_1, true);
        h1_session_mark(session);
    }
}

static void write_head(struct exchange *x, const struct response_head *head) {
    struct h1_session *session = x->front_user;
    ensure(session->response == H1_RESPONSE_WAITING);
    session->response = H1_RESPONSE_BODY;
    session->has_no_content = x->is_head_request || head->status == 204 || head->status == 304;
    struct response_head written = *head;
    if (session->has_no_content) {
        written.content_length = absent_length(head);
    }
    session->framing = choose_framing(session, &written);
    session->content_left = written.content_length > 0 ? (uint64_t)written.content_length : 0;
    // The rest of the request, which was refused or will not be taken, would stand before the next.
    bool is_early = x->request_state == EXCHANGE_REQUEST_OPEN;
    bool has_ended = session->is_eof && buffer_length(&session->input) == 0;
    session->is_last = session->is_last || is_early || has_ended || session->is_draining ||
                       session->framing == H1_FRAMING_CLOSE;
    h1_writer_response(output(session), &written, session->framing, session->base.client.protocol,
                       !session->is_last);
    h1_session_mark(session);
}

// Answers to HEAD and 304 may say how long the content would have been (RFC 9110 section 8.6).
static int64_t absent_length(const struct response_head *head) {
    int64_t length = BODY_UNKNOWN;
    if (head->status != 204) {
        h1_head_parse_length(headers_value(&head->headers, HEADER_CONTENT_LENGTH), &length);
    }
    return length;
}

static enum h1_framing choose_framing(const struct h1_session *session,
                                      const struct response_head *head) {
    if (head->content_length != BODY_UNKNOWN) {
        return H1_FRAMING_LENGTH;
    }
    if (session->has_no_content) {
        return H1_FRAMING_NONE;
    }
    return session->base.client.protocol == PROTOCOL_HTTP_1_0 ? H1_FRAMING_CLOSE
                                                              : H1_FRAMING_CHUNKED;
}

static void write_body(struct exchange *x, struct slice bytes) {
    struct h1_session *session = x->front_user;
    ensure(session->response == H1_RESPONSE_BODY);
    if (session->has_no_content || bytes.length == 0) {
        return;
    }
    switch (session->framing) {
    case H1_FRAMING_NONE:
        return;
    case H1_FRAMING_CHUNKED:
        h1_writer_chunk(output(session), bytes);
        break;
    case H1_FRAMING_LENGTH:
        bytes = slice_first(bytes, session->content_left); // more would be the next response
        session->content_left -= bytes.length;
        buffer_append_slice(output(session), bytes);
        break;
    case H1_FRAMING_CLOSE:
        buffer_append_slice(output(session), bytes);
        break;
    }
    h1_session_mark(session);
}

static void write_end(struct exchange *x, const struct headers *trailers) {
    struct h1_session *session = x->front_user;
    ensure(session->response == H1_RESPONSE_BODY);
    bool is_short = session->framing == H1_FRAMING_LENGTH && !session->has_no_content &&
                    session->content_left > 0;
    if (session->framing == H1_FRAMING_CHUNKED) { // not chosen where there is no content
        h1_writer_last_chunk(output(session), trailers);
    }
    session->response = is_short ? H1_RESPONSE_FAILED : H1_RESPONSE_FINISHED;
    h1_session_mark(session);
}

static void note_failure(struct exchange *x, enum fault fault) {
    struct h1_session *session = x->front_user;
    (void)fault; // stands in the exchange
    session->response = H1_RESPONSE_FAILED;
    h1_session_mark(session);
}

static void note_consumed(struct exchange *x, size_t bytes) {
    struct h1_session *session = x->front_user;
    ensure(bytes <= session->unconsumed);
    session->unconsumed -= bytes;
    h1_session_sync_reading(session);
}

static size_t find_room(const struct exchange *x) {
    struct h1_session *session = x->front_user;
    size_t unsent = conn_unsent(h1_session_conn(session));
    size_t limit = session->is_fast ? H1_OUTPUT_FAST_BYTES : H1_OUTPUT_SLOW_BYTES;
    if (unsent >= limit) {
        session->is_starved = true;
        return 0;
    }
    return limit - unsent;
}

static struct buffer *output(struct h1_session *session) {
    struct conn *conn = h1_session_conn(session);
    if (conn_unsent(conn) == 0) {
        session->output_ms = loop_now(session->base.front->loop);
    }
    return conn_output(conn);
}
