// SPDX-License-Identifier: Apache-2.0
#include "fuzz_world.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "config/config_yaml.h"
#include "fake_conn.h"
#include "front/access_log.h"
#include "fuzz_client.h"
#include "fuzz_origin.h"
#include "net/dialer.h"
#include "net/tls_hash.h"

enum { MOST_ROUNDS = 300 };

// In place of net/dialer.c: it connects when the target says so.
struct dialer {
    struct list_link link;
    struct fuzz_world *world;
    uint64_t until_ms;
    void (*on_connected)(void *user, struct conn *take_conn);
    void (*on_failed)(void *user, enum fault fault);
    void *user;
};

static const char *const config_texts[FUZZ_CONFIGS] = {
    "listeners: [\"http://127.0.0.1:8080\"]\n"
    "origins:\n"
    "  app: {url: \"http://127.0.0.1:3000\", max_connections: 6, max_idle: 3, max_waiting: 4}\n"
    "  inner: {url: \"unix:/run/inner.sock\", host_header: inner.example, max_connections: 2,\n"
    "    max_idle: 1, max_waiting: 2, total_timeout: 20s}\n"
    "routes:\n"
    "  - {origin: app, path: /}\n"
    "  - origin: app\n"
    "    path: /d\n"
    "    push: {declared: [{path: \"/s/0?290.50\", as: style}, \"/s/1?291.3000\"], mark: on}\n"
    "    hint: {declared: [{path: \"/s/2?292.10\", as: font}, \"<//cdn.example>; "
    "rel=preconnect\"],\n"
    "      clients: all, http1: on}\n"
    "  - {origin: app, path: /e, push: {event: preload}}\n"
    "  - {origin: app, path: /b, learn: {behaviour: on, private: on, query: on}}\n"
    "  - {origin: inner, path: /i, hint: {http1: on}}\n"
    "  - origin: app\n"
    "    path: /v\n"
    "    push: {visitors: digest, cache_digest: on, revalidate: on, credentials: cookies}\n"
    "limits: {head: 4KiB, field: 2KiB, uri: 1KiB, cookie: 2KiB, body: 100KB, streams: 20,\n"
    "  response_head: 4KiB, connections: 5}\n"
    "push: {max_open: 6}\n"
    "learned: {pages: 16}\n"
    "log: {fields: [referer, cookie, user-agent]}\n",
    "listeners: [\"http://127.0.0.1:8080\"]\n"
    "origins:\n"
    "  app: {url: \"http://127.0.0.1:3000\", max_connections: 1, max_idle: 1, max_waiting: 1,\n"
    "    first_byte_timeout: 5s, between_bytes_timeout: 3s, idle_timeout: 1s}\n"
    "  inner: {url: \"http://127.0.0.1:3001\", max_connections: 1, max_idle: 1, max_waiting: 1}\n"
    "routes:\n"
    "  - {origin: app, path: /, push: {event: preload}, hint: {clients: all}}\n"
    "  - {origin: inner, path: /i, push: off, hint: off, learn: off}\n"
    "  - {origin: app, path: /v, push: {visitors: first-visit}}\n"
    "limits: {head: 2KiB, head_fields: 12, field: 512, uri: 300, cookie: 256, cookie_crumbs: 4,\n"
    "  body: 1000, response_head: 1KiB, response_head_fields: 12, interim_responses: 2,\n"
    "  interim: 1KiB, streams: 4, connections: 2}\n"
    "push: {max_open: 2, max_per_page: 2, origin_share: 50, credentials: all, behind_proxy: on}\n"
    "trusted: [192.0.2.9]\n"
    "timeouts: {idle: 5s, head: 2s, body: 2s, write: 2s}\n"
    "log: {format: text, sample: 2, redact: [client, query], fields: [user-agent, cookie]}\n",
    "listeners: [\"http://127.0.0.1:8080\"]\n"
    "origins:\n"
    "  app: {url: \"http://127.0.0.1:3000\", max_connections: 20, max_idle: 20}\n"
    "  inner: {url: \"http://127.0.0.1:3001\", max_connections: 2, max_waiting: 2}\n"
    "routes:\n"
    "  - {origin: app, host: a.example}\n"
    "  - {origin: inner, host: a.example, path: /i}\n"
    "  - origin: app\n"
    "    host: a.example\n"
    "    path: /v\n"
    "    push: {visitors: first-visit, short_life: 10s, revalidate: on, cache_digest: on,\n"
    "      declared: [{path: \"/v/9?290.0\", as: style}, \"/v/9?291.30\", \"/v/9?292.60\"]}\n"
    "  - {origin: app, host: \"*.b.example\", path: /b}\n"
    "  - {origin: inner, host: b.example}\n"
    "push: {authorities: [b.example], mark: on, event: preload, origin_share: 100}\n"
    "hint: {clients: all, http1: on, fields: [permissions-policy]}\n"
    "learn: {behaviour: on}\n"
    "learned: {pages: 2, page: 256}\n"
    "log: {redact: [authority, path, client], fields: [referer, x-forwarded-for, forwarded]}\n",
};

