// SPDX-License-Identifier: Apache-2.0
// What the process gives up before it meets its first client: privileges that executing a file
// could bring, core dumps (they would hold keys and requests), and system calls that no proxy needs
// but that who takes one over would like to have. Main thread, before any other is started.
#ifndef OUTRIDER_WORKER_HARDENING_H
#define OUTRIDER_WORKER_HARDENING_H

#include "config/config.h"

// What can't be had is logged and no reason not to serve.
void hardening_apply(const struct config_hardening *hardening);
// From now on this process can neither execute a file nor trace another process, mount, load
// modules, change its identity or namespaces: EPERM. False where the kernel or the processor has no
// such filter.
bool hardening_refuse_system_calls(void);

#endif
