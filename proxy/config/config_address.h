// SPDX-License-Identifier: Apache-2.0
// Words that name a place: listening addresses, origins, networks, hosts and paths. Pure.
// The functions of config_value.c for these kinds; `member` is what the kind's comment in
// config_options.h says. See also: config_value.h.
#ifndef OUTRIDER_CONFIG_CONFIG_ADDRESS_H
#define OUTRIDER_CONFIG_CONFIG_ADDRESS_H

#include "config_value.h"

bool config_address_parse_listener(const struct config_option *option, struct slice text,
                                   void *member, struct config_reason *out_reason);
char *config_address_format_listener(const struct config_option *option, const void *member);
void config_address_finish_listener(void *member);

bool config_address_parse_origin(const struct config_option *option, struct slice text,
                                 void *member, struct config_reason *out_reason);
char *config_address_format_origin(const struct config_option *option, const void *member);
void config_address_finish_origin(void *member);

bool config_address_parse_network(const struct config_option *option, struct slice text,
                                  void *member, struct config_reason *out_reason);
char *config_address_format_network(const struct config_option *option, const void *member);

bool config_address_parse_host(const struct config_option *option, struct slice text, void *member,
                               struct config_reason *out_reason);
char *config_address_format_host(const struct config_option *option, const void *member);
bool config_address_parse_site(const struct config_option *option, struct slice text, void *member,
                               struct config_reason *out_reason);

bool config_address_parse_prefix(const struct config_option *option, struct slice text,
                                 void *member, struct config_reason *out_reason);
bool config_address_parse_path(const struct config_option *option, struct slice text, void *member,
                               struct config_reason *out_reason);
bool config_address_parse_link(const struct config_option *option, struct slice text, void *member,
                               struct config_reason *out_reason);
bool config_address_parse_file(const struct config_option *option, struct slice text, void *member,
                               struct config_reason *out_reason);
bool config_address_parse_state(const struct config_option *option, struct slice text, void *member,
                                struct config_reason *out_reason);
bool config_address_parse_target(const struct config_option *option, struct slice text,
                                 void *member, struct config_reason *out_reason);

#endif
