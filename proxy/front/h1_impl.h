// SPDX-License-Identifier: Apache-2.0
// What the three files of the HTTP/1 session share: h1_session.c (the conn's side: bytes, times and
// the end), h1_request.c (what the reader found becomes an exchange), h1_response.c (what the
// exchange says becomes text). Private to proxy/front.
#ifndef OUTRIDER_FRONT_H1_IMPL_H
#define OUTRIDER_FRONT_H1_IMPL_H

#include "base/buffer.h"
#include "front/front.h"
#include "http/h1_reader.h"
#include "http/h1_writer.h"

enum {
    H1_CONTENT_HIGH_BYTES =
        64 * 1024,                    // request content the handler has not consumed: stop reading,
    H1_CONTENT_LOW_BYTES = 16 * 1024, // and go on below this
    H1_HALF_CLOSED_MS = 5000,         // how long a client that has ended its side is worked for
    H1_PACE_BYTES = 1024,             // of request content that count as progress
    H1_INPUT_BYTES = 16 * 1024,       // pipelined requests that wait for their turn
    H1_OUTPUT_SLOW_BYTES = 64 * 1024, // response bytes held for a client that is behind,
    H1_OUTPUT_FAST_BYTES = 256 * 1024, // and in one piece for one that is not
};

enum h1_session_state {
    H1_SESSION_WAITING,  // for the first byte of a request
    H1_SESSION_HEAD,     // for the rest of its head
    H1_SESSION_EXCHANGE, // for the handler's response, and perhaps for more of the request
    H1_SESSION_CLOSING,  // for the conn's on_end
};

enum h1_response_state {
    H1_RESPONSE_WAITING,  // for the handler's final head
    H1_RESPONSE_BODY,     // head written, for content or the end
    H1_RESPONSE_FINISHED, // all written, for the flush
    H1_RESPONSE_FAILED,   // cannot be completed, for the flush
};

struct h1_session {
    struct front_session base;
    enum h1_session_state state;
    struct h1_reader *reader;
    struct buffer input;    // came after the present request
    struct exchange *x;     // in HEAD (not started yet) and EXCHANGE
    struct loop_task probe; // finds out whether the client is fast
    uint64_t since_ms;      // when `state` began
    uint64_t content_ms;    // when a kilobyte of request content had come, or was asked for
    size_t content_bytes;   // come since
    uint64_t output_ms;     // when output began to wait
    uint64_t eof_ms;        // when the client ended its side
    size_t unconsumed;      // request content, in the handler's hands
    enum h1_response_state response;
    enum h1_framing framing; // of the response
    bool has_no_content;     // answers HEAD, or is a 204 or 304
    uint64_t content_left;   // with H1_FRAMING_LENGTH
    bool wants_continue;     // the client waits for 100 before it sends content
    bool is_last;            // the conn closes after this response
    bool is_deaf;            // whatever else comes from the client is dropped
    bool is_first;           // no request has been read yet
    bool has_fed;            // bytes came before the present ones
    bool is_eof;             // the client has ended its side
    bool is_draining;
    bool is_paused;   // the conn, by us
    bool is_starved;  // somebody waits for room in the output
    bool is_fast;     // the client took the last full piece of output at once
    bool is_flushing; // in on_flush: what is appended leaves with it
    bool has_ticket;  // offered
};

static inline struct conn *h1_session_conn(const struct h1_session *session) {
    return session->base.conn;
}

// The one place where the state changes.
void h1_session_set_state(struct h1_session *session, enum h1_session_state next);
// Output was appended, or the response has come to its end: see to it in the flush.
void h1_session_mark(struct h1_session *session);
// Pauses or resumes the conn, as the backlog of the request says.
void h1_session_sync_reading(struct h1_session *session);

extern const struct h1_reader_events h1_request_events;
// Answers what cannot be served, and closes. In WAITING and HEAD.
void h1_request_refuse(struct h1_session *session, enum fault fault);

extern const struct exchange_front_ops h1_response_ops;
void h1_response_continue(struct h1_session *session); // 100

#endif
