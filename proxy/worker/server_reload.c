// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "config/config_yaml.h"
#include "server_impl.h"
#include "worker/notify.h"

static void on_files_changed(void *user);
static bool replace_generation(struct server *server, char **out_errors);
static uint64_t origins_want(const struct config *config);
static void fit_origins(struct config *config, uint64_t wanted, uint64_t room);
static void warn_of_restart(const struct config *before, const struct config *config);
static bool is_saved_otherwise(const struct config_learned *before,
                               const struct config_learned *learned);

// The configuration, and every file that it names.
void server_watch_files(struct server *server) {
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
    if (count > 0) {
        server->watch = watch_start(&server->loop, paths, count, on_files_changed, server);
    }
    free(paths);
}

static void on_files_changed(void *user) {
    char *errors = NULL;
    server_reload(user, &errors);
    free(errors);
}

bool server_reload(struct server *server, char **out_errors) {
    if (server->state != SERVER_RUNNING) {
        *out_errors = alloc_text("stopping");
        log_warn("server", "-", "no reload: %s", *out_errors);
        return false;
    }
    notify_reloading();
    watch_note(server->watch);
    bool is_good = replace_generation(server, out_errors);
    notify_ready();
    return is_good;
}

// A whole new generation, or none: a mistake leaves the present one in force.
static bool replace_generation(struct server *server, char **out_errors) {
    struct generation *before = server->generation;
    struct config_errors errors = {0};
    struct config *config = before->config->file[0] != '\0'
                                ? config_load(before->config->file, &errors)
                                : config_from_flags(server->flags, &errors);
    struct generation *generation =
        config != NULL
            ? generation_build(config, before->workers, before, server->activation, &errors)
            : NULL;
    if (generation != NULL &&
        !logs_prepare(&server->logs, before->config, generation->config, &errors)) {
        generation_unref(&generation);
    }
    if (generation == NULL) {
        server->failed_reloads++;
        logs_tell_errors(&errors);
        *out_errors = config_errors_text(&errors);
        config_errors_finish(&errors);
        control_note_failed_reload(server->control, *out_errors);
        log_error("server", "-", "reload failed, the old configuration stays in force failures=%u",
                  server->failed_reloads);
        return false;
    }
    server_fit_connections(generation->config);
    ceiling_set(server->ceiling, generation->config->limits.memory_bytes);
    warn_of_restart(before->config, generation->config);
    log_set_level(server_log_levels[generation->config->log.level]);
    logs_switch(&server->logs, before->config, generation->config);
    for (unsigned i = 0; i < generation->workers; i++) {
        worker_apply(server->workers[i], generation);
    }
    control_apply(server->control, generation);
    server->generation = generation;
    server->reloads++;
    if (is_saved_otherwise(&before->config->learned, &generation->config->learned)) {
        server_start_saving(server); // else the next time stays, however often files change
    }
    watch_stop(server->watch);
    server_watch_files(server);
    const char *file = generation->config->file;
    log_info("server", "-", "reloaded file=%s reloads=%u", file[0] != '\0' ? file : "none",
             server->reloads);
    generation_unref(&before);
    return true;
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
        {"hardening",
         memcmp(&before->hardening, &config->hardening, sizeof(before->hardening)) != 0},
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

void server_fit_connections(struct config *config) {
    enum { RESERVED = 128 }; // for listeners, logs, the admin listener's clients
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return;
    }
    uint64_t room = limit.rlim_cur > 2 * RESERVED ? limit.rlim_cur - RESERVED : limit.rlim_cur / 2;
    uint64_t wanted = origins_want(config);
    uint64_t whole = room;
    room -= wanted < room / 2 ? wanted : room / 2; // what is over, clients have
    if (config->limits.connections > room) {       // nobody reads the limits yet
        log_info("server", "-",
                 "limits.connections=%u lowered to %llu: the process may open %llu descriptors",
                 config->limits.connections, (unsigned long long)room,
                 (unsigned long long)limit.rlim_cur);
        config->limits.connections = (uint32_t)(room > 0 ? room : 1);
    }
    fit_origins(config, wanted, whole - config->limits.connections);
}

static uint64_t origins_want(const struct config *config) {
    uint64_t wanted = 0;
    for (size_t i = 0; i < config->origin_count; i++) {
        wanted += config->origins[i].max_connections;
    }
    return wanted;
}

// Each gives up its share of what is too much.
static void fit_origins(struct config *config, uint64_t wanted, uint64_t room) {
    for (size_t i = 0; wanted > room && i < config->origin_count; i++) {
        struct config_origin *origin = &config->origins[i];
        uint64_t share = origin->max_connections * room / wanted;
        log_info("server", "-", "max_connections=%u of origin %s lowered to %llu",
                 origin->max_connections, origin->name, (unsigned long long)share);
        origin->max_connections = (uint32_t)(share > 0 ? share : 1);
        if (origin->max_idle > origin->max_connections) {
            origin->max_idle = origin->max_connections;
        }
    }
}
