// SPDX-License-Identifier: Apache-2.0
// An HTTP/2 client in memory before a real h2_session: nghttp2's client, or raw frames for what no
// polite client says. Frames from the server are read by a small parser of its own, so that the log
// shows what really was on the wire. Time stands still unless the test moves it.
// Owner: the test. One thread. See also: fake_conn.h, fake_handler.h.
#ifndef OUTRIDER_H2_PEER_H
#define OUTRIDER_H2_PEER_H

#include <nghttp2/nghttp2.h>

#include "base/buffer.h"
#include "fake_conn.h"
#include "fake_handler.h"
#include "front/front.h"

struct h2_peer_stream {
    int32_t id;
    int32_t page; // of a pushed stream: who promised it
    // What came, as lines of "name: value".
    struct buffer promised; // the request, ":method" and so on
    struct buffer interim;  // all interim heads, each begins with ":status"
    struct buffer head;     // the final one, without ":status"
    struct buffer body;
    struct buffer trailers;
    int status;
    bool has_head;
    bool has_ended; // END_STREAM
    bool was_reset;
    uint32_t error_code; // of RST_STREAM
    size_t window;       // bytes given back by WINDOW_UPDATE
    // What the client still has to send.
    struct buffer content;
    char *send_trailers; // NULL: none
    bool is_complete;
};

struct h2_peer {
    struct loop loop;
    struct front front; // change its limits before connecting
    struct fake_handler handler;
    struct conn *conn;
    nghttp2_session *ng; // NULL for a raw peer
    bool is_manual;      // no WINDOW_UPDATE but by h2_peer_open_window; set before connecting
    bool is_deaf;        // does not take what the server sends
    // What came.
    struct h2_peer_stream **streams;
    size_t stream_count;
    size_t window; // of the connection, given back by WINDOW_UPDATE
    uint32_t settings[16];
    unsigned complaints; // of nghttp2 about the server
    char complaint[128];
    bool has_goaway;
    uint32_t goaway_code;
    struct buffer sent; // all bytes of the client
    // Internal.
    struct buffer incoming;
    struct buffer block;
    struct buffer log;
    char *log_text;
    nghttp2_hd_inflater *inflater;
    int32_t run_id; // DATA frames in a row of one stream are one line of the log
    size_t run_bytes;
    bool run_end;
};

// The state of the fake clock (monotonic ms); moves only here.
void h2_peer_pass_ms(uint64_t ms);

struct h2_peer *h2_peer_create(void);
// Cuts the connection when it still stands; then checks that every exchange was closed once and
// that nghttp2 had no complaint.
void h2_peer_destroy(struct h2_peer *peer);

// --- the real client ---
void h2_peer_connect(struct h2_peer *peer, const nghttp2_settings_entry *settings, size_t count);
// To a conn that the test has made in its own way.
void h2_peer_attach(struct h2_peer *peer, const nghttp2_settings_entry *settings, size_t count);
// "GET /path" and perhaps more lines "name: value". The request is complete.
int32_t h2_peer_request(struct h2_peer *peer, const char *text);
// The same, but content follows.
int32_t h2_peer_open(struct h2_peer *peer, const char *text);
void h2_peer_send(struct h2_peer *peer, int32_t id, struct slice content, bool is_end);
void h2_peer_end_with(struct h2_peer *peer, int32_t id, const char *trailers);
void h2_peer_reset(struct h2_peer *peer, int32_t id, uint32_t error_code);
void h2_peer_open_window(struct h2_peer *peer, int32_t id, int32_t bytes); // 0: the connection's
void h2_peer_update_priority(struct h2_peer *peer, int32_t id, const char *value);

// --- the raw one ---
void h2_peer_connect_raw(struct h2_peer *peer); // preface, SETTINGS and the ACK of theirs
void h2_peer_bytes(struct h2_peer *peer, struct slice bytes);
void h2_peer_frame(struct h2_peer *peer, uint8_t type, uint8_t flags, int32_t id,
                   struct slice payload);
// HEADERS and, when the block is long, CONTINUATION; END_HEADERS is added.
void h2_peer_block(struct h2_peer *peer, uint8_t flags, int32_t id, struct slice block);
// From lines "name: value", or "GET /path" first.
void h2_peer_headers(struct h2_peer *peer, uint8_t flags, int32_t id, const char *text);
// A literal field (RFC 7541 section 6.2.2) at the end of a block.
void h2_peer_add_field(struct buffer *block, struct slice name, struct slice value);
void h2_peer_add_request(struct buffer *block, const char *method, const char *path);

// --- time goes on, answers are looked at ---
void h2_peer_turn(struct h2_peer *peer); // until both sides have nothing more to say
// Time passes, and the conn's deadline is told when it is due.
void h2_peer_wait(struct h2_peer *peer, uint64_t ms);
struct h2_peer_stream *h2_peer_stream(struct h2_peer *peer, int32_t id);
// The frames since the last call, one per line, without SETTINGS and WINDOW_UPDATE:
// "HEADERS 1 200", "DATA 1 17 end", "PUSH_PROMISE 1 2 /a.css", "RST_STREAM 1 NO_ERROR",
// "GOAWAY 1 NO_ERROR", "PING", "PING ack". Valid until the next call.
const char *h2_peer_log(struct h2_peer *peer);
bool h2_peer_is_closed(const struct h2_peer *peer); // by the server

// --- h2_peer_read.c, for h2_peer.c ---
void h2_peer_read(struct h2_peer *peer); // all complete frames of what came
void h2_peer_end_run(struct h2_peer *peer);

static inline struct slice h2_peer_body(struct h2_peer *peer, int32_t id) {
    return buffer_peek(&h2_peer_stream(peer, id)->body);
}

#endif
