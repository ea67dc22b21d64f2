// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "config/config.h"
#include "config/config_yaml.h"
#include "worker/explain.h"
#include "worker/generation.h"
#include "worker/health.h"
#include "worker/server.h"

enum exit_code { EXIT_CLEAN = 0, EXIT_CONFIG = 1, EXIT_USAGE = 2 };

enum flag {
    OPTION_ORIGIN = 256,
    OPTION_LISTEN,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_WORKERS,
    OPTION_ORIGIN_TIMEOUT,
    OPTION_CLIENT,
    OPTION_ADMIN,
    OPTION_LIVE,
    OPTION_TIMEOUT,
    OPTION_VERSION,
};

enum verb { VERB_RUN, VERB_CHECK, VERB_EXPLAIN, VERB_HEALTH };

#define DEFAULT_FILE "/etc/outrider/config.yaml"

struct command {
    enum verb verb;
    struct explain_options explain;
    struct health_options health;
    const char *admin;   // --admin
    const char *timeout; // --timeout
    const char *file;
    struct config_flags flags;
    const char **listen;
    bool has_flags;
};

static bool parse(int count, char **words, struct command *command, int *out_exit);
static enum verb parse_verb(const char *word);
static bool parse_flags(int count, char **words, struct command *command, int *out_exit);
static const char **text_flag(struct command *command, int option);
static void add_listen(struct command *command, const char *value);
static bool parse_arguments(int count, char **words, struct command *command, int *out_exit);
static int usage_error(const char *text, const char *word);
static struct config *read_config(const struct command *command, struct config_errors *errors);
static int check(struct config *take_config, struct config_errors *errors);
static int explain(struct config *take_config, const struct explain_options *options);
static int run_verb(const struct command *command, struct config *take_config,
                    struct config_errors *errors);
static void open_standard_descriptors(void);
static int health(struct command *command);
static int report(struct config_errors *errors);
static void print_help(FILE *out);

int main(int argc, char **argv) {
    struct command command = {0};
    int exit_code = EXIT_CLEAN;
    open_standard_descriptors();
    if (!parse(argc, argv, &command, &exit_code)) {
        free(command.listen);
        return exit_code;
    }
    if (command.verb == VERB_HEALTH) {
        free(command.listen);
        return health(&command);
    }
    struct config_errors errors = {0};
    struct config *config = read_config(&command, &errors);
    exit_code = config != NULL ? run_verb(&command, config, &errors) : report(&errors);
    free(command.listen);
    return exit_code;
}

static int run_verb(const struct command *command, struct config *take_config,
                    struct config_errors *errors) {
    switch (command->verb) {
    case VERB_CHECK:
        return check(take_config, errors);
    case VERB_EXPLAIN:
        return explain(take_config, &command->explain);
    case VERB_RUN:
        return server_run(take_config, &command->flags);
    case VERB_HEALTH:
        break;
    }
    unreachable();
}

// A descriptor that is closed would be given to the first socket, and the log written to a client.
static void open_standard_descriptors(void) {
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO) {
        fd = open("/dev/null", O_RDWR);
    }
    if (fd > STDERR_FILENO) {
        close(fd);
    }
}

// False when there is nothing to run; *out_exit then says how to leave.
static bool parse(int count, char **words, struct command *command, int *out_exit) {
    command->verb = count > 1 ? parse_verb(words[1]) : VERB_RUN;
    if (command->verb != VERB_RUN) {
        words[1] = words[0];
        words++;
        count--;
    }
    command->listen = alloc_zeroed((size_t)count, sizeof(command->listen[0]));
    if (!parse_flags(count, words, command, out_exit) ||
        !parse_arguments(count, words, command, out_exit)) {
        return false;
    }
    if (command->file != NULL && command->has_flags) {
        *out_exit = usage_error("a configuration file and flags exclude each other", NULL);
        return false;
    }
    bool has_origin = command->flags.origin != NULL || getenv("OUTRIDER_ORIGIN") != NULL;
    if (command->file == NULL && !has_origin && !command->has_flags &&
        access(DEFAULT_FILE, F_OK) == 0) {
        command->file = DEFAULT_FILE;
    }
    if (command->file == NULL && !has_origin && command->verb != VERB_HEALTH) {
        *out_exit = usage_error("say -c FILE or --origin URL: there is no " DEFAULT_FILE, NULL);
        return false;
    }
    command->flags.environment = (const char *const *)environ;
    return true;
}

