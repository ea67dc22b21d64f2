// SPDX-License-Identifier: Apache-2.0
// The compiled view of the routes: (authority, path) to route. Exact hosts win over wildcards,
// longer wildcards over shorter, any host comes last; then the longest path prefix, which must end
// at a segment border. A host whose routes do not take the path leaves it to the less exact ones.
// Owner: the generation; borrows the config. Immutable, read by all workers.
#ifndef OUTRIDER_CONFIG_ROUTER_H
#define OUTRIDER_CONFIG_ROUTER_H

#include <stdbool.h>

#include "base/slice.h"
#include "config/config.h"

struct router;

struct router *router_create(const struct config *config);
void router_destroy(struct router *router); // NULL is fine

// `authority` with or without port, `path` with or without query. NULL: no route. No allocation.
const struct config_route *router_find(const struct router *router, struct slice authority,
                                       struct slice path);
// Whether the path climbs (".." as a segment, also as "%2e%2e", behind "%2f", or with ";..." at its
// end) where routes have paths: which of them it belongs to then depends on who resolves it.
bool router_is_ambiguous(const struct router *router, struct slice path);

#endif
