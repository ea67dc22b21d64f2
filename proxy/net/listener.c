// SPDX-License-Identifier: Apache-2.0
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/log.h"
#include "net/timer.h"
#include "net/tls_context.h"

enum {
    BACKLOG = 1024,
    ACCEPT_BATCH = 64,    // others get their turn
    REST_MS = 100,        // when descriptors have run out
    LOG_EVERY_MS = 10000, // the same complaint
    // The kernel holds at most this much that it has not sent yet: what waits with us can still be
    // reordered by priority or dropped by a reset, what waits there cannot.
    NOTSENT_BYTES = 128 * 1024,
};

struct listener {
    struct loop *loop;
    int fd;
    bool is_unix;
    struct tls_context *tls;
    void (*on_accept)(void *user, struct conn *take_conn);
    void *user;
    void (*on_closed)(void *user);
    uv_poll_t poll;
    struct timer rest; // from accepting
    uint64_t logged_ms;
    int open_handles;
    bool is_closing;
};

static int open_socket(const char *host, bool is_probe, uint16_t *port, char *out_error,
                       size_t out_error_size);
static int open_at(const char *host, bool is_dual, bool is_probe, uint16_t *port, char *out_error,
                   size_t out_error_size);
static bool set_options(int fd, int family, bool is_dual, bool is_probe);
static void set_inherited(int fd);
static uint16_t chosen_port(int fd);
static bool is_unix_socket(int fd);
static void start_accepting(struct listener *listener);
static void on_readable(uv_poll_t *poll, int status, int events);
static bool accept_one(struct listener *listener);
static void take_queue(struct listener *listener);
static void rest(struct listener *listener, int error);
static void on_rested(struct timer *timer);
static void on_poll_closed(uv_handle_t *handle);
static void on_timer_closed(struct timer *timer);
static void on_handle_closed(struct listener *listener);

int listener_socket(const char *host, uint16_t *port, char *out_error, size_t out_error_size) {
    return open_socket(host, false, port, out_error, out_error_size);
}

// With SO_REUSEPORT a second outrider would quietly get half of the connections of the first; a
// socket without it is refused where anybody listens.
bool listener_is_free(const char *host, uint16_t port, char *out_error, size_t out_error_size) {
    int fd = open_socket(host, true, &port, out_error, out_error_size);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static int open_socket(const char *host, bool is_probe, uint16_t *port, char *out_error,
                       size_t out_error_size) {
    if (host[0] != '\0') {
        return open_at(host, false, is_probe, port, out_error, out_error_size);
    }
    int fd = open_at("::", true, is_probe, port, out_error, out_error_size);
    if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        fd = open_at("0.0.0.0", false, is_probe, port, out_error, out_error_size);
    }
    return fd;
}

static int open_at(const char *host, bool is_dual, bool is_probe, uint16_t *port, char *out_error,
                   size_t out_error_size) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *address;
    char service[8];
    snprintf(service, sizeof(service), "%u", (unsigned)*port);
    int status = getaddrinfo(host, service, &hints, &address);
    if (status != 0) {
        snprintf(out_error, out_error_size, "%s", gai_strerror(status));
        errno = EINVAL;
        return -1;
    }
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_open = fd >= 0 && set_options(fd, address->ai_family, is_dual, is_probe) &&
                   bind(fd, address->ai_addr, address->ai_addrlen) == 0 &&
                   (is_probe || listen(fd, BACKLOG) == 0);
    int error = errno;
    freeaddrinfo(address);
    if (!is_open) {
        snprintf(out_error, out_error_size, "%s", strerror(error));
        if (fd >= 0) {
            close(fd);
        }
        errno = error;
        return -1;
    }
    *port = chosen_port(fd);
    return fd;
}

static bool set_options(int fd, int family, bool is_dual, bool is_probe) {
    int on = 1;
    int off = 0;
    set_inherited(fd);
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
           (is_probe || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
           (family != AF_INET6 ||
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_dual ? &off : &on, sizeof(on)) == 0);
}

// Accepted sockets inherit these (Linux), which saves calls for each of them.
static void set_inherited(int fd) {
    int on = 1;
    int notsent = NOTSENT_BYTES;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof(notsent));
}

