// SPDX-License-Identifier: Apache-2.0
#include "config_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "config/config.h"
#include "config_host.h"
#include "http/headers.h"
#include "http/link_header.h"

enum { MAPPED_BITS = 96 }; // of ::ffff:0:0/96, where IPv4 addresses live

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static bool take_scheme(struct slice *text, struct slice scheme);
static bool parse_socket_path(struct slice path, struct config_origin *origin,
                              struct config_reason *out_reason);
static bool parse_address(struct slice text, uint8_t out_address[16], bool *out_is_v4);
static bool has_bits_beyond(const uint8_t address[16], unsigned bits);
static bool check_link(struct slice text, struct config_reason *out_reason);
static bool check_relation(const struct link_header *link, struct config_reason *out_reason);
static bool has_bad_byte(struct slice text);
static bool is_none(const struct config_option *option, struct slice text, char **member);
static char *format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

// --- listening addresses ------------------------------------------------------------------------

bool config_address_parse_listener(const struct config_option *option, struct slice text,
                                   void *member, struct config_reason *out_reason) {
    (void)option;
    struct config_listener *listener = member;
    struct slice rest = text;
    bool is_tls = !take_scheme(&rest, SLICE("http://"));
    if (is_tls) {
        take_scheme(&rest, SLICE("https://"));
    }
    if (rest.length > 0 && rest.data[rest.length - 1] == '/') {
        rest.length--;
    }
    struct config_host host;
    if (!config_host_split(rest, &host, out_reason)) {
        return false;
    }
    if (host.port < 0) {
        return config_reason_set(out_reason,
                                 "needs a port, such as https://0.0.0.0:8443, not '%.*s'",
                                 SLICE_ARGS(config_reason_word(text)));
    }
    uint8_t address[16];
    bool is_v4;
    if (slice_equal(host.name, SLICE("*"))) {
        host.name = SLICE_EMPTY;
    } else if (slice_equal_nocase(host.name, SLICE("localhost"))) {
        host.name = SLICE("127.0.0.1");
    } else if (host.name.length > 0 && !parse_address(host.name, address, &is_v4)) {
        return config_reason_set(out_reason,
                                 "'%.*s' is not a numeric address: expected such as "
                                 "https://0.0.0.0:8443 or http://[::1]:8080",
                                 SLICE_ARGS(config_reason_word(host.name)));
    }
    config_value_set_text(&listener->host, host.name);
    listener->port = (uint16_t)host.port;
    listener->is_tls = is_tls;
    return true;
}

static bool take_scheme(struct slice *text, struct slice scheme) {
    if (!slice_equal_nocase(slice_first(*text, scheme.length), scheme)) {
        return false;
    }
    *text = slice_skip(*text, scheme.length);
    return true;
}

char *config_address_format_listener(const struct config_option *option, const void *member) {
    (void)option;
    const struct config_listener *listener = member;
    bool is_v6 = strchr(listener->host, ':') != NULL;
    return format("http%s://%s%s%s:%u", listener->is_tls ? "s" : "", is_v6 ? "[" : "",
                  listener->host[0] != '\0' ? listener->host : "*", is_v6 ? "]" : "",
                  listener->port);
}

void config_address_finish_listener(void *member) {
    struct config_listener *listener = member;
    free(listener->host);
    listener->host = NULL;
}

// --- origins ------------------------------------------------------------------------------------

bool config_address_parse_origin(const struct config_option *option, struct slice text,
                                 void *member, struct config_reason *out_reason) {
    (void)option;
    struct config_origin *origin = member;
    struct slice rest = text;
    if (take_scheme(&rest, SLICE("unix:"))) {
        return parse_socket_path(rest, origin, out_reason);
    }
    if (take_scheme(&rest, SLICE("https://"))) {
        return config_reason_set(out_reason, "TLS to an origin is not supported yet: use http://");
    }
    bool has_scheme = take_scheme(&rest, SLICE("http://"));
    if (rest.length > 0 && rest.data[rest.length - 1] == '/') {
        rest.length--;
    }
    if (slice_find(rest, '/') < rest.length || slice_find(rest, '@') < rest.length ||
        slice_find(rest, '?') < rest.length || slice_find(rest, '#') < rest.length) {
        return config_reason_set(out_reason,
                                 "expected http://HOST:PORT or unix:/PATH and nothing "
                                 "behind, not '%.*s'",
                                 SLICE_ARGS(config_reason_word(text)));
    }
    struct config_host host;
    if (!config_host_split(rest, &host, out_reason) || !config_host_check(host, out_reason)) {
        return false;
    }
    if (host.port == 0 || (host.port < 0 && !has_scheme)) {
        return config_reason_set(out_reason, "needs a port, such as http://127.0.0.1:3000");
    }
    origin->kind = CONFIG_ORIGIN_TCP;
    config_value_set_text(&origin->host, host.name);
    config_host_lower(origin->host);
    origin->port = host.port < 0 ? 80 : (uint16_t)host.port;
    return true;
}

