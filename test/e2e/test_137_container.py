# SPDX-License-Identifier: Apache-2.0
"""The container image's root file system, as the Containerfile builds it, under the restrictions of
a careful cluster: read-only, any user, no capabilities, a network of its own.

What runs are the configurations that compose.yaml and kubernetes/ bring, in front of their app.
OUTRIDER_TEST_IMAGE may name the root of an image that was really made by the Containerfile.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest
import tools
import yaml

ROOT = pathlib.Path(os.environ["OUTRIDER_ROOT"])
CONFIG = ROOT / "config"
APP = CONFIG / "kubernetes/example_app.py"
SIZE_LIMIT = 15_000_000
LIMIT_S = 20
IS_ROOT = os.geteuid() == 0

# Answers "app" in the search domain of a cluster with this machine, and nothing else.
NAME_SERVER = """
import socket, struct
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    query, client = server.recvfrom(512)
    end = query.index(b"\\0", 12) + 5
    is_known = query[12:end - 4] == b"\\3app\\4demo\\3svc\\7cluster\\5local\\0"
    has_answer = is_known and query[end - 4:end - 2] == b"\\0\\1"
    answer = query[:2] + struct.pack(">HHHHH", 0x8180 if is_known else 0x8183, 1, has_answer, 0, 0)
    answer += query[12:end]
    if has_answer:
        answer += struct.pack(">HHHIH4B", 0xC00C, 1, 1, 5, 4, 127, 0, 0, 1)
    server.sendto(answer, client)
"""
RESOLV_CONF = (
    "nameserver 127.0.0.1\nsearch demo.svc.cluster.local svc.cluster.local cluster.local\n"
    "options ndots:5\n"
)


@pytest.fixture(scope="module")
def place():
    """A directory that any user can get at, unlike tmp_path."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="outrider-container-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def image(place):
    if made := os.environ.get("OUTRIDER_TEST_IMAGE"):
        return pathlib.Path(made)
    result = tools.run(ROOT / "scripts/image", place / "image", limit=240)
    assert result.code == 0, result
    return place / "image"


