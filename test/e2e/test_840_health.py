# SPDX-License-Identifier: Apache-2.0
"""`outrider health`: what a probe without curl or a shell is told."""

import contextlib
import pathlib
import signal
import socket
import threading
import time

import pytest
import yaml
from origin import closed_port, respond, wait

ADMIN = {"listen": "127.0.0.1:0"}


def place(proxy):
    return f"127.0.0.1:{proxy.admin_port()}"


@contextlib.contextmanager
def listener(answer=None, path=None):
    """Accepts one connection and sends `answer` to it (None: nothing, and holds it)."""
    server = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    server.bind(str(path) if path else ("127.0.0.1", 0))
    server.listen()
    held = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                link, _ = server.accept()
                held.append(link)
                if answer is not None:
                    link.recv(1000)
                    link.sendall(answer)
                    link.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"unix:{path}" if path else f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
        for link in held:
            link.close()


def test_a_ready_one(outrider, origin, command):
    proxy = outrider(origin, admin=ADMIN)
    for words in ([], ["--live"], ["--timeout", "5s"], ["--timeout=5000ms", "--live"]):
        result = command("health", "--admin", place(proxy), *words)
        said = "live\n" if "--live" in words else "ready\n"
        assert (result.code, result.text, result.errors) == (0, said, "")
    # by the variable, which the proxy's own container has
    result = command("health", env={"OUTRIDER_ADMIN_LISTEN": place(proxy)})
    assert (result.code, result.text) == (0, "ready\n")


def test_nobody_there(command):
    port = closed_port()
    result = command("health", "--admin", f"127.0.0.1:{port}")
    assert (result.code, result.text) == (1, "")
    assert result.errors == f"outrider: http://127.0.0.1:{port}/: can't connect: Connection refused\n"
    result = command("health", "--admin", "unix:/nowhere/at/all.sock")
    assert result.code == 1
    assert result.errors == "outrider: unix:/nowhere/at/all.sock: can't connect: No such file or directory\n"


def test_a_stopped_one(outrider, origin, command):
    proxy = outrider(origin, admin=ADMIN)
    at = place(proxy)
    proxy.stop()
    assert command("health", "--admin", at).code == 1


def test_a_draining_one(outrider, origin, command):
    origin.on("/", wait("go"), respond(200, [], b"hello"))
    proxy = outrider(origin, admin=ADMIN)
    with proxy.h2() as client:
        stream_id = client.request("/")
        origin.wait_requests(1)
        proxy.send_signal(signal.SIGTERM)
        client.wait_until(lambda: client.goaways)
        result = command("health", "--admin", place(proxy))
        assert (result.code, result.text, result.errors) == (1, "draining\n", "")
        result = command("health", "--admin", place(proxy), "--live")
        assert (result.code, result.text, result.errors) == (0, "live\n", "")
        origin.event("go").set()
        assert client.wait(stream_id).body == b"hello"


def test_where_the_file_says(outrider, origin, command, tmp_path):
    """And what the file says of anything else, however wrong, changes nothing."""
    path = tmp_path / "admin.sock"
    proxy = outrider(origin, admin={"listen": f"unix:{path}"})
    file = pathlib.Path(proxy.arguments[1])
    result = command("health", "-c", file)
    assert (result.code, result.text, result.errors) == (0, "ready\n", "")
    good = yaml.safe_load(file.read_text())
    for change in (
        {"workers": "many"},
        {"rotues": []},
        {"routes": [{"origin": "nobody"}]},
        {"listeners": [{"address": "https://127.0.0.1:0", "tls": {"certificate": "/none", "key": "/none"}}]},
        {"origins": None},
    ):
        file.write_text(yaml.safe_dump({**good, **change}))
        assert command("check", "-c", file).code == 1, change
        result = command("health", "-c", file)
        assert (result.code, result.text) == (0, "ready\n"), change
    file.write_text(yaml.safe_dump(good))


def test_a_file_that_is_none_means_the_default(command, tmp_path):
    path = tmp_path / "outrider.yaml"
    for text in ("", "admin: [", "- a\n- b\n", "word", "admin: {listen: [1, 2]}", "\x00", "admin: {}",
                 "admin:\n  listen: https://127.0.0.1:1\n", "admin: &a {listen: *a}"):  # fmt: skip
        path.write_text(text)
        result = command("health", "-c", path, "--timeout", "2s")
        # Whether anybody serves there is not this test's affair.
        assert result.text or "http://127.0.0.1:9901/: " in result.errors, (text, result)
    path.write_text("admin: 127.0.0.1:1\n")
    assert "http://127.0.0.1:1/: can't" in command("health", "-c", path).errors
    result = command("health", "-c", path, env={"OUTRIDER_ADMIN_LISTEN": "127.0.0.1:2"})
    assert "http://127.0.0.1:2/: can't" in result.errors
    result = command("health", "-c", path, "--admin", "127.0.0.1:3", env={"OUTRIDER_ADMIN_LISTEN": ":2"})
    assert "http://127.0.0.1:3/: can't" in result.errors


