// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/cgroup.h"

#define NONE UINT64_MAX

static struct slice text_of(const char *text) {
    return slice_of_text(text);
}

// --- the kernel's texts -------------------------------------------------------------------------

static void test_cpu_quotas(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t cpus;
    } rows[] = {
        {"100000 100000\n", 1},
        {"150000 100000\n", 2}, // what is begun counts
        {"200000 100000", 2},
        {"50000 100000\n", 1},
        {"1000 100000\n", 1},
        {"25000 50000\n", 1},
        {"12800000 100000\n", 128},
        {"0 100000\n", 1},
        {"18446744073709551615 1\n", UINT64_MAX},
        {"max 100000\n", NONE},
        {"max\n", NONE},
        {"-1 100000\n", NONE},
        {"100000 0\n", NONE},
        {"100000\n", NONE},
        {"100000 \n", NONE},
        {" 100000\n", NONE},
        {"1e5 100000\n", NONE},
        {"18446744073709551616 1\n", NONE},
        {"\n", NONE},
        {"", NONE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t cpus = NONE;
        bool has_limit = cgroup_parse_cpu_max(text_of(rows[i].text), &cpus);
        if (has_limit ? cpus != rows[i].cpus : rows[i].cpus != NONE) {
            fail_msg("'%s': %d %llu", rows[i].text, has_limit, (unsigned long long)cpus);
        }
    }
    uint64_t cpus;
    assert_true(cgroup_parse_cpu_quota(SLICE("300000\n"), SLICE("200000\n"), &cpus));
    assert_int_equal(cpus, 2);
    assert_false(cgroup_parse_cpu_quota(SLICE("-1\n"), SLICE("100000\n"), &cpus));
}

static void test_memory_limits(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } rows[] = {
        {"67108864\n", 67108864},         {"0\n", 0},      {"max\n", NONE},
        {"9223372036854771712\n", NONE}, // version 1 without a limit, pages of 4 KiB
        {"9223372036854710272\n", NONE}, // and of 64 KiB
        {"99999999999999999999\n", NONE}, {"64M\n", NONE}, {"", NONE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t bytes;
        bool has_limit = cgroup_parse_memory(text_of(rows[i].text), &bytes);
        if (has_limit ? bytes != rows[i].bytes : rows[i].bytes != NONE) {
            fail_msg("'%s': %d", rows[i].text, has_limit);
        }
    }
}

static void test_memory_stat(void **state) {
    (void)state;
    struct slice text = SLICE("anon 5\nfile 6\ninactive_anon 7\nactive_file 8\n"
                              "inactive_file 9\ntotal_inactive_file 10\nbroken x\nlast 11");
    uint64_t number;
    assert_true(cgroup_parse_stat(text, SLICE("inactive_file"), &number));
    assert_int_equal(number, 9);
    assert_true(cgroup_parse_stat(text, SLICE("total_inactive_file"), &number));
    assert_int_equal(number, 10);
    assert_true(cgroup_parse_stat(text, SLICE("last"), &number));
    assert_int_equal(number, 11);
    assert_false(cgroup_parse_stat(text, SLICE("broken"), &number));
    assert_false(cgroup_parse_stat(text, SLICE("inactive"), &number));
    assert_false(cgroup_parse_stat(SLICE(""), SLICE("last"), &number));
}

