// SPDX-License-Identifier: Apache-2.0
// What control.c (thread, questions) and control_status.c (what is known without asking) share.
// Private to this folder.
#ifndef OUTRIDER_WORKER_CONTROL_IMPL_H
#define OUTRIDER_WORKER_CONTROL_IMPL_H

#include "front/front.h"
#include "net/timer.h"
#include "worker/control.h"

enum control_place { CONTROL_ALL, CONTROL_PROBES, CONTROL_PLACES };

struct control {
    struct control_options options;
    uv_thread_t thread;
    struct loop loop;
    struct admin admin;
    struct front fronts[CONTROL_PLACES];
    struct listener *listeners[CONTROL_PLACES]; // NULL: off
    struct generation *generation;              // in force
    struct list inquiries;
    struct timer timer; // runs while there are any
    struct timer end_timer;
    bool is_stopping;
    unsigned draining; // fronts
    // status; arrays belong to the control thread
    int64_t started_s;
    uint64_t started_ms;
    struct admin_worker *workers;
    struct admin_certificate *certificates;
    size_t certificate_count;
    struct buffer error; // what /stats.json shows of reload_error
    uv_mutex_t lock;     // protects what follows, written by the main thread
    uint64_t reloads, failed_reloads;
    int64_t reloaded_s;
    struct buffer reload_error;
    bool is_draining;
};

void control_status_open(struct control *control);
void control_status_close(struct control *control);
void control_status_note_reload(struct control *control);
void control_status_note_failure(struct control *control, struct buffer *take_text); // ends with 0
// The certificates of the generation in force.
void control_status_describe(struct control *control);
void control_look(void *user, struct admin_status *out_status); // struct admin_source

#endif
