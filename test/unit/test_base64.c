// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"

// RFC 4648 section 10 without padding, and the two characters that differ from base64.
static const struct {
    struct slice bytes;
    const char *text;
} pairs[] = {
    {{"", 0}, ""},
    {{"f", 1}, "Zg"},
    {{"fo", 2}, "Zm8"},
    {{"foo", 3}, "Zm9v"},
    {{"foob", 4}, "Zm9vYg"},
    {{"fooba", 5}, "Zm9vYmE"},
    {{"foobar", 6}, "Zm9vYmFy"},
    {{"\xfb\xef\xff", 3}, "--__"},
    {{"\0\0", 2}, "AAA"},
};

// "!" : refused; else the hexadecimal bytes
static const struct {
    const char *text;
    const char *wanted;
} texts[] = {
    {"Zg==", "66"},    {"Zm8=", "666f"}, {"Zm9v", "666f6f"}, {"A", "!"},        {"Zm9vA", "!"},
    {"Zh", "!"},       {"Zm9", "!"},     {"Zg=", "!"},       {"Z===", "!"},     {"====", "!"},
    {"Zm9v====", "!"}, {"Zm9v=", "!"},   {"=Zg", "!"},       {"Z=g=", "!"},     {"Zm 9v", "!"},
    {"Zm9v\n", "!"},   {"+/+/", "!"},    {"--__", "fbefff"}, {"Zm9v\x80", "!"},
};

static struct slice decode(struct slice text) {
    static char hex[64];
    unsigned char *bytes = malloc(text.length / 4 * 3 + 2); // exact, so that overwrites show
    size_t length;
    hex[0] = '!', hex[1] = '\0';
    if (base64_decode(text, bytes, &length)) {
        hex[0] = '\0';
        for (size_t i = 0; i < length; i++) {
            snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
        }
    }
    free(bytes);
    return slice_of_text(hex);
}

static void test_pairs(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char text[16] = "";
        unsigned char bytes[16];
        size_t length;
        base64_encode(pairs[i].bytes, text);
        assert_string_equal(text, pairs[i].text);
        assert_int_equal(base64_text_length(pairs[i].bytes.length), strlen(text));
        assert_true(base64_decode(slice_of_text(text), bytes, &length));
        assert_true(slice_equal(slice_of((char *)bytes, length), pairs[i].bytes));
    }
}

static void test_texts(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct slice got = decode(slice_of_text(texts[i].text));
        if (!slice_equal(got, slice_of_text(texts[i].wanted))) {
            fail_msg("%s: got %.*s", texts[i].text, SLICE_ARGS(got));
        }
    }
}

static void test_every_length_goes_round(void **state) {
    (void)state;
    for (size_t length = 0; length < 300; length++) {
        char *bytes = malloc(length + 1);
        char *text = malloc(base64_text_length(length) + 1);
        unsigned char *back = malloc(base64_text_length(length) / 4 * 3 + 2);
        size_t back_length;
        for (size_t i = 0; i < length; i++) {
            bytes[i] = (char)(i * 73 + length * 11);
        }
        base64_encode(slice_of(bytes, length), text);
        struct slice whole = slice_of(text, base64_text_length(length));
        assert_true(base64_decode(whole, back, &back_length));
        assert_int_equal(back_length, length);
        assert_memory_equal(back, bytes, length);
        free(bytes);
        free(text);
        free(back);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_every_length_goes_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
