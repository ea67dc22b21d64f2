# SPDX-License-Identifier: Apache-2.0
"""Where the admin listener listens: taken places, and other ones after a reload."""

import contextlib
import http.client
import os
import re
import signal
import socket
import stat

import pytest
import yaml
from origin import closed_port, respond
from reloading import change, reload, reloads, wait_for

DEFAULT_PORT = 9901
ADMIN = {"listen": "127.0.0.1:0"}


@contextlib.contextmanager
def taken(port=0):
    """A port at which somebody else listens."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with server:
        server.bind(("127.0.0.1", port))
        server.listen()
        yield server.getsockname()[1]


def is_served(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True
    return False


def failed_reloads(proxy):
    return proxy.metrics()['outrider_reloads_total{result="failed"}']


def unix_ready(path):
    """What /ready says over the socket: b"" when nobody does."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        try:
            link.connect(str(path))
        except OSError:
            return b""
        link.sendall(b"GET /ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = b""
        while data := link.recv(4096):
            answer += data
    return answer.rpartition(b"\r\n\r\n")[2]


# --- at the start ------------------------------------------------------------------------------


def test_a_taken_default_is_a_warning(outrider, origin):
    """A second outrider on a machine should not fail on what it never asked for."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(taken(DEFAULT_PORT))
        except OSError:
            pass  # then it is taken by somebody else, which is as good
        origin.on("/", respond(200, [], b"hello"))
        proxy = outrider(origin, env={"OUTRIDER_ADMIN_LISTEN": None})
        proxy.wait_stderr(
            rf"warn generation - no admin listener: can't listen on http://127.0.0.1:{DEFAULT_PORT}/: "
            "Address already in use"
        )
        with proxy.h2() as client:
            assert client.get("/").body == b"hello"
        reload(proxy, timeouts={"idle": "1m"})  # nor does a reload
        with proxy.h2() as client:
            assert client.get("/").body == b"hello"


def test_the_default_is_taken_up_when_it_comes_free(outrider, origin):
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(taken(DEFAULT_PORT))
        except OSError:
            pytest.skip(f"port {DEFAULT_PORT} is in use")
        proxy = outrider(origin, env={"OUTRIDER_ADMIN_LISTEN": None})
        proxy.wait_stderr("no admin listener")
        stack.close()
        reload(proxy, timeouts={"idle": "1m"})
        assert proxy.admin_port() == DEFAULT_PORT
        assert proxy.admin("/ready").text == "ready\n"


@pytest.mark.parametrize("key", ["listen", "probes"])
def test_a_taken_place_that_was_asked_for_is_an_error(command, origin, tmp_path, key):
    file = tmp_path / "outrider.yaml"
    with taken() as port:
        config = {
            "listeners": [{"address": "http://127.0.0.1:0"}],
            "origins": {"app": {"url": origin.url}},
            "routes": [{"origin": "app"}],
            "admin": {"listen": "off", key: f"127.0.0.1:{port}"},
        }
        file.write_text(yaml.safe_dump(config))
        result = command("-c", file)
        assert result.code == 1
        where = f"http://127.0.0.1:{port}/"
        message = f"admin.{key}: can't listen on {where}: Address already in use"
        lines = file.read_text().splitlines()
        [line] = [number for number, text in enumerate(lines, 1) if f"{key}: 127.0.0.1:" in text]
        column = lines[line - 1].index("127") + 1
        assert f"{file}:{line}:{column}: {message}" in result.errors, result
        # by a variable it was asked for, too
        del config["admin"]
        file.write_text(yaml.safe_dump(config))
        name = f"OUTRIDER_ADMIN_{key.upper()}"
        env = {"OUTRIDER_ADMIN_LISTEN": "off", name: f"127.0.0.1:{port}"}
        result = command("-c", file, env=env)
        assert result.code == 1 and f"can't listen on {where}: Address already in use" in result.errors
    assert command("check", "-c", file, env=env).code == 0, "check opens no socket"


def test_two_places_that_are_one(command, origin, tmp_path):
    """Also when the kernel would let two sockets of one process share it."""
    port = closed_port()
    for place in f"127.0.0.1:{port}", f"unix:{tmp_path}/admin.sock":
        result = command("--origin", origin.url, "--listen", "http://127.0.0.1:0",
                         env={"OUTRIDER_ADMIN_LISTEN": place, "OUTRIDER_ADMIN_PROBES": place})  # fmt: skip
        assert result.code == 1 and "Address already in use" in result.errors, result
    assert not (tmp_path / "admin.sock").exists()


def test_the_place_of_a_listener_for_clients(command, origin):
    place = f"127.0.0.1:{closed_port()}"
    result = command("--origin", origin.url, "--listen", f"http://{place}",
                     env={"OUTRIDER_ADMIN_LISTEN": place})  # fmt: skip
    assert result.code == 1 and "Address already in use" in result.errors, result


# --- unix sockets ------------------------------------------------------------------------------


def test_a_socket_file_that_was_left_behind(outrider, origin, tmp_path):
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    proxy = outrider(origin, admin={"listen": f"unix:{path}"})
    assert unix_ready(path) == b"ready\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    proxy.stop()
    assert not path.exists()


def test_a_socket_that_is_served_or_no_socket(command, outrider, origin, tmp_path):
    path = tmp_path / "admin.sock"
    first = outrider(origin, admin={"listen": f"unix:{path}"})
    words = ["--origin", origin.url, "--listen", "http://127.0.0.1:0"]
    result = command(*words, env={"OUTRIDER_ADMIN_LISTEN": f"unix:{path}"})
    assert result.code == 1 and f"unix:{path}: Address already in use" in result.errors
    assert unix_ready(path) == b"ready\n", "it is not harmed"
    first.stop()
    for make in (lambda: path.write_text("precious"), path.mkdir, lambda: path.symlink_to("/etc/hosts")):
        make()
        result = command(*words, env={"OUTRIDER_ADMIN_LISTEN": f"unix:{path}"})
        assert result.code == 1 and f"can't listen on unix:{path}: " in result.errors, result
        assert os.path.lexists(path)
        path.rmdir() if path.is_dir() else path.unlink()


def test_a_socket_of_another_kind_is_not_taken_away(command, origin, tmp_path):
    """Such as that of the system's log."""
    path = tmp_path / "log.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        result = command("--origin", origin.url, "--listen", "http://127.0.0.1:0",
                         env={"OUTRIDER_ADMIN_LISTEN": f"unix:{path}"})  # fmt: skip
        assert result.code == 1 and f"can't listen on unix:{path}: " in result.errors, result
        assert path.exists()