bool listener_adopt(int fd) {
    int flags = fcntl(fd, F_GETFL);
    set_inherited(fd);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
           fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static uint16_t chosen_port(int fd) {
    union {
        struct sockaddr_in6 v6;
        struct sockaddr_in v4;
        struct sockaddr any;
    } address = {0};
    socklen_t size = sizeof(address);
    getsockname(fd, &address.any, &size);
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

struct listener *listener_open(struct loop *loop, int take_fd, struct tls_context *tls,
                               void (*on_accept)(void *user, struct conn *take_conn), void *user) {
    struct listener *listener = alloc_new(struct listener);
    listener->loop = loop;
    listener->fd = take_fd;
    listener->is_unix = is_unix_socket(take_fd);
    listener->tls = tls != NULL ? tls_context_ref(tls) : NULL;
    listener->on_accept = on_accept;
    listener->user = user;
    listener->open_handles = 2;
    timer_init(&listener->rest, loop, on_rested);
    ensure(uv_poll_init(&loop->uv, &listener->poll, take_fd) == 0);
    listener->poll.data = listener;
    start_accepting(listener);
    return listener;
}

static bool is_unix_socket(int fd) {
    int domain = 0;
    socklen_t size = sizeof(domain);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

void listener_set_tls(struct listener *listener, struct tls_context *tls) {
    tls_context_unref(&listener->tls);
    listener->tls = tls != NULL ? tls_context_ref(tls) : NULL;
}

static void start_accepting(struct listener *listener) {
    ensure(uv_poll_start(&listener->poll, UV_READABLE, on_readable) == 0);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    struct listener *listener = poll->data;
    loop_wake(listener->loop);
    for (int i = 0; i < ACCEPT_BATCH && !listener->is_closing; i++) {
        if (!accept_one(listener)) {
            return;
        }
    }
}

// False when there is nothing more to accept now.
static bool accept_one(struct listener *listener) {
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        listener->on_accept(listener->user,
                            conn_create(listener->loop, fd, listener->is_unix, listener->tls));
        return true;
    }
    switch (errno) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        rest(listener, errno);
        return false;
    default: // this one is gone already (ECONNABORTED and the like); the next may be well
        return true;
    }
}

// The waiting connection would wake us again at once.
static void rest(struct listener *listener, int error) {
    uv_poll_stop(&listener->poll);
    timer_start(&listener->rest, REST_MS);
    metrics_add(&listener->loop->metrics, LIMITS, METRIC_LIMIT_DESCRIPTORS, 1);
    uint64_t now = loop_now(listener->loop);
    if (listener->logged_ms == 0 || now - listener->logged_ms >= LOG_EVERY_MS) {
        listener->logged_ms = now;
        log_warn("listener", "-", "cannot accept for a moment: %s", strerror(error));
    }
}

static void on_rested(struct timer *timer) {
    start_accepting(LIST_ENTRY(timer, struct listener, rest));
}

// Who waits in a queue of our own would be reset with it. A socket that others hold too (passed by
// a service manager; ours have SO_REUSEPORT) keeps its queue for them.
static void take_queue(struct listener *listener) {
    int is_own = 0;
    socklen_t size = sizeof(is_own);
    if (getsockopt(listener->fd, SOL_SOCKET, SO_REUSEPORT, &is_own, &size) != 0 || is_own == 0) {
        return;
    }
    for (int i = 0; i < BACKLOG && accept_one(listener); i++) {
    }
}

void listener_close(struct listener *listener, void (*on_closed)(void *user)) {
    ensure(!listener->is_closing);
    take_queue(listener);
    listener->is_closing = true;
    listener->on_closed = on_closed;
    uv_close((uv_handle_t *)&listener->poll, on_poll_closed);
    close(listener->fd);
    timer_close(&listener->rest, on_timer_closed);
}

static void on_poll_closed(uv_handle_t *handle) {
    on_handle_closed(handle->data);
}

static void on_timer_closed(struct timer *timer) {
    on_handle_closed(LIST_ENTRY(timer, struct listener, rest));
}

static void on_handle_closed(struct listener *listener) {
    if (--listener->open_handles > 0) {
        return;
    }
    if (listener->on_closed != NULL) {
        listener->on_closed(listener->user);
    }
    tls_context_unref(&listener->tls);
    free(listener);
}
