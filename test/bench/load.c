// SPDX-License-Identifier: Apache-2.0
//
// What h2load and wrk can't: pushes, hints, handshakes, fixed rates, many quiet connections.
//
//     bench_load WORK -P PORT [option...]
//
//     requests   -n requests for -p PATH, -f of them in flight, taking turns over -c connections
//     pages      -n pages /page/K over -c connections, each page with its pushes before the next
//     connects   -n connections with one request for -p PATH each, -c at once; -R resumes
//     rate       -r requests a second for -s seconds over -c connections, whatever comes back
//     hold       -c connections, then -m requests for -p PATH on each; -S reads nothing of them
//
// A "%" in PATH becomes a number below -k, in mixed order. -H "name: value" adds a field, -U takes
// pushes. Prints "ready" when the connections are open, waits for a line, works, and prints one
// line of results; "hold" goes on in steps, a line each.
#include "client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    OPENING_MAX = 64,       // handshakes at once while connections are opened
    PAGES_PER_CLIENT = 100, // a proxy may remember what a connection has: then it needs another
    NS_PER_US = 1000,
    LATE_S = 5, // what has no response so long after the end has none
    SLICE_NS = 100000000,
};

#define NS_PER_S INT64_C(1000000000)

struct work {
    const char *name;
    void (*run)(void);
};

static void run_requests(void);
static void run_pages(void);
static void run_connects(void);
static void run_rate(void);
static void run_hold(void);
static void parse_options(int argc, char **argv);
static void add_field(char *text);
static void open_all(void);
static void wait_line(void);
static const char *next_path(void);
static void next_page(struct client *client);
static void start_next(const struct client_events *events);
static void add_time(int64_t begun_ns);
static int64_t quantile(double part);
static void print_results(int64_t begun_ns);

static const struct work works[] = {
    {"requests", run_requests}, {"pages", run_pages}, {"connects", run_connects},
    {"rate", run_rate},         {"hold", run_hold},
};

static struct client_options options = {.host = "127.0.0.1"};
static unsigned client_count = 1;
static unsigned in_flight = 1;
static unsigned streams = 1;
static unsigned path_count = 1;
static uint64_t wanted = 1;
static double rate = 1;
static double seconds = 1;
static bool is_slow;
static const char *path = "/bytes/1024";

static struct client *clients;
static unsigned opened;
static unsigned opening;
static unsigned begun_clients;
static unsigned turn;
static uint64_t started;
static uint64_t done;
static uint64_t failed;
static uint64_t pushes;
static uint64_t hints;
static uint64_t reused;
static uint64_t lost; // connections
static int64_t *times;
static size_t time_count;
static size_t time_room;

int main(int argc, char **argv) {
    const struct work *work = NULL;
    for (size_t i = 0; argc > 1 && i < sizeof works / sizeof *works; i++) {
        if (strcmp(argv[1], works[i].name) == 0) {
            work = &works[i];
        }
    }
    if (work == NULL) {
        die("usage: bench_load requests|pages|connects|rate|hold -P PORT [option...]");
    }
    parse_options(argc - 1, argv + 1);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_TIMERSLACK, 1);
    signal(SIGPIPE, SIG_IGN);
    client_setup(&options);
    clients = calloc(client_count, sizeof *clients);
    if (clients == NULL) {
        die("calloc");
    }
    work->run();
    return 0;
}

static void parse_options(int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, "P:p:n:c:f:m:r:s:k:H:RSU")) != -1) {
        switch (option) {
        case 'P':
            options.port = atoi(optarg);
            break;
        case 'p':
            path = optarg;
            break;
        case 'n':
            wanted = strtoull(optarg, NULL, 10);
            break;
        case 'c':
            client_count = (unsigned)atoi(optarg);
            break;
        case 'f':
            in_flight = (unsigned)atoi(optarg);
            break;
        case 'm':
            streams = (unsigned)atoi(optarg);
            break;
        case 'r':
            rate = atof(optarg);
            break;
        case 's':
            seconds = atof(optarg);
            break;
        case 'k':
            path_count = (unsigned)atoi(optarg);
            break;
        case 'H':
            add_field(optarg);
            break;
        case 'R':
            options.resumes = true;
            break;
        case 'S':
            is_slow = true;
            break;
        case 'U':
            options.takes_push = true;
            break;
        default:
            exit(2);
        }
    }
    if (client_count == 0 || in_flight == 0 || path_count == 0 || rate <= 0 || wanted == 0) {
        die("counts and rates are to be positive");
    }
}

static void add_field(char *text) {
    char *colon = strchr(text, ':');
    size_t room = sizeof options.fields / sizeof *options.fields;
    if (colon == NULL || options.field_count == room) {
        die("no field, or too many: %s", text);
    }
    char *value = colon + 1 + strspn(colon + 1, " ");
    options.fields[options.field_count++] =
        (nghttp2_nv){(uint8_t *)text, (uint8_t *)value, (size_t)(colon - text), strlen(value),
                     NGHTTP2_NV_FLAG_NONE};
}

