// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/listener.h"
#include "net/tls_context.h"

enum { MOST = 200 };

struct scene {
    struct loop loop;
    struct listener *listener;
    uint16_t port;
    struct conn *conns[MOST];
    int count;
    int closed_count;
};

static void on_accept(void *user, struct conn *take_conn) {
    struct scene *scene = user;
    assert_true(scene->count < MOST);
    scene->conns[scene->count++] = take_conn;
}

static void on_closed(void *user) {
    struct scene *scene = user;
    scene->closed_count++;
}

static void scene_open(struct scene *scene, const char *host, struct tls_context *tls) {
    *scene = (struct scene){0};
    char error[128];
    int fd = listener_socket(host, &scene->port, error, sizeof(error));
    assert_true(fd >= 0);
    assert_true(scene->port > 0);
    loop_init(&scene->loop);
    scene->listener = listener_open(&scene->loop, fd, tls, on_accept, scene);
}

static void turns(struct scene *scene, int count) {
    for (int i = 0; i < count; i++) {
        uv_run(&scene->loop.uv, UV_RUN_NOWAIT);
        usleep(100);
    }
}

static void accept_until(struct scene *scene, int count) {
    for (int i = 0; i < 20000 && scene->count < count; i++) {
        turns(scene, 1);
    }
    assert_int_equal(scene->count, count);
}

static void scene_close(struct scene *scene) {
    if (scene->listener != NULL) {
        listener_close(scene->listener, on_closed);
        assert_int_equal(scene->closed_count, 0);
    }
    for (int i = 0; i < scene->count; i++) {
        conn_abort(scene->conns[i], FAULT_NONE);
    }
    loop_finish(&scene->loop);
    assert_int_equal(scene->closed_count, 1);
}

static int try_connect(int family, uint16_t port) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6.sin6_addr = in6addr_loopback;
    int fd = socket(family, SOCK_STREAM, 0);
    bool is_v4 = family == AF_INET;
    if (connect(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
                is_v4 ? sizeof(v4) : sizeof(v6)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool has_v6(void) {
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&v6, sizeof(v6)) == 0;
    close(fd);
    return has;
}

static void test_accepts_all_that_come(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, "127.0.0.1", NULL);
    int fds[MOST];
    for (int i = 0; i < MOST; i++) {
        fds[i] = try_connect(AF_INET, scene.port);
        assert_true(fds[i] >= 0);
    }
    accept_until(&scene, MOST);
    assert_string_equal(conn_peer(scene.conns[0])->text, "127.0.0.1");
    assert_int_equal(conn_local_port(scene.conns[0]), scene.port);
    assert_false(conn_is_tls(scene.conns[0]));
    for (int i = 0; i < MOST; i++) {
        close(fds[i]);
    }
    scene_close(&scene);
}

static void test_any_address_means_both_families(void **state) {
    (void)state;
    if (!has_v6()) {
        skip();
    }
    struct scene scene;
    scene_open(&scene, "", NULL);
    int v4 = try_connect(AF_INET, scene.port);
    accept_until(&scene, 1);
    int v6 = try_connect(AF_INET6, scene.port);
    accept_until(&scene, 2);
    assert_string_equal(conn_peer(scene.conns[0])->text, "127.0.0.1");
    assert_string_equal(conn_peer(scene.conns[1])->text, "::1");
    close(v4);
    close(v6);
    scene_close(&scene);
}

static void test_named_v6_address_is_v6_only(void **state) {
    (void)state;
    if (!has_v6()) {
        skip();
    }
    struct scene scene;
    scene_open(&scene, "::", NULL);
    int v6 = try_connect(AF_INET6, scene.port);
    assert_true(v6 >= 0);
    assert_int_equal(try_connect(AF_INET, scene.port), -1);
    close(v6);
    scene_close(&scene);
}

static void test_workers_share_a_port(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, "127.0.0.1", NULL);
    uint16_t port = scene.port;
    char error[128];
    int other = listener_socket("127.0.0.1", &port, error, sizeof(error));
    assert_true(other >= 0);
    assert_int_equal(port, scene.port);
    close(other);
    scene_close(&scene);
}

