// SPDX-License-Identifier: Apache-2.0
// Where candidates come from at each moment, and which of them are hinted instead of promised: one
// line per case. Promises alone: test_push_plan.c.
#include "push_scene.h"

#define S "; rel=preload; as=style"
#define LEARN(text) .is_request = true, .may_hint = true, .learned = (text)

// --- sources ------------------------------------------------------------------------------------

#define ALL_KNOWN .declare = "/p", .declare_hints = "/h", .learned = "</l>" P, .behaviour = "</b>" P

// `wanted` are the rows for people: "source reason path", joined with blanks and commas.
static const struct push_scene_row sources[] = {
    {NULL, "push promised /p, hint hint_only /h, learned promised /l, behaviour promised /b",
     .is_request = true, ALL_KNOWN},
    {NULL, "push promised /p, hint hinted /h, learned promised /l, behaviour promised /b",
     .is_request = true, .may_hint = true, ALL_KNOWN},
    {NULL, "push hinted /p, hint hinted /h, learned hinted /l, behaviour hinted /b",
     .is_request = true, .may_hint = true, .has_no_room = true, ALL_KNOWN},
    {NULL, "push client /p, hint hint_only /h, learned client /l, behaviour client /b",
     .is_request = true, .has_no_room = true, ALL_KNOWN},
    // What is known was used at the request.
    {"</k>" P, "103 promised /k", .status = 103, ALL_KNOWN},
    {"</k>" P, "link promised /k", ALL_KNOWN},
    {NULL, "event promised /e", .event = "</e>" P, ALL_KNOWN},
    {"</k>" P, "event promised /e, event nopush /f", .event = "</e>" P ", </f>" P "; nopush"},
    {NULL, "", .event = "</e>"},
    {"</k>" P ", </m>" P "; nopush", "103 promised /k, 103 hinted /m", .status = 103,
     .may_hint = true, ALL_KNOWN},
    // A conditional request: hints at once, promises once it is no 304.
    {NULL, "", .is_request = true, .fields = "if-none-match: x", ALL_KNOWN},
    {NULL, "push hinted /p, hint hinted /h, learned hinted /l, behaviour hinted /b",
     .is_request = true, .may_hint = true, .fields = "if-none-match: x", ALL_KNOWN},
    {"</k>" P, "103 promised /k", .status = 103, .fields = "if-modified-since: x", ALL_KNOWN},
    {"</k>" P,
     "push promised /p, hint hint_only /h, learned promised /l, behaviour promised /b, "
     "link promised /k",
     .fields = "if-none-match: x", ALL_KNOWN},
    {"</k>" P,
     "push status /p, hint hint_only /h, learned status /l, behaviour status /b, link status /k",
     .status = 304, .fields = "if-none-match: x", ALL_KNOWN},
    {NULL, "", .fields = "if-none-match: x", .event = "", ALL_KNOWN},
    // The same thing from several sides: the first names it.
    {NULL, "push promised /a, hint repeated /a, learned repeated /a, behaviour repeated /a",
     .is_request = true, .may_hint = true, .declare = "/a", .declare_hints = "/a",
     .learned = "</a>" P, .behaviour = "<../a>" P},
    {NULL, "hint hinted /a, learned repeated /a", .is_request = true, .may_hint = true,
     .declare_hints = "/a", .learned = "</a>" P},
    {NULL, "hint hint_only /a, learned promised /a", .is_request = true, .declare_hints = "/a",
     .learned = "</a>" P},
    // A hint may be an element; a push too.
    {NULL, "hint hinted /a", .is_request = true, .may_hint = true, .declare_hints = "</a>" S},
    {NULL, "push promised /a", .is_request = true, .declare = "</a>;rel=preload;as=style"},
    {NULL, "push nopush /a", .is_request = true, .declare = "</a>;rel=preload;nopush"},
    // What can't be resolved stands as it was written.
    {NULL, "learned bad_url /x y, learned other_site https://cdn.example/z", .is_request = true,
     .learned = "</x y>" P "\n<//cdn.example/z>" P},
    // Elements that are none of ours leave no row.
    {NULL, "learned promised /a", .is_request = true,
     .learned = "</x>; rel=next\n</y>" P "; anchor=\"/q\"\n</a>" P},
};