class Pod:
    """A network namespace with nothing but its own loopback."""

    def __init__(self):
        may = ["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL"]
        read, write = os.pipe()
        holder = subprocess.Popen(
            ["bwrap", *([] if IS_ROOT else may), "--unshare-net", "--die-with-parent", "--dev-bind"]
            + ["/", "/", "--info-fd", str(write), "sh", "-c", "echo ready && exec sleep infinity"],
            pass_fds=[write],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.close(write)
        self.processes = [holder]
        with open(read) as info:
            text = info.read()
        assert holder.stdout.readline() == b"ready\n", holder.stderr.read()
        kinds = ["-n"] if IS_ROOT else ["-U", "-n", "--preserve-credentials"]
        self.enter = ["nsenter", "-t", str(json.loads(text)["child-pid"]), *kinds]

    def start(self, *words, **options):
        process = subprocess.Popen([*self.enter, *map(str, words)], **options)
        self.processes.append(process)
        return process

    def start_app(self, words):
        """The app as a manifest starts it, and waits for its port."""
        words = [str(APP) if word.endswith(APP.name) else word for word in words]
        self.start(sys.executable, *words[1:], stderr=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{words[-1]}/style.css"
        wait_until(lambda: tools.run(*self.enter, "curl", "-sf", url).code == 0)

    def start_names(self):
        names = self.start(sys.executable, "-c", NAME_SERVER, stdout=subprocess.PIPE)
        assert names.stdout.readline() == b"ready\n"

    def curl(self, *words):
        return tools.run(*self.enter, "curl", "-sSi", "--max-time", "10", *words)

    def stop(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def namespaces():
    """Skips where the kernel, or a container around us, allows none."""
    words = ["--unshare-user", "--unshare-net", "--unshare-pid", "--dev-bind", "/", "/"]
    result = tools.run("bwrap", *words, "--proc", "/proc", "true")
    if result.code != 0:
        pytest.skip(f"no namespaces here: {result.errors.strip()}")


@pytest.fixture
def pod(namespaces):
    made = Pod()
    yield made
    made.stop()


class Container:
    """outrider in its image as process 1. `mounts` are (file here, file there, may write)."""

    def __init__(self, pod, image, user, group, env=None, mounts=()):
        self.command = pod.enter
        if IS_ROOT:  # else it is the one who runs the tests, under another number
            self.command = self.command + ["setpriv", f"--reuid={user}", f"--regid={group}"]
            self.command = self.command + ["--clear-groups"]
        self.command = self.command + ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc"]
        self.command += ["--uid", str(user), "--gid", str(group), "--cap-drop", "ALL", "--clearenv"]
        self.command += ["--ro-bind", str(image), "/", "--proc", "/proc", "--dev", "/dev"]
        self.command += ["--remount-ro", "/dev", "--as-pid-1", "--die-with-parent"]
        for here, there, may_write in mounts:
            self.command += ["--bind" if may_write else "--ro-bind", str(here), there]
        for name, value in (env or {}).items():
            self.command += ["--setenv", name, value]
        read, write = os.pipe()
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [*self.command, "--info-fd", str(write), "/usr/bin/outrider"],
            pass_fds=[write],
            stdout=subprocess.DEVNULL,
            stderr=self.log,
        )
        os.close(write)
        with open(read) as info:
            self.pid = json.load(info)["child-pid"]

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def run(self, *words):
        """Another process in the same image with the same environment and network: exec."""
        return tools.run(*self.command, "/usr/bin/outrider", *words)

    def wait_ready(self):
        wait_until(
            lambda: self.run("health").code == 0 or self.process.poll() is not None, self.text
        )
        assert self.process.poll() is None, self.text()

    def status(self):
        """What the kernel says of the process."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    def stop(self):
        """SIGTERM, as the kubelet sends it; the exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self.process.wait(LIMIT_S)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


@pytest.fixture
def container(pod, image):
    made = []

    def start(*words, **options):
        made.append(Container(pod, image, *words, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()


def wait_until(condition, describe=str):
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, describe()
        time.sleep(0.05)


def is_mounted_read_only(pid, path):
    for line in pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        if line.split()[4] == path:
            return "ro" in line.split()[5].split(",")
    raise AssertionError(f"{path} is no mount")


def test_image_holds_the_program_and_little_else(image):
    files = [path for path in image.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < SIZE_LIMIT
    runs = {path.name.split("-")[0] for path in files if os.access(path, os.X_OK)}
    assert runs - {"outrider", "ld"} <= {"libc.so.6"}, "no shell, no tools, no other libraries"
    for path in image.rglob("*"):
        assert not path.stat().st_mode & 0o6000, path
        assert path.stat().st_mode & 0o022 == 0 or path == image / "var/lib/outrider"
    sources = {path.name for path in (image / "var/lib/dpkg/status.d").iterdir()}
    assert sources >= {"libc6", "libssl-dev", "libnghttp2-dev", "libuv1-dev"}
    for package in [*sources, "outrider"]:
        assert (image / f"usr/share/doc/{package}/copyright").stat().st_size > 0


@pytest.mark.parametrize("user, group", [(65532, 65532), (12345, 0)])
def test_runs_with_variables_alone_as_any_user(pod, container, place, user, group):
    service = yaml.safe_load((CONFIG / "compose.yaml").read_text())["services"]
    resolv, state = place / "resolv.conf", place / f"state{user}"
    resolv.write_text(RESOLV_CONF)
    state.mkdir()
    if IS_ROOT:
        os.chown(state, user, group)
    pod.start_names()
    pod.start_app(service["app"]["command"])
    one = container(
        user,
        group,
        env={
            **service["outrider"]["environment"],
            "OUTRIDER_LEARNED_FILE": "/var/lib/outrider/learned",
        },
        mounts=[(resolv, "/etc/resolv.conf", False), (state, "/var/lib/outrider", True)],
    )
    one.wait_ready()
    status = one.status()
    assert status["NoNewPrivs"] == "1"
    assert {status[f"Cap{kind}"] for kind in ("Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert is_mounted_read_only(one.pid, "/") and is_mounted_read_only(one.pid, "/dev")
    page = pod.curl("-k", "--http2", "https://127.0.0.1:8443/")
    assert page.text.startswith("HTTP/2 200") and "It works" in page.text, page
    assert "style.css" in tools.run(*pod.enter, "nghttp", "-ns", "http://127.0.0.1:8080/").text
    assert pod.curl("http://127.0.0.1:9901/metrics").text.startswith("HTTP/1.1 200")
    assert one.stop() == 0, one.text()
    assert (state / "learned").stat().st_size > 0


def test_health_says_no_where_nothing_runs(container):
    one = container(65532, 65532, env={"OUTRIDER_ORIGIN": "http://127.0.0.1:3000"})
    one.wait_ready()
    assert one.run("health", "--live").code == 0
    assert one.stop() == 0
    assert one.run("health").code == 1


class Volume:
    """A projected volume: files are links into ..data, which is swapped for every change."""

    def __init__(self, path):
        self.path = path
        self.count = 0
        path.mkdir()

    def write(self, **files):
        self.count += 1
        fresh = self.path / f"..{self.count}"
        fresh.mkdir()
        for name, data in files.items():
            target = fresh / name.replace("_", ".")
            target.write_bytes(data)
            target.chmod(0o644)
            link = self.path / target.name
            if not link.is_symlink():
                link.symlink_to(f"..data/{target.name}")
        (self.path / "..fresh").symlink_to(fresh.name)
        os.replace(self.path / "..fresh", self.path / "..data")


def certificate_of(certs):
    read = {name: pathlib.Path(path).read_bytes() for name, path in certs.tls.items()}
    return {"tls_crt": read["certificate"], "tls_key": read["key"]}


def test_runs_in_a_pod_and_takes_over_swapped_files(pod, container, place, make_certs):
    config = (CONFIG / "kubernetes/config.yaml").read_bytes()
    spec = yaml.safe_load((CONFIG / "kubernetes/deployment.yaml").read_text())
    spec = spec["spec"]["template"]["spec"]
    old, new = make_certs(), make_certs()
    volume = Volume(place / "configuration")
    volume.write(config_yaml=config, **certificate_of(old))
    one = container(
        spec["securityContext"]["runAsUser"],
        spec["securityContext"]["runAsGroup"],
        mounts=[(volume.path, "/etc/outrider", False)],
    )
    one.wait_ready()  # the app starts only when outrider is up
    pod.start_app(spec["containers"][0]["command"])
    sidecar = spec["initContainers"][0]
    ports = {port["name"]: port["containerPort"] for port in sidecar["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        path = sidecar[probe]["httpGet"]["path"]
        answer = pod.curl(f"http://127.0.0.1:{ports[sidecar[probe]['httpGet']['port']]}{path}")
        assert answer.text.startswith("HTTP/1.1 200"), (probe, answer)
    metrics = pod.curl(f"http://127.0.0.1:{ports['probes']}/metrics").text
    assert re.search(r"^outrider_\w+", metrics, re.M)
    probe = spec["containers"][0]["readinessProbe"]["httpGet"]
    assert "200" in pod.curl(f"http://127.0.0.1:{probe['port']}{probe['path']}").text.split("\n")[0]

    url = f"https://localhost:{ports['https']}/"
    assert "It works" in pod.curl("--cacert", old.ca, url).text
    volume.write(config_yaml=config + b"limits: {uri: 256}\n", **certificate_of(new))
    wait_until(lambda: "reloaded file=/etc/outrider/config.yaml" in one.text(), one.text)
    assert "It works" in pod.curl("--cacert", new.ca, url).text
    assert pod.curl("--cacert", new.ca, url + "x" * 256).text.startswith("HTTP/2 414")
    assert one.stop() == 0, one.text()
