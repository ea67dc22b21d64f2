# SPDX-License-Identifier: Apache-2.0
"""Connections to the origin: when they are used again, and that nobody gets another's answer."""

import pathlib
import random
import signal
import threading
import time

import pytest

from origin import (
    chunk,
    close,
    echo,
    head,
    last_chunk,
    read_body,
    reset,
    respond,
    send,
    sleep,
    wait,
    wait_closed,
)

OK = head(200, [("Content-Length", 2)]) + b"ok"


def test_a_connection_serves_one_after_the_other(outrider, origin):
    origin.on("/", respond(200, [], b"ok"))
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client, proxy.h1() as old:
        for _ in range(20):
            assert client.get("/").body == b"ok"
            old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert old.read_response()[2] == b"ok"
    assert [request.number_on_connection for request in origin.requests] == list(range(1, 41))
    proxy.stop()
    lines = proxy.access_log(40)
    assert [line["reused"] for line in lines] == [False] + [True] * 39


def test_as_many_connections_as_requests_at_once(outrider, origin):
    origin.on("/", wait("all"), respond(200, [], b"ok"))
    with outrider(origin, workers=1).h2() as client:
        ids = [client.request("/") for _ in range(8)]
        origin.wait_requests(8)
        origin.event("all").set()
        assert all(client.wait(stream_id).body == b"ok" for stream_id in ids)
        assert len(origin.connections) == 8
        assert all(response.body == b"ok" for response in client.get_all(["/"] * 8))
        assert len(origin.connections) == 8


def test_limits_of_the_pool(outrider, origin):
    origin.on("/", sleep(0.05), respond(200, [], b"ok"))
    options = {"max_connections": 3, "max_idle": 1}
    with outrider(origin, options, workers=1).h2() as client:
        assert [r.status for r in client.get_all(["/"] * 9)] == [200] * 9
        assert len(origin.connections) == 3
        origin.wait_open(1, 3)


def test_idle_connections_are_closed_after_two_seconds(outrider, origin):
    origin.on("/", respond(200, [], b"ok"))
    with outrider(origin, workers=1).h2() as client:
        assert client.get("/").body == b"ok"
        start = time.monotonic()
        origin.wait_open(0, 4)
        assert 1.9 <= time.monotonic() - start < 3
        assert client.get("/").body == b"ok"
    assert [request.connection for request in origin.requests] == [1, 2]


@pytest.mark.parametrize(
    "options, header, least, most",
    [
        ({"idle_timeout": "300ms"}, [], 0.25, 1.2),
        ({"idle_timeout": "1m"}, [("Keep-Alive", "timeout=2, max=100")], 0.9, 2),
        ({"idle_timeout": "1m"}, [("Keep-Alive", "max=5,timeout=1")], 0, 0.5),
        ({"idle_timeout": "300ms"}, [("Keep-Alive", "timeout=60")], 0.25, 1.2),
    ],
)
def test_idle_time_is_ours_or_less_than_the_origins(outrider, origin, options, header, least, most):
    origin.on("/", respond(200, header, b"ok"))
    with outrider(origin, options, workers=1).h2() as client:
        assert client.get("/").body == b"ok"
        start = time.monotonic()
        origin.wait_open(0, 4)
        assert least <= time.monotonic() - start < most


LENGTH = ("Content-Length", 2)
NEVER_AGAIN = [
    ("connection: close", [send(head(200, [LENGTH, ("Connection", "close")]) + b"ok")]),
    ("close among others", [send(head(200, [LENGTH, ("Connection", "x, Close")]) + b"ok")]),
    ("HTTP/1.0", [send(head(200, [("Content-Length", 2)], "HTTP/1.0") + b"ok")]),
    ("one byte too many", [send(OK + b"x")]),
    ("line end too many", [send(OK + b"\r\n")]),
    ("a second response", [send(OK + OK)]),
    ("a second response later", [send(OK), sleep(0.02), send(OK)]),
    ("a byte later", [send(OK), sleep(0.02), send(b"x")]),
    ("a byte behind chunks", [send(head(200, [("Transfer-Encoding", "chunked")]) + chunk(b"ok")
                                   + last_chunk() + b"x")]),
    ("content of a 204", [send(head(204) + b"ok")]),
    ("content of a 304", [send(head(304, [("Content-Length", 2)]) + b"ok")]),
    ("half closed", [send(OK), lambda conn, _: conn.sock.shutdown(1), wait_closed()]),
]  # fmt: skip


