// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>

#include "base/ensure.h"
#include "explain_impl.h"

enum { MAX_COLUMN = 48 };

// One sentence for every PUSH_REASON_*.
#define SENTENCE_LIST(X)                                                                           \
    X(PROMISED, "pushed before the client asks for it")                                            \
    X(HINTED, "named in a 103, so that the client asks for it early")                              \
    X(BAD_URL, "not a URL that can be asked for")                                                  \
    X(SELF, "the page itself")                                                                     \
    X(REPEATED, "a second time in this request")                                                   \
    X(NOPUSH, "the link says nopush")                                                              \
    X(HINT_ONLY, "a preconnect, a `hint:`, or one whose choice or credentials are the client's")   \
    X(OTHER_SITE, "another site, and not in `push: authorities`")                                  \
    X(OFF, "`push: off` on this route")                                                            \
    X(METHOD, "the page is not asked for with GET")                                                \
    X(CONDITIONAL, "the answer may be a 304 or 206: decided at the head")                          \
    X(STATUS, "a response with this status pushes nothing")                                        \
    X(NESTED, "the page is itself a push")                                                         \
    X(CLIENT, "this client takes no push")                                                         \
    X(POLICY, "the client's Accept-Push-Policy does not want it")                                  \
    X(BEHIND_PROXY, "the request came by a proxy that is not in `trusted`")                        \
    X(CREDENTIALS, "the request has Authorization; see `push: credentials`")                       \
    X(REFUSED, "this client refused most promises on its connection")                              \
    X(MEMORY, "outrider is short of memory; see `limits: memory`")                                 \
    X(ALREADY, "this connection was promised it, or asked for it, before")                         \
    X(UNFIT, "no route serves it, or an earlier push of it was not fit")                           \
    X(UNWANTED, "most clients refused its last pushes")                                            \
    X(IN_CACHE, "the client has it from an earlier visit")                                         \
    X(RETURNING, "the client was here before and may have it")                                     \
    X(TOO_MANY, "beyond what one page may promise or hint")                                        \
    X(TOO_LATE, "the origin's 103 came together with its final head")

enum sentence {
#define X(name, text) SENTENCE_##name,
    SENTENCE_LIST(X)
#undef X
        SENTENCE_COUNT
};
// Each name is a reason and stands once, so none is missing.
_Static_assert((int)SENTENCE_COUNT == (int)PUSH_REASON_COUNT, "a reason without its sentence");

// The same for every PUSH_LEARN_*.
#define LEARN_SENTENCE_LIST(X)                                                                     \
    X(METHOD, "only from answers to GET")                                                          \
    X(PROMISED, "not from what outrider asked for itself")                                         \
    X(URL, "the URL is too long, or not one of a page")                                            \
    X(GONE, "the page is gone or forbidden")                                                       \
    X(STATUS, "only from responses with status 200")                                               \
    X(AUTHORIZATION, "not for requests with Authorization")                                        \
    X(NO_STORE, "the response says no-store; `learn: private` would allow it")                     \
    X(PRIVATE, "the response says private; `learn: private` would allow it")                       \
    X(SET_COOKIE, "the response sets a cookie; `learn: private` would allow it")                   \
    X(VARY, "the response says Vary: *")                                                           \
    X(STALE, "the response is stale at once; `learn: private` would allow it")                     \
    X(REFLECTED, "the query shows up in a link; see `learn: query`")                               \
    X(NO_LINKS, "the response has no Link that is worth a hint")                                   \
    X(FIRST, "a first sighting; used once another client has seen the same")                       \
    X(SAME_SOURCE, "the same again, of the same client; another has yet to see it")                \
    X(CONFIRMED, "a second client saw the same: used from now on")                                 \
    X(AGREED, "the same as is known already")                                                      \
    X(DISAGREED, "others than were known: these would be forgotten, and this is a first sighting") \
    X(OUTDATED, "older than what is known")

enum learn_sentence {
#define X(name, text) LEARN_SENTENCE_##name,
    LEARN_SENTENCE_LIST(X)
#undef X
        LEARN_SENTENCE_COUNT
};
_Static_assert((int)LEARN_SENTENCE_COUNT == (int)PUSH_LEARN_REASON_COUNT,
               "a reason without its sentence");

static void print_question(const struct explanation *explanation, FILE *out);
static const char *hints_text(const struct push_hint_client *client);
static void print_known(const struct explanation *explanation, FILE *out);
static void print_span(uint64_t ms, FILE *out);
static void print_steps(const struct explanation *explanation, FILE *out);
static size_t column_width(const struct explanation *explanation, size_t first);
static void print_moment(const struct explanation *explanation, const struct explain_step *step,
                         FILE *out);
