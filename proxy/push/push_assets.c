// SPDX-License-Identifier: Apache-2.0
#include "push/push_assets.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/list.h"
#include "http/freshness.h"

enum { BUCKETS = 2 * PUSH_ASSETS_ENTRIES };

// Hashes stand for the pairs: with 64 keyed bits a mistake costs one wrong guess.
struct entry {
    struct list_link link;
    struct entry *next; // in its bucket
    uint64_t key;
    bool is_wanted;
    struct push_asset asset;
};

// In both lists the first is the one that leaves next.
struct push_assets {
    uint64_t seed;
    struct list wanted; // in the order of push_assets_want
    struct list seen;   // in the order of push_assets_note
    size_t count;
    size_t wanted_count;
    struct entry *buckets[BUCKETS];
};

static uint64_t key_of(const struct push_assets *assets, struct slice authority, struct slice path);
static struct entry **find(struct push_assets *assets, uint64_t key);
static bool is_for_all(const struct request_head *request, const struct response_head *response,
                       const struct freshness *freshness);
static void fill_from(struct push_asset *asset, const struct push_asset *old, uint64_t now_ms);
static struct entry *add(struct push_assets *assets, uint64_t key);
static void move_to_end(struct push_assets *assets, struct entry *entry, bool is_wanted);
static void remove_entry(struct push_assets *assets, struct entry **place);
static bool read_validator(const struct headers *headers, struct push_asset *asset);
static bool keep_validator(struct push_asset *asset, enum push_asset_validator kind,
                           struct slice value);
static struct slice without_coding(struct slice tag);

struct push_assets *push_assets_create(uint64_t seed) {
    struct push_assets *assets = alloc_new(struct push_assets);
    assets->seed = seed;
    list_init(&assets->wanted);
    list_init(&assets->seen);
    return assets;
}

void push_assets_destroy(struct push_assets *assets) {
    for (size_t i = 0; assets != NULL && i < BUCKETS; i++) {
        while (assets->buckets[i] != NULL) {
            remove_entry(assets, &assets->buckets[i]);
        }
    }
    free(assets);
}

// --- what passes through ----------------------------------------------------------------------

void push_assets_note(struct push_assets *assets, const struct request_head *request,
                      const struct response_head *response, const struct clock *clock) {
    int status = response->status;
    if (!slice_equal(request->method, SLICE("GET")) || (status < 300 && status != 200)) {
        return;
    }
    struct freshness freshness;
    freshness_read(&response->headers, clock->wall_ms, &freshness);
    uint64_t key = key_of(assets, request->authority, request->path);
    struct entry **place = find(assets, key);
    struct entry *entry = *place;
    if ((status != 200 && status != 304) || !is_for_all(request, response, &freshness)) {
        if (entry != NULL) {
            remove_entry(assets, place);
        }
        return;
    }
    struct push_asset asset = {
        .fresh_until_ms = clock->now_ms + freshness.left_ms,
        .lifetime_ms = freshness.lifetime_ms,
        .has_lifetime = freshness.has_lifetime,
        .is_storable = freshness.is_storable,
    };
    bool has_validator = read_validator(&response->headers, &asset);
    if (status == 304 && entry != NULL) {
        fill_from(&asset, &entry->asset, clock->now_ms);
    } else if (status == 304 && !has_validator) {
        return;
    }
    if (entry == NULL) {
        entry = add(assets, key);
    } else if (!entry->is_wanted) {
        move_to_end(assets, entry, false);
    }
    entry->asset = asset;
}

// What a 304 leaves out stays as it was: RFC 9111 section 3.2.
static void fill_from(struct push_asset *asset, const struct push_asset *old, uint64_t now_ms) {
    if (asset->kind == PUSH_ASSET_NONE) {
        asset->kind = old->kind;
        asset->validator_length = old->validator_length;
        memcpy(asset->validator, old->validator, old->validator_length);
    }
    if (!asset->has_lifetime && asset->is_storable) {
        asset->has_lifetime = old->has_lifetime;
        asset->lifetime_ms = old->lifetime_ms;
        asset->fresh_until_ms = now_ms + old->lifetime_ms;
        asset->is_storable = old->is_storable;
    }
}

static bool is_for_all(const struct request_head *request, const struct response_head *response,
                       const struct freshness *freshness) {
    const struct headers *headers = &response->headers;
    if (freshness->is_private ||
        (headers_has(&request->headers, HEADER_AUTHORIZATION) && !freshness->is_public)) {
        return false;
    }
    return !headers_has_token(headers, HEADER_VARY, SLICE("cookie")) &&
           !headers_has_token(headers, HEADER_VARY, SLICE("authorization")) &&
           !headers_has_token(headers, HEADER_VARY, SLICE("*"));
}

static bool read_validator(const struct headers *headers, struct push_asset *asset) {
    return keep_validator(asset, PUSH_ASSET_ETAG, headers_value(headers, HEADER_ETAG)) ||
           keep_validator(asset, PUSH_ASSET_LAST_MODIFIED,
                          headers_value(headers, HEADER_LAST_MODIFIED));
}