@pytest.mark.parametrize("name, steps", NEVER_AGAIN, ids=[name for name, _ in NEVER_AGAIN])
def test_never_used_again(outrider, origin, name, steps):
    origin.on("/odd", *steps)
    origin.on("/next", respond(200, [], b"next"))
    with outrider(origin, workers=1).h2() as client:
        response = client.get("/odd")
        assert response.status in (200, 204, 304) and response.is_complete
        assert response.body == (b"ok" if response.status == 200 else b"")
        if "later" in name:
            time.sleep(0.1)
        assert client.get("/next").body == b"next"
    assert [request.connection for request in origin.requests] == [1, 2]
    assert origin.seen("/odd")[0].is_done.wait(5)


def test_content_of_a_head_response_is_nobodys(outrider, origin):
    origin.on_each("/", [send(OK)], [respond(200, [], b"next")])
    with outrider(origin, workers=1).h2() as client:
        assert client.get("/", method="HEAD").body == b""
        assert client.get("/").body == b"next"
    assert [request.connection for request in origin.requests] == [1, 2]


def test_an_answer_to_a_request_not_read_ends_the_connection(outrider, origin):
    """The rest of the request would stand before the next one."""
    origin.on("/", respond(200, [], b"early", early=True))
    origin.on("/next", respond(200, [], b"next"))
    with outrider(origin, workers=1).h2() as client:
        stream_id = client.request("/", "POST", end=False)
        client.send_body(stream_id, b"x" * 100, end=False)
        assert client.wait_head(stream_id).status == 200
        assert client.get("/next").body == b"next"
    assert [request.connection for request in origin.requests] == [1, 2]


def test_a_response_that_nobody_wants_ends_the_connection(outrider, origin):
    origin.on("/", sleep(0.1), respond(200, [], b"unwanted"))
    origin.on("/next", respond(200, [], b"next"))
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        stream_id = client.request("/")
        origin.wait_requests(1)
        client.reset(stream_id)
        assert client.get("/next").body == b"next"
    with proxy.h1() as old:
        old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        origin.wait_requests(2, "/")
        old.close()
    time.sleep(0.05)
    with proxy.h2() as client:
        assert client.get("/next").body == b"next"
    for request in origin.seen("/"):
        assert request.is_done.wait(3)
    by_path = {(request.path, request.connection) for request in origin.requests}
    assert {connection for path, connection in by_path if path == "/"}.isdisjoint({3})


# ---- retry ---------------------------------------------------------------------------------------


def closing_after(count):
    """A connection that answers `count` requests and ends at the next one without an answer."""

    def step(conn, request):
        conn.read_body()
        if request.number_on_connection > count:
            conn.close()
        else:
            conn.send(OK)

    return step


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
@pytest.mark.parametrize("end", [close, reset])
def test_retried_once_on_a_new_connection(outrider, origin, method, end):
    origin.on_each("/", [respond(200, [], b"ok")], [end()], [respond(200, [], b"again")])
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        assert client.get("/").body == b"ok"
        response = client.get("/", method=method)
        assert response.status == 200 and response.body == (b"" if method == "HEAD" else b"again")
    assert [request.connection for request in origin.requests] == [1, 1, 2]
    proxy.stop()
    assert [line["retried"] for line in proxy.access_log(2)] == [False, True]


@pytest.mark.parametrize("method", ["POST", "PATCH", "X-OWN"])
def test_what_is_not_idempotent_is_sent_once(outrider, origin, method):
    origin.on_each("/", [respond(200, [], b"ok")], [close()], [respond(200, [], b"twice!")])
    with outrider(origin, workers=1).h2() as client:
        assert client.get("/").body == b"ok"
        response = client.get("/", method=method)
        assert response.status == 502
        assert response.header("proxy-status") == "outrider; error=connection_terminated"
    assert len(origin.requests) == 2


