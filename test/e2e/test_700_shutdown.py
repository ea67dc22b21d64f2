# SPDX-License-Identifier: Apache-2.0
"""SIGTERM: what is under way ends in peace, nothing new begins, the exit code is 0."""

import contextlib
import os
import signal
import socket
import threading
import time

import h2.exceptions
import pytest
from hyperframe import frame as hf

from origin import chunk, echo, head, last_chunk, respond, send, sleep, wait
from reloading import change

LARGE = b"x" * 3_000_000


def begin_drain(proxy):
    proxy.send_signal(signal.SIGTERM)
    proxy.wait_stderr("draining")


@pytest.mark.parametrize("kind", ["h2", "h2c", "h1", "h1s"])
def test_a_long_download_ends_in_peace(outrider, origin, kind):
    origin.on(
        "/", send(head(200, [("Transfer-Encoding", "chunked")]) + chunk(b"first")), wait("go"),
        send(chunk(LARGE) + last_chunk([("x-t", "u")])),
    )  # fmt: skip
    proxy = outrider(origin)
    if kind.startswith("h2"):
        with proxy.h2(kind == "h2") as client:
            stream_id = client.request("/")
            client.wait_until(lambda: client.responses[stream_id].body)
            begin_drain(proxy)
            client.settle(0.1)
            origin.event("go").set()
            response = client.wait(stream_id)
            assert response.body == b"first" + LARGE and response.is_complete
            assert response.trailers == [("x-t", "u")]
            client.wait_closed(3)
    else:
        with proxy.h1(kind == "h1s") as old:
            old.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert old.read_head()[0] == 200
            begin_drain(proxy)
            origin.event("go").set()
            assert old.read_chunked() == (b"first" + LARGE, [("x-t", "u")])
            assert old.is_closed(3)
    start = time.monotonic()
    proxy.stop()
    assert time.monotonic() - start < 3


def test_uploads_end_in_peace(outrider, origin):
    origin.on("/", echo())
    proxy = outrider(origin)
    with proxy.h2() as client, proxy.h1() as old:
        stream_id = client.request("/", "POST", end=False)
        client.send_body(stream_id, b"first", end=False)
        old.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nfirst")
        origin.wait_requests(2)
        begin_drain(proxy)
        client.settle(0.1)
        client.send_body(stream_id, b"second")
        assert client.wait(stream_id).body == b"firstsecond"
        old.send(b"second")
        status, fields, body = old.read_response()
        assert (status, body) == (200, b"firstsecond")
        assert dict(fields)["connection"] == "close"
        assert old.is_closed(3)


def test_goaway_comes_in_two_steps(outrider, origin):
    """Requests that were on their way when the first came are still served."""
    origin.on("/", wait("go"), respond(200, [], b"hello"))
    proxy = outrider(origin, workers=1)
    with proxy.raw_h2(polite=False) as raw:
        raw.handshake()
        raw.send(raw.settings({}, ack=True))
        raw.send(raw.headers(1, raw.request("/")))
        origin.wait_requests(1)
        begin_drain(proxy)
        first = raw.expect(hf.GoAwayFrame)
        assert (first.last_stream_id, first.error_code) == (2**31 - 1, 0)
        raw.send(raw.ping(b"behindit"))
        while raw.expect(hf.PingFrame).opaque_data != b"behindit":
            pass
        ping = next(f for f in raw.frames if isinstance(f, hf.PingFrame) and "ACK" not in f.flags)
        raw.send(raw.headers(3, raw.request("/")))  # sent before the client had seen it
        origin.wait_requests(2)
        raw.send(raw.ping(ping.opaque_data, ack=True))
        second = raw.expect(hf.GoAwayFrame)
        assert (second.last_stream_id, second.error_code) == (3, 0)
        raw.send(raw.headers(5, raw.request("/late")))
        origin.event("go").set()
        assert raw.expect_head(1)[":status"] == "200"
        raw.expect_closed(3)
        assert {f.stream_id for f in raw.frames if "END_STREAM" in f.flags} == {1, 3}
    assert not origin.seen("/late")


def test_a_client_that_answers_no_ping_is_told_after_a_second(outrider, origin):
    origin.on("/", wait("go"), respond(200, [], b"hello"))
    proxy = outrider(origin, workers=1)
    with proxy.raw_h2(polite=False) as raw:
        raw.send(raw.headers(1, raw.request("/")))
        origin.wait_requests(1)
        begin_drain(proxy)
        start = time.monotonic()
        assert raw.expect(hf.GoAwayFrame).last_stream_id == 2**31 - 1
        assert raw.expect(hf.GoAwayFrame).last_stream_id == 1
        assert 0.8 < time.monotonic() - start < 2
        origin.event("go").set()
        assert raw.expect_head(1)[":status"] == "200"
        raw.expect_closed(3)


