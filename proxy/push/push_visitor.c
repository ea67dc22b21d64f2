// SPDX-License-Identifier: Apache-2.0
#include "push/push_visitor.h"

#include "base/ensure.h"

static enum push_visitor_answer by_mode(const struct push_visitor *visitor, const struct url *url,
                                        const struct push_asset *asset);
static enum push_visitor_answer by_digest(const struct push_visitor *visitor, const struct url *url,
                                          const struct push_asset *asset);

// What the client says itself goes before what we once told it to remember.
enum push_visitor_answer push_visitor_ask(const struct push_visitor *visitor, const struct url *url,
                                          struct arena *arena) {
    const struct push_asset *asset =
        visitor->assets != NULL ? push_assets_find(visitor->assets, url->authority, url->path)
                                : NULL;
    if (visitor->cache_digest == NULL) {
        return by_mode(visitor, url, asset);
    }
    switch (push_cache_digest_find(visitor->cache_digest, visitor->sha256, url, asset, arena)) {
    case PUSH_CACHE_ABSENT:
        return PUSH_VISITOR_LACKS;
    case PUSH_CACHE_STALE:
    case PUSH_CACHE_FRESH:
        return PUSH_VISITOR_HAS;
    case PUSH_CACHE_STALE_VERSION:
    case PUSH_CACHE_FRESH_VERSION:
        return PUSH_VISITOR_HAS_VERSION;
    case PUSH_CACHE_UNKNOWN:
        return by_mode(visitor, url, asset);
    }
    unreachable();
}

static enum push_visitor_answer by_mode(const struct push_visitor *visitor, const struct url *url,
                                        const struct push_asset *asset) {
    if (visitor->digest == NULL) {
        return PUSH_VISITOR_LACKS;
    }
    switch (visitor->mode) {
    case PUSH_VISITOR_OFF:
        return PUSH_VISITOR_LACKS;
    case PUSH_VISITOR_FIRST_VISIT:
        if (asset == NULL) {
            return PUSH_VISITOR_MAY_HAVE;
        }
        return push_assets_is_short_lived(asset, visitor->short_ms, visitor->now_ms)
                   ? PUSH_VISITOR_LACKS
                   : PUSH_VISITOR_HAS;
    case PUSH_VISITOR_DIGEST:
        return by_digest(visitor, url, asset);
    }
    unreachable();
}

static enum push_visitor_answer by_digest(const struct push_visitor *visitor, const struct url *url,
                                          const struct push_asset *asset) {
    if (asset == NULL) {
        return PUSH_VISITOR_MAY_HAVE;
    }
    // Nothing that a cache could use a second time.
    if (!asset->is_storable || (asset->kind == PUSH_ASSET_NONE && asset->lifetime_ms == 0)) {
        return PUSH_VISITOR_LACKS;
    }
    if (push_digest_has(visitor->digest, visitor->key, url->authority, url->path,
                        push_assets_version(asset))) {
        return PUSH_VISITOR_HAS;
    }
    return push_digest_has(visitor->digest, visitor->key, url->authority, url->path,
                           PUSH_VISITOR_NO_VERSION)
               ? PUSH_VISITOR_MAY_HAVE
               : PUSH_VISITOR_LACKS;
}

void push_visitor_give(const struct push_visitor *visitor, struct push_digest *digest,
                       const struct url *url) {
    const struct push_asset *asset = push_assets_find(visitor->assets, url->authority, url->path);
    if (asset == NULL) {
        push_digest_add(digest, visitor->key, url->authority, url->path, PUSH_VISITOR_NO_VERSION);
        return;
    }
    push_digest_remove(digest, visitor->key, url->authority, url->path, PUSH_VISITOR_NO_VERSION);
    push_digest_add(digest, visitor->key, url->authority, url->path, push_assets_version(asset));
}
