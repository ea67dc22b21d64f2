// SPDX-License-Identifier: Apache-2.0
// A small file as a whole. Any thread.
#ifndef OUTRIDER_WORKER_FILE_H
#define OUTRIDER_WORKER_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

// Appends what an ordinary file holds. False, with errno, when it can't be read, is of another
// kind (EINVAL, EISDIR) or longer than that (EFBIG); the buffer may then hold a part.
bool file_read(const char *path, uint64_t max_bytes, struct buffer *out_text);

#endif
