// SPDX-License-Identifier: Apache-2.0
#include "h2_impl.h"

#include "base/ensure.h"
#include "base/log.h"
#include "front/access_log.h"
#include "http/priority.h"
#include "http/url.h"

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user);
static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user);
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_length, const uint8_t *value, size_t value_length,
                             uint8_t flags, void *user);
static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user);
static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t length, void *user);
static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *user);
static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t error_code, void *user);
static struct h2_stream *create(struct h2_session *session, int32_t id);
static void on_request_head(struct h2_stream *stream, bool is_end);
static enum fault check_request(struct h2_stream *stream, bool is_end);
static bool is_misdirected(const struct h2_stream *stream);
static void on_request_end(struct h2_stream *stream);
static void close_stream(struct h2_stream *stream, enum fault fault);
static enum fault close_fault(const struct h2_stream *stream, uint32_t error_code);
static void send_interim(struct exchange *x, const struct response_head *head);
static void send_head(struct exchange *x, const struct response_head *head);
static void take_body(struct exchange *x, struct slice bytes);
static void finish(struct exchange *x, const struct headers *trailers);
static void fail(struct exchange *x, enum fault fault);
static struct exchange *promise(struct exchange *x, const struct request_head *request,
                                struct priority priority);
static unsigned promise_room(const struct exchange *x);
static void consumed(struct exchange *x, size_t bytes);
static size_t room(const struct exchange *x);
static ssize_t read_body(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user);
static int send_body(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *frame_head,
                     size_t length, nghttp2_data_source *source, void *user);
static bool is_stalled(const struct h2_stream *stream, uint64_t now);
static void submit_trailers(struct h2_stream *stream);
static void note_sent(nghttp2_session *ng, const nghttp2_frame *frame);
static void resume(struct h2_stream *stream);
static void reset(struct h2_stream *stream, uint32_t error_code);
static void set_priority(struct h2_stream *stream, struct priority priority);
static void apply_request_priority(struct h2_stream *stream);
static void apply_early_priority(struct h2_stream *stream);
static void boost(struct h2_stream *stream);

static const struct exchange_front_ops front_ops = {
    .interim = send_interim,
    .head = send_head,
    .body = take_body,
    .finish = finish,
    .fail = fail,
    .promise = promise,
    .promise_room = promise_room,
    .consumed = consumed,
    .room = room,
};

void h2_stream_register(nghttp2_session_callbacks *callbacks) {
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_body);
}

static struct h2_stream *find(nghttp2_session *ng, int32_t id) {
    return id > 0 ? nghttp2_session_get_stream_user_data(ng, id) : NULL;
}

static uint64_t now_ms(const struct h2_stream *stream) {
    return loop_now(stream->session->base.front->loop);
}

// --- a request comes in -----------------------------------------------------------------------------

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
    struct h2_session *session = user;
    session->block_since_ms = loop_now(session->base.front->loop);
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        session->closed.opening_id = 0;
        struct h2_stream *stream = create(session, frame->hd.stream_id);
        session->client_streams++;
        nghttp2_session_set_stream_user_data(ng, stream->id, stream);
        return 0;
    }
    struct h2_stream *stream = find(ng, frame->hd.stream_id);
    if (stream != NULL) {
        stream->is_in_trailers = true;
        headers_init(&stream->trailers, stream->exchange->arena);
    }
    return 0;
}

