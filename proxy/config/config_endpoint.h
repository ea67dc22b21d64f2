// SPDX-License-Identifier: Apache-2.0
// Where the admin listener listens: ADDR:PORT, unix:/PATH or off. Pure.
// The functions of config_value.c for CONFIG_ENDPOINT. See also: config_address.h.
#ifndef OUTRIDER_CONFIG_CONFIG_ENDPOINT_H
#define OUTRIDER_CONFIG_CONFIG_ENDPOINT_H

#include "config_value.h"

bool config_endpoint_parse(const struct config_option *option, struct slice text, void *member,
                           struct config_reason *out_reason);
char *config_endpoint_format(const struct config_option *option, const void *member);
void config_endpoint_finish(void *member);

#endif
