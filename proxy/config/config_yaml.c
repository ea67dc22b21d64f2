// SPDX-License-Identifier: Apache-2.0
#include "config/config_yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/ensure.h"
#include "config_endpoint.h"
#include "config_environment.h"
#include "config_reader.h"

enum { MOST_BYTES = 1024 * 1024, MOST_DEPTH = 16 };

struct loader {
    yaml_parser_t parser;
    struct arena *arena;
    const char *name;
    struct slice text;
    struct config_errors *errors;
    bool is_over; // an error after which nothing more can be read
};

static int read_file(const char *path, struct buffer *out_text);
static bool load_endpoint(const char *path, const char *name, const char *variable,
                          struct config_endpoint *out_endpoint);
static struct slice find_admin(const char *path, const char *name, struct arena *arena);
static struct config_node *parse(struct loader *loader);
static bool check_text(const char *name, struct slice text, struct config_errors *errors);
static struct config_node *read_document(struct loader *loader);
static struct config_node *read_node(struct loader *loader, yaml_event_t *event, unsigned depth);
static void read_children(struct loader *loader, struct config_node *node, unsigned depth);
static struct config_node *read_alias(struct loader *loader, const yaml_event_t *event);
static bool refuse_extras(struct loader *loader, const yaml_event_t *event,
                          const yaml_char_t *anchor, const yaml_char_t *tag);
static bool next_event(struct loader *loader, yaml_event_t *out_event);
static void say_syntax(struct loader *loader);
static bool is_tab(struct slice text, yaml_mark_t mark);
static void say(struct loader *loader, yaml_mark_t mark, const char *text);
static int compare_errors(const void *a, const void *b);
static struct config_node *create_node(struct loader *loader, enum config_node_kind kind,
                                       const yaml_event_t *event);

struct config *config_load(const char *path, struct config_errors *errors) {
    struct buffer text = {0};
    struct config *config = NULL;
    int error = read_file(path, &text);
    if (error != 0) {
        config_errors_add(errors, path, 0, 0, "", "cannot be read: %s", strerror(error));
    } else {
        struct slice bytes = buffer_peek(&text);
        config = config_load_text_with(path, bytes.data, bytes.length, (const char *const *)environ,
                                       errors);
    }
    buffer_finish(&text);
    return config;
}

// At most one byte more than is allowed. An errno, or 0.
static int read_file(const char *path, struct buffer *out_text) {
    enum { CHUNK = 64 * 1024 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    int error = 0;
    while (buffer_length(out_text) <= MOST_BYTES) {
        ssize_t count = read(fd, buffer_reserve(out_text, CHUNK), CHUNK);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            error = count < 0 ? errno : 0;
            break;
        }
        buffer_commit(out_text, (size_t)count);
    }
    close(fd);
    return error;
}

struct config *config_load_text(const char *name, const char *text, size_t length,
                                struct config_errors *errors) {
    return config_load_text_with(name, text, length, NULL, errors);
}

struct config *config_load_text_with(const char *name, const char *text, size_t length,
                                     const char *const *environment, struct config_errors *errors) {
    struct loader loader = {.name = name, .text = slice_of(text, length), .errors = errors};
    size_t before = errors->count;
    if (!check_text(name, loader.text, errors)) {
        return NULL;
    }
    loader.arena = arena_create();
    struct config_node *root = parse(&loader);
    struct config *config = NULL;
    if (root != NULL) {
        struct config_node_maker maker = {.arena = loader.arena};
        config_environment_apply(&maker, environment, true, root, errors);
        config = config_reader_read(name, loader.arena, root, errors);
    } else {
        arena_destroy(loader.arena);
    }
    if (errors->count > before) { // an alias is an error that the tree survives
        config_destroy(config);
        config = NULL;
        qsort(errors->rows + before, errors->count - before, sizeof(*errors->rows), compare_errors);
    }
    return config;
}

// --- one option of it ---------------------------------------------------------------------------

// With admin.listen off there may still be admin.probes.
void config_load_admin(const char *path, struct config_endpoint *out_endpoint) {
    struct config *defaults = config_create_default();
    *out_endpoint = (struct config_endpoint){0};
    if (!load_endpoint(path, "listen", "OUTRIDER_ADMIN_LISTEN", out_endpoint)) {
        *out_endpoint = defaults->admin.listen;
        defaults->admin.listen = (struct config_endpoint){0};
    } else if (out_endpoint->host == NULL && out_endpoint->path == NULL) {
        load_endpoint(path, "probes", "OUTRIDER_ADMIN_PROBES", out_endpoint);
    }
    config_destroy(defaults);
}

