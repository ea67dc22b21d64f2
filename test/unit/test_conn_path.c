// SPDX-License-Identifier: Apache-2.0
// Real sockets: the kernel is asked.
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/conn_path.h"

enum { LOOKS = 5000 };

static void tcp_pair(int fds[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    // A narrow peer: what it does not read stays with the sender.
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&address, &size);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(fds[0], (struct sockaddr *)&address, size);
    fds[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(fds[1] >= 0);
    close(listener);
}

static void test_what_is_under_way(void **state) {
    (void)state;
    static char data[200000];
    struct conn_path path;
    int fds[2];
    tcp_pair(fds);
    assert_true(conn_path_of_socket(fds[0], &path));
    assert_true(path.under_way <= 1); // nothing yet, but for the SYN
    assert_in_range(path.segment_bytes, 100, 70000);
    assert_in_range(path.least_round_trip_us, 1, 5000000);

    ssize_t sent = write(fds[0], data, sizeof(data));
    assert_true(sent > 0);
    assert_true(conn_path_of_socket(fds[0], &path));
    // The peer's kernel has room for some, and ours has the rest.
    assert_in_range(path.under_way, (uint64_t)sent / 2, (uint64_t)sent);
    assert_in_range(path.round_trip_us, 1, 5000000);

    ssize_t left = sent;
    for (int i = 0; i < LOOKS && (left > 0 || path.under_way > 0); i++) {
        ssize_t count = read(fds[1], data, sizeof(data));
        left -= count > 0 ? count : 0;
        assert_true(conn_path_of_socket(fds[0], &path));
        usleep(1000);
    }
    assert_int_equal(left, 0);
    assert_int_equal(path.under_way, 0);
    assert_true(path.rate > 0);
    close(fds[0]);
    close(fds[1]);
}

static void test_no_tcp(void **state) {
    (void)state;
    struct conn_path path;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_false(conn_path_of_socket(fds[0], &path));
    close(fds[0]);
    close(fds[1]);
    assert_false(conn_path_of_socket(fds[0], &path));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_under_way),
        cmocka_unit_test(test_no_tcp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
