// SPDX-License-Identifier: Apache-2.0
// The one list of things that go wrong in the world (peers, network, files). A fault travels as a
// value from where it is noticed to the exchange, which answers with its status; its name stands in
// the access log and labels the metric. See also: base/ensure.h for bugs.
#ifndef OUTRIDER_BASE_FAULT_H
#define OUTRIDER_BASE_FAULT_H

#include <stdbool.h>

// X(NAME, "name", status for the client, may a safe request be tried again on a new connection,
//   "Proxy-Status error type" (RFC 9209 section 2.3) or "", "text for people")
#define FAULT_LIST(X)                                                                              \
    X(NONE, "none", 0, false, "", "no fault")                                                      \
    X(CLIENT_GONE, "client_gone", 499, false, "", "the client left")                               \
    X(CLIENT_RESET, "client_reset", 499, false, "", "the client reset the stream")                 \
    X(CLIENT_TIMEOUT, "client_timeout", 408, false, "http_request_error", "the client was silent") \
    X(BAD_REQUEST, "bad_request", 400, false, "http_request_error", "the request is malformed")    \
    X(HEAD_TOO_LARGE, "head_too_large", 431, false, "http_request_error",                          \
      "the request's header fields are too large or too many")                                     \
    X(URI_TOO_LONG, "uri_too_long", 414, false, "http_request_error",                              \
      "the request target is long")                                                                \
    X(BODY_TOO_LARGE, "body_too_large", 413, false, "http_request_error",                          \
      "the request's content is larger than allowed")                                              \
    X(EXPECTATION, "expectation", 417, false, "http_request_error", "the expectation is unknown")  \
    X(NOT_IMPLEMENTED, "not_implemented", 501, false, "http_request_error",                        \
      "the method or transfer coding is not supported")                                            \
    X(VERSION, "version", 505, false, "http_request_error", "the HTTP version is not supported")   \
    X(MISDIRECTED, "misdirected", 421, false, "http_request_error",                                \
      "this connection does not serve that authority")                                             \
    X(NO_ROUTE, "no_route", 404, false, "destination_not_found", "no route serves this address")   \
    X(DRAINING, "draining", 503, false, "proxy_internal_response", "outrider is shutting down")    \
    X(MEMORY_FULL, "memory_full", 503, false, "proxy_internal_response",                           \
      "outrider is short of memory for a moment")                                                  \
    X(TLS_HANDSHAKE, "tls_handshake", 0, false, "", "the TLS handshake failed")                    \
    X(CONN_RESET, "conn_reset", 0, false, "", "the connection was reset")                          \
    X(CONN_TIMEOUT, "conn_timeout", 0, false, "", "the connection was silent too long")            \
    X(PROTOCOL, "protocol", 0, false, "", "the peer broke the protocol")                           \
    X(ABUSE, "abuse", 0, false, "", "the peer spent its abuse budget")                             \
    X(ORIGIN_DNS, "origin_dns", 502, false, "dns_error", "the origin's name does not resolve")     \
    X(ORIGIN_REFUSED, "origin_refused", 502, false, "connection_refused",                          \
      "the origin refused the connection")                                                         \
    X(ORIGIN_UNREACHABLE, "origin_unreachable", 502, false, "destination_ip_unroutable",           \
      "the origin cannot be reached")                                                              \
    X(ORIGIN_CONNECT_TIMEOUT, "origin_connect_timeout", 504, false, "connection_timeout",          \
      "the origin did not accept the connection in time")                                          \
    X(ORIGIN_RESET, "origin_reset", 502, true, "connection_terminated",                            \
      "the origin closed the connection before it answered")                                       \
    X(ORIGIN_CUT, "origin_cut", 502, false, "http_response_incomplete",                            \
      "the origin's response was cut short")                                                       \
    X(ORIGIN_TIMEOUT, "origin_timeout", 504, false, "http_response_timeout",                       \
      "the origin was silent too long")                                                            \
    X(ORIGIN_BAD_RESPONSE, "origin_bad_response", 502, false, "http_protocol_error",               \
      "the origin's response is malformed")                                                        \
    X(ORIGIN_HEAD_TOO_LARGE, "origin_head_too_large", 502, false,                                  \
      "http_response_header_section_size", "the origin's header fields are too large or too many") \
    X(ORIGIN_INTERIM_FLOOD, "origin_interim_flood", 502, false, "http_protocol_error",             \
      "the origin sent too many interim responses")                                                \
    X(ORIGIN_UPGRADE, "origin_upgrade", 502, false, "http_upgrade_failed",                         \
      "the origin switched protocols unasked")                                                     \
    X(ORIGIN_BUSY, "origin_busy", 503, false, "connection_limit_reached",                          \
      "the origin's connections and its waiting line are full")                                    \
    X(PUSH_UNWANTED, "push_unwanted", 0, false, "", "the promise was taken back")

enum fault {
#define X(name, text, status, retry, proxy_status, description) FAULT_##name,
    FAULT_LIST(X)
#undef X
        FAULT_COUNT
};

const char *fault_name(enum fault fault);         // as in logs and metrics
const char *fault_text(enum fault fault);         // one sentence for people
const char *fault_proxy_status(enum fault fault); // RFC 9209 error type, "" when none fits
int fault_status(enum fault fault);               // HTTP status, 0 when nothing can be answered
bool fault_may_retry(enum fault fault);

#endif
