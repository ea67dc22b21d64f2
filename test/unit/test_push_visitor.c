// SPDX-License-Identifier: Apache-2.0
#include "push_scene.h"

#include "push/push_visitor.h"

// Stands in for SHA-256: only equality matters here.
static void fake_sha256(const void *bytes, size_t length, unsigned char out_hash[32]) {
    uint64_t hash = hash_bytes(1, slice_of(bytes, length));
    memset(out_hash, 0, 32);
    for (unsigned i = 0; i < 8; i++) {
        out_hash[i] = (unsigned char)(hash >> (56 - 8 * i));
    }
}

static const struct url url = {{"https", 5}, {"e.org", 5}, {"/a.css", 6}};

// `holds`: version in the cookie's digest, NULL: no readable cookie. `asset`: fields of its last
// response, NULL: unknown. `listed`: state of the Cache-Digest field, NULL: there is none.
static const struct {
    enum push_visitor_mode mode;
    const char *holds;
    const char *asset;
    const char *listed;
    enum push_visitor_answer wanted;
} rows[] = {
    {PUSH_VISITOR_OFF, NULL, NULL, NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_OFF, "1", "etag: \"1\"", NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_OFF, "1", "etag: \"1\"", "fresh", PUSH_VISITOR_HAS},

    {PUSH_VISITOR_FIRST_VISIT, NULL, NULL, NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_FIRST_VISIT, NULL, "cache-control: max-age=86400", NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_FIRST_VISIT, "", NULL, NULL, PUSH_VISITOR_MAY_HAVE},
    {PUSH_VISITOR_FIRST_VISIT, "", "etag: \"1\"", NULL, PUSH_VISITOR_HAS},
    {PUSH_VISITOR_FIRST_VISIT, "", "cache-control: max-age=86400", NULL, PUSH_VISITOR_HAS},
    {PUSH_VISITOR_FIRST_VISIT, "", "cache-control: max-age=60", NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_FIRST_VISIT, "", "cache-control: max-age=86400\nage: 86400", NULL,
     PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_FIRST_VISIT, "", "cache-control: no-store", NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_FIRST_VISIT, NULL, NULL, "fresh", PUSH_VISITOR_HAS},
    {PUSH_VISITOR_FIRST_VISIT, "", "etag: \"1\"", "absent", PUSH_VISITOR_LACKS},

    {PUSH_VISITOR_DIGEST, NULL, NULL, NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_DIGEST, NULL, "etag: \"1\"", NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_DIGEST, "", NULL, NULL, PUSH_VISITOR_MAY_HAVE},
    {PUSH_VISITOR_DIGEST, "1", "etag: \"1\"", NULL, PUSH_VISITOR_HAS},
    {PUSH_VISITOR_DIGEST, "1", "etag: W/\"1\"", NULL, PUSH_VISITOR_HAS},
    {PUSH_VISITOR_DIGEST, "1", "etag: \"1-gzip\"", NULL, PUSH_VISITOR_HAS},
    {PUSH_VISITOR_DIGEST, "1", "etag: \"2\"", NULL, PUSH_VISITOR_LACKS}, // changed
    // Given before any version of it was known.
    {PUSH_VISITOR_DIGEST, "?", NULL, NULL, PUSH_VISITOR_MAY_HAVE},
    {PUSH_VISITOR_DIGEST, "?", "etag: \"1\"", NULL, PUSH_VISITOR_MAY_HAVE},
    {PUSH_VISITOR_DIGEST, "?", "etag: \"?\"", NULL, PUSH_VISITOR_HAS}, // the origin's own "?"
    {PUSH_VISITOR_DIGEST, "?", "cache-control: max-age=60", NULL, PUSH_VISITOR_MAY_HAVE},
    {PUSH_VISITOR_DIGEST, "?", "cache-control: no-store", NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_DIGEST, "?", "cache-control: max-age=0", NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_FIRST_VISIT, "?", "cache-control: max-age=60", NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_DIGEST, "1", "", NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_DIGEST, "1", "etag: \"1\"\ncache-control: no-store", NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_DIGEST, "1", "etag: \"1\"\ncache-control: max-age=0", NULL, PUSH_VISITOR_HAS},
    {PUSH_VISITOR_DIGEST, "", "cache-control: max-age=60", NULL, PUSH_VISITOR_HAS}, // none needed
    {PUSH_VISITOR_DIGEST, "", "cache-control: max-age=0", NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_DIGEST, "", "", NULL, PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_DIGEST, "1", "etag: \"1\"", "absent", PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_DIGEST, "1", "etag: \"1\"", "unknown", PUSH_VISITOR_HAS},
    {PUSH_VISITOR_DIGEST, "1", "etag: \"2\"", "unknown", PUSH_VISITOR_LACKS},
    {PUSH_VISITOR_DIGEST, "1", "etag: \"2\"", "fresh", PUSH_VISITOR_HAS},
    {PUSH_VISITOR_DIGEST, "1", "etag: \"2\"", "stale", PUSH_VISITOR_HAS},
    {PUSH_VISITOR_DIGEST, NULL, "etag: \"2\"", "fresh_version", PUSH_VISITOR_HAS_VERSION},
    {PUSH_VISITOR_DIGEST, NULL, "etag: \"2\"", "stale_version", PUSH_VISITOR_HAS_VERSION},
    {PUSH_VISITOR_DIGEST, NULL, NULL, "fresh_version", PUSH_VISITOR_LACKS}, // of which version?
};

