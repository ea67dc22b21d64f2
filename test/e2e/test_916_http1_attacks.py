# SPDX-License-Identifier: Apache-2.0
"""Requests over HTTP/1.1 that do not end, beside well-behaved clients. See besieged.py."""

import contextlib
import itertools
import select
import socket
import threading
import time

import pytest

import attacks
import besieged

siege = besieged.fixture(limits={"body": "1MiB"})

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /wait HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
PIECE = 16_000


def flood(siege, first, piece, seconds=None, answers=()):
    """Sends `first` and then the piece again and again on a connection, until the server ends it;
    then anew, with several enemies. The status must be one of the answers, if there is any."""
    seconds = besieged.SECONDS if seconds is None else seconds
    within = max(2.0, seconds) * (5 if besieged.IS_SLOW else 1)
    end = time.monotonic() + seconds
    problems, sent = [], []

    def attack():
        with siege.proxy.h1() as client:
            client.sock.settimeout(within)
            began, count = time.monotonic(), 0
            with contextlib.suppress(OSError):
                client.send(first)
                for piece_now in piece:
                    has_answer = bool(select.select([client.sock], [], [], 0)[0])
                    if has_answer or time.monotonic() > began + within:
                        break
                    client.send(piece_now)
                    count += len(piece_now)
                client.sock.shutdown(socket.SHUT_WR)
            sent.append(count)
            heard = b""
            try:
                while data := client.sock.recv(65536):
                    heard += data
            except TimeoutError:
                problems.append(f"open after {count} bytes")
            except OSError:
                pass
            if heard and int(heard.split(b" ")[1]) not in answers:
                problems.append(heard[:100])

    def run():
        while time.monotonic() < end:
            attack()

    threads = [threading.Thread(target=run) for _ in range(besieged.ENEMIES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems[:5]
    return sent


# What is sent: the beginning, what follows without end, the answers, and the limit's name if any.
ENDLESS = {
    "method": (b"", b"G" * PIECE, [400, 414, 431, 501], {"head", "uri"}),
    "path": (b"GET /", b"x" * PIECE, [414], {"uri"}),
    "name of a field": (GET, b"x" * PIECE, [400, 431], {"head"}),
    "value of a field": (GET + b"X: ", b"x" * PIECE, [431], {"head"}),
    "fields": (GET, b"X: y\r\n" * 1000, [431], {"head"}),
    "cookies": (GET, b"Cookie: a=b\r\n" * 1000, [431], {"head"}),
    "spaces": (GET + b"X:", b" " * PIECE, [400, 431], {"head"}),
    "chunk extension (CVE-2024-22019)": (CHUNKED + b"1;", b"a" * PIECE, [400], set()),
    "chunk size (CVE-2026-110353)": (CHUNKED, b"0" * PIECE, [400], set()),
    "extensions": (CHUNKED, b"1;abcdefgh=1234567890\r\nx\r\n" * 500, [400], set()),
    "trailers": (CHUNKED + b"0\r\n", b"X: y\r\n" * 1000, [400, 431], {"head"}),
    "no HTTP": (b"", b"\x16\x03\x01\x02\x00" * 1000, [400, 414], {"uri"}),
}


@pytest.mark.parametrize(
    "kind",
    besieged.shortly(
        ENDLESS, "fields", "chunk extension (CVE-2024-22019)", "chunk size (CVE-2026-110353)", "no HTTP"
    ),
)
def test_endless(siege, kind):
    first, piece, answers, limits = ENDLESS[kind]
    with siege.watch() as seen:
        sent = flood(siege, first, itertools.repeat(piece), 0.3, answers)
    assert len(sent) > 0
    assert seen.limits or "bad_request" in seen.labels("exchange_faults_total")
    seen.expect(limits=seen.limits.keys() & limits)


def test_empty_lines_without_end(siege):
    """They may stand before a request (RFC 9112 section 2.2): a few of them."""
    with siege.watch() as seen:
        flood(siege, b"", itertools.repeat(b"\r\n" * 8000), 0.3, [400])
    seen.expect(limits=seen.limits.keys() & {"request_time"})


# --- content -------------------------------------------------------------------------------------


def test_huge_upload_is_refused_before_it_comes(siege):
    """By its Content-Length: the answer comes at once, and what comes all the same is not kept."""
    head = POST + b"Content-Length: 10737418240\r\n\r\n"
    with siege.watch() as seen:
        flood(siege, head, itertools.repeat(b"x" * 65536), 0.3, [413])
    assert seen.origin_requests < 10
    seen.expect(limits=["body"], exchanges=["body_too_large"])


@pytest.mark.short
def test_huge_upload_is_cut(siege):
    """By what has come: chunks without end."""
    with siege.watch() as seen:
        flood(siege, CHUNKED, itertools.repeat(b"10000\r\n" + b"x" * 65536 + b"\r\n"), 0.3, [413])
    seen.expect(limits=["body"], exchanges=["body_too_large"])


@pytest.mark.short
def test_huge_upload_over_http2(siege):
    """Both ways there; resets that were provoked spend the budget."""
    with siege.watch() as seen, siege.enemy() as enemy:
        block = enemy.block(method="POST", headers=[("content-length", "10737418240")])
        enemy.send(enemy.headers(1, block, end=False))
        enemy.send(enemy.headers(3, end=False, method="POST"))
        enemy.wait_read(time.monotonic() + 5)
        data = attacks.frame(attacks.DATA, 0, 3, b"x" * 16000)
        window = 65535
        for sent in range(16000, 2_000_000, 16000):
            while (
                min(enemy.reader.windows.get(i, window) for i in (0, 3)) < sent
                and not enemy.has_ended
                and enemy.reader.resets < 2
            ):
                time.sleep(0.005)
            enemy.send(data)
        enemy.wait_read(time.monotonic() + 5)
        assert enemy.code is None
    seen.expect(limits=["body"], exchanges=["body_too_large"])
    assert seen.limits["body"] == 2


# --- pipelining ----------------------------------------------------------------------------------


@pytest.mark.short
def test_pipelining_flood(siege):
    """A hundred thousand requests at once, and no answer is read."""
    with siege.watch() as seen:
        for _ in range(besieged.ENEMIES):
            with siege.proxy.h1() as client:
                client.sock.settimeout(besieged.SECONDS)
                with contextlib.suppress(OSError):
                    for _ in range(100):
                        client.send((GET + b"\r\n") * 1000)
                time.sleep(besieged.SECONDS / besieged.ENEMIES)
    seen.expect(exchanges=seen.labels("exchange_faults_total").keys() & {"client_gone"})


# --- the PROXY protocol --------------------------------------------------------------------------

V2 = b"\r\n\r\n\0\r\nQUIT\n"
PROXY_HEADERS = [
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    b"PROXY TCP6 ::1 ::2 1 2\r\n",
    b"PROXY UNKNOWN\r\n",
    b"PROXY TCP4 " + b"1" * 200 + b"\r\n",
    b"PROXY \r\n",
    b"proxy tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
    V2 + b"\x21\x11\0\x0c" + bytes(12),
    V2 + b"\x20\0\0\0",
    V2 + b"\x21\x11\xff\xff" + bytes(65535),
    V2 + b"\x21\x11\0\x10" + bytes(12) + b"\x03\xff\xff\0",
]


@pytest.mark.short
def test_the_proxy_protocol_is_not_spoken(siege):
    """Nobody may say who he is: each header is a bad request, and no handshake."""
    with siege.watch() as seen:
        for text in PROXY_HEADERS:
            for port in (siege.proxy.http_port, siege.proxy.https_port):
                with socket.create_connection(("127.0.0.1", port), 10) as sock:
                    with contextlib.suppress(OSError):
                        sock.sendall(text + GET + b"\r\n")
                        answer = sock.recv(4096)
                        assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 505") or b"HTTP" not in answer
    assert seen.origin_requests < 10
    seen.expect(limits=seen.limits.keys() & {"uri"})
