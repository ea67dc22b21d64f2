// SPDX-License-Identifier: Apache-2.0
#include "http/message.h"

#include "base/ensure.h"

const char *protocol_name(enum protocol protocol) {
    switch (protocol) {
    case PROTOCOL_HTTP_1_0:
        return "HTTP/1.0";
    case PROTOCOL_HTTP_1_1:
        return "HTTP/1.1";
    case PROTOCOL_HTTP_2:
        return "HTTP/2";
    }
    unreachable();
}

void request_head_copy(const struct request_head *from, struct arena *arena,
                       struct request_head *out_head) {
    *out_head = *from;
    out_head->method = arena_copy(arena, from->method);
    out_head->scheme = arena_copy(arena, from->scheme);
    out_head->authority = arena_copy(arena, from->authority);
    out_head->path = arena_copy(arena, from->path);
    headers_init(&out_head->headers, arena);
    for (uint32_t i = 0; i < from->headers.count; i++) {
        headers_add(&out_head->headers, from->headers.rows[i].name, from->headers.rows[i].value);
    }
}
