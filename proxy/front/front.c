// SPDX-License-Identifier: Apache-2.0
#include "front/front.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/ensure.h"
#include "base/log.h"
#include "front/h1_session.h"
#include "front/h2_session.h"
#include "front_address.h"

// What every HTTP/2 client says first (RFC 9113 section 3.4); no HTTP/1 request begins so.
static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { PREFACE_BYTES = sizeof(preface) - 1, WARN_EVERY_MS = 10000 };

// A conn whose protocol is not known yet: before the end of the handshake, or in cleartext while
// all its bytes are the beginning of the preface (so they need not be kept, only counted).
struct undecided {
    struct list_link link;
    struct front *front;
    struct conn *conn;
    size_t matched;
};

static bool take_place(struct front *front, const struct conn *conn);
static bool may_have_all(const struct front *front, const uint8_t address[16]);
static void warn_greedy(struct front *front);
static void leave_place(struct front *front, const struct conn *conn);
static void refuse(struct conn *take_conn);
static void on_refused_ready(void *user, struct slice alpn);
static void on_refused_bytes(void *user, struct slice bytes);
static void on_refused_deadline(void *user);
static void on_refused_end(void *user, enum fault fault);
static void on_ready(void *user, struct slice alpn);
static void on_bytes(void *user, struct slice bytes);
static void on_deadline(void *user);
static void on_end(void *user, enum fault fault);
static void become_h1(struct undecided *undecided, struct slice bytes);
static void become_h2(struct undecided *undecided, struct slice bytes);
static void hand_over(struct undecided *take_undecided, struct slice bytes,
                      void (*create)(struct front *, struct conn *, struct slice));
static unsigned count_links(const struct list *list);
static void count_fault(struct front *front, enum fault fault);
static void count_down(struct front *front);
static void check_drained(struct front *front);
static void on_drained_task(struct loop_task *task);

static const struct conn_events undecided_events = {
    .on_ready = on_ready,
    .on_bytes = on_bytes,
    .on_deadline = on_deadline,
    .on_end = on_end,
};

static const struct conn_events refused_events = {
    .on_ready = on_refused_ready,
    .on_bytes = on_refused_bytes,
    .on_deadline = on_refused_deadline,
    .on_end = on_refused_end,
};

// Of the process: ids in logs stay unique whichever worker serves the client.
static atomic_uint_fast64_t last_client_id;

void front_init(struct front *front, struct loop *loop, const struct front_limits *limits) {
    *front = (struct front){.loop = loop, .limits = *limits};
    front->drained_task.run = on_drained_task;
    list_init(&front->sessions);
    list_init(&front->undecided);
}

// --- a new conn ---------------------------------------------------------------------------------

void front_accept(struct front *front, struct conn *take_conn) {
    bool is_too_dear = conn_is_tls(take_conn) && front_is_full(front);
    bool is_too_many = front->session_count >= front->limits.connections;
    if (front->is_draining || is_too_many || is_too_dear) {
        metrics_add(&front->loop->metrics, LIMITS, METRIC_LIMIT_CONNECTIONS, is_too_many);
        metrics_add(&front->loop->metrics, LIMITS, METRIC_LIMIT_MEMORY,
                    is_too_dear && !is_too_many);
        refuse(take_conn);
        return;
    }
    if (!take_place(front, take_conn)) {
        metrics_add(&front->loop->metrics, LIMITS, METRIC_LIMIT_ADDRESS, 1);
        warn_greedy(front);
        refuse(take_conn);
        return;
    }
    struct undecided *undecided = alloc_new(struct undecided);
    undecided->front = front;
    undecided->conn = take_conn;
    list_append(&front->undecided, &undecided->link);
    front->session_count++;
    conn_attach(take_conn, &undecided_events, undecided);
    conn_set_deadline(take_conn,
                      conn_is_tls(take_conn) ? front->limits.handshake_ms : front->limits.head_ms);
}

// Other proxies and this machine itself speak for many.
static bool take_place(struct front *front, const struct conn *conn) {
    unsigned share = front->limits.address_share;
    const uint8_t *address = conn_peer(conn)->bytes;
    if (share == 0) {
        return true;
    }
    if (front->addresses == NULL) {
        front->addresses = front_addresses_create(front->seed);
    }
    uint64_t most = (uint64_t)front->limits.connections * share / 100;
    most = most > 0 ? most : 1;
    if (front_addresses_enter(front->addresses, address) <= most || may_have_all(front, address)) {
        return true;
    }
    front_addresses_leave(front->addresses, address);
    return false;
}

