// SPDX-License-Identifier: Apache-2.0
// What the learned table holds when more comes than it may hold.
#include "learn_scene.h"

#include "push/push_learn.h"

#define A "</a.css>; rel=preload; as=style"
#define B "</b.js>; rel=preload; as=script"
#define START 5000000

static struct push_learn *make_table(uint32_t pages, uint32_t page_bytes) {
    return push_learn_create(&(struct push_learn_limits){.pages = pages, .page_bytes = page_bytes},
                             42);
}

static void teach(struct push_learn *learn, const char *path, const char *links, uint64_t now_ms) {
    char fields[512];
    snprintf(fields, sizeof(fields), "link: %s", links);
    const struct learn_scene_row row = {.path = path, .response = fields};
    learn_scene_show(learn, &row, 1, now_ms);
    learn_scene_show(learn, &row, 2, now_ms);
}

static bool is_known(struct push_learn *learn, const char *path, struct push_learn_view *view) {
    struct push_learn_key key = {SLICE("https"), SLICE("example.org"), slice_of_text(path), false};
    return push_learn_look(learn, &key, START, view);
}

static const char *number_path(unsigned number) {
    static char text[32];
    snprintf(text, sizeof(text), "/page-%u", number);
    return text;
}

static void test_elements_beyond_the_limit(void **state) {
    (void)state;
    struct push_learn *learn = make_table(0, 60);
    struct push_learn_view view;
    // 20 bytes, 46, 20, 20
    teach(learn, "/page", "</a1>; rel=preload..,</b>; rel=preload; title=\"123456789012345678\"",
          START);
    teach(learn, "/page",
          "</aaaa>; rel=preload, </bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb>; rel=preload, "
          "</cccc>; rel=preload, </dddd>; rel=preload",
          START);
    assert_string_equal(learn_scene_found(learn, "/page", false, START),
                        "</aaaa>; rel=preload | </cccc>; rel=preload | </dddd>; rel=preload");
    assert_true(is_known(learn, "/page", &view));
    assert_int_equal(view.left_out, 1);
    assert_true(push_learn_stats(learn)->left_out > 0);
    // Nothing fits: as if there were no links.
    teach(learn, "/page", "</bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb>; rel=preload",
          START);
    assert_false(is_known(learn, "/page", &view));
    push_learn_destroy(learn);
}

static void test_least_recently_used_leaves_first(void **state) {
    (void)state;
    enum { PAGES = 64 };
    struct push_learn *learn = make_table(PAGES, 0);
    for (unsigned i = 0; i < PAGES; i++) {
        teach(learn, number_path(i), A, START);
        assert_string_not_equal(learn_scene_found(learn, number_path(i), false, START), "");
    }
    assert_string_not_equal(learn_scene_found(learn, number_path(0), false, START), "");
    struct push_learn_view view;
    for (unsigned i = PAGES; i < PAGES + 10; i++) {
        teach(learn, number_path(i), A, START);
        learn_scene_found(learn, number_path(i), false, START);
        assert_int_equal(push_learn_stats(learn)->pages, PAGES);
        assert_false(is_known(learn, number_path(i - PAGES + 1), &view));
        assert_true(is_known(learn, number_path(i - PAGES + 2), &view));
        assert_true(is_known(learn, number_path(0), &view));
    }
    assert_int_equal(push_learn_stats(learn)->evicted, 10);
    push_learn_destroy(learn);
}

// What is over leaves before what serves.
static void test_over_leaves_first(void **state) {
    (void)state;
    struct push_learn *learn = make_table(4, 0);
    const struct learn_scene_row brief = {.path = "/brief",
                                          .response = "cache-control: max-age=1\nlink: " A};
    learn_scene_show(learn, &brief, 1, START - 2000);
    for (unsigned i = 0; i < 3; i++) {
        teach(learn, number_path(i), A, START - 1500);
    }
    teach(learn, number_path(3), A, START);
    struct push_learn_view view;
    for (unsigned i = 0; i < 4; i++) {
        assert_true(is_known(learn, number_path(i), &view));
    }
    assert_int_equal(push_learn_stats(learn)->evicted, 0);
    push_learn_destroy(learn);
}

static void see_strange_pages(struct push_learn *learn, unsigned first, unsigned count) {
    struct learn_scene scene;
    char path[32];
    learn_scene_open(&scene, &(struct learn_scene_row){.response = "link: " A});
    for (unsigned i = first; i < first + count; i++) {
        int length = snprintf(path, sizeof(path), "/flood-%u", i);
        scene.request.path = slice_of(path, (size_t)length);
        push_learn_observe(learn, &scene.response, i, scene.arena, START);
    }
    learn_scene_close(&scene);
}

// A million pages that nobody comes back to: those that serve visitors stay, and learning goes on.
static void test_flood(void **state) {
    (void)state;
    enum { PAGES = 256, GOOD = 200 };
    struct push_learn *learn = make_table(PAGES, 0);
    struct push_learn_view view;
    for (unsigned i = 0; i < GOOD; i++) {
        teach(learn, number_path(i), A, START);
        learn_scene_found(learn, number_path(i), false, START);
    }
    for (unsigned i = 0; i < 1000; i++) {
        see_strange_pages(learn, i * 1000, 1000);
        if (i % 50 == 0) { // a page becomes known in spite of it
            learn_scene_show(learn, &(struct learn_scene_row){.path = "/new", .status = 404}, 1,
                             START);
            teach(learn, "/new", B, START);
            assert_string_equal(learn_scene_found(learn, "/new", false, START), B);
        }
    }
    assert_true(push_learn_stats(learn)->pages <= PAGES);
    for (unsigned i = 0; i < GOOD; i++) {
        assert_true(is_known(learn, number_path(i), &view) && view.is_confirmed);
    }
    push_learn_destroy(learn);
}

// Even when each is confirmed, pages that were used outlive those that were not.
static void test_flood_of_confirmed(void **state) {
    (void)state;
    enum { PAGES = 64, GOOD = 40 };
    struct push_learn *learn = make_table(PAGES, 0);
    struct push_learn_view view;
    for (unsigned i = 0; i < GOOD; i++) {
        teach(learn, number_path(i), A, START);
        learn_scene_found(learn, number_path(i), false, START);
    }
    for (unsigned i = 1000; i < 3000; i++) {
        teach(learn, number_path(i), A, START);
    }
    for (unsigned i = 0; i < GOOD; i++) {
        assert_true(is_known(learn, number_path(i), &view));
    }
    push_learn_destroy(learn);
}

static void test_smallest_tables(void **state) {
    (void)state;
    for (uint32_t pages = 1; pages < 20; pages++) {
        struct push_learn *learn = make_table(pages, 0);
        for (unsigned i = 0; i < 50; i++) {
            teach(learn, number_path(i), A, START);
            assert_string_equal(learn_scene_found(learn, number_path(i), false, START), A);
            assert_true(push_learn_stats(learn)->pages <= pages);
        }
        push_learn_destroy(learn);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements_beyond_the_limit),
        cmocka_unit_test(test_least_recently_used_leaves_first),
        cmocka_unit_test(test_over_leaves_first),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_flood_of_confirmed),
        cmocka_unit_test(test_smallest_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
