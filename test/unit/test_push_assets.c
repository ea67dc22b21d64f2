// SPDX-License-Identifier: Apache-2.0
#include "push_scene.h"

#include "push/push_assets.h"

static const struct slice site = {"a.example", 9};
static const struct clock noon = {.now_ms = 1000000, .wall_ms = INT64_C(784111777000)};

static void note_at(struct push_assets *assets, const char *path, int status,
                    const char *request_fields, const char *fields, const struct clock *clock) {
    struct arena *arena = arena_create();
    struct request_head request = {
        .method = SLICE("GET"), .authority = site, .path = slice_of_text(path)};
    struct response_head response = {.status = status};
    headers_init(&request.headers, arena);
    headers_init(&response.headers, arena);
    push_scene_add_fields(&request.headers, request_fields);
    push_scene_add_fields(&response.headers, fields);
    push_assets_note(assets, &request, &response, clock);
    arena_destroy(arena);
}

static void note(struct push_assets *assets, const char *path, int status, const char *fields) {
    note_at(assets, path, status, "", fields, &noon);
}

static const struct push_asset *find(const struct push_assets *assets, const char *path) {
    return push_assets_find(assets, site, slice_of_text(path));
}

// "condition|version|lifetime s/left s|!storable", "-" for no lifetime, "" when unknown
static struct slice describe(const struct push_asset *asset) {
    static char text[400];
    enum header_id id = HEADER_OTHER;
    struct slice value = SLICE_EMPTY;
    text[0] = '\0';
    if (asset != NULL) {
        push_assets_condition(asset, &id, &value);
        struct slice version = push_assets_version(asset);
        int length = snprintf(text, sizeof(text), "%s%.*s|%.*s|",
                              id == HEADER_IF_NONE_MATCH       ? "none-match "
                              : id == HEADER_IF_MODIFIED_SINCE ? "since "
                                                               : "",
                              SLICE_ARGS(value), SLICE_ARGS(version));
        char *end = text + length;
        size_t room = sizeof(text) - (size_t)length;
        if (asset->has_lifetime) {
            snprintf(end, room, "%llu/%llu%s", (unsigned long long)asset->lifetime_ms / 1000,
                     (unsigned long long)(asset->fresh_until_ms - noon.now_ms) / 1000,
                     asset->is_storable ? "" : "!");
        } else {
            snprintf(end, room, "-%s", asset->is_storable ? "" : "!");
        }
    }
    return slice_of_text(text);
}

#define LM "Sun, 06 Nov 1994 08:00:00 GMT"
#define TEN "0123456789"

static const struct {
    const char *request;
    int status;
    const char *fields;
    const char *wanted;
} notes[] = {
    {"", 200, "", "||-"},
    {"", 200, "etag: \"x\"", "none-match \"x\"|x|-"},
    {"", 200, "etag: W/\"x\"", "none-match W/\"x\"|x|-"},
    {"", 200, "etag: \"x-gzip\"", "none-match \"x-gzip\"|x|-"},
    {"", 200, "etag: W/\"x--gzip\"", "none-match W/\"x--gzip\"|x|-"},
    {"", 200, "etag: \"x-br\"", "none-match \"x-br\"|x|-"},
    {"", 200, "etag: \"-gzip\"", "none-match \"-gzip\"|-gzip|-"},
    {"", 200, "etag: \"\"", "none-match \"\"||-"},
    {"", 200, "etag: bare", "none-match bare|bare|-"},
    {"", 200, "etag: \"", "none-match \"|\"|-"},
    {"", 200, "etag: W/", "none-match W/||-"},
    {"", 200, "etag:", "||-"},
    {"", 200, "last-modified: " LM, "since " LM "|" LM "|-"},
    {"", 200, "last-modified: " LM "\netag: \"x\"", "none-match \"x\"|x|-"},
    {"", 200, "etag: " TEN TEN TEN TEN TEN TEN TEN TEN TEN "12345",
     "none-match " TEN TEN TEN TEN TEN TEN TEN TEN TEN "12345|" TEN TEN TEN TEN TEN TEN TEN TEN TEN
     "12345|-"},
    {"", 200, "last-modified: " LM "\netag: " TEN TEN TEN TEN TEN TEN TEN TEN TEN "123456",
     "since " LM "|" LM "|-"},
    {"", 200, "etag: \"x\"\ncache-control: max-age=600", "none-match \"x\"|x|600/600"},
    {"", 200, "cache-control: max-age=600\nage: 200", "||600/400"},
    {"", 200, "etag: \"x\"\ncache-control: no-store", "none-match \"x\"|x|0/0!"},
    {"", 200, "etag: \"x\"\ncache-control: no-cache", "none-match \"x\"|x|0/0"},
    {"", 200, "etag: \"x\"\nset-cookie: lb=1", "none-match \"x\"|x|-"},
    {"cookie: a=b", 200, "etag: \"x\"", "none-match \"x\"|x|-"},
    {"", 200, "etag: \"x\"\nvary: accept-encoding", "none-match \"x\"|x|-"},
    {"", 200, "etag: \"x\"\nvary: Accept, Cookie", ""},
    {"", 200, "etag: \"x\"\nvary: authorization", ""},
    {"", 200, "etag: \"x\"\nvary: *", ""},
    {"", 200, "etag: \"x\"\ncache-control: private, max-age=60", ""},
    {"authorization: x", 200, "etag: \"x\"", ""},
    {"authorization: x", 200, "etag: \"x\"\ncache-control: public", "none-match \"x\"|x|-"},
    {"", 304, "etag: \"x\"\ncache-control: max-age=5", "none-match \"x\"|x|5/5"},
    {"", 304, "cache-control: max-age=5", ""}, // of what?
    {"", 206, "etag: \"x\"", ""},
    {"", 204, "etag: \"x\"", ""},
    {"", 301, "etag: \"x\"", ""},
    {"", 404, "etag: \"x\"", ""},
    {"", 500, "etag: \"x\"", ""},
};

