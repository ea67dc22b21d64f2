// SPDX-License-Identifier: Apache-2.0
#include "push/push_candidates.h"

#include "base/ensure.h"
#include "http/link_editor.h"
#include "push/push_plan.h"

static bool uses_known(const struct push_question *question);
static const struct headers *response_headers(const struct push_question *question);
static bool next_declared(struct push_candidates *candidates,
                          const struct config_declared *declared, size_t count,
                          struct push_candidate *out_candidate);
static bool next_learned(struct push_candidates *candidates, const struct push_learn_links *learned,
                         struct push_candidate *out_candidate);
static bool next_field(struct push_candidates *candidates, struct push_candidate *out_candidate);
static bool next_event(struct push_candidates *candidates, struct push_candidate *out_candidate);
static bool next_link(struct push_candidates *candidates, struct link_reader *reader,
                      struct push_candidate *out_candidate);
static struct push_candidate from_link(const struct link_header *link);
static bool is_candidate(const struct push_candidates *candidates, const struct link_header *link);
static bool is_about_page(const struct push_candidates *candidates, struct slice anchor);
static bool is_push_only(const struct link_header *link);

bool push_candidates_start(struct push_candidates *candidates, const struct push_question *question,
                           struct arena *arena) {
    bool has_links =
        question->response != NULL && headers_has(response_headers(question), HEADER_LINK);
    bool has_known = uses_known(question);
    if (!has_links && !has_known && question->event.length == 0) {
        return false;
    }
    const struct request_head *page = question->request;
    *candidates = (struct push_candidates){
        .question = question,
        .arena = arena,
        .page = {page->scheme, page->authority, page->path},
        .has_known = has_known,
        .field = has_links ? headers_find(response_headers(question), HEADER_LINK) : NULL,
    };
    struct url normal;
    if (url_resolve(&candidates->page, SLICE("#"), arena, &normal) == URL_SAME) {
        candidates->page = normal;
    }
    return true;
}

// What is known beforehand is used while the origin thinks. A conditional or a range request may be
// answered with 304 or 206: what can't be hinted waits for its head.
static bool uses_known(const struct push_question *question) {
    bool has_some = question->declared_count > 0 || question->declared_hint_count > 0 ||
                    question->learned != NULL || question->behaviour != NULL;
    if (!has_some) {
        return false;
    }
    bool waits = push_candidates_is_conditional(question->request) && !question->may_hint;
    switch (question->moment) {
    case PUSH_AT_REQUEST:
        return !waits;
    case PUSH_AT_HEAD:
        return push_candidates_is_conditional(question->request);
    case PUSH_AT_INTERIM:
    case PUSH_AT_EVENT:
        return false;
    }
    unreachable();
}

bool push_candidates_is_conditional(const struct request_head *request) {
    return headers_has(&request->headers, HEADER_IF_NONE_MATCH) ||
           headers_has(&request->headers, HEADER_IF_MODIFIED_SINCE) ||
           headers_has(&request->headers, HEADER_RANGE);
}

static const struct headers *response_headers(const struct push_question *question) {
    return &question->response->headers;
}

// --- one source after the other -----------------------------------------------------------------

bool push_candidates_next(struct push_candidates *candidates,
                          struct push_candidate *out_candidate) {
    const struct push_question *q = candidates->question;
    for (; candidates->source < PUSH_SOURCE_COUNT; candidates->source++, candidates->next = 0) {
        bool has_one = false;
        switch ((enum push_source)candidates->source) {
        case PUSH_SOURCE_DECLARED_PUSH:
            has_one = next_declared(candidates, q->declared, q->declared_count, out_candidate);
            break;
        case PUSH_SOURCE_DECLARED_HINT:
            has_one =
                next_declared(candidates, q->declared_hints, q->declared_hint_count, out_candidate);
            break;
        case PUSH_SOURCE_LEARNED:
            has_one = next_learned(candidates, q->learned, out_candidate);
            break;
        case PUSH_SOURCE_BEHAVIOUR:
            has_one = next_learned(candidates, q->behaviour, out_candidate);
            break;
        case PUSH_SOURCE_INTERIM:
            has_one = q->moment == PUSH_AT_INTERIM && next_field(candidates, out_candidate);
            break;
        case PUSH_SOURCE_HEAD:
            has_one = q->moment == PUSH_AT_HEAD && next_field(candidates, out_candidate);
            break;
        case PUSH_SOURCE_EVENT:
            has_one = next_event(candidates, out_candidate);
            break;
        case PUSH_SOURCE_COUNT:
            unreachable();
        }
        if (has_one) {
            out_candidate->source = candidates->source;
            return true;
        }
    }
    return false;
}

