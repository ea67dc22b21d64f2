// SPDX-License-Identifier: Apache-2.0
// Heads in, text out. Fields are given as "name: value\n" lines.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/h1_writer.h"

static struct headers fields(struct arena *arena, const char *lines) {
    struct headers headers;
    headers_init(&headers, arena);
    struct slice rest = slice_of_text(lines);
    while (rest.length > 0) {
        struct slice line = slice_first(rest, slice_find(rest, '\n'));
        size_t colon = slice_find(line, ':');
        headers_add(&headers, slice_first(line, colon), slice_trim(slice_skip(line, colon + 1)));
        rest = slice_skip(rest, line.length + 1);
    }
    return headers;
}

static void expect_text(struct buffer *got, const char *wanted) {
    struct slice text = buffer_peek(got);
    if (!slice_equal(text, slice_of_text(wanted))) {
        fail_msg("\n got '%.*s'\nwant '%s'", SLICE_ARGS(text), wanted);
    }
    buffer_finish(got);
}

static void test_requests(void **state) {
    (void)state;
    static const struct {
        const char *method, *path, *fields;
        int64_t length;
        bool is_end;
        const char *wanted;
    } rows[] = {
        {"GET", "/", "", 0, true, "GET / HTTP/1.1\r\nhost: example.org\r\n\r\n"},
        {"GET", "/a?b", "accept: */*\nX-Own: 1\naccept: b\n", 0, true,
         "GET /a?b HTTP/1.1\r\nhost: example.org\r\naccept: */*\r\nx-own: 1\r\naccept: "
         "b\r\n\r\n"},
        {"OPTIONS", "*", "", 0, true, "OPTIONS * HTTP/1.1\r\nhost: example.org\r\n\r\n"},
        {"POST", "/", "", 0, true,
         "POST / HTTP/1.1\r\nhost: example.org\r\ncontent-length: 0\r\n\r\n"},
        {"PUT", "/", "", 0, true,
         "PUT / HTTP/1.1\r\nhost: example.org\r\ncontent-length: 0\r\n\r\n"},
        {"PATCH", "/", "", 0, true,
         "PATCH / HTTP/1.1\r\nhost: example.org\r\ncontent-length: 0\r\n\r\n"},
        {"DELETE", "/", "", 0, false,
         "DELETE / HTTP/1.1\r\nhost: example.org\r\ncontent-length: 0\r\n\r\n"},
        {"POST", "/", "", 999999999999999999, false,
         "POST / HTTP/1.1\r\nhost: example.org\r\ncontent-length: 999999999999999999\r\n\r\n"},
        {"POST", "/", "", BODY_UNKNOWN, false,
         "POST / HTTP/1.1\r\nhost: example.org\r\ntransfer-encoding: chunked\r\n\r\n"},
        {"GET", "/", "", BODY_UNKNOWN, false,
         "GET / HTTP/1.1\r\nhost: example.org\r\ntransfer-encoding: chunked\r\n\r\n"},
        // What frames the message is never taken from the fields.
        {"POST", "/",
         "host: evil\ncontent-length: 7\ntransfer-encoding: chunked\nconnection: x\nx: y\n", 5,
         false, "POST / HTTP/1.1\r\nhost: example.org\r\nx: y\r\ncontent-length: 5\r\n\r\n"},
        {"GET", "/", "content-length: 7\n", 0, true, "GET / HTTP/1.1\r\nhost: example.org\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *arena = arena_create();
        struct request_head head = {.method = slice_of_text(rows[i].method),
                                    .authority = SLICE("example.org"),
                                    .path = slice_of_text(rows[i].path),
                                    .headers = fields(arena, rows[i].fields),
                                    .content_length = rows[i].length,
                                    .is_end = rows[i].is_end};
        struct buffer out = {0};
        h1_writer_request(&out, &head);
        expect_text(&out, rows[i].wanted);
        arena_destroy(arena);
    }
}

static void test_responses(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *fields;
        int64_t length;
        enum h1_framing framing;
        enum protocol protocol;
        bool is_keep_alive;
        const char *wanted;
    } rows[] = {
        {200, "etag: x\n", 5, H1_FRAMING_LENGTH, PROTOCOL_HTTP_1_1, true,
         "HTTP/1.1 200 OK\r\netag: x\r\ncontent-length: 5\r\n\r\n"},
        {200, "", 0, H1_FRAMING_LENGTH, PROTOCOL_HTTP_1_1, false,
         "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"},
        {200, "", 0, H1_FRAMING_LENGTH, PROTOCOL_HTTP_1_0, true,
         "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n"},
        {404, "", BODY_UNKNOWN, H1_FRAMING_CHUNKED, PROTOCOL_HTTP_1_1, true,
         "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n"},
        {200, "", BODY_UNKNOWN, H1_FRAMING_CLOSE, PROTOCOL_HTTP_1_0, false,
         "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"},
        {304, "content-length: 77\n", 0, H1_FRAMING_NONE, PROTOCOL_HTTP_1_1, true,
         "HTTP/1.1 304 Not Modified\r\ncontent-length: 77\r\n\r\n"},
        {200, "content-length: 77\n", 0, H1_FRAMING_NONE, PROTOCOL_HTTP_1_1, true,
         "HTTP/1.1 200 OK\r\ncontent-length: 77\r\n\r\n"},
        {204, "content-length: 77\n", 0, H1_FRAMING_NONE, PROTOCOL_HTTP_1_1, true,
         "HTTP/1.1 204 No Content\r\n\r\n"},
        {103, "link: </a>\ncontent-length: 3\n", 0, H1_FRAMING_NONE, PROTOCOL_HTTP_1_1, false,
         "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"},
        {299, "", 1, H1_FRAMING_LENGTH, PROTOCOL_HTTP_1_1, true,
         "HTTP/1.1 299 \r\ncontent-length: 1\r\n\r\n"},
        {200, "content-length: 9\ntransfer-encoding: chunked\nconnection: x\nkeep-alive: 1\n", 5,
         H1_FRAMING_LENGTH, PROTOCOL_HTTP_1_1, true,
         "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"},
        {200, "content-length: 9\n", BODY_UNKNOWN, H1_FRAMING_CHUNKED, PROTOCOL_HTTP_1_1, true,
         "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"},
        {200, "set-cookie: a\nset-cookie: b\n", 1, H1_FRAMING_LENGTH, PROTOCOL_HTTP_1_1, true,
         "HTTP/1.1 200 OK\r\nset-cookie: a\r\nset-cookie: b\r\ncontent-length: 1\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *arena = arena_create();
        struct response_head head = {.status = rows[i].status,
                                     .headers = fields(arena, rows[i].fields),
                                     .content_length = rows[i].length};
        struct buffer out = {0};
        h1_writer_response(&out, &head, rows[i].framing, rows[i].protocol, rows[i].is_keep_alive);
        expect_text(&out, rows[i].wanted);
        arena_destroy(arena);
    }
}

static void test_chunks(void **state) {
    (void)state;
    static char bytes[70000];
    static const struct {
        size_t length;
        const char *line;
    } rows[] = {
        {1, "1\r\n"},       {9, "9\r\n"},        {10, "a\r\n"},
        {16, "10\r\n"},     {255, "ff\r\n"},     {256, "100\r\n"},
        {4096, "1000\r\n"}, {65535, "ffff\r\n"}, {70000, "11170\r\n"},
    };
    memset(bytes, 'x', sizeof(bytes));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer out = {0};
        h1_writer_chunk(&out, slice_of(bytes, rows[i].length));
        struct slice text = buffer_peek(&out);
        size_t line = strlen(rows[i].line);
        assert_int_equal(text.length, line + rows[i].length + 2);
        assert_memory_equal(text.data, rows[i].line, line);
        assert_memory_equal(text.data + line, bytes, rows[i].length);
        assert_memory_equal(text.data + line + rows[i].length, "\r\n", 2);
        buffer_finish(&out);
    }
    struct buffer none = {0};
    h1_writer_chunk(&none, SLICE_EMPTY); // it would be the last chunk
    assert_int_equal(buffer_length(&none), 0);
    buffer_finish(&none);
}

