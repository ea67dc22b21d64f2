# SPDX-License-Identifier: Apache-2.0
"""Who holds the origin's connections, and who only holds on. See besieged.py."""

import contextlib
import time

import pytest

import attacks
import besieged
from attacks import DATA, END_HEADERS, HEADERS, INITIAL_WINDOW_SIZE, PING, frame
from besieged import IS_LONG
from origin import head, wait_closed
from origin import send as say

siege = besieged.fixture({"max_connections": 64, "max_waiting": 1024}, one_origin=True)

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
    CHUNKED + b"5\r\nabcde",
    CHUNKED + b"0\r\nx-a: b",
    b"POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
    # errors: what comes behind them is not read for long
    CHUNKED + b"0" * 100_000,
    CHUNKED + b"1;" + b"a" * 100_000,
    b"GET / HTTP/1.1\r\n" + b"x" * 100_000,
]


PATIENT = dict.fromkeys(("head", "body", "write", "origin_first_byte", "origin_between_bytes"), "5m")


def cpu_while_nothing_happens(proxy):
    """(processor time, seconds) of a while."""
    time.sleep(1)
    before, seconds = besieged.cpu_seconds(proxy), 60 if IS_LONG else 2
    time.sleep(seconds)
    used = besieged.cpu_seconds(proxy) - before
    besieged.note_figures(cpu_percent=100 * used / seconds, seconds=seconds)
    return used, seconds


def at_most(seconds):
    """One percent of a processor, and a tick."""
    return 0.01 * seconds * besieged.CPU_FACTOR + 1 / besieged.TICKS


@pytest.mark.short
@pytest.mark.limit(120)
def test_cve_2026_110353_no_busy_loop(outrider, origin):
    """Parts of frames, chunks and lines held open on a hundred connections: no processor time."""
    proxy = outrider(origin, workers=1, log={"access": "off"}, timeouts=PATIENT)
    with contextlib.ExitStack() as stack:
        for number in range(7):
            for data in PARTIAL_HTTP2:
                raw = stack.enter_context(proxy.raw_h2(tls=number % 2 == 0))
                raw.send(data)
            for data in PARTIAL_HTTP1:
                old = stack.enter_context(proxy.h1(tls=number % 2 == 0))
                old.send(data)
        used, seconds = cpu_while_nothing_happens(proxy)
    assert used <= at_most(seconds)


OK_CHUNKED = head(200, [("transfer-encoding", "chunked")])
PARTIAL_ORIGIN = [
    b"",
    b"HTTP/1.1 20",
    b"HTTP/1.1 200 OK\r\nX-A: b",
    head(103)[:-1],
    head(103),
    head(200, [("content-length", "5")]) + b"ab",
    OK_CHUNKED,
    OK_CHUNKED + b"0000000",
    OK_CHUNKED + b"5;a=b",
    OK_CHUNKED + b"5\r\nab",
    OK_CHUNKED + b"5\r\nabcde",
    OK_CHUNKED + b"0\r\nx-a: b",
    # errors: the client has its answer, and the connection goes
    OK_CHUNKED + b"0" * 100_000,
    OK_CHUNKED + b"1;" + b"a" * 100_000,
    b"HTTP/1.1 200 OK\r\n" + b"x" * 100_000,
]


@pytest.mark.short
@pytest.mark.limit(120)
def test_cve_2026_110353_no_busy_loop_with_origins(outrider, origin):
    """The same of origins that stop in the middle, for clients of both protocols; those who read, those
    who do not, and those who have said that they will say no more."""
    for number, text in enumerate(PARTIAL_ORIGIN):
        origin.on(f"/{number}", say(text), wait_closed())
    proxy = outrider(origin, workers=1, log={"access": "off"}, timeouts=PATIENT)
    with contextlib.ExitStack() as stack:
        for options in ({}, {"tls": False}, {"auto_window": False}):
            client = stack.enter_context(proxy.h2(**options))
            for number in range(len(PARTIAL_ORIGIN)):
                client.request(f"/{number}")
        for number in range(2 * len(PARTIAL_ORIGIN)):
            old = stack.enter_context(proxy.h1())
            path = f"/{number % len(PARTIAL_ORIGIN)}"
            old.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            if number % 2:
                old.end_writing()
        used, seconds = cpu_while_nothing_happens(proxy)
    assert used <= at_most(seconds)
