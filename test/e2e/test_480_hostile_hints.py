# SPDX-License-Identifier: Apache-2.0
"""Hostile origins and clients against hints, learning and pushes: nothing is learned that should
not be, nothing grows without bound, and others are served."""

import urllib.parse

import h2.settings
import pytest
from hyperframe import frame as hf

import tools
from origin import head, respond, response, send, wait, wait_closed
from pushing import (
    NAVIGATION,
    STYLE,
    ask_early,
    assets,
    hints,
    known,
    links,
    log_lines,
    page,
    promised,
    resources,
    thinking_page,
    visit,
)

CODES = h2.settings.SettingCodes
ROOMY = {CODES.MAX_HEADER_LIST_SIZE: 1 << 20}
REFUSED_STREAM = 7
COOKIE = "outrider-digest"


def assert_healthy(proxy, origin):
    origin.on("/healthy", respond(200, [], b"well"))
    for push in (True, False):
        answer = visit(proxy, "/healthy", push=push)
        assert (answer.status, answer.body) == (200, b"well")


# --- Link values of a hostile origin -----------------------------------------------------

REFUSED = [b"\0", b"\x01", b"\x1f", b"\x7f", b"\r", b"\n"]
NO_URLS = [b"\t", b" ", b"\\", b"\x80", b"\xff\xfe", b"//u:p@evil.test/", b"/\t/"]


def linking(value):
    """A response with these bytes as its Link, whatever they are."""
    fields = b"Content-Length: 4\r\nLink: " + value + b"\r\n\r\npage"
    return send(b"HTTP/1.1 200 OK\r\n" + fields)


def test_strange_bytes_in_links(outrider, origin):
    """A head that is no head is refused; a link that is no URL is the client's to judge."""
    for number, bad in enumerate([*REFUSED, *NO_URLS]):
        target = bad if bad[:1] == b"/" else b"/a" + bad + b".css"
        origin.on(f"/{number}", linking(b"<" + target + b">; rel=preload; as=style"))
    proxy = outrider(origin, workers=1)
    for number in range(len(REFUSED) + len(NO_URLS)):
        is_refused = number < len(REFUSED)
        for _ in range(2):
            answer = visit(proxy, f"/{number}", push=True)
            assert (answer.status, answer.promised) == (502 if is_refused else 200, []), number
            assert hints(answer) == []
        assert known(proxy, origin, f"/{number}") is None
    assert_healthy(proxy, origin)


def test_encoded_control_bytes_stay_encoded(outrider, origin):
    element = "</a%0d%0aset-cookie:%20x=1%00.css>; rel=preload; as=style"
    page(origin, "/", element)
    proxy = outrider(origin, workers=1)
    assert visit(proxy, push=True).promised == ["/a%0d%0aset-cookie:%20x=1%00.css"]
    visit(proxy)
    assert known(proxy, origin) == element
    assert origin.last("/a%0d%0aset-cookie:%20x=1%00.css").header("set-cookie") is None


