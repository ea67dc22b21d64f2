# SPDX-License-Identifier: Apache-2.0
"""The emulated link for tests in Python: test/link/link.c, and a way to step into its two ends.

    with Link("slow") as link:
        with link.inside("server"):
            proxy = outrider(unix_origin, listeners=[...link.server_address...])
        with link.inside("client"):
            client = h2client.H2Client(...)          # sockets and processes stay where they began

Profiles: "cable" (28 ms, 5/1 Mbit/s), "slow" (100 ms, 1.6/0.77 Mbit/s), or
"RTT_MS:DOWN_KBIT:UP_KBIT:QUEUE_KB". The program is the one that OUTRIDER_LINK names; without it,
the source is compiled first.
"""

import atexit
import contextlib
import ctypes
import os
import pathlib
import re
import select
import shutil
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parent / "link.c"
CLONE_NEWNET = 0x40000000
READY = re.compile(r"ready client=(\S+) server=(\S+) client_address=(\S+) server_address=(\S+)")
START_LIMIT_S = 10
STOP_LIMIT_S = 10
EXIT_SKIP = 77


class LinkUnavailable(Exception):
    """No namespaces or no TUN devices here; the text says which."""


class Loopback:
    """The machine itself in place of a link, where there is none: both ends are here."""

    client_address = server_address = "127.0.0.1"

    def __init__(self):
        self.statistics = {}

    def inside(self, _end):
        return contextlib.nullcontext()

    def stop(self):
        pass


class Link:
    def __init__(self, profile):
        self.profile = profile
        self.statistics = {}  # of each way, once it has stopped
        self._process = subprocess.Popen(
            [program(), profile], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        line = self._first_line()
        match = READY.match(line)
        if match is None:
            self._process.kill()
            _, errors = self._process.communicate()
            error = LinkUnavailable if self._process.returncode == EXIT_SKIP else AssertionError
            raise error(errors.strip() or "the link program says nothing")
        self._files = {"client": match[1], "server": match[2]}
        self.client_address, self.server_address = match[3], match[4]

    def _first_line(self):
        if select.select([self._process.stdout], [], [], START_LIMIT_S)[0]:
            return self._process.stdout.readline()
        return ""

    @contextlib.contextmanager
    def inside(self, end):
        """This thread works in the client's or the server's network: its sockets are opened there,
        and programs that it starts stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(self._files[end], os.O_RDONLY)
        try:
            _enter(there)
            yield
        finally:
            _enter(home)
            os.close(there)
            os.close(home)

    def command(self, end, *words):
        """The words of a command that runs in the client's or the server's network."""
        return ["nsenter", f"--net={self._files[end]}", *map(str, words)]

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
        try:
            text, _ = self._process.communicate(timeout=STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        for line in text.splitlines():
            way, *pairs = line.split()
            self.statistics[way] = {k: int(v) for k, v in (pair.split("=") for pair in pairs)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def _enter(namespace):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def program():
    if "OUTRIDER_LINK" in os.environ:
        return os.environ["OUTRIDER_LINK"]
    directory = tempfile.mkdtemp(prefix="outrider-link-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    path = f"{directory}/link"
    subprocess.run(
        ["gcc", "-std=c17", "-O2", "-D_GNU_SOURCE", "-o", path, SOURCE], check=True, timeout=60
    )
    os.environ["OUTRIDER_LINK"] = path
    return path
