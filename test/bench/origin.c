// SPDX-License-Identifier: Apache-2.0
//
// The origin behind all proxies of scripts/bench: HTTP/1.1 with keep-alive, and as little work per
// request as can be, so that it keeps up on a core that it shares with the load.
//
//     bench_origin PORT UNIX-PATH
//
// Listens on 127.0.0.1:PORT and on the unix socket, prints "ready", runs until SIGTERM.
//
//     /bytes/N     N bytes
//     /page/K      10 KB and a Link field with ten assets of this page's own: /asset/K/1, ...
//     /asset/K/I   2 KB
//     /links/N     1 KB and a Link field with N elements
//     /learn/K     1 KB and a Link field with three elements
//     /hinted/K    the same, 2 ms after a 103 with that Link field
//     /hang        no response
//
// Content of requests is read and thrown away; the response follows it.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    BUFFER_SIZE = 32768,
    HEAD_SIZE = 16384,
    BODY_MAX = 64 << 20,
    EVENTS_MAX = 256,
    PAGE_SIZE = 10240,
    ASSET_SIZE = 2048,
    SMALL_SIZE = 1024,
    ASSETS = 10,
    THINKING_NS = 2000000,
    NS_PER_MS = 1000000,
};

struct peer {
    int fd;
    size_t filled;     // of the buffer
    uint64_t to_skip;  // of the request's content
    bool is_chunked;   // and how long it is will be seen
    char tail[8];      // the last bytes of chunked content
    bool has_response; // to send when the content is over
    char path[256];
    size_t head_sent;
    size_t head_size;
    size_t body_sent;
    size_t body_size;
    bool waits_for_room;
    int64_t due_ns; // of a response after its 103; 0: none
    struct peer *next_due;
    char head[HEAD_SIZE];
    char buffer[BUFFER_SIZE];
};

static int listen_tcp(int port);
static int listen_unix(const char *path);
static void watch(int poll, int fd, void *what, bool is_new, uint32_t events);
static void accept_peers(int poll, int listener);
static void on_event(int poll, struct peer *peer, uint32_t events);
static void settle(int poll, struct peer *peer, bool is_good, bool waited);
static bool take_requests(struct peer *peer);
static bool take_head(struct peer *peer, const char *end);
static void skip_content(struct peer *peer);
static void skip_chunks(struct peer *peer);
static bool respond(struct peer *peer);
static void prepare_hint(struct peer *peer);
static void prepare_response(struct peer *peer);
static size_t put_links(char *to, size_t size, const char *prefix, long count);
static bool send_response(struct peer *peer);
static void end_thinking(int poll);
static void forget_due(struct peer *peer);
static int until_due_ms(void);
static int64_t now_ns(void);
static const char *date_now(void);
static void die(const char *what);

static char *body; // all bodies are a beginning of it
static struct peer *first_due;
static struct peer **last_due = &first_due;

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: bench_origin PORT UNIX-PATH\n");
        return 2;
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    body = malloc(BODY_MAX);
    if (body == NULL) {
        die("malloc");
    }
    for (size_t i = 0; i < BODY_MAX; i++) {
        body[i] = (char)('a' + i * 7 % 26);
    }
    int poll = epoll_create1(EPOLL_CLOEXEC);
    int listeners[] = {listen_tcp(atoi(argv[1])), listen_unix(argv[2])};
    for (int i = 0; i < 2; i++) {
        watch(poll, listeners[i], &listeners[i], true, EPOLLIN);
    }
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(poll, events, EVENTS_MAX, until_due_ms());
        for (int i = 0; i < count; i++) {
            void *what = events[i].data.ptr;
            if (what == &listeners[0] || what == &listeners[1]) {
                accept_peers(poll, *(int *)what);
            } else {
                on_event(poll, what, events[i].events);
            }
        }
        end_thinking(poll);
    }
}

static int listen_tcp(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0) {
        die("listen");
    }
    return fd;
}

static int listen_unix(const char *path) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0) {
        die("listen on the unix socket");
    }
    return fd;
}

static void watch(int poll, int fd, void *what, bool is_new, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = what};
    if (epoll_ctl(poll, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) != 0) {
        die("epoll_ctl");
    }
}

static void accept_peers(int poll, int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct peer *peer = malloc(sizeof *peer);
        if (peer == NULL) {
            die("malloc");
        }
        memset(peer, 0, offsetof(struct peer, head));
        peer->fd = fd;
        watch(poll, fd, peer, true, EPOLLIN);
    }
}

