# SPDX-License-Identifier: Apache-2.0
"""Origins that are away, slow, silent or restarted; and waiting that is not the origin's fault."""

import contextlib
import signal
import socket
import threading
import time

import pytest

from origin import (
    Origin,
    chunk,
    close,
    closed_port,
    head,
    read_body,
    respond,
    send,
    sleep,
    trickle,
    wait,
    wait_closed,
)


class Elapsed:
    def __enter__(self):
        self.start = time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.start


# ---- connecting ----------------------------------------------------------------------------------


def test_refused_at_once(outrider):
    proxy = outrider(f"http://127.0.0.1:{closed_port()}")
    with proxy.h2() as client, Elapsed() as took:
        assert [client.get("/").status for _ in range(10)] == [502] * 10
    assert took.seconds < 1
    assert proxy.stderr.count("fault=origin_refused") <= 2  # warned of, but not per request


@contextlib.contextmanager
def deaf_port():
    """A port that takes no further connection: its line is full and nobody accepts."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    address = listener.getsockname()
    held = []
    for _ in range(4):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(address)
        held.append(sock)
    time.sleep(0.05)
    try:
        yield address[1]
    finally:
        for sock in (*held, listener):
            sock.close()


def test_connect_timeout(outrider, origin):
    origin.on("/", respond(200, [], b"fine"))
    with deaf_port() as port:
        proxy = outrider(
            origins={
                "deaf": {"url": f"http://127.0.0.1:{port}", "connect_timeout": "300ms"},
                "app": {"url": origin.url},
            },
            routes=[{"origin": "app"}, {"path": "/deaf", "origin": "deaf"}],
            workers=1,
        )
        with proxy.h2() as client, Elapsed() as took:
            deaf = [client.request("/deaf") for _ in range(3)]
            assert client.get("/", limit=0.25).body == b"fine"  # nobody else waits
            for stream_id in deaf:
                response = client.wait(stream_id)
                assert response.status == 504
                assert response.header("proxy-status") == "outrider; error=connection_timeout"
        assert 0.25 < took.seconds < 1.5


def test_a_client_that_leaves_while_we_connect(outrider):
    with deaf_port() as port:
        proxy = outrider(f"http://127.0.0.1:{port}", {"connect_timeout": "10s"}, workers=1)
        with proxy.h2() as client:
            client.ping()
            before = proxy.open_files()
            for _ in range(10):
                client.reset(client.request("/"))
            client.ping()
            end = time.monotonic() + 3
            while proxy.open_files() > before and time.monotonic() < end:
                time.sleep(0.02)
            assert proxy.open_files() <= before


# ---- restarts ------------------------------------------------------------------------------------


def origin_at(port):
    """A scripted origin on a given port."""
    made = Origin()
    made.listener.close()
    made.listener = socket.create_server(("127.0.0.1", port), reuse_port=False)
    made.listener.listen(512)
    threading.Thread(target=made._accept, daemon=True).start()  # pylint: disable=protected-access
    made.on("/", respond(200, [], b"up"))
    return made


def test_killed_and_restarted_again_and_again(outrider):
    """GETs fail only while nobody is there, and work at once when the origin is back."""
    port = closed_port()
    proxy = outrider(f"http://127.0.0.1:{port}", workers=1)
    with proxy.h2() as client:
        for _ in range(10):
            assert client.get("/").status == 502
            origin = origin_at(port)
            with Elapsed() as took:
                while client.get("/").status != 200:
                    time.sleep(0.01)
            assert took.seconds < 2
            responses = client.get_all(["/"] * 10)
            assert [response.body for response in responses] == [b"up"] * 10
            origin.stop()


def test_restarted_between_two_requests(outrider):
    """The idle connections of the old one are no reason to fail."""
    port = closed_port()
    proxy = outrider(f"http://127.0.0.1:{port}", {"idle_timeout": "1m"}, workers=1)
    with proxy.h2() as client:
        for method in ("GET", "POST", "GET"):
            origin = origin_at(port)
            assert client.get("/", method=method).body == b"up"
            assert client.get_all(["/"] * 5)[-1].body == b"up"
            origin.stop()
            time.sleep(0.05)


def test_unix_socket_that_comes_late_and_goes(outrider, tmp_path):
    path = tmp_path / "late.sock"
    proxy = outrider(f"unix:{path}", workers=1)
    with proxy.h2() as client:
        assert client.get("/").status == 502
        origin = Origin(path)
        origin.on("/", respond(200, [], b"here"))
        assert client.get("/").body == b"here"
        origin.stop()
        path.unlink()
        assert client.get("/").status == 502


# ---- silence -------------------------------------------------------------------------------------


def test_silence_before_the_head_is_504_and_after_it_a_reset(outrider, origin):
    origin.on("/none", wait_closed())
    origin.on("/part", send(b"HTTP/1.1 200 OK\r\nX-A:"), wait_closed())
    origin.on("/hint", send(head(103, [("X", "y")])), wait_closed())
    origin.on("/head", send(head(200, [("Content-Length", 9)])), wait_closed())
    origin.on("/body", send(head(200, [("Transfer-Encoding", "chunked")]) + chunk(b"x")),
              wait_closed())  # fmt: skip
    origin.on("/fine", respond(200, [], b"fine"))
    options = {"first_byte_timeout": "300ms", "between_bytes_timeout": "300ms"}
    proxy = outrider(origin, options, workers=1)
    paths = ["/none", "/part", "/hint", "/head", "/body"]
    with proxy.h2() as client, Elapsed() as took:
        ids = [client.request(path) for path in paths]
        assert client.get("/fine").body == b"fine"
        responses = [client.wait(stream_id) for stream_id in ids]
    assert 0.25 < took.seconds < 1.2
    assert [response.status for response in responses] == [504, 504, 504, 200, 200]
    assert [response.reset for response in responses] == [None, None, None, 2, 2]
    assert not responses[3].is_ended and not responses[4].is_ended
    for path in paths:
        assert origin.last(path).is_done.wait(2) and origin.last(path).is_abandoned
    with proxy.h1() as old:
        old.send(b"GET /body HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(ConnectionError):
            old.read_response()


def test_a_slow_but_steady_origin_is_waited_for(outrider, origin):
    text = head(200, [("Content-Length", 8)]) + b"12345678"
    origin.on("/slow", send(text[:-8]), trickle(text[-8:], 1, 0.1))
    origin.on("/hints", *[step for _ in range(5) for step in (sleep(0.15), send(head(103)))],
              send(text))  # fmt: skip
    options = {"first_byte_timeout": "400ms", "between_bytes_timeout": "400ms"}
    with outrider(origin, options).h2() as client:
        for response in client.get_all(["/slow", "/hints"]):
            assert response.body == b"12345678" and response.is_complete


def test_total_timeout(outrider, origin):
    text = head(200, [("Content-Length", 30)])
    origin.on("/slow", send(text), trickle(b"x" * 30, 1, 0.05), wait_closed())
    with outrider(origin, {"total_timeout": "500ms"}, workers=1).h2() as client:
        with Elapsed() as took:
            response = client.get("/slow")
        assert response.reset == 2 and not response.is_ended
        assert 0.4 < took.seconds < 1.2


def test_a_slow_client_is_not_the_origins_silence(outrider, origin):
    """While the client takes nothing, or sends nothing, the origin is not asked for more."""
    body = b"x" * 400000
    origin.on("/down", respond(200, [], body))
    origin.on("/up", read_body(), respond(200, [], b"ok"))
    options = {"first_byte_timeout": "200ms", "between_bytes_timeout": "200ms"}
    proxy = outrider(origin, options, workers=1)
    with proxy.h2(auto_window=False) as client:
        stream_id = client.request("/down")
        client.settle(0.7)
        response = client.responses[stream_id]
        assert len(response.body) == 65535 and not response.is_over
        while not response.is_over:
            taken = len(response.body)
            client.wait_until(lambda: response.is_over or client.pump(0.1) or True)
            client.settle(0.02)
            given = min(65535, len(body) - (taken - 65535))
            if not response.is_over:
                client.acknowledge(stream_id, given)
        assert response.body == body and response.is_complete
    with proxy.h2() as client:
        stream_id = client.request("/up", "POST", end=False)
        for _ in range(4):
            client.send_body(stream_id, b"part", end=False)
            time.sleep(0.25)
        client.send_body(stream_id, b"end")
        assert client.wait(stream_id).body == b"ok"
    assert origin.last("/up").body == b"part" * 4 + b"end"


def test_a_client_that_stops_in_its_upload_is_408(outrider, origin):
    origin.on("/", read_body(), respond(200, [], b"complete?"))
    options = {"first_byte_timeout": "5s"}
    proxy = outrider(origin, options, timeouts={"body": "400ms"}, workers=1)
    with proxy.h2() as client, Elapsed() as took:
        stream_id = client.request("/", "POST", end=False)
        client.send_body(stream_id, b"part", end=False)
        client.wait_until(lambda: client.responses[stream_id].is_over)
        response = client.responses[stream_id]
        assert response.status in (0, 408) and response.body != b"complete?"
    assert took.seconds < 4
    assert origin.last().is_done.wait(2) and origin.last().is_abandoned


# ---- nobody else waits ---------------------------------------------------------------------------


def test_a_stopped_origin_does_not_hold_up_another(outrider, make_origin):
    """One origin takes connections and is silent; the other's answers come as fast as before."""
    stuck, fine = make_origin(), make_origin()
    stuck.on("*", wait("never"))
    fine.on("*", respond(200, [], b"fine"))
    proxy = outrider(
        origins={"stuck": {"url": stuck.url}, "fine": {"url": fine.url}},
        routes=[{"origin": "fine"}, {"path": "/stuck", "origin": "stuck"}],
        workers=1,
    )
    with proxy.h2() as client:
        for _ in range(50):
            client.request("/stuck")
        stuck.wait_requests(50)
        with Elapsed() as took:
            for _ in range(20):
                assert client.get("/", limit=2).body == b"fine"
        assert took.seconds < 2
    stuck.event("never").set()


