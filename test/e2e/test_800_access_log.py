# SPDX-License-Identifier: Apache-2.0
"""One line per exchange: JSON or text, to stdout or a file, and never in the way of a request."""

import datetime
import json
import os
import re
import signal
import subprocess
import time

import pytest

import h2client
from conftest import FINDING, binary
from origin import close, closed_port, echo, head, respond, send, sleep, wait

FIELDS = {
    "time": str, "client": str, "conn": str, "stream": int, "protocol": str, "tls": bool,
    "method": str, "authority": str, "path": str, "status": int, "request_bytes": int,
    "response_bytes": int, "duration_ms": int, "origin_ms": int, "origin": str, "reused": bool,
    "retried": bool, "promised": int, "hinted": int, "skipped": dict,
}  # fmt: skip


def by_path(lines):
    return {line["path"]: line for line in lines}


def test_each_field_of_a_line(outrider, origin):
    origin.on("/page", sleep(0.12), respond(200, [], b"hello"))
    origin.on("/up", echo())
    origin.on("/cut", send(head(200, [("Content-Length", 9)]) + b"abc"), close())
    proxy = outrider(origin, workers=1)
    started = datetime.datetime.now(datetime.timezone.utc)
    with proxy.h2() as client:
        client.get("/page?q=1")
        client.get("/up", method="POST", body=b"12345")
        client.get("/cut")
    with proxy.h1() as old:
        old.send(b"GET /old HTTP/1.1\r\nHost: Old.Test:80\r\n\r\nHEAD /head HTTP/1.0\r\n\r\n")
        assert old.read_response()[0] == 404
        assert old.read_response("HEAD")[0] == 400
    proxy.stop()
    lines = proxy.access_log()
    assert len(lines) == 5
    for line in lines:
        for name, kind in FIELDS.items():
            assert isinstance(line[name], kind), (name, line)
        assert set(line) <= {*FIELDS, "fault", "request"}, line
        when = datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00"))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", line["time"])
        assert 0 <= (when - started).total_seconds() + 0.01 < 10
    page, up, cut, old_line, head_line = lines
    assert {name: page[name] for name in ("client", "protocol", "tls", "method", "authority")} == {
        "client": "127.0.0.1", "protocol": "HTTP/2", "tls": True, "method": "GET",
        "authority": "localhost",
    }  # fmt: skip
    assert (page["path"], page["status"], page["stream"]) == ("/page?q=1", 200, 1)
    assert (page["request_bytes"], page["response_bytes"]) == (0, 5)
    assert 110 <= page["origin_ms"] <= page["duration_ms"] < 2000
    assert (page["origin"], page["reused"], "fault" in page) == ("app", False, False)
    assert (up["request_bytes"], up["response_bytes"], up["reused"]) == (5, 5, True)
    assert (cut["status"], cut["fault"], cut["response_bytes"]) == (200, "origin_cut", 3)
    assert (old_line["protocol"], old_line["authority"]) == ("HTTP/1.1", "old.test")
    assert (old_line["tls"], old_line["status"], old_line["reused"]) == (False, 404, False)
    assert (head_line["protocol"], head_line["status"]) == ("HTTP/1.0", 400)
    assert (head_line["fault"], head_line["origin"]) == ("bad_request", "")
    assert page["conn"] == up["conn"] == cut["conn"] != old_line["conn"] == head_line["conn"]


FAULTS = [
    ("refused", 502, "origin_refused"), ("closes", 502, "origin_reset"),
    ("garbage", 502, "origin_bad_response"), ("silent", 504, "origin_timeout"),
    ("none", 404, "no_route"), ("left", 0, "client_reset"),
]  # fmt: skip


