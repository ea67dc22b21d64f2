// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// Everything until the writing side is closed; NUL-terminated, the caller frees.
static char *read_all(int fd) {
    struct buffer all = {0};
    ssize_t got;
    while ((got = read(fd, buffer_reserve(&all, 4096), 4096)) > 0) {
        buffer_commit(&all, (size_t)got);
    }
    buffer_append(&all, "", 1);
    return all.data; // nothing was consumed, so the text starts there
}

static void write_text(struct log_sink *sink, const char *text, bool is_taken) {
    assert_int_equal(log_sink_write(sink, slice_of_text(text)), is_taken);
}

static void test_lines_leave_in_order(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct log_sink *sink = log_sink_create(ends[1], 1 << 20);
    for (int i = 0; i < 1000; i++) {
        char line[32];
        snprintf(line, sizeof(line), "%d\n", i);
        write_text(sink, line, true);
    }
    log_sink_destroy(sink); // closes the writing end
    char *text = read_all(ends[0]);
    char *at = text;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(strtol(at, &at, 10), i);
        assert_int_equal(*at++, '\n');
    }
    assert_int_equal(*at, '\0');
    free(text);
    close(ends[0]);
}

static void report_as_json(struct buffer *out, uint64_t lines) {
    char line[64];
    int length = snprintf(line, sizeof(line), "{\"dropped\":%u}\n", (unsigned)lines);
    buffer_append(out, line, (size_t)length);
}

// Fills the pipe, so that the sink's thread hangs in write().
static void stall(int fd) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    char bytes[4096];
    memset(bytes, '.', sizeof(bytes));
    while (write(fd, bytes, sizeof(bytes)) > 0) {
    }
    fcntl(fd, F_SETFL, 0);
}

static void test_stalled_reader_costs_lines_not_time(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    stall(ends[1]);
    struct log_sink *sink = log_sink_create(ends[1], 100);
    log_sink_set_report(sink, report_as_json);
    uint64_t began = now_ms();
    write_text(sink, "first line, 30 bytes with LF.\n", true);
    write_text(sink, "a batch\nof lines\n", true);
    for (int i = 0; i < 10000; i++) {
        write_text(sink, "this one is too much: 61 bytes, which do not fit any more ..\nand two\n",
                   false);
    }
    assert_true(now_ms() - began < 2000);
    assert_int_equal(log_sink_dropped(sink), 20000);

    // The reader wakes up: what was kept, then the count, then new lines.
    char dots[4096];
    ssize_t rest = 65536;
    while (rest > 0) {
        rest -= read(ends[0], dots, sizeof(dots));
    }
    char kept[64] = {0};
    assert_int_equal(read(ends[0], kept, 30), 30);
    assert_string_equal(kept, "first line, 30 bytes with LF.\n");
    while (!log_sink_write(sink, SLICE("new\n"))) {
        usleep(1000);
    }
    uint64_t dropped = log_sink_dropped(sink);
    log_sink_destroy(sink);
    char *text = read_all(ends[0]);
    char expected[128];
    snprintf(expected, sizeof(expected), "a batch\nof lines\n{\"dropped\":%u}\nnew\n",
             (unsigned)dropped);
    assert_string_equal(text, expected);
    free(text);
    close(ends[0]);
}

static void test_destroy_does_not_wait_for_ever(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    stall(ends[1]);
    struct log_sink *sink = log_sink_create(ends[1], 1 << 20);
    write_text(sink, "never read\n", true);
    uint64_t began = now_ms();
    log_sink_destroy(sink);
    uint64_t took = now_ms() - began;
    assert_in_range(took, 1500, 4000);
    close(ends[0]);
}

static void test_drops_are_reported_at_the_end_at_last(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct log_sink *sink = log_sink_create(ends[1], 4);
    write_text(sink, "too long\n", false);
    log_sink_destroy(sink);
    char *text = read_all(ends[0]);
    assert_non_null(strstr(text, "Z warn log - lines dropped count=1\n"));
    free(text);
    close(ends[0]);
}

