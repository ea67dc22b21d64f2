// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "fake_conn.h"
#include "fake_handler.h"
#include "front/access_log.h"
#include "front/h1_session.h"

struct fixture {
    struct loop loop;
    struct front front;
    struct fake_handler fake;
    struct conn *conn;
};

static void open_conn(struct fixture *f) {
    f->conn = fake_conn_create(&f->loop);
}

static void start_session(struct fixture *f, struct slice first) {
    h1_session_create(&f->front, f->conn, first);
    fake_conn_turn(f->conn);
}

static void close_conn(struct fixture *f) {
    fake_conn_destroy(f->conn);
    f->conn = NULL;
    assert_int_equal(f->front.session_count, 0);
    assert_int_equal(f->fake.started, f->fake.closed);
}

static int set_up(void **state) {
    struct fixture *f = alloc_new(struct fixture);
    loop_init(&f->loop);
    struct front_limits limits = {
        .head_bytes = 64 * 1024,
        .head_fields = 100,
        .field_bytes = 16 * 1024,
        .cookie_crumbs = 256,
        .cookie_bytes = 32 * 1024,
        .uri_bytes = 8192,
        .connections = 10,
        .handshake_ms = 10000,
        .head_ms = 10000,
        .body_ms = 30000,
        .idle_ms = 180000,
        .write_ms = 20000,
    };
    front_init(&f->front, &f->loop, &limits);
    fake_handler_init(&f->fake);
    f->front.handler = f->fake.handler;
    open_conn(f);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    if (f->conn != NULL) {
        close_conn(f);
    }
    fake_handler_finish(&f->fake);
    front_finish(&f->front);
    loop_finish(&f->loop);
    free(f);
    return 0;
}

static void feed(struct fixture *f, const char *text) {
    fake_conn_feed(f->conn, slice_of_text(text));
    fake_conn_turn(f->conn);
}

// Turns until nothing moves any more.
static void settle(struct fixture *f) {
    for (int i = 0; i < 20; i++) {
        fake_conn_turn(f->conn);
    }
}

// --- the client's reading of the responses, by other code than ours ------------------------------

struct reply {
    int status;
    char head[2048];
    char body[1024];
    bool is_close;
};

static struct slice take_line(struct slice *rest) {
    size_t end = slice_find(*rest, '\r');
    assert_true(end + 1 < rest->length && rest->data[end + 1] == '\n');
    struct slice line = slice_first(*rest, end);
    *rest = slice_skip(*rest, end + 2);
    return line;
}

static size_t read_number(struct slice digits, int base) {
    char text[32];
    snprintf(text, sizeof(text), "%.*s", SLICE_ARGS(digits));
    return strtoul(text, NULL, base);
}

static void append_body(struct reply *reply, struct slice bytes) {
    assert_true(strlen(reply->body) + bytes.length < sizeof(reply->body));
    strncat(reply->body, bytes.data, bytes.length);
}

static void read_chunks(struct slice *rest, struct reply *reply) {
    for (;;) {
        size_t size = read_number(take_line(rest), 16);
        if (size == 0) {
            break;
        }
        assert_true(size <= rest->length);
        append_body(reply, slice_first(*rest, size));
        *rest = slice_skip(*rest, size);
        assert_int_equal(take_line(rest).length, 0);
    }
    while (take_line(rest).length > 0) { // trailers
    }
}

static const char *field(const struct reply *reply, const char *name) {
    const char *at = strcasestr(reply->head, name);
    return at != NULL ? at + strlen(name) : NULL;
}

static void read_reply(struct slice *rest, bool is_head, struct reply *reply) {
    *reply = (struct reply){0};
    struct slice line = take_line(rest);
    assert_true(slice_starts_with(line, SLICE("HTTP/1.1 ")));
    reply->status = (int)read_number(slice_skip(line, 9), 10);
    do {
        line = take_line(rest);
        snprintf(reply->head + strlen(reply->head), sizeof(reply->head) - strlen(reply->head),
                 "\n%.*s", SLICE_ARGS(line));
    } while (line.length > 0);
    reply->is_close = field(reply, "\nconnection: close\n") != NULL;
    const char *length = field(reply, "\ncontent-length: ");
    bool is_chunked = field(reply, "\ntransfer-encoding: chunked\n") != NULL;
    assert_false(length != NULL && is_chunked);
    if (is_head || reply->status < 200 || reply->status == 204 || reply->status == 304) {
        return;
    }
    if (is_chunked) {
        read_chunks(rest, reply);
        return;
    }
    size_t size = length != NULL ? strtoul(length, NULL, 10) : rest->length;
    assert_true(size <= rest->length);
    append_body(reply, slice_first(*rest, size));
    *rest = slice_skip(*rest, size);
}

// All that came must be exactly one reply.
static struct reply take_reply(struct fixture *f) {
    struct reply reply;
    struct slice rest = buffer_peek(fake_conn_taken(f->conn));
    assert_true(rest.length > 0);
    read_reply(&rest, false, &reply);
    assert_int_equal(rest.length, 0);
    buffer_finish(fake_conn_taken(f->conn));
    return reply;
}

static void assert_nothing_taken(struct fixture *f) {
    assert_int_equal(buffer_length(fake_conn_taken(f->conn)), 0);
}

static void assert_record(struct fixture *f, const char *record) {
    assert_string_equal(fake_handler_record(&f->fake), record);
}

static void assert_content(struct fixture *f, const char *content) {
    assert_true(slice_equal(buffer_peek(&f->fake.content), slice_of_text(content)));
    buffer_finish(&f->fake.content);
}

