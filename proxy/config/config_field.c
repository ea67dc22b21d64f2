// SPDX-License-Identifier: Apache-2.0
#include "config_field.h"

#include "http/headers.h"

static bool has_underscore(struct slice text, struct config_reason *out_reason);
static bool has_meaning(struct slice name);
static void set_name(char **member, struct slice text);

// --- of an origin's 103 -------------------------------------------------------------------------

bool config_field_parse_hinted(const struct config_option *option, struct slice text, void *member,
                               struct config_reason *out_reason) {
    (void)option;
    // What belongs to one connection or frames one message (RFC 9110 sections 7.6.1 and 6.5).
    static const char *const refused[] = {"connection", "content-length",    "keep-alive",
                                          "te",         "proxy-connection",  "trailer",
                                          "upgrade",    "transfer-encoding", NULL};
    struct slice word = config_reason_word(text);
    if (!headers_is_name(text)) {
        return config_reason_set(out_reason,
                                 "expected the name of a field such as permissions-policy, "
                                 "not '%.*s'",
                                 SLICE_ARGS(word));
    }
    if (slice_equal_nocase(text, SLICE("set-cookie"))) {
        return config_reason_set(out_reason, "'%.*s' has no meaning in a 103", SLICE_ARGS(word));
    }
    for (size_t i = 0; refused[i] != NULL; i++) {
        if (slice_equal_nocase(text, slice_of_text(refused[i]))) {
            return config_reason_set(out_reason,
                                     "'%.*s' concerns one connection or one message and is "
                                     "never passed on",
                                     SLICE_ARGS(word));
        }
    }
    set_name(member, text);
    return true;
}

// --- of a request, for the access log -----------------------------------------------------------

bool config_field_parse_logged(const struct config_option *option, struct slice text, void *member,
                               struct config_reason *out_reason) {
    (void)option;
    if (!headers_is_name(text)) {
        return config_reason_set(out_reason,
                                 "expected the name of a request's field such as user-agent, "
                                 "not '%.*s'",
                                 SLICE_ARGS(config_reason_word(text)));
    }
    if (slice_equal_nocase(text, SLICE("host"))) {
        return config_reason_set(out_reason, "'%.*s' is in every line already, as authority",
                                 SLICE_ARGS(text));
    }
    if (has_underscore(text, out_reason)) {
        return false;
    }
    set_name(member, text);
    return true;
}

static bool has_underscore(struct slice text, struct config_reason *out_reason) {
    if (slice_find(text, '_') == text.length) {
        return false;
    }
    config_reason_set(out_reason, "'%.*s' never comes: request fields with a '_' are dropped",
                      SLICE_ARGS(config_reason_word(text)));
    return true;
}

// --- that names the request ---------------------------------------------------------------------

bool config_field_parse_id(const struct config_option *option, struct slice text, void *member,
                           struct config_reason *out_reason) {
    (void)option;
    if (slice_equal_nocase(text, SLICE("off"))) {
        config_value_set_text(member, SLICE_EMPTY);
        return true;
    }
    struct slice word = config_reason_word(text);
    if (!headers_is_name(text)) {
        return config_reason_set(out_reason,
                                 "expected off or the name of a field such as x-request-id, "
                                 "not '%.*s'",
                                 SLICE_ARGS(word));
    }
    if (has_underscore(text, out_reason)) {
        return false;
    }
    if (has_meaning(text)) {
        return config_reason_set(out_reason,
                                 "'%.*s' has a meaning of its own, which an id would replace",
                                 SLICE_ARGS(word));
    }
    set_name(member, text);
    return true;
}

// For this proxy or for servers in general.
static bool has_meaning(struct slice name) {
    static const char *const prefixes[] = {"accept",  "access-control-", "content-", "if-",
                                           "origin",  "pragma",          "proxy",    "sec-",
                                           "warning", "x-forwarded-",    "x-real-ip"};
    for (unsigned id = HEADER_OTHER + 1; id < HEADER_COUNT; id++) {
        if (slice_equal_nocase(name, headers_name((enum header_id)id))) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        struct slice prefix = slice_of_text(prefixes[i]);
        if (slice_equal_nocase(slice_first(name, prefix.length), prefix)) {
            return true;
        }
    }
    return false;
}

static void set_name(char **member, struct slice text) {
    config_value_set_text(member, text);
    for (char *c = *member; *c != '\0'; c++) {
        *c = slice_lower(*c);
    }
}
