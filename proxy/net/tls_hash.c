// SPDX-License-Identifier: Apache-2.0
#include "net/tls_hash.h"

#include <openssl/evp.h>

#include "base/ensure.h"

void tls_hash_sha256(const void *bytes, size_t length, unsigned char out_hash[32]) {
    ensure(EVP_Digest(bytes, length, out_hash, NULL, EVP_sha256(), NULL) == 1);
}
