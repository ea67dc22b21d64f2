// SPDX-License-Identifier: Apache-2.0
// The budget and the memory of closed streams alone; what a session does with them:
// test_h2_limits.c.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "h2_impl.h"

// --- the budget ---------------------------------------------------------------------------------

// Spends until it is empty.
static unsigned spend_all(struct h2_budget *budget, uint64_t now_ms) {
    unsigned spent = 0;
    while (spent < 100000 && h2_budget_spend(budget, now_ms)) {
        spent++;
    }
    return spent;
}

// How many tokens are there so long after the budget was emptied? 200 at once, 33 a second.
static const struct {
    uint64_t after_ms;
    unsigned least, most;
} refills[] = {
    {0, 0, 0},        {10, 0, 0},       {29, 0, 0},          {31, 1, 1},
    {100, 3, 3},      {1000, 33, 33},   {3000, 98, 99},      {6000, 197, 198},
    {6061, 200, 200}, {7000, 200, 200}, {3600000, 200, 200}, {UINT64_MAX / 2, 200, 200},
};

static void test_budget_refills(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(refills) / sizeof(refills[0]); i++) {
        struct h2_budget budget = {0};
        assert_int_equal(spend_all(&budget, 50000), 200);
        unsigned refilled = spend_all(&budget, 50000 + refills[i].after_ms);
        if (refilled < refills[i].least || refilled > refills[i].most) {
            fail_msg("after %llu ms: %u", (unsigned long long)refills[i].after_ms, refilled);
        }
    }
}

// One spent now and then never empties it, also when each step is less than a token.
static void test_budget_bears_a_steady_trickle(void **state) {
    (void)state;
    struct h2_budget budget = {0};
    for (unsigned i = 0; i < 5000; i++) {
        assert_true(h2_budget_spend(&budget, 1000 + i * 40)); // 25 a second
    }
    unsigned refused = 0;
    for (unsigned i = 0; i < 5000; i++) {
        refused += !h2_budget_spend(&budget, 300000 + i * 10); // 100 a second
    }
    assert_in_range(refused, 3100, 3200); // 200 + 50 s * 33 got through
}

// --- closed streams ------------------------------------------------------------------------------

// One frame a word: H or D and the id; '+' behind it: a stream was made of it, as the session does;
// 'r' and an id: we reset that stream, 'o' and an id: the frame D comes while it is open.
// The verdict of each frame: '.' fine, 'S' skipped, 'E' ended.
static const struct {
    const char *frames;
    const char *verdicts;
} talks[] = {
    {"H1+ H3+ H5+", "..."},
    {"H1+ o1 o1 H3+", "...."}, // DATA for an open stream
    {"H1+ D1", ".E"},          // the client had ended it itself
    {"H1+ H1", ".E"},          // no second request, no trailers any more
    {"H1+ H3+ D1", "..E"},
    {"H1+ r1 D1 D1 H1", "...."}, // under way when we reset it
    {"H1+ H3+ r1 D3", "..E"},
    {"H1 D1", ".."}, // refused by the library: over the stream limit, say
    {"H1 D1 D1 H3+ D1", "....."},
    {"H1 H3 H5+ D3 D1", "....."},
    {"H1 H3+ D3", "..E"},
    {"H1+ H5+ D3", "..S"}, // passed over
    {"H1+ H5+ H3", "..S"},
    {"H1+ H7+ D3 D5 D7", "..SSE"},
    {"H5+ D1 D3", ".SS"},
    {"H1+ H5+ D5 D1", "..EE"},
    {"D1", "."}, // idle: the library answers
    {"H1+ D3 H3+", "..."},
    {"H2 D2 D4", "..."}, // ours: the library answers
    {"D0 H0", ".."},
    {"H1+ H2147483647+ D2147483645 D2147483647", "..SE"},
};

static char next_verdict(struct h2_closed *closed, const char *frame) {
    int32_t id = (int32_t)strtol(frame + 1, NULL, 10);
    bool is_headers = frame[0] == 'H';
    switch (h2_closed_check(closed, is_headers, id, frame[0] == 'o')) {
    case H2_CLOSED_FINE:
        if (is_headers && strchr(frame, '+') != NULL) {
            assert_int_equal(closed->opening_id, id);
            closed->opening_id = 0;
        }
        return '.';
    case H2_CLOSED_SKIPPED:
        return 'S';
    case H2_CLOSED_ENDED:
        return 'E';
    }
    abort();
}

static void test_talks(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
        struct h2_closed closed = {.next = 0};
        char frames[128];
        char verdicts[32] = "";
        snprintf(frames, sizeof(frames), "%s", talks[i].frames);
        char *rest = frames;
        char *frame;
        while ((frame = strtok_r(rest, " ", &rest)) != NULL) {
            if (frame[0] == 'r') {
                h2_closed_add_reset(&closed, (int32_t)strtol(frame + 1, NULL, 10));
                continue;
            }
            verdicts[strlen(verdicts)] = next_verdict(&closed, frame);
        }
        if (strcmp(verdicts, talks[i].verdicts) != 0) {
            fail_msg("%s: %s", talks[i].frames, verdicts);
        }
    }
}

static enum h2_closed_verdict data(struct h2_closed *closed, int32_t id) {
    return h2_closed_check(closed, false, id, false);
}

static void open_and_end(struct h2_closed *closed, int32_t id) {
    assert_int_equal(h2_closed_check(closed, true, id, false), H2_CLOSED_FINE);
    closed->opening_id = 0;
}

// More resets than are remembered: what fell out of the ring, and all below it, is looked at
// kindly; a client that did nothing wrong is never punished.
static void test_forgotten_resets_are_lenient(void **state) {
    (void)state;
    struct h2_closed closed = {.next = 0};
    enum { STREAMS = 1000 };
    for (int32_t i = 0; i < STREAMS; i++) {
        open_and_end(&closed, 2 * i + 1);
        if (i % 2 == 0) {
            h2_closed_add_reset(&closed, 2 * i + 1);
        }
        for (int32_t j = 0; j <= i; j += 2) {
            assert_int_equal(data(&closed, 2 * j + 1), H2_CLOSED_FINE);
        }
    }
    assert_int_equal(data(&closed, 2 * (STREAMS - 1) + 1), H2_CLOSED_ENDED);
    assert_int_equal(data(&closed, 2 * (STREAMS - 101) + 1), H2_CLOSED_ENDED); // still known
    assert_int_equal(data(&closed, 2 * 101 + 1), H2_CLOSED_FINE);              // long ago
}

// The order of resets is not that of the ids.
static void test_resets_in_any_order(void **state) {
    (void)state;
    struct h2_closed closed = {.next = 0};
    for (int32_t id = 1; id < 400; id += 2) {
        open_and_end(&closed, id);
    }
    for (int32_t id = 399; id > 0; id -= 2) {
        h2_closed_add_reset(&closed, id);
    }
    for (int32_t id = 1; id < 400; id += 2) {
        assert_int_equal(data(&closed, id), H2_CLOSED_FINE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget_refills),
        cmocka_unit_test(test_budget_bears_a_steady_trickle),
        cmocka_unit_test(test_talks),
        cmocka_unit_test(test_forgotten_resets_are_lenient),
        cmocka_unit_test(test_resets_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
