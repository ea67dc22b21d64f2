// SPDX-License-Identifier: Apache-2.0
// The cookie that carries a digest: found in a request, taken out before the request goes on, set
// anew on a page. The order in the story of a request: read, strip (so that it is neither seen by
// the origin nor taken for a visitor's credentials), plan, add what was promised, set.
// Source: RFC 6265 sections 4.1, 4.2 and 5.4. Pure; results live in the arena or in the fields.
// See also: push/push_digest.h.
#ifndef OUTRIDER_PUSH_PUSH_COOKIE_H
#define OUTRIDER_PUSH_PUSH_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "http/message.h"
#include "push/push_digest.h"

// The digest of the request's cookie. A neighbour of the site may have planted others of the same
// name, so of the first four the first that can be read counts; else the outcome is the first's.
enum push_digest_outcome push_cookie_read(const struct headers *request, struct slice name,
                                          const struct push_digest_key *key,
                                          struct push_digest *out_digest);

// A Cookie value without the cookies of that name: as it was when there is none, empty when nothing
// remains.
struct slice push_cookie_without(struct slice cookie, struct slice name, struct arena *arena);
// The same for all Cookie fields; those of which nothing remains are dropped.
void push_cookie_strip(struct headers *request, struct slice name);

// May this response set it? Only a page (GET, 200, HTML), and none that a shared cache may hand to
// others: they would be told what this client holds, or the cache would keep the page no more.
// That is read from the response alone; when another proxy stands in front, don't set it at all.
// A page that is stored and asked for again each time (no-cache) is fine without one in front.
bool push_cookie_may_set(const struct request_head *request, const struct response_head *response);
// Is there something to say? The digest changed, what the client sent is no good, or (`is_mark`, in
// the mode first-visit) the client is not marked yet.
bool push_cookie_is_due(const struct push_digest *digest, enum push_digest_outcome outcome,
                        bool is_mark);

// The value of Set-Cookie. Without Domain, so that it goes to this host alone. `is_tls`: the client
// reached us by TLS; a cookie with Secure would be refused otherwise (as are names with __Host- and
// __Secure-, which are good choices for sites on TLS alone).
struct slice push_cookie_text(struct slice name, struct slice value, uint64_t max_age_s,
                              bool is_tls, struct arena *arena);

#endif
