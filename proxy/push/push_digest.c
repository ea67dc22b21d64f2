// SPDX-License-Identifier: Apache-2.0
#include "push/push_digest.h"

#include <endian.h>

#include "base/base64.h"
#include "base/ensure.h"
#include "push/push_golomb.h"

enum {
    VERSION = 1,
    HASH_BITS = 17,
    HASHES = 1 << HASH_BITS,
    COUNT_BITS = 9,
    AGE_BITS = 2,
    OLDEST = 3,
    // An entry of this age is young enough to be left alone when it is used again: without that,
    // every visit would need a new cookie.
    YOUNG = 1,
    QUARTER = PUSH_DIGEST_ENTRIES / 4,
    TAG_BYTES = 8,
    // Per entry the one, the remainder and the age; all quotients together are below HASHES >>
    // remainder. The remainder is 8 bits when the set is full.
    MAX_BITS = 8 + COUNT_BITS + PUSH_DIGEST_ENTRIES * (1 + 8 + AGE_BITS) + (HASHES >> 8),
    MAX_BODY_BYTES = (MAX_BITS + 7) / 8,
    MAX_BYTES = MAX_BODY_BYTES + TAG_BYTES,
    MIN_BYTES = (8 + COUNT_BITS + 7) / 8 + TAG_BYTES,
};

_Static_assert(MAX_BYTES / 3 * 4 + (MAX_BYTES % 3 * 4 + 2) / 3 <= PUSH_DIGEST_MAX_CHARS,
               "a full set fits");
_Static_assert(PUSH_DIGEST_ENTRIES < 1 << COUNT_BITS, "the count fits");

static bool from_hex(struct slice text, unsigned char out_bytes[16]);
static void key_from_master(const struct hash_key *master, struct push_digest_key *out_key);
static bool read_rows(struct slice body, struct push_digest *digest);
static unsigned remainder_bits(uint32_t count);
static uint32_t hash_of(const struct push_digest_key *key, struct slice authority,
                        struct slice path, struct slice version);
static uint32_t find(const struct push_digest *digest, uint32_t hash);
static bool is_at(const struct push_digest *digest, uint32_t place, uint32_t hash);
static void make_room_among_young(struct push_digest *digest);
static void drop_one(struct push_digest *digest, uint32_t near);
static uint64_t sign(const struct push_digest_key *key, struct slice body);

// --- the key ----------------------------------------------------------------------------------

bool push_digest_key_from_text(struct slice text, struct push_digest_key *out_key) {
    unsigned char bytes[16];
    if (text.length == 0) {
        return false;
    }
    if (from_hex(text, bytes)) {
        push_digest_key_from_bytes(bytes, out_key);
        return true;
    }
    const struct hash_key first = {1, 0};
    const struct hash_key second = {2, 0};
    struct hash_key master = {hash_sign(&first, text), hash_sign(&second, text)};
    key_from_master(&master, out_key);
    return true;
}

void push_digest_key_from_bytes(const unsigned char bytes[16], struct push_digest_key *out_key) {
    struct hash_key master;
    memcpy(&master.low, bytes, 8);
    memcpy(&master.high, bytes + 8, 8);
    master = (struct hash_key){le64toh(master.low), le64toh(master.high)};
    key_from_master(&master, out_key);
}

static bool from_hex(struct slice text, unsigned char out_bytes[16]) {
    if (text.length != 32) {
        return false;
    }
    for (size_t i = 0; i < text.length; i++) {
        char c = slice_lower(text.data[i]);
        bool is_digit = c >= '0' && c <= '9';
        if (!is_digit && (c < 'a' || c > 'f')) {
            return false;
        }
        unsigned digit = (unsigned)(is_digit ? c - '0' : c - 'a' + 10);
        out_bytes[i / 2] = (unsigned char)(i % 2 == 0 ? digit << 4 : out_bytes[i / 2] | digit);
    }
    return true;
}

