// SPDX-License-Identifier: Apache-2.0
// What the configuration says of the logs, carried out: where the access log goes, what stands in
// its lines, and in which form errors are told while the program runs.
// Owner: the server. Main thread, except logs_configure. See also: base/log.h, front/access_log.h.
#ifndef OUTRIDER_WORKER_LOGS_H
#define OUTRIDER_WORKER_LOGS_H

#include "base/log.h"
#include "config/config.h"
#include "front/access_log.h"

struct logs {
    struct log_sink *access_sink; // always there, perhaps without a descriptor
    int next_fd;                  // between prepare and switch
};

// At the start. False with an error when the access log can't be opened.
bool logs_open(struct logs *logs, const struct config *config, struct config_errors *errors);
// A reload in two steps: first what may fail; then, once all else is good, the change.
bool logs_prepare(struct logs *logs, const struct config *before, const struct config *config,
                  struct config_errors *errors);
void logs_switch(struct logs *logs, const struct config *before, const struct config *config);
// The file is opened anew, or goes on being used when it can't be.
void logs_reopen(struct logs *logs, const struct config *config);
void logs_close(struct logs *logs);

// On a worker's thread: how its lines look from now on, borrowed from the configuration. NULL when
// there are to be none.
struct access_log *logs_configure(struct access_log *log, const struct config *config);
// A running program tells mistakes as events.
void logs_tell_errors(const struct config_errors *errors);

#endif
