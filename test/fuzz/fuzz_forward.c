// SPDX-License-Identifier: Apache-2.0
// What passes the proxy, both ways. Input: a byte of choices; method, scheme, authority and path, a
// line each; fields as "name:value" lines until an empty line; then a response: its status and its
// fields. What goes on is written, and read again by a recipient without tolerance: it means what
// was asked or answered, has one framing, and nothing of one hop.
#include "fuzz.h"

#include "base/alloc.h"
#include "fuzz_h1.h"
#include "http/forward.h"
#include "http/h1_reader.h"
#include "http/h1_writer.h"
#include "http/url.h"

enum { MOST_ROWS = 64 };

static bool read_fields(struct fuzz_input *input, struct headers *headers) {
    while (input->length > 0) {
        struct slice line = fuzz_take_until(input, '\n');
        size_t colon = slice_find(line, ':');
        if (line.length == 0) {
            return true;
        }
        if (headers->count < MOST_ROWS) {
            headers_add(headers, slice_first(line, colon), slice_skip(line, colon + 1));
        }
    }
    return false;
}

static bool is_one_of(struct slice name, const char *const *names) {
    for (; *names != NULL; names++) {
        if (slice_equal(name, slice_of_text(*names))) {
            return true;
        }
    }
    return false;
}

static bool is_nominated(const struct headers *headers, struct slice name) {
    return headers_has_token(headers, HEADER_CONNECTION, name) &&
           !slice_equal(name, SLICE("close")) && !slice_equal(name, SLICE("keep-alive"));
}

static const char *const connection_names[] = {
    "connection", "keep-alive",     "proxy-connection",   "transfer-encoding",   "upgrade",
    "te",         "http2-settings", "proxy-authenticate", "proxy-authorization", NULL};

// --- requests ------------------------------------------------------------------------------------

static const char *const forwarding_names[] = {"via",
                                               "forwarded",
                                               "x-forwarded-for",
                                               "x-forwarded-host",
                                               "x-forwarded-port",
                                               "x-forwarded-proto",
                                               "cookie",
                                               "host",
                                               "content-length",
                                               "expect",
                                               "proxy-status",
                                               NULL};

// Is it to arrive as it came?
static bool is_end_to_end(const struct raw_request *raw, const struct header *row,
                          const struct client *client) {
    bool is_claim = slice_starts_with(row->name, SLICE("x-forwarded-")) ||
                    slice_equal(row->name, SLICE("x-real-ip"));
    return !is_one_of(row->name, connection_names) && !is_one_of(row->name, forwarding_names) &&
           !is_nominated(&raw->headers, row->name) &&
           slice_find(row->name, '_') == row->name.length &&
           !slice_starts_with(row->name, SLICE("proxy-")) &&
           !slice_equal(row->name, SLICE("proxy")) && (client->is_trusted_proxy || !is_claim);
}

static void check_fields(const struct raw_request *raw, const struct client *client,
                         const struct fuzz_h1_head *text) {
    size_t at = 0;
    for (uint32_t i = 0; i < raw->headers.count; i++) {
        const struct header *row = &raw->headers.rows[i];
        if (!is_end_to_end(raw, row, client)) {
            continue;
        }
        // In their order, others of ours between them.
        while (at < text->count && !(slice_equal(text->fields[at].name, row->name) &&
                                     slice_equal(text->fields[at].value, slice_trim(row->value)))) {
            at++;
        }
        fuzz_check(at < text->count);
        at++;
    }
    for (size_t i = 0; i < text->count; i++) {
        struct slice name = text->fields[i].name;
        bool is_framing = slice_equal(name, SLICE("transfer-encoding"));
        fuzz_check(is_framing || !is_one_of(name, connection_names));
        fuzz_check(is_one_of(name, forwarding_names) || !is_nominated(&raw->headers, name) ||
                   slice_equal(name, SLICE("transfer-encoding")));
        fuzz_check(slice_find(name, '_') == name.length);
        fuzz_check(!slice_equal(name, SLICE("proxy")) && !slice_equal(name, SLICE("expect")));
    }
}

