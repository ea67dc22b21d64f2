// SPDX-License-Identifier: Apache-2.0
// Names of header fields, each kind with what it may not be. Pure.
// The functions of config_value.c for CONFIG_FIELD, CONFIG_LOGGED and CONFIG_ID_FIELD; the names
// come out in lower case.
#ifndef OUTRIDER_CONFIG_CONFIG_FIELD_H
#define OUTRIDER_CONFIG_CONFIG_FIELD_H

#include "config_value.h"

bool config_field_parse_hinted(const struct config_option *option, struct slice text, void *member,
                               struct config_reason *out_reason);
bool config_field_parse_logged(const struct config_option *option, struct slice text, void *member,
                               struct config_reason *out_reason);
// Or off, which is "".
bool config_field_parse_id(const struct config_option *option, struct slice text, void *member,
                           struct config_reason *out_reason);

#endif
