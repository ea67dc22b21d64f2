// SPDX-License-Identifier: Apache-2.0
#include "config_endpoint.h"

#include "base/alloc.h"
#include "config/config.h"
#include "config_address.h"

// What listeners and origins may say is said here too, so their parsers read it.
bool config_endpoint_parse(const struct config_option *option, struct slice text, void *member,
                           struct config_reason *out_reason) {
    struct config_endpoint *endpoint = member;
    if (slice_equal_nocase(text, SLICE("off")) || slice_equal_nocase(text, SLICE("false")) ||
        slice_equal_nocase(text, SLICE("no"))) {
        config_endpoint_finish(endpoint);
        return true;
    }
    if (slice_equal_nocase(slice_first(text, 5), SLICE("unix:"))) {
        struct config_origin origin = {0};
        if (!config_address_parse_origin(option, text, &origin, out_reason)) {
            return false;
        }
        config_endpoint_finish(endpoint);
        endpoint->path = origin.path;
        return true;
    }
    if (slice_equal_nocase(slice_first(text, 8), SLICE("https://"))) {
        return config_reason_set(out_reason, "TLS is not offered here: use 127.0.0.1:9901, or a "
                                             "unix socket such as unix:/run/outrider/admin.sock");
    }
    struct config_listener listener = {0};
    if (!config_address_parse_listener(option, text, &listener, out_reason)) {
        return config_reason_set(out_reason,
                                 "expected a numeric address such as 127.0.0.1:9901 or *:9901, "
                                 "unix:/PATH or off, not '%.*s'",
                                 SLICE_ARGS(config_reason_word(text)));
    }
    config_endpoint_finish(endpoint);
    endpoint->host = listener.host;
    endpoint->port = listener.port;
    return true;
}

char *config_endpoint_format(const struct config_option *option, const void *member) {
    const struct config_endpoint *endpoint = member;
    if (endpoint->path != NULL) {
        const struct config_origin origin = {.kind = CONFIG_ORIGIN_UNIX, .path = endpoint->path};
        return config_address_format_origin(option, &origin);
    }
    if (endpoint->host != NULL) {
        const struct config_listener listener = {.host = endpoint->host, .port = endpoint->port};
        return config_address_format_listener(option, &listener);
    }
    return alloc_text("off");
}

void config_endpoint_finish(void *member) {
    struct config_endpoint *endpoint = member;
    free(endpoint->host);
    free(endpoint->path);
    *endpoint = (struct config_endpoint){0};
}