static bool may_have_all(const struct front *front, const uint8_t address[16]) {
    return front_address_is_local(address) ||
           (front->is_trusted != NULL && front->is_trusted(front->is_trusted_user, address));
}

static void warn_greedy(struct front *front) {
    uint64_t now = loop_now(front->loop);
    if (front->warned_ms == 0 || now - front->warned_ms >= WARN_EVERY_MS) {
        front->warned_ms = now;
        log_warn("front", "-", "an address has all connections that one may: limits.address_share");
    }
}

static void leave_place(struct front *front, const struct conn *conn) {
    if (front->addresses != NULL) {
        front_addresses_leave(front->addresses, conn_peer(conn)->bytes);
    }
}

static void refuse(struct conn *take_conn) {
    conn_attach(take_conn, &refused_events, NULL);
    conn_abort(take_conn, FAULT_CONN_RESET);
}

static void on_refused_ready(void *user, struct slice alpn) {
    (void)user, (void)alpn;
}

static void on_refused_bytes(void *user, struct slice bytes) {
    (void)user, (void)bytes;
}

static void on_refused_deadline(void *user) {
    (void)user;
}

static void on_refused_end(void *user, enum fault fault) {
    (void)user, (void)fault;
}

// --- which protocol? ----------------------------------------------------------------------------

static void on_ready(void *user, struct slice alpn) {
    struct undecided *undecided = user;
    if (!conn_is_tls(undecided->conn)) {
        return; // the first bytes will tell
    }
    if (slice_equal(alpn, SLICE("h2"))) {
        become_h2(undecided, SLICE_EMPTY);
    } else {
        become_h1(undecided, SLICE_EMPTY);
    }
}

static void on_bytes(void *user, struct slice bytes) {
    struct undecided *undecided = user;
    size_t wanted = PREFACE_BYTES - undecided->matched;
    size_t compared = bytes.length < wanted ? bytes.length : wanted;
    if (memcmp(bytes.data, preface + undecided->matched, compared) != 0) {
        become_h1(undecided, bytes);
    } else if (compared == wanted) {
        become_h2(undecided, bytes);
    } else {
        undecided->matched += compared;
    }
}

static void become_h1(struct undecided *undecided, struct slice bytes) {
    hand_over(undecided, bytes, h1_session_create);
}

static void become_h2(struct undecided *undecided, struct slice bytes) {
    hand_over(undecided, bytes, h2_session_create);
}

// The session attaches itself to the conn in place of the undecided one, which ends here.
static void hand_over(struct undecided *take_undecided, struct slice bytes,
                      void (*create)(struct front *, struct conn *, struct slice)) {
    struct front *front = take_undecided->front;
    struct conn *conn = take_undecided->conn;
    struct buffer first = {0};
    if (take_undecided->matched > 0) {
        buffer_append(&first, preface, take_undecided->matched);
        buffer_append_slice(&first, bytes);
        bytes = buffer_peek(&first);
    }
    list_remove(&take_undecided->link);
    free(take_undecided);
    create(front, conn, bytes);
    buffer_finish(&first);
    if (front->is_draining) {
        struct list_link *newest = list_last(&front->sessions);
        struct front_session *session = LIST_ENTRY(newest, struct front_session, link);
        session->drain(session);
    }
    count_down(front); // after the session has counted itself
}

static void on_deadline(void *user) {
    struct undecided *undecided = user;
    if (undecided->front->is_draining) {
        conn_close(undecided->conn);
        return;
    }
    metrics_add(
        &undecided->front->loop->metrics, LIMITS,
        conn_is_tls(undecided->conn) ? METRIC_LIMIT_HANDSHAKE_TIME : METRIC_LIMIT_REQUEST_TIME, 1);
    conn_abort(undecided->conn, FAULT_CONN_TIMEOUT);
}

static void on_end(void *user, enum fault fault) {
    struct undecided *undecided = user; // nothing was asked, so nobody is told
    struct front *front = undecided->front;
    count_fault(front, fault);
    leave_place(front, undecided->conn);
    list_remove(&undecided->link);
    free(undecided);
    count_down(front);
}

// --- for the sessions ---------------------------------------------------------------------------

