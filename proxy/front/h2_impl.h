// SPDX-License-Identifier: Apache-2.0
// What the HTTP/2 files of front/ share: h2_session.c (connection), h2_stream.c (requests come in,
// streams begin and end), h2_response.c, h2_promise.c, h2_priority.c, h2_hold.c (what goes out and
// when), h2_memory.c (what the library allocates), h2_fields.c (nv pairs and headers), h2_gate.c
// (frames before the library sees them), h2_limits.c (budgets).
// Private to this folder.
#ifndef OUTRIDER_FRONT_H2_IMPL_H
#define OUTRIDER_FRONT_H2_IMPL_H

#include <nghttp2/nghttp2.h>

#include "base/buffer.h"
#include "base/list.h"
#include "front/front.h"
#include "http/exchange.h"
#include "http/forward.h"

enum {
    // Response bytes held for a stream whose client does not read.
    H2_STREAM_HELD_BYTES = 64 * 1024,
    // When all streams of a connection hold so much, each may hold no more than the least.
    H2_SESSION_HELD_BYTES = 1024 * 1024,
    H2_STREAM_LEAST_BYTES = 16 * 1024,
    // The same for the request heads of all its open streams, as they weigh in memory.
    H2_SESSION_HEADS_BYTES = 2 * 1024 * 1024,
    // The page's first bytes that no pushed body may stand before.
    H2_PAGE_FIRST_BYTES = 16 * 1024,
};

// Streams that we reset while the client was still sending: what it had under way is ignored
// (RFC 9113 section 5.1, "closed"). Anything else on a closed stream is the client's error.
struct h2_closed {
    int32_t reset_ids[64];
    unsigned next;
    int32_t forgotten_id; // the highest id that fell out of the ring; up to it we are lenient
    int32_t top_id;       // the highest client stream ever opened
    int32_t skipped_from, skipped_to; // ids strictly between were skipped: never opened
    int32_t opening_id;               // HEADERS began, no stream object yet
};

// Abuse: one bucket for what costs us work and brings the client nothing (TRUST 1.1, 1.2).
struct h2_budget {
    double tokens;
    uint64_t refilled_ms;
};

// How content moves: a byte now and then is none (TRUST rows 6, 18).
struct h2_pace {
    uint64_t moved_ms; // when a kilobyte, or all there was, had gone
    size_t bytes;      // gone since
};

// Frames that bring nobody anything (PING, PRIORITY, WINDOW_UPDATE, empty DATA, unknown types) need
// credit, which requests and content earn (TRUST row 19).
struct h2_credit {
    int32_t frames;
};

// The promises that were sent whole lately: a client may refuse them all the same.
struct h2_finished {
    int32_t ids[32];
    uint64_t tags[32];
    unsigned next;
};

struct h2_frame_head {
    size_t length; // of the payload
    uint8_t type, flags;
    int32_t stream_id;
    int32_t depends_on; // of PRIORITY, else -1
};

// Cuts the bytes at the borders of frames, so that each frame's head can be judged, in the state
// that all frames before it have made, before nghttp2 sees it.
struct h2_gate {
    size_t preface_left;
    size_t payload_left;
    uint8_t held[13]; // a head that came in pieces
    size_t held_length;
};

struct h2_early_priority {
    int32_t stream_id;
    struct priority priority;
};

// A PRIORITY_UPDATE that comes; longer ones say nothing that we know.
struct h2_update {
    uint8_t bytes[64];
    size_t length; // of all of it
};

// What less urgent bodies may have on their way while something more urgent is awaited.
struct h2_hold_limit {
    uint64_t bytes;         // until the peer has acknowledged them; or H2_HOLD_UNLIMITED
    uint32_t look_again_ms; // when about two segments more will have arrived
};
#define H2_HOLD_UNLIMITED UINT64_MAX

// What holds bodies of one session back: h2_hold.c.
struct h2_hold {
    unsigned open[8];        // streams, by urgency
    unsigned lately_urgency; // of what ended a moment ago: what it names will be asked for soon
    uint64_t lately_until_ms;
    // Found out once in a flush, when somebody asks.
    bool is_known;
    unsigned awaited_urgency; // the most urgent of what is awaited
    struct h2_hold_limit limit;
    uint64_t under_way; // the kernel's part of it
    uint32_t segment_bytes;
    uint64_t wake_ms; // a body was held back: look again then; 0: none
};

enum h2_session_state {
    H2_SESSION_OPEN,     // for requests
    H2_SESSION_SHUTTING, // first GOAWAY sent: for the PING's answer or a second
    H2_SESSION_DRAINING, // last GOAWAY sent: for the streams to end
    H2_SESSION_CLOSED,   // conn closing: for on_end
};

