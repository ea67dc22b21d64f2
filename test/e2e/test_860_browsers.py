# SPDX-License-Identifier: Apache-2.0
"""Real browsers before a real outrider, over an emulated link (or loopback, where there is none):
today's Chromium with hints, and one that still takes push. A browser that is not there is a skipped
test and a line that says why."""

import pathlib
import sys

import pytest

import h2client

TEST = pathlib.Path(__file__).resolve().parents[1]
sys.path += [str(TEST / "browser"), str(TEST / "link")]
import browsers  # noqa: E402
from link import Link, LinkUnavailable, Loopback  # noqa: E402
from page import FONT, PICTURE, STYLE, Page  # noqa: E402

HOST = "page.test"
THINK_S = 0.3
# The browser complains of preloads that were not used some seconds after the page has loaded.
COMPLAINT_MS = 4000
# Of the time that a hint or a promise wins, what a busy machine may take away again.
SLACK_S = 0.15

pytestmark = pytest.mark.limit(120)
PAGE = Page()
EVERYTHING = sorted(["/", *PAGE.assets])


@pytest.fixture
def link():
    try:
        made = Link("cable")
    except LinkUnavailable:
        made = Loopback()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def chromium():
    return have(browsers.chromium)


@pytest.fixture(scope="session")
def push_chromium():
    return have(browsers.push_chromium)


def have(find):
    try:
        return find()
    except browsers.BrowserUnavailable as unavailable:
        pytest.skip(str(unavailable))


class Seen:
    """One visit of a browser: what the browser says, what the origin was asked, and the net log."""

    def __init__(self, page, requests, log):
        self.page, self.requests, self.log = page, requests, log

    @property
    def paths(self):
        return [request.path for request in self.requests]

    def lag(self, path):
        """Seconds from the page's request to this one, as the origin saw them."""
        times = {request.path: request.time for request in self.requests}
        return times[path] - times["/"]

    def assert_clean(self, paths=EVERYTHING):
        """The origin was asked for each of these once, all came well, nothing was complained of."""
        assert sorted(self.paths) == sorted(paths), self.paths
        assert sorted(self.page.paths) == EVERYTHING, self.page.paths
        for resource in self.page.resources:
            assert resource.status == 200 and resource.error is None, resource
        assert self.page.console == []


class Site:
    """outrider at the far end of the link, in front of a scripted origin."""

    def __init__(self, outrider, origin, certs, link, directory, route):
        self.link, self.origin, self.directory = link, origin, directory
        listener = {"address": f"https://{link.server_address}:0", "tls": certs.tls}
        with link.inside("server"):
            # One worker: what it learns, it knows at once.
            self.proxy = outrider(
                origin, listeners=[listener], routes=[{"origin": "app", **route}], workers=1
            )
        self.authority = f"{HOST}:{self.proxy.https_port}"
        self.url = f"https://{self.authority}/"
        self.spki = browsers.spki(certs.certificate)

    def visit(self, browser, **options):
        """A visit with a fresh profile, or with profile=."""
        before = len(self.origin.seen())
        net_log = self.directory / f"net-log-{before}"
        page = browsers.visit(
            browser,
            self.url,
            link=self.link,
            spki=self.spki,
            address=self.link.server_address,
            net_log=net_log,
            **options,
        )
        return Seen(page, self.origin.seen()[before:], browsers.NetLog(net_log))

    def be_visited(self, times):
        """By somebody else, who takes no push."""
        for _ in range(times):
            with self.link.inside("client"):
                sock = h2client.open_socket(self.proxy.https_port, host=self.link.server_address)
            with h2client.H2Client.over(sock, authority=self.authority, push=False) as client:
                assert client.get("/").status == 200


@pytest.fixture
def site(outrider, unix_origin, make_certs, link, tmp_path):
    def make(**route):
        return Site(outrider, unix_origin, make_certs(HOST), link, tmp_path, route)

    return make


# --- hints ------------------------------------------------------------------------------------


