// SPDX-License-Identifier: Apache-2.0
// One connection after the other: the real conn, wire and TLS over a socket pair, between a user
// who pauses, closes and aborts at any moment, inside of calls too, and a client who hands over its
// bytes in any pieces, changes some on the way, asks for new keys, reads nothing, leaves. Input: a
// byte for what the client is, then steps. What the user hears is what the client said, in order,
// and the other way round; no call comes that may not; each end is told once, and what was said
// before a close arrives. (Nothing is random: OpenSSL gets the same numbers each time.)
#define OPENSSL_SUPPRESS_DEPRECATED // RAND_set_rand_method: there is no other that is as short
#include "fuzz.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "fuzz_loop.h"
#include "net/conn.h"
#include "net/tls_context.h"

enum { MOST_STEPS = 200, MOST_BYTES = 400000, MOST_ROUNDS = 2000, PIECE_BYTES = 8192 };

// What the user does inside of a call, at the next one of its kind.
enum reaction {
    NOTHING,
    PAUSE_AT_BYTES,
    CLOSE_AT_BYTES,
    ABORT_AT_BYTES,
    ECHO_AT_BYTES,
    WRITE_AT_FLUSH,
    CLOSE_AT_FLUSH,
    ABORT_AT_FLUSH,
    CLOSE_AT_DRAINED,
    CLOSE_AT_EOF,
    CLOSE_AT_READY,
    ABORT_AT_DEADLINE,
    REACTIONS
};

struct user {
    struct conn *conn; // NULL before and after
    uint64_t heard, said;
    size_t room;
    enum reaction reaction;
    enum fault fault;
    bool is_ready, is_paused, has_closed, has_aborted, has_eof;
};

struct client {
    int fd;        // -1: left
    SSL *ssl;      // NULL: not TLS
    BIO *in, *out; // out: what it has said and not handed over
    uint64_t heard, said;
    uint64_t taken; // off the socket, perhaps only a part of a record
    bool is_deaf;   // reads nothing
    unsigned key_updates;
    bool may_fail;     // what it said, or how, is no good TLS
    bool has_finished; // its side
    bool has_heard_end;
};

static struct loop loop;
static char *scratch[3]; // the loop's
static struct user user;
static struct client client;
static struct tls_context *context;
static SSL_CTX *client_context;
static SSL_SESSION *ticket;
static uint64_t random_state;

static const struct conn_events events;

// --- bytes ---------------------------------------------------------------------------------------

FUZZ_UNCOUNTED static void fill(char *bytes, size_t length, uint64_t place) {
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (char)((place + i) * 31 + (place + i) / 251);
    }
}

static void check_bytes(struct slice bytes, uint64_t place) {
    char wanted[PIECE_BYTES];
    while (bytes.length > 0) {
        size_t length = bytes.length < sizeof(wanted) ? bytes.length : sizeof(wanted);
        fill(wanted, length, place);
        fuzz_check(memcmp(wanted, bytes.data, length) == 0);
        bytes = slice_skip(bytes, length);
        place += length;
    }
}

static int random_bytes(unsigned char *bytes, int count) {
    for (int i = 0; i < count; i++) {
        random_state = random_state * 6364136223846793005U + 1442695040888963407U;
        bytes[i] = (unsigned char)(random_state >> 56);
    }
    return 1;
}

static int random_status(void) {
    return 1;
}

// --- the user ------------------------------------------------------------------------------------

static bool may_call(void) {
    return user.conn != NULL && !user.has_closed && !user.has_aborted;
}

static void user_says(size_t length) {
    char bytes[PIECE_BYTES];
    while (may_call() && user.is_ready && length > 0 && user.said < MOST_BYTES) {
        size_t piece = length < sizeof(bytes) ? length : sizeof(bytes);
        fill(bytes, piece, user.said);
        buffer_append(conn_output(user.conn), bytes, piece);
        user.said += piece;
        length -= piece;
    }
    if (may_call()) {
        conn_mark(user.conn);
    }
}

