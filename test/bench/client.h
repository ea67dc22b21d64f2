// SPDX-License-Identifier: Apache-2.0
//
// One connection of a load generator: TLS 1.3 and HTTP/2 by nghttp2, over epoll. The load says what
// to ask for, and hears of what came.
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

struct client;

struct stream {
    struct client *client;
    int64_t begun_ns; // when the load wanted it to begin
    int32_t id;
    int status;
    unsigned hints; // 103s before the final head
    bool is_pushed;
    uint64_t size;
    struct stream *next;
    struct stream *before;
};

// What a load hears.
struct client_events {
    void (*on_open)(struct client *client); // the handshake is done
    // All streams end here, the pushed ones too.
    void (*on_stream_end)(struct client *client, struct stream *stream, bool is_good);
    void (*on_end)(struct client *client, bool is_good); // last
};

struct client {
    const struct client_events *events;
    int fd;
    SSL *ssl;
    nghttp2_session *h2;
    bool is_open;
    bool is_closing; // by us, as soon as all is written
    bool is_deaf;    // reads no more
    bool waits_for_room;
    bool is_dirty;  // has something to write at the end of the turn
    bool is_reused; // the handshake resumed an earlier session
    struct client *next_dirty;
    struct stream *streams;
    unsigned open_streams;
    uint64_t requests; // made so far
    uint64_t number;   // the load's own
    char *unsent;
    size_t unsent_size;
};

struct client_options {
    const char *host;
    int port;
    bool takes_push;
    bool resumes;
    nghttp2_nv fields[64]; // of each request, after the pseudo fields
    size_t field_count;
};

void client_setup(const struct client_options *options);

// Begins a connection. The memory is the caller's.
void client_start(struct client *client, const struct client_events *events);

// Asks for a path.
void client_request(struct client *client, const char *path, int64_t begun_ns);

// Ends the connection politely, when what is to be written is out.
void client_close(struct client *client);

// Ends it now, without a call of on_end.
void client_drop(struct client *client);

// Reads no more from the socket.
void client_be_deaf(struct client *client);

// Waits for events until the time is there (0: does not wait), and works on them. Returns how many.
int client_turn(int64_t until_ns);

int64_t now_ns(void);

void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
