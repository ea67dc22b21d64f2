# SPDX-License-Identifier: Apache-2.0
"""The demo's parts, put together as scripts/demo does."""

import pathlib
import re
import subprocess

import pytest

import tools

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
PUSHED = {"/style.css", "/signal-lamp.ttf", "/app.js", "/tide.js", "/tower.svg", "/coast.svg"}


@pytest.fixture
def demo_origin():
    process = subprocess.Popen(
        [SCRIPTS / "demo-origin", "--think", "10"], stdout=subprocess.PIPE, text=True
    )
    yield process.stdout.readline().strip().removeprefix("listening url=")
    process.terminate()
    process.wait()
    process.stdout.close()


def test_demo_shows_pushes_beside_the_plain_load(outrider, demo_origin, certs):
    proxy = outrider(demo_origin)
    result = tools.run("node", SCRIPTS / "demo-load", proxy.url(), certs.ca, "20")
    assert result.code == 0, result
    rows = re.findall(r"^  (/\S*) .*? \| (asked|pushed) ", result.text, re.M)
    assert {path for path, how in rows if how == "pushed"} == PUSHED
    assert {path for path, how in rows if how == "asked"} == {"/", "/dusk.png"}


def test_demo_page_marks_its_pushes_in_nghttp(outrider, demo_origin):
    proxy = outrider(demo_origin)
    result = tools.nghttp(proxy.url(), "-a")
    assert set(result.pushed) == PUSHED, result
    assert {row.path for row in result.rows} == PUSHED | {"/", "/dusk.png"}, result
    assert {row.status for row in result.rows} == {200}
