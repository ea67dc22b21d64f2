// SPDX-License-Identifier: Apache-2.0
#include "worker/watch.h"

#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "net/timer.h"

// What tells one content of a path from another, links followed.
struct print {
    uint64_t device, inode, size;
    int64_t changed_ns;
};

struct file {
    char *path;
    struct print print;
};

struct directory {
    uv_fs_event_t event;
    struct watch *watch;
};

struct watch {
    struct loop *loop;
    struct file *files;
    size_t file_count;
    struct directory *directories; // one per file; the same one may be there twice
    struct timer calm_timer;       // since the last event
    struct timer look_timer;
    unsigned open_handles;
    void (*on_changed)(void *user);
    void *user;
};

static void watch_directory(struct watch *watch, size_t index);
static void on_event(uv_fs_event_t *event, const char *name, int events, int status);
static bool is_of_interest(const struct watch *watch, const char *name);
static void on_calm(struct timer *timer);
static void on_look(struct timer *timer);
static bool has_changed(struct watch *watch);
static struct print take_print(const char *path);
static void on_event_closed(uv_handle_t *handle);
static void on_calm_closed(struct timer *timer);
static void on_look_closed(struct timer *timer);
static void count_closed(struct watch *watch);

struct watch *watch_start(struct loop *loop, const char *const *paths, size_t count,
                          void (*on_changed)(void *user), void *user) {
    struct watch *watch = alloc_new(struct watch);
    watch->loop = loop;
    watch->files = alloc_zeroed(count, sizeof(struct file));
    watch->directories = alloc_zeroed(count, sizeof(struct directory));
    watch->file_count = count;
    watch->on_changed = on_changed;
    watch->user = user;
    watch->open_handles = (unsigned)count + 2;
    for (size_t i = 0; i < count; i++) {
        watch->files[i].path = alloc_text(paths[i]);
        watch->files[i].print = take_print(paths[i]);
        watch_directory(watch, i);
    }
    timer_init(&watch->calm_timer, loop, on_calm);
    timer_init(&watch->look_timer, loop, on_look);
    timer_start(&watch->look_timer, WATCH_LOOK_MS);
    return watch;
}

// What can't be watched is still looked at.
static void watch_directory(struct watch *watch, size_t index) {
    struct directory *directory = &watch->directories[index];
    directory->watch = watch;
    uv_fs_event_init(&watch->loop->uv, &directory->event);
    directory->event.data = directory;
    char *path = alloc_text(watch->files[index].path);
    char *slash = strrchr(path, '/');
    if (slash != NULL) {
        slash[slash == path] = '\0'; // of "/file" the slash stays
    }
    uv_fs_event_start(&directory->event, on_event, slash != NULL ? path : ".", 0);
    free(path);
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status) {
    (void)events, (void)status;
    struct directory *directory = event->data;
    loop_wake(directory->watch->loop);
    if (is_of_interest(directory->watch, name)) {
        timer_start(&directory->watch->calm_timer, WATCH_CALM_MS);
    }
}

// A log may grow beside the configuration, and must not keep us from noticing. Kubernetes swaps
// links whose names begin so.
static bool is_of_interest(const struct watch *watch, const char *name) {
    if (name == NULL || strncmp(name, "..", 2) == 0) {
        return true;
    }
    for (size_t i = 0; i < watch->file_count; i++) {
        const char *slash = strrchr(watch->files[i].path, '/');
        if (strcmp(slash != NULL ? slash + 1 : watch->files[i].path, name) == 0) {
            return true;
        }
    }
    return false;
}

static void on_calm(struct timer *timer) {
    struct watch *watch = LIST_ENTRY(timer, struct watch, calm_timer);
    if (has_changed(watch)) {
        watch->on_changed(watch->user);
    }
}

static void on_look(struct timer *timer) {
    struct watch *watch = LIST_ENTRY(timer, struct watch, look_timer);
    timer_start(timer, WATCH_LOOK_MS);
    if (has_changed(watch)) {
        watch->on_changed(watch->user);
    }
}

// Since it was last asked.
static bool has_changed(struct watch *watch) {
    bool has_any = false;
    for (size_t i = 0; i < watch->file_count; i++) {
        struct print now = take_print(watch->files[i].path);
        has_any |= memcmp(&now, &watch->files[i].print, sizeof(now)) != 0;
        watch->files[i].print = now;
    }
    return has_any;
}

void watch_note(struct watch *watch) {
    if (watch != NULL) {
        has_changed(watch);
    }
}

static struct print take_print(const char *path) {
    struct print print;
    memset(&print, 0, sizeof(print)); // padding too: prints are compared as bytes
    struct stat status;
    if (stat(path, &status) == 0) {
        print.device = status.st_dev;
        print.inode = status.st_ino;
        print.size = (uint64_t)status.st_size;
        print.changed_ns =
            (int64_t)status.st_mtim.tv_sec * 1000000000 + (int64_t)status.st_mtim.tv_nsec;
    }
    return print;
}

void watch_stop(struct watch *take_watch) {
    struct watch *watch = take_watch;
    if (watch == NULL) {
        return;
    }
    for (size_t i = 0; i < watch->file_count; i++) {
        uv_close((uv_handle_t *)&watch->directories[i].event, on_event_closed);
    }
    timer_close(&watch->calm_timer, on_calm_closed);
    timer_close(&watch->look_timer, on_look_closed);
}

static void on_event_closed(uv_handle_t *handle) {
    struct directory *directory = handle->data;
    count_closed(directory->watch);
}

static void on_calm_closed(struct timer *timer) {
    count_closed(LIST_ENTRY(timer, struct watch, calm_timer));
}

static void on_look_closed(struct timer *timer) {
    count_closed(LIST_ENTRY(timer, struct watch, look_timer));
}

static void count_closed(struct watch *watch) {
    if (--watch->open_handles > 0) {
        return;
    }
    for (size_t i = 0; i < watch->file_count; i++) {
        free(watch->files[i].path);
    }
    free(watch->files);
    free(watch->directories);
    free(watch);
}
