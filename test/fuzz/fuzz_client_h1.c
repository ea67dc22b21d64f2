// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>

#include "base/alloc.h"
#include "fake_conn.h"
#include "fuzz_client.h"

static void say_format(struct fuzz_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say_format(struct fuzz_client *client, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fuzz_check(length >= 0 && (size_t)length < sizeof(text));
    fuzz_client_say(client, slice_of(text, (size_t)length));
}

// --- responses -----------------------------------------------------------------------------------

static struct fuzz_answer *answer_of(struct fuzz_client *client) {
    fuzz_check(client->answered_count < client->asked_count); // nothing that nobody asked for
    return &client->pipeline[client->answered_count];
}

static struct arena *on_begin(void *user) {
    struct fuzz_client *client = user;
    client->arena = arena_create();
    return client->arena;
}

static void on_interim(void *user, const struct h1_head *head) {
    struct fuzz_client *client = user;
    fuzz_check(!answer_of(client)->has_head && head->status != 101);
}

static void on_head(void *user, const struct h1_head *head) {
    struct fuzz_client *client = user;
    const struct headers *headers = &head->headers;
    struct fuzz_answer *answer = answer_of(client);
    const struct header *tag = headers_find_name(headers, SLICE("x-tag"));
    const struct header *cookie = headers_find(headers, HEADER_SET_COOKIE);
    for (; cookie != NULL; cookie = headers_find_next(headers, HEADER_SET_COOKIE, cookie)) {
        fuzz_answer_cookie(client, cookie->value);
    }
    answer->length = head->is_chunked || head->is_end ? -1 : head->content_length;
    fuzz_check(!headers_has(headers, HEADER_KEEP_ALIVE) && !headers_has(headers, HEADER_UPGRADE));
    fuzz_check(headers_find_name(headers, SLICE("x-secret")) == NULL || client->world->has_garbled);
    fuzz_answer_head(client, answer, head->status, tag != NULL ? tag->value : SLICE_EMPTY,
                     headers_has(headers, HEADER_PROXY_STATUS));
}

static void on_body(void *user, struct slice bytes) {
    struct fuzz_client *client = user;
    fuzz_answer_content(client, answer_of(client), bytes);
}

static void on_end(void *user, const struct headers *trailers) {
    struct fuzz_client *client = user;
    (void)trailers;
    fuzz_answer_end(client, answer_of(client));
    client->answered_count++;
    h1_reader_pause(client->reader);
}

static const struct h1_reader_events events = {.on_begin = on_begin,
                                               .on_interim = on_interim,
                                               .on_head = on_head,
                                               .on_body = on_body,
                                               .on_end = on_end};

static void close_reader(struct fuzz_client *client) {
    h1_reader_destroy(client->reader);
    arena_destroy(client->arena);
    client->reader = NULL;
    client->arena = NULL;
}

// One for each response: what follows is the next one's.
static void open_reader(struct fuzz_client *client) {
    const struct h1_reader_limits limits = {1 << 20, 1 << 20, 1000,    1 << 20, 1000,
                                            1 << 20, 1000,    1 << 20, 100};
    close_reader(client);
    client->reader = h1_reader_create(H1_READER_RESPONSE, &limits, &events, client);
    h1_reader_expect(client->reader, answer_of(client)->is_head_request);
}

// A head that could not be read is refused without knowing that it was a HEAD: the last answer has
// content then.
static bool has_been_refused(const struct fuzz_client *client) {
    unsigned count = client->answered_count;
    const struct fuzz_answer *last = &client->pipeline[count > 0 ? count - 1 : 0];
    bool is_refused = last->status / 100 == 4 || last->status == 501;
    return count > 0 && last->is_head_request && last->is_of_proxy && is_refused;
}

void fuzz_h1_client_hear(struct fuzz_client *client) {
    if (client->is_wild || has_been_refused(client)) {
        buffer_finish(&client->incoming);
        return;
    }
    while (buffer_length(&client->incoming) > 0) {
        if (client->reader == NULL || h1_reader_is_paused(client->reader)) {
            open_reader(client);
        }
        enum fault fault;
        size_t used = h1_reader_feed(client->reader, buffer_peek(&client->incoming), &fault);
        fuzz_check(fault == FAULT_NONE);
        buffer_consume(&client->incoming, used);
        if (has_been_refused(client)) {
            buffer_finish(&client->incoming);
        }
    }
}

// A clean end completes what lasts until the close; a reset (by the client too, before it had taken
// all), or the end inside of what has a length or chunks, is seen as what it is.
void fuzz_h1_client_on_gone(struct fuzz_client *client) {
    bool is_clean = fake_conn_is_closing(client->conn) && !fake_conn_is_aborted(client->conn) &&
                    conn_unsent(client->conn) == 0;
    if (is_clean && client->reader != NULL && !h1_reader_is_paused(client->reader) &&
        !client->is_wild) {
        h1_reader_eof(client->reader);
    }
}

// --- requests ------------------------------------------------------------------------------------

void fuzz_h1_client_close(struct fuzz_client *client) {
    close_reader(client);
}

static void send_content(struct fuzz_client *client, uint64_t most) {
    char bytes[4096];
    uint64_t left = client->content_left < most ? client->content_left : most;
    while (left > 0) {
        size_t length = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
        for (size_t i = 0; i < length; i++) {
            bytes[i] = fuzz_content_byte(client->content_number, client->content_sent + i);
        }
        if (client->is_chunked) {
            say_format(client, "%zX\r\n", length);
        }
        fuzz_client_say(client, slice_of(bytes, length));
        if (client->is_chunked) {
            say_format(client, "\r\n");
        }
        client->content_sent += length;
        client->world->asked[client->content_number].content += length;
        client->content_left -= length;
        left -= length;
    }
    if (client->content_left == 0 && client->is_chunked) {
        client->is_chunked = false;
        say_format(client, client->content_sent % 2 == 0 ? "0\r\n\r\n" : "0\r\nx-sum: 1\r\n\r\n");
    }
}

void fuzz_h1_client_request(struct fuzz_client *client, struct fuzz_input *input) {
    struct fuzz_wish wish;
    if (client->world->requests >= FUZZ_PARTS || client->asked_count == FUZZ_PIPELINE) {
        return;
    }
    send_content(client, UINT64_MAX); // of the one before
    fuzz_wish_make(client, input, &wish);
    unsigned how = fuzz_byte(input);
    struct fuzz_answer *answer = &client->pipeline[client->asked_count++];
    *answer = (struct fuzz_answer){.asked = wish.asked,
                                   .is_known = true,
                                   .is_head_request = strcmp(wish.method, "HEAD") == 0,
                                   .may_be_local = strcmp(wish.method, "OPTIONS") == 0,
                                   .length = -1};
    if (wish.has_content) {
        client->is_chunked = wish.announced < 0;
        client->content_left = wish.announced < 0 ? how * 13 : (uint64_t)wish.announced;
        client->content_sent = 0;
        client->content_number = wish.asked.number;
    }
    bool is_old = (how & 7) == 7 && !(wish.has_content && wish.announced < 0);
    say_format(client, "%s %s%s%s HTTP/1.%d\r\nHost: %s\r\n", wish.method,
               !wish.is_absolute           ? ""
               : conn_is_tls(client->conn) ? "https://"
                                           : "http://",
               wish.is_absolute ? wish.authority : "", wish.path, is_old ? 0 : 1, wish.authority);
    for (size_t i = 0; i < wish.field_count; i++) {
        say_format(client, "%s: %s\r\n", wish.fields[i][0], wish.fields[i][1]);
    }
    if ((how & 0x70) == 0x70) {
        say_format(client, "Connection: close\r\n");
    }
    if (wish.has_content && wish.announced >= 0) {
        say_format(client, "Content-Length: %lld\r\n", (long long)wish.announced);
    } else if (wish.has_content) {
        say_format(client, "Transfer-Encoding: chunked\r\n");
    }
    say_format(client, "\r\n");
}

void fuzz_h1_client_content(struct fuzz_client *client, struct fuzz_input *input) {
    fuzz_byte(input);
    send_content(client, fuzz_word(input));
}
