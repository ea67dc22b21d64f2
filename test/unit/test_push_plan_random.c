// SPDX-License-Identifier: Apache-2.0
// At random: no promise in a forbidden cell. The seed is fixed, so a failure comes again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "push_scene.h"

static uint64_t random_state = 88172645463325252ULL;

static unsigned random_below(unsigned bound) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 16) % bound);
}

static bool one_in(unsigned count) {
    return random_below(count) == 0;
}

#define PICK(array) (array)[random_below(sizeof(array) / sizeof((array)[0]))]

// Targets named forbidden-* come with a reason in the same element.
static struct slice random_links(struct arena *arena) {
    static const char *const elements[] = {
        "</a>" P,
        "<b>" P "; as=style",
        "<../c>; rel=modulepreload",
        "</d?e#f>" P "; as=image",
        "<https://example.org/g>" P,
        "<h/./../i>; rel=\"x PRELOAD\"",
        "</known-1>" P,
        "</known-2>" P,
        "</unfit>" P,
        "<#x>" P,
        "<page?q>" P,
        "</a>" P,
        "</j>" P "; crossorigin",
        "</k>" P "; x-http2-push-only",
        "<https://static.example.org/l>" P,
        "</m>" P,
        "</n>" P,
        "</forbidden-1>" P "; nopush",
        "</forbidden-2>; rel=preconnect",
        "</forbidden-3>",
        "</forbidden-4>; rel=prefetch",
        "</forbidden-5>" P "; media=print",
        "</forbidden-6>" P "; imagesrcset=x",
        "</forbidden-7>" P "; anchor=\"#x\"",
        "<//cdn.example/forbidden-8>" P,
        "<http://example.org/forbidden-9>" P,
        "<https://example.org:444/forbidden-10>" P,
        "<https://a@example.org/forbidden-11>" P,
        "</forbidden 12>" P,
        "</forbidden\\13>" P,
        "</.//forbidden-14>" P,
        "</forbidden-15>; rel=next" P,
        "</forbidden-16>; x=\"" P "\"",
        "</forbidden-17>" P "; \"",
        "</forbidden-18",
        "forbidden-19" P,
        "</forbidden-20>" P "; loadpolicy=next",
        "<ftp://example.org/forbidden-21>" P,
        "</forbidden-22>; title=\"x,<y>" P,
    };
    struct slice text = SLICE_EMPTY;
    for (unsigned i = random_below(12); i > 0; i--) {
        text = push_scene_join(arena, text, one_in(2) ? ", " : ",", slice_of_text(PICK(elements)));
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
                                         "range: bytes=0-\nuser-agent: x",
                                         "accept-push-policy: none",
                                         "accept-encoding: gzip"};
    static const int statuses[] = {200, 200, 200, 103, 103, 201, 206, 301, 304, 404, 503, 101};
    *row = (struct push_scene_row){
        .method = PICK(methods),
        .fields = PICK(fields),
        .declare = one_in(2) ? "/declared-1 /declared-2 /a /known-1" : NULL,
        .known = one_in(2) ? "/known-1 /known-2" : "/known-1",
        .status = PICK(statuses),
        .room = 1 + random_below(8),
        .already = one_in(2) ? random_below(5) : 0,
        .max_per_page = 1 + random_below(6),
        .credentials = (enum config_credentials)random_below(3),
        .is_request = one_in(4),
        .is_off = one_in(12),
        .is_promised = one_in(12),
        .is_behind_proxy = one_in(12),
        .on_behind_proxy = one_in(2),
        .has_no_room = one_in(12),
        .is_full = one_in(2),
        .has_stopped = one_in(12),
        .has_authorities = one_in(3),
    };
    if (one_in(2)) { // enough pages that may push
        row->method = "GET";
        row->status = 200;
        row->is_off = row->is_promised = row->has_no_room = row->has_stopped = false;
    }
}

// Is any promise at all allowed in this cell?
static bool may_page_push(const struct push_scene_row *row) {
    bool is_status_good = row->is_request ||
                          (row->status >= 200 && row->status <= 299 && row->status != 206) ||
                          (row->status < 200 && row->status != 101);
    bool has_authorization = row->fields != NULL && strstr(row->fields, "authorization") != NULL;
    bool is_declined = row->fields != NULL && strstr(row->fields, "accept-push-policy") != NULL;
    return is_status_good && strcmp(row->method, "GET") == 0 && !row->is_off && !row->is_promised &&
           !row->has_no_room && !row->has_stopped && !is_declined &&
           (!row->is_behind_proxy || row->on_behind_proxy) &&
           (!has_authorization || row->credentials == CONFIG_CREDENTIALS_ALL);
}

