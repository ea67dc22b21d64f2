// SPDX-License-Identifier: Apache-2.0
#include "http/h1_lines.h"

static bool has_stray_cr(const struct h1_lines *lines, struct slice piece, bool is_whole);
static enum h1_lines_state count_piece(struct h1_lines *lines, struct slice text);
static enum h1_lines_state finish_line(struct h1_lines *lines);

void h1_lines_start(struct h1_lines *lines) {
    lines->length = 0;
    lines->block = 0;
    lines->count = 0;
    lines->is_after_cr = false;
    lines->has_start_line = lines->start_line_bytes > 0;
}

enum h1_lines_state h1_lines_scan(struct h1_lines *lines, struct slice bytes, size_t *out_used) {
    struct slice rest = bytes;
    enum h1_lines_state state = H1_LINES_MORE;
    while (state == H1_LINES_MORE && rest.length > 0) {
        size_t line_feed = slice_find(rest, '\n');
        bool is_whole = line_feed < rest.length;
        struct slice text = slice_first(rest, line_feed);
        if (has_stray_cr(lines, text, is_whole)) {
            state = H1_LINES_BAD;
            break;
        }
        if (text.length > 0 && text.data[text.length - 1] == '\r') {
            lines->is_after_cr = !is_whole;
            text.length--;
        }
        state = count_piece(lines, text);
        if (state == H1_LINES_MORE && is_whole) {
            lines->is_after_cr = false;
            state = finish_line(lines);
        }
        rest = slice_skip(rest, line_feed + 1);
    }
    *out_used = bytes.length - rest.length;
    return state;
}

// A CR may only stand right before the LF, or at the end of an input whose LF is still to come.
static bool has_stray_cr(const struct h1_lines *lines, struct slice piece, bool is_whole) {
    if (lines->is_after_cr) {
        return piece.length > 0 || !is_whole;
    }
    size_t cr = slice_find(piece, '\r');
    bool has_cr = cr < piece.length;
    return (has_cr && cr + 1 < piece.length) || (!has_cr && is_whole);
}

static enum h1_lines_state count_piece(struct h1_lines *lines, struct slice text) {
    bool is_start_line = lines->has_start_line && lines->count == 0;
    if (lines->length == 0 && text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        return H1_LINES_BAD;
    }
    lines->length += text.length;
    if (is_start_line) {
        return lines->length > lines->start_line_bytes ? H1_LINES_LONG_START : H1_LINES_MORE;
    }
    lines->block += text.length;
    bool is_large = lines->length > lines->line_bytes || lines->block > lines->block_bytes;
    return is_large ? H1_LINES_LARGE : H1_LINES_MORE;
}

static enum h1_lines_state finish_line(struct h1_lines *lines) {
    if (lines->length == 0) {
        return lines->has_start_line && lines->count == 0 ? H1_LINES_BAD : H1_LINES_END;
    }
    lines->length = 0;
    lines->count++;
    unsigned others = lines->count - (lines->has_start_line ? 1 : 0);
    return others > lines->line_count ? H1_LINES_LARGE : H1_LINES_MORE;
}
