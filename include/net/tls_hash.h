// SPDX-License-Identifier: Apache-2.0
// The cryptographic hash that other floors are lent: OpenSSL is known in net/tls_*.c alone. Pure,
// any thread.
#ifndef OUTRIDER_NET_TLS_HASH_H
#define OUTRIDER_NET_TLS_HASH_H

#include <stddef.h>

void tls_hash_sha256(const void *bytes, size_t length, unsigned char out_hash[32]);

#endif
