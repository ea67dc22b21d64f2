// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tls_tickets.h"

static struct tls_tickets *tickets;

static int setup(void **state) {
    (void)state;
    tickets = tls_tickets_create();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tls_tickets_destroy(tickets);
    return 0;
}

static struct tls_ticket_key newest(uint64_t now_s) {
    struct tls_ticket_key key;
    assert_true(tls_tickets_newest(tickets, now_s, &key));
    return key;
}

static enum tls_ticket_age find(const struct tls_ticket_key *key, uint64_t now_s) {
    struct tls_ticket_key found;
    enum tls_ticket_age age = tls_tickets_find(tickets, now_s, key->name, &found);
    if (age != TLS_TICKET_UNKNOWN) {
        assert_memory_equal(&found, key, sizeof(found));
    }
    return age;
}

static void test_a_key_serves_for_an_hour(void **state) {
    (void)state;
    struct tls_ticket_key first = newest(100);
    struct tls_ticket_key same = newest(100 + TLS_TICKET_ROTATE_S - 1);
    assert_memory_equal(&first, &same, sizeof(first));
    struct tls_ticket_key next = newest(100 + TLS_TICKET_ROTATE_S);
    assert_memory_not_equal(next.name, first.name, sizeof(first.name));
    assert_memory_not_equal(next.cipher_key, first.cipher_key, sizeof(first.cipher_key));
    assert_memory_not_equal(next.mac_key, first.mac_key, sizeof(first.mac_key));
}

static void test_an_old_key_opens_until_its_end(void **state) {
    (void)state;
    struct tls_ticket_key key = newest(0);
    assert_int_equal(find(&key, TLS_TICKET_ROTATE_S - 1), TLS_TICKET_NEW);
    assert_int_equal(find(&key, TLS_TICKET_ROTATE_S), TLS_TICKET_OLD);
    newest(TLS_TICKET_ROTATE_S);
    assert_int_equal(find(&key, TLS_TICKET_LIFE_S - 1), TLS_TICKET_OLD);
    assert_int_equal(find(&key, TLS_TICKET_LIFE_S), TLS_TICKET_UNKNOWN);
    assert_int_equal(find(&key, 0), TLS_TICKET_UNKNOWN); // forgotten, not only refused
}

static void test_busy_days_keep_twelve_keys(void **state) {
    (void)state;
    struct tls_ticket_key keys[40];
    for (uint64_t hour = 0; hour < 40; hour++) {
        keys[hour] = newest(hour * TLS_TICKET_ROTATE_S);
    }
    for (uint64_t hour = 0; hour < 40; hour++) {
        enum tls_ticket_age expected = hour == 39   ? TLS_TICKET_NEW
                                       : hour >= 28 ? TLS_TICKET_OLD
                                                    : TLS_TICKET_UNKNOWN;
        assert_int_equal(find(&keys[hour], 39 * TLS_TICKET_ROTATE_S), expected);
    }
}

static void test_strange_names_are_unknown(void **state) {
    (void)state;
    struct tls_ticket_key key = {0};
    assert_int_equal(find(&key, 0), TLS_TICKET_UNKNOWN); // no keys yet, and a name of zeros
    key = newest(0);
    key.name[15] ^= 1;
    assert_int_equal(find(&key, 0), TLS_TICKET_UNKNOWN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_key_serves_for_an_hour, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_old_key_opens_until_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy_days_keep_twelve_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strange_names_are_unknown, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
