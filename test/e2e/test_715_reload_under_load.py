# SPDX-License-Identifier: Apache-2.0
"""A hundred reloads while clients ask and ask: no request fails, and nothing grows."""

import itertools
import os
import pathlib
import shutil
import signal
import threading

import pytest
import yaml
from origin import head, respond, send, trickle
from pushing import page
from reloading import wait_for
from steady_load import SteadyLoad, sanitizer
from tools import FRUGAL

ADMIN = {"listen": "127.0.0.1:0"}
IS_SLOW = sanitizer() is not None
RATE = 60 if IS_SLOW else 300  # requests a second
RELOADS = 100
LONG_SIZE = 60_000
# What a generation that is not freed would take is some 100 KB. AddressSanitizer keeps much in
# reserve, ThreadSanitizer writes down every access.
ROOM_KB = {"address": 16_000, "thread": 500_000}.get(sanitizer(), 3_000)
QUIET_ROOM_KB = {"address": 5_000, "thread": 500_000}.get(sanitizer(), 500)
STYLE = "</a.css>; rel=preload; as=style"


class Site:
    """An outrider, its configuration file and its certificate, which are changed while it runs."""

    def __init__(self, outrider, origin, make_certs, directory, **options):
        self.authorities = [make_certs("localhost") for _ in range(2)]
        self.tls = {"certificate": str(directory / "tls.crt"), "key": str(directory / "tls.key")}
        self.directory = directory
        self.renewals = itertools.cycle(self.authorities)
        self.renew()
        listeners = [{"address": "https://127.0.0.1:0", "tls": self.tls}, {"address": "http://127.0.0.1:0"}]
        self.proxy = outrider(
            origin, listeners=listeners, log={"access": "off"}, admin=ADMIN, env=FRUGAL, **options
        )
        self.path = pathlib.Path(self.proxy.arguments[1])
        self.good = 0
        self.failed = 0
        self.streams = None  # limits.streams in force, by which configurations are told apart

    def put(self, path, text):
        fresh = path.with_suffix(".new")
        fresh.write_text(text)
        os.replace(fresh, path)

    def change(self, streams):
        config = yaml.safe_load(self.path.read_text())
        config["limits"] = {"streams": streams}
        self.put(self.path, yaml.safe_dump(config, sort_keys=False))
        self.streams = streams

    def is_in_force(self):
        return f" streams: {self.streams} " in self.proxy.admin("/config").text

    def renew(self):
        """The key first: a look in between finds a pair that does not fit, and is refused."""
        made = next(self.renewals)
        for name, source in ("tls.key", made.key), ("tls.crt", made.certificate):
            shutil.copy(source, self.directory / f"{name}.new")
            os.replace(self.directory / f"{name}.new", self.directory / name)

    def counts(self):
        numbers = self.proxy.metrics()
        return [numbers[f'outrider_reloads_total{{result="{kind}"}}'] for kind in ("good", "failed")]

    def wait_counts(self):
        wait_for(lambda: self.counts() == [self.good, self.failed], 20)

    def reload(self, number):
        """One of the ways there are, in turn."""
        self.good += 1
        if number % 4 == 0:
            self.change(1000 + number)
            self.proxy.send_signal(signal.SIGHUP)
        elif number % 4 == 1:
            self.change(1000 + number)  # noticed by itself
        elif number % 4 == 2:
            self.renew()
        else:
            answer = self.proxy.admin("/reload", "POST")
            assert (answer.status, answer.text) == (200, "reloaded\n"), answer
        self.wait_counts()
        assert self.is_in_force()

    def reload_broken(self, number):
        """Refused with the place of the mistake; all stays as it was."""
        config_before = self.proxy.admin("/config").text
        good = self.path.read_text()
        broken = good + "rotues: []\n"
        place = f"{self.path}:{len(good.splitlines()) + 1}:1: rotues: unknown key"
        self.failed += 1
        log_before = len(self.proxy.stderr)
        self.put(self.path, broken)
        if number % 20 == 19:
            answer = self.proxy.admin("/reload", "POST")
            assert answer.status == 409 and place in answer.text, answer
        else:
            self.proxy.send_signal(signal.SIGHUP)
        self.wait_counts()
        wait_for(lambda: place in self.proxy.stderr[log_before:])
        assert place in self.proxy.admin("/stats.json").json["reloads"]["error"]
        assert self.proxy.admin("/config").text == config_before
        self.put(self.path, good)
        self.good += 1
        self.wait_counts()  # noticed by itself
        assert self.proxy.admin("/stats.json").json["reloads"]["error"] == ""


