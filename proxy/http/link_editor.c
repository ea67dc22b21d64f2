// SPDX-License-Identifier: Apache-2.0
#include "http/link_editor.h"

#include "base/ensure.h"

static void copy_until(struct link_editor *editor, size_t end);
static bool is_separator(char c);

void link_editor_start(struct link_editor *editor, struct slice field_value) {
    *editor = (struct link_editor){.field = field_value};
}

// The comma behind the element goes with it, else (it was the last) the one before.
void link_editor_remove(struct link_editor *editor, struct slice element, struct arena *arena) {
    size_t start = (size_t)(element.data - editor->field.data);
    ensure(start >= editor->done && start + element.length <= editor->field.length);
    if (editor->text == NULL) {
        editor->text = arena_alloc(arena, editor->field.length);
    }
    copy_until(editor, start);
    editor->done = start + element.length;
    while (editor->done < editor->field.length && is_separator(editor->field.data[editor->done])) {
        editor->done++;
    }
}

struct slice link_editor_finish(struct link_editor *editor) {
    if (editor->text == NULL) {
        return editor->field;
    }
    bool took_last = editor->done == editor->field.length;
    copy_until(editor, editor->field.length);
    while (took_last && editor->length > 0 && is_separator(editor->text[editor->length - 1])) {
        editor->length--;
    }
    for (size_t i = 0; i < editor->length; i++) {
        if (!is_separator(editor->text[i])) {
            return slice_of(editor->text, editor->length);
        }
    }
    return SLICE_EMPTY;
}

static void copy_until(struct link_editor *editor, size_t end) {
    size_t length = end - editor->done;
    memcpy(editor->text + editor->length, editor->field.data + editor->done, length);
    editor->length += length;
    editor->done = end;
}

static bool is_separator(char c) {
    return c == ',' || c == ' ' || c == '\t';
}
