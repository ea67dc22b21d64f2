// SPDX-License-Identifier: Apache-2.0
#include "resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/ensure.h"

struct name {
    struct list_link link;
    struct loop *loop;
    uv_getaddrinfo_t request;
    bool is_asking;
    uint64_t expires_ms;
    struct list questions; // waiting for this name
    struct resolver_answer answer;
    char host[];
};

struct resolver {
    struct list names; // as many as there are origins
};

static bool answer_at_once(const char *host, struct resolver_answer *out_answer);
static void add_v4(struct resolver_answer *answer, struct in_addr address);
static void add_v6(struct resolver_answer *answer, struct in6_addr address);
static struct resolver *resolver_of(struct loop *loop);
static struct name *find_name(struct resolver *resolver, const char *host);
static struct name *add_name(struct loop *loop, const char *host);
static void drop_expired(struct loop *loop);
static bool start_asking(struct name *name);
static void on_addresses(uv_getaddrinfo_t *request, int status, struct addrinfo *take_list);
static void store(struct resolver_answer *answer, const struct addrinfo *list);
static void destroy(struct resolver *resolver);

bool resolver_ask(struct loop *loop, const char *host, struct resolver_question *question,
                  struct resolver_answer *out_answer) {
    if (answer_at_once(host, out_answer)) {
        return true;
    }
    struct name *name = find_name(resolver_of(loop), host);
    if (name != NULL && !name->is_asking && name->expires_ms > loop_now(loop)) {
        *out_answer = name->answer;
        return true;
    }
    if (name == NULL) {
        drop_expired(loop);
        name = add_name(loop, host);
    }
    if (!name->is_asking && !start_asking(name)) {
        out_answer->count = 0;
        return true;
    }
    list_append(&name->questions, &question->link);
    return false;
}

static bool answer_at_once(const char *host, struct resolver_answer *out_answer) {
    struct in_addr v4 = {.s_addr = htonl(INADDR_LOOPBACK)};
    struct in6_addr v6 = IN6ADDR_LOOPBACK_INIT;
    out_answer->count = 0;
    if (strcasecmp(host, "localhost") == 0) {
        add_v4(out_answer, v4);
        add_v6(out_answer, v6);
    } else if (inet_pton(AF_INET, host, &v4) == 1) {
        add_v4(out_answer, v4);
    } else if (inet_pton(AF_INET6, host, &v6) == 1) {
        add_v6(out_answer, v6);
    }
    return out_answer->count > 0;
}

static void add_v4(struct resolver_answer *answer, struct in_addr address) {
    struct resolver_address *next = &answer->addresses[answer->count++];
    struct sockaddr_in *v4 = (struct sockaddr_in *)&next->address;
    *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = address};
    next->length = sizeof(*v4);
}

static void add_v6(struct resolver_answer *answer, struct in6_addr address) {
    struct resolver_address *next = &answer->addresses[answer->count++];
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&next->address;
    *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = address};
    next->length = sizeof(*v6);
}

static struct resolver *resolver_of(struct loop *loop) {
    if (loop->resolver == NULL) {
        loop->resolver = alloc_new(struct resolver);
        loop->resolver_destroy = destroy;
        list_init(&loop->resolver->names);
    }
    return loop->resolver;
}

static struct name *find_name(struct resolver *resolver, const char *host) {
    LIST_EACH(&resolver->names, link) {
        struct name *name = LIST_ENTRY(link, struct name, link);
        if (strcasecmp(name->host, host) == 0) {
            return name;
        }
    }
    return NULL;
}

static struct name *add_name(struct loop *loop, const char *host) {
    size_t size = strlen(host) + 1;
    struct name *name = alloc_zeroed(1, sizeof(*name) + size);
    memcpy(name->host, host, size);
    name->loop = loop;
    name->request.data = name;
    list_init(&name->questions);
    list_append(&loop->resolver->names, &name->link);
    return name;
}

// Names that a configuration no longer has go when a new one comes.
static void drop_expired(struct loop *loop) {
    LIST_EACH(&loop->resolver->names, link) {
        struct name *name = LIST_ENTRY(link, struct name, link);
        if (!name->is_asking && name->expires_ms <= loop_now(loop)) {
            list_remove(link);
            free(name);
        }
    }
}

static bool start_asking(struct name *name) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int status =
        uv_getaddrinfo(&name->loop->uv, &name->request, on_addresses, name->host, NULL, &hints);
    name->is_asking = status == 0;
    return name->is_asking;
}

static void on_addresses(uv_getaddrinfo_t *request, int status, struct addrinfo *take_list) {
    struct name *name = request->data;
    loop_wake(name->loop);
    name->is_asking = false;
    name->answer.count = 0;
    if (status == 0) {
        store(&name->answer, take_list);
    }
    uv_freeaddrinfo(take_list);
    name->expires_ms =
        loop_now(name->loop) + (name->answer.count > 0 ? RESOLVER_KEEP_MS : RESOLVER_KEEP_BAD_MS);
    struct resolver_answer answer = name->answer;
    struct list_link *link;
    while (!name->is_asking && (link = list_take_first(&name->questions)) != NULL) {
        struct resolver_question *question = LIST_ENTRY(link, struct resolver_question, link);
        question->on_answer(question, &answer);
    }
}

static void store(struct resolver_answer *answer, const struct addrinfo *list) {
    for (; list != NULL && answer->count < RESOLVER_ADDRESSES; list = list->ai_next) {
        if (list->ai_family == AF_INET) {
            add_v4(answer, ((const struct sockaddr_in *)(const void *)list->ai_addr)->sin_addr);
        } else if (list->ai_family == AF_INET6) {
            add_v6(answer, ((const struct sockaddr_in6 *)(const void *)list->ai_addr)->sin6_addr);
        }
    }
}

void resolver_cancel(struct resolver_question *question) {
    list_remove(&question->link);
}

static void destroy(struct resolver *resolver) {
    struct list_link *link;
    while ((link = list_take_first(&resolver->names)) != NULL) {
        free(LIST_ENTRY(link, struct name, link));
    }
    free(resolver);
}
