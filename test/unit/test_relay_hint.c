// SPDX-License-Identifier: Apache-2.0
// 103 Early Hints: which clients are sent which, and when. What may be hinted:
// test_push_plan_hints.c.
#include "relay_scene.h"

#define CSS_HINT "</a.css>; rel=preload; as=style"
#define LINK(element) "link: " element

static const char plain[] = "[{origin: app}]";
static const char hinting[] = "[{origin: app, hint: [/a.css]}]";

// --- browsers: one -------------------------------------------------------------------------------

static void test_navigation_is_hinted_at_the_request(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, hinting);
    struct fake_stream *stream = scene_navigate(&s, "/");
    assert_origin(&s, "1 start app0 GET a.example/\n");
    assert_front(&s, "1 interim 103\n"); // the origin has said nothing yet
    assert_interim_field(stream, "link", CSS_HINT);
    assert_int_equal(stream->interim.headers.count, 1);
    fake_origin_interim(scene_call(&s, 1), 103, LINK("</b.css>; rel=preload"));
    assert_front(&s, ""); // only the first is read
    scene_answer(scene_call(&s, 1), LINK(CSS_HINT ", </b.css>; rel=preload"));
    assert_front(&s, "1 head 200\n1 finish\n");
    assert_response_field(stream, "link", CSS_HINT ", </b.css>; rel=preload");
    scene_expect_skipped(stream, "repeated:2,client:1");
    assert_int_equal(stream->story.hinted, 1);
    scene_close(&s);
}

static void test_all_hints_stand_in_one(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, push: [/1.png, /2.js], hint: [/3.css, "
                   "\"<https://cdn.example>; rel=preconnect\"]}]");
    struct fake_stream *stream = scene_navigate(&s, "/");
    assert_front(&s, "1 interim 103\n");
    assert_interim_field(stream, "link",
                         "<https://cdn.example>; rel=preconnect, </2.js>; rel=preload; as=script, "
                         "</3.css>; rel=preload; as=style, </1.png>; rel=preload; as=image");
    scene_expect_skipped(stream, "");
    assert_int_equal(stream->story.hinted, 4);
    scene_close(&s);
}

// Promises go before the 103, which does not speak of them.
static void test_browser_that_takes_promises(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, push: [/1.css, /2.css], hint: [/2.css, /3.css]}]");
    struct exchange *x = scene_open_navigation(&s, "/");
    s.front.promise_room = 2;
    struct fake_stream *stream = fake_front_start(x);
    assert_front(&s, "1 promise 2 /1.css u=2\n1 promise 3 /2.css u=2\n1 interim 103\n");
    assert_interim_field(stream, "link", "</3.css>; rel=preload; as=style");
    fake_origin_interim(scene_call(&s, 1), 103, LINK("</4.css>; rel=preload"));
    scene_answer(scene_call(&s, 1), "");
    assert_front(&s, "1 head 200\n1 finish\n");
    scene_expect_skipped(stream, "repeated:1,too_many:1");
    assert_int_equal(stream->story.promised, 2);
    assert_int_equal(stream->story.hinted, 1);
    // The pushes have no hints of their own.
    scene_forget(&s);
    fake_origin_interim(scene_call(&s, 2), 103, LINK("</5.css>; rel=preload"));
    scene_answer(scene_call(&s, 2), "");
    assert_front(&s, "2 head 200\n2 finish\n");
    assert_int_equal(scene_stream(&s, 2)->interim.status, 0);
    scene_close(&s);
}

static void test_origins_hints_when_there_are_none_of_ours(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct fake_stream *stream = scene_navigate(&s, "/");
    assert_front(&s, "");
    s.pool.is_gathering = true; // Puma: one for each link, all at once
    fake_origin_interim(scene_call(&s, 1), 103, LINK(CSS_HINT));
    fake_origin_interim(scene_call(&s, 1), 103,
                        LINK("</b.js>; rel=preload\nreferrer-policy: origin"));
    assert_front(&s, "");
    s.pool.is_gathering = false;
    fake_origin_interim(scene_call(&s, 1), 103, LINK("<//c.example>; rel=preconnect"));
    assert_front(&s, "1 interim 103\n");
    assert_interim_field(stream, "link",
                         CSS_HINT " | </b.js>; rel=preload | <//c.example>; rel=preconnect");
    assert_interim_field(stream, "referrer-policy", "origin");
    fake_origin_interim(scene_call(&s, 1), 103, LINK("</d.css>; rel=preload"));
    assert_front(&s, ""); // the browser has had its one
    scene_answer(scene_call(&s, 1), LINK(CSS_HINT));
    assert_front(&s, "1 head 200\n1 finish\n");
    assert_response_field(stream, "referrer-policy", "");
    scene_expect_skipped(stream, "repeated:1,client:1");
    assert_int_equal(stream->story.hinted, 3);
    scene_close(&s);
}

