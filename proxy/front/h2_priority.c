// SPDX-License-Identifier: Apache-2.0
#include "h2_impl.h"

#include "http/priority.h"

static void apply_early_priority(struct h2_stream *stream);

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

void h2_priority_on_update(struct h2_session *session, int32_t stream_id, struct slice value) {
    struct priority priority = PRIORITY_DEFAULT;
    struct h2_stream *stream = h2_stream_find(session->ng, stream_id);
    priority_parse(value, &priority);
    if (stream != NULL) {
        stream->has_client_update = true;
        stream->priority = priority;
        h2_priority_set(stream, priority);
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
            h2_priority_set(stream, early->priority);
        }
    }
}