struct h2_session {
    struct front_session base;
    nghttp2_session *ng;
    void *frame_room; // of h2_memory.c; NULL: none
    enum h2_session_state state;
    enum fault fault; // of the client: why our GOAWAY was sent
    struct list streams;
    struct list gathering;   // streams that have crumbs
    unsigned client_streams; // open, opened by the client
    unsigned pushed_streams; // open or reserved, opened by us
    struct h2_gate gate;
    struct h2_closed closed;
    struct h2_budget budget;
    struct h2_credit credit;
    struct h2_finished finished;
    struct h2_pace pace;     // of all responses together
    size_t held_bytes;       // response bytes in all streams' queues
    size_t heads_bytes;      // what the request heads of all streams weigh
    size_t flush_bytes;      // how much one flush gathers; grows while the path takes it all
    uint64_t idle_since_ms;  // no stream since
    uint64_t block_since_ms; // a header block began and is not complete, 0: none
    uint64_t shutting_since_ms;
    bool has_preface; // the client's SETTINGS came
    bool has_goaway;  // the client sent GOAWAY
    bool is_leaving;  // and the library does not know
    // PRIORITY_UPDATE for streams that are not there yet (RFC 9218 section 7.1), the last few.
    struct h2_early_priority early[8];
    unsigned early_next;
    struct h2_update update;
    bool has_restore;       // a page has had its first bytes: give it its own priority back
    unsigned boosted_pages; // pages with promises whose first bytes are not out
    bool has_held_bodies;   // that leave the window, or the path, to what is more urgent
    struct h2_hold hold;
    uint64_t deadline_ms; // without the hold's,
    uint64_t armed_ms;    // and with it
    bool has_offered_ticket;
    bool is_deaf;    // the client broke the rules: nothing more of it is read
    bool is_blocked; // this flush has gathered its share
};

struct h2_stream { // lives in its exchange's arena
    struct list_link link;
    struct h2_session *session;
    struct exchange *exchange;
    int32_t id;
    // request
    struct raw_request raw;
    struct headers trailers;
    enum fault fault;  // found while the head came
    size_t head_bytes; // name + value + 32, discarded fields too, without cookies
    unsigned head_fields;
    unsigned cookie_crumbs;
    size_t cookie_bytes;
    size_t weight;    // of the head, in session->heads_bytes
    bool is_too_much; // with the heads of the session's other streams
    bool has_request; // head complete, exchange started or refused
    bool is_in_trailers;
    bool has_remote_ended; // END_STREAM or RST_STREAM came
    bool was_reset;        // RST_STREAM came
    bool has_spent;        // a token of the session's budget
    struct buffer crumbs;  // content of small frames, until the end of this read
    struct list_link gathering;
    size_t unconsumed;     // request bytes whose window is not given back
    uint64_t held_ms;      // since when there are any: that time is not the client's
    struct h2_pace upload; // of the request's content
    // response
    struct buffer body;
    bool has_head;        // final head submitted
    bool is_deferred;     // nghttp2 waits for resume_data
    bool is_finished;     // all of the body is in `body`
    bool is_full;         // room() said 0
    bool has_local_ended; // our END_STREAM or RST went out
    bool is_promise_out;  // PUSH_PROMISE went out: the client knows the stream
    bool is_head_out;     // final HEADERS went out
    bool is_taken_back;   // RST_STREAM follows as soon as PUSH_PROMISE is out
    uint32_t taken_back_code;
    struct headers *response_trailers;
    uint64_t sent_bytes;
    uint64_t progress_ms; // when content last moved, either way
    struct h2_pace pace;  // of the response's content
    // priority
    struct priority priority;
    uint8_t urgency;        // as the library has it now
    bool is_boosted;        // page with promises: ahead of them until its first bytes are out
    bool has_client_update; // PRIORITY_UPDATE came: it wins over the origin
};

// --- h2_session.c ---
void h2_session_mark(struct h2_session *session); // something to send: flush at the end of the turn
void h2_session_terminate(struct h2_session *session, uint32_t error_code);
void h2_session_spend(struct h2_session *session); // one token of the abuse budget, or GOAWAY
void h2_session_on_goaway_sent(struct h2_session *session, uint32_t error_code);
void h2_session_on_ping_ack(struct h2_session *session);
void h2_session_set_deadline(struct h2_session *session); // streams came or went

// --- h2_stream.c ---
void h2_stream_register(nghttp2_session_callbacks *callbacks);
struct h2_stream *h2_stream_create(struct h2_session *session, int32_t id);
struct h2_stream *h2_stream_find(nghttp2_session *ng, int32_t id); // NULL: none
uint64_t h2_stream_now(const struct h2_stream *stream);
// The end of a read: what was gathered of its small frames goes on in one piece.
void h2_stream_give_crumbs(struct h2_session *session);
void h2_stream_close_all(struct h2_session *session, enum fault fault);
// Ends streams that stand still; called from the session's deadline.
void h2_stream_sweep(struct h2_session *session, uint64_t now);

// --- h2_response.c ---
void h2_response_register(nghttp2_session_callbacks *callbacks);
void h2_response_interim(struct exchange *x, const struct response_head *head);
void h2_response_head(struct exchange *x, const struct response_head *head);
void h2_response_body(struct exchange *x, struct slice bytes);
void h2_response_finish(struct exchange *x, const struct headers *trailers);
void h2_response_fail(struct exchange *x, enum fault fault);
size_t h2_response_room(const struct exchange *x);
bool h2_response_is_stalled(const struct h2_stream *stream, uint64_t now);
void h2_response_reset(struct h2_stream *stream, uint32_t error_code);

