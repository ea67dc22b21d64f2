// SPDX-License-Identifier: Apache-2.0
// The handler between a fake front and a source that the test plays.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "admin/admin_page.h"
#include "base/log.h"
#include "fake_front.h"
#include "push/push_ledger.h"

struct scene {
    struct admin admin;
    struct fake_front front;
    struct metrics *metrics;
    struct admin_worker worker;
    struct admin_status status;
    uint64_t id; // of the last question, 0: none
    enum admin_question question;
    char argument[64];
    bool is_hasty; // the source answers inside of its own call
};

static void look(void *user, struct admin_status *out_status) {
    *out_status = ((struct scene *)user)->status;
}

static void print_config(void *user, struct buffer *out) {
    (void)user;
    buffer_append_slice(out, SLICE("workers: 2 # default\n"));
}

static void reply(struct scene *s, bool is_good, const char *text) {
    const struct admin_reply reply = {.is_good = is_good, .text = slice_of_text(text)};
    admin_reply(&s->admin, s->id, &reply);
}

static void ask(void *user, uint64_t id, enum admin_question question, struct slice argument) {
    struct scene *s = user;
    assert_true(id != 0 && id != s->id);
    s->id = id;
    s->question = question;
    assert_true(argument.length < sizeof(s->argument));
    memcpy(s->argument, argument.data, argument.length);
    s->argument[argument.length] = '\0';
    if (s->is_hasty) {
        reply(s, true, "done");
    }
}

static void open_scene(struct scene *s) {
    *s = (struct scene){.id = 0};
    s->metrics = aligned_alloc(64, sizeof(struct metrics));
    memset(s->metrics, 0, sizeof(struct metrics));
    s->worker = (struct admin_worker){s->metrics, 6100};
    s->status = (struct admin_status){.is_live = true,
                                      .is_ready = true,
                                      .reason = "",
                                      .workers = &s->worker,
                                      .worker_count = 1,
                                      .reload_error = ""};
    const struct admin_source source = {s, look, print_config, ask};
    admin_init(&s->admin, &source);
    fake_front_init(&s->front, s->admin.handler);
    s->front.client.address = SLICE("127.0.0.1");
    s->front.client.is_tls = false;
}

static void close_scene(struct scene *s) {
    fake_front_finish(&s->front);
    assert_true(list_is_empty(&s->admin.waiting));
    free(s->metrics);
}

static struct exchange *open_exchange(struct scene *s, const char *method, const char *path) {
    struct exchange *x = fake_front_open(&s->front, "127.0.0.1:9901", path);
    x->request.method = slice_of_text(method);
    x->request.scheme = SLICE("http");
    return x;
}

static struct fake_stream *do_ask(struct scene *s, const char *method, const char *path) {
    return fake_front_start(open_exchange(s, method, path));
}

static const char *field(struct fake_stream *stream, const char *name) {
    return fake_front_field(stream, &stream->head.headers, name);
}

// --- who may ask what ----------------------------------------------------------------------------

enum { ASKED = 0 }; // no answer yet: the source was asked

