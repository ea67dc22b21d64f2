// SPDX-License-Identifier: Apache-2.0
#include "admin_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/ensure.h"

void admin_text_add(struct buffer *out, const char *text) {
    buffer_append_slice(out, slice_of_text(text));
}

void admin_text_format(struct buffer *out, const char *format, ...) {
    enum { ROOM = 256 }; // enough for nearly all
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(buffer_reserve(out, ROOM), ROOM, format, arguments);
    va_end(arguments);
    ensure(length >= 0);
    if (length >= ROOM) {
        va_start(arguments, format);
        vsnprintf(buffer_reserve(out, (size_t)length + 1), (size_t)length + 1, format, arguments);
        va_end(arguments);
    }
    buffer_commit(out, (size_t)length);
}

void admin_text_add_seconds(struct buffer *out, uint64_t ms) {
    admin_text_format(out, "%" PRIu64 ".%03u", ms / 1000, (unsigned)(ms % 1000));
}
