// SPDX-License-Identifier: Apache-2.0
// Real sockets; the test plays the peer from the same thread.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/alloc.h"
#include "net/conn.h"
#include "net/tls_context.h"
#include "net/tls_session.h"

enum action { NOTHING, CLOSE, ABORT, PAUSE };

struct scene {
    struct loop loop;
    struct conn *conn; // NULL after on_end
    int peer;
    char story[512];        // what the user was told, in order
    struct buffer got;      // by on_bytes
    size_t largest_piece;   // of them
    size_t room;            // 0: unlimited
    unsigned drained_count; // of on_bytes that got all there was
    int end_count;
    enum fault fault;
    bool is_inside;     // a call of ours to conn: no callback may come
    size_t flush_count; // of on_flush
    size_t left_to_flush;
    size_t flush_piece;
    size_t most_unsent;
    bool marks_in_flush;
    const char *act_in; // which callback
    enum action action;
};

static struct tls_context *tls;

static int setup_all(void **state) {
    (void)state;
    struct tls_error error;
    tls = tls_context_create(NULL, 0, &error);
    return tls != NULL ? 0 : -1;
}

static int teardown_all(void **state) {
    (void)state;
    tls_context_unref(&tls);
    return 0;
}

static void tell(struct scene *scene, const char *name) {
    assert_false(scene->is_inside);
    assert_int_equal(scene->end_count, 0);
    size_t length = strlen(scene->story);
    if (length + strlen(name) + 2 < sizeof(scene->story)) {
        snprintf(scene->story + length, sizeof(scene->story) - length, "%s ", name);
    }
    if (scene->act_in == NULL || strcmp(scene->act_in, name) != 0) {
        return;
    }
    scene->act_in = NULL;
    scene->is_inside = true;
    if (scene->action == CLOSE) {
        conn_close(scene->conn);
    } else if (scene->action == ABORT) {
        conn_abort(scene->conn, FAULT_ABUSE);
    } else if (scene->action == PAUSE) {
        conn_pause(scene->conn);
    }
    scene->is_inside = false;
}

static void on_ready(void *user, struct slice alpn) {
    char text[32];
    snprintf(text, sizeof(text), "ready%s%.*s", alpn.length > 0 ? ":" : "", SLICE_ARGS(alpn));
    tell(user, text);
}

static void on_bytes(void *user, struct slice bytes) {
    struct scene *scene = user;
    buffer_append_slice(&scene->got, bytes);
    scene->largest_piece =
        bytes.length > scene->largest_piece ? bytes.length : scene->largest_piece;
    scene->drained_count += conn_was_drained(scene->conn);
    tell(scene, "bytes");
}

static void on_eof(void *user) {
    tell(user, "eof");
}

static void on_flush(void *user) {
    struct scene *scene = user;
    scene->flush_count++;
    size_t piece =
        scene->left_to_flush < scene->flush_piece ? scene->left_to_flush : scene->flush_piece;
    if (piece > 0) {
        memset(buffer_reserve(conn_output(scene->conn), piece), 'f', piece);
        buffer_commit(conn_output(scene->conn), piece);
        scene->left_to_flush -= piece;
    }
    if (scene->marks_in_flush && scene->left_to_flush > 0) {
        conn_mark(scene->conn);
    }
    size_t unsent = conn_unsent(scene->conn);
    scene->most_unsent = unsent > scene->most_unsent ? unsent : scene->most_unsent;
    tell(scene, "flush");
}

static void on_drained(void *user) {
    tell(user, "drained");
}

static void on_deadline(void *user) {
    tell(user, "deadline");
}

static void on_end(void *user, enum fault fault) {
    struct scene *scene = user;
    tell(scene, fault_name(fault));
    scene->end_count++;
    scene->fault = fault;
    scene->conn = NULL;
}

static size_t room(void *user) {
    struct scene *scene = user;
    return scene->room;
}

static const struct conn_events all_events = {
    .on_ready = on_ready,
    .on_bytes = on_bytes,
    .on_eof = on_eof,
    .on_flush = on_flush,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_end = on_end,
};

// Without on_flush, which would fill the story.
static const struct conn_events quiet_events = {
    .on_ready = on_ready,
    .on_bytes = on_bytes,
    .on_eof = on_eof,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_end = on_end,
};

static const struct conn_events least_events = {
    .on_ready = on_ready,
    .on_bytes = on_bytes,
    .on_deadline = on_deadline,
    .on_end = on_end,
    .room = room,
};

static void tcp_pair(int fds[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&address, &size);
    fds[1] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fds[1], (struct sockaddr *)&address, size), 0);
    fds[0] = accept(listener, NULL, NULL);
    assert_true(fds[0] >= 0);
    setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    close(listener);
}

enum kind { UNIX, PACKETS, TCP, TLS, TLS_NARROW };

