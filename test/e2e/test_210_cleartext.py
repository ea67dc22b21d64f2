# SPDX-License-Identifier: Apache-2.0
"""The cleartext listener: HTTP/2 by prior knowledge, HTTP/1.1, told apart by the first bytes."""

import contextlib
import socket
import time

from hyperframe import frame as hf

import tools
from h2client import PREFACE
from origin import respond

LIMIT_S = 10


def test_prior_knowledge(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin)
    with proxy.h2(tls=False) as client:
        assert client.get("/").body == b"hello"
    assert origin.last("/").header("x-forwarded-proto") == "http"
    result = tools.curl(proxy.url(scheme="http"), "--http2-prior-knowledge")
    assert (result.status, result.body) == (200, b"hello"), result
    result = tools.curl(proxy.url(scheme="http"), "--http1.1")
    assert (result.status, result.body) == (200, b"hello"), result


def test_upgrade_to_h2c_is_not_taken(outrider, origin):
    """RFC 9113 took it away: the request is answered as HTTP/1.1, and the origin hears nothing."""
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin)
    result = tools.curl(proxy.url(scheme="http"), "--http2")
    assert (result.status, result.body) == (200, b"hello"), result
    head = origin.last("/").head.lower()
    assert b"upgrade" not in head and b"http2-settings" not in head


def test_preface_in_pieces(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin)
    for size in (1, 2, 5, 23):
        with proxy.raw_h2(tls=False, preface=False) as raw:
            first = PREFACE + hf.SettingsFrame(0).serialize()
            first += raw.headers(1, raw.request("/")).serialize()
            for at in range(0, len(first), size):
                raw.send(first[at : at + size])
            assert raw.expect_head(1)[":status"] == "200"
            assert raw.expect(hf.DataFrame, 1).data == b"hello"


ALMOST_PREFACES = [
    (b"PRI * HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 4"),
    (b"P", b""),
    (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"HTTP/1.1 "),
    (b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200"),
]


def test_what_only_begins_like_the_preface(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin)
    for data, begin in ALMOST_PREFACES:
        with socket.create_connection(("127.0.0.1", proxy.http_port), LIMIT_S) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(len(data)):
                sock.sendall(data[at : at + 1])
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := sock.recv(65536):
                answer += piece
        assert answer.startswith(begin) and bool(answer) == bool(begin), answer


def test_malformed_requests_are_answered_however_they_are_cut(outrider, origin):
    proxy = outrider(origin)
    data = b"PRI * HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for cut in range(1, len(data)):
        with socket.create_connection(("127.0.0.1", proxy.http_port), LIMIT_S) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(data[:cut])
            time.sleep(0.003)
            sock.sendall(data[cut:])
            assert sock.recv(65536).startswith(b"HTTP/1.1 4"), cut


def test_preface_that_breaks_off_is_let_go(outrider, origin):
    proxy = outrider(origin, timeouts={"head": "200ms"})
    with socket.create_connection(("127.0.0.1", proxy.http_port), LIMIT_S) as sock:
        sock.sendall(PREFACE[:10])
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(100) == b""


def test_tls_on_the_cleartext_port(outrider, origin):
    """A TLS hello is no HTTP: an answer or a close, soon, and no harm to the next one."""
    proxy = outrider(origin, timeouts={"head": "500ms"})
    result = tools.run("openssl", "s_client", "-connect", f"127.0.0.1:{proxy.http_port}", data=b"")
    assert result.code != 0
    with proxy.h2(tls=False) as client:
        assert client.get("/").status == 404
