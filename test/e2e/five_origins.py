# SPDX-License-Identifier: Apache-2.0
"""Five origins that people really have, each of which says how it understood a request.

Node's and h11's tell it themselves. nginx, Apache httpd and HAProxy pass it on, written anew, to an
h11 behind them. Each is on a free port of 127.0.0.1, in the foreground, with files of its own.

    with start("nginx", tmp_path) as origin:
        origin.url                    # for outrider
        origin.seen                   # method, target, fields, body, trailers of each whole request
"""

import contextlib
import importlib.util
import json
import os
import pathlib
import shutil
import socket
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 20

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    large_client_header_buffers 8 64k; client_max_body_size 0;
    underscores_in_headers on; ignore_invalid_headers off; merge_slashes off;
    keepalive_requests 100000;
    upstream behind {{ server 127.0.0.1:{behind}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://behind; proxy_http_version 1.1; proxy_request_buffering off;
            proxy_set_header Host $http_host; proxy_set_header Connection "";
        }}
    }}
}}
"""

APACHE = """
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/pid
ErrorLog {folder}/error.log
ServerName a.test
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
{user}
AllowEncodedSlashes NoDecode
MergeSlashes Off
LimitRequestLine 65536
LimitRequestFieldSize 65536
LimitRequestFields 300
MaxKeepAliveRequests 0
KeepAliveTimeout 60
ProxyPreserveHost On
ProxyAddHeaders Off
ProxyPassMatch ^(/.*)$ http://127.0.0.1:{behind}$1 nocanon
"""

HAPROXY = """
global
    nbthread 1
    tune.bufsize 131072
    tune.http.maxhdr 300
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend front
    bind 127.0.0.1:{port}
    default_backend behind
backend behind
    server h11 127.0.0.1:{behind}
"""

APACHE_MODULES = pathlib.Path("/usr/lib/apache2/modules")


def is_installed(kind):
    """What the kind needs is there."""
    has_h11 = importlib.util.find_spec("h11") is not None
    if kind == "apache":
        return has_h11 and which("apache2") is not None and APACHE_MODULES.is_dir()
    if kind == "node":
        return which("node") is not None
    return has_h11 and (kind == "h11" or which(kind) is not None)


def which(name):
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Seen:
    """The requests that an origin saw to their end."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.seen = []
        self._change = threading.Condition()

    def note(self, view):
        with self._change:
            self.seen.append(view)
            self._change.notify_all()

    def take_until(self, target, limit=LIMIT_S):
        """Takes what was seen up to the first request for the target; that one is not in it."""

        def index():
            targets = [view["target"] for view in self.seen]
            return targets.index(target) if target in targets else None

        with self._change:
            assert self._change.wait_for(lambda: index() is not None, limit), self.seen
            at = index()
            taken, self.seen = self.seen[:at], self.seen[at + 1 :]
        return taken


class H11Origin(Seen):
    """h11 (Python), a thread for each connection."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        super().__init__(self.listener.getsockname()[1])
        self.port = self.listener.getsockname()[1]
        self.socks = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socks.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        import h11  # may not be there

        link = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 17)
        try:
            while link.our_state is h11.IDLE:
                request = self._read(link, sock, h11)
                if request is None:
                    return
                body = b"" if request.method == b"HEAD" else request.target
                length = [("Content-Length", str(len(request.target)))]
                sock.sendall(link.send(h11.Response(status_code=200, headers=length)))
                sock.sendall(link.send(h11.Data(data=body)) + link.send(h11.EndOfMessage()))
                if link.our_state is h11.DONE and link.their_state is h11.DONE:
                    link.start_next_cycle()
        except h11.RemoteProtocolError as error:
            with contextlib.suppress(OSError, h11.LocalProtocolError):
                fields = [("Content-Length", "0"), ("Connection", "close")]
                status = error.error_status_hint
                sock.sendall(link.send(h11.Response(status_code=status, headers=fields)))
        except OSError:
            pass
        finally:
            sock.close()

    def _read(self, link, sock, h11):
        """The next whole request, or None at the end."""
        request, body = None, b""
        while True:
            event = link.next_event()
            if event is h11.NEED_DATA:
                link.receive_data(sock.recv(65536))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.note(
                    {
                        "method": request.method.decode("latin-1"),
                        "target": request.target.decode("latin-1"),
                        "fields": pairs_of(request.headers),
                        "body": body.decode("latin-1"),
                        "trailers": pairs_of(event.headers),
                    }
                )
                return request
            else:
                return None


def pairs_of(headers):
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


@contextlib.contextmanager
def start(kind, folder):
    """The running origin of that kind: node, h11, nginx, apache or haproxy."""
    if kind == "h11":
        origin = H11Origin()
        try:
            yield origin
        finally:
            origin.stop()
    elif kind == "node":
        with start_node() as origin:
            yield origin
    else:
        with start_before_h11(kind, folder) as origin:
            yield origin


@contextlib.contextmanager
def running(command, **options):
    process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def start_node():
    command = [which("node"), HERE / "view_origin.js"]
    with running(command, stdout=subprocess.PIPE, text=True) as process:
        origin = Seen(int(process.stdout.readline()))

        def read():
            for line in process.stdout:
                origin.note(json.loads(line))

        threading.Thread(target=read, daemon=True).start()
        yield origin


@contextlib.contextmanager
def start_before_h11(kind, folder):
    behind = H11Origin()
    port = free_port()
    user = "User nobody\nGroup nogroup" if os.getuid() == 0 else ""
    text = {"nginx": NGINX, "apache": APACHE, "haproxy": HAPROXY}[kind]
    path = folder / f"{kind}.conf"
    path.write_text(
        text.format(
            folder=folder, port=port, behind=behind.port, modules=APACHE_MODULES, user=user
        )
    )
    command = {
        "nginx": [which("nginx"), "-p", folder, "-e", folder / "error.log", "-c", path],
        "apache": [which("apache2"), "-d", folder, "-f", path, "-X"],
        "haproxy": [which("haproxy"), "-db", "-f", path],
    }[kind]
    log = folder / f"{kind}.log"
    try:
        with open(log, "wb") as out, running(command, stdout=out, stderr=out) as process:
            wait_listening(port, process, log)
            behind.url = f"http://127.0.0.1:{port}"
            yield behind
    finally:
        behind.stop()


def wait_listening(port, process, log):
    end = time.monotonic() + LIMIT_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        is_late = process.poll() is not None or time.monotonic() > end
        assert not is_late, f"it does not listen:\n{log.read_text()}"
        time.sleep(0.02)
