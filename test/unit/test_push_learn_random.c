// SPDX-License-Identifier: Apache-2.0
// Random responses against the rules, told once more and plainly: what the table gives is what they
// allow, no more and no less.
#include "learn_scene.h"

#include "push/push_learn.h"

#define START 5000000

enum { PATHS = 3, CONNS = 3, VISITORS = 3, SETS = 3, ROUNDS = 60, STEPS = 1500 };

static const char *const paths[PATHS] = {"/", "/page", "/page/2"};
static const char *const sets[SETS] = {
    "</a.css>; rel=preload; as=style",
    "</b.js>; rel=modulepreload",
    "<https://cdn.example>; rel=preconnect",
};
static const char *const cookies[VISITORS] = {"", "a=1", "a=2"};
static const char *const urls[SETS] = {"/a.css", "/b.js", "/"};

// A response, and what the rules say of it.
struct doing {
    unsigned path;
    unsigned visitor; // whose cookies it has
    bool has_authorization;
    bool is_get;
    bool is_promised;
    int status;
    int set; // -1: no links
    bool sets_cookie;
    bool is_private;
    bool is_no_store;
    bool varies_on_all;
    int max_age; // -1: not stated
    uint64_t conn_id;
};

struct sighting {
    uint64_t conn_id;
    unsigned visitor;
};

struct known {
    int set; // -1: none
    bool is_own;
    bool is_confirmed;
    struct sighting first, last;
    uint64_t expires_ms;
};

static struct known model[PATHS][2];
static uint32_t next_random;

static unsigned random_below(unsigned limit) {
    next_random = next_random * 1664525 + 1013904223;
    return (next_random >> 8) % limit;
}

static bool one_in(unsigned count) {
    return random_below(count) == 0;
}

static struct doing make_doing(void) {
    static const int statuses[] = {401, 403, 404, 206, 304, 500, 301};
    static const int ages[] = {0, 1, 60, 100000};
    return (struct doing){
        .path = random_below(PATHS),
        .visitor = one_in(2) ? 0 : 1 + random_below(VISITORS - 1),
        .has_authorization = one_in(20),
        .is_get = !one_in(20),
        .is_promised = one_in(20),
        .status = one_in(10) ? statuses[random_below(7)] : 200,
        .set = one_in(20) ? -1 : (int)(one_in(12) ? random_below(SETS) : next_random % 2),
        .sets_cookie = one_in(20),
        .is_private = one_in(25),
        .is_no_store = one_in(25),
        .varies_on_all = one_in(25),
        .max_age = one_in(2) ? -1 : ages[random_below(8) == 0 ? 0 : 1 + random_below(3)],
        .conn_id = 1 + random_below(CONNS),
    };
}

static void show(struct push_learn *learn, const struct doing *doing, uint64_t now_ms) {
    char request[64];
    char response[256];
    char age[48] = "";
    snprintf(request, sizeof(request), "%s%s\n%s", doing->visitor > 0 ? "cookie: " : "",
             cookies[doing->visitor], doing->has_authorization ? "authorization: x" : "");
    if (doing->max_age >= 0) {
        snprintf(age, sizeof(age), "cache-control: max-age=%d\n", doing->max_age);
    }
    snprintf(response, sizeof(response), "%s%s%s%s%s%s%s", age,
             doing->sets_cookie ? "set-cookie: x=y\n" : "",
             doing->is_private ? "cache-control: private\n" : "",
             doing->is_no_store ? "cache-control: no-store\n" : "",
             doing->varies_on_all ? "vary: *\n" : "", doing->set >= 0 ? "link: " : "",
             doing->set >= 0 ? sets[doing->set] : "");
    learn_scene_show(learn,
                     &(struct learn_scene_row){.path = paths[doing->path],
                                               .method = doing->is_get ? NULL : "HEAD",
                                               .request = request,
                                               .response = response,
                                               .status = doing->status,
                                               .is_promised = doing->is_promised},
                     doing->conn_id, now_ms);
}