static void scene_open(struct scene *scene, enum kind kind, const struct conn_events *events) {
    *scene = (struct scene){0};
    int fds[2];
    if (kind == TCP || kind == TLS) {
        tcp_pair(fds);
    } else if (kind == TLS_NARROW) {
        tcp_pair(fds);
        setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int));
        setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
    } else {
        int type = kind == PACKETS ? SOCK_SEQPACKET : SOCK_STREAM;
        assert_int_equal(socketpair(AF_UNIX, type, 0, fds), 0);
    }
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    scene->peer = fds[1];
    loop_init(&scene->loop);
    bool is_unix = kind == UNIX || kind == PACKETS;
    scene->conn = conn_create(&scene->loop, fds[0], is_unix, kind >= TLS ? tls : NULL);
    if (events != NULL) {
        conn_attach(scene->conn, events, scene);
    }
}

static void turn(struct scene *scene) {
    uv_run(&scene->loop.uv, UV_RUN_NOWAIT);
}

static void turns(struct scene *scene, int count) {
    for (int i = 0; i < count; i++) {
        turn(scene);
        usleep(100);
    }
}

// Until the story has `text`, 5 s at most.
static void run_until(struct scene *scene, const char *text) {
    for (int i = 0; i < 25000 && strstr(scene->story, text) == NULL; i++) {
        turns(scene, 1);
    }
    if (strstr(scene->story, text) == NULL) {
        fail_msg("waited for %s, story: %s", text, scene->story);
    }
}

static void run_until_end(struct scene *scene) {
    for (int i = 0; i < 25000 && scene->end_count == 0; i++) {
        turns(scene, 1);
    }
    assert_int_equal(scene->end_count, 1);
}

static void scene_close(struct scene *scene) {
    if (scene->peer >= 0) {
        close(scene->peer);
    }
    if (scene->conn != NULL) {
        conn_abort(scene->conn, FAULT_ABUSE);
    }
    loop_finish(&scene->loop);
    buffer_finish(&scene->got);
}

static void peer_sends(struct scene *scene, const char *text) {
    assert_int_equal(write(scene->peer, text, strlen(text)), strlen(text));
}

static void peer_resets(struct scene *scene) {
    struct linger linger = {1, 0};
    setsockopt(scene->peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(scene->peer);
    scene->peer = -1;
}

static void write_bytes(struct conn *conn, struct slice bytes) {
    buffer_append_slice(conn_output(conn), bytes);
    conn_mark(conn);
}

static void assert_got(struct scene *scene, const char *text) {
    assert_int_equal(buffer_length(&scene->got), strlen(text));
    assert_memory_equal(buffer_peek(&scene->got).data, text, strlen(text));
}

static void test_ready_comes_at_the_end_of_the_turn(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, TCP, &quiet_events);
    peer_sends(&scene, "hello");
    assert_string_equal(scene.story, "");
    turn(&scene);
    assert_string_equal(scene.story, "ready bytes ");
    assert_got(&scene, "hello");
    assert_string_equal(conn_peer(scene.conn)->text, "127.0.0.1");
    assert_int_equal(conn_peer(scene.conn)->bytes[10], 0xff);
    assert_int_equal(conn_peer(scene.conn)->bytes[12], 127);
    assert_true(conn_peer(scene.conn)->port > 0);
    assert_true(conn_local_port(scene.conn) > 0);
    assert_false(conn_is_tls(scene.conn));
    assert_true(conn_covers(scene.conn, SLICE("anything")));
    scene_close(&scene);
}

static void test_one_write_for_a_turn(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, PACKETS, &quiet_events);
    turn(&scene);
    write_bytes(scene.conn, SLICE("one "));
    write_bytes(scene.conn, SLICE("two "));
    buffer_append_slice(conn_output(scene.conn), SLICE("three"));
    char data[64];
    assert_int_equal(read(scene.peer, data, sizeof(data)), -1);
    turn(&scene);
    assert_int_equal(read(scene.peer, data, sizeof(data)), 13);
    assert_memory_equal(data, "one two three", 13);
    assert_int_equal(conn_unsent(scene.conn), 0);
    assert_string_equal(conn_peer(scene.conn)->text, "unix");
    scene_close(&scene);
}

static void test_mark_flushes_once_and_again_next_turn(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, PACKETS, &all_events);
    turn(&scene);
    scene.left_to_flush = 30;
    scene.flush_piece = 10;
    scene.marks_in_flush = true;
    conn_mark(scene.conn);
    conn_mark(scene.conn);
    char data[64];
    for (size_t i = 1; i <= 3; i++) {
        turn(&scene);
        assert_int_equal(scene.flush_count, i);
        assert_int_equal(read(scene.peer, data, sizeof(data)), 10);
    }
    turns(&scene, 3);
    assert_int_equal(scene.flush_count, 3);
    scene_close(&scene);
}

