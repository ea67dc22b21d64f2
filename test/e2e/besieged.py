# SPDX-License-Identifier: Apache-2.0
"""An outrider under attack: well-behaved clients beside the enemy, and what the attack costs.

    siege = besieged.fixture()                      # one for all tests of the file

    def test_ping_flood(siege):
        with siege.watch() as seen:
            siege.flood(attacks.FLOODS["ping"], codes=[ENHANCE_YOUR_CALM])
        seen.expect(limits=["frames"])

There is one worker, so that the enemy and the others share a thread. OUTRIDER_TEST_LONG=1 is the
long form: 50 well-behaved clients also with sanitizers, 12 enemies, each attack a minute.
OUTRIDER_TEST_FIGURES=FILE is between: 12 enemies, each attack some seconds, and what was measured is
appended to the file, a line of JSON for each test (scripts/acceptance reads it).

Tests with @pytest.mark.short, or shortly() for some of their parameters, are in the default run; all
of them are in `meson test --suite attack`.
"""

import json
import os
import pathlib
import re
import threading
import time

import pytest
import yaml

import conftest
import attacks
from attacks import Enemy, FastOrigin
from steady_load import SteadyLoad, sanitizer
from tools import FRUGAL

IS_LONG = os.environ.get("OUTRIDER_TEST_LONG", "0") != "0"
IS_SLOW = sanitizer() is not None
FIGURES = os.environ.get("OUTRIDER_TEST_FIGURES")
CLIENTS = 50 if IS_LONG or not IS_SLOW else 16
RATE = 100 if not IS_SLOW else 40  # their requests a second, all together
ENEMIES = 12 if IS_LONG or FIGURES else 3
SECONDS = 60 if IS_LONG else 2 if FIGURES else 0.7
# A sanitizer needs that much more memory and time for the same.
MEMORY_FACTOR = 4 if IS_SLOW else 1
CPU_FACTOR = 6 if IS_SLOW else 1
# How long a well-behaved client may wait in the short form, where it shares its processor with
# enemies written in Python and perhaps with other tests. The long form compares with quiet times.
PATIENCE_MS = 4000 if IS_SLOW else 1500
TICKS = os.sysconf("SC_CLK_TCK")


def shortly(names, *short):
    """Parameters of which these are in the default run."""
    assert set(short) <= set(names), short
    return [pytest.param(name, marks=pytest.mark.short if name in short else ()) for name in names]


def note_figures(**figures):
    """For scripts/acceptance, under the name of the test that runs."""
    if FIGURES:
        test = os.environ["PYTEST_CURRENT_TEST"].rsplit(" ", 1)[0].rsplit("/", 1)[-1]
        with open(FIGURES, "a", encoding="utf-8") as file:
            file.write(json.dumps({"test": test, **figures}) + "\n")


def give_way():
    """This thread and those that it starts, where figures are wanted: an attacker has processors of
    its own, and takes none from the clients that are measured."""
    if FIGURES:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


def come_back(priority):
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), priority)
    except PermissionError:
        pass  # without privileges all that is started from now on gives way as well


