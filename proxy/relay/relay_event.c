// SPDX-License-Identifier: Apache-2.0
#include "relay_impl.h"

static bool is_event_stream(const struct headers *headers);

void relay_event_open(struct relay_exchange *r, const struct response_head *head) {
    const struct exchange *x = r->exchange;
    struct slice event = slice_of_text(r->route->push.event);
    if (event.length == 0 || x->is_promised || relay_push_client(r) == NULL ||
        head->status != 200 || !is_event_stream(&head->headers)) {
        return;
    }
    r->events = arena_new(x->arena, struct sse_reader);
    sse_reader_init(r->events, event);
}

// What is compressed can't be read.
static bool is_event_stream(const struct headers *headers) {
    struct slice type = headers_value(headers, HEADER_CONTENT_TYPE);
    type = slice_trim(slice_first(type, slice_find(type, ';')));
    return slice_equal_nocase(type, SLICE("text/event-stream")) &&
           !headers_has(headers, HEADER_CONTENT_ENCODING);
}

void relay_event_watch(struct relay_exchange *r, struct slice bytes) {
    struct slice links;
    while (r->events != NULL && sse_reader_next(r->events, &bytes, &links)) {
        relay_push_at_event(r, links);
    }
}

void relay_event_close(struct relay_exchange *r) {
    if (r->events != NULL) {
        sse_reader_finish(r->events);
        r->events = NULL;
    }
}
