// SPDX-License-Identifier: Apache-2.0
#include "h1_parser.h"

#include "base/swar.h"

enum {
    CHUNK_LINE_BYTES = 20, // CR LF of the chunk before, 16 digits, CR LF: more is extension
    MAX_CHUNK_LENGTH_BITS = 62,
};

static void start_fields(struct h1_parser *parser, struct headers *headers);
static enum fault read_fields(struct h1_parser *parser, struct slice text);
static int on_name(llhttp_t *llhttp, const char *at, size_t length);
static int on_value(llhttp_t *llhttp, const char *at, size_t length);
static int on_head_complete(llhttp_t *llhttp);
static int on_message_complete(llhttp_t *llhttp);
static int finish_block(struct h1_parser *parser);
static bool finish_field(struct h1_parser *parser);
static bool is_within_limits(struct h1_parser *parser, const struct header *field);
static int on_chunk_header(llhttp_t *llhttp);
static int on_content(llhttp_t *llhttp, const char *at, size_t length);
static bool is_framing_small(struct h1_parser *parser);
static enum fault malformed(const struct h1_parser *parser);
static enum fault too_large(const struct h1_parser *parser);

static const llhttp_settings_t settings = {
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_head_complete,
    .on_chunk_header = on_chunk_header,
    .on_body = on_content,
    .on_message_complete = on_message_complete,
};

void h1_parser_init(struct h1_parser *parser, enum h1_reader_kind kind,
                    const struct h1_reader_limits *limits) {
    *parser = (struct h1_parser){.kind = kind, .limits = limits};
    llhttp_init(&parser->llhttp, kind == H1_READER_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE,
                &settings);
    parser->llhttp.data = parser;
}

// --- blocks of fields ----------------------------------------------------------------------------

enum fault h1_parser_read_head(struct h1_parser *parser, struct slice text,
                               struct headers *headers) {
    llhttp_reset(&parser->llhttp); // what one message leaves behind means nothing for the next
    parser->framing_bytes = 0;
    parser->extension_bytes = 0;
    start_fields(parser, headers);
    return read_fields(parser, text);
}

enum fault h1_parser_read_trailers(struct h1_parser *parser, struct slice text,
                                   struct headers *headers) {
    start_fields(parser, headers);
    return read_fields(parser, text);
}

static void start_fields(struct h1_parser *parser, struct headers *headers) {
    parser->fields = headers;
    parser->name = SLICE_EMPTY;
    parser->value = SLICE_EMPTY;
    parser->field_bytes = 0;
    parser->field_count = 0;
    parser->cookie_bytes = 0;
    parser->cookie_count = 0;
    parser->is_complete = false;
    parser->fault = FAULT_NONE;
}

// llhttp must find the end where h1_lines found it.
static enum fault read_fields(struct h1_parser *parser, struct slice text) {
    llhttp_errno_t error = llhttp_execute(&parser->llhttp, text.data, text.length);
    if (parser->fault != FAULT_NONE) {
        return parser->fault; // ours, from inside
    }
    if (error == HPE_INVALID_METHOD && parser->kind == H1_READER_REQUEST) {
        return FAULT_NOT_IMPLEMENTED; // a token, but none that llhttp knows
    }
    if (error != HPE_PAUSED || !parser->is_complete ||
        llhttp_get_error_pos(&parser->llhttp) != text.data + text.length) {
        return malformed(parser);
    }
    llhttp_resume(&parser->llhttp);
    return FAULT_NONE;
}

static int on_name(llhttp_t *llhttp, const char *at, size_t length) {
    struct h1_parser *parser = llhttp->data;
    if (!finish_field(parser)) {
        return HPE_USER;
    }
    parser->name = slice_of(at, length);
    parser->value = slice_of(at, 0);
    return 0;
}

// The text is in one piece, so a value that comes in two has nothing between them.
static int on_value(llhttp_t *llhttp, const char *at, size_t length) {
    struct h1_parser *parser = llhttp->data;
    if (parser->value.length == 0) {
        parser->value = slice_of(at, length);
        return 0;
    }
    bool is_next = parser->value.data + parser->value.length == at;
    parser->value.length += length;
    return is_next ? 0 : HPE_USER;
}

static int on_head_complete(llhttp_t *llhttp) {
    llhttp->upgrade = 0; // content stays content, whatever the client would like to speak
    return finish_block(llhttp->data);
}

