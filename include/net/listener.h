// SPDX-License-Identifier: Apache-2.0
// Listening sockets: opened on the main thread (listener_socket), one per worker with SO_REUSEPORT,
// then served by a worker's loop. Accepts in batches; when descriptors run out it stops accepting
// for a moment and goes on. See also: net/conn.h.
#ifndef OUTRIDER_NET_LISTENER_H
#define OUTRIDER_NET_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "net/conn.h"
#include "net/loop.h"

struct listener;
struct tls_context;

// A bound, listening, non-blocking socket, or -1 with errno text in out_error. `host` numeric or ""
// (any, dual stack; a named IPv6 address takes IPv6 only). With *port 0 the kernel chooses; the
// choice is stored in *port.
int listener_socket(const char *host, uint16_t *port, char *out_error, size_t out_error_size);
// Makes a listening socket that another process opened like one of ours. Several loops may then
// serve duplicates of it: who comes late to a connection finds none.
bool listener_adopt(int fd);
// Whether nobody listens there yet, this process included.
bool listener_is_free(const char *host, uint16_t port, char *out_error, size_t out_error_size);

// Serves take_fd on this loop. on_accept gets each new conn (not attached yet) and owns it. `tls`
// may be NULL; the listener takes a reference of its own.
struct listener *listener_open(struct loop *loop, int take_fd, struct tls_context *tls,
                               void (*on_accept)(void *user, struct conn *take_conn), void *user);
// For conns accepted from now on. NULL: cleartext.
void listener_set_tls(struct listener *listener, struct tls_context *tls);
// Stops accepting at once; frees itself once the handles are closed, then on_closed (may be NULL).
void listener_close(struct listener *listener, void (*on_closed)(void *user));

#endif
