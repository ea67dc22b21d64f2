# SPDX-License-Identifier: Apache-2.0
"""scripts/soak and scripts/load-held, for seconds: that they work, and that they see what is wrong."""

import pathlib
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

import pytest

from conftest import binary

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
LIMIT_S = 55


class Run:
    """A running script, with its results in a folder."""

    def __init__(self, folder, words, program=None):
        self.folder = folder
        name, *words = words.split()
        command = [sys.executable, SCRIPTS / name, "--binary", program or binary(), "--results", folder]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([*map(str, command), *words], stdout=pipe, stderr=pipe, text=True)

    def finish(self):
        self.text, self.errors = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode

    def figure(self, what):
        """The first number of a row of the table."""
        match = re.search(rf"^\| {what}[^|]*\| ([\d.,]+)", self.text, re.M)
        assert match, self.text + self.errors
        return float(match[1].replace(",", ""))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """All at once, since they mostly wait."""
    folder = tmp_path_factory.mktemp("runs")
    impatient = folder / "impatient"
    impatient.write_text(f'#!/bin/sh\nOUTRIDER_TIMEOUTS_ORIGIN_TOTAL=300ms exec "{binary()}" "$@"\n')
    impatient.chmod(0o755)
    words = "load-held --idle 40 --active 10 --rate 40 --seconds 1 --rest 0"
    started = {
        "soak": Run(folder / "soak", "soak --rate 100 0.05"),
        "impatient": Run(folder / "impatiently", "soak --rate 50 5", impatient),
        "held": Run(folder / "held", words),
    }
    yield started
    for run in started.values():
        if run.process.poll() is None:
            run.process.terminate()
            run.process.communicate(timeout=LIMIT_S)


def test_soak_sees_failures_and_is_interrupted(runs):
    """Of an outrider that gives up what takes a third of a second."""
    run = runs["impatient"]
    assert "running" in run.process.stderr.readline()
    time.sleep(2)
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 1, run.text
    assert "Interrupted." in run.text and "failures of well-behaved clients" in run.errors
    assert re.search(r"^\* \d+ times event stream: status 504$", run.text, re.M), run.text
    assert run.figure("failures") > 0


def test_soak(runs):
    run = runs["soak"]
    assert run.finish() == 0, run.text + run.errors
    assert run.text == (run.folder / "soak-0.05m.md").read_text()
    for what in ("requests", "pushes", "103s", "attacks", "reloads", "log rotations", "kills"):
        assert run.figure(what) > 0, run.text
    assert run.figure("requests") > 200
    assert run.figure("failures") == 0
    chart = xml.etree.ElementTree.parse(run.folder / "soak-0.05m.svg")
    lines = [path for path in chart.iter("{http://www.w3.org/2000/svg}path") if "line" in path.get("class")]
    assert len(lines) == 6 and all(len(path.get("d").split()) >= 2 for path in lines)


def test_load_held(runs):
    run = runs["held"]
    assert run.finish() in (0, 1), run.errors  # so few of them say little of memory
    assert run.text == (run.folder / "load-held.md").read_text()
    assert run.figure("idle connections") == run.figure("idle ones that still") == 40, run.text
    assert run.figure("connections with the active ones") == 50
    assert run.text.count("; 0 | 0 |") == 2, run.text + run.errors
