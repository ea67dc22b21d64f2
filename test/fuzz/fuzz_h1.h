// SPDX-License-Identifier: Apache-2.0
// What an HTTP/1 recipient without any tolerance reads, written apart from proxy/http so that both
// would have to be wrong in the same way. Pure: slices point into the text.
#ifndef OUTRIDER_FUZZ_H1_H
#define OUTRIDER_FUZZ_H1_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum { FUZZ_H1_FIELDS = 700 };

struct fuzz_h1_head {
    struct slice first, second, third; // of the start line
    struct {
        struct slice name, value;
    } fields[FUZZ_H1_FIELDS];
    size_t count;
    size_t length; // with the empty line
};

enum fuzz_h1_state { FUZZ_H1_MORE, FUZZ_H1_GOOD, FUZZ_H1_BAD };

// Names must be in lower case, as outrider writes them; each line is "name: value".
enum fuzz_h1_state fuzz_h1_read_head(struct slice text, struct fuzz_h1_head *out_head);
size_t fuzz_h1_count(const struct fuzz_h1_head *head, const char *name);
// Of the first one, or an empty slice.
struct slice fuzz_h1_value(const struct fuzz_h1_head *head, const char *name);
bool fuzz_h1_has_hop_by_hop(const struct fuzz_h1_head *head); // framing and Connection: close apart

// How the content of a message of outrider's comes: a length, or in chunks.
struct fuzz_h1_body {
    bool is_chunked;
    bool is_ended;
    uint64_t left; // of the length, or of the chunk
    enum { FUZZ_H1_SIZE, FUZZ_H1_CONTENT, FUZZ_H1_CONTENT_END, FUZZ_H1_TRAILERS } place;
};

void fuzz_h1_start_body(struct fuzz_h1_body *body, const struct fuzz_h1_head *head);
// Takes the next piece of content off `rest`; false when there is none yet, or the body has ended,
// or *out_is_bad was set.
bool fuzz_h1_next_content(struct fuzz_h1_body *body, struct slice *rest, struct slice *out_content,
                          bool *out_is_bad);
// One number and nothing else; false: it is none.
bool fuzz_h1_read_number(struct slice text, unsigned base, uint64_t *out_number);

#endif
