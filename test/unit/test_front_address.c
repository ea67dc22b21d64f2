// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "front_address.h"

static void read_address(const char *text, uint8_t out_address[16]) {
    memset(out_address, 0, 16);
    if (inet_pton(AF_INET, text, out_address + 12) == 1) {
        memset(out_address + 10, 0xff, 2);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, out_address), 1);
    }
}

static const struct {
    const char *a, *b;
    bool is_one; // subscriber
} pairs[] = {
    {"192.0.2.1", "192.0.2.1", true},
    {"192.0.2.1", "192.0.2.2", false},
    {"2001:db8:0:1::1", "2001:db8:0:1:ffff::9", true},
    {"2001:db8:0:1::1", "2001:db8:0:2::1", false},
    {"2001:db8::1", "192.0.2.1", false},
    {"::ffff:192.0.2.1", "192.0.2.1", true},
};

static void test_who_counts_as_one(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        uint8_t a[16];
        uint8_t b[16];
        read_address(pairs[i].a, a);
        read_address(pairs[i].b, b);
        struct front_addresses *addresses = front_addresses_create(i);
        assert_int_equal(front_addresses_enter(addresses, a), 1);
        assert_int_equal(front_addresses_enter(addresses, b), pairs[i].is_one ? 2 : 1);
        front_addresses_leave(addresses, a);
        assert_int_equal(front_addresses_enter(addresses, b), 2);
        front_addresses_leave(addresses, b);
        front_addresses_leave(addresses, b);
        front_addresses_destroy(addresses);
    }
}

static const struct {
    const char *address;
    bool is_local;
} locals[] = {
    {"127.0.0.1", true},  {"127.255.255.254", true}, {"::1", true},          {"::", true},
    {"128.0.0.1", false}, {"10.0.0.127", false},     {"::2", false},         {"2001:db8::1", false},
    {"0.0.0.0", false},   {"7f00::1", false},        {"::127.0.0.1", false},
};

static void test_this_machine(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(locals) / sizeof(locals[0]); i++) {
        uint8_t address[16];
        read_address(locals[i].address, address);
        if (front_address_is_local(address) != locals[i].is_local) {
            fail_msg("%s", locals[i].address);
        }
    }
}

// Beside a plain array, with many coming and going.
static void test_against_a_plain_count(void **state) {
    (void)state;
    enum { HOSTS = 1000, STEPS = 100000 };
    static unsigned counts[HOSTS];
    struct front_addresses *addresses = front_addresses_create(42);
    uint64_t random = 1;
    for (int i = 0; i < STEPS; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
        unsigned host = (unsigned)(random >> 33) % HOSTS;
        char text[32];
        uint8_t address[16];
        snprintf(text, sizeof(text), "10.0.%u.%u", host / 256, host % 256);
        read_address(text, address);
        if (counts[host] > 0 && (random >> 20) % 2 == 0) {
            counts[host]--;
            front_addresses_leave(addresses, address);
        } else {
            assert_int_equal(front_addresses_enter(addresses, address), ++counts[host]);
        }
    }
    for (unsigned host = 0; host < HOSTS; host++) {
        char text[32];
        uint8_t address[16];
        snprintf(text, sizeof(text), "10.0.%u.%u", host / 256, host % 256);
        read_address(text, address);
        for (; counts[host] > 0; counts[host]--) {
            front_addresses_leave(addresses, address);
        }
    }
    front_addresses_destroy(addresses); // makes sure that none is left
    front_addresses_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_counts_as_one),
        cmocka_unit_test(test_this_machine),
        cmocka_unit_test(test_against_a_plain_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
