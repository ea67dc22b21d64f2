// SPDX-License-Identifier: Apache-2.0
// The settings of one generation: plain, immutable after config_load or config_from_flags. Built
// from the one table of options (proxy/config/config_options.c), which holds name, unit, default,
// range and meaning of each.
// Owner: the generation; freed by config_destroy. Thread: built on the main thread, read by all.
// Sizes are bytes, times are milliseconds. See also: config/config_yaml.h, config/router.h.
#ifndef OUTRIDER_CONFIG_CONFIG_H
#define OUTRIDER_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct arena;
struct config_node;

// Where a value stands in config->file, so that a later check can name it; line 0: a flag or a
// variable.
struct config_position {
    unsigned line;
    unsigned column;
};

struct config_certificate {
    char *certificate; // path of the PEM chain
    char *key;         // path of the PEM key
    struct config_position certificate_at;
    struct config_position key_at;
};

struct config_listener {
    char *host;    // numeric IPv4 or IPv6 without brackets ("localhost" became 127.0.0.1); "" any
    uint16_t port; // 0: the kernel chooses
    bool is_tls;
    struct config_certificate *certificates; // empty on a TLS listener: development certificate
    size_t certificate_count;
    struct config_position at; // of the address
};

enum config_origin_kind { CONFIG_ORIGIN_TCP, CONFIG_ORIGIN_UNIX };

struct config_origin {
    char *name;
    enum config_origin_kind kind;
    char *host; // TCP: name or numeric address without brackets
    uint16_t port;
    char *path;               // unix: socket path
    char *host_header;        // NULL: the client's authority is passed on
    uint32_t max_connections; // per process; divided by the number of workers, at least 1 each
    uint32_t max_idle;        // kept per process, likewise
    uint32_t max_waiting;     // calls that may wait for a connection, per process
    uint64_t idle_ms;         // how long an idle connection is kept
    uint64_t connect_ms;
    uint64_t first_byte_ms; // longest silence before the final head
    uint64_t between_bytes_ms;
    uint64_t total_ms; // 0: none
};

enum config_credentials {
    CONFIG_CREDENTIALS_NONE,
    CONFIG_CREDENTIALS_COOKIES,
    CONFIG_CREDENTIALS_ALL
};

// Who is pushed to, of those who may have it from an earlier visit (push/push_visitor.h).
enum config_visitors {
    CONFIG_VISITORS_OFF, // everybody
    CONFIG_VISITORS_FIRST_VISIT,
    CONFIG_VISITORS_DIGEST
};

struct config_push {
    bool is_on; // push: off
    uint32_t max_per_page;
    uint32_t max_open;     // open promises per connection
    uint32_t origin_share; // percent of an origin's connections that pushes may use
    enum config_credentials credentials;
    bool on_behind_proxy; // push although another proxy stands in front
    bool is_marked;       // add x-http2-push: pushed to pushed responses
    char **authorities;   // others that may be pushed, lower case, NULL-terminated; may be NULL
    size_t authority_count;
    enum config_visitors visitors;
    uint64_t short_life_ms; // first-visit: what lives no longer than this is pushed to everybody
    bool with_cache_digest; // believe the request's Cache-Digest
    bool revalidate;        // promise with If-None-Match what the client has, once it is stale
    char *event; // server-sent events of this name are promised from; "" none are looked at
};

struct config_declared { // one entry of a route's `push:` or `hint:` list
    // Origin form, perhaps with a query. Of a hint, it may be a whole Link element instead:
    // `<https://cdn.example>; rel=preconnect`.
    char *path;
    char *as; // "" when not given
};

struct config_hint {
    bool is_on;    // 103s made by outrider, and those of the origin
    bool to_all;   // not only to browsers' navigations
    bool on_http1; // HTTP/1.1 clients too
    char **fields; // of an origin's 103 that pass beside the usual; lower case, NULL-terminated
    size_t field_count;
};

struct config_learn {
    bool is_on;        // from the Link fields of responses
    bool by_behaviour; // from what browsers ask for
    bool with_query;   // the query is part of what tells pages apart
    bool with_private; // also from private and no-store responses, and those with Set-Cookie
};

struct config_learned { // the table of what was learned; each worker has one
    uint32_t pages;
    uint64_t page_bytes;
    char *file; // keeps it over a restart; NULL: none
    uint64_t save_ms;
};

struct config_digest {
    char *key_file; // its content signs the cookie; NULL: a key of this process
    char *cookie;   // its name
};

struct config_route {
    char *host;      // "" any; "example.org"; "*.example.org" (one or more labels)
    char *path;      // prefix that ends at a segment border, without a last '/'; "/" for all
    uint32_t origin; // index into origins
    struct config_push push;
    struct config_declared *declared_push;
    size_t declared_push_count;
    struct config_hint hint;
    struct config_declared *declared_hint;
    size_t declared_hint_count;
    struct config_learn learn;
};

struct config_limits {
    uint64_t head_bytes;  // request head: sum of name + value + 32
    uint32_t head_fields; // without cookie crumbs
    uint64_t field_bytes; // one field
    uint32_t cookie_crumbs;
    uint64_t cookie_bytes; // joined
    uint64_t uri_bytes;
    uint64_t body_bytes; // 0: no limit
    uint64_t response_head_bytes;
    uint32_t response_head_fields;
    uint32_t interim_responses; // per response
    uint64_t interim_bytes;
    uint32_t streams;       // SETTINGS_MAX_CONCURRENT_STREAMS
    uint32_t connections;   // client connections per process
    uint32_t address_share; // percent of them that one client address may have
    uint64_t memory_bytes;  // of the process; 0: what the control group allows
};

