// SPDX-License-Identifier: Apache-2.0
#include "worker/control.h"

#include <string.h>

#include "admin/admin.h"
#include "base/alloc.h"
#include "base/ensure.h"
#include "base/log.h"
#include "control_impl.h"
#include "front/front.h"
#include "net/listener.h"
#include "worker/endpoint.h"

enum { CROWD = 64, ANSWER_MS = 2000, LOOK_AROUND_MS = 100, END_MS = 300 };

// Far from what probes and scrapers need, and enough for a dashboard in each of a few browsers.
static const struct front_limits limits = {
    .head_bytes = 16 * 1024,
    .head_fields = 100,
    .field_bytes = 8 * 1024,
    .cookie_crumbs = 100,
    .cookie_bytes = 8 * 1024,
    .uri_bytes = 8 * 1024,
    .body_bytes = 64 * 1024,
    .streams = 20,
    .connections = 2 * CROWD, // those that were ended are still being closed
    .handshake_ms = 5000,
    .head_ms = 5000,
    .body_ms = 5000,
    .idle_ms = 60 * 1000,
    .write_ms = 10 * 1000,
};

// A question that was put to workers.
struct inquiry {
    struct list_link link;
    uint64_t id;
    uint64_t since_ms;
    unsigned missing;
    unsigned count;
    struct buffer reports[];
};

struct message { // to the control thread
    struct control *control;
    uint64_t id;
    struct buffer bytes;
    bool is_good;
    struct generation *generation;
};

static void run(void *argument);
static void on_accept_all(void *user, struct conn *take_conn);
static void on_accept_probe(void *user, struct conn *take_conn);
static void accept_conn(struct front *front, struct conn *take_conn);
static struct message *new_message(struct control *control, uint64_t id);
static void free_message(struct message *take_message);
static void apply(void *argument);
static void note_failure(void *argument);
static void serve(struct control *control, const struct generation *before,
                  struct generation *generation);
static void say_where(const struct generation *generation, unsigned index);
static void print_config(void *user, struct buffer *out);
static void ask(void *user, uint64_t id, enum admin_question question, struct slice argument);
static void ask_workers(struct control *control, uint64_t id, enum admin_question question,
                        struct slice argument);
static void on_report(void *argument);
static void on_timer(struct timer *timer);
static void answer(struct control *control, struct inquiry *take_inquiry);
static void take_reply(void *argument);
static void stop(void *argument);
static void on_end_timer(struct timer *timer);
static void on_drained(void *user);

void control_start(const struct control_options *options, struct control **out_control) {
    struct control *control = alloc_new(struct control);
    *out_control = control;
    control->options = *options;
    loop_init(&control->loop);
    ensure(uv_mutex_init(&control->lock) == 0);
    control_status_open(control);
    list_init(&control->inquiries);
    timer_init(&control->timer, &control->loop, on_timer);
    timer_init(&control->end_timer, &control->loop, on_end_timer);
    const struct admin_source source = {
        .user = control, .look = control_look, .print_config = print_config, .ask = ask};
    admin_init(&control->admin, &source);
    for (unsigned i = 0; i < CONTROL_PLACES; i++) {
        front_init(&control->fronts[i], &control->loop, &limits);
    }
    control->fronts[CONTROL_ALL].handler = control->admin.handler;
    control->fronts[CONTROL_PROBES].handler = control->admin.probes;
    serve(control, NULL, options->generation);
    if (uv_thread_create(&control->thread, run, control) != 0) {
        alloc_fail(0);
    }
}

static void run(void *argument) {
    struct control *control = argument;
    loop_wake(&control->loop);
    loop_run(&control->loop);
    loop_finish(&control->loop);
}

static void on_accept_all(void *user, struct conn *take_conn) {
    struct control *control = user;
    accept_conn(&control->fronts[CONTROL_ALL], take_conn);
}

static void on_accept_probe(void *user, struct conn *take_conn) {
    struct control *control = user;
    accept_conn(&control->fronts[CONTROL_PROBES], take_conn);
}

// However many hold on to a connection, the next probe is answered: else who can reach this place
// could have us killed for being dead.
static void accept_conn(struct front *front, struct conn *take_conn) {
    if (front->session_count >= CROWD) {
        front_end_oldest(front);
    }
    front_accept(front, take_conn);
}

