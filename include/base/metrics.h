// SPDX-License-Identifier: Apache-2.0
// Counters, gauges and histograms: one list of families, and for each thread one block of numbers
// that it alone writes and anybody may read, so that neither side ever waits (relaxed atomics).
// Owner: each loop has a block. What the numbers mean to people (labels, help) stands in the list
// and is written out by admin/admin_metrics.c. See also: docs/metrics.md.
#ifndef OUTRIDER_BASE_METRICS_H
#define OUTRIDER_BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/fault.h"

enum {
    METRICS_TIME_SLOTS = 16, // 14 bounds, beyond, and the sum
    METRICS_SIZE_SLOTS = 10, // 8 bounds, beyond, and the sum
    METRICS_NAMES = 32,      // origins with a row of their own; the last one is all others
    METRICS_OUTCOMES = 40,   // at least PUSH_REASON_COUNT
    METRICS_DIGESTS = 10,    // at least PUSH_DIGEST_OUTCOME_COUNT
};

enum metric_kind {
    METRIC_COUNTER,
    METRIC_GAUGE,   // of which the sum of all threads counts,
    METRIC_LARGEST, // or the largest of them
    METRIC_TIMES,   // histogram of milliseconds, shown in seconds
    METRIC_SIZES,   // histogram of bytes
};

// Labels of families. The order is that of their slots.
enum metric_protocol { METRIC_HTTP1, METRIC_HTTP2, METRIC_PROTOCOLS };
enum metric_handshake {
    METRIC_HANDSHAKE_FULL,
    METRIC_HANDSHAKE_RESUMED,
    METRIC_HANDSHAKE_FAILED,
    METRIC_HANDSHAKES
};
// The class of a final status, 0: none was sent. Slots of REQUESTS: protocol * METRIC_CODES + it.
enum { METRIC_CODES = 5 };
enum metric_method {
    METRIC_GET,
    METRIC_HEAD,
    METRIC_POST,
    METRIC_PUT,
    METRIC_DELETE,
    METRIC_PATCH,
    METRIC_OPTIONS,
    METRIC_METHOD_OTHER,
    METRIC_METHODS
};
// Who asked for an exchange: the client, or we by a promise.
enum metric_asked { METRIC_REQUEST, METRIC_PUSH, METRIC_ASKED };
enum metric_push {
    METRIC_PUSH_COMPLETED,    // all of it was sent
    METRIC_PUSH_REFUSED,      // the client reset it
    METRIC_PUSH_REFUSED_LATE, // the client reset it when it was completed; counted there too
    METRIC_PUSH_TAKEN_BACK,   // its response was not fit to be pushed
    METRIC_PUSH_FAILED,       // the origin failed, or the connection ended
    METRIC_PUSHES
};
enum metric_bytes { METRIC_BYTES_DELIVERED, METRIC_BYTES_WASTED, METRIC_BYTES };
enum metric_hint { METRIC_HINT_OWN, METRIC_HINT_ORIGIN, METRIC_HINTS };

// What stands in a client's or an origin's way when it asks for too much.
#define METRIC_LIMIT_LIST(X)                                                                       \
    X(CONNECTIONS, "connections") /* limits.connections */                                         \
    X(ADDRESS, "address")         /* limits.address_share */                                       \
    X(DESCRIPTORS, "descriptors") /* accepting paused: none is left */                             \
    X(HANDSHAKE_TIME, "handshake_time")                                                            \
    X(HEAD, "head")                   /* fields or bytes of a request head: 431 */                 \
    X(URI, "uri")                     /* 414 */                                                    \
    X(BODY, "body")                   /* 413 */                                                    \
    X(REQUEST_TIME, "request_time")   /* head or content came too slowly */                        \
    X(WRITE_TIME, "write_time")       /* the client takes nothing */                               \
    X(RESETS, "resets")               /* HTTP/2: the budget for resets and refused streams */      \
    X(FRAMES, "frames")               /* HTTP/2: frames without content */                         \
    X(MEMORY, "memory")               /* limits.memory: a stream was refused */                    \
    X(ORIGIN_LINE, "origin_line")     /* max_connections and max_waiting: 503 */                   \
    X(RESPONSE_HEAD, "response_head") /* 502 */                                                    \
    X(INTERIM, "interim")             /* 1xx responses: 502 */

enum metric_limit {
#define X(name, text) METRIC_LIMIT_##name,
    METRIC_LIMIT_LIST(X)
#undef X
        METRIC_LIMITS
};

