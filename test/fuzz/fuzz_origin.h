// SPDX-License-Identifier: Apache-2.0
// The origin's end of a connection. It reads requests without tolerance (one at a time, well
// framed, nothing of one hop, content as the client sent it, POST once) and answers as it is told.
// Owner: the world.
#ifndef OUTRIDER_FUZZ_ORIGIN_H
#define OUTRIDER_FUZZ_ORIGIN_H

#include "fuzz_h1.h"
#include "fuzz_world.h"

struct fuzz_origin {
    struct fuzz_world *world;
    struct conn *conn;
    bool is_gone; // the conn has ended
    bool has_left;
    bool is_slow; // what it says stays in the kernel until the next turn
    struct buffer heard;
    // The request that was heard last.
    bool has_request;
    bool is_request_complete;
    bool is_head_request;
    struct fuzz_asked asked;
    struct fuzz_h1_body body;
    uint64_t body_heard;
    // Its response.
    bool has_head;
    bool is_complete;
    bool is_chunked;
    bool is_until_close;
    bool is_tainted; // nothing more may be asked on this connection
    bool is_garbled; // raw bytes were said: it does not know itself where it stands
    uint64_t said, length;
};

struct fuzz_origin *fuzz_origin_create(struct fuzz_world *world, struct conn *take_conn);
void fuzz_origin_destroy(struct fuzz_origin *origin);
void fuzz_origin_hear(struct fuzz_origin *origin);           // what the kernel took
bool fuzz_origin_is_asked(const struct fuzz_origin *origin); // and has not answered all of it

// Status, framing and fields by the input's bytes.
void fuzz_origin_say_head(struct fuzz_origin *origin, struct fuzz_input *input);
void fuzz_origin_say_interim(struct fuzz_origin *origin, struct fuzz_input *input);
void fuzz_origin_say_content(struct fuzz_origin *origin, uint64_t most); // the end comes with it
void fuzz_origin_say_raw(struct fuzz_origin *origin, struct slice bytes);
void fuzz_origin_answer(struct fuzz_origin *origin); // politely, the whole of it
void fuzz_origin_leave(struct fuzz_origin *origin, bool is_reset);

#endif
