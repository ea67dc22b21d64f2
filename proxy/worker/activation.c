// SPDX-License-Identifier: Apache-2.0
#include "worker/activation.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "net/listener.h"

enum { MAX_SOCKETS = 1000, MAX_NAME = 64 };

struct passed {
    int fd;
    uint8_t address[16]; // IPv4 is mapped
    uint16_t port;
};

struct activation {
    struct passed *sockets;
    size_t count;
};

static long read_number(const char *text);
static void add(struct activation *activation, int fd, struct slice name,
                struct config_errors *errors);
static bool is_listening(int fd);
static bool read_address(int fd, struct passed *out_passed);
static bool parse_host(const char *host, uint8_t out_address[16]);
static void map_v4(const void *address, uint8_t out_address[16]);
static int find_at(const struct activation *activation, const uint8_t address[16], uint16_t port);
static void format(const struct passed *passed, char *out_text, size_t size);

bool activation_take(struct activation **out_activation, struct config_errors *errors) {
    const struct activation_offer offer = {.pid = getenv("LISTEN_PID"),
                                           .count = getenv("LISTEN_FDS"),
                                           .names = getenv("LISTEN_FDNAMES"),
                                           .first_fd = ACTIVATION_FIRST_FD};
    bool is_good = activation_open(&offer, out_activation, errors);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return is_good;
}

bool activation_open(const struct activation_offer *offer, struct activation **out_activation,
                     struct config_errors *errors) {
    long count = read_number(offer->count);
    *out_activation = NULL;
    if (read_number(offer->pid) != (long)getpid() || count == 0) {
        return true; // meant for another process, whose variables we inherited
    }
    if (count < 0 || count > MAX_SOCKETS) {
        config_errors_add(errors, "", 0, 0, "LISTEN_FDS", "not a number of sockets: %s",
                          offer->count != NULL ? offer->count : "");
        return false;
    }
    struct activation *activation = alloc_new(struct activation);
    activation->sockets = alloc_zeroed((size_t)count, sizeof(struct passed));
    size_t errors_before = errors->count;
    struct slice names = slice_of_text(offer->names != NULL ? offer->names : "");
    for (int i = 0; i < (int)count; i++) {
        size_t end = slice_find(names, ':');
        add(activation, offer->first_fd + i, slice_first(names, end), errors);
        names = slice_skip(names, end + 1);
    }
    if (errors->count > errors_before) {
        activation_close(activation);
        return false;
    }
    *out_activation = activation;
    return true;
}

// -1: no number.
static long read_number(const char *text) {
    if (text == NULL || text[0] < '0' || text[0] > '9') {
        return -1;
    }
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' ? number : -1;
}

static void add(struct activation *activation, int fd, struct slice name,
                struct config_errors *errors) {
    struct passed *passed = &activation->sockets[activation->count];
    if (!is_listening(fd) || !read_address(fd, passed) || !listener_adopt(fd)) {
        config_errors_add(errors, "", 0, 0, "LISTEN_FDS",
                          "the service manager passed descriptor %d (%.*s), which is no listening "
                          "TCP socket",
                          fd, name.length < MAX_NAME ? (int)name.length : MAX_NAME, name.data);
        return;
    }
    passed->fd = fd;
    activation->count++;
}

static bool is_listening(int fd) {
    int value = 0;
    socklen_t size = sizeof(value);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

static bool read_address(int fd, struct passed *out_passed) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        return false;
    }
    if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
        memcpy(out_passed->address, &v6->sin6_addr, sizeof(v6->sin6_addr));
        out_passed->port = ntohs(v6->sin6_port);
    } else if (address.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
        map_v4(&v4->sin_addr, out_passed->address);
        out_passed->port = ntohs(v4->sin_port);
    }
    return address.ss_family == AF_INET6 || address.ss_family == AF_INET;
}

// --- which listener -----------------------------------------------------------------------------

int activation_find(const struct activation *activation, const struct config_listener *listener) {
    uint8_t address[16];
    if (activation == NULL) {
        return -1;
    }
    if (listener->host[0] != '\0') {
        return parse_host(listener->host, address) ? find_at(activation, address, listener->port)
                                                   : -1;
    }
    parse_host("::", address);
    int fd = find_at(activation, address, listener->port);
    if (fd < 0) {
        parse_host("0.0.0.0", address);
        fd = find_at(activation, address, listener->port);
    }
    return fd;
}

static int find_at(const struct activation *activation, const uint8_t address[16], uint16_t port) {
    for (size_t i = 0; i < activation->count; i++) {
        const struct passed *passed = &activation->sockets[i];
        if (passed->port == port && memcmp(passed->address, address, 16) == 0) {
            return passed->fd;
        }
    }
    return -1;
}

static bool parse_host(const char *host, uint8_t out_address[16]) {
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        map_v4(&v4, out_address);
        return true;
    }
    return inet_pton(AF_INET6, host, out_address) == 1;
}

static void map_v4(const void *address, uint8_t out_address[16]) {
    memset(out_address, 0, 10);
    memset(out_address + 10, 0xff, 2);
    memcpy(out_address + 12, address, 4);
}

bool activation_check(const struct activation *activation, const struct config *config,
                      struct config_errors *errors) {
    bool is_fine = true;
    for (size_t i = 0; activation != NULL && i < activation->count; i++) {
        bool is_used = false;
        for (size_t k = 0; k < config->listener_count; k++) {
            is_used |=
                activation_find(activation, &config->listeners[k]) == activation->sockets[i].fd;
        }
        if (!is_used) {
            char text[INET6_ADDRSTRLEN + 16];
            format(&activation->sockets[i], text, sizeof(text));
            config_errors_add(errors, config->file, 0, 0, "listeners",
                              "none is for %s, on which the service manager passed a socket", text);
        }
        is_fine &= is_used;
    }
    return is_fine;
}

static void format(const struct passed *passed, char *out_text, size_t size) {
    char text[INET6_ADDRSTRLEN] = "";
    static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};
    if (memcmp(passed->address, v4_prefix, sizeof(v4_prefix)) == 0) {
        inet_ntop(AF_INET, passed->address + 12, text, sizeof(text));
        snprintf(out_text, size, "%s:%u", text, passed->port);
    } else {
        inet_ntop(AF_INET6, passed->address, text, sizeof(text));
        snprintf(out_text, size, "[%s]:%u", text, passed->port);
    }
}

void activation_close(struct activation *take_activation) {
    if (take_activation == NULL) {
        return;
    }
    for (size_t i = 0; i < take_activation->count; i++) {
        close(take_activation->sockets[i].fd);
    }
    free(take_activation->sockets);
    free(take_activation);
}
