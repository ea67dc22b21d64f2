// SPDX-License-Identifier: Apache-2.0
// YAML to struct config. Every error has file, line, column and key path; all of them are reported
// at once. The only user of libyaml. Main thread. See also: config/config.h.
#ifndef OUTRIDER_CONFIG_CONFIG_YAML_H
#define OUTRIDER_CONFIG_CONFIG_YAML_H

#include <stddef.h>

#include "config/config.h"

// NULL with at least one error when anything is wrong; the caller destroys the result. Variables of
// the process's environment go over what the file says: OUTRIDER_PUSH_MAX_OPEN=8.
struct config *config_load(const char *path, struct config_errors *errors);
// The same from memory; `name` stands for the file in errors. `environment` holds "NAME=value" and
// ends with NULL; NULL is an empty one.
struct config *config_load_text_with(const char *name, const char *text, size_t length,
                                     const char *const *environment, struct config_errors *errors);
// Without an environment. For tests and fuzzing.
struct config *config_load_text(const char *name, const char *text, size_t length,
                                struct config_errors *errors);

// Where an outrider that runs with this file listens for operators, for those who only want to ask
// it: OUTRIDER_ADMIN_LISTEN, else what the file says, however wrong the rest of it is (the running
// one may have an older one in force), else the default. `path` may be NULL: no file. Caller frees
// with config_endpoint_free.
void config_load_admin(const char *path, struct config_endpoint *out_endpoint);

#endif
