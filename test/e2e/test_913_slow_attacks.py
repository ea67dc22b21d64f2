# SPDX-License-Identifier: Apache-2.0
"""Connections that do almost nothing, and hold what others need. See besieged.py. The short form has
short timeouts and fewer of them; the long form has the defaults, and 1000 connections."""

import contextlib
import socket
import time

import pytest

import attacks
import besieged
import h2client
from attacks import DATA, END_HEADERS, HEADERS, INITIAL_WINDOW_SIZE, frame, window
from besieged import IS_LONG

LIMIT_S = 1.0  # of the timeouts in the short form
TICK_S = 2.5  # how often an HTTP/2 session looks for streams that stand still
COUNT = 1000 if IS_LONG else 60
CROWD = 20 if IS_LONG else 3  # connections of a hundred streams: the origin has places for all of them

short = dict.fromkeys(("handshake", "head", "body", "write"), "1s")
siege = besieged.fixture({"max_connections": 4096}, timeouts={} if IS_LONG else short)

TIMEOUTS = {"handshake": 10, "head": 10, "body": 30, "write": 30}


def limit_of(name, ticks=0):
    """When all of it must be over: the clocks of a thousand do not begin at once."""
    if IS_LONG:
        return 1.5 * TIMEOUTS[name]
    return LIMIT_S + ticks * TICK_S + (3 if besieged.IS_SLOW else 1.5)


def connect(siege, tls=False, small=False):
    sock = socket.socket()
    if small:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", siege.proxy.port("https" if tls else "http")))
    return sock


def is_closed(sock):
    """By the other side; what came before its end is read and forgotten."""
    sock.setblocking(False)
    try:
        while sock.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def hold(socks, limit, drips=None, every=1.5 if IS_LONG else 0.2):
    """Holds them until all are closed, with a drip (a function of the socket) now and then for those
    that have one in `drips`."""
    began, left = time.monotonic(), list(socks)
    while left:
        left = [sock for sock in left if not is_closed(sock)]
        took = time.monotonic() - began
        assert took < limit, f"{len(left)} of {len(socks)} are open after {took:.1f} s"
        for sock in left:
            if drips and drips.get(sock):
                with contextlib.suppress(OSError):
                    drips[sock](sock)
        time.sleep(every)
    for sock in socks:
        sock.close()


class Dripper:
    """Sends one byte more of the same text each time."""

    def __init__(self, text):
        self.text = text
        self.at = {}

    def __call__(self, sock):
        at = self.at.get(sock, 0)
        self.at[sock] = at + 1
        sock.send(self.text[at % len(self.text) :][:1])


# --- before there is a request -------------------------------------------------------------------


@pytest.mark.short
@pytest.mark.limit(120)
def test_half_open(siege):
    """Connected, and nothing more, or a ClientHello byte by byte."""
    drip = Dripper(attacks.client_hello())
    with siege.watch() as seen:
        clear = [connect(siege) for _ in range(COUNT)]
        silent = [connect(siege, True) for _ in range(COUNT)]
        hello = [connect(siege, True) for _ in range(COUNT)]
        hold([*clear, *silent, *hello], limit_of("handshake"), dict.fromkeys(hello, drip))
    assert seen.limits["request_time"] == COUNT and seen.limits["handshake_time"] == 2 * COUNT
    seen.expect(
        limits=["handshake_time", "request_time"],
        connections=["conn_timeout"],
        memory_mb=max(16, 0.03 * 3 * COUNT),
    )


def preface_alone(sock):
    sock.sendall(h2client.PREFACE)


def head_of_headers(sock):
    sock.sendall(h2client.PREFACE + frame(attacks.SETTINGS, 0, 0))
    sock.sendall(frame(HEADERS, END_HEADERS, 1, b"", length=1000))


def block_without_end(sock):
    sock.sendall(h2client.PREFACE + frame(attacks.SETTINGS, 0, 0) + frame(HEADERS, 0, 1, b"\x82"))


