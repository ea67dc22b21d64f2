# SPDX-License-Identifier: Apache-2.0
"""outrider explain: one page asked for offline, each candidate with its moment and its reason."""

import collections
import fcntl
import re
import signal
import struct
import termios
import time

import pytest
import yaml

from origin import close, closed_port, head, notify, respond, response, send, sleep, wait
from pushing import NAVIGATION, STYLE, links, log_lines, page, visit

SITE = "https://example.org"
SCRIPT = "</b.js>; rel=preload; as=script"
EARLY = head(103, links(STYLE))


@pytest.fixture
def explain(command, tmp_path):
    """explain(origin, "/", client=..., **sections of the file): the finished command."""

    def run(origin, path="/", client=None, **sections):
        config = {
            "listeners": [{"address": "http://127.0.0.1:0"}],
            "origins": {"app": {"url": getattr(origin, "url", origin)}},
            "routes": [{"origin": "app"}],
            **sections,
        }
        file = tmp_path / "explain.yaml"
        file.write_text(yaml.safe_dump(config))
        url = path if "://" in path else SITE + path
        words = [] if client is None else ["--client", str(client)]
        return command("explain", "-c", file, url, *words)

    return run


def moments(result):
    """{"at request": [(reason, target, source)], ...}; also ("103 sent", text) rows."""
    found, rows = {}, None
    for line in result.text.splitlines():
        if line.startswith("at "):
            rows = found.setdefault(re.sub(r" \(.*", "", line), [])
        elif not line.startswith(" "):
            rows = None
        elif rows is not None and " sent: " in line:
            rows.append(tuple(line.strip().split(": ", 1)))
        elif rows is not None and line != "  no candidates":
            rows.append(tuple(re.split(r" {2,}", line.strip())[:3]))
    return found


def said(result, name):
    """The rest of the line that begins with this word."""
    return re.search(rf"(?m)^{name} +(.*)$", result.text).group(1)


# ---- what is decided -----------------------------------------------------------------------------


def route(**options):
    return {"routes": [{"origin": "app", **options}]}


HEAD = "at head"
REQUEST = "at request"
# (Link values of the page, sections of the file, client, rows of the moments)
PAGES = [
    ([STYLE], {}, "push", {HEAD: [("promised", "/a.css", "link")]}),
    ([STYLE], {}, "browser", {HEAD: [("client", "/a.css", "link")]}),
    ([f"{STYLE}; nopush"], {}, "push", {HEAD: [("nopush", "/a.css", "link")]}),
    ([STYLE, STYLE], {}, "push", {
        HEAD: [("promised", "/a.css", "link"), ("repeated", "/a.css", "link")]}),
    (["</>; rel=preload"], {}, "push", {HEAD: [("self", "/", "link")]}),
    (["</a b>; rel=preload"], {}, "push", {HEAD: [("bad_url", "/a b", "link")]}),
    (["</ö>; rel=preload"], {}, "push", {HEAD: [("bad_url", "/\\xf6", "link")]}),
    (["<https://cdn.example>; rel=preconnect"], {}, "push", {
        HEAD: [("hint_only", "https://cdn.example/", "link")]}),
    (["<//cdn.example/x.js>; rel=preload"], {}, "push", {
        HEAD: [("other_site", "https://cdn.example/x.js", "link")]}),
    ([STYLE], route(push=False), "push", {HEAD: [("off", "/a.css", "link")]}),
    ([STYLE], {"routes": [{"origin": "app", "host": "example.org"}],
               "push": {"authorities": ["cdn.example"]}}, "push", {
        HEAD: [("promised", "/a.css", "link")]}),
    (["<//cdn.example/x.js>; rel=preload"],
     {"routes": [{"origin": "app", "host": "example.org"}],
      "push": {"authorities": ["cdn.example"]}}, "push", {
        HEAD: [("unfit", "https://cdn.example/x.js", "link")]}),
    ([], route(push=["/a.css"]), "push", {REQUEST: [("promised", "/a.css", "push")]}),
    ([STYLE], route(push=["/a.css"]), "browser", {
        REQUEST: [("hinted", "/a.css", "push"), ("103 sent", f"link: {STYLE}")],
        HEAD: [("repeated", "/a.css", "link")]}),
    ([], route(hint=["/a.css"]), "push", {REQUEST: [("hint_only", "/a.css", "hint")]}),
    ([STYLE, SCRIPT], {"push": {"max_per_page": 1}}, "push", {
        HEAD: [("promised", "/a.css", "link"), ("too_many", "/b.js", "link")]}),
    # what was promised at an earlier moment counts
    ([SCRIPT], {**route(push=["/a.css"]), "push": {"max_per_page": 1}}, "push", {
        REQUEST: [("promised", "/a.css", "push")], HEAD: [("too_many", "/b.js", "link")]}),
    ([SCRIPT], {**route(push=["/a.css"]), "push": {"max_open": 1}}, "push", {
        REQUEST: [("promised", "/a.css", "push")], HEAD: [("too_many", "/b.js", "link")]}),
]  # fmt: skip


