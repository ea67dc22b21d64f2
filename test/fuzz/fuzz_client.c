// SPDX-License-Identifier: Apache-2.0
#include "fuzz_client.h"

#include "base/alloc.h"
#include "fake_conn.h"

static struct fuzz_client *create(struct fuzz_world *world, bool is_h2, bool is_tls,
                                  unsigned address) {
    static const char *const addresses[] = {"192.0.2.7", "192.0.2.9", "2001:db8::7", "127.0.0.1"};
    struct fuzz_client *client = alloc_new(struct fuzz_client);
    client->world = world;
    client->conn = fake_conn_create(&world->loop);
    client->is_h2 = is_h2;
    fake_conn_set_peer(client->conn, addresses[address % 4], 50000, 8443);
    fuzz_check(world->client_count < FUZZ_CLIENTS);
    world->clients[world->client_count++] = client;
    if (is_tls) {
        fake_conn_set_tls(client->conn, is_h2 ? "h2" : "http/1.1", "a.example");
        fake_conn_set_covered(client->conn, "a.example b.example");
    }
    front_accept(&world->front, client->conn);
    if (is_h2) {
        fuzz_h2_client_open(client);
    }
    return client;
}

struct fuzz_client *fuzz_client_create(struct fuzz_world *world, unsigned kind,
                                       struct fuzz_input *input) {
    struct fuzz_client *client = create(world, kind % 2 == 0, (kind & 2) == 0, kind / 4);
    if (client->is_h2) {
        fuzz_h2_client_greet(client, input);
    }
    return client;
}

struct fuzz_client *fuzz_client_create_raw(struct fuzz_world *world, bool is_tls) {
    struct fuzz_client *client = create(world, true, is_tls, 0);
    client->is_wild = world->is_wild = true;
    return client;
}

void fuzz_client_destroy(struct fuzz_client *client) {
    if (client->is_h2) {
        fuzz_h2_client_close(client);
    } else {
        fuzz_h1_client_close(client);
    }
    fake_conn_destroy(client->conn);
    buffer_finish(&client->incoming);
    free(client);
}

void fuzz_client_say(struct fuzz_client *client, struct slice bytes) {
    if (client->has_left || fake_conn_is_ended(client->conn)) {
        return;
    }
    fuzz_trace("client %p says %zu: %.*s\n", (void *)client, bytes.length,
               client->is_h2 ? 0 : (int)(bytes.length < 300 ? bytes.length : 300), bytes.data);
    if (client->is_slow) {
        fake_conn_feed_later(client->conn, bytes);
    } else {
        fake_conn_feed(client->conn, bytes);
    }
}

void fuzz_client_say_raw(struct fuzz_client *client, struct slice bytes) {
    client->is_wild = true;
    client->world->is_wild = true;
    fuzz_client_say(client, bytes);
}

void fuzz_client_hear(struct fuzz_client *client) {
    buffer_move(&client->incoming, fake_conn_taken(client->conn));
    if (buffer_length(&client->incoming) > 0) {
        struct slice heard = buffer_peek(&client->incoming);
        fuzz_trace("client %p hears %zu: %.*s\n", (void *)client, heard.length,
                   client->is_h2 ? 0 : (int)(heard.length < 300 ? heard.length : 300), heard.data);
    }
    if (client->is_h2) {
        fuzz_h2_client_hear(client);
    } else {
        fuzz_h1_client_hear(client);
    }
}

void fuzz_client_on_gone(struct fuzz_client *client) {
    if (!client->is_h2) {
        fuzz_h1_client_on_gone(client);
    }
}

void fuzz_client_leave(struct fuzz_client *client, bool is_reset) {
    if (client->has_left || fake_conn_is_ended(client->conn)) {
        return;
    }
    fuzz_trace("client %p %s\n", (void *)client, is_reset ? "resets" : "leaves");
    client->has_left = true;
    if (is_reset) {
        fake_conn_reset(client->conn, FAULT_CONN_RESET);
    } else if (client->is_slow) {
        fake_conn_eof_later(client->conn);
    } else {
        fake_conn_eof(client->conn);
    }
}

void fuzz_client_request(struct fuzz_client *client, struct fuzz_input *input) {
    if (client->is_h2) {
        fuzz_h2_client_request(client, input);
    } else {
        fuzz_h1_client_request(client, input);
    }
}

