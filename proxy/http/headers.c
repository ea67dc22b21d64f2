// SPDX-License-Identifier: Apache-2.0
#include "http/headers.h"

#include <string.h>

#include "base/swar.h"

static void grow(struct headers *headers, uint32_t capacity);
static void append(struct headers *headers, enum header_id id, struct slice name,
                   struct slice value);
static void refresh_present(struct headers *headers, enum header_id id);
static uint64_t find_control(uint64_t word);
static bool is_visible(struct slice value);

_Static_assert(HEADER_COUNT <= 64, "struct headers has one bit per known name");

enum { FIRST_CAPACITY = 16, LONGEST_KNOWN_NAME = 23, NAMES_PER_LENGTH = 6 };

static const struct slice known_names[HEADER_COUNT] = {[HEADER_OTHER] = {"", 0},
#define X(id, text) [HEADER_##id] = {text, sizeof(text) - 1},
                                                       HEADER_LIST(X)
#undef X
};

// The known names by their length, the commonest first. The test knows when one is missing.
static const uint8_t ids_by_length[LONGEST_KNOWN_NAME + 1][NAMES_PER_LENGTH] = {
    [2] = {HEADER_TE},
    [3] = {HEADER_AGE, HEADER_VIA},
    [4] = {HEADER_DATE, HEADER_ETAG, HEADER_HOST, HEADER_LINK, HEADER_VARY},
    [5] = {HEADER_RANGE},
    [6] = {HEADER_ACCEPT, HEADER_COOKIE, HEADER_SERVER, HEADER_EXPECT},
    [7] = {HEADER_REFERER, HEADER_EXPIRES, HEADER_ALT_SVC, HEADER_TRAILER, HEADER_UPGRADE},
    [8] = {HEADER_LOCATION, HEADER_PRIORITY},
    [9] = {HEADER_FORWARDED},
    [10] = {HEADER_USER_AGENT, HEADER_CONNECTION, HEADER_SET_COOKIE, HEADER_KEEP_ALIVE,
            HEADER_EARLY_DATA, HEADER_TRACESTATE},
    [11] = {HEADER_TRACEPARENT},
    [12] = {HEADER_CONTENT_TYPE, HEADER_CACHE_DIGEST, HEADER_X_HTTP2_PUSH, HEADER_MAX_FORWARDS,
            HEADER_PROXY_STATUS},
    [13] = {HEADER_CACHE_CONTROL, HEADER_LAST_MODIFIED, HEADER_IF_NONE_MATCH, HEADER_AUTHORIZATION},
    [14] = {HEADER_CONTENT_LENGTH, HEADER_SEC_FETCH_DEST, HEADER_SEC_FETCH_MODE,
            HEADER_HTTP2_SETTINGS},
    [15] = {HEADER_ACCEPT_ENCODING, HEADER_ACCEPT_LANGUAGE, HEADER_X_FORWARDED_FOR,
            HEADER_REFERRER_POLICY},
    [16] = {HEADER_CONTENT_ENCODING, HEADER_X_FORWARDED_HOST, HEADER_X_FORWARDED_PORT,
            HEADER_PROXY_CONNECTION},
    [17] = {HEADER_IF_MODIFIED_SINCE, HEADER_TRANSFER_ENCODING, HEADER_X_FORWARDED_PROTO},
    [18] = {HEADER_ACCEPT_PUSH_POLICY, HEADER_PROXY_AUTHENTICATE},
    [19] = {HEADER_PROXY_AUTHORIZATION},
    [23] = {HEADER_CONTENT_SECURITY_POLICY},
};

struct slice headers_name(enum header_id id) {
    return known_names[id];
}

enum header_id headers_identify(struct slice lower_case_name) {
    if (lower_case_name.length > LONGEST_KNOWN_NAME) {
        return HEADER_OTHER;
    }
    const uint8_t *ids = ids_by_length[lower_case_name.length];
    for (unsigned i = 0; i < NAMES_PER_LENGTH && ids[i] != HEADER_OTHER; i++) {
        const char *known = known_names[ids[i]].data;
        if (known[0] == lower_case_name.data[0] &&
            memcmp(known, lower_case_name.data, lower_case_name.length) == 0) {
            return (enum header_id)ids[i];
        }
    }
    return HEADER_OTHER;
}

void headers_init(struct headers *headers, struct arena *arena) {
    *headers = (struct headers){.arena = arena};
}

void headers_reserve(struct headers *headers, uint32_t count) {
    if (headers->capacity - headers->count < count) {
        grow(headers, headers->count + count);
    }
}

static void grow(struct headers *headers, uint32_t capacity) {
    struct header *rows = arena_alloc(headers->arena, capacity * sizeof *rows);
    if (headers->count > 0) {
        memcpy(rows, headers->rows, headers->count * sizeof *rows);
    }
    headers->rows = rows;
    headers->capacity = capacity;
}

