# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 requests, good and bad, as frames by hand: what is refused, how, and at whose cost."""

import pytest
from hyperframe import frame as hf

from origin import echo, is_valid_head, respond

PROTOCOL_ERROR, ENHANCE_YOUR_CALM = 1, 11


def fields(**changes):
    """The usual request with changes; a value of None leaves a pseudo field out."""
    pseudo = {"method": "GET", "scheme": "http", "authority": "localhost", "path": "/", **changes}
    return [(f":{name}", value) for name, value in pseudo.items() if value is not None]


def plus(*pairs, **changes):
    return fields(**changes) + list(pairs)


BODY = ("content-length", "3")

# What: answered with that status, or reset as malformed (RFC 9113 section 8.1.1).
MALFORMED = {
    # characters that are not allowed; those in pseudo fields and Host the library finds first
    "NUL in a value": (plus(("x-a", "a\0b")), 400),
    "LF in a value": (plus(("x-a", "a\nb: c")), 400),
    "CR in a value": (plus(("x-a", "a\rb")), 400),
    "CR LF in a value": (plus(("x-a", "a\r\nHost: b")), 400),
    "ESC in a value": (plus(("x-a", "\x1b[0m")), 400),
    "DEL in a value": (plus(("x-a", "\x7f")), 400),
    "LF at the end": (plus(("x-a", "a\n")), 400),
    "NUL in a cookie": (plus(("cookie", "a=\0")), 400),
    "blank before a value": (plus(("x-a", " b")), 400),
    "tab behind a value": (plus(("x-a", "b\t")), 400),
    "blank in a name": (plus(("x a", "b")), 400),
    "colon in a name": (plus(("x:a", "b")), 400),
    "LF in a name": (plus(("x\na", "b")), 400),
    "NUL in a name": (plus(("x\0a", "b")), 400),
    "byte above 0x7f in a name": (plus(("x\xe4", "b")), 400),
    "empty name": (plus(("", "b")), 400),
    "blank in the path": (fields(path="/a b"), "reset"),
    "LF in the path": (fields(path="/a\nb"), "reset"),
    "NUL in the path": (fields(path="/a\0b"), "reset"),
    "byte above 0x7f in the path": (fields(path="/\xe4"), 400),
    "fragment in the path": (fields(path="/a#b"), 400),
    "backslash in the path": (fields(path="/a\\b"), 400),
    "version in the path": (fields(path="/ HTTP/1.1\r\nX-A: b\r\n\r\n"), "reset"),
    "path without a slash": (fields(path="a"), "reset"),
    "path with a scheme": (fields(path="http://localhost/"), "reset"),
    "asterisk for GET": (fields(path="*"), "reset"),
    "empty path": (fields(path=""), "reset"),
    "LF in the method": (fields(method="GET\n"), "reset"),
    "blank in the method": (fields(method="GET /x"), "reset"),
    "empty method": (fields(method=""), "reset"),
    "LF in the authority": (fields(authority="localhost\n"), "reset"),
    "blank in the authority": (fields(authority="local host"), "reset"),
    "slash in the authority": (fields(authority="localhost/x"), "reset"),
    "userinfo in the authority": (fields(authority="me@localhost"), 400),
    "percent in the authority": (fields(authority="local%68ost"), 400),
    "bad port": (fields(authority="localhost:99999"), 400),
    "port with a sign": (fields(authority="localhost:+80"), 400),
    "half an IPv6": (fields(authority="[::1"), 400),
    "another scheme": (fields(scheme="ftp"), 400),
    "scheme with LF": (fields(scheme="http\n"), "reset"),
    # Host
    "Host of another": (plus(("host", "other")), 400),
    "Host with another port": (plus(("host", "localhost:81")), 400),
    "two Hosts": (plus(("host", "localhost"), ("host", "localhost")), "reset"),
    "empty Host": (plus(("host", "")), "reset"),
    "neither Host nor authority": (fields(authority=None), "reset"),
    "bad Host alone": (plus(("host", "a b"), authority=None), "reset"),
    # pseudo fields
    "no method": (fields(method=None), "reset"),
    "no scheme": (fields(scheme=None), "reset"),
    "no path": (fields(path=None), "reset"),
    "path twice": (plus((":path", "/b")), "reset"),
    "method twice": ([(":method", "GET"), *fields()], "reset"),
    "unknown pseudo field": (plus((":unknown", "a")), "reset"),
    "status": (plus((":status", "200")), "reset"),
    "pseudo field behind others": ([("x-a", "b"), *fields()], "reset"),
    # fields of HTTP/1.1
    "upper case": (plus(("X-A", "b")), "reset"),
    "connection": (plus(("connection", "keep-alive")), "reset"),
    "keep-alive": (plus(("keep-alive", "timeout=5")), "reset"),
    "proxy-connection": (plus(("proxy-connection", "keep-alive")), "reset"),
    "transfer-encoding": (plus(("transfer-encoding", "chunked")), "reset"),
    "upgrade": (plus(("upgrade", "websocket")), "reset"),
    "te: gzip": (plus(("te", "gzip")), "reset"),
    # framing
    "length without a body": (plus(BODY), "reset"),
    "length that is no number": (plus(("content-length", "x")), "reset"),
    "negative length": (plus(("content-length", "-1")), "reset"),
    "length twice": (plus(("content-length", "0"), ("content-length", "0")), "reset"),
    "huge length": (plus(("content-length", "9" * 30)), "reset"),
    # methods that are not forwarded
    "CONNECT": (fields(method="CONNECT", scheme=None, path=None), 501),
    "CONNECT with a path": (fields(method="CONNECT"), "reset"),
    "extended CONNECT": (plus((":protocol", "websocket"), method="CONNECT"), "reset"),
    "TRACE": (fields(method="TRACE"), 501),
    "an unknown expectation": (plus(("expect", "200-ok")), 417),
}


