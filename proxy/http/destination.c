// SPDX-License-Identifier: Apache-2.0
#include "http/destination.h"

#define LENGTH(rows) (sizeof(rows) / sizeof((rows)[0]))
#define SLICE_INIT(literal)                                                                        \
    { "" literal, sizeof(literal) - 1 }
#define ACCEPT_ANY SLICE_INIT("*/*")
#define ACCEPT_PAGE SLICE_INIT("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")

// The first row answers for everything unknown; the others are in the order of destination_next.
static const struct destination destinations[] = {
    {SLICE_INIT(""), DESTINATION_ORDINARY, ACCEPT_ANY, false},
    {SLICE_INIT("style"), DESTINATION_BLOCKING, SLICE_INIT("text/css,*/*;q=0.1"), false},
    {SLICE_INIT("font"), DESTINATION_BLOCKING, ACCEPT_ANY, true},
    {SLICE_INIT("script"), DESTINATION_BLOCKING, ACCEPT_ANY, false},
    {SLICE_INIT("fetch"), DESTINATION_ORDINARY, ACCEPT_ANY, true},
    {SLICE_INIT("track"), DESTINATION_ORDINARY, ACCEPT_ANY, false},
    {SLICE_INIT("worker"), DESTINATION_ORDINARY, ACCEPT_ANY, false},
    {SLICE_INIT("json"), DESTINATION_ORDINARY, SLICE_INIT("application/json,*/*;q=0.5"), false},
    {SLICE_INIT("document"), DESTINATION_ORDINARY, ACCEPT_PAGE, false},
    {SLICE_INIT("iframe"), DESTINATION_ORDINARY, ACCEPT_PAGE, false},
    {SLICE_INIT("frame"), DESTINATION_ORDINARY, ACCEPT_PAGE, false},
    {SLICE_INIT("embed"), DESTINATION_ORDINARY, ACCEPT_PAGE, false},
    {SLICE_INIT("object"), DESTINATION_ORDINARY, ACCEPT_PAGE, false},
    {SLICE_INIT("image"), DESTINATION_MEDIA, SLICE_INIT("image/*,*/*;q=0.8"), false},
    {SLICE_INIT("audio"), DESTINATION_MEDIA, ACCEPT_ANY, false},
    {SLICE_INIT("video"), DESTINATION_MEDIA, ACCEPT_ANY, false},
};

static const struct {
    struct slice ending;
    struct slice as;
} endings[] = {
    {SLICE_INIT(".css"), SLICE_INIT("style")},  {SLICE_INIT(".js"), SLICE_INIT("script")},
    {SLICE_INIT(".mjs"), SLICE_INIT("script")}, {SLICE_INIT(".woff2"), SLICE_INIT("font")},
    {SLICE_INIT(".woff"), SLICE_INIT("font")},  {SLICE_INIT(".ttf"), SLICE_INIT("font")},
    {SLICE_INIT(".otf"), SLICE_INIT("font")},   {SLICE_INIT(".png"), SLICE_INIT("image")},
    {SLICE_INIT(".jpg"), SLICE_INIT("image")},  {SLICE_INIT(".jpeg"), SLICE_INIT("image")},
    {SLICE_INIT(".gif"), SLICE_INIT("image")},  {SLICE_INIT(".webp"), SLICE_INIT("image")},
    {SLICE_INIT(".avif"), SLICE_INIT("image")}, {SLICE_INIT(".svg"), SLICE_INIT("image")},
    {SLICE_INIT(".ico"), SLICE_INIT("image")},  {SLICE_INIT(".json"), SLICE_INIT("fetch")},
};

const struct destination *destination_find(struct slice as) {
    for (size_t i = 1; i < LENGTH(destinations); i++) {
        if (slice_equal_nocase(as, destinations[i].as)) {
            return &destinations[i];
        }
    }
    return &destinations[0];
}

struct slice destination_guess(struct slice path) {
    struct slice name = slice_first(path, slice_find(path, '?'));
    for (size_t i = 0; i < LENGTH(endings); i++) {
        struct slice ending = endings[i].ending;
        if (name.length > ending.length &&
            slice_equal_nocase(slice_skip(name, name.length - ending.length), ending)) {
            return endings[i].as;
        }
    }
    return SLICE_EMPTY;
}

const struct destination *destination_of(struct slice as, struct slice path) {
    return destination_find(as.length > 0 ? as : destination_guess(path));
}

const struct destination *destination_next(const struct destination *destination) {
    const struct destination *next = destination != NULL ? destination + 1 : &destinations[1];
    return next < &destinations[LENGTH(destinations)] ? next : NULL;
}

bool destination_fits(const struct destination *destination, struct slice content_type) {
    static const struct {
        struct slice as;
        struct slice begin; // in lower case
    } types[] = {
        {SLICE_INIT("style"), SLICE_INIT("text/css")},
        {SLICE_INIT("script"), SLICE_INIT("text/javascript")},
        {SLICE_INIT("script"), SLICE_INIT("application/javascript")},
        {SLICE_INIT("script"), SLICE_INIT("application/x-javascript")},
        {SLICE_INIT("font"), SLICE_INIT("font/")},
        {SLICE_INIT("font"), SLICE_INIT("application/font-")},
        {SLICE_INIT("font"), SLICE_INIT("application/x-font-")},
        {SLICE_INIT("font"), SLICE_INIT("application/vnd.ms-fontobject")},
        {SLICE_INIT("image"), SLICE_INIT("image/")},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (slice_equal(destination->as, types[i].as) &&
            slice_equal_nocase(slice_first(content_type, types[i].begin.length), types[i].begin)) {
            return true;
        }
    }
    return false;
}

struct slice destination_hint(struct slice path, struct slice as, struct arena *arena) {
    struct slice told = as.length > 0 ? as : destination_guess(path);
    struct slice named = told.length > 0 ? told : SLICE("fetch");
    bool is_cors = destination_find(named)->is_cors;
    const struct slice parts[] = {SLICE("<"), path, SLICE(">; rel=preload; as="), named,
                                  is_cors ? SLICE("; crossorigin") : SLICE_EMPTY};
    return arena_join(arena, parts, sizeof(parts) / sizeof(parts[0]));
}