static struct message *new_message(struct control *control, uint64_t id) {
    struct message *message = alloc_new(struct message);
    message->control = control;
    message->id = id;
    return message;
}

static void free_message(struct message *take_message) {
    buffer_finish(&take_message->bytes);
    generation_unref(&take_message->generation);
    free(take_message);
}

// --- a generation -------------------------------------------------------------------------------

void control_apply(struct control *control, struct generation *generation) {
    struct message *message = new_message(control, 0);
    message->generation = generation_ref(generation);
    loop_post(&control->loop, apply, message);
}

static void apply(void *argument) {
    struct message *message = argument;
    struct control *control = message->control;
    if (!control->is_stopping) {
        struct generation *before = control->generation;
        serve(control, before, message->generation);
        generation_unref(&before);
        control_status_note_reload(control);
    }
    free_message(message);
}

// By a message too: what is shown of reloads comes in their order.
void control_note_failed_reload(struct control *control, const char *text) {
    struct message *message = new_message(control, 0);
    buffer_append(&message->bytes, text, strlen(text) + 1);
    loop_post(&control->loop, note_failure, message);
}

static void note_failure(void *argument) {
    struct message *message = argument;
    control_status_note_failure(message->control, &message->bytes);
    free_message(message);
}

static void serve(struct control *control, const struct generation *before,
                  struct generation *generation) {
    static void (*const on_accept[])(void *user, struct conn *take_conn) = {on_accept_all,
                                                                            on_accept_probe};
    for (unsigned i = 0; i < CONTROL_PLACES; i++) {
        if (generation->admin_is_kept[i]) {
            continue;
        }
        if (control->listeners[i] != NULL) {
            listener_close(control->listeners[i], NULL);
            endpoint_remove(generation_endpoint(before, i));
            control->listeners[i] = NULL;
        }
        if (generation->admin_sockets[i] >= 0) {
            control->listeners[i] = listener_open(&control->loop, generation->admin_sockets[i],
                                                  NULL, on_accept[i], control);
            generation->admin_sockets[i] = -1;
            say_where(generation, i);
        }
    }
    control->generation = generation_ref(generation);
    control_status_describe(control);
}

static void say_where(const struct generation *generation, unsigned index) {
    char text[256];
    endpoint_describe(generation_endpoint(generation, index), generation->admin_ports[index], text,
                      sizeof(text));
    log_info("control", "-", "%s url=%s", index == CONTROL_ALL ? "admin" : "probes", text);
}

// --- questions ----------------------------------------------------------------------------------

static void print_config(void *user, struct buffer *out) {
    const struct control *control = user;
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    ensure(file != NULL);
    config_print(control->generation->config, file);
    fclose(file);
    buffer_append(out, text, length);
    free(text);
}

static void ask(void *user, uint64_t id, enum admin_question question, struct slice argument) {
    struct control *control = user;
    switch (question) {
    case ADMIN_ASK_PAGES:
    case ADMIN_ASK_HINTS:
    case ADMIN_DO_FORGET:
        ask_workers(control, id, question, argument);
        return;
    case ADMIN_DO_RELOAD:
    case ADMIN_DO_DRAIN:
    case ADMIN_DO_LEVEL:
        control->options.on_command(control->options.user, id, question, argument);
        return;
    }
    unreachable();
}

// By and large all have learned the same hints: one speaks for all.
static void ask_workers(struct control *control, uint64_t id, enum admin_question question,
                        struct slice argument) {
    unsigned count = question == ADMIN_ASK_HINTS ? 1 : control->options.worker_count;
    struct inquiry *inquiry =
        alloc_zeroed(1, sizeof(*inquiry) + count * sizeof(inquiry->reports[0]));
    inquiry->id = id;
    inquiry->since_ms = loop_now(&control->loop);
    list_append(&control->inquiries, &inquiry->link);
    for (unsigned i = 0; i < control->options.worker_count && inquiry->missing < count; i++) {
        inquiry->missing += worker_ask(control->options.workers[i], id, question, argument);
    }
    timer_start(&control->timer, LOOK_AROUND_MS);
}