// False when nobody said anything that can be read.
static bool load_endpoint(const char *path, const char *name, const char *variable,
                          struct config_endpoint *out_endpoint) {
    struct arena *arena = arena_create();
    struct config_reason reason;
    const char *said = getenv(variable);
    struct slice text = said != NULL   ? slice_of_text(said)
                        : path != NULL ? find_admin(path, name, arena)
                                       : SLICE_EMPTY;
    bool is_said = text.length > 0 && config_endpoint_parse(NULL, text, out_endpoint, &reason);
    arena_destroy(arena);
    return is_said;
}

// What stands at that key of admin; of listen, it may be the short form. Empty when nothing does.
static struct slice find_admin(const char *path, const char *name, struct arena *arena) {
    struct config_errors errors = {0};
    struct buffer text = {0};
    struct slice found = SLICE_EMPTY;
    if (read_file(path, &text) == 0) {
        struct loader loader = {
            .name = path, .text = buffer_peek(&text), .errors = &errors, .arena = arena};
        const struct config_node *root =
            check_text(path, loader.text, &errors) ? parse(&loader) : NULL;
        const struct config_node *node = root != NULL ? config_node_child(root, "admin") : NULL;
        if (node != NULL && node->kind == CONFIG_NODE_MAP) {
            node = config_node_child(node, name);
        } else if (strcmp(name, "listen") != 0) {
            node = NULL;
        }
        if (node != NULL && node->kind == CONFIG_NODE_WORD) {
            found = arena_copy(arena, node->text);
        }
    }
    config_errors_finish(&errors);
    buffer_finish(&text);
    return found;
}

// --- the text -----------------------------------------------------------------------------------

// The parser is over when this returns; the nodes live in the loader's arena.
static struct config_node *parse(struct loader *loader) {
    if (!yaml_parser_initialize(&loader->parser)) {
        alloc_fail(sizeof(yaml_parser_t));
    }
    yaml_parser_set_encoding(&loader->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&loader->parser, (const unsigned char *)loader->text.data,
                                 loader->text.length);
    struct config_node *root = read_document(loader);
    yaml_parser_delete(&loader->parser);
    return root;
}