def test_idle_clients_are_closed_at_once(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin)
    with proxy.h2() as used, proxy.h2(tls=False) as unused, proxy.h1() as old, proxy.h1() as silent:
        assert used.get("/").body == b"hello"
        unused.ping()
        old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert old.read_response()[2] == b"hello"
        start = time.monotonic()
        begin_drain(proxy)
        used.wait_closed(3)
        unused.wait_closed(3)
        assert [code for _, code in used.goaways] == [0, 0]
        assert old.is_closed(2) and silent.is_closed(2)
        assert time.monotonic() - start < 2
        proxy.process.wait(3)
    assert proxy.process.returncode == 0


def test_http1_says_close_while_draining(outrider, origin):
    origin.on("/", sleep(0.2), respond(200, [], b"hello"))
    proxy = outrider(origin)
    with proxy.h1() as old:
        old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        origin.wait_requests(1)
        begin_drain(proxy)
        old.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        status, fields, body = old.read_response()
        assert (status, body, dict(fields)["connection"]) == (200, b"hello", "close")
        assert old.is_closed(3)
    assert not origin.seen("/next")


def test_nothing_new_is_accepted(outrider, origin):
    origin.on("/", wait("go"), respond(200, [], b"hello"))
    proxy = outrider(origin)
    with proxy.h2() as client:
        stream_id = client.request("/")
        origin.wait_requests(1)
        begin_drain(proxy)
        end = time.monotonic() + 2
        for port in (proxy.https_port, proxy.http_port):
            with pytest.raises(ConnectionRefusedError):
                while time.monotonic() < end:
                    with contextlib.suppress(ConnectionResetError):  # stood in the line, not accepted
                        socket.create_connection(("127.0.0.1", port), 2).close()
        origin.event("go").set()
        assert client.wait(stream_id).body == b"hello"


@pytest.mark.parametrize("how", ["signal", "reload"])
def test_who_waits_in_the_queue_is_served(outrider, origin, how):
    """Who connected was not refused, so it is not reset when its listener closes. More wait than are
    accepted at a time."""
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin, log={"access": "off"}, workers=1)
    proxy.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, proxy.process.pid, os.WSTOPPED | os.WNOWAIT)
    with contextlib.ExitStack() as stack:
        waiting = []
        for _ in range(200):
            client = stack.enter_context(proxy.h1())
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            waiting.append(client)
        if how == "signal":
            proxy.send_signal(signal.SIGTERM)
        else:
            change(proxy, listeners=[{"address": "http://127.0.0.2:0"}])
        proxy.send_signal(signal.SIGCONT)
        for client in waiting:
            status, _, body = client.read_response()
            assert (status, body) == (200, b"hello")


def test_the_drain_timeout_cuts_what_is_left(outrider, origin):
    origin.on("/", send(head(200, [("Content-Length", 9)]) + b"abc"), wait("never"))
    proxy = outrider(origin, timeouts={"drain": "600ms"})
    with proxy.h2() as client, proxy.h1() as old:
        stream_id = client.request("/")
        client.wait_head(stream_id)
        old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert old.read_head()[0] == 200
        start = time.monotonic()
        begin_drain(proxy)
        client.wait_closed(4)
        assert not client.responses[stream_id].is_ended
        with pytest.raises(ConnectionError):
            old.read(9)
        proxy.stop()
        assert 0.5 < time.monotonic() - start < 2
    origin.event("never").set()
    lines = proxy.access_log(2)
    assert [line["fault"] for line in lines] == ["draining"] * 2


def test_many_at_once(outrider, origin):
    """TRUST row 27, in small: nothing that can end in time fails."""
    origin.on("/long", send(head(200, [("Content-Length", 10)])), sleep(0.5), send(b"0123456789"))
    origin.on("/short", sleep(0.01), respond(200, [], b"short"))
    proxy = outrider(origin)
    failures, counts = [], []
    clients = [proxy.h2(tls=number % 2 == 0) for number in range(8)]
    ids = [[client.request("/long") for _ in range(12)] for client in clients]
    origin.wait_requests(96)

    def hammer(client, long_ids):
        """Short requests until GOAWAY; those behind its last id may be refused."""
        asked = []
        while not client.goaways and not client.is_closed:
            asked.append(client.request("/short"))
            client.pump(0.005)
        for stream_id in long_ids + asked:
            try:
                response = client.wait(stream_id, 10)
            except (ConnectionError, TimeoutError, h2.exceptions.ProtocolError) as error:
                last_id = client.goaways[-1][0] if client.goaways else 0
                if stream_id <= last_id:
                    failures.append((stream_id, repr(error)))
                continue
            if not response.is_complete or response.status != 200:
                failures.append(response)
            counts.append(1)

    threads = [threading.Thread(target=hammer, args=pair) for pair in zip(clients, ids)]
    for thread in threads:
        thread.start()
    time.sleep(0.15)
    begin_drain(proxy)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    for client in clients:
        client.close()
    assert not failures and len(counts) > 96 + 8, (failures[:5], len(counts))
    proxy.stop()