void control_report(struct control *control, uint64_t id, struct buffer *take_report) {
    struct message *message = new_message(control, id);
    buffer_move(&message->bytes, take_report);
    loop_post(&control->loop, on_report, message);
}

static void on_report(void *argument) {
    struct message *message = argument;
    struct control *control = message->control;
    LIST_EACH(&control->inquiries, link) {
        struct inquiry *inquiry = LIST_ENTRY(link, struct inquiry, link);
        if (inquiry->id == message->id) {
            buffer_move(&inquiry->reports[inquiry->count++], &message->bytes);
            inquiry->missing--;
            if (inquiry->missing == 0) {
                answer(control, inquiry);
            }
        }
    }
    free_message(message);
}

// Workers that have ended or hang leave their part out.
static void on_timer(struct timer *timer) {
    struct control *control = LIST_ENTRY(timer, struct control, timer);
    uint64_t now = loop_now(&control->loop);
    LIST_EACH(&control->inquiries, link) {
        struct inquiry *inquiry = LIST_ENTRY(link, struct inquiry, link);
        if (inquiry->missing == 0 || control->is_stopping || now - inquiry->since_ms >= ANSWER_MS) {
            answer(control, inquiry);
        }
    }
    if (!list_is_empty(&control->inquiries)) {
        timer_start(timer, LOOK_AROUND_MS);
    }
}

static void answer(struct control *control, struct inquiry *take_inquiry) {
    const struct admin_reply reply = {.is_good = take_inquiry->missing == 0,
                                      .text = SLICE("done"),
                                      .reports = take_inquiry->reports,
                                      .report_count = take_inquiry->count};
    list_remove(&take_inquiry->link);
    admin_reply(&control->admin, take_inquiry->id, &reply);
    for (unsigned i = 0; i < take_inquiry->count; i++) {
        buffer_finish(&take_inquiry->reports[i]);
    }
    free(take_inquiry);
}

void control_reply(struct control *control, uint64_t id, bool is_good, const char *text) {
    struct message *message = new_message(control, id);
    message->is_good = is_good;
    buffer_append_slice(&message->bytes, slice_of_text(text));
    loop_post(&control->loop, take_reply, message);
}

static void take_reply(void *argument) {
    struct message *message = argument;
    const struct admin_reply reply = {.is_good = message->is_good,
                                      .text = buffer_peek(&message->bytes)};
    admin_reply(&message->control->admin, message->id, &reply);
    free_message(message);
}

// --- the end ------------------------------------------------------------------------------------

void control_stop(struct control *take_control) {
    if (take_control == NULL) {
        return;
    }
    loop_post(&take_control->loop, stop, take_control);
    uv_thread_join(&take_control->thread);
    generation_unref(&take_control->generation);
    control_status_close(take_control);
    uv_mutex_destroy(&take_control->lock);
    free(take_control);
}

// Answers on their way, such as that to POST /drain, have a moment to leave.
static void stop(void *argument) {
    struct control *control = argument;
    control->is_stopping = true;
    timer_start(&control->end_timer, END_MS);
    on_timer(&control->timer); // nobody answers any more
    for (unsigned i = 0; i < CONTROL_PLACES; i++) {
        if (control->listeners[i] != NULL) {
            listener_close(control->listeners[i], NULL);
            endpoint_remove(generation_endpoint(control->generation, i));
        }
        control->draining++;
        front_drain(&control->fronts[i], on_drained, control);
    }
}

static void on_end_timer(struct timer *timer) {
    struct control *control = LIST_ENTRY(timer, struct control, end_timer);
    for (unsigned i = 0; i < CONTROL_PLACES; i++) {
        front_abort_all(&control->fronts[i]);
    }
}

static void on_drained(void *user) {
    struct control *control = user;
    if (--control->draining > 0) {
        return;
    }
    struct list_link *link;
    while ((link = list_first(&control->inquiries)) != NULL) { // asked while we were stopping
        answer(control, LIST_ENTRY(link, struct inquiry, link));
    }
    for (unsigned i = 0; i < CONTROL_PLACES; i++) {
        front_finish(&control->fronts[i]);
    }
    timer_close(&control->timer, NULL);
    timer_close(&control->end_timer, NULL);
    loop_stop(&control->loop);
}