static void test_reader_that_left_costs_lines_only(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    struct log_sink *sink = log_sink_create(ends[1], 1 << 20);
    write_text(sink, "one\ntwo\n", true);
    while (log_sink_dropped(sink) == 0) { // EPIPE, and no SIGPIPE
        usleep(1000);
    }
    assert_int_equal(log_sink_dropped(sink), 2);
    log_sink_destroy(sink);
    log_sink_destroy(NULL);
}

static void test_non_blocking_descriptor(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    stall(ends[1]);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    struct log_sink *sink = log_sink_create(ends[1], 1 << 20);
    write_text(sink, "late\n", true);
    usleep(20000);
    char dots[65536];
    ssize_t rest = 65536;
    while (rest > 0) {
        rest -= read(ends[0], dots, (size_t)rest);
    }
    log_sink_destroy(sink);
    char *text = read_all(ends[0]);
    assert_string_equal(text, "late\n");
    free(text);
    close(ends[0]);
}

static void *write_many(void *argument) {
    for (int i = 0; i < 500; i++) {
        log_sink_write(argument, SLICE("0123456789\n"));
    }
    return NULL;
}

static void test_many_producers_keep_lines_whole(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct log_sink *sink = log_sink_create(ends[1], 1 << 20);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, sink), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    log_sink_destroy(sink); // 22 000 bytes fit into the pipe
    char *text = read_all(ends[0]);
    assert_int_equal(strlen(text), 2000 * 11);
    for (const char *at = text; *at != '\0'; at += 11) {
        assert_memory_equal(at, "0123456789\n", 11);
    }
    free(text);
    close(ends[0]);
}

// --- another descriptor -------------------------------------------------------------------------

static void test_lines_go_to_the_new_descriptor(void **state) {
    (void)state;
    int first[2];
    int second[2];
    assert_int_equal(pipe(first), 0);
    assert_int_equal(pipe(second), 0);
    struct log_sink *sink = log_sink_create(first[1], 1 << 20);
    write_text(sink, "old\n", true);
    char byte[4];
    assert_int_equal(read(first[0], byte, 4), 4); // else it might go to the new one, too
    log_sink_reopen(sink, second[1]);
    char *text = read_all(first[0]); // ends when it is closed, with nothing written meanwhile
    assert_string_equal(text, "");
    free(text);
    write_text(sink, "new\n", true);
    log_sink_destroy(sink);
    text = read_all(second[0]);
    assert_string_equal(text, "new\n");
    free(text);
    close(first[0]);
    close(second[0]);
}

struct flood {
    struct log_sink *sink;
    char name; // stands in its lines
};

enum { FLOODS = 4, FLOOD_BATCHES = 5000, FLOOD_FILES = 40 };

static void *write_flood(void *argument) {
    const struct flood *flood = argument;
    for (unsigned i = 0; i < FLOOD_BATCHES; i++) {
        char lines[64];
        int length = snprintf(lines, sizeof(lines), "%c:%u\n%c:%u\n", flood->name, 2 * i,
                              flood->name, 2 * i + 1);
        assert_true(log_sink_write(flood->sink, slice_of(lines, (size_t)length)));
    }
    return NULL;
}

// Each flood's lines in order; `next` is the number to come.
static void read_flood(const char *text, unsigned next[FLOODS]) {
    const char *at = text;
    while (*at != '\0') {
        assert_in_range(*at, 'a', 'a' + FLOODS - 1);
        char *end;
        assert_int_equal(strtoul(at + 2, &end, 10), next[*at - 'a']++);
        assert_int_equal(*end, '\n');
        at = end + 1;
    }
}