// UTF-8 without control characters. libyaml checks that as well, but cannot say where.
static bool check_text(const char *name, struct slice text, struct config_errors *errors) {
    if (text.length > MOST_BYTES) {
        config_errors_add(errors, name, 0, 0, "", "is larger than 1MiB");
        return false;
    }
    unsigned line = 1;
    unsigned column = 1;
    for (struct slice rest = text; rest.length > 0; column++) {
        size_t length = config_node_measure(rest);
        unsigned char byte = (unsigned char)rest.data[0];
        bool is_control =
            (byte < ' ' && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f;
        if (length == 0 || is_control) {
            config_errors_add(errors, name, line, column, "",
                              length == 0 ? "this is not UTF-8 text"
                                          : "control characters are not allowed");
            return false;
        }
        if (byte == '\n') {
            line++;
            column = 0;
        }
        rest = slice_skip(rest, length);
    }
    return true;
}

// --- the tree -----------------------------------------------------------------------------------

// The root of the only document, or NULL with an error.
static struct config_node *read_document(struct loader *loader) {
    yaml_event_t event;
    if (!next_event(loader, &event)) {
        return NULL;
    }
    yaml_event_delete(&event); // the start of the stream
    if (!next_event(loader, &event)) {
        return NULL;
    }
    struct config_node *root = NULL;
    if (event.type == YAML_DOCUMENT_START_EVENT) {
        yaml_event_delete(&event);
        if (!next_event(loader, &event)) {
            return NULL;
        }
        root = read_node(loader, &event, 0);
        yaml_event_delete(&event);
        if (loader->is_over || !next_event(loader, &event)) { // the end of the document
            return NULL;
        }
        yaml_event_delete(&event);
        if (!next_event(loader, &event)) {
            return NULL;
        }
    }
    if (root == NULL || config_node_is_null(root)) {
        config_errors_add(loader->errors, loader->name, 0, 0, "", "is empty");
        root = NULL;
    } else if (event.type != YAML_STREAM_END_EVENT) {
        say(loader, event.start_mark, "a second document begins here: only one is read");
        root = NULL;
    }
    yaml_event_delete(&event);
    return root;
}

// The caller deletes the event. NULL after a last error.
static struct config_node *read_node(struct loader *loader, yaml_event_t *event, unsigned depth) {
    struct config_node *node = NULL;
    if (depth > MOST_DEPTH) {
        say(loader, event->start_mark, "this is nested too deeply");
        loader->is_over = true;
        return NULL;
    }
    if (event->type == YAML_ALIAS_EVENT) {
        return read_alias(loader, event);
    }
    if (event->type == YAML_SCALAR_EVENT) {
        node = create_node(loader, CONFIG_NODE_WORD, event);
        node->text = arena_copy(loader->arena, slice_of((const char *)event->data.scalar.value,
                                                        event->data.scalar.length));
        node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        refuse_extras(loader, event, event->data.scalar.anchor, event->data.scalar.tag);
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        node = create_node(loader, CONFIG_NODE_LIST, event);
        refuse_extras(loader, event, event->data.sequence_start.anchor,
                      event->data.sequence_start.tag);
        read_children(loader, node, depth);
    } else {
        ensure(event->type == YAML_MAPPING_START_EVENT);
        node = create_node(loader, CONFIG_NODE_MAP, event);
        refuse_extras(loader, event, event->data.mapping_start.anchor,
                      event->data.mapping_start.tag);
        read_children(loader, node, depth);
        config_node_find_same(node);
    }
    return loader->is_over ? NULL : node;
}

static void read_children(struct loader *loader, struct config_node *node, unsigned depth) {
    struct config_node *key = NULL;
    for (;;) {
        yaml_event_t event;
        if (!next_event(loader, &event)) {
            return;
        }
        bool is_end = event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        struct config_node *child = is_end ? NULL : read_node(loader, &event, depth + 1);
        yaml_event_delete(&event);
        if (child == NULL) {
            return;
        }
        if (node->kind == CONFIG_NODE_MAP && key == NULL) {
            key = child;
            continue;
        }
        child->key = key;
        key = NULL;
        config_node_append(node, child);
    }
}

// Aliases would let a small file become a large one (and hide where a value stands).
static struct config_node *read_alias(struct loader *loader, const yaml_event_t *event) {
    say(loader, event->start_mark, "aliases (*name) are not supported: write the value out");
    return create_node(loader, CONFIG_NODE_BROKEN, event);
}

static bool refuse_extras(struct loader *loader, const yaml_event_t *event,
                          const yaml_char_t *anchor, const yaml_char_t *tag) {
    if (anchor != NULL) {
        say(loader, event->start_mark, "anchors (&name) are not supported: write the value out");
    }
    if (tag != NULL) {
        say(loader, event->start_mark, "tags (!name) are not supported");
    }
    return anchor == NULL && tag == NULL;
}

static struct config_node *create_node(struct loader *loader, enum config_node_kind kind,
                                       const yaml_event_t *event) {
    return config_node_create(loader->arena, kind, (unsigned)event->start_mark.line + 1,
                              (unsigned)event->start_mark.column + 1);
}

// False after an error of syntax, which is noted; the event is then not to be deleted.
static bool next_event(struct loader *loader, yaml_event_t *out_event) {
    if (yaml_parser_parse(&loader->parser, out_event)) {
        return true;
    }
    say_syntax(loader);
    loader->is_over = true;
    return false;
}

// --- errors -------------------------------------------------------------------------------------

static void say_syntax(struct loader *loader) {
    const yaml_parser_t *parser = &loader->parser;
    if (parser->error == YAML_MEMORY_ERROR) {
        alloc_fail(0);
    }
    yaml_mark_t mark = parser->problem_mark;
    unsigned line = (unsigned)mark.line + 1;
    unsigned column = (unsigned)mark.column + 1;
    if (is_tab(loader->text, mark)) {
        config_errors_add(loader->errors, loader->name, line, column, "",
                          "a tab: YAML is indented with blanks");
    } else if (parser->context != NULL) {
        config_errors_add(loader->errors, loader->name, line, column, "",
                          "not valid YAML: %s, %s that begins in line %zu", parser->problem,
                          parser->context, parser->context_mark.line + 1);
    } else {
        config_errors_add(loader->errors, loader->name, line, column, "", "not valid YAML: %s",
                          parser->problem);
    }
}

// Marks count characters, not bytes.
static bool is_tab(struct slice text, yaml_mark_t mark) {
    for (size_t i = 0; i < mark.line; i++) {
        text = slice_skip(text, slice_find(text, '\n') + 1);
    }
    for (size_t i = 0; i < mark.column && text.length > 0; i++) {
        text = slice_skip(text, config_node_measure(text));
    }
    return text.length > 0 && text.data[0] == '\t';
}

static void say(struct loader *loader, yaml_mark_t mark, const char *text) {
    config_errors_add(loader->errors, loader->name, (unsigned)mark.line + 1,
                      (unsigned)mark.column + 1, "", "%s", text);
}

// In the order of the file.
static int compare_errors(const void *a, const void *b) {
    const struct config_error *x = a;
    const struct config_error *y = b;
    if (x->line != y->line) {
        return x->line < y->line ? -1 : 1;
    }
    if (x->column != y->column) {
        return x->column < y->column ? -1 : 1;
    }
    return strcmp(x->key, y->key);
}
