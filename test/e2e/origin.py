# SPDX-License-Identifier: Apache-2.0
"""A scripted HTTP/1.1 origin on raw sockets, in threads.

A test says per path what happens after a request's head has come, as a list of steps:

    origin.on("/page", respond(200, [("link", "</a.css>; rel=preload; as=style")], b"<html>"))
    origin.on("/slow", send(HEAD), sleep(0.2), send(b"hello"), wait("go"), reset())
    origin.on_each("/once", [close()], [respond(200, [], b"second time")])

A step is a function of (conn, request): any callable of a test may stand in the list. After the last
step the rest of the request's body is read and the connection serves the next request, unless a step
closed it. Every request is recorded in `origin.requests`, its head exactly as received.
"""

import contextlib
import re
import socket
import struct
import threading
import time

LIMIT_S = 20  # nothing in a test takes longer
REASONS = {
    100: "Continue", 103: "Early Hints", 200: "OK", 204: "No Content", 206: "Partial Content",
    301: "Moved Permanently", 302: "Found", 304: "Not Modified", 404: "Not Found",
    500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip


class PeerGone(Exception):
    """The proxy closed or reset the connection while a script wanted it."""


# ---- bytes of responses ----------------------------------------------------------------------


def _bytes(text):
    return text if isinstance(text, bytes) else str(text).encode("latin-1")


def head(status=200, headers=(), version="HTTP/1.1"):
    """A response head with its empty line."""
    lines = [f"{version} {status} {REASONS.get(status, 'Unknown')}".encode()]
    lines += [_bytes(name) + b": " + _bytes(value) for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunk(data, extension=b""):
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


def last_chunk(trailers=()):
    lines = [_bytes(name) + b": " + _bytes(value) + b"\r\n" for name, value in trailers]
    return b"0\r\n" + b"".join(lines) + b"\r\n"


def response(status=200, headers=(), body=b"", chunked=None, trailers=(), request=None):
    """A whole response. chunked: None is a content-length, a number is the chunks' size."""
    body = _bytes(body)
    headers = list(headers)
    given = {_bytes(name).lower() for name, _ in headers}
    is_bodiless = status in (204, 304) or status < 200
    if chunked:
        pieces = [chunk(body[at : at + chunked]) for at in range(0, len(body), chunked)]
        framed = b"".join(pieces) + last_chunk(trailers)
        headers.append(("Transfer-Encoding", "chunked"))
    else:
        framed = body
        if b"content-length" not in given and not is_bodiless:
            headers.append(("Content-Length", len(body)))
    if is_bodiless or (request is not None and request.method == "HEAD"):
        framed = b""
    return head(status, headers) + framed


# ---- steps ---------------------------------------------------------------------------------


def respond(status=200, headers=(), body=b"", chunked=None, trailers=(), early=False):
    """Reads the whole request body (unless early), then sends a whole response."""

    def step(conn, request):
        if not early:
            conn.read_body()
        conn.send(response(status, headers, body, chunked, trailers, request))

    return step


def echo():
    """Answers with the request's body."""

    def step(conn, request):
        body = conn.read_body()
        conn.send(response(200, [("content-type", "application/octet-stream")], body))

    return step


def send(data):
    return lambda conn, request: conn.send(data)


def trickle(data, size=1, delay=0.001):
    """Sends in pieces of `size` bytes, `delay` seconds apart."""

    def step(conn, request):
        for at in range(0, len(data), size):
            conn.send(data[at : at + size])
            time.sleep(delay)

    return step


def send_many(count, block=b"x" * 65536):
    """Sends count blocks; request.sent_bytes counts what the socket took."""

    def step(conn, request):
        for _ in range(count):
            conn.send(block)
            request.sent_bytes += len(block)

    return step


def sleep(seconds):
    return lambda conn, request: time.sleep(seconds)


def wait(name):
    """Waits until the test (or another script) sets the event."""
    return lambda conn, request: conn.origin.wait_event(name)


def notify(name):
    return lambda conn, request: conn.origin.event(name).set()


def read_body(count=None):
    """Reads `count` bytes of the request's body, or all the rest."""
    return lambda conn, request: conn.read_body(count)


def swallow():
    """Reads all of the body and keeps none of it: request.counted_bytes tells its size."""

    def step(conn, request):
        request.counted_bytes = conn.swallow_body()

    return step


def wait_closed():
    """Waits until the proxy closes its side; request.is_abandoned tells that it did."""
    return lambda conn, request: conn.wait_closed()


def close():
    """An orderly end."""
    return lambda conn, request: conn.close()


def reset():
    """A RST instead of a FIN."""
    return lambda conn, request: conn.reset()


def half_close():
    return lambda conn, request: conn.sock.shutdown(socket.SHUT_WR)


# ---- requests and connections -------------------------------------------------------------------


class Request:
    """One request as it came. `connection` counts from 1 in order of acceptance."""

    def __init__(self, head_bytes, connection, number_on_connection):
        self.head = head_bytes
        self.connection = connection
        self.number_on_connection = number_on_connection
        self.time = time.monotonic()
        self.body = b""
        self.trailers = []
        self.sent_bytes = 0
        self.counted_bytes = 0
        self.is_abandoned = False
        self.is_done = threading.Event()  # its script ended, one way or another
        lines = head_bytes.split(b"\r\n")
        self.line = lines[0].decode("latin-1")
        self.method, self.target, self.version = (self.line.split(" ") + ["", "", ""])[:3]
        self.path = self.target.split("?")[0]
        self.headers = []
        for line in lines[1:]:
            name, _, value = line.decode("latin-1").partition(":")
            if name:
                self.headers.append((name.lower(), value.strip()))

    def header(self, name, default=None):
        """The values of a field joined by commas, or the default."""
        values = self.header_list(name)
        return ", ".join(values) if values else default

    def header_list(self, name):
        return [value for key, value in self.headers if key == name.lower()]

    def __repr__(self):
        return f"<{self.line} on connection {self.connection}>"


class OriginConnection:
    def __init__(self, origin, sock, number):
        self.origin = origin
        self.sock = sock
        self.number = number
        self.request = None
        self.is_open = True
        self._input = b""
        self._body = None  # how the rest of the body is framed: None, "chunked" or bytes left
        sock.settimeout(LIMIT_S)

    # -- bytes

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise PeerGone(str(error)) from error

    def receive(self):
        """More bytes to the input; PeerGone at the end."""
        try:
            data = self.sock.recv(65536)
        except OSError as error:
            raise PeerGone(str(error)) from error
        if not data:
            raise PeerGone("end of stream")
        self._input += data

    def _take_until(self, mark):
        while mark not in self._input:
            self.receive()
        at = self._input.index(mark) + len(mark)
        taken, self._input = self._input[:at], self._input[at:]
        return taken

    def _take(self, count):
        while len(self._input) < count:
            self.receive()
        taken, self._input = self._input[:count], self._input[count:]
        return taken

    # -- requests

    def read_request(self, number):
        self.sock.settimeout(None)  # an idle connection may wait for as long as the test runs
        head_bytes = self._take_until(b"\r\n\r\n")
        self.sock.settimeout(LIMIT_S)
        self.request = Request(head_bytes[:-4], self.number, number)
        if "chunked" in (self.request.header("transfer-encoding") or "").lower():
            self._body = "chunked"
        else:
            self._body = int(self.request.header("content-length") or 0)
        return self.request

    def read_body(self, count=None):
        """Adds to request.body and returns what came now."""
        if self._body == "chunked":
            data = self._read_chunks(count)
        else:
            wanted = self._body if count is None else min(count, self._body)
            data = b""
            while len(data) < wanted:
                if not self._input:
                    self.receive()
                piece = self._take(min(wanted - len(data), len(self._input)))
                data += piece
                self.request.body += piece
            self._body -= len(data)
        return data

    def _read_chunks(self, count):
        data = b""
        while count is None or len(data) < count:
            size = int(self._take_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                while (line := self._take_until(b"\r\n")) != b"\r\n":
                    name, _, value = line.decode("latin-1").partition(":")
                    self.request.trailers.append((name.lower(), value.strip()))
                self._body = 0
                break
            piece = self._take(size + 2)[:-2]
            data += piece
            self.request.body += piece
        return data

    def swallow_body(self):
        """Counts the rest of the body, as quick as the socket is when it has a length."""
        count = 0
        if self._body == "chunked":
            while data := self.read_body(1 << 18):
                count += len(data)
                self.request.body = b""
            return count
        count = min(len(self._take(min(len(self._input), self._body))), self._body)
        self._body -= count
        buffer = bytearray(1 << 20)
        while self._body > 0:
            try:
                size = self.sock.recv_into(buffer, min(len(buffer), self._body))
            except OSError as error:
                raise PeerGone(str(error)) from error
            if size == 0:
                raise PeerGone("end of stream")
            self._body -= size
            count += size
        return count

    def wait_closed(self):
        with contextlib.suppress(PeerGone):
            while True:
                self.receive()
                self._input = b""
        self.request.is_abandoned = True
        self.close()

    # -- ends

    def close(self):
        if self.is_open:
            self.is_open = False
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
            self.sock.close()

    def reset(self):
        if self.is_open:
            self.is_open = False
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()


class Origin:
    """Listens on a free port of 127.0.0.1, or on a unix socket."""

    def __init__(self, unix=None):
        if unix is not None:
            self.url = f"unix:{unix}"
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(unix))
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
            self.url = f"http://127.0.0.1:{self.port}"
        self.listener.listen(512)
        self.requests = []
        self.errors = []  # what went wrong in the origin itself
        self.connections = []
        self.on_connect = None  # function of (conn), called before the first request is read
        self._scripts = {}
        self._events = {}
        self._change = threading.Condition()
        self._is_stopped = False
        self.on("*", respond(404, [("content-type", "text/plain")], b"no such path\n"))
        threading.Thread(target=self._accept, daemon=True).start()

    # -- what a test says

    def on(self, path, *steps):
        """These steps at each request for the path (without its query); "*" is any other path."""
        self.on_each(path, list(steps))

    def on_each(self, path, *scripts):
        """The first list of steps for the first request, and so on; the last one stays."""
        with self._change:
            self._scripts[path] = [list(script) for script in scripts]

    def event(self, name):
        with self._change:
            return self._events.setdefault(name, threading.Event())

    def wait_event(self, name, limit=LIMIT_S):
        if not self.event(name).wait(limit):
            raise TimeoutError(f"nobody set the event {name!r}")

    # -- what a test asks

    def wait_requests(self, count, path=None, limit=LIMIT_S):
        """The requests (for the path), once there are `count`."""
        with self._change:
            self._change.wait_for(lambda: len(self._seen(path)) >= count, limit)
            seen = self._seen(path)
        assert len(seen) >= count, f"wanted {count} requests, the origin has {seen}"
        return seen

    def seen(self, path=None):
        with self._change:
            return self._seen(path)

    def last(self, path=None):
        return self.wait_requests(1, path)[-1]

    def open_connections(self):
        with self._change:
            return [conn for conn in self.connections if conn.is_open]

    def wait_open(self, count, limit=LIMIT_S):
        """Waits until exactly `count` connections are open."""
        end = time.monotonic() + limit
        while len(self.open_connections()) != count:
            assert time.monotonic() < end, f"{len(self.open_connections())} open, not {count}"
            time.sleep(0.01)

    def stop(self):
        self._is_stopped = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for event in list(self._events.values()):
            event.set()
        for conn in self.open_connections():
            conn.close()

    # -- threads

    def _seen(self, path):
        return [request for request in self.requests if path is None or request.path == path]

    def _accept(self):
        while not self._is_stopped:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._change:
                conn = OriginConnection(self, sock, len(self.connections) + 1)
                self.connections.append(conn)
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _script_for(self, request):
        with self._change:
            self.requests.append(request)
            scripts = self._scripts.get(request.path) or self._scripts["*"]
            script = scripts[0] if len(scripts) == 1 else scripts.pop(0)
            self._change.notify_all()
        return script

    def _serve(self, conn):
        number = 0
        try:
            if self.on_connect is not None:
                self.on_connect(conn)
            while conn.is_open:
                number += 1
                request = conn.read_request(number)
                self._run(conn, request)
        except PeerGone:
            pass
        except Exception as error:  # pylint: disable=broad-except
            if not self._is_stopped:
                self.errors.append(f"{conn.request}: {error!r}")
        finally:
            conn.close()

    def _run(self, conn, request):
        try:
            for step in self._script_for(request):
                if not conn.is_open:
                    break
                step(conn, request)
            if conn.is_open:
                conn.read_body()
        except PeerGone:
            request.is_abandoned = True
            raise
        finally:
            request.is_done.set()
            with self._change:
                self._change.notify_all()


def closed_port():
    """A port of 127.0.0.1 where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def is_valid_head(head_bytes):
    """No bare CR or LF and no control bytes: what an HTTP/1.1 head of the proxy must be."""
    return not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n", head_bytes)