static int on_message_complete(llhttp_t *llhttp) {
    return finish_block(llhttp->data);
}

static int finish_block(struct h1_parser *parser) {
    if (!finish_field(parser)) {
        return -1;
    }
    parser->is_complete = true;
    return HPE_PAUSED;
}

static bool finish_field(struct h1_parser *parser) {
    if (parser->name.length == 0) {
        return true;
    }
    swar_copy_lower((char *)parser->name.data, parser->name); // in the reader's own copy
    struct header field = {.name = parser->name,
                           .value = slice_trim(parser->value),
                           .id = headers_identify(parser->name)};
    parser->name = SLICE_EMPTY;
    bool is_name = field.id != HEADER_OTHER || headers_is_name(field.name);
    if (!is_name || !headers_is_value(field.value)) {
        parser->fault = malformed(parser);
    } else if (!is_within_limits(parser, &field)) {
        parser->fault = too_large(parser);
    } else {
        headers_add_row(parser->fields, &field);
    }
    return parser->fault == FAULT_NONE;
}

// A request's cookie crumbs are counted apart: honest browsers send dozens.
static bool is_within_limits(struct h1_parser *parser, const struct header *field) {
    const struct h1_reader_limits *limits = parser->limits;
    if (field->id == HEADER_COOKIE && parser->kind == H1_READER_REQUEST) {
        parser->cookie_count++;
        parser->cookie_bytes += field->value.length;
        return parser->cookie_count <= limits->cookie_crumbs &&
               parser->cookie_bytes <= limits->cookie_bytes;
    }
    size_t bytes = field->name.length + field->value.length;
    parser->field_count++;
    parser->field_bytes += bytes + 32;
    return parser->field_count <= limits->head_fields && bytes <= limits->field_bytes &&
           parser->field_bytes <= limits->head_bytes;
}

// --- chunks -------------------------------------------------------------------------------------

enum fault h1_parser_read_chunks(struct h1_parser *parser, struct slice bytes,
                                 struct h1_chunk_event *out_event) {
    parser->content = SLICE_EMPTY;
    parser->is_chunk_header = false;
    llhttp_errno_t error = llhttp_execute(&parser->llhttp, bytes.data, bytes.length);
    size_t used = bytes.length;
    if (error == HPE_PAUSED) {
        used = (size_t)(llhttp_get_error_pos(&parser->llhttp) - bytes.data);
        llhttp_resume(&parser->llhttp);
    } else if (error != HPE_OK) {
        return malformed(parser);
    }
    parser->framing_bytes += used - parser->content.length;
    uint64_t chunk_length = parser->llhttp.content_length;
    bool is_huge = parser->is_chunk_header && chunk_length >> MAX_CHUNK_LENGTH_BITS != 0;
    if (is_huge || !is_framing_small(parser)) {
        return malformed(parser);
    }
    *out_event = (struct h1_chunk_event){
        .used = used,
        .content = parser->content,
        .is_last_chunk = parser->is_chunk_header && chunk_length == 0,
    };
    return FAULT_NONE;
}

static int on_chunk_header(llhttp_t *llhttp) {
    struct h1_parser *parser = llhttp->data;
    parser->is_chunk_header = true;
    return HPE_PAUSED;
}

static int on_content(llhttp_t *llhttp, const char *at, size_t length) {
    struct h1_parser *parser = llhttp->data;
    parser->content = slice_of(at, length);
    return HPE_PAUSED;
}

// What a chunk's line holds beyond its size is counted over the message (CVE-2024-22019).
static bool is_framing_small(struct h1_parser *parser) {
    size_t extra =
        parser->framing_bytes > CHUNK_LINE_BYTES ? parser->framing_bytes - CHUNK_LINE_BYTES : 0;
    bool is_small = parser->extension_bytes + extra <= parser->limits->chunk_extension_bytes;
    if (parser->is_chunk_header) {
        parser->extension_bytes += extra;
        parser->framing_bytes = 0;
    }
    return is_small;
}

static enum fault malformed(const struct h1_parser *parser) {
    return parser->kind == H1_READER_REQUEST ? FAULT_BAD_REQUEST : FAULT_ORIGIN_BAD_RESPONSE;
}

static enum fault too_large(const struct h1_parser *parser) {
    return parser->kind == H1_READER_REQUEST ? FAULT_HEAD_TOO_LARGE : FAULT_ORIGIN_HEAD_TOO_LARGE;
}
