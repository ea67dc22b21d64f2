# SPDX-License-Identifier: Apache-2.0
"""The command line: words, exit codes, what is checked before anything starts, signals."""

import os
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest
import yaml

import h2client
from conftest import FINDING, ROOT, binary
from origin import closed_port, respond, send, sleep, wait

CONFIGS = ROOT / "test/data/configs"


def lines_of(result):
    """What is wrong, without lines of the error log."""
    lines = result.errors.splitlines()
    return [line for line in lines if line and not re.match(r"\d{4}-\d\d-\d\dT", line)]


# ---- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--version"], ["--version", "--origin", "nonsense"]])
def test_version(command, words):
    result = command(*words)
    assert result.code == 0 and re.fullmatch(r"outrider \d+\.\d+\.\d+\S*\n", result.text), result
    assert not result.errors


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_names_every_flag(command, word):
    result = command(word)
    assert result.code == 0 and not result.errors
    for flag in (
        "--origin", "--listen", "--cert", "--key", "--workers", "--origin-timeout", "-c FILE",
        "check", "--version", "--help",
    ):  # fmt: skip
        assert flag in result.text, flag
    assert all(len(line) <= 100 for line in result.text.splitlines())


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["check"],
        ["--unknown"],
        ["-x"],
        ["-c"],
        ["--origin"],
        ["--workers", "2"],
        ["--listen", "127.0.0.1:0"],
        ["run"],
        ["--origin", "http://127.0.0.1:1", "extra"],
        ["-c", "a.yaml", "b.yaml"],
        ["-c", "a.yaml", "--origin", "http://127.0.0.1:1"],
        ["-c", "a.yaml", "--workers", "2"],
        ["check", "check", "-c", "a.yaml"],
    ],
    ids=" ".join,
)
def test_usage_errors(command, words):
    result = command(*words)
    assert result.code == 2, result
    assert not result.text and "outrider --help" in result.errors


