// SPDX-License-Identifier: Apache-2.0
#include "front/access_log.h"
#include "front/front.h"

enum { FIELD_BYTES = 32 }; // what a field costs beside name and value (RFC 9113 section 6.5.2)

static void count_request(struct metrics *metrics, const struct exchange *x);
static void count_head(struct metrics *metrics, const struct headers *headers);
static void count_limit(struct metrics *metrics, const struct exchange *x);
static enum metric_method method_of(struct slice method);
static enum metric_protocol protocol_of(const struct client *client);

void front_count_session(struct front_session *session, bool is_open) {
    struct metrics *metrics = &session->front->loop->metrics;
    enum metric_protocol protocol = protocol_of(&session->client);
    if (is_open) {
        metrics_add(metrics, CONNECTIONS, protocol, 1);
        metrics_add(metrics, CONNECTIONS_OPENED, protocol, 1);
    } else {
        metrics_subtract(metrics, CONNECTIONS, protocol, 1);
    }
}

void front_exchange_begins(struct front *front, enum metric_asked asked) {
    metrics_add(&front->loop->metrics, EXCHANGES, asked, 1);
}

void front_exchange_ended(struct front *front, const struct exchange *x) {
    struct metrics *metrics = &front->loop->metrics;
    enum metric_asked asked = x->is_promised ? METRIC_PUSH : METRIC_REQUEST;
    metrics_add(metrics, SENT, asked, x->response_bytes);
    if (x->fault != FAULT_NONE) {
        metrics_add(metrics, FAULTS, x->fault, 1);
        count_limit(metrics, x);
    }
    if (!x->is_promised) {
        count_request(metrics, x);
    }
    if (front->access_log != NULL) {
        access_log_write(front->access_log, x);
    }
}

void front_exchange_gone(struct front *front, const struct exchange *x) {
    metrics_subtract(&front->loop->metrics, EXCHANGES,
                     x->is_promised ? METRIC_PUSH : METRIC_REQUEST, 1);
}

static void count_request(struct metrics *metrics, const struct exchange *x) {
    unsigned code = x->status >= 200 ? (unsigned)x->status / 100 - 1 : 0;
    metrics_add(metrics, REQUESTS, protocol_of(x->client) * METRIC_CODES + code, 1);
    metrics_add(metrics, METHODS, method_of(x->request.method), 1);
    metrics_add(metrics, RECEIVED, 0, x->request_bytes);
    metrics_observe_ms(metrics, DURATION, exchange_now(x) - x->started_ms);
    metrics_add(metrics, DROPPED, 0, x->request.dropped);
    count_head(metrics, &x->request.headers);
}

static void count_head(struct metrics *metrics, const struct headers *headers) {
    size_t bytes = 0;
    size_t cookie_bytes = 0;
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct header *row = &headers->rows[i];
        bytes += row->name.length + row->value.length + FIELD_BYTES;
        cookie_bytes += row->id == HEADER_COOKIE ? row->value.length : 0;
    }
    metrics_observe_bytes(metrics, HEAD_BYTES, bytes);
    if (cookie_bytes > 0) {
        metrics_observe_bytes(metrics, COOKIE_BYTES, cookie_bytes);
    }
}

// Limits that end exchanges; the others are counted where they are met.
static void count_limit(struct metrics *metrics, const struct exchange *x) {
    static const struct {
        enum fault fault;
        enum metric_limit limit;
    } rows[] = {
        {FAULT_HEAD_TOO_LARGE, METRIC_LIMIT_HEAD},
        {FAULT_URI_TOO_LONG, METRIC_LIMIT_URI},
        {FAULT_BODY_TOO_LARGE, METRIC_LIMIT_BODY},
        {FAULT_MEMORY_FULL, METRIC_LIMIT_MEMORY},
        {FAULT_ORIGIN_BUSY, METRIC_LIMIT_ORIGIN_LINE},
        {FAULT_ORIGIN_HEAD_TOO_LARGE, METRIC_LIMIT_RESPONSE_HEAD},
        {FAULT_ORIGIN_INTERIM_FLOOD, METRIC_LIMIT_INTERIM},
    };
    if (x->fault == FAULT_CLIENT_TIMEOUT) {
        bool has_asked = x->request_state == EXCHANGE_REQUEST_ENDED;
        metrics_add(metrics, LIMITS,
                    has_asked ? METRIC_LIMIT_WRITE_TIME : METRIC_LIMIT_REQUEST_TIME, 1);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].fault == x->fault) {
            metrics_add(metrics, LIMITS, rows[i].limit, 1);
        }
    }
}

static enum metric_method method_of(struct slice method) {
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_equal(method, slice_of_text(names[i]))) {
            return (enum metric_method)i;
        }
    }
    return METRIC_METHOD_OTHER;
}

static enum metric_protocol protocol_of(const struct client *client) {
    return client->protocol == PROTOCOL_HTTP_2 ? METRIC_HTTP2 : METRIC_HTTP1;
}