static const struct {
    const char *method, *path;
    const char *authority; // NULL: 127.0.0.1:9901
    const char *address;   // NULL: 127.0.0.1
    const char *name, *value;
    bool is_probe;
    int status;
} rows[] = {
    {"GET", "/", .status = 200},
    {"HEAD", "/", .status = 200},
    {"GET", "/live", .status = 200},
    {"GET", "/ready", .status = 200},
    {"GET", "/ready?full=1", .status = 200},
    {"GET", "/healthz", .status = 200},
    {"GET", "/metrics", .status = 200},
    {"GET", "/config", .status = 200},
    {"GET", "/log", .status = 200},
    {"GET", "/stats.json", .status = ASKED},
    {"HEAD", "/stats.json", .status = ASKED},
    {"GET", "/hints", .status = ASKED},
    {"POST", "/hints/forget", .status = ASKED},
    {"POST", "/hints/forget?page=a.example/", .status = ASKED},
    {"POST", "/hints/forget?page=", .status = 400},
    {"POST", "/hints/forget?page=/path", .status = 400},
    {"POST", "/hints/forget?page=a.example", .status = 400},
    {"POST", "/hints/forget?url=a", .status = 400},
    {"POST", "/reload", .status = ASKED},
    {"POST", "/drain", .status = ASKED},
    {"POST", "/quitquitquit", .status = ASKED},
    {"POST", "/shutdown", .status = ASKED},
    {"POST", "/log?level=debug", .status = ASKED},
    {"POST", "/log?level=loud", .status = 400},
    {"POST", "/log?level=", .status = 400},
    {"POST", "/log", .status = 400},
    // Methods
    {"POST", "/", .status = 405},
    {"POST", "/live", .status = 405},
    {"POST", "/stats.json", .status = 405},
    {"PUT", "/log", .status = 405},
    {"DELETE", "/hints", .status = 405},
    {"GET", "/reload", .status = 405},
    {"HEAD", "/drain", .status = 405},
    {"GET", "/shutdown", .status = 405},
    {"OPTIONS", "/reload", .status = 405},
    {"get", "/live", .status = 405}, // methods are case-sensitive
    // Paths
    {"GET", "/nothing", .status = 404},
    {"GET", "/live/", .status = 404},
    {"GET", "//", .status = 404},
    {"POST", "/hints/forget/", .status = 404},
    {"OPTIONS", "*", .status = 404},
    // Other machines may look, and change nothing.
    {"GET", "/", .address = "192.0.2.7", .status = 200},
    {"GET", "/config", .address = "192.0.2.7", .status = 200},
    {"POST", "/reload", .address = "192.0.2.7", .status = 403},
    {"POST", "/drain", .address = "2001:db8::7", .status = 403},
    {"POST", "/hints/forget", .address = "192.0.2.7", .status = 403},
    {"POST", "/log?level=debug", .address = "::ffff:192.0.2.7", .status = 403},
    {"POST", "/log?level=debug", .name = "x-forwarded-for", .value = "1.2.3.4", .status = 403},
    {"GET", "/reload", .address = "192.0.2.7", .status = 405},
    {"POST", "/nothing", .address = "192.0.2.7", .status = 404},
    {"POST", "/drain", .address = "127.9.9.9", .status = ASKED},
    {"POST", "/drain", .address = "::1", .status = ASKED},
    {"POST", "/drain", .address = "unix", .status = ASKED},
    {"POST", "/drain", "any.example", .address = "unix", .status = ASKED},
    // Another site's page in a browser on this machine
    {"POST", "/drain", .name = "sec-fetch-site", .value = "cross-site", .status = 403},
    {"POST", "/drain", .name = "sec-fetch-site", .value = "same-site", .status = 403},
    {"POST", "/drain", .name = "sec-fetch-site", .value = "same-origin", .status = ASKED},
    {"POST", "/drain", .name = "origin", .value = "http://evil.example", .status = 403},
    {"POST", "/drain", .name = "origin", .value = "null", .status = 403},
    {"POST", "/drain", .name = "origin", .value = "http://127.0.0.1:9901", .status = ASKED},
    {"GET", "/", .name = "sec-fetch-site", .value = "cross-site", .status = 200}, // a link to it
    // A name that somebody else let point here
    {"GET", "/", "evil.example", .status = 421},
    {"GET", "/stats.json", "evil.example:9901", .status = 421},
    {"GET", "/config", "evil.example", .status = 421},
    {"GET", "/nothing", "evil.example", .status = 421},
    {"POST", "/drain", "evil.example:9901", .status = 421},
    {"GET", "/live", "evil.example", .status = 200},
    {"GET", "/ready", "outrider.svc.example", .status = 200},
    {"GET", "/healthz", "outrider.svc.example", .status = 200},
    {"GET", "/metrics", "outrider.svc.example", .status = 200},
    {"GET", "/", "localhost:9901", .status = 200},
    {"GET", "/", "x.localhost", .status = 200},
    {"GET", "/", "[::1]:9901", .status = 200},
    {"GET", "/", "10.0.0.1", .status = 200},
    // The listener for probes
    {"GET", "/live", .is_probe = true, .status = 200},
    {"HEAD", "/ready", .is_probe = true, .status = 200},
    {"GET", "/healthz", "pod.example", .is_probe = true, .status = 200},
    {"GET", "/metrics", .address = "192.0.2.7", .is_probe = true, .status = 200},
    {"GET", "/", .is_probe = true, .status = 404},
    {"GET", "/stats.json", "pod.example", .is_probe = true, .status = 404},
    {"GET", "/config", .is_probe = true, .status = 404},
    {"GET", "/hints", .is_probe = true, .status = 404},
    {"POST", "/reload", .is_probe = true, .status = 404},
    {"POST", "/drain", .address = "unix", .is_probe = true, .status = 404},
    {"POST", "/live", .is_probe = true, .status = 405},
};

