# SPDX-License-Identifier: Apache-2.0
"""A reload takes over a whole new configuration or none, and nobody notices."""

import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import threading

import pytest
import yaml
from origin import head, respond, send, wait
from pushing import assets, page
from reloading import wait_for
from tools import FRUGAL

NAVIGATION = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
STYLE = "</a.css>; rel=preload; as=style"


class Reloading:
    """An outrider and its configuration file."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.path = pathlib.Path(proxy.arguments[1])
        self.count = 0
        self.failures = 0

    def change(self, **sections):
        """Replaces sections of the file; None drops one. The old file gives way in one step."""
        config = yaml.safe_load(self.path.read_text())
        config.update(sections)
        config = {key: value for key, value in config.items() if value is not None}
        fresh = self.path.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(config, sort_keys=False))
        os.replace(fresh, self.path)

    def hup(self):
        self.proxy.process.send_signal(signal.SIGHUP)

    def reload(self, **sections):
        self.change(**sections)
        self.hup()
        self.wait_reloaded()

    def wait_reloaded(self):
        self.count += 1
        self.proxy.wait_stderr(rf"reloaded file=\S+ reloads={self.count}\n")

    def wait_failed(self):
        self.failures += 1
        self.proxy.wait_stderr(rf"reload failed, .* failures={self.failures}\n")


@pytest.fixture
def reloading(outrider, origin):
    def start(**options):
        return Reloading(outrider(origin, **options))

    return start


def test_new_routes_serve_new_requests_of_old_connections(reloading, origin, make_origin):
    other = make_origin()
    origin.on("*", respond(200, body=b"old"))
    other.on("*", respond(200, body=b"new"))
    site = reloading()
    with site.proxy.h2() as client:
        assert client.get("/").body == b"old"
        site.reload(origins={"app": {"url": other.url}})
        assert client.get("/").body == b"new"


def test_what_runs_ends_on_what_it_began_with(reloading, origin, make_origin):
    other = make_origin()
    origin.on("/long", send(head(200, [("content-length", "8")]) + b"half"), wait("go"), send(b"half"))
    other.on("*", respond(200, body=b"new"))
    site = reloading()
    with site.proxy.h2() as client:
        long = client.request("/long")
        client.wait_until(lambda: client.responses[long].body == b"half")
        site.reload(origins={"app": {"url": other.url}})
        assert client.get("/").body == b"new"
        origin.event("go").set()
        assert client.wait(long).body == b"halfhalf"
    assert other.seen("/long") == []


def test_a_bad_file_leaves_the_old_one_in_force(reloading, origin):
    origin.on("*", respond(200, body=b"old"))
    site = reloading()
    good = site.path.read_text()
    for text, wanted in [
        (good + "rotues: []\n", "rotues: unknown key"),
        (good.replace("origin: app", "origin: nobody"), "nobody"),
        ("listeners: [", "outrider.yaml:"),
        ("", "is empty"),
    ]:
        site.path.write_text(text)
        site.hup()
        site.wait_failed()
        site.proxy.wait_stderr(wanted)
        with site.proxy.h2() as client:
            assert client.get("/").body == b"old"
    site.path.write_text(good)
    site.hup()
    site.wait_reloaded()


def test_a_changed_file_is_noticed(reloading, origin):
    site = reloading(routes=[{"origin": "app", "host": "other.example"}])
    origin.on("*", respond(200, body=b"ok"))
    with site.proxy.h2() as client:
        assert client.get("/").status == 404
        site.change(routes=[{"origin": "app"}])
        site.wait_reloaded()
        assert client.get("/").status == 200


def test_a_changed_file_is_noticed_in_a_busy_directory(reloading, origin):
    """A log that grows beside the configuration is always about to be written."""
    origin.on("*", respond(200, body=b"ok"))
    site = reloading(log={"access": "./access.log"}, routes=[{"origin": "app", "host": "other.example"}])
    stop = threading.Event()

    def write():
        with open(site.path.parent / "noise", "a", encoding="ascii", buffering=1) as noise:
            while not stop.wait(0.02):
                noise.write("noise\n")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        site.change(routes=[{"origin": "app"}])
        site.wait_reloaded()
    finally:
        stop.set()
        writer.join()
    with site.proxy.h2() as client:
        assert client.get("/").status == 200


def test_files_swapped_under_a_link_are_noticed(outrider, origin, make_certs, tmp_path):
    """As Kubernetes does: names are links to ..data/name, and ..data changes what it points to."""
    first, second = make_certs("localhost"), make_certs("localhost")
    mount = tmp_path / "mount"
    for name, made in (("..1", first), ("..2", second)):
        (mount / name).mkdir(parents=True)
        shutil.copy(made.certificate, mount / name / "tls.crt")
        shutil.copy(made.key, mount / name / "tls.key")
    (mount / "..data").symlink_to("..1")
    for name in ("tls.crt", "tls.key"):
        (mount / name).symlink_to(f"..data/{name}")
    tls = {"certificate": str(mount / "tls.crt"), "key": str(mount / "tls.key")}
    site = Reloading(outrider(origin, listeners=[{"address": "https://127.0.0.1:0", "tls": tls}]))

    def shown():
        return ssl.get_server_certificate(("127.0.0.1", site.proxy.https_port))

    assert pathlib.Path(first.certificate).read_text().startswith(shown())
    (mount / "..data_tmp").symlink_to("..2")
    os.replace(mount / "..data_tmp", mount / "..data")
    site.wait_reloaded()
    assert pathlib.Path(second.certificate).read_text().startswith(shown())


def test_renewed_certificates_without_a_file(outrider, origin, make_certs, tmp_path):
    """With flags and variables alone: by themselves, by a signal, and when asked to."""
    made = [make_certs("localhost") for _ in range(4)]
    paths = [tmp_path / "tls.crt", tmp_path / "tls.key"]

    def install(certificates):
        for path, source in zip(paths, (certificates.certificate, certificates.key)):
            shutil.copy(source, path.with_suffix(".new"))
            os.replace(path.with_suffix(".new"), path)

    def shows(certificates):
        shown = ssl.get_server_certificate(("127.0.0.1", proxy.https_port))
        return pathlib.Path(certificates.certificate).read_text().startswith(shown)

    install(made[0])
    words = ["--listen", "https://127.0.0.1:0", "--cert", paths[0], "--key", paths[1]]
    env = {"OUTRIDER_ORIGIN": origin.url, "OUTRIDER_ADMIN_LISTEN": "127.0.0.1:0"}
    proxy = outrider(arguments=words, env=env)
    assert shows(made[0])
    install(made[1])
    wait_for(lambda: shows(made[1]))
    install(made[2])
    proxy.send_signal(signal.SIGHUP)
    wait_for(lambda: shows(made[2]))
    paths[1].write_text("no key")
    answer = proxy.admin("/reload", "POST")
    assert answer.status == 409 and "tls.key" in answer.text
    assert shows(made[2])
    install(made[3])
    answer = proxy.admin("/reload", "POST")
    assert (answer.status, answer.text) == (200, "reloaded\n")
    wait_for(lambda: shows(made[3]))
    origin.on("/", respond(200, [], b"hello"))
    with proxy.h2() as client:
        assert client.get("/").body == b"hello"


def test_listeners_come_and_go(reloading, origin, certs):
    origin.on("*", respond(200, body=b"ok"))
    site = reloading(listeners=[{"address": "http://127.0.0.1:0"}])
    with site.proxy.h2(tls=False) as client:
        site.reload(listeners=[{"address": "https://127.0.0.1:0", "tls": certs.tls}, {"address": "http://127.0.0.2:0"}])
        assert client.get("/").status == 200  # accepted before
    # The port of the first is kept, and speaks TLS now.
    port = site.proxy.http_port
    assert "BEGIN CERTIFICATE" in ssl.get_server_certificate(("127.0.0.1", port))


def test_what_was_learned_survives(reloading, origin):
    page(origin, "/page", STYLE, headers=[("cache-control", "max-age=600")])
    site = reloading(workers=1)
    for _ in range(2):
        with site.proxy.h2(push=False) as client:
            client.get("/page")
    site.reload(timeouts={"idle": "1m"})
    with site.proxy.h2(push=False) as client:
        seen = client.get("/page", headers=NAVIGATION)
        assert [dict(fields)[":status"] for fields in seen.interim] == ["103"]


def test_what_was_set_up_once_is_named(reloading):
    site = reloading()
    site.reload(workers=1)
    assert "the change of workers takes effect at the next start" in site.proxy.stderr


def test_no_request_fails_while_it_reloads_again_and_again(reloading, origin):
    assets(origin)
    site = reloading(env=FRUGAL)
    stop, started = threading.Event(), threading.Barrier(4)
    counts, failures = [], []

    def load():
        count = 0
        started.wait()
        while not stop.is_set() or count == 0:
            with site.proxy.h2() as client:
                for response in client.get_all([f"/{i}" for i in range(10)]):
                    if response.status != 200 or response.body != b"asset":
                        failures.append(response)
                    count += 1
        counts.append(count)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        started.wait()
        for i in range(30):
            site.reload(timeouts={"idle": f"{i + 60}s"})
            if i == 9:
                files, memory = site.proxy.open_files(), site.proxy.resident_kb()
        assert site.proxy.open_files() <= files + 60  # connections come and go
        assert site.proxy.resident_kb() < memory + 15000
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures and len(counts) == 3 and min(counts) > 0, (failures, counts)


def test_a_reload_while_workers_begin(reloading, origin):
    """Each holds on to what it begins with."""
    origin.on("*", respond(200, body=b"ok"))
    site = reloading(workers=32)
    site.hup()
    site.wait_reloaded()
    with site.proxy.h2() as client:
        assert client.get("/").status == 200


@pytest.mark.parametrize("is_abstract", [False, True])
def test_a_service_manager_is_told(reloading, tmp_path, is_abstract):
    """By systemd's protocol: when clients are welcome, while it reloads, when it stops."""
    name = f"@outrider-test-{os.getpid()}" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0", 1))
        manager.settimeout(10)
        site = reloading(env={"NOTIFY_SOCKET": name})
        assert manager.recv(1000) == b"READY=1"
        site.reload(timeouts={"idle": "1m"})
        assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", manager.recv(1000))
        assert manager.recv(1000) == b"READY=1"
        site.proxy.stop()
        assert manager.recv(1000) == b"STOPPING=1"


def test_no_service_manager_is_no_trouble(reloading, tmp_path):
    site = reloading(env={"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    site.proxy.wait_stderr("can't tell the service manager")
    site.reload(timeouts={"idle": "1m"})
