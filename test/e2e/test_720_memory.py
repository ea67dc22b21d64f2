# SPDX-License-Identifier: Apache-2.0
"""limits.memory: near it pushes stop, then new requests, and all comes back by itself."""

import os
import pathlib
import re
import signal
import time

import pytest
import yaml

from h2.settings import SettingCodes
from origin import head, respond, send, wait
from pushing import assets, page
from tools import FRUGAL

MIB = 1 << 20
HELD = 64_000  # what is held of a response for a client that does not read
REFUSED_STREAM = 7
STYLE = "</a.css>; rel=preload; as=style"
NAVIGATION = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
# The sanitizer's allocator gives back what is free every five seconds otherwise.
ENV = {"ASAN_OPTIONS": FRUGAL["ASAN_OPTIONS"] + ":allocator_release_to_os_interval_ms=50"}


class Filling:
    """An outrider whose memory clients fill that ask for much and take nothing."""

    def __init__(self, proxy, origin):
        self.proxy = proxy
        self.reloads = 0
        origin.on("/held", respond(200, body=b"x" * HELD))
        self.greedy = []
        with proxy.h2() as client, proxy.h1() as old:  # all that there is once is there now
            client.get("/")
            old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            old.read_response()

    def resident(self):
        return self.proxy.resident_kb() * 1024

    def set_limit(self, size):
        path = pathlib.Path(self.proxy.arguments[1])
        config = yaml.safe_load(path.read_text())
        config["limits"]["memory"] = size
        fresh = path.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(config, sort_keys=False))
        os.replace(fresh, path)
        self.reloads += 1
        self.proxy.send_signal(signal.SIGHUP)
        self.proxy.wait_stderr(rf"reloaded file=\S+ reloads={self.reloads}\n")

    def set_limit_above(self):
        """One that is far enough from what is used now."""
        self.limit = max(int(1.6 * self.resident()), self.resident() + 40 * MIB)
        self.set_limit(self.limit)
        self.proxy.wait_stderr(rf"memory limit={self.limit} from=limits.memory")

    def fill(self, bytes_to_use):
        """Until so much is used, or no more is allowed."""
        is_refused = False
        while self.resident() < bytes_to_use and not is_refused:
            client = self.proxy.h2(tls=False, settings={SettingCodes.INITIAL_WINDOW_SIZE: 0})
            self.greedy.append(client)
            ids = [client.request("/held") for _ in range(8)]  # one connection holds 1 MB at most
            for stream_id in ids:
                is_refused = client.wait_head(stream_id).reset == REFUSED_STREAM or is_refused

    def close(self):
        while self.greedy:
            self.greedy.pop().close()

    def wait_told(self, text, count=1):
        """The line in the error log that says so, for the count-th time."""
        return self.proxy.wait_stderr(rf"(?s)({text}.*?){{{count}}}")

    def make_short(self):
        self.fill(0.825 * self.limit)
        self.wait_told("memory is short: no pushes, nothing is learned used=")

    def make_full(self):
        self.fill(0.925 * self.limit)
        self.wait_told("memory is full: new requests are refused used=")

    def release(self):
        self.close()
        self.wait_told("memory suffices again used=")


@pytest.fixture
def filling(outrider, origin):
    made = []

    def start(**options):
        limits = {"streams": 5000, "memory": "1000GiB"}
        options = {"limits": limits, "timeouts": {"write": "5m"}, "env": ENV, **options}
        made.append(Filling(outrider(origin, {"max_connections": 8}, **options), origin))
        return made[-1]

    yield start
    for site in made:
        site.close()


