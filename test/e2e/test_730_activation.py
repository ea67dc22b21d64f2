# SPDX-License-Identifier: Apache-2.0
"""Listening sockets that somebody else opened: systemd's socket activation, and what it is good for."""

import contextlib
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
import yaml

from conftest import binary
from origin import respond, sleep

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture
def passed():
    """passed("127.0.0.1"): a listening socket on that address."""
    made = []

    def make(host="127.0.0.1", port=0, dual=False):
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        made.append(sock)
        if ":" in host:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(1024)
        return sock

    yield make
    for sock in made:
        sock.close()


def port_of(sock):
    return sock.getsockname()[1]


def cleartext_at(port, host):
    return [{"address": f"http://{host}:{port}"}]


def cleartext(sock, host="127.0.0.1"):
    return cleartext_at(port_of(sock), host)


def fails_to_start(outrider, *args, **options):
    with pytest.raises(AssertionError) as failure:
        outrider(*args, **options)
    assert "(exit 1)" in str(failure.value)
    return str(failure.value)


def ask(port, family=socket.AF_INET, host="127.0.0.1", tls=False):
    """One request on a connection of its own; the whole response."""
    with socket.socket(family) as sock:
        sock.settimeout(20)
        sock.connect((host, port))
        if tls:
            context = ssl._create_unverified_context()
            sock = context.wrap_socket(sock)
        sock.sendall(REQUEST)
        answer = b""
        while data := sock.recv(65536):
            answer += data
        return answer


def test_passed_sockets_serve(outrider, origin, passed, certs):
    origin.on("/", respond(200, body=b"hello"))
    web, secure = passed(), passed()
    proxy = outrider(
        origin, sockets=[secure, web],
        listeners=[*cleartext(web), {"address": f"https://127.0.0.1:{port_of(secure)}", "tls": certs.tls},
                   {"address": "http://127.0.0.1:0"}],
    )  # fmt: skip
    proxy.wait_stderr(rf"listening url=http://127.0.0.1:{port_of(web)} workers=2 socket=passed\n")
    proxy.wait_stderr(rf"listening url=https://127.0.0.1:{port_of(secure)} workers=2 socket=passed\n")
    own = proxy.port("http", 1)
    proxy.wait_stderr(rf"listening url=http://127.0.0.1:{own} workers=2\n")
    for port in port_of(web), own:
        assert ask(port).endswith(b"hello")
    with proxy.h2() as client:
        assert client.get("/").body == b"hello"


@pytest.mark.parametrize("host", ["*", "[::]"])
def test_any_address(outrider, origin, passed, host):
    origin.on("/", respond(200, body=b"hello"))
    sock = passed("::", dual=True)
    outrider(origin, sockets=[sock], listeners=cleartext(sock, host))
    assert ask(port_of(sock)).endswith(b"hello")
    assert ask(port_of(sock), socket.AF_INET6, "::1").endswith(b"hello")


def test_all_workers_take_from_the_one_queue(outrider, origin, passed):
    """A worker that is busy leaves the others their share."""
    origin.on("/", respond(200, body=b"hello"))
    sock = passed()
    proxy = outrider(origin, sockets=[sock], listeners=cleartext(sock), workers=3)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.h1()) for _ in range(60)]
        for client in clients:
            client.send(REQUEST)
        for client in clients:
            assert client.read_response()[0] == 200


def test_a_socket_that_no_listener_uses(outrider, origin, passed):
    used, unused, v6 = passed(), passed(), passed("::1")
    text = fails_to_start(outrider, origin, sockets=[used, unused, v6], listeners=cleartext(used))
    for address in f"127.0.0.1:{port_of(unused)}", f"[::1]:{port_of(v6)}":
        assert f"listeners: none is for {address}, on which the service manager passed a socket" in text


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_what_is_no_listening_socket(outrider, origin, passed, kind):
    sock = passed()
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        text = fails_to_start(outrider, origin, sockets=[sock, other], listeners=cleartext(sock))
    assert "LISTEN_FDS: the service manager passed descriptor 4 (" in text


