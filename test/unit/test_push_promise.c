// SPDX-License-Identifier: Apache-2.0
// The promised request: its fields and its priority.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "push_scene.h"

// --- the promised request ---------------------------------------------------------------------

#define BROWSER                                                                                    \
    "user-agent: UA\naccept: text/html,image/avif,image/webp\naccept-language: de\n"               \
    "accept-encoding: gzip, br\n"

static const struct {
    const char *link;
    const char *fields;
    enum config_credentials credentials;
    const char *wanted; // header fields, joined with '|'
} promised[] = {
    {"</a>" P, "", CONFIG_CREDENTIALS_NONE, "accept: */*|referer: https://example.org/dir/page?q"},
    {"</a>" P "; as=style", BROWSER, CONFIG_CREDENTIALS_NONE,
     "accept: text/css,*/*;q=0.1|accept-encoding: gzip, br|accept-language: de|user-agent: UA|"
     "referer: https://example.org/dir/page?q"},
    {"</a>" P "; as=script",
     "accept-encoding: br\naccept-encoding: gzip\ncookie: a=b\nrange: bytes=0-\n"
     "if-none-match: x\nif-modified-since: x\nif-range: x\nif-match: x\nexpect: 100-continue\n"
     "x-token: t\ncache-control: no-cache\nreferer: https://elsewhere/\norigin: https://x\n"
     "content-type: x\nsec-fetch-mode: navigate\nte: trailers\npriority: u=0",
     CONFIG_CREDENTIALS_NONE,
     "accept: */*|accept-encoding: br|accept-encoding: gzip|"
     "referer: https://example.org/dir/page?q"},
    {"</a>" P, "tracestate: a=1\ntraceparent: 00-1\ntracestate: b=2\nx-request-id: 1",
     CONFIG_CREDENTIALS_NONE,
     "accept: */*|traceparent: 00-1|tracestate: a=1|tracestate: b=2|"
     "referer: https://example.org/dir/page?q"}, // of the same trace, but not the same request
    {"</a>" P, "cookie: a=b; c=d", CONFIG_CREDENTIALS_COOKIES,
     "accept: */*|referer: https://example.org/dir/page?q|cookie: a=b; c=d"},
    {"</a>" P, "cookie: a=b\nauthorization: Bearer x", CONFIG_CREDENTIALS_ALL,
     "accept: */*|referer: https://example.org/dir/page?q|cookie: a=b|authorization: Bearer x"},
    {"<https://static.example.org/a>" P, "cookie: a=b\nauthorization: x", CONFIG_CREDENTIALS_ALL,
     "accept: */*|referer: https://example.org/"}, // not this site's credentials
};

static void test_promised_fields(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(promised) / sizeof(promised[0]); i++) {
        struct push_scene_row row = {promised[i].link, .fields = promised[i].fields,
                                     .credentials = promised[i].credentials,
                                     .has_authorities = true};
        struct push_scene scene;
        struct push_plan plan;
        push_scene_open(&scene, &row);
        push_plan_make(&scene.question, scene.arena, &plan);
        assert_int_equal(plan.promise_count, 1);
        const struct request_head *request = &plan.promises[0].request;
        struct slice got = SLICE_EMPTY;
        for (uint32_t j = 0; j < request->headers.count; j++) {
            const struct header *field = &request->headers.rows[j];
            got = push_scene_join(scene.arena, got, "|",
                                  arena_printf(scene.arena, "%.*s: %.*s", SLICE_ARGS(field->name),
                                               SLICE_ARGS(field->value)));
        }
        push_scene_expect(promised[i].fields, "fields", got, promised[i].wanted);
        push_scene_expect(promised[i].link, "method", request->method, "GET");
        push_scene_expect(promised[i].link, "scheme", request->scheme, "https");
        assert_true(request->is_end && request->content_length == BODY_NONE);
        push_scene_close(&scene);
    }
}

