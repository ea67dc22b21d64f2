// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/log.h"
#include "http/h1_writer.h"
#include "origin_impl.h"

static void on_bytes(void *user, struct slice bytes);
static void on_eof(void *user);
static void on_flush(void *user);
static void on_deadline(void *user);
static void on_end(void *user, enum fault fault);
static size_t room(void *user);
static struct arena *on_message_begin(void *user);
static void on_interim(void *user, const struct h1_head *head);
static void on_head(void *user, const struct h1_head *head);
static void on_body(void *user, struct slice bytes);
static void on_message_end(void *user, const struct headers *trailers);
static void on_taken_task(struct loop_task *task);
static void report_taken(struct origin_conn *oc);
static struct response_head as_response(const struct h1_head *head);
static uint64_t idle_time(const struct origin_conn *oc, const struct headers *headers);
static void finish(struct origin_conn *oc, bool has_leftover);
static bool has_whole_request(const struct origin_conn *oc);
static struct origin_call *detach(struct origin_conn *oc);
static void pause_reading(struct origin_conn *oc);
static enum fault cut_fault(const struct origin_conn *oc);
static bool waits_for_us(const struct origin_conn *oc);
static uint64_t silence_limit(const struct origin_conn *oc);

static const struct conn_events conn_events = {
    .on_bytes = on_bytes,
    .on_eof = on_eof,
    .on_flush = on_flush,
    .on_deadline = on_deadline,
    .on_end = on_end,
    .room = room,
};

static const struct h1_reader_events reader_events = {
    .on_begin = on_message_begin,
    .on_interim = on_interim,
    .on_head = on_head,
    .on_body = on_body,
    .on_end = on_message_end,
};

static _Thread_local uint64_t last_id;

struct origin_conn *origin_conn_create(struct origin *origin, struct conn *take_conn) {
    struct origin_conn *oc = alloc_new(struct origin_conn);
    oc->origin = origin;
    oc->conn = take_conn;
    oc->id = ++last_id;
    oc->reader =
        h1_reader_create(H1_READER_RESPONSE, &origin->pool->reader_limits, &reader_events, oc);
    oc->taken_task.run = on_taken_task;
    origin->pool->open_conns++;
    conn_attach(take_conn, &conn_events, oc);
    return oc;
}

// --- the request goes out -----------------------------------------------------------------------

void origin_conn_send(struct origin_conn *oc, struct origin_call *call) {
    ensure(oc->state == ORIGIN_CONN_IDLE && oc->call == NULL);
    oc->state = ORIGIN_CONN_BUSY;
    oc->call = call;
    call->conn = oc;
    call->was_reused = oc->served > 0;
    oc->is_complete = false;
    oc->is_request_out = false;
    oc->trailers = NULL;
    oc->content_unsent = 0;
    oc->content_bytes = 0;
    oc->last_ms = loop_now(oc->origin->pool->loop);
    h1_reader_expect(oc->reader, slice_equal(call->head->method, SLICE("HEAD")));
    h1_writer_request(conn_output(oc->conn), call->head);
    conn_mark(oc->conn);
    loop_defer(oc->origin->pool->loop, &oc->taken_task); // behind the conn's own flush
    conn_set_deadline(oc->conn, silence_limit(oc));
}

void origin_conn_write(struct origin_conn *oc, struct slice bytes) {
    if (bytes.length == 0) {
        return;
    }
    oc->call->has_sent_content = true;
    oc->content_unsent += bytes.length;
    oc->content_bytes += bytes.length;
    if (oc->call->head->content_length == BODY_UNKNOWN) {
        h1_writer_chunk(conn_output(oc->conn), bytes);
    } else {
        buffer_append_slice(conn_output(oc->conn), bytes);
    }
    conn_mark(oc->conn);
    loop_defer(oc->origin->pool->loop, &oc->taken_task);
}

