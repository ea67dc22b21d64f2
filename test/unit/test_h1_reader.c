// SPDX-License-Identifier: Apache-2.0
// Each row is a connection's bytes and the story the reader must tell of them. Every row is read in
// one piece, byte by byte, cut in two at every place, and with a pause in every callback: the story
// is always the same.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "http/h1_reader.h"

static const struct h1_reader_limits limits = {
    .head_bytes = 1024,
    .field_bytes = 200,
    .head_fields = 8,
    .uri_bytes = 64,
    .cookie_crumbs = 4,
    .cookie_bytes = 300,
    .interim_responses = 3,
    .interim_bytes = 300,
    .chunk_extension_bytes = 40,
};

// --- the listener, which writes the story -------------------------------------------------------

struct listener {
    struct h1_reader *reader;
    struct arena *arena;
    struct buffer story;
    bool is_in_body;
    bool pauses;
};

static void tell(struct listener *listener, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(struct listener *listener, const char *format, ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    assert_true(length >= 0 && (size_t)length < sizeof(text));
    buffer_append(&listener->story, text, (size_t)length);
    listener->is_in_body = false;
    if (listener->pauses) {
        h1_reader_pause(listener->reader);
    }
}

static void tell_fields(struct listener *listener, const struct headers *headers) {
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct header *row = &headers->rows[i];
        assert_int_equal(row->id, headers_identify(row->name));
        tell(listener, " %.*s=%.*s", SLICE_ARGS(row->name), SLICE_ARGS(row->value));
    }
}

static struct arena *on_begin(void *user) {
    struct listener *listener = user;
    assert_null(listener->arena);
    listener->arena = arena_create();
    return listener->arena;
}

static void on_interim(void *user, const struct h1_head *head) {
    tell(user, "{%d", head->status);
    tell_fields(user, &head->headers);
    tell(user, "} ");
}

static void on_head(void *user, const struct h1_head *head) {
    struct listener *listener = user;
    if (head->status != 0) {
        tell(listener, "%d", head->status);
    } else {
        tell(listener, "%.*s %.*s", SLICE_ARGS(head->method), SLICE_ARGS(head->target));
    }
    assert_int_equal(head->major, 1);
    tell(listener, " 1.%u", head->minor);
    tell_fields(listener, &head->headers);
    tell(listener, " |%s%s%s%s%lld|", head->is_keep_alive ? "k" : "", head->is_chunked ? "c" : "",
         head->is_end ? "e" : "", head->has_expect_continue ? "x" : "",
         (long long)head->content_length);
}

static void on_body(void *user, struct slice bytes) {
    struct listener *listener = user;
    assert_true(bytes.length > 0);
    buffer_append_slice(&listener->story, bytes);
    if (listener->pauses) {
        h1_reader_pause(listener->reader);
    }
}

static void on_end(void *user, const struct headers *trailers) {
    struct listener *listener = user;
    tell(listener, "|");
    if (trailers != NULL) {
        tell_fields(listener, trailers);
        tell(listener, "|");
    }
    arena_destroy(listener->arena); // the reader must not look at it again
    listener->arena = NULL;
}

static const struct h1_reader_events events = {
    .on_begin = on_begin,
    .on_interim = on_interim,
    .on_head = on_head,
    .on_body = on_body,
    .on_end = on_end,
};

// --- reading a connection -----------------------------------------------------------------------

struct reading {
    enum h1_reader_kind kind;
    bool is_head_request;
    bool has_eof;
    bool pauses;
    size_t piece; // bytes per piece, the first piece only when `is_two`
    bool is_two;
};

// A copy of its own, so that the sanitizer sees every byte read behind its end.
static enum fault feed_piece(struct h1_reader *reader, struct slice piece) {
    char *copy = alloc_bytes(piece.length);
    memcpy(copy, piece.data, piece.length);
    struct slice rest = slice_of(copy, piece.length);
    enum fault fault = FAULT_NONE;
    for (;;) {
        size_t used = h1_reader_feed(reader, rest, &fault);
        assert_true(used <= rest.length);
        rest = slice_skip(rest, used);
        if (fault != FAULT_NONE || !h1_reader_is_paused(reader)) {
            assert_true(fault != FAULT_NONE || rest.length == 0);
            break;
        }
        size_t stuck = h1_reader_feed(reader, rest, &fault); // paused: nothing happens
        assert_int_equal(stuck, 0);
        h1_reader_resume(reader);
    }
    free(copy);
    return fault;
}