static bool keep_validator(struct push_asset *asset, enum push_asset_validator kind,
                           struct slice value) {
    value = slice_trim(value);
    if (value.length == 0 || value.length > sizeof(asset->validator)) {
        return false;
    }
    asset->kind = kind;
    asset->validator_length = (uint8_t)value.length;
    memcpy(asset->validator, value.data, value.length);
    return true;
}

// --- the table --------------------------------------------------------------------------------

void push_assets_want(struct push_assets *assets, struct slice authority, struct slice path) {
    struct entry *entry = *find(assets, key_of(assets, authority, path));
    if (entry == NULL) {
        return;
    }
    move_to_end(assets, entry, true);
    if (assets->wanted_count > PUSH_ASSETS_WANTED) {
        struct list_link *first = list_first(&assets->wanted);
        move_to_end(assets, LIST_ENTRY(first, struct entry, link), false);
    }
}

const struct push_asset *push_assets_find(const struct push_assets *assets, struct slice authority,
                                          struct slice path) {
    uint64_t key = key_of(assets, authority, path);
    const struct entry *entry = assets->buckets[key % BUCKETS];
    while (entry != NULL && entry->key != key) {
        entry = entry->next;
    }
    return entry != NULL ? &entry->asset : NULL;
}

size_t push_assets_count(const struct push_assets *assets) {
    return assets->count;
}

static uint64_t key_of(const struct push_assets *assets, struct slice authority,
                       struct slice path) {
    return hash_bytes(hash_bytes(assets->seed, authority), path);
}

static struct entry **find(struct push_assets *assets, uint64_t key) {
    struct entry **place = &assets->buckets[key % BUCKETS];
    while (*place != NULL && (*place)->key != key) {
        place = &(*place)->next;
    }
    return place;
}

static struct entry *add(struct push_assets *assets, uint64_t key) {
    if (assets->count >= PUSH_ASSETS_ENTRIES) {
        struct list_link *first = list_first(&assets->seen); // never empty: see the bound of wanted
        remove_entry(assets, find(assets, LIST_ENTRY(first, struct entry, link)->key));
    }
    struct entry *entry = alloc_new(struct entry);
    entry->key = key;
    entry->next = assets->buckets[key % BUCKETS];
    assets->buckets[key % BUCKETS] = entry;
    list_append(&assets->seen, &entry->link);
    assets->count++;
    return entry;
}

static void move_to_end(struct push_assets *assets, struct entry *entry, bool is_wanted) {
    list_remove(&entry->link);
    list_append(is_wanted ? &assets->wanted : &assets->seen, &entry->link);
    assets->wanted_count += (size_t)is_wanted - (size_t)entry->is_wanted;
    entry->is_wanted = is_wanted;
}

static void remove_entry(struct push_assets *assets, struct entry **place) {
    struct entry *entry = *place;
    *place = entry->next;
    list_remove(&entry->link);
    assets->wanted_count -= (size_t)entry->is_wanted;
    assets->count--;
    free(entry);
}

// --- one asset --------------------------------------------------------------------------------

struct slice push_assets_version(const struct push_asset *asset) {
    struct slice text = slice_of(asset->validator, asset->validator_length);
    if (asset->kind != PUSH_ASSET_ETAG) {
        return text;
    }
    if (slice_starts_with(text, SLICE("W/"))) {
        text = slice_skip(text, 2);
    }
    if (text.length >= 2 && text.data[0] == '"' && text.data[text.length - 1] == '"') {
        text = slice_of(text.data + 1, text.length - 2);
    }
    return without_coding(text);
}

// httpd's mod_deflate and mod_brotli, Jetty, Caddy.
static struct slice without_coding(struct slice tag) {
    static const char *const endings[] = {"--gzip", "-gzip", "-br", "-zstd", "-deflate"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        struct slice ending = slice_of_text(endings[i]);
        if (tag.length > ending.length &&
            slice_equal(slice_skip(tag, tag.length - ending.length), ending)) {
            return slice_first(tag, tag.length - ending.length);
        }
    }
    return tag;
}

bool push_assets_is_short_lived(const struct push_asset *asset, uint64_t short_ms,
                                uint64_t now_ms) {
    return asset->has_lifetime &&
           (asset->lifetime_ms <= short_ms || asset->fresh_until_ms <= now_ms);
}

bool push_assets_condition(const struct push_asset *asset, enum header_id *out_id,
                           struct slice *out_value) {
    if (asset->kind == PUSH_ASSET_NONE) {
        return false;
    }
    *out_id = asset->kind == PUSH_ASSET_ETAG ? HEADER_IF_NONE_MATCH : HEADER_IF_MODIFIED_SINCE;
    *out_value = slice_of(asset->validator, asset->validator_length);
    return true;
}