@pytest.mark.parametrize("size,status", [(1 << 20, 502), (60_000, 200)])
def test_link_field_of_a_size(outrider, origin, size, status):
    """Too long: no response. As long as may be: only so much is learned of it."""
    element = "</%05d.css>; rel=preload; as=style"
    value = ", ".join(element % number for number in range(size // (len(element) + 2)))
    origin.on("/", respond(200, links(value), b"page"))
    assets(origin)
    proxy = outrider(origin, workers=1)
    for _ in range(2):
        with proxy.h2(push=False, settings=ROOMY) as client:
            answer = client.get("/")
            assert answer.status == status
            assert answer.header("link") == (value if status == 200 else None)
    found = known(proxy, origin)
    if status == 200:
        assert 1024 < len(found) <= 2048 + 2 * found.count(">") and value.startswith(found)
    else:
        assert found is None
    assert_healthy(proxy, origin)


def test_page_of_300_links(outrider, origin):
    """256 elements are looked at, 32 promised, and what takes 2 KB learned; all are forwarded."""
    elements = [f"</{number}.css>; rel=preload" for number in range(300)]
    page(origin, "/", ", ".join(elements))
    proxy = outrider(origin, workers=1)
    for _ in range(2):
        answer = visit(proxy, push=True)
        assert answer.promised == [f"/{number}.css" for number in range(32)]
        assert answer.header("link") == ", ".join(elements)
    thinking_page(origin, "/", ", ".join(elements))
    with proxy.h2(push=False) as client:
        (found,) = hints(ask_early(client, origin, "/"))
    assert 1024 < sum(map(len, found.split(", "))) <= 2048
    assert ", ".join(elements).startswith(found)
    first, second, last = log_lines(proxy, "/")
    assert first["promised"] == second["promised"] == 32
    assert first["skipped"] == {"too_many": 256 - 32}
    assert last["hinted"] == found.count(">")


def test_hints_of_a_route_are_bounded(outrider, origin):
    """A 103 has at most 16 KB of links; the rest has its outcome."""
    assets(origin)
    declared = [f"/{'x' * 400}{number:03}.css" for number in range(60)]
    proxy = outrider(origin, routes=[{"origin": "app", "hint": declared}])
    (found,) = hints(visit(proxy))
    assert 15_000 < len(found) < 17_000
    (line,) = log_lines(proxy, "/")
    assert line["hinted"] == found.count(">") == 60 - sum(line["skipped"].values())


# --- what an attacker makes a page say ---------------------------------------------------


def reflecting(make):
    """A page that puts a word of its query into a link."""

    def step(conn, request):
        query = request.target.partition("?")[2]
        respond(200, links(make(query)), b"page")(conn, request)

    return step


REFLECTIONS = [
    ("next=/evil.css", lambda query: f"<{query[5:]}>; rel=preload; as=style"),
    ("next=%2Fevil.css", lambda query: f"<{urllib.parse.unquote(query[5:])}>; rel=preload"),
    ("n=%65%76il.css", lambda query: f"</{urllib.parse.unquote(query[2:])}>; rel=preload"),
    ("evil.css", lambda query: f"</static/{query}>; rel=preload"),
    ("lang=EvilLang", lambda query: f"</{query[5:].lower()}/app.css>; rel=preload"),
    ("q=evilsite.test", lambda query: f"<https://{query[2:]}>; rel=preconnect"),
    ("q=https://evil.test/a.js", lambda query: f"<{query[2:]}>; rel=preload; as=script"),
    ("a=1&b=2&c=evil.css&d=4", lambda query: "</evil.css>; rel=preload"),
    ("&".join(f"pad{n}={n}" for n in range(40)) + "&x=evil", lambda query: "</evil>; rel=preload"),
    ("x=" + "y" * 3000 + "&z=evil", lambda query: "</evil>; rel=preload"),
    ("theme=evil&x", lambda query: f"{STYLE}, </evil.css>; rel=preload"),
]


def test_reflected_link_is_never_learned(outrider, origin):
    """Nor does it take away what honest visitors taught."""
    proxy = outrider(origin, workers=1)
    page(origin, "/honest", STYLE)
    for _ in range(2):
        visit(proxy, "/honest", ())
    for number, (query, make) in enumerate(REFLECTIONS):
        for path in (f"/{number}", "/honest"):
            origin.on(path, reflecting(make))
            for _ in range(3):
                with proxy.h2(tls=path == "/honest", push=False) as client:
                    assert "evil" in client.get(f"{path}?{query}").header("link")
        origin.on(f"/{number}", respond(500))
        with proxy.h2(tls=False, push=False) as client:
            assert client.get(f"/{number}", NAVIGATION).interim == [], query
        assert known(proxy, origin, "/honest") == STYLE, query


def test_attacker_does_not_take_away_what_is_learned(outrider, origin):
    """By methods, credentials, conditions, ranges, or a request that fails."""
    page(origin, "/", STYLE)
    proxy = outrider(origin, workers=1)
    for _ in range(2):
        visit(proxy)
    for method, fields, status in [
        ("DELETE", [], 404), ("HEAD", [], 404), ("POST", [], 403), ("GET", [], 500),
        ("GET", [("range", "bytes=9-")], 416), ("GET", [("if-match", '"x"')], 412),
        ("GET", [("accept", "none/none")], 406), ("GET", [("authorization", "Basic eA==")], 401),
        ("GET", [("cookie", "id=1")], 403), ("GET", [], 429),
    ]:  # fmt: skip
        for path in ("/", "/a.css"):
            if (path, fields[:1]) == ("/a.css", [("cookie", "id=1")]):
                continue  # the resource is refused: that counts
            origin.on(path, respond(status))
            with proxy.h2(push=False) as client:
                assert client.get(path, fields, method).status == status
    assert known(proxy, origin) == STYLE


# --- floods ------------------------------------------------------------------------------


@pytest.mark.limit(120)
def test_many_pages_take_bounded_memory(outrider, origin):
    """2,000 pages of 1 KB of links, each seen by two clients: what is in use stays, and what comes
    then is learned."""

    def linked(conn, request):
        number = request.path[3:]
        elements = [f"</{number}/{'x' * 100}{n}.css>; rel=preload; nopush" for n in range(8)]
        respond(200, links(", ".join(elements)), b"x")(conn, request)

    proxy = outrider(
        origin, workers=1, learned={"pages": 64}, log={"access": "off"}, env=tools.FRUGAL
    )
    page(origin, "/", STYLE)
    for _ in range(3):
        answer = visit(proxy)
    assert hints(answer) == [STYLE]
    for number in range(2000):
        origin.on(f"/p/{number}", linked)
    resident = []
    with proxy.h2(push=False) as one, proxy.h2(push=False) as other:
        for first in range(0, 2000, 100):
            for client in (one, other):
                paths = [f"/p/{number}" for number in range(first, first + 100)]
                assert all(answer.status == 200 for answer in client.get_all(paths))
            resident.append(proxy.resident_kb())
    assert max(resident) - resident[4] < 8 * 1024, resident
    assert known(proxy, origin) == STYLE
    assert known(proxy, origin, "/p/0") is None
    for path in ("/p/0", "/late"):
        page(origin, path, STYLE)
        visit(proxy, path)
        visit(proxy, path)
        assert known(proxy, origin, path) == STYLE


@pytest.mark.parametrize("fields", [NAVIGATION, []])
@pytest.mark.parametrize("interim,is_too_much", [
    (head(103, links(STYLE)) * 100, False),
    (head(103, links(STYLE)) * 101, True),
    (head(103, links("</a.css>; rel=preload; x=" + "y" * 900)) * 60, False),
    (head(103, links("</a.css>; rel=preload; x=" + "y" * 900)) * 90, True),
])  # fmt: skip
def test_flood_of_103s(outrider, origin, interim, is_too_much, fields):
    count = interim.count(b"\r\n\r\n")
    pieces = [interim[at : at + 3000] for at in range(0, len(interim), 3000)]
    origin.on("/", *map(send, pieces), wait("go"), respond(200, [], b"page"))
    assets(origin)
    proxy = outrider(origin, workers=1)
    with proxy.h2(push=False, settings=ROOMY) as client:
        answer = client.responses[client.request("/", headers=fields)]
        if not is_too_much:
            client.wait_until(lambda: len(answer.interim) == (1 if fields else count))
            origin.event("go").set()
        assert client.wait(answer.stream_id).status == (502 if is_too_much else 200)
        assert len(answer.interim) <= (1 if fields else 100)
    origin.event("go").set()
    assert_healthy(proxy, origin)


def test_flood_of_links_in_103s(outrider, origin):
    """Promised are 32; 512 candidates of a request are remembered; then they are not looked at."""
    early = [head(103, links(*[f"</{n}/{i}>; rel=preload" for i in range(30)])) for n in range(60)]
    origin.on("/", send(b"".join(early) + response(200, [], b"page")))
    assets(origin)
    proxy = outrider(origin, workers=1)
    answer = visit(proxy, headers=(), push=True)
    assert (answer.status, len(answer.promised)) == (200, 32)
    (line,) = log_lines(proxy, "/")
    assert line["promised"] == 32 and line["skipped"] == {"too_many": 1800 - 32}


def test_client_that_resets_every_promise(outrider, origin):
    """It is promised little; as a browser it is hinted instead. Others get theirs."""
    paths = [f"/{number}.css" for number in range(8)]
    assets(origin)
    for path in paths:
        origin.on(path, wait_closed())  # each is reset before it comes
    proxy = outrider(origin, workers=1, routes=[
        {"origin": "app"}, {"origin": "app", "path": "/page", "push": paths}])  # fmt: skip
    total = 0
    for _ in range(3):
        with proxy.h2() as client:
            for number in range(20):
                stream_id = client.request(f"/page/{number}", headers=NAVIGATION)
                client.wait(stream_id)
                for push in client.pushes:
                    if not push.is_over:
                        client.reset(push.stream_id, REFUSED_STREAM)
                client.ping()
            total += len(client.pushes)
            last = client.responses[stream_id]
            assert hints(last) == [", ".join(f"<{path}>; rel=preload; as=style" for path in paths)]
    assert total <= 3 * len(paths)
    for path in paths:
        origin.on(path, respond(200, [], b"asset"))
    assert visit(proxy, "/page/x", (), push=True).status == 200
    assert_healthy(proxy, origin)
    lines = log_lines(proxy, "/page/19")
    assert all(line["skipped"] == {} and line["hinted"] == 8 for line in lines)


def test_reset_storm_on_pages(outrider, origin):
    """Pages that are reset as soon as they are asked for, hints and promises under way."""
    origin.on("/page", wait("go"), respond(200, links(STYLE), b"page"))
    assets(origin)
    route = {"origin": "app", "push": ["/p.css"], "hint": ["/h.css"]}
    proxy = outrider(origin, workers=1, routes=[route], learn={"behaviour": True})
    for is_push in (0, 1):
        with proxy.raw_h2(settings={CODES.ENABLE_PUSH: is_push}) as raw:
            request = raw.request("/page", headers=NAVIGATION)
            for number in range(60):
                stream_id = 2 * number + 1
                raw.send(raw.headers(stream_id, request), raw.reset(stream_id))
            raw.send(raw.headers(2001, request))
            assert raw.is_alive()
            origin.event("go").set()
            while not isinstance(raw.read(), hf.DataFrame):
                pass
            assert raw.is_alive()
    assert_healthy(proxy, origin)


# --- fields of a hostile client ----------------------------------------------------------


@pytest.mark.parametrize("cookies,status", [
    ([("cookie", f"{COOKIE}={'A' * 12_000}")], 200),
    ([("cookie", f"a={'A' * 12_000}; {COOKIE}={'A' * 900}")], 200),
    ([("cookie", f"a={'A' * 60_000}")], 431),
    ([("cookie", f"{COOKIE}={number}") for number in range(200)], 200),
    ([("cookie", f"{COOKIE}={number}") for number in range(300)], 431),
    ([("cookie", f"{COOKIE}=x;" * 800)], 200),
    ([("cookie", ";" * 10_000)], 200),
    ([("cookie", f"{COOKIE}; {COOKIE} ; ={COOKIE}=; \"{COOKIE}=\"")], 200),
])  # fmt: skip
def test_cookies_of_a_hostile_visitor(outrider, origin, cookies, status):
    origin.on("/", respond(200, [("content-type", "text/html"), *links(STYLE)], b"page"))
    assets(origin)
    proxy = outrider(origin, workers=1, push={"visitors": "digest"}, learn=False)
    answer = visit(proxy, "/", cookies, push=True)
    assert answer.status == status
    if status == 200:
        assert answer.promised == ["/a.css"]
        assert f"{COOKIE}=" in answer.header("set-cookie")
        assert f"{COOKIE}=A" not in str(origin.last("/").header("cookie"))
    assert_healthy(proxy, origin)


HOSTILE_FIELDS = [
    ("cache-digest", ",".join(["AAAA"] * 3000)),
    ("cache-digest", "_" * 15_000),
    ("cache-digest", ";reset," * 1500),
    ("accept-push-policy", "," * 10_000),
    ("accept-push-policy", "none" * 3000),
    ("sec-fetch-dest", "document" * 1000),
    ("referer", "https://localhost/" + "a" * 12_000),
    ("referer", "https://localhost:99999999999/\\..//%00"),
    ("referer", "https://"),
]


def test_fields_of_a_hostile_client(outrider, origin):
    """Beside those of a navigation and of a part of a page."""
    assets(origin)
    route = {"origin": "app", "push": ["/a.css"], "learn": {"behaviour": True}}
    push = {"cache_digest": True, "revalidate": True}
    proxy = outrider(origin, workers=1, push=push, routes=[route])
    for field in HOSTILE_FIELDS:
        with proxy.h2() as client:
            for others in ((), NAVIGATION[:1], [("sec-fetch-dest", "style")]):
                assert client.get("/", [*others, field]).status == 200, field
    assert_healthy(proxy, origin)


def test_page_of_a_thousand_parts(outrider, origin):
    """Behaviour that an attacker makes up: only so many parts are remembered, on one page."""
    resources(origin)
    proxy = outrider(origin, workers=1, learn={"behaviour": True})
    referer = [("sec-fetch-dest", "style"), ("referer", "https://localhost/")]
    for _ in range(6):
        with proxy.h2(push=False) as client:
            client.get("/", NAVIGATION)
            for first in range(0, 150, 50):
                ids = [client.request(f"/{first + n}", headers=referer) for n in range(50)]
                assert {client.wait(stream_id).status for stream_id in ids} == {200}
            client.get("/", NAVIGATION)  # ends the visit before it
    found = hints(visit(proxy))
    assert len(found) == 1 and found[0].count(">") <= 24


def test_promises_of_a_page_that_says_too_much_are_kept(outrider, origin):
    """A page whose head is refused after its promises were made leaves these whole."""
    origin.on("/", send(head(103, links(STYLE))), wait("go"), respond(200, links("x" * (1 << 20))))
    assets(origin)
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        stream_id = client.request("/")
        client.wait_until(lambda: client.pushes)
        origin.event("go").set()
        assert client.wait(stream_id).status == 502
        assert promised(client) == ["/a.css"]
        assert all(push.is_complete for push in client.wait_pushes())


# --- what one visitor may teach others ----------------------------------------------------


def test_what_one_visitor_alone_has_seen_is_his_own(outrider, origin):
    """Twice on two connections, but with one cookie: the page may be made for him."""
    link = "</users/7f3a/face.png>; rel=preload; as=image"
    page(origin, "/", link)
    proxy = outrider(origin, workers=1)
    alice, bob = [("cookie", "id=alice")], [("cookie", "id=bob")]
    for _ in range(2):
        visit(proxy, "/", alice)
    assert known(proxy, origin, headers=[*NAVIGATION, *alice]) == link
    page(origin, "/", "</users/91cc/face.png>; rel=preload; as=image")
    assert visit(proxy, "/", [*NAVIGATION, *bob]).interim == []
    assert visit(proxy, "/", NAVIGATION).interim == []


@pytest.mark.parametrize("name", ["user-agent", "x-theme"])
def test_a_page_that_repeats_a_field_teaches_nothing(outrider, origin, name):
    def reflect(conn, request):
        link = f"<{request.header(name, '/a.css')}>; rel=preload; as=script"
        respond(200, [("link", link)], b"page")(conn, request)

    origin.on("/", reflect)
    assets(origin)
    proxy = outrider(origin, workers=1)
    for text in ("https://evil.test/x.js", "/logout.js"):
        for _ in range(3):
            visit(proxy, "/", [(name, text)])
        assert visit(proxy, "/", [*NAVIGATION, (name, text)]).interim == []


def test_resources_of_other_sites_are_not_learned(outrider, origin):
    page(origin, "/", "<https://cdn.test/x.js>; rel=preload; as=script", "<https://cdn.test>; rel=preconnect")
    proxy = outrider(origin, workers=1)
    for _ in range(2):
        visit(proxy)
    assert known(proxy, origin) == "<https://cdn.test>; rel=preconnect"