static void check_promise(const struct push_scene *scene, const struct push_scene_row *row,
                          const struct push_promise *promise) {
    const struct request_head *request = &promise->request;
    struct slice path = request->path;
    bool is_static = slice_equal(request->authority, SLICE("static.example.org"));
    assert_true(slice_equal(request->method, SLICE("GET")) && request->is_end);
    assert_true(slice_equal(request->scheme, SLICE("https")));
    assert_true(slice_equal(request->authority, SLICE("example.org")) ||
                (is_static && row->has_authorities));
    assert_true(path.length > 0 && path.data[0] == '/');
    assert_true(path.length == 1 || path.data[1] != '/');
    for (size_t i = 0; i < path.length; i++) {
        assert_true(path.data[i] > ' ' && path.data[i] < 0x7f);
        assert_true(path.data[i] != '#' && path.data[i] != '\\');
    }
    if (memmem(path.data, path.length, "forbidden", 9) != NULL) {
        fail_msg("promised %.*s", SLICE_ARGS(path));
    }
    assert_false(slice_equal(path, scene->request.path));
    assert_false(push_diary_has(scene->diary, request->authority, path));
    assert_false(slice_equal(path, SLICE("/unfit")));
    const struct headers *headers = &request->headers;
    assert_true(headers_has(headers, HEADER_ACCEPT) && headers_has(headers, HEADER_REFERER));
    assert_false(headers_has(headers, HEADER_RANGE) || headers_has(headers, HEADER_IF_NONE_MATCH));
    assert_false(headers_has(headers, HEADER_COOKIE) &&
                 (row->credentials == CONFIG_CREDENTIALS_NONE || is_static));
    assert_false(headers_has(headers, HEADER_AUTHORIZATION) &&
                 (row->credentials != CONFIG_CREDENTIALS_ALL || is_static));
    assert_true(promise->priority.urgency >= 1 && promise->priority.urgency <= 6);
}

static void check_plan(const struct push_scene *scene, const struct push_scene_row *row,
                       const struct push_plan *plan) {
    assert_int_equal(plan->outcomes[PUSH_REASON_PROMISED], plan->promise_count);
    assert_true(plan->promise_count == 0 || may_page_push(row));
    assert_true(plan->promise_count <= row->room);
    assert_true(plan->promise_count == 0 ||
                plan->promise_count + row->already <= row->max_per_page);
    assert_true(plan->used_count >= scene->question.used_count + plan->promise_count);
    for (size_t i = 0; i < plan->promise_count; i++) {
        const struct request_head *request = &plan->promises[i].request;
        check_promise(scene, row, &plan->promises[i]);
        for (size_t j = 0; j < i; j++) {
            const struct request_head *other = &plan->promises[j].request;
            assert_false(slice_equal(request->path, other->path) &&
                         slice_equal(request->authority, other->authority));
        }
        for (size_t j = 0; j < scene->question.used_count; j++) {
            assert_false(slice_equal(request->path, scene->question.used[j].path));
        }
    }
    for (size_t i = 0; i < plan->rewritten_link_count; i++) {
        struct slice field = plan->rewritten_links[i];
        assert_true(field.length > 0 && field.data[0] != ',');
    }
}

static void test_no_promise_in_a_forbidden_cell(void **state) {
    (void)state;
    unsigned promises = 0;
    for (unsigned round = 0; round < 20000; round++) {
        struct push_scene_row row;
        struct push_scene scene;
        struct push_plan plan;
        struct url used[] = {{SLICE("https"), SLICE("example.org"), SLICE("/a")}};
        random_row(&row);
        push_scene_open(&scene, &row);
        for (unsigned i = random_below(3); i > 0; i--) {
            headers_add(&scene.response.headers, SLICE("link"), random_links(scene.arena));
        }
        if (one_in(3)) {
            scene.question.used = used;
            scene.question.used_count = 1;
        }
        push_plan_make(&scene.question, scene.arena, &plan);
        check_plan(&scene, &row, &plan);
        promises += (unsigned)plan.promise_count;
        push_scene_close(&scene);
    }
    assert_true(promises > 5000); // else the cells were all forbidden and nothing was tried
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_promise_in_a_forbidden_cell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
