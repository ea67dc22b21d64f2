// SPDX-License-Identifier: Apache-2.0
#include "learn_scene.h"

#include <stdlib.h>

#include "base/hash.h"
#include "push/push_learn_file.h"

#define A "</a.css>; rel=preload; as=style"
#define START 5000000
#define WALL (INT64_C(1800000000) * 1000)

static struct push_learn *make_table(void) {
    return push_learn_create(&(struct push_learn_limits){0}, 3);
}

static void teach(struct push_learn *learn, const struct learn_scene_row *row, uint64_t now_ms) {
    learn_scene_show(learn, row, 1, now_ms);
    learn_scene_show(learn, row, 2, now_ms);
}

// Three confirmed pages, one of them with everything a file finds hard, one that was seen once, and
// one that is a single visitor's.
static void save_some(struct buffer *to) {
    struct push_learn *learn = make_table();
    teach(learn, &(struct learn_scene_row){.path = "/one", .response = "link: " A}, START);
    struct learn_scene_row two = {
        .path = "/two?a\tb",
        .request = "cookie: a=b",
        .response = "link: </x>;\trel=preload; title=\"a\\\"b\\\\\", <//y>; rel=preconnect\n"
                    "cache-control: max-age=100"};
    learn_scene_show(learn, &two, 1, START);
    two.request = "cookie: a=c";
    learn_scene_show(learn, &two, 2, START);
    teach(learn, &(struct learn_scene_row){.path = "/three", .response = "link: " A}, START + 5000);
    learn_scene_show(learn, &(struct learn_scene_row){.path = "/seen", .response = "link: " A}, 1,
                     START);
    teach(
        learn,
        &(struct learn_scene_row){.path = "/own", .request = "cookie: a=b", .response = "link: " A},
        START);
    learn_scene_found(learn, "/one", false, START + 9000);
    assert_string_equal(learn_scene_found_by(learn, "/own", "a=b", START + 9000), A);
    push_learn_file_save(learn, START + 10000, WALL, to);
    push_learn_destroy(learn);
}

static bool load(struct push_learn *learn, struct slice text, uint64_t now_ms, int64_t wall_ms) {
    struct push_learn_file_error error = {0};
    bool is_good = push_learn_file_load(learn, text, now_ms, wall_ms, &error);
    assert_true(is_good == (error.reason == NULL));
    assert_true(is_good || push_learn_stats(learn)->pages == 0);
    return is_good;
}

static void test_saved_is_loaded(void **state) {
    (void)state;
    struct buffer file = {0};
    save_some(&file);
    // Another process, a minute later, whose clock has just begun.
    struct push_learn *learn = make_table();
    assert_true(load(learn, buffer_peek(&file), 7, WALL + 60000));
    assert_int_equal(push_learn_stats(learn)->pages, 3);
    struct push_learn_cursor cursor = {0};
    struct push_learn_view view;
    assert_true(push_learn_next(learn, &cursor, 7, &view));
    push_scene_expect("file", "page", view.key.path, "/two");
    assert_true(view.key.has_credentials && view.is_confirmed);
    push_scene_expect("file", "element", view.elements[0],
                      "</x>;\trel=preload; title=\"a\\\"b\\\\\"");
    push_scene_expect("file", "element", view.elements[1], "<//y>; rel=preconnect");
    assert_int_equal(view.left_ms, 100000 - 10000 - 60000);
    assert_true(push_learn_next(learn, &cursor, 7, &view));
    push_scene_expect("file", "page", view.key.path, "/three");
    assert_int_equal(view.sightings, 2);
    assert_int_equal(view.uses, 0);
    assert_true(push_learn_next(learn, &cursor, 7, &view));
    push_scene_expect("file", "page", view.key.path, "/one");
    assert_int_equal(view.uses, 1);
    assert_int_equal(view.left_ms, PUSH_LEARN_LIFE_MS - 10000 - 60000);
    assert_false(push_learn_next(learn, &cursor, 7, &view));
    assert_string_equal(learn_scene_found(learn, "/one", false, 7), A);
    struct buffer records = {0};
    assert_false(push_learn_take_records(learn, &records)); // every worker reads the file
    push_learn_destroy(learn);
    buffer_finish(&file);
}

