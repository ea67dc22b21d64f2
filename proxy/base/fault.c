// SPDX-License-Identifier: Apache-2.0
#include "base/fault.h"

#include "base/ensure.h"

struct fault_row {
    const char *name;
    int status;
    bool may_retry;
    const char *proxy_status;
    const char *text;
};

static const struct fault_row rows[FAULT_COUNT] = {
#define X(name, text, status, retry, proxy_status, description)                                    \
    [FAULT_##name] = {text, status, retry, proxy_status, description},
    FAULT_LIST(X)
#undef X
};

static const struct fault_row *row(enum fault fault) {
    ensure((unsigned)fault < FAULT_COUNT);
    return &rows[fault];
}

const char *fault_name(enum fault fault) {
    return row(fault)->name;
}

const char *fault_text(enum fault fault) {
    return row(fault)->text;
}

const char *fault_proxy_status(enum fault fault) {
    return row(fault)->proxy_status;
}

int fault_status(enum fault fault) {
    return row(fault)->status;
}

bool fault_may_retry(enum fault fault) {
    return row(fault)->may_retry;
}
