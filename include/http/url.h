// SPDX-License-Identifier: Apache-2.0
// Authorities, paths and references, by RFC 3986 and RFC 9110 section 4. Pure; results are slices
// of the input or copies in the arena, so both must live as long as the result. Any thread.
// See also: http/link_header.h.
#ifndef OUTRIDER_HTTP_URL_H
#define OUTRIDER_HTTP_URL_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/slice.h"

// A reference or a resolved path longer than this is no candidate (PUSH section 1, Link parser).
enum { URL_MAX_BYTES = 8192 };

// Checks and normalises host[:port]: lower case, default port of `scheme` dropped, no userinfo, no
// percent-encoding, host of letters, digits, '-', '.', '_' or [IPv6], port 1 to 65535 (an empty
// port is as good as none: RFC 3986 section 3.2.3). False when it is not an authority we accept.
bool url_normalize_authority(struct slice scheme, struct slice authority, struct arena *arena,
                             struct slice *out_authority);
// host without port and without brackets.
struct slice url_host(struct slice authority);
// The port, or the scheme's default; 0 when there is neither.
unsigned url_port(struct slice scheme, struct slice authority);

// Is this a request target in origin form ("/..." with optional query) that may be forwarded?
// False for '#', '\', blanks, control bytes and bytes above 0x7e (TRUST 1.8). Other bytes that RFC
// 3986 does not allow (" < > ^ ` { | }) are percent-encoded into the arena.
bool url_check_path(struct slice path, struct arena *arena, struct slice *out_path);

enum url_relation {
    // Not a candidate: empty, too long, control bytes, blanks, backslashes, bytes above 0x7e,
    // userinfo, other schemes, a path that starts with "//".
    URL_BAD,
    URL_SAME,       // same scheme and authority as the base
    URL_OTHER_SITE, // a good http(s) URL of another authority or scheme
};

struct url {
    struct slice scheme;    // lower case
    struct slice authority; // normalised
    struct slice path;      // origin form with query, dot segments removed, no fragment
};

// Resolves `reference` against base (RFC 3986 section 5.2), as a Link target (PUSH section 1, URL).
// "#fragment" gives the base itself, its dot segments removed. `base` is normalised but for its
// path.
enum url_relation url_resolve(const struct url *base, struct slice reference, struct arena *arena,
                              struct url *out_url);

// Same scheme, authority and path; both normalised.
static inline bool url_equal(const struct url *a, const struct url *b) {
    return slice_equal(a->path, b->path) && slice_equal(a->authority, b->authority) &&
           slice_equal(a->scheme, b->scheme);
}

#endif