// A client of either kind, not blocking.
struct client {
    int fd;
    SSL *ssl;
};

static SSL_CTX *client_context;

static void client_open(struct client *client, struct scene *scene, enum kind kind) {
    *client = (struct client){.fd = scene->peer};
    if (kind == TLS) {
        client_context = SSL_CTX_new(TLS_client_method());
        client->ssl = SSL_new(client_context);
        SSL_set_mode(client->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
        SSL_set_fd(client->ssl, client->fd);
        SSL_set_connect_state(client->ssl);
    }
}

static void client_close(struct client *client) {
    if (client->ssl != NULL) {
        SSL_free(client->ssl);
        SSL_CTX_free(client_context);
        ERR_clear_error();
    }
}

static void client_shakes_hands(struct client *client, struct scene *scene) {
    for (int i = 0; client->ssl != NULL && i < 1000 && SSL_do_handshake(client->ssl) != 1; i++) {
        turns(scene, 1);
    }
    run_until(scene, "ready");
    assert_true(client->ssl == NULL || SSL_is_init_finished(client->ssl));
}

// Counts like read().
static ssize_t client_reads(struct client *client, char *data, size_t size) {
    if (client->ssl == NULL) {
        return read(client->fd, data, size);
    }
    ERR_clear_error();
    int count = SSL_read(client->ssl, data, (int)size);
    return count > 0 ? count : SSL_get_error(client->ssl, count) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t client_writes(struct client *client, const char *data, size_t size) {
    ERR_clear_error();
    return client->ssl == NULL ? write(client->fd, data, size)
                               : SSL_write(client->ssl, data, (int)size);
}

// Byte i of any stream in these tests.
static char letter(size_t i) {
    return (char)('a' + (i + i / 1000) % 26);
}

static void write_letters(struct conn *conn, size_t from, size_t count) {
    char *data = buffer_reserve(conn_output(conn), count);
    for (size_t i = 0; i < count; i++) {
        data[i] = letter(from + i);
    }
    buffer_commit(conn_output(conn), count);
    conn_mark(conn);
}

// Reads what is there and checks it; returns the new position.
static size_t client_checks(struct client *client, size_t from) {
    static char data[100000];
    ssize_t count;
    while ((count = client_reads(client, data, sizeof(data))) > 0) {
        for (ssize_t i = 0; i < count; i++, from++) {
            if (data[i] != letter(from)) {
                fail_msg("byte %zu is wrong", from);
            }
        }
    }
    return from;
}

static void check_fullness_ends_in_drained(enum kind kind) {
    struct scene scene;
    struct client client;
    scene_open(&scene, kind, &quiet_events);
    client_open(&client, &scene, kind);
    client_shakes_hands(&client, &scene);
    size_t written = 0;
    while (!conn_is_full(scene.conn)) {
        write_letters(scene.conn, written, 50000);
        written += 50000;
        turns(&scene, 3);
        assert_true(written < 50000000);
    }
    assert_true(conn_unsent(scene.conn) >= CONN_FULL_BYTES);
    turns(&scene, 5);
    assert_null(strstr(scene.story, "drained"));
    size_t read = 0;
    for (int i = 0; i < 20000 && read < written; i++) {
        read = client_checks(&client, read);
        turns(&scene, 1);
    }
    assert_int_equal(read, written);
    assert_string_equal(scene.story, "ready drained ");
    assert_int_equal(conn_unsent(scene.conn), 0);
    client_close(&client);
    scene_close(&scene);
}

static void test_fullness_ends_in_drained(void **state) {
    (void)state;
    check_fullness_ends_in_drained(UNIX);
    check_fullness_ends_in_drained(TCP);
    check_fullness_ends_in_drained(TLS);
}

// Fullness that the kernel takes away within the same flush.
static void test_short_fullness_is_drained_too(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, TCP, &quiet_events);
    setsockopt(scene.peer, SOL_SOCKET, SO_RCVBUF, &(int){4 << 20}, sizeof(int));
    turn(&scene);
    write_letters(scene.conn, 0, CONN_FULL_BYTES);
    assert_true(conn_is_full(scene.conn));
    struct client client = {.fd = scene.peer};
    size_t read = 0;
    for (int i = 0; i < 5000 && strstr(scene.story, "drained") == NULL; i++) {
        turns(&scene, 1);
        read = client_checks(&client, read);
    }
    assert_string_equal(scene.story, "ready drained ");
    scene_close(&scene);
}

static void check_pulled_output(enum kind kind) {
    struct scene scene;
    struct client client;
    scene_open(&scene, kind, &all_events);
    client_open(&client, &scene, kind);
    client_shakes_hands(&client, &scene);
    size_t total = 20 << 20;
    scene.left_to_flush = total;
    scene.flush_piece = 60000;
    scene.marks_in_flush = true;
    conn_mark(scene.conn);
    static char data[100000];
    size_t read = 0;
    for (int i = 0; i < 50000 && read < total; i++) {
        turns(&scene, i < 1000 ? 0 : 1);
        turn(&scene);
        ssize_t count;
        while (i % 3 == 0 && (count = client_reads(&client, data, sizeof(data))) > 0) {
            read += (size_t)count;
        }
    }
    assert_int_equal(read, total);
    // What waits is one piece: nothing is pulled before the kernel has taken the last.
    assert_true(scene.most_unsent <= scene.flush_piece);
    client_close(&client);
    scene_close(&scene);
}

static void test_output_is_pulled_as_the_kernel_takes_it(void **state) {
    (void)state;
    check_pulled_output(TCP);
    check_pulled_output(TLS);
}

static void test_pause_and_resume(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, UNIX, &quiet_events);
    conn_pause(scene.conn);
    peer_sends(&scene, "one");
    turns(&scene, 3);
    assert_string_equal(scene.story, "ready ");
    scene.act_in = "bytes";
    scene.action = PAUSE;
    conn_resume(scene.conn);
    turns(&scene, 3);
    assert_got(&scene, "one");
    peer_sends(&scene, " two");
    shutdown(scene.peer, SHUT_WR);
    turns(&scene, 3);
    assert_string_equal(scene.story, "ready bytes ");
    conn_resume(scene.conn);
    conn_pause(scene.conn);
    turns(&scene, 3);
    assert_string_equal(scene.story, "ready bytes ");
    conn_pause(scene.conn);
    conn_resume(scene.conn);
    assert_string_equal(scene.story, "ready bytes ");
    turns(&scene, 3);
    assert_string_equal(scene.story, "ready bytes bytes eof ");
    assert_got(&scene, "one two");
    scene_close(&scene);
}

