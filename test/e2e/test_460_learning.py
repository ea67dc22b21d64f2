# SPDX-License-Identifier: Apache-2.0
"""What outrider learns: from Link fields, from behaviour, between workers, over a restart."""

import signal
import time

import pytest

from origin import respond
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

SCRIPT = "</b.js>; rel=preload; as=script"
COOKIE = [("cookie", "id=1")]


def routes(**options):
    return [{"origin": "app", **options}]


def teach(proxy, path="/", headers=(), times=2):
    """Each time on a connection of its own, as no browser and without push."""
    for _ in range(times):
        visit(proxy, path, headers)


def eventually(condition, limit=10):
    end = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)
    return value


# --- what teaches ------------------------------------------------------------------------


def test_third_visitor_is_hinted_before_the_origin_answers(outrider, origin):
    page(origin, "/", STYLE, SCRIPT)
    proxy = outrider(origin, workers=1)
    for _ in range(2):
        assert visit(proxy).interim == []
    thinking_page(origin, "/", STYLE, SCRIPT)
    with proxy.h2(push=False) as client:
        answer = ask_early(client, origin, "/")
        assert hints(answer) == [f"{STYLE}, {SCRIPT}"]
        assert answer.header("link") == f"{STYLE}, {SCRIPT}"
    assert [(line["hinted"], line["skipped"]) for line in log_lines(proxy, "/")] == [
        (0, {"client": 2}), (0, {"client": 2}), (2, {"repeated": 2})
    ]  # fmt: skip


def test_third_client_is_promised_before_the_origin_answers(outrider, origin):
    """And a browser that takes pushes is hinted what may not be pushed."""
    elements = [STYLE, f"{SCRIPT}; nopush"]
    page(origin, "/", *elements)
    proxy = outrider(origin, workers=1)
    for _ in range(2):
        assert visit(proxy, headers=(), push=True).promised == ["/a.css"]
    for fields, expected in (((), []), (NAVIGATION, [elements[1]])):
        thinking_page(origin, "/", *elements)
        with proxy.h2() as client:
            answer = ask_early(client, origin, "/", fields)
            client.wait_pushes()
            assert (promised(client), hints(answer)) == (["/a.css"], expected)
    lines = log_lines(proxy, "/")
    assert [(line["promised"], line["hinted"]) for line in lines] == [(1, 0)] * 3 + [(1, 1)]


def test_one_connection_is_no_witness(outrider, origin):
    page(origin, "/", STYLE)
    proxy = outrider(origin, workers=1)
    with proxy.h2(push=False) as client:
        for _ in range(5):
            assert client.get("/", NAVIGATION).interim == []
    assert visit(proxy).interim == []  # this is the second
    assert known(proxy, origin) == STYLE


def test_http1_teaches_http2(outrider, origin):
    page(origin, "/", STYLE)
    proxy = outrider(origin, workers=1)
    for _ in range(2):
        with proxy.h1(tls=True) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: LOCALHOST:443\r\n\r\n")
            assert client.read_response()[0] == 200
    with proxy.h2(tls=False, push=False) as client:
        assert client.get("/", NAVIGATION).interim == []  # http:// is another page
    assert known(proxy, origin) == STYLE


def test_hosts_and_credentials_are_apart(outrider, origin):
    page(origin, "/", STYLE)
    proxy = outrider(origin, workers=1)
    teach(proxy)
    assert visit(proxy, headers=[*NAVIGATION, *COOKIE]).interim == []
    assert visit(proxy, authority="other.test").interim == []
    assert visit(proxy, headers=[*NAVIGATION, ("authorization", "Basic eA==")]).interim == []
    assert visit(proxy, headers=[*NAVIGATION, ("cookie", "id=2")]).interim == []
    assert hints(visit(proxy, headers=[*NAVIGATION, ("cookie", "id=3")])) == [STYLE]
    assert hints(visit(proxy)) == [STYLE]


def test_visitor_of_a_page_that_differs_is_one_witness(outrider, origin):
    """With Vary: cookie, on however many connections."""
    page(origin, "/", STYLE, headers=[("vary", "Cookie")])
    proxy = outrider(origin, workers=1)
    teach(proxy, headers=COOKIE, times=4)
    assert visit(proxy, headers=[*NAVIGATION, ("cookie", "id=2")]).interim == []
    assert known(proxy, origin, headers=[*NAVIGATION, *COOKIE]) == STYLE


