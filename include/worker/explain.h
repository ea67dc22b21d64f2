// SPDX-License-Identifier: Apache-2.0
// `outrider explain URL`: what would be promised and hinted for one page, and why the rest would
// not. Offline: from the configuration, the state file and one real request to the origin, with all
// that a worker has but listeners and front; nothing is written, and nothing but the page is asked
// for. What only a running instance knows (a connection's diary, refused pushes, what it learned
// since it saved) is not known here.
// Thread: the main thread, with a loop of its own. See also: relay/relay.h, push/push_plan.h.
#ifndef OUTRIDER_WORKER_EXPLAIN_H
#define OUTRIDER_WORKER_EXPLAIN_H

#include "config/config.h"

struct explain_options {
    const char *url;    // absolute, http or https
    const char *client; // "browser", "push", or a file of request header fields
};

// Prints the explanation to stdout, what went wrong to stderr. Borrows the config. 0: explained;
// 1: no route, or the origin failed; 2: the URL or the client is no good.
int explain_run(const struct config *config, const struct explain_options *options);

#endif
