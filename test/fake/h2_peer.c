// SPDX-License-Identifier: Apache-2.0
#include "h2_peer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/ensure.h"

enum { FRAME_HEAD_BYTES = 9, MAX_PAYLOAD_BYTES = 16384, MAX_FIELDS = 600, QUIET_TURNS = 3 };

static nghttp2_session *create_client(struct h2_peer *peer);
static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *user);
static int32_t submit(struct h2_peer *peer, const char *text, bool is_end);
static size_t parse_fields(const char *text, char *copy, nghttp2_nv *nva);
static void set_nv(nghttp2_nv *nv, char *name, size_t name_length, char *value,
                   size_t value_length);
static ssize_t read_content(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length,
                            uint32_t *flags, nghttp2_data_source *source, void *user);
static void add_length(struct buffer *block, size_t length);
static bool exchange_bytes(struct h2_peer *peer);

static uint64_t fake_now_ms = 1000000;

// In place of libuv's: what the loop's clock follows.
uint64_t uv_now(const uv_loop_t *uv) {
    (void)uv;
    return fake_now_ms;
}

void h2_peer_pass_ms(uint64_t ms) {
    fake_now_ms += ms;
}

struct h2_peer *h2_peer_create(void) {
    struct h2_peer *peer = alloc_new(struct h2_peer);
    loop_init(&peer->loop);
    const struct front_limits limits = {
        .head_bytes = 64 * 1024,
        .head_fields = 100,
        .field_bytes = 16 * 1024,
        .cookie_crumbs = 256,
        .cookie_bytes = 32 * 1024,
        .uri_bytes = 8 * 1024,
        .streams = 100,
        .connections = 10,
        .handshake_ms = 10000,
        .head_ms = 10000,
        .body_ms = 30000,
        .idle_ms = 180000,
        .write_ms = 30000,
    };
    front_init(&peer->front, &peer->loop, &limits);
    fake_handler_init(&peer->handler);
    peer->front.handler = peer->handler.handler;
    ensure(nghttp2_hd_inflate_new(&peer->inflater) == 0);
    return peer;
}

void h2_peer_destroy(struct h2_peer *peer) {
    if (peer->conn != NULL) {
        fake_conn_destroy(peer->conn);
    }
    front_finish(&peer->front);
    fake_handler_finish(&peer->handler);
    loop_finish(&peer->loop);
    for (size_t i = 0; i < peer->stream_count; i++) {
        struct h2_peer_stream *stream = peer->streams[i];
        buffer_finish(&stream->promised);
        buffer_finish(&stream->interim);
        buffer_finish(&stream->head);
        buffer_finish(&stream->body);
        buffer_finish(&stream->trailers);
        buffer_finish(&stream->content);
        free(stream->send_trailers);
        free(stream);
    }
    free(peer->streams);
    free(peer->log_text);
    nghttp2_session_del(peer->ng);
    nghttp2_hd_inflate_del(peer->inflater);
    buffer_finish(&peer->sent);
    buffer_finish(&peer->incoming);
    buffer_finish(&peer->block);
    buffer_finish(&peer->log);
    if (peer->complaints > 0) {
        fprintf(stderr, "the client complains: %s\n", peer->complaint);
    }
    ensure(peer->complaints == 0);
    free(peer);
}

// --- the real client -----------------------------------------------------------------------------

void h2_peer_connect(struct h2_peer *peer, const nghttp2_settings_entry *settings, size_t count) {
    peer->conn = fake_conn_create(&peer->loop);
    h2_peer_attach(peer, settings, count);
}

void h2_peer_attach(struct h2_peer *peer, const nghttp2_settings_entry *settings, size_t count) {
    front_accept(&peer->front, peer->conn);
    peer->ng = create_client(peer);
    ensure(nghttp2_submit_settings(peer->ng, NGHTTP2_FLAG_NONE, settings, count) == 0);
    h2_peer_turn(peer);
    h2_peer_log(peer);
}

