// SPDX-License-Identifier: Apache-2.0
// One exchange as one line of the access log: the formats. Owner: the access log. One thread.
#ifndef OUTRIDER_FRONT_ACCESS_LINE_H
#define OUTRIDER_FRONT_ACCESS_LINE_H

#include "base/buffer.h"
#include "front/access_log.h"

enum { ACCESS_LINE_STAMP_BYTES = 32 };

struct access_line {
    struct access_log_options options;
    int64_t stamp_s;                     // for which `stamp` was written
    char stamp[ACCESS_LINE_STAMP_BYTES]; // without the milliseconds
};

// The line stands for `sample` exchanges.
void access_line_append(struct access_line *line, const struct exchange *x, unsigned sample,
                        struct buffer *out);
// For the sink: so many lines were dropped. Any thread.
void access_line_report_json(struct buffer *out, uint64_t lines);
void access_line_report_text(struct buffer *out, uint64_t lines);

#endif
