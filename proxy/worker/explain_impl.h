// SPDX-License-Identifier: Apache-2.0
// What explain.c (asks), explain_client.c (as whom) and explain_print.c (tells) share. Private to
// this folder. The seam is struct explanation: whoever fills one in, from an exchange of his own or
// from a running instance's, can have it printed.
#ifndef OUTRIDER_WORKER_EXPLAIN_IMPL_H
#define OUTRIDER_WORKER_EXPLAIN_IMPL_H

#include <stdio.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/fault.h"
#include "http/message.h"
#include "http/url.h"
#include "push/push_hint.h"
#include "push/push_learn.h"
#include "push/push_plan.h"

enum explain_kind {
    EXPLAIN_MOMENT, // begins; its rows follow
    EXPLAIN_ROW,    // one candidate
    EXPLAIN_SENT,   // a field of an interim response that the client gets
};

struct explain_step {
    enum explain_kind kind;
    enum push_moment moment;
    uint64_t after_ms;   // since the request
    struct push_row row; // of a ROW
    int status;          // of a SENT, of its first field; 0: the field belongs to the one before
    struct slice text;   // of a SENT
};

// One request explained; texts live in the arena or in the configuration.
struct explanation {
    struct arena *arena;
    // the question
    struct url page;
    struct slice client_name;
    const struct config_route *route;
    const struct config_origin *origin;
    struct push_hint_client hint_client;
    bool takes_push;
    bool has_proxy;        // the request names another proxy in front,
    bool is_trusted_proxy; // taken for one of `trusted`
    // what was known of the page
    bool may_be_known; // such requests are learned from and for
    bool is_known;
    struct push_learn_view known; // without its texts
    struct slice state;           // where that is from, or why it is not
    // what happened, in time order
    struct explain_step *steps;
    size_t step_count;
    size_t step_capacity;
    unsigned ignored_elements; // Link elements beyond the limits
    // the end
    int status; // of the origin's final head, 0: none came
    uint64_t head_ms;
    enum fault fault;                // NONE when a head came
    enum push_learn_reason learning; // valid when the route learns and a head came
};

// --- explain_client.c ---------------------------------------------------------------------------
// The header fields that this client sends with a GET of a page, and whether it takes push. False
// when there is no such client, with the reason on stderr.
bool explain_client_read(const char *client, struct headers *out_headers, bool *out_takes_push);

// --- explain_print.c ----------------------------------------------------------------------------
void explain_print(const struct explanation *explanation, FILE *out);

#endif
