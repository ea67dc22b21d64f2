// SPDX-License-Identifier: Apache-2.0
// What the relay does about pushes: the three moments, the memory of a client, and the pushed
// responses. Which candidate is promised and why not: test_push_plan.c.
#include "relay_scene.h"

#define CSS "link: </a.css>; rel=preload; as=style"
#define CSS_AND_PNG CSS ", </b.png>; rel=preload; as=image"

static const char plain[] = "[{origin: app}]";

// Asks for a page that is answered with these fields; returns how many promises were made.
static unsigned get_page(struct scene *s, const char *page, const char *fields) {
    unsigned before = s->front.stream_count;
    struct fake_stream *stream = scene_get(s, page);
    scene_answer(scene_last_call(s), fields);
    unsigned promised = s->front.stream_count - before - 1;
    fake_front_close(stream, FAULT_NONE);
    assert_int_equal(stream->story.promised, promised);
    return promised;
}

// --- three moments -------------------------------------------------------------------------------

static void test_at_the_head(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct exchange *x = fake_front_open(&s.front, "a.example", "/dir/page?x");
    fake_front_add(x, "accept-encoding", "br");
    fake_front_add(x, "cookie", "id=1");
    struct fake_stream *stream = fake_front_start(x);
    scene_forget(&s);
    fake_origin_head(scene_call(&s, 1), 200, CSS ", <b.png>; rel=preload; as=image");
    // Promises stand before the head that speaks of them.
    assert_front(&s, "1 promise 2 /a.css u=2\n1 promise 3 /dir/b.png u=5 i\n1 head 200\n");
    assert_origin(&s, "2 start app0 GET a.example/a.css push\n"
                      "3 start app0 GET a.example/dir/b.png push\n");
    struct origin_call *call = scene_call(&s, 2);
    assert_request_field(call, "accept", "text/css,*/*;q=0.1");
    assert_request_field(call, "accept-encoding", "br");
    assert_request_field(call, "cookie", "");
    assert_request_field(call, "referer", "https://a.example/dir/page?x");
    assert_request_field(call, "via", "2.0 outrider"); // forwarded as any request
    assert_int_equal(call->options.push_share, 25);
    assert_true(call->is_request_ended);
    fake_origin_end(scene_call(&s, 1), NULL);
    scene_answer(call, "content-type: text/css");
    assert_front(&s, "1 finish\n2 head 200\n2 finish\n");
    assert_response_field(scene_stream(&s, 2), "x-http2-push", ""); // only where it is asked for
    fake_front_close(stream, FAULT_NONE);
    assert_int_equal(stream->story.promised, 2);
    scene_expect_skipped(stream, "");
    assert_int_equal(s.relay.exchanges, 2); // a push may outlive its page
    scene_close(&s);
}

static void test_at_an_interim_response(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct fake_stream *stream = scene_get(&s, "/");
    fake_origin_interim(scene_call(&s, 1), 103, CSS);
    assert_front(&s, "1 promise 2 /a.css u=2\n1 interim 103\n");
    assert_string_equal(fake_front_field(stream, &stream->interim.headers, "link"),
                        "</a.css>; rel=preload; as=style");
    // Each candidate once a request.
    scene_answer(scene_call(&s, 1), CSS_AND_PNG);
    assert_front(&s, "1 promise 3 /b.png u=5 i\n1 head 200\n1 finish\n");
    scene_expect_skipped(stream, "repeated:1");
    assert_int_equal(stream->story.promised, 2);
    scene_close(&s);
}

static const char declaring[] =
    "[{origin: app, push: [/app.css, {path: \"/x.js?v=2\", as: script}]}]";

static void test_at_the_request(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, declaring);
    struct fake_stream *stream = scene_get(&s, "/");
    // The page is asked for first, then the promises are made, while the origin thinks.
    assert_origin(&s, "1 start app0 GET a.example/\n2 start app0 GET a.example/app.css push\n"
                      "3 start app0 GET a.example/x.js?v=2 push\n");
    assert_front(&s, "1 promise 2 /app.css u=2\n1 promise 3 /x.js?v=2 u=2\n");
    scene_answer(scene_call(&s, 1), "link: </app.css>; rel=preload");
    assert_front(&s, "1 head 200\n1 finish\n");
    scene_expect_skipped(stream, "repeated:1");
    // Again: the client has them.
    assert_int_equal(get_page(&s, "/again", ""), 0);
    scene_close(&s);
}

