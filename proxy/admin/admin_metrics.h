// SPDX-License-Identifier: Apache-2.0
// All numbers as text for Prometheus and its like, in one of two formats that differ little: the
// Prometheus text format 0.0.4 and OpenMetrics 1.0.0. Names have the prefix outrider_, but for
// those of the process, which have customary names. Bounded: below 2000 lines of numbers, whatever
// is configured. Pure. Any thread. See also: admin_family.h, docs/metrics.md.
#ifndef OUTRIDER_ADMIN_METRICS_H
#define OUTRIDER_ADMIN_METRICS_H

#include "admin/admin.h"

enum admin_metrics_format { ADMIN_METRICS_PROMETHEUS, ADMIN_METRICS_OPEN };

enum { ADMIN_METRICS_CERTIFICATES = 500 }; // those beyond are left out

const char *admin_metrics_type(enum admin_metrics_format format); // Content-Type
void admin_metrics_write(const struct admin_status *status, enum admin_metrics_format format,
                         struct buffer *out);

#endif
