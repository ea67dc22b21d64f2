// SPDX-License-Identifier: Apache-2.0
#include "origin_scene.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/ensure.h"
#include "config/config_yaml.h"

enum { PATIENCE_MS = 8000, SHORT_WHILE_MS = 30 };

static unsigned count_descriptors(void) {
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

// libuv opens some for the whole process with its first loop.
static unsigned descriptors_before(void) {
    static bool is_warm;
    if (!is_warm) {
        struct loop loop;
        loop_init(&loop);
        loop_finish(&loop);
        is_warm = true;
    }
    return count_descriptors();
}

static int listen_on(int family, const struct sockaddr *address, socklen_t length) {
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, address, length), 0);
    assert_int_equal(listen(fd, 1000), 0);
    return fd;
}

static void open_with_url(struct scene *s, const char *url, const char *origin) {
    char text[1024];
    int length = snprintf(text, sizeof(text),
                          "listeners: [\"http://127.0.0.1:8080\"]\n"
                          "origins: {app: {url: \"%s\"%s%s}}\n"
                          "routes: [{origin: app}]\n",
                          url, origin[0] != '\0' ? ", " : "", origin);
    struct config_errors errors = {0};
    s->config = config_load_text("test.yaml", text, (size_t)length, &errors);
    config_errors_print(&errors, stderr);
    assert_non_null(s->config);
    if (s->config->origins[0].idle_ms == s->config->timeouts.origin_idle_ms) {
        s->config->origins[0].idle_ms = 60 * 1000; // so that what is closed is not closed by age
    }
    loop_init(&s->loop);
    s->pool = origin_pool_create(&s->loop, s->config, 1);
}

void scene_open(struct scene *s, const char *origin) {
    *s = (struct scene){.open_before = descriptors_before()};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    s->listener = listen_on(AF_INET, (struct sockaddr *)&address, length);
    getsockname(s->listener, (struct sockaddr *)&address, &length);
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(address.sin_port));
    open_with_url(s, url, origin);
}

void scene_open_unix(struct scene *s, const char *origin) {
    *s = (struct scene){.open_before = descriptors_before()};
    char folder[] = "/tmp/outrider-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    snprintf(s->path, sizeof(s->path), "%s/sock", folder);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, s->path, strlen(s->path) + 1);
    s->listener = listen_on(AF_UNIX, (struct sockaddr *)&address, sizeof(address));
    char url[80];
    snprintf(url, sizeof(url), "unix:%s", s->path);
    open_with_url(s, url, origin);
}

void scene_close(struct scene *s) {
    struct origin_pool_counts counts = origin_pool_counts(s->pool);
    assert_int_equal(counts.busy + counts.dialing + counts.held + counts.waiting, 0);
    origin_pool_destroy(s->pool, NULL, NULL);
    scene_run(s, 1); // what is closed shall be seen from there
    while (s->fd_count > 0) {
        origin_hang_up(s, s->fds[0]);
    }
    scene_expect_gauges(s, 0, 0, 0);
    loop_finish(&s->loop);
    config_destroy(s->config);
    close(s->listener);
    if (s->path[0] != '\0') {
        unlink(s->path);
        *strrchr(s->path, '/') = '\0';
        rmdir(s->path);
    }
    assert_int_equal(count_descriptors(), s->open_before);
}

uint64_t scene_number(const struct scene *s, unsigned family_at) {
    return metrics_read(&s->loop.metrics, family_at + metrics_name_slot("app"));
}

void scene_expect_gauges(const struct scene *s, unsigned idle, unsigned busy, unsigned waiting) {
    uint64_t seen_idle = scene_number(s, METRIC_AT_ORIGIN_IDLE);
    uint64_t seen_busy = scene_number(s, METRIC_AT_ORIGIN_BUSY);
    uint64_t seen_waiting = scene_number(s, METRIC_AT_ORIGIN_WAITING);
    if (seen_idle != idle || seen_busy != busy || seen_waiting != waiting) {
        fail_msg("in the metrics: idle %lld, busy %lld, waiting %lld", (long long)seen_idle,
                 (long long)seen_busy, (long long)seen_waiting);
    }
}

// --- time ----------------------------------------------------------------------------------------

uint64_t scene_limit(struct scene *s) {
    uv_update_time(&s->loop.uv);
    return uv_now(&s->loop.uv) + PATIENCE_MS;
}

bool scene_step(struct scene *s, uint64_t until_ms) {
    for (int i = 0; i < 3; i++) { // reading, the turn's end, and what follows from it
        uv_run(&s->loop.uv, UV_RUN_NOWAIT);
    }
    usleep(50);
    uv_update_time(&s->loop.uv);
    return uv_now(&s->loop.uv) < until_ms;
}