// A conditional request may be answered with 304: nothing is promised until that is known.
static void test_declared_waits_for_a_conditional_request(void **state) {
    (void)state;
    for (int is_modified = 0; is_modified <= 1; is_modified++) {
        struct scene s;
        scene_open(&s, declaring);
        struct exchange *x = fake_front_open(&s.front, "a.example", "/");
        fake_front_add(x, "if-none-match", "\"1\"");
        struct fake_stream *stream = fake_front_start(x);
        assert_origin(&s, "1 start app0 GET a.example/\n");
        fake_origin_head(scene_call(&s, 1), is_modified ? 200 : 304, "");
        assert_int_equal(s.front.stream_count, is_modified ? 3 : 1);
        fake_origin_end(scene_call(&s, 1), NULL);
        scene_expect_skipped(stream, is_modified ? "" : "status:2");
        scene_close(&s);
    }
}

static void test_after_a_retry_too(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, declaring);
    s.pool.is_reused = true;
    scene_get(&s, "/");
    scene_forget(&s);
    fake_origin_fail(scene_call(&s, 1), FAULT_ORIGIN_RESET);
    assert_origin(&s, "4 start app0 GET a.example/ retry\n");
    scene_answer(scene_call(&s, 4), "link: </app.css>; rel=preload, </c.css>; rel=preload");
    assert_front(&s, "1 promise 4 /c.css u=2\n1 head 200\n1 finish\n"); // none twice
    scene_close(&s);
}

// --- which pages and clients ---------------------------------------------------------------------

static const struct {
    const char *routes;
    const char *field, *value; // of the page's request
    const char *method;
    int status;
    const char *skipped;
    unsigned promised;
} pages[] = {
    {plain, "accept", "*/*", "GET", 200, "", 2},
    {plain, "accept", "*/*", "GET", 404, "status:2", 0},
    {plain, "accept", "*/*", "GET", 302, "status:2", 0},
    {plain, "accept", "*/*", "POST", 200, "method:2", 0},
    {plain, "accept", "*/*", "HEAD", 200, "method:2", 0},
    {"[{origin: app, push: off}]", "accept", "*/*", "GET", 200, "off:2", 0},
    {"[{origin: app, push: {max_per_page: 1}}]", "accept", "*/*", "GET", 200, "too_many:1", 1},
    {plain, "accept-push-policy", "none", "GET", 200, "policy:2", 0},
    {plain, "authorization", "Basic eA==", "GET", 200, "credentials:2", 0},
    {"[{origin: app, push: {credentials: all}}]", "authorization", "Basic eA==", "GET", 200, "", 2},
    // One connection from another proxy carries many people.
    {plain, "via", "1.1 other", "GET", 200, "behind_proxy:2", 0},
    {plain, "forwarded", "for=1.2.3.4", "GET", 200, "behind_proxy:2", 0},
    {plain, "x-forwarded-for", "1.2.3.4", "GET", 200, "behind_proxy:2", 0},
    {"[{origin: app, push: {behind_proxy: on}}]", "via", "1.1 other", "GET", 200, "", 2},
};

static void test_pages(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        struct scene s;
        scene_open(&s, pages[i].routes);
        struct exchange *x = fake_front_open(&s.front, "a.example", "/");
        x->request.method = slice_of_text(pages[i].method);
        fake_front_add(x, pages[i].field, pages[i].value);
        struct fake_stream *stream = fake_front_start(x);
        fake_origin_head(scene_call(&s, 1), pages[i].status, CSS_AND_PNG);
        fake_origin_end(scene_call(&s, 1), NULL);
        fake_front_close(stream, FAULT_NONE);
        if (stream->story.promised != pages[i].promised) {
            fail_msg("row %zu: %u promised", i, stream->story.promised);
        }
        scene_expect_skipped(stream, pages[i].skipped);
        assert_int_equal(s.front.stream_count, 1 + pages[i].promised);
        assert_response_field(stream, "link", CSS_AND_PNG + strlen("link: ")); // always forwarded
        scene_close(&s);
    }
}

