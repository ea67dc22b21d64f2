// SPDX-License-Identifier: Apache-2.0
// A real loop, pool and sockets, and an origin that the test plays line by line on the same thread.
// For test_origin.c and test_origin_pool.c. Everything that waits runs the loop meanwhile, and
// fails the test after some seconds.
#ifndef OUTRIDER_ORIGIN_SCENE_H
#define OUTRIDER_ORIGIN_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/buffer.h"
#include "config/config.h"
#include "net/loop.h"
#include "origin/origin_call.h"
#include "origin/origin_pool.h"

enum { SCENE_CONNS = 512 };

struct scene {
    struct loop loop;
    struct config *config; // may be changed until the first call
    struct origin_pool *pool;
    int listener;
    char path[64];        // of a unix socket
    int fds[SCENE_CONNS]; // accepted and not closed yet
    unsigned fd_count;
    unsigned open_before; // file descriptors of the process
};

// What a user does to its call inside an event.
enum user_act { USER_NOTHING, USER_CANCELS, USER_STARTS_ANOTHER };

// One call and what it was told.
struct user {
    struct scene *s;
    struct arena *arena;
    struct request_head head;
    struct origin_call_options options;
    struct origin_call *call;
    struct buffer log; // "interim 103\nhead 200 5\nend sum=1\nfail origin_cut\n"
    struct buffer body;
    struct headers *headers; // of the final head
    size_t taken;
    size_t room;       // goes down with each body byte
    unsigned gathered; // calls of on_interims
    bool is_over;
    enum fault fault;
    const char *act_at; // "interim", "interims", "head", "body", "taken", "end", "fail" or NULL
    enum user_act act;
    struct user *other; // started by USER_STARTS_ANOTHER,
    int stray_fd;       // after the origin said something more here, when it is not 0
};

// `origin` is YAML: options of the origin beside its url, or "".
void scene_open(struct scene *s, const char *origin);
void scene_open_unix(struct scene *s, const char *origin);
// Destroys the pool, ends everything, and checks that no descriptor stays open and no gauge up.
void scene_close(struct scene *s);
void scene_run(struct scene *s, unsigned ms);        // let things happen, or not
bool scene_step(struct scene *s, uint64_t until_ms); // false when it is later than that
uint64_t scene_limit(struct scene *s);
// A number of the origin's row: METRIC_AT_ORIGIN_OPENED and so on.
uint64_t scene_number(const struct scene *s, unsigned family_at);
// As others see it in the metrics, of all pools together.
void scene_expect_gauges(const struct scene *s, unsigned idle, unsigned busy, unsigned waiting);

#define scene_wait(s, condition)                                                                   \
    do {                                                                                           \
        uint64_t scene_until = scene_limit(s);                                                     \
        while (!(condition)) {                                                                     \
            if (!scene_step(s, scene_until)) {                                                     \
                fail_msg("waited in vain for %s", #condition);                                     \
            }                                                                                      \
        }                                                                                          \
    } while (0)

// --- the origin ---
int origin_accept(struct scene *s);
bool origin_has_none(struct scene *s); // no connection waits to be accepted, after a short while
const char *origin_hear_head(struct scene *s, int fd);         // a request head as it came
void origin_expect(struct scene *s, int fd, const char *text); // the next bytes are these
size_t origin_hear_some(struct scene *s, int fd);              // reads what is there now, drops it
void origin_say(struct scene *s, int fd, const char *text);
void origin_say_bytes(struct scene *s, int fd, struct slice bytes);
// Says as much as the kernel takes while the loop runs for a while; returns how many bytes.
size_t origin_flood(struct scene *s, int fd, size_t most);
void origin_hang_up(struct scene *s, int fd);
void origin_reset(struct scene *s, int fd);
void origin_expect_closed(struct scene *s, int fd); // by us; then it is closed here too
bool origin_is_open(struct scene *s, int fd);       // after a short while, and has heard nothing

// --- the user ---
void user_init(struct user *user, struct scene *s, const char *method, const char *path);
void user_start(struct user *user);
void user_finish(struct user *user);                  // cancels
void user_expect(struct user *user, const char *log); // once it is over
const char *user_log(struct user *user);
struct slice user_body(const struct user *user);

// A whole GET that leaves an idle connection; returns the origin's end of it.
int scene_leave_idle(struct scene *s);
// A whole GET on this connection, which must be reused.
void scene_reuse(struct scene *s, int fd);
// A whole GET that must come on a new connection.
int scene_use_new(struct scene *s);

#endif