// One Cookie field, with all crumbs in their order.
static void check_cookie(const struct raw_request *raw, const struct fuzz_h1_head *text) {
    struct slice joined = fuzz_h1_value(text, "cookie");
    fuzz_check(fuzz_h1_count(text, "cookie") <= 1);
    const struct header *row = headers_find(&raw->headers, HEADER_COOKIE);
    for (; row != NULL; row = headers_find_next(&raw->headers, HEADER_COOKIE, row)) {
        struct slice crumb = slice_trim(row->value);
        if (crumb.length == 0) {
            continue;
        }
        fuzz_check(slice_starts_with(joined, crumb));
        joined = slice_skip(joined, crumb.length);
        fuzz_check(joined.length == 0 || slice_starts_with(joined, SLICE("; ")));
        joined = slice_skip(joined, joined.length > 0 ? 2 : 0);
    }
    fuzz_check(joined.length == 0);
}

static void check_framing(const struct raw_request *raw, const struct fuzz_h1_head *text) {
    size_t lengths = fuzz_h1_count(text, "content-length");
    size_t codings = fuzz_h1_count(text, "transfer-encoding");
    fuzz_check(lengths + codings <= 1);
    if (codings == 1) {
        fuzz_check(slice_equal(fuzz_h1_value(text, "transfer-encoding"), SLICE("chunked")));
        fuzz_check(!raw->is_end && !headers_has(&raw->headers, HEADER_CONTENT_LENGTH));
        return;
    }
    uint64_t length = 0;
    uint64_t given = 0;
    fuzz_check(lengths == 0 ||
               fuzz_h1_read_number(fuzz_h1_value(text, "content-length"), 10, &length) ||
               fuzz_h1_value(text, "content-length").length > 15);
    struct slice value = slice_trim(headers_value(&raw->headers, HEADER_CONTENT_LENGTH));
    if (value.length > 0 && value.length <= 15) {
        fuzz_check(fuzz_h1_read_number(value, 10, &given) && given == length);
    }
    fuzz_check(raw->is_end ? length == 0 : lengths == 1);
}

static void check_forwarding(const struct raw_request *raw, const struct client *client,
                             struct slice authority, const struct fuzz_h1_head *text) {
    bool believes = client->is_trusted_proxy;
    fuzz_check(fuzz_h1_count(text, "x-forwarded-for") == 1);
    fuzz_check(fuzz_h1_count(text, "forwarded") == 1);
    struct slice address = fuzz_h1_value(text, "x-forwarded-for");
    bool has_earlier = believes && headers_has(&raw->headers, HEADER_X_FORWARDED_FOR);
    fuzz_check(has_earlier || slice_equal(address, client->address));
    fuzz_check(
        address.length >= client->address.length &&
        slice_equal(slice_skip(address, address.length - client->address.length), client->address));
    if (!believes) {
        fuzz_check(fuzz_h1_count(text, "x-forwarded-host") == 1);
        fuzz_check(slice_equal(fuzz_h1_value(text, "x-forwarded-host"), authority));
        fuzz_check(slice_equal(fuzz_h1_value(text, "x-forwarded-proto"),
                               client->is_tls ? SLICE("https") : SLICE("http")));
        fuzz_check(fuzz_h1_count(text, "x-real-ip") == 0);
    }
}

static size_t count_events;
static bool has_reader_head;
static struct h1_head reader_head;

static struct arena *on_begin(void *user) {
    return user;
}

static void on_head(void *user, const struct h1_head *head) {
    (void)user;
    has_reader_head = true;
    reader_head = *head;
}

static void on_body(void *user, struct slice bytes) {
    (void)user;
    count_events += bytes.length;
}

static void on_end(void *user, const struct headers *trailers) {
    (void)user;
    (void)trailers;
}

static const struct h1_reader_events events = {.on_begin = on_begin,
                                               .on_interim = on_head,
                                               .on_head = on_head,
                                               .on_body = on_body,
                                               .on_end = on_end};

// Our own reader takes what our own writer writes; methods that llhttp does not know apart.
static bool read_back(enum h1_reader_kind kind, bool is_head_request, struct slice text,
                      struct arena *arena) {
    const struct h1_reader_limits limits = {1 << 20, 1 << 20, 1000,    1 << 20, 1000,
                                            1 << 20, 10,      1 << 20, 100};
    struct h1_reader *reader = h1_reader_create(kind, &limits, &events, arena);
    enum fault fault;
    has_reader_head = false;
    if (kind == H1_READER_RESPONSE) {
        h1_reader_expect(reader, is_head_request);
    }
    size_t used = h1_reader_feed(reader, text, &fault);
    h1_reader_destroy(reader);
    if (fault == FAULT_NOT_IMPLEMENTED && kind == H1_READER_REQUEST) {
        return false;
    }
    fuzz_check(used == text.length && fault == FAULT_NONE && has_reader_head);
    return true;
}