static void test_last_chunk(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct buffer out = {0};
    h1_writer_last_chunk(&out, NULL);
    expect_text(&out, "0\r\n\r\n");
    struct headers trailers = fields(arena, "");
    h1_writer_last_chunk(&out, &trailers);
    expect_text(&out, "0\r\n\r\n");
    trailers = fields(arena, "x-sum: 7\ncontent-length: 5\nx-b:\n");
    h1_writer_last_chunk(&out, &trailers);
    expect_text(&out, "0\r\nx-sum: 7\r\nx-b: \r\n\r\n");
    arena_destroy(arena);
}

// Behind what stands in the buffer already, and with room for the largest head.
static void test_large_head_is_appended(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct headers headers;
    headers_init(&headers, arena);
    static char value[60000];
    memset(value, 'v', sizeof(value));
    headers_add_borrowed(&headers, SLICE("x"), slice_of(value, sizeof(value)));
    struct request_head head = {.method = SLICE("GET"),
                                .authority = SLICE("h"),
                                .path = SLICE("/"),
                                .headers = headers,
                                .is_end = true};
    struct buffer out = {0};
    buffer_append(&out, "before", 6);
    h1_writer_request(&out, &head);
    struct slice text = buffer_peek(&out);
    assert_true(slice_starts_with(text, SLICE("beforeGET / HTTP/1.1\r\nhost: h\r\nx: vvv")));
    assert_int_equal(text.length, 6 + 16 + 9 + 3 + sizeof(value) + 4);
    buffer_finish(&out);
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_last_chunk),
        cmocka_unit_test(test_large_head_is_appended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