static void test_trusted_proxy(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    s.front.client.is_trusted_proxy = true;
    struct exchange *x = fake_front_open(&s.front, "a.example", "/");
    fake_front_add(x, "x-forwarded-for", "1.2.3.4");
    fake_front_start(x);
    scene_answer(scene_call(&s, 1), CSS);
    assert_int_equal(s.front.stream_count, 2);
    scene_close(&s);
}

static void test_client_without_pushes(void **state) {
    (void)state;
    for (int is_http_1 = 0; is_http_1 <= 1; is_http_1++) {
        struct scene s;
        scene_open(&s, declaring);
        s.front.has_no_promises = is_http_1;
        s.front.promise_room = 0;
        struct fake_stream *stream = scene_get(&s, "/");
        fake_origin_interim(scene_call(&s, 1), 103, CSS);
        scene_answer(scene_call(&s, 1), "");
        assert_front(&s, "1 interim 103\n1 head 200\n1 finish\n");
        scene_expect_skipped(stream, "client:3");
        assert_null(s.front.client.memory); // and costs no diary
        scene_close(&s);
    }
}

// --- what the client has -------------------------------------------------------------------------

static void test_nothing_is_promised_twice(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    assert_int_equal(get_page(&s, "/1", CSS_AND_PNG), 2);
    struct fake_stream *stream = scene_get(&s, "/2");
    scene_answer(scene_last_call(&s), CSS_AND_PNG ", </c.js>; rel=preload; nopush");
    scene_expect_skipped(stream, "nopush:1,already:2");
    assert_int_equal(get_page(&s, "/3", "link: </c.js>; rel=preload"), 1);
    scene_change_client(&s);
    assert_int_equal(get_page(&s, "/1", CSS_AND_PNG), 2); // another client has nothing
    for (unsigned i = 1; i <= s.front.stream_count; i++) {
        if (scene_stream(&s, i)->x != NULL) {
            fake_front_close(scene_stream(&s, i), FAULT_NONE);
        }
    }
    scene_close(&s);
}

static void test_what_the_client_asked_for(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    get_page(&s, "/a.css", "");
    struct exchange *x = fake_front_open(&s.front, "a.example", "/b.png");
    x->request.method = SLICE("HEAD"); // has not got it
    fake_front_start(x);
    scene_answer(scene_last_call(&s), "");
    struct fake_stream *stream = scene_get(&s, "/");
    scene_forget(&s);
    scene_answer(scene_last_call(&s), CSS_AND_PNG);
    assert_front(&s, "3 promise 4 /b.png u=5 i\n3 head 200\n3 finish\n");
    scene_expect_skipped(stream, "already:1");
    scene_close(&s);
}

// It asks while the page is under way: then it is too late to promise.
static void test_what_the_client_asks_meanwhile(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct fake_stream *stream = scene_get(&s, "/");
    scene_get(&s, "/a.css");
    scene_answer(scene_call(&s, 1), CSS);
    scene_expect_skipped(stream, "already:1");
    scene_close(&s);
}

static unsigned push_one(struct scene *s, unsigned number) {
    char page[32];
    char fields[64];
    snprintf(page, sizeof(page), "/page%u", number);
    snprintf(fields, sizeof(fields), "link: </%u.css>; rel=preload", number);
    return get_page(s, page, fields);
}

// t: the client takes the push; r: it resets it; o: the origin fails it; u: it was not fit.
static const struct {
    const char *outcomes;
    unsigned promised_then;
} refusals[] = {
    {"", 1},     {"r", 1},     {"rr", 1},    {"rrr", 0},  {"trrr", 0}, {"rrtr", 0},
    {"ttrr", 1}, {"ooooo", 1}, {"uuuuu", 1}, {"rror", 0}, {"rrur", 0},
};

