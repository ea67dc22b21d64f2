// SPDX-License-Identifier: Apache-2.0
#include "base/alloc.h"
#include "server_impl.h"
#include "worker/learned.h"

struct message { // from a worker
    struct server *server;
    unsigned index;
    struct buffer bytes;
};

static void post_message(struct server *server, void (*function)(void *argument), unsigned index,
                         struct buffer *take_bytes);
static void tell_others(void *argument);
static void save_learned(void *argument);

void server_start_saving(struct server *server) {
    const struct config_learned *learned = &server->generation->config->learned;
    timer_stop(&server->save_timer);
    if (learned->file != NULL) {
        timer_start(&server->save_timer, learned->save_ms);
    }
}

void server_on_records(void *user, unsigned index, struct buffer *take_records) {
    post_message(user, tell_others, index, take_records);
}

void server_on_learned(void *user, struct buffer *take_text) {
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

void server_on_save_timer(struct timer *timer) {
    struct server *server = LIST_ENTRY(timer, struct server, save_timer);
    worker_save(server->workers[0]); // by and large all have learned the same
    server_start_saving(server);
}

// What one worker has learned. While all run, one speaks for all; at the end each has the last word
// on what it could not tell the others any more, so their words are put together.
static void save_learned(void *argument) {
    struct message *message = argument;
    struct server *server = message->server;
    const struct config_learned *learned = &server->generation->config->learned;
    if (learned->file == NULL) {
        log_debug("server", "-", "what was learned is not kept any more");
    } else if (server->state != SERVER_RUNNING) {
        learned_merge(learned, &server->last_words, buffer_peek(&message->bytes));
        learned_write(learned, buffer_peek(&server->last_words));
    } else {
        learned_write(learned, buffer_peek(&message->bytes));
    }
    buffer_finish(&message->bytes);
    free(message);
}
