// SPDX-License-Identifier: Apache-2.0
// Real sockets: on the loopback, and unix sockets in a folder of their own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "worker/endpoint.h"

#define TEXT(text) ((char[]){text})

static char folder[64];
static char path[96];
static const struct config_endpoint unix_endpoint = {.path = path};

static int open_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof(folder), "%s", "/tmp/outrider-endpoint-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/admin.sock", folder);
    return 0;
}

// Nothing may have stayed behind.
static int close_folder(void **state) {
    (void)state;
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

static unsigned count_descriptors(void) {
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

static int open_endpoint(const struct config_endpoint *endpoint, uint16_t *out_port,
                         char out_error[128]) {
    unsigned before = count_descriptors();
    out_error[0] = '\0';
    int fd = endpoint_open(endpoint, false, out_port, out_error, 128);
    assert_int_equal(count_descriptors(), before + (fd >= 0));
    assert_int_equal(fd < 0, out_error[0] != '\0');
    return fd;
}

static int open_unix(void) {
    uint16_t port = 0;
    char error[128];
    int fd = open_endpoint(&unix_endpoint, &port, error);
    if (fd < 0) {
        fail_msg("%s", error);
    }
    return fd;
}

static void expect_refused(const char *reason) {
    uint16_t port = 0;
    char error[128];
    assert_int_equal(open_endpoint(&unix_endpoint, &port, error), -1);
    assert_string_equal(error, reason);
}

// A socket of somebody else at our path.
static int bind_there(int type) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    int fd = socket(AF_UNIX, type, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static bool can_connect(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool is_served = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return is_served;
}

static mode_t type_and_mode(void) {
    struct stat status;
    return lstat(path, &status) == 0 ? status.st_mode : 0;
}

// --- unix sockets -------------------------------------------------------------------------------

static void test_unix(void **state) {
    (void)state;
    mode_t before = umask(0);
    int fd = open_unix();
    assert_int_equal(type_and_mode(), S_IFSOCK | 0660);
    assert_int_equal(umask(before), 0); // as it was
    assert_true(can_connect());
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    assert_int_not_equal(type_and_mode(), 0);
    endpoint_remove(&unix_endpoint);
    assert_int_equal(type_and_mode(), 0);
    endpoint_remove(&unix_endpoint); // once more does no harm
    endpoint_remove(&(struct config_endpoint){.host = TEXT("127.0.0.1"), .port = 1});
    endpoint_remove(&(struct config_endpoint){0});
}

static void test_a_file_left_behind_gives_way(void **state) {
    (void)state;
    int left = bind_there(SOCK_STREAM); // never listened, like that of a process that was killed
    close(left);
    int fd = open_unix();
    assert_true(can_connect());
    close(fd);
}

static void test_a_served_one_stays(void **state) {
    (void)state;
    int fd = open_unix();
    expect_refused("Address already in use");
    assert_true(can_connect());
    close(fd);
    fd = open_unix(); // now it is left behind
    close(fd);
}

// Whose line is full, so that a connection attempt would wait.
static void test_a_busy_one_stays(void **state) {
    (void)state;
    enum { MOST = 16 };
    int server = bind_there(SOCK_STREAM);
    int clients[MOST];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    assert_int_equal(listen(server, 0), 0);
    unsigned count = 0;
    int failed = 0;
    while (failed == 0 && count < MOST) {
        clients[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        failed = connect(clients[count++], (struct sockaddr *)&address, sizeof(address));
    }
    assert_int_not_equal(failed, 0);
    expect_refused("Address already in use");
    assert_int_not_equal(type_and_mode(), 0);
    for (unsigned i = 0; i < count; i++) {
        close(clients[i]);
    }
    close(server);
}

static void test_sockets_of_other_kinds_stay(void **state) {
    (void)state;
    static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    for (unsigned i = 0; i < 2; i++) {
        int other = bind_there(types[i]);
        if (types[i] == SOCK_SEQPACKET) {
            listen(other, 5);
        }
        expect_refused("Address already in use");
        assert_true(S_ISSOCK(type_and_mode()));
        close(other);
        unlink(path);
    }
}

static void test_other_files_stay(void **state) {
    (void)state;
    int file = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(file, "precious", 8), 8);
    close(file);
    expect_refused("Address already in use");
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 8);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refused("Address already in use");
    rmdir(path);
    assert_int_equal(symlink("/dev/null", path), 0);
    expect_refused("Address already in use");
    assert_true(S_ISLNK(type_and_mode()));
}

// A link to a socket that is left behind is no socket.
static void test_links_are_not_followed(void **state) {
    (void)state;
    char target[96];
    close(bind_there(SOCK_STREAM));
    snprintf(target, sizeof(target), "%s/other.sock", folder);
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink(target, path), 0);
    expect_refused("Address already in use");
    assert_true(S_ISLNK(type_and_mode()));
    assert_int_equal(unlink(target), 0);
}

static void test_no_such_folder(void **state) {
    (void)state;
    const struct config_endpoint endpoint = {.path = TEXT("/nowhere/at/all.sock")};
    uint16_t port = 0;
    char error[128];
    assert_int_equal(open_endpoint(&endpoint, &port, error), -1);
    assert_string_equal(error, "No such file or directory");
}

// Who can't look whether it is served must not take it away.
static void test_without_descriptors(void **state) {
    (void)state;
    int fd = open_unix();
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    int next = dup(0);
    close(next);
    for (rlim_t room = 0; room < 2; room++) {
        const struct rlimit limit = {(rlim_t)next + room, before.rlim_max};
        char error[128] = "";
        uint16_t port = 0;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        int other = endpoint_open(&unix_endpoint, false, &port, error, sizeof(error));
        setrlimit(RLIMIT_NOFILE, &before);
        assert_int_equal(other, -1);
        assert_true(can_connect());
    }
    close(fd);
}

// Who took the file away and put another there wants to keep it.
static void test_removing_leaves_what_others_put_there(void **state) {
    (void)state;
    endpoint_remove(&unix_endpoint); // nothing is there
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    for (unsigned i = 0; i < 2; i++) {
        close(open_unix());
        unlink(path);
        int other = bind_there(types[i]);
        assert_true(types[i] != SOCK_STREAM || listen(other, 8) == 0);
        endpoint_remove(&unix_endpoint);
        assert_true(S_ISSOCK(type_and_mode()));
        close(other);
        unlink(path);
    }
    int file = open(path, O_CREAT | O_WRONLY, 0600);
    close(file);
    endpoint_remove(&unix_endpoint);
    assert_true(S_ISREG(type_and_mode()));
    unlink(path);
    assert_int_equal(symlink("/dev/null", path), 0);
    endpoint_remove(&unix_endpoint);
    assert_true(S_ISLNK(type_and_mode()));
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    endpoint_remove(&unix_endpoint);
    assert_true(S_ISDIR(type_and_mode()));
    rmdir(path);
}

// --- TCP ----------------------------------------------------------------------------------------

static void test_tcp(void **state) {
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "::1", ""};
    for (unsigned i = 0; i < 3; i++) {
        struct config_endpoint endpoint = {.host = (char *)hosts[i]};
        uint16_t port = 0;
        char error[128];
        int fd = open_endpoint(&endpoint, &port, error);
        assert_true(fd >= 0);
        assert_int_not_equal(port, 0);
        endpoint.port = port;
        uint16_t again = 0;
        assert_int_equal(open_endpoint(&endpoint, &again, error), -1);
        assert_string_equal(error, "Address already in use");
        close(fd);
        fd = open_endpoint(&endpoint, &again, error);
        assert_true(fd >= 0);
        assert_int_equal(again, port);
        close(fd);
    }
}

