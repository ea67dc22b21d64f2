// SPDX-License-Identifier: Apache-2.0
#include "h1_impl.h"

#include "base/ensure.h"
#include "http/forward.h"
#include "http/url.h"

static struct arena *on_begin(void *user);
static void on_head(void *user, const struct h1_head *head);
static enum fault check_head(struct h1_session *session, const struct h1_head *head);
static enum fault split_target(const struct h1_head *head, struct raw_request *raw);
static enum fault split_absolute(struct slice target, struct raw_request *raw);
static bool is_too_large(const struct h1_session *session, uint64_t bytes);
static bool is_misdirected(const struct h1_session *session);
static void note_content(struct h1_session *session, size_t bytes);
static void on_body(void *user, struct slice bytes);
static void on_end(void *user, const struct headers *trailers);

const struct h1_reader_events h1_request_events = {
    .on_begin = on_begin,
    .on_head = on_head,
    .on_body = on_body,
    .on_end = on_end,
};

// The first byte of a request: its exchange is made now, since the head lives in its arena.
static struct arena *on_begin(void *user) {
    struct h1_session *session = user;
    ensure(session->x == NULL);
    struct exchange *x = exchange_create(&h1_response_ops, session);
    x->client = &session->base.client;
    x->clock = &session->base.front->loop->clock;
    session->x = x;
    front_exchange_begins(session->base.front, METRIC_REQUEST);
    session->response = H1_RESPONSE_WAITING;
    session->is_first = false;
    h1_session_set_state(session, H1_SESSION_HEAD);
    return x->arena;
}

static void on_head(void *user, const struct h1_head *head) {
    struct h1_session *session = user;
    struct exchange *x = session->x;
    bool is_1_0 = head->major == 1 && head->minor == 0;
    session->base.client.protocol = is_1_0 ? PROTOCOL_HTTP_1_0 : PROTOCOL_HTTP_1_1;
    session->is_last = session->is_last || !head->is_keep_alive;
    enum fault fault = check_head(session, head);
    if (fault != FAULT_NONE) {
        h1_request_refuse(session, fault);
        return;
    }
    x->request.content_length = head->content_length;
    x->request.is_end = head->is_end;
    session->wants_continue = head->has_expect_continue && !is_1_0 && !head->is_end;
    session->content_ms = exchange_now(x);
    session->content_bytes = 0;
    h1_session_set_state(session, H1_SESSION_EXCHANGE);
    exchange_start(x, session->base.front->handler);
}

static enum fault check_head(struct h1_session *session, const struct h1_head *head) {
    struct exchange *x = session->x;
    struct raw_request raw = {.method = head->method,
                              .scheme =
                                  session->base.client.is_tls ? SLICE("https") : SLICE("http"),
                              .authority = SLICE_EMPTY,
                              .headers = head->headers,
                              .is_end = head->is_end,
                              .protocol = session->base.client.protocol};
    // As it came, for the log: the checks may refuse it.
    x->request.method = head->method;
    x->request.authority = headers_value(&head->headers, HEADER_HOST);
    x->request.path = head->target;
    enum fault fault = split_target(head, &raw);
    struct request_head checked;
    if (fault == FAULT_NONE) {
        fault = forward_check_request(&raw, x->arena, &checked);
    }
    if (fault == FAULT_NONE) {
        x->request = checked;
    }
    if (fault == FAULT_NONE && head->content_length > 0 &&
        is_too_large(session, (uint64_t)head->content_length)) {
        fault = FAULT_BODY_TOO_LARGE;
    }
    if (fault == FAULT_NONE && is_misdirected(session)) {
        fault = FAULT_MISDIRECTED;
    }
    if (fault == FAULT_NONE && front_is_full(session->base.front)) {
        fault = FAULT_MEMORY_FULL;
    }
    return fault;
}

// The four forms of RFC 9112 section 3.2.
static enum fault split_target(const struct h1_head *head, struct raw_request *raw) {
    struct slice target = head->target;
    if (slice_starts_with(target, SLICE("/")) || slice_equal(target, SLICE("*"))) {
        raw->path = target;
        return FAULT_NONE;
    }
    if (slice_equal(head->method, SLICE("CONNECT"))) {
        raw->authority = target;
        raw->path = SLICE_EMPTY;
        return FAULT_NONE;
    }
    return split_absolute(target, raw);
}

static enum fault split_absolute(struct slice target, struct raw_request *raw) {
    size_t scheme_bytes = raw->scheme.length;
    if (!slice_equal_nocase(slice_first(target, scheme_bytes), raw->scheme) ||
        !slice_starts_with(slice_skip(target, scheme_bytes), SLICE("://"))) {
        return FAULT_BAD_REQUEST;
    }
    struct slice rest = slice_skip(target, scheme_bytes + 3);
    size_t end = 0;
    while (end < rest.length && rest.data[end] != '/' && rest.data[end] != '?') {
        end++;
    }
    raw->authority = slice_first(rest, end);
    raw->path = slice_skip(rest, end);
    if (raw->authority.length == 0 || slice_starts_with(raw->path, SLICE("?"))) {
        return FAULT_BAD_REQUEST; // "http://a?b" is legal and never seen; nobody need guess
    }
    if (raw->path.length == 0) {
        raw->path = slice_equal(raw->method, SLICE("OPTIONS")) ? SLICE("*") : SLICE("/");
    }
    return FAULT_NONE;
}

static bool is_too_large(const struct h1_session *session, uint64_t bytes) {
    uint64_t limit = session->base.front->limits.body_bytes;
    return limit > 0 && bytes > limit;
}

// The client was shown a certificate for one name and asks for another that it does not cover.
static bool is_misdirected(const struct h1_session *session) {
    const struct conn *conn = h1_session_conn(session);
    struct slice server_name = conn_server_name(conn);
    struct slice host = url_host(session->x->request.authority);
    return conn_is_tls(conn) && server_name.length > 0 && !slice_equal_nocase(server_name, host) &&
           !conn_covers(conn, host);
}

void h1_request_refuse(struct h1_session *session, enum fault fault) {
    if (session->x == NULL) {
        on_begin(session);
    }
    session->is_deaf = true;
    h1_reader_pause(session->reader);
    h1_session_set_state(session, H1_SESSION_EXCHANGE);
    exchange_refuse(session->x, fault);
}

// A byte now and then is no progress (TRUST row 18), until the response has begun: then the client
// may be answering it.
static void note_content(struct h1_session *session, size_t bytes) {
    session->content_bytes += bytes;
    if (session->content_bytes >= H1_PACE_BYTES || session->response != H1_RESPONSE_WAITING) {
        session->content_ms = exchange_now(session->x);
        session->content_bytes = 0;
    }
}

static void on_body(void *user, struct slice bytes) {
    struct h1_session *session = user;
    struct exchange *x = session->x;
    if (session->is_deaf) {
        return;
    }
    note_content(session, bytes.length);
    if (is_too_large(session, x->request_bytes + bytes.length)) {
        session->is_deaf = true;
        h1_reader_pause(session->reader);
        exchange_cut(x, FAULT_BODY_TOO_LARGE);
        return;
    }
    session->unconsumed += bytes.length;
    exchange_request_body(x, bytes);
}

static void on_end(void *user, const struct headers *trailers) {
    struct h1_session *session = user;
    struct exchange *x = session->x;
    if (!session->is_deaf && x->request_state == EXCHANGE_REQUEST_OPEN) {
        exchange_request_end(x, trailers);
    }
}