// With the final head there already they are of no use.
static void test_origins_hints_that_are_too_late(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct fake_stream *stream = scene_navigate(&s, "/");
    s.pool.is_gathering = true;
    fake_origin_interim(scene_call(&s, 1), 103, LINK(CSS_HINT ", </b.js>; rel=preload"));
    scene_answer(scene_call(&s, 1), LINK(CSS_HINT));
    assert_front(&s, "1 head 200\n1 finish\n");
    scene_expect_skipped(stream, "repeated:1,too_late:2");
    assert_int_equal(stream->story.hinted, 0);
    scene_close(&s);
}

static void test_nothing_useful_is_not_the_one(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct fake_stream *stream = scene_navigate(&s, "/");
    fake_origin_interim(scene_call(&s, 1), 103, "server: x"); // filtered, then empty
    fake_origin_interim(scene_call(&s, 1), 103, "");
    fake_origin_interim(scene_call(&s, 1), 102, "");
    assert_front(&s, "1 interim 102\n");
    fake_origin_interim(scene_call(&s, 1), 103, LINK(CSS_HINT));
    assert_front(&s, "1 interim 103\n");
    assert_interim_field(stream, "link", CSS_HINT);
    scene_close(&s);
}

// After a lost connection the origin is asked again; the browser is told once.
static void test_retry_hints_once(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, hinting);
    s.pool.is_reused = true;
    scene_navigate(&s, "/");
    fake_origin_fail(scene_call(&s, 1), FAULT_ORIGIN_RESET);
    fake_origin_interim(scene_call(&s, 2), 103, LINK("</b.css>; rel=preload"));
    scene_answer(scene_call(&s, 2), "");
    assert_front(&s, "1 interim 103\n1 head 200\n1 finish\n");
    scene_close(&s);
}

// --- which clients -------------------------------------------------------------------------------

#define NAVIGATE "sec-fetch-mode: navigate\nsec-fetch-dest: document"
#define STYLE "sec-fetch-mode: no-cors\nsec-fetch-dest: style"
#define HTTP1 PROTOCOL_HTTP_1_1

// The origin sends 103, 102 and 103, one after the other.
static const struct {
    const char *hint; // of the route
    const char *fields;
    enum protocol protocol;
    const char *method;
    const char *at_request; // the record of the front, without "1 interim"
    const char *afterwards;
} clients[] = {
    {"[/a.css]", NAVIGATE, PROTOCOL_HTTP_2, "GET", "103", "102"},
    {"on", NAVIGATE, PROTOCOL_HTTP_2, "GET", "", "103 102"},
    {"off", NAVIGATE, PROTOCOL_HTTP_2, "GET", "", "102"},
    {"{enabled: off, declared: [/a.css]}", NAVIGATE, PROTOCOL_HTTP_2, "GET", "", "102"},
    {"[/a.css]", NAVIGATE "\nif-none-match: x", PROTOCOL_HTTP_2, "GET", "103", "102"},
    {"[/a.css]", NAVIGATE "\nrange: bytes=1-", PROTOCOL_HTTP_2, "GET", "", "103 102"},
    {"[/a.css]", NAVIGATE, PROTOCOL_HTTP_2, "POST", "", "103 102"},
    {"[/a.css]", STYLE, PROTOCOL_HTTP_2, "GET", "", "102"},
    {"{declared: [/a.css], clients: all}", STYLE, PROTOCOL_HTTP_2, "GET", "103", "102"},
    // Others are told what the origin says, all of it.
    {"[/a.css]", "", PROTOCOL_HTTP_2, "GET", "", "103 102 103"},
    {"on", "", PROTOCOL_HTTP_2, "GET", "", "103 102 103"},
    {"off", "", PROTOCOL_HTTP_2, "GET", "", "102"},
    {"{declared: [/a.css], clients: all}", "", PROTOCOL_HTTP_2, "GET", "103", "103 102 103"},
    // HTTP/1.1 has clients that never heard of it.
    {"[/a.css]", NAVIGATE, HTTP1, "GET", "", ""},
    {"[/a.css]", "", HTTP1, "GET", "", ""},
    {"{declared: [/a.css], http1: on}", NAVIGATE, HTTP1, "GET", "103", ""},
    {"{http1: on}", NAVIGATE, HTTP1, "GET", "", "103"},
    {"{declared: [/a.css], http1: on}", "", HTTP1, "GET", "", "103 103"},
    {"{declared: [/a.css], http1: on}", NAVIGATE, PROTOCOL_HTTP_1_0, "GET", "", ""},
};

