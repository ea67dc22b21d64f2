# SPDX-License-Identifier: Apache-2.0
"""Which Link elements become promises, through the whole proxy: one page per case, each on a
connection of its own. The numbers of the cases are those of the design's tables."""

from origin import respond
from pushing import assets, links, outcome, promised

PAGE = "/dir/page"
URL, URL2, URL3 = "/dir/url", "/dir/url2", "/dir/url3"

# number, Link fields, promised
PARSER = [
    ("U01", ["<url>"], []),
    ("U02", ["<url>; rel=preload"], [URL]),
    ("U03a", ["<url>; rel=preload; as=file"], [URL]),
    ("U03b", ["<url>; as=file; rel=preload"], [URL]),
    ("U04", ['<url>; rel=preload; title="foo,bar"'], [URL]),
    ("U05", ['<url>; title="foo,bar"; rel=preload'], [URL]),
    ("U06", ['<url>; title="foo,bar", <url2>; rel=preload'], [URL2]),
    ("U07", ["<url>; rel=preload, <url2>"], [URL]),
    ("U08", ["<url>; rel=preload, <url2>; rel=preload"], [URL, URL2]),
    ("U09", ["<url>, <url2>;rel=preload"], [URL2]),
    ("U10", ["<url>;rel=preload;"], [URL]),
    ("U11", ["<url>;rel=preload;, <url>"], [URL]),
    ("U12", ["<url>;rel=preload,"], [URL]),
    ("U13", ["<url>,,,<url2>;rel=preload"], [URL2]),
    ("U14", ["url>;rel=preload"], []),
    ("U15", ["<url;rel=preload"], []),
    ("U16", ["<url>;rel=preload; as="], [URL]),
    ("U17", ["<url>;as=;rel=preload"], [URL]),
    ("U18", ["<url>;as=, <url>;rel=preload"], [URL]),
    ("U19", ["<url>; =file; rel=preload"], []),
    ("U20", ["<url>;as=file;rel=preload,<url2>;rel=preload"], [URL, URL2]),
    ("U21", ["<url>; as; rel=preload"], [URL]),
    ("U22", ["<url>; foo*=bar; rel=preload"], [URL]),
    ("U23a", ["<url>; *=bar; rel=preload"], []),
    ("U23b", ["<url>; foo*bar=buzz; rel=preload"], []),
    ("U23c", ["<url>; foo*; rel=preload"], []),
    ("U24", ["<url> rel=preload"], []),
    ("U25", ["  <url>; rel=preload"], [URL]),
    ("U26", ["<url>; rel=preloadx"], []),
    ("U27", ['<url>; rel="preload"'], [URL]),
    ("U28a", ['<url>; rel="preload foo"'], [URL]),
    ("U28b", ['<url>; rel="foo preload"'], [URL]),
    ("U28c", ['<url>; rel="foo preload bar"'], [URL]),
    ("U28d", ['<url>; rel="foo   preload   bar"'], [URL]),
    ("U29a", ['<url>; rel="foo"'], []),
    ("U29b", ['<url>; rel="foo bar"'], []),
    ("U30", ['<url>; rel="preload", <url2>'], [URL]),
    ("U31", ['<url>, <url2>; rel="preload"'], [URL2]),
    ("U32", ['<url>; rel="preload"; as="font"'], [URL]),
    ("U33", ['<url>; rel="preload".'], []),
    ("U34", ['<url>; rel="preload";'], [URL]),
    ("U35", ['<url>; rel="preload",'], [URL]),
    ("U36a", ['<url>; rel=" preload"'], [URL]),
    ("U36b", ['<url>; rel="preload "'], [URL]),
    ("U37", ['<url>; rel=preload; title="foo\\"baz\\"bar"'], [URL]),
    ("U38", ['<url>; rel=preload; anchor=""'], [URL]),
    ("U39a", ['<url>; rel=preload; anchor="#foo"'], []),
    ("U39b", ["<url>; rel=preload; anchor=f"], []),
    ("U40", ['<url>; rel=preload; anchor="#foo", <url2>; rel=preload'], [URL2]),
    ("U41a", ['<url>; rel=preload; loadpolicy="next"'], []),
    ("U41b", ['<url>; rel=preload; loadpolicy=""'], [URL]),
    (
        "U42",
        [
            '<url>; rel=preload; ANCHOR="#foo", <url2>; REL=PRELOAD,'
            ' <url3>; REL="foo PRELOAD bar"'
        ],
        [URL2, URL3],
    ),
    ("U43a", ["<url>; rel=preload; as=style; nopush"], []),
    ("U43b", ["<url>; rel=preload; nopush; as=style"], []),
    ("U43c", ["<url>; nopush; rel=preload"], []),
    ("U44", ["<url>; rel=preload; nopushyes"], [URL]),
    ("U45", ["<url>; rel=preload; rel=preload"], [URL]),
    # beyond the table
    ("first rel wins", ["<url>; rel=next; rel=preload"], []),
    ("nopush with a value", ["<url>; rel=preload; nopush=1"], []),
    ("NOPUSH", ["<url>; rel=preload; NoPush"], []),
    ("modulepreload", ["<url>; rel=modulepreload"], [URL]),
    ("preconnect", ["<https://cdn.test>; rel=preconnect, <url>; rel=preconnect"], []),
    ("prefetch", ["<url>; rel=prefetch", "<url2>; rel=dns-prefetch"], []),
    ("several fields", ["<url>; rel=preload", "<url2>", "<url3>; rel=preload"], [URL, URL3]),
    ("comma in <>", ["<url,2>; rel=preload"], ["/dir/url,2"]),
    ("semicolon in <>", ["<url;2>; rel=preload"], ["/dir/url;2"]),
    ("comma in a bad one", ['<url>; ="a,b", <url2>; rel=preload'], [URL2]),
    ("open quote", ['<url>; rel=preload; title="abc, <url2>; rel=preload'], []),
    ("field after an open quote", ['<url>; title="abc', "<url2>; rel=preload"], [URL2]),
    ("same twice", ["<url>; rel=preload", "<./url#x>; rel=preload"], [URL]),
    ("blanks", ["<url> ;\t rel = preload ; as = style"], [URL]),
    ("variants", ['<url>; rel=preload; as=image; imagesrcset="a 1x, b 2x"'], []),
    ("media", ['<url>; rel=preload; media="(max-width: 9em)"', "<url2>; rel=preload"], [URL2]),
    ("anchor is the page", ['<url>; rel=preload; anchor="/dir/page"'], [URL]),
    ("anchor is another", ['<url>; rel=preload; anchor="/dir/"'], []),
    ("crossorigin", ["<url>; rel=preload; as=font; crossorigin"], [URL]),
    ("reversed", [">url<; rel=preload"], []),
    ("garbage", ["foo", "<", ">", "<>", ",", ";", "<>; rel=preload", "<url2>;rel=preload"], [URL2]),
    ("R31", ["</r>; as=style", "</r>", "</r>; rel=next", "malformed", "<malformed", "</r> ; "], []),
]  # fmt: skip