PRIVATE = [
    [("set-cookie", "id=1")],
    [("cache-control", "private")],
    [("cache-control", "no-store")],
    [("cache-control", "max-age=0")],
    [("cache-control", "private, no-store, max-age=0, must-revalidate"), ("set-cookie", "id=1")],
]
TEACHES = [  # request fields, response fields, status, links; is it learned?
    ((), [], 200, [STYLE], True),
    ((), [("cache-control", "no-cache")], 200, [STYLE], True),
    ((), [("cache-control", "public, max-age=600")], 200, [STYLE], True),
    ((), [("vary", "accept-encoding")], 200, [STYLE], True),
    ((), [], 200, ["<https://cdn.example>; rel=preconnect"], True),
    *[((), fields, 200, [STYLE], False) for fields in PRIVATE],
    ((), [("vary", "accept, *")], 200, [STYLE], False),
    ((), [("expires", "Thu, 01 Jan 1970 00:00:00 GMT")], 200, [STYLE], False),
    ((), [("cache-control", "max-age=60"), ("age", "61")], 200, [STYLE], False),
    ([("authorization", "Basic eA==")], [], 200, [STYLE], False),
    ((), [], 201, [STYLE], False),
    ((), [], 302, [STYLE], False),
    ((), [], 500, [STYLE], False),
    ((), [], 404, [STYLE], False),
    ((), [], 200, ["</n>; rel=next", "</p>; rel=prefetch", "<//d.test>; rel=dns-prefetch"], False),
    ((), [], 200, ["<http://[>; rel=preload", "<a b>; rel=preload", "<>; rel=preload"], False),
]


def test_what_teaches(outrider, origin):
    proxy = outrider(origin, workers=1)
    for number, (_, fields, status, elements, _) in enumerate(TEACHES):
        page(origin, f"/{number}", *elements, status=status, headers=fields)
    for _ in range(3):
        with proxy.h2(push=False) as client:
            for number, (asked, *_) in enumerate(TEACHES):
                client.get(f"/{number}", asked)
    with proxy.h2(push=False) as client:
        for number, (_, _, _, elements, is_learned) in enumerate(TEACHES):
            found = hints(client.get(f"/{number}", NAVIGATION))
            assert found == (elements[:1] if is_learned else []), TEACHES[number]


def test_other_methods_teach_nothing(outrider, origin):
    page(origin, "/", STYLE)
    proxy = outrider(origin, workers=1)
    for method in ("HEAD", "POST", "OPTIONS") * 2:
        with proxy.h2(push=False) as client:
            client.get("/", method=method)
    assert known(proxy, origin) is None


def test_private_pages_by_option(outrider, origin):
    proxy = outrider(origin, workers=1, learn={"private": True})
    for number, fields in enumerate(PRIVATE):
        page(origin, f"/{number}", STYLE, headers=fields)
    page(origin, "/", STYLE)
    for _ in range(2):
        with proxy.h2(push=False) as client:
            client.get_all([f"/{number}" for number in range(len(PRIVATE))])
            client.get("/", [("authorization", "Basic eA==")])
    for number, fields in enumerate(PRIVATE):
        assert known(proxy, origin, f"/{number}") == STYLE, fields
    assert known(proxy, origin, "/") is None


def test_pushed_responses_teach_nothing(outrider, origin):
    page(origin, "/", "</next>; rel=preload; as=document")
    origin.on("/next", respond(200, links(STYLE), b"next"))
    proxy = outrider(origin, workers=1)
    for _ in range(3):
        assert visit(proxy, push=True).promised == ["/next"]
    assert known(proxy, origin, "/next") is None


def test_learning_off(outrider, origin):
    page(origin, "/", STYLE)
    page(origin, "/on", STYLE)
    proxy = outrider(origin, workers=1, learn=False, routes=[
        {"origin": "app"}, {"origin": "app", "path": "/on", "learn": "on"}])  # fmt: skip
    teach(proxy, "/")
    teach(proxy, "/on")
    assert known(proxy, origin, "/") is None
    assert known(proxy, origin, "/on") == STYLE


# --- what is forgotten -------------------------------------------------------------------


def test_disagreement_begins_anew(outrider, origin):
    page(origin, "/", STYLE)
    proxy = outrider(origin, workers=1)
    teach(proxy)
    page(origin, "/", SCRIPT)
    assert hints(visit(proxy)) == [STYLE]  # and this answer disagrees
    assert visit(proxy).interim == []  # the second that agrees
    assert known(proxy, origin) == SCRIPT


@pytest.mark.parametrize("status,elements", [
    (401, [STYLE]), (403, []), (404, []), (410, []), (200, [])])  # fmt: skip
