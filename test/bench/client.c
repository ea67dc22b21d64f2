// SPDX-License-Identifier: Apache-2.0
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

enum {
    EVENTS_MAX = 256,
    READ_SIZE = 65536,
    WRITE_SIZE = 65536,
    STREAM_WINDOW = 1 << 24,
    NS_PER_S = 1000000000,
};

static void watch(struct client *client, int how);
static void on_ready(struct client *client, uint32_t events);
static bool shake_hands(struct client *client);
static bool start_session(struct client *client);
static bool read_all(struct client *client);
static bool write_all(struct client *client);
static bool write_some(struct client *client, const char *data, size_t size);
static void make_dirty(struct client *client);
static void flush_dirty(void);
static void end(struct client *client, bool is_good);
static struct stream *add_stream(struct client *client, int32_t id, int64_t begun_ns);
static void remove_stream(struct stream *stream);
static int keep_session(SSL *ssl, SSL_SESSION *session);
static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *user);
static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user);
static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
                   void *user);
static int on_stream_close(nghttp2_session *h2, int32_t id, uint32_t error, void *user);

static struct client_options options;
static char authority[64];
static struct sockaddr_in address;
static SSL_CTX *tls;
static SSL_SESSION *last_session;
static nghttp2_session_callbacks *callbacks;
static int epoll_fd;
static struct client *dirty;

void client_setup(const struct client_options *wanted) {
    options = *wanted;
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)options.port);
    if (inet_pton(AF_INET, options.host, &address.sin_addr) != 1) {
        die("%s is no address", options.host);
    }
    snprintf(authority, sizeof authority, "localhost:%d", options.port);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    // The same for every proxy: what they would prefer is not compared.
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(tls, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set1_groups_list(tls, "X25519");
    SSL_CTX_set_alpn_protos(tls, (const unsigned char *)"\x02h2", 3);
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(tls, 1);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, keep_session);

    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

static int keep_session(SSL *ssl, SSL_SESSION *session) {
    (void)ssl;
    if (!options.resumes) {
        return 0;
    }
    SSL_SESSION_free(last_session);
    last_session = SSL_SESSION_dup(session);
    return 0;
}

void client_start(struct client *client, const struct client_events *events) {
    *client = (struct client){.events = events, .number = client->number};
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0) {
        die("socket: %s", strerror(errno));
    }
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) != 0 &&
        errno != EINPROGRESS) {
        die("connect: %s", strerror(errno));
    }
    client->ssl = SSL_new(tls);
    SSL_set_fd(client->ssl, client->fd);
    SSL_set_connect_state(client->ssl);
    if (last_session != NULL) { // OpenSSL lets a session be used once, so each has a copy
        SSL_SESSION *own = SSL_SESSION_dup(last_session);
        SSL_set_session(client->ssl, own);
        SSL_SESSION_free(own);
    }
    client->waits_for_room = true;
    watch(client, EPOLL_CTL_ADD);
}

static void watch(struct client *client, int how) {
    uint32_t events = client->is_deaf ? 0 : EPOLLIN;
    events |= client->waits_for_room ? EPOLLOUT : 0;
    struct epoll_event event = {.events = events, .data.ptr = client};
    if (epoll_ctl(epoll_fd, how, client->fd, &event) != 0) {
        die("epoll_ctl: %s", strerror(errno));
    }
}

int client_turn(int64_t until_ns) {
    struct epoll_event events[EVENTS_MAX];
    flush_dirty();
    int64_t rest = until_ns - now_ns();
    struct timespec wait = {.tv_sec = rest / NS_PER_S, .tv_nsec = rest % NS_PER_S};
    if (until_ns == 0 || rest <= 0) {
        wait = (struct timespec){0};
    }
    int count = epoll_pwait2(epoll_fd, events, EVENTS_MAX, &wait, NULL);
    for (int i = 0; i < count; i++) {
        on_ready(events[i].data.ptr, events[i].events);
    }
    flush_dirty();
    return count;
}

static void on_ready(struct client *client, uint32_t events) {
    bool waited = client->waits_for_room;
    if (!client->is_open) {
        if (!shake_hands(client)) {
            end(client, false);
            return;
        }
        if (!client->is_open) {
            return;
        }
        waited = false;
        events = EPOLLIN; // more may have been read than the handshake took
    }
    if (events & EPOLLOUT) {
        client->waits_for_room = false;
        make_dirty(client);
    }
    if (client->waits_for_room != waited) {
        watch(client, EPOLL_CTL_MOD);
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !read_all(client)) {
        end(client, client->is_closing);
    }
}

