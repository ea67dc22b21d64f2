# SPDX-License-Identifier: Apache-2.0
"""Requests on their way in: uploads, Expect, pipelining, keep-alive, methods, malformed ones."""

import time

import pytest

import tools
from origin import echo, head, notify, read_body, respond, send, sleep, wait, wait_closed
from tools import text_of

SIZES = [1, 16384, 65536, 300000]
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def chunks(body, size, extension=b""):
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces)


# ---- content -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_uploads_with_and_without_a_length(outrider, origin, size):
    body = text_of(size)
    origin.on("/", echo())
    proxy = outrider(origin, workers=1)
    length = [("content-length", str(size))]
    with proxy.h2() as client, proxy.h2(tls=False) as clear, proxy.h1(tls=True) as old:
        assert client.get("/", length, "POST", body).body == body
        assert client.get("/", [], "PUT", body).body == body
        assert clear.get("/", [], "POST", body).body == body
        old.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size + body)
        assert old.read_response()[2] == body
        old.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        old.send(chunks(body, 9999, b";x=y") + b"0\r\n\r\n")
        assert old.read_response()[2] == body
        with proxy.h1() as oldest:
            oldest.send(b"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + body)
            assert oldest.read_response()[2] == body
    framings = [
        (request.header("content-length"), request.header("transfer-encoding"))
        for request in origin.wait_requests(6)
    ]
    with_length, without = (str(size), None), (None, "chunked")
    assert framings == [with_length, without, without, with_length, without, with_length]
    assert all(request.body == body for request in origin.requests)
    assert {request.connection for request in origin.requests} == {1}


def test_empty_content_has_an_honest_framing(outrider, origin):
    origin.on("/", echo())
    proxy = outrider(origin)
    with proxy.h2() as client, proxy.h1() as old:
        assert client.get("/", method="POST").status == 200
        assert client.get("/", [("content-length", "0")], "POST").status == 200
        assert client.get("/", [], "POST", b"").status == 200
        old.send(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert old.read_response()[0] == 200
        old.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        assert old.read_response()[0] == 200
        old.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert old.read_response()[0] == 200
    seen = origin.wait_requests(6)
    for request in seen:
        assert not (request.header("content-length") and request.header("transfer-encoding"))
        assert request.header("content-length") in (None, "0") and request.body == b""


def test_content_of_a_get(outrider, origin):
    origin.on("/", echo())
    proxy = outrider(origin)
    with proxy.h2() as client, proxy.h1() as old:
        assert client.get("/", body=b"why not").body == b"why not"
        old.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert old.read_response()[2] == b"abc"
        assert old.read_response()[2] == b""


def test_trailers_of_requests(outrider, origin):
    origin.on("/", echo())
    proxy = outrider(origin)
    with proxy.h2() as client, proxy.h1() as old:
        stream_id = client.request("/", "POST", end=False)
        client.send_body(stream_id, b"hello", end=False)
        client.send_trailers(stream_id, [("x-sum", "5"), ("host", "evil"), ("x_y", "z")])
        assert client.wait(stream_id).body == b"hello"
        old.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n"
            b"5\r\nhello\r\n0\r\nX-Sum: 5\r\nX-Forwarded-For: 6.6.6.6\r\nCookie: a=b\r\n\r\n"
        )
        assert old.read_response()[2] == b"hello"
    for request in origin.wait_requests(2):
        assert request.trailers == [("x-sum", "5")]


def test_content_leaves_as_it_comes(outrider, origin):
    """The origin has the first part before the client sent the second."""
    origin.on("/", read_body(5), notify("first"), read_body(), respond(200, [], b"ok"))
    proxy = outrider(origin)
    with proxy.h2() as client:
        stream_id = client.request("/", "POST", end=False)
        client.send_body(stream_id, b"first", end=False)
        origin.wait_event("first", 3)
        client.send_body(stream_id, b"second")
        assert client.wait(stream_id).body == b"ok"
    assert origin.last().body == b"firstsecond"


def test_an_early_answer_ends_the_upload(outrider, origin):
    """413 before the content is there: the client gets it whole, the connection is not reused."""
    origin.on("/", respond(413, [], b"too much", early=True), wait_closed())
    origin.on("/next", respond(200, [], b"next"))
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        stream_id = client.request("/", "POST", [("content-length", "9000000")], end=False)
        client.send_body(stream_id, b"x" * 1000, end=False)
        client.wait_until(lambda: client.responses[stream_id].is_ended)
        response = client.responses[stream_id]
        assert (response.status, response.body) == (413, b"too much")
        client.wait_until(lambda: response.reset == 0)  # NO_ERROR: stop sending (RFC 9113 8.1)
        assert client.get("/next").body == b"next"
    with proxy.h1() as old:
        old.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\nxxx")
        status, fields, body = old.read_response()
        assert (status, body, dict(fields)["connection"]) == (413, b"too much", "close")
        assert old.is_closed()
        with proxy.h2() as client:
            assert client.get("/next").body == b"next"
    assert [request.connection for request in origin.requests] == [1, 2, 2, 3]
    assert all(request.is_done.wait(5) for request in origin.seen("/"))


def test_a_client_that_leaves_in_its_upload(outrider, origin):
    """The origin sees a broken request, never a complete one; others are not disturbed."""
    origin.on("/", read_body(), respond(200, [], b"complete?"))
    origin.on("/next", respond(200, [], b"next"))
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        for length in ([], [("content-length", "10")]):
            stream_id = client.request("/", "POST", length, end=False)
            client.send_body(stream_id, b"12345", end=False)
            origin.wait_requests(1 + len(length), "/")
            client.reset(stream_id)
            assert client.get("/next").body == b"next"
    for framing in (b"Content-Length: 10", b"Transfer-Encoding: chunked"):
        with proxy.h1() as old:
            body = b"12345" if b"Length" in framing else b"5\r\n12345\r\n"
            old.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n" + body)
            origin.wait_requests(3 + (b"chunked" in framing), "/")
    for request in origin.seen("/"):
        assert request.is_done.wait(5) and request.is_abandoned
        assert b"12345".startswith(request.body)
    used = [request.connection for request in origin.seen("/")]
    assert len(set(used)) == 4


@pytest.mark.parametrize("cut", [0, 1, 4, 5, 7, 11, 12, 14])
def test_chunked_upload_cut_at_a_byte(outrider, origin, cut):
    """No cut makes the origin see the end of the content."""
    origin.on("/", read_body(), respond(200, [], b"complete?"))
    text = b"5\r\n12345\r\n0\r\n\r\n"
    with outrider(origin).h1() as old:
        old.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + text[:cut])
        origin.wait_requests(1)
        old.end_writing()
        assert old.is_closed()
    request = origin.last()
    assert request.is_done.wait(5) and request.is_abandoned


