// SPDX-License-Identifier: Apache-2.0
// The TLS side of a listener: certificates by SNI, ALPN (h2, http/1.1), TLS 1.2 and 1.3, stateless
// tickets, no renegotiation, no early data, no compression. Immutable once created; shared by all
// workers, reference-counted (atomic). Holds OpenSSL types behind a pointer.
// See also: net/tls_session.h.
#ifndef OUTRIDER_NET_TLS_CONTEXT_H
#define OUTRIDER_NET_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct tls_context;

struct tls_certificate {
    const char *certificate; // PEM chain file
    const char *key;         // PEM key file
};

struct tls_error {
    size_t index; // which certificate
    bool is_key;  // the key file, not the certificate
    char text[256];
};

// The first certificate is the default; the others are chosen by SNI from their subjectAltName (DNS
// names with wildcards). With count 0 a development certificate for localhost, 127.0.0.1 and ::1 is
// made in memory. NULL and *out_error on failure.
struct tls_context *tls_context_create(const struct tls_certificate *certificates, size_t count,
                                       struct tls_error *out_error);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context **context); // clears the pointer; NULL inside is fine
size_t tls_context_count(const struct tls_context *context); // certificates
// The first name in a certificate, cut if need be, and the Unix time of its end.
void tls_context_describe(const struct tls_context *context, size_t index, char *out_name,
                          size_t size, int64_t *out_not_after_s);
// Does the certificate that SNI name `server_name` selects (empty: the default) cover `host`?
bool tls_context_covers(const struct tls_context *context, struct slice server_name,
                        struct slice host);

#endif
