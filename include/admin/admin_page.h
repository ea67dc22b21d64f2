// SPDX-License-Identifier: Apache-2.0
// The dashboard: one document that needs nothing from elsewhere, made by the build from
// proxy/admin/page/. It reads /stats.json and /hints. Constant. See also: admin/admin.h.
#ifndef OUTRIDER_ADMIN_ADMIN_PAGE_H
#define OUTRIDER_ADMIN_ADMIN_PAGE_H

#include <stddef.h>

extern const char admin_page_html[];
extern const size_t admin_page_html_length;
extern const char admin_page_policy[]; // its Content-Security-Policy

#endif
