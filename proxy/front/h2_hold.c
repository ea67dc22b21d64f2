// SPDX-License-Identifier: Apache-2.0
#include "h2_impl.h"

enum {
    NEAR_US = 3000,   // a queue on so short a way is soon empty
    FAR_US = 5000000, // nobody knows
    LOOK_LEAST_MS = 4,
    LOOK_MOST_MS = 20,
    FIRST_SEGMENTS = 10, // what TCP itself lets out at first (RFC 6928)
    LEAST_SEGMENTS = 4,
    QUEUEING_PERCENT = 115, // of the shortest round trip
    // An open stream that has moved nothing for so long is not waited for any more.
    AWAIT_MS = 5000,
    LATELY_MS = 500, // what a page or a style names is asked for soon
    NOTHING_AWAITED = 8,
};

static uint64_t smaller(uint64_t a, uint64_t b);
static bool may_come_before(const struct h2_session *session, unsigned urgency);
static bool is_lately_before(const struct h2_session *session, unsigned urgency);
static void find_out(struct h2_session *session);
static unsigned find_awaited(const struct h2_session *session);
static uint64_t limit_of(const struct h2_session *session, unsigned urgency);

// In flight may stand what the way takes along within its shortest round trip, and until the next
// look. Twice that while nothing queues, so that a way that takes more is found; less the longer
// the queue is, since the kernel's rate is the best of what was seen.
struct h2_hold_limit h2_hold_decide(const struct conn_path *path) {
    uint64_t least_us = path->least_round_trip_us;
    if (least_us < NEAR_US || least_us > FAR_US || path->segment_bytes == 0) {
        return (struct h2_hold_limit){H2_HOLD_UNLIMITED, 0};
    }
    uint64_t look_ms = least_us / 8000;
    if (path->rate > 0) {
        look_ms = smaller(look_ms, UINT64_C(2000) * path->segment_bytes / path->rate);
    }
    look_ms = look_ms > LOOK_LEAST_MS ? smaller(look_ms, LOOK_MOST_MS) : LOOK_LEAST_MS;
    uint64_t percent = 100 * (uint64_t)path->round_trip_us / least_us;
    percent = percent > 100 ? percent : 100;
    bool is_queueing = percent > QUEUEING_PERCENT;
    uint64_t gain = is_queueing ? 100 * QUEUEING_PERCENT / percent : 200 - 20 * (percent - 100) / 3;
    uint64_t bytes = path->rate * (least_us + look_ms * 1000) / 1000000 * gain / 100;
    uint64_t least_bytes = (is_queueing ? LEAST_SEGMENTS : FIRST_SEGMENTS) * path->segment_bytes;
    bytes = bytes > least_bytes ? bytes : least_bytes;
    return (struct h2_hold_limit){bytes, (uint32_t)look_ms};
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

void h2_hold_open(struct h2_stream *stream) {
    stream->urgency = stream->priority.urgency;
    stream->session->hold.open[stream->urgency]++;
}

void h2_hold_close(struct h2_stream *stream) {
    struct h2_session *session = stream->session;
    struct h2_hold *hold = &session->hold;
    uint64_t now = loop_now(session->base.front->loop);
    hold->open[stream->urgency]--;
    hold->is_known = false;
    if (now >= hold->lately_until_ms || stream->urgency <= hold->lately_urgency) {
        hold->lately_urgency = stream->urgency;
        hold->lately_until_ms = now + LATELY_MS;
    }
    if (session->has_held_bodies) {
        h2_session_mark(session);
    }
}

void h2_hold_move(struct h2_stream *stream, uint8_t urgency) {
    struct h2_session *session = stream->session;
    session->hold.open[stream->urgency]--;
    session->hold.open[urgency]++;
    stream->urgency = urgency;
    session->hold.is_known = false;
}

void h2_hold_begin(struct h2_session *session) {
    session->hold.is_known = false;
    session->hold.wake_ms = 0;
}

size_t h2_hold_share(const struct h2_stream *stream, size_t length) {
    struct h2_session *session = stream->session;
    struct h2_hold *hold = &session->hold;
    if (length == 0 || !may_come_before(session, stream->urgency)) {
        return length;
    }
    if (!hold->is_known) {
        find_out(session);
    }
    uint64_t limit = limit_of(session, stream->urgency);
    uint64_t under_way = hold->under_way + conn_unsent(session->base.conn);
    uint64_t room = limit > under_way ? limit - under_way : 0;
    if (room >= length) {
        return length;
    }
    if (room < hold->segment_bytes) {
        hold->wake_ms = loop_now(session->base.front->loop) + hold->limit.look_again_ms;
        conn_hasten(session->base.conn); // what is awaited
        return 0;
    }
    return (size_t)room;
}

// Cheap, for those who only ever ask with one urgency.
static bool may_come_before(const struct h2_session *session, unsigned urgency) {
    for (unsigned i = 0; i < urgency; i++) {
        if (session->hold.open[i] > 0) {
            return true;
        }
    }
    return is_lately_before(session, urgency);
}

static bool is_lately_before(const struct h2_session *session, unsigned urgency) {
    const struct h2_hold *hold = &session->hold;
    return hold->lately_urgency < urgency &&
           loop_now(session->base.front->loop) < hold->lately_until_ms;
}

static void find_out(struct h2_session *session) {
    struct h2_hold *hold = &session->hold;
    struct conn_path path;
    hold->is_known = true;
    hold->awaited_urgency = find_awaited(session);
    hold->limit = (struct h2_hold_limit){H2_HOLD_UNLIMITED, 0};
    if (conn_measure_path(session->base.conn, &path)) {
        hold->limit = h2_hold_decide(&path);
        hold->under_way = path.under_way;
        hold->segment_bytes = path.segment_bytes;
    }
}

static unsigned find_awaited(const struct h2_session *session) {
    uint64_t now = loop_now(session->base.front->loop);
    unsigned urgency = NOTHING_AWAITED;
    LIST_EACH(&session->streams, link) {
        const struct h2_stream *stream = LIST_ENTRY(link, struct h2_stream, link);
        if (stream->urgency < urgency && !stream->has_local_ended &&
            now - stream->progress_ms < AWAIT_MS) {
            urgency = stream->urgency;
        }
    }
    return urgency;
}

// What may be asked for soon is worth a queue of one round trip; what is awaited is worth none.
static uint64_t limit_of(const struct h2_session *session, unsigned urgency) {
    const struct h2_hold *hold = &session->hold;
    if (hold->awaited_urgency < urgency || hold->limit.bytes == H2_HOLD_UNLIMITED) {
        return hold->limit.bytes;
    }
    return is_lately_before(session, urgency) ? 2 * hold->limit.bytes : H2_HOLD_UNLIMITED;
}
