// SPDX-License-Identifier: Apache-2.0
// Listening sockets that a service manager opened before it started us (sd_listen_fds(3), the plain
// protocol) and holds on to: while we are restarted, clients wait in their queues and none is
// refused. A listener whose address one of them has uses it; all workers then accept from the one
// queue.
// Owner: the server, for the life of the process. Main thread. See also: worker/generation.h.
#ifndef OUTRIDER_WORKER_ACTIVATION_H
#define OUTRIDER_WORKER_ACTIVATION_H

#include "config/config.h"

enum { ACTIVATION_FIRST_FD = 3 };

struct activation;

// What the variables LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES offer, with the first descriptor.
struct activation_offer {
    const char *pid;
    const char *count;
    const char *names; // joined with ':'
    int first_fd;
};

// From the environment, which then has these variables no more. NULL goes out when nothing is
// offered to this process. False, with errors, when it isn't all listening TCP sockets.
bool activation_take(struct activation **out_activation, struct config_errors *errors);
bool activation_open(const struct activation_offer *offer, struct activation **out_activation,
                     struct config_errors *errors);
// The socket for this listener, borrowed; -1: there is none. Of "" any address will do, rather that
// of IPv6. NULL is fine, here and below.
int activation_find(const struct activation *activation, const struct config_listener *listener);
// A passed socket that no listener uses is an error: its clients would be connected, and wait for
// ever.
bool activation_check(const struct activation *activation, const struct config *config,
                      struct config_errors *errors);
void activation_close(struct activation *take_activation);

#endif
