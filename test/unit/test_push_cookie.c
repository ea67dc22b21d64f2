// SPDX-License-Identifier: Apache-2.0
#include "push_scene.h"

#include <stdlib.h>

#include "push/push_cookie.h"

static const char *const outcome_names[] = {
#define X(name, text) [PUSH_DIGEST_##name] = (text),
    PUSH_DIGEST_OUTCOME_LIST(X)
#undef X
};

static const struct slice name = {"outrider-digest", 15};
static struct push_digest_key key, other_key;

static int set_up(void **state) {
    (void)state;
    bool is_made = push_digest_key_from_text(SLICE("of the tests"), &key) &&
                   push_digest_key_from_text(SLICE("of somebody else"), &other_key);
    return is_made ? 0 : -1;
}

static struct slice value_of(const struct push_digest_key *with, unsigned members,
                             struct arena *arena) {
    struct push_digest digest;
    push_digest_init(&digest);
    for (unsigned i = 0; i < members; i++) {
        push_digest_add(&digest, with, SLICE("a.example"), arena_printf(arena, "/%u", i),
                        SLICE_EMPTY);
    }
    return push_digest_write(&digest, with, arena);
}

// --- taking it out ----------------------------------------------------------------------------

#define OURS "outrider-digest"

static const struct {
    const char *cookie;
    const char *wanted;
} cookies[] = {
    {"", ""},
    {"a=b", "a=b"},
    {"a=b;c=d", "a=b;c=d"}, // untouched, as it came
    {" a=b ;; c=d ", " a=b ;; c=d "},
    {OURS "=x", ""},
    {OURS "=", ""},
    {OURS "=x;", ""},
    {" ; " OURS "=x ;", ""},
    {OURS "=x; a=b", "a=b"},
    {"a=b; " OURS "=x", "a=b"},
    {"a=b; " OURS "=x; c=d", "a=b; c=d"},
    {"a=b;" OURS "=x;c=d", "a=b; c=d"},
    {"a=b; " OURS "=x; c=d; " OURS "=y; e=f", "a=b; c=d; e=f"},
    {"a=" OURS "=x", "a=" OURS "=x"},
    {"a=\"; " OURS "=x; \"", "a=\"; \""}, // quotes do not hold a cookie together
    {"x" OURS "=x", "x" OURS "=x"},
    {OURS "x=x", OURS "x=x"},
    {"Outrider-Digest=x", "Outrider-Digest=x"}, // names are case-sensitive
    {OURS, OURS},
    {OURS " =x; a=b", "a=b"},
    {"a;b; " OURS "=x;c", "a; b; c"},
    {"; ;a;;" OURS "=", "a"},
};

static void test_without(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cookies) / sizeof(cookies[0]); i++) {
        struct arena *arena = arena_create();
        size_t length = strlen(cookies[i].cookie);
        char *exact = malloc(length > 0 ? length : 1); // so that overreads show
        memcpy(exact, cookies[i].cookie, length);
        push_scene_expect(cookies[i].cookie, "without",
                          push_cookie_without(slice_of(exact, length), name, arena),
                          cookies[i].wanted);
        free(exact);
        arena_destroy(arena);
    }
}

// Fields before and after, joined with '|'.
static const struct {
    const char *fields;
    const char *wanted;
} requests[] = {
    {"accept: */*", "accept: */*|"},
    {"cookie: " OURS "=x", ""},
    {"accept: */*\ncookie: " OURS "=x\nhost: b", "accept: */*|host: b|"},
    {"cookie: a=b\ncookie: " OURS "=x\ncookie: c=d; " OURS "=y", "cookie: a=b|cookie: c=d|"},
    {"cookie: a=b\nx-cookie: " OURS "=x", "cookie: a=b|x-cookie: " OURS "=x|"},
};

