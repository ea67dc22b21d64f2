// SPDX-License-Identifier: Apache-2.0
// Heads and chunks to HTTP/1.1 text (RFC 9112). Appends to a buffer, decides nothing: the framing
// fields follow from content_length and is_chunked. Pure. See also: http/h1_reader.h.
#ifndef OUTRIDER_HTTP_H1_WRITER_H
#define OUTRIDER_HTTP_H1_WRITER_H

#include <stdbool.h>

#include "base/buffer.h"
#include "http/message.h"

// Request line in origin form, Host first, then the fields, then Content-Length or
// Transfer-Encoding as content_length says (none for BODY_NONE with is_end, save POST, PUT and
// PATCH, which get "Content-Length: 0"). The head's own framing fields are ignored.
void h1_writer_request(struct buffer *out, const struct request_head *head);

enum h1_framing {
    H1_FRAMING_NONE,    // no content and no framing field (1xx, 204, 304 without length)
    H1_FRAMING_LENGTH,  // Content-Length: content_length
    H1_FRAMING_CHUNKED, // Transfer-Encoding: chunked
    H1_FRAMING_CLOSE,   // until close (to HTTP/1.0 clients)
};

// Status line with the standard reason phrase, fields, framing; "Connection: close" or, for
// HTTP/1.0, "keep-alive" as asked.
void h1_writer_response(struct buffer *out, const struct response_head *head,
                        enum h1_framing framing, enum protocol protocol, bool is_keep_alive);
// Only for bytes in hand; an empty slice writes nothing (it would be the last chunk).
void h1_writer_chunk(struct buffer *out, struct slice bytes);
void h1_writer_last_chunk(struct buffer *out, const struct headers *trailers); // NULL: none

#endif
