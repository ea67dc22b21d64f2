// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "front/access_log.h"

struct fixture {
    struct loop loop;
    struct log_sink *sink;
    int read_end;
    struct access_log *log;
    struct clock clock;
    struct client client;
    struct exchange x;
};

static void fixture_open(struct fixture *f, enum access_log_format format, size_t sink_bytes) {
    memset(f, 0, sizeof(*f));
    loop_init(&f->loop);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    f->read_end = ends[0];
    f->sink = log_sink_create(ends[1], sink_bytes);
    f->log = access_log_create(&f->loop, f->sink);
    access_log_configure(f->log, &(struct access_log_options){.format = format});
    clock_update(&f->clock, 5012, 784111777042);
    f->client = (struct client){
        .address = SLICE("127.0.0.1"), .protocol = PROTOCOL_HTTP_2, .is_tls = true, .id = 17};
    f->x = (struct exchange){.client = &f->client, .clock = &f->clock, .started_ms = 5000};
    f->x.request.method = SLICE("GET");
    f->x.request.authority = SLICE("example.org");
    f->x.request.path = SLICE("/");
    f->x.status = 200;
}

// Ends everything and returns what the sink has written; the caller frees.
static char *fixture_close(struct fixture *f) {
    access_log_destroy(f->log);
    loop_finish(&f->loop);
    log_sink_destroy(f->sink);
    fcntl(f->read_end, F_SETFL, 0);
    struct buffer all = {0};
    ssize_t got;
    while ((got = read(f->read_end, buffer_reserve(&all, 4096), 4096)) > 0) {
        buffer_commit(&all, (size_t)got);
    }
    close(f->read_end);
    buffer_append(&all, "", 1);
    return all.data;
}

static void test_json_of_a_plain_exchange(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, ACCESS_LOG_JSON, 1 << 20);
    f.x.stream_id = 5;
    f.x.request_bytes = 12;
    f.x.response_bytes = 18446744073709551615U;
    f.x.story = (struct exchange_story){.origin = SLICE("app"),
                                        .origin_reused = true,
                                        .origin_head_ms = 7,
                                        .promised = 2,
                                        .hinted = 4,
                                        .skipped = SLICE("nopush:1,already:30")};
    access_log_write(f.log, &f.x);
    char *text = fixture_close(&f);
    assert_string_equal(
        text, "{\"time\":\"1994-11-06T08:49:37.042Z\",\"client\":\"127.0.0.1\",\"conn\":\"c17\","
              "\"stream\":5,\"protocol\":\"HTTP/2\",\"tls\":true,\"method\":\"GET\","
              "\"authority\":\"example.org\",\"path\":\"/\",\"status\":200,\"request_bytes\":12,"
              "\"response_bytes\":18446744073709551615,\"duration_ms\":12,\"origin_ms\":7,"
              "\"origin\":\"app\",\"reused\":true,\"retried\":false,\"promised\":2,\"hinted\":4,"
              "\"skipped\":{\"nopush\":1,\"already\":30}}\n");
    free(text);
}

static void test_json_of_a_failed_push(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, ACCESS_LOG_JSON, 1 << 20);
    f.client.protocol = PROTOCOL_HTTP_1_1;
    f.client.is_tls = false;
    f.x.status = 0;
    f.x.request = (struct request_head){0}; // nothing could be read
    f.x.is_promised = true;
    f.x.page_path = SLICE("/index?a=\"b\"");
    f.x.story.is_retried = true;
    f.x.fault = FAULT_ORIGIN_TIMEOUT;
    access_log_write(f.log, &f.x);
    char *text = fixture_close(&f);
    assert_string_equal(
        text, "{\"time\":\"1994-11-06T08:49:37.042Z\",\"client\":\"127.0.0.1\",\"conn\":\"c17\","
              "\"stream\":0,\"protocol\":\"HTTP/1.1\",\"tls\":false,\"method\":\"\","
              "\"authority\":\"\",\"path\":\"\",\"status\":0,\"request_bytes\":0,"
              "\"response_bytes\":0,\"duration_ms\":12,\"origin_ms\":0,\"origin\":\"\","
              "\"reused\":false,\"retried\":true,\"page\":\"/"
              "index?a=\\\"b\\\"\",\"promised\":0,\"hinted\":0,"
              "\"skipped\":{},\"fault\":\"origin_timeout\"}\n");
    free(text);
}

