// SPDX-License-Identifier: Apache-2.0
// What the relay learns of one client's pages and uses for the next. Which responses teach:
// test_push_learn_rules.c.
#include "relay_scene.h"

#define CSS "link: </a.css>; rel=preload; as=style"
#define CSS_HINT "</a.css>; rel=preload; as=style"

static const char plain[] = "[{origin: app}]";

// A visit by a client of its own, with further fields of the request ("": none).
static struct fake_stream *visit(struct scene *s, const char *path, const char *name,
                                 const char *value) {
    scene_change_client(s);
    struct exchange *x = scene_open_navigation(s, path);
    if (name[0] != '\0') {
        fake_front_add(x, name, value);
    }
    return fake_front_start(x);
}

static void teach(struct scene *s, const char *path, const char *fields) {
    for (unsigned i = 0; i < 2; i++) {
        struct fake_stream *stream = visit(s, path, "", "");
        assert_int_equal(stream->interim.status, 0);
        scene_answer(scene_last_call(s), fields);
        fake_front_close(stream, FAULT_NONE);
    }
}

// Was it hinted before the origin said anything?
static bool is_hinted(struct scene *s, const char *path) {
    struct fake_stream *stream = visit(s, path, "", "");
    bool has_interim = stream->interim.status == 103;
    fake_front_close(stream, FAULT_CLIENT_GONE);
    return has_interim;
}

// --- two clients teach, the third is served ------------------------------------------------------

static void test_third_client_is_hinted(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    teach(&s, "/page", CSS ", <//c.example>; rel=preconnect");
    scene_forget(&s);
    struct fake_stream *stream = visit(&s, "/page", "", "");
    assert_front(&s, "1 interim 103\n");
    assert_interim_field(stream, "link", "<//c.example>; rel=preconnect, " CSS_HINT);
    scene_answer(scene_last_call(&s), CSS);
    scene_expect_skipped(stream, "repeated:1");
    assert_int_equal(stream->story.hinted, 2);
    assert_false(is_hinted(&s, "/other"));
    scene_close(&s);
}

static void test_third_client_is_promised(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    teach(&s, "/page", CSS ", <//c.example>; rel=preconnect");
    scene_change_client(&s);
    scene_forget(&s);
    struct fake_stream *stream = scene_get(&s, "/page"); // no browser: takes no hints of ours
    assert_front(&s, "1 promise 2 /a.css u=2\n");
    assert_origin(&s, "3 start app0 GET a.example/page\n4 start app0 GET a.example/a.css push\n");
    scene_expect_skipped(stream, "hint_only:1");
    scene_close(&s);
}

static void test_one_client_alone_teaches_nothing(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    for (unsigned i = 0; i < 4; i++) {
        struct fake_stream *stream = scene_navigate(&s, "/page");
        scene_answer(scene_last_call(&s), CSS);
        fake_front_close(stream, FAULT_NONE);
    }
    assert_false(is_hinted(&s, "/page"));
    scene_close(&s);
}

// HTTP/1.1 has no use for it, and is a witness all the same.
static void test_http1_teaches(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    for (unsigned i = 0; i < 3; i++) {
        scene_change_client(&s);
        s.front.client.protocol = PROTOCOL_HTTP_1_1;
        s.front.has_no_promises = true;
        struct fake_stream *stream = scene_get(&s, "/page");
        assert_int_equal(stream->interim.status, 0);
        scene_answer(scene_last_call(&s), CSS);
        fake_front_close(stream, FAULT_NONE);
        scene_expect_skipped(stream, "client:1");
    }
    assert_true(is_hinted(&s, "/page"));
    scene_close(&s);
}

// What is asked for on our own account is no witness, however many clients it is for.
static void test_promises_do_not_teach(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    for (unsigned i = 0; i < 2; i++) {
        scene_change_client(&s);
        struct fake_stream *stream = scene_get(&s, "/page");
        scene_answer(scene_last_call(&s), "link: </pushed>; rel=preload");
        scene_answer(scene_last_call(&s), CSS); // of the push
        fake_front_close(stream, FAULT_NONE);
        fake_front_close(scene_stream(&s, 2), FAULT_NONE);
    }
    assert_true(is_hinted(&s, "/page"));
    assert_false(is_hinted(&s, "/pushed"));
    scene_close(&s);
}