static void test_client_that_refuses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct scene s;
        scene_open(&s, plain);
        const char *outcomes = refusals[i].outcomes;
        for (unsigned j = 0; outcomes[j] != '\0'; j++) {
            assert_int_equal(push_one(&s, j), 1);
            struct fake_stream *push = scene_stream(&s, s.front.stream_count);
            struct origin_call *call = scene_last_call(&s);
            switch (outcomes[j]) {
            case 't':
                scene_answer(call, "");
                fake_front_close(push, FAULT_NONE);
                break;
            case 'r':
                fake_origin_record(&s.pool);
                fake_front_close(push, FAULT_CLIENT_RESET);
                assert_non_null(strstr(fake_origin_record(&s.pool), " cancel\n")); // at once
                break;
            case 'o':
                fake_origin_fail(call, FAULT_ORIGIN_TIMEOUT);
                fake_front_close(push, FAULT_NONE);
                break;
            default:
                fake_origin_head(call, 404, "");
                fake_front_close(push, FAULT_NONE);
                break;
            }
        }
        unsigned promised = push_one(&s, 99);
        if (promised != refusals[i].promised_then) {
            fail_msg("%s: then %u", outcomes, promised);
        }
        scene_close(&s);
    }
}

// What most clients refuse, of those that take other things, is promised to nobody for a while;
// also when it was small, and all of it had been sent before they said so.
static void refuse_by_six(bool is_late) {
    struct scene s;
    scene_open(&s, "[{origin: app, learn: off}]");
    for (unsigned visit = 0; visit < 6; visit++) {
        assert_int_equal(get_page(&s, "/", CSS_AND_PNG), 2);
        scene_answer(scene_call(&s, s.pool.call_count - 1), "");
        fake_front_close(scene_stream(&s, 2), FAULT_NONE);
        if (is_late) {
            scene_answer(scene_last_call(&s), "");
            uint64_t tag = scene_stream(&s, 3)->x->promise_tag;
            fake_front_close(scene_stream(&s, 3), FAULT_NONE);
            s.front.client.memory_on_late_refusal(s.front.client.memory, tag);
        } else {
            fake_front_close(scene_stream(&s, 3), FAULT_CLIENT_RESET);
        }
        scene_change_client(&s);
    }
    struct fake_stream *stream = scene_get(&s, "/");
    scene_answer(scene_last_call(&s), CSS_AND_PNG);
    scene_expect_skipped(stream, "unwanted:1");
    assert_int_equal(stream->story.promised, 1);
    scene_change_client(&s);
    s.front.clock.now_ms += PUSH_UNFIT_MS;
    assert_int_equal(get_page(&s, "/", CSS_AND_PNG), 2);
    scene_close(&s);
}

static void test_resource_that_clients_refuse(void **state) {
    (void)state;
    refuse_by_six(false);
    refuse_by_six(true);
}

// A client that refuses all it is promised says nothing about the resources.
static void test_refusing_clients_have_no_vote(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    for (unsigned visit = 0; visit < 8; visit++) {
        assert_int_equal(get_page(&s, "/", CSS_AND_PNG), 2);
        fake_front_close(scene_stream(&s, 2), FAULT_CLIENT_RESET);
        fake_front_close(scene_stream(&s, 3), FAULT_CLIENT_RESET);
        scene_change_client(&s);
    }
    scene_close(&s);
}

static void test_refusal_is_told(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    for (unsigned i = 0; i < 3; i++) {
        push_one(&s, i);
        fake_front_close(scene_stream(&s, s.front.stream_count), FAULT_CLIENT_RESET);
    }
    struct fake_stream *stream = scene_get(&s, "/");
    scene_answer(scene_last_call(&s), CSS_AND_PNG);
    scene_expect_skipped(stream, "refused:2");
    scene_close(&s);
}

// --- how many ------------------------------------------------------------------------------------

