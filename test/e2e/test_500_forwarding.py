# SPDX-License-Identifier: Apache-2.0
"""What the origin is told about a request, and what the client is told about its response."""

import re

import pytest

from origin import is_valid_head, respond, send


def exact(request):
    """The head as it came, its fields in order of their names."""
    lines = request.head.decode("latin-1").split("\r\n")
    return [lines[0], *sorted(lines[1:])]


def named(fields):
    return {name for name, _ in fields}


# ---- requests ------------------------------------------------------------------------------------


def test_exact_head_of_an_http2_request(outrider, origin):
    origin.on("/page", respond())
    proxy = outrider(origin)
    with proxy.h2(authority="App.Example.org", server_name="app.example.org") as client:
        page = client.get(
            "/page?q=%2F&r",
            [
                ("accept", "text/html"), ("cookie", "a=1"), ("x-own", "kept  twice"),
                ("cookie", "b=2; c=3"), ("x-own", "kept"), ("te", "trailers"), ("priority", "u=1"),
            ],
        )  # fmt: skip
        assert page.status == 200
    request = origin.last("/page")
    assert is_valid_head(request.head)
    assert exact(request) == [
        "GET /page?q=%2F&r HTTP/1.1",
        "accept: text/html",
        "cookie: a=1; b=2; c=3",
        'forwarded: for=127.0.0.1;host="app.example.org";proto=https',
        "host: app.example.org",
        "priority: u=1",
        "via: 2.0 outrider",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: app.example.org",
        f"x-forwarded-port: {proxy.https_port}",
        "x-forwarded-proto: https",
        "x-own: kept",
        "x-own: kept  twice",
        f"x-request-id: {request.header('x-request-id')}",  # test_810_logs.py
    ]
    assert request.header_list("x-own") == ["kept  twice", "kept"]  # their order is kept


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_exact_head_of_an_http1_request(outrider, origin, version):
    origin.on("/page", respond())
    proxy = outrider(origin)
    with proxy.h1() as client:
        client.send(
            f"GET /page HTTP/{version}\r\nHOST: App.Example.org:8080\r\nX-Own:   padded\t \r\n"
            "Cookie: a=1\r\nUser-Agent: old\r\n\r\n".encode()
        )
        assert client.read_response()[0] == 200
    assert exact(origin.last("/page")) == [
        "GET /page HTTP/1.1",
        "cookie: a=1",
        'forwarded: for=127.0.0.1;host="app.example.org:8080";proto=http',
        "host: app.example.org:8080",
        "user-agent: old",
        f"via: {version} outrider",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: app.example.org:8080",
        f"x-forwarded-port: {proxy.http_port}",
        "x-forwarded-proto: http",
        "x-own: padded",
        f"x-request-id: {origin.last('/page').header('x-request-id')}",
    ]


HOP_BY_HOP = [
    "Connection: keep-alive, X-Named , x-other",
    "X-Named: 1",
    "X-Other: 2",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "Proxy-Authorization: Basic eDp5",
    "Proxy-Authenticate: Basic",
    "Proxy: evil",
    "Proxy-Status: fake",
    "TE: trailers, deflate;q=0.5",
    "Upgrade: h2c, websocket",
    "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
    "X_Forwarded_For: 1.2.3.4",
    "X-Stays: here",
]


def test_hop_by_hop_fields_end_here(outrider, origin):
    origin.on("/", respond())
    with outrider(origin).h1() as client:
        head = "GET / HTTP/1.1\r\nHost: localhost\r\n" + "\r\n".join(HOP_BY_HOP) + "\r\n\r\n"
        client.send(head.encode())
        assert client.read_response()[0] == 200
    assert named(origin.last().headers) == {
        "host", "via", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
        "x-forwarded-port", "forwarded", "x-stays", "x-request-id",
    }  # fmt: skip
    assert origin.last().header("x-forwarded-for") == "127.0.0.1"


NOMINATED = [
    "host", "content-length", "cookie", "Cookie", "authorization", "transfer-encoding",
    "x-forwarded-for", "X-Forwarded-Proto", "x-forwarded-secret", "forwarded", "via", "x-real-ip",
    "content-type", "close, Cookie",
]  # fmt: skip


def test_connection_may_not_name_what_the_origin_relies_on(outrider, origin):
    origin.on("/", respond())
    proxy = outrider(origin)
    for name in NOMINATED:
        with proxy.h1() as client:
            client.send(f"GET / HTTP/1.1\r\nHost: a\r\nConnection: {name}\r\n\r\n".encode())
            assert client.read_response()[0] == 400, name
    assert not origin.requests