@pytest.mark.limit(120)
def test_short_then_full_then_well(filling, origin):
    assets(origin)
    for name in "plenty", "short", "full", "well":
        page(origin, f"/{name}", f"</{name}.css>; rel=preload; as=style")
    page(origin, "/known", STYLE)
    page(origin, "/unknown", STYLE)
    origin.on("/long", send(head(200, [("content-length", "8")]) + b"half"), wait("go"), send(b"half"))
    site = filling(workers=1)
    proxy = site.proxy
    for _ in range(2):
        with proxy.h2(push=False) as client:
            client.get("/known", NAVIGATION)
    site.set_limit_above()
    with proxy.h2() as client, proxy.h2(push=False) as browser, proxy.h1() as old:
        long = client.request("/long")
        client.wait_until(lambda: client.responses[long].body == b"half")
        client.get("/plenty")
        assert [push.path for push in client.wait_pushes()] == ["/plenty.css"]

        site.make_short()
        assert client.get("/short").status == 200
        assert len(client.pushes) == 1
        assert len(browser.get("/known", NAVIGATION).interim) == 1  # hints cost little
        for _ in range(3):
            with proxy.h2(push=False) as other:
                assert other.get("/unknown", NAVIGATION).interim == []

        site.make_full()
        assert client.get("/full").reset == REFUSED_STREAM
        assert client.get("/full", method="POST", body=b"x" * 100_000).reset == REFUSED_STREAM
        assert client.goaway is None
        origin.event("go").set()
        assert client.wait(long).body == b"halfhalf"
        old.send(b"GET /full HTTP/1.1\r\nHost: a\r\n\r\n")
        with proxy.h1() as fresh:  # a new connection as well
            fresh.send(b"GET /full HTTP/1.1\r\nHost: a\r\n\r\n")
            for connection in old, fresh:
                status, fields, body = connection.read_response()
                assert status == 503 and b"memory" in body
                assert dict(fields)["retry-after"] == "1"
                assert dict(fields)["connection"] == "close"
                assert connection.is_closed()
        with pytest.raises(OSError):  # before the handshake
            proxy.h2()
        assert origin.seen("/full") == []

        site.release()
        assert client.get("/well").status == 200
        assert "/well.css" in [push.path for push in client.wait_pushes()]
        assert browser.get("/unknown", NAVIGATION).interim == []  # which was not learned
    with proxy.h2() as client, proxy.h1() as old:
        assert client.get("/well").status == 200
        old.send(b"GET /well HTTP/1.1\r\nHost: a\r\n\r\n")
        assert old.read_response()[0] == 200
    proxy.stop()
    lines = {line["path"]: line for line in proxy.access_log()}
    assert lines["/short"]["skipped"] == {"memory": 1}
    assert {line["fault"] for line in proxy.access_log() if line["path"] == "/full"} == {"memory_full"}
    assert "fault" not in lines["/long"]
    # Once for each change, with figures.
    told = re.findall(r"(\w+) ceiling - memory (\w+).*used=(\d+) limit=(\d+)", proxy.stderr)
    assert [word for _, word, _, _ in told] in (
        ["is", "is", "suffices"], ["is", "is", "is", "suffices"])  # fmt: skip
    assert all(int(limit) == site.limit for _, _, _, limit in told)


@pytest.mark.limit(120)
def test_a_reload_changes_the_ceiling(filling, origin):
    assets(origin)
    site = filling()
    with site.proxy.h2() as client:
        site.fill(site.resident() + 24 * MIB)
        assert client.get("/1").status == 200
        site.set_limit(int(site.resident() / 0.95))
        site.wait_told("memory is full")
        assert client.get("/2").reset == REFUSED_STREAM
        site.set_limit(2 * site.resident())
        site.wait_told("memory suffices again")
        assert client.get("/3").status == 200
        site.set_limit(int(site.resident() / 0.95))
        site.wait_told("memory is full", 2)
        site.set_limit("auto")
        site.wait_told("memory suffices again", 2)
        assert client.get("/4").status == 200


# --- how many workers ----------------------------------------------------------------------------


def test_workers_by_affinity(outrider, origin):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        proxy = outrider(origin, workers="auto")
    finally:
        os.sched_setaffinity(0, before)
    proxy.wait_stderr("workers=1 from=processors")
    assert outrider(origin, workers=3).wait_stderr("workers=3 from=configuration")


@pytest.fixture
def cpu_group():
    """An own control group whose time is worth half a processor, with this process in it."""
    for parent, limits in [
        ("/sys/fs/cgroup/cpu", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}),
        ("/sys/fs/cgroup", {"cpu.max": "50000 100000"}),
    ]:
        parent = pathlib.Path(parent)
        group = parent / f"outrider-test-{os.getpid()}"
        if not (parent / "cgroup.procs").exists():
            continue
        try:
            group.mkdir()
            for name, text in limits.items():
                (group / name).write_text(text)
            before = own_group(parent)
            (group / "cgroup.procs").write_text(str(os.getpid()))
        except OSError:
            if group.exists():
                group.rmdir()
            continue
        yield group
        (before / "cgroup.procs").write_text(str(os.getpid()))
        end = time.monotonic() + 10
        while True:
            try:
                group.rmdir()
                return
            except OSError:  # who leaves it is not gone at once
                assert time.monotonic() < end
                time.sleep(0.02)
    pytest.skip("no control group can be made here")


def own_group(mount):
    """The folder of the group that this process is in now."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(",") if mount.name == "cpu" else controllers == "":
            return pathlib.Path(str(mount) + path)
    raise OSError("no group")


def test_workers_by_quota(outrider, origin, cpu_group):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor is one worker anyway")
    origin.on("/", respond(200, body=b"hello"))
    proxy = outrider(origin, workers="auto")
    proxy.wait_stderr(rf"workers=1 from={re.escape(str(cpu_group))}\n")
    with proxy.h2() as client:
        assert client.get("/").body == b"hello"
    proxy.stop()  # it is in the group as well
