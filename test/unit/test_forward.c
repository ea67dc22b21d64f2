// SPDX-License-Identifier: Apache-2.0
// One row per case: fields are "name: value\n" lines, results are texts. Rows with a number are
// those of RFC 9113 section 8, RFC 9110 section 7 and of the smuggling families of the last years.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/forward.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static struct headers fields(struct arena *arena, const char *lines) {
    struct headers headers;
    headers_init(&headers, arena);
    struct slice rest = slice_of_text(lines);
    while (rest.length > 0) {
        struct slice line = slice_first(rest, slice_find(rest, '\n'));
        size_t colon = slice_find(line, ':');
        struct slice value = slice_skip(line, colon + 1);
        headers_add(&headers, slice_first(line, colon), slice_skip(value, 1));
        rest = slice_skip(rest, line.length + 1);
    }
    return headers;
}

static struct slice text_of(struct arena *arena, const struct headers *headers) {
    struct slice text = SLICE_EMPTY;
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct header *row = &headers->rows[i];
        text = arena_printf(arena, "%.*s%.*s: %.*s\n", SLICE_ARGS(text), SLICE_ARGS(row->name),
                            SLICE_ARGS(row->value));
    }
    return text;
}

static void expect_text(struct slice got, const char *wanted, const char *what) {
    if (!slice_equal(got, slice_of_text(wanted))) {
        fail_msg("%s\n got '%.*s'\nwant '%s'", what, SLICE_ARGS(got), wanted);
    }
}

// --- requests that come in ----------------------------------------------------------------------

struct check_row {
    const char *method, *authority, *path, *fields;
    const char *wanted; // "authority path length" and the fields, or the fault in brackets
};

static struct slice check(struct arena *arena, const struct check_row *row, enum protocol protocol,
                          bool is_end) {
    struct raw_request raw = {.method = slice_of_text(row->method),
                              .scheme = SLICE("https"),
                              .authority = slice_of_text(row->authority),
                              .path = slice_of_text(row->path),
                              .headers = fields(arena, row->fields),
                              .is_end = is_end,
                              .protocol = protocol};
    struct request_head head;
    enum fault fault = forward_check_request(&raw, arena, &head);
    if (fault != FAULT_NONE) {
        return arena_printf(arena, "[%s]", fault_name(fault));
    }
    assert_true(slice_equal(head.method, raw.method));
    assert_true(slice_equal(head.scheme, SLICE("https")));
    assert_int_equal(head.is_end, is_end);
    return arena_printf(arena, "%.*s %.*s %lld\n%.*s", SLICE_ARGS(head.authority),
                        SLICE_ARGS(head.path), (long long)head.content_length,
                        SLICE_ARGS(text_of(arena, &head.headers)));
}

static void expect_checks(const struct check_row *rows, size_t count, enum protocol protocol,
                          bool is_end) {
    for (size_t i = 0; i < count; i++) {
        struct arena *arena = arena_create();
        struct slice got = check(arena, &rows[i], protocol, is_end);
        char what[512];
        snprintf(what, sizeof(what), "%s '%s' '%s' %s", rows[i].method, rows[i].authority,
                 rows[i].path, rows[i].fields);
        expect_text(got, rows[i].wanted, what);
        arena_destroy(arena);
    }
}

#define BAD "[bad_request]"

