// SPDX-License-Identifier: Apache-2.0
#include "net/tls_context.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "tls_impl.h"
#include "tls_tickets.h"

enum { HOST_BYTES = 256 };

struct tls_context {
    atomic_size_t references;
    size_t count;
    struct tls_tickets *tickets;
    SSL_CTX *certificates[]; // the first is the default
};

static bool load(struct tls_context *context, const struct tls_certificate *certificates,
                 struct tls_error *out_error);
static SSL_CTX *create_ssl_context(struct tls_context *context);
static bool apply_policy(SSL_CTX *ssl_context);
static int refuse_password(char *buffer, int size, int is_writing, void *user);
static bool use_files(SSL_CTX *ssl_context, const struct tls_certificate *files,
                      struct tls_error *out_error);
static bool is_folder(const char *path);
static bool use_self_signed(SSL_CTX *ssl_context);
static bool bind_tickets(SSL_CTX *ssl_context);
static bool say_error(struct tls_error *out_error, const char *path);
static const char *known_reason(unsigned long code, bool is_key);
static int on_client_hello(SSL *ssl, int *out_alert, void *argument);
static bool read_server_name(SSL *ssl, struct slice *out_name);
static SSL_CTX *choose(const struct tls_context *context, struct slice name);
static bool certificate_covers(SSL_CTX *ssl_context, struct slice host, unsigned flags);
static int on_alpn(SSL *ssl, const unsigned char **out_protocol, unsigned char *out_length,
                   const unsigned char *offered, unsigned offered_length, void *argument);
static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                         EVP_MAC_CTX *mac, int is_sealing);
static bool use_ticket_key(const struct tls_ticket_key *key, const unsigned char *iv,
                           EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool is_sealing);
static uint64_t now_s(void);

struct tls_context *tls_context_create(const struct tls_certificate *certificates, size_t count,
                                       struct tls_error *out_error) {
    size_t slots = count > 0 ? count : 1;
    struct tls_context *context =
        alloc_zeroed(1, sizeof(*context) + slots * sizeof(context->certificates[0]));
    atomic_init(&context->references, 1);
    context->count = slots;
    context->tickets = tls_tickets_create();
    struct tls_error error = {0};
    ERR_clear_error();
    if (!load(context, count > 0 ? certificates : NULL, &error)) {
        *out_error = error;
        tls_context_unref(&context);
    }
    ERR_clear_error();
    return context;
}

static bool load(struct tls_context *context, const struct tls_certificate *certificates,
                 struct tls_error *out_error) {
    for (size_t i = 0; i < context->count; i++) {
        out_error->index = i;
        SSL_CTX *ssl_context = context->certificates[i] = create_ssl_context(context);
        if (ssl_context == NULL) {
            return say_error(out_error, "TLS");
        }
        if (certificates != NULL && !use_files(ssl_context, &certificates[i], out_error)) {
            return false;
        }
        if (certificates == NULL && !use_self_signed(ssl_context)) {
            return say_error(out_error, "development certificate");
        }
        if (!bind_tickets(ssl_context)) {
            return say_error(out_error, "TLS tickets");
        }
    }
    return true;
}

static SSL_CTX *create_ssl_context(struct tls_context *context) {
    SSL_CTX *ssl_context = SSL_CTX_new(TLS_server_method());
    if (ssl_context == NULL || !apply_policy(ssl_context)) {
        SSL_CTX_free(ssl_context);
        return NULL;
    }
    SSL_CTX_set_client_hello_cb(ssl_context, on_client_hello, context);
    SSL_CTX_set_alpn_select_cb(ssl_context, on_alpn, NULL);
    SSL_CTX_set_app_data(ssl_context, context);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_context, on_ticket_key);
    SSL_CTX_set_default_passwd_cb(ssl_context, refuse_password);
    return ssl_context;
}

