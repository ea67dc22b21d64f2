// SPDX-License-Identifier: Apache-2.0
// The only user of llhttp, run strictly: the fields of one whole head or one whole block of
// trailers at a time, and chunks. It stops at every event, so that nothing of the owner's runs
// inside it.
// Owner: a h1_reader embeds it and does not move it. One thread. Private to the reader.
#ifndef OUTRIDER_HTTP_H1_PARSER_H
#define OUTRIDER_HTTP_H1_PARSER_H

#include <llhttp.h>
#include <stdbool.h>

#include "http/h1_reader.h"

struct h1_parser {
    llhttp_t llhttp;
    enum h1_reader_kind kind;
    const struct h1_reader_limits *limits; // borrowed from the reader

    // While a block of fields is read.
    struct headers *fields;
    struct slice name; // empty when no field is open
    struct slice value;
    size_t field_bytes; // name + value + 32 of all fields but cookies
    unsigned field_count;
    size_t cookie_bytes;
    unsigned cookie_count;
    bool is_complete;
    enum fault fault;

    // While chunks are read.
    struct slice content;
    bool is_chunk_header;
    size_t framing_bytes;   // since the last chunk's header
    size_t extension_bytes; // in this message
};

struct h1_chunk_event {
    size_t used;          // bytes of the input
    struct slice content; // a slice of the input, may be empty
    bool is_last_chunk;   // trailers, or the empty line, are next
};

void h1_parser_init(struct h1_parser *parser, enum h1_reader_kind kind,
                    const struct h1_reader_limits *limits);
// `text` is one head with its start line and empty line, in memory that may be changed: names are
// folded to lower case there, and the fields are slices of it. Chunks may follow.
enum fault h1_parser_read_head(struct h1_parser *parser, struct slice text,
                               struct headers *headers);
// The same for the lines behind the last chunk.
enum fault h1_parser_read_trailers(struct h1_parser *parser, struct slice text,
                                   struct headers *headers);
// Reads to the next event or the end of the input; bytes must not be empty.
enum fault h1_parser_read_chunks(struct h1_parser *parser, struct slice bytes,
                                 struct h1_chunk_event *out_event);

#endif
