# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 with other people's clients: hashed content both ways, trailers, interim responses."""

import hashlib
import json
import random

import pytest

import tools
from origin import chunk, echo, head, last_chunk, notify, read_body, respond, send

MIB = 1 << 20


def noise(count, seed=1):
    return random.Random(seed).randbytes(count)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("chunked", [None, 50000])
def test_curl_takes_a_large_body(outrider, origin, chunked):
    body = noise(5 * MIB)
    origin.on("/", respond(200, [], body, chunked=chunked))
    proxy = outrider(origin)
    result = tools.curl(proxy.url(), "--http2")
    assert result.out.startswith(b"HTTP/2 200") and result.code == 0
    assert sha256(result.body) == sha256(body)
    assert ("content-length" in dict(result.headers)) == (chunked is None)


@pytest.mark.parametrize("expect", [[], ["-H", "Expect: 100-continue"]])
def test_curl_sends_a_large_body(outrider, origin, tmp_path, expect):
    body = noise(5 * MIB)
    (tmp_path / "body").write_bytes(body)
    origin.on("/", echo())
    proxy = outrider(origin)
    result = tools.curl(proxy.url(), "--http2", *expect, "--data-binary", f"@{tmp_path}/body")
    assert result.status == 200, result
    assert sha256(result.body) == sha256(body)
    assert origin.last().header("content-length") == str(len(body))
    assert origin.last().header("expect") is None
    assert (b"HTTP/2 100" in result.out[:20]) == bool(expect)


def test_curl_body_of_unknown_length(outrider, origin):
    body = noise(MIB)
    origin.on("/", echo())
    proxy = outrider(origin)
    result = tools.curl(proxy.url(), "--http2", "-T", "-", data=body)
    assert (result.status, sha256(result.body)) == (200, sha256(body)), result
    assert origin.last().method == "PUT"
    assert origin.last().header("transfer-encoding") == "chunked"


def test_curl_many_at_once(outrider, origin):
    body = noise(20000)
    origin.on("*", respond(200, [], body))
    proxy = outrider(origin)
    result = tools.run(
        "curl", "-sSk", "--http2", "-Z", "--max-time", 20, "-w", "%{http_version} %{http_code}\n",
        "-o", "/dev/null", proxy.url("/[1-150]")
    )  # fmt: skip
    assert result.code == 0, result
    assert result.text.split("\n")[:-1] == ["2 200"] * 150, result


def test_curl_sees_that_a_body_was_cut(outrider, origin):
    origin.on("/", send(head(200, [("transfer-encoding", "chunked")]) + chunk(b"abc")),
              lambda conn, request: conn.close())  # fmt: skip
    proxy = outrider(origin)
    result = tools.curl(proxy.url(), "--http2")
    assert result.code in (18, 56, 92), result


def test_nghttp_posts_and_gets(outrider, origin, tmp_path):
    (tmp_path / "body").write_bytes(noise(300000))
    origin.on("/up", echo())
    origin.on("*", respond(200, [], noise(30000)))
    proxy = outrider(origin)
    result = tools.run("nghttp", "--no-verify-peer", "-d", tmp_path / "body", proxy.url("/up"))
    assert result.code == 0 and sha256(result.out) == sha256(noise(300000)), result.errors
    urls = [proxy.url(f"/{number}") for number in range(30)]
    result = tools.nghttp(urls[0], *urls[1:], "-m", "2")
    assert len(result.rows) == 60 and {row.status for row in result.rows} == {200}, result


def test_h2load(outrider, origin):
    """Thousands of requests over a few connections, none of them lost."""
    origin.on("*", respond(200, [("link", "</a.css>; rel=preload")], b"x" * 1000))
    proxy = outrider(origin)
    result = tools.run("h2load", "-n", 2000, "-c", 8, "-m", 20, proxy.url())
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in result.text, result


