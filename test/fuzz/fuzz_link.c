// SPDX-License-Identifier: Apache-2.0
// Link fields to candidates to a plan. Input: some bytes that choose the question, then Link
// fields,
// one on a line. Whatever stands there: slices point into the field; what one element means does
// not
// depend on its neighbours; taking some out leaves the others; and a plan promises nothing that
// must
// not be promised, each thing once and no more than there is room for.
#include "fuzz.h"

#include "base/alloc.h"
#include "http/link_editor.h"
#include "http/link_header.h"
#include "push/push_plan.h"

enum { MOST_FIELDS = 16, MOST_LINKS = 300 };

static bool is_inside(struct slice part, struct slice whole) {
    return part.length == 0 ||
           (part.data >= whole.data && part.data + part.length <= whole.data + whole.length);
}

static bool is_same(const struct link_header *a, const struct link_header *b) {
    return slice_equal(a->element, b->element) && slice_equal(a->target, b->target) &&
           slice_equal(a->as, b->as) && slice_equal(a->fetch_priority, b->fetch_priority) &&
           slice_equal(a->anchor, b->anchor) && a->has_rel == b->has_rel &&
           a->is_preload == b->is_preload && a->is_modulepreload == b->is_modulepreload &&
           a->is_preconnect == b->is_preconnect && a->is_nopush == b->is_nopush &&
           a->is_push_only == b->is_push_only && a->is_critical == b->is_critical &&
           a->has_crossorigin == b->has_crossorigin &&
           a->has_credentialed_crossorigin == b->has_credentialed_crossorigin &&
           a->has_variants == b->has_variants && a->is_conditional == b->is_conditional;
}

static size_t read_field(struct slice field, struct link_header *links) {
    struct link_reader reader = {0};
    size_t count = 0;
    link_reader_start(&reader, field);
    while (link_reader_next(&reader, &links[count])) {
        const struct link_header *link = &links[count++];
        fuzz_check(count <= LINK_MAX_ELEMENTS && link->target.length <= LINK_MAX_URL_BYTES);
        fuzz_check(link->element.length >= 2 && link->element.data[0] == '<');
        fuzz_check(is_inside(link->element, field) && is_inside(link->target, link->element));
        fuzz_check(is_inside(link->as, link->element) && is_inside(link->anchor, link->element));
        fuzz_check(is_inside(link->fetch_priority, link->element));
    }
    fuzz_check(reader.rest.length == 0);
    return count;
}

// Nothing but separators stands between the elements. (What is malformed may become another thing
// when its neighbour goes: "<a, <b>, c>" is one element without the second.)
static bool is_well_formed(struct slice field, const struct link_header *links, size_t count) {
    const char *at = field.data;
    for (size_t i = 0; i <= count; i++) {
        const char *next = i < count ? links[i].element.data : field.data + field.length;
        for (; at < next; at++) {
            if (*at != ',' && *at != ' ' && *at != '\t') {
                return false;
            }
        }
        at += i < count ? links[i].element.length : 0;
    }
    return true;
}

// `mask` says which elements are taken out.
static void check_editing(struct slice field, uint64_t mask, struct arena *arena) {
    struct link_header *links = arena_alloc(arena, (MOST_LINKS + 1) * sizeof(*links));
    struct link_header *left = arena_alloc(arena, (MOST_LINKS + 1) * sizeof(*left));
    size_t count = read_field(field, links);
    struct link_editor editor;
    link_editor_start(&editor, field);
    for (size_t i = 0; i < count; i++) {
        struct link_header alone;
        struct link_reader reader = {0};
        link_reader_start(&reader, links[i].element);
        fuzz_check(link_reader_next(&reader, &alone) && is_same(&alone, &links[i]));
        fuzz_check(!link_reader_next(&reader, &alone));
        if (mask >> i % 64 & 1) {
            link_editor_remove(&editor, links[i].element, arena);
        }
    }
    if (count == LINK_MAX_ELEMENTS || !is_well_formed(field, links, count)) {
        return;
    }
    struct slice rest = link_editor_finish(&editor);
    size_t left_count = read_field(rest, left);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if ((mask >> i % 64 & 1) == 0) {
            fuzz_check(at < left_count && slice_equal(left[at].element, links[i].element));
            at++;
        }
    }
    fuzz_check(at == left_count);
}

