// SPDX-License-Identifier: Apache-2.0
#include "worker/generation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/log.h"
#include "net/listener.h"
#include "worker/endpoint.h"
#include "worker/file.h"

static struct tls_context *load_certificates(const struct config *config, size_t index,
                                             struct config_errors *errors);
static bool make_digest_key(struct generation *generation, const struct generation *previous,
                            struct config_errors *errors);
static size_t find_previous(const struct generation *generation, size_t index,
                            const struct generation *previous);
static struct tls_context *keep_own_certificate(const struct generation *generation, size_t index,
                                                const struct generation *previous);
static void open_sockets(struct generation *generation, size_t index, int passed,
                         struct config_errors *errors);
static void open_admin(struct generation *generation, const struct generation *previous,
                       struct config_errors *errors);
static bool is_moving(const struct generation *generation, const struct generation *previous,
                      unsigned index);
static void destroy(struct generation *generation);
static int open_one(const struct config_listener *listener, int passed, unsigned worker,
                    uint16_t *port, char *out_error, size_t out_error_size);

struct generation *generation_build(struct config *take_config, unsigned workers,
                                    const struct generation *previous,
                                    const struct activation *activation,
                                    struct config_errors *errors) {
    struct generation *generation = alloc_new(struct generation);
    atomic_init(&generation->refs, 1);
    size_t listeners = take_config->listener_count;
    generation->config = take_config;
    generation->workers = workers;
    generation->router = router_create(take_config);
    generation->tls = alloc_zeroed(listeners, sizeof(generation->tls[0]));
    generation->ports = alloc_zeroed(listeners, sizeof(generation->ports[0]));
    generation->previous = alloc_zeroed(listeners, sizeof(generation->previous[0]));
    generation->sockets = alloc_zeroed(listeners * workers, sizeof(int));
    for (size_t i = 0; i < listeners * workers; i++) {
        generation->sockets[i] = -1;
    }
    memset(generation->admin_sockets, -1, sizeof(generation->admin_sockets));
    size_t errors_before = errors->count;
    make_digest_key(generation, previous, errors);
    activation_check(activation, take_config, errors);
    for (size_t i = 0; i < listeners; i++) {
        generation->previous[i] = find_previous(generation, i, previous);
        if (take_config->listeners[i].is_tls) {
            generation->tls[i] = keep_own_certificate(generation, i, previous);
        }
        if (take_config->listeners[i].is_tls && generation->tls[i] == NULL) {
            generation->tls[i] = load_certificates(take_config, i, errors);
        }
    }
    for (size_t i = 0; i < listeners && errors->count == errors_before; i++) {
        if (generation->previous[i] == SIZE_MAX) {
            open_sockets(generation, i, activation_find(activation, &take_config->listeners[i]),
                         errors);
        } else {
            generation->ports[i] = previous->ports[generation->previous[i]];
        }
    }
    if (errors->count == errors_before) {
        open_admin(generation, previous, errors);
    }
    if (errors->count > errors_before) {
        destroy(generation);
        return NULL;
    }
    return generation;
}

// From the file, so that it is the same on all machines behind one name and after a restart.
static bool make_digest_key(struct generation *generation, const struct generation *previous,
                            struct config_errors *errors) {
    enum { MAX_KEY_BYTES = 4096, RANDOM_BYTES = 16 };
    const char *path = generation->config->digest.key_file;
    if (path == NULL && previous != NULL && previous->config->digest.key_file == NULL) {
        generation->digest_key = previous->digest_key;
        return true;
    }
    if (path == NULL) {
        unsigned char bytes[RANDOM_BYTES];
        ensure(uv_random(NULL, NULL, bytes, sizeof(bytes), 0, NULL) == 0);
        push_digest_key_from_bytes(bytes, &generation->digest_key);
        return true;
    }
    struct buffer text = {0};
    const char *file_name = generation->config->file;
    bool is_read = file_read(path, MAX_KEY_BYTES, &text);
    bool is_good = is_read && push_digest_key_from_text(slice_trim(buffer_peek(&text)),
                                                        &generation->digest_key);
    if (!is_read) {
        config_errors_add(errors, file_name, 0, 0, "digest.key_file", "can't read %s: %s", path,
                          strerror(errno));
    } else if (!is_good) {
        config_errors_add(errors, file_name, 0, 0, "digest.key_file", "%s is empty", path);
    }
    buffer_finish(&text);
    return is_good;
}

// The one that was made for want of another, so that a reload changes nothing for who accepted it.
static struct tls_context *keep_own_certificate(const struct generation *generation, size_t index,
                                                const struct generation *previous) {
    size_t old = generation->previous[index];
    bool is_own = old != SIZE_MAX && generation->config->listeners[index].certificate_count == 0 &&
                  previous->config->listeners[old].certificate_count == 0 &&
                  previous->tls[old] != NULL;
    return is_own ? tls_context_ref(previous->tls[old]) : NULL;
}

