// SPDX-License-Identifier: Apache-2.0
#include "push_scene.h"

#include <stdlib.h>

#include <openssl/sha.h>

#include "base/base64.h"
#include "push/push_cache_digest.h"
#include "push/push_golomb.h"

static const char *const outcome_names[] = {
#define X(name, text) [PUSH_CACHE_DIGEST_##name] = (text),
    PUSH_CACHE_DIGEST_OUTCOME_LIST(X)
#undef X
};

static unsigned hash_count;

static void sha256(const void *bytes, size_t length, unsigned char out_hash[32]) {
    hash_count++;
    SHA256(bytes, length, out_hash);
}

static struct url url_of(const char *text) {
    struct slice rest = slice_skip(slice_of_text(text), strlen("https://"));
    size_t slash = slice_find(rest, '/');
    return (struct url){SLICE("https"), slice_first(rest, slash), slice_skip(rest, slash)};
}

static struct push_asset asset_of(const char *etag) {
    struct push_asset asset = {.is_storable = true};
    if (etag[0] != '\0') {
        asset.kind = PUSH_ASSET_ETAG;
        asset.validator_length = (uint8_t)strlen(etag);
        memcpy(asset.validator, etag, strlen(etag));
    }
    return asset;
}

static const char *const state_names[] = {
    [PUSH_CACHE_UNKNOWN] = "unknown", [PUSH_CACHE_ABSENT] = "absent",
    [PUSH_CACHE_STALE] = "stale",     [PUSH_CACHE_STALE_VERSION] = "stale_version",
    [PUSH_CACHE_FRESH] = "fresh",     [PUSH_CACHE_FRESH_VERSION] = "fresh_version",
};

// A set as a client makes it, after the draft: `members` joined with blanks, each a URL or a URL
// and its ETag. Empty when it would be too long.
static struct slice make_set(const char *members, unsigned log_n, unsigned log_p,
                             struct arena *arena) {
    uint64_t keys[64];
    size_t count = 0;
    unsigned char bytes[512] = {0};
    struct push_golomb_writer writer;
    struct slice rest = slice_of_text(members);
    struct slice member;
    while (push_scene_next_part(&rest, ' ', &member)) {
        unsigned char hash[32];
        uint64_t key = 0;
        SHA256((const unsigned char *)member.data, member.length, hash);
        for (unsigned i = 0; i < 8; i++) {
            key = key << 8 | hash[i];
        }
        key >>= 64 - (log_n + log_p);
        size_t at = count;
        for (; at > 0 && keys[at - 1] >= key; at--) {
            keys[at] = keys[at - 1];
        }
        keys[at] = key;
        count++;
    }
    push_golomb_writer_init(&writer, bytes, sizeof(bytes));
    push_golomb_write_bits(&writer, 5, log_n);
    push_golomb_write_bits(&writer, 5, log_p);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || keys[i] != keys[i - 1]) {
            push_golomb_write_gap(&writer, log_p, keys[i] - (i > 0 ? keys[i - 1] + 1 : 0));
        }
    }
    if (writer.is_full) {
        return SLICE_EMPTY;
    }
    size_t length = push_golomb_bytes(&writer);
    char *text = arena_alloc(arena, base64_text_length(length));
    base64_encode(slice_of((char *)bytes, length), text);
    return slice_of(text, base64_text_length(length));
}

// The fields with {members} made into a set of 4 members, 1 in 2^20.
static struct slice fill_in(const char *fields, struct arena *arena) {
    struct slice text = SLICE_EMPTY;
    struct slice rest = slice_of_text(fields);
    while (rest.length > 0) {
        size_t open = slice_find(rest, '{');
        struct slice before = slice_first(rest, open);
        rest = slice_skip(rest, open + 1);
        size_t end = slice_find(rest, '}');
        struct slice set = SLICE_EMPTY;
        if (open < before.length + 1 && end < rest.length) {
            set = make_set(arena_copy(arena, slice_first(rest, end)).data, 2, 20, arena);
        }
        rest = slice_skip(rest, end + 1);
        text = arena_printf(arena, "%.*s%.*s%.*s", SLICE_ARGS(text), SLICE_ARGS(before),
                            SLICE_ARGS(set));
    }
    return text;
}

#define CD "cache-digest: "
#define A "https://e.org/a.css"
#define NOT "https://e.org/not.css"

