// SPDX-License-Identifier: Apache-2.0
// Alone in its file: <linux/tcp.h>, which knows all of TCP_INFO, does not go together with
// <netinet/tcp.h>, which libuv includes.
#include "net/conn_path.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

bool conn_path_of_socket(int fd, struct conn_path *out_path) {
    struct tcp_info info;
    socklen_t size = sizeof(info);
    const socklen_t needed = offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof(uint64_t);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || size < needed) {
        return false;
    }
    uint64_t sent = info.tcpi_bytes_sent - info.tcpi_bytes_retrans; // each byte once
    uint64_t in_flight = sent > info.tcpi_bytes_acked ? sent - info.tcpi_bytes_acked : 0;
    *out_path = (struct conn_path){
        .under_way = in_flight + info.tcpi_notsent_bytes,
        .segment_bytes = info.tcpi_snd_mss,
        .rate = info.tcpi_delivery_rate,
        .round_trip_us = info.tcpi_rtt,
        .least_round_trip_us = info.tcpi_min_rtt,
    };
    return true;
}
