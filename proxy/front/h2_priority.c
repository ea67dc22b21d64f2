// SPDX-License-Identifier: Apache-2.0
#include "h2_impl.h"

#include "http/priority.h"

static void apply_early_priority(struct h2_stream *stream);
static int on_update_piece(nghttp2_session *ng, const nghttp2_frame_hd *head, const uint8_t *data,
                           size_t length, void *user);
static int on_update(nghttp2_session *ng, void **out_payload, const nghttp2_frame_hd *head,
                     void *user);
static uint32_t judge_update(const struct h2_session *session, const nghttp2_frame_hd *head,
                             int32_t stream_id);
static void apply_update(struct h2_session *session, int32_t stream_id, struct slice value);
static struct h2_early_priority *early_place(struct h2_session *session, int32_t stream_id);

#define EARLY(session) (sizeof((session)->early) / sizeof((session)->early[0]))

// The page that makes promises goes ahead of them until its first bytes are out.
void h2_priority_boost(struct h2_stream *stream) {
    if (stream->is_boosted || stream->sent_bytes >= H2_PAGE_FIRST_BYTES) {
        return;
    }
    stream->is_boosted = true;
    stream->session->boosted_pages++;
    if (!stream->has_client_update) {
        h2_priority_set(stream, (struct priority){0, false});
    }
}

void h2_priority_end_boost(struct h2_stream *stream) {
    if (stream->is_boosted) {
        stream->is_boosted = false;
        stream->session->boosted_pages--;
        h2_session_mark(stream->session);
    }
}

// Called between frames: the library's queues must not move inside its callbacks.
void h2_priority_restore(struct h2_session *session) {
    LIST_EACH(&session->streams, link) {
        struct h2_stream *stream = LIST_ENTRY(link, struct h2_stream, link);
        if (stream->is_boosted && stream->sent_bytes >= H2_PAGE_FIRST_BYTES) {
            h2_priority_end_boost(stream);
            if (!stream->has_client_update) {
                h2_priority_set(stream, stream->priority);
            }
        }
    }
}

// A push that comes before its page may not leave it without window: the page's first bytes would
// wait for a round trip.
size_t h2_priority_share(const struct h2_stream *stream, size_t length) {
    const struct h2_session *session = stream->session;
    if (!stream->exchange->is_promised || session->boosted_pages == 0) {
        return length;
    }
    int32_t window = nghttp2_session_get_remote_window_size(session->ng);
    size_t most = window > H2_PAGE_FIRST_BYTES ? (size_t)(window - H2_PAGE_FIRST_BYTES) : 0;
    return length < most ? length : most;
}

void h2_priority_release_held(struct h2_session *session) {
    if (!session->has_held_bodies) {
        return;
    }
    session->has_held_bodies = false;
    LIST_EACH(&session->streams, link) {
        struct h2_stream *stream = LIST_ENTRY(link, struct h2_stream, link);
        if (stream->is_deferred && buffer_length(&stream->body) > 0) {
            stream->is_deferred = false;
            nghttp2_session_resume_data(session->ng, stream->id);
        }
    }
}

// From the first call on the library leaves the stream's priority to us. Else it would apply the
// request's field after on_request_head, and undo what was decided there.
void h2_priority_set(struct h2_stream *stream, struct priority priority) {
    h2_hold_move(stream, priority.urgency);
    nghttp2_extpri extpri = {.urgency = priority.urgency, .inc = priority.is_incremental};
    nghttp2_session_change_extpri_stream_priority(stream->session->ng, stream->id, &extpri, 1);
}

void h2_priority_of_request(struct h2_stream *stream) {
    struct slice own = headers_value(&stream->raw.headers, HEADER_PRIORITY);
    if (own.length > 0) {
        priority_parse(own, &stream->priority);
        h2_priority_set(stream, stream->priority);
    }
    apply_early_priority(stream);
}

// --- PRIORITY_UPDATE (RFC 9218 section 7.1) ------------------------------------------------------

