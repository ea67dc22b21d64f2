// SPDX-License-Identifier: Apache-2.0
#include "push/push_hint.h"

#include "push_scene.h"

enum { OFF = 1, ALL = 2, HTTP1 = 4 }; // switches of the policy

#define NAVIGATE "sec-fetch-mode: navigate\nsec-fetch-dest: document"

// `takes`: o - one of ours; a - the origin's; 1 - only the first.
static const struct {
    const char *fields;
    const char *method;
    unsigned policy;
    const char *takes;
} clients[] = {
    // Browsers: only navigations.
    {NAVIGATE, "GET", 0, "oa1"},
    {"sec-fetch-mode: navigate\nsec-fetch-dest: iframe", "GET", 0, "1"},
    {"sec-fetch-mode: navigate\nsec-fetch-dest: frame", "GET", 0, "1"},
    {"sec-fetch-mode: navigate", "GET", 0, "1"},
    {"sec-fetch-dest: document", "GET", 0, "1"},
    {"sec-fetch-mode: no-cors\nsec-fetch-dest: style", "GET", 0, "1"},
    {"sec-fetch-mode: cors\nsec-fetch-dest: empty", "GET", 0, "1"},
    {"sec-fetch-mode: cors\nsec-fetch-dest: document", "GET", 0, "1"},
    {"sec-fetch-mode: Navigate\nsec-fetch-dest: Document", "GET", 0, "1"}, // they write it small
    {"sec-fetch-mode: \nsec-fetch-dest: ", "GET", 0, "a"},
    // Others: what the origin says, unless the route says more.
    {"", "GET", 0, "a"},
    {"user-agent: x", "GET", 0, "a"},
    {"sec-fetch-site: none\nsec-fetch-user: ?1", "GET", 0, "a"},
    {"", "GET", ALL, "oa"},
    {NAVIGATE, "GET", ALL, "oa1"},
    {"sec-fetch-mode: no-cors\nsec-fetch-dest: style", "GET", ALL, "oa1"},
    // We make one where a whole page is asked for.
    {NAVIGATE, "POST", 0, "a1"},
    {NAVIGATE, "HEAD", 0, "a1"},
    {NAVIGATE, "get", 0, "a1"},
    {NAVIGATE "\nrange: bytes=0-1", "GET", 0, "a1"},
    {NAVIGATE "\nif-none-match: \"x\"", "GET", 0, "oa1"},
    {NAVIGATE "\nauthorization: x\ncookie: y", "GET", 0, "oa1"},
    {"", "POST", ALL, "a"},
    {"range: bytes=0-1", "GET", ALL, "a"},
    // Off is off.
    {NAVIGATE, "GET", OFF, ""},
    {"", "GET", OFF, ""},
    {NAVIGATE, "GET", OFF | ALL | HTTP1, ""},
};

static void check(size_t row, enum protocol protocol, const char *wanted) {
    struct arena *arena = arena_create();
    struct request_head request = {.method = slice_of_text(clients[row].method)};
    unsigned policy = clients[row].policy;
    const struct config_hint hint = {.is_on = (policy & OFF) == 0,
                                     .to_all = (policy & ALL) != 0,
                                     .on_http1 = (policy & HTTP1) != 0};
    struct push_hint_client client;
    memset(&client, 0xff, sizeof(client));
    headers_init(&request.headers, arena);
    push_scene_add_fields(&request.headers, clients[row].fields);
    push_hint_read_client(&request, &hint, protocol, &client);
    char got[8];
    snprintf(got, sizeof(got), "%s%s%s", client.takes_ours ? "o" : "",
             client.takes_origins ? "a" : "", client.takes_one ? "1" : "");
    if (strcmp(got, wanted) != 0) {
        fail_msg("row %zu, %s: '%s', not '%s'", row, protocol_name(protocol), got, wanted);
    }
    arena_destroy(arena);
}

static void test_clients(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        check(i, PROTOCOL_HTTP_2, clients[i].takes);
        check(i, PROTOCOL_HTTP_1_1, "");
        check(i, PROTOCOL_HTTP_1_0, "");
    }
}

