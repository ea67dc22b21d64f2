// SPDX-License-Identifier: Apache-2.0
#include "admin/admin.h"

#include <inttypes.h>

#include "admin/admin_page.h"
#include "admin_metrics.h"
#include "admin_request.h"
#include "admin_stats.h"
#include "admin_text.h"
#include "base/ensure.h"
#include "base/log.h"
#include "push/push_ledger.h"

enum { CONTENT_BYTES = 64 * 1024 }; // of a request; it is read and not looked at

struct asked;

struct endpoint {
    const char *path;
    void (*get)(struct asked *asked);  // and HEAD; NULL: no such method
    void (*post)(struct asked *asked); // changes something
    bool is_probe;                     // for everybody, by any name
};

// An exchange with an operator; lives in its arena.
struct asked {
    struct admin *admin;
    struct exchange *exchange;
    const struct endpoint *endpoint;
    struct slice query;
    bool is_probes_only;   // it came to admin.probes
    struct list_link link; // in admin->waiting
    uint64_t id;           // of the question that it waits for
    void (*on_reply)(struct asked *asked, const struct admin_reply *reply);
    struct buffer text; // of the answer, when it is not constant
    struct slice rest;  // of the answer's content: still to be sent
};

static void start(struct exchange *x, void *handler);
static void start_probe(struct exchange *x, void *handler);
static void open_asked(struct exchange *x, struct admin *admin, bool is_probes_only);
static void on_body(struct exchange *x, struct slice bytes);
static void on_request_end(struct exchange *x, const struct headers *trailers);
static void answer(struct asked *asked);
static bool may_ask(struct asked *asked);
static void show_page(struct asked *asked);
static void show_live(struct asked *asked);
static void show_ready(struct asked *asked);
static void show_metrics(struct asked *asked);
static void show_config(struct asked *asked);
static void show_level(struct asked *asked);
static void ask_pages(struct asked *asked);
static void on_pages(struct asked *asked, const struct admin_reply *reply);
static void ask_hints(struct asked *asked);
static void on_hints(struct asked *asked, const struct admin_reply *reply);
static void do_reload(struct asked *asked);
static void do_drain(struct asked *asked);
static void do_forget(struct asked *asked);
static void do_level(struct asked *asked);
static void command(struct asked *asked, enum admin_question question, struct slice argument);
static void on_command(struct asked *asked, const struct admin_reply *reply);
static void ask(struct asked *asked, enum admin_question question, struct slice argument,
                void (*on_reply)(struct asked *asked, const struct admin_reply *reply));
static void show_missing(struct asked *asked);
static void show_methods(struct asked *asked);
static void look(const struct asked *asked, struct admin_status *out_status);
static void begin(struct asked *asked, int status, const char *type,
                  struct response_head *out_head);
static void send_text(struct asked *asked, int status, const char *text);
static void send_written(struct asked *asked, int status, const char *type);
static void respond(struct asked *asked, struct response_head *head, struct slice content);
static void send_rest(struct asked *asked);
static void on_drained(struct exchange *x);
static void on_closed(struct exchange *x, enum fault fault);

static const char plain[] = "text/plain; charset=utf-8";
static const char json[] = "application/json";

static const struct endpoint endpoints[] = {
    {"/", .get = show_page},
    {"/live", .get = show_live, .is_probe = true},
    {"/ready", .get = show_ready, .is_probe = true},
    {"/healthz", .get = show_ready, .is_probe = true},
    {"/metrics", .get = show_metrics, .is_probe = true},
    {"/stats.json", .get = ask_pages},
    {"/config", .get = show_config},
    {"/hints", .get = ask_hints},
    {"/hints/forget", .post = do_forget},
    {"/log", .get = show_level, .post = do_level},
    {"/reload", .post = do_reload},
    {"/drain", .post = do_drain},
    {"/quitquitquit", .post = do_drain},
    {"/shutdown", .post = do_drain},
};
enum { ENDPOINTS = sizeof(endpoints) / sizeof(endpoints[0]) };

static const struct exchange_handler_ops all_ops = {
    .start = start,
    .on_body = on_body,
    .on_request_end = on_request_end,
    .on_drained = on_drained,
    .on_closed = on_closed,
};

static const struct exchange_handler_ops probe_ops = {
    .start = start_probe,
    .on_body = on_body,
    .on_request_end = on_request_end,
    .on_drained = on_drained,
    .on_closed = on_closed,
};