static bool next_declared(struct push_candidates *candidates,
                          const struct config_declared *declared, size_t count,
                          struct push_candidate *out_candidate) {
    if (!candidates->has_known || candidates->next >= count) {
        return false;
    }
    const struct config_declared *row = &declared[candidates->next++];
    struct slice path = slice_of_text(row->path);
    *out_candidate = (struct push_candidate){
        .target = path,
        .as = row->as != NULL ? slice_of_text(row->as) : SLICE_EMPTY,
    };
    if (path.data[0] == '<') { // checked when the configuration was read
        struct link_reader reader = {0};
        struct link_header link;
        link_reader_start(&reader, path);
        ensure(link_reader_next(&reader, &link));
        *out_candidate = from_link(&link);
    }
    out_candidate->is_hint_only |= candidates->source == PUSH_SOURCE_DECLARED_HINT;
    return true;
}

// One element each, as they stood in a Link field (push/push_learn_rules.h).
static bool next_learned(struct push_candidates *candidates, const struct push_learn_links *learned,
                         struct push_candidate *out_candidate) {
    while (candidates->has_known && learned != NULL && candidates->next < learned->count) {
        struct link_reader reader = {0};
        link_reader_start(&reader, learned->elements[candidates->next++]);
        if (next_link(candidates, &reader, out_candidate)) {
            return true;
        }
    }
    return false;
}

static bool next_field(struct push_candidates *candidates, struct push_candidate *out_candidate) {
    while (candidates->field != NULL) {
        if (!candidates->is_reading) {
            candidates->is_reading = true;
            link_reader_start(&candidates->reader, candidates->field->value);
        }
        if (next_link(candidates, &candidates->reader, out_candidate)) {
            return true;
        }
        candidates->is_reading = false;
        candidates->field = headers_find_next(response_headers(candidates->question), HEADER_LINK,
                                              candidates->field);
    }
    return false;
}

static bool next_event(struct push_candidates *candidates, struct push_candidate *out_candidate) {
    if (!candidates->is_reading) {
        candidates->is_reading = true;
        link_reader_start(&candidates->reader, candidates->question->event);
    }
    return next_link(candidates, &candidates->reader, out_candidate);
}

static bool next_link(struct push_candidates *candidates, struct link_reader *reader,
                      struct push_candidate *out_candidate) {
    struct link_header link;
    while (link_reader_next(reader, &link)) {
        if (is_candidate(candidates, &link)) {
            candidates->has_push_only |= is_push_only(&link);
            *out_candidate = from_link(&link);
            return true;
        }
    }
    return false;
}

static struct push_candidate from_link(const struct link_header *link) {
    struct push_candidate candidate = {
        .target = link->target,
        .element = link->element,
        .as = link->as,
        .is_nopush = link->is_nopush,
        .is_push_only = is_push_only(link),
        .is_preconnect = link->is_preconnect && !link->is_preload && !link->is_modulepreload,
        .is_hint_only = !(link->is_preload || link->is_modulepreload) || link->has_variants,
        .needs_credentials = link->has_credentialed_crossorigin,
    };
    if (link->as.length == 0 && link->is_modulepreload) {
        candidate.as = SLICE("script");
    }
    if (link->is_critical || slice_equal_nocase(link->fetch_priority, SLICE("high"))) {
        candidate.fetch_priority = PUSH_FETCH_HIGH;
    } else if (slice_equal_nocase(link->fetch_priority, SLICE("low"))) {
        candidate.fetch_priority = PUSH_FETCH_LOW;
    }
    return candidate;
}

static bool is_candidate(const struct push_candidates *candidates, const struct link_header *link) {
    bool is_of_kind = link->is_preload || link->is_modulepreload || link->is_preconnect;
    return is_of_kind && !link->is_conditional &&
           (link->anchor.length == 0 || is_about_page(candidates, link->anchor));
}

// Does an anchor name this page? One with a fragment names a part of it, which is another context.
static bool is_about_page(const struct push_candidates *candidates, struct slice anchor) {
    struct url url;
    return slice_find(anchor, '#') == anchor.length &&
           url_resolve(&candidates->page, anchor, candidates->arena, &url) == URL_SAME &&
           url_equal(&url, &candidates->page);
}

static bool is_push_only(const struct link_header *link) {
    return link->is_push_only && (link->is_preload || link->is_modulepreload);
}

// A second reading, for the few responses that have such elements.
size_t push_candidates_rewrite_links(const struct push_candidates *candidates,
                                     const struct slice **out_fields) {
    const struct headers *headers = response_headers(candidates->question);
    struct slice *fields = arena_alloc(candidates->arena, headers->count * sizeof(struct slice));
    size_t count = 0;
    struct link_reader reader = {0};
    const struct header *field = headers_find(headers, HEADER_LINK);
    for (; field != NULL; field = headers_find_next(headers, HEADER_LINK, field)) {
        struct link_header link;
        struct link_editor editor;
        link_reader_start(&reader, field->value);
        link_editor_start(&editor, field->value);
        while (link_reader_next(&reader, &link)) {
            if (is_push_only(&link) && is_candidate(candidates, &link)) {
                link_editor_remove(&editor, link.element, candidates->arena);
            }
        }
        fields[count] = link_editor_finish(&editor);
        count += fields[count].length > 0;
    }
    *out_fields = fields;
    return count;
}
