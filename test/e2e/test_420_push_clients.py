# SPDX-License-Identifier: Apache-2.0
"""What the client's side decides: the diary, its settings, its limits, its resets, its clients."""

import json
import signal

import pytest
from h2.settings import SettingCodes
from hyperframe import frame as hf

import tools
from origin import head, notify, respond, send, wait, wait_closed
from pushing import STYLE, assets, links, log_lines, outcome, page, promised

CANCEL, REFUSED_STREAM = 8, 7


def many_links(count, start=0):
    return [f"</n{number}>; rel=preload" for number in range(start, start + count)]


def numbers(*values):
    return [f"/n{number}" for number in values]


# --- the diary -------------------------------------------------------------------------


def test_diary_of_promises(outrider, origin):
    """Nothing is promised twice on a connection; another connection begins anew."""
    page(origin, "/", STYLE)
    page(origin, "/other", STYLE, "</a.css?v=2>; rel=preload")
    proxy = outrider(origin, learn="off")  # else it is known at the request already
    for _ in range(2):
        with proxy.h2() as client:
            client.get("/")
            assert promised(client) == ["/a.css"]
            client.get("/")
            client.get("/other")
            assert promised(client) == ["/a.css", "/a.css?v=2"]
            client.wait_pushes()
    assert [outcome(proxy, "/", number)[1] for number in range(4)] == [{}, {"already": 1}] * 2


def test_diary_of_what_the_client_asked_for(outrider, origin):
    page(origin, "/", STYLE, "</b.js>; rel=preload", "</c.js>; rel=preload")
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/a.css")
        client.get("/b.js?x")  # another resource
        client.get("/c.js", method="HEAD")  # no content
        client.get("/")
        client.wait_pushes()
        assert promised(client) == ["/b.js", "/c.js"]
    assert outcome(proxy, "/") == (2, {"already": 1})


def test_diary_of_pages_at_once(outrider, origin):
    """Two pages that wait for the origin together: who comes second finds it promised."""
    for path in ("/1", "/2"):
        origin.on(path, wait("go"), respond(200, links(STYLE), b"page"))
    assets(origin)
    proxy = outrider(origin)
    with proxy.h2() as client:
        ids = [client.request("/1"), client.request("/2")]
        origin.wait_requests(1, "/1")
        origin.wait_requests(1, "/2")
        origin.event("go").set()
        assert [client.wait(stream_id).status for stream_id in ids] == [200, 200]
        client.wait_pushes()
        assert promised(client) == ["/a.css"]


def test_page_in_the_diary_is_not_pushed_by_another(outrider, origin):
    page(origin, "/next", "</>; rel=preload")
    page(origin, "/", "</next>; rel=preload")
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/")
        client.wait_pushes()
        client.get("/next")
        assert promised(client) == ["/next"]


# --- settings -------------------------------------------------------------------------


def test_client_without_push(outrider, origin):
    page(origin, "/", STYLE)
    proxy = outrider(origin, routes=[{"origin": "app", "push": ["/b.js"]}])
    with proxy.h2(push=False) as client:
        assert client.get("/").header("link") == STYLE
        client.ping()
        assert not client.pushes
    assert [request.path for request in origin.seen()] == ["/"]
    assert outcome(proxy, "/") == (0, {"client": 2})


def test_client_switches_push_off_later(outrider, origin):
    page(origin, "/1", STYLE)
    page(origin, "/2", "</b.js>; rel=preload")
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/1")
        client.conn.update_settings({SettingCodes.ENABLE_PUSH: 0})
        client.flush()
        client.ping()
        client.get("/2")
        assert promised(client) == ["/a.css"]


def test_client_takes_few_streams(outrider, origin):
    """Never more promises than its MAX_CONCURRENT_STREAMS; room that came back is used."""
    page(origin, "/1", *many_links(5))
    page(origin, "/2", *many_links(5))
    proxy = outrider(origin)
    with proxy.h2(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 2}) as client:
        client.get("/1")
        assert promised(client) == numbers(0, 1)
        assert all(push.is_complete for push in client.wait_pushes())
        client.get("/2")
        assert promised(client) == numbers(0, 1, 2, 3)
        assert all(push.is_complete for push in client.wait_pushes())
    assert outcome(proxy, "/1") == (2, {"too_many": 3})
    assert outcome(proxy, "/2") == (2, {"already": 2, "too_many": 1})