static void test_open_promises_are_limited(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, push: {max_open: 2}}]");
    struct fake_stream *stream = scene_get(&s, "/1");
    scene_answer(scene_last_call(&s), CSS_AND_PNG ", </c.js>; rel=preload");
    scene_expect_skipped(stream, "too_many:1");
    stream = scene_get(&s, "/2"); // both are still open
    scene_answer(scene_last_call(&s), "link: </d.js>; rel=preload");
    scene_expect_skipped(stream, "too_many:1");
    fake_front_close(scene_stream(&s, 2), FAULT_CLIENT_GONE);
    assert_int_equal(get_page(&s, "/3", "link: </e.js>; rel=preload, </f.js>; rel=preload"), 1);
    scene_close(&s);
}

static void test_no_more_than_the_front_has_room_for(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    s.front.promise_room = 1;
    struct fake_stream *stream = scene_get(&s, "/1");
    scene_answer(scene_last_call(&s), CSS_AND_PNG);
    scene_expect_skipped(stream, "too_many:1");
    assert_int_equal(stream->story.promised, 1);
    scene_close(&s);
}

static void test_front_that_takes_a_promise_not(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    s.front.refuses_promises = true;
    struct fake_stream *stream = scene_get(&s, "/1");
    scene_answer(scene_last_call(&s), CSS_AND_PNG);
    scene_expect_skipped(stream, "client:2");
    assert_int_equal(stream->story.promised, 0);
    s.front.refuses_promises = false;
    assert_int_equal(get_page(&s, "/2", CSS_AND_PNG), 2); // they stand in no diary
    scene_close(&s);
}

// --- the pushed response -------------------------------------------------------------------------

static const struct {
    bool page_has_cookie;
    int status;
    const char *fields;
    bool is_delivered;
    const char *skipped_with_cookie, *skipped_without; // for later pages, of others
} pushed[] = {
    {false, 200, "", true, "", ""},
    {false, 200, "set-cookie: a=1\ncache-control: private", true, "", ""},
    {false, 302, "location: /login", true, "", ""},
    {false, 404, "", false, "unfit:1", "unfit:1"},
    {false, 500, "", false, "unfit:1", "unfit:1"},
    {true, 200, "", true, "", ""},
    {true, 404, "", false, "unfit:1", "unfit:1"},
    {true, 200, "set-cookie: a=1", false, "unfit:1", ""},
    {true, 200, "cache-control: max-age=1, private", false, "unfit:1", ""},
    {true, 200, "cache-control: no-store", false, "unfit:1", ""},
    {true, 200, "vary: accept, Cookie", false, "unfit:1", ""},
    {true, 200, "vary: *", false, "unfit:1", ""},
};

static struct fake_stream *get_with_cookie(struct scene *s, bool has_cookie) {
    struct exchange *x = fake_front_open(&s->front, "a.example", "/");
    if (has_cookie) {
        fake_front_add(x, "cookie", "id=1");
    }
    struct fake_stream *stream = fake_front_start(x);
    scene_answer(scene_last_call(s), CSS);
    return stream;
}

static void test_pushed_responses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(pushed) / sizeof(pushed[0]); i++) {
        struct scene s;
        scene_open(&s, plain);
        get_with_cookie(&s, pushed[i].page_has_cookie);
        scene_forget(&s);
        fake_origin_head(scene_call(&s, 2), pushed[i].status, pushed[i].fields);
        struct fake_stream *push = scene_stream(&s, 2);
        if (pushed[i].is_delivered) {
            assert_int_equal(push->head.status, pushed[i].status);
            fake_origin_end(scene_call(&s, 2), NULL);
            assert_true(push->is_finished);
        } else { // taken back, without a page and without asking further
            assert_front(&s, "2 fail push_unwanted\n");
            assert_origin(&s, "2 cancel\n");
        }
        fake_front_close(push, FAULT_NONE);
        assert_int_equal(push->fault, pushed[i].is_delivered ? FAULT_NONE : FAULT_PUSH_UNWANTED);
        scene_change_client(&s);
        scene_expect_skipped(get_with_cookie(&s, true), pushed[i].skipped_with_cookie);
        scene_change_client(&s);
        scene_expect_skipped(get_with_cookie(&s, false), pushed[i].skipped_without);
        scene_close(&s);
    }
}

