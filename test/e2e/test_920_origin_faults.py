# SPDX-License-Identifier: Apache-2.0
"""Origins that die, stop or cannot be named, beside well-behaved clients of another one."""

import contextlib
import itertools
import os
import signal
import socket
import struct
import threading
import time

import pytest

import besieged
from attacks import FastOrigin
from besieged import IS_LONG, IS_SLOW

ROUNDS = 50 if IS_LONG or besieged.FIGURES else 3
RECOVERY_S = 2


@pytest.fixture(scope="module")
def second():
    """The origin that things happen to."""
    made = FastOrigin()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def second_lives(second):
    """Also after a test that failed in the middle."""
    yield
    if second.process.poll() is not None:
        second.start()


@pytest.fixture(scope="module")
def siege(tmp_path_factory, certs, second):
    origins = {"second": second.url}
    timeouts = {"origin_first_byte": "2s", "origin_connect": "1s"}
    made = besieged.Siege(
        tmp_path_factory.mktemp("siege"), certs, others=origins, timeouts=timeouts
    )
    yield made
    made.stop()


class Visitors:
    """Clients who ask for one path again and again, over both protocols, and note when what came."""

    def __init__(self, siege, path, count=8, rate=5 if IS_SLOW else 25):
        self.siege, self.path, self.rate = siege, path, rate
        self.rows = []  # (began, seconds, status or the name of what went wrong)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,)) for i in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number):
        ask = self._ask_h2 if number % 2 else self._ask_h1
        client = None
        while not self._stop.wait(1 / self.rate):
            began = time.monotonic()
            try:
                client = client or (self.siege.proxy.h2() if number % 2 else self.siege.proxy.h1())
                result = ask(client)
            except Exception as error:  # pylint: disable=broad-except
                result = type(error).__name__
            if result != 200 and client is not None:  # who was refused comes anew
                client.close()
                client = None
            self.rows.append((began, time.monotonic() - began, result))
        if client is not None:
            client.close()

    def _ask_h2(self, client):
        response = client.get(self.path, limit=10)
        return response.status if response.reset is None else f"reset {response.reset}"

    def _ask_h1(self, client):
        client.send(f"GET {self.path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return client.read_response()[0]

    def since(self, moment):
        return [row for row in self.rows if row[0] >= moment]

    def wait_good(self, moment, count=8, limit=15):
        """When the first of `count` good answers in a row, asked for after the moment, was asked."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            run = 0
            for row in self.since(moment):
                run = run + 1 if row[2] == 200 else 0
                if run == 1:
                    first = row[0]
                if run >= count:
                    return first
            time.sleep(0.02)
        raise AssertionError(f"no {count} good answers in {limit} s: {self.since(moment)[-20:]}")


@pytest.mark.limit(600 if ROUNDS == 50 else 60)
def test_origin_killed_and_started_again(siege, second):
    """Again and again under load: answered at once meanwhile, and well again within two seconds."""
    recoveries = []
    with siege.watch() as seen, Visitors(siege, "/second") as visitors:
        visitors.wait_good(0)
        for _ in range(ROUNDS):
            second.kill()
            time.sleep(0.3)
            second.start()
            moment = time.monotonic()
            recoveries.append(visitors.wait_good(moment) - moment)
    besieged.note_figures(recovery_s=max(recoveries), rounds=ROUNDS)
    assert max(recoveries) <= RECOVERY_S
    results = {row[2] for row in visitors.rows}
    assert results <= {200, 502, "reset 2", "ConnectionError", "ConnectionResetError"}, results
    assert max(row[1] for row in visitors.rows) < 3, "nobody waits for who is not there"
    assert 502 in results
    assert seen.rise('outrider_origin_retries_total{origin="second"}') < len(visitors.rows) / 5
    may_be = {"origin_refused", "origin_unreachable", "origin_reset", "origin_cut"}
    seen.expect(exchanges=may_be & seen.labels(
        "exchange_faults_total").keys(), connections=None)  # fmt: skip


def test_origin_stopped_for_a_while(siege, second):
    """SIGSTOP: what is asked meanwhile is answered 504 in time; others notice nothing."""
    with siege.watch() as seen, Visitors(siege, "/second") as visitors:
        visitors.wait_good(0)
        os.kill(second.process.pid, signal.SIGSTOP)
        time.sleep(3.5)
        os.kill(second.process.pid, signal.SIGCONT)
        moment = time.monotonic()
        recovery = visitors.wait_good(moment) - moment
    assert recovery <= RECOVERY_S
    assert {row[2] for row in visitors.rows} <= {200, 504}
    assert 1.9 < max(row[1] for row in visitors.rows) < (6 if IS_SLOW else 3.5)
    assert 504 in {row[2] for row in visitors.rows}
    seen.expect(exchanges=["origin_timeout"])


def test_origin_that_accepts_and_closes(siege, second):
    """The same port, another program: 502, and well again when the origin is back."""
    with siege.watch() as seen, Visitors(siege, "/second") as visitors:
        visitors.wait_good(0)
        second.kill()
        with socket.create_server(("127.0.0.1", second.port)) as listener:
            listener.settimeout(0.1)
            end = time.monotonic() + 1
            while time.monotonic() < end:
                with contextlib.suppress(TimeoutError):
                    listener.accept()[0].close()
        second.start()
        moment = time.monotonic()
        assert visitors.wait_good(moment) - moment <= RECOVERY_S
    results = {row[2] for row in visitors.rows}
    assert 502 in results and results <= {200, 502, "reset 2", "ConnectionError"}, results
    seen.expect(connections=None)


# --- names ---------------------------------------------------------------------------------------


class NameServer(threading.Thread):
    """Hears questions, and answers only when it may: 127.0.0.1 to each for an IPv4 address."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 53))
        self.heard = 0
        self.answers = threading.Event()

    def run(self):
        with contextlib.suppress(OSError):
            for _ in itertools.count():
                question, peer = self.sock.recvfrom(4096)
                self.heard += 1
                if self.answers.is_set():
                    self.sock.sendto(self.answer(question), peer)

    @staticmethod
    def answer(question):
        end = question.index(b"\0", 12) + 5
        kind = struct.unpack_from("!H", question, end - 4)[0]
        is_v4 = kind == 1
        head = question[:2] + struct.pack("!HHHHH", 0x8180, 1, int(is_v4), 0, 0)
        row = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 5, 4) + socket.inet_aton("127.0.0.1")
        return head + question[12:end] + (row if is_v4 else b"")


