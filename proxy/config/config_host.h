// SPDX-License-Identifier: Apache-2.0
// host[:port] with [IPv6] in brackets. Pure.
#ifndef OUTRIDER_CONFIG_CONFIG_HOST_H
#define OUTRIDER_CONFIG_CONFIG_HOST_H

#include "config_value.h"

struct config_host {
    struct slice name; // without brackets
    bool is_bracketed;
    int port; // -1: none was given
};

// Only the split: the name may be empty or "*".
bool config_host_split(struct slice text, struct config_host *out_host,
                       struct config_reason *out_reason);
// Is the name a host name or a numeric address?
bool config_host_check(struct config_host host, struct config_reason *out_reason);
// In place, ASCII only.
void config_host_lower(char *text);

#endif
