// SPDX-License-Identifier: Apache-2.0
// The sockets of the admin listener: TCP, or a unix socket with a file that must not stay behind.
// Main thread. See also: worker/control.h, which serves them.
#ifndef OUTRIDER_WORKER_ENDPOINT_H
#define OUTRIDER_WORKER_ENDPOINT_H

#include "config/config.h"

// A listening socket, or -1 with a text: somebody else listens there, or it is not ours to use.
// *out_port is what the kernel chose for port 0. A socket file that nobody serves is replaced.
// is_ours: who listens at that port is this process, and goes.
int endpoint_open(const struct config_endpoint *endpoint, bool is_ours, uint16_t *out_port,
                  char *out_error, size_t out_error_size);
// After the socket was closed: its file, if it is one and nobody else serves there by now.
void endpoint_remove(const struct config_endpoint *endpoint);
static inline bool endpoint_is_on(const struct config_endpoint *endpoint) {
    return endpoint->host != NULL || endpoint->path != NULL;
}
bool endpoint_is_same(const struct config_endpoint *a, const struct config_endpoint *b);
// "http://127.0.0.1:9901/", "unix:/run/outrider.sock".
void endpoint_describe(const struct config_endpoint *endpoint, uint16_t port, char *out_text,
                       size_t size);

#endif
