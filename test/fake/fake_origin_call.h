// SPDX-License-Identifier: Apache-2.0
// origin/origin_call.h in memory: calls are written down, and the test plays the origin. Keeps the
// promises of the header (no event after cancel or the end) and checks those of the user.
// Owner: the test. One thread. See also: origin/origin_call.h.
#ifndef OUTRIDER_FAKE_ORIGIN_CALL_H
#define OUTRIDER_FAKE_ORIGIN_CALL_H

#include "base/buffer.h"
#include "origin/origin_call.h"

enum { FAKE_ORIGIN_CALLS = 64 };

struct origin_call { // lives in the pool, so that it can be looked at when it is over
    struct origin_pool *pool;
    unsigned number; // 1 is the first
    struct origin_call_options options;
    const struct request_head *head;
    struct arena *arena;
    const struct origin_call_events *events;
    void *user;
    struct buffer content; // of the request
    bool is_request_ended;
    bool is_over; // ended, failed or cancelled
    bool has_head;
    bool has_response_bytes;
    bool was_reused;
    enum fault fault;
};

struct origin_pool {
    bool is_reused;    // what the next calls say of their connection
    bool is_gathering; // 1xx are read together with what follows them
    struct buffer record;
    struct origin_call calls[FAKE_ORIGIN_CALLS];
    unsigned call_count;
};

void fake_origin_init(struct origin_pool *pool);
void fake_origin_finish(struct origin_pool *pool); // no call may be left
// "1 start app0 GET a.example/page push retry\n1 write 3\n1 finish x=y\n1 resume\n1 cancel\n".
// Starts a new record; valid until the next call.
const char *fake_origin_record(struct origin_pool *pool);
// The n-th from 1 on; NULL when there is none.
struct origin_call *fake_origin_call(struct origin_pool *pool, unsigned number);
// All request fields of that name, joined by " | ". Valid until the next call of this.
const char *fake_origin_request_field(const struct origin_call *call, const char *name);

// The origin's side. `fields` are lines, "name: value\nname: value".
void fake_origin_interim(struct origin_call *call, int status, const char *fields);
void fake_origin_head(struct origin_call *call, int status, const char *fields);
void fake_origin_body(struct origin_call *call, const char *bytes);
void fake_origin_end(struct origin_call *call, const char *trailers); // NULL: none
void fake_origin_fail(struct origin_call *call, enum fault fault);
void fake_origin_taken(struct origin_call *call, size_t bytes);
size_t fake_origin_room(struct origin_call *call); // as the user says

#endif
