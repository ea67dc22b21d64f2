// SPDX-License-Identifier: Apache-2.0
// Names under which one request is found again in the logs of everybody on its way: the trace that
// it belongs to (W3C Trace Context), which is passed on as it came, and an id of its own, which is
// the client's or a fresh one. Pure: randomness comes from the key.
// Owner: the headers' arena. One thread. See also: relay/relay_trace.c.
#ifndef OUTRIDER_HTTP_TRACE_H
#define OUTRIDER_HTTP_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/slice.h"
#include "http/headers.h"

// Numbers that nobody can guess who does not know the key, without a system call each.
struct trace_random {
    struct hash_key key;
    uint64_t count;
};

uint64_t trace_random_next(struct trace_random *random);

// A traceparent of version 00, or of a later one as far as that is known today. out_trace_id is the
// part of it that all requests of one trace share.
bool trace_parse_parent(struct slice value, struct slice *out_trace_id);
// Takes out what is no trace context: a traceparent that is malformed or there twice, and a
// tracestate without a traceparent. The trace's id, empty when there is none.
struct slice trace_clean(struct headers *headers);

// 1 to 128 of A-Z a-z 0-9 . _ ~ + / = : @ -
bool trace_is_request_id(struct slice text);
// Afterwards there is one field of that name (lower case, without an id; it lives as long as the
// headers): the client's if it was alone and is a request id, else a fresh 32 hex digits.
struct header trace_set_request_id(struct headers *headers, struct slice name,
                                   struct trace_random *random);

#endif
