// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/ensure.h"

// Small bodies do not care; large ones gain by large reads (ARCHITECTURE 3.13).
enum { READ_BYTES = 64 * 1024 };

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buf);
static void on_uv_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf);
static int hidden_error(const struct wire *wire);
static struct slice write_now(struct wire *wire, struct slice bytes);
static void write_later(struct wire *wire);
static void on_uv_written(uv_write_t *write, int status);
static void on_uv_closed(uv_handle_t *handle);

void wire_open(struct wire *wire, struct loop *loop, int take_fd, bool is_unix,
               const struct wire_events *events) {
    *wire = (struct wire){.loop = loop, .events = events, .read_unit = READ_BYTES};
    if (is_unix) {
        ensure(uv_pipe_init(&loop->uv, &wire->uv.pipe, 0) == 0);
        ensure(uv_pipe_open(&wire->uv.pipe, take_fd) == 0);
    } else {
        ensure(uv_tcp_init(&loop->uv, &wire->uv.tcp) == 0);
        ensure(uv_tcp_open(&wire->uv.tcp, take_fd) == 0);
    }
    wire->uv.handle.data = wire;
    wire->write.data = wire;
}

int wire_fd(const struct wire *wire) {
    uv_os_fd_t fd = -1;
    uv_fileno(&wire->uv.handle, &fd);
    return fd;
}

void wire_set_reading(struct wire *wire, bool is_on) {
    if (is_on == wire->is_reading) {
        return;
    }
    wire->is_reading = is_on;
    if (is_on) {
        uv_read_start(&wire->uv.stream, on_alloc, on_uv_read);
    } else {
        uv_read_stop(&wire->uv.stream);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buf) {
    (void)suggested;
    struct wire *wire = handle->data;
    loop_wake(wire->loop);
    size_t room = wire->events->room(wire);
    *out_buf = uv_buf_init(wire->loop->read_scratch,
                           (unsigned)(room < wire->read_unit ? room : wire->read_unit));
}

static void on_uv_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf) {
    struct wire *wire = stream->data;
    if (count > 0) {
        bool is_filled = (size_t)count == buf->len && buf->len >= READ_BYTES;
        wire->drained_turn = (size_t)count < buf->len ? wire->loop->turn : 0;
        wire->read_unit = is_filled ? LOOP_SCRATCH_BYTES : READ_BYTES;
        wire->events->on_read(wire, slice_of(buf->base, (size_t)count));
    } else if (count < 0 && count != UV_ENOBUFS) {
        wire_set_reading(wire, false);
        wire->events->on_read_end(wire, count == UV_EOF ? hidden_error(wire) : (int)count);
    }
}

// When the last bytes and a reset come together libuv calls it an end (it goes by POLLHUP), and a
// response that was cut short would look complete. EPIPE is a reset after a true FIN.
static int hidden_error(const struct wire *wire) {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(wire_fd(wire), SOL_SOCKET, SO_ERROR, &error, &size);
    return error == EPIPE ? 0 : -error;
}

void wire_send_buffer(struct wire *wire, struct buffer *output) {
    if (wire->is_busy || wire->error != 0 || buffer_length(output) == 0) {
        return;
    }
    struct slice rest = write_now(wire, buffer_peek(output));
    buffer_consume(output, buffer_length(output) - rest.length);
    if (rest.length > 0 && wire->error == 0) {
        buffer_move(&wire->writing, output);
        write_later(wire);
    }
}

void wire_send(struct wire *wire, struct slice bytes) {
    if (!wire->is_busy && wire->error == 0) {
        bytes = write_now(wire, bytes);
    }
    if (bytes.length == 0 || wire->error != 0) {
        return;
    }
    buffer_append_slice(&wire->waiting, bytes);
    if (!wire->is_busy) {
        buffer_move(&wire->writing, &wire->waiting);
        write_later(wire);
    }
}

// Returns what the kernel did not take.
static struct slice write_now(struct wire *wire, struct slice bytes) {
    if (bytes.length == 0) {
        return bytes;
    }
    uv_buf_t buf = uv_buf_init((char *)bytes.data, (unsigned)bytes.length);
    int count = uv_try_write(&wire->uv.stream, &buf, 1);
    if (count < 0 && count != UV_EAGAIN) {
        wire->error = count;
    }
    wire->progress_ms = loop_now(wire->loop);
    return slice_skip(bytes, count > 0 ? (size_t)count : 0);
}

static void write_later(struct wire *wire) {
    struct slice bytes = buffer_peek(&wire->writing);
    uv_buf_t buf = uv_buf_init((char *)bytes.data, (unsigned)bytes.length);
    wire->progress_left = bytes.length;
    wire->has_waited = true;
    int status = uv_write(&wire->write, &wire->uv.stream, &buf, 1, on_uv_written);
    wire->is_busy = status == 0;
    wire->error = status;
}

static void on_uv_written(uv_write_t *write, int status) {
    struct wire *wire = write->data;
    loop_wake(wire->loop);
    wire->is_busy = false;
    buffer_finish(&wire->writing);
    if (status == UV_ECANCELED) {
        return; // closing
    }
    wire->progress_ms = loop_now(wire->loop);
    wire->error = status;
    if (status == 0 && buffer_length(&wire->waiting) > 0) {
        buffer_move(&wire->writing, &wire->waiting);
        write_later(wire);
    }
    if (!wire->is_busy) {
        wire->events->on_written(wire);
    }
}

size_t wire_unsent(const struct wire *wire) {
    return buffer_length(&wire->writing) + buffer_length(&wire->waiting);
}

uint64_t wire_last_progress_ms(struct wire *wire) {
    size_t left = wire->is_busy ? uv_stream_get_write_queue_size(&wire->uv.stream) : 0;
    if (wire->is_busy && left < wire->progress_left) {
        wire->progress_left = left;
        wire->progress_ms = loop_now(wire->loop);
    }
    return wire->progress_ms;
}

void wire_shutdown(struct wire *wire) {
    shutdown(wire_fd(wire), SHUT_WR);
}

void wire_reset(struct wire *wire) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(wire_fd(wire), SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void wire_close(struct wire *wire) {
    wire->is_reading = false;
    uv_close(&wire->uv.handle, on_uv_closed);
}

static void on_uv_closed(uv_handle_t *handle) {
    struct wire *wire = handle->data;
    loop_wake(wire->loop);
    buffer_finish(&wire->writing);
    buffer_finish(&wire->waiting);
    wire->events->on_closed(wire);
}
