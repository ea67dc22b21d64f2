// SPDX-License-Identifier: Apache-2.0
#include "worker/server.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/log.h"
#include "config/config_yaml.h"
#include "net/loop.h"
#include "net/timer.h"
#include "worker/generation.h"
#include "worker/learned.h"
#include "worker/notify.h"
#include "worker/watch.h"
#include "worker/worker.h"

enum { ACCESS_LOG_BYTES = 8 * 1024 * 1024, SIGNALS = 4 };

static const enum log_level levels[] = {[CONFIG_LEVEL_ERROR] = LOG_ERROR,
                                        [CONFIG_LEVEL_WARN] = LOG_WARN,
                                        [CONFIG_LEVEL_INFO] = LOG_INFO,
                                        [CONFIG_LEVEL_DEBUG] = LOG_DEBUG};
static const int stop_signals[SIGNALS] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};

struct server {
    struct loop loop;
    struct generation *generation;
    struct log_sink *access_sink;
    struct worker **workers;
    unsigned running;
    uv_signal_t signals[SIGNALS];
    struct timer drain_timer;
    struct timer save_timer;
    struct watch *watch;      // NULL: nothing to watch, or stopping
    struct buffer learned;    // the state file's text as it was at the start
    struct buffer last_words; // and as the workers leave it
    bool is_draining;
    unsigned reloads;
    unsigned failed_reloads;
};

struct message { // from a worker
    struct server *server;
    unsigned index;
    struct buffer bytes;
};

static void hold_signals(bool is_held);
static unsigned worker_count(const struct config *config);
static void raise_descriptor_limit(void);
static void fit_connections(struct config *config);
static bool open_access_log(struct server *server, struct config_errors *errors);
static void start_workers(struct server *server);
static void start_saving(struct server *server);
static void fill_random(void *bytes, size_t length);
static void report_listeners(const struct server *server);
static void watch_signals(struct server *server);
static void on_signal(uv_signal_t *handle, int number);
static void on_drain_expired(struct timer *timer);
static void watch_files(struct server *server);
static void on_files_changed(void *user);
static void reload(struct server *server);
static void replace_generation(struct server *server);
static void warn_of_restart(const struct config *before, const struct config *config);
static bool is_saved_otherwise(const struct config_learned *before,
                               const struct config_learned *learned);
static void on_save_timer(struct timer *timer);
static void post_message(struct server *server, void (*function)(void *argument), unsigned index,
                         struct buffer *take_bytes);
static void on_records(void *user, unsigned index, struct buffer *take_records);
static void tell_others(void *argument);
static void on_learned(void *user, struct buffer *take_text);
static void save_learned(void *argument);
static void on_worker_ended(void *user);
static void count_ended(void *argument);
static int fail(struct config_errors *errors);

int server_run(struct config *take_config) {
    struct config_errors errors = {0};
    signal(SIGPIPE, SIG_IGN);
    hold_signals(true);
    raise_descriptor_limit();
    struct server server = {0};
    server.generation = generation_build(take_config, worker_count(take_config), NULL, &errors);
    if (server.generation == NULL) {
        return fail(&errors);
    }
    if (!open_access_log(&server, &errors)) {
        generation_unref(&server.generation);
        return fail(&errors);
    }
    log_start(levels[server.generation->config->log.level]);
    fit_connections(server.generation->config);
    loop_init(&server.loop);
    watch_signals(&server);
    hold_signals(false);
    learned_read(&server.generation->config->learned, &server.learned);
    start_workers(&server);
    watch_files(&server);
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
    log_sink_destroy(server.access_sink);
    generation_unref(&server.generation);
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
    for (unsigned i = 0; i < SIGNALS; i++) {
        sigaddset(&set, stop_signals[i]);
    }
    pthread_sigmask(is_held ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static unsigned worker_count(const struct config *config) {
    if (config->workers > 0) {
        return config->workers;
    }
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return cores > 0 ? (unsigned)cores : 1;
}

// Two descriptors per exchange at worst: take what the system allows.
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

// A client whose request can't reach the origin for want of a descriptor is better not accepted.
static void fit_connections(struct config *config) {
    enum { RESERVED = 64 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return;
    }
    rlim_t room =
        limit.rlim_cur > 2 * RESERVED ? (limit.rlim_cur - RESERVED) / 2 : limit.rlim_cur / 4;
    if (config->limits.connections > room) { // nobody reads the limits yet
        log_info("server", "-",
                 "limits.connections=%u lowered to %llu: the process may open %llu descriptors",
                 config->limits.connections, (unsigned long long)room,
                 (unsigned long long)limit.rlim_cur);
        config->limits.connections = (uint32_t)(room > 0 ? room : 1);
    }
}

static bool open_access_log(struct server *server, struct config_errors *errors) {
    const struct config *config = server->generation->config;
    const char *place = config->log.access;
    if (strcmp(place, "off") == 0) {
        return true;
    }
    int fd = STDOUT_FILENO;
    if (strcmp(place, "stdout") != 0) {
        fd = open(place, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    }
    if (fd < 0) {
        config_errors_add(errors, config->file, 0, 0, "log.access", "can't open %s: %s", place,
                          strerror(errno));
        return false;
    }
    server->access_sink = log_sink_create(fd, ACCESS_LOG_BYTES);
    return true;
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
                                         .access_sink = server->access_sink,
                                         .seed = seed,
                                         .learned = buffer_peek(&server->learned),
                                         .on_records = on_records,
                                         .on_learned = on_learned,
                                         .on_ended = on_worker_ended,
                                         .user = server};
        server->workers[i] = worker_create(&options);
    }
    start_saving(server);
}

static void start_saving(struct server *server) {
    const struct config_learned *learned = &server->generation->config->learned;
    timer_stop(&server->save_timer);
    if (learned->file != NULL) {
        timer_start(&server->save_timer, learned->save_ms);
    }
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
        log_info("server", "-", "listening url=%s://%s%s%s:%u workers=%u",
                 listener->is_tls ? "https" : "http", is_v6 ? "[" : "",
                 listener->host[0] != '\0' ? listener->host : "0.0.0.0", is_v6 ? "]" : "",
                 generation->ports[i], generation->workers);
    }
}

