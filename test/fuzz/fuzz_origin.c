// SPDX-License-Identifier: Apache-2.0
#include "fuzz_origin.h"

#include <stdarg.h>

#include "base/alloc.h"
#include "fake_conn.h"

struct fuzz_origin *fuzz_origin_create(struct fuzz_world *world, struct conn *take_conn) {
    struct fuzz_origin *origin = alloc_new(struct fuzz_origin);
    origin->world = world;
    origin->conn = take_conn;
    fuzz_check(world->origin_count < FUZZ_ORIGINS);
    world->origins[world->origin_count++] = origin;
    return origin;
}

void fuzz_origin_destroy(struct fuzz_origin *origin) {
    fake_conn_destroy(origin->conn);
    buffer_finish(&origin->heard);
    free(origin);
}

bool fuzz_origin_is_asked(const struct fuzz_origin *origin) {
    return origin->has_request && !origin->is_complete;
}

// --- requests ------------------------------------------------------------------------------------

// All that are not idempotent: RFC 9110 section 9.2.2.
static bool is_once(struct slice method) {
    static const char *const others[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (slice_equal(method, slice_of_text(others[i]))) {
            return false;
        }
    }
    return true;
}

static void check_head(const struct fuzz_h1_head *head) {
    size_t lengths = fuzz_h1_count(head, "content-length");
    size_t codings = fuzz_h1_count(head, "transfer-encoding");
    uint64_t length;
    struct slice number = fuzz_h1_value(head, "content-length");
    fuzz_check(slice_equal(head->third, SLICE("HTTP/1.1")));
    fuzz_check(head->second.data[0] == '/' || slice_equal(head->second, SLICE("*")));
    fuzz_check(fuzz_h1_count(head, "host") == 1 && lengths + codings <= 1);
    fuzz_check(lengths == 0 || number.length > 15 || fuzz_h1_read_number(number, 10, &length));
    fuzz_check(codings == 0 ||
               slice_equal(fuzz_h1_value(head, "transfer-encoding"), SLICE("chunked")));
    fuzz_check(!fuzz_h1_has_hop_by_hop(head) && fuzz_h1_count(head, "connection") == 0);
    fuzz_check(fuzz_h1_count(head, "cookie") <= 1 && fuzz_h1_count(head, "expect") == 0);
    fuzz_check(fuzz_h1_count(head, "x-forwarded-for") == 1 && fuzz_h1_count(head, "via") >= 1);
    fuzz_check(!slice_equal(head->first, SLICE("CONNECT")));
}

static void begin(struct fuzz_origin *origin, const struct fuzz_h1_head *head) {
    struct fuzz_world *world = origin->world;
    check_head(head);
    origin->has_request = true;
    origin->is_head_request = slice_equal(head->first, SLICE("HEAD"));
    struct slice asked_as = fuzz_h1_value(head, "x-asked");
    origin->asked = fuzz_asked_of(asked_as.length > 0 ? asked_as : head->second);
    origin->has_head = origin->is_complete = origin->is_chunked = origin->is_garbled = false;
    origin->said = origin->body_heard = 0;
    fuzz_h1_start_body(&origin->body, head);
    origin->is_request_complete = origin->body.is_ended;
    if (is_once(head->first) && origin->asked.number < FUZZ_PARTS && !world->is_wild) {
        fuzz_check(++world->asked[origin->asked.number].posts == 1); // not delivered twice
    }
}

static void hear_content(struct fuzz_origin *origin, struct slice *rest) {
    struct slice content;
    bool is_bad = false;
    while (fuzz_h1_next_content(&origin->body, rest, &content, &is_bad)) {
        if (!origin->world->is_wild && origin->asked.number != FUZZ_UNKNOWN) {
            for (size_t i = 0; i < content.length; i++) {
                fuzz_check(content.data[i] ==
                           fuzz_content_byte(origin->asked.number, origin->body_heard + i));
            }
        }
        origin->body_heard += content.length;
    }
    fuzz_check(!is_bad);
    origin->is_request_complete = origin->body.is_ended;
    if (origin->body.is_ended && origin->body.is_chunked && !origin->world->is_wild &&
        origin->asked.number < FUZZ_PARTS) {
        fuzz_check(origin->body_heard == origin->world->asked[origin->asked.number].content);
    }
}

