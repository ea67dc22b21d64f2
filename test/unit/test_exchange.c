// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ensure.h"
#include "fake_front.h"
#include "fake_handler.h"

struct fixture {
    struct fake_handler handler;
    struct fake_front front;
    struct exchange *x;
    struct fake_stream *stream;
    size_t answer; // of the calls that ask something
};

// An exchange that has not started, of a request whose content is still to come.
static void fixture_open(struct fixture *f) {
    *f = (struct fixture){.answer = 0};
    fake_handler_init(&f->handler);
    f->handler.answer = FAKE_ANSWER_NEVER;
    f->handler.holds_content = true;
    fake_front_init(&f->front, f->handler.handler);
    f->x = fake_front_open(&f->front, "a.example", "/page");
    f->x->request.method = SLICE("POST");
    f->x->request.content_length = BODY_UNKNOWN;
    f->x->request.is_end = false;
    f->stream = fake_front_stream(f->x);
}

static void fixture_close(struct fixture *f) {
    fake_front_finish(&f->front);
    fake_handler_finish(&f->handler);
}

static void start(struct fixture *f) {
    exchange_start(f->x, f->handler.handler);
}

static struct response_head head_of(struct exchange *x, int status) {
    struct response_head head = {.status = status, .content_length = BODY_UNKNOWN};
    headers_init(&head.headers, x->arena);
    return head;
}

static void send_interim(struct exchange *x, int status) {
    struct response_head head = head_of(x, status);
    exchange_send_interim(x, &head);
}

static void send_head(struct exchange *x, int status) {
    struct response_head head = head_of(x, status);
    exchange_send_head(x, &head);
}

static struct exchange *send_promise(struct exchange *x, const char *path) {
    struct request_head request = {.method = SLICE("GET"),
                                   .scheme = SLICE("https"),
                                   .authority = SLICE("a.example"),
                                   .path = slice_of_text(path),
                                   .is_end = true};
    headers_init(&request.headers, x->arena);
    return exchange_promise(x, &request, (struct priority){2, true});
}

// --- the grid: every call in every state ---------------------------------------------------------

enum column {
    NEW,
    WAITING,
    ENDED,
    BODY,
    FINISHED,
    REFUSED,
    PAGE,
    RESET,
    CUT,
    CLOSED,
    COLUMN_COUNT
};

static const char *const column_names[COLUMN_COUNT] = {
    "new", "waiting", "ended", "body", "finished", "refused", "page", "reset", "cut", "closed"};

static void bring_to(struct fixture *f, enum column column) {
    switch (column) {
    case NEW:
        return;
    case REFUSED:
        exchange_refuse(f->x, FAULT_BAD_REQUEST);
        return;
    case WAITING:
        start(f);
        return;
    case ENDED:
        start(f);
        exchange_request_end(f->x, NULL);
        return;
    case BODY:
        start(f);
        send_head(f->x, 200);
        return;
    case FINISHED:
        bring_to(f, BODY);
        exchange_finish(f->x, NULL);
        return;
    case PAGE:
        start(f);
        exchange_fail(f->x, FAULT_ORIGIN_REFUSED);
        return;
    case RESET:
        bring_to(f, BODY);
        exchange_fail(f->x, FAULT_ORIGIN_CUT);
        return;
    case CUT:
        start(f);
        exchange_cut(f->x, FAULT_CLIENT_TIMEOUT);
        return;
    case CLOSED:
        start(f);
        exchange_close(f->x, FAULT_CLIENT_GONE);
        return;
    case COLUMN_COUNT:
        break;
    }
    unreachable();
}

