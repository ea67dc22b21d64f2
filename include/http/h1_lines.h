// SPDX-License-Identifier: Apache-2.0
// Finds the end of a block of HTTP/1.1 lines (a head, or trailers) and counts it against limits
// before a byte of it is copied. Knows of lines only that each ends in CR LF, that no CR or LF
// stands anywhere else and that none begins with a blank (RFC 9112 sections 2.2 and 5.2).
// Owner: whoever embeds it. Pure. See also: http/h1_reader.h.
#ifndef OUTRIDER_HTTP_H1_LINES_H
#define OUTRIDER_HTTP_H1_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct h1_lines {
    // Limits, set by the owner. Lengths in bytes, without line ends.
    size_t start_line_bytes; // 0: there is no start line
    size_t line_bytes;       // of each other line
    size_t block_bytes;      // of all other lines
    unsigned line_count;     // of other lines, without the empty one

    // So far.
    size_t length;    // of the line that is being read
    size_t block;     // of the other lines, with the present one
    unsigned count;   // complete lines
    bool is_after_cr; // the input ended between CR and LF
    bool has_start_line;
};

enum h1_lines_state {
    H1_LINES_MORE,       // all of the input belongs to the block, and more must come
    H1_LINES_END,        // the empty line is here
    H1_LINES_LONG_START, // the start line is too long
    H1_LINES_LARGE,      // another limit is passed
    H1_LINES_BAD,        // CR, LF or a blank where none may be
};

// Limits are taken from the fields above; forgets what was counted.
void h1_lines_start(struct h1_lines *lines);
// Reads on; out_used tells how much of `bytes` belongs to the block.
enum h1_lines_state h1_lines_scan(struct h1_lines *lines, struct slice bytes, size_t *out_used);

#endif
