// SPDX-License-Identifier: Apache-2.0
#include "worker/health.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "worker/endpoint.h"

enum { MAX_ANSWER_BYTES = 4096 };

// One question on one connection.
struct probe {
    const struct health_options *options;
    uint64_t deadline_ms;
    int fd;
    char answer[MAX_ANSWER_BYTES];
    size_t length;
};

static bool connect_to(struct probe *probe);
static socklen_t address_of(const struct config_endpoint *place,
                            struct sockaddr_storage *out_address);
static bool send_request(struct probe *probe);
static bool receive(struct probe *probe);
static bool wait_for(struct probe *probe, short events);
static uint64_t now_ms(void);
static int report(const struct probe *probe);
static int fail(const struct probe *probe, const char *what);

int health_ask(const struct health_options *options) {
    struct probe probe = {
        .options = options, .deadline_ms = now_ms() + options->timeout_ms, .fd = -1};
    int code;
    if (!endpoint_is_on(&options->place)) {
        fputs("outrider: there is no admin listener to ask (admin: off)\n", stderr);
        return 1;
    }
    if (!connect_to(&probe)) {
        code = fail(&probe, "can't connect");
    } else if (!send_request(&probe) || !receive(&probe)) {
        code = fail(&probe, "no answer");
    } else {
        code = report(&probe);
    }
    if (probe.fd >= 0) {
        close(probe.fd);
    }
    return code;
}

static bool connect_to(struct probe *probe) {
    struct sockaddr_storage address = {0};
    socklen_t size = address_of(&probe->options->place, &address);
    probe->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe->fd < 0) {
        return false;
    }
    if (connect(probe->fd, (struct sockaddr *)&address, size) == 0) {
        return true;
    }
    if (errno != EINPROGRESS || !wait_for(probe, POLLOUT)) {
        return false;
    }
    int error = 0;
    socklen_t error_size = sizeof(error);
    getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
    errno = error;
    return error == 0;
}

// Who listens on any address is asked on this machine's own.
static socklen_t address_of(const struct config_endpoint *place,
                            struct sockaddr_storage *out_address) {
    if (place->path != NULL) {
        struct sockaddr_un *address = (struct sockaddr_un *)out_address;
        address->sun_family = AF_UNIX;
        strncpy(address->sun_path, place->path, sizeof(address->sun_path) - 1);
        return sizeof(*address);
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out_address;
    if (inet_pton(AF_INET6, place->host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(place->port);
        if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)) {
            v6->sin6_addr = in6addr_loopback;
        }
        return sizeof(*v6);
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)out_address;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(place->port);
    if (inet_pton(AF_INET, place->host, &v4->sin_addr) != 1 || v4->sin_addr.s_addr == INADDR_ANY) {
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    return sizeof(*v4);
}

static bool send_request(struct probe *probe) {
    char request[128];
    int length = snprintf(request, sizeof(request),
                          "GET /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                          probe->options->is_live_enough ? "live" : "ready");
    return wait_for(probe, POLLOUT) &&
           send(probe->fd, request, (size_t)length, MSG_NOSIGNAL) == length;
}

// Until the other side closes, or as much as anybody could want to read.
static bool receive(struct probe *probe) {
    for (;;) {
        size_t room = sizeof(probe->answer) - 1 - probe->length;
        if (room == 0) {
            return true;
        }
        if (!wait_for(probe, POLLIN)) {
            return false;
        }
        ssize_t count = recv(probe->fd, probe->answer + probe->length, room, 0);
        if (count == 0) {
            return probe->length > 0;
        }
        if (count < 0 && errno != EINTR && errno != EAGAIN) {
            return false;
        }
        probe->length += count > 0 ? (size_t)count : 0;
    }
}

static bool wait_for(struct probe *probe, short events) {
    for (;;) {
        uint64_t now = now_ms();
        struct pollfd poll_fd = {.fd = probe->fd, .events = events};
        int left = probe->deadline_ms > now ? (int)(probe->deadline_ms - now) : 0;
        int count = poll(&poll_fd, 1, left);
        if (count > 0) {
            return true;
        }
        if (count == 0) {
            errno = ETIMEDOUT;
            return false;
        }
        if (errno != EINTR) {
            return false;
        }
    }
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int report(const struct probe *probe) {
    const char *body = strstr(probe->answer, "\r\n\r\n");
    if (strncmp(probe->answer, "HTTP/1.1 ", 9) != 0 || body == NULL) {
        return fail(probe, "that is no outrider");
    }
    body += 4;
    printf("%.*s\n", (int)strcspn(body, "\r\n"), body);
    return strncmp(probe->answer + 9, "200 ", 4) == 0 ? 0 : 1;
}

static int fail(const struct probe *probe, const char *what) {
    char place[256];
    int error = errno;
    endpoint_describe(&probe->options->place, probe->options->place.port, place, sizeof(place));
    fprintf(stderr, "outrider: %s: %s%s%s\n", place, what, error != 0 ? ": " : "",
            error != 0 ? strerror(error) : "");
    return 1;
}
