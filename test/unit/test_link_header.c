// SPDX-License-Identifier: Apache-2.0
// One line per case; the rows named U come from PUSH section 6.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/link_header.h"

struct row {
    const char *field;
    const char *wanted; // targets to push, joined with blanks
};

static bool may_push(const struct link_header *link) {
    return (link->is_preload || link->is_modulepreload) && !link->is_nopush &&
           !link->is_conditional && link->anchor.length == 0;
}

static void expect_targets(const struct row *row) {
    // An own copy of just these bytes, so that the sanitizer sees a step beyond them.
    size_t length = strlen(row->field);
    char *copy = malloc(length > 0 ? length : 1);
    memcpy(copy, row->field, length);
    char got[256] = "";
    struct link_reader reader = {0};
    struct link_header link;
    link_reader_start(&reader, slice_of(copy, length));
    while (link_reader_next(&reader, &link)) {
        if (may_push(&link)) {
            size_t used = strlen(got);
            snprintf(got + used, sizeof(got) - used, "%s%.*s", used > 0 ? " " : "",
                     SLICE_ARGS(link.target));
        }
    }
    if (strcmp(got, row->wanted) != 0) {
        fail_msg("%s: got '%s', wanted '%s'", row->field, got, row->wanted);
    }
    free(copy);
}

