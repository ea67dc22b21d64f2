// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 text to events (RFC 9112), for requests and responses. A head is counted as it comes,
// then copied into the owner's arena at once and read by llhttp: names and values are slices of
// that copy. Content is passed on as it stands in the input, never copied.
// Owner: an h1_session or an origin_conn, which creates and destroys it. One thread.
// States: between messages, in a head, in one of three kinds of body, in trailers, at the end.
// See also: http/h1_lines.h (where a head ends), http/h1_head.h (what it means).
#ifndef OUTRIDER_HTTP_H1_READER_H
#define OUTRIDER_HTTP_H1_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "http/h1_head.h"

struct h1_reader;

enum h1_reader_kind { H1_READER_REQUEST, H1_READER_RESPONSE };

struct h1_reader_limits {
    size_t head_bytes;  // sum of name + value + 32, and of the raw head
    size_t field_bytes; // one field
    unsigned head_fields;
    size_t uri_bytes;
    unsigned cookie_crumbs; // cookie fields count here, not in head_fields
    size_t cookie_bytes;
    unsigned interim_responses; // 1xx in front of one final response
    size_t interim_bytes;
    size_t chunk_extension_bytes; // in one message
};

// In time order: on_begin on_interim* on_head on_body* on_end, once per message; a fault may come
// from h1_reader_feed at any point. A callback that wants no more calls (it has closed things)
// calls h1_reader_pause. Heads and trailers live as long as the arena, which must outlive on_end or
// the last call of h1_reader_feed.
struct h1_reader_events {
    // The first byte of a message is here: where shall its head live?
    struct arena *(*on_begin)(void *user);
    // Responses only, 100 to 199 save 101.
    void (*on_interim)(void *user, const struct h1_head *head);
    void (*on_head)(void *user, const struct h1_head *head);
    void (*on_body)(void *user, struct slice bytes);
    void (*on_end)(void *user, const struct headers *trailers); // NULL when there are none
};

struct h1_reader *h1_reader_create(enum h1_reader_kind kind, const struct h1_reader_limits *limits,
                                   const struct h1_reader_events *events, void *user);
void h1_reader_destroy(struct h1_reader *reader); // not from inside a callback; NULL is fine

// Responses: what the request was, before the first byte of its response. HEAD has no body. Bytes
// that nobody expects are used up without a word, and the reader is not idle any more.
void h1_reader_expect(struct h1_reader *reader, bool is_head_request);

// Reads until the input ends, the reader is paused, or something is wrong. Returns how many bytes
// were used (all of them unless paused or faulty) and sets *out_fault, which stays. Requests:
// reading stops (paused) after each message, so that pipelined requests wait until
// h1_reader_resume. After a message that is not kept alive all further bytes are used up without a
// word.
size_t h1_reader_feed(struct h1_reader *reader, struct slice bytes, enum fault *out_fault);
void h1_reader_pause(struct h1_reader *reader); // from inside a callback or outside
// The owner feeds the rest afterwards, also when that is nothing: an end may be due.
void h1_reader_resume(struct h1_reader *reader);
bool h1_reader_is_paused(const struct h1_reader *reader);
// The connection ended, and everything was fed: completes a body that lasts until close (on_end is
// called). FAULT_ORIGIN_CUT or FAULT_CLIENT_GONE when a message was under way, FAULT_ORIGIN_RESET
// when a response is expected and no byte of it came.
enum fault h1_reader_eof(struct h1_reader *reader);
// Of the request whose head was faulty, in its arena; empty when its first line was not read.
struct slice h1_reader_method(const struct h1_reader *reader);
// Not a byte of the next message has been seen, nor any after the last one.
bool h1_reader_is_idle(const struct h1_reader *reader);

#endif