static void on_event(int poll, struct peer *peer, uint32_t events) {
    bool is_good = true;
    bool waited = peer->waits_for_room;
    if (events & EPOLLOUT) {
        is_good = send_response(peer) && (peer->waits_for_room || take_requests(peer));
    }
    if (is_good && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !peer->waits_for_room) {
        ssize_t count = recv(peer->fd, peer->buffer + peer->filled, BUFFER_SIZE - peer->filled, 0);
        if (count > 0) {
            peer->filled += (size_t)count;
        }
        is_good = (count > 0 || (count < 0 && errno == EAGAIN)) && take_requests(peer);
    }
    settle(poll, peer, is_good, waited);
}

static void settle(int poll, struct peer *peer, bool is_good, bool waited) {
    if (!is_good) {
        forget_due(peer);
        close(peer->fd);
        free(peer);
    } else if (peer->waits_for_room != waited) {
        watch(poll, peer->fd, peer, false, peer->waits_for_room ? EPOLLOUT : EPOLLIN);
    }
}

static bool take_requests(struct peer *peer) {
    while (!peer->waits_for_room && peer->due_ns == 0) {
        if (peer->has_response) {
            peer->is_chunked ? skip_chunks(peer) : skip_content(peer);
            if (peer->to_skip != 0 || peer->is_chunked) {
                return true;
            }
            peer->has_response = false;
            if (!respond(peer)) {
                return false;
            }
            continue;
        }
        const char *end = memmem(peer->buffer, peer->filled, "\r\n\r\n", 4);
        if (end == NULL) {
            return peer->filled < BUFFER_SIZE;
        }
        if (!take_head(peer, end + 4)) {
            return false;
        }
    }
    return true;
}

static bool take_head(struct peer *peer, const char *end) {
    char *head = peer->buffer;
    size_t size = (size_t)(end - head);
    const char *path = memchr(head, ' ', size);
    const char *path_end = path == NULL ? NULL : memchr(path + 1, ' ', (size_t)(end - path - 1));
    if (path_end == NULL || path_end - path > (ptrdiff_t)sizeof peer->path) {
        return false;
    }
    snprintf(peer->path, sizeof peer->path, "%.*s", (int)(path_end - path - 1), path + 1);
    peer->to_skip = 0;
    peer->is_chunked = false;
    if (memcmp(head, "GET ", 4) != 0) {
        head[size - 1] = '\0';
        const char *field = strcasestr(head, "\r\ncontent-length:");
        peer->to_skip = field == NULL ? 0 : strtoull(field + 17, NULL, 10);
        peer->is_chunked = strcasestr(head, "\r\ntransfer-encoding: chunked") != NULL;
        memset(peer->tail, 0, sizeof peer->tail);
    }
    peer->has_response = true;
    peer->filled -= size;
    memmove(head, end, peer->filled);
    return true;
}

static void skip_content(struct peer *peer) {
    size_t count = peer->to_skip < peer->filled ? peer->to_skip : peer->filled;
    peer->to_skip -= count;
    peer->filled -= count;
    memmove(peer->buffer, peer->buffer + count, peer->filled);
}

// The load sends letters only, so the last chunk can be seen without reading all before it. No
// proxy sends another request before our response.
static void skip_chunks(struct peer *peer) {
    static const char last[] = "\r\n0\r\n\r\n";
    enum { LAST_SIZE = sizeof last - 1 };
    size_t count = peer->filled < LAST_SIZE ? peer->filled : LAST_SIZE;
    memmove(peer->tail, peer->tail + count, LAST_SIZE - count);
    memcpy(peer->tail + LAST_SIZE - count, peer->buffer + peer->filled - count, count);
    peer->filled = 0;
    if (memcmp(peer->tail, last, LAST_SIZE) == 0) {
        peer->is_chunked = false;
    }
}

static bool respond(struct peer *peer) {
    if (strncmp(peer->path, "/hinted/", 8) == 0) {
        prepare_hint(peer);
    } else {
        prepare_response(peer);
    }
    return send_response(peer);
}

static long number_of(const char *path) {
    return strtol(path + strcspn(path + 1, "/") + 2, NULL, 10);
}

// The 103, and the time when the rest follows.
static void prepare_hint(struct peer *peer) {
    char prefix[64];
    char links[512];
    snprintf(prefix, sizeof prefix, "/asset/%ld", number_of(peer->path));
    put_links(links, sizeof links, prefix, 3);
    int size = snprintf(peer->head, sizeof peer->head, "HTTP/1.1 103 Early Hints\r\n%s\r\n", links);
    peer->head_size = (size_t)size;
    peer->head_sent = 0;
    peer->body_size = peer->body_sent = 0;
    peer->due_ns = now_ns() + THINKING_NS;
    peer->next_due = NULL;
    *last_due = peer;
    last_due = &peer->next_due;
}

