# SPDX-License-Identifier: Apache-2.0
"""Which pages push, and when: statuses, methods, 103, declared pushes, routes, nested pushes."""

import pytest
from hyperframe import frame as hf

from origin import head, notify, respond, send, wait
from pushing import STYLE, assets, links, log_lines, outcome, page, promised

SCRIPT = "</b.js>; rel=preload; as=script"


def test_page_is_pushed_with_what_it_links(outrider, origin):
    page(origin, "/", STYLE, SCRIPT)
    proxy = outrider(origin)
    with proxy.h2() as client:
        response = client.get("/")
        assert (response.status, response.body) == (200, b"<html>")
        assert response.header("link") == f"{STYLE}, {SCRIPT}"
        client.wait_pushes()
        assert promised(client) == ["/a.css", "/b.js"]
        assert {(push.status, push.body) for push in client.pushes} == {(200, b"asset")}
        assert {push.parent_id for push in client.pushes} == {response.stream_id}
    assert sorted(request.path for request in origin.seen()) == ["/", "/a.css", "/b.js"]


STATUSES = [
    (200, True),
    (201, True),
    (203, True),
    (204, True),
    (206, False),
    (299, True),
    (300, False),
    (301, False),
    (302, False),
    (304, False),
    (404, False),
    (418, False),
    (500, False),
    (503, False),
]


def test_statuses(outrider, origin):
    for status, _ in STATUSES:
        origin.on(f"/{status}", respond(status, links(STYLE), b"page"))
    assets(origin)
    proxy = outrider(origin)
    for status, pushes in STATUSES:
        with proxy.h2(tls=False) as client:
            response = client.get(f"/{status}")
            assert response.status == status and response.header("link") == STYLE
            client.wait_pushes()
            assert promised(client) == (["/a.css"] if pushes else []), status
    for status, pushes in STATUSES:
        assert outcome(proxy, f"/{status}") == ((1, {}) if pushes else (0, {"status": 1}))


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_get_pushes(outrider, origin, method):
    page(origin, "/", STYLE)
    proxy = outrider(origin, routes=[{"origin": "app", "push": ["/declared.css"]}])
    with proxy.h2(tls=False) as client:
        response = client.get("/", method=method)
        assert response.status == 200 and response.header("link") == STYLE
        client.settle(0.05)
        assert not client.pushes
    assert outcome(proxy, "/") == (0, {"method": 2})


def test_103_pushes_before_it_is_sent(outrider, origin):
    """While the origin thinks; and what the 103 named is not promised again at the head."""
    origin.on(
        "/", send(head(103, links(STYLE))), wait("styled"), send(head(103, links(SCRIPT))),
        wait("go"), respond(200, links(STYLE, SCRIPT, "</c.png>; rel=preload; as=image"), b"page"),
    )  # fmt: skip
    assets(origin)
    proxy = outrider(origin)
    with proxy.h2() as client:
        stream_id = client.request("/")
        client.wait_until(lambda: client.pushed("/a.css") and client.pushed("/a.css").is_over)
        assert client.responses[stream_id].interim == [[(":status", "103"), ("link", STYLE)]]
        origin.event("styled").set()
        client.wait_until(lambda: client.pushed("/b.js") and client.pushed("/b.js").is_over)
        assert not client.responses[stream_id].headers
        origin.event("go").set()
        assert client.wait(stream_id).status == 200
        client.wait_pushes()
        assert promised(client) == ["/a.css", "/b.js", "/c.png"]
        order = client.order()
        interims = [i for i, word in enumerate(order) if word == ("interim", stream_id)]
        assert order.index(("promise", "/a.css")) < interims[0]
        assert interims[0] < order.index(("promise", "/b.js")) < interims[1]
        assert interims[1] < order.index(("promise", "/c.png")) < order.index(("head", stream_id))
    assert outcome(proxy, "/") == (3, {"repeated": 2})


def test_103_before_a_page_that_may_not_push(outrider, origin):
    """The promise was made in good faith; the error page's own links are not followed."""
    origin.on("/", send(head(103, links(STYLE))), respond(404, links(STYLE, SCRIPT), b"gone"))
    assets(origin)
    proxy = outrider(origin)
    with proxy.h2() as client:
        assert client.get("/").status == 404
        assert [push.status for push in client.wait_pushes()] == [200]
        assert promised(client) == ["/a.css"]
    assert outcome(proxy, "/") == (1, {"repeated": 1, "status": 1})