static const char *without_words(struct scene *s, char *text, size_t size) {
    text[0] = '\0';
    const char *at = fake_front_record(&s->front);
    while ((at = strstr(at, "interim ")) != NULL) {
        at += strlen("interim ");
        size_t length = strlen(text);
        snprintf(text + length, size - length, "%s%.3s", length > 0 ? " " : "", at);
    }
    return text;
}

static void add_fields(struct exchange *x, const char *fields) {
    while (fields[0] != '\0') {
        char name[64];
        char value[64];
        assert_int_equal(sscanf(fields, "%63[^:]: %63[^\n]", name, value), 2);
        fake_front_add(x, name, value);
        fields += strcspn(fields, "\n");
        fields += fields[0] == '\n';
    }
}

static void test_clients(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        struct scene s;
        char routes[256];
        char got[64];
        snprintf(routes, sizeof(routes), "[{origin: app, hint: %s}]", clients[i].hint);
        scene_open(&s, routes);
        s.front.client.protocol = clients[i].protocol;
        s.front.promise_room = 0;
        struct exchange *x = fake_front_open(&s.front, "a.example", "/");
        x->request.method = slice_of_text(clients[i].method);
        add_fields(x, clients[i].fields);
        struct fake_stream *stream = fake_front_start(x);
        if (strcmp(without_words(&s, got, sizeof(got)), clients[i].at_request) != 0) {
            fail_msg("row %zu, at the request: %s", i, got);
        }
        fake_origin_interim(scene_call(&s, 1), 103, LINK("</1.css>; rel=preload"));
        fake_origin_interim(scene_call(&s, 1), 102, "");
        fake_origin_interim(scene_call(&s, 1), 103, LINK("</2.css>; rel=preload"));
        if (strcmp(without_words(&s, got, sizeof(got)), clients[i].afterwards) != 0) {
            fail_msg("row %zu, afterwards: %s", i, got);
        }
        scene_answer(scene_call(&s, 1), "");
        fake_front_close(stream, FAULT_NONE);
        scene_close(&s);
    }
}

// --- fields --------------------------------------------------------------------------------------

static const struct {
    const char *routes;
    const char *names; // of those that pass
} lists[] = {
    {plain, "link referrer-policy content-security-policy"},
    {"[{origin: app, hint: {fields: [Permissions-Policy, x-a]}}]",
     "link referrer-policy content-security-policy permissions-policy x-a"},
};

static void test_fields_of_a_103(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (int is_browser = 0; is_browser <= 1; is_browser++) {
            struct scene s;
            scene_open(&s, lists[i].routes);
            struct fake_stream *stream = is_browser ? scene_navigate(&s, "/") : scene_get(&s, "/");
            fake_origin_interim(scene_call(&s, 1), 103,
                                "link: </a.css>; rel=preconnect\nreferrer-policy: origin\n"
                                "server: x\ncontent-security-policy: y\nset-cookie: a=b\n"
                                "permissions-policy: z\nx-a: 1\nx-b: 2\netag: \"1\"\ndate: now");
            char names[256] = "";
            for (uint32_t j = 0; j < stream->interim.headers.count; j++) {
                size_t length = strlen(names);
                snprintf(names + length, sizeof(names) - length, "%s%.*s", length > 0 ? " " : "",
                         SLICE_ARGS(stream->interim.headers.rows[j].name));
            }
            assert_string_equal(names, lists[i].names);
            scene_close(&s);
        }
    }
}

static void test_push_only_is_not_hinted(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct fake_stream *stream = scene_navigate(&s, "/");
    fake_origin_interim(scene_call(&s, 1), 103,
                        LINK("</a.css>; rel=preload; x-http2-push-only, </b.css>; rel=preload"));
    assert_interim_field(stream, "link", "</b.css>; rel=preload");
    scene_answer(scene_call(&s, 1), "");
    scene_expect_skipped(stream, "client:1");
    assert_int_equal(stream->story.hinted, 1);
    scene_close(&s);
}

