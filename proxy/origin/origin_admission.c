// SPDX-License-Identifier: Apache-2.0
#include "origin_admission.h"

static void set_width(struct origin_admission *admission, unsigned width, uint64_t now_ms);

void origin_admission_init(struct origin_admission *admission) {
    *admission = (struct origin_admission){.width = ORIGIN_ADMISSION_WIDTH};
    list_init(&admission->fresh);
}

bool origin_admission_is_open(const struct origin_admission *admission) {
    return admission->fresh_count < admission->width + admission->aged_count;
}

void origin_admission_begin(struct origin_admission *admission,
                            struct origin_admission_entry *entry, uint64_t now_ms) {
    *entry = (struct origin_admission_entry){.begun_ms = now_ms, .is_counted = true};
    list_append(&admission->fresh, &entry->link);
    admission->fresh_count++;
}

void origin_admission_answer(struct origin_admission *admission,
                             struct origin_admission_entry *entry) {
    if (!entry->is_counted) {
        return;
    }
    entry->is_counted = false;
    if (list_link_is_in_list(&entry->link)) {
        list_remove(&entry->link);
        admission->fresh_count--;
    } else {
        admission->aged_count--;
    }
}

void origin_admission_tend(struct origin_admission *admission, uint64_t turn_ms,
                           uint64_t held_since_ms) {
    struct list_link *first;
    while ((first = list_first(&admission->fresh)) != NULL) {
        struct origin_admission_entry *entry =
            LIST_ENTRY(first, struct origin_admission_entry, link);
        if (turn_ms < entry->begun_ms + ORIGIN_ADMISSION_FRESH_MS) {
            break;
        }
        list_remove(first);
        admission->fresh_count--;
        admission->aged_count++;
    }
    uint64_t same_ms = turn_ms - admission->widened_ms;
    if (held_since_ms > 0 && turn_ms >= held_since_ms + ORIGIN_ADMISSION_HELD_MS &&
        same_ms >= ORIGIN_ADMISSION_HELD_MS && admission->width <= UINT32_MAX / 2) {
        set_width(admission, 2 * admission->width, turn_ms);
    } else if (admission->width > ORIGIN_ADMISSION_WIDTH && same_ms >= ORIGIN_ADMISSION_WIDE_MS) {
        set_width(admission, admission->width / 2, turn_ms);
    }
}

static void set_width(struct origin_admission *admission, unsigned width, uint64_t now_ms) {
    admission->width = width;
    admission->widened_ms = now_ms;
}