static bool is_open(struct fixture *f) {
    return !fake_conn_is_closing(f->conn) && !fake_conn_is_aborted(f->conn) &&
           !fake_conn_is_ended(f->conn);
}

#define GET "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"

// --- the ordinary road --------------------------------------------------------------------------

static void test_keep_alive(void **state) {
    struct fixture *f = *state;
    start_session(f, SLICE_EMPTY);
    for (int i = 0; i < 3; i++) {
        feed(f, "GET /x?y HTTP/1.1\r\nHost: A.example:80\r\n\r\n");
        assert_record(f, "start GET http a.example/x?y\nclosed none\n");
        struct reply reply = take_reply(f);
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, "hello");
        assert_non_null(field(&reply, "\ncontent-length: 5\n"));
        assert_false(reply.is_close);
        assert_true(is_open(f));
    }
    assert_int_equal(fake_conn_write_count(f->conn), 3); // one write per response
}

static void test_first_bytes_count(void **state) {
    struct fixture *f = *state;
    fake_conn_turn(f->conn);
    start_session(f, SLICE("GET / HTTP/1.1\r\nHo"));
    feed(f, "st: a.example\r\n\r\n");
    assert_record(f, "start GET http a.example/\nclosed none\n");
    assert_int_equal(take_reply(f).status, 200);
}

static void test_versions_and_framing(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *request;
        bool is_length_unknown;
        int status;
        const char *head; // part of it
        const char *body;
        bool stays_open;
    } cases[] = {
        {GET, false, 200, "\ncontent-length: 5\n", "hello", true},
        {GET, true, 200, "\ntransfer-encoding: chunked\n", "hello", true},
        {"GET / HTTP/1.0\r\nHost: a\r\n\r\n", false, 200, "\ncontent-length: 5\n", "hello", false},
        {"GET / HTTP/1.0\r\nHost: a\r\n\r\n", true, 200, "", "hello", false},
        {"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", false, 200,
         "\nconnection: keep-alive\n", "hello", true},
        {"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", true, 200, "", "hello",
         false}, // ends with the conn
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false, 200,
         "\nconnection: close\n", "hello", false},
        {GET, false, 204, "", "", true},
        {GET, false, 304, "", "", true},
        {"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", false, 200, "\ncontent-length: 5\n", "", true},
        {"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", true, 200, "", "", true},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", false, 200, "", "hello",
         true},
        {"GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", false, 200, "", "hello", true},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", false, 200, "", "hello", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start_session(f, SLICE_EMPTY);
        f->fake.is_length_unknown = cases[i].is_length_unknown;
        f->fake.status = cases[i].status;
        feed(f, cases[i].request);
        struct reply reply;
        struct slice rest = buffer_peek(fake_conn_taken(f->conn));
        read_reply(&rest, cases[i].request[0] == 'H', &reply);
        assert_int_equal(rest.length, 0);
        assert_int_equal(reply.status, cases[i].status);
        assert_string_equal(reply.body, cases[i].body);
        assert_non_null(field(&reply, cases[i].head));
        assert_true(cases[i].status != 204 || field(&reply, "\ncontent-length: ") == NULL);
        assert_int_equal(is_open(f), cases[i].stays_open);
        assert_int_equal(fake_conn_is_closing(f->conn), !cases[i].stays_open);
        close_conn(f);
        open_conn(f);
    }
    buffer_finish(&f->fake.record);
    buffer_finish(&f->fake.content);
}

// RFC 9110 section 9.3.2: what would stand behind the head, the client would take for a response.
static void test_a_refused_head_request_has_no_content(void **state) {
    struct fixture *f = *state;
    static const char *const requests[] = {
        "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        "HEAD / HTTP/1.1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        start_session(f, SLICE_EMPTY);
        feed(f, requests[i]);
        struct reply reply;
        struct slice rest = buffer_peek(fake_conn_taken(f->conn));
        read_reply(&rest, true, &reply);
        assert_int_equal(rest.length, 0);
        assert_true(reply.status >= 400);
        close_conn(f);
        open_conn(f);
    }
}