static struct generation generations[FUZZ_CONFIGS];
static struct fuzz_world *the_world;

// --- what stands in for the rest of the program --------------------------------------------------

struct generation *generation_ref(struct generation *generation) {
    atomic_fetch_add(&generation->refs, 1);
    return generation;
}

void generation_unref(struct generation **generation) {
    if (*generation != NULL) {
        fuzz_check(atomic_fetch_sub(&(*generation)->refs, 1) > 1); // the last one is ours
    }
    *generation = NULL;
}

static void load_configs(void) {
    for (unsigned i = 0; i < FUZZ_CONFIGS && generations[i].config == NULL; i++) {
        struct config_errors errors = {0};
        struct config *config =
            config_load_text("world.yaml", config_texts[i], strlen(config_texts[i]), &errors);
        config_errors_print(&errors, stderr);
        fuzz_check(config != NULL);
        generations[i].config = config;
        generations[i].router = router_create(config);
        generations[i].workers = 1;
        generations[i].refs = 1;
        push_digest_key_from_text(SLICE("of the fuzzers"), &generations[i].digest_key);
    }
}

struct dialer *dialer_start(struct loop *loop, const struct dialer_target *target,
                            uint64_t timeout_ms,
                            void (*on_connected)(void *user, struct conn *take_conn),
                            void (*on_failed)(void *user, enum fault fault), void *user) {
    fuzz_check(target->is_unix ? target->path != NULL : target->host != NULL);
    struct dialer *dialer = alloc_new(struct dialer);
    dialer->world = the_world;
    dialer->until_ms = loop_now(loop) + timeout_ms;
    dialer->on_connected = on_connected;
    dialer->on_failed = on_failed;
    dialer->user = user;
    list_append(&the_world->dialers, &dialer->link);
    the_world->dialer_count++;
    return dialer;
}

static void forget(struct dialer *dialer) {
    list_remove(&dialer->link);
    dialer->world->dialer_count--;
    free(dialer);
}

void dialer_cancel(struct dialer *dialer) {
    forget(dialer);
}

// --- what is asked for ---------------------------------------------------------------------------

struct fuzz_asked fuzz_asked_of(struct slice path) {
    struct fuzz_asked asked = {.number = FUZZ_UNKNOWN, .length = 20, .kind = 'a'};
    char text[64] = "";
    unsigned page = 0;
    unsigned number = 0;
    unsigned length = 0;
    int end = 0;
    if (path.length >= sizeof(text)) {
        return asked;
    }
    memcpy(text, path.data, path.length);
    bool is_ours =
        sscanf(text, "/%c/%4u?%4u.%7u%n", &asked.kind, &page, &number, &length, &end) == 4 &&
        (size_t)end == path.length && number < FUZZ_REQUESTS && length < 300000;
    if (is_ours) {
        asked.number = number;
        asked.length = length;
    } else {
        asked.kind = 'a';
    }
    return asked;
}

FUZZ_UNCOUNTED char fuzz_content_byte(unsigned number, uint64_t place) {
    return (char)('!' + (number * 31 + place * (1 + number % 7) + place / 90) % 90);
}

FUZZ_UNCOUNTED void fuzz_content(const struct fuzz_asked *asked, uint64_t place, char *out,
                                 size_t length) {
    static const char event[] =
        "event: preload\ndata: </s/3?293.40>; rel=preload; as=style\n\n: nothing\n\n"
        "event: preload\ndata: </s/4?294.9000>; rel=preload,\ndata: </s/5?295.1>; rel=preload\n\n";
    for (size_t i = 0; i < length; i++) {
        out[i] = asked->kind == 'e' ? event[(place + i) % (sizeof(event) - 1)]
                                    : fuzz_content_byte(asked->number, place + i);
    }
}

bool fuzz_content_is(const struct fuzz_asked *asked, uint64_t place, struct slice bytes) {
    char wanted[1024];
    while (bytes.length > 0) {
        size_t length = bytes.length < sizeof(wanted) ? bytes.length : sizeof(wanted);
        fuzz_content(asked, place, wanted, length);
        if (memcmp(wanted, bytes.data, length) != 0) {
            return false;
        }
        bytes = slice_skip(bytes, length);
        place += length;
    }
    return true;
}

// --- open and close ------------------------------------------------------------------------------

static bool is_trusted(const void *user, const uint8_t address[16]) {
    return config_is_trusted(user, address);
}