static void test_groups(void **state) {
    (void)state;
    static const char hybrid[] = "12:hugetlb:/\n4:memory:/a/b\n3:cpuset:/set\n"
                                 "2:cpu,cpuacct:/c:d\n1:name=systemd:/s\n0::/two\n";
    static const struct {
        const char *text, *controller, *path; // NULL: none
    } rows[] = {
        {hybrid, "memory", "/a/b"},
        {hybrid, "cpu", "/c:d"},
        {hybrid, "cpuacct", "/c:d"},
        {hybrid, "pids", NULL},
        {hybrid, "", "/two"},
        {"0::/\n", "", "/"},
        {"0::/", "", "/"},
        {"0::/\n", "cpu", NULL},
        {"1:cpu:/\n", "", NULL},
        {"1:cpu:relative\n", "cpu", NULL},
        {"nothing\n", "", NULL},
        {"\n:\n::\n", "", NULL},
        {"", "", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice path = SLICE_EMPTY;
        bool is_there =
            cgroup_parse_group(text_of(rows[i].text), text_of(rows[i].controller), &path);
        if (is_there ? rows[i].path == NULL || !slice_equal(path, text_of(rows[i].path))
                     : rows[i].path != NULL) {
            fail_msg("row %zu: %d '%.*s'", i, is_there, SLICE_ARGS(path));
        }
    }
}

#define OTHERS                                                                                     \
    "22 27 0:21 / /proc rw,relatime - proc proc rw\n"                                              \
    "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,memory\n"
#define V1(root, point, controllers)                                                               \
    "32 31 0:29 " root " " point " rw,nosuid shared:7 master:2 - cgroup cgroup rw," controllers "\n"
#define V2(root, point) "38 31 0:35 " root " " point " rw - cgroup2 cgroup2 rw,nsdelegate\n"

static void test_mounts(void **state) {
    (void)state;
    static const struct {
        const char *text, *controller, *group;
        const char *mount, *below; // NULL: none
    } rows[] = {
        {OTHERS V2("/", "/sys/fs/cgroup"), "", "/a/b", "/sys/fs/cgroup", "/a/b"},
        {OTHERS V2("/", "/sys/fs/cgroup"), "", "/", "/sys/fs/cgroup", ""},
        {OTHERS V1("/", "/m", "memory") V2("/", "/u"), "", "/x", "/u", "/x"},
        {OTHERS V1("/", "/c", "cpu,cpuacct") V1("/", "/m", "memory"), "memory", "/x", "/m", "/x"},
        {OTHERS V1("/", "/c", "cpu,cpuacct") V1("/", "/m", "memory"), "cpuacct", "/x", "/c", "/x"},
        {OTHERS V1("/", "/s", "cpuset"), "cpu", "/x", NULL, NULL},
        // A container that sees its own group alone, by the path that its host knows.
        {V1("/docker/1", "/m", "memory"), "memory", "/docker/1", "/m", ""},
        {V1("/docker/1", "/m", "memory"), "memory", "/docker/1/own", "/m", "/own"},
        {V1("/docker/1", "/m", "memory"), "memory", "/docker/12", "/m", ""},
        {V1("/docker/1", "/m", "memory"), "memory", "/elsewhere", "/m", ""},
        // The mount that shows our group is better than one that does not, wherever it stands.
        {V2("/other", "/o") V2("/a", "/ours"), "", "/a/b", "/ours", "/b"},
        {V2("/a", "/ours") V2("/other", "/o"), "", "/a/b", "/ours", "/b"},
        // Out of the namespace.
        {V2("/../..", "/u"), "", "/", "/u", ""},
        {V2("/", "/u"), "", "/../x", "/u", ""},
        {V2("/", "/with\\040blank\\134"), "", "/a", "/with blank\\", "/a"},
        {OTHERS, "", "/", NULL, NULL},
        {"38 31 0:35 / /u rw cgroup2 cgroup2 rw\n", "", "/", NULL, NULL},
        {"38 31 0:35 / /u rw - cgroup2", "", "/", "/u", ""},
        {"-\n - - cgroup2\n", "", "/", NULL, NULL},
        {"", "", "/", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char mount[CGROUP_PATH_BYTES] = "";
        struct slice below = SLICE_EMPTY;
        bool is_there = cgroup_parse_mount(text_of(rows[i].text), text_of(rows[i].controller),
                                           text_of(rows[i].group), mount, &below);
        bool is_right = is_there ? rows[i].mount != NULL && strcmp(mount, rows[i].mount) == 0 &&
                                       slice_equal(below, text_of(rows[i].below))
                                 : rows[i].mount == NULL;
        if (!is_right) {
            fail_msg("row %zu: %d '%s' '%.*s'", i, is_there, mount, SLICE_ARGS(below));
        }
    }
}

// --- trees --------------------------------------------------------------------------------------

static char tree[64];

static int open_tree(void **state) {
    (void)state;
    snprintf(tree, sizeof(tree), "/tmp/outrider-cgroup-XXXXXX");
    return mkdtemp(tree) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static int remove_tree(void **state) {
    (void)state;
    return nftw(tree, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *name, const char *text) {
    char path[CGROUP_PATH_BYTES];
    snprintf(path, sizeof(path), "%s%s", tree, name);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

static void assert_limit(bool has_limit, const struct cgroup_limit *limit, uint64_t value,
                         const char *folder) {
    assert_true(has_limit);
    assert_int_equal(limit->value, value);
    assert_true(slice_starts_with(text_of(limit->folder), text_of(tree)));
    assert_string_equal(limit->folder + strlen(tree), folder);
}

static unsigned count_cpus(unsigned processors, const char *from) {
    char text[CGROUP_PATH_BYTES];
    unsigned count = cgroup_count_cpus(tree, processors, text);
    bool is_group = slice_starts_with(text_of(text), text_of(tree));
    assert_string_equal(is_group ? text + strlen(tree) : text, from);
    return count;
}

static void test_nothing_there(void **state) {
    (void)state;
    struct cgroup_limit limit;
    assert_false(cgroup_find_cpus(tree, &limit));
    assert_false(cgroup_find_memory(tree, &limit));
    assert_int_equal(count_cpus(3, "processors"), 3);
    assert_int_equal(count_cpus(0, "processors"), 1);
    put("/proc/self/cgroup", "0::/a\n");
    assert_false(cgroup_find_memory(tree, &limit)); // no mounts
    put("/proc/self/mountinfo", V2("/", "/sys/fs/cgroup"));
    assert_false(cgroup_find_memory(tree, &limit)); // no files
    put("/sys/fs/cgroup/a/memory.max", "a lot");
    put("/sys/fs/cgroup/a/cpu.max", "much too much");
    assert_false(cgroup_find_memory(tree, &limit));
    assert_false(cgroup_find_cpus(tree, &limit));
    put("/proc/self/cgroup", "garbage\n\n::::\n0:\n");
    put("/sys/fs/cgroup/a/memory.max", "1000000");
    assert_false(cgroup_find_memory(tree, &limit));
}

// A pod of Kubernetes, seen from its node.
static void test_version_2_nested(void **state) {
    (void)state;
    struct cgroup_limit limit;
    put("/proc/self/cgroup", "0::/kubepods/pod1/box\n");
    put("/proc/self/mountinfo", OTHERS V2("/", "/sys/fs/cgroup"));
    put("/sys/fs/cgroup/kubepods/memory.max", "max\n");
    put("/sys/fs/cgroup/kubepods/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/kubepods/pod1/memory.max", "200000000\n");
    put("/sys/fs/cgroup/kubepods/pod1/cpu.max", "150000 100000\n");
    put("/sys/fs/cgroup/kubepods/pod1/box/memory.max", "100000000\n");
    put("/sys/fs/cgroup/kubepods/pod1/box/cpu.max", "max 100000\n");
    assert_limit(cgroup_find_memory(tree, &limit), &limit, 100000000,
                 "/sys/fs/cgroup/kubepods/pod1/box");
    assert_true(limit.is_v2);
    assert_limit(cgroup_find_cpus(tree, &limit), &limit, 2, "/sys/fs/cgroup/kubepods/pod1");
    assert_int_equal(count_cpus(8, "/sys/fs/cgroup/kubepods/pod1"), 2);
    assert_int_equal(count_cpus(1, "processors"), 1); // fewer than the quota is worth
    assert_int_equal(count_cpus(2, "processors"), 2);
    put("/sys/fs/cgroup/kubepods/pod1/memory.max", "50000000\n");
    assert_limit(cgroup_find_memory(tree, &limit), &limit, 50000000,
                 "/sys/fs/cgroup/kubepods/pod1");
    put("/sys/fs/cgroup/kubepods/pod1/box/memory.max", "50000000\n"); // the same: our own
    assert_limit(cgroup_find_memory(tree, &limit), &limit, 50000000,
                 "/sys/fs/cgroup/kubepods/pod1/box");
    put("/sys/fs/cgroup/kubepods/pod1/box/cpu.max", "150000 100000\n");
    assert_limit(cgroup_find_cpus(tree, &limit), &limit, 2, "/sys/fs/cgroup/kubepods/pod1/box");
    put("/sys/fs/cgroup/memory.max", "40000000\n"); // up to the mount, and no further
    put("/sys/fs/memory.max", "30000000\n");
    assert_limit(cgroup_find_memory(tree, &limit), &limit, 40000000, "/sys/fs/cgroup");
}

static void test_version_2_own_namespace(void **state) {
    (void)state;
    struct cgroup_limit limit;
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", OTHERS V2("/", "/sys/fs/cgroup"));
    put("/sys/fs/cgroup/memory.max", "67108864\n");
    put("/sys/fs/cgroup/memory.current", "20000000\n");
    put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    assert_limit(cgroup_find_memory(tree, &limit), &limit, 67108864, "/sys/fs/cgroup");
    assert_int_equal(count_cpus(4, "/sys/fs/cgroup"), 1);

    uint64_t used;
    assert_true(cgroup_read_memory_used(&limit, &used));
    assert_int_equal(used, 20000000); // no statistics
    put("/sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 5000000\ntotal_inactive_file 1\n");
    assert_true(cgroup_read_memory_used(&limit, &used));
    assert_int_equal(used, 15000000);
    put("/sys/fs/cgroup/memory.stat", "inactive_file 30000000\n"); // read a moment later
    assert_true(cgroup_read_memory_used(&limit, &used));
    assert_int_equal(used, 0);
    put("/sys/fs/cgroup/memory.current", "?\n");
    assert_false(cgroup_read_memory_used(&limit, &used));
    snprintf(limit.folder, sizeof(limit.folder), "%s/gone", tree);
    assert_false(cgroup_read_memory_used(&limit, &used));
}

// Controllers of version 1 with their own paths, beside version 2 without controllers.
static void test_version_1(void **state) {
    (void)state;
    struct cgroup_limit limit;
    put("/proc/self/cgroup", "4:memory:/docker/1\n2:cpu,cpuacct:/docker/1/x\n0::/\n");
    put("/proc/self/mountinfo",
        OTHERS V1("/docker/1", "/sys/fs/cgroup/memory", "memory")
            V1("/", "/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct") V2("/", "/sys/fs/cgroup/unified"));
    put("/sys/fs/cgroup/unified/memory.max", "1\n");
    put("/sys/fs/cgroup/unified/cpu.max", "1 1\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_false(cgroup_find_memory(tree, &limit));
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "33554432\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "9000000\n");
    put("/sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 1000000\n");
    assert_limit(cgroup_find_memory(tree, &limit), &limit, 33554432, "/sys/fs/cgroup/memory");
    assert_false(limit.is_v2);
    uint64_t used;
    assert_true(cgroup_read_memory_used(&limit, &used));
    assert_int_equal(used, 8000000); // with the groups inside

    put("/sys/fs/cgroup/cpu,cpuacct/docker/1/x/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/1/x/cpu.cfs_period_us", "100000\n");
    assert_false(cgroup_find_cpus(tree, &limit));
    put("/sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "250000\n"); // no period
    assert_false(cgroup_find_cpus(tree, &limit));
    put("/sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us", "100000\n");
    assert_limit(cgroup_find_cpus(tree, &limit), &limit, 3, "/sys/fs/cgroup/cpu,cpuacct/docker/1");
}

static void test_a_path_too_long(void **state) {
    (void)state;
    struct cgroup_limit limit;
    char text[2 * CGROUP_PATH_BYTES];
    memset(text, 'a', sizeof(text));
    memcpy(text, "0::/", 4);
    text[CGROUP_PATH_BYTES + 20] = '\0';
    put("/proc/self/cgroup", text);
    put("/proc/self/mountinfo", V2("/", "/sys/fs/cgroup"));
    put("/sys/fs/cgroup/memory.max", "1000000\n");
    assert_false(cgroup_find_memory(tree, &limit));
    memcpy(text, "38 31 0:35 / /", 14); // a mount point
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", text);
    assert_false(cgroup_find_memory(tree, &limit));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpu_quotas),
        cmocka_unit_test(test_memory_limits),
        cmocka_unit_test(test_memory_stat),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_mounts),
        cmocka_unit_test_setup_teardown(test_nothing_there, open_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_version_2_nested, open_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_version_2_own_namespace, open_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_version_1, open_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_path_too_long, open_tree, remove_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