// --- the plan ------------------------------------------------------------------------------------

static const char *const request_fields[][2] = {
    {"cookie", "a=b"},
    {"authorization", "Basic x"},
    {"if-none-match", "\"v\""},
    {"accept-push-policy", "fast-load"},
    {"accept-push-policy", "none"},
    {"accept-language", "de"},
    {"user-agent", "fuzz"},
    {"range", "bytes=0-1"},
};

static void open_request(struct fuzz_input *input, struct request_head *request,
                         struct arena *arena) {
    static const struct slice methods[] = {{"GET", 3}, {"GET", 3}, {"GET", 3}, {"HEAD", 4}};
    static const struct slice paths[] = {{"/", 1}, {"/dir/page?q", 11}, {"/a/../b/./c", 11}};
    *request = (struct request_head){.method = methods[fuzz_below(input, 4)],
                                     .scheme = SLICE("https"),
                                     .authority = SLICE("a.example"),
                                     .path = paths[fuzz_below(input, 3)],
                                     .is_end = true};
    headers_init(&request->headers, arena);
    unsigned chosen = fuzz_byte(input);
    for (size_t i = 0; i < sizeof(request_fields) / sizeof(request_fields[0]); i++) {
        if (chosen >> i & 1) {
            headers_add(&request->headers, slice_of_text(request_fields[i][0]),
                        slice_of_text(request_fields[i][1]));
        }
    }
}

static void check_promises(const struct push_question *question, const struct push_plan *plan,
                           struct arena *arena) {
    fuzz_check(plan->promise_count <= question->room);
    fuzz_check(plan->promise_count == 0 || question->policy->is_on);
    fuzz_check(plan->promise_count == 0 || !question->is_promised);
    fuzz_check(plan->promise_count == 0 || slice_equal(question->request->method, SLICE("GET")));
    fuzz_check(plan->promise_count == 0 || !question->is_behind_proxy);
    fuzz_check(plan->promise_count + question->already_promised <= question->policy->max_per_page ||
               plan->promise_count == 0);
    bool has_secret = headers_has(&question->request->headers, HEADER_AUTHORIZATION);
    fuzz_check(plan->promise_count == 0 || !has_secret ||
               question->policy->credentials == CONFIG_CREDENTIALS_ALL);
    for (size_t i = 0; i < plan->promise_count; i++) {
        const struct request_head *request = &plan->promises[i].request;
        struct slice path;
        fuzz_check(slice_equal(request->method, SLICE("GET")) && request->is_end);
        fuzz_check(slice_equal(request->scheme, question->request->scheme));
        fuzz_check(slice_equal(request->authority, question->request->authority) ||
                   (question->policy->authorities != NULL &&
                    slice_equal(request->authority, SLICE("static.example"))));
        fuzz_check(url_check_path(request->path, arena, &path) && slice_equal(path, request->path));
        fuzz_check(plan->promises[i].priority.urgency <= 7);
        for (uint32_t h = 0; h < request->headers.count; h++) {
            const struct header *row = &request->headers.rows[h];
            fuzz_check(headers_is_name(row->name) && headers_is_value(row->value));
        }
        fuzz_check(question->policy->credentials != CONFIG_CREDENTIALS_NONE ||
                   !headers_has(&request->headers, HEADER_COOKIE));
        for (size_t other = 0; other < i; other++) {
            const struct request_head *earlier = &plan->promises[other].request;
            fuzz_check(!slice_equal(earlier->path, request->path) ||
                       !slice_equal(earlier->authority, request->authority));
        }
    }
}

static void check_hints(const struct push_question *question, const struct push_plan *plan) {
    fuzz_check(plan->hint_count == 0 || question->may_hint);
    for (size_t i = 0; i < plan->hint_count; i++) {
        struct link_reader reader = {0};
        struct link_header link;
        fuzz_check(headers_is_value(plan->hints[i]));
        link_reader_start(&reader, plan->hints[i]);
        fuzz_check(link_reader_next(&reader, &link)); // each is one element
        fuzz_check(slice_equal(link.element, plan->hints[i]));
        fuzz_check(!link_reader_next(&reader, &link));
    }
}