# --- other places by a reload ------------------------------------------------------------------


def test_it_moves(outrider, origin, tmp_path):
    proxy = outrider(origin, admin=ADMIN)
    first = proxy.admin_port()
    path = tmp_path / "admin.sock"
    reload(proxy, admin={"listen": "127.0.0.2:0"})
    wait_for(lambda: not is_served(first))
    with socket.create_connection(("127.0.0.2", proxy.admin_port()), 5):
        pass
    reload(proxy, admin={"listen": f"unix:{path}"})
    wait_for(lambda: unix_ready(path) == b"ready\n")
    other = tmp_path / "other.sock"
    reload(proxy, admin={"listen": f"unix:{other}", "probes": f"unix:{path}.probes"})
    wait_for(lambda: unix_ready(other) == b"ready\n" and not path.exists())
    assert unix_ready(f"{path}.probes") == b"ready\n"
    reload(proxy, admin={"listen": "off", "probes": f"unix:{path}.probes"})
    wait_for(lambda: not other.exists())
    assert unix_ready(f"{path}.probes") == b"ready\n"
    reload(proxy, admin="off")
    wait_for(lambda: not os.path.exists(f"{path}.probes"))
    reload(proxy, admin=ADMIN)
    wait_for(lambda: is_served(proxy.admin_port()))
    assert proxy.admin("/ready").text == "ready\n"
    assert proxy.metrics()['outrider_reloads_total{result="good"}'] == 6


