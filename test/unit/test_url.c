// SPDX-License-Identifier: Apache-2.0
// One line per case. The resolver's rows named R come from PUSH section 6.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/url.h"

static void expect_text(struct slice got, const char *wanted, const char *input) {
    if (!slice_equal(got, slice_of_text(wanted))) {
        fail_msg("%s: got '%.*s', wanted '%s'", input, SLICE_ARGS(got), wanted);
    }
}

// --- authorities ------------------------------------------------------------------------------

static const struct {
    const char *scheme;
    const char *authority;
    const char *wanted; // NULL: refused
} authorities[] = {
    {"https", "example.org", "example.org"},
    {"https", "Example.ORG", "example.org"},
    {"https", "example.org:443", "example.org"},
    {"https", "EXAMPLE.org:443", "example.org"},
    {"https", "example.org:80", "example.org:80"},
    {"http", "example.org:80", "example.org"},
    {"http", "example.org:443", "example.org:443"},
    {"http", "example.org:0080", "example.org"},
    {"http", "example.org:08080", "example.org:8080"},
    {"http", "Example.org:8080", "example.org:8080"},
    {"http", "example.org:", "example.org"},
    {"http", "example.org:1", "example.org:1"},
    {"http", "example.org:65535", "example.org:65535"},
    {"http", "my_app:3000", "my_app:3000"},
    {"http", "example.org.", "example.org."},
    {"http", "127.0.0.1:8080", "127.0.0.1:8080"},
    {"https", "[::1]", "[::1]"},
    {"https", "[::1]:443", "[::1]"},
    {"https", "[2001:DB8::A]:8443", "[2001:db8::a]:8443"},
    {"https", "[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]"},
    {"http", "", NULL},
    {"http", ":80", NULL},
    {"http", ".", NULL},
    {"http", "..", NULL},
    {"http", "a..b", NULL},
    {"http", ".example.org", NULL},
    {"http", "example.org:0", NULL},
    {"http", "example.org:65536", NULL},
    {"http", "example.org:123456", NULL},
    {"http", "example.org:+80", NULL},
    {"http", "example.org:8o", NULL},
    {"http", "example.org:80:80", NULL},
    {"http", "user@example.org", NULL},
    {"http", "user:pass@example.org", NULL},
    {"http", "example.org,evil.org", NULL},
    {"http", "example.org;x", NULL},
    {"http", "exa%6dple.org", NULL},
    {"http", "example.org/", NULL},
    {"http", "example org", NULL},
    {"http", "example.org\t", NULL},
    {"http", "ex\xc3\xa4mple.org", NULL},
    {"http", "[::1", NULL},
    {"http", "[]", NULL},
    {"http", "[::1]x", NULL},
    {"http", "[::1]80", NULL},
    {"http", "[::g]", NULL},
    {"http", "[fe80::1%25eth0]", NULL},
    {"http", "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]", NULL},
    {"http", "example.org:9", "example.org:9"},
    {"http", "example.org:8:", NULL},
    {"http", "::1", NULL},
    {"http", "[127.0.0.1]", NULL},
};

static void test_authorities(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(authorities) / sizeof(authorities[0]); i++) {
        struct arena *arena = arena_create();
        struct slice got = SLICE("untouched");
        bool is_good =
            url_normalize_authority(slice_of_text(authorities[i].scheme),
                                    slice_of_text(authorities[i].authority), arena, &got);
        if (is_good != (authorities[i].wanted != NULL)) {
            fail_msg("%s: %s", authorities[i].authority, is_good ? "accepted" : "refused");
        }
        expect_text(got, is_good ? authorities[i].wanted : "untouched", authorities[i].authority);
        arena_destroy(arena);
    }
}

static void test_authority_too_long(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    char host[257];
    struct slice got;
    memset(host, 'a', sizeof(host));
    assert_true(url_normalize_authority(SLICE("http"), slice_of(host, 255), arena, &got));
    assert_false(url_normalize_authority(SLICE("http"), slice_of(host, 256), arena, &got));
    arena_destroy(arena);
}