def test_client_takes_no_streams(outrider, origin):
    page(origin, "/", STYLE)
    proxy = outrider(origin)
    with proxy.h2(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 0}) as client:
        assert client.get("/").status == 200
        client.ping()
        assert not client.pushes
    assert outcome(proxy, "/") == (0, {"client": 1})


def test_most_promises_of_a_page(outrider, origin):
    page(origin, "/1", *many_links(40))
    page(origin, "/2", *many_links(2, start=100))
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/1")
        assert promised(client) == numbers(*range(32))  # the default
        client.wait_pushes()
    assert outcome(proxy, "/1") == (32, {"too_many": 8})


def test_most_promises_by_option(outrider, origin):
    """max_per_page counts over all moments of a page, max_open over all pages of a connection."""
    origin.on(
        "/1", send(head(103, links(*many_links(2)))), respond(200, links(*many_links(5)), b"page")
    )
    page(origin, "/2", *many_links(3, start=10))
    origin.on("*", wait("go"), respond(200, [], b"asset"))
    proxy = outrider(origin, push={"max_per_page": 3, "max_open": 5})
    with proxy.h2() as client:
        client.get("/1")
        assert promised(client) == numbers(0, 1, 2)
        client.get("/2")
        assert promised(client) == numbers(0, 1, 2, 10, 11)
        origin.event("go").set()
        client.wait_pushes()
        client.get("/2")
        assert promised(client) == numbers(0, 1, 2, 10, 11, 12)
        client.wait_pushes()
    assert outcome(proxy, "/1") == (3, {"repeated": 2, "too_many": 2})
    assert outcome(proxy, "/2") == (2, {"too_many": 1})


def test_share_of_the_origins_connections(outrider, origin):
    """At most a quarter of them; pages and what clients ask for go ahead of pushes."""
    page(origin, "/", *many_links(6))
    origin.on("/page2", respond(200, [], b"page2"))
    origin.on("*", wait("go"), respond(200, [], b"asset"))
    proxy = outrider(origin, {"max_connections": 8}, workers=1)
    with proxy.h2() as client:
        client.get("/")
        assert len(client.pushes) == 6
        origin.wait_requests(3)
        assert client.get("/page2").body == b"page2"
        assert len(origin.seen()) - len(origin.seen("/")) - len(origin.seen("/page2")) == 2
        origin.event("go").set()
        assert [push.body for push in client.wait_pushes()] == [b"asset"] * 6


# --- resets -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        [notify("there"), wait_closed()],
        [send(head(200, [("content-length", 1000)]) + b"x"), notify("there"), wait_closed()],
    ],
    ids=["before the head", "in the body"],
)
def test_reset_promise_cancels_its_origin_request(outrider, origin, steps):
    page(origin, "/", STYLE, "</b.js>; rel=preload")
    origin.on("/a.css", *steps)
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/")
        origin.wait_event("there")
        client.reset(client.pushed("/a.css").stream_id)
        request = origin.last("/a.css")
        assert request.is_done.wait(5) and request.is_abandoned
        assert client.wait(client.pushed("/b.js").stream_id).body == b"asset"
        assert client.get("/").status == 200  # the connection goes on
        assert len(client.pushes) == 2  # what was refused is not promised again
    (line,) = log_lines(proxy, "/a.css")
    assert line["fault"] == "client_reset" and line["page"] == "/"


def test_page_that_is_reset_leaves_its_promises(outrider, origin):
    """They are streams of their own."""
    origin.on("/", wait("never"), respond(200, [], b"page"))
    origin.on("/a.css", wait("go"), respond(200, [], b"css"))
    proxy = outrider(origin, routes=[{"origin": "app", "push": ["/a.css"]}])
    with proxy.h2() as client:
        stream_id = client.request("/")
        client.wait_until(lambda: client.pushes)
        client.reset(stream_id)
        client.ping()
        origin.event("go").set()
        assert client.wait(client.pushes[0].stream_id).body == b"css"