static struct h2_stream *create(struct h2_session *session, int32_t id) {
    struct exchange *x = exchange_create(&front_ops, NULL);
    struct h2_stream *stream = arena_new(x->arena, struct h2_stream);
    x->front_user = stream;
    x->client = &session->base.client;
    x->clock = &session->base.front->loop->clock;
    x->stream_id = (uint32_t)id;
    stream->exchange = x;
    stream->session = session;
    stream->id = id;
    stream->priority = PRIORITY_DEFAULT;
    stream->progress_ms = now_ms(stream);
    headers_init(&stream->raw.headers, x->arena);
    if (list_is_empty(&session->streams)) {
        list_append(&session->streams, &stream->link);
        h2_session_set_deadline(session);
    } else {
        list_append(&session->streams, &stream->link);
    }
    return stream;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user) {
    (void)flags;
    (void)user;
    struct h2_stream *stream = find(ng, frame->hd.stream_id);
    if (stream == NULL) {
        return 0;
    }
    h2_fields_add(stream, slice_of((const char *)name, name_length),
                  slice_of((const char *)value, value_length));
    if (h2_fields_is_bomb(stream)) {
        h2_session_terminate(stream->session, NGHTTP2_ENHANCE_YOUR_CALM);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return 0;
}

// The library would drop the field silently; a request with a bad field is refused whole.
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_length, const uint8_t *value, size_t value_length,
                             uint8_t flags, void *user) {
    (void)name;
    (void)value;
    (void)flags;
    (void)user;
    struct h2_stream *stream = find(ng, frame->hd.stream_id);
    if (stream != NULL) {
        stream->head_bytes += name_length + value_length;
        stream->head_fields++;
        stream->fault = stream->fault == FAULT_NONE ? FAULT_BAD_REQUEST : stream->fault;
    }
    return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
    struct h2_session *session = user;
    struct h2_stream *stream = find(ng, frame->hd.stream_id);
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        session->block_since_ms = 0;
        if (stream != NULL && !stream->has_request) {
            on_request_head(stream, is_end);
        } else if (stream != NULL && is_end) {
            on_request_end(stream);
        }
        break;
    case NGHTTP2_DATA:
        if (stream != NULL && is_end) {
            on_request_end(stream);
        }
        break;
    case NGHTTP2_RST_STREAM:
        if (stream != NULL) {
            stream->has_remote_ended = true;
            stream->was_reset = true;
        }
        break;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
            h2_session_on_ping_ack(session);
        }
        break;
    case NGHTTP2_GOAWAY:
        session->has_goaway = true;
        h2_stream_on_goaway(session, frame->goaway.last_stream_id);
        break;
    case NGHTTP2_PRIORITY_UPDATE: {
        const nghttp2_ext_priority_update *update = frame->ext.payload;
        h2_stream_on_priority_update(
            session, update->stream_id,
            slice_of((const char *)update->field_value, update->field_value_len));
        break;
    }
    default: // nothing to do for the other types
        break;
    }
    return 0;
}

static void on_request_head(struct h2_stream *stream, bool is_end) {
    struct exchange *x = stream->exchange;
    stream->has_request = true;
    stream->has_remote_ended = is_end;
    enum fault fault = check_request(stream, is_end);
    apply_request_priority(stream);
    if (fault != FAULT_NONE) {
        if (fault == FAULT_BAD_REQUEST || fault == FAULT_HEAD_TOO_LARGE) {
            h2_session_spend(stream->session);
        }
        x->request.method = stream->raw.method; // for the access log
        x->request.authority = stream->raw.authority;
        x->request.path = stream->raw.path;
        x->request_state = is_end ? EXCHANGE_REQUEST_ENDED : EXCHANGE_REQUEST_OPEN;
        exchange_refuse(x, fault);
        return;
    }
    bool expects_continue = headers_has(&stream->raw.headers, HEADER_EXPECT) && !is_end;
    exchange_start(x, stream->session->base.front->handler);
    if (expects_continue && x->response_state == EXCHANGE_RESPONSE_WAITING) {
        struct response_head interim = {.status = 100};
        headers_init(&interim.headers, x->arena);
        send_interim(x, &interim);
    }
}

static enum fault check_request(struct h2_stream *stream, bool is_end) {
    if (stream->fault != FAULT_NONE) {
        return stream->fault;
    }
    bool claims_http = slice_equal(stream->raw.scheme, SLICE("http"));
    if (claims_http && stream->session->base.client.is_tls) {
        stream->raw.scheme = SLICE("https"); // what it came by counts
    }
    stream->raw.is_end = is_end;
    stream->raw.protocol = PROTOCOL_HTTP_2;
    enum fault fault =
        forward_check_request(&stream->raw, stream->exchange->arena, &stream->exchange->request);
    if (fault == FAULT_NONE && is_misdirected(stream)) {
        return FAULT_MISDIRECTED;
    }
    const struct request_head *head = &stream->exchange->request;
    uint64_t limit = stream->session->base.front->limits.body_bytes;
    if (fault == FAULT_NONE && limit > 0 && head->content_length > 0 &&
        (uint64_t)head->content_length > limit) {
        return FAULT_BODY_TOO_LARGE;
    }
    return fault;
}