def test_who_stays_does_not_notice(outrider, origin):
    """The same place is kept: also its connections, and the port that the kernel chose."""
    proxy = outrider(origin, admin={**ADMIN, "probes": "127.0.0.1:0"})
    ports = proxy.admin_port(), proxy.admin_port("probes")
    links = [http.client.HTTPConnection("127.0.0.1", port, timeout=10) for port in ports]
    for number in range(5):
        for link in links:
            link.request("GET", "/ready")
            assert link.getresponse().read() == b"ready\n"
        reload(proxy, timeouts={"idle": f"{60 + number}s"})
    for link in links:
        link.close()
    for port in ports:
        assert proxy.admin("/ready", port=port).text == "ready\n"
    assert proxy.stderr.count("admin url=") == proxy.stderr.count("probes url=") == 1


def test_connections_to_the_old_place_are_served_to_their_end(outrider, origin):
    proxy = outrider(origin, admin=ADMIN)
    link = http.client.HTTPConnection("127.0.0.1", proxy.admin_port(), timeout=10)
    link.request("GET", "/ready")
    assert link.getresponse().read() == b"ready\n"
    link.request("POST", "/reload")
    assert link.getresponse().read() == b"reloaded\n"
    change(proxy, admin="off")
    wait_for(lambda: reloads(proxy) == 2)
    wait_for(lambda: not is_served(link.sock.getpeername()[1]))
    link.request("GET", "/ready")
    assert link.getresponse().read() == b"ready\n"
    link.close()


def test_a_taken_place_at_a_reload(outrider, origin):
    proxy = outrider(origin, admin=ADMIN)
    port = proxy.admin_port()
    with taken() as other:
        change(proxy, admin={"listen": f"127.0.0.1:{other}"})
        proxy.wait_stderr(r"reload failed, .* failures=1\n")
        message = f"admin.listen: can't listen on http://127.0.0.1:{other}/: Address already in use"
        assert re.search(rf"outrider\.yaml:\d+:\d+: {re.escape(message)}", proxy.stderr)
        answer = proxy.admin("/reload", "POST")
        assert answer.status == 409 and message in answer.text
        assert failed_reloads(proxy) == 2
        assert message in proxy.admin("/stats.json").json["reloads"]["error"]
        assert proxy.admin("/ready").text == "ready\n"
        assert f":{other}" not in proxy.admin("/config").text
        # one good and one bad place: neither changes
        change(proxy, admin={"listen": "127.0.0.2:0", "probes": f"127.0.0.1:{other}"})
        proxy.wait_stderr(r"reload failed, .* failures=3\n")
        assert "admin.probes: can't listen on" in proxy.stderr
    assert proxy.admin_port() == port and proxy.admin("/ready").text == "ready\n"
    proxy.send_signal(signal.SIGHUP)  # now it is free
    proxy.wait_stderr("reloaded file=")
    wait_for(lambda: is_served(other) and not is_served(port))
    answer = proxy.admin("/stats.json", port=other)  # only for probes
    assert answer.status == 404
    assert proxy.admin("/ready", port=other).text == "ready\n"


def test_a_failed_reload_leaves_no_socket_behind(outrider, origin, tmp_path):
    path = tmp_path / "admin.sock"
    proxy = outrider(origin, admin=ADMIN)
    assert proxy.admin("/ready").text == "ready\n"
    files = 0
    with taken() as other:
        for number in range(5):
            files = files or proxy.open_files()
            change(proxy, admin={"listen": f"unix:{path}", "probes": f"127.0.0.1:{other}"})
            proxy.wait_stderr(rf"reload failed, .* failures={number + 1}\n")
            assert not path.exists()
    assert proxy.admin("/ready").text == "ready\n"
    wait_for(lambda: proxy.open_files() <= files + 1)  # five would have leaked two each


def ask_many(proxy, port):
    """All answers of the place are of one kind."""
    return {proxy.admin("/stats.json", port=port).status for _ in range(8)}


