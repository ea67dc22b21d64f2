// SPDX-License-Identifier: Apache-2.0
// Our server side against OpenSSL's client over memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "fake_certificate.h"
#include "net/tls_session.h"

static char folder[128];
static struct tls_context *context; // a.example; b.example, *.b.example; exact.b.example
static SSL_CTX *client_context;
static SSL_SESSION *ticket; // last one the client got
static int ticket_count;

struct pair {
    struct tls_session *server;
    SSL *client;
    BIO *to_client;
    BIO *from_client;
    enum tls_status status;
    struct buffer plain; // what the server read
    size_t piece;        // of ciphertext fed at once; 0: all
    size_t plain_room;   // of spans
    size_t cipher_room;
};

static int on_new_ticket(SSL *ssl, SSL_SESSION *take_session) {
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = take_session;
    ticket_count++;
    return 1;
}

static int setup_all(void **state) {
    (void)state;
    fake_certificate_make_folder(folder);
    static const char *const names[] = {"DNS:a.example", "DNS:b.example,DNS:*.b.example",
                                        "DNS:exact.b.example"};
    struct fake_certificate files[3];
    struct tls_certificate certificates[3];
    for (size_t i = 0; i < 3; i++) {
        char file[8];
        snprintf(file, sizeof(file), "%zu", i);
        fake_certificate_write(folder, file, names[i], &files[i]);
        certificates[i] = (struct tls_certificate){files[i].certificate, files[i].key};
    }
    struct tls_error error;
    context = tls_context_create(certificates, 3, &error);
    assert_non_null(context);
    client_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(client_context, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(client_context, on_new_ticket);
    SSL_CTX_set_security_level(client_context, 0); // so that it can offer what we must refuse
    return 0;
}

static int teardown_all(void **state) {
    (void)state;
    SSL_SESSION_free(ticket);
    SSL_CTX_free(client_context);
    tls_context_unref(&context);
    assert_null(context);
    fake_certificate_remove_folder(folder);
    return 0;
}

static void pair_init(struct pair *pair, const char *server_name) {
    *pair = (struct pair){.plain_room = 65536, .cipher_room = 65536};
    pair->server = tls_session_create(context);
    pair->client = SSL_new(client_context);
    pair->to_client = BIO_new(BIO_s_mem());
    pair->from_client = BIO_new(BIO_s_mem());
    SSL_set_bio(pair->client, pair->to_client, pair->from_client);
    SSL_set_connect_state(pair->client);
    if (server_name != NULL) {
        SSL_set_tlsext_host_name(pair->client, server_name);
    }
}

static void pair_finish(struct pair *pair) {
    tls_session_destroy(pair->server);
    // OpenSSL's client would give up the ticket of a connection that was cut.
    SSL_set_shutdown(pair->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(pair->client);
    buffer_finish(&pair->plain);
    ERR_clear_error();
}

static void give_to_client(struct pair *pair, const struct tls_span *span) {
    if (span->length > 0) {
        BIO_write(pair->to_client, span->data, (int)span->length);
    }
}

// Memory of exactly the spans' size, so that the sanitizer sees a write behind them.
static void feed(struct pair *pair, struct slice cipher) {
    do {
        struct slice piece = slice_first(cipher, pair->piece > 0 ? pair->piece : cipher.length);
        struct tls_span plain = {alloc_bytes(pair->plain_room), pair->plain_room, 0};
        struct tls_span answer = {alloc_bytes(pair->cipher_room), pair->cipher_room, 0};
        size_t used = tls_session_feed(pair->server, piece, &plain, &answer, &pair->status);
        assert_true(used <= piece.length);
        assert_true(used > 0 || piece.length == 0 || plain.length > 0 || answer.length > 0);
        cipher = slice_skip(cipher, used);
        buffer_append(&pair->plain, plain.data, plain.length);
        give_to_client(pair, &answer);
        free(plain.data);
        free(answer.data);
    } while (cipher.length > 0 || tls_session_has_more(pair->server));
}

static void carry_to_server(struct pair *pair) {
    char *data;
    long length = BIO_get_mem_data(pair->from_client, &data);
    if (length > 0) {
        char *copy = memcpy(alloc_bytes((size_t)length), data, (size_t)length);
        (void)BIO_reset(pair->from_client);
        feed(pair, slice_of(copy, (size_t)length));
        free(copy);
    }
}

// Until nothing moves; true when both sides are done.
static bool shake_hands(struct pair *pair) {
    for (int i = 0; i < 6; i++) {
        SSL_do_handshake(pair->client);
        carry_to_server(pair);
    }
    return SSL_is_init_finished(pair->client) && pair->status == TLS_OPEN;
}

static void send_to_client(struct pair *pair, struct slice plain) {
    while (plain.length > 0) {
        struct tls_span span = {alloc_bytes(pair->cipher_room), pair->cipher_room, 0};
        size_t used = tls_session_seal(pair->server, plain, &span);
        assert_true(used > 0);
        plain = slice_skip(plain, used);
        give_to_client(pair, &span);
        free(span.data);
    }
}

static void offer_ticket(struct pair *pair) {
    char data[4096];
    struct tls_span span = {data, sizeof(data), 0};
    tls_session_offer_ticket(pair->server, &span);
    give_to_client(pair, &span);
}

// What the client reads now: a count, or <= 0.
static int client_reads(struct pair *pair, char *data, size_t size) {
    return SSL_read(pair->client, data, (int)size);
}

static void test_alpn(void **state) {
    (void)state;
    static const struct {
        const char *offer;  // wire format
        const char *chosen; // NULL: the handshake fails
    } cases[] = {
        {"\x02h2\x08http/1.1", "h2"},
        {"\x08http/1.1\x02h2", "h2"},
        {"\x08http/1.1", "http/1.1"},
        {"\x02h2", "h2"},
        {"", ""},
        {"\x03h2c", NULL},
        {"\x08http/1.0", NULL},
        {"\x03h2c\x02h3\x08http/1.1", "http/1.1"},
        {"\x02h3\x06spdy/3", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pair pair;
        pair_init(&pair, NULL);
        SSL_set_alpn_protos(pair.client, (const unsigned char *)cases[i].offer,
                            (unsigned)strlen(cases[i].offer));
        bool is_open = shake_hands(&pair);
        assert_int_equal(is_open, cases[i].chosen != NULL);
        if (is_open) {
            struct slice alpn = tls_session_alpn(pair.server);
            assert_true(slice_equal(alpn, slice_of_text(cases[i].chosen)));
        } else {
            assert_int_equal(pair.status, TLS_FAILED);
            assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()),
                             SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
        }
        pair_finish(&pair);
    }
}

static void test_server_name_chooses_certificate(void **state) {
    (void)state;
    static const struct {
        const char *name;
        const char *covers; // a name only the expected certificate has
    } cases[] = {
        {NULL, "a.example"},
        {"a.example", "a.example"},
        {"b.example", "b.example"},
        {"B.Example", "b.example"},
        {"www.b.example", "other.b.example"},
        {"exact.b.example", "exact.b.example"},
        {"deep.www.b.example", "a.example"},
        {"unknown.example", "a.example"},
        {"b.example.", "b.example"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pair pair;
        pair_init(&pair, cases[i].name);
        assert_true(shake_hands(&pair));
        X509 *certificate = SSL_get1_peer_certificate(pair.client);
        unsigned flags = i == 5 ? X509_CHECK_FLAG_NO_WILDCARDS : 0;
        assert_int_equal(X509_check_host(certificate, cases[i].covers, 0, flags, NULL), 1);
        X509_free(certificate);
        struct slice name = slice_of_text(cases[i].name != NULL ? cases[i].name : "");
        assert_true(slice_equal_nocase(tls_session_server_name(pair.server), name));
        pair_finish(&pair);
    }
}

static void test_versions_and_ciphers(void **state) {
    (void)state;
    static const struct {
        int version;
        const char *ciphers;
        bool is_ok;
    } cases[] = {
        {TLS1_3_VERSION, NULL, true},
        {TLS1_2_VERSION, NULL, true},
        {TLS1_1_VERSION, NULL, false},
        {TLS1_VERSION, NULL, false},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", true},
        {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", false}, // CBC
        {TLS1_2_VERSION, "AES128-GCM-SHA256", false},      // no forward secrecy
        {TLS1_2_VERSION, "ECDHE-ECDSA-NULL-SHA", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pair pair;
        pair_init(&pair, NULL);
        SSL_set_min_proto_version(pair.client, cases[i].version);
        SSL_set_max_proto_version(pair.client, cases[i].version);
        if (cases[i].ciphers != NULL) {
            assert_int_equal(SSL_set_cipher_list(pair.client, cases[i].ciphers), 1);
        }
        assert_int_equal(shake_hands(&pair), cases[i].is_ok);
        if (cases[i].is_ok) {
            assert_int_equal(SSL_version(pair.client), cases[i].version);
        } else {
            assert_int_equal(pair.status, TLS_FAILED);
        }
        pair_finish(&pair);
    }
}

static char *pattern(size_t length) {
    char *data = alloc_bytes(length);
    for (size_t i = 0; i < length; i++) {
        data[i] = (char)(i * 131 + i / 251);
    }
    return data;
}

static void test_bytes_both_ways_in_any_pieces(void **state) {
    (void)state;
    static const struct {
        size_t piece, plain_room, cipher_room, length;
    } cases[] = {
        {0, 262144, 262144, 1000000}, {1, 65536, 65536, 20000}, {7, 3, 65, 20000},
        {0, 1, 100, 20000},           {16384, 100, 66, 50000},  {5, 16384, 20000, 50000},
        {1000, 16383, 16448, 100000},
    };
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        size_t c = i / 2;
        struct pair pair;
        pair_init(&pair, "b.example");
        SSL_set_max_proto_version(pair.client, i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
        pair.piece = cases[c].piece;
        pair.plain_room = cases[c].plain_room;
        pair.cipher_room = cases[c].cipher_room;
        assert_true(shake_hands(&pair));
        size_t length = cases[c].length;
        char *sent = pattern(length);
        assert_int_equal(SSL_write(pair.client, sent, (int)length), (int)length);
        carry_to_server(&pair);
        assert_int_equal(buffer_length(&pair.plain), length);
        assert_memory_equal(buffer_peek(&pair.plain).data, sent, length);
        send_to_client(&pair, slice_of(sent, length));
        char *got = alloc_bytes(length);
        size_t count = 0;
        while (count < length) {
            int read = client_reads(&pair, got + count, length - count);
            assert_true(read > 0);
            count += (size_t)read;
        }
        assert_memory_equal(got, sent, length);
        free(got);
        free(sent);
        pair_finish(&pair);
    }
}

// The lengths of the records in a span, without their heads of five bytes.
static void assert_records(const struct tls_span *span, size_t full_bytes, size_t full_count) {
    size_t at = 0;
    for (size_t i = 0; i < full_count; i++) {
        const uint8_t *head = (const uint8_t *)span->data + at;
        size_t length = (size_t)head[3] << 8 | head[4];
        assert_in_range(length, full_bytes, full_bytes + 40);
        at += 5 + length;
    }
    assert_int_equal(at, span->length);
}

static void test_records_are_small_at_first(void **state) {
    (void)state;
    static const char zeros[TLS_EARLY_BYTES];
    struct pair pair;
    pair_init(&pair, NULL);
    assert_true(shake_hands(&pair));
    char *data = alloc_bytes(100000);
    for (int round = 0; round < 2; round++) { // from the start, and after a pause
        if (round > 0) {
            tls_session_note_pause(pair.server);
        }
        struct tls_span early = {data, 100000, 0};
        struct slice whole = slice_of(zeros, 46 * TLS_EARLY_RECORD_BYTES);
        assert_int_equal(tls_session_seal(pair.server, whole, &early), whole.length);
        assert_records(&early, TLS_EARLY_RECORD_BYTES, 46);
        give_to_client(&pair, &early);
        send_to_client(&pair, slice_of(zeros, TLS_EARLY_RECORD_BYTES)); // the last of the early
        struct tls_span late = {data, 100000, 0};
        assert_int_equal(tls_session_seal(pair.server, slice_of(zeros, 32768), &late), 32768);
        assert_records(&late, 16384, 2);
        give_to_client(&pair, &late);
    }
    free(data);
    pair_finish(&pair);
}

static void test_seal_needs_room_for_the_record(void **state) {
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    assert_true(shake_hands(&pair));
    char data[64];
    struct tls_span span = {data, sizeof(data), 0};
    assert_int_equal(tls_session_seal(pair.server, SLICE("hello"), &span), 0);
    assert_int_equal(span.length, 0);
    pair_finish(&pair);
}

// Connects with the last ticket; true when the session was resumed.
static bool resumes(const char *server_name, int version) {
    struct pair pair;
    pair_init(&pair, server_name);
    SSL_set_max_proto_version(pair.client, version);
    SSL_SESSION *session = SSL_SESSION_dup(ticket);
    SSL_set_session(pair.client, session);
    SSL_SESSION_free(session);
    assert_true(shake_hands(&pair));
    bool is_resumed = SSL_session_reused(pair.client) == 1;
    struct slice name = tls_session_server_name(pair.server);
    assert_true(slice_equal(name, slice_of_text(server_name)));
    pair_finish(&pair);
    return is_resumed;
}

static void test_ticket_resumes_under_its_certificate_only(void **state) {
    (void)state;
    static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
    for (size_t i = 0; i < 2; i++) {
        struct pair pair;
        pair_init(&pair, "www.b.example");
        SSL_set_max_proto_version(pair.client, versions[i]);
        ticket_count = 0;
        assert_true(shake_hands(&pair));
        char data[64];
        assert_true(client_reads(&pair, data, sizeof(data)) <= 0);
        assert_int_equal(ticket_count, versions[i] == TLS1_3_VERSION ? 0 : 1);
        send_to_client(&pair, SLICE("first response"));
        offer_ticket(&pair);
        offer_ticket(&pair); // only one
        assert_int_equal(client_reads(&pair, data, sizeof(data)), 14);
        assert_true(client_reads(&pair, data, sizeof(data)) <= 0);
        assert_int_equal(ticket_count, 1);
        assert_int_equal(SSL_SESSION_get_max_early_data(ticket), 0);
        send_to_client(&pair, SLICE("more")); // the session goes on
        assert_int_equal(client_reads(&pair, data, sizeof(data)), 4);
        SSL_write(pair.client, "question", 8);
        carry_to_server(&pair);
        assert_int_equal(buffer_length(&pair.plain), 8);
        pair_finish(&pair);
        assert_true(resumes("www.b.example", versions[i]));
        assert_false(resumes("a.example", versions[i]));
        assert_false(resumes("exact.b.example", versions[i]));
    }
}

static void test_ticket_of_another_context_is_refused(void **state) {
    (void)state;
    struct pair pair;
    pair_init(&pair, "a.example");
    assert_true(shake_hands(&pair));
    offer_ticket(&pair);
    char data[8];
    client_reads(&pair, data, sizeof(data));
    pair_finish(&pair);
    assert_true(resumes("a.example", TLS1_3_VERSION));
    struct tls_context *ours = context;
    struct tls_error error;
    context = tls_context_create(NULL, 0, &error);
    assert_false(resumes("a.example", TLS1_3_VERSION));
    tls_context_unref(&context);
    context = ours;
}

static void test_garbage_fails_the_handshake(void **state) {
    (void)state;
    static const struct slice cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24},
        {"\x16\x03\x01\xff\xff\x01", 6},             // a record too long
        {"\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9}, // an empty hello
        {"\x17\x03\x03\x00\x05hello", 10},           // data before the handshake
        {"\x15\x03\x01\x00\x02\x01\x00", 7},         // close_notify before it
        {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t piece = 0; piece < 2; piece++) {
            struct pair pair;
            pair_init(&pair, NULL);
            pair.piece = piece;
            feed(&pair, cases[i]);
            assert_int_equal(pair.status, TLS_FAILED);
            assert_int_equal(buffer_length(&pair.plain), 0);
            feed(&pair, SLICE("more of it")); // is swallowed
            assert_int_equal(pair.status, TLS_FAILED);
            pair_finish(&pair);
        }
    }
}

// A hello in which any one byte is wrong is refused or ends in a handshake that the client
// refuses; it never crashes nor opens.
static void test_damaged_hello(void **state) {
    (void)state;
    struct pair pair;
    pair_init(&pair, "a.example");
    SSL_do_handshake(pair.client);
    char *hello;
    size_t length = (size_t)BIO_get_mem_data(pair.from_client, &hello);
    for (size_t i = 0; i < length; i++) {
        struct pair other;
        pair_init(&other, NULL);
        char *copy = memcpy(alloc_bytes(length), hello, length);
        copy[i] = (char)(copy[i] ^ 0xff);
        feed(&other, slice_of(copy, length));
        assert_int_not_equal(other.status, TLS_OPEN);
        free(copy);
        pair_finish(&other);
    }
    pair_finish(&pair);
}

static void test_damaged_record_ends_the_session(void **state) {
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    assert_true(shake_hands(&pair));
    SSL_write(pair.client, "hello", 5);
    char *data;
    long length = BIO_get_mem_data(pair.from_client, &data);
    data[length - 1] ^= 1;
    carry_to_server(&pair);
    assert_int_equal(pair.status, TLS_FAILED);
    assert_int_equal(buffer_length(&pair.plain), 0);
    char byte;
    assert_true(client_reads(&pair, &byte, 1) <= 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    pair_finish(&pair);
}

static void test_close_notify_both_ways(void **state) {
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    assert_true(shake_hands(&pair));
    SSL_write(pair.client, "last", 4);
    SSL_shutdown(pair.client);
    carry_to_server(&pair);
    assert_int_equal(pair.status, TLS_ENDED);
    assert_int_equal(buffer_length(&pair.plain), 4);
    send_to_client(&pair, SLICE("answer")); // our side may still speak
    char data[64];
    struct tls_span span = {data, sizeof(data), 0};
    tls_session_end(pair.server, &span);
    assert_true(span.length > 0);
    give_to_client(&pair, &span);
    span.length = 0;
    tls_session_end(pair.server, &span); // once
    assert_int_equal(span.length, 0);
    assert_int_equal(client_reads(&pair, data, sizeof(data)), 6);
    int result = client_reads(&pair, data, sizeof(data));
    assert_int_equal(SSL_get_error(pair.client, result), SSL_ERROR_ZERO_RETURN);
    pair_finish(&pair);
}

static void test_renegotiation_is_refused(void **state) {
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    SSL_set_max_proto_version(pair.client, TLS1_2_VERSION);
    assert_true(shake_hands(&pair));
    assert_int_equal(SSL_renegotiate(pair.client), 1);
    SSL_do_handshake(pair.client);
    carry_to_server(&pair);
    char data[8];
    assert_true(client_reads(&pair, data, sizeof(data)) <= 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
    pair_finish(&pair);
}

static void test_new_keys_on_demand(void **state) {
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    assert_true(shake_hands(&pair));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(SSL_key_update(pair.client, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_write(pair.client, "hello", 5), 5);
        carry_to_server(&pair);
        send_to_client(&pair, SLICE("world"));
        char data[8];
        assert_int_equal(client_reads(&pair, data, sizeof(data)), 5);
    }
    assert_int_equal(buffer_length(&pair.plain), 15);
    pair_finish(&pair);
}

static void test_new_keys_without_end(void **state) {
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    assert_true(shake_hands(&pair));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(SSL_key_update(pair.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_write(pair.client, "x", 1), 1);
        carry_to_server(&pair);
    }
    assert_int_equal(pair.status, TLS_OPEN);
    assert_false(tls_session_is_flooded(pair.server));
    assert_int_equal(SSL_key_update(pair.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    assert_int_equal(SSL_write(pair.client, "x", 1), 1);
    carry_to_server(&pair);
    assert_int_equal(pair.status, TLS_FAILED);
    assert_true(tls_session_is_flooded(pair.server));
    pair_finish(&pair);
}

// The peer goes away after any number of bytes of its side of the handshake.
static void test_cut_anywhere_leaks_nothing(void **state) {
    (void)state;
    for (size_t cut = 1; cut < 700; cut += 3) {
        struct pair pair;
        pair_init(&pair, "b.example");
        SSL_do_handshake(pair.client);
        char *data;
        size_t length = (size_t)BIO_get_mem_data(pair.from_client, &data);
        char *copy = memcpy(alloc_bytes(length), data, length);
        (void)BIO_reset(pair.from_client);
        feed(&pair, slice_of(copy, length < cut ? length : cut));
        assert_int_equal(pair.status, TLS_HANDSHAKING);
        if (cut > length) {
            SSL_do_handshake(pair.client);
            long rest = BIO_get_mem_data(pair.from_client, &data);
            assert_true(rest > 0);
            feed(&pair, slice_first(slice_of(data, (size_t)rest), cut - length));
        }
        free(copy);
        pair_finish(&pair);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_keys_without_end),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_server_name_chooses_certificate),
        cmocka_unit_test(test_versions_and_ciphers),
        cmocka_unit_test(test_bytes_both_ways_in_any_pieces),
        cmocka_unit_test(test_records_are_small_at_first),
        cmocka_unit_test(test_seal_needs_room_for_the_record),
        cmocka_unit_test(test_ticket_resumes_under_its_certificate_only),
        cmocka_unit_test(test_ticket_of_another_context_is_refused),
        cmocka_unit_test(test_garbage_fails_the_handshake),
        cmocka_unit_test(test_damaged_hello),
        cmocka_unit_test(test_damaged_record_ends_the_session),
        cmocka_unit_test(test_close_notify_both_ways),
        cmocka_unit_test(test_renegotiation_is_refused),
        cmocka_unit_test(test_new_keys_on_demand),
        cmocka_unit_test(test_cut_anywhere_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