@pytest.mark.parametrize("values, sections, client, rows", PAGES)
def test_candidates_and_their_reasons(explain, origin, values, sections, client, rows):
    values = [value.encode("latin-1") for value in values]
    page(origin, "/", *values)
    result = explain(origin, client=client, **sections)
    assert result.code == 0 and not result.errors, result
    found = moments(result)
    assert "at head (status 200 after " in result.text
    assert found == {REQUEST: [], HEAD: [], **rows}, result
    assert [request.path for request in origin.seen()] == ["/"]  # and nothing else was asked for


def test_each_row_has_its_sentence(explain, origin):
    page(origin, "/", STYLE, f"{SCRIPT}; nopush", STYLE)
    rows = [line for line in explain(origin).text.splitlines() if line.startswith("  ")]
    sentences = [re.split(r" {2,}", row.strip())[3] for row in rows if "  link  " in row]
    assert sentences == [
        "this client takes no push; it reads the link itself now",
        "the link says nopush",
        "a second time in this request",
    ]


@pytest.mark.parametrize("push", [True, False])
def test_the_access_log_says_the_same(explain, outrider, origin, push):
    """Same names, same numbers, for the same page and client."""
    values = [STYLE, f"{SCRIPT}; nopush", STYLE, "</>; rel=preload", "<//x.example/>; rel=preload"]
    page(origin, "/", *values)
    sections = {"routes": [{"origin": "app", "push": ["/c.css", "/d.css"]}],
                "push": {"max_per_page": 2}}  # fmt: skip
    proxy = outrider(origin, **sections)
    visit(proxy, push=push, headers=[] if push else NAVIGATION)
    line = log_lines(proxy, "/")[0]
    logged = collections.Counter(line["skipped"])
    logged.update(promised=line["promised"], hinted=line["hinted"])
    result = explain(origin, client="push" if push else "browser", **sections)
    rows = [row[0] for rows in moments(result).values() for row in rows if row[0] != "103 sent"]
    assert collections.Counter(rows) == +logged, (result, line)


def test_nothing_named_says_what_would_help(explain, origin):
    page(origin, "/")
    result = explain(origin)
    assert result.code == 0 and moments(result) == {REQUEST: [], HEAD: []}
    for word in ("nothing was named", "rel=preload", "`push:`", "`hint:`"):
        assert word in result.text, word


@pytest.mark.parametrize("status, reason", [(404, "status"), (301, "status"), (204, "promised")])
def test_other_statuses_are_explained_too(explain, origin, status, reason):
    page(origin, "/", STYLE, status=status)
    result = explain(origin, client="push")
    assert result.code == 0 and f"at head (status {status} after" in result.text
    assert moments(result)[HEAD] == [(reason, "/a.css", "link")]


# ---- interim responses and time ------------------------------------------------------------------


def until_read():
    """Waits until all that was sent has been read, as only a unix socket tells."""

    def step(conn, request):
        while struct.unpack("i", fcntl.ioctl(conn.sock, termios.TIOCOUTQ, bytes(4)))[0] > 0:
            time.sleep(0.01)

    return step


def test_103_of_the_origin(explain, unix_origin):
    origin = unix_origin
    origin.on("/", send(EARLY), until_read(), sleep(0.25), respond(200, links(STYLE)))
    browser, push = explain(origin), explain(origin, client="push")
    sent = ("103 sent", f"link: {STYLE}")
    repeated = {HEAD: [("repeated", "/a.css", "link")]}
    moment = "at the origin's 1xx"
    assert moments(browser) == {REQUEST: [], moment: [("hinted", "/a.css", "103"), sent], **repeated}
    assert moments(push) == {REQUEST: [], moment: [("promised", "/a.css", "103"), sent], **repeated}
    assert int(re.search(r"status 200 after (\d+) ms", push.text).group(1)) >= 200


