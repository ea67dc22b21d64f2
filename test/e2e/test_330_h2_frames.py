# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 frames that no polite client sends (RFC 9113 sections 4 to 6), one connection for each."""

import contextlib
import time

import pytest
from h2.settings import SettingCodes
from hyperframe import frame as hf

from h2client import PREFACE
from origin import echo, notify, respond, wait

PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED = 1, 3, 5
FRAME_SIZE_ERROR, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 6, 9, 11
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE = range(6)
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(6, 10)
END_STREAM, END_HEADERS, PADDED, HAS_PRIORITY, ACK = 1, 4, 8, 32, 1


def get(raw, stream_id, path="/", **options):
    return raw.headers(stream_id, raw.request(path), **options)


def block(raw, path="/", **options):
    return raw.encode(raw.request(path, **options))


# --- frames that end the connection ---------------------------------------------------------------

# name: function of the connection giving frames, then the error code
CONNECTION_ERRORS = {
    "DATA on stream 0": (lambda raw: [raw.any_frame(DATA, 0, 0, b"x")], PROTOCOL_ERROR),
    "DATA on an idle stream": (lambda raw: [raw.data(1, b"x")], PROTOCOL_ERROR),
    "HEADERS on stream 0": (
        lambda raw: [raw.any_frame(HEADERS, END_HEADERS, 0, block(raw))], PROTOCOL_ERROR),
    "HEADERS on an even stream": (lambda raw: [get(raw, 2)], PROTOCOL_ERROR),
    "a lower stream id": (lambda raw: [get(raw, 5), get(raw, 3)], PROTOCOL_ERROR),
    "HEADERS on an ended stream": (lambda raw: [get(raw, 1, "/slow"), get(raw, 1)], STREAM_CLOSED),
    "DATA on an ended stream": (
        lambda raw: [get(raw, 1, "/slow"), raw.data(1, b"x")], STREAM_CLOSED),
    "RST_STREAM on an idle stream": (lambda raw: [raw.reset(1)], PROTOCOL_ERROR),
    "RST_STREAM on stream 0": (
        lambda raw: [raw.any_frame(RST_STREAM, 0, 0, b"\0\0\0\x08")], PROTOCOL_ERROR),
    "RST_STREAM of 3 bytes": (
        lambda raw: [get(raw, 1, "/slow"), raw.any_frame(RST_STREAM, 0, 1, b"\0\0\0")],
        FRAME_SIZE_ERROR),
    "WINDOW_UPDATE on an idle stream": (lambda raw: [raw.window(1, 1)], PROTOCOL_ERROR),
    "WINDOW_UPDATE of 0 on the connection": (
        lambda raw: [raw.any_frame(WINDOW_UPDATE, 0, 0, bytes(4))], PROTOCOL_ERROR),
    "WINDOW_UPDATE of 3 bytes": (
        lambda raw: [raw.any_frame(WINDOW_UPDATE, 0, 0, bytes(3))], FRAME_SIZE_ERROR),
    "connection's window beyond 2^31-1": (
        lambda raw: [raw.window(0, 2**31 - 1)], FLOW_CONTROL_ERROR),
    "SETTINGS on a stream": (lambda raw: [raw.any_frame(SETTINGS, 0, 1)], PROTOCOL_ERROR),
    "SETTINGS of 5 bytes": (
        lambda raw: [raw.any_frame(SETTINGS, 0, 0, bytes(5))], FRAME_SIZE_ERROR),
    "SETTINGS ACK with content": (
        lambda raw: [raw.any_frame(SETTINGS, ACK, 0, bytes(6))], FRAME_SIZE_ERROR),
    "ENABLE_PUSH 2": (
        lambda raw: [raw.any_frame(SETTINGS, 0, 0, b"\0\x02\0\0\0\x02")], PROTOCOL_ERROR),
    "INITIAL_WINDOW_SIZE 2^31": (
        lambda raw: [raw.any_frame(SETTINGS, 0, 0, b"\0\x04\x80\0\0\0")], FLOW_CONTROL_ERROR),
    "MAX_FRAME_SIZE 16383": (
        lambda raw: [raw.any_frame(SETTINGS, 0, 0, b"\0\x05\0\0\x3f\xff")], PROTOCOL_ERROR),
    "PING on a stream": (lambda raw: [raw.any_frame(PING, 0, 1, bytes(8))], PROTOCOL_ERROR),
    "PING of 7 bytes": (lambda raw: [raw.any_frame(PING, 0, 0, bytes(7))], FRAME_SIZE_ERROR),
    "GOAWAY on a stream": (lambda raw: [raw.any_frame(GOAWAY, 0, 1, bytes(8))], PROTOCOL_ERROR),
    "PUSH_PROMISE by a client": (
        lambda raw: [get(raw, 1, "/slow"),
                     raw.any_frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02" + block(raw))],
        PROTOCOL_ERROR),
    "PRIORITY on stream 0": (lambda raw: [raw.any_frame(PRIORITY, 0, 0, bytes(5))], PROTOCOL_ERROR),
    "CONTINUATION alone": (lambda raw: [raw.continuation(1, block(raw))], PROTOCOL_ERROR),
    "CONTINUATION behind the end of HEADERS": (
        lambda raw: [get(raw, 1, "/slow"), raw.continuation(1, block(raw))], PROTOCOL_ERROR),
    "CONTINUATION of another stream": (
        lambda raw: [raw.headers(1, block(raw), end_headers=False), raw.continuation(3, b"")],
        PROTOCOL_ERROR),
    "PING inside a header block": (
        lambda raw: [raw.headers(1, block(raw)[:2], end_headers=False), raw.ping()],
        PROTOCOL_ERROR),
    "unknown frame inside a header block": (
        lambda raw: [raw.headers(1, block(raw)[:2], end_headers=False), raw.any_frame(99, 0, 1)],
        PROTOCOL_ERROR),
    "a header block that is no HPACK": (
        lambda raw: [raw.headers(1, b"\xff\xff\xff\xff\xff\xff")], COMPRESSION_ERROR),
    "an index beyond the table": (lambda raw: [raw.headers(1, b"\xff\x40")], COMPRESSION_ERROR),
    "a frame beyond MAX_FRAME_SIZE": (
        lambda raw: [raw.any_frame(HEADERS, END_HEADERS, 1, bytes(16385))], FRAME_SIZE_ERROR),
    "padding longer than DATA": (
        lambda raw: [get(raw, 1, "/slow", end_stream=False),
                     raw.any_frame(DATA, PADDED, 1, b"\x05abc")], PROTOCOL_ERROR),
    "padding longer than HEADERS": (
        lambda raw: [raw.any_frame(HEADERS, PADDED | END_HEADERS, 1, b"\xff" + block(raw))],
        PROTOCOL_ERROR),
}  # fmt: skip


def test_connection_errors(outrider, origin):
    origin.on("/slow", wait("go"), respond(200, [], b"slow"))
    origin.on("*", respond(200, [], b"fine"))
    proxy = outrider(origin)
    wrong = []
    for name, (frames, code) in CONNECTION_ERRORS.items():
        with proxy.raw_h2(tls=False) as raw:
            raw.handshake()
            raw.send(*frames(raw))
            try:
                raw.expect_connection_error(code)
            except AssertionError as error:
                wrong.append((name, str(error)[:200]))
    origin.event("go").set()
    assert not wrong, "\n".join(map(str, wrong))
    with proxy.h2(tls=False) as client:
        assert client.get("/").body == b"fine"


# --- frames that end a stream ---------------------------------------------------------------------

STREAM_ERRORS = {
    "WINDOW_UPDATE of 0": (
        lambda raw: [get(raw, 1, "/slow"), raw.any_frame(WINDOW_UPDATE, 0, 1, bytes(4))],
        PROTOCOL_ERROR),
    "stream's window beyond 2^31-1": (
        lambda raw: [get(raw, 1, "/slow"), raw.window(1, 2**31 - 1)], FLOW_CONTROL_ERROR),
}  # fmt: skip


def test_stream_errors(outrider, origin):
    """Their stream alone; a stricter end of the connection would be allowed, but is not wanted."""
    origin.on("/slow", wait("go"), respond(200, [], b"slow"))
    origin.on("/", respond(200, [], b"fine"))
    proxy = outrider(origin)
    for name, (frames, code) in STREAM_ERRORS.items():
        with proxy.raw_h2(tls=False) as raw:
            raw.handshake()
            raw.send(*frames(raw))
            frame = raw.expect((hf.RstStreamFrame, hf.GoAwayFrame))
            assert frame.error_code == code, name
            if isinstance(frame, hf.RstStreamFrame):
                raw.send(get(raw, 3))
                assert raw.expect_head(3)[":status"] == "200", name
    origin.event("go").set()


def test_data_beyond_the_window(outrider, origin):
    """What the server has not allowed: FLOW_CONTROL_ERROR."""
    origin.on("/", notify("there"), wait("go"), respond(200, [], b""))
    proxy = outrider(origin)
    with proxy.raw_h2(tls=False) as raw:
        raw.handshake()
        raw.send(get(raw, 1, end_stream=False))
        origin.wait_event("there")
        # the origin reads nothing: what its socket and the stream's window hold comes to an end
        frame = None
        with contextlib.suppress(OSError):
            raw.send(*[raw.data(1, bytes(16384)) for _ in range(1000)])
        while not isinstance(frame, (hf.GoAwayFrame, hf.RstStreamFrame)):
            frame = raw.read()
            if frame is None:
                break
        assert frame is None or frame.error_code == FLOW_CONTROL_ERROR, frame
    origin.event("go").set()


# --- closed streams -------------------------------------------------------------------------


def closed_by_both(raw):
    raw.send(get(raw, 1))
    while "END_STREAM" not in raw.expect(hf.DataFrame, 1).flags:
        pass


def closed_by_client_reset(raw):
    raw.send(get(raw, 1, "/slow"), raw.reset(1))
    assert raw.is_alive()


@pytest.mark.parametrize("close_it", [closed_by_both, closed_by_client_reset])
def test_frames_on_a_closed_stream(outrider, origin, close_it):
    """RFC 9113 section 5.1: what may cross the end is ignored, what cannot is an error."""
    origin.on("/slow", wait("go"), respond(200, [], b"slow"))
    origin.on("/", respond(200, [], b"fine"))
    proxy = outrider(origin)

    def opened():
        raw = proxy.raw_h2(tls=False)
        raw.handshake()
        close_it(raw)
        return raw

    with opened() as raw:
        raw.send(raw.window(1, 100), raw.any_frame(PRIORITY, 0, 1, bytes(5)), raw.reset(1))
        assert raw.is_alive()
    for frame in ("data", "headers"):
        with opened() as raw:
            raw.send(raw.data(1, b"x") if frame == "data" else get(raw, 1))
            answer = raw.expect((hf.RstStreamFrame, hf.GoAwayFrame))
            assert answer.error_code == STREAM_CLOSED, frame
    origin.event("go").set()


def test_what_was_under_way_when_we_reset_is_ignored(outrider, origin):
    """DATA and trailers on a stream that outrider ended; the connection's window survives."""
    origin.on("/", respond(403, [], b"no", early=True), lambda conn, request: conn.close())
    origin.on("/echo", echo())
    proxy = outrider(origin)
    with proxy.raw_h2(tls=False) as raw:
        raw.handshake()
        raw.send(get(raw, 1, end_stream=False))
        raw.expect_reset(1, 0)
        raw.send(raw.data(1, b"x" * 1000), raw.headers(1, [("x-a", "b")]), raw.window(1, 10))
        assert raw.is_alive()
    with proxy.h2(tls=False) as client:
        assert client.get("/echo", method="POST", body=b"x" * 200000).body == b"x" * 200000


def test_skipped_stream_ids_are_closed(outrider, origin):
    origin.on("/", respond(200, [], b"fine"))
    proxy = outrider(origin)
    with proxy.raw_h2(tls=False) as raw:
        raw.handshake()
        raw.send(get(raw, 7))
        assert raw.expect_head(7)[":status"] == "200"
        raw.send(get(raw, 5))
        raw.expect_connection_error(PROTOCOL_ERROR)


# --- what has to be endured -----------------------------------------------------------------------


def test_padding_priority_continuations_and_unknown_frames(outrider, origin):
    origin.on("/", echo())
    proxy = outrider(origin)
    with proxy.raw_h2(tls=False) as raw:
        raw.handshake()
        raw.send(raw.any_frame(99, 0xFF, 0, b"unknown"), raw.any_frame(77, 0, 1, b"unknown"))
        raw.send(raw.settings({0x7777: 5}))
        request = block(raw, method="POST", headers=[("x-a", "b")])
        first = b"\x07" + b"\0\0\0\0\x10" + request[:5] + bytes(7)
        raw.send(raw.any_frame(HEADERS, PADDED | HAS_PRIORITY, 1, first))
        for at in range(5, 11):
            raw.send(raw.continuation(1, request[at : at + 1], end_headers=False))
        raw.send(raw.continuation(1, b"", end_headers=False), raw.continuation(1, request[11:]))
        raw.send(raw.any_frame(DATA, PADDED, 1, b"\xff" + b"abc" + bytes(255)))
        raw.send(raw.data(1, b""), raw.any_frame(PRIORITY, 0, 9, b"\0\0\0\x03\x10"))
        raw.send(raw.any_frame(DATA, PADDED | END_STREAM, 1, b"\0def"))
        assert raw.expect_head(1)[":status"] == "200"
        assert raw.expect(hf.DataFrame, 1).data == b"abcdef"
        assert raw.is_alive()
    assert origin.last().header("x-a") == "b"


def test_padding_comes_back_to_the_window(outrider, origin):
    """Otherwise a client that pads would be stuck after 64 KB."""
    origin.on("/", echo())
    proxy = outrider(origin)
    with proxy.raw_h2(tls=False) as raw:
        raw.handshake()
        raw.send(get(raw, 1, end_stream=False))
        room = {0: 65535, 1: 65535}
        for _ in range(1000):
            while min(room.values()) < 256 + 16:
                frame = raw.expect(hf.WindowUpdateFrame)
                room[frame.stream_id] = room.get(frame.stream_id, 0) + frame.window_increment
            raw.send(raw.any_frame(DATA, PADDED, 1, b"\xffx" + bytes(255)))
            room = {stream_id: size - 257 for stream_id, size in room.items()}
        raw.send(raw.data(1, b"", end_stream=True))
        assert raw.expect_head(1)[":status"] == "200"
    assert origin.last().body == b"x" * 1000


def test_settings_may_change_under_way(outrider, origin):
    """A smaller header table, larger frames, another window; each is acknowledged."""
    origin.on("*", respond(200, [("x-long", "v" * 3000)], b"b" * 40000))
    proxy = outrider(origin)
    codes = SettingCodes
    with proxy.raw_h2(tls=False) as raw:
        raw.handshake()
        changes = [
            {codes.HEADER_TABLE_SIZE: 0},
            {codes.HEADER_TABLE_SIZE: 65536, codes.MAX_FRAME_SIZE: 65535},
            {codes.INITIAL_WINDOW_SIZE: 10, codes.MAX_FRAME_SIZE: 16384},
            {codes.INITIAL_WINDOW_SIZE: 100000},
        ]
        for number, change in enumerate(changes):
            stream_id = 2 * number + 1
            raw.send(raw.settings(change))
            while "ACK" not in raw.expect(hf.SettingsFrame).flags:
                pass
            if codes.HEADER_TABLE_SIZE in change:
                raw.decoder.max_allowed_table_size = change[codes.HEADER_TABLE_SIZE]
            raw.send(raw.window(0, 40000), get(raw, stream_id))
            assert raw.expect_head(stream_id)["x-long"] == "v" * 3000
            if change.get(codes.INITIAL_WINDOW_SIZE) == 10:
                raw.send(raw.window(stream_id, 40000))
            size = 0
            while size < 40000:
                frame = raw.expect(hf.DataFrame, stream_id)
                size += len(frame.data)
                assert len(frame.data) <= 65535
            assert size == 40000


def test_goaway_of_a_client(outrider, origin):
    """Its requests are still answered; then the connection ends."""
    origin.on("/", wait("go"), respond(200, [], b"fine"))
    proxy = outrider(origin)
    with proxy.raw_h2(tls=False) as raw:
        raw.handshake()
        raw.send(get(raw, 1), hf.GoAwayFrame(0, last_stream_id=0))
        assert raw.is_alive()
        origin.event("go").set()
        assert raw.expect_head(1)[":status"] == "200"
        assert raw.expect(hf.DataFrame, 1).data == b"fine"
        raw.expect_closed()


@pytest.mark.parametrize(
    "first",
    [
        PREFACE[:-1] + b"X" + hf.SettingsFrame(0).serialize(),
        PREFACE + hf.PingFrame(0, bytes(8)).serialize(),
        PREFACE + b"\0\0\0",
    ],
    ids=["bad preface", "no SETTINGS first", "half a frame"],
)
def test_bad_beginnings(outrider, origin, first):
    proxy = outrider(origin, timeouts={"head": "300ms"})
    with proxy.raw_h2(preface=False) as raw:  # over TLS, where ALPN has said h2
        raw.send(first)
        raw.expect_connection_error()


# --- floods -------------------------------------------------------------------------


def flood(raw, frames, limit=10):
    """Sends until the server has had enough; its GOAWAY's code, None for a close."""
    end = time.monotonic() + limit
    raw.sock.settimeout(limit)
    try:
        while time.monotonic() < end:
            raw.send(*frames())
            raw.sock.setblocking(False)
            try:
                data = raw.sock.recv(1 << 20)
                if not data:
                    return None
                raw._input += data
            except BlockingIOError:
                pass
            raw.sock.settimeout(limit)
            if len(raw._input) > 1 << 16 or b"\x07\0" in raw._input[-64:]:
                break
    except OSError:
        return None
    try:
        return raw.expect(hf.GoAwayFrame).error_code
    except (AssertionError, OSError):
        return None


def test_rapid_reset(outrider, origin):
    """CVE-2023-44487: open, reset, again. The budget ends, and the origin has not had it all."""
    origin.on("*", wait("go"), respond(200, [], b"slow"))
    proxy = outrider(origin, workers=1)
    ids = iter(range(1, 1 << 20, 2))
    with proxy.raw_h2(tls=False) as raw:
        raw.handshake()

        def frames():
            some = [next(ids) for _ in range(20)]
            return [frame for i in some for frame in (get(raw, i), raw.reset(i))]

        assert flood(raw, frames) in (ENHANCE_YOUR_CALM, None)
    assert next(ids) < 20000
    assert len(origin.seen()) <= 400
    origin.event("go").set()
    with proxy.h2(tls=False) as client:
        assert client.get("/").status == 200


def test_made_you_reset(outrider, origin):
    """CVE-2025-8671: errors that make the server reset cost the same budget."""
    origin.on("*", wait("go"), respond(200, [], b"slow"))
    proxy = outrider(origin, workers=1)
    ids = iter(range(1, 1 << 20, 2))
    with proxy.raw_h2(tls=False) as raw:
        raw.handshake()

        def frames():
            some = [next(ids) for _ in range(20)]
            bad = [raw.any_frame(WINDOW_UPDATE, 0, i, bytes(4)) for i in some]
            return [f for i, update in zip(some, bad, strict=True) for f in (get(raw, i), update)]

        assert flood(raw, frames) in (ENHANCE_YOUR_CALM, PROTOCOL_ERROR, None)
    assert next(ids) < 20000
    assert len(origin.seen()) <= 400
    origin.event("go").set()
    with proxy.h2(tls=False) as client:
        assert client.get("/").status == 200


def test_continuation_flood(outrider, origin):
    proxy = outrider(origin)
    with proxy.raw_h2(tls=False) as raw:
        raw.handshake()
        raw.send(raw.headers(1, block(raw), end_headers=False))
        code = flood(raw, lambda: [raw.continuation(1, b"", end_headers=False)])
        assert code in (PROTOCOL_ERROR, ENHANCE_YOUR_CALM)
    with proxy.h2(tls=False) as client:
        assert client.get("/").status == 404


@pytest.mark.parametrize("kind", ["ping", "settings"])
def test_floods_of_questions_whose_answers_nobody_reads(outrider, origin, kind):
    """CVE-2019-9512 and 9515: memory stays bounded, others are served."""
    proxy = outrider(origin, workers=1)
    before = proxy.resident_kb()
    with proxy.raw_h2(tls=False, polite=False) as raw, proxy.h2(tls=False) as client:
        raw.handshake()
        frame = raw.ping() if kind == "ping" else raw.settings({})
        data = frame.serialize() * 1000
        raw.sock.settimeout(0.5)
        try:
            for _ in range(2000):
                raw.send(data)
        except OSError:
            pass  # the server no longer reads, or has closed
        assert client.get("/").status == 404
        assert proxy.resident_kb() - before < 60000