// --- what ends it --------------------------------------------------------------------------------

static const struct {
    const char *path; // of one more request, by another client
    int status;
    const char *fields;
    const char *name, *value; // of that request
    bool is_hinted_then;
} ends[] = {
    {"/page", 200, CSS, "", "", true},
    {"/page", 200, "link: </b.css>; rel=preload", "", "", false},
    {"/page", 200, CSS ", </b.css>; rel=preload", "", "", false},
    {"/page", 200, "", "", "", false},
    {"/page", 404, "", "", "", false},
    {"/page", 401, "", "", "", false},
    {"/page", 500, "", "", "", true},
    {"/page", 304, "", "if-none-match", "x", true},
    {"/page", 302, "location: /", "", "", true},
    {"/page", 200, "set-cookie: a=b", "", "", true},
    {"/page", 200, "cache-control: private\n" CSS, "", "", false},
    // A hinted URL that answers 4xx.
    {"/a.css", 404, "", "", "", false},
    {"/a.css", 410, "", "", "", false},
    {"/a.css", 403, "", "", "", false},
    {"/a.css", 500, "", "", "", true},
    {"/a.css", 200, "", "", "", true},
    {"/a.css", 404, "", "authorization", "x", true}, // may be the client's own doing
    {"/a.css", 416, "", "range", "bytes=9-", true},
    {"/b.css", 404, "", "", "", true},
};

static void test_ends(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct scene s;
        scene_open(&s, plain);
        teach(&s, "/page", CSS);
        struct fake_stream *stream = visit(&s, ends[i].path, ends[i].name, ends[i].value);
        fake_origin_head(scene_last_call(&s), ends[i].status, ends[i].fields);
        fake_origin_end(scene_last_call(&s), NULL);
        fake_front_close(stream, FAULT_NONE);
        if (is_hinted(&s, "/page") != ends[i].is_hinted_then) {
            fail_msg("row %zu: %s %d %s", i, ends[i].path, ends[i].status, ends[i].fields);
        }
        scene_close(&s);
    }
}

// Also when a push of it is what shows that.
static void test_pushed_404_ends_it(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    teach(&s, "/page", CSS);
    scene_change_client(&s);
    scene_get(&s, "/page");
    fake_origin_head(scene_last_call(&s), 404, "");
    assert_int_equal(scene_stream(&s, 2)->reset, FAULT_PUSH_UNWANTED);
    assert_false(is_hinted(&s, "/page"));
    scene_close(&s);
}

static void test_life_ends(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    teach(&s, "/page", CSS "\ncache-control: max-age=60");
    assert_true(is_hinted(&s, "/page"));
    s.front.clock.now_ms += 60 * 1000;
    assert_false(is_hinted(&s, "/page"));
    scene_close(&s);
}

// --- credentials and options ---------------------------------------------------------------------