// Paths of our own site without its front.
static struct slice explain(struct arena *arena, const struct push_plan *plan) {
    struct slice text = SLICE_EMPTY;
    struct slice site = SLICE("https://example.org");
    for (size_t i = 0; i < plan->row_count; i++) {
        const struct push_row *row = &plan->rows[i];
        struct slice target = row->target;
        if (slice_starts_with(target, site)) {
            target = slice_skip(target, site.length);
        }
        text =
            push_scene_join(arena, text, ", ",
                            arena_printf(arena, "%s %s %.*s", push_plan_source_name(row->source),
                                         push_plan_reason_name(row->reason), SLICE_ARGS(target)));
    }
    return text;
}

static void test_sources(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        struct push_scene scene;
        struct push_plan plan;
        push_scene_open(&scene, &sources[i]);
        scene.question.is_explained = true;
        push_plan_make(&scene.question, scene.arena, &plan);
        char name[32];
        snprintf(name, sizeof(name), "row %zu", i);
        push_scene_expect(name, "rows", explain(scene.arena, &plan), sources[i].wanted);
        unsigned outcomes = 0;
        for (unsigned j = 0; j < PUSH_REASON_COUNT; j++) {
            outcomes += plan.outcomes[j];
        }
        assert_int_equal(outcomes, plan.row_count); // one each
        scene.question.is_explained = false;
        push_plan_make(&scene.question, scene.arena, &plan);
        assert_int_equal(plan.row_count, 0); // nobody asked
        push_scene_close(&scene);
    }
}

// --- the ladder's column of hints ---------------------------------------------------------------

