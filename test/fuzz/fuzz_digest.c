// SPDX-License-Identifier: Apache-2.0
// What clients say that they have. Input: a byte for the part, then
//   0  a set made by commands: what is added is there, what is removed is not, and what is written
//      is read as it was, in a cookie's room
//   1  Cookie fields, one on a line: what is taken out is gone, the rest is as it was
//   2  the bytes of a digest, which are signed here: all that can be read is written the same
//   3  Cache-Digest fields, one on a line
//   4  members of a set, coded here: all of them are found
#include "fuzz.h"

#include <endian.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/hash.h"
#include "push/push_cache_digest.h"
#include "push/push_cookie.h"
#include "push/push_golomb.h"
#include "push/push_visitor.h"

#define NAME SLICE("outrider-digest")
#define AUTHORITY SLICE("a.example")

static struct push_digest_key key;

// Stands in for SHA-256: all that counts here is that it is the same each time.
static void fake_sha256(const void *bytes, size_t length, unsigned char out_hash[32]) {
    for (unsigned i = 0; i < 4; i++) {
        uint64_t hash = htobe64(hash_bytes(i, slice_of(bytes, length)));
        memcpy(out_hash + 8 * (size_t)i, &hash, 8);
    }
}

// --- sets ----------------------------------------------------------------------------------------

static void check_rows(const struct push_digest *digest) {
    fuzz_check(digest->count <= PUSH_DIGEST_ENTRIES);
    for (uint32_t i = 1; i < digest->count; i++) {
        fuzz_check(digest->rows[i - 1] >> 2 < digest->rows[i] >> 2);
    }
    fuzz_check(digest->count == 0 || digest->rows[digest->count - 1] >> 19 == 0);
}

static void check_round_trip(const struct push_digest *digest, struct arena *arena) {
    struct push_digest again;
    struct slice text = push_digest_write(digest, &key, arena);
    fuzz_check(text.length <= PUSH_DIGEST_MAX_CHARS && headers_is_value(text));
    fuzz_check(push_digest_read(&key, text, &again) == PUSH_DIGEST_READ);
    fuzz_check(again.count == digest->count && !again.is_changed);
    fuzz_check(memcmp(again.rows, digest->rows, digest->count * sizeof(digest->rows[0])) == 0);
}

static void run_commands(struct fuzz_input *input, struct arena *arena) {
    struct push_digest digest;
    push_digest_init(&digest);
    for (unsigned commands = 0; input->length > 0 && commands < 100; commands++) {
        unsigned command = fuzz_byte(input);
        char path[16];
        snprintf(path, sizeof(path), "/%u", fuzz_word(input));
        struct slice name = slice_of_text(path);
        struct slice version = (command & 4) != 0 ? SLICE("v") : PUSH_VISITOR_NO_VERSION;
        switch (command & 3) {
        case 0:
            push_digest_remove(&digest, &key, AUTHORITY, name, version);
            fuzz_check(!push_digest_has(&digest, &key, AUTHORITY, name, version));
            break;
        case 1: // many at once
            for (unsigned i = 0; i < 60; i++) {
                snprintf(path, sizeof(path), "/m%u.%u", i, command);
                push_digest_add(&digest, &key, AUTHORITY, slice_of_text(path), version);
            }
            break;
        default:
            push_digest_add(&digest, &key, AUTHORITY, name, version);
            fuzz_check(push_digest_has(&digest, &key, AUTHORITY, name, version));
            break;
        }
        check_rows(&digest);
    }
    check_round_trip(&digest, arena);
}

static void read_signed(struct slice body, struct arena *arena) {
    body = slice_first(body, 720);
    size_t length = body.length + 8;
    char *bytes = arena_alloc(arena, length);
    uint64_t tag = htole64(hash_sign(&key.sign, body));
    memcpy(bytes, body.data, body.length);
    memcpy(bytes + body.length, &tag, 8);
    char *text = arena_alloc(arena, base64_text_length(length));
    base64_encode(slice_of(bytes, length), text);
    struct slice value = slice_of(text, base64_text_length(length));
    struct push_digest digest;
    if (push_digest_read(&key, value, &digest) != PUSH_DIGEST_READ) {
        fuzz_check(digest.count == 0);
        return;
    }
    check_rows(&digest);
    fuzz_check(slice_equal(push_digest_write(&digest, &key, arena), value)); // there is one way
}

// --- cookies -------------------------------------------------------------------------------------

static bool next_pair(struct slice *rest, struct slice *out_pair) {
    while (rest->length > 0) {
        *out_pair = slice_trim(slice_first(*rest, slice_find(*rest, ';')));
        *rest = slice_skip(*rest, slice_find(*rest, ';') + 1);
        if (out_pair->length > 0) {
            return true;
        }
    }
    return false;
}

static bool is_ours(struct slice pair) {
    size_t equals = slice_find(pair, '=');
    return equals < pair.length && slice_equal(slice_trim(slice_first(pair, equals)), NAME);
}

// What is left is what was there, without ours.
static void check_left(struct slice before, struct slice after) {
    struct slice pair;
    struct slice left;
    while (next_pair(&before, &pair)) {
        if (!is_ours(pair)) {
            fuzz_check(next_pair(&after, &left) && slice_equal(left, pair));
        }
    }
    fuzz_check(!next_pair(&after, &left));
}