// --- what becomes of the rest --------------------------------------------------------------------

static void test_story(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, hint: [/a.css, /, \"</b.css>; rel=preload; nopush\"]}]");
    struct fake_stream *stream = scene_navigate(&s, "/");
    scene_answer(scene_call(&s, 1), LINK("</b.css>; rel=preload, </c d>; rel=preload"));
    scene_expect_skipped(stream, "bad_url:1,self:1,repeated:1");
    assert_int_equal(stream->story.hinted, 2);
    assert_int_equal(stream->story.promised, 0);
    scene_close(&s);
}

// A client without hints is promised what others are hinted, when a response names it.
static void test_declared_hint_is_no_promise(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, hinting);
    struct fake_stream *stream = scene_get(&s, "/");
    assert_front(&s, "");
    scene_answer(scene_call(&s, 1), LINK("</a.css>; rel=preload"));
    assert_front(&s, "1 promise 2 /a.css u=2\n1 head 200\n1 finish\n");
    scene_expect_skipped(stream, "hint_only:1");
    scene_close(&s);
}

// The 103 is out before the origin says that nothing changed; what it pushes waits for that.
static void test_conditional_navigation(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, push: [/a.css]}]");
    struct exchange *x = scene_open_navigation(&s, "/");
    fake_front_add(x, "if-none-match", "\"1\"");
    s.front.promise_room = 10;
    struct fake_stream *stream = fake_front_start(x);
    assert_front(&s, "1 interim 103\n");
    assert_interim_field(stream, "link", CSS_HINT);
    scene_answer(scene_call(&s, 1), LINK(CSS_HINT ", </b.css>; rel=preload"));
    assert_front(&s, "1 promise 2 /b.css u=2\n1 head 200\n1 finish\n"); // told once
    scene_expect_skipped(stream, "repeated:2");
    scene_close(&s);
}

struct heard {
    unsigned plans;
    char text[512];
};

static void note_plan(void *user, const struct exchange *x, enum push_moment moment,
                      const struct push_plan *plan) {
    struct heard *heard = user;
    heard->plans++;
    for (size_t i = 0; i < plan->row_count; i++) {
        size_t length = strlen(heard->text);
        const struct push_row *row = &plan->rows[i];
        snprintf(heard->text + length, sizeof(heard->text) - length, "%u %u %s %s %.*s\n",
                 (unsigned)x->stream_id, (unsigned)moment, push_plan_source_name(row->source),
                 push_plan_reason_name(row->reason), SLICE_ARGS(row->target));
    }
}

static void test_explained(void **state) {
    (void)state;
    struct scene s;
    struct heard heard = {0};
    scene_open(&s, hinting);
    s.relay.on_plan = note_plan;
    s.relay.user = &heard;
    struct fake_stream *stream = scene_navigate(&s, "/");
    fake_origin_interim(scene_call(&s, 1), 103, LINK("</b.css>; rel=preload"));
    scene_answer(scene_call(&s, 1), LINK("</a.css>; rel=preload, <//c.example/>; rel=preconnect"));
    fake_front_close(stream, FAULT_NONE);
    assert_string_equal(heard.text, "1 0 hint hinted https://a.example/a.css\n"
                                    "1 1 103 client https://a.example/b.css\n"
                                    "1 2 link repeated https://a.example/a.css\n"
                                    "1 2 link hint_only https://c.example/\n");
    assert_int_equal(heard.plans, 3);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_navigation_is_hinted_at_the_request),
        cmocka_unit_test(test_all_hints_stand_in_one),
        cmocka_unit_test(test_browser_that_takes_promises),
        cmocka_unit_test(test_origins_hints_when_there_are_none_of_ours),
        cmocka_unit_test(test_origins_hints_that_are_too_late),
        cmocka_unit_test(test_nothing_useful_is_not_the_one),
        cmocka_unit_test(test_retry_hints_once),
        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_fields_of_a_103),
        cmocka_unit_test(test_push_only_is_not_hinted),
        cmocka_unit_test(test_story),
        cmocka_unit_test(test_declared_hint_is_no_promise),
        cmocka_unit_test(test_conditional_navigation),
        cmocka_unit_test(test_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
