// SPDX-License-Identifier: Apache-2.0
#include "push/push_cache_digest.h"

#include <endian.h>

#include "base/base64.h"
#include "push/push_golomb.h"

enum { LOG_BITS = 5 };

struct flags {
    bool has_validators, is_complete, is_stale, is_reset;
};

// The two hashes that sets ask for, each made when the first one asks.
struct hashes {
    push_sha256_fn *sha256;
    const struct url *url;
    const struct push_asset *asset;
    struct arena *arena;
    bool has[2];
    uint64_t values[2];
};

static enum push_cache_digest_outcome read_element(struct push_cache_digest *digest,
                                                   struct slice element, struct arena *arena);
static bool read_flags(struct slice rest, struct flags *out_flags);
static enum push_cache_digest_outcome read_set(struct slice text, struct push_cache_digest *digest,
                                               struct push_cache_set *set, struct arena *arena);
static enum push_cache_digest_outcome read_members(struct push_golomb_reader reader,
                                                   unsigned remainder_bits, size_t room,
                                                   struct push_cache_set *set,
                                                   uint64_t *out_members);
static void reset(struct push_cache_digest *digest);
static enum push_cache_state judge_set(const struct push_cache_set *set, struct hashes *hashes);
static bool has_member(const struct push_cache_set *set, uint64_t hash);
static uint64_t hash_for(struct hashes *hashes, bool with_validator);
static struct slice etag_of(const struct push_asset *asset);

// --- reading ----------------------------------------------------------------------------------

struct push_cache_digest *push_cache_digest_read(const struct headers *request,
                                                 struct arena *arena) {
    const struct header *field = headers_find(request, HEADER_CACHE_DIGEST);
    if (field == NULL) {
        return NULL;
    }
    struct push_cache_digest *digest = arena_new(arena, struct push_cache_digest);
    for (; field != NULL; field = headers_find_next(request, HEADER_CACHE_DIGEST, field)) {
        struct slice rest = field->value;
        struct slice element;
        while (slice_next_element(&rest, &element)) {
            digest->outcomes[read_element(digest, element, arena)]++;
        }
    }
    return digest;
}

static enum push_cache_digest_outcome read_element(struct push_cache_digest *digest,
                                                   struct slice element, struct arena *arena) {
    size_t end = slice_find(element, ';');
    struct slice value = slice_trim(slice_first(element, end));
    struct flags flags;
    bool is_known = read_flags(slice_skip(element, end + 1), &flags);
    if (flags.is_reset) {
        reset(digest);
    }
    if (!is_known) {
        return PUSH_CACHE_DIGEST_FLAG;
    }
    if (value.length == 0 && flags.is_reset) {
        return PUSH_CACHE_DIGEST_READ; // it only clears
    }
    if (digest->set_count == PUSH_CACHE_DIGEST_SETS ||
        value.length > PUSH_CACHE_DIGEST_CHARS - digest->char_count) {
        return PUSH_CACHE_DIGEST_TOO_MANY;
    }
    digest->char_count += value.length;
    struct push_cache_set set = {.has_validators = flags.has_validators,
                                 .is_stale = flags.is_stale};
    enum push_cache_digest_outcome outcome = read_set(value, digest, &set, arena);
    if (outcome == PUSH_CACHE_DIGEST_READ) {
        digest->sets[digest->set_count++] = set;
        digest->member_count += set.count;
        digest->is_complete[flags.is_stale] |= flags.is_complete;
    }
    return outcome;
}

static bool read_flags(struct slice rest, struct flags *out_flags) {
    *out_flags = (struct flags){0};
    bool is_known = true;
    while (rest.length > 0) {
        size_t end = slice_find(rest, ';');
        struct slice flag = slice_trim(slice_first(rest, end));
        rest = slice_skip(rest, end + 1);
        if (slice_equal_nocase(flag, SLICE("validators"))) {
            out_flags->has_validators = true;
        } else if (slice_equal_nocase(flag, SLICE("complete"))) {
            out_flags->is_complete = true;
        } else if (slice_equal_nocase(flag, SLICE("stale"))) {
            out_flags->is_stale = true;
        } else if (slice_equal_nocase(flag, SLICE("reset"))) {
            out_flags->is_reset = true;
        } else if (flag.length > 0) {
            is_known = false;
        }
    }
    return is_known;
}