static struct push_assets *make_assets(const char *fields, struct arena *arena) {
    const struct clock noon = {.now_ms = 1000, .wall_ms = INT64_C(784111777000)};
    struct push_assets *assets = push_assets_create(1);
    if (fields != NULL) {
        struct request_head request = {
            .method = SLICE("GET"), .authority = url.authority, .path = url.path};
        struct response_head response = {.status = 200};
        headers_init(&request.headers, arena);
        headers_init(&response.headers, arena);
        push_scene_add_fields(&response.headers, fields);
        push_assets_note(assets, &request, &response, &noon);
    }
    return assets;
}

// One set that holds the URL (with the ETag "2"), all bits of the hash but two.
static void list_it(const char *listed, struct push_cache_digest *digest,
                    struct push_cache_set *set, uint64_t *member) {
    bool is_version = strstr(listed, "version") != NULL;
    const char *text = is_version ? "https://e.org/a.css\"2\"" : "https://e.org/a.css";
    *member = hash_bytes(1, slice_of_text(text)) >> 2;
    *digest = (struct push_cache_digest){.set_count = 1};
    if (strcmp(listed, "absent") == 0 || strcmp(listed, "unknown") == 0) {
        digest->is_complete[false] = listed[0] == 'a';
        *member ^= 1;
    }
    *set = (struct push_cache_set){.members = member, .count = 1, .bits = 62};
    set->has_validators = is_version;
    set->is_stale = strncmp(listed, "stale", 5) == 0;
    digest->sets[0] = *set;
}

static void test_rows(void **state) {
    (void)state;
    struct push_digest_key key;
    push_digest_key_from_text(SLICE("of the tests"), &key);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *arena = arena_create();
        struct push_digest digest;
        struct push_cache_digest cache_digest;
        struct push_cache_set set;
        uint64_t member;
        push_digest_init(&digest);
        if (rows[i].holds != NULL) {
            push_digest_add(&digest, &key, url.authority, url.path, slice_of_text(rows[i].holds));
        }
        if (rows[i].listed != NULL) {
            list_it(rows[i].listed, &cache_digest, &set, &member);
        }
        struct push_assets *assets = make_assets(rows[i].asset, arena);
        struct push_visitor visitor = {
            .mode = rows[i].mode,
            .digest = rows[i].holds != NULL ? &digest : NULL,
            .key = &key,
            .cache_digest = rows[i].listed != NULL ? &cache_digest : NULL,
            .sha256 = fake_sha256,
            .assets = assets,
            .short_ms = 3600 * 1000,
            .now_ms = 1000,
        };
        enum push_visitor_answer got = push_visitor_ask(&visitor, &url, arena);
        if (got != rows[i].wanted) {
            fail_msg("row %zu: mode %d, holds %s, asset %s, listed %s: %d", i, rows[i].mode,
                     rows[i].holds, rows[i].asset, rows[i].listed, got);
        }
        push_assets_destroy(assets);
        arena_destroy(arena);
    }
}

