// SPDX-License-Identifier: Apache-2.0
#include "h2_impl.h"

#include "base/ensure.h"
#include "base/log.h"
#include "http/priority.h"

static ssize_t read_body(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user);
static int send_body(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *frame_head,
                     size_t length, nghttp2_data_source *source, void *user);
static void submit_trailers(struct h2_stream *stream);
static void note_sent(nghttp2_session *ng, const nghttp2_frame *frame);
static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *user);
static void resume(struct h2_stream *stream);

void h2_response_register(nghttp2_session_callbacks *callbacks) {
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_body);
}

void h2_response_interim(struct exchange *x, const struct response_head *head) {
    struct h2_stream *stream = x->front_user;
    if (x->is_promised) {
        return; // the library would take it for the response
    }
    nghttp2_nv *nva;
    size_t count = h2_fields_of_response(head, x->arena, &nva);
    nghttp2_submit_headers(stream->session->ng, NGHTTP2_FLAG_NONE, stream->id, NULL, nva, count,
                           NULL);
    h2_session_mark(stream->session);
}

void h2_response_head(struct exchange *x, const struct response_head *head) {
    struct h2_stream *stream = x->front_user;
    stream->has_head = true;
    stream->progress_ms = h2_stream_now(stream);
    struct slice own = headers_value(&head->headers, HEADER_PRIORITY);
    if (own.length > 0 && !stream->has_client_update) {
        priority_parse(own, &stream->priority);
        if (!stream->is_boosted) {
            h2_priority_set(stream, stream->priority);
        }
    }
    nghttp2_nv *nva;
    size_t count = h2_fields_of_response(head, x->arena, &nva);
    nghttp2_data_provider provider = {.source = {.ptr = stream}, .read_callback = read_body};
    int failed = nghttp2_submit_response(stream->session->ng, stream->id, nva, count,
                                         head->is_end ? NULL : &provider);
    if (failed != 0) {
        log_debug("h2_stream", "-", "response not accepted error=%s", nghttp2_strerror(failed));
        nghttp2_submit_rst_stream(stream->session->ng, NGHTTP2_FLAG_NONE, stream->id,
                                  NGHTTP2_INTERNAL_ERROR);
    }
    h2_session_mark(stream->session);
}

void h2_response_body(struct exchange *x, struct slice bytes) {
    struct h2_stream *stream = x->front_user;
    if (buffer_length(&stream->body) == 0) {
        h2_pace_start(&stream->pace, h2_stream_now(stream));
    }
    buffer_append_slice(&stream->body, bytes);
    stream->session->held_bytes += bytes.length;
    resume(stream);
}

void h2_response_finish(struct exchange *x, const struct headers *trailers) {
    struct h2_stream *stream = x->front_user;
    stream->is_finished = true;
    if (buffer_length(&stream->body) == 0) {
        h2_pace_start(&stream->pace, h2_stream_now(stream));
    }
    if (trailers != NULL && trailers->count > 0) {
        stream->response_trailers = arena_new(x->arena, struct headers);
        headers_init(stream->response_trailers, x->arena);
        for (uint32_t i = 0; i < trailers->count; i++) {
            headers_add(stream->response_trailers, trailers->rows[i].name, trailers->rows[i].value);
        }
    }
    if (!stream->session->has_offered_ticket) {
        stream->session->has_offered_ticket = true;
        conn_offer_ticket(stream->session->base.conn);
    }
    resume(stream);
}

void h2_response_fail(struct exchange *x, enum fault fault) {
    struct h2_stream *stream = x->front_user;
    uint32_t code = NGHTTP2_INTERNAL_ERROR;
    if (fault == FAULT_CLIENT_TIMEOUT) { // others need the origin's connection
        h2_session_spend(stream->session);
        code = NGHTTP2_CANCEL;
    } else if (fault == FAULT_PUSH_UNWANTED) {
        code = NGHTTP2_CANCEL;
    } else if (fault == FAULT_MEMORY_FULL || (fault == FAULT_HEAD_TOO_LARGE && !stream->has_head)) {
        code = NGHTTP2_REFUSED_STREAM; // nothing was done: it may be sent again
    }
    h2_response_reset(stream, code);
}

// A promise that never leaves must not be reset: the client does not know the stream.
void h2_response_reset(struct h2_stream *stream, uint32_t error_code) {
    stream->has_local_ended = true;
    if (stream->exchange->is_promised && !stream->is_promise_out) {
        stream->is_taken_back = true;
        stream->taken_back_code = error_code;
        return;
    }
    nghttp2_submit_rst_stream(stream->session->ng, NGHTTP2_FLAG_NONE, stream->id, error_code);
    h2_session_mark(stream->session);
}

static void resume(struct h2_stream *stream) {
    if (stream->is_deferred) {
        stream->is_deferred = false;
        nghttp2_session_resume_data(stream->session->ng, stream->id);
    }
    h2_session_mark(stream->session);
}

