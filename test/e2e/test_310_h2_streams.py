# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 streams by a client that follows the rules: framing, windows, resets, the end."""

import hashlib
import random
import signal
import socket
import time

import pytest
from h2.settings import SettingCodes
from hyperframe import frame as hf

from origin import (
    chunk,
    close,
    echo,
    head,
    last_chunk,
    notify,
    read_body,
    reset,
    respond,
    send,
    send_many,
    sleep,
    wait,
    wait_closed,
)

MIB = 1 << 20
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL = 0, 1, 2, 7, 8
WINDOW = 65535


def noise(count, seed=1):
    return random.Random(seed).randbytes(count)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# --- framing -------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [True, False])
def test_bodies_both_ways(outrider, origin, tls):
    body = noise(3 * MIB)
    origin.on("/", echo())
    proxy = outrider(origin)
    with proxy.h2(tls) as client:
        response = client.get("/", method="POST", body=body)
        assert (response.status, sha256(response.body)) == (200, sha256(body))
        assert client.get("/", method="POST", body=b"").body == b""


FRAMINGS = {
    "/length": [respond(200, [], b"hello")],
    "/chunks": [respond(200, [], b"hello", chunked=2)],
    "/close": [send(head(200) + b"hello"), close()],
    "/old": [send(head(200, version="HTTP/1.0") + b"hello"), close()],
    "/empty": [respond(200, [], b"")],
    "/empty-chunks": [send(head(200, [("transfer-encoding", "chunked")]) + last_chunk())],
    "/empty-close": [send(head(200)), close()],
    "/204": [respond(204, [])],
    "/304": [respond(304, [("content-length", 5)])],
}


def test_framings_of_responses(outrider, origin):
    for path, steps in FRAMINGS.items():
        origin.on(path, *steps)
    proxy = outrider(origin)
    with proxy.h2() as client:
        for path in FRAMINGS:
            response = client.get(path)
            is_bodiless = path in ("/204", "/304") or path.startswith("/empty")
            assert response.body == (b"" if is_bodiless else b"hello"), path
            assert response.is_complete, path
            assert response.header("transfer-encoding") is None
        response = client.get("/length", method="HEAD")
        assert (response.body, response.is_complete) == (b"", True)
        assert response.header("content-length") == "5"
        assert client.get("/304").header("content-length") == "5"
        assert client.get("/204").header("content-length") is None


def test_responses_that_are_cut_are_reset(outrider, origin):
    """Never presented as complete; and other streams do not notice."""
    cuts = {
        "/length": [send(head(200, [("content-length", 10)]) + b"abc"), close()],
        "/length-reset": [send(head(200, [("content-length", 10)]) + b"abc"), reset()],
        "/chunk": [send(head(200, [("transfer-encoding", "chunked")]) + b"5\r\nab"), close()],
        "/no-last": [
            send(head(200, [("transfer-encoding", "chunked")]) + chunk(b"abc")), close()
        ],
        "/bad-chunk": [
            send(head(200, [("transfer-encoding", "chunked")]) + chunk(b"abc") + b"zz\r\n"),
            wait_closed(),
        ],
    }  # fmt: skip
    for path, steps in cuts.items():
        origin.on(path, *steps)
    origin.on("/fine", sleep(0.1), respond(200, [], b"fine"))
    proxy = outrider(origin)
    with proxy.h2() as client:
        fine = client.request("/fine")
        for path in cuts:
            response = client.get(path)
            assert response.reset == INTERNAL_ERROR and not response.is_ended, path
        assert client.wait(fine).body == b"fine"