static void test_nothing_is_lost_or_torn_in_between(void **state) {
    (void)state;
    char folder[] = "/tmp/test_log_XXXXXX";
    assert_non_null(mkdtemp(folder));
    int readers[FLOOD_FILES];
    struct log_sink *sink = log_sink_create(-1, 64 << 20);
    struct flood floods[FLOODS];
    pthread_t threads[FLOODS];
    for (unsigned i = 0; i < FLOOD_FILES; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s/%u", folder, i);
        log_sink_reopen(sink, open(name, O_WRONLY | O_APPEND | O_CREAT, 0600));
        readers[i] = open(name, O_RDONLY);
        unlink(name);
        for (unsigned j = 0; i == 0 && j < FLOODS; j++) {
            floods[j] = (struct flood){sink, (char)('a' + j)};
            assert_int_equal(pthread_create(&threads[j], NULL, write_flood, &floods[j]), 0);
        }
        usleep(500); // lets some lines come; how many does not matter
    }
    for (unsigned i = 0; i < FLOODS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(log_sink_dropped(sink), 0);
    log_sink_destroy(sink);
    unsigned next[FLOODS] = {0};
    for (unsigned i = 0; i < FLOOD_FILES; i++) {
        char *text = read_all(readers[i]);
        read_flood(text, next);
        free(text);
        close(readers[i]);
    }
    for (unsigned i = 0; i < FLOODS; i++) {
        assert_int_equal(next[i], 2 * FLOOD_BATCHES);
    }
    rmdir(folder);
}

static void test_without_a_descriptor(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct log_sink *sink = log_sink_create(-1, 10);
    write_text(sink, "thrown away, and longer than fits\n", true);
    assert_int_equal(log_sink_dropped(sink), 0);
    log_sink_reopen(sink, -1);
    write_text(sink, "likewise\n", true);
    log_sink_reopen(sink, ends[1]);
    write_text(sink, "read\n", true);
    log_sink_destroy(sink);
    char *text = read_all(ends[0]);
    assert_string_equal(text, "read\n");
    free(text);
    close(ends[0]);
}

static void test_last_lines_before_it_is_closed(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct log_sink *sink = log_sink_create(ends[1], 1 << 20);
    write_text(sink, "before\n", true);
    log_sink_reopen(sink, -1);
    usleep(100000);
    write_text(sink, "late\n", true);
    uint64_t began = now_ms();
    char *text = read_all(ends[0]); // until it is closed
    assert_in_range(now_ms() - began, 1500, 10000);
    assert_string_equal(text, "before\nlate\n");
    write_text(sink, "too late\n", true);
    log_sink_destroy(sink);
    assert_int_equal(fcntl(ends[1], F_GETFD), -1);
    free(text);
    close(ends[0]);
}

static void test_what_was_never_used_is_closed(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    stall(ends[1]);
    int unused[2];
    int last[2];
    assert_int_equal(pipe(unused), 0);
    assert_int_equal(pipe(last), 0);
    struct log_sink *sink = log_sink_create(ends[1], 1 << 20);
    write_text(sink, "never read\n", true);
    usleep(20000); // the thread hangs now
    log_sink_reopen(sink, unused[1]);
    log_sink_reopen(sink, last[1]);
    char *text = read_all(unused[0]);
    assert_string_equal(text, "");
    free(text);
    log_sink_destroy(sink);
    text = read_all(last[0]);
    assert_string_equal(text, "");
    free(text);
    close(ends[0]);
    close(unused[0]);
    close(last[0]);
}

static void test_a_torn_line_does_not_spoil_the_next(void **state) {
    (void)state;
    char name[] = "/tmp/test_log_XXXXXX";
    int fd = mkstemp(name);
    int reader = open(name, O_RDONLY);
    unlink(name);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    struct rlimit limit = {.rlim_cur = 12, .rlim_max = before.rlim_max}; // the disk is full
    setrlimit(RLIMIT_FSIZE, &limit);
    struct log_sink *sink = log_sink_create(fd, 1 << 20);
    log_sink_set_report(sink, report_as_json);
    write_text(sink, "whole\ntorn apart\nlost\n", true);
    while (log_sink_dropped(sink) == 0) {
        usleep(1000);
    }
    setrlimit(RLIMIT_FSIZE, &before);
    write_text(sink, "next\n", true);
    log_sink_destroy(sink);
    char *text = read_all(reader);
    assert_string_equal(text, "whole\ntorn a\n{\"dropped\":2}\nnext\n");
    free(text);
    close(reader);
}

// --- the error log ------------------------------------------------------------------------------

// Runs `write` with stderr in a pipe and returns what came; the caller frees.
static char *catch_stderr(void (*write_events)(void)) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int before = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    write_events();
    dup2(before, STDERR_FILENO);
    close(before);
    char *text = read_all(ends[0]);
    close(ends[0]);
    return text;
}

