// SPDX-License-Identifier: Apache-2.0
#include "worker/cgroup.h"

#include <stdio.h>

#include "base/buffer.h"
#include "worker/file.h"

enum { MAX_FILE_BYTES = 1 << 20 };

// Where a controller's files of our group are: `folder` down to `length` is the mount, behind it
// comes the group.
struct place {
    bool is_v2;
    char folder[CGROUP_PATH_BYTES];
    size_t mount_length;
};

typedef bool read_limit_fn(const struct place *place, uint64_t *out_value);

static bool find(const char *root, struct slice controller, read_limit_fn *read_limit,
                 struct cgroup_limit *out_limit);
static bool find_place(const char *root, struct slice controller, struct place *out_place);
static bool place_group(const char *root, struct slice groups, struct slice mounts,
                        struct slice controller, struct place *out_place);
static bool go_up(struct place *place);
static bool read_cpus(const struct place *place, uint64_t *out_cpus);
static bool read_memory(const struct place *place, uint64_t *out_bytes);
static bool read_text(const char *folder, const char *name, struct buffer *out_text);
static bool parse_mount_line(struct slice line, struct slice controller, struct slice *out_root,
                             struct slice *out_point);
static bool next_part(struct slice *rest, char separator, struct slice *out_part);
static bool has_word(struct slice list, struct slice word);
static bool is_below(struct slice path, struct slice root, struct slice *out_below);
static bool decode(struct slice text, char out_path[CGROUP_PATH_BYTES]);

// --- limits -------------------------------------------------------------------------------------

bool cgroup_find_cpus(const char *root, struct cgroup_limit *out_limit) {
    return find(root, SLICE("cpu"), read_cpus, out_limit);
}

bool cgroup_find_memory(const char *root, struct cgroup_limit *out_limit) {
    return find(root, SLICE("memory"), read_memory, out_limit);
}

static bool find(const char *root, struct slice controller, read_limit_fn *read_limit,
                 struct cgroup_limit *out_limit) {
    struct place place;
    bool has_limit = false;
    if (!find_place(root, controller, &place)) {
        return false;
    }
    do {
        uint64_t value;
        if (read_limit(&place, &value) && (!has_limit || value < out_limit->value)) {
            has_limit = true;
            out_limit->value = value;
            out_limit->is_v2 = place.is_v2;
            memcpy(out_limit->folder, place.folder, sizeof(place.folder));
        }
    } while (go_up(&place));
    return has_limit;
}

// A controller belongs to one version: to 1 where it has a line of its own.
static bool find_place(const char *root, struct slice controller, struct place *out_place) {
    struct buffer groups = {0};
    struct buffer mounts = {0};
    char folder[CGROUP_PATH_BYTES];
    int length = snprintf(folder, sizeof(folder), "%s/proc/self", root);
    bool is_read = length > 0 && (size_t)length < sizeof(folder) &&
                   read_text(folder, "cgroup", &groups) && read_text(folder, "mountinfo", &mounts);
    bool is_found = false;
    if (is_read) {
        struct slice text = buffer_peek(&groups);
        struct slice ignored;
        out_place->is_v2 = !cgroup_parse_group(text, controller, &ignored);
        is_found = place_group(root, text, buffer_peek(&mounts),
                               out_place->is_v2 ? SLICE_EMPTY : controller, out_place);
    }
    buffer_finish(&groups);
    buffer_finish(&mounts);
    return is_found;
}

static bool place_group(const char *root, struct slice groups, struct slice mounts,
                        struct slice controller, struct place *out_place) {
    struct slice group;
    struct slice below;
    char mount[CGROUP_PATH_BYTES];
    if (!cgroup_parse_group(groups, controller, &group) ||
        !cgroup_parse_mount(mounts, controller, group, mount, &below)) {
        return false;
    }
    int length = snprintf(out_place->folder, CGROUP_PATH_BYTES, "%s%s", root, mount);
    out_place->mount_length = length > 0 ? (size_t)length : 0;
    length =
        snprintf(out_place->folder, CGROUP_PATH_BYTES, "%s%s%.*s", root, mount, SLICE_ARGS(below));
    return length > 0 && length < CGROUP_PATH_BYTES;
}

static bool go_up(struct place *place) {
    char *slash = strrchr(place->folder, '/');
    if (slash == NULL || (size_t)(slash - place->folder) < place->mount_length) {
        return false;
    }
    *slash = '\0';
    return true;
}