void fuzz_origin_hear(struct fuzz_origin *origin) {
    static struct fuzz_h1_head head; // large
    struct buffer *taken = fake_conn_taken(origin->conn);
    buffer_move(&origin->heard, taken);
    for (;;) {
        struct slice rest = buffer_peek(&origin->heard);
        size_t before = rest.length;
        if (before == 0) {
            return;
        }
        if (origin->has_request && !origin->is_request_complete) {
            hear_content(origin, &rest);
        } else {
            // One request at a time, and none where the connection's state is not certain. (After
            // raw bytes the origin itself does not know whether its response is complete.)
            fuzz_check(!origin->is_tainted);
            fuzz_check(!origin->has_request || origin->is_complete || origin->is_garbled);
            enum fuzz_h1_state state = fuzz_h1_read_head(rest, &head);
            fuzz_check(state != FUZZ_H1_BAD);
            if (state == FUZZ_H1_MORE) {
                return;
            }
            fuzz_trace("origin %p hears %.*s %.*s\n", (void *)origin, SLICE_ARGS(head.first),
                       SLICE_ARGS(head.second));
            begin(origin, &head);
            rest = slice_skip(rest, head.length);
        }
        buffer_consume(&origin->heard, before - rest.length);
        if (rest.length == before) {
            return; // a chunk's size that is not all here
        }
    }
}

// --- responses -----------------------------------------------------------------------------------

static bool may_say(struct fuzz_origin *origin) {
    if (origin->is_gone || origin->has_left || fake_conn_is_ended(origin->conn)) {
        return false;
    }
    fuzz_origin_hear(origin);
    return true;
}

static void say(struct fuzz_origin *origin, struct slice bytes) {
    fuzz_trace("origin %p says %zu: %.*s\n", (void *)origin, bytes.length,
               (int)(bytes.length < 300 ? bytes.length : 300), bytes.data);
    if (origin->is_slow) {
        fake_conn_feed_later(origin->conn, bytes);
    } else {
        fake_conn_feed(origin->conn, bytes);
    }
}

