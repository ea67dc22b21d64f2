// SPDX-License-Identifier: Apache-2.0
#include "h2_impl.h"

// Every field costs its bookkeeping too (RFC 9113 section 6.5.2).
enum { FIELD_OVERHEAD_BYTES = 32, BOMB_FACTOR = 4 };
// And more of it with us, on its way through three lists.
enum { FIELD_WEIGHT_BYTES = 256 };
// A response's values lie in its exchange's arena, which stays until its stream is closed, or live
// longer; what the library sends later than that it does not read. Known names are constants;
// others may be of a configuration that is replaced before the frame leaves, so they are copied. A
// promise may outlive the promised exchange: all of it is copied.
enum { FIELD_STAYS = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE };

static bool is_within_limits(const struct h2_stream *stream, size_t bytes, bool is_cookie);
static bool add_pseudo(struct raw_request *raw, struct arena *arena, struct slice name,
                       struct slice value);
static nghttp2_nv nv_of(struct slice name, struct slice value, uint8_t flags);
static void append_headers(nghttp2_nv *nva, size_t *count, const struct headers *headers,
                           uint8_t flags);

void h2_fields_add(struct h2_stream *stream, struct slice name, struct slice value) {
    size_t bytes = name.length + value.length + FIELD_OVERHEAD_BYTES;
    bool is_cookie = slice_equal(name, SLICE("cookie"));
    if (is_cookie) { // these have limits of their own: cookies grow, other fields should not
        stream->cookie_crumbs++;
        stream->cookie_bytes += value.length + 2;
    } else {
        stream->head_bytes += bytes;
        stream->head_fields++;
    }
    if (stream->fault != FAULT_NONE) {
        return;
    }
    const struct front_limits *limits = &stream->session->base.front->limits;
    bool is_path = slice_equal(name, SLICE(":path"));
    if (is_path && value.length > limits->uri_bytes) {
        stream->fault = FAULT_URI_TOO_LONG;
        return;
    }
    const struct h2_session *session = stream->session;
    stream->is_too_much = session->heads_bytes > 0 &&
                          session->heads_bytes + h2_fields_weigh(stream) > H2_SESSION_HEADS_BYTES;
    if (stream->is_too_much || !is_within_limits(stream, bytes, is_cookie)) {
        stream->fault = FAULT_HEAD_TOO_LARGE;
        return;
    }
    struct arena *arena = stream->exchange->arena;
    if (stream->is_in_trailers) {
        headers_add(&stream->trailers, name, value);
    } else if (name.length == 0 || name.data[0] != ':' ||
               !add_pseudo(&stream->raw, arena, name, value)) {
        headers_add(&stream->raw.headers, name, value);
    }
}

static bool is_within_limits(const struct h2_stream *stream, size_t bytes, bool is_cookie) {
    const struct front_limits *limits = &stream->session->base.front->limits;
    if (is_cookie) {
        return stream->cookie_crumbs <= limits->cookie_crumbs &&
               stream->cookie_bytes <= limits->cookie_bytes;
    }
    return stream->head_bytes <= limits->head_bytes && bytes <= limits->field_bytes &&
           stream->head_fields <= limits->head_fields + 4; // the pseudo fields
}

size_t h2_fields_weigh(const struct h2_stream *stream) {
    size_t fields = (size_t)stream->head_fields + stream->cookie_crumbs;
    return stream->head_bytes + stream->cookie_bytes + fields * FIELD_WEIGHT_BYTES;
}

bool h2_fields_is_bomb(const struct h2_stream *stream) {
    const struct front_limits *limits = &stream->session->base.front->limits;
    return stream->head_bytes / BOMB_FACTOR > limits->head_bytes ||
           stream->cookie_bytes / BOMB_FACTOR > limits->cookie_bytes ||
           stream->head_fields / BOMB_FACTOR > limits->head_fields ||
           stream->cookie_crumbs / BOMB_FACTOR > limits->cookie_crumbs;
}

static bool add_pseudo(struct raw_request *raw, struct arena *arena, struct slice name,
                       struct slice value) {
    struct slice *place = NULL;
    if (slice_equal(name, SLICE(":method"))) {
        place = &raw->method;
    } else if (slice_equal(name, SLICE(":scheme"))) {
        place = &raw->scheme;
    } else if (slice_equal(name, SLICE(":authority"))) {
        place = &raw->authority;
    } else if (slice_equal(name, SLICE(":path"))) {
        place = &raw->path;
    }
    if (place != NULL) {
        *place = arena_copy(arena, value);
    }
    return place != NULL;
}

// --- out -----------------------------------------------------------------------------------------

size_t h2_fields_of_response(const struct response_head *head, struct arena *arena,
                             nghttp2_nv **out_nva) {
    nghttp2_nv *nva = arena_alloc(arena, (head->headers.count + 1) * sizeof(*nva));
    char *status = arena_alloc(arena, 3);
    status[0] = (char)('0' + head->status / 100 % 10);
    status[1] = (char)('0' + head->status / 10 % 10);
    status[2] = (char)('0' + head->status % 10);
    size_t count = 0;
    nva[count++] = nv_of(SLICE(":status"), slice_of(status, 3), FIELD_STAYS);
    append_headers(nva, &count, &head->headers, FIELD_STAYS);
    *out_nva = nva;
    return count;
}

size_t h2_fields_of_request(const struct request_head *head, struct arena *arena,
                            nghttp2_nv **out_nva) {
    nghttp2_nv *nva = arena_alloc(arena, (head->headers.count + 4) * sizeof(*nva));
    size_t count = 0;
    nva[count++] = nv_of(SLICE(":method"), head->method, NGHTTP2_NV_FLAG_NONE);
    nva[count++] = nv_of(SLICE(":scheme"), head->scheme, NGHTTP2_NV_FLAG_NONE);
    nva[count++] = nv_of(SLICE(":authority"), head->authority, NGHTTP2_NV_FLAG_NONE);
    nva[count++] = nv_of(SLICE(":path"), head->path, NGHTTP2_NV_FLAG_NONE);
    append_headers(nva, &count, &head->headers, NGHTTP2_NV_FLAG_NONE);
    *out_nva = nva;
    return count;
}

size_t h2_fields_of_trailers(const struct headers *trailers, struct arena *arena,
                             nghttp2_nv **out_nva) {
    nghttp2_nv *nva = arena_alloc(arena, (trailers->count + 1) * sizeof(*nva));
    size_t count = 0;
    append_headers(nva, &count, trailers, FIELD_STAYS);
    *out_nva = nva;
    return count;
}

static void append_headers(nghttp2_nv *nva, size_t *count, const struct headers *headers,
                           uint8_t flags) {
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct header *row = &headers->rows[i];
        // Secrets never enter the compression table (RFC 7541 section 7.1.3).
        bool is_secret = row->id == HEADER_SET_COOKIE || row->id == HEADER_COOKIE ||
                         row->id == HEADER_AUTHORIZATION;
        uint8_t own = is_secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
        own |= row->id == HEADER_OTHER ? flags & NGHTTP2_NV_FLAG_NO_COPY_VALUE : flags;
        nva[(*count)++] = nv_of(row->name, row->value, own);
    }
}

static nghttp2_nv nv_of(struct slice name, struct slice value, uint8_t flags) {
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.data,
                        .value = (uint8_t *)(uintptr_t)value.data,
                        .namelen = name.length,
                        .valuelen = value.length,
                        .flags = flags};
}