static void append(struct headers *headers, enum header_id id, struct slice name,
                   struct slice value) {
    if (headers->count == headers->capacity) {
        grow(headers, headers->capacity > 0 ? headers->capacity * 2 : FIRST_CAPACITY);
    }
    headers->rows[headers->count++] = (struct header){.name = name, .value = value, .id = id};
    headers->present |= UINT64_C(1) << id;
}

void headers_add(struct headers *headers, struct slice name, struct slice value) {
    char folded[LONGEST_KNOWN_NAME];
    enum header_id id = HEADER_OTHER;
    if (name.length <= LONGEST_KNOWN_NAME) {
        swar_copy_lower(folded, name);
        id = headers_identify(slice_of(folded, name.length));
    }
    if (id != HEADER_OTHER) {
        append(headers, id, known_names[id], arena_copy(headers->arena, value));
        return;
    }
    char *copy = arena_alloc(headers->arena, name.length + value.length + 1);
    swar_copy_lower(copy, name);
    char *value_copy = copy + name.length;
    if (value.length > 0) {
        memcpy(value_copy, value.data, value.length);
    }
    append(headers, HEADER_OTHER, slice_of(copy, name.length), slice_of(value_copy, value.length));
}

void headers_add_id(struct headers *headers, enum header_id id, struct slice value) {
    append(headers, id, known_names[id], value);
}

void headers_add_borrowed(struct headers *headers, struct slice name, struct slice value) {
    append(headers, headers_identify(name), name, value);
}

void headers_add_row(struct headers *headers, const struct header *row) {
    append(headers, row->id, row->name, row->value);
}

void headers_set_id(struct headers *headers, enum header_id id, struct slice value) {
    headers_remove(headers, id);
    append(headers, id, known_names[id], value);
}

const struct header *headers_find(const struct headers *headers, enum header_id id) {
    return headers_find_next(headers, id, NULL);
}

const struct header *headers_find_next(const struct headers *headers, enum header_id id,
                                       const struct header *after) {
    if (!headers_has(headers, id)) {
        return NULL;
    }
    const struct header *end = headers->rows + headers->count;
    for (const struct header *row = after != NULL ? after + 1 : headers->rows; row < end; row++) {
        if (row->id == id) {
            return row;
        }
    }
    return NULL;
}

const struct header *headers_find_name(const struct headers *headers, struct slice name) {
    for (uint32_t i = 0; i < headers->count; i++) {
        if (slice_equal(headers->rows[i].name, name)) {
            return &headers->rows[i];
        }
    }
    return NULL;
}

struct slice headers_value(const struct headers *headers, enum header_id id) {
    const struct header *found = headers_find(headers, id);
    return found != NULL ? found->value : SLICE_EMPTY;
}

bool headers_has(const struct headers *headers, enum header_id id) {
    return (headers->present >> id & 1) != 0;
}

bool headers_has_token(const struct headers *headers, enum header_id id, struct slice token) {
    const struct header *row = headers_find(headers, id);
    for (; row != NULL; row = headers_find_next(headers, id, row)) {
        struct slice rest = row->value;
        struct slice element;
        while (slice_next_element(&rest, &element)) {
            if (slice_equal_nocase(element, token)) {
                return true;
            }
        }
    }
    return false;
}

void headers_remove(struct headers *headers, enum header_id id) {
    if (!headers_has(headers, id)) {
        return;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < headers->count; i++) {
        if (headers->rows[i].id != id) {
            headers->rows[kept++] = headers->rows[i];
        }
    }
    headers->count = kept;
    headers->present &= ~(UINT64_C(1) << id);
}

void headers_remove_at(struct headers *headers, uint32_t index) {
    enum header_id id = headers->rows[index].id;
    uint32_t behind = headers->count - index - 1;
    memmove(&headers->rows[index], &headers->rows[index + 1], behind * sizeof *headers->rows);
    headers->count--;
    refresh_present(headers, id);
}

static void refresh_present(struct headers *headers, enum header_id id) {
    for (uint32_t i = 0; i < headers->count; i++) {
        if (headers->rows[i].id == id) {
            return;
        }
    }
    headers->present &= ~(UINT64_C(1) << id);
}

bool headers_is_name(struct slice name) {
    // One bit per ASCII byte that may stand in a token: RFC 9110 section 5.6.2.
    static const uint32_t token_bits[8] = {
        0,          // control bytes
        0x03ff6cfa, // ! # $ % & ' * + - . 0-9
        0xc7fffffe, // A-Z ^ _
        0x57ffffff, // ` a-z | ~
    };
    for (size_t i = 0; i < name.length; i++) {
        unsigned char c = (unsigned char)name.data[i];
        if ((token_bits[c >> 5] >> (c & 31) & 1) == 0) {
            return false;
        }
    }
    return name.length > 0;
}

bool headers_is_value(struct slice value) {
    if (value.length < SWAR_BYTES) {
        return is_visible(value);
    }
    return !swar_marks(value, find_control) || is_visible(value);
}

// Tabs too.
static uint64_t find_control(uint64_t word) {
    return swar_below(word, ' ') | swar_equal(word, 0x7f);
}

static bool is_visible(struct slice value) {
    for (size_t i = 0; i < value.length; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}