static struct front_limits limits_of(const struct config *config) {
    const struct config_limits *limits = &config->limits;
    const struct config_timeouts *timeouts = &config->timeouts;
    return (struct front_limits){
        .head_bytes = limits->head_bytes,
        .head_fields = limits->head_fields,
        .field_bytes = limits->field_bytes,
        .cookie_crumbs = limits->cookie_crumbs,
        .cookie_bytes = limits->cookie_bytes,
        .uri_bytes = limits->uri_bytes,
        .body_bytes = limits->body_bytes,
        .streams = limits->streams,
        .connections = limits->connections,
        .address_share = limits->address_share,
        .handshake_ms = timeouts->handshake_ms,
        .head_ms = timeouts->head_ms,
        .body_ms = timeouts->body_ms,
        .idle_ms = timeouts->idle_ms,
        .write_ms = timeouts->write_ms,
    };
}

void fuzz_world_open(struct fuzz_world *world, unsigned config) {
    load_configs();
    *world = (struct fuzz_world){.config = config};
    the_world = world;
    loop_init(&world->loop);
    list_init(&world->dialers);
    const struct push_learn_limits limits = {.pages = 16, .is_alone = true};
    push_memory_init(&world->memory, &limits, 7, &world->loop.metrics);
    world->memory.sha256 = tls_hash_sha256;
    world->memory.gauge = &world->gauge;
    const struct front_limits front_limits = limits_of(generations[config].config);
    front_init(&world->front, &world->loop, &front_limits);
    world->front.is_trusted = is_trusted;
    world->front.memory = &world->gauge;
    world->front.seed = 7;
    world->log = access_log_create(&world->loop, log_sink_create(-1, 0));
    world->front.access_log = world->log;
    fuzz_world_reload(world, config);
}

void fuzz_world_reload(struct fuzz_world *world, unsigned config) {
    struct generation *generation = &generations[config];
    struct service *before = world->service;
    world->config = config;
    world->service = service_create(&world->loop, generation, &world->memory, NULL, NULL);
    world->memory.digest_key = generation->digest_key;
    world->front.handler = service_handler(world->service);
    world->front.limits = limits_of(generation->config);
    world->front.is_trusted_user = generation->config;
    const struct config_log *log = &generation->config->log;
    struct access_log_options options = {.format = (enum access_log_format)log->format,
                                         .fields = log->fields,
                                         .field_count = log->field_count};
    for (size_t i = 0; i < log->redact_count; i++) {
        options.redact |= 1U << log->redact[i];
    }
    access_log_configure(world->log, &options);
    if (before != NULL) {
        service_retire(before);
    }
}

static void on_drained(void *user) {
    struct fuzz_world *world = user;
    fuzz_check(!world->has_drained);
    world->has_drained = true;
}

void fuzz_world_drain(struct fuzz_world *world) {
    if (!world->is_draining) {
        world->is_draining = true;
        front_drain(&world->front, on_drained, world);
    }
}

static void check_gauges(const struct fuzz_world *world) {
    static const struct {
        unsigned first, last;
    } gauges[] = {
#define GAUGE(ID) {METRIC_AT_##ID, METRIC_LAST_##ID}
        GAUGE(CONNECTIONS), GAUGE(EXCHANGES), GAUGE(ORIGIN_IDLE), GAUGE(ORIGIN_BUSY),
        GAUGE(ORIGIN_WAITING)
#undef GAUGE
    };
    for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
        for (unsigned slot = gauges[i].first; slot <= gauges[i].last; slot++) {
            fuzz_check(metrics_read(&world->loop.metrics, slot) == 0);
        }
    }
}

static void take_everything(struct fuzz_world *world) {
    for (unsigned i = 0; i < world->origin_count; i++) {
        fake_conn_set_limit(world->origins[i]->conn, SIZE_MAX);
    }
    for (unsigned i = 0; i < world->client_count; i++) {
        fake_conn_set_limit(world->clients[i]->conn, SIZE_MAX);
    }
}

void fuzz_world_close(struct fuzz_world *world) {
    fuzz_world_turn(world);
    take_everything(world); // a conn that is closing ends when the peer has taken what was said
    for (unsigned i = 0; i < world->client_count; i++) {
        if (!fake_conn_is_ended(world->clients[i]->conn)) {
            fake_conn_reset(world->clients[i]->conn, FAULT_CONN_RESET);
        }
    }
    fuzz_world_drain(world);
    service_retire(world->service);
    for (unsigned i = 0; i < 8; i++) {
        fuzz_world_turn(world);
    }
    fuzz_check(world->has_drained && world->front.session_count == 0);
    fuzz_check(world->front.lots == 0 && world->dialer_count == 0);
    for (unsigned i = 0; i < world->origin_count; i++) {
        fuzz_check(fake_conn_is_ended(world->origins[i]->conn));
        fuzz_origin_destroy(world->origins[i]);
    }
    for (unsigned i = 0; i < world->client_count; i++) {
        fuzz_client_destroy(world->clients[i]);
    }
    for (unsigned i = 0; i < FUZZ_CONFIGS; i++) {
        fuzz_check(generations[i].refs == 1);
    }
    check_gauges(world);
    front_finish(&world->front);
    access_log_destroy(world->log);
    fuzz_loop_turn(&world->loop);
    push_memory_publish(&world->memory);
    push_memory_finish(&world->memory);
    loop_finish(&world->loop);
    the_world = NULL;
}