static void test_notes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        struct push_assets *assets = push_assets_create(1);
        note_at(assets, "/a", notes[i].status, notes[i].request, notes[i].fields, &noon);
        push_scene_expect(notes[i].fields, "asset", describe(find(assets, "/a")), notes[i].wanted);
        assert_int_equal(push_assets_count(assets), notes[i].wanted[0] != '\0');
        push_assets_destroy(assets);
    }
}

// After `"x"` with max-age=600 was noted, what does a second answer make of it?
static const struct {
    const char *request;
    int status;
    const char *fields;
    const char *wanted;
} changes[] = {
    {"", 200, "etag: \"y\"\ncache-control: max-age=60", "none-match \"y\"|y|60/60"},
    {"", 200, "cache-control: max-age=60", "||60/60"},
    {"", 200, "", "||-"},
    {"", 304, "", "none-match \"x\"|x|600/600"},
    {"", 304, "cache-control: max-age=60", "none-match \"x\"|x|60/60"},
    {"", 304, "etag: \"y\"", "none-match \"y\"|y|600/600"},
    {"", 304, "cache-control: no-store", "none-match \"x\"|x|0/0!"},
    {"", 206, "etag: \"y\"", "none-match \"x\"|x|600/600"},
    {"", 204, "", "none-match \"x\"|x|600/600"},
    {"", 302, "", ""},
    {"", 404, "", ""},
    {"", 503, "", ""},
    {"", 200, "etag: \"y\"\ncache-control: private", ""},
    {"", 304, "vary: cookie", ""},
    {"authorization: z", 200, "etag: \"y\"", ""},
};

static void test_changes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        for (unsigned is_wanted = 0; is_wanted < 2; is_wanted++) {
            struct push_assets *assets = push_assets_create(1);
            note(assets, "/a", 200, "etag: \"x\"\ncache-control: max-age=600");
            if (is_wanted) {
                push_assets_want(assets, site, SLICE("/a"));
            }
            note_at(assets, "/a", changes[i].status, changes[i].request, changes[i].fields, &noon);
            push_scene_expect(changes[i].fields, "asset", describe(find(assets, "/a")),
                              changes[i].wanted);
            push_assets_destroy(assets);
        }
    }
}

static void test_other_methods_and_places(void **state) {
    (void)state;
    struct push_assets *assets = push_assets_create(1);
    struct arena *arena = arena_create();
    struct request_head request = {.method = SLICE("HEAD"), .authority = site, .path = SLICE("/a")};
    struct response_head response = {.status = 200};
    headers_init(&request.headers, arena);
    headers_init(&response.headers, arena);
    push_assets_note(assets, &request, &response, &noon);
    assert_null(find(assets, "/a"));
    note(assets, "/a", 200, "");
    assert_non_null(find(assets, "/a"));
    assert_null(find(assets, "/a?"));
    assert_null(find(assets, "/A"));
    assert_null(push_assets_find(assets, SLICE("b.example"), SLICE("/a")));
    request.method = SLICE("POST");
    response.status = 404;
    push_assets_note(assets, &request, &response, &noon);
    assert_non_null(find(assets, "/a"));
    note(assets, "/b", 404, "");
    note(assets, "/a", 404, "");
    assert_null(find(assets, "/a"));
    push_assets_want(assets, site, SLICE("/a"));
    assert_int_equal(push_assets_count(assets), 0);
    arena_destroy(arena);
    push_assets_destroy(assets);
    push_assets_destroy(NULL);
}