def cpu_seconds(proxy):
    """User and system time that it has used."""
    stat = pathlib.Path(f"/proc/{proxy.process.pid}/stat").read_text()
    fields = stat.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Seen:
    """What happened between two moments."""

    def __init__(self, siege):
        self.siege = siege
        self.before = siege.proxy.metrics()
        self.load_before = siege.load.report()
        siege.load.report("times")
        self.cpu_before = cpu_seconds(siege.proxy)
        siege.forget_peak()
        self.memory_before = siege.proxy.resident_kb()
        self.began = time.monotonic()

    def end(self):
        self.seconds = time.monotonic() - self.began
        self.cpu = cpu_seconds(self.siege.proxy) - self.cpu_before
        self.memory_kb = self.siege.peak_kb() - self.memory_before
        self.siege.wait_quiet()
        served = self.load_before["good"] + 20
        self.siege.load.wait(lambda report: report["good"] >= served)
        self.after = self.siege.proxy.metrics()
        self.load = self.siege.load.report()
        self.times = self.siege.load.report("times")

    def rise(self, name):
        return self.after.get(name, 0) - self.before.get(name, 0)

    def labels(self, family):
        """{label: how much it rose}, of those that did."""
        names = {name for name in self.after if name.startswith(f"outrider_{family}{{")}
        rows = {re.search(r'"([^"]*)"}$', name)[1]: self.rise(name) for name in names}
        return {label: count for label, count in rows.items() if count}

    def loop_lag(self):
        """Within how many seconds the worker came to all of its timers, as its metrics say; and None
        where it was later than they can tell."""
        rows = []
        for name in self.after:
            if match := re.fullmatch(r'outrider_loop_lag_seconds_bucket\{le="([^"]*)"\}', name):
                rows.append((float(match[1]), self.rise(name)))
        rows.sort()
        most = rows[-1][1]
        return next((bound for bound, count in rows if count >= most and bound != float("inf")), None)

    @property
    def limits(self):
        return self.labels("limit_hits_total")

    @property
    def origin_requests(self):
        """Those of the enemy alone."""
        asked = self.load["asked"] - self.load_before["asked"]
        counts = self.labels("origin_requests_total")
        return max(counts.get("app", 0) + counts.get("heavy", 0) - asked, 0)

    def expect(
        self,
        limits=(),
        exchanges=None,
        connections=None,
        memory_mb=16,
        cores=1.2,
        patience_ms=PATIENCE_MS,
    ):
        """Exactly these limits were met, and faults of exchanges and connections, if they are said;
        memory and processor time stayed in bounds, and the well-behaved lost nothing."""
        print(f"{self.seconds:.1f} s, {self.cpu:.2f} s of processor time, {self.memory_kb / 1024:.1f} MB; "
              f"limits {self.limits}, exchanges {self.labels('exchange_faults_total')}, "
              f"connections {self.labels('connection_faults_total')}; others {self.times}, "
              f"loop lag {self.loop_lag()}")  # fmt: skip
        note_figures(
            seconds=self.seconds,
            cores=self.cpu / max(self.seconds, 1),  # ticks are coarse
            memory_mb=self.memory_kb / 1024,
            limits=self.limits,
            origin_requests=self.origin_requests,
            events=sum(self.labels("exchange_faults_total").values()),
            p99_ms=self.times["p99"],
            quiet_p99_ms=self.siege.quiet["p99"],
            loop_lag_ms=1000 * (self.loop_lag() or 60),
            answers=self.times["count"],
            failures=len(self.load["failures"]),
        )
        assert set(self.limits) == set(limits)
        if exchanges is not None:
            assert set(self.labels("exchange_faults_total")) == set(exchanges)
        if connections is not None:
            assert set(self.labels("connection_faults_total")) == set(connections)
        assert self.memory_kb <= memory_mb * 1024 * MEMORY_FACTOR
        assert self.cpu <= cores * self.seconds + 0.1
        self.expect_others_unharmed(patience_ms)

    def expect_others_unharmed(self, patience_ms):
        assert self.load["failures"] == [], self.load["failures"][:5]
        refused = ("turned_away", "again_h2", "again_h1", "goaways")
        assert not any(self.load[name] for name in refused), self.load
        assert self.load["good"] > self.load_before["good"]
        if FIGURES:
            return  # who reads them judges
        if IS_LONG and not IS_SLOW and patience_ms == PATIENCE_MS:
            quiet = self.siege.quiet
            assert self.times["p99"] <= max(2 * quiet["p99"], quiet["p99"] + 5), (self.times, quiet)
        else:
            assert self.times["p99"] <= patience_ms, self.times


class Watch:
    def __init__(self, siege):
        self.siege = siege

    def __enter__(self):
        self.seen = Seen(self.siege)
        self.priority = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        give_way()
        return self.seen

    def __exit__(self, kind, *_):
        come_back(self.priority)
        if kind is None:
            self.seen.end()


# What takes long or is large: for enemies. With a hundred of them an origin is busy.
HEAVY = ("wait", "held", "medium", "large")


