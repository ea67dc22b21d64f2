// SPDX-License-Identifier: Apache-2.0
// The numbers; that it is JSON is looked at in test/e2e.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin_stats.h"
#include "push/push_ledger.h"

enum { WORKERS = 2 };

struct scene {
    struct metrics *metrics[WORKERS];
    struct admin_worker workers[WORKERS];
    struct admin_status status;
    struct buffer rows;
    char *text;
};

static void open_scene(struct scene *s) {
    *s = (struct scene){.text = NULL};
    for (unsigned i = 0; i < WORKERS; i++) {
        s->metrics[i] = aligned_alloc(64, sizeof(struct metrics));
        memset(s->metrics[i], 0, sizeof(struct metrics));
        s->workers[i] = (struct admin_worker){s->metrics[i], 20 + i};
    }
    s->status = (struct admin_status){.started_s = 1700000000,
                                      .uptime_ms = 61999,
                                      .is_live = true,
                                      .is_ready = true,
                                      .reason = "",
                                      .workers = s->workers,
                                      .worker_count = WORKERS,
                                      .reload_error = ""};
}

static void close_scene(struct scene *s) {
    for (unsigned i = 0; i < WORKERS; i++) {
        free(s->metrics[i]);
    }
    buffer_finish(&s->rows);
    free(s->text);
}

static const char *written(struct scene *s) {
    struct buffer out = {0};
    admin_stats_write(&s->status, &s->rows, 1700000062, &out);
    buffer_append(&out, "", 1);
    free(s->text);
    s->text = out.data; // nothing was consumed, so the text starts there
    return s->text;
}

static void expect(const char *text, const char *part) {
    if (strstr(text, part) == NULL) {
        fail_msg("no '%s' in '%s'", part, text);
    }
}

static void test_process(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    const char *text = written(&s);
    expect(text,
           "{\"version\":\"" OUTRIDER_VERSION "\",\"now_s\":1700000062,\"started_s\":1700000000,"
           "\"uptime_s\":61,\"state\":\"ready\",\"live\":true,\n\"metrics\":{");
    expect(text, "\"reloads\":{\"good\":0,\"failed\":0,\"reloaded_s\":0,\"error\":\"\"},\n");
    expect(text, "\"certificates\":[],\n\"pages\":[]}\n");
    const struct admin_certificate certificates[] = {{"https://[::1]:1", "*.a.example", 1800000000},
                                                     {"https://[::1]:1", "\"\xff", -1}};
    s.status = (struct admin_status){.is_ready = false,
                                     .reason = "draining",
                                     .workers = s.workers,
                                     .worker_count = WORKERS,
                                     .reloads = 3,
                                     .failed_reloads = 2,
                                     .reloaded_s = 1700000001,
                                     .reload_error = "a.yaml:3:1: \"x\": no",
                                     .resident_bytes = 10,
                                     .memory_used = 11,
                                     .memory_ceiling = 12,
                                     .memory_level = MEMORY_FULL,
                                     .descriptors = 13,
                                     .descriptor_limit = 14,
                                     .cpu_ms = 1500,
                                     .dropped_log_lines = 15,
                                     .certificates = certificates,
                                     .certificate_count = 2};
    text = written(&s);
    expect(text, "\"uptime_s\":0,\"state\":\"draining\",\"live\":false,\n");
    expect(text, "\"reloads\":{\"good\":3,\"failed\":2,\"reloaded_s\":1700000001,"
                 "\"error\":\"a.yaml:3:1: \\\"x\\\": no\"},\n"
                 "\"memory\":{\"resident\":10,\"used\":11,\"ceiling\":12,\"level\":\"full\"},"
                 "\"descriptors\":{\"open\":13,\"limit\":14},\"cpu_s\":1.500,\"log_dropped\":15,\n"
                 "\"certificates\":[{\"listener\":\"https://[::1]:1\",\"name\":\"*.a.example\","
                 "\"not_after_s\":1800000000},{\"listener\":\"https://[::1]:1\","
                 "\"name\":\"\\\"\\ufffd\",\"not_after_s\":-1}],\n");
    close_scene(&s);
}

