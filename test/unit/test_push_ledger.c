// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "push/push_ledger.h"

static const struct slice site = {"example.org", 11};

static struct push_ledger_row *row_of(struct push_ledger *ledger, const char *path) {
    return push_ledger_row(ledger, site, slice_of_text(path));
}

static struct push_ledger_row *row_number(struct push_ledger *ledger, unsigned number) {
    char path[16];
    snprintf(path, sizeof(path), "/%u", number);
    return row_of(ledger, path);
}

static void assert_name(const struct push_ledger_row *row, const char *expected) {
    assert_int_equal(row->name_length, strlen(expected));
    assert_memory_equal(row->name, expected, row->name_length);
}

static size_t count_rows(const struct push_ledger *ledger) {
    struct buffer rows = {0};
    push_ledger_copy(ledger, &rows);
    size_t count = buffer_length(&rows) / sizeof(struct push_ledger_row);
    assert_int_equal(buffer_length(&rows) % sizeof(struct push_ledger_row), 0);
    buffer_finish(&rows);
    return count;
}

// --- rows ---------------------------------------------------------------------------------------

static void test_a_row_stays(void **state) {
    (void)state;
    struct push_ledger *ledger = push_ledger_create(7);
    struct push_ledger_row *row = row_of(ledger, "/page");
    uint64_t key = row->key;
    assert_int_not_equal(key, 0);
    assert_int_equal(row->visits, 0);
    assert_name(row, "example.org/page");
    row->visits = 3;
    assert_int_equal(row_of(ledger, "/page")->visits, 3);
    assert_int_equal(row_of(ledger, "/other")->visits, 0);
    assert_int_equal(push_ledger_row(ledger, SLICE("example.com"), SLICE("/page"))->visits, 0);
    assert_ptr_equal(push_ledger_find(ledger, key), row_of(ledger, "/page"));
    assert_int_equal(count_rows(ledger), 3);
    assert_null(push_ledger_find(ledger, key + 1));
    push_ledger_destroy(ledger);
    push_ledger_destroy(NULL);
}

// One page, whatever it was asked; and nobody's secrets on the dashboard.
static void test_without_query(void **state) {
    (void)state;
    struct push_ledger *ledger = push_ledger_create(7);
    struct push_ledger_row *row = row_of(ledger, "/page?token=secret");
    assert_name(row, "example.org/page");
    assert_ptr_equal(row, row_of(ledger, "/page"));
    assert_ptr_equal(row, row_of(ledger, "/page?"));
    assert_ptr_equal(row, row_of(ledger, "/page?a?b"));
    assert_int_equal(count_rows(ledger), 1);
    assert_name(row_of(ledger, "?x"), "example.org");
    push_ledger_destroy(ledger);
}

// All workers have the same seed, and so the same keys.
static void test_keys(void **state) {
    (void)state;
    struct push_ledger *one = push_ledger_create(7);
    struct push_ledger *two = push_ledger_create(7);
    struct push_ledger *other = push_ledger_create(8);
    assert_int_equal(row_of(one, "/page")->key, row_of(two, "/page?x")->key);
    assert_int_not_equal(row_of(one, "/page")->key, row_of(other, "/page")->key);
    // Where the authority ends is part of it.
    uint64_t key = push_ledger_row(one, SLICE("a"), SLICE("b/"))->key;
    assert_int_not_equal(key, push_ledger_row(one, SLICE("ab"), SLICE("/"))->key);
    push_ledger_destroy(one);
    push_ledger_destroy(two);
    push_ledger_destroy(other);
}

static void test_long_names_are_cut(void **state) {
    (void)state;
    struct push_ledger *ledger = push_ledger_create(7);
    char path[2 * PUSH_LEDGER_NAME_BYTES];
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    struct slice all = slice_of(path, sizeof(path));
    struct slice shorter = slice_of(path, sizeof(path) - 1);
    uint64_t key = push_ledger_row(ledger, site, all)->key;
    struct push_ledger_row *row = push_ledger_row(ledger, site, shorter);
    assert_int_not_equal(row->key, key);
    assert_int_equal(row->name_length, PUSH_LEDGER_NAME_BYTES);
    assert_memory_equal(row->name, "example.org/xxx", 15);
    assert_int_equal(row->name[PUSH_LEDGER_NAME_BYTES - 1], 'x');
    // To the byte, and an authority that leaves no room.
    struct slice fits = slice_of(path, PUSH_LEDGER_NAME_BYTES - site.length);
    assert_int_equal(push_ledger_row(ledger, site, fits)->name_length, PUSH_LEDGER_NAME_BYTES);
    fits.length--;
    assert_int_equal(push_ledger_row(ledger, site, fits)->name_length, PUSH_LEDGER_NAME_BYTES - 1);
    row = push_ledger_row(ledger, all, SLICE("/y"));
    assert_int_equal(row->name_length, PUSH_LEDGER_NAME_BYTES);
    assert_int_equal(count_rows(ledger), 5);
    push_ledger_destroy(ledger);
}

