// SPDX-License-Identifier: Apache-2.0
// One line per finished exchange, JSON or text, gathered per worker and handed to the sink at the
// end of the turn when 16 KB are there, else once a second.
// Owner: the worker (the sink is borrowed and shared by all workers). One thread.
//
// The JSON line always has: time (RFC 3339, UTC, when the exchange was over), client, conn, stream
// (0 for HTTP/1), protocol, tls, method, authority, path, status (0: none was sent), request_bytes,
// response_bytes, duration_ms, origin_ms, origin, reused, retried, promised, skipped (an object of
// counts by reason); and, only where there is something to say: page (of a push: the page that
// pushed it) and fault. Whatever a peer sends, a line is one line of valid JSON in valid UTF-8:
// bytes that are no UTF-8 are shown as U+FFFD.
#ifndef OUTRIDER_FRONT_ACCESS_LOG_H
#define OUTRIDER_FRONT_ACCESS_LOG_H

#include "base/log.h"
#include "http/exchange.h"
#include "net/loop.h"

enum access_log_format { ACCESS_LOG_JSON, ACCESS_LOG_TEXT };

struct access_log;

// From now on the sink reports dropped lines in this format.
struct access_log *access_log_create(struct loop *loop, struct log_sink *sink,
                                     enum access_log_format format);
// The exchange is over: fault, times and bytes are final.
void access_log_write(struct access_log *log, const struct exchange *x);
// Hands over what is gathered and closes its timer; frees itself when the loop has closed it.
// NULL is fine.
void access_log_destroy(struct access_log *log);

#endif