static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene s;
        open_scene(&s);
        s.front.handler = rows[i].is_probe ? s.admin.probes : s.admin.handler;
        if (rows[i].address != NULL) {
            s.front.client.address = slice_of_text(rows[i].address);
        }
        struct exchange *x = open_exchange(&s, rows[i].method, rows[i].path);
        if (rows[i].authority != NULL) {
            x->request.authority = slice_of_text(rows[i].authority);
        }
        if (rows[i].name != NULL) {
            fake_front_add(x, rows[i].name, rows[i].value);
        }
        struct fake_stream *stream = fake_front_start(x);
        if (stream->head.status != rows[i].status || (s.id != 0) != (rows[i].status == ASKED)) {
            fail_msg("row %zu, %s %s: %d", i, rows[i].method, rows[i].path, stream->head.status);
        }
        if (rows[i].status != ASKED) {
            assert_true(stream->is_finished);
            assert_string_equal(field(stream, "cache-control"), "no-store");
            assert_string_equal(field(stream, "x-content-type-options"), "nosniff");
            assert_string_equal(field(stream, "date"), "Sun, 06 Nov 1994 08:49:37 GMT");
        }
        close_scene(&s);
    }
}

static const struct {
    const char *path;
    enum admin_question question;
    const char *argument;
} commands[] = {
    {"/reload", ADMIN_DO_RELOAD, ""},
    {"/drain", ADMIN_DO_DRAIN, ""},
    {"/quitquitquit", ADMIN_DO_DRAIN, ""},
    {"/shutdown", ADMIN_DO_DRAIN, ""},
    {"/log?level=warn", ADMIN_DO_LEVEL, "warn"},
    {"/hints/forget", ADMIN_DO_FORGET, ""},
    {"/hints/forget?page=a.example%2Fx%20y", ADMIN_DO_FORGET, "a.example/x y"},
};

static void test_commands(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct scene s;
        open_scene(&s);
        struct fake_stream *good = do_ask(&s, "POST", commands[i].path);
        assert_int_equal(s.question, commands[i].question);
        assert_string_equal(s.argument, commands[i].argument);
        reply(&s, true, "it is done");
        assert_int_equal(good->head.status, 200);
        assert_string_equal(fake_front_body(good), "it is done\n");
        assert_string_equal(field(good, "content-type"), "text/plain; charset=utf-8");
        assert_string_equal(field(good, "content-length"), "11");
        struct fake_stream *bad = do_ask(&s, "POST", commands[i].path);
        reply(&s, false, "a.yaml:3:5: no\na.yaml:4:1: nor this\n");
        assert_int_equal(bad->head.status, 409);
        assert_string_equal(fake_front_body(bad), "a.yaml:3:5: no\na.yaml:4:1: nor this\n");
        close_scene(&s);
    }
}

// --- answers -------------------------------------------------------------------------------------

static void test_probes(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    assert_string_equal(fake_front_body(do_ask(&s, "GET", "/live")), "live\n");
    assert_string_equal(fake_front_body(do_ask(&s, "GET", "/ready")), "ready\n");
    s.status.is_ready = false;
    s.status.reason = "draining";
    struct fake_stream *stream = do_ask(&s, "GET", "/ready");
    assert_int_equal(stream->head.status, 503);
    assert_string_equal(fake_front_body(stream), "draining\n");
    stream = do_ask(&s, "GET", "/live");
    assert_int_equal(stream->head.status, 200);
    s.status.is_live = false;
    stream = do_ask(&s, "GET", "/live");
    assert_int_equal(stream->head.status, 503);
    assert_string_equal(fake_front_body(stream), "a worker has been silent for 6 s\n");
    close_scene(&s);
}

static void test_page(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    s.front.room = SIZE_MAX;
    struct fake_stream *stream = do_ask(&s, "GET", "/");
    assert_string_equal(field(stream, "content-type"), "text/html; charset=utf-8");
    assert_string_equal(field(stream, "content-security-policy"), admin_page_policy);
    assert_string_equal(field(stream, "x-frame-options"), "DENY");
    assert_string_equal(field(stream, "referrer-policy"), "no-referrer");
    assert_int_equal(stream->head.content_length, admin_page_html_length);
    assert_true(
        slice_equal(buffer_peek(&stream->body), slice_of(admin_page_html, admin_page_html_length)));
    close_scene(&s);
}

static void test_config_and_level(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    struct fake_stream *stream = do_ask(&s, "GET", "/config");
    assert_string_equal(fake_front_body(stream), "workers: 2 # default\n");
    assert_string_equal(field(stream, "content-type"), "text/plain; charset=utf-8");
    static const char *const levels[] = {"error\n", "warn\n", "info\n", "debug\n"};
    for (int i = 0; i < 4; i++) {
        log_set_level((enum log_level)i);
        assert_string_equal(fake_front_body(do_ask(&s, "GET", "/log")), levels[i]);
    }
    log_set_level(LOG_WARN);
    close_scene(&s);
}

