// SPDX-License-Identifier: Apache-2.0
// Watches a response of text/event-stream go by and gives the data of the events of one name, by
// the HTML standard, section 9.2.6. Takes any pieces, keeps no line, only reads.
// Owner: whoever forwards the stream. One thread. Holds memory only while an event is under way
// that is or may yet become one of that name: at most SSE_READER_MAX_BYTES.
#ifndef OUTRIDER_HTTP_SSE_READER_H
#define OUTRIDER_HTTP_SSE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

enum {
    SSE_READER_MAX_BYTES = 16384, // data of one event, line ends between its lines included
    SSE_READER_NAME_BYTES = 6,    // one more than the longest field name that is looked for
};

enum sse_reader_place {
    SSE_READER_NAME,  // in a field's name, or before it
    SSE_READER_BLANK, // behind the colon: one blank does not count
    SSE_READER_VALUE,
};
enum sse_reader_field { SSE_READER_DATA, SSE_READER_EVENT, SSE_READER_IGNORED };
enum sse_reader_type { SSE_READER_UNNAMED, SSE_READER_WANTED, SSE_READER_OTHER };

// Only `skipped` is for reading.
struct sse_reader {
    struct slice event; // the name looked for
    // Events of that name whose data was not kept: it was too long, or came while they had another.
    uint64_t skipped;
    unsigned bom_length; // bytes of the byte order mark that have come; all of it: behind the start
    bool is_after_cr;    // a LF that comes now belongs to the line end before
    bool is_given;       // the event has been given to the caller
    // The line.
    enum sse_reader_place place;
    enum sse_reader_field field; // from SSE_READER_BLANK on
    char name[SSE_READER_NAME_BYTES];
    size_t name_length;
    size_t value_length; // of an `event` field
    bool is_mismatch;    // that value is another name
    // The event.
    enum sse_reader_type type;
    bool has_data; // had a `data` field, perhaps an empty one
    bool is_lost;  // some of its data was not kept
    struct buffer data;
};

// `event` is borrowed for the reader's life. Case-sensitive. Events without a name are `message`s.
void sse_reader_init(struct sse_reader *reader, struct slice event);
void sse_reader_finish(struct sse_reader *reader);
// Reads on in the stream, whose next bytes are `rest`, and takes off what has been read. True at
// the end of an event of that name; its data is valid until the next call. False when `rest` is
// read: call until then.
bool sse_reader_next(struct sse_reader *reader, struct slice *rest, struct slice *out_data);

#endif