static void test_strip(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct arena *arena = arena_create();
        struct headers headers;
        headers_init(&headers, arena);
        push_scene_add_fields(&headers, requests[i].fields);
        push_cookie_strip(&headers, name);
        struct slice got = SLICE_EMPTY;
        for (uint32_t row = 0; row < headers.count; row++) {
            got = arena_printf(arena, "%.*s%.*s: %.*s|", SLICE_ARGS(got),
                               SLICE_ARGS(headers.rows[row].name),
                               SLICE_ARGS(headers.rows[row].value));
        }
        push_scene_expect(requests[i].fields, "stripped", got, requests[i].wanted);
        if (i == 1) {
            assert_false(headers_has(&headers, HEADER_COOKIE)); // no credentials left
        }
        arena_destroy(arena);
    }
}

// --- reading ----------------------------------------------------------------------------------

// G: a good value, F: one with another key, X: garbage; wanted outcome and members.
static const struct {
    const char *fields;
    const char *outcome;
    unsigned members;
} readings[] = {
    {"accept: x", "absent", 0},
    {"cookie: a=b", "absent", 0},
    {"cookie: " OURS "=G", "read", 3},
    {"cookie: a=b; " OURS "=G; c=d", "read", 3},
    {"cookie: a=b\ncookie: c=d\ncookie: " OURS "=G", "read", 3},
    {"cookie: " OURS "= G ", "read", 3},
    {"cookie: " OURS "=\"G\"", "garbled", 0},
    {"cookie: " OURS "=", "garbled", 0},
    {"cookie: " OURS "=X", "garbled", 0},
    {"cookie: " OURS "=F", "forged", 0},
    {"cookie: x" OURS "=G", "absent", 0},
    {"cookie: " OURS, "absent", 0},
    {"cookie: " OURS "=F; " OURS "=G", "read", 3},
    {"cookie: " OURS "=F; " OURS "=X", "forged", 0},
    {"cookie: " OURS "=X\ncookie: " OURS "=X; " OURS "=F\ncookie: " OURS "=G", "read", 3},
    {"cookie: " OURS "=X; " OURS "=X; " OURS "=X; " OURS "=X; " OURS "=G", "garbled", 0},
};

static struct slice fill_in(const char *fields, struct arena *arena) {
    struct slice text = SLICE_EMPTY;
    for (const char *at = fields; *at != '\0'; at++) {
        struct slice part = *at == 'G'   ? value_of(&key, 3, arena)
                            : *at == 'F' ? value_of(&other_key, 3, arena)
                                         : slice_of(at, 1);
        text = arena_printf(arena, "%.*s%.*s", SLICE_ARGS(text), SLICE_ARGS(part));
    }
    return text;
}

static void test_read(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(readings) / sizeof(readings[0]); i++) {
        struct arena *arena = arena_create();
        struct headers headers;
        headers_init(&headers, arena);
        push_scene_add_fields(&headers, fill_in(readings[i].fields, arena).data);
        struct push_digest digest;
        enum push_digest_outcome outcome = push_cookie_read(&headers, name, &key, &digest);
        push_scene_expect(readings[i].fields, "outcome", slice_of_text(outcome_names[outcome]),
                          readings[i].outcome);
        assert_int_equal(digest.count, readings[i].members);
        arena_destroy(arena);
    }
}

// --- setting ----------------------------------------------------------------------------------

#define HTML "content-type: text/html; charset=utf-8\n"

