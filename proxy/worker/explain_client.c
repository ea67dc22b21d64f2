// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "explain_impl.h"
#include "worker/file.h"

enum { MAX_FILE_BYTES = 256 * 1024 };

struct field {
    const char *name;
    const char *value;
};

// What Chromium sends when a person enters an address.
static const struct field browser_fields[] = {
    {"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
               "image/apng,*/*;q=0.8"},
    {"accept-encoding", "gzip, deflate, br, zstd"},
    {"accept-language", "en-US,en;q=0.9"},
    {"sec-fetch-dest", "document"},
    {"sec-fetch-mode", "navigate"},
    {"sec-fetch-site", "none"},
    {"sec-fetch-user", "?1"},
    {"upgrade-insecure-requests", "1"},
    {"user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
                   "Chrome/140.0.0.0 Safari/537.36"},
    {NULL, NULL},
};

static const struct field push_fields[] = {
    {"accept", "*/*"},
    {"user-agent", "outrider-explain"},
    {NULL, NULL},
};

static void add_all(const struct field *fields, struct headers *headers);
static bool read_fields(const char *path, struct headers *headers);
static const char *read_line(struct slice line, struct headers *headers);
static bool is_of_connection(struct slice name);

bool explain_client_read(const char *client, struct headers *out_headers, bool *out_takes_push) {
    *out_takes_push = false;
    if (strcmp(client, "browser") == 0) {
        add_all(browser_fields, out_headers);
        return true;
    }
    if (strcmp(client, "push") == 0) {
        add_all(push_fields, out_headers);
    } else if (!read_fields(client, out_headers)) {
        return false;
    }
    // No browser of today takes push, and nobody else sends this field.
    *out_takes_push = !headers_has(out_headers, HEADER_SEC_FETCH_MODE);
    return true;
}

static void add_all(const struct field *fields, struct headers *headers) {
    for (; fields->name != NULL; fields++) {
        headers_add(headers, slice_of_text(fields->name), slice_of_text(fields->value));
    }
}

static bool read_fields(const char *path, struct headers *headers) {
    struct buffer text = {0};
    if (!file_read(path, MAX_FILE_BYTES, &text)) {
        fprintf(stderr,
                "outrider: unknown client '%s': neither browser nor push, and as a file of header "
                "fields it can't be read: %s\n",
                path, strerror(errno));
        buffer_finish(&text);
        return false;
    }
    struct slice rest = buffer_peek(&text);
    bool is_good = true;
    for (unsigned number = 1; rest.length > 0; number++) {
        size_t length = slice_find(rest, '\n');
        const char *wrong = read_line(slice_first(rest, length), headers);
        if (wrong != NULL) {
            fprintf(stderr, "%s:%u: %s\n", path, number, wrong);
            is_good = false;
        }
        rest = slice_skip(rest, length + 1);
    }
    buffer_finish(&text);
    return is_good;
}

// NULL when it is a field or empty, else what is wrong with it.
static const char *read_line(struct slice line, struct headers *headers) {
    if (line.length > 0 && line.data[line.length - 1] == '\r') {
        line.length--;
    }
    if (slice_trim(line).length == 0) {
        return NULL;
    }
    size_t colon = slice_find(line, ':');
    struct slice name = slice_first(line, colon);
    struct slice value = slice_trim(slice_skip(line, colon + 1));
    if (colon == line.length || !headers_is_name(name)) {
        return "expected 'Name: value'";
    }
    if (!headers_is_value(value)) {
        return "the value has a control byte";
    }
    if (is_of_connection(name)) {
        return "the URL says the host, and a GET has no content: leave this field out";
    }
    headers_add(headers, name, value);
    return NULL;
}

static bool is_of_connection(struct slice name) {
    static const char *const names[] = {"host",
                                        "connection",
                                        "content-length",
                                        "keep-alive",
                                        "proxy-connection",
                                        "transfer-encoding",
                                        "upgrade",
                                        "expect"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_equal_nocase(name, slice_of_text(names[i]))) {
            return true;
        }
    }
    return false;
}