// "ours" marks where outrider differs from the peer's test on purpose.
static const struct row cases[] = {
    {"<url>", ""},                                                        // U01
    {"<url>; rel=preload", "url"},                                        // U02
    {"<url>; rel=preload; as=file", "url"},                               // U03
    {"<url>; as=file; rel=preload", "url"},                               // U03
    {"<url>; rel=preload; title=\"foo,bar\"", "url"},                     // U04
    {"<url>; title=\"foo,bar\"; rel=preload", "url"},                     // U05
    {"<url>; title=\"foo,bar\", <url2>; rel=preload", "url2"},            // U06
    {"<url>; rel=preload, <url2>", "url"},                                // U07
    {"<url>; rel=preload, <url2>; rel=preload", "url url2"},              // U08
    {"<url>, <url2>;rel=preload", "url2"},                                // U09
    {"<url>;rel=preload;", "url"},                                        // U10 ours
    {"<url>;rel=preload;, <url>", "url"},                                 // U11 ours
    {"<url>;rel=preload,", "url"},                                        // U12
    {"<url>,,,<url2>;rel=preload", "url2"},                               // U13
    {"url>;rel=preload", ""},                                             // U14
    {"<url;rel=preload", ""},                                             // U15
    {"<url>;rel=preload; as=", "url"},                                    // U16 ours
    {"<url>;as=;rel=preload", "url"},                                     // U17 ours
    {"<url>;as=, <url>;rel=preload", "url"},                              // U18 ours
    {"<url>; =file; rel=preload", ""},                                    // U19
    {"<url>; =file; rel=preload, <url2>;rel=preload", "url2"},            // U19
    {"<url>;as=file;rel=preload,<url2>;rel=preload", "url url2"},         // U20
    {"<url>; as; rel=preload", "url"},                                    // U21
    {"<url>; foo*=bar; rel=preload", "url"},                              // U22
    {"<url>; *=bar; rel=preload", ""},                                    // U23
    {"<url>; foo*bar=buzz; rel=preload", ""},                             // U23
    {"<url>; foo*; rel=preload", ""},                                     // U23
    {"<url> rel=preload", ""},                                            // U24
    {"  <url>; rel=preload", "url"},                                      // U25
    {"<url>; rel=preloadx", ""},                                          // U26
    {"<url>; rel=\"preload\"", "url"},                                    // U27
    {"<url>; rel=\"preload foo\"", "url"},                                // U28
    {"<url>; rel=\"foo preload\"", "url"},                                // U28
    {"<url>; rel=\"foo preload bar\"", "url"},                            // U28
    {"<url>; rel=\"foo   preload   bar\"", "url"},                        // U28
    {"<url>; rel=\"foo\"", ""},                                           // U29
    {"<url>; rel=\"foo bar\"", ""},                                       // U29
    {"<url>; rel=\"preload\", <url2>", "url"},                            // U30
    {"<url>, <url2>; rel=\"preload\"", "url2"},                           // U31
    {"<url>; rel=\"preload\"; as=\"font\"", "url"},                       // U32
    {"<url>; rel=\"preload\".", ""},                                      // U33
    {"<url>; rel=\"preload\";", "url"},                                   // U34 ours
    {"<url>; rel=\"preload\",", "url"},                                   // U35
    {"<url>; rel=\" preload\"", "url"},                                   // U36 ours
    {"<url>; rel=\"preload \"", "url"},                                   // U36 ours
    {"<url>; rel=preload; title=\"foo\\\"baz\\\"bar\"", "url"},           // U37
    {"<url>; rel=preload; anchor=\"\"", "url"},                           // U38
    {"<url>; rel=preload; anchor=\"#foo\"", ""},                          // U39
    {"<url>; rel=preload; anchor=f", ""},                                 // U39
    {"<url>; rel=preload; anchor=\"#foo\", <url2>; rel=preload", "url2"}, // U40
    {"<url>; rel=preload; loadpolicy=\"next\"", ""},                      // U41
    {"<url>; rel=preload; loadpolicy=\"\"", "url"},                       // U41
    {"<url>; rel=preload; ANCHOR=\"#foo\", <url2>; REL=PRELOAD, <url3>; REL=\"foo PRELOAD bar\"",
     "url2 url3"},                              // U42
    {"<url>; rel=preload; nopush", ""},         // U43
    {"<url>; rel=preload; nopush; as=x", ""},   // U43
    {"<url>; nopush; rel=preload", ""},         // U43
    {"<url>; rel=preload; nopushyes", "url"},   // U44
    {"<url>; rel=preload; rel=preload", "url"}, // U45
    // Relations.
    {"<url>; rel=modulepreload", "url"},
    {"<url>; rel=modulepreloads", ""},
    {"<url>; rel=\"prefetch modulepreload\"", "url"},
    {"<url>; rel=\"modulepreload prefetch\"", "url"},
    {"<url>; rel=\"preload\\", ""},
    {"<url>; x0z=1; Z9=2; rel=preload", "url"},
    {"<url>; rel=prefetch", ""},
    {"<url>; rel=dns-prefetch", ""},
    {"<url>; rel=preconnect", ""},
    {"<url>; rel=next; rel=preload", ""}, // the first rel counts
    {"<url>; rel=; rel=preload", ""},
    {"<url>; rel; rel=preload", ""},
    {"<url>; rev=preload", ""},
    {"<url>; Rel=PreLoad", "url"},
    {"<url>; rel = preload", "url"},
    {"<url>; rel\t=\t\"preload\"", "url"},
    {"<url>;rel=\"\tpreload\t\"", "url"},
    {"<url>; rel=\"pre\\load\"", "url"}, // a quoted pair stands for its byte
    {"<url>; rel=\"preload\\ x\"", "url"},
    {"<url>; rel=\"preload,\"", ""},
    {"<url>; rel=\"\"", ""},
    {"<url>; rel=preload as=style", ""}, // a semicolon is missing
    {"<url>; rel='preload'", ""},
    // nopush and others.
    {"<url>; rel=preload; NOPUSH", ""},
    {"<url>; rel=preload; nopush=1", ""},
    {"<url>; rel=preload; nopush=\"\"", ""},
    {"<url>; rel=preload; nopush=false", ""},
    {"<url>; rel=preload; title=nopush", "url"},
    {"<url>; rel=preload; title=\"; nopush\"", "url"},
    {"<url;nopush>; rel=preload", "url;nopush"},
    // Separators inside <> and quotes are data.
    {"<u,r;l>; rel=preload", "u,r;l"},
    {"<a?x=\">; rel=preload, <b>; rel=preload", "a?x=\" b"},
    {"<url>; title=\"<x>; rel=next, <y>\"; rel=preload", "url"},
    {"<url>; title=\"a\\\",<x>; rel=preload,\", <b>; rel=preload", "b"},
    // After a bad element the next one counts.
    {"url, <b>; rel=preload", "b"},
    {"url>;rel=preload, <b>; rel=preload", "b"},
    {"<url;rel=preload, <b>; rel=preload", "b"},
    {"<url, <b>; rel=preload", "b"},
    {"<<b>; rel=preload", ""},
    {">x<, <b>; rel=preload", "b"}, // R32
    {">x<", ""},                    // R32
    {"x \"a, <c>; rel=preload\", <b>; rel=preload", "b"},
    {"x <a, <c>; rel=preload", "c"},
    {"x <a,c>, <b>; rel=preload", "b"},
    {"<url>; rel=\"preload\"x, <b>; rel=preload", "b"},
    {"<url>; rel=pre\"load, <b>; rel=preload", ""}, // the quote hides the rest
    {"<url>; rel=\"preload, <b>; rel=preload", ""},
    {"<url>; rel=preload; title=\"open", ""},
    {"<url>; rel=preload; title=\"open\\\"", ""},
    {"<url>; rel=preload; title=\"open\\", ""},
    {"<url>; rel=preload; x=<y>, <b>; rel=preload", "b"},
    {"<url>; (x); rel=preload, <b>; rel=preload", "b"},
    // Harmless.
    {"<url>; ; ; rel=preload; ;", "url"},
    {"<url>;;;rel=preload", "url"},
    {" , ,\t<url>; rel=preload , ,", "url"},
    {"<url> ; rel=preload ;", "url"},
    {"<url>; rel=preload; type=font/woff2; crossorigin", "url"},
    {"<url>; rel=preload; type=text/html;charset=utf-8", "url"},
    {"<>; rel=preload", ""},
    {"", ""},
    {" ", ""},
    {",", ""},
    {";", ""},
    {"<", ""},
    {">", ""},
    {"\"", ""},
    {"<url", ""},
    {"<url>;", ""},
    {"<url>; rel", ""},
    {"<url>; rel=", ""},
    {"<url>; rel=\"", ""},
    {"<url>; rel=\"\\", ""},
    {"malformed", ""},
    {"<malformed", ""},
    {"</resource> ; ", ""},
    {"</resource>; as=script", ""},
};

