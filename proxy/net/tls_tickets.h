// SPDX-License-Identifier: Apache-2.0
// The keys that seal session tickets: a new one every hour, old ones open tickets for half a day,
// then they are forgotten (RFC 8446 section 2.2, RFC 5077 section 5.5). Time is a parameter.
// Owner: the tls_context. Any thread: a short lock, taken in handshakes only.
// See also: net/tls_context.h.
#ifndef OUTRIDER_NET_TLS_TICKETS_H
#define OUTRIDER_NET_TLS_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TLS_TICKET_ROTATE_S = 60 * 60,
    TLS_TICKET_KEYS = 12, // the newest among them
    TLS_TICKET_LIFE_S = TLS_TICKET_ROTATE_S * TLS_TICKET_KEYS,
    TLS_TICKET_NAME_BYTES = 16,
};

struct tls_ticket_key {
    unsigned char name[TLS_TICKET_NAME_BYTES];
    unsigned char cipher_key[32];
    unsigned char mac_key[32];
    uint64_t made_s;
};

enum tls_ticket_age {
    TLS_TICKET_UNKNOWN,
    TLS_TICKET_NEW,
    TLS_TICKET_OLD, // opens, but a new ticket should follow
};

struct tls_tickets;

struct tls_tickets *tls_tickets_create(void);
void tls_tickets_destroy(struct tls_tickets *tickets); // NULL is fine
// The key to seal with now. False when there is no randomness.
bool tls_tickets_newest(struct tls_tickets *tickets, uint64_t now_s,
                        struct tls_ticket_key *out_key);
// The key of that name.
enum tls_ticket_age tls_tickets_find(struct tls_tickets *tickets, uint64_t now_s,
                                     const unsigned char name[TLS_TICKET_NAME_BYTES],
                                     struct tls_ticket_key *out_key);

#endif
