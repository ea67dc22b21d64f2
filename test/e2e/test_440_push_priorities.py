# SPDX-License-Identifier: Apache-2.0
"""Whose bytes go first (RFC 9218): a client whose window is shut until everything waits in the
proxy, and then reads bit by bit."""

from h2.settings import SettingCodes
from hyperframe import frame as hf

from h2client import RawH2
from origin import notify, respond, wait
from pushing import links

FIRST_BYTES = 16 * 1024
WINDOW = 65535
LARGE_WINDOW = {SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20}


class SlowReader(RawH2):
    """Takes heads at once and bodies not before `take`: a filler has used up the window."""

    def __init__(self, port, **options):
        super().__init__(port, tls=False, settings=LARGE_WINDOW, **options)
        self.handshake()
        self.send(self.headers(1, self.request("/filler")))
        self.data_of({1: WINDOW})

    def data_of(self, wanted):
        """Reads until each stream has so many bytes; the stream ids with sizes, as they came."""
        came = []
        left = dict(wanted)
        while any(size > 0 for size in left.values()):
            frame = self.read()
            if isinstance(frame, hf.DataFrame):
                came.append((frame.stream_id, len(frame.data)))
                left[frame.stream_id] -= len(frame.data)
        return came

    def take(self, wanted, step=4096):
        """Opens the connection's window step by step."""
        total = sum(wanted.values())
        came = []
        for start in range(0, total, step):
            size = min(step, total - start)
            self.send(self.window(0, size))
            while size > 0:
                frame = self.read()
                if isinstance(frame, hf.DataFrame):
                    came.append((frame.stream_id, len(frame.data)))
                    size -= len(frame.data)
        return came


def spans(came):
    """Runs of bytes of one stream: [(stream id, bytes), ...]."""
    runs = []
    for stream_id, size in came:
        if runs and runs[-1][0] == stream_id:
            runs[-1][1] += size
        elif size:
            runs.append([stream_id, size])
    return [tuple(run) for run in runs]


SIZE = 30000
PAGE_SIZE = 50000


def serve(origin, *values, fields=None):
    """A page and what it links, all of it at the proxy when `wait_all` returns."""
    origin.on("/filler", respond(200, [], b"f" * WINDOW))
    origin.on("/", respond(200, links(*values), b"p" * PAGE_SIZE), notify("/"))
    paths = [value.split(">")[0][1:] for value in values]
    for path in paths:
        origin.on(path, respond(200, (fields or {}).get(path, []), b"a" * SIZE), notify(path))
    return paths


def open_page(client, origin, paths, fields=()):
    """Asks for the page; the promised ids by path, once all heads are here."""
    client.send(client.headers(3, client.request("/", headers=fields)))
    ids = {}
    heads = 0
    while heads < len(paths) + 1:
        frame = client.read()
        if isinstance(frame, hf.PushPromiseFrame):
            ids[dict(frame.fields)[":path"]] = frame.promised_stream_id
        heads += isinstance(frame, hf.HeadersFrame)
    for path in ["/", *paths]:
        origin.wait_event(path)
    client.is_alive()
    return ids


CSS, IMAGE, DATA = (
    "</a.css>; rel=preload; as=style",
    "</b.png>; rel=preload; as=image",
    "</c.json>; rel=preload; as=fetch",
)


def test_page_begins_then_css_then_page_then_images(outrider, origin):
    paths = serve(origin, IMAGE, CSS)
    proxy = outrider(origin)
    with SlowReader(proxy.http_port) as client:
        ids = open_page(client, origin, paths)
        came = client.take({3: PAGE_SIZE, ids["/a.css"]: SIZE, ids["/b.png"]: SIZE})
    runs = spans(came)
    assert [stream_id for stream_id, _ in runs] == [3, ids["/a.css"], 3, ids["/b.png"]], runs
    assert FIRST_BYTES <= runs[0][1] <= 2 * FIRST_BYTES
    assert runs[1][1] == SIZE


def test_page_begins_first_whatever_its_priority(outrider, origin):
    """A browser says `priority` with every page; promises at the request come before its head."""
    paths = serve(origin, CSS)
    for push in ([], ["/a.css"]):
        routes = [{"origin": "app", "push": {"declared": push}}]
        routes.append({"origin": "app", "path": "/filler"})
        proxy = outrider(origin, routes=routes)
        with SlowReader(proxy.http_port) as client:
            ids = open_page(client, origin, paths, [("priority", "u=4, i")])
            came = client.take({3: PAGE_SIZE, ids["/a.css"]: SIZE})
        runs = spans(came)
        assert [stream_id for stream_id, _ in runs] == [3, ids["/a.css"], 3], (push, runs)
        assert FIRST_BYTES <= runs[0][1] <= 2 * FIRST_BYTES


