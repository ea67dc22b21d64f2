// SPDX-License-Identifier: Apache-2.0
#include "config/router.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/ensure.h"

enum { HOST_BYTES = 255 }; // longer ones can only be "any host"

struct prefix_key {
    struct slice text;
    size_t parent; // index of the longest key that is a prefix of this one, or NO_KEY
    size_t order;  // of two equal keys the earlier one stays
    const void *value;
};

// A sorted set of keys that knows for each key which other one is its longest prefix at a border.
// For paths the border is '/'. Hosts are kept backwards, with '.': "gro.elpmaxe" is a prefix of
// "gro.elpmaxe.www". The border sorts before every other byte, so that all that stands between a
// prefix and the text asked for has that prefix too: the search starts at the last key that is not
// behind the text and only has to climb.
struct prefix_set {
    struct prefix_key *keys;
    size_t count;
};

// The routes that name one host, with or without "*.".
struct router_host {
    struct prefix_set exact; // paths of the host itself
    struct prefix_set below; // paths of "*." and the host
};

struct router {
    struct arena *arena; // names
    struct prefix_set host_set;
    struct router_host *hosts; // in the order of host_set
    struct prefix_set any;     // paths of routes without host
    bool has_paths;            // other than "/"
};

#define NO_KEY ((size_t)-1)

static void add_name(struct router *router, const struct config_route *route);
static void add_route(struct router *router, const struct config_route *route);
static bool split_host(const char *host, struct slice *out_name);

static void set_add(struct prefix_set *set, struct slice text, const void *value);
static void set_complete(struct prefix_set *set, char border);
static int compare_by_slash(const void *a, const void *b);
static int compare_by_dot(const void *a, const void *b);
static int compare_keys(const struct prefix_key *a, const struct prefix_key *b, char border);
static int compare_texts(struct slice a, struct slice b, char border);
static bool is_prefix(struct slice prefix, struct slice text, char border);
static size_t set_find(const struct prefix_set *set, struct slice text, char border);

static const struct config_route *find_path(const struct prefix_set *set, struct slice path);
static struct slice cut_path(struct slice path);
static struct slice cut_authority(struct slice authority);
static struct slice turn(struct slice host, char *out_text);
static bool next_segment_climbs(struct slice *rest);
static char next_byte(struct slice *rest);

// --- made once ----------------------------------------------------------------------------------

struct router *router_create(const struct config *config) {
    struct router *router = alloc_new(struct router);
    router->arena = arena_create();
    for (size_t i = 0; i < config->route_count; i++) {
        add_name(router, &config->routes[i]);
    }
    set_complete(&router->host_set, '.');
    router->hosts = alloc_zeroed(router->host_set.count, sizeof(struct router_host));
    for (size_t i = 0; i < config->route_count; i++) {
        add_route(router, &config->routes[i]);
    }
    for (size_t i = 0; i < router->host_set.count; i++) {
        set_complete(&router->hosts[i].exact, '/');
        set_complete(&router->hosts[i].below, '/');
    }
    set_complete(&router->any, '/');
    return router;
}

static void add_name(struct router *router, const struct config_route *route) {
    struct slice name;
    split_host(route->host, &name);
    if (name.length > 0) {
        set_add(&router->host_set, turn(name, arena_alloc(router->arena, name.length)), NULL);
    }
}

static void add_route(struct router *router, const struct config_route *route) {
    struct slice path = slice_of_text(route->path);
    path = path.length == 1 ? SLICE_EMPTY : path; // "" is a prefix of all that begins with '/'
    router->has_paths |= path.length > 0;
    struct slice name;
    bool is_below = split_host(route->host, &name);
    if (name.length == 0) {
        set_add(&router->any, path, route);
        return;
    }
    char text[HOST_BYTES];
    ensure(name.length <= sizeof(text));
    size_t index = set_find(&router->host_set, turn(name, text), '.');
    ensure(index < router->host_set.count &&
           router->host_set.keys[index].text.length == name.length);
    struct router_host *host = &router->hosts[index];
    set_add(is_below ? &host->below : &host->exact, path, route);
}

// True for "*.name".
static bool split_host(const char *host, struct slice *out_name) {
    struct slice text = slice_of_text(host);
    bool is_below = slice_starts_with(text, SLICE("*."));
    *out_name = slice_skip(text, is_below ? 2 : 0);
    return is_below;
}

void router_destroy(struct router *router) {
    if (router == NULL) {
        return;
    }
    for (size_t i = 0; i < router->host_set.count; i++) {
        free(router->hosts[i].exact.keys);
        free(router->hosts[i].below.keys);
    }
    free(router->hosts);
    free(router->host_set.keys);
    free(router->any.keys);
    arena_destroy(router->arena);
    free(router);
}

// --- sets of prefixes ---------------------------------------------------------------------------

static void set_add(struct prefix_set *set, struct slice text, const void *value) {
    size_t count = set->count;
    if ((count & (count - 1)) == 0) { // full at 0, 1, 2, 4, 8 ...
        size_t room = count == 0 ? 1 : count * 2;
        set->keys = alloc_resize(set->keys, room * sizeof(*set->keys));
    }
    set->keys[set->count++] = (struct prefix_key){text, NO_KEY, count, value};
}

