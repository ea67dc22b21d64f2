// SPDX-License-Identifier: Apache-2.0
#include "h2_peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ensure.h"

enum { FRAME_HEAD_BYTES = 9 };

struct frame {
    uint8_t type;
    uint8_t flags;
    int32_t id;
    struct slice payload;
};

static bool take_frame(struct buffer *bytes, struct frame *out_frame, struct buffer *payload);
static void on_frame(struct h2_peer *peer, const struct frame *frame);
static void on_settings(struct h2_peer *peer, const struct frame *frame);
static void on_data(struct h2_peer *peer, const struct frame *frame);
static void on_block(struct h2_peer *peer, const struct frame *frame);
static void on_headers(struct h2_peer *peer, const struct frame *frame);
static void on_promise(struct h2_peer *peer, const struct frame *frame);
static void inflate(struct h2_peer *peer, struct slice block, struct buffer *lines);
static uint32_t number_at(struct slice payload, size_t place);
static void note(struct h2_peer *peer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void h2_peer_read(struct h2_peer *peer) {
    struct frame frame;
    struct buffer payload = {0};
    while (take_frame(&peer->incoming, &frame, &payload)) {
        on_frame(peer, &frame);
        buffer_finish(&payload);
    }
}

static bool take_frame(struct buffer *bytes, struct frame *out_frame, struct buffer *payload) {
    const uint8_t *head = (const uint8_t *)buffer_peek(bytes).data;
    if (buffer_length(bytes) < FRAME_HEAD_BYTES) {
        return false;
    }
    size_t length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    if (buffer_length(bytes) < FRAME_HEAD_BYTES + length) {
        return false;
    }
    out_frame->type = head[3];
    out_frame->flags = head[4];
    out_frame->id = (int32_t)((uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 |
                              (uint32_t)head[7] << 8 | head[8]);
    buffer_append(payload, head + FRAME_HEAD_BYTES, length);
    out_frame->payload = buffer_peek(payload);
    buffer_consume(bytes, FRAME_HEAD_BYTES + length);
    return true;
}

static void on_frame(struct h2_peer *peer, const struct frame *frame) {
    struct h2_peer_stream *stream = frame->id > 0 ? h2_peer_stream(peer, frame->id) : NULL;
    switch ((nghttp2_frame_type)frame->type) {
    case NGHTTP2_DATA:
        on_data(peer, frame);
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_PUSH_PROMISE:
    case NGHTTP2_CONTINUATION:
        on_block(peer, frame);
        break;
    case NGHTTP2_RST_STREAM:
        ensure(stream != NULL && !stream->was_reset);
        stream->was_reset = true;
        stream->error_code = number_at(frame->payload, 0);
        note(peer, "RST_STREAM %d %s\n", frame->id, nghttp2_http2_strerror(stream->error_code));
        break;
    case NGHTTP2_SETTINGS:
        on_settings(peer, frame);
        break;
    case NGHTTP2_PING:
        note(peer, (frame->flags & NGHTTP2_FLAG_ACK) != 0 ? "PING ack\n" : "PING\n");
        break;
    case NGHTTP2_GOAWAY:
        peer->has_goaway = true;
        peer->goaway_code = number_at(frame->payload, 4);
        note(peer, "GOAWAY %d %s\n", (int)number_at(frame->payload, 0),
             nghttp2_http2_strerror(peer->goaway_code));
        break;
    case NGHTTP2_WINDOW_UPDATE:
        *(stream != NULL ? &stream->window : &peer->window) += number_at(frame->payload, 0);
        break;
    case NGHTTP2_PRIORITY:
    case NGHTTP2_ALTSVC:
    case NGHTTP2_ORIGIN:
    case NGHTTP2_PRIORITY_UPDATE:
        unreachable();
    }
}

static void on_settings(struct h2_peer *peer, const struct frame *frame) {
    for (size_t at = 0; at + 6 <= frame->payload.length; at += 6) {
        const uint8_t *entry = (const uint8_t *)frame->payload.data + at;
        unsigned id = (unsigned)entry[0] << 8 | entry[1];
        if (id < sizeof(peer->settings) / sizeof(peer->settings[0])) {
            peer->settings[id] = number_at(frame->payload, at + 2);
        }
    }
}

// The server never pads.
static void on_data(struct h2_peer *peer, const struct frame *frame) {
    struct h2_peer_stream *stream = h2_peer_stream(peer, frame->id);
    ensure(stream->has_head && !stream->has_ended && !stream->was_reset);
    ensure((frame->flags & ~NGHTTP2_FLAG_END_STREAM) == 0);
    buffer_append_slice(&stream->body, frame->payload);
    stream->has_ended = (frame->flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (peer->run_id != frame->id) {
        h2_peer_end_run(peer);
        peer->run_id = frame->id;
    }
    peer->run_bytes += frame->payload.length;
    peer->run_end = stream->has_ended;
}

// Collects the fragments; the frame that began the block is kept in front of them.
static void on_block(struct h2_peer *peer, const struct frame *frame) {
    struct frame first = *frame;
    if (frame->type != NGHTTP2_CONTINUATION) {
        ensure(buffer_length(&peer->block) == 0);
        buffer_append(&peer->block, &first, sizeof(first));
    }
    buffer_append_slice(&peer->block, frame->payload);
    if ((frame->flags & NGHTTP2_FLAG_END_HEADERS) == 0) {
        return;
    }
    memcpy(&first, buffer_peek(&peer->block).data, sizeof(first));
    first.payload = slice_skip(buffer_peek(&peer->block), sizeof(first));
    if (first.type == NGHTTP2_HEADERS) {
        on_headers(peer, &first);
    } else {
        on_promise(peer, &first);
    }
    buffer_finish(&peer->block);
}

static void on_headers(struct h2_peer *peer, const struct frame *frame) {
    struct h2_peer_stream *stream = h2_peer_stream(peer, frame->id);
    struct buffer lines = {0};
    bool is_end = (frame->flags & NGHTTP2_FLAG_END_STREAM) != 0;
    ensure(!stream->has_ended && !stream->was_reset);
    inflate(peer, frame->payload, &lines);
    struct slice text = buffer_peek(&lines);
    if (slice_starts_with(text, SLICE(":status: "))) {
        ensure(text.length > 12); // three digits and the end of the line
        int status = (text.data[9] - '0') * 100 + (text.data[10] - '0') * 10 + text.data[11] - '0';
        ensure(!stream->has_head);
        note(peer, "HEADERS %d %d%s\n", frame->id, status, is_end ? " end" : "");
        if (status < 200) {
            ensure(!is_end);
            buffer_append_slice(&stream->interim, text);
        } else {
            stream->status = status;
            stream->has_head = true;
            buffer_append_slice(&stream->head, slice_skip(text, slice_find(text, '\n') + 1));
        }
    } else {
        ensure(stream->has_head && is_end);
        note(peer, "HEADERS %d trailers end\n", frame->id);
        buffer_append_slice(&stream->trailers, text);
    }
    stream->has_ended = is_end;
    buffer_finish(&lines);
}

static void on_promise(struct h2_peer *peer, const struct frame *frame) {
    int32_t id = (int32_t)number_at(frame->payload, 0);
    struct h2_peer_stream *page = h2_peer_stream(peer, frame->id);
    struct h2_peer_stream *stream = h2_peer_stream(peer, id);
    ensure(!page->has_ended && !page->was_reset && stream->page == 0 && !stream->has_head);
    stream->page = frame->id;
    inflate(peer, slice_skip(frame->payload, 4), &stream->promised);
    struct slice rest = buffer_peek(&stream->promised);
    while (rest.length > 0 && !slice_starts_with(rest, SLICE(":path: "))) {
        rest = slice_skip(rest, slice_find(rest, '\n') + 1);
    }
    rest = slice_skip(slice_first(rest, slice_find(rest, '\n')), 7);
    note(peer, "PUSH_PROMISE %d %d %.*s\n", frame->id, id, SLICE_ARGS(rest));
}

static void inflate(struct h2_peer *peer, struct slice block, struct buffer *lines) {
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(peer->inflater, &nv, &flags,
                                              (const uint8_t *)block.data, block.length, 1);
        ensure(used >= 0);
        block = slice_skip(block, (size_t)used);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            buffer_append(lines, nv.name, nv.namelen);
            buffer_append(lines, ": ", 2);
            buffer_append(lines, nv.value, nv.valuelen);
            buffer_append(lines, "\n", 1);
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
            nghttp2_hd_inflate_end_headers(peer->inflater);
            return;
        }
    }
}

static uint32_t number_at(struct slice payload, size_t place) {
    ensure(payload.length >= place + 4);
    const uint8_t *at = (const uint8_t *)payload.data + place;
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void h2_peer_end_run(struct h2_peer *peer) {
    int32_t id = peer->run_id;
    if (id != 0) {
        peer->run_id = 0;
        note(peer, "DATA %d %zu%s\n", id, peer->run_bytes, peer->run_end ? " end" : "");
        peer->run_bytes = 0;
    }
}

static void note(struct h2_peer *peer, const char *format, ...) {
    h2_peer_end_run(peer);
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ensure(length >= 0 && (size_t)length < sizeof(text));
    buffer_append(&peer->log, text, (size_t)length);
}
