// SPDX-License-Identifier: Apache-2.0
// One line per finished exchange, JSON or text, gathered per worker and handed to the sink at the
// end of the turn when 16 KB are there, else once a second.
// Owner: the worker (the sink is borrowed and shared by all workers). One thread.
//
// The JSON line always has: time (RFC 3339, UTC, when the exchange was over), client, conn, stream
// (0 for HTTP/1), protocol, tls, method, authority, path, status (0: none was sent), request_bytes,
// response_bytes, duration_ms, origin_ms, origin, reused, retried, promised, hinted, skipped (an
// object of counts by reason); and, only where there is something to say: request (its id, as the
// origin got it), trace (the id in its traceparent), page (of a push: the page that pushed it),
// fields (an object: what `log.fields` asks for and was there), sample (the line stands for so many
// exchanges) and fault. Whatever a peer sends, a line is one line of valid JSON in valid UTF-8:
// bytes that are no UTF-8 are shown as U+FFFD. For operators: docs/logs.md.
//
// Sampling: which exchange has a line was drawn when it began (exchange_story), but those that
// failed or took a second until their head always have one, and stand for themselves alone. So the
// sum of `sample`, 1 where it is missing, is the number of exchanges on average.
#ifndef OUTRIDER_FRONT_ACCESS_LOG_H
#define OUTRIDER_FRONT_ACCESS_LOG_H

#include "base/log.h"
#include "http/exchange.h"
#include "net/loop.h"

enum access_log_format { ACCESS_LOG_JSON, ACCESS_LOG_TEXT };

// Parts of a line that are not to be read; instead there is "[redacted]".
enum {
    ACCESS_LOG_REDACT_AUTHORITY = 1 << 0,
    ACCESS_LOG_REDACT_CLIENT = 1 << 1, // its network stays: /24 of IPv4, /48 of IPv6
    ACCESS_LOG_REDACT_PATH = 1 << 2,   // of the page, too
    ACCESS_LOG_REDACT_QUERY = 1 << 3,  // behind the '?' of paths and of fields that are URLs
};

struct access_log_options {
    enum access_log_format format;
    unsigned redact;     // a set of the above
    char *const *fields; // of the request, to be shown; lower case, borrowed
    size_t field_count;
};

struct access_log;

struct access_log *access_log_create(struct loop *loop, struct log_sink *sink);
// How lines look from now on, also those in which the sink reports dropped ones. What is gathered
// is handed over.
void access_log_configure(struct access_log *log, const struct access_log_options *options);
// The exchange is over: fault, times and bytes are final.
void access_log_write(struct access_log *log, const struct exchange *x);
// Hands over what is gathered and closes its timer; frees itself when the loop has closed it.
// NULL is fine.
void access_log_destroy(struct access_log *log);

#endif
