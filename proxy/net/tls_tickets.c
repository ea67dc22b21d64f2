// SPDX-License-Identifier: Apache-2.0
#include "tls_tickets.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ensure.h"

struct tls_tickets {
    pthread_mutex_t lock;
    size_t count;
    struct tls_ticket_key keys[TLS_TICKET_KEYS]; // the newest first
};

static bool renew(struct tls_tickets *tickets, uint64_t now_s);
static void forget_old(struct tls_tickets *tickets, uint64_t now_s);

struct tls_tickets *tls_tickets_create(void) {
    struct tls_tickets *tickets = alloc_new(struct tls_tickets);
    ensure(pthread_mutex_init(&tickets->lock, NULL) == 0);
    return tickets;
}

void tls_tickets_destroy(struct tls_tickets *tickets) {
    if (tickets != NULL) {
        pthread_mutex_destroy(&tickets->lock);
        OPENSSL_cleanse(tickets->keys, sizeof(tickets->keys));
        free(tickets);
    }
}

bool tls_tickets_newest(struct tls_tickets *tickets, uint64_t now_s,
                        struct tls_ticket_key *out_key) {
    pthread_mutex_lock(&tickets->lock);
    bool is_fresh = tickets->count > 0 && now_s < tickets->keys[0].made_s + TLS_TICKET_ROTATE_S;
    bool has_key = is_fresh || renew(tickets, now_s);
    if (has_key) {
        *out_key = tickets->keys[0];
    }
    pthread_mutex_unlock(&tickets->lock);
    return has_key;
}

static bool renew(struct tls_tickets *tickets, uint64_t now_s) {
    struct tls_ticket_key key = {.made_s = now_s};
    if (RAND_bytes(key.name, sizeof(key.name)) != 1 ||
        RAND_priv_bytes(key.cipher_key, sizeof(key.cipher_key)) != 1 ||
        RAND_priv_bytes(key.mac_key, sizeof(key.mac_key)) != 1) {
        return false;
    }
    size_t kept = tickets->count < TLS_TICKET_KEYS ? tickets->count : TLS_TICKET_KEYS - 1;
    memmove(&tickets->keys[1], &tickets->keys[0], kept * sizeof(key));
    tickets->keys[0] = key;
    tickets->count = kept + 1;
    OPENSSL_cleanse(&key, sizeof(key));
    return true;
}

enum tls_ticket_age tls_tickets_find(struct tls_tickets *tickets, uint64_t now_s,
                                     const unsigned char name[TLS_TICKET_NAME_BYTES],
                                     struct tls_ticket_key *out_key) {
    enum tls_ticket_age age = TLS_TICKET_UNKNOWN;
    pthread_mutex_lock(&tickets->lock);
    forget_old(tickets, now_s);
    for (size_t i = 0; i < tickets->count && age == TLS_TICKET_UNKNOWN; i++) {
        if (memcmp(tickets->keys[i].name, name, TLS_TICKET_NAME_BYTES) == 0) {
            *out_key = tickets->keys[i];
            bool is_fresh = now_s < out_key->made_s + TLS_TICKET_ROTATE_S;
            age = is_fresh ? TLS_TICKET_NEW : TLS_TICKET_OLD;
        }
    }
    pthread_mutex_unlock(&tickets->lock);
    return age;
}

static void forget_old(struct tls_tickets *tickets, uint64_t now_s) {
    while (tickets->count > 0 &&
           now_s >= tickets->keys[tickets->count - 1].made_s + TLS_TICKET_LIFE_S) {
        tickets->count--;
        OPENSSL_cleanse(&tickets->keys[tickets->count], sizeof(tickets->keys[0]));
    }
}
