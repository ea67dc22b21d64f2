// SPDX-License-Identifier: Apache-2.0
#include "http/priority.h"

static bool parse_member(struct slice member, struct priority *priority);

bool priority_parse(struct slice value, struct priority *priority) {
    bool has_said = false;
    struct slice member;
    while (slice_next_element(&value, &member)) {
        has_said |= parse_member(member, priority);
    }
    return has_said;
}

static bool parse_member(struct slice member, struct priority *priority) {
    member = slice_trim(slice_first(member, slice_find(member, ';'))); // parameters mean nothing
    if (member.length == 3 && slice_starts_with(member, SLICE("u=")) && member.data[2] >= '0' &&
        member.data[2] <= '7') {
        priority->urgency = (uint8_t)(member.data[2] - '0');
        return true;
    }
    if (slice_equal(member, SLICE("i")) || slice_equal(member, SLICE("i=?1"))) {
        priority->is_incremental = true;
        return true;
    }
    if (slice_equal(member, SLICE("i=?0"))) {
        priority->is_incremental = false;
        return true;
    }
    return false;
}
