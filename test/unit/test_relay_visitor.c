// SPDX-License-Identifier: Apache-2.0
// Who has it already: the cookie, Cache-Digest and versions on one connection. The answers alone:
// test_push_visitor.c.
#include "base/base64.h"
#include "push/push_golomb.h"
#include "relay_scene.h"

#define CSS "link: </a.css>; rel=preload; as=style"
#define PAGE "content-type: text/html; charset=utf-8"

static const char plain[] = "[{origin: app}]";
static const char with_digest[] = "[{origin: app, push: {visitors: digest}, learn: off}]";
static const char first_visit[] =
    "[{origin: app, push: {visitors: first-visit, short_life: 1m}, learn: off}]";

// The value of the cookie that the page sets; empty when it sets none.
static struct slice cookie_of(struct fake_stream *stream) {
    struct slice text =
        slice_of_text(fake_front_field(stream, &stream->head.headers, "set-cookie"));
    if (text.length == 0) {
        return text;
    }
    assert_true(slice_starts_with(text, SLICE("outrider-digest=")));
    text = slice_skip(text, strlen("outrider-digest="));
    return slice_first(text, slice_find(text, ';'));
}

// A page by a client of its own that sends this cookie; `cookie` becomes what it has afterwards.
static struct fake_stream *visit(struct scene *s, char cookie[1024], const char *fields) {
    char text[2048];
    scene_change_client(s);
    struct exchange *x = fake_front_open(&s->front, "a.example", "/");
    if (cookie[0] != '\0') {
        snprintf(text, sizeof(text), "outrider-digest=%s", cookie);
        fake_front_add(x, "cookie", text);
    }
    unsigned number = s->pool.call_count + 1; // promises come behind it
    struct fake_stream *stream = fake_front_start(x);
    scene_answer(scene_call(s, number), fields);
    struct slice value = cookie_of(stream);
    if (value.length > 0) {
        snprintf(cookie, 1024, "%.*s", SLICE_ARGS(value));
    }
    return stream;
}

// Another client asks for it, so that its version is known.
static void show(struct scene *s, const char *fields) {
    scene_change_client(s);
    struct fake_stream *stream = scene_get(s, "/a.css");
    scene_answer(scene_last_call(s), fields);
    fake_front_close(stream, FAULT_NONE);
}

// --- the cookie is ours alone --------------------------------------------------------------------

static const struct {
    const char *routes;
    const char *cookie;
    const char *passed_on;
} jars[] = {
    {with_digest, "outrider-digest=x", ""},
    {with_digest, "a=b; outrider-digest=x; c=d", "a=b; c=d"},
    {with_digest, "a=b; outrider-digestx=x", "a=b; outrider-digestx=x"},
    {first_visit, "outrider-digest=x; a=b", "a=b"},
    {"[{origin: app}, {path: /x, origin: app, push: {visitors: digest}}]", "outrider-digest=x", ""},
    {plain, "outrider-digest=x", "outrider-digest=x"}, // nobody sets it: then it isn't ours
};

static void test_origin_does_not_see_it(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(jars) / sizeof(jars[0]); i++) {
        for (int is_http1 = 0; is_http1 <= 1; is_http1++) {
            struct scene s;
            scene_open(&s, jars[i].routes);
            s.front.has_no_promises = is_http1;
            struct exchange *x = fake_front_open(&s.front, "a.example", "/");
            fake_front_add(x, "cookie", jars[i].cookie);
            fake_front_start(x);
            assert_request_field(scene_call(&s, 1), "cookie", jars[i].passed_on);
            scene_close(&s);
        }
    }
}

// Nor does it in a promise that carries the visitor's cookies.
static void test_promise_does_not_carry_it(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, push: {visitors: digest, credentials: cookies}}]");
    struct exchange *x = fake_front_open(&s.front, "a.example", "/");
    fake_front_add(x, "cookie", "id=1; outrider-digest=x");
    fake_front_start(x);
    scene_answer(scene_call(&s, 1), CSS);
    assert_request_field(scene_call(&s, 2), "cookie", "id=1");
    scene_close(&s);
}

