// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/dialer.h"

static struct loop loop;
static struct conn *connected;
static int connected_count;
static int failed_count;
static enum fault fault;
static bool is_inside;

static void on_connected(void *user, struct conn *take_conn) {
    assert_ptr_equal(user, &loop);
    assert_false(is_inside);
    connected_count++;
    if (connected != NULL) {
        conn_abort(connected, FAULT_NONE);
    }
    connected = take_conn;
}

static void on_failed(void *user, enum fault why) {
    assert_ptr_equal(user, &loop);
    assert_false(is_inside);
    failed_count++;
    fault = why;
}

static int setup(void **state) {
    (void)state;
    connected = NULL;
    connected_count = failed_count = 0;
    fault = FAULT_NONE;
    loop_init(&loop);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (connected != NULL) {
        conn_abort(connected, FAULT_NONE);
    }
    loop_finish(&loop); // hangs if a dialer left something
    return 0;
}

static struct dialer *dial(const struct dialer_target *target, uint64_t timeout_ms) {
    is_inside = true;
    struct dialer *dialer = dialer_start(&loop, target, timeout_ms, on_connected, on_failed, &loop);
    is_inside = false;
    return dialer;
}

static void turns(int count) {
    for (int i = 0; i < count; i++) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
        usleep(200);
    }
}

static void run_until(int count) {
    for (int i = 0; i < 25000 && connected_count + failed_count < count; i++) {
        turns(1);
    }
    assert_int_equal(connected_count + failed_count, count);
}

static int listen_at(int family, uint16_t *port, int backlog) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(*port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(*port)};
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6.sin6_addr = in6addr_loopback;
    struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t size = family == AF_INET ? sizeof(v4) : sizeof(v6);
    int fd = socket(family, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, address, size) != 0 || listen(fd, backlog) != 0) {
        close(fd);
        return -1;
    }
    getsockname(fd, address, &size);
    *port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
    return fd;
}

// A port that refuses: bound, so that nobody else gets it, but not listening.
static int refuse_at(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    *port = ntohs(address.sin_port);
    return fd;
}

// Takes the backlog's places, so that whoever comes next gets no answer.
static void fill_backlog(uint16_t port, int fds[8]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 8; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fds[i], (struct sockaddr *)&address, sizeof(address));
    }
}

static void close_all(const int *fds, int count) {
    for (int i = 0; i < count; i++) {
        close(fds[i]);
    }
}

static void test_connects_to_an_address(void **state) {
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost", "LOCALHOST"};
    uint16_t port = 0;
    int listener = listen_at(AF_INET, &port, 10);
    for (int i = 0; i < 3; i++) {
        struct dialer_target target = {.host = hosts[i], .port = port};
        dial(&target, 1000);
        run_until(i + 1);
        assert_int_equal(connected_count, i + 1);
        assert_string_equal(conn_peer(connected)->text, "127.0.0.1");
        assert_int_equal(conn_peer(connected)->port, port);
    }
    close(listener);
}

static void test_connects_to_an_address_of_ipv6(void **state) {
    (void)state;
    uint16_t port = 0;
    int listener = listen_at(AF_INET6, &port, 10);
    if (listener < 0) {
        skip();
    }
    static const char *const hosts[] = {"localhost", "::1"};
    for (int i = 0; i < 2; i++) {
        struct dialer_target target = {.host = hosts[i], .port = port};
        dial(&target, 1000);
        run_until(i + 1);
        assert_int_equal(connected_count, i + 1);
        assert_string_equal(conn_peer(connected)->text, "::1");
    }
    close(listener);
}

static void test_refused(void **state) {
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    uint16_t port;
    int bound = refuse_at(&port);
    for (int i = 0; i < 2; i++) {
        struct dialer_target target = {.host = hosts[i], .port = port};
        dial(&target, 1000);
        run_until(i + 1);
        assert_int_equal(fault, FAULT_ORIGIN_REFUSED);
    }
    close(bound);
}

