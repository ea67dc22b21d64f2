// SPDX-License-Identifier: Apache-2.0
// What pushes and hints were good for: in the numbers of the worker, and page by page.
#include "relay_scene.h"

#include "push/push_ledger.h"

#define CSS "link: </a.css>; rel=preload; as=style"
#define CSS_AND_PNG CSS ", </b.png>; rel=preload; as=image"

static const char plain[] = "[{origin: app}]";
static const char declaring[] = "[{origin: app, push: [/app.css]}]";
static const char hinting[] = "[{origin: app, hint: [/a.css, /b.css]}]";

#define number_of(s, ID, index) metrics_read(&(s)->metrics, METRIC_AT_##ID + (index))
#define outcome_of(s, REASON) number_of(s, OUTCOMES, PUSH_REASON_##REASON)

// The row of a page; NULL when it has none. Looking is not asking for it.
static const struct push_ledger_row *find_row(struct scene *s, const char *name) {
    static struct push_ledger_row found;
    struct buffer copy = {0};
    push_ledger_copy(s->memory.ledger, &copy);
    struct slice bytes = buffer_peek(&copy);
    bool is_found = false;
    for (; bytes.length > 0 && !is_found; bytes = slice_skip(bytes, sizeof(found))) {
        memcpy(&found, bytes.data, sizeof(found));
        is_found = slice_equal(slice_of(found.name, found.name_length), slice_of_text(name));
    }
    buffer_finish(&copy);
    return is_found ? &found : NULL;
}

static const struct push_ledger_row *row(struct scene *s, const char *name) {
    const struct push_ledger_row *found = find_row(s, name);
    if (found == NULL) {
        fail_msg("%s has no row", name);
    }
    return found;
}

static uint64_t sum_of_outcomes(struct scene *s) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < METRICS_OUTCOMES; i++) {
        sum += number_of(s, OUTCOMES, i);
    }
    return sum;
}

// Every exchange ends well that has not ended.
static void close_streams(struct scene *s) {
    for (unsigned i = 1; i <= s->front.stream_count; i++) {
        if (scene_stream(s, i)->x != NULL) {
            fake_front_close(scene_stream(s, i), FAULT_NONE);
        }
    }
}

// The whole answer, with content.
static void answer_with(struct origin_call *call, const char *fields, const char *body) {
    fake_origin_head(call, 200, fields);
    fake_origin_body(call, body);
    fake_origin_end(call, NULL);
}

static void test_there_is_room_for_all_reasons(void **state) {
    (void)state;
    assert_in_range(PUSH_REASON_COUNT, 1, METRICS_OUTCOMES);
    assert_in_range(PUSH_DIGEST_OUTCOME_COUNT, 1, METRICS_DIGESTS);
}

// --- visits and candidates ----------------------------------------------------------------------

static void test_a_visit(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    scene_get(&s, "/page?query=1");
    fake_origin_interim(scene_call(&s, 1), 103, CSS);
    scene_answer(scene_call(&s, 1), CSS_AND_PNG); // of which one was there before
    close_streams(&s);
    const struct push_ledger_row *page = row(&s, "a.example/page");
    assert_int_equal(page->visits, 1); // in two moments
    assert_int_equal(page->candidates, 2);
    assert_int_equal(page->promised, 2);
    assert_int_equal(page->seen_s, 784111777);
    assert_int_equal(outcome_of(&s, PROMISED), 2);
    assert_int_equal(outcome_of(&s, REPEATED), 1);
    assert_int_equal(sum_of_outcomes(&s), 3);
    scene_get(&s, "/page?query=2");
    s.front.clock.wall_ms += 5000;
    scene_answer(scene_last_call(&s), CSS_AND_PNG);
    close_streams(&s);
    page = row(&s, "a.example/page");
    assert_int_equal(page->visits, 2);
    assert_int_equal(page->seen_s, 784111782);
    assert_int_equal(page->candidates, 4);
    assert_int_equal(page->promised, 2);
    assert_int_equal(page->spared, 2);
    scene_close(&s);
}

static void test_pages_without_candidates_have_no_row(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    scene_get(&s, "/plain");
    scene_answer(scene_call(&s, 1), "link: </next>; rel=next");
    close_streams(&s);
    assert_null(find_row(&s, "a.example/plain"));
    assert_int_equal(sum_of_outcomes(&s), 0);
    assert_int_equal(number_of(&s, ORIGIN_TIME, METRICS_TIME_SLOTS - 2), 0);
    assert_int_equal(number_of(&s, ORIGIN_TIME, 0), 1); // the head came at once
    assert_int_equal(number_of(&s, LEAD, 0), 0);
    scene_close(&s);
}

