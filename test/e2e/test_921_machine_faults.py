# SPDX-License-Identifier: Apache-2.0
"""Descriptors that run out, logs that nobody takes, disks that are full and clocks that jump, beside
well-behaved clients."""

import contextlib
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest

import attacks
import besieged
from attacks import FastOrigin
from besieged import IS_LONG, IS_SLOW
from conftest import FINDING

SECONDS = 10 if IS_LONG else 2


@contextlib.contextmanager
def started(directory, certs, **options):
    siege = besieged.Siege(directory, certs, **options)
    try:
        yield siege
    finally:
        siege.stop()


# --- descriptors ---------------------------------------------------------------------------------


def limit_files(siege, count):
    resource.prlimit(siege.proxy.process.pid, resource.RLIMIT_NOFILE, (count, count))


@pytest.mark.short
def test_descriptors_run_out(outrider, origin):
    """Of all at once: accepting rests and costs nothing, who is there is served, and it recovers."""
    proxy = outrider(origin, {"idle_timeout": "60s"}, workers=1, admin={"listen": "127.0.0.1:0"})
    with proxy.h2() as client, proxy.h1() as old:
        for _ in range(3):
            assert client.get("/").status == 404
            old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert old.read_response()[0] == 404
        resting = 'outrider_limit_hits_total{limit="descriptors"}'
        assert proxy.metrics()[resting] == 0
        allowed = proxy.open_files() + 3
        resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (allowed, allowed))
        crowd = [socket.create_connection(("127.0.0.1", proxy.http_port)) for _ in range(50)]
        proxy.wait_stderr("cannot accept for a moment")
        before = besieged.cpu_seconds(proxy)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            assert client.get("/").status == 404
            old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert old.read_response()[0] == 404
            time.sleep(0.05)
        assert besieged.cpu_seconds(proxy) - before < 0.2 * SECONDS * besieged.CPU_FACTOR
        for sock in crowd:
            sock.close()
        end = time.monotonic() + 10
        while proxy.open_files() >= allowed - 1:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert proxy.metrics()[resting] > 3
    with proxy.h2() as client:
        assert client.get("/").status == 404


def test_fewer_descriptors_than_are_asked_for(tmp_path, certs):
    """A small limit from the start on (here: found at a reload): connections of clients and to origins
    are made to fit, so that no flood of either takes the descriptors of the other."""
    other = FastOrigin()
    with contextlib.closing(other), started(tmp_path, certs, others={"other": other.url}) as siege:
        limit_files(siege, 512)
        siege.proxy.send_signal(signal.SIGHUP)
        siege.proxy.wait_stderr("reloaded file=")
        assert "limits.connections=10000 lowered to" in siege.proxy.stderr
        with siege.watch() as seen, contextlib.ExitStack() as stack:
            enemies = [stack.enter_context(siege.enemy()) for _ in range(3)]
            for enemy in enemies:
                enemy.send(*[enemy.headers(i, path="/other/large") for i in range(1, 200, 2)])
            crowd = []
            for _ in range(400):
                with contextlib.suppress(OSError):
                    crowd.append(socket.create_connection(("127.0.0.1", siege.proxy.http_port), 5))
            time.sleep(1)
            for sock in crowd:
                sock.close()
        assert seen.rise('outrider_limit_hits_total{limit="descriptors"}') == 0
        seen.expect(limits=["connections"], memory_mb=32)


# --- logs ----------------------------------------------------------------------------------------

DROPPED = "outrider_log_dropped_lines_total"


def fill_log(siege, enemy):
    """With long lines, until some are dropped."""
    block = attacks.plain_request(enemy, b"/" + b"x" * 7000)
    ids = attacks.stream_ids()
    end = time.monotonic() + 20
    while siege.proxy.metrics()[DROPPED] == 0:
        assert time.monotonic() < end and not enemy.has_ended
        enemy.send(*[enemy.headers(next(ids), block) for _ in range(80)])
        enemy.send(attacks.window(0, 80 * 5))
        enemy.wait_read(end)
        siege.wait_number('exchanges{kind="request"}', lambda count: count <= 6)


