// SPDX-License-Identifier: Apache-2.0
#include "worker/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

// Not waiting for a writer, should it be a pipe.
bool file_read(const char *path, uint64_t max_bytes, struct buffer *out_text) {
    enum { PIECE = 64 * 1024 };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    struct stat status;
    ssize_t count = fstat(fd, &status);
    if (count == 0 && !S_ISREG(status.st_mode)) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
        count = -1;
    }
    while (count >= 0) {
        count = read(fd, buffer_reserve(out_text, PIECE), PIECE);
        if (count <= 0) {
            break;
        }
        buffer_commit(out_text, (size_t)count);
        if (buffer_length(out_text) > max_bytes) {
            errno = EFBIG;
            count = -1;
        }
    }
    int error = errno;
    close(fd);
    errno = error;
    return count == 0;
}
