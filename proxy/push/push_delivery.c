// SPDX-License-Identifier: Apache-2.0
#include "push/push_delivery.h"

static bool has_private_directive(const struct headers *headers);

bool push_delivery_is_fit(const struct response_head *response, bool page_had_credentials,
                          bool promise_had_credentials) {
    const struct headers *headers = &response->headers;
    if (response->status >= 400) {
        return false;
    }
    if (!page_had_credentials || promise_had_credentials) {
        return true;
    }
    // A visitor without credentials was answered: it may not be what this one would have got.
    return !headers_has(headers, HEADER_SET_COOKIE) && !has_private_directive(headers) &&
           !headers_has_token(headers, HEADER_VARY, SLICE("cookie")) &&
           !headers_has_token(headers, HEADER_VARY, SLICE("authorization")) &&
           !headers_has_token(headers, HEADER_VARY, SLICE("*"));
}

// private and no-store, also with arguments (RFC 9111 section 5.2.2).
static bool has_private_directive(const struct headers *headers) {
    const struct header *field = headers_find(headers, HEADER_CACHE_CONTROL);
    for (; field != NULL; field = headers_find_next(headers, HEADER_CACHE_CONTROL, field)) {
        struct slice rest = field->value;
        struct slice directive;
        while (slice_next_element(&rest, &directive)) {
            struct slice name = slice_trim(slice_first(directive, slice_find(directive, '=')));
            if (slice_equal_nocase(name, SLICE("private")) ||
                slice_equal_nocase(name, SLICE("no-store"))) {
                return true;
            }
        }
    }
    return false;
}