static bool shake_hands(struct client *client) {
    ERR_clear_error();
    int result = SSL_do_handshake(client->ssl);
    if (result == 1) {
        client->waits_for_room = false;
        watch(client, EPOLL_CTL_MOD);
        return start_session(client);
    }
    int error = SSL_get_error(client->ssl, result);
    bool wants_room = error == SSL_ERROR_WANT_WRITE;
    if (wants_room != client->waits_for_room) {
        client->waits_for_room = wants_room;
        watch(client, EPOLL_CTL_MOD);
    }
    return wants_room || error == SSL_ERROR_WANT_READ;
}

static bool start_session(struct client *client) {
    const unsigned char *protocol;
    unsigned size;
    SSL_get0_alpn_selected(client->ssl, &protocol, &size);
    if (size != 2 || memcmp(protocol, "h2", 2) != 0) {
        return false;
    }
    client->is_open = true;
    client->is_reused = SSL_session_reused(client->ssl) == 1;
    nghttp2_session_client_new(&client->h2, callbacks, client);
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, options.takes_push},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
    };
    nghttp2_submit_settings(client->h2, NGHTTP2_FLAG_NONE, settings, 3);
    nghttp2_session_set_local_window_size(client->h2, NGHTTP2_FLAG_NONE, 0, INT32_MAX);
    make_dirty(client);
    client->events->on_open(client);
    return true;
}

void client_request(struct client *client, const char *path, int64_t begun_ns) {
    nghttp2_nv fields[4 + sizeof options.fields / sizeof *options.fields] = {
        {(uint8_t *)":method", (uint8_t *)"GET", 7, 3, NGHTTP2_NV_FLAG_NONE},
        {(uint8_t *)":scheme", (uint8_t *)"https", 7, 5, NGHTTP2_NV_FLAG_NONE},
        {(uint8_t *)":authority", (uint8_t *)authority, 10, strlen(authority), 0},
        {(uint8_t *)":path", (uint8_t *)path, 5, strlen(path), NGHTTP2_NV_FLAG_NONE},
    };
    memcpy(fields + 4, options.fields, options.field_count * sizeof *fields);
    int32_t id =
        nghttp2_submit_request(client->h2, NULL, fields, 4 + options.field_count, NULL, NULL);
    if (id < 0) {
        die("nghttp2_submit_request: %s", nghttp2_strerror(id));
    }
    struct stream *stream = add_stream(client, id, begun_ns);
    nghttp2_session_set_stream_user_data(client->h2, id, stream);
    client->requests++;
    make_dirty(client);
}

static struct stream *add_stream(struct client *client, int32_t id, int64_t begun_ns) {
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        die("calloc");
    }
    stream->client = client;
    stream->begun_ns = begun_ns;
    stream->id = id;
    stream->next = client->streams;
    if (stream->next != NULL) {
        stream->next->before = stream;
    }
    client->streams = stream;
    client->open_streams++;
    return stream;
}

static void remove_stream(struct stream *stream) {
    struct client *client = stream->client;
    if (stream->next != NULL) {
        stream->next->before = stream->before;
    }
    *(stream->before != NULL ? &stream->before->next : &client->streams) = stream->next;
    client->open_streams--;
    free(stream);
}

// ---- Reading ------------------------------------------------------------------------------------

static bool read_all(struct client *client) {
    static uint8_t buffer[READ_SIZE];
    for (;;) {
        ERR_clear_error();
        int count = SSL_read(client->ssl, buffer, sizeof buffer);
        if (count <= 0) {
            return SSL_get_error(client->ssl, count) == SSL_ERROR_WANT_READ;
        }
        if (nghttp2_session_mem_recv(client->h2, buffer, (size_t)count) < 0) {
            return false;
        }
        make_dirty(client);
    }
}

