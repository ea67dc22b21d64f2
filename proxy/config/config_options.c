// SPDX-License-Identifier: Apache-2.0
#include "config/config_options.h"

#include "config/config.h"

#define KIB 1024
#define MIB (1024 * KIB)
#define GIB (1024ULL * MIB)
#define SECOND 1000
#define HOUR (3600 * SECOND)
#define DAY (24ULL * HOUR)

// The cells of a row behind name and meaning.
#define COUNT(text, least, most) NUMBER(CONFIG_COUNT, text, least, most)
#define SIZE(text, least, most) NUMBER(CONFIG_SIZE, text, least, most)
#define TIME(text, least, most) NUMBER(CONFIG_TIME, text, least, most)
#define TIME_FROM(path, least, most)                                                               \
    .kind = CONFIG_TIME, .inherits = (path), .min = (least), .max = (most)
#define NUMBER(its_kind, text, least, most)                                                        \
    .kind = (its_kind), .initial = (text), .min = (least), .max = (most)
#define SWITCH(text) .kind = CONFIG_SWITCH, .initial = (text)
#define WORD(text, list) .kind = CONFIG_WORD, .initial = (text), .words = (list)
#define SECTION(rows) .kind = CONFIG_SECTION, .section = (rows)
#define LIST(rows) .kind = CONFIG_LIST, .section = (rows)
#define VALUES(row) .kind = CONFIG_LIST, .item = (row)
#define MAP(rows) .kind = CONFIG_MAP, .section = (rows)
#define REQUIRED .is_required = true
#define AT(type, member) .offset = offsetof(struct type, member)
#define LIST_AT(type, member, number)                                                              \
    .offset = offsetof(struct type, member), .count_offset = offsetof(struct type, number),        \
    .item_size = sizeof(*((struct type *)0)->member)

#define ROWS(number, rows)                                                                         \
    { .id = (number), .options = (rows), .count = LENGTH(rows) }
#define LENGTH(rows) (sizeof(rows) / sizeof((rows)[0]))

static const char *const format_words[] = {"json", "text", NULL};
static const char *const redact_words[] = {"authority", "client", "path", "query", NULL};
static const char *const level_words[] = {"error", "warn", "info", "debug", NULL};
static const char *const credentials_words[] = {"none", "cookies", "all", NULL};
static const char *const visitors_words[] = {"off", "first-visit", "digest", NULL};
static const char *const clients_words[] = {"navigations", "all", NULL};
// The destinations of the Fetch standard that a preload may name.
static const char *const as_words[] = {
    "audio",        "audioworklet", "document", "embed",         "fetch",        "font",
    "frame",        "iframe",       "image",    "json",          "manifest",     "object",
    "paintworklet", "report",       "script",   "serviceworker", "sharedworker", "style",
    "track",        "video",        "worker",   "xslt",          NULL,
};

// --- listeners ----------------------------------------------------------------------------------

static const struct config_option certificate_options[] = {
    {"certificate", "PEM file with the certificate, then its chain", .kind = CONFIG_FILE,
     AT(config_certificate, certificate), REQUIRED,
     .at_offset = offsetof(struct config_certificate, certificate_at)},
    {"key", "PEM file with the private key of that certificate", .kind = CONFIG_FILE,
     AT(config_certificate, key), REQUIRED,
     .at_offset = offsetof(struct config_certificate, key_at)},
};
static const struct config_section certificate_section =
    ROWS(CONFIG_SECTION_CERTIFICATE, certificate_options);

static const struct config_option listener_options[] = {
    {"address",
     "https://ADDR:PORT, http://ADDR:PORT (cleartext) or ADDR:PORT (TLS); * is any address",
     .kind = CONFIG_ADDRESS, REQUIRED, .at_offset = offsetof(struct config_listener, at)},
    {"tls", "one certificate or a list, chosen by SNI; without it one for localhost is made",
     LIST(&certificate_section), LIST_AT(config_listener, certificates, certificate_count),
     .may_be_single = true, .min = 1, .max = 1000},
};
static const struct config_section listener_section =
    ROWS(CONFIG_SECTION_LISTENER, listener_options);

// --- origins ------------------------------------------------------------------------------------