// A visitor with this cookie and no other is as good as one without: of pushes and of learning.
static void test_it_is_no_credential(void **state) {
    (void)state;
    for (int is_alone = 0; is_alone <= 1; is_alone++) {
        struct scene s;
        scene_open(&s, "[{origin: app, push: {visitors: digest}}]");
        struct exchange *x = fake_front_open(&s.front, "a.example", "/");
        fake_front_add(x, "cookie", is_alone ? "outrider-digest=x" : "id=1; outrider-digest=x");
        fake_front_start(x);
        scene_answer(scene_call(&s, 1), CSS);
        fake_origin_head(scene_call(&s, 2), 200, "cache-control: private");
        assert_int_equal(scene_stream(&s, 2)->head.status, is_alone ? 200 : 0);
        struct push_learn_cursor cursor = {0};
        struct push_learn_view view;
        assert_true(push_learn_next(s.memory.learn, &cursor, s.front.clock.now_ms, &view));
        assert_int_equal(view.key.has_credentials, !is_alone);
        scene_close(&s);
    }
}

// --- when it is set ------------------------------------------------------------------------------

static const struct {
    const char *routes;
    const char *method;
    int status;
    const char *fields;       // of the response
    const char *name, *value; // of the request
    bool takes_promises;
    bool is_set;
} settings[] = {
    {with_digest, "GET", 200, PAGE "\n" CSS, "", "", true, true},
    {with_digest, "GET", 200, "content-type: application/xhtml+xml\n" CSS, "", "", true, true},
    {with_digest, "GET", 200, PAGE, "", "", true, false}, // nothing to say
    {with_digest, "GET", 200, PAGE "\n" CSS, "", "", false, false},
    {with_digest, "GET", 200, "content-type: application/json\n" CSS, "", "", true, false},
    {with_digest, "GET", 200, CSS, "", "", true, false},
    {with_digest, "GET", 201, PAGE "\n" CSS, "", "", true, false},
    {with_digest, "GET", 404, PAGE "\n" CSS, "", "", true, false},
    {with_digest, "POST", 200, PAGE "\n" CSS, "", "", true, false},
    {with_digest, "GET", 200, PAGE "\ncache-control: max-age=60\n" CSS, "", "", true, false},
    {with_digest, "GET", 200, PAGE "\ncache-control: private, max-age=60\n" CSS, "", "", true,
     true},
    {with_digest, "GET", 200, PAGE "\n" CSS, "via", "1.1 x", true, false},
    {with_digest, "GET", 200, PAGE, "cookie", "outrider-digest=forged", true, true},
    {first_visit, "GET", 200, PAGE, "", "", true, true}, // the mark
    {first_visit, "GET", 200, PAGE, "", "", false, false},
    {first_visit, "GET", 200, "content-type: text/css", "", "", true, false},
    {plain, "GET", 200, PAGE "\n" CSS, "", "", true, false},
    {plain, "GET", 200, PAGE "\n" CSS, "cookie", "outrider-digest=forged", true, false},
};

static void test_when_it_is_set(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        struct scene s;
        scene_open(&s, settings[i].routes);
        s.front.promise_room = settings[i].takes_promises ? 10 : 0;
        struct exchange *x = fake_front_open(&s.front, "a.example", "/");
        x->request.method = slice_of_text(settings[i].method);
        if (settings[i].name[0] != '\0') {
            fake_front_add(x, settings[i].name, settings[i].value);
        }
        struct fake_stream *stream = fake_front_start(x);
        fake_origin_head(scene_call(&s, 1), settings[i].status, settings[i].fields);
        bool is_set = cookie_of(stream).length > 0;
        if (is_set != settings[i].is_set) {
            fail_msg("row %zu: %s", i,
                     fake_front_field(stream, &stream->head.headers, "set-cookie"));
        }
        if (s.front.stream_count > 1) { // the push sets none
            fake_origin_head(scene_call(&s, 2), 200, PAGE);
            assert_response_field(scene_stream(&s, 2), "set-cookie", "");
        }
        scene_close(&s);
    }
}

static void test_its_attributes(void **state) {
    (void)state;
    for (int is_tls = 0; is_tls <= 1; is_tls++) {
        struct scene s;
        scene_open(&s, first_visit);
        struct exchange *x = fake_front_open(&s.front, "a.example", "/dir/page");
        x->request.scheme = is_tls ? SLICE("https") : SLICE("http");
        struct fake_stream *stream = fake_front_start(x);
        scene_answer(scene_call(&s, 1), PAGE "\nset-cookie: a=b");
        const char *text = fake_front_field(stream, &stream->head.headers, "set-cookie");
        assert_true(strncmp(text, "a=b | outrider-digest=", 22) == 0); // beside the origin's
        assert_non_null(strstr(text, "; Path=/; Max-Age=2592000"));
        assert_non_null(strstr(text, "; HttpOnly; SameSite=Lax"));
        assert_int_equal(strstr(text, "; Secure") != NULL, is_tls);
        scene_close(&s);
    }
}

