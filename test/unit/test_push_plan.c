// SPDX-License-Identifier: Apache-2.0
// Question in, plan out: one line per case; the rows named R come from PUSH section 6.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "push_scene.h"

static const struct push_scene_row rows[] = {
    // What is a candidate, and what its element says.
    {"</a>" P, "/a", "promised:1"},
    {"</a>; rel=modulepreload", "/a", "promised:1"},
    {"</a>" P ", </b>" P, "/a /b", "promised:2"},
    {"</a>" P "\n</b>" P, "/a /b", "promised:2"},
    {"</a>; rel=stylesheet", "", ""},
    {"</a>; rel=prefetch", "", ""},
    {"<//cdn.example>; rel=dns-prefetch", "", ""},
    {"</a>", "", ""},
    {"", "", ""},
    {"hogefoo", "", ""},
    {"<https://cdn.example>; rel=preconnect", "", "hint_only:1"},
    {"</a>; rel=preconnect", "", "hint_only:1"},
    {"</a>; rel=\"preconnect preload\"", "/a", "promised:1"},
    {"</a>" P "; nopush", "", "nopush:1"},
    {"</a>" P "; nopush=yes", "", "nopush:1"},
    {"</a>" P "; nopush, </a>" P, "/a", "promised:1,nopush:1"},
    {"</a>" P "; media=\"(max-width: 9px)\"", "", "hint_only:1"},
    {"</a>" P "; media=all", "/a", "promised:1"},
    {"</a>" P "; as=image; imagesrcset=\"a 1x, b 2x\"", "", "hint_only:1"},
    {"</a>" P "; as=image; imagesizes=50vw", "", "hint_only:1"},
    {"</a>" P "; as=font; crossorigin", "/a", "promised:1"},
    {"</a>" P "; as=font; crossorigin=anonymous", "/a", "promised:1"},
    {"</a>" P "; crossorigin=use-credentials", "/a", "promised:1"},
    {"</a>" P "; crossorigin=use-credentials", "", "hint_only:1", .fields = "cookie: a=b"},
    {"</a>" P "; crossorigin=use-credentials", "/a", "promised:1", .fields = "cookie: a=b",
     .credentials = CONFIG_CREDENTIALS_COOKIES},
    {"</a>" P "; loadpolicy=next", "", ""},
    {"</a>" P "; as=", "/a", "promised:1"},
    {"</a>" P "; as=whatever", "/a", "promised:1"},
    // Anchors.
    {"</a>" P "; anchor=\"\"", "/a", "promised:1"},
    {"</a>" P "; anchor=\"#foo\"", "", ""},
    {"</a>" P "; anchor=\"/other\"", "", ""},
    {"</a>" P "; anchor=\"/dir/page?q\"", "/a", "promised:1"},
    {"</a>" P "; anchor=\"page?q\"", "/a", "promised:1"},
    {"</a>" P "; anchor=\"https://Example.org:443/dir/./page?q\"", "/a", "promised:1"},
    {"</a>" P "; anchor=\"page\"", "", ""},
    {"</a>" P "; anchor=\"page?q#foo\"", "", ""},
    {"</a>" P "; anchor=\"https://other.example/dir/page?q\"", "", ""},
    {"</a>" P "; anchor=\"#foo\"; x-http2-push-only", "", ""},
    // URLs.
    {"<a>" P, "/dir/a", "promised:1"},
    {"<../a?b#c>" P, "/a?b", "promised:1"},
    {"<https://EXAMPLE.org:443/a>" P, "/a", "promised:1"},
    {"<//example.org/a>" P, "/a", "promised:1"},
    {"<?b>" P, "/dir/page?b", "promised:1"},
    {"<>" P, "", "bad_url:1"}, // R26
    {"</a b>" P, "", "bad_url:1"},
    {"< /a>" P, "", "bad_url:1"},
    {"</a\\b>" P, "", "bad_url:1"},
    {"</\xc3\xa9>" P, "", "bad_url:1"},
    {"<https://user@example.org/a>" P, "", "bad_url:1"},
    {"<data:,x>" P, "", "bad_url:1"},
    {"<.//cdn.example/x.js>" P, "/dir//cdn.example/x.js", "promised:1"},
    {"</.//cdn.example/x.js>" P, "", "bad_url:1"},
    {"<//cdn.example/x.js>" P, "", "other_site:1"}, // R30
    {"<http://example.org/a>" P, "", "other_site:1"},
    {"<https://example.org:8443/a>" P, "", "other_site:1"},
    {"<https://example.org.evil/a>" P, "", "other_site:1"},
    {"<https://static.example.org/a>" P, "", "other_site:1"},
    {"<https://static.example.org/a>" P, "/a", "promised:1", .has_authorities = true},
    {"<https://STATIC.example.org:443/a>" P, "/a", "promised:1", .has_authorities = true},
    {"<http://static.example.org/a>" P, "", "other_site:1", .has_authorities = true},
    {"<https://other.example.org/a>" P, "", "other_site:1", .has_authorities = true},
    {"<https://static.example.org/a>" P ", </a>" P, "/a /a", "promised:2", .has_authorities = true},
    {"<a.css?x#frag>" P ", </a.css#frag>" P, "/dir/a.css?x /a.css", "promised:2"}, // R29
    {"</dir/page?q>" P, "", "self:1"},
    {"<#top>" P, "", "self:1"},
    {"<page?q>" P, "", "self:1"},
    {"<https://example.org/dir/page?q#x>" P, "", "self:1"},
    {"</dir/page>" P, "/dir/page", "promised:1"},
    {"</page>" P, "", "self:1", .path = "/x/../page"},
    {"</a>" P ", <https://example.org/a>" P ", <../a#x>" P, "/a", "promised:1,repeated:2"},
    {"</a>" P ", </a>" P "\n</a>" P, "/a", "promised:1,repeated:2"},
    {"</a|b>" P ", </a%7Cb>" P, "/a%7Cb", "promised:1,repeated:1"},
    // The page.
    {"</a>" P, "", "off:1", .is_off = true},
    {"</a>" P, "", "method:1", .method = "HEAD"},
    {"</a>" P, "", "method:1", .method = "POST"},
    {"</a>" P, "", "method:1", .method = "get"},
    {"</a>" P, "/a", "promised:1", .status = 201},
    {"</a>" P, "/a", "promised:1", .status = 204},
    {"</a>" P, "", "status:1", .status = 206},
    {"</a>" P, "", "status:1", .status = 301},
    {"</a>" P, "", "status:1", .status = 302},
    {"</a>" P, "", "status:1", .status = 304},
    {"</a>" P, "", "status:1", .status = 404},
    {"</a>" P, "", "status:1", .status = 500},
    {"</a>" P, "/a", "promised:1", .status = 103},
    {"</a>" P, "/a", "promised:1", .status = 102},
    {"</a>" P, "/a", "promised:1", .status = 199},
    {"</a>" P, "/a", "promised:1", .status = 299},
    {"</a>" P, "", "status:1", .status = 101},
    {"</a>" P, "", "nested:1", .is_promised = true},
    {"</a>" P, "", "client:1", .has_no_room = true},
    {"</a>" P, "", "too_many:1", .has_no_room = true, .is_full = true},
    {"</a>" P, "", "too_many:1", .has_no_room = true, .already = 2},
    {"</a>" P, "", "policy:1", .fields = "accept-push-policy: none"},
    {"</a>" P, "", "policy:1", .fields = "accept-push-policy: Head; x"},
    {"</a>" P, "", "policy:1", .fields = "accept-push-policy: fast-load"},
    {"</a.css>" P, "/a.css", "promised:1", .fields = "accept-push-policy: fast-load"},
    {"</a>" P, "/a", "promised:1", .fields = "accept-push-policy: default"},
    {"</a>" P, "", "behind_proxy:1", .is_behind_proxy = true},
    {"</a>" P, "/a", "promised:1", .is_behind_proxy = true, .on_behind_proxy = true},
    {"</a>" P, "", "credentials:1", .fields = "authorization: Basic x"},
    {"</a>" P, "", "credentials:1", .fields = "authorization: Basic x",
     .credentials = CONFIG_CREDENTIALS_COOKIES},
    {"</a>" P, "/a", "promised:1", .fields = "authorization: Basic x",
     .credentials = CONFIG_CREDENTIALS_ALL},
    {"</a>" P, "/a", "promised:1", .fields = "cookie: a=b"},
    {"</a>" P, "", "refused:1", .has_stopped = true},
    {"</a>" P ", </b>" P, "", "memory:2", .is_memory_short = true},
    {"</a>" P ", </b>" P, "/b", "promised:1,already:1", .known = "/a"},
    {"</unfit>" P ", </b>" P, "/b", "promised:1,unfit:1"},
    {"</unfit-for-users>" P, "/unfit-for-users", "promised:1"},
    {"</unfit-for-users>" P, "", "unfit:1", .fields = "cookie: a=b"},
    {"</unfit-for-users>" P, "/unfit-for-users", "promised:1", .fields = "cookie: a=b",
     .credentials = CONFIG_CREDENTIALS_ALL},
    {"</a>" P ", </b>" P ", </c>" P, "/a /b", "promised:2,too_many:1", .room = 2},
    {"</a>" P ", </b>" P ", </c>" P, "/a /b", "promised:2,too_many:1", .max_per_page = 2},
    {"</a>" P ", </b>" P, "/a", "promised:1,too_many:1", .max_per_page = 5, .already = 4},
    {"</a>" P ", </b>" P, "", "too_many:2", .max_per_page = 5, .already = 5},
    // Two rungs at once: the first counts.
    {"<http://x/>" P "; nopush; media=x", "", "nopush:1", .is_off = true, .method = "POST"},
    {"<//cdn>" P "; media=x", "", "hint_only:1", .is_off = true},
    {"<//cdn>" P, "", "other_site:1", .is_off = true},
    {"</a>" P, "", "off:1", .is_off = true, .method = "POST", .status = 404},
    {"</a>" P, "", "method:1", .method = "POST", .status = 404, .is_promised = true},
    {"</a>" P, "", "status:1", .status = 404, .is_promised = true, .has_no_room = true},
    {"</a>" P, "", "client:1", .has_no_room = true, .is_behind_proxy = true},
    {"</a>" P, "", "policy:1", .is_behind_proxy = true, .fields = "accept-push-policy: none"},
    {"</a>" P, "", "behind_proxy:1", .is_behind_proxy = true, .fields = "authorization: x"},
    {"</a>" P, "", "credentials:1", .fields = "authorization: x", .has_stopped = true},
    {"</a>" P, "", "refused:1", .has_stopped = true, .is_memory_short = true},
    {"</a>" P, "", "memory:1", .is_memory_short = true, .known = "/a"},
    {"</unfit>" P, "", "already:1", .known = "/unfit", .max_per_page = 1, .already = 1},
    {"</unfit>" P, "", "unfit:1", .max_per_page = 1, .already = 1},
    // Declared.
    {NULL, "/a /b?c", "promised:2", .is_request = true, .declare = "/a /b?c"},
    {NULL, "/dir/a", "promised:1", .is_request = true, .declare = "a"},
    {NULL, "", "", .is_request = true},
    {NULL, "/a", "promised:1,bad_url:1", .is_request = true, .declare = "/a\\ /a"},
    {NULL, "", "method:1", .is_request = true, .declare = "/a", .method = "POST"},
    {NULL, "", "off:1", .is_request = true, .declare = "/a", .is_off = true},
    {NULL, "", "nested:1", .is_request = true, .declare = "/a", .is_promised = true},
    {NULL, "", "client:1", .is_request = true, .declare = "/a", .has_no_room = true},
    {NULL, "", "already:1", .is_request = true, .declare = "/a", .known = "/a"},
    {NULL, "", "self:1", .is_request = true, .declare = "/dir/page?q"},
    {NULL, "/a", "promised:1,repeated:1", .is_request = true, .declare = "/a /a"},
    {NULL, "/a", "promised:1,too_many:1", .is_request = true, .declare = "/a /b", .room = 1},
    {"</b>" P, "/b", "promised:1", .declare = "/a"},
    {"</b>" P, "/b", "promised:1", .declare = "/a", .status = 103},
    // Not before the head, which may say 304 or 206.
    {NULL, "", "", .is_request = true, .declare = "/a", .fields = "if-none-match: \"x\""},
    {NULL, "", "", .is_request = true, .declare = "/a", .fields = "range: bytes=5-"},
    {"</b>" P, "/b", "promised:1", .declare = "/a", .status = 103,
     .fields = "if-modified-since: x"},
    {"</b>" P, "/a /b", "promised:2", .declare = "/a", .fields = "if-modified-since: x"},
    {NULL, "", "status:1", .declare = "/a", .fields = "if-none-match: \"x\"", .status = 304},
    // x-http2-push-only.
    {"</a>" P "; x-http2-push-only", "/a", "promised:1", ""},
    {"</a>" P "; X-HTTP2-Push-Only=1, </b>" P, "/a /b", "promised:2", "</b>" P},
    {"</a>" P "; x-http2-push-only, </b>" P "; nopush", "", "nopush:1,off:1", "</b>" P "; nopush",
     .is_off = true},
    {"</a>" P "; x-http2-push-only; nopush", "", "nopush:1", ""},
    {"</a>; rel=modulepreload; x-http2-push-only", "", "client:1", "", .has_no_room = true},
    {"</a>" P "; x-http2-push-only\n</b>;  x=\"1, 2\"" P, "/a /b", "promised:2",
     "</b>;  x=\"1, 2\"" P},
    {"</b>" P "\n</a>" P "; x-http2-push-only\n</c>" P "", "/b /a /c", "promised:3",
     "</b>" P "|</c>" P},
    {"</a>" P "; x-http2-push-only", "/a", "promised:1", "", .status = 103},
    {"</a>" P "; x-http2-push-only", "", "status:1", "", .status = 404},
    {"</a>; rel=stylesheet; x-http2-push-only", "", ""},
    {"</a>; rel=preconnect; x-http2-push-only", "", "hint_only:1"},
    {"</a>" P "; x-http2-push-onlyx", "/a", "promised:1"},
    {"bad, </a>" P "; x-http2-push-only, <c", "/a", "promised:1", "bad, <c"},
    // h2o's cases.
    {"<http://basehost/otherpath>" P, "/otherpath", "promised:1", .is_cleartext = true}, // R01
    {"</otherpath>" P, "/otherpath", "promised:1", .is_cleartext = true},                // R02
    {"<otherpath>" P, "/basepath/otherpath", "promised:1", .is_cleartext = true},        // R03
    {"<../otherpath>" P, "/otherpath", "promised:1", .is_cleartext = true},              // R04
    {"<http:otherpath>" P, "/basepath/otherpath", "promised:1", .is_cleartext = true},   // R05
    {"<http://basehost/otherpath>; rel=author", "", "", .is_cleartext = true},           // R06
    {"<http://basehost:81/otherpath>" P, "", "other_site:1", .is_cleartext = true},      // R07
    {"<https://basehost/otherpath>" P, "", "other_site:1", .is_cleartext = true},        // R08
    {"<https:otherpath>" P, "", "bad_url:1", .is_cleartext = true},                      // R09
    {"</otherpath>" P "; nopush", "", "nopush:1", .is_cleartext = true},                 // R13
    {"</otherpath>" P "; x-http2-push-only", "/otherpath", "promised:1", "",
     .is_cleartext = true},                                                            // R14
    {"</otherpath>" P "; critical", "/otherpath", "promised:1", .is_cleartext = true}, // R15
    {"</firstpath>" P ", </secondpath>" P, "/firstpath /secondpath", "promised:2",
     .is_cleartext = true}, // R16
    {"</firstpath>" P "; nopush, </secondpath>" P, "/secondpath", "promised:1,nopush:1",
     .is_cleartext = true}, // R17
    {"</firstpath>" P "; nopush, </secondpath>; nopush" P "; </thirdpath>", "", "nopush:1",
     .is_cleartext = true}, // R18
    {"</firstpath>" P "; nopush, </secondpath>; rel=notpreload", "", "nopush:1",
     .is_cleartext = true}, // R19
    {"</first>" P ", </second>" P "; nopush, </third>" P, "/first /third", "promised:2,nopush:1",
     .is_cleartext = true},                    // R20
    {"hogefoo", "", "", .is_cleartext = true}, // R21
    {"</111>" P ", </222>" P "; nopush, </333>" P "; x-http2-push-only, </444>" P, "/111 /333 /444",
     "promised:3,nopush:1", "</111>" P ", </222>" P "; nopush, </444>" P,
     .is_cleartext = true},                                             // R22
    {"<https://example.org/foo>" P, "/foo", "promised:1"},              // R23
    {"</foo/bar?q=a>" P, "/foo/bar?q=a", "promised:1"},                 // R24
    {"<foo/../bar?q=a>" P, "/b/bar?q=a", "promised:1", .path = "/b/c"}, // R25
    {"<?q=a>" P, "/b/?q=a", "promised:1", .path = "/b/"},               // R27
    {"</resource>; as=script", "", ""},                                 // R31
    {"</resource>" P "; nopush;rel=next", "", "nopush:1"},              // R31
    {"<malformed" P, "", ""},                                           // R31
    {">x<" P ", </a>" P, "/a", "promised:1"},                           // R32
};

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct push_scene_row *row = &rows[i];
        const char *input = row->links != NULL ? row->links : row->declare;
        input = input != NULL ? input : "nothing";
        struct push_scene scene;
        struct push_plan plan;
        push_scene_open(&scene, row);
        push_plan_make(&scene.question, scene.arena, &plan);
        push_scene_expect(input, "promises", push_scene_promises(scene.arena, &plan), row->wanted);
        push_scene_expect(input, "outcomes", push_scene_outcomes(scene.arena, &plan),
                          row->outcomes);
        struct slice left = SLICE_EMPTY;
        for (size_t j = 0; j < plan.rewritten_link_count; j++) {
            assert_true(plan.rewritten_links[j].length > 0);
            left = push_scene_join(scene.arena, left, "|", plan.rewritten_links[j]);
        }
        if (plan.has_rewritten_links != (row->left != NULL)) {
            fail_msg("%s: rewritten: %d", input, plan.has_rewritten_links);
        }
        push_scene_expect(input, "left", left, row->left != NULL ? row->left : "");
        push_scene_close(&scene);
    }
}