static const struct config_option origin_options[] = {
    {"url", "http://HOST:PORT or unix:/PATH", .kind = CONFIG_URL, REQUIRED},
    {"host_header", "sent as Host; by default the host that the client asked for",
     .kind = CONFIG_SITE, AT(config_origin, host_header)},
    {"max_connections", "connections to this origin, all workers together",
     COUNT("1024", 1, 1000000), AT(config_origin, max_connections)},
    {"max_idle", "of these, kept open while idle", COUNT("1024", 1, 1000000),
     AT(config_origin, max_idle)},
    {"max_waiting", "requests that may wait for a connection; more get 503",
     COUNT("1024", 1, 1000000), AT(config_origin, max_waiting)},
    {"connect_timeout", "for connecting, name resolution included",
     TIME_FROM("timeouts.origin_connect", 1, HOUR), AT(config_origin, connect_ms)},
    {"first_byte_timeout", "longest silence before the head of the response; then 504",
     TIME_FROM("timeouts.origin_first_byte", 1, DAY), AT(config_origin, first_byte_ms)},
    {"between_bytes_timeout", "longest silence inside a response; then it is cut off",
     TIME_FROM("timeouts.origin_between_bytes", 1, DAY), AT(config_origin, between_bytes_ms)},
    {"total_timeout", "for a whole request and response, or none",
     TIME_FROM("timeouts.origin_total", 1, 30 * DAY), AT(config_origin, total_ms), .zero = "none"},
    {"idle_timeout",
     "an idle connection is kept this long; stay below the origin's own keep-alive time",
     TIME_FROM("timeouts.origin_idle", 1, DAY), AT(config_origin, idle_ms)},
};
static const struct config_section origin_section = ROWS(CONFIG_SECTION_ORIGIN, origin_options);

// --- push ---------------------------------------------------------------------------------------

static const struct config_option authority_item = {"authorities", NULL, .kind = CONFIG_SITE};

static const struct config_option push_options[] = {
    {"enabled", "push at all; `push: off` is the short form", SWITCH("on"), AT(config_push, is_on)},
    {"max_per_page", "promises for one page", COUNT("32", 1, 1000), AT(config_push, max_per_page)},
    {"max_open", "promises under way on one client connection", COUNT("32", 1, 1000),
     AT(config_push, max_open)},
    {"origin_share", "percent of an origin's connections that pushes may use", COUNT("25", 1, 100),
     AT(config_push, origin_share)},
    {"credentials",
     "none, cookies or all (and Authorization): what of the page's request a promise repeats",
     WORD("none", credentials_words), AT(config_push, credentials)},
    {"behind_proxy", "push although the request came through another proxy that is not trusted",
     SWITCH("off"), AT(config_push, on_behind_proxy)},
    {"mark", "add `x-http2-push: pushed` to pushed responses", SWITCH("off"),
     AT(config_push, is_marked)},
    {"authorities", "other hosts that may be pushed: routed here, and named by the certificate",
     VALUES(&authority_item), LIST_AT(config_push, authorities, authority_count),
     .may_be_single = true, .max = 256},
    {"visitors",
     "off: push to everybody; first-visit or digest: not what earlier visits left with the client",
     WORD("off", visitors_words), AT(config_push, visitors)},
    {"short_life", "first-visit: what caches keep no longer than this is pushed to everybody",
     TIME("10m", 0, 30 * DAY), AT(config_push, short_life_ms)},
    {"cache_digest", "believe what a request's Cache-Digest says", SWITCH("off"),
     AT(config_push, with_cache_digest)},
    {"revalidate", "promise what is stale at the client with If-None-Match", SWITCH("off"),
     AT(config_push, revalidate)},
    {"event", "promise what server-sent events of this name list, such as preload; or off",
     .kind = CONFIG_EVENT, .initial = "off", AT(config_push, event)},
};
static const struct config_section push_section = ROWS(CONFIG_SECTION_PUSH, push_options);

static const struct config_option declared_options[] = {
    {"path", "what to push, with its query if it has one", .kind = CONFIG_PATH,
     AT(config_declared, path), REQUIRED},
    {"as", "style, script, font, image, ...: decides the accept header and the priority",
     .kind = CONFIG_NAME, .initial = "", .words = as_words, AT(config_declared, as)},
};
static const struct config_section declared_section =
    ROWS(CONFIG_SECTION_DECLARED, declared_options);

