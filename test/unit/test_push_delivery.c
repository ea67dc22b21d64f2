// SPDX-License-Identifier: Apache-2.0
#include "push_scene.h"

#include "push/push_delivery.h"

static const struct {
    int status;
    const char *fields;
    bool page_had_credentials;
    bool promise_had_credentials;
    bool wanted;
} deliveries[] = {
    {200, "", false, false, true},
    {200, "", true, false, true},
    {204, "", true, false, true},
    {301, "location: /x", true, false, true},
    {302, "set-cookie: a=b", false, false, true},
    {400, "", false, false, false},
    {404, "", true, true, false},
    {500, "", false, false, false},
    {599, "", false, false, false},
    {200, "set-cookie: a=b\ncache-control: private\nvary: cookie", false, false, true},
    {200, "set-cookie: a=b\ncache-control: private\nvary: cookie", true, true, true},
    {200, "set-cookie: a=b", true, false, false},
    {200, "cache-control: private", true, false, false},
    {200, "cache-control: max-age=5, Private", true, false, false},
    {200, "cache-control: private=\"x-a, x-b\"", true, false, false},
    {200, "cache-control: NO-STORE", true, false, false},
    {200, "cache-control: public\ncache-control: no-store", true, false, false},
    {200, "cache-control: public, no-cache, max-age=0", true, false, true},
    {200, "cache-control: privately", true, false, true},
    {200, "vary: cookie", true, false, false},
    {200, "vary: Accept-Encoding, Cookie", true, false, false},
    {200, "vary: accept\nvary: Authorization", true, false, false},
    {200, "vary: *", true, false, false},
    {200, "vary: accept-encoding", true, false, true},
};

static void test_what_may_be_delivered(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(deliveries) / sizeof(deliveries[0]); i++) {
        struct arena *arena = arena_create();
        struct response_head response = {.status = deliveries[i].status};
        headers_init(&response.headers, arena);
        push_scene_add_fields(&response.headers, deliveries[i].fields);
        bool got = push_delivery_is_fit(&response, deliveries[i].page_had_credentials,
                                        deliveries[i].promise_had_credentials);
        if (got != deliveries[i].wanted) {
            fail_msg("%d %s: %d", deliveries[i].status, deliveries[i].fields, got);
        }
        arena_destroy(arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_may_be_delivered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