// json_append_text is known to be right: is it used for all that comes from peers?
static void test_json_of_hostile_bytes(void **state) {
    (void)state;
    struct fixture f;
    char *const fields[] = {(char[]){"x-a"}};
    const struct access_log_options options = {.fields = fields, .field_count = 1};
    fixture_open(&f, ACCESS_LOG_JSON, 1 << 20);
    access_log_configure(f.log, &options);
    struct slice hostile = SLICE("\"\n\xff");
    struct arena *arena = arena_create();
    f.client.address = hostile;
    f.x.request.method = f.x.request.authority = f.x.request.path = hostile;
    f.x.is_promised = true;
    f.x.page_path = f.x.story.origin = f.x.story.trace_id = hostile;
    f.x.request_id.value = hostile;
    headers_init(&f.x.request.headers, arena);
    headers_add(&f.x.request.headers, SLICE("x-a"), hostile);
    access_log_write(f.log, &f.x);
    char *text = fixture_close(&f);
    assert_null(memchr(text, 0xff, strlen(text)));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    const char *keys[] = {"client", "method",  "authority", "path", "origin",
                          "page",   "request", "trace",     "x-a"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char wanted[64];
        snprintf(wanted, sizeof(wanted), "\"%s\":\"\\\"\\u000a\\ufffd\"", keys[i]);
        assert_non_null(strstr(text, wanted));
    }
    arena_destroy(arena);
    free(text);
}

static void open_full(struct fixture *f, const struct access_log_options *options,
                      struct arena *arena) {
    fixture_open(f, options->format, 1 << 20);
    access_log_configure(f->log, options);
    f->client.address = SLICE("192.0.2.77");
    f->x.request.path = SLICE("/a?secret");
    f->x.is_promised = true;
    f->x.page_path = SLICE("/page?secret");
    f->x.request_id = (struct header){SLICE("x-request-id"), SLICE("id-1"), HEADER_OTHER};
    f->x.story.trace_id = SLICE("4bf92f3577b34da6a3ce929d0e0e4736");
    f->x.story.sample = 100;
    headers_init(&f->x.request.headers, arena);
    headers_add(&f->x.request.headers, SLICE("user-agent"), SLICE("A \"b\" c"));
    headers_add(&f->x.request.headers, SLICE("referer"), SLICE("https://a.example/b?secret"));
    headers_add(&f->x.request.headers, SLICE("cookie"), SLICE("a=secret"));
}

static char *const full_fields[] = {(char[]){"user-agent"}, (char[]){"referer"},
                                    (char[]){"x-missing"}, (char[]){"cookie"}};

static void test_json_of_all_that_may_be_there(void **state) {
    (void)state;
    const struct access_log_options options = {.redact = ACCESS_LOG_REDACT_CLIENT |
                                                         ACCESS_LOG_REDACT_QUERY,
                                               .fields = full_fields,
                                               .field_count = 4};
    struct fixture f;
    struct arena *arena = arena_create();
    open_full(&f, &options, arena);
    access_log_write(f.log, &f.x);
    char *text = fixture_close(&f);
    assert_string_equal(
        text, "{\"time\":\"1994-11-06T08:49:37.042Z\",\"client\":\"192.0.2.0\",\"conn\":\"c17\","
              "\"stream\":0,\"protocol\":\"HTTP/2\",\"tls\":true,\"method\":\"GET\","
              "\"authority\":\"example.org\",\"path\":\"/a?[redacted]\",\"status\":200,"
              "\"request_bytes\":0,\"response_bytes\":0,\"duration_ms\":12,\"origin_ms\":0,"
              "\"origin\":\"\",\"reused\":false,\"retried\":false,\"request\":\"id-1\","
              "\"trace\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"page\":\"/page?[redacted]\","
              "\"promised\":0,\"hinted\":0,\"skipped\":{},\"fields\":{\"user-agent\":\"A "
              "\\\"b\\\" c\",\"referer\":\"https://a.example/b?[redacted]\",\"cookie\":"
              "\"[redacted]\"},\"sample\":100}\n");
    arena_destroy(arena);
    free(text);
}

