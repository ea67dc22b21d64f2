// SPDX-License-Identifier: Apache-2.0
#include "h2_impl.h"

enum { HEAD_BYTES = 9, ID_BYTES = 4, PRIORITY_BYTES = 5, UNKNOWN_TYPE = 0xff };

static size_t pass_through(size_t *left, struct slice bytes, struct slice *out_piece);
static void make_even(uint8_t *head);
static size_t head_need(const uint8_t *head, size_t have);
static void parse(const uint8_t *head, struct h2_frame_head *out_head);
static uint32_t read_32(const uint8_t *bytes);

void h2_gate_init(struct h2_gate *gate) {
    *gate = (struct h2_gate){.preface_left = NGHTTP2_CLIENT_MAGIC_LEN};
}

size_t h2_gate_step(struct h2_gate *gate, struct slice bytes, struct slice *out_piece,
                    struct h2_frame_head *out_head, bool *out_has_head) {
    *out_has_head = false;
    if (gate->preface_left > 0) {
        return pass_through(&gate->preface_left, bytes, out_piece);
    }
    if (gate->payload_left > 0) {
        return pass_through(&gate->payload_left, bytes, out_piece);
    }
    const uint8_t *input = (const uint8_t *)bytes.data;
    bool is_whole = gate->held_length == 0 && bytes.length >= head_need(input, bytes.length);
    if (is_whole && input[3] != NGHTTP2_GOAWAY) {
        parse(input, out_head);
        *out_has_head = true;
        *out_piece = slice_first(bytes, HEAD_BYTES + out_head->length);
        gate->payload_left = HEAD_BYTES + out_head->length - out_piece->length;
        return out_piece->length;
    }
    size_t used = 0; // a head in pieces: gathered, so that it can be looked at before it goes on
    while (used < bytes.length && gate->held_length < head_need(gate->held, gate->held_length)) {
        gate->held[gate->held_length++] = input[used++];
    }
    *out_piece = SLICE_EMPTY;
    if (gate->held_length == head_need(gate->held, gate->held_length)) {
        parse(gate->held, out_head);
        make_even(gate->held);
        *out_has_head = true;
        *out_piece = slice_of((const char *)gate->held, gate->held_length);
        gate->payload_left = HEAD_BYTES + out_head->length - gate->held_length;
        gate->held_length = 0;
    }
    return used;
}

static size_t pass_through(size_t *left, struct slice bytes, struct slice *out_piece) {
    *out_piece = slice_first(bytes, *left);
    *left -= out_piece->length;
    return out_piece->length;
}

// A client that leaves may name any last stream, up to 2^31-1 (RFC 9113 section 6.8); the library
// takes only ids of promises, which are even.
static void make_even(uint8_t *head) {
    if (head[3] == NGHTTP2_GOAWAY && head_need(head, HEAD_BYTES) > HEAD_BYTES) {
        head[HEAD_BYTES + ID_BYTES - 1] &= 0xfe;
    }
}

void h2_gate_hide(struct h2_gate *gate) {
    gate->held[3] = UNKNOWN_TYPE;
}

// How many bytes must be there before the frame goes on; PRIORITY and GOAWAY with their first id.
static size_t head_need(const uint8_t *head, size_t have) {
    if (have < HEAD_BYTES) {
        return HEAD_BYTES;
    }
    size_t length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    bool is_priority = head[3] == NGHTTP2_PRIORITY && length == PRIORITY_BYTES;
    bool is_goaway = head[3] == NGHTTP2_GOAWAY && length >= ID_BYTES;
    return is_priority || is_goaway ? HEAD_BYTES + ID_BYTES : HEAD_BYTES;
}

static void parse(const uint8_t *head, struct h2_frame_head *out_head) {
    out_head->length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    out_head->type = head[3];
    out_head->flags = head[4];
    out_head->stream_id = (int32_t)(read_32(head + 5) & 0x7fffffffU);
    out_head->depends_on = -1;
    if (out_head->type == NGHTTP2_PRIORITY && head_need(head, HEAD_BYTES) > HEAD_BYTES) {
        out_head->depends_on = (int32_t)(read_32(head + HEAD_BYTES) & 0x7fffffffU);
    }
}

static uint32_t read_32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}
