// SPDX-License-Identifier: Apache-2.0
#include "push_scene.h"

#include "push/push_policy.h"

static const struct {
    const char *fields;
    enum push_policy wanted;
} rows[] = {
    {"", PUSH_POLICY_DEFAULT},
    {"accept-push-policy: default", PUSH_POLICY_DEFAULT},
    {"accept-push-policy: none", PUSH_POLICY_NONE},
    {"accept-push-policy: head", PUSH_POLICY_HEAD},
    {"accept-push-policy: fast-load", PUSH_POLICY_FAST_LOAD},
    {"accept-push-policy: Fast-Load", PUSH_POLICY_FAST_LOAD},
    {"accept-push-policy: none ; x=1", PUSH_POLICY_NONE},
    {"accept-push-policy: head;none", PUSH_POLICY_HEAD},
    {"accept-push-policy:", PUSH_POLICY_DEFAULT},
    {"accept-push-policy: ;none", PUSH_POLICY_DEFAULT},
    {"accept-push-policy: all", PUSH_POLICY_DEFAULT},
    {"accept-push-policy: nonesuch", PUSH_POLICY_DEFAULT},
    {"accept-push-policy: \"none\"", PUSH_POLICY_DEFAULT},
    {"accept-push-policy: fast load", PUSH_POLICY_DEFAULT},
    {"accept-push-policy: fast-load, head", PUSH_POLICY_HEAD},
    {"accept-push-policy: head, fast-load", PUSH_POLICY_HEAD},
    {"accept-push-policy: ,, head ,default", PUSH_POLICY_HEAD},
    {"accept-push-policy: whatever, fast-load", PUSH_POLICY_FAST_LOAD},
    {"accept-push-policy: default\naccept-push-policy: none", PUSH_POLICY_NONE},
};

static void test_read(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *arena = arena_create();
        struct headers headers;
        headers_init(&headers, arena);
        push_scene_add_fields(&headers, rows[i].fields);
        enum push_policy got = push_policy_read(&headers);
        if (got != rows[i].wanted) {
            fail_msg("%s: %d, wanted %d", rows[i].fields, got, rows[i].wanted);
        }
        arena_destroy(arena);
    }
}

// Which of default, fast-load, head, none allow it?
static const struct {
    const char *as;
    bool wanted[4];
} destinations[] = {
    {"style", {true, true, false, false}},   {"font", {true, true, false, false}},
    {"script", {true, true, false, false}},  {"image", {true, false, false, false}},
    {"fetch", {true, false, false, false}},  {"", {true, false, false, false}},
    {"styles", {true, false, false, false}}, {"Style", {true, true, false, false}},
};

static void test_allows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(destinations) / sizeof(destinations[0]); i++) {
        for (unsigned policy = 0; policy < 4; policy++) {
            struct slice as = slice_of_text(destinations[i].as);
            bool got = push_policy_allows((enum push_policy)policy, as);
            if (got != destinations[i].wanted[policy]) {
                fail_msg("policy %u: %s: %d", policy, destinations[i].as, got);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
