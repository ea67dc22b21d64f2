// SPDX-License-Identifier: Apache-2.0
// Tells a service manager how we are: systemd's notification protocol (sd_notify(3)), datagrams of
// NAME=value lines to the socket that $NOTIFY_SOCKET names. Without it nothing is said.
// Owner: the server. Main thread.
#ifndef OUTRIDER_WORKER_NOTIFY_H
#define OUTRIDER_WORKER_NOTIFY_H

void notify_ready(void);
void notify_reloading(void); // then notify_ready again
void notify_stopping(void);

#endif
