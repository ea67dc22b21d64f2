// SPDX-License-Identifier: Apache-2.0
// TLS as a filter: ciphertext in, plaintext out, and back. No sockets, so that two of them can be
// tested back to back. One BIO method over the caller's memory; idle sessions hold no buffers.
// Owner: conn. One thread. States: handshaking, open, ended (close_notify or error).
#ifndef OUTRIDER_NET_TLS_SESSION_H
#define OUTRIDER_NET_TLS_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/slice.h"
#include "net/tls_context.h"

struct tls_session;

enum tls_status {
    TLS_HANDSHAKING, // more ciphertext is needed
    TLS_OPEN,        // handshake done
    TLS_ENDED,       // the peer said close_notify: no more plaintext will come
    TLS_FAILED,      // alert or garbage; an alert may stand in out_cipher
};

enum { TLS_EARLY_BYTES = 64 * 1024, TLS_EARLY_RECORD_BYTES = 1400 };

struct tls_session *
tls_session_create(struct tls_context *context);       // server side; refs the context
void tls_session_destroy(struct tls_session *session); // NULL is fine

// Where results go: memory lent by the caller for one call.
struct tls_span {
    char *data;
    size_t capacity;
    size_t length; // filled so far
};

// Feeds ciphertext. Stops when the input is used up or one of the spans is full; returns the bytes
// of `cipher` that were used, appends plaintext to out_plain and ciphertext to out_cipher. Call
// again with the rest after emptying the spans, and while tls_session_has_more. After the end all
// input is swallowed.
size_t tls_session_feed(struct tls_session *session, struct slice cipher,
                        struct tls_span *out_plain, struct tls_span *out_cipher,
                        enum tls_status *out_status);
// Encrypts as much of `plain` as fits into out_cipher (16 KB records, each 64 bytes larger than its
// plaintext at most); returns bytes of plain used. Not before the handshake is done. 0 although
// there is room: the session cannot go on.
// The first TLS_EARLY_BYTES, and those after a pause, leave in records of one segment each: a
// client behind a slow link can use what has arrived, while a record of 16 KB is of no use before
// its end.
size_t tls_session_seal(struct tls_session *session, struct slice plain,
                        struct tls_span *out_cipher);
// Nothing was sent for a while: the path may be slow again.
void tls_session_note_pause(struct tls_session *session);
// A session ticket, once, after the first response (TLS 1.3; cheaper than in the handshake).
void tls_session_offer_ticket(struct tls_session *session, struct tls_span *out_cipher);
// close_notify.
void tls_session_end(struct tls_session *session, struct tls_span *out_cipher);

struct slice tls_session_alpn(const struct tls_session *session); // "h2", "http/1.1" or ""
bool tls_session_was_resumed(const struct tls_session *session);
struct slice tls_session_server_name(const struct tls_session *session); // SNI or ""
// Plaintext or ciphertext waits inside since a span was full: feed again, with nothing if need be.
bool tls_session_has_more(const struct tls_session *session);
// The peer asked for new keys again and again: TLS_FAILED, and no accident.
bool tls_session_is_flooded(const struct tls_session *session);

#endif
