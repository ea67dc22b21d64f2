// SPDX-License-Identifier: Apache-2.0
#include "h2_impl.h"

#include "base/ensure.h"
#include "base/log.h"
#include "front/access_log.h"
#include "http/url.h"

// Content in smaller frames is gathered.
enum { CRUMB_BYTES = 512 };

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
static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t error_code, void *user);
static void on_request_head(struct h2_stream *stream, bool is_end);
static void refuse_request(struct h2_stream *stream, enum fault fault, bool is_end);
static enum fault check_request(struct h2_stream *stream, bool is_end);
static bool is_misdirected(const struct h2_stream *stream);
static void gather(struct h2_stream *stream, struct slice bytes);
static void give_crumbs(struct h2_stream *stream);
static void give_content(struct h2_stream *stream, struct slice bytes);
static void cut_request(struct h2_stream *stream, enum fault fault);
static void on_request_end(struct h2_stream *stream);
static void consumed(struct exchange *x, size_t bytes);
static void close_stream(struct h2_stream *stream, enum fault fault);
static enum fault close_fault(const struct h2_stream *stream, uint32_t error_code);

static const struct exchange_front_ops front_ops = {
    .interim = h2_response_interim,
    .head = h2_response_head,
    .body = h2_response_body,
    .finish = h2_response_finish,
    .fail = h2_response_fail,
    .promise = h2_promise_make,
    .promise_room = h2_promise_room,
    .consumed = consumed,
    .room = h2_response_room,
};

void h2_stream_register(nghttp2_session_callbacks *callbacks) {
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

struct h2_stream *h2_stream_find(nghttp2_session *ng, int32_t id) {
    return id > 0 ? nghttp2_session_get_stream_user_data(ng, id) : NULL;
}

uint64_t h2_stream_now(const struct h2_stream *stream) {
    return loop_now(stream->session->base.front->loop);
}

// --- a request comes in --------------------------------------------------------------------------

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
    struct h2_session *session = user;
    session->block_since_ms = loop_now(session->base.front->loop);
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        session->closed.opening_id = 0;
        struct h2_stream *stream = h2_stream_create(session, frame->hd.stream_id);
        session->client_streams++;
        front_exchange_begins(session->base.front, METRIC_REQUEST);
        nghttp2_session_set_stream_user_data(ng, stream->id, stream);
        return 0;
    }
    struct h2_stream *stream = h2_stream_find(ng, frame->hd.stream_id);
    if (stream != NULL) {
        stream->is_in_trailers = true;
        headers_init(&stream->trailers, stream->exchange->arena);
    }
    return 0;
}

struct h2_stream *h2_stream_create(struct h2_session *session, int32_t id) {
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
    stream->progress_ms = h2_stream_now(stream);
    headers_init(&stream->raw.headers, x->arena);
    h2_hold_open(stream);
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
    struct h2_stream *stream = h2_stream_find(ng, frame->hd.stream_id);
    if (stream == NULL) {
        return 0;
    }
    h2_fields_add(stream, slice_of((const char *)name, name_length),
                  slice_of((const char *)value, value_length));
    if (h2_fields_is_bomb(stream)) {
        metrics_add(&stream->session->base.front->loop->metrics, LIMITS, METRIC_LIMIT_HEAD, 1);
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
    struct h2_stream *stream = h2_stream_find(ng, frame->hd.stream_id);
    if (stream != NULL) {
        stream->head_bytes += name_length + value_length;
        stream->head_fields++;
        stream->fault = stream->fault == FAULT_NONE ? FAULT_BAD_REQUEST : stream->fault;
    }
    return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
    struct h2_session *session = user;
    struct h2_stream *stream = h2_stream_find(ng, frame->hd.stream_id);
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
        } else if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR) {
            h2_promise_on_late_reset(session, frame->hd.stream_id);
        }
        break;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
            h2_session_on_ping_ack(session);
        }
        break;
    case NGHTTP2_GOAWAY:
        session->has_goaway = true;
        h2_promise_on_goaway(session, frame->goaway.last_stream_id);
        break;
    default: // nothing to do for the other types
        break;
    }
    return 0;
}