struct config_timeouts {
    uint64_t handshake_ms;
    uint64_t head_ms;  // for a request head, from its first byte or the start of the connection
    uint64_t body_ms;  // for each KiB of a request body to come
    uint64_t idle_ms;  // client connection without an exchange
    uint64_t write_ms; // longest time without progress while writing to a client
    uint64_t drain_delay_ms; // accepting goes on although /ready says no
    uint64_t drain_ms;
    // What an origin has when it does not say otherwise; users read struct config_origin.
    uint64_t origin_connect_ms;
    uint64_t origin_first_byte_ms;
    uint64_t origin_between_bytes_ms;
    uint64_t origin_total_ms;
    uint64_t origin_idle_ms;
};

enum config_log_format { CONFIG_LOG_JSON, CONFIG_LOG_TEXT };
enum config_log_level {
    CONFIG_LEVEL_ERROR,
    CONFIG_LEVEL_WARN,
    CONFIG_LEVEL_INFO,
    CONFIG_LEVEL_DEBUG
};

enum config_redact { // of the access log's lines
    CONFIG_REDACT_AUTHORITY,
    CONFIG_REDACT_CLIENT,
    CONFIG_REDACT_PATH,
    CONFIG_REDACT_QUERY
};

struct config_log {
    char *access; // "stdout", "off" or a path
    struct config_position access_at;
    enum config_log_format format; // of the access log
    uint32_t sample;               // one in so many exchanges that went well has a line
    enum config_redact *redact;    // parts that are not to be read there
    size_t redact_count;
    char **fields; // of the request, that have a place there; lower case
    size_t field_count;
    char *request_id;                    // field that names a request; lower case, "" none
    enum config_log_level level;         // of the error log, which goes to stderr
    enum config_log_format error_format; // likewise
};

struct config_endpoint { // all empty: off
    char *host;          // numeric, without brackets; "" any
    uint16_t port;       // 0: the kernel chooses
    char *path;          // of a unix socket
};

struct config_admin {
    struct config_endpoint listen; // everything; what changes something, to this machine alone
    struct config_endpoint probes; // /live, /ready and /metrics alone
    struct config_position listen_at;
    struct config_position probes_at;
};

struct config_hardening {
    bool refuses_system_calls; // that a proxy never needs
    bool may_dump_core;
};

struct config_network {  // a CIDR
    uint8_t address[16]; // IPv4 is mapped (::ffff:a.b.c.d)
    uint8_t bits;        // of the 128
};

struct config {
    char *file; // the name in errors; "" when the configuration came from flags
    struct config_listener *listeners;
    size_t listener_count;
    struct config_origin *origins;
    size_t origin_count;
    struct config_route *routes;
    size_t route_count;
    struct config_limits limits;
    struct config_timeouts timeouts;
    struct config_log log;
    struct config_admin admin;
    struct config_hardening hardening; // at the start alone
    struct config_network *trusted;    // proxies whose X-Forwarded-* and Forwarded are believed
    size_t trusted_count;
    bool trusted_any; // the operator agrees that `trusted` may hold everybody
    // What a route has when it does not say otherwise; read the route's.
    struct config_push push;
    struct config_hint hint;
    struct config_learn learn;
    struct config_learned learned;
    struct config_digest digest;
    uint32_t workers; // 0: one per core
    // What was written, by file, variables and flags; config_print says from it where each value
    // came from. NULL when nothing was.
    struct arena *arena;
    const struct config_node *written; // lives in it
};

// Every mistake in one go. line 0 means the file as a whole, or, when file is "", the flag or
// variable that `key` then names.
struct config_error {
    char *file;
    unsigned line;
    unsigned column;
    char *key;  // "origins.app.url", may be ""
    char *text; // one sentence, with a suggestion where one fits
};

struct config_errors {
    struct config_error *rows;
    size_t count;
};

// The defaults of every scalar, with no listener, origin or route.
struct config *config_create_default(void);
void config_destroy(struct config *config); // NULL is fine

void config_errors_add(struct config_errors *errors, const char *file, unsigned line,
                       unsigned column, const char *key, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
// One line each: `file:line:column: key: text`, `file: text`, `--flag: text`, `VARIABLE: text`.
void config_errors_print(const struct config_errors *errors, FILE *out);
char *
config_errors_text(const struct config_errors *errors); // without the last newline; caller frees
void config_errors_finish(struct config_errors *errors);

// What the command line may say instead of a file (README, "command line").
struct config_flags {
    const char *origin; // NULL when not given
    const char *const *listen;
    size_t listen_count; // 0: https://127.0.0.1:8443
    const char *certificate;
    const char *key;
    const char *workers;
    const char *origin_timeout;
    // What the flags leave open: "NAME=value", ends with NULL; NULL is an empty environment.
    const char *const *environment;
};

// A complete configuration from flags and environment, or NULL with errors. Caller destroys it.
struct config *config_from_flags(const struct config_flags *flags, struct config_errors *errors);

// Single words of the command line, as they would stand in the file. False with a reason.
bool config_parse_endpoint(const char *text, struct config_endpoint *out_endpoint, char *out_reason,
                           size_t size);
void config_endpoint_free(struct config_endpoint *endpoint);
bool config_parse_time(const char *text, uint64_t most_ms, uint64_t *out_ms, char *out_reason,
                       size_t size);

// The configuration in force as YAML; loading it again gives the same configuration. Behind each
// value, as a comment, where it came from.
void config_print(const struct config *config, FILE *out);

// Did the operator say anything about this section of the whole, or is it all defaults?
bool config_is_written(const struct config *config, const char *section);

// True when the address (16 bytes, IPv4 mapped) is in `trusted`.
bool config_is_trusted(const struct config *config, const uint8_t address[16]);

#endif
