// SPDX-License-Identifier: Apache-2.0
// net/loop.h and net/timer.h without libuv: time stands still unless the target moves it, and turns
// come when it says so. Owner: the target. One thread.
#ifndef OUTRIDER_FUZZ_LOOP_H
#define OUTRIDER_FUZZ_LOOP_H

#include "net/loop.h"

// The end of a turn: what was deferred runs, and closed timers go.
void fuzz_loop_turn(struct loop *loop);
// Time passes; then timers that are due expire.
void fuzz_loop_pass(struct loop *loop, uint64_t ms);
// Nothing is deferred, no timer is armed or being closed.
bool fuzz_loop_is_over(const struct loop *loop);

#endif
