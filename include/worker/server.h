// SPDX-License-Identifier: Apache-2.0
// The main thread: builds the generation, starts the workers, waits for signals, drains.
// SIGTERM, SIGINT and SIGQUIT drain; a second one stops at once. Exit codes as in the README.
#ifndef OUTRIDER_WORKER_SERVER_H
#define OUTRIDER_WORKER_SERVER_H

#include "config/config.h"

// Runs until stopped. Owns take_config. 0: clean stop; 1: it could not start, with the errors
// printed to stderr.
// `flags` (borrowed) made the configuration when it has no file, and make it again at a reload.
int server_run(struct config *take_config, const struct config_flags *flags);

#endif