static void print_emptiness(const struct explanation *explanation, size_t first, FILE *out);
static void print_row(const struct explanation *explanation, const struct explain_step *step,
                      size_t width, FILE *out);
static const char *sentence_of(const struct explain_step *step);
static void print_sent(const struct explain_step *step, FILE *out);
static struct slice shorten(const struct explanation *explanation, struct slice target);
static void print_candidates(const struct explanation *explanation, FILE *out);
static void print_learning(const struct explanation *explanation, FILE *out);
static void print_text(struct slice text, FILE *out);

void explain_print(const struct explanation *explanation, FILE *out) {
    print_question(explanation, out);
    print_known(explanation, out);
    print_steps(explanation, out);
    print_candidates(explanation, out);
    print_learning(explanation, out);
    fputs("note      offline: what a running instance knows of its connections, of refused pushes "
          "and\n          has learned since it saved is not known here\n",
          out);
}

// --- the question -------------------------------------------------------------------------------

static void print_question(const struct explanation *explanation, FILE *out) {
    const struct config_route *route = explanation->route;
    const struct config_origin *origin = explanation->origin;
    const struct url *page = &explanation->page;
    fprintf(out, "request   %.*s://%.*s%.*s  as ", SLICE_ARGS(page->scheme),
            SLICE_ARGS(page->authority), SLICE_ARGS(page->path));
    print_text(explanation->client_name, out);
    fprintf(out, "\nroute     host=%s path=%s -> origin %s ",
            route->host[0] != '\0' ? route->host : "*", route->path, origin->name);
    bool is_v6 = origin->kind == CONFIG_ORIGIN_TCP && strchr(origin->host, ':') != NULL;
    if (origin->kind == CONFIG_ORIGIN_UNIX) {
        fprintf(out, "unix:%s\n", origin->path);
    } else {
        fprintf(out, "http://%s%s%s:%u\n", is_v6 ? "[" : "", origin->host, is_v6 ? "]" : "",
                origin->port);
    }
    fprintf(out, "client    takes 103 Early Hints: %s; takes push: %s\n",
            hints_text(&explanation->hint_client), explanation->takes_push ? "yes" : "no");
    if (explanation->has_proxy) {
        fprintf(out, "          comes by another proxy, %s\n",
                explanation->is_trusted_proxy ? "taken for one of `trusted`"
                                              : "and `trusted` is empty");
    }
}

static const char *hints_text(const struct push_hint_client *client) {
    if (!client->takes_origins) {
        return "no";
    }
    if (client->takes_one) {
        return client->takes_ours ? "one" : "one of the origin's";
    }
    return client->takes_ours ? "all" : "the origin's";
}

static void print_known(const struct explanation *explanation, FILE *out) {
    const struct push_learn_view *known = &explanation->known;
    fputs("known     ", out);
    if (!explanation->route->learn.is_on) {
        fputs("nothing: `learn: off` on this route\n", out);
        return;
    }
    if (!explanation->may_be_known) {
        fputs("nothing: such requests are not learned for\n", out);
        return;
    }
    if (explanation->is_known) {
        fprintf(out, "learned: %s, %" PRIu32 " sighting%s, ",
                known->is_confirmed ? "confirmed" : "not confirmed yet", known->sightings,
                known->sightings == 1 ? "" : "s");
        print_span(known->age_ms, out);
        fputs(" old, ", out);
        print_span(known->left_ms, out);
        fputs(" left (", out);
    } else {
        fputs("nothing learned yet (", out);
    }
    print_text(explanation->state, out);
    fputs(")\n", out);
}

static void print_span(uint64_t ms, FILE *out) {
    uint64_t s = ms / 1000;
    if (s < 120) {
        fprintf(out, "%" PRIu64 " s", s);
    } else if (s < 2 * 3600) {
        fprintf(out, "%" PRIu64 " min", s / 60);
    } else {
        fprintf(out, "%" PRIu64 " h", s / 3600);
    }
}

// --- what happened ------------------------------------------------------------------------------

static void print_steps(const struct explanation *explanation, FILE *out) {
    size_t width = 0;
    for (size_t i = 0; i < explanation->step_count; i++) {
        const struct explain_step *step = &explanation->steps[i];
        switch (step->kind) {
        case EXPLAIN_MOMENT:
            width = column_width(explanation, i + 1);
            print_moment(explanation, step, out);
            print_emptiness(explanation, i + 1, out);
            break;
        case EXPLAIN_ROW:
            print_row(explanation, step, width, out);
            break;
        case EXPLAIN_SENT:
            print_sent(step, out);
            break;
        }
    }
    if (explanation->fault != FAULT_NONE) {
        fprintf(out, "failed    %s\n", fault_text(explanation->fault));
    }
}