static bool read_cpus(const struct place *place, uint64_t *out_cpus) {
    struct buffer first = {0};
    struct buffer second = {0};
    bool has_limit;
    if (place->is_v2) {
        has_limit = read_text(place->folder, "cpu.max", &first) &&
                    cgroup_parse_cpu_max(buffer_peek(&first), out_cpus);
    } else {
        has_limit = read_text(place->folder, "cpu.cfs_quota_us", &first) &&
                    read_text(place->folder, "cpu.cfs_period_us", &second) &&
                    cgroup_parse_cpu_quota(buffer_peek(&first), buffer_peek(&second), out_cpus);
    }
    buffer_finish(&first);
    buffer_finish(&second);
    return has_limit;
}

static bool read_memory(const struct place *place, uint64_t *out_bytes) {
    struct buffer text = {0};
    const char *name = place->is_v2 ? "memory.max" : "memory.limit_in_bytes";
    bool has_limit =
        read_text(place->folder, name, &text) && cgroup_parse_memory(buffer_peek(&text), out_bytes);
    buffer_finish(&text);
    return has_limit;
}

bool cgroup_read_memory_used(const struct cgroup_limit *limit, uint64_t *out_bytes) {
    struct buffer text = {0};
    struct buffer stat = {0};
    uint64_t used;
    bool is_read = read_text(limit->folder,
                             limit->is_v2 ? "memory.current" : "memory.usage_in_bytes", &text) &&
                   cgroup_parse_number(buffer_peek(&text), &used);
    if (is_read) {
        uint64_t idle = 0;
        if (read_text(limit->folder, "memory.stat", &stat)) {
            cgroup_parse_stat(buffer_peek(&stat),
                              limit->is_v2 ? SLICE("inactive_file") : SLICE("total_inactive_file"),
                              &idle);
        }
        *out_bytes = used > idle ? used - idle : 0;
    }
    buffer_finish(&text);
    buffer_finish(&stat);
    return is_read;
}

unsigned cgroup_count_cpus(const char *root, unsigned processors,
                           char out_from[CGROUP_PATH_BYTES]) {
    struct cgroup_limit limit;
    if (cgroup_find_cpus(root, &limit) && limit.value < processors) {
        memcpy(out_from, limit.folder, sizeof(limit.folder));
        return (unsigned)limit.value;
    }
    snprintf(out_from, CGROUP_PATH_BYTES, "processors");
    return processors > 0 ? processors : 1;
}

static bool read_text(const char *folder, const char *name, struct buffer *out_text) {
    char path[CGROUP_PATH_BYTES + 32];
    int length = snprintf(path, sizeof(path), "%s/%s", folder, name);
    return length > 0 && (size_t)length < sizeof(path) && file_read(path, MAX_FILE_BYTES, out_text);
}

// --- numbers ------------------------------------------------------------------------------------

