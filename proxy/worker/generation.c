// SPDX-License-Identifier: Apache-2.0
#include "worker/generation.h"

#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/listener.h"

static struct tls_context *load_certificates(const struct config *config, size_t index,
                                             struct config_errors *errors);
static void open_sockets(struct generation *generation, size_t index, struct config_errors *errors);
static int open_one(const struct config_listener *listener, unsigned worker, uint16_t *port,
                    char *out_error, size_t out_error_size);

struct generation *generation_build(struct config *take_config, unsigned workers,
                                    struct config_errors *errors) {
    struct generation *generation = alloc_new(struct generation);
    size_t listeners = take_config->listener_count;
    generation->config = take_config;
    generation->workers = workers;
    generation->router = router_create(take_config);
    generation->tls = alloc_zeroed(listeners, sizeof(generation->tls[0]));
    generation->ports = alloc_zeroed(listeners, sizeof(generation->ports[0]));
    generation->sockets = alloc_zeroed(listeners * workers, sizeof(int));
    for (size_t i = 0; i < listeners * workers; i++) {
        generation->sockets[i] = -1;
    }
    size_t errors_before = errors->count;
    for (size_t i = 0; i < listeners; i++) {
        if (take_config->listeners[i].is_tls) {
            generation->tls[i] = load_certificates(take_config, i, errors);
        }
    }
    for (size_t i = 0; i < listeners && errors->count == errors_before; i++) {
        open_sockets(generation, i, errors);
    }
    if (errors->count > errors_before) {
        generation_destroy(generation);
        return NULL;
    }
    return generation;
}

bool generation_check_certificates(const struct config *config, struct config_errors *errors) {
    size_t errors_before = errors->count;
    for (size_t i = 0; i < config->listener_count; i++) {
        if (config->listeners[i].is_tls) {
            struct tls_context *context = load_certificates(config, i, errors);
            tls_context_unref(&context);
        }
    }
    return errors->count == errors_before;
}

static struct tls_context *load_certificates(const struct config *config, size_t index,
                                             struct config_errors *errors) {
    const struct config_listener *listener = &config->listeners[index];
    size_t count = listener->certificate_count;
    struct tls_certificate *files = alloc_zeroed(count, sizeof(files[0]));
    for (size_t i = 0; i < count; i++) {
        files[i].certificate = listener->certificates[i].certificate;
        files[i].key = listener->certificates[i].key;
    }
    struct tls_error error = {0};
    struct tls_context *context = tls_context_create(files, count, &error);
    free(files);
    if (context == NULL) {
        struct config_position at = {0};
        if (error.index < count) {
            const struct config_certificate *bad = &listener->certificates[error.index];
            at = error.is_key ? bad->key_at : bad->certificate_at;
        }
        char key[64];
        snprintf(key, sizeof(key), "listeners[%zu].tls.%s", index,
                 error.is_key ? "key" : "certificate");
        config_errors_add(errors, config->file, at.line, at.column, key, "%s", error.text);
    }
    return context;
}

// One socket per worker: the kernel spreads the connections (SO_REUSEPORT).
static void open_sockets(struct generation *generation, size_t index,
                         struct config_errors *errors) {
    const struct config_listener *listener = &generation->config->listeners[index];
    uint16_t *port = &generation->ports[index];
    *port = listener->port;
    for (unsigned i = 0; i < generation->workers; i++) {
        char text[128] = "";
        int fd = open_one(listener, i, port, text, sizeof(text));
        if (fd < 0) {
            char key[64];
            snprintf(key, sizeof(key), "listeners[%zu].address", index);
            config_errors_add(errors, generation->config->file, listener->at.line,
                              listener->at.column, key, "can't listen on %s port %u: %s",
                              listener->host[0] != '\0' ? listener->host : "any address", *port,
                              text);
            return;
        }
        generation->sockets[index * generation->workers + i] = fd;
    }
}

static int open_one(const struct config_listener *listener, unsigned worker, uint16_t *port,
                    char *out_error, size_t out_error_size) {
    bool may_be_taken = worker == 0 && listener->port != 0;
    if (may_be_taken && !listener_is_free(listener->host, *port, out_error, out_error_size)) {
        return -1;
    }
    return listener_socket(listener->host, port, out_error, out_error_size);
}

void generation_destroy(struct generation *generation) {
    if (generation == NULL) {
        return;
    }
    size_t listeners = generation->config->listener_count;
    for (size_t i = 0; i < listeners * generation->workers; i++) {
        if (generation->sockets[i] >= 0) {
            close(generation->sockets[i]);
        }
    }
    for (size_t i = 0; i < listeners; i++) {
        tls_context_unref(&generation->tls[i]);
    }
    router_destroy(generation->router);
    config_destroy(generation->config);
    free(generation->tls);
    free(generation->ports);
    free(generation->sockets);
    free(generation);
}