static void say_format(struct fuzz_origin *origin, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say_format(struct fuzz_origin *origin, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fuzz_check(length >= 0 && (size_t)length < sizeof(text));
    say(origin, slice_of(text, (size_t)length));
}

static const char *const some_fields[] = {
    "Link: </s/0?290.50>; rel=preload; as=style, </s/1?291.3000>; rel=preload\r\n",
    "Link: </s/6?296.70000>; rel=preload; as=image, </s/7?297.5>; rel=preload; nopush\r\n",
    "Link: <//cdn.example>; rel=preconnect, </s/8?298.40>; rel=preload; x-http2-push-only\r\n",
    "Cache-Control: max-age=60\r\n",
    "Cache-Control: private, no-store\r\n",
    "ETag: \"v1\"\r\n",
    "Set-Cookie: a=b\r\n",
    "Vary: Cookie\r\n",
    "Content-Type: text/html\r\n",
    "Content-Type: text/css\r\n",
    "Keep-Alive: timeout=1\r\nX-Forwarded-Proto: x\r\n",
    "Connection: x-secret\r\nX-Secret: 1\r\n",
    "Connection: close\r\n",
    "Priority: u=1, i\r\n",
    "Location: /a/0\r\nX-Http2-Push: y\r\n",
    "Proxy-Status: x\r\nUpgrade: h2c\r\nAlt-Svc: clear\r\n",
};
enum { CLOSES = 12 };

// One of them, beside those.
static const char *const more_fields[] = {
    "",
    "Content-Type: text/javascript\r\nCache-Control: public, immutable, max-age=\"5\"\r\n",
    "Content-Type: image/png\r\nETag: W/\"v2-gzip\"\r\nContent-Encoding: gzip\r\n",
    "Content-Type: font/woff2\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
    "Expires: 0\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
    "Expires: Fri, 15 Jan 2027 09:00:00 GMT\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\nAge: 7\r\n",
    "Link: </s/9?299.5>; rel=modulepreload; crossorigin, </x>; rel=\"critical preload\"\r\n",
    "Link: <https://b.example/s/1?291.3000>; rel=preload; as=style; fetchpriority=low\r\n",
    "CDN-Cache-Control: max-age=9\r\nVary: *\r\n",
    "Cache-Control: no-cache=\"x\", s-maxage=0\r\nVary: Accept-Encoding, Save-Data\r\n",
    "Cache-Control: max-age=9999999999, max-age=x\r\nAge: x\r\n",
    "Upgrade: websocket\r\nConnection: upgrade, x-tag-not\r\n",
    "Trailer: X-Sum\r\nContent-Range: bytes 0-9/20\r\nAccept-Ranges: bytes\r\n",
    "Set-Cookie: c=d; Path=/\r\nSet-Cookie: outrider-digest=x\r\n",
    "Link: </s/9?299.6>; rel=preload; as=fetch; fetchpriority=high; anchor=\"/b/0\"\r\n",
    "Proxy-Connection: close\r\nTE: x\r\nProxy-Authenticate: Basic\r\nVia: 1.1 outrider\r\n",
};

void fuzz_origin_say_head(struct fuzz_origin *origin, struct fuzz_input *input) {
    static const int statuses[] = {200, 200, 200, 200, 204, 304, 404, 403, 500, 206, 301, 401};
    unsigned status = (unsigned)statuses[fuzz_below(input, 12)];
    unsigned choice = fuzz_byte(input);
    unsigned fields = fuzz_word(input);
    if (!may_say(origin) || !fuzz_origin_is_asked(origin) || origin->has_head) {
        return;
    }
    bool has_none = origin->is_head_request || status == 204 || status == 304;
    bool is_until_close = !has_none && choice % 4 == 0;
    bool is_old = is_until_close && (choice & 4) != 0;
    bool is_chunked = !has_none && choice % 4 == 1;
    origin->has_head = true;
    origin->is_chunked = is_chunked;
    origin->length = has_none ? 0 : origin->asked.length;
    origin->is_complete = has_none || (origin->length == 0 && !is_chunked && !is_until_close);
    origin->is_until_close = is_until_close;
    origin->is_tainted |= is_until_close || (fields >> CLOSES & 1) != 0;
    say_format(origin, "HTTP/1.%d %u Something\r\nX-Tag: %u.%u.%c\r\n", is_old ? 0 : 1, status,
               origin->asked.number, origin->asked.length, origin->asked.kind);
    if (origin->asked.kind == 'e') {
        say_format(origin, "content-type: text/event-stream\r\n");
    }
    for (unsigned i = 0; i < sizeof(some_fields) / sizeof(some_fields[0]); i++) {
        bool is_second_type = origin->asked.kind == 'e' && (i == 8 || i == 9);
        if ((fields >> i & 1) != 0 && !is_second_type && !(is_old && i == CLOSES)) {
            say_format(origin, "%s", some_fields[i]);
        }
    }
    say_format(origin, "%s", more_fields[choice >> 4]);
    if (is_chunked) {
        say_format(origin, "Transfer-Encoding: chunked\r\n\r\n");
    } else if (!is_until_close && status != 204 && (!has_none || (choice & 8) != 0)) {
        say_format(origin, "Content-Length: %u\r\n\r\n", origin->asked.length);
    } else {
        say_format(origin, "\r\n");
    }
    if (is_until_close && origin->length == 0) {
        fuzz_origin_leave(origin, false);
    }
}

void fuzz_origin_say_interim(struct fuzz_origin *origin, struct fuzz_input *input) {
    static const int statuses[] = {103, 103, 103, 100, 102, 199};
    unsigned status = (unsigned)statuses[fuzz_below(input, 6)];
    unsigned fields = fuzz_byte(input);
    if (!may_say(origin) || !fuzz_origin_is_asked(origin) || origin->has_head) {
        return;
    }
    say_format(origin, "HTTP/1.1 %u Early\r\n", status);
    for (unsigned i = 0; i < 8; i++) {
        if ((fields >> i & 1) != 0) {
            say_format(origin, "%s", some_fields[i]);
        }
    }
    say_format(origin, "\r\n");
}

void fuzz_origin_say_content(struct fuzz_origin *origin, uint64_t most) {
    char bytes[4096];
    if (!may_say(origin) || !fuzz_origin_is_asked(origin) || !origin->has_head) {
        return;
    }
    uint64_t left = origin->length - origin->said;
    left = left < most ? left : most;
    while (left > 0 && !fake_conn_is_ended(origin->conn)) {
        size_t length = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
        fuzz_content(&origin->asked, origin->said, bytes, length);
        if (origin->is_chunked) {
            say_format(origin, "%zx%s\r\n", length, length % 3 == 0 ? ";x=y" : "");
        }
        say(origin, slice_of(bytes, length));
        if (origin->is_chunked) {
            say_format(origin, "\r\n");
        }
        origin->said += length;
        left -= length;
    }
    if (origin->said == origin->length && most > 0) {
        origin->is_complete = true;
        if (origin->is_chunked) {
            say_format(origin, "%s", most % 2 == 0 ? "0\r\n\r\n" : "0\r\nX-Sum: 1\r\n\r\n");
        } else if (origin->is_until_close) {
            fuzz_origin_leave(origin, false);
        }
    }
}

// To a request these are its response, whatever they are. Without one they are surplus.
void fuzz_origin_say_raw(struct fuzz_origin *origin, struct slice bytes) {
    if (!may_say(origin) || bytes.length == 0) {
        return;
    }
    bool is_asked = fuzz_origin_is_asked(origin);
    if (!is_asked && (conn_unsent(origin->conn) > 0 || buffer_length(&origin->heard) > 0)) {
        return; // a request is on its way, and these would be taken for its answer, rightly
    }
    if (is_asked) {
        origin->world->asked[origin->asked.number].is_garbled = true;
        origin->world->has_garbled = true;
        origin->is_garbled = true;
    } else {
        origin->is_tainted = true;
    }
    say(origin, bytes);
}

// Parts of pages may be kept.
void fuzz_origin_answer(struct fuzz_origin *origin) {
    static const uint8_t plain[] = {0, 2, 0, 0};
    static const uint8_t part[] = {0, 2, 2, 0x28};
    bool is_part = origin->asked.number >= FUZZ_PARTS && origin->asked.number != FUZZ_UNKNOWN;
    struct fuzz_input input = fuzz_input_of(is_part ? part : plain, sizeof(plain));
    if (origin->is_garbled) {
        fuzz_origin_leave(origin, false);
        return;
    }
    fuzz_origin_say_head(origin, &input);
    fuzz_origin_say_content(origin, UINT64_MAX);
}

void fuzz_origin_leave(struct fuzz_origin *origin, bool is_reset) {
    if (!may_say(origin)) {
        return;
    }
    if (fuzz_origin_is_asked(origin) && origin->has_head && origin->is_until_close && !is_reset) {
        origin->world->asked[origin->asked.number].may_be_short = true; // nobody can tell
    }
    fuzz_trace("origin %p %s\n", (void *)origin, is_reset ? "resets" : "leaves");
    origin->is_complete = true; // as far as it can
    origin->has_left = true;
    // Else a request is on its way.
    origin->is_tainted |= conn_unsent(origin->conn) == 0 && buffer_length(&origin->heard) == 0;
    if (is_reset) {
        fake_conn_reset(origin->conn, FAULT_CONN_RESET);
    } else if (origin->is_slow) {
        fake_conn_eof_later(origin->conn);
    } else {
        fake_conn_eof(origin->conn);
    }
}
