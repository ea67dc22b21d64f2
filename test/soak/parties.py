# SPDX-License-Identifier: Apache-2.0
"""Who takes part in a soak: outrider, and programs that take words on stdin. All are in sessions of
their own, so that Ctrl-C in a terminal reaches the conductor alone."""

import datetime
import json
import os
import pathlib
import select
import subprocess
import sys

import yaml

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "e2e"))

import conftest
from figures import cpu_seconds
from steady_load import sanitizer
from tools import FRUGAL

LIMIT_S = 20


def build():
    """A release build of what is here; the path of the binary."""
    folder = ROOT / "build-release"
    commands = [["ninja", "-C", folder]]
    if not (folder / "build.ninja").exists():
        commands.insert(0, ["meson", "setup", folder, "-Dbuildtype=release", "-Dtests=disabled"])
    for command in commands:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if result.returncode != 0:
            raise SystemExit(result.stdout + result.stderr)
    return folder / "proxy/outrider"


def describe(binary):
    """The date, what it says of itself, and whether it is slowed down by a sanitizer."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    kind = f" with the {sanitizer()} sanitizer" if sanitizer() else ""
    return f"{datetime.date.today()}, {said.splitlines()[0]}{kind}"


def start_outrider(directory, binary, config, prefix=()):
    """A conftest.Outrider with this configuration. `prefix`: the words before it, of a command that
    becomes it."""
    os.environ["OUTRIDER_BINARY"] = str(binary)
    path = directory / "outrider.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    count = len(config["listeners"])
    words = ["-c", str(path)]
    return conftest.Outrider(directory, words, count, FRUGAL, prefix=["setsid", *prefix])


def kill(proxy):
    """What is still there of it, without questions."""
    if proxy.process.poll() is None:
        proxy.process.kill()
        proxy.process.wait()


class Party:
    def __init__(self, *words, stdout=subprocess.PIPE):
        self.process = subprocess.Popen(
            list(map(str, words)), stdin=subprocess.PIPE, stdout=stdout, start_new_session=True
        )

    def say(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()

    def read_line(self, limit=LIMIT_S):
        ready, _, _ = select.select([self.process.stdout], [], [], limit)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            raise RuntimeError(f"{self.process.args[1]} does not answer")
        return line

    def cpu(self):
        return cpu_seconds(self.process.pid)

    def end(self, limit=LIMIT_S):
        """By the end of its stdin."""
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(limit)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()


class Site:
    """An origin that can be killed and started again at the same place."""

    def __init__(self):
        self.port = 0
        self.cpu_before = 0
        self.start()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        self.party = Party("node", HERE / "site.js", self.port)
        self.port = int(self.party.read_line())

    def kill(self):
        self.cpu_before += self.party.cpu()
        self.party.kill()

    def cpu(self):
        return self.cpu_before + self.party.cpu()

    def end(self):
        self.party.end()


class Clients(Party):
    """The well-behaved ones: see clients.js."""

    def __init__(self, **plan):
        super().__init__("node", HERE / "clients.js", json.dumps(plan))

    def report(self, word="report", limit=LIMIT_S):
        self.say(word)
        return json.loads(self.read_line(limit))


class Hostile(Party):
    """See hostile.py. `path` is where the names of its attacks go."""

    def __init__(self, path, http_port, https_port):
        self.path = path
        with open(path, "wb") as file:
            super().__init__(sys.executable, HERE / "hostile.py", http_port, https_port, stdout=file)

    def attacks(self):
        return self.path.read_text().splitlines()
