// SPDX-License-Identifier: Apache-2.0
#include "worker/ceiling.h"

#include <inttypes.h>
#include <malloc.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/log.h"
#include "net/timer.h"
#include "worker/cgroup.h"
#include "worker/file.h"

enum {
    MEASURE_MS = 250,
    LOOK_MS = 10000, // for a control group's limit that came or changed
    TRIM_MS = 1000,
    QUIET_LOOKS = 2, // so often in a row much was free
    MUCH_BYTES = 16 * 1024 * 1024,
    SHORT_PERCENT = 80,
    FULL_PERCENT = 90,
    SLACK_PERCENT = 5,
};

struct ceiling {
    struct loop *loop;
    struct timer timer;
    struct memory_gauge gauge;
    uint64_t configured;       // 0: the control group's
    uint64_t limit;            // 0: none
    struct cgroup_limit group; // that sets it when it is not configured
    uint64_t looked_ms;        // at the groups
    uint64_t trimmed_ms;
    uint64_t kept_bytes; // resident and not in use, at the least
    unsigned quiet_looks;
    bool is_blind; // said that nothing can be measured
};

static void look(struct ceiling *ceiling);
static void set_limit(struct ceiling *ceiling, uint64_t limit);
static void on_timer(struct timer *timer);
static void measure(struct ceiling *ceiling);
static bool read_used(struct ceiling *ceiling, uint64_t *out_used);
static bool read_resident(uint64_t *out_bytes);
static bool trim(struct ceiling *ceiling);
static void give_back(struct ceiling *ceiling);
static bool read_kept(uint64_t *out_bytes);
static void set_level(struct ceiling *ceiling, enum memory_level level, uint64_t used);
static void on_closed(struct timer *timer);

struct ceiling *ceiling_start(struct loop *loop, uint64_t bytes) {
    struct ceiling *ceiling = alloc_new(struct ceiling);
    ceiling->loop = loop;
    ceiling->configured = bytes;
    ceiling->kept_bytes = UINT64_MAX;
    timer_init(&ceiling->timer, loop, on_timer);
    look(ceiling);
    on_timer(&ceiling->timer);
    return ceiling;
}

const struct memory_gauge *ceiling_gauge(const struct ceiling *ceiling) {
    return &ceiling->gauge;
}

void ceiling_set(struct ceiling *ceiling, uint64_t bytes) {
    if (bytes != ceiling->configured) {
        ceiling->configured = bytes;
        look(ceiling);
        on_timer(&ceiling->timer);
    }
}

void ceiling_stop(struct ceiling *take_ceiling) {
    if (take_ceiling != NULL) {
        timer_close(&take_ceiling->timer, on_closed);
    }
}

static void on_closed(struct timer *timer) {
    free(LIST_ENTRY(timer, struct ceiling, timer));
}

// --- the limit ----------------------------------------------------------------------------------

static void look(struct ceiling *ceiling) {
    ceiling->looked_ms = loop_now(ceiling->loop);
    if (ceiling->configured > 0) {
        set_limit(ceiling, ceiling->configured);
    } else {
        set_limit(ceiling, cgroup_find_memory("", &ceiling->group) ? ceiling->group.value : 0);
    }
}

static void set_limit(struct ceiling *ceiling, uint64_t limit) {
    if (limit == ceiling->limit) {
        return;
    }
    ceiling->limit = limit;
    atomic_store_explicit(&ceiling->gauge.limit, limit, memory_order_relaxed);
    if (limit > 0) {
        log_info("ceiling", "-", "memory limit=%" PRIu64 " from=%s", limit,
                 ceiling->configured > 0 ? "limits.memory" : ceiling->group.folder);
    } else {
        log_info("ceiling", "-", "memory limit=none");
    }
}

// --- what is used -------------------------------------------------------------------------------

static void on_timer(struct timer *timer) {
    struct ceiling *ceiling = LIST_ENTRY(timer, struct ceiling, timer);
    if (loop_now(ceiling->loop) - ceiling->looked_ms >= LOOK_MS) {
        look(ceiling);
        give_back(ceiling);
    }
    if (ceiling->limit > 0) {
        measure(ceiling);
    } else {
        set_level(ceiling, MEMORY_PLENTY, 0);
    }
    timer_start(timer, ceiling->limit > 0 ? MEASURE_MS : LOOK_MS);
}

