// SPDX-License-Identifier: Apache-2.0
#include "fake_origin_call.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/ensure.h"

static void note(struct origin_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static struct response_head make_head(struct origin_call *call, int status, const char *fields);
static void add_fields(struct headers *headers, const char *fields);
static void check_alive(const struct origin_call *call);

void fake_origin_init(struct origin_pool *pool) {
    *pool = (struct origin_pool){.call_count = 0};
}

void fake_origin_finish(struct origin_pool *pool) {
    for (unsigned i = 0; i < pool->call_count; i++) {
        ensure(pool->calls[i].is_over);
        buffer_finish(&pool->calls[i].content);
    }
    buffer_finish(&pool->record);
}

const char *fake_origin_record(struct origin_pool *pool) {
    static _Thread_local char text[8192];
    struct slice record = buffer_peek(&pool->record);
    ensure(record.length < sizeof(text));
    memcpy(text, record.data, record.length);
    text[record.length] = '\0';
    buffer_finish(&pool->record);
    return text;
}

struct origin_call *fake_origin_call(struct origin_pool *pool, unsigned number) {
    return number <= pool->call_count ? &pool->calls[number - 1] : NULL;
}

const char *fake_origin_request_field(const struct origin_call *call, const char *name) {
    static _Thread_local char text[4096];
    text[0] = '\0';
    check_alive(call); // the head is the exchange's
    for (uint32_t i = 0; i < call->head->headers.count; i++) {
        const struct header *row = &call->head->headers.rows[i];
        if (slice_equal(row->name, slice_of_text(name))) {
            size_t length = strlen(text);
            snprintf(text + length, sizeof(text) - length, "%s%.*s", length > 0 ? " | " : "",
                     SLICE_ARGS(row->value));
        }
    }
    return text;
}

// --- origin/origin_call.h ------------------------------------------------------------------------

struct origin_call *origin_call_start(struct origin_pool *pool,
                                      const struct origin_call_options *options,
                                      const struct request_head *head, struct arena *arena,
                                      const struct origin_call_events *events, void *user) {
    ensure(pool->call_count < FAKE_ORIGIN_CALLS);
    struct origin_call *call = &pool->calls[pool->call_count++];
    *call = (struct origin_call){.pool = pool,
                                 .number = pool->call_count,
                                 .options = *options,
                                 .head = head,
                                 .arena = arena,
                                 .events = events,
                                 .user = user,
                                 .is_request_ended = head->is_end,
                                 .was_reused = pool->is_reused && !options->is_retry};
    note(call, "start app%u %.*s %.*s%.*s%s%s", options->origin, SLICE_ARGS(head->method),
         SLICE_ARGS(head->authority), SLICE_ARGS(head->path), options->is_push ? " push" : "",
         options->is_retry ? " retry" : "");
    return call;
}

void origin_call_write(struct origin_call *call, struct slice bytes) {
    ensure(!call->is_request_ended && !call->is_over);
    buffer_append_slice(&call->content, bytes);
    note(call, "write %zu", bytes.length);
}

void origin_call_finish_request(struct origin_call *call, const struct headers *trailers) {
    ensure(!call->is_request_ended && !call->is_over);
    call->is_request_ended = true;
    char text[1024] = "";
    for (uint32_t i = 0; trailers != NULL && i < trailers->count; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof(text) - length, " %.*s=%.*s",
                 SLICE_ARGS(trailers->rows[i].name), SLICE_ARGS(trailers->rows[i].value));
    }
    note(call, "finish%s", text);
}

void origin_call_resume(struct origin_call *call) {
    ensure(!call->is_over);
    note(call, "resume");
}

void origin_call_cancel(struct origin_call *call) {
    if (!call->is_over) {
        call->is_over = true;
        note(call, "cancel");
    }
}

bool origin_call_may_retry(const struct origin_call *call) {
    return fault_may_retry(call->fault) && call->was_reused && !call->options.is_retry &&
           !call->has_response_bytes && buffer_length(&call->content) == 0;
}

bool origin_call_was_reused(const struct origin_call *call) {
    return call->was_reused;
}

// --- the origin's side ---------------------------------------------------------------------------

void fake_origin_interim(struct origin_call *call, int status, const char *fields) {
    check_alive(call);
    ensure(!call->has_head);
    call->has_response_bytes = true;
    struct response_head head = make_head(call, status, fields);
    call->events->on_interim(call->user, &head);
    if (!call->pool->is_gathering) {
        call->events->on_interims(call->user);
    }
}

void fake_origin_head(struct origin_call *call, int status, const char *fields) {
    check_alive(call);
    ensure(!call->has_head);
    call->has_response_bytes = true;
    call->has_head = true;
    struct response_head head = make_head(call, status, fields);
    call->events->on_head(call->user, &head);
}

void fake_origin_body(struct origin_call *call, const char *bytes) {
    check_alive(call);
    ensure(call->has_head);
    call->events->on_body(call->user, slice_of_text(bytes));
}

void fake_origin_end(struct origin_call *call, const char *trailers) {
    check_alive(call);
    ensure(call->has_head);
    call->is_over = true;
    struct headers *headers = NULL;
    if (trailers != NULL) {
        headers = arena_new(call->arena, struct headers);
        headers_init(headers, call->arena);
        add_fields(headers, trailers);
    }
    call->events->on_end(call->user, headers);
}

void fake_origin_fail(struct origin_call *call, enum fault fault) {
    check_alive(call);
    call->is_over = true;
    call->fault = fault;
    call->events->on_fail(call->user, fault);
}

void fake_origin_taken(struct origin_call *call, size_t bytes) {
    check_alive(call);
    call->events->on_taken(call->user, bytes);
}

size_t fake_origin_room(struct origin_call *call) {
    check_alive(call);
    return call->events->room(call->user);
}

static struct response_head make_head(struct origin_call *call, int status, const char *fields) {
    struct response_head head = {.status = status, .content_length = BODY_UNKNOWN};
    headers_init(&head.headers, call->arena);
    add_fields(&head.headers, fields);
    struct slice length = headers_value(&head.headers, HEADER_CONTENT_LENGTH);
    if (length.length > 0) {
        head.content_length = strtoll(length.data, NULL, 10); // the arena's copy ends with NUL
    }
    return head;
}

static void add_fields(struct headers *headers, const char *fields) {
    struct slice rest = slice_of_text(fields);
    while (rest.length > 0) {
        struct slice line = slice_first(rest, slice_find(rest, '\n'));
        rest = slice_skip(rest, line.length + 1);
        size_t colon = slice_find(line, ':');
        headers_add(headers, slice_first(line, colon), slice_trim(slice_skip(line, colon + 1)));
    }
}

static void check_alive(const struct origin_call *call) {
    ensure(!call->is_over);
}

static void note(struct origin_call *call, const char *format, ...) {
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ensure(length >= 0 && (size_t)length < sizeof(text));
    char line[1300];
    int line_length = snprintf(line, sizeof(line), "%u %s\n", call->number, text);
    buffer_append(&call->pool->record, line, (size_t)line_length);
}