static void on_request_head(struct h2_stream *stream, bool is_end) {
    struct exchange *x = stream->exchange;
    stream->has_request = true;
    stream->has_remote_ended = is_end;
    h2_pace_start(&stream->upload, h2_stream_now(stream));
    enum fault fault = check_request(stream, is_end);
    h2_priority_of_request(stream);
    if (fault != FAULT_NONE) {
        refuse_request(stream, fault, is_end);
        return;
    }
    stream->weight = h2_fields_weigh(stream);
    stream->session->heads_bytes += stream->weight;
    bool expects_continue = headers_has(&stream->raw.headers, HEADER_EXPECT) && !is_end;
    exchange_start(x, stream->session->base.front->handler);
    if (expects_continue && x->response_state == EXCHANGE_RESPONSE_WAITING) {
        struct response_head interim = {.status = 100};
        headers_init(&interim.headers, x->arena);
        h2_response_interim(x, &interim);
    }
}

static void refuse_request(struct h2_stream *stream, enum fault fault, bool is_end) {
    struct exchange *x = stream->exchange;
    if (fault == FAULT_BAD_REQUEST || fault == FAULT_HEAD_TOO_LARGE) {
        h2_session_spend(stream->session);
    }
    x->request.method = stream->raw.method; // for the access log
    x->request.authority = stream->raw.authority;
    x->request.path = stream->raw.path;
    x->request_state = is_end ? EXCHANGE_REQUEST_ENDED : EXCHANGE_REQUEST_OPEN;
    if (fault == FAULT_MEMORY_FULL || stream->is_too_much) { // it may be sent again
        exchange_turn_away(x, fault);
    } else {
        exchange_refuse(x, fault);
    }
}