// ---- Opening ------------------------------------------------------------------------------------

static void start_next(const struct client_events *events) {
    while (begun_clients < client_count && opening < OPENING_MAX) {
        opening++;
        client_start(&clients[begun_clients++], events);
    }
}

static void warm_up(struct client *client) {
    client_request(client, "/bytes/1", now_ns());
}

static void on_lost(struct client *client, bool is_good) {
    (void)client;
    lost += !is_good;
    opening -= opening > 0 && opened < client_count;
    if (opened < client_count) {
        die("a connection ended while it was opened");
    }
}

static void on_warm(struct client *client, struct stream *stream, bool is_good) {
    (void)client;
    (void)stream;
    if (!is_good) {
        die("the first request of a connection failed");
    }
    opened++;
    opening--;
}

static void open_all(void) {
    static const struct client_events events = {warm_up, on_warm, on_lost};
    while (opened < client_count) {
        start_next(&events);
        client_turn(now_ns() + SLICE_NS);
    }
    wait_line();
}

static void wait_line(void) {
    printf("ready\n");
    fflush(stdout);
    char line[16];
    if (fgets(line, sizeof line, stdin) == NULL) {
        exit(0);
    }
}

// Prime steps go through all numbers, and far from one to the next.
static const char *next_path(void) {
    static char text[256];
    static uint64_t step;
    const char *mark = strchr(path, '%');
    if (mark == NULL) {
        return path;
    }
    snprintf(text, sizeof text, "%.*s%llu%s", (int)(mark - path), path,
             (unsigned long long)(step++ * 7919 % path_count + 1), mark + 1);
    return text;
}

// ---- Requests -----------------------------------------------------------------------------------

static void next_request(struct client *client) {
    if (started == wanted) {
        return;
    }
    started++;
    if (in_flight < client_count) { // each connection has its turn
        client = &clients[turn++ % client_count];
    }
    client_request(client, next_path(), now_ns());
}

static void on_request_end(struct client *client, struct stream *stream, bool is_good) {
    if (stream->is_pushed) {
        pushes++;
        return;
    }
    done++;
    failed += !is_good;
    hints += stream->hints;
    add_time(stream->begun_ns);
    next_request(client);
}

static void on_needed_end(struct client *client, bool is_good) {
    (void)client;
    (void)is_good;
    die("the proxy closed a connection");
}

static void listen_on_all(const struct client_events *events) {
    for (unsigned i = 0; i < client_count; i++) {
        clients[i].events = events;
    }
}

static void run_requests(void) {
    static const struct client_events events = {NULL, on_request_end, on_needed_end};
    open_all();
    listen_on_all(&events);
    int64_t begun_ns = now_ns();
    for (unsigned i = 0; i < in_flight; i++) {
        next_request(&clients[i % client_count]);
    }
    while (done < wanted) {
        client_turn(now_ns() + SLICE_NS);
    }
    print_results(begun_ns);
}

// ---- Pages --------------------------------------------------------------------------------------

static void next_page(struct client *client) {
    if (client->requests > PAGES_PER_CLIENT) {
        client_close(client);
    } else if (started < wanted) {
        char text[64];
        started++;
        snprintf(text, sizeof text, "/page/%llu", (unsigned long long)client->requests);
        client_request(client, text, now_ns());
    }
}

static void on_page_end(struct client *client, struct stream *stream, bool is_good) {
    failed += !is_good;
    pushes += stream->is_pushed;
    hints += stream->hints;
    if (client->open_streams > 0 || client->is_closing) {
        return;
    }
    if (client->requests > 1) { // the first only warms up
        done++;
        add_time(stream->begun_ns);
    }
    next_page(client);
}

static void on_page_client_end(struct client *client, bool is_good) {
    if (!is_good) {
        die("the proxy closed a connection");
    }
    if (started < wanted) {
        client_start(client, client->events);
    }
}

static void run_pages(void) {
    static const struct client_events events = {warm_up, on_page_end, on_page_client_end};
    open_all();
    listen_on_all(&events);
    int64_t begun_ns = now_ns();
    for (unsigned i = 0; i < client_count; i++) {
        next_page(&clients[i]);
    }
    while (done < wanted) {
        client_turn(now_ns() + SLICE_NS);
    }
    print_results(begun_ns);
}

// ---- Connects -----------------------------------------------------------------------------------

static void ask_once(struct client *client) {
    reused += client->is_reused;
    client->number = (uint64_t)now_ns();
    client_request(client, path, now_ns());
}

static void on_only_end(struct client *client, struct stream *stream, bool is_good) {
    failed += !is_good;
    add_time(stream->begun_ns);
    client_close(client);
}

static void on_connect_end(struct client *client, bool is_good) {
    done++;
    lost += !is_good;
    if (started < wanted) {
        started++;
        client_start(client, client->events);
    }
}