static nghttp2_session *create_client(struct h2_peer *peer) {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session *ng;
    ensure(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_option_set_no_auto_window_update(option, peer->is_manual);
    ensure(nghttp2_session_client_new2(&ng, callbacks, peer, option) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return ng;
}

static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error,
                            void *user) {
    (void)ng;
    struct h2_peer *peer = user;
    peer->complaints++;
    snprintf(peer->complaint, sizeof(peer->complaint), "frame %d of stream %d: %s", frame->hd.type,
             frame->hd.stream_id, nghttp2_strerror(error));
    return 0;
}

int32_t h2_peer_request(struct h2_peer *peer, const char *text) {
    return submit(peer, text, true);
}

int32_t h2_peer_open(struct h2_peer *peer, const char *text) {
    return submit(peer, text, false);
}

static int32_t submit(struct h2_peer *peer, const char *text, bool is_end) {
    nghttp2_nv nva[MAX_FIELDS];
    char *copy = alloc_bytes(strlen(text) + 1);
    size_t count = parse_fields(text, copy, nva);
    nghttp2_data_provider provider = {.source = {.ptr = peer}, .read_callback = read_content};
    int32_t id =
        nghttp2_submit_request(peer->ng, NULL, nva, count, is_end ? NULL : &provider, NULL);
    free(copy);
    ensure(id > 0);
    return id;
}

// "GET /path" stands for the four pseudo fields; then follow lines of "name: value".
static size_t parse_fields(const char *text, char *copy, nghttp2_nv *nva) {
    static char names[4][12] = {":method", ":scheme", ":authority", ":path"};
    static char scheme[] = "http", authority[] = "a.example";
    size_t count = 0;
    strcpy(copy, text);
    for (char *line = copy; line[0] != '\0';) {
        size_t length = strcspn(line, "\n");
        char *next = line + length + (line[length] == '\n' ? 1 : 0);
        char *blank = memchr(line + 1, ':', length - 1);
        if (line == copy && line[0] != ':' && memchr(line, ' ', length) != NULL && blank == NULL) {
            size_t method = strcspn(line, " ");
            set_nv(&nva[0], names[0], 7, line, method);
            set_nv(&nva[1], names[1], 7, scheme, 4);
            set_nv(&nva[2], names[2], 10, authority, 9);
            set_nv(&nva[3], names[3], 5, line + method + 1, length - method - 1);
            count = 4;
        } else {
            ensure(blank != NULL && count < MAX_FIELDS);
            size_t name = (size_t)(blank - line);
            size_t gap = blank[1] == ' ' ? 2 : 1;
            set_nv(&nva[count++], line, name, blank + gap, length - name - gap);
        }
        line = next;
    }
    return count;
}

static void set_nv(nghttp2_nv *nv, char *name, size_t name_length, char *value,
                   size_t value_length) {
    *nv = (nghttp2_nv){.name = (uint8_t *)name,
                       .namelen = name_length,
                       .value = (uint8_t *)value,
                       .valuelen = value_length};
}

static ssize_t read_content(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length,
                            uint32_t *flags, nghttp2_data_source *source, void *user) {
    (void)user;
    struct h2_peer_stream *stream = h2_peer_stream(source->ptr, id);
    size_t most = buffer_length(&stream->content);
    if (most == 0 && !stream->is_complete) {
        return NGHTTP2_ERR_DEFERRED;
    }
    most = most < length ? most : length;
    memcpy(buf, buffer_peek(&stream->content).data, most);
    buffer_consume(&stream->content, most);
    if (buffer_length(&stream->content) == 0 && stream->is_complete) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream->send_trailers != NULL) {
            nghttp2_nv nva[MAX_FIELDS];
            char *copy = alloc_bytes(strlen(stream->send_trailers) + 1);
            size_t count = parse_fields(stream->send_trailers, copy, nva);
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            ensure(nghttp2_submit_trailer(ng, id, nva, count) == 0);
            free(copy);
        }
    }
    return (ssize_t)most;
}

void h2_peer_send(struct h2_peer *peer, int32_t id, struct slice content, bool is_end) {
    struct h2_peer_stream *stream = h2_peer_stream(peer, id);
    buffer_append_slice(&stream->content, content);
    stream->is_complete = is_end;
    nghttp2_session_resume_data(peer->ng, id);
}

void h2_peer_end_with(struct h2_peer *peer, int32_t id, const char *trailers) {
    h2_peer_stream(peer, id)->send_trailers = alloc_text(trailers);
    h2_peer_send(peer, id, SLICE_EMPTY, true);
}

