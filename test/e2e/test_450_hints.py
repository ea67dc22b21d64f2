# SPDX-License-Identifier: Apache-2.0
"""103 Early Hints: who gets them, when, what stands in them, and what the access log says of it."""

import re

import pytest

import tools
from origin import close, closed_port, head, notify, respond, response, send, wait
from pushing import (
    NAVIGATION,
    STYLE,
    assets,
    ask_early,
    hints,
    links,
    log_lines,
    page,
    promised,
    thinking_page,
    visit,
)

SCRIPT = "</b.js>; rel=preload; as=script"
SEVERAL = ["/a.css", {"path": "/x", "as": "font"}]
SEVERAL_HINTED = f"{STYLE}, </x>; rel=preload; as=font; crossorigin"


def browser(mode, dest):
    return [("sec-fetch-mode", mode), ("sec-fetch-dest", dest)]


def routes(**options):
    return [{"origin": "app", **options}]


def log_of(proxy, path="/", number=0):
    """(promised, hinted, skipped) of the page's n-th line. Stops the proxy."""
    line = log_lines(proxy, path)[number]
    return line["promised"], line["hinted"], line["skipped"]


# --- what outrider says itself -----------------------------------------------------------


def test_navigation_is_hinted_while_the_origin_thinks(outrider, origin):
    thinking_page(origin, "/", "</late.js>; rel=preload", headers=[("x-of", "the page")])
    proxy = outrider(origin, routes=routes(hint=SEVERAL))
    with proxy.h2(push=False) as client:
        answer = ask_early(client, origin, "/")
        client.ping()  # nothing more comes
        assert answer.interim == [[(":status", "103"), ("link", SEVERAL_HINTED)]]
        assert client.order() == [("interim", 1), ("head", 1), ("data", 1), ("end", 1)]
        assert (answer.status, answer.body) == (200, b"<html>")
        assert answer.header("link") == "</late.js>; rel=preload"  # and nothing of the 103
        assert answer.header("x-of") == "the page"
        assert client.get("/", NAVIGATION).interim == answer.interim  # each page has its own
    assert [request.path for request in origin.seen()] == ["/", "/"]
    assert log_of(proxy) == (0, 2, {"client": 1})


WHO = [  # method, fields, hinted by default, hinted with `clients: all`
    ("GET", NAVIGATION, True, True),
    ("GET", [*NAVIGATION, ("cookie", "id=1"), ("authorization", "Basic eA==")], True, True),
    ("GET", [*NAVIGATION, ("if-none-match", '"x"')], True, True),
    ("GET", [], False, True),
    ("GET", browser("navigate", "iframe"), False, True),
    ("GET", browser("cors", "empty"), False, True),
    ("GET", browser("no-cors", "document"), False, True),
    ("GET", browser("navigate", "documents"), False, True),
    ("GET", [("sec-fetch-mode", "navigate")], False, True),
    ("GET", [("sec-fetch-dest", "document")], False, True),
    ("GET", [*NAVIGATION, ("range", "bytes=0-9")], False, False),
    ("HEAD", NAVIGATION, False, False),
    ("POST", NAVIGATION, False, False),
    ("OPTIONS", NAVIGATION, False, False),
]


def test_who_is_hinted(outrider, origin):
    assets(origin)
    to_all = {"declared": "/a.css", "clients": "all"}
    proxy = outrider(origin, routes=[
        *routes(hint=["/a.css"]), {"origin": "app", "path": "/all", "hint": to_all}])  # fmt: skip
    with proxy.h2(push=False) as client:
        for method, fields, by_default, with_all in WHO:
            for path, is_hinted in (("/", by_default), ("/all", with_all)):
                answer = client.get(path, fields, method)
                assert answer.status == 200
                assert hints(answer) == ([STYLE] if is_hinted else []), (method, fields, path)