def test_a_stopped_reader_of_an_upload_does_not_hold_up_another(outrider, origin):
    origin.on("/up", wait("go"), read_body(), respond(200, [], b"done"))
    origin.on("/", respond(200, [], b"fine"))
    body = b"u" * 2_000_000
    with outrider(origin, workers=1).h2() as client:
        up = client.request("/up", "POST", end=False)
        sent = 0
        end = time.monotonic() + 1
        while time.monotonic() < end:  # until the proxy gives no more window
            room = min(client.conn.local_flow_control_window(up), 16384, len(body) - sent)
            if room <= 0:
                client.pump(0.1)
                continue
            client.conn.send_data(up, body[sent : sent + room])
            client.flush()
            sent += room
        assert client.get("/", limit=2).body == b"fine"
        origin.event("go").set()
        client.send_body(up, body[sent:])
        assert client.wait(up).body == b"done"
    assert len(origin.last("/up").body) == len(body)


WAITING = [
    b"GET / HTT",
    b"GET / HTTP/1.1\r\nHost: a\r\nX",
    b"POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a",
    b"GET /half HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
]


def test_no_busy_loop_while_everybody_waits(outrider, origin):
    """Half requests, half responses, closed windows: no processor time (TRUST row 20)."""
    origin.on("/half", send(b"HTTP/1.1 200 OK\r\nX:"), wait("never"))
    chunked = head(200, [("Transfer-Encoding", "chunked")])
    origin.on("/chunk", send(chunked + b"5\r\nab"), wait("never"))
    origin.on("/size", send(chunked + b"5;x"), wait("never"))
    origin.on("/large", respond(200, [], b"x" * 1_000_000))
    origin.on("/up", wait("never"))
    proxy = outrider(origin, {"max_idle": 1}, workers=1)
    with contextlib.ExitStack() as stack:
        for number in range(5):
            modern = stack.enter_context(proxy.h2(tls=number % 2 == 0, auto_window=False))
            for path in ("/half", "/chunk", "/size", "/large"):
                modern.request(path)
            up = modern.request("/up", "POST", end=False)
            modern.send_body(up, b"u" * 60000, end=False)
            modern.settle(0.02)
            raw = stack.enter_context(proxy.raw_h2(tls=number % 2 == 1))
            raw.send(raw.ping().serialize()[:12])
            for text in WAITING:
                old = stack.enter_context(proxy.h1(tls=number % 2 == 0))
                old.send(text)
        time.sleep(0.3)
        before = cpu_seconds(proxy)
        time.sleep(1.5)
        assert cpu_seconds(proxy) - before <= 0.05
    origin.event("never").set()


def cpu_seconds(proxy):
    with open(f"/proc/{proxy.process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_stopped_for_a_while(outrider, origin):
    """A process that the system stopped (a laptop that slept) goes on where it was."""
    origin.on("/", sleep(0.2), respond(200, [], b"ok"))
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        ids = [client.request("/") for _ in range(5)]
        origin.wait_requests(5)
        proxy.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        proxy.send_signal(signal.SIGCONT)
        assert [client.wait(stream_id).body for stream_id in ids] == [b"ok"] * 5


def test_an_origin_that_closes_at_once(outrider, origin):
    origin.on_connect = lambda conn: conn.close()
    with outrider(origin, workers=1).h2() as client:
        assert [response.status for response in client.get_all(["/"] * 20)] == [502] * 20
    origin.on("/", close())
