// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json.h"

// NUL-terminated; the caller frees.
static char *json_of(struct slice text) {
    struct buffer out = {0};
    json_append_text(&out, text);
    buffer_append(&out, "", 1);
    return out.data; // nothing was consumed, so the text starts there
}

static void test_escapes(void **state) {
    (void)state;
    static const struct {
        struct slice text;
        const char *json;
    } cases[] = {
        {{"", 0}, ""},
        {{"/a b", 4}, "/a b"},
        {{"\"\\/", 3}, "\\\"\\\\/"},
        {{"\r\n\t\0\x1f\x7f", 6}, "\\u000d\\u000a\\u0009\\u0000\\u001f\\u007f"},
        {{"\xc3\xa9", 2}, "\xc3\xa9"},                             // valid: as it is
        {{"\xe2\x82\xac", 3}, "\xe2\x82\xac"},                     //
        {{"\xf0\x9f\x90\x8e", 4}, "\xf0\x9f\x90\x8e"},             //
        {{"\xf4\x8f\xbf\xbf", 4}, "\xf4\x8f\xbf\xbf"},             // the last code point
        {{"\xc3", 1}, "\\ufffd"},                                  // cut
        {{"\xe2\x82", 2}, "\\ufffd\\ufffd"},                       //
        {{"\xf0\x9f\x90", 3}, "\\ufffd\\ufffd\\ufffd"},            //
        {{"\xc3(", 2}, "\\ufffd("},                                // no continuation
        {{"\xc3\"", 2}, "\\ufffd\\\""},                            // nor one that hides a quote
        {{"\xe2\x82\n", 3}, "\\ufffd\\ufffd\\u000a"},              //
        {{"\x80\xbf", 2}, "\\ufffd\\ufffd"},                       // no first byte
        {{"\xc0\xaf", 2}, "\\ufffd\\ufffd"},                       // overlong
        {{"\xe0\x80\xaf", 3}, "\\ufffd\\ufffd\\ufffd"},            //
        {{"\xf0\x80\x80\xaf", 4}, "\\ufffd\\ufffd\\ufffd\\ufffd"}, //
        {{"\xed\xa0\x80", 3}, "\\ufffd\\ufffd\\ufffd"},            // surrogate
        {{"\xf4\x90\x80\x80", 4}, "\\ufffd\\ufffd\\ufffd\\ufffd"}, // beyond the last
        {{"\xf5\xff\xfe", 3}, "\\ufffd\\ufffd\\ufffd"},            //
        {{"\xc2\x9b[2J", 5}, "\\u009b[2J"},                        // CSI in C1
        {{"\xc2\xa0\xc2\x9f", 4}, "\xc2\xa0\\u009f"},              //
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *json = json_of(cases[i].text);
        size_t length = strlen(cases[i].json);
        assert_int_equal(strlen(json), length + 2);
        assert_memory_equal(json + 1, cases[i].json, length);
        assert_true(json[0] == '"' && json[length + 1] == '"');
        free(json);
    }
}

static void test_every_byte(void **state) {
    (void)state;
    char bytes[256];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)i;
    }
    char *json = json_of(slice_of(bytes, sizeof(bytes)));
    size_t replaced = 0;
    for (const char *at = json; *at != '\0'; at++) {
        assert_in_range(*at, ' ', '~');
        replaced += strncmp(at, "\\ufffd", 6) == 0;
    }
    assert_int_equal(replaced, 128);
    free(json);
}

static void test_a_byte_is_escaped_wherever_it_stands(void **state) {
    (void)state;
    for (size_t length = 1; length <= 24; length++) {
        for (size_t at = 0; at < length; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                char text[24];
                memset(text, 'a', sizeof(text));
                text[at] = (char)byte;
                bool is_plain = byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
                char *json = json_of(slice_of(text, length));
                bool is_longer = strlen(json) > length + 2;
                assert_int_equal(is_longer, !is_plain);
                free(json);
            }
        }
    }
}

static void test_numbers(void **state) {
    (void)state;
    struct buffer out = {0};
    json_append_number(&out, 0);
    buffer_append(&out, " ", 1);
    json_append_number(&out, 1230);
    buffer_append(&out, " ", 1);
    json_append_number(&out, UINT64_MAX);
    buffer_append(&out, "", 1);
    assert_string_equal(out.data, "0 1230 18446744073709551615");
    buffer_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_a_byte_is_escaped_wherever_it_stands),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