static void act_start(struct fixture *f) {
    start(f);
}
static void act_refuse(struct fixture *f) {
    exchange_refuse(f->x, FAULT_BAD_REQUEST);
}
static void act_request_body(struct fixture *f) {
    exchange_request_body(f->x, SLICE("abc"));
}
static void act_request_end(struct fixture *f) {
    exchange_request_end(f->x, NULL);
}
static void act_drained(struct fixture *f) {
    exchange_drained(f->x);
}
static void act_close(struct fixture *f) {
    exchange_close(f->x, FAULT_NONE);
}
static void act_destroy(struct fixture *f) {
    exchange_destroy(f->x);
}
static void act_interim(struct fixture *f) {
    send_interim(f->x, 103);
}
static void act_promise(struct fixture *f) {
    send_promise(f->x, "/a.css");
}
static void act_head(struct fixture *f) {
    send_head(f->x, 200);
}
static void act_body(struct fixture *f) {
    exchange_send_body(f->x, SLICE("abc"));
}
static void act_finish(struct fixture *f) {
    exchange_finish(f->x, NULL);
}
static void act_fail(struct fixture *f) {
    exchange_fail(f->x, FAULT_ORIGIN_TIMEOUT);
}
static void act_cut(struct fixture *f) {
    exchange_cut(f->x, FAULT_CLIENT_TIMEOUT);
}
static void act_consumed(struct fixture *f) {
    exchange_request_consumed(f->x, 3);
}
static void act_room(struct fixture *f) {
    f->answer = exchange_room(f->x);
}
static void act_promise_room(struct fixture *f) {
    f->answer = exchange_promise_room(f->x);
}

// Columns as in enum column. h: the handler is told; f: the front; b: both; -: nobody, it is
// ignored; n: asked, the answer is not 0; !: a bug, the program stops; space: says nothing.
static const struct {
    const char *cells;
    void (*act)(struct fixture *f);
    const char *name;
} grid[] = {
    {"h!!!!!!!!!", act_start, "start"},
    {"f!!!!!!!!!", act_refuse, "refuse"},
    {"!h!hfffff!", act_request_body, "request_body"},
    {"!h!h-----!", act_request_end, "request_end"},
    {"---h------", act_drained, "drained"},
    {"-hhhh-hh-!", act_close, "close"},
    {"-!!!!-!!--", act_destroy, "destroy"},
    {" ff!!!!!!!", act_interim, "interim"},
    {" bbb!!!!!!", act_promise, "promise"},
    {" ff!!!!!!!", act_head, "head"},
    {" !!f!!!!!!", act_body, "body"},
    {" !!f!!!!!!", act_finish, "finish"},
    {" fff------", act_fail, "fail"},
    {"!bbb------", act_cut, "cut"},
    {" ffffffff-", act_consumed, "consumed"},
    {" nnnnnnnn-", act_room, "room"},
    {" nnn------", act_promise_room, "promise_room"},
};

enum { EXIT_TOLD_HANDLER = 1, EXIT_TOLD_FRONT = 2, EXIT_ANSWERED = 4 };

// In the child: no core, no words, no handlers of cmocka or the sanitizer.
static void be_quiet(void) {
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        signal(signals[i], SIG_DFL);
    }
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
}

static int act_in_child(enum column column, void (*act)(struct fixture *f)) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        be_quiet();
        struct fixture f;
        fixture_open(&f);
        bring_to(&f, column);
        fake_front_record(&f.front);
        fake_handler_record(&f.handler);
        act(&f);
        bool has_told_handler =
            fake_handler_record(&f.handler)[0] != '\0' || buffer_length(&f.handler.content) > 0;
        bool has_told_front = fake_front_record(&f.front)[0] != '\0';
        _exit((has_told_handler ? EXIT_TOLD_HANDLER : 0) + (has_told_front ? EXIT_TOLD_FRONT : 0) +
              (f.answer != 0 ? EXIT_ANSWERED : 0));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static char as_cell(int status) {
    if (WIFSIGNALED(status)) {
        return WTERMSIG(status) == SIGABRT ? '!' : '?';
    }
    static const char cells[8] = "-hfbn???";
    return WEXITSTATUS(status) < 8 ? cells[WEXITSTATUS(status)] : '?';
}

static void test_grid(void **state) {
    (void)state;
    unsigned wrong = 0;
    for (size_t row = 0; row < sizeof(grid) / sizeof(grid[0]); row++) {
        assert_int_equal(strlen(grid[row].cells), COLUMN_COUNT);
        for (enum column column = 0; column < COLUMN_COUNT; column++) {
            char expected = grid[row].cells[column];
            char found = expected != ' ' ? as_cell(act_in_child(column, grid[row].act)) : ' ';
            if (found != expected) {
                print_error("%s in state %s: expected '%c', found '%c'\n", grid[row].name,
                            column_names[column], expected, found);
                wrong++;
            }
        }
    }
    assert_int_equal(wrong, 0);
}

