// SPDX-License-Identifier: Apache-2.0
// URLs whose push turned out not to be fit: 4xx or 5xx, or private for visitors with credentials
// (PUSH section 1, "The pushed response"). They are not promised again for a while. Fixed size, the
// oldest gives way. Owner: the worker. One thread. Times: monotonic ms, an argument.
#ifndef OUTRIDER_PUSH_PUSH_UNFIT_H
#define OUTRIDER_PUSH_PUSH_UNFIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct push_unfit;

enum { PUSH_UNFIT_ENTRIES = 512, PUSH_UNFIT_MS = 10 * 60 * 1000 };

struct push_unfit *push_unfit_create(uint64_t seed);
void push_unfit_destroy(struct push_unfit *unfit); // NULL is fine
// `only_with_credentials`: others may still be promised it.
void push_unfit_add(struct push_unfit *unfit, struct slice authority, struct slice path,
                    bool only_with_credentials, uint64_t now_ms);
bool push_unfit_has(const struct push_unfit *unfit, struct slice authority, struct slice path,
                    bool has_credentials, uint64_t now_ms);

#endif
