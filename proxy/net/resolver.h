// SPDX-License-Identifier: Apache-2.0
// Names to addresses, off the loop (uv_getaddrinfo), one question at a time per name, the answer
// kept for a moment: containers change theirs. Numeric addresses and "localhost" ask nobody.
// Owner: the loop, which destroys it in loop_finish. One thread. See also: net/dialer.h.
#ifndef OUTRIDER_NET_RESOLVER_H
#define OUTRIDER_NET_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/list.h"
#include "net/loop.h"

enum {
    RESOLVER_ADDRESSES = 16, // of one name at most
    RESOLVER_KEEP_MS = 2000, // a good answer
    RESOLVER_KEEP_BAD_MS = 1000,
};

struct resolver_address {
    struct sockaddr_storage address;
    socklen_t length;
};

struct resolver_answer {
    size_t count;                                          // 0: the name does not resolve
    struct resolver_address addresses[RESOLVER_ADDRESSES]; // the port is not set
};

// Embedded in whoever asks; a zeroed question is idle.
struct resolver_question {
    struct list_link link;
    void (*on_answer)(struct resolver_question *question, const struct resolver_answer *answer);
};

// False when the answer must be waited for; on_answer comes then, from the loop. True: out_answer
// was filled. A question may be dropped by resolver_cancel, in any state.
bool resolver_ask(struct loop *loop, const char *host, struct resolver_question *question,
                  struct resolver_answer *out_answer);
void resolver_cancel(struct resolver_question *question);

#endif
