// SPDX-License-Identifier: Apache-2.0
// What the kernel knows of the way to a TCP peer (TCP_INFO, Linux 4.19). Plain data, any thread.
// See also: net/conn.h, conn_measure_path.
#ifndef OUTRIDER_NET_CONN_PATH_H
#define OUTRIDER_NET_CONN_PATH_H

#include <stdbool.h>
#include <stdint.h>

struct conn_path {
    uint64_t under_way; // bytes that the kernel was given and the peer has not acknowledged
    uint64_t rate;      // at which they arrived of late, bytes a second; 0: not known yet
    uint32_t segment_bytes;
    uint32_t round_trip_us;       // of late
    uint32_t least_round_trip_us; // the way without queues
};

// False when it is no TCP socket, or the kernel does not say.
bool conn_path_of_socket(int fd, struct conn_path *out_path);

#endif
