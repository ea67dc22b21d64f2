// SPDX-License-Identifier: Apache-2.0
#include "push_learn_reflection.h"

// Shorter words are in many URLs by chance. The others bound the work that a query can cause.
enum {
    MIN_WORD_BYTES = 4,
    MAX_WORDS = 16,
    MAX_COOKIES = 32,
    MAX_FIELDS = 32,
    MAX_QUERY_BYTES = 2048
};

static size_t collect_words(struct slice query, struct arena *arena, struct slice *words);
static size_t collect_cookies(const struct headers *headers, struct arena *arena,
                              struct slice *words);
static size_t collect_fields(const struct headers *headers, struct arena *arena,
                             struct slice *words);
static bool next_word(struct slice *rest, struct slice *out_word);
static struct slice decode(struct slice text, struct arena *arena);
static int hex_value(char c);
static struct slice link_words(const struct push_learn_element *element, struct slice authority);
static struct slice skip_prefix(struct slice text, struct slice prefix);
static bool has_word(struct slice text, const struct slice *words, size_t count);
static bool contains(struct slice text, struct slice word);

bool push_learn_reflection_is_in(const struct request_head *page,
                                 const struct push_learn_element *elements, size_t count,
                                 struct arena *arena) {
    struct slice words[MAX_WORDS + MAX_COOKIES + MAX_FIELDS];
    struct slice query = slice_skip(page->path, slice_find(page->path, '?') + 1);
    size_t word_count =
        query.length <= MAX_QUERY_BYTES ? collect_words(query, arena, words) : MAX_WORDS + 1;
    if (word_count > MAX_WORDS) {
        return true;
    }
    word_count += collect_cookies(&page->headers, arena, words + word_count);
    word_count += collect_fields(&page->headers, arena, words + word_count);
    for (size_t i = 0; i < count && word_count > 0; i++) {
        struct slice link = decode(link_words(&elements[i], page->authority), arena);
        if (has_word(link, words, word_count)) {
            return true;
        }
    }
    return false;
}

// Names and values, decoded; their number, MAX_WORDS + 1 when there are more.
static size_t collect_words(struct slice query, struct arena *arena, struct slice *words) {
    size_t count = 0;
    struct slice word;
    while (next_word(&query, &word)) {
        word = decode(word, arena);
        if (word.length < MIN_WORD_BYTES) {
            continue;
        }
        if (count == MAX_WORDS) {
            return MAX_WORDS + 1;
        }
        words[count++] = word;
    }
    return count;
}

// Values, decoded. A page that makes a link of one is another for each visitor.
static size_t collect_cookies(const struct headers *headers, struct arena *arena,
                              struct slice *words) {
    size_t count = 0;
    const struct header *field = headers_find(headers, HEADER_COOKIE);
    for (; field != NULL; field = headers_find_next(headers, HEADER_COOKIE, field)) {
        struct slice rest = field->value;
        while (rest.length > 0 && count < MAX_COOKIES) {
            struct slice pair = slice_first(rest, slice_find(rest, ';'));
            rest = slice_skip(rest, pair.length + 1);
            struct slice value = slice_trim(slice_skip(pair, slice_find(pair, '=') + 1));
            if (value.length >= MIN_WORD_BYTES) {
                words[count++] = decode(value, arena);
            }
        }
    }
    return count;
}

// Those whose values are the client's own words; not those that say what browsers say.
static size_t collect_fields(const struct headers *headers, struct arena *arena,
                             struct slice *words) {
    size_t count = 0;
    for (uint32_t i = 0; i < headers->count && count < MAX_FIELDS; i++) {
        const struct header *field = &headers->rows[i];
        bool is_own = field->id == HEADER_USER_AGENT || field->id == HEADER_TRACEPARENT ||
                      field->id == HEADER_TRACESTATE || field->id == HEADER_OTHER;
        bool is_browsers = slice_starts_with(field->name, SLICE("sec-")) ||
                           slice_equal(field->name, SLICE("origin"));
        if (is_own && !is_browsers && field->value.length >= MIN_WORD_BYTES) {
            words[count++] = decode(field->value, arena);
        }
    }
    return count;
}

static bool next_word(struct slice *rest, struct slice *out_word) {
    size_t length = 0;
    if (rest->length == 0) {
        return false;
    }
    while (length < rest->length && strchr("&;=", rest->data[length]) == NULL) {
        length++;
    }
    *out_word = slice_first(*rest, length);
    *rest = slice_skip(*rest, length + 1);
    return true;
}

// Lower case, %41 as a, + as a blank: whatever the page did to the word on its way into the link.
static struct slice decode(struct slice text, struct arena *arena) {
    char *copy = arena_alloc(arena, text.length);
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i] == '+' ? ' ' : text.data[i];
        bool may_be_code = c == '%' && i + 2 < text.length;
        int high = may_be_code ? hex_value(text.data[i + 1]) : -1;
        int low = may_be_code ? hex_value(text.data[i + 2]) : -1;
        if (high >= 0 && low >= 0) {
            c = (char)(high << 4 | low);
            i += 2;
        }
        copy[length++] = slice_lower(c);
    }
    return slice_of(copy, length);
}

static int hex_value(char c) {
    char lower = slice_lower(c);
    if (lower >= '0' && lower <= '9') {
        return lower - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The target as it stands, since a page may leave out the slash that resolving adds; without the
// page's own host, whose name is in many queries by chance.
static struct slice link_words(const struct push_learn_element *element, struct slice authority) {
    struct slice text = slice_skip(element->text, 1);
    struct slice target = slice_first(text, slice_find(text, '>'));
    target = skip_prefix(target, element->target.scheme);
    target = skip_prefix(target, SLICE("://"));
    return slice_equal(element->target.authority, authority) ? skip_prefix(target, authority)
                                                             : target;
}

static struct slice skip_prefix(struct slice text, struct slice prefix) {
    return slice_starts_with(text, prefix) ? slice_skip(text, prefix.length) : text;
}

// Either way round: the page may have used a part of the word, or put it into a longer URL.
static bool has_word(struct slice text, const struct slice *words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (contains(text, words[i]) ||
            (text.length >= MIN_WORD_BYTES && contains(words[i], text))) {
            return true;
        }
    }
    return false;
}

static bool contains(struct slice text, struct slice word) {
    return memmem(text.data, text.length, word.data, word.length) != NULL;
}