// It comes from the origin with the visitor's own cookie: nothing of it can be another's.
static void test_pushed_with_credentials(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, push: {credentials: cookies}}]");
    get_with_cookie(&s, true);
    assert_request_field(scene_call(&s, 2), "cookie", "id=1");
    fake_origin_head(scene_call(&s, 2), 200, "set-cookie: a=1\ncache-control: private");
    assert_int_equal(scene_stream(&s, 2)->head.status, 200);
    scene_close(&s);
}

static void test_unfit_is_forgotten_in_time(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    get_page(&s, "/1", CSS);
    fake_origin_head(scene_call(&s, 2), 404, "");
    fake_front_close(scene_stream(&s, 2), FAULT_NONE);
    scene_expect_skipped(get_with_cookie(&s, false), "unfit:1");
    s.front.clock.now_ms += PUSH_UNFIT_MS;
    assert_int_equal(get_page(&s, "/3", CSS), 1); // the diary does not count it as given either
    scene_close(&s);
}

static void test_origin_fault_on_a_push(void **state) {
    (void)state;
    for (int after_head = 0; after_head <= 1; after_head++) {
        struct scene s;
        scene_open(&s, plain);
        get_page(&s, "/", CSS);
        if (after_head) {
            fake_origin_head(scene_call(&s, 2), 200, "");
        }
        scene_forget(&s);
        fake_origin_fail(scene_call(&s, 2), FAULT_ORIGIN_TIMEOUT);
        assert_front(&s, "2 fail origin_timeout\n");
        scene_close(&s);
    }
}

static void test_push_is_tried_again(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    s.pool.is_reused = true;
    get_page(&s, "/", CSS);
    scene_forget(&s);
    fake_origin_fail(scene_call(&s, 2), FAULT_ORIGIN_RESET);
    assert_origin(&s, "3 start app0 GET a.example/a.css push retry\n");
    scene_answer(scene_call(&s, 3), "");
    assert_front(&s, "2 head 200\n2 finish\n");
    scene_close(&s);
}

static void test_a_push_never_pushes(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, declaring);
    scene_get(&s, "/");
    assert_int_equal(s.front.stream_count, 3);
    scene_forget(&s);
    fake_origin_interim(scene_call(&s, 2), 103, "link: </font.woff>; rel=preload"); // kept back
    scene_answer(scene_call(&s, 2), "link: </font.woff>; rel=preload; as=font");
    assert_front(&s, "2 head 200\n2 finish\n");
    assert_origin(&s, "");
    assert_response_field(scene_stream(&s, 2), "link", "</font.woff>; rel=preload; as=font");
    scene_expect_skipped(scene_stream(&s, 2), "repeated:1,nested:1");
    scene_close(&s);
}

static void test_nothing_is_promised_without_a_route(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, path: /in, push: {max_open: 1}}]");
    struct fake_stream *stream = scene_get(&s, "/in/page");
    scene_forget(&s);
    scene_answer(scene_call(&s, 1), "link: </out.css>; rel=preload");
    assert_front(&s, "1 head 200\n1 finish\n");
    scene_expect_skipped(stream, "unfit:1");
    scene_close(&s);
}

// --- fields --------------------------------------------------------------------------------------

static void test_marker(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, push: {mark: on}}]");
    struct fake_stream *stream = scene_get(&s, "/");
    scene_answer(scene_call(&s, 1), CSS);
    scene_answer(scene_call(&s, 2), "x-http2-push: mine");
    assert_response_field(stream, "x-http2-push", "");
    assert_response_field(scene_stream(&s, 2), "x-http2-push", "pushed");
    scene_close(&s);
}