// --- h2_promise.c ---
unsigned h2_promise_room(const struct exchange *x);
struct exchange *h2_promise_make(struct exchange *x, const struct request_head *request,
                                 struct priority priority);
// A promise was made whose response has not begun.
bool h2_promise_is_owed(const struct h2_session *session);
void h2_promise_on_goaway(struct h2_session *session, int32_t last_id);
void h2_promise_note_finished(struct h2_session *session, int32_t id, uint64_t tag);
// RST_STREAM for a stream that is gone.
void h2_promise_on_late_reset(struct h2_session *session, int32_t id);

// --- h2_priority.c ---
void h2_priority_of_request(struct h2_stream *stream);
void h2_priority_set(struct h2_stream *stream, struct priority priority);
void h2_priority_boost(struct h2_stream *stream);
void h2_priority_end_boost(struct h2_stream *stream);
void h2_priority_restore(struct h2_session *session);
// How much of `length` bytes the stream may send, for now: a push leaves window to the pages.
size_t h2_priority_share(const struct h2_stream *stream, size_t length);
// Once more for the bodies that were held up, here and in h2_hold.c; between frames.
void h2_priority_release_held(struct h2_session *session);
void h2_priority_register(nghttp2_session_callbacks *callbacks);

// --- h2_hold.c ---
// Urgency orders what has not left; what stands in the queues of the kernel and of the path is past
// ordering. So while something more urgent is awaited (a page whose origin thinks), a body is let
// out only as far as the path takes it along: idle capacity is used, but no queue is built.
struct h2_hold_limit h2_hold_decide(const struct conn_path *path);
void h2_hold_open(struct h2_stream *stream); // with its urgency
void h2_hold_close(struct h2_stream *stream);
void h2_hold_move(struct h2_stream *stream, uint8_t urgency);
void h2_hold_begin(struct h2_session *session); // of a flush
// How much of `length` bytes the stream may send, for now.
size_t h2_hold_share(const struct h2_stream *stream, size_t length);

// --- h2_fields.c ---
// A field of a request head or trailer; counts it first and copies it only while within limits.
void h2_fields_add(struct h2_stream *stream, struct slice name, struct slice value);
// What the head weighs in memory, rows and all.
size_t h2_fields_weigh(const struct h2_stream *stream);
// Fields beyond any limit by so much that the client means harm (TRUST row 5).
bool h2_fields_is_bomb(const struct h2_stream *stream);
size_t h2_fields_of_response(const struct response_head *head, struct arena *arena,
                             nghttp2_nv **out_nva);
size_t h2_fields_of_request(const struct request_head *head, struct arena *arena,
                            nghttp2_nv **out_nva);
size_t h2_fields_of_trailers(const struct headers *trailers, struct arena *arena,
                             nghttp2_nv **out_nva);

// --- h2_gate.c ---
void h2_gate_init(struct h2_gate *gate);
// Returns how many bytes were used. *out_piece goes to the library, after *out_head was judged when
// *out_has_head says that it begins a frame; it may be empty, and lives until the next step.
size_t h2_gate_step(struct h2_gate *gate, struct slice bytes, struct slice *out_piece,
                    struct h2_frame_head *out_head, bool *out_has_head);

// The frame that was begun last, a GOAWAY, becomes one of a type that the library passes over.
void h2_gate_hide(struct h2_gate *gate);

// --- h2_memory.c ---
// What the library gets its memory from; as long as the session lives.
nghttp2_mem h2_memory_of(struct h2_session *session);

// --- h2_limits.c ---
// Spends one token of the abuse budget; false when it is empty.
bool h2_budget_spend(struct h2_budget *budget, uint64_t now_ms);

void h2_credit_init(struct h2_credit *credit);
void h2_credit_earn(struct h2_credit *credit, int32_t frames);
// A frame comes; false when the client has none left to spend.
bool h2_credit_take(struct h2_credit *credit, const struct h2_frame_head *head);

void h2_pace_start(struct h2_pace *pace, uint64_t now_ms); // something is to be sent now
void h2_pace_note(struct h2_pace *pace, size_t bytes, bool is_all, uint64_t now_ms);
// What had moved was not taken on since then: that time does not count.
void h2_pace_wait(struct h2_pace *pace, uint64_t since_ms, uint64_t now_ms);

enum h2_closed_verdict {
    H2_CLOSED_FINE,    // new, or no matter
    H2_CLOSED_SKIPPED, // an id that was passed over: PROTOCOL_ERROR
    H2_CLOSED_ENDED,   // the client had ended it itself: STREAM_CLOSED
};
// A HEADERS or DATA frame begins; `is_open` says whether the stream exists.
enum h2_closed_verdict h2_closed_check(struct h2_closed *closed, bool is_headers, int32_t id,
                                       bool is_open);
void h2_closed_add_reset(struct h2_closed *closed, int32_t id);

#endif