def test_more_or_less_than_the_length_promised(outrider, origin):
    """HTTP/2 content that does not fit its content-length is the client's error alone."""
    origin.on("/", read_body(), respond(200, [], b"complete?"))
    origin.on("/next", respond(200, [], b"next"))
    proxy = outrider(origin, workers=1)
    for body, is_end in ((b"1234567890+", False), (b"123", True)):
        with proxy.raw_h2() as raw:
            raw.handshake()
            fields = raw.request("/", "POST", [("content-length", "10")])
            raw.send(raw.headers(1, fields, end_stream=False))
            raw.send(raw.data(1, body, is_end))
            raw.expect_reset(1)
            raw.send(raw.headers(3, raw.request("/next")))
            assert raw.expect_head(3)[":status"] == "200"
    for request in origin.seen("/"):
        assert request.is_done.wait(5) and request.is_abandoned
    with proxy.h2() as client:
        assert client.get("/next").body == b"next"


def test_limit_of_the_body(outrider, origin):
    origin.on("/", echo())
    proxy = outrider(origin, limits={"body": "1000"}, workers=1)
    with proxy.h2() as client:
        assert client.get("/", [], "POST", b"x" * 1000).status == 200
        assert client.get("/", [("content-length", "1001")], "POST", b"x" * 1001).status == 413
        assert client.get("/", [], "POST", b"x" * 1001).status == 413
        assert client.get("/", [], "POST", b"x").body == b"x"
    with proxy.h1() as old:
        old.send(POST + CHUNKED + b"\r\n3e9\r\n" + b"x" * 1001)
        assert old.read_response()[0] == 413
        assert old.is_closed()