void fuzz_client_content(struct fuzz_client *client, struct fuzz_input *input) {
    if (client->is_h2) {
        fuzz_h2_client_content(client, input);
    } else {
        fuzz_h1_client_content(client, input);
    }
}

// --- what is asked -------------------------------------------------------------------------------

static void add(struct fuzz_wish *wish, const char *name, const char *value) {
    wish->fields[wish->field_count][0] = name;
    wish->fields[wish->field_count++][1] = value;
}

static void add_fields(struct fuzz_wish *wish, unsigned bits, bool is_h2) {
    const char *const fields[][2] = {
        {"cookie", "a=1"},
        {"cookie", wish->cookie},
        {"authorization", "Basic YTpi"},
        {"if-none-match", "\"v1\""},
        {"accept-push-policy", "fast-load"},
        {"priority", "u=5, i"},
        {"te", "trailers"},
        {"x-forwarded-for", "198.51.100.1"},
        {"referer", "https://a.example/b/0"},
        {"cache-digest", "AfdA; complete"},
        {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
        {"x_under", "1"},
        {"range", "bytes=0-9"},
        {"user-agent", "fuzz \"\\\x80"},
    };
    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if ((bits >> i & 1) != 0) {
            add(wish, fields[i][0], fields[i][1]);
        }
    }
    if ((bits & 0xc000) == 0x4000) { // what nobody says, or not to a proxy
        add(wish, "connection", is_h2 ? "x" : "x-user, keep-alive");
        add(wish, "x-user", "1");
    } else if ((bits & 0xc000) == 0x8000) {
        add(wish, "sec-fetch-mode", "navigate");
        add(wish, "sec-fetch-dest", "document");
    } else if ((bits & 0xc000) == 0xc000) {
        add(wish, "sec-fetch-dest", "style");
    }
}

// A page that has the same URL each time; one of its parts; what the answer is told to be.
static void add_asked(struct fuzz_wish *wish) {
    snprintf(wish->asked_as, sizeof(wish->asked_as), "/%c/0?%u.%u", wish->asked.kind,
             wish->asked.number, wish->asked.length);
    add(wish, "x-asked", wish->asked_as);
}

static void make_page(struct fuzz_wish *wish, unsigned page) {
    snprintf(wish->path, sizeof(wish->path), "/%c/%u", wish->asked.kind, page);
    add_asked(wish);
    add(wish, "sec-fetch-mode", "navigate");
    add(wish, "sec-fetch-dest", "document");
}

static void make_part(struct fuzz_wish *wish, unsigned page, unsigned part) {
    static const char *const kinds[] = {"style", "script", "image", "font"};
    wish->method = "GET";
    wish->asked.number = FUZZ_PARTS + part;
    wish->asked.length = 30 * part;
    snprintf(wish->path, sizeof(wish->path), "/%c/9?%u.%u", wish->asked.kind, wish->asked.number,
             wish->asked.length);
    snprintf(wish->text, sizeof(wish->text), "https://a.example/%c/%u", wish->asked.kind, page);
    add(wish, "referer", wish->text);
    add(wish, "sec-fetch-dest", kinds[part & 3]);
    add(wish, "sec-fetch-mode", part & 4 ? "cors" : "no-cors");
}

