// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/alloc.h"
#include "server_impl.h"

struct command {
    struct server *server;
    uint64_t id;
    enum admin_question question;
    struct buffer argument;
};

static void obey(void *argument);
static void do_it(const struct command *message);
static void reload(struct server *server, uint64_t id);
static void set_level(struct server *server, uint64_t id, struct slice name);

void server_on_command(void *user, uint64_t id, enum admin_question command,
                       struct slice argument) {
    struct server *server = user;
    struct command *message = alloc_new(struct command);
    message->server = server;
    message->id = id;
    message->question = command;
    buffer_append_slice(&message->argument, argument);
    loop_post(&server->loop, obey, message);
}

// On the main thread.
static void obey(void *argument) {
    struct command *message = argument;
    if (message->server->control != NULL) { // else it came when all was over
        do_it(message);
    }
    buffer_finish(&message->argument);
    free(message);
}

static void do_it(const struct command *message) {
    struct server *server = message->server;
    switch (message->question) {
    case ADMIN_DO_RELOAD:
        reload(server, message->id);
        break;
    case ADMIN_DO_DRAIN:
        control_reply(server->control, message->id, true, "draining");
        server_drain(server, "admin");
        break;
    case ADMIN_DO_LEVEL:
        set_level(server, message->id, buffer_peek(&message->argument));
        break;
    case ADMIN_ASK_PAGES:
    case ADMIN_ASK_HINTS:
    case ADMIN_DO_FORGET:
        break; // the workers'
    }
}

static void reload(struct server *server, uint64_t id) {
    char *errors = NULL;
    bool is_good = server_reload(server, &errors);
    control_reply(server->control, id, is_good, is_good ? "reloaded" : errors);
    free(errors);
}

static void set_level(struct server *server, uint64_t id, struct slice name) {
    static const char *const names[] = {[CONFIG_LEVEL_ERROR] = "error",
                                        [CONFIG_LEVEL_WARN] = "warn",
                                        [CONFIG_LEVEL_INFO] = "info",
                                        [CONFIG_LEVEL_DEBUG] = "debug"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_equal(name, slice_of_text(names[i]))) {
            log_set_level(server_log_levels[i]);
            log_info("server", "-", "log level=%s until the next reload", names[i]);
            control_reply(server->control, id, true, names[i]);
            return;
        }
    }
    control_reply(server->control, id, false, "expected error, warn, info or debug");
}