// A promised stream has the time of the page's request, so that its end says how long it took.
static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *user) {
    struct client *client = user;
    if (frame->hd.type == NGHTTP2_PUSH_PROMISE) {
        struct stream *page = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
        int32_t id = frame->push_promise.promised_stream_id;
        struct stream *stream = add_stream(client, id, page == NULL ? now_ns() : page->begun_ns);
        stream->is_pushed = true;
        nghttp2_session_set_stream_user_data(h2, id, stream);
    }
    return 0;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user) {
    (void)flags;
    (void)user;
    (void)value_size;
    if (frame->hd.type == NGHTTP2_HEADERS && name_size == 7 && memcmp(name, ":status", 7) == 0) {
        struct stream *stream = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
        if (stream != NULL) {
            stream->status = atoi((const char *)value);
            stream->hints += stream->status == 103;
        }
    }
    return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
                   void *user) {
    (void)flags;
    (void)data;
    (void)user;
    struct stream *stream = nghttp2_session_get_stream_user_data(h2, id);
    if (stream != NULL) {
        stream->size += size;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t id, uint32_t error, void *user) {
    struct client *client = user;
    struct stream *stream = nghttp2_session_get_stream_user_data(h2, id);
    if (stream != NULL) {
        struct stream ended = *stream;
        nghttp2_session_set_stream_user_data(h2, id, NULL);
        remove_stream(stream);
        client->events->on_stream_end(client, &ended, error == 0 && ended.status == 200);
    }
    return 0;
}

// ---- Writing ------------------------------------------------------------------------------------

static void make_dirty(struct client *client) {
    if (!client->is_dirty) {
        client->is_dirty = true;
        client->next_dirty = dirty;
        dirty = client;
    }
}

// What a turn has made leaves in one write per connection.
static void flush_dirty(void) {
    while (dirty != NULL) {
        struct client *client = dirty;
        dirty = client->next_dirty;
        client->is_dirty = false;
        if (client->waits_for_room) {
            continue;
        }
        if (!write_all(client)) {
            end(client, client->is_closing);
        } else if (client->waits_for_room) {
            watch(client, EPOLL_CTL_MOD);
        } else if (client->is_closing) {
            SSL_shutdown(client->ssl);
            end(client, true);
        }
    }
}

static bool write_all(struct client *client) {
    static char buffer[WRITE_SIZE];
    if (client->unsent_size > 0) {
        char *unsent = client->unsent;
        size_t size = client->unsent_size;
        client->unsent = NULL;
        client->unsent_size = 0;
        bool is_good = write_some(client, unsent, size);
        free(unsent);
        if (!is_good || client->waits_for_room) {
            return is_good;
        }
    }
    size_t filled = 0;
    for (;;) {
        const uint8_t *data;
        ssize_t size = nghttp2_session_mem_send(client->h2, &data);
        if (size < 0 || (size_t)size > sizeof buffer) {
            return false;
        }
        if (filled > 0 && (size == 0 || filled + (size_t)size > sizeof buffer)) {
            if (!write_some(client, buffer, filled)) {
                return false;
            }
            filled = 0;
        }
        if (size == 0) {
            return true;
        }
        if (client->waits_for_room) { // joins what could not be written
            char *more = realloc(client->unsent, client->unsent_size + (size_t)size);
            if (more == NULL) {
                die("realloc");
            }
            memcpy(more + client->unsent_size, data, (size_t)size);
            client->unsent = more;
            client->unsent_size += (size_t)size;
            return true;
        }
        memcpy(buffer + filled, data, (size_t)size);
        filled += (size_t)size;
    }
}

static bool write_some(struct client *client, const char *data, size_t size) {
    while (size > 0) {
        ERR_clear_error();
        int count = SSL_write(client->ssl, data, (int)size);
        if (count <= 0) {
            if (SSL_get_error(client->ssl, count) != SSL_ERROR_WANT_WRITE) {
                return false;
            }
            client->waits_for_room = true;
            client->unsent = malloc(size);
            if (client->unsent == NULL) {
                die("malloc");
            }
            memcpy(client->unsent, data, size);
            client->unsent_size = size;
            return true;
        }
        data += count;
        size -= (size_t)count;
    }
    return true;
}

// ---- The end ------------------------------------------------------------------------------------

void client_be_deaf(struct client *client) {
    client->is_deaf = true;
    watch(client, EPOLL_CTL_MOD);
}

void client_close(struct client *client) {
    if (!client->is_closing) {
        client->is_closing = true;
        nghttp2_session_terminate_session(client->h2, NGHTTP2_NO_ERROR);
        make_dirty(client);
    }
}

void client_drop(struct client *client) {
    if (client->fd < 0) {
        return;
    }
    for (struct client **at = &dirty; *at != NULL; at = &(*at)->next_dirty) {
        if (*at == client) {
            *at = client->next_dirty;
            break;
        }
    }
    while (client->streams != NULL) {
        remove_stream(client->streams);
    }
    nghttp2_session_del(client->h2);
    SSL_free(client->ssl);
    close(client->fd);
    free(client->unsent);
    client->h2 = NULL;
    client->ssl = NULL;
    client->unsent = NULL;
    client->fd = -1;
}

static void end(struct client *client, bool is_good) {
    client_drop(client);
    client->events->on_end(client, is_good);
}

int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "bench_load: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}