static void test_text_of_all_that_may_be_there(void **state) {
    (void)state;
    const struct access_log_options options = {.format = ACCESS_LOG_TEXT,
                                               .redact = ACCESS_LOG_REDACT_AUTHORITY |
                                                         ACCESS_LOG_REDACT_PATH,
                                               .fields = full_fields,
                                               .field_count = 4};
    struct fixture f;
    struct arena *arena = arena_create();
    open_full(&f, &options, arena);
    access_log_write(f.log, &f.x);
    char *text = fixture_close(&f);
    assert_string_equal(text, "1994-11-06T08:49:37.042Z c17/0 192.0.2.77 HTTP/2+tls \"GET "
                              "[redacted]/[redacted]\" 200 in=0 out=0 ms=12 request=id-1 "
                              "trace=4bf92f3577b34da6a3ce929d0e0e4736 page=/[redacted] "
                              "user-agent=\"A \\x22b\\x22 c\" referer=\"[redacted]\" "
                              "cookie=\"[redacted]\" sample=100\n");
    arena_destroy(arena);
    free(text);
}

// --- which exchanges have a line ----------------------------------------------------------------

static const struct {
    const char *what;
    struct exchange_story story;
    int status;
    enum fault fault;
    uint64_t head_ms;   // from the start; 0: none came
    const char *wanted; // end of the line; NULL: there is none
} samples[] = {
    {"all are logged", {.sample = 1}, 200, FAULT_NONE, 5, "\"skipped\":{}}"},
    {"not asked of", {.sample = 0}, 200, FAULT_NONE, 5, "\"skipped\":{}}"},
    {"drawn", {.sample = 7}, 200, FAULT_NONE, 5, "\"skipped\":{},\"sample\":7}"},
    {"left out", {.sample = 7, .is_left_out = true}, 200, FAULT_NONE, 5, NULL},
    {"404", {.sample = 7, .is_left_out = true}, 404, FAULT_NONE, 5, NULL},
    {"499", {.sample = 7, .is_left_out = true}, 499, FAULT_NONE, 999, NULL},
    {"500", {.sample = 7, .is_left_out = true}, 500, FAULT_NONE, 5, "\"skipped\":{}}"},
    {"500, drawn", {.sample = 7}, 500, FAULT_NONE, 5, "\"skipped\":{}}"},
    {"slow", {.sample = 7, .is_left_out = true}, 200, FAULT_NONE, 1000, "\"skipped\":{}}"},
    {"failed",
     {.sample = 7, .is_left_out = true},
     0,
     FAULT_CLIENT_RESET,
     0,
     "\"skipped\":{},\"fault\":\"client_reset\"}"},
};

static void test_sampling(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct fixture f;
        fixture_open(&f, ACCESS_LOG_JSON, 1 << 20);
        clock_update(&f.clock, 25000, 784111777042); // it took long, which means nothing
        f.x.story = samples[i].story;
        f.x.status = samples[i].status;
        f.x.fault = samples[i].fault;
        f.x.head_ms = samples[i].head_ms > 0 ? f.x.started_ms + samples[i].head_ms : 0;
        access_log_write(f.log, &f.x);
        char *text = fixture_close(&f);
        const char *end = strstr(text, "\"skipped\"");
        char wanted[128] = "";
        if (samples[i].wanted != NULL) {
            snprintf(wanted, sizeof(wanted), "%s\n", samples[i].wanted);
        }
        if (strcmp(end != NULL ? end : "", wanted) != 0) {
            fail_msg("%s: %s", samples[i].what, text);
        }
        free(text);
    }
}

// --- gathering ----------------------------------------------------------------------------------

static void test_the_format_changes_between_lines(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, ACCESS_LOG_JSON, 1 << 20);
    access_log_write(f.log, &f.x);
    access_log_configure(f.log, &(struct access_log_options){.format = ACCESS_LOG_TEXT});
    access_log_write(f.log, &f.x);
    char *text = fixture_close(&f);
    assert_memory_equal(text, "{\"time\"", 7);
    char *second = strchr(text, '\n') + 1;
    assert_string_equal(second, "1994-11-06T08:49:37.042Z c17/0 127.0.0.1 HTTP/2+tls \"GET "
                                "example.org/\" 200 in=0 out=0 ms=12\n");
    free(text);
}

