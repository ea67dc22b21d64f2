// SPDX-License-Identifier: Apache-2.0
#include "h2_impl.h"

// The numbers of TRUST row 8; a browser that leaves a page of 100 images spends half of it at once.
enum { BUDGET_BURST = 200, BUDGET_PER_SECOND = 33 };
enum { PACE_BYTES = 1024 };
// Far more than any client needs that opens streams and takes content; nginx has the same number.
enum { CREDIT_FRAMES = 10000, CREDIT_PER_FRAME = 10 };

static bool was_reset(const struct h2_closed *closed, int32_t id);
static void open_stream(struct h2_closed *closed, int32_t id);

bool h2_budget_spend(struct h2_budget *budget, uint64_t now_ms) {
    if (budget->refilled_ms == 0) {
        budget->tokens = BUDGET_BURST;
        budget->refilled_ms = now_ms;
    }
    budget->tokens += (double)(now_ms - budget->refilled_ms) * BUDGET_PER_SECOND / 1000.0;
    budget->refilled_ms = now_ms;
    if (budget->tokens > BUDGET_BURST) {
        budget->tokens = BUDGET_BURST;
    }
    if (budget->tokens < 1) {
        return false;
    }
    budget->tokens -= 1;
    return true;
}

void h2_credit_init(struct h2_credit *credit) {
    credit->frames = CREDIT_FRAMES;
}

void h2_credit_earn(struct h2_credit *credit, int32_t frames) {
    credit->frames += frames;
    if (credit->frames > CREDIT_FRAMES) {
        credit->frames = CREDIT_FRAMES;
    }
}

bool h2_credit_take(struct h2_credit *credit, const struct h2_frame_head *head) {
    bool has_content = head->type == NGHTTP2_DATA && head->length > 0;
    if (head->type == NGHTTP2_HEADERS || has_content) {
        h2_credit_earn(credit, CREDIT_PER_FRAME);
        return true;
    }
    credit->frames--;
    return credit->frames >= 0;
}

void h2_pace_start(struct h2_pace *pace, uint64_t now_ms) {
    *pace = (struct h2_pace){.moved_ms = now_ms};
}

void h2_pace_note(struct h2_pace *pace, size_t bytes, bool is_all, uint64_t now_ms) {
    pace->bytes += bytes;
    if (is_all || pace->bytes >= PACE_BYTES) {
        h2_pace_start(pace, now_ms);
    }
}

void h2_pace_wait(struct h2_pace *pace, uint64_t since_ms, uint64_t now_ms) {
    uint64_t from_ms = pace->moved_ms > since_ms ? pace->moved_ms : since_ms;
    pace->moved_ms += now_ms - from_ms;
}

// nghttp2 ignores frames on closed streams silently; RFC 9113 section 5.1 wants an error for those
// that the client had ended itself.
enum h2_closed_verdict h2_closed_check(struct h2_closed *closed, bool is_headers, int32_t id,
                                       bool is_open) {
    if (closed->opening_id != 0) { // no stream was made of it: nghttp2 refused it
        h2_closed_add_reset(closed, closed->opening_id);
        closed->opening_id = 0;
    }
    if (is_open || id <= 0) {
        return H2_CLOSED_FINE;
    }
    bool is_ours = id % 2 == 0;
    if (is_ours) {
        return H2_CLOSED_FINE; // nghttp2 answers for promised streams
    }
    if (id > closed->top_id) {
        if (is_headers) {
            open_stream(closed, id);
        }
        return H2_CLOSED_FINE; // DATA on an idle stream: nghttp2 answers
    }
    if (id > closed->skipped_from && id < closed->skipped_to) {
        return H2_CLOSED_SKIPPED;
    }
    return was_reset(closed, id) ? H2_CLOSED_FINE : H2_CLOSED_ENDED;
}

void h2_closed_add_reset(struct h2_closed *closed, int32_t id) {
    unsigned size = sizeof(closed->reset_ids) / sizeof(closed->reset_ids[0]);
    int32_t *place = &closed->reset_ids[closed->next % size];
    if (*place > closed->forgotten_id) {
        closed->forgotten_id = *place;
    }
    *place = id;
    closed->next++;
}

static bool was_reset(const struct h2_closed *closed, int32_t id) {
    if (id <= closed->forgotten_id) {
        return true;
    }
    for (unsigned i = 0; i < sizeof(closed->reset_ids) / sizeof(closed->reset_ids[0]); i++) {
        if (closed->reset_ids[i] == id) {
            return true;
        }
    }
    return false;
}

static void open_stream(struct h2_closed *closed, int32_t id) {
    if (id > closed->top_id + 2) {
        closed->skipped_from = closed->top_id;
        closed->skipped_to = id;
    }
    closed->top_id = id;
    closed->opening_id = id;
}
