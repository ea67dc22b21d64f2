// SPDX-License-Identifier: Apache-2.0
// Flags, and the variables that stand for them, become the tree that a file would have been.
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config_environment.h"
#include "config_reader.h"
#include "config_value.h"

// What was said, and by which flag or variable; text is NULL when it was not.
struct word {
    const char *text;
    const char *source;
};

static struct word find_word(const struct config_flags *flags, const char *text, const char *flag,
                             const char *variable);
static void put_scalars(struct config_node_maker *maker, const struct config_flags *flags,
                        struct config_node *root);
static struct config_node *put_map(struct config_node_maker *maker, struct config_node *map,
                                   const char *key);
static void put_word(struct config_node_maker *maker, struct config_node *map, const char *key,
                     struct word word);
static struct config_node *make_listen(struct config_node_maker *maker,
                                       const struct config_flags *flags);
static void put_certificate(struct config_node_maker *maker, const struct config_flags *flags,
                            struct config_node *listeners, struct config_errors *errors);
static bool is_cleartext(struct slice address);
static void put_origin(struct config_node_maker *maker, struct word origin,
                       struct config_node *root);
static void say(struct config_errors *errors, const char *source, const char *text);

static const char nobody[] = "default"; // the source of what was not said

struct config *config_from_flags(const struct config_flags *flags, struct config_errors *errors) {
    size_t before = errors->count;
    struct word origin = find_word(flags, flags->origin, "--origin", "OUTRIDER_ORIGIN");
    if (origin.text == NULL) {
        say(errors, "--origin", "is missing: http://HOST:PORT or unix:/PATH");
        return NULL;
    }
    struct config_node_maker maker = {.arena = arena_create(), .source = nobody};
    struct config_node *root = config_node_make(&maker, CONFIG_NODE_MAP, SLICE_EMPTY);
    config_environment_apply(&maker, flags->environment, false, root, errors);
    put_scalars(&maker, flags, root);
    struct config_node *listeners = make_listen(&maker, flags);
    put_certificate(&maker, flags, listeners, errors);
    config_node_put(&maker, root, "listeners", listeners);
    put_origin(&maker, origin, root);
    struct config *config = config_reader_read("", maker.arena, root, errors);
    if (errors->count == before) {
        return config;
    }
    config_destroy(config);
    return NULL;
}

static struct word find_word(const struct config_flags *flags, const char *text, const char *flag,
                             const char *variable) {
    if (text != NULL) {
        return (struct word){text, flag};
    }
    return (struct word){config_environment_find(flags->environment, variable), variable};
}

static void put_scalars(struct config_node_maker *maker, const struct config_flags *flags,
                        struct config_node *root) {
    put_word(maker, root, "workers", (struct word){flags->workers, "--workers"});
    if (flags->origin_timeout != NULL) {
        struct word silence = {flags->origin_timeout, "--origin-timeout"};
        struct config_node *timeouts = put_map(maker, root, "timeouts");
        put_word(maker, timeouts, "origin_first_byte", silence);
        put_word(maker, timeouts, "origin_between_bytes", silence);
    }
}

// The mapping of a section; variables may have made it.
static struct config_node *put_map(struct config_node_maker *maker, struct config_node *map,
                                   const char *key) {
    const struct config_node *node = config_node_child(map, key);
    if (node == NULL) {
        node = config_node_make(maker, CONFIG_NODE_MAP, SLICE_EMPTY);
    }
    return config_node_put(maker, map, key, node);
}

static void put_word(struct config_node_maker *maker, struct config_node *map, const char *key,
                     struct word word) {
    if (word.text != NULL) {
        maker->source = word.source;
        config_node_put(maker, map, key,
                        config_node_make(maker, CONFIG_NODE_WORD, slice_of_text(word.text)));
    }
}

// --- listeners ----------------------------------------------------------------------------------

