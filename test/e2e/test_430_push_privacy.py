# SPDX-License-Identifier: Apache-2.0
"""Who may be pushed what: the promised request, credentials, unfit responses, other proxies."""

import pytest

from origin import close, head, is_valid_head, reset, respond, send
from pushing import STYLE, links, outcome, page, promised

CANCEL = 8
EVERYTHING = [
    ("accept", "text/html"),
    ("accept-encoding", "gzip, br"),
    ("accept-language", "de, en;q=0.5"),
    ("user-agent", "test/1"),
    ("cookie", "session=1"),
    ("cookie", "theme=dark"),
    ("range", "bytes=0-"),
    ("if-none-match", '"x"'),
    ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("if-range", '"x"'),
    ("expect", "100-continue"),
    ("cache-control", "no-cache"),
    ("referer", "https://elsewhere.test/"),
    ("origin", "https://elsewhere.test"),
    ("dnt", "1"),
    ("x-secret", "1"),
    ("priority", "u=0"),
    ("te", "trailers"),
    ("sec-fetch-mode", "navigate"),
]


def test_promised_request(outrider, origin):
    """What is copied, and nothing else; the origin sees an ordinary request."""
    page(origin, "/dir/page", STYLE)
    proxy = outrider(origin)
    with proxy.h2() as client:
        assert client.get("/dir/page?q=1", EVERYTHING).status == 200
        client.wait_pushes()
        (push,) = client.pushes
    assert push.promise == [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/a.css"),
        ("accept", "text/css,*/*;q=0.1"),
        ("accept-encoding", "gzip, br"),
        ("accept-language", "de, en;q=0.5"),
        ("user-agent", "test/1"),
        ("referer", "https://localhost/dir/page?q=1"),
    ]
    request = origin.last("/a.css")
    assert request.line == "GET /a.css HTTP/1.1" and is_valid_head(request.head)
    fields = dict(request.headers)
    assert len(fields) == len(request.headers)
    for name in ("via", "forwarded", "x-forwarded-for", "x-forwarded-proto"):
        assert fields.pop(name) == origin.last("/dir/page").header(name)
    for name in ("x-forwarded-host", "x-forwarded-port", "x-request-id"):
        fields.pop(name)
    assert fields == {
        "host": "localhost",
        **{name: value for name, value in push.promise if not name.startswith(":")},
    }


def test_promised_request_of_a_client_that_says_little(outrider, origin):
    page(origin, "/", STYLE)
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/")
        names = [name for name, _ in client.pushes[0].promise]
    assert names == [":method", ":scheme", ":authority", ":path", "accept", "referer"]


ACCEPTS = [
    ("style", "text/css,*/*;q=0.1"),
    ("script", "*/*"),
    ("font", "*/*"),
    ("image", "image/*,*/*;q=0.8"),
    ("fetch", "*/*"),
    ("STYLE", "text/css,*/*;q=0.1"),
    ("nonsense", "*/*"),
    ('"style"', "text/css,*/*;q=0.1"),
]


def test_accept_follows_from_as(outrider, origin):
    page(origin, "/", *[f"</{n}>; rel=preload; as={kind}" for n, (kind, _) in enumerate(ACCEPTS)])
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/")
        accepts = [dict(push.promise)["accept"] for push in client.pushes]
    assert accepts == [accept for _, accept in ACCEPTS]


BOTH = [("cookie", "a=1"), ("cookie", "b=2"), ("authorization", "Basic eHg=")]
CREDENTIALS = [
    # option, the page's fields, (cookie, authorization) of the promise or None: no push
    ("none", BOTH[:2], (None, None)),
    ("none", BOTH[2:], None),
    ("none", BOTH, None),
    ("cookies", BOTH[:2], ("a=1; b=2", None)),
    ("cookies", BOTH, None),
    ("cookies", [], (None, None)),
    ("all", BOTH, ("a=1; b=2", "Basic eHg=")),
    ("all", BOTH[2:], (None, "Basic eHg=")),
]


