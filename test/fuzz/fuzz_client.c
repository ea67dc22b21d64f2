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

void fuzz_wish_make(struct fuzz_client *client, struct fuzz_input *input,
                    struct fuzz_wish *out_wish) {
    static const char *const methods[] = {"GET",  "GET",  "GET", "GET",    "GET",     "HEAD",
                                          "POST", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
    static const uint32_t lengths[] = {0, 1, 20, 200, 3000, 17000, 70000, 200000};
    static const int64_t announced[] = {-1, 0, 1, 10, 300, 5000, 40000, -1};
    *out_wish = (struct fuzz_wish){.announced = -1};
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
        fuzz_check(is_of_proxy || client->world->has_garbled);
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

void fuzz_answer_content(struct fuzz_client *client, struct fuzz_answer *answer,
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
