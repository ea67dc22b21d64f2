// SPDX-License-Identifier: Apache-2.0
// What the tls_*.c files share: OpenSSL types stay behind this header.
#ifndef OUTRIDER_NET_TLS_IMPL_H
#define OUTRIDER_NET_TLS_IMPL_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/slice.h"

struct tls_context;
struct tls_session;

// A connection with the default certificate; the client hello may choose another.
SSL *tls_context_new_ssl(struct tls_context *context, struct tls_session *session);
// The client hello has come with this SNI.
void tls_session_note_server_name(struct tls_session *session, struct slice name);

// A certificate for localhost, 127.0.0.1 and ::1 that signed itself, with its key; the caller owns
// both. False when OpenSSL could not.
bool tls_self_signed_create(X509 **out_certificate, EVP_PKEY **out_key);

#endif