SLOW_HEADS = {  # what is sent first, and what drips
    "HTTP/1.1": (None, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-Field: value\r\n" * 100),
    "HTTP/2, the preface": (None, h2client.PREFACE),
    "HTTP/2, no SETTINGS": (preface_alone, b"\0"),
    "HTTP/2, a frame": (head_of_headers, attacks.literal(b"x-a", b"b") * 100),
    "HTTP/2, a block": (block_without_end, b""),
}


@pytest.mark.short
@pytest.mark.limit(120)
def test_cve_2007_6750_slow_heads(siege):
    """Slowloris, and what it is over HTTP/2."""
    with siege.watch() as seen:
        socks, drips = [], {}
        for first, text in SLOW_HEADS.values():
            drip = Dripper(text) if text else None
            for _ in range(COUNT // 2):
                socks.append(connect(siege))
                if first:
                    first(socks[-1])
                drips[socks[-1]] = drip
        hold(socks, limit_of("head", 1), drips)
    assert seen.limits["request_time"] == len(socks)
    assert seen.origin_requests < 10
    seen.expect(limits=["request_time"])


# --- slow bodies ---------------------------------------------------------------------------------

POST = b"POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = b"POST /wait HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.short
@pytest.mark.limit(120)
def test_slow_bodies_over_http1(siege):
    """R-U-D-Y: a byte now and then is no progress; of content, of chunks, of a chunk's size."""
    with siege.watch() as seen:
        socks, drips = [], {}
        for head, text in ((POST, b"x"), (CHUNKED, b"1\r\nx\r\n"), (CHUNKED, b"0")):
            drip = Dripper(text)
            for _ in range(COUNT // 2):
                socks.append(connect(siege))
                socks[-1].sendall(head)
                drips[socks[-1]] = drip
        hold(socks, limit_of("body"), drips)
    assert seen.limits["request_time"] == len(socks)
    seen.expect(limits=["request_time"])


@pytest.mark.limit(120)
def test_cve_2018_17189_slow_bodies_over_http2(siege):
    """A hundred streams on each connection."""
    with siege.watch() as seen, contextlib.ExitStack() as stack:
        enemies = [stack.enter_context(siege.enemy()) for _ in range(CROWD)]
        for enemy in enemies:
            enemy.send(*[enemy.headers(i, end=False, method="POST") for i in range(1, 200, 2)])
        end = time.monotonic() + limit_of("body", 1)
        while siege.number('exchanges{kind="request"}') > 6:
            assert time.monotonic() < end
            for enemy in enemies:
                enemy.send(*[frame(DATA, 0, i, b"x") for i in range(1, 200, 2)])
            time.sleep(0.2)
    seen.expect(limits=seen.limits.keys() & {"request_time", "frames"}, memory_mb=64)
    assert seen.limits["request_time"] >= CROWD * 100


# --- slow reads ----------------------------------------------------------------------------------


@pytest.mark.limit(120)
def test_slow_reads_over_http1(siege):
    with siege.watch() as seen:
        socks = [connect(siege, small=True) for _ in range(COUNT)]
        for sock in socks:
            sock.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        end = time.monotonic() + limit_of("write")
        while siege.number('exchanges{kind="request"}') > 6:
            assert time.monotonic() < end
            time.sleep(0.1)
        for sock in socks:
            sock.close()
    seen.expect(limits=["write_time"], memory_mb=0.3 * COUNT)


def test_cve_2016_1546_slow_reads_over_http2(siege):
    """The windows wide open, and nothing read: what is held of a connection is bounded."""
    count = CROWD
    with siege.watch() as seen, contextlib.ExitStack() as stack:
        options = {"reads": False, "small_buffers": True, "settings": {INITIAL_WINDOW_SIZE: 2**30}}
        enemies = [stack.enter_context(siege.enemy(**options)) for _ in range(count)]
        for enemy in enemies:
            enemy.send(window(0, 2**30), *[enemy.headers(i, path="/medium") for i in range(1, 200, 2)])
        siege.wait_number('exchanges{kind="request"}', lambda open_now: open_now >= 100 * count)
        end = time.monotonic() + limit_of("write", 2)
        while siege.number('exchanges{kind="request"}') > 6:
            assert time.monotonic() < end
            time.sleep(0.1)
    seen.expect(limits=["write_time"], memory_mb=5 * count)


def drip_streams(enemy):
    enemy.send(*[window(i, 1) for i in range(1, 200, 2)])


def drip_connection(enemy):
    enemy.send(window(0, 1))


STALLS = [  # settings, drip
    ({INITIAL_WINDOW_SIZE: 0}, None),
    ({INITIAL_WINDOW_SIZE: 0}, drip_streams),
    ({}, None),
    ({}, drip_connection),
]


@pytest.mark.short
@pytest.mark.limit(120)
def test_cve_2023_43622_and_2024_30156_stalled_streams(siege):
    """CVE-2023-43622, CVE-2024-30156: a thousand streams with windows of zero, windows that are used up,
    and drips: none of them is alive when the time for writing is over, whatever WINDOW_UPDATE says; what
    they hold is bounded."""
    with siege.watch() as seen, contextlib.ExitStack() as stack:
        enemies = []
        for number in range(10):
            settings, drip = STALLS[number % len(STALLS)]
            enemies.append((stack.enter_context(siege.enemy(settings=settings)), drip))
            enemies[-1][0].send(*[enemies[-1][0].headers(i, path="/medium") for i in range(1, 200, 2)])
        siege.wait_number('exchanges{kind="request"}', lambda open_now: open_now >= 1000)
        end = time.monotonic() + limit_of("write", 2)
        while siege.number('exchanges{kind="request"}') > 6:
            assert time.monotonic() < end
            for enemy, drip in enemies:
                if drip is not None:
                    drip(enemy)
            time.sleep(0.2)
    assert seen.limits["write_time"] == 1000
    seen.expect(limits=["write_time"], exchanges=["client_timeout"], memory_mb=64)
