// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"

// OpenTelemetry's advice for durations of HTTP requests.
static const uint16_t time_bounds_ms[METRICS_TIME_SLOTS - 2] = {
    5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};
const char *const metrics_time_bounds[METRICS_TIME_SLOTS - 1] = {
    "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25",
    "0.5",   "0.75", "1.0",   "2.5",  "5.0",   "7.5", "10.0"};
enum { SMALLEST_BYTES = 256 }; // and then twice as many each
const char *const metrics_size_bounds[METRICS_SIZE_SLOTS - 1] = {
    "256.0", "512.0", "1024.0", "2048.0", "4096.0", "8192.0", "16384.0", "32768.0"};

static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static char *names[METRICS_NAMES];

void metrics_observe_time_at(struct metrics *metrics, unsigned slot, uint64_t ms) {
    unsigned bucket = 0;
    while (bucket < METRICS_TIME_SLOTS - 2 && ms > time_bounds_ms[bucket]) {
        bucket++;
    }
    metrics_add_at(metrics, slot + bucket, 1);
    metrics_add_at(metrics, slot + METRICS_TIME_SLOTS - 1, ms);
}

void metrics_observe_size_at(struct metrics *metrics, unsigned slot, uint64_t bytes) {
    unsigned bucket = 0;
    while (bucket < METRICS_SIZE_SLOTS - 2 && bytes > (uint64_t)SMALLEST_BYTES << bucket) {
        bucket++;
    }
    metrics_add_at(metrics, slot + bucket, 1);
    metrics_add_at(metrics, slot + METRICS_SIZE_SLOTS - 1, bytes);
}

unsigned metrics_name_slot(const char *name) {
    pthread_mutex_lock(&names_lock);
    unsigned slot = 0;
    while (slot < METRICS_NAMES - 1 && names[slot] != NULL && strcmp(names[slot], name) != 0) {
        slot++;
    }
    if (names[slot] == NULL) {
        names[slot] = alloc_text(slot < METRICS_NAMES - 1 ? name : "(others)");
    }
    pthread_mutex_unlock(&names_lock);
    return slot;
}

const char *metrics_slot_name(unsigned slot) {
    pthread_mutex_lock(&names_lock);
    const char *name = slot < METRICS_NAMES ? names[slot] : NULL;
    pthread_mutex_unlock(&names_lock);
    return name;
}