# ---- Expect: 100-continue ------------------------------------------------------------------------


def test_expect_continue(outrider, origin):
    origin.on("/", echo())
    proxy = outrider(origin)
    with proxy.h1() as old:
        for framing, body in (
            (b"Content-Length: 5\r\n", b"hello"),
            (CHUNKED, b"5\r\nhello\r\n0\r\n\r\n"),
        ):
            old.send(POST + b"Expect: 100-Continue\r\n" + framing + b"\r\n")
            assert old.read_head() == (100, [])
            old.send(body)
            assert old.read_response()[2] == b"hello"
        old.send(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi")
        assert old.read_response()[2] == b"hi"  # it did not wait
        old.send(b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n")
        assert old.read_head()[0] == 200  # no content: nothing to continue
    with proxy.h2() as client:
        stream_id = client.request("/", "POST", [("expect", "100-continue")], end=False)
        client.wait_until(lambda: client.responses[stream_id].interim)
        assert client.responses[stream_id].interim == [[(":status", "100")]]
        client.send_body(stream_id, b"hello")
        assert client.wait(stream_id).body == b"hello"
    assert not any(request.header("expect") for request in origin.requests)


def test_expect_of_something_else_and_of_http_1_0(outrider, origin):
    origin.on("/", echo())
    proxy = outrider(origin)
    with proxy.h1() as old:
        old.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 5\r\n\r\n")
        assert old.read_response()[0] == 417
    with proxy.h1() as old:
        oldest = POST.replace(b"1.1", b"1.0")
        old.send(oldest + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
        assert old.read_head()[0] == 200
    assert len(origin.requests) == 1


def test_expect_of_curl(outrider, origin, tmp_path):
    origin.on("/", echo())
    body = text_of(100000)
    path = tmp_path / "body"
    path.write_bytes(body)
    start = time.monotonic()
    result = tools.curl(
        outrider(origin).url("/", "http"), "--data-binary", f"@{path}", "-H", "Expect: 100-continue"
    )
    assert (result.status, result.body == body) == (200, True)
    assert time.monotonic() - start < 0.9  # curl waits a second for a 100 that does not come


# ---- connections of HTTP/1.1 clients -------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order(outrider, origin):
    origin.on("/slow", sleep(0.15), respond(200, [], b"slow"))
    origin.on("/fast", respond(200, [], b"fast", 3))
    origin.on("/up", echo())
    with outrider(origin).h1() as old:
        old.send(
            b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
            b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
            b"HEAD /fast HTTP/1.1\r\nHost: a\r\n\r\n"
            b"POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nde\r\n0\r\n\r\n"
            b"\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"
            b"GET /fast HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert old.read_response()[2] == b"slow"
        assert old.read_response()[2] == b"abc"
        assert old.read_response("HEAD")[0] == 200
        assert old.read_response()[2] == b"de"
        assert old.read_response()[0] == 404
        status, fields, body = old.read_response()
        assert (status, body, dict(fields)["connection"]) == (200, b"fast", "close")
        assert old.is_closed()
    assert not origin.seen("/never")


def test_pipelined_requests_byte_by_byte_and_in_floods(outrider, origin):
    origin.on("/n", respond(200, [], b"x"))
    with outrider(origin).h1() as old:
        text = b"GET /n HTTP/1.1\r\nHost: a\r\n\r\nGET /n HTTP/1.1\r\nHost: a\r\n\r\n"
        for at in range(len(text)):
            old.send(text[at : at + 1])
        assert [old.read_response()[2] for _ in range(2)] == [b"x"] * 2
        old.send(b"GET /n HTTP/1.1\r\nHost: a\r\n\r\n" * 300)
        assert [old.read_response()[2] for _ in range(300)] == [b"x"] * 300


@pytest.mark.parametrize(
    "lines, is_kept",
    [
        ("HTTP/1.1", True),
        ("HTTP/1.1\r\nConnection: keep-alive", True),
        ("HTTP/1.1\r\nConnection: close", False),
        ("HTTP/1.1\r\nConnection: Keep-Alive, CLOSE", False),
        ("HTTP/1.0", False),
        ("HTTP/1.0\r\nConnection: keep-alive", True),
        ("HTTP/1.0\r\nConnection: close", False),
    ],
)
def test_keep_alive_of_clients(outrider, origin, lines, is_kept):
    origin.on("/", respond(200, [], b"hello"))
    with outrider(origin).h1() as old:
        text = f"GET / {lines}\r\nHost: a\r\n\r\n".encode()
        old.send(text)
        status, fields, body = old.read_response()
        assert (status, body) == (200, b"hello")
        assert (dict(fields).get("connection") == "close") != is_kept
        if is_kept:
            old.send(text)
            assert old.read_response()[2] == b"hello"
        else:
            assert old.is_closed()


def test_a_client_that_ends_its_side_still_gets_its_answers(outrider, origin):
    origin.on("/", sleep(0.05), respond(200, [], b"hello"))
    with outrider(origin).h1() as old:
        old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        old.end_writing()
        assert [old.read_response()[2] for _ in range(2)] == [b"hello"] * 2
        assert old.is_closed()


def test_idle_and_slow_clients_are_let_go(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    timeouts = {"idle": "300ms", "head": "300ms", "body": "300ms"}
    proxy = outrider(origin, timeouts=timeouts, workers=1)
    start = time.monotonic()
    with proxy.h1() as idle, proxy.h1() as head_, proxy.h1() as body, proxy.h2() as modern:
        idle.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert idle.read_response()[0] == 200
        head_.send(b"GET / HTTP/1.1\r\nHost:")
        body.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
        assert modern.get("/").status == 200
        assert head_.read_response()[0] == 408
        assert body.read_response()[0] == 408
        assert idle.is_closed() and head_.is_closed() and body.is_closed()
        modern.wait_closed(8)
        assert modern.goaway == 0
    assert 0.25 < time.monotonic() - start < 6


# ---- what is not forwarded -----------------------------------------------------------------------


BAD_REQUESTS = [
    (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX y: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x07b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    (b"GET / HTTP/1.1\rHost: a\r\r", 400),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /caf\xe9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /\r\n\r\n", 400),
    (b"HELLO OUT THERE\r\n\r\n", None),  # not HTTP at all: it would not understand a status
    (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1x\r\nHost: a\r\n\r\n", 400),
    (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501),
    (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    (b"FROBNICATE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    (b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 17000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
    (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", 400),  # TLS to the cleartext port
    (b"\x00\x01\x02\x03", 400),
]


def test_malformed_requests_never_reach_the_origin(outrider, origin):
    origin.on("/", respond(200, [], b"reached"))
    proxy = outrider(origin, workers=1)
    failures = []
    for text, status in BAD_REQUESTS:
        with proxy.h1() as old:
            old.sock.settimeout(3)
            old.send(text)
            if status is None:
                assert old.read_to_end() == b"", text
                continue
            try:
                got, fields, body = old.read_response()
            except OSError as error:
                failures.append((text[:80], repr(error)))
                continue
            names = dict(fields)
            is_small = 0 < len(body) < 200 and names.get("content-type", "")[:10] == "text/plain"
            is_honest = names.get("proxy-status", "").startswith("outrider; error=")
            if got != status or not is_small or not is_honest or not old.is_closed():
                failures.append((text[:80], got, status, fields, body))
    assert not failures, failures
    assert not origin.requests


BAD_CHUNKS = [
    b"x\r\na\r\n0\r\n\r\n", b"1\ra\r\n0\r\n\r\n", b"1\na\r\n0\r\n\r\n", b"1\r\na0\r\n\r\n",
    b"-1\r\na\r\n0\r\n\r\n", b"0x1\r\na\r\n0\r\n\r\n", b" 1\r\na\r\n0\r\n\r\n",
    b"1;a=\x00\r\na\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n", b"1\r\na\r\n0\r\nX\r\n\r\n",
    b"1\r\na\r\n0\r\nX: \x00\r\n\r\n", b"1\r\na\r\n0\r\n\n", b"1" + b";x" * 10000 + b"\r\na\r\n",
    b"1\r\na\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"1\r\na\r\n0\r\nContent-Length: 1\r\n\r\n",
]  # fmt: skip


def test_malformed_chunks_end_the_request(outrider, origin):
    origin.on("/", read_body(), respond(200, [], b"complete?"))
    proxy = outrider(origin, workers=1)
    for text in BAD_CHUNKS:
        with proxy.h1() as old:
            old.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + text)
            status, _, body = old.read_response()
            assert status == 400 and body != b"complete?", text
            assert old.is_closed(), text
    assert all(request.is_done.wait(5) and request.is_abandoned for request in origin.requests)


def test_upgrade_is_not_forwarded(outrider, origin):
    origin.on("/", respond(200, [], b"plain"))
    for lines in (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==",
    ):
        with outrider(origin).h1() as old:
            text = b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n\r\n"
            old.send(text + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert old.read_response()[2] == b"plain"
            assert old.read_response()[2] == b"plain"
    for request in origin.requests:
        assert not {"upgrade", "http2-settings", "connection"} & set(dict(request.headers))


def test_absolute_form_and_asterisk(outrider, origin):
    origin.on("/x", respond(200, [], b"x"))
    origin.on("*", respond(200, [("Allow", "GET")], b"any"))
    with outrider(origin).h1() as old:
        old.send(b"GET http://A.test:80/x HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert old.read_response()[2] == b"x"
        old.send(b"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert old.read_response()[0] == 200
    first, second = origin.wait_requests(2)
    assert (first.line, first.header("host")) == ("GET /x HTTP/1.1", "a.test")
    assert second.line == "OPTIONS * HTTP/1.1"


def test_methods_pass(outrider, origin):
    origin.on("/", echo())
    with outrider(origin).h2() as client:
        for method in "GET HEAD OPTIONS PUT POST PATCH DELETE PROPFIND X-A".split():
            assert client.get("/", method=method).status == 200, method
        for method in ("CONNECT", "TRACE"):
            answer = client.get("/", method=method)
            assert answer.status == 501 or answer.reset is not None, answer
    assert [request.method for request in origin.requests][-2:] == ["PROPFIND", "X-A"]


def test_a_request_needs_no_answer_of_others(outrider, origin):
    """A stuck exchange holds up nobody on the same connection."""
    origin.on("/stuck", wait("go"), respond(200, [], b"late"))
    origin.on("/", send(head(200, [("Content-Length", 2)]) + b"ok"))
    with outrider(origin, workers=1).h2() as client:
        stuck = [client.request("/stuck") for _ in range(5)]
        assert client.get("/", limit=3).body == b"ok"
        origin.event("go").set()
        assert [client.wait(stream_id).body for stream_id in stuck] == [b"late"] * 5