static void check_request(const struct raw_request *raw, const struct client *client,
                          struct slice host_header, struct arena *arena) {
    struct request_head checked;
    struct request_head request;
    if (forward_check_request(raw, arena, &checked) != FAULT_NONE) {
        return;
    }
    struct slice again;
    fuzz_check(url_normalize_authority(checked.scheme, checked.authority, arena, &again) &&
               slice_equal(again, checked.authority));
    fuzz_check(!slice_equal(checked.method, SLICE("CONNECT")));
    struct forward_options options = {client, host_header};
    forward_request(&checked, &options, arena, &request);
    struct buffer out = {0};
    struct fuzz_h1_head *text = alloc_new(struct fuzz_h1_head);
    h1_writer_request(&out, &request);
    fuzz_check(fuzz_h1_read_head(buffer_peek(&out), text) == FUZZ_H1_GOOD);
    fuzz_check(text->length == buffer_length(&out));
    fuzz_check(slice_equal(text->first, raw->method));
    fuzz_check(slice_equal(text->second, SLICE("*")) ||
               (url_check_path(raw->path, arena, &again) && slice_equal(text->second, again)));
    fuzz_check(slice_equal(text->third, SLICE("HTTP/1.1")));
    fuzz_check(fuzz_h1_count(text, "host") == 1);
    fuzz_check(slice_equal(fuzz_h1_value(text, "host"),
                           host_header.length > 0 ? host_header : checked.authority));
    check_fields(raw, client, text);
    check_cookie(raw, text);
    check_framing(raw, text);
    check_forwarding(raw, client, checked.authority, text);
    bool is_read = read_back(H1_READER_REQUEST, false, buffer_peek(&out), arena);
    fuzz_check(!is_read ||
               reader_head.is_chunked == (fuzz_h1_count(text, "transfer-encoding") == 1));
    buffer_finish(&out);
    free(text);
}

// --- responses -----------------------------------------------------------------------------------

static void check_response_fields(const struct headers *from, const struct headers *to) {
    for (uint32_t i = 0; i < to->count; i++) {
        const struct header *row = &to->rows[i];
        bool is_ours = row->id == HEADER_DATE || row->id == HEADER_VIA;
        fuzz_check(!is_one_of(row->name, connection_names));
        fuzz_check(is_ours || !is_nominated(from, row->name));
        fuzz_check(headers_is_name(row->name) && headers_is_value(row->value));
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        const struct header *row = &from->rows[i];
        if (is_one_of(row->name, connection_names) || is_nominated(from, row->name) ||
            row->id == HEADER_CONTENT_LENGTH) {
            continue;
        }
        while (at < to->count && !(slice_equal(to->rows[at].name, row->name) &&
                                   slice_equal(to->rows[at].value, row->value))) {
            at++;
        }
        fuzz_check(at < to->count);
        at++;
    }
}

static void check_written_response(const struct response_head *head, bool is_head_request,
                                   enum protocol protocol, struct arena *arena) {
    bool has_body = !head->is_end || head->content_length > 0;
    enum h1_framing framing = !has_body && (is_head_request || head->status == 204 ||
                                            head->status == 304 || head->status < 200)
                                  ? H1_FRAMING_NONE
                              : head->content_length != BODY_UNKNOWN ? H1_FRAMING_LENGTH
                              : protocol == PROTOCOL_HTTP_1_0        ? H1_FRAMING_CLOSE
                                                                     : H1_FRAMING_CHUNKED;
    struct buffer out = {0};
    struct fuzz_h1_head *text = alloc_new(struct fuzz_h1_head);
    h1_writer_response(&out, head, framing, protocol, framing != H1_FRAMING_CLOSE);
    fuzz_check(fuzz_h1_read_head(buffer_peek(&out), text) == FUZZ_H1_GOOD);
    fuzz_check(text->length == buffer_length(&out));
    size_t lengths = fuzz_h1_count(text, "content-length");
    size_t codings = fuzz_h1_count(text, "transfer-encoding");
    fuzz_check(lengths + codings <= 1 && !fuzz_h1_has_hop_by_hop(text));
    fuzz_check((codings == 1) == (framing == H1_FRAMING_CHUNKED));
    fuzz_check(framing != H1_FRAMING_LENGTH || lengths == 1);
    read_back(H1_READER_RESPONSE, is_head_request, buffer_peek(&out), arena);
    if (head->status >= 200) {
        bool is_until_close = framing == H1_FRAMING_CLOSE;
        fuzz_check(!is_until_close || !reader_head.is_keep_alive);
        fuzz_check(framing == H1_FRAMING_NONE ||
                   reader_head.content_length == head->content_length);
    }
    buffer_finish(&out);
    free(text);
}