// The same address and port: its sockets are kept, so that no connection is refused meanwhile.
static size_t find_previous(const struct generation *generation, size_t index,
                            const struct generation *previous) {
    const struct config_listener *listener = &generation->config->listeners[index];
    size_t count = previous != NULL ? previous->config->listener_count : 0;
    for (size_t i = 0; i < count; i++) {
        const struct config_listener *other = &previous->config->listeners[i];
        bool is_taken = false;
        for (size_t j = 0; j < index; j++) {
            is_taken |= generation->previous[j] == i;
        }
        if (!is_taken && strcmp(listener->host, other->host) == 0 &&
            listener->port == other->port) {
            return i;
        }
    }
    return SIZE_MAX;
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

// One socket per worker: the kernel spreads the connections (SO_REUSEPORT). Of one that was passed
// all have the same.
static void open_sockets(struct generation *generation, size_t index, int passed,
                         struct config_errors *errors) {
    const struct config_listener *listener = &generation->config->listeners[index];
    uint16_t *port = &generation->ports[index];
    *port = listener->port;
    for (unsigned i = 0; i < generation->workers; i++) {
        char text[128] = "";
        int fd = open_one(listener, passed, i, port, text, sizeof(text));
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

static int open_one(const struct config_listener *listener, int passed, unsigned worker,
                    uint16_t *port, char *out_error, size_t out_error_size) {
    if (passed >= 0) {
        int fd = fcntl(passed, F_DUPFD_CLOEXEC, 0);
        snprintf(out_error, out_error_size, "%s", fd < 0 ? strerror(errno) : "");
        return fd;
    }
    bool may_be_taken = worker == 0 && listener->port != 0;
    if (may_be_taken && !listener_is_free(listener->host, *port, out_error, out_error_size)) {
        return -1;
    }
    return listener_socket(listener->host, port, out_error, out_error_size);
}

const struct config_endpoint *generation_endpoint(const struct generation *generation,
                                                  unsigned index) {
    const struct config_admin *admin = &generation->config->admin;
    return index == 0 ? &admin->listen : &admin->probes;
}

// A second outrider on a machine should not fail on a default that it never asked for.
static void open_admin(struct generation *generation, const struct generation *previous,
                       struct config_errors *errors) {
    static const char *const keys[] = {"admin.listen", "admin.probes"};
    for (unsigned i = 0; i < 2; i++) {
        const struct config_endpoint *endpoint = generation_endpoint(generation, i);
        const struct config_position *at =
            i == 0 ? &generation->config->admin.listen_at : &generation->config->admin.probes_at;
        char text[128];
        if (!endpoint_is_on(endpoint)) {
            continue;
        }
        if (previous != NULL && previous->admin_is_open[i] &&
            endpoint_is_same(endpoint, generation_endpoint(previous, i))) {
            generation->admin_is_kept[i] = generation->admin_is_open[i] = true;
            generation->admin_ports[i] = previous->admin_ports[i];
            continue;
        }
        bool is_ours = previous != NULL && is_moving(generation, previous, i);
        generation->admin_sockets[i] =
            endpoint_open(endpoint, is_ours, &generation->admin_ports[i], text, sizeof(text));
        generation->admin_is_open[i] = generation->admin_sockets[i] >= 0;
        if (generation->admin_is_open[i]) {
            continue;
        }
        char place[256];
        endpoint_describe(endpoint, endpoint->port, place, sizeof(place));
        if (config_is_written(generation->config, "admin")) {
            config_errors_add(errors, generation->config->file, at->line, at->column, keys[i],
                              "can't listen on %s: %s", place, text);
        } else {
            log_warn("generation", "-", "no admin listener: can't listen on %s: %s", place, text);
        }
    }
}

// Who is at that port already is ourselves, and goes: the place moves to another address of it, or
// the two change places. They never share one, since half would reach the wrong one.
static bool is_moving(const struct generation *generation, const struct generation *previous,
                      unsigned index) {
    uint16_t port = generation_endpoint(generation, index)->port;
    const struct config_endpoint *other = generation_endpoint(generation, 1 - index);
    bool is_ours = false;
    for (unsigned i = 0; i < 2; i++) {
        const struct config_endpoint *old = generation_endpoint(previous, i);
        if (!previous->admin_is_open[i] || old->host == NULL || previous->admin_ports[i] != port) {
            continue;
        }
        if (endpoint_is_same(old, generation_endpoint(generation, i))) {
            return false;
        }
        is_ours = true;
    }
    return is_ours && (other->host == NULL || other->port != port);
}

struct generation *generation_ref(struct generation *generation) {
    atomic_fetch_add_explicit(&generation->refs, 1, memory_order_relaxed);
    return generation;
}

void generation_unref(struct generation **generation) {
    struct generation *held = *generation;
    *generation = NULL;
    if (held != NULL && atomic_fetch_sub_explicit(&held->refs, 1, memory_order_acq_rel) == 1) {
        destroy(held);
    }
}

static void destroy(struct generation *generation) {
    size_t listeners = generation->config->listener_count;
    for (size_t i = 0; i < listeners * generation->workers; i++) {
        if (generation->sockets[i] >= 0) {
            close(generation->sockets[i]);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        if (generation->admin_sockets[i] >= 0) {
            close(generation->admin_sockets[i]);
            endpoint_remove(generation_endpoint(generation, i));
        }
    }
    for (size_t i = 0; i < listeners; i++) {
        tls_context_unref(&generation->tls[i]);
    }
    router_destroy(generation->router);
    config_destroy(generation->config);
    free(generation->tls);
    free(generation->ports);
    free(generation->previous);
    free(generation->sockets);
    free(generation);
}