void front_session_begin(struct front_session *session, struct front *front, struct conn *conn,
                         enum protocol protocol) {
    const struct conn_address *peer = conn_peer(conn);
    session->front = front;
    session->conn = conn;
    session->client = (struct client){
        .address = slice_of_text(peer->text), // lives as long as the conn
        .port = peer->port,
        .local_port = conn_local_port(conn),
        .protocol = protocol,
        .is_tls = conn_is_tls(conn),
        .is_trusted_proxy =
            front->is_trusted != NULL && front->is_trusted(front->is_trusted_user, peer->bytes),
        .id = atomic_fetch_add_explicit(&last_client_id, 1, memory_order_relaxed) + 1,
    };
    list_append(&front->sessions, &session->link);
    front->session_count++;
    front_count_session(session, true);
}

bool front_take_lot(struct front_session *session) {
    if (!session->has_lot && session->front->lots < FRONT_LOTS) {
        session->has_lot = true;
        session->front->lots++;
    }
    return session->has_lot;
}

void front_return_lot(struct front_session *session) {
    if (session->has_lot) {
        session->has_lot = false;
        session->front->lots--;
    }
}

void front_session_end(struct front_session *session, enum fault fault) {
    front_return_lot(session);
    front_count_session(session, false);
    count_fault(session->front, fault);
    struct client *client = &session->client;
    if (client->memory != NULL) {
        client->memory_destroy(client->memory);
        client->memory = NULL;
    }
    leave_place(session->front, session->conn);
    list_remove(&session->link);
    count_down(session->front);
}

// --- the end ------------------------------------------------------------------------------------

void front_drain(struct front *front, void (*on_drained)(void *user), void *user) {
    ensure(!front->is_draining);
    front->is_draining = true;
    front->on_drained = on_drained;
    front->on_drained_user = user;
    LIST_EACH(&front->undecided, link) {
        conn_set_deadline(LIST_ENTRY(link, struct undecided, link)->conn, FRONT_LAST_CALL_MS);
    }
    LIST_EACH(&front->sessions, link) {
        struct front_session *session = LIST_ENTRY(link, struct front_session, link);
        session->drain(session);
    }
    check_drained(front);
}

// Of the larger crowd: a few that just came are not ended for many that stay, nor the other way
// round. It goes to the back, so that another one has its turn until it is gone.
void front_end_oldest(struct front *front) {
    bool is_undecided = count_links(&front->undecided) > count_links(&front->sessions);
    struct list *crowd = is_undecided ? &front->undecided : &front->sessions;
    struct list_link *link = list_take_first(crowd);
    if (link == NULL) {
        return;
    }
    list_append(crowd, link);
    if (is_undecided) {
        conn_abort(LIST_ENTRY(link, struct undecided, link)->conn, FAULT_CONN_TIMEOUT);
    } else {
        struct front_session *session = LIST_ENTRY(link, struct front_session, link);
        session->abort(session);
    }
}

static unsigned count_links(const struct list *list) {
    unsigned count = 0;
    LIST_EACH(list, link) {
        count++;
    }
    return count;
}

void front_abort_all(struct front *front) {
    LIST_EACH(&front->undecided, link) {
        conn_abort(LIST_ENTRY(link, struct undecided, link)->conn, FAULT_DRAINING);
    }
    LIST_EACH(&front->sessions, link) {
        struct front_session *session = LIST_ENTRY(link, struct front_session, link);
        session->abort(session);
    }
}

void front_finish(struct front *front) {
    ensure(front->session_count == 0);
    loop_cancel(&front->drained_task);
    front_addresses_destroy(front->addresses);
    front->addresses = NULL;
}

static void count_fault(struct front *front, enum fault fault) {
    if (fault != FAULT_NONE) {
        metrics_add(&front->loop->metrics, CONNECTION_FAULTS, fault, 1);
    }
}

static void count_down(struct front *front) {
    ensure(front->session_count > 0);
    front->session_count--;
    check_drained(front);
}

static void check_drained(struct front *front) {
    if (front->is_draining && front->session_count == 0) {
        loop_defer(front->loop, &front->drained_task);
    }
}

static void on_drained_task(struct loop_task *task) {
    struct front *front = LIST_ENTRY(task, struct front, drained_task);
    if (front->on_drained != NULL) {
        front->on_drained(front->on_drained_user);
    }
}