static void bug_interim_101(struct fixture *f) {
    send_interim(f->x, 101);
}
static void bug_interim_200(struct fixture *f) {
    send_interim(f->x, 200);
}
static void bug_interim_99(struct fixture *f) {
    send_interim(f->x, 99);
}
static void bug_head_199(struct fixture *f) {
    send_head(f->x, 199);
}
static void bug_head_600(struct fixture *f) {
    send_head(f->x, 600);
}
static void bug_fail_none(struct fixture *f) {
    exchange_fail(f->x, FAULT_NONE);
}
static void bug_nested_promise(struct fixture *f) {
    send_promise(send_promise(f->x, "/a.css"), "/b.css");
}
static void bug_body_after_end(struct fixture *f) {
    exchange_request_end(f->x, NULL);
    exchange_request_body(f->x, SLICE("x"));
}

static void test_wrong_arguments_stop_the_program(void **state) {
    (void)state;
    void (*const bugs[])(struct fixture * f) = {
        bug_interim_101, bug_interim_200, bug_interim_99,     bug_head_199,
        bug_head_600,    bug_fail_none,   bug_nested_promise, bug_body_after_end};
    for (size_t i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++) {
        char found = as_cell(act_in_child(WAITING, bugs[i]));
        if (found != '!') {
            fail_msg("bug %zu: '%c'", i, found);
        }
    }
}

// --- the good road -------------------------------------------------------------------------------

static void test_whole_conversation(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    f.front.clock.now_ms = 5000;
    start(&f);
    exchange_request_body(f.x, SLICE("abc"));
    exchange_request_consumed(f.x, 1);
    exchange_request_consumed(f.x, 0); // nothing to say
    exchange_request_body(f.x, SLICE("defg"));
    struct headers trailers;
    headers_init(&trailers, f.x->arena);
    headers_add(&trailers, SLICE("sum"), SLICE("7"));
    exchange_request_end(f.x, &trailers);
    send_interim(f.x, 102);
    send_interim(f.x, 103);
    f.front.clock.now_ms = 5040;
    send_head(f.x, 206);
    exchange_send_body(f.x, SLICE("hello"));
    exchange_drained(f.x);
    exchange_send_body(f.x, SLICE(" you"));
    exchange_finish(f.x, &trailers);
    assert_string_equal(fake_handler_record(&f.handler),
                        "start POST https a.example/page\nend sum=7\ndrained\n");
    assert_string_equal(fake_front_record(&f.front),
                        "1 consumed 1\n1 interim 102\n1 interim 103\n1 head 206\n1 body 5\n"
                        "1 body 4\n1 finish sum=7\n");
    assert_string_equal(fake_front_body(f.stream), "hello you");
    assert_memory_equal(buffer_peek(&f.handler.content).data, "abcdefg", 7);
    assert_int_equal(f.x->status, 206);
    assert_int_equal(f.x->started_ms, 5000);
    assert_int_equal(f.x->head_ms, 5040);
    assert_int_equal(f.x->request_bytes, 7);
    assert_int_equal(f.x->response_bytes, 9);
    fake_front_close(f.stream, FAULT_NONE);
    assert_string_equal(fake_handler_record(&f.handler), "closed none\n");
    fixture_close(&f);
}

static void test_request_without_content_is_complete(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    f.x->request.is_end = true;
    start(&f);
    assert_int_equal(f.x->request_state, EXCHANGE_REQUEST_ENDED);
    assert_string_equal(fake_handler_record(&f.handler), "start POST https a.example/page\n");
    fixture_close(&f);
}