// etag: NULL when the asset is unknown, "" when it has none.
static const struct {
    const char *fields;
    const char *url;
    const char *etag;
    const char *wanted;
    const char *outcomes;
} rows[] = {
    // What others publish: h2o's tests and the README of cache-digest.js.
    {CD "AeLA", "https://127.0.0.1.xip.io:8081/cache-digests.cgi/hello.js", NULL, "fresh", "read"},
    {CD "AeLA", "https://127.0.0.1.xip.io:8081/notfound.js", NULL, "unknown", "read"},
    {CD "AcA; complete", "https://127.0.0.1.xip.io:8081/notfound.js", NULL, "absent", "read"},
    {CD "EeUM-QA", "https://example.com/style.css", NULL, "fresh", "read"},
    {CD "EeUM-QA", "https://example.com/jquery.js", NULL, "fresh", "read"},
    {CD "EeUM-QA", "https://example.com/shortcut.css", NULL, "fresh", "read"},
    {CD "EeUM-QA", "https://example.com/other.css", NULL, "unknown", "read"},

    {CD "{" A "}", A, NULL, "fresh", "read"},
    {CD "{" A "}", A, "\"1\"", "fresh", "read"}, // of which version is not said
    {CD "{" A "}", NOT, NULL, "unknown", "read"},
    {CD "{" A "};complete", NOT, NULL, "absent", "read"},
    {CD "{" A "} ; COMPLETE ; Stale", A, NULL, "stale", "read"},
    {CD "{" A "}; complete; stale", NOT, NULL, "unknown", "read"}, // it may be fresh
    {CD "{" A "}; stale, {" NOT "}; complete", A, NULL, "stale", "read"},
    {CD "{" A "}; stale, {" A "}", A, NULL, "fresh", "read"},
    {CD "{" A "}, {" A "}; stale", A, NULL, "fresh", "read"},
    {CD "{" A "\"1\"}; validators", A, "\"1\"", "fresh_version", "read"},
    {CD "{" A "\"1\"}; validators", A, "\"2\"", "unknown", "read"}, // changed
    {CD "{" A "\"1\"}; validators; complete", A, "\"2\"", "absent", "read"},
    {CD "{" A "\"1\"}; validators; complete", A, NULL, "unknown", "read"},
    {CD "{" A "\"1\"}; validators; stale, {" NOT "}; complete", A, NULL, "absent", "read"},
    {CD "{" A "W/\"1\"}; validators; stale", A, "W/\"1\"", "stale_version", "read"},
    {CD "{" A "}; validators", A, "", "fresh", "read"}, // has none
    {CD "{" A "}, {" A "\"1\"}; validators", A, "\"1\"", "fresh_version", "read"},
    {CD "{" A "}; complete, ; reset", A, NULL, "unknown", "read"},
    {CD "{" A "}; complete\n" CD "{" NOT "}; reset", A, NULL, "unknown", "read"},
    {CD "{" A "}; reset", A, NULL, "fresh", "read"},
    {CD "{" NOT "}\n" CD "{" A "}", A, NULL, "fresh", "read"},
    {CD "{" A "};;", A, NULL, "fresh", "read"},
    {CD "{" A "}; cuckoo", A, NULL, "unknown", "flag"},
    {CD "{" A "}; complete=1", NOT, NULL, "unknown", "flag"},
    {CD "{" A "}, {" A "}; reset; new", A, NULL, "unknown", "flag"}, // may have meant anything
    {CD "", A, NULL, "unknown", ""},
    {CD ",,", A, NULL, "unknown", ""},
    {CD "; complete", A, NULL, "unknown", "garbled"},
    {CD "A", A, NULL, "unknown", "garbled"},
    {CD "AA", A, NULL, "unknown", "garbled"}, // no room for N and P
    {CD "AAA; complete", A, NULL, "absent", "read"},
    {CD "AeLA=", A, NULL, "unknown", "garbled"},
    {CD "A/+A", A, NULL, "unknown", "garbled"},
    {CD "AcAA; complete", A, NULL, "unknown", "damaged"}, // a byte too many
    {CD "AcABAA; complete", A, NULL, "unknown", "damaged"},
    {CD "__8AAAAAAAAAAAAA", A, NULL, "unknown", "damaged"},
    {CD "{" A "}, AcAA", A, NULL, "fresh", "damaged"},
    {"cache-digests: AeLA", A, NULL, "none", ""},
};

// The last outcome in the list that occurred: the tables name only the interesting one.
static const char *last_outcome(const struct push_cache_digest *digest) {
    const char *name = "";
    for (unsigned i = 0; i < PUSH_CACHE_DIGEST_OUTCOME_COUNT; i++) {
        if (digest->outcomes[i] > 0) {
            name = outcome_names[i];
        }
    }
    return name;
}