def test_not_retried_when_content_was_sent(outrider, origin):
    ends = [read_body(), close()]
    origin.on_each("/", [respond(200, [], b"ok")], ends, [respond(200, [], b"twice!")])
    with outrider(origin, workers=1).h2() as client:
        assert client.get("/").body == b"ok"
        assert client.get("/", method="PUT", body=b"content").status == 502
    assert len(origin.requests) == 2


def test_not_retried_on_a_new_connection(outrider, origin):
    origin.on_each("/", [close()], [respond(200, [], b"second")])
    with outrider(origin, workers=1).h2() as client:
        assert client.get("/").status == 502
        assert client.get("/").body == b"second"
    assert len(origin.requests) == 2


def test_not_retried_twice(outrider, origin):
    origin.on_each("/", [respond(200, [], b"ok")], [close()], [close()], [respond(200, [], b"no")])
    with outrider(origin, workers=1).h2() as client:
        assert client.get("/").body == b"ok"
        assert client.get("/").status == 502
    assert len(origin.requests) == 3


@pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 200 OK\r\n", head(103), head(100)])
def test_not_retried_when_a_byte_had_come(outrider, origin, part):
    origin.on_each("/", [respond(200, [], b"ok")], [send(part), close()], [respond(200, [], b"no")])
    with outrider(origin, workers=1).h2() as client:
        assert client.get("/").body == b"ok"
        assert client.get("/").status == 502
    assert len(origin.requests) == 2


def test_not_retried_after_silence(outrider, origin):
    origin.on_each("/", [respond(200, [], b"ok")], [sleep(0.5)], [respond(200, [], b"no")])
    with outrider(origin, {"first_byte_timeout": "200ms"}, workers=1).h2() as client:
        assert client.get("/").body == b"ok"
        assert client.get("/").status == 504
    assert len(origin.requests) == 2


def test_an_origin_that_closes_as_we_ask(outrider, origin):
    """Keep-alive race: GETs never see it, POSTs arrive once at most."""
    origin.on("/", closing_after(3))
    with outrider(origin, workers=1).h2() as client:
        assert [client.get("/").status for _ in range(40)] == [200] * 40
        before = len(origin.requests)
        statuses = [client.get("/", method="POST").status for _ in range(12)]
        assert set(statuses) == {200, 502}
        assert len(origin.requests) - before == 12


# ---- whose answer is it? -------------------------------------------------------------------------