void admin_init(struct admin *admin, const struct admin_source *source) {
    *admin = (struct admin){
        .handler = {&all_ops, admin}, .probes = {&probe_ops, admin}, .source = *source};
    list_init(&admin->waiting);
}

// --- the request --------------------------------------------------------------------------------

static void start(struct exchange *x, void *handler) {
    open_asked(x, handler, false);
}

static void start_probe(struct exchange *x, void *handler) {
    open_asked(x, handler, true);
}

static void open_asked(struct exchange *x, struct admin *admin, bool is_probes_only) {
    struct asked *asked = arena_new(x->arena, struct asked);
    asked->admin = admin;
    asked->exchange = x;
    asked->is_probes_only = is_probes_only;
    x->handler_user = asked;
    if (x->request_state == EXCHANGE_REQUEST_ENDED) {
        answer(asked);
    }
}

static void on_body(struct exchange *x, struct slice bytes) {
    exchange_request_consumed(x, bytes.length);
    if (x->request_bytes > CONTENT_BYTES) {
        exchange_fail(x, FAULT_BODY_TOO_LARGE);
    }
}

static void on_request_end(struct exchange *x, const struct headers *trailers) {
    (void)trailers;
    answer(x->handler_user);
}

static void answer(struct asked *asked) {
    const struct request_head *request = &asked->exchange->request;
    size_t end = slice_find(request->path, '?');
    asked->query = slice_skip(request->path, end + 1);
    for (size_t i = 0; i < ENDPOINTS; i++) {
        bool is_it = slice_equal(slice_first(request->path, end), slice_of_text(endpoints[i].path));
        if (is_it && (endpoints[i].is_probe || !asked->is_probes_only)) {
            asked->endpoint = &endpoints[i];
        }
    }
    if (!may_ask(asked)) {
        return;
    }
    bool is_get = asked->exchange->is_head_request || slice_equal(request->method, SLICE("GET"));
    if (asked->endpoint == NULL) {
        show_missing(asked);
    } else if (is_get && asked->endpoint->get != NULL) {
        asked->endpoint->get(asked);
    } else if (slice_equal(request->method, SLICE("POST")) && asked->endpoint->post != NULL) {
        asked->endpoint->post(asked);
    } else {
        show_methods(asked);
    }
}

// False when it was told why not.
static bool may_ask(struct asked *asked) {
    const struct request_head *request = &asked->exchange->request;
    const struct client *client = asked->exchange->client;
    bool is_probe = asked->is_probes_only || (asked->endpoint != NULL && asked->endpoint->is_probe);
    if (!is_probe && !admin_request_is_named_well(request, client)) {
        send_text(asked, 421,
                  "421: ask by address or as localhost; other names may be somebody else's\n");
        return false;
    }
    if (!slice_equal(request->method, SLICE("POST")) || asked->endpoint == NULL ||
        asked->endpoint->post == NULL) {
        return true;
    }
    if (!admin_request_is_local(request, client)) {
        send_text(asked, 403, "403: only from this machine, without a proxy\n");
        return false;
    }
    if (admin_request_is_cross_site(request)) {
        send_text(asked, 403, "403: another site's page asked for this\n");
        return false;
    }
    return true;
}

// --- what is known at once ----------------------------------------------------------------------

static void show_page(struct asked *asked) {
    struct response_head head;
    begin(asked, 200, "text/html; charset=utf-8", &head);
    headers_add_id(&head.headers, HEADER_CONTENT_SECURITY_POLICY, slice_of_text(admin_page_policy));
    headers_add_borrowed(&head.headers, SLICE("x-frame-options"), SLICE("DENY"));
    headers_add_id(&head.headers, HEADER_REFERRER_POLICY, SLICE("no-referrer"));
    respond(asked, &head, slice_of(admin_page_html, admin_page_html_length));
}

static void show_live(struct asked *asked) {
    struct admin_status status;
    look(asked, &status);
    if (status.is_live) {
        send_text(asked, 200, "live\n");
        return;
    }
    uint64_t silent_ms = 0;
    for (unsigned i = 0; i < status.worker_count; i++) {
        uint64_t ms = status.workers[i].silent_ms;
        silent_ms = ms > silent_ms ? ms : silent_ms;
    }
    admin_text_format(&asked->text, "a worker has been silent for %" PRIu64 " s\n",
                      silent_ms / 1000);
    send_written(asked, 503, plain);
}