// Nothing to plan costs nothing.
static void test_no_candidates_no_allocation(void **state) {
    (void)state;
    static const struct push_scene_row quiet[] = {
        {NULL, NULL, NULL},
        {NULL, NULL, NULL, .is_request = true},
        {NULL, NULL, NULL, .declare = "/a"}, // used at the request
        {NULL, NULL, NULL, .declare = "/a", .status = 103},
    };
    for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
        struct push_scene scene;
        struct push_plan plan;
        push_scene_open(&scene, &quiet[i]);
        size_t used = arena_used(scene.arena);
        push_plan_make(&scene.question, scene.arena, &plan);
        assert_int_equal(arena_used(scene.arena), used);
        assert_int_equal(plan.promise_count, 0);
        assert_false(plan.has_rewritten_links);
        push_scene_close(&scene);
    }
}

// Each candidate is used once per request, over all its moments.
static void test_moments_of_one_request(void **state) {
    (void)state;
    struct push_scene_row row = {"</b>" P ", </a>" P ", </c>" P, .declare = "/a"};
    struct push_scene scene;
    struct push_plan plan;
    push_scene_open(&scene, &row);
    scene.question.moment = PUSH_AT_REQUEST;
    scene.question.response = NULL;
    push_plan_make(&scene.question, scene.arena, &plan);
    push_scene_expect("request", "promises", push_scene_promises(scene.arena, &plan), "/a");
    assert_int_equal(plan.used_count, 1);

    scene.question.moment = PUSH_AT_INTERIM;
    scene.question.response = &scene.response;
    scene.response.status = 103;
    scene.question.used = plan.used;
    scene.question.used_count = plan.used_count;
    scene.question.already_promised = 1;
    scene.policy.max_per_page = 2;
    push_plan_make(&scene.question, scene.arena, &plan);
    push_scene_expect("interim", "promises", push_scene_promises(scene.arena, &plan), "/b");
    push_scene_expect("interim", "outcomes", push_scene_outcomes(scene.arena, &plan),
                      "promised:1,repeated:1,too_many:1");
    assert_int_equal(plan.used_count, 3);

    scene.question.moment = PUSH_AT_HEAD;
    scene.response.status = 200;
    scene.question.used = plan.used;
    scene.question.used_count = plan.used_count;
    push_plan_make(&scene.question, scene.arena, &plan);
    push_scene_expect("head", "outcomes", push_scene_outcomes(scene.arena, &plan), "repeated:3");
    assert_int_equal(plan.used_count, 3);

    scene.question.response = NULL; // nothing new: what was used stays known
    push_plan_make(&scene.question, scene.arena, &plan);
    assert_int_equal(plan.used_count, 3);
    assert_ptr_equal(plan.used, scene.question.used);
    push_scene_close(&scene);
}

