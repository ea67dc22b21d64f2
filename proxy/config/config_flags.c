// SPDX-License-Identifier: Apache-2.0
#include "base/alloc.h"
#include "base/ensure.h"
#include "config/config.h"
#include "config/config_options.h"
#include "config_check.h"
#include "config_record.h"
#include "config_value.h"

static void read_listeners(struct config *config, const struct config_flags *flags,
                           struct config_errors *errors);
static void read_certificate(struct config *config, const struct config_flags *flags,
                             struct config_errors *errors);
static void check_file(const char *flag, const char *path, struct config_errors *errors);
static void read_origin(struct config *config, const struct config_flags *flags,
                        struct config_errors *errors);
static void add_route(struct config *config);
static void read_flag(const char *flag, const char *path, const char *text, struct config *config,
                      struct config_errors *errors);
static void *append(struct config *config, const char *list);
static void say(struct config_errors *errors, const char *flag, const char *text);

struct config *config_from_flags(const struct config_flags *flags, struct config_errors *errors) {
    struct config *config = config_create_default();
    size_t before = errors->count;
    if (flags->workers != NULL) {
        read_flag("--workers", "workers", flags->workers, config, errors);
    }
    if (flags->origin_timeout != NULL) {
        read_flag("--origin-timeout", "timeouts.origin_first_byte", flags->origin_timeout, config,
                  errors);
        config->timeouts.origin_between_bytes_ms = config->timeouts.origin_first_byte_ms;
    }
    read_listeners(config, flags, errors);
    read_certificate(config, flags, errors);
    read_origin(config, flags, errors);
    add_route(config);
    if (errors->count == before) {
        return config;
    }
    config_destroy(config);
    return NULL;
}

static void read_listeners(struct config *config, const struct config_flags *flags,
                           struct config_errors *errors) {
    static const char *const usual[] = {"https://127.0.0.1:8443"};
    const char *const *texts = flags->listen_count > 0 ? flags->listen : usual;
    size_t count = flags->listen_count > 0 ? flags->listen_count : 1;
    const struct config_option *list =
        config_options_find(&config_options_root, SLICE("listeners"), NULL, NULL);
    ensure(list != NULL);
    const struct config_option *address =
        config_options_find(list->section, SLICE("address"), NULL, NULL);
    ensure(address != NULL);
    for (size_t i = 0; i < count; i++) {
        struct config_reason reason;
        void *listener = append(config, "listeners");
        if (!config_value_parse(address, slice_of_text(texts[i]), listener, &reason)) {
            say(errors, "--listen", reason.text);
            continue;
        }
        const struct config_listener *rows = config->listeners;
        for (size_t n = 0; n < i; n++) {
            if (rows[i].port != 0 && rows[n].port == rows[i].port && rows[n].host != NULL &&
                strcmp(rows[n].host, rows[i].host) == 0) {
                say(errors, "--listen", "the same address is given twice");
            }
        }
    }
}

// One certificate for all TLS listeners.
static void read_certificate(struct config *config, const struct config_flags *flags,
                             struct config_errors *errors) {
    if (flags->certificate == NULL && flags->key == NULL) {
        return;
    }
    if (flags->certificate == NULL || flags->key == NULL) {
        bool is_key = flags->key == NULL;
        say(errors, is_key ? "--cert" : "--key",
            is_key ? "needs --key FILE as well" : "needs --cert FILE as well");
        return;
    }
    check_file("--cert", flags->certificate, errors);
    check_file("--key", flags->key, errors);
    bool is_used = false;
    for (size_t i = 0; i < config->listener_count; i++) {
        struct config_listener *listener = &config->listeners[i];
        if (listener->is_tls || listener->host == NULL) {
            is_used = true;
            listener->certificates = alloc_zeroed(1, sizeof(struct config_certificate));
            listener->certificates[0].certificate = alloc_text(flags->certificate);
            listener->certificates[0].key = alloc_text(flags->key);
            listener->certificate_count = 1;
        }
    }
    if (!is_used) {
        say(errors, "--cert", "no --listen is an https:// one");
    }
}

static void check_file(const char *flag, const char *path, struct config_errors *errors) {
    struct config_reason reason;
    if (!config_check_file(path, &reason)) {
        say(errors, flag, reason.text);
    }
}

static void read_origin(struct config *config, const struct config_flags *flags,
                        struct config_errors *errors) {
    const struct config_option *map =
        config_options_find(&config_options_root, SLICE("origins"), NULL, NULL);
    ensure(map != NULL);
    const struct config_option *url = config_options_find(map->section, SLICE("url"), NULL, NULL);
    ensure(url != NULL);
    if (flags->origin == NULL) {
        say(errors, "--origin", "is missing: http://HOST:PORT or unix:/PATH");
        return;
    }
    struct config_origin *origin = append(config, "origins");
    struct config_reason reason;
    origin->name = alloc_text("origin");
    if (!config_value_parse(url, slice_of_text(flags->origin), origin, &reason)) {
        say(errors, "--origin", reason.text);
    }
}

static void add_route(struct config *config) {
    append(config, "routes"); // any host, all paths, the only origin
}

// An option that a flag stands for.
static void read_flag(const char *flag, const char *path, const char *text, struct config *config,
                      struct config_errors *errors) {
    struct config_reason reason;
    void *place = NULL;
    const struct config_option *option = config_options_find_path(path, config, &place);
    ensure(option != NULL);
    if (!config_value_parse(option, slice_of_text(text), place, &reason)) {
        say(errors, flag, reason.text);
    }
}

// A new item with its defaults.
static void *append(struct config *config, const char *list) {
    const struct config_option *option =
        config_options_find(&config_options_root, slice_of_text(list), NULL, NULL);
    ensure(option != NULL);
    void *item = config_record_append(option, config);
    config_record_init(option->section, item, config);
    return item;
}

static void say(struct config_errors *errors, const char *flag, const char *text) {
    config_errors_add(errors, "", 0, 0, flag, "%s", text);
}