static enum verb parse_verb(const char *word) {
    static const char *const names[] = {
        [VERB_CHECK] = "check", [VERB_EXPLAIN] = "explain", [VERB_HEALTH] = "health"};
    for (unsigned i = VERB_CHECK; i <= VERB_HEALTH; i++) {
        if (strcmp(word, names[i]) == 0) {
            return (enum verb)i;
        }
    }
    return VERB_RUN;
}

static bool parse_flags(int count, char **words, struct command *command, int *out_exit) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"origin", required_argument, NULL, OPTION_ORIGIN},
        {"listen", required_argument, NULL, OPTION_LISTEN},
        {"cert", required_argument, NULL, OPTION_CERT},
        {"key", required_argument, NULL, OPTION_KEY},
        {"workers", required_argument, NULL, OPTION_WORKERS},
        {"origin-timeout", required_argument, NULL, OPTION_ORIGIN_TIMEOUT},
        {"client", required_argument, NULL, OPTION_CLIENT},
        {"admin", required_argument, NULL, OPTION_ADMIN},
        {"live", no_argument, NULL, OPTION_LIVE},
        {"timeout", required_argument, NULL, OPTION_TIMEOUT},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(count, words, "c:h", options, NULL)) != -1) {
        command->has_flags |= option >= OPTION_ORIGIN && option <= OPTION_ORIGIN_TIMEOUT;
        switch (option) {
        case 'c':
            command->file = optarg;
            break;
        case OPTION_LISTEN:
            add_listen(command, optarg);
            break;
        case OPTION_CLIENT:
            command->explain.client = optarg;
            break;
        case OPTION_ADMIN:
            command->admin = optarg;
            break;
        case OPTION_LIVE:
            command->health.is_live_enough = true;
            break;
        case OPTION_TIMEOUT:
            command->timeout = optarg;
            break;
        case OPTION_VERSION:
            puts("outrider " OUTRIDER_VERSION);
            return false;
        case 'h':
            print_help(stdout);
            return false;
        case '?': // getopt has said what is wrong
            *out_exit = usage_error(NULL, NULL);
            return false;
        default:
            *text_flag(command, option) = optarg;
            break;
        }
    }
    return true;
}

static const char **text_flag(struct command *command, int option) {
    switch (option) {
    case OPTION_ORIGIN:
        return &command->flags.origin;
    case OPTION_CERT:
        return &command->flags.certificate;
    case OPTION_KEY:
        return &command->flags.key;
    case OPTION_WORKERS:
        return &command->flags.workers;
    case OPTION_ORIGIN_TIMEOUT:
        return &command->flags.origin_timeout;
    default:
        unreachable();
    }
}

static void add_listen(struct command *command, const char *value) {
    command->listen[command->flags.listen_count++] = value;
    command->flags.listen = command->listen;
}

// What is no flag: the URL of explain.
static bool parse_arguments(int count, char **words, struct command *command, int *out_exit) {
    struct explain_options *options = &command->explain;
    bool is_explain = command->verb == VERB_EXPLAIN;
    if (is_explain && optind < count) {
        options->url = words[optind++];
    }
    if (optind < count) {
        *out_exit = usage_error("unexpected argument", words[optind]);
        return false;
    }
    if (is_explain && options->url == NULL) {
        *out_exit = usage_error("say which URL to explain", NULL);
        return false;
    }
    if (!is_explain && options->client != NULL) {
        *out_exit = usage_error("--client is for explain alone", NULL);
        return false;
    }
    bool is_for_health =
        command->admin != NULL || command->timeout != NULL || command->health.is_live_enough;
    if (command->verb != VERB_HEALTH && is_for_health) {
        *out_exit = usage_error("--admin, --live and --timeout are for health alone", NULL);
        return false;
    }
    options->client = options->client != NULL ? options->client : "browser";
    return true;
}

static int usage_error(const char *text, const char *word) {
    if (text != NULL) {
        fprintf(stderr, "outrider: %s%s%s\n", text, word != NULL ? ": " : "",
                word != NULL ? word : "");
    }
    fputs("Try 'outrider --help'.\n", stderr);
    return EXIT_USAGE;
}