// What is seldom said, most of it to be refused. `which` is 0 for ordinary ones.
static void vary(struct fuzz_wish *wish, unsigned which, unsigned page, unsigned choice,
                 bool is_h2) {
    static const char *const paths[] = {"/d/%2e%2e/b/0", "/d//0",  "/b/0;x=%00",    "/%64/0",
                                        "/i/..%2fa",     "/a/%zz", "/a/0?x#y",      "/../i",
                                        "/d/./0",        "/v",     "/?/d/..\\\x80", "/e/%C0%AE"};
    static const char *const authorities[] = {"A.example",   "a.example:443", "b.example",
                                              "a.example.",  "a.exam ple",    "[::1]:8443",
                                              "u@a.example", "a.example:x"};
    static const char *const methods[] = {"PURGE", "TRACE",    "CONNECT",
                                          "get",   "PROPFIND", "M-SEARCH"};
    static const char *const codings[] = {"gzip, chunked", "chunked, chunked", "identity",
                                          "chunked, gzip", "\013chunked",      "chunked;q=1"};
    static const char *const fields[][2] = {
        {"max-forwards", "0"},
        {"max-forwards", "x"},
        {"tracestate", "a=1,b@c=2, d=3"},
        {"traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"},
        {"x-request-id", "\"a b\\"},
        {"upgrade", "websocket"},
        {"connection", "upgrade, close, content-length"},
        {"http2-settings", "AAMAAABkAAQAAP__"},
        {"trailer", "x-sum"},
        {"te", "trailers, deflate;q=0.5"},
        {"keep-alive", "timeout=5"},
        {"expect", "200-ok"},
        {"if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"},
        {"if-range", "\"v1\""},
        {"range", "bytes=0-1,5-6, -9"},
        {"accept-push-policy", "head, default; q=1"},
        {"cache-digest", "AfdA; complete; stale; validators, EwCA; reset"},
        {"forwarded", "for=\"[2001:db8::1]:80\";proto=http, by=_x, for=unknown"},
        {"sec-purpose", "prefetch"},
        {"x-forwarded-host", "b.example, c.example"},
    };
    enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };
    switch (which) {
    case 1:
    case 2:
    case 3:
        make_page(wish, page);
        break;
    case 4:
    case 5:
    case 6:
        make_part(wish, page, choice & 7);
        break;
    case 7:
        wish->is_absolute = true;
        break;
    case 8:
        add_asked(wish);
        snprintf(wish->path, sizeof(wish->path), "%s", paths[choice % 12]);
        break;
    case 9:
        wish->authority = authorities[choice & 7];
        break;
    case 10:
        add_asked(wish);
        wish->method = methods[choice % 6];
        wish->is_absolute = choice >= 128;
        break;
    case 11:
        add_asked(wish);
        wish->method = "OPTIONS";
        snprintf(wish->path, sizeof(wish->path), "%s", choice >= 128 ? "*" : "/i/0");
        add(wish, "max-forwards", choice & 1 ? "0" : "3");
        break;
    case 12:
        add(wish, "transfer-encoding", codings[choice % 6]);
        break;
    case 13: { // fields and all of them are longer than they may be
        static char longest[1601];
        memset(longest, 'x', sizeof(longest) - 1);
        for (unsigned i = 0; i <= (choice & 3); i++) {
            add(wish, choice & 4 ? "cookie" : "x-long", longest + (choice & 0xf8) * 4);
        }
        break;
    }
    case 14: // a length beside the right one
        if (wish->announced >= 0) {
            snprintf(wish->text, sizeof(wish->text), "%s%lld", choice & 2 ? "0" : "",
                     (long long)wish->announced + (choice & 1));
            add(wish, "content-length", wish->text);
        }
        break;
    case 15:
        for (unsigned i = 0; i <= (choice >> 5 & 7) && i < 7; i++) {
            add(wish, "cookie", "a=1; b=2");
        }
        break;
    case 16:
        if (is_h2) {
            add(wish, "host", authorities[choice & 7]);
        }
        break;
    default:
        add(wish, fields[choice % FIELDS][0], fields[choice % FIELDS][1]);
        if (which >= 19) {
            choice = (choice / FIELDS + choice) % FIELDS;
            add(wish, fields[choice][0], fields[choice][1]);
        }
        break;
    case 0:
        break;
    }
}