static const struct push_scene_row ladder[] = {
    // Always, as they stand.
    {NULL, "", "hinted:1", .hints = "</a>" S "; nopush", LEARN("</a>" S "; nopush")},
    {NULL, "", "hinted:1", .hints = "<//cdn.example>; rel=preconnect",
     LEARN("<//cdn.example>; rel=preconnect")},
    {NULL, "", "hinted:1", .hints = "</a>" P "; media=\"(x), y\"",
     LEARN("</a>" P "; media=\"(x), y\"")},
    {NULL, "", "hinted:1", .hints = "</a>" P "; as=image; imagesrcset=\"a 1x, b 2x\"",
     LEARN("</a>" P "; as=image; imagesrcset=\"a 1x, b 2x\"")},
    {NULL, "", "hinted:1", .hints = "<https://cdn.example/a?b#c>" P,
     LEARN("<https://cdn.example/a?b#c>" P)},
    {NULL, "", "hinted:1", .hints = "<a>" P "; crossorigin=use-credentials",
     LEARN("<a>" P "; crossorigin=use-credentials"), .fields = "cookie: a=b"},
    // Where there is no promise.
    {NULL, "/a", "promised:1", .hints = "", LEARN("</a>" P)},
    {NULL, "", "hinted:1", .hints = "</a>" P, LEARN("</a>" P), .is_off = true},
    {NULL, "", "hinted:1", .hints = "</a>" P, LEARN("</a>" P), .has_no_room = true},
    {NULL, "", "hinted:1", .hints = "</a>" P, LEARN("</a>" P),
     .fields = "accept-push-policy: none"},
    {NULL, "", "hinted:1", .hints = "</a>" P, LEARN("</a>" P),
     .fields = "accept-push-policy: head"},
    {NULL, "/a.css /a.js", "promised:2,hinted:3",
     .hints = "</b>" P "|</a.png>" P "|</x>" P "; as=image",
     LEARN("</a.css>" P "\n</a.png>" P "\n</b>" P "\n</a.js>" P "\n</x>" P "; as=image"),
     .fields = "accept-push-policy: fast-load"},
    {NULL, "", "hinted:1", .hints = "</a>" P, LEARN("</a>" P), .is_behind_proxy = true},
    {NULL, "", "hinted:1", .hints = "</a>" P, LEARN("</a>" P), .fields = "authorization: x"},
    {NULL, "", "hinted:1", .hints = "</a>" P, LEARN("</a>" P), .has_stopped = true},
    {NULL, "", "hinted:1", .hints = "</a>" P, LEARN("</a>" P), .is_memory_short = true},
    {NULL, "", "hinted:1", .hints = "</a>" P, LEARN("</a>" P), .fields = "if-none-match: x"},
    {NULL, "", "hinted:1", .hints = "</unwanted>" P, LEARN("</unwanted>" P)},
    {NULL, "", "hinted:1", .hints = "</cached>" P, LEARN("</cached>" P), .is_visitor = true},
    {NULL, "", "hinted:1", .hints = "</other>" P, LEARN("</other>" P), .is_visitor = true},
    {NULL, "/a", "promised:1,hinted:1", .hints = "</b>" P, LEARN("</a>" P "\n</b>" P), .room = 1},
    {NULL, "/a", "promised:1,hinted:1", .hints = "</b>" P, LEARN("</a>" P "\n</b>" P),
     .max_per_page = 1},
    {NULL, "", "hinted:1", .hints = "</a>" P, LEARN("</a>" P), .has_no_room = true,
     .is_full = true},
    // Never.
    {NULL, "", "bad_url:1", .hints = "", LEARN("</a b>" P)},
    {NULL, "", "self:1", .hints = "", LEARN("<?q>" P), .path = "/?q"},
    {NULL, "", "hinted:1,repeated:1", .hints = "</a>" P "; nopush",
     LEARN("</a>" P "; nopush\n</a>" P)},
    {NULL, "", "method:1", .hints = "", LEARN("</a>" P), .method = "POST"},
    {NULL, "", "nested:1", .hints = "", LEARN("</a>" P), .is_promised = true},
    {NULL, "", "nopush:1", .hints = "", LEARN("</a>" P "; nopush"), .is_promised = true},
    {NULL, "", "already:1", .hints = "", LEARN("</a>" P), .known = "/a"},
    {NULL, "", "unfit:1", .hints = "", LEARN("</unfit>" P)},
    {NULL, "", "nopush:1", .hints = "", LEARN("</a>" P "; x-http2-push-only; nopush")},
    {NULL, "", "client:1", .hints = "", LEARN("</a>" P "; x-http2-push-only"), .has_no_room = true},
    {NULL, "", "other_site:1", .hints = "", LEARN("<//cdn.example/a>" P "; x-http2-push-only")},
    {NULL, "/a", "promised:1", .hints = "", LEARN("</a>" P "; x-http2-push-only")},
    // What the element forbids the push of is hinted although the method is another's.
    {NULL, "", "hinted:1", .hints = "<//cdn.example>; rel=preconnect",
     LEARN("<//cdn.example>; rel=preconnect"), .method = "POST"},
    // Nothing can go out: the reason stays.
    {NULL, "", "nopush:1", .is_request = true, .learned = "</a>" P "; nopush"},
    {NULL, "", "hint_only:1", .is_request = true, .learned = "<//cdn.example>; rel=preconnect"},
    {NULL, "", "other_site:1", .is_request = true, .learned = "<//cdn.example/a>" P},
    {NULL, "", "unwanted:1", .is_request = true, .learned = "</unwanted>" P},
    {NULL, "/brief", "promised:1,in_cache:1,returning:1", .is_request = true, .is_visitor = true,
     .learned = "</cached>" P "\n</brief>" P "\n</other>" P},
    // Rungs: who refuses promises is not asked what is in its cache; what is on this connection
    // goes before what a push of it brought, and that before what earlier visits left.
    {NULL, "", "refused:1", .is_request = true, .learned = "</cached>" P, .has_stopped = true,
     .is_visitor = true},
    {NULL, "", "already:1", .is_request = true, .learned = "</cached>" P, .known = "/cached",
     .is_visitor = true},
    {NULL, "", "unfit:1,unwanted:1", .is_request = true, .learned = "</unfit>" P "\n</unwanted>" P,
     .is_visitor = true},
    {NULL, "", "in_cache:1,returning:1", .is_request = true,
     .learned = "</cached>" P "\n</other>" P, .is_visitor = true, .max_per_page = 1, .already = 1},
    {NULL, "", "policy:1", .is_request = true, .learned = "</a.png>" P, .known = "/a.png",
     .fields = "accept-push-policy: fast-load"},
    // At an interim response the origin's own fields are passed on.
    {"</a>" P "; nopush, <//cdn.example>; rel=preconnect", "", "hinted:2", .hints = "",
     .status = 103, .may_hint = true},
    {"</a>" P ", </b>" P, "/a", "promised:1,hinted:1", .hints = "", .status = 103, .may_hint = true,
     .room = 1},
    {"</a>" P "; nopush; x-http2-push-only", "", "nopush:1", "", .hints = "", .status = 103,
     .may_hint = true},
    // Declared ones become elements.
    {NULL, "", "hinted:1", .hints = "</a.css>" S, .is_request = true, .may_hint = true,
     .declare_hints = "/a.css"},
    {NULL, "", "hinted:1", .hints = "</a>" P "; as=fetch; crossorigin", .is_request = true,
     .may_hint = true, .declare_hints = "/a"},
    {NULL, "", "hinted:1", .hints = "</a>" P "; as=font; crossorigin", .is_request = true,
     .may_hint = true, .declare_hints = "/a font"},
    {NULL, "", "hinted:1", .hints = "</a.js?x>" P "; as=script", .is_request = true,
     .may_hint = true, .declare = "/a.js?x", .has_no_room = true},
    {NULL, "", "hinted:1", .hints = "<https://cdn.example>; rel=preconnect; crossorigin",
     .is_request = true, .may_hint = true,
     .declare_hints = "<https://cdn.example>; rel=preconnect; crossorigin"},
};

