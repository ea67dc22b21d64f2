// SPDX-License-Identifier: Apache-2.0
#include "push/push_candidates.h"

#include "http/link_editor.h"
#include "push/push_plan.h"

static bool has_declared(const struct push_question *question);
static const struct headers *response_headers(const struct push_question *question);
static struct push_candidate from_declared(const struct config_declared *declared);
static struct push_candidate from_link(const struct link_header *link);
static bool is_candidate(const struct push_candidates *candidates, const struct link_header *link);
static bool is_about_page(const struct push_candidates *candidates, struct slice anchor);
static bool is_push_only(const struct link_header *link);
static void start_field(struct push_candidates *candidates, const struct header *field);

bool push_candidates_start(struct push_candidates *candidates, const struct push_question *question,
                           struct arena *arena) {
    bool has_links =
        question->response != NULL && headers_has(response_headers(question), HEADER_LINK);
    bool is_declaring = has_declared(question);
    if (!has_links && !is_declaring) {
        return false;
    }
    const struct request_head *page = question->request;
    *candidates = (struct push_candidates){
        .question = question,
        .arena = arena,
        .page = {page->scheme, page->authority, page->path},
        .declared_end = is_declaring ? question->declared_count : 0,
    };
    struct url normal;
    if (url_resolve(&candidates->page, SLICE("#"), arena, &normal) == URL_SAME) {
        candidates->page = normal;
    }
    if (has_links) {
        start_field(candidates, headers_find(response_headers(question), HEADER_LINK));
    }
    return true;
}

// Declared candidates are used while the origin thinks. For a conditional or a range request, which
// may be answered with 304 or 206, its head is waited for.
static bool has_declared(const struct push_question *question) {
    const struct headers *headers = &question->request->headers;
    if (question->declared_count == 0 || question->moment == PUSH_AT_INTERIM) {
        return false;
    }
    bool waits = headers_has(headers, HEADER_IF_NONE_MATCH) ||
                 headers_has(headers, HEADER_IF_MODIFIED_SINCE) ||
                 headers_has(headers, HEADER_RANGE);
    return question->moment == (waits ? PUSH_AT_HEAD : PUSH_AT_REQUEST);
}

static const struct headers *response_headers(const struct push_question *question) {
    return &question->response->headers;
}

static void start_field(struct push_candidates *candidates, const struct header *field) {
    candidates->field = field;
    if (field != NULL) {
        link_reader_start(&candidates->reader, field->value);
    }
}

bool push_candidates_next(struct push_candidates *candidates,
                          struct push_candidate *out_candidate) {
    const struct push_question *question = candidates->question;
    if (candidates->declared_next < candidates->declared_end) {
        *out_candidate = from_declared(&question->declared[candidates->declared_next++]);
        return true;
    }
    while (candidates->field != NULL) {
        struct link_header link;
        while (link_reader_next(&candidates->reader, &link)) {
            if (is_candidate(candidates, &link)) {
                candidates->has_push_only |= is_push_only(&link);
                *out_candidate = from_link(&link);
                return true;
            }
        }
        start_field(candidates,
                    headers_find_next(response_headers(question), HEADER_LINK, candidates->field));
    }
    return false;
}

static struct push_candidate from_declared(const struct config_declared *declared) {
    return (struct push_candidate){
        .target = slice_of_text(declared->path),
        .as = declared->as != NULL ? slice_of_text(declared->as) : SLICE_EMPTY,
    };
}

static struct push_candidate from_link(const struct link_header *link) {
    struct push_candidate candidate = {
        .target = link->target,
        .as = link->as,
        .is_nopush = link->is_nopush,
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
