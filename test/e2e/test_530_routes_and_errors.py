# SPDX-License-Identifier: Apache-2.0
"""Which origin answers, and what outrider says itself when none can."""

import re
import time

import pytest

from origin import close, closed_port, respond, send, sleep


@pytest.fixture
def named_origins(make_origin):
    """Origins that answer with their own name."""

    def make(*names):
        made = {}
        for name in names:
            made[name] = make_origin()
            made[name].on("*", respond(200, [], name.encode()))
        return made

    return make


def urls(origins):
    return {name: {"url": origin.url} for name, origin in origins.items()}


HOSTS_AND_PATHS = [
    ("www.example.org", "/", "exact"),
    ("WWW.Example.ORG", "/x", "exact"),
    ("www.example.org:8080", "/x", "exact"),
    ("www.example.org", "/api", "api"),
    ("www.example.org", "/api/", "api"),
    ("www.example.org", "/api/v1/x?y=/", "v1"),
    ("www.example.org", "/api/v1", "v1"),
    ("www.example.org", "/api?x=1", "api"),
    ("www.example.org", "/apis", "exact"),
    ("www.example.org", "/ap", "exact"),
    ("www.example.org", "/API", "exact"),
    ("www.example.org", "/x/api", "exact"),
    ("a.example.org", "/", "wild"),
    ("a.b.example.org", "/", "wild"),
    ("example.org", "/", "rest"),
    ("example.org", "/api", "rest"),
    ("xexample.org", "/", "rest"),
    ("deep.sub.example.org", "/", "sub"),
    ("sub.example.org", "/", "wild"),
    ("other.test", "/static/a.css", "static"),
    ("a.example.org", "/static/a.css", "wild"),
    ("other.test", "/static", "static"),
    ("other.test", "/staticx", "rest"),
]


def test_hosts_wildcards_and_prefixes(outrider, named_origins):
    origins = named_origins("exact", "api", "v1", "wild", "sub", "static", "rest")
    routes = [
        {"origin": "rest"},
        {"path": "/static", "origin": "static"},
        {"host": "*.example.org", "origin": "wild"},
        {"host": "*.sub.example.org", "origin": "sub"},
        {"host": "www.example.org", "path": "/api/v1/", "origin": "v1"},
        {"host": "www.example.org", "path": "/api", "origin": "api"},
        {"host": "www.example.org", "origin": "exact"},
    ]
    proxy = outrider(origins=urls(origins), routes=routes, workers=1)
    with proxy.h2(tls=False) as client, proxy.h1() as old:
        failures = []
        for host, path, wanted in HOSTS_AND_PATHS:
            got = client.get(path, authority=host).body.decode()
            old.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            if [got, old.read_response()[2].decode()] != [wanted] * 2:
                failures.append((host, path, wanted, got))
        assert not failures, failures


def test_no_route(outrider, named_origins):
    origins = named_origins("app")
    routes = [
        {"host": "app.test", "path": "/app", "origin": "app"},
        {"host": "*.app.test", "origin": "app"},
    ]
    proxy = outrider(origins=urls(origins), routes=routes)
    with proxy.h2(tls=False) as client:
        assert client.get("/app/x", authority="app.test").status == 200
        for host, path in (
            ("app.test", "/"), ("app.test", "/appx"), ("other.test", "/app"), ("localhost", "/app"),
        ):  # fmt: skip
            answer = client.get(path, authority=host)
            assert (answer.status, answer.is_complete) == (404, True), (host, path)
            assert answer.header("proxy-status") == "outrider; error=destination_not_found"
    assert len(origins["app"].requests) == 1


@pytest.mark.parametrize("path", ["/app/../secret", "/app/%2e%2e/secret", "/app/./x", "/app//x",
                                  "/app/..%2fsecret", "/app/.%2e/x"])  # fmt: skip
def test_dots_do_not_leave_a_route(outrider, named_origins, path):
    """The origin cannot resolve a path out of the prefix that chose it."""
    origins = named_origins("app", "secret")
    routes = [
        {"host": "*", "path": "/app", "origin": "app"},
        {"host": "*", "path": "/secret", "origin": "secret"},
    ]
    proxy = outrider(origins=urls(origins), routes=routes)
    with proxy.h1() as old:
        old.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        status = old.read_response()[0]
    assert not origins["secret"].requests
    for request in origins["app"].requests:
        assert status == 200 and request.target.startswith("/app/")


def test_two_origins_one_of_them_on_a_unix_socket(outrider, origin, unix_origin):
    origin.on("*", respond(200, [], b"tcp"))
    unix_origin.on("*", respond(200, [], b"unix"))
    proxy = outrider(
        origins={"a": {"url": origin.url}, "b": {"url": unix_origin.url}},
        routes=[{"origin": "a"}, {"path": "/b", "origin": "b"}],
    )
    with proxy.h2() as client:
        bodies = [r.body for r in client.get_all(["/a", "/b", "/b/c", "/", "/b?x"])]
    assert bodies == [b"tcp", b"unix", b"unix", b"tcp", b"unix"]


