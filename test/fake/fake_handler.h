// SPDX-License-Identifier: Apache-2.0
// The smallest handler: it answers as the test says and writes down what it is told. For tests of
// the fronts. Owner: the test. One thread.
#ifndef OUTRIDER_FAKE_HANDLER_H
#define OUTRIDER_FAKE_HANDLER_H

#include "base/buffer.h"
#include "http/exchange.h"

enum fake_answer {
    FAKE_ANSWER_NEVER,    // the test itself calls exchange_send_head and so on
    FAKE_ANSWER_AT_START, // inside start, also before the request's content has come
    FAKE_ANSWER_AT_END,   // when the request is complete
};

struct fake_handler {
    struct handler handler; // for the front

    // What it does; may be changed at any time.
    enum fake_answer answer;
    int status;
    struct slice body;
    bool is_length_unknown; // of the response
    uint64_t big_bytes;     // instead of `body`: that many, as the front has room
    enum fault fail_with;   // instead of an answer
    bool holds_content;     // does not consume the request's content; the test does

    // What it was told: "start GET http a.example/path\nend\ndrained\nclosed none\n"
    struct buffer record;
    struct buffer content; // of all requests
    struct exchange *x;    // started last, NULL once closed
    unsigned started;
    unsigned closed;
};

void fake_handler_init(struct fake_handler *fake);
void fake_handler_finish(struct fake_handler *fake);
// The record so far; starts a new one. Valid until the next call of anything here.
const char *fake_handler_record(struct fake_handler *fake);

// Head, body and end as the settings say.
void fake_handler_answer(struct fake_handler *fake, struct exchange *x);
void fake_handler_send_head(struct exchange *x, int status, int64_t content_length);

// The byte at this place of a big body.
static inline char fake_handler_big_byte(uint64_t place) {
    return (char)('a' + place % 23);
}

#endif
