// SPDX-License-Identifier: Apache-2.0
#include "worker/server.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "server_impl.h"
#include "worker/cgroup.h"
#include "worker/hardening.h"
#include "worker/learned.h"
#include "worker/notify.h"

const enum log_level server_log_levels[] = {[CONFIG_LEVEL_ERROR] = LOG_ERROR,
                                            [CONFIG_LEVEL_WARN] = LOG_WARN,
                                            [CONFIG_LEVEL_INFO] = LOG_INFO,
                                            [CONFIG_LEVEL_DEBUG] = LOG_DEBUG};
static const int signals[SERVER_SIGNALS] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};

static int fail(struct config_errors *errors);
static void hold_signals(bool is_held);
static unsigned worker_count(const struct config *config, char out_from[CGROUP_PATH_BYTES]);
static void raise_descriptor_limit(void);
static void start_workers(struct server *server);
static void start_control(struct server *server);
static uint64_t dropped_lines(void *user);
static void on_report(void *user, uint64_t id, struct buffer *take_report);
static void fill_random(void *bytes, size_t length);
static void report_listeners(const struct server *server);
static void watch_signals(struct server *server);
static void on_signal(uv_signal_t *handle, int number);
static void drain_workers(struct server *server);
static void abort_workers(struct server *server);
static void on_drain_timer(struct timer *timer);
static void on_worker_ended(void *user);
static void count_ended(void *argument);

int server_run(struct config *take_config, const struct config_flags *flags) {
    struct config_errors errors = {0};
    signal(SIGPIPE, SIG_IGN);
    hold_signals(true);
    raise_descriptor_limit();
    struct server server = {.flags = flags};
    if (!activation_take(&server.activation, &errors)) {
        config_destroy(take_config);
        return fail(&errors);
    }
    char workers_from[CGROUP_PATH_BYTES];
    unsigned workers = worker_count(take_config, workers_from);
    server.generation = generation_build(take_config, workers, NULL, server.activation, &errors);
    if (server.generation == NULL) {
        activation_close(server.activation);
        return fail(&errors);
    }
    if (!logs_open(&server.logs, server.generation->config, &errors)) {
        generation_unref(&server.generation);
        activation_close(server.activation);
        return fail(&errors);
    }
    log_start(server_log_levels[server.generation->config->log.level]);
    log_info("server", "-", "workers=%u from=%s", workers, workers_from);
    server_fit_connections(server.generation->config);
    hardening_apply(&server.generation->config->hardening);
    loop_init(&server.loop);
    server.ceiling = ceiling_start(&server.loop, server.generation->config->limits.memory_bytes);
    watch_signals(&server);
    learned_read(&server.generation->config->learned, &server.learned);
    start_workers(&server);
    start_control(&server);
    hold_signals(false); // in this thread alone: the others were started without
    server_watch_files(&server);
    report_listeners(&server);
    notify_ready(); // the sockets listen; workers take from them as soon as they run
    loop_run(&server.loop);

    for (unsigned i = 0; i < server.generation->workers; i++) {
        worker_join(server.workers[i]);
    }
    loop_finish(&server.loop);
    free(server.workers);
    buffer_finish(&server.learned);
    buffer_finish(&server.last_words);
    logs_close(&server.logs);
    generation_unref(&server.generation);
    activation_close(server.activation);
    log_info("server", "-", "stopped");
    log_stop();
    return 0;
}

static int fail(struct config_errors *errors) {
    config_errors_print(errors, stderr);
    config_errors_finish(errors);
    return 1;
}

// --- start ---------------------------------------------------------------------------------------