// A network of our own where connecting gets the one port there is, which is where it connects to.
static int meet_oneself(void) {
    enum { PORT = 40004, SKIPPED = 77 };
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        return SKIPPED;
    }
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "w");
    if (ioctl(fd, SIOCSIFFLAGS, &lo) != 0 || range == NULL ||
        fprintf(range, "%d %d", PORT, PORT) < 0 || fclose(range) != 0) {
        return SKIPPED;
    }
    setup(NULL);
    struct dialer_target target = {.host = "127.0.0.1", .port = PORT};
    dial(&target, 1000);
    run_until(1);
    return fault == FAULT_ORIGIN_REFUSED ? 0 : 1;
}

static void test_a_socket_that_met_itself_is_refused(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        _exit(meet_oneself());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) { // no namespaces here
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_silent_address_times_out(void **state) {
    (void)state;
    uint16_t port = 0;
    int fds[8];
    int listener = listen_at(AF_INET, &port, 0);
    fill_backlog(port, fds);
    struct dialer_target target = {.host = "127.0.0.1", .port = port};
    uint64_t start = uv_hrtime();
    dial(&target, 100);
    run_until(1);
    assert_int_equal(fault, FAULT_ORIGIN_CONNECT_TIMEOUT);
    assert_in_range((uv_hrtime() - start) / 1000000, 95, 5000);
    close_all(fds, 8);
    close(listener);
}

static void test_silent_address_leaves_time_for_the_next(void **state) {
    (void)state;
    uint16_t port = 0;
    int fds[8];
    int silent = listen_at(AF_INET, &port, 0);
    int other = listen_at(AF_INET6, &port, 10);
    if (other < 0) {
        close(silent);
        skip();
        return;
    }
    fill_backlog(port, fds);
    struct dialer_target target = {.host = "localhost", .port = port};
    dial(&target, 300);
    run_until(1);
    assert_int_equal(connected_count, 1);
    assert_string_equal(conn_peer(connected)->text, "::1");
    close_all(fds, 8);
    close(silent);
    close(other);
}

// Who is silent first may have been busy: the kernel asks again after a second.
static void test_late_answer_connects(void **state) {
    (void)state;
    uint16_t port = 0;
    int fds[8];
    int listener = listen_at(AF_INET, &port, 0);
    fill_backlog(port, fds);
    struct dialer_target target = {.host = "127.0.0.1", .port = port};
    dial(&target, 10000);
    turns(3);
    assert_int_equal(connected_count + failed_count, 0);
    listen(listener, 10); // has room from now on
    run_until(1);
    assert_int_equal(connected_count, 1);
    close_all(fds, 8);
    close(listener);
}

static void test_late_refusal_leads_to_the_next(void **state) {
    (void)state;
    uint16_t port = 0;
    int fds[8];
    int silent = listen_at(AF_INET, &port, 0);
    int other = listen_at(AF_INET6, &port, 10);
    if (other < 0) {
        close(silent);
        skip();
        return;
    }
    fill_backlog(port, fds);
    struct dialer_target target = {.host = "localhost", .port = port};
    dial(&target, 20000); // so that the first address has ten seconds
    turns(3);
    assert_int_equal(connected_count + failed_count, 0);
    uint64_t start = uv_hrtime();
    close(silent);
    run_until(1);
    assert_int_equal(connected_count, 1);
    assert_string_equal(conn_peer(connected)->text, "::1");
    assert_in_range((uv_hrtime() - start) / 1000000, 0, 9000);
    close_all(fds, 8);
    close(other);
}

static void test_no_descriptor_left(void **state) {
    (void)state;
    struct dialer_target target = {.host = "127.0.0.1", .port = 9};
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    dial(&target, 1000);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    turns(3);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(failed_count, 1);
    assert_int_equal(fault, FAULT_ORIGIN_BUSY);
}

// Old spellings of addresses are not known here, so they take the resolver's road without needing
// a name server.
static void test_names_are_resolved_off_the_loop(void **state) {
    (void)state;
    uint16_t port = 0;
    int listener = listen_at(AF_INET, &port, 100);
    struct dialer_target target = {.host = "127.1", .port = port};
    for (int i = 0; i < 10; i++) {
        dial(&target, 5000); // all with one question
    }
    run_until(10);
    assert_int_equal(connected_count, 10);
    dial(&target, 5000); // with the answer that was kept
    run_until(11);
    assert_int_equal(connected_count, 11);
    close(listener);
}

static void test_names_that_do_not_resolve(void **state) {
    (void)state;
    static const char *const hosts[] = {
        "a-label-that-is-longer-than-the-sixty-three-bytes-which-are-allowed.invalid",
        "not a name",
        "",
    };
    for (int i = 0; i < 3; i++) {
        struct dialer_target target = {.host = hosts[i], .port = 80};
        dial(&target, 5000);
        run_until(2 * i + 1);
        assert_int_equal(fault, FAULT_ORIGIN_DNS);
        dial(&target, 5000);
        run_until(2 * i + 2);
        assert_int_equal(fault, FAULT_ORIGIN_DNS);
    }
}

static int listen_unix(char path[64], int backlog) {
    strcpy(path, "/tmp/outrider-XXXXXX");
    close(mkstemp(path));
    unlink(path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static void test_unix_socket(void **state) {
    (void)state;
    char path[64];
    int listener = listen_unix(path, 10);
    struct dialer_target target = {.is_unix = true, .path = path};
    dial(&target, 1000);
    run_until(1);
    assert_int_equal(connected_count, 1);
    assert_string_equal(conn_peer(connected)->text, "unix");
    close(listener);
    dial(&target, 1000);
    run_until(2);
    assert_int_equal(fault, FAULT_ORIGIN_REFUSED);
    unlink(path);
    dial(&target, 1000);
    run_until(3);
    assert_int_equal(fault, FAULT_ORIGIN_REFUSED);
    char longest[300];
    memset(longest, 'x', sizeof(longest));
    longest[0] = '/';
    longest[299] = '\0';
    target.path = longest;
    dial(&target, 1000);
    run_until(4);
    assert_int_equal(fault, FAULT_ORIGIN_UNREACHABLE);
    assert_int_equal(connected_count, 1);
}

// A full backlog of a unix socket is no refusal.
static void test_unix_socket_with_full_backlog_is_tried_again(void **state) {
    (void)state;
    char path[64];
    int listener = listen_unix(path, 0);
    struct dialer_target target = {.is_unix = true, .path = path};
    for (int i = 0; i < 4; i++) {
        dial(&target, 2000);
    }
    turns(50);
    assert_true(connected_count < 4);
    assert_int_equal(failed_count, 0);
    int accepted[4];
    for (int i = 0; i < 4; i++) {
        accepted[i] = accept(listener, NULL, NULL);
        turns(50);
    }
    run_until(4);
    assert_int_equal(connected_count, 4);
    close_all(accepted, 4);
    dial(&target, 50);
    dial(&target, 50);
    run_until(6);
    assert_int_equal(fault, FAULT_ORIGIN_CONNECT_TIMEOUT);
    close(listener);
    unlink(path);
}

static void test_cancel_in_any_state(void **state) {
    (void)state;
    uint16_t port = 0;
    int fds[8];
    char path[64];
    int listener = listen_at(AF_INET, &port, 0);
    int unix_listener = listen_unix(path, 0);
    fill_backlog(port, fds);
    const struct dialer_target targets[] = {
        {.host = "127.0.0.1", .port = port}, // connecting
        {.host = "127.1", .port = port},     // resolving, then connecting
        {.host = "localhost", .port = port},
        {.is_unix = true, .path = path}, // connected, or trying again
    };
    for (int i = 0; i < 40; i++) {
        const struct dialer_target *target = &targets[i % 4];
        int before = connected_count + failed_count;
        struct dialer *dialer = dial(target, 5000);
        turns(i / 8);
        int after = connected_count + failed_count;
        if (after == before) {
            dialer_cancel(dialer);
        }
        turns(3);
        assert_int_equal(connected_count + failed_count, after);
    }
    close_all(fds, 8);
    close(listener);
    close(unix_listener);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connects_to_an_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connects_to_an_address_of_ipv6, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test(test_a_socket_that_met_itself_is_refused),
        cmocka_unit_test_setup_teardown(test_silent_address_times_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silent_address_leaves_time_for_the_next, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_late_answer_connects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_refusal_leads_to_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_descriptor_left, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_are_resolved_off_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_that_do_not_resolve, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unix_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unix_socket_with_full_backlog_is_tried_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_cancel_in_any_state, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
