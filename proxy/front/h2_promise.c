// SPDX-License-Identifier: Apache-2.0
#include "h2_impl.h"

#include "base/log.h"

unsigned h2_promise_room(const struct exchange *x) {
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

struct exchange *h2_promise_make(struct exchange *x, const struct request_head *request,
                                 struct priority priority) {
    struct h2_stream *page = x->front_user;
    struct h2_session *session = page->session;
    nghttp2_nv *nva;
    struct arena *arena = arena_create(); // a page that streams may promise for days
    size_t count = h2_fields_of_request(request, arena, &nva);
    int32_t id =
        nghttp2_submit_push_promise(session->ng, NGHTTP2_FLAG_NONE, page->id, nva, count, NULL);
    arena_destroy(arena);
    if (id < 0) {
        log_debug("h2_stream", "-", "promise not accepted error=%s", nghttp2_strerror(id));
        return NULL;
    }
    h2_priority_boost(page);
    struct h2_stream *stream = h2_stream_create(session, id);
    session->pushed_streams++;
    front_exchange_begins(session->base.front, METRIC_PUSH);
    stream->has_request = true;
    stream->has_remote_ended = true; // the client has nothing to say on it
    stream->exchange->is_promised = true;
    stream->exchange->page = x;
    stream->exchange->page_path = arena_copy(stream->exchange->arena, x->request.path);
    request_head_copy(request, stream->exchange->arena, &stream->exchange->request);
    nghttp2_session_set_stream_user_data(session->ng, id, stream);
    stream->priority = priority;
    h2_priority_set(stream, priority);
    h2_session_mark(session);
    exchange_start(stream->exchange, x->handler); // of the page's generation, as the plan
    stream->exchange->page = NULL;                // it may be gone before this one
    return stream->exchange;
}

bool h2_promise_is_owed(const struct h2_session *session) {
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
void h2_promise_on_goaway(struct h2_session *session, int32_t last_id) {
    LIST_EACH(&session->streams, link) {
        struct h2_stream *stream = LIST_ENTRY(link, struct h2_stream, link);
        bool is_owed =
            stream->exchange->is_promised && !stream->is_head_out && !stream->has_local_ended;
        if (is_owed && stream->id <= last_id) {
            stream->fault = FAULT_PUSH_UNWANTED;
            h2_response_reset(stream, NGHTTP2_CANCEL);
        }
    }
}

void h2_promise_note_finished(struct h2_session *session, int32_t id, uint64_t tag) {
    struct h2_finished *finished = &session->finished;
    unsigned size = sizeof(finished->ids) / sizeof(finished->ids[0]);
    finished->ids[finished->next % size] = id;
    finished->tags[finished->next++ % size] = tag;
}

// A client that refuses whatever comes does so a round trip later, when small ones are sent
// already.
void h2_promise_on_late_reset(struct h2_session *session, int32_t id) {
    struct h2_finished *finished = &session->finished;
    struct client *client = &session->base.client;
    for (unsigned i = 0; i < sizeof(finished->ids) / sizeof(finished->ids[0]); i++) {
        if (id > 0 && finished->ids[i] == id) {
            finished->ids[i] = 0;
            if (client->memory_on_late_refusal != NULL) {
                client->memory_on_late_refusal(client->memory, finished->tags[i]);
            }
        }
    }
}
