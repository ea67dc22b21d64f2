# SPDX-License-Identifier: Apache-2.0
"""The tools of these tests, tried without an outrider: a wrong tool would excuse a wrong proxy."""

import http.client
import json
import re
import socket
import subprocess
import time

import pytest
from hyperframe import frame as hf

import h2client
import tools
from origin import (
    chunk,
    close,
    echo,
    half_close,
    head,
    is_valid_head,
    last_chunk,
    notify,
    read_body,
    reset,
    respond,
    send,
    trickle,
    wait,
    wait_closed,
)

LIMIT_S = 10


def connect(origin):
    return http.client.HTTPConnection("127.0.0.1", origin.port, timeout=LIMIT_S)


def get(conn, path, method="GET", body=None, headers=None):
    conn.request(method, path, body, headers or {})
    response = conn.getresponse()
    return response.status, response.read()


def test_origin_keeps_alive_and_records(origin):
    origin.on("/a", respond(200, [("x", "1")], b"hello"))
    origin.on("/up", echo())
    conn = connect(origin)
    assert get(conn, "/a?q=1", headers={"X-Case": "Kept"}) == (200, b"hello")
    assert get(conn, "/up", "POST", b"abc") == (200, b"abc")
    assert get(conn, "/up", "POST", iter([b"abc", b"def"])) == (200, b"abcdef")
    assert get(conn, "/nowhere")[0] == 404
    first, *rest = origin.wait_requests(4)
    assert first.head.startswith(b"GET /a?q=1 HTTP/1.1\r\nHost: ") and b"X-Case: Kept" in first.head
    assert (first.target, first.path, first.header("x-case")) == ("/a?q=1", "/a", "Kept")
    assert [request.body for request in rest] == [b"abc", b"abcdef", b""]
    assert [request.connection for request in origin.requests] == [1] * 4
    assert [request.number_on_connection for request in origin.requests] == [1, 2, 3, 4]
    conn.close()
    origin.wait_open(0)


def test_origin_reads_the_body_that_a_script_left(origin):
    origin.on("/part", read_body(2), respond(200, [], b"ok", early=True))
    conn = connect(origin)
    assert get(conn, "/part", "POST", b"x" * 1000) == (200, b"ok")
    assert get(conn, "/part", "POST", b"y" * 10) == (200, b"ok")
    deadline = time.monotonic() + LIMIT_S  # the response came before the rest of the body was read
    while len(origin.requests[1].body) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [len(request.body) for request in origin.requests] == [1000, 10]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_origin_sends_chunks_and_trailers(origin, size):
    origin.on("/", respond(200, [], b"hello", chunked=size, trailers=[("x-sum", "5")]))
    with socket.create_connection(("127.0.0.1", origin.port), LIMIT_S) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        data = b""
        while not data.endswith(b"\r\n\r\n") or b"x-sum" not in data:
            data += sock.recv(1000)
    assert b"x-sum: 5\r\n\r\n" in data