// 64 KB for a client that is slow, little when its other streams hold much already; one that takes
// whole flushes at once may have one flush held for all of its streams together.
size_t h2_response_room(const struct exchange *x) {
    struct h2_stream *stream = x->front_user;
    struct h2_session *session = stream->session;
    size_t limit = H2_STREAM_HELD_BYTES;
    size_t held = buffer_length(&stream->body);
    size_t others = session->held_bytes - held;
    if (others >= H2_SESSION_HELD_BYTES) {
        limit = H2_STREAM_LEAST_BYTES;
    }
    if (conn_unsent(session->base.conn) == 0 && session->flush_bytes > limit + others) {
        int32_t window = nghttp2_session_get_stream_remote_window_size(session->ng, stream->id);
        int32_t shared = nghttp2_session_get_remote_window_size(session->ng);
        int32_t both = window < shared ? window : shared;
        size_t takes = both > 0 ? (size_t)both : 0;
        size_t most = session->flush_bytes - others;
        takes = takes < most ? takes : most;
        limit = takes > limit ? takes : limit;
    }
    stream->is_full = held >= limit;
    return stream->is_full ? 0 : limit - held;
}

static ssize_t read_body(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user) {
    (void)ng;
    (void)id;
    (void)buf;
    struct h2_session *session = user;
    struct h2_stream *stream = source->ptr;
    size_t held = buffer_length(&stream->body);
    if (held == 0 && !stream->is_finished) {
        stream->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    length = h2_hold_share(stream, h2_priority_share(stream, held < length ? held : length));
    if (held > 0 && length == 0) {
        session->has_held_bodies = true;
        stream->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY; // send_body moves the bytes
    if (held > length) {
        return (ssize_t)length;
    }
    if (stream->is_finished) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream->response_trailers != NULL) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(stream);
        }
    }
    return (ssize_t)held;
}

static int send_body(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *frame_head,
                     size_t length, nghttp2_data_source *source, void *user) {
    (void)ng;
    (void)frame; // no padding is asked for, so there is none to write
    struct h2_session *session = user;
    struct h2_stream *stream = source->ptr;
    struct buffer *output = conn_output(session->base.conn);
    if (buffer_length(output) >= session->flush_bytes) {
        session->is_blocked = true;
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    buffer_append(output, frame_head, 9);
    if (length > 0) {
        buffer_append(output, buffer_peek(&stream->body).data, length);
        buffer_consume(&stream->body, length);
        session->held_bytes -= length;
    }
    stream->sent_bytes += length;
    stream->progress_ms = h2_stream_now(stream);
    h2_credit_earn(&session->credit, 10); // for the WINDOW_UPDATEs that content brings about
    h2_pace_note(&stream->pace, length, buffer_length(&stream->body) == 0, stream->progress_ms);
    h2_pace_note(&session->pace, length, session->held_bytes == 0, stream->progress_ms);
    if (stream->is_boosted && stream->sent_bytes >= H2_PAGE_FIRST_BYTES) {
        session->has_restore = true;
    }
    if (stream->is_full && buffer_length(&stream->body) <= H2_STREAM_HELD_BYTES / 2) {
        stream->is_full = false;
        exchange_drained(stream->exchange);
    }
    return session->has_restore ? NGHTTP2_ERR_PAUSE : 0;
}

static void submit_trailers(struct h2_stream *stream) {
    nghttp2_nv *nva;
    size_t count = h2_fields_of_trailers(stream->response_trailers, stream->exchange->arena, &nva);
    nghttp2_submit_trailer(stream->session->ng, stream->id, nva, count);
}

static void note_sent(nghttp2_session *ng, const nghttp2_frame *frame) {
    bool is_promise = frame->hd.type == NGHTTP2_PUSH_PROMISE;
    bool is_head = frame->hd.type == NGHTTP2_HEADERS;
    struct h2_stream *stream = h2_stream_find(
        ng, is_promise ? frame->push_promise.promised_stream_id : frame->hd.stream_id);
    if (stream == NULL) {
        return;
    }
    stream->is_head_out |= is_head && stream->has_head;
    stream->is_promise_out |= is_promise;
    if (is_promise && stream->is_taken_back) {
        h2_response_reset(stream, stream->taken_back_code);
    }
}

// A complete response while the request still comes: nothing more of it is wanted (RFC 9113
// section 8.1).
static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        h2_session_on_goaway_sent(user, frame->goaway.error_code);
    }
    note_sent(ng, frame);
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
                  (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA);
    if (!is_end) {
        return 0;
    }
    struct h2_stream *stream = h2_stream_find(ng, frame->hd.stream_id);
    if (stream != NULL) {
        stream->has_local_ended = true;
        if (!stream->has_remote_ended && !stream->exchange->is_promised) {
            nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
        }
    }
    return 0;
}

// The client gives no window. (Waiting behind more urgent streams is not the client's fault.)
bool h2_response_is_stalled(const struct h2_stream *stream, uint64_t now) {
    const struct h2_session *session = stream->session;
    uint64_t write_ms = session->base.front->limits.write_ms;
    bool is_parked = stream->exchange->is_promised && stream->has_head && !stream->is_head_out;
    if (is_parked) { // behind a MAX_CONCURRENT_STREAMS that was lowered after the promise
        return now - stream->progress_ms >= write_ms;
    }
    bool is_held_up = stream->has_head && !stream->has_local_ended &&
                      (buffer_length(&stream->body) > 0 || stream->is_finished);
    if (!is_held_up || now - stream->pace.moved_ms < write_ms) {
        return false;
    }
    if (nghttp2_session_get_stream_remote_window_size(session->ng, stream->id) <= 0) {
        return true;
    }
    return nghttp2_session_get_remote_window_size(session->ng) <= 0 &&
           now - session->pace.moved_ms >= write_ms;
}