void h2_peer_reset(struct h2_peer *peer, int32_t id, uint32_t error_code) {
    ensure(nghttp2_submit_rst_stream(peer->ng, NGHTTP2_FLAG_NONE, id, error_code) == 0);
}

void h2_peer_open_window(struct h2_peer *peer, int32_t id, int32_t bytes) {
    ensure(nghttp2_submit_window_update(peer->ng, NGHTTP2_FLAG_NONE, id, bytes) == 0);
}

void h2_peer_update_priority(struct h2_peer *peer, int32_t id, const char *value) {
    char payload[64] = {(char)(id >> 24), (char)(id >> 16), (char)(id >> 8), (char)id};
    size_t length = strlen(value);
    memcpy(payload + 4, value, length);
    h2_peer_frame(peer, NGHTTP2_PRIORITY_UPDATE, 0, 0, slice_of(payload, length + 4));
}

// --- the raw one ---------------------------------------------------------------------------------

void h2_peer_connect_raw(struct h2_peer *peer) {
    peer->conn = fake_conn_create(&peer->loop);
    front_accept(&peer->front, peer->conn);
    fake_conn_turn(peer->conn);
    h2_peer_bytes(peer, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    h2_peer_frame(peer, NGHTTP2_SETTINGS, 0, 0, SLICE_EMPTY);
    h2_peer_turn(peer);
    h2_peer_frame(peer, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, SLICE_EMPTY);
    h2_peer_turn(peer);
    h2_peer_log(peer);
}

// What the polite client still has in hand goes first, so that the order is that of the calls.
void h2_peer_bytes(struct h2_peer *peer, struct slice bytes) {
    const uint8_t *data;
    ssize_t length;
    while (peer->ng != NULL && (length = nghttp2_session_mem_send(peer->ng, &data)) > 0) {
        buffer_append(&peer->sent, data, (size_t)length);
        fake_conn_feed(peer->conn, slice_of((const char *)data, (size_t)length));
    }
    buffer_append_slice(&peer->sent, bytes);
    fake_conn_feed(peer->conn, bytes);
}

void h2_peer_frame(struct h2_peer *peer, uint8_t type, uint8_t flags, int32_t id,
                   struct slice payload) {
    size_t length = payload.length;
    const char head[FRAME_HEAD_BYTES] = {
        (char)(length >> 16), (char)(length >> 8), (char)length,    (char)type, (char)flags,
        (char)(id >> 24),     (char)(id >> 16),    (char)(id >> 8), (char)id};
    struct buffer bytes = {0};
    buffer_append(&bytes, head, sizeof(head));
    buffer_append_slice(&bytes, payload);
    h2_peer_bytes(peer, buffer_peek(&bytes));
    buffer_finish(&bytes);
}

void h2_peer_block(struct h2_peer *peer, uint8_t flags, int32_t id, struct slice block) {
    uint8_t type = NGHTTP2_HEADERS;
    do {
        struct slice part = slice_first(block, MAX_PAYLOAD_BYTES);
        block = slice_skip(block, part.length);
        uint8_t end = block.length == 0 ? NGHTTP2_FLAG_END_HEADERS : 0;
        h2_peer_frame(peer, type, (uint8_t)(flags | end), id, part);
        type = NGHTTP2_CONTINUATION;
        flags = 0;
    } while (block.length > 0);
}

void h2_peer_headers(struct h2_peer *peer, uint8_t flags, int32_t id, const char *text) {
    nghttp2_nv nva[MAX_FIELDS];
    char *copy = alloc_bytes(strlen(text) + 1);
    size_t count = parse_fields(text, copy, nva);
    struct buffer block = {0};
    for (size_t i = 0; i < count; i++) {
        h2_peer_add_field(&block, slice_of((const char *)nva[i].name, nva[i].namelen),
                          slice_of((const char *)nva[i].value, nva[i].valuelen));
    }
    h2_peer_block(peer, flags, id, buffer_peek(&block));
    buffer_finish(&block);
    free(copy);
}

void h2_peer_add_field(struct buffer *block, struct slice name, struct slice value) {
    buffer_append(block, "\0", 1);
    add_length(block, name.length);
    buffer_append_slice(block, name);
    add_length(block, value.length);
    buffer_append_slice(block, value);
}

// An integer with a 7-bit prefix (RFC 7541 section 5.1).
static void add_length(struct buffer *block, size_t length) {
    uint8_t byte = length < 127 ? (uint8_t)length : 127;
    buffer_append(block, &byte, 1);
    if (length < 127) {
        return;
    }
    for (length -= 127; length >= 128; length /= 128) {
        byte = (uint8_t)(128 + length % 128);
        buffer_append(block, &byte, 1);
    }
    byte = (uint8_t)length;
    buffer_append(block, &byte, 1);
}

void h2_peer_add_request(struct buffer *block, const char *method, const char *path) {
    h2_peer_add_field(block, SLICE(":method"), slice_of_text(method));
    h2_peer_add_field(block, SLICE(":scheme"), SLICE("http"));
    h2_peer_add_field(block, SLICE(":authority"), SLICE("a.example"));
    h2_peer_add_field(block, SLICE(":path"), slice_of_text(path));
}

// --- time goes on --------------------------------------------------------------------------------

void h2_peer_turn(struct h2_peer *peer) {
    for (unsigned quiet = 0; quiet < QUIET_TURNS; quiet++) {
        if (exchange_bytes(peer)) {
            quiet = 0;
        }
    }
    h2_peer_end_run(peer);
}

void h2_peer_wait(struct h2_peer *peer, uint64_t ms) {
    h2_peer_turn(peer);
    while (ms > 0 && !h2_peer_is_closed(peer)) {
        uint64_t due = fake_conn_due_ms(peer->conn);
        bool is_due = due > 0 && due <= fake_now_ms + ms;
        uint64_t step = is_due ? due - fake_now_ms : ms;
        h2_peer_pass_ms(step);
        ms -= step;
        h2_peer_turn(peer);
        if (is_due && !h2_peer_is_closed(peer)) {
            fake_conn_expire(peer->conn);
            h2_peer_turn(peer);
        }
    }
}

// One turn of both sides; false when nothing moved.
static bool exchange_bytes(struct h2_peer *peer) {
    size_t sent = buffer_length(&peer->sent);
    h2_peer_bytes(peer, SLICE_EMPTY);
    fake_conn_turn(peer->conn);
    struct buffer *taken = fake_conn_taken(peer->conn);
    bool has_moved = buffer_length(&peer->sent) > sent;
    if (peer->is_deaf || buffer_length(taken) == 0) {
        return has_moved;
    }
    struct slice bytes = buffer_peek(taken);
    if (peer->ng != NULL) {
        ssize_t used =
            nghttp2_session_mem_recv(peer->ng, (const uint8_t *)bytes.data, bytes.length);
        if (used < 0) {
            peer->complaints++;
            snprintf(peer->complaint, sizeof(peer->complaint), "%s", nghttp2_strerror((int)used));
        }
    }
    buffer_move(&peer->incoming, taken);
    h2_peer_read(peer);
    return true;
}

// --- answers are looked at -----------------------------------------------------------------------

struct h2_peer_stream *h2_peer_stream(struct h2_peer *peer, int32_t id) {
    for (size_t i = peer->stream_count; i > 0; i--) {
        if (peer->streams[i - 1]->id == id) {
            return peer->streams[i - 1];
        }
    }
    struct h2_peer_stream *stream = alloc_new(struct h2_peer_stream);
    stream->id = id;
    peer->streams =
        alloc_resize(peer->streams, (peer->stream_count + 1) * sizeof(peer->streams[0]));
    peer->streams[peer->stream_count++] = stream;
    return stream;
}

const char *h2_peer_log(struct h2_peer *peer) {
    h2_peer_end_run(peer);
    struct slice log = buffer_peek(&peer->log);
    free(peer->log_text);
    peer->log_text = alloc_zeroed(log.length + 1, 1);
    memcpy(peer->log_text, log.data, log.length);
    buffer_finish(&peer->log);
    return peer->log_text;
}

bool h2_peer_is_closed(const struct h2_peer *peer) {
    return fake_conn_is_closing(peer->conn) || fake_conn_is_aborted(peer->conn) ||
           fake_conn_is_ended(peer->conn);
}
