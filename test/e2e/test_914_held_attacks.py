# SPDX-License-Identifier: Apache-2.0
"""Who holds the origin's connections, and who only holds on. See besieged.py."""

import contextlib
import time

import pytest

import attacks
import besieged
from attacks import DATA, END_HEADERS, HEADERS, INITIAL_WINDOW_SIZE, PING, frame
from besieged import IS_LONG

siege = besieged.fixture({"max_connections": 64, "max_waiting": 1024})

# Where all connections are held a request waits this long, until the first of them are taken away.
RELIEF_MS = 2250


def test_stalled_streams_keep_no_connection_that_others_wait_for(siege):
    """More of them than the origin may have connections, and more than may wait: clients take turns,
    and who takes nothing has to go."""
    with siege.watch() as seen, contextlib.ExitStack() as stack:
        settings = {INITIAL_WINDOW_SIZE: 0}
        enemies = [stack.enter_context(siege.enemy(settings=settings)) for _ in range(14)]
        for enemy in enemies:
            enemy.send(*[enemy.headers(i, path="/large") for i in range(1, 200, 2)])
        time.sleep(4)
    assert seen.limits["write_time"] >= 64
    patience = RELIEF_MS + besieged.PATIENCE_MS
    seen.expect(limits=["write_time", "origin_line"], memory_mb=64, patience_ms=patience)


# --- nobody moves --------------------------------------------------------------------------------

CHUNKED = b"POST /wait HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
POSTED = frame(HEADERS, END_HEADERS, 1, b"\x83\x86\x84\x01\x01a")
PARTIAL_HTTP2 = [
    frame(PING, 0, 0, bytes(8))[:13],
    frame(PING, 0, 0, bytes(8))[:5],
    frame(HEADERS, END_HEADERS, 1, b"\x82", length=16000),
    POSTED + frame(DATA, 0, 1, b"", length=16000),
]
PARTIAL_HTTP1 = [
    b"GET / HT",
    CHUNKED + b"5;a",
    CHUNKED + b"0" * 1000,
    CHUNKED + b"5\r\nab",
    b"POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
]


@pytest.mark.limit(120)
def test_cve_2026_110353_no_busy_loop(outrider, origin):
    """Parts of frames, chunks and lines held open on a hundred connections: no processor time."""
    proxy = outrider(origin, workers=1, log={"access": "off"})
    with contextlib.ExitStack() as stack:
        for number in range(12):
            for data in PARTIAL_HTTP2:
                raw = stack.enter_context(proxy.raw_h2(tls=number % 2 == 0))
                raw.send(data)
            for data in PARTIAL_HTTP1:
                old = stack.enter_context(proxy.h1(tls=number % 2 == 0))
                old.send(data)
        time.sleep(0.5)
        before, seconds = besieged.cpu_seconds(proxy), 60 if IS_LONG else 3
        time.sleep(seconds)
        used = besieged.cpu_seconds(proxy) - before
    assert used <= 0.01 * seconds * besieged.CPU_FACTOR + 1 / besieged.TICKS