static void test_room_limits_each_piece(void **state) {
    (void)state;
    static const size_t rooms[] = {0, 1, 7, 100000};
    for (size_t i = 0; i < 4; i++) {
        struct scene scene;
        scene_open(&scene, UNIX, &least_events);
        scene.room = rooms[i];
        peer_sends(&scene, "0123456789012345678901234567890123456789");
        turns(&scene, 3);
        assert_int_equal(buffer_length(&scene.got), 40);
        size_t most = rooms[i] > 0 ? rooms[i] : 1;
        assert_int_equal(scene.largest_piece, most < 40 ? most : 40);
        assert_int_equal(scene.drained_count, most > 1);
        assert_false(conn_was_drained(scene.conn)); // any more
        scene_close(&scene);
    }
}

static void test_eof_leaves_our_side_open(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, TCP, &quiet_events);
    peer_sends(&scene, "question");
    shutdown(scene.peer, SHUT_WR);
    run_until(&scene, "eof");
    turns(&scene, 3);
    assert_string_equal(scene.story, "ready bytes eof ");
    write_bytes(scene.conn, SLICE("answer"));
    conn_close(scene.conn);
    run_until_end(&scene);
    assert_int_equal(scene.fault, FAULT_NONE);
    char data[64];
    assert_int_equal(read(scene.peer, data, sizeof(data)), 6);
    assert_int_equal(read(scene.peer, data, sizeof(data)), 0);
    scene_close(&scene);
}

static void test_eof_closes_when_nobody_asks_for_it(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, TCP, &least_events);
    scene.room = 100;
    peer_sends(&scene, "last");
    shutdown(scene.peer, SHUT_WR);
    run_until_end(&scene);
    assert_string_equal(scene.story, "ready bytes none ");
    scene_close(&scene);
}

static void test_reset_by_the_peer(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, TCP, &quiet_events);
    turn(&scene);
    peer_resets(&scene);
    run_until_end(&scene);
    assert_string_equal(scene.story, "ready conn_reset ");
    scene_close(&scene);
}

// Both in one turn, so that what was read last hides the reset.
static void test_reset_behind_bytes_is_no_clean_end(void **state) {
    (void)state;
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        struct scene scene;
        struct client client;
        scene_open(&scene, is_tls ? TLS : TCP, &quiet_events);
        client_open(&client, &scene, is_tls ? TLS : TCP);
        client_shakes_hands(&client, &scene);
        client_writes(&client, "half a response", 15);
        peer_resets(&scene);
        run_until_end(&scene);
        assert_null(strstr(scene.story, "eof"));
        assert_int_equal(scene.fault, FAULT_CONN_RESET);
        client_close(&client);
        scene_close(&scene);
    }
}