// --- the bound ----------------------------------------------------------------------------------

static void test_the_least_recently_asked_for_makes_room(void **state) {
    (void)state;
    struct push_ledger *ledger = push_ledger_create(7);
    uint64_t keys[PUSH_LEDGER_PAGES + 2];
    for (unsigned i = 0; i < PUSH_LEDGER_PAGES; i++) {
        struct push_ledger_row *row = row_number(ledger, i);
        row->visits = i + 1;
        keys[i] = row->key;
    }
    assert_int_equal(count_rows(ledger), PUSH_LEDGER_PAGES);
    row_number(ledger, 0);             // asked for again
    push_ledger_find(ledger, keys[1]); // what comes later is no asking
    keys[PUSH_LEDGER_PAGES] = row_number(ledger, PUSH_LEDGER_PAGES)->key;
    assert_null(push_ledger_find(ledger, keys[1]));
    keys[PUSH_LEDGER_PAGES + 1] = row_number(ledger, PUSH_LEDGER_PAGES + 1)->key;
    assert_null(push_ledger_find(ledger, keys[2]));
    assert_int_equal(count_rows(ledger), PUSH_LEDGER_PAGES);
    assert_int_equal(push_ledger_find(ledger, keys[0])->visits, 1);
    for (unsigned i = 3; i < PUSH_LEDGER_PAGES; i++) {
        assert_int_equal(push_ledger_find(ledger, keys[i])->visits, i + 1);
    }
    // What has left begins anew, and so does what came in its place.
    assert_int_equal(push_ledger_find(ledger, keys[PUSH_LEDGER_PAGES])->visits, 0);
    struct push_ledger_row *row = row_number(ledger, 1);
    assert_int_equal(row->key, keys[1]);
    assert_int_equal(row->visits, 0);
    assert_name(row, "example.org/1");
    push_ledger_destroy(ledger);
}

static void test_many_pass_through(void **state) {
    (void)state;
    struct push_ledger *ledger = push_ledger_create(7);
    for (unsigned i = 0; i < 20 * PUSH_LEDGER_PAGES; i++) {
        row_number(ledger, i)->visits++;
        row_number(ledger, 5)->visits++; // always among the last
    }
    assert_int_equal(count_rows(ledger), PUSH_LEDGER_PAGES);
    assert_int_equal(row_number(ledger, 5)->visits, 20 * PUSH_LEDGER_PAGES + 1);
    push_ledger_destroy(ledger);
}

// --- copies of several workers ------------------------------------------------------------------

static void fill(struct push_ledger_row *row, unsigned times) {
    row->seen_s = 1000 + (int64_t)times;
    uint64_t *const numbers[] = {
        &row->visits,       &row->candidates,   &row->promised, &row->hinted,
        &row->passed,       &row->completed,    &row->refused,  &row->taken_back,
        &row->pushed_bytes, &row->wasted_bytes, &row->spared,   &row->spared_bytes,
        &row->early,        &row->lead_ms,
    };
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        *numbers[i] = (uint64_t)(i + 1) * times;
    }
}

static const struct push_ledger_row *find_copy(const struct buffer *rows, uint64_t key) {
    struct slice bytes = buffer_peek(rows);
    const struct push_ledger_row *found = NULL;
    for (size_t i = 0; i < bytes.length / sizeof(*found); i++) {
        const struct push_ledger_row *row = (const void *)(bytes.data + i * sizeof(*found));
        if (row->key == key) {
            assert_null(found);
            found = row;
        }
    }
    return found;
}

