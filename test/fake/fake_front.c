// SPDX-License-Identifier: Apache-2.0
#include "fake_front.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/ensure.h"

static void interim(struct exchange *x, const struct response_head *head);
static void head(struct exchange *x, const struct response_head *head);
static void body(struct exchange *x, struct slice bytes);
static void finish(struct exchange *x, const struct headers *trailers);
static void fail(struct exchange *x, enum fault fault);
static struct exchange *promise(struct exchange *x, const struct request_head *request,
                                struct priority priority);
static unsigned promise_room(const struct exchange *x);
static void consumed(struct exchange *x, size_t bytes);
static size_t room(const struct exchange *x);
static struct exchange *open_stream(struct fake_front *front);
static void copy_head(struct fake_front *front, const struct response_head *from,
                      struct response_head *out_head);
static void copy_headers(struct fake_front *front, const struct headers *from,
                         struct headers *out_headers);
static void note(const struct exchange *x, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static const struct exchange_front_ops ops = {
    .interim = interim,
    .head = head,
    .body = body,
    .finish = finish,
    .fail = fail,
    .promise = promise,
    .promise_room = promise_room,
    .consumed = consumed,
    .room = room,
};

static const struct exchange_front_ops ops_without_promises = {
    .interim = interim,
    .head = head,
    .body = body,
    .finish = finish,
    .fail = fail,
    .consumed = consumed,
    .room = room,
};

void fake_front_init(struct fake_front *front, struct handler handler) {
    *front = (struct fake_front){.handler = handler, .room = 65536, .promise_room = 100};
    front->arena = arena_create();
    front->client = (struct client){.address = SLICE("192.0.2.7"),
                                    .port = 4711,
                                    .local_port = 8443,
                                    .protocol = PROTOCOL_HTTP_2,
                                    .is_tls = true,
                                    .id = 17};
    clock_update(&front->clock, 1000, 784111777042);
}

void fake_front_finish(struct fake_front *front) {
    for (unsigned i = 0; i < front->stream_count; i++) {
        if (front->streams[i].x != NULL) {
            fake_front_close(&front->streams[i], FAULT_CLIENT_GONE);
        }
        buffer_finish(&front->streams[i].body);
    }
    if (front->client.memory != NULL) {
        front->client.memory_destroy(front->client.memory);
    }
    buffer_finish(&front->record);
    arena_destroy(front->arena);
}

struct exchange *fake_front_open(struct fake_front *front, const char *authority,
                                 const char *path) {
    struct exchange *x = open_stream(front);
    x->request = (struct request_head){.method = SLICE("GET"),
                                       .scheme = SLICE("https"),
                                       .authority = slice_of_text(authority),
                                       .path = slice_of_text(path),
                                       .is_end = true};
    headers_init(&x->request.headers, x->arena);
    return x;
}

void fake_front_add(struct exchange *x, const char *name, const char *value) {
    headers_add(&x->request.headers, slice_of_text(name), slice_of_text(value));
}

struct fake_stream *fake_front_start(struct exchange *x) {
    struct fake_stream *stream = x->front_user;
    request_head_copy(&x->request, stream->front->arena, &stream->request);
    exchange_start(x, stream->front->handler);
    return stream;
}

void fake_front_close(struct fake_stream *stream, enum fault fault) {
    struct exchange *x = stream->x;
    exchange_close(x, fault);
    stream->x = NULL;
    stream->fault = x->fault;
    stream->story = x->story;
    stream->story.origin = arena_copy(stream->front->arena, x->story.origin);
    stream->story.skipped = arena_copy(stream->front->arena, x->story.skipped);
    exchange_destroy(x);
}

struct fake_stream *fake_front_stream(const struct exchange *x) {
    return x->front_user;
}

const char *fake_front_record(struct fake_front *front) {
    const char *text = arena_copy(front->arena, buffer_peek(&front->record)).data;
    buffer_finish(&front->record);
    return text;
}

const char *fake_front_field(struct fake_stream *stream, const struct headers *headers,
                             const char *name) {
    struct arena *arena = stream->front->arena;
    struct slice all = SLICE_EMPTY;
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct header *row = &headers->rows[i];
        if (slice_equal(row->name, slice_of_text(name))) {
            all = all.length > 0
                      ? arena_printf(arena, "%.*s | %.*s", SLICE_ARGS(all), SLICE_ARGS(row->value))
                      : arena_copy(arena, row->value);
        }
    }
    return all.data;
}

