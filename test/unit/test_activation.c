// SPDX-License-Identifier: Apache-2.0
// Real sockets on the loopback, moved to where a service manager would have put them, only higher.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/slice.h"
#include "worker/activation.h"

enum { FIRST_FD = 400 };

static char own_pid[16];

// A listening socket on that address and a port of the kernel's choice, at this place.
static uint16_t pass(int place, const char *host) {
    bool is_v6 = strchr(host, ':') != NULL;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr *address = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    socklen_t size = is_v6 ? sizeof(v6) : sizeof(v4);
    inet_pton(is_v6 ? AF_INET6 : AF_INET, host, is_v6 ? (void *)&v6.sin6_addr : &v4.sin_addr);
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, address, size), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, address, &size), 0);
    assert_int_equal(dup2(fd, FIRST_FD + place), FIRST_FD + place);
    close(fd);
    return ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
}

static void unpass(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        close(FIRST_FD + (int)i);
    }
}

static bool offer(const char *pid, const char *count, const char *names,
                  struct activation **out_activation, const char *wanted_error) {
    const struct activation_offer offer = {pid, count, names, FIRST_FD};
    struct config_errors errors = {0};
    bool is_good = activation_open(&offer, out_activation, &errors);
    assert_int_equal(errors.count > 0, !is_good);
    if (!is_good) {
        assert_string_equal(errors.rows[0].key, "LISTEN_FDS");
        assert_non_null(strstr(errors.rows[0].text, wanted_error));
        assert_null(*out_activation);
    }
    config_errors_finish(&errors);
    return is_good;
}

static int find(const struct activation *activation, const char *host, uint16_t port) {
    struct config_listener listener = {.host = (char *)(uintptr_t)host, .port = port};
    int fd = activation_find(activation, &listener);
    return fd >= 0 ? fd - FIRST_FD : -1;
}

static void test_not_for_us(void **state) {
    (void)state;
    struct activation *activation;
    assert_true(offer(NULL, NULL, NULL, &activation, ""));
    assert_null(activation);
    assert_true(offer("1", "1", NULL, &activation, ""));
    assert_null(activation);
    assert_true(offer("", "1", NULL, &activation, ""));
    assert_null(activation);
    assert_true(offer(own_pid, "0", NULL, &activation, ""));
    assert_null(activation);
    assert_int_equal(find(NULL, "127.0.0.1", 80), -1);
    struct config_errors errors = {0};
    assert_true(activation_check(NULL, &(struct config){0}, &errors));
    activation_close(NULL);
}

static void test_no_such_sockets(void **state) {
    (void)state;
    struct activation *activation;
    assert_false(offer(own_pid, NULL, NULL, &activation, "not a number"));
    assert_false(offer(own_pid, "-1", NULL, &activation, "not a number"));
    assert_false(offer(own_pid, "two", NULL, &activation, "not a number"));
    assert_false(offer(own_pid, "1001", NULL, &activation, "not a number"));
    assert_false(offer(own_pid, "1x", NULL, &activation, "not a number"));

    assert_false(offer(own_pid, "1", "web", &activation, "passed descriptor 400 (web), which"));
    int fd = open("/dev/null", O_RDONLY);
    dup2(fd, FIRST_FD);
    close(fd);
    assert_false(offer(own_pid, "1", NULL, &activation, "passed descriptor 400 (), which"));
    pass(0, "127.0.0.1");
    fd = socket(AF_INET, SOCK_STREAM, 0); // not listening
    dup2(fd, FIRST_FD + 1);
    close(fd);
    assert_false(offer(own_pid, "2", "a:b:c", &activation, "passed descriptor 401 (b), which"));
    unpass(2);
    int pair[2]; // of another family
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    dup2(pair[0], FIRST_FD);
    close(pair[0]);
    close(pair[1]);
    assert_false(offer(own_pid, "1", "c", &activation, "no listening"));
    unpass(1);
}

