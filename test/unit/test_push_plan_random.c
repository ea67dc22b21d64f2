// SPDX-License-Identifier: Apache-2.0
// At random: no promise and no hint in a forbidden cell. What is forbidden is said here once more,
// of the generated elements and not of what the plan reads in them. Each request has a seed of its
// own, which a failure names.
#include "http/link_header.h"
#include "push_scene.h"

enum { REQUESTS = 10000 };

static uint64_t seed;
static uint64_t random_state;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail_msg("seed %llu: %s", (unsigned long long)seed, #condition);                       \
        }                                                                                          \
    } while (0)

static unsigned random_below(unsigned bound) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 16) % bound);
}

static bool one_in(unsigned count) {
    return random_below(count) == 0;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PICK(array) (array)[random_below(COUNT(array))]

// --- what is generated --------------------------------------------------------------------------

enum {
    NOT_ONE = 1,  // no candidate
    BAD = 2,      // a candidate of nothing, or the page itself
    NOPUSH = 4,   // these are never promised
    CHOICE = 8,   // the client's
    FOREIGN = 16, // of a site that is never ours
    STATIC = 32,  // of one that an option makes ours
    PUSH_ONLY = 64,
    PERSONAL = 128, // asked for with the page's credentials
    BLOCKING = 256, // wanted by fast-load
    WILD = 512,     // may swallow what follows
};

struct element {
    const char *text;
    const char *path; // or the whole URL of another site
    unsigned flags;
};

// The flags of one URL are the same in all its elements.
static const struct element elements[] = {
    {"</a.css>" P, "/a.css", BLOCKING},
    {"<../a.css#x>" P "; as=style", "/a.css", BLOCKING},
    {"<b>" P "; as=Style; fetchpriority=low", "/dir/b", BLOCKING},
    {"<../c>; rel=modulepreload", "/c", BLOCKING},
    {"</d?e#f>" P "; as=image", "/d?e", 0},
    {"<https://EXAMPLE.org:443/g>" P, "/g", 0},
    {"<h/./../i.js>; rel=\"x PRELOAD\"", "/dir/i.js", BLOCKING},
    {"</j.woff2>" P "; as=font; crossorigin", "/j.woff2", BLOCKING},
    {"</known-1.css>" P, "/known-1.css", BLOCKING},
    {"</known-2>" P, "/known-2", 0},
    {"</stale>" P "; as=style", "/stale", BLOCKING},
    {"</changed>" P, "/changed", 0},
    {"</unfit>" P, "/unfit", 0},
    {"</unfit-for-users>" P, "/unfit-for-users", 0},
    {"</unwanted>" P, "/unwanted", 0},
    {"</cached>" P, "/cached", 0},
    {"<../cached>" P, "/cached", 0},
    {"</brief>" P "; title=\"a, b; nopush\"", "/brief", 0},
    {"</k>" P "; x-http2-push-only", "/k", PUSH_ONLY},
    {"</l.css>" P "; x-http2-push-only; nopush", "/l.css", PUSH_ONLY | NOPUSH | BLOCKING},
    {"<https://static.example.org/m>" P, "https://static.example.org/m", STATIC},
    {"</n>" P "; nopush", "/n", NOPUSH},
    {"</o>" P "; media=\"(min-width: 1px), print\"", "/o", CHOICE},
    {"</p>" P "; as=image; imagesrcset=\"x 1x, y 2x\"", "/p", CHOICE},
    {"</q>" P "; crossorigin=use-credentials", "/q", PERSONAL},
    {"<//cdn.example>; rel=preconnect", "https://cdn.example/", CHOICE | FOREIGN},
    {"<//cdn.example/r>" P, "https://cdn.example/r", FOREIGN},
    {"<http://example.org/s>" P, "http://example.org/s", FOREIGN},
    {"<https://example.org:444/t>" P, "https://example.org:444/t", FOREIGN},
    {"<#x>" P, NULL, BAD},
    {"<page?q>" P "; nopush", NULL, BAD},
    {"</x y>" P, NULL, BAD},
    {"</x\\y>" P, NULL, BAD},
    {"</.//x>" P, NULL, BAD},
    {"<ftp://example.org/x>" P, NULL, BAD},
    {"<https://a@example.org/x>" P, NULL, BAD},
    {"</x>", NULL, NOT_ONE},
    {"</x>; rel=prefetch", NULL, NOT_ONE},
    {"</x>; rel=next" P, NULL, NOT_ONE},
    {"</x>; title=\"" P "\"", NULL, NOT_ONE},
    {"</x>" P "; anchor=\"#x\"", NULL, NOT_ONE},
    {"</x>" P "; loadpolicy=next", NULL, NOT_ONE},
    {"x" P, NULL, NOT_ONE | WILD},
    {"</x", NULL, NOT_ONE | WILD},
    {"</x>" P "; \"", NULL, NOT_ONE | WILD},
    {"</x>; title=\"x,<a b>" P, NULL, NOT_ONE | WILD},
};

// What a route declares: paths, in the order of the text.
static const char declared_text[] = "/a.css /known-1.css /d?e /x\\y /n2 /unwanted";
static const char declared_hints_text[] = "/a.css\n/h1 font\n</n>" P "; nopush\n"
                                          "<//cdn.example>; rel=preconnect\n/unfit";
static const struct element declared_elements[] = {
    {"</a.css>" P "; as=style", "/a.css", BLOCKING},
    {"</known-1.css>" P "; as=style", "/known-1.css", BLOCKING},
    {"</d?e>" P "; as=fetch; crossorigin", "/d?e", 0},
    {"</n2>" P "; as=fetch; crossorigin", "/n2", 0},
    {"</unwanted>" P "; as=fetch; crossorigin", "/unwanted", 0},
    {"</h1>" P "; as=font; crossorigin", "/h1", CHOICE},
    {"</unfit>" P "; as=fetch; crossorigin", "/unfit", 0},
};
enum { DECLARED = 6, DECLARED_HINTS = 5 };

// One request over its moments.
struct story {
    struct push_scene_row row;
    struct push_scene scene;
    size_t known_count;          // candidates of the route and of the memory
    size_t response_count;       // of the present moment's fields or event
    bool is_wild;                // then nobody knows how many
    struct slice given_out[256]; // URLs promised or hinted so far
    size_t given_out_count;
    bool has_hinted;
};

static unsigned reached[PUSH_REASON_COUNT];
static unsigned questions;
static unsigned conditions;

// Up to `most` elements, joined; counts the candidates among them.
static struct slice random_elements(struct story *story, unsigned most, const char *separator,
                                    bool may_be_wild, size_t *count) {
    struct slice text = SLICE_EMPTY;
    for (unsigned i = random_below(most + 1); i > 0; i--) {
        const struct element *element = &PICK(elements);
        if ((element->flags & WILD) != 0 && !may_be_wild) {
            continue;
        }
        text = push_scene_join(story->scene.arena, text, separator, slice_of_text(element->text));
        *count += (element->flags & NOT_ONE) == 0;
        story->is_wild |= (element->flags & WILD) != 0;
    }
    return text;
}

static void random_row(struct push_scene_row *row) {
    static const char *const methods[] = {"GET", "GET", "GET", "GET", "HEAD", "POST", "get"};
    static const char *const fields[] = {NULL,
                                         NULL,
                                         "cookie: a=b",
                                         "authorization: x\ncookie: a=b",
                                         "if-none-match: x",
                                         "if-modified-since: x\ncookie: a=b",
                                         "range: bytes=0-\nuser-agent: x",
                                         "accept-push-policy: none",
                                         "accept-push-policy: head",
                                         "accept-push-policy: fast-load"};
    static const char *const known[] = {NULL, "/known-1.css /known-2", "/known-2 /stale",
                                        "/stale /changed /cached"};
    *row = (struct push_scene_row){
        .method = PICK(methods),
        .fields = PICK(fields),
        .known = PICK(known),
        .declare = one_in(3) ? declared_text : NULL,
        .declare_hints = one_in(3) ? declared_hints_text : NULL,
        .room = 1 + random_below(8),
        .max_per_page = 1 + random_below(6),
        .credentials = (enum config_credentials)random_below(3),
        .is_off = one_in(12),
        .is_promised = one_in(12),
        .is_behind_proxy = one_in(12),
        .on_behind_proxy = one_in(2),
        .has_no_room = one_in(12),
        .is_full = one_in(2),
        .has_stopped = one_in(12),
        .is_memory_short = one_in(12),
        .has_authorities = one_in(3),
        .is_request = true,
        .may_hint = one_in(2),
        .may_revalidate = one_in(2),
        .is_visitor = one_in(3),
    };
    if (one_in(2)) { // enough pages that may push
        row->method = "GET";
        row->is_off = row->is_promised = row->has_no_room = row->has_stopped = false;
        row->is_memory_short = false;
    }
}

// --- what is forbidden --------------------------------------------------------------------------

static bool has_field(const struct push_scene_row *row, const char *text) {
    return row->fields != NULL && strstr(row->fields, text) != NULL;
}

static bool is_conditional(const struct push_scene_row *row) {
    return has_field(row, "if-") || has_field(row, "range");
}

static bool has_credentials(const struct push_scene_row *row) {
    return has_field(row, "cookie") || has_field(row, "authorization");
}

static bool carries_credentials(const struct push_scene_row *row) {
    return row->credentials == CONFIG_CREDENTIALS_ALL ||
           (row->credentials == CONFIG_CREDENTIALS_COOKIES && !has_field(row, "authorization"));
}

// Is any promise at all allowed at this moment?
static bool may_page_push(const struct story *story) {
    const struct push_scene_row *row = &story->row;
    const struct push_question *question = &story->scene.question;
    int status = story->scene.response.status;
    bool is_status_good = question->moment == PUSH_AT_EVENT ||
                          (question->moment == PUSH_AT_REQUEST && !is_conditional(row)) ||
                          (question->moment == PUSH_AT_INTERIM && status != 101) ||
                          (question->moment == PUSH_AT_HEAD && status / 100 == 2 && status != 206);
    return is_status_good && strcmp(row->method, "GET") == 0 && !row->is_off && !row->is_promised &&
           !row->has_no_room && !row->has_stopped && !row->is_memory_short &&
           !has_field(row, "policy: none") && !has_field(row, "policy: head") &&
           (!row->is_behind_proxy || row->on_behind_proxy) &&
           (!has_field(row, "authorization") || row->credentials == CONFIG_CREDENTIALS_ALL);
}

static bool is_known(const struct push_scene_row *row, const char *path) {
    const char *at = row->known != NULL ? strstr(row->known, path) : NULL;
    return at != NULL && (at[strlen(path)] == '\0' || at[strlen(path)] == ' ');
}

// The client has it on this connection, and there is no asking whether it changed.
static bool is_there(const struct push_scene_row *row, const char *path) {
    bool may_ask =
        row->may_revalidate && (strcmp(path, "/stale") == 0 || strcmp(path, "/changed") == 0);
    return is_known(row, path) && !may_ask;
}

static bool is_unfit(const struct push_scene_row *row, const char *path) {
    bool lacks_some = has_credentials(row) && !carries_credentials(row);
    return strcmp(path, "/unfit") == 0 || (strcmp(path, "/unfit-for-users") == 0 && lacks_some);
}

// Does the element alone forbid a promise?
static bool is_never_promised(const struct push_scene_row *row, const struct element *element) {
    bool is_foreign = (element->flags & FOREIGN) != 0 ||
                      ((element->flags & STATIC) != 0 && !row->has_authorities);
    bool lacks_some = has_credentials(row) && !carries_credentials(row);
    return (element->flags & (BAD | NOT_ONE | NOPUSH | CHOICE)) != 0 || is_foreign ||
           ((element->flags & PERSONAL) != 0 && lacks_some);
}

static bool may_promise(const struct story *story, const struct element *element) {
    const struct push_scene_row *row = &story->row;
    bool is_unwanted_now = has_field(row, "fast-load") && (element->flags & BLOCKING) == 0;
    bool may_have =
        row->is_visitor && strcmp(element->path, "/brief") != 0 && !is_known(row, element->path);
    return may_page_push(story) && !is_never_promised(row, element) && !is_unwanted_now &&
           !is_there(row, element->path) && !is_unfit(row, element->path) &&
           strcmp(element->path, "/unwanted") != 0 && !may_have;
}

static bool may_hint(const struct story *story, const struct element *element) {
    const struct push_scene_row *row = &story->row;
    if (!story->scene.question.may_hint || row->is_promised ||
        (element->flags & (BAD | NOT_ONE | PUSH_ONLY)) != 0) {
        return false;
    }
    if (is_never_promised(row, element)) {
        return true;
    }
    // Of what might be promised: not where the method or the status is wrong; where all else is
    // well, not what the client has, and not what was no good.
    bool is_wrong = strcmp(row->method, "GET") != 0 && !row->is_off;
    bool is_page_good = may_page_push(story);
    bool is_allowed = !has_field(row, "fast-load") || (element->flags & BLOCKING) != 0;
    return !is_wrong && (!is_page_good || !is_allowed ||
                         (!is_there(row, element->path) && !is_unfit(row, element->path)));
}

// --- checks -------------------------------------------------------------------------------------

// By the URL, "https://example.org" left out for our own.
static const struct element *find_url(struct slice scheme, struct slice authority,
                                      struct slice path, struct arena *arena) {
    bool is_own =
        slice_equal(scheme, SLICE("https")) && slice_equal(authority, SLICE("example.org"));
    struct slice url = is_own ? path
                              : arena_printf(arena, "%.*s://%.*s%.*s", SLICE_ARGS(scheme),
                                             SLICE_ARGS(authority), SLICE_ARGS(path));
    for (size_t i = 0; i < COUNT(elements) + COUNT(declared_elements); i++) {
        const struct element *element =
            i < COUNT(elements) ? &elements[i] : &declared_elements[i - COUNT(elements)];
        if (element->path != NULL && slice_equal(url, slice_of_text(element->path))) {
            return element;
        }
    }
    return NULL;
}

static const struct element *find_text(struct slice text) {
    for (size_t i = 0; i < COUNT(elements) + COUNT(declared_elements); i++) {
        const struct element *element =
            i < COUNT(elements) ? &elements[i] : &declared_elements[i - COUNT(elements)];
        if (slice_equal(text, slice_of_text(element->text))) {
            return element;
        }
    }
    return NULL;
}

// Nothing is given out twice, neither as a promise nor as a hint.
static void give_out(struct story *story, const char *path) {
    for (size_t i = 0; i < story->given_out_count; i++) {
        CHECK(!slice_equal(story->given_out[i], slice_of_text(path)));
    }
    CHECK(story->given_out_count < COUNT(story->given_out));
    story->given_out[story->given_out_count++] = slice_of_text(path);
}

static void check_promise(struct story *story, const struct push_promise *promise) {
    const struct push_scene_row *row = &story->row;
    const struct request_head *request = &promise->request;
    const struct headers *headers = &request->headers;
    const struct element *element =
        find_url(request->scheme, request->authority, request->path, story->scene.arena);
    if (element == NULL || !may_promise(story, element)) {
        fail_msg("seed %llu: promised %.*s", (unsigned long long)seed, SLICE_ARGS(request->path));
    }
    give_out(story, element->path);
    bool is_static = (element->flags & STATIC) != 0;
    CHECK(slice_equal(request->method, SLICE("GET")) && request->is_end);
    CHECK(headers_has(headers, HEADER_ACCEPT) && headers_has(headers, HEADER_REFERER));
    CHECK(!headers_has(headers, HEADER_RANGE) && !headers_has(headers, HEADER_IF_MODIFIED_SINCE));
    CHECK(!headers_has(headers, HEADER_COOKIE) ||
          (row->credentials != CONFIG_CREDENTIALS_NONE && !is_static));
    CHECK(!headers_has(headers, HEADER_AUTHORIZATION) ||
          (row->credentials == CONFIG_CREDENTIALS_ALL && !is_static));
    bool is_asked =
        row->may_revalidate && is_known(row, element->path) && strcmp(element->path, "/stale") == 0;
    CHECK(headers_has(headers, HEADER_IF_NONE_MATCH) == is_asked);
    for (uint32_t i = 0; i < headers->count; i++) {
        CHECK(headers->rows[i].id != HEADER_OTHER && headers->rows[i].value.length > 0);
    }
    CHECK(promise->priority.urgency >= 1 && promise->priority.urgency <= 6);
    conditions += is_asked;
}

// One of the elements, whole and well-formed.
static void check_hint(struct slice text) {
    const struct element *element = find_text(text);
    struct link_reader reader = {0};
    struct link_header link;
    CHECK(element != NULL && (element->flags & (BAD | NOT_ONE | PUSH_ONLY)) == 0);
    link_reader_start(&reader, text);
    CHECK(headers_is_value(text));
    CHECK(link_reader_next(&reader, &link) && slice_equal(link.element, text));
    CHECK(link.is_preload || link.is_modulepreload || link.is_preconnect);
    CHECK(!link_reader_next(&reader, &link));
}

// By their rows: at an interim response the origin's own field tells the client.
static void check_hinted(struct story *story, const struct push_row *row) {
    size_t scheme = slice_find(row->target, ':');
    struct slice rest = slice_skip(row->target, scheme + 3);
    size_t authority = slice_find(rest, '/');
    const struct element *element =
        find_url(slice_first(row->target, scheme), slice_first(rest, authority),
                 slice_skip(rest, authority), story->scene.arena);
    struct element asked = element != NULL ? *element : (struct element){.flags = NOT_ONE};
    asked.flags |= row->source == PUSH_SOURCE_DECLARED_HINT ? CHOICE : 0;
    if (!may_hint(story, &asked)) {
        fail_msg("seed %llu: hinted %.*s", (unsigned long long)seed, SLICE_ARGS(row->target));
    }
    bool is_preconnect = element != NULL && strstr(element->text, "preconnect") != NULL;
    if (!is_preconnect) { // a connection is no resource: it may be named again
        give_out(story, asked.path);
    }
}

static void check_counts(const struct story *story, const struct push_plan *plan) {
    const struct push_question *question = &story->scene.question;
    unsigned rows[PUSH_REASON_COUNT] = {0};
    size_t sum = 0;
    for (size_t i = 0; i < plan->row_count; i++) {
        CHECK((unsigned)plan->rows[i].reason < PUSH_REASON_COUNT);
        rows[plan->rows[i].reason]++;
    }
    for (unsigned i = 0; i < PUSH_REASON_COUNT; i++) {
        CHECK(plan->outcomes[i] == rows[i]);
        sum += plan->outcomes[i];
        reached[i] += plan->outcomes[i];
    }
    bool is_waiting = is_conditional(&story->row) && !question->may_hint;
    bool uses_known = (question->moment == PUSH_AT_REQUEST && !is_waiting) ||
                      (question->moment == PUSH_AT_HEAD && is_conditional(&story->row));
    CHECK(story->is_wild || sum == story->response_count + (uses_known ? story->known_count : 0));
    CHECK(plan->outcomes[PUSH_REASON_PROMISED] == plan->promise_count);
    CHECK(plan->promise_count <= question->room);
    CHECK(plan->promise_count == 0 ||
          plan->promise_count + question->already_promised <= story->row.max_per_page);
    bool is_at_request = question->moment == PUSH_AT_REQUEST;
    CHECK(plan->hint_count == (is_at_request ? plan->outcomes[PUSH_REASON_HINTED] : 0));
    CHECK(story->row.is_visitor ? plan->given_count >= plan->promise_count
                                : plan->given_count == 0);
}

// What was used stays used, and nothing is in it twice.
static void check_used(const struct push_question *question, const struct push_plan *plan) {
    CHECK(plan->used_count >= question->used_count + plan->promise_count);
    for (size_t i = 0; i < plan->used_count; i++) {
        CHECK(i >= question->used_count || url_equal(&plan->used[i], &question->used[i]));
        for (size_t j = 0; j < i; j++) {
            CHECK(!url_equal(&plan->used[i], &plan->used[j]));
        }
    }
}

static void check_links(const struct story *story, const struct push_plan *plan) {
    CHECK(!plan->has_rewritten_links || story->scene.question.response != NULL);
    for (size_t i = 0; i < plan->rewritten_link_count; i++) {
        struct slice field = plan->rewritten_links[i];
        CHECK(field.length > 0 && field.data[0] != ',');
        CHECK(story->is_wild || memmem(field.data, field.length, "push-only", 9) == NULL);
    }
}

static void ask(struct story *story) {
    struct push_question *question = &story->scene.question;
    struct push_plan plan;
    question->is_explained = true;
    push_plan_make(question, story->scene.arena, &plan);
    questions++;
    check_counts(story, &plan);
    check_used(question, &plan);
    check_links(story, &plan);
    for (size_t i = 0; i < plan.promise_count; i++) {
        check_promise(story, &plan.promises[i]);
    }
    for (size_t i = 0; i < plan.hint_count; i++) {
        check_hint(plan.hints[i]);
    }
    for (size_t i = 0; i < plan.row_count; i++) {
        if (plan.rows[i].reason == PUSH_REASON_HINTED) {
            check_hinted(story, &plan.rows[i]);
        }
    }
    question->used = plan.used;
    question->used_count = plan.used_count;
    question->already_promised += (unsigned)plan.promise_count;
    question->room -= (unsigned)plan.promise_count;
    story->has_hinted |= plan.outcomes[PUSH_REASON_HINTED] > 0;
}

// --- one request --------------------------------------------------------------------------------

static void open_story(struct story *story) {
    *story = (struct story){.known_count = 0};
    random_row(&story->row);
    push_scene_open(&story->scene, &story->row);
    struct push_scene *scene = &story->scene;
    size_t count = 0;
    const struct push_learn_links **links[] = {&scene->question.learned,
                                               &scene->question.behaviour};
    struct push_learn_links *kept[] = {&scene->learned, &scene->behaviour};
    for (unsigned i = 0; i < 2; i++) {
        struct slice text =
            one_in(3) ? random_elements(story, 8, "\n", false, &count) : SLICE_EMPTY;
        push_scene_open_elements(scene, arena_copy(scene->arena, text).data, scene->elements[i],
                                 kept[i], links[i]);
    }
    story->known_count = count + (story->row.declare != NULL ? DECLARED : 0) +
                         (story->row.declare_hints != NULL ? DECLARED_HINTS : 0);
}

static void set_response(struct story *story, enum push_moment moment, int status) {
    struct push_scene *scene = &story->scene;
    story->response_count = 0;
    story->is_wild = false;
    scene->question.moment = moment;
    scene->question.response = &scene->response;
    scene->response.status = status;
    headers_init(&scene->response.headers, scene->arena);
    headers_add(&scene->response.headers, SLICE("content-type"), SLICE("text/html"));
    for (unsigned i = random_below(3); i > 0; i--) {
        struct slice text =
            random_elements(story, 8, one_in(2) ? ", " : ",", true, &story->response_count);
        headers_add(&scene->response.headers, SLICE("link"), text);
    }
}

static void play(struct story *story) {
    static const int interims[] = {103, 103, 103, 102, 101};
    static const int heads[] = {200, 200, 200, 201, 206, 301, 304, 404, 503};
    struct push_question *question = &story->scene.question;
    story->has_hinted = one_in(12); // by the origin, before
    ask(story);
    while (one_in(3)) {
        set_response(story, PUSH_AT_INTERIM, PICK(interims));
        question->may_hint = story->row.may_hint && one_in(2) && !story->has_hinted;
        ask(story);
    }
    question->may_hint = false;
    set_response(story, PUSH_AT_HEAD, PICK(heads));
    ask(story);
    if (one_in(4)) {
        set_response(story, PUSH_AT_EVENT, 200);
        question->response = NULL;
        story->response_count = 0;
        story->is_wild = false;
        question->event = random_elements(story, 4, ", ", true, &story->response_count);
        ask(story);
    }
}

static void test_no_forbidden_cell(void **state) {
    (void)state;
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct story story;
        seed = UINT64_C(88172645463325252) + UINT64_C(0x9e3779b97f4a7c15) * i;
        random_state = seed;
        open_story(&story);
        play(&story);
        push_scene_close(&story.scene);
    }
    // Else the cells were all forbidden, or never tried.
    assert_true(questions >= 2 * REQUESTS);
    assert_true(conditions > 20);
    for (unsigned i = 0; i < PUSH_REASON_COUNT; i++) {
        unsigned least = i == PUSH_REASON_PROMISED || i == PUSH_REASON_HINTED ? 3000 : 40;
        if (i != PUSH_REASON_TOO_LATE && reached[i] < least) { // which the relay says
            fail_msg("only %u %s", reached[i], push_plan_reason_name((enum push_reason)i));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_forbidden_cell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
