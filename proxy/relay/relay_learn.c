// SPDX-License-Identifier: Apache-2.0
#include "relay_impl.h"

static bool may_learn(const struct relay_exchange *r);
static struct push_learn_policy policy_of(const struct config_learn *learn);
static void keep(struct relay_exchange *r, const struct push_learn_links *found,
                 struct push_learn_links *out_kept);
static void note_bad(struct relay_exchange *r);

void relay_learn_open(struct relay_exchange *r) {
    struct exchange *x = r->exchange;
    const struct config_learn *learn = &r->route->learn;
    struct push_memory *memory = r->relay->memory;
    if (x->is_promised || (!learn->is_on && !learn->by_behaviour)) {
        return;
    }
    struct push_learn_policy policy = policy_of(learn);
    uint64_t now = exchange_now(x);
    if (learn->by_behaviour && may_learn(r)) {
        push_learn_behaviour_start(memory->behaviour, &x->request, &policy, x->client->id, now);
    }
    bool is_of_use = r->hint_client.takes_ours || exchange_promise_room(x) > 0;
    struct push_learn_key key;
    if (!is_of_use || !push_learn_rules_key(&x->request, &policy, &key)) {
        return;
    }
    struct push_learn_links found;
    struct slice visitor = push_learn_rules_visitor(&x->request, x->arena);
    if (learn->is_on && push_learn_find(memory->learn, &key, visitor, now, &found)) {
        keep(r, &found, &r->learned);
    }
    if (learn->by_behaviour && push_learn_behaviour_find(memory->behaviour, &key, now, &found)) {
        keep(r, &found, &r->behaviour);
    }
}

// What is known serves on; what is gone is still forgotten.
static bool may_learn(const struct relay_exchange *r) {
    return memory_gauge_read(r->relay->memory->gauge) == MEMORY_PLENTY;
}

static struct push_learn_policy policy_of(const struct config_learn *learn) {
    return (struct push_learn_policy){.with_query = learn->with_query,
                                      .with_private = learn->with_private};
}

// What was found goes with the table's next change; the exchange needs it longer.
static void keep(struct relay_exchange *r, const struct push_learn_links *found,
                 struct push_learn_links *out_kept) {
    struct arena *arena = r->exchange->arena;
    struct slice *elements = arena_alloc(arena, found->count * sizeof(struct slice));
    for (size_t i = 0; i < found->count; i++) {
        elements[i] = arena_copy(arena, found->elements[i]);
    }
    *out_kept = (struct push_learn_links){elements, found->count, found->hint_count};
}

void relay_learn_observe(struct relay_exchange *r, const struct response_head *head) {
    struct exchange *x = r->exchange;
    const struct config_learn *learn = &r->route->learn;
    struct push_memory *memory = r->relay->memory;
    if (push_learn_rules_is_bad(&x->request, head->status)) {
        note_bad(r);
    }
    struct push_learn_policy policy = policy_of(learn);
    const struct push_learn_response response = {
        .request = &x->request,
        .response = head,
        .policy = &policy,
        .wall_ms = x->clock->wall_ms,
        .is_promised = x->is_promised,
    };
    if (learn->is_on && may_learn(r)) {
        push_learn_observe(memory->learn, &response, x->client->id, x->arena, exchange_now(x));
    }
    if (learn->by_behaviour && may_learn(r)) {
        push_learn_behaviour_observe(memory->behaviour, &response, x->client->id, x->arena,
                                     exchange_now(x));
    }
    if (r->relay->on_learned != NULL && push_learn_record_bytes_waiting(memory->learn) > 0) {
        r->relay->on_learned(r->relay->user);
    }
}

static void note_bad(struct relay_exchange *r) {
    const struct request_head *request = &r->exchange->request;
    push_learn_note_bad(r->relay->memory->learn, request->authority, request->path,
                        exchange_now(r->exchange));
    push_learn_behaviour_note_bad(r->relay->memory->behaviour, request->authority, request->path);
}
