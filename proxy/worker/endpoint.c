// SPDX-License-Identifier: Apache-2.0
#include "worker/endpoint.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/listener.h"

enum { BACKLOG = 64 };

static int open_unix(const char *path, char *out_error, size_t out_error_size);
static bool make_room(const struct sockaddr_un *address);
static bool is_left(const struct sockaddr_un *address);
static struct sockaddr_un address_of(const char *path);
static int say(int fd, int error, char *out_error, size_t out_error_size);

int endpoint_open(const struct config_endpoint *endpoint, bool is_ours, uint16_t *out_port,
                  char *out_error, size_t out_error_size) {
    if (endpoint->path != NULL) {
        return open_unix(endpoint->path, out_error, out_error_size);
    }
    uint16_t port = endpoint->port;
    if (port != 0 && !is_ours &&
        !listener_is_free(endpoint->host, port, out_error, out_error_size)) {
        return -1;
    }
    int fd = listener_socket(endpoint->host, &port, out_error, out_error_size);
    *out_port = port;
    return fd;
}

static int open_unix(const char *path, char *out_error, size_t out_error_size) {
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || !make_room(&address)) {
        return say(fd, errno, out_error, out_error_size);
    }
    mode_t before = umask(0117); // owner and group: who may connect may drain
    int failed = bind(fd, (struct sockaddr *)&address, sizeof(address));
    int error = errno;
    umask(before);
    if (failed != 0 || listen(fd, BACKLOG) != 0) {
        return say(fd, failed != 0 ? error : errno, out_error, out_error_size);
    }
    return fd;
}

// A file left by a process that was killed gives way; a socket that is served, or of which we can't
// tell, does not, and nothing else is touched.
static bool make_room(const struct sockaddr_un *address) {
    struct stat status;
    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        return true; // bind says what is wrong
    }
    bool is_gone = is_left(address) && unlink(address->sun_path) == 0;
    errno = EADDRINUSE;
    return is_gone;
}

static bool is_left(const struct sockaddr_un *address) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_refused = fd >= 0 &&
                      connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
                      errno == ECONNREFUSED;
    if (fd >= 0) {
        close(fd);
    }
    return is_refused;
}

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    return address;
}

static int say(int fd, int error, char *out_error, size_t out_error_size) {
    snprintf(out_error, out_error_size, "%s", strerror(error));
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

void endpoint_remove(const struct config_endpoint *endpoint) {
    struct stat status;
    if (endpoint->path == NULL || lstat(endpoint->path, &status) != 0 ||
        !S_ISSOCK(status.st_mode)) {
        return;
    }
    struct sockaddr_un address = address_of(endpoint->path);
    if (is_left(&address)) {
        unlink(endpoint->path);
    }
}

bool endpoint_is_same(const struct config_endpoint *a, const struct config_endpoint *b) {
    if (a->path != NULL || b->path != NULL) {
        return a->path != NULL && b->path != NULL && strcmp(a->path, b->path) == 0;
    }
    if (a->host == NULL || b->host == NULL) {
        return a->host == b->host;
    }
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

void endpoint_describe(const struct config_endpoint *endpoint, uint16_t port, char *out_text,
                       size_t size) {
    if (endpoint->path != NULL) {
        snprintf(out_text, size, "unix:%s", endpoint->path);
        return;
    }
    bool is_v6 = strchr(endpoint->host, ':') != NULL;
    snprintf(out_text, size, "http://%s%s%s:%u/", is_v6 ? "[" : "",
             endpoint->host[0] != '\0' ? endpoint->host : "0.0.0.0", is_v6 ? "]" : "", port);
}
