# SPDX-License-Identifier: Apache-2.0
"""nginx and nghttpx as they forward HTTP/2 and HTTP/1.1 in cleartext to an origin of HTTP/1.1: what
other proxies make of the same bytes.

    with start("nginx", tmp_path, origin.port) as proxy:
        translation.send(proxy, row)
"""

import contextlib

import h2client
import tools
from five_origins import free_port, running, wait_listening, which

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    large_client_header_buffers 8 64k; client_max_body_size 0;
    proxy_buffer_size 128k; proxy_buffers 4 256k; proxy_busy_buffers_size 512k;
    proxy_http_version 1.1; proxy_request_buffering off;
    proxy_set_header Host $http_host; proxy_set_header Connection "";
    server {{ listen 127.0.0.1:{h2} http2; location / {{ proxy_pass http://127.0.0.1:{origin}; }} }}
    server {{ listen 127.0.0.1:{h1}; location / {{ proxy_pass http://127.0.0.1:{origin}; }} }}
}}
"""


class Proxy:
    """Makes the clients that an Outrider of conftest.py makes, as far as `translation` needs."""

    def __init__(self, h2_port, h1_port):
        self.h2_port = h2_port
        self.h1_port = h1_port

    def raw_h2(self, tls=False):
        return h2client.RawH2(self.h2_port, tls)

    def h2(self, tls=False):
        return h2client.H2Client(self.h2_port, tls)

    def h1(self):
        return tools.H1Client(self.h1_port)


def is_installed(kind):
    return which(kind) is not None


@contextlib.contextmanager
def start(kind, folder, origin_port):
    """A running "nginx" or "nghttpx" that opens a connection to the origin for each request."""
    folder.mkdir(exist_ok=True)
    log = folder / "log"
    h2_port, h1_port = free_port(), free_port()
    if kind == "nginx":
        path = folder / "nginx.conf"
        path.write_text(NGINX.format(folder=folder, h2=h2_port, h1=h1_port, origin=origin_port))
        command = [which("nginx"), "-p", folder, "-e", folder / "error.log", "-c", path]
    else:
        h1_port = h2_port
        command = [
            which("nghttpx"), "--conf=/dev/null", "--workers=1", f"--errorlog-file={log}",
            f"--frontend=127.0.0.1,{h2_port};no-tls", f"--backend=127.0.0.1,{origin_port}",
            "--backend-keep-alive-timeout=1ms",
        ]  # fmt: skip
    with open(log, "wb") as out, running(command, stdout=out, stderr=out) as process:
        wait_listening(h2_port, process, log)
        yield Proxy(h2_port, h1_port)
