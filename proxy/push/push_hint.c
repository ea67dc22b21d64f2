// SPDX-License-Identifier: Apache-2.0
#include "push/push_hint.h"

#include "http/destination.h"

static bool is_listed(char *const *names, struct slice name);

void push_hint_read_client(const struct request_head *request, const struct config_hint *policy,
                           enum protocol protocol, struct push_hint_client *out_client) {
    *out_client = (struct push_hint_client){.takes_ours = false};
    bool is_able =
        protocol == PROTOCOL_HTTP_2 || (protocol == PROTOCOL_HTTP_1_1 && policy->on_http1);
    if (!policy->is_on || !is_able) {
        return;
    }
    struct slice mode = headers_value(&request->headers, HEADER_SEC_FETCH_MODE);
    struct slice dest = headers_value(&request->headers, HEADER_SEC_FETCH_DEST);
    bool is_browser = mode.length > 0 || dest.length > 0;
    bool is_navigation =
        slice_equal(mode, SLICE("navigate")) && slice_equal(dest, SLICE("document"));
    bool is_whole =
        slice_equal(request->method, SLICE("GET")) && !headers_has(&request->headers, HEADER_RANGE);
    *out_client = (struct push_hint_client){
        .takes_ours = is_whole && (is_navigation || policy->to_all),
        .takes_origins = is_navigation || policy->to_all || !is_browser,
        .takes_one = is_browser,
    };
}

void push_hint_filter(struct headers *headers, const struct config_hint *policy) {
    for (uint32_t i = headers->count; i > 0; i--) {
        const struct header *field = &headers->rows[i - 1];
        bool is_usual = field->id == HEADER_LINK || field->id == HEADER_CONTENT_SECURITY_POLICY ||
                        field->id == HEADER_REFERRER_POLICY;
        if (!is_usual && !is_listed(policy->fields, field->name)) {
            headers_remove_at(headers, i - 1);
        }
    }
}

static bool is_listed(char *const *names, struct slice name) {
    for (; names != NULL && *names != NULL; names++) {
        if (slice_equal(name, slice_of_text(*names))) {
            return true;
        }
    }
    return false;
}

struct slice push_hint_element(struct slice path, struct slice as, struct arena *arena) {
    bool is_element = path.length > 0 && path.data[0] == '<';
    return is_element ? path : destination_hint(path, as, arena);
}