// --- hints --------------------------------------------------------------------------------------

static const struct config_option field_item = {"fields", NULL, .kind = CONFIG_FIELD};

static const struct config_option hint_options[] = {
    {"enabled", "send 103 Early Hints at all; `hint: off` is the short form", SWITCH("on"),
     AT(config_hint, is_on)},
    {"clients", "navigations (of browsers, known by Sec-Fetch-*) or all", .kind = CONFIG_EITHER,
     .initial = "navigations", .words = clients_words, AT(config_hint, to_all)},
    {"http1", "also to HTTP/1.1 clients", SWITCH("off"), AT(config_hint, on_http1)},
    {"fields", "of an origin's 103, beside Link, Content-Security-Policy and Referrer-Policy",
     VALUES(&field_item), LIST_AT(config_hint, fields, field_count), .may_be_single = true,
     .max = 256},
};
static const struct config_section hint_section = ROWS(CONFIG_SECTION_HINT, hint_options);

static const struct config_option declared_hint_options[] = {
    {"path", "what to hint: a path, or a whole Link element: <https://cdn.example>; rel=preconnect",
     .kind = CONFIG_LINK, AT(config_declared, path), REQUIRED},
    {"as", "style, script, font, image, ...: what browsers need to know; of a path only",
     .kind = CONFIG_NAME, .initial = "", .words = as_words, AT(config_declared, as)},
};
static const struct config_section declared_hint_section =
    ROWS(CONFIG_SECTION_DECLARED_HINT, declared_hint_options);

// --- what is learned ----------------------------------------------------------------------------

static const struct config_option learn_options[] = {
    {"enabled", "learn from the Link fields of responses; `learn: off` is the short form",
     SWITCH("on"), AT(config_learn, is_on)},
    {"behaviour", "learn also from what browsers ask for after a page", SWITCH("off"),
     AT(config_learn, by_behaviour)},
    {"query", "pages that differ in their query alone are different pages", SWITCH("off"),
     AT(config_learn, with_query)},
    {"private", "learn also from private and no-store responses, and those with Set-Cookie",
     SWITCH("off"), AT(config_learn, with_private)},
};
static const struct config_section learn_section = ROWS(CONFIG_SECTION_LEARN, learn_options);

static const struct config_option learned_options[] = {
    {"pages", "pages that are remembered, by each worker", COUNT("1024", 1, 1000000),
     AT(config_learned, pages)},
    {"page", "the most to remember of one page", SIZE("2KiB", 256, 32 * KIB),
     AT(config_learned, page_bytes)},
    {"file", "keeps what was learned over a restart; a path with a '/', or none",
     .kind = CONFIG_STATE, .initial = "none", AT(config_learned, file), .zero = "none"},
    {"save", "how often that file is written, besides at the end", TIME("5m", 1 * SECOND, DAY),
     AT(config_learned, save_ms)},
};
static const struct config_section learned_section = ROWS(CONFIG_SECTION_LEARNED, learned_options);

static const struct config_option digest_options[] = {
    {"key_file", "its content signs the cookie, the same on all machines; none: a key per start",
     .kind = CONFIG_FILE, .initial = "none", AT(config_digest, key_file), .zero = "none"},
    {"cookie", "its name", .kind = CONFIG_COOKIE, .initial = "outrider-digest",
     AT(config_digest, cookie)},
};
static const struct config_section digest_section = ROWS(CONFIG_SECTION_DIGEST, digest_options);

// --- routes -------------------------------------------------------------------------------------

static const struct config_option route_push_options[] = {
    {"declared", "pushed with every page of the route, promised before the origin answers",
     LIST(&declared_section), LIST_AT(config_route, declared_push, declared_push_count),
     .may_be_single = true, .max = 1000, .bare = "path"},
};
static const struct config_section route_push_section = {
    .id = CONFIG_SECTION_ROUTE_PUSH,
    .options = route_push_options,
    .count = LENGTH(route_push_options),
    .rest = &push_section,
    .rest_offset = offsetof(struct config_route, push),
    .rest_source = offsetof(struct config, push),
};