// --- reload -------------------------------------------------------------------------------------

// The configuration, and every file that it names. Without a file there is nothing to read again.
static void watch_files(struct server *server) {
    const struct config *config = server->generation->config;
    size_t count = 2;
    for (size_t i = 0; i < config->listener_count; i++) {
        count += 2 * config->listeners[i].certificate_count;
    }
    const char **paths = alloc_zeroed(count, sizeof(paths[0]));
    count = 0;
    if (config->file[0] != '\0') {
        paths[count++] = config->file;
    }
    if (config->digest.key_file != NULL) {
        paths[count++] = config->digest.key_file;
    }
    for (size_t i = 0; i < config->listener_count; i++) {
        for (size_t j = 0; j < config->listeners[i].certificate_count; j++) {
            paths[count++] = config->listeners[i].certificates[j].certificate;
            paths[count++] = config->listeners[i].certificates[j].key;
        }
    }
    if (config->file[0] != '\0') {
        server->watch = watch_start(&server->loop, paths, count, on_files_changed, server);
    }
    free(paths);
}

static void on_files_changed(void *user) {
    reload(user);
}

static void reload(struct server *server) {
    const char *file = server->generation->config->file;
    if (server->is_draining || file[0] == '\0') {
        log_warn("server", "-", "no reload: %s",
                 server->is_draining ? "stopping" : "there is no configuration file");
        return;
    }
    notify_reloading();
    watch_note(server->watch);
    replace_generation(server);
    notify_ready();
}

// A whole new generation, or none: a mistake leaves the present one in force.
static void replace_generation(struct server *server) {
    struct generation *before = server->generation;
    struct config_errors errors = {0};
    struct config *config = config_load(before->config->file, &errors);
    struct generation *generation =
        config != NULL ? generation_build(config, before->workers, before, &errors) : NULL;
    if (generation == NULL) {
        server->failed_reloads++;
        config_errors_print(&errors, stderr);
        config_errors_finish(&errors);
        log_error("server", "-", "reload failed, the old configuration stays in force failures=%u",
                  server->failed_reloads);
        return;
    }
    fit_connections(generation->config);
    warn_of_restart(before->config, generation->config);
    log_set_level(levels[generation->config->log.level]);
    for (unsigned i = 0; i < generation->workers; i++) {
        worker_apply(server->workers[i], generation);
    }
    server->generation = generation;
    server->reloads++;
    if (is_saved_otherwise(&before->config->learned, &generation->config->learned)) {
        start_saving(server); // else the next time stays, however often files change
    }
    watch_stop(server->watch);
    watch_files(server);
    log_info("server", "-", "reloaded file=%s reloads=%u", generation->config->file,
             server->reloads);
    generation_unref(&before);
}