static void test_ladder(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(ladder) / sizeof(ladder[0]); i++) {
        const struct push_scene_row *row = &ladder[i];
        struct push_scene scene;
        struct push_plan plan;
        char name[512];
        snprintf(name, sizeof(name), "row %zu, %s", i, row->learned != NULL ? row->learned : "");
        push_scene_open(&scene, row);
        push_plan_make(&scene.question, scene.arena, &plan);
        push_scene_expect(name, "promises", push_scene_promises(scene.arena, &plan), row->wanted);
        push_scene_expect(name, "outcomes", push_scene_outcomes(scene.arena, &plan), row->outcomes);
        push_scene_expect(name, "hints", push_scene_hints(scene.arena, &plan),
                          row->hints != NULL ? row->hints : "");
        push_scene_close(&scene);
    }
}

// Logs and metrics tell them apart by these.
static void test_every_reason_has_a_name(void **state) {
    (void)state;
    for (unsigned i = 0; i < PUSH_REASON_COUNT; i++) {
        assert_non_null(push_plan_reason_name((enum push_reason)i));
        for (unsigned j = 0; j < i; j++) {
            assert_string_not_equal(push_plan_reason_name((enum push_reason)i),
                                    push_plan_reason_name((enum push_reason)j));
        }
    }
    for (unsigned i = 0; i < PUSH_SOURCE_COUNT; i++) {
        assert_non_null(push_plan_source_name((enum push_source)i));
    }
}

// --- order and size -----------------------------------------------------------------------------

// Browsers ask in the order of the 103.
static const struct {
    const char *learned;
    const char *hints;
} orders[] = {
    {"</i.png>" P "\n</o>" P "\n</s.css>" P "\n<//c>; rel=preconnect",
     "<//c>; rel=preconnect|</s.css>" P "|</o>" P "|</i.png>" P},
    // Two connections to one site; the same twice is told once.
    {"<//c>; rel=preconnect\n<//c>; rel=preconnect; crossorigin\n<//c>; rel=preconnect",
     "<//c>; rel=preconnect|<//c>; rel=preconnect; crossorigin"},
    {"</1.css>" P "\n</2.js>" P "\n</3.woff2>" P "\n</4.css>" P, // as they came
     "</1.css>" P "|</2.js>" P "|</3.woff2>" P "|</4.css>" P},
    {"</1>" P "; as=image\n</2>" P "; as=fetch\n</3>" P "; as=FONT\n</4>; rel=modulepreload",
     "</3>" P "; as=FONT|</4>; rel=modulepreload|</2>" P "; as=fetch|</1>" P "; as=image"},
    {"</1.mp4>" P "; as=video\n</2.png>" P "\n</3>" P "; as=whatever",
     "</3>" P "; as=whatever|</1.mp4>" P "; as=video|</2.png>" P},
    // fetchpriority: one step up or down, and not past the end.
    {"</1.css>" P "\n</2.css>" P "; fetchpriority=high",
     "</2.css>" P "; fetchpriority=high|</1.css>" P},
    {"</1.css>" P "; fetchpriority=low\n</2>" P "\n</3.css>" P "\n</4.png>" P,
     "</3.css>" P "|</1.css>" P "; fetchpriority=low|</2>" P "|</4.png>" P},
    {"</1.png>" P "\n</2>" P "\n</3.png>" P "; fetchpriority=High",
     "</2>" P "|</3.png>" P "; fetchpriority=High|</1.png>" P},
    {"</1.png>" P "; fetchpriority=low\n</2.png>" P, "</1.png>" P "; fetchpriority=low|</2.png>" P},
    {"</1.png>" P "\n</2>" P "; critical\n</3.css>" P,
     "</2>" P "; critical|</3.css>" P "|</1.png>" P},
    {"<//c>; rel=\"preconnect preload\"; as=image\n</2>" P,
     "</2>" P "|<//c>; rel=\"preconnect preload\"; as=image"},
};