def test_103_elements_for_us_alone(outrider, origin):
    origin.on(
        "/", send(head(103, links(f"{STYLE}; x-http2-push-only, {SCRIPT}; nopush"))),
        respond(200, [], b"page"),
    )  # fmt: skip
    assets(origin)
    proxy = outrider(origin)
    with proxy.h2() as client:
        response = client.get("/")
        assert promised(client) == ["/a.css"]
        assert response.interim == [[(":status", "103"), ("link", f"{SCRIPT}; nopush")]]
        assert response.header("link") is None  # nothing leaks from the 103


def test_declared_pushes_come_before_the_origin_answers(outrider, origin):
    origin.on("/", notify("asked"), wait("go"), respond(200, links(STYLE), b"page"))
    assets(origin)
    push = ["/a.css", {"path": "/b.js", "as": "script"}, "/c?x=1"]
    proxy = outrider(origin, routes=[{"origin": "app", "push": push}])
    with proxy.h2() as client:
        stream_id = client.request("/")
        client.wait_until(lambda: len(client.pushes) == 3)
        assert [p.status for p in client.wait_pushes()] == [200, 200, 200]
        assert promised(client) == ["/a.css", "/b.js", "/c?x=1"]
        assert not client.responses[stream_id].headers  # the origin still thinks
        origin.wait_event("asked")
        origin.event("go").set()
        assert client.wait(stream_id).body == b"page"
        assert len(client.pushes) == 3
    assert outcome(proxy, "/") == (3, {"repeated": 1})


@pytest.mark.parametrize(
    "field, status, paths",
    [
        (("if-none-match", '"1"'), 304, []),
        (("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"), 304, []),
        (("if-none-match", '"1"'), 200, ["/a.css"]),
        (("range", "bytes=0-1"), 206, []),
        (("range", "bytes=0-1"), 200, ["/a.css"]),
    ],
)
def test_declared_pushes_wait_where_the_page_may_be_there(
    outrider, origin, field, status, paths
):
    """A client that revalidates its page has the rest of it, as like as not."""
    page(origin, "/", status=status)
    proxy = outrider(origin, routes=[{"origin": "app", "push": ["/a.css"]}])
    with proxy.h2(tls=False) as client:
        assert client.get("/", [field]).status == status
        client.wait_pushes()
        assert promised(client) == paths


def test_push_off_and_on_by_route(outrider, origin):
    for path in ("/", "/quiet/", "/quiet/loud/"):
        page(origin, path, "</a.css>; rel=preload")
    proxy = outrider(
        origin,
        routes=[
            {"origin": "app"},
            {"origin": "app", "path": "/quiet", "push": "off"},
            {"origin": "app", "path": "/quiet/loud", "push": {"enabled": "on"}},
        ],
    )
    for path, expected in (("/", ["/a.css"]), ("/quiet/", []), ("/quiet/loud/", ["/a.css"])):
        with proxy.h2(tls=False) as client:
            assert client.get(path).header("link") == "</a.css>; rel=preload"
            assert promised(client) == expected
            client.wait_pushes()
    assert outcome(proxy, "/quiet/") == (0, {"off": 1})


def test_push_off_for_all(outrider, origin):
    page(origin, "/", STYLE)
    proxy = outrider(origin, push="off")
    with proxy.h2(tls=False) as client:
        assert client.get("/").header("link") == STYLE
        assert not client.pushes


def test_pushes_never_push(outrider, origin):
    """Neither by a Link, nor by a 103, nor by the route; and no 1xx goes out on a promise."""
    page(origin, "/", STYLE)
    origin.on(
        "/a.css", send(head(103, links(SCRIPT))),
        respond(200, links(SCRIPT, "</c.woff2>; rel=preload"), b"css"),
    )  # fmt: skip
    proxy = outrider(origin, routes=[{"origin": "app", "push": ["/d.js"]}])
    with proxy.h2() as client:
        client.get("/")
        client.wait_pushes()
        client.ping()
        assert promised(client) == ["/d.js", "/a.css"]
        style = client.pushed("/a.css")
        assert (style.status, style.body, style.interim) == (200, b"css", [])
        assert style.header("link") == f"{SCRIPT}, </c.woff2>; rel=preload"
    (line,) = log_lines(proxy, "/a.css")
    assert (line["page"], line["promised"]) == ("/", 0)
    assert line["skipped"] == {"nested": 2, "repeated": 1}


