// SPDX-License-Identifier: Apache-2.0
#include "base/alloc.h"
#include "fake_conn.h"
#include "fuzz_client.h"
#include "http/h1_head.h"

enum { HEAD_BYTES = 9, MOST_PAYLOAD = 16384, WINDOW = 65535 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static uint32_t number_of(const char *bytes, size_t count) {
    uint32_t number = 0;
    for (size_t i = 0; i < count; i++) {
        number = number << 8 | (unsigned char)bytes[i];
    }
    return number;
}

static void put_number(char *out, uint32_t number, size_t count) {
    for (size_t i = 0; i < count; i++) {
        out[i] = (char)(unsigned char)(number >> (8 * (count - 1 - i)) & 255);
    }
}

// --- saying --------------------------------------------------------------------------------------

static void say_frame(struct fuzz_client *client, uint8_t type, uint8_t flags, int32_t id,
                      struct slice payload) {
    struct buffer frame = {0};
    char head[HEAD_BYTES];
    fuzz_trace("frame to server: type %u flags %u stream %d length %zu\n", type, flags, id,
               payload.length);
    put_number(head, (uint32_t)payload.length, 3);
    head[3] = (char)type;
    head[4] = (char)flags;
    put_number(head + 5, (uint32_t)id, 4);
    buffer_append(&frame, head, sizeof(head));
    buffer_append_slice(&frame, payload);
    fuzz_client_say(client, buffer_peek(&frame));
    buffer_finish(&frame);
}

static void put_byte(struct buffer *block, size_t number) {
    char byte = (char)(unsigned char)number;
    buffer_append(block, &byte, 1);
}

static void put_length(struct buffer *block, size_t length) { // RFC 7541 section 5.1, 7 bits
    put_byte(block, length < 127 ? length : 127);
    if (length < 127) {
        return;
    }
    for (length -= 127; length >= 128; length /= 128) {
        put_byte(block, length % 128 + 128);
    }
    put_byte(block, length);
}

static void put_field(struct buffer *block, const char *name, const char *value) {
    buffer_append(block, "\0", 1); // literal, not indexed
    put_length(block, strlen(name));
    buffer_append(block, name, strlen(name));
    put_length(block, strlen(value));
    buffer_append(block, value, strlen(value));
}

static void say_settings(struct fuzz_client *client, uint16_t id, uint32_t value) {
    char entry[6];
    put_number(entry, id, 2);
    put_number(entry + 2, value, 4);
    if (id == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE && value > client->initial_window) {
        client->initial_window = value;
    }
    if (id == NGHTTP2_SETTINGS_ENABLE_PUSH && value == 1) {
        client->takes_pushes = true;
    }
    say_frame(client, NGHTTP2_SETTINGS, 0, 0, slice_of(entry, sizeof(entry)));
}

static void say_window(struct fuzz_client *client, struct fuzz_stream *stream, uint32_t increment) {
    char payload[4];
    put_number(payload, increment & 0x7fffffffU, 4);
    if (stream != NULL) {
        stream->window += increment & 0x7fffffffU;
    } else {
        client->window += increment & 0x7fffffffU;
    }
    say_frame(client, NGHTTP2_WINDOW_UPDATE, 0, stream != NULL ? stream->id : 0,
              slice_of(payload, 4));
}

void fuzz_h2_client_open(struct fuzz_client *client) {
    fuzz_check(nghttp2_hd_inflate_new(&client->inflater) == 0);
    client->initial_window = WINDOW;
    client->window = WINDOW;
    client->last_id = -1;
}

void fuzz_h2_client_greet(struct fuzz_client *client, struct fuzz_input *input) {
    unsigned choice = fuzz_byte(input);
    client->is_rude = (choice & 1) != 0;
    client->takes_pushes = (choice & 2) == 0;
    fuzz_client_say(client, slice_of(preface, sizeof(preface) - 1));
    say_settings(client, NGHTTP2_SETTINGS_ENABLE_PUSH, client->takes_pushes);
    if ((choice & 4) != 0) {
        say_settings(client, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (choice & 8) != 0 ? 1 << 20 : 5);
    }
    if ((choice & 16) != 0) {
        say_settings(client, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, choice >> 5);
    }
}

void fuzz_h2_client_close(struct fuzz_client *client) {
    nghttp2_hd_inflate_del(client->inflater);
    buffer_finish(&client->block);
}

static struct fuzz_stream *find(struct fuzz_client *client, int32_t id) {
    for (unsigned i = 0; i < client->stream_count; i++) {
        if (client->streams[i].id == id) {
            return &client->streams[i];
        }
    }
    return NULL;
}

static struct fuzz_stream *add_stream(struct fuzz_client *client, int32_t id) {
    if (client->stream_count == FUZZ_STREAMS) {
        client->is_wild = true; // no more is known of it
        return NULL;
    }
    struct fuzz_stream *stream = &client->streams[client->stream_count++];
    *stream = (struct fuzz_stream){.id = id, .answer.length = -1};
    stream->answer.asked.number = FUZZ_UNKNOWN;
    return stream;
}

// One of the latest, or none.
static struct fuzz_stream *choose(struct fuzz_client *client, struct fuzz_input *input) {
    unsigned back = fuzz_byte(input) & 15;
    return back < client->stream_count ? &client->streams[client->stream_count - 1 - back] : NULL;
}

static void say_block(struct fuzz_client *client, struct fuzz_stream *stream, struct slice block,
                      bool is_end, size_t cut) {
    uint8_t flags = is_end ? NGHTTP2_FLAG_END_STREAM : 0;
    uint8_t type = NGHTTP2_HEADERS;
    cut = cut > 0 ? cut : block.length;
    do {
        struct slice piece = slice_first(block, cut);
        block = slice_skip(block, piece.length);
        flags |= block.length == 0 ? NGHTTP2_FLAG_END_HEADERS : 0;
        say_frame(client, type, flags, stream->id, piece);
        type = NGHTTP2_CONTINUATION;
        flags = 0;
    } while (block.length > 0);
}

void fuzz_h2_client_request(struct fuzz_client *client, struct fuzz_input *input) {
    struct fuzz_wish wish;
    if (client->world->requests >= FUZZ_PARTS || client->stream_count >= FUZZ_STREAMS / 2) {
        return;
    }
    fuzz_wish_make(client, input, &wish);
    unsigned how = fuzz_byte(input);
    client->last_id += (how & 0x70) == 0x70 ? 4 : 2; // some pass over an id
    struct fuzz_stream *stream = add_stream(client, client->last_id);
    stream->answer.asked = wish.asked;
    stream->answer.is_known = true;
    stream->answer.is_head_request = strcmp(wish.method, "HEAD") == 0;
    stream->answer.may_be_local = strcmp(wish.method, "OPTIONS") == 0;
    stream->is_ended_here = !wish.has_content;
    struct buffer block = {0};
    put_field(&block, ":method", wish.method);
    put_field(&block, ":scheme", (how & 15) == 15 ? "ftp" : "https");
    put_field(&block, ":authority", (how & 15) == 14 ? "other.example" : wish.authority);
    put_field(&block, ":path", wish.path);
    for (size_t i = 0; i < wish.field_count; i++) {
        put_field(&block, wish.fields[i][0], wish.fields[i][1]);
    }
    char number[24];
    if (wish.announced >= 0) {
        snprintf(number, sizeof(number), "%lld", (long long)wish.announced);
        put_field(&block, "content-length", number);
    }
    say_block(client, stream, buffer_peek(&block), stream->is_ended_here, (how & 0x80) ? 40 : 0);
    buffer_finish(&block);
}

void fuzz_h2_client_content(struct fuzz_client *client, struct fuzz_input *input) {
    static char bytes[1 + MOST_PAYLOAD];
    struct fuzz_stream *stream = choose(client, input);
    size_t length = fuzz_word(input) % 20000;
    unsigned how = fuzz_byte(input);
    if (stream == NULL || stream->answer.asked.number >= FUZZ_PARTS) {
        return;
    }
    length = length < MOST_PAYLOAD - 300 ? length : MOST_PAYLOAD - 300;
    bool is_end = (how & 3) == 1;
    bool has_trailers = (how & 15) == 2;
    size_t pad = (how & 0x30) == 0x30 ? how : 0;
    bytes[0] = (char)pad;
    char *content = bytes + (pad > 0);
    for (size_t i = 0; i < length; i++) {
        content[i] = fuzz_content_byte(stream->answer.asked.number, stream->sent + i);
    }
    memset(content + length, 0, pad);
    stream->sent += length;
    if (!stream->is_ended_here) {
        client->world->asked[stream->answer.asked.number].content += length;
    }
    stream->is_ended_here |= is_end || has_trailers;
    say_frame(
        client, NGHTTP2_DATA,
        (uint8_t)((is_end ? NGHTTP2_FLAG_END_STREAM : 0) | (pad > 0 ? NGHTTP2_FLAG_PADDED : 0)),
        stream->id, slice_of(bytes, length + (pad > 0 ? 1 + pad : 0)));
    if (has_trailers) {
        struct buffer block = {0};
        put_field(&block, (how & 0x40) ? "content-length" : "x-sum", "1");
        say_block(client, stream, buffer_peek(&block), true, 0);
        buffer_finish(&block);
    }
}

// The same again and again, for limits that only many reach. Nothing is known of it afterwards.
static void flood(struct fuzz_client *client, unsigned what) {
    static const char request[] = "\x82\x87\x84\x01\x09"
                                  "a.example";
    static const char nothing[16];
    struct slice head = slice_of(request, sizeof(request) - 1);
    unsigned times = (what & 0xf0) == 0xf0 ? 10100 : 250;
    client->is_wild = client->world->is_wild = true;
    for (unsigned i = 0; i < times && !fake_conn_is_ended(client->conn); i++) {
        int32_t id = client->last_id += 2;
        switch (what & 7) {
        case 0: // rapid reset
        case 1: // resets that we are made to send
            say_frame(client, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS,
                      id, head);
            say_frame(client, what & 1 ? NGHTTP2_WINDOW_UPDATE : NGHTTP2_RST_STREAM, 0, id,
                      slice_of(nothing, 4));
            break;
        case 2: // malformed
            say_frame(client, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS,
                      id, slice_first(head, 2));
            break;
        case 3:
            say_frame(client, NGHTTP2_PING, 0, 0, slice_of(nothing, 8));
            break;
        case 4:
            say_frame(client, NGHTTP2_SETTINGS, 0, 0, SLICE_EMPTY);
            break;
        case 5:
            say_frame(client, NGHTTP2_PRIORITY, 0, id, slice_of(nothing, 5));
            break;
        case 6:
            say_frame(client, i == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION, 0,
                      client->last_id -= i > 0 ? 2 : 0, SLICE_EMPTY);
            break;
        default:
            say_frame(client, NGHTTP2_PRIORITY_UPDATE, 0, 0, slice_of("\0\0\0\x1u=1", 7));
            break;
        }
    }
}

void fuzz_client_control(struct fuzz_client *client, struct fuzz_input *input) {
    static const uint32_t increments[] = {1, 100, 5000, 65535, 1 << 20, 0, 0x7fffffff, 20000};
    static const uint16_t settings[] = {
        NGHTTP2_SETTINGS_ENABLE_PUSH, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
        NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, NGHTTP2_SETTINGS_HEADER_TABLE_SIZE,
        NGHTTP2_SETTINGS_MAX_FRAME_SIZE};
    static const uint32_t values[] = {0, 1, 5, 100, 4096, 16384, 65535, 1 << 20};
    unsigned what = fuzz_byte(input);
    struct fuzz_stream *stream = choose(client, input);
    unsigned how = fuzz_byte(input);
    char payload[16] = {0};
    if (!client->is_h2) {
        return;
    }
    if (what >= 250) {
        flood(client, how);
        return;
    }
    switch (what % 10) {
    case 0:
    case 1: // RST_STREAM
        if (stream != NULL) {
            put_number(payload, how % 14, 4);
            stream->is_ended_here = stream->was_reset_here = true;
            say_frame(client, NGHTTP2_RST_STREAM, 0, stream->id, slice_of(payload, 4));
        }
        break;
    case 2:
    case 3:
    case 4:
        say_window(client, (how & 0x80) ? NULL : stream, increments[how & 7]);
        break;
    case 5:
        say_settings(client, settings[how % 5], values[how >> 5]);
        break;
    case 6:
        say_frame(client, NGHTTP2_PING, how & 1, 0, slice_of("outrider", 8));
        break;
    case 7: { // PRIORITY_UPDATE
        static const char *const wishes[] = {"u=0", "u=7, i", "u=9", "i=?0, u=2"};
        put_number(payload, stream != NULL ? (uint32_t)stream->id : (uint32_t)client->last_id + 2,
                   4);
        size_t length = strlen(wishes[how & 3]);
        memcpy(payload + 4, wishes[how & 3], length);
        say_frame(client, NGHTTP2_PRIORITY_UPDATE, 0, 0, slice_of(payload, 4 + length));
        break;
    }
    case 8:
        if ((how & 3) == 3) {
            put_number(payload, (uint32_t)client->last_promised, 4);
            say_frame(client, NGHTTP2_GOAWAY, 0, 0, slice_of(payload, 8));
        } else {
            say_frame(client, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, SLICE_EMPTY);
        }
        break;
    default: // PRIORITY, perhaps of itself
        put_number(payload, how & 1 ? 1 : 0, 4);
        say_frame(client, NGHTTP2_PRIORITY, 0, stream != NULL ? stream->id : 1,
                  slice_of(payload, 5));
        break;
    }
}

// --- hearing -------------------------------------------------------------------------------------

struct head { // of a response or a promise
    int status;
    struct slice path, tag, length;
    bool has_method, has_fields, is_of_proxy;
};

static void note_field(struct fuzz_client *client, struct head *head, struct slice name,
                       struct slice value) {
    static const char *const forbidden[] = {"connection", "keep-alive", "proxy-connection",
                                            "transfer-encoding", "upgrade"};
    fuzz_check(headers_is_value(value));
    if (name.length > 0 && name.data[0] == ':') {
        fuzz_check(!head->has_fields); // pseudo fields come first
        if (slice_equal(name, SLICE(":status"))) {
            uint64_t status = 0;
            for (size_t i = 0; i < value.length; i++) {
                status = status * 10 + (uint64_t)(value.data[i] - '0');
            }
            fuzz_check(value.length == 3 && head->status == 0);
            head->status = (int)status;
        } else if (slice_equal(name, SLICE(":path"))) {
            head->path = value;
        } else {
            fuzz_check(slice_equal(name, SLICE(":method")) || slice_equal(name, SLICE(":scheme")) ||
                       slice_equal(name, SLICE(":authority")));
            head->has_method |= slice_equal(name, SLICE(":method"));
        }
        return;
    }
    head->has_fields = true;
    fuzz_check(headers_is_name(name));
    for (size_t i = 0; i < name.length; i++) {
        fuzz_check(name.data[i] == slice_lower(name.data[i]));
    }
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
        fuzz_check(!slice_equal(name, slice_of_text(forbidden[i])));
    }
    fuzz_check(client->world->has_garbled || !slice_equal(name, SLICE("x-secret")));
    if (slice_equal(name, SLICE("x-tag"))) {
        head->tag = value;
    } else if (slice_equal(name, SLICE("content-length"))) {
        head->length = value;
    } else if (slice_equal(name, SLICE("set-cookie"))) {
        fuzz_answer_cookie(client, value);
    }
    head->is_of_proxy |= slice_equal(name, SLICE("proxy-status"));
}