// Read here and not by the library: before 1.61 that one keeps a stream that it was told of before
// its HEADERS in the list of idle ones when it is opened, and when it is freed.
void h2_priority_register(nghttp2_session_callbacks *callbacks) {
    nghttp2_session_callbacks_set_on_extension_chunk_recv_callback(callbacks, on_update_piece);
    nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, on_update);
}

static int on_update_piece(nghttp2_session *ng, const nghttp2_frame_hd *head, const uint8_t *data,
                           size_t length, void *user) {
    (void)ng, (void)head;
    struct h2_update *update = &((struct h2_session *)user)->update;
    for (size_t i = 0; i < length && update->length + i < sizeof(update->bytes); i++) {
        update->bytes[update->length + i] = data[i];
    }
    update->length += length;
    return 0;
}

static int on_update(nghttp2_session *ng, void **out_payload, const nghttp2_frame_hd *head,
                     void *user) {
    enum { ID_BYTES = 4 };
    struct h2_session *session = user;
    const uint8_t *bytes = session->update.bytes;
    size_t length = session->update.length;
    (void)ng;
    *out_payload = NULL;
    session->update.length = 0;
    int32_t stream_id = 0;
    for (size_t i = 0; i < ID_BYTES && i < length; i++) {
        stream_id = (int32_t)(((uint32_t)stream_id << 8 | bytes[i]) & 0x7fffffffU);
    }
    uint32_t error_code = judge_update(session, head, stream_id);
    if (error_code != NGHTTP2_NO_ERROR) {
        h2_session_terminate(session, error_code);
    } else if (length <= sizeof(session->update.bytes)) {
        apply_update(session, stream_id,
                     slice_of((const char *)bytes + ID_BYTES, length - ID_BYTES));
    }
    return NGHTTP2_ERR_CANCEL; // that was all
}

static uint32_t judge_update(const struct h2_session *session, const nghttp2_frame_hd *head,
                             int32_t stream_id) {
    if (head->length < 4) {
        return NGHTTP2_FRAME_SIZE_ERROR;
    }
    bool is_push = stream_id % 2 == 0;
    bool is_idle_push =
        is_push && (uint32_t)stream_id >= nghttp2_session_get_next_stream_id(session->ng);
    if (head->stream_id != 0 || stream_id == 0 || is_idle_push) {
        return NGHTTP2_PROTOCOL_ERROR;
    }
    unsigned idle = 0; // that it tells of, and this one
    bool is_new = !is_push && stream_id > session->closed.top_id;
    for (size_t i = 0; i < EARLY(session); i++) {
        idle += session->early[i].stream_id > session->closed.top_id;
        is_new = is_new && session->early[i].stream_id != stream_id;
    }
    bool is_too_many = session->client_streams + idle >= session->base.front->limits.streams;
    return is_new && is_too_many ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_NO_ERROR;
}

static void apply_update(struct h2_session *session, int32_t stream_id, struct slice value) {
    struct priority priority = PRIORITY_DEFAULT;
    struct h2_stream *stream = h2_stream_find(session->ng, stream_id);
    priority_parse(value, &priority);
    if (stream != NULL) {
        stream->has_client_update = true;
        stream->priority = priority;
        h2_priority_set(stream, priority);
    } else if (stream_id % 2 == 1 && stream_id > session->closed.top_id) {
        *early_place(session, stream_id) = (struct h2_early_priority){stream_id, priority};
    }
}

// Its own, or that of the oldest.
static struct h2_early_priority *early_place(struct h2_session *session, int32_t stream_id) {
    for (size_t i = 0; i < EARLY(session); i++) {
        if (session->early[i].stream_id == stream_id) {
            return &session->early[i];
        }
    }
    return &session->early[session->early_next++ % EARLY(session)];
}

static void apply_early_priority(struct h2_stream *stream) {
    const struct h2_session *session = stream->session;
    for (size_t i = 0; i < EARLY(session); i++) {
        const struct h2_early_priority *early = &session->early[i];
        if (early->stream_id == stream->id) {
            stream->has_client_update = true;
            stream->priority = early->priority;
            h2_priority_set(stream, early->priority);
        }
    }
}
