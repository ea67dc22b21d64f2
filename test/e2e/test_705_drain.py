# SPDX-License-Identifier: Apache-2.0
"""A drain under load: /ready says no first, what can end in time does, and the exit code is 0.

At full rate (500 requests a second, 100 long downloads) where the build is fit for it:
    OUTRIDER_BINARY=build-release/proxy/outrider pytest -rP test_705_drain.py
"""

import contextlib
import re
import signal
import threading
import time

import pytest
import tools
from origin import head, respond, send, sleep, trickle, wait
from steady_load import SteadyLoad, sanitizer
from tools import FRUGAL

ADMIN = {"listen": "127.0.0.1:0"}
IS_SLOW = sanitizer() is not None
RATE = 60 if IS_SLOW else 500  # requests a second
LONG = 40 if IS_SLOW else 100  # downloads under way
LONG_S = 4  # how long they take
LONG_SIZE = 200_000
PIECES = 20


def long_download():
    """LONG_SIZE bytes in LONG_S seconds."""
    block = b"x" * (LONG_SIZE // PIECES)
    return [send(head(200, [("content-length", LONG_SIZE)])),
            trickle(block * PIECES, len(block), LONG_S / PIECES)]  # fmt: skip


def lanes(proxy, count):
    return [(proxy.url("", "https"), count), (proxy.url("", "http"), count)]


def wait_exit(proxy, limit):
    """The exit code, checked again by the fixture."""
    return proxy.process.wait(limit)


def wait_reason(proxy, limit=5):
    """The first answer of /ready that is no yes, and when it came."""
    port = proxy.admin_port()
    end = time.monotonic() + limit
    while (answer := proxy.admin("/ready", port=port)).status == 200:
        assert time.monotonic() < end, "/ready says yes all the time"
        time.sleep(0.005)
    return answer, time.monotonic()


@pytest.mark.limit(150)
@pytest.mark.parametrize("number", [signal.SIGTERM, "POST /drain"])
def test_no_request_that_can_end_in_time_fails(outrider, origin, number):
    origin.on("/", sleep(0.2), respond(200, [], b"hello"))
    origin.on("/long", *long_download())
    proxy = outrider(origin, log={"access": "off"}, admin=ADMIN, env=FRUGAL)
    with SteadyLoad(lanes(proxy, 10), "/", 5, rate=RATE, long=("/long", LONG_SIZE, LONG)) as load:
        load.wait(lambda report: report["good"] >= RATE)
        load.say("long")
        load.wait(lambda report: report["long_begun"] == LONG)
        before = load.report()
        began = time.monotonic()
        if number == "POST /drain":
            answer = proxy.admin("/drain", "POST")
            assert (answer.status, answer.text) == (200, "draining\n")
        else:
            proxy.send_signal(number)
        answer, _ = wait_reason(proxy)
        assert (answer.status, answer.text) == (503, "draining\n")
        assert wait_exit(proxy, 40) == 0
        took = time.monotonic() - began
        report = load.stop()
    print(f"{RATE} requests a second, {LONG} downloads: drained in {took:.2f} s", report)
    quiet = ("turned_away", "again_h2", "again_h1", "goaways", "closes")
    assert before["failures"] == [] and not any(before[name] for name in quiet), before
    assert report["failures"] == [], report["failures"][:5]
    assert report["long_good"] == LONG
    assert report["goaways"] >= 10 and report["closes"] >= 1
    assert report["good"] + report["turned_away"] == report["asked"]
    assert report["good"] > before["good"]
    assert "drain timeout" not in proxy.stderr


@pytest.mark.limit(100)
def test_what_does_not_end_is_cut_at_the_drain_timeout(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    origin.on("/short", send(head(200, [("content-length", 10)])), sleep(0.5), send(b"0123456789"))
    origin.on("/endless", send(head(200, [("content-length", 10)])), send(b"01234"), wait("never"))
    proxy = outrider(origin, admin=ADMIN, timeouts={"drain": "2s"}, env=FRUGAL)
    with (
        SteadyLoad(lanes(proxy, 4), "/", 5, long=("/endless", 10, 20)) as endless,
        SteadyLoad(lanes(proxy, 4), "/", 5, long=("/short", 10, 20)) as short,
    ):
        for load in endless, short:
            load.say("long")
        for load in endless, short:
            load.wait(lambda report: report["long_begun"] == 20)
        began = time.monotonic()
        proxy.send_signal(signal.SIGTERM)
        assert wait_exit(proxy, 20) == 0
        took = time.monotonic() - began
        assert took >= 2
        assert short.stop()["long_good"] == 20
        report = endless.stop()
        assert report["long_good"] == 0 and len(report["failures"]) == 20
        origin.event("never").set()
    proxy.wait_stderr("drain timeout: cutting what is left")


def test_ready_says_no_before_the_first_goaway(outrider, origin):
    """A client that is told to go must not be sent here again."""
    origin.on("/", respond(200, [], b"hello"))
    origin.on("/held", wait("go"), respond(200, [], b"held"))
    proxy = outrider(origin, admin=ADMIN)
    assert proxy.admin("/ready").text == "ready\n"
    with proxy.h2() as client:
        held = client.request("/held")
        origin.wait_requests(1, "/held")
        proxy.send_signal(signal.SIGTERM)
        client.wait_until(lambda: client.goaways)
        answer = proxy.admin("/ready")
        assert (answer.status, answer.text) == (503, "draining\n")
        assert proxy.admin("/live").text == "live\n"  # and need not be started anew
        assert proxy.admin("/healthz").status == 503
        assert proxy.metrics()["outrider_ready"] == 0
        assert proxy.admin("/stats.json").json["state"] == "draining"
        origin.event("go").set()
        assert client.wait(held).body == b"held"


@pytest.mark.limit(100)
def test_new_connections_are_served_during_the_delay(outrider, origin):
    """Load balancers take a while to hear of it."""
    delay = 3 if IS_SLOW else 1.5
    origin.on("/", respond(200, [], b"hello"))
    origin.on("/last", wait("go"), respond(200, [], b"last"))
    proxy = outrider(origin, admin=ADMIN, timeouts={"drain_delay": f"{int(delay * 1000)}ms"})
    goaway = []

    def watch(client):
        client.wait_until(lambda: client.goaways)
        goaway.append(time.monotonic())

    with proxy.h2() as client, proxy.h1() as old:
        assert client.get("/").body == b"hello"
        watcher = threading.Thread(target=watch, args=(client,))
        watcher.start()
        began = time.monotonic()
        proxy.send_signal(signal.SIGTERM)
        _, no = wait_reason(proxy)
        served = 0
        while time.monotonic() < began + delay / 2:
            with proxy.h2() as fresh, proxy.h1() as fresh_old:
                assert fresh.get("/").body == b"hello"
                fresh_old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert fresh_old.read_response()[2] == b"hello"
                assert not fresh.goaways
            served += 2
        assert served and not goaway, (served, goaway)
        old.send(b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n")
        origin.wait_requests(1, "/last")
        watcher.join()
        assert goaway[0] >= began + 0.95 * delay and no < goaway[0]
        origin.event("go").set()
        status, fields, body = old.read_response()
        assert (status, body, dict(fields)["connection"]) == (200, b"last", "close")
        assert wait_exit(proxy, 10) == 0
    leaving = proxy.wait_stderr(r"leaving: not ready, still accepting for (\d+) ms")
    assert int(leaving.group(1)) == delay * 1000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_each_of_these_signals_drains(outrider, origin, number):
    origin.on("/", wait("go"), respond(200, [], b"hello"))
    proxy = outrider(origin, admin=ADMIN)
    with proxy.h2() as client, proxy.h1() as old:
        stream_id = client.request("/")
        old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        origin.wait_requests(2)
        proxy.send_signal(number)
        client.wait_until(lambda: client.goaways)
        origin.event("go").set()
        assert client.wait(stream_id).body == b"hello"
        status, fields, body = old.read_response()
        assert (status, body, dict(fields)["connection"]) == (200, b"hello", "close")
        client.wait_closed(5)
        assert old.is_closed()
    assert wait_exit(proxy, 5) == 0


@pytest.mark.parametrize("delay", ["0s", "10s"])
@pytest.mark.parametrize(
    "first, second",
    [(signal.SIGTERM, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT), (signal.SIGQUIT, signal.SIGQUIT)],
)
def test_a_second_signal_stops_now(outrider, origin, first, second, delay):
    origin.on("/", wait("never"))
    proxy = outrider(origin, admin=ADMIN, timeouts={"drain_delay": delay, "drain": "20s"})
    with proxy.h2() as client, proxy.h1() as old:
        client.request("/")
        old.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        origin.wait_requests(2)
        proxy.send_signal(first)
        wait_reason(proxy)
        time.sleep(0.2)  # the first alone does not do it
        assert proxy.process.poll() is None
        assert proxy.admin("/drain", "POST").status == 200  # nor is another drain a second signal
        assert proxy.process.poll() is None
        began = time.monotonic()
        proxy.send_signal(second)
        assert wait_exit(proxy, 10) == 0
        assert time.monotonic() - began < 5
        client.wait_closed()
        assert old.is_closed()
    proxy.wait_stderr("stopping now signal=")
    origin.event("never").set()


@pytest.mark.parametrize("delay", ["0s", "10s"])
def test_a_hook_that_drains_before_the_signal(outrider, origin, delay):
    """As Kubernetes does with a preStop hook: the first signal is no reason to hurry."""
    origin.on("/", wait("go"), respond(200, [], b"hello"))
    proxy = outrider(origin, admin=ADMIN, timeouts={"drain_delay": delay, "drain": "20s"})
    with proxy.h2() as client:
        stream_id = client.request("/")
        origin.wait_requests(1)
        assert proxy.admin("/quitquitquit", "POST").status == 200
        wait_reason(proxy)
        proxy.send_signal(signal.SIGTERM)
        assert proxy.admin("/drain", "POST").status == 200
        client.settle(0.3)
        origin.event("go").set()
        assert client.wait(stream_id).body == b"hello"
        proxy.send_signal(signal.SIGTERM)  # now
        assert wait_exit(proxy, 5) == 0


def test_what_is_asked_of_the_admin_listener_while_it_drains(outrider, origin):
    origin.on("/", wait("go"), respond(200, [], b"hello"))
    proxy = outrider(origin, admin={**ADMIN, "probes": "127.0.0.1:0"})
    with proxy.h2() as client:
        stream_id = client.request("/")
        origin.wait_requests(1)
        proxy.send_signal(signal.SIGTERM)
        client.wait_until(lambda: client.goaways)
        assert proxy.admin("/ready", port=proxy.admin_port("probes")).status == 503
        for path in "/metrics", "/stats.json", "/config", "/hints", "/":
            assert proxy.admin(path).status == 200, path
        answer = proxy.admin("/reload", "POST")
        assert (answer.status, answer.text) == (409, "stopping\n")
        assert proxy.admin("/hints/forget", "POST").status == 200
        assert proxy.admin("/log?level=debug", "POST").status == 200
        proxy.send_signal(signal.SIGHUP)
        proxy.wait_stderr("no reload: stopping")
        proxy.send_signal(signal.SIGUSR1)
        origin.event("go").set()
        assert client.wait(stream_id).body == b"hello"
    assert wait_exit(proxy, 10) == 0


def test_one_worker_has_ended_and_the_other_has_not(outrider, origin):
    """Questions to workers are answered without those that are gone."""
    origin.on("/", wait("go"), respond(200, [], b"hello"))
    proxy = outrider(origin, admin=ADMIN, workers=4)
    with proxy.h2() as client:
        stream_id = client.request("/")
        origin.wait_requests(1)
        proxy.send_signal(signal.SIGTERM)
        proxy.wait_stderr(r"(?s)(worker - ended.*){3}")
        began = time.monotonic()
        for path in "/stats.json", "/hints":
            assert proxy.admin(path).status == 200, path
        assert proxy.admin("/hints/forget", "POST").status == 200
        assert proxy.metrics()["outrider_workers"] == 4
        assert time.monotonic() - began < 2, "nobody waits for them"
        origin.event("go").set()
        assert client.wait(stream_id).body == b"hello"
    assert wait_exit(proxy, 10) == 0


def test_a_worker_with_nothing_to_do_is_not_missed_by_live(outrider, origin):
    """It ended; that is no silence. Longer than a silent worker is taken for dead."""
    origin.on("/", wait("go"), respond(200, [], b"hello"))
    proxy = outrider(origin, admin=ADMIN, workers=2)
    with proxy.h2() as client:
        stream_id = client.request("/")
        origin.wait_requests(1)
        proxy.send_signal(signal.SIGTERM)
        proxy.wait_stderr("worker - ended")
        end = time.monotonic() + 7
        while time.monotonic() < end:
            answer = proxy.admin("/live")
            assert answer.status == 200, answer
            client.pump(0.5)
        origin.event("go").set()
        assert client.wait(stream_id).body == b"hello"
    assert wait_exit(proxy, 10) == 0


def test_a_scraper_that_stays_does_not_hold_up_the_end(outrider, origin):
    proxy = outrider(origin, admin=ADMIN)
    port = proxy.admin_port()
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(tools.H1Client(port)) for _ in range(5)]
        for client in idle[1:]:
            client.send(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.read_response()[0] == 200
        began = time.monotonic()
        proxy.send_signal(signal.SIGTERM)
        assert wait_exit(proxy, 10) == 0
        assert time.monotonic() - began < 5
        assert all(client.is_closed() for client in idle)
    assert re.search(r"draining signal=Terminated", proxy.stderr)


@pytest.mark.parametrize(
    "method, paths, runs",
    [
        ("POST", ["/reload", "/drain", "/log?level=debug", "/reload"], 10),
        ("GET", ["/stats.json", "/hints"], 3),
    ],
)
def test_what_comes_when_all_is_over(outrider, origin, method, paths, runs):
    """After the last worker the admin listener has a moment left, in which nothing may break or leak."""
    for _ in range(runs):
        proxy = outrider(origin, admin=ADMIN)
        port = proxy.admin_port()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(tools.H1Client(port)) for _ in range(8)]
            proxy.send_signal(signal.SIGTERM)
            proxy.wait_stderr(r"(?s)(worker - ended.*){2}")
            for number, client in enumerate(clients):
                with contextlib.suppress(OSError):
                    path = paths[number % len(paths)]
                    client.send(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                    if method == "GET" or number % 2:  # nobody waits for the answer
                        client.close()
                if method == "GET":
                    time.sleep(0.035)  # at any moment of it
            assert wait_exit(proxy, 10) == 0
        proxy.stop()
        if method == "POST":
            assert "asked to do" in proxy.stderr, "it came in time"
