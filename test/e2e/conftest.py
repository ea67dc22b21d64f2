# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: a real outrider between real clients and a scripted origin.

    def test_page(outrider, origin):
        origin.on("/", respond(200, [], b"hello"))
        proxy = outrider(origin)                       # or outrider(origin, routes=[...], workers=2)
        with proxy.h2() as client:
            assert client.get("/").body == b"hello"

The binary is named by OUTRIDER_BINARY (else build/proxy/outrider). Every outrider is stopped at the
end of its test and has to leave with 0 and without a sanitizer's finding.
"""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
import yaml

import h2client
import tools
from origin import Origin

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_LIMIT_S = 20
STOP_LIMIT_S = 20
TEST_LIMIT_S = 60

FINDING = re.compile(
    r"(ERROR: (Address|Leak|Thread|Undefined\w*)Sanitizer|runtime error:|WARNING: ThreadSanitizer"
    r"|outrider: bug:)"
)
LISTENING = re.compile(r"listening url=(https?)://(\[[^\]]*\]|[^:\s]+):(\d+)")
ADMIN = re.compile(r" (admin|probes) url=http://(?:\[[^\]]*\]|[^:\s]+):(\d+)/")


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): another time limit than 60 s for this test")
    config.addinivalue_line("markers", "short: of suite attack, and in the default run too")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """A test that hangs fails by itself, with a stack."""
    marker = item.get_closest_marker("limit")
    seconds = marker.args[0] if marker else TEST_LIMIT_S

    def on_alarm(_number, _frame):
        pytest.fail(f"the test took longer than {seconds} s")  # which nobody catches

    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(seconds)
    yield
    signal.alarm(0)


PROCESSES = pytest.StashKey[list]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what its outriders and origins said."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for title, text in item.stash.get(PROCESSES, []):
            report.sections.append((title(), text()))


class Answer:
    """What the admin listener said. Field names are in lower case."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:2000]!r}>"


