// SPDX-License-Identifier: Apache-2.0
#include "worker/learned.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "push/push_learn_file.h"
#include "worker/file.h"

// Far more than the largest table takes: what is longer is no file of ours.
#define MAX_FILE_BYTES (4ULL << 30)

static bool is_good(const struct config_learned *learned, struct slice text);
static void set_aside(const char *path);
static struct push_learn *create_table(const struct config_learned *learned);
static bool write_all(const char *path, struct slice text);
static char *with_ending(const char *path, const char *ending);
static int64_t wall_ms(void);

void learned_read(const struct config_learned *learned, struct buffer *out_text) {
    const char *path = learned->file;
    if (path == NULL) {
        return;
    }
    if (!file_read(path, MAX_FILE_BYTES, out_text)) {
        if (errno != ENOENT) {
            log_warn("learned", path, "can't be read: %s", strerror(errno));
        }
        buffer_finish(out_text);
        return;
    }
    if (!is_good(learned, buffer_peek(out_text))) {
        buffer_finish(out_text);
        set_aside(path);
    }
}

static bool is_good(const struct config_learned *learned, struct slice text) {
    struct push_learn *learn = create_table(learned);
    struct push_learn_file_error error;
    bool is_loaded = push_learn_file_load(learn, text, 1, wall_ms(), &error);
    if (is_loaded) {
        log_info("learned", learned->file, "loaded pages=%u", push_learn_stats(learn)->confirmed);
    } else {
        log_warn("learned", learned->file, "damaged, starting with nothing learned: line %zu: %s",
                 error.line, error.reason);
    }
    push_learn_destroy(learn);
    return is_loaded;
}

static void set_aside(const char *path) {
    char *aside = with_ending(path, ".damaged");
    if (rename(path, aside) == 0) {
        log_warn("learned", path, "set aside as %s", aside);
    } else {
        log_warn("learned", path, "can't be set aside: %s", strerror(errno));
    }
    free(aside);
}

static struct push_learn *create_table(const struct config_learned *learned) {
    const struct push_learn_limits limits = {
        .pages = learned->pages, .page_bytes = (uint32_t)learned->page_bytes, .is_alone = true};
    return push_learn_create(&limits, 1);
}

void learned_merge(const struct config_learned *learned, struct buffer *text, struct slice more) {
    if (buffer_length(text) == 0) {
        buffer_append_slice(text, more);
        return;
    }
    struct push_learn *learn = create_table(learned);
    struct push_learn_file_error error;
    int64_t wall = wall_ms();
    uint64_t now = (uint64_t)wall; // any clock will do
    push_learn_file_load(learn, buffer_peek(text), now, wall, &error);
    push_learn_file_load(learn, more, now, wall, &error);
    buffer_finish(text);
    push_learn_file_save(learn, now, wall, text);
    push_learn_destroy(learn);
}

void learned_write(const struct config_learned *learned, struct slice text) {
    const char *path = learned->file;
    char *fresh = with_ending(path, ".new");
    if (!write_all(fresh, text) || rename(fresh, path) != 0) {
        log_warn("learned", path, "can't be saved: %s", strerror(errno));
        unlink(fresh);
    }
    free(fresh);
}

static bool write_all(const char *path, struct slice text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return false;
    }
    ssize_t count = 0;
    while (text.length > 0 && count >= 0) {
        count = write(fd, text.data, text.length);
        text = count > 0 ? slice_skip(text, (size_t)count) : text;
    }
    bool is_done = count >= 0 && fsync(fd) == 0;
    int error = errno;
    is_done = close(fd) == 0 && is_done;
    errno = error;
    return is_done;
}

static char *with_ending(const char *path, const char *ending) {
    size_t length = strlen(path) + strlen(ending) + 1;
    char *text = alloc_bytes(length);
    snprintf(text, length, "%s%s", path, ending);
    return text;
}

static int64_t wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
