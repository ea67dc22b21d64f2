# SPDX-License-Identifier: Apache-2.0
"""What scripts/bench measures: the processor time that each unit of some work costs a proxy.
Memory, latency and growth stand in their own files and use what is here."""

import dataclasses
import os
import re
import statistics
import subprocess

import peers

TLS = ["--tls13-ciphers=TLS_AES_128_GCM_SHA256", "--groups=X25519"]
RUN_LIMIT_S = 180
MB10 = 10 << 20
OURS = "outrider"
FLOOR = "wrk"


class CannotDo(Exception):
    """This proxy can't do this work; the text says what is missing."""


@dataclasses.dataclass
class Sample:
    cost: float  # of the proxy, per unit
    rate: float  # units a second
    found: dict = dataclasses.field(default_factory=dict)  # what bench_load says


@dataclasses.dataclass
class Row:
    """One line of a table: the samples of each proxy, taken in turns."""

    group: str  # cpu, memory, latency or growth
    key: str
    title: str
    unit: str
    samples: dict
    notes: dict = dataclasses.field(default_factory=dict)  # why a proxy has no samples
    found: dict = dataclasses.field(default_factory=dict)  # what else the load saw, each time
    target: float = None  # outrider to the best peer, at most
    against: str = None  # to this peer instead
    digits: int = 1

    def middle(self, name):
        return statistics.median(self.samples[name])

    def best(self):
        """The cheapest of the others, without other builds of ours and the floor."""
        names = [self.against] if self.against else peers.COMMANDS
        others = [name for name in names if name != OURS and self.samples.get(name)]
        return min(others, key=self.middle, default=None)

    def ratio(self, other):
        """Of neighbours in turns, so that what the machine did meanwhile is in both."""
        pairs = zip(self.samples[OURS], self.samples[other])
        return statistics.median(ours / theirs if theirs else 0 for ours, theirs in pairs)


@dataclasses.dataclass
class Check:
    """A target that is no ratio to the best peer in one row."""

    title: str
    value: str
    target: str
    is_met: bool