@pytest.mark.parametrize("is_on", [False, True])
def test_http1_by_option(outrider, origin, is_on):
    """Ours and the origin's."""
    early = [("link", SCRIPT), ("content-security-policy", "default-src 'self'")]
    origin.on("/own", send(head(103, early)), wait("go"), respond(200, [], b"page"))
    thinking_page(origin, "/")
    route = {"declared": "/a.css", "http1": is_on}
    proxy = outrider(origin, routes=[*routes(hint=route), *[
        {"origin": "app", "path": "/own", "hint": {"http1": is_on}}]])  # fmt: skip
    fields = "".join(f"{name}: {value}\r\n" for name, value in NAVIGATION)
    with proxy.h1(tls=True) as client:
        client.send(f"GET / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
        if is_on:
            assert client.read_head() == (103, [("link", STYLE)])
        origin.wait_requests(1, "/")
        origin.event("/").set()
        status, got = client.read_head()
        assert (status, dict(got).get("link")) == (200, None)
        assert client.read(6) == b"<html>"
        client.send(b"GET /own HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if is_on:
            assert client.read_head() == (103, early)
        origin.wait_requests(1, "/own")
        origin.event("go").set()
        assert client.read_response()[0] == 200
    with proxy.h1() as old:
        old.send(f"GET / HTTP/1.0\r\nHost: localhost\r\n{fields}\r\n".encode())
        assert old.read_head()[0] == 200


def test_hint_and_push_off(outrider, origin):
    """`hint: off` keeps the origin's 103s too, though they are promised; `push: off` hints what
    would be pushed."""
    assets(origin)
    for path in ("/off/own", "/on/own"):
        origin.on(path, send(head(103, links(SCRIPT))), respond(200, [], b"page"))
    proxy = outrider(origin, hint=False, routes=[
        {"origin": "app"},
        {"origin": "app", "path": "/none", "hint": "off", "push": ["/a.css"]},
        {"origin": "app", "path": "/on", "hint": {"enabled": True, "declared": ["/a.css"]}},
        {"origin": "app", "path": "/pushoff", "hint": "on",
         "push": {"enabled": False, "declared": ["/a.css"]}},
    ])  # fmt: skip
    for path, hinted, pushed in [
        ("/off/own", [], ["/b.js"]),
        ("/none", [], ["/a.css"]),
        ("/on", [STYLE], []),
        ("/on/own", [STYLE], ["/b.js"]),
        ("/pushoff", [STYLE], []),
    ]:
        answer = visit(proxy, path, push=True)
        assert (answer.status, hints(answer), answer.promised) == (200, hinted, pushed), path
    assert log_of(proxy, "/pushoff") == (0, 1, {})
    assert log_of(proxy, "/none") == (1, 0, {})


def test_push_client_is_promised_before_the_origin_answers(outrider, origin):
    """What it may not be promised is hinted, in one 103, when it is a browser."""
    thinking_page(origin, "/")
    hint = [f"{SCRIPT}; nopush", "<https://cdn.example>; rel=preconnect", "/a.css"]
    proxy = outrider(origin, routes=routes(push=["/a.css"], hint=hint))
    for fields, expected in (
        (NAVIGATION, [f"<https://cdn.example>; rel=preconnect, {SCRIPT}; nopush"]),
        ([], []),
    ):
        origin.event("/").clear()
        with proxy.h2() as client:
            answer = ask_early(client, origin, "/", fields)
            client.wait_pushes()
            assert (promised(client), hints(answer)) == (["/a.css"], expected)
            kinds = [kind for kind, _ in client.order()]
            assert kinds.index("promise") < min(kinds.index(kind) for kind in ("head", kinds[-1]))
            if expected:
                assert kinds.index("promise") < kinds.index("interim") < kinds.index("head")
    assert log_of(proxy) == (1, 2, {"repeated": 1})
    assert log_of(proxy, number=1) == (1, 0, {"hint_only": 1, "nopush": 1, "repeated": 1})


def test_declared_pushes_are_hints_where_they_may_not_be_pushed(outrider, origin):
    assets(origin)
    proxy = outrider(origin, routes=routes(push=["/a.css"]))
    cases = [
        ("client", [], False),
        ("behind_proxy", [("x-forwarded-for", "192.0.2.1")], True),
        ("behind_proxy", [("via", "1.1 other")], True),
        ("credentials", [("authorization", "Basic eA==")], True),
    ]
    for _, fields, push in cases:
        answer = visit(proxy, "/", [*NAVIGATION, *fields], push)
        assert (hints(answer), answer.promised) == ([STYLE], []), fields
        answer = visit(proxy, "/", fields, push)  # no browser
        assert (hints(answer), answer.promised) == ([], []), fields
    conditional = visit(proxy, "/304", [*NAVIGATION, ("if-none-match", '"1"')], push=True)
    assert (hints(conditional), conditional.promised) == ([STYLE], [])
    lines = [(line["hinted"], line["skipped"]) for line in log_lines(proxy, "/")]
    assert lines == [row for why, _, _ in cases for row in ((1, {}), (0, {why: 1}))]


ORDER = [  # as configured, as hinted: what blocks the page first, media last, else as they stand
    (
        ["/i.png", "/d.json", "/b.js", "/f.woff2", "/a.css",
         "<https://cdn.example>; rel=preconnect"],
        [
            "<https://cdn.example>; rel=preconnect",
            SCRIPT,
            "</f.woff2>; rel=preload; as=font; crossorigin",
            STYLE,
            "</d.json>; rel=preload; as=fetch; crossorigin",
            "</i.png>; rel=preload; as=image",
        ],
    ),
    (
        ["</i>; rel=preload; as=image", "</hero>; rel=preload; as=image; fetchpriority=high",
         f"{SCRIPT}; fetchpriority=low", "/d.json", "/a.css"],
        [STYLE, "</hero>; rel=preload; as=image; fetchpriority=high",
         f"{SCRIPT}; fetchpriority=low", "</d.json>; rel=preload; as=fetch; crossorigin",
         "</i>; rel=preload; as=image"],
    ),
]  # fmt: skip


@pytest.mark.parametrize("declared,expected", ORDER)
def test_order(outrider, origin, declared, expected):
    assets(origin)
    proxy = outrider(origin, routes=routes(hint=declared))
    (got,) = hints(visit(proxy))
    assert re.split(", (?=<)", got) == expected


AS_THEY_STAND = [
    "<https://cdn.example>; rel=preconnect",
    "<https://cdn.example/f.woff2>; rel=preload; as=font; crossorigin",
    '</hero.jpg>; rel=preload; as=image; imagesrcset="/h1.jpg 1x, /h2.jpg 2x"; imagesizes=50vw',
    "</wide.css>; rel=preload; as=style; media=\"(min-width: 40em)\"",
    "</m.mjs>; rel=modulepreload; integrity=sha256-abc",
    "</x>; nopush=1; rel=\"preload next\"; as=fetch",
]


def test_elements_as_they_stand(outrider, origin):
    assets(origin)
    proxy = outrider(origin, routes=routes(hint=AS_THEY_STAND))
    (got,) = hints(visit(proxy))
    assert sorted(re.split(", (?=<)", got)) == sorted(AS_THEY_STAND)
    assert log_of(proxy) == (0, len(AS_THEY_STAND), {})


def test_hint_although_the_origin_fails(outrider, origin, make_origin):
    """It was said before; the answer is the gateway's own."""
    origin.on("/cut", close())
    proxy = outrider(None, origins={
        "app": {"url": origin.url},
        "gone": {"url": f"http://127.0.0.1:{closed_port()}"},
    }, routes=[
        *routes(hint=["/a.css"]), {"origin": "gone", "path": "/gone", "hint": ["/a.css"]},
    ])  # fmt: skip
    for path in ("/cut", "/gone"):
        answer = visit(proxy, path)
        assert hints(answer) == [STYLE] and answer.status in (502, 503), answer
        assert answer.header("link") is None
    assert log_of(proxy, "/gone") == (0, 1, {})


def test_retry_hints_once(outrider, origin):
    origin.on("/warm", respond(200))
    origin.on_each("/", [close()], [respond(200, [], b"second")])
    proxy = outrider(origin, workers=1, routes=routes(hint=["/a.css"]))
    with proxy.h2(push=False) as client:
        client.get("/warm")
        answer = client.get("/", NAVIGATION)
        assert (answer.body, hints(answer)) == (b"second", [STYLE])
    assert len(origin.seen("/")) == 2


# --- what the origin says ------------------------------------------------------------------

POLICIES = [("content-security-policy", "default-src 'self'"), ("referrer-policy", "no-referrer")]
FURTHER = [("permissions-policy", "camera=()"), ("server", "x"), ("set-cookie", "a=1"),
           ("x-y", "1")]  # fmt: skip


def test_others_get_each_103_of_the_origin(outrider, origin):
    origin.on(
        "/",
        send(head(103, [*links(STYLE), *POLICIES, *FURTHER]) + head(103, links(SCRIPT))),
        wait("1"), send(head(103, links(STYLE, SCRIPT))), wait("2"), send(head(103, POLICIES)),
        wait("go"), respond(200, links("</c>; rel=preload"), b"page"),
    )  # fmt: skip
    proxy = outrider(origin)
    with proxy.h2(push=False) as client:
        answer = client.responses[client.request("/")]
        for count, event in ((2, "1"), (3, "2"), (4, "go")):
            client.wait_until(lambda count=count: len(answer.interim) == count)
            assert not answer.headers
            origin.event(event).set()
        client.wait(answer.stream_id)
        status = (":status", "103")
        assert answer.interim == [
            [status, *links(STYLE), *POLICIES],
            [status, *links(SCRIPT)],
            [status, *links(STYLE, SCRIPT)],
            [status, *POLICIES],
        ]
        assert answer.header("link") == "</c>; rel=preload"
        early = {name for name, _ in [*POLICIES, *FURTHER]}
        assert not early & {name for name, _ in answer.headers}


def test_browser_gets_one_103_of_several(outrider, origin):
    """Those of one write are one; what comes later is nobody's to read."""
    origin.on(
        "/",
        send(head(103, [*links(STYLE), *POLICIES[:1], *FURTHER]) + head(103, links(SCRIPT))),
        wait("hinted"), send(head(103, links("</late>; rel=preload"))), notify("said"),
        wait("go"), respond(200, links("</c>; rel=preload"), b"page"),
    )  # fmt: skip
    proxy = outrider(origin)
    with proxy.h2(push=False) as client:
        answer = client.responses[client.request("/", headers=NAVIGATION)]
        client.wait_until(lambda: answer.interim)
        origin.event("hinted").set()
        origin.wait_event("said")
        client.ping()
        origin.event("go").set()
        client.wait(answer.stream_id)
        assert len(answer.interim) == 1
        assert sorted(answer.interim[0]) == sorted(
            [(":status", "103"), *links(STYLE, SCRIPT), *POLICIES[:1]]
        )
        assert (answer.status, answer.header("link")) == (200, "</c>; rel=preload")
    assert log_of(proxy) == (0, 2, {"client": 2})


def test_browser_gets_ours_and_no_other(outrider, origin):
    origin.on("/", send(head(103, links(SCRIPT))), notify("said"), wait("go"), respond(200))
    proxy = outrider(origin, routes=routes(hint=["/a.css"]))
    with proxy.h2(push=False) as client:
        answer = client.responses[client.request("/", headers=NAVIGATION)]
        client.wait_until(lambda: answer.interim)
        origin.wait_event("said")
        client.ping()
        origin.event("go").set()
        client.wait(answer.stream_id)
        assert hints(answer) == [STYLE]
    assert log_of(proxy) == (0, 1, {"client": 1})


@pytest.mark.parametrize("fields", [browser("navigate", "iframe"), browser("cors", "empty")])
def test_subresources_of_browsers_get_no_103(outrider, origin, fields):
    origin.on("/", send(head(103, links(STYLE))), respond(200, [], b"page"))
    answer = visit(outrider(origin), "/", fields)
    assert (answer.status, answer.interim) == (200, [])


@pytest.mark.parametrize("fields", [NAVIGATION, []])
def test_fields_by_option(outrider, origin, fields):
    origin.on("/", send(head(103, [*links(STYLE), *FURTHER])), wait("go"), respond(200))
    proxy = outrider(origin, hint={"fields": ["Permissions-Policy", "x-y"]})
    with proxy.h2(push=False) as client:
        answer = client.responses[client.request("/", headers=fields)]
        client.wait_until(lambda: answer.interim)
        origin.event("go").set()
        client.wait(answer.stream_id)
        expected = [(":status", "103"), *links(STYLE), FURTHER[0], FURTHER[3]]
        assert answer.interim == [expected]


def test_no_hint_once_the_answer_is_there(outrider, origin):
    """What comes with the final head is of no use to a browser any more; in whatever pieces."""
    early = head(103, links(STYLE)) + head(103, links(SCRIPT))
    origin.on("/", send(early + response(200, [], b"page")))
    assets(origin)
    proxy = outrider(origin)
    answer = visit(proxy)
    assert (answer.status, answer.body, answer.interim) == (200, b"page", [])
    with proxy.h2(push=False) as client:  # others get them, before it
        client.get("/")
        assert [kind for kind, _ in client.order()] == ["interim", "interim", "head", "data", "end"]
    assert log_of(proxy) == (0, 0, {"too_late": 2})


def test_no_hint_of_ours_on_pushes_and_assets(outrider, origin):
    """A promised stream has no 1xx, whatever its origin says."""
    page(origin, "/", STYLE)
    origin.on("/a.css", send(head(103, links(SCRIPT))), respond(200, [], b"asset"))
    proxy = outrider(origin, routes=routes(hint={"declared": ["/h.js"], "clients": "all"}))
    with proxy.h2() as client:
        client.get("/")
        (push,) = client.wait_pushes()
        assert (push.status, push.body, push.interim) == (200, b"asset", [])


def test_other_interims_pass(outrider, origin):
    """To a browser and to others, at whatever time."""
    origin.on("/", send(head(102) + head(103, links(STYLE)) + head(102, [("x-n", "2")])),
              wait("go"), respond(200))  # fmt: skip
    proxy = outrider(origin)
    for fields in ([], NAVIGATION):
        origin.event("go").clear()
        with proxy.h2(push=False) as client:
            answer = client.responses[client.request("/", headers=fields)]
            client.wait_until(lambda answer=answer: len(answer.interim) == 3)
            origin.event("go").set()
            client.wait(answer.stream_id)
            statuses = [dict(interim)[":status"] for interim in answer.interim]
            assert sorted(statuses) == ["102", "102", "103"]
            assert hints(answer) == [STYLE]


# --- what is written of it -----------------------------------------------------------------


def test_log_as_text(outrider, origin):
    assets(origin)
    proxy = outrider(origin, log={"format": "text"}, routes=routes(hint=SEVERAL, push=["/c.js"]))
    visit(proxy)
    visit(proxy, "/plain", [])
    proxy.stop()
    hinted, plain = sorted(proxy.stdout.splitlines())
    assert hinted.endswith(" hinted=3")
    assert plain.endswith(" skipped=hint_only:2,client:1") and "hinted=" not in plain


# --- real clients --------------------------------------------------------------------------

NODE = """
const http2 = require("node:http2");
const session = http2.connect(process.argv[2]);
const stream = session.request({":path": "/", "sec-fetch-mode": "navigate",
                                "sec-fetch-dest": "document"});
const seen = [];
let body = "";
session.on("stream", (pushed, headers) => seen.push("push " + headers[":path"]));
stream.on("headers", (headers) => seen.push(headers[":status"] + " " + headers.link));
stream.on("response", (headers) => seen.push(String(headers[":status"])));
stream.on("data", (data) => { body += data; });
stream.on("end", () => { console.log(JSON.stringify([...seen, body])); session.close(); });
"""


def test_node_hears_hints(outrider, origin, node_env):
    assets(origin, body=b"page")
    proxy = outrider(origin, routes=routes(hint=SEVERAL))
    result = tools.node(NODE, proxy.url("", host="localhost"), env=node_env)
    assert result.text.strip() == f'["103 {SEVERAL_HINTED}","200","page"]', result


def test_curl_shows_hints(outrider, origin):
    assets(origin, body=b"page")
    proxy = outrider(origin, routes=routes(hint={"declared": "/a.css", "http1": True}))
    fields = [word for name, value in NAVIGATION for word in ("-H", f"{name}: {value}")]
    for version in ("--http2", "--http1.1"):
        result = tools.curl(proxy.url(), version, *fields)
        assert (result.status, result.body) == (200, b"page"), result
        assert re.match(rb"HTTP/[12.]+ 103[^\n]*\n(?i:link): </a.css>[^\n]*\n\r\nHTTP", result.out)


def test_nghttp_shows_hints(outrider, origin):
    assets(origin, body=b"page")
    proxy = outrider(origin, routes=routes(push=["/a.css"], hint=["/b.js"]))
    fields = [f"-H{name}: {value}" for name, value in NAVIGATION]
    result = tools.run("nghttp", "-nv", *fields, proxy.url())
    text = re.sub(r"\x1b\[[\d;]*m", "", result.text)
    words = re.findall(r":status: (\d+)|\) link: (.*)|recv (PUSH_PROMISE)", text)
    flat = [next(filter(None, word)) for word in words]
    assert flat[:4] == ["PUSH_PROMISE", "103", SCRIPT, "200"], result
