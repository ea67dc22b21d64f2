# SPDX-License-Identifier: Apache-2.0
"""Logs for the operator: rotated, sampled, redacted, and of one request through all who saw it."""

import json
import os
import pathlib
import re
import signal
import threading
import time

import pytest

from conftest import FINDING
from origin import close, respond
from pushing import page, resources
from reloading import change, reload, wait_for

def lines_of(*paths):
    """The access log's lines in these files; every one is whole."""
    text = "".join(pathlib.Path(path).read_text() for path in paths)
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def open_paths(proxy):
    links = pathlib.Path(f"/proc/{proxy.process.pid}/fd")
    return {os.readlink(link) for link in links.iterdir()}


class Load:
    """Requests on connections of their own until it is stopped."""

    def __init__(self, proxy, connections=3):
        self.answers = [0] * connections
        self.errors = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(proxy, i)) for i in range(connections)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, proxy, number):
        try:
            with proxy.h2(push=False) as client:
                while not self._stop.is_set():
                    paths = [f"/{number}/{self.answers[number] + i}" for i in range(10)]
                    answers = client.get_all(paths)
                    assert all(answer.status == 200 for answer in answers)
                    self.answers[number] += len(answers)
        except Exception as error:  # noqa: BLE001
            self.errors.append(error)

    @property
    def count(self):
        return sum(self.answers)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self.errors


# ---- rotation ------------------------------------------------------------------------------------


def test_rotation_under_load_loses_nothing(outrider, origin, tmp_path):
    origin.on("*", respond(200, [], b"hello"))
    log = tmp_path / "access.log"
    proxy = outrider(origin, log={"access": str(log)})
    load = Load(proxy)
    rotated = []
    for i in range(5):
        wait_for(lambda: log.stat().st_size > 0)
        rotated.append(tmp_path / f"access.log.{i}")
        log.rename(rotated[-1])
        proxy.send_signal(signal.SIGUSR1)
        wait_for(log.exists)
    load.stop()
    proxy.wait_stderr(r"info logs - access log reopened file=\S+access\.log\n")
    with proxy.h2() as client:
        assert client.get("/last").status == 200
        wait_for(lambda: not open_paths(proxy) & {str(file) for file in rotated})
    proxy.stop()
    paths = [line["path"] for line in lines_of(*rotated, log)]
    assert len(paths) == load.count + 1
    assert len(set(paths)) == len(paths)
    assert "/last" in [line["path"] for line in lines_of(log)]


def test_a_file_that_cannot_be_opened_again(outrider, origin, tmp_path):
    origin.on("*", respond(200, [], b"hello"))
    folder = tmp_path / "logs"
    folder.mkdir()
    proxy = outrider(origin, log={"access": str(folder / "access.log")}, workers=1)
    folder.rename(tmp_path / "away")
    proxy.send_signal(signal.SIGUSR1)
    proxy.wait_stderr(r"error logs - can't reopen the access log, the old file stays in use: ")
    with proxy.h2() as client:
        client.get("/one")
    wait_for(lambda: len(lines_of(tmp_path / "away/access.log")) == 1)
    folder.mkdir()
    proxy.send_signal(signal.SIGUSR1)
    proxy.wait_stderr(r"access log reopened")
    with proxy.h2() as client:
        client.get("/two")
    proxy.stop()
    assert [line["path"] for line in lines_of(folder / "access.log")] == ["/two"]
    assert len(lines_of(tmp_path / "away/access.log")) == 1


def test_a_full_disk_costs_lines_only_until_there_is_room(outrider, origin, tmp_path):
    origin.on("*", respond(200, [], b"hello"))
    log = tmp_path / "access.log"
    log.symlink_to("/dev/full")
    proxy = outrider(origin, log={"access": str(log)}, workers=1)
    with proxy.h2() as client:
        for i in range(20):
            assert client.get(f"/{i}").status == 200
    time.sleep(1.5)  # they are handed over within a second, and lost
    log.unlink()
    proxy.send_signal(signal.SIGUSR1)
    wait_for(log.exists)
    with proxy.h2() as client:
        client.get("/again")
    proxy.stop()
    dropped, line = lines_of(log)
    assert (dropped["dropped"], line["path"]) == (20, "/again")


def test_a_pipe_without_a_reader_stops_nobody(outrider, origin, tmp_path):
    origin.on("*", respond(200, [], b"hello"))
    log = tmp_path / "access.log"
    proxy = outrider(origin, log={"access": str(log)}, workers=1)
    log.unlink()
    os.mkfifo(log)
    proxy.send_signal(signal.SIGUSR1)
    proxy.wait_stderr(r"can't reopen the access log, .*: No such device")
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    proxy.send_signal(signal.SIGUSR1)
    proxy.wait_stderr("access log reopened")
    with proxy.h2() as client:
        client.get("/piped")
    proxy.stop()
    assert json.loads(os.read(reader, 65536))["path"] == "/piped"
    os.close(reader)


