# SPDX-License-Identifier: Apache-2.0
"""Clients that ask at a steady rate, in a process of their own: see steady_load.js.

    with SteadyLoad([(proxy.url("", "https"), 4)], "/", 5, rate=100) as load:
        load.wait(lambda report: report["good"] > 50)
        report = load.stop()
    assert not report["failures"]
"""

import contextlib
import json
import pathlib
import select
import subprocess
import time

from conftest import binary

SCRIPT = pathlib.Path(__file__).with_name("steady_load.js")
LIMIT_S = 60


def sanitizer():
    """ "address", "thread" or None. With one a build does everything, but much more slowly."""
    text = binary().read_bytes()
    return "address" if b"__asan_init" in text else "thread" if b"__tsan_init" in text else None


class SteadyLoad:
    def __init__(self, lanes, path, size, rate=0, recycle=0, long=None):
        """`lanes`: (URL without path, connections). `long`: (path, size, count)."""
        plan = {"lanes": [{"url": url.rstrip("/"), "count": count} for url, count in lanes],
                "path": path, "size": size, "rate": rate, "recycle": recycle}  # fmt: skip
        if long:
            plan["long"] = dict(zip(("path", "size", "count"), long))
        self.process = subprocess.Popen(
            ["node", str(SCRIPT), json.dumps(plan)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def say(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()

    def report(self, word="report", limit=LIMIT_S):
        """What has come so far: a dictionary, see steady_load.js."""
        self.say(word)
        ready, _, _ = select.select([self.process.stdout], [], [], limit)
        assert ready, "the clients do not answer"
        return json.loads(self.process.stdout.readline())

    def wait(self, condition, limit=LIMIT_S):
        """The first report for which the condition holds."""
        end = time.monotonic() + limit
        while not condition(report := self.report()):
            assert time.monotonic() < end, report
            time.sleep(0.05)
        return report

    def stop(self, limit=LIMIT_S):
        """Waits for what is under way; the last report."""
        report = self.report("stop", limit)
        self.process.wait(10)
        return report

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
