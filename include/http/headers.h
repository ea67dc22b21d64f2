// SPDX-License-Identifier: Apache-2.0
// An ordered list of header fields (RFC 9110 section 5). Names are kept in lower case, so that they
// can go to HTTP/2 as they are. Fields that the proxy looks at have an id, found once when the
// field is added; all else has HEADER_OTHER.
// Owner: the arena given at init owns rows, names and values; nothing is freed alone. One thread.
// See also: http/message.h.
#ifndef OUTRIDER_HTTP_HEADERS_H
#define OUTRIDER_HTTP_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

#define HEADER_LIST(X)                                                                             \
    X(ACCEPT, "accept")                                                                            \
    X(ACCEPT_ENCODING, "accept-encoding")                                                          \
    X(ACCEPT_LANGUAGE, "accept-language")                                                          \
    X(ACCEPT_PUSH_POLICY, "accept-push-policy")                                                    \
    X(AGE, "age")                                                                                  \
    X(ALT_SVC, "alt-svc")                                                                          \
    X(AUTHORIZATION, "authorization")                                                              \
    X(CACHE_CONTROL, "cache-control")                                                              \
    X(CACHE_DIGEST, "cache-digest")                                                                \
    X(CONNECTION, "connection")                                                                    \
    X(CONTENT_ENCODING, "content-encoding")                                                        \
    X(CONTENT_LENGTH, "content-length")                                                            \
    X(CONTENT_SECURITY_POLICY, "content-security-policy")                                          \
    X(CONTENT_TYPE, "content-type")                                                                \
    X(COOKIE, "cookie")                                                                            \
    X(DATE, "date")                                                                                \
    X(EARLY_DATA, "early-data")                                                                    \
    X(ETAG, "etag")                                                                                \
    X(EXPECT, "expect")                                                                            \
    X(EXPIRES, "expires")                                                                          \
    X(FORWARDED, "forwarded")                                                                      \
    X(HOST, "host")                                                                                \
    X(HTTP2_SETTINGS, "http2-settings")                                                            \
    X(IF_MODIFIED_SINCE, "if-modified-since")                                                      \
    X(IF_NONE_MATCH, "if-none-match")                                                              \
    X(KEEP_ALIVE, "keep-alive")                                                                    \
    X(LAST_MODIFIED, "last-modified")                                                              \
    X(LINK, "link")                                                                                \
    X(LOCATION, "location")                                                                        \
    X(MAX_FORWARDS, "max-forwards")                                                                \
    X(PRIORITY, "priority")                                                                        \
    X(PROXY_AUTHENTICATE, "proxy-authenticate")                                                    \
    X(PROXY_AUTHORIZATION, "proxy-authorization")                                                  \
    X(PROXY_CONNECTION, "proxy-connection")                                                        \
    X(PROXY_STATUS, "proxy-status")                                                                \
    X(RANGE, "range")                                                                              \
    X(REFERER, "referer")                                                                          \
    X(REFERRER_POLICY, "referrer-policy")                                                          \
    X(SEC_FETCH_DEST, "sec-fetch-dest")                                                            \
    X(SEC_FETCH_MODE, "sec-fetch-mode")                                                            \
    X(SERVER, "server")                                                                            \
    X(SET_COOKIE, "set-cookie")                                                                    \
    X(TE, "te")                                                                                    \
    X(TRACEPARENT, "traceparent")                                                                  \
    X(TRACESTATE, "tracestate")                                                                    \
    X(TRAILER, "trailer")                                                                          \
    X(TRANSFER_ENCODING, "transfer-encoding")                                                      \
    X(UPGRADE, "upgrade")                                                                          \
    X(USER_AGENT, "user-agent")                                                                    \
    X(VARY, "vary")                                                                                \
    X(VIA, "via")                                                                                  \
    X(X_FORWARDED_FOR, "x-forwarded-for")                                                          \
    X(X_FORWARDED_HOST, "x-forwarded-host")                                                        \
    X(X_FORWARDED_PORT, "x-forwarded-port")                                                        \
    X(X_FORWARDED_PROTO, "x-forwarded-proto")                                                      \
    X(X_HTTP2_PUSH, "x-http2-push")

enum header_id {
    HEADER_OTHER,
#define X(id, name) HEADER_##id,
    HEADER_LIST(X)
#undef X
        HEADER_COUNT
};

struct header {
    struct slice name; // lower case
    struct slice value;
    enum header_id id;
};

struct headers {
    struct arena *arena; // borrowed
    struct header *rows;
    uint32_t count;
    uint32_t capacity;
    // Bit per id: false means that no such field is here, so that most look-ups cost one test.
    uint64_t present;
};

void headers_init(struct headers *headers, struct arena *arena);
// Room for that many more fields, so that a list of known size is made in one piece.
void headers_reserve(struct headers *headers, uint32_t count);

// Copies name (folded to lower case) and value into the arena. The caller has checked both.
void headers_add(struct headers *headers, struct slice name, struct slice value);
// For a well-known name and a value that lives as long as the arena; copies nothing.
void headers_add_id(struct headers *headers, enum header_id id, struct slice value);
// As headers_add without copying: name is in lower case and both live as long as the arena.
void headers_add_borrowed(struct headers *headers, struct slice name, struct slice value);
// A row of another message whose memory lives as long as the arena; copies nothing.
void headers_add_row(struct headers *headers, const struct header *row);
// Removes every field of that id, then appends one. Copies nothing.
void headers_set_id(struct headers *headers, enum header_id id, struct slice value);

// The first field, or NULL. `after` continues behind an earlier result.
const struct header *headers_find(const struct headers *headers, enum header_id id);
const struct header *headers_find_next(const struct headers *headers, enum header_id id,
                                       const struct header *after);
// By name in lower case, for names without an id.
const struct header *headers_find_name(const struct headers *headers, struct slice name);
// The first field's value, or an empty slice.
struct slice headers_value(const struct headers *headers, enum header_id id);
bool headers_has(const struct headers *headers, enum header_id id);
// True when the comma-separated list of all fields of that id has this token (case-insensitive).
bool headers_has_token(const struct headers *headers, enum header_id id, struct slice token);

void headers_remove(struct headers *headers, enum header_id id);
// Drops row `index`, keeping the order.
void headers_remove_at(struct headers *headers, uint32_t index);

struct slice headers_name(enum header_id id);
enum header_id headers_identify(struct slice lower_case_name);

// Syntax of RFC 9110 sections 5.1 and 5.5: a non-empty token; a value without CR, LF, NUL and other
// control bytes save HTAB.
bool headers_is_name(struct slice name);
bool headers_is_value(struct slice value);

#endif