static const struct {
    const char *method;
    int status;
    const char *fields;
    bool wanted;
} pages[] = {
    {"GET", 200, HTML, true},
    {"GET", 200, "content-type: TEXT/HTML", true},
    {"GET", 200, "content-type: application/xhtml+xml", true},
    {"GET", 200, HTML "cache-control: private, max-age=600", true},
    {"GET", 200, HTML "cache-control: no-store", true},
    {"GET", 200, HTML "cache-control: no-cache\netag: \"x\"", true},
    {"GET", 200, HTML "cache-control: max-age=0, must-revalidate\netag: \"x\"", true},
    {"GET", 200, HTML "set-cookie: a=b", true},
    {"GET", 200, HTML "cache-control: max-age=600", false},
    {"GET", 200, HTML "cache-control: public", false},
    {"GET", 200, HTML "cache-control: s-maxage=1, max-age=0", false},
    {"GET", 200, HTML "cache-control: private\ncdn-cache-control: max-age=9", false},
    {"GET", 200, HTML "expires: Fri, 31 Dec 2199 23:59:59 GMT", false},
    {"GET", 200, HTML "expires: 0", true},
    {"GET", 200, HTML "last-modified: Sun, 06 Nov 1994 08:49:37 GMT", false},
    {"GET", 200, HTML "last-modified: Sun, 06 Nov 1994 08:49:37 GMT\ncache-control: no-cache",
     true},
    {"GET", 200, "", false},
    {"GET", 200, "content-type: text/css", false},
    {"GET", 200, "content-type: text/htmlx", false},
    {"GET", 200, "content-type: application/json", false},
    {"HEAD", 200, HTML, false},
    {"POST", 200, HTML, false},
    {"GET", 206, HTML, false},
    {"GET", 304, HTML, false},
    {"GET", 302, HTML, false},
    {"GET", 404, HTML, false},
    {"GET", 103, HTML, false},
};

static void test_may_set(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        struct arena *arena = arena_create();
        struct request_head request = {.method = slice_of_text(pages[i].method)};
        struct response_head response = {.status = pages[i].status};
        headers_init(&request.headers, arena);
        headers_init(&response.headers, arena);
        push_scene_add_fields(&response.headers, pages[i].fields);
        if (push_cookie_may_set(&request, &response) != pages[i].wanted) {
            fail_msg("%s %d %s", pages[i].method, pages[i].status, pages[i].fields);
        }
        arena_destroy(arena);
    }
}

static void test_is_due(void **state) {
    (void)state;
    struct push_digest digest;
    push_digest_init(&digest);
    assert_false(push_cookie_is_due(&digest, PUSH_DIGEST_READ, false));
    assert_false(push_cookie_is_due(&digest, PUSH_DIGEST_READ, true)); // marked already
    assert_false(push_cookie_is_due(&digest, PUSH_DIGEST_ABSENT, false));
    assert_true(push_cookie_is_due(&digest, PUSH_DIGEST_ABSENT, true));
    assert_true(push_cookie_is_due(&digest, PUSH_DIGEST_FORGED, false)); // puts an end to it
    assert_true(push_cookie_is_due(&digest, PUSH_DIGEST_OVERSIZED, false));
    push_digest_add(&digest, &key, SLICE("a"), SLICE("/"), SLICE("v"));
    assert_true(push_cookie_is_due(&digest, PUSH_DIGEST_READ, false));
    assert_true(push_cookie_is_due(&digest, PUSH_DIGEST_ABSENT, false));
}

static void test_text(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    push_scene_expect("tls", "text", push_cookie_text(name, SLICE("AQ"), 2592000, true, arena),
                      "outrider-digest=AQ; Path=/; Max-Age=2592000; Secure; HttpOnly; "
                      "SameSite=Lax");
    push_scene_expect("cleartext", "text", push_cookie_text(name, SLICE("AQ"), 60, false, arena),
                      "outrider-digest=AQ; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
    struct slice full = value_of(&key, PUSH_DIGEST_ENTRIES, arena);
    assert_true(full.length + 1 + 40 <= 1024);
    struct headers headers; // what a browser sends back is what was set
    headers_init(&headers, arena);
    headers_add(&headers, SLICE("cookie"),
                arena_printf(arena, "a=b; outrider-digest=%.*s", SLICE_ARGS(full)));
    struct push_digest digest;
    assert_int_equal(push_cookie_read(&headers, name, &key, &digest), PUSH_DIGEST_READ);
    assert_true(digest.count > PUSH_DIGEST_ENTRIES * 9 / 10); // but for collisions
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without), cmocka_unit_test(test_strip),  cmocka_unit_test(test_read),
        cmocka_unit_test(test_may_set), cmocka_unit_test(test_is_due), cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