static void test_formats(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    struct fake_stream *stream = do_ask(&s, "GET", "/metrics");
    assert_string_equal(field(stream, "content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_non_null(strstr(fake_front_body(stream), "\noutrider_ready 1\n"));
    struct exchange *x = open_exchange(&s, "GET", "/metrics");
    fake_front_add(x, "accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    stream = fake_front_start(x);
    assert_string_equal(field(stream, "content-type"),
                        "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_non_null(strstr(fake_front_body(stream), "\n# EOF\n"));
    close_scene(&s);
}

// The same head as GET's, and no content.
static void test_head(void **state) {
    (void)state;
    static const char *const paths[] = {"/", "/live", "/metrics", "/config", "/hints"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct scene s;
        open_scene(&s);
        s.front.room = SIZE_MAX;
        struct buffer report = {0};
        buffer_append_slice(&report, SLICE("{}\n"));
        const struct admin_reply hints = {.reports = &report, .report_count = 1};
        struct fake_stream *get = do_ask(&s, "GET", paths[i]);
        admin_reply(&s.admin, s.id, &hints);
        fake_front_record(&s.front);
        struct fake_stream *head = do_ask(&s, "HEAD", paths[i]);
        admin_reply(&s.admin, s.id, &hints);
        assert_string_equal(fake_front_record(&s.front), "2 head 200\n2 finish\n");
        assert_true(get->head.content_length > 0);
        assert_int_equal(head->head.content_length, get->head.content_length);
        assert_string_equal(field(head, "content-length"), field(get, "content-length"));
        assert_int_equal(buffer_length(&get->body), get->head.content_length);
        assert_true(head->head.is_end);
        buffer_finish(&report);
        close_scene(&s);
    }
}

static void test_refusals_say_what_there_is(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    struct fake_stream *stream = do_ask(&s, "GET", "/nothing");
    assert_string_equal(fake_front_body(stream),
                        "404: there is no such thing here, but / /live /ready /healthz /metrics "
                        "/stats.json /config /hints /hints/forget /log /reload /drain "
                        "/quitquitquit /shutdown\n");
    assert_string_equal(field(do_ask(&s, "POST", "/live"), "allow"), "GET, HEAD");
    assert_string_equal(field(do_ask(&s, "GET", "/drain"), "allow"), "POST");
    stream = do_ask(&s, "PUT", "/log");
    assert_string_equal(field(stream, "allow"), "GET, HEAD, POST");
    assert_string_equal(fake_front_body(stream), "405: GET, HEAD, POST only\n");
    s.front.handler = s.admin.probes;
    assert_string_equal(fake_front_body(do_ask(&s, "GET", "/config")),
                        "404: there is no such thing here, but /live /ready /healthz /metrics\n");
    close_scene(&s);
}

// --- questions -----------------------------------------------------------------------------------

static void test_pages_of_all_workers(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    struct fake_stream *stream = do_ask(&s, "GET", "/stats.json");
    assert_int_equal(s.question, ADMIN_ASK_PAGES);
    struct push_ledger_row row = {.key = 7, .visits = 3, .name_length = 2, .name = "a/"};
    struct buffer reports[3] = {{0}};
    buffer_append(&reports[0], &row, sizeof(row));
    buffer_append(&reports[2], &row, sizeof(row));
    const struct admin_reply pages = {.reports = reports, .report_count = 3};
    admin_reply(&s.admin, s.id, &pages);
    assert_int_equal(stream->head.status, 200);
    assert_string_equal(field(stream, "content-type"), "application/json");
    assert_non_null(strstr(fake_front_body(stream),
                           "\"pages\":[\n{\"page\":\"a/\",\"seen_s\":0,\"visits\":6,"));
    assert_non_null(strstr(fake_front_body(stream), "\"now_s\":784111777,"));
    for (size_t i = 0; i < 3; i++) {
        buffer_finish(&reports[i]);
    }
    stream = do_ask(&s, "GET", "/stats.json");
    const struct admin_reply nothing = {.report_count = 0};
    admin_reply(&s.admin, s.id, &nothing);
    assert_int_equal(stream->head.status, 200); // the rest is worth to be seen
    close_scene(&s);
}

static void test_hints_of_one_worker(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    struct fake_stream *stream = do_ask(&s, "GET", "/hints");
    assert_int_equal(s.question, ADMIN_ASK_HINTS);
    struct buffer reports[2] = {{0}};
    buffer_append_slice(&reports[1], SLICE("{\"pages\":[]}\n"));
    const struct admin_reply hints = {.reports = reports, .report_count = 2};
    admin_reply(&s.admin, s.id, &hints);
    assert_string_equal(field(stream, "content-type"), "application/json");
    assert_string_equal(fake_front_body(stream), "{\"pages\":[]}\n");
    buffer_finish(&reports[1]);
    stream = do_ask(&s, "GET", "/hints");
    const struct admin_reply nothing = {.report_count = 0};
    admin_reply(&s.admin, s.id, &nothing);
    assert_int_equal(stream->head.status, 503);
    close_scene(&s);
}

static void test_replies_find_their_questions(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    struct fake_stream *first = do_ask(&s, "POST", "/reload");
    uint64_t first_id = s.id;
    struct fake_stream *second = do_ask(&s, "POST", "/drain");
    reply(&s, true, "second");
    assert_string_equal(fake_front_record(&s.front), "2 head 200\n2 body 7\n2 finish\n");
    s.id = first_id;
    reply(&s, true, "first");
    assert_string_equal(fake_front_body(first), "first\n");
    assert_string_equal(fake_front_body(second), "second\n");
    reply(&s, true, "once more"); // nobody waits
    assert_string_equal(fake_front_body(first), "first\n");
    close_scene(&s);
}

static void test_a_reply_after_the_client_left(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    struct fake_stream *gone = do_ask(&s, "GET", "/stats.json");
    struct fake_stream *cut = do_ask(&s, "POST", "/drain");
    fake_front_close(gone, FAULT_CLIENT_GONE);
    exchange_cut(cut->x, FAULT_CLIENT_TIMEOUT);
    assert_true(list_is_empty(&s.admin.waiting));
    fake_front_record(&s.front);
    for (s.id = 1; s.id <= 2; s.id++) {
        reply(&s, true, "late");
    }
    assert_string_equal(fake_front_record(&s.front), "");
    close_scene(&s);
}

static void test_a_source_that_answers_at_once(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    s.is_hasty = true;
    assert_string_equal(fake_front_body(do_ask(&s, "POST", "/reload")), "done\n");
    close_scene(&s);
}

// --- content -------------------------------------------------------------------------------------

static struct exchange *open_with_content(struct scene *s, const char *path) {
    struct exchange *x = open_exchange(s, "POST", path);
    x->request.content_length = BODY_UNKNOWN;
    x->request.is_end = false;
    return x;
}

static void test_a_command_waits_for_its_end(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    struct exchange *x = open_with_content(&s, "/reload");
    struct fake_stream *stream = fake_front_start(x);
    exchange_request_body(x, SLICE("abc"));
    assert_int_equal(s.id, 0);
    assert_int_equal(stream->consumed, 3);
    exchange_request_end(x, NULL);
    assert_int_equal(s.question, ADMIN_DO_RELOAD);
    reply(&s, true, "done");
    assert_int_equal(stream->head.status, 200);
    close_scene(&s);
}

static void test_much_content(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    struct exchange *x = open_with_content(&s, "/reload");
    struct fake_stream *stream = fake_front_start(x);
    static const char content[16 * 1024];
    for (unsigned i = 0; i < 5; i++) {
        exchange_request_body(x, slice_of(content, sizeof(content)));
    }
    exchange_request_end(x, NULL);
    assert_int_equal(stream->head.status, 413);
    assert_int_equal(stream->consumed, 5 * sizeof(content));
    assert_int_equal(s.id, 0);
    close_scene(&s);
}

static void test_a_slow_client(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    struct exchange *x = open_exchange(&s, "GET", "/metrics");
    struct fake_stream *stream = fake_front_stream(x);
    s.front.room = 0;
    fake_front_start(x);
    assert_string_equal(fake_front_record(&s.front), "1 head 200\n");
    s.front.room = SIZE_MAX;
    exchange_drained(x);
    assert_true(stream->is_finished);
    assert_int_equal(buffer_length(&stream->body), stream->head.content_length);
    s.front.room = 0;
    do_ask(&s, "GET", "/metrics"); // leaves in the middle
    close_scene(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_probes),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_config_and_level),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_refusals_say_what_there_is),
        cmocka_unit_test(test_pages_of_all_workers),
        cmocka_unit_test(test_hints_of_one_worker),
        cmocka_unit_test(test_replies_find_their_questions),
        cmocka_unit_test(test_a_reply_after_the_client_left),
        cmocka_unit_test(test_a_source_that_answers_at_once),
        cmocka_unit_test(test_a_command_waits_for_its_end),
        cmocka_unit_test(test_much_content),
        cmocka_unit_test(test_a_slow_client),
    };
    log_set_level(LOG_WARN); // commands are written down
    return cmocka_run_group_tests(tests, NULL, NULL);
}
