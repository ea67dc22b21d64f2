// SPDX-License-Identifier: Apache-2.0
// What a request to the admin listener says, and whether whoever sent it may ask. A browser on the
// operator's machine is a hostile proxy: any site can make it send requests to this address, under
// the site's own name too, once that name points here (DNS rebinding). Pure. Any thread.
// See also: admin.c.
#ifndef OUTRIDER_ADMIN_REQUEST_H
#define OUTRIDER_ADMIN_REQUEST_H

#include <stdbool.h>

#include "admin_metrics.h"
#include "base/arena.h"
#include "http/message.h"

// From this machine, and not passed on by a proxy on it: what changes something is for it alone.
bool admin_request_is_local(const struct request_head *request, const struct client *client);
// Asked by address, or by a name that nobody can have point here: "localhost" and those below it.
bool admin_request_is_named_well(const struct request_head *request, const struct client *client);
// A browser says that another site's page made it.
bool admin_request_is_cross_site(const struct request_head *request);

// The format that Accept wants the most; Prometheus text when it wants neither.
enum admin_metrics_format admin_request_format(const struct headers *headers);

enum admin_parameter { ADMIN_PARAMETER_ABSENT, ADMIN_PARAMETER_GIVEN, ADMIN_PARAMETER_BAD };

// The query's one parameter, percent-decoded into the arena. Any other, or the same again, is BAD.
enum admin_parameter admin_request_parameter(struct slice query, struct slice name,
                                             struct arena *arena, struct slice *out_value);

#endif