def test_trailers_both_ways(outrider, origin):
    origin.on(
        "/", read_body(),
        respond(200, [], b"hello", chunked=2, trailers=[("x-sum", "5"), ("content-type", "a/b"),
                                                        ("X-Other", "a"), ("set-cookie", "a=1")]),
    )  # fmt: skip
    proxy = outrider(origin)
    with proxy.h2() as client:
        stream_id = client.request("/", "POST", [("te", "trailers")], b"body", end=False)
        client.send_trailers(stream_id, [("x-check", "4"), ("cookie", "a=1"), ("x-check", "5")])
        response = client.wait(stream_id)
        assert (response.body, response.trailers) == (b"hello", [("x-sum", "5"), ("x-other", "a")])
    assert origin.last().trailers == [("x-check", "4"), ("x-check", "5")]
    assert origin.last().body == b"body"


def test_trailers_without_a_body(outrider, origin):
    origin.on("/", read_body(), respond(200, [], b"", chunked=5, trailers=[("x-sum", "0")]))
    proxy = outrider(origin)
    with proxy.h2() as client:
        stream_id = client.request("/", "POST", end=False)
        client.send_trailers(stream_id, [("x-check", "0")])
        response = client.wait(stream_id)
        assert (response.is_complete, response.trailers) == (True, [("x-sum", "0")])
    assert (origin.last().body, origin.last().trailers) == (b"", [("x-check", "0")])


def test_interim_responses(outrider, origin):
    """All of them, with their fields, in order; none leaks into the final one."""
    origin.on(
        "/", send(head(103, [("link", "</a>"), ("connection", "x-drop"), ("x-drop", "1")])),
        send(head(100)), send(head(102)), send(head(199, [("x-own", "2")])),
        respond(200, [("x-final", "3")], b"page"),
    )  # fmt: skip
    proxy = outrider(origin)
    with proxy.h2() as client:
        response = client.get("/")
        assert response.interim == [
            [(":status", "103"), ("link", "</a>")],
            [(":status", "102")],
            [(":status", "199"), ("x-own", "2")],
        ]
        names = [name for name, _ in response.headers]
        assert "x-final" in names and "link" not in names and "x-own" not in names


def test_100_continue(outrider, origin):
    """The client is told to go on, and the origin is never asked."""
    origin.on("/", echo())
    proxy = outrider(origin)
    with proxy.h2() as client:
        stream_id = client.request("/", "POST", [("expect", "100-continue")], end=False)
        response = client.responses[stream_id]
        client.wait_until(lambda: response.interim)
        assert response.interim == [[(":status", "100")]]
        client.send_body(stream_id, b"body")
        assert client.wait(stream_id).body == b"body"
        assert response.interim == [[(":status", "100")]]
    assert origin.last().header("expect") is None


def test_early_answer(outrider, origin):
    """A complete response before the request is: RST_STREAM(NO_ERROR), RFC 9113 section 8.1."""
    origin.on("/", respond(403, [], b"too much", early=True), close())
    proxy = outrider(origin)
    with proxy.h2() as client:
        stream_id = client.request("/", "POST", end=False)
        client.send_body(stream_id, b"x" * 1000, end=False)
        response = client.responses[stream_id]
        client.wait_until(lambda: response.is_ended and response.reset is not None)
        assert (response.status, response.body, response.reset) == (403, b"too much", NO_ERROR)
        assert client.get("/other").status == 404


# --- streams beside each other --------------------------------------------------------------------


def test_many_streams(outrider, origin):
    """A hundred at once, answered in the opposite order."""
    bodies = {f"/{number}": noise(number * 111, number) for number in range(100)}
    for path, body in bodies.items():
        origin.on(path, wait(path), respond(200, [], body, chunked=1000))
    proxy = outrider(origin)
    with proxy.h2() as client:
        ids = {path: client.request(path) for path in bodies}
        origin.wait_requests(100)
        for path in reversed(bodies):
            origin.event(path).set()
        for path, stream_id in ids.items():
            response = client.wait(stream_id)
            assert response.is_complete and sha256(response.body) == sha256(bodies[path]), path