def assert_hinted(seen):
    """Style and font were fetched by one 103, while the origin thought; the rest was not."""
    assert len(seen.page.early_hints) == 1
    for path in (STYLE, FONT):
        assert seen.lag(path) < THINK_S, path
        assert seen.page.resource(path).from_early_hints, path
    assert seen.lag(PICTURE) > THINK_S
    seen.assert_clean()


def test_page_that_others_visited_is_hinted(site, unix_origin, chromium):
    """The third visit, and the first that is known: some 300 ms are won against the second."""
    PAGE.install(unix_origin, think=THINK_S, final="css-font")
    away = site()
    away.be_visited(1)
    plain = away.visit(chromium)
    plain.assert_clean()
    assert plain.page.early_hints == []
    hinted = away.visit(chromium, linger=COMPLAINT_MS)
    assert_hinted(hinted)
    for path in (STYLE, FONT):
        assert plain.lag(path) - hinted.lag(path) > THINK_S - SLACK_S, path


def test_declared_hints(site, unix_origin, chromium):
    PAGE.install(unix_origin, think=THINK_S)
    away = site(hint=PAGE.entries("css-font"))
    assert_hinted(away.visit(chromium, linger=COMPLAINT_MS))


def test_hints_of_the_origin(site, unix_origin, chromium):
    PAGE.install(unix_origin, think=THINK_S, early="css-font")
    assert_hinted(site().visit(chromium))


def test_hints_of_what_the_browser_has(site, unix_origin, chromium, tmp_path):
    """They cost a returning browser nothing."""
    PAGE.install(unix_origin, think=THINK_S)
    away = site(hint=PAGE.entries("css-font"))
    away.visit(chromium, profile=tmp_path / "profile").assert_clean()
    again = away.visit(chromium, profile=tmp_path / "profile", linger=COMPLAINT_MS)
    assert len(again.page.early_hints) == 1
    assert all(again.page.resource(path).from_cache for path in PAGE.assets)
    again.assert_clean(["/"])


# --- push -------------------------------------------------------------------------------------


def assert_pushed(seen):
    """The page used every promise, and asked for nothing that it had been given."""
    pushes = seen.log.pushes
    assert sorted(push.path for push in pushes) == sorted(PAGE.assets)
    assert all(push.is_adopted and not push.is_refused for push in pushes), pushes
    assert seen.log.requested == ["/"]
    for push in pushes:
        assert push.bytes == len(PAGE.assets[push.path][1]), push
        assert seen.page.resource(push.path).pushed, push
    seen.assert_clean()


def test_pushes_of_the_origins_links(site, unix_origin, push_chromium):
    PAGE.install(unix_origin, final="all")
    assert_pushed(site().visit(push_chromium, linger=COMPLAINT_MS))


def test_page_that_others_visited_is_pushed(site, unix_origin, push_chromium):
    """What was learned is promised while the origin thinks."""
    PAGE.install(unix_origin, think=THINK_S, final="all")
    away = site()
    away.be_visited(2)
    seen = away.visit(push_chromium)
    assert_pushed(seen)
    assert all(seen.lag(path) < THINK_S for path in PAGE.assets)


def test_declared_pushes(site, unix_origin, push_chromium):
    PAGE.install(unix_origin, think=THINK_S)
    seen = site(push=PAGE.entries("all")).visit(push_chromium)
    assert_pushed(seen)
    assert all(seen.lag(path) < THINK_S for path in PAGE.assets)


def test_returning_browser_is_pushed_nothing(site, unix_origin, push_chromium, tmp_path):
    """The digest knows what both moments of the first visit gave."""
    PAGE.install(unix_origin, think=THINK_S, final="all")
    away = site(push={"declared": PAGE.entries("css-font"), "visitors": "digest"})
    assert_pushed(away.visit(push_chromium, profile=tmp_path / "profile"))
    again = away.visit(push_chromium, profile=tmp_path / "profile", linger=COMPLAINT_MS)
    assert again.log.pushes == [] and again.log.requested == ["/"]
    assert all(again.page.resource(path).from_cache for path in PAGE.assets)
    again.assert_clean(["/"])
    assert [request.header("cookie") for request in unix_origin.seen("/")] == [None, None]