// Cache-Control, `short` in seconds, seconds since the sighting.
static const struct {
    const char *fields;
    unsigned short_s, later_s;
    bool wanted;
} lives[] = {
    {"", 60, 0, false},
    {"", 60, 100000, false}, // the lifetime is not known
    {"cache-control: max-age=600", 60, 0, false},
    {"cache-control: max-age=600", 60, 599, false},
    {"cache-control: max-age=600", 60, 600, true}, // over
    {"cache-control: max-age=600", 600, 0, true},
    {"cache-control: max-age=600", 599, 0, false},
    {"cache-control: max-age=600\nage: 500", 60, 100, true},
    {"cache-control: max-age=600\nage: 500", 60, 99, false},
    {"cache-control: no-cache", 0, 0, true},
    {"cache-control: no-store", 0, 0, true},
    {"cache-control: max-age=0", 0, 0, true},
};

static void test_short_lived(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
        struct push_assets *assets = push_assets_create(1);
        note(assets, "/a", 200, lives[i].fields);
        uint64_t later_ms = noon.now_ms + lives[i].later_s * 1000ULL;
        if (push_assets_is_short_lived(find(assets, "/a"), lives[i].short_s * 1000ULL, later_ms) !=
            lives[i].wanted) {
            fail_msg("%s, short %u, after %u", lives[i].fields, lives[i].short_s, lives[i].later_s);
        }
        push_assets_destroy(assets);
    }
}

static const char *number_path(const char *kind, unsigned number) {
    static char text[32];
    snprintf(text, sizeof(text), "/%s%u", kind, number);
    return text;
}

// A flood of strange URLs passes by what pages want.
static void test_flood(void **state) {
    (void)state;
    struct push_assets *assets = push_assets_create(2);
    for (unsigned i = 0; i < 1000; i++) {
        note(assets, number_path("page", i), 200, "etag: \"x\"");
        push_assets_want(assets, site, slice_of_text(number_path("page", i)));
    }
    for (unsigned i = 0; i < 1000; i++) {
        note(assets, number_path("page", i), 200, "etag: \"y\""); // they stay wanted
    }
    for (unsigned i = 0; i < 20000; i++) {
        note(assets, number_path("junk", i), 200, "etag: \"x\"");
        assert_true(push_assets_count(assets) <= PUSH_ASSETS_ENTRIES);
    }
    assert_int_equal(push_assets_count(assets), PUSH_ASSETS_ENTRIES);
    for (unsigned i = 0; i < 1000; i++) {
        assert_non_null(find(assets, number_path("page", i)));
    }
    unsigned room = PUSH_ASSETS_ENTRIES - 1000; // the youngest of the others
    assert_non_null(find(assets, number_path("junk", 20000 - room)));
    assert_null(find(assets, number_path("junk", 20000 - room - 1)));
    push_assets_destroy(assets);
}

// Wanted ones have a bound too: the one that was wanted longest ago leaves.
static void test_wanted_bound(void **state) {
    (void)state;
    struct push_assets *assets = push_assets_create(3);
    for (unsigned i = 0; i < 6000; i++) {
        note(assets, number_path("page", i), 200, "etag: \"x\"");
        push_assets_want(assets, site, slice_of_text(number_path("page", i)));
        push_assets_want(assets, site, SLICE("/page0"));
    }
    assert_int_equal(push_assets_count(assets), PUSH_ASSETS_ENTRIES);
    assert_non_null(find(assets, "/page0"));
    assert_non_null(find(assets, number_path("page", 6000 - PUSH_ASSETS_WANTED)));
    assert_null(find(assets, "/page1"));
    for (unsigned i = 0; i < PUSH_ASSETS_ENTRIES; i++) { // only the wanted ones stay
        note(assets, number_path("junk", i), 200, "");
    }
    unsigned left = 0;
    for (unsigned i = 0; i < 6000; i++) {
        left += find(assets, number_path("page", i)) != NULL;
    }
    assert_int_equal(left, PUSH_ASSETS_WANTED);
    push_assets_destroy(assets);
}

// Any order of all operations: the bounds hold and nothing leaks.
static void test_random_walk(void **state) {
    (void)state;
    struct push_assets *assets = push_assets_create(4);
    uint32_t random = 12345;
    for (unsigned i = 0; i < 60000; i++) {
        random = random * 1664525 + 1013904223;
        const char *path = number_path("r", (random >> 8) % 7000);
        switch (random >> 29) {
        case 0:
        case 1:
            push_assets_want(assets, site, slice_of_text(path));
            break;
        case 2:
            note(assets, path, 404, "");
            assert_null(find(assets, path));
            break;
        default:
            note(assets, path, 200, "etag: \"x\"");
            assert_non_null(find(assets, path));
        }
        assert_true(push_assets_count(assets) <= PUSH_ASSETS_ENTRIES);
    }
    push_assets_destroy(assets);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_other_methods_and_places),
        cmocka_unit_test(test_short_lived),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_wanted_bound),
        cmocka_unit_test(test_random_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