static void test_cases(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_targets(&cases[i]);
    }
}

// Every case cut at every byte: nothing is read beyond the end (the sanitizer watches).
static void test_cut_anywhere(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t length = 0; length < strlen(cases[i].field); length++) {
            char *copy = malloc(length > 0 ? length : 1);
            memcpy(copy, cases[i].field, length);
            struct link_reader reader = {0};
            struct link_header link;
            link_reader_start(&reader, slice_of(copy, length));
            while (link_reader_next(&reader, &link)) {
                assert_true(link.element.data >= copy && link.element.length <= length);
                assert_int_equal(link.element.data[0], '<');
            }
            assert_int_equal(reader.rest.length, 0);
            free(copy);
        }
    }
}

static struct link_header read_one(const char *field) {
    struct link_reader reader = {0};
    struct link_header link;
    link_reader_start(&reader, slice_of_text(field));
    assert_true(link_reader_next(&reader, &link));
    return link;
}

static void expect_text(struct slice got, const char *wanted) {
    if (!slice_equal(got, slice_of_text(wanted))) {
        fail_msg("got '%.*s', wanted '%s'", SLICE_ARGS(got), wanted);
    }
}

static void test_parameters(void **state) {
    (void)state;
    struct link_header link = read_one(
        "<a>; As=\"style\"; as=font; fetchpriority=high; anchor=\"\"; anchor=\"/x\"; critical");
    expect_text(link.target, "a");
    expect_text(link.as, "style");
    expect_text(link.fetch_priority, "high");
    expect_text(link.anchor, "/x");
    assert_true(link.is_critical && !link.has_rel && !link.is_preload && !link.is_push_only);
    assert_true(!link.has_crossorigin && !link.has_variants && !link.is_conditional);
    link = read_one("<a>; rel=\"preconnect x preload\"; X-HTTP2-Push-Only; crossorigin");
    assert_true(link.is_preload && link.is_preconnect && link.is_push_only && link.has_rel);
    assert_true(link.has_crossorigin && !link.has_credentialed_crossorigin);
    expect_text(link.as, "");
    expect_text(link.anchor, "");
    expect_text(link.fetch_priority, "");
    link = read_one("<a>; crossorigin=\"Use-Credentials\"");
    assert_true(link.has_crossorigin && link.has_credentialed_crossorigin);
    assert_true(read_one("<a>; media=\"(width > 9px)\"").has_variants);
    assert_true(read_one("<a>; imagesrcset=\"a 1x, b 2x\"").has_variants);
    assert_true(read_one("<a>; imagesizes=50vw").has_variants);
    assert_false(read_one("<a>; media=all").has_variants);
    assert_false(read_one("<a>; media=\"\"; imagesrcset").has_variants);
}