const char *fake_front_body(struct fake_stream *stream) {
    return arena_copy(stream->front->arena, buffer_peek(&stream->body)).data;
}

// --- what the handler sends ----------------------------------------------------------------------

static void interim(struct exchange *x, const struct response_head *interim_head) {
    struct fake_stream *stream = x->front_user;
    copy_head(stream->front, interim_head, &stream->interim);
    note(x, "interim %d", interim_head->status);
}

static void head(struct exchange *x, const struct response_head *response_head) {
    struct fake_stream *stream = x->front_user;
    ensure(stream->head.status == 0);
    copy_head(stream->front, response_head, &stream->head);
    note(x, "head %d", response_head->status);
}

static void body(struct exchange *x, struct slice bytes) {
    struct fake_stream *stream = x->front_user;
    ensure(stream->head.status != 0 && !stream->is_finished);
    buffer_append_slice(&stream->body, bytes);
    note(x, "body %zu", bytes.length);
}

static void finish(struct exchange *x, const struct headers *trailers) {
    struct fake_stream *stream = x->front_user;
    ensure(stream->head.status != 0 && !stream->is_finished);
    stream->is_finished = true;
    if (trailers == NULL) {
        note(x, "finish");
        return;
    }
    copy_headers(stream->front, trailers, &stream->trailers);
    struct slice text = SLICE_EMPTY;
    for (uint32_t i = 0; i < trailers->count; i++) {
        text =
            arena_printf(x->arena, "%.*s %.*s=%.*s", SLICE_ARGS(text),
                         SLICE_ARGS(trailers->rows[i].name), SLICE_ARGS(trailers->rows[i].value));
    }
    note(x, "finish%.*s", SLICE_ARGS(text));
}

static void fail(struct exchange *x, enum fault fault) {
    struct fake_stream *stream = x->front_user;
    ensure(!stream->is_finished && stream->reset == FAULT_NONE);
    stream->reset = fault;
    note(x, "fail %s", fault_name(fault));
}

static struct exchange *promise(struct exchange *x, const struct request_head *request,
                                struct priority priority) {
    struct fake_front *front = fake_front_stream(x)->front;
    if (front->refuses_promises) {
        return NULL;
    }
    ensure(front->promise_room > 0);
    front->promise_room--;
    struct exchange *promised = open_stream(front);
    request_head_copy(request, promised->arena, &promised->request);
    promised->is_promised = true;
    promised->page = x;
    promised->page_path = arena_copy(promised->arena, x->request.path);
    fake_front_stream(promised)->priority = priority;
    note(x, "promise %u %.*s u=%u%s", fake_front_stream(promised)->number,
         SLICE_ARGS(request->path), (unsigned)priority.urgency,
         priority.is_incremental ? " i" : "");
    fake_front_start(promised);
    promised->page = NULL;
    return promised;
}

static unsigned promise_room(const struct exchange *x) {
    return fake_front_stream(x)->front->promise_room;
}

static void consumed(struct exchange *x, size_t bytes) {
    fake_front_stream(x)->consumed += bytes;
    note(x, "consumed %zu", bytes);
}

static size_t room(const struct exchange *x) {
    return fake_front_stream(x)->front->room;
}

// --- memory --------------------------------------------------------------------------------------

static struct exchange *open_stream(struct fake_front *front) {
    ensure(front->stream_count < FAKE_FRONT_STREAMS);
    struct fake_stream *stream = &front->streams[front->stream_count++];
    stream->front = front;
    stream->number = front->stream_count;
    stream->x = exchange_create(front->has_no_promises ? &ops_without_promises : &ops, stream);
    stream->x->client = &front->client;
    stream->x->clock = &front->clock;
    stream->x->stream_id = stream->number;
    return stream->x;
}

static void copy_head(struct fake_front *front, const struct response_head *from,
                      struct response_head *out_head) {
    *out_head = *from;
    copy_headers(front, &from->headers, &out_head->headers);
}

static void copy_headers(struct fake_front *front, const struct headers *from,
                         struct headers *out_headers) {
    headers_init(out_headers, front->arena);
    for (uint32_t i = 0; i < from->count; i++) {
        headers_add(out_headers, from->rows[i].name, from->rows[i].value);
    }
}

static void note(const struct exchange *x, const char *format, ...) {
    struct fake_stream *stream = x->front_user;
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ensure(length >= 0 && (size_t)length < sizeof(text));
    struct slice line =
        arena_printf(stream->front->arena, "%u %.*s\n", stream->number, length, text);
    buffer_append_slice(&stream->front->record, line);
}