RFC3986 = "/b/c/d;p?q"

# number, page, target, promised (None: none)
RESOLVER = [
    ("R01", "/basepath/", "http://basehost/otherpath", "/otherpath"),
    ("R02", "/basepath/", "/otherpath", "/otherpath"),
    ("R03", "/basepath/", "otherpath", "/basepath/otherpath"),
    ("R04", "/basepath/", "../otherpath", "/otherpath"),
    ("R05", "/basepath/", "http:otherpath", "/basepath/otherpath"),
    ("R07", "/basepath/", "http://basehost:81/otherpath", None),
    ("R08", "/basepath/", "https://basehost/otherpath", None),
    ("R09", "/basepath/", "https:otherpath", None),
    ("R23", "/b/", "https://example.org/foo", None),
    ("R24", "/b/", "/foo/bar?q=a", "/foo/bar?q=a"),
    ("R25", "/b/", "foo/../bar?q=a", "/b/bar?q=a"),
    ("R26", "/b/", "", None),
    ("R27", "/b/", "?q=a", "/b/?q=a"),
    ("R29a", "/b/", "a.css?x#frag", "/b/a.css?x"),
    ("R29b", "/b/", "/a.css#frag", "/a.css"),
    ("R30", "/b/", "//cdn.example/x.js", None),
    ("R28 g", RFC3986, "g", "/b/c/g"),
    ("R28 ./g", RFC3986, "./g", "/b/c/g"),
    ("R28 g/", RFC3986, "g/", "/b/c/g/"),
    ("R28 /g", RFC3986, "/g", "/g"),
    ("R28 ?y", RFC3986, "?y", "/b/c/d;p?y"),
    ("R28 g?y", RFC3986, "g?y", "/b/c/g?y"),
    ("R28 ;x", RFC3986, ";x", "/b/c/;x"),
    ("R28 g;x", RFC3986, "g;x", "/b/c/g;x"),
    ("R28 .", RFC3986, ".", "/b/c/"),
    ("R28 ./", RFC3986, "./", "/b/c/"),
    ("R28 ..", RFC3986, "..", "/b/"),
    ("R28 ../", RFC3986, "../", "/b/"),
    ("R28 ../g", RFC3986, "../g", "/b/g"),
    ("R28 ../..", RFC3986, "../..", "/"),
    ("R28 ../../g", RFC3986, "../../g", "/g"),
    ("R28 ../../../g", RFC3986, "../../../g", "/g"),
    ("R28 /./g", RFC3986, "/./g", "/g"),
    ("R28 /../g", RFC3986, "/../g", "/g"),
    ("R28 g.", RFC3986, "g.", "/b/c/g."),
    ("R28 .g", RFC3986, ".g", "/b/c/.g"),
    ("R28 g..", RFC3986, "g..", "/b/c/g.."),
    ("R28 ..g", RFC3986, "..g", "/b/c/..g"),
    ("R28 ./../g", RFC3986, "./../g", "/b/g"),
    ("R28 ./g/.", RFC3986, "./g/.", "/b/c/g/"),
    ("R28 g/./h", RFC3986, "g/./h", "/b/c/g/h"),
    ("R28 g/../h", RFC3986, "g/../h", "/b/c/h"),
    ("R28 g;x=1/./y", RFC3986, "g;x=1/./y", "/b/c/g;x=1/y"),
    ("R28 g;x=1/../y", RFC3986, "g;x=1/../y", "/b/c/y"),
    # beyond the table
    ("same host in capitals", "/b/", "HTTP://BaseHost/x", "/x"),
    ("default port", "/b/", "http://basehost:80/x", "/x"),
    ("empty path", "/b/", "http://basehost", "/"),
    ("empty path, query", "/b/", "http://basehost?a", "/?a"),
    ("same host, no scheme", "/b/", "//basehost/x", "/x"),
    ("other host", "/b/", "http://other/x", None),
    ("sub-domain", "/b/", "http://a.basehost/x", None),
    ("host as userinfo", "/b/", "http://basehost@other/x", None),
    ("userinfo", "/b/", "http://me@basehost/x", None),
    ("data", "/b/", "data:text/css,a", None),
    ("javascript", "/b/", "javascript:alert(1)", None),
    ("itself", "/b/x?y", "x?y", None),
    ("itself by fragment", "/b/x?y", "#z", None),
    ("blank", "/b/", "a b", None),
    ("tab", "/b/", "a\tb", None),
    ("backslash", "/b/", "\\\\other\\x", None),
    ("backslash after slash", "/b/", "/\\other/x", None),
    ("two slashes left over", "/b/", "/.//other/x", None),
    ("two slashes inside", "/b/", "/a//b", "/a//b"),
    ("percent", "/b/", "/a%2Fb%20c", "/a%2Fb%20c"),
    ("not ASCII", "/b/", "/\xe4", None),
    ("too long", "/b/", "/" + "x" * 8192, None),
    ("just fits", "/b/", "/" + "x" * 8000, "/" + "x" * 8000),
    ("question marks", "/b/", "?a?b/../c", "/b/?a?b/../c"),
]