def test_stalled_log_reader(tmp_path, certs):
    """SIGSTOP of who reads stdout: requests go on as before, what finds no room is counted."""
    fifo = tmp_path / "stdout"
    os.mkfifo(fifo)
    with open(tmp_path / "read", "wb") as file:
        reader = subprocess.Popen(["cat", str(fifo)], stdout=file)
    try:
        with started(tmp_path, certs, log={"access": "stdout"}) as siege:
            reader.send_signal(signal.SIGSTOP)
            with siege.watch() as seen, siege.enemy() as enemy:
                fill_log(siege, enemy)
                time.sleep(SECONDS / 2)
            seen.expect()
            reader.send_signal(signal.SIGCONT)
            lost = siege.proxy.metrics()[DROPPED]
            assert lost > 0
            end = time.monotonic() + 10
            while '"dropped"' not in (tmp_path / "read").read_text():
                assert time.monotonic() < end
                time.sleep(0.05)
    finally:
        reader.send_signal(signal.SIGCONT)
        reader.wait(10)
    lines = (tmp_path / "read").read_text().splitlines()
    assert all(line.startswith("{") and line.endswith("}") for line in lines)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KB, and the words before a command that sees it. The folder is there for
    the command alone, so what is in it is read through /proc."""
    folder = tmp_path / "disk"
    folder.mkdir()
    script = f'mount -t tmpfs -o size=256k tmpfs {folder} && exec "$@"'
    prefix = ["unshare", "--mount", "--propagation", "private"]
    prefix += [] if os.geteuid() == 0 else ["--map-root-user"]
    words = [*prefix, "sh", "-c", script, "sh"]
    if subprocess.run([*words, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("no mount namespace can be had here")
    return folder, words


def test_full_disk(tmp_path, certs, small_disk):
    """Lines are lost and counted, nothing else; when there is room again, there are lines again."""
    folder, prefix = small_disk
    directory = tmp_path / "siege"
    directory.mkdir()
    with started(directory, certs, prefix=prefix, log={"access": f"{folder}/access"}) as siege:
        inside = pathlib.Path(f"/proc/{siege.proxy.process.pid}/root{folder}/access")
        with siege.watch() as seen, siege.enemy() as enemy:
            fill_log(siege, enemy)
            time.sleep(SECONDS / 2)
        seen.expect()
        assert inside.stat().st_size > 100_000
        os.truncate(inside, 0)
        end = time.monotonic() + 10
        while inside.stat().st_size == 0:
            assert time.monotonic() < end
            time.sleep(0.05)


# --- clocks --------------------------------------------------------------------------------------

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
JUMPS = ["+1h", "-1h", "+400d", "-400d", "+20y", "+0"]


@pytest.mark.skipif(not os.path.exists(FAKETIME), reason="libfaketime is not installed")
def test_wall_clock_jumps(tmp_path, certs):
    """Forward and back: no connection ends, no timeout comes early or late, and Date says the new
    time."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    env = {
        "LD_PRELOAD": FAKETIME,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "ASAN_OPTIONS": besieged.FRUGAL["ASAN_OPTIONS"] + ":verify_asan_link_order=0",
    }
    timeouts = {"origin_first_byte": "1s", "head": "1s", "idle": "30s"}
    years = set()
    with started(tmp_path, certs, env=env, timeouts=timeouts) as siege:
        with siege.watch() as seen, siege.proxy.h1() as steady:
            for jump in JUMPS:
                slow = Timed(siege, b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
                head = Timed(siege, b"GET / HT")
                clock.with_suffix(".new").write_text(jump)
                os.replace(clock.with_suffix(".new"), clock)
                time.sleep(0.2)
                steady.send(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
                fields = dict(steady.read_response()[1])
                assert fields["content-length"] == "5"
                for timed in (slow, head):
                    timed.join()
                    assert 0.9 < timed.seconds < (4 if IS_SLOW else 1.8), (jump, timed.seconds)
                years.add(re.search(r"date: \w+, \d+ \w+ (\d+)", slow.heard)[1])
        seen.expect(limits=["request_time"], exchanges=["origin_timeout", "client_timeout"])
        assert len(siege.proxy.admin("/stats.json").json["workers"]) == 1
        assert siege.proxy.admin("/live").status == 200
    assert len(years) >= 3, years
    assert not FINDING.search(siege.proxy.stderr)


class Timed(threading.Thread):
    """How long a connection lives that says this."""

    def __init__(self, siege, text):
        super().__init__()
        self.client = siege.proxy.h1()
        self.client.send(text)
        self.began = time.monotonic()
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            self.client.sock.settimeout(10)
            self.heard = self.client.sock.recv(65536).decode()
        self.seconds = time.monotonic() - self.began
        self.client.close()
