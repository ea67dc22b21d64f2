// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "fake_certificate.h"
#include "net/tls_context.h"

static char folder[128];
static struct fake_certificate a; // a.example, 192.0.2.1
static struct fake_certificate b; // b.example, *.b.example, 2001:db8::1

static int setup_all(void **state) {
    (void)state;
    fake_certificate_make_folder(folder);
    fake_certificate_write(folder, "a", "DNS:a.example,IP:192.0.2.1", &a);
    fake_certificate_write(folder, "b", "DNS:b.example,DNS:*.b.example,IP:2001:db8::1", &b);
    return 0;
}

static int teardown_all(void **state) {
    (void)state;
    fake_certificate_remove_folder(folder);
    return 0;
}

static void test_covers(void **state) {
    (void)state;
    static const struct {
        const char *server_name;
        const char *host;
        bool covers;
    } cases[] = {
        {"", "a.example", true},
        {"", "A.EXAMPLE", true},
        {"", "a.example.", true},
        {"", "192.0.2.1", true},
        {"", "192.0.2.2", false},
        {"", "b.example", false},
        {"a.example", "b.example", false},
        {"unknown.example", "a.example", true},
        {"b.example", "b.example", true},
        {"b.example", "www.b.example", true},
        {"www.b.example", "other.b.example", true},
        {"b.example", "deep.www.b.example", false},
        {"b.example", ".b.example", false},
        {"b.example", "2001:db8::1", true},
        {"b.example", "[2001:db8::1]", true},
        {"b.example", "[2001:DB8:0::1]", true},
        {"b.example", "[2001:db8::2]", false},
        {"b.example", "a.example", false},
        {"b.example", "", false},
        {"b.example", "*.b.example", false},
        {"b.example", "[]", false},
        {"b.example", ".", false},
        {"b.example", "b.example..", false},
    };
    struct tls_certificate files[] = {{a.certificate, a.key}, {b.certificate, b.key}};
    struct tls_error error;
    struct tls_context *context = tls_context_create(files, 2, &error);
    assert_non_null(context);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool covers = tls_context_covers(context, slice_of_text(cases[i].server_name),
                                         slice_of_text(cases[i].host));
        if (covers != cases[i].covers) {
            fail_msg("case %zu: %s %s", i, cases[i].server_name, cases[i].host);
        }
    }
    assert_false(tls_context_covers(context, SLICE_EMPTY, slice_of("a.example\0.evil", 15)));
    char longest[1000];
    memset(longest, 'a', sizeof(longest));
    assert_false(tls_context_covers(context, SLICE_EMPTY, slice_of(longest, sizeof(longest))));
    tls_context_unref(&context);
}

static void test_development_certificate(void **state) {
    (void)state;
    struct tls_error error;
    struct tls_context *context = tls_context_create(NULL, 0, &error);
    assert_non_null(context);
    assert_true(tls_context_covers(context, SLICE_EMPTY, SLICE("localhost")));
    assert_true(tls_context_covers(context, SLICE("localhost"), SLICE("127.0.0.1")));
    assert_true(tls_context_covers(context, SLICE_EMPTY, SLICE("[::1]")));
    assert_false(tls_context_covers(context, SLICE_EMPTY, SLICE("example.org")));
    tls_context_unref(&context);
}

static void test_references(void **state) {
    (void)state;
    struct tls_error error;
    struct tls_context *first = tls_context_create(NULL, 0, &error);
    struct tls_context *second = tls_context_ref(first);
    tls_context_unref(&first);
    assert_null(first);
    assert_true(tls_context_covers(second, SLICE_EMPTY, SLICE("localhost")));
    tls_context_unref(&second);
    tls_context_unref(&second);
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void write_locked_key(const char *path) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *file = fopen(path, "w");
    assert_int_equal(
        PEM_write_PKCS8PrivateKey(file, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL), 1);
    fclose(file);
    EVP_PKEY_free(key);
}

static void test_errors_name_the_file(void **state) {
    (void)state;
    char missing[256];
    char text[256];
    char empty[256];
    char locked[256];
    snprintf(missing, sizeof(missing), "%s/missing", folder);
    snprintf(text, sizeof(text), "%s/text", folder);
    snprintf(empty, sizeof(empty), "%s/empty", folder);
    snprintf(locked, sizeof(locked), "%s/locked", folder);
    write_text(text, "this is no certificate\n");
    write_text(empty, "");
    write_locked_key(locked);
    const struct {
        const char *certificate;
        const char *key;
        bool is_key;
        const char *reason;
    } cases[] = {
        {missing, a.key, false, "No such file or directory"},
        {text, a.key, false, "no PEM certificate in it"},
        {empty, a.key, false, "no PEM certificate in it"},
        {a.key, a.key, false, "no PEM certificate in it"},
        {folder, a.key, false, "Is a directory"},
        {a.certificate, missing, true, "No such file or directory"},
        {a.certificate, text, true, "no PEM key in it"},
        {a.certificate, empty, true, "no PEM key in it"},
        {a.certificate, a.certificate, true, "no PEM key in it"},
        {a.certificate, b.key, true, "the key does not fit the certificate"},
        {a.certificate, locked, true, "the key is protected by a password"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tls_certificate files[] = {{b.certificate, b.key},
                                          {cases[i].certificate, cases[i].key}};
        struct tls_error error;
        assert_null(tls_context_create(files, 2, &error));
        assert_int_equal(error.index, 1);
        assert_int_equal(error.is_key, cases[i].is_key);
        char expected[512];
        snprintf(expected, sizeof(expected), "%.180s: %s",
                 cases[i].is_key ? cases[i].key : cases[i].certificate, cases[i].reason);
        assert_string_equal(error.text, expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_covers),
        cmocka_unit_test(test_development_certificate),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_errors_name_the_file),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