static void write_unstarted(void) {
    log_error("main", "-", "no %s", "luck");
    log_debug("main", "-", "off");
}

static void write_started(void) {
    log_start(LOG_WARN);
    log_info("relay", "c1", "not on");
    log_warn("relay", "c1/5", "text=%s end", "a\r\nb\x7f\x1b[2J\t\\\xc3\xa9");
    log_set_level(LOG_DEBUG);
    log_debug("relay", "o3", "now on");
    log_stop();
    log_set_level(LOG_INFO);
}

static void write_long(void) {
    char text[10000];
    memset(text, '\n', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    log_error("main", "-", "%s", text);
}

static void test_events_before_the_start_go_straight_out(void **state) {
    (void)state;
    char *text = catch_stderr(write_unstarted);
    assert_string_equal(text + strlen("2026-11-20T17:05:09.012Z"), " error main - no luck\n");
    free(text);
}

static void test_events_have_level_and_no_control_bytes(void **state) {
    (void)state;
    char *text = catch_stderr(write_started);
    assert_null(strstr(text, "not on"));
    size_t stamp = strlen("2026-11-20T17:05:09.012Z");
    const char *first = " warn relay c1/5 text=a\\x0d\\x0ab\\x7f\\x1b[2J\\x09\\\\\\xc3\\xa9 end\n";
    assert_memory_equal(text + stamp, first, strlen(first));
    assert_string_equal(text + 2 * stamp + strlen(first), " debug relay o3 now on\n");
    free(text);
}

static void write_json(void) {
    log_set_format(LOG_JSON);
    log_start(LOG_INFO);
    log_warn("relay", "c1/5", "text=%s", "a\r\nb\"\x1b\\\xc3\xa9\xff");
    log_stop();
    log_set_format(LOG_TEXT);
}

static void test_events_as_json(void **state) {
    (void)state;
    char *text = catch_stderr(write_json);
    assert_memory_equal(text, "{\"time\":\"20", 11);
    size_t stamp = strlen("{\"time\":\"2026-11-20T17:05:09.012Z");
    assert_string_equal(text + stamp,
                        "\",\"level\":\"warn\",\"area\":\"relay\",\"id\":\"c1/5\",\"message\":"
                        "\"text=a\\u000d\\u000ab\\\"\\u001b\\\\\xc3\xa9\\ufffd\"}\n");
    free(text);
}

static void test_long_events_are_cut(void **state) {
    (void)state;
    char *text = catch_stderr(write_long);
    size_t length = strlen(text);
    assert_in_range(length, 4096, 4 * 4096 + 64);
    assert_ptr_equal(strchr(text, '\n'), text + length - 1);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_leave_in_order),
        cmocka_unit_test(test_stalled_reader_costs_lines_not_time),
        cmocka_unit_test(test_destroy_does_not_wait_for_ever),
        cmocka_unit_test(test_drops_are_reported_at_the_end_at_last),
        cmocka_unit_test(test_reader_that_left_costs_lines_only),
        cmocka_unit_test(test_non_blocking_descriptor),
        cmocka_unit_test(test_many_producers_keep_lines_whole),
        cmocka_unit_test(test_lines_go_to_the_new_descriptor),
        cmocka_unit_test(test_nothing_is_lost_or_torn_in_between),
        cmocka_unit_test(test_without_a_descriptor),
        cmocka_unit_test(test_last_lines_before_it_is_closed),
        cmocka_unit_test(test_what_was_never_used_is_closed),
        cmocka_unit_test(test_a_torn_line_does_not_spoil_the_next),
        cmocka_unit_test(test_events_before_the_start_go_straight_out),
        cmocka_unit_test(test_events_have_level_and_no_control_bytes),
        cmocka_unit_test(test_events_as_json),
        cmocka_unit_test(test_long_events_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