static void test_text(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, ACCESS_LOG_TEXT, 1 << 20);
    access_log_write(f.log, &f.x);
    f.x.stream_id = 2;
    f.x.is_promised = true;
    f.x.page_path = SLICE("/page");
    f.x.request.path = SLICE("/a\" \n\xc3\xa9");
    f.x.story = (struct exchange_story){.origin = SLICE("app"),
                                        .origin_head_ms = 7,
                                        .origin_reused = true,
                                        .is_retried = true,
                                        .promised = 2,
                                        .hinted = 4,
                                        .skipped = SLICE("nopush:1")};
    f.x.fault = FAULT_CLIENT_RESET;
    access_log_write(f.log, &f.x);
    char *text = fixture_close(&f);
    assert_string_equal(
        text, "1994-11-06T08:49:37.042Z c17/0 127.0.0.1 HTTP/2+tls \"GET "
              "example.org/\" 200 in=0 out=0 ms=12\n"
              "1994-11-06T08:49:37.042Z c17/2 127.0.0.1 HTTP/2+tls \"GET "
              "example.org/a\\x22\\x20\\x0a\\xc3\\xa9\" 200 in=0 out=0 ms=12 origin=app "
              "origin_ms=7 reused retried page=/page promised=2 hinted=4 skipped=nopush:1 "
              "fault=client_reset\n");
    free(text);
}

static bool has_output(struct fixture *f) {
    char byte;
    return read(f->read_end, &byte, 1) == 1;
}

static bool wait_for_output(struct fixture *f) {
    bool is_out = has_output(f);
    for (int i = 0; i < 2000 && !is_out; i++) {
        usleep(1000);
        is_out = has_output(f);
    }
    return is_out;
}

static void test_lines_are_gathered_to_16_kb(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, ACCESS_LOG_JSON, 1 << 20);
    fcntl(f.read_end, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 40; i++) {
        access_log_write(f.log, &f.x); // some 300 bytes each
    }
    uv_run(&f.loop.uv, UV_RUN_NOWAIT);
    usleep(50000);
    assert_false(has_output(&f));
    for (int i = 0; i < 40; i++) {
        access_log_write(f.log, &f.x);
    }
    usleep(50000);
    assert_false(has_output(&f)); // not before the end of the turn
    uv_run(&f.loop.uv, UV_RUN_NOWAIT);
    assert_true(wait_for_output(&f));
    free(fixture_close(&f));
}

static void test_lines_wait_a_second_at_most(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, ACCESS_LOG_JSON, 1 << 20);
    fcntl(f.read_end, F_SETFL, O_NONBLOCK);
    access_log_write(f.log, &f.x);
    uint64_t began = uv_hrtime();
    bool is_out = false;
    while (!is_out && uv_hrtime() - began < 3000000000U) {
        uv_run(&f.loop.uv, UV_RUN_ONCE); // sleeps until the timer
        usleep(20000);
        is_out = has_output(&f);
    }
    assert_true(is_out);
    assert_in_range((uv_hrtime() - began) / 1000000, 900, 2500);
    free(fixture_close(&f));
}

static void test_dropped_lines_are_counted_in_json(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, ACCESS_LOG_JSON, 1000);
    for (int i = 0; i < 10; i++) {
        access_log_write(f.log, &f.x);
    }
    char *text = fixture_close(&f);
    assert_memory_equal(text, "{\"time\":\"2", 10);
    assert_string_equal(strchr(text, 'Z'), "Z\",\"dropped\":10}\n");
    free(text);
}

static void test_dropped_lines_are_counted_in_text(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, ACCESS_LOG_TEXT, 100);
    for (int i = 0; i < 10; i++) {
        access_log_write(f.log, &f.x);
    }
    char *text = fixture_close(&f);
    assert_memory_equal(text, "2", 1);
    assert_string_equal(strchr(text, 'Z'), "Z dropped=10\n");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_of_a_plain_exchange),
        cmocka_unit_test(test_json_of_a_failed_push),
        cmocka_unit_test(test_json_of_hostile_bytes),
        cmocka_unit_test(test_json_of_all_that_may_be_there),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_of_all_that_may_be_there),
        cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_the_format_changes_between_lines),
        cmocka_unit_test(test_lines_are_gathered_to_16_kb),
        cmocka_unit_test(test_lines_wait_a_second_at_most),
        cmocka_unit_test(test_dropped_lines_are_counted_in_json),
        cmocka_unit_test(test_dropped_lines_are_counted_in_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
