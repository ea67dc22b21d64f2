# SPDX-License-Identifier: Apache-2.0
"""Probes are answered at once whatever the workers are busy with."""

import contextlib
import http.client
import json
import os
import re
import signal
import re
import subprocess
import time

import conftest
import pytest
import tools
from origin import respond

# Kubernetes waits a second for a probe. With sanitizers or counted lines everything takes several
# times as long.
IS_SLOWED = re.search(b"__(asan|tsan|gcov)_init", conftest.binary().read_bytes()) is not None
LIMIT_S = 0.25 if IS_SLOWED else 0.05
SECONDS = 4


def admin_port(proxy):
    return int(proxy.wait_stderr(r"admin url=http://127\.0\.0\.1:(\d+)/")[1])


def ask(port, path):
    """(seconds, status, body), on a connection of its own as probes are."""
    start = time.monotonic()
    conn = http.client.HTTPConnection("127.0.0.1", port, 20)
    conn.request("GET", path)
    answer = conn.getresponse()
    body = answer.read()
    conn.close()
    return time.monotonic() - start, answer.status, body


def test_probes_under_full_load(outrider, origin):
    # More workers than processors, and nobody to wait for: outrider itself answers 404.
    routes = [{"origin": "app", "host": "other.example"}]
    proxy = outrider(
        origin, routes=routes, workers=4, log={"access": "off"}, admin={"listen": "127.0.0.1:0"}
    )
    port = admin_port(proxy)
    words = ["h2load", "-D", SECONDS + 1, "-c", 32, "-m", 32, proxy.url("/", "http")]
    load = subprocess.Popen(
        list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    times = {"/ready": [], "/live": [], "/metrics": []}
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for path, taken in times.items():
            seconds, status, body = ask(port, path)
            assert status == 200, (path, body)
            taken.append(seconds)
    # Workers are asked for this one, and answer between requests.
    stats = json.loads(ask(port, "/stats.json")[2])
    text = load.communicate(timeout=60)[0].decode()
    count = int(re.search(r" (\d+) done, .* 0 errored, 0 timeout", text)[1])
    assert stats["metrics"]["requests_total"]["http2 4xx"] > 1000 and count > 1000, text
    for path, taken in times.items():
        taken.sort()
        worst = taken[int(len(taken) * 0.99)]
        print(f"{path}: {len(taken)} times, median {taken[len(taken) // 2]}, p99 {worst}")
        assert len(taken) >= 50 and worst < LIMIT_S, (path, taken[-20:], text)


def test_a_process_that_stands_still(outrider, origin):
    """Stopped as a whole and continued: it is ready again by itself."""
    origin.on("*", respond(200))
    proxy = outrider(origin, admin={"listen": "127.0.0.1:0"})
    port = admin_port(proxy)
    proxy.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, proxy.process.pid, os.WSTOPPED | os.WNOWAIT)
    proxy.send_signal(signal.SIGCONT)
    assert ask(port, "/live")[1] == 200
    assert ask(port, "/ready")[1] == 200


@pytest.mark.parametrize("kind", ["admin", "probes"])
def test_a_crowd_does_not_keep_probes_out(outrider, origin, kind):
    """As many connections as it holds, all just used: the oldest make room."""
    place = {"listen": "127.0.0.1:0", "probes": "127.0.0.1:0"}
    proxy = outrider(origin, admin=place)
    port = proxy.admin_port(kind)
    with contextlib.ExitStack() as stack:
        crowd = []
        for _ in range(64):
            crowd.append(stack.enter_context(tools.H1Client(port)))
            crowd[-1].send(b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n")
            assert crowd[-1].read_response()[2] == b"live\n"
        for path in ("/live", "/ready", "/metrics") * 10:
            assert ask(port, path)[1] == 200
        assert crowd[0].is_closed()
        crowd[-1].send(b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert crowd[-1].read_response()[2] == b"live\n", "the youngest stays"
        # all come at once: none pushes another out
        proxy.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, proxy.process.pid, os.WSTOPPED | os.WNOWAIT)
        probes = [stack.enter_context(tools.H1Client(port)) for _ in range(20)]
        for probe in probes:
            probe.send(b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n")
        proxy.send_signal(signal.SIGCONT)
        for probe in probes:
            assert probe.read_response()[2] == b"live\n"
        silent = [stack.enter_context(tools.H1Client(port)) for _ in range(70)]
        assert ask(port, "/live")[1] == 200
        assert silent[0].is_closed()
