# SPDX-License-Identifier: Apache-2.0
"""Bodies of any size in little memory: what a slow side does not take, the fast side keeps."""

import time

import pytest

from origin import head, notify, respond, send, send_many, swallow, wait
from tools import FRUGAL

BLOCK = b"x" * 65536
MIB = 1 << 20
SLACK_KB = 24 * 1024


def drain(client, stream_id, total):
    """Takes the rest of a response and forgets its bytes; the windows are given back."""
    response = client.responses[stream_id]
    seen = 0
    while not response.is_over:
        client.wait_until(lambda: response.body or response.is_over)
        seen += len(response.body)
        response.body = b""
    assert response.is_complete and seen + len(response.body) == total, (seen, total, response)


@pytest.mark.parametrize("kind", ["h2", "h2c", "h1"])
def test_a_client_that_takes_nothing_stops_the_origin(outrider, origin, kind):
    """100 MB are on offer; what the proxy takes of them is bounded, and memory is flat."""
    blocks = 1600
    big = send(head(200, [("Content-Length", blocks * len(BLOCK))]))
    origin.on("/", big, send_many(blocks, BLOCK))
    proxy = outrider(origin, workers=1, env=FRUGAL)
    before = proxy.resident_kb()
    if kind == "h1":
        with proxy.h1() as old:
            old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            taken = steady(origin)
            assert taken < 24 * MIB  # the kernel's buffers on both sides
            assert proxy.resident_kb() - before < SLACK_KB
            status, _ = old.read_head()
            left = blocks * len(BLOCK)
            while left > 0:
                left -= len(old.read(min(left, MIB)))
            assert status == 200
    else:
        with proxy.h2(kind == "h2", auto_window=False) as client:
            stream_id = client.request("/")
            client.wait_head(stream_id)
            client.settle(0.1)
            taken = steady(origin)
            assert taken < 12 * MIB
            assert proxy.resident_kb() - before < SLACK_KB
            client.auto_window = True
            client.acknowledge(stream_id, len(client.responses[stream_id].body))
            first = len(client.responses[stream_id].body)
            client.responses[stream_id].body = b""
            drain(client, stream_id, blocks * len(BLOCK) - first)
    assert proxy.resident_kb() - before < SLACK_KB


def steady(origin):
    """What the origin could send, once it can send no more."""
    request = origin.last()
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < 0.3:
        if request.sent_bytes != seen:
            seen, since = request.sent_bytes, time.monotonic()
        time.sleep(0.02)
    return seen


@pytest.mark.parametrize("kind", ["h2", "h1", "h1 chunked"])
def test_an_origin_that_takes_nothing_stops_the_client(outrider, origin, kind):
    origin.on("/", notify("here"), wait("go"), swallow(), respond(200, [], b"done"))
    proxy = outrider(origin, workers=1, env=FRUGAL)
    before = proxy.resident_kb()
    if kind == "h2":
        with proxy.h2() as client:
            stream_id = client.request("/", "POST", end=False)
            sent = fill(client, stream_id)
            assert sent < 12 * MIB
            assert proxy.resident_kb() - before < SLACK_KB
            origin.event("go").set()
            client.send_body(stream_id, b"x" * 3_000_000)
            assert client.wait(stream_id).body == b"done"
            total = sent + 3_000_000
    else:
        with proxy.h1() as old:
            total = 60 * MIB
            is_chunked = kind == "h1 chunked"
            framing = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % total
            old.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
            pieces = (
                b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK) if is_chunked else BLOCK
                for _ in range(total // len(BLOCK))
            )
            old.sock.settimeout(0.5)
            sent = 0
            with pytest.raises(TimeoutError):
                for piece in pieces:
                    view = memoryview(piece)
                    while view:
                        count = old.sock.send(view)
                        view = view[count:]
                        sent += count
            assert sent < 24 * MIB
            assert proxy.resident_kb() - before < SLACK_KB
            origin.event("go").set()
            old.sock.settimeout(20)
            old.send(view)
            for piece in pieces:
                old.send(piece)
            if is_chunked:
                old.send(b"0\r\n\r\n")
            assert old.read_response()[2] == b"done"
    assert origin.last().counted_bytes == total
    assert proxy.resident_kb() - before < SLACK_KB


def fill(client, stream_id, quiet=0.5):
    """Sends until the server has given no window for a while."""
    sent, since = 0, time.monotonic()
    while time.monotonic() - since < quiet:
        room = min(client.conn.local_flow_control_window(stream_id), 16384)
        if room > 0:
            client.conn.send_data(stream_id, BLOCK[:room])
            client.flush()
            sent, since = sent + room, time.monotonic()
        else:
            client.pump(0.05)
    return sent