def test_more_streams_than_allowed(outrider, origin):
    """The limit is said in SETTINGS. Before the client knows it, what goes beyond is refused and
    may be tried again; from then on it is the client's error (RFC 9113 section 5.1.2)."""
    origin.on("*", wait("go"), respond(200, [], b"hello"))
    proxy = outrider(origin, limits={"streams": 3})
    with proxy.raw_h2(polite=False) as raw:
        settings = raw.expect(hf.SettingsFrame).settings
        assert settings[SettingCodes.MAX_CONCURRENT_STREAMS] == 3
        raw.send(*[raw.headers(stream_id, raw.request("/")) for stream_id in (1, 3, 5, 7)])
        raw.expect_reset(7, REFUSED_STREAM)
        origin.event("go").set()
        for _ in range(3):
            while "END_STREAM" not in raw.expect(hf.DataFrame).flags:
                pass
        origin.event("go").clear()
        raw.send(raw.settings({}, ack=True))
        raw.send(*[raw.headers(stream_id, raw.request("/")) for stream_id in (9, 11, 13)])
        assert raw.is_alive()
        raw.send(raw.headers(15, raw.request("/")))
        raw.expect_connection_error(PROTOCOL_ERROR)


def test_slow_origin_holds_up_nobody(outrider, origin):
    origin.on("/slow", wait("go"), respond(200, [], b"slow"))
    first = send(head(200, [("content-length", 6)]) + b"abc")
    origin.on("/dribble", first, wait("go"), send(b"def"))
    origin.on("/quick", respond(200, [], b"quick"))
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client, proxy.h2() as other:
        ids = [client.request("/slow"), client.request("/dribble")]
        for each in (client, other):
            for _ in range(10):
                assert each.get("/quick").body == b"quick"
        client.wait_until(lambda: client.responses[ids[1]].body == b"abc")
        origin.event("go").set()
        assert [client.wait(stream_id).body for stream_id in ids] == [b"slow", b"abcdef"]


# --- flow control -------------------------------------------------------------------------


def test_shut_window_holds_the_origin_up(outrider, origin):
    """Nothing beyond the window comes, the origin is not drained, others go on; then all of it."""
    block = noise(65536)
    origin.on("/big", send(head(200, [("content-length", 256 * 65536)])), send_many(256, block))
    origin.on("/small", respond(200, [], b"small"))
    proxy = outrider(origin, workers=1)
    with proxy.h2(auto_window=False, connection_window=64 * MIB) as client:
        stream_id = client.request("/big")
        response = client.responses[stream_id]
        client.wait_until(lambda: len(response.body) == WINDOW)
        client.settle(0.1)
        assert len(response.body) == WINDOW
        sent = origin.last("/big").sent_bytes
        time.sleep(0.1)
        assert origin.last("/big").sent_bytes == sent < 12 * MIB  # what two sockets hold
        assert client.get("/small").body == b"small"
        digest = hashlib.sha256()
        while not response.is_over:
            digest.update(response.body)
            client.acknowledge(stream_id, len(response.body))
            response.body = b""
            client.pump(5)
        digest.update(response.body)
        assert response.is_complete
        assert digest.hexdigest() == sha256(block * 256)


def test_window_of_one_byte(outrider, origin):
    """INITIAL_WINDOW_SIZE 1, then 0, and WINDOW_UPDATEs of single bytes."""
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin)
    with proxy.raw_h2(settings={SettingCodes.INITIAL_WINDOW_SIZE: 1}) as raw:
        raw.handshake()
        raw.send(raw.headers(1, raw.request("/")))
        assert raw.expect(hf.DataFrame, 1).data == b"h"
        for letter in (b"e", b"l"):
            raw.send(raw.window(1, 1))
            assert raw.expect(hf.DataFrame, 1).data == letter
        raw.send(raw.settings({SettingCodes.INITIAL_WINDOW_SIZE: 2}))
        assert raw.expect(hf.DataFrame, 1).data == b"l"
        raw.send(raw.settings({SettingCodes.INITIAL_WINDOW_SIZE: 0}), raw.window(1, 1))
        assert raw.is_alive()  # the window is -1 now
        assert not [f for f in raw.frames[-1:] if isinstance(f, hf.DataFrame)]
        raw.send(raw.window(1, 2))
        frame = raw.expect(hf.DataFrame, 1)
        assert frame.data == b"o"
        if "END_STREAM" not in frame.flags:
            assert "END_STREAM" in raw.expect(hf.DataFrame, 1).flags