static void test_metrics(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    metrics_add(s.metrics[0], REQUESTS, METRIC_HTTP2 * METRIC_CODES + 1, 2);
    metrics_add(s.metrics[1], REQUESTS, METRIC_HTTP2 * METRIC_CODES + 1, 3);
    metrics_add(s.metrics[1], RECEIVED, 0, 70);
    metrics_set(s.metrics[0], LEARNED_PAGES, 0, 8);
    metrics_set(s.metrics[1], LEARNED_PAGES, 0, 6);
    metrics_add(s.metrics[1], ORIGIN_REQUESTS, metrics_name_slot("the \"app\""), 1);
    metrics_observe_ms(s.metrics[0], LOOP_LAG, 1200);
    metrics_observe_ms(s.metrics[1], LOOP_LAG, 7);
    metrics_observe_bytes(s.metrics[1], HEAD_BYTES, 300);
    const char *text = written(&s);
    expect(text, "\n\"requests_total\":{\"http1 none\":0,\"http1 2xx\":0,\"http1 3xx\":0,"
                 "\"http1 4xx\":0,\"http1 5xx\":0,\"http2 none\":0,\"http2 2xx\":5,"
                 "\"http2 3xx\":0,\"http2 4xx\":0,\"http2 5xx\":0},\n");
    expect(text, "\n\"received_content_bytes_total\":70,\n");
    expect(text, "\n\"learned_pages\":8,\n");
    expect(text, "\n\"origin_requests_total\":{\"the \\\"app\\\"\":1},\n");
    expect(text, "\n\"request_head_bytes\":{\"buckets\":[0,1,0,0,0,0,0,0,0],\"count\":1,"
                 "\"sum\":300},\n");
    expect(text, "\n\"loop_lag_seconds\":{\"buckets\":[0,1,0,0,0,0,0,0,0,0,1,0,0,0,0],\"count\":2,"
                 "\"sum\":1.207}},\n");
    expect(text, "\"bounds\":{\"seconds\":[0.005,0.01,0.025,0.05,0.075,0.1,0.25,0.5,0.75,1.0,2.5,"
                 "5.0,7.5,10.0],\"bytes\":[256.0,512.0,1024.0,2048.0,4096.0,8192.0,16384.0,"
                 "32768.0]},\n");
    expect(text, "\"workers\":[{\"silent_ms\":20,\"loop_lag\":{\"buckets\":[0,0,0,0,0,0,0,0,0,0,1,"
                 "0,0,0,0],\"count\":1,\"sum\":1.200}},{\"silent_ms\":21,\"loop_lag\":{"
                 "\"buckets\":[0,1,0,0,0,0,0,0,0,0,0,0,0,0,0],\"count\":1,\"sum\":0.007}}],\n");
    close_scene(&s);
}

static struct push_ledger_row make_row(uint64_t key, const char *name, uint64_t visits) {
    struct push_ledger_row row = {.key = key, .visits = visits};
    row.name_length = (uint16_t)strlen(name);
    memcpy(row.name, name, row.name_length);
    return row;
}

static struct slice bytes_of(const struct push_ledger_row *row) {
    return slice_of((const char *)row, sizeof(*row));
}

static void test_pages(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    struct push_ledger_row few = make_row(1, "a.example/few", 2);
    struct push_ledger_row many = make_row(2, "a.example/\"\xff\n", 7);
    many.seen_s = 1700000050;
    many.candidates = 20;
    many.promised = 3;
    many.hinted = 4;
    many.passed = 5;
    many.completed = 6;
    many.refused = 8;
    many.taken_back = 9;
    many.pushed_bytes = 10;
    many.wasted_bytes = 11;
    many.spared = 12;
    many.spared_bytes = 13;
    many.early = 14;
    many.lead_ms = 15;
    push_ledger_merge(&s.rows, bytes_of(&few));
    push_ledger_merge(&s.rows, bytes_of(&many));
    push_ledger_merge(&s.rows, bytes_of(&few)); // of another worker
    expect(written(&s), "],\n\"pages\":[\n"
                        "{\"page\":\"a.example/\\\"\\ufffd\\u000a\",\"seen_s\":1700000050,"
                        "\"visits\":7,\"candidates\":20,\"promised\":3,\"hinted\":4,\"passed\":5,"
                        "\"completed\":6,\"refused\":8,\"taken_back\":9,\"pushed_bytes\":10,"
                        "\"wasted_bytes\":11,\"spared\":12,\"spared_bytes\":13,\"early\":14,"
                        "\"lead_ms\":15},\n"
                        "{\"page\":\"a.example/few\",\"seen_s\":0,\"visits\":4,");
    close_scene(&s);
}

static void test_most_visited_pages(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    for (unsigned i = 0; i < PUSH_LEDGER_PAGES; i++) {
        char name[16];
        snprintf(name, sizeof(name), "<%u>", i);
        struct push_ledger_row row = make_row(i + 1, name, i);
        push_ledger_merge(&s.rows, bytes_of(&row));
    }
    const char *text = written(&s);
    expect(text, "\"pages\":[\n{\"page\":\"<255>\"");
    expect(text, "\"<156>\"");
    assert_null(strstr(text, "\"<155>\""));
    close_scene(&s);
}

static void test_pages_visited_as_often_stand_in_one_order(void **state) {
    (void)state;
    static const struct {
        uint64_t key;
        int64_t seen_s;
        const char *name;
    } pages[] = {{3, 40, "[2]"}, {1, 50, "[1]"}, {9, 60, "[0]"}, {7, 40, "[3]"}};
    enum { PAGES = sizeof(pages) / sizeof(pages[0]) };
    for (size_t first = 0; first < PAGES; first++) { // whichever came first
        struct scene s;
        open_scene(&s);
        for (size_t i = 0; i < PAGES; i++) {
            size_t k = (first + i) % PAGES;
            struct push_ledger_row row = make_row(pages[k].key, pages[k].name, 5);
            row.seen_s = pages[k].seen_s;
            push_ledger_merge(&s.rows, bytes_of(&row));
        }
        const char *text = written(&s);
        for (size_t i = 0; i < PAGES; i++) {
            char name[16];
            snprintf(name, sizeof(name), "\"[%zu]\"", i);
            text = strstr(text, name);
            assert_non_null(text);
        }
        close_scene(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_process),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_most_visited_pages),
        cmocka_unit_test(test_pages_visited_as_often_stand_in_one_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