def odd_origin(seed):
    """Answers with the request's own id, and then misbehaves in one of many ways."""
    dice = random.Random(seed)
    lock = threading.Lock()

    def step(conn, request):
        with lock:
            kind, delay = dice.randrange(12), dice.random() * 0.003
        conn.read_body()
        body = f"<{request.header('x-id')}>".encode() * 3
        whole = head(200, [("Content-Length", len(body)), ("X-Id", request.header("x-id"))]) + body
        time.sleep(delay)
        if kind == 0:
            conn.send(whole + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<evil>")
        elif kind == 1:  # later it could not be told from an answer to the next request
            conn.send(whole + b"x")
        elif kind == 2:
            conn.send(whole[:-2])
            conn.close()
        elif kind == 3:
            conn.send(whole)
            conn.close()
        elif kind == 4:
            conn.reset()
        elif kind == 5:
            conn.send(whole[: len(whole) // 2])
            time.sleep(delay)
            conn.send(whole[len(whole) // 2 :])
        elif kind == 6:
            framing = [("Transfer-Encoding", "chunked"), ("X-Id", request.header("x-id"))]
            conn.send(head(200, framing) + chunk(body[:4]) + chunk(body[4:]) + last_chunk())
        elif kind == 7:
            conn.send(head(200, [("Transfer-Encoding", "chunked")]) + chunk(body) + b"0\r\n")
            conn.close()
        else:
            conn.send(whole)

    return step


@pytest.mark.parametrize("seed", range(3))
def test_every_answer_belongs_to_its_request(outrider, origin, seed):
    """800 requests on four connections to an origin that appends, truncates and delays."""
    origin.on("/", odd_origin(seed))
    proxy = outrider(origin, {"max_connections": 6}, workers=1)
    dice = random.Random(seed + 100)
    complete = wrong = 0
    clients = [proxy.h2(tls=number == 0) for number in range(4)]
    try:
        for turn in range(20):
            asked = []
            for number, client in enumerate(clients):
                for item in range(10):
                    word = f"{seed}.{turn}.{number}.{item}"
                    method = dice.choice(["GET", "GET", "POST"])
                    body = b"content" if method == "POST" else None
                    stream_id = client.request("/", method, [("x-id", word)], body)
                    asked.append((client, stream_id, word))
            for client, stream_id, word in asked:
                if dice.random() < 0.05 and not client.responses[stream_id].is_over:
                    client.reset(stream_id)
                    continue
                response = client.wait(stream_id)
                if response.is_complete and response.status == 200:
                    complete += 1
                    wrong += response.body != f"<{word}>".encode() * 3
                    wrong += response.header("x-id", word) != word
                else:
                    assert response.status == 502 or response.reset is not None, response
    finally:
        for client in clients:
            client.close()
    assert wrong == 0 and complete > 400


EVIL = head(200, [("Content-Length", 6)]) + b"<evil>"


@pytest.mark.parametrize("size", [100, 65536, 131072, 200000])
@pytest.mark.parametrize("tail", [EVIL, b"x"])
def test_bytes_behind_a_response_are_not_the_next_ones(outrider, origin, size, tail):
    """A request waits for the connection while the bytes behind the answer are not read yet.

    The whole responses end where one read of the proxy ends: 64 KB, 128 KB.
    """
    body = b"y" * (size - len(head(200, [("Content-Length", "00000000")])))
    whole = head(200, [("Content-Length", f"{len(body):08}")]) + body
    assert len(whole) == size
    origin.on("/", wait("waiting"), send(whole + tail), sleep(0.05))
    origin.on("/next", respond(200, [], b"next"))
    proxy = outrider(origin, {"max_connections": 1}, workers=1)
    with proxy.h2(settings={4: 1 << 20}, connection_window=1 << 20) as client:
        first = client.request("/")
        origin.wait_requests(1)
        later = [client.request("/next") for _ in range(3)]
        client.ping()
        origin.event("waiting").set()
        assert client.wait(first).body == body
        assert [client.wait(stream_id).body for stream_id in later] == [b"next"] * 3


@pytest.mark.parametrize(
    "odd", [send(EVIL), send(b"x"), close(), reset()], ids=["response", "byte", "end", "reset"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_came_on_an_idle_connection_comes_first(outrider, origin, odd, method):
    """The request and what ends the idle connection are seen in the same turn, request first."""
    origin.on("/", respond(200, [], b"first"), wait("now"), odd)
    origin.on("/next", respond(200, [], b"next"))
    proxy = outrider(origin, {"idle_timeout": "1m"}, workers=1)
    with proxy.h2() as client:
        assert client.get("/").body == b"first"
        client.settle(0.05)
        stop_all_threads(proxy)
        try:
            stream_id = client.request("/next", method)
            time.sleep(0.02)
            origin.event("now").set()
            assert origin.last().is_done.wait(5)
            time.sleep(0.02)
        finally:
            proxy.send_signal(signal.SIGCONT)
        response = client.wait(stream_id)
        assert (response.status, response.body) == (200, b"next")
    assert [request.path for request in origin.requests] == ["/", "/next"]


def stop_all_threads(proxy):
    """The signal alone only asks for it: threads that run go on for a while."""
    proxy.send_signal(signal.SIGSTOP)
    tasks = pathlib.Path(f"/proc/{proxy.process.pid}/task")
    end = time.monotonic() + 5
    while any(b") T " not in (task / "stat").read_bytes() for task in tasks.iterdir()):
        assert time.monotonic() < end, "the process does not stop"
        time.sleep(0.002)


def test_uploads_and_answers_stay_together(outrider, origin):
    origin.on("/", read_body(3), sleep(0.001), echo())
    origin.on("/", echo())
    with outrider(origin, {"max_connections": 2}, workers=1).h2() as client:
        bodies = [f"{number}:".encode() * 3000 for number in range(40)]
        ids = [client.request("/", "POST", body=body) for body in bodies]
        assert [client.wait(stream_id).body == body for stream_id, body in zip(ids, bodies)] == [
            True
        ] * 40
    assert len(origin.connections) <= 2