// What is pushed has candidates too, none of which is promised: they are no visit of it.
static void test_pushes_have_no_row(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    scene_get(&s, "/");
    scene_answer(scene_call(&s, 1), CSS);
    scene_answer(scene_call(&s, 2), "link: </font.woff2>; rel=preload; as=font");
    close_streams(&s);
    assert_null(find_row(&s, "a.example/a.css"));
    assert_int_equal(outcome_of(&s, NESTED), 1);
    assert_int_equal(row(&s, "a.example/")->candidates, 1);
    scene_close(&s);
}

static void test_elements_beyond_the_limits(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    s.front.promise_room = 0;
    enum { ELEMENTS = 300 };
    char fields[ELEMENTS * 32] = "link: ";
    size_t length = strlen(fields);
    for (unsigned i = 0; i < ELEMENTS; i++) {
        length += (size_t)snprintf(fields + length, sizeof(fields) - length,
                                   "%s</%u.css>; rel=preload", i > 0 ? ", " : "", i);
    }
    scene_get(&s, "/");
    scene_answer(scene_call(&s, 1), fields);
    close_streams(&s);
    uint64_t ignored = number_of(&s, IGNORED, 0);
    assert_in_range(ignored, 1, ELEMENTS - 1);
    assert_int_equal(sum_of_outcomes(&s) + ignored, ELEMENTS);
    assert_int_equal(row(&s, "a.example/")->candidates, ELEMENTS - ignored);
    scene_close(&s);
}

// --- promises -----------------------------------------------------------------------------------

// The front has said that there is room, and then takes none: as if the client took none.
static void test_a_promise_that_the_front_does_not_take(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    s.front.refuses_promises = true;
    struct fake_stream *stream = scene_get(&s, "/");
    fake_origin_interim(scene_call(&s, 1), 103, CSS_AND_PNG);
    scene_answer(scene_call(&s, 1), "");
    scene_expect_skipped(stream, "client:2");
    assert_int_equal(outcome_of(&s, PROMISED), 0);
    assert_int_equal(outcome_of(&s, CLIENT), 2);
    const struct push_ledger_row *page = row(&s, "a.example/");
    assert_int_equal(page->candidates, 2);
    assert_int_equal(page->promised, 0);
    assert_int_equal(page->passed, 1);
    for (unsigned i = 0; i < METRIC_PUSHES; i++) {
        assert_int_equal(number_of(&s, PUSHES, i), 0);
    }
    scene_close(&s);
}