def test_the_place_for_probes_alone(outrider, origin, command):
    """It is asked when there is no other."""
    proxy = outrider(origin, admin={"listen": "off", "probes": "127.0.0.1:0"})
    at = f"127.0.0.1:{proxy.admin_port('probes')}"
    file = pathlib.Path(proxy.arguments[1])
    good = file.read_text()
    file.write_text(good.replace("probes: 127.0.0.1:0", f"probes: {at}"))
    for words in ([], ["--live"]):
        result = command("health", "-c", file, *words)
        assert (result.code, result.text, result.errors) == (0, "live\n" if words else "ready\n", "")
    file.write_text(good)
    result = command("health", env={"OUTRIDER_ADMIN_LISTEN": "off", "OUTRIDER_ADMIN_PROBES": at})
    assert (result.code, result.text) == (0, "ready\n"), result


@pytest.mark.parametrize("text", ["admin: off\n", "admin: {listen: off}\n"])
def test_off(command, tmp_path, text):
    path = tmp_path / "outrider.yaml"
    path.write_text(text)
    result = command("health", "-c", path)
    assert (result.code, result.text) == (1, "")
    assert result.errors == "outrider: there is no admin listener to ask (admin: off)\n"
    result = command("health", env={"OUTRIDER_ADMIN_LISTEN": "off"})
    assert result.code == 1 and "admin: off" in result.errors


@pytest.mark.parametrize("address", ["*:0", "0.0.0.0:0", "[::]:0", "[::1]:0"])
def test_any_address_is_asked_on_this_machine(outrider, origin, command, address):
    proxy = outrider(origin, admin={"listen": address})
    at = address.replace(":0", f":{proxy.admin_port()}")
    result = command("health", "--admin", at)
    assert (result.code, result.text) == (0, "ready\n"), result


@pytest.mark.parametrize(
    "words, said",
    [
        (["--timeout", "soon"], "--timeout"),
        (["--timeout", "0s"], "--timeout"),
        (["--timeout", "2h"], "--timeout"),
        (["--admin", "https://127.0.0.1:9901"], "--admin"),
        (["--admin", "localhost"], "--admin"),
        (["--admin", "unix:relative.sock"], "--admin"),
        (["--admin", "unix:/" + 200 * "x"], "--admin"),
        (["--client", "push"], "--client is for explain alone"),
        (["there"], "unexpected argument: there"),
        (["--aliev"], "aliev"),
        (["--admin"], "admin"),
    ],
)
def test_wrong_words(command, words, said):
    result = command("health", *words)
    assert result.code == 2 and said in result.errors and result.text == "", result


@pytest.mark.parametrize("words", [["--live"], ["--admin", ":1"], ["--timeout", "1s"]])
@pytest.mark.parametrize("verb", [["check"], []])
def test_its_words_are_for_it_alone(command, verb, words):
    result = command(*verb, "--origin", "http://127.0.0.1:1", *words)
    assert result.code == 2 and "for health alone" in result.errors


def test_silence(command, tmp_path):
    with listener() as at, listener(path=tmp_path / "silent.sock") as unix_at:
        for where in at, unix_at:
            began = time.monotonic()
            result = command("health", "--admin", where, "--timeout", "300ms")
            took = time.monotonic() - began
            assert (result.code, result.text) == (1, "")
            assert "no answer: Connection timed out" in result.errors, result.errors
            assert 0.3 <= took < 5
        began = time.monotonic()
        assert command("health", "--admin", at).code == 1
        assert 1 <= time.monotonic() - began < 6, "a second by default"


def test_a_trickle_does_not_prolong_it(command):
    """The limit is for all of it."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        link, _ = server.accept()
        with contextlib.suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nready\n" * 3:
                link.sendall(bytes([byte]))
                time.sleep(0.05)
        link.close()

    thread = threading.Thread(target=serve)
    thread.start()
    began = time.monotonic()
    result = command("health", "--admin", f"127.0.0.1:{server.getsockname()[1]}", "--timeout", "500ms")
    assert result.code == 1 and time.monotonic() - began < 4
    thread.join()
    server.close()


@pytest.mark.parametrize(
    "answer, said",
    [
        (b"", ": no answer\n"),
        (b"220 smtp.example.org\r\n\r\n", ": that is no outrider\n"),
        (b"HTTP/1.1 200 OK\r\n", ": that is no outrider\n"),
        (b"\x00" * 10000, ": that is no outrider\n"),
    ],
)
def test_somebody_else(command, answer, said):
    with listener(answer) as at:
        result = command("health", "--admin", at)
    assert (result.code, result.text) == (1, "")
    assert result.errors == f"outrider: http://{at}/{said}"


def test_a_long_refusal_is_one_line(command):
    text = b"HTTP/1.1 503 Service Unavailable\r\n\r\nfirst line\r\n" + b"more\n" * 5000
    with listener(text) as at:
        result = command("health", "--admin", at, "--timeout", "5s")
    assert (result.code, result.text, result.errors) == (1, "first line\n", "")


def test_a_full_line_of_connections(outrider, origin, command):
    """Many others may ask at the same time."""
    proxy = outrider(origin, admin=ADMIN)
    results = []

    def ask():
        results.append(command("health", "--admin", place(proxy), "--timeout", "15s").code)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0] * 20
