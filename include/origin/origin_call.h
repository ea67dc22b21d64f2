// SPDX-License-Identifier: Apache-2.0
// One request in flight to an origin. The two cross links of the program are cut here:
// exchange <-> call by origin_call_cancel or the call's end, call <-> connection likewise.
// Owner: the arena given at start holds the memory; the call must have ended or been cancelled
// before that arena goes. One thread. Times in ms.
// States: see enum origin_call_state in origin_impl.h.
#ifndef OUTRIDER_ORIGIN_ORIGIN_CALL_H
#define OUTRIDER_ORIGIN_ORIGIN_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "http/h1_reader.h"
#include "http/message.h"
#include "origin/origin_pool.h"

struct origin_call;

// In time order: (on_interim* on_interims)*, on_head, on_body*, then on_end or on_fail, exactly one
// of them, last.
// None of them runs before origin_call_start returns, and none after origin_call_cancel. Heads and
// trailers live in the call's arena.
struct origin_call_events {
    void (*on_interim)(void *user, const struct response_head *head);
    // Those that came together have been told, and the final head did not come with them.
    void (*on_interims)(void *user);
    void (*on_head)(void *user, const struct response_head *head);
    void (*on_body)(void *user, struct slice bytes);
    void (*on_end)(void *user, const struct headers *trailers); // NULL: none
    void (*on_fail)(void *user, enum fault fault);
    // So many bytes of the request's content were given to the kernel.
    void (*on_taken)(void *user, size_t bytes);
    // How many response bytes the user would take now; 0 pauses reading until origin_call_resume.
    size_t (*room)(void *user);
};

struct origin_call_options {
    uint32_t origin;     // index in the configuration
    uint64_t client;     // the connection that asks: such take turns when calls have to wait
    bool is_push;        // counts against the origin's share for pushes, waits behind the others
    unsigned push_share; // percent of the origin's connections that pushes may use
    bool is_retry;       // only on a new connection
};

// `head` lives as long as the arena; it is written when a connection is there.
struct origin_call *origin_call_start(struct origin_pool *pool,
                                      const struct origin_call_options *options,
                                      const struct request_head *head, struct arena *arena,
                                      const struct origin_call_events *events, void *user);
// Content of the request, copied. Until origin_call_finish_request.
void origin_call_write(struct origin_call *call, struct slice bytes);
void origin_call_finish_request(struct origin_call *call, const struct headers *trailers);
// There is room again after room() said 0.
void origin_call_resume(struct origin_call *call);
// Legal in every state, also after the end; the connection is closed unless it had ended cleanly.
void origin_call_cancel(struct origin_call *call);

// The fault came on a connection that had served before, before any byte of a response and of the
// request's content: a safe request may be tried once more (RFC 9110 section 9.2.2).
bool origin_call_may_retry(const struct origin_call *call);
bool origin_call_was_reused(const struct origin_call *call);

#endif