static void test_errors_of_opening(void **state) {
    (void)state;
    char error[128] = "";
    uint16_t port = 0;
    assert_int_equal(listener_socket("example.org", &port, error, sizeof(error)), -1);
    assert_string_not_equal(error, "");
    assert_int_equal(listener_socket("203.0.113.77", &port, error, sizeof(error)), -1);
    assert_string_equal(error, strerror(EADDRNOTAVAIL));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int stranger = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(stranger, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(stranger, 1), 0);
    getsockname(stranger, (struct sockaddr *)&address, &size);
    port = ntohs(address.sin_port);
    assert_int_equal(listener_socket("127.0.0.1", &port, error, sizeof(error)), -1);
    assert_string_equal(error, strerror(EADDRINUSE));
    close(stranger);
}

static int option(int fd, int level, int name) {
    int value = -1;
    socklen_t size = sizeof(value);
    getsockopt(fd, level, name, &value, &size);
    return value;
}

static void test_accepted_sockets_inherit_options(void **state) {
    (void)state;
    uint16_t port = 0;
    char error[128];
    int listening = listener_socket("127.0.0.1", &port, error, sizeof(error));
    int client = try_connect(AF_INET, port);
    int accepted = accept(listening, NULL, NULL);
    assert_true(accepted >= 0);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 128 * 1024);
    close(accepted);
    close(client);
    close(listening);
}

static void test_listener_with_tls_makes_tls_conns(void **state) {
    (void)state;
    struct tls_error error;
    struct tls_context *tls = tls_context_create(NULL, 0, &error);
    struct scene scene;
    scene_open(&scene, "127.0.0.1", tls);
    tls_context_unref(&tls); // the listener keeps its own reference
    int client = try_connect(AF_INET, scene.port);
    accept_until(&scene, 1);
    assert_true(conn_is_tls(scene.conns[0]));
    close(client);
    scene_close(&scene);
}

static void test_goes_on_when_descriptors_are_free_again(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, "127.0.0.1", NULL);
    int client = try_connect(AF_INET, scene.port);
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit none = {(rlim_t)client + 1, before.rlim_max};
    // Every number below the limit is taken: the client has the highest of all.
    setrlimit(RLIMIT_NOFILE, &none);
    int fillers[64];
    int count = 0;
    while (count < 64 && (fillers[count] = dup(client)) >= 0) {
        count++;
    }
    uint64_t start = uv_hrtime();
    turns(&scene, 20);
    assert_int_equal(scene.count, 0);
    setrlimit(RLIMIT_NOFILE, &before);
    accept_until(&scene, 1);
    assert_true(uv_hrtime() - start >= 90 * 1000000ULL); // it had a rest
    while (count > 0) {
        close(fillers[--count]);
    }
    close(client);
    scene_close(&scene);
}

// Who waits in the queue would be reset with it; nobody comes after.
static void test_close_takes_who_waits_and_nobody_else(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, "127.0.0.1", NULL);
    int client = try_connect(AF_INET, scene.port); // waits in the backlog
    listener_close(scene.listener, on_closed);
    scene.listener = NULL;
    assert_int_equal(try_connect(AF_INET, scene.port), -1);
    turns(&scene, 3);
    assert_int_equal(scene.count, 1);
    assert_int_equal(scene.closed_count, 1);
    close(client);
    scene_close(&scene);
}

// As a service manager passes them: the next process goes on with the queue.
static void test_close_leaves_the_queue_of_a_shared_socket(void **state) {
    (void)state;
    struct scene scene = {0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int passed = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(passed, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(passed, 8), 0);
    getsockname(passed, (struct sockaddr *)&address, &size);
    loop_init(&scene.loop);
    scene.listener = listener_open(&scene.loop, dup(passed), NULL, on_accept, &scene);
    int client = try_connect(AF_INET, ntohs(address.sin_port));
    assert_true(client >= 0);
    listener_close(scene.listener, on_closed);
    scene.listener = NULL;
    turns(&scene, 3);
    assert_int_equal(scene.count, 0);
    int taken = accept(passed, NULL, NULL);
    assert_true(taken >= 0);
    close(taken);
    close(client);
    close(passed);
    scene_close(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_all_that_come),
        cmocka_unit_test(test_any_address_means_both_families),
        cmocka_unit_test(test_named_v6_address_is_v6_only),
        cmocka_unit_test(test_workers_share_a_port),
        cmocka_unit_test(test_errors_of_opening),
        cmocka_unit_test(test_accepted_sockets_inherit_options),
        cmocka_unit_test(test_listener_with_tls_makes_tls_conns),
        cmocka_unit_test(test_goes_on_when_descriptors_are_free_again),
        cmocka_unit_test(test_close_takes_who_waits_and_nobody_else),
        cmocka_unit_test(test_close_leaves_the_queue_of_a_shared_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