static char *read_story(struct slice input, const struct reading *how) {
    struct listener listener = {.pauses = how->pauses};
    listener.reader = h1_reader_create(how->kind, &limits, &events, &listener);
    if (how->kind == H1_READER_RESPONSE) {
        h1_reader_expect(listener.reader, how->is_head_request);
    }
    assert_true(h1_reader_is_idle(listener.reader));
    enum fault fault = FAULT_NONE;
    size_t piece = how->piece;
    struct slice rest = input;
    while (rest.length > 0 && fault == FAULT_NONE) {
        fault = feed_piece(listener.reader, slice_first(rest, piece));
        rest = slice_skip(rest, piece);
        piece = how->is_two ? input.length : how->piece;
    }
    bool is_idle = h1_reader_is_idle(listener.reader);
    if (fault == FAULT_NONE && how->has_eof) {
        listener.pauses = false;
        enum fault at_eof = h1_reader_eof(listener.reader);
        tell(&listener, "~%s", fault_name(at_eof));
    } else if (fault != FAULT_NONE) {
        assert_int_equal(h1_reader_eof(listener.reader), fault);
        tell(&listener, "!%s", fault_name(fault));
    } else if (!is_idle) {
        tell(&listener, "...");
    }
    h1_reader_destroy(listener.reader);
    arena_destroy(listener.arena);
    buffer_append(&listener.story, "", 1);
    char *story = alloc_text(buffer_peek(&listener.story).data);
    buffer_finish(&listener.story);
    return story;
}

static void expect_story(struct slice input, const struct reading *how, const char *wanted) {
    char *story = read_story(input, how);
    if (strcmp(story, wanted) != 0) {
        fail_msg("%.*s\npiece %zu%s%s\n got '%s'\nwant '%s'", SLICE_ARGS(input), how->piece,
                 how->is_two ? " and the rest" : "", how->pauses ? ", pausing" : "", story, wanted);
    }
    free(story);
}

struct row {
    const char *bytes;
    size_t length;
    const char *story;
};

#define ROW(bytes, story)                                                                          \
    { bytes, sizeof(bytes) - 1, story }
#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static void expect_rows(const struct row *rows, size_t count, struct reading how) {
    for (size_t i = 0; i < count; i++) {
        struct slice input = slice_of(rows[i].bytes, rows[i].length);
        for (int pauses = 0; pauses < 2; pauses++) {
            how.pauses = pauses != 0;
            how.is_two = false;
            how.piece = input.length;
            expect_story(input, &how, rows[i].story);
            how.piece = 1;
            expect_story(input, &how, rows[i].story);
            how.is_two = true;
            for (how.piece = 1; how.piece < input.length; how.piece++) {
                expect_story(input, &how, rows[i].story);
            }
        }
    }
}

// --- requests -----------------------------------------------------------------------------------

#define CHUNKED_POST "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
#define CHUNKED_STORY "POST / 1.1 transfer-encoding=chunked |kc-1|"

