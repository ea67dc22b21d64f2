// SPDX-License-Identifier: Apache-2.0
// All numbers as one JSON document, for the dashboard and for whoever reads no Prometheus: those of
// /metrics, and what push and hints do page by page. Pure. Any thread.
// See also: admin_family.h, push/push_ledger.h.
#ifndef OUTRIDER_ADMIN_STATS_H
#define OUTRIDER_ADMIN_STATS_H

#include "admin/admin.h"

enum { ADMIN_STATS_PAGES = 100 };

// `rows` are those of all workers together (push_ledger_merge); they are sorted here.
void admin_stats_write(const struct admin_status *status, struct buffer *rows, int64_t now_s,
                       struct buffer *out_json);

#endif
