// SPDX-License-Identifier: Apache-2.0
#include "fake_handler.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/ensure.h"

// Of one exchange; lives in its arena.
struct answer {
    struct fake_handler *fake;
    uint64_t big_left;
    uint64_t big_sent;
};

static void start(struct exchange *x, void *user);
static void on_body(struct exchange *x, struct slice bytes);
static void on_request_end(struct exchange *x, const struct headers *trailers);
static void on_drained(struct exchange *x);
static void on_closed(struct exchange *x, enum fault fault);
static void send_big(struct exchange *x);
static void note(struct fake_handler *fake, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static const struct exchange_handler_ops ops = {
    .start = start,
    .on_body = on_body,
    .on_request_end = on_request_end,
    .on_drained = on_drained,
    .on_closed = on_closed,
};

void fake_handler_init(struct fake_handler *fake) {
    *fake = (struct fake_handler){
        .handler = {.ops = &ops, .user = fake},
        .answer = FAKE_ANSWER_AT_END,
        .status = 200,
        .body = SLICE("hello"),
    };
}

void fake_handler_finish(struct fake_handler *fake) {
    ensure(fake->started == fake->closed);
    buffer_finish(&fake->record);
    buffer_finish(&fake->content);
}

const char *fake_handler_record(struct fake_handler *fake) {
    static _Thread_local char text[8192];
    struct slice record = buffer_peek(&fake->record);
    ensure(record.length < sizeof(text));
    memcpy(text, record.data, record.length);
    text[record.length] = '\0';
    buffer_finish(&fake->record);
    return text;
}

static void start(struct exchange *x, void *user) {
    struct fake_handler *fake = user;
    struct answer *answer = arena_new(x->arena, struct answer);
    answer->fake = fake;
    x->handler_user = answer;
    fake->x = x;
    fake->started++;
    note(fake, "start %.*s %.*s %.*s%.*s\n", SLICE_ARGS(x->request.method),
         SLICE_ARGS(x->request.scheme), SLICE_ARGS(x->request.authority),
         SLICE_ARGS(x->request.path));
    bool is_complete = x->request_state == EXCHANGE_REQUEST_ENDED;
    if (fake->answer == FAKE_ANSWER_AT_START ||
        (fake->answer == FAKE_ANSWER_AT_END && is_complete)) {
        fake_handler_answer(fake, x);
    }
}

static void on_body(struct exchange *x, struct slice bytes) {
    struct fake_handler *fake = ((struct answer *)x->handler_user)->fake;
    buffer_append_slice(&fake->content, bytes);
    if (!fake->holds_content) {
        exchange_request_consumed(x, bytes.length);
    }
}

static void on_request_end(struct exchange *x, const struct headers *trailers) {
    struct fake_handler *fake = ((struct answer *)x->handler_user)->fake;
    note(fake, "end");
    for (uint32_t i = 0; trailers != NULL && i < trailers->count; i++) {
        note(fake, " %.*s=%.*s", SLICE_ARGS(trailers->rows[i].name),
             SLICE_ARGS(trailers->rows[i].value));
    }
    note(fake, "\n");
    if (fake->answer == FAKE_ANSWER_AT_END) {
        fake_handler_answer(fake, x);
    }
}

static void on_drained(struct exchange *x) {
    struct answer *answer = x->handler_user;
    if (answer->big_left > 0) {
        send_big(x);
    } else {
        note(answer->fake, "drained\n");
    }
}

static void on_closed(struct exchange *x, enum fault fault) {
    struct fake_handler *fake = ((struct answer *)x->handler_user)->fake;
    note(fake, "closed %s\n", fault_name(fault));
    fake->closed++;
    if (fake->x == x) {
        fake->x = NULL;
    }
}

void fake_handler_answer(struct fake_handler *fake, struct exchange *x) {
    if (fake->fail_with != FAULT_NONE) {
        exchange_fail(x, fake->fail_with);
        return;
    }
    struct answer *answer = x->handler_user;
    answer->big_left = fake->big_bytes;
    uint64_t length = fake->big_bytes > 0 ? fake->big_bytes : fake->body.length;
    fake_handler_send_head(x, fake->status,
                           fake->is_length_unknown ? BODY_UNKNOWN : (int64_t)length);
    if (x->is_head_request) {
        exchange_finish(x, NULL);
    } else if (answer->big_left > 0) {
        send_big(x);
    } else {
        exchange_send_body(x, fake->body);
        exchange_finish(x, NULL);
    }
}

void fake_handler_send_head(struct exchange *x, int status, int64_t content_length) {
    struct response_head head = {.status = status, .content_length = content_length};
    headers_init(&head.headers, x->arena);
    headers_add_id(&head.headers, HEADER_CONTENT_TYPE, SLICE("text/plain"));
    if (content_length != BODY_UNKNOWN) {
        headers_add_id(&head.headers, HEADER_CONTENT_LENGTH,
                       arena_printf(x->arena, "%lld", (long long)content_length));
    }
    exchange_send_head(x, &head);
}

static void send_big(struct exchange *x) {
    struct answer *answer = x->handler_user;
    size_t room;
    while (answer->big_left > 0 && (room = exchange_room(x)) > 0) {
        char piece[10000];
        size_t length = room < sizeof(piece) ? room : sizeof(piece);
        length = answer->big_left < length ? (size_t)answer->big_left : length;
        for (size_t i = 0; i < length; i++) {
            piece[i] = fake_handler_big_byte(answer->big_sent + i);
        }
        answer->big_sent += length;
        answer->big_left -= length;
        exchange_send_body(x, slice_of(piece, length));
    }
    if (answer->big_left == 0) {
        exchange_finish(x, NULL);
    }
}

static void note(struct fake_handler *fake, const char *format, ...) {
    char text[16384];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ensure(length >= 0 && (size_t)length < sizeof(text));
    buffer_append(&fake->record, text, (size_t)length);
}