// Slices of the head live as long as the arena.
static struct head read_block(struct fuzz_client *client, struct arena *arena) {
    struct head head = {.path = SLICE_EMPTY};
    struct slice block = buffer_peek(&client->block);
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(client->inflater, &nv, &flags,
                                              (const uint8_t *)block.data, block.length, 1);
        fuzz_check(used >= 0);
        block = slice_skip(block, (size_t)used);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            note_field(client, &head,
                       arena_copy(arena, slice_of((const char *)nv.name, nv.namelen)),
                       arena_copy(arena, slice_of((const char *)nv.value, nv.valuelen)));
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
            nghttp2_hd_inflate_end_headers(client->inflater);
            return head;
        }
        fuzz_check(used > 0 || (flags & NGHTTP2_HD_INFLATE_EMIT) != 0);
    }
}

static void end_answer(struct fuzz_client *client, struct fuzz_stream *stream) {
    fuzz_answer_end(client, &stream->answer);
}

static void hear_response(struct fuzz_client *client, struct fuzz_stream *stream,
                          const struct head *head, bool is_end) {
    struct fuzz_answer *answer = &stream->answer;
    fuzz_check(!answer->is_over && !answer->was_reset);
    fuzz_check(head->path.length == 0 && !head->has_method);
    if (answer->has_head) { // trailers
        fuzz_check(is_end && head->status == 0);
        end_answer(client, stream);
        return;
    }
    fuzz_check(head->status >= 100 && head->status <= 599 && head->status != 101);
    if (head->status < 200) {
        fuzz_check(!is_end && stream->id % 2 == 1);
        return;
    }
    if (head->length.length > 0) {
        fuzz_check(h1_head_parse_length(head->length, &answer->length));
    }
    fuzz_answer_head(client, answer, head->status, head->tag, head->is_of_proxy);
    if (is_end) {
        if (answer->places == 0 && answer->is_known && answer->length > 0) {
            fuzz_check(answer->is_head_request || head->status == 304);
        }
        end_answer(client, stream);
    }
}

