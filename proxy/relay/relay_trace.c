// SPDX-License-Identifier: Apache-2.0
#include "relay_impl.h"

static void draw_sample(struct relay_exchange *r, uint32_t sample);

void relay_trace_open(struct relay_exchange *r) {
    struct exchange *x = r->exchange;
    const struct config_log *log = &r->relay->config->log;
    x->story.trace_id = trace_clean(&x->request.headers);
    if (log->request_id[0] != '\0') {
        x->request_id = trace_set_request_id(&x->request.headers, slice_of_text(log->request_id),
                                             &r->relay->random);
    }
    draw_sample(r, log->sample);
}

// A page and its pushes together.
static void draw_sample(struct relay_exchange *r, uint32_t sample) {
    struct exchange *x = r->exchange;
    x->story.sample = sample;
    if (x->page != NULL) {
        x->story.sample = x->page->story.sample;
        x->story.is_left_out = x->page->story.is_left_out;
    } else if (sample > 1) {
        uint64_t random = trace_random_next(&r->relay->random) >> 32;
        x->story.is_left_out = random * sample >> 32 != 0;
    }
}