static void test_pipelined_requests_are_answered_in_order(void **state) {
    struct fixture *f = *state;
    f->fake.answer = FAKE_ANSWER_NEVER;
    start_session(f, SLICE_EMPTY);
    feed(f, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
            "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n"
            "GET /3 HTTP/1.1\r\nHost: a\r\n\r\nGE");
    assert_record(f, "start GET http a/1\n"); // the others wait
    fake_handler_answer(&f->fake, f->fake.x);
    settle(f);
    assert_record(f, "closed none\nstart POST http a/2\nend x-sum=5\n");
    assert_content(f, "abcde");
    assert_string_equal(take_reply(f).body, "hello");
    f->fake.body = SLICE("two");
    fake_handler_answer(&f->fake, f->fake.x);
    settle(f);
    assert_string_equal(take_reply(f).body, "two");
    assert_record(f, "closed none\nstart GET http a/3\n");
    fake_handler_answer(&f->fake, f->fake.x);
    settle(f);
    take_reply(f);
    feed(f, "T /4 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_record(f, "closed none\nstart GET http a/4\n");
}

static void test_many_pipelined_requests_leave_in_few_writes(void **state) {
    struct fixture *f = *state;
    start_session(f, SLICE_EMPTY);
    struct buffer requests = {0};
    for (int i = 0; i < 300; i++) {
        buffer_append_slice(&requests, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    fake_conn_feed(f->conn, buffer_peek(&requests));
    buffer_finish(&requests);
    settle(f);
    assert_int_equal(f->fake.closed, 300);
    struct slice rest = buffer_peek(fake_conn_taken(f->conn));
    for (int i = 0; i < 300; i++) {
        struct reply reply;
        read_reply(&rest, false, &reply);
        assert_string_equal(reply.body, "hello");
    }
    assert_int_equal(rest.length, 0);
    assert_true(fake_conn_write_count(f->conn) < 5);
    buffer_finish(&f->fake.record);
}

static void test_pipelined_requests_wait_for_a_client_that_does_not_read(void **state) {
    struct fixture *f = *state;
    char body[800];
    memset(body, 'x', sizeof(body));
    f->fake.body = slice_of(body, sizeof(body));
    fake_conn_set_limit(f->conn, 0);
    start_session(f, SLICE_EMPTY);
    struct buffer requests = {0};
    for (int i = 0; i < 2000; i++) {
        buffer_append_slice(&requests, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    fake_conn_feed(f->conn, buffer_peek(&requests));
    settle(f);
    assert_true(fake_conn_is_paused(f->conn));
    assert_in_range(f->fake.started, 1, 100);
    assert_true(conn_unsent(f->conn) < 100 * 1024);
    fake_conn_set_limit(f->conn, SIZE_MAX);
    for (int i = 0; i < 500; i++) {
        fake_conn_turn(f->conn);
        buffer_finish(&f->fake.record);
    }
    assert_int_equal(f->fake.closed, 2000);
    buffer_finish(&requests);
}

// --- request content ----------------------------------------------------------------------------

static void test_content_that_is_not_consumed_stops_reading(void **state) {
    struct fixture *f = *state;
    f->fake.holds_content = true;
    start_session(f, SLICE_EMPTY);
    feed(f, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    char *content = alloc_zeroed(1, 200000);
    fake_conn_feed(f->conn, slice_of(content, 200000));
    assert_true(fake_conn_is_paused(f->conn));
    assert_int_equal(buffer_length(&f->fake.content), 65536);
    exchange_request_consumed(f->fake.x, 65536 - 16384);
    assert_true(fake_conn_is_paused(f->conn)); // not yet
    exchange_request_consumed(f->fake.x, 1);
    assert_false(fake_conn_is_paused(f->conn));
    settle(f);
    assert_int_equal(buffer_length(&f->fake.content), 65536 + 65536 - 16383);
    size_t held = 65536;
    while (f->fake.x != NULL) {
        exchange_request_consumed(f->fake.x, held);
        size_t before = buffer_length(&f->fake.content);
        settle(f);
        held = buffer_length(&f->fake.content) - before;
    }
    assert_record(f, "start POST http a/\nend\nclosed none\n");
    assert_int_equal(take_reply(f).status, 200);
    assert_true(is_open(f));
    free(content);
    buffer_finish(&f->fake.content);
}

static void test_continue(void **state) {
    struct fixture *f = *state;
    static const char head[] =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    start_session(f, SLICE_EMPTY);
    feed(f, head);
    struct reply reply = take_reply(f);
    assert_int_equal(reply.status, 100);
    feed(f, "abc");
    reply = take_reply(f);
    assert_int_equal(reply.status, 200);
    assert_false(reply.is_close);
    assert_content(f, "abc");
    // Who does not wait needs none.
    feed(f, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\na");
    assert_nothing_taken(f);
    feed(f, "bc");
    assert_int_equal(take_reply(f).status, 200);
    assert_content(f, "abc");
    // Who is refused gets the answer at once, and must not send the content.
    f->fake.answer = FAKE_ANSWER_AT_START;
    f->fake.status = 403;
    feed(f, head);
    reply = take_reply(f);
    assert_int_equal(reply.status, 403);
    assert_true(reply.is_close);
    assert_true(fake_conn_is_closing(f->conn));
    buffer_finish(&f->fake.record);
}

static void test_response_before_the_request_has_ended(void **state) {
    struct fixture *f = *state;
    f->fake.answer = FAKE_ANSWER_NEVER;
    start_session(f, SLICE_EMPTY);
    feed(f, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    fake_handler_answer(&f->fake, f->fake.x);
    settle(f);
    struct reply reply = take_reply(f);
    assert_int_equal(reply.status, 200);
    assert_true(reply.is_close);
    assert_true(fake_conn_is_closing(f->conn));
    assert_content(f, "abc");
    assert_record(f, "start POST http a/\nclosed none\n");
}

static void test_limit_on_content(void **state) {
    struct fixture *f = *state;
    f->front.limits.body_bytes = 5;
    static const struct {
        const char *request;
        int status;
        const char *record;
    } cases[] = {
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde", 200,
         "start POST http a/\nend\nclosed none\n"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef", 413, ""},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
         "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
         200, "start POST http a/\nend\nclosed none\n"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
         "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
         413, "start POST http a/\nclosed body_too_large\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start_session(f, SLICE_EMPTY);
        feed(f, cases[i].request);
        struct reply reply = take_reply(f);
        assert_int_equal(reply.status, cases[i].status);
        assert_int_equal(reply.is_close, cases[i].status != 200);
        assert_int_equal(is_open(f), cases[i].status == 200);
        assert_record(f, cases[i].record);
        close_conn(f);
        open_conn(f);
        buffer_finish(&f->fake.content);
    }
}

// --- what is refused ----------------------------------------------------------------------------

static void test_malformed_requests(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"GET\r\n\r\n", 400},
        {"\x16\x03\x01\x02\x03", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400}, // no Host
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\x01z\r\n\r\n", 400},
        {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400}, // this conn is none
        {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start_session(f, SLICE_EMPTY);
        feed(f, cases[i].request);
        feed(f, GET); // must not be read
        struct reply reply = take_reply(f);
        assert_int_equal(reply.status, cases[i].status);
        assert_true(reply.is_close);
        assert_true(fake_conn_is_closing(f->conn));
        assert_int_equal(f->fake.started, 0);
        close_conn(f);
        open_conn(f);
    }
}

static void test_words_that_are_no_request_get_no_answer(void **state) {
    struct fixture *f = *state;
    start_session(f, SLICE_EMPTY);
    feed(f, "INVALID CONNECTION PREFACE\r\n\r\n");
    assert_nothing_taken(f);
    assert_true(fake_conn_is_closing(f->conn));
}

static void test_heads_that_are_too_large(void **state) {
    struct fixture *f = *state;
    f->front.limits.head_fields = 5;
    f->front.limits.uri_bytes = 100;
    start_session(f, SLICE_EMPTY);
    feed(f, "GET / HTTP/1.1\r\nHost: a\r\nB: b\r\nC: c\r\nD: d\r\nE: e\r\nF: f\r\nG: g\r\n\r\n");
    assert_int_equal(take_reply(f).status, 431);
    close_conn(f);
    open_conn(f);
    start_session(f, SLICE_EMPTY);
    char request[300];
    snprintf(request, sizeof(request), "GET /%0200d HTTP/1.1\r\nHost: a\r\n\r\n", 1);
    feed(f, request);
    assert_int_equal(take_reply(f).status, 414);
}

static void test_malformed_chunks(void **state) {
    struct fixture *f = *state;
    start_session(f, SLICE_EMPTY);
    feed(f, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX");
    struct reply reply = take_reply(f);
    assert_int_equal(reply.status, 400);
    assert_true(reply.is_close);
    assert_record(f, "start POST http a/\nclosed bad_request\n");
    close_conn(f);
    open_conn(f);
    // With a response under way there is nothing left to say.
    f->fake.answer = FAKE_ANSWER_NEVER;
    start_session(f, SLICE_EMPTY);
    feed(f, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    fake_handler_send_head(f->fake.x, 200, BODY_UNKNOWN);
    feed(f, "zz\r\n");
    assert_true(fake_conn_is_aborted(f->conn));
    assert_record(f, "start POST http a/\nclosed bad_request\n");
    buffer_finish(&f->fake.content);
}

static void test_misdirected(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *server_name, *covered, *host;
        int status;
    } cases[] = {
        {"a.example", "a.example", "a.example", 200},
        {"a.example", "a.example b.example", "b.example:8443", 200},
        {"a.example", "a.example", "b.example", 421},
        {"a.example", "", "A.example", 200}, // what it asked for, with the default certificate
        {"", "a.example", "b.example", 200}, // nothing was asked for
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_conn_set_tls(f->conn, "http/1.1", cases[i].server_name);
        fake_conn_set_covered(f->conn, cases[i].covered);
        start_session(f, SLICE_EMPTY);
        char request[100];
        snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].host);
        feed(f, request);
        assert_int_equal(take_reply(f).status, cases[i].status);
        assert_true(fake_conn_has_ticket(f->conn)); // after the first response
        close_conn(f);
        open_conn(f);
    }
    buffer_finish(&f->fake.record);
}

// --- responses ----------------------------------------------------------------------------------

static void test_interim_responses(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *request;
        const char *wanted;
    } rows[] = {
        {GET, "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"},
        {"GET / HTTP/1.0\r\nHost: a\r\n\r\n", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        f->fake.answer = FAKE_ANSWER_NEVER;
        start_session(f, SLICE_EMPTY);
        feed(f, rows[i].request);
        struct response_head hints = {.status = 103};
        headers_init(&hints.headers, f->fake.x->arena);
        headers_add_id(&hints.headers, HEADER_LINK, SLICE("</a.css>; rel=preload"));
        exchange_send_interim(f->fake.x, &hints);
        settle(f);
        struct slice sent = buffer_peek(fake_conn_taken(f->conn));
        assert_true(slice_equal(sent, slice_of_text(rows[i].wanted)));
        buffer_consume(fake_conn_taken(f->conn), sent.length);
        assert_int_equal(exchange_promise_room(f->fake.x), 0);
        assert_null(exchange_promise(f->fake.x, &f->fake.x->request, PRIORITY_DEFAULT));
        fake_handler_answer(&f->fake, f->fake.x);
        settle(f);
        assert_int_equal(take_reply(f).status, 200);
        buffer_finish(&f->fake.record);
        if (i == 0) {
            close_conn(f);
            open_conn(f);
        }
    }
}

static void test_faults_before_the_head_are_answered(void **state) {
    struct fixture *f = *state;
    f->fake.fail_with = FAULT_ORIGIN_TIMEOUT;
    start_session(f, SLICE_EMPTY);
    feed(f, GET GET);
    struct slice rest = buffer_peek(fake_conn_taken(f->conn));
    for (int i = 0; i < 2; i++) { // the conn lives on
        struct reply reply;
        read_reply(&rest, false, &reply);
        assert_int_equal(reply.status, 504);
        assert_non_null(field(&reply, "\nproxy-status: "));
        assert_false(reply.is_close);
    }
    assert_int_equal(rest.length, 0);
    assert_true(is_open(f));
    buffer_finish(&f->fake.record);
}

// A response that cannot be completed never looks complete: no last chunk, and a reset.
static void test_cut_responses(void **state) {
    struct fixture *f = *state;
    f->fake.answer = FAKE_ANSWER_NEVER;
    static const int64_t lengths[] = {BODY_UNKNOWN, 100};
    for (size_t i = 0; i < 2; i++) {
        start_session(f, SLICE_EMPTY);
        feed(f, GET);
        fake_handler_send_head(f->fake.x, 200, lengths[i]);
        exchange_send_body(f->fake.x, SLICE("part"));
        settle(f);
        exchange_fail(f->fake.x, FAULT_ORIGIN_CUT);
        assert_true(is_open(f)); // not inside the handler's call
        settle(f);
        assert_true(fake_conn_is_aborted(f->conn));
        assert_int_equal(fake_conn_fault(f->conn), FAULT_ORIGIN_CUT);
        assert_record(f, "start GET http a.example/\nclosed origin_cut\n");
        struct slice taken = buffer_peek(fake_conn_taken(f->conn));
        assert_memory_equal(taken.data + taken.length - 4 - (i == 0 ? 2 : 0), "part", 4);
        close_conn(f);
        open_conn(f);
    }
    // A handler that ends too early is not believed either.
    start_session(f, SLICE_EMPTY);
    feed(f, GET);
    fake_handler_send_head(f->fake.x, 200, 10);
    exchange_send_body(f->fake.x, SLICE("part"));
    exchange_finish(f->fake.x, NULL);
    settle(f);
    assert_true(fake_conn_is_aborted(f->conn));
    buffer_finish(&f->fake.record);
}

static void test_big_responses_are_never_held_whole(void **state) {
    struct fixture *f = *state;
    static const size_t limits[] = {SIZE_MAX, 100000, 1000};
    for (size_t i = 0; i < 3; i++) {
        for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
            f->fake.big_bytes = 1000000;
            f->fake.is_length_unknown = is_chunked;
            fake_conn_set_limit(f->conn, limits[i]);
            start_session(f, SLICE_EMPTY);
            feed(f, GET);
            unsigned turns = 0;
            while (f->fake.closed < f->fake.started || conn_unsent(f->conn) > 0) {
                fake_conn_turn(f->conn);
                assert_true(conn_unsent(f->conn) <= 257 * 1024);
                assert_true(++turns < 3000);
            }
            size_t taken = buffer_length(fake_conn_taken(f->conn));
            assert_in_range(taken, 1000000, 1003000);
            assert_true(is_open(f));
            close_conn(f);
            open_conn(f);
        }
    }
    buffer_finish(&f->fake.record);
}

static void test_a_slow_client_is_held_little(void **state) {
    struct fixture *f = *state;
    f->fake.big_bytes = 2000000;
    fake_conn_set_limit(f->conn, 5000);
    start_session(f, SLICE_EMPTY);
    feed(f, GET);
    for (int i = 0; i < 100; i++) {
        fake_conn_turn(f->conn);
        assert_in_range(conn_unsent(f->conn), 0, 64 * 1024);
    }
    assert_true(buffer_length(fake_conn_taken(f->conn)) > 400000);
    fake_conn_set_limit(f->conn, SIZE_MAX); // once it reads faster, it gets more
    size_t most = 0;
    while (f->fake.x != NULL) {
        size_t before = buffer_length(fake_conn_taken(f->conn));
        fake_conn_turn(f->conn);
        size_t taken = buffer_length(fake_conn_taken(f->conn)) - before;
        most = taken > most ? taken : most;
    }
    assert_in_range(most, 200 * 1024, 257 * 1024);
    buffer_finish(&f->fake.record);
}

// --- times --------------------------------------------------------------------------------------

static void expire_after(struct fixture *f, uint64_t ms) {
    f->loop.clock.now_ms += ms;
    fake_conn_expire(f->conn);
}

static void test_deadline_of_the_first_request(void **state) {
    struct fixture *f = *state;
    start_session(f, SLICE_EMPTY);
    assert_in_range(fake_conn_deadline_ms(f->conn), 9900, 10000);
    expire_after(f, 10000);
    assert_true(fake_conn_is_closing(f->conn));
    assert_nothing_taken(f);
}

static void test_deadline_of_a_head_is_not_moved_by_bytes(void **state) {
    struct fixture *f = *state;
    start_session(f, SLICE("GET / HT"));
    f->loop.clock.now_ms += 6000;
    fake_conn_feed(f->conn, SLICE("TP/1.1\r\n"));
    assert_in_range(fake_conn_deadline_ms(f->conn), 3800, 4000);
    expire_after(f, 3800);
    assert_true(is_open(f)); // a little early: armed again
    assert_in_range(fake_conn_deadline_ms(f->conn), 1, 200);
    expire_after(f, 200);
    settle(f);
    struct reply reply = take_reply(f);
    assert_int_equal(reply.status, 408);
    assert_true(reply.is_close);
    assert_true(fake_conn_is_closing(f->conn));
}

static void test_deadline_between_requests(void **state) {
    struct fixture *f = *state;
    start_session(f, SLICE_EMPTY);
    feed(f, GET);
    settle(f);
    take_reply(f);
    assert_int_equal(fake_conn_deadline_ms(f->conn) > 0, 1);
    expire_after(f, 30000); // that of the writing, which is long done
    assert_true(is_open(f));
    assert_in_range(fake_conn_deadline_ms(f->conn), 149000, 150000);
    expire_after(f, 150001);
    assert_true(fake_conn_is_closing(f->conn));
    assert_nothing_taken(f);
    buffer_finish(&f->fake.record);
}

static void test_deadline_of_content(void **state) {
    struct fixture *f = *state;
    start_session(f, SLICE_EMPTY);
    feed(f, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\nabc");
    char kilobyte[1024] = {0};
    f->loop.clock.now_ms += 20000;
    fake_conn_feed(f->conn, slice_of(kilobyte, sizeof(kilobyte))); // moves it
    assert_int_equal(fake_conn_deadline_ms(f->conn), 30000);
    f->loop.clock.now_ms += 20000;
    fake_conn_feed(f->conn, SLICE("d")); // does not (R-U-D-Y)
    assert_int_equal(fake_conn_deadline_ms(f->conn), 10000);
    expire_after(f, 10000);
    settle(f);
    assert_int_equal(take_reply(f).status, 408);
    assert_record(f, "start POST http a/\nclosed client_timeout\n");
    close_conn(f);
    buffer_finish(&f->fake.content);

    // No fault of the client while we do not read, or when it has sent all.
    open_conn(f);
    f->fake.holds_content = true;
    f->fake.answer = FAKE_ANSWER_NEVER;
    start_session(f, SLICE_EMPTY);
    feed(f, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n");
    char *content = alloc_zeroed(1, 65537);
    fake_conn_feed(f->conn, slice_of(content, 65536));
    assert_int_equal(fake_conn_deadline_ms(f->conn), 0);
    f->loop.clock.now_ms += 100000;
    exchange_request_consumed(f->fake.x, 65536);
    assert_int_equal(fake_conn_deadline_ms(f->conn), 30000); // now it is asked again
    fake_conn_feed(f->conn, SLICE("x"));
    assert_int_equal(fake_conn_deadline_ms(f->conn), 0);
    free(content);
    buffer_finish(&f->fake.content);
    buffer_finish(&f->fake.record);
}

static void test_deadline_of_writing(void **state) {
    struct fixture *f = *state;
    f->fake.big_bytes = 1000000;
    fake_conn_set_limit(f->conn, 0);
    start_session(f, SLICE_EMPTY);
    feed(f, GET);
    assert_in_range(fake_conn_deadline_ms(f->conn), 19000, 20000);
    fake_conn_set_progress(f->conn, 1); // long ago, for an earlier response
    expire_after(f, 10000);
    assert_true(is_open(f));
    assert_in_range(fake_conn_deadline_ms(f->conn), 9000, 10000);
    fake_conn_set_progress(f->conn, f->loop.clock.now_ms + 5000);
    expire_after(f, 20000);
    assert_true(is_open(f)); // something moved
    assert_in_range(fake_conn_deadline_ms(f->conn), 4000, 5000);
    expire_after(f, 5001);
    assert_true(fake_conn_is_aborted(f->conn));
    assert_record(f, "start GET http a.example/\nclosed client_timeout\n");
}

// --- the client leaves --------------------------------------------------------------------------

static void test_half_closed_clients_get_their_responses(void **state) {
    struct fixture *f = *state;
    f->fake.answer = FAKE_ANSWER_NEVER;
    start_session(f, SLICE_EMPTY);
    feed(f, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    fake_conn_eof(f->conn);
    settle(f);
    assert_record(f, "start GET http a/1\n");
    fake_handler_answer(&f->fake, f->fake.x);
    settle(f);
    assert_false(take_reply(f).is_close);
    assert_true(is_open(f));
    fake_handler_answer(&f->fake, f->fake.x);
    settle(f);
    assert_true(take_reply(f).is_close);
    assert_true(fake_conn_is_closing(f->conn));
    assert_record(f, "closed none\nstart GET http a/2\nclosed none\n");
}

// Most of those who end their side have left: an origin that thinks for long is not kept busy.
static void test_half_closed_clients_are_not_waited_for(void **state) {
    struct fixture *f = *state;
    f->fake.answer = FAKE_ANSWER_NEVER;
    start_session(f, SLICE_EMPTY);
    feed(f, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(fake_conn_deadline_ms(f->conn), 0); // it has said all, and may wait
    fake_conn_eof(f->conn);
    assert_int_equal(fake_conn_deadline_ms(f->conn), 5000);
    settle(f);
    fake_handler_answer(&f->fake, f->fake.x);
    settle(f);
    assert_in_range(fake_conn_deadline_ms(f->conn), 4900, 5000); // for each of its requests
    take_reply(f);
    expire_after(f, 5000);
    assert_true(fake_conn_is_aborted(f->conn));
    assert_record(f, "start GET http a/1\nclosed none\nstart GET http a/2\nclosed client_gone\n");
}

static void test_reset_cancels(void **state) {
    struct fixture *f = *state;
    f->fake.answer = FAKE_ANSWER_NEVER;
    start_session(f, SLICE_EMPTY);
    feed(f, GET);
    fake_conn_reset(f->conn, FAULT_CONN_RESET);
    assert_record(f, "start GET http a.example/\nclosed client_gone\n");
}

static void test_eof_inside_content_cancels(void **state) {
    struct fixture *f = *state;
    f->fake.answer = FAKE_ANSWER_NEVER;
    start_session(f, SLICE_EMPTY);
    feed(f, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    fake_conn_eof(f->conn);
    assert_true(fake_conn_is_aborted(f->conn));
    assert_record(f, "start POST http a/\nclosed client_gone\n");
    buffer_finish(&f->fake.content);
}

enum departure { DEPART_RESET, DEPART_EOF, DEPART_NOT, DEPART_COUNT };

static const char conversation[] = "\r\nGET /1 HTTP/1.1\r\nHost: a\r\nCookie: x=1\r\n\r\n"
                                   "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                                   "Expect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\nT: u\r\n\r\n"
                                   "HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n"
                                   "POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd"
                                   "GET /5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

// A conversation is cut after every byte, in every way, with answers at once or late.
static void test_cut_at_every_byte(void **state) {
    struct fixture *f = *state;
    size_t complete = 0;
    for (size_t cut = 0; cut < sizeof(conversation); cut++) {
        for (int way = 0; way < DEPART_COUNT * 4; way++) {
            f->fake.answer = way & 1 ? FAKE_ANSWER_AT_START : FAKE_ANSWER_AT_END;
            f->fake.holds_content = way & 2;
            start_session(f, SLICE_EMPTY);
            fake_conn_feed(f->conn, slice_of(conversation, cut));
            fake_conn_turn(f->conn);
            switch ((enum departure)(way / 4)) {
            case DEPART_RESET:
                fake_conn_reset(f->conn, FAULT_CONN_RESET);
                break;
            case DEPART_EOF:
                fake_conn_eof(f->conn);
                settle(f);
                assert_false(is_open(f));
                break;
            case DEPART_NOT:
                if (is_open(f)) {
                    fake_conn_feed(f->conn,
                                   slice_of(conversation + cut, sizeof(conversation) - 1 - cut));
                    settle(f);
                }
                assert_true(fake_conn_is_closing(f->conn));
                complete += f->fake.started == 5;
                break;
            case DEPART_COUNT:
                break;
            }
            close_conn(f);
            open_conn(f);
            f->fake.started = f->fake.closed = 0;
            buffer_finish(&f->fake.record);
            buffer_finish(&f->fake.content);
        }
    }
    assert_true(complete >= 2 * sizeof(conversation)); // AT_END always sees all five
}

static unsigned next_random(unsigned *seed) {
    *seed = *seed * 1103515245U + 12345U;
    return *seed >> 16 & 0x7fff;
}

static void randomize(struct fixture *f, unsigned *seed) {
    f->fake.answer = next_random(seed) % 2 ? FAKE_ANSWER_AT_START : FAKE_ANSWER_AT_END;
    f->fake.holds_content = next_random(seed) % 4 == 0;
    f->fake.is_length_unknown = next_random(seed) % 2;
    f->fake.big_bytes = next_random(seed) % 4 == 0 ? 100000 : 0;
    f->fake.fail_with = next_random(seed) % 8 == 0 ? FAULT_ORIGIN_CUT : FAULT_NONE;
    fake_conn_set_limit(f->conn, next_random(seed) % 4 == 0 ? 1000 : SIZE_MAX);
}

// Damaged bytes, in any pieces, to handlers of any kind, with a kernel of any size.
static void test_random_damage(void **state) {
    struct fixture *f = *state;
    for (unsigned round = 1; round <= 3000; round++) {
        unsigned seed = round;
        char text[sizeof(conversation) - 1];
        memcpy(text, conversation, sizeof(text));
        for (unsigned i = next_random(&seed) % 4; i > 0; i--) {
            text[next_random(&seed) % sizeof(text)] = (char)next_random(&seed);
        }
        randomize(f, &seed);
        start_session(f, SLICE_EMPTY);
        struct slice rest = slice_of(text, sizeof(text));
        while (rest.length > 0 && is_open(f)) {
            struct slice piece = slice_first(rest, next_random(&seed) % 60 + 1);
            fake_conn_feed(f->conn, piece);
            rest = slice_skip(rest, piece.length);
            if (next_random(&seed) % 2) {
                fake_conn_turn(f->conn);
            }
        }
        if (is_open(f) && next_random(&seed) % 2) {
            fake_conn_eof(f->conn);
        }
        settle(f);
        close_conn(f);
        open_conn(f);
        buffer_finish(&f->fake.record);
        buffer_finish(&f->fake.content);
    }
}

static void test_byte_by_byte(void **state) {
    struct fixture *f = *state;
    fake_conn_set_piece(f->conn, 1);
    fake_conn_set_limit(f->conn, 1);
    start_session(f, SLICE_EMPTY);
    feed(f, "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            "3\r\nabc\r\n0\r\nT: u\r\n\r\n" GET);
    for (int i = 0; i < 2000; i++) {
        fake_conn_turn(f->conn);
    }
    assert_record(f, "start POST http a/2\nend t=u\nclosed none\n"
                     "start GET http a.example/\nclosed none\n");
    assert_content(f, "abc");
    struct slice rest = buffer_peek(fake_conn_taken(f->conn));
    for (int i = 0; i < 2; i++) {
        struct reply reply;
        read_reply(&rest, false, &reply);
        assert_string_equal(reply.body, "hello");
    }
    assert_int_equal(rest.length, 0);
}

// --- drain --------------------------------------------------------------------------------------

static void drain(struct fixture *f) {
    front_drain(&f->front, NULL, NULL);
}

static void test_drain_closes_idle_conns(void **state) {
    struct fixture *f = *state;
    start_session(f, SLICE_EMPTY);
    feed(f, GET);
    assert_false(take_reply(f).is_close);
    drain(f);
    assert_true(is_open(f));
    expire_after(f, FRONT_LAST_CALL_MS);
    assert_true(fake_conn_is_closing(f->conn));
    buffer_finish(&f->fake.record);
}

// A request may have left the client before it could know.
static void test_drain_answers_a_request_on_its_way(void **state) {
    struct fixture *f = *state;
    start_session(f, SLICE_EMPTY);
    feed(f, GET);
    assert_false(take_reply(f).is_close);
    drain(f);
    feed(f, GET);
    assert_true(take_reply(f).is_close);
    assert_true(fake_conn_is_closing(f->conn));
    buffer_finish(&f->fake.record);
}

// Who has just connected may have asked already.
static void test_drain_waits_for_first_requests(void **state) {
    struct fixture *f = *state;
    start_session(f, SLICE_EMPTY);
    drain(f);
    assert_true(is_open(f));
    assert_int_equal(fake_conn_deadline_ms(f->conn), FRONT_LAST_CALL_MS);
    feed(f, GET);
    assert_true(take_reply(f).is_close);
    assert_true(fake_conn_is_closing(f->conn));
    buffer_finish(&f->fake.record);
}

static void test_drain_does_not_wait_long(void **state) {
    struct fixture *f = *state;
    start_session(f, SLICE_EMPTY);
    drain(f);
    expire_after(f, FRONT_LAST_CALL_MS);
    assert_true(fake_conn_is_closing(f->conn));
}

static void test_drain_finishes_what_was_begun(void **state) {
    struct fixture *f = *state;
    f->fake.answer = FAKE_ANSWER_NEVER;
    start_session(f, SLICE("GET / HTTP/1.1\r\nHost: a\r\n"));
    drain(f);
    assert_true(is_open(f));
    feed(f, "\r\n" GET);
    fake_handler_answer(&f->fake, f->fake.x);
    settle(f);
    assert_true(take_reply(f).is_close);
    assert_true(fake_conn_is_closing(f->conn));
    assert_record(f, "start GET http a/\nclosed none\n"); // the second is not begun
}

static void test_drain_during_a_response(void **state) {
    struct fixture *f = *state;
    f->fake.answer = FAKE_ANSWER_NEVER;
    start_session(f, SLICE_EMPTY);
    feed(f, GET);
    fake_handler_send_head(f->fake.x, 200, 4);
    settle(f);
    drain(f);
    assert_true(is_open(f));
    exchange_send_body(f->fake.x, SLICE("rest"));
    exchange_finish(f->fake.x, NULL);
    settle(f);
    assert_string_equal(take_reply(f).body, "rest");
    assert_true(is_open(f)); // its head did not say that it was the last
    expire_after(f, FRONT_LAST_CALL_MS);
    assert_true(fake_conn_is_closing(f->conn));
    buffer_finish(&f->fake.record);
}

static void test_abort(void **state) {
    struct fixture *f = *state;
    f->fake.answer = FAKE_ANSWER_NEVER;
    start_session(f, SLICE_EMPTY);
    feed(f, GET);
    front_abort_all(&f->front);
    assert_true(fake_conn_is_aborted(f->conn));
    assert_record(f, "start GET http a.example/\nclosed draining\n");
    front_abort_all(&f->front); // again, while it is ending
}

// --- the log ------------------------------------------------------------------------------------

static void test_access_log(void **state) {
    struct fixture *f = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct log_sink *sink = log_sink_create(ends[1], 1 << 20);
    const struct access_log_options options = {.format = ACCESS_LOG_TEXT};
    f->front.access_log = access_log_create(&f->loop, sink);
    access_log_configure(f->front.access_log, &options);
    start_session(f, SLICE_EMPTY);
    feed(f, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    feed(f, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n");
    close_conn(f);
    access_log_destroy(f->front.access_log);
    loop_finish(&f->loop);
    log_sink_destroy(sink);
    char text[1000] = {0};
    assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
    loop_init(&f->loop); // for tear_down
    assert_non_null(strstr(text, "192.0.2.7 HTTP/1.1 \"POST a/x\" 200 in=3 out=5 "));
    assert_non_null(strstr(text, "192.0.2.7 HTTP/1.1 \"GET a/a#b\" 400 in=0 out="));
    assert_non_null(strstr(text, " fault=bad_request\n"));
    close(ends[0]);
    buffer_finish(&f->fake.record);
    buffer_finish(&f->fake.content);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_keep_alive),
        TEST(test_first_bytes_count),
        TEST(test_versions_and_framing),
        TEST(test_a_refused_head_request_has_no_content),
        TEST(test_pipelined_requests_are_answered_in_order),
        TEST(test_many_pipelined_requests_leave_in_few_writes),
        TEST(test_pipelined_requests_wait_for_a_client_that_does_not_read),
        TEST(test_content_that_is_not_consumed_stops_reading),
        TEST(test_continue),
        TEST(test_response_before_the_request_has_ended),
        TEST(test_limit_on_content),
        TEST(test_malformed_requests),
        TEST(test_words_that_are_no_request_get_no_answer),
        TEST(test_heads_that_are_too_large),
        TEST(test_malformed_chunks),
        TEST(test_misdirected),
        TEST(test_interim_responses),
        TEST(test_faults_before_the_head_are_answered),
        TEST(test_cut_responses),
        TEST(test_big_responses_are_never_held_whole),
        TEST(test_a_slow_client_is_held_little),
        TEST(test_deadline_of_the_first_request),
        TEST(test_deadline_of_a_head_is_not_moved_by_bytes),
        TEST(test_deadline_between_requests),
        TEST(test_deadline_of_content),
        TEST(test_deadline_of_writing),
        TEST(test_half_closed_clients_get_their_responses),
        TEST(test_half_closed_clients_are_not_waited_for),
        TEST(test_reset_cancels),
        TEST(test_eof_inside_content_cancels),
        TEST(test_cut_at_every_byte),
        TEST(test_random_damage),
        TEST(test_byte_by_byte),
        TEST(test_drain_closes_idle_conns),
        TEST(test_drain_answers_a_request_on_its_way),
        TEST(test_drain_answers_a_request_on_its_way),
        TEST(test_drain_waits_for_first_requests),
        TEST(test_drain_does_not_wait_long),
        TEST(test_drain_finishes_what_was_begun),
        TEST(test_drain_during_a_response),
        TEST(test_abort),
        TEST(test_access_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
