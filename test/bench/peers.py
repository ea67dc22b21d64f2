# SPDX-License-Identifier: Apache-2.0
"""The proxies that scripts/bench compares: how each is started, and what its processes use.

    with Site(folder, build, Machine()) as site:
        with Proxy("h2o", site) as proxy:
            before = proxy.cpu_ns()

A name with a path, as in old=/path/to/outrider, is an outrider of another build.
"""

import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
START_LIMIT_S = 20

# Name -> the command, and the words that show its version.
COMMANDS = {
    "outrider": (["outrider", "-c", "@CONF@"], ["--version"]),
    "h2o": (["h2o", "-c", "@CONF@"], ["--version"]),
    "haproxy": (["haproxy", "-db", "-f", "@CONF@"], ["-v"]),
    "nghttpx": (["nghttpx", "--conf=@CONF@"], ["--version"]),
    "nginx": (["nginx", "-p", "@FOLDER@", "-e", "@FOLDER@/error.log", "-c", "@CONF@"], ["-v"]),
    "apache": (["apache2", "-DFOREGROUND", "-f", "@CONF@"], ["-v"]),
}
TCP = {
    "outrider": "http://127.0.0.1:{0}", "h2o": "http://127.0.0.1:{0}/", "haproxy": "127.0.0.1:{0}",
    "nghttpx": "127.0.0.1,{0}", "nginx": "127.0.0.1:{0}", "apache": "http://127.0.0.1:{0}/",
}  # fmt: skip
UNIX = {
    "outrider": "unix:{0}", "h2o": "http://[unix:{0}]/", "haproxy": "unix@{0}",
    "nghttpx": "unix:{0}", "nginx": "unix:{0}", "apache": "unix:{0}|http://localhost/",
}  # fmt: skip


def which(name):
    """Finds servers too, whose folder is not on every user's PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def kind_of(name):
    return "outrider" if "=" in name else name


def label(name):
    return name.split("=")[0]


def program(name, built):
    if "=" in name:
        return name.split("=", 1)[1]
    return str(built) if name == "outrider" else which(COMMANDS[name][0][0])


def version(name, built):
    words = COMMANDS[kind_of(name)][1]
    command = [program(name, built), *words]
    said = subprocess.run(command, text=True, capture_output=True, timeout=10)
    found = re.search(r"\d+\.\d+(\.\d+)*", said.stdout + said.stderr)
    return found[0] if found else "?"


def descriptors():
    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536)


def connections():
    """As many as a proxy can have that keeps two descriptors for each."""
    return (descriptors() - 200) // 2


class Machine:
    """Who runs where: the proxies on the first core, load and origin on the second (with four cores
    or more the origin has one of its own)."""

    def __init__(self):
        cores = sorted(os.sched_getaffinity(0))
        self.proxy = cores[:1]
        self.load = cores[1:2] or cores[:1]
        self.origin = cores[3:4] or self.load
        self.two = cores[:2]
        self.cores = cores
        self.nice = []
        wanted = ["nice", "-n", "-5"]
        if subprocess.run([*wanted, "true"], capture_output=True, timeout=10).stderr == b"":
            self.nice = wanted

    def on(self, cores):
        return [*self.nice, "taskset", "-c", ",".join(map(str, cores))]


def cpu_ns(pid):
    """Nanoseconds on a processor of all threads of a process, also of those that are gone, from the
    scheduler's own count: the clock that clock_getcpuclockid(3) names."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:  # gone
        return 0


def family(pid):
    """The process and its descendants."""
    found = [pid]
    for parent in found:
        try:
            tasks = list(pathlib.Path(f"/proc/{parent}/task").iterdir())
            for task in tasks:
                found += map(int, (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


class Site:
    """A folder with certificates, and the origin."""

    def __init__(self, folder, binaries, machine):
        self.folder = pathlib.Path(folder)
        self.binaries = pathlib.Path(binaries)
        self.machine = machine
        self.port = free_port()
        self.socket = self.folder / "origin.socket"
        self.load = self.binaries / "test/bench/bench_load"
        self.outrider = self.binaries / "proxy/outrider"
        self.process = None

    def __enter__(self):
        self.folder.chmod(0o755)  # Apache serves as another user
        subprocess.run([ROOT / "scripts/make-certs", self.folder], check=True, timeout=60)
        origin = self.binaries / "test/bench/bench_origin"
        words = [*self.machine.on(self.machine.origin), origin, str(self.port), str(self.socket)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n", "the origin did not start"
        self.socket.chmod(0o777)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Proxy:
    """A running proxy. `origin`: tcp or unix. `extra`: lines to add to the configuration."""

    def __init__(self, name, site, origin="tcp", workers=1, extra=""):
        self.name = label(name)
        self.site = site
        self.folder = site.folder / f"{self.name}-{free_port()}"
        self.folder.mkdir()
        for file in ("tls.crt", "tls.key"):
            shutil.copy(site.folder / file, self.folder)
        both = (self.folder / "tls.crt").read_text() + (self.folder / "tls.key").read_text()
        (self.folder / "both.pem").write_text(both)
        self.port = free_port()
        self.log = self.folder / "access.log"
        modules = "/usr/lib/apache2/modules"
        kind = kind_of(name)
        where = UNIX[kind].format(site.socket) if origin == "unix" else TCP[kind].format(site.port)
        self.values = {
            "FOLDER": self.folder, "PORT": self.port, "WORKERS": workers, "MODULES": modules,
            "APACHE_THREADS": 128 * workers, "ORIGIN": where, "CONF": self.folder / "conf",
            "AS_ROOT": "" if os.geteuid() == 0 else "# ", "DESCRIPTORS": descriptors(),
            "CONNECTIONS": connections(),
        }  # fmt: skip
        text = (HERE / "peers" / f"{kind}.conf").read_text() + extra
        (self.folder / "conf").write_text(self._fill(text))
        cores = site.machine.proxy if workers == 1 else site.machine.two
        words = [self._fill(word) for word in COMMANDS[kind][0]]
        words[0] = program(name, site.outrider)
        with open(self.log, "ab") as out, open(self.folder / "stderr", "ab") as err:
            self.process = subprocess.Popen(
                [*site.machine.on(cores), *words],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=self.folder,
            )  # fmt: skip
        try:
            self._wait_listening()
        except BaseException:
            self.stop()
            raise

    def _fill(self, text):
        return re.sub(r"@([A-Z0-9_]+)@", lambda match: str(self.values[match[1]]), text)

    def _wait_listening(self):
        end = time.monotonic() + START_LIMIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} did not start:\n{self.said()}")
            time.sleep(0.05)

    def said(self):
        files = (self.folder / "stderr", self.folder / "error.log")
        return "".join(path.read_text()[-2000:] for path in files if path.exists())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        own = family(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            for pid in own:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cpu_ns(self):
        return sum(cpu_ns(pid) for pid in family(self.process.pid))

    def pss_kib(self):
        total = 0
        for pid in family(self.process.pid):
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
        return total

    def cut_log(self):
        """Before the kernel starts to write a large file to its disk."""
        if self.log.exists():
            os.truncate(self.log, 0)
