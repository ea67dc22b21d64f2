// SPDX-License-Identifier: Apache-2.0
#include "net/tls_session.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "tls_impl.h"

enum {
    RECORD_BYTES = 16 * 1024,
    RECORD_OVERHEAD = 64, // header, nonce, tag, and a record that asks for new keys
    // A client may want new keys now and then; each time costs some hashing and perhaps an answer.
    MOST_KEY_UPDATES = 100,
};

struct tls_session {
    SSL *ssl;
    struct tls_context *context;
    enum tls_status status;
    size_t early_left; // plaintext that still leaves in small records
    unsigned key_updates;
    bool is_ticket_offered;
    bool is_end_said;
    char *server_name;      // NULL: the client sent none
    struct slice input;     // during a call: ciphertext not used yet
    struct tls_span *out;   // during a call: where ciphertext goes,
    struct buffer overflow; // and what did not fit
};

static void on_message(int is_ours, int version, int type, const void *bytes, size_t length,
                       SSL *ssl, void *user);
static void make_bio_method(void);
static int on_bio_read(BIO *bio, char *data, int size);
static int on_bio_write(BIO *bio, const char *data, int size);
static long on_bio_ctrl(BIO *bio, int command, long number, void *pointer);
static void begin(struct tls_session *session, struct slice input, struct tls_span *out_cipher);
static size_t finish(struct tls_session *session);
static void append(struct tls_span *span, struct slice *bytes);
static void shake_hands(struct tls_session *session);
static bool read_plain(struct tls_session *session, struct tls_span *out_plain);
static void note_read_error(struct tls_session *session, int result);

static pthread_once_t bio_method_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *bio_method; // one for all; lives as long as the process

struct tls_session *tls_session_create(struct tls_context *context) {
    pthread_once(&bio_method_once, make_bio_method);
    struct tls_session *session = alloc_new(struct tls_session);
    session->early_left = TLS_EARLY_BYTES;
    session->context = tls_context_ref(context);
    session->ssl = tls_context_new_ssl(context, session);
    BIO *bio = BIO_new(bio_method);
    if (bio == NULL) {
        alloc_fail(sizeof(void *));
    }
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_msg_callback(session->ssl, on_message);
    SSL_set_msg_callback_arg(session->ssl, session);
    return session;
}

static void on_message(int is_ours, int version, int type, const void *bytes, size_t length,
                       SSL *ssl, void *user) {
    (void)version;
    (void)ssl;
    struct tls_session *session = user;
    const unsigned char *message = bytes;
    session->key_updates +=
        is_ours == 0 && type == SSL3_RT_HANDSHAKE && length > 0 && message[0] == SSL3_MT_KEY_UPDATE;
}

static void make_bio_method(void) {
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "outrider");
    ensure(bio_method != NULL);
    BIO_meth_set_read(bio_method, on_bio_read);
    BIO_meth_set_write(bio_method, on_bio_write);
    BIO_meth_set_ctrl(bio_method, on_bio_ctrl);
}