static void test_room_is_the_fronts(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    start(&f);
    f.front.room = 12;
    assert_int_equal(exchange_room(f.x), 12);
    send_head(f.x, 200);
    f.front.room = 0;
    assert_int_equal(exchange_room(f.x), 0);
    f.front.room = 99;
    exchange_drained(f.x);
    exchange_close(f.x, FAULT_CLIENT_GONE);
    assert_int_equal(exchange_room(f.x), 0);
    assert_string_equal(fake_handler_record(&f.handler),
                        "start POST https a.example/page\ndrained\nclosed client_gone\n");
    f.stream->x = NULL;
    exchange_destroy(f.x);
    fixture_close(&f);
}

static void test_response_may_end_before_the_request(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    start(&f);
    exchange_request_body(f.x, SLICE("abc"));
    send_head(f.x, 413);
    exchange_finish(f.x, NULL);
    fake_handler_record(&f.handler);
    fake_front_record(&f.front);
    exchange_request_body(f.x, SLICE("defgh")); // the handler is not asked any more
    exchange_request_end(f.x, NULL);
    assert_string_equal(fake_front_record(&f.front), "1 consumed 5\n");
    assert_string_equal(fake_handler_record(&f.handler), "");
    assert_int_equal(f.x->request_bytes, 8);
    fixture_close(&f);
}

// --- faults --------------------------------------------------------------------------------------

static bool has_page(enum fault fault) {
    return fault_status(fault) >= 400 && fault_status(fault) != 499;
}

static void check_page(struct fixture *f, enum fault fault, bool is_head_request) {
    struct fake_stream *stream = f->stream;
    char body[256];
    char length[24];
    char proxy_status[128];
    snprintf(body, sizeof(body), "%d: %s\n", fault_status(fault), fault_text(fault));
    snprintf(length, sizeof(length), "%zu", strlen(body));
    snprintf(proxy_status, sizeof(proxy_status), "outrider; error=%s", fault_proxy_status(fault));
    assert_int_equal(stream->head.status, fault_status(fault));
    assert_int_equal(stream->head.content_length, strlen(body));
    assert_int_equal(stream->head.is_end, is_head_request);
    const struct headers *headers = &stream->head.headers;
    assert_string_equal(fake_front_field(stream, headers, "content-length"), length);
    assert_string_equal(fake_front_field(stream, headers, "content-type"),
                        "text/plain; charset=utf-8");
    assert_string_equal(fake_front_field(stream, headers, "cache-control"), "no-store");
    assert_string_equal(fake_front_field(stream, headers, "date"), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_string_equal(fake_front_field(stream, headers, "proxy-status"), proxy_status);
    assert_string_equal(fake_front_field(stream, headers, "retry-after"),
                        fault_status(fault) == 503 ? "1" : "");
    assert_string_equal(fake_front_body(stream), is_head_request ? "" : body);
    assert_true(stream->is_finished);
    assert_int_equal(f->x->response_bytes, is_head_request ? 0 : strlen(body));
    assert_int_equal(f->x->status, fault_status(fault));
    assert_int_equal(f->x->head_ms, 1000);
}

static void test_fault_before_the_head(void **state) {
    (void)state;
    for (enum fault fault = FAULT_NONE + 1; fault < FAULT_COUNT; fault++) {
        for (int is_head = 0; is_head <= 1; is_head++) {
            struct fixture f;
            fixture_open(&f);
            f.x->request.method = is_head ? SLICE("HEAD") : SLICE("POST");
            start(&f);
            exchange_fail(f.x, fault);
            exchange_fail(f.x, FAULT_BAD_REQUEST); // too late
            if (has_page(fault)) {
                check_page(&f, fault, is_head);
            } else {
                assert_int_equal(f.stream->head.status, 0);
                assert_int_equal(f.stream->reset, fault);
            }
            assert_int_equal(f.x->fault, fault);
            fake_handler_record(&f.handler);
            fake_front_close(f.stream, FAULT_NONE);
            assert_int_equal(f.stream->fault, fault);
            fixture_close(&f);
        }
    }
}

static const struct {
    enum fault fault;
    int status;
    const char *proxy_status;
    const char *page;
} pages[] = {
    {FAULT_NO_ROUTE, 404, "outrider; error=destination_not_found",
     "404: no route serves this address\n"},
    {FAULT_ORIGIN_BUSY, 503, "outrider; error=connection_limit_reached",
     "503: the origin's connections and its waiting line are full\n"},
    {FAULT_ORIGIN_TIMEOUT, 504, "outrider; error=http_response_timeout",
     "504: the origin was silent too long\n"},
    {FAULT_ORIGIN_CUT, 502, "outrider; error=http_response_incomplete",
     "502: the origin's response was cut short\n"},
    {FAULT_CLIENT_GONE, 0, "", ""},
    {FAULT_PUSH_UNWANTED, 0, "", ""},
};

static void test_pages_word_for_word(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        struct fixture f;
        fixture_open(&f);
        start(&f);
        exchange_fail(f.x, pages[i].fault);
        assert_int_equal(f.stream->head.status, pages[i].status);
        assert_string_equal(fake_front_field(f.stream, &f.stream->head.headers, "proxy-status"),
                            pages[i].proxy_status);
        assert_string_equal(fake_front_body(f.stream), pages[i].page);
        fixture_close(&f);
    }
}

