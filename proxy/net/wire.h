// SPDX-License-Identifier: Apache-2.0
// The socket under a conn: reads into the loop's scratch, writes at once what the kernel takes and
// keeps the rest until it takes more. Knows neither TLS nor the conn's user.
// Owner: the conn it is embedded in. Thread: the loop's. Events come from the loop only.
// See also: net/conn.h.
#ifndef OUTRIDER_NET_WIRE_H
#define OUTRIDER_NET_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buffer.h"
#include "base/slice.h"
#include "net/loop.h"

struct wire;

struct wire_events {
    size_t (*room)(struct wire *wire); // the next read's limit; 0: nothing is read now
    void (*on_read)(struct wire *wire, struct slice bytes);
    void (*on_read_end)(struct wire *wire, int error); // 0: the peer's FIN; else a negative errno
    void (*on_written)(struct wire *wire);             // no longer busy
    void (*on_closed)(struct wire *wire);              // the memory may go
};

struct wire {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_write_t write;
    struct loop *loop;
    const struct wire_events *events;
    struct buffer writing; // libuv's until on_written: must stay where it is
    struct buffer waiting; // comes after it
    size_t read_unit;
    size_t progress_left; // what was left of `writing` when progress was last seen
    uint64_t progress_ms;
    uint64_t drained_turn; // in which a read got all that had come
    int error;             // of writing: negative errno; nothing is written after it
    bool is_busy;          // `writing` is under way
    bool is_reading;
    bool has_waited; // the kernel did not take all at once; cleared by the owner
};

// Takes over a connected, non-blocking socket.
void wire_open(struct wire *wire, struct loop *loop, int take_fd, bool is_unix,
               const struct wire_events *events);
int wire_fd(const struct wire *wire);
// Costs a system call or two each: for long pauses only; for short ones `room` says 0.
void wire_set_reading(struct wire *wire, bool is_on);

// Without a copy: the kernel's share is consumed from `output`, the rest moves out of it and waits.
// Does nothing while busy or after an error.
void wire_send_buffer(struct wire *wire, struct buffer *output);
// What the kernel does not take is copied. Nothing happens after an error.
void wire_send(struct wire *wire, struct slice bytes);
size_t wire_unsent(const struct wire *wire);
uint64_t wire_last_progress_ms(struct wire *wire);

void wire_shutdown(struct wire *wire); // FIN
void wire_reset(struct wire *wire);    // the close that follows sends RST (TCP)
void wire_close(struct wire *wire);

#endif