static bool are_two_clients(struct sighting a, struct sighting b) {
    return a.conn_id != b.conn_id && (a.visitor == 0 || a.visitor != b.visitor);
}

static void apply_rules(const struct doing *doing, uint64_t now_ms) {
    struct known *known = &model[doing->path][doing->visitor > 0 || doing->has_authorization];
    bool is_gone = doing->status >= 401 && doing->status <= 404;
    if (!doing->is_get || doing->is_promised) {
        return;
    }
    if (is_gone) {
        known->set = -1;
        return;
    }
    if (doing->status != 200 || doing->has_authorization) {
        return;
    }
    bool is_withdrawn = doing->is_private || doing->is_no_store ||
                        (!doing->sets_cookie && (doing->varies_on_all || doing->max_age == 0));
    if (!is_withdrawn && doing->sets_cookie) {
        return;
    }
    if (is_withdrawn || doing->set < 0) {
        known->set = -1;
        return;
    }
    uint64_t life_ms = doing->max_age < 0 || doing->max_age > 3600
                           ? PUSH_LEARN_LIFE_MS
                           : (uint64_t)doing->max_age * 1000;
    if (known->set != doing->set || now_ms >= known->expires_ms) {
        *known = (struct known){.set = doing->set, .first = {doing->conn_id, doing->visitor}};
    }
    known->last = (struct sighting){doing->conn_id, doing->visitor};
    known->is_confirmed |= are_two_clients(known->first, known->last);
    known->is_own |= known->first.visitor > 0 && known->first.visitor == known->last.visitor &&
                     known->first.conn_id != known->last.conn_id;
    known->expires_ms = now_ms + life_ms;
}

static void forget_url(unsigned set) {
    for (unsigned i = 0; i < 2 * PATHS; i++) {
        struct known *known = &model[i / 2][i % 2];
        known->set = known->set == (int)set ? -1 : known->set;
    }
}

static bool is_own(const struct known *known, unsigned visitor) {
    return visitor > 0 && known->is_own && known->first.visitor == visitor;
}

static unsigned compare(struct push_learn *learn, const uint64_t *bad_until_ms, uint64_t now_ms) {
    unsigned usable = 0;
    for (unsigned i = 0; i < VISITORS * PATHS; i++) {
        unsigned visitor = i % VISITORS;
        const struct known *known = &model[i / VISITORS][visitor > 0];
        const char *found =
            learn_scene_found_by(learn, paths[i / VISITORS], cookies[visitor], now_ms);
        bool is_usable = known->set >= 0 && (known->is_confirmed || is_own(known, visitor)) &&
                         now_ms < known->expires_ms && now_ms >= bad_until_ms[known->set];
        assert_string_equal(found, is_usable ? sets[known->set] : "");
        usable += is_usable;
    }
    return usable;
}

static void test_as_the_rules_say(void **state) {
    (void)state;
    unsigned usable = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t bad_until_ms[SETS] = {0};
        uint64_t now_ms = START;
        struct push_learn *learn = push_learn_create(&(struct push_learn_limits){0}, round);
        next_random = round;
        for (unsigned i = 0; i < 2 * PATHS; i++) {
            model[i / 2][i % 2].set = -1;
        }
        for (unsigned step = 0; step < STEPS; step++) {
            now_ms += 1 + (one_in(100) ? random_below(4000000) : random_below(300));
            if (one_in(200)) {
                unsigned set = random_below(SETS - 1);
                if (push_learn_note_bad(learn, SLICE("example.org"), slice_of_text(urls[set]),
                                        now_ms)) {
                    bad_until_ms[set] = now_ms + PUSH_LEARN_BAD_MS;
                }
                forget_url(set);
            } else {
                struct doing doing = make_doing();
                show(learn, &doing, now_ms);
                apply_rules(&doing, now_ms);
            }
            usable += compare(learn, bad_until_ms, now_ms);
        }
        push_learn_destroy(learn);
    }
    assert_true(usable > ROUNDS * STEPS / 4); // else nothing was tried
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_rules_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