static void check_close_delivers_all(enum kind kind, size_t length) {
    struct scene scene;
    struct client client;
    scene_open(&scene, kind, &quiet_events);
    client_open(&client, &scene, kind);
    client_shakes_hands(&client, &scene);
    write_letters(scene.conn, 0, length);
    conn_close(scene.conn);
    conn_close(scene.conn);
    client_writes(&client, "what nobody reads any more", 26);
    size_t read = 0;
    char byte;
    for (int i = 0; i < 20000 && read < length; i++) {
        turns(&scene, 1);
        read = client_checks(&client, read);
        assert_int_equal(scene.end_count, 0);
    }
    assert_int_equal(read, length);
    turns(&scene, 5);
    assert_int_equal(client_reads(&client, &byte, 1), 0); // FIN, with TLS close_notify
    assert_int_equal(scene.end_count, 0);                 // waits for ours
    close(scene.peer);
    scene.peer = -1;
    run_until_end(&scene);
    assert_string_equal(scene.story, "ready none ");
    client_close(&client);
    scene_close(&scene);
}

static void test_close_delivers_all_and_waits_for_the_peer(void **state) {
    (void)state;
    static const enum kind kinds[] = {UNIX, TCP, TLS};
    for (size_t i = 0; i < 3; i++) {
        check_close_delivers_all(kinds[i], 0);
        check_close_delivers_all(kinds[i], 5);
        check_close_delivers_all(kinds[i], 3000000);
    }
}

static void test_close_does_not_wait_for_ever(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, TCP, &quiet_events);
    turn(&scene);
    uint64_t start = uv_hrtime();
    conn_close(scene.conn);
    run_until_end(&scene);
    uint64_t ms = (uv_hrtime() - start) / 1000000;
    assert_in_range(ms, 1900, 9000);
    assert_string_equal(scene.story, "ready none ");
    scene_close(&scene);
}

static void test_abort_resets(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, TCP, &quiet_events);
    turn(&scene);
    write_bytes(scene.conn, SLICE("never leaves"));
    scene.is_inside = true;
    conn_abort(scene.conn, FAULT_CONN_TIMEOUT);
    conn_abort(scene.conn, FAULT_NONE);
    conn_close(scene.conn);
    conn_pause(scene.conn);
    conn_resume(scene.conn);
    write_bytes(scene.conn, SLICE("nor this"));
    conn_set_deadline(scene.conn, 1);
    scene.is_inside = false;
    run_until_end(&scene);
    assert_string_equal(scene.story, "ready conn_timeout ");
    char byte;
    assert_int_equal(read(scene.peer, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    scene_close(&scene);
}

static void test_abort_while_closing(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, TCP, &quiet_events);
    turn(&scene);
    conn_close(scene.conn);
    turns(&scene, 3);
    conn_abort(scene.conn, FAULT_DRAINING);
    run_until_end(&scene);
    assert_string_equal(scene.story, "ready draining ");
    scene_close(&scene);
}

// Whatever callback it is called from, nothing comes after it but one on_end.
static void test_end_from_inside_each_callback(void **state) {
    (void)state;
    static const char *const names[] = {"ready", "bytes", "eof", "flush", "drained", "deadline"};
    for (size_t i = 0; i < 2 * sizeof(names) / sizeof(names[0]); i++) {
        struct scene scene;
        scene_open(&scene, i % 2 == 0 ? TCP : UNIX, &all_events);
        scene.act_in = names[i / 2];
        scene.action = i % 2 == 0 ? CLOSE : ABORT;
        scene.left_to_flush = 400000;
        scene.flush_piece = 400000;
        conn_set_deadline(scene.conn, 20);
        conn_mark(scene.conn);
        peer_sends(&scene, "hello");
        struct client client = {.fd = scene.peer};
        char data[65536];
        for (int k = 0; k < 5000 && scene.end_count == 0; k++) {
            turns(&scene, 1);
            while (client_reads(&client, data, sizeof(data)) > 0) {
            }
            if (k == 500) {
                shutdown(scene.peer, SHUT_WR);
            }
        }
        assert_int_equal(scene.end_count, 1);
        char last[32];
        snprintf(last, sizeof(last), "%s %s ", names[i / 2], i % 2 == 0 ? "none" : "abuse");
        size_t length = strlen(scene.story);
        assert_true(length >= strlen(last));
        assert_string_equal(scene.story + length - strlen(last), last);
        scene_close(&scene);
    }
}

static void test_deadline_moves(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, TCP, &quiet_events);
    conn_set_deadline(scene.conn, 10);
    conn_set_deadline(scene.conn, 0);
    turns(&scene, 200);
    assert_string_equal(scene.story, "ready ");
    conn_set_deadline(scene.conn, 10);
    run_until(&scene, "deadline");
    turns(&scene, 200);
    assert_string_equal(scene.story, "ready deadline ");
    conn_set_deadline(scene.conn, 5);
    conn_close(scene.conn);
    turns(&scene, 200);
    assert_string_equal(scene.story, "ready deadline ");
    scene_close(&scene);
}

static void test_never_attached(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct scene scene;
        scene_open(&scene, i < 2 ? TCP : TLS, NULL);
        if (i % 2 == 0) {
            conn_close(scene.conn);
            close(scene.peer);
            scene.peer = -1;
        } else {
            conn_abort(scene.conn, FAULT_NONE);
        }
        scene.conn = NULL;
        scene_close(&scene); // loop_finish hangs if a handle stays open
    }
}

