// SPDX-License-Identifier: Apache-2.0
// The two formats, to the byte where that matters. Real parsers read them in test/e2e.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin_family.h"
#include "admin_metrics.h"
#include "base/alloc.h"

enum { WORKERS = 2 };

struct scene {
    struct metrics *metrics[WORKERS];
    struct admin_worker workers[WORKERS];
    struct admin_status status;
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
                                      .is_live = true,
                                      .reason = "draining",
                                      .workers = s->workers,
                                      .worker_count = WORKERS,
                                      .reloads = 3,
                                      .failed_reloads = 1,
                                      .reloaded_s = 1700000100,
                                      .reload_error = "",
                                      .memory_used = 11,
                                      .memory_level = MEMORY_SHORT,
                                      .cpu_ms = 12034};
}

static void close_scene(struct scene *s) {
    for (unsigned i = 0; i < WORKERS; i++) {
        free(s->metrics[i]);
    }
    free(s->text);
}

static const char *written(struct scene *s, enum admin_metrics_format format) {
    struct buffer out = {0};
    admin_metrics_write(&s->status, format, &out);
    buffer_append(&out, "", 1);
    free(s->text);
    s->text = out.data; // nothing was consumed, so the text starts there
    return s->text;
}

// The lines from the family's TYPE to the next one's are exactly these.
static void expect_family(const char *text, const char *lines) {
    size_t first = strcspn(lines, "\n") + 1;
    char *type = alloc_bytes(first + 1);
    memcpy(type, lines, first);
    type[first] = '\0';
    const char *at = strstr(text, type);
    if (at == NULL) {
        fail_msg("no %s", type);
    }
    const char *end = strstr(at + first, "# TYPE");
    const char *eof = strstr(at + first, "# EOF");
    end = end != NULL ? end : eof != NULL ? eof : at + strlen(at);
    if ((size_t)(end - at) != strlen(lines) || memcmp(at, lines, strlen(lines)) != 0) {
        fail_msg("'%.*s', not '%s'", (int)(end - at), at, lines);
    }
    free(type);
}