// The parser's limit shows, and what is remembered for one request has an end.
static void test_many_elements(void **state) {
    (void)state;
    struct push_scene_row row = {NULL, .room = 1000, .max_per_page = 1000};
    struct push_scene scene;
    struct push_plan plan;
    push_scene_open(&scene, &row);
    for (unsigned i = 0; i < 300; i++) {
        headers_add(&scene.response.headers, SLICE("link"),
                    arena_printf(scene.arena, "</%u>; rel=preload; x-http2-push-only", i));
    }
    scene.question.used_count = 0;
    for (unsigned moment = 0; moment < 3; moment++) {
        push_plan_make(&scene.question, scene.arena, &plan);
        assert_int_equal(plan.ignored_elements, 300 - 256);
        assert_int_equal(plan.rewritten_link_count, 300 - 256); // not read, so forwarded
        scene.question.used = plan.used;
        scene.question.used_count = plan.used_count;
        scene.request.path = arena_printf(scene.arena, "/%u/", moment);
        for (uint32_t i = 0; i < scene.response.headers.count; i++) {
            struct header *field = &scene.response.headers.rows[i];
            if (field->id == HEADER_LINK) {
                field->value = arena_printf(scene.arena, "<%u>; rel=preload; x-http2-push-only", i);
            }
        }
    }
    assert_int_equal(plan.used_count, 512);
    assert_int_equal(plan.outcomes[PUSH_REASON_TOO_MANY], 256);
    push_scene_close(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_no_candidates_no_allocation),
        cmocka_unit_test(test_moments_of_one_request),
        cmocka_unit_test(test_many_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