static void test_order(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        struct push_scene_row row = {.has_no_room = true, LEARN(orders[i].learned)};
        struct push_scene scene;
        struct push_plan plan;
        push_scene_open(&scene, &row);
        push_plan_make(&scene.question, scene.arena, &plan);
        push_scene_expect(orders[i].learned, "hints", push_scene_hints(scene.arena, &plan),
                          orders[i].hints);
        push_scene_close(&scene);
    }
}

// A 103 is at most 16 KB: what does not fit keeps its reason, and smaller ones behind it still go.
static void test_size(void **state) {
    (void)state;
    enum { ELEMENT = 4096 - 2 }; // with ", "
    struct push_scene_row row = {.has_no_room = true, LEARN("</0>" P)};
    struct push_scene scene;
    struct push_plan plan;
    push_scene_open(&scene, &row);
    char text[6][ELEMENT + 1];
    for (unsigned i = 0; i < 6; i++) {
        int length = snprintf(text[i], sizeof(text[i]), "</%u>" P "; x=", i);
        memset(text[i] + length, 'x', sizeof(text[i]) - (size_t)length);
        bool is_short = i == 3; // by one byte
        scene.elements[0][i] = slice_of(text[i], ELEMENT - is_short);
    }
    scene.elements[0][6] = SLICE("</6>" P);
    scene.learned.count = 7;
    push_plan_make(&scene.question, scene.arena, &plan);
    assert_int_equal(plan.hint_count, 4); // 16 KB less one byte
    assert_int_equal(plan.outcomes[PUSH_REASON_HINTED], 4);
    assert_int_equal(plan.outcomes[PUSH_REASON_CLIENT], 3);
    scene.elements[0][3] = SLICE("</3>" P);
    push_plan_make(&scene.question, scene.arena, &plan);
    assert_int_equal(plan.hint_count, 5); // the fourth large one does not fit, the last one does
    assert_true(slice_equal(plan.hints[4], SLICE("</6>" P)));
    scene.elements[0][3] = slice_of(text[3], ELEMENT);
    push_plan_make(&scene.question, scene.arena, &plan);
    assert_int_equal(plan.hint_count, 4); // to the byte
    assert_true(slice_starts_with(plan.hints[3], SLICE("</3>")));
    assert_int_equal(plan.outcomes[PUSH_REASON_CLIENT], 3);
    push_scene_close(&scene);
}

// --- several moments of one request -------------------------------------------------------------

static void go_on(struct push_scene *scene, const struct push_plan *plan, enum push_moment moment,
                  int status) {
    struct push_question *question = &scene->question;
    question->moment = moment;
    question->response = &scene->response;
    question->used = plan->used;
    question->used_count = plan->used_count;
    question->already_promised += (unsigned)plan->promise_count;
    question->may_hint = false;
    scene->response.status = status;
}

static void test_hinted_once(void **state) {
    (void)state;
    struct push_scene_row row = {"</a>" P ", </b>" P ", <//cdn.example>; rel=preconnect",
                                 .has_no_room = true,
                                 LEARN("</a>" P "\n<//cdn.example>; rel=preconnect")};
    struct push_scene scene;
    struct push_plan plan;
    push_scene_open(&scene, &row);
    push_plan_make(&scene.question, scene.arena, &plan);
    assert_int_equal(plan.used_count, 1); // a connection is no resource
    push_scene_expect("request", "outcomes", push_scene_outcomes(scene.arena, &plan), "hinted:2");
    go_on(&scene, &plan, PUSH_AT_INTERIM, 103);
    push_plan_make(&scene.question, scene.arena, &plan);
    push_scene_expect("interim", "outcomes", push_scene_outcomes(scene.arena, &plan),
                      "repeated:1,hint_only:1,client:1");
    go_on(&scene, &plan, PUSH_AT_HEAD, 200);
    scene.question.room = 9; // it takes promises by now
    push_plan_make(&scene.question, scene.arena, &plan);
    push_scene_expect("head", "outcomes", push_scene_outcomes(scene.arena, &plan),
                      "repeated:2,hint_only:1");
    push_scene_close(&scene);
}

