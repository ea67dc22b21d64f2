// SPDX-License-Identifier: Apache-2.0
// The one table of options. Reading a file, environment variables, defaults, units, checks,
// printing, the test of the reference file, and later man pages all walk it.
// Owner: constant data. Any thread. A section is one mapping of the file and one struct in memory;
// an option is one key in it and one member. See also: config/config.h, config/outrider.yaml.
#ifndef OUTRIDER_CONFIG_CONFIG_OPTIONS_H
#define OUTRIDER_CONFIG_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum config_kind {
    // One value as one word of text; config_value.c reads and writes them.
    CONFIG_SWITCH,   // bool: true, false, on, off, yes, no
    CONFIG_EITHER,   // bool: the second of two `words`
    CONFIG_COUNT,    // uint32_t
    CONFIG_SIZE,     // uint64_t bytes: 512, 16KiB, 1MiB, 64KB
    CONFIG_TIME,     // uint64_t milliseconds: 500ms, 5s, 2m, 1h
    CONFIG_WORD,     // an enum: the index in `words`
    CONFIG_NAME,     // char *: one of `words`, kept as text
    CONFIG_FILE,     // char *: a file that can be read
    CONFIG_STATE,    // char *: a file that is read and written, if there is one yet
    CONFIG_TARGET,   // char *: stdout, off or a path
    CONFIG_HOST,     // char *: host of a route, perhaps "*.example.org"
    CONFIG_PREFIX,   // char *: path prefix of a route
    CONFIG_PATH,     // char *: origin form
    CONFIG_LINK,     // char *: origin form, or one element of a Link field
    CONFIG_SITE,     // char *: host[:port]
    CONFIG_FIELD,    // char *: name of a field that may stand in a 103, lower case
    CONFIG_LOGGED,   // char *: name of a request's field, lower case
    CONFIG_ID_FIELD, // char *: name of the field for request ids, lower case; "" is off
    CONFIG_COOKIE,   // char *: name of a cookie
    CONFIG_EVENT,    // char *: name of a server-sent event; "" is off
    CONFIG_ORIGIN,   // uint32_t: index of the origin that has this name
    CONFIG_ADDRESS,  // host, port and is_tls of struct config_listener
    CONFIG_URL,      // kind, host, port and path of struct config_origin
    CONFIG_ENDPOINT, // struct config_endpoint
    CONFIG_NETWORK,  // struct config_network
    // More of the tree.
    CONFIG_SECTION, // a mapping, stored inside the struct
    CONFIG_LIST,    // a list of `section` or of `item`, stored as pointer and count
    CONFIG_MAP,     // a mapping of free names to `section`; the item's first member is the name
    CONFIG_KINDS,
};

struct config_section;

struct config_option {
    const char *name;
    const char *meaning; // one line
    enum config_kind kind;
    const char *initial;      // the default as it is written in the file; NULL: none
    const char *inherits;     // the option that gives the default: "timeouts.origin_connect"
    uint64_t min;             // of a number; of a list: items needed
    uint64_t max;             // of a number; of a list or map: items allowed
    const char *zero;         // a word for the number 0 or for no file: "auto", "none"
    const char *const *words; // of an EITHER, WORD or NAME, NULL-terminated
    bool is_required;
    bool may_be_single;    // of a list: one item may stand there without the list
    const char *bare;      // the option that one word instead of a mapping of `section` gives
    const char *bare_list; // the option that a list instead of it gives; `bare` is then on
    const struct config_section *section; // of a SECTION, LIST or MAP
    const struct config_option *item;     // of a LIST of single values
    size_t item_size;                     // of a LIST or MAP, in bytes
    size_t offset;                        // of the member in the section's struct
    size_t count_offset;                  // of a LIST or MAP: of its count
    size_t at_offset;                     // of a member that keeps where the value stood; 0: none
};

enum config_section_id {
    CONFIG_SECTION_ROOT,
    CONFIG_SECTION_LISTENER,
    CONFIG_SECTION_CERTIFICATE,
    CONFIG_SECTION_ORIGIN,
    CONFIG_SECTION_ROUTE,
    CONFIG_SECTION_ROUTE_PUSH,
    CONFIG_SECTION_PUSH,
    CONFIG_SECTION_DECLARED,
    CONFIG_SECTION_ROUTE_HINT,
    CONFIG_SECTION_HINT,
    CONFIG_SECTION_DECLARED_HINT,
    CONFIG_SECTION_ROUTE_LEARN,
    CONFIG_SECTION_LEARN,
    CONFIG_SECTION_LEARNED,
    CONFIG_SECTION_DIGEST,
    CONFIG_SECTION_LIMITS,
    CONFIG_SECTION_TIMEOUTS,
    CONFIG_SECTION_LOG,
    CONFIG_SECTION_ADMIN,
    CONFIG_SECTION_HARDENING,
    CONFIG_SECTIONS,
};

struct config_section {
    enum config_section_id id;
    const struct config_option *options;
    size_t count;
    // Further options of the same mapping whose struct lies inside this one; what they are not
    // given they inherit from the struct at `rest_source` of struct config.
    const struct config_section *rest;
    size_t rest_offset;
    size_t rest_source;
};

extern const struct config_section config_options_root; // of struct config

// The option of that name here or in the rest; NULL when there is none. out_place may be NULL.
const struct config_option *config_options_find(const struct config_section *section,
                                                struct slice name, void *place, void **out_place);
// By dotted path through sections: "timeouts.origin_connect". The struct it lies in goes out.
const struct config_option *config_options_find_path(const char *path, void *config,
                                                     void **out_place);

static inline bool config_kind_is_value(enum config_kind kind) {
    return kind < CONFIG_SECTION;
}

// The member itself.
static inline void *config_option_member(const struct config_option *option, void *place) {
    return (char *)place + option->offset;
}

#endif