void origin_conn_finish_request(struct origin_conn *oc) {
    struct origin_call *call = oc->call;
    oc->last_ms = loop_now(oc->origin->pool->loop);
    if (!call->head->is_end && call->head->content_length == BODY_UNKNOWN) {
        h1_writer_last_chunk(conn_output(oc->conn), call->trailers);
        conn_mark(oc->conn);
    }
}

static void on_taken_task(struct loop_task *task) {
    struct origin_conn *oc = LIST_ENTRY(task, struct origin_conn, taken_task);
    oc->is_request_out = true;
    report_taken(oc);
}

// Output that had waited was taken; what came meanwhile leaves with this flush, so look once more
// behind it.
static void on_flush(void *user) {
    struct origin_conn *oc = user;
    report_taken(oc);
    if (oc->call != NULL && oc->content_unsent > 0) {
        loop_defer(oc->origin->pool->loop, &oc->taken_task);
    }
}

// What the kernel has taken gives the client its window back.
static void report_taken(struct origin_conn *oc) {
    size_t unsent = conn_unsent(oc->conn);
    if (oc->call == NULL || unsent >= oc->content_unsent) {
        return;
    }
    size_t taken = oc->content_unsent - unsent;
    oc->content_unsent = unsent;
    oc->last_ms = loop_now(oc->origin->pool->loop);
    oc->call->events->on_taken(oc->call->user, taken);
}

// --- the response comes in -----------------------------------------------------------------------

static void on_bytes(void *user, struct slice bytes) {
    struct origin_conn *oc = user;
    if (oc->state != ORIGIN_CONN_BUSY) { // nobody asked for these
        on_eof(oc);
        return;
    }
    if (!oc->is_request_out && conn_unsent(oc->conn) > 0) { // too early to be its answer
        origin_conn_fail(oc, oc->call->was_reused ? FAULT_ORIGIN_RESET : FAULT_ORIGIN_BAD_RESPONSE);
        return;
    }
    oc->last_ms = loop_now(oc->origin->pool->loop);
    if (!oc->call->has_response_bytes) {
        oc->call->has_response_bytes = true;
        origin_pool_note_answer(oc->call);
    }
    enum fault fault = FAULT_NONE;
    size_t used = h1_reader_feed(oc->reader, bytes, &fault);
    if (oc->call == NULL) {
        return; // cancelled from inside
    }
    if (oc->is_complete) {
        finish(oc, used < bytes.length || fault != FAULT_NONE);
        return;
    }
    if (fault != FAULT_NONE) {
        origin_conn_fail(oc, fault);
        return;
    }
    if (oc->has_interims && oc->call->state != ORIGIN_CALL_RECEIVING) {
        oc->has_interims = false;
        oc->call->events->on_interims(oc->call->user);
    }
    if (oc->call != NULL && oc->call->events->room(oc->call->user) == 0) {
        pause_reading(oc);
    }
}

static void pause_reading(struct origin_conn *oc) {
    if (!oc->is_paused) {
        oc->is_paused = true;
        oc->paused_ms = loop_now(oc->origin->pool->loop);
        list_append(&oc->origin->paused, &oc->paused);
        conn_pause(oc->conn);
    }
}

static size_t room(void *user) {
    struct origin_conn *oc = user;
    return oc->call != NULL ? oc->call->events->room(oc->call->user) : 1;
}

void origin_conn_resume(struct origin_conn *oc) {
    if (oc->is_paused) {
        oc->is_paused = false;
        list_remove(&oc->paused);
        oc->last_ms = loop_now(oc->origin->pool->loop);
        conn_resume(oc->conn);
    }
}

static struct arena *on_message_begin(void *user) {
    struct origin_conn *oc = user;
    ensure(oc->call != NULL);
    return oc->call->arena;
}

static void on_interim(void *user, const struct h1_head *head) {
    struct origin_conn *oc = user;
    struct response_head response = as_response(head);
    oc->has_interims = true;
    oc->call->events->on_interim(oc->call->user, &response);
}

