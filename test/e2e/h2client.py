# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 clients on plain sockets: a polite one (python h2) and one that sends whatever it likes.

    client = H2Client(port, cafile=ca)            # TLS with ALPN h2, or tls=False: prior knowledge
    page = client.get("/")                        # a Response: status, headers, body, trailers ...
    client.pushes                                 # promises with their responses, in order

    raw = RawH2(port, tls=False)
    raw.send(raw.headers(1, raw.request("/")), raw.data(1, b"late"))
    raw.expect_reset(1)

Everything ends after a time limit.
"""

import socket
import ssl
import struct
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import hpack
from hyperframe import frame as hf

LIMIT_S = 20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def open_socket(port, tls=True, cafile=None, server_name="localhost", alpn=("h2",), host="127.0.0.1"):
    """A connected socket; over TLS the ALPN result is in sock.selected_alpn_protocol()."""
    sock = socket.create_connection((host, port), LIMIT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(LIMIT_S)
    if not tls:
        return sock
    context = ssl.create_default_context(cafile=cafile)
    if cafile is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context.wrap_socket(sock, server_hostname=server_name)


def _pairs(headers):
    """Header fields as (str, str)."""

    def text(value):
        return value.decode("latin-1") if isinstance(value, bytes) else value

    return [(text(name), text(value)) for name, value in headers]


class Response:
    """What came back on one stream."""

    def __init__(self, stream_id):
        self.stream_id = stream_id
        self.headers = []
        self.interim = []  # lists of fields, one per 1xx
        self.trailers = None
        self.body = b""
        self.reset = None  # the error code of a RST_STREAM
        self.is_ended = False
        self.head_time = None
        self.end_time = None
        self.promise = None  # request fields, when it was pushed
        self.parent_id = None

    @property
    def status(self):
        return int(dict(self.headers).get(":status", 0))

    @property
    def path(self):
        return dict(self.promise or []).get(":path")

    @property
    def is_complete(self):
        return self.is_ended and self.reset is None

    @property
    def is_over(self):
        return self.is_ended or self.reset is not None

    def header(self, name, default=None):
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else default

    def __repr__(self):
        end = f"reset {self.reset}" if self.reset is not None else f"ended {self.is_ended}"
        return f"<stream {self.stream_id} {self.path or ''} {self.status} {len(self.body)} B {end}>"


class H2Client:
    """A client that follows the rules. One thread: it reads while one of its methods waits."""

    def __init__(
        self,
        port,
        tls=True,
        cafile=None,
        authority="localhost",
        push=True,
        settings=None,
        connection_window=None,
        auto_window=True,
        server_name="localhost",
        sock=None,
    ):
        self.sock = sock or open_socket(port, tls, cafile, server_name)
        if tls:
            assert self.sock.selected_alpn_protocol() == "h2", "the server did not choose h2"
        self.tls = tls
        self.scheme = "https" if tls else "http"
        self.authority = authority
        self.auto_window = auto_window
        self.responses = {}
        self.pushes = []
        self.log = []  # (seconds, event) in order of arrival
        self.goaways = []  # (last stream id, error code)
        self.is_closed = False
        self.ping_acks = 0
        self.start = time.monotonic()
        self.conn = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=True,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        codes = h2.settings.SettingCodes
        initial = {
            codes.ENABLE_PUSH: 1 if push else 0,
            codes.MAX_CONCURRENT_STREAMS: 100,
            codes.MAX_HEADER_LIST_SIZE: 65536,
            **(settings or {}),
        }
        self.conn.local_settings = h2.settings.Settings(client=True, initial_values=initial)
        # python h2 takes nothing more after a GOAWAY, while streams may well go on.
        self.conn._frame_dispatch_table[hf.GoAwayFrame] = self._note_goaway
        self.conn.initiate_connection()
        if connection_window:
            self.conn.increment_flow_control_window(connection_window)
        self.flush()

    @classmethod
    def over(cls, sock, tls=True, **options):
        """On a connected socket."""
        return cls(None, tls, sock=sock, **options)

    # -- sending

    def flush(self):
        data = self.conn.data_to_send()
        if data and not self.is_closed:
            self.sock.sendall(data)

    def request(self, path, method="GET", headers=(), body=None, end=True, authority=None):
        """Starts a request and returns its stream id."""
        stream_id = self.conn.get_next_available_stream_id()
        fields = [
            (":method", method),
            (":scheme", self.scheme),
            (":authority", authority or self.authority),
            (":path", path),
            *headers,
        ]
        self.conn.send_headers(stream_id, fields, end_stream=end and body is None)
        self.responses[stream_id] = Response(stream_id)
        self.flush()
        if body is not None:
            self.send_body(stream_id, body, end)
        return stream_id

    def send_body(self, stream_id, body, end=True):
        """Sends as the server's window allows."""
        body = memoryview(body)
        limit = time.monotonic() + LIMIT_S
        while len(body):
            if self.responses[stream_id].reset is not None:
                return
            room = min(
                self.conn.local_flow_control_window(stream_id),
                self.conn.max_outbound_frame_size,
                len(body),
            )
            if room <= 0:
                assert time.monotonic() < limit, "the server gives no window"
                self.pump(1)
                continue
            self.conn.send_data(stream_id, bytes(body[:room]))
            self.flush()
            body = body[room:]
            limit = time.monotonic() + LIMIT_S
        if end:
            self.conn.end_stream(stream_id)
            self.flush()

    def send_trailers(self, stream_id, trailers):
        self.conn.send_headers(stream_id, trailers, end_stream=True)
        self.flush()

    def reset(self, stream_id, code=h2.errors.ErrorCodes.CANCEL):
        self.conn.reset_stream(stream_id, code)
        self.responses[stream_id].reset = int(code)
        self.flush()

    def acknowledge(self, stream_id, count):
        """Gives window back by hand, when auto_window is off."""
        self.conn.acknowledge_received_data(count, stream_id)
        self.flush()

    def ping(self):
        before = self.ping_acks
        self.conn.ping(b"outrider")
        self.flush()
        self.wait_until(lambda: self.ping_acks > before)

    # -- receiving

    def pump(self, limit=0.0):
        """Handles what arrives within the limit; True when something did."""
        if self.is_closed:
            return False
        self.sock.settimeout(max(limit, 0.0001))
        try:
            data = self.sock.recv(262144)
        except (TimeoutError, ssl.SSLWantReadError):
            return False
        except ConnectionError:
            data = b""
        finally:
            self.sock.settimeout(LIMIT_S)
        if not data:
            self.is_closed = True
            return False
        for event in self.conn.receive_data(data):
            self.log.append((time.monotonic() - self.start, event))
            self._note(event)
        try:
            self.flush()
        except OSError:
            self.is_closed = True
        return True

    def wait_until(self, condition, limit=LIMIT_S):
        end = time.monotonic() + limit
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"waited {limit} s; streams: {list(self.responses.values())}")
            if not self.pump(min(left, 1)) and self.is_closed and not condition():
                raise ConnectionError(f"closed; streams: {list(self.responses.values())}")

    def wait(self, stream_id, limit=LIMIT_S):
        """The response, once it ended or was reset."""
        self.wait_until(lambda: self.responses[stream_id].is_over, limit)
        return self.responses[stream_id]

    def wait_head(self, stream_id, limit=LIMIT_S):
        response = self.responses[stream_id]
        self.wait_until(lambda: response.headers or response.is_over, limit)
        return response

    def wait_pushes(self, limit=LIMIT_S):
        """The pushes promised so far, once all of them ended."""
        self.wait_until(lambda: all(push.is_over for push in self.pushes), limit)
        return self.pushes

    def pushed(self, path):
        """The push of the path, or None."""
        return next((push for push in self.pushes if push.path == path), None)

    def settle(self, quiet=0.2):
        """Reads until nothing has come for `quiet` seconds."""
        while self.pump(quiet):
            pass

    def wait_closed(self, limit=LIMIT_S):
        end = time.monotonic() + limit
        while not self.is_closed:
            assert time.monotonic() < end, "the server keeps the connection open"
            self.pump(0.1)

    def get(self, path, headers=(), method="GET", body=None, limit=LIMIT_S, authority=None):
        stream_id = self.request(path, method, headers, body, authority=authority)
        return self.wait(stream_id, limit)

    def get_all(self, paths, limit=LIMIT_S):
        """Many at once; the responses in the order of the paths."""
        ids = [self.request(path) for path in paths]
        return [self.wait(stream_id, limit) for stream_id in ids]

    def close(self):
        if not self.is_closed:
            try:
                self.conn.close_connection()
                self.flush()
            except (OSError, h2.exceptions.ProtocolError):
                pass
        self.is_closed = True
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def order(self):
        """What arrived, as short words in order: ("promise", "/a.css"), ("head", 1), ("end", 1)."""
        words = []
        for _, event in self.log:
            if isinstance(event, h2.events.PushedStreamReceived):
                words.append(("promise", dict(_pairs(event.headers))[":path"]))
            elif isinstance(event, h2.events.InformationalResponseReceived):
                words.append(("interim", event.stream_id))
            elif isinstance(event, h2.events.ResponseReceived):
                words.append(("head", event.stream_id))
            elif isinstance(event, h2.events.DataReceived):
                words.append(("data", event.stream_id))
            elif isinstance(event, h2.events.StreamEnded):
                words.append(("end", event.stream_id))
            elif isinstance(event, h2.events.StreamReset):
                words.append(("reset", event.stream_id))
        return words

    def _note_goaway(self, frame):
        event = h2.events.ConnectionTerminated()
        event.error_code = frame.error_code
        event.last_stream_id = frame.last_stream_id
        event.additional_data = frame.additional_data
        self.goaways.append((frame.last_stream_id, frame.error_code))
        return [], [event]

    @property
    def goaway(self):
        """The error code of the last GOAWAY, or None."""
        return self.goaways[-1][1] if self.goaways else None

    def _note(self, event):
        now = time.monotonic() - self.start
        response = self.responses.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.PushedStreamReceived):
            push = Response(event.pushed_stream_id)
            push.promise = _pairs(event.headers)
            push.parent_id = event.parent_stream_id
            self.responses[push.stream_id] = push
            self.pushes.append(push)
        elif isinstance(event, h2.events.InformationalResponseReceived):
            response.interim.append(_pairs(event.headers))
        elif isinstance(event, h2.events.ResponseReceived):
            response.headers = _pairs(event.headers)
            response.head_time = now
        elif isinstance(event, h2.events.TrailersReceived):
            response.trailers = _pairs(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            response.body += event.data
            if self.auto_window and event.flow_controlled_length:
                self.conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            response.is_ended = True
            response.end_time = now
        elif isinstance(event, h2.events.StreamReset):
            if response is not None and response.reset is None:
                response.reset = int(event.error_code)
                response.end_time = now
        elif isinstance(event, h2.events.PingAckReceived):
            self.ping_acks += 1


class RawH2:
    """Frames by hand. Answers SETTINGS and PING by itself while reading (unless polite=False)."""

    def __init__(
        self,
        port,
        tls=True,
        cafile=None,
        settings=None,
        preface=True,
        polite=True,
        authority="localhost",
        server_name="localhost",
    ):
        self.sock = open_socket(port, tls, cafile, server_name)
        self.scheme = "https" if tls else "http"
        self.authority = authority
        self.polite = polite
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.frames = []  # every frame received
        self._input = b""
        self._block = None  # the frame whose header block goes on in CONTINUATION
        if preface:
            first = hf.SettingsFrame(0)
            first.settings = dict(settings or {})
            self.send(PREFACE, first)

    # -- making frames

    def request(self, path="/", method="GET", headers=(), authority=None):
        """The usual four pseudo fields and more."""
        return [
            (":method", method),
            (":scheme", self.scheme),
            (":authority", authority or self.authority),
            (":path", path),
            *headers,
        ]

    def encode(self, fields, huffman=True):
        return self.encoder.encode(fields, huffman=huffman)

    def headers(self, stream_id, fields, end_stream=True, end_headers=True):
        """A HEADERS frame; fields are pairs, or bytes of a ready header block."""
        frame = hf.HeadersFrame(stream_id)
        frame.data = fields if isinstance(fields, bytes) else self.encode(fields)
        if end_stream:
            frame.flags.add("END_STREAM")
        if end_headers:
            frame.flags.add("END_HEADERS")
        return frame

    def continuation(self, stream_id, block, end_headers=True):
        frame = hf.ContinuationFrame(stream_id)
        frame.data = block
        if end_headers:
            frame.flags.add("END_HEADERS")
        return frame

    def data(self, stream_id, body, end_stream=False):
        frame = hf.DataFrame(stream_id, body)
        if end_stream:
            frame.flags.add("END_STREAM")
        return frame

    def reset(self, stream_id, code=8):
        return hf.RstStreamFrame(stream_id, error_code=code)

    def window(self, stream_id, increment):
        return hf.WindowUpdateFrame(stream_id, window_increment=increment)

    def ping(self, payload=b"12345678", ack=False):
        return hf.PingFrame(0, payload, flags=["ACK"] if ack else [])

    def settings(self, values, ack=False):
        return hf.SettingsFrame(0, settings=values, flags=["ACK"] if ack else [])

    @staticmethod
    def any_frame(kind, flags, stream_id, payload=b"", length=None):
        """Bytes of a frame that need not make sense."""
        length = len(payload) if length is None else length
        return struct.pack("!I", length)[1:] + struct.pack("!BBI", kind, flags, stream_id) + payload

    # -- talking

    def send(self, *frames):
        data = b"".join(f if isinstance(f, bytes) else f.serialize() for f in frames)
        self.sock.sendall(data)

    def read(self, limit=LIMIT_S):
        """The next frame (header blocks decoded in frame.fields), or None at the end of the stream."""
        head = self._take(9, limit)
        if head is None:
            return None
        frame, length = hf.Frame.parse_frame_header(memoryview(head))
        body = self._take(length, limit) if length else b""
        if body is None:
            return None
        frame.parse_body(memoryview(body))
        self.frames.append(frame)
        self._decode(frame)
        self._answer(frame)
        return frame

    def expect(self, kind, stream_id=None, limit=LIMIT_S):
        """Reads until a frame of the kind (a hyperframe class, on the stream) comes."""
        end = time.monotonic() + limit
        seen = []
        while (left := end - time.monotonic()) > 0:
            frame = self.read(left)
            if frame is None:
                raise AssertionError(f"closed while waiting for {kind.__name__}; came: {seen}")
            if isinstance(frame, kind) and stream_id in (None, frame.stream_id):
                return frame
            seen.append(frame)
        raise AssertionError(f"no {kind.__name__} within {limit} s; came: {seen}")

    def expect_head(self, stream_id):
        """The decoded fields of the next header block on the stream, as a dict."""
        frame = self.expect((hf.HeadersFrame), stream_id)
        while not hasattr(frame, "fields"):
            frame = self.expect(hf.ContinuationFrame, stream_id)
        return dict(frame.fields)

    def expect_reset(self, stream_id, code=None):
        frame = self.expect(hf.RstStreamFrame, stream_id)
        assert code is None or frame.error_code == code, frame
        return frame

    def expect_goaway(self, code=None):
        """GOAWAY with the code, then nothing but the end of the connection counts as well."""
        frame = self.expect(hf.GoAwayFrame)
        assert code is None or frame.error_code == code, frame
        return frame

    def expect_closed(self, limit=LIMIT_S):
        """Reads on to the end of the stream (a reset counts)."""
        end = time.monotonic() + limit
        while self.read(max(end - time.monotonic(), 0.001)) is not None:
            pass

    def expect_connection_error(self, code=None):
        """GOAWAY (with the code) or a plain close: both end the connection."""
        try:
            self.expect_goaway(code)
        except AssertionError as error:
            if "closed while" not in str(error):
                raise
        self.expect_closed()

    def is_alive(self):
        """A PING is answered."""
        self.send(self.ping(b"areyouup"))
        while True:
            frame = self.expect(hf.PingFrame)
            if "ACK" in frame.flags and frame.opaque_data == b"areyouup":
                return True

    def handshake(self):
        """Reads the server's SETTINGS and its acknowledgement of ours."""
        while "ACK" not in self.expect(hf.SettingsFrame).flags:
            pass
        return self

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _take(self, count, limit):
        end = time.monotonic() + limit
        while len(self._input) < count:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no frame within {limit} s")
            self.sock.settimeout(left)
            try:
                data = self.sock.recv(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._input += data
        taken, self._input = self._input[:count], self._input[count:]
        return taken

    def _decode(self, frame):
        if isinstance(frame, (hf.HeadersFrame, hf.PushPromiseFrame)):
            self._block = frame.data
        elif isinstance(frame, hf.ContinuationFrame):
            self._block += frame.data
        if self._block is not None and "END_HEADERS" in frame.flags:
            frame.fields = _pairs(self.decoder.decode(self._block))
            self._block = None

    def _answer(self, frame):
        if not self.polite or "ACK" in frame.flags:
            return
        try:
            if isinstance(frame, hf.SettingsFrame):
                self.send(self.settings({}, ack=True))
            elif isinstance(frame, hf.PingFrame):
                self.send(self.ping(frame.opaque_data, ack=True))
        except OSError:
            pass