def serve_cases(origin, cases):
    """Pages are chosen by a field of the request, which no promise repeats."""

    def answer(conn, request):
        number = request.header("x-case")
        fields = links(*cases[int(number)]) if number else []
        respond(200, fields, b"found")(conn, request)

    origin.on("*", answer)


def try_case(proxy, number, path):
    """The promised paths and the Link fields that came."""
    with proxy.h2(tls=False, authority="basehost") as client:
        response = client.get(path, [("x-case", str(number))])
        assert (response.status, response.body) == (200, b"found")
        client.wait_pushes(2)
        for push in client.pushes:
            assert (push.status, push.body) == (200, b"found"), push
            promise = dict(push.promise)
            assert (promise[":scheme"], promise[":authority"]) == ("http", "basehost")
            assert push.parent_id == response.stream_id
        return promised(client), [value for name, value in response.headers if name == "link"]


def test_parser(outrider, origin):
    serve_cases(origin, [case[1] for case in PARSER])
    proxy = outrider(origin, learn="off", log={"access": "off"})
    wrong = []
    for number, (name, fields, expected) in enumerate(PARSER):
        got, forwarded = try_case(proxy, number, PAGE)
        if got != expected:
            wrong.append((name, fields, got))
        assert forwarded == [field.strip() for field in fields], name
    assert wrong == []


def test_resolver(outrider, origin):
    serve_cases(origin, [[f"<{case[2]}>; rel=preload"] for case in RESOLVER])
    proxy = outrider(origin, learn="off", log={"access": "off"})
    wrong = []
    for number, (name, path, target, expected) in enumerate(RESOLVER):
        got, _ = try_case(proxy, number, path)
        if got != ([expected] if expected else []):
            wrong.append((name, target, got))
    assert wrong == []


PRELOAD = "rel=preload"
ONLY = "rel=preload; x-http2-push-only"