static void show_ready(struct asked *asked) {
    struct admin_status status;
    look(asked, &status);
    admin_text_format(&asked->text, "%s\n", status.is_ready ? "ready" : status.reason);
    send_written(asked, status.is_ready ? 200 : 503, plain);
}

static void show_metrics(struct asked *asked) {
    struct admin_status status;
    look(asked, &status);
    enum admin_metrics_format format = admin_request_format(&asked->exchange->request.headers);
    admin_metrics_write(&status, format, &asked->text);
    send_written(asked, 200, admin_metrics_type(format));
}

static void show_config(struct asked *asked) {
    const struct admin_source *source = &asked->admin->source;
    source->print_config(source->user, &asked->text);
    send_written(asked, 200, plain);
}

static void show_level(struct asked *asked) {
    send_text(asked, 200,
              log_is_on(LOG_DEBUG)  ? "debug\n"
              : log_is_on(LOG_INFO) ? "info\n"
              : log_is_on(LOG_WARN) ? "warn\n"
                                    : "error\n");
}

// --- what the workers know ----------------------------------------------------------------------

static void ask_pages(struct asked *asked) {
    ask(asked, ADMIN_ASK_PAGES, SLICE_EMPTY, on_pages);
}

static void on_pages(struct asked *asked, const struct admin_reply *reply) {
    struct buffer rows = {0};
    for (unsigned i = 0; i < reply->report_count; i++) {
        push_ledger_merge(&rows, buffer_peek(&reply->reports[i]));
    }
    struct admin_status status;
    look(asked, &status);
    admin_stats_write(&status, &rows, asked->exchange->clock->wall_ms / 1000, &asked->text);
    buffer_finish(&rows);
    send_written(asked, 200, json);
}

static void ask_hints(struct asked *asked) {
    ask(asked, ADMIN_ASK_HINTS, SLICE_EMPTY, on_hints);
}

// What is learned is shared, so one worker's report does for all.
static void on_hints(struct asked *asked, const struct admin_reply *reply) {
    for (unsigned i = 0; i < reply->report_count; i++) {
        if (buffer_length(&reply->reports[i]) > 0) {
            buffer_append_slice(&asked->text, buffer_peek(&reply->reports[i]));
            send_written(asked, 200, json);
            return;
        }
    }
    send_text(asked, 503, "no worker has answered\n");
}

// --- what is to be done -------------------------------------------------------------------------

static void do_reload(struct asked *asked) {
    command(asked, ADMIN_DO_RELOAD, SLICE_EMPTY);
}

static void do_drain(struct asked *asked) {
    command(asked, ADMIN_DO_DRAIN, SLICE_EMPTY);
}

static void do_forget(struct asked *asked) {
    struct slice page;
    enum admin_parameter parameter =
        admin_request_parameter(asked->query, SLICE("page"), asked->exchange->arena, &page);
    size_t slash = slice_find(page, '/');
    bool is_page = slash > 0 && slash < page.length; // who forgets the name must not forget all
    if (parameter == ADMIN_PARAMETER_ABSENT || (parameter == ADMIN_PARAMETER_GIVEN && is_page)) {
        command(asked, ADMIN_DO_FORGET, page);
    } else {
        send_text(asked, 400, "400: ?page=example.org/path, or nothing to forget everything\n");
    }
}

static void do_level(struct asked *asked) {
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    struct slice level;
    admin_request_parameter(asked->query, SLICE("level"), asked->exchange->arena, &level);
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (slice_equal(level, slice_of_text(levels[i]))) {
            command(asked, ADMIN_DO_LEVEL, level);
            return;
        }
    }
    send_text(asked, 400, "400: ?level= error, warn, info or debug\n");
}

static void command(struct asked *asked, enum admin_question question, struct slice argument) {
    log_info("admin", "-", "asked to do path=%s client=%.*s", asked->endpoint->path,
             SLICE_ARGS(asked->exchange->client->address));
    ask(asked, question, argument, on_command);
}

static void on_command(struct asked *asked, const struct admin_reply *reply) {
    buffer_append_slice(&asked->text, reply->text);
    if (reply->text.length == 0 || reply->text.data[reply->text.length - 1] != '\n') {
        admin_text_add(&asked->text, "\n");
    }
    send_written(asked, reply->is_good ? 200 : 409, plain);
}

