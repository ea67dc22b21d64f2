# SPDX-License-Identifier: Apache-2.0
"""Malformed responses: 502 (or a broken body when it comes late), and the connection is closed."""

import pytest

from origin import chunk, head, respond, send, wait_closed

OK = b"HTTP/1.1 200 OK\r\n"
END = b"Content-Length: 2\r\n\r\nok"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"

BAD_HEADS = [
    # framing that can be read in two ways
    CHUNKED + b"Content-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    OK + b"Content-Length: 2, 2\r\n\r\nok",
    OK + b"Content-Length: +2\r\n\r\nok",
    OK + b"Content-Length: -2\r\n\r\nok",
    OK + b"Content-Length: 0x2\r\n\r\nok",
    OK + b"Content-Length: 2.0\r\n\r\nok",
    OK + b"Content-Length: 2 2\r\n\r\nok",
    OK + b"Content-Length: two\r\n\r\nok",
    OK + b"Content-Length:\r\n\r\nok",
    OK + b"Content-Length: 18446744073709551618\r\n\r\nok",
    OK + b"Content-Length: 9223372036854775808\r\n\r\nok",
    OK + b"Transfer-Encoding: gzip\r\n\r\nok",
    OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: identity\r\n\r\nok",
    OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding:\r\n" + END,
    OK + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    # field lines
    OK + b"Content-Length : 2\r\n\r\nok",
    OK + b" X: leading\r\n" + END,
    OK + b"X: a\r\n folded\r\n" + END,
    OK + b"X: a\r\n\tfolded\r\n" + END,
    OK + b"X: a\rb\r\n" + END,
    OK + b"X: a\r\r\n" + END,
    OK + b"X: a\nY: b\r\n" + END,
    OK + b"X: a\x00b\r\n" + END,
    OK + b"X: a\x01b\r\n" + END,
    OK + b"X: a\x7fb\r\n" + END,
    OK + b"X\x00: a\r\n" + END,
    OK + b"X y: a\r\n" + END,
    OK + b"X(y): a\r\n" + END,
    OK + b"X\xe9: a\r\n" + END,
    OK + b": a\r\n" + END,
    OK + b"no colon\r\n" + END,
    OK + b"X: a\r\n\rContent-Length: 2\r\n\r\nok",
    # status lines
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    b"HTTP/1.1 200 OK\rContent-Length: 2\r\rok",
    b"HTTP/1.1 200 O\x00K\r\n" + END,
    b"HTTP/1.1 200 O\rK\r\n" + END,
    b"HTTP/1.1 200 O\x1bK\r\n" + END,
    b"HTTP/1.1 20 OK\r\n" + END,
    b"HTTP/1.1 2000 OK\r\n" + END,
    b"HTTP/1.1 099 OK\r\n" + END,
    b"HTTP/1.1 600 OK\r\n" + END,
    b"HTTP/1.1 999 OK\r\n" + END,
    b"HTTP/1.1 000 OK\r\n" + END,
    b"HTTP/1.1 2x0 OK\r\n" + END,
    b"HTTP/1.1 -20 OK\r\n" + END,
    b"HTTP/1.1  200 OK\r\n" + END,
    b"HTTP/1.1\t200 OK\r\n" + END,
    b"HTTP/1.1 200OK\r\n" + END,
    b"HTTP/1.1\r\n" + END,
    b"HTTP/1.2 200 OK\r\n" + END,
    b"HTTP/2.0 200 OK\r\n" + END,
    b"HTTP/0.9 200 OK\r\n" + END,
    b"HTTP/1.10 200 OK\r\n" + END,
    b"HTTP/11 200 OK\r\n" + END,
    b"http/1.1 200 OK\r\n" + END,
    b"HTTQ/1.1 200 OK\r\n" + END,
    b"ICY 200 OK\r\n" + END,
    b" HTTP/1.1 200 OK\r\n" + END,
    b"\r\n" + OK + END,
    b"\n" + OK + END,
    b"\x00" + OK + END,
    b"200 OK\r\n" + END,
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"<html>hello</html>",
    b"\x16\x03\x01\x02\x00\x01\x00\x01",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18,
    b"SSH-2.0-OpenSSH_9.2\r\n",
    # interim responses
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.0 100 Continue\r\n\r\n" + OK + END,
    b"HTTP/1.0 103 Early Hints\r\n\r\n" + OK + END,
    b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\nok" + OK + END,
    b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + OK + END,
    b"HTTP/1.1 103 Early Hints\r\n\r\nok" + OK + END,
    b"HTTP/1.1 103 Early Hints\r\nLink: a\rb\r\n\r\n" + OK + END,
    # sizes
    OK + b"X: " + b"a" * 65536 + b"\r\n" + END,
    OK + b"a" * 66000,
    OK + b"X: y\r\n" * 257 + END,
    OK + b"".join(b"X%d: %s\r\n" % (n, b"a" * 900) for n in range(80)) + END,
    OK + b"\r\n".join([b"X:"] * 70000),
    b"HTTP/1.1 200 " + b"O" * 70000 + b"\r\n" + END,
    head(103, [("X", "a" * 1000)]) * 70 + OK + END,
    head(103) * 101 + OK + END,
    head(100) * 101 + OK + END,
]

