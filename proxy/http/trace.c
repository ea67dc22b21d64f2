// SPDX-License-Identifier: Apache-2.0
#include "http/trace.h"

// version "-" trace-id "-" parent-id "-" flags: the fields' places in a traceparent.
enum {
    TRACE_AT = 3,
    PARENT_AT = 36,
    FLAGS_AT = 53,
    VERSION_0_BYTES = 55,
    TRACE_DIGITS = 32,
    PARENT_DIGITS = 16,
};

enum { MOST_ID_BYTES = 128, FRESH_ID_BYTES = 32 };

static bool is_hex(struct slice text);
static bool is_zero(struct slice digits);
static struct slice make_id(struct trace_random *random, struct arena *arena);

// --- the trace ----------------------------------------------------------------------------------

bool trace_parse_parent(struct slice value, struct slice *out_trace_id) {
    if (value.length < VERSION_0_BYTES) {
        return false;
    }
    struct slice version = slice_first(value, 2);
    struct slice trace = slice_of(value.data + TRACE_AT, TRACE_DIGITS);
    struct slice parent = slice_of(value.data + PARENT_AT, PARENT_DIGITS);
    struct slice flags = slice_of(value.data + FLAGS_AT, 2);
    bool has_dashes = value.data[TRACE_AT - 1] == '-' && value.data[PARENT_AT - 1] == '-' &&
                      value.data[FLAGS_AT - 1] == '-';
    bool is_hexadecimal = is_hex(version) && is_hex(trace) && is_hex(parent) && is_hex(flags);
    bool ends_well = value.length == VERSION_0_BYTES ||
                     (!slice_equal(version, SLICE("00")) && value.data[VERSION_0_BYTES] == '-');
    if (!has_dashes || !is_hexadecimal || !ends_well || slice_equal(version, SLICE("ff")) ||
        is_zero(trace) || is_zero(parent)) {
        return false;
    }
    *out_trace_id = trace;
    return true;
}

static bool is_hex(struct slice text) {
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return true;
}

static bool is_zero(struct slice digits) {
    for (size_t i = 0; i < digits.length; i++) {
        if (digits.data[i] != '0') {
            return false;
        }
    }
    return true;
}

struct slice trace_clean(struct headers *headers) {
    const struct header *parent = headers_find(headers, HEADER_TRACEPARENT);
    struct slice trace_id;
    if (parent != NULL && headers_find_next(headers, HEADER_TRACEPARENT, parent) == NULL &&
        trace_parse_parent(parent->value, &trace_id)) {
        return trace_id;
    }
    headers_remove(headers, HEADER_TRACEPARENT);
    headers_remove(headers, HEADER_TRACESTATE);
    return SLICE_EMPTY;
}

// --- the request's own id -----------------------------------------------------------------------

bool trace_is_request_id(struct slice text) {
    // One bit per ASCII byte.
    static const uint32_t bits[8] = {
        0,          // control bytes
        0x27ffe800, // + - . / 0-9 : =
        0x87ffffff, // @ A-Z _
        0x47fffffe, // a-z ~
    };
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((bits[c >> 5] >> (c & 31) & 1) == 0) {
            return false;
        }
    }
    return text.length > 0 && text.length <= MOST_ID_BYTES;
}

struct header trace_set_request_id(struct headers *headers, struct slice name,
                                   struct trace_random *random) {
    struct slice given = SLICE_EMPTY;
    unsigned count = 0;
    for (uint32_t i = headers->count; i > 0; i--) {
        if (slice_equal(headers->rows[i - 1].name, name)) {
            given = headers->rows[i - 1].value;
            headers_remove_at(headers, i - 1);
            count++;
        }
    }
    bool is_kept = count == 1 && trace_is_request_id(given);
    struct header field = {name, is_kept ? given : make_id(random, headers->arena), HEADER_OTHER};
    headers_add_row(headers, &field);
    return field;
}

static struct slice make_id(struct trace_random *random, struct arena *arena) {
    static const char digits[] = "0123456789abcdef";
    char *text = arena_alloc(arena, FRESH_ID_BYTES);
    uint64_t number = 0;
    for (size_t i = 0; i < FRESH_ID_BYTES; i++) {
        number = i % 16 == 0 ? trace_random_next(random) : number >> 4;
        text[i] = digits[number & 15];
    }
    return slice_of(text, FRESH_ID_BYTES);
}

uint64_t trace_random_next(struct trace_random *random) {
    uint64_t count = random->count++;
    return hash_sign(&random->key, slice_of((const char *)&count, sizeof(count)));
}