class Bench:
    """One run: which proxies, how often, how long, and what came out."""

    def __init__(self, site, names, rounds, seconds, say):
        self.site = site
        self.names = names
        self.rounds = rounds
        self.seconds = seconds
        self.say = say
        self.rows = []
        self.checks = []
        self.faults = []
        self.has_failed = False  # outrider, at anything

    def fail(self, name, what, why):
        self.faults.append(f"{name} at {what}: {why}")
        self.has_failed |= name == OURS
        self.say(f"{name} failed at {what}: {why}")
        return "failed"

    def start(self, names, **options):
        """Those that start; the caller stops them."""
        extra = options.pop("extra", {})
        running = {}
        for name in names:
            lines = extra.get(peers.kind_of(name), "")
            proxy = peers.Proxy(name, self.site, extra=lines, **options)
            running[proxy.name] = proxy
        return running

    def in_turns(self, row, run, first, step=1, names=None, floor=None, rounds=None, **options):
        """A warm-up that tells how much fits into the time, then rounds: A B C A B C ..."""
        counts = {}
        running = self.start(self.names if names is None else names, **options)
        try:
            for name, proxy in running.items():
                try:
                    rate = run(proxy, first).rate
                    counts[name] = max(int(rate * self.seconds) // step, 1) * step
                except CannotDo as why:
                    row.notes[name] = str(why)
                except RuntimeError as why:
                    row.notes[name] = self.fail(name, row.key, why)
            for _ in range(rounds or self.rounds):
                for name, count in list(counts.items()):
                    running[name].cut_log()
                    try:
                        self.add(row, name, run(running[name], count))
                    except (CannotDo, RuntimeError) as why:
                        row.notes[name] = self.fail(name, row.key, why)
                        row.samples.pop(name, None)
                        del counts[name]
                if floor:
                    self.add(row, FLOOR, floor(self.site, self.seconds))
        finally:
            for proxy in running.values():
                proxy.stop()
        self.rows.append(row)
        return row

    @staticmethod
    def add(row, name, sample):
        row.samples.setdefault(name, []).append(sample.cost)
        row.found.setdefault(name, []).append(sample.found)


# ---- The loads ----------------------------------------------------------------------------------


def spent_us(proxy, before):
    return (proxy.cpu_ns() - before) / 1000


def h2load(path, *words):
    """What bench_load does not do: content of requests, and HTTP/1.1. Opening the connections is
    part of it, and all but lost in the number of requests."""

    def run(proxy, count):
        folder = str(proxy.site.folder)
        machine = proxy.site.machine
        url = f"https://127.0.0.1:{proxy.port}{path}"
        filled = [word.replace("@FOLDER@", folder) for word in words]
        before = proxy.cpu_ns()
        text = subprocess.run(
            [*machine.on(machine.load), "h2load", *TLS, "-t1", *filled, f"-n{count}", url],
            text=True, capture_output=True, timeout=RUN_LIMIT_S,
        ).stdout  # fmt: skip
        cost = spent_us(proxy, before)
        good = re.search(r"status codes: (\d+) 2xx", text)
        if not good or int(good[1]) != count:
            raise RuntimeError(f"not all of {count} went well: {text[-600:]} {proxy.said()}")
        return Sample(cost / count, float(re.search(r"([\d.]+) req/s", text)[1]))

    return run


class Load:
    """bench_load, which waits for a word before each step."""

    def __init__(self, proxy, *words):
        machine = proxy.site.machine
        command = [*machine.on(machine.load), proxy.site.load, *words, "-P", proxy.port]
        self.process = subprocess.Popen(
            [str(word) for word in command],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.kill()
        self.process.communicate()

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.stderr.read())
        return line

    def wait_ready(self):
        line = self._line()
        assert line == "ready\n", line

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def results(self):
        pairs = (word.split("=") for word in self._line().split())
        return {key: float(value) for key, value in pairs}


def measure(proxy, count, *words):
    """What a work of bench_load costs, once its connections are open."""
    with Load(proxy, *words, f"-n{count}") as load:
        before = proxy.cpu_ns()
        load.go()
        found = load.results()
        cost = spent_us(proxy, before)
    if found["failed"] or found["lost"] > found["done"] / 100:
        raise RuntimeError(f"{words}: {found} {proxy.said()}")
    return Sample(cost / found["done"], found["done"] / found["seconds"], found)


def requests(path, *words):
    return lambda proxy, count: measure(proxy, count, "requests", "-p", path, *words)


def connects(*words):
    def run(proxy, count):
        sample = measure(proxy, count, "connects", "-c20", "-p/bytes/1024", *words)
        if "-R" in words and sample.found["reused"] < 0.99 * count:
            raise CannotDo(f"only {sample.found['reused']:.0f} of {count} resumed")
        return sample

    return run


def pages(proxy, count):
    """Each page with its pushes before the next; a connection is used for a hundred pages, since
    some remember what they have pushed on it."""
    if proxy.name == "haproxy":
        raise CannotDo("no push")
    sample = measure(proxy, count, "pages", "-c10", "-U")
    if sample.found["pushes"] < 9.9 * count:
        raise CannotDo(f"{sample.found['pushes'] / count:.1f} pushes a page")
    return sample


NAVIGATION = [f"-H{field}" for field in (
    "sec-fetch-mode: navigate", "sec-fetch-dest: document", "sec-fetch-site: none",
    "accept: text/html",
)]  # fmt: skip


def hints(path):
    def run(proxy, count):
        if proxy.name == "nginx" and path.startswith("/hinted"):
            raise CannotDo("hangs at a 103")
        words = ("requests", "-c50", "-f100", "-k10", *NAVIGATION, "-p", path)
        measure(proxy, 200, *words)  # to have something learned
        sample = measure(proxy, count, *words)
        if sample.found["hints"] < 0.99 * count:
            raise CannotDo("no 103")
        return sample

    return run


def floor(path):
    """The origin leg driven by a bare load generator on the proxies' core."""

    def run(site, seconds):
        command = ["wrk", "-t1", "-c50", f"-d{max(seconds, 1):.0f}s"]
        process = subprocess.Popen(
            [*site.machine.on(site.machine.proxy), *command, f"http://127.0.0.1:{site.port}{path}"],
            text=True, stdout=subprocess.PIPE,
        )  # fmt: skip
        text = process.stdout.read()
        process.stdout.close()
        _, process.returncode, used = os.wait4(process.pid, 0)
        count = int(re.search(r"(\d+) requests in", text)[1])
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
        return Sample((used.ru_utime + used.ru_stime) * 1e6 / count, rate)

    return run


# ---- The works ----------------------------------------------------------------------------------

PLAIN = ["-c50", "-f1000"]
# What a browser sends, and three cookies: 30 fields beside the pseudo fields.
FIELDS = [f"-H{name}: {value}" for name, value in [
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"),
    ("accept-language", "en-GB,en;q=0.9,fr;q=0.8"), ("accept-encoding", "gzip, deflate, br"),
    ("referer", "https://localhost/news/2026/11/21/"), ("cache-control", "max-age=0"),
    ("sec-ch-ua", '"Chromium";v="156", "Not A(Brand";v="24"'), ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", '"Linux"'), ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("sec-gpc", "1"), ("dnt", "1"),
    ("priority", "u=1, i"), ("upgrade-insecure-requests", "1"),
    *((f"x-application-{number}", f"value-of-the-field-{number}") for number in range(11)),
    ("cookie", "session=" + "s" * 64), ("cookie", "theme=dark"),
    ("cookie", "seen=" + "0123456789" * 8),
]]  # fmt: skip


def cpu(key, title, unit, run, first, step=1, target=None, **options):
    """A work of which processor time is measured."""

    def perform(bench):
        row = Row("cpu", key, title, unit, {}, target=target)
        bench.in_turns(row, run, first, step, **options)

    return key, perform


def small(bench):
    row = Row("cpu", "small", "GET 1 KB, 50 connections × 20 streams", "request", {}, target=0.75)
    bench.in_turns(row, requests("/bytes/1024", *PLAIN), 5000, floor=floor("/bytes/1024"))
    if OURS in row.samples:
        times = row.ratio(FLOOR)
        title = "1 KB request, against the floor (wrk on the same origin leg)"
        bench.checks.append(Check(title, f"{times:.2f} ×", "≤ 1.35 ×", times <= 1.35))


def pushed_pages(bench):
    title = "page of 10 KB with ten pushed assets of 2 KB"
    row = Row("cpu", "pushes", title, "page", {}, target=0.6)
    bench.in_turns(row, pages, 200)
    title = "from a page's request to the end of its last pushed asset, p50, ten pages at once"
    times = {name: [found["p50"] for found in every] for name, every in row.found.items()}
    bench.rows.append(Row("latency", "pushes", title, "µs", times, row.notes, digits=0))


WORKS = dict([
    ("small", small),
    cpu("10k", "GET 10 KB, 50 × 20", "request", requests("/bytes/10240", *PLAIN), 5000,
        target=0.75, floor=floor("/bytes/10240")),
    cpu("10m-down", "GET 10 MB, 6 connections", "download",
        requests(f"/bytes/{MB10}", "-c6", "-f6"), 12, 6, 0.8),
    cpu("10m-up", "POST 10 MB, 6 connections", "upload",
        h2load("/bytes/2", "-c6", "-m1", "-d", "@FOLDER@/10m"), 12, 6, 0.8),
    cpu("full", "new TLS connection, full handshake, GET 1 KB", "connection", connects(), 200,
        target=0.95),
    cpu("resumed", "new TLS connection, resumed, GET 1 KB", "connection", connects("-R"), 200,
        target=0.9),
    cpu("http1", "GET 1 KB, 50 HTTP/1.1 clients over TLS", "request",
        h2load("/bytes/1024", "--h1", "-c50"), 2000, 50),
    ("pushes", pushed_pages),
    cpu("learned-hints", "page of 1 KB with a learned 103 before it", "request",
        hints("/learn/%"), 2000),
    cpu("passed-hints", "page of 1 KB whose origin sends a 103", "request",
        hints("/hinted/%"), 2000),
    cpu("fields", "GET 1 KB with 30 fields and cookies", "request",
        requests("/bytes/1024", *PLAIN, *FIELDS), 3000),
    cpu("links", "GET 1 KB with a Link field of 100 elements", "request",
        requests("/links/100", *PLAIN), 3000),
    cpu("unix", "GET 1 KB, 50 × 20, origin on a unix socket", "request",
        requests("/bytes/1024", *PLAIN), 5000, target=0.75, origin="unix"),
])  # fmt: skip