SPOOFED = [
    ("x-forwarded-for", "6.6.6.6"),
    ("x-forwarded-for", "7.7.7.7, 8.8.8.8"),
    ("x-forwarded-proto", "gopher"),
    ("x-forwarded-host", "evil.test"),
    ("x-forwarded-port", "66"),
    ("x-forwarded-server", "evil"),
    ("x-forwarded-prefix", "/evil"),
    ("x-real-ip", "6.6.6.6"),
    ("forwarded", "for=6.6.6.6;proto=https"),
    ("forwarded", 'for="[2001:db8::6]"'),
]


def test_claims_of_strangers_are_replaced(outrider, origin):
    origin.on("/", respond())
    proxy = outrider(origin)
    with proxy.h2() as client:
        assert client.get("/", SPOOFED).status == 200
    with proxy.h1() as client:
        lines = "".join(f"{name.title()}: {value}\r\n" for name, value in SPOOFED)
        client.send(f"GET / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
        assert client.read_response()[0] == 200
    for request, scheme, port in zip(
        origin.wait_requests(2), ("https", "http"), (proxy.https_port, proxy.http_port)
    ):
        assert not re.search(rb"(?i)[678]\.[678]\.|evil|gopher|2001|real-ip", request.head)
        assert request.header_list("x-forwarded-for") == ["127.0.0.1"]
        assert request.header_list("x-forwarded-proto") == [scheme]
        assert request.header_list("x-forwarded-host") == ["localhost"]
        assert request.header_list("x-forwarded-port") == [str(port)]
        assert len(request.header_list("forwarded")) == 1


@pytest.mark.parametrize("trusted", ["127.0.0.1", "127.0.0.0/8", ["10.0.0.0/8", "127.0.0.1/32"]])
def test_claims_of_trusted_proxies_are_extended(outrider, origin, trusted):
    origin.on("/", respond())
    proxy = outrider(origin, trusted=trusted)
    with proxy.h2() as client:
        assert client.get("/", [*SPOOFED, ("via", "1.1 front")]).status == 200
        assert client.get("/").status == 200
    with_claims, without = origin.wait_requests(2)
    assert with_claims.header("x-forwarded-for") == "6.6.6.6, 7.7.7.7, 8.8.8.8, 127.0.0.1"
    assert with_claims.header_list("x-forwarded-proto") == ["gopher"]
    assert with_claims.header_list("x-forwarded-host") == ["evil.test"]
    assert with_claims.header_list("x-forwarded-port") == ["66"]
    assert with_claims.header("x-real-ip") == "6.6.6.6"
    assert with_claims.header("forwarded") == (
        'for=6.6.6.6;proto=https, for="[2001:db8::6]", for=127.0.0.1;host="localhost";proto=https'
    )
    assert with_claims.header("via") == "1.1 front, 2.0 outrider"
    assert without.header("x-forwarded-for") == "127.0.0.1"
    assert without.header("x-forwarded-proto") == "https"


def test_a_network_that_does_not_hold_the_client_is_not_trusted(outrider, origin):
    origin.on("/", respond())
    with outrider(origin, trusted=["10.0.0.0/8", "::1", "127.0.0.2"]).h2() as client:
        assert client.get("/", SPOOFED).status == 200
    assert origin.last().header("x-forwarded-for") == "127.0.0.1"


def test_via_of_others_stays(outrider, origin):
    origin.on("/", respond())
    with outrider(origin).h2() as client:
        client.get("/", [("via", "1.0 fred"), ("via", "1.1 nowhere")])
    assert origin.last().header("via") == "1.0 fred, 1.1 nowhere, 2.0 outrider"


def test_host_header_of_the_origin(outrider, origin):
    origin.on("/", respond())
    proxy = outrider(origin, {"host_header": "app.internal:8080"})
    with proxy.h2(authority="public.test", server_name="public.test") as client:
        assert client.get("/").status == 200
    request = origin.last()
    assert request.header_list("host") == ["app.internal:8080"]
    assert request.header("x-forwarded-host") == "public.test"
    assert 'host="public.test"' in request.header("forwarded")


@pytest.mark.parametrize(
    "given, sent",
    [
        ("localhost", "localhost"),
        ("LOCALHOST", "localhost"),
        ("localhost:443", "localhost"),
        ("localhost:80", "localhost:80"),
        ("localhost:8443", "localhost:8443"),
        ("[::1]", "[::1]"),
        ("[::1]:8443", "[::1]:8443"),
        ("xn--bcher-kva.test", "xn--bcher-kva.test"),
    ],
)
def test_host_comes_from_the_authority(outrider, origin, make_certs, given, sent):
    origin.on("/", respond())
    certs = make_certs("localhost", "xn--bcher-kva.test")
    listeners = [{"address": "https://127.0.0.1:0", "tls": certs.tls}]
    with outrider(origin, listeners=listeners).h2(server_name=None) as client:
        assert client.get("/", authority=given).status == 200
        assert client.get("/", [("host", given)], authority=given).status == 200
    assert [request.header_list("host") for request in origin.wait_requests(2)] == [[sent]] * 2


AUTHORITIES = [
    ("a.test", "b.test"), ("a.test", "a.test:8080"), ("a.test:1", "a.test:2"), ("a.test", ""),
    ("a.test@b.test", None), ("a.test,b.test", None), ("a.test/x", None), ("a test", None),
    ("a.test:", "a.test:x"), ("a.test:99999", None), ("[::1", None), ("a%2etest", None),
    ("a.test;b", None), ("a.test\\b", None), ("", None), ("a.test:80:80", None),
]  # fmt: skip


def test_bad_authorities_never_reach_the_origin(outrider, origin):
    origin.on("/", respond())
    with outrider(origin).h2(tls=False) as client:
        for authority, host in AUTHORITIES:
            fields = [("host", host)] if host is not None else []
            client.authority = authority
            answer = client.get("/", fields)
            assert answer.status == 400 or answer.reset is not None, (authority, host, answer)
        client.authority = "a.test"
        assert client.get("/").status == 200
    assert len(origin.requests) == 1


# ---- responses -----------------------------------------------------------------------------------


RESPONSE_FIELDS = [
    ("Connection", "X-Named, keep-alive"),
    ("X-Named", "gone"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Connection", "keep-alive"),
    ("Proxy-Authenticate", "Basic"),
    ("Upgrade", "h2c"),
    ("X-Kept", "one"),
    ("X-Kept", "two"),
    ("Set-Cookie", "a=1; Path=/"),
    ("Set-Cookie", "b=2"),
    ("Server", "legacy/1.0"),
    ("ETag", '"x"'),
    ("Via", "1.0 inner"),
    ("X_Under", "stays"),
    ("X-Latin", "caf\xe9"),
    ("X-Empty", ""),
]


def test_fields_of_a_response(outrider, origin):
    origin.on("/", respond(200, RESPONSE_FIELDS, b"hello"))
    proxy = outrider(origin)
    with proxy.h2() as client:
        h2_fields = client.get("/").headers
    with proxy.h1() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, h1_fields, body = client.read_response()
        assert (status, body) == (200, b"hello")
    for fields in (h2_fields, h1_fields):
        assert all(name == name.lower() for name, _ in fields)
        values = [(name, value) for name, value in fields if name not in (":status", "date")]
        assert sorted(values) == sorted(
            [
                ("x-kept", "one"), ("x-kept", "two"), ("set-cookie", "a=1; Path=/"),
                ("set-cookie", "b=2"), ("server", "legacy/1.0"), ("etag", '"x"'),
                ("via", "1.0 inner"), ("via", "1.1 outrider"), ("x_under", "stays"),
                ("x-latin", "caf\xe9"), ("x-empty", ""), ("content-length", "5"),
            ]
        )  # fmt: skip
        assert [value for name, value in values if name == "x-kept"] == ["one", "two"]
        dates = [value for name, value in fields if name == "date"]
        assert len(dates) == 1 and re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", dates[0])


def test_an_origins_date_stays(outrider, origin):
    date = "Tue, 15 Nov 1994 08:12:31 GMT"
    origin.on("/", respond(200, [("Date", date)], b""))
    with outrider(origin).h2() as client:
        assert client.get("/").header("date") == date


@pytest.mark.parametrize("status", [200, 201, 204, 206, 301, 304, 404, 410, 418, 500, 503, 599])
def test_statuses_pass(outrider, origin, status):
    origin.on("/", respond(status, [("x-a", "b")], b"" if status in (204, 304) else b"text"))
    proxy = outrider(origin)
    with proxy.h2() as client, proxy.h1() as old:
        response = client.get("/")
        assert (response.status, response.header("x-a"), response.is_complete) == (
            status, "b", True,
        )  # fmt: skip
        old.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
        assert old.read_response()[0] == old.read_response()[0] == status


@pytest.mark.parametrize("line", [b"HTTP/1.1 200 All Is Well", b"HTTP/1.1 200 ", b"HTTP/1.1 200"])
def test_the_reason_phrase_is_not_passed_on(outrider, origin, line):
    origin.on("/", send(line + b"\r\nContent-Length: 2\r\n\r\nhi"))
    with outrider(origin).h1() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        text = client.read_to_end()
    assert re.match(rb"HTTP/1\.1 200 (OK)?\r\n", text) and text.endswith(b"\r\n\r\nhi")
