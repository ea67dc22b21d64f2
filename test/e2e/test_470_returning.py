# SPDX-License-Identifier: Apache-2.0
"""Who has it already: the cookie of returning visitors, Cache-Digest, Accept-Push-Policy, and
promises that ask whether what the client has is still good."""

import re

import pytest

from origin import respond
from pushing import (
    NAVIGATION,
    STYLE,
    assets,
    cache_digest,
    hints,
    links,
    log_lines,
    promised,
    visit,
)

HTML = [("content-type", "text/html; charset=utf-8")]
SCRIPT = "</b.js>; rel=preload; as=script"
NAME = "outrider-digest"


def site(origin, etag='"v1"', headers=(("cache-control", "max-age=86400"),), elements=(STYLE,)):
    """An HTML page at / and what it links, in one version."""
    origin.on("/", respond(200, [*HTML, *links(*elements)], b"<html>"))
    assets(origin, [("etag", etag), *headers] if etag else list(headers))


def new_cookie(response):
    """NAME=value of the cookie that was set, or None."""
    match = re.match(rf"({NAME}=[^;]+);", response.header("set-cookie", ""))
    return match and match[1]


def come(proxy, cookie=None, path="/", fields=(), push=True):
    """A visit with the cookie, if there is one."""
    return visit(proxy, path, [*fields, *([("cookie", cookie)] if cookie else [])], push)


def returning(proxy):
    """The cookie of one whose digest names the versions that were pushed, here or elsewhere."""
    first = new_cookie(come(proxy))
    return new_cookie(come(proxy, first)) or first


def start(outrider, origin, visitors="digest", push=(), **sections):
    """With one memory, and without learning, so that what is pushed has one reason."""
    push = {"visitors": visitors, **dict(push)}
    return outrider(origin, push=push, workers=1, **{"learn": False, **sections})


def skipped(proxy, path="/"):
    return [line["skipped"] for line in log_lines(proxy, path)]


# --- the cookie ----------------------------------------------------------------------------


@pytest.mark.parametrize("visitors", ["digest", "first-visit"])
def test_cookie_of_a_visitor(outrider, origin, visitors):
    site(origin)
    proxy = start(outrider, origin, visitors)
    first = come(proxy)
    assert first.promised == ["/a.css"]
    (cookie,) = [value for name, value in first.headers if name == "set-cookie"]
    assert len(cookie) <= 1024
    value, *attributes = cookie.split("; ")
    assert re.fullmatch(rf"{NAME}=[A-Za-z0-9_-]+", value)
    assert sorted(attributes) == sorted(
        ["Path=/", "Max-Age=2592000", "Secure", "HttpOnly", "SameSite=Lax"]
    )
    again = come(proxy, value)
    assert (again.promised, again.status, again.body) == ([], 200, b"<html>")
    last = come(proxy, new_cookie(again) or value)
    assert (last.promised, new_cookie(last)) == ([], None)
    assert [request.header("cookie") for request in origin.seen()] == [None] * len(origin.seen())


def test_cookie_of_a_visitor_without_tls(outrider, origin):
    site(origin)
    proxy = start(outrider, origin)
    with proxy.h2(tls=False) as client:
        cookie = client.get("/").header("set-cookie")
        assert "HttpOnly; SameSite=Lax" in cookie and "Secure" not in cookie