static const struct {
    const char *scheme;
    const char *authority;
    const char *host;
    unsigned port;
} parts[] = {
    {"https", "example.org", "example.org", 443},
    {"http", "example.org", "example.org", 80},
    {"http", "example.org:8080", "example.org", 8080},
    {"https", "[::1]", "::1", 443},
    {"https", "[::1]:8443", "::1", 8443},
    {"ftp", "example.org", "example.org", 0},
    {"http", "", "", 80},
};

static void test_host_and_port(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct slice authority = slice_of_text(parts[i].authority);
        expect_text(url_host(authority), parts[i].host, parts[i].authority);
        assert_int_equal(url_port(slice_of_text(parts[i].scheme), authority), parts[i].port);
    }
}

// --- paths ------------------------------------------------------------------------------------

static const struct {
    const char *path;
    const char *wanted; // NULL: refused
} paths[] = {
    {"/", "/"},
    {"/a/b?c=d&e", "/a/b?c=d&e"},
    {"/a/../b", "/a/../b"},
    {"//a", "//a"},
    {"/%2e%00%zz", "/%2e%00%zz"},
    {"/~!$&'()*+,;=:@-._[]", "/~!$&'()*+,;=:@-._[]"},
    {"/a\"b", "/a%22b"},
    {"/<b>^`{|}", "/%3Cb%3E%5E%60%7B%7C%7D"},
    {"/?q={}", "/?q=%7B%7D"},
    {"", NULL},
    {"*", NULL},
    {"a", NULL},
    {"?a", NULL},
    {"http://example.org/", NULL},
    {"/a#b", NULL},
    {"/a\\b", NULL},
    {"/a b", NULL},
    {"/a\tb", NULL},
    {"/a\nb", NULL},
    {"/a\x01", NULL},
    {"/a\x7f", NULL},
    {"/\xc3\xa9", NULL},
};

static void test_paths(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct arena *arena = arena_create();
        struct slice got = SLICE("untouched");
        bool is_good = url_check_path(slice_of_text(paths[i].path), arena, &got);
        if (is_good != (paths[i].wanted != NULL)) {
            fail_msg("%s: %s", paths[i].path, is_good ? "accepted" : "refused");
        }
        expect_text(got, is_good ? paths[i].wanted : "untouched", paths[i].path);
        arena_destroy(arena);
    }
}

static void test_a_byte_of_a_path_counts_wherever_it_stands(void **state) {
    (void)state;
    for (size_t length = 2; length <= 20; length++) {
        for (size_t at = 1; at < length; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                char text[20];
                memset(text, 'a', sizeof(text));
                text[0] = '/';
                text[at] = (char)byte;
                struct arena *arena = arena_create();
                struct slice got = SLICE_EMPTY;
                bool is_good = url_check_path(slice_of(text, length), arena, &got);
                bool is_bad = byte <= ' ' || byte >= 0x7f || byte == '\\' || byte == '#';
                assert_int_equal(is_good, !is_bad);
                bool is_encoded = is_good && strchr("\"<>^`{|}", (int)byte) != NULL;
                assert_int_equal(got.length, is_bad ? 0 : is_encoded ? length + 2 : length);
                arena_destroy(arena);
            }
        }
    }
}

// --- references -------------------------------------------------------------------------------

struct reference {
    const char *reference;
    const char *wanted; // scheme://authority/path, NULL: URL_BAD
};

