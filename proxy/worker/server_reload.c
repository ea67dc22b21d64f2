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
static char *print_errors(const struct config_errors *errors);
static void warn_of_restart(const struct config *before, const struct config *config);
static bool is_saved_otherwise(const struct config_learned *before,
                               const struct config_learned *learned);

// The configuration, and every file that it names. Without a file there is nothing to read again.
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
    if (config->file[0] != '\0') {
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
    const char *file = server->generation->config->file;
    bool is_leaving = server->state != SERVER_RUNNING;
    if (is_leaving || file[0] == '\0') {
        *out_errors = alloc_text(is_leaving ? "stopping" : "there is no configuration file");
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
    struct config *config = config_load(before->config->file, &errors);
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
        *out_errors = print_errors(&errors);
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
    log_info("server", "-", "reloaded file=%s reloads=%u", generation->config->file,
             server->reloads);
    generation_unref(&before);
    return true;
}

static char *print_errors(const struct config_errors *errors) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    ensure(out != NULL);
    config_errors_print(errors, out);
    fclose(out);
    while (length > 0 && text[length - 1] == '\n') {
        text[--length] = '\0';
    }
    return text;
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