static void test_check_http2(void **state) {
    (void)state;
    static const struct check_row rows[] = {
        {"GET", "a", "/", "", "a / 0\n"},
        {"GET", "A.Example:443", "/x?y", "", "a.example /x?y 0\n"},
        {"GET", "a:8443", "/", "host: A:8443\n", "a:8443 / 0\n"},
        {"GET", "a", "/", "host: a:443\n", "a / 0\n"},
        {"GET", "", "/", "host: a\n", "a / 0\n"},
        {"GET", "", "/", "host:  a \n", "a / 0\n"},
        {"BREW", "a", "/", "", "a / 0\n"},
        {"OPTIONS", "a", "*", "", "a * 0\n"},
        // Authority and Host.
        {"GET", "", "/", "", BAD},
        {"GET", "", "/", "host: \n", BAD},
        {"GET", "a", "/", "host: \n", BAD},
        {"GET", "a", "/", "host: b\n", BAD},
        {"GET", "a", "/", "host: a:80\n", BAD},
        {"GET", "a:80", "/", "host: a\n", BAD},
        {"GET", "a", "/", "host: a\nhost: a\n", BAD},
        {"GET", "a", "/", "host: a, b\n", BAD},
        {"GET", "a", "/", "host: a@b\n", BAD},
        {"GET", "", "/", "host: a\nhost: b\n", BAD},
        {"GET", "u@a", "/", "", BAD},
        {"GET", "a b", "/", "", BAD},
        {"GET", "a,b", "/", "", BAD},
        {"GET", "a;b", "/", "", BAD},
        {"GET", "a/b", "/", "", BAD},
        {"GET", "a?b", "/", "", BAD},
        {"GET", "a#b", "/", "", BAD},
        {"GET", "a%00", "/", "", BAD},
        {"GET", "a:b", "/", "", BAD},
        {"GET", "a:0", "/", "", BAD},
        {"GET", "a:65536", "/", "", BAD},
        {"GET", "a\r\nx: y", "/", "", BAD},
        {"GET", "\xc3\xa4", "/", "", BAD},
        // Method.
        {"", "a", "/", "", BAD},
        {"GET ", "a", "/", "", BAD},
        {"GET / HTTP/1.1\r\nx: y", "a", "/", "", BAD},
        {"G\tT", "a", "/", "", BAD},
        {"G(T", "a", "/", "", BAD},
        {"\xe9", "a", "/", "", BAD},
        {"CONNECT", "a:80", "", "", "[not_implemented]"},
        {"CONNECT", "a", "/", "", "[not_implemented]"},
        {"TRACE", "a", "/", "", "[not_implemented]"},
        {"PRI", "a", "/", "", "[not_implemented]"},
        // Path.
        {"GET", "a", "", "", BAD},
        {"GET", "a", "*", "", BAD},
        {"GET", "a", "x", "", BAD},
        {"GET", "a", "?x", "", BAD},
        {"GET", "a", "http://a/", "", BAD},
        {"GET", "a", "/a#b", "", BAD},
        {"GET", "a", "/a\\b", "", BAD},
        {"GET", "a", "/a b", "", BAD},
        {"GET", "a", "/a\tb", "", BAD},
        {"GET", "a", "/a\rb", "", BAD},
        {"GET", "a", "/a\nb", "", BAD},
        {"GET", "a", "/ HTTP/1.1\r\nx: y", "", BAD},
        {"GET", "a", "/a\x7f", "", BAD},
        {"GET", "a", "/\xc3\xa4", "", BAD},
        {"GET", "a", "/\"<>^`{|}", "", "a /%22%3C%3E%5E%60%7B%7C%7D 0\n"},
        {"OPTIONS", "a", "**", "", BAD},
        // Names and values.
        {"GET", "a", "/", "x-a: 1\nX-B:  2\t\nx-c: \n", "a / 0\nx-a: 1\nx-b: 2\nx-c: \n"},
        {"GET", "a", "/", "x-a: \xc3\xa4\n", "a / 0\nx-a: \xc3\xa4\n"},
        {"GET", "a", "/", "x-a: a\tb\n", "a / 0\nx-a: a\tb\n"},
        {"GET", "a", "/", "x a: 1\n", BAD},
        {"GET", "a", "/", "x(: 1\n", BAD},
        {"GET", "a", "/", ": 1\n", BAD},
        {"GET", "a", "/", "\xc3\xa4: 1\n", BAD},
        {"GET", "a", "/", "x\r: 1\n", BAD},
        {"GET", "a", "/", "x-a: b\rc\n", BAD},
        {"GET", "a", "/", "x-a: b\x01\n", BAD},
        {"GET", "a", "/", "x-a: b\x7f\n", BAD},
        {"GET", "a", "/", "accept: b\rc\n", BAD},
        {"GET", "a", "/", "cookie: b\rc\n", BAD},
        {"GET", "a", "/", "proxy-x: b\rc\n", BAD}, // dropped ones are checked too
        {"GET", "a", "/", "te: b\rc\n", BAD},
        {"GET", "a", "/", "x_a: b\x01\n", BAD},
        {"GET", "a", "/", "x_forwarded_for: 1\nx-a: 1\n_: 2\n", "a / 0\nx-a: 1\n"},
        // Fields of one connection.
        {"GET", "a", "/", "te: trailers\nkeep-alive: 1\nupgrade: x\nhttp2-settings: A\nx: y\n",
         "a / 0\nx: y\n"},
        {"GET", "a", "/", "proxy-connection: x\nproxy-authorization: x\nproxy-foo: x\nproxy: x\n",
         "a / 0\n"},
        {"GET", "a", "/", "proxy-authenticate: x\nproxy-status: x\nproxyx: x\n",
         "a / 0\nproxyx: x\n"},
        {"GET", "a", "/", "connection: x\n", BAD},
        {"GET", "a", "/", "transfer-encoding: chunked\n", BAD},
        {"GET", "a", "/", "trailer: x\nmax-forwards: 3\ntraceparent: 00-1\nearly-data: 1\n",
         "a / 0\ntrailer: x\nmax-forwards: 3\ntraceparent: 00-1\nearly-data: 1\n"},
        // Crumbs.
        {"GET", "a", "/", "cookie: a=1\n", "a / 0\ncookie: a=1\n"},
        {"GET", "a", "/", "cookie: a=1\nx: y\ncookie: b=2\ncookie: c=3\n",
         "a / 0\ncookie: a=1; b=2; c=3\nx: y\n"},
        {"GET", "a", "/", "cookie: \ncookie: b=2\ncookie:  \n", "a / 0\ncookie: b=2\n"},
        // Length: this request has ended.
        {"GET", "a", "/", "content-length: 0\n", "a / 0\n"},
        {"GET", "a", "/", "content-length: 1\n", BAD},
        {"GET", "a", "/", "content-length: 0\ncontent-length: 0\n", BAD},
        {"GET", "a", "/", "content-length: 0, 0\n", BAD},
        {"GET", "a", "/", "content-length: +0\n", BAD},
        {"GET", "a", "/", "content-length: -0\n", BAD},
        {"GET", "a", "/", "content-length: \n", BAD},
        {"GET", "a", "/", "content-length: 0x0\n", BAD},
        // Expectations.
        {"GET", "a", "/", "expect: 100-Continue\n", "a / 0\n"},
        {"GET", "a", "/", "expect: 200-ok\n", "[expectation]"},
        {"GET", "a", "/", "expect: 100-continue, x\n", "[expectation]"},
        {"GET", "a", "/", "expect: 100-continue\nexpect: x\n", "[expectation]"},
        {"GET", "a", "/", "expect: \n", "[expectation]"},
        // What forward_request will see to.
        {"GET", "a", "/", "x-forwarded-for: 1\nforwarded: for=1\nvia: 1.1 x\n",
         "a / 0\nx-forwarded-for: 1\nforwarded: for=1\nvia: 1.1 x\n"},
    };
    expect_checks(rows, COUNT(rows), PROTOCOL_HTTP_2, true);
}

