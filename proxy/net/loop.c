// SPDX-License-Identifier: Apache-2.0
#include "net/loop.h"

#include <time.h>

#include "base/alloc.h"
#include "base/ensure.h"

enum { NS_PER_MS = 1000000 };

struct post {
    struct list_link link;
    void (*function)(void *argument);
    void *argument;
};

static void on_async(uv_async_t *async);
static void run_posts(struct loop *loop);
static void on_prepare(uv_prepare_t *prepare);
static void on_idle(uv_idle_t *idle);
static void run_tasks(struct loop *loop);
static void take_all(struct list *to, struct list *from);
static int64_t wall_ms(void);
static void close_own_handles(struct loop *loop);

void loop_init(struct loop *loop) {
    *loop = (struct loop){.turn = 1};
    list_init(&loop->posts);
    list_init(&loop->tasks);
    list_init(&loop->next_tasks);
    ensure(uv_loop_init(&loop->uv) == 0);
    loop->uv.data = loop;
    ensure(uv_mutex_init(&loop->post_lock) == 0);
    ensure(uv_async_init(&loop->uv, &loop->async, on_async) == 0);
    ensure(uv_prepare_init(&loop->uv, &loop->prepare) == 0);
    ensure(uv_idle_init(&loop->uv, &loop->idle) == 0);
    ensure(uv_prepare_start(&loop->prepare, on_prepare) == 0);
    loop->read_scratch = alloc_bytes(LOOP_SCRATCH_BYTES);
    loop->plain_scratch = alloc_bytes(LOOP_SCRATCH_BYTES);
    loop->cipher_scratch = alloc_bytes(LOOP_SCRATCH_BYTES);
    clock_update(&loop->clock, uv_now(&loop->uv), wall_ms());
}

void loop_run(struct loop *loop) {
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop) {
    uv_stop(&loop->uv);
}

void loop_wake(struct loop *loop) {
    uint64_t now = uv_now(&loop->uv);
    if (now != loop->clock.now_ms) {
        clock_update(&loop->clock, now, wall_ms());
    }
}

uint64_t loop_precise_now(const struct loop *loop) {
    (void)loop;
    return uv_hrtime() / NS_PER_MS;
}

void loop_defer(struct loop *loop, struct loop_task *task) {
    ensure(task->run != NULL);
    if (!list_link_is_in_list(&task->link)) {
        list_append(&loop->tasks, &task->link);
    }
}

void loop_defer_next(struct loop *loop, struct loop_task *task) {
    ensure(task->run != NULL);
    if (!list_link_is_in_list(&task->link)) {
        list_append(&loop->next_tasks, &task->link);
        uv_idle_start(&loop->idle, on_idle);
    }
}

void loop_cancel(struct loop_task *task) {
    list_remove(&task->link);
}

void loop_post(struct loop *loop, void (*function)(void *argument), void *argument) {
    struct post *post = alloc_new(struct post);
    post->function = function;
    post->argument = argument;
    uv_mutex_lock(&loop->post_lock);
    list_append(&loop->posts, &post->link);
    uv_mutex_unlock(&loop->post_lock);
    uv_async_send(&loop->async);
}

static void on_async(uv_async_t *async) {
    struct loop *loop = async->loop->data;
    loop_wake(loop);
    run_posts(loop);
}

static void run_posts(struct loop *loop) {
    struct list due;
    uv_mutex_lock(&loop->post_lock);
    take_all(&due, &loop->posts);
    uv_mutex_unlock(&loop->post_lock);
    struct list_link *link;
    while ((link = list_take_first(&due)) != NULL) {
        struct post *post = LIST_ENTRY(link, struct post, link);
        post->function(post->argument);
        free(post);
    }
}

static void on_prepare(uv_prepare_t *prepare) {
    struct loop *loop = prepare->loop->data;
    loop_wake(loop);
    run_tasks(loop);
    loop->turn++;
}

// Only its being active matters: libuv does not sleep then.
static void on_idle(uv_idle_t *idle) {
    (void)idle;
}

static void run_tasks(struct loop *loop) {
    struct list_link *link;
    while ((link = list_take_first(&loop->tasks)) != NULL) {
        struct loop_task *task = LIST_ENTRY(link, struct loop_task, link);
        task->run(task);
    }
    if (list_is_empty(&loop->next_tasks)) {
        uv_idle_stop(&loop->idle);
    } else {
        take_all(&loop->tasks, &loop->next_tasks);
    }
}

static void take_all(struct list *to, struct list *from) {
    list_init(to);
    struct list_link *link;
    while ((link = list_take_first(from)) != NULL) {
        list_append(to, link);
    }
}

static int64_t wall_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void loop_finish(struct loop *loop) {
    uv_unref((uv_handle_t *)&loop->async);
    uv_unref((uv_handle_t *)&loop->prepare);
    uv_unref((uv_handle_t *)&loop->idle);
    run_posts(loop);
    run_tasks(loop);
    while (!list_is_empty(&loop->tasks) || uv_loop_alive(&loop->uv)) {
        uv_run(&loop->uv, UV_RUN_ONCE);
        run_posts(loop);
        run_tasks(loop);
    }
    if (loop->resolver != NULL) {
        loop->resolver_destroy(loop->resolver);
    }
    close_own_handles(loop);
    ensure(uv_loop_close(&loop->uv) == 0);
    uv_mutex_destroy(&loop->post_lock);
    free(loop->read_scratch);
    free(loop->plain_scratch);
    free(loop->cipher_scratch);
}

static void close_own_handles(struct loop *loop) {
    uv_close((uv_handle_t *)&loop->async, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}