static bool parse_socket_path(struct slice path, struct config_origin *origin,
                              struct config_reason *out_reason) {
    if (slice_starts_with(path, SLICE("///"))) {
        path = slice_skip(path, 2); // unix:///run/app.sock
    }
    if (path.length == 0 || path.data[0] != '/') {
        return config_reason_set(out_reason, "the path of a socket begins with '/', such as "
                                             "unix:/run/app.sock");
    }
    if (path.length >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        return config_reason_set(out_reason, "the path of a socket has at most 107 bytes");
    }
    origin->kind = CONFIG_ORIGIN_UNIX;
    config_value_set_text(&origin->path, path);
    return true;
}

char *config_address_format_origin(const struct config_option *option, const void *member) {
    (void)option;
    const struct config_origin *origin = member;
    if (origin->kind == CONFIG_ORIGIN_UNIX) {
        return format("unix:%s", origin->path);
    }
    if (strchr(origin->host, ':') != NULL) {
        return format("http://[%s]:%u", origin->host, origin->port);
    }
    return format("http://%s:%u", origin->host, origin->port);
}

void config_address_finish_origin(void *member) {
    struct config_origin *origin = member;
    free(origin->host);
    free(origin->path);
    origin->host = origin->path = NULL;
}

// --- networks -----------------------------------------------------------------------------------

bool config_address_parse_network(const struct config_option *option, struct slice text,
                                  void *member, struct config_reason *out_reason) {
    (void)option;
    struct config_network network = {.bits = 128};
    size_t slash = slice_find(text, '/');
    struct slice digits = slice_skip(text, slash + 1);
    bool is_v4;
    if (!parse_address(slice_first(text, slash), network.address, &is_v4)) {
        return config_reason_set(out_reason,
                                 "expected a network such as 10.0.0.0/8 or fd00::/8, not '%.*s'",
                                 SLICE_ARGS(config_reason_word(text)));
    }
    if (slash < text.length) {
        unsigned most = is_v4 ? 32 : 128;
        unsigned bits = 0;
        for (size_t i = 0; i < digits.length && bits <= most; i++) {
            bool is_digit = digits.data[i] >= '0' && digits.data[i] <= '9';
            bits = is_digit ? bits * 10 + (unsigned)(digits.data[i] - '0') : most + 1;
        }
        if (digits.length == 0 || bits > most) {
            return config_reason_set(out_reason, "a prefix of 0 to %u bits must follow the '/'",
                                     most);
        }
        network.bits = (uint8_t)(bits + (is_v4 ? MAPPED_BITS : 0));
    }
    if (has_bits_beyond(network.address, network.bits)) {
        return config_reason_set(out_reason, "'%.*s' has bits beyond its prefix",
                                 SLICE_ARGS(config_reason_word(text)));
    }
    *(struct config_network *)member = network;
    return true;
}

// IPv4 is mapped into IPv6.
static bool parse_address(struct slice text, uint8_t out_address[16], bool *out_is_v4) {
    char copy[INET6_ADDRSTRLEN];
    if (text.length >= sizeof(copy) || memchr(text.data, '\0', text.length) != NULL) {
        return false;
    }
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    *out_is_v4 = inet_pton(AF_INET, copy, out_address + sizeof(mapped_prefix)) == 1;
    if (*out_is_v4) {
        memcpy(out_address, mapped_prefix, sizeof(mapped_prefix));
        return true;
    }
    return inet_pton(AF_INET6, copy, out_address) == 1;
}

static bool has_bits_beyond(const uint8_t address[16], unsigned bits) {
    for (unsigned i = bits; i < 128; i++) {
        if ((address[i / 8] >> (7 - i % 8) & 1) != 0) {
            return true;
        }
    }
    return false;
}