// X(ID, kind, slots, "name", labels, "help"). `labels` is the array in admin_family.c that names
// the slots; `no_labels` for one slot or a histogram. Counters end in _total, times in _seconds.
#define METRIC_LIST(X)                                                                             \
    X(CONNECTIONS, GAUGE, METRIC_PROTOCOLS, "connections", protocol_labels,                        \
      "Client connections open now.")                                                              \
    X(CONNECTIONS_OPENED, COUNTER, METRIC_PROTOCOLS, "connections_opened_total", protocol_labels,  \
      "Client connections whose protocol was agreed.")                                             \
    X(CONNECTION_FAULTS, COUNTER, FAULT_COUNT, "connection_faults_total", fault_labels,            \
      "Client connections that ended with a fault.")                                               \
    X(HANDSHAKES, COUNTER, METRIC_HANDSHAKES, "tls_handshakes_total", handshake_labels,            \
      "TLS handshakes with clients.")                                                              \
    X(EXCHANGES, GAUGE, METRIC_ASKED, "exchanges", asked_labels,                                   \
      "Requests and pushes under way now (HTTP/2: open streams).")                                 \
    X(REQUESTS, COUNTER, METRIC_PROTOCOLS *METRIC_CODES, "requests_total", request_labels,         \
      "Requests of clients that are over, by the class of the status sent (none: no response).")   \
    X(METHODS, COUNTER, METRIC_METHODS, "request_methods_total", method_labels,                    \
      "Requests of clients that are over, by method.")                                             \
    X(DURATION, TIMES, METRICS_TIME_SLOTS, "request_duration_seconds", no_labels,                  \
      "From a request's head to the end of its response.")                                         \
    X(HEAD_BYTES, SIZES, METRICS_SIZE_SLOTS, "request_head_bytes", no_labels,                      \
      "Names and values of a request's fields and 32 bytes for each.")                             \
    X(COOKIE_BYTES, SIZES, METRICS_SIZE_SLOTS, "request_cookie_bytes", no_labels,                  \
      "Cookies of requests that have any.")                                                        \
    X(DROPPED, COUNTER, 1, "request_fields_dropped_total", no_labels,                              \
      "Fields of requests left out since their names hold a '_'.")                                 \
    X(RECEIVED, COUNTER, 1, "received_content_bytes_total", no_labels, "Content of requests.")     \
    X(SENT, COUNTER, METRIC_ASKED, "sent_content_bytes_total", asked_labels,                       \
      "Content of responses given to clients.")                                                    \
    X(FAULTS, COUNTER, FAULT_COUNT, "exchange_faults_total", fault_labels,                         \
      "Requests and pushes that ended with a fault.")                                              \
    X(LIMITS, COUNTER, METRIC_LIMITS, "limit_hits_total", limit_labels,                            \
      "What was refused, cut or held back because a limit was reached.")                           \
    X(ORIGIN_REQUESTS, COUNTER, METRICS_NAMES, "origin_requests_total", origin_labels,             \
      "Requests begun on a connection to the origin.")                                             \
    X(ORIGIN_FAULTS, COUNTER, METRICS_NAMES, "origin_faults_total", origin_labels,                 \
      "Requests that failed at the origin or on the way to it.")                                   \
    X(ORIGIN_OPENED, COUNTER, METRICS_NAMES, "origin_connections_opened_total", origin_labels,     \
      "Connections made to the origin.")                                                           \
    X(ORIGIN_REUSED, COUNTER, METRICS_NAMES, "origin_connections_reused_total", origin_labels,     \
      "Requests that found an idle connection.")                                                   \
    X(ORIGIN_RACED, COUNTER, METRICS_NAMES, "origin_connections_raced_total", origin_labels,       \
      "Idle connections that the origin closed just when a request came.")                         \
    X(ORIGIN_RETRIED, COUNTER, METRICS_NAMES, "origin_retries_total", origin_labels,               \
      "Requests tried once more on a new connection.")                                             \
    X(ORIGIN_IDLE, GAUGE, METRICS_NAMES, "origin_connections_idle", origin_labels,                 \
      "Connections to the origin kept for reuse.")                                                 \
    X(ORIGIN_BUSY, GAUGE, METRICS_NAMES, "origin_connections_active", origin_labels,               \
      "Connections to the origin that serve a request or are being made.")                         \
    X(ORIGIN_WAITING, GAUGE, METRICS_NAMES, "origin_waiting", origin_labels,                       \
      "Requests that wait for a connection to the origin.")                                        \
    X(ORIGIN_TIME, TIMES, METRICS_TIME_SLOTS, "origin_head_seconds", no_labels,                    \
      "From asking an origin to the head of its response.")                                        \
    X(OUTCOMES, COUNTER, METRICS_OUTCOMES, "push_candidates_total", outcome_labels,                \
      "Candidates for push and hints, by what became of them.")                                    \
    X(PUSHES, COUNTER, METRIC_PUSHES, "pushes_total", push_labels, "Pushes that are over.")        \
    X(PUSH_BYTES, COUNTER, METRIC_BYTES, "push_content_bytes_total", push_bytes_labels,            \
      "Content of pushes: delivered, or wasted on a client that refused it.")                      \
    X(HINTS, COUNTER, METRIC_HINTS, "hints_total", hint_labels,                                    \
      "103 Early Hints sent, by author.")                                                          \
    X(LEAD, TIMES, METRICS_TIME_SLOTS, "early_lead_seconds", no_labels,                            \
      "How long before the origin's head a page's first hint or promise left.")                    \
    X(IGNORED, COUNTER, 1, "push_ignored_elements_total", no_labels,                               \
      "Elements of Link fields beyond the limits.")                                                \
    X(DIGESTS, COUNTER, METRICS_DIGESTS, "digest_cookies_total", digest_labels,                    \
      "Digest cookies of returning clients, by what they were worth.")                             \
    X(LEARNED_PAGES, LARGEST, 1, "learned_pages", no_labels, "Pages that hints were learned for.") \
    X(LEARNED_EVICTED, COUNTER, 1, "learned_evicted_total", no_labels,                             \
      "Learned pages that made room for others.")                                                  \
    X(LEARNED_DROPPED, COUNTER, 1, "learned_dropped_total", no_labels,                             \
      "Learned pages dropped since a resource of theirs was not there.")                           \
    X(RECORDS_LOST, COUNTER, 1, "learned_records_lost_total", no_labels,                           \
      "Records for other workers that found no room.")                                             \
    X(LOOP_LAG, TIMES, METRICS_TIME_SLOTS, "loop_lag_seconds", no_labels,                          \
      "How late a worker's loop came to a timer that runs once a second.")