// A name that the certificate does not cover came over a connection made for another name.
static bool is_misdirected(const struct h2_stream *stream) {
    struct conn *conn = stream->session->base.conn;
    struct slice host = url_host(stream->exchange->request.authority);
    return conn_is_tls(conn) && conn_server_name(conn).length > 0 &&
           !slice_equal_nocase(conn_server_name(conn), host) && !conn_covers(conn, host);
}

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t length, void *user) {
    (void)flags;
    (void)user;
    // The connection's window comes back at once, so that a slow origin holds up its own stream
    // only; what a connection can make us hold is bounded by streams times stream window.
    nghttp2_session_consume_connection(ng, length);
    struct h2_stream *stream = find(ng, id);
    if (stream == NULL || length == 0) {
        return 0;
    }
    struct exchange *x = stream->exchange;
    stream->progress_ms = now_ms(stream);
    stream->unconsumed += length;
    exchange_request_body(x, slice_of((const char *)data, length));
    uint64_t limit = stream->session->base.front->limits.body_bytes;
    if (limit > 0 && x->request_bytes > limit) {
        exchange_cut(x, FAULT_BODY_TOO_LARGE);
    }
    return 0;
}

static void on_request_end(struct h2_stream *stream) {
    stream->has_remote_ended = true;
    if (stream->is_in_trailers && stream->fault != FAULT_NONE) {
        exchange_cut(stream->exchange, stream->fault);
        return;
    }
    exchange_request_end(stream->exchange, stream->is_in_trailers ? &stream->trailers : NULL);
}

static void consumed(struct exchange *x, size_t bytes) {
    struct h2_stream *stream = x->front_user;
    ensure(bytes <= stream->unconsumed);
    stream->unconsumed -= bytes;
    stream->progress_ms = now_ms(stream);
    nghttp2_session_consume_stream(stream->session->ng, stream->id, bytes);
    h2_session_mark(stream->session);
}

// --- the response goes out --------------------------------------------------------------------------