static enum push_cache_digest_outcome read_set(struct slice text, struct push_cache_digest *digest,
                                               struct push_cache_set *set, struct arena *arena) {
    unsigned char *bytes = arena_alloc(arena, text.length / 4 * 3 + 2);
    size_t length;
    struct push_golomb_reader reader;
    uint64_t log_n;
    uint64_t log_p;
    if (!base64_decode(text, bytes, &length)) {
        return PUSH_CACHE_DIGEST_GARBLED;
    }
    push_golomb_reader_init(&reader, bytes, length);
    if (!push_golomb_read_bits(&reader, LOG_BITS, &log_n) ||
        !push_golomb_read_bits(&reader, LOG_BITS, &log_p)) {
        return PUSH_CACHE_DIGEST_GARBLED;
    }
    set->bits = (unsigned)(log_n + log_p);
    size_t room = PUSH_CACHE_DIGEST_MEMBERS - digest->member_count;
    enum push_cache_digest_outcome outcome = read_members(reader, (unsigned)log_p, room, set, NULL);
    if (outcome == PUSH_CACHE_DIGEST_READ) {
        uint64_t *members = arena_alloc(arena, set->count * sizeof(members[0]));
        read_members(reader, (unsigned)log_p, room, set, members);
        set->members = members;
    }
    return outcome;
}

// Without out_members they are only counted.
static enum push_cache_digest_outcome read_members(struct push_golomb_reader reader,
                                                   unsigned remainder_bits, size_t room,
                                                   struct push_cache_set *set,
                                                   uint64_t *out_members) {
    uint64_t past = UINT64_C(1) << set->bits; // at most 62 bits
    uint64_t next = 0;                        // the lowest that the next one can be
    for (set->count = 0; !push_golomb_is_at_end(&reader); set->count++) {
        uint64_t gap;
        if (next == past || !push_golomb_read_gap(&reader, remainder_bits, past - 1 - next, &gap)) {
            return PUSH_CACHE_DIGEST_DAMAGED;
        }
        if (set->count == room) {
            return PUSH_CACHE_DIGEST_TOO_MANY;
        }
        if (out_members != NULL) {
            out_members[set->count] = next + gap;
        }
        next += gap + 1;
    }
    return PUSH_CACHE_DIGEST_READ;
}

// The counts of members and characters stay: they bound the memory of this request.
static void reset(struct push_cache_digest *digest) {
    digest->set_count = 0;
    digest->is_complete[false] = digest->is_complete[true] = false;
}

// --- asking -----------------------------------------------------------------------------------

enum push_cache_state push_cache_digest_find(const struct push_cache_digest *digest,
                                             push_sha256_fn *sha256, const struct url *url,
                                             const struct push_asset *asset, struct arena *arena) {
    struct hashes hashes = {.sha256 = sha256, .url = url, .asset = asset, .arena = arena};
    bool is_complete = digest->is_complete[false];
    enum push_cache_state best = PUSH_CACHE_UNKNOWN;
    for (size_t i = 0; i < digest->set_count; i++) {
        const struct push_cache_set *set = &digest->sets[i];
        if (set->has_validators && asset == NULL) {
            is_complete = is_complete && set->is_stale;
            continue;
        }
        enum push_cache_state state = judge_set(set, &hashes);
        best = state > best ? state : best;
    }
    return best == PUSH_CACHE_UNKNOWN && is_complete ? PUSH_CACHE_ABSENT : best;
}

static enum push_cache_state judge_set(const struct push_cache_set *set, struct hashes *hashes) {
    if (!has_member(set, hash_for(hashes, set->has_validators))) {
        return PUSH_CACHE_UNKNOWN;
    }
    bool is_version = set->has_validators && etag_of(hashes->asset).length > 0;
    if (set->is_stale) {
        return is_version ? PUSH_CACHE_STALE_VERSION : PUSH_CACHE_STALE;
    }
    return is_version ? PUSH_CACHE_FRESH_VERSION : PUSH_CACHE_FRESH;
}

static bool has_member(const struct push_cache_set *set, uint64_t hash) {
    uint64_t member = set->bits > 0 ? hash >> (64 - set->bits) : 0;
    size_t low = 0;
    size_t high = set->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (set->members[middle] < member) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < set->count && set->members[low] == member;
}

// The first 64 bits of SHA-256 of the URL and, where there is one, the ETag as in its field.
static uint64_t hash_for(struct hashes *hashes, bool with_validator) {
    if (!hashes->has[with_validator]) {
        const struct url *url = hashes->url;
        struct slice etag = with_validator ? etag_of(hashes->asset) : SLICE_EMPTY;
        struct slice text =
            arena_printf(hashes->arena, "%.*s://%.*s%.*s%.*s", SLICE_ARGS(url->scheme),
                         SLICE_ARGS(url->authority), SLICE_ARGS(url->path), SLICE_ARGS(etag));
        unsigned char hash[32];
        hashes->sha256(text.data, text.length, hash);
        uint64_t start;
        memcpy(&start, hash, sizeof(start));
        hashes->values[with_validator] = be64toh(start);
        hashes->has[with_validator] = true;
    }
    return hashes->values[with_validator];
}

static struct slice etag_of(const struct push_asset *asset) {
    return asset->kind == PUSH_ASSET_ETAG ? slice_of(asset->validator, asset->validator_length)
                                          : SLICE_EMPTY;
}