def test_pushes_leave_the_page_its_window(outrider, origin):
    """What is declared is there before the page, and may not use up the client's window: the page's
    first bytes come without a round trip more."""
    origin.on("/", wait("go"), respond(200, [], b"p" * FIRST_BYTES))
    for path in ("/a.css", "/b.js"):
        origin.on(path, respond(200, [], b"a" * 100000))
    proxy = outrider(origin, routes=[{"origin": "app", "push": ["/a.css", "/b.js"]}])
    with RawH2(proxy.http_port, tls=False, settings=LARGE_WINDOW) as client:
        client.handshake()
        client.send(client.headers(1, client.request("/")))
        came = 0
        while came < WINDOW - FIRST_BYTES:
            frame = client.read()
            came += len(frame.data) if isinstance(frame, hf.DataFrame) else 0
        assert came == WINDOW - FIRST_BYTES
        client.send(client.window(0, 10000))  # more for the pushes
        while came < WINDOW - FIRST_BYTES + 10000:
            frame = client.read()
            came += len(frame.data) if isinstance(frame, hf.DataFrame) else 0
        client.is_alive()
        origin.event("go").set()
        assert client.expect_head(1)[":status"] == "200"
        size = 0
        while size < FIRST_BYTES:
            frame = client.expect(hf.DataFrame)
            assert frame.stream_id == 1
            size += len(frame.data)
        client.send(client.window(0, 1 << 20))  # then the pushes have it all
        while came < 200000:
            came += len(client.expect(hf.DataFrame).data)


def test_images_share(outrider, origin):
    """Incremental ones take turns, so that none waits for the other."""
    paths = serve(origin, IMAGE, "</d.jpg>; rel=preload; as=image")
    proxy = outrider(origin)
    with SlowReader(proxy.http_port) as client:
        ids = open_page(client, origin, paths)
        came = client.take({3: PAGE_SIZE, ids["/b.png"]: SIZE, ids["/d.jpg"]: SIZE})
    runs = spans(came)
    assert runs[0] == (3, PAGE_SIZE)
    assert len(runs) > 4, runs


def test_fetchpriority(outrider, origin):
    paths = serve(origin, f"{CSS}; fetchpriority=low", f"{IMAGE}; fetchpriority=high", DATA)
    proxy = outrider(origin)
    with SlowReader(proxy.http_port) as client:
        ids = open_page(client, origin, paths)
        came = client.take({3: PAGE_SIZE, **dict.fromkeys(ids.values(), SIZE)})
    last = {stream_id: at for at, (stream_id, _) in enumerate(came)}
    assert last[3] < max(last.values())
    first = {}
    for at, (stream_id, _) in enumerate(came):
        first.setdefault(stream_id, at)
    assert first[3] == 0


def test_origins_priority_overrides(outrider, origin):
    """`priority` of a pushed response (RFC 9218 section 5)."""
    paths = serve(origin, CSS, IMAGE, fields={"/b.png": [("priority", "u=0")]})
    proxy = outrider(origin)
    with SlowReader(proxy.http_port) as client:
        ids = open_page(client, origin, paths)
        came = client.take({3: PAGE_SIZE, ids["/a.css"]: SIZE, ids["/b.png"]: SIZE})
    order = [stream_id for stream_id, _ in spans(came)]
    assert order.index(ids["/b.png"]) < order.index(ids["/a.css"])


def priority_update(client, stream_id, value):
    return client.any_frame(0x10, 0, 0, stream_id.to_bytes(4, "big") + value)


def test_clients_priority_wins(outrider, origin):
    """PRIORITY_UPDATE for a promise is stronger than `as` and than the origin's word."""
    paths = serve(origin, CSS, IMAGE, fields={"/a.css": [("priority", "u=0")]})
    proxy = outrider(origin)
    with SlowReader(proxy.http_port) as client:
        ids = open_page(client, origin, paths)
        client.send(
            priority_update(client, ids["/b.png"], b"u=0"),
            priority_update(client, ids["/a.css"], b"u=7"),
        )
        client.is_alive()
        came = client.take({3: PAGE_SIZE, ids["/a.css"]: SIZE, ids["/b.png"]: SIZE})
    order = [stream_id for stream_id, _ in spans(came)]
    assert order[-1] == ids["/a.css"] and order.index(ids["/b.png"]) < len(order) - 1


def test_priorities_of_requests(outrider, origin):
    """The client's own requests: `priority` and PRIORITY_UPDATE, without any push."""
    origin.on("/filler", respond(200, [], b"f" * WINDOW))
    origin.on("*", respond(200, [], b"a" * SIZE))
    proxy = outrider(origin)
    with SlowReader(proxy.http_port) as client:
        client.send(
            client.headers(3, client.request("/3", headers=[("priority", "u=5")])),
            client.headers(5, client.request("/5", headers=[("priority", "u=1")])),
            client.headers(7, client.request("/7")),
            priority_update(client, 9, b"u=0"),  # before the stream is there
            client.headers(9, client.request("/9", headers=[("priority", "u=7")])),
        )
        heads = 0
        while heads < 4:
            heads += isinstance(client.read(), hf.HeadersFrame)
        origin.wait_requests(5)
        client.is_alive()
        came = client.take(dict.fromkeys((3, 5, 7, 9), SIZE))
    assert [stream_id for stream_id, _ in spans(came)] == [9, 5, 7, 3]