BAD_BODIES = [
    b"x\r\nok\r\n0\r\n\r\n",
    b"-2\r\nok\r\n0\r\n\r\n",
    b"0x2\r\nok\r\n0\r\n\r\n",
    b"+2\r\nok\r\n0\r\n\r\n",
    b" 2\r\nok\r\n0\r\n\r\n",
    b"2 \r\nok\r\n0\r\n\r\n",
    b"2\rok\r\n0\r\n\r\n",
    b"2\nok\r\n0\r\n\r\n",
    b"2\r\nok0\r\n\r\n",
    b"2\r\nokk\r\n0\r\n\r\n",
    b"2\r\nok\n0\r\n\r\n",
    b"2\r\nok\r0\r\n\r\n",
    b"\r\n0\r\n\r\n",
    b"2\r\nok\r\n\r\n0\r\n\r\n",
    b"2;a=\x00\r\nok\r\n0\r\n\r\n",
    b"2;a=b\nok\r\n0\r\n\r\n",
    b"2;" + b"x" * 20000 + b"\r\nok\r\n0\r\n\r\n",
    (b"2;" + b"x" * 200 + b"\r\nok\r\n") * 200 + b"0\r\n\r\n",
    b"2" + b";" * 20000,
    b"0" * 20000 + b"2\r\nok\r\n0\r\n\r\n",
    b"10000000000000002\r\nok\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\nok",
    b"8000000000000000\r\nok",
    b"2\r\nok\r\n0\r\nX\r\n\r\n",
    b"2\r\nok\r\n0\r\nX y: z\r\n\r\n",
    b"2\r\nok\r\n0\r\nX: a\x00\r\n\r\n",
    b"2\r\nok\r\n0\r\nX: a\r\n folded\r\n\r\n",
    b"2\r\nok\r\n0\r\nX: a\nY: b\r\n\r\n",
    b"2\r\nok\r\n0\r\n: a\r\n\r\n",
    b"2\r\nok\r\n0\r\nContent-Length: 2\r\n\r\n",
    b"2\r\nok\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"2\r\nok\r\n0\r\n\n",
    b"2\r\nok\r\n0\n\r\n",
    b"2\r\nok\r\n0\r\nX: " + b"a" * 70000 + b"\r\n\r\n",
    b"2\r\nok\r\n0\r\n" + b"X: y\r\n" * 257 + b"\r\n",
    b"2\r\nok\r\n" + OK + END,
]

assert len(BAD_HEADS) + len(BAD_BODIES) >= 120


def label(payload):
    return repr(payload[:60]) + f" ({len(payload)} B)"


