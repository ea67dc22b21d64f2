// SPDX-License-Identifier: Apache-2.0
#include "net/dialer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/log.h"
#include "net/timer.h"
#include "resolver.h"

// A unix listener whose backlog is full says EAGAIN at once; there is nothing to poll for.
enum { UNIX_RETRY_MS = 5 };

enum dialer_state {
    DIALER_STARTING,   // for the end of the turn of dialer_start
    DIALER_RESOLVING,  // for the resolver
    DIALER_CONNECTING, // for the socket to become writable, or to try again
    DIALER_DONE,       // for the handles to close
};

struct dialer {
    struct loop *loop;
    struct dialer_target target;
    void (*on_connected)(void *user, struct conn *take_conn);
    void (*on_failed)(void *user, enum fault fault);
    void *user;
    enum dialer_state state;
    enum fault fault; // the one to tell when no address works
    struct loop_task start_task;
    struct resolver_question question;
    struct resolver_answer answer;
    size_t next; // address
    struct timer timer;
    uint64_t deadline_ms;
    struct attempt *attempt;
};

// One socket; lives until its poll handle is closed, which may be later than the dialer.
struct attempt {
    uv_poll_t poll;
    struct dialer *dialer; // NULL once it does not matter any more
    int fd;
};

static void on_start(struct loop_task *task);
static void resolve_unix(struct dialer *dialer);
static void on_answer(struct resolver_question *question, const struct resolver_answer *answer);
static void set_ports(struct dialer *dialer);
static void try_next(struct dialer *dialer);
static int open_socket(int family);
static int connect_now(int fd, const struct resolver_address *address);
static int socket_error(int fd);
static bool is_own_peer(int fd);
static void start_attempt(struct dialer *dialer, int fd);
static uint64_t attempt_ms(const struct dialer *dialer);
static void on_writable(uv_poll_t *poll, int status, int events);
static int drop_attempt(struct dialer *dialer);
static void on_poll_closed(uv_handle_t *handle);
static void note_failure(struct dialer *dialer, int error);
static enum fault fault_of(int error);
static void on_timer(struct timer *timer);
static void succeed(struct dialer *dialer, int fd);
static void fail(struct dialer *dialer, enum fault fault);
static void finish(struct dialer *dialer);
static void on_timer_closed(struct timer *timer);

struct dialer *dialer_start(struct loop *loop, const struct dialer_target *target,
                            uint64_t timeout_ms,
                            void (*on_connected)(void *user, struct conn *take_conn),
                            void (*on_failed)(void *user, enum fault fault), void *user) {
    struct dialer *dialer = alloc_new(struct dialer);
    dialer->loop = loop;
    dialer->target = *target;
    dialer->on_connected = on_connected;
    dialer->on_failed = on_failed;
    dialer->user = user;
    dialer->start_task.run = on_start;
    dialer->question.on_answer = on_answer;
    dialer->deadline_ms = loop_now(loop) + timeout_ms;
    timer_init(&dialer->timer, loop, on_timer);
    timer_start(&dialer->timer, timeout_ms);
    loop_defer(loop, &dialer->start_task);
    return dialer;
}

static void on_start(struct loop_task *task) {
    struct dialer *dialer = LIST_ENTRY(task, struct dialer, start_task);
    dialer->state = DIALER_RESOLVING;
    if (dialer->target.is_unix) {
        resolve_unix(dialer);
    } else if (resolver_ask(dialer->loop, dialer->target.host, &dialer->question,
                            &dialer->answer)) {
        on_answer(&dialer->question, &dialer->answer);
    }
}

static void resolve_unix(struct dialer *dialer) {
    struct resolver_address *address = &dialer->answer.addresses[0];
    struct sockaddr_un *path = (struct sockaddr_un *)&address->address;
    size_t length = strlen(dialer->target.path);
    if (length >= sizeof(path->sun_path)) {
        fail(dialer, FAULT_ORIGIN_UNREACHABLE);
        return;
    }
    path->sun_family = AF_UNIX;
    memcpy(path->sun_path, dialer->target.path, length + 1);
    address->length = sizeof(*path);
    dialer->answer.count = 1;
    dialer->state = DIALER_CONNECTING;
    try_next(dialer);
}

static void on_answer(struct resolver_question *question, const struct resolver_answer *answer) {
    struct dialer *dialer = LIST_ENTRY(question, struct dialer, question);
    if (answer->count == 0) {
        fail(dialer, FAULT_ORIGIN_DNS);
        return;
    }
    if (answer != &dialer->answer) {
        dialer->answer = *answer;
    }
    set_ports(dialer);
    dialer->state = DIALER_CONNECTING;
    try_next(dialer);
}

static void set_ports(struct dialer *dialer) {
    uint16_t port = htons(dialer->target.port);
    for (size_t i = 0; i < dialer->answer.count; i++) {
        struct sockaddr_storage *address = &dialer->answer.addresses[i].address;
        if (address->ss_family == AF_INET) {
            ((struct sockaddr_in *)address)->sin_port = port;
        } else {
            ((struct sockaddr_in6 *)address)->sin6_port = port;
        }
    }
}

static void try_next(struct dialer *dialer) {
    while (dialer->next < dialer->answer.count) {
        const struct resolver_address *address = &dialer->answer.addresses[dialer->next];
        int fd = open_socket(address->address.ss_family);
        int error = fd >= 0 ? connect_now(fd, address) : errno;
        if (error == 0) {
            succeed(dialer, fd);
            return;
        }
        if (error == EINPROGRESS) {
            start_attempt(dialer, fd);
            return;
        }
        if (fd >= 0) {
            close(fd);
        }
        if (error == EAGAIN) {
            timer_start(&dialer->timer, UNIX_RETRY_MS);
            return;
        }
        note_failure(dialer, error);
        dialer->next++;
    }
    fail(dialer, dialer->fault);
}