// Who is taught by two clients with these fields, and what a third with other fields is given. A
// '#' at the end of a value is the client's number.
static const struct {
    const char *learn; // of the route
    const char *path;
    const char *name, *value;
    const char *answer;
    const char *path_then;
    const char *name_then, *value_then;
    bool is_hinted_then;
} lessons[] = {
    {"on", "/p", "", "", CSS, "/p", "", "", true},
    {"off", "/p", "", "", CSS, "/p", "", "", false},
    {"{}", "/p", "", "", CSS, "/p", "", "", true},
    // Authorization neither teaches nor is given anything.
    {"on", "/p", "authorization", "x", CSS, "/p", "", "", false},
    {"on", "/p", "authorization", "x", CSS, "/p", "authorization", "x", false},
    {"on", "/p", "", "", CSS, "/p", "authorization", "x", false},
    // Visitors with cookies are another page.
    {"on", "/p", "cookie", "a=#", CSS, "/p", "cookie", "c=d", true},
    {"on", "/p", "cookie", "a=#", CSS, "/p", "", "", false},
    // What one visitor alone has seen is for himself.
    {"on", "/p", "cookie", "a=b", CSS, "/p", "cookie", "a=b", true},
    {"on", "/p", "cookie", "a=b", CSS, "/p", "cookie", "a=c", false},
    {"on", "/p", "cookie", "a=b", CSS, "/p", "", "", false},
    {"on", "/p", "", "", CSS, "/p", "cookie", "a=b", false},
    // The query.
    {"on", "/p?1", "", "", CSS, "/p?2", "", "", true},
    {"on", "/p?1", "", "", CSS, "/p", "", "", true},
    {"{query: on}", "/p?1", "", "", CSS, "/p?1", "", "", true},
    {"{query: on}", "/p?1", "", "", CSS, "/p?2", "", "", false},
    {"{query: on}", "/p?1", "", "", CSS, "/p", "", "", false},
    // What is one visitor's own.
    {"on", "/p", "", "", CSS "\ncache-control: private", "/p", "", "", false},
    {"on", "/p", "", "", CSS "\ncache-control: no-store", "/p", "", "", false},
    {"on", "/p", "", "", CSS "\nset-cookie: a=b", "/p", "", "", false},
    {"{private: on}", "/p", "", "", CSS "\ncache-control: private", "/p", "", "", true},
    {"{private: on}", "/p", "", "", CSS "\nset-cookie: a=b", "/p", "", "", true},
    {"on", "/p", "", "", CSS "\ncache-control: no-cache", "/p", "", "", true},
    // Of other sites connections only.
    {"on", "/p", "", "", "link: <//c.example/a.css>; rel=preload", "/p", "", "", false},
    {"on", "/p", "", "", "link: <//c.example>; rel=preconnect", "/p", "", "", true},
    {"on", "/p", "", "", "link: </a.css>; rel=next", "/p", "", "", false},
};

static void test_lessons(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(lessons) / sizeof(lessons[0]); i++) {
        struct scene s;
        char routes[128];
        snprintf(routes, sizeof(routes), "[{origin: app, learn: %s}]", lessons[i].learn);
        scene_open(&s, routes);
        for (unsigned j = 0; j < 2; j++) {
            char value[32];
            snprintf(value, sizeof(value), "%s", lessons[i].value);
            char *mark = strchr(value, '#');
            if (mark != NULL) {
                *mark = (char)('0' + j);
            }
            struct fake_stream *stream = visit(&s, lessons[i].path, lessons[i].name, value);
            scene_answer(scene_last_call(&s), lessons[i].answer);
            fake_front_close(stream, FAULT_NONE);
        }
        struct fake_stream *stream =
            visit(&s, lessons[i].path_then, lessons[i].name_then, lessons[i].value_then);
        if ((stream->interim.status == 103) != lessons[i].is_hinted_then) {
            fail_msg("row %zu: interim %d", i, stream->interim.status);
        }
        scene_close(&s);
    }
}

// Learned on one route, asked for on another: each says for itself.
static void test_learn_off_for_a_part(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app}, {path: /in, origin: app, learn: off}]");
    teach(&s, "/page", CSS);
    teach(&s, "/in/page", CSS);
    assert_true(is_hinted(&s, "/page"));
    assert_false(is_hinted(&s, "/in/page"));
    scene_close(&s);
}

// --- by behaviour --------------------------------------------------------------------------------

// A browser that shows /page and asks for these parts, which are answered so.
static void browse(struct scene *s, const char *const *parts, const char *fields) {
    struct fake_stream *page = visit(s, "/page", "", "");
    scene_answer(scene_last_call(s), "content-type: text/html");
    for (; *parts != NULL; parts++) {
        struct exchange *x = fake_front_open(&s->front, "a.example", *parts);
        fake_front_add(x, "sec-fetch-mode", "no-cors");
        fake_front_add(x, "sec-fetch-dest", "style");
        fake_front_add(x, "referer", "https://a.example/page");
        struct fake_stream *part = fake_front_start(x);
        scene_answer(scene_last_call(s), fields);
        fake_front_close(part, FAULT_NONE);
    }
    fake_front_close(page, FAULT_NONE);
}

