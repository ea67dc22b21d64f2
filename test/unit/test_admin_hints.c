// SPDX-License-Identifier: Apache-2.0
#include "learn_scene.h"

#include "admin/admin_hints.h"
#include "base/alloc.h"

enum { START_MS = 5000000 };

static struct push_memory memory;
static char *text;

static int open_memory(void **state) {
    (void)state;
    const struct push_learn_limits limits = {.pages = 4096, .page_bytes = 4096, .is_alone = true};
    memory = (struct push_memory){.learn = push_learn_create(&limits, 1),
                                  .behaviour = push_learn_behaviour_create(0, 1)};
    return 0;
}

static int close_memory(void **state) {
    (void)state;
    push_learn_destroy(memory.learn);
    push_learn_behaviour_destroy(memory.behaviour);
    free(text);
    text = NULL;
    return 0;
}

static const char *written(uint64_t now_ms) {
    struct buffer out = {0};
    admin_hints_write(&memory, now_ms, &out);
    buffer_append(&out, "", 1);
    free(text);
    text = out.data; // nothing was consumed, so the text starts there
    return text;
}

static void expect(const char *part) {
    if (strstr(text, part) == NULL) {
        fail_msg("no '%s' in '%s'", part, text);
    }
}

static void learn(const char *path, const char *element, bool has_credentials) {
    struct arena *arena = arena_create();
    const struct push_learn_key key = {SLICE("https"), SLICE("a.example"), slice_of_text(path),
                                       has_credentials};
    const struct slice elements[] = {slice_of_text(element)};
    struct push_learn_lesson lesson;
    assert_true(push_learn_rules_lesson(&key, elements, 1, arena, &lesson));
    const struct push_learn_past past = {
        .age_ms = 61000, .seen_ms = 5500, .left_ms = 1800000, .sightings = 3, .uses = 4};
    push_learn_restore(memory.learn, &lesson, &past, START_MS);
    arena_destroy(arena);
}

static void test_nothing(void **state) {
    (void)state;
    written(START_MS);
    assert_ptr_equal(strstr(text, "{\"pages\":[],\n\"truncated\":false,\"stats\":{\"pages\":0,"
                                  "\"confirmed\":0,\"uses\":0,\"evicted\":0,\"left_out\":0,"
                                  "\"dropped_bad\":0,\"records_lost\":0,\"records_damaged\":0,"
                                  "\"reasons\":{\"method\":0,"),
                     text);
    expect(",\"outdated\":0}}}\n");
}

static void test_pages(void **state) {
    (void)state;
    learn("/page", "</a.css>; rel=preload; as=style", false);
    learn("/me", "</b.css>; rel=preload; as=\"style\"", true);
    written(START_MS + 2000);
    expect("\n{\"page\":\"a.example/page\",\"scheme\":\"https\",\"credentials\":false,"
           "\"source\":\"link\",\"confirmed\":true,\"age_s\":63,\"seen_s_ago\":7,\"left_s\":1798,"
           "\"sightings\":3,\"uses\":4,\"links\":[\"</a.css>; rel=preload; as=style\"]}");
    expect("\n{\"page\":\"a.example/me\",\"scheme\":\"https\",\"credentials\":true,");
    expect("\"links\":[\"</b.css>; rel=preload; as=\\\"style\\\"\"]}");
    expect("],\n\"truncated\":false,\"stats\":{\"pages\":2,\"confirmed\":2,\"uses\":");
}

static void show(const char *path, const char *fields, uint64_t conn_id) {
    uint64_t now_ms = START_MS + conn_id * PUSH_LEARN_BEHAVIOUR_VISIT_MS;
    struct learn_scene scene;
    learn_scene_open(&scene, &(struct learn_scene_row){.path = path, .request = fields});
    push_learn_behaviour_start(memory.behaviour, &scene.request, &scene.policy, conn_id, now_ms);
    push_learn_behaviour_observe(memory.behaviour, &scene.response, conn_id, scene.arena, now_ms);
    learn_scene_close(&scene);
}

static void test_behaviour(void **state) {
    (void)state;
    // The last one is not over.
    for (uint64_t visit = 0; visit <= PUSH_LEARN_BEHAVIOUR_MIN_VISITS; visit++) {
        show("/page", "sec-fetch-dest: document\n", visit);
        show("/a.css", "sec-fetch-dest: style\nreferer: https://example.org/page", visit);
        if (visit == 1) {
            show("/b.png", "sec-fetch-dest: image\nreferer: https://example.org/page", visit);
        }
    }
    written(START_MS + 10 * PUSH_LEARN_BEHAVIOUR_VISIT_MS);
    expect("{\"pages\":[\n{\"page\":\"example.org/page\",\"scheme\":\"https\","
           "\"credentials\":false,\"source\":\"behaviour\",\"confirmed\":true,\"left_s\":");
    expect(",\"sightings\":5,\"uses\":0,\"links\":[\"</a.css>; rel=preload; as=style\"]}],\n");
}

static size_t count(const char *part) {
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
        found++;
    }
    return found;
}

// Those that were used last are there.
static void test_many_pages(void **state) {
    (void)state;
    for (unsigned i = 0; i < ADMIN_HINTS_PAGES + 500; i++) {
        char path[16];
        snprintf(path, sizeof(path), "/%u", i);
        learn(path, "</a.css>; rel=preload; as=style", false);
    }
    written(START_MS);
    assert_int_equal(count("{\"page\":"), ADMIN_HINTS_PAGES);
    assert_null(strstr(text, "\"a.example/499\""));
    expect("\"a.example/500\"");
    expect("\"a.example/2499\"");
    expect("\"truncated\":true,\"stats\":{\"pages\":2500,");
}

static void test_large_pages(void **state) {
    (void)state;
    enum { PATH_BYTES = 3000, PAGES = 1000 };
    char element[PATH_BYTES + 64];
    char name[PATH_BYTES + 1];
    memset(name, 'x', PATH_BYTES);
    name[PATH_BYTES] = '\0';
    snprintf(element, sizeof(element), "</%s.css>; rel=preload; as=style", name);
    for (unsigned i = 0; i < PAGES; i++) {
        char path[16];
        snprintf(path, sizeof(path), "/%u", i);
        learn(path, element, false);
    }
    written(START_MS);
    assert_in_range(strlen(text), ADMIN_HINTS_BYTES / 10 * 9, ADMIN_HINTS_BYTES);
    assert_null(strstr(text, "\"a.example/0\""));
    expect("\"a.example/999\"");
    expect("\"truncated\":true,");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing, open_memory, close_memory),
        cmocka_unit_test_setup_teardown(test_pages, open_memory, close_memory),
        cmocka_unit_test_setup_teardown(test_behaviour, open_memory, close_memory),
        cmocka_unit_test_setup_teardown(test_many_pages, open_memory, close_memory),
        cmocka_unit_test_setup_teardown(test_large_pages, open_memory, close_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