static enum fault check_request(struct h2_stream *stream, bool is_end) {
    if (stream->fault != FAULT_NONE) {
        return stream->fault;
    }
    if (front_is_full(stream->session->base.front)) {
        return FAULT_MEMORY_FULL;
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
    (void)user;
    // The connection's window comes back at once, so that a slow origin holds up its own stream
    // only; what a connection can make us hold is bounded by streams times stream window.
    nghttp2_session_consume_connection(ng, length);
    struct h2_stream *stream = h2_stream_find(ng, id);
    if (stream == NULL || length == 0) {
        return 0;
    }
    uint64_t now = h2_stream_now(stream);
    stream->progress_ms = now;
    stream->held_ms = stream->unconsumed > 0 ? stream->held_ms : now;
    stream->unconsumed += length;
    h2_pace_note(&stream->upload, length, false, now);
    bool is_last = (flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (length < CRUMB_BYTES && !is_last) {
        gather(stream, slice_of((const char *)data, length));
        return 0;
    }
    give_crumbs(stream);
    give_content(stream, slice_of((const char *)data, length));
    return 0;
}

// A frame for each byte would be a chunk of its own for the origin, which costs it far more.
static void gather(struct h2_stream *stream, struct slice bytes) {
    if (buffer_length(&stream->crumbs) == 0) {
        list_append(&stream->session->gathering, &stream->gathering);
    }
    buffer_append_slice(&stream->crumbs, bytes);
}

void h2_stream_give_crumbs(struct h2_session *session) {
    struct list_link *link;
    while ((link = list_first(&session->gathering)) != NULL) {
        give_crumbs(LIST_ENTRY(link, struct h2_stream, gathering));
    }
}

static void give_crumbs(struct h2_stream *stream) {
    struct buffer crumbs = stream->crumbs;
    stream->crumbs = (struct buffer){0};
    list_remove(&stream->gathering);
    if (buffer_length(&crumbs) > 0) {
        give_content(stream, buffer_peek(&crumbs));
    }
    buffer_finish(&crumbs);
}

static void give_content(struct h2_stream *stream, struct slice bytes) {
    exchange_request_body(stream->exchange, bytes);
    uint64_t limit = stream->session->base.front->limits.body_bytes;
    if (limit > 0 && stream->exchange->request_bytes > limit) {
        cut_request(stream, FAULT_BODY_TOO_LARGE);
    }
}

// What the origin had begun was for nothing: that costs the client a token.
static void cut_request(struct h2_stream *stream, enum fault fault) {
    exchange_cut(stream->exchange, fault);
    if (!stream->has_spent) {
        stream->has_spent = true;
        h2_session_spend(stream->session);
    }
}

static void on_request_end(struct h2_stream *stream) {
    give_crumbs(stream);
    stream->has_remote_ended = true;
    if (stream->is_in_trailers && stream->fault != FAULT_NONE) {
        cut_request(stream, stream->fault);
        return;
    }
    exchange_request_end(stream->exchange, stream->is_in_trailers ? &stream->trailers : NULL);
}

static void consumed(struct exchange *x, size_t bytes) {
    struct h2_stream *stream = x->front_user;
    ensure(bytes <= stream->unconsumed);
    stream->unconsumed -= bytes;
    stream->progress_ms = h2_stream_now(stream);
    if (stream->unconsumed == 0) {
        h2_pace_wait(&stream->upload, stream->held_ms, stream->progress_ms);
    }
    nghttp2_session_consume_stream(stream->session->ng, stream->id, bytes);
    h2_session_mark(stream->session);
}

// --- the end -------------------------------------------------------------------------------------

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t error_code, void *user) {
    (void)user;
    struct h2_stream *stream = h2_stream_find(ng, id);
    if (stream == NULL) {
        return 0;
    }
    struct h2_session *session = stream->session;
    if (!stream->has_remote_ended) {
        h2_closed_add_reset(&session->closed, id);
    }
    // Reset by the client, or by the library since content or trailers broke the rules.
    bool is_abuse = error_code != NGHTTP2_NO_ERROR || stream->was_reset;
    is_abuse = is_abuse && !stream->has_local_ended && !stream->has_spent &&
               !stream->exchange->is_promised;
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
    if (stream->exchange->is_promised && !stream->is_promise_out) {
        return FAULT_CLIENT_GONE; // it never heard of it: the page ended before
    }
    if (error_code == NGHTTP2_NO_ERROR) {
        return FAULT_NONE;
    }
    if (!stream->has_request) {
        return FAULT_BAD_REQUEST;
    }
    return stream->fault != FAULT_NONE ? stream->fault : FAULT_PROTOCOL;
}

static void close_stream(struct h2_stream *stream, enum fault fault) {
    struct h2_session *session = stream->session;
    struct exchange *x = stream->exchange;
    struct front *front = session->base.front;
    list_remove(&stream->link);
    h2_priority_end_boost(stream);
    h2_hold_close(stream);
    if (x->is_promised) {
        session->pushed_streams--;
    } else {
        session->client_streams--;
    }
    if (list_is_empty(&session->streams)) {
        session->idle_since_ms = loop_now(front->loop);
    }
    session->heads_bytes -= stream->weight;
    session->held_bytes -= buffer_length(&stream->body);
    buffer_finish(&stream->body);
    list_remove(&stream->gathering);
    buffer_finish(&stream->crumbs);
    if (!stream->has_request) { // the library refused it: the log shows as much as there is
        x->request.method = stream->raw.method;
        x->request.authority = stream->raw.authority;
        x->request.path = stream->raw.path;
    }
    exchange_close(x, fault);
    front_exchange_ended(front, x);
    if (x->is_promised && x->fault == FAULT_NONE) {
        h2_promise_note_finished(session, stream->id, x->promise_tag);
    }
    front_exchange_gone(front, x);
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

// A request whose content stops or drips, or a response that the client does not take (TRUST rows
// 6, 18). Once the response has begun, its content is a sign of life too.
void h2_stream_sweep(struct h2_session *session, uint64_t now) {
    const struct front_limits *limits = &session->base.front->limits;
    LIST_EACH(&session->streams, link) {
        struct h2_stream *stream = LIST_ENTRY(link, struct h2_stream, link);
        uint64_t still_ms =
            now - (stream->has_head ? stream->progress_ms : stream->upload.moved_ms);
        bool waits_for_content = stream->has_request && !stream->has_remote_ended &&
                                 stream->unconsumed == 0 && still_ms >= limits->body_ms;
        if (h2_response_is_stalled(stream, now)) {
            stream->fault = FAULT_CLIENT_TIMEOUT;
            h2_response_reset(stream, NGHTTP2_CANCEL);
            h2_session_spend(session);
        } else if (waits_for_content) {
            exchange_cut(stream->exchange, FAULT_CLIENT_TIMEOUT);
            stream->progress_ms = now;
        }
    }
    h2_session_mark(session);
}