static void test_by_behaviour(void **state) {
    (void)state;
    static const char *const often[] = {"/a.css", "/b.css", NULL};
    static const char *const seldom[] = {"/a.css", NULL};
    static const char *const routes[] = {plain, "[{origin: app, learn: {behaviour: on}}]",
                                         "[{origin: app, learn: {enabled: off, behaviour: on}}]"};
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        struct scene s;
        scene_open(&s, routes[i]);
        for (unsigned j = 0; j < PUSH_LEARN_BEHAVIOUR_MIN_VISITS; j++) {
            assert_false(is_hinted(&s, "/page"));
            browse(&s, j < 2 ? often : seldom, "content-type: text/css\netag: \"1\"");
        }
        s.front.clock.now_ms += PUSH_LEARN_BEHAVIOUR_VISIT_MS; // the last visit is over
        struct fake_stream *stream = visit(&s, "/page", "", "");
        assert_interim_field(stream, "link", i == 0 ? "" : CSS_HINT);
        scene_close(&s);
    }
}

// Asked for as a style by everybody, and none.
static void test_by_behaviour_of_no_resource(void **state) {
    (void)state;
    static const char *const parts[] = {"/logout", NULL};
    static const struct {
        const char *fields;
        bool is_hinted_then;
    } answers[] = {
        {"content-type: text/css\netag: \"1\"", true},
        {"content-type: text/css\ncache-control: max-age=60", true},
        {"content-type: text/css", false},
        {"content-type: text/html\netag: \"1\"", false},
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct scene s;
        scene_open(&s, "[{origin: app, learn: {behaviour: on}}]");
        for (unsigned j = 0; j < 2 * PUSH_LEARN_BEHAVIOUR_MIN_VISITS; j++) {
            browse(&s, parts, answers[i].fields);
        }
        s.front.clock.now_ms += PUSH_LEARN_BEHAVIOUR_VISIT_MS;
        assert_int_equal(is_hinted(&s, "/page"), answers[i].is_hinted_then);
        scene_close(&s);
    }
}

// --- for other workers ---------------------------------------------------------------------------

static void count_call(void *user) {
    unsigned *calls = user;
    (*calls)++;
}

static void test_others_are_told(void **state) {
    (void)state;
    struct scene s;
    unsigned calls = 0;
    scene_open(&s, plain);
    push_learn_destroy(s.memory.learn);
    s.memory.learn = push_learn_create(&(struct push_learn_limits){.is_alone = false}, 1);
    s.relay.on_learned = count_call;
    s.relay.user = &calls;
    struct fake_stream *stream = visit(&s, "/page", "", "");
    assert_int_equal(calls, 0); // nothing is known by the request alone
    scene_answer(scene_last_call(&s), "");
    assert_int_equal(calls, 0);
    fake_front_close(stream, FAULT_NONE);
    stream = visit(&s, "/page", "", "");
    scene_answer(scene_last_call(&s), CSS);
    assert_true(calls > 0);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_third_client_is_hinted),
        cmocka_unit_test(test_third_client_is_promised),
        cmocka_unit_test(test_one_client_alone_teaches_nothing),
        cmocka_unit_test(test_http1_teaches),
        cmocka_unit_test(test_promises_do_not_teach),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_pushed_404_ends_it),
        cmocka_unit_test(test_life_ends),
        cmocka_unit_test(test_lessons),
        cmocka_unit_test(test_learn_off_for_a_part),
        cmocka_unit_test(test_by_behaviour),
        cmocka_unit_test(test_by_behaviour_of_no_resource),
        cmocka_unit_test(test_others_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