static void test_check_length(void **state) {
    (void)state;
    static const struct check_row rows[] = {
        {"POST", "a", "/", "", "a / -1\n"},
        {"POST", "a", "/", "content-length: 5\n", "a / 5\n"},
        {"POST", "a", "/", "content-length: 0\n", "a / 0\n"},
        {"POST", "a", "/", "content-length: 999999999999999999\n", "a / 999999999999999999\n"},
        {"POST", "a", "/", "content-length: 1000000000000000000\n", BAD},
        {"POST", "a", "/", "content-length: 99999999999999999999\n", BAD},
        {"POST", "a", "/", "content-length: 5\ncontent-length: 6\n", BAD},
        {"POST", "a", "/", "content-length: 5\ncontent-length: 5\n", BAD},
        {"POST", "a", "/", "content-length: 5 5\n", BAD},
        {"POST", "a", "/", "content-length: 5,5\n", BAD},
        {"POST", "a", "/", "content-length: 5\ttransfer-encoding\n", BAD},
    };
    expect_checks(rows, COUNT(rows), PROTOCOL_HTTP_2, false);
}

static void test_check_http1(void **state) {
    (void)state;
    static const struct check_row rows[] = {
        {"GET", "", "/", "host: A\n", "a / -1\n"},
        {"GET", "", "/", "", BAD},
        {"GET", "a", "/", "", BAD}, // absolute form needs Host as well
        {"GET", "a", "/", "host: A:443\n", "a / -1\n"},
        {"GET", "a", "/", "host: b\n", BAD}, // we do not choose between the two
        {"GET", "", "/", "host: a\nhost: a\n", BAD},
        {"POST", "", "/", "host: a\ntransfer-encoding: chunked\n", "a / -1\n"},
        {"POST", "", "/", "host: a\ntransfer-encoding: chunked\ncontent-length: 5\n", BAD},
        // Connection.
        {"GET", "", "/", "host: a\nconnection: close\nx: y\n", "a / -1\nx: y\n"},
        {"GET", "", "/", "host: a\nconnection: Keep-Alive, X-Own\nx-own: 1\nx: y\nX-OWN: 2\n",
         "a / -1\nx: y\n"},
        {"GET", "", "/", "connection: x-own\nhost: a\nconnection: , te,x-two\nx-two: 1\nte: x\n",
         "a / -1\n"},
        {"GET", "", "/",
         "host: a\nconnection: upgrade, http2-settings\nupgrade: h2c\n"
         "http2-settings: AAM\n",
         "a / -1\n"},
        {"GET", "", "/", "host: a\nconnection: user-agent\nuser-agent: x\n", "a / -1\n"},
        {"GET", "", "/", "host: a\nconnection: Host\n", BAD},
        {"GET", "", "/", "host: a\nconnection: close, content-length\n", BAD},
        {"GET", "", "/", "host: a\nconnection: Transfer-Encoding\n", BAD},
        {"GET", "", "/", "host: a\nconnection: cookie\n", BAD},
        {"GET", "", "/", "host: a\nconnection: close\nconnection: Authorization\n", BAD},
        {"GET", "", "/", "host: a\nconnection: X-Forwarded-For\n", BAD},
        {"GET", "", "/", "host: a\nconnection: x-forwarded-anything\n", BAD},
        {"GET", "", "/", "host: a\nconnection: x-real-ip\n", BAD},
        {"GET", "", "/", "host: a\nconnection: forwarded\n", BAD},
        {"GET", "", "/", "host: a\nconnection: via\n", BAD},
        {"GET", "", "/", "host: a\nconnection: content-type\n", BAD},
        {"GET", "", "/", "host: a\nconnection: :authority\n", BAD},
        {"GET", "", "/", "host: a\nconnection: \"close\"\n", BAD},
        {"GET", "", "/", "host: a\nconnection: close x\n", BAD},
        {"GET", "", "/", "host: a\ncookie: a=1\ncookie: b=2\n", "a / -1\ncookie: a=1; b=2\n"},
    };
    expect_checks(rows, COUNT(rows), PROTOCOL_HTTP_1_1, false);
}