static void read_cookies(struct fuzz_input *input, struct arena *arena) {
    struct headers headers;
    struct push_digest digest;
    headers_init(&headers, arena);
    while (input->length > 0 && headers.count < 32) {
        struct slice line = fuzz_take_until(input, '\n');
        headers_add(&headers, SLICE("cookie"), line);
        check_left(line, push_cookie_without(line, NAME, arena));
    }
    enum push_digest_outcome outcome = push_cookie_read(&headers, NAME, &key, &digest);
    fuzz_check(outcome == PUSH_DIGEST_READ || digest.count == 0);
    check_rows(&digest);
    push_cookie_strip(&headers, NAME);
    fuzz_check(push_cookie_read(&headers, NAME, &key, &digest) == PUSH_DIGEST_ABSENT);
    for (uint32_t i = 0; i < headers.count; i++) {
        struct slice rest = headers.rows[i].value;
        struct slice pair;
        while (next_pair(&rest, &pair)) {
            fuzz_check(!is_ours(pair));
        }
    }
}

// --- Cache-Digest --------------------------------------------------------------------------------

static void read_cache_digests(struct fuzz_input *input, struct arena *arena) {
    struct headers headers;
    headers_init(&headers, arena);
    while (input->length > 0 && headers.count < 16) {
        headers_add(&headers, SLICE("cache-digest"), fuzz_take_until(input, '\n'));
    }
    const struct push_cache_digest *digest = push_cache_digest_read(&headers, arena);
    if (digest == NULL) {
        fuzz_check(headers.count == 0);
        return;
    }
    size_t members = 0;
    fuzz_check(digest->set_count <= PUSH_CACHE_DIGEST_SETS);
    for (size_t i = 0; i < digest->set_count; i++) {
        const struct push_cache_set *set = &digest->sets[i];
        members += set->count;
        for (size_t m = 0; m < set->count; m++) {
            fuzz_check(set->members[m] >> set->bits == 0);
            fuzz_check(m == 0 || set->members[m - 1] < set->members[m]);
        }
    }
    fuzz_check(members <= PUSH_CACHE_DIGEST_MEMBERS);
    struct push_asset asset = {
        .kind = PUSH_ASSET_ETAG, .validator_length = 3, .validator = "\"v\""};
    struct url url = {SLICE("https"), AUTHORITY, SLICE("/a.css")};
    enum push_cache_state without = push_cache_digest_find(digest, fake_sha256, &url, NULL, arena);
    enum push_cache_state with = push_cache_digest_find(digest, fake_sha256, &url, &asset, arena);
    fuzz_check(without <= PUSH_CACHE_FRESH_VERSION && with <= PUSH_CACHE_FRESH_VERSION);
    fuzz_check(without != PUSH_CACHE_FRESH_VERSION && without != PUSH_CACHE_STALE_VERSION);
}

// A set of so many URLs, as a client would make it; `bits` of the remainder.
static void find_members(struct fuzz_input *input, struct arena *arena) {
    unsigned log_n = fuzz_below(input, 13);
    unsigned log_p = fuzz_below(input, 32);
    size_t count = 0;
    uint64_t members[256];
    unsigned char bytes[8192] = {0};
    struct url url = {SLICE("https"), AUTHORITY, SLICE_EMPTY};
    struct slice paths[256];
    while (input->length > 0 && count < 256) {
        unsigned number = fuzz_byte(input);
        paths[count] = arena_printf(arena, "/%u", number);
        struct slice text = arena_printf(arena, "https://a.example/%u", number);
        unsigned char hash[32];
        uint64_t start;
        fake_sha256(text.data, text.length, hash);
        memcpy(&start, hash, 8);
        members[count++] = log_n + log_p > 0 ? be64toh(start) >> (64 - log_n - log_p) : 0;
    }
    struct push_golomb_writer writer;
    push_golomb_writer_init(&writer, bytes, sizeof(bytes));
    push_golomb_write_bits(&writer, 5, log_n);
    push_golomb_write_bits(&writer, 5, log_p);
    uint64_t next = 0;
    for (bool has_more = true; has_more;) { // from the least to the largest
        uint64_t least = UINT64_MAX;
        for (size_t i = 0; i < count; i++) {
            least = members[i] >= next && members[i] < least ? members[i] : least;
        }
        has_more = least != UINT64_MAX;
        if (has_more) {
            push_golomb_write_gap(&writer, log_p, least - next);
            next = least + 1;
        }
    }
    if (writer.is_full || push_golomb_bytes(&writer) > 4096) {
        return; // more than a field may hold
    }
    char text[12000];
    base64_encode(slice_of((const char *)bytes, push_golomb_bytes(&writer)), text);
    struct headers headers;
    headers_init(&headers, arena);
    headers_add(&headers, SLICE("cache-digest"),
                slice_of(text, base64_text_length(push_golomb_bytes(&writer))));
    const struct push_cache_digest *digest = push_cache_digest_read(&headers, arena);
    fuzz_check(digest != NULL && digest->outcomes[PUSH_CACHE_DIGEST_READ] == 1);
    for (size_t i = 0; i < count; i++) {
        url.path = paths[i];
        fuzz_check(push_cache_digest_find(digest, fake_sha256, &url, NULL, arena) ==
                   PUSH_CACHE_FRESH);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input_of(data, size);
    struct arena *arena = arena_create();
    push_digest_key_from_text(SLICE("of the fuzzers"), &key);
    switch (fuzz_below(&input, 5)) {
    case 0:
        run_commands(&input, arena);
        break;
    case 1:
        read_cookies(&input, arena);
        break;
    case 2:
        read_signed(fuzz_rest(&input), arena);
        break;
    case 3:
        read_cache_digests(&input, arena);
        break;
    default:
        find_members(&input, arena);
        break;
    }
    arena_destroy(arena);
    return 0;
}