static int on_bio_read(BIO *bio, char *data, int size) {
    struct tls_session *session = BIO_get_data(bio);
    struct slice bytes = slice_first(session->input, (size_t)size);
    BIO_clear_retry_flags(bio);
    if (bytes.length == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(data, bytes.data, bytes.length);
    session->input = slice_skip(session->input, bytes.length);
    return (int)bytes.length;
}

// Always takes everything, so OpenSSL never has to be asked to write again.
static int on_bio_write(BIO *bio, const char *data, int size) {
    struct tls_session *session = BIO_get_data(bio);
    struct slice bytes = slice_of(data, (size_t)size);
    if (buffer_length(&session->overflow) == 0) {
        append(session->out, &bytes);
    }
    buffer_append_slice(&session->overflow, bytes);
    return size;
}

static long on_bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

void tls_session_note_server_name(struct tls_session *session, struct slice name) {
    free(session->server_name);
    session->server_name = alloc_bytes(name.length + 1);
    for (size_t i = 0; i < name.length; i++) {
        session->server_name[i] = slice_lower(name.data[i]);
    }
    session->server_name[name.length] = '\0';
}

size_t tls_session_feed(struct tls_session *session, struct slice cipher,
                        struct tls_span *out_plain, struct tls_span *out_cipher,
                        enum tls_status *out_status) {
    begin(session, cipher, out_cipher);
    if (session->status == TLS_HANDSHAKING && buffer_length(&session->overflow) == 0) {
        shake_hands(session);
    }
    while (session->status == TLS_OPEN && buffer_length(&session->overflow) == 0 &&
           read_plain(session, out_plain)) {
    }
    if (session->status == TLS_ENDED || session->status == TLS_FAILED) {
        session->input = slice_skip(session->input, session->input.length);
    }
    *out_status = session->status;
    return cipher.length - finish(session);
}

// OpenSSL keeps old errors per thread and would take them for its own.
static void begin(struct tls_session *session, struct slice input, struct tls_span *out_cipher) {
    ERR_clear_error();
    session->input = input;
    session->out = out_cipher;
    struct slice waiting = buffer_peek(&session->overflow);
    append(out_cipher, &waiting);
    buffer_consume(&session->overflow, buffer_length(&session->overflow) - waiting.length);
}

// Forgets the caller's memory; returns how much input was left.
static size_t finish(struct tls_session *session) {
    size_t left = session->input.length;
    session->input = SLICE_EMPTY;
    session->out = NULL;
    return left;
}

// Moves from `bytes` what fits.
static void append(struct tls_span *span, struct slice *bytes) {
    struct slice fitting = slice_first(*bytes, span->capacity - span->length);
    if (fitting.length > 0) {
        memcpy(span->data + span->length, fitting.data, fitting.length);
        span->length += fitting.length;
        *bytes = slice_skip(*bytes, fitting.length);
    }
}

static void shake_hands(struct tls_session *session) {
    int result = SSL_do_handshake(session->ssl);
    if (result == 1) {
        session->status = TLS_OPEN;
    } else if (SSL_get_error(session->ssl, result) != SSL_ERROR_WANT_READ) {
        session->status = TLS_FAILED;
    }
}

// False when nothing more can be read now.
static bool read_plain(struct tls_session *session, struct tls_span *out_plain) {
    size_t room = out_plain->capacity - out_plain->length;
    if (room == 0) {
        return false;
    }
    int most = room < INT_MAX ? (int)room : INT_MAX;
    int count = SSL_read(session->ssl, out_plain->data + out_plain->length, most);
    if (tls_session_is_flooded(session)) {
        session->status = TLS_FAILED;
        return false;
    }
    if (count <= 0) {
        note_read_error(session, count);
        return false;
    }
    out_plain->length += (size_t)count;
    return true;
}

static void note_read_error(struct tls_session *session, int result) {
    int error = SSL_get_error(session->ssl, result);
    if (error == SSL_ERROR_ZERO_RETURN) {
        session->status = TLS_ENDED;
    } else if (error != SSL_ERROR_WANT_READ) {
        session->status = TLS_FAILED;
    }
}

size_t tls_session_seal(struct tls_session *session, struct slice plain,
                        struct tls_span *out_cipher) {
    size_t before = plain.length;
    bool can_write = session->status == TLS_OPEN || session->status == TLS_ENDED;
    ensure(can_write || session->status == TLS_FAILED);
    begin(session, SLICE_EMPTY, out_cipher);
    while (can_write && plain.length > 0 && buffer_length(&session->overflow) == 0 &&
           out_cipher->capacity - out_cipher->length > RECORD_OVERHEAD) {
        size_t room = out_cipher->capacity - out_cipher->length - RECORD_OVERHEAD;
        size_t unit = session->early_left > 0 ? TLS_EARLY_RECORD_BYTES : RECORD_BYTES;
        size_t most = room < unit ? room : unit;
        int count = SSL_write(session->ssl, plain.data, (int)slice_first(plain, most).length);
        if (count <= 0) {
            session->status = TLS_FAILED;
            break;
        }
        plain = slice_skip(plain, (size_t)count);
        size_t early = session->early_left < (size_t)count ? session->early_left : (size_t)count;
        session->early_left -= early;
    }
    finish(session);
    return before - plain.length;
}

void tls_session_note_pause(struct tls_session *session) {
    session->early_left = TLS_EARLY_BYTES;
}

void tls_session_offer_ticket(struct tls_session *session, struct tls_span *out_cipher) {
    if (session->status != TLS_OPEN || session->is_ticket_offered ||
        SSL_version(session->ssl) != TLS1_3_VERSION) {
        return;
    }
    session->is_ticket_offered = true;
    begin(session, SLICE_EMPTY, out_cipher);
    if (SSL_new_session_ticket(session->ssl) == 1) {
        char byte;
        SSL_do_handshake(session->ssl);
        // Finds nothing, but OpenSSL gives a read buffer back that it would keep otherwise.
        SSL_peek(session->ssl, &byte, 1);
    }
    finish(session);
}

void tls_session_end(struct tls_session *session, struct tls_span *out_cipher) {
    begin(session, SLICE_EMPTY, out_cipher);
    if ((session->status == TLS_OPEN || session->status == TLS_ENDED) && !session->is_end_said) {
        session->is_end_said = true;
        SSL_shutdown(session->ssl);
    }
    finish(session);
}

void tls_session_destroy(struct tls_session *session) {
    if (session == NULL) {
        return;
    }
    SSL_free(session->ssl);
    tls_context_unref(&session->context);
    buffer_finish(&session->overflow);
    free(session->server_name);
    free(session);
}

bool tls_session_was_resumed(const struct tls_session *session) {
    return SSL_session_reused(session->ssl) == 1;
}

struct slice tls_session_alpn(const struct tls_session *session) {
    const unsigned char *name = NULL;
    unsigned length = 0;
    SSL_get0_alpn_selected(session->ssl, &name, &length);
    return length > 0 ? slice_of((const char *)name, length) : SLICE_EMPTY;
}

struct slice tls_session_server_name(const struct tls_session *session) {
    return session->server_name != NULL ? slice_of_text(session->server_name) : SLICE_EMPTY;
}

bool tls_session_is_flooded(const struct tls_session *session) {
    return session->key_updates > MOST_KEY_UPDATES;
}

bool tls_session_has_more(const struct tls_session *session) {
    return buffer_length(&session->overflow) > 0 ||
           (session->status == TLS_OPEN && SSL_pending(session->ssl) > 0);
}