static void test_age_survives(void **state) {
    (void)state;
    struct buffer file = {0};
    struct push_learn_view view;
    struct push_learn_key key = {SLICE("https"), SLICE("example.org"), SLICE("/one"), false};
    save_some(&file);
    struct push_learn *learn = make_table();
    assert_true(load(learn, buffer_peek(&file), START, WALL + 20000));
    assert_true(push_learn_look(learn, &key, START, &view));
    assert_int_equal(view.age_ms, 30000);
    push_learn_destroy(learn);
    // Over in between.
    learn = make_table();
    assert_true(load(learn, buffer_peek(&file), START, WALL + PUSH_LEARN_LIFE_MS - 10000));
    assert_string_equal(learn_scene_found(learn, "/one", false, START), "");
    assert_string_not_equal(learn_scene_found(learn, "/three", false, START), "");
    push_learn_destroy(learn);
    learn = make_table();
    assert_true(load(learn, buffer_peek(&file), START, WALL + PUSH_LEARN_LIFE_MS));
    assert_int_equal(push_learn_stats(learn)->pages, 0);
    push_learn_destroy(learn);
    // A clock that went back gives no longer life.
    learn = make_table();
    assert_true(load(learn, buffer_peek(&file), START, WALL - 900000000));
    assert_true(push_learn_look(learn, &key, START, &view));
    assert_true(view.left_ms <= PUSH_LEARN_LIFE_MS);
    push_learn_destroy(learn);
    buffer_finish(&file);
}

// What was learned since start is newer.
static void test_known_pages_stay(void **state) {
    (void)state;
    struct buffer file = {0};
    struct push_learn_file_error error;
    save_some(&file);
    struct push_learn *learn = make_table();
    learn_scene_show(
        learn, &(struct learn_scene_row){.path = "/one", .response = "link: </b>; rel=preload"}, 1,
        START);
    assert_true(push_learn_file_load(learn, buffer_peek(&file), START, WALL, &error));
    assert_string_equal(learn_scene_found(learn, "/one", false, START), "");
    assert_string_equal(learn_scene_found(learn, "/three", false, START), A);
    // A loaded page is dropped as any other.
    learn_scene_show(learn, &(struct learn_scene_row){.path = "/three", .status = 404}, 1, START);
    assert_string_equal(learn_scene_found(learn, "/three", false, START), "");
    push_learn_destroy(learn);
    buffer_finish(&file);
}

#define FIRST "outrider-hints 1 1000\n"
#define PAGE "page\t1\t1\t1000\t2\t0\tplain\thttps\texample.org\t/one\t" A "\n"