static int open_socket(int family) {
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && family != AF_UNIX) {
        // A request is written at once and complete; the kernel shall not wait for more.
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
    }
    return fd;
}

// 0, EINPROGRESS or what is wrong. On loopback it is settled at once, although connect denies it:
// asking saves the detour through the loop.
static int connect_now(int fd, const struct resolver_address *address) {
    if (connect(fd, (const struct sockaddr *)&address->address, address->length) == 0) {
        return 0;
    }
    if (errno != EINPROGRESS) {
        return errno;
    }
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    return poll(&poll_fd, 1, 0) == 1 ? socket_error(fd) : EINPROGRESS;
}

static int socket_error(int fd) {
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        return errno;
    }
    return error == 0 && is_own_peer(fd) ? ECONNREFUSED : error;
}

// Where nobody listens on a port that the kernel also gives to those who connect, a socket may get
// that port itself and meet itself (RFC 9293 section 3.5, simultaneous open).
static bool is_own_peer(int fd) {
    struct sockaddr_storage own = {0};
    struct sockaddr_storage peer = {0};
    socklen_t own_size = sizeof(own);
    socklen_t peer_size = sizeof(peer);
    return getsockname(fd, (struct sockaddr *)&own, &own_size) == 0 &&
           getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0 && own.ss_family != AF_UNIX &&
           own_size == peer_size && memcmp(&own, &peer, own_size) == 0;
}

static void start_attempt(struct dialer *dialer, int fd) {
    struct attempt *attempt = alloc_new(struct attempt);
    attempt->dialer = dialer;
    attempt->fd = fd;
    attempt->poll.data = attempt;
    dialer->attempt = attempt;
    ensure(uv_poll_init(&dialer->loop->uv, &attempt->poll, fd) == 0);
    ensure(uv_poll_start(&attempt->poll, UV_WRITABLE, on_writable) == 0);
    timer_start(&dialer->timer, attempt_ms(dialer));
}

// The time left is shared by the addresses left, so that a silent one does not use it up.
static uint64_t attempt_ms(const struct dialer *dialer) {
    uint64_t now = loop_now(dialer->loop);
    uint64_t left = dialer->deadline_ms > now ? dialer->deadline_ms - now : 0;
    return left / (dialer->answer.count - dialer->next);
}

static void on_writable(uv_poll_t *poll, int status, int events) {
    (void)events;
    struct attempt *attempt = poll->data;
    struct dialer *dialer = attempt->dialer;
    loop_wake(dialer->loop);
    int error = status < 0 ? -status : socket_error(attempt->fd);
    int fd = drop_attempt(dialer);
    if (error == 0) {
        succeed(dialer, fd);
        return;
    }
    close(fd);
    note_failure(dialer, error);
    dialer->next++;
    try_next(dialer);
}

// The descriptor is the caller's: libuv has let go of it when uv_close returns.
static int drop_attempt(struct dialer *dialer) {
    struct attempt *attempt = dialer->attempt;
    dialer->attempt = NULL;
    attempt->dialer = NULL;
    uv_close((uv_handle_t *)&attempt->poll, on_poll_closed);
    return attempt->fd;
}

static void on_poll_closed(uv_handle_t *handle) {
    free(handle->data);
}

// Of several addresses the most telling failure counts: that nobody listens says more than that
// a protocol family is missing here.
static void note_failure(struct dialer *dialer, int error) {
    enum fault fault = fault_of(error);
    if (dialer->fault == FAULT_NONE || dialer->fault == FAULT_ORIGIN_UNREACHABLE) {
        dialer->fault = fault;
    }
    if (fault == FAULT_ORIGIN_BUSY) {
        log_warn("dialer", "-", "cannot open a socket: %s", strerror(error));
    }
}

static enum fault fault_of(int error) {
    switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case ENOENT: // a unix socket that is not there (yet)
        return FAULT_ORIGIN_REFUSED;
    case ETIMEDOUT:
        return FAULT_ORIGIN_CONNECT_TIMEOUT;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return FAULT_ORIGIN_BUSY;
    default:
        return FAULT_ORIGIN_UNREACHABLE;
    }
}

static void on_timer(struct timer *timer) {
    struct dialer *dialer = LIST_ENTRY(timer, struct dialer, timer);
    if (loop_now(dialer->loop) >= dialer->deadline_ms) {
        fail(dialer,
             dialer->state == DIALER_CONNECTING ? FAULT_ORIGIN_CONNECT_TIMEOUT : FAULT_ORIGIN_DNS);
        return;
    }
    if (dialer->attempt != NULL) {
        close(drop_attempt(dialer));
        note_failure(dialer, ETIMEDOUT);
        dialer->next++;
    }
    try_next(dialer);
}

static void succeed(struct dialer *dialer, int fd) {
    struct conn *conn = conn_create(dialer->loop, fd, dialer->target.is_unix, NULL);
    finish(dialer);
    dialer->on_connected(dialer->user, conn);
}

static void fail(struct dialer *dialer, enum fault fault) {
    finish(dialer);
    dialer->on_failed(dialer->user, fault);
}

void dialer_cancel(struct dialer *dialer) {
    finish(dialer);
}

static void finish(struct dialer *dialer) {
    ensure(dialer->state != DIALER_DONE);
    dialer->state = DIALER_DONE;
    loop_cancel(&dialer->start_task);
    resolver_cancel(&dialer->question);
    if (dialer->attempt != NULL) {
        close(drop_attempt(dialer));
    }
    timer_close(&dialer->timer, on_timer_closed);
}

static void on_timer_closed(struct timer *timer) {
    free(LIST_ENTRY(timer, struct dialer, timer));
}