static void hear_promise(struct fuzz_client *client, const struct fuzz_stream *page,
                         const struct head *head) {
    int32_t id = client->block_promised;
    fuzz_check(page->id % 2 == 1 && !page->answer.is_over && !page->answer.was_reset);
    fuzz_check(client->takes_pushes || client->is_wild);
    fuzz_check(id % 2 == 0 && id > client->last_promised);
    fuzz_check(head->has_method && head->path.length > 0 && head->status == 0);
    client->last_promised = id;
    struct fuzz_stream *stream = add_stream(client, id);
    if (stream != NULL) {
        stream->answer.asked = fuzz_asked_of(head->path);
        stream->answer.is_known = stream->answer.asked.number != FUZZ_UNKNOWN;
        stream->is_ended_here = true;
    }
}

static void end_block(struct fuzz_client *client) {
    struct arena *arena = arena_create();
    struct head head = read_block(client, arena);
    struct fuzz_stream *stream = find(client, client->block_id);
    bool is_end = (client->block_flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (stream == NULL && client->is_wild) {
        stream = add_stream(client, client->block_id);
    } else {
        fuzz_check(stream != NULL);
    }
    if (stream != NULL && client->block_type == NGHTTP2_PUSH_PROMISE) {
        hear_promise(client, stream, &head);
    } else if (stream != NULL) {
        hear_response(client, stream, &head, is_end);
    }
    client->block_type = 0;
    buffer_finish(&client->block);
    arena_destroy(arena);
}

static void hear_data(struct fuzz_client *client, uint8_t flags, int32_t id, struct slice bytes) {
    struct fuzz_stream *stream = find(client, id);
    client->received += bytes.length;
    fuzz_check(client->is_wild || client->received <= client->window);
    if (stream == NULL) {
        fuzz_check(client->is_wild);
        return;
    }
    stream->received += bytes.length;
    fuzz_check(client->is_wild || stream->received <= client->initial_window + stream->window);
    fuzz_check(!stream->answer.was_reset && (flags & NGHTTP2_FLAG_PADDED) == 0);
    if (bytes.length > 0) {
        fuzz_answer_content(client, &stream->answer, bytes);
    }
    if ((flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        end_answer(client, stream);
    }
}

static void hear_frame(struct fuzz_client *client, uint8_t type, uint8_t flags, int32_t id,
                       struct slice payload) {
    struct fuzz_stream *stream = find(client, id);
    bool is_ack = (flags & NGHTTP2_FLAG_ACK) != 0;
    fuzz_trace("frame to client: type %u flags %u stream %d length %zu\n", type, flags, id,
               payload.length);
    fuzz_check(client->has_settings || (type == NGHTTP2_SETTINGS && !is_ack));
    fuzz_check((client->block_type != 0) == (type == NGHTTP2_CONTINUATION));
    switch (type) {
    case NGHTTP2_DATA:
        hear_data(client, flags, id, payload);
        break;
    case NGHTTP2_PUSH_PROMISE:
        fuzz_check(payload.length >= 4);
        client->block_promised = (int32_t)number_of(payload.data, 4);
        payload = slice_skip(payload, 4);
        __attribute__((fallthrough));
    case NGHTTP2_HEADERS:
        fuzz_check((flags & (NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_PRIORITY)) == 0);
        client->block_type = type;
        client->block_flags = flags;
        client->block_id = id;
        __attribute__((fallthrough));
    case NGHTTP2_CONTINUATION:
        fuzz_check(id == client->block_id);
        buffer_append_slice(&client->block, payload);
        if ((flags & NGHTTP2_FLAG_END_HEADERS) != 0) {
            end_block(client);
        }
        break;
    case NGHTTP2_RST_STREAM:
        fuzz_check(payload.length == 4 && (stream != NULL || client->is_wild));
        if (stream != NULL) {
            stream->answer.was_reset = true;
        }
        break;
    case NGHTTP2_SETTINGS:
        fuzz_check(id == 0 && payload.length % 6 == 0 && (!is_ack || payload.length == 0));
        client->has_settings = true;
        if (!is_ack && !client->is_rude) {
            say_frame(client, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, SLICE_EMPTY);
        }
        break;
    case NGHTTP2_PING:
        fuzz_check(id == 0 && payload.length == 8);
        if (!is_ack && !client->is_rude) {
            say_frame(client, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, payload);
        }
        break;
    case NGHTTP2_GOAWAY:
        fuzz_check(id == 0 && payload.length >= 8);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        fuzz_check(payload.length == 4 && number_of(payload.data, 4) > 0);
        fuzz_check(id == 0 || stream != NULL || client->is_wild);
        break;
    default:
        fuzz_check(!"a frame that no server sends here");
    }
}

void fuzz_h2_client_hear(struct fuzz_client *client) {
    struct buffer *incoming = &client->incoming;
    while (buffer_length(incoming) >= HEAD_BYTES) {
        const char *head = buffer_peek(incoming).data;
        size_t length = number_of(head, 3);
        fuzz_check(length <= (client->is_wild ? 1U << 24 : MOST_PAYLOAD));
        if (buffer_length(incoming) < HEAD_BYTES + length) {
            return;
        }
        // What it answers may lead to more: the frame stands apart then.
        char *payload = fuzz_copy(slice_of(head + HEAD_BYTES, length));
        uint8_t type = (uint8_t)head[3];
        uint8_t flags = (uint8_t)head[4];
        int32_t id = (int32_t)(number_of(head + 5, 4) & 0x7fffffffU);
        buffer_consume(incoming, HEAD_BYTES + length);
        hear_frame(client, type, flags, id, slice_of(payload, length));
        free(payload);
    }
}
