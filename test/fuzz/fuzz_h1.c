// SPDX-License-Identifier: Apache-2.0
#include "fuzz_h1.h"

static bool is_token(struct slice text) {
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return text.length > 0;
}

// Takes one line off `rest`. Nothing but its end may be a CR or LF, nor NUL.
static enum fuzz_h1_state take_line(struct slice *rest, struct slice *out_line) {
    for (size_t i = 0; i < rest->length; i++) {
        char c = rest->data[i];
        if (c == '\r' && i + 1 < rest->length && rest->data[i + 1] == '\n') {
            *out_line = slice_first(*rest, i);
            *rest = slice_skip(*rest, i + 2);
            return FUZZ_H1_GOOD;
        }
        bool is_last = c == '\r' && i + 1 == rest->length;
        bool is_control = ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
        if (is_control && !is_last) {
            return FUZZ_H1_BAD;
        }
    }
    return FUZZ_H1_MORE;
}

static bool read_field(struct slice line, struct fuzz_h1_head *head) {
    size_t colon = slice_find(line, ':');
    struct slice name = slice_first(line, colon);
    struct slice value = slice_skip(line, colon + 1);
    bool is_upper = false;
    for (size_t i = 0; i < name.length; i++) {
        is_upper |= name.data[i] >= 'A' && name.data[i] <= 'Z';
    }
    if (!is_token(name) || is_upper || colon == line.length || head->count == FUZZ_H1_FIELDS ||
        value.length == 0 || value.data[0] != ' ') {
        return false;
    }
    value = slice_skip(value, 1);
    if (slice_trim(value).length != value.length) {
        return false;
    }
    head->fields[head->count].name = name;
    head->fields[head->count++].value = value;
    return true;
}

enum fuzz_h1_state fuzz_h1_read_head(struct slice text, struct fuzz_h1_head *out_head) {
    struct slice rest = text;
    struct slice line;
    out_head->count = 0;
    enum fuzz_h1_state state = take_line(&rest, &line);
    if (state != FUZZ_H1_GOOD) {
        return state;
    }
    size_t first = slice_find(line, ' ');
    struct slice behind = slice_skip(line, first + 1);
    size_t second = slice_find(behind, ' ');
    out_head->first = slice_first(line, first);
    out_head->second = slice_first(behind, second);
    out_head->third = slice_skip(behind, second + 1);
    if (first == line.length || second == behind.length || first == 0 || second == 0) {
        return FUZZ_H1_BAD;
    }
    while ((state = take_line(&rest, &line)) == FUZZ_H1_GOOD && line.length > 0) {
        if (!read_field(line, out_head)) {
            return FUZZ_H1_BAD;
        }
    }
    out_head->length = (size_t)(rest.data - text.data);
    return state;
}

size_t fuzz_h1_count(const struct fuzz_h1_head *head, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < head->count; i++) {
        count += slice_equal(head->fields[i].name, slice_of_text(name));
    }
    return count;
}

struct slice fuzz_h1_value(const struct fuzz_h1_head *head, const char *name) {
    for (size_t i = 0; i < head->count; i++) {
        if (slice_equal(head->fields[i].name, slice_of_text(name))) {
            return head->fields[i].value;
        }
    }
    return SLICE_EMPTY;
}

bool fuzz_h1_has_hop_by_hop(const struct fuzz_h1_head *head) {
    static const char *const names[] = {"keep-alive", "proxy-connection", "te",
                                        "upgrade",    "http2-settings",   "proxy-authenticate"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (fuzz_h1_count(head, names[i]) > 0) {
            return true;
        }
    }
    return false;
}

bool fuzz_h1_read_number(struct slice text, unsigned base, uint64_t *out_number) {
    uint64_t number = 0;
    if (text.length == 0 || text.length > 15) {
        return false;
    }
    for (size_t i = 0; i < text.length; i++) {
        char c = slice_lower(text.data[i]);
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                                : 99;
        if (digit >= base) {
            return false;
        }
        number = number * base + digit;
    }
    *out_number = number;
    return true;
}

void fuzz_h1_start_body(struct fuzz_h1_body *body, const struct fuzz_h1_head *head) {
    *body = (struct fuzz_h1_body){.is_chunked = fuzz_h1_count(head, "transfer-encoding") > 0};
    if (!body->is_chunked) {
        fuzz_h1_read_number(fuzz_h1_value(head, "content-length"), 10, &body->left);
        body->place = FUZZ_H1_CONTENT;
        body->is_ended = body->left == 0;
    }
}

bool fuzz_h1_next_content(struct fuzz_h1_body *body, struct slice *rest, struct slice *out_content,
                          bool *out_is_bad) {
    struct slice line;
    while (!body->is_ended && rest->length > 0) {
        if (body->place == FUZZ_H1_CONTENT) {
            *out_content = slice_first(*rest, body->left);
            *rest = slice_skip(*rest, out_content->length);
            body->left -= out_content->length;
            if (body->left == 0) {
                body->is_ended = !body->is_chunked;
                body->place = FUZZ_H1_CONTENT_END;
            }
            return true;
        }
        enum fuzz_h1_state state = take_line(rest, &line);
        if (state != FUZZ_H1_GOOD) {
            *out_is_bad = state == FUZZ_H1_BAD;
            return false;
        }
        if (body->place == FUZZ_H1_CONTENT_END) {
            *out_is_bad = line.length > 0;
            body->place = FUZZ_H1_SIZE;
        } else if (body->place == FUZZ_H1_SIZE) {
            *out_is_bad = !fuzz_h1_read_number(line, 16, &body->left);
            body->place = body->left > 0 ? FUZZ_H1_CONTENT : FUZZ_H1_TRAILERS;
        } else {
            body->is_ended = line.length == 0; // else one of the trailers
            *out_is_bad = line.length > 0 && slice_find(line, ':') == line.length;
        }
        if (*out_is_bad) {
            return false;
        }
    }
    return false;
}