static void user_closes(void) {
    if (may_call()) {
        fuzz_trace("user closes\n");
        user.has_closed = true;
        conn_close(user.conn);
    }
}

static void user_aborts(void) {
    if (may_call()) {
        fuzz_trace("user aborts\n");
        user.has_aborted = true;
        conn_abort(user.conn, FAULT_DRAINING);
    }
}

static bool takes(enum reaction reaction) {
    bool is_now = user.reaction == reaction;
    user.reaction = is_now ? NOTHING : user.reaction;
    return is_now;
}

static void on_ready(void *nothing, struct slice alpn) {
    (void)nothing;
    fuzz_trace("on_ready %.*s\n", SLICE_ARGS(alpn));
    fuzz_check(may_call() && !user.is_ready);
    user.is_ready = true;
    if (takes(CLOSE_AT_READY)) {
        user_closes();
    }
}

static void on_bytes(void *nothing, struct slice bytes) {
    (void)nothing;
    fuzz_trace("on_bytes %zu\n", bytes.length);
    fuzz_check(may_call() && user.is_ready && !user.is_paused && !user.has_eof);
    fuzz_check(bytes.length > 0);
    fuzz_check(client.ssl != NULL || bytes.length <= (user.room > 0 ? user.room : 1));
    fuzz_check(user.heard + bytes.length <= client.said);
    check_bytes(bytes, user.heard);
    user.heard += bytes.length;
    if (takes(PAUSE_AT_BYTES)) {
        user.is_paused = true;
        conn_pause(user.conn);
    } else if (takes(CLOSE_AT_BYTES)) {
        user_closes();
    } else if (takes(ABORT_AT_BYTES)) {
        user_aborts();
    } else if (takes(ECHO_AT_BYTES)) {
        user_says(bytes.length);
    }
}

static void on_eof(void *nothing) {
    (void)nothing;
    fuzz_trace("on_eof\n");
    fuzz_check(may_call() && user.is_ready && !user.is_paused && !user.has_eof);
    fuzz_check(client.may_fail || client.fd < 0 || user.heard == client.said);
    user.has_eof = true;
    if (takes(CLOSE_AT_EOF)) {
        user_closes();
    }
}

static void on_flush(void *nothing) {
    (void)nothing;
    fuzz_check(may_call() && user.is_ready && !conn_is_full(user.conn));
    if (takes(WRITE_AT_FLUSH)) {
        user_says(100);
    } else if (takes(CLOSE_AT_FLUSH)) {
        user_closes();
    } else if (takes(ABORT_AT_FLUSH)) {
        user_aborts();
    }
}

static void on_drained(void *nothing) {
    (void)nothing;
    fuzz_check(may_call() && user.is_ready && !conn_is_full(user.conn));
    if (takes(CLOSE_AT_DRAINED)) {
        user_closes();
    }
}

static void on_deadline(void *nothing) {
    (void)nothing;
    fuzz_check(may_call());
    if (takes(ABORT_AT_DEADLINE)) {
        user_aborts();
    }
}

static void on_end(void *nothing, enum fault fault) {
    (void)nothing;
    fuzz_trace("on_end %s\n", fault_name(fault));
    fuzz_check(user.conn != NULL); // once
    user.fault = fault;
    user.conn = NULL;
}

static size_t room(void *nothing) {
    (void)nothing;
    return user.room;
}

static const struct conn_events events = {.on_ready = on_ready,
                                          .on_bytes = on_bytes,
                                          .on_eof = on_eof,
                                          .on_flush = on_flush,
                                          .on_drained = on_drained,
                                          .on_deadline = on_deadline,
                                          .on_end = on_end,
                                          .room = room};

// --- the client ----------------------------------------------------------------------------------

static void client_leaves(void) {
    if (client.fd >= 0) {
        fuzz_trace("client leaves\n");
        close(client.fd);
        client.fd = -1;
    }
}

