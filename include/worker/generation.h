// SPDX-License-Identifier: Apache-2.0
// One loaded configuration with everything compiled from it: router, TLS contexts, listening
// sockets. Built all or nothing on the main thread; immutable afterwards, so that workers read it
// without a lock. Shared: counted references, from any thread. See also: worker/worker.h.
#ifndef OUTRIDER_WORKER_GENERATION_H
#define OUTRIDER_WORKER_GENERATION_H

#include <stdatomic.h>
#include <stddef.h>

#include "config/config.h"
#include "config/router.h"
#include "net/tls_context.h"
#include "push/push_digest.h"
#include "worker/activation.h"

struct generation {
    atomic_uint refs;
    struct config *config;
    struct router *router;
    unsigned workers;
    struct tls_context **tls; // one per listener, NULL where it is cleartext
    int *sockets;             // [listener * workers + worker]; -1 once handed over
    uint16_t *ports;          // one per listener: what the kernel chose when 0 was asked for
    // Of admin.listen and admin.probes; -1: off, handed over, or kept from the generation before.
    int admin_sockets[2];
    uint16_t admin_ports[2];
    bool admin_is_open[2]; // ours, or kept
    bool admin_is_kept[2];
    // One per listener: that of the generation before which listens there; SIZE_MAX: none.
    size_t *previous;
    struct push_digest_key digest_key; // all workers and, with a key file, all machines have it
};

// NULL with errors when anything is wrong; nothing is left open then. Owns take_config either way.
// `previous` is the one in force, whose sockets and random keys are kept where they serve; NULL at
// the start. Listeners use the sockets of `activation` (borrowed, NULL: none) that fit. The caller
// has the only reference.
struct generation *generation_build(struct config *take_config, unsigned workers,
                                    const struct generation *previous,
                                    const struct activation *activation,
                                    struct config_errors *errors);
struct generation *generation_ref(struct generation *generation);
void generation_unref(struct generation **generation); // clears the pointer; NULL inside is fine
// admin.listen (0) or admin.probes (1).
const struct config_endpoint *generation_endpoint(const struct generation *generation,
                                                  unsigned index);
// Loads every certificate with its key, opens no socket: what `outrider check` needs.
bool generation_check_certificates(const struct config *config, struct config_errors *errors);

#endif
