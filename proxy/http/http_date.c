// SPDX-License-Identifier: Apache-2.0
#include "http/http_date.h"

#include <time.h>

// In the "C" locale, which outrider never leaves.
static const char *const forms[] = {
    "%a, %d %b %Y %H:%M:%S GMT", // IMF-fixdate
    "%A, %d-%b-%y %H:%M:%S GMT", // RFC 850
    "%a %b %e %H:%M:%S %Y",      // asctime
};

bool http_date_parse(struct slice text, int64_t *out_wall_ms) {
    char copy[40];
    text = slice_trim(text);
    if (text.length >= sizeof(copy) || slice_find(text, '\0') < text.length) {
        return false;
    }
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm tm = {0};
        const char *end = strptime(copy, forms[i], &tm);
        if (end != NULL && *end == '\0') {
            time_t seconds = timegm(&tm);
            *out_wall_ms = seconds >= 0 ? (int64_t)seconds * 1000 : 0;
            return seconds >= 0;
        }
    }
    return false;
}