static void on_head(void *user, const struct h1_head *head) {
    struct origin_conn *oc = user;
    struct origin_call *call = oc->call;
    origin_call_set_state(call, ORIGIN_CALL_RECEIVING);
    oc->is_keep_alive = head->is_keep_alive;
    oc->idle_ms = idle_time(oc, &head->headers);
    if (oc->origin->config->between_bytes_ms < oc->origin->config->first_byte_ms) {
        conn_set_deadline(oc->conn, silence_limit(oc));
    }
    struct response_head response = as_response(head);
    call->events->on_head(call->user, &response);
}

static struct response_head as_response(const struct h1_head *head) {
    return (struct response_head){.status = head->status,
                                  .headers = head->headers,
                                  .content_length = head->content_length,
                                  .is_end = head->is_end};
}

static void on_body(void *user, struct slice bytes) {
    struct origin_conn *oc = user;
    if (oc->call != NULL) {
        oc->call->events->on_body(oc->call->user, bytes);
    }
}

static void on_message_end(void *user, const struct headers *trailers) {
    struct origin_conn *oc = user;
    oc->is_complete = true;
    oc->trailers = trailers;
    h1_reader_pause(oc->reader); // what follows is not ours to read
}

// One second less than the origin promises to wait, so that it never closes on us.
static uint64_t idle_time(const struct origin_conn *oc, const struct headers *headers) {
    uint64_t idle_ms = oc->origin->config->idle_ms;
    struct slice rest = headers_value(headers, HEADER_KEEP_ALIVE);
    struct slice element;
    while (slice_next_element(&rest, &element)) {
        struct slice name = SLICE("timeout=");
        if (!slice_equal_nocase(slice_first(element, name.length), name)) {
            continue;
        }
        uint64_t seconds = 0;
        for (size_t i = name.length; i < element.length && seconds < 1000; i++) {
            if (element.data[i] < '0' || element.data[i] > '9') {
                break;
            }
            seconds = seconds * 10 + (uint64_t)(element.data[i] - '0');
        }
        uint64_t limit_ms = seconds > 1 ? (seconds - 1) * 1000 : 0;
        idle_ms = limit_ms < idle_ms ? limit_ms : idle_ms;
    }
    return idle_ms;
}

// --- the end of a response -----------------------------------------------------------------------

static void finish(struct origin_conn *oc, bool has_leftover) {
    struct origin_call *call = oc->call;
    struct origin *origin = oc->origin;
    bool was_push = call->is_push;
    bool is_reusable = oc->is_keep_alive && !has_leftover && h1_reader_is_idle(oc->reader) &&
                       has_whole_request(oc) && conn_unsent(oc->conn) == 0 && oc->idle_ms > 0;
    const struct headers *trailers = oc->trailers;
    detach(oc);
    oc->served++;
    if (is_reusable) {
        h1_reader_resume(oc->reader);
        oc->state = ORIGIN_CONN_IDLE;
        if (oc->is_paused) {
            origin_conn_resume(oc);
        }
        origin_pool_store(oc);
    } else {
        oc->state = ORIGIN_CONN_CLOSING;
        conn_close(oc->conn);
    }
    origin_call_end(call, trailers);
    origin_pool_release(origin, was_push);
}

// The origin has been given all of the request: the client said the end, or the announced length is
// reached (its END_STREAM may come later, after the response).
static bool has_whole_request(const struct origin_conn *oc) {
    const struct origin_call *call = oc->call;
    return call->is_request_ended || (call->head->content_length != BODY_UNKNOWN &&
                                      oc->content_bytes == (uint64_t)call->head->content_length);
}

static struct origin_call *detach(struct origin_conn *oc) {
    struct origin_call *call = oc->call;
    list_remove(&oc->paused);
    call->conn = NULL;
    oc->call = NULL;
    oc->has_interims = false;
    loop_cancel(&oc->taken_task);
    return call;
}

void origin_conn_fail(struct origin_conn *oc, enum fault fault) {
    struct origin *origin = oc->origin;
    bool was_push = oc->call->is_push;
    struct origin_call *call = detach(oc);
    if (oc->state != ORIGIN_CONN_CLOSING) {
        oc->state = ORIGIN_CONN_CLOSING;
        conn_abort(oc->conn, FAULT_NONE);
    }
    origin_call_fail(call, fault);
    origin_pool_release(origin, was_push);
}