# number, Link fields, promised, Link fields that reach the client
REWRITING = [
    ("R14", [f"</o>; {ONLY}"], ["/o"], []),
    ("R15", [f"</o>; {PRELOAD}; critical"], ["/o"], [f"</o>; {PRELOAD}; critical"]),
    ("R16", [f"</1>; {PRELOAD}, </2>; {PRELOAD}"], ["/1", "/2"], None),
    ("R17", [f"</1>; {PRELOAD}; nopush, </2>; {PRELOAD}"], ["/2"], None),
    ("R18", [f"</1>; {PRELOAD}; nopush, </2>; nopush; {PRELOAD}; </3>; {PRELOAD}"], [], None),
    ("R19", [f"</1>; {PRELOAD}; nopush, </2>; rel=notpreload"], [], None),
    ("R20", [f"</1>; {PRELOAD}, </2>; {PRELOAD}; nopush, </3>; {PRELOAD}"], ["/1", "/3"], None),
    ("R21", ["hogefoo"], [], None),
    (
        "R22",
        [f"</1>; {PRELOAD}, </2>; {PRELOAD}; nopush, </3>; {ONLY}, </4>; {PRELOAD}"],
        ["/1", "/3", "/4"],
        [f"</1>; {PRELOAD}, </2>; {PRELOAD}; nopush, </4>; {PRELOAD}"],
    ),
    ("one of two fields", [f"</1>; {ONLY}", "</2>; rel=next"], ["/1"], ["</2>; rel=next"]),
    ("first", [f"</1>; {ONLY}, </2>; rel=next"], ["/1"], ["</2>; rel=next"]),
    ("last", [f"</2>; rel=next, </1>; {ONLY}"], ["/1"], ["</2>; rel=next"]),
    ("all", [f"</1>; {ONLY},</2>; {ONLY}", f"</3>; {ONLY}"], ["/1", "/2", "/3"], []),
    ("not a preload", ["</1>; rel=next; x-http2-push-only"], [], None),
]


def test_rewriting(outrider, origin):
    serve_cases(origin, [case[1] for case in REWRITING])
    proxy = outrider(origin, learn="off", log={"access": "off"})
    for number, (name, fields, expected, forwarded) in enumerate(REWRITING):
        got = try_case(proxy, number, PAGE)
        assert got == (expected, fields if forwarded is None else forwarded), name


def test_push_only_is_taken_out_for_everybody(outrider, origin):
    """It is an order to the proxy, whether it can be followed or not."""
    origin.on("/", respond(200, links(f"</1>; {ONLY}, </2>; rel=next"), b"page"))
    assets(origin)
    proxy = outrider(origin)
    with proxy.h2(push=False) as client:
        assert client.get("/").header("link") == "</2>; rel=next"
    with proxy.h1() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        _, fields, _ = client.read_response()
        assert dict(fields)["link"] == "</2>; rel=next"


def test_limits_of_a_page_of_links(outrider, origin):
    """256 elements are read; the header itself is forwarded whole."""
    many = ["; ".join((f"</{i}>", "rel=next" if i < 250 else PRELOAD)) for i in range(300)]
    origin.on("/", respond(200, links(", ".join(many)), b"page"))
    assets(origin)
    proxy = outrider(origin)
    with proxy.h2() as client:
        assert client.get("/").header("link") == ", ".join(many)
        assert promised(client) == [f"/{i}" for i in range(250, 256)]


def test_over_tls_the_scheme_is_https(outrider, origin):
    fields = [
        f"<https://localhost/1>; {PRELOAD}, <http://localhost/2>; {PRELOAD}",
        f"<https://localhost:443/3>; {PRELOAD}, <//localhost/4>; {PRELOAD}, <5>; {PRELOAD}",
    ]
    origin.on("/dir/", respond(200, links(*fields), b"page"))
    assets(origin)
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/dir/")
        assert promised(client) == ["/1", "/3", "/4", "/dir/5"]
        assert {dict(push.promise)[":scheme"] for push in client.pushes} == {"https"}
    assert outcome(proxy, "/dir/") == (4, {"other_site": 1})


def test_every_candidate_has_a_reason(outrider, origin):
    fields = [
        f"</1>; {PRELOAD}, </2>; {PRELOAD}; nopush, <http://other/3>; {PRELOAD}, </1>; {PRELOAD}",
        f"<a b>; {PRELOAD}, </page>; {PRELOAD}, <https://cdn.test>; rel=preconnect, </4>; rel=next",
    ]
    origin.on("/page", respond(200, links(*fields), b"page"))
    assets(origin)
    proxy = outrider(origin)
    with proxy.h2() as client:
        client.get("/page")
        client.wait_pushes()
    reasons = ["nopush", "hint_only", "bad_url", "other_site", "self", "repeated"]
    assert outcome(proxy, "/page") == (1, dict.fromkeys(reasons, 1))