// Of the targets up to the next moment; a long one stands out on its own.
static size_t column_width(const struct explanation *explanation, size_t first) {
    size_t width = 0;
    for (size_t i = first; i < explanation->step_count; i++) {
        const struct explain_step *step = &explanation->steps[i];
        if (step->kind == EXPLAIN_MOMENT) {
            break;
        }
        size_t length =
            step->kind == EXPLAIN_ROW ? shorten(explanation, step->row.target).length : 0;
        width = length > width && length <= MAX_COLUMN ? length : width;
    }
    return width;
}

static void print_moment(const struct explanation *explanation, const struct explain_step *step,
                         FILE *out) {
    switch (step->moment) {
    case PUSH_AT_REQUEST:
        fputs("at request\n", out);
        return;
    case PUSH_AT_INTERIM:
        fprintf(out, "at the origin's 1xx (after %" PRIu64 " ms)\n", step->after_ms);
        return;
    case PUSH_AT_HEAD:
        fprintf(out, "at head (status %d after %" PRIu64 " ms)\n", explanation->status,
                explanation->head_ms);
        return;
    case PUSH_AT_EVENT:
        fputs("at an event\n", out);
        return;
    }
    unreachable();
}

static void print_emptiness(const struct explanation *explanation, size_t first, FILE *out) {
    if (first == explanation->step_count || explanation->steps[first].kind == EXPLAIN_MOMENT) {
        fputs("  no candidates\n", out);
    }
}

static void print_row(const struct explanation *explanation, const struct explain_step *step,
                      size_t width, FILE *out) {
    const struct push_row *row = &step->row;
    struct slice target = shorten(explanation, row->target);
    fprintf(out, "  %-12s  ", push_plan_reason_name(row->reason));
    print_text(target, out);
    for (size_t i = target.length; i < width; i++) {
        fputc(' ', out);
    }
    fprintf(out, "  %-9s  %s\n", push_plan_source_name(row->source), sentence_of(step));
}

static const char *sentence_of(const struct explain_step *step) {
    static const char *const sentences[PUSH_REASON_COUNT] = {
#define X(name, text) [PUSH_REASON_##name] = (text),
        SENTENCE_LIST(X)
#undef X
    };
    if (step->row.reason == PUSH_REASON_CLIENT && step->moment == PUSH_AT_HEAD) {
        return "this client takes no push; it reads the link itself now";
    }
    return sentences[step->row.reason];
}

static void print_sent(const struct explain_step *step, FILE *out) {
    if (step->status != 0) {
        fprintf(out, "  %d sent: ", step->status);
    } else {
        fputs("            ", out);
    }
    print_text(step->text, out);
    fputc('\n', out);
}

// What is of the page's own site goes without scheme and authority.
static struct slice shorten(const struct explanation *explanation, struct slice target) {
    const struct slice site[] = {explanation->page.scheme, SLICE("://"),
                                 explanation->page.authority};
    struct slice rest = target;
    for (size_t i = 0; i < sizeof(site) / sizeof(site[0]); i++) {
        if (!slice_starts_with(rest, site[i])) {
            return target;
        }
        rest = slice_skip(rest, site[i].length);
    }
    return rest.length > 0 && rest.data[0] == '/' ? rest : target;
}

static void print_candidates(const struct explanation *explanation, FILE *out) {
    bool has_rows = false;
    for (size_t i = 0; i < explanation->step_count; i++) {
        has_rows |= explanation->steps[i].kind == EXPLAIN_ROW;
    }
    if (!has_rows && explanation->fault == FAULT_NONE) {
        fputs("none      nothing was named that could be pushed or hinted. What would be: a Link "
              "field with\n          rel=preload in the origin's response or its 103, or `push:` "
              "or `hint:` on the route\n",
              out);
    }
    if (explanation->ignored_elements > 0) {
        fprintf(out, "ignored   %u further elements of Link fields: beyond the limits\n",
                explanation->ignored_elements);
    }
}

static void print_learning(const struct explanation *explanation, FILE *out) {
    static const char *const sentences[PUSH_LEARN_REASON_COUNT] = {
#define X(name, text) [PUSH_LEARN_##name] = (text),
        LEARN_SENTENCE_LIST(X)
#undef X
    };
    if (explanation->status == 0 || !explanation->route->learn.is_on) {
        return;
    }
    enum push_learn_reason reason = explanation->learning;
    fprintf(out, "learning  %s: %s%s\n", push_learn_rules_reason_name(reason), sentences[reason],
            explanation->is_known && push_learn_rules_drops(reason)
                ? "; what was known would be forgotten"
                : "");
}

// Bytes of strangers: what is not printable ASCII is escaped.
static void print_text(struct slice text, FILE *out) {
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte >= 0x20 && byte <= 0x7e) {
            fputc(byte, out);
        } else {
            fprintf(out, "\\x%02x", byte);
        }
    }
}