// Who is told to stop while starting starts and stops: a clean end, not a death by signal.
static void hold_signals(bool is_held) {
    sigset_t set;
    sigemptyset(&set);
    for (unsigned i = 0; i < SERVER_SIGNALS; i++) {
        sigaddset(&set, signals[i]);
    }
    pthread_sigmask(is_held ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static unsigned worker_count(const struct config *config, char out_from[CGROUP_PATH_BYTES]) {
    if (config->workers > 0) {
        snprintf(out_from, CGROUP_PATH_BYTES, "configuration");
        return config->workers;
    }
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return cgroup_count_cpus("", cores > 0 ? (unsigned)cores : 1, out_from);
}

// Two descriptors per exchange at worst: take what the system allows.
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void start_workers(struct server *server) {
    unsigned count = server->generation->workers;
    uint64_t seed = 0;
    fill_random(&seed, sizeof(seed));
    server->workers = alloc_zeroed(count, sizeof(server->workers[0]));
    server->running = count;
    for (unsigned i = 0; i < count; i++) {
        struct worker_options options = {.generation = server->generation,
                                         .index = i,
                                         .access_sink = server->logs.access_sink,
                                         .memory = ceiling_gauge(server->ceiling),
                                         .seed = seed,
                                         .learned = buffer_peek(&server->learned),
                                         .on_records = server_on_records,
                                         .on_learned = server_on_learned,
                                         .on_report = on_report,
                                         .on_ended = on_worker_ended,
                                         .user = server};
        server->workers[i] = worker_create(&options);
    }
    server_start_saving(server);
}

static void start_control(struct server *server) {
    const struct control_options options = {.generation = server->generation,
                                            .workers = server->workers,
                                            .worker_count = server->generation->workers,
                                            .memory = ceiling_gauge(server->ceiling),
                                            .dropped_lines = dropped_lines,
                                            .on_command = server_on_command,
                                            .user = server};
    control_start(&options, &server->control);
}

static uint64_t dropped_lines(void *user) {
    const struct server *server = user;
    return log_sink_dropped(server->logs.access_sink) + log_dropped();
}

static void on_report(void *user, uint64_t id, struct buffer *take_report) {
    const struct server *server = user;
    control_report(server->control, id, take_report);
}

static void fill_random(void *bytes, size_t length) {
    int failed = uv_random(NULL, NULL, bytes, length, 0, NULL);
    ensure(failed == 0);
}

static void report_listeners(const struct server *server) {
    const struct generation *generation = server->generation;
    for (size_t i = 0; i < generation->config->listener_count; i++) {
        const struct config_listener *listener = &generation->config->listeners[i];
        bool is_v6 = strchr(listener->host, ':') != NULL;
        if (listener->is_tls && listener->certificate_count == 0) {
            log_warn("server", "-",
                     "no certificate given: serving a development certificate for localhost that "
                     "no client trusts");
        }
        bool is_passed = activation_find(server->activation, listener) >= 0;
        log_info("server", "-", "listening url=%s://%s%s%s:%u workers=%u%s",
                 listener->is_tls ? "https" : "http", is_v6 ? "[" : "",
                 listener->host[0] != '\0' ? listener->host : "0.0.0.0", is_v6 ? "]" : "",
                 generation->ports[i], generation->workers, is_passed ? " socket=passed" : "");
    }
}

// --- stop ----------------------------------------------------------------------------------------

static void watch_signals(struct server *server) {
    for (unsigned i = 0; i < SERVER_SIGNALS; i++) {
        uv_signal_init(&server->loop.uv, &server->signals[i]);
        server->signals[i].data = server;
        uv_signal_start(&server->signals[i], on_signal, signals[i]);
    }
    timer_init(&server->drain_timer, &server->loop, on_drain_timer);
    timer_init(&server->save_timer, &server->loop, server_on_save_timer);
}

static void on_signal(uv_signal_t *handle, int number) {
    struct server *server = handle->data;
    loop_wake(&server->loop);
    if (number == SIGHUP) {
        char *errors = NULL;
        server_reload(server, &errors);
        free(errors);
    } else if (number == SIGUSR1) {
        logs_reopen(&server->logs, server->generation->config);
    } else if (!server->was_told) { // who drained by the admin listener may well go on so
        server->was_told = true;
        server_drain(server, strsignal(number));
    } else {
        log_info("server", "-", "stopping now signal=%s", strsignal(number));
        abort_workers(server);
    }
}

// /ready says no before anything else changes, so that nobody is sent here who would be refused.
void server_drain(struct server *server, const char *why) {
    uint64_t delay_ms = server->generation->config->timeouts.drain_delay_ms;
    if (server->state != SERVER_RUNNING) {
        return;
    }
    server->state = SERVER_LEAVING;
    control_note_draining(server->control);
    notify_stopping();
    if (delay_ms > 0) {
        log_info("server", "-", "leaving: not ready, still accepting for %llu ms",
                 (unsigned long long)delay_ms);
        timer_start(&server->drain_timer, delay_ms);
    } else {
        drain_workers(server);
    }
    log_info("server", "-", "draining signal=%s", why);
}

static void drain_workers(struct server *server) {
    server->state = SERVER_DRAINING;
    for (unsigned i = 0; i < server->generation->workers; i++) {
        worker_drain(server->workers[i]);
    }
    timer_start(&server->drain_timer, server->generation->config->timeouts.drain_ms);
}

static void abort_workers(struct server *server) {
    server->state = SERVER_STOPPING;
    timer_stop(&server->drain_timer);
    for (unsigned i = 0; i < server->generation->workers; i++) {
        worker_abort(server->workers[i]);
    }
}

static void on_drain_timer(struct timer *timer) {
    struct server *server = LIST_ENTRY(timer, struct server, drain_timer);
    if (server->state == SERVER_LEAVING) {
        drain_workers(server);
    } else {
        log_info("server", "-", "drain timeout: cutting what is left");
        abort_workers(server);
    }
}

static void on_worker_ended(void *user) {
    struct server *server = user;
    loop_post(&server->loop, count_ended, server);
}

static void count_ended(void *argument) {
    struct server *server = argument;
    server->running--;
    if (server->running > 0) {
        return;
    }
    control_stop(server->control);
    server->control = NULL;
    hold_signals(true); // a further one may not kill us while we clean up
    for (unsigned i = 0; i < SERVER_SIGNALS; i++) {
        uv_close((uv_handle_t *)&server->signals[i], NULL);
        signal(signals[i], SIG_IGN);
    }
    timer_close(&server->drain_timer, NULL);
    timer_close(&server->save_timer, NULL);
    watch_stop(server->watch);
    ceiling_stop(server->ceiling);
    loop_stop(&server->loop);
}