def outcome_of(raw, stream_id):
    """The status, or "reset", of what comes next on the stream."""
    while True:
        frame = raw.read()
        assert frame is not None, "the connection was closed"
        assert not isinstance(frame, hf.GoAwayFrame), frame
        if frame.stream_id != stream_id:
            continue
        if isinstance(frame, hf.HeadersFrame):
            return int(dict(frame.fields)[":status"])
        if isinstance(frame, hf.RstStreamFrame):
            assert frame.error_code == PROTOCOL_ERROR, frame
            return "reset"


def test_malformed_requests(outrider, origin):
    """Refused on their own stream; they never reach the origin, and the connection goes on."""
    origin.on("/fine", respond(200, [], b"fine"))
    proxy = outrider(origin)
    wrong = []
    for name, (block, expected) in MALFORMED.items():
        with proxy.raw_h2(tls=False) as raw:
            raw.send(raw.headers(1, block))
            got = outcome_of(raw, 1)
            if got != expected:
                wrong.append((name, got))
            raw.send(raw.headers(3, raw.request("/fine")))
            assert raw.expect_head(3)[":status"] == "200", name
    assert not wrong, "\n".join(map(str, wrong))
    assert {request.path for request in origin.seen()} == {"/fine"}


def test_errors_are_small_and_say_why(outrider, origin):
    proxy = outrider(origin)
    with proxy.h2() as client:
        response = client.get("/a#b")
        assert (response.status, response.is_complete) == (400, True)
        assert response.header("proxy-status") == "outrider; error=http_request_error"
        assert response.header("content-length") == str(len(response.body)) and response.body
        response = client.get("/a#b", method="HEAD")
        assert (response.status, response.body, response.is_complete) == (400, b"", True)
    proxy.stop()
    lines = proxy.access_log(2)
    assert [(line["status"], line["fault"]) for line in lines] == [(400, "bad_request")] * 2
    assert lines[0]["path"] == "/a#b"


