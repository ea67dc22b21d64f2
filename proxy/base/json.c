// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include "base/swar.h"

enum { REPLACEMENT = 0xfffd };

static bool is_plain(struct slice text);
static uint64_t find_special(uint64_t word);
static void append_special(struct buffer *out, struct slice bytes, size_t length);
static void append_escaped(struct buffer *out, unsigned code);

void json_append_text(struct buffer *out, struct slice text) {
    if (is_plain(text)) {
        char *at = buffer_reserve(out, text.length + 2);
        *at++ = '"';
        at = text.length > 0 ? (char *)mempcpy(at, text.data, text.length) : at;
        *at = '"';
        buffer_commit(out, text.length + 2);
        return;
    }
    buffer_append(out, "\"", 1);
    while (text.length > 0) {
        size_t plain = 0; // the long runs of ordinary bytes go in one piece
        while (plain < text.length && text.data[plain] >= ' ' && text.data[plain] < 0x7f &&
               text.data[plain] != '"' && text.data[plain] != '\\') {
            plain++;
        }
        buffer_append(out, text.data, plain);
        text = slice_skip(text, plain);
        if (text.length > 0) {
            size_t length = json_utf8_length(text);
            append_special(out, text, length);
            text = slice_skip(text, length > 0 ? length : 1);
        }
    }
    buffer_append(out, "\"", 1);
}

// Nearly always.
static bool is_plain(struct slice text) {
    if (text.length >= SWAR_BYTES) {
        return !swar_marks(text, find_special);
    }
    unsigned special = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        special |= (unsigned)(c < ' ') | (c >= 0x7f) | (c == '"') | (c == '\\');
    }
    return special == 0;
}

static uint64_t find_special(uint64_t word) {
    return swar_below(word, ' ') | swar_from(word, 0x7f) | swar_equal(word, '"') |
           swar_equal(word, '\\');
}

// The character of that length in front, or one byte that begins none.
static void append_special(struct buffer *out, struct slice bytes, size_t length) {
    const unsigned char *at = (const unsigned char *)bytes.data;
    if (at[0] == '"' || at[0] == '\\') {
        buffer_append(out, "\\", 1);
        buffer_append(out, at, 1);
    } else if (length == 0) {
        append_escaped(out, REPLACEMENT);
    } else if (length == 1) {
        append_escaped(out, at[0]);
    } else if (length == 2 && at[0] == 0xc2 && at[1] < 0xa0) {
        append_escaped(out, at[1]); // C1: some terminals obey these
    } else {
        buffer_append(out, at, length);
    }
}

static void append_escaped(struct buffer *out, unsigned code) {
    static const char digits[] = "0123456789abcdef";
    const char text[6] = {'\\',
                          'u',
                          digits[code >> 12 & 15],
                          digits[code >> 8 & 15],
                          digits[code >> 4 & 15],
                          digits[code & 15]};
    buffer_append(out, text, sizeof(text));
}

size_t json_utf8_length(struct slice bytes) {
    const unsigned char *at = (const unsigned char *)bytes.data;
    unsigned char first = at[0];
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (length == 0 || first > 0xf4 || bytes.length < length) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool is_overlong = (first == 0xe0 && at[1] < 0xa0) || (first == 0xf0 && at[1] < 0x90);
    bool is_surrogate = first == 0xed && at[1] >= 0xa0;
    bool is_too_large = first == 0xf4 && at[1] >= 0x90;
    return is_overlong || is_surrogate || is_too_large ? 0 : length;
}

void json_append_number(struct buffer *out, uint64_t number) {
    if (number < 10) {
        char digit = (char)('0' + number);
        buffer_append(out, &digit, 1);
        return;
    }
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buffer_append(out, digits + at, sizeof(digits) - at);
}