class Siege:
    """`others` are further origins, by name; their paths begin with it. Enemies have an origin of their
    own for what is heavy, unless one_origin is said, so that what the others feel is outrider."""

    def __init__(
        self, directory, certs, origin_options=None, others=None, env=None, prefix=(),
        one_origin=False, **sections
    ):  # fmt: skip
        self.origin = FastOrigin()
        self.heavy = None if one_origin else FastOrigin()
        others = {name: {"url": url} for name, url in (others or {}).items()}
        options = origin_options or {}
        origins = {"app": {"url": self.origin.url, **options}, **others}
        routes = [{"path": f"/{name}", "origin": name} for name in others]
        if self.heavy:
            origins["heavy"] = {"url": self.heavy.url, **options}
            routes += [{"path": f"/{name}", "origin": "heavy"} for name in HEAVY]
        config = {
            "listeners": conftest.default_listeners(certs),
            "origins": origins,
            "routes": [{"origin": "app"}, *routes],
            "workers": 1,
            "admin": {"listen": "127.0.0.1:0"},
            "log": {"access": "off"},
            **sections,
        }
        path = directory / "outrider.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        self.path = path
        env = {**FRUGAL, **(env or {})}
        self.proxy = conftest.Outrider(directory, ["-c", str(path)], 2, env, prefix=prefix)
        half = CLIENTS // 2
        lanes = [(self.proxy.url("", "https"), half), (self.proxy.url("", "http"), half)]
        self.load = SteadyLoad(lanes, "/", 5, rate=RATE)
        self.load.wait(lambda report: report["good"] >= 3 * CLIENTS)
        self.quiet = self._quiet()

    def _quiet(self):
        self.load.report("times")
        time.sleep(10 if IS_LONG else 5 if FIGURES else 0)
        return self.load.report("times")

    def stop(self):
        try:
            self.load.__exit__()
            self.proxy.stop()
        finally:
            self.origin.stop()
            if self.heavy:
                self.heavy.stop()

    # -- what it costs

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.proxy.process.pid}/clear_refs").write_text("5")

    def peak_kb(self):
        status = pathlib.Path(f"/proc/{self.proxy.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1])

    def watch(self):
        return Watch(self)

    def number(self, name):
        return self.proxy.metrics()["outrider_" + name]

    def wait_number(self, name, condition, limit=10):
        end = time.monotonic() + limit
        while not condition(value := self.number(name)):
            assert time.monotonic() < end, f"{name} is {value}"
            time.sleep(0.05)

    def wait_quiet(self, limit=10):
        """Until nothing of the enemies is left."""
        end = time.monotonic() + limit
        while True:
            numbers = self.proxy.metrics()
            connections = numbers['outrider_connections{protocol="http2"}']
            requests = numbers['outrider_exchanges{kind="request"}']
            if connections <= CLIENTS // 2 and requests <= 6:
                return
            assert time.monotonic() < end, f"{connections} connections, {requests} requests"
            time.sleep(0.02)

    # -- enemies

    def enemy(self, tls=False, **options):
        return Enemy(self.proxy.port("https" if tls else "http"), tls, **options)

    def flood(self, attack, codes, seconds=None, enemies=None, within=None, **options):
        """Enemies that attack again and again, on a new connection when the server has ended one. It
        must end each of them within `within` seconds, and say one of the codes if it says anything.
        Returns how many there were and how much they sent."""
        seconds = SECONDS if seconds is None else seconds
        problems, sent = [], []
        end = time.monotonic() + seconds
        # who comes late has little time left for its work
        within = within or max(1.0, seconds) * (5 if IS_SLOW else 1)

        def run():
            while time.monotonic() < end:
                with self.enemy(**options) as enemy:
                    began = time.monotonic()
                    enemy.flood(attack(enemy), within)
                    enemy.wait_ended(within)
                    sent.append(enemy.sent)
                    if not enemy.has_ended:
                        problems.append(f"not ended after {time.monotonic() - began:.2f} s")
                    elif enemy.code not in (None, *codes):
                        problems.append(f"GOAWAY {enemy.code}")
                    codes_seen.append(enemy.code)

        codes_seen = []
        threads = [threading.Thread(target=run) for _ in range(enemies or ENEMIES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems, problems[:5]
        assert len(codes_seen) >= len(threads)
        return len(sent), sum(sent)


def fixture(origin_options=None, **options):
    """A fixture `siege` for all tests of a file."""

    @pytest.fixture(scope="module")
    def siege(tmp_path_factory, certs):
        made = Siege(tmp_path_factory.mktemp("siege"), certs, origin_options, **options)
        yield made
        made.stop()

    return siege