def test_lengths_that_lie(outrider, origin):
    """More or fewer bytes than content-length: never a whole request to the origin."""
    origin.on("/", echo())
    proxy = outrider(origin)
    for body in (b"ab", b"abcd"):
        with proxy.raw_h2(tls=False) as raw:
            raw.send(
                raw.headers(1, plus(BODY, method="POST"), end_stream=False),
                raw.data(1, body, end_stream=True),
            )
            raw.expect_reset(1, PROTOCOL_ERROR)
            assert raw.is_alive()
    for request in origin.seen():
        assert request.is_done.wait(5) and request.is_abandoned


@pytest.mark.parametrize(
    "trailers", [[(":path", "/x")], [("x-a", "b\nc")], [("X-A", "b")], [("connection", "close")]]
)
def test_malformed_trailers(outrider, origin, trailers):
    origin.on("/", echo())
    proxy = outrider(origin)
    with proxy.raw_h2(tls=False) as raw:
        raw.send(
            raw.headers(1, fields(method="POST"), end_stream=False),
            raw.data(1, b"abc"),
            raw.headers(1, trailers),
        )
        assert outcome_of(raw, 1) in (400, "reset")
        assert raw.is_alive()
    for request in origin.seen():
        assert request.is_done.wait(5) and request.is_abandoned


def test_trailers_without_the_end_of_the_stream(outrider, origin):
    """RFC 9113 section 8.1: malformed."""
    origin.on("/", echo())
    proxy = outrider(origin)
    with proxy.raw_h2(tls=False) as raw:
        raw.send(
            raw.headers(1, fields(method="POST"), end_stream=False),
            raw.headers(1, [("x-a", "b")], end_stream=False),
        )
        raw.expect_reset(1, PROTOCOL_ERROR)
        assert raw.is_alive()


FINE = {
    "Host and authority agree": plus(("host", "localhost")),
    "in another case": plus(("host", "LocalHost")),
    "with the default port": plus(("host", "localhost:80")),
    "Host alone": plus(("host", "localhost"), authority=None),
    "blanks inside a value": plus(("x-a", "a \t b")),
    "obs-text": plus(("x-a", "\xe4")),
    "te: trailers": plus(("te", "trailers")),
    "asterisk for OPTIONS": fields(method="OPTIONS", path="*"),
    "odd method": fields(method="M-SEARCH"),
    "length 0": plus(("content-length", "0")),
    "scheme in capitals": fields(scheme="HTTP"),
    "query": fields(path="/?a=b&c=%20?"),
}


def test_unusual_requests(outrider, origin):
    origin.on("*", respond(200, [], b"fine"))
    proxy = outrider(origin)
    for name, block in FINE.items():
        with proxy.raw_h2(tls=False) as raw:
            raw.send(raw.headers(1, block))
            assert outcome_of(raw, 1) == 200, name
        request = origin.seen()[-1]
        assert request.header_list("host") == ["localhost"], name
        assert is_valid_head(request.head), name


def test_cookie_crumbs_are_joined(outrider, origin):
    """RFC 9113 section 8.2.3."""
    origin.on("/", respond(200, [], b""))
    proxy = outrider(origin)
    with proxy.h2() as client:
        crumbs = [("cookie", f"c{number}={number}") for number in range(200)]
        crumbs.insert(50, ("x-between", "1"))
        assert client.get("/", crumbs).status == 200
    expected = "; ".join(f"c{number}={number}" for number in range(200))
    assert origin.last().header_list("cookie") == [expected]


FIELDS = 90  # the usual ones of outrider come on top at the origin


def numbered(count, size=1):
    return [(f"x-{number}", "v" * size) for number in range(count)]


LIMITS = {
    "many fields": (numbered(FIELDS), 200),
    "too many fields": (numbered(101), 431),
    "a large field": ([("x-a", "v" * 16000)], 200),
    "a field that is too large": ([("x-a", "v" * 17000)], 431),
    "a large head": (numbered(60, 1000), 200),
    "a head that is too large": (numbered(70, 1000), 431),
    "large cookies": ([("cookie", "c" * 8000)] * 4, 200),
    "cookies that are too large": ([("cookie", "c" * 8000)] * 5, 431),
    "many crumbs": ([("cookie", "c=1")] * 256, 200),
    "too many crumbs": ([("cookie", "c=1")] * 257, 431),
    "empty crumbs": ([("cookie", "")] * 300, 431),
}


