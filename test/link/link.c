// SPDX-License-Identifier: Apache-2.0
//
// An emulated link: two network namespaces, joined by a path with a delay, a rate and a drop-tail
// queue in each direction. What happens is done to whole IP packets between two TUN devices, so
// the kernels' TCP at both ends sees a real round trip, a real delivery rate and real losses.
//
//     link PROFILE      cable, slow, or RTT_MS:DOWN_KBIT:UP_KBIT:QUEUE_KB
//
// Prints one line when it is ready, with the namespaces as files that nsenter(1) takes:
//
//     ready client=/proc/12/fd/3 server=/proc/12/fd/5 client_address=... server_address=...
//
// Runs until SIGTERM, SIGINT or its parent's end, and prints on leaving what it carried. The
// namespaces have no name and nothing but the link: they vanish with the last process inside.
// Exit code 77 ("skip") where the kernel, or the lack of root, does not allow that.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_SKIP = 77,
    MTU = 1500,
    RING_PACKETS = 8192, // what fits into a second of 100 Mbit/s; more is dropped
    BATCH_PACKETS = 64,  // read in one go, so that the other direction is not kept waiting
    NS_PER_MS = 1000000,
};

#define NS_PER_S INT64_C(1000000000)
#define CLIENT_ADDRESS "10.77.0.1"
#define SERVER_ADDRESS "10.77.0.2"

struct profile {
    const char *name;
    double rtt_ms;
    double down_kbit;
    double up_kbit;
    double queue_kb; // 1024 bytes, each direction, the packet under way included
};

// A packet that has passed the queue: its place in time is known when it comes in.
struct packet {
    int64_t sent_ns;  // its last bit has left the queue
    int64_t there_ns; // and has arrived at the other end
    uint16_t size;
    unsigned char data[MTU];
};

// One direction. Packets stand in the ring from the moment they come in until they are delivered.
struct way {
    const char *name;
    int from_fd;
    int to_fd;
    double ns_per_byte;
    int64_t delay_ns;
    int64_t queue_limit; // bytes
    int64_t free_ns;     // when the sender's last bit is out
    struct packet *ring;
    uint64_t head;   // next to deliver
    uint64_t queued; // next whose last bit has not left yet
    uint64_t tail;   // next free place
    int64_t queue_bytes;
    int64_t queue_most;
    uint64_t packets;
    uint64_t bytes;
    uint64_t dropped;
    int64_t late_sum_ns;
    int64_t late_most_ns;
};

struct side {
    int namespace_fd;
    int tun_fd;
};

static const struct profile *choose_profile(const char *text);
static void watch_signals(sigset_t *while_waiting);
static struct side open_side(const char *own, const char *other);
static void enter_new_namespace(void);
static int open_tun(struct ifreq *request);
static void set_address(int sock, struct ifreq *request, unsigned long what, const char *address);
static void set_up(int sock, const char *interface);
static void write_setting(const char *path, const char *value);
static void open_way(struct way *way, const char *name, const struct profile *profile, double kbit);
static void get_steady(void);
static void carry(struct way *down, struct way *up, const sigset_t *while_waiting);
static void take_in(struct way *way);
static void enqueue(struct way *way, int64_t now, size_t size);
static void leave_queue(struct way *way, int64_t now);
static void deliver(struct way *way, int64_t now);
static int64_t next_event(const struct way *way, int64_t soonest);
static void print_way(const struct way *way);
static int64_t now_ns(void);
static void skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

// The known figures of page loads were taken with these.
static const struct profile profiles[] = {
    {"cable", 28, 5000, 1000, 64},
    {"slow", 100, 1600, 770, 64},
};

static volatile sig_atomic_t is_over;

int main(int argc, char **argv) {
    const struct profile *profile = argc == 2 ? choose_profile(argv[1]) : NULL;
    if (profile == NULL) {
        fprintf(stderr, "usage: link cable|slow|RTT_MS:DOWN_KBIT:UP_KBIT:QUEUE_KB\n");
        return 2;
    }
    sigset_t while_waiting;
    watch_signals(&while_waiting);
    struct side client = open_side(CLIENT_ADDRESS, SERVER_ADDRESS);
    struct side server = open_side(SERVER_ADDRESS, CLIENT_ADDRESS);
    struct way down = {.from_fd = server.tun_fd, .to_fd = client.tun_fd};
    struct way up = {.from_fd = client.tun_fd, .to_fd = server.tun_fd};
    open_way(&down, "down", profile, profile->down_kbit);
    open_way(&up, "up", profile, profile->up_kbit);
    get_steady();
    printf("ready client=/proc/%d/fd/%d server=/proc/%d/fd/%d client_address=%s "
           "server_address=%s\n",
           getpid(), client.namespace_fd, getpid(), server.namespace_fd, CLIENT_ADDRESS,
           SERVER_ADDRESS);
    fflush(stdout);
    carry(&down, &up, &while_waiting);
    print_way(&down);
    print_way(&up);
    free(down.ring);
    free(up.ring);
    return 0;
}