static void test_found_by_address(void **state) {
    (void)state;
    uint16_t ports[] = {pass(0, "127.0.0.1"), pass(1, "::1"), pass(2, "0.0.0.0"), pass(3, "::"),
                        pass(4, "127.0.0.2")};
    struct activation *activation;
    assert_true(offer(own_pid, "5", NULL, &activation, ""));
    const struct {
        const char *host;
        uint16_t port;
        int found;
    } rows[] = {
        {"127.0.0.1", ports[0], 0},
        {"127.0.0.1", ports[4], -1},
        {"127.0.0.2", ports[4], 4},
        {"::1", ports[1], 1},
        {"0:0:0:0:0:0:0:1", ports[1], 1},
        {"::1", ports[0], -1},
        {"0.0.0.0", ports[2], 2},
        {"0.0.0.0", ports[3], -1},
        {"", ports[2], 2},
        {"::", ports[2], -1},
        {"::", ports[3], 3},
        {"", ports[3], 3},
        {"", ports[0], -1},
        {"127.0.0.1", ports[2], -1},
        {"fe80::1%lo", ports[1], -1},
        {"127.0.0.1", 0, -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (find(activation, rows[i].host, rows[i].port) != rows[i].found) {
            fail_msg("row %zu: %d", i, find(activation, rows[i].host, rows[i].port));
        }
    }
    activation_close(activation);
    assert_int_equal(fcntl(FIRST_FD, F_GETFD), -1); // it had them for good
}

static void test_become_like_our_own(void **state) {
    (void)state;
    pass(0, "127.0.0.1");
    struct activation *activation;
    assert_true(offer(own_pid, "1", NULL, &activation, ""));
    assert_true((fcntl(FIRST_FD, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(FIRST_FD, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(accept(FIRST_FD, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    activation_close(activation);
}

static void test_every_socket_is_used(void **state) {
    (void)state;
    char text[128];
    uint16_t first = pass(0, "127.0.0.1");
    uint16_t second = pass(1, "::1");
    struct activation *activation;
    assert_true(offer(own_pid, "2", "a:b", &activation, ""));
    struct config_listener listeners[] = {{.host = (char[]){"127.0.0.1"}, .port = first},
                                          {.host = (char[]){"::1"}, .port = first},
                                          {.host = (char[]){"::1"}, .port = second}};
    struct config config = {
        .file = (char[]){"f.yaml"}, .listeners = listeners, .listener_count = 3};
    struct config_errors errors = {0};
    assert_true(activation_check(activation, &config, &errors));
    assert_int_equal(errors.count, 0);

    config.listener_count = 2;
    assert_false(activation_check(activation, &config, &errors));
    assert_int_equal(errors.count, 1);
    snprintf(text, sizeof(text),
             "none is for [::1]:%u, on which the service manager passed a socket", second);
    assert_string_equal(errors.rows[0].text, text);
    config.listener_count = 0;
    assert_false(activation_check(activation, &config, &errors));
    assert_int_equal(errors.count, 3);
    snprintf(text, sizeof(text),
             "none is for 127.0.0.1:%u, on which the service manager passed a socket", first);
    assert_string_equal(errors.rows[1].text, text);
    config_errors_finish(&errors);
    activation_close(activation);
}

// One listener can't serve two queues, so the second is as good as unused.
static void test_two_for_one_listener(void **state) {
    (void)state;
    uint16_t port = pass(0, "::");
    struct activation *activation;
    assert_int_equal(dup2(FIRST_FD, FIRST_FD + 1), FIRST_FD + 1);
    assert_true(offer(own_pid, "2", NULL, &activation, ""));
    struct config_listener listener = {.host = (char[]){""}, .port = port};
    struct config config = {
        .file = (char[]){"f.yaml"}, .listeners = &listener, .listener_count = 1};
    struct config_errors errors = {0};
    assert_false(activation_check(activation, &config, &errors));
    assert_int_equal(errors.count, 1);
    config_errors_finish(&errors);
    activation_close(activation);
}

static void test_the_environment_is_cleared(void **state) {
    (void)state;
    static const char *const names[] = {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"};
    struct config_errors errors = {0};
    struct activation *activation;
    for (size_t i = 0; i < 3; i++) {
        setenv(names[i], "1", 1); // for init
    }
    assert_true(activation_take(&activation, &errors));
    assert_null(activation);
    for (size_t i = 0; i < 3; i++) {
        assert_null(getenv(names[i]));
    }
}

int main(void) {
    snprintf(own_pid, sizeof(own_pid), "%ld", (long)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_for_us),
        cmocka_unit_test(test_no_such_sockets),
        cmocka_unit_test(test_found_by_address),
        cmocka_unit_test(test_become_like_our_own),
        cmocka_unit_test(test_every_socket_is_used),
        cmocka_unit_test(test_two_for_one_listener),
        cmocka_unit_test(test_the_environment_is_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