// What only a hint could have helped may still be promised, when none went out.
static void test_promised_when_not_hinted(void **state) {
    (void)state;
    struct push_scene_row row = {"</a>" P ", <//cdn.example/b>" P, .is_request = true,
                                 .declare_hints = "/a", .learned = "<//cdn.example/b>" P};
    struct push_scene scene;
    struct push_plan plan;
    push_scene_open(&scene, &row);
    push_plan_make(&scene.question, scene.arena, &plan);
    push_scene_expect("request", "outcomes", push_scene_outcomes(scene.arena, &plan),
                      "hint_only:1,other_site:1");
    assert_int_equal(plan.used_count, 0);
    go_on(&scene, &plan, PUSH_AT_HEAD, 200);
    push_plan_make(&scene.question, scene.arena, &plan);
    push_scene_expect("head", "outcomes", push_scene_outcomes(scene.arena, &plan),
                      "promised:1,other_site:1");
    push_scene_close(&scene);
}

static void test_conditional_request(void **state) {
    (void)state;
    for (int may_hint = 0; may_hint <= 1; may_hint++) {
        struct push_scene_row row = {"</a>" P ", </b>" P, .is_request = true,
                                     .fields = "if-none-match: x", .learned = "</a>" P,
                                     .may_hint = may_hint};
        struct push_scene scene;
        struct push_plan plan;
        push_scene_open(&scene, &row);
        push_plan_make(&scene.question, scene.arena, &plan);
        push_scene_expect("request", "outcomes", push_scene_outcomes(scene.arena, &plan),
                          may_hint ? "hinted:1" : "");
        go_on(&scene, &plan, PUSH_AT_HEAD, 200);
        push_plan_make(&scene.question, scene.arena, &plan);
        push_scene_expect("head", "promises", push_scene_promises(scene.arena, &plan),
                          may_hint ? "/b" : "/a /b");
        push_scene_expect("head", "outcomes", push_scene_outcomes(scene.arena, &plan),
                          may_hint ? "promised:1,repeated:2" : "promised:2,repeated:1");
        push_scene_close(&scene);
    }
}

// An event comes after all moments and pushes what none of them named.
static void test_event_comes_last(void **state) {
    (void)state;
    struct push_scene_row row = {"</a>" P};
    struct push_scene scene;
    struct push_plan plan;
    push_scene_open(&scene, &row);
    push_plan_make(&scene.question, scene.arena, &plan);
    go_on(&scene, &plan, PUSH_AT_EVENT, 200); // with the response, whose links were looked at
    scene.question.event = SLICE("</a>" P ", </e>" P ", <//cdn.example>; rel=preconnect");
    push_plan_make(&scene.question, scene.arena, &plan);
    push_scene_expect("event", "promises", push_scene_promises(scene.arena, &plan), "/e");
    push_scene_expect("event", "outcomes", push_scene_outcomes(scene.arena, &plan),
                      "promised:1,repeated:1,hint_only:1");
    assert_false(plan.has_rewritten_links);
    push_scene_close(&scene);
}

// Beyond the bound nothing is remembered, so nothing is hinted either: it could be hinted twice.
static void test_too_many_candidates(void **state) {
    (void)state;
    struct push_scene_row row = {.has_no_room = true, LEARN("</a>" P)};
    struct push_scene scene;
    struct push_plan plan;
    push_scene_open(&scene, &row);
    struct url *used = arena_alloc(scene.arena, 512 * sizeof(*used));
    for (unsigned i = 0; i < 512; i++) {
        used[i] =
            (struct url){SLICE("https"), SLICE("example.org"), arena_printf(scene.arena, "/%u", i)};
    }
    scene.question.used = used;
    scene.question.used_count = 512;
    push_plan_make(&scene.question, scene.arena, &plan);
    assert_int_equal(plan.hint_count, 0);
    assert_int_equal(plan.outcomes[PUSH_REASON_TOO_MANY], 1);
    scene.question.used_count = 511;
    push_plan_make(&scene.question, scene.arena, &plan);
    assert_int_equal(plan.used_count, 512);
    push_scene_close(&scene);
}