static void set_complete(struct prefix_set *set, char border) {
    if (set->count == 0) {
        return;
    }
    qsort(set->keys, set->count, sizeof(*set->keys),
          border == '/' ? compare_by_slash : compare_by_dot);
    size_t last = 0;
    for (size_t i = 1; i < set->count; i++) {
        if (slice_equal(set->keys[i].text, set->keys[last].text)) {
            continue;
        }
        size_t parent = last;
        while (parent != NO_KEY && !is_prefix(set->keys[parent].text, set->keys[i].text, border)) {
            parent = set->keys[parent].parent;
        }
        set->keys[++last] = set->keys[i];
        set->keys[last].parent = parent;
    }
    set->count = last + 1;
}

static int compare_by_slash(const void *a, const void *b) {
    return compare_keys(a, b, '/');
}

static int compare_by_dot(const void *a, const void *b) {
    return compare_keys(a, b, '.');
}

static int compare_keys(const struct prefix_key *a, const struct prefix_key *b, char border) {
    int order = compare_texts(a->text, b->text, border);
    return order != 0 ? order : a->order < b->order ? -1 : a->order > b->order;
}

static int compare_texts(struct slice a, struct slice b, char border) {
    size_t shorter = a.length < b.length ? a.length : b.length;
    for (size_t i = 0; i < shorter; i++) {
        if (a.data[i] != b.data[i]) {
            int x = a.data[i] == border ? -1 : (unsigned char)a.data[i];
            int y = b.data[i] == border ? -1 : (unsigned char)b.data[i];
            return x - y;
        }
    }
    return a.length < b.length ? -1 : a.length > b.length;
}

static bool is_prefix(struct slice prefix, struct slice text, char border) {
    return slice_starts_with(text, prefix) &&
           (text.length == prefix.length || text.data[prefix.length] == border);
}

// Index of the longest key that is a prefix of the text, or NO_KEY.
static size_t set_find(const struct prefix_set *set, struct slice text, char border) {
    size_t low = 0; // keys before it are not behind the text
    size_t high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_texts(set->keys[middle].text, text, border) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    size_t found = low > 0 ? low - 1 : NO_KEY;
    while (found != NO_KEY && !is_prefix(set->keys[found].text, text, border)) {
        found = set->keys[found].parent;
    }
    return found;
}

// --- for each request ---------------------------------------------------------------------------

const struct config_route *router_find(const struct router *router, struct slice authority,
                                       struct slice path) {
    char text[HOST_BYTES];
    struct slice host = cut_authority(authority);
    const struct config_route *route = NULL;
    size_t index = NO_KEY;
    path = cut_path(path);
    if (host.length <= sizeof(text) && router->host_set.count > 0) {
        index = set_find(&router->host_set, turn(host, text), '.');
    }
    while (index != NO_KEY && route == NULL) {
        const struct prefix_key *key = &router->host_set.keys[index];
        const struct router_host *entry = &router->hosts[index];
        route = find_path(key->text.length == host.length ? &entry->exact : &entry->below, path);
        index = key->parent;
    }
    return route != NULL ? route : find_path(&router->any, path);
}

static const struct config_route *find_path(const struct prefix_set *set, struct slice path) {
    size_t index = set_find(set, path, '/');
    return index != NO_KEY ? set->keys[index].value : NULL;
}

// Without query. `OPTIONS *` goes where "/" goes.
static struct slice cut_path(struct slice path) {
    path = slice_first(path, slice_find(path, '?'));
    return path.length == 0 || path.data[0] != '/' ? SLICE("/") : path;
}

// Without port, and without the dot that ends a complete name.
static struct slice cut_authority(struct slice authority) {
    bool is_bracketed = authority.length > 0 && authority.data[0] == '[';
    size_t end = slice_find(authority, is_bracketed ? ']' : ':');
    struct slice host = slice_first(authority, end + (is_bracketed ? 1 : 0));
    if (host.length > 0 && host.data[host.length - 1] == '.') {
        host.length--;
    }
    return host;
}

// Backwards and in lower case; as many bytes as before.
static struct slice turn(struct slice host, char *out_text) {
    for (size_t i = 0; i < host.length; i++) {
        out_text[i] = slice_lower(host.data[host.length - 1 - i]);
    }
    return slice_of(out_text, host.length);
}

bool router_is_ambiguous(const struct router *router, struct slice path) {
    struct slice rest = router->has_paths ? cut_path(path) : SLICE_EMPTY;
    while (rest.length > 0) {
        if (next_segment_climbs(&rest)) {
            return true;
        }
    }
    return false;
}

// As the most generous of servers would read it: Java's leave out what follows a ';'.
static bool next_segment_climbs(struct slice *rest) {
    size_t length = 0;
    bool has_only_dots = true;
    bool is_in_parameters = false;
    while (rest->length > 0) {
        char c = next_byte(rest);
        if (c == '/' || c == '\\') {
            break;
        }
        is_in_parameters |= c == ';';
        if (!is_in_parameters) {
            has_only_dots &= c == '.';
            length++;
        }
    }
    return has_only_dots && length == 2;
}

// Without the percent-encoding of what can make a path climb.
static char next_byte(struct slice *rest) {
    static const struct {
        struct slice code;
        char byte;
    } codes[] = {{{"%2e", 3}, '.'}, {{"%2f", 3}, '/'}, {{"%5c", 3}, '\\'}, {{"%3b", 3}, ';'}};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (slice_equal_nocase(slice_first(*rest, codes[i].code.length), codes[i].code)) {
            *rest = slice_skip(*rest, codes[i].code.length);
            return codes[i].byte;
        }
    }
    char c = rest->data[0];
    *rest = slice_skip(*rest, 1);
    return c;
}
