// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <stdarg.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/ensure.h"
#include "config/config_options.h"
#include "config_record.h"

static bool is_in_network(const struct config_network *network, const uint8_t address[16]);
static void print_one_line(const char *text, FILE *out);

struct config *config_create_default(void) {
    struct config *config = alloc_new(struct config);
    config->file = alloc_text("");
    config_record_init(&config_options_root, config, config);
    return config;
}

void config_destroy(struct config *config) {
    if (config == NULL) {
        return;
    }
    config_record_finish(&config_options_root, config);
    arena_destroy(config->arena);
    free(config->file);
    free(config);
}

bool config_is_trusted(const struct config *config, const uint8_t address[16]) {
    for (size_t i = 0; i < config->trusted_count; i++) {
        if (is_in_network(&config->trusted[i], address)) {
            return true;
        }
    }
    return false;
}

static bool is_in_network(const struct config_network *network, const uint8_t address[16]) {
    size_t whole = network->bits / 8;
    if (memcmp(network->address, address, whole) != 0) {
        return false;
    }
    unsigned rest = network->bits % 8;
    return rest == 0 || (network->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

// --- errors -------------------------------------------------------------------------------------

void config_errors_add(struct config_errors *errors, const char *file, unsigned line,
                       unsigned column, const char *key, const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) {
        alloc_fail(0);
    }
    va_end(arguments);
    errors->rows = alloc_resize(errors->rows, (errors->count + 1) * sizeof(*errors->rows));
    errors->rows[errors->count++] = (struct config_error){
        .file = alloc_text(file),
        .line = line,
        .column = column,
        .key = alloc_text(key),
        .text = text,
    };
}

void config_errors_print(const struct config_errors *errors, FILE *out) {
    for (size_t i = 0; i < errors->count; i++) {
        const struct config_error *error = &errors->rows[i];
        if (error->file[0] != '\0') {
            print_one_line(error->file, out);
            if (error->line > 0) {
                fprintf(out, ":%u:%u", error->line, error->column);
            }
            fputs(": ", out);
        }
        if (error->key[0] != '\0') {
            print_one_line(error->key, out);
            fputs(": ", out);
        }
        print_one_line(error->text, out);
        fputc('\n', out);
    }
}

// What a file says is repeated in errors; it must not be able to write lines of its own.
static void print_one_line(const char *text, FILE *out) {
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        fputc(byte < ' ' || byte == 0x7f ? '?' : byte, out);
    }
}

char *config_errors_text(const struct config_errors *errors) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    ensure(out != NULL);
    config_errors_print(errors, out);
    fclose(out);
    if (length > 0) {
        text[length - 1] = '\0';
    }
    return text;
}

void config_errors_finish(struct config_errors *errors) {
    for (size_t i = 0; i < errors->count; i++) {
        free(errors->rows[i].file);
        free(errors->rows[i].key);
        free(errors->rows[i].text);
    }
    free(errors->rows);
    *errors = (struct config_errors){0};
}