def test_103_that_comes_with_the_head_is_too_late(explain, origin):
    origin.on("/", send(EARLY + response(200, [], b"x")))
    result = explain(origin)
    assert moments(result)["at the origin's 1xx"] == [("too_late", "/a.css", "103")], result
    assert "sent" not in result.text


def test_only_what_a_103_may_carry_is_sent(explain, unix_origin):
    fields = [("link", STYLE), ("x-secret", "1"), ("referrer-policy", "origin")]
    unix_origin.on("/", send(head(103, fields)), until_read(), sleep(0.1), respond(200))
    result = explain(unix_origin)
    assert "x-secret" not in result.text
    assert "  103 sent: link" in result.text and "            referrer-policy: origin" in result.text


def test_body_is_not_waited_for(explain, origin):
    """The explanation is there before the origin has sent the content, whose rest it never reads."""
    origin.on("/", send(head(200, [*links(STYLE), ("content-length", "10")])), wait("never"), close())
    result = explain(origin, client="push")
    origin.event("never").set()
    assert result.code == 0 and moments(result)[HEAD] == [("promised", "/a.css", "link")]


# ---- clients -------------------------------------------------------------------------------------

CLIENTS = [
    ("browser", "one", "no"),
    (None, "one", "no"),
    ("push", "the origin's", "yes"),
    ("", "the origin's", "yes"),
    ("Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\r\n", "one", "no"),
    ("sec-fetch-mode: no-cors\nsec-fetch-dest: image", "no", "no"),
    ("Sec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\nRange: bytes=0-1", "one of the origin's", "no"),
    ("User-Agent: mine\n", "the origin's", "yes"),
]


@pytest.mark.parametrize("client, hints, push", CLIENTS)
def test_clients(explain, origin, tmp_path, client, hints, push):
    page(origin, "/", STYLE)
    if client not in ("browser", "push", None):
        file = tmp_path / "fields"
        file.write_bytes(client.encode())
        client = file
    result = explain(origin, client=client)
    assert said(result, "client") == f"takes 103 Early Hints: {hints}; takes push: {push}"
    assert said(result, "request") == f"{SITE}/  as {client or 'browser'}"


def test_the_origin_sees_the_client(explain, origin, tmp_path):
    page(origin, "/")
    file = tmp_path / "fields"
    file.write_text("User-Agent: mine/1\nCookie: a=1\nX-Some: thing\n")
    explain(origin, "http://EXAMPLE.org:80/./x/../?q=1#part", client=file)
    request = origin.last()
    assert request.target == "/?q=1" and request.header("host") == "example.org"
    assert request.header("user-agent") == "mine/1" and request.header("cookie") == "a=1"
    assert request.header("x-some") == "thing" and request.header("x-forwarded-proto") == "http"
    explain(origin)
    request = origin.last()
    assert "Chrome/" in request.header("user-agent")
    assert request.header("sec-fetch-mode") == "navigate"
    assert request.header("x-forwarded-proto") == "https"


@pytest.mark.parametrize(
    "fields, rows",
    [
        ("Authorization: Basic x", [("credentials", "/a.css", "link")]),
        ("Accept-Push-Policy: none", [("policy", "/a.css", "link")]),
        ("X-Forwarded-For: 192.0.2.1", [("behind_proxy", "/a.css", "link")]),
    ],
)
def test_fields_of_a_file_decide(explain, origin, tmp_path, fields, rows):
    page(origin, "/", STYLE)
    file = tmp_path / "fields"
    file.write_text(fields + "\n")
    assert moments(explain(origin, client=file))[HEAD] == rows


def test_a_proxy_in_front_is_one_of_the_trusted(explain, origin, tmp_path):
    page(origin, "/", STYLE)
    file = tmp_path / "fields"
    file.write_text("Via: 1.1 cdn\n")
    result = explain(origin, client=file, trusted=["10.0.0.0/8"])
    assert moments(result)[HEAD] == [("promised", "/a.css", "link")]
    assert "comes by another proxy, taken for one of `trusted`" in result.text


