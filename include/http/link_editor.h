// SPDX-License-Identifier: Apache-2.0
// Takes elements out of a Link field value; all others stay byte for byte. Elements are given in
// their order, as the reader found them in the same value.
// Owner: the caller's frame; the text lives in the arena. Any thread. See also: http/link_header.h.
#ifndef OUTRIDER_HTTP_LINK_EDITOR_H
#define OUTRIDER_HTTP_LINK_EDITOR_H

#include <stddef.h>

#include "base/arena.h"
#include "base/slice.h"

struct link_editor {
    struct slice field;
    size_t done; // bytes of the field that were copied or taken out
    char *text;  // NULL until something was taken out
    size_t length;
};

void link_editor_start(struct link_editor *editor, struct slice field_value);
void link_editor_remove(struct link_editor *editor, struct slice element, struct arena *arena);
// The new value; the field itself when nothing was taken out; empty when nothing is left.
struct slice link_editor_finish(struct link_editor *editor);

#endif