// --- time and turns ------------------------------------------------------------------------------

// What was aborted ends at once, what was closed when all it has said is gone.
static bool end_if_due(struct conn *conn) {
    if (!fake_conn_is_ended(conn) &&
        (fake_conn_is_aborted(conn) || (fake_conn_is_closing(conn) && conn_unsent(conn) == 0))) {
        fake_conn_end(conn);
    }
    return fake_conn_is_ended(conn);
}

void fuzz_world_turn(struct fuzz_world *world) {
    fuzz_loop_turn(&world->loop);
    for (unsigned i = 0; i < world->origin_count; i++) {
        struct fuzz_origin *origin = world->origins[i];
        if (!origin->is_gone) {
            fuzz_origin_hear(origin);
            origin->is_gone = end_if_due(origin->conn);
        }
    }
    for (unsigned i = 0; i < world->client_count; i++) {
        struct fuzz_client *client = world->clients[i];
        if (!client->is_gone) {
            fuzz_client_hear(client);
            client->is_gone = end_if_due(client->conn);
            if (client->is_gone) {
                fuzz_client_on_gone(client);
            }
        }
    }
}

static void expire_if_due(const struct fuzz_world *world, struct conn *conn) {
    uint64_t due_ms = fake_conn_due_ms(conn);
    if (!fake_conn_is_ended(conn) && due_ms != 0 && due_ms <= loop_now(&world->loop)) {
        fake_conn_expire(conn);
    }
}

void fuzz_world_pass(struct fuzz_world *world, uint64_t ms) {
    fuzz_loop_pass(&world->loop, ms);
    for (unsigned i = 0; i < world->origin_count; i++) {
        expire_if_due(world, world->origins[i]->conn);
    }
    for (unsigned i = 0; i < world->client_count; i++) {
        expire_if_due(world, world->clients[i]->conn);
    }
    LIST_EACH(&world->dialers, link) {
        struct dialer *dialer = LIST_ENTRY(link, struct dialer, link);
        if (dialer->until_ms <= loop_now(&world->loop)) {
            void (*on_failed)(void *user, enum fault fault) = dialer->on_failed;
            void *user = dialer->user;
            forget(dialer);
            on_failed(user, FAULT_ORIGIN_CONNECT_TIMEOUT);
            break; // whatever that led to; the others next time
        }
    }
}

// --- dialers -------------------------------------------------------------------------------------

bool fuzz_world_connect(struct fuzz_world *world) {
    struct list_link *first = list_first(&world->dialers);
    if (first == NULL) {
        return false;
    }
    if (world->origin_count == FUZZ_ORIGINS) {
        return fuzz_world_refuse(world, FAULT_ORIGIN_REFUSED);
    }
    struct dialer *dialer = LIST_ENTRY(first, struct dialer, link);
    void (*on_connected)(void *user, struct conn *take_conn) = dialer->on_connected;
    void *user = dialer->user;
    forget(dialer);
    struct conn *conn = fake_conn_create(&world->loop);
    fuzz_origin_create(world, conn);
    on_connected(user, conn);
    return true;
}

bool fuzz_world_refuse(struct fuzz_world *world, enum fault fault) {
    struct list_link *first = list_first(&world->dialers);
    if (first == NULL) {
        return false;
    }
    struct dialer *dialer = LIST_ENTRY(first, struct dialer, link);
    void (*on_failed)(void *user, enum fault failed) = dialer->on_failed;
    void *user = dialer->user;
    forget(dialer);
    on_failed(user, fault);
    return true;
}

void fuzz_world_settle(struct fuzz_world *world) {
    bool has_moved = true;
    take_everything(world);
    for (unsigned round = 0; has_moved && round < MOST_ROUNDS; round++) {
        has_moved = !list_is_empty(&world->loop.tasks) || !list_is_empty(&world->loop.next_tasks);
        fuzz_world_turn(world);
        while (fuzz_world_connect(world)) {
            has_moved = true;
        }
        for (unsigned i = 0; i < world->origin_count; i++) {
            struct fuzz_origin *origin = world->origins[i];
            if (!origin->is_gone && fuzz_origin_is_asked(origin)) {
                fuzz_origin_answer(origin);
                has_moved = true;
            }
        }
    }
}