static const struct config_option route_hint_options[] = {
    {"declared", "hinted with every page of the route, before the origin answers",
     LIST(&declared_hint_section), LIST_AT(config_route, declared_hint, declared_hint_count),
     .may_be_single = true, .max = 256, .bare = "path"},
};
static const struct config_section route_hint_section = {
    .id = CONFIG_SECTION_ROUTE_HINT,
    .options = route_hint_options,
    .count = LENGTH(route_hint_options),
    .rest = &hint_section,
    .rest_offset = offsetof(struct config_route, hint),
    .rest_source = offsetof(struct config, hint),
};

static const struct config_section route_learn_section = {
    .id = CONFIG_SECTION_ROUTE_LEARN,
    .rest = &learn_section,
    .rest_offset = offsetof(struct config_route, learn),
    .rest_source = offsetof(struct config, learn),
};

static const struct config_option route_options[] = {
    {"host", "example.org, *.example.org (one or more labels) or * for any; without port",
     .kind = CONFIG_HOST, .initial = "*", AT(config_route, host)},
    {"path", "prefix of whole segments: /app takes /app and /app/x, not /apple",
     .kind = CONFIG_PREFIX, .initial = "/", AT(config_route, path)},
    {"origin", "name of the origin that answers", .kind = CONFIG_ORIGIN, AT(config_route, origin),
     REQUIRED},
    {"push", "on, off, a list of paths to push, or the options of push below",
     SECTION(&route_push_section), .bare = "enabled", .bare_list = "declared"},
    {"hint", "on, off, a list of paths and Link elements to hint, or the options of hint below",
     SECTION(&route_hint_section), .bare = "enabled", .bare_list = "declared"},
    {"learn", "on, off, or the options of learn below", SECTION(&route_learn_section),
     .bare = "enabled"},
};
static const struct config_section route_section = ROWS(CONFIG_SECTION_ROUTE, route_options);

// --- limits, timeouts, log ----------------------------------------------------------------------

static const struct config_option limits_options[] = {
    {"head", "request head: names, values and 32 bytes a field; then 431",
     SIZE("64KiB", 1 * KIB, 1 * MIB), AT(config_limits, head_bytes)},
    {"head_fields", "fields of a request head, cookie crumbs apart", COUNT("100", 8, 10000),
     AT(config_limits, head_fields)},
    {"field", "one field of a request head", SIZE("16KiB", 256, 1 * MIB),
     AT(config_limits, field_bytes)},
    {"cookie", "all cookies of a request together", SIZE("32KiB", 256, 1 * MIB),
     AT(config_limits, cookie_bytes)},
    {"cookie_crumbs", "cookie fields of an HTTP/2 request", COUNT("256", 1, 10000),
     AT(config_limits, cookie_crumbs)},
    {"uri", "path and query", SIZE("8KiB", 256, 1 * MIB), AT(config_limits, uri_bytes)},
    {"body", "request body, or none; then 413", SIZE("none", 1, 1024ULL * 1024 * GIB),
     AT(config_limits, body_bytes), .zero = "none"},
    {"response_head", "head of an origin's response; then 502", SIZE("64KiB", 1 * KIB, 1 * MIB),
     AT(config_limits, response_head_bytes)},
    {"response_head_fields", "fields of an origin's response", COUNT("256", 8, 10000),
     AT(config_limits, response_head_fields)},
    {"interim_responses", "1xx responses before a final one; then 502", COUNT("100", 1, 10000),
     AT(config_limits, interim_responses)},
    {"interim", "all 1xx responses before a final one together", SIZE("64KiB", 1 * KIB, 16 * MIB),
     AT(config_limits, interim_bytes)},
    {"streams", "concurrent streams of an HTTP/2 connection", COUNT("100", 1, 10000),
     AT(config_limits, streams)},
    {"connections", "client connections, all workers together", COUNT("10000", 1, 10000000),
     AT(config_limits, connections)},
    {"address_share",
     "percent of connections that one client address may have; trusted ones and this machine: all",
     COUNT("50", 1, 100), AT(config_limits, address_share)},
    {"memory",
     "of the process, or auto: what its control group allows; near it pushes, then requests stop",
     SIZE("auto", 16 * MIB, 1024ULL * 1024 * GIB), AT(config_limits, memory_bytes), .zero = "auto"},
};
static const struct config_section limits_section = ROWS(CONFIG_SECTION_LIMITS, limits_options);