// What is given, in this order: `asset` is what is known of the resource then (as above). What the
// visitor with that digest is answered at the end, and how many members it has by then.
static const struct {
    const char *given[3];
    const char *asset; // at the end
    enum push_visitor_answer wanted;
    unsigned members;
} gifts[] = {
    {{"etag: \"1\""}, "etag: \"1\"", PUSH_VISITOR_HAS, 1},
    {{"etag: \"1\""}, "etag: \"2\"", PUSH_VISITOR_LACKS, 1},
    {{"etag: \"1\""}, "", PUSH_VISITOR_LACKS, 1},
    {{"etag: \"1\""}, "unknown", PUSH_VISITOR_MAY_HAVE, 1},
    {{"etag: \"1\"", "etag: \"1\""}, "etag: \"1\"", PUSH_VISITOR_HAS, 1},
    {{"etag: \"1\"", "etag: \"2\""}, "etag: \"2\"", PUSH_VISITOR_HAS, 2}, // the old one ages out
    {{"etag: \"1\"", "etag: \"2\""}, "etag: \"3\"", PUSH_VISITOR_LACKS, 2},
    {{"cache-control: max-age=60"}, "cache-control: max-age=60", PUSH_VISITOR_HAS, 1},
    {{"cache-control: max-age=60"}, "etag: \"1\"", PUSH_VISITOR_LACKS, 1},
    // Not known yet: it stands in the digest without version, until one is known.
    {{"unknown"}, "unknown", PUSH_VISITOR_MAY_HAVE, 1},
    {{"unknown"}, "etag: \"1\"", PUSH_VISITOR_MAY_HAVE, 1},
    {{"unknown", "unknown"}, "etag: \"1\"", PUSH_VISITOR_MAY_HAVE, 1},
    {{"unknown", "etag: \"1\""}, "etag: \"1\"", PUSH_VISITOR_HAS, 1},
    {{"unknown", "etag: \"1\""}, "etag: \"2\"", PUSH_VISITOR_LACKS, 1}, // so a change is seen
    {{"etag: \"1\"", "unknown"}, "etag: \"1\"", PUSH_VISITOR_HAS, 2},
    {{"etag: \"1\"", "unknown", "etag: \"2\""}, "etag: \"2\"", PUSH_VISITOR_HAS, 2},
    {{"etag: \"1\"", "unknown", "etag: \"2\""}, "etag: \"3\"", PUSH_VISITOR_LACKS, 2},
};

static struct push_assets *make_known(const char *text, struct arena *arena) {
    return make_assets(strcmp(text, "unknown") == 0 ? NULL : text, arena);
}

static void test_give(void **state) {
    (void)state;
    struct push_digest_key key;
    push_digest_key_from_text(SLICE("of the tests"), &key);
    for (size_t i = 0; i < sizeof(gifts) / sizeof(gifts[0]); i++) {
        struct arena *arena = arena_create();
        struct push_digest digest;
        push_digest_init(&digest);
        struct push_visitor visitor = {
            .mode = PUSH_VISITOR_DIGEST, .digest = &digest, .key = &key, .now_ms = 1000};
        for (unsigned j = 0; j < 3 && gifts[i].given[j] != NULL; j++) {
            struct push_assets *assets = make_known(gifts[i].given[j], arena);
            visitor.assets = assets;
            push_visitor_give(&visitor, &digest, &url);
            assert_true(digest.is_changed);
            push_assets_destroy(assets);
        }
        struct push_assets *assets = make_known(gifts[i].asset, arena);
        visitor.assets = assets;
        enum push_visitor_answer got = push_visitor_ask(&visitor, &url, arena);
        if (got != gifts[i].wanted || digest.count != gifts[i].members) {
            fail_msg("row %zu: %d, %u members", i, got, digest.count);
        }
        push_assets_destroy(assets);
        arena_destroy(arena);
    }
}

// Given again at each visit: no new cookie.
static void test_given_again(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct push_digest_key key;
    struct push_digest digest;
    push_digest_key_from_text(SLICE("of the tests"), &key);
    push_digest_init(&digest);
    for (unsigned is_known = 0; is_known <= 1; is_known++) {
        struct push_assets *assets = make_known(is_known ? "etag: \"1\"" : "unknown", arena);
        const struct push_visitor visitor = {
            .mode = PUSH_VISITOR_DIGEST, .digest = &digest, .key = &key, .assets = assets};
        push_visitor_give(&visitor, &digest, &url);
        assert_true(digest.is_changed);
        digest.is_changed = false;
        push_visitor_give(&visitor, &digest, &url);
        assert_false(digest.is_changed);
        push_assets_destroy(assets);
    }
    arena_destroy(arena);
}

static void test_without_assets(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct push_digest digest;
    push_digest_init(&digest);
    struct push_visitor visitor = {.mode = PUSH_VISITOR_DIGEST};
    assert_int_equal(push_visitor_ask(&visitor, &url, arena), PUSH_VISITOR_LACKS);
    visitor.digest = &digest;
    assert_int_equal(push_visitor_ask(&visitor, &url, arena), PUSH_VISITOR_MAY_HAVE);
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_give),
        cmocka_unit_test(test_given_again),
        cmocka_unit_test(test_without_assets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
