// SPDX-License-Identifier: Apache-2.0
#include "config_host.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { NAME_BYTES = 253 }; // of a DNS name in text form

static bool parse_port(struct slice digits, int *out_port, struct config_reason *out_reason);
static bool is_name(struct slice name);
static bool is_numeric(int family, struct slice name);

bool config_host_split(struct slice text, struct config_host *out_host,
                       struct config_reason *out_reason) {
    struct config_host host = {.port = -1};
    size_t end = slice_find(text, ':');
    if (slice_starts_with(slice_skip(text, end), SLICE("://"))) {
        return config_reason_set(out_reason, "'%.*s://' does not belong here",
                                 SLICE_ARGS(config_reason_word(slice_first(text, end))));
    }
    if (text.length > 0 && text.data[0] == '[') {
        end = slice_find(text, ']');
        if (end == text.length) {
            return config_reason_set(out_reason, "the ']' behind the IPv6 address is missing");
        }
        host.is_bracketed = true;
        host.name = slice_of(text.data + 1, end - 1);
        end++;
    } else {
        host.name = slice_first(text, end);
    }
    struct slice rest = slice_skip(text, end);
    if (!host.is_bracketed && slice_find(slice_skip(rest, 1), ':') + 1 < rest.length) {
        return config_reason_set(out_reason,
                                 "an IPv6 address stands in brackets, such as [::1]:80");
    }
    if (rest.length > 0) {
        if (rest.data[0] != ':') {
            return config_reason_set(out_reason, "only a ':' and a port may follow the ']'");
        }
        if (!parse_port(slice_skip(rest, 1), &host.port, out_reason)) {
            return false;
        }
    }
    *out_host = host;
    return true;
}

static bool parse_port(struct slice digits, int *out_port, struct config_reason *out_reason) {
    int port = digits.length > 0 ? 0 : -1;
    for (size_t i = 0; i < digits.length && port >= 0; i++) {
        bool is_digit = digits.data[i] >= '0' && digits.data[i] <= '9';
        port = is_digit ? port * 10 + (digits.data[i] - '0') : -1;
        port = port > UINT16_MAX ? -1 : port;
    }
    if (port < 0) {
        return config_reason_set(out_reason, "'%.*s' is not a port: expected 0 to 65535",
                                 SLICE_ARGS(config_reason_word(digits)));
    }
    *out_port = port;
    return true;
}

bool config_host_check(struct config_host host, struct config_reason *out_reason) {
    struct slice word = config_reason_word(host.name);
    if (host.is_bracketed) {
        return is_numeric(AF_INET6, host.name) ||
               config_reason_set(out_reason, "'%.*s' is not an IPv6 address", SLICE_ARGS(word));
    }
    if (!is_name(host.name)) {
        return config_reason_set(out_reason, "'%.*s' is not a host name", SLICE_ARGS(word));
    }
    bool is_number = true;
    for (size_t i = 0; i < host.name.length; i++) {
        char c = host.name.data[i];
        is_number = is_number && ((c >= '0' && c <= '9') || c == '.');
    }
    if (is_number && !is_numeric(AF_INET, host.name)) {
        return config_reason_set(out_reason, "'%.*s' is not an IPv4 address", SLICE_ARGS(word));
    }
    return true;
}

// Labels of letters, digits, '-' and '_'. Names in other scripts stand in their xn-- form.
static bool is_name(struct slice name) {
    bool is_after_dot = true;
    for (size_t i = 0; i < name.length; i++) {
        char c = slice_lower(name.data[i]);
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!is_letter && (c != '.' || is_after_dot)) {
            return false;
        }
        is_after_dot = c == '.';
    }
    return name.length > 0 && name.length <= NAME_BYTES && !is_after_dot;
}

static bool is_numeric(int family, struct slice name) {
    char copy[INET6_ADDRSTRLEN];
    uint8_t address[16];
    if (name.length >= sizeof(copy) || memchr(name.data, '\0', name.length) != NULL) {
        return false;
    }
    memcpy(copy, name.data, name.length);
    copy[name.length] = '\0';
    return inet_pton(family, copy, address) == 1;
}

void config_host_lower(char *text) {
    for (; *text != '\0'; text++) {
        *text = slice_lower(*text);
    }
}