// TLS 1.2 only with what HTTP/2 allows (RFC 9113 section 9.2.2): ephemeral keys and AEAD.
static bool apply_policy(SSL_CTX *ssl_context) {
    SSL_CTX_set_options(ssl_context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ssl_context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Sessions live in the clients' tickets: the shared cache would take a lock.
    SSL_CTX_set_session_cache_mode(ssl_context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ssl_context, TLS_TICKET_LIFE_S);
    return SSL_CTX_set_min_proto_version(ssl_context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ssl_context, "ECDHE-ECDSA-AES128-GCM-SHA256:"
                                                "ECDHE-RSA-AES128-GCM-SHA256:"
                                                "ECDHE-ECDSA-AES256-GCM-SHA384:"
                                                "ECDHE-RSA-AES256-GCM-SHA384:"
                                                "ECDHE-ECDSA-CHACHA20-POLY1305:"
                                                "ECDHE-RSA-CHACHA20-POLY1305") == 1 &&
           SSL_CTX_set_ciphersuites(ssl_context, "TLS_AES_128_GCM_SHA256:"
                                                 "TLS_AES_256_GCM_SHA384:"
                                                 "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
           SSL_CTX_set1_groups_list(ssl_context, "X25519:P-256:P-384") == 1 &&
           // One is offered after the first response, when it costs nobody time.
           SSL_CTX_set_num_tickets(ssl_context, 0) == 1 &&
           SSL_CTX_set_max_early_data(ssl_context, 0) == 1;
}

// OpenSSL would ask on the terminal.
static int refuse_password(char *buffer, int size, int is_writing, void *user) {
    (void)buffer;
    (void)size;
    (void)is_writing;
    (void)user;
    return -1;
}

static bool use_files(SSL_CTX *ssl_context, const struct tls_certificate *files,
                      struct tls_error *out_error) {
    if (is_folder(files->certificate) || is_folder(files->key)) {
        out_error->is_key = !is_folder(files->certificate);
        ERR_raise(ERR_LIB_SYS, EISDIR);
        return say_error(out_error, out_error->is_key ? files->key : files->certificate);
    }
    if (SSL_CTX_use_certificate_chain_file(ssl_context, files->certificate) != 1) {
        return say_error(out_error, files->certificate);
    }
    out_error->is_key = true;
    if (SSL_CTX_use_PrivateKey_file(ssl_context, files->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ssl_context) != 1) {
        return say_error(out_error, files->key);
    }
    out_error->is_key = false;
    return true;
}

// What container runtimes make of a mount whose source is missing; OpenSSL finds it only empty.
static bool is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool use_self_signed(SSL_CTX *ssl_context) {
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;
    bool is_used = tls_self_signed_create(&certificate, &key) &&
                   SSL_CTX_use_certificate(ssl_context, certificate) == 1 &&
                   SSL_CTX_use_PrivateKey(ssl_context, key) == 1;
    X509_free(certificate);
    EVP_PKEY_free(key);
    return is_used;
}

// A ticket got under one certificate must not open a session under another.
static bool bind_tickets(SSL_CTX *ssl_context) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    return X509_digest(SSL_CTX_get0_certificate(ssl_context), EVP_sha256(), digest, &length) == 1 &&
           SSL_CTX_set_session_id_context(ssl_context, digest, length) == 1;
}

// OpenSSL tells the cause and what it spoilt, one after the other.
static bool say_error(struct tls_error *out_error, const char *path) {
    const char *known = NULL;
    const char *last = NULL;
    unsigned long code;
    while ((code = ERR_get_error()) != 0) {
        known = known != NULL ? known : known_reason(code, out_error->is_key);
        last = ERR_reason_error_string(code);
    }
    snprintf(out_error->text, sizeof(out_error->text), "%.180s: %s", path,
             known != NULL  ? known
             : last != NULL ? last
                            : "unknown error");
    return false;
}

static const char *known_reason(unsigned long code, bool is_key) {
    int library = ERR_GET_LIB(code);
    int reason = ERR_GET_REASON(code);
    if (library == ERR_LIB_SYS) {
        return strerror(reason);
    }
    bool is_of_other_kind = library == ERR_LIB_SSL && reason == SSL_R_NO_CERTIFICATE_ASSIGNED;
    if ((library == ERR_LIB_X509 &&
         (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH)) ||
        (is_key && is_of_other_kind)) {
        return "the key does not fit the certificate";
    }
    if (library == ERR_LIB_PEM && reason == PEM_R_BAD_PASSWORD_READ) {
        return "the key is protected by a password";
    }
    bool is_empty = (library == ERR_LIB_PEM && reason == PEM_R_NO_START_LINE) ||
                    (library == ERR_LIB_OSSL_DECODER && reason == ERR_R_UNSUPPORTED);
    return !is_empty ? NULL : is_key ? "no PEM key in it" : "no PEM certificate in it";
}

struct tls_context *tls_context_ref(struct tls_context *context) {
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void tls_context_unref(struct tls_context **context) {
    struct tls_context *mine = *context;
    *context = NULL;
    if (mine == NULL ||
        atomic_fetch_sub_explicit(&mine->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < mine->count; i++) {
        SSL_CTX_free(mine->certificates[i]);
    }
    tls_tickets_destroy(mine->tickets);
    free(mine);
}

SSL *tls_context_new_ssl(struct tls_context *context, struct tls_session *session) {
    SSL *ssl = SSL_new(context->certificates[0]);
    if (ssl == NULL) {
        alloc_fail(sizeof(void *)); // nothing else can be the reason
    }
    SSL_set_app_data(ssl, session);
    SSL_set_accept_state(ssl);
    return ssl;
}

// Before anything else is read from the hello: with the later servername callback TLS 1.3 would
// have accepted a ticket already, and not have seen whether it belongs to this certificate.
static int on_client_hello(SSL *ssl, int *out_alert, void *argument) {
    (void)out_alert;
    struct slice name;
    if (read_server_name(ssl, &name)) {
        tls_session_note_server_name(SSL_get_app_data(ssl), name);
        SSL_set_SSL_CTX(ssl, choose(argument, name));
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

// RFC 6066 section 3: a list of one name. What is malformed OpenSSL refuses itself, a moment later.
static bool read_server_name(SSL *ssl, struct slice *out_name) {
    const unsigned char *data;
    size_t length;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &length) != 1 ||
        length < 5 || data[2] != TLSEXT_NAMETYPE_host_name) {
        return false;
    }
    size_t list_length = (size_t)data[0] << 8 | data[1];
    size_t name_length = (size_t)data[3] << 8 | data[4];
    if (list_length != length - 2 || name_length != length - 5 || name_length == 0 ||
        name_length >= HOST_BYTES || memchr(data + 5, '\0', name_length) != NULL) {
        return false;
    }
    *out_name = slice_of((const char *)data + 5, name_length);
    return true;
}

// An exact name before a wildcard, then the order of the configuration.
static SSL_CTX *choose(const struct tls_context *context, struct slice name) {
    static const unsigned flags[] = {X509_CHECK_FLAG_NO_WILDCARDS, 0};
    for (size_t pass = 0; context->count > 1 && name.length > 0 && pass < 2; pass++) {
        for (size_t i = 0; i < context->count; i++) {
            if (certificate_covers(context->certificates[i], name, flags[pass])) {
                return context->certificates[i];
            }
        }
    }
    return context->certificates[0];
}

bool tls_context_covers(const struct tls_context *context, struct slice server_name,
                        struct slice host) {
    return certificate_covers(choose(context, server_name), host, 0);
}

// `host` may be a name, with a dot at its end too, or an address, in brackets too.
static bool certificate_covers(SSL_CTX *ssl_context, struct slice host, unsigned flags) {
    if (host.length > 1 && host.data[0] == '[' && host.data[host.length - 1] == ']') {
        host = slice_of(host.data + 1, host.length - 2);
    }
    if (host.length > 1 && host.data[host.length - 1] == '.') {
        host.length--;
    }
    if (host.length == 0 || host.length >= HOST_BYTES || host.data[0] == '.' ||
        slice_find(host, '*') < host.length) {
        return false;
    }
    char text[HOST_BYTES];
    memcpy(text, host.data, host.length);
    text[host.length] = '\0';
    X509 *certificate = SSL_CTX_get0_certificate(ssl_context);
    unsigned char address[16];
    if (inet_pton(AF_INET, text, address) == 1) {
        return X509_check_ip(certificate, address, 4, 0) == 1;
    }
    if (inet_pton(AF_INET6, text, address) == 1) {
        return X509_check_ip(certificate, address, 16, 0) == 1;
    }
    return X509_check_host(certificate, text, host.length,
                           flags | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

// RFC 7301: without a common protocol the handshake ends in no_application_protocol.
static int on_alpn(SSL *ssl, const unsigned char **out_protocol, unsigned char *out_length,
                   const unsigned char *offered, unsigned offered_length, void *argument) {
    (void)ssl;
    (void)argument;
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_length, ours, sizeof(ours) - 1, offered,
                              offered_length) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out_protocol = chosen;
    return SSL_TLSEXT_ERR_OK;
}

// What the numbers mean is OpenSSL's: 0 not ours, 1 go on, 2 go on and send a new one, -1 failed.
static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                         EVP_MAC_CTX *mac, int is_sealing) {
    struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct tls_ticket_key key;
    int result = 1;
    if (is_sealing) {
        if (!tls_tickets_newest(context->tickets, now_s(), &key) ||
            RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1) {
            return -1;
        }
        memcpy(name, key.name, sizeof(key.name));
    } else {
        enum tls_ticket_age age = tls_tickets_find(context->tickets, now_s(), name, &key);
        if (age == TLS_TICKET_UNKNOWN) {
            return 0;
        }
        result = age == TLS_TICKET_OLD ? 2 : 1;
    }
    bool is_used = use_ticket_key(&key, iv, cipher, mac, is_sealing);
    OPENSSL_cleanse(&key, sizeof(key));
    return is_used ? result : -1;
}

// RFC 5077 section 4: encrypt, then authenticate.
static bool use_ticket_key(const struct tls_ticket_key *key, const unsigned char *iv,
                           EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool is_sealing) {
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher_key, iv, is_sealing) ==
               1 &&
           EVP_MAC_init(mac, key->mac_key, sizeof(key->mac_key), parameters) == 1;
}

static uint64_t now_s(void) {
    struct timespec time;
    clock_gettime(CLOCK_BOOTTIME, &time);
    return (uint64_t)time.tv_sec;
}

// --- for people ---------------------------------------------------------------------------------

size_t tls_context_count(const struct tls_context *context) {
    return context->count;
}

void tls_context_describe(const struct tls_context *context, size_t index, char *out_name,
                          size_t size, int64_t *out_not_after_s) {
    X509 *certificate = SSL_CTX_get0_certificate(context->certificates[index]);
    *out_not_after_s = 0;
    struct tm tm = {0};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1) {
        *out_not_after_s = (int64_t)timegm(&tm);
    }
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    snprintf(out_name, size, "unnamed");
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS) {
            snprintf(out_name, size, "%.*s", ASN1_STRING_length(name->d.dNSName),
                     (const char *)ASN1_STRING_get0_data(name->d.dNSName));
            break;
        }
    }
    GENERAL_NAMES_free(names);
}