static const struct profile *choose_profile(const char *text) {
    static struct profile own = {.name = "own"};
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++) {
        if (strcmp(text, profiles[i].name) == 0) {
            return &profiles[i];
        }
    }
    char rest = 0;
    int count = sscanf(text, "%lf:%lf:%lf:%lf%c", &own.rtt_ms, &own.down_kbit, &own.up_kbit,
                       &own.queue_kb, &rest);
    bool is_good = count == 4 && own.rtt_ms >= 0 && own.down_kbit >= 1 && own.up_kbit >= 1 &&
                   own.queue_kb * 1024 >= MTU;
    return is_good ? &own : NULL;
}

static void on_signal(int number) {
    (void)number;
    is_over = 1;
}

// Signals come only while waiting, so none is missed.
static void watch_signals(sigset_t *while_waiting) {
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigprocmask(SIG_BLOCK, &mask, while_waiting);
    sigdelset(while_waiting, SIGTERM);
    sigdelset(while_waiting, SIGINT);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

// ---- The two namespaces -------------------------------------------------------------------------

// This process moves into the new namespace; the namespace before it lives on by its descriptor.
static struct side open_side(const char *own, const char *other) {
    enter_new_namespace();
    struct side side = {.namespace_fd = open("/proc/self/ns/net", O_RDONLY)};
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (side.namespace_fd < 0 || sock < 0) {
        skip("no namespace: %s", strerror(errno));
    }
    write_setting("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    write_setting("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    // Each connection is to start as if it were the first.
    write_setting("/proc/sys/net/ipv4/tcp_no_metrics_save", "1");
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    side.tun_fd = open_tun(&request);
    set_address(sock, &request, SIOCSIFADDR, own);
    set_address(sock, &request, SIOCSIFDSTADDR, other);
    set_address(sock, &request, SIOCSIFNETMASK, "255.255.255.255");
    set_up(sock, request.ifr_name);
    set_up(sock, "lo");
    close(sock);
    return side;
}

static void enter_new_namespace(void) {
    if (unshare(CLONE_NEWNET) != 0) {
        skip("a network namespace cannot be made: %s", strerror(errno));
    }
}

static int open_tun(struct ifreq *request) {
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        skip("/dev/net/tun: %s", strerror(errno));
    }
    strcpy(request->ifr_name, "link0");
    if (ioctl(fd, TUNSETIFF, request) != 0) {
        skip("a TUN device cannot be made: %s", strerror(errno));
    }
    return fd;
}

static void set_address(int sock, struct ifreq *request, unsigned long what, const char *address) {
    struct sockaddr_in in = {.sin_family = AF_INET};
    inet_pton(AF_INET, address, &in.sin_addr);
    memcpy(&request->ifr_addr, &in, sizeof in);
    if (ioctl(sock, what, request) != 0) {
        skip("address %s: %s", address, strerror(errno));
    }
}

static void set_up(int sock, const char *interface) {
    struct ifreq request = {.ifr_qlen = RING_PACKETS};
    strcpy(request.ifr_name, interface);
    // The queue is ours: the device's own one must never drop.
    ioctl(sock, SIOCSIFTXQLEN, &request);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(sock, SIOCSIFFLAGS, &request) != 0) {
        skip("%s: %s", interface, strerror(errno));
    }
}

// Without IPv6 or such a setting there is nothing to set.
static void write_setting(const char *path, const char *value) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, value, strlen(value)) < 0) {
            perror(path);
        }
        close(fd);
    }
}

// ---- The path between them ----------------------------------------------------------------------

static void open_way(struct way *way, const char *name, const struct profile *profile,
                     double kbit) {
    way->name = name;
    way->ns_per_byte = 8 * 1e6 / kbit;
    way->delay_ns = (int64_t)(profile->rtt_ms / 2 * NS_PER_MS);
    way->queue_limit = (int64_t)(profile->queue_kb * 1024);
    way->ring = calloc(RING_PACKETS, sizeof *way->ring);
    if (way->ring == NULL) {
        perror("link");
        exit(1);
    }
}