class Outrider:
    """A running outrider. stderr and stdout are files in its own directory. `prefix`: the words before
    it, of a command that becomes it (exec)."""

    def __init__(self, directory, arguments, listeners=1, env=None, sockets=(), prefix=()):
        self.directory = directory
        self.arguments = arguments
        self.stderr_path = directory / "stderr"
        self.stdout_path = directory / "stdout"
        with open(self.stderr_path, "wb") as err, open(self.stdout_path, "wb") as out:
            self.process = subprocess.Popen(
                [*map(str, prefix), *activation(sockets), str(binary()), *arguments],
                pass_fds=[sock.fileno() for sock in sockets],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=directory,
                env=environment(arguments, env),
            )
        self.urls = []  # (scheme, host, port) in the order they were logged
        self.expected_exit = 0
        self.is_stopped = False
        self._wait_listening(listeners)

    # -- what it says

    @property
    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    @property
    def stdout(self):
        return self.stdout_path.read_text(errors="replace")

    def wait_stderr(self, pattern, limit=10):
        """The match of the pattern in the error log, once it is there."""
        end = time.monotonic() + limit
        while (match := re.search(pattern, self.stderr)) is None:
            assert time.monotonic() < end, f"no {pattern!r} in the error log:\n{self.stderr}"
            time.sleep(0.02)
        return match

    def access_log(self, count=0, limit=10):
        """The lines of the access log (JSON, on stdout), once there are `count`."""
        end = time.monotonic() + limit
        while True:
            lines = [line for line in self.stdout.splitlines() if line.startswith("{")]
            if len(lines) >= count:
                return [json.loads(line) for line in lines]
            assert time.monotonic() < end, f"{len(lines)} access log lines, not {count}"
            time.sleep(0.02)

    def resident_kb(self):
        """Memory in use (VmRSS)."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    # -- where it is

    def port(self, scheme="https", number=0):
        ports = [port for kind, _, port in self.urls if kind == scheme]
        assert len(ports) > number, f"no listener {number} for {scheme} in {self.urls}"
        return ports[number]

    @property
    def https_port(self):
        return self.port("https")

    @property
    def http_port(self):
        return self.port("http")

    def url(self, path="/", scheme="https", host="127.0.0.1"):
        return f"{scheme}://{host}:{self.port(scheme)}{path}"

    # -- the admin listener, where the test's configuration has one: admin={"listen": "127.0.0.1:0"}

    def admin_port(self, kind="admin"):
        """The port of admin.listen ("admin") or of admin.probes ("probes") as it was last logged."""
        self.wait_stderr(rf" {kind} url=http://")
        return [int(port) for name, port in ADMIN.findall(self.stderr) if name == kind][-1]

    def admin(self, path, method="GET", headers=None, body=None, port=None, limit=10):
        """One question on a connection of its own; returns an Answer."""
        link = http.client.HTTPConnection("127.0.0.1", port or self.admin_port(), timeout=limit)
        try:
            link.request(method, path, body, headers or {})
            return Answer(link.getresponse())
        finally:
            link.close()

    def metrics(self):
        """All samples of /metrics: {'outrider_requests_total{protocol="http2",code="2xx"}': 3.0}."""
        lines = self.admin("/metrics").text.splitlines()
        rows = [line.rsplit(" ", 1) for line in lines if line and not line.startswith("#")]
        return {name: float(value) for name, value in rows}

    # -- clients (they are closed by `with`)

    def h2(self, tls=True, **options):
        return h2client.H2Client(self.port("https" if tls else "http"), tls, **options)

    def raw_h2(self, tls=True, **options):
        return h2client.RawH2(self.port("https" if tls else "http"), tls, **options)

    def h1(self, tls=False, **options):
        return tools.H1Client(self.port("https" if tls else "http"), tls, **options)

    # -- its end

    def send_signal(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM):
        """Stops it and checks how it left."""
        if self.is_stopped:
            return
        self.is_stopped = True
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            raise AssertionError(f"outrider did not stop within {STOP_LIMIT_S} s") from None
        finding = FINDING.search(self.stderr)
        assert not finding, f"outrider reported: {self.stderr[finding.start():][:6000]}"
        assert code == self.expected_exit, f"outrider left with {code}:\n{self.stderr[-4000:]}"

    def _wait_listening(self, count):
        end = time.monotonic() + START_LIMIT_S
        while True:
            found = dict.fromkeys(LISTENING.findall(self.stderr))
            self.urls = [(scheme, host, int(port)) for scheme, host, port in found]
            if len(self.urls) >= count:
                return
            if self.process.poll() is not None or time.monotonic() > end:
                self.is_stopped = True
                self.process.kill()
                self.process.wait()
                raise AssertionError(
                    f"outrider {self.arguments} does not listen "
                    f"(exit {self.process.returncode}):\n{self.stderr}"
                )
            time.sleep(0.01)


def environment(arguments, env):
    """Ours and `env`, where None takes a variable away. Without an `admin` section in its file an
    outrider has no admin listener: those of a whole test run would fight for the default port."""
    path = pathlib.Path(arguments[arguments.index("-c") + 1]) if "-c" in arguments else None
    text = path.read_text() if path is not None and path.exists() else ""
    has_admin = re.search(r"^admin:", text, re.M)
    admin = {} if has_admin else {"OUTRIDER_ADMIN_LISTEN": "off"}
    merged = {**os.environ, **admin, **(env or {})}
    return {name: value for name, value in merged.items() if value is not None}


def activation(sockets):
    """The words before a command that pass it listening sockets, as a service manager does."""
    if not sockets:
        return []
    fds = ",".join(str(sock.fileno()) for sock in sockets)
    return [sys.executable, str(pathlib.Path(__file__).with_name("activate.py")), fds, "web"]


def binary():
    path = pathlib.Path(os.environ.get("OUTRIDER_BINARY", ROOT / "build/proxy/outrider"))
    assert path.exists(), f"{path} does not exist; build it or set OUTRIDER_BINARY"
    return path


class Certificates:
    def __init__(self, directory, *names):
        subprocess.run([ROOT / "scripts/make-certs", directory, *names], check=True, timeout=60)
        self.ca = str(directory / "ca.crt")
        self.certificate = str(directory / "tls.crt")
        self.key = str(directory / "tls.key")

    @property
    def tls(self):
        """As a listener's `tls:` section wants it."""
        return {"certificate": self.certificate, "key": self.key}


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    """A certificate for localhost and its authority."""
    return Certificates(tmp_path_factory.mktemp("certs"))