def test_many_slow_takers_are_bounded_together(outrider, origin):
    """60 streams that nobody takes hold 64 KB each at most."""
    origin.on("/", send(head(200, [("Content-Length", 16 * len(BLOCK))])), send_many(16, BLOCK))
    proxy = outrider(origin, workers=1, env=FRUGAL)
    with proxy.h2(auto_window=False) as client:
        before = proxy.resident_kb()
        for _ in range(60):
            client.request("/")
        client.settle(0.5)
        assert proxy.resident_kb() - before < 60 * 64 * 3 + SLACK_KB


def test_the_slow_stream_does_not_hold_up_the_fast(outrider, origin):
    origin.on("/large", respond(200, [], b"l" * 2_000_000))
    origin.on("/small", respond(200, [], b"s" * 1000))
    proxy = outrider(origin, workers=1, env=FRUGAL)
    with proxy.h2(auto_window=False, connection_window=4 * MIB) as client:
        slow = client.request("/large")
        client.settle(0.1)
        for _ in range(20):
            stream_id = client.request("/small")
            assert client.wait(stream_id, 2).body == b"s" * 1000
            client.acknowledge(stream_id, 1000) if not client.responses[stream_id].is_over else None
        assert not client.responses[slow].is_over


def test_a_response_that_stalls_is_given_up(outrider, origin):
    """TRUST row 6: window updates do not keep a stream alive that takes nothing."""
    origin.on("/", send(head(200, [("Content-Length", 4000000)])), send_many(60, BLOCK))
    proxy = outrider(origin, timeouts={"write": "500ms"}, workers=1, env=FRUGAL)
    with proxy.h2(auto_window=False, connection_window=MIB) as client:
        stream_id = client.request("/")
        response = client.responses[stream_id]
        client.wait_until(lambda: response.is_over, 8)
        assert response.reset == 8 and not response.is_ended
        client.ping()
    assert origin.last().is_done.wait(3)
    with proxy.h1() as old:
        old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        end = time.monotonic() + 8
        while not origin.last().is_done.is_set() and time.monotonic() < end:
            time.sleep(0.05)
        assert origin.last().is_done.is_set()


@pytest.mark.limit(90)
@pytest.mark.parametrize("direction", ["down", "up"])
def test_256_mib_in_flat_memory(outrider, origin, direction):
    count = 4096
    total = count * len(BLOCK)
    origin.on("/down", send(head(200, [("Content-Length", total)])), send_many(count, BLOCK))
    origin.on("/up", swallow(), respond(200, [], b"done"))
    proxy = outrider(origin, workers=1, env=FRUGAL)
    with proxy.h1() as old:
        before = proxy.resident_kb()
        peak = 0
        if direction == "down":
            old.send(b"GET /down HTTP/1.1\r\nHost: a\r\n\r\n")
            assert old.read_head()[0] == 200
            left = total - len(old._input)  # pylint: disable=protected-access
            buffer = bytearray(MIB)
            turn = 0
            while left > 0:
                size = old.sock.recv_into(buffer, min(left, MIB))
                assert size > 0
                left -= size
                turn += 1
                if turn % 200 == 0:
                    peak = max(peak, proxy.resident_kb())
        else:
            old.send(b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % total)
            for number in range(count):
                old.send(BLOCK)
                if number % 200 == 0:
                    peak = max(peak, proxy.resident_kb())
            assert old.read_response()[2] == b"done"
            assert origin.last().counted_bytes == total
        assert max(peak, proxy.resident_kb()) - before < SLACK_KB


def test_early_end_of_a_large_download(outrider, origin):
    """The client has seen enough: the origin is not drained to its end."""
    origin.on("/", send(head(200, [("Content-Length", 100 * MIB)])), send_many(1600, BLOCK))
    proxy = outrider(origin, workers=1, env=FRUGAL)
    with proxy.h2() as client:
        stream_id = client.request("/")
        client.wait_head(stream_id)
        client.reset(stream_id)
        assert origin.last().is_done.wait(3) and origin.last().is_abandoned
    with proxy.h1() as old:
        old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        old.read(1000)
        old.close()
    assert origin.wait_requests(2)[-1].is_done.wait(3)
    assert all(request.sent_bytes < 40 * MIB for request in origin.requests)
