// SPDX-License-Identifier: Apache-2.0
#include "http/link_header.h"

#include <stdint.h>

static bool read_element(struct slice *rest, struct link_header *link);
static bool read_target(struct slice *rest, struct slice *out_target);
static bool read_parameter(struct slice *rest, struct link_header *link);
static bool read_name(struct slice *rest, struct slice *out_name);
static bool is_name_byte(char c);
static bool has_bit(const uint32_t bits[8], char c);
static bool ends_value(char c);
static bool read_value(struct slice *rest, struct slice *out_value);
static size_t quoted_length(struct slice text);
static void skip_to_comma(struct slice *rest);
static void skip_blanks(struct slice *rest);
static char peek(struct slice rest);
static void note_parameter(struct link_header *link, struct slice name, struct slice value);
static void note_relations(struct link_header *link, struct slice value);
static void note_relation(struct link_header *link, struct slice word);
static void note_first(struct slice *slot, struct slice value);

void link_reader_start(struct link_reader *reader, struct slice field_value) {
    reader->rest = slice_first(field_value, LINK_MAX_FIELD_BYTES);
    reader->is_cut = field_value.length > LINK_MAX_FIELD_BYTES;
}

bool link_reader_next(struct link_reader *reader, struct link_header *out_link) {
    for (;;) {
        while (peek(reader->rest) == ',' || peek(reader->rest) == ' ' ||
               peek(reader->rest) == '\t') {
            reader->rest = slice_skip(reader->rest, 1);
        }
        if (reader->rest.length == 0) {
            return false;
        }
        struct link_header link = {.as = SLICE_EMPTY};
        const char *start = reader->rest.data;
        bool is_good = read_element(&reader->rest, &link);
        if (!is_good) {
            skip_to_comma(&reader->rest);
        }
        // An element that ends where the field was cut may have lost its end.
        bool is_limited = (reader->is_cut && reader->rest.length == 0) ||
                          reader->elements >= LINK_MAX_ELEMENTS ||
                          link.target.length > LINK_MAX_URL_BYTES;
        reader->elements += reader->elements < LINK_MAX_ELEMENTS;
        reader->ignored += is_limited;
        if (is_good && !is_limited) {
            link.element = slice_trim(slice_of(start, (size_t)(reader->rest.data - start)));
            *out_link = link;
            return true;
        }
    }
}

// Stops at the comma behind the element, or at the end. On failure somewhere inside, outside
// quotes.
static bool read_element(struct slice *rest, struct link_header *link) {
    if (!read_target(rest, &link->target)) {
        return false;
    }
    for (;;) {
        skip_blanks(rest);
        if (rest->length == 0 || peek(*rest) == ',') {
            return true;
        }
        if (peek(*rest) != ';') {
            return false;
        }
        *rest = slice_skip(*rest, 1);
        skip_blanks(rest);
        bool is_empty = rest->length == 0 || peek(*rest) == ';' || peek(*rest) == ',';
        if (!is_empty && !read_parameter(rest, link)) {
            return false;
        }
    }
}

// '<' is in no URL: where one comes before the '>', an earlier '<' was never closed.
static bool read_target(struct slice *rest, struct slice *out_target) {
    if (peek(*rest) != '<') {
        return false;
    }
    *rest = slice_skip(*rest, 1);
    size_t length = 0;
    while (length < rest->length && rest->data[length] != '>' && rest->data[length] != '<') {
        length++;
    }
    if (length == rest->length || rest->data[length] == '<') {
        return false;
    }
    *out_target = slice_first(*rest, length);
    *rest = slice_skip(*rest, length + 1);
    return true;
}

static bool read_parameter(struct slice *rest, struct link_header *link) {
    struct slice name;
    struct slice value = SLICE_EMPTY;
    if (!read_name(rest, &name)) {
        return false;
    }
    skip_blanks(rest);
    if (peek(*rest) == '=') {
        *rest = slice_skip(*rest, 1);
        skip_blanks(rest);
        if (!read_value(rest, &value)) {
            return false;
        }
    } else if (name.data[name.length - 1] == '*') {
        return false; // an extended parameter (RFC 8187) has a value
    }
    note_parameter(link, name, value);
    return true;
}

// A token; '*' may only be its last byte.
static bool read_name(struct slice *rest, struct slice *out_name) {
    size_t length = 0;
    while (length < rest->length && is_name_byte(rest->data[length])) {
        length++;
    }
    if (length == 0) {
        return false;
    }
    if (length < rest->length && rest->data[length] == '*') {
        length++;
    }
    *out_name = slice_first(*rest, length);
    *rest = slice_skip(*rest, length);
    return true;
}

// RFC 9110 section 5.6.2, without '*'.
static bool is_name_byte(char c) {
    static const uint32_t bits[8] = {
        0,          // control bytes
        0x03ff68fa, // ! # $ % & ' + - . 0-9
        0xc7fffffe, // A-Z ^ _
        0x57ffffff, // ` a-z | ~
    };
    return has_bit(bits, c);
}