def in_frames(raw, stream_id, block, size=16000):
    """HEADERS and as many CONTINUATIONs as it takes."""
    pieces = [block[at : at + size] for at in range(0, len(block), size)]
    frames = [raw.headers(stream_id, pieces[0], end_headers=len(pieces) == 1)]
    for piece in pieces[1:]:
        frames.append(raw.continuation(stream_id, piece, end_headers=piece is pieces[-1]))
    return frames


def test_limits_of_heads(outrider, origin):
    origin.on("*", respond(200, [], b"fine"))
    proxy = outrider(origin)
    wrong = []
    for name, (extra, expected) in LIMITS.items():
        with proxy.raw_h2(tls=False) as raw:
            raw.handshake()
            raw.send(*in_frames(raw, 1, raw.encode(plus(*extra))))
            got = int(raw.expect_head(1)[":status"])
            if got != expected:
                wrong.append((name, got))
            raw.send(raw.headers(3, raw.request("/")))
            assert raw.expect_head(3)[":status"] == "200", name
    assert wrong == []


def test_limit_of_the_path(outrider, origin):
    origin.on("*", respond(200, [], b"fine"))
    proxy = outrider(origin)
    with proxy.h2() as client:
        assert client.get("/" + "p" * 8191).status == 200
        response = client.get("/" + "p" * 8192)
        assert (response.status, response.is_complete) == (414, True)
        assert client.get("/").status == 200


def test_bomb_ends_the_connection(outrider, origin):
    """One byte of a header block for each field: HPACK's amplification does not buy memory."""
    proxy = outrider(origin)
    with proxy.raw_h2(tls=False) as raw:
        raw.handshake()
        first = raw.encode(plus(("x-a", "v" * 3000)))
        block = first + raw.encode([("x-a", "v" * 3000)]) * 16000
        raw.send(*in_frames(raw, 1, block))
        raw.expect_connection_error(ENHANCE_YOUR_CALM)
    with proxy.h2() as client:
        assert client.get("/").status == 404


def test_no_route(outrider, origin):
    origin.on("/", respond(200, [], b"fine"))
    proxy = outrider(origin, routes=[{"origin": "app", "host": "known.test"}])
    with proxy.h2(tls=False) as client:
        response = client.get("/")
        assert response.status == 404
        assert response.header("proxy-status") == "outrider; error=destination_not_found"
        assert client.get("/", authority="known.test").status == 200
        assert client.get("/", method="POST", body=b"x" * 1000).status == 404
    assert len(origin.seen()) == 1


def test_limit_of_the_body(outrider, origin):
    origin.on("/", echo())
    proxy = outrider(origin, limits={"body": "10KiB"})
    with proxy.h2(tls=False) as client:
        assert client.get("/", method="POST", body=b"x" * 10240).status == 200
        length = [("content-length", "10241")]
        assert client.get("/", length, method="POST", body=b"x" * 10241).status == 413
        assert client.get("/", method="POST", body=b"x" * 20000).status == 413
        assert client.get("/", method="POST", body=b"x").status == 200


def test_many_malformed_requests_end_the_connection(outrider, origin):
    """Each costs one of a budget: refusing is work too."""
    proxy = outrider(origin)
    with proxy.raw_h2(tls=False) as raw:
        raw.handshake()
        refused = 0
        while refused < 300:
            raw.send(raw.headers(2 * refused + 1, fields(path="/a#b")))
            frame = raw.expect((hf.HeadersFrame, hf.GoAwayFrame))
            if isinstance(frame, hf.GoAwayFrame):
                break
            refused += 1
        assert 100 < refused < 300 and frame.error_code == ENHANCE_YOUR_CALM
        raw.expect_closed()
    with proxy.h2(tls=False) as client:
        assert client.get("/").status == 404