// What was set up once for all.
static bool is_saved_otherwise(const struct config_learned *before,
                               const struct config_learned *learned) {
    return before->save_ms != learned->save_ms || (before->file == NULL) != (learned->file == NULL);
}

static void warn_of_restart(const struct config *before, const struct config *config) {
    const struct {
        const char *name;
        bool is_changed;
    } rows[] = {
        {"workers", before->workers != config->workers},
        {"log.access", strcmp(before->log.access, config->log.access) != 0},
        {"log.format", before->log.format != config->log.format},
        {"learned.pages", before->learned.pages != config->learned.pages},
        {"learned.page", before->learned.page_bytes != config->learned.page_bytes},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].is_changed) {
            log_warn("server", "-", "the change of %s takes effect at the next start",
                     rows[i].name);
        }
    }
}

// --- what workers learn --------------------------------------------------------------------------

static void on_records(void *user, unsigned index, struct buffer *take_records) {
    post_message(user, tell_others, index, take_records);
}

static void on_learned(void *user, struct buffer *take_text) {
    post_message(user, save_learned, 0, take_text);
}

static void post_message(struct server *server, void (*function)(void *argument), unsigned index,
                         struct buffer *take_bytes) {
    struct message *message = alloc_new(struct message);
    message->server = server;
    message->index = index;
    buffer_move(&message->bytes, take_bytes);
    loop_post(&server->loop, function, message);
}

static void tell_others(void *argument) {
    struct message *message = argument;
    struct server *server = message->server;
    for (unsigned i = 0; i < server->generation->workers; i++) {
        if (i != message->index) {
            worker_tell(server->workers[i], buffer_peek(&message->bytes));
        }
    }
    buffer_finish(&message->bytes);
    free(message);
}

static void on_save_timer(struct timer *timer) {
    struct server *server = LIST_ENTRY(timer, struct server, save_timer);
    worker_save(server->workers[0]); // by and large all have learned the same
    start_saving(server);
}

// What one worker has learned. While all run, one speaks for all; at the end each has the last word
// on what it could not tell the others any more, so their words are put together.
static void save_learned(void *argument) {
    struct message *message = argument;
    struct server *server = message->server;
    const struct config_learned *learned = &server->generation->config->learned;
    if (learned->file == NULL) {
        log_debug("server", "-", "what was learned is not kept any more");
    } else if (server->is_draining) {
        learned_merge(learned, &server->last_words, buffer_peek(&message->bytes));
        learned_write(learned, buffer_peek(&server->last_words));
    } else {
        learned_write(learned, buffer_peek(&message->bytes));
    }
    buffer_finish(&message->bytes);
    free(message);
}

// --- stop ----------------------------------------------------------------------------------------

static void watch_signals(struct server *server) {
    for (unsigned i = 0; i < SIGNALS; i++) {
        uv_signal_init(&server->loop.uv, &server->signals[i]);
        server->signals[i].data = server;
        uv_signal_start(&server->signals[i], on_signal, stop_signals[i]);
    }
    timer_init(&server->drain_timer, &server->loop, on_drain_expired);
    timer_init(&server->save_timer, &server->loop, on_save_timer);
}

static void on_signal(uv_signal_t *handle, int number) {
    struct server *server = handle->data;
    loop_wake(&server->loop);
    if (number == SIGHUP) {
        reload(server);
        return;
    }
    for (unsigned i = 0; i < server->generation->workers; i++) {
        if (server->is_draining) {
            worker_abort(server->workers[i]);
        } else {
            worker_drain(server->workers[i]);
        }
    }
    log_info("server", "-", "%s signal=%s", server->is_draining ? "stopping now" : "draining",
             strsignal(number));
    if (!server->is_draining) {
        server->is_draining = true;
        notify_stopping();
        timer_start(&server->drain_timer, server->generation->config->timeouts.drain_ms);
    }
}

static void on_drain_expired(struct timer *timer) {
    struct server *server = LIST_ENTRY(timer, struct server, drain_timer);
    log_info("server", "-", "drain timeout: cutting what is left");
    for (unsigned i = 0; i < server->generation->workers; i++) {
        worker_abort(server->workers[i]);
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
    for (unsigned i = 0; i < SIGNALS; i++) {
        uv_close((uv_handle_t *)&server->signals[i], NULL);
        signal(stop_signals[i], SIG_IGN); // a further one may not kill us while we clean up
    }
    timer_close(&server->drain_timer, NULL);
    timer_close(&server->save_timer, NULL);
    watch_stop(server->watch);
    loop_stop(&server->loop);
}