static struct config *read_config(const struct command *command, struct config_errors *errors) {
    return command->file != NULL ? config_load(command->file, errors)
                                 : config_from_flags(&command->flags, errors);
}

static int check(struct config *take_config, struct config_errors *errors) {
    bool is_good = generation_check_certificates(take_config, errors);
    if (is_good) {
        config_print(take_config, stdout);
    }
    config_destroy(take_config);
    return is_good ? EXIT_CLEAN : report(errors);
}

static int explain(struct config *take_config, const struct explain_options *options) {
    int code = explain_run(take_config, options);
    config_destroy(take_config);
    return code == EXIT_USAGE ? usage_error(NULL, NULL) : code;
}

static int health(struct command *command) {
    enum { DEFAULT_MS = 1000, MOST_MS = 60000 };
    char reason[256];
    command->health.timeout_ms = DEFAULT_MS;
    if (command->timeout != NULL &&
        !config_parse_time(command->timeout, MOST_MS, &command->health.timeout_ms, reason,
                           sizeof(reason))) {
        fprintf(stderr, "outrider: --timeout: %s\n", reason);
        return usage_error(NULL, NULL);
    }
    if (command->admin == NULL) {
        config_load_admin(command->file, &command->health.place);
    } else if (!config_parse_endpoint(command->admin, &command->health.place, reason,
                                      sizeof(reason))) {
        fprintf(stderr, "outrider: --admin: %s\n", reason);
        return usage_error(NULL, NULL);
    }
    int code = health_ask(&command->health);
    config_endpoint_free(&command->health.place);
    return code;
}

static int report(struct config_errors *errors) {
    config_errors_print(errors, stderr);
    config_errors_finish(errors);
    return EXIT_CONFIG;
}

static void print_help(FILE *out) {
    fputs("outrider: a push accelerator in front of an HTTP/1.1 origin\n"
          "\n"
          "  outrider --origin URL [--listen ADDR:PORT]... [--cert FILE --key FILE]\n"
          "           [--workers N] [--origin-timeout 60s]\n"
          "  outrider -c FILE            run from a configuration file\n"
          "  outrider check -c FILE      print what is in force and where it comes from, or the "
          "errors\n"
          "  outrider explain -c FILE URL [--client browser|push|FILE]\n"
          "                              ask the origin for one page; print what would be\n"
          "                              pushed and hinted, and why the rest would not\n"
          "  outrider health [-c FILE] [--admin ADDR:PORT|unix:/PATH] [--live] [--timeout 1s]\n"
          "                              ask the running one whether it is ready (or alive)\n"
          "  outrider --version | --help\n"
          "\n"
          "  --origin URL            http://HOST:PORT or unix:/PATH\n"
          "  --listen ADDR:PORT      https://127.0.0.1:8443 (the default), http://127.0.0.1:8080;\n"
          "                          TLS when no scheme is given; may stand several times\n"
          "  --cert FILE --key FILE  PEM; without them a development certificate is made\n"
          "  --workers N             threads, one per core by default\n"
          "  --origin-timeout TIME   the origin's longest silence, 60s by default\n"
          "  --client CLIENT         explain: browser (a navigation, the default), push (a\n"
          "                          library that takes push) or a file of request header fields, "
          "one\n"
          "                          `Name: value` a line; with Sec-Fetch-Mode it takes no push\n"
          "  --admin PLACE           health: the admin listener; else as the file or\n"
          "                          OUTRIDER_ADMIN_LISTEN says, 127.0.0.1:9901 by default\n"
          "\n"
          "Without -c, --origin and OUTRIDER_ORIGIN the file is " DEFAULT_FILE ".\n"
          "Options of the file can be set by variables: OUTRIDER_PUSH_MAX_OPEN=8 is max_open of\n"
          "push. Without a file, OUTRIDER_ORIGIN, _LISTEN (more than one with commas), _CERT and\n"
          "_KEY stand for the flags. Flags win over variables, variables over the file.\n"
          "\n"
          "Signals: TERM, INT and QUIT drain and end, a second one ends at once; HUP reloads;\n"
          "USR1 opens the log file anew.\n"
          "Exit codes: 0 clean stop, 1 configuration or start-up error (explain: no route,\n"
          "or the origin failed; health: not ready), 2 usage.\n",
          out);
}
