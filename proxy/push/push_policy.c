// SPDX-License-Identifier: Apache-2.0
#include "push/push_policy.h"

#include "base/ensure.h"
#include "http/destination.h"

static enum push_policy policy_of(struct slice value);

static const char *const names[] = {
    [PUSH_POLICY_DEFAULT] = "default",
    [PUSH_POLICY_FAST_LOAD] = "fast-load",
    [PUSH_POLICY_HEAD] = "head",
    [PUSH_POLICY_NONE] = "none",
};

enum push_policy push_policy_read(const struct headers *request) {
    enum push_policy strictest = PUSH_POLICY_DEFAULT;
    const struct header *field = headers_find(request, HEADER_ACCEPT_PUSH_POLICY);
    for (; field != NULL; field = headers_find_next(request, HEADER_ACCEPT_PUSH_POLICY, field)) {
        struct slice rest = field->value;
        struct slice element;
        while (slice_next_element(&rest, &element)) {
            enum push_policy policy = policy_of(element);
            strictest = policy > strictest ? policy : strictest;
        }
    }
    return strictest;
}

bool push_policy_allows(enum push_policy policy, struct slice as) {
    switch (policy) {
    case PUSH_POLICY_DEFAULT:
        return true;
    case PUSH_POLICY_FAST_LOAD:
        return destination_find(as)->rank == DESTINATION_BLOCKING;
    case PUSH_POLICY_HEAD:
    case PUSH_POLICY_NONE:
        return false;
    }
    unreachable();
}

// Without parameters, which say nothing that is known.
static enum push_policy policy_of(struct slice value) {
    value = slice_trim(slice_first(value, slice_find(value, ';')));
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_equal_nocase(value, slice_of_text(names[i]))) {
            return (enum push_policy)i;
        }
    }
    return PUSH_POLICY_DEFAULT;
}