static void check_plan(struct push_question *question, struct arena *arena) {
    struct push_plan plan;
    push_plan_make(question, arena, &plan);
    check_promises(question, &plan, arena);
    check_hints(question, &plan);
    size_t outcomes = 0;
    for (unsigned i = 0; i < PUSH_REASON_COUNT; i++) {
        outcomes += plan.outcomes[i];
    }
    fuzz_check(outcomes == plan.row_count);
    fuzz_check(plan.outcomes[PUSH_REASON_PROMISED] == plan.promise_count);
    fuzz_check(plan.used_count >= question->used_count && plan.used_count <= 512);
    for (size_t i = 0; i < plan.rewritten_link_count; i++) {
        fuzz_check(headers_is_value(plan.rewritten_links[i]));
    }
    // Asked again with what was used, nothing is promised a second time.
    size_t promised = plan.promise_count;
    question->used = plan.used;
    question->used_count = plan.used_count;
    question->already_promised += (unsigned)promised;
    struct push_plan again;
    push_plan_make(question, arena, &again);
    fuzz_check(question->moment == PUSH_AT_EVENT || plan.ignored_elements > 0 ||
               plan.outcomes[PUSH_REASON_TOO_MANY] > 0 || again.promise_count == 0);
    check_promises(question, &again, arena);
}

static void plan_all(struct fuzz_input *input, const struct slice *fields, size_t count,
                     struct arena *arena) {
    static char other_authority[] = "Static.example:443";
    static char *authorities[] = {other_authority, NULL};
    static const int statuses[] = {200, 200, 201, 206, 304, 404};
    struct request_head request;
    struct response_head response = {0};
    struct slice elements[8];
    open_request(input, &request, arena);
    unsigned bits = fuzz_byte(input);
    unsigned more = fuzz_byte(input);
    struct config_push policy = {.is_on = (bits & 1) == 0,
                                 .max_per_page = 1 + fuzz_below(input, 40),
                                 .max_open = 32,
                                 .credentials = (enum config_credentials)(more % 3),
                                 .authorities = (bits & 2) ? authorities : NULL};
    enum push_moment moment = (enum push_moment)(bits >> 2 & 3);
    struct push_learn_links learned = {.elements = elements};
    headers_init(&response.headers, arena);
    response.status = moment == PUSH_AT_INTERIM ? 103 : statuses[more / 3 % 6];
    struct push_question question = {
        .moment = moment,
        .request = &request,
        .response = moment == PUSH_AT_INTERIM || moment == PUSH_AT_HEAD ? &response : NULL,
        .policy = &policy,
        .is_promised = (bits & 0xf0) == 0xf0,
        .is_behind_proxy = (bits & 0xf0) == 0xe0,
        .is_memory_short = (bits & 0xf0) == 0xd0,
        .may_hint = (bits & 0x10) != 0,
        .is_explained = true,
        .room = fuzz_below(input, 40)};
    for (size_t i = 0; i < count; i++) {
        if (moment == PUSH_AT_EVENT) { // bytes of content: anything may stand there
            question.event = fields[i];
        } else if (headers_is_value(fields[i])) {
            headers_add(&response.headers, SLICE("link"), fields[i]);
            struct link_reader reader = {0};
            struct link_header link;
            link_reader_start(&reader, fields[i]);
            if (learned.count < 8 && link_reader_next(&reader, &link)) {
                elements[learned.count++] = link.element;
            }
        }
    }
    question.learned = learned.count > 0 ? &learned : NULL;
    check_plan(&question, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input_of(data, size);
    struct arena *arena = arena_create();
    struct fuzz_input choices = fuzz_input_of(data, size < 8 ? size : 8);
    fuzz_take(&input, 8);
    uint64_t mask = fuzz_number(&input);
    struct slice fields[MOST_FIELDS];
    size_t count = 0;
    while (input.length > 0 && count < MOST_FIELDS) {
        struct slice line = fuzz_take_until(&input, '\n');
        char *copy = arena_alloc(arena, line.length);
        memcpy(copy, line.data, line.length);
        fields[count] = slice_of(copy, line.length);
        check_editing(fields[count++], mask, arena);
    }
    plan_all(&choices, fields, count, arena);
    arena_destroy(arena);
    return 0;
}
