# SPDX-License-Identifier: Apache-2.0
"""The dashboard in a real browser: first with figures of our own, so that each state can be seen,
then before a real outrider with real traffic."""

import base64
import json
import pathlib
import re
import sys

import pytest

import board as boards
import tools
from board import Board, Figures
from origin import respond, sleep
from pushing import NAVIGATION, hints, resources

TEST = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(TEST / "browser"))
import browsers  # noqa: E402
from tab import Tab  # noqa: E402

DAY = 86400
READY = "document.title === 'ready · outrider'"
NO_EARLIER = "polling.isAsking === false"


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    try:
        browser = browsers.chromium()
    except browsers.BrowserUnavailable as unavailable:
        pytest.skip(str(unavailable))
    with Tab(browser, tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture
def board():
    with Board() as made:
        yield made


def show(tab, board, width=1280, height=800, by_itself=False):
    """The page with its first figures; more come by ask_again() only, unless it asks by itself."""
    tab.events.clear()
    tab.resize(width, height)
    tab.prefer(color_scheme="light")
    tab.open(board.url)
    tab.wait(READY)
    if not by_itself:
        tab.wait(NO_EARLIER)
        tab.evaluate("clearTimeout(polling.timer); window.setTimeout = () => 0")


def ask_again(tab):
    """The next figures at once."""
    tab.wait(NO_EARLIER)
    tab.evaluate("poll()")


def rows(tab, table):
    """The rows of a table's body, as lists of texts."""
    return tab.evaluate(
        f"[...document.querySelector('#{table}').tBodies[0].rows].map((row) => [...row.cells]"
        ".map((cell) => cell.innerText.split(/\\s*\\n\\s*/).join(' | ')))"
    )


def facts(tab):
    return tab.evaluate(
        "Object.fromEntries([...document.querySelectorAll("
        "'#facts [id], article p, .verdicts [id]')].map((e) => [e.id, e.innerText]))"
    )


# --- what is shown ------------------------------------------------------------------------------


def test_state(tab, board):
    figures = board.figures
    figures.started -= 3 * DAY + 5
    figures.fields["reloads"] |= {"good": 4, "failed": 1}
    figures.fields["reloads"]["reloaded_s"] -= 7200
    figures.fields["memory"] |= {"ceiling": 64 << 20, "used": 32 << 20}
    figures.metrics["connections"] |= {"http1": 3, "http2": 1200}
    figures.metrics["exchanges"] |= {"request": 7, "push": 2}
    figures.fields["log_dropped"] = 12
    show(tab, board)
    seen = facts(tab)
    assert seen["uptime"] == "3 days"
    assert seen["uptime-note"].startswith("version 0.1.0, ")
    assert (seen["workers"], seen["workers-note"]) == ("2", "no figures yet")
    assert (seen["reload"], seen["reload-note"]) == ("2 hours old", "4 reloads, 1 failed")
    assert seen["certificate"] in ("60 days", "61 days")
    assert (seen["memory"], seen["memory-note"]) == ("10.7 MiB", "50 % of 64 MiB: normal")
    assert (seen["connections"], seen["connections-note"]) == ("1,203", "1,200 of them HTTP/2")
    assert (seen["exchanges"], seen["exchanges-note"]) == ("9", "2 of them pushes")
    assert (seen["dropped"], seen["dropped-note"]) == ("12", "45 of 1,024 descriptors open")
    assert tab.texts("#attention li") == ["Nothing: all is well."]
    assert tab.complaints == []


def test_traffic(tab, board):
    """Rates and quantiles come from what grew between two answers."""
    show(tab, board)
    assert facts(tab)["requests"] == "–"
    tab.evaluate("(() => { let at = performance.now(); performance.now = () => at += 10001; })()")
    ask_again(tab)
    figures = board.figures
    figures.add("requests_total", "http2 2xx", 380)
    figures.add("requests_total", "http1 3xx", 10)
    figures.add("requests_total", "http2 5xx", 8)
    figures.add("requests_total", "http2 none", 2)
    figures.observe("request_duration_seconds", 0.02, 350)
    figures.observe("request_duration_seconds", 0.2, 40)
    figures.observe("request_duration_seconds", 30, 10)
    figures.observe("origin_head_seconds", 0.008, 100)
    figures.add("sent_content_bytes_total", "request", 900_000)
    figures.add("sent_content_bytes_total", "push", 100_000)
    figures.add("received_content_bytes_total", None, 5000)
    ask_again(tab)
    seen = facts(tab)
    assert seen["requests"] == "40/s"
    assert seen["requests-note"] == "2xx 38/s, 3xx 1/s, 4xx 0/s, 5xx 0.8/s"
    assert seen["errors"] == "2.5 %"
    assert seen["errors-note"] == "10 in the last minute, 10 since start"
    assert seen["time"] == "19 ms"  # 200 of the 350 between 10 and 25 ms
    assert "95 % within 213 ms, 99 % within > 10 s" in seen["time-note"]
    assert "origins’ answers within 7.5 ms" in seen["time-note"]
    assert seen["bytes"] == "100 KB/s"
    assert seen["bytes-note"] == "10 KB/s of it pushed; 500 B/s came in"
    ask_again(tab)
    assert facts(tab)["requests"] == "0/s"
    assert facts(tab)["time"] == "19 ms"  # of the last minute
    label = tab.evaluate("document.querySelector('#requests-chart').getAttribute('aria-label')")
    assert label == "Over the last 5 minutes: now 0/s, at most 40/s"
    line = tab.evaluate("document.querySelector('#requests-chart .line').getAttribute('d')")
    assert re.fullmatch(r"M280.0,46.0L290.0,2.0L300.0,46.0", line), line
    assert tab.complaints == []


def test_push_and_hints(tab, board):
    figures = board.figures
    figures.observe("early_lead_seconds", 0.1, 30)
    figures.observe("early_lead_seconds", 0.3, 10)
    figures.metrics["push_content_bytes_total"] = {"delivered": 930_000, "wasted": 120_000}
    figures.metrics["sent_content_bytes_total"]["push"] = 1_000_000  # 50 000 were refused late
    figures.metrics["pushes_total"] |= {
        "completed": 90, "refused": 5, "refused_late": 4, "taken_back": 3, "failed": 2,
    }  # fmt: skip
    figures.metrics["push_candidates_total"] |= {"promised": 100, "hinted": 300, "client": 600}
    figures.page(
        "example.org/", visits=50, candidates=400, promised=100, hinted=250, passed=5, completed=90,
        refused=7, taken_back=3, pushed_bytes=880_000, wasted_bytes=120_000, spared=40,
        spared_bytes=800_000, early=40, lead_ms=6000,
    )  # fmt: skip
    figures.page("example.org/poor", visits=9, candidates=9, promised=9, completed=2, refused=7)
    figures.page("example.org/idle", visits=3, candidates=3)
    show(tab, board)
    seen = facts(tab)
    assert seen["lead"] == "150 ms"
    assert "40 visits, half of them more than 92 ms" in seen["lead-note"]
    assert seen["wasted"] == "12 %"
    assert seen["wasted-note"] == (
        "wasted: of 100 pushed bytes 12 went to clients that refused them, 120 KB of 1 MB."
    )
    assert seen["accepted"] == "86 %"
    assert seen["accepted-note"] == (
        "of 100 pushes accepted, 9 refused (4 when all was sent), 5 taken back or failed."
    )
    assert seen["spared"] == "800 KB"
    assert seen["spared-note"].startswith("spared: 40 candidates")
    assert rows(tab, "pages") == [
        ["example.org/ | gains time", "150 ms | 40 visits", "50", "400", "355 | 100 pushed",
         "90 | 90 %", "7 | 7 %", "3 | 3 %", "880 KB", "120 KB | 12 %", "40 | 800 KB"],
        ["example.org/poor | mostly refused: the clients have it", "–", "9", "9", "9 | 9 pushed",
         "2 | 22.2 %", "7 | 77.8 %", "0", "0 B", "0 B", "0"],
        ["example.org/idle | nothing sent", "–", "3", "3", "0", "0", "0", "0", "0 B", "0 B", "0"],
    ]  # fmt: skip
    outcomes = rows(tab, "outcomes")
    assert [re.sub(r"\s+", " ", row[1]) for row in outcomes] == ["600 60 %", "300 30 %", "100 10 %"]
    assert "takes none, like all browsers" in outcomes[0][0]
    assert tab.complaints == []


def test_origins_limits_and_faults(tab, board):
    board.figures = figures = Figures(origins=("app", "api", "old"))
    for name, count in (("app", 1000), ("api", 100), ("old", 10)):
        figures.add("origin_requests_total", name, count)
        figures.add("origin_connections_reused_total", name, count * 9 // 10)
    show(tab, board)
    figures.metrics["origin_connections_idle"]["app"] = 4
    figures.metrics["origin_connections_active"]["app"] = 3
    figures.metrics["origin_waiting"]["old"] = 6
    figures.metrics["origin_connections_raced_total"]["app"] = 2
    figures.metrics["origin_retries_total"]["app"] = 1
    figures.add("origin_requests_total", "app", 200)
    figures.add("origin_requests_total", "api", 40)
    figures.add("origin_faults_total", "app", 2)
    figures.add("origin_faults_total", "api", 30)
    figures.add("limit_hits_total", "head", 5)
    figures.add("exchange_faults_total", "origin_timeout", 30)
    figures.add("connection_faults_total", "tls_handshake", 3)
    ask_again(tab)
    app, api, old = rows(tab, "origins")
    assert app[0] == "app | Warning: 2 of 200 requests failed in the last minute"
    assert app[2:] == ["2 | 2 since start", "3", "4", "0", "75 %", "2", "1"]
    assert api[0] == "api | Problem: 30 of 40 requests failed in the last minute"
    assert old[0] == "old | Warning: 6 requests wait for a connection"
    assert rows(tab, "limits") == [["Request head too large (431)", "5", "5"]]
    assert rows(tab, "faults") == [
        ["The origin was silent too long", "30", "30"],
        ["TLS handshake failed", "3", "3"],
    ]
    assert tab.texts("#attention li") == [
        "Warning Origin app: 2 of 200 requests failed in the last minute.",
        "Problem Origin api: 30 of 40 requests failed in the last minute.",
        "Warning Origin old: 6 requests wait for a connection.",
    ]
    assert tab.complaints == []


def test_what_needs_attention(tab, board):
    figures = board.figures
    fields = figures.fields
    now = int(figures.started)
    fields |= {"live": False, "state": "draining", "descriptors": {"open": 900, "limit": 1024}}
    fields["reloads"]["error"] = "outrider.yaml:3:7: unknown key 'adress'"
    fields["memory"]["level"] = "full"
    listener = "https://127.0.0.1:8443"
    fields["certificates"] = [
        {"listener": listener, "name": "past.test", "not_after_s": now - DAY},
        {"listener": listener, "name": "soon.test", "not_after_s": now + 3 * DAY + 60},
        {"listener": listener, "name": "month.test", "not_after_s": now + 20 * DAY + 60},
        {"listener": listener, "name": "later.test", "not_after_s": now + 22 * DAY},
    ]
    figures.metrics["push_content_bytes_total"] = {"delivered": 2_000_000, "wasted": 2_000_000}
    figures.metrics["sent_content_bytes_total"]["push"] = 4_000_000
    tab.resize(1280, 800)
    tab.events.clear()
    tab.open(board.url)
    tab.wait("document.title === 'draining · outrider'")
    assert tab.text("#state") == "draining"
    assert tab.text("#certificate") == "expired"
    notices = tab.texts("#attention li")
    expected = [
        r"Problem A worker is silent\.",
        r"Warning Not ready: draining\.",
        r"Problem The last reload failed; .* outrider\.yaml:3:7: unknown key 'adress'",
        r"Problem The certificate of past\.test .* has expired on \d{4}-\d\d-\d\d\.",
        r"Problem The certificate of soon\.test .* expires in 3 days\.",
        r"Warning The certificate of month\.test .* expires in 20 days\.",
        r"Problem Memory is full",
        r"Warning 900 of 1,024 descriptors are open\.",
        r"Warning Much of what is pushed is wasted\.",
    ]
    assert len(notices) == len(expected), notices
    for pattern, notice in zip(expected, notices):
        assert re.match(pattern, notice), (pattern, notice)


def test_every_name_has_words(tab, board):
    """All outcomes and limits; of faults those whose name does not say enough. No others."""
    show(tab, board)
    assert set(tab.evaluate("Object.keys(WORDS.outcomes)")) == set(boards.OUTCOMES)
    assert set(tab.evaluate("Object.keys(WORDS.limits)")) == set(boards.LIMITS)
    assert set(tab.evaluate("Object.keys(WORDS.faults)")) <= set(boards.FAULTS)
    board.figures.metrics["push_candidates_total"] |= {"new_reason": 2, "constructor": 1}
    ask_again(tab)
    names = [row[0] for row in rows(tab, "outcomes")]
    assert names == ["new reason", "constructor"]


def test_quantiles(tab, board):
    show(tab, board)
    for buckets, share, expected in [
        ([0, 0, 0, 0], 0.5, None),
        ([10, 0, 0, 0], 0.5, 0.5),
        ([0, 10, 0, 0], 0.1, 1.1),
        ([10, 0, 10, 0], 0.5, 1),
        ([0, 0, 10, 0], 1, 4),
        ([5, 0, 0, 5], 0.51, "Infinity"),
    ]:
        asked = f"quantile({json.dumps(buckets)}, [1, 2, 4], {share})"
        found = tab.evaluate(f"(({asked}) === Infinity) ? 'Infinity' : {asked}")
        is_exact = not isinstance(expected, float)
        assert found == (expected if is_exact else pytest.approx(expected)), asked


def test_counters_that_begin_anew(tab, board):
    board.figures.add("requests_total", "http2 2xx", 1000)
    board.figures.add("limit_hits_total", "head", 50)
    board.figures.add("limit_hits_total", "uri", 1)
    show(tab, board)
    # Backwards for whatever reason: nothing has grown.
    board.figures.metrics["limit_hits_total"]["head"] = 20
    board.figures.add("limit_hits_total", "uri", 1)
    ask_again(tab)
    assert [row[1:] for row in rows(tab, "limits")] == [["20", "0"], ["2", "1"]]
    # Another process: what was before says nothing of it.
    board.figures = Figures()
    board.figures.started += 5
    board.figures.add("requests_total", "http2 2xx", 10)
    ask_again(tab)
    assert tab.text("#age").endswith("it was restarted and counts anew")
    assert tab.text("#requests") == "–"
    ask_again(tab)
    assert tab.text("#requests") == "0/s"
    assert tab.complaints == []


# --- strangers' texts ---------------------------------------------------------------------------

HOSTILE = [
    "evil.test/<img src=x onerror=hacked=1>",
    "evil.test/</script><script>hacked=1</script>",
    "evil.test/\u202egnp.exe\u0007\u200b\n",
    "evil.test/" + "w" * 150,
    "javascript:hacked=1",
]


def test_hostile_names_are_text(tab, board):
    board.figures = figures = Figures(origins=("__proto__", "<b>bold</b>", "toString"))
    for number, name in enumerate(HOSTILE):
        figures.page(name, visits=100 - number, candidates=1, hinted=1)
    figures.add("origin_requests_total", "__proto__", 3)
    figures.fields["version"] = "<i>0</i>"
    figures.fields["reloads"]["error"] = "<script>hacked=1</script>"
    show(tab, board)
    ask_again(tab)
    shown = [row[0].split(" | ")[0] for row in rows(tab, "pages")]
    assert shown[:2] == HOSTILE[:2]
    assert shown[2] == "evil.test/\\u{202e}gnp.exe\\u{7}\\u{200b}\\u{a}"
    assert shown[3:] == HOSTILE[3:]
    assert [row[0].split(" | ")[0] for row in rows(tab, "origins")] == [
        "__proto__", "<b>bold</b>", "toString",
    ]  # fmt: skip
    assert "<script>hacked=1</script>" in tab.text("#attention")
    assert tab.evaluate("typeof hacked") == "undefined"
    assert tab.evaluate("document.querySelectorAll('img, b > b, i, main script').length") == 0
    assert tab.complaints == []


def test_nothing_from_elsewhere(tab, board):
    show(tab, board)
    assert tab.requested
    for method, url in tab.requested:
        assert method == "GET" and url.startswith((board.url, "data:")), url
    assert len(board.html.encode()) < 40 * 1024
    assert re.findall(r"https?://[^'\"]*", board.html) == ["http://www.w3.org/2000/svg"] * 2
    assert not re.search(r"\sstyle=|\son\w+=|unsafe|innerHTML", board.html + board.policy)
    # And the policy would stop what should slip in.
    assert tab.evaluate("try { document.body.innerHTML = '<b>x</b>'; false } catch { true }")
    tab.evaluate(f"document.body.append(Object.assign(new Image(), {{src: '{board.url}x.png'}}))")
    tab.wait("performance.now() > 0")
    assert any("violates the following Content Security Policy" in text for text in tab.complaints)
    assert not any(url.endswith("x.png") for url in board.paths)


# --- for everybody ------------------------------------------------------------------------------


def fill(figures):
    """Something in every part of the page."""
    for number in range(20):
        figures.page(
            f"www.example.org/a/rather/long/path/to/page{number}", visits=1000 - number,
            candidates=6000, promised=900, hinted=3000, completed=100, refused=800, early=700,
            lead_ms=60_000, pushed_bytes=1_000_000, wasted_bytes=2_000_000, spared=50,
        )  # fmt: skip
    figures.metrics["push_candidates_total"] |= {"promised": 900, "hinted": 3000, "client": 700}
    figures.metrics["pushes_total"] |= {"completed": 90, "refused": 5}
    figures.metrics["push_content_bytes_total"] = {"delivered": 10_000_000, "wasted": 20_000_000}
    figures.metrics["sent_content_bytes_total"]["push"] = 30_000_000
    figures.observe("early_lead_seconds", 0.1, 30)
    figures.add("limit_hits_total", "head", 5)
    figures.add("exchange_faults_total", "origin_head_too_large", 30)
    figures.add("origin_requests_total", "app", 30)
    figures.add("requests_total", "http2 2xx", 30)


def test_sorting_by_keyboard(tab, board):
    for name, visits, wasted in (("b.test/", 3, 10), ("c.test/", 2, 30), ("a.test/", 1, 20)):
        board.figures.page(name, visits=visits, candidates=1, wasted_bytes=wasted)
    show(tab, board)
    assert [row[0][0] for row in rows(tab, "pages")] == ["b", "c", "a"]
    sorts = (
        "[...document.querySelectorAll('#pages th[aria-sort$=ending]')]"
        ".map((e) => [e.innerText, e.ariaSort])"
    )
    assert tab.evaluate(sorts) == [["Visits", "descending"]]
    tab.evaluate("document.querySelector('#pause').focus()")
    tab.press("Tab")  # the first thing after the head of the page
    assert tab.evaluate("document.activeElement.innerText") == "Page"
    tab.press("Enter")
    assert [row[0][0] for row in rows(tab, "pages")] == ["a", "b", "c"]
    tab.press("Enter")
    assert [row[0][0] for row in rows(tab, "pages")] == ["c", "b", "a"]
    for _ in range(9):
        tab.press("Tab")
    assert tab.evaluate("document.activeElement.innerText") == "Wasted"
    tab.press(" ")
    assert [row[0][0] for row in rows(tab, "pages")] == ["c", "a", "b"]
    ask_again(tab)  # which changes neither order nor focus
    assert [row[0][0] for row in rows(tab, "pages")] == ["c", "a", "b"]
    assert tab.evaluate("document.activeElement.innerText") == "Wasted"
    assert [order for _, order in tab.evaluate(sorts)] == ["descending"]
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert tab.complaints == []


def test_many_pages(tab, board):
    for number in range(60):
        board.figures.page(f"example.org/{number}", visits=100 - number, candidates=1)
    show(tab, board)
    assert len(rows(tab, "pages")) == 15
    assert tab.text("#pages-more") == "Show all 60 pages"
    tab.evaluate("document.querySelector('#pages-more').focus()")
    tab.press("Enter")
    assert len(rows(tab, "pages")) == 60
    tab.press("Enter")
    assert len(rows(tab, "pages")) == 15


WIDER = """[...document.querySelectorAll('body *')].filter((element) =>
    element.getBoundingClientRect().right > innerWidth + 0.5 && !element.closest('.skip, dialog'))
    .map((element) => element.outerHTML.slice(0, 200))"""


def test_on_a_phone(tab, board, tmp_path):
    fill(board.figures)
    board.figures.page("x" * 160, visits=5000, candidates=1)
    show(tab, board, width=320, height=640)
    for words in ("", "document.querySelector('#explain').click()"):
        tab.evaluate(words)
        assert tab.evaluate("document.documentElement.scrollWidth") == 320
        assert tab.evaluate(WIDER) == []
    # A card still is a row of a table, and each of its cells says what it is.
    tree = tab.accessible()
    assert len([name for role, name in tree if role == "rowheader" and "/page" in name]) == 4
    assert ("columnheader", "Wasted") in tree
    assert tab.evaluate("document.querySelector('#pages tbody tr').role") == "row"
    cell = "document.querySelector('#pages td:nth-child(10)')"
    assert tab.evaluate(f"getComputedStyle({cell}, '::before').content") == '"Wasted"'
    tab.screenshot(tmp_path / "phone.png", is_whole=True)
    assert tab.complaints == []


def luminance(colour):
    parts = [part / 255 for part in colour]
    parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one, other):
    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


# Every text that is seen, with its colour and that of the nearest ground below it.
TEXTS = """(() => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode());) {
        const element = node.parentElement;
        if (!node.data.trim() || element.getClientRects().length === 0) continue;
        const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
        let ground = element;
        while (ground && (rgb(getComputedStyle(ground).backgroundColor)[3] ?? 1) === 0)
            ground = ground.parentElement;
        const isWashed = element.closest('#outcomes tbody tr') !== null;
        const wash = getComputedStyle(document.querySelector('.area')).fill;
        found.push([node.data.trim(), rgb(getComputedStyle(element).color).slice(0, 3),
            rgb(isWashed ? wash : getComputedStyle(ground).backgroundColor).slice(0, 3)]);
    }
    return found;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours(tab, board, tmp_path, scheme):
    """Both schemes: every text has the contrast that WCAG AA asks for, and something is painted."""
    fill(board.figures)
    board.figures.fields["reloads"]["error"] = "outrider.yaml:1:1: no"
    board.figures.fields["memory"]["level"] = "short"
    show(tab, board)
    tab.prefer(color_scheme=scheme)
    tab.evaluate("document.querySelector('#explain').click()")
    texts = tab.evaluate(TEXTS)
    assert len(texts) > 150
    for text, ink, ground in texts:
        assert contrast(ink, ground) >= 4.5, (text, ink, ground)
    data = tab.screenshot(tmp_path / f"{scheme}.png")
    colours, ground = picture(tab, data)
    assert colours > 200, "a blank page, or nearly so"
    assert (luminance(ground) > 0.5) == (scheme == "light")


def picture(tab, data):
    """The number of colours in a PNG, and that in its corner."""
    return tab.evaluate(
        """new Promise((resolve, reject) => {
            const image = new Image();
            image.onerror = reject;
            image.onload = () => {
                const canvas = document.createElement('canvas');
                [canvas.width, canvas.height] = [image.width, image.height];
                const context = canvas.getContext('2d');
                context.drawImage(image, 0, 0);
                const {data} = context.getImageData(0, 0, image.width, image.height);
                resolve([new Set(new Uint32Array(data.buffer)).size, [...data.slice(0, 3)]]);
            };
            image.src = 'data:image/png;base64,%s';
        })"""
        % base64.b64encode(data).decode()
    )


NAMED_ROLES = {"button", "table", "columnheader", "rowheader", "link", "image", "region", "heading",
               "dialog", "navigation"}  # fmt: skip


def test_names_for_a_screen_reader(tab, board):
    fill(board.figures)
    show(tab, board)
    tree = tab.accessible()
    assert [role for role, name in tree if role in NAMED_ROLES and not name.strip()] == []
    roles = [role for role, _ in tree]
    for role, at_least in [("banner", 1), ("main", 1), ("contentinfo", 1), ("navigation", 1),
                           ("region", 7), ("table", 5), ("image", 4), ("status", 2)]:  # fmt: skip
        assert roles.count(role) >= at_least, (role, roles)
    names = {name for role, name in tree if role == "table"}
    assert names == {"Page by page", "What became of the candidates", "Limits reached", "Faults",
                     "Origins the servers behind outrider"}  # fmt: skip
    assert tab.evaluate("document.documentElement.lang") == "en"
    levels = tab.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((e) => +e.tagName[1])")
    assert levels[0] == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:]))
    assert tab.evaluate("[...document.querySelectorAll('th')].every((e) => e.scope)")
    tab.evaluate("document.querySelector('[data-command]').click()")
    assert ("dialog", "Reload the configuration?") in tab.accessible()
    assert tab.complaints == []


def test_explain(tab, board):
    """What a pointer is told by waiting is there for others, too."""
    show(tab, board)
    assert "Client connections open now" not in tab.text("#facts")
    tab.evaluate("document.querySelector('#explain').focus()")
    tab.press("Enter")
    assert "Client connections open now" in tab.text("#facts")
    assert "Content sent of pushes that the client then refused" in tab.text("#push")
    assert tab.evaluate("document.activeElement.ariaPressed") == "true"
    tab.press("Enter")
    assert "Client connections open now" not in tab.text("#facts")


# --- asking -------------------------------------------------------------------------------------


def test_silence(tab, board):
    show(tab, board)
    assert tab.evaluate("polling.failures") == 0
    tab.evaluate("window.delays = []; window.setTimeout = (take, ms) => delays.push(ms)")
    board.status = 503
    for _ in range(6):
        ask_again(tab)
    assert tab.evaluate("delays") == [4000, 8000, 16000, 30000, 30000, 30000]
    (notice,) = tab.texts("#attention li")
    assert re.match(
        r"Problem No answer since \d\d:\d\d:\d\d: the figures below are of then"
        r" \(503 out of order\)\.", notice,
    ), notice  # fmt: skip
    assert tab.text("#state") == "no answer"
    assert tab.evaluate("document.title") == "no answer · outrider"
    board.status = 200
    ask_again(tab)
    assert tab.evaluate("delays").pop() == 2000
    assert tab.text("#state") == "ready"
    assert tab.texts("#attention li") == ["Nothing: all is well."]


def test_no_answer_at_all(tab):
    with Board() as board:
        show(tab, board)
    ask_again(tab)
    assert tab.text("#attention .problem").startswith("Problem No answer since")


def test_pause_and_hidden(tab, board):
    show(tab, board, by_itself=True)
    asked = board.asked
    assert tab.wait(f"traffic.samples.length > {asked}")  # by itself
    tab.evaluate("document.querySelector('#pause').focus()")
    tab.press("Enter")
    assert tab.text("#pause") == "Continue"
    assert tab.text("#age").endswith(", paused")
    tab.wait(NO_EARLIER)
    asked = board.asked
    tab.evaluate("poll()")
    assert board.asked == asked
    tab.press("Enter")
    tab.wait(f"traffic.samples.length > {asked}")
    assert tab.text("#pause") == "Pause"
    # As a tab behind others.
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
    tell = "document.dispatchEvent(new Event('visibilitychange'))"
    tab.wait(NO_EARLIER)
    tab.evaluate("clearTimeout(polling.timer)")
    asked = board.asked
    tab.evaluate(hide % "true" + tell)
    tab.wait(NO_EARLIER)
    assert board.asked == asked
    tab.evaluate(hide % "false" + tell)
    tab.wait(f"traffic.samples.length > {asked}")
    assert board.asked > asked


# --- commands -----------------------------------------------------------------------------------


def test_commands_by_keyboard(tab, board):
    show(tab, board)
    board.replies["/reload"] = (200, "reloaded: generation 2\n")
    tab.evaluate("document.querySelector('[data-command=reload]').focus()")
    tab.press("Enter")
    assert tab.text("#dialog-title") == "Reload the configuration?"
    assert tab.evaluate("document.activeElement.id") == "dialog-no"
    tab.press("Escape")
    tab.wait("!document.querySelector('#dialog').open")
    assert tab.evaluate("document.activeElement.dataset.command") == "reload"
    assert board.commands == []
    tab.press("Enter")
    tab.press("Tab")
    tab.press("Enter")
    tab.wait("document.querySelector('#reply').className === 'fine'")
    assert tab.text("#reply") == "Done (200): reloaded: generation 2"
    assert board.commands == ["/reload"]


@pytest.mark.parametrize(
    "status, text, expected",
    [
        (403, "403: only from this machine\n", "Refused (403): 403: only from this machine"),
        (409, "x.yaml:1:2: <b>bad</b>\n", "Not done (409): x.yaml:1:2: <b>bad</b>"),
        (421, "421: ask by address\n", "Refused (421): 421: ask by address"),
        (500, "", "Failed (500):"),
    ],
)
def test_refused_commands(tab, board, status, text, expected):
    show(tab, board)
    board.replies["/hints/forget"] = (status, text)
    tab.evaluate("document.querySelector('[data-command=\"hints/forget\"]').click()")
    assert tab.text("#dialog-title") == "Forget what was learned?"
    tab.evaluate("document.querySelector('#dialog-yes').click()")
    tab.wait("document.querySelector('#reply').className === 'problem'")
    assert tab.text("#reply").strip() == expected
    assert set(board.commands) == {"/hints/forget"}  # after a 421 a browser tries once more


# --- before a real outrider ---------------------------------------------------------------------

THINK_S = 0.15


@pytest.fixture
def watched(outrider, origin):
    """An outrider with an admin listener and two declared pushes for its slow page."""
    origin.on("/", sleep(THINK_S), respond(200, [("content-type", "text/html")], b"<html>"))
    resources(origin)
    routes = [{"origin": "app", "push": ["/a.css", "/b.js"]}]
    proxy = outrider(origin, routes=routes, workers=1, admin={"listen": "127.0.0.1:0"})
    proxy.admin_url = proxy.wait_stderr(r"admin url=(http://\S+)").group(1)
    return proxy


def test_real_figures(tab, watched):
    for _ in range(3):
        assert "a.css" in tools.nghttp(watched.url(), "--no-verify-peer").text
    authority = f"127.0.0.1:{watched.https_port}"
    with watched.h2(push=False, authority=authority) as client:
        for _ in range(4):
            assert hints(client.get("/", NAVIGATION))
        assert client.get("/" + "x" * 20_000).status == 414
        tab.events.clear()
        tab.resize(1280, 800)
        tab.open(watched.admin_url)
        tab.wait(READY)
        seen = facts(tab)
        assert seen["connections"] == "1" and seen["connections-note"] == "1 of them HTTP/2"
    assert (seen["workers"], seen["certificate-note"][:10]) == ("1", "localhost,")
    assert re.fullmatch(r"\d+(\.\d+)? MiB", seen["memory"])
    (row,) = rows(tab, "pages")
    assert row[0] == f"{authority}/ | gains time"
    assert row[2] == "7" and row[4] == "14 | 6 pushed" and row[5] == "6 | 100 %"
    won = int(re.match(r"(\d+) ms \| 7 visits", row[1]).group(1))
    assert won > 1000 * THINK_S / 2
    assert seen["lead"] == f"{won} ms"
    assert seen["accepted"] == "100 %" and seen["wasted"] == "0 %"
    assert [row[0].split(":")[0] for row in rows(tab, "outcomes")][:2] == ["Hinted", "Pushed"]
    assert rows(tab, "limits") == [["Address too long (414)", "1", "0"]]
    assert rows(tab, "origins")[0][0].startswith("app | ")
    assert tab.complaints == []
    assert all(url.startswith((watched.admin_url, "data:")) for _, url in tab.requested)
    with watched.h2(push=False) as client:  # and what comes while one looks
        client.get("/a.css")
    tab.wait("document.querySelector('#requests').innerText !== '0/s'")


def test_real_commands(tab, watched):
    """The page's own commands pass the guards against other sites' pages."""
    tab.events.clear()
    tab.open(watched.admin_url)
    tab.wait(READY)
    for path in ("reload", "hints/forget"):
        tab.evaluate(f"document.querySelector('[data-command=\"{path}\"]').click()")
        tab.evaluate("document.querySelector('#dialog-yes').click()")
        tab.wait("document.querySelector('#reply').innerText.startsWith('Done (20')")
        tab.evaluate("document.querySelector('#reply').innerText = ''")
    watched.wait_stderr("reload")
    config = watched.directory / "outrider.yaml"
    config.write_text(config.read_text().replace("origin: app", "orign: app"))
    tab.evaluate("document.querySelector('[data-command=reload]').click()")
    tab.evaluate("document.querySelector('#dialog-yes').click()")
    tab.wait("document.querySelector('#reply').className === 'problem'")
    assert tab.text("#reply").startswith("Not done (409): ")
    problem = "document.querySelector('#attention .problem')?.innerText"
    notice = tab.wait(problem)
    assert re.search(r"last reload failed.*outrider\.yaml:\d+:\d+", notice), notice
    errors = [text for text in tab.complaints if "409" not in text]
    assert errors == []  # the browser notes the 409 itself