NODE_BODIES = """
const http2 = require('http2'), crypto = require('crypto');
const session = http2.connect(process.argv[2]);
const size = Number(process.argv[3]);
const up = session.request({ ':method': 'POST', ':path': '/echo', te: 'trailers' },
  { waitForTrailers: true });
const sent = crypto.createHash('sha256'), got = crypto.createHash('sha256');
const result = { size: 0 };
up.on('wantTrailers', () => up.sendTrailers({ 'x-sum': sent.digest('hex') }));
up.on('response', (head) => { result.status = head[':status']; });
up.on('data', (data) => { got.update(data); result.size += data.length; });
up.on('trailers', (fields) => { result.trailers = fields['x-sum']; });
up.on('end', () => {
  result.got = got.digest('hex');
  session.close(() => console.log(JSON.stringify(result)));
});
let left = size;
const write = () => {
  while (left > 0) {
    const piece = crypto.randomBytes(Math.min(65537, left));
    left -= piece.length;
    sent.update(piece);
    if (!up.write(piece)) { up.once('drain', write); return; }
  }
  up.end();
};
write();
"""


def echo_with_trailers(conn, request):
    """Sends back each piece as it comes, and the request's trailers."""
    conn.send(head(200, [("transfer-encoding", "chunked"), ("trailer", "x-sum")]))
    while data := conn.read_body(100000):
        conn.send(chunk(data))
    conn.send(last_chunk(request.trailers))


def test_node_bodies_and_trailers_both_ways(outrider, origin, node_env):
    origin.on("/echo", echo_with_trailers)
    proxy = outrider(origin)
    size = 6 * MIB + 12345
    result = tools.node(NODE_BODIES, proxy.url(""), size, env=node_env)
    assert result.code == 0, result
    seen = json.loads(result.text)
    assert (seen["status"], seen["size"]) == (200, size)
    assert seen["got"] == seen["trailers"] == sha256(origin.last().body)


NODE_INTERIM = """
const http2 = require('http2');
const session = http2.connect(process.argv[2]);
const result = { interim: [] };
const request = session.request(
  { ':method': 'POST', ':path': '/', expect: '100-continue', 'content-length': 4 });
request.on('continue', () => { result.interim.push(100); request.end('body'); });
request.on('headers', (head) => {
  if (head[':status'] !== 100) { result.interim.push([head[':status'], head.link || null]); }
});
request.on('response', (head) => { result.status = head[':status']; result.link = head.link; });
request.resume();
request.on('end', () => session.close(() => console.log(JSON.stringify(result))));
"""


def test_node_interim_responses(outrider, origin, node_env):
    """100 by outrider itself, then all that the origin sends."""
    origin.on(
        "/", read_body(), notify("read"), send(head(102)), send(head(103, [("link", "</a>")])),
        send(head(103, [("link", "</b>")])), respond(200, [], b"done"),
    )  # fmt: skip
    proxy = outrider(origin)
    result = tools.node(NODE_INTERIM, proxy.url(""), env=node_env)
    assert result.code == 0, result
    seen = json.loads(result.text)
    assert seen["interim"] == [100, [102, None], [103, "</a>"], [103, "</b>"]]
    assert seen["status"] == 200 and "link" not in seen
    assert origin.last().body == b"body"


NODE_MANY = """
const http2 = require('http2');
const session = http2.connect(process.argv[2]);
const count = Number(process.argv[3]);
let open = count, wrong = [];
for (let i = 0; i < count; i++) {
  const request = session.request({ ':path': '/' + i, ':method': i % 3 ? 'GET' : 'POST' });
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (text) => { body += text; });
  request.on('error', (error) => wrong.push(i + ' ' + error));
  request.on('close', () => {
    if (body !== ('/' + i + ' ').repeat(i)) { wrong.push(i); }
    if (--open === 0) { session.close(() => console.log(JSON.stringify(wrong))); }
  });
  request.end(i % 3 ? undefined : 'x'.repeat(i));
}
"""


def test_node_many_streams(outrider, origin, node_env):
    """More than run at once; each gets its own answer."""

    def answer(conn, request):
        number = int(request.path[1:])
        respond(200, [], f"{request.path} ".encode() * number, chunked=100)(conn, request)

    origin.on("*", answer)
    proxy = outrider(origin)
    result = tools.node(NODE_MANY, proxy.url(""), 400, env=node_env)
    assert result.code == 0 and json.loads(result.text) == [], result
    posts = [request for request in origin.seen() if request.method == "POST"]
    assert all(len(request.body) == int(request.path[1:]) for request in posts)
