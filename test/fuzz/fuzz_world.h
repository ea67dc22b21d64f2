// SPDX-License-Identifier: Apache-2.0
// A worker in memory: the real front, relay, origin pool and what is remembered, over fake conns, a
// fake dialer and a clock that the target moves. Clients are fuzz_client.h, origins fuzz_origin.h;
// both know what is right to come and check it.
//
// What is asked for says what is to come: the path "/a/3?17.200" is of kind "a" (which route) and
// page 3, asked for by request 17, and its content has 200 bytes, which follow from 17 and their
// place. So any byte that reaches the wrong request is seen.
// Owner: the target. One at a time, one thread.
#ifndef OUTRIDER_FUZZ_WORLD_H
#define OUTRIDER_FUZZ_WORLD_H

#include "base/list.h"
#include "base/memory_gauge.h"
#include "config/config.h"
#include "config/router.h"
#include "front/front.h"
#include "fuzz.h"
#include "fuzz_loop.h"
#include "push/push_memory.h"
#include "worker/service.h"

enum {
    FUZZ_ORIGINS = 32,  // connections to origins, in the life of a world
    FUZZ_CLIENTS = 6,   // clients, likewise
    FUZZ_CONFIGS = 3,   // generous, narrow, and the rest of what there is
    FUZZ_REQUESTS = 300 // numbers of requests; from FUZZ_PARTS on those of pushed parts
};
enum { FUZZ_PARTS = 290, FUZZ_UNKNOWN = FUZZ_REQUESTS };

// What a path asks for.
struct fuzz_asked {
    unsigned number; // FUZZ_UNKNOWN: the path is not one of ours
    uint32_t length; // of the content
    char kind;
};
struct fuzz_asked fuzz_asked_of(struct slice path);
char fuzz_content_byte(unsigned number, uint64_t place);
// Of kind 'e': server-sent events instead.
void fuzz_content(const struct fuzz_asked *asked, uint64_t place, char *out, size_t length);
bool fuzz_content_is(const struct fuzz_asked *asked, uint64_t place, struct slice bytes);

struct fuzz_origin;
struct fuzz_client;
struct dialer;

struct fuzz_world {
    struct loop loop;
    struct push_memory memory;
    struct memory_gauge gauge;
    struct front front;
    struct service *service;
    unsigned config; // in force
    struct access_log *log;
    struct list dialers;
    unsigned dialer_count;
    struct fuzz_origin *origins[FUZZ_ORIGINS];
    unsigned origin_count;
    struct fuzz_client *clients[FUZZ_CLIENTS];
    unsigned client_count;
    unsigned requests; // made so far
    bool is_wild;      // some client said what no request op says: contents of requests are free
    char jar[1200];    // the value of the cookie of ours that was set last; "" none
    bool has_garbled;  // some origin said raw bytes as a response
    bool is_draining, has_drained;
    struct {
        bool is_garbled;   // its response was raw bytes: not checked
        bool may_be_short; // it lasted until the close, which came early
        uint8_t posts;     // times that it was delivered, when that must be once
        uint64_t content;  // said with the request
    } asked[FUZZ_REQUESTS + 1];
};

void fuzz_world_open(struct fuzz_world *world, unsigned config);
// Everybody leaves; then everything must be over: nothing open, no gauge up, no memory left.
void fuzz_world_close(struct fuzz_world *world);

// The turn ends; what left is read and checked; conns that were ended end.
void fuzz_world_turn(struct fuzz_world *world);
// Time goes by: timers expire, and deadlines of conns that are due are told.
void fuzz_world_pass(struct fuzz_world *world, uint64_t ms);
// The oldest dialer succeeds or fails; false when there is none.
bool fuzz_world_connect(struct fuzz_world *world);
bool fuzz_world_refuse(struct fuzz_world *world, enum fault fault);
void fuzz_world_reload(struct fuzz_world *world, unsigned config);
void fuzz_world_drain(struct fuzz_world *world);
// Origins answer all that is asked, politely, and turns pass until nothing more moves.
void fuzz_world_settle(struct fuzz_world *world);

#endif