// --- the next visit ------------------------------------------------------------------------------

static void test_second_visit(void **state) {
    (void)state;
    struct scene s;
    char cookie[1024] = "";
    scene_open(&s, with_digest);
    show(&s, "etag: \"1\"");
    struct fake_stream *stream = visit(&s, cookie, PAGE "\n" CSS);
    assert_int_equal(stream->x->story.promised, 1);
    assert_true(cookie[0] != '\0');

    stream = visit(&s, cookie, PAGE "\n" CSS);
    assert_response_field(stream, "set-cookie", ""); // it says so already
    scene_expect_skipped(stream, "in_cache:1");
    assert_int_equal(stream->story.promised, 0);

    show(&s, "etag: \"2\"");
    stream = visit(&s, cookie, PAGE "\n" CSS); // changed: once more
    scene_expect_skipped(stream, "");
    assert_int_equal(stream->story.promised, 1);
    scene_expect_skipped(visit(&s, cookie, PAGE "\n" CSS), "in_cache:1");

    char of_another[1024] = "";
    assert_int_equal(visit(&s, of_another, PAGE "\n" CSS)->x->story.promised, 1);
    scene_close(&s);
}

// Pushed before any version of it had been seen: the next visit is hinted at most, and says which
// version it is from then on.
static void test_visit_before_the_version_is_known(void **state) {
    (void)state;
    struct scene s;
    char cookie[1024] = "";
    scene_open(&s, with_digest);
    assert_int_equal(visit(&s, cookie, PAGE "\n" CSS)->x->story.promised, 1);
    scene_expect_skipped(visit(&s, cookie, PAGE "\n" CSS), "returning:1");
    show(&s, "etag: \"1\"");
    char before[1024];
    memcpy(before, cookie, sizeof(before));
    scene_expect_skipped(visit(&s, cookie, PAGE "\n" CSS), "returning:1");
    assert_string_not_equal(cookie, before);
    scene_expect_skipped(visit(&s, cookie, PAGE "\n" CSS), "in_cache:1");
    show(&s, "etag: \"2\"");
    assert_int_equal(visit(&s, cookie, PAGE "\n" CSS)->x->story.promised, 1);
    scene_close(&s);
}

// What it asked for itself on the connection is there too.
static void test_asked_for_by_itself(void **state) {
    (void)state;
    struct scene s;
    char cookie[1024] = "";
    scene_open(&s, with_digest);
    show(&s, "etag: \"1\"");
    scene_change_client(&s);
    fake_front_close(scene_get(&s, "/a.css"), FAULT_CLIENT_RESET);
    struct fake_stream *stream = scene_get(&s, "/");
    scene_answer(scene_last_call(&s), PAGE "\n" CSS);
    snprintf(cookie, sizeof(cookie), "%.*s", SLICE_ARGS(cookie_of(stream)));
    scene_expect_skipped(stream, "already:1");
    scene_expect_skipped(visit(&s, cookie, PAGE "\n" CSS), "in_cache:1");
    scene_close(&s);
}

// An in_cache answer is no reason against a hint: it goes to who takes hints too.
static void test_returning_browser_is_hinted(void **state) {
    (void)state;
    struct scene s;
    char cookie[1024] = "";
    scene_open(&s, "[{origin: app, push: {declared: [/a.css], visitors: digest}}]");
    show(&s, "etag: \"1\"");
    visit(&s, cookie, PAGE);
    scene_change_client(&s);
    struct exchange *x = scene_open_navigation(&s, "/");
    s.front.promise_room = 10;
    char text[2048];
    snprintf(text, sizeof(text), "outrider-digest=%s", cookie);
    fake_front_add(x, "cookie", text);
    struct fake_stream *stream = fake_front_start(x);
    assert_front(&s, "1 interim 103\n");
    assert_int_equal(stream->x->story.promised, 0);
    scene_close(&s);
}

static const struct {
    const char *asset;   // as another client saw it; NULL: nobody
    const char *skipped; // at the second visit
} marked[] = {
    {NULL, "returning:1"},
    {"etag: \"1\"", "in_cache:1"},
    {"cache-control: max-age=61", "in_cache:1"},
    {"cache-control: max-age=60", ""}, // short-lived: pushed to everybody
    {"cache-control: no-store", ""},
};