# ---- what was learned ----------------------------------------------------------------------------


def test_state_file(explain, outrider, origin, tmp_path):
    """What a running instance saved is known, and the file stays as it is."""
    page(origin, "/", STYLE)
    state = tmp_path / "learned"
    learned = {"learned": {"file": str(state)}}
    result = explain(origin, **learned)
    assert said(result, "known") == f"nothing learned yet (there is no {state} yet)"
    assert said(result, "learning").startswith("first: ") and not state.exists()
    proxy = outrider(origin, workers=1, **learned)
    for _ in range(2):
        visit(proxy)
    proxy.stop(signal.SIGTERM)
    before = state.read_bytes()
    assert b"page" in before
    site = origin.last("/").header("host")  # as the clients named it
    for values, learning in [([STYLE], "agreed"), ([SCRIPT], "disagreed"), ([], "no_links")]:
        page(origin, "/", *values)
        result = explain(origin, f"https://{site}/", **learned)
        known = said(result, "known")
        pattern = rf"learned: confirmed, 2 sightings, \d+ s old, \d+ min left \(from {state}\)"
        assert re.fullmatch(pattern, known), result
        assert moments(result)[REQUEST] == [
            ("hinted", "/a.css", "learned"),
            ("103 sent", f"link: {STYLE}"),
        ]
        assert said(result, "learning").startswith(f"{learning}: ")
        assert ("would be forgotten" in result.text) == (learning != "agreed")
    assert state.read_bytes() == before and not list(tmp_path.glob("learned.*"))


def test_damaged_state_file_is_said_and_left(explain, origin, tmp_path):
    page(origin, "/", STYLE)
    state = tmp_path / "learned"
    state.write_text("nonsense\n")
    result = explain(origin, learned={"file": str(state)})
    assert result.code == 0 and f"{state} is damaged: line 1: " in said(result, "known")
    assert state.read_text() == "nonsense\n" and not list(tmp_path.glob("learned.*"))


@pytest.mark.parametrize(
    "headers, sections, name",
    [
        ([], {}, "first"),
        ([("cache-control", "no-store")], {}, "no_store"),
        ([("cache-control", "private")], {}, "private"),
        ([("set-cookie", "a=1")], {}, "set_cookie"),
        ([("set-cookie", "a=1")], {"learn": {"private": True}}, "first"),
        ([("vary", "*")], {}, "vary"),
        ([("cache-control", "max-age=0")], {}, "stale"),
    ],
)
def test_what_is_learned_from_the_response(explain, origin, headers, sections, name):
    page(origin, "/", STYLE, headers=headers)
    assert said(explain(origin, **sections), "learning").startswith(f"{name}: ")


def test_learning_that_is_off(explain, origin):
    page(origin, "/", STYLE)
    result = explain(origin, **route(learn=False))
    assert said(result, "known") == "nothing: `learn: off` on this route"
    assert "learning" not in result.text


# ---- what goes wrong -----------------------------------------------------------------------------


def test_origin_that_is_down(explain):
    """What would have been hinted meanwhile is told all the same."""
    result = explain(f"http://127.0.0.1:{closed_port()}", **route(push=["/a.css"]))
    assert result.code == 1
    assert ("hinted", "/a.css", "push") in moments(result)[REQUEST] and HEAD not in moments(result)
    assert said(result, "failed") == "the origin refused the connection"
    assert result.errors == "outrider: origin app: the origin refused the connection\n"


@pytest.mark.parametrize(
    "steps, timeouts, text",
    [
        ([wait("never"), close()], {"origin_first_byte": "300ms"}, "the origin was silent too long"),
        ([close()], {}, "the origin closed the connection before it answered"),
        ([send(b"HTTP/1.1 2x0 OK\r\n\r\n"), close()], {}, "the origin's response is malformed"),
        ([send(EARLY), close()], {}, None),
    ],
)
def test_origin_that_fails(explain, origin, steps, timeouts, text):
    origin.on("/", *steps)
    result = explain(origin, timeouts=timeouts)
    origin.event("never").set()
    assert result.code == 1, result
    assert text is None or text in result.errors
    assert said(result, "failed") in result.errors and HEAD not in moments(result)
    assert "nothing was named" not in result.text