static void test_progress_stands_still_when_the_peer_does(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, UNIX, &quiet_events);
    turn(&scene);
    turns(&scene, 100);
    assert_true(conn_last_progress_ms(scene.conn) == loop_now(&scene.loop));
    write_letters(scene.conn, 0, 2000000);
    assert_true(conn_last_progress_ms(scene.conn) == loop_now(&scene.loop));
    turn(&scene);
    uint64_t stuck = conn_last_progress_ms(scene.conn);
    usleep(20000);
    turns(&scene, 3);
    assert_int_equal(conn_last_progress_ms(scene.conn), stuck);
    assert_true(loop_now(&scene.loop) >= stuck + 20);
    struct client client = {.fd = scene.peer};
    client_checks(&client, 0);
    turns(&scene, 3);
    assert_true(conn_last_progress_ms(scene.conn) >= stuck + 20);
    scene_close(&scene);
}

// An origin that answers early and closes: writing fails, but what it said still counts.
static void test_last_words_of_a_peer_that_does_not_listen(void **state) {
    (void)state;
    for (int is_tcp = 0; is_tcp < 2; is_tcp++) {
        struct scene scene;
        scene_open(&scene, is_tcp ? TCP : UNIX, &quiet_events);
        turn(&scene);
        peer_sends(&scene, "413 early answer");
        close(scene.peer);
        scene.peer = -1;
        for (int i = 0; i < 20 && scene.end_count == 0; i++) {
            write_bytes(scene.conn, SLICE("a long upload"));
            turns(&scene, 2);
        }
        assert_got(&scene, "413 early answer");
        run_until_end(&scene);
        assert_int_equal(scene.fault, FAULT_CONN_RESET);
        scene_close(&scene);
    }
}

// Who does not read hears of the reset by writing.
static void test_paused_writer_hears_of_the_reset(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, TCP, &quiet_events);
    conn_pause(scene.conn);
    turns(&scene, 3);
    peer_resets(&scene);
    turns(&scene, 3);
    assert_int_equal(scene.end_count, 0);
    write_bytes(scene.conn, SLICE("hello"));
    run_until_end(&scene);
    assert_string_equal(scene.story, "ready conn_reset ");
    scene_close(&scene);
}

// An origin's response counts, though the request could not be sent to its end; what a client asks
// that has gone does not.
static void test_unread_bytes_when_writing_is_over(void **state) {
    (void)state;
    for (int must_answer = 0; must_answer < 2; must_answer++) {
        struct conn_events events = quiet_events;
        events.must_answer = must_answer;
        struct scene scene;
        scene_open(&scene, TCP, &events);
        conn_pause(scene.conn);
        turns(&scene, 3);
        peer_sends(&scene, "unread");
        turns(&scene, 3);
        peer_resets(&scene);
        turns(&scene, 3);
        write_bytes(scene.conn, SLICE("hello"));
        turns(&scene, 10);
        assert_int_equal(scene.end_count, must_answer);
        if (!must_answer) {
            conn_resume(scene.conn);
        }
        run_until_end(&scene);
        assert_int_equal(scene.fault, FAULT_CONN_RESET);
        assert_got(&scene, must_answer ? "" : "unread");
        scene_close(&scene);
    }
}

static void test_tls_carries_bytes_both_ways(void **state) {
    (void)state;
    struct scene scene;
    struct client client;
    scene_open(&scene, TLS, &quiet_events);
    client_open(&client, &scene, TLS);
    SSL_set_alpn_protos(client.ssl, (const unsigned char *)"\x02h2", 3);
    SSL_set_tlsext_host_name(client.ssl, "LocalHost");
    write_bytes(scene.conn, SLICE("written before it was ready"));
    client_shakes_hands(&client, &scene);
    assert_string_equal(scene.story, "ready:h2 ");
    assert_true(conn_is_tls(scene.conn));
    assert_true(slice_equal(conn_server_name(scene.conn), SLICE("localhost")));
    assert_true(conn_covers(scene.conn, SLICE("127.0.0.1")));
    assert_false(conn_covers(scene.conn, SLICE("example.org")));
    turns(&scene, 3);
    char data[64];
    assert_int_equal(client_reads(&client, data, sizeof(data)), 27);
    assert_int_equal(client_writes(&client, "hello", 5), 5);
    run_until(&scene, "bytes");
    assert_got(&scene, "hello");
    write_bytes(scene.conn, SLICE("world"));
    conn_offer_ticket(scene.conn);
    turns(&scene, 3);
    assert_int_equal(client_reads(&client, data, sizeof(data)), 5);
    assert_int_equal(client_reads(&client, data, sizeof(data)), -1);
    SSL_SESSION *session = SSL_get1_session(client.ssl);
    assert_true(SSL_SESSION_is_resumable(session));
    SSL_SESSION_free(session);
    SSL_shutdown(client.ssl);
    run_until(&scene, "eof");
    write_bytes(scene.conn, SLICE("bye"));
    conn_close(scene.conn);
    run_until_end(&scene);
    assert_int_equal(client_reads(&client, data, sizeof(data)), 3);
    assert_int_equal(client_reads(&client, data, sizeof(data)), 0);
    assert_string_equal(scene.story, "ready:h2 bytes eof none ");
    client_close(&client);
    scene_close(&scene);
}