@pytest.mark.parametrize("place", ["stdout", "off"])
def test_the_signal_means_nothing_without_a_file(outrider, origin, place):
    origin.on("*", respond(200, [], b"hello"))
    proxy = outrider(origin, log={"access": place}, workers=1)
    with proxy.h2() as client:
        client.get("/one")
        proxy.send_signal(signal.SIGUSR1)
        proxy.wait_stderr("nothing to reopen")
        client.get("/two")
    proxy.stop()
    wanted = ["/one", "/two"] if place == "stdout" else []
    assert [line["path"] for line in proxy.access_log()] == wanted


# ---- changes by a reload -------------------------------------------------------------------------


def test_a_reload_moves_the_access_log(outrider, origin, tmp_path):
    origin.on("*", respond(200, [], b"hello"))
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    proxy = outrider(origin, log={"access": str(first)})
    load = Load(proxy)
    wait_for(lambda: load.count > 50)
    reload(proxy, log={"access": str(second)})
    before = load.count
    wait_for(lambda: load.count > before + 50)
    load.stop()
    reload(proxy, log={"access": "off"})
    with proxy.h2() as client:
        client.get("/unseen")
    wait_for(lambda: len(lines_of(first, second)) == load.count)
    reload(proxy, log={"access": "stdout"})
    with proxy.h2() as client:
        client.get("/seen")
    proxy.stop()
    assert first.stat().st_size > 0 and second.stat().st_size > 0
    assert len({line["path"] for line in lines_of(first, second)}) == load.count
    assert [line["path"] for line in proxy.access_log()] == ["/seen"]
    assert "next start" not in proxy.stderr


def test_off_lets_go_of_the_file(outrider, origin, tmp_path):
    origin.on("*", respond(200, [], b"hello"))
    log = tmp_path / "access.log"
    proxy = outrider(origin, log={"access": str(log)}, workers=1)
    with proxy.h2() as client:
        client.get("/one")
        assert str(log) in open_paths(proxy)
        reload(proxy, log={"access": "off"})
        wait_for(lambda: str(log) not in open_paths(proxy))
    assert [line["path"] for line in lines_of(log)] == ["/one"]


def test_a_reload_to_a_place_that_cannot_be_opened_is_none(outrider, origin, tmp_path):
    origin.on("*", respond(200, [], b"hello"))
    proxy = outrider(origin, workers=1)
    change(proxy, log={"access": str(tmp_path / "missing/access.log"), "format": "text"})
    proxy.wait_stderr(r"error config - \S+outrider.yaml:\d+:\d+: log.access: can't open \S+: No such file")
    proxy.wait_stderr("reload failed")
    with proxy.h2() as client:
        client.get("/still")
    proxy.stop()
    assert [line["path"] for line in proxy.access_log()] == ["/still"]


def test_a_reload_changes_the_lines(outrider, origin):
    origin.on("*", respond(200, [], b"hello"))
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        client.get("/a?1", headers=[("user-agent", "me")])
        reload(proxy, log={"fields": ["user-agent"], "redact": "query"})
        client.get("/a?2", headers=[("user-agent", "me")])
        reload(proxy, log={"format": "text"})
        client.get("/a?3", headers=[("user-agent", "me")])
    proxy.stop()
    first, second, third = proxy.stdout.splitlines()
    assert json.loads(first)["path"] == "/a?1" and "fields" not in json.loads(first)
    assert json.loads(second)["path"] == "/a?[redacted]"
    assert json.loads(second)["fields"] == {"user-agent": "me"}
    assert '"GET localhost/a?3" 200' in third and "user-agent" not in third


# ---- the error log -------------------------------------------------------------------------------


def test_the_error_log_as_json(outrider, origin):
    origin.on("*", respond(200, [], b"hello"))
    proxy = outrider(origin, log={"error_format": "json", "level": "debug"}, workers=1)
    change(proxy, log={"level": "lou\"d"})
    proxy.wait_stderr("reload failed")
    change(proxy, routes=[])
    proxy.wait_stderr("failures=2")
    with proxy.h1() as client:
        client.send(b"GET /?secret HTTP/1.1\r\nHost: a\r\nX_Odd: 1\r\n\r\n")
        assert client.read_response()[0] == 200
    reload(proxy, routes=[{"origin": "app"}], log={"error_format": "text"})
    proxy.stop()
    text = proxy.stderr
    assert not FINDING.search(text) and "secret" not in text
    events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    rest = [line for line in text.splitlines() if not line.startswith("{")]
    assert all(set(event) == {"time", "level", "area", "id", "message"} for event in events)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", event["time"]) for event in events)
    levels = {event["level"] for event in events}
    assert {"error", "info", "debug"} <= levels <= {"error", "warn", "info", "debug"}
    messages = [event["message"] for event in events if event["area"] == "config"]
    assert any("log.level: expected error, warn, info or debug, not 'lou\"d'" in m for m in messages)
    assert any("routes: " in m for m in messages)
    assert any("listening url=https://" in event["message"] for event in events)
    # From the reload on it is text again.
    assert rest and all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z [a-z]+ \w+ ", line) for line in rest)


# ---- sampling ------------------------------------------------------------------------------------