static void test_ends_of_pushes(void **state) {
    (void)state;
    static const struct {
        enum fault fault; // of the client's side
        int status;       // of the origin's answer, 0: it fails
        enum metric_push result;
        uint64_t completed, refused, taken_back, pushed, wasted;
    } rows[] = {
        {FAULT_NONE, 200, METRIC_PUSH_COMPLETED, 1, 0, 0, 5, 0},
        {FAULT_CLIENT_RESET, 200, METRIC_PUSH_REFUSED, 0, 1, 0, 0, 5},
        {FAULT_CLIENT_GONE, 200, METRIC_PUSH_FAILED, 0, 0, 1, 0, 0},
        {FAULT_NONE, 404, METRIC_PUSH_TAKEN_BACK, 0, 0, 1, 0, 0},
        {FAULT_NONE, 0, METRIC_PUSH_FAILED, 0, 0, 1, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene s;
        scene_open(&s, plain);
        scene_get(&s, "/");
        scene_answer(scene_call(&s, 1), CSS);
        struct fake_stream *push = scene_stream(&s, 2);
        fake_front_close(scene_stream(&s, 1), FAULT_NONE); // the page may go before
        if (rows[i].status == 0) {
            fake_origin_fail(scene_call(&s, 2), FAULT_ORIGIN_TIMEOUT);
        } else {
            fake_origin_head(scene_call(&s, 2), rows[i].status, "");
        }
        if (rows[i].status == 200) {
            fake_origin_body(scene_call(&s, 2), "style");
        }
        if (rows[i].status == 200 && rows[i].fault == FAULT_NONE) {
            fake_origin_end(scene_call(&s, 2), NULL);
        }
        fake_front_close(push, rows[i].fault);
        const struct push_ledger_row *page = row(&s, "a.example/");
        if (number_of(&s, PUSHES, rows[i].result) != 1 || page->completed != rows[i].completed ||
            page->refused != rows[i].refused || page->taken_back != rows[i].taken_back ||
            page->pushed_bytes != rows[i].pushed || page->wasted_bytes != rows[i].wasted) {
            fail_msg("row %zu: completed %llu, refused %llu, taken back %llu", i,
                     (unsigned long long)page->completed, (unsigned long long)page->refused,
                     (unsigned long long)page->taken_back);
        }
        uint64_t sum = 0;
        for (unsigned j = 0; j < METRIC_PUSHES; j++) {
            sum += number_of(&s, PUSHES, j);
        }
        assert_int_equal(sum, 1);
        assert_int_equal(number_of(&s, PUSH_BYTES, METRIC_BYTES_DELIVERED), rows[i].pushed);
        assert_int_equal(number_of(&s, PUSH_BYTES, METRIC_BYTES_WASTED), rows[i].wasted);
        scene_close(&s);
    }
}

static void refuse_late(struct scene *s, uint64_t tag) {
    s->front.client.memory_on_late_refusal(s->front.client.memory, tag);
}

// All of it was sent: it counts as delivered, and as wasted too when the client says so.
static void test_a_late_refusal(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    scene_get(&s, "/");
    scene_answer(scene_call(&s, 1), CSS_AND_PNG);
    answer_with(scene_call(&s, 2), "", "style");
    answer_with(scene_call(&s, 3), "", "picture");
    uint64_t tag = scene_stream(&s, 2)->x->promise_tag;
    close_streams(&s);
    assert_int_equal(row(&s, "a.example/")->completed, 2);
    assert_int_equal(row(&s, "a.example/")->pushed_bytes, 12);
    for (unsigned i = 1; i <= 2; i++) { // once more, which is not wasted once more
        refuse_late(&s, tag);
        const struct push_ledger_row *page = row(&s, "a.example/");
        assert_int_equal(page->completed, 1);
        assert_int_equal(page->refused, 1);
        assert_int_equal(page->pushed_bytes, 7);
        assert_int_equal(page->wasted_bytes, 5);
        assert_int_equal(number_of(&s, PUSHES, METRIC_PUSH_REFUSED_LATE), i);
        assert_int_equal(number_of(&s, PUSH_BYTES, METRIC_BYTES_WASTED), 5);
    }
    // Counters never go down.
    assert_int_equal(number_of(&s, PUSHES, METRIC_PUSH_COMPLETED), 2);
    assert_int_equal(number_of(&s, PUSH_BYTES, METRIC_BYTES_DELIVERED), 12);
    assert_int_equal(number_of(&s, PUSHES, METRIC_PUSH_REFUSED), 0);
    scene_close(&s);
}

static void test_a_late_refusal_of_what_nobody_remembers(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    scene_get(&s, "/");
    scene_answer(scene_call(&s, 1), CSS_AND_PNG);
    answer_with(scene_call(&s, 2), "", "style");
    uint64_t tag = scene_stream(&s, 2)->x->promise_tag;
    uint64_t under_way = scene_stream(&s, 3)->x->promise_tag;
    close_streams(&s);
    refuse_late(&s, 0);
    refuse_late(&s, under_way);
    refuse_late(&s, tag + under_way);
    assert_int_equal(number_of(&s, PUSHES, METRIC_PUSH_REFUSED_LATE), 3);
    assert_int_equal(number_of(&s, PUSH_BYTES, METRIC_BYTES_WASTED), 0);
    for (unsigned i = 0; i < PUSH_LEDGER_PAGES; i++) { // the page's row makes room
        char path[16];
        snprintf(path, sizeof(path), "/%u", i);
        push_ledger_row(s.memory.ledger, SLICE("a.example"), slice_of_text(path));
    }
    refuse_late(&s, tag);
    assert_int_equal(number_of(&s, PUSH_BYTES, METRIC_BYTES_WASTED), 5);
    assert_null(find_row(&s, "a.example/"));
    scene_close(&s);
}

// A push may end long after its page's row has made room for others.
static void test_a_row_that_has_left(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    scene_get(&s, "/");
    scene_answer(scene_call(&s, 1), CSS);
    fake_front_close(scene_stream(&s, 1), FAULT_NONE);
    for (unsigned i = 0; i < PUSH_LEDGER_PAGES; i++) {
        char path[16];
        snprintf(path, sizeof(path), "/%u", i);
        push_ledger_row(s.memory.ledger, SLICE("a.example"), slice_of_text(path));
    }
    assert_null(find_row(&s, "a.example/"));
    answer_with(scene_call(&s, 2), "", "style");
    close_streams(&s);
    assert_int_equal(number_of(&s, PUSHES, METRIC_PUSH_COMPLETED), 1);
    assert_int_equal(number_of(&s, PUSH_BYTES, METRIC_BYTES_DELIVERED), 5);
    assert_null(find_row(&s, "a.example/"));
    scene_close(&s);
}

// What the client has is not pushed again: so much was not sent in vain.
static void test_spared(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    scene_get(&s, "/one");
    scene_answer(scene_call(&s, 1), CSS_AND_PNG);
    answer_with(scene_call(&s, 2), "", "style");
    fake_front_close(scene_stream(&s, 3), FAULT_CLIENT_RESET); // its size is not known
    close_streams(&s);
    scene_get(&s, "/two");
    scene_answer(scene_last_call(&s), CSS_AND_PNG);
    close_streams(&s);
    const struct push_ledger_row *page = row(&s, "a.example/two");
    assert_int_equal(page->promised, 0);
    assert_int_equal(page->spared, 2);
    assert_int_equal(page->spared_bytes, 5);
    assert_int_equal(row(&s, "a.example/one")->spared, 0);
    scene_close(&s);
}

// --- hints --------------------------------------------------------------------------------------

static void test_our_own_hints(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, hinting);
    scene_navigate(&s, "/");
    s.front.clock.now_ms += 240;
    scene_answer(scene_call(&s, 1), "");
    close_streams(&s);
    const struct push_ledger_row *page = row(&s, "a.example/");
    assert_int_equal(page->hinted, 2); // elements
    assert_int_equal(page->passed, 0);
    assert_int_equal(page->early, 1);
    assert_int_equal(page->lead_ms, 240);
    assert_int_equal(outcome_of(&s, HINTED), 2);
    assert_int_equal(number_of(&s, HINTS, METRIC_HINT_OWN), 1); // 103s
    assert_int_equal(number_of(&s, HINTS, METRIC_HINT_ORIGIN), 0);
    assert_int_equal(number_of(&s, LEAD, METRICS_TIME_SLOTS - 1), 240);
    assert_int_equal(number_of(&s, ORIGIN_TIME, METRICS_TIME_SLOTS - 1), 240);
    scene_close(&s);
}