static void prepare_response(struct peer *peer) {
    char links[HEAD_SIZE / 2];
    char prefix[64];
    const char *path = peer->path;
    long number = number_of(path);
    size_t body_size = SMALL_SIZE;
    links[0] = '\0';
    snprintf(prefix, sizeof prefix, "/asset/%ld", number);
    if (strncmp(path, "/bytes/", 7) == 0) {
        body_size = number > 0 && number <= BODY_MAX ? (size_t)number : 0;
    } else if (strncmp(path, "/page/", 6) == 0) {
        body_size = PAGE_SIZE;
        put_links(links, sizeof links, prefix, ASSETS);
    } else if (strncmp(path, "/asset/", 7) == 0) {
        body_size = ASSET_SIZE;
    } else if (strncmp(path, "/links/", 7) == 0) {
        put_links(links, sizeof links, "/asset/1", number);
    } else if (strncmp(path, "/learn/", 7) == 0 || strncmp(path, "/hinted/", 8) == 0) {
        put_links(links, sizeof links, prefix, 3);
    } else if (strcmp(path, "/hang") == 0) {
        return;
    }
    int size = snprintf(peer->head, sizeof peer->head,
                        "HTTP/1.1 200 OK\r\nServer: bench\r\nDate: %s\r\n"
                        "Content-Type: %s\r\nContent-Length: %zu\r\n"
                        "Last-Modified: Mon, 02 Nov 2026 10:00:00 GMT\r\nETag: \"6548f3a0-400\"\r\n"
                        "Cache-Control: max-age=600\r\n%s\r\n",
                        date_now(), strncmp(path, "/page/", 6) == 0 ? "text/html" : "text/css",
                        body_size, links);
    peer->head_size = size > 0 && (size_t)size < sizeof peer->head ? (size_t)size : 0;
    peer->head_sent = 0;
    peer->body_size = body_size;
    peer->body_sent = 0;
}

static size_t put_links(char *to, size_t size, const char *prefix, long count) {
    size_t at = (size_t)snprintf(to, size, "Link: ");
    for (long i = 1; i <= count && at + 64 < size; i++) {
        at += (size_t)snprintf(to + at, size - at, "%s<%s/%ld>; rel=preload; as=style",
                               i > 1 ? ", " : "", prefix, i);
    }
    at += (size_t)snprintf(to + at, size - at, "\r\n");
    return at;
}

static bool send_response(struct peer *peer) {
    peer->waits_for_room = false;
    while (peer->head_sent < peer->head_size || peer->body_sent < peer->body_size) {
        struct iovec parts[2] = {
            {peer->head + peer->head_sent, peer->head_size - peer->head_sent},
            {body + peer->body_sent, peer->body_size - peer->body_sent},
        };
        ssize_t count = writev(peer->fd, parts, 2);
        if (count < 0) {
            peer->waits_for_room = errno == EAGAIN;
            return peer->waits_for_room;
        }
        size_t of_head = parts[0].iov_len < (size_t)count ? parts[0].iov_len : (size_t)count;
        peer->head_sent += of_head;
        peer->body_sent += (size_t)count - of_head;
    }
    return true;
}

// All think equally long, so the first to begin is the first to be done.
static void end_thinking(int poll) {
    while (first_due != NULL && first_due->due_ns <= now_ns()) {
        struct peer *peer = first_due;
        bool waited = peer->waits_for_room;
        forget_due(peer);
        prepare_response(peer);
        settle(poll, peer, send_response(peer) && take_requests(peer), waited);
    }
}

static void forget_due(struct peer *peer) {
    if (peer->due_ns == 0) {
        return;
    }
    struct peer **at = &first_due;
    while (*at != peer) {
        at = &(*at)->next_due;
    }
    *at = peer->next_due;
    if (*at == NULL) {
        last_due = at;
    }
    peer->due_ns = 0;
}

static int until_due_ms(void) {
    if (first_due == NULL) {
        return -1;
    }
    int64_t rest = first_due->due_ns - now_ns();
    return rest <= 0 ? 0 : (int)(rest / NS_PER_MS) + 1;
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 * NS_PER_MS + now.tv_nsec;
}

static const char *date_now(void) {
    static time_t last;
    static char text[32];
    time_t now = time(NULL);
    if (now != last) {
        struct tm parts;
        last = now;
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &parts));
    }
    return text;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}
