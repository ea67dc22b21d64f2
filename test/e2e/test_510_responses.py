# SPDX-License-Identifier: Apache-2.0
"""Whole responses in every framing an origin has, to every kind of client; interim responses."""

import time

import pytest

import tools
from origin import (
    chunk,
    close,
    half_close,
    head,
    last_chunk,
    notify,
    respond,
    send,
    sleep,
    trickle,
    wait,
    wait_closed,
)
from tools import text_of

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
SIZES = [0, 1, 16383, 16384, 65535, 65536, 300000]


def framings(body):
    """The same body as origins may send it: name, steps, keeps the origin connection."""
    pieces = [body[at : at + 7000] for at in range(0, len(body), 7000)]
    length = [("Content-Length", len(body))]
    chunked = [("Transfer-Encoding", "chunked")]
    extended = [chunk(piece, b';a="x\\"y"') for piece in pieces]
    return [
        ("length", [send(head(200, length) + body)], True),
        ("length in two", [send(head(200, length)), sleep(0.01), send(body)], True),
        ("length and close", [send(head(200, [*length, ("Connection", "close")]) + body)], False),
        ("chunks", [send(head(200, chunked) + b"".join(map(chunk, pieces)) + last_chunk())], True),
        ("one by one", [send(head(200, chunked)), *map(send, map(chunk, pieces)),
                        sleep(0.01), send(last_chunk())], True),
        ("extensions", [send(head(200, chunked) + b"".join(extended) + b"0;b\r\n\r\n")], True),
        ("leading zeros", [send(head(200, chunked) + b"".join(b"0000%X\r\n%s\r\n" % (len(p), p)
                                for p in pieces) + b"000\r\n\r\n")], True),
        ("close", [send(head(200) + body), close()], False),
        ("half close", [send(head(200) + body), half_close(), wait_closed()], False),
        ("HTTP/1.0", [send(head(200, length, "HTTP/1.0") + body)], False),
        ("HTTP/1.0 kept", [send(head(200, [*length, ("Connection", "keep-alive")], "HTTP/1.0")
                                + body)], True),
        ("HTTP/1.0 close", [send(head(200, [], "HTTP/1.0") + body), close()], False),
    ]  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_every_framing_reaches_every_client(outrider, make_origin, size):
    origin = make_origin()
    body = text_of(size)
    rows = framings(body)
    for name, steps, _ in rows:
        origin.on(f"/{name.replace(' ', '-')}", *steps)
    proxy = outrider(origin, workers=1)
    with proxy.h2() as secure, proxy.h2(tls=False) as clear, proxy.h1(tls=True) as old:
        for name, _, is_kept in rows:
            path = f"/{name.replace(' ', '-')}"
            for client in (secure, clear):
                response = client.get(path)
                assert response.status == 200 and response.is_complete, (name, response)
                assert response.body == body, (name, len(response.body))
            old.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            status, fields, got = old.read_response()
            assert (status, got == body) == (200, True), name
            framing = dict(fields)
            is_length = name.startswith(("length", "HTTP/1.0")) and name != "HTTP/1.0 close"
            assert ("content-length" in framing) == is_length, (name, fields)
            assert ("transfer-encoding" in framing) != is_length, (name, fields)
            with proxy.h1() as oldest:
                oldest.send(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
                status, fields = oldest.read_head()
                assert status == 200 and "transfer-encoding" not in dict(fields), (name, fields)
                assert oldest.read_to_end() == body, name
            seen = origin.wait_requests(4, path)
            is_reused = len({request.connection for request in seen}) == 1
            assert is_reused == is_kept, (name, seen)


def test_trickled_byte_by_byte(outrider, origin):
    plain = head(200, [("Content-Length", 5), ("X-A", "b")]) + b"hello"
    chunked = head(200, [("Transfer-Encoding", "chunked"), ("X-A", "b")])
    chunked += chunk(b"hel", b";x") + chunk(b"lo") + last_chunk([("X-T", "u")])
    origin.on("/plain", trickle(plain))
    origin.on("/chunked", trickle(chunked))
    origin.on("/close", trickle(head(200, [("X-A", "b")]) + b"hello"), close())
    origin.on("/hints", trickle(head(103, [("Link", "</a>")]) * 2 + plain))
    proxy = outrider(origin)
    with proxy.h2() as client:
        for response in client.get_all(["/plain", "/chunked", "/close", "/hints"]):
            assert (response.status, response.body, response.header("x-a")) == (200, b"hello", "b")
            assert response.is_complete


# ---- responses without content -------------------------------------------------------------------


BODILESS = [
    ("HEAD", head(200, [("Content-Length", 1234)]), 200, "1234"),
    ("HEAD", head(200, [("Transfer-Encoding", "chunked")]), 200, None),
    ("HEAD", head(200), 200, None),
    ("HEAD", head(404, [("Content-Length", 9)]), 404, "9"),
    ("GET", head(204), 204, None),
    ("GET", head(204, [("Content-Length", 0)]), 204, None),
    ("GET", head(304, [("ETag", '"x"')]), 304, None),
    ("GET", head(304, [("Content-Length", 1234)]), 304, "1234"),
    ("POST", head(204), 204, None),
    ("GET", head(200, [("Content-Length", 0)]), 200, "0"),
]


def test_responses_without_content(outrider, origin):
    """They end at their head, whatever it says, and the connection serves the next request."""
    for number, (_, text, _, _) in enumerate(BODILESS):
        origin.on(f"/{number}", send(text))
    origin.on("/next", respond(200, [], b"next"))
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client, proxy.h1() as old:
        for number, (method, _, status, length) in enumerate(BODILESS):
            response = client.get(f"/{number}", method=method, limit=3)
            assert (response.status, response.body, response.is_complete) == (status, b"", True)
            assert response.header("content-length") == length, number
            assert client.get("/next").body == b"next"
            old.send(f"{method} /{number} HTTP/1.1\r\nHost: a\r\n".encode())
            old.send(b"Content-Length: 0\r\n\r\n" if method == "POST" else b"\r\n")
            old.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
            got, fields, body = old.read_response(method)
            assert (got, body, dict(fields).get("content-length")) == (status, b"", length), number
            assert old.read_response()[2] == b"next", number
    assert len({request.connection for request in origin.requests}) == 1


# ---- interim responses ---------------------------------------------------------------------------


def test_every_interim_response_reaches_http2_and_none_http1(outrider, origin):
    hints = [[("Link", f"</{n}.css>; rel=preload; as=style; nopush"), ("X-N", n)] for n in range(5)]
    origin.on(
        "/",
        send(head(103, hints[0])), sleep(0.02), send(head(103, hints[1]) + head(103, hints[2])),
        send(head(100)), send(head(102, hints[3])), sleep(0.02),
        send(head(103, [*hints[4], ("Connection", "X-N"), ("Keep-Alive", "timeout=1")])),
        send(head(200, [("Content-Length", 4), ("X-Final", "yes")]) + b"page"),
    )  # fmt: skip
    proxy = outrider(origin)
    for tls in (True, False):
        with proxy.h2(tls) as client:
            response = client.get("/")
        assert response.interim == [
            [(":status", "103"), ("link", hints[0][0][1])],
            [(":status", "103"), ("link", hints[1][0][1])],
            [(":status", "103"), ("link", hints[2][0][1])],
            [(":status", "102"), ("link", hints[3][0][1]), ("x-n", "3")],
            [(":status", "103"), ("link", hints[4][0][1])],
        ]
        assert (response.status, response.body, response.is_complete) == (200, b"page", True)
        assert response.header("x-final") == "yes" and response.header("link") is None
    for version in ("1.1", "1.0"):
        with proxy.h1() as client:
            head_ = f"GET / HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n"
            client.send(head_.encode())
            text = client.read_to_end()
        assert text.startswith(b"HTTP/1.1 200") and text.count(b"HTTP/1.") == 1
        assert b"link" not in text and text.endswith(b"\r\n\r\npage")


def test_an_interim_response_does_not_wait_for_the_final_one(outrider, origin):
    origin.on("/", send(head(103, [("Link", "</a>")])), wait("go"), respond(200, [], b"late"))
    with outrider(origin).h2() as client:
        stream_id = client.request("/")
        client.wait_until(lambda: client.responses[stream_id].interim)
        assert not client.responses[stream_id].headers
        origin.event("go").set()
        assert client.wait(stream_id).body == b"late"


@pytest.mark.parametrize("interim", [b"", head(103, [("Link", "</a>; nopush")])])
def test_the_head_and_each_part_leave_at_once(outrider, origin, interim):
    """Nothing is held back for more: server-sent events work."""
    origin.on(
        "/events", send(interim + head(200, [("Content-Type", "text/event-stream")])),
        notify("head"), wait("one"), send(b"data: 1\n\n"), wait("two"), send(b"data: 2\n\n"),
        close(),
    )  # fmt: skip
    proxy = outrider(origin)
    with proxy.h2() as client:
        stream_id = client.request("/events")
        assert client.wait_head(stream_id, 2).status == 200
        assert client.responses[stream_id].body == b""
        origin.event("one").set()
        client.wait_until(lambda: client.responses[stream_id].body == b"data: 1\n\n", 2)
        origin.event("two").set()
        assert client.wait(stream_id).body == b"data: 1\n\ndata: 2\n\n"
    with proxy.h1() as old:
        old.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        assert old.read_response()[2] == b"data: 1\n\ndata: 2\n\n"


# ---- trailers ------------------------------------------------------------------------------------


TRAILERS = [("X-Sum", "5"), ("Server-Timing", "app;dur=1"), ("X-Sum", "6"), ("X-Empty", "")]
REFUSED_TRAILERS = [
    ("Set-Cookie", "a=b"), ("Via", "1.1 evil"), ("X-Forwarded-For", "6.6.6.6"),
    ("Host", "evil"), ("Connection", "close"), ("Content-Type", "text/evil"),
    ("Cache-Control", "public"), ("Trailer", "x"), ("Link", "</x>; rel=preload"),
]  # fmt: skip


def test_trailers_of_responses(outrider, origin):
    origin.on("/", respond(200, [], b"hello", 2, [*TRAILERS, *REFUSED_TRAILERS]))
    origin.on("/empty", respond(200, [], b"", 1, TRAILERS))
    origin.on("/none", respond(200, [], b"hello", 2))
    proxy = outrider(origin, workers=1)
    wanted = [(name.lower(), value) for name, value in TRAILERS]
    with proxy.h2() as client, proxy.h1() as old, proxy.h1() as oldest:
        for path, body in (("/", b"hello"), ("/empty", b"")):
            response = client.get(path)
            assert (response.body, response.trailers, response.is_complete) == (body, wanted, True)
            old.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n".encode())
            assert old.read_head()[0] == 200
            assert old.read_chunked() == (body, wanted)
        assert client.get("/none").trailers is None
        oldest.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        assert oldest.read_head()[0] == 200 and oldest.read_to_end() == b"hello"
    assert len({request.connection for request in origin.requests}) == 1


# ---- other people's clients ----------------------------------------------------------------------


def test_curl_and_nghttp_and_node(outrider, origin, certs, node_env):
    body = text_of(200000)
    origin.on("/", send(head(103, [("Link", "</a>; nopush")])), respond(200, [("X-A", "b")], body))
    origin.on("/chunked", respond(200, [], body, 5000))
    origin.on("/trailers", respond(200, [], body, 5000, [("X-T", "u")]))
    proxy = outrider(origin)
    for word, scheme in (
        ("--http2", "https"), ("--http1.1", "https"), ("--http1.1", "http"), ("--http1.0", "http"),
        ("--http2-prior-knowledge", "http"),
    ):  # fmt: skip
        for path in ("/", "/chunked"):
            result = tools.curl(proxy.url(path, scheme), word, "--cacert", certs.ca)
            assert (result.code, result.status, result.body) == (0, 200, body), (word, path)
    result = tools.nghttp(proxy.url("/"))
    assert [row.status for row in result.rows] == [200], result
    script = """
        const client = require('http2').connect(process.argv[2]);
        const request = client.request({':path': '/trailers'});
        let size = 0, trailers = null, hints = 0;
        request.on('headers', () => hints++);
        request.on('trailers', (t) => { trailers = t['x-t']; });
        request.on('data', (d) => { size += d.length; });
        request.on('end', () => { console.log(size, trailers); client.close(); });
        request.on('error', (e) => { console.log('error', e.code); client.destroy(); });
    """
    result = tools.node(script, proxy.url("").rstrip("/"), env=node_env)
    assert result.text.split() == ["200000", "u"], result


def test_many_streams_at_once_keep_apart(outrider, origin):
    for number in range(60):
        size = number * 997
        origin.on(f"/{number}", sleep(0.001 * (number % 7)), respond(200, [], text_of(size)))
    with outrider(origin).h2() as client:
        start = time.monotonic()
        responses = client.get_all([f"/{number}" for number in range(60)])
        assert [response.body == text_of(n * 997) for n, response in enumerate(responses)] == [
            True
        ] * 60
        assert time.monotonic() - start < 10


def test_heads_as_large_as_the_limit_allows(outrider, origin):
    """The HTTP/2 library stops at 64 KB unless it is told otherwise, and says nothing then."""
    fields = [("x-a", "a" * 60000), ("x-b", "b" * 60000), ("x-c", "c" * 5500)]
    origin.on("/large", respond(200, fields, b"large"))
    origin.on("/default", respond(200, [("x-a", "a" * 65300)], b"default"))
    proxy = outrider(origin, limits={"response_head": "1MiB"})
    with proxy.h2() as client:
        client.conn.decoder.max_header_list_size = 1 << 21
        for path, name, size in [("/large", "x-b", 60000), ("/default", "x-a", 65300)]:
            answer = client.get(path)
            assert answer.status == 200 and answer.body == path[1:].encode()
            assert len(answer.header(name)) == size
