// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"
#include "relay_impl.h"

enum { COOKIE_MAX_AGE_S = 30 * 24 * 3600 };

static struct slice cookie_name(const struct relay_exchange *r);
static void read_cookie(struct relay_exchange *r);
static uint32_t hash_version(const struct relay_exchange *r, const struct push_asset *asset);
static const struct push_asset *find_asset(const struct relay_exchange *r, const struct url *url);

// --- the request --------------------------------------------------------------------------------

void relay_visitor_open(struct relay_exchange *r) {
    struct exchange *x = r->exchange;
    const struct config_push *push = &r->route->push;
    const struct push_memory *memory = r->relay->memory;
    if (x->is_promised) {
        return;
    }
    bool takes_promises = relay_push_client(r) != NULL;
    bool has_mode = push->visitors != CONFIG_VISITORS_OFF && takes_promises;
    if (has_mode) {
        read_cookie(r);
    }
    if (r->relay->has_cookie) {
        push_cookie_strip(&x->request.headers, cookie_name(r));
    }
    struct push_cache_digest *cache_digest = NULL;
    if (push->with_cache_digest && takes_promises) {
        cache_digest = push_cache_digest_read(&x->request.headers, x->arena);
    }
    r->has_visitor = has_mode || cache_digest != NULL;
    if (!r->has_visitor) {
        return;
    }
    static const enum push_visitor_mode modes[] = {
        [CONFIG_VISITORS_OFF] = PUSH_VISITOR_OFF,
        [CONFIG_VISITORS_FIRST_VISIT] = PUSH_VISITOR_FIRST_VISIT,
        [CONFIG_VISITORS_DIGEST] = PUSH_VISITOR_DIGEST,
    };
    r->visitor = (struct push_visitor){
        .mode = modes[push->visitors],
        .digest = r->digest != NULL && r->digest_outcome == PUSH_DIGEST_READ ? r->digest : NULL,
        .key = &memory->digest_key,
        .cache_digest = cache_digest,
        .sha256 = memory->sha256,
        .assets = memory->assets,
        .short_ms = push->short_life_ms,
        .now_ms = exchange_now(x),
    };
}

static struct slice cookie_name(const struct relay_exchange *r) {
    return slice_of_text(r->relay->config->digest.cookie);
}

static void read_cookie(struct relay_exchange *r) {
    struct exchange *x = r->exchange;
    r->digest = arena_new(x->arena, struct push_digest);
    r->digest_outcome = push_cookie_read(&x->request.headers, cookie_name(r),
                                         &r->relay->memory->digest_key, r->digest);
    metrics_add(r->relay->memory->metrics, DIGESTS, r->digest_outcome, 1);
}

// --- plans --------------------------------------------------------------------------------------

void relay_visitor_note_plan(struct relay_exchange *r, const struct push_plan *plan) {
    for (size_t i = 0; i < plan->given_count; i++) {
        const struct url *url = &plan->given[i];
        push_assets_want(r->relay->memory->assets, url->authority, url->path);
        if (r->digest != NULL && r->visitor.mode == PUSH_VISITOR_DIGEST) {
            push_visitor_give(&r->visitor, r->digest, url);
        }
    }
}

bool relay_visitor_find_condition(const void *relay_exchange, const struct url *url,
                                  struct arena *arena, enum header_id *out_id,
                                  struct slice *out_value) {
    const struct relay_exchange *r = relay_exchange;
    const struct relay_client *client = relay_push_client(r);
    const struct push_asset *asset = find_asset(r, url);
    uint32_t version = 0;
    uint64_t given_ms = 0;
    if (!r->route->push.revalidate || client == NULL || asset == NULL ||
        asset->kind == PUSH_ASSET_NONE || !asset->is_storable ||
        !push_diary_find_version(client->diary, url->authority, url->path, &version, &given_ms)) {
        return false;
    }
    if (version != hash_version(r, asset)) {
        return true; // another one since: promised in full
    }
    bool is_stale =
        asset->has_lifetime && exchange_now(r->exchange) - given_ms >= asset->lifetime_ms;
    if (!is_stale || !push_assets_condition(asset, out_id, out_value)) {
        return false;
    }
    *out_value = arena_copy(arena, *out_value);
    return true;
}

static uint32_t hash_version(const struct relay_exchange *r, const struct push_asset *asset) {
    return (uint32_t)hash_bytes(r->relay->memory->seed, push_assets_version(asset));
}

static const struct push_asset *find_asset(const struct relay_exchange *r, const struct url *url) {
    return push_assets_find(r->relay->memory->assets, url->authority, url->path);
}

// --- the response -------------------------------------------------------------------------------

void relay_visitor_note_head(struct relay_exchange *r, const struct response_head *head) {
    struct exchange *x = r->exchange;
    if (!r->relay->notes_assets) {
        return;
    }
    push_assets_note(r->relay->memory->assets, &x->request, head, x->clock);
    struct url url = {x->request.scheme, x->request.authority, x->request.path};
    const struct push_asset *asset = find_asset(r, &url);
    bool is_of_use = r->route->push.revalidate && relay_push_client(r) != NULL && asset != NULL &&
                     slice_equal(x->request.method, SLICE("GET")) &&
                     (head->status == 200 || head->status == 304);
    r->has_version = is_of_use && asset->kind != PUSH_ASSET_NONE;
    r->version = r->has_version ? hash_version(r, asset) : 0;
}

void relay_visitor_mark(struct relay_exchange *r, struct response_head *head) {
    struct exchange *x = r->exchange;
    bool is_mark = r->visitor.mode == PUSH_VISITOR_FIRST_VISIT;
    if (r->digest == NULL || r->is_behind_proxy || !push_cookie_may_set(&x->request, head) ||
        !push_cookie_is_due(r->digest, r->digest_outcome, is_mark)) {
        return;
    }
    struct slice value = push_digest_write(r->digest, r->visitor.key, x->arena);
    headers_add_id(&head->headers, HEADER_SET_COOKIE,
                   push_cookie_text(cookie_name(r), value, COOKIE_MAX_AGE_S,
                                    slice_equal(x->request.scheme, SLICE("https")), x->arena));
}

void relay_visitor_note_given(struct relay_exchange *r) {
    const struct request_head *request = &r->exchange->request;
    if (r->has_version) {
        push_diary_note_version(relay_push_client(r)->diary, request->authority, request->path,
                                r->version, exchange_now(r->exchange));
    }
}