class Pushes:
    """A client that asks for a page with a push again and again."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.count = 0
        self.failures = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            while not self._stop.is_set():
                with self.proxy.h2() as client:
                    seen = client.get("/page")
                    pushes = client.wait_pushes()
                    paths = [(push.path, push.status, push.body) for push in pushes]
                    if seen.body != b"<html>" or paths != [("/a.css", 200, b"asset")] or client.goaways:
                        self.failures.append((seen, paths, client.goaways))
                    self.count += 1
                self._stop.wait(0.05)
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(repr(error))

    def stop(self):
        self._stop.set()
        self._thread.join()


@pytest.fixture
def site(outrider, origin, make_certs, tmp_path):
    origin.on("/", respond(200, [], b"hello"))
    origin.on("/long", send(head(200, [("content-length", LONG_SIZE)])), trickle(b"x" * LONG_SIZE, 2000, 0.1))
    page(origin, "/page", STYLE)
    directory = tmp_path / "tls"
    directory.mkdir()
    return Site(outrider, origin, make_certs, directory)


def lanes(proxy):
    return [(proxy.url("", "https"), 6), (proxy.url("", "http"), 6)]


@pytest.mark.limit(280)
def test_a_hundred_reloads_under_load(site):
    proxy = site.proxy
    pushes = Pushes(proxy)
    memory, files = [], []
    try:
        with (
            SteadyLoad(lanes(proxy), "/", 5, rate=RATE, recycle=50) as short,
            SteadyLoad(lanes(proxy), "/", 5, long=("/long", LONG_SIZE, 4)) as long,
        ):
            short.wait(lambda report: report["good"] > 2 * RATE / 10)
            for number in range(RELOADS):
                if number % 10 == 9:
                    site.reload_broken(number)
                else:
                    site.reload(number)
                if number % 20 == 0:
                    long.say("long")  # takes longer than the next few reloads
                if number in (19, RELOADS - 1):
                    memory.append(proxy.resident_kb())
                    files.append(proxy.open_files())
            kept = long.report()
            reports = [short.stop(), long.stop()]
    finally:
        pushes.stop()
    print(f"{RATE} requests a second: {reports}; pages with pushes: {pushes.count}; "
          f"memory {memory} KB, descriptors {files}")  # fmt: skip
    for report in reports:
        assert report["failures"] == [], report["failures"][:5]
        assert report["good"] == report["asked"] > 0
        quiet = ("turned_away", "again_h2", "again_h1", "goaways", "closes")
        assert not any(report[name] for name in quiet), report
    assert kept["long_begun"] == 20 and reports[1]["long_good"] == 20
    assert pushes.failures == [] and pushes.count > 10
    assert site.counts() == [RELOADS, RELOADS // 10]
    assert memory[1] - memory[0] < ROOM_KB
    assert files[1] - files[0] < 40  # clients come and go


@pytest.mark.limit(120)
def test_quiet_reloads_leave_nothing_behind(site):
    """Without a load small leaks show. AddressSanitizer's own memory grows for some hundred reloads
    before it stands."""
    proxy = site.proxy
    with proxy.h2() as client:
        client.get("/")
    memory, files = [], []
    for number in range(600):
        answer = proxy.admin("/reload", "POST")
        assert answer.status == 200
        if number in (399, 599):
            site.good = number + 1
            site.wait_counts()
            memory.append(proxy.resident_kb())
            files.append(proxy.open_files())
    print(f"memory {memory} KB, descriptors {files}")
    assert memory[1] - memory[0] < QUIET_ROOM_KB
    assert files[1] <= files[0] + 2


def test_a_storm_of_signals(site):
    """Each finds a good file; none is dropped on its way half done, and the last one counts."""
    proxy = site.proxy
    with SteadyLoad(lanes(proxy), "/", 5, rate=RATE) as load:
        load.wait(lambda report: report["good"] > 5)
        site.change(1234)
        for _ in range(50):
            proxy.send_signal(signal.SIGHUP)
        wait_for(site.is_in_force)
        report = load.stop()
    assert report["failures"] == [] and report["good"] == report["asked"]
    good, failed = site.counts()
    assert 1 <= good <= 51 and failed == 0
    assert proxy.admin("/ready").text == "ready\n"


def test_a_storm_of_questions(site):
    """Reloads that come from all sides at once are done one after the other."""
    proxy = site.proxy
    answers = []

    def ask():
        for _ in range(10):
            answers.append(proxy.admin("/reload", "POST", limit=30).status)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for number in range(10):
        site.change(2000 + number)
        proxy.send_signal(signal.SIGHUP)
    for thread in threads:
        thread.join()
    assert answers == [200] * 50
    wait_for(site.is_in_force)
    assert site.counts()[1] == 0


def test_a_reload_and_a_drain_at_once(site):
    """Whichever comes first, all ends well."""
    proxy = site.proxy
    with SteadyLoad(lanes(proxy), "/", 5, rate=RATE) as load:
        load.wait(lambda report: report["good"] > 5)
        for number in range(5):
            site.change(3000 + number)
            proxy.send_signal(signal.SIGHUP)
        proxy.send_signal(signal.SIGTERM)
        for _ in range(5):
            proxy.send_signal(signal.SIGHUP)
        assert proxy.process.wait(20) == 0
        report = load.stop()
    assert report["failures"] == [], report["failures"][:5]
    assert report["good"] + report["turned_away"] == report["asked"]
