# SPDX-License-Identifier: Apache-2.0
"""The tables of test/data/translation: reading them, sending a row, and what an origin saw of it.

    for row in load("requests"):
        outcome = send(proxy, row)             # what the client saw
        views = [view_of(request) for request in origin.requests]
"""

import contextlib
import pathlib

import yaml
from hyperframe import frame as hf

from origin import is_valid_head, response

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "data/translation"
HOST = "a.test"
LIMIT_S = 4
# What outrider adds, besides its element of Via.
ADDED = {
    "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto",
    "x-request-id",
}  # fmt: skip


def load(name):
    """The rows of a table, and each name once."""
    rows = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names), [name for name in names if names.count(name) > 1]
    return rows


def doubtful_last(rows):
    """Those last of which the origin may see something a while after the client has gone."""
    return sorted(rows, key=lambda row: ("abandoned" in row) + ("may_be_whole" in row))


def text_of(pieces):
    """A text, or a list of texts and {repeat: TEXT, times: N}, as one."""
    if isinstance(pieces, (str, int)):
        return str(pieces)
    if isinstance(pieces, dict):
        return text_of(pieces["repeat"]) * pieces["times"]
    return "".join(map(text_of, pieces))


def bytes_of(pieces):
    return text_of(pieces).encode("latin-1")


# ---- what an origin saw --------------------------------------------------------------------------


def view(line, host=HOST, fields=(), framing="none", body="", trailers=()):
    """A request as an origin sees it, in the form in which views are compared."""
    return {
        "line": text_of(line),
        "host": host,
        "fields": list(fields),
        "framing": framing,
        "body": text_of(body),
        "trailers": list(trailers),
    }


def wanted(row):
    """The views that the row wants to be forwarded, in order."""
    forwarded = row.get("forwarded", [])
    entries = forwarded if isinstance(forwarded, list) else [forwarded]
    return [view(entry) if isinstance(entry, str) else view(**entry) for entry in entries]


def whole_at_most(row):
    """What the origin may see besides, as a list."""
    return [view(row["abandoned"], framing="length")] if "may_be_whole" in row else []


def field_lines(head):
    """(name, value) of each line of a head, exactly: one blank behind the colon and no other."""
    pairs = []
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, colon, value = line.partition(": ")
        assert colon and name == name.lower() and value == value.strip(" \t"), line
        pairs.append((name, value))
    return pairs


def field_lines_of(head):
    """(name, value) of each line of a head as an HTTP/1.1 server reads it."""
    pairs = [line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:]]
    return [(name.lower(), value.strip(" \t")) for name, _, value in pairs]


def view_of(request):
    """The view of a request that origin.py recorded; its head must be well-formed."""
    assert is_valid_head(request.head), request.head
    pairs = field_lines(request.head)
    names = [name for name, _ in pairs]
    for name in {"host", "content-length", "transfer-encoding", *ADDED} & set(names):
        assert names.count(name) == 1, (name, request.head)
    given = dict(pairs)
    assert not {"content-length", "transfer-encoding"} <= set(names), request.head
    framing = "chunked" if given.pop("transfer-encoding", None) else "none"
    if given.pop("content-length", None) is not None:
        framing = "length"
    assert given["x-forwarded-for"] == "127.0.0.1", given
    assert given["x-forwarded-host"] == given["host"], given
    assert pairs[0][0] == "host" and f'host="{given["host"]}"' in given["forwarded"], pairs
    ours = max(at for at, pair in enumerate(pairs) if pair[0] == "via")
    assert pairs[ours][1].endswith(" outrider"), pairs
    without = ADDED | {"host", "content-length", "transfer-encoding"}
    fields = [f"{n}: {v}" for at, (n, v) in enumerate(pairs) if n not in without and at != ours]
    return view(
        request.line,
        given["host"],
        fields,
        framing,
        request.body.decode("latin-1"),
        [f"{name}: {value}" for name, value in request.trailers],
    )


# ---- what a request means, however it is written -------------------------------------------------


# Fields that proxies add, that frame, or that end at the next hop: what they mean is compared.
NOT_COMPARED = ADDED | {
    "host", "via", "content-length", "transfer-encoding", "trailer", "connection", "keep-alive",
}  # fmt: skip


def joined(pairs):
    """One text for each name: some origins merge fields of one name, and drop empty ones at the end
    (RFC 9110 sections 5.3 and 5.6.1)."""
    fields = {}
    for name, value in pairs:
        if name not in NOT_COMPARED:
            fields.setdefault(name, []).append(value)
    return {name: ", ".join(values).rstrip(", ") for name, values in fields.items()}


def pairs_of(lines):
    return [tuple(line.split(": ", 1)) for line in map(text_of, lines)]


def meant(view):
    """What a view means, in a form for all origins and proxies."""
    method, target, _ = view["line"].split(" ")
    return {
        "method": method,
        "target": target,
        "host": view["host"],
        "fields": joined(pairs_of(view["fields"])),
        "body": view["body"],
    }