void fuzz_wish_make(struct fuzz_client *client, struct fuzz_input *input,
                    struct fuzz_wish *out_wish) {
    static const char *const methods[] = {"GET",  "GET",  "GET", "GET",    "GET",     "HEAD",
                                          "POST", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
    static const uint32_t lengths[] = {0, 1, 20, 200, 3000, 17000, 70000, 200000};
    static const int64_t announced[] = {-1, 0, 1, 10, 300, 5000, 40000, -1};
    *out_wish = (struct fuzz_wish){.announced = -1, .authority = "a.example"};
    unsigned method = fuzz_byte(input);
    unsigned target = fuzz_byte(input);
    unsigned length = fuzz_byte(input);
    unsigned bits = fuzz_word(input);
    struct fuzz_asked *asked = &out_wish->asked;
    asked->kind = "adebivsa"[target & 7];
    asked->number = client->world->requests++;
    asked->length = lengths[length & 7];
    out_wish->method = methods[method % 12];
    snprintf(out_wish->path, sizeof(out_wish->path), "/%c/%u?%u.%u", asked->kind, target >> 3 & 3,
             asked->number, asked->length);
    snprintf(out_wish->cookie, sizeof(out_wish->cookie), "outrider-digest=%s; b=2",
             client->world->jar[0] != '\0' ? client->world->jar : "AQAA");
    add_fields(out_wish, bits, client->is_h2);
    out_wish->has_content =
        method % 12 >= 6 && method % 12 != 10 ? (target & 0x20) == 0 : (target & 0xe0) == 0xe0;
    if (out_wish->has_content) {
        out_wish->announced = announced[length >> 3 & 7];
        if ((length & 0xc0) == 0xc0) {
            add(out_wish, "expect", "100-continue");
        }
    }
    vary(out_wish, method / 12, target >> 3 & 3, length, client->is_h2);
}

// --- what comes ----------------------------------------------------------------------------------

static bool is_free(const struct fuzz_client *client, const struct fuzz_answer *answer) {
    const struct fuzz_world *world = client->world;
    return answer->is_of_proxy || world->asked[answer->asked.number].is_garbled ||
           (!answer->is_known && world->has_garbled);
}

void fuzz_answer_head(struct fuzz_client *client, struct fuzz_answer *answer, int status,
                      struct slice tag, bool is_of_proxy) {
    fuzz_check(!answer->has_head && !answer->is_over && status >= 200 && status <= 599);
    answer->has_head = true;
    answer->status = status;
    if (tag.length == 0) {
        fuzz_check(is_of_proxy || client->world->has_garbled ||
                   (answer->may_be_local && status == 204));
        answer->is_of_proxy = true;
        return;
    }
    char text[64] = "";
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "%u.%u.%c", answer->asked.number, answer->asked.length,
             answer->asked.kind);
    if (answer->is_known && !is_free(client, answer)) {
        fuzz_check(slice_equal(tag, slice_of_text(wanted)));
    } else if (!answer->is_known && !client->world->has_garbled && tag.length < sizeof(text)) {
        memcpy(text, tag.data, tag.length);
        fuzz_check(sscanf(text, "%u.%u.%c", &answer->asked.number, &answer->asked.length,
                          &answer->asked.kind) == 3);
        fuzz_check(answer->asked.number <= FUZZ_UNKNOWN);
    }
}

// Kept for whoever comes again.
void fuzz_answer_cookie(struct fuzz_client *client, struct slice set_cookie) {
    struct slice name = SLICE("outrider-digest=");
    struct slice value = slice_skip(set_cookie, name.length);
    value = slice_first(value, slice_find(value, ';'));
    if (slice_starts_with(set_cookie, name) && value.length < sizeof(client->world->jar)) {
        memcpy(client->world->jar, value.data, value.length);
        client->world->jar[value.length] = '\0';
    }
}

FUZZ_UNCOUNTED void fuzz_answer_content(struct fuzz_client *client, struct fuzz_answer *answer,
                                        struct slice bytes) {
    fuzz_check(answer->has_head && !answer->is_over && !answer->is_head_request);
    if (!is_free(client, answer)) {
        fuzz_check(answer->places + bytes.length <= answer->asked.length);
        fuzz_check(fuzz_content_is(&answer->asked, answer->places, bytes));
    }
    answer->places += bytes.length;
    for (size_t i = 0; i < bytes.length; i++) {
        answer->sum = answer->sum * 31 + (unsigned char)bytes.data[i];
    }
    fuzz_check(answer->length < 0 || answer->places <= (uint64_t)answer->length);
}

// All of it, the client must believe.
void fuzz_answer_end(struct fuzz_client *client, struct fuzz_answer *answer) {
    bool has_none = answer->is_head_request || answer->status == 204 || answer->status == 304;
    fuzz_check(answer->has_head && !answer->is_over);
    answer->is_over = true;
    fuzz_check(!has_none || answer->places == 0);
    if (has_none || (!answer->is_known && answer->places == 0)) {
        return; // (perhaps a HEAD of a wild client)
    }
    fuzz_check(answer->length < 0 || answer->places == (uint64_t)answer->length);
    if (!is_free(client, answer) && !client->world->asked[answer->asked.number].may_be_short) {
        fuzz_check(answer->places == answer->asked.length);
    }
}