static struct push_cache_digest *read_fields(const char *fields, struct arena *arena) {
    struct headers headers;
    headers_init(&headers, arena);
    push_scene_add_fields(&headers, fields);
    return push_cache_digest_read(&headers, arena);
}

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *arena = arena_create();
        const char *fields = arena_copy(arena, fill_in(rows[i].fields, arena)).data;
        struct push_cache_digest *digest = read_fields(fields, arena);
        const char *got = "none";
        if (digest != NULL) {
            struct url url = url_of(rows[i].url);
            struct push_asset asset = asset_of(rows[i].etag != NULL ? rows[i].etag : "");
            got = state_names[push_cache_digest_find(digest, sha256, &url,
                                                     rows[i].etag != NULL ? &asset : NULL, arena)];
            push_scene_expect(rows[i].fields, "outcome", slice_of_text(last_outcome(digest)),
                              rows[i].outcomes);
        }
        push_scene_expect(rows[i].fields, rows[i].url, slice_of_text(got), rows[i].wanted);
        arena_destroy(arena);
    }
}

// Sets of every N and P that a hash of 64 bits can fill, with all members found again.
static void test_every_size(void **state) {
    (void)state;
    for (unsigned log_n = 0; log_n < 32; log_n++) {
        for (unsigned log_p = log_n > 10 ? log_n - 6 : 4; log_p < 32; log_p += 3) {
            struct arena *arena = arena_create();
            struct slice set = make_set(A " " NOT " https://e.org/", log_n, log_p, arena);
            if (set.length == 0) { // its quotients would not fit
                arena_destroy(arena);
                continue;
            }
            struct push_cache_digest *digest =
                read_fields(arena_printf(arena, CD "%.*s", SLICE_ARGS(set)).data, arena);
            const char *const urls[] = {A, NOT, "https://e.org/"};
            for (size_t i = 0; i < 3; i++) {
                struct url url = url_of(urls[i]);
                if (push_cache_digest_find(digest, sha256, &url, NULL, arena) != PUSH_CACHE_FRESH) {
                    fail_msg("N 2^%u P 2^%u %s: %s", log_n, log_p, urls[i], last_outcome(digest));
                }
            }
            arena_destroy(arena);
        }
    }
}

// One hash for all sets of a kind.
static void test_hashes_are_made_once(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct slice fields = fill_in(CD "{x}, {y}, {z}; validators, {w}; validators; stale", arena);
    struct push_cache_digest *digest = read_fields(arena_copy(arena, fields).data, arena);
    struct url url = url_of(A);
    struct push_asset asset = asset_of("\"1\"");
    hash_count = 0;
    push_cache_digest_find(digest, sha256, &url, NULL, arena);
    assert_int_equal(hash_count, 1);
    push_cache_digest_find(digest, sha256, &url, &asset, arena);
    assert_int_equal(hash_count, 3);
    arena_destroy(arena);
}

static void test_bounds(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct slice many = SLICE_EMPTY; // 9 sets
    for (unsigned i = 0; i < PUSH_CACHE_DIGEST_SETS + 1; i++) {
        many = arena_printf(arena, "%.*sAeLA,", SLICE_ARGS(many));
    }
    struct push_cache_digest *digest =
        read_fields(arena_printf(arena, CD "%.*s", SLICE_ARGS(many)).data, arena);
    assert_int_equal(digest->set_count, PUSH_CACHE_DIGEST_SETS);
    assert_int_equal(digest->outcomes[PUSH_CACHE_DIGEST_TOO_MANY], 1);

    // N is 2^31, P is 1: each bit that is set is a member.
    char ones[9000];
    memset(ones, '_', sizeof(ones));
    memcpy(ones, "-D__", 4); // 11111 00000 1111...
    digest = read_fields(arena_printf(arena, CD "%.600s", ones).data, arena);
    assert_int_equal(digest->set_count, 1);
    assert_int_equal(digest->sets[0].count, 600 * 6 - 10);
    digest =
        read_fields(arena_printf(arena, CD "%.600s;reset, %.600s;reset", ones, ones).data, arena);
    assert_int_equal(digest->outcomes[PUSH_CACHE_DIGEST_TOO_MANY], 1);
    assert_int_equal(digest->set_count, 0);
    digest = read_fields(arena_printf(arena, CD "%.800s", ones).data, arena);
    assert_int_equal(digest->outcomes[PUSH_CACHE_DIGEST_TOO_MANY], 1);
    digest = read_fields(arena_printf(arena, CD "%.8196s", ones).data, arena);
    assert_int_equal(digest->outcomes[PUSH_CACHE_DIGEST_TOO_MANY], 1);
    arena_destroy(arena);
}

