// SPDX-License-Identifier: Apache-2.0
#include "access_redact.h"

#include <arpa/inet.h>

#include "front/access_log.h"

enum { MOST_FIELD_BYTES = 1024, IPV4_NETWORK_BYTES = 3, IPV6_NETWORK_BYTES = 6 };

#define ALWAYS (~0U)
#define REDACTED SLICE("[redacted]")

static size_t query_at(struct slice url);
static void append_value(unsigned redact, const struct header *field, struct buffer *out);
static bool is_hidden(unsigned redact, struct slice name);
static bool is_url(const struct header *field);
static struct slice cut(struct buffer *text);

// Fields that say what a part of the line says, or more: those parts.
static const struct {
    struct slice name;
    unsigned redact;
} known_fields[] = {
    {{"authorization", 13}, ALWAYS},
    {{"cookie", 6}, ALWAYS},
    {{"proxy-authorization", 19}, ALWAYS},
    {{"set-cookie", 10}, ALWAYS},
    {{"forwarded", 9}, ACCESS_LOG_REDACT_AUTHORITY | ACCESS_LOG_REDACT_CLIENT},
    {{"origin", 6}, ACCESS_LOG_REDACT_AUTHORITY},
    {{"referer", 7}, ACCESS_LOG_REDACT_AUTHORITY},
    {{"x-forwarded-for", 15}, ACCESS_LOG_REDACT_CLIENT},
    {{"x-forwarded-host", 16}, ACCESS_LOG_REDACT_AUTHORITY},
    {{"x-real-ip", 9}, ACCESS_LOG_REDACT_CLIENT},
};

// --- the client ---------------------------------------------------------------------------------

struct slice access_redact_client(unsigned redact, struct slice address, struct buffer *scratch) {
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];
    if ((redact & ACCESS_LOG_REDACT_CLIENT) == 0 || slice_equal(address, SLICE("unix"))) {
        return address;
    }
    if (address.length >= sizeof(text)) {
        return REDACTED;
    }
    memcpy(text, address.data, address.length);
    text[address.length] = '\0';
    int family = AF_INET;
    size_t kept = IPV4_NETWORK_BYTES;
    if (slice_find(address, ':') < address.length) {
        family = AF_INET6;
        kept = IPV6_NETWORK_BYTES;
    }
    if (inet_pton(family, text, bytes) != 1) {
        return REDACTED;
    }
    memset(bytes + kept, 0, sizeof(bytes) - kept);
    inet_ntop(family, bytes, text, sizeof(text));
    buffer_finish(scratch);
    buffer_append_slice(scratch, slice_of_text(text));
    return buffer_peek(scratch);
}

// --- what is asked for --------------------------------------------------------------------------

struct slice access_redact_authority(unsigned redact, struct slice authority) {
    return (redact & ACCESS_LOG_REDACT_AUTHORITY) != 0 ? REDACTED : authority;
}

struct slice access_redact_path(unsigned redact, struct slice path, struct buffer *scratch) {
    bool is_path = slice_starts_with(path, SLICE("/"));
    bool may_name_host = !is_path && !slice_equal(path, SLICE("*"));
    if ((redact & ACCESS_LOG_REDACT_PATH) != 0) {
        return is_path ? SLICE("/[redacted]") : REDACTED;
    }
    if ((redact & ACCESS_LOG_REDACT_AUTHORITY) != 0 && may_name_host) {
        return REDACTED;
    }
    size_t end = query_at(path);
    if ((redact & ACCESS_LOG_REDACT_QUERY) == 0 || end == path.length) {
        return path;
    }
    buffer_finish(scratch);
    buffer_append(scratch, path.data, end + 1);
    buffer_append_slice(scratch, REDACTED);
    return buffer_peek(scratch);
}

// Its '?', or a '#', which has no place in a request but may come in a malformed one.
static size_t query_at(struct slice url) {
    size_t end = 0;
    while (end < url.length && url.data[end] != '?' && url.data[end] != '#') {
        end++;
    }
    return end;
}

// --- fields -------------------------------------------------------------------------------------

bool access_redact_field(unsigned redact, const struct headers *headers, struct slice name,
                         struct buffer *scratch, struct slice *out_value) {
    const struct header *first = headers_find_name(headers, name);
    if (first == NULL) {
        return false;
    }
    if (is_hidden(redact, name)) {
        *out_value = REDACTED;
        return true;
    }
    buffer_finish(scratch);
    const struct header *end = headers->rows + headers->count;
    for (const struct header *field = first; field < end; field++) {
        if (field != first && !slice_equal(field->name, name)) {
            continue;
        }
        if (field != first) {
            buffer_append_slice(scratch, SLICE(", "));
        }
        append_value(redact, field, scratch);
    }
    *out_value = cut(scratch);
    return true;
}

static bool is_hidden(unsigned redact, struct slice name) {
    for (size_t i = 0; i < sizeof(known_fields) / sizeof(known_fields[0]); i++) {
        if (slice_equal(name, known_fields[i].name)) {
            return known_fields[i].redact == ALWAYS || (known_fields[i].redact & redact) != 0;
        }
    }
    return false;
}

static void append_value(unsigned redact, const struct header *field, struct buffer *out) {
    size_t end = query_at(field->value);
    if ((redact & ACCESS_LOG_REDACT_PATH) != 0 && is_url(field)) {
        buffer_append_slice(out, REDACTED);
    } else if ((redact & ACCESS_LOG_REDACT_QUERY) != 0 && end < field->value.length &&
               is_url(field)) {
        buffer_append(out, field->value.data, end + 1);
        buffer_append_slice(out, REDACTED);
    } else {
        buffer_append_slice(out, field->value);
    }
}

// By its looks too, for there are many such as X-Original-URL.
static bool is_url(const struct header *field) {
    static const struct slice beginnings[] = {{"/", 1}, {"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        if (slice_equal_nocase(slice_first(field->value, beginnings[i].length), beginnings[i])) {
            return true;
        }
    }
    return field->id == HEADER_REFERER;
}

// Not inside a character.
static struct slice cut(struct buffer *text) {
    struct slice whole = buffer_peek(text);
    if (whole.length <= MOST_FIELD_BYTES) {
        return whole;
    }
    size_t end = MOST_FIELD_BYTES;
    while (end > 0 && ((unsigned char)whole.data[end] & 0xc0) == 0x80) {
        end--;
    }
    struct buffer shorter = {0};
    buffer_append(&shorter, whole.data, end);
    buffer_append_slice(&shorter, SLICE("..."));
    buffer_finish(text);
    *text = shorter;
    return buffer_peek(text);
}