// Hands over so much of what it has said.
static void hand_over(size_t most) {
    char *bytes;
    long length = BIO_get_mem_data(client.out, &bytes);
    if (client.fd < 0 || client.has_finished || length <= 0) {
        return;
    }
    ssize_t count = send(client.fd, bytes, (size_t)length < most ? (size_t)length : most,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
    char gone[PIECE_BYTES];
    while (count > 0) {
        int piece = BIO_read(client.out, gone,
                             count < (ssize_t)sizeof(gone) ? (int)count : (int)sizeof(gone));
        fuzz_check(piece > 0);
        count -= piece;
    }
}

static void note_heard(struct slice bytes) {
    fuzz_check(client.heard + bytes.length <= user.said);
    check_bytes(bytes, client.heard);
    client.heard += bytes.length;
}

static void read_tls(void) {
    char bytes[PIECE_BYTES];
    int count;
    ERR_clear_error();
    while ((count = SSL_read(client.ssl, bytes, sizeof(bytes))) > 0) {
        note_heard(slice_of(bytes, (size_t)count));
    }
    int error = SSL_get_error(client.ssl, count);
    client.has_heard_end |= error == SSL_ERROR_ZERO_RETURN;
    fuzz_check(error == SSL_ERROR_WANT_READ || error == SSL_ERROR_ZERO_RETURN || client.may_fail);
}

static void client_hears(void) {
    char bytes[PIECE_BYTES];
    ssize_t count;
    while (client.fd >= 0 && (count = recv(client.fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        client.taken += (uint64_t)count;
        if (client.ssl == NULL) {
            note_heard(slice_of(bytes, (size_t)count));
        } else {
            fuzz_check(BIO_write(client.in, bytes, (int)count) == count);
        }
    }
    if (client.ssl != NULL) {
        read_tls();
    }
}

static void client_says(size_t length) {
    char bytes[PIECE_BYTES];
    while (length > 0 && client.said < MOST_BYTES && !client.has_finished) {
        size_t piece = length < sizeof(bytes) ? length : sizeof(bytes);
        fill(bytes, piece, client.said);
        ERR_clear_error();
        int count = client.ssl != NULL ? SSL_write(client.ssl, bytes, (int)piece)
                                       : BIO_write(client.out, bytes, (int)piece);
        if (count <= 0) {
            return;
        }
        client.said += (uint64_t)count;
        length -= (size_t)count;
    }
}

static void client_finishes(void) {
    hand_over(SIZE_MAX);
    if (client.fd >= 0 && BIO_pending(client.out) == 0) {
        client.has_finished = true;
        shutdown(client.fd, SHUT_WR);
    }
}

// Bytes that OpenSSL did not say, or not so.
static void client_garbles(struct fuzz_input *input) {
    unsigned how = fuzz_byte(input);
    struct slice raw = fuzz_take(input, fuzz_byte(input) & 63);
    char *bytes;
    long length = BIO_get_mem_data(client.out, &bytes);
    if (client.ssl == NULL) {
        return;
    }
    client.may_fail = true;
    if (how < 128 && length > 0) {
        bytes[how % length] = (char)(bytes[how % length] ^ (1 << (raw.length & 7)));
    } else {
        BIO_write(client.out, raw.data, (int)raw.length);
    }
}

static void ask_for_keys(unsigned times) {
    for (unsigned i = 0; client.ssl != NULL && i < times; i++) {
        ERR_clear_error();
        if (SSL_version(client.ssl) == TLS1_3_VERSION && SSL_is_init_finished(client.ssl)) {
            bool is_said =
                SSL_key_update(client.ssl, times & 1 ? SSL_KEY_UPDATE_REQUESTED
                                                     : SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
                SSL_do_handshake(client.ssl) == 1;
            bool has_ended = (SSL_get_shutdown(client.ssl) & SSL_SENT_SHUTDOWN) != 0;
            client.key_updates += is_said && !has_ended && !client.has_finished;
        } else if (SSL_version(client.ssl) == TLS1_2_VERSION) {
            client.may_fail = true;
            SSL_renegotiate(client.ssl);
            SSL_do_handshake(client.ssl);
            return;
        }
    }
}

// --- a connection --------------------------------------------------------------------------------

static int on_new_ticket(SSL *ssl, SSL_SESSION *take_session) {
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = take_session;
    return 1;
}

static void set_up_once(void) {
    static const RAND_METHOD method = {
        .bytes = random_bytes, .pseudorand = random_bytes, .status = random_status};
    if (context != NULL) {
        return;
    }
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < 3; i++) {
        scratch[i] = alloc_bytes(LOOP_SCRATCH_BYTES);
    }
    fuzz_check(RAND_set_rand_method(&method) == 1);
    struct tls_error error;
    context = tls_context_create(NULL, 0, &error);
    client_context = SSL_CTX_new(TLS_client_method());
    fuzz_check(context != NULL && client_context != NULL);
    SSL_CTX_set_session_cache_mode(client_context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client_context, on_new_ticket);
}

static void open_tls(struct fuzz_input *input, unsigned kind) {
    static const char *const alpn[] = {"\x02h2", "\x08http/1.1\x02h2", "\x02h3", ""};
    unsigned how = fuzz_byte(input);
    const char *offer = alpn[how & 3];
    client.ssl = SSL_new(client_context);
    SSL_set_bio(client.ssl, client.in, client.out);
    SSL_set_connect_state(client.ssl);
    SSL_set_max_proto_version(client.ssl, kind & 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
    if (offer[0] != '\0') {
        SSL_set_alpn_protos(client.ssl, (const unsigned char *)offer, (unsigned)strlen(offer));
    }
    client.may_fail = (how & 3) == 2;
    if ((how & 4) != 0) {
        char name[32] = "";
        struct slice taken = fuzz_take(input, how >> 3);
        memcpy(name, taken.data, taken.length);
        client.may_fail = true; // whatever it says
        SSL_set_tlsext_host_name(client.ssl, name);
    }
    if (ticket != NULL) {
        SSL_set_session(client.ssl, ticket);
    }
}

// `kind`: 1 TLS, 2 of version 1.2, 4 whose kernel takes little, 8 whom nobody waits for at first.
static void open_conn(struct fuzz_input *input) {
    unsigned kind = fuzz_byte(input);
    int ends[2];
    int little = 1;
    fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    if ((kind & 4) != 0) {
        setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
    }
    client =
        (struct client){.fd = ends[1], .in = BIO_new(BIO_s_mem()), .out = BIO_new(BIO_s_mem())};
    BIO_set_mem_eof_return(client.in, -1); // more will come
    if ((kind & 1) != 0) {
        open_tls(input, kind);
    }
    user = (struct user){.room = SIZE_MAX};
    user.conn = conn_create(&loop, ends[0], true, (kind & 1) != 0 ? context : NULL);
    conn_attach(user.conn, &events, NULL);
}

static void turn(void) {
    hand_over(SIZE_MAX);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    fuzz_loop_turn(&loop);
    if (!client.is_deaf) {
        client_hears();
    }
}

static void settle(void) {
    client.is_deaf = false;
    unsigned still = 0;
    for (unsigned i = 0; i < MOST_ROUNDS; i++) {
        uint64_t moved = user.heard + client.taken;
        turn();
        bool is_still = moved == user.heard + client.taken && list_is_empty(&loop.tasks) &&
                        list_is_empty(&loop.next_tasks);
        still = is_still ? still + 1 : 0;
        if (still == 4) { // a handshake takes some
            return;
        }
    }
    fuzz_check(!"it comes to rest");
}

// What both said arrives; what the user says before it closes, too.
static void close_conn(void) {
    bool was_open = may_call();
    if (was_open) {
        user.reaction = NOTHING;
        user.is_paused = false;
        user.room = SIZE_MAX;
        conn_resume(user.conn);
    }
    settle();
    bool is_good = was_open && may_call() && user.is_ready && client.fd >= 0 && !client.may_fail;
    fuzz_trace("the user heard %llu of %llu, the client %llu of %llu\n",
               (unsigned long long)user.heard, (unsigned long long)client.said,
               (unsigned long long)client.heard, (unsigned long long)user.said);
    if (is_good) {
        fuzz_check(user.heard == client.said && client.heard == user.said);
        fuzz_check(client.key_updates <= 100); // more end it
        fuzz_check(conn_unsent(user.conn) == 0);
        user_says(3000);
        user_closes();
        settle();
        fuzz_check(client.heard == user.said && (client.ssl == NULL || client.has_heard_end));
    }
    client_leaves();
    settle();
    fuzz_check(!is_good || (user.conn == NULL && user.fault == FAULT_NONE));
    user_aborts();
    for (unsigned i = 0; user.conn != NULL && i < 3; i++) {
        fuzz_loop_pass(&loop, 11000);
        settle();
    }
    fuzz_check(user.conn == NULL);
    if (client.ssl != NULL) {
        SSL_set_shutdown(client.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); // keeps its ticket
        SSL_free(client.ssl);
    } else {
        BIO_free(client.in);
        BIO_free(client.out);
    }
    client.ssl = NULL;
}

static void ask_about(void) {
    struct conn_path path;
    if (user.conn != NULL) {
        conn_is_quiet(user.conn);
        conn_was_drained(user.conn);
        conn_measure_path(user.conn, &path);
        conn_covers(user.conn, conn_server_name(user.conn));
        fuzz_check(conn_last_progress_ms(user.conn) <= loop_now(&loop));
        fuzz_check(conn_is_tls(user.conn) == (client.ssl != NULL));
    }
}

static void step(unsigned which, struct fuzz_input *input) {
    static const uint64_t times[] = {1, 300, 1000, 2000, 11000};
    switch (which) {
    case 0:
    case 1:
        client_says(fuzz_word(input));
        break;
    case 2:
        hand_over(fuzz_byte(input));
        break;
    case 3:
        user_says(fuzz_word(input));
        break;
    case 4:
        user.reaction = (enum reaction)fuzz_below(input, REACTIONS);
        break;
    case 5:
        user.is_paused = !user.is_paused;
        if (may_call() && user.is_paused) {
            conn_pause(user.conn);
        } else if (may_call()) {
            conn_resume(user.conn);
        }
        break;
    case 6:
        client_garbles(input);
        break;
    case 7:
        ask_for_keys(fuzz_byte(input) % 130);
        break;
    case 8:
        client.is_deaf = !client.is_deaf;
        break;
    case 9:
        fuzz_loop_pass(&loop, times[fuzz_below(input, 5)]);
        break;
    case 10:
        if (may_call()) {
            conn_set_deadline(user.conn, fuzz_word(input));
            conn_hasten(user.conn);
            conn_offer_ticket(user.conn);
        }
        break;
    case 11:
        user.room = fuzz_byte(input);
        break;
    case 12:
        if (client.ssl != NULL && SSL_is_init_finished(client.ssl)) {
            SSL_shutdown(client.ssl);
        }
        break;
    case 13:
        switch (fuzz_byte(input) & 7) {
        case 0:
            client_finishes();
            break;
        case 1:
            client_leaves();
            break;
        case 2:
            user_closes();
            break;
        case 3:
            user_aborts();
            break;
        case 4:
            close_conn();
            open_conn(input);
            break;
        default:
            ask_about();
            break;
        }
        break;
    default:
        turn();
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input_of(data, size);
    set_up_once();
    random_state = 7;
    loop_init(&loop);
    fuzz_check(uv_loop_init(&loop.uv) == 0);
    loop.read_scratch = scratch[0];
    loop.plain_scratch = scratch[1];
    loop.cipher_scratch = scratch[2];
    open_conn(&input);
    for (unsigned steps = 0; input.length > 0 && steps < MOST_STEPS; steps++) {
        unsigned which = fuzz_byte(&input) & 31;
        fuzz_trace("step %u\n", which);
        step(which & 15, &input);
        if (which >= 16) {
            turn();
        }
    }
    close_conn();
    SSL_SESSION_free(ticket);
    ticket = NULL;
    ERR_clear_error();
    fuzz_check(uv_loop_close(&loop.uv) == 0); // no handle is left
    loop_finish(&loop);
    return 0;
}