static void test_check_http1_0(void **state) {
    (void)state;
    static const struct check_row rows[] = {
        {"GET", "", "/", "host: a\n", "a / 0\n"},
        {"GET", "a", "/", "", "a / 0\n"},
        {"GET", "", "/", "", BAD},
        {"GET", "", "/", "host: a\nexpect: magic\n", "a / 0\n"}, // HTTP/1.0 knows none
        {"GET", "", "/", "host: a\ntransfer-encoding: chunked\n", BAD},
    };
    expect_checks(rows, COUNT(rows), PROTOCOL_HTTP_1_0, true);
}

static void test_check_scheme(void **state) {
    (void)state;
    static const struct {
        const char *scheme;
        const char *wanted; // NULL: refused
        const char *authority;
    } rows[] = {
        {"http", "http", "a:443"}, {"https", "https", "a"},      {"HTTPS", "https", "a"},
        {"", NULL, NULL},          {"ftp", NULL, NULL},          {"https ", NULL, NULL},
        {"http/1", NULL, NULL},    {"http\r\nx: y", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena *arena = arena_create();
        struct raw_request raw = {.method = SLICE("GET"),
                                  .scheme = slice_of_text(rows[i].scheme),
                                  .authority = SLICE("a:443"),
                                  .path = SLICE("/"),
                                  .headers = fields(arena, ""),
                                  .is_end = true,
                                  .protocol = PROTOCOL_HTTP_2};
        struct request_head head;
        enum fault fault = forward_check_request(&raw, arena, &head);
        assert_int_equal(fault, rows[i].wanted != NULL ? FAULT_NONE : FAULT_BAD_REQUEST);
        if (rows[i].wanted != NULL) {
            expect_text(head.scheme, rows[i].wanted, rows[i].scheme);
            expect_text(head.authority, rows[i].authority, rows[i].scheme);
        }
        arena_destroy(arena);
    }
}

// No byte gets through anywhere but where it may stand (HTTP/2 carries them all).
static void test_check_every_byte(void **state) {
    (void)state;
    // In method, authority, path and name.
    static const char *const never[] = {"@,;:/?\\\"()<>[]{}=", "@,;/?#\\\"()<>[]{}=", "#\\",
                                        "@,;:/?\\\"()<>[]{}="};
    for (unsigned byte = 0; byte < 256; byte++) {
        bool is_control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
        for (unsigned place = 0; place < 5; place++) {
            struct arena *arena = arena_create();
            char text[] = "/ab";
            text[1] = (char)byte;
            struct slice path = slice_of(text, 3);
            struct slice word = slice_skip(path, 1);
            struct raw_request raw = {.method = place == 0 ? word : SLICE("GET"),
                                      .scheme = SLICE("https"),
                                      .authority = place == 1 ? word : SLICE("a"),
                                      .path = place == 2 ? path : SLICE("/"),
                                      .is_end = true,
                                      .protocol = PROTOCOL_HTTP_2};
            headers_init(&raw.headers, arena);
            headers_add_borrowed(&raw.headers, place == 3 ? word : SLICE("x"),
                                 place == 4 ? word : SLICE("y"));
            struct request_head head;
            enum fault fault = forward_check_request(&raw, arena, &head);
            bool is_visible = byte > ' ' && byte < 0x7f;
            bool is_refused =
                place == 4 ? is_control : !is_visible || strchr(never[place], (int)byte);
            if (is_refused && fault == FAULT_NONE) {
                fail_msg("byte 0x%02x in place %u", byte, place);
            }
            if (place == 4 && !is_control) {
                assert_int_equal(fault, FAULT_NONE);
            }
            arena_destroy(arena);
        }
    }
}

// --- requests that go out -----------------------------------------------------------------------

struct forward_row {
    const char *address;
    enum protocol protocol;
    bool is_tls, is_trusted;
    uint16_t local_port;
    const char *fields;
    const char *wanted;
};

static void expect_forward(const struct forward_row *row, const char *host_header) {
    struct arena *arena = arena_create();
    struct client client = {.address = slice_of_text(row->address),
                            .local_port = row->local_port,
                            .protocol = row->protocol,
                            .is_tls = row->is_tls,
                            .is_trusted_proxy = row->is_trusted};
    struct request_head request = {.method = SLICE("POST"),
                                   .scheme = row->is_tls ? SLICE("https") : SLICE("http"),
                                   .authority = SLICE("a.example:8443"),
                                   .path = SLICE("/x"),
                                   .headers = fields(arena, row->fields),
                                   .content_length = 5};
    struct forward_options options = {.client = &client, .host_header = slice_of_text(host_header)};
    struct request_head head;
    forward_request(&request, &options, arena, &head);
    expect_text(text_of(arena, &head.headers), row->wanted, row->fields);
    expect_text(head.authority, host_header[0] != '\0' ? host_header : "a.example:8443", "host");
    expect_text(head.path, "/x", "path");
    expect_text(head.method, "POST", "method");
    assert_int_equal(head.content_length, 5);
    // The original is as it was: a page's own fields are looked at again when it is answered.
    expect_text(text_of(arena, &request.headers), row->fields, "original");
    arena_destroy(arena);
}

#define ADDED_TLS                                                                                  \
    "x-forwarded-proto: https\nx-forwarded-host: a.example:8443\nx-forwarded-port: 8443\n"

static void test_forward_request(void **state) {
    (void)state;
    static const struct forward_row rows[] = {
        {"192.0.2.1", PROTOCOL_HTTP_2, true, false, 8443, "accept: x\n",
         "accept: x\nvia: 2.0 outrider\nx-forwarded-for: 192.0.2.1\n" ADDED_TLS
         "forwarded: for=192.0.2.1;host=\"a.example:8443\";proto=https\n"},
        {"2001:db8::1", PROTOCOL_HTTP_1_1, false, false, 80, "",
         "via: 1.1 outrider\nx-forwarded-for: 2001:db8::1\nx-forwarded-proto: http\n"
         "x-forwarded-host: a.example:8443\nx-forwarded-port: 80\n"
         "forwarded: for=\"[2001:db8::1]\";host=\"a.example:8443\";proto=http\n"},
        {"unix", PROTOCOL_HTTP_1_0, false, false, 0, "",
         "via: 1.0 outrider\nx-forwarded-for: unknown\nx-forwarded-proto: http\n"
         "x-forwarded-host: a.example:8443\nx-forwarded-port: 8443\n"
         "forwarded: for=unknown;host=\"a.example:8443\";proto=http\n"},
        // An untrusted client says nothing about itself.
        {"192.0.2.1", PROTOCOL_HTTP_2, true, false, 8443,
         "x-forwarded-for: 10.0.0.1\nx-forwarded-for: 10.0.0.2\nx-forwarded-proto: http\n"
         "x-forwarded-host: evil\nx-forwarded-port: 1\nx-forwarded-prefix: /\nx-real-ip: 1\n"
         "forwarded: for=10.0.0.1\nvia: 1.1 other\nx-forwarder: kept\n",
         "via: 1.1 other\nx-forwarder: kept\nvia: 2.0 outrider\nx-forwarded-for: "
         "192.0.2.1\n" ADDED_TLS "forwarded: for=192.0.2.1;host=\"a.example:8443\";proto=https\n"},
        // A trusted proxy does.
        {"10.1.1.1", PROTOCOL_HTTP_1_1, false, true, 80,
         "x-forwarded-for: 192.0.2.1\nx-forwarded-proto: https\nx-forwarded-host: w.example\n"
         "x-forwarded-port: 443\nx-forwarded-prefix: /p\nx-real-ip: 192.0.2.1\n"
         "forwarded: for=192.0.2.1;proto=https\nx-forwarded-for: 10.9.9.9\nvia: 2.0 lb\n",
         "x-forwarded-proto: https\nx-forwarded-host: w.example\n"
         "x-forwarded-port: 443\nx-forwarded-prefix: /p\nx-real-ip: 192.0.2.1\nvia: 2.0 lb\n"
         "via: 1.1 outrider\nx-forwarded-for: 192.0.2.1, 10.9.9.9, 10.1.1.1\n"
         "forwarded: for=192.0.2.1;proto=https, "
         "for=10.1.1.1;host=\"a.example:8443\";proto=http\n"},
        {"10.1.1.1", PROTOCOL_HTTP_1_1, true, true, 8443, "x-forwarded-for: \n",
         "via: 1.1 outrider\nx-forwarded-for: 10.1.1.1\n" ADDED_TLS
         "forwarded: for=10.1.1.1;host=\"a.example:8443\";proto=https\n"},
        // Of one connection only, also when nobody checked the head before (a promised request).
        {"192.0.2.1", PROTOCOL_HTTP_2, true, false, 8443,
         "te: trailers\nconnection: x\nkeep-alive: x\nupgrade: x\nexpect: 100-continue\n"
         "http2-settings: x\nproxy-authorization: x\nproxy-foo: x\ntransfer-encoding: x\n"
         "trailer: x\nauthorization: x\ncookie: x\n",
         "trailer: x\nauthorization: x\ncookie: x\nvia: 2.0 outrider\nx-forwarded-for: "
         "192.0.2.1\n" ADDED_TLS "forwarded: for=192.0.2.1;host=\"a.example:8443\";proto=https\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        expect_forward(&rows[i], "");
        expect_forward(&rows[i], "internal:3000");
    }
}

static void test_options_count_their_hops(void **state) {
    (void)state;
    static const struct {
        const char *method, *sent, *forwarded; // "": it ends here
    } rows[] = {
        {"OPTIONS", "5", "4"}, {"OPTIONS", "1", "0"}, {"OPTIONS", "0", ""},
        {"OPTIONS", "00", ""}, {"OPTIONS", "x", "x"}, {"OPTIONS", "-1", "-1"},
        {"GET", "0", "0"},     {"POST", "7", "7"},    {"OPTIONS", "10000000000", "9999999999"},
        {"options", "0", "0"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena *arena = arena_create();
        struct client client = {.address = SLICE("192.0.2.1"), .protocol = PROTOCOL_HTTP_2};
        struct request_head request = {.method = slice_of_text(rows[i].method),
                                       .authority = SLICE("a.example"),
                                       .path = SLICE("*")};
        headers_init(&request.headers, arena);
        headers_add(&request.headers, SLICE("max-forwards"), slice_of_text(rows[i].sent));
        assert_int_equal(forward_ends_here(&request), rows[i].forwarded[0] == '\0');
        if (rows[i].forwarded[0] != '\0') {
            struct forward_options options = {.client = &client, .host_header = SLICE_EMPTY};
            struct request_head head;
            forward_request(&request, &options, arena, &head);
            expect_text(headers_find(&head.headers, HEADER_MAX_FORWARDS)->value, rows[i].forwarded,
                        rows[i].sent);
        }
        arena_destroy(arena);
    }
}

// --- responses ----------------------------------------------------------------------------------

static void test_forward_response(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *fields, *wanted; // NULL: refused
    } rows[] = {
        {200, "x: y\n", "x: y\ndate: today\nvia: 1.1 outrider\n"},
        {200, "date: then\nvia: 1.0 x\n", "date: then\nvia: 1.0 x\nvia: 1.1 outrider\n"},
        {200, "content-length: 5\ntransfer-encoding: x\n",
         "content-length: 5\ndate: today\nvia: 1.1 outrider\n"},
        {304, "content-length: 5\n", "content-length: 5\ndate: today\nvia: 1.1 outrider\n"},
        {204, "content-length: 5\n", "date: today\nvia: 1.1 outrider\n"},
        {426, "connection: Upgrade, X-Own, close\nupgrade: x\nx-own: 1\nx: y\n",
         "x: y\ndate: today\nvia: 1.1 outrider\n"},
        {200, "keep-alive: x\nproxy-connection: x\nproxy-authenticate: x\nte: x\n",
         "date: today\nvia: 1.1 outrider\n"},
        {200, "proxy-status: x\nserver: s\nalt-svc: a\nx-http2-push: no\ntrailer: t\nlink: l\n",
         "proxy-status: x\nserver: s\nalt-svc: a\nx-http2-push: no\ntrailer: t\nlink: l\n"
         "date: today\nvia: 1.1 outrider\n"},
        {200, "set-cookie: a\nset-cookie: b\n",
         "set-cookie: a\nset-cookie: b\ndate: today\nvia: 1.1 outrider\n"},
        {103, "", NULL},
        {101, "", NULL},
        {600, "", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena *arena = arena_create();
        struct response_head response = {.status = rows[i].status,
                                         .headers = fields(arena, rows[i].fields),
                                         .content_length = 5};
        struct response_head head;
        char date[] = "today"; // it changes while the response waits
        enum fault fault = forward_response(&response, slice_of(date, 5), arena, &head);
        memset(date, 'x', 5);
        if (rows[i].wanted == NULL) {
            assert_int_equal(fault, FAULT_ORIGIN_BAD_RESPONSE);
        } else {
            assert_int_equal(fault, FAULT_NONE);
            expect_text(text_of(arena, &head.headers), rows[i].wanted, rows[i].fields);
            expect_text(text_of(arena, &response.headers), rows[i].fields, "original");
            assert_int_equal(head.status, rows[i].status);
            assert_int_equal(head.content_length, 5);
        }
        arena_destroy(arena);
    }
}

static void test_forward_interim(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct response_head response = {
        .status = 103,
        .headers = fields(arena, "link: </a>\nconnection: close, x\nx: y\ncontent-length: 5\n"
                                 "keep-alive: 3\nupgrade: h2c\n")};
    struct response_head head;
    forward_interim(&response, arena, &head);
    expect_text(text_of(arena, &head.headers), "link: </a>\n", "interim");
    assert_int_equal(head.status, 103);
    arena_destroy(arena);
}

static void test_forward_trailers(void **state) {
    (void)state;
    static const char refused[] =
        "content-length: 5\ntransfer-encoding: x\nhost: x\nconnection: x\ntrailer: x\nte: x\n"
        "upgrade: x\nauthorization: x\ncookie: x\nset-cookie: x\nwww-authenticate: x\n"
        "proxy-authenticate: x\nproxy-authorization: x\nproxy-x: x\ncontent-type: x\n"
        "content-encoding: x\ncontent-range: x\ncache-control: x\nexpires: x\nage: x\ndate: x\n"
        "location: x\nvary: x\nretry-after: x\nrange: x\nif-match: x\nif-none-match: x\n"
        "max-forwards: x\nexpect: x\npragma: x\nvia: x\nforwarded: x\nx-forwarded-for: x\n"
        "x-forwarded-anything: x\nx-real-ip: x\nkeep-alive: x\nhttp2-settings: x\nlink: x\n"
        "x-http2-push: x\npriority: x\na_b: x\na b: x\na: x\x01\n: x\n";
    struct arena *arena = arena_create();
    struct headers out;
    struct headers bad = fields(arena, refused);
    forward_trailers(&bad, arena, &out);
    expect_text(text_of(arena, &out), "", "refused");
    static const char kept[] =
        "grpc-status: 0\nx-sum: 7\netag: x\nserver-timing: x\nproxy-status: x\n";
    struct headers good = fields(arena, kept);
    forward_trailers(&good, arena, &out);
    expect_text(text_of(arena, &out), "grpc-status: 0\nx-sum: 7\netag: x\nserver-timing: x\n",
                "kept");
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_http2),
        cmocka_unit_test(test_check_length),
        cmocka_unit_test(test_check_http1),
        cmocka_unit_test(test_check_http1_0),
        cmocka_unit_test(test_check_scheme),
        cmocka_unit_test(test_check_every_byte),
        cmocka_unit_test(test_forward_request),
        cmocka_unit_test(test_forward_response),
        cmocka_unit_test(test_forward_interim),
        cmocka_unit_test(test_forward_trailers),
        cmocka_unit_test(test_options_count_their_hops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
