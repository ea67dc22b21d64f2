// SPDX-License-Identifier: Apache-2.0
// A client's end of a connection, HTTP/2 or HTTP/1. It says what it is told, right or wrong, and
// reads without tolerance what comes: well-formed frames and heads in their order, content that was
// asked for here, never an end that is none, no promise where none may be.
// Owner: the world. See also: fuzz_client_h1.c, fuzz_client_h2.c.
#ifndef OUTRIDER_FUZZ_CLIENT_H
#define OUTRIDER_FUZZ_CLIENT_H

#include <nghttp2/nghttp2.h>

#include "fuzz_world.h"
#include "http/h1_reader.h"

enum { FUZZ_STREAMS = 128, FUZZ_PIPELINE = 32 };

// One response as it comes.
struct fuzz_answer {
    struct fuzz_asked asked;
    bool is_known;     // what was asked
    bool may_be_local; // the proxy may answer it itself (Max-Forwards)
    bool is_head_request;
    bool has_head, is_over, was_reset, is_of_proxy;
    int status;
    int64_t length;  // of the content, as its head says; -1: it does not
    uint64_t places; // of the content so far
    uint32_t sum;    // of the content, so that two can be compared
};

struct fuzz_stream {
    int32_t id;
    struct fuzz_answer answer;
    bool is_ended_here;  // the client said END_STREAM or RST_STREAM
    bool was_reset_here; // the latter
    uint64_t sent;       // content of the request
    uint64_t window;     // the most that the server may ever have sent
    uint64_t received;
};

struct fuzz_client {
    struct fuzz_world *world;
    struct conn *conn;
    bool is_gone;
    bool is_slow; // as of an origin
    bool is_h2;
    bool is_wild; // it said raw bytes
    bool has_left;
    struct buffer incoming;
    // HTTP/2
    bool has_settings; // of the server
    bool takes_pushes; // it never said otherwise
    bool is_rude;      // answers neither PING nor SETTINGS
    int32_t last_id, last_promised;
    struct fuzz_stream streams[FUZZ_STREAMS];
    unsigned stream_count;
    uint64_t window, received; // of the connection, as above
    uint64_t initial_window;   // the largest it ever said
    struct buffer block;       // of HEADERS or PUSH_PROMISE, until END_HEADERS
    uint8_t block_type, block_flags;
    int32_t block_id, block_promised;
    nghttp2_hd_inflater *inflater;
    // HTTP/1
    struct fuzz_answer pipeline[FUZZ_PIPELINE];
    unsigned asked_count, answered_count;
    struct h1_reader *reader;
    struct arena *arena;   // of the response that comes
    uint64_t content_left; // of the request under way
    bool is_chunked;
    uint64_t content_sent;
    unsigned content_number;
};

// `kind`: 0 HTTP/2 over TLS, 1 HTTP/1 over TLS, 2 and 3 the same in cleartext; and four times the
// index of its address.
struct fuzz_client *fuzz_client_create(struct fuzz_world *world, unsigned kind,
                                       struct fuzz_input *input);
// HTTP/2 in cleartext or TLS that says nothing by itself, not even the preface.
struct fuzz_client *fuzz_client_create_raw(struct fuzz_world *world, bool is_tls);
void fuzz_client_destroy(struct fuzz_client *client);
void fuzz_client_say(struct fuzz_client *client, struct slice bytes);
void fuzz_client_say_raw(struct fuzz_client *client, struct slice bytes); // checks get weaker
void fuzz_client_hear(struct fuzz_client *client);
void fuzz_client_leave(struct fuzz_client *client, bool is_reset);
void fuzz_client_on_gone(struct fuzz_client *client); // the conn has ended

// By the input's bytes.
void fuzz_client_request(struct fuzz_client *client, struct fuzz_input *input);
void fuzz_client_content(struct fuzz_client *client, struct fuzz_input *input);
void fuzz_client_control(struct fuzz_client *client, struct fuzz_input *input); // HTTP/2

// --- for fuzz_client_h1.c and fuzz_client_h2.c ---
void fuzz_answer_head(struct fuzz_client *client, struct fuzz_answer *answer, int status,
                      struct slice tag, bool is_of_proxy);
void fuzz_answer_cookie(struct fuzz_client *client, struct slice set_cookie);
void fuzz_answer_content(struct fuzz_client *client, struct fuzz_answer *answer,
                         struct slice bytes);
void fuzz_answer_end(struct fuzz_client *client, struct fuzz_answer *answer);
// Fields of a request, "name", "value", ...: the same for both protocols.
struct fuzz_wish {
    const char *method;
    const char *authority;
    char path[96];
    char cookie[1300];
    char text[64];     // of a field
    char asked_as[64]; // what path would say, for paths that don't
    bool is_absolute;  // HTTP/1: its target is a whole URL
    struct fuzz_asked asked;
    const char *fields[32][2];
    size_t field_count;
    bool has_content;
    int64_t announced; // content-length, -1: none
};
void fuzz_wish_make(struct fuzz_client *client, struct fuzz_input *input,
                    struct fuzz_wish *out_wish);

void fuzz_h1_client_close(struct fuzz_client *client);
void fuzz_h1_client_hear(struct fuzz_client *client);
void fuzz_h1_client_request(struct fuzz_client *client, struct fuzz_input *input);
void fuzz_h1_client_content(struct fuzz_client *client, struct fuzz_input *input);
void fuzz_h1_client_on_gone(struct fuzz_client *client);
void fuzz_h2_client_open(struct fuzz_client *client);
void fuzz_h2_client_greet(struct fuzz_client *client, struct fuzz_input *input);
void fuzz_h2_client_close(struct fuzz_client *client);
void fuzz_h2_client_hear(struct fuzz_client *client);
void fuzz_h2_client_request(struct fuzz_client *client, struct fuzz_input *input);
void fuzz_h2_client_content(struct fuzz_client *client, struct fuzz_input *input);

#endif