static const struct {
    const char *link;
    const char *accept_of_page;
    const char *as;
    const char *accept;
    struct priority priority;
} kinds[] = {
    {"</a>" P "; as=style", "", "style", "text/css,*/*;q=0.1", {2, false}},
    {"</a>" P "; as=\"STYLE\"", "", "style", "text/css,*/*;q=0.1", {2, false}},
    {"</a>" P "; as=style; fetchpriority=high", "", "style", "text/css,*/*;q=0.1", {1, false}},
    {"</a>" P "; as=style; fetchpriority=low", "", "style", "text/css,*/*;q=0.1", {3, false}},
    {"</a>" P "; as=style; fetchpriority=auto", "", "style", "text/css,*/*;q=0.1", {2, false}},
    {"</a>" P "; as=script", "", "script", "*/*", {2, false}},
    {"</a>; rel=modulepreload", "", "script", "*/*", {2, false}},
    {"</a>; rel=modulepreload; as=worker", "", "worker", "*/*", {3, false}},
    {"</a>" P "; as=font; crossorigin", "", "font", "*/*", {2, false}},
    {"</a>" P "; as=fetch", "", "fetch", "*/*", {3, false}},
    {"</a>" P "; as=fetch; critical", "", "fetch", "*/*", {2, false}},
    {"</a>" P "; as=fetch; fetchpriority=LOW", "", "fetch", "*/*", {4, false}},
    {"</a>" P "; as=image", "", "image", "image/*,*/*;q=0.8", {5, true}},
    {"</a>" P "; as=image",
     "text/html, image/webp",
     "image",
     "image/webp,image/apng,image/*,*/*;q=0.8",
     {5, true}},
    {"</a>" P "; as=image",
     "image/webp,image/avif",
     "image",
     "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
     {5, true}},
    {"</a>" P "; as=image; fetchpriority=high", "", "image", "image/*,*/*;q=0.8", {3, true}},
    {"</a>" P "; as=image; fetchpriority=low", "", "image", "image/*,*/*;q=0.8", {6, true}},
    {"</a>" P "; as=video", "", "video", "*/*", {5, true}},
    {"</a>" P "; as=audio", "", "audio", "*/*", {5, true}},
    {"</a>" P "; as=track", "", "track", "*/*", {3, false}},
    {"</a>" P "; as=json", "", "json", "application/json,*/*;q=0.5", {3, false}},
    {"</a>" P "; as=document",
     "",
     "document",
     "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
     {3, false}},
    {"</a>" P, "", "", "*/*", {3, false}},
    {"</a>" P "; as=nonsense", "", "", "*/*", {3, false}},
    {"</a.css>" P "; as=nonsense", "", "", "*/*", {3, false}},
    {"</a.css>" P, "", "style", "text/css,*/*;q=0.1", {2, false}}, // by its name
    {"</a.CSS?v=1.png>" P, "", "style", "text/css,*/*;q=0.1", {2, false}},
    {"</a.js>" P, "", "script", "*/*", {2, false}},
    {"</a.woff2>" P, "", "font", "*/*", {2, false}},
    {"</a.png>" P, "", "image", "image/*,*/*;q=0.8", {5, true}},
    {"</a.png>" P "; as=script", "", "script", "*/*", {2, false}},
};

static void test_kinds(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct push_scene_row row = {kinds[i].link};
        struct push_scene scene;
        struct push_plan plan;
        push_scene_open(&scene, &row);
        headers_add(&scene.request.headers, SLICE("accept"),
                    slice_of_text(kinds[i].accept_of_page));
        push_plan_make(&scene.question, scene.arena, &plan);
        assert_int_equal(plan.promise_count, 1);
        const struct push_promise *promise = &plan.promises[0];
        push_scene_expect(kinds[i].link, "as", promise->as, kinds[i].as);
        push_scene_expect(kinds[i].link, "accept",
                          headers_value(&promise->request.headers, HEADER_ACCEPT), kinds[i].accept);
        if (promise->priority.urgency != kinds[i].priority.urgency ||
            promise->priority.is_incremental != kinds[i].priority.is_incremental) {
            fail_msg("%s: urgency %u", kinds[i].link, promise->priority.urgency);
        }
        push_scene_close(&scene);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promised_fields),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