def test_page_that_is_gone_is_forgotten(outrider, origin, status, elements):
    page(origin, "/", STYLE)
    proxy = outrider(origin, workers=1)
    teach(proxy)
    assert known(proxy, origin) == STYLE
    page(origin, "/", *elements, status=status)
    assert hints(visit(proxy)) == [STYLE]
    assert known(proxy, origin) is None


@pytest.mark.parametrize("status,is_forgotten", [
    (404, True), (410, True), (403, True), (500, False), (429, False), (304, False)])  # fmt: skip
def test_hinted_url_that_fails_is_forgotten(outrider, origin, status, is_forgotten):
    """And not learned again for a while; the page's others are."""
    page(origin, "/", STYLE, SCRIPT)
    proxy = outrider(origin, workers=1)
    teach(proxy)
    origin.on("/a.css", respond(status))
    visit(proxy, "/a.css", ())
    page(origin, "/", STYLE, SCRIPT)
    if not is_forgotten:
        assert known(proxy, origin) == f"{STYLE}, {SCRIPT}"
        return
    assert visit(proxy).interim == []
    assert visit(proxy).interim == []
    assert known(proxy, origin) == SCRIPT


def test_promised_url_that_fails_is_forgotten(outrider, origin):
    page(origin, "/", STYLE)
    proxy = outrider(origin, workers=1)
    origin.on("/a.css", respond(404))
    for _ in range(2):
        visit(proxy, push=True)
    assert known(proxy, origin) is None


def test_life_ends_with_the_freshness(outrider, origin):
    page(origin, "/", STYLE, headers=[("cache-control", "max-age=1")])
    page(origin, "/long", STYLE, headers=[("cache-control", "max-age=100")])
    proxy = outrider(origin, workers=1)
    teach(proxy, "/long")
    teach(proxy, "/")
    eventually(lambda: known(proxy, origin) is None)
    assert known(proxy, origin, "/long") == STYLE


# --- queries -----------------------------------------------------------------------------


def test_query_is_no_part_of_the_page(outrider, origin):
    page(origin, "/p", STYLE)
    proxy = outrider(origin, workers=1)
    teach(proxy, "/p?a=1", times=1)
    teach(proxy, "/p?b=2", times=1)
    for path in ("/p", "/p?c=3", "/p?"):
        assert known(proxy, origin, path) == STYLE
    assert known(proxy, origin, "/P") is None


def test_query_by_option(outrider, origin):
    page(origin, "/p", STYLE)
    proxy = outrider(origin, workers=1, learn={"query": True})
    teach(proxy, "/p?a=1", times=1)
    teach(proxy, "/p?b=2")
    assert known(proxy, origin, "/p?a=1") is None
    assert known(proxy, origin, "/p?b=2") == STYLE
    assert known(proxy, origin, "/p") is None


# --- workers -----------------------------------------------------------------------------


def test_workers_tell_each_other(outrider, origin):
    """A connection goes to any of them: when ten know it, so do both. And when they forget."""
    page(origin, "/", STYLE)
    proxy = outrider(origin, workers=2)
    teach(proxy)  # perhaps one to each

    def answers():
        return {known(proxy, origin) for _ in range(10)}

    eventually(lambda: answers() == {STYLE}, limit=5)
    origin.on("/a.css", respond(404))
    visit(proxy, "/a.css", ())
    eventually(lambda: answers() == {None}, limit=5)


def test_many_workers_and_connections(outrider, origin):
    for number in range(20):
        page(origin, f"/{number}", f"</{number}.css>; rel=preload; as=style")
    proxy = outrider(origin, workers=4)
    for _ in range(2):
        for first in range(0, 20, 5):
            with proxy.h2(push=False, tls=False) as client:
                client.get_all([f"/{number}" for number in range(first, first + 5)])
    for number in range(20):
        origin.on(f"/{number}", respond(500))

    def all_known():
        with proxy.h2(push=False, tls=False) as client:
            ids = [client.request(f"/{number}", headers=NAVIGATION) for number in range(20)]
            return all(hints(client.wait(stream_id)) for stream_id in ids)

    eventually(lambda: all(all_known() for _ in range(8)))


# --- the state file ----------------------------------------------------------------------


def test_state_file_at_a_clean_stop(outrider, origin, tmp_path):
    path = tmp_path / "learned"
    second_element = '</c.png>; rel=preload; as=image; title="a\tb"'
    page(origin, "/", STYLE, second_element)
    page(origin, "/once", STYLE)
    first = outrider(origin, learned={"file": str(path)}, workers=1)
    teach(first)
    teach(first, headers=COOKIE, times=1)
    teach(first, headers=[("cookie", "id=2")], times=1)
    teach(first, "/once", times=1)
    assert not path.exists()
    first.stop(signal.SIGTERM)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("learned.*"))
    second = outrider(origin, learned={"file": str(path)}, workers=2)
    second.wait_stderr("loaded pages=2")
    for _ in range(8):  # both workers
        assert known(second, origin) == f"{STYLE}, {second_element}"
    assert known(second, origin, headers=[*NAVIGATION, *COOKIE]).startswith(STYLE)
    assert known(second, origin, "/once") is None
    second.stop(signal.SIGINT)
    assert path.read_text().count("\npage\t") == 2


