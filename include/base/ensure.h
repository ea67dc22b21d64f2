// SPDX-License-Identifier: Apache-2.0
// Always-on assertions: a failed `ensure` is a bug in outrider, never a mistake of a peer.
// Prints where and what, then aborts. Any thread. See also: base/fault.h for what peers do.
#ifndef OUTRIDER_BASE_ENSURE_H
#define OUTRIDER_BASE_ENSURE_H

#include <stdio.h>
#include <stdlib.h>

#define ensure(condition)                                                                          \
    ((condition) ? (void)0 : ensure_fail(__FILE__, __LINE__, __func__, #condition))

#define unreachable() ensure_fail(__FILE__, __LINE__, __func__, "unreachable")

__attribute__((noreturn, cold)) static inline void
ensure_fail(const char *file, int line, const char *function, const char *condition) {
    fprintf(stderr, "outrider: bug: %s:%d: %s: %s\n", file, line, function, condition);
    abort();
}

#endif