// As the reader would give it.
static void check_response(unsigned choices, struct slice status, const struct headers *given,
                           struct arena *arena) {
    bool is_head_request = (choices & 1) != 0;
    uint64_t number = 200;
    fuzz_h1_read_number(status, 10, &number);
    struct h1_head read = {.status = (int)(100 + number % 500), .major = 1, .minor = 1};
    headers_init(&read.headers, arena);
    for (uint32_t i = 0; i < given->count; i++) {
        struct slice value = slice_trim(given->rows[i].value);
        if (headers_is_name(given->rows[i].name) && headers_is_value(value)) {
            headers_add(&read.headers, given->rows[i].name, value);
        }
    }
    if (h1_head_frame_response(&read, is_head_request) != FAULT_NONE) {
        return;
    }
    struct response_head response = {.status = read.status,
                                     .headers = read.headers,
                                     .content_length = read.content_length,
                                     .is_end = read.is_end};
    struct response_head out = {0};
    if (read.status < 200) {
        forward_interim(&response, arena, &out);
    } else {
        fuzz_check(forward_response(&response, SLICE("Sun, 06 Nov 1994 08:49:37 GMT"), arena,
                                    &out) == FAULT_NONE);
        fuzz_check(headers_has(&out.headers, HEADER_DATE));
    }
    fuzz_check(out.status == read.status && out.content_length == read.content_length);
    check_response_fields(&read.headers, &out.headers);
    check_written_response(&out, is_head_request,
                           (choices & 2) ? PROTOCOL_HTTP_1_0 : PROTOCOL_HTTP_1_1, arena);
    struct headers trailers;
    forward_trailers(&read.headers, arena, &trailers);
    for (uint32_t i = 0; i < trailers.count; i++) {
        fuzz_check(!is_one_of(trailers.rows[i].name, connection_names));
        fuzz_check(!is_one_of(trailers.rows[i].name, forwarding_names));
        fuzz_check(trailers.rows[i].id != HEADER_SET_COOKIE &&
                   trailers.rows[i].id != HEADER_AUTHORIZATION);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input_of(data, size);
    struct arena *arena = arena_create();
    unsigned choices = fuzz_byte(&input);
    static const enum protocol protocols[] = {PROTOCOL_HTTP_2, PROTOCOL_HTTP_1_1, PROTOCOL_HTTP_2,
                                              PROTOCOL_HTTP_1_0};
    struct client client = {
        .address = (choices & 4) ? SLICE("2001:db8::7") : SLICE("192.0.2.7"),
        .local_port = 8443,
        .protocol = protocols[choices >> 3 & 3],
        .is_tls = (choices & 32) != 0,
        .is_trusted_proxy = (choices & 64) != 0,
    };
    struct raw_request raw = {.is_end = (choices & 128) == 0, .protocol = client.protocol};
    raw.method = fuzz_take_until(&input, '\n');
    raw.scheme = fuzz_take_until(&input, '\n');
    raw.authority = fuzz_take_until(&input, '\n');
    raw.path = fuzz_take_until(&input, '\n');
    headers_init(&raw.headers, arena);
    struct headers response;
    headers_init(&response, arena);
    bool has_response = read_fields(&input, &raw.headers);
    check_request(&raw, &client, (choices & 1) ? SLICE("inner.example:81") : SLICE_EMPTY, arena);
    if (has_response) {
        struct slice status = fuzz_take_until(&input, '\n');
        read_fields(&input, &response);
        check_response(choices, status, &response, arena);
    }
    arena_destroy(arena);
    return 0;
}