// What signs must not be what hashes the members.
static void key_from_master(const struct hash_key *master, struct push_digest_key *out_key) {
    *out_key = (struct push_digest_key){
        .sign = {hash_sign(master, SLICE("digest sign low")),
                 hash_sign(master, SLICE("digest sign high"))},
        .entries = hash_sign(master, SLICE("digest entries")),
    };
}

// --- reading ----------------------------------------------------------------------------------

void push_digest_init(struct push_digest *digest) {
    digest->count = 0;
    digest->is_changed = false;
}

enum push_digest_outcome push_digest_read(const struct push_digest_key *key, struct slice value,
                                          struct push_digest *out_digest) {
    unsigned char bytes[PUSH_DIGEST_MAX_CHARS];
    size_t length;
    push_digest_init(out_digest);
    if (value.length > PUSH_DIGEST_MAX_CHARS) {
        return PUSH_DIGEST_OVERSIZED;
    }
    if (!base64_decode(value, bytes, &length) || length < MIN_BYTES) {
        return PUSH_DIGEST_GARBLED;
    }
    if (bytes[0] != VERSION) {
        return PUSH_DIGEST_VERSION;
    }
    struct slice body = slice_of((const char *)bytes, length - TAG_BYTES);
    uint64_t tag;
    memcpy(&tag, bytes + body.length, TAG_BYTES);
    if (le64toh(tag) != sign(key, body)) {
        return PUSH_DIGEST_FORGED;
    }
    if (!read_rows(body, out_digest)) {
        push_digest_init(out_digest);
        return PUSH_DIGEST_DAMAGED;
    }
    return PUSH_DIGEST_READ;
}

static bool read_rows(struct slice body, struct push_digest *digest) {
    struct push_golomb_reader reader;
    push_golomb_reader_init(&reader, body.data, body.length);
    uint64_t version;
    uint64_t count;
    if (!push_golomb_read_bits(&reader, 8, &version) ||
        !push_golomb_read_bits(&reader, COUNT_BITS, &count) || count > PUSH_DIGEST_ENTRIES) {
        return false;
    }
    uint64_t next = 0; // the lowest that the next one can be
    while (digest->count < count) {
        uint64_t gap;
        uint64_t age;
        if (next >= HASHES ||
            !push_golomb_read_gap(&reader, remainder_bits((uint32_t)count), HASHES - 1 - next,
                                  &gap) ||
            !push_golomb_read_bits(&reader, AGE_BITS, &age)) {
            return false;
        }
        digest->rows[digest->count++] = (uint32_t)((next + gap) << AGE_BITS | age);
        next += gap + 1;
    }
    return push_golomb_is_at_end(&reader);
}

// About the logarithm of the mean gap; it follows from the count, so it is not written.
static unsigned remainder_bits(uint32_t count) {
    unsigned bits = 0;
    while (count >> bits != 0) {
        bits++;
    }
    return HASH_BITS - bits;
}

// --- the set ----------------------------------------------------------------------------------

bool push_digest_has(const struct push_digest *digest, const struct push_digest_key *key,
                     struct slice authority, struct slice path, struct slice version) {
    uint32_t hash = hash_of(key, authority, path, version);
    return is_at(digest, find(digest, hash), hash);
}

void push_digest_add(struct push_digest *digest, const struct push_digest_key *key,
                     struct slice authority, struct slice path, struct slice version) {
    uint32_t hash = hash_of(key, authority, path, version);
    uint32_t place = find(digest, hash);
    bool is_there = is_at(digest, place, hash);
    if (is_there && (digest->rows[place] & OLDEST) <= YOUNG) {
        return;
    }
    make_room_among_young(digest);
    if (is_there) {
        digest->rows[place] = hash << AGE_BITS;
    } else {
        if (digest->count == PUSH_DIGEST_ENTRIES) {
            drop_one(digest, place);
            place = find(digest, hash);
        }
        memmove(&digest->rows[place + 1], &digest->rows[place],
                (digest->count - place) * sizeof(digest->rows[0]));
        digest->rows[place] = hash << AGE_BITS;
        digest->count++;
    }
    digest->is_changed = true;
}