void scene_run(struct scene *s, unsigned ms) {
    uv_update_time(&s->loop.uv);
    uint64_t until_ms = uv_now(&s->loop.uv) + ms;
    while (scene_step(s, until_ms)) {
    }
}

// --- the origin ----------------------------------------------------------------------------------

static int try_accept(struct scene *s) {
    int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        ensure(s->fd_count < SCENE_CONNS);
        s->fds[s->fd_count++] = fd;
    }
    return fd;
}

int origin_accept(struct scene *s) {
    int fd = -1;
    scene_wait(s, (fd = try_accept(s)) >= 0);
    return fd;
}

bool origin_has_none(struct scene *s) {
    scene_run(s, SHORT_WHILE_MS);
    return try_accept(s) < 0;
}

static bool try_read(int fd, char *out_byte, ssize_t *out_count) {
    *out_count = read(fd, out_byte, 1);
    return *out_count >= 0 || errno != EAGAIN;
}

static char hear_byte(struct scene *s, int fd) {
    char byte = 0;
    ssize_t count = 0;
    scene_wait(s, try_read(fd, &byte, &count));
    if (count != 1) {
        fail_msg("the connection ended: %s", count < 0 ? strerror(errno) : "end of file");
    }
    return byte;
}

const char *origin_hear_head(struct scene *s, int fd) {
    static char text[8192];
    size_t length = 0;
    do {
        assert_true(length < sizeof(text) - 1);
        text[length++] = hear_byte(s, fd);
        text[length] = '\0';
    } while (length < 4 || strcmp(text + length - 4, "\r\n\r\n") != 0);
    return text;
}

void origin_expect(struct scene *s, int fd, const char *text) {
    char *heard = test_calloc(strlen(text) + 1, 1);
    for (size_t i = 0; text[i] != '\0'; i++) {
        heard[i] = hear_byte(s, fd);
    }
    assert_string_equal(heard, text);
    test_free(heard);
}

size_t origin_hear_some(struct scene *s, int fd) {
    char bytes[65536];
    ssize_t count = read(fd, bytes, sizeof(bytes));
    scene_step(s, 0);
    return count > 0 ? (size_t)count : 0;
}

void origin_say(struct scene *s, int fd, const char *text) {
    origin_say_bytes(s, fd, slice_of_text(text));
}

static bool try_write(int fd, struct slice *bytes) {
    ssize_t count = send(fd, bytes->data, bytes->length, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN) {
        return true; // the other side is gone: what is said is lost
    }
    *bytes = slice_skip(*bytes, count > 0 ? (size_t)count : 0);
    return bytes->length == 0;
}

void origin_say_bytes(struct scene *s, int fd, struct slice bytes) {
    scene_wait(s, try_write(fd, &bytes));
}

size_t origin_flood(struct scene *s, int fd, size_t most) {
    static const char bytes[65536];
    size_t said = 0;
    for (unsigned idle = 0; idle < 50 && said < most;) {
        size_t length = most - said < sizeof(bytes) ? most - said : sizeof(bytes);
        ssize_t count = send(fd, bytes, length, MSG_NOSIGNAL);
        said += count > 0 ? (size_t)count : 0;
        idle = count > 0 ? 0 : idle + 1;
        scene_run(s, count > 0 ? 0 : 1);
    }
    return said;
}

void origin_hang_up(struct scene *s, int fd) {
    for (unsigned i = 0; i < s->fd_count; i++) {
        if (s->fds[i] == fd) {
            s->fds[i] = s->fds[--s->fd_count];
            close(fd);
            return;
        }
    }
    fail_msg("no such connection");
}

void origin_reset(struct scene *s, int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    origin_hang_up(s, fd);
}

static bool has_ended(int fd) {
    char bytes[4096];
    ssize_t count = read(fd, bytes, sizeof(bytes));
    return count == 0 || (count < 0 && errno != EAGAIN);
}

void origin_expect_closed(struct scene *s, int fd) {
    scene_wait(s, has_ended(fd));
    origin_hang_up(s, fd);
}