static void test_first_visit(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(marked) / sizeof(marked[0]); i++) {
        struct scene s;
        char cookie[1024] = "";
        scene_open(&s, first_visit);
        if (marked[i].asset != NULL) {
            show(&s, marked[i].asset);
        }
        assert_int_equal(visit(&s, cookie, PAGE "\n" CSS)->x->story.promised, 1);
        struct fake_stream *stream = visit(&s, cookie, PAGE "\n" CSS);
        assert_response_field(stream, "set-cookie", ""); // is marked
        assert_int_equal(stream->x->story.promised, marked[i].skipped[0] == '\0');
        scene_expect_skipped(stream, marked[i].skipped);
        scene_close(&s);
    }
}

// --- what the client says itself -----------------------------------------------------------------

// Hashes /a.css to zeros, all else to ones.
static void fake_sha256(const void *bytes, size_t length, unsigned char out_hash[32]) {
    bool is_css = memmem(bytes, length, "/a.css", 6) != NULL;
    memset(out_hash, is_css ? 0 : 0xff, 32);
}

// A set of one member, zero, among 2^8.
static const char *cache_digest_text(char text[64]) {
    unsigned char bytes[16] = {0};
    struct push_golomb_writer writer;
    push_golomb_writer_init(&writer, bytes, sizeof(bytes));
    push_golomb_write_bits(&writer, 5, 0);
    push_golomb_write_bits(&writer, 5, 8);
    push_golomb_write_gap(&writer, 8, 0);
    size_t length = push_golomb_bytes(&writer);
    base64_encode(slice_of((const char *)bytes, length), text);
    text[base64_text_length(length)] = '\0';
    return text;
}

static const struct {
    const char *push; // of the route
    const char *skipped;
    unsigned promised;
} digests[] = {
    {"{cache_digest: on}", "in_cache:1", 1},
    {"{cache_digest: off}", "", 2},
    {"{}", "", 2}, // not believed unless asked to
    {"{cache_digest: on, visitors: digest}", "in_cache:1", 1},
    {"{visitors: digest}", "", 2},
};

static void test_cache_digest(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        struct scene s;
        char routes[128];
        char text[64];
        snprintf(routes, sizeof(routes), "[{origin: app, push: %s}]", digests[i].push);
        scene_open(&s, routes);
        s.memory.sha256 = fake_sha256;
        struct exchange *x = fake_front_open(&s.front, "a.example", "/");
        fake_front_add(x, "cache-digest", cache_digest_text(text));
        struct fake_stream *stream = fake_front_start(x);
        assert_request_field(scene_call(&s, 1), "cache-digest", text); // anybody may read it
        scene_answer(scene_call(&s, 1), CSS ", </b.png>; rel=preload");
        scene_expect_skipped(stream, digests[i].skipped);
        assert_int_equal(stream->story.promised, digests[i].promised);
        scene_close(&s);
    }
}

// --- on one connection ---------------------------------------------------------------------------

#define LIVES "etag: \"1\"\ncache-control: max-age=10"

static const struct {
    const char *revalidate;
    const char *asset;   // as it was given first
    unsigned seconds;    // until the next page
    const char *changed; // what another client sees meanwhile; NULL: nobody asks
    const char *condition;
    const char *skipped;
} copies[] = {
    {"on", LIVES, 10, NULL, "\"1\"", ""},
    {"on", LIVES, 9, NULL, "", "already:1"},
    {"off", LIVES, 10, NULL, "", "already:1"},
    {"on", "etag: \"1\"", 1000, NULL, "", "already:1"},             // nobody says that it is old
    {"on", "cache-control: max-age=10", 10, NULL, "", "already:1"}, // nothing to ask with
    {"on", LIVES, 1, "etag: \"2\"\ncache-control: max-age=10", "", ""}, // another one, in full
    {"on", LIVES, 11, "etag: \"2\"\ncache-control: max-age=10", "", ""},
    {"on", LIVES, 11, LIVES, "\"1\"", ""},
    {"on", LIVES, 11, "etag: \"1\"", "", "already:1"}, // without life: nobody says that it is old
    {"on", LIVES, 1, "cache-control: private", "", "already:1"},
    {"off", LIVES, 1, "etag: \"2\"", "", "already:1"},
    {"on", "etag: \"1\"\ncache-control: no-cache", 0, NULL, "\"1\"", ""}, // to be asked each time
};