// --- questions ----------------------------------------------------------------------------------

static void ask(struct asked *asked, enum admin_question question, struct slice argument,
                void (*on_reply)(struct asked *asked, const struct admin_reply *reply)) {
    struct admin *admin = asked->admin;
    asked->id = ++admin->last_id;
    asked->on_reply = on_reply;
    list_append(&admin->waiting, &asked->link);
    admin->source.ask(admin->source.user, asked->id, question, argument);
}

void admin_reply(struct admin *admin, uint64_t id, const struct admin_reply *reply) {
    LIST_EACH(&admin->waiting, link) {
        struct asked *asked = LIST_ENTRY(link, struct asked, link);
        if (asked->id == id) {
            list_remove(link);
            asked->on_reply(asked, reply);
            return;
        }
    }
}

// --- the answer ---------------------------------------------------------------------------------

static void show_missing(struct asked *asked) {
    admin_text_add(&asked->text, "404: there is no such thing here, but");
    for (size_t i = 0; i < ENDPOINTS; i++) {
        if (endpoints[i].is_probe || !asked->is_probes_only) {
            admin_text_format(&asked->text, " %s", endpoints[i].path);
        }
    }
    admin_text_add(&asked->text, "\n");
    send_written(asked, 404, plain);
}

static void show_methods(struct asked *asked) {
    const struct endpoint *endpoint = asked->endpoint;
    const char *methods = endpoint->post == NULL  ? "GET, HEAD"
                          : endpoint->get == NULL ? "POST"
                                                  : "GET, HEAD, POST";
    struct response_head head;
    begin(asked, 405, plain, &head);
    headers_add_borrowed(&head.headers, SLICE("allow"), slice_of_text(methods));
    admin_text_format(&asked->text, "405: %s only\n", methods);
    respond(asked, &head, buffer_peek(&asked->text));
}

static void look(const struct asked *asked, struct admin_status *out_status) {
    const struct admin_source *source = &asked->admin->source;
    *out_status = (struct admin_status){.started_s = 0};
    source->look(source->user, out_status);
}

static void begin(struct asked *asked, int status, const char *type,
                  struct response_head *out_head) {
    struct exchange *x = asked->exchange;
    *out_head = (struct response_head){.status = status, .is_end = x->is_head_request};
    headers_init(&out_head->headers, x->arena);
    headers_add_id(&out_head->headers, HEADER_DATE, slice_of_text(x->clock->date));
    headers_add_id(&out_head->headers, HEADER_CONTENT_TYPE, slice_of_text(type));
    headers_add_id(&out_head->headers, HEADER_CACHE_CONTROL, SLICE("no-store"));
    headers_add_borrowed(&out_head->headers, SLICE("x-content-type-options"), SLICE("nosniff"));
}

static void send_text(struct asked *asked, int status, const char *text) {
    struct response_head head;
    begin(asked, status, plain, &head);
    respond(asked, &head, slice_of_text(text));
}

// What asked->text holds.
static void send_written(struct asked *asked, int status, const char *type) {
    struct response_head head;
    begin(asked, status, type, &head);
    respond(asked, &head, buffer_peek(&asked->text));
}

static void respond(struct asked *asked, struct response_head *head, struct slice content) {
    struct exchange *x = asked->exchange;
    head->content_length = (int64_t)content.length;
    headers_add_id(&head->headers, HEADER_CONTENT_LENGTH,
                   arena_printf(x->arena, "%zu", content.length));
    exchange_send_head(x, head);
    asked->rest = x->is_head_request ? SLICE_EMPTY : content;
    send_rest(asked);
}

// As fast as the client takes it.
static void send_rest(struct asked *asked) {
    struct exchange *x = asked->exchange;
    size_t room;
    while (asked->rest.length > 0 && (room = exchange_room(x)) > 0) {
        struct slice piece = slice_first(asked->rest, room);
        asked->rest = slice_skip(asked->rest, piece.length);
        exchange_send_body(x, piece);
    }
    if (asked->rest.length == 0) {
        exchange_finish(x, NULL);
    }
}

static void on_drained(struct exchange *x) {
    send_rest(x->handler_user);
}

static void on_closed(struct exchange *x, enum fault fault) {
    struct asked *asked = x->handler_user;
    (void)fault;
    list_remove(&asked->link);
    buffer_finish(&asked->text);
}