def told(view):
    """The same of what an origin tells: method, target, fields, body."""
    fields = [(name, value) for name, value in view["fields"]]
    hosts = [value for name, value in fields if name == "host"]
    return {
        "method": view["method"],
        "target": view["target"],
        "host": hosts[0] if len(hosts) == 1 else hosts,
        "fields": joined(fields),
        "body": view["body"],
    }


# ---- what a client sends and sees ----------------------------------------------------------------


def send(proxy, row, wait_begun=None, limit=LIMIT_S):
    """Sends the row's request; what came of it as the table says it: the (status, body) of each
    response, and how the rest was refused, or None. `wait_begun` is called between the first head
    and what follows it."""
    return (send_h1 if "h1" in row else send_h2)(proxy, row, wait_begun, limit)


def send_h1(proxy, row, wait_begun, limit):
    with proxy.h1() as client:
        client.sock.settimeout(limit)
        head, end, rest = bytes_of(row["h1"]).partition(b"\r\n\r\n")
        if wait_begun is not None:
            client.send(head + end)
            wait_begun()
            client.send(rest)
        else:
            client.send(head + end + rest)
        if row.get("cut"):
            client.end_writing()
            assert client.is_closed(limit), "still open"
            return [], None
        answers = [read_answer(client, entry) for entry in wanted(row)]
        if "refused" not in row:
            with contextlib.suppress(OSError):
                client.end_writing()
            assert client.read_to_end() == b"", "something behind the last answer"
            return answers, None
        try:
            status = client.read_response()[0]
        except ConnectionError:
            return answers, "closed"
        assert client.is_closed(limit), f"open after {status}"
        return answers, status


def read_answer(client, entry):
    status, _, body = client.read_response(entry["line"].split(" ")[0])
    return status, body.decode("latin-1")


def block_of(request):
    """The fields of an `h2` entry in the order in which they are sent."""
    if "exact" in request:
        return [tuple(pair) for pair in request["exact"]]
    pseudo = {"method": "GET", "scheme": "http", "authority": HOST, "path": "/"}
    pseudo.update({name: request[name] for name in pseudo if name in request})
    block = [(f":{name}", text_of(value)) for name, value in pseudo.items() if value is not None]
    for field in request.get("fields", []):
        if isinstance(field, dict):
            block += [tuple(field["repeat"])] * field["times"]
        else:
            block.append((field[0], text_of(field[1])))
    return block


def as_bytes(pairs):
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


def frames_of(raw, request):
    """HEADERS with as many CONTINUATIONs as it takes, DATA, trailers."""
    data, trailers = request.get("data"), request.get("trailers")
    block = raw.encode(as_bytes(block_of(request)))
    pieces = [block[at : at + 16000] for at in range(0, len(block), 16000)]
    is_end = data is None and trailers is None
    frames = [raw.headers(1, pieces[0], is_end, len(pieces) == 1)]
    frames += [raw.continuation(1, piece, piece is pieces[-1]) for piece in pieces[1:]]
    for number, piece in enumerate(data or []):
        is_last = trailers is None and number == len(data) - 1
        frames.append(raw.data(1, bytes_of(piece), is_last))
    if trailers is not None:
        frames.append(raw.headers(1, raw.encode(as_bytes(trailers))))
    return frames


def send_h2(proxy, row, wait_begun, limit):
    with proxy.raw_h2(tls=False) as raw:
        head, *rest = frames_of(raw, row["h2"])
        if row.get("cut"):
            rest[-1].flags.discard("END_STREAM")
            rest.append(raw.reset(1))
        if wait_begun is not None:
            raw.send(head)
            wait_begun()
            raw.send(*rest)
        else:
            raw.send(head, *rest)
        if row.get("cut"):
            assert raw.is_alive()
            return [], None
        outcome = read_outcome(raw, limit)
        if outcome[1] != "goaway":
            assert raw.is_alive()
        return outcome


def read_outcome(raw, limit):
    """As `send` says it, for stream 1."""
    status, body = None, b""
    while True:
        frame = raw.read(limit)
        if frame is None or isinstance(frame, hf.GoAwayFrame):
            return [], "goaway"
        if frame.stream_id != 1:
            continue
        if isinstance(frame, hf.RstStreamFrame):
            return ([], "reset") if frame.error_code == 1 else ([], f"reset {frame.error_code}")
        if isinstance(frame, hf.HeadersFrame) and status is None:
            given = int(dict(frame.fields)[":status"])
            status = given if given >= 200 else None
        if isinstance(frame, hf.DataFrame):
            body += frame.data
        if "END_STREAM" in frame.flags:
            return ([(200, body.decode("latin-1"))], None) if status == 200 else ([], status)


def tell_target():
    """A step of a scripted origin: the answer's content is the target of its request."""

    def step(conn, request):
        conn.read_body()
        conn.send(response(200, [], request.target, request=request))

    return step


def answers_to(views):
    """What the client must see of them, if the origin answers with tell_target."""
    pairs = [view["line"].split(" ")[:2] for view in views]
    return [(200, "" if method == "HEAD" else target) for method, target in pairs]