static void measure(struct ceiling *ceiling) {
    uint64_t used;
    if (!read_used(ceiling, &used)) {
        set_level(ceiling, MEMORY_PLENTY, 0);
        return;
    }
    enum memory_level before = memory_gauge_read(&ceiling->gauge);
    enum memory_level level = ceiling_decide(before, used, ceiling->limit);
    // Memory that was freed and not given back is no reason to refuse anything.
    if (level != MEMORY_PLENTY && trim(ceiling) && read_used(ceiling, &used)) {
        level = ceiling_decide(before, used, ceiling->limit);
    }
    set_level(ceiling, level, used);
}

static bool read_used(struct ceiling *ceiling, uint64_t *out_used) {
    bool is_read = ceiling->configured > 0 ? read_resident(out_used)
                                           : cgroup_read_memory_used(&ceiling->group, out_used);
    if (!is_read && !ceiling->is_blind) {
        log_warn("ceiling", "-", "can't see how much memory is used");
    }
    ceiling->is_blind = !is_read;
    return is_read;
}

// The second number of statm, see proc(5).
static bool read_resident(uint64_t *out_bytes) {
    enum { MAX_BYTES = 4096 };
    struct buffer text = {0};
    uint64_t pages = 0;
    bool is_read = file_read("/proc/self/statm", MAX_BYTES, &text);
    if (is_read) {
        struct slice rest = buffer_peek(&text);
        rest = slice_skip(rest, slice_find(rest, ' ') + 1);
        is_read = cgroup_parse_number(slice_first(rest, slice_find(rest, ' ')), &pages);
    }
    buffer_finish(&text);
    *out_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return is_read;
}

// Gives back what was freed. It stops the workers for a moment, so not all the time. False when it
// was done not long ago.
static bool trim(struct ceiling *ceiling) {
    uint64_t now = loop_now(ceiling->loop);
    if (ceiling->trimmed_ms > 0 && now - ceiling->trimmed_ms < TRIM_MS) {
        return false;
    }
    ceiling->trimmed_ms = now;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    return true;
}

// After a rush: the allocator keeps for ever what is free below something that is not.
static void give_back(struct ceiling *ceiling) {
    uint64_t kept;
    if (!read_kept(&kept)) {
        return;
    }
    ceiling->kept_bytes = kept < ceiling->kept_bytes ? kept : ceiling->kept_bytes;
    ceiling->quiet_looks = kept - ceiling->kept_bytes >= MUCH_BYTES ? ceiling->quiet_looks + 1 : 0;
    if (ceiling->quiet_looks >= QUIET_LOOKS && trim(ceiling) && read_kept(&kept)) {
        ceiling->quiet_looks = 0;
        ceiling->kept_bytes = kept; // more can't be given back
    }
}

static bool read_kept(uint64_t *out_bytes) {
#ifdef __GLIBC__
    uint64_t resident;
    struct mallinfo2 info = mallinfo2();
    uint64_t used = info.uordblks + info.hblkhd;
    if (read_resident(&resident)) {
        *out_bytes = resident > used ? resident - used : 0;
        return true;
    }
#else
    (void)out_bytes;
#endif
    return false;
}

static void set_level(struct ceiling *ceiling, enum memory_level level, uint64_t used) {
    static const char *const texts[] = {
        [MEMORY_PLENTY] = "memory suffices again",
        [MEMORY_SHORT] = "memory is short: no pushes, nothing is learned",
        [MEMORY_FULL] = "memory is full: new requests are refused",
    };
    atomic_store_explicit(&ceiling->gauge.used, used, memory_order_relaxed);
    if (level == memory_gauge_read(&ceiling->gauge)) {
        return;
    }
    memory_gauge_set(&ceiling->gauge, level);
    log_event(level == MEMORY_PLENTY ? LOG_INFO : LOG_WARN, "ceiling", "-",
              "%s used=%" PRIu64 " limit=%" PRIu64, texts[level], used, ceiling->limit);
}

enum memory_level ceiling_decide(enum memory_level now, uint64_t used, uint64_t limit) {
    uint64_t percent = limit / 100 > 0 ? used / (limit / 100) : 100;
    uint64_t full = now == MEMORY_FULL ? FULL_PERCENT - SLACK_PERCENT : FULL_PERCENT;
    uint64_t few = now != MEMORY_PLENTY ? SHORT_PERCENT - SLACK_PERCENT : SHORT_PERCENT;
    return percent >= full ? MEMORY_FULL : percent >= few ? MEMORY_SHORT : MEMORY_PLENTY;
}