def test_credentials(outrider, origin):
    for option in ("none", "cookies", "all"):
        page(origin, f"/{option}/", STYLE)
    routes = [
        {"origin": "app", "path": f"/{option}", "push": {"credentials": option}}
        for option in ("cookies", "all")
    ]
    proxy = outrider(origin, routes=[{"origin": "app"}, *routes])
    for option, fields, expected in CREDENTIALS:
        with proxy.h2() as client:
            client.get(f"/{option}/", fields)
            client.wait_pushes()
            if expected is None:
                assert not client.pushes, (option, fields)
                continue
            promise = dict(client.pushes[0].promise)
            assert (promise.get("cookie"), promise.get("authorization")) == expected, option
            request = origin.last("/a.css")
            assert (request.header("cookie"), request.header("authorization")) == expected
    assert [outcome(proxy, "/none/", n) for n in (1, 2)] == [(0, {"credentials": 1})] * 2
    assert outcome(proxy, "/cookies/", 1) == (0, {"credentials": 1})


PRIVATE = [
    ("set-cookie", "session=2"),
    ("cache-control", "private"),
    ("cache-control", "max-age=5, PRIVATE"),
    ("cache-control", "no-store"),
    ("cache-control", 'private="set-cookie"'),
    ("vary", "accept, Cookie"),
    ("vary", "authorization"),
    ("vary", "*"),
]
PUBLIC = [
    ("cache-control", "max-age=60, public"),
    ("cache-control", "no-cache"),
    ("vary", "accept-encoding"),
    ("x-other", "private"),
]


def answer_by_number(cases):
    """/0, /1 ... have the fields of the cases."""

    def answer(conn, request):
        number = int(request.path.strip("/") or -1)
        respond(200, [cases[number]] if number >= 0 else [], b"asset")(conn, request)

    return answer


def numbered_pages(origin, cases):
    origin.on("*", answer_by_number(cases))
    origin.on("/page", respond(200, links(*[f"</{n}>; rel=preload" for n in range(len(cases))])))


def test_private_responses_are_not_pushed_to_visitors_with_cookies(outrider, origin):
    """They were made for somebody without: reset, and remembered for such visitors only."""
    cases = PRIVATE + PUBLIC
    numbered_pages(origin, cases)
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        client.get("/page", [("cookie", "session=1")])
        client.wait_pushes()
        assert len(client.pushes) == len(cases)
        for push, field in zip(client.pushes, cases, strict=True):
            if field in PRIVATE:
                assert push.reset == CANCEL and not push.headers, field
            else:
                assert push.is_complete and push.body == b"asset", field
        # what was taken back is there when the client asks for it, with its own cookie
        assert client.get("/0", [("cookie", "session=1")]).header("set-cookie") == "session=2"
    with proxy.h2() as client:
        client.get("/page", [("cookie", "session=3")])
        client.wait_pushes()
        assert promised(client) == [f"/{n}" for n in range(len(PRIVATE), len(cases))]
    with proxy.h2() as client:
        client.get("/page")
        client.wait_pushes()
        assert len(client.pushes) == len(cases)
        assert all(push.is_complete for push in client.pushes)
        assert client.pushed("/0").header("set-cookie") == "session=2"
    assert outcome(proxy, "/page", 1) == (len(PUBLIC), {"unfit": len(PRIVATE)})


@pytest.mark.parametrize(
    "option, fields",
    [("none", []), ("cookies", [("cookie", "a=1")]), ("all", [("authorization", "Basic eHg=")])],
)
def test_private_responses_are_pushed_to_whom_they_are_for(outrider, origin, option, fields):
    """The client would have received the very same."""
    numbered_pages(origin, PRIVATE)
    proxy = outrider(origin, push={"credentials": option})
    with proxy.h2() as client:
        client.get("/page", fields)
        client.wait_pushes()
        assert [push.header(name) for push, (name, _) in zip(client.pushes, PRIVATE, strict=True)] \
            == [value for _, value in PRIVATE]  # fmt: skip
        assert all(push.is_complete for push in client.pushes)


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_errors_are_not_pushed(outrider, origin, status):
    """Reset, and remembered for everybody; the client may still ask for it."""
    page(origin, "/", STYLE)
    origin.on("/a.css", respond(status, [], b"error"))
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        assert client.get("/").status == 200
        client.wait_pushes()
        (push,) = client.pushes
        assert push.reset == CANCEL and not push.headers
        response = client.get("/a.css")
        assert (response.status, response.body) == (status, b"error")
    with proxy.h2() as client:
        client.get("/")
        client.ping()
        assert not client.pushes
    assert outcome(proxy, "/", 1) == (0, {"unfit": 1})