static void test_tls_takes_a_long_upload(void **state) {
    (void)state;
    struct scene scene;
    struct client client;
    scene_open(&scene, TLS, &least_events);
    scene.room = 3000;
    client_open(&client, &scene, TLS);
    client_shakes_hands(&client, &scene);
    size_t total = 2000000;
    size_t sent = 0;
    char data[40000];
    for (int i = 0; i < 200000 && buffer_length(&scene.got) < total; i++) {
        size_t count = total - sent < sizeof(data) ? total - sent : sizeof(data);
        for (size_t k = 0; k < count; k++) {
            data[k] = letter(sent + k);
        }
        ssize_t written = count > 0 ? client_writes(&client, data, count) : 0;
        sent += written > 0 ? (size_t)written : 0;
        turn(&scene);
    }
    assert_int_equal(buffer_length(&scene.got), total);
    const char *got = buffer_peek(&scene.got).data;
    for (size_t i = 0; i < total; i++) {
        if (got[i] != letter(i)) {
            fail_msg("byte %zu is wrong", i);
        }
    }
    client_close(&client);
    scene_close(&scene);
}

// Bytes that come in one packet with the end of the handshake, close_notify behind them.
// The length of the next TLS record that comes.
static size_t next_record(struct scene *scene, const struct client *client) {
    unsigned char head[5];
    for (int i = 0; recv(client->fd, head, sizeof(head), MSG_PEEK) != sizeof(head); i++) {
        assert_true(i < 1000);
        turns(scene, 1);
    }
    return (size_t)head[3] << 8 | head[4];
}

// After the first bytes records are large; what is awaited leaves in small ones again.
static void test_tls_hastened_output_leaves_in_small_records(void **state) {
    (void)state;
    struct scene scene;
    struct client client;
    scene_open(&scene, TLS, &quiet_events);
    client_open(&client, &scene, TLS);
    client_shakes_hands(&client, &scene);
    write_letters(scene.conn, 0, TLS_EARLY_BYTES);
    for (size_t at = 0; at < TLS_EARLY_BYTES; at = client_checks(&client, at)) {
        turns(&scene, 1);
    }
    write_letters(scene.conn, TLS_EARLY_BYTES, 16000);
    assert_true(next_record(&scene, &client) > 16000);
    while (conn_unsent(scene.conn) > 0) {
        turns(&scene, 1);
    }
    client_checks(&client, TLS_EARLY_BYTES);
    conn_hasten(scene.conn);
    write_letters(scene.conn, 0, 16000);
    assert_in_range(next_record(&scene, &client), 1, TLS_EARLY_RECORD_BYTES + 100);
    client_close(&client);
    scene_close(&scene);
}

static void test_tls_paused_in_ready_keeps_what_came_along(void **state) {
    (void)state;
    struct scene scene;
    struct client client;
    scene_open(&scene, TLS, &quiet_events);
    scene.act_in = "ready";
    scene.action = PAUSE;
    client_open(&client, &scene, TLS);
    for (int i = 0; i < 1000 && SSL_do_handshake(client.ssl) != 1; i++) {
        turns(&scene, 1);
    }
    client_writes(&client, "early", 5);
    SSL_shutdown(client.ssl);
    run_until(&scene, "ready");
    turns(&scene, 5);
    assert_string_equal(scene.story, "ready ");
    conn_resume(scene.conn);
    assert_string_equal(scene.story, "ready ");
    turns(&scene, 2);
    assert_string_equal(scene.story, "ready bytes eof ");
    assert_got(&scene, "early");
    client_close(&client);
    scene_close(&scene);
}

static void test_tls_without_close_notify_is_an_end_too(void **state) {
    (void)state;
    struct scene scene;
    struct client client;
    scene_open(&scene, TLS, &quiet_events);
    client_open(&client, &scene, TLS);
    client_shakes_hands(&client, &scene);
    client_writes(&client, "hello", 5);
    shutdown(scene.peer, SHUT_WR);
    run_until(&scene, "eof");
    assert_string_equal(scene.story, "ready bytes eof ");
    client_close(&client);
    scene_close(&scene);
}

