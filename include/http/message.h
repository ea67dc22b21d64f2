// SPDX-License-Identifier: Apache-2.0
// Plain structs that describe a request, a response and the client who asks. All memory belongs to
// the exchange's arena; nobody frees anything alone. See also: http/exchange.h.
#ifndef OUTRIDER_HTTP_MESSAGE_H
#define OUTRIDER_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "http/headers.h"

// Length of a body: a number of bytes or one of these.
enum { BODY_NONE = 0 };
#define BODY_UNKNOWN ((int64_t)-1) // ends by chunking, END_STREAM or close

struct request_head {
    struct slice method;    // as sent; methods are case-sensitive
    struct slice scheme;    // "http" or "https": how the client reached us
    struct slice authority; // host[:port] in lower case, default port removed; may not be empty
    struct slice path;      // origin form with its query, or "*" for OPTIONS
    struct headers headers; // without pseudo fields and without Host
    int64_t content_length; // bytes, BODY_NONE (0 also when nothing follows), or BODY_UNKNOWN
    bool is_end;            // nothing follows the head
    uint32_t dropped;       // fields that forward_check_request left out for their '_'
};

struct response_head {
    int status; // 100 to 599
    struct headers headers;
    int64_t content_length; // of what follows on the wire: bytes or BODY_UNKNOWN
    bool is_end;            // nothing follows the head
};

// RFC 9218 section 4. Lower urgency comes first.
struct priority {
    uint8_t urgency; // 0 to 7, default 3
    bool is_incremental;
};
#define PRIORITY_DEFAULT ((struct priority){3, false})

enum protocol {
    PROTOCOL_HTTP_1_0,
    PROTOCOL_HTTP_1_1,
    PROTOCOL_HTTP_2,
};

// One client connection as the right side may see it. Owner: the session.
struct client {
    struct slice address; // numeric, without port; IPv6 without brackets; "unix" for a unix socket
    uint16_t port;        // of the client, 0 when unknown
    uint16_t local_port;  // of our listener
    enum protocol protocol;
    bool is_tls;
    bool is_trusted_proxy; // address is in the configured `trusted` list
    uint64_t id;           // unique in the process; "c17" in logs
    // What the handler remembers per connection (the relay keeps the push diary here). The handler
    // sets both; the session calls destroy when the connection ends.
    void *memory;
    void (*memory_destroy)(void *memory);
    // The client reset a promise after all of it had been sent. `tag` is the promised exchange's
    // promise_tag. May be NULL.
    void (*memory_on_late_refusal)(void *memory, uint64_t tag);
};

// A deep copy into another arena, for a promised request that outlives its page.
void request_head_copy(const struct request_head *from, struct arena *arena,
                       struct request_head *out_head);

const char *protocol_name(enum protocol protocol); // "HTTP/1.0", "HTTP/1.1", "HTTP/2"

#endif
