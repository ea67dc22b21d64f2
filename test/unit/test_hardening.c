// SPDX-License-Identifier: Apache-2.0
// What the process can't do any more, tried in children.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/hardening.h"

static void *do_nothing(void *argument) {
    return argument;
}

// The number of the first check that failed, 0: all is as it should be.
static int check_filtered(void) {
    char name[] = "true";
    char *const words[] = {name, NULL};
    if (!hardening_refuse_system_calls()) {
        return 1;
    }
    if (execve("/bin/true", words, NULL) != -1 || errno != EPERM) {
        return 2;
    }
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != -1 || errno != EPERM) {
        return 3;
    }
    if (unshare(CLONE_NEWNS) != -1 || errno != EPERM) {
        return 4;
    }
    if (mount("none", "/", "tmpfs", 0, NULL) != -1 || errno != EPERM) {
        return 5;
    }
    pthread_t thread;
    if (pthread_create(&thread, NULL, do_nothing, NULL) != 0 || pthread_join(thread, NULL) != 0) {
        return 6;
    }
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) != 0) {
        return 7;
    }
    return 0;
}

static int check_no_core(void) {
    struct rlimit limit;
    hardening_apply(&(struct config_hardening){.may_dump_core = false});
    if (getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_cur != 0) {
        return 1;
    }
    return 0;
}

static int run_in_child(int (*check)(void)) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(check());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_files_cannot_be_executed(void **state) {
    (void)state;
    assert_int_equal(run_in_child(check_filtered), 0);
}

static void test_core_is_not_dumped(void **state) {
    (void)state;
    assert_int_equal(run_in_child(check_no_core), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_cannot_be_executed),
        cmocka_unit_test(test_core_is_not_dumped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