def test_the_two_change_places(outrider, origin):
    one, two = closed_port(), closed_port()
    proxy = outrider(origin, admin={"listen": f"127.0.0.1:{one}", "probes": f"127.0.0.1:{two}"})
    for _ in range(3):
        one, two = two, one
        reload(proxy, admin={"listen": f"127.0.0.1:{one}", "probes": f"127.0.0.1:{two}"})
        wait_for(lambda: proxy.admin("/stats.json", port=one).status == 200)
        assert ask_many(proxy, one) == {200} and ask_many(proxy, two) == {404}
        assert proxy.admin("/ready", port=two).text == "ready\n"
    # one goes where the other was, which is off
    reload(proxy, admin={"listen": "off", "probes": f"127.0.0.1:{one}"})
    wait_for(lambda: proxy.admin("/stats.json", port=one).status == 404)
    assert ask_many(proxy, one) == {404} and not is_served(two)


def test_to_an_address_that_overlaps(outrider, origin):
    port = closed_port()
    proxy = outrider(origin, admin={"listen": f"127.0.0.1:{port}"})
    for host in "0.0.0.0", "*", "127.0.0.1":
        reload(proxy, admin={"listen": f"{host}:{port}"})
        wait_for(lambda: proxy.admin_port() == port)
        answer = proxy.admin("/reload", "POST", port=port)
        assert (answer.status, answer.text) == (200, "reloaded\n")
        assert ask_many(proxy, port) == {200}


def test_a_reload_does_not_put_both_at_one_place(outrider, origin):
    """The kernel would let them, and give half of the questions to the wrong one."""
    one, two = closed_port(), closed_port()
    places = {"listen": f"127.0.0.1:{one}", "probes": f"127.0.0.1:{two}"}
    proxy = outrider(origin, admin=places)
    bad = [
        {"listen": places["listen"], "probes": places["listen"]},
        {"listen": places["probes"], "probes": places["probes"]},
        {"listen": f"*:{one}", "probes": places["listen"]},
        {"listen": places["listen"], "probes": f"*:{one}"},
    ]
    for count, admin in enumerate(bad, 1):
        change(proxy, admin=admin)
        proxy.wait_stderr(rf"reload failed, .* failures={count}\n")
        assert ask_many(proxy, one) == {200} and ask_many(proxy, two) == {404}
    assert proxy.stderr.count("Address already in use") >= len(bad)


def test_a_file_of_others_at_its_path_stays(outrider, origin, tmp_path):
    path = tmp_path / "admin.sock"
    proxy = outrider(origin, admin={"listen": f"unix:{path}"})
    path.unlink()
    path.write_text("precious")
    proxy.stop()
    assert path.read_text() == "precious"
    path.unlink()
    first = outrider(origin, admin={"listen": f"unix:{path}"})
    path.unlink()  # whoever tidied up there
    second = outrider(origin, admin={"listen": f"unix:{path}"})
    first.stop()
    assert unix_ready(path) == b"ready\n", "it belongs to the second"
    second.stop()
    assert not path.exists()


# --- probes ------------------------------------------------------------------------------------


def test_probes_alone(outrider, origin):
    """All else is not there, whoever asks, and nothing can be changed."""
    proxy = outrider(origin, admin={"listen": "off", "probes": "127.0.0.1:0"})
    port = proxy.admin_port("probes")
    for path in "/live", "/ready", "/healthz", "/metrics":
        assert proxy.admin(path, port=port).status == 200, path
    for path in "/", "/stats.json", "/config", "/hints", "/log", "/reload", "/nothing":
        assert proxy.admin(path, port=port).status == 404, path
    for path in "/reload", "/drain", "/quitquitquit", "/hints/forget", "/log?level=debug":
        assert proxy.admin(path, "POST", port=port).status in (404, 405), path
    assert proxy.admin("/ready", "POST", port=port).status == 405
    assert proxy.process.poll() is None and reloads(proxy) == 0