char *config_address_format_network(const struct config_option *option, const void *member) {
    (void)option;
    const struct config_network *network = member;
    bool is_v4 = network->bits >= MAPPED_BITS &&
                 memcmp(network->address, mapped_prefix, sizeof(mapped_prefix)) == 0;
    const uint8_t *bytes = network->address + (is_v4 ? sizeof(mapped_prefix) : 0);
    char text[INET6_ADDRSTRLEN];
    inet_ntop(is_v4 ? AF_INET : AF_INET6, bytes, text, sizeof(text));
    return format("%s/%u", text, network->bits - (is_v4 ? (unsigned)MAPPED_BITS : 0));
}

// --- hosts --------------------------------------------------------------------------------------

bool config_address_parse_host(const struct config_option *option, struct slice text, void *member,
                               struct config_reason *out_reason) {
    (void)option;
    if (text.length == 0 || slice_equal(text, SLICE("*"))) {
        config_value_set_text(member, SLICE_EMPTY);
        return true;
    }
    struct slice rest = slice_skip(text, slice_starts_with(text, SLICE("*.")) ? 2 : 0);
    struct config_host host;
    if (!config_host_split(rest, &host, out_reason) || !config_host_check(host, out_reason)) {
        return false;
    }
    if (host.port >= 0) {
        return config_reason_set(out_reason, "the host of a route stands without a port");
    }
    config_value_set_text(member, text);
    config_host_lower(*(char **)member);
    return true;
}

char *config_address_format_host(const struct config_option *option, const void *member) {
    (void)option;
    const char *host = *(char *const *)member;
    return host == NULL ? NULL : alloc_text(host[0] != '\0' ? host : "*");
}

bool config_address_parse_site(const struct config_option *option, struct slice text, void *member,
                               struct config_reason *out_reason) {
    (void)option;
    struct config_host host;
    if (slice_find(text, '/') < text.length) {
        return config_reason_set(out_reason, "expected HOST or HOST:PORT, not '%.*s'",
                                 SLICE_ARGS(config_reason_word(text)));
    }
    if (!config_host_split(text, &host, out_reason) || !config_host_check(host, out_reason)) {
        return false;
    }
    if (host.port == 0) {
        return config_reason_set(out_reason, "a port is 1 to 65535");
    }
    config_value_set_text(member, text);
    config_host_lower(*(char **)member);
    return true;
}

// --- paths --------------------------------------------------------------------------------------

bool config_address_parse_prefix(const struct config_option *option, struct slice text,
                                 void *member, struct config_reason *out_reason) {
    (void)option;
    if (text.length == 0 || text.data[0] != '/' || has_bad_byte(text)) {
        return config_reason_set(out_reason, "expected a path such as /app, not '%.*s'",
                                 SLICE_ARGS(config_reason_word(text)));
    }
    if (memchr(text.data, '?', text.length) != NULL ||
        memchr(text.data, '*', text.length) != NULL) {
        return config_reason_set(out_reason, "is a prefix without '*' and '?': /app takes all "
                                             "below /app");
    }
    if (text.length > 1 && text.data[text.length - 1] == '/') {
        text.length--; // /app/ and /app are one
    }
    for (struct slice rest = slice_skip(text, 1); text.length > 1;) {
        size_t end = slice_find(rest, '/');
        struct slice segment = slice_first(rest, end);
        if (segment.length == 0 || slice_equal(segment, SLICE(".")) ||
            slice_equal(segment, SLICE(".."))) {
            return config_reason_set(out_reason, "must not have empty, '.' or '..' segments");
        }
        if (end == rest.length) {
            break;
        }
        rest = slice_skip(rest, end + 1);
    }
    config_value_set_text(member, text);
    return true;
}

bool config_address_parse_path(const struct config_option *option, struct slice text, void *member,
                               struct config_reason *out_reason) {
    (void)option;
    if (text.length == 0 || text.data[0] != '/' || slice_starts_with(text, SLICE("//")) ||
        has_bad_byte(text)) {
        return config_reason_set(out_reason,
                                 "expected a path of this site such as /style.css, "
                                 "not '%.*s'",
                                 SLICE_ARGS(config_reason_word(text)));
    }
    config_value_set_text(member, text);
    return true;
}