@pytest.mark.parametrize("status", [301, 302, 307])
def test_redirects_are_pushed(outrider, origin, status):
    page(origin, "/", STYLE)
    origin.on("/a.css", respond(status, [("location", "/b.css")], b""))
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/", [("cookie", "a=1")])
        (push,) = client.wait_pushes()
        assert (push.status, push.header("location")) == (status, "/b.css")
        assert push.is_complete


@pytest.mark.parametrize(
    "steps",
    [[close()], [reset()], [send(b"nonsense\r\n\r\n"), close()], [respond(101, [])]],
    ids=["close", "reset", "nonsense", "upgrade"],
)
def test_push_without_a_response_is_taken_back(outrider, origin, steps):
    """No error page of ours is pushed."""
    page(origin, "/", STYLE)
    origin.on("/a.css", *steps)
    proxy = outrider(origin)
    with proxy.h2() as client:
        assert client.get("/").status == 200
        (push,) = client.wait_pushes()
        assert push.reset is not None and not push.headers
        assert client.get("/").status == 200


def test_push_that_is_cut_short_is_reset(outrider, origin):
    page(origin, "/", STYLE)
    origin.on("/a.css", send(head(200, [("content-length", 10)]) + b"abc"), close())
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/")
        (push,) = client.wait_pushes()
        assert (push.status, push.is_ended) == (200, False) and push.reset is not None


PROXY_FIELDS = [
    ("x-forwarded-for", "192.0.2.1"),
    ("forwarded", "for=192.0.2.1"),
    ("via", "1.1 cdn"),
]


def test_no_pushes_through_other_proxies(outrider, origin):
    """One connection carries many people there."""
    page(origin, "/", STYLE)
    proxy = outrider(origin, routes=[{"origin": "app", "push": ["/b.js"]}])
    for field in PROXY_FIELDS:
        with proxy.h2(tls=False) as client:
            assert client.get("/", [field]).header("link") == STYLE
            client.ping()
            assert not client.pushes, field
    assert outcome(proxy, "/") == (0, {"behind_proxy": 2})


@pytest.mark.parametrize(
    "sections",
    [{"trusted": ["192.0.2.0/24", "127.0.0.0/8"]}, {"push": {"behind_proxy": "on"}}],
    ids=["trusted", "behind_proxy"],
)
def test_pushes_through_proxies_by_option(outrider, origin, sections):
    page(origin, "/", STYLE)
    proxy = outrider(origin, **sections)
    for field in PROXY_FIELDS:
        with proxy.h2(tls=False) as client:
            client.get("/", [field])
            client.wait_pushes()
            assert promised(client) == ["/a.css"], field


def test_other_proxies_not_in_trusted(outrider, origin):
    page(origin, "/", STYLE)
    proxy = outrider(origin, trusted=["192.0.2.0/24"])
    with proxy.h2(tls=False) as client:
        client.get("/", [PROXY_FIELDS[0]])
        client.ping()
        assert not client.pushes


def test_use_credentials_needs_the_pages_credentials(outrider, origin):
    """crossorigin=use-credentials says that they matter."""
    page(origin, "/", "</a>; rel=preload; as=fetch; crossorigin=use-credentials")
    proxy = outrider(
        origin,
        routes=[{"origin": "app"}, {"origin": "app", "path": "/c", "push": {"credentials": "all"}}],
    )
    page(origin, "/c", "</a>; rel=preload; as=fetch; crossorigin=use-credentials")
    for path, fields, expected in (
        ("/", [], ["/a"]),
        ("/", [("cookie", "a=1")], []),
        ("/c", [("cookie", "a=1")], ["/a"]),
    ):
        with proxy.h2(tls=False) as client:
            client.get(path, fields)
            client.wait_pushes()
            assert promised(client) == expected
