#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds that were made by hand: what each one is for stands beside it.

usage: make_seeds.py [seeds directory]

Files in the folders that are not written here were found by the fuzzers and kept because they reach
what no other does ("found-..."), or recorded from clients ("client-...": see test/fuzz/README.md).
"""

import pathlib
import struct
import sys

SEEDS = {}


def seed(target, name, data):
    if isinstance(data, str):
        data = data.encode()
    assert (target, name) not in SEEDS, (target, name)
    SEEDS[target, name] = bytes(data)


# --- HTTP/2 frames ----------------------------------------------------------------------------

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
PRIORITY_UPDATE = 0x10
END_STREAM, END_HEADERS, PADDED, ACK = 1, 4, 8, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def integer(number, bits, first=0):
    if number < (1 << bits) - 1:
        return bytes([first | number])
    out = [first | (1 << bits) - 1]
    number -= (1 << bits) - 1
    while number >= 128:
        out.append(number % 128 + 128)
        number //= 128
    return bytes(out + [number])


def field(name, value, first=0x00):
    """A literal; first=0x40 adds it to the table."""
    name, value = (text.encode("latin-1") for text in (name, value))
    return bytes([first]) + integer(len(name), 7) + name + integer(len(value), 7) + value


def indexed(number):
    return integer(number, 7, 0x80)


def request(path="/a/0?1.20", method="GET", fields=(), scheme="https", authority="a.example"):
    pseudo = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
    return b"".join(field(*pair) for pair in [*pseudo, *fields])


def headers(stream, block, end=True):
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block)


def settings(**values):
    names = {"table": 1, "push": 2, "streams": 3, "window": 4, "frame": 5, "list": 6}
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", names[k], v) for k, v in values.items()))


def window(stream, increment):
    return frame(WINDOW, 0, stream, struct.pack(">I", increment))


def reset(stream, code=8):
    return frame(RST, 0, stream, struct.pack(">I", code))


def h2(name, text, choices=(0, 0, 0, 0), answer=(0, 2, 0, 0)):
    """First byte of the choices: 1 narrow configuration, 2 cleartext, 4 no preface of ours, 16 a
    drain at the end. Then how it is cut, how much the client reads, how often origins answer; and
    the answer: status, framing, fields in two bytes."""
    seed("h2_session", name, bytes(choices) + bytes(answer) + text)


def make_h2():
    get = headers(1, request())
    h2("get", get)
    h2("get-bytewise", get, (0, 1, 0, 0))
    h2("get-narrow", get, (1, 0, 0, 0))
    h2("get-raw-preface", PREFACE + settings(push=0) + get, (4, 0, 0, 0))
    h2("get-cleartext", PREFACE + settings() + get, (6, 1, 0, 0))
    h2("post", headers(1, request(method="POST", fields=[("content-length", "5")]), False)
       + frame(DATA, END_STREAM, 1, b"hello"))
    h2("post-trailers", headers(1, request(method="POST"), False) + frame(DATA, 0, 1, b"hello")
       + headers(1, field("x-sum", "1")))
    h2("post-padded", headers(1, request(method="POST"), False)
       + frame(DATA, PADDED | END_STREAM, 1, b"\x03hello\0\0\0"))
    h2("continuation", frame(HEADERS, END_STREAM, 1, request()[:9])
       + frame(CONTINUATION, END_HEADERS, 1, request()[9:]))
    h2("pushes", headers(1, request("/d/0?1.300")), answer=(0, 1, 0x80, 0x10))
    h2("pushes-reset", headers(1, request("/d/0?1.300")) + reset(2) + reset(4, 7) + reset(6))
    h2("pushes-interim", headers(1, request("/a/0?1.300", fields=[("priority", "u=1")])),
       (0, 0, 0, 12), (3, 0, 3, 7))
    h2("events", headers(1, request("/e/0?1.3000")), (0, 0, 0, 8))
    h2("hints", headers(1, request("/d/0?1.20", fields=[("sec-fetch-mode", "navigate"),
                                                         ("sec-fetch-dest", "document")])),
       (0, 0, 0, 4), (0, 1, 0, 7))
    h2("priorities", frame(PRIORITY_UPDATE, 0, 0, struct.pack(">I", 1) + b"u=7, i") + get
       + frame(PRIORITY_UPDATE, 0, 0, struct.pack(">I", 1) + b"u=0"))
    update = [frame(PRIORITY_UPDATE, 0, 0, struct.pack(">I", i) + b"u=1") for i in (1, 3, 5)]
    h2("prioritised-beforehand", update[0] + get + update[1] + headers(3, request()) + update[2]
       + headers(5, request()), (0, 7, 0, 0))  # wrote to freed memory in nghttp2 before 1.61
    h2("client-drains", get + frame(GOAWAY, 0, 0, struct.pack(">II", 2, 0)) + headers(3, request()))
    h2("server-drains", get, (16, 0, 0, 0))
    h2("large-slow-reader", headers(1, request("/a/0?1.200000")), (0, 0, 0x15, 0))
    h2("tiny-windows", settings(window=1) + headers(1, request("/a/0?1.3000")) + window(1, 1) * 5,
       (0, 1, 0x60, 0))
    # Classes of faults that other servers had, small enough to be looked at.
    h2("cve-2023-44487-rapid-reset",
       b"".join(headers(i, request()) + reset(i) for i in range(1, 60, 2)))
    h2("cve-2025-8671-window-zero", headers(1, request("/a/0?1.3000")) + window(1, 0))
    h2("cve-2025-8671-window-overflow",
       headers(1, request("/a/0?1.3000")) + window(1, 0x7FFFFFFF) * 2)
    h2("cve-2025-8671-priority-of-itself",
       headers(1, request(), False) + frame(PRIORITY, 0, 1, struct.pack(">IB", 1, 0)))
    h2("cve-2025-8671-priority-length", headers(1, request(), False) + frame(PRIORITY, 0, 1, b"123"))
    h2("cve-2025-8671-after-end", get + frame(DATA, 0, 1, b"more") + headers(1, request()))
    h2("cve-2024-27316-continuation-flood",
       frame(HEADERS, 0, 1, request()) + frame(CONTINUATION, 0, 1, field("a", "b")) * 20)
    h2("cve-2024-28182-continuation-empty",
       frame(HEADERS, 0, 1, request()) + frame(CONTINUATION, 0, 1) * 20
       + frame(CONTINUATION, END_HEADERS, 1))
    h2("cve-2026-bomb-indexed",
       headers(1, request() + field("a", "", 0x40) + indexed(62) * 600))
    h2("cve-2026-47774-cookie-crumbs",
       headers(1, request() + field("cookie", "", 0x40) + indexed(62) * 400))
    h2("cve-2026-73550-many-hosts",
       headers(1, request() + field("host", "a.example", 0x40) + indexed(62) * 200))
    h2("cve-2016-6581-table-bomb",
       headers(1, request() + field("x", "y" * 1000, 0x40) + indexed(62) * 100), (1, 0, 0, 0))
    h2("cve-2019-9511-data-dribble",
       settings(window=1) + b"".join(headers(i, request("/a/0?1.3000")) for i in (1, 3, 5, 7))
       + b"".join(window(i, 1) for i in (1, 3, 5, 7)) * 4)
    h2("cve-2019-9512-ping-flood", get + frame(PING, 0, 0, b"12345678") * 40, (0, 0, 2, 0))
    h2("cve-2019-9515-settings-flood", get + settings() * 40, (0, 0, 2, 0))
    h2("cve-2019-9513-priority-churn",
       get + b"".join(frame(PRIORITY, 0, i, struct.pack(">IB", 0, 9)) for i in range(3, 60, 2)))
    h2("cve-2019-9514-provoked-resets",
       b"".join(headers(i, request(path="")) for i in range(1, 40, 2)))
    h2("cve-2019-9516-empty-names", headers(1, request() + field("", "") * 20))
    h2("cve-2019-9517-window-without-reading",
       window(0, 1 << 20) + headers(1, request("/a/0?1.200000")) + window(1, 1 << 20), (0, 0, 2, 0))
    h2("cve-2019-9518-empty-frames",
       headers(1, request(method="POST"), False) + frame(DATA, 0, 1) * 60)
    h2("cve-2026-123007-window-games",
       headers(1, request("/a/0?1.70000")) + settings(window=0) + window(1, 70000)
       + settings(window=0x7FFFFFFF) + settings(window=0))
    h2("cve-2026-110353-cut-ping", get + frame(PING, 0, 0, b"12345678")[:12])
    h2("cve-2026-23918-headers-then-reset", headers(1, request(method="POST"), False) + reset(1)
       + headers(3, request(method="POST"), False) + reset(3) + frame(DATA, END_STREAM, 3, b"x"))
    h2("cve-2026-26311-trailers-after-reset", headers(1, request(method="POST"), False) + reset(1)
       + headers(1, field("x-sum", "1")))
    h2("cve-2026-90678-cut-content",
       headers(1, request(method="POST", fields=[("content-length", "10")]), False)
       + frame(DATA, 0, 1, b"hello")[:-2])
    h2("cve-2026-33555-short-content",
       headers(1, request(method="POST", fields=[("content-length", "10")]), False)
       + frame(DATA, END_STREAM, 1, b"hello"))
    h2("smuggle-long-content",
       headers(1, request(method="POST", fields=[("content-length", "3")]), False)
       + frame(DATA, END_STREAM, 1, b"abcGET / HTTP/1.1\r\n\r\n"))
    smuggled = {
        "transfer-encoding": [("transfer-encoding", "chunked")],
        "crlf-in-value": [("x", "a\r\nx-b: c")],
        "nul-in-value": [("x", "a\0b")],
        "colon-in-name": [("x: y", "z")],
        "upper-case": [("X-A", "b")],
        "blank-before-colon": [("content-length ", "3")],
        "two-lengths": [("content-length", "0"), ("content-length", "1")],
        "signed-length": [("content-length", "+1")],
        "host-differs": [("host", "b.example")],
        "connection": [("connection", "content-length")],
        "upgrade": [("upgrade", "h2c"), ("http2-settings", "AAMAAABk")],
        "te": [("te", "gzip, trailers")],
        "underscore": [("content_length", "3"), ("x_forwarded_for", "::1")],
        "pseudo-late": [("x", "y"), (":path", "/admin")],
        "expect": [("expect", "100-continue"), ("content-length", "0")],
    }
    for name, fields in smuggled.items():
        h2("smuggle-" + name, headers(1, request(fields=fields)) + headers(3, request()))
    for name, path in {"hash": "/a#b", "blank": "/a b", "backslash": "/a\\b", "none": "",
                       "absolute": "http://x/", "dots": "/../%2e%2e/x", "high": "/\xe4"}.items():
        h2("path-" + name, headers(1, request(path)))
    h2("connect", headers(1, field(":method", "CONNECT") + field(":authority", "x:80"), False)
       + frame(DATA, 0, 1, b"GET / HTTP/1.1\r\n\r\n"))
    h2("userinfo", headers(1, request(authority="a@b.example")))
    h2("unknown-frames", frame(0x20, 0xFF, 0, b"x" * 20) + get + frame(0x0A, 0, 1, b"\0\0"))
    h2("promise-by-client", frame(PUSH, END_HEADERS, 1, struct.pack(">I", 2) + request()))
    h2("h2c-preface-of-http1", b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n", (6, 0, 0, 0))


# --- origins ----------------------------------------------------------------------------------


def origin(name, text, choices=0, cut=4, ending=0):
    """Choices: 1 HTTP/1 client; 2, 4 what it asks (GET, GET, HEAD, POST); 8 a navigation; 64 it
    reads slowly; 128 the narrow configuration. Ending: 0 end, 1 reset, 2 silence, 3 nothing."""
    seed("origin_response", name, bytes([choices, cut, ending]) + text.encode("latin-1"))


def make_origin():
    ok = "HTTP/1.1 200 OK\r\n"
    chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
    for client, choices in (("h2", 0), ("h1", 1)):
        origin(f"{client}-length", ok + "Content-Length: 5\r\n\r\nhello", choices, ending=3)
        origin(f"{client}-chunked", chunked + "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", choices, 1, 3)
        origin(f"{client}-until-close", ok + "\r\nhello", choices)
        origin(f"{client}-short", ok + "Content-Length: 9\r\n\r\nhello", choices)
        origin(f"{client}-cut-chunk", chunked + "5\r\nhel", choices)
        origin(f"{client}-cut-head", ok + "Content-Le", choices)
        origin(f"{client}-reset", ok + "Content-Length: 9\r\n\r\nhello", choices, 2, 1)
        origin(f"{client}-silent", ok + "Content-Length: 9\r\n\r\nhello", choices, 2, 2)
        origin(f"{client}-interims", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n"
               "Link: </s/0?290.50>; rel=preload; as=style\r\n\r\n" * 2 + ok
               + "Content-Length: 2\r\n\r\nhi", choices | 8, 3, 3)
        origin(f"{client}-no-content", "HTTP/1.1 204 No Content\r\n\r\n", choices, ending=3)
        origin(f"{client}-post", ok + "Content-Length: 2\r\n\r\nhi", choices | 6, ending=3)
        origin(f"{client}-head", ok + "Content-Length: 2000\r\n\r\n", choices | 4, ending=3)
        origin(f"{client}-nothing", "", choices)
    hint = "Link: </s/0?290.50>; rel=preload; as=style\r\n"
    origin("promise-and-the-next", ok + hint + "Content-Length: 2\r\n\r\nhi", ending=3)
    # The target itself took the promised stream, refused, for that of the next request.
    origin("fault-of-the-target-next", "HTTP/1.1 103\r\nLink:</>;rel=preload\r\n\r\n", ending=2)
    origin("poison-second-response",
           (ok + "Content-Length: 2\r\n\r\nhi") * 2, ending=3)
    origin("poison-surplus", ok + "Content-Length: 2\r\n\r\nhiHTTP", cut=1, ending=3)
    origin("poison-head-with-content", ok + "Content-Length: 2\r\n\r\nhi", 4, ending=3)
    origin("poison-304-with-content", "HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\nhi", ending=3)
    origin("upgrade-unasked", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nPRI *")
    bad = {
        "both-framings": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "two-lengths": "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "equal-lengths": "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "list-of-lengths": "Content-Length: 5, 5\r\n\r\nhello",
        "signed-length": "Content-Length: +5\r\n\r\nhello",
        "chunked-not-last": "Transfer-Encoding: chunked, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "chunked-twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "chunk-sign": "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
        "chunk-overflow": "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello",
        "chunk-bare-lf": "Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
        "chunk-extension": "Transfer-Encoding: chunked\r\n\r\n5;" + "a" * 400 + "\r\nhello\r\n0\r\n\r\n",
        "folded": "X: a\r\n b\r\n\r\nhello",
        "blank-before-colon": "Content-Length : 5\r\n\r\nhello",
        "bare-cr": "X: a\rb\r\n\r\nhello",
        "nul": "X: a\0b\r\n\r\nhello",
        "no-colon": "X\r\n\r\nhello",
        "empty-name": ": x\r\n\r\nhello",
        "cr-only": "X: a\r\r\n\r\nhello",
        "connection-names": "Connection: x-secret, content-length\r\nX-Secret: 1\r\n"
                            "Content-Length: 5\r\n\r\nhello",
        "trailer-length": "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
        "many-fields": "X: y\r\n" * 300 + "\r\n",
        "keep-alive": "Keep-Alive: timeout=99999999999999\r\nContent-Length: 0\r\n\r\n",
        "set-cookie": "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nVary: *\r\nContent-Length: 0\r\n\r\n",
    }
    for name, rest in bad.items():
        origin("field-" + name, ok + rest, cut=7, ending=3)
    origin("line-reason-split", "HTTP/1.1 200 OK\rX: y\r\nContent-Length: 0\r\n\r\n")
    origin("line-old-chunked", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    origin("line-old-interim", "HTTP/1.0 103 Early Hints\r\n\r\n" + ok + "\r\n")
    origin("line-http2", "HTTP/2 200\r\n\r\n")
    origin("line-status", "HTTP/1.1 999 What\r\n\r\n")
    origin("line-blank", "\r\n" + ok + "\r\n")
    origin("interim-flood", "HTTP/1.1 102 Processing\r\n\r\n" * 9 + ok + "\r\n", 128)
    origin("slow-reader", ok + "Content-Length: 9000\r\n\r\n" + "x" * 9000, 64, 200, 3)


# --- schedules --------------------------------------------------------------------------------


class Schedule:
    """A list of steps, as fuzz_interleaved.c reads them."""

    def __init__(self, config=0):
        self.bytes = bytearray([config])

    def add(self, *numbers):
        self.bytes += bytes(numbers)
        return self

    def client(self, kind=0, greeting=0):  # 0 HTTP/2, 1 HTTP/1, over TLS; 2, 3 in cleartext
        self.add(0, 0, kind)
        return self.add(greeting) if kind % 2 == 0 else self

    # method: 0 GET, 5 HEAD, 6 POST, 8 PUT; kind: index in "adebivsa"; length: index of 0, 1, 20,
    # 200, 3000, 17000, 70000, 200000; content: index of none, 0, 1, 10, 300, 5000, 40000
    def request(self, who=0, method=0, kind=0, page=0, length=3, content=0, bits=0, how=0):
        return self.add(1, who, method, kind | page << 3, length | content << 3, bits >> 8,
                        bits & 255, how)

    def content(self, back=0, length=100, how=0, who=0):
        return self.add(4, who, back, length >> 8, length & 255, how)

    def content1(self, length=100, who=0):  # of an HTTP/1 client
        return self.add(4, who, 0, length >> 8, length & 255)

    def control(self, what, back=0, how=0, who=0):
        return self.add(5, who, what, back, how)

    def reset(self, back=0, who=0):
        return self.control(0, back, 8, who)

    def raw(self, text, who=0):
        return self.add(7, who, len(text), *text)

    def reads(self, how, who=0):  # index of 0, 1, 100, 5000, 40000 bytes a turn; 5 all
        return self.add(8, who, how)

    def leave(self, is_reset=0, who=0):
        return self.add(9, who, is_reset)

    def connect(self):
        return self.add(16, 0)

    def refuse(self, fault=0):
        return self.add(17, 0, fault)

    # framing: 0 until close, 1 chunks, 2 length; fields: a bit for each of some_fields
    def head(self, which=0, status=0, framing=2, fields=0):
        return self.add(18, which, status, framing, fields >> 8, fields & 255)

    def body(self, which=0, most=0xFFFF):
        return self.add(20, which, most >> 8, most & 255)

    def interim(self, which=0, status=0, fields=1):
        return self.add(22, which, status, fields)

    def answer(self, which=0):
        return self.add(23, which)

    def says(self, text, which=0):
        return self.add(24, which, len(text), *text)

    def takes(self, how, which=0):
        return self.add(25, which, how)

    def hangs_up(self, is_reset=0, which=0):
        return self.add(26, which, is_reset)

    def wait(self, index):  # of 1, 4, 60, 300, 1000, 3000, 11000, 61000 ms
        return self.add(32, index)

    def settle(self):
        return self.add(33)

    def reload(self, config):
        return self.add(34, config)

    def drain(self):
        return self.add(35)

    def memory(self, level):
        return self.add(36, level)

    def turn(self, times=1):
        return self.add(*[38] * times)

    def save(self, name):
        seed("interleaved", name, self.bytes)


def make_schedules():
    for kind, name in ((0, "h2"), (1, "h1"), (2, "h2c"), (3, "h1c")):
        s = Schedule().client(kind).turn().request().turn().connect().turn().answer().turn(2)
        s.request().turn().answer().turn().save(f"{name}-reuse")
    s = Schedule().client().turn().request(kind=1, length=4).turn().connect().connect().connect()
    s.turn().head(2, 0, 1, 0x100).body(2).turn().answer(0).answer(1).turn(3).save("pushes")
    s = Schedule().client().turn().request(kind=1, length=4).turn().connect().connect().turn()
    s.control(0, 0, 8).turn().control(0, 1, 7).answer().turn().settle().save("pushes-refused")
    s = Schedule().client().turn().request(kind=1, length=6).turn().settle()
    s.request(kind=1, length=1).settle().control(0, 0, 8).turn().save("pushes-late-refusal")
    s = Schedule().client().turn().request(length=4).turn().connect().turn().interim(0, 0, 3).turn()
    s.head(0, 0, 1, 3).turn().connect().connect().connect().turn().settle().save("pushes-of-links")
    s = Schedule().client().turn().request(kind=2, length=4).turn().connect().turn().head(0, 0, 1)
    s.body(0, 60).turn().connect().body(0, 200).turn().settle().save("events")
    s = Schedule().client(0, 2).turn().request(kind=1, bits=0x8000).turn().connect().turn()
    s.interim(0, 0, 1).turn().interim(0, 0, 2).head(0, 0, 2, 0x101).body().turn().save("hints")
    s = Schedule()
    for who in range(3):
        s.client(0, 0).turn().request(who, kind=0, page=1, bits=0x8000).turn().connect().turn()
        s.head(0, 0, 2, 0x101).body().turn().settle()
    s.save("learning")
    s = Schedule()
    for who in range(2):
        s.client(0, 2).turn()
        for visit in range(3):
            s.request(who, method=12, kind=3).settle().request(who, method=48, kind=3, length=1)
            s.settle().request(who, method=48, kind=3, length=4).settle()
    s.request(0, method=12, kind=3).settle().save("behaviour")
    s.client(4, 0).turn().request(2, method=12, kind=3).settle().wait(6)
    s.request(2, method=12, kind=3).settle().save("behaviour-pushed")
    s = Schedule().client().turn().request(kind=5, bits=2).turn().connect().turn()
    s.head(0, 0, 2, 0x161).body().turn().settle().request(kind=5, bits=0x200).settle()
    s.wait(7).client(0, 0).turn().request(1, kind=5, bits=2).turn().connect().turn()
    s.head(0, 0, 1, 0x121).body().turn().settle().request(1, kind=5, bits=2).settle()
    s.save("visitors")
    s = Schedule().client().turn().reads(32 | 5).request(length=6, bits=0x20).request(length=6)
    s.turn().connect().connect().turn().head(0).body(0).turn().wait(0).turn().wait(1).turn()
    s.head(0).body(0).turn(3).wait(1).turn(3).settle().save("far-away")
    s = Schedule(1).client(4).turn().request(kind=3, bits=0x80).turn().connect().turn()
    s.head(0, 0, 2, 0x101).body().turn().settle().save("trusted-proxy")
    s = Schedule().client().turn().request(method=6, content=5).turn().connect().takes(0).turn()
    s.content(0, 3000).turn().content(0, 2000, 1).turn().takes(2).turn(3).takes(5).turn().answer()
    s.turn().request().turn().answer().turn().save("post-slow-origin")
    s = Schedule().client().turn().request(method=6, content=0).turn().connect().turn()
    s.content(0, 300).turn().head(0, 0, 2).body().turn().content(0, 50, 1).turn().request().turn()
    s.settle().save("post-early-answer")
    s = Schedule().client().turn().request(method=6, content=0).turn().connect().turn()
    s.content(0, 10, 2).turn().answer().turn().save("post-trailers")
    s = Schedule().client(1).turn().request(method=6, content=0, how=40).turn().connect().turn()
    s.content1(100).turn().content1(0xFFFF).turn().answer().turn().save("h1-chunks")
    s = Schedule().client(1).turn()
    for length in (3, 6, 0, 2):
        s.request(length=length)
    s.turn().settle().save("h1-pipeline")
    s = Schedule().client(1).reads(2).turn().request(length=7).turn().connect().turn().head().body()
    s.turn(5).request(length=7).turn(3).reads(5).turn(2).settle().save("h1-slow-reader")
    s = Schedule().client().turn().reads(0).request(length=7).turn().connect().turn().head().body()
    s.body().turn(3).wait(7).turn().save("h2-no-reader")
    s = Schedule().client().turn().reads(3).request(length=7).request(length=6).turn().connect()
    s.connect().turn().head(0).head(1, 0, 1).body(0).body(1).body(0).body(1).turn(9).reads(5)
    s.turn(3).settle().save("h2-slow-reader")
    s = Schedule().client(0, 4).turn().request(length=4).turn().connect().turn().answer().turn()
    s.control(2, 0, 1).turn().control(2, 0, 2).turn().control(2, 0, 0x84).turn().save("windows")
    s = Schedule().client().turn().request().turn().connect().turn().answer().turn().request()
    s.hangs_up(1).turn().connect().turn().answer().turn().save("retry")
    s = Schedule().client().turn().request().turn().connect().turn().answer().turn()
    s.request(method=6, page=4).turn().hangs_up(1).turn().connect().turn().answer().turn()
    s.save("no-retry-of-post")
    for end in (0, 1):
        s = Schedule().client().turn().request().turn().connect().turn().answer().turn()
        s.request(method=8).turn().content(0, 100, end).turn().hangs_up(end).turn().connect().turn()
        s.content(0, 100, 1).turn().answer().turn().settle().save(f"no-retry-of-content-{end}")
    s = Schedule().client().turn().request().turn().connect().turn().answer().turn()
    s.says(b"HTTP/1.1 200 OK\r\n\r\n").request().turn().connect().turn().answer().save("surplus")
    s = Schedule().client().turn().request().turn().connect().turn().answer().turn().takes(16 | 5)
    s.says(b"HTTP/1.1 200 OK\r\n\r\n").request().turn().connect().answer().save("surplus-in-kernel")
    s = Schedule().client().turn().request().turn().connect().turn().takes(16 | 5).head().body()
    s.says(b"HTTP/1.1 200 OK\r\n\r\n").turn().request().turn().connect().turn().answer()
    s.save("surplus-with-the-end")
    for framing, name in ((0, "close"), (1, "chunked"), (2, "length")):
        for end in (0, 1):
            s = Schedule().client().client(1).turn().request(0, length=4).request(1, length=4)
            s.turn().connect().connect().turn().head(0, 0, framing).head(1, 0, framing)
            s.body(0, 700).body(1, 700).turn().hangs_up(end).turn().hangs_up(end).turn()
            s.save(f"cut-{name}-{end}")
    s = Schedule().client().turn().request(length=5).request().turn().connect().turn().head()
    s.body(0, 100).reload(1).request().turn().settle().reload(0).request().settle().save("reload")
    s = Schedule().client().client(1).turn().request(0).request(1).turn().connect().turn().drain()
    s.turn().answer().turn().control(6, 0, 1).turn().settle().wait(4).turn(2).save("drain")
    s = Schedule().client().turn().control(7).request().control(7).turn().drain()
    s.turn().request().turn(2).settle().save("drain-prioritised-beforehand")
    s = Schedule(1).client().turn()
    for number in range(5):
        s.request(length=number % 3)
    s.turn().connect().turn().head().body().turn().wait(5).answer().turn().wait(6).save("line")
    s = Schedule().client().turn()
    for number in range(12):
        s.request(kind=number % 8).reset().turn()
    s.settle().save("resets")
    s = Schedule().client().turn().memory(1).request(kind=1).turn().memory(2).request().client(1)
    s.turn().request(1).turn().memory(0).request().settle().save("memory")
    s = Schedule().client().client(1).turn().request(0).request(1).turn().connect().turn()
    s.add(37, 200).turn().settle().add(37, 255).turn().save("oldest-ends")
    s = Schedule().client().turn().request().turn().refuse(0).turn().request().turn().refuse(1)
    s.turn().request().turn().wait(5).turn().save("unreachable")
    s = Schedule().client().turn().request(kind=1).turn().control(8, 0, 3).turn().settle()
    s.save("client-goaway")
    s = Schedule().client().turn().request(method=6, content=4).turn().leave().turn().save("left")
    s = Schedule().client().turn().request(kind=4, length=4).turn().connect().turn().head(0, 0, 1)
    s.body(0, 10).wait(7).turn().wait(7).turn().save("silent-origin")
    for which in range(7, 21):  # what is seldom said: vary() of fuzz_client.c
        method = 12 * which + (6 if which in (12, 14) else 0)
        s = Schedule(which % 3).client()
        for choice in (0, 1, 10, 11, 12, 13, 22, 31):
            s.request(0, method=method, length=choice & 7, content=choice >> 3).turn()
        s.settle().save(f"rare-h2-{which}")
        s = Schedule(which % 2 * 2)
        for who, choice in enumerate((8, 9, 18, 23, 140)):
            s.client(13 + 2 * (who % 2)).turn()
            s.request(who, method=method, length=choice & 7, content=choice >> 3).turn()
        s.settle().save(f"rare-h1-{which}")
    for what in range(8):
        s = Schedule().client().client(0).turn().request(0).connect().turn()
        s.control(250, 0, what, 1).turn().request(0).settle().save(f"flood-{what}")
    s = Schedule().client().turn().request().turn().control(250, 0, 0xF3).turn().settle()
    s.save("flood-frames")
    s = Schedule(2)
    for extra in range(16):
        s.client(0, 0) if extra % 4 == 0 else None
        s.request(extra // 4, method=12 + 36 * (extra % 2), kind=5, length=extra % 8).turn()
        s.connect().turn().head(0, 0, extra << 4 | 2, 0x20).body().turn()
    s.wait(6).request(3, method=12, kind=5).settle().save("rare-fields")
    s = Schedule().client().raw(PREFACE[:10]).turn().save("raw")
    s = Schedule().client().turn().request(method=8, content=0).raw(
        frame(DATA, 0, 1, b"x" * 20) + frame(CONTINUATION, 4, 1)).turn().settle().save("raw-frames")


# --- connections ------------------------------------------------------------------------------


def make_conns():
    turn, keys, deaf = [14], [23], [8]

    def says(length):  # the client; +16 is a step with a turn behind it
        return [16, length >> 8, length & 255]

    def user_says(length):
        return [19, length >> 8, length & 255]

    def at(reaction):  # index of enum reaction
        return [4, reaction]

    def does(what):  # 0 the client finishes, 1 leaves, 2 the user closes, 3 aborts, 4 a new conn
        return [29, what]

    scripts = {
        "both-ways": says(3000) + user_says(60000) + says(60000) + user_says(10),
        "pieces": says(0) + [2, 1] * 3 + says(500) + [2, 5] * 20 + user_says(300),
        "pause": at(1) + says(30000) + says(5) + [21] + turn + says(7),
        "close-inside": says(10) + at(2) + says(20000) + turn * 3,
        "abort-inside": says(10) + at(3) + says(20000) + turn * 3,
        "echo": at(4) + says(40000) + at(4) + says(3),
        "flush": at(5) + user_says(1) + at(6) + user_says(1) + turn,
        "abort-at-flush": at(7) + user_says(1) + turn,
        "drained": deaf + user_says(65535) * 5 + turn * 2 + at(8) + deaf + turn * 4,
        "end": at(9) + says(100) + does(0) + turn * 2,
        "end-while-paused": says(1) + [5] + says(100) + does(0) + turn + [5] + turn,
        "leaves": deaf + user_says(60000) + does(1) + turn * 2,
        "leaves-while-paused": [5] + says(100) + does(1) + turn + user_says(5) + turn,
        "close": user_says(60000) + does(2) + turn * 2 + does(1) + turn,
        "close-to-the-deaf": deaf + user_says(60000) + does(2) + turn + [9, 4] + turn + [9, 4] + turn,
        "abort": user_says(60000) + does(3) + turn,
        "at-flush-of-much": at(6) + user_says(65535) * 5 + turn * 3,
        "deadline": at(11) + [10, 0, 200] + turn + [9, 1] + turn,
        "room": [11, 3] + says(200) + [11, 0] + says(20) + [29, 7],
        "again": says(9) + [10, 9, 0] + user_says(9) + turn * 2,
        "close-notify": says(9) + [28] + user_says(5) + turn * 2,
        "keys": says(9) + keys + [3] + says(9) + keys + [2] + says(9),
        "keys-flood": says(9) + keys + [129] + turn,
        "keys-to-the-deaf": says(9) + deaf + (keys + [99] + turn) * 2,
        "garbled": says(9) + says(0) + [0, 1, 0, 6, 5, 3] + turn * 2,
        "garbled-hello": [6, 70, 1, 120] + turn * 2,
        "raw": [6, 200, 20] + list(b"GET / HTTP/1.1\r\n\r\n") + turn * 2,
        "raw-alert": says(9) + [6, 255, 7] + [21, 3, 3, 0, 2, 2, 0] + turn * 2,
    }
    for name, script in scripts.items():
        for kind in (0, 1, 3, 5):
            first = [kind] if kind == 0 else [kind, kind // 4]
            seed("conn", f"{name}-{kind}", bytes(first + turn * 4 + script))
    for kind in (1, 3):
        for turns in (0, 1, 2, 3):
            seed("conn", f"at-ready-{kind}-{turns}", bytes([kind, 0] + at(10) + turn * turns
                 + [0, 1, 0] + turn * 3))
    for number, offer in enumerate(([1], [2], [3], [4 + 8 * 9] + list(b"localhost"),
                                    [4 + 8 * 4] + list(b"::1."))):
        seed("conn", f"hello-{number}", bytes([1] + offer + turn * 5 + says(5) + [10, 0, 0]
             + user_says(5) + does(4) + [1] + offer + turn * 4 + says(5)))


# --- texts ------------------------------------------------------------------------------------


def make_h1():
    get = "GET /a?b HTTP/1.1\r\nHost: a.example\r\nCookie: a=b\r\n\r\n"
    post = "POST / HTTP/1.1\r\nHost: a\r\n"
    requests = {
        "get": get,
        "pipelined": get * 3,
        "length": post + "Content-Length: 5\r\n\r\nhello" + get,
        "chunks": post + "Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n" + get,
        "old": "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get,
        "expect": post + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
        "blank-line": "\r\n" + get,
        "cl-te": post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        "te-te": post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        "te-blank": post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "te-tab": post + "Transfer-Encoding:\tchunked\t\r\n\r\n0\r\n\r\n",
        "te-vertical-tab": post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "bare-lf": "GET / HTTP/1.1\nHost: a\n\n",
        "folded": post + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        "cve-2022-32213-cr": post + "Transfer-Encoding: chunked\rX\r\n\r\n0\r\n\r\n",
        "cve-2023-30589-cr-only": "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "cve-2024-22019-extensions": post + "Transfer-Encoding: chunked\r\n\r\n5;" + "a" * 300
                                     + "\r\nhello\r\n0\r\n\r\n",
        "cve-2024-27982-folded-length": post + "\x20Content-Length: 5\r\n\r\nhello",
        "chunk-size": post + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        "chunk-long": post + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
        "long-line": "GET /" + "a" * 600 + " HTTP/1.1\r\n\r\n",
        "many-fields": "GET / HTTP/1.1\r\n" + "A: b\r\n" * 40 + "\r\n",
        "connect": "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        "preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "version": "GET / HTTP/1.2\r\n\r\n",
    }
    for name, text in requests.items():
        seed("h1_reader", "request-" + name, b"\x01\x05" + text.encode("latin-1"))
    for (target, name), data in list(SEEDS.items()):
        if target == "origin_response":
            seed("h1_reader", "response-" + name, bytes([(data[0] & 4) // 2, 3]) + data[3:])


def make_forward():
    def both(name, choices, method, path, fields, status="200", answer=""):
        text = f"{method}\nhttps\na.example\n{path}\n{fields}\n{status}\n{answer}"
        seed("forward", name, bytes([choices]) + text.encode("latin-1"))

    both("get", 0, "GET", "/a?b=c", "user-agent:x\naccept:*/*\n", answer="content-length:5\netag:x\n")
    both("cookies", 32, "GET", "/", "cookie:a=1\ncookie:b=2\ncookie:\ncookie:c\n")
    both("length", 128, "POST", "/", "content-length:5\ncontent-type:text/plain\n")
    both("unknown-length", 128, "POST", "/", "x:y\n", answer="transfer-encoding:chunked\n")
    both("http1", 8, "GET", "/", "host:A.example:443\nconnection:x-a, keep-alive\nx-a:1\nte:trailers\n")
    both("http10", 25, "GET", "/", "host:a.example\n", answer="content-length:2\n")
    both("protected", 8, "GET", "/", "host:a.example\nconnection:content-length, host\n")
    both("claims", 0, "GET", "/", "x-forwarded-for:1.2.3.4\nforwarded:for=x\nx-real-ip:::1\nvia:1.0 x\n")
    both("believed", 68, "GET", "/", "x-forwarded-for:1.2.3.4\nx-forwarded-for:5.6.7.8\n"
         "forwarded:for=x\nx-forwarded-proto:https\n")
    both("underscore", 0, "GET", "/", "content_length:5\nx_y:z\nproxy:http://x\n")
    both("response", 1, "HEAD", "/", "a:b\n", "304", "connection:x-b, close\nx-b:1\nkeep-alive:x\n"
         "upgrade:h2c\ncontent-length:9\nset-cookie:a\nset-cookie:b\n")
    both("interim", 0, "GET", "/", "a:b\n", "3", "link:</a>; rel=preload\ncontent-length:2\n")
    both("star", 0, "OPTIONS", "*", "a:b\n")
    both("encoded", 0, "GET", "/\"<>^`{|}", "a:b\n")


def make_links():
    first = bytes([0, 1, 0, 0x10, 0, 9, 9, 0])

    def link(name, text, choices=first, mask=5):
        seed("link", name, choices + struct.pack(">Q", mask) + text.encode("latin-1"))

    link("plain", "</a.css>; rel=preload; as=style, </b.js>; rel=modulepreload, <c>; rel=preload")
    link("fields", "</a>; rel=preload\n</b>; rel=preload; nopush\n<//x>; rel=preconnect")
    link("quotes", '</a>; rel="preload x"; title="a, b; <c>", </b>; rel=preload; as="style"')
    link("variants", "</a>; rel=preload; as=image; imagesrcset=\"b 1x, c 2x\"; media=\"(x), y\"")
    link("only", "</a>; rel=preload; x-http2-push-only, </b>; rel=preload", mask=1)
    link("bad", "<a, <b>; rel=preload, c>, </d>; \", </e>; rel=preload; as=\"\\\"\"")
    link("many", ", ".join(f"</{i}>; rel=preload" for i in range(60)))
    link("sites", "<https://static.example/x>; rel=preload, <http://a.example/>; rel=preload,"
         "</..//x>; rel=preload, <?q>; rel=preload, <#f>; rel=preload, <a@b>; rel=preload",
         bytes([0, 0, 0, 2, 1, 9, 9, 0]))
    link("event", "</a>; rel=preload; as=\"style\r\nx\"\0, </b>; rel=preload",
         bytes([0, 0, 0, 0x0C, 0, 9, 9, 0]))
    link("request", "</a>; rel=preload; crossorigin=use-credentials, </b>; rel=preload; critical",
         bytes([0, 1, 3, 0x10, 2, 9, 9, 0]))


def make_urls():
    def url(name, reference, base="/a/b/c?q", scheme="https", authority="example.org"):
        seed("url", name, f"{scheme}\n{authority}\n{base}\n{reference}".encode("latin-1"))

    url("relative", "../d/./e?x#f")
    url("absolute", "HTTPS://EXAMPLE.org:443/%2e%2e/x")
    url("network", "//b.example:8443?q")
    url("query", "?x")
    url("fragment", "#f")
    url("dots", "/..//../a/%2E./b/.")
    url("same-scheme", "https:x")
    url("other-scheme", "data:text/css,x")
    url("ipv6", "//[::1]:443/", authority="[2001:DB8::1]:8080")
    url("bad", "//a@b/\\\x7f", authority="a..b:0")
    url("encoded", "/\"<>^`{|}")
    url("long", "a/" * 3000)


def make_others():
    seed("sse", "plain", b"preload\n\x05event: preload\ndata: </a.css>; rel=preload\n\nid: 1\n"
         b": comment\ndata: x\r\n\r\n")
    seed("sse", "late-name", b"preload\n\x01data: a\nevent: preload\ndata:b\n\nevent: x\ndata: c\n"
         b"event: preload\ndata: d\n\n")
    seed("sse", "message", b"message\n\0\xef\xbb\xbfdata\n\ndata:\ndata: x\n\n")
    seed("sse", "ends", b"x\n\x02event:x\rdata:1\r\rdata:2\revent:x\r\n\r\nevent:x\ndata:3")
    seed("sse", "long", b"x\n\x80event: x\ndata: " + b"y" * 16383 + b"\ndata\n\n")
    seed("digest", "commands", bytes([0, 2, 0, 1, 6, 0, 2, 0, 0, 1, 1, 9, 9, 2, 1, 0]))
    seed("digest", "full", bytes([0]) + b"".join(bytes([1 + 4 * i, 0, i]) for i in range(40)))
    seed("digest", "cookies", b"\x01a=b; outrider-digest=AQAA; c\n outrider-digest = x;;outrider-digest\n")
    seed("digest", "signed-empty", bytes([2, 1, 0, 0]))
    seed("digest", "signed", bytes([2, 1, 0, 0x90, 0x12, 0x34, 0x56]))
    seed("digest", "cache-digest", b"\x03AfdA; complete, AAAA;validators;stale\nreset, ;reset\nAQ==;x")
    seed("digest", "members", bytes([4, 7, 7, 1, 2, 3, 200, 100]))
    page = "page\t5\t4\t900\t2\t1\tplain\thttps\ta.example\t/p\t</a.css>; rel=preload; as=style\n"
    seed("learned", "file", b"\x01" + page.encode())
    seed("learned", "file-two", b"\x01" + (page + page.replace("/p", "/q\\\\").replace(
        "plain", "cookies")).encode())
    seed("learned", "file-empty", b"\x00outrider-hints 1 1800000000000\nend\t0\t0123456789abcdef\n")
    body = struct.pack("<QQQQ", 5000000, 60000, 1, 0)
    for text in (b"a.example", b"/p"):
        body += struct.pack("<H", len(text)) + text
    element = b"</a.css>; rel=preload; as=style"
    body += struct.pack("<HH", 1, len(element)) + element
    for kind in (1, 2, 3):
        seed("learned", f"record-{kind}", b"\x02" + struct.pack("<BBHI", 1, kind, 2, 8 + len(body))
             + body)
    work = bytes([3])
    for conn in range(4):
        work += bytes([conn & 1, 6, 0xC0, 0xE0, conn, conn & 1, 1, 1])
    seed("learned", "workers", work + bytes([0, 0, 0, 99, 0, 3, 1, 3, 0, 4, 0, 5]))
    seed("learned", "own-links", bytes([3, 0, 6, 0xD0, 0xE0]) + b"</x.js>; rel=preload; as=script\n"
         + bytes([1, 1, 6, 0xD0, 0xE0]) + b"</x.js>; rel=preload; as=script\n" + bytes([2]))
    near = b"Host: 127.0.0.1:9901\r\n\r\n"
    for number, path in enumerate(("/", "/live", "/ready", "/metrics", "/stats.json", "/hints",
                                   "/config", "/log", "/x")):
        seed("admin", f"get-{number}", b"\x04GET " + path.encode() + b" HTTP/1.1\r\n" + near)
    for number, path in enumerate(("/reload", "/drain", "/hints/forget?page=a.example%2fx",
                                   "/log?level=debug")):
        for choices in (4, 0, 12, 20):
            seed("admin", f"post-{number}-{choices}", bytes([choices]) + b"POST " + path.encode()
                 + b" HTTP/1.1\r\nContent-Length: 0\r\n" + near)
    seed("admin", "rebinding", b"\x04POST /drain HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    seed("admin", "cross-site", b"\x04POST /drain HTTP/1.1\r\nOrigin: https://evil.example\r\n" + near)
    seed("admin", "by-proxy", b"\x04POST /drain HTTP/1.1\r\nX-Forwarded-For: x\r\n" + near)
    seed("admin", "head", b"\x04HEAD /stats.json HTTP/1.1\r\n" + near)
    seed("admin", "openmetrics", b"\x04GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;"
         b"version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1\r\n" + near)
    seed("admin", "names", b"\x03page=a%2fb\ntext/plain;q=0.5, */*\n"
         b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\nabc\n")
    seed("admin", "names-bad", b"\x03page=%0\n;;q=9\n01-0-0-0\na b\nc\n")
    flat = "listeners: [\"http://127.0.0.1:1\"]\norigins: {a: {url: \"http://b:1\"}}\n"
    seed("config", "environment", b"OUTRIDER_PUSH_MAX_OPEN=8\nOUTRIDER_TRUSTED=::1,10.0.0.0/8\0"
         + flat.encode() + b"routes: [{origin: a}]\n")
    seed("config", "routes", flat.encode() + b"routes:\n- {origin: a, host: \"*.x.example\", path: /p}"
         b"\n- {origin: a, push: [/a.css, {path: /b, as: font}], hint: off, learn: off}\n")


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "seeds")
    for make in (make_h2, make_origin, make_schedules, make_conns, make_h1, make_forward, make_links,
                 make_urls, make_others):
        make()
    for (target, name), data in SEEDS.items():
        path = root / target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    print(f"{len(SEEDS)} seeds, {sum(map(len, SEEDS.values()))} bytes")


if __name__ == "__main__":
    main()