@pytest.fixture
def make_certs(tmp_path):
    """make_certs("example.org", "*.example.org"): another authority and certificate."""
    made = []

    def make(*names):
        made.append(Certificates(tmp_path / f"certs{len(made)}", *names))
        return made[-1]

    return make


def note(request, title, text):
    request.node.stash.setdefault(PROCESSES, []).append((lambda: title, text))


@pytest.fixture
def make_origin(request, tmp_path):
    """make_origin() or make_origin(unix=True): a further scripted origin."""
    origins = []

    def make(unix=False):
        path = tmp_path / f"origin{len(origins)}.sock" if unix else None
        made = Origin(path)
        origins.append(made)
        note(request, f"origin {made.url}", lambda: "\n".join(map(repr, made.requests)))
        return made

    yield make
    for origin in origins:
        origin.stop()
    errors = [error for origin in origins for error in origin.errors]
    assert not errors, f"the scripted origin failed: {errors}"


@pytest.fixture
def origin(make_origin):
    """The scripted origin on TCP."""
    return make_origin()


@pytest.fixture
def unix_origin(make_origin):
    return make_origin(unix=True)


def default_listeners(certs):
    return [
        {"address": "https://127.0.0.1:0", "tls": certs.tls},
        {"address": "http://127.0.0.1:0"},
    ]


@pytest.fixture
def outrider(request, tmp_path, certs):
    """outrider(origin, **sections) starts one with a configuration file.

    `origin` is an Origin, a URL, or None when `origins` is given. Without further words it has a TLS
    and a cleartext listener on free ports, one route for everything and two workers. Sections
    replace those of the file as they are: listeners=, origins=, routes=, limits=, timeouts= ...
    `origin_options` adds to the one origin. `arguments` starts it with these words and no file
    (`listeners` is then the number of listeners to wait for). `config` is a whole file as text.
    `sockets` are passed as systemd passes them. `prefix` see Outrider.
    """
    started = []

    def write(directory, origin, origin_options, sections):
        url = origin.url if isinstance(origin, Origin) else origin
        config = {
            "listeners": default_listeners(certs),
            "origins": {"app": {"url": url, **(origin_options or {})}},
            "routes": [{"origin": "app"}],
            "workers": 2,
            **sections,
        }
        path = directory / "outrider.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return ["-c", str(path)], len(config["listeners"])

    def start(
        origin=None, origin_options=None, arguments=None, config=None, env=None, sockets=(), prefix=(),
        **sections
    ):
        directory = tmp_path / f"outrider{len(started)}"
        directory.mkdir()
        if arguments is not None:
            words, count = list(map(str, arguments)), sections.get("listeners", 1)
        elif config is not None:
            path = directory / "outrider.yaml"
            path.write_text(config)
            words, count = ["-c", str(path)], len(yaml.safe_load(config).get("listeners", [1]))
        else:
            words, count = write(directory, origin, origin_options, sections)
        note(request, f"outrider {' '.join(words)}: stderr", lambda: tail(directory / "stderr"))
        note(request, f"outrider {' '.join(words)}: stdout", lambda: tail(directory / "stdout"))
        proxy = Outrider(directory, words, count, env, sockets, prefix)
        started.append(proxy)
        return proxy

    yield start
    problems = []
    for proxy in started:
        try:
            proxy.stop()
        except AssertionError as error:
            problems.append(str(error))
    assert not problems, "\n".join(problems)


def tail(path, count=20000):
    return path.read_text(errors="replace")[-count:] if path.exists() else ""


@pytest.fixture
def command():
    """command("check", "-c", path): runs the binary to its end; result.code, .text, .errors."""

    def run(*words, limit=20, env=None):
        result = tools.run(binary(), *words, limit=limit, env=env)
        assert not FINDING.search(result.errors), result.errors
        return result

    return run


@pytest.fixture
def node_env(certs):
    """Environment in which Node trusts the test certificate."""
    return {"NODE_EXTRA_CA_CERTS": certs.ca}
