// SPDX-License-Identifier: Apache-2.0
// What the start line and the fields of an HTTP/1.1 head mean: version, status, where the body ends
// and whether the connection lasts (RFC 9112 sections 3, 4, 6 and 9.3), read as narrowly as can be.
// Pure: the head's slices point into the text. See also: http/h1_reader.h.
#ifndef OUTRIDER_HTTP_H1_HEAD_H
#define OUTRIDER_HTTP_H1_HEAD_H

#include <stdbool.h>

#include "base/fault.h"
#include "http/message.h"

// A head as read. For a request: method, target, version. For a response: status.
struct h1_head {
    struct slice method;
    struct slice target;
    int status;
    unsigned major, minor;
    struct headers headers; // all fields as they came, framing and hop-by-hop ones too
    int64_t content_length; // bytes, 0 when there is no body, BODY_UNKNOWN: chunked or until close
    bool is_chunked;
    bool is_end;        // no body follows
    bool is_keep_alive; // the connection may carry another message after this one
    bool has_expect_continue;
};

// The line comes without its CR LF. Set method, target, version or status, version.
enum fault h1_head_read_request_line(struct slice line, struct h1_head *head);
enum fault h1_head_read_status_line(struct slice line, struct h1_head *head);
// Set content_length and what stands below it from the fields.
enum fault h1_head_frame_request(struct h1_head *head);
enum fault h1_head_frame_response(struct h1_head *head, bool is_head_request);

// One number of 1 to 18 digits and nothing else: no sign, no list, no blanks.
bool h1_head_parse_length(struct slice value, int64_t *out_length);

#endif