@pytest.mark.parametrize("client_kind", ["h2", "h1"])
def test_malformed_heads_are_502(outrider, origin, client_kind):
    for number, payload in enumerate(BAD_HEADS):
        origin.on(f"/{number}", send(payload), wait_closed())
    origin.on("/next", respond(200, [], b"next"))
    proxy = outrider(origin, {"first_byte_timeout": "2s"}, workers=1)
    failures = []
    with proxy.h2() as modern, proxy.h1() as old:
        for number, payload in enumerate(BAD_HEADS):
            if client_kind == "h2":
                response = modern.get(f"/{number}")
                status, error = response.status, response.header("proxy-status", "")
                is_complete = response.is_complete
            else:
                old.send(f"GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                status, fields, body = old.read_response()
                error, is_complete = dict(fields).get("proxy-status", ""), len(body) < 100
            is_said = error.startswith("outrider; error=http_")
            if (status, is_complete) != (502, True) or not is_said:
                failures.append((label(payload), status, error))
            if modern.get("/next").body != b"next":
                failures.append((label(payload), "poisoned the next one"))
    assert not failures, "\n".join(map(str, failures))
    check_never_reused(origin, len(BAD_HEADS))


def check_never_reused(origin, count):
    for request in origin.requests:
        if request.path != "/next":
            assert request.is_done.wait(5), request
    bad = [request.connection for request in origin.requests if request.path != "/next"]
    assert len(bad) == count == len(set(bad))  # also: not retried
    after = {}
    for request in origin.requests:
        assert after.get(request.connection) is None, (request, after[request.connection])
        if request.path != "/next":
            after[request.connection] = request


@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "behind a chunk"])
def test_malformed_content_is_never_complete(outrider, origin, is_late):
    begin = CHUNKED + b"\r\n" + (chunk(b"begin") if is_late else b"")
    for number, payload in enumerate(BAD_BODIES):
        if is_late:
            origin.on(f"/{number}", send(begin), lambda *_: origin.wait_event("begun"),
                      send(payload), wait_closed())  # fmt: skip
        else:
            origin.on(f"/{number}", send(begin + payload), wait_closed())
    origin.on("/next", respond(200, [], b"next"))
    origin.event("begun").set()
    proxy = outrider(origin, {"between_bytes_timeout": "2s"}, workers=1)
    failures = []
    with proxy.h2() as modern:
        for number, payload in enumerate(BAD_BODIES):
            response = modern.get(f"/{number}")
            if response.is_ended or response.reset != 2:
                failures.append((label(payload), response, response.body[:20]))
            with proxy.h1() as old:
                old.send(f"GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                try:
                    status, _, body = old.read_response()
                    failures.append((label(payload), "complete over HTTP/1.1", status, body[:20]))
                except ConnectionError:
                    pass
            assert modern.get("/next").body == b"next", label(payload)
    assert not failures, "\n".join(map(str, failures))
    check_never_reused(origin, 2 * len(BAD_BODIES))


ODD_BUT_GOOD = [
    b"HTTP/1.1 200\r\n" + END,
    b"HTTP/1.1 200 \r\n" + END,
    b"HTTP/1.1 200 caf\xe9\r\n" + END,
    OK + b"CONTENT-LENGTH:2\r\n\r\nok",
    OK + b"Content-Length:   2  \r\n\r\nok",
    OK + b"Content-Length: 0000002\r\n\r\nok",
    OK + b"X:\r\nY: \t \r\n" + END,
    OK + b"X: \xff\xfe\t\xe9\r\n" + END,
    OK + b"!#$%&'*+-.^_`|~09aZ: x\r\n" + END,
    OK + b"".join(b"X%d: y\r\n" % n for n in range(250)) + END,
    OK + b"X: " + b"a" * 60000 + b"\r\n" + END,
    OK + b"transfer-encoding: Chunked\r\n\r\n02;a=b;c=\"d;\\\"e\";f\r\nok\r\n00;x\r\n\r\n",
    CHUNKED + b"\r\n" + b"1\r\no\r\n1\r\nk\r\n0\r\nX-T: a\r\n\r\n",
    head(100) + head(102) + head(103, [("Link", "</a>; nopush")]) * 20 + OK + END,
    head(103) * 100 + OK + END,
]


def test_odd_but_good_responses_pass_and_are_reused(outrider, origin):
    for number, payload in enumerate(ODD_BUT_GOOD):
        origin.on(f"/{number}", send(payload))
    with outrider(origin, workers=1).h2(settings={6: 1 << 20}) as client:
        for number, payload in enumerate(ODD_BUT_GOOD):
            response = client.get(f"/{number}", limit=5)
            assert (response.status, response.body) == (200, b"ok"), label(payload)
            assert response.is_complete
    assert {request.connection for request in origin.requests} == {1}