bool cgroup_parse_number(struct slice text, uint64_t *out_number) {
    uint64_t number = 0;
    while (text.length > 0 && text.data[text.length - 1] == '\n') {
        text.length--;
    }
    for (size_t i = 0; i < text.length; i++) {
        unsigned digit = (unsigned char)text.data[i] - (unsigned)'0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *out_number = number;
    return text.length > 0;
}

bool cgroup_parse_cpu_max(struct slice text, uint64_t *out_cpus) {
    size_t blank = slice_find(text, ' ');
    return cgroup_parse_cpu_quota(slice_first(text, blank), slice_skip(text, blank + 1), out_cpus);
}

// Without a quota it is "max" or -1, which are no numbers.
bool cgroup_parse_cpu_quota(struct slice quota_us, struct slice period_us, uint64_t *out_cpus) {
    uint64_t quota;
    uint64_t period;
    if (!cgroup_parse_number(quota_us, &quota) || !cgroup_parse_number(period_us, &period) ||
        period == 0) {
        return false;
    }
    uint64_t cpus = quota / period + (quota % period > 0);
    *out_cpus = cpus > 0 ? cpus : 1;
    return true;
}

// Version 1 writes "no limit" as the highest number of pages.
bool cgroup_parse_memory(struct slice text, uint64_t *out_bytes) {
    return cgroup_parse_number(text, out_bytes) && *out_bytes < (uint64_t)1 << 62;
}

bool cgroup_parse_stat(struct slice text, struct slice name, uint64_t *out_number) {
    struct slice line;
    while (next_part(&text, '\n', &line)) {
        size_t blank = slice_find(line, ' ');
        if (slice_equal(slice_first(line, blank), name)) {
            return cgroup_parse_number(slice_skip(line, blank + 1), out_number);
        }
    }
    return false;
}

// --- groups and mounts --------------------------------------------------------------------------

// "4:cpu,cpuacct:/path"; of version 2 "0::/path".
bool cgroup_parse_group(struct slice text, struct slice controller, struct slice *out_path) {
    struct slice line;
    while (next_part(&text, '\n', &line)) {
        line = slice_skip(line, slice_find(line, ':') + 1);
        size_t colon = slice_find(line, ':');
        struct slice controllers = slice_first(line, colon);
        struct slice path = slice_skip(line, colon + 1);
        bool is_it = controller.length == 0 ? controllers.length == 0 && colon < line.length
                                            : has_word(controllers, controller);
        if (is_it && slice_starts_with(path, SLICE("/"))) {
            *out_path = path;
            return true;
        }
    }
    return false;
}

bool cgroup_parse_mount(struct slice text, struct slice controller, struct slice group,
                        char out_mount[CGROUP_PATH_BYTES], struct slice *out_below) {
    struct slice line;
    bool is_found = false;
    while (next_part(&text, '\n', &line)) {
        struct slice root = SLICE_EMPTY;
        struct slice point = SLICE_EMPTY;
        struct slice below;
        char plain_root[CGROUP_PATH_BYTES];
        char plain_point[CGROUP_PATH_BYTES];
        if (!parse_mount_line(line, controller, &root, &point) || !decode(root, plain_root) ||
            !decode(point, plain_point)) {
            continue;
        }
        bool is_ours = is_below(group, slice_of_text(plain_root), &below);
        if (is_ours || !is_found) {
            is_found = true;
            *out_below = is_ours ? below : SLICE_EMPTY;
            memcpy(out_mount, plain_point, CGROUP_PATH_BYTES);
        }
        if (is_ours) {
            break;
        }
    }
    return is_found;
}

// "36 35 0:30 /root /point rw,nosuid shared:9 - cgroup cgroup rw,memory", see proc(5).
static bool parse_mount_line(struct slice line, struct slice controller, struct slice *out_root,
                             struct slice *out_point) {
    enum { ROOT = 3, POINT = 4, TYPE = 1, OPTIONS = 3 };
    struct slice word;
    int behind_dash = -1;
    bool is_type = false;
    bool has_controller = controller.length == 0;
    for (int number = 0; next_part(&line, ' ', &word); number++) {
        if (behind_dash >= 0) {
            behind_dash++;
            is_type |=
                behind_dash == TYPE &&
                slice_equal(word, controller.length == 0 ? SLICE("cgroup2") : SLICE("cgroup"));
            has_controller |= behind_dash == OPTIONS && has_word(word, controller);
        } else if (number == ROOT) {
            *out_root = word;
        } else if (number == POINT) {
            *out_point = word;
        } else if (number > POINT && slice_equal(word, SLICE("-"))) {
            behind_dash = 0;
        }
    }
    return is_type && has_controller;
}

static bool next_part(struct slice *rest, char separator, struct slice *out_part) {
    if (rest->length == 0) {
        return false;
    }
    size_t end = slice_find(*rest, separator);
    *out_part = slice_first(*rest, end);
    *rest = slice_skip(*rest, end + 1);
    return true;
}

static bool has_word(struct slice list, struct slice word) {
    struct slice element;
    while (slice_next_element(&list, &element)) {
        if (slice_equal(element, word)) {
            return true;
        }
    }
    return false;
}

// What of the path lies below the root: "" or "/a/b". Paths out of our namespace hold "..".
static bool is_below(struct slice path, struct slice root, struct slice *out_below) {
    if (slice_equal(root, SLICE("/"))) {
        root = SLICE_EMPTY;
    }
    *out_below = slice_skip(path, root.length);
    if (slice_equal(*out_below, SLICE("/"))) {
        *out_below = SLICE_EMPTY;
    }
    bool has_dots = memmem(path.data, path.length, "/..", 3) != NULL;
    return !has_dots && slice_starts_with(path, root) &&
           (out_below->length == 0 || out_below->data[0] == '/');
}

// Blanks and the like are written as \040.
static bool decode(struct slice text, char out_path[CGROUP_PATH_BYTES]) {
    size_t length = 0;
    while (text.length > 0 && length < CGROUP_PATH_BYTES) {
        unsigned value = (unsigned char)text.data[0];
        size_t used = 1;
        if (value == '\\' && text.length >= 4) {
            value = 0;
            for (used = 1; used < 4; used++) {
                value = value * 8 + ((unsigned char)text.data[used] & 7U);
            }
        }
        out_path[length++] = (char)value;
        text = slice_skip(text, used);
    }
    if (length >= CGROUP_PATH_BYTES) {
        return false;
    }
    out_path[length] = '\0';
    return true;
}