// RFC 3986 sections 5.4.1 and 5.4.2, base http://a/b/c/d;p?q; fragments are dropped, other schemes
// are bad, an empty reference is no candidate (R26).
static const struct reference rfc3986[] = {
    {"g:h", NULL},
    {"g", "http://a/b/c/g"},
    {"./g", "http://a/b/c/g"},
    {"g/", "http://a/b/c/g/"},
    {"/g", "http://a/g"},
    {"//g", "http://g/"},
    {"?y", "http://a/b/c/d;p?y"},
    {"g?y", "http://a/b/c/g?y"},
    {"#s", "http://a/b/c/d;p?q"},
    {"g#s", "http://a/b/c/g"},
    {"g?y#s", "http://a/b/c/g?y"},
    {";x", "http://a/b/c/;x"},
    {"g;x", "http://a/b/c/g;x"},
    {"g;x?y#s", "http://a/b/c/g;x?y"},
    {"", NULL},
    {".", "http://a/b/c/"},
    {"./", "http://a/b/c/"},
    {"..", "http://a/b/"},
    {"../", "http://a/b/"},
    {"../g", "http://a/b/g"},
    {"../..", "http://a/"},
    {"../../", "http://a/"},
    {"../../g", "http://a/g"},
    {"../../../g", "http://a/g"},
    {"../../../../g", "http://a/g"},
    {"/./g", "http://a/g"},
    {"/../g", "http://a/g"},
    {"g.", "http://a/b/c/g."},
    {".g", "http://a/b/c/.g"},
    {"g..", "http://a/b/c/g.."},
    {"..g", "http://a/b/c/..g"},
    {"./../g", "http://a/b/g"},
    {"./g/.", "http://a/b/c/g/"},
    {"g/./h", "http://a/b/c/g/h"},
    {"g/../h", "http://a/b/c/h"},
    {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
    {"g;x=1/../y", "http://a/b/c/y"},
    {"g?y/./x", "http://a/b/c/g?y/./x"},
    {"g?y/../x", "http://a/b/c/g?y/../x"},
    {"g#s/./x", "http://a/b/c/g"},
    {"g#s/../x", "http://a/b/c/g"},
    {"http:g", "http://a/b/c/g"}, // "for backward compatibility"
};

// Base http://basehost/basepath/?q.
static const struct reference more[] = {
    {"http://basehost/otherpath", "http://basehost/otherpath"},       // R01
    {"/otherpath", "http://basehost/otherpath"},                      // R02
    {"otherpath", "http://basehost/basepath/otherpath"},              // R03
    {"../otherpath", "http://basehost/otherpath"},                    // R04
    {"http:otherpath", "http://basehost/basepath/otherpath"},         // R05
    {"http://basehost:81/otherpath", "http://basehost:81/otherpath"}, // R07: other site
    {"https://basehost/otherpath", "https://basehost/otherpath"},     // R08: other site
    {"https:otherpath", NULL},                                        // R09
    {"https://example.org/foo", "https://example.org/foo"},           // R23: other site
    {"/foo/bar?q=a", "http://basehost/foo/bar?q=a"},                  // R24
    {"foo/../bar?q=a", "http://basehost/basepath/bar?q=a"},           // R25
    {"?q=a", "http://basehost/basepath/?q=a"},                        // R27
    {"?", "http://basehost/basepath/?"},
    {"a.css?x#frag", "http://basehost/basepath/a.css?x"}, // R29
    {"/a.css#frag", "http://basehost/a.css"},             // R29
    {"//cdn.example/x.js", "http://cdn.example/x.js"},    // R30: other site
    {"/.//cdn.example/x.js", NULL},                       // would read as another site
    {"/x/..//cdn.example/x.js", NULL},
    {"http://basehost//cdn.example/x.js", NULL},
    {"a//b", "http://basehost/basepath/a//b"},
    {"HTTP://BaseHost:80/X", "http://basehost/X"},
    {"//basehost/x", "http://basehost/x"},
    {"//basehost", "http://basehost/"},
    {"//basehost?x", "http://basehost/?x"},
    {"//basehost#x", "http://basehost/"},
    {"/%2e%2e/%2E/x", "http://basehost/x"}, // an encoded dot is a dot
    {"/.%2e/x", "http://basehost/x"},
    {"/%2e%2e%2e/x", "http://basehost/%2e%2e%2e/x"},
    {"/..%2fx", "http://basehost/..%2fx"},
    {"/a|b", "http://basehost/a%7Cb"},
    {"/a\"b?{}", "http://basehost/a%22b?%7B%7D"},
    {"./a:b", "http://basehost/basepath/a:b"},
    {"1:b", "http://basehost/basepath/1:b"}, // no scheme starts with a digit
    {"a:b", NULL},
    {"z9+-.:b", NULL},
    {"a,b:c", "http://basehost/basepath/a,b:c"},
    {"a0/b:c", "http://basehost/basepath/a0/b:c"},
    {"a=b:c", "http://basehost/basepath/a=b:c"},
    {"0a:b", "http://basehost/basepath/0a:b"},
    {"/%2f%2e/%3e%2e/%2ex/x", "http://basehost/%2f%2e/%3e%2e/%2ex/x"},
    {"/x/%2", "http://basehost/x/%2"},
    {"data:text/css,x", NULL},
    {"javascript:alert(1)", NULL},
    {"file:///etc/passwd", NULL},
    {"ftp://basehost/x", NULL},
    {"http://", NULL},
    {"http:///x", NULL},
    {"//", NULL},
    {"///x", NULL},
    {"http://user@basehost/x", NULL},
    {"http://user:pass@basehost/x", NULL},
    {"//@basehost/x", NULL},
    {"http://basehost:0/x", NULL},
    {"http://basehost:99999/x", NULL},
    {"http://base%68ost/x", NULL},
    {"http://basehost\\@evil/x", NULL},
    {"/a b", NULL},
    {" /a", NULL},
    {"/a ", NULL},
    {"/a\tb", NULL},
    {"/a\x7f", NULL},
    {"/\xc3\xa9", NULL},
    {"\\a", NULL},
    {"/a\\b", NULL},
    {"/a#b c", NULL},
};

static void expect_resolved(const struct url *base, const struct reference *row) {
    struct arena *arena = arena_create();
    struct url url;
    enum url_relation relation = url_resolve(base, slice_of_text(row->reference), arena, &url);
    if (row->wanted == NULL) {
        if (relation != URL_BAD) {
            fail_msg("'%s' is not bad", row->reference);
        }
        arena_destroy(arena);
        return;
    }
    if (relation == URL_BAD) {
        fail_msg("'%s' is bad", row->reference);
    }
    expect_text(arena_printf(arena, "%.*s://%.*s%.*s", SLICE_ARGS(url.scheme),
                             SLICE_ARGS(url.authority), SLICE_ARGS(url.path)),
                row->wanted, row->reference);
    bool is_same =
        slice_equal(url.scheme, base->scheme) && slice_equal(url.authority, base->authority);
    assert_int_equal(relation, is_same ? URL_SAME : URL_OTHER_SITE);
    arena_destroy(arena);
}

static void test_rfc3986(void **state) {
    (void)state;
    struct url base = {SLICE("http"), SLICE("a"), SLICE("/b/c/d;p?q")};
    for (size_t i = 0; i < sizeof(rfc3986) / sizeof(rfc3986[0]); i++) {
        expect_resolved(&base, &rfc3986[i]);
    }
}

static void test_more_references(void **state) {
    (void)state;
    struct url base = {SLICE("http"), SLICE("basehost"), SLICE("/basepath/?q")};
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        expect_resolved(&base, &more[i]);
    }
}