// The option opens HTTP/1.1 and changes nothing else.
static void test_clients_of_http1(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    static const struct {
        enum protocol protocol;
        bool takes;
    } rows[] = {{PROTOCOL_HTTP_1_0, false}, {PROTOCOL_HTTP_1_1, true}, {PROTOCOL_HTTP_2, true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int is_browser = 0; is_browser <= 1; is_browser++) {
            const struct config_hint policy = {.is_on = true, .on_http1 = true};
            struct request_head request = {.method = SLICE("GET")};
            struct push_hint_client client;
            headers_init(&request.headers, arena);
            push_scene_add_fields(&request.headers, is_browser ? NAVIGATE : "");
            push_hint_read_client(&request, &policy, rows[i].protocol, &client);
            assert_int_equal(client.takes_ours, rows[i].takes && is_browser);
            assert_int_equal(client.takes_origins, rows[i].takes);
            assert_int_equal(client.takes_one, rows[i].takes && is_browser);
        }
    }
    arena_destroy(arena);
}

// --- fields -------------------------------------------------------------------------------------

static char *lets_through[] = {(char[]){"permissions-policy"}, (char[]){"x-a"}, NULL};

static const struct {
    const char *fields;
    bool has_list;
    const char *left; // names, joined with blanks
} filters[] = {
    {"", false, ""},
    {"link: </a>; rel=preload", false, "link"},
    {"link: a\nx-a: 1\nlink: b\nserver: x\nset-cookie: a=b", false, "link link"},
    {"content-security-policy: x\nreferrer-policy: y\nlink: z", false,
     "content-security-policy referrer-policy link"},
    {"content-security-policy-report-only: x\nlinks: y", false, ""},
    {"x-a: 1\npermissions-policy: 2\nx-ab: 3\nx: 4", false, ""},
    {"x-a: 1\npermissions-policy: 2\nx-ab: 3\nx: 4", true, "x-a permissions-policy"},
    {"x-b: 1\nlink: a\nX-A: 2\ndate: 3\nX-A: 4", true, "link x-a x-a"},
    {"date: 1\netag: 2\ncontent-length: 3\nset-cookie: a=b\nlocation: /", true, ""},
};

static void test_filter(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        struct arena *arena = arena_create();
        struct headers headers;
        headers_init(&headers, arena);
        push_scene_add_fields(&headers, filters[i].fields);
        const struct config_hint policy = {.fields = filters[i].has_list ? lets_through : NULL};
        push_hint_filter(&headers, &policy);
        struct slice left = SLICE_EMPTY;
        for (uint32_t j = 0; j < headers.count; j++) {
            left = push_scene_join(arena, left, " ", headers.rows[j].name);
        }
        push_scene_expect(filters[i].fields, "left", left, filters[i].left);
        arena_destroy(arena);
    }
}

static const struct {
    const char *path, *as, *element;
} elements[] = {
    {"/a.css", "", "</a.css>; rel=preload; as=style"},
    {"/a.css?v=1", "", "</a.css?v=1>; rel=preload; as=style"},
    {"/a.css", "image", "</a.css>; rel=preload; as=image"},
    {"/a", "", "</a>; rel=preload; as=fetch; crossorigin"},
    {"/f.woff2", "", "</f.woff2>; rel=preload; as=font; crossorigin"},
    {"/f", "font", "</f>; rel=preload; as=font; crossorigin"},
    {"/f", "whatever", "</f>; rel=preload; as=whatever"},
    {"<https://cdn.example>; rel=preconnect", "", "<https://cdn.example>; rel=preconnect"},
    {"</a>; rel=preload; as=style", "font", "</a>; rel=preload; as=style"}, // says all itself
};

static void test_elements(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
        push_scene_expect(elements[i].path, "element",
                          push_hint_element(slice_of_text(elements[i].path),
                                            slice_of_text(elements[i].as), arena),
                          elements[i].element);
    }
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_clients_of_http1),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
