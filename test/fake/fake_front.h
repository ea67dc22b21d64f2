// SPDX-License-Identifier: Apache-2.0
// A front without a connection: opens exchanges, writes down in one record what the handler has
// sent on all of them, and keeps heads and content of each. Promises become exchanges of the same
// handler, as in HTTP/2. Owner: the test. One thread. See also: http/exchange.h.
#ifndef OUTRIDER_FAKE_FRONT_H
#define OUTRIDER_FAKE_FRONT_H

#include "base/buffer.h"
#include "http/exchange.h"

enum { FAKE_FRONT_STREAMS = 64 };

struct fake_stream {
    struct fake_front *front;
    struct exchange *x; // NULL once closed
    unsigned number;    // 1 is the first
    struct priority priority;
    struct request_head request;  // a copy
    struct response_head head;    // the final one, a copy; status 0: none came
    struct response_head interim; // the last one
    struct headers trailers;
    struct buffer body;
    size_t consumed; // request content given back
    bool is_finished;
    enum fault reset;            // what fail() said
    enum fault fault;            // how it ended, once closed
    struct exchange_story story; // once closed
};

struct fake_front {
    struct handler handler; // for every exchange

    // What it does; may be changed at any time.
    struct clock clock;
    struct client client;
    size_t room;           // of each stream
    unsigned promise_room; // goes down with each promise
    bool refuses_promises; // although there is room
    bool has_no_promises;  // as HTTP/1; before fake_front_open

    struct arena *arena;
    struct buffer record;
    struct fake_stream streams[FAKE_FRONT_STREAMS];
    unsigned stream_count;
};

void fake_front_init(struct fake_front *front, struct handler handler);
// The client leaves; then everything is freed.
void fake_front_finish(struct fake_front *front);

// "GET" and no content, not started: add fields, change what you like, then exchange_start.
struct exchange *fake_front_open(struct fake_front *front, const char *authority, const char *path);
void fake_front_add(struct exchange *x, const char *name, const char *value);
struct fake_stream *fake_front_start(struct exchange *x);
void fake_front_close(struct fake_stream *stream, enum fault fault);
struct fake_stream *fake_front_stream(const struct exchange *x);

// "1 interim 103\n1 promise 2 /a.css u=1 i\n1 head 200\n1 body 5\n1 finish x=y\n1 consumed 3\n
// 1 fail origin_cut\n". Starts a new record; valid until the next call.
const char *fake_front_record(struct fake_front *front);
// All fields of that name, joined by " | "; "" when there are none. Valid as long as the front.
const char *fake_front_field(struct fake_stream *stream, const struct headers *headers,
                             const char *name);
const char *fake_front_body(struct fake_stream *stream);

#endif