def send_until_stalled(client, stream_id, body):
    """Sends while the window comes back; how much it was."""
    sent = 0
    quiet = 0
    while quiet < 5 and sent < len(body):
        room = min(client.conn.local_flow_control_window(stream_id), 16384)
        if room > 0:
            client.conn.send_data(stream_id, body[sent : sent + room])
            sent += room
            client.flush()
            quiet = 0
        quiet += not client.pump(0.02 if room <= 0 else 0)
    return sent


def small_buffers(origin):
    """The origin's sockets take little that nobody reads."""
    origin.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)


def test_upload_waits_for_the_origin(outrider, origin):
    """The window comes back as the origin takes bytes, and not before."""
    small_buffers(origin)
    origin.on("/up", notify("asked"), wait("go"), read_body(), respond(200, [], b"taken"))
    origin.on("/small", respond(200, [], b"small"))
    proxy = outrider(origin, workers=1)
    body = noise(16 * MIB)
    with proxy.h2() as client:
        stream_id = client.request("/up", "POST", [("content-length", str(len(body)))], end=False)
        origin.wait_event("asked")
        sent = send_until_stalled(client, stream_id, body)
        assert WINDOW <= sent < 8 * MIB
        assert client.get("/small").body == b"small"
        origin.event("go").set()
        client.send_body(stream_id, body[sent:])
        assert client.wait(stream_id).body == b"taken"
    assert sha256(origin.last("/up").body) == sha256(body)


def test_answer_while_the_upload_is_stalled(outrider, origin):
    """An origin that answers before it reads is heard, however much is under way to it."""
    small_buffers(origin)
    origin.on(
        "/up", wait("full"), send(head(200, [("content-length", 6)]) + b"abc"), notify("begun"),
        wait("go"), read_body(), send(b"def"),
    )  # fmt: skip
    proxy = outrider(origin, workers=1)
    body = noise(12 * MIB)
    with proxy.h2() as client:
        stream_id = client.request("/up", "POST", end=False)
        sent = send_until_stalled(client, stream_id, body)
        assert sent < len(body)
        origin.event("full").set()
        response = client.responses[stream_id]
        client.wait_until(lambda: response.body == b"abc" or response.is_over)
        assert (response.status, response.body) == (200, b"abc")
        origin.event("go").set()
        client.send_body(stream_id, body[sent:])
        assert client.wait(stream_id).body == b"abcdef"
    assert sha256(origin.last("/up").body) == sha256(body)


def test_upload_that_nobody_reads_returns_the_connections_window(outrider, origin):
    """A response without reading the request; what was sent in vain does not eat the window."""
    origin.on("/refuse", respond(403, [], b"no", early=True), close())
    origin.on("/up", echo())
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        for _ in range(20):
            stream_id = client.request("/refuse", "POST", end=False)
            client.conn.send_data(stream_id, b"x" * 16384)
            client.conn.send_data(stream_id, b"x" * 16384)
            client.flush()
            client.wait(stream_id)
        body = noise(MIB)
        assert sha256(client.get("/up", method="POST", body=body).body) == sha256(body)


# --- resets -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        [notify("there"), wait_closed()],
        [send(head(200, [("content-length", 9)]) + b"x"), notify("there"), wait_closed()],
    ],
    ids=["before the head", "in the body"],
)
def test_reset_cancels_the_origin_request(outrider, origin, steps):
    origin.on("/", *steps)
    origin.on("/other", respond(200, [], b"other"))
    proxy = outrider(origin)
    with proxy.h2() as client:
        stream_id = client.request("/")
        origin.wait_event("there")
        client.reset(stream_id)
        request = origin.last("/")
        assert request.is_done.wait(5) and request.is_abandoned
        assert client.get("/other").body == b"other"
    proxy.stop()
    line = next(line for line in proxy.access_log() if line["path"] == "/")
    assert line["fault"] == "client_reset"