static const struct {
    const char *fields;
    const char *link; // as the client sees it
    unsigned promised;
} push_onlys[] = {
    {"link: </a>; rel=preload; x-http2-push-only", "", 1},
    {"link: </a>; rel=preload; x-http2-push-only, </b>; rel=preload", "</b>; rel=preload", 2},
    {"link: </b>; rel=next,</a>; rel=preload; x-http2-push-only", "</b>; rel=next", 1},
    {"link: </a>; rel=preload; x-http2-push-only\nlink: </b>; rel=preload", "</b>; rel=preload", 2},
    {"link: </b>; rel=preload", "</b>; rel=preload", 1},
    {"link: </b>; rel=next; x-http2-push-only", "</b>; rel=next; x-http2-push-only", 0},
};

static void test_push_only_links(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(push_onlys) / sizeof(push_onlys[0]); i++) {
        struct scene s;
        scene_open(&s, plain);
        struct fake_stream *stream = scene_get(&s, "/");
        scene_answer(scene_call(&s, 1), push_onlys[i].fields);
        const char *link = fake_front_field(stream, &stream->head.headers, "link");
        if (strcmp(link, push_onlys[i].link) != 0) {
            fail_msg("row %zu: '%s'", i, link);
        }
        assert_int_equal(s.front.stream_count, 1 + push_onlys[i].promised);
        scene_close(&s);
    }
}

// Also in front of a client that takes no promises, and in an interim response.
static void test_push_only_links_are_for_us_alone(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    s.front.has_no_promises = true;
    struct fake_stream *stream = scene_get(&s, "/");
    const char *fields = "link: </a>; rel=preload; x-http2-push-only, </b>; rel=preload";
    fake_origin_interim(scene_call(&s, 1), 103, fields);
    assert_string_equal(fake_front_field(stream, &stream->interim.headers, "link"),
                        "</b>; rel=preload");
    scene_answer(scene_call(&s, 1), fields);
    assert_response_field(stream, "link", "</b>; rel=preload");
    scene_close(&s);
}

static void test_story_names_every_reason(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct fake_stream *stream = scene_get(&s, "/");
    scene_answer(
        scene_call(&s, 1),
        "link: </a>; rel=preload, </b>; rel=preload; nopush, <//x.example/c>; rel=preload, "
        "<a b>; rel=preload, </>; rel=preload, </a>; rel=preload, <//y>; rel=preconnect");
    scene_expect_skipped(stream, "bad_url:1,self:1,repeated:1,nopush:1,hint_only:1,other_site:1");
    assert_int_equal(stream->story.promised, 1);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_the_head),
        cmocka_unit_test(test_at_an_interim_response),
        cmocka_unit_test(test_at_the_request),
        cmocka_unit_test(test_declared_waits_for_a_conditional_request),
        cmocka_unit_test(test_after_a_retry_too),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_trusted_proxy),
        cmocka_unit_test(test_client_without_pushes),
        cmocka_unit_test(test_nothing_is_promised_twice),
        cmocka_unit_test(test_what_the_client_asked_for),
        cmocka_unit_test(test_what_the_client_asks_meanwhile),
        cmocka_unit_test(test_client_that_refuses),
        cmocka_unit_test(test_resource_that_clients_refuse),
        cmocka_unit_test(test_refusing_clients_have_no_vote),
        cmocka_unit_test(test_refusal_is_told),
        cmocka_unit_test(test_open_promises_are_limited),
        cmocka_unit_test(test_no_more_than_the_front_has_room_for),
        cmocka_unit_test(test_front_that_takes_a_promise_not),
        cmocka_unit_test(test_pushed_responses),
        cmocka_unit_test(test_pushed_with_credentials),
        cmocka_unit_test(test_unfit_is_forgotten_in_time),
        cmocka_unit_test(test_origin_fault_on_a_push),
        cmocka_unit_test(test_push_is_tried_again),
        cmocka_unit_test(test_a_push_never_pushes),
        cmocka_unit_test(test_nothing_is_promised_without_a_route),
        cmocka_unit_test(test_marker),
        cmocka_unit_test(test_push_only_links),
        cmocka_unit_test(test_push_only_links_are_for_us_alone),
        cmocka_unit_test(test_story_names_every_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