def test_as_systemd_does_it(origin, passed, tmp_path):
    tool = shutil.which("systemd-socket-activate")
    if tool is None:
        pytest.skip("systemd-socket-activate is not installed")
    origin.on("/", respond(200, body=b"hello"))
    with passed() as sock:
        port = port_of(sock)  # free for a moment
    path = tmp_path / "outrider.yaml"
    path.write_text(yaml.safe_dump({
        "listeners": cleartext_at(port, "*"), "origins": {"app": {"url": origin.url}},
        "routes": [{"origin": "app"}], "workers": 2, "admin": "off",
    }))  # fmt: skip
    with open(tmp_path / "stderr", "wb") as err:
        command = [tool, "-l", str(port), "--fdname=web", binary(), "-c", path]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=err)
    try:
        end = time.monotonic() + 10
        while True:
            try:
                assert ask(port).endswith(b"hello")  # which starts it
                break
            except ConnectionRefusedError:
                assert time.monotonic() < end
                time.sleep(0.02)
        assert ask(port, socket.AF_INET6, "::1").endswith(b"hello")
    finally:
        process.terminate()
        assert process.wait(20) == 0, (tmp_path / "stderr").read_text()
    assert "socket=passed" in (tmp_path / "stderr").read_text()


def test_variables_for_another_process_are_ignored(outrider, origin):
    origin.on("/", respond(200, body=b"hello"))
    proxy = outrider(origin, env={"LISTEN_PID": "1", "LISTEN_FDS": "5"})
    assert ask(proxy.http_port).endswith(b"hello")


def test_reloads_keep_it(outrider, origin, passed):
    origin.on("/", respond(200, body=b"hello"))
    sock, other = passed(), passed()
    proxy = outrider(origin, sockets=[sock, other], listeners=[*cleartext(sock), *cleartext(other)])
    path = pathlib.Path(proxy.arguments[1])
    good = path.read_text()
    path.write_text(good + "# changed\n")
    proxy.send_signal(signal.SIGHUP)
    proxy.wait_stderr("reloaded .* reloads=1")
    assert ask(port_of(sock)).endswith(b"hello")
    # Who would still be connected to the other one?
    path.write_text(good.replace(str(port_of(other)), "0"))
    proxy.send_signal(signal.SIGHUP)
    proxy.wait_stderr(rf"none is for 127.0.0.1:{port_of(other)}, on which the service manager passed")
    proxy.wait_stderr("reload failed")
    assert ask(port_of(other)).endswith(b"hello")


class Visitors:
    """Clients that come all the time, each with a connection of its own."""

    def __init__(self, port, tls, count=6):
        self.port = port
        self.tls = tls
        self.answers = []  # in order of their ends
        self.failures = []
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self._run) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        while not self.is_over.is_set():
            try:
                answer = ask(self.port, tls=self.tls)
                assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"hello"), answer
                self.answers.append(time.monotonic())
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))

    def wait_more(self, count):
        wanted = len(self.answers) + count
        end = time.monotonic() + 20
        while len(self.answers) < wanted and not self.failures:
            assert time.monotonic() < end, f"{len(self.answers)} of {wanted} answers"
            time.sleep(0.01)

    def end(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(30)


@pytest.mark.limit(120)
@pytest.mark.parametrize("tls", [False, True], ids=["cleartext", "tls"])
def test_a_restart_refuses_nobody(outrider, origin, passed, certs, tls):
    origin.on("/", sleep(0.005), respond(200, body=b"hello"))
    sock = passed()
    secure = [{"address": f"https://127.0.0.1:{port_of(sock)}", "tls": certs.tls}]
    options = {"sockets": [sock], "listeners": secure if tls else cleartext(sock)}
    proxy = outrider(origin, **options)
    visitors = Visitors(port_of(sock), tls)
    try:
        for _ in range(5):
            visitors.wait_more(50)
            proxy.stop()
            time.sleep(0.1)  # nobody serves: all of them wait
            proxy = outrider(origin, **options)
        visitors.wait_more(50)
    finally:
        visitors.end()
    assert visitors.failures == []