def refuse_all(client, code=REFUSED_STREAM):
    for push in client.pushes:
        if not push.is_over:
            client.reset(push.stream_id, code)
    client.ping()


@pytest.mark.parametrize("code", [CANCEL, REFUSED_STREAM])
def test_stop_rule_at_the_start(outrider, origin, code):
    """Three of the first four refused: no more promises on this connection, but on the next."""
    page(origin, "/1", *many_links(3))
    page(origin, "/2", *many_links(3, start=10))
    origin.on("*", wait_closed())
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/1")
        assert len(client.pushes) == 3
        refuse_all(client, code)
        assert client.get("/2").status == 200
        client.ping()
        assert promised(client) == numbers(0, 1, 2)
    with proxy.h2() as client:
        client.get("/2")
        assert promised(client) == numbers(10, 11, 12)
    assert outcome(proxy, "/2") == (0, {"refused": 3})


def test_stop_rule_later(outrider, origin):
    """More than half of the last twenty: ten are endured, the eleventh is the last."""
    page(origin, "/taken", *many_links(9))
    page(origin, "/refused", *many_links(10, start=100))
    page(origin, "/more", *many_links(1, start=200))
    page(origin, "/last", *many_links(1, start=300))
    for number in [*range(100, 110), 200]:
        origin.on(f"/n{number}", wait_closed())
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/taken")
        client.wait_pushes()
        client.get("/refused")
        assert len(client.pushes) == 19
        refuse_all(client)
        client.get("/more")
        assert len(client.pushes) == 20
        refuse_all(client)
        client.get("/last")
        client.ping()
        assert len(client.pushes) == 20
    assert outcome(proxy, "/last") == (0, {"refused": 1})


def test_many_refusals_do_not_end_the_connection(outrider, origin):
    """A client that refuses all at once, as some libraries do, keeps its connection."""
    page(origin, "/", *many_links(32))
    origin.on("*", wait_closed())
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/")
        assert len(client.pushes) == 32
        refuse_all(client)
        origin.wait_open(1)  # the page's
        origin.on("/after", respond(200, [], b"after"))
        assert client.get("/after").body == b"after"
        assert client.goaway is None


# --- the end of connections -----------------------------------------------------------------------


def test_no_promise_after_the_clients_goaway(outrider, origin):
    origin.on("/", wait("go"), respond(200, links(STYLE), b"page"))
    assets(origin)
    proxy = outrider(origin)
    with proxy.raw_h2() as raw:
        raw.handshake()
        raw.send(raw.headers(1, raw.request("/")), hf.GoAwayFrame(0, last_stream_id=0))
        raw.send(raw.ping())
        raw.expect(hf.PingFrame)
        origin.event("go").set()
        assert raw.expect_head(1)[":status"] == "200"
        raw.expect(hf.DataFrame, 1)
        assert not [f for f in raw.frames if isinstance(f, hf.PushPromiseFrame)]
    assert outcome(proxy, "/") == (0, {"client": 1})
    assert [request.path for request in origin.seen()] == ["/"]


def test_promises_not_begun_are_taken_back_at_the_clients_goaway(outrider, origin):
    """They could not be answered any more: the origin is let go, the page goes on."""
    origin.on("/", wait("go"), respond(200, [], b"page"))
    origin.on("/a.css", notify("there"), wait_closed())
    proxy = outrider(origin, routes=[{"origin": "app", "push": ["/a.css"]}])
    with proxy.raw_h2() as raw:
        raw.handshake()
        raw.send(raw.headers(1, raw.request("/")))
        promise = raw.expect(hf.PushPromiseFrame, 1)
        origin.wait_event("there")
        raw.send(hf.GoAwayFrame(0, last_stream_id=promise.promised_stream_id))
        raw.expect_reset(promise.promised_stream_id, CANCEL)
        assert origin.last("/a.css").is_done.wait(5)
        origin.event("go").set()
        assert raw.expect_head(1)[":status"] == "200"