@pytest.fixture
def name_server(tmp_path):
    """(the server, the words before a command that makes it the one that is asked)."""
    address = "127.53.53.53"
    try:
        server = NameServer(address)
    except OSError as error:
        pytest.skip(f"no name server can be had here: {error}")
    resolv = tmp_path / "resolv.conf"
    resolv.write_text(f"nameserver {address}\noptions timeout:2 attempts:5\n")
    switch = tmp_path / "nsswitch.conf"
    switch.write_text("hosts: dns\n")
    script = (
        f"mount --bind {resolv} /etc/resolv.conf && mount --bind {switch} /etc/nsswitch.conf"
        ' && exec "$@"'
    )
    prefix = ["unshare", "--mount", "--propagation", "private"]
    prefix += [] if os.geteuid() == 0 else ["--map-root-user"]
    words = [*prefix, "sh", "-c", script, "sh"]
    if os.system(" ".join(f"'{word}'" for word in [*words, "true"]) + " 2>/dev/null") != 0:
        pytest.skip("no mount namespace can be had here")
    server.start()
    yield server, words
    server.sock.close()


def test_stalled_resolver(tmp_path, certs, second, name_server):
    """A name server that never answers: who needs it is told in time, nobody else waits."""
    server, prefix = name_server
    siege = besieged.Siege(
        tmp_path,
        certs,
        others={"named": f"http://origin.example:{second.port}"},
        prefix=prefix,
        timeouts={"origin_connect": "500ms"},
    )
    try:
        with siege.watch() as seen, Visitors(siege, "/named", rate=5) as visitors:
            time.sleep(3)
            assert server.heard > 0
            rows = list(visitors.rows)
            server.answers.set()
            moment = time.monotonic()
            recovery = visitors.wait_good(moment) - moment
        assert len(rows) > 20 and {row[2] for row in rows} == {502}, rows[-5:]
        assert max(row[1] for row in rows) < (3 if IS_SLOW else 1.5)
        assert recovery < 6, "the question before this one is still under way"
        seen.expect(exchanges=["origin_dns"])
    finally:
        siege.stop()
