#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that connect by TLS and HTTP/2, ask for one thing, and then only stay.

    idle.py PORT COUNT SOURCE-ADDRESS

Says how many of them are there, once all have come or were refused. At each word on stdin all ask once
more; it says how many got their answer. Ends with its stdin.
"""

import pathlib
import resource
import socket
import ssl
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from attacks import ACK, DATA, HEADERS, SETTINGS, END_HEADERS, END_STREAM, frame
from h2client import PREFACE

LIMIT_S = 30
# GET https://localhost/, of static fields and literals alone (RFC 7541)
REQUEST = b"\x82\x87\x84\x01\x09localhost"


class Idle:
    def __init__(self, context, port, address):
        sock = socket.create_connection(("127.0.0.1", port), LIMIT_S, (address, 0))
        self.sock = context.wrap_socket(sock)
        self.input = b""
        self.stream_id = 1
        self.sock.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(SETTINGS, ACK, 0))
        self.ask()

    def ask(self):
        """Whether there was a whole answer."""
        self.sock.sendall(frame(HEADERS, END_HEADERS | END_STREAM, self.stream_id, REQUEST))
        while True:
            kind, flags, stream_id, _ = self.read_frame()
            if stream_id == self.stream_id:
                if kind not in (DATA, HEADERS):
                    return False
                if flags & END_STREAM:
                    self.stream_id += 2
                    return True

    def read_frame(self):
        head = self.take(9)
        length = int.from_bytes(head[:3], "big")
        kind, flags, stream_id = struct.unpack("!BBI", head[3:])
        return kind, flags, stream_id, self.take(length)

    def take(self, count):
        while len(self.input) < count:
            data = self.sock.recv(4096)
            if not data:
                raise ConnectionError
            self.input += data
        taken, self.input = self.input[:count], self.input[count:]
        return taken


def is_answered(client):
    try:
        return client.ask()
    except OSError:
        return False


def main():
    port, count, address = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    clients = []
    for _ in range(count):
        try:
            clients.append(Idle(context, port, address))
        except OSError:
            pass  # refused
    print(len(clients), flush=True)
    for _ in sys.stdin:
        print(sum(map(is_answered, clients)), flush=True)


if __name__ == "__main__":
    main()
