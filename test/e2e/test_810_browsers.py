# SPDX-License-Identifier: Apache-2.0
"""Real browsers before a real outrider, over an emulated link: today's Chromium with hints, and one
that still takes push. What no test here can do is skipped by a line that says why."""

import pathlib
import sys

import pytest

TEST = pathlib.Path(__file__).resolve().parents[1]
sys.path += [str(TEST / "browser"), str(TEST / "link")]
import browsers  # noqa: E402
from link import Link, LinkUnavailable  # noqa: E402
from page import FONT, PICTURE, STYLE, Page  # noqa: E402

HOST = "page.test"
THINK_S = 0.3
# The browser complains of preloads that were not used some seconds after the page has loaded.
COMPLAINT_MS = 5000

pytestmark = pytest.mark.limit(180)
PAGE = Page()


@pytest.fixture
def link():
    try:
        made = Link("cable")
    except LinkUnavailable as unavailable:
        pytest.skip(str(unavailable))
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


class Site:
    """outrider at the far end of the link, in front of a scripted origin."""

    def __init__(self, outrider, origin, certs, link, **sections):
        self.link, self.origin = link, origin
        listener = {"address": f"https://{link.server_address}:0", "tls": certs.tls}
        with link.inside("server"):
            self.proxy = outrider(origin, listeners=[listener], **sections)
        self.url = f"https://{HOST}:{self.proxy.https_port}/"
        self.spki = browsers.spki(certs.certificate)

    def visit(self, browser, *urls, **options):
        options = {"spki": self.spki, "address": self.link.server_address, **options}
        return browsers.visit(browser, *(urls or [self.url]), link=self.link, **options)


@pytest.fixture
def site(outrider, unix_origin, make_certs, link):
    return lambda **sections: Site(outrider, unix_origin, make_certs(HOST), link, **sections)


def assert_each_once(origin, seen=None):
    paths = [request.path for request in origin.requests]
    assert sorted(paths) == sorted({"/", *PAGE.assets}), paths
    for resource in seen.resources if seen else []:
        assert resource.status == 200 and resource.error is None, resource


def test_hinted_style_comes_while_the_origin_thinks(site, unix_origin, chromium):
    PAGE.install(unix_origin, think=THINK_S, early="css-font")
    seen = site().visit(chromium, linger=COMPLAINT_MS)
    thinking_ends = seen.origin_ms(unix_origin.last("/")) + THINK_S * 1000
    for path in (STYLE, FONT):
        assert seen.origin_ms(unix_origin.last(path)) < thinking_ends - 150, path
        assert seen.resource(path).from_early_hints, path
    assert seen.origin_ms(unix_origin.last(PICTURE)) > thinking_ends
    assert len(seen.early_hints) == 1
    assert seen.interim_ms < thinking_ends - 150 < seen.resource("/").end_ms
    assert_each_once(unix_origin, seen)
    assert seen.console == []


def test_pushes_are_adopted_by_the_page(site, unix_origin, push_chromium, tmp_path):
    PAGE.install(unix_origin, final="all")
    seen = site().visit(push_chromium, net_log=tmp_path / "net.json", linger=COMPLAINT_MS)
    log = browsers.NetLog(tmp_path / "net.json")
    assert {push.path for push in log.pushes} == set(PAGE.assets)
    assert all(push.is_adopted and not push.is_refused for push in log.pushes), log.pushes
    assert log.requested == ["/"]
    for push in log.pushes:
        assert push.bytes == len(PAGE.assets[push.path][1]), push
        assert seen.resource(push.path).pushed, push
    assert_each_once(unix_origin, seen)
    assert seen.console == []


@pytest.mark.parametrize("which", ["chromium", "push_chromium"])
def test_a_kept_profile_has_a_warm_cache(site, unix_origin, request, which, tmp_path):
    browser = request.getfixturevalue(which)
    PAGE.install(unix_origin, headers=[("Set-Cookie", "been=here; Max-Age=3600")])
    away = site()
    first = away.visit(browser, profile=tmp_path / "profile")
    assert not first.resource(STYLE).from_cache
    again = away.visit(browser, profile=tmp_path / "profile")
    assert all(again.resource(path).from_cache for path in PAGE.assets)
    assert [request.header("cookie") for request in unix_origin.seen("/")] == [None, "been=here"]
    assert len(unix_origin.requests) == 1 + len(PAGE.assets) + 1