// Such a path, or `<URL>; rel=preload; ...` as it stands in a Link field.
bool config_address_parse_link(const struct config_option *option, struct slice text, void *member,
                               struct config_reason *out_reason) {
    text = slice_trim(text);
    if (!slice_starts_with(text, SLICE("<"))) {
        return config_address_parse_path(option, text, member, out_reason);
    }
    if (!check_link(text, out_reason)) {
        return false;
    }
    config_value_set_text(member, text);
    return true;
}

static bool check_link(struct slice text, struct config_reason *out_reason) {
    struct slice word = config_reason_word(text);
    struct link_reader reader = {0};
    struct link_header link;
    struct link_header more;
    link_reader_start(&reader, text);
    bool is_good =
        link_reader_next(&reader, &link) && reader.elements == 1 && headers_is_value(text);
    if (is_good && (link_reader_next(&reader, &more) || reader.elements > 1)) {
        return config_reason_set(out_reason, "has more than one element: write each as an entry "
                                             "of its own");
    }
    // An element that ends before the text does has a comma behind it.
    if (!is_good || link.element.length < text.length) {
        return config_reason_set(out_reason,
                                 "expected a Link element such as "
                                 "<https://cdn.example>; rel=preconnect, not '%.*s'",
                                 SLICE_ARGS(word));
    }
    struct slice fragment = slice_skip(link.target, slice_find(link.target, '#') + 1);
    struct slice url = slice_first(link.target, slice_find(link.target, '#'));
    if (url.length == 0 || has_bad_byte(url) || has_bad_byte(fragment)) {
        return config_reason_set(out_reason, "'%.*s' is not the URL of a resource",
                                 SLICE_ARGS(config_reason_word(link.target)));
    }
    return check_relation(&link, out_reason);
}

static bool check_relation(const struct link_header *link, struct config_reason *out_reason) {
    if (!link->is_preload && !link->is_modulepreload && !link->is_preconnect) {
        return config_reason_set(out_reason,
                                 "a hint needs rel=preload, rel=modulepreload or rel=preconnect");
    }
    if (link->is_push_only) {
        return config_reason_set(out_reason, "x-http2-push-only is for pushes: it is no hint");
    }
    if (link->anchor.length > 0 || link->is_conditional) {
        return config_reason_set(out_reason, "a hint speaks of the page itself: leave %s out",
                                 link->anchor.length > 0 ? "anchor" : "loadpolicy");
    }
    return true;
}

// What must not stand in a request target (RFC 3986 section 3.3), and '#'.
static bool has_bad_byte(struct slice text) {
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte <= ' ' || byte > 0x7e || strchr("#\\\"<>^`{|}", byte) != NULL) {
            return true;
        }
    }
    return false;
}

bool config_address_parse_file(const struct config_option *option, struct slice text, void *member,
                               struct config_reason *out_reason) {
    if (is_none(option, text, member)) {
        return true;
    }
    if (text.length == 0) {
        return config_reason_set(out_reason, "expected the path of a file");
    }
    config_value_set_text(member, text);
    return true;
}

// `off` or `no` would make a file of that name, so a path has a '/'.
bool config_address_parse_state(const struct config_option *option, struct slice text, void *member,
                                struct config_reason *out_reason) {
    if (is_none(option, text, member)) {
        return true;
    }
    if (slice_find(text, '/') == text.length) {
        return config_reason_set(out_reason, "expected none or a path with a '/' in it, not '%.*s'",
                                 SLICE_ARGS(config_reason_word(text)));
    }
    config_value_set_text(member, text);
    return true;
}

static bool is_none(const struct config_option *option, struct slice text, char **member) {
    if (option->zero == NULL || !slice_equal_nocase(text, slice_of_text(option->zero))) {
        return false;
    }
    free(*member);
    *member = NULL;
    return true;
}

bool config_address_parse_target(const struct config_option *option, struct slice text,
                                 void *member, struct config_reason *out_reason) {
    (void)option;
    bool is_word = slice_equal(text, SLICE("stdout")) || slice_equal(text, SLICE("off"));
    if (!is_word && slice_find(text, '/') == text.length) {
        return config_reason_set(out_reason,
                                 "expected stdout, off or a path with a '/' in it, not '%.*s'",
                                 SLICE_ARGS(config_reason_word(text)));
    }
    config_value_set_text(member, text);
    return true;
}

static char *format(const char *pattern, ...) {
    va_list arguments;
    va_start(arguments, pattern);
    char *text = NULL;
    if (vasprintf(&text, pattern, arguments) < 0) {
        alloc_fail(0);
    }
    va_end(arguments);
    return text;
}