// Members 0, 1, 2, ... of 2^31.
static struct slice count_up(unsigned members, struct arena *arena) {
    unsigned char bytes[1024] = {0};
    struct push_golomb_writer writer;
    push_golomb_writer_init(&writer, bytes, sizeof(bytes));
    push_golomb_write_bits(&writer, 10, 31 << 5);
    for (unsigned i = 0; i < members; i++) {
        push_golomb_write_gap(&writer, 0, 0);
    }
    size_t length = push_golomb_bytes(&writer);
    char *text = arena_alloc(arena, base64_text_length(length));
    base64_encode(slice_of((char *)bytes, length), text);
    return slice_of(text, base64_text_length(length));
}

static void test_bound_of_members(void **state) {
    (void)state;
    const struct {
        unsigned first, second, read;
    } sums[] = {{4096, 0, 2}, {4097, 0, 1}, {4000, 96, 2}, {4000, 97, 1}, {1, 4095, 2}};
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        struct arena *arena = arena_create();
        struct slice fields =
            arena_printf(arena, CD "%.*s, %.*s", SLICE_ARGS(count_up(sums[i].first, arena)),
                         SLICE_ARGS(count_up(sums[i].second, arena)));
        struct push_cache_digest *digest = read_fields(fields.data, arena);
        assert_int_equal(digest->outcomes[PUSH_CACHE_DIGEST_READ], sums[i].read);
        assert_int_equal(digest->outcomes[PUSH_CACHE_DIGEST_TOO_MANY], 2 - sums[i].read);
        arena_destroy(arena);
    }
}

// --- hostile fields ---------------------------------------------------------------------------

static uint64_t random_state = 88172645463325252U;

static unsigned random_below(unsigned limit) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 32) % limit;
}

static void ask(struct slice value) {
    struct arena *arena = arena_create();
    struct headers headers;
    char *exact = malloc(value.length > 0 ? value.length : 1); // so that overreads show
    memcpy(exact, value.data, value.length);
    headers_init(&headers, arena);
    headers_add_id(&headers, HEADER_CACHE_DIGEST, slice_of(exact, value.length));
    struct push_cache_digest *digest = push_cache_digest_read(&headers, arena);
    struct url url = url_of(A);
    struct push_asset asset = asset_of("\"1\"");
    push_cache_digest_find(digest, sha256, &url, &asset, arena);
    for (size_t i = 0; i < digest->set_count; i++) {
        const struct push_cache_set *set = &digest->sets[i];
        for (size_t j = 0; j < set->count; j++) {
            assert_true(set->members[j] >> set->bits == 0);
            assert_true(j == 0 || set->members[j - 1] < set->members[j]);
        }
    }
    assert_true(digest->member_count <= PUSH_CACHE_DIGEST_MEMBERS);
    free(exact);
    arena_destroy(arena);
}

static void test_every_truncation_and_bit_flip(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct slice value = fill_in("{a b c d e}; complete; validators, {f g h}; stale; reset", arena);
    char *text = (char *)(uintptr_t)arena_copy(arena, value).data;
    for (size_t i = 0; i < value.length; i++) {
        ask(slice_of(text, i));
        ask(slice_of(text + i, value.length - i));
        for (unsigned bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ 1 << bit);
            ask(value = slice_of(text, value.length));
            text[i] = (char)(text[i] ^ 1 << bit);
        }
    }
    arena_destroy(arena);
}

static void test_random_fields(void **state) {
    (void)state;
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (unsigned round = 0; round < 20000; round++) {
        char text[400];
        size_t length = 0;
        while (length < 300 && random_below(20) != 0) {
            for (unsigned i = 4 * random_below(20); i > 0 && length < 300; i--) {
                text[length++] = random_below(3) != 0 ? letters[random_below(64)] : 'A';
            }
            static const char *const joints[] = {
                ",", ";", "; reset", "; stale,", "; complete,", "; validators",
                "=", " ", "\t,",     "; x"};
            const char *joint = joints[random_below(10)];
            memcpy(text + length, joint, strlen(joint));
            length += strlen(joint);
        }
        ask(slice_of(text, length));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_hashes_are_made_once),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_bound_of_members),
        cmocka_unit_test(test_every_truncation_and_bit_flip),
        cmocka_unit_test(test_random_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
