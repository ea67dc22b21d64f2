// SPDX-License-Identifier: Apache-2.0
#include "forward_fields.h"

static void remove_nocase(struct headers *headers, struct slice name);

static const uint64_t connection_fields =
    HEADER_BIT(CONNECTION) | HEADER_BIT(KEEP_ALIVE) | HEADER_BIT(PROXY_CONNECTION) |
    HEADER_BIT(TRANSFER_ENCODING) | HEADER_BIT(UPGRADE) | HEADER_BIT(TE) |
    HEADER_BIT(HTTP2_SETTINGS) | HEADER_BIT(PROXY_AUTHENTICATE) | HEADER_BIT(PROXY_AUTHORIZATION);

bool forward_is_hop_by_hop(const struct header *field, enum forward_direction direction) {
    if (field->id != HEADER_OTHER) {
        uint64_t mask = connection_fields;
        if (direction == FORWARD_REQUEST) {
            mask |= HEADER_BIT(EXPECT) | HEADER_BIT(PROXY_STATUS);
        }
        return (mask >> field->id & 1) != 0;
    }
    // "Proxy: ..." becomes HTTP_PROXY in a CGI program's environment (CVE-2016-5385).
    return direction == FORWARD_REQUEST && (slice_starts_with(field->name, SLICE("proxy-")) ||
                                            slice_equal(field->name, SLICE("proxy")));
}

void forward_remove_nominated(const struct headers *original, struct headers *headers) {
    const struct header *row = headers_find(original, HEADER_CONNECTION);
    for (; row != NULL; row = headers_find_next(original, HEADER_CONNECTION, row)) {
        struct slice rest = row->value;
        struct slice option;
        while (slice_next_element(&rest, &option)) {
            if (!slice_equal_nocase(option, SLICE("close")) &&
                !slice_equal_nocase(option, SLICE("keep-alive"))) {
                remove_nocase(headers, option);
            }
        }
    }
}

static void remove_nocase(struct headers *headers, struct slice name) {
    for (uint32_t i = headers->count; i > 0; i--) {
        if (slice_equal_nocase(headers->rows[i - 1].name, name)) {
            headers_remove_at(headers, i - 1);
        }
    }
}

struct slice forward_join(const struct headers *headers, enum header_id id, struct slice separator,
                          struct arena *arena) {
    const struct header *first = headers_find(headers, id);
    if (first == NULL || headers_find_next(headers, id, first) == NULL) {
        return first != NULL ? slice_trim(first->value) : SLICE_EMPTY;
    }
    size_t most = 0;
    const struct header *row = first;
    for (; row != NULL; row = headers_find_next(headers, id, row)) {
        most += row->value.length + separator.length;
    }
    char *joined = arena_alloc(arena, most);
    char *at = joined;
    for (row = first; row != NULL; row = headers_find_next(headers, id, row)) {
        struct slice value = slice_trim(row->value);
        if (value.length > 0 && at != joined) {
            at = (char *)mempcpy(at, separator.data, separator.length);
        }
        at = (char *)mempcpy(at, value.data, value.length);
    }
    return slice_of(joined, (size_t)(at - joined));
}