def test_slow_origin(explain, origin):
    origin.on("/", notify("asked"), sleep(0.5), respond(200, links(STYLE)))
    result = explain(origin, client="push", **route(push=["/c.css"]))
    assert moments(result) == {
        REQUEST: [("promised", "/c.css", "push")],
        HEAD: [("promised", "/a.css", "link")],
    }
    assert int(re.search(r"status 200 after (\d+) ms", result.text).group(1)) >= 400


def test_no_route(explain, origin):
    result = explain(origin, routes=[{"origin": "app", "host": "other.example"}])
    assert result.code == 1 and not result.text and not origin.seen()
    assert result.errors == f"outrider: no route serves this address: {SITE}/\n"


def test_the_route_is_named(explain, make_origin):
    unix = make_origin(unix=True)
    page(unix, "/app/x", STYLE)
    routes = [{"origin": "app"}, {"origin": "app", "host": "*.example.org", "path": "/app"}]
    result = explain(unix, "https://www.example.org/app/x", routes=routes)
    assert result.code == 0
    assert said(result, "route") == f"host=*.example.org path=/app -> origin app {unix.url}"


def test_flags_instead_of_a_file(command, origin):
    page(origin, "/", STYLE)
    result = command("explain", "--client", "push", f"{SITE}/", "--origin", origin.url)
    assert result.code == 0 and moments(result)[HEAD] == [("promised", "/a.css", "link")]


def test_bad_configuration(command, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("listeners: []\nnonsense: 1\n")
    result = command("explain", "-c", file, f"{SITE}/")
    assert result.code == 1 and not result.text and f"{file}:2:" in result.errors


@pytest.mark.parametrize(
    "words",
    [
        ["explain"],
        ["explain", "--origin", "http://127.0.0.1:1"],
        ["explain", f"{SITE}/"],
        ["explain", "--origin", "http://127.0.0.1:1", f"{SITE}/", "extra"],
        ["explain", "--origin", "http://127.0.0.1:1", f"{SITE}/", "--client"],
        ["explain", "--origin", "http://127.0.0.1:1", f"{SITE}/", "--client", "firefox"],
        ["explain", "--origin", "http://127.0.0.1:1", f"{SITE}/", "--client", "/"],
        ["explain", "--origin", "http://127.0.0.1:1", "/"],
        ["explain", "--origin", "http://127.0.0.1:1", "example.org"],
        ["explain", "--origin", "http://127.0.0.1:1", "//example.org/"],
        ["explain", "--origin", "http://127.0.0.1:1", "ftp://example.org/"],
        ["explain", "--origin", "http://127.0.0.1:1", "https://"],
        ["explain", "--origin", "http://127.0.0.1:1", "https://me@example.org/"],
        ["explain", "--origin", "http://127.0.0.1:1", "https://example.org/a b"],
        ["check", "--origin", "http://127.0.0.1:1", "--client", "push"],
        ["--origin", "http://127.0.0.1:1", "--client", "push"],
        ["check", "--origin", "http://127.0.0.1:1", f"{SITE}/"],
    ],
    ids=" ".join,
)
def test_usage_errors(command, words):
    result = command(*words)
    assert result.code == 2 and not result.text and "outrider --help" in result.errors, result


@pytest.mark.parametrize(
    "text, line, wrong",
    [
        ("GET / HTTP/2\n", 1, "expected 'Name: value'"),
        ("A: 1\n\n:authority: x\n", 3, "expected 'Name: value'"),
        ("A: 1\nB : 1\n", 2, "expected 'Name: value'"),
        ("A: 1\r\nB: \x01\r\n", 2, "control byte"),
        ("A: 1\nHost: example.org\n", 2, "leave this field out"),
        ("content-Length: 1", 1, "leave this field out"),
    ],
)
def test_bad_lines_of_a_file(explain, origin, tmp_path, text, line, wrong):
    file = tmp_path / "fields"
    file.write_bytes(text.encode())
    result = explain(origin, client=file)
    assert result.code == 2 and not result.text and not origin.seen()
    assert re.match(rf"{file}:{line}: .*{wrong}", result.errors), result


def test_a_file_without_end_is_refused(explain, origin):
    result = explain(origin, client="/dev/zero")
    assert result.code == 2 and "unknown client '/dev/zero'" in result.errors


def test_help_names_explain(command):
    text = command("--help").text
    assert "outrider explain" in text and "--client" in text