def test_an_origin_by_name(outrider, origin):
    origin.on("/", respond(200, [], b"resolved"))
    with outrider(f"http://localhost:{origin.port}").h2() as client:
        assert client.get("/").body == b"resolved"
        assert client.get("/").body == b"resolved"


# ---- what outrider says itself -------------------------------------------------------------------


def broken(origin):
    """Paths of an origin that make each kind of error."""
    origin.on("/closes", close())
    origin.on("/garbage", send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), sleep(0.05))
    origin.on("/silent", sleep(0.6), close())
    origin.on("/cut-head", send(b"HTTP/1.1 200 OK\r\nContent-"), close())
    origin.on("/large", send(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000 + b"\r\n\r\n"), sleep(0.05))
    origin.on("/switch", send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"))


ERRORS = [
    ("/closes", 502, "connection_terminated"),
    ("/garbage", 502, "http_protocol_error"),
    ("/silent", 504, "http_response_timeout"),
    ("/cut-head", 502, "http_response_incomplete"),
    ("/large", 502, "http_response_header_section_size"),
    ("/switch", 502, "http_upgrade_failed"),
    ("/refused", 502, "connection_refused"),
    ("/nosocket", 502, "connection_refused"),
    ("/noname", 502, "dns_error"),
]


def test_errors_are_small_and_honest(outrider, origin, tmp_path):
    broken(origin)
    names = {
        "app": {"url": origin.url, "first_byte_timeout": "250ms"},
        "refused": {"url": f"http://127.0.0.1:{closed_port()}"},
        "nosocket": {"url": f"unix:{tmp_path}/none.sock"},
        "noname": {"url": "http://no-such-host.invalid:80", "connect_timeout": "4s"},
    }
    routes = [{"origin": "app"}] + [{"path": f"/{n}", "origin": n} for n in names if n != "app"]
    proxy = outrider(origins=names, routes=routes, workers=1)
    with proxy.h2() as client, proxy.h1() as old:
        for path, status, error in ERRORS:
            answer = client.get(path)
            assert (answer.status, answer.is_complete) == (status, True), (path, answer)
            check_error(dict(answer.headers), answer.body, status, error)
            old.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            got, fields, body = old.read_response()
            assert got == status, path
            check_error(dict(fields), body, status, error)
            head_answer = client.get(path, method="HEAD")
            assert (head_answer.status, head_answer.body) == (status, b""), path
            old.send(f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert old.read_response("HEAD")[0] == status, path


def check_error(fields, body, status, error):
    assert fields["proxy-status"] == f"outrider; error={error}"
    assert fields["content-type"].startswith("text/plain")
    assert int(fields["content-length"]) == len(body)
    assert fields["cache-control"] == "no-store" and "date" in fields
    assert re.fullmatch(rf"{status}: [ -~]+\n".encode(), body) and len(body) < 120
    assert not re.search(rb"127\.0\.0\.1|/tmp|invalid", body)  # nothing of the inside


def test_an_error_does_not_cost_the_connection(outrider, origin):
    """After a 502 an HTTP/1.1 client goes on with the same connection."""
    broken(origin)
    origin.on("/", respond(200, [], b"fine"))
    with outrider(origin).h1() as old:
        for _ in range(3):
            old.send(b"GET /closes HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert old.read_response()[0] == 502
            assert old.read_response()[2] == b"fine"


def test_too_many_for_the_origin_are_told_to_come_back(outrider, origin):
    origin.on("/", sleep(0.3), respond(200, [], b"ok"))
    options = {"max_connections": 1, "max_waiting": 2}
    with outrider(origin, options, workers=1).h2() as client:
        start = time.monotonic()
        responses = client.get_all(["/"] * 6)
        statuses = sorted(response.status for response in responses)
        assert statuses == [200] * 3 + [503] * 3
        assert time.monotonic() - start < 3
        refused = next(response for response in responses if response.status == 503)
        assert int(refused.header("retry-after")) >= 1
        assert refused.header("proxy-status") == "outrider; error=connection_limit_reached"
    assert {request.connection for request in origin.requests} == {1}


def test_waiting_for_a_connection_ends(outrider, origin):
    """Those in the line are not forgotten when the origin hangs."""
    origin.on("/", sleep(1.5), respond(200, [], b"late"))
    options = {"max_connections": 1, "first_byte_timeout": "400ms"}
    with outrider(origin, options, workers=1).h2() as client:
        start = time.monotonic()
        statuses = [response.status for response in client.get_all(["/"] * 3)]
        assert statuses[0] == 504 and set(statuses[1:]) <= {503, 504}, statuses
        assert time.monotonic() - start < 2.5