void push_digest_remove(struct push_digest *digest, const struct push_digest_key *key,
                        struct slice authority, struct slice path, struct slice version) {
    uint32_t hash = hash_of(key, authority, path, version);
    uint32_t place = find(digest, hash);
    if (is_at(digest, place, hash)) {
        digest->count--;
        memmove(&digest->rows[place], &digest->rows[place + 1],
                (digest->count - place) * sizeof(digest->rows[0]));
        digest->is_changed = true;
    }
}

static uint32_t hash_of(const struct push_digest_key *key, struct slice authority,
                        struct slice path, struct slice version) {
    uint64_t hash = hash_bytes(hash_bytes(hash_bytes(key->entries, authority), path), version);
    return (uint32_t)(hash >> (64 - HASH_BITS));
}

// Where it is or would be.
static uint32_t find(const struct push_digest *digest, uint32_t hash) {
    uint32_t low = 0;
    uint32_t high = digest->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (digest->rows[middle] >> AGE_BITS < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct push_digest *digest, uint32_t place, uint32_t hash) {
    return place < digest->count && digest->rows[place] >> AGE_BITS == hash;
}

static void make_room_among_young(struct push_digest *digest) {
    unsigned youngest = 0;
    for (uint32_t i = 0; i < digest->count; i++) {
        youngest += (digest->rows[i] & OLDEST) == 0;
    }
    if (youngest < QUARTER) {
        return;
    }
    for (uint32_t i = 0; i < digest->count; i++) {
        digest->rows[i] += (digest->rows[i] & OLDEST) < OLDEST;
    }
}

// The first of the oldest from `near` on, round the end: as random as the hash of the newcomer.
static void drop_one(struct push_digest *digest, uint32_t near) {
    uint32_t oldest = near % digest->count;
    for (uint32_t i = 1; i < digest->count; i++) {
        uint32_t at = (near + i) % digest->count;
        if ((digest->rows[at] & OLDEST) > (digest->rows[oldest] & OLDEST)) {
            oldest = at;
        }
    }
    digest->count--;
    memmove(&digest->rows[oldest], &digest->rows[oldest + 1],
            (digest->count - oldest) * sizeof(digest->rows[0]));
}

// --- writing ----------------------------------------------------------------------------------

struct slice push_digest_write(const struct push_digest *digest, const struct push_digest_key *key,
                               struct arena *arena) {
    unsigned char bytes[MAX_BYTES] = {0};
    struct push_golomb_writer writer;
    push_golomb_writer_init(&writer, bytes, MAX_BODY_BYTES);
    push_golomb_write_bits(&writer, 8, VERSION);
    push_golomb_write_bits(&writer, COUNT_BITS, digest->count);
    uint32_t next = 0;
    for (uint32_t i = 0; i < digest->count; i++) {
        uint32_t hash = digest->rows[i] >> AGE_BITS;
        push_golomb_write_gap(&writer, remainder_bits(digest->count), hash - next);
        push_golomb_write_bits(&writer, AGE_BITS, digest->rows[i] & OLDEST);
        next = hash + 1;
    }
    ensure(!writer.is_full);
    struct slice body = slice_of((const char *)bytes, push_golomb_bytes(&writer));
    uint64_t tag = htole64(sign(key, body));
    memcpy(bytes + body.length, &tag, TAG_BYTES);
    size_t length = body.length + TAG_BYTES;
    char *text = arena_alloc(arena, base64_text_length(length));
    base64_encode(slice_of((const char *)bytes, length), text);
    return slice_of(text, base64_text_length(length));
}

static uint64_t sign(const struct push_digest_key *key, struct slice body) {
    return hash_sign(&key->sign, body);
}
