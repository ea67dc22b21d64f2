// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "conn_impl.h"

static void read_address(struct conn_address *out_address, const struct sockaddr_storage *from);

void conn_address_of_peer(struct conn_address *out_address, int fd, bool is_unix) {
    *out_address = (struct conn_address){0};
    struct sockaddr_storage storage = {0};
    socklen_t size = sizeof(storage);
    if (is_unix) {
        strcpy(out_address->text, "unix");
    } else if (getpeername(fd, (struct sockaddr *)&storage, &size) == 0) {
        read_address(out_address, &storage);
    }
}

uint16_t conn_address_local_port(int fd) {
    struct conn_address address = {0};
    struct sockaddr_storage storage = {0};
    socklen_t size = sizeof(storage);
    if (getsockname(fd, (struct sockaddr *)&storage, &size) == 0) {
        read_address(&address, &storage);
    }
    return address.port;
}

static void read_address(struct conn_address *out_address, const struct sockaddr_storage *from) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
        memcpy(out_address->bytes, mapped, sizeof(mapped));
        memcpy(out_address->bytes + 12, &v4->sin_addr, 4);
        out_address->port = ntohs(v4->sin_port);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
        memcpy(out_address->bytes, &v6->sin6_addr, 16);
        out_address->port = ntohs(v6->sin6_port);
    } else {
        return;
    }
    bool is_v4 = memcmp(out_address->bytes, mapped, sizeof(mapped)) == 0;
    inet_ntop(is_v4 ? AF_INET : AF_INET6, out_address->bytes + (is_v4 ? 12 : 0), out_address->text,
              sizeof(out_address->text));
}