static void run_connects(void) {
    static const struct client_events events = {ask_once, on_only_end, on_connect_end};
    if (options.resumes) { // one connection to have something to resume
        wanted++;
        started = 1;
        client_start(&clients[0], &events);
        unsigned all = client_count;
        uint64_t rest = wanted;
        wanted = 1;
        while (done < 1) {
            client_turn(now_ns() + SLICE_NS);
        }
        wanted = rest - 1;
        client_count = all;
        started = done = reused = time_count = 0;
    }
    wait_line();
    int64_t begun_ns = now_ns();
    for (unsigned i = 0; i < client_count && started < wanted; i++) {
        started++;
        client_start(&clients[i], &events);
    }
    while (done < wanted) {
        client_turn(now_ns() + SLICE_NS);
    }
    print_results(begun_ns);
}

// ---- Rate ---------------------------------------------------------------------------------------

// An open loop: a request is due at its time, and its latency counts from there, also when we or
// the proxy are late.
static void on_rated_end(struct client *client, struct stream *stream, bool is_good) {
    (void)client;
    done++;
    failed += !is_good;
    add_time(stream->begun_ns);
}

static void run_rate(void) {
    static const struct client_events events = {NULL, on_rated_end, on_needed_end};
    open_all();
    listen_on_all(&events);
    wanted = (uint64_t)(rate * seconds);
    int64_t begun_ns = now_ns();
    int64_t end_ns = begun_ns + (int64_t)((seconds + LATE_S) * 1e9);
    while (done < wanted && now_ns() < end_ns) {
        int64_t due_ns = begun_ns + (int64_t)((double)started * 1e9 / rate);
        if (started < wanted && due_ns <= now_ns()) {
            started++;
            client_request(&clients[turn++ % client_count], next_path(), due_ns);
            continue;
        }
        client_turn(started < wanted ? due_ns : end_ns);
    }
    for (; done < wanted; done++) { // never answered
        failed++;
        add_time(begun_ns);
    }
    print_results(begun_ns);
}

// ---- Hold ---------------------------------------------------------------------------------------

static void on_held_end(struct client *client, struct stream *stream, bool is_good) {
    (void)client;
    (void)stream;
    failed += !is_good;
    done++;
}

static void on_quiet_end(struct client *client, bool is_good) {
    (void)client;
    (void)is_good;
    lost++;
}

static void rest_a_while(int64_t ns) {
    int64_t end_ns = now_ns() + ns;
    while (now_ns() < end_ns) {
        client_turn(end_ns);
    }
}

// Ready, quiet: the connections are there. Ready, busy: and their requests under way. Ready, over.
static void run_hold(void) {
    static const struct client_events events = {NULL, on_held_end, on_quiet_end};
    open_all();
    listen_on_all(&events);
    for (unsigned i = 0; i < client_count && clients[i].fd >= 0; i++) {
        for (unsigned k = 0; k < streams; k++) {
            client_request(&clients[i], next_path(), now_ns());
        }
    }
    client_turn(0);
    for (unsigned i = 0; is_slow && i < client_count; i++) {
        client_be_deaf(&clients[i]);
    }
    rest_a_while(NS_PER_S);
    wait_line();
    for (unsigned i = 0; i < client_count; i++) {
        client_drop(&clients[i]);
    }
    rest_a_while(SLICE_NS);
    print_results(now_ns());
    wait_line();
}

// ---- Results ------------------------------------------------------------------------------------

static void add_time(int64_t begun_ns) {
    if (time_count == time_room) {
        time_room = time_room == 0 ? 65536 : time_room * 2;
        times = realloc(times, time_room * sizeof *times);
        if (times == NULL) {
            die("realloc");
        }
    }
    times[time_count++] = now_ns() - begun_ns;
}

static int compare_times(const void *one, const void *other) {
    int64_t a = *(const int64_t *)one;
    int64_t b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

static int64_t quantile(double part) {
    return time_count == 0 ? 0 : times[(size_t)(part * (double)(time_count - 1))];
}

static void print_results(int64_t begun_ns) {
    int64_t ended_ns = now_ns();
    qsort(times, time_count, sizeof *times, compare_times);
    printf("done=%llu failed=%llu lost=%llu pushes=%llu hints=%llu reused=%llu seconds=%.6f "
           "p50=%lld p90=%lld p99=%lld p999=%lld\n",
           (unsigned long long)done, (unsigned long long)failed, (unsigned long long)lost,
           (unsigned long long)pushes, (unsigned long long)hints, (unsigned long long)reused,
           (double)(ended_ns - begun_ns) / 1e9, (long long)(quantile(0.5) / NS_PER_US),
           (long long)(quantile(0.9) / NS_PER_US), (long long)(quantile(0.99) / NS_PER_US),
           (long long)(quantile(0.999) / NS_PER_US));
    fflush(stdout);
}