// To other addresses of the port at which this process listens, and back.
static void test_moving_to_an_address_that_overlaps(void **state) {
    (void)state;
    struct config_endpoint endpoint = {.host = TEXT("127.0.0.1")};
    uint16_t port = 0;
    char error[128];
    int before = open_endpoint(&endpoint, &port, error);
    static const char *const hosts[] = {"0.0.0.0", "", "127.0.0.1"};
    for (unsigned i = 0; i < 3; i++) {
        endpoint = (struct config_endpoint){.host = (char *)hosts[i], .port = port};
        assert_int_equal(open_endpoint(&endpoint, &port, error), -1);
        int fd = endpoint_open(&endpoint, true, &port, error, sizeof(error));
        assert_true(fd >= 0);
        close(before);
        before = fd;
    }
    close(before);
}

// --- words --------------------------------------------------------------------------------------

static const struct {
    struct config_endpoint endpoint;
    uint16_t port;
    const char *text;
} texts[] = {
    {{.host = TEXT("127.0.0.1"), .port = 9901}, 9901, "http://127.0.0.1:9901/"},
    {{.host = TEXT("127.0.0.1"), .port = 0}, 4711, "http://127.0.0.1:4711/"},
    {{.host = TEXT("::1"), .port = 9901}, 9901, "http://[::1]:9901/"},
    {{.host = TEXT(""), .port = 9901}, 9901, "http://0.0.0.0:9901/"},
    {{.path = TEXT("/run/outrider/admin.sock")}, 0, "unix:/run/outrider/admin.sock"},
};

static void test_descriptions(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char text[64];
        endpoint_describe(&texts[i].endpoint, texts[i].port, text, sizeof(text));
        assert_string_equal(text, texts[i].text);
        endpoint_describe(&texts[i].endpoint, texts[i].port, text, 8); // cut
        assert_int_equal(strlen(text), 7);
        assert_true(endpoint_is_on(&texts[i].endpoint));
    }
    assert_false(endpoint_is_on(&(struct config_endpoint){0}));
}

static void test_sameness(void **state) {
    (void)state;
    const struct config_endpoint all[] = {
        {.host = NULL},
        {.host = TEXT("127.0.0.1"), .port = 1},
        {.host = TEXT("127.0.0.1"), .port = 2},
        {.host = TEXT("127.0.0.2"), .port = 1},
        {.host = TEXT(""), .port = 1},
        {.path = TEXT("/a")},
        {.path = TEXT("/b")},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++) {
            char copy[32];
            struct config_endpoint other = all[j];
            if (other.path != NULL) { // by content
                snprintf(copy, sizeof(copy), "%s", other.path);
                other.path = copy;
            }
            assert_int_equal(endpoint_is_same(&all[i], &other), i == j);
        }
    }
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, open_folder, close_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_unix),
        IN_FOLDER(test_a_file_left_behind_gives_way),
        IN_FOLDER(test_a_served_one_stays),
        IN_FOLDER(test_a_busy_one_stays),
        IN_FOLDER(test_sockets_of_other_kinds_stay),
        IN_FOLDER(test_other_files_stay),
        IN_FOLDER(test_links_are_not_followed),
        IN_FOLDER(test_removing_leaves_what_others_put_there),
        cmocka_unit_test(test_no_such_folder),
        IN_FOLDER(test_without_descriptors),
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_moving_to_an_address_that_overlaps),
        cmocka_unit_test(test_descriptions),
        cmocka_unit_test(test_sameness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