static bool has_bit(const uint32_t bits[8], char c) {
    unsigned char byte = (unsigned char)c;
    return (bits[byte >> 5] >> (byte & 31) & 1) != 0;
}

// Quoted, or bare: more than a token, since types and paths are often left without quotes.
static bool read_value(struct slice *rest, struct slice *out_value) {
    size_t length = 0;
    if (peek(*rest) == '"') {
        length = quoted_length(*rest);
        if (length == 0) {
            *rest = slice_skip(*rest, rest->length); // the quote hides everything behind it
            return false;
        }
        *out_value = slice_of(rest->data + 1, length - 2);
    } else {
        while (length < rest->length && !ends_value(rest->data[length])) {
            length++;
        }
        *out_value = slice_first(*rest, length);
    }
    *rest = slice_skip(*rest, length);
    return true;
}

// A NUL too, which is in no field value.
static bool ends_value(char c) {
    static const uint32_t bits[8] = {
        0x00000201, // NUL HTAB
        0x58001005, // SP " , ; < >
    };
    return has_bit(bits, c);
}

// Bytes of the quoted string at the start, both quotes included; 0 when it has no end.
static size_t quoted_length(struct slice text) {
    for (size_t i = 1; i < text.length; i++) {
        if (text.data[i] == '\\') {
            i++;
        } else if (text.data[i] == '"') {
            return i + 1;
        }
    }
    return 0;
}

// To the next comma that is not inside quotes or a complete <>.
static void skip_to_comma(struct slice *rest) {
    while (rest->length > 0 && peek(*rest) != ',') {
        struct slice ignored;
        if (peek(*rest) == '"') {
            size_t length = quoted_length(*rest);
            *rest = slice_skip(*rest, length > 0 ? length : rest->length);
        } else if (peek(*rest) == '<') {
            (void)read_target(rest, &ignored); // passes an unclosed '<' alone
        } else {
            *rest = slice_skip(*rest, 1);
        }
    }
}

static void skip_blanks(struct slice *rest) {
    while (peek(*rest) == ' ' || peek(*rest) == '\t') {
        *rest = slice_skip(*rest, 1);
    }
}

// NUL at the end; a NUL in a field value is refused before it gets here.
static char peek(struct slice rest) {
    return rest.length > 0 ? rest.data[0] : '\0';
}

static void note_parameter(struct link_header *link, struct slice name, struct slice value) {
    if (slice_equal_nocase(name, SLICE("rel"))) {
        note_relations(link, value);
    } else if (slice_equal_nocase(name, SLICE("as"))) {
        note_first(&link->as, value);
    } else if (slice_equal_nocase(name, SLICE("nopush"))) {
        link->is_nopush = true;
    } else if (slice_equal_nocase(name, SLICE("x-http2-push-only"))) {
        link->is_push_only = true;
    } else if (slice_equal_nocase(name, SLICE("crossorigin"))) {
        link->has_crossorigin = true;
        link->has_credentialed_crossorigin = slice_equal_nocase(value, SLICE("use-credentials"));
    } else if (slice_equal_nocase(name, SLICE("fetchpriority"))) {
        note_first(&link->fetch_priority, value);
    } else if (slice_equal_nocase(name, SLICE("critical"))) {
        link->is_critical = true;
    } else if (slice_equal_nocase(name, SLICE("anchor"))) {
        note_first(&link->anchor, value);
    } else if (slice_equal_nocase(name, SLICE("media"))) {
        link->has_variants |= value.length > 0 && !slice_equal_nocase(value, SLICE("all"));
    } else if (slice_equal_nocase(name, SLICE("imagesrcset")) ||
               slice_equal_nocase(name, SLICE("imagesizes"))) {
        link->has_variants |= value.length > 0;
    } else if (slice_equal_nocase(name, SLICE("loadpolicy"))) {
        link->is_conditional |= value.length > 0;
    }
}

// Words between blanks. Quoted pairs are undone on the way; a longer word is none of ours.
static void note_relations(struct link_header *link, struct slice value) {
    char word[16];
    size_t length = 0;
    if (link->has_rel) {
        return; // RFC 8288 section 3.3: the first one counts
    }
    link->has_rel = true;
    for (size_t i = 0; i < value.length; i++) {
        bool is_pair = value.data[i] == '\\' && i + 1 < value.length;
        char c = value.data[is_pair ? ++i : i];
        if (c == ' ' || c == '\t') {
            note_relation(link, slice_of(word, length));
            length = 0;
        } else if (length < sizeof(word)) {
            word[length++] = c;
        }
    }
    note_relation(link, slice_of(word, length));
}

static void note_relation(struct link_header *link, struct slice word) {
    link->is_preload |= slice_equal_nocase(word, SLICE("preload"));
    link->is_modulepreload |= slice_equal_nocase(word, SLICE("modulepreload"));
    link->is_preconnect |= slice_equal_nocase(word, SLICE("preconnect"));
}

static void note_first(struct slice *slot, struct slice value) {
    if (slot->length == 0) {
        *slot = value;
    }
}
