// SPDX-License-Identifier: Apache-2.0
// The most memory that the process may use (`limits.memory`): measures four times a second and sets
// the gauge that everybody reads. With a control group's limit the group's memory counts, without
// the file cache that can be given back; with a configured size our own resident memory.
// Owner: the server. Main thread. States: see base/memory_gauge.h.
// See also: worker/cgroup.h.
#ifndef OUTRIDER_WORKER_CEILING_H
#define OUTRIDER_WORKER_CEILING_H

#include <stdint.h>

#include "base/memory_gauge.h"
#include "net/loop.h"

struct ceiling;

// 0 bytes: what the control group says, which may change while we run, or be nothing.
struct ceiling *ceiling_start(struct loop *loop, uint64_t bytes);
const struct memory_gauge *ceiling_gauge(const struct ceiling *ceiling);
void ceiling_set(struct ceiling *ceiling, uint64_t bytes); // another configuration
void ceiling_stop(struct ceiling *take_ceiling); // when nobody reads the gauge; NULL is fine

// Short from 80 % of the limit on, full from 90 %; five percent less to be out of it again. Pure.
enum memory_level ceiling_decide(enum memory_level now, uint64_t used, uint64_t limit);

#endif