static void test_prometheus(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    metrics_add(s.metrics[0], CONNECTIONS, METRIC_HTTP2, 7);
    metrics_subtract(s.metrics[0], CONNECTIONS, METRIC_HTTP2, 2);
    metrics_add(s.metrics[1], CONNECTIONS, METRIC_HTTP1, 1);
    metrics_add(s.metrics[1], CONNECTIONS, METRIC_HTTP2, 4);
    metrics_add(s.metrics[0], REQUESTS, METRIC_HTTP1 * METRIC_CODES + 4, 9); // 5xx
    metrics_add(s.metrics[1], REQUESTS, METRIC_HTTP2 * METRIC_CODES + 1, 18446744073709551615u);
    metrics_set(s.metrics[0], LEARNED_PAGES, 0, 12);
    metrics_set(s.metrics[1], LEARNED_PAGES, 0, 15);
    metrics_count(s.metrics[0], LEARNED_EVICTED);
    const char *text = written(&s, ADMIN_METRICS_PROMETHEUS);
    expect_family(text, "# TYPE outrider_build_info gauge\n"
                        "# HELP outrider_build_info The version that runs.\n"
                        "outrider_build_info{version=\"" OUTRIDER_VERSION "\"} 1\n");
    expect_family(text, "# TYPE outrider_ready gauge\n"
                        "# HELP outrider_ready What /ready says: new requests are welcome.\n"
                        "outrider_ready 0\n");
    expect_family(text, "# TYPE outrider_worker_silent_seconds gauge\n"
                        "# HELP outrider_worker_silent_seconds Since the worker that is silent the "
                        "longest last turned its loop.\n"
                        "outrider_worker_silent_seconds 0.021\n");
    expect_family(text, "# TYPE outrider_reloads_total counter\n"
                        "# HELP outrider_reloads_total Reloads of the configuration, by result.\n"
                        "outrider_reloads_total{result=\"good\"} 3\n"
                        "outrider_reloads_total{result=\"failed\"} 1\n");
    expect_family(text, "# TYPE outrider_connections gauge\n"
                        "# HELP outrider_connections Client connections open now.\n"
                        "outrider_connections{protocol=\"http1\"} 1\n"
                        "outrider_connections{protocol=\"http2\"} 9\n");
    expect_family(text,
                  "# TYPE outrider_requests_total counter\n"
                  "# HELP outrider_requests_total Requests of clients that are over, by the class "
                  "of the status sent (none: no response).\n"
                  "outrider_requests_total{protocol=\"http1\",code=\"none\"} 0\n"
                  "outrider_requests_total{protocol=\"http1\",code=\"2xx\"} 0\n"
                  "outrider_requests_total{protocol=\"http1\",code=\"3xx\"} 0\n"
                  "outrider_requests_total{protocol=\"http1\",code=\"4xx\"} 0\n"
                  "outrider_requests_total{protocol=\"http1\",code=\"5xx\"} 9\n"
                  "outrider_requests_total{protocol=\"http2\",code=\"none\"} 0\n"
                  "outrider_requests_total{protocol=\"http2\",code=\"2xx\"} 18446744073709551615\n"
                  "outrider_requests_total{protocol=\"http2\",code=\"3xx\"} 0\n"
                  "outrider_requests_total{protocol=\"http2\",code=\"4xx\"} 0\n"
                  "outrider_requests_total{protocol=\"http2\",code=\"5xx\"} 0\n");
    expect_family(text, "# TYPE outrider_learned_pages gauge\n" // the same pages, so no sum
                        "# HELP outrider_learned_pages Pages that hints were learned for.\n"
                        "outrider_learned_pages 15\n");
    expect_family(text, "# TYPE outrider_learned_evicted_total counter\n"
                        "# HELP outrider_learned_evicted_total Learned pages that made room for "
                        "others.\n"
                        "outrider_learned_evicted_total 1\n");
    expect_family(text, "# TYPE process_cpu_seconds_total counter\n"
                        "# HELP process_cpu_seconds_total Time on processors, user and system.\n"
                        "process_cpu_seconds_total 12.034\n");
    assert_null(strstr(text, "# UNIT"));
    assert_null(strstr(text, "# EOF"));
    assert_null(strstr(text, "fault=\"none\""));
    assert_non_null(strstr(text, "\noutrider_exchange_faults_total{fault=\"origin_cut\"} 0\n"));
    assert_non_null(strstr(text, "\noutrider_push_candidates_total{outcome=\"promised\"} 0\n"));
    assert_non_null(strstr(text, "\noutrider_limit_hits_total{limit=\"uri\"} 0\n"));
    assert_non_null(strstr(text, "\noutrider_digest_cookies_total{result=\"forged\"} 0\n"));
    close_scene(&s);
}

static void test_open_metrics(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    s.status.memory_ceiling = 1000;
    metrics_add(s.metrics[1], PUSH_BYTES, METRIC_BYTES_WASTED, 5);
    const char *text = written(&s, ADMIN_METRICS_OPEN);
    expect_family(text, "# TYPE outrider_build info\n"
                        "# HELP outrider_build The version that runs.\n"
                        "outrider_build_info{version=\"" OUTRIDER_VERSION "\"} 1\n");
    expect_family(text, "# TYPE outrider_push_content_bytes counter\n"
                        "# UNIT outrider_push_content_bytes bytes\n"
                        "# HELP outrider_push_content_bytes Content of pushes: delivered, or "
                        "wasted on a client that refused it.\n"
                        "outrider_push_content_bytes_total{result=\"delivered\"} 0\n"
                        "outrider_push_content_bytes_total{result=\"wasted\"} 5\n");
    expect_family(text, "# TYPE outrider_connections_opened counter\n"
                        "# HELP outrider_connections_opened Client connections whose protocol was "
                        "agreed.\n"
                        "outrider_connections_opened_total{protocol=\"http1\"} 0\n"
                        "outrider_connections_opened_total{protocol=\"http2\"} 0\n");
    expect_family(text, "# TYPE process_cpu_seconds counter\n"
                        "# UNIT process_cpu_seconds seconds\n"
                        "# HELP process_cpu_seconds Time on processors, user and system.\n"
                        "process_cpu_seconds_total 12.034\n");
    expect_family(text, "# TYPE outrider_memory_level gauge\n"
                        "# HELP outrider_memory_level 1 for the level now: normal, short (no "
                        "pushes, no learning) or full (refusing).\n"
                        "outrider_memory_level{level=\"normal\"} 0\n"
                        "outrider_memory_level{level=\"short\"} 1\n"
                        "outrider_memory_level{level=\"full\"} 0\n");
    expect_family(text, "# TYPE outrider_memory_ceiling_bytes gauge\n"
                        "# UNIT outrider_memory_ceiling_bytes bytes\n"
                        "# HELP outrider_memory_ceiling_bytes The most that may be used; missing "
                        "when there is no limit.\n"
                        "outrider_memory_ceiling_bytes 1000\n");
    size_t length = strlen(text);
    assert_string_equal(text + length - 7, "\n# EOF\n");
    s.status.memory_ceiling = 0;
    assert_null(strstr(written(&s, ADMIN_METRICS_OPEN), "\noutrider_memory_ceiling_bytes "));
    close_scene(&s);
}

