// SPDX-License-Identifier: Apache-2.0
// What the files of the server share: server.c (start and stop), server_reload.c (another
// generation), server_learned.c (what workers tell each other and keep), server_command.c (what the
// admin listener asks for). Private to this folder.
#ifndef OUTRIDER_WORKER_SERVER_IMPL_H
#define OUTRIDER_WORKER_SERVER_IMPL_H

#include "base/log.h"
#include "net/loop.h"
#include "net/timer.h"
#include "worker/ceiling.h"
#include "worker/control.h"
#include "worker/generation.h"
#include "worker/logs.h"
#include "worker/watch.h"
#include "worker/worker.h"

enum { SERVER_SIGNALS = 5 };

enum server_state {
    SERVER_RUNNING,
    SERVER_LEAVING,  // still accepting, though not ready: for timeouts.drain_delay
    SERVER_DRAINING, // for the workers to end
    SERVER_STOPPING, // likewise, after everything was cut
};

struct server {
    struct loop loop;
    enum server_state state;
    bool was_told;                    // by a signal to stop: another one means now
    const struct config_flags *flags; // what a configuration without a file is made of
    struct generation *generation;
    struct logs logs;
    struct worker **workers;
    unsigned running;
    struct control *control;
    uv_signal_t signals[SERVER_SIGNALS];
    struct timer drain_timer; // the end of the state
    struct timer save_timer;
    struct activation *activation; // NULL: nothing was passed
    struct ceiling *ceiling;
    struct watch *watch;      // NULL: nothing to watch, or stopping
    struct buffer learned;    // the state file's text as it was at the start
    struct buffer last_words; // and as the workers leave it
    unsigned reloads;
    unsigned failed_reloads;
};

// --- server.c ---
extern const enum log_level server_log_levels[]; // by enum config_log_level
void server_drain(struct server *server, const char *why);

// --- server_reload.c ---
void server_watch_files(struct server *server);
// False, with the errors one a line, when the old one stays; caller frees the text.
bool server_reload(struct server *server, char **out_errors);
// A client whose request can't reach the origin for want of a descriptor is better not accepted.
void server_fit_connections(struct config *config);

// --- server_learned.c ---
void server_start_saving(struct server *server);
void server_on_save_timer(struct timer *timer);
// For struct worker_options.
void server_on_records(void *user, unsigned index, struct buffer *take_records);
void server_on_learned(void *user, struct buffer *take_text);

// --- server_command.c ---
// For struct control_options; called on the control thread.
void server_on_command(void *user, uint64_t id, enum admin_question command, struct slice argument);

#endif