def test_state_file_of_two_workers(outrider, origin, tmp_path):
    path = tmp_path / "learned"
    page(origin, "/", STYLE)
    first = outrider(origin, learned={"file": str(path)}, workers=2)
    teach(first)
    eventually(lambda: {known(first, origin) for _ in range(8)} == {STYLE})
    first.stop()
    assert path.read_text().count("\npage\t") == 1


def test_a_clean_stop_keeps_what_only_one_worker_knows(outrider, origin, tmp_path):
    """Of three visitors two have met the same worker, and nobody waits until it told the other."""
    path = tmp_path / "learned"
    page(origin, "/", STYLE)
    for _ in range(4):
        first = outrider(origin, learned={"file": str(path)}, workers=2)
        teach(first, times=3)
        first.stop()
        assert path.read_text().count("\npage\t") == 1
        path.unlink()


def test_state_file_from_time_to_time(outrider, origin, tmp_path):
    """What is there survives a kill."""
    path = tmp_path / "learned"
    page(origin, "/", STYLE)
    first = outrider(origin, learned={"file": str(path), "save": "1s"})
    teach(first)
    eventually(lambda: path.exists() and "page\t" in path.read_text())
    first.process.kill()
    first.expected_exit = -signal.SIGKILL
    first.stop()
    second = outrider(origin, learned={"file": str(path)})
    assert known(second, origin) == STYLE


def damage(text):
    """name -> what became of a good file."""
    lines = text.splitlines(keepends=True)
    return {
        "empty": b"",
        "cut": text[:-30],
        "another page": text.replace(b"/a.css", b"/b.css"),
        "further line": text + lines[1],
        "noise": bytes(range(256)) * 300,
        "version": text.replace(b"hints 1 ", b"hints 9 "),
    }


def test_damaged_state_file_is_set_aside(outrider, origin, tmp_path):
    path, aside = tmp_path / "learned", tmp_path / "learned.damaged"
    page(origin, "/", STYLE)
    first = outrider(origin, learned={"file": str(path)}, workers=1)
    teach(first)
    first.stop()
    good = path.read_bytes()
    for name, text in damage(good).items():
        path.write_bytes(text)
        aside.unlink(missing_ok=True)
        proxy = outrider(origin, learned={"file": str(path)}, workers=1)
        proxy.wait_stderr("warn learned .*damaged, starting with nothing learned: line [0-9]+: ")
        proxy.wait_stderr("warn learned .*set aside as ")
        assert aside.read_bytes() == text, name
        assert known(proxy, origin) is None, name
        proxy.stop()
    page(origin, "/", STYLE)
    teach(proxy := outrider(origin, learned={"file": str(path)}, workers=1))
    assert known(proxy, origin) == STYLE
    proxy.stop()
    assert path.read_bytes().count(b"\npage\t") == 1


def test_state_file_that_cant_be_written(outrider, origin, tmp_path):
    """It is said, and served all the same."""
    path = tmp_path / "folder" / "learned"
    path.parent.mkdir()
    page(origin, "/", STYLE)
    proxy = outrider(origin, learned={"file": str(path), "save": "1s"}, workers=1)
    path.parent.rmdir()
    teach(proxy)
    proxy.wait_stderr("warn learned .*/learned can't be saved: No such file")
    assert known(proxy, origin) == STYLE


# --- behaviour ---------------------------------------------------------------------------


def part(dest, path_of_page="/", mode="no-cors"):
    return [("sec-fetch-mode", mode), ("sec-fetch-dest", dest),
            ("referer", f"https://localhost{path_of_page}")]  # fmt: skip


def view(proxy, parts, path="/", headers=NAVIGATION):
    """A visit: the page and its parts ({path: fields}) on a connection of its own."""
    with proxy.h2(push=False) as client:
        answer = client.get(path, headers)
        for name, fields in parts.items():
            assert client.get(name, fields).status == 200
    return answer


def end_visits(proxy):
    """A visit is over after ten seconds, or when so many others are under way."""
    with proxy.h2(push=False) as client:
        for first in range(0, 260, 52):
            paths = [f"/other{number}" for number in range(first, first + 52)]
            ids = [client.request(path, headers=NAVIGATION) for path in paths]
            for stream_id in ids:
                client.wait(stream_id)


