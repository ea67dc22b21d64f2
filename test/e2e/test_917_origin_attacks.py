# SPDX-License-Identifier: Apache-2.0
"""Origins that say too much, beside well-behaved clients of another one. See besieged.py."""

import contextlib
import itertools
import threading

import pytest

import besieged
from origin import Origin, chunk, head, respond, wait
from origin import send as say

PIECE = 16_000
OK_CHUNKED = head(200, [("transfer-encoding", "chunked")])


@pytest.fixture(scope="module")
def evil():
    made = Origin()
    yield made
    made.stop()
    assert not made.errors


@pytest.fixture(scope="module")
def siege(tmp_path_factory, certs, evil):
    directory = tmp_path_factory.mktemp("siege")
    made = besieged.Siege(directory, certs, others={"evil": evil.url})
    yield made
    made.stop()


def endless(first, piece):
    """Says the first, and then the piece again and again until nobody listens."""

    def step(conn, _request):
        conn.send(first)
        for again in itertools.repeat(piece):
            conn.send(again)

    return step


# name: (what the origin says, the fault of the exchange, the limit if there is one)
FLOODS = {
    "interim responses": (b"", head(103, [("link", "</a.css>")]), "origin_interim_flood", "interim"),
    "an interim head": (b"HTTP/1.1 103 Early\r\n", b"X: y\r\n" * 1000, "origin_head_too_large", "response_head"),
    "100 Continue": (b"", head(100) * 100, "origin_interim_flood", "interim"),
    "a status line": (b"HTTP/1.1 200 ", b"O" * PIECE, None, "response_head"),
    "fields": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000, "origin_head_too_large", "response_head"),
    "a field's name": (b"HTTP/1.1 200 OK\r\n", b"x" * PIECE, None, "response_head"),
    "a field's value": (b"HTTP/1.1 200 OK\r\nX: ", b"y" * PIECE, "origin_head_too_large", "response_head"),
    "Set-Cookie": (b"HTTP/1.1 200 OK\r\n", b"Set-Cookie: a=b\r\n" * 1000, "origin_head_too_large", "response_head"),
    "a chunk's extension": (OK_CHUNKED + b"1;", b"a" * PIECE, None, None),
    "a chunk's size": (OK_CHUNKED, b"0" * PIECE, None, None),
    "extensions": (OK_CHUNKED, b"1;abcdefgh=1234567890\r\nx\r\n" * 500, None, None),
    "trailers": (OK_CHUNKED + b"0\r\n", b"X: y\r\n" * 1000, None, "response_head"),
    "no HTTP": (b"", b"\x16\x03\x01\x02\x00" * 1000, "origin_bad_response", None),
}  # fmt: skip


@pytest.mark.parametrize(
    "kind", besieged.shortly(FLOODS, "interim responses", "fields", "a chunk's extension", "a chunk's size")
)
def test_endless(siege, evil, kind):
    """Over both protocols: 502, or a response that is cut; the origin's connection is closed."""
    first, piece, fault, limit = FLOODS[kind]
    evil.on("/evil", endless(first, piece))
    with siege.watch() as seen:
        with siege.proxy.h2() as client:
            for response in client.get_all(["/evil"] * 5):
                assert response.status == 502 or response.reset is not None, response
        for _ in range(5):
            with siege.proxy.h1() as old:
                old.send(b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n")
                with contextlib.suppress(ConnectionError, ValueError):
                    assert old.read_response()[0] == 502
        evil.wait_open(0)
    faults = seen.labels("exchange_faults_total")
    assert sum(faults.values()) == 10 and (fault is None or set(faults) == {fault}), faults
    seen.expect(limits=[limit] if limit else seen.limits.keys() & {"response_head"})


def test_endless_content_for_who_has_left(siege, evil):
    """Nobody takes it, so nobody is asked for more."""
    evil.on("/evil", endless(OK_CHUNKED, chunk(b"x" * PIECE)))
    with siege.watch() as seen:
        for _ in range(10):
            with siege.proxy.h2() as client:
                response = client.wait_head(client.request("/evil"))
                assert response.status == 200
            with siege.proxy.h1() as old:
                old.send(b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n")
                assert old.read_head()[0] == 200
        evil.wait_open(0)
    seen.expect(exchanges=["client_gone"])


@pytest.mark.short
def test_endless_content_for_who_does_not_read(siege, evil):
    """What is held is bounded; others go on."""
    evil.on("/evil", endless(OK_CHUNKED, chunk(b"x" * PIECE)))
    with siege.watch() as seen, contextlib.ExitStack() as stack:
        for _ in range(10):
            client = stack.enter_context(siege.proxy.h2(auto_window=False))
            client.request("/evil")
            old = stack.enter_context(siege.proxy.h1())
            old.send(b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n")
        evil.wait_open(20)
    seen.expect(exchanges=["client_gone"], memory_mb=16)
    evil.wait_open(0)


@pytest.mark.short
def test_amplification_by_links(siege, evil):
    """A page of 500 links (h2o 2.2.5, nghttpx without a cap): a few pushes, however often it comes;
    who resets them all gets none."""
    links = [("link", f"</evil/{number}.css>; rel=preload; as=style") for number in range(200)]
    evil.on("/evil", respond(200, links, b"page"))
    evil.on("*", wait("go"), respond(200, [("content-type", "text/css")], b"x"))
    before = len(evil.seen())
    with siege.watch() as seen, siege.proxy.h2() as client:
        for page in range(10):
            count = len(client.pushes)
            assert client.get(f"/evil?{page}").status == 200
            for push in client.pushes[count:]:
                client.reset(push.stream_id)
            client.ping()
        assert len(client.pushes) <= 64
        assert client.goaway is None
    evil.event("go").set()
    assert len(evil.seen()) - before - 10 <= 64
    seen.expect(limits=())


def test_connections_that_the_origin_holds(siege, evil):
    """An origin that never ends its responses holds its own clients only."""
    evil.on("/evil", say(head(200, [("content-length", "10")]) + b"x"), wait("never"))
    done = threading.Event()
    with siege.watch() as seen, siege.proxy.h2() as client:
        for _ in range(100):
            client.request("/evil")
        evil.wait_open(100)
        assert not done.wait(besieged.SECONDS)
    evil.event("never").set()
    seen.expect(exchanges=["client_gone"])