def test_faults_have_their_names(outrider, origin):
    origin.on("/closes", close())
    origin.on("/garbage", send(b"nonsense\r\n\r\n"))
    origin.on("/silent", sleep(0.5))
    origin.on("/left", wait("never"))
    proxy = outrider(
        origins={
            "app": {"url": origin.url, "first_byte_timeout": "200ms"},
            "slow": {"url": origin.url},
            "refused": {"url": f"http://127.0.0.1:{closed_port()}"},
        },
        routes=[{"path": f"/{path}", "origin": "app"} for path in ("closes", "garbage", "silent")]
        + [{"path": "/refused", "origin": "refused"}, {"path": "/left", "origin": "slow"}],
        workers=1,
    )
    with proxy.h2() as client:
        left = client.request("/left")
        origin.wait_requests(1)
        client.reset(left)
        client.get_all([f"/{path}" for path, _, _ in FAULTS if path != "left"])
    origin.event("never").set()
    proxy.stop()
    lines = by_path(proxy.access_log())
    for path, status, fault in FAULTS:
        line = lines[f"/{path}"]
        assert (line["status"], line["fault"]) == (status, fault), line


def test_pushes_are_told(outrider, origin):
    links = [
        "</a.css>; rel=preload; as=style", "</b.js>; rel=preload; as=script",
        "</c.png>; rel=preload; as=image; nopush", "<https://other.test/d>; rel=preload; as=script",
    ]  # fmt: skip
    origin.on("/", respond(200, [("Link", link) for link in links], b"page"))
    origin.on("/a.css", respond(200, [("Content-Type", "text/css")], b"a{}"))
    origin.on("/b.js", respond(200, [("Content-Type", "text/javascript")], b"b()"))
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        page = client.get("/")
        client.wait_pushes()
        assert page.body == b"page" and len(client.pushes) == 2
    proxy.stop()
    lines = by_path(proxy.access_log())
    assert lines["/"]["promised"] == 2 and "page" not in lines["/"]
    assert sum(lines["/"]["skipped"].values()) == 2
    assert all(isinstance(count, int) for count in lines["/"]["skipped"].values())
    assert "nopush" in lines["/"]["skipped"]
    for path in ("/a.css", "/b.js"):
        assert (lines[path]["page"], lines[path]["status"]) == ("/", 200)
        assert lines[path]["promised"] == 0


HOSTILE = [
    "/a%22b?c=%0a%0d", '/a"b', "/a?b={}", "/a?b='", "/~`|^", "/a?%00", "/<script>", "/a?b=[1]",
]  # fmt: skip


def test_nobody_can_forge_a_line(outrider, origin):
    origin.on("*", respond())
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        for path in HOSTILE:
            client.get(path)
        client.get("/\xe9", method="GET")
    with proxy.h1() as old:
        old.send(b'G"T /x"y HTTP/1.1\r\nHost: "\\\r\n\r\n')
        assert old.read_response()[0] == 400
    with proxy.h1() as old:
        old.send(b'GET /a#"\\ HTTP/1.1\r\nHost: a"b\\c\xff\r\n\r\n')
        assert old.read_response()[0] == 400
    proxy.stop()
    text = proxy.stdout_path.read_bytes()
    assert re.fullmatch(rb"(?:[\x20-\x7e]|[\xc2-\xf4][\x80-\xbf]+|\n)*", text)
    lines = [json.loads(line) for line in text.decode("utf-8").splitlines()]
    assert len(lines) >= len(HOSTILE) + 2


# ---- forms and places ----------------------------------------------------------------------------