static void test_held_hints_that_leave(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    struct fake_stream *stream = scene_navigate(&s, "/");
    s.pool.is_gathering = true;
    fake_origin_interim(scene_call(&s, 1), 103, CSS);
    assert_int_equal(sum_of_outcomes(&s), 0); // nobody knows yet
    s.pool.is_gathering = false;
    fake_origin_interim(scene_call(&s, 1), 103, "link: </b.js>; rel=preload");
    assert_int_equal(outcome_of(&s, HINTED), 2);
    s.front.clock.now_ms += 30;
    scene_answer(scene_call(&s, 1), "");
    scene_expect_skipped(stream, "");
    assert_int_equal(stream->story.hinted, 2);
    assert_int_equal(outcome_of(&s, HINTED), 2);
    assert_int_equal(sum_of_outcomes(&s), 2);
    assert_int_equal(number_of(&s, HINTS, METRIC_HINT_ORIGIN), 1);
    const struct push_ledger_row *page = row(&s, "a.example/");
    assert_int_equal(page->candidates, 2);
    assert_int_equal(page->passed, 1);
    assert_int_equal(page->hinted, 0); // not by us
    assert_int_equal(page->early, 1);
    assert_int_equal(page->lead_ms, 30);
    scene_close(&s);
}

static void test_held_hints_that_come_too_late(void **state) {
    (void)state;
    for (int is_gone = 0; is_gone <= 1; is_gone++) {
        struct scene s;
        scene_open(&s, plain);
        struct fake_stream *stream = scene_navigate(&s, "/");
        s.pool.is_gathering = true;
        fake_origin_interim(scene_call(&s, 1), 103, CSS_AND_PNG);
        if (is_gone) {
            fake_front_close(stream, FAULT_CLIENT_GONE);
        } else {
            scene_answer(scene_call(&s, 1), "");
            fake_front_close(stream, FAULT_NONE);
        }
        assert_int_equal(stream->story.hinted, 0);
        assert_int_equal(outcome_of(&s, HINTED), 0);
        assert_int_equal(outcome_of(&s, TOO_LATE), 2);
        assert_int_equal(sum_of_outcomes(&s), 2);
        assert_int_equal(number_of(&s, HINTS, METRIC_HINT_ORIGIN), 0);
        assert_int_equal(row(&s, "a.example/")->passed, 0);
        assert_int_equal(row(&s, "a.example/")->early, 0);
        assert_int_equal(number_of(&s, LEAD, METRICS_TIME_SLOTS - 1), 0);
        scene_close(&s);
    }
}

