// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "tls_impl.h"

static bool has_random = true;

// Takes the place of OpenSSL's own, for the certificate's serial.
int RAND_bytes(unsigned char *bytes, int count) {
    return has_random ? RAND_priv_bytes(bytes, count) : 0;
}

static void test_certificate_is_for_this_machine(void **state) {
    (void)state;
    X509 *certificate;
    EVP_PKEY *key;
    assert_true(tls_self_signed_create(&certificate, &key));
    assert_int_equal(X509_verify(certificate, key), 1);
    assert_int_equal(X509_check_private_key(certificate, key), 1);
    assert_int_equal(X509_check_host(certificate, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(certificate, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(certificate, "::1", 0), 1);
    assert_int_equal(X509_check_host(certificate, "example.com", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ca(certificate), 0);
    assert_int_equal(X509_cmp_current_time(X509_get0_notBefore(certificate)), -1);
    assert_int_equal(X509_cmp_current_time(X509_get0_notAfter(certificate)), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void test_serials_differ_and_are_positive(void **state) {
    (void)state;
    X509 *certificates[8];
    for (int i = 0; i < 8; i++) {
        EVP_PKEY *key;
        assert_true(tls_self_signed_create(&certificates[i], &key));
        EVP_PKEY_free(key);
        const ASN1_INTEGER *serial = X509_get0_serialNumber(certificates[i]);
        assert_int_equal(ASN1_STRING_type(serial), V_ASN1_INTEGER); // a negative one has another
        for (int j = 0; j < i; j++) {
            assert_int_not_equal(ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificates[j])),
                                 0);
        }
    }
    for (int i = 0; i < 8; i++) {
        X509_free(certificates[i]);
    }
}

static void test_none_without_randomness(void **state) {
    (void)state;
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;
    has_random = false;
    bool is_made = tls_self_signed_create(&certificate, &key);
    has_random = true;
    assert_false(is_made);
    assert_null(certificate);
    assert_null(key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificate_is_for_this_machine),
        cmocka_unit_test(test_serials_differ_and_are_positive),
        cmocka_unit_test(test_none_without_randomness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
