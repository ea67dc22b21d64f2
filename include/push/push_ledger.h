// SPDX-License-Identifier: Apache-2.0
// What push and hints do, page by page, for the operator: a bounded table of plain rows, of which
// the least recently asked for makes room. Rows of several workers are added up by their key.
// Owner: the worker (push/push_memory.h). One thread; a copy may go anywhere.
// See also: admin/admin.h, which shows it.
#ifndef OUTRIDER_PUSH_PUSH_LEDGER_H
#define OUTRIDER_PUSH_PUSH_LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

enum {
    PUSH_LEDGER_PAGES = 256,
    PUSH_LEDGER_NAME_BYTES = 160, // a longer name is cut; the key is of the whole
};

struct push_ledger_row {
    uint64_t key;        // of authority and path without query; 0: no row
    int64_t seen_s;      // Unix time of the last visit
    uint64_t visits;     // requests that had candidates
    uint64_t candidates; // without those named again for the same request
    uint64_t promised;
    uint64_t hinted;       // elements of 103s made by outrider
    uint64_t passed;       // 103s of the origin passed on
    uint64_t completed;    // pushes of which all was sent
    uint64_t refused;      // that the client reset
    uint64_t taken_back;   // that were not fit, or failed
    uint64_t pushed_bytes; // content of completed pushes
    uint64_t wasted_bytes; // content sent of refused pushes
    uint64_t spared;       // candidates not pushed or hinted since the client has them
    uint64_t spared_bytes; // their content, as far as its size is known
    uint64_t early;        // visits whose first hint or promise left before the origin's head
    uint64_t lead_ms;      // by how much, all of them together
    uint16_t name_length;
    char name[PUSH_LEDGER_NAME_BYTES]; // "example.org/path", not escaped
};

struct push_ledger;

struct push_ledger *push_ledger_create(uint64_t seed); // the same for all workers
void push_ledger_destroy(struct push_ledger *ledger);  // NULL is fine
// The row of a page, made when it isn't there; it is then the most recently asked for. Valid until
// the next call.
struct push_ledger_row *push_ledger_row(struct push_ledger *ledger, struct slice authority,
                                        struct slice path);
// By key, for what comes later; NULL when the row has left.
struct push_ledger_row *push_ledger_find(struct push_ledger *ledger, uint64_t key);
// What a resource weighed when it was last pushed; 0: not known.
void push_ledger_weigh(struct push_ledger *ledger, struct slice authority, struct slice path,
                       uint64_t bytes);
uint64_t push_ledger_weight(const struct push_ledger *ledger, struct slice authority,
                            struct slice path);
// Appends all rows as they are in memory.
void push_ledger_copy(const struct push_ledger *ledger, struct buffer *out_rows);
// Adds the rows of one copy to those of another one of the same process.
void push_ledger_merge(struct buffer *rows, struct slice more);

#endif
