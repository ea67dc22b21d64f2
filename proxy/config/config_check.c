// SPDX-License-Identifier: Apache-2.0
#include "config_check.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/ensure.h"

typedef void section_check_fn(struct config_reader *reader, const struct config_scope *scope,
                              void *place, const struct config_node *node);

// A route and where it stood.
struct place {
    const char *first;  // host
    const char *second; // path
    size_t index;
    const struct config_node *node;
};

static section_check_fn check_root, check_listener, check_origin, check_limits;
static section_check_fn check_route_push, check_route_hint, check_declared_hint;

static bool check_file(const char *path, struct config_reason *out_reason);
static bool check_state_file(const char *path, struct config_reason *out_reason);
static int find_directory_error(struct slice directory);
static bool say_file(const char *what, struct slice path, int error,
                     struct config_reason *out_reason);
static void check_trusted(struct config_reader *reader, const struct config_node *node);
static bool is_everybody(const struct config_network *network);
static void check_listeners(struct config_reader *reader, const struct config_node *node);
static void check_routes(struct config_reader *reader, const struct config_node *node);
static void say_twice(struct config_reader *reader, const char *list, const struct place *place,
                      const struct place *earlier, const char *what);
static int compare_places(const void *a, const void *b);
static bool has_errors(const struct config_reader *reader, const struct config_node *node);
static const struct config_node *find_declared(const struct config_scope *scope,
                                               const struct config_node *node,
                                               struct config_scope *out_scope);
static void check_declared(struct config_reader *reader, const struct config_scope *scope,
                           const struct config_declared *rows, size_t count,
                           const struct config_node *list);
static uint64_t check_below(struct config_reader *reader, const struct config_scope *scope,
                            const struct config_node *node, const char *name, uint64_t value,
                            const char *most_name, uint64_t most);

void config_check_section(struct config_reader *reader, const struct config_scope *scope,
                          const struct config_section *section, void *place,
                          const struct config_node *node) {
    static section_check_fn *const checks[CONFIG_SECTIONS] = {
        [CONFIG_SECTION_ROOT] = check_root,
        [CONFIG_SECTION_LISTENER] = check_listener,
        [CONFIG_SECTION_ORIGIN] = check_origin,
        [CONFIG_SECTION_ROUTE_PUSH] = check_route_push,
        [CONFIG_SECTION_LIMITS] = check_limits,
        [CONFIG_SECTION_ROUTE_HINT] = check_route_hint,
        [CONFIG_SECTION_DECLARED_HINT] = check_declared_hint,
    };
    if (checks[section->id] != NULL) {
        checks[section->id](reader, scope, place, node);
    }
}

// --- files --------------------------------------------------------------------------------------

bool config_check_value(const struct config_option *option, const void *member,
                        struct config_reason *out_reason) {
    if (option->kind != CONFIG_FILE && option->kind != CONFIG_STATE) {
        return true;
    }
    const char *path = *(char *const *)member;
    return path == NULL || (option->kind == CONFIG_FILE ? check_file(path, out_reason)
                                                        : check_state_file(path, out_reason));
}

// Is there such a file, and may we read it?
static bool check_file(const char *path, struct config_reason *out_reason) {
    struct stat status;
    int error = 0;
    if (stat(path, &status) != 0 || access(path, R_OK) != 0) {
        error = errno;
    } else if (S_ISDIR(status.st_mode)) {
        error = EISDIR;
    }
    return error == 0 || say_file("read", slice_of_text(path), error, out_reason);
}

// It is replaced as a whole, so its directory must be writable; there may be none yet.
static bool check_state_file(const char *path, struct config_reason *out_reason) {
    struct slice whole = slice_of_text(path);
    struct slice directory = slice_first(whole, (size_t)(strrchr(path, '/') - path));
    directory = directory.length > 0 ? directory : slice_first(whole, 1);
    struct stat status;
    int error = stat(path, &status) != 0 ? errno : 0;
    if (error == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
        return config_reason_set(out_reason, "'%.*s' is not an ordinary file",
                                 SLICE_ARGS(config_reason_word(whole)));
    }
    if (error == 0 && !check_file(path, out_reason)) {
        return false;
    }
    int directory_error = find_directory_error(directory);
    if (directory_error != 0) {
        return say_file("write to the directory", directory, directory_error, out_reason);
    }
    return error == 0 || error == ENOENT || say_file("write", whole, error, out_reason);
}

static int find_directory_error(struct slice directory) {
    char *path = NULL;
    config_value_set_text(&path, directory);
    struct stat status;
    int error = 0;
    if (stat(path, &status) == 0 && !S_ISDIR(status.st_mode)) {
        error = ENOTDIR;
    } else if (access(path, W_OK | X_OK) != 0) {
        error = errno;
    }
    free(path);
    return error;
}