// --- time won -----------------------------------------------------------------------------------

static void test_promises_while_the_origin_thinks(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, declaring);
    scene_get(&s, "/");
    s.front.clock.now_ms += 100;
    fake_origin_interim(scene_call(&s, 1), 103, CSS); // the first counts
    s.front.clock.now_ms += 50;
    scene_answer(scene_call(&s, 1), "");
    close_streams(&s);
    const struct push_ledger_row *page = row(&s, "a.example/");
    assert_int_equal(page->promised, 2);
    assert_int_equal(page->early, 1);
    assert_int_equal(page->lead_ms, 150);
    assert_int_equal(number_of(&s, LEAD, METRICS_TIME_SLOTS - 1), 150);
    scene_close(&s);
}

static void test_promises_with_the_head_win_no_time(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, plain);
    scene_get(&s, "/");
    s.front.clock.now_ms += 100;
    scene_answer(scene_call(&s, 1), CSS);
    close_streams(&s);
    assert_int_equal(row(&s, "a.example/")->promised, 1);
    assert_int_equal(row(&s, "a.example/")->early, 0);
    assert_int_equal(number_of(&s, LEAD, METRICS_TIME_SLOTS - 1), 0);
    scene_close(&s);
}

static void test_an_origin_that_fails_gives_no_lead(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, hinting);
    scene_navigate(&s, "/");
    s.front.clock.now_ms += 100;
    fake_origin_fail(scene_call(&s, 1), FAULT_ORIGIN_TIMEOUT);
    close_streams(&s);
    assert_int_equal(row(&s, "a.example/")->visits, 1);
    assert_int_equal(row(&s, "a.example/")->early, 0);
    assert_int_equal(number_of(&s, ORIGIN_TIME, METRICS_TIME_SLOTS - 1), 0);
    scene_close(&s);
}

// The first hint counts, whichever connection then brings the head.
static void test_lead_after_a_retry(void **state) {
    (void)state;
    struct scene s;
    scene_open(&s, hinting);
    s.pool.is_reused = true;
    scene_navigate(&s, "/");
    s.front.clock.now_ms += 10;
    fake_origin_fail(scene_call(&s, 1), FAULT_ORIGIN_RESET);
    s.front.clock.now_ms += 90;
    scene_answer(scene_call(&s, 2), "");
    close_streams(&s);
    assert_int_equal(row(&s, "a.example/")->early, 1);
    assert_int_equal(row(&s, "a.example/")->lead_ms, 100);
    assert_int_equal(row(&s, "a.example/")->hinted, 2);
    assert_int_equal(number_of(&s, HINTS, METRIC_HINT_OWN), 1);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_is_room_for_all_reasons),
        cmocka_unit_test(test_a_visit),
        cmocka_unit_test(test_pages_without_candidates_have_no_row),
        cmocka_unit_test(test_pushes_have_no_row),
        cmocka_unit_test(test_elements_beyond_the_limits),
        cmocka_unit_test(test_a_promise_that_the_front_does_not_take),
        cmocka_unit_test(test_ends_of_pushes),
        cmocka_unit_test(test_a_late_refusal),
        cmocka_unit_test(test_a_late_refusal_of_what_nobody_remembers),
        cmocka_unit_test(test_a_row_that_has_left),
        cmocka_unit_test(test_spared),
        cmocka_unit_test(test_our_own_hints),
        cmocka_unit_test(test_held_hints_that_leave),
        cmocka_unit_test(test_held_hints_that_come_too_late),
        cmocka_unit_test(test_promises_while_the_origin_thinks),
        cmocka_unit_test(test_promises_with_the_head_win_no_time),
        cmocka_unit_test(test_an_origin_that_fails_gives_no_lead),
        cmocka_unit_test(test_lead_after_a_retry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