// The text without its last line's checksum, which is put behind it.
static const struct {
    const char *text;
    size_t line; // 0: good
    const char *reason;
} files[] = {
    {FIRST "end\t0\t", 0, NULL},
    {FIRST PAGE "end\t1\t", 0, NULL},
    {FIRST PAGE PAGE "end\t2\t", 0, NULL},
    {"", 1, "the last line is missing"},
    {"outrider-hints 2 1000\nend\t0\t", 1, "not a file of learned hints, or of another version"},
    {"outrider-hints 1 \nend\t0\t", 1, "not a file of learned hints, or of another version"},
    {"outrider-hints 1 1000 \nend\t0\t", 1, "not a file of learned hints, or of another version"},
    {"{}\n", 1, "not a file of learned hints, or of another version"},
    {FIRST PAGE "end\t2\t", 3, "pages are missing"},
    {FIRST PAGE, 3, "the last line is missing"},
    {FIRST "what\n" PAGE "end\t1\t", 2, "neither a page nor the end"},
    {FIRST "\nend\t0\t", 2, "neither a page nor the end"},
    {FIRST "page\t1\t1\tx\t2\t0\tplain\thttps\te.org\t/\t" A "\nend\t1\t", 2,
     "a number is missing or malformed"},
    {FIRST "page\t1\t1\t1\t2\t4294967296\tplain\thttps\te.org\t/\t" A "\nend\t1\t", 2,
     "a number is missing or malformed"},
    {FIRST "page\nend\t1\t", 2, "a number is missing or malformed"},
    {FIRST "page\t1\t1\t1\t2\t0\tboth\thttps\te.org\t/\t" A "\nend\t1\t", 2,
     "neither plain nor cookies"},
    {FIRST "page\t1\t1\t1\t2\t0\tplain\thttps\te.org\nend\t1\t", 2,
     "a part of the page's URL is missing"},
    {FIRST "page\t1\t1\t1\t2\t0\tplain\thttps\te.org\t/\nend\t1\t", 2,
     "not a page with elements that may be hinted"},
    {FIRST "page\t1\t1\t1\t2\t0\tplain\tftp\te.org\t/\t" A "\nend\t1\t", 2,
     "not a page with elements that may be hinted"},
    {FIRST "page\t1\t1\t1\t2\t0\tplain\thttps\te.org\t/\t</a>; rel=next\nend\t1\t", 2,
     "not a page with elements that may be hinted"},
    {FIRST "page\t1\t1\t1\t2\t0\tplain\thttps\te.org\t/\t</a>\\n; rel=preload\nend\t1\t", 2,
     "a backslash that escapes nothing"},
    {FIRST "end\t0\t0000000000000000\n", 2, "the checksum is wrong"},
    {FIRST PAGE "end\t1\t0000000000000000\n", 3, "the checksum is wrong"},
    {FIRST "end\t0\t0000000000000000\nend\t0\t", 2, "the checksum is wrong"},
};

static void test_damaged_files(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct push_learn *learn = make_table();
        struct push_learn_file_error error = {0};
        struct arena *arena = arena_create();
        struct slice text = slice_of_text(files[i].text);
        if (text.length > 0 && text.data[text.length - 1] == '\t') {
            size_t start = text.length;
            while (start > 0 && text.data[start - 1] != '\n') {
                start--;
            }
            text =
                arena_printf(arena, "%.*s%016llx\n", SLICE_ARGS(text),
                             (unsigned long long)hash_bytes(0x68696e74, slice_first(text, start)));
        }
        bool is_good = push_learn_file_load(learn, text, START, 1000, &error);
        if (is_good != (files[i].line == 0) || error.line != files[i].line ||
            (!is_good && strcmp(error.reason, files[i].reason) != 0)) {
            fail_msg("file %zu: line %zu: %s", i, error.line, error.reason);
        }
        assert_true(is_good || push_learn_stats(learn)->pages == 0);
        arena_destroy(arena);
        push_learn_destroy(learn);
    }
}

// No cut, and no change of a byte, is taken for the file.
static void test_any_damage(void **state) {
    (void)state;
    struct buffer file = {0};
    save_some(&file);
    size_t length = buffer_length(&file);
    for (size_t i = 0; i < 2 * length; i++) {
        size_t size = i < length ? i : length;
        char *copy = malloc(size + 1);
        memcpy(copy, buffer_peek(&file).data, size);
        if (i >= length) {
            copy[i - length] = (char)(copy[i - length] ^ 1 << i % 8);
        }
        struct push_learn *learn = make_table();
        assert_false(load(learn, slice_of(copy, size), START, WALL));
        push_learn_destroy(learn);
        free(copy);
    }
    buffer_finish(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_saved_is_loaded),  cmocka_unit_test(test_age_survives),
        cmocka_unit_test(test_known_pages_stay), cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_any_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