// --- what the client has ------------------------------------------------------------------------

// `given`: for the cookie, so only where there is a visitor; hinted or not.
static const struct {
    struct push_scene_row row;
    const char *given;
} gifts[] = {
    {{.is_request = true, .learned = "</a>" P}, ""},
    {{.is_request = true,
      .learned = "</brief>" P "\n</cached>" P "\n</other>" P "\n</known>" P,
      .is_visitor = true,
      .known = "/known"},
     "/brief /cached /other /known"},
    {{.is_visitor = true, LEARN("</brief>" P "\n</cached>" P "\n</other>" P)},
     "/brief /cached /other"},
    {{.is_visitor = true, LEARN("</unfit>" P "\n</a>" P "; nopush\n</unwanted>" P)}, ""},
    {{.is_visitor = true, .has_no_room = true, LEARN("</a>" P "\n</cached>" P)}, ""},
    {{.is_visitor = true, .links = "</brief>" P}, "/brief"},
};

static void test_given(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(gifts) / sizeof(gifts[0]); i++) {
        struct push_scene scene;
        struct push_plan plan;
        char name[32];
        snprintf(name, sizeof(name), "row %zu", i);
        push_scene_open(&scene, &gifts[i].row);
        push_plan_make(&scene.question, scene.arena, &plan);
        struct slice given = SLICE_EMPTY;
        for (size_t j = 0; j < plan.given_count; j++) {
            given = push_scene_join(scene.arena, given, " ", plan.given[j].path);
        }
        push_scene_expect(name, "given", given, gifts[i].given);
        push_scene_close(&scene);
    }
}

static const struct {
    struct push_scene_row row;
    const char *condition; // of the promise
} conditions[] = {
    {{NULL, "", "already:1", .learned = "</stale>" P, .known = "/stale"}, ""},
    {{NULL, "/stale", "promised:1", .learned = "</stale>" P, .known = "/stale",
      .may_revalidate = true},
     "\"v\""},
    {{NULL, "/stale", "promised:1", .learned = "</stale>" P, .may_revalidate = true}, ""}, // is new
    {{NULL, "/changed", "promised:1", .learned = "</changed>" P, .known = "/changed",
      .may_revalidate = true},
     ""},
    {{NULL, "", "already:1", .learned = "</a>" P, .known = "/a", .may_revalidate = true}, ""},
    // What is known of this connection is better than what the visitor's cookie says.
    {{NULL, "/stale", "promised:1", .learned = "</stale>" P, .known = "/stale",
      .may_revalidate = true, .is_visitor = true},
     "\"v\""},
    {{NULL, "", "too_many:1", .learned = "</stale>" P, .known = "/stale", .may_revalidate = true,
      .max_per_page = 1, .already = 1},
     ""},
    {{NULL, "", "refused:1", .learned = "</stale>" P, .known = "/stale", .may_revalidate = true,
      .has_stopped = true},
     ""},
};

static void test_conditions(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        struct push_scene_row row = conditions[i].row;
        struct push_scene scene;
        struct push_plan plan;
        char name[32];
        snprintf(name, sizeof(name), "row %zu", i);
        row.is_request = true;
        push_scene_open(&scene, &row);
        push_plan_make(&scene.question, scene.arena, &plan);
        push_scene_expect(name, "promises", push_scene_promises(scene.arena, &plan), row.wanted);
        push_scene_expect(name, "outcomes", push_scene_outcomes(scene.arena, &plan), row.outcomes);
        if (plan.promise_count > 0) {
            const struct headers *headers = &plan.promises[0].request.headers;
            push_scene_expect(name, "condition", headers_value(headers, HEADER_IF_NONE_MATCH),
                              conditions[i].condition);
            assert_false(headers_has(headers, HEADER_IF_MODIFIED_SINCE));
        }
        push_scene_close(&scene);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_ladder),
        cmocka_unit_test(test_every_reason_has_a_name),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_hinted_once),
        cmocka_unit_test(test_promised_when_not_hinted),
        cmocka_unit_test(test_conditional_request),
        cmocka_unit_test(test_event_comes_last),
        cmocka_unit_test(test_too_many_candidates),
        cmocka_unit_test(test_given),
        cmocka_unit_test(test_conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