static void test_fault_after_the_head(void **state) {
    (void)state;
    for (enum fault fault = FAULT_NONE + 1; fault < FAULT_COUNT; fault++) {
        struct fixture f;
        fixture_open(&f);
        start(&f);
        send_head(f.x, 200);
        exchange_send_body(f.x, SLICE("half"));
        fake_front_record(&f.front);
        exchange_fail(f.x, fault);
        char expected[64];
        snprintf(expected, sizeof(expected), "1 fail %s\n", fault_name(fault));
        assert_string_equal(fake_front_record(&f.front), expected);
        assert_int_equal(f.x->status, 200);
        exchange_drained(f.x); // nobody is told any more
        fake_front_close(f.stream, FAULT_CLIENT_GONE);
        assert_int_equal(f.stream->fault, fault); // the first one stays
        snprintf(expected, sizeof(expected), "start POST https a.example/page\nclosed %s\n",
                 fault_name(fault));
        assert_string_equal(fake_handler_record(&f.handler), expected);
        fixture_close(&f);
    }
}

// By the front: the handler hears it at once, and once only.
static void test_cut_by_the_front(void **state) {
    (void)state;
    for (int after_head = 0; after_head <= 1; after_head++) {
        struct fixture f;
        fixture_open(&f);
        start(&f);
        if (after_head) {
            send_head(f.x, 200);
        }
        fake_handler_record(&f.handler);
        exchange_cut(f.x, FAULT_CLIENT_TIMEOUT);
        exchange_cut(f.x, FAULT_BODY_TOO_LARGE); // too late
        assert_string_equal(fake_handler_record(&f.handler), "closed client_timeout\n");
        assert_string_equal(fake_front_record(&f.front), after_head
                                                             ? "1 head 200\n1 fail client_timeout\n"
                                                             : "1 head 408\n1 body 27\n1 finish\n");
        exchange_request_body(f.x, SLICE("abc"));
        assert_int_equal(f.stream->consumed, 3);
        exchange_request_end(f.x, NULL);
        exchange_drained(f.x);
        fake_front_close(f.stream, FAULT_NONE);
        assert_int_equal(f.stream->fault, FAULT_CLIENT_TIMEOUT);
        assert_string_equal(fake_handler_record(&f.handler), "");
        fixture_close(&f);
    }
}

static void test_content_after_a_fault_is_dropped(void **state) {
    (void)state;
    for (int after_head = 0; after_head <= 1; after_head++) {
        struct fixture f;
        fixture_open(&f);
        start(&f);
        if (after_head) {
            send_head(f.x, 200);
        }
        exchange_fail(f.x, FAULT_ORIGIN_TIMEOUT);
        fake_front_record(&f.front);
        fake_handler_record(&f.handler);
        exchange_request_body(f.x, SLICE("abcdef"));
        exchange_request_consumed(f.x, 4); // of what came earlier
        exchange_request_end(f.x, NULL);
        assert_string_equal(fake_front_record(&f.front), "1 consumed 6\n1 consumed 4\n");
        assert_string_equal(fake_handler_record(&f.handler), "");
        assert_int_equal(buffer_length(&f.handler.content), 0);
        fixture_close(&f);
    }
}