static void test_tls_garbage(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, TLS, &quiet_events);
    turn(&scene);
    assert_int_equal(write(scene.peer, "\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9), 9);
    turns(&scene, 5);
    unsigned char data[64];
    assert_int_equal(read(scene.peer, data, sizeof(data)), 7); // a fatal alert
    assert_int_equal(data[0], 21);
    assert_int_equal(read(scene.peer, data, sizeof(data)), 0);
    close(scene.peer);
    scene.peer = -1;
    run_until_end(&scene);
    assert_string_equal(scene.story, "tls_handshake ");
    scene_close(&scene);
}

static void test_tls_looking_at_the_port_is_no_fault(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, TLS, &quiet_events);
    turn(&scene);
    close(scene.peer);
    scene.peer = -1;
    run_until_end(&scene);
    assert_string_equal(scene.story, "none ");
    scene_close(&scene);
}

static int record_hello(char *out_hello, int size) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    int length = BIO_read(out, out_hello, size);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return length;
}

static void test_tls_cut_anywhere(void **state) {
    (void)state;
    struct scene scene;
    char hello[2000];
    int length = record_hello(hello, sizeof(hello));
    assert_true(length > 100);
    for (int cut = 1; cut <= length; cut += cut < 20 ? 1 : 7) {
        scene_open(&scene, TLS, &quiet_events);
        assert_int_equal(write(scene.peer, hello, (size_t)cut), cut);
        turns(&scene, 1);
        if (cut % 2 == 0) {
            peer_resets(&scene);
        } else {
            close(scene.peer);
            scene.peer = -1;
        }
        run_until_end(&scene);
        assert_true(scene.fault == FAULT_TLS_HANDSHAKE || scene.fault == FAULT_CONN_RESET);
        scene_close(&scene);
    }
}

// TLS 1.3 lets a peer ask for new keys, which we answer, as often as it likes: not here. Nor does
// one that never reads fill our memory.
static void test_tls_answers_are_not_hoarded(void **state) {
    (void)state;
    struct scene scene;
    struct client client;
    scene_open(&scene, TLS_NARROW, &quiet_events);
    client_open(&client, &scene, TLS);
    client_shakes_hands(&client, &scene);
    for (int i = 0; i < 200000 && scene.end_count == 0; i++) {
        SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED);
        SSL_do_handshake(client.ssl);
        if (i % 100 == 0) {
            turn(&scene);
            assert_true(scene.conn == NULL || conn_unsent(scene.conn) < 4 * CONN_FULL_BYTES);
        }
    }
    run_until_end(&scene);
    assert_int_equal(scene.end_count, 1);
    assert_int_equal(scene.fault, FAULT_ABUSE);
    client_close(&client);
    scene_close(&scene);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready_comes_at_the_end_of_the_turn),
        cmocka_unit_test(test_one_write_for_a_turn),
        cmocka_unit_test(test_mark_flushes_once_and_again_next_turn),
        cmocka_unit_test(test_fullness_ends_in_drained),
        cmocka_unit_test(test_short_fullness_is_drained_too),
        cmocka_unit_test(test_output_is_pulled_as_the_kernel_takes_it),
        cmocka_unit_test(test_pause_and_resume),
        cmocka_unit_test(test_room_limits_each_piece),
        cmocka_unit_test(test_eof_leaves_our_side_open),
        cmocka_unit_test(test_eof_closes_when_nobody_asks_for_it),
        cmocka_unit_test(test_reset_by_the_peer),
        cmocka_unit_test(test_reset_behind_bytes_is_no_clean_end),
        cmocka_unit_test(test_close_delivers_all_and_waits_for_the_peer),
        cmocka_unit_test(test_close_does_not_wait_for_ever),
        cmocka_unit_test(test_abort_resets),
        cmocka_unit_test(test_abort_while_closing),
        cmocka_unit_test(test_end_from_inside_each_callback),
        cmocka_unit_test(test_deadline_moves),
        cmocka_unit_test(test_never_attached),
        cmocka_unit_test(test_progress_stands_still_when_the_peer_does),
        cmocka_unit_test(test_last_words_of_a_peer_that_does_not_listen),
        cmocka_unit_test(test_paused_writer_hears_of_the_reset),
        cmocka_unit_test(test_unread_bytes_when_writing_is_over),
        cmocka_unit_test(test_tls_carries_bytes_both_ways),
        cmocka_unit_test(test_tls_takes_a_long_upload),
        cmocka_unit_test(test_tls_hastened_output_leaves_in_small_records),
        cmocka_unit_test(test_tls_paused_in_ready_keeps_what_came_along),
        cmocka_unit_test(test_tls_without_close_notify_is_an_end_too),
        cmocka_unit_test(test_tls_garbage),
        cmocka_unit_test(test_tls_looking_at_the_port_is_no_fault),
        cmocka_unit_test(test_tls_cut_anywhere),
        cmocka_unit_test(test_tls_answers_are_not_hoarded),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