// A packet is to leave when its time has come, whatever else the machine does: first of all
// processes, and without the slack that the kernel gives its timers. Where that is not allowed, the
// figures on leaving tell how late packets were.
static void get_steady(void) {
    struct sched_param first = {.sched_priority = 1};
    sched_setscheduler(0, SCHED_FIFO, &first);
    prctl(PR_SET_TIMERSLACK, 1);
}

static void carry(struct way *down, struct way *up, const sigset_t *while_waiting) {
    struct pollfd sources[] = {
        {.fd = down->from_fd, .events = POLLIN},
        {.fd = up->from_fd, .events = POLLIN},
    };
    while (!is_over) {
        int64_t soonest = next_event(up, next_event(down, INT64_MAX));
        int64_t wait = soonest == INT64_MAX ? NS_PER_S : soonest - now_ns();
        wait = wait < 0 ? 0 : wait;
        struct timespec timeout = {.tv_sec = wait / NS_PER_S, .tv_nsec = wait % NS_PER_S};
        int count = ppoll(sources, 2, &timeout, while_waiting);
        if (count < 0 && errno != EINTR) {
            perror("link: poll");
            exit(1);
        }
        deliver(down, now_ns());
        deliver(up, now_ns());
        if (count > 0) {
            take_in(down);
            take_in(up);
        }
    }
}

static void take_in(struct way *way) {
    for (int i = 0; i < BATCH_PACKETS; i++) {
        struct packet *packet = &way->ring[way->tail % RING_PACKETS];
        ssize_t size = read(way->from_fd, packet->data, sizeof packet->data);
        if (size <= 0) {
            return;
        }
        enqueue(way, now_ns(), (size_t)size);
    }
}

// The packet is in the ring's free place already. All its future is settled here: it is dropped, or
// its bits go out after those before it, and arrive one delay later.
static void enqueue(struct way *way, int64_t now, size_t size) {
    leave_queue(way, now);
    bool is_full = way->queue_bytes + (int64_t)size > way->queue_limit;
    if (is_full || way->tail - way->head >= RING_PACKETS - 1) {
        way->dropped++;
        return;
    }
    struct packet *packet = &way->ring[way->tail % RING_PACKETS];
    int64_t start = way->free_ns > now ? way->free_ns : now;
    packet->size = (uint16_t)size;
    packet->sent_ns = start + (int64_t)((double)size * way->ns_per_byte);
    packet->there_ns = packet->sent_ns + way->delay_ns;
    way->free_ns = packet->sent_ns;
    way->tail++;
    way->queue_bytes += (int64_t)size;
    if (way->queue_bytes > way->queue_most) {
        way->queue_most = way->queue_bytes;
    }
}

static void leave_queue(struct way *way, int64_t now) {
    while (way->queued < way->tail && way->ring[way->queued % RING_PACKETS].sent_ns <= now) {
        way->queue_bytes -= way->ring[way->queued % RING_PACKETS].size;
        way->queued++;
    }
}

static void deliver(struct way *way, int64_t now) {
    leave_queue(way, now);
    while (way->head < way->tail) {
        struct packet *packet = &way->ring[way->head % RING_PACKETS];
        int64_t late = now - packet->there_ns;
        if (late < 0) {
            return;
        }
        if (write(way->to_fd, packet->data, packet->size) < 0) {
            way->dropped++;
        }
        way->head++;
        way->packets++;
        way->bytes += packet->size;
        way->late_sum_ns += late;
        way->late_most_ns = late > way->late_most_ns ? late : way->late_most_ns;
    }
}

static int64_t next_event(const struct way *way, int64_t soonest) {
    if (way->head == way->tail) {
        return soonest;
    }
    int64_t there = way->ring[way->head % RING_PACKETS].there_ns;
    return there < soonest ? there : soonest;
}

static void print_way(const struct way *way) {
    double count = way->packets > 0 ? (double)way->packets : 1;
    printf("%s packets=%llu bytes=%llu dropped=%llu queue_most=%lld late_mean_us=%.0f "
           "late_most_us=%.0f\n",
           way->name, (unsigned long long)way->packets, (unsigned long long)way->bytes,
           (unsigned long long)way->dropped, (long long)way->queue_most,
           (double)way->late_sum_ns / count / 1e3, (double)way->late_most_ns / 1e3);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void skip(const char *format, ...) {
    va_list values;
    va_start(values, format);
    fprintf(stderr, "link: skip: ");
    vfprintf(stderr, format, values);
    fprintf(stderr, "\n");
    va_end(values);
    exit(EXIT_SKIP);
}
