// SPDX-License-Identifier: Apache-2.0
// What changes when a message passes a proxy (RFC 9110 section 7.6): hop-by-hop fields, Via,
// Forwarded (RFC 7239), X-Forwarded-*, cookies, and the checks of a request before it may go on.
// Pure: heads in, heads in the arena out. See also: relay/relay.c, which calls this.
#ifndef OUTRIDER_HTTP_FORWARD_H
#define OUTRIDER_HTTP_FORWARD_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/fault.h"
#include "http/message.h"

// The fields as a front collected them, before anything was believed.
struct raw_request {
    struct slice method, scheme, authority, path; // pseudo fields or request line; may be empty
    struct headers headers;                       // may hold host, connection, cookie crumbs ...
    bool is_end;
    enum protocol protocol;
};

// Checks everything TRUST 1.8 leaves to us and builds the head: Host and :authority agree, path and
// authority are clean, content-length is one number, names with '_' are dropped, crumbs are joined
// to one cookie field, Connection does not name what it must not. FAULT_NONE, or why it is refused.
enum fault forward_check_request(const struct raw_request *raw, struct arena *arena,
                                 struct request_head *out_head);

struct forward_options {
    const struct client *client;
    struct slice host_header; // sent to the origin instead of the authority when not empty
};

// Whether the request may go no further: OPTIONS with Max-Forwards 0 (RFC 9110 section 7.6.2).
bool forward_ends_here(const struct request_head *request);

// The head to send to the origin over HTTP/1.1.
void forward_request(const struct request_head *request, const struct forward_options *options,
                     struct arena *arena, struct request_head *out_head);

// Checks and cleans an origin's final response for the client: hop-by-hop fields removed, Via and
// Date added. FAULT_NONE or FAULT_ORIGIN_BAD_RESPONSE.
enum fault forward_response(const struct response_head *response, struct slice date,
                            struct arena *arena, struct response_head *out_head);
// The same for an interim response; nothing is added.
void forward_interim(const struct response_head *response, struct arena *arena,
                     struct response_head *out_head);
// Trailers without what must not stand there (RFC 9110 section 6.5.1), both directions.
void forward_trailers(const struct headers *trailers, struct arena *arena,
                      struct headers *out_trailers);

#endif
