# SPDX-License-Identifier: Apache-2.0
"""scripts/bench measures this build in a tiny form, and writes what it found."""

import pathlib
import re
import shutil
import subprocess
import xml.dom.minidom

import pytest

from conftest import ROOT, binary

LIMIT_S = 120
TOOLS = ("h2load", "wrk", "taskset", "openssl")


@pytest.fixture(scope="module")
def build():
    folder = pathlib.Path(binary()).resolve().parents[1]
    missing = [name for name in TOOLS if not shutil.which(name)]
    for name in ("bench_load", "bench_origin"):
        if not (folder / "test/bench" / name).exists():
            missing.append(name)
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed or not built (scripts/setup --bench)")
    return folder


def bench(build, out, *words):
    command = [
        ROOT / "scripts/bench", "--as-is", "--build", build, "--out", out,
        "--peers", "outrider", "--rounds", "1", *words,
    ]  # fmt: skip
    command = list(map(str, command))
    return subprocess.run(command, text=True, capture_output=True, timeout=LIMIT_S)


@pytest.mark.limit(LIMIT_S + 10)
def test_writes_a_table_and_a_picture(build, tmp_path):
    result = bench(build, tmp_path, "--only", "small,pushes,streams", "--seconds", "0.5")
    assert result.returncode == 0, result.stderr + result.stdout
    table = (tmp_path / "bench.md").read_text()
    assert table == result.stdout
    for words in ("GET 1 KB, 50 connections × 20 streams, per request", "ten pushed assets",
                  "an open stream, of 500"):  # fmt: skip
        value = re.search(rf"^\| [^|]*{re.escape(words)}[^|]* \| ([\d.,]+)", table, re.M)
        assert value and float(value[1].replace(",", "")) > 0, table
    assert re.search(r"against the floor .* \| [\d.]+ × \| ≤ 1.35 × \|", table), table
    picture = xml.dom.minidom.parse(str(tmp_path / "bench.svg"))
    assert picture.documentElement.tagName == "svg"


NONSENSE = [("--only", "nonsense"), ("--peers", "nonsense"), ("--rounds", "0")]


@pytest.mark.parametrize("words", NONSENSE)
def test_refuses_what_it_does_not_know(build, tmp_path, words):
    result = bench(build, tmp_path, *words)
    assert result.returncode == 2 and "usage" in result.stderr, result
    assert not (tmp_path / "bench.md").exists()