static void test_histograms(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    const uint64_t times[] = {0, 5, 6, 74, 1000, 1001, 10001, 60000};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        metrics_observe_ms(s.metrics[i % WORKERS], DURATION, times[i]);
    }
    metrics_observe_bytes(s.metrics[0], COOKIE_BYTES, 256);
    metrics_observe_bytes(s.metrics[1], COOKIE_BYTES, 257);
    metrics_observe_bytes(s.metrics[1], COOKIE_BYTES, 40000);
    const char *text = written(&s, ADMIN_METRICS_PROMETHEUS);
    expect_family(text, "# TYPE outrider_request_duration_seconds histogram\n"
                        "# HELP outrider_request_duration_seconds From a request's head to the end "
                        "of its response.\n"
                        "outrider_request_duration_seconds_bucket{le=\"0.005\"} 2\n"
                        "outrider_request_duration_seconds_bucket{le=\"0.01\"} 3\n"
                        "outrider_request_duration_seconds_bucket{le=\"0.025\"} 3\n"
                        "outrider_request_duration_seconds_bucket{le=\"0.05\"} 3\n"
                        "outrider_request_duration_seconds_bucket{le=\"0.075\"} 4\n"
                        "outrider_request_duration_seconds_bucket{le=\"0.1\"} 4\n"
                        "outrider_request_duration_seconds_bucket{le=\"0.25\"} 4\n"
                        "outrider_request_duration_seconds_bucket{le=\"0.5\"} 4\n"
                        "outrider_request_duration_seconds_bucket{le=\"0.75\"} 4\n"
                        "outrider_request_duration_seconds_bucket{le=\"1.0\"} 5\n"
                        "outrider_request_duration_seconds_bucket{le=\"2.5\"} 6\n"
                        "outrider_request_duration_seconds_bucket{le=\"5.0\"} 6\n"
                        "outrider_request_duration_seconds_bucket{le=\"7.5\"} 6\n"
                        "outrider_request_duration_seconds_bucket{le=\"10.0\"} 6\n"
                        "outrider_request_duration_seconds_bucket{le=\"+Inf\"} 8\n"
                        "outrider_request_duration_seconds_count 8\n"
                        "outrider_request_duration_seconds_sum 72.087\n");
    text = written(&s, ADMIN_METRICS_OPEN);
    expect_family(text, "# TYPE outrider_request_cookie_bytes histogram\n"
                        "# UNIT outrider_request_cookie_bytes bytes\n"
                        "# HELP outrider_request_cookie_bytes Cookies of requests that have any.\n"
                        "outrider_request_cookie_bytes_bucket{le=\"256.0\"} 1\n"
                        "outrider_request_cookie_bytes_bucket{le=\"512.0\"} 2\n"
                        "outrider_request_cookie_bytes_bucket{le=\"1024.0\"} 2\n"
                        "outrider_request_cookie_bytes_bucket{le=\"2048.0\"} 2\n"
                        "outrider_request_cookie_bytes_bucket{le=\"4096.0\"} 2\n"
                        "outrider_request_cookie_bytes_bucket{le=\"8192.0\"} 2\n"
                        "outrider_request_cookie_bytes_bucket{le=\"16384.0\"} 2\n"
                        "outrider_request_cookie_bytes_bucket{le=\"32768.0\"} 2\n"
                        "outrider_request_cookie_bytes_bucket{le=\"+Inf\"} 3\n"
                        "outrider_request_cookie_bytes_count 3\n"
                        "outrider_request_cookie_bytes_sum 40513\n");
    close_scene(&s);
}