def test_reset_in_the_upload_cancels_the_origin_request(outrider, origin):
    """The origin must not take half an upload for a whole one."""
    origin.on("/", read_body(10), notify("there"), wait_closed())
    proxy = outrider(origin)
    with proxy.h2() as client:
        for _ in range(3):
            origin.event("there").clear()
            stream_id = client.request("/", "POST", end=False)
            client.send_body(stream_id, b"0123456789", end=False)
            origin.wait_event("there")
            client.reset(stream_id)
            assert origin.last("/").is_done.wait(5)
    assert all(request.is_abandoned for request in origin.seen())


def test_client_that_leaves_cancels_all_its_requests(outrider, origin):
    origin.on("*", wait_closed())
    proxy = outrider(origin)
    with proxy.h2() as client:
        for number in range(20):
            client.request(f"/{number}")
        origin.wait_requests(20)
    origin.wait_open(0)
    assert all(request.is_abandoned for request in origin.seen())


# --- the end -------------------------------------------------------------------------


def test_goaway_in_two_steps(outrider, origin):
    """SIGTERM: first a notice that still takes what is under way, then the last id; running streams
    finish, and so does outrider (RFC 9113 section 6.8)."""
    origin.on("/", send(head(200, [("content-length", 6)]) + b"abc"), wait("go"), send(b"def"))
    origin.on("/late", respond(200, [], b"late"))
    proxy = outrider(origin)
    with proxy.raw_h2(polite=False) as raw:
        raw.handshake()
        raw.send(raw.headers(1, raw.request("/")))
        raw.expect(hf.DataFrame, 1)
        proxy.send_signal(signal.SIGTERM)
        notice = raw.expect(hf.GoAwayFrame)
        assert (notice.last_stream_id, notice.error_code) == (2**31 - 1, NO_ERROR)
        raw.send(raw.headers(3, raw.request("/late")))  # crossed the notice
        ping = raw.expect(hf.PingFrame)  # behind the notice: its answer proves that it was read
        assert raw.expect_head(3)[":status"] == "200"
        raw.send(raw.ping(ping.opaque_data, ack=True))
        last = raw.expect(hf.GoAwayFrame)
        assert (last.last_stream_id, last.error_code) == (3, NO_ERROR)
        raw.send(raw.headers(5, raw.request("/late")))  # too late: ignored
        origin.event("go").set()
        frame = raw.expect(hf.DataFrame, 1)
        assert frame.data == b"def"
        raw.expect_closed()
        assert not [f for f in raw.frames if f.stream_id == 5 and isinstance(f, hf.HeadersFrame)]
    assert proxy.process.wait(10) == 0
    assert len(origin.seen("/late")) == 1


def test_idle_connections_end_at_once(outrider, origin):
    proxy = outrider(origin)
    with proxy.h2() as client:
        assert client.get("/").status == 404
        proxy.send_signal(signal.SIGTERM)
        client.wait_closed(5)
        assert [code for _, code in client.goaways] == [NO_ERROR] * len(client.goaways)
    assert proxy.process.wait(5) == 0


def test_drain_has_an_end(outrider, origin):
    """A stream that never ends is cut after the drain time."""
    origin.on("/", send(head(200) + b"abc"), wait_closed())
    proxy = outrider(origin, timeouts={"drain": "300ms"})
    with proxy.h2() as client:
        stream_id = client.request("/")
        client.wait_until(lambda: client.responses[stream_id].body)
        proxy.send_signal(signal.SIGTERM)
        client.wait_closed(5)
        assert not client.responses[stream_id].is_complete
    assert proxy.process.wait(5) == 0


def test_idle_connections_are_let_go(outrider, origin):
    proxy = outrider(origin, timeouts={"idle": "300ms", "head": "300ms"})
    with proxy.h2() as client:
        client.wait_closed(5)
        assert client.goaway == NO_ERROR
