// SPDX-License-Identifier: Apache-2.0
// What reaches the admin listener, and what requests say of themselves. Input: a byte for the part:
//   0 to 2  an HTTP/1 client's bytes (bits: from where, which place), before the real session and
//           handler; commands are done only for whoever may give them, and what is shown is well
//           formed
//   3       a query's parameter, Accept, traceparent and request id, one on a line
#include "fuzz.h"

#include "admin/admin.h"
#include "admin_request.h"
#include "base/alloc.h"
#include "fake_conn.h"
#include "front/front.h"
#include "fuzz_json.h"
#include "fuzz_loop.h"
#include "http/h1_reader.h"
#include "http/trace.h"
#include "push/push_ledger.h"

struct scene {
    struct loop loop;
    struct front front;
    struct admin admin;
    struct conn *conn;
    struct admin_worker worker;
    bool is_near; // the client is on this machine
    bool answers_late;
    uint64_t waiting[64];
    unsigned waiting_count;
    // The response that comes.
    struct arena *arena;
    struct buffer content;
    bool is_json;
    bool is_over;
};

// --- the source ----------------------------------------------------------------------------------

static void look(void *user, struct admin_status *out_status) {
    struct scene *s = user;
    static const struct admin_certificate certificate = {"https://127.0.0.1:8443", "a\"b\n", 5};
    *out_status = (struct admin_status){.started_s = 1,
                                        .is_live = !s->answers_late,
                                        .is_ready = s->is_near,
                                        .reason = "draining",
                                        .workers = &s->worker,
                                        .worker_count = 1,
                                        .reload_error = "\"a\tb\"",
                                        .certificates = &certificate,
                                        .certificate_count = 1};
}

static void print_config(void *user, struct buffer *out) {
    (void)user;
    buffer_append_slice(out, SLICE("workers: 1\n"));
}

static void answer(struct scene *s, uint64_t id) {
    struct buffer report = {0};
    struct push_ledger *ledger = push_ledger_create(7);
    push_ledger_row(ledger, SLICE("a.example"), SLICE("/\"\xff"))->visits++;
    push_ledger_copy(ledger, &report);
    push_ledger_destroy(ledger);
    const struct admin_reply reply = {
        .is_good = true, .text = SLICE("done"), .reports = &report, .report_count = 1};
    admin_reply(&s->admin, id, &reply);
    buffer_finish(&report);
}

static void ask(void *user, uint64_t id, enum admin_question question, struct slice argument) {
    struct scene *s = user;
    bool changes = question != ADMIN_ASK_PAGES && question != ADMIN_ASK_HINTS;
    fuzz_check(!changes || s->is_near); // nobody else may
    fuzz_check(question != ADMIN_DO_FORGET || argument.length == 0 ||
               slice_find(argument, '/') > 0);
    if (question == ADMIN_ASK_HINTS) { // its report is JSON as it stands
        struct buffer report = {0};
        buffer_append_slice(&report, SLICE("{\"pages\":[]}"));
        const struct admin_reply reply = {.reports = &report, .report_count = 1};
        admin_reply(&s->admin, id, &reply);
        buffer_finish(&report);
    } else if (s->answers_late && s->waiting_count < 64) {
        s->waiting[s->waiting_count++] = id;
    } else {
        answer(s, id);
    }
}

// --- the client ----------------------------------------------------------------------------------

static struct arena *on_begin(void *user) {
    struct scene *s = user;
    s->arena = arena_create();
    return s->arena;
}

static void on_head(void *user, const struct h1_head *head) {
    struct scene *s = user;
    s->is_json = slice_equal(headers_value(&head->headers, HEADER_CONTENT_TYPE),
                             SLICE("application/json")) &&
                 !head->is_end;
}

static void on_body(void *user, struct slice bytes) {
    buffer_append_slice(&((struct scene *)user)->content, bytes);
}

static void on_end(void *user, const struct headers *trailers) {
    struct scene *s = user;
    (void)trailers;
    s->is_over = true;
    fuzz_check(!s->is_json || fuzz_json_is_valid(buffer_peek(&s->content)));
    fuzz_check(fuzz_json_is_utf8(buffer_peek(&s->content)));
}

static const struct h1_reader_events events = {.on_begin = on_begin,
                                               .on_interim = on_head,
                                               .on_head = on_head,
                                               .on_body = on_body,
                                               .on_end = on_end};

// Only the first: what is a HEAD is not known here.
static void hear(struct scene *s, bool is_head_request) {
    const struct h1_reader_limits limits = {1 << 20, 1 << 20, 100,     1 << 20, 100,
                                            1 << 20, 10,      1 << 20, 100};
    struct h1_reader *reader = h1_reader_create(H1_READER_RESPONSE, &limits, &events, s);
    enum fault fault;
    h1_reader_expect(reader, is_head_request);
    h1_reader_feed(reader, buffer_peek(fake_conn_taken(s->conn)), &fault);
    fuzz_check(fault == FAULT_NONE);
    h1_reader_destroy(reader);
    arena_destroy(s->arena);
    buffer_finish(&s->content);
}

static bool is_trusted(const void *user, const uint8_t address[16]) {
    (void)user;
    (void)address;
    return false;
}