enum metric_family {
#define X(id, kind, slots, name, labels, help) METRIC_FAMILY_##id,
    METRIC_LIST(X)
#undef X
        METRIC_FAMILIES
};

// Where a family's slots begin: METRIC_AT_<ID>.
enum metric_at {
#define X(id, kind, slots, name, labels, help)                                                     \
    METRIC_AT_##id, METRIC_LAST_##id = METRIC_AT_##id + (slots)-1,
    METRIC_LIST(X)
#undef X
        METRICS_SLOTS
};

struct metrics {
    _Alignas(64) atomic_uint_fast64_t slots[METRICS_SLOTS];
};

// --- the writer, one thread ---
// Without a locked instruction: nobody else writes.
static inline void metrics_add_at(struct metrics *metrics, unsigned slot, uint64_t amount) {
    uint64_t now = atomic_load_explicit(&metrics->slots[slot], memory_order_relaxed);
    atomic_store_explicit(&metrics->slots[slot], now + amount, memory_order_relaxed);
}
static inline void metrics_set_at(struct metrics *metrics, unsigned slot, uint64_t value) {
    atomic_store_explicit(&metrics->slots[slot], value, memory_order_relaxed);
}
#define metrics_count(metrics, ID) metrics_add_at(metrics, METRIC_AT_##ID, 1)
#define metrics_add(metrics, ID, index, amount)                                                    \
    metrics_add_at(metrics, METRIC_AT_##ID + (unsigned)(index), amount)
#define metrics_subtract(metrics, ID, index, amount)                                               \
    metrics_add_at(metrics, METRIC_AT_##ID + (unsigned)(index), -(uint64_t)(amount))
#define metrics_set(metrics, ID, index, value)                                                     \
    metrics_set_at(metrics, METRIC_AT_##ID + (unsigned)(index), value)
// Into a histogram of times or of sizes.
#define metrics_observe_ms(metrics, ID, ms) metrics_observe_time_at(metrics, METRIC_AT_##ID, ms)
#define metrics_observe_bytes(metrics, ID, bytes)                                                  \
    metrics_observe_size_at(metrics, METRIC_AT_##ID, bytes)
void metrics_observe_time_at(struct metrics *metrics, unsigned slot, uint64_t ms);
void metrics_observe_size_at(struct metrics *metrics, unsigned slot, uint64_t bytes);

// --- readers, any thread ---
static inline uint64_t metrics_read(const struct metrics *metrics, unsigned slot) {
    return atomic_load_explicit(&metrics->slots[slot], memory_order_relaxed);
}
// Upper bounds of a histogram's slots: in seconds ("0.005") or bytes, as text; NULL ends.
extern const char *const metrics_time_bounds[METRICS_TIME_SLOTS - 1];
extern const char *const metrics_size_bounds[METRICS_SIZE_SLOTS - 1];

// --- names of origins, any thread ---
// The slot of a name, the same for the life of the process. Names beyond METRICS_NAMES - 1 share
// the last slot.
unsigned metrics_name_slot(const char *name);
// NULL: nobody has the slot yet. The text lives as long as the process.
const char *metrics_slot_name(unsigned slot);

#endif