static const struct config_option timeouts_options[] = {
    {"handshake", "for the TLS handshake", TIME("10s", 1, HOUR), AT(config_timeouts, handshake_ms)},
    {"head", "for a request head to be complete", TIME("10s", 1, HOUR),
     AT(config_timeouts, head_ms)},
    {"body", "for each KiB of a request body to come", TIME("30s", 1, DAY),
     AT(config_timeouts, body_ms)},
    {"idle", "client connection without a request", TIME("3m", 1, DAY),
     AT(config_timeouts, idle_ms)},
    {"write", "client that takes no byte of what it asked for", TIME("30s", 1, DAY),
     AT(config_timeouts, write_ms)},
    {"drain_delay", "accepting goes on so long when outrider stops, while /ready says no",
     TIME("0s", 0, HOUR), AT(config_timeouts, drain_delay_ms)},
    {"drain", "for requests under way when outrider stops", TIME("25s", 0, DAY),
     AT(config_timeouts, drain_ms)},
    {"origin_connect", "default of an origin's connect_timeout", TIME("3s", 1, HOUR),
     AT(config_timeouts, origin_connect_ms)},
    {"origin_first_byte", "default of an origin's first_byte_timeout", TIME("1m", 1, DAY),
     AT(config_timeouts, origin_first_byte_ms)},
    {"origin_between_bytes", "default of an origin's between_bytes_timeout", TIME("1m", 1, DAY),
     AT(config_timeouts, origin_between_bytes_ms)},
    {"origin_total", "default of an origin's total_timeout", TIME("none", 1, 30 * DAY),
     AT(config_timeouts, origin_total_ms), .zero = "none"},
    {"origin_idle", "default of an origin's idle_timeout", TIME("2s", 1, DAY),
     AT(config_timeouts, origin_idle_ms)},
};
static const struct config_section timeouts_section =
    ROWS(CONFIG_SECTION_TIMEOUTS, timeouts_options);

static const struct config_option redact_item = {"redact", NULL, .kind = CONFIG_WORD,
                                                 .words = redact_words};
static const struct config_option log_field_item = {"fields", NULL, .kind = CONFIG_LOGGED};

static const struct config_option log_options[] = {
    {"access", "access log, one line per exchange: stdout, off or the path of a file",
     .kind = CONFIG_TARGET, .initial = "stdout", AT(config_log, access),
     .at_offset = offsetof(struct config_log, access_at)},
    {"format", "of the access log: json or text", WORD("json", format_words),
     AT(config_log, format)},
    {"sample", "one in so many exchanges has a line; failed and slow ones always have",
     COUNT("1", 1, 1000000), AT(config_log, sample)},
    {"redact", "not to be read in it: authority, client (but its network), path, query",
     VALUES(&redact_item), LIST_AT(config_log, redact, redact_count), .may_be_single = true,
     .max = 16},
    {"fields", "of the request, to stand in it, such as user-agent; credentials stay hidden",
     VALUES(&log_field_item), LIST_AT(config_log, fields, field_count), .may_be_single = true,
     .max = 32},
    {"request_id", "field that names a request to the origin and in the access log, or off",
     .kind = CONFIG_ID_FIELD, .initial = "x-request-id", AT(config_log, request_id)},
    {"level", "of the error log on stderr: error, warn, info or debug", WORD("info", level_words),
     AT(config_log, level)},
    {"error_format", "of the error log: text or json", WORD("text", format_words),
     AT(config_log, error_format)},
};
static const struct config_section log_section = ROWS(CONFIG_SECTION_LOG, log_options);

static const struct config_option admin_options[] = {
    {"listen",
     "dashboard, probes, metrics and control: ADDR:PORT, unix:/PATH or off; never for the public",
     .kind = CONFIG_ENDPOINT, .initial = "127.0.0.1:9901", AT(config_admin, listen),
     .at_offset = offsetof(struct config_admin, listen_at)},
    {"probes", "a second place with /live, /ready and /metrics alone, such as *:9902, or off",
     .kind = CONFIG_ENDPOINT, .initial = "off", AT(config_admin, probes),
     .at_offset = offsetof(struct config_admin, probes_at)},
};
static const struct config_section admin_section = ROWS(CONFIG_SECTION_ADMIN, admin_options);