def test_sampling_estimates_the_number_of_requests(outrider, origin):
    origin.on("*", respond(200, [], b"hello"))
    origin.on("/bad", respond(500))
    origin.on("/cut", close())
    proxy = outrider(origin, log={"sample": 20})
    with proxy.h2(push=False) as client:
        for _ in range(80):
            assert all(a.status == 200 for a in client.get_all([f"/{i}" for i in range(50)]))
        for _ in range(5):
            assert client.get("/bad").status == 500
            assert client.get("/cut").status == 502
    proxy.stop()
    lines = proxy.access_log()
    failed = [line for line in lines if line["path"] in ("/bad", "/cut")]
    others = [line for line in lines if line["path"] not in ("/bad", "/cut")]
    assert len(failed) == 10 and not any("sample" in line for line in failed)
    assert all(line["sample"] == 20 or line["duration_ms"] >= 1000 for line in others)
    total = sum(line.get("sample", 1) for line in others)
    assert 2800 < total < 5200  # 4000 ± 4.3 deviations of 276
    assert len({line["path"] for line in others}) > 30  # none is preferred


def test_a_page_and_its_pushes_are_kept_or_left_out_together(outrider, origin):
    page(origin, "/", "</a.css>; rel=preload; as=style", "</b.js>; rel=preload; as=script")
    resources(origin)
    proxy = outrider(origin, log={"sample": 3}, workers=1)
    visits = 60
    for _ in range(visits):
        with proxy.h2() as client:
            client.get("/")
            client.wait_pushes()
            assert len(client.pushes) == 2
    proxy.stop()
    seen = {}
    for line in proxy.access_log():
        if "sample" in line:  # else it took a second
            seen.setdefault(line["conn"], set()).add(line["path"])
            assert line["sample"] == 3
    assert 3 < len(seen) < 45  # 20 ± 4.6 deviations at least
    assert all(paths == {"/", "/a.css", "/b.js"} for paths in seen.values())


# ---- redaction -----------------------------------------------------------------------------------

SECRETS = ["secret", "topsecret", "hidden"]
FIELDS = [
    ("user-agent", "me \"too\""), ("referer", "https://r.example/x?hidden"),
    ("cookie", "id=topsecret"), ("x-original-url", "/y?hidden"),
]  # fmt: skip
LOGGED = [*(name for name, _ in FIELDS), "x-missing", "authorization"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_nothing_redacted_is_to_be_read(outrider, origin, form):
    page(origin, "/", "</a.css?secret>; rel=preload; as=style")
    resources(origin)
    log = {"format": form, "redact": ["query", "client"], "fields": LOGGED, "level": "debug"}
    proxy = outrider(origin, log=log, workers=1)
    with proxy.h2() as client:
        client.get("/?secret=1", headers=FIELDS)
        client.wait_pushes()
        assert len(client.pushes) == 1
        client.get("/b", headers=[("authorization", "Basic topsecret")])
    with proxy.h1() as old:
        old.send(b"GET /#secret HTTP/1.1\r\nHost: a\r\n\r\n")
        assert old.read_response()[0] == 400
    proxy.stop()
    assert not any(secret in proxy.stdout + proxy.stderr for secret in SECRETS)
    assert "127.0.0.1" not in proxy.stdout and "127.0.0.0" in proxy.stdout
    lines = proxy.stdout.splitlines()
    assert len(lines) == 4
    if form == "text":
        first = next(line for line in lines if '"GET localhost/?[redacted]" 200' in line)
        assert first.endswith(
            ' user-agent="me \\x22too\\x22" referer="https://r.example/x?[redacted]"'
            ' cookie="[redacted]" x-original-url="/y?[redacted]"'
        )
        assert any(" page=/?[redacted]" in line for line in lines)
        assert any(line.endswith(' authorization="[redacted]"') for line in lines)
        assert any('"GET a/#[redacted]" 400' in line for line in lines)
        return
    lines = {line["path"]: line for line in proxy.access_log()}
    assert set(lines) == {"/?[redacted]", "/a.css?[redacted]", "/b", "/#[redacted]"}
    assert lines["/a.css?[redacted]"]["page"] == "/?[redacted]"
    assert lines["/?[redacted]"]["fields"] == {
        "user-agent": 'me "too"', "referer": "https://r.example/x?[redacted]",
        "cookie": "[redacted]", "x-original-url": "/y?[redacted]",
    }  # fmt: skip
    assert lines["/b"]["fields"] == {"authorization": "[redacted]"}
    assert lines["/a.css?[redacted]"]["fields"]["referer"] == "https://localhost/?[redacted]"


def test_redaction_by_environment(outrider, origin):
    origin.on("*", respond(200, [], b"hello"))
    env = {"OUTRIDER_LOG_REDACT": "path,authority", "OUTRIDER_LOG_FIELDS": "user-agent,referer"}
    proxy = outrider(origin, env=env, workers=1)
    with proxy.h2() as client:
        client.get("/hidden?secret", headers=FIELDS)
    proxy.stop()
    (line,) = proxy.access_log()
    assert (line["path"], line["authority"]) == ("/[redacted]", "[redacted]")
    assert line["fields"] == {"user-agent": 'me "too"', "referer": "[redacted]"}
    assert line["client"] == "127.0.0.1"
