// SPDX-License-Identifier: Apache-2.0
#include "http/freshness.h"

#include "http/http_date.h"

// RFC 9111 section 1.2.2: what is larger counts as this.
#define MAX_SECONDS UINT64_C(2147483648)

// A directive with seconds; `is_given` and 0 seconds when they can't be read.
struct seconds {
    bool is_given;
    uint64_t value;
};

struct directives {
    bool is_no_store, is_no_cache, is_private, is_public;
    struct seconds max_age, shared_max_age;
};

static void read_directives(const struct headers *headers, struct directives *out_directives);
static void read_directive(struct slice directive, struct directives *directives);
static void read_seconds(struct slice text, struct seconds *seconds);
static struct seconds expires_after(const struct headers *headers, int64_t wall_ms);
static bool is_shared(const struct headers *headers, const struct directives *directives,
                      struct seconds expires);
static uint64_t age_ms(const struct headers *headers, int64_t wall_ms);

void freshness_read(const struct headers *response, int64_t wall_ms,
                    struct freshness *out_freshness) {
    struct directives directives;
    read_directives(response, &directives);
    struct seconds expires = expires_after(response, wall_ms);
    struct seconds lifetime = directives.max_age.is_given ? directives.max_age : expires;
    struct seconds shared =
        directives.shared_max_age.is_given ? directives.shared_max_age : lifetime;
    if (directives.is_no_store || directives.is_no_cache) {
        lifetime = (struct seconds){.is_given = true};
    }
    uint64_t age = age_ms(response, wall_ms);
    uint64_t lifetime_ms = lifetime.value * 1000;
    uint64_t shared_ms = shared.value * 1000;
    *out_freshness = (struct freshness){
        .is_storable = !directives.is_no_store,
        .is_private = directives.is_private,
        .is_public = directives.is_public,
        .is_shared = is_shared(response, &directives, expires),
        .has_lifetime = lifetime.is_given,
        .lifetime_ms = lifetime_ms,
        .left_ms = age < lifetime_ms ? lifetime_ms - age : 0,
        .has_shared_lifetime = shared.is_given,
        .shared_left_ms = age < shared_ms ? shared_ms - age : 0,
    };
}

static void read_directives(const struct headers *headers, struct directives *out_directives) {
    *out_directives = (struct directives){0};
    const struct header *field = headers_find(headers, HEADER_CACHE_CONTROL);
    for (; field != NULL; field = headers_find_next(headers, HEADER_CACHE_CONTROL, field)) {
        struct slice rest = field->value;
        struct slice directive;
        while (slice_next_element(&rest, &directive)) {
            read_directive(directive, out_directives);
        }
    }
}

// no-cache and private with field names count as without: section 5.2.2.
static void read_directive(struct slice directive, struct directives *directives) {
    size_t equals = slice_find(directive, '=');
    struct slice name = slice_trim(slice_first(directive, equals));
    struct slice value = slice_trim(slice_skip(directive, equals + 1));
    if (slice_equal_nocase(name, SLICE("no-store"))) {
        directives->is_no_store = true;
    } else if (slice_equal_nocase(name, SLICE("no-cache"))) {
        directives->is_no_cache = true;
    } else if (slice_equal_nocase(name, SLICE("private"))) {
        directives->is_private = true;
    } else if (slice_equal_nocase(name, SLICE("public"))) {
        directives->is_public = true;
    } else if (slice_equal_nocase(name, SLICE("max-age"))) {
        read_seconds(value, &directives->max_age);
    } else if (slice_equal_nocase(name, SLICE("s-maxage"))) {
        read_seconds(value, &directives->shared_max_age);
    }
}

// The first one counts: section 4.2.1.
static void read_seconds(struct slice text, struct seconds *seconds) {
    if (seconds->is_given) {
        return;
    }
    seconds->is_given = true;
    if (text.length >= 2 && text.data[0] == '"' && text.data[text.length - 1] == '"') {
        text = slice_of(text.data + 1, text.length - 2);
    }
    uint64_t value = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return;
        }
        value = value * 10 + (uint64_t)(text.data[i] - '0');
        value = value < MAX_SECONDS ? value : MAX_SECONDS;
    }
    seconds->value = value;
}

// Expires minus Date. "0" and other texts that are no dates mean that it is over.
static struct seconds expires_after(const struct headers *headers, int64_t wall_ms) {
    if (!headers_has(headers, HEADER_EXPIRES)) {
        return (struct seconds){0};
    }
    int64_t date_ms;
    int64_t expires_ms;
    if (!http_date_parse(headers_value(headers, HEADER_DATE), &date_ms)) {
        date_ms = wall_ms;
    }
    if (!http_date_parse(headers_value(headers, HEADER_EXPIRES), &expires_ms) ||
        expires_ms <= date_ms) {
        return (struct seconds){.is_given = true};
    }
    return (struct seconds){true, (uint64_t)(expires_ms - date_ms) / 1000};
}

static bool is_shared(const struct headers *headers, const struct directives *directives,
                      struct seconds expires) {
    if (headers_find_name(headers, SLICE("cdn-cache-control")) != NULL ||
        headers_find_name(headers, SLICE("surrogate-control")) != NULL) {
        return true;
    }
    if (directives->is_no_store || directives->is_no_cache || directives->is_private) {
        return false;
    }
    if (directives->shared_max_age.is_given) {
        return directives->shared_max_age.value > 0;
    }
    if (directives->max_age.is_given) {
        return directives->max_age.value > 0;
    }
    if (expires.is_given) {
        return expires.value > 0;
    }
    return directives->is_public || headers_has(headers, HEADER_LAST_MODIFIED);
}

static uint64_t age_ms(const struct headers *headers, int64_t wall_ms) {
    struct seconds age = {0};
    uint64_t since_date_ms = 0;
    int64_t date_ms;
    if (headers_has(headers, HEADER_AGE)) {
        read_seconds(slice_trim(headers_value(headers, HEADER_AGE)), &age);
    }
    if (headers_has(headers, HEADER_DATE) &&
        http_date_parse(headers_value(headers, HEADER_DATE), &date_ms) && date_ms < wall_ms) {
        since_date_ms = (uint64_t)(wall_ms - date_ms);
    }
    return age.value * 1000 > since_date_ms ? age.value * 1000 : since_date_ms;
}