def test_text_form(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    origin.on("/up", echo())
    proxy = outrider(origin, log={"format": "text"}, workers=1)
    with proxy.h2() as client:
        client.get("/?a=\"b")
        client.get("/up", method="POST", body=b"123")
        client.get("/nowhere")
    with proxy.h1() as old:
        old.send(b'GET /x#"y HTTP/1.1\r\nHost: a\r\n\r\n')
        assert old.read_response()[0] == 400
    proxy.stop()
    lines = proxy.stdout.splitlines()
    assert len(lines) == 4
    pattern = (
        r"\d{4}-\d\d-\d\dT[\d:.]+Z c\d+/\d+ 127\.0\.0\.1 HTTP/(2\+tls|1\.1) "
        r'"[A-Z]+ [^" ]+" \d{3} in=\d+ out=\d+ ms=\d+'
        r"( origin=app origin_ms=\d+( reused)? request=[0-9a-f]{32})?( fault=\w+)?"
    )
    for line in lines:
        assert re.fullmatch(pattern, line), line
    assert "/?a=%22b" in lines[0] and '/x#\\x22y"' in lines[3]
    assert '"POST localhost/up" 200 in=3 out=3' in lines[1]
    assert lines[3].endswith("fault=bad_request")


def test_to_a_file_that_is_appended_to(outrider, origin, tmp_path):
    origin.on("/", respond(200, [], b"hello"))
    path = tmp_path / "access.log"
    path.write_text("before\n")
    proxy = outrider(origin, log={"access": str(path)})
    with proxy.h2() as client:
        client.get("/")
        end = time.monotonic() + 3  # it is written within about a second, not only at the end
        while path.read_text().count("\n") < 2 and time.monotonic() < end:
            time.sleep(0.02)
        before, line = path.read_text().splitlines()
    assert before == "before" and json.loads(line)["path"] == "/"
    proxy.stop()
    assert proxy.stdout == "" and len(path.read_text().splitlines()) == 2


def test_off(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin, log={"access": "off"})
    with proxy.h2() as client:
        assert client.get("/").body == b"hello"
    proxy.stop()
    assert proxy.stdout == ""


@pytest.mark.parametrize("level, has_info", [("error", False), ("warn", False), ("info", True)])
def test_levels_of_the_error_log(outrider, origin, level, has_info, tmp_path):
    port = closed_port()
    config = (
        f"listeners: ['http://127.0.0.1:{port}']\norigins: {{app: '{origin.url}'}}\n"
        f"routes: [{{origin: app}}]\nlog: {{level: {level}, access: off}}\nworkers: 1\n"
    )
    path = tmp_path / "level.yaml"
    path.write_text(config)
    with open(tmp_path / "err", "wb") as err:
        process = subprocess.Popen([binary(), "-c", path], stderr=err, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                h2client.open_socket(port, tls=False).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
    said = (tmp_path / "err").read_text()
    assert (" info " in said) == has_info and not FINDING.search(said)
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (error|warn|info) \w+ ", line)
               for line in said.splitlines())  # fmt: skip


# ---- a reader that does not read -----------------------------------------------------------------


def long_paths(client, count):
    """Requests with long lines in the log, many at once."""
    for _ in range(count // 50):
        responses = client.get_all([f"/{'x' * 4000}"] * 50)
        assert all(response.status == 200 for response in responses)


@pytest.mark.parametrize("signal_first", [False, True])
def test_a_stalled_reader_never_blocks(origin, tmp_path, signal_first):
    """12 MB of lines into a pipe that nobody reads: requests go on, drops are counted and told."""
    origin.on("*", respond(200, [], b"hello"))
    port = closed_port()
    path = tmp_path / "outrider.yaml"
    path.write_text(
        f"listeners: ['http://127.0.0.1:{port}']\norigins: {{app: '{origin.url}'}}\n"
        "routes: [{origin: app}]\nworkers: 1\n"
    )
    process = subprocess.Popen(
        [binary(), "-c", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        while b"listening" not in (said := process.stderr.readline()):
            assert said
        with h2client.H2Client(port, tls=False, push=False) as client:
            start = time.monotonic()
            long_paths(client, 3000)
            assert client.get("/").status == 200
            assert time.monotonic() - start < 20
        if signal_first:
            start = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert time.monotonic() - start < 5
            return
        text = b""
        while b'"dropped"' not in text:  # the report comes with the next line that fits
            text += os.read(process.stdout.fileno(), 1 << 20)
            if text.count(b"\n") > 100 and text.count(b"\n") % 10 == 0:
                with h2client.H2Client(port, tls=False, push=False) as client:
                    client.get("/again")
        process.send_signal(signal.SIGTERM)
        rest, said = process.communicate(timeout=10)
        lines = [json.loads(line) for line in (text + rest).splitlines()]
        dropped = sum(line.get("dropped", 0) for line in lines)
        written = [line for line in lines if "path" in line]
        assert dropped > 0 and process.returncode == 0
        assert not FINDING.search(said.decode())
        assert len(written) + dropped >= 3001
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