static void run_session(unsigned choices, struct slice text) {
    struct scene s = {.is_near = (choices & 4) != 0, .answers_late = (choices & 8) != 0};
    const struct front_limits limits = {.head_bytes = 8192,
                                        .head_fields = 50,
                                        .field_bytes = 4096,
                                        .cookie_crumbs = 10,
                                        .cookie_bytes = 4096,
                                        .uri_bytes = 2048,
                                        .streams = 10,
                                        .connections = 2,
                                        .handshake_ms = 10000,
                                        .head_ms = 10000,
                                        .body_ms = 10000,
                                        .idle_ms = 10000,
                                        .write_ms = 10000};
    const struct admin_source source = {&s, look, print_config, ask};
    loop_init(&s.loop);
    front_init(&s.front, &s.loop, &limits);
    admin_init(&s.admin, &source);
    s.worker.metrics = &s.loop.metrics;
    s.front.handler = (choices & 16) != 0 ? s.admin.probes : s.admin.handler;
    s.front.is_trusted = is_trusted;
    s.conn = fake_conn_create(&s.loop);
    fake_conn_set_peer(s.conn, s.is_near ? "127.0.0.1" : "192.0.2.7", 50000, 9901);
    front_accept(&s.front, s.conn);
    fuzz_loop_turn(&s.loop);
    fake_conn_set_piece(s.conn, (choices & 32) != 0 ? 7 : 0);
    fake_conn_feed(s.conn, text);
    for (unsigned i = 0; i < 4; i++) {
        fuzz_loop_turn(&s.loop);
        for (unsigned w = 0; w < s.waiting_count; w++) {
            answer(&s, s.waiting[w]);
        }
        s.waiting_count = 0;
    }
    bool is_http2 = slice_starts_with(text, SLICE("PRI * HTTP/2.0"));
    if (!is_http2) {
        hear(&s, slice_starts_with(text, SLICE("HEAD ")) ||
                     slice_starts_with(text, SLICE("\r\nHEAD ")));
    }
    fake_conn_destroy(s.conn);
    fuzz_loop_turn(&s.loop);
    fuzz_check(list_is_empty(&s.admin.waiting) && s.front.session_count == 0);
    front_finish(&s.front);
    loop_finish(&s.loop);
}

// --- pure ----------------------------------------------------------------------------------------

static void check_parameter(struct slice query, struct arena *arena) {
    struct slice value;
    enum admin_parameter found = admin_request_parameter(query, SLICE("page"), arena, &value);
    fuzz_check((found == ADMIN_PARAMETER_ABSENT) == (query.length == 0));
    if (found != ADMIN_PARAMETER_GIVEN) {
        return;
    }
    // Encoded anew in the plainest way it is found again.
    struct buffer text = {0};
    buffer_append_slice(&text, SLICE("page="));
    for (size_t i = 0; i < value.length; i++) {
        char code[4];
        snprintf(code, sizeof(code), "%%%02x", (unsigned)(unsigned char)value.data[i]);
        buffer_append(&text, code, 3);
    }
    struct slice again;
    fuzz_check(admin_request_parameter(buffer_peek(&text), SLICE("page"), arena, &again) ==
               ADMIN_PARAMETER_GIVEN);
    fuzz_check(slice_equal(value, again) && slice_starts_with(query, SLICE("page=")));
    buffer_finish(&text);
}

static void check_names(struct fuzz_input *input, struct arena *arena) {
    struct trace_random random = {{1, 2}, 0};
    struct headers headers;
    headers_init(&headers, arena);
    check_parameter(fuzz_take_until(input, '\n'), arena);
    headers_add(&headers, SLICE("accept"), fuzz_take_until(input, '\n'));
    fuzz_check(admin_request_format(&headers) <= ADMIN_METRICS_OPEN);
    struct slice parent = fuzz_take_until(input, '\n');
    struct slice name = SLICE("x-request-id");
    headers_add(&headers, SLICE("traceparent"), parent);
    headers_add(&headers, SLICE("tracestate"), SLICE("a=b"));
    struct slice given = SLICE_EMPTY;
    unsigned count = 0;
    while (input->length > 0 && count < 4) {
        given = fuzz_take_until(input, '\n');
        headers_add(&headers, name, given);
        count++;
    }
    struct slice trace_id = trace_clean(&headers);
    struct slice parsed;
    fuzz_check((trace_id.length == 32) == trace_parse_parent(parent, &parsed));
    fuzz_check(headers_has(&headers, HEADER_TRACEPARENT) == (trace_id.length > 0));
    fuzz_check(headers_has(&headers, HEADER_TRACESTATE) == (trace_id.length > 0));
    struct header id = trace_set_request_id(&headers, name, &random);
    fuzz_check(trace_is_request_id(id.value) && headers_is_value(id.value));
    fuzz_check(!(count == 1 && trace_is_request_id(given)) || slice_equal(id.value, given));
    struct header again = trace_set_request_id(&headers, name, &random);
    fuzz_check(slice_equal(id.value, again.value)); // it stays
    unsigned found = 0;
    for (uint32_t i = 0; i < headers.count; i++) {
        found += slice_equal(headers.rows[i].name, name);
    }
    fuzz_check(found == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input_of(data, size);
    unsigned choices = fuzz_byte(&input);
    if ((choices & 3) != 3) {
        run_session(choices, fuzz_rest(&input));
        return 0;
    }
    struct arena *arena = arena_create();
    check_names(&input, arena);
    arena_destroy(arena);
    return 0;
}