def test_no_promise_while_draining(outrider, origin):
    origin.on("/", wait("go"), respond(200, links(STYLE), b"page"))
    assets(origin)
    proxy = outrider(origin)
    with proxy.h2() as client:
        stream_id = client.request("/")
        origin.wait_requests(1)
        proxy.send_signal(signal.SIGTERM)
        client.wait_until(lambda: client.goaways)
        origin.event("go").set()
        assert client.wait(stream_id).body == b"page"
        assert not client.pushes
    assert outcome(proxy, "/") == (0, {"client": 1})


def test_promises_are_kept_while_draining(outrider, origin):
    page(origin, "/", STYLE)
    origin.on("/a.css", notify("there"), wait("go"), respond(200, [], b"css"))
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/")
        origin.wait_event("there")
        proxy.send_signal(signal.SIGTERM)
        client.wait_until(lambda: client.goaways)
        origin.event("go").set()
        assert client.wait(client.pushes[0].stream_id).body == b"css"
        client.wait_closed()


def test_client_that_leaves_frees_the_origin(outrider, origin):
    origin.on("/", wait_closed())
    origin.on("/a.css", notify("there"), wait_closed())
    proxy = outrider(origin, routes=[{"origin": "app", "push": ["/a.css"]}])
    with proxy.h2() as client:
        client.request("/")
        client.wait_until(lambda: client.pushes)
        origin.wait_event("there")
    origin.wait_open(0)


# --- other people's clients -----------------------------------------------------------------------


def test_http1_clients_get_no_pushes(outrider, origin):
    page(origin, "/", STYLE)
    proxy = outrider(origin, routes=[{"origin": "app", "push": ["/b.js"]}])
    with proxy.h1() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, fields, body = client.read_response()
        assert (status, dict(fields)["link"], body) == (200, STYLE, b"<html>")
    assert outcome(proxy, "/") == (0, {"client": 2})
    assert [request.path for request in origin.seen()] == ["/"]


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_nghttp_marks_pushes(outrider, origin, scheme):
    html = b'<html><head><link rel="stylesheet" href="/a.css"><script src="/b.js"></script>'
    page(origin, "/", STYLE, body=html, headers=[("content-type", "text/html")])
    proxy = outrider(origin)
    result = tools.nghttp(proxy.url(scheme=scheme), "-a")
    assert result.pushed == ["/a.css"], result
    assert {row.path: row.status for row in result.rows} == {"/": 200, "/a.css": 200, "/b.js": 200}
    result = tools.nghttp(proxy.url(scheme=scheme), "-a", "--no-push")
    assert result.pushed == [] and len(result.rows) == 3, result


def test_curl_refuses_pushes(outrider, origin):
    page(origin, "/", STYLE)
    proxy = outrider(origin)
    result = tools.curl(proxy.url(), "--http2")
    assert (result.status, result.body) == (200, b"<html>"), result
    assert [request.path for request in origin.seen()] == ["/"]


NODE = """
const http2 = require('http2');
const result = { order: [], pushes: {} };
const session = http2.connect(process.argv[2]);
let open = 0;
const ended = () => {
  if (--open === 0) { session.close(() => console.log(JSON.stringify(result))); }
};
session.on('stream', (stream, request, flags, raw) => {
  open++;
  result.order.push('promise ' + request[':path']);
  const push = { request, body: '' };
  result.pushes[request[':path']] = push;
  stream.setEncoding('utf8');
  stream.on('push', (response) => { push.response = response; });
  stream.on('data', (text) => { push.body += text; });
  stream.on('end', ended);
});
open++;
const page = session.request({ ':path': '/', 'user-agent': 'node-test' });
page.on('response', (response) => { result.order.push('page ' + response[':status']); });
page.resume();
page.on('end', ended);
page.end();
"""


def test_node_receives_pushes(outrider, origin, node_env):
    page(origin, "/", STYLE, "</b.js>; rel=preload; as=script")
    proxy = outrider(origin)
    result = tools.node(NODE, proxy.url(""), env=node_env)
    assert result.code == 0, result
    seen = json.loads(result.text)
    assert seen["order"] == ["promise /a.css", "promise /b.js", "page 200"]
    for path in ("/a.css", "/b.js"):
        push = seen["pushes"][path]
        assert (push["response"][":status"], push["body"]) == (200, "asset")
        assert push["request"]["user-agent"] == "node-test"