static void test_odd_bases(void **state) {
    (void)state;
    static const struct {
        const char *path;
        struct reference row;
    } rows[] = {
        {"*", {"x", NULL}},
        {"*", {"/x", "https://h/x"}},
        {"/a/../b/page", {"x", "https://h/b/x"}},
        {"/a/../b/page?c", {"#", "https://h/b/page?c"}},
        {"/page?a=/b/c", {"x", "https://h/x"}},
        {"//evil/page", {"x", NULL}},
        {"/", {"..", "https://h/"}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct url base = {SLICE("https"), SLICE("h"), slice_of_text(rows[i].path)};
        expect_resolved(&base, &rows[i].row);
    }
}

static void test_too_long(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct url base = {SLICE("https"), SLICE("h"), SLICE("/folder/")};
    struct url url;
    char text[URL_MAX_BYTES + 1];
    memset(text, 'a', sizeof(text));
    text[0] = '/';
    assert_int_equal(url_resolve(&base, slice_of(text, URL_MAX_BYTES), arena, &url), URL_SAME);
    assert_int_equal(url_resolve(&base, slice_of(text, URL_MAX_BYTES + 1), arena, &url), URL_BAD);
    text[0] = 'a'; // joined with its folder it is longer
    assert_int_equal(url_resolve(&base, slice_of(text, URL_MAX_BYTES), arena, &url), URL_BAD);
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_authorities),
        cmocka_unit_test(test_authority_too_long),
        cmocka_unit_test(test_host_and_port),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_a_byte_of_a_path_counts_wherever_it_stands),
        cmocka_unit_test(test_rfc3986),
        cmocka_unit_test(test_more_references),
        cmocka_unit_test(test_odd_bases),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