def test_mark(outrider, origin):
    page(origin, "/", STYLE)
    proxy = outrider(origin, push={"mark": "on"})
    with proxy.h2() as client:
        assert client.get("/").header("x-http2-push") is None
        client.wait_pushes()
        assert client.pushed("/a.css").header("x-http2-push") == "pushed"
        assert client.get("/a.css").header("x-http2-push") is None


def test_other_authorities_by_option(outrider, origin, make_certs):
    """Only those that are listed; they never see the page's cookie."""
    listed = "<https://static.test/x.css>; rel=preload, <//static.test/y>; rel=preload"
    page(origin, "/", f"{listed}, <https://more.test/z>; rel=preload")
    certificates = make_certs("static.test")
    proxy = outrider(
        origin,
        listeners=[{"address": "https://127.0.0.1:0", "tls": certificates.tls}],
        push={"authorities": ["static.test"], "credentials": "cookies"},
    )
    with proxy.h2() as client:
        client.get("/", [("cookie", "a=1")])
        client.wait_pushes()
        assert promised(client) == ["/x.css", "/y"]
        promise = dict(client.pushes[0].promise)
        assert promise[":authority"] == "static.test" and "cookie" not in promise
        assert promise["referer"] == "https://localhost/"
        assert origin.last("/x.css").header("host") == "static.test"
        assert origin.last("/x.css").header("cookie") is None
    assert outcome(proxy, "/") == (2, {"other_site": 1})


@pytest.mark.parametrize("value, pushes", [("none", 0), ("head", 0), ("default", 1), ("x", 1)])
def test_accept_push_policy(outrider, origin, value, pushes):
    page(origin, "/", STYLE)
    proxy = outrider(origin)
    with proxy.h2(tls=False) as client:
        client.get("/", [("accept-push-policy", value)])
        client.wait_pushes()
        assert len(client.pushes) == pushes


def test_promises_go_before_all_that_mentions_them(outrider, origin):
    """RFC 9113 section 8.4: PUSH_PROMISE, then the page's HEADERS and DATA, on the wire."""
    page(origin, "/", STYLE, SCRIPT, body=b"x" * 40000)
    proxy = outrider(origin)
    with proxy.raw_h2() as raw:
        raw.send(raw.headers(1, raw.request("/")))
        ended = set()
        while ended != {1, 2, 4}:
            frame = raw.read()
            if "END_STREAM" in frame.flags:
                ended.add(frame.stream_id)
        kinds = [
            (type(frame), getattr(frame, "promised_stream_id", frame.stream_id))
            for frame in raw.frames
            if frame.stream_id in (1, 2, 4)
        ]
    promises = [index for index, (kind, _) in enumerate(kinds) if kind is hf.PushPromiseFrame]
    assert promises == [0, 1] and [kinds[i][1] for i in promises] == [2, 4]
    assert kinds.index((hf.HeadersFrame, 1)) < kinds.index((hf.DataFrame, 1))
    assert kinds.index((hf.HeadersFrame, 2)) < kinds.index((hf.DataFrame, 2))


def test_log_of_pages_and_pushes(outrider, origin):
    page(origin, "/p?q=1", STYLE, f"{SCRIPT}; nopush")
    origin.on("/p", respond(200, links(STYLE, f"{SCRIPT}; nopush"), b"<html>"))
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/p?q=1")
        client.wait_pushes()
        client.get("/p?q=1")
        stream_id = client.pushed("/a.css").stream_id
    first, second = log_lines(proxy, "/p?q=1")
    assert (first["promised"], first["skipped"], "page" in first) == (1, {"nopush": 1}, False)
    assert (second["promised"], second["skipped"]) == (0, {"nopush": 1, "already": 1})
    (push,) = log_lines(proxy, "/a.css")
    assert push["page"] == "/p?q=1" and push["stream"] == stream_id and push["status"] == 200
    assert (push["method"], push["protocol"], push["origin"]) == ("GET", first["protocol"], "app")
    assert push["response_bytes"] == len(b"asset") and "fault" not in push
    assert push["conn"] == first["conn"] and push["authority"] == "localhost"
