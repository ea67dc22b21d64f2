// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int digit_of(char c);
static struct slice without_padding(struct slice text);

void base64_encode(struct slice bytes, char *out_text) {
    uint32_t window = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < bytes.length; i++) {
        window = window << 8 | (unsigned char)bytes.data[i];
        for (bits += 8; bits >= 6; bits -= 6) {
            *out_text++ = alphabet[window >> (bits - 6) & 63];
        }
    }
    if (bits > 0) {
        *out_text = alphabet[window << (6 - bits) & 63];
    }
}

bool base64_decode(struct slice text, unsigned char *out_bytes, size_t *out_length) {
    text = without_padding(text);
    if (text.length % 4 == 1) {
        return false;
    }
    uint32_t window = 0;
    unsigned bits = 0;
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        int digit = digit_of(text.data[i]);
        if (digit < 0) {
            return false;
        }
        window = window << 6 | (uint32_t)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out_bytes[length++] = (unsigned char)(window >> bits);
        }
    }
    if ((window & ((1U << bits) - 1)) != 0) {
        return false;
    }
    *out_length = length;
    return true;
}

static int digit_of(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

// Other '=' stay, and are foreign characters then.
static struct slice without_padding(struct slice text) {
    if (text.length % 4 != 0) {
        return text;
    }
    for (unsigned i = 0; i < 2 && text.length > 0 && text.data[text.length - 1] == '='; i++) {
        text.length--;
    }
    return text;
}
