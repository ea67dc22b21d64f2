// SPDX-License-Identifier: Apache-2.0
// A tolerant one-pass reader of Link field values (RFC 8288 section 3 and appendix B). Pure, no
// allocation: all slices point into the field value, which must live as long. Any thread.
// See also: http/link_editor.h, push/push_plan.h.
#ifndef OUTRIDER_HTTP_LINK_HEADER_H
#define OUTRIDER_HTTP_LINK_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

enum { LINK_MAX_ELEMENTS = 256, LINK_MAX_FIELD_BYTES = 65536, LINK_MAX_URL_BYTES = 8192 };

struct link_header {
    struct slice element; // from '<' to before the top-level comma, without blanks at its end
    struct slice target;  // between '<' and '>', not resolved
    // Values, without quotes; empty when absent; quoted pairs are left as they are; the first wins.
    struct slice as;
    struct slice fetch_priority;
    struct slice anchor; // the first that is not empty
    bool has_rel;        // only the first rel counts
    bool is_preload;     // rel has preload
    bool is_modulepreload;
    bool is_preconnect;
    bool is_nopush;                    // nopush, bare or with a value
    bool is_push_only;                 // x-http2-push-only
    bool is_critical;                  // critical
    bool has_crossorigin;              // crossorigin, bare or with a value
    bool has_credentialed_crossorigin; // crossorigin=use-credentials
    bool has_variants;   // imagesrcset, imagesizes or media: one of several, and the client chooses
    bool is_conditional; // non-empty loadpolicy: not a candidate
};

// A zeroed reader serves one response: the limit on elements holds for all its fields together.
struct link_reader {
    struct slice rest;
    unsigned elements; // read so far, bad ones included
    unsigned ignored;  // elements passed over because of a limit
    bool is_cut;       // the field was too long: `rest` ends inside it
};

// Starts on one field of the response.
void link_reader_start(struct link_reader *reader, struct slice field_value);
// The next well-formed element; bad ones are skipped. False at the end of the field.
bool link_reader_next(struct link_reader *reader, struct link_header *out_link);

#endif