static void send_interim(struct exchange *x, const struct response_head *head) {
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

static void send_head(struct exchange *x, const struct response_head *head) {
    struct h2_stream *stream = x->front_user;
    stream->has_head = true;
    stream->progress_ms = now_ms(stream);
    struct slice own = headers_value(&head->headers, HEADER_PRIORITY);
    if (own.length > 0 && !stream->has_client_update) {
        priority_parse(own, &stream->priority);
        if (!stream->is_boosted) {
            set_priority(stream, stream->priority);
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

static void take_body(struct exchange *x, struct slice bytes) {
    struct h2_stream *stream = x->front_user;
    if (buffer_length(&stream->body) == 0) {
        h2_pace_start(&stream->pace, now_ms(stream));
    }
    buffer_append_slice(&stream->body, bytes);
    stream->session->held_bytes += bytes.length;
    resume(stream);
}

static void finish(struct exchange *x, const struct headers *trailers) {
    struct h2_stream *stream = x->front_user;
    stream->is_finished = true;
    if (buffer_length(&stream->body) == 0) {
        h2_pace_start(&stream->pace, now_ms(stream));
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

static void fail(struct exchange *x, enum fault fault) {
    struct h2_stream *stream = x->front_user;
    uint32_t code = NGHTTP2_INTERNAL_ERROR;
    if (fault == FAULT_PUSH_UNWANTED || fault == FAULT_CLIENT_TIMEOUT) {
        code = NGHTTP2_CANCEL;
    }
    reset(stream, code);
}

// A promise that never leaves must not be reset: the client does not know the stream.
static void reset(struct h2_stream *stream, uint32_t error_code) {
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

// 64 KB for a client that is slow; one that takes whole flushes at once may have one flush held
// for all of its streams together.
static size_t room(const struct exchange *x) {
    struct h2_stream *stream = x->front_user;
    struct h2_session *session = stream->session;
    size_t limit = H2_STREAM_HELD_BYTES;
    size_t held = buffer_length(&stream->body);
    size_t others = session->held_bytes - held;
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
    (void)user;
    struct h2_stream *stream = source->ptr;
    size_t held = buffer_length(&stream->body);
    if (held == 0 && !stream->is_finished) {
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
    stream->progress_ms = now_ms(stream);
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
    struct h2_stream *stream =
        find(ng, is_promise ? frame->push_promise.promised_stream_id : frame->hd.stream_id);
    if (stream == NULL) {
        return;
    }
    stream->is_head_out |= is_head && stream->has_head;
    stream->is_promise_out |= is_promise;
    if (is_promise && stream->is_taken_back) {
        reset(stream, stream->taken_back_code);
    }
}

// A complete response while the request still comes: nothing more of it is wanted (RFC 9113
// section 8.1).
static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
    (void)user;
    note_sent(ng, frame);
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
                  (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA);
    if (!is_end) {
        return 0;
    }
    struct h2_stream *stream = find(ng, frame->hd.stream_id);
    if (stream != NULL) {
        stream->has_local_ended = true;
        if (!stream->has_remote_ended && !stream->exchange->is_promised) {
            nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
        }
    }
    return 0;
}

// --- promises -----------------------------------------------------------------------------------------

static unsigned promise_room(const struct exchange *x) {
    const struct h2_stream *stream = x->front_user;
    const struct h2_session *session = stream->session;
    nghttp2_session *ng = session->ng;
    bool may_push = nghttp2_session_get_remote_settings(ng, NGHTTP2_SETTINGS_ENABLE_PUSH) == 1 &&
                    session->state == H2_SESSION_OPEN && !session->has_goaway &&
                    !stream->has_local_ended && !stream->was_reset;
    uint32_t most =
        nghttp2_session_get_remote_settings(ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    // Every promise must be sure to be answered: reserved streams count from the start.
    return may_push && most > session->pushed_streams ? most - session->pushed_streams : 0;
}

static struct exchange *promise(struct exchange *x, const struct request_head *request,
                                struct priority priority) {
    struct h2_stream *page = x->front_user;
    struct h2_session *session = page->session;
    nghttp2_nv *nva;
    size_t count = h2_fields_of_request(request, x->arena, &nva);
    int32_t id =
        nghttp2_submit_push_promise(session->ng, NGHTTP2_FLAG_NONE, page->id, nva, count, NULL);
    if (id < 0) {
        log_debug("h2_stream", "-", "promise not accepted error=%s", nghttp2_strerror(id));
        return NULL;
    }
    boost(page);
    struct h2_stream *stream = create(session, id);
    session->pushed_streams++;
    stream->has_request = true;
    stream->has_remote_ended = true; // the client has nothing to say on it
    stream->exchange->is_promised = true;
    stream->exchange->page = x;
    stream->exchange->page_path = arena_copy(stream->exchange->arena, x->request.path);
    request_head_copy(request, stream->exchange->arena, &stream->exchange->request);
    nghttp2_session_set_stream_user_data(session->ng, id, stream);
    stream->priority = priority;
    set_priority(stream, priority);
    h2_session_mark(session);
    exchange_start(stream->exchange, session->base.front->handler);
    stream->exchange->page = NULL; // it may be gone before this one
    return stream->exchange;
}

// The page that makes promises goes ahead of them until its first bytes are out.
static void boost(struct h2_stream *stream) {
    if (!stream->is_boosted && stream->sent_bytes < H2_PAGE_FIRST_BYTES &&
        !stream->has_client_update) {
        stream->is_boosted = true;
        set_priority(stream, (struct priority){0, false});
    }
}

// Called between frames: the library's queues must not move inside its callbacks.
void h2_stream_restore_priorities(struct h2_session *session) {
    LIST_EACH(&session->streams, link) {
        struct h2_stream *stream = LIST_ENTRY(link, struct h2_stream, link);
        if (stream->is_boosted && stream->sent_bytes >= H2_PAGE_FIRST_BYTES) {
            stream->is_boosted = false;
            if (!stream->has_client_update) {
                set_priority(stream, stream->priority);
            }
        }
    }
}

// From the first call on the library leaves the stream's priority to us. Else it would apply the
// request's field after on_request_head, and undo what was decided there.
static void set_priority(struct h2_stream *stream, struct priority priority) {
    nghttp2_extpri extpri = {.urgency = priority.urgency, .inc = priority.is_incremental};
    nghttp2_session_change_extpri_stream_priority(stream->session->ng, stream->id, &extpri, 1);
}

static void apply_request_priority(struct h2_stream *stream) {
    struct slice own = headers_value(&stream->raw.headers, HEADER_PRIORITY);
    if (own.length > 0) {
        priority_parse(own, &stream->priority);
        set_priority(stream, stream->priority);
    }
    apply_early_priority(stream);
}

void h2_stream_on_priority_update(struct h2_session *session, int32_t stream_id,
                                  struct slice value) {
    struct priority priority = PRIORITY_DEFAULT;
    struct h2_stream *stream = find(session->ng, stream_id);
    priority_parse(value, &priority);
    if (stream != NULL) {
        stream->has_client_update = true;
        stream->priority = priority;
        set_priority(stream, priority);
    } else if (stream_id > session->closed.top_id) {
        unsigned size = sizeof(session->early) / sizeof(session->early[0]);
        session->early[session->early_next++ % size] =
            (struct h2_early_priority){stream_id, priority};
    }
}

static void apply_early_priority(struct h2_stream *stream) {
    const struct h2_session *session = stream->session;
    unsigned size = sizeof(session->early) / sizeof(session->early[0]);
    for (unsigned i = 0; i < size; i++) { // from the oldest to the newest
        const struct h2_early_priority *early = &session->early[(session->early_next + i) % size];
        if (early->stream_id == stream->id) {
            stream->has_client_update = true;
            stream->priority = early->priority;
            set_priority(stream, early->priority);
        }
    }
}

bool h2_stream_owes_promises(const struct h2_session *session) {
    LIST_EACH(&session->streams, link) {
        const struct h2_stream *stream = LIST_ENTRY(link, struct h2_stream, link);
        if (stream->exchange->is_promised && !stream->is_head_out && !stream->has_local_ended) {
            return true;
        }
    }
    return false;
}

// The library would begin none of these any more, and the client would wait for them. Those behind
// last_id it closes itself.
void h2_stream_on_goaway(struct h2_session *session, int32_t last_id) {
    LIST_EACH(&session->streams, link) {
        struct h2_stream *stream = LIST_ENTRY(link, struct h2_stream, link);
        bool is_owed =
            stream->exchange->is_promised && !stream->is_head_out && !stream->has_local_ended;
        if (is_owed && stream->id <= last_id) {
            stream->fault = FAULT_PUSH_UNWANTED;
            reset(stream, NGHTTP2_CANCEL);
        }
    }
}

// --- the end --------------------------------------------------------------------------------------------

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t error_code, void *user) {
    (void)user;
    struct h2_stream *stream = find(ng, id);
    if (stream == NULL) {
        return 0;
    }
    struct h2_session *session = stream->session;
    if (!stream->has_remote_ended) {
        h2_closed_add_reset(&session->closed, id);
    }
    bool is_abuse = stream->was_reset && !stream->has_local_ended && !stream->exchange->is_promised;
    close_stream(stream, close_fault(stream, error_code));
    if (is_abuse) {
        h2_session_spend(session);
    }
    return 0;
}

static enum fault close_fault(const struct h2_stream *stream, uint32_t error_code) {
    if (stream->was_reset) {
        bool is_complete = stream->has_local_ended && error_code == NGHTTP2_NO_ERROR;
        return is_complete ? FAULT_NONE : FAULT_CLIENT_RESET;
    }
    if (error_code == NGHTTP2_NO_ERROR) {
        return FAULT_NONE;
    }
    return stream->fault != FAULT_NONE ? stream->fault : FAULT_PROTOCOL;
}

static void close_stream(struct h2_stream *stream, enum fault fault) {
    struct h2_session *session = stream->session;
    struct exchange *x = stream->exchange;
    struct front *front = session->base.front;
    list_remove(&stream->link);
    if (x->is_promised) {
        session->pushed_streams--;
    } else {
        session->client_streams--;
    }
    if (list_is_empty(&session->streams)) {
        session->idle_since_ms = loop_now(front->loop);
    }
    session->held_bytes -= buffer_length(&stream->body);
    buffer_finish(&stream->body);
    exchange_close(x, fault);
    if (front->access_log != NULL && stream->has_request) {
        access_log_write(front->access_log, x);
    }
    exchange_destroy(x); // the stream goes with the arena
}

void h2_stream_close_all(struct h2_session *session, enum fault fault) {
    struct list_link *link;
    while ((link = list_first(&session->streams)) != NULL) {
        struct h2_stream *stream = LIST_ENTRY(link, struct h2_stream, link);
        nghttp2_session_set_stream_user_data(session->ng, stream->id, NULL);
        close_stream(stream, fault);
    }
}

// The client gives no window. (Waiting behind more urgent streams is not the client's fault.)
static bool is_stalled(const struct h2_stream *stream, uint64_t now) {
    const struct h2_session *session = stream->session;
    uint64_t write_ms = session->base.front->limits.write_ms;
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

// A request whose content stops, or a response that the client does not take (TRUST rows 6, 18).
void h2_stream_sweep(struct h2_session *session, uint64_t now) {
    const struct front_limits *limits = &session->base.front->limits;
    LIST_EACH(&session->streams, link) {
        struct h2_stream *stream = LIST_ENTRY(link, struct h2_stream, link);
        uint64_t still_ms = now - stream->progress_ms;
        bool waits_for_content = stream->has_request && !stream->has_remote_ended &&
                                 stream->unconsumed == 0 && still_ms >= limits->body_ms;
        if (is_stalled(stream, now)) {
            stream->fault = FAULT_CLIENT_TIMEOUT;
            reset(stream, NGHTTP2_CANCEL);
        } else if (waits_for_content) {
            exchange_cut(stream->exchange, FAULT_CLIENT_TIMEOUT);
            stream->progress_ms = now;
        }
    }
    h2_session_mark(session);
}
