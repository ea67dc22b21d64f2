// SPDX-License-Identifier: Apache-2.0
// What the kernel's control groups allow this process, in version 1 and 2: the smallest limit of
// our own group and of those above it, as far as they can be seen from here (in a container that
// often is its own group alone). `root` stands before all paths: "", or of a test a made-up tree.
// Owner: the caller. Any thread. See also: worker/ceiling.h.
#ifndef OUTRIDER_WORKER_CGROUP_H
#define OUTRIDER_WORKER_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum { CGROUP_PATH_BYTES = 1024 };

// The smallest limit, and who sets it. Of groups with the same limit the uppermost: it holds more.
struct cgroup_limit {
    uint64_t value;
    bool is_v2;
    char folder[CGROUP_PATH_BYTES]; // of that group, without a last '/'
};

// How many processors the quota of time is worth, rounded up. False: there is no quota.
bool cgroup_find_cpus(const char *root, struct cgroup_limit *out_limit);
// In bytes. False: there is no limit.
bool cgroup_find_memory(const char *root, struct cgroup_limit *out_limit);
// What that group, which may hold others beside us, can't give back: all that it uses but the file
// cache that was not used lately. False when it can't be read.
bool cgroup_read_memory_used(const struct cgroup_limit *limit, uint64_t *out_bytes);
// Threads that can run at once: as many as there are processors for us, or as the quota allows. At
// least 1. out_from, for people: what decided.
unsigned cgroup_count_cpus(const char *root, unsigned processors, char out_from[CGROUP_PATH_BYTES]);

// --- the kernel's texts, pure; false: no limit, or not such a text ------------------------------
bool cgroup_parse_number(struct slice text, uint64_t *out_number);
// "150000 100000" of cpu.max
bool cgroup_parse_cpu_max(struct slice text, uint64_t *out_cpus);
bool cgroup_parse_cpu_quota(struct slice quota_us, struct slice period_us, uint64_t *out_cpus);
bool cgroup_parse_memory(struct slice text, uint64_t *out_bytes);
// One number of memory.stat.
bool cgroup_parse_stat(struct slice text, struct slice name, uint64_t *out_number);
// Our group in /proc/self/cgroup: of version 1 with its controller, of version 2 with "".
bool cgroup_parse_group(struct slice text, struct slice controller, struct slice *out_path);
// Where /proc/self/mountinfo shows that group: the folder of the mount, and below it the group's
// own path, "" when only the mount's is seen. Of version 2 with "".
bool cgroup_parse_mount(struct slice text, struct slice controller, struct slice group,
                        char out_mount[CGROUP_PATH_BYTES], struct slice *out_below);

#endif
