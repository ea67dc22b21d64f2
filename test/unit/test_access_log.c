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
    f->log = access_log_create(&f->loop, f->sink, format);
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

// The path as it stands in the line, between its quotes; the caller frees.
static char *json_path(struct slice path) {
    struct fixture f;
    fixture_open(&f, ACCESS_LOG_JSON, 1 << 20);
    f.x.request.path = path;
    access_log_write(f.log, &f.x);
    char *text = fixture_close(&f);
    char *begin = strstr(text, "\"path\":\"") + strlen("\"path\":\"");
    char *end = strstr(begin, "\",\"status\"");
    assert_non_null(end);
    *end = '\0';
    memmove(text, begin, strlen(begin) + 1);
    return text;
}

static void test_json_escapes(void **state) {
    (void)state;
    static const struct {
        struct slice path;
        const char *json;
    } cases[] = {
        {{"/a b", 4}, "/a b"},
        {{"\"\\/", 3}, "\\\"\\\\/"},
        {{"\r\n\t\0\x1f\x7f", 6}, "\\u000d\\u000a\\u0009\\u0000\\u001f\\u007f"},
        {{"\xc3\xa9", 2}, "\xc3\xa9"},                             // valid: as it is
        {{"\xe2\x82\xac", 3}, "\xe2\x82\xac"},                     //
        {{"\xf0\x9f\x90\x8e", 4}, "\xf0\x9f\x90\x8e"},             //
        {{"\xf4\x8f\xbf\xbf", 4}, "\xf4\x8f\xbf\xbf"},             // the last code point
        {{"\xc3", 1}, "\\ufffd"},                                  // cut
        {{"\xe2\x82", 2}, "\\ufffd\\ufffd"},                       //
        {{"\xf0\x9f\x90", 3}, "\\ufffd\\ufffd\\ufffd"},            //
        {{"\xc3(", 2}, "\\ufffd("},                                // no continuation
        {{"\xc3\"", 2}, "\\ufffd\\\""},                            // nor one that hides a quote
        {{"\xe2\x82\n", 3}, "\\ufffd\\ufffd\\u000a"},              //
        {{"\x80\xbf", 2}, "\\ufffd\\ufffd"},                       // no first byte
        {{"\xc0\xaf", 2}, "\\ufffd\\ufffd"},                       // overlong
        {{"\xe0\x80\xaf", 3}, "\\ufffd\\ufffd\\ufffd"},            //
        {{"\xf0\x80\x80\xaf", 4}, "\\ufffd\\ufffd\\ufffd\\ufffd"}, //
        {{"\xed\xa0\x80", 3}, "\\ufffd\\ufffd\\ufffd"},            // surrogate
        {{"\xf4\x90\x80\x80", 4}, "\\ufffd\\ufffd\\ufffd\\ufffd"}, // beyond the last
        {{"\xf5\xff\xfe", 3}, "\\ufffd\\ufffd\\ufffd"},            //
        {{"\xc2\x9b[2J", 5}, "\\ufffd\\ufffd[2J"},                 // CSI in C1
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *json = json_path(cases[i].path);
        assert_string_equal(json, cases[i].json);
        free(json);
    }
}

static void test_json_of_every_byte(void **state) {
    (void)state;
    char path[256];
    for (size_t i = 0; i < sizeof(path); i++) {
        path[i] = (char)i;
    }
    char *json = json_path(slice_of(path, sizeof(path)));
    size_t replaced = 0;
    for (const char *at = json; *at != '\0'; at++) {
        assert_in_range(*at, ' ', '~');
        replaced += strncmp(at, "\\ufffd", 6) == 0;
    }
    assert_int_equal(replaced, 128);
    free(json);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_of_a_plain_exchange),
        cmocka_unit_test(test_json_of_a_failed_push),
        cmocka_unit_test(test_json_escapes),
        cmocka_unit_test(test_json_of_every_byte),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_lines_are_gathered_to_16_kb),
        cmocka_unit_test(test_lines_wait_a_second_at_most),
        cmocka_unit_test(test_dropped_lines_are_counted_in_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