static void test_good_requests(void **state) {
    (void)state;
    static const struct row rows[] = {
        ROW("", ""),
        ROW("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / 1.1 host=a |ke0||"),
        ROW("GET /x?y HTTP/1.1\r\nHOST:a\r\nX-Y:  b c \t\r\nE:\r\nF: \t \r\n\r\n",
            "GET /x?y 1.1 host=a x-y=b c e= f= |ke0||"),
        ROW("GET /{a}|\"^` HTTP/1.1\r\n\r\n", "GET /{a}|\"^` 1.1 |ke0||"),
        ROW("GET /a#b HTTP/1.1\r\n\r\n", "GET /a#b 1.1 |ke0||"), // for forward_check to refuse
        ROW("GET http://h/p HTTP/1.1\r\nHost: h\r\n\r\n", "GET http://h/p 1.1 host=h |ke0||"),
        ROW("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", "GET http://h 1.1 host=h |ke0||"),
        ROW("OPTIONS * HTTP/1.1\r\n\r\n", "OPTIONS * 1.1 |ke0||"),
        ROW("X: \xc3\xa9\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nX: \xc3\xa9\r\n\r\n", "GET / 1.1 x=\xc3\xa9 |ke0||"),
        ROW("GET / HTTP/1.0\r\n\r\n", "GET / 1.0 |e0||"),
        ROW("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
            "GET / 1.0 connection=Keep-Alive |ke0||"),
        ROW("GET / HTTP/1.1\r\nConnection: te, Close\r\n\r\n",
            "GET / 1.1 connection=te, Close |e0||"),
        ROW("GET / HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
            "GET / 1.1 connection=keep-alive connection=close |e0||"),
        ROW("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
            "POST / 1.1 content-length=5 |k5|hello|"),
        ROW("POST / HTTP/1.1\r\nContent-Length: 005 \r\n\r\nhello",
            "POST / 1.1 content-length=005 |k5|hello|"),
        ROW("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "POST / 1.1 content-length=0 |ke0||"),
        ROW("POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\nhi",
            "POST / 1.1 expect=100-Continue content-length=2 |kx2|hi|"),
        ROW("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
            "POST / 1.0 expect=100-continue content-length=2 |2|hi|"),
        ROW(CHUNKED_POST "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n",
            CHUNKED_STORY "hello world|"),
        ROW(CHUNKED_POST "0\r\n\r\n", CHUNKED_STORY "|"),
        ROW(CHUNKED_POST "00a\r\n0123456789\r\nA\r\n0123456789\r\n000;x\r\n\r\n",
            CHUNKED_STORY "01234567890123456789|"),
        ROW(CHUNKED_POST "2\r\nhi\r\n0\r\nX-Sum: 7\r\nY:\r\n\r\n", CHUNKED_STORY "hi| x-sum=7 y=|"),
        ROW("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
            "POST / 1.1 transfer-encoding=Chunked |kc-1||"),
        // A wish to speak something else changes nothing.
        ROW("GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
            "GET / 1.1 upgrade=h2c connection=upgrade |ke0||GET /2 1.1 |ke0||"),
        ROW("POST / HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nhi",
            "POST / 1.1 upgrade=x connection=upgrade content-length=2 |k2|hi|"),
        ROW("POST / HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\nTransfer-Encoding: "
            "chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            "POST / 1.1 upgrade=x connection=upgrade transfer-encoding=chunked |kc-1|hi|"),
        ROW("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", "CONNECT h:80 1.1 host=h:80 |ke0||"),
        // Pipelined, and with the one empty line that old clients send.
        ROW("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", "GET /1 1.1 |ke0||GET /2 1.1 |ke0||"),
        ROW("\r\nGET / HTTP/1.1\r\n\r\n", "GET / 1.1 |ke0||"),
        ROW("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi\r\nGET / HTTP/1.1\r\n\r\n\r\n",
            "POST / 1.1 content-length=2 |k2|hi|GET / 1.1 |ke0||"),
        // Behind the last one nothing counts.
        ROW("GET / HTTP/1.0\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", "GET / 1.0 |e0||..."),
        // Unfinished ones.
        ROW("GET / HT", "..."),
        ROW("GET / HTTP/1.1\r\nX: y\r\n\r", "..."),
        ROW("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell",
            "POST / 1.1 content-length=5 |k5|hell..."),
        ROW(CHUNKED_POST "5\r\nhello\r\n0\r\nX: y\r\n", CHUNKED_STORY "hello..."),
    };
    expect_rows(rows, COUNT(rows), (struct reading){.kind = H1_READER_REQUEST});
}

static void test_bad_requests(void **state) {
    (void)state;
    static const struct row rows[] = {
        // Request lines.
        ROW("\x16\x03\x01\x02", "!bad_request"),
        ROW("\n", "!bad_request"),
        ROW("\r\n\r\n", "!bad_request"),
        ROW("\rGET / HTTP/1.1\r\n\r\n", "!bad_request"),
        ROW(" GET / HTTP/1.1\r\n\r\n", "!bad_request"),
        ROW("GET\r\n", "!bad_request"),
        ROW("GET /\r\n", "!bad_request"),
        ROW("GET  / HTTP/1.1\r\n\r\n", "!bad_request"),
        ROW("GET /  HTTP/1.1\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1 \r\n\r\n", "!bad_request"),
        ROW("GET /a b HTTP/1.1\r\n\r\n", "!bad_request"),
        ROW("GET\t/ HTTP/1.1\r\n\r\n", "!bad_request"),
        ROW("GET /\ta HTTP/1.1\r\n\r\n", "!bad_request"),
        ROW("GET /\x01 HTTP/1.1\r\n\r\n", "!bad_request"),
        ROW("GET /\x7f HTTP/1.1\r\n\r\n", "!bad_request"),
        ROW("GET /\xe9 HTTP/1.1\r\n\r\n", "!bad_request"),
        ROW("GET /\0 HTTP/1.1\r\n\r\n", "!bad_request"),
        ROW("GET foo HTTP/1.1\r\n\r\n", "!bad_request"),
        ROW("GET ?a HTTP/1.1\r\n\r\n", "!bad_request"),
        ROW("G(T / HTTP/1.1\r\n\r\n", "!bad_request"),
        ROW("GET / http/1.1\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.10\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1\r\n\r\n", "!bad_request"),
        ROW("GET / RTSP/1.0\r\n\r\n", "!bad_request"),
        ROW("SOURCE / ICE/1.0\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.2\r\n\r\n", "!version"),
        ROW("GET / HTTP/0.9\r\n\r\n", "!version"),
        ROW("GET / HTTP/2.0\r\n\r\n", "!version"),
        ROW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!version"),
        ROW("BREW / HTTP/1.1\r\n\r\n", "!not_implemented"),
        ROW("get / HTTP/1.1\r\n\r\n", "!not_implemented"),
        // Lines.
        ROW("GET / HTTP/1.1\nHost: a\n\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nHost: a\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nHost: a\r\n\n", "!bad_request"),
        ROW("GET / HTTP/1.1\rHost: a\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\n\rX: y\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nHost: a\r\n\rXX\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nX: a\r\n\tb\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\n X: a\r\n\r\n", "!bad_request"),
        // Fields.
        ROW("GET / HTTP/1.1\r\nX : a\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nX\t: a\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\n: a\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nX\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nX Y: a\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nX\xe9: a\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nX(: a\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nX\0: a\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nX: a\x0b\r\n\r\n", "!bad_request"),
        ROW("GET / HTTP/1.1\r\nX: a\x7f\r\n\r\n", "!bad_request"),
        // Framing.
        ROW("POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\nhello", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\nhello", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nContent-Length: 5 5\r\n\r\nhello", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nContent-Length: 5,5\r\n\r\nhello", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nContent-Length: 5.0\r\n\r\nhello", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nContent-Length:\r\n\r\nhello", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nContent-Length: 18446744073709551621\r\n\r\n", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            "!bad_request"),
        ROW("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            "!bad_request"),
        ROW("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "!bad_request"),
        ROW("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            "!bad_request"),
        ROW("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
            "chunked\r\n\r\n0\r\n\r\n",
            "!bad_request"),
        ROW("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nTransfer-Encoding: ,\r\n\r\n", "!bad_request"),
        ROW("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "!not_implemented"),
        ROW("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "!not_implemented"),
        ROW("POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", "!not_implemented"),
        ROW("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", "!not_implemented"),
    };
    expect_rows(rows, COUNT(rows), (struct reading){.kind = H1_READER_REQUEST});
}

static void test_bad_chunks(void **state) {
    (void)state;
    static const struct row rows[] = {
        ROW(CHUNKED_POST " 5\r\nhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "5 \r\nhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "5\t;a\r\nhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "\r\n5\r\nhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "5\nhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "5\rhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "0x5\r\nhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "-1\r\nhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "+5\r\nhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "g\r\nhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST ";a\r\nhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "fffffffffffffffff\r\n", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "10000000000000005\r\n", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "ffffffffffffffff\r\n", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "4000000000000000\r\n", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "5;a\nb\r\nhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "5;a=\"\n\"\r\nhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "5;a=\rb\r\nhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "5;a\0b\r\nhello", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "5\r\nhelloX\r\n", CHUNKED_STORY "hello!bad_request"),
        ROW(CHUNKED_POST "5\r\nhello\n0\r\n\r\n", CHUNKED_STORY "hello!bad_request"),
        ROW(CHUNKED_POST "5\r\nhello0\r\n\r\n", CHUNKED_STORY "hello!bad_request"),
        ROW(CHUNKED_POST "5\r\nhello\r\r\n0\r\n", CHUNKED_STORY "hello!bad_request"),
        ROW(CHUNKED_POST "0\r\n\rX\r\n", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "0\r\n\n", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "0\r\nX: a\n\r\n", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "0\r\nX: a\r\n b\r\n\r\n", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "0\r\nX : a\r\n\r\n", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "0\r\nGET / HTTP/1.1\r\n\r\n", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "0\r\nX: a\0\r\n\r\n", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "0\r\nContent-Length: 5\r\n\r\n", CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "0\r\nTransfer-Encoding: gzip\r\n\r\n", CHUNKED_STORY "!bad_request"),
        // Extensions: 40 bytes in a message, leading zeros count like them.
        ROW(CHUNKED_POST "5;0123456789012345678901234567890123456789\r\nhello\r\n0\r\n\r\n",
            CHUNKED_STORY "hello|"),
        ROW(CHUNKED_POST "5;012345678901234567890123456789012345678901234567890123456789\r\n",
            CHUNKED_STORY "!bad_request"),
        ROW(CHUNKED_POST "1;012345678901234567890123456789\r\na\r\n"
                         "1;01234567890123456789012345678901234567890\r\nb\r\n0\r\n\r\n",
            CHUNKED_STORY "a!bad_request"),
        ROW(CHUNKED_POST "000000000000000000000000000000000000000000000000000000000000005\r\n",
            CHUNKED_STORY "!bad_request"),
    };
    expect_rows(rows, COUNT(rows), (struct reading){.kind = H1_READER_REQUEST});
}

// --- responses ----------------------------------------------------------------------------------

#define BAD "!origin_bad_response"

static void test_good_responses(void **state) {
    (void)state;
    static const struct row rows[] = {
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "200 1.1 content-length=5 |k5|hello|"),
        ROW("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 1.1 content-length=0 |ke0||"),
        ROW("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 1.1 content-length=0 |ke0||"),
        ROW("HTTP/1.1 404 No \xe9t\xe9\r\nContent-Length: 0\r\n\r\n",
            "404 1.1 content-length=0 |ke0||"),
        ROW("HTTP/1.1 599 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "599 1.1 content-length=0 connection=close |e0||"),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n",
            "200 1.1 transfer-encoding=chunked |kc-1|hi| a=b|"),
        ROW("HTTP/1.1 204 No Content\r\n\r\n", "204 1.1 |ke0||"),
        ROW("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            "304 1.1 content-length=5 |ke0||"),
        ROW("HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 1\r\n\r\nx",
            "200 1.1 set-cookie=a set-cookie=b content-length=1 |k1|x|"),
        ROW("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "200 1.0 content-length=1 |1|x|"),
        ROW("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx",
            "200 1.0 content-length=1 connection=keep-alive |k1|x|"),
        ROW("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            "{100} {103 link=</a>} 200 1.1 content-length=1 |k1|x|"),
        ROW("HTTP/1.1 199 X\r\n\r\nHTTP/1.1 204 X\r\n\r\n", "{199} 204 1.1 |ke0||"),
        // Whatever comes behind a complete response spoils the connection.
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy", "200 1.1 content-length=1 |k1|x|..."),
        ROW("HTTP/1.1 204 X\r\nContent-Length: 2\r\n\r\nhi", "204 1.1 content-length=2 |ke0||..."),
        ROW("HTTP/1.1 204 X\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "204 1.1 |ke0||..."),
        ROW("HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "204 1.1 transfer-encoding=chunked |ke0||..."),
        ROW("HTTP/1.1 204 X\r\n\r\n\r\n", "204 1.1 |ke0||..."),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n0",
            "200 1.1 transfer-encoding=chunked |kc-1||..."),
        // Until close.
        ROW("HTTP/1.1 200 OK\r\n\r\nhello", "200 1.1 |-1|hello..."),
        ROW("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nHTTP/1.1 200",
            "200 1.0 connection=keep-alive |-1|HTTP/1.1 200..."),
    };
    expect_rows(rows, COUNT(rows), (struct reading){.kind = H1_READER_RESPONSE});
}

static void test_responses_to_head(void **state) {
    (void)state;
    static const struct row rows[] = {
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 1.1 content-length=5 |ke0||"),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "200 1.1 transfer-encoding=chunked |ke0||"),
        ROW("HTTP/1.1 200 OK\r\n\r\n", "200 1.1 |ke0||"),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200 1.1 content-length=2 |ke0||..."),
        ROW("HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
            "{103} 200 1.1 content-length=2 |ke0||"),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", BAD),
    };
    expect_rows(rows, COUNT(rows),
                (struct reading){.kind = H1_READER_RESPONSE, .is_head_request = true});
}

static void test_bad_responses(void **state) {
    (void)state;
    static const struct row rows[] = {
        ROW("SSH-2.0-OpenSSH", BAD),
        ROW("HTTP/2", BAD),
        ROW("\r\nHTTP/1.1 200 OK\r\n\r\n", BAD),
        ROW("HTTP/1.2 200 OK\r\n\r\n", BAD),
        ROW("HTTP/1.1  200 OK\r\n\r\n", BAD),
        ROW("HTTP/1.1\t200 OK\r\n\r\n", BAD),
        ROW("HTTP/1.1 20 OK\r\n\r\n", BAD),
        ROW("HTTP/1.1 2000 OK\r\n\r\n", BAD),
        ROW("HTTP/1.1 099 OK\r\n\r\n", BAD),
        ROW("HTTP/1.1 600 OK\r\n\r\n", BAD),
        ROW("HTTP/1.1 2x0 OK\r\n\r\n", BAD),
        ROW("HTTP/1.1 200OK\r\n\r\n", BAD),
        ROW("HTTP/1.1 200\tOK\r\n\r\n", BAD),
        ROW("HTTP/1.1 \r\n\r\n", BAD),
        ROW("HTTP/1.1 200 O\rK\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 O\0K\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 O\x01K\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 OK\n\n", BAD),
        ROW("HTTP/1.1 200 OK\r\nX: a\n\r\n", BAD),
        ROW("HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 OK\r\n\rX", BAD),
        ROW("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 OK\r\nX : a\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 OK\r\n: a\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 OK\r\nX\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 OK\r\nX\xe9: a\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", BAD),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", BAD),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", BAD),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\nhello", BAD),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n", BAD),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n",
            BAD),
        ROW("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
        ROW("HTTP/1.1 304 OK\r\nContent-Length: 1x\r\n\r\n", BAD),
        ROW("HTTP/1.0 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\n", BAD),
        ROW("HTTP/1.1 103 X\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", BAD),
        ROW("HTTP/1.1 103 X\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", BAD),
        ROW("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "!origin_upgrade"),
        ROW("HTTP/1.1 102 X\r\n\r\nHTTP/1.1 102 X\r\n\r\nHTTP/1.1 102 X\r\n\r\nHTTP/1.1 102 "
            "X\r\n\r\n",
            "{102} {102} {102} !origin_interim_flood"),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\n",
            "200 1.1 transfer-encoding=chunked |kc-1|hi" BAD),
    };
    expect_rows(rows, COUNT(rows), (struct reading){.kind = H1_READER_RESPONSE});
}

// --- the end of the connection ------------------------------------------------------------------

static void test_eof(void **state) {
    (void)state;
    static const struct row responses[] = {
        ROW("", "~origin_reset"),
        ROW("H", "~origin_cut"),
        ROW("HTTP/1.1 200 OK\r\nX: a\r\n", "~origin_cut"),
        ROW("HTTP/1.1 200 OK\r\n\r\n", "200 1.1 |-1||~none"),
        ROW("HTTP/1.1 200 OK\r\n\r\nhello", "200 1.1 |-1|hello|~none"),
        ROW("HTTP/1.1 103 X\r\n\r\n", "{103} ~origin_cut"),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "200 1.1 content-length=5 |k5|hell~origin_cut"),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "200 1.1 content-length=5 |k5|hello|~none"),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n",
            "200 1.1 transfer-encoding=chunked |kc-1|hi~origin_cut"),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
            "200 1.1 transfer-encoding=chunked |kc-1|hi~origin_cut"),
    };
    static const struct row requests[] = {
        ROW("", "~none"),
        ROW("\r\n", "~none"),
        ROW("GET / HTTP/1.1\r\n", "~client_gone"),
        ROW("GET / HTTP/1.1\r\n\r\n", "GET / 1.1 |ke0||~none"),
        ROW("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nh",
            "POST / 1.1 content-length=2 |k2|h~client_gone"),
    };
    expect_rows(responses, COUNT(responses),
                (struct reading){.kind = H1_READER_RESPONSE, .has_eof = true});
    expect_rows(requests, COUNT(requests),
                (struct reading){.kind = H1_READER_REQUEST, .has_eof = true});
}

// --- limits -------------------------------------------------------------------------------------

static struct slice repeated(struct arena *arena, const char *start, const char *unit,
                             unsigned count, const char *end) {
    size_t unit_length = strlen(unit);
    char *text = arena_alloc(arena, strlen(start) + count * unit_length + strlen(end) + 1);
    char *at = stpcpy(text, start);
    for (unsigned i = 0; i < count; i++) {
        at = stpcpy(at, unit);
    }
    at = stpcpy(at, end);
    return slice_of(text, (size_t)(at - text));
}

static const struct limit_row {
    enum h1_reader_kind kind;
    const char *start;
    const char *unit;
    unsigned most; // as many are well, one more is not
    const char *end;
    const char *refusal;
} limit_rows[] = {
    {H1_READER_REQUEST, "GET /", "u", 63, " HTTP/1.1\r\n\r\n", "!uri_too_long"},
    {H1_READER_REQUEST, "GET / HTTP/1.1\r\nx: ", "v", 199, "\r\n\r\n", "!head_too_large"},
    {H1_READER_REQUEST, "GET / HTTP/1.1\r\n", "x: v\r\n", 8, "\r\n", "!head_too_large"},
    {H1_READER_REQUEST, "GET / HTTP/1.1\r\n", "cookie: v\r\n", 4, "\r\n", "!head_too_large"},
    {H1_READER_REQUEST, "GET / HTTP/1.1\r\ncookie: ", "v", 300, "\r\n\r\n", "!head_too_large"},
    {H1_READER_RESPONSE, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: ", "v", 199, "\r\n\r\n",
     "!origin_head_too_large"},
    {H1_READER_RESPONSE, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", "x: v\r\n", 7, "\r\n",
     "!origin_head_too_large"},
    {H1_READER_RESPONSE, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", "cookie: v\r\n", 7, "\r\n",
     "!origin_head_too_large"},
    {H1_READER_RESPONSE, "HTTP/1.1 200 ", "r", 187, "\r\ncontent-length: 0\r\n\r\n",
     "!origin_head_too_large"},
    {H1_READER_RESPONSE, "", "HTTP/1.1 103 E\r\n\r\n", 3, "HTTP/1.1 204 X\r\n\r\n",
     "!origin_interim_flood"},
    {H1_READER_REQUEST, CHUNKED_POST "0\r\n", "x: v\r\n", 8, "\r\n", "!head_too_large"},
    {H1_READER_REQUEST, CHUNKED_POST "0\r\nx: ", "v", 199, "\r\n\r\n", "!head_too_large"},
    {H1_READER_RESPONSE, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", "x: v\r\n",
     8, "\r\n", "!origin_head_too_large"},
};

static void expect_ending(struct slice input, struct reading how, const char *ending) {
    char *story = read_story(input, &how);
    size_t length = strlen(story);
    bool is_so = length >= strlen(ending) && strcmp(story + length - strlen(ending), ending) == 0;
    if (!is_so) {
        fail_msg("%.*s\n got '%s'\nwant '%s'", SLICE_ARGS(input), story, ending);
    }
    free(story);
}

static void test_limits(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(limit_rows); i++) {
        const struct limit_row *row = &limit_rows[i];
        struct arena *arena = arena_create();
        struct slice most = repeated(arena, row->start, row->unit, row->most, row->end);
        struct slice more = repeated(arena, row->start, row->unit, row->most + 1, row->end);
        struct reading whole = {.kind = row->kind, .piece = 65536};
        struct reading bytes = {.kind = row->kind, .piece = 1};
        expect_ending(most, whole, "|");
        expect_ending(most, bytes, "|");
        expect_ending(more, whole, row->refusal);
        expect_ending(more, bytes, row->refusal);
        arena_destroy(arena);
    }
}

// The sum counts 32 bytes per field, as HTTP/2 does.
static void test_head_bytes(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    char unit[200];
    snprintf(unit, sizeof(unit), "x: %0*d\r\n", 165, 7); // 1 + 165 + 32 = 198, five are 990
    struct slice most = repeated(arena, "GET / HTTP/1.1\r\n", unit, 5, "y: v\r\n\r\n");
    struct slice more = repeated(arena, "GET / HTTP/1.1\r\n", unit, 5, "y: vv\r\n\r\n");
    expect_ending(most, (struct reading){.kind = H1_READER_REQUEST, .piece = 7}, "|");
    expect_ending(more, (struct reading){.kind = H1_READER_REQUEST, .piece = 7}, "!head_too_large");
    arena_destroy(arena);
}

// What never ends is refused at the limit, with no more than the limit in hand.
static void test_endless(void **state) {
    (void)state;
    static const struct {
        enum h1_reader_kind kind;
        const char *start;
        const char *unit;
        const char *refusal;
    } rows[] = {
        {H1_READER_REQUEST, "GET /", "u", "!uri_too_long"},
        {H1_READER_REQUEST, "", "G", "!uri_too_long"},
        {H1_READER_REQUEST, "GET / HTTP/1.1\r\n", "x", "!head_too_large"},
        {H1_READER_REQUEST, "GET / HTTP/1.1\r\n", "x: y\r\n", "!head_too_large"},
        {H1_READER_REQUEST, "GET / HTTP/1.1\r\n", "cookie: y\r\n", "!head_too_large"},
        {H1_READER_RESPONSE, "HTTP/1.1 200 ", "r", "!origin_head_too_large"},
        {H1_READER_RESPONSE, "HTTP/1.1 200 OK\r\n", "x: y\r\n", "!origin_head_too_large"},
        {H1_READER_RESPONSE, "", "HTTP/1.1 100 C\r\n\r\n", "!origin_interim_flood"},
        {H1_READER_REQUEST, CHUNKED_POST, "0", "!bad_request"},
        {H1_READER_REQUEST, CHUNKED_POST "5;", "x", "!bad_request"},
        {H1_READER_REQUEST, CHUNKED_POST "0\r\n", "x: y\r\n", "!head_too_large"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena *arena = arena_create();
        struct slice input = repeated(arena, rows[i].start, rows[i].unit, 3000, "");
        expect_ending(input, (struct reading){.kind = rows[i].kind, .piece = 13}, rows[i].refusal);
        arena_destroy(arena);
    }
}

static void test_interim_bytes(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct slice input = repeated(arena, "HTTP/1.1 103 E\r\nlink: ", "v", 150, "\r\n\r\n");
    struct slice two = arena_printf(arena, "%.*s%.*s", SLICE_ARGS(input), SLICE_ARGS(input));
    expect_ending(two, (struct reading){.kind = H1_READER_RESPONSE, .piece = 1000},
                  "!origin_interim_flood");
    arena_destroy(arena);
}

// --- use by the owners --------------------------------------------------------------------------

static void test_pipelined_requests_wait(void **state) {
    (void)state;
    struct listener listener = {0};
    listener.reader = h1_reader_create(H1_READER_REQUEST, &limits, &events, &listener);
    struct slice first = SLICE("POST /1 HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi");
    struct slice both = SLICE("POST /1 HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"
                              "GET /2 HTTP/1.1\r\n\r\n");
    enum fault fault;
    assert_int_equal(h1_reader_feed(listener.reader, both, &fault), first.length);
    assert_int_equal(fault, FAULT_NONE);
    assert_true(h1_reader_is_paused(listener.reader));
    assert_true(h1_reader_is_idle(listener.reader));
    h1_reader_resume(listener.reader);
    struct slice rest = slice_skip(both, first.length);
    assert_int_equal(h1_reader_feed(listener.reader, rest, &fault), rest.length);
    assert_int_equal(fault, FAULT_NONE);
    h1_reader_destroy(listener.reader);
    buffer_finish(&listener.story);
}

static void test_connection_is_used_again(void **state) {
    (void)state;
    struct listener listener = {0};
    listener.reader = h1_reader_create(H1_READER_RESPONSE, &limits, &events, &listener);
    enum fault fault;
    struct slice plain = SLICE("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    struct slice of_head = SLICE("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        h1_reader_expect(listener.reader, false);
        assert_int_equal(h1_reader_feed(listener.reader, plain, &fault), plain.length);
        assert_true(h1_reader_is_idle(listener.reader));
        h1_reader_expect(listener.reader, true);
        assert_int_equal(h1_reader_feed(listener.reader, of_head, &fault), of_head.length);
        assert_true(h1_reader_is_idle(listener.reader));
        assert_int_equal(fault, FAULT_NONE);
    }
    h1_reader_destroy(listener.reader);
    buffer_finish(&listener.story);
}

// An answer that nobody asked for is never the answer to the next request.
static void test_unasked_response(void **state) {
    (void)state;
    struct listener listener = {0};
    listener.reader = h1_reader_create(H1_READER_RESPONSE, &limits, &events, &listener);
    enum fault fault;
    struct slice bytes = SLICE("HTTP/1.1 204 X\r\n\r\n");
    assert_int_equal(h1_reader_feed(listener.reader, bytes, &fault), bytes.length);
    assert_int_equal(fault, FAULT_NONE);
    assert_false(h1_reader_is_idle(listener.reader));
    h1_reader_expect(listener.reader, false);
    h1_reader_feed(listener.reader, bytes, &fault);
    assert_int_equal(fault, FAULT_ORIGIN_BAD_RESPONSE);
    assert_int_equal(buffer_length(&listener.story), 0);
    h1_reader_destroy(listener.reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_requests),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_bad_chunks),
        cmocka_unit_test(test_good_responses),
        cmocka_unit_test(test_responses_to_head),
        cmocka_unit_test(test_bad_responses),
        cmocka_unit_test(test_eof),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_head_bytes),
        cmocka_unit_test(test_endless),
        cmocka_unit_test(test_interim_bytes),
        cmocka_unit_test(test_pipelined_requests_wait),
        cmocka_unit_test(test_connection_is_used_again),
        cmocka_unit_test(test_unasked_response),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