static const struct config_option hardening_options[] = {
    {"system_calls", "refuse those that a proxy never needs, such as executing a file",
     SWITCH("on"), AT(config_hardening, refuses_system_calls)},
    {"core_dumps", "write one after a crash; it would hold keys and requests", SWITCH("off"),
     AT(config_hardening, may_dump_core)},
};
static const struct config_section hardening_section =
    ROWS(CONFIG_SECTION_HARDENING, hardening_options);

// --- the file as a whole ------------------------------------------------------------------------

static const struct config_option network_item = {"trusted", NULL, .kind = CONFIG_NETWORK};

static const struct config_option root_options[] = {
    {"listeners", "where clients connect", LIST(&listener_section),
     LIST_AT(config, listeners, listener_count), REQUIRED, .bare = "address", .min = 1,
     .max = 1000},
    {"origins", "the servers behind outrider, each with a name", MAP(&origin_section),
     LIST_AT(config, origins, origin_count), REQUIRED, .bare = "url", .min = 1, .max = 10000},
    {"routes", "which requests go to which origin; the most exact host, then the longest path wins",
     LIST(&route_section), LIST_AT(config, routes, route_count), REQUIRED, .min = 1, .max = 10000},
    {"push", "what routes do about HTTP/2 server push unless they say otherwise",
     SECTION(&push_section), AT(config, push), .bare = "enabled"},
    {"hint", "what routes do about 103 Early Hints unless they say otherwise",
     SECTION(&hint_section), AT(config, hint), .bare = "enabled"},
    {"learn", "from what routes learn which resources a page needs, unless they say otherwise",
     SECTION(&learn_section), AT(config, learn), .bare = "enabled"},
    {"learned", "the table of what was learned", SECTION(&learned_section), AT(config, learned)},
    {"digest", "the cookie of `visitors: first-visit` and `visitors: digest`",
     SECTION(&digest_section), AT(config, digest)},
    {"trusted", "addresses of proxies in front, whose Forwarded and X-Forwarded-* are believed",
     VALUES(&network_item), LIST_AT(config, trusted, trusted_count), .may_be_single = true,
     .max = 1000},
    {"trusted_any",
     "needed when `trusted` holds 0.0.0.0/0 or ::/0: anybody may then choose his address",
     SWITCH("off"), AT(config, trusted_any)},
    {"limits", "the most that a client or an origin may ask of us", SECTION(&limits_section),
     AT(config, limits)},
    {"timeouts", "how long we wait", SECTION(&timeouts_section), AT(config, timeouts)},
    {"log", "what is written down", SECTION(&log_section), AT(config, log)},
    {"admin", "what operators and their tools ask; `admin: off` is the short form",
     SECTION(&admin_section), AT(config, admin), .bare = "listen"},
    {"hardening", "what the process gives up when it starts", SECTION(&hardening_section),
     AT(config, hardening)},
    {"workers", "threads; auto is one per core, or as many as its control group's quota is worth",
     COUNT("auto", 1, 1024), AT(config, workers), .zero = "auto"},
};
const struct config_section config_options_root = ROWS(CONFIG_SECTION_ROOT, root_options);

const struct config_option *config_options_find(const struct config_section *section,
                                                struct slice name, void *place, void **out_place) {
    size_t offset = 0;
    for (; section != NULL; offset += section->rest_offset, section = section->rest) {
        for (size_t i = 0; i < section->count; i++) {
            if (!slice_equal(slice_of_text(section->options[i].name), name)) {
                continue;
            }
            if (out_place != NULL) {
                *out_place = (char *)place + offset;
            }
            return &section->options[i];
        }
    }
    return NULL;
}

const struct config_option *config_options_find_path(const char *path, void *config,
                                                     void **out_place) {
    const struct config_section *section = &config_options_root;
    void *place = config;
    struct slice rest = slice_of_text(path);
    for (;;) {
        size_t dot = slice_find(rest, '.');
        const struct config_option *option =
            config_options_find(section, slice_first(rest, dot), place, &place);
        rest = slice_skip(rest, dot + 1);
        if (option == NULL || rest.length == 0) {
            *out_place = place;
            return option;
        }
        if (option->kind != CONFIG_SECTION) {
            return NULL;
        }
        section = option->section;
        place = config_option_member(option, place);
    }
}
