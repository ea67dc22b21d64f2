// SPDX-License-Identifier: Apache-2.0
// One loaded configuration with everything compiled from it: router, TLS contexts, listening
// sockets. Built all or nothing on the main thread; immutable afterwards, so that workers read it
// without a lock. Owner: the server. See also: worker/worker.h.
#ifndef OUTRIDER_WORKER_GENERATION_H
#define OUTRIDER_WORKER_GENERATION_H

#include <stddef.h>

#include "config/config.h"
#include "config/router.h"
#include "net/tls_context.h"

struct generation {
    struct config *config;
    struct router *router;
    unsigned workers;
    struct tls_context **tls; // one per listener, NULL where it is cleartext
    int *sockets;             // [listener * workers + worker]; -1 once handed over
    uint16_t *ports;          // one per listener: what the kernel chose when 0 was asked for
};

// NULL with errors when anything is wrong; nothing is left open then. Owns take_config either way.
struct generation *generation_build(struct config *take_config, unsigned workers,
                                    struct config_errors *errors);
// Loads every certificate with its key, opens no socket: what `outrider check` needs.
bool generation_check_certificates(const struct config *config, struct config_errors *errors);
void generation_destroy(struct generation *generation); // NULL is fine

#endif