static bool say_file(const char *what, struct slice path, int error,
                     struct config_reason *out_reason) {
    struct slice word = config_reason_word(path);
    return config_reason_set(out_reason, "cannot %s '%.*s%s': %s", what, SLICE_ARGS(word),
                             word.length < path.length ? "..." : "", strerror(error));
}

// --- the file as a whole ------------------------------------------------------------------------

static void check_root(struct config_reader *reader, const struct config_scope *scope, void *place,
                       const struct config_node *node) {
    (void)scope;
    (void)place;
    const struct config_node *trusted = config_node_child(node, "trusted");
    const struct config_node *listeners = config_node_child(node, "listeners");
    const struct config_node *routes = config_node_child(node, "routes");
    if (trusted != NULL && !reader->config->trusted_any) {
        check_trusted(reader, trusted);
    }
    if (listeners != NULL && listeners->count == reader->config->listener_count) {
        check_listeners(reader, listeners);
    }
    if (routes != NULL && routes->count == reader->config->route_count) {
        check_routes(reader, routes);
    }
}

// TRUST row 37: everybody could choose the address that is logged and passed on.
static void check_trusted(struct config_reader *reader, const struct config_node *node) {
    const struct config *config = reader->config;
    const struct config_scope outer = {.name = SLICE("trusted")};
    bool is_list = node->kind == CONFIG_NODE_LIST;
    const struct config_node *item = is_list ? node->first : node;
    for (size_t i = 0; i < config->trusted_count && item != NULL; i++, item = item->next) {
        struct config_scope scope = {.parent = &outer, .index = i, .is_item = true};
        if (is_everybody(&config->trusted[i]) && !has_errors(reader, item)) {
            config_reader_say(reader, is_list ? &scope : &outer, item,
                              "everybody could pretend to be any client; "
                              "if that is meant, say 'trusted_any: on' too");
        }
    }
}

// All of IPv4 (::ffff:0:0/96), or all of IPv6.
static bool is_everybody(const struct config_network *network) {
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};
    struct config one = {.trusted = (struct config_network *)(uintptr_t)network,
                         .trusted_count = 1};
    return network->bits <= 96 && config_is_trusted(&one, mapped) &&
           (network->bits == 0 || network->bits >= 80);
}

static void check_listeners(struct config_reader *reader, const struct config_node *node) {
    const struct config *config = reader->config;
    struct place *places = alloc_zeroed(config->listener_count, sizeof(struct place));
    const struct config_node *item = node->first;
    size_t count = 0;
    char(*ports)[8] = alloc_zeroed(config->listener_count, sizeof(*ports));
    for (size_t i = 0; i < config->listener_count; i++, item = item->next) {
        const struct config_listener *listener = &config->listeners[i];
        snprintf(ports[i], sizeof(ports[i]), "%u", listener->port);
        if (listener->port != 0 && !has_errors(reader, item)) {
            places[count++] = (struct place){listener->host, ports[i], i, item};
        }
    }
    qsort(places, count, sizeof(*places), compare_places);
    for (size_t i = 1; i < count; i++) {
        say_twice(reader, "listeners", &places[i], &places[i - 1], "address");
    }
    free(ports);
    free(places);
}

static void check_routes(struct config_reader *reader, const struct config_node *node) {
    const struct config *config = reader->config;
    struct place *places = alloc_zeroed(config->route_count, sizeof(struct place));
    const struct config_node *item = node->first;
    size_t count = 0;
    for (size_t i = 0; i < config->route_count; i++, item = item->next) {
        const struct config_route *route = &config->routes[i];
        if (!has_errors(reader, item)) {
            places[count++] = (struct place){route->host, route->path, i, item};
        }
    }
    qsort(places, count, sizeof(*places), compare_places);
    for (size_t i = 1; i < count; i++) {
        say_twice(reader, "routes", &places[i], &places[i - 1], "host and path");
    }
    free(places);
}

static void say_twice(struct config_reader *reader, const char *list, const struct place *place,
                      const struct place *earlier, const char *what) {
    if (strcmp(place->first, earlier->first) != 0 || strcmp(place->second, earlier->second) != 0) {
        return;
    }
    const struct config_scope outer = {.name = slice_of_text(list)};
    struct config_scope scope = {.parent = &outer, .index = place->index, .is_item = true};
    if (place->node->source != NULL) { // has no line to be named
        config_reader_say(reader, &scope, place->node, "the same %s is given twice", what);
        return;
    }
    config_reader_say(reader, &scope, place->node, "has the same %s as %s[%zu] in line %u", what,
                      list, earlier->index, earlier->node->line);
}

static int compare_places(const void *a, const void *b) {
    const struct place *x = a;
    const struct place *y = b;
    int order = strcmp(x->first, y->first);
    order = order != 0 ? order : strcmp(x->second, y->second);
    return order != 0 ? order : x->index < y->index ? -1 : 1;
}