// What a re-writer of the field needs: where each element starts and ends.
static void test_elements(void **state) {
    (void)state;
    struct link_reader reader = {0};
    struct link_header link;
    link_reader_start(&reader, SLICE(" <a>; x=\"1,2\" ;, bad, <b> ,<c>;y "));
    assert_true(link_reader_next(&reader, &link));
    expect_text(link.element, "<a>; x=\"1,2\" ;");
    assert_true(link_reader_next(&reader, &link));
    expect_text(link.element, "<b>");
    assert_true(link_reader_next(&reader, &link));
    expect_text(link.element, "<c>;y");
    assert_false(link_reader_next(&reader, &link));
    assert_false(link_reader_next(&reader, &link));
    assert_int_equal(reader.elements, 4);
}

// 256 elements over all fields of a response.
static void test_too_many_elements(void **state) {
    (void)state;
    char field[200 * 4];
    for (size_t i = 0; i < 200; i++) {
        memcpy(field + 4 * i, "<a>,", 4);
    }
    struct link_reader reader = {0};
    struct link_header link;
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        link_reader_start(&reader, slice_of(field, sizeof(field)));
        while (link_reader_next(&reader, &link)) {
            count++;
        }
    }
    assert_int_equal(count, LINK_MAX_ELEMENTS);
    assert_int_equal(reader.ignored, 600 - LINK_MAX_ELEMENTS);
}

static void test_long_field(void **state) {
    (void)state;
    static char field[LINK_MAX_FIELD_BYTES + 100];
    memset(field, ' ', sizeof(field));
    memcpy(field, "<a>;rel=preload,", 16);
    memcpy(field + LINK_MAX_FIELD_BYTES - 8, "</b?long>;rel=preload,<c>;rel=preload", 37);
    struct link_reader reader = {0};
    struct link_header link;
    link_reader_start(&reader, slice_of(field, sizeof(field)));
    assert_true(link_reader_next(&reader, &link));
    expect_text(link.target, "a");
    assert_false(link_reader_next(&reader, &link));
    assert_int_equal(reader.ignored, 1);
    // One that just fits is whole.
    memset(field + 16, ' ', sizeof(field) - 16);
    memcpy(field + LINK_MAX_FIELD_BYTES - 15, "<b>;rel=preload", 15);
    link_reader_start(&reader, slice_of(field, LINK_MAX_FIELD_BYTES));
    assert_true(link_reader_next(&reader, &link) && link_reader_next(&reader, &link));
    expect_text(link.target, "b");
}

static void test_long_target(void **state) {
    (void)state;
    static char field[LINK_MAX_URL_BYTES + 32];
    memset(field, 'a', sizeof(field));
    field[0] = '<';
    memcpy(field + 1 + LINK_MAX_URL_BYTES, ">,<b>", 5);
    struct link_reader reader = {0};
    struct link_header link;
    link_reader_start(&reader, slice_of(field, LINK_MAX_URL_BYTES + 6));
    assert_true(link_reader_next(&reader, &link));
    assert_int_equal(link.target.length, LINK_MAX_URL_BYTES);
    memcpy(field + 1 + LINK_MAX_URL_BYTES, "a>,<b>", 6);
    link_reader_start(&reader, slice_of(field, LINK_MAX_URL_BYTES + 7));
    assert_true(link_reader_next(&reader, &link));
    expect_text(link.target, "b");
    assert_int_equal(reader.ignored, 1);
}

// Time grows with the length only: none of these may take a noticeable while.
static void test_hostile_fields(void **state) {
    (void)state;
    static const char *const units[] = {"<", "\"",         "\\\"", "<a", "<a,",
                                        ";", "<a>;x=\"\\", "x<\"", ","};
    static char field[LINK_MAX_FIELD_BYTES];
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t unit = strlen(units[i]);
        for (size_t at = 0; at < sizeof(field); at++) {
            field[at] = units[i][at % unit];
        }
        struct link_reader reader = {0};
        struct link_header link;
        link_reader_start(&reader, slice_of(field, sizeof(field)));
        while (link_reader_next(&reader, &link)) {
            assert_false(may_push(&link));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_too_many_elements),
        cmocka_unit_test(test_long_field),
        cmocka_unit_test(test_long_target),
        cmocka_unit_test(test_hostile_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
