// SPDX-License-Identifier: Apache-2.0
#include "push_scene.h"

#include "http/freshness.h"

#define DATE "date: Sun, 06 Nov 1994 08:49:37 GMT\n"
#define NOW_MS (INT64_C(784111777) * 1000)

// Flags: n no-store, p private, u public, s shared, l has a lifetime.
static const struct {
    const char *fields;
    const char *flags;
    uint64_t lifetime_s, left_s;
} rows[] = {
    {"", "", 0, 0},
    {"last-modified: Sun, 06 Nov 1994 08:00:00 GMT", "s", 0, 0}, // guessed
    {"cache-control: max-age=600", "sl", 600, 600},
    {"cache-control: MAX-AGE=600", "sl", 600, 600},
    {"cache-control: max-age=\"600\"", "sl", 600, 600},
    {"cache-control: max-age=600, max-age=0", "sl", 600, 600},
    {"cache-control: max-age=0", "l", 0, 0},
    {"cache-control: max-age=", "l", 0, 0},
    {"cache-control: max-age", "l", 0, 0},
    {"cache-control: max-age=-1", "l", 0, 0},
    {"cache-control: max-age=1e3", "l", 0, 0},
    {"cache-control: max-age=99999999999999999999999999", "sl", 2147483648, 2147483648},
    {"cache-control: max-age=0\nlast-modified: Sun, 06 Nov 1994 08:00:00 GMT", "l", 0, 0},
    {"cache-control: s-maxage=60", "s", 0, 0},
    {"cache-control: max-age=600, s-maxage=0", "l", 600, 600},
    {"cache-control: max-age=0, s-maxage=9", "sl", 0, 0},
    {"cache-control: private, max-age=600", "pl", 600, 600},
    {"cache-control: private=\"x-a, x-b\", max-age=5", "pl", 5, 5},
    {"cache-control: no-cache", "l", 0, 0},
    {"cache-control: no-cache=\"set-cookie\", max-age=9", "l", 0, 0},
    {"cache-control: max-age=9\ncache-control: no-store", "nl", 0, 0},
    {"cache-control: public", "us", 0, 0},
    {"cache-control: public, max-age=0", "ul", 0, 0},
    {"cache-control: publicly, private-ish, no-storex", "", 0, 0},
    {DATE "expires: Sun, 06 Nov 1994 08:59:37 GMT", "sl", 600, 600},
    {"expires: Sun, 06 Nov 1994 08:59:37 GMT", "sl", 600, 600},
    {DATE "expires: Sun, 06 Nov 1994 08:39:37 GMT", "l", 0, 0},
    {DATE "expires: 0", "l", 0, 0},
    {DATE "expires: Sun, 06 Nov 1994 08:59:37 GMT\ncache-control: max-age=5", "sl", 5, 5},
    {"cache-control: max-age=600\nage: 100", "sl", 600, 500},
    {"cache-control: max-age=600\nage: 700", "sl", 600, 0},
    {"cache-control: max-age=600\nage: x", "sl", 600, 600},
    {"cache-control: max-age=600\ndate: Sun, 06 Nov 1994 08:48:37 GMT", "sl", 600, 540},
    {"cache-control: max-age=600\nage: 90\ndate: Sun, 06 Nov 1994 08:48:37 GMT", "sl", 600, 510},
    {"cache-control: max-age=600\ndate: Sun, 06 Nov 1994 09:48:37 GMT", "sl", 600, 600},
    {"cache-control: private\ncdn-cache-control: max-age=60", "ps", 0, 0},
    {"surrogate-control: max-age=60", "s", 0, 0},
    {"cache-control: , ,=,=5,max-age = 7 ,", "sl", 7, 7},
};

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *arena = arena_create();
        struct headers headers;
        headers_init(&headers, arena);
        push_scene_add_fields(&headers, rows[i].fields);
        struct freshness got;
        freshness_read(&headers, NOW_MS, &got);
        char flags[8];
        snprintf(flags, sizeof(flags), "%s%s%s%s%s", got.is_storable ? "" : "n",
                 got.is_private ? "p" : "", got.is_public ? "u" : "", got.is_shared ? "s" : "",
                 got.has_lifetime ? "l" : "");
        push_scene_expect(rows[i].fields, "flags", slice_of_text(flags), rows[i].flags);
        if (got.lifetime_ms != rows[i].lifetime_s * 1000 || got.left_ms != rows[i].left_s * 1000) {
            fail_msg("%s: %llu, %llu left", rows[i].fields, (unsigned long long)got.lifetime_ms,
                     (unsigned long long)got.left_ms);
        }
        arena_destroy(arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