@pytest.mark.parametrize(
    "words, said",
    [
        (["--origin", "https://127.0.0.1:1"], "--origin"),
        (["--origin", "unix:relative.sock"], "--origin"),
        (["--origin", "http://127.0.0.1:1/path"], "--origin"),
        (["--origin", "http://127.0.0.1:99999"], "--origin"),
        (["--listen", "127.0.0.1"], "--listen"),
        (["--listen", "ftp://127.0.0.1:1"], "--listen"),
        (["--listen", "https://127.0.0.1:70000"], "--listen"),
        (["--listen", "127.0.0.1:8443", "--listen", "https://127.0.0.1:8443"], "--listen"),
        (["--workers", "many"], "--workers"),
        (["--workers", "-1"], "--workers"),
        (["--origin-timeout", "60"], "--origin-timeout"),
        (["--origin-timeout", "soon"], "--origin-timeout"),
        (["--cert", "/dev/null"], "--cert"),
        (["--key", "/dev/null"], "--key"),
        (["--cert", "/nowhere/tls.crt", "--key", "/nowhere/tls.key"], "--cert"),
        (["--listen", "http://127.0.0.1:0", "--cert", "/dev/null", "--key", "/dev/null"], "--cert"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_values_are_configuration_errors(command, words, said):
    if "--origin" not in words:
        words = ["--origin", "http://127.0.0.1:1", *words]
    result = command(*words)
    assert result.code == 1, result
    assert said in result.errors and len(lines_of(result)) <= 2 and not result.text


# ---- check ---------------------------------------------------------------------------------------


def expectations(path):
    """The `# expect: line:column: text` lines of a bad configuration as patterns of its errors."""
    text = path.read_bytes().decode("utf-8", "replace")
    patterns = []
    for place, words in re.findall(r"^# expect: (\d+:\d+): (.*)$", text, re.M):
        place = "" if place == "0:0" else f":{place}"
        patterns.append(rf"(?m)^{re.escape(str(path))}{place}: .*{re.escape(words)}")
    return patterns


def test_bad_files_fail_with_place_and_start_nothing(command):
    """Each bad file of the unit tests, through the program."""
    paths = sorted((CONFIGS / "bad").glob("*.yaml"))
    assert len(paths) >= 100
    failures = []
    for path in paths:
        result = command("check", "-c", path)
        place = re.compile(rf"^{re.escape(str(path))}(:\d+:\d+)?: ")
        is_placed = all(place.match(line) for line in lines_of(result))
        is_expected = all(re.search(text, result.errors) for text in expectations(path))
        if result.code != 1 or result.text or not lines_of(result):
            failures.append((path.name, "exit", result.code, result.text[:100]))
        elif not is_placed or not is_expected:
            failures.append((path.name, result.errors))
    assert not failures, failures


def test_all_errors_at_once_and_the_same_without_check(command):
    path = CONFIGS / "bad/all_at_once.yaml"
    checked, started = command("check", "-c", path), command("-c", path)
    assert checked.code == started.code == 1
    assert checked.errors == started.errors
    assert len(lines_of(checked)) == len(expectations(path)) > 5
    assert "did you mean 'limits'?" in checked.errors


def test_missing_file(command, tmp_path):
    result = command("check", "-c", tmp_path / "none.yaml")
    assert result.code == 1 and str(tmp_path / "none.yaml") in result.errors


def test_missing_and_wrong_certificates(command, make_certs, tmp_path):
    one, other = make_certs("one.test"), make_certs("other.test")
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    rows = [
        (one.certificate, other.key, "key"),
        (str(broken), one.key, "certificate"),
        (one.key, one.key, "certificate"),
        (one.certificate, one.certificate, "key"),
        ("/nowhere/tls.crt", one.key, "certificate"),
        (one.certificate, "/nowhere/tls.key", "key"),
    ]
    for number, (certificate, key, wrong) in enumerate(rows):
        path = tmp_path / f"tls{number}.yaml"
        path.write_text(
            "listeners:\n"
            "  - address: https://127.0.0.1:0\n"
            "    tls:\n"
            f"      certificate: {certificate}\n"
            f"      key: {key}\n"
            "origins: {app: {url: 'http://127.0.0.1:1'}}\n"
            "routes: [{origin: app}]\n"
        )
        for words in (["check", "-c", path], ["-c", path]):
            result = command(*words)
            line = 4 if wrong == "certificate" else 5
            assert result.code == 1, (number, result)
            (said,) = lines_of(result)
            assert re.match(rf"{path}:{line}:\d+: .*tls.*{wrong}: ", said), result


@pytest.mark.parametrize("name", ["outrider.yaml", "minimal.yaml"])
def test_shipped_files_are_good(command, name):
    result = command("check", "-c", ROOT / "config" / name)
    assert result.code == 0 and not result.errors, result


def test_check_prints_what_is_in_force_and_it_reloads(command, certs, tmp_path):
    first = tmp_path / "first.yaml"
    config = {
        "listeners": [
            {"address": "https://127.0.0.1:9443", "tls": certs.tls},
            {"address": "http://[::1]:9080"},
        ],
        "origins": {
            "app": {"url": "http://127.0.0.1:3000", "idle_timeout": "1500ms"},
            "sock": {"url": "unix:/run/app.sock", "max_connections": 7},
        },
        "routes": [
            {"host": "*.example.org", "path": "/api", "origin": "sock", "push": False},
            {"origin": "app", "push": ["/a.css", {"path": "/b.js", "as": "script"}]},
        ],
        "limits": {"head": "16KiB", "field": "4KiB", "streams": 17},
        "timeouts": {"origin_first_byte": "5s"},
        "workers": 3,
    }
    first.write_text(yaml.safe_dump(config))
    printed = command("check", "-c", first)
    assert printed.code == 0 and not printed.errors
    values = yaml.safe_load(printed.text)
    assert values["limits"]["streams"] == 17 and values["workers"] == 3
    assert values["limits"]["head"] == "16KiB" and values["timeouts"]["idle"] == "3m"
    assert values["origins"]["app"]["first_byte_timeout"] == "5s"
    assert values["origins"]["app"]["idle_timeout"] == "1500ms"
    assert [route["origin"] for route in values["routes"]] == ["sock", "app"]
    second = tmp_path / "second.yaml"
    second.write_text(printed.text)
    again = command("check", "-c", second)
    assert again.code == 0 and yaml.safe_load(again.text) == values, again


# ---- environment ---------------------------------------------------------------------------------


def sources_of(text):
    """Where the values of the last part of `outrider check` came from: {"push.max_open": "..."}."""
    found, section = {}, ""
    for line in text.splitlines():
        indent, key, _, comment = re.fullmatch(
            r"( *(?:- )?)([^\s:]+):?(?: +([^#\s].*?)??)?(?: +# (.*))?", line
        ).groups()
        if not indent:
            section = key
            found[key] = comment
        elif indent == "  ":
            found[f"{section}.{key}"] = comment
    return found


def test_check_says_where_each_value_came_from(command, tmp_path):
    path = tmp_path / "outrider.yaml"
    path.write_text(
        "listeners: ['http://127.0.0.1:0']\n"
        "origins: {app: 'http://127.0.0.1:1'}\n"
        "routes: [{origin: app}]\n"
        "workers: 2\n"
        "push: off\n"
        "timeouts: {idle: 5s, head: 6s}\n"
    )
    env = {
        "OUTRIDER_TIMEOUTS_IDLE": "7s",
        "OUTRIDER_PUSH_MAX_OPEN": "8",
        "OUTRIDER_TRUSTED": "10.0.0.0/8, ::1",
        "OUTRIDER_PORT": "tcp://10.0.0.1:8443",  # of a Kubernetes service
    }
    printed = command("check", "-c", path, env=env)
    assert printed.code == 0 and not printed.errors, printed
    values, sources = yaml.safe_load(printed.text), sources_of(printed.text)
    assert values["timeouts"]["idle"] == "7s" and values["timeouts"]["head"] == "6s"
    assert values["push"]["max_open"] == 8 and values["push"]["enabled"] is False
    assert values["trusted"] == ["10.0.0.0/8", "::1/128"] and values["workers"] == 2
    assert sources["timeouts.idle"] == "OUTRIDER_TIMEOUTS_IDLE"
    assert sources["timeouts.head"] == "file line 6"
    assert sources["timeouts.drain"] == "default"
    assert sources["push.max_open"] == "OUTRIDER_PUSH_MAX_OPEN"
    assert sources["push.enabled"] == "file line 5"
    assert sources["workers"] == "file line 4"
    assert printed.text.count("# OUTRIDER_TRUSTED\n") == 2
    assert printed.text.count("# OUTRIDER_PUSH_MAX_OPEN\n") == 2  # the route's too
    path.write_text(printed.text)
    again = command("check", "-c", path)
    assert again.code == 0 and yaml.safe_load(again.text) == values, again


def test_flags_go_over_variables_and_these_over_defaults(command):
    env = {
        "OUTRIDER_ORIGIN": "http://127.0.0.1:1",
        "OUTRIDER_LISTEN": "http://127.0.0.1:8081,http://127.0.0.1:8082",
        "OUTRIDER_WORKERS": "3",
        "OUTRIDER_LOG_LEVEL": "warn",
    }
    printed = command("check", "--workers", "4", env=env)
    assert printed.code == 0 and not printed.errors, printed
    values, sources = yaml.safe_load(printed.text), sources_of(printed.text)
    assert values["workers"] == 4 and sources["workers"] == "--workers"
    assert values["log"]["level"] == "warn" and sources["log.level"] == "OUTRIDER_LOG_LEVEL"
    assert sources["log.format"] == "default"
    assert [row["address"] for row in values["listeners"]] == [
        "http://127.0.0.1:8081", "http://127.0.0.1:8082",
    ]  # fmt: skip
    assert re.search(r"url: http://127.0.0.1:1 +# OUTRIDER_ORIGIN\n", printed.text)
    by_flag = command("check", "--origin", "http://127.0.0.1:2", "--listen", ":0", env=env)
    assert by_flag.code == 0
    assert re.search(r"url: http://127.0.0.1:2 +# --origin\n", by_flag.text)
    assert [row["address"] for row in yaml.safe_load(by_flag.text)["listeners"]] == ["https://*:0"]


@pytest.mark.parametrize(
    "env, said",
    [
        (
            {"OUTRIDER_TIMEOUTS_IDLE": "60"},
            "OUTRIDER_TIMEOUTS_IDLE: '60' needs a unit: ms, s, m, h or d",
        ),
        (
            {"OUTRIDER_PUSH_MAX_OPN": "8"},
            "OUTRIDER_PUSH_MAX_OPN: unknown variable: did you mean 'OUTRIDER_PUSH_MAX_OPEN'?",
        ),
        (
            {"OUTRIDER_ORIGIN": "http://127.0.0.1:1"},
            "OUTRIDER_ORIGIN: is for a start without a configuration file: set it there",
        ),
    ],
    ids=["value", "name", "flag"],
)
def test_bad_variables_are_configuration_errors(command, env, said):
    path = ROOT / "config/minimal.yaml"
    for words in (["-c", path], ["check", "-c", path]):
        result = command(*words, env=env)
        assert result.code == 1 and not result.text, result
        assert lines_of(result) == [said]


def test_start_by_variables_alone(outrider, origin, certs):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(
        arguments=[],
        listeners=2,
        env={
            "OUTRIDER_ORIGIN": origin.url,
            "OUTRIDER_LISTEN": "https://127.0.0.1:0,http://127.0.0.1:0",
            "OUTRIDER_CERT": certs.certificate,
            "OUTRIDER_KEY": certs.key,
            "OUTRIDER_WORKERS": "3",
        },
    )
    assert "workers=3" in proxy.stderr and "certificate" not in proxy.stderr
    with proxy.h2(cafile=certs.ca) as client:
        assert client.get("/").body == b"hello"
    with proxy.h2(tls=False) as client:
        assert client.get("/").body == b"hello"


def test_a_reload_keeps_the_variables(outrider, origin, make_origin):
    """The file sets a short time, the variable a long one, before and after a reload."""
    other = make_origin()
    origin.on("/late", sleep(0.4), respond(200, [], b"old"))
    other.on("/late", sleep(0.4), respond(200, [], b"new"))
    proxy = outrider(
        origin,
        timeouts={"origin_first_byte": "100ms"},
        env={"OUTRIDER_TIMEOUTS_ORIGIN_FIRST_BYTE": "20s"},
    )
    path = proxy.directory / "outrider.yaml"
    with proxy.h2() as client:
        assert client.get("/late").body == b"old"
        path.with_suffix(".new").write_text(path.read_text().replace(origin.url, other.url))
        os.replace(path.with_suffix(".new"), path)
        proxy.send_signal(signal.SIGHUP)
        proxy.wait_stderr(r"reloaded file=\S+ reloads=1")
        assert client.get("/late").body == b"new"


# ---- start ---------------------------------------------------------------------------------------


def test_flags_alone_make_a_development_certificate(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(arguments=["--origin", origin.url, "--listen", "127.0.0.1:0"])
    assert proxy.urls[0][0] == "https"  # a bare address is TLS
    assert re.search(r" warn .*certificate.*localhost", proxy.stderr)
    with proxy.h2() as client:
        assert client.get("/").body == b"hello"
        der = client.sock.getpeercert(binary_form=True)
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-text"],
        input=ssl.DER_cert_to_PEM_cert(der).encode(), capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    assert "DNS:localhost" in text and "127.0.0.1" in text


def test_flags_with_everything(outrider, origin, certs):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(
        arguments=[
            "--origin", origin.url, "--listen", "https://127.0.0.1:0", "--listen",
            "http://127.0.0.1:0", "--listen=127.0.0.1:0", "--cert", certs.certificate, "--key",
            certs.key, "--workers", "3", "--origin-timeout", "5s",
        ],
        listeners=3,
    )  # fmt: skip
    assert [scheme for scheme, _, _ in proxy.urls] == ["https", "http", "https"]
    assert "workers=3" in proxy.stderr and "certificate" not in proxy.stderr
    for number in (0, 1):
        port = proxy.port("https", number)
        with h2client.H2Client(port, cafile=certs.ca) as client:
            assert client.get("/").body == b"hello"
    with proxy.h1() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.read_response()[2] == b"hello"
    tasks = os.listdir(f"/proc/{proxy.process.pid}/task")
    assert len(tasks) >= 1 + 3


def test_listen_on_ipv6_and_on_any_address(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(
        arguments=[
            "--origin", origin.url, "--listen", "http://[::1]:0", "--listen", "http://*:0",
        ],
        listeners=2,
    )  # fmt: skip
    assert proxy.urls[0][1] == "[::1]"
    for host, port in (("::1", proxy.urls[0][2]), ("127.0.0.1", proxy.urls[1][2])):
        sock = h2client.open_socket(port, tls=False, host=host)
        sock.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        data = b""
        while piece := sock.recv(1000):
            data += piece
        sock.close()
        assert data.endswith(b"hello"), host


def test_origin_on_a_unix_socket(outrider, unix_origin):
    unix_origin.on("/", respond(200, [], b"from unix"))
    proxy = outrider(
        arguments=["--origin", unix_origin.url, "--listen", "http://127.0.0.1:0"], listeners=1
    )
    with proxy.h2(tls=False, authority="app.test") as client:
        assert client.get("/").body == b"from unix"
    assert unix_origin.last().header("host") == "app.test"


def test_origin_timeout_flag_before_the_head_and_after(outrider, origin):
    origin.on("/silent", sleep(2), respond(200, [], b"late"))
    origin.on("/stuck", send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), wait("never"))
    proxy = outrider(
        arguments=[
            "--origin", origin.url, "--listen", "http://127.0.0.1:0", "--origin-timeout", "400ms",
        ]
    )  # fmt: skip
    start = time.monotonic()
    with proxy.h2(tls=False) as client:
        silent, stuck = client.get_all(["/silent", "/stuck"])
    assert 0.35 < time.monotonic() - start < 1.9
    assert silent.status == 504 and "http_response_timeout" in silent.header("proxy-status")
    assert stuck.status == 200 and stuck.reset is not None and not stuck.is_ended
    origin.event("never").set()


@pytest.mark.parametrize("holder", ["plain", "outrider"])
def test_port_in_use(command, outrider, origin, holder):
    if holder == "plain":
        keeper = socket.create_server(("127.0.0.1", 0))
        port = keeper.getsockname()[1]
    else:
        proxy = outrider(arguments=["--origin", origin.url, "--listen", "http://127.0.0.1:0"])
        port = proxy.http_port
    result = command("--origin", origin.url, "--listen", f"http://127.0.0.1:{port}", limit=5)
    assert result.code == 1 and not result.text
    assert str(port) in result.errors and "in use" in result.errors, result
    if holder == "plain":
        keeper.close()


def test_port_in_use_names_the_line_of_the_file(command, tmp_path):
    path = tmp_path / "port.yaml"
    with socket.create_server(("127.0.0.1", 0)) as keeper:
        path.write_text(
            "listeners:\n"
            "  - address: http://127.0.0.1:0\n"
            f"  - address: http://127.0.0.1:{keeper.getsockname()[1]}\n"
            "origins: {app: {url: 'http://127.0.0.1:1'}}\n"
            "routes: [{origin: app}]\n"
        )
        result = command("-c", path)
    assert result.code == 1
    (said,) = lines_of(result)
    assert re.match(rf"{path}:3:\d+: listeners\[1\].address: ", said), result


def test_address_that_is_not_ours(command):
    result = command("--origin", "http://127.0.0.1:1", "--listen", "http://192.0.2.1:18080")
    assert result.code == 1 and "192.0.2.1" in result.errors


def test_access_log_that_cannot_be_opened(command, tmp_path):
    path = tmp_path / "log.yaml"
    path.write_text(
        "listeners: ['http://127.0.0.1:0']\n"
        "origins: {app: 'http://127.0.0.1:1'}\n"
        "routes: [{origin: app}]\n"
        "log: {access: /nowhere/access.log}\n"
    )
    result = command("-c", path)
    assert result.code == 1, result
    assert f"{path}:4:15: log.access: can't open /nowhere/access.log" in result.errors, result


@pytest.mark.parametrize(
    "closed, numbers", [("<&-", [0]), (">&-", [1]), ("2>&-", [2]), ("<&- >&- 2>&-", [0, 1, 2])]
)
def test_closed_standard_descriptors_are_not_given_to_clients(origin, closed, numbers):
    """Else the first connections would have their numbers, and clients would read our logs."""
    origin.on("/", respond(200, [("content-length", 5)], b"hello"))
    port = closed_port()
    words = ["--origin", origin.url, "--listen", f"http://127.0.0.1:{port}", "--workers", "1"]
    env = {**os.environ, "OUTRIDER_ADMIN_LISTEN": "off"}
    process = subprocess.Popen(
        ["sh", "-c", f'exec "$@" {closed}', "sh", binary(), *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
    )  # fmt: skip
    try:
        link = connect_until(port)
        for number in numbers:
            assert os.readlink(f"/proc/{process.pid}/fd/{number}") == "/dev/null"
        with link:
            for _ in range(2):
                link.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                answer = b""
                while not answer.endswith(b"hello"):
                    data = link.recv(4096)
                    assert data, answer
                    answer += data
                assert answer.startswith(b"HTTP/1.1 200 ")
            process.send_signal(signal.SIGTERM)  # lines are written at the latest now
            assert link.recv(4096) == b""
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


def connect_until(port, limit=20):
    end = time.monotonic() + limit
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), limit)
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_an_origin_that_is_not_there_is_no_reason_not_to_start(outrider):
    proxy = outrider(
        arguments=[
            "--origin", f"http://127.0.0.1:{closed_port()}", "--listen", "http://127.0.0.1:0",
        ]
    )  # fmt: skip
    with proxy.h2(tls=False) as client:
        assert client.get("/").status == 502


# ---- stop ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_signals_stop_it_cleanly(outrider, origin, number):
    proxy = outrider(origin)
    start = time.monotonic()
    proxy.stop(number)
    assert time.monotonic() - start < 3
    assert proxy.stderr.rstrip().endswith("stopped")


def test_second_signal_stops_now(outrider, origin):
    origin.on("/long", send(b"HTTP/1.1 200 OK\r\n\r\nfirst"), wait("never"))
    proxy = outrider(origin)
    with proxy.h2() as client:
        stream_id = client.request("/long")
        client.wait_head(stream_id)
        proxy.send_signal(signal.SIGTERM)
        proxy.wait_stderr("draining")
        client.settle(0.1)
        assert proxy.process.poll() is None
        start = time.monotonic()
        proxy.stop(signal.SIGTERM)
        assert time.monotonic() - start < 3
        client.wait_closed()
        assert not client.responses[stream_id].is_ended
    origin.event("never").set()


def test_a_signal_while_it_starts(origin, tmp_path):
    """Whenever it comes after the listening sockets are there, the end is a clean one."""
    for _ in range(12):
        port = closed_port()
        words = [binary(), "--origin", origin.url, "--listen", f"127.0.0.1:{port}"]
        with open(tmp_path / "err", "wb") as err:
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=err)
        try:
            while process.poll() is None:
                with socket.socket() as sock:
                    if sock.connect_ex(("127.0.0.1", port)) == 0:
                        break
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0, (tmp_path / "err").read_text()
        finally:
            process.kill()


def test_hangup_and_pipe_do_not_kill_it(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin)
    proxy.send_signal(signal.SIGPIPE)
    with proxy.h2() as client:
        assert client.get("/").body == b"hello"


def test_runs_without_a_reader_of_its_output(origin, tmp_path):
    """stdout and stderr are closed pipes: logs are lost, requests are not."""
    origin.on("/", respond(200, [], b"hello"))
    port = closed_port()
    process = subprocess.Popen(
        [binary(), "--origin", origin.url, "--listen", f"http://127.0.0.1:{port}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    try:
        while b"listening" not in (said := process.stderr.readline()):
            assert said and not FINDING.search(said.decode())
        process.stdout.close()
        process.stderr.close()
        for _ in range(3):
            with h2client.H2Client(port, tls=False) as client:
                assert client.get("/").body == b"hello"
            time.sleep(0.4)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