static void note_asset(struct scene *s, const char *fields) {
    struct arena *arena = arena_create();
    struct request_head request = {
        .method = SLICE("GET"), .authority = SLICE("a.example"), .path = SLICE("/a.css")};
    struct response_head response = {.status = 200};
    headers_init(&request.headers, arena);
    headers_init(&response.headers, arena);
    char line[2][64] = {"", ""};
    sscanf(fields, "%63[^\n]\n%63[^\n]", line[0], line[1]);
    for (unsigned i = 0; i < 2 && line[i][0] != '\0'; i++) {
        struct slice text = slice_of_text(line[i]);
        size_t colon = slice_find(text, ':');
        headers_add(&response.headers, slice_first(text, colon),
                    slice_trim(slice_skip(text, colon + 1)));
    }
    push_assets_note(s->memory.assets, &request, &response, &s->front.clock);
    arena_destroy(arena);
}

static struct fake_stream *push_css(struct scene *s) {
    struct fake_stream *stream = scene_get(s, "/");
    scene_answer(scene_last_call(s), CSS);
    return stream;
}

static void test_copies(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
        struct scene s;
        char routes[128];
        snprintf(routes, sizeof(routes), "[{origin: app, push: {revalidate: %s}}]",
                 copies[i].revalidate);
        scene_open(&s, routes);
        push_css(&s);
        scene_answer(scene_call(&s, 2), copies[i].asset);
        fake_front_close(scene_stream(&s, 2), FAULT_NONE);
        s.front.clock.now_ms += copies[i].seconds * 1000;
        if (copies[i].changed != NULL) {
            note_asset(&s, copies[i].changed);
        }
        struct fake_stream *stream = push_css(&s);
        if (copies[i].skipped[0] == '\0') {
            assert_int_equal(s.pool.call_count, 4);
            assert_request_field(scene_call(&s, 4), "if-none-match", copies[i].condition);
        }
        scene_expect_skipped(stream, copies[i].skipped);
        scene_close(&s);
    }
}

// The 304 goes to the client and makes its copy young again.
static void test_pushed_304(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, "[{origin: app, push: {revalidate: on}}]");
    push_css(&s);
    scene_answer(scene_call(&s, 2), LIVES);
    fake_front_close(scene_stream(&s, 2), FAULT_NONE);
    s.front.clock.now_ms += 10 * 1000;
    push_css(&s);
    assert_request_field(scene_call(&s, 4), "if-none-match", "\"1\"");
    fake_origin_head(scene_call(&s, 4), 304, "etag: \"1\"");
    fake_origin_end(scene_call(&s, 4), NULL);
    assert_int_equal(scene_stream(&s, 4)->head.status, 304);
    assert_true(scene_stream(&s, 4)->is_finished);
    fake_front_close(scene_stream(&s, 4), FAULT_NONE);
    s.front.clock.now_ms += 9 * 1000;
    scene_expect_skipped(push_css(&s), "already:1");
    s.front.clock.now_ms += 1000;
    assert_int_equal(push_css(&s)->x->story.promised, 1);
    scene_close(&s);
}

// What the client asked for itself counts as what was pushed; what it did not get to its end, or
// got of another status, does not.
static const struct {
    enum fault end;
    int status;
    bool is_asked_again; // by a promise with a condition
} givings[] = {
    {FAULT_NONE, 200, true},
    {FAULT_CLIENT_RESET, 200, false},
    {FAULT_NONE, 206, false},
    {FAULT_NONE, 404, false},
};

static void test_asked_for_copies(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(givings) / sizeof(givings[0]); i++) {
        struct scene s;
        scene_open(&s, "[{origin: app, push: {revalidate: on}}]");
        note_asset(&s, LIVES);
        struct fake_stream *stream = scene_get(&s, "/a.css");
        fake_origin_head(scene_call(&s, 1), givings[i].status, LIVES);
        fake_origin_end(scene_call(&s, 1), NULL);
        fake_front_close(stream, givings[i].end);
        note_asset(&s, LIVES);
        s.front.clock.now_ms += 10 * 1000;
        unsigned calls = s.pool.call_count;
        push_css(&s);
        bool is_asked = s.pool.call_count > calls + 1;
        if (is_asked != givings[i].is_asked_again) {
            fail_msg("row %zu: %d", i, is_asked);
        }
        scene_close(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_origin_does_not_see_it),
        cmocka_unit_test(test_promise_does_not_carry_it),
        cmocka_unit_test(test_it_is_no_credential),
        cmocka_unit_test(test_when_it_is_set),
        cmocka_unit_test(test_its_attributes),
        cmocka_unit_test(test_second_visit),
        cmocka_unit_test(test_visit_before_the_version_is_known),
        cmocka_unit_test(test_asked_for_by_itself),
        cmocka_unit_test(test_returning_browser_is_hinted),
        cmocka_unit_test(test_first_visit),
        cmocka_unit_test(test_cache_digest),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_pushed_304),
        cmocka_unit_test(test_asked_for_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
