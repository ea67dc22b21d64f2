# SPDX-License-Identifier: Apache-2.0
"""Real clients as commands, each with a time limit."""

import hashlib
import os
import re
import shutil
import socket
import ssl
import subprocess

import h2client

LIMIT_S = 30
# AddressSanitizer keeps freed memory for a while, 256 MB by default: where a test looks at memory
# it would hide a leak.
FRUGAL = {
    "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")
    + ":quarantine_size_mb=2:thread_local_quarantine_size_kb=256"
}


def text_of(size):
    """Bytes that are others for each size."""
    return (hashlib.sha256(str(size).encode()).hexdigest().encode() * (size // 64 + 1))[:size]



class Result:
    """What a command did."""

    def __init__(self, completed):
        self.code = completed.returncode
        self.out = completed.stdout
        self.err = completed.stderr

    @property
    def text(self):
        return self.out.decode("utf-8", "replace")

    @property
    def errors(self):
        return self.err.decode("utf-8", "replace")

    def __repr__(self):
        return f"<exit {self.code}>\n{self.text[-4000:]}\n{self.errors[-4000:]}"


def run(*command, limit=LIMIT_S, data=None, env=None):
    assert shutil.which(str(command[0])), f"{command[0]} is not installed (scripts/setup --test)"
    return Result(
        subprocess.run(
            [str(word) for word in command],
            input=data,
            capture_output=True,
            timeout=limit,
            env={**os.environ, **(env or {})},
            check=False,
        )
    )


class NghttpRow:
    def __init__(self, match):
        self.stream_id = int(match["id"])
        self.is_pushed = match["pushed"] == "*"
        self.status = int(match["code"])
        self.size = match["size"]
        self.path = match["path"]

    def __repr__(self):
        return f"{'*' if self.is_pushed else ' '}{self.status} {self.size} {self.path}"


ROW = re.compile(
    r"^\s*(?P<id>\d+)\s+\S+\s+(?P<pushed>\*?)\s*\S+\s+\S+\s+(?P<code>\d+)\s+(?P<size>\S+)\s+(?P<path>/\S*)",
    re.M,
)


def nghttp(url, *args, limit=LIMIT_S):
    """nghttp with statistics: result.rows, and result.pushed: the paths marked with a star."""
    result = run("nghttp", "-ns", *args, url, limit=limit)
    result.rows = [NghttpRow(match) for match in ROW.finditer(result.text)]
    result.pushed = [row.path for row in result.rows if row.is_pushed]
    return result


def curl(url, *args, limit=LIMIT_S, data=None):
    """curl with the head: result.status, result.headers (pairs, of the final response), result.body."""
    result = run("curl", "-sSk", "-i", "--max-time", limit, *args, url, limit=limit + 5, data=data)
    result.status, result.headers, result.body = 0, [], result.out
    while (match := re.match(rb"HTTP/[\d.]+ (\d+)[^\r\n]*\r\n", result.body)) is not None:
        head, _, result.body = result.body.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")[1:]
        result.status = int(match.group(1))
        result.headers = [tuple(line.split(": ", 1)) for line in lines if ": " in line]
        if result.status >= 200:
            break
    return result


def node(script, *args, limit=LIMIT_S, env=None):
    """Runs text as a Node program; it finds its arguments from process.argv[2] on."""
    return run("node", "-", *args, limit=limit, data=script.encode(), env=env)


class H1Client:
    """Bytes over a socket, for HTTP/1.1 as no library would write it."""

    def __init__(self, port, tls=False, cafile=None, alpn=("http/1.1",), server_name="localhost"):
        self.sock = h2client.open_socket(port, tls, cafile, server_name, alpn)
        self._input = b""

    def send(self, data):
        self.sock.sendall(data)

    def read_head(self):
        """Status and fields (lower-case names, a list of pairs) of the next response."""
        while b"\r\n\r\n" not in self._input:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError(f"closed after {self._input!r}")
            self._input += data
        head, _, self._input = self._input.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = [tuple(line.split(":", 1)) for line in lines[1:]]
        return int(lines[0].split(" ")[1]), [(n.lower(), v.strip()) for n, v in fields]

    def read(self, count):
        while len(self._input) < count:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError(f"closed after {len(self._input)} of {count} bytes")
            self._input += data
        taken, self._input = self._input[:count], self._input[count:]
        return taken

    def _read_line(self):
        while b"\r\n" not in self._input:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError(f"closed in a line: {self._input!r}")
            self._input += data
        line, _, self._input = self._input.partition(b"\r\n")
        return line

    def read_chunked(self):
        """The body and the trailers of a chunked response."""
        body, trailers = b"", []
        while (size := int(self._read_line().split(b";")[0], 16)) > 0:
            body += self.read(size)
            assert self._read_line() == b""
        while line := self._read_line():
            name, _, value = line.decode("latin-1").partition(":")
            trailers.append((name.lower(), value.strip()))
        return body, trailers

    def read_response(self, method="GET"):
        """(status, fields, body) of the next final response."""
        status, fields = self.read_head()
        while status < 200 and status != 101:
            status, fields = self.read_head()
        named = dict(fields)
        if method == "HEAD" or status in (204, 304):
            return status, fields, b""
        if "chunked" in named.get("transfer-encoding", ""):
            return status, fields, self.read_chunked()[0]
        if "content-length" in named:
            return status, fields, self.read(int(named["content-length"]))
        return status, fields, self.read_to_end()

    def read_to_end(self):
        """Everything up to the end of the connection; a reset raises ConnectionError."""
        while data := self.sock.recv(65536):
            self._input += data
        taken, self._input = self._input, b""
        return taken

    def is_closed(self, limit=5):
        """Reads on to the end of the connection, however it comes; False when it stays open."""
        self.sock.settimeout(limit)
        try:
            while self.sock.recv(65536):
                pass
        except (TimeoutError, ssl.SSLWantReadError):
            return False
        except OSError:
            pass
        return True

    def end_writing(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