void origin_conn_abandon(struct origin_conn *oc) {
    struct origin *origin = oc->origin;
    bool had_call = oc->call != NULL;
    bool was_push = had_call && oc->call->is_push;
    bool was_idle = oc->state == ORIGIN_CONN_IDLE && !had_call;
    if (had_call) {
        detach(oc);
        h1_reader_pause(oc->reader); // perhaps we are inside it
    }
    if (oc->state != ORIGIN_CONN_CLOSING) {
        oc->state = ORIGIN_CONN_CLOSING;
        if (was_idle) {
            conn_close(oc->conn);
        } else {
            conn_abort(oc->conn, FAULT_NONE);
        }
    }
    if (had_call) {
        origin_pool_release(origin, was_push);
    }
}

// --- the origin ends or is silent ----------------------------------------------------------------

// Also for bytes on an idle connection: whatever they are, the connection is never used again.
static void on_eof(void *user) {
    struct origin_conn *oc = user;
    switch (oc->state) {
    case ORIGIN_CONN_IDLE:
        origin_pool_remove(oc);
        origin_conn_abandon(oc);
        break;
    case ORIGIN_CONN_BUSY:
        if (h1_reader_eof(oc->reader) == FAULT_NONE && oc->is_complete) {
            finish(oc, true); // never reused
        } else if (oc->call != NULL) {
            origin_conn_fail(oc, cut_fault(oc));
        }
        break;
    case ORIGIN_CONN_CLOSING:
        break;
    }
}

static enum fault cut_fault(const struct origin_conn *oc) {
    return oc->call->has_response_bytes ? FAULT_ORIGIN_CUT : FAULT_ORIGIN_RESET;
}

static void on_deadline(void *user) {
    struct origin_conn *oc = user;
    if (oc->state != ORIGIN_CONN_BUSY) {
        return; // the pool's sweep looks after idle ones
    }
    uint64_t now = loop_now(oc->origin->pool->loop);
    uint64_t total = oc->origin->config->total_ms;
    uint64_t spent = now - oc->call->started_ms;
    uint64_t silent = now - oc->last_ms;
    uint64_t limit = silence_limit(oc);
    if ((total > 0 && spent >= total) || (silent >= limit && !waits_for_us(oc))) {
        origin_conn_fail(oc, FAULT_ORIGIN_TIMEOUT);
        return;
    }
    uint64_t next = silent < limit ? limit - silent : limit;
    conn_set_deadline(oc->conn, total > 0 && total - spent < next ? total - spent : next);
}

// Not silent but not asked: the client has not sent its content yet, or takes none.
static bool waits_for_us(const struct origin_conn *oc) {
    return oc->is_paused || (!has_whole_request(oc) && oc->content_unsent == 0);
}

static uint64_t silence_limit(const struct origin_conn *oc) {
    const struct config_origin *config = oc->origin->config;
    bool has_head = oc->call->state == ORIGIN_CALL_RECEIVING;
    uint64_t limit = has_head ? config->between_bytes_ms : config->first_byte_ms;
    if (config->total_ms > 0 && config->total_ms < limit) {
        limit = config->total_ms;
    }
    return limit;
}

static void on_end(void *user, enum fault fault) {
    struct origin_conn *oc = user;
    struct origin_pool *pool = oc->origin->pool;
    log_debug("origin_conn", oc->origin->config->name, "o%llu ended fault=%s",
              (unsigned long long)oc->id, fault_name(fault));
    if (oc->state == ORIGIN_CONN_IDLE) {
        origin_pool_remove(oc);
    }
    oc->state = ORIGIN_CONN_CLOSING;
    if (oc->call != NULL) {
        origin_conn_fail(oc, cut_fault(oc));
    }
    h1_reader_destroy(oc->reader);
    free(oc);
    origin_pool_on_conn_freed(pool);
}
