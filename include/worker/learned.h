// SPDX-License-Identifier: Apache-2.0
// The state file: what was learned, kept over a restart. Written beside the old one and renamed, so
// that it is whole or not there; a damaged one is set aside under another name and never fatal.
// Owner: the server. Main thread. See also: push/push_learn_file.h.
#ifndef OUTRIDER_WORKER_LEARNED_H
#define OUTRIDER_WORKER_LEARNED_H

#include "base/buffer.h"
#include "config/config.h"

// Appends the text of a good file; nothing, with a line in the log, when there is none or it is
// damaged. NULL path: none is configured.
void learned_read(const struct config_learned *learned, struct buffer *out_text);
// Adds to `text` the pages that only `more` knows.
void learned_merge(const struct config_learned *learned, struct buffer *text, struct slice more);
// What can't be written is logged.
void learned_write(const struct config_learned *learned, struct slice text);

#endif