def test_cookie_is_nobodys_business(outrider, origin):
    """Not the origin's, and no credentials for what is pushed."""
    site(origin, headers=[("set-cookie", "a=1")])
    proxy = start(outrider, origin)
    cookie = returning(proxy)
    for sent, seen in (
        (f"id=1; {cookie}; x=2", "id=1; x=2"),
        (f"{cookie}; {NAME}=other", None),
        (f"{NAME}2=x; {cookie}", f"{NAME}2=x"),
        (f"my{cookie}", f"my{cookie}"),
    ):
        come(proxy, sent)
        assert origin.seen("/")[-1].header("cookie") == seen
    with proxy.h2() as client:  # crumbs, and other requests than pages'
        crumbs = [("cookie", "a=1"), ("cookie", cookie), ("cookie", "b=2")]
        client.get("/", crumbs)
        client.get("/other", crumbs, method="POST", body=b"x")
        assert {origin.last(path).header("cookie") for path in ("/", "/other")} == {"a=1; b=2"}
        client.wait_pushes()
    with proxy.h1(tls=True) as client:
        client.send(f"GET /old HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode())
        assert client.read_response()[0] == 200
    assert origin.last("/old").header("cookie") is None
    site(origin, '"v2"', headers=[("set-cookie", "a=1")])
    visit(proxy, "/a.css")
    with proxy.h2() as client:  # a push with Set-Cookie is fine for who has no credentials
        client.get("/", [("cookie", cookie)])
        (push,) = client.wait_pushes()
        assert (push.path, push.status, push.is_complete) == ("/a.css", 200, True)
        assert push.header("set-cookie") == "a=1"


def test_cookie_is_no_credential_of_what_is_learned(outrider, origin):
    site(origin)
    proxy = start(outrider, origin, learn=True)
    cookie = returning(proxy)  # two visits: one without the cookie, one with it
    assert hints(come(proxy, cookie, fields=NAVIGATION)) == [STYLE]  # in the cache, as it says
    assert hints(visit(proxy)) == [STYLE]


def test_changed_file_is_pushed_again(outrider, origin):
    site(origin, elements=[STYLE, SCRIPT])
    proxy = start(outrider, origin)
    cookie = returning(proxy)
    assert come(proxy, cookie).promised == []
    newer = [("etag", '"v2"'), ("cache-control", "max-age=86400")]
    origin.on("/a.css", respond(200, newer, b"new"))
    visit(proxy, "/a.css")  # somebody asks for it
    changed = come(proxy, cookie)
    assert changed.promised == ["/a.css"]
    assert new_cookie(changed) not in (None, cookie)
    assert come(proxy, new_cookie(changed)).promised == []
    assert skipped(proxy)[2:] == [{"in_cache": 2}, {"in_cache": 1}, {"in_cache": 2}]


def test_declared_pushes_ask_the_cookie_too(outrider, origin):
    """And what a returning browser is not pushed may be hinted."""
    site(origin, elements=[])
    proxy = start(outrider, origin, routes=[{"origin": "app", "push": ["/a.css"]}])
    cookie = returning(proxy)
    answer = come(proxy, cookie, fields=NAVIGATION)
    assert (answer.promised, hints(answer)) == ([], [STYLE])


def test_what_no_cache_keeps_is_pushed_to_everybody(outrider, origin):
    site(origin, etag=None, headers=[("cache-control", "no-store")])
    proxy = start(outrider, origin)
    cookie = returning(proxy)
    assert come(proxy, cookie).promised == ["/a.css"]


def spoil(cookie):
    value = cookie.partition("=")[2]
    return {
        "another end": value[:-1] + ("A" if value[-1] != "A" else "Q"),
        "another start": ("B" if value[0] != "B" else "C") + value[1:],
        "cut": value[: len(value) // 2],
        "longer": value + "AAAA",
        "oversized": value * 300,
        "no base64": "!?*" * 20,
        "nothing": "",
        "quoted": f'"{value}"',
        "of the highest version": "_" * 60,
    }


def test_forged_cookies_are_no_cookies(outrider, origin):
    site(origin)
    proxy = start(outrider, origin)
    cookie = returning(proxy)
    for name, value in spoil(cookie).items():
        answer = come(proxy, f"{NAME}={value}")
        assert (answer.status, answer.body) == (200, b"<html>"), name
        assert answer.promised == ["/a.css"], name
        good = new_cookie(answer)
        assert good and come(proxy, good).promised == [], name
    assert come(proxy, f"{NAME}=planted; {NAME}=; {cookie}").promised == []  # the good one counts
    assert all(request.header("cookie") is None for request in origin.seen())


@pytest.mark.parametrize("has_key", [True, False])
def test_cookies_over_a_restart(outrider, origin, tmp_path, has_key):
    """With a key they stay good. What they name is then not known yet: it is hinted."""
    key = tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef\n")
    digest = {"key_file": str(key)} if has_key else {}
    site(origin)
    cookie = returning(start(outrider, origin, digest=digest))
    proxy = start(outrider, origin, digest=digest)
    answer = come(proxy, cookie)
    assert answer.promised == ([] if has_key else ["/a.css"])
    assert skipped(proxy) == [{"returning": 1} if has_key else {}]


def test_cookie_by_another_name(outrider, origin):
    site(origin)
    proxy = start(outrider, origin, digest={"cookie": "__Host-seen"})
    cookie = come(proxy).header("set-cookie").split(";")[0]
    assert cookie.startswith("__Host-seen=")
    come(proxy, f"{NAME}=mine; {cookie}")
    assert origin.seen("/")[-1].header("cookie") == f"{NAME}=mine"


NO_COOKIE = [  # the page's fields, its status, request fields
    ([("content-type", "application/json")], 200, ()),
    ([*HTML, ("cache-control", "public, max-age=60")], 200, ()),
    (HTML, 404, ()),
    (HTML, 200, [("via", "1.1 other")]),
]


def test_which_responses_set_it(outrider, origin):
    site(origin)
    for number, (fields, status, _) in enumerate(NO_COOKIE):
        origin.on(f"/{number}", respond(status, [*fields, *links(STYLE)], b"x"))
    proxy = start(outrider, origin)
    for number, (_, status, asked) in enumerate(NO_COOKIE):
        answer = come(proxy, path=f"/{number}", fields=asked)
        assert (answer.status, answer.header("set-cookie")) == (status, None), NO_COOKIE[number]
    assert visit(proxy, push=False).header("set-cookie") is None  # who takes no pushes
    origin.on("/own", respond(200, [*HTML, ("set-cookie", "id=1"), *links(STYLE)], b"x"))
    answer = come(proxy, path="/own")
    assert [v.split("=")[0] for n, v in answer.headers if n == "set-cookie"] == ["id", NAME]


def test_digest_of_many_stays_small(outrider, origin):
    """640 files pushed to one visitor: the cookie stays below 1 KB, and knows the latest."""
    assets(origin, [("etag", '"v1"'), ("cache-control", "max-age=86400")])
    for number in range(20):
        elements = [f"</{number}/{n}.css>; rel=preload" for n in range(32)]
        origin.on(f"/{number}", respond(200, [*HTML, *links(", ".join(elements))], b"x"))
    proxy = start(outrider, origin)
    cookie = None
    for number in range(20):
        assert len(come(proxy, None, f"/{number}").promised) == 32  # somebody was there before
        answer = come(proxy, cookie, f"/{number}")
        assert len(answer.promised) >= 30  # a stranger is seldom taken for a member
        assert len(answer.header("set-cookie")) <= 1024
        cookie = new_cookie(answer)
    assert come(proxy, cookie, "/19").promised == []
    assert len(come(proxy, cookie, "/0").promised) > 0


# --- first-visit ---------------------------------------------------------------------------


@pytest.mark.parametrize("life,short,is_pushed", [
    ("max-age=86400", "10m", False),
    ("max-age=60", "10m", True),
    ("no-cache", "10m", True),
    ("max-age=60", "30s", False),
    ("public", "10m", False),
])  # fmt: skip
def test_first_visit(outrider, origin, life, short, is_pushed):
    site(origin, headers=[("cache-control", life)])
    proxy = start(outrider, origin, "first-visit", {"short_life": short})
    cookie = new_cookie(come(proxy))
    assert come(proxy, cookie).promised == (["/a.css"] if is_pushed else [])
    site(origin, '"v2"', [("cache-control", life)])
    visit(proxy, "/a.css")
    assert come(proxy, cookie).promised == (["/a.css"] if is_pushed else [])  # versions don't count
    assert come(proxy, "id=1").promised == ["/a.css"]  # a cookie, but no mark
    assert skipped(proxy) == ([{}] * 4 if is_pushed else [{}, {"in_cache": 1}, {"in_cache": 1}, {}])


# --- Cache-Digest --------------------------------------------------------------------------

BASE = "https://localhost"
DIGESTS = [  # the field's elements; what is pushed of a.css and b.js
    ([cache_digest(f"{BASE}/a.css")], ["/b.js"]),
    ([cache_digest(f"{BASE}/a.css", f"{BASE}/b.js", f"{BASE}/c")], []),
    ([cache_digest(f"{BASE}/a.css") + ", " + cache_digest(f"{BASE}/b.js")], []),
    ([cache_digest(f"{BASE}/a.css"), cache_digest(f"{BASE}/b.js")], []),
    ([cache_digest(f"{BASE}/a.css", flags="; stale")], ["/b.js"]),
    ([cache_digest(f'{BASE}/a.css"v1"', flags="; validators")], ["/b.js"]),
    ([cache_digest(f'{BASE}/a.css"v0"', flags="; validators")], ["/a.css", "/b.js"]),
    ([cache_digest(f"{BASE}/a.css", flags="; complete")], ["/b.js"]),
    ([cache_digest(f"{BASE}/a.css"), cache_digest(f"{BASE}/b.js", flags="; reset")], ["/a.css"]),
    ([cache_digest(f"{BASE}/a.css", flags="; unheard")], ["/a.css", "/b.js"]),
    ([cache_digest("https://other.test/a.css")], ["/a.css", "/b.js"]),
    ([cache_digest("http://localhost/a.css")], ["/a.css", "/b.js"]),
    ([cache_digest()], ["/a.css", "/b.js"]),
    (["!!"], ["/a.css", "/b.js"]),
    ([""], ["/a.css", "/b.js"]),
    (["AA"], ["/a.css", "/b.js"]),
    (["_" * 9000], ["/a.css", "/b.js"]),
]


@pytest.mark.parametrize("is_on", [True, False])
def test_cache_digest(outrider, origin, is_on):
    site(origin, elements=[STYLE, SCRIPT])
    proxy = start(outrider, origin, "off", {"cache_digest": is_on})
    come(proxy)
    for values, expected in DIGESTS:
        answer = come(proxy, fields=[("cache-digest", value) for value in values])
        assert answer.status == 200
        assert answer.promised == (expected if is_on else ["/a.css", "/b.js"]), values
    assert skipped(proxy)[1] == ({"in_cache": 1} if is_on else {})
    assert origin.seen("/")[1].header("cache-digest") == DIGESTS[0][0][0]


def test_cache_digest_goes_before_the_cookie(outrider, origin):
    """`complete`: what is not in it is not there, whatever a cookie says."""
    site(origin)
    proxy = start(outrider, origin, push={"cache_digest": True})
    cookie = returning(proxy)
    assert come(proxy, cookie).promised == []
    emptied = [("cache-digest", cache_digest(flags="; complete"))]
    assert come(proxy, cookie, fields=emptied).promised == ["/a.css"]


# --- Accept-Push-Policy --------------------------------------------------------------------

PNG = "</i.png>; rel=preload; as=image"


@pytest.mark.parametrize("policy,pushed,hinted", [
    ("default", ["/a.css", "/i.png"], []),
    ("fast-load", ["/a.css"], [PNG]),
    ("head", [], [f"{STYLE}, {PNG}"]),
    ("none", [], [f"{STYLE}, {PNG}"]),
    ("None; q=1", [], [f"{STYLE}, {PNG}"]),
    ("default, none", [], [f"{STYLE}, {PNG}"]),
    ("whatever", ["/a.css", "/i.png"], []),
])  # fmt: skip
def test_accept_push_policy(outrider, origin, policy, pushed, hinted):
    """Of what is known before; who is a browser is hinted instead."""
    assets(origin)
    proxy = outrider(origin, routes=[{"origin": "app", "push": ["/a.css", "/i.png"]}])
    field = [("accept-push-policy", policy)]
    answer = come(proxy, fields=[*NAVIGATION, *field])
    assert (answer.promised, hints(answer)) == (pushed, hinted)
    other = come(proxy, fields=field)
    assert (other.promised, hints(other)) == (pushed, [])
    assert skipped(proxy)[1] == ({"policy": 2 - len(pushed)} if len(pushed) < 2 else {})


# --- revalidation --------------------------------------------------------------------------


def conditional(validator):
    """An asset that knows 304."""

    def step(conn, request):
        name = "etag" if validator.startswith('"') else "last-modified"
        asked = request.header("if-none-match" if name == "etag" else "if-modified-since")
        fields = [(name, validator), ("cache-control", "max-age=0")]
        respond(304 if asked == validator else 200, fields, b"asset")(conn, request)

    return step


@pytest.mark.parametrize("validator,field", [
    ('"v1"', "if-none-match"),
    ("Sat, 01 Jan 2022 00:00:00 GMT", "if-modified-since"),
])  # fmt: skip
def test_stale_copies_are_promised_with_a_condition(outrider, origin, validator, field):
    site(origin)
    origin.on("/a.css", conditional(validator))
    proxy = start(outrider, origin, "off", {"revalidate": True})
    with proxy.h2() as client:
        for number, (status, asked) in enumerate([(200, None), (304, validator), (304, validator)]):
            client.get("/")
            push = client.wait_pushes()[number]
            assert (push.path, push.status, push.is_complete) == ("/a.css", status, True)
            assert dict(push.promise).get(field) == asked
            assert origin.seen("/a.css")[number].header(field) == asked
        # Another version by now, as somebody else's request shows: promised in full.
        newer = '"v2"' if validator == '"v1"' else "Sun, 02 Jan 2022 00:00:00 GMT"
        origin.on("/a.css", conditional(newer))
        visit(proxy, "/a.css")
        client.get("/")
        push = client.wait_pushes()[3]
        assert (push.status, dict(push.promise).get(field)) == (200, None)
        client.get("/")
        assert client.wait_pushes()[4].status == 304


def test_copy_that_the_client_asked_for_is_revalidated_too(outrider, origin):
    site(origin)
    origin.on("/a.css", conditional('"v1"'))
    proxy = start(outrider, origin, "off", {"revalidate": True})
    with proxy.h2() as client:
        assert client.get("/a.css").status == 200
        client.get("/")
        (push,) = client.wait_pushes()
        assert (push.status, dict(push.promise)["if-none-match"]) == (304, '"v1"')


@pytest.mark.parametrize("option,headers", [
    (False, [("etag", '"v1"'), ("cache-control", "max-age=0")]),
    (True, [("etag", '"v1"'), ("cache-control", "max-age=600")]),
    (True, [("etag", '"v1"')]),
    (True, [("cache-control", "max-age=0")]),
    (True, [("etag", '"v1"'), ("cache-control", "no-store")]),
])  # fmt: skip
def test_what_is_not_revalidated(outrider, origin, option, headers):
    """Off, still fresh, of unknown life, without a validator, not kept: it is there already."""
    site(origin, None, headers)
    proxy = start(outrider, origin, "off", {"revalidate": option})
    with proxy.h2() as client:
        for _ in range(3):
            client.get("/")
            client.wait_pushes()
        assert promised(client) == ["/a.css"]
    assert skipped(proxy) == [{}, {"already": 1}, {"already": 1}]
