// SPDX-License-Identifier: Apache-2.0
// The control thread: a loop of its own for the admin listener, so that probes and metrics are
// answered at once whatever the workers, a reload or a slow disk keep the other threads busy with.
// It reads the workers' numbers where they are, asks workers and the server by messages, and owns
// what admin/admin.h shows. Owner: the server. control_start and control_stop run on the main
// thread, the rest on any.
#ifndef OUTRIDER_WORKER_CONTROL_H
#define OUTRIDER_WORKER_CONTROL_H

#include "base/memory_gauge.h"
#include "worker/generation.h"
#include "worker/worker.h"

struct control;

struct control_options {
    struct generation *generation; // a reference is taken, and its admin sockets
    struct worker *const *workers; // borrowed; they may be freed only after control_stop
    unsigned worker_count;
    const struct memory_gauge *memory;
    uint64_t (*dropped_lines)(void *user);
    // ADMIN_DO_RELOAD, _DRAIN or _LEVEL, called on the control thread; control_reply answers.
    void (*on_command)(void *user, uint64_t id, enum admin_question command, struct slice argument);
    void *user;
};

// *out_control is set before anybody is called.
void control_start(const struct control_options *options, struct control **out_control);
// Another generation is in force; its admin sockets replace the ones before.
void control_apply(struct control *control, struct generation *generation);
// A reload came to nothing; the text is copied.
void control_note_failed_reload(struct control *control, const char *text);
// From now on /ready says no.
void control_note_draining(struct control *control);
void control_reply(struct control *control, uint64_t id, bool is_good, const char *text);
void control_report(struct control *control, uint64_t id, struct buffer *take_report);
// All workers have ended. Waits for the thread and frees.
void control_stop(struct control *take_control);

#endif