// Was anything said about this item of a list? Its values may then be mere defaults. For the last
// item whatever stands behind it counts too, which only delays a finding.
static bool has_errors(const struct config_reader *reader, const struct config_node *node) {
    const struct config_node *next = node->next;
    for (size_t i = 0; i < reader->errors->count; i++) {
        const struct config_error *error = &reader->errors->rows[i];
        bool is_before =
            error->line < node->line || (error->line == node->line && error->column < node->column);
        bool is_behind =
            next != NULL && (error->line > next->line ||
                             (error->line == next->line && error->column >= next->column));
        if (!is_before && !is_behind) {
            return true;
        }
    }
    return false;
}

// --- single sections ----------------------------------------------------------------------------

static void check_listener(struct config_reader *reader, const struct config_scope *scope,
                           void *place, const struct config_node *node) {
    const struct config_listener *listener = place;
    const struct config_node *tls = config_node_child(node, "tls");
    if (listener->host != NULL && !listener->is_tls && tls != NULL) {
        struct config_scope inner = {.parent = scope, .name = SLICE("tls")};
        config_reader_say(reader, &inner, tls,
                          "an http:// listener is cleartext: write https:// or leave tls out");
    }
}

static void check_origin(struct config_reader *reader, const struct config_scope *scope,
                         void *place, const struct config_node *node) {
    struct config_origin *origin = place;
    origin->max_idle = (uint32_t)check_below(reader, scope, node, "max_idle", origin->max_idle,
                                             "max_connections", origin->max_connections);
}

static void check_limits(struct config_reader *reader, const struct config_scope *scope,
                         void *place, const struct config_node *node) {
    struct config_limits *limits = place;
    limits->field_bytes =
        check_below(reader, scope, node, "field", limits->field_bytes, "head", limits->head_bytes);
    limits->uri_bytes =
        check_below(reader, scope, node, "uri", limits->uri_bytes, "head", limits->head_bytes);
}

// A value that was not written follows its bound; one that was written is a mistake.
static uint64_t check_below(struct config_reader *reader, const struct config_scope *scope,
                            const struct config_node *node, const char *name, uint64_t value,
                            const char *most_name, uint64_t most) {
    if (value <= most) {
        return value;
    }
    const struct config_node *written = config_node_child(node, name);
    if (written != NULL) {
        struct config_scope inner = {.parent = scope, .name = slice_of_text(name)};
        config_reader_say(reader, &inner, written, "must not be more than %s", most_name);
    }
    return most;
}

static void check_route_push(struct config_reader *reader, const struct config_scope *scope,
                             void *place, const struct config_node *node) {
    const struct config_route *route = place;
    struct config_scope inner;
    const struct config_node *list = find_declared(scope, node, &inner);
    if (route->declared_push_count > route->push.max_per_page) {
        config_reader_say(reader, &inner, list,
                          "has %zu pushes, but max_per_page allows %u for a page",
                          route->declared_push_count, route->push.max_per_page);
    }
    check_declared(reader, &inner, route->declared_push, route->declared_push_count, list);
}

static void check_route_hint(struct config_reader *reader, const struct config_scope *scope,
                             void *place, const struct config_node *node) {
    const struct config_route *route = place;
    struct config_scope inner;
    const struct config_node *list = find_declared(scope, node, &inner);
    check_declared(reader, &inner, route->declared_hint, route->declared_hint_count, list);
}

static const struct config_node *find_declared(const struct config_scope *scope,
                                               const struct config_node *node,
                                               struct config_scope *out_scope) {
    const struct config_node *list = config_node_child(node, "declared");
    if (list == NULL) {
        *out_scope = *scope;
        return node; // `push: [...]` itself
    }
    *out_scope = (struct config_scope){.parent = scope, .name = SLICE("declared")};
    return list;
}

static void check_declared(struct config_reader *reader, const struct config_scope *scope,
                           const struct config_declared *rows, size_t count,
                           const struct config_node *list) {
    if (list->kind != CONFIG_NODE_LIST || list->count != count) {
        return;
    }
    const struct config_node *item = list->first;
    for (size_t i = 0; i < count; i++, item = item->next) {
        for (size_t n = 0; n < i && rows[i].path != NULL; n++) {
            if (rows[n].path != NULL && strcmp(rows[n].path, rows[i].path) == 0) {
                struct config_scope inner = {.parent = scope, .index = i, .is_item = true};
                config_reader_say(reader, &inner, item, "is declared twice");
                break;
            }
        }
    }
}

static void check_declared_hint(struct config_reader *reader, const struct config_scope *scope,
                                void *place, const struct config_node *node) {
    const struct config_declared *declared = place;
    if (declared->path != NULL && declared->path[0] == '<' && declared->as[0] != '\0') {
        struct config_scope inner = {.parent = scope, .name = SLICE("as")};
        config_reader_say(reader, &inner, config_node_child(node, "as"),
                          "belongs into the Link element: write '; as=%s' there", declared->as);
    }
}