static void test_certificates(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    const struct admin_certificate rows[] = {
        {"https://127.0.0.1:1", "a\"b\\c\nd", 5}, {"https://127.0.0.1:1", "\xc3\xa9\xff", -6},
        {"https://127.0.0.1:1", "twice", 9},      {"https://127.0.0.1:2", "twice", 8},
        {"https://127.0.0.1:1", "twice", 7},
    };
    s.status.certificates = rows;
    s.status.certificate_count = sizeof(rows) / sizeof(rows[0]);
    const char *text = written(&s, ADMIN_METRICS_PROMETHEUS);
#define LINE "outrider_certificate_not_after_timestamp_seconds{listener=\"https://127.0.0.1:"
    expect_family(text,
                  "# TYPE outrider_certificate_not_after_timestamp_seconds gauge\n"
                  "# HELP outrider_certificate_not_after_timestamp_seconds When a listener's "
                  "certificate expires (Unix time).\n"           //
                  LINE "1\",name=\"a\\\"b\\\\c\\nd\"} 5\n"       //
                  LINE "1\",name=\"\xc3\xa9\xef\xbf\xbd\"} -6\n" //
                  LINE "1\",name=\"twice\"} 7\n"                 //
                  LINE "2\",name=\"twice\"} 8\n");
#undef LINE
    close_scene(&s);
}

// The last of the tests, since names of origins stay for ever.
static void test_bounds(void **state) {
    (void)state;
    enum { MANY = 1000 };
    struct scene s;
    open_scene(&s);
    assert_null(strstr(written(&s, ADMIN_METRICS_PROMETHEUS), "origin=\"o"));
    for (unsigned i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof(name), "o%u", i);
        metrics_add(s.metrics[0], ORIGIN_REQUESTS, metrics_name_slot(name), 1);
    }
    char names[MANY][16];
    struct admin_certificate certificates[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "c%u", i);
        certificates[i] = (struct admin_certificate){"https://127.0.0.1:1", names[i], i};
    }
    s.status.certificates = certificates;
    s.status.certificate_count = MANY;
    const char *text = written(&s, ADMIN_METRICS_OPEN);
    assert_non_null(strstr(text, "\noutrider_origin_requests_total{origin=\"o0\"} 1\n"));
    assert_non_null(strstr(text, "\noutrider_origin_requests_total{origin=\"o30\"} 1\n"));
    assert_null(strstr(text, "{origin=\"o31\"}"));
    assert_non_null(strstr(text, "\noutrider_origin_requests_total{origin=\"(others)\"} 969\n"));
    unsigned series = 0;
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        series += line[0] != '#';
    }
    assert_in_range(series, ADMIN_METRICS_CERTIFICATES, 1999);
    close_scene(&s);
}

// What the texts of METRIC_LIST may hold, since they are not escaped, and how names are made: in
// OpenMetrics a counter has no _total, so two families could get one name.
static void test_names(void **state) {
    (void)state;
    for (unsigned i = 0; i < METRIC_FAMILIES; i++) {
        const struct admin_family *family = &admin_families[i];
        assert_string_equal(family->help + strcspn(family->help, "\"\\\n"), "");
        assert_int_equal(family->help[strlen(family->help) - 1], '.');
        assert_int_equal(strspn(family->name, "abcdefghijklmnopqrstuvwxyz_0123456789"),
                         strlen(family->name));
        const char *total = strstr(family->name, "_total");
        assert_int_equal(total != NULL, family->kind == METRIC_COUNTER);
        if (family->kind == METRIC_TIMES) {
            assert_non_null(strstr(family->name, "_seconds"));
        }
        if (family->kind == METRIC_SIZES) {
            assert_non_null(strstr(family->name, "_bytes"));
        }
        size_t length = total != NULL ? (size_t)(total - family->name) : strlen(family->name);
        for (unsigned j = 0; j < METRIC_FAMILIES; j++) {
            const char *other = admin_families[j].name;
            bool is_same = strncmp(other, family->name, length) == 0 &&
                           (other[length] == '\0' || strcmp(other + length, "_total") == 0);
            if (is_same && i != j) {
                fail_msg("%s and %s", other, family->name);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prometheus), cmocka_unit_test(test_open_metrics),
        cmocka_unit_test(test_histograms), cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_names),      cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