static void test_refused_request_needs_no_handler(void **state) {
    (void)state;
    const enum fault faults[] = {FAULT_BAD_REQUEST, FAULT_HEAD_TOO_LARGE, FAULT_NOT_IMPLEMENTED};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct fixture f;
        fixture_open(&f);
        exchange_refuse(f.x, faults[i]);
        check_page(&f, faults[i], false);
        exchange_request_body(f.x, SLICE("abc"));
        exchange_request_end(f.x, NULL);
        assert_int_equal(f.stream->consumed, 3);
        exchange_drained(f.x);
        fake_front_close(f.stream, FAULT_NONE);
        assert_int_equal(f.stream->fault, faults[i]);
        assert_string_equal(fake_handler_record(&f.handler), "");
        fixture_close(&f);
    }
}

static void test_refused_request_may_have_no_method(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    f.x->request = (struct request_head){.content_length = 0};
    exchange_refuse(f.x, FAULT_BAD_REQUEST);
    check_page(&f, FAULT_BAD_REQUEST, false);
    fixture_close(&f);
}

// --- promises ------------------------------------------------------------------------------------

static void test_promise_starts_with_the_same_handler(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    start(&f);
    f.front.promise_room = 3;
    assert_int_equal(exchange_promise_room(f.x), 3);
    struct exchange *promised = send_promise(f.x, "/a.css");
    assert_non_null(promised);
    assert_int_equal(exchange_promise_room(f.x), 2);
    assert_int_equal(exchange_promise_room(promised), 0); // a push never pushes
    assert_string_equal(fake_front_record(&f.front), "1 promise 2 /a.css u=2 i\n");
    assert_string_equal(fake_handler_record(&f.handler),
                        "start POST https a.example/page\nstart GET https a.example/a.css\n");
    assert_int_equal(promised->request_state, EXCHANGE_REQUEST_ENDED);
    send_head(f.x, 200);
    assert_int_equal(exchange_promise_room(f.x), 2); // a running response may promise
    exchange_finish(f.x, NULL);
    assert_int_equal(exchange_promise_room(f.x), 0);
    fixture_close(&f);
}

static void test_promise_is_taken_back_on_any_fault(void **state) {
    (void)state;
    for (enum fault fault = FAULT_NONE + 1; fault < FAULT_COUNT; fault++) {
        struct fixture f;
        fixture_open(&f);
        start(&f);
        struct exchange *promised = send_promise(f.x, "/a.css");
        fake_front_record(&f.front);
        exchange_fail(promised, fault);
        char expected[64];
        snprintf(expected, sizeof(expected), "2 fail %s\n", fault_name(fault));
        assert_string_equal(fake_front_record(&f.front), expected); // never an error page
        fixture_close(&f);
    }
}

static void test_front_that_can_not_promise(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    f.front.has_no_promises = true;
    struct exchange *x = fake_front_open(&f.front, "a.example", "/");
    exchange_start(x, f.handler.handler);
    assert_int_equal(exchange_promise_room(x), 0);
    assert_null(send_promise(x, "/a.css"));
    f.front.has_no_promises = false;
    f.front.refuses_promises = true;
    start(&f);
    assert_null(send_promise(f.x, "/a.css"));
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grid),
        cmocka_unit_test(test_wrong_arguments_stop_the_program),
        cmocka_unit_test(test_whole_conversation),
        cmocka_unit_test(test_request_without_content_is_complete),
        cmocka_unit_test(test_room_is_the_fronts),
        cmocka_unit_test(test_response_may_end_before_the_request),
        cmocka_unit_test(test_fault_before_the_head),
        cmocka_unit_test(test_pages_word_for_word),
        cmocka_unit_test(test_fault_after_the_head),
        cmocka_unit_test(test_cut_by_the_front),
        cmocka_unit_test(test_content_after_a_fault_is_dropped),
        cmocka_unit_test(test_refused_request_needs_no_handler),
        cmocka_unit_test(test_refused_request_may_have_no_method),
        cmocka_unit_test(test_promise_starts_with_the_same_handler),
        cmocka_unit_test(test_promise_is_taken_back_on_any_fault),
        cmocka_unit_test(test_front_that_can_not_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
