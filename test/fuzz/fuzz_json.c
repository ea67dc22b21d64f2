// SPDX-License-Identifier: Apache-2.0
#include "fuzz_json.h"

#include <ctype.h>

static bool skip_value(struct slice *rest, unsigned depth);

static void skip_blanks(struct slice *rest) {
    while (rest->length > 0 && strchr(" \t\r\n", rest->data[0]) != NULL && rest->data[0] != '\0') {
        *rest = slice_skip(*rest, 1);
    }
}

static bool take(struct slice *rest, struct slice text) {
    if (!slice_starts_with(*rest, text)) {
        return false;
    }
    *rest = slice_skip(*rest, text.length);
    return true;
}

static bool skip_text(struct slice *rest) {
    if (!take(rest, SLICE("\""))) {
        return false;
    }
    while (rest->length > 0) {
        unsigned char c = (unsigned char)rest->data[0];
        *rest = slice_skip(*rest, 1);
        if (c == '"') {
            return true;
        }
        if (c < 0x20) {
            return false;
        }
        if (c != '\\') {
            continue;
        }
        if (take(rest, SLICE("u"))) {
            for (unsigned i = 0; i < 4; i++) {
                if (rest->length == 0 || !isxdigit((unsigned char)rest->data[0])) {
                    return false;
                }
                *rest = slice_skip(*rest, 1);
            }
        } else if (rest->length > 0 && memchr("\"\\/bfnrt", rest->data[0], 8) != NULL) {
            *rest = slice_skip(*rest, 1);
        } else {
            return false;
        }
    }
    return false;
}

static bool skip_digits(struct slice *rest) {
    bool has_any = false;
    while (rest->length > 0 && isdigit((unsigned char)rest->data[0])) {
        has_any = true;
        *rest = slice_skip(*rest, 1);
    }
    return has_any;
}

static bool skip_number(struct slice *rest) {
    take(rest, SLICE("-"));
    if (!take(rest, SLICE("0")) && !skip_digits(rest)) {
        return false;
    }
    if (take(rest, SLICE(".")) && !skip_digits(rest)) {
        return false;
    }
    if (take(rest, SLICE("e")) || take(rest, SLICE("E"))) {
        bool has_sign = take(rest, SLICE("+")) || take(rest, SLICE("-"));
        (void)has_sign;
        return skip_digits(rest);
    }
    return true;
}

static bool skip_list(struct slice *rest, unsigned depth, bool has_keys, struct slice end) {
    skip_blanks(rest);
    if (take(rest, end)) {
        return true;
    }
    do {
        skip_blanks(rest);
        if (has_keys) {
            if (!skip_text(rest)) {
                return false;
            }
            skip_blanks(rest);
            if (!take(rest, SLICE(":"))) {
                return false;
            }
        }
        if (!skip_value(rest, depth + 1)) {
            return false;
        }
        skip_blanks(rest);
    } while (take(rest, SLICE(",")));
    return take(rest, end);
}

static bool skip_value(struct slice *rest, unsigned depth) {
    skip_blanks(rest);
    if (depth > 100 || rest->length == 0) {
        return false;
    }
    switch (rest->data[0]) {
    case '{':
        *rest = slice_skip(*rest, 1);
        return skip_list(rest, depth, true, SLICE("}"));
    case '[':
        *rest = slice_skip(*rest, 1);
        return skip_list(rest, depth, false, SLICE("]"));
    case '"':
        return skip_text(rest);
    case 't':
        return take(rest, SLICE("true"));
    case 'f':
        return take(rest, SLICE("false"));
    case 'n':
        return take(rest, SLICE("null"));
    default:
        return skip_number(rest);
    }
}

bool fuzz_json_is_valid(struct slice text) {
    if (!fuzz_json_is_utf8(text) || !skip_value(&text, 0)) {
        return false;
    }
    skip_blanks(&text);
    return text.length == 0;
}

// By ranges, the table of RFC 3629 section 4.
static size_t utf8_length(struct slice s) {
    const unsigned char *b = (const unsigned char *)s.data;
    size_t length = b[0] < 0x80                    ? 1
                    : b[0] >= 0xc2 && b[0] <= 0xdf ? 2
                    : (b[0] & 0xf0) == 0xe0        ? 3
                    : b[0] >= 0xf0 && b[0] <= 0xf4 ? 4
                                                   : 0;
    if (length == 0 || length > s.length) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        unsigned least = 0x80;
        unsigned most = 0xbf;
        if (i == 1) {
            least = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : least;
            most = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : most;
        }
        if (b[i] < least || b[i] > most) {
            return 0;
        }
    }
    return length;
}

bool fuzz_json_is_utf8(struct slice text) {
    while (text.length > 0) {
        size_t length = utf8_length(text);
        if (length == 0) {
            return false;
        }
        text = slice_skip(text, length);
    }
    return true;
}