static void test_rows_of_two_workers_are_added_up(void **state) {
    (void)state;
    struct push_ledger *one = push_ledger_create(7);
    struct push_ledger *two = push_ledger_create(7);
    fill(row_of(one, "/both"), 10);
    fill(row_of(two, "/only"), 1);
    fill(row_of(two, "/both"), 7);
    fill(row_of(one, "/mine"), 100);
    struct buffer rows = {0};
    struct buffer more = {0};
    push_ledger_copy(one, &rows);
    push_ledger_copy(two, &more);
    push_ledger_merge(&rows, buffer_peek(&more));
    assert_int_equal(buffer_length(&rows), 3 * sizeof(struct push_ledger_row));

    struct push_ledger_row expected = *row_of(one, "/both");
    fill(&expected, 17);
    expected.seen_s = 1010; // the later one, not the sum
    assert_memory_equal(find_copy(&rows, expected.key), &expected, sizeof(expected));
    const struct push_ledger_row *only = row_of(two, "/only");
    assert_memory_equal(find_copy(&rows, only->key), only, sizeof(*only));
    const struct push_ledger_row *mine = row_of(one, "/mine");
    assert_memory_equal(find_copy(&rows, mine->key), mine, sizeof(*mine));

    // The other way round it is the same; with nothing, and into nothing, too.
    struct buffer turned = {0};
    push_ledger_merge(&turned, buffer_peek(&more));
    buffer_finish(&more);
    push_ledger_copy(one, &more);
    push_ledger_merge(&turned, buffer_peek(&more));
    push_ledger_merge(&turned, SLICE_EMPTY);
    assert_int_equal(buffer_length(&turned), buffer_length(&rows));
    assert_memory_equal(find_copy(&turned, expected.key), &expected, sizeof(expected));
    buffer_finish(&rows);
    buffer_finish(&more);
    buffer_finish(&turned);
    push_ledger_destroy(one);
    push_ledger_destroy(two);
}

// Half a row at the end, which no worker writes, is left out.
static void test_cut_rows(void **state) {
    (void)state;
    struct push_ledger *ledger = push_ledger_create(7);
    row_of(ledger, "/a");
    row_of(ledger, "/b");
    struct buffer rows = {0};
    struct buffer merged = {0};
    push_ledger_copy(ledger, &rows);
    push_ledger_merge(&merged,
                      slice_first(buffer_peek(&rows), 2 * sizeof(struct push_ledger_row) - 1));
    assert_int_equal(buffer_length(&merged), sizeof(struct push_ledger_row));
    buffer_finish(&rows);
    buffer_finish(&merged);
    push_ledger_destroy(ledger);
}

// --- weights ------------------------------------------------------------------------------------

static void test_weights(void **state) {
    (void)state;
    struct push_ledger *ledger = push_ledger_create(7);
    assert_int_equal(push_ledger_weight(ledger, site, SLICE("/a.css")), 0);
    push_ledger_weigh(ledger, site, SLICE("/a.css"), 1200);
    push_ledger_weigh(ledger, site, SLICE("/a.css?v=2"), 1300); // a resource of its own
    assert_int_equal(push_ledger_weight(ledger, site, SLICE("/a.css")), 1200);
    assert_int_equal(push_ledger_weight(ledger, site, SLICE("/a.css?v=2")), 1300);
    assert_int_equal(push_ledger_weight(ledger, SLICE("example.com"), SLICE("/a.css")), 0);
    push_ledger_weigh(ledger, site, SLICE("/a.css"), 900);
    assert_int_equal(push_ledger_weight(ledger, site, SLICE("/a.css")), 900);
    assert_int_equal(count_rows(ledger), 0);
    // Many push each other out; none is ever taken for another.
    char path[16];
    for (unsigned i = 1; i <= 5000; i++) {
        snprintf(path, sizeof(path), "/%u", i);
        push_ledger_weigh(ledger, site, slice_of_text(path), i);
    }
    unsigned known = 0;
    for (unsigned i = 1; i <= 5000; i++) {
        snprintf(path, sizeof(path), "/%u", i);
        uint64_t weight = push_ledger_weight(ledger, site, slice_of_text(path));
        assert_true(weight == 0 || weight == i);
        known += weight != 0;
    }
    assert_in_range(known, 500, 1024);
    push_ledger_destroy(ledger);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_row_stays),
        cmocka_unit_test(test_without_query),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_long_names_are_cut),
        cmocka_unit_test(test_the_least_recently_asked_for_makes_room),
        cmocka_unit_test(test_many_pass_through),
        cmocka_unit_test(test_rows_of_two_workers_are_added_up),
        cmocka_unit_test(test_cut_rows),
        cmocka_unit_test(test_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