static struct config_node *make_listen(struct config_node_maker *maker,
                                       const struct config_flags *flags) {
    const char *variable = config_environment_find(flags->environment, "OUTRIDER_LISTEN");
    if (flags->listen_count == 0 && variable != NULL) {
        maker->source = "OUTRIDER_LISTEN";
        return config_node_make_list(maker, slice_of_text(variable));
    }
    if (flags->listen_count == 0) {
        maker->source = nobody;
        return config_node_make_list(maker, SLICE("https://127.0.0.1:8443"));
    }
    maker->source = "--listen";
    struct config_node *list = config_node_make(maker, CONFIG_NODE_LIST, SLICE_EMPTY);
    for (size_t i = 0; i < flags->listen_count; i++) {
        config_node_append(
            list, config_node_make(maker, CONFIG_NODE_WORD, slice_of_text(flags->listen[i])));
    }
    return list;
}

// One certificate for all TLS listeners: an address becomes a mapping of itself and `tls`.
static void put_certificate(struct config_node_maker *maker, const struct config_flags *flags,
                            struct config_node *listeners, struct config_errors *errors) {
    struct word certificate = find_word(flags, flags->certificate, "--cert", "OUTRIDER_CERT");
    struct word key = find_word(flags, flags->key, "--key", "OUTRIDER_KEY");
    if (certificate.text == NULL && key.text == NULL) {
        return;
    }
    if (certificate.text == NULL) {
        say(errors, key.source, "needs a certificate as well: --cert FILE or OUTRIDER_CERT");
        return;
    }
    if (key.text == NULL) {
        say(errors, certificate.source, "needs a key as well: --key FILE or OUTRIDER_KEY");
        return;
    }
    bool is_used = false;
    for (struct config_node *item = listeners->first; item != NULL; item = item->next) {
        struct config_node address = *item;
        if (!is_cleartext(item->text)) {
            is_used = true;
            item->kind = CONFIG_NODE_MAP;
            config_node_put(maker, item, "address", &address);
            struct config_node *tls = put_map(maker, item, "tls");
            put_word(maker, tls, "certificate", certificate);
            put_word(maker, tls, "key", key);
        }
    }
    if (!is_used) {
        say(errors, certificate.source, "no listener is an https:// one");
    }
}

static bool is_cleartext(struct slice address) {
    struct slice scheme = SLICE("http://");
    return slice_equal_nocase(slice_first(address, scheme.length), scheme);
}

// --- the origin ---------------------------------------------------------------------------------

// It answers for any host and all paths.
static void put_origin(struct config_node_maker *maker, struct word origin,
                       struct config_node *root) {
    maker->source = nobody;
    put_word(maker, put_map(maker, root, "origins"), "origin", origin);
    maker->source = nobody;
    struct config_node *routes = config_node_make(maker, CONFIG_NODE_LIST, SLICE_EMPTY);
    struct config_node *route = config_node_make(maker, CONFIG_NODE_MAP, SLICE_EMPTY);
    put_word(maker, route, "origin", (struct word){"origin", nobody});
    config_node_append(routes, route);
    config_node_put(maker, root, "routes", routes);
}

static void say(struct config_errors *errors, const char *source, const char *text) {
    config_errors_add(errors, "", 0, 0, source, "%s", text);
}

// --- single words -------------------------------------------------------------------------------

bool config_parse_endpoint(const char *text, struct config_endpoint *out_endpoint, char *out_reason,
                           size_t size) {
    static const struct config_option option = {.kind = CONFIG_ENDPOINT};
    struct config_reason reason;
    *out_endpoint = (struct config_endpoint){0};
    if (config_value_parse(&option, slice_of_text(text), out_endpoint, &reason)) {
        return true;
    }
    snprintf(out_reason, size, "%s", reason.text);
    return false;
}

void config_endpoint_free(struct config_endpoint *endpoint) {
    static const struct config_option option = {.kind = CONFIG_ENDPOINT};
    config_value_finish(&option, endpoint);
}

bool config_parse_time(const char *text, uint64_t most_ms, uint64_t *out_ms, char *out_reason,
                       size_t size) {
    const struct config_option option = {.kind = CONFIG_TIME, .min = 1, .max = most_ms};
    struct config_reason reason;
    if (config_value_parse(&option, slice_of_text(text), out_ms, &reason)) {
        return true;
    }
    snprintf(out_reason, size, "%s", reason.text);
    return false;
}