bool origin_is_open(struct scene *s, int fd) {
    scene_run(s, SHORT_WHILE_MS);
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

// --- the user ------------------------------------------------------------------------------------

static void note(struct user *user, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(struct user *user, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buffer_append(&user->log, text, (size_t)length);
}

static void act(struct user *user, const char *event) {
    if (user->act_at == NULL || strcmp(user->act_at, event) != 0) {
        return;
    }
    user->act_at = NULL;
    switch (user->act) {
    case USER_NOTHING:
        break;
    case USER_CANCELS:
        origin_call_cancel(user->call);
        user->is_over = true;
        break;
    case USER_STARTS_ANOTHER:
        if (user->stray_fd > 0) {
            assert_int_equal(write(user->stray_fd, "HTTP/1.1 ", 9), 9);
        }
        user_start(user->other);
        break;
    }
}

static void on_interim(void *data, const struct response_head *head) {
    struct user *user = data;
    ensure(!user->is_over);
    note(user, "interim %d\n", head->status);
    act(user, "interim");
}

static void on_interims(void *data) {
    struct user *user = data;
    ensure(!user->is_over);
    user->gathered++; // by no line: it depends on how the bytes were read
    act(user, "interims");
}

static void on_head(void *data, const struct response_head *head) {
    struct user *user = data;
    ensure(!user->is_over);
    note(user, "head %d %lld%s\n", head->status, (long long)head->content_length,
         head->is_end ? " end" : "");
    user->headers = arena_new(user->arena, struct headers);
    *user->headers = head->headers;
    act(user, "head");
}

static void on_body(void *data, struct slice bytes) {
    struct user *user = data;
    ensure(!user->is_over && bytes.length > 0);
    buffer_append_slice(&user->body, bytes);
    user->room -= bytes.length < user->room ? bytes.length : user->room;
    act(user, "body");
}

static void on_end(void *data, const struct headers *trailers) {
    struct user *user = data;
    ensure(!user->is_over);
    user->is_over = true;
    note(user, "end");
    for (uint32_t i = 0; trailers != NULL && i < trailers->count; i++) {
        note(user, " %.*s=%.*s", SLICE_ARGS(trailers->rows[i].name),
             SLICE_ARGS(trailers->rows[i].value));
    }
    note(user, "\n");
    act(user, "end");
}

static void on_fail(void *data, enum fault fault) {
    struct user *user = data;
    ensure(!user->is_over);
    user->is_over = true;
    user->fault = fault;
    note(user, "fail %s\n", fault_name(fault));
    act(user, "fail");
}

static void on_taken(void *data, size_t bytes) {
    struct user *user = data;
    ensure(!user->is_over && bytes > 0);
    user->taken += bytes;
    act(user, "taken");
}

static size_t room(void *data) {
    const struct user *user = data;
    return user->room;
}

static const struct origin_call_events user_events = {
    .on_interim = on_interim,
    .on_interims = on_interims,
    .on_head = on_head,
    .on_body = on_body,
    .on_end = on_end,
    .on_fail = on_fail,
    .on_taken = on_taken,
    .room = room,
};

void user_init(struct user *user, struct scene *s, const char *method, const char *path) {
    *user = (struct user){.s = s, .room = SIZE_MAX, .options.push_share = 25};
    user->arena = arena_create();
    user->head = (struct request_head){.method = slice_of_text(method),
                                       .scheme = SLICE("http"),
                                       .authority = SLICE("a.example"),
                                       .path = slice_of_text(path),
                                       .is_end = true};
    headers_init(&user->head.headers, user->arena);
}

void user_start(struct user *user) {
    size_t before = buffer_length(&user->log);
    user->call = origin_call_start(user->s->pool, &user->options, &user->head, user->arena,
                                   &user_events, user);
    assert_int_equal(buffer_length(&user->log), before); // nothing is told before it returns
}

void user_finish(struct user *user) {
    if (user->call != NULL) {
        origin_call_cancel(user->call);
    }
    buffer_finish(&user->log);
    buffer_finish(&user->body);
    arena_destroy(user->arena);
    *user = (struct user){0};
}

void user_expect(struct user *user, const char *log) {
    scene_wait(user->s, user->is_over);
    assert_string_equal(user_log(user), log);
}

const char *user_log(struct user *user) {
    return arena_copy(user->arena, buffer_peek(&user->log)).data;
}

struct slice user_body(const struct user *user) {
    return buffer_peek(&user->body);
}

// --- whole exchanges -----------------------------------------------------------------------------

static void serve(struct scene *s, struct user *user, int fd) {
    origin_hear_head(s, fd);
    origin_say(s, fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    user_expect(user, "head 200 2\nend\n");
    assert_true(slice_equal(user_body(user), SLICE("hi")));
    user_finish(user);
}

int scene_leave_idle(struct scene *s) {
    return scene_use_new(s);
}

int scene_use_new(struct scene *s) {
    struct user user;
    user_init(&user, s, "GET", "/new");
    user_start(&user);
    int fd = origin_accept(s);
    assert_false(origin_call_was_reused(user.call));
    serve(s, &user, fd);
    return fd;
}

void scene_reuse(struct scene *s, int fd) {
    struct user user;
    user_init(&user, s, "GET", "/again");
    user_start(&user);
    assert_true(origin_call_was_reused(user.call));
    serve(s, &user, fd);
    assert_true(try_accept(s) < 0);
}