def test_origin_takes_steps_in_order(origin):
    origin.on(
        "/", send(head(103, [("link", "</a>")])), notify("hinted"), wait("go"), send(head(200)),
        trickle(b"12345", 2), half_close(), wait_closed()
    )  # fmt: skip
    with socket.create_connection(("127.0.0.1", origin.port), LIMIT_S) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        origin.wait_event("hinted")
        assert sock.recv(1000).startswith(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
        origin.event("go").set()
        data = b""
        while piece := sock.recv(1000):
            data += piece
        assert data == b"HTTP/1.1 200 OK\r\n\r\n12345"
        assert not origin.last().is_abandoned
    assert origin.last().is_done.wait(LIMIT_S)
    assert origin.last().is_abandoned


def test_origin_can_close_then_reset_then_answer(origin):
    origin.on_each("/", [close()], [reset()], [respond(200, [], b"third")])
    with pytest.raises(http.client.RemoteDisconnected):
        get(connect(origin), "/")
    with pytest.raises(ConnectionResetError):
        get(connect(origin), "/")
    assert get(connect(origin), "/") == (200, b"third")
    assert get(connect(origin), "/") == (200, b"third")


def test_origin_on_a_unix_socket(unix_origin):
    unix_origin.on("/", respond(200, [], b"unix"))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(unix_origin.url.removeprefix("unix:"))
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert sock.recv(1000).endswith(b"unix")


@pytest.mark.parametrize(
    "text, is_valid",
    [(b"GET / HTTP/1.1\r\na: b\tc", True), (b"a\nb", False), (b"a\rb", False), (b"a\x00", False)],
)
def test_origin_knows_a_valid_head(text, is_valid):
    assert bool(is_valid_head(text)) == is_valid


def test_chunks():
    assert chunk(b"x" * 17, b";a=b") == b"11;a=b\r\n" + b"x" * 17 + b"\r\n"
    assert last_chunk([("a", "b")]) == b"0\r\na: b\r\n\r\n"


NODE_SERVER = """
const http2 = require('http2');
const server = http2.createServer({ settings: { initialWindowSize: 65535 } });
server.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  const path = headers[':path'];
  if (path === '/reset') { stream.close(http2.constants.NGHTTP2_REFUSED_STREAM); return; }
  if (path === '/up') {
    let size = 0;
    stream.on('data', (data) => { size += data.length; });
    stream.on('end', () => { stream.respond({ ':status': 200 }); stream.end(String(size)); });
    return;
  }
  stream.additionalHeaders({ ':status': 103, link: '</a.css>' });
  if (path === '/page' && stream.pushAllowed) {
    stream.pushStream({ ':path': '/a.css' }, (error, push) => {
      push.respond({ ':status': 200, 'content-type': 'text/css' });
      push.end('body{}');
    });
  }
  stream.respond({ ':status': 200, 'x-path': path }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
  stream.end('x'.repeat(200000));
});
server.on('sessionError', () => {});
process.on('uncaughtException', () => {});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


@pytest.fixture
def node_server():
    """An HTTP/2 server of other people's making, cleartext."""
    process = subprocess.Popen(["node", "-e", NODE_SERVER], stdout=subprocess.PIPE)
    yield int(process.stdout.readline())
    process.kill()
    process.wait()


def test_h2_client_collects_everything(node_server):
    with h2client.H2Client(node_server, tls=False) as client:
        page = client.get("/page")
        assert (page.status, len(page.body), page.is_complete) == (200, 200000, True)
        assert page.interim == [[(":status", "103"), ("link", "</a.css>")]]
        assert page.trailers == [("x-end", "yes")]
        client.wait_pushes()
        assert [push.path for push in client.pushes] == ["/a.css"]
        assert client.pushed("/a.css").body == b"body{}"
        assert client.pushes[0].parent_id == page.stream_id
        order = client.order()
        assert order.index(("promise", "/a.css")) < order.index(("end", page.stream_id))
        assert client.get("/reset").reset == 7
        assert client.get("/up", method="POST", body=b"x" * 300000).body == b"300000"
        client.ping()


def test_h2_client_may_refuse_push_and_keep_its_window(node_server):
    with h2client.H2Client(node_server, tls=False, push=False, auto_window=False) as client:
        stream_id = client.request("/page")
        client.settle()
        response = client.responses[stream_id]
        assert not client.pushes and len(response.body) == 65535 and not response.is_over
        client.acknowledge(stream_id, 65535)
        client.settle()
        assert len(response.body) == 2 * 65535


def test_raw_h2_sees_frames(node_server):
    with h2client.RawH2(node_server, tls=False) as raw:
        raw.handshake()
        block = raw.encode(raw.request("/page"))
        raw.send(raw.headers(1, block[:3], end_headers=False), raw.continuation(1, block[3:]))
        promise = raw.expect(hf.PushPromiseFrame, 1)
        assert dict(promise.fields)[":path"] == "/a.css"
        assert raw.expect_head(1)[":status"] == "200"
        assert raw.is_alive()
        raw.send(raw.any_frame(0, 0, 0, b"data on stream 0"))
        raw.expect_goaway(1)


def test_commands(node_server, origin):
    result = tools.nghttp(f"http://127.0.0.1:{node_server}/page")
    assert result.pushed == ["/a.css"], result
    assert [row.status for row in result.rows] == [200, 200]
    origin.on("/", respond(200, [("x-a", "b")], b"body"))
    result = tools.curl(f"http://127.0.0.1:{origin.port}/")
    assert (result.status, dict(result.headers)["x-a"], result.body) == (200, "b", b"body")
    result = tools.node("console.log(JSON.stringify(process.argv.slice(2)))", "one", "two")
    assert json.loads(result.text) == ["one", "two"], result
    assert re.match(r"\d", tools.run("openssl", "version").text.split()[1])


def test_h1_client(origin):
    origin.on("/a", respond(200, [], b"hello", chunked=2, trailers=[("x-sum", "5")]))
    origin.on("/b", send(head(100)), respond(204, []))
    origin.on("/c", send(head(200)), send(b"to the end"), close())
    with tools.H1Client(origin.port) as client:
        client.send(b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n")
        assert client.read_head()[0] == 200
        assert client.read_chunked() == (b"hello", [("x-sum", "5")])
        assert client.read_response()[0] == 204
        client.send(b"GET /c HTTP/1.1\r\n\r\n")
        assert client.read_response()[2] == b"to the end"
        assert client.is_closed()
