// SPDX-License-Identifier: Apache-2.0
// Who is served next when all connections of an origin are in use, and who must make room.
#include "origin_impl.h"

enum {
    // Who has waited longer is not overtaken any more, however many others there are.
    OVERTAKE_MS = 5000,
    // A response whose client has taken less than half of what is held for it for so long keeps no
    // connection that others wait for.
    RELIEF_MS = 2000,
};

static unsigned rank_of(const struct origin_call *call);
static bool may_overtake(const struct origin_call *call, const struct origin_call *other);
static void refuse(struct origin_call *call);
static void on_refused(struct loop_task *task);

// Clients take turns, as if each had a line of its own: who asks for much at once stands behind
// the first request of all others. Pushes stand behind the pages.
void origin_line_enter(struct origin_call *call) {
    struct origin *origin = call->origin;
    call->rank = rank_of(call);
    struct list_link *before = origin->waiting.head.previous;
    while (before != &origin->waiting.head &&
           may_overtake(call, LIST_ENTRY(before, struct origin_call, waiting))) {
        before = before->previous;
    }
    if (origin->waiting_count >= origin->max_waiting) {
        struct list_link *last = origin->waiting.head.previous;
        if (before == last) {
            refuse(call);
            return;
        }
        struct origin_call *overtaken = LIST_ENTRY(last, struct origin_call, waiting);
        origin_line_leave(overtaken);
        refuse(overtaken);
    }
    list_insert_before(before->next, &call->waiting);
    origin->waiting_count++;
    origin_count(origin, WAITING, 1);
}

// One more than that of the client's last call in the line; those who come anew take part from now
// on, so they begin where the line is.
static unsigned rank_of(const struct origin_call *call) {
    const struct origin *origin = call->origin;
    unsigned rank = list_is_empty(&origin->waiting) ? 0 : origin->line_rank;
    LIST_EACH(&origin->waiting, link) {
        const struct origin_call *other = LIST_ENTRY(link, struct origin_call, waiting);
        if (other->client == call->client && other->rank >= rank) {
            rank = other->rank + 1;
        }
    }
    return rank;
}

static bool may_overtake(const struct origin_call *call, const struct origin_call *other) {
    if (call->is_push != other->is_push) {
        return other->is_push;
    }
    return call->rank < other->rank && call->started_ms - other->started_ms < OVERTAKE_MS;
}

// Told at the end of the turn, since no event may come before origin_call_start returned.
static void refuse(struct origin_call *call) {
    call->fail_task.run = on_refused;
    loop_defer(call->origin->pool->loop, &call->fail_task);
}

static void on_refused(struct loop_task *task) {
    origin_call_fail(LIST_ENTRY(task, struct origin_call, fail_task), FAULT_ORIGIN_BUSY);
}

void origin_line_leave(struct origin_call *call) {
    if (list_link_is_in_list(&call->waiting)) {
        list_remove(&call->waiting);
        call->origin->waiting_count--;
        origin_count(call->origin, WAITING, -1);
    }
}

void origin_line_serve(struct origin_call *call) {
    origin_line_leave(call);
    if (!call->is_push) {
        call->origin->line_rank = call->rank;
    }
}

// As many as wait; those that were paused first go first. The user may do anything inside fail.
void origin_line_relieve(struct origin *origin, uint64_t now) {
    for (unsigned wanted = origin->waiting_count; wanted > 0; wanted--) {
        struct list_link *first = list_first(&origin->paused);
        if (first == NULL) {
            return;
        }
        struct origin_conn *oc = LIST_ENTRY(first, struct origin_conn, paused);
        if (now - oc->paused_ms < RELIEF_MS) {
            return;
        }
        origin_conn_fail(oc, FAULT_CLIENT_TIMEOUT);
    }
}