PARTS = {
    "/i.png": part("image"),
    "/a.css": part("style"),
    "/f.woff2": part("font", mode="cors"),
    "/b.js": part("script"),
}
PARTS_HINTED = (
    "</a.css>; rel=preload; as=style, </f.woff2>; rel=preload; as=font; crossorigin, "
    "</b.js>; rel=preload; as=script, </i.png>; rel=preload; as=image"
)


def behaving(outrider, origin, **options):
    resources(origin)
    return outrider(origin, workers=1, routes=routes(learn={"behaviour": True, **options}))


def test_behaviour_of_five_visits(outrider, origin):
    proxy = behaving(outrider, origin)
    for _ in range(4):
        assert view(proxy, PARTS).interim == []
    end_visits(proxy)
    assert visit(proxy).interim == []  # four, and one that asked for nothing
    assert view(proxy, PARTS).interim == []
    end_visits(proxy)
    thinking_page(origin, "/")
    with proxy.h2(push=False) as client:
        assert hints(ask_early(client, origin, "/")) == [PARTS_HINTED]
    with proxy.h2() as client:  # one that takes pushes
        client.get("/")
        assert promised(client) == ["/a.css", "/f.woff2", "/b.js", "/i.png"]
        client.wait_pushes()


def test_behaviour_of_which_most_is_learned(outrider, origin):
    """Three of five visits had it; two had it not. And what no visit shows."""
    strange = {
        "/fetched": part("empty", mode="cors"),
        "/frame": part("iframe", mode="navigate"),
        "/film": part("video"),
        "/no-referer": part("style")[:2],
        "/elsewhere": [*part("style")[:2], ("referer", "https://other.test/")],
        "/another-page": part("style", "/another"),
        "/authorized": [*part("style"), ("authorization", "Basic eA==")],
        "/plain": [("referer", "https://localhost/")],
    }
    proxy = behaving(outrider, origin)
    for number in range(5):
        rare = {"/rare.css": part("style")} if number < 2 else {"/often.css": part("style")}
        view(proxy, {"/a.css": part("style"), **rare, **strange})
    end_visits(proxy)
    expected = "</a.css>; rel=preload; as=style, </often.css>; rel=preload; as=style"
    (got,) = hints(visit(proxy))
    assert sorted(got.split(", ")) == sorted(expected.split(", "))
    assert visit(proxy, headers=[*NAVIGATION, *COOKIE]).interim == []


def test_behaviour_forgets(outrider, origin):
    proxy = behaving(outrider, origin)
    for _ in range(5):
        view(proxy, PARTS)
    end_visits(proxy)
    origin.on("/b.js", respond(404))
    visit(proxy, "/b.js", ())
    assert "/b.js" not in hints(visit(proxy))[0]
    origin.on("/", respond(404))
    visit(proxy)
    resources(origin)
    origin.on("/", respond(200))
    assert visit(proxy).interim == []


def test_behaviour_of_what_is_no_resource(outrider, origin):
    """An attacker says of anything that it is a style; what it answers tells."""
    css, html = ("content-type", "text/css"), ("content-type", "text/html")
    answers = {
        "/logout": [html, ("etag", '"1"')],
        "/logout-as-css": [css],
        "/buy": [css, ("etag", '"1"'), ("cache-control", "no-cache")],
        "/leave": [css, ("etag", '"1"'), ("set-cookie", "id=")],
    }
    proxy = behaving(outrider, origin)
    for path, fields in answers.items():
        origin.on(path, respond(200, fields, b"done"))
    for _ in range(5):
        view(proxy, {"/a.css": part("style"), **{path: part("style") for path in answers}})
    end_visits(proxy)
    assert hints(visit(proxy)) == ["</a.css>; rel=preload; as=style"]


def test_behaviour_is_off_by_default(outrider, origin):
    resources(origin)
    proxy = outrider(origin, workers=1)
    for _ in range(6):
        view(proxy, PARTS)
    end_visits(proxy)
    assert visit(proxy).interim == []


def test_behaviour_beside_links(outrider, origin):
    """Each names what the other does not."""
    page(origin, "/", STYLE)
    resources(origin)
    proxy = outrider(origin, workers=1, routes=routes(learn={"behaviour": True}))
    for _ in range(5):
        view(proxy, {"/a.css": part("style"), "/b.js": part("script")})
    end_visits(proxy)
    assert hints(visit(proxy)) == [f"{STYLE}, {SCRIPT}"]
    assert log_lines(proxy, "/")[-1]["skipped"] == {"repeated": 2}
