# SPDX-License-Identifier: Apache-2.0
"""The table test/data/translation/requests.yaml: each request is refused, or forwarded as meant."""

from functools import partial

import pytest

import translation
from origin import PeerGone, read_body, wait_closed
from translation import (
    answers_to,
    doubtful_last,
    load,
    tell_target,
    view_of,
    wanted,
    whole_at_most,
)

ROWS = doubtful_last(load("requests"))


def problems_of(proxy, origin, canary, row, wait_begun=None):
    """Sends the row, then a canary over the same connections to the origin; what is wrong."""
    before = len(origin.seen())
    answers, refusal = translation.send(proxy, row, wait_begun)
    views = wanted(row)
    yield from differences("answers", answers, answers_to(views))
    yield from differences("refusal", refusal, row.get("refused"))
    yield from differences("canary", canary.get("/canary").body, b"/canary")
    since = origin.seen()[before:]
    (last,) = [request for request in since if request.path == "/canary"]
    seen = [request for request in since if request is not last]
    assert all(request.is_done.wait(5) for request in seen)
    # Among them may be that of an earlier row, whose client has long gone.
    broken = [r for r in seen if r.is_abandoned or view_of(r) in whole_at_most(row)]
    seen = [request for request in seen if request not in broken]
    if wait_begun is not None or "abandoned" not in row:
        expected = [row["abandoned"]] if "abandoned" in row else []
        yield from differences("abandoned", [r.line for r in broken], expected)
    yield from differences("forwarded", [view_of(request) for request in seen], views)


def differences(what, got, expected):
    if got != expected:
        yield f"{what}: {str(got)[:400]!s}, not {str(expected)[:400]!s}"


def test_the_table_is_large_enough():
    assert len(ROWS) >= 200
    for row in ROWS:
        assert ("h1" in row) != ("h2" in row), row["name"]
        assert {"forwarded", "refused", "abandoned"} & set(row), row["name"]


def check(outrider, origin, rows, are_begun=False):
    proxy = outrider(origin, workers=1)
    wrong = []
    with proxy.h2(tls=False) as canary:
        for row in rows:
            count = len(origin.seen())
            wait_begun = partial(origin.wait_requests, count + 1) if are_begun else None
            try:
                problems = problems_of(proxy, origin, canary, row, wait_begun)
                wrong += [f"{row['name']}: {text}" for text in problems]
            except (AssertionError, ConnectionError) as error:
                wrong.append(f"{row['name']}: {error!r}")
    last_on = {request.connection: request for request in origin.seen()}
    for request in origin.seen():
        if request.is_abandoned and request is not last_on[request.connection]:
            wrong.append(f"the connection of {request} was used again")
    assert not wrong, "\n".join(wrong)


def test_requests(outrider, origin):
    """Each at once, as far as the client can."""
    origin.on("*", tell_target())
    check(outrider, origin, ROWS)


def test_requests_that_have_begun(outrider, origin):
    """The origin has the head before the client shows what is wrong."""
    origin.on("/canary", tell_target())
    origin.on("*", read_body(), wait_closed())
    check(outrider, origin, [row for row in ROWS if "abandoned" in row], True)


# ---- uploads that stop (CVE-2026-90678, CVE-2026-33555) -----------------------------------------

CONTENT = b"GET /evil HTTP/1.1\r\n\r\n"
LENGTH = str(len(CONTENT))


def take_raw(conn, request):
    """Keeps what follows the head as it comes, up to the end of the connection."""
    try:
        while True:
            conn.receive()
    except PeerGone:
        request.body = conn._input  # pylint: disable=protected-access
        request.is_abandoned = True
        conn.close()


def content_of_chunks(raw):
    """The content of whole chunks, and nothing else: no last one, and none that is half there."""
    content = b""
    while raw:
        size, end, rest = raw.partition(b"\r\n")
        count = int(size, 16)
        assert end and count > 0 and rest[count : count + 2] == b"\r\n", raw
        content, raw = content + rest[:count], rest[count + 2 :]
    return content


def stop_h2(proxy, count, has_length, end, wait_begun):
    fields = [("content-length", LENGTH)] if has_length else []
    with proxy.raw_h2(tls=False) as raw:
        raw.send(raw.headers(1, raw.request("/up", "POST", fields), end_stream=False))
        wait_begun()
        raw.send(*[raw.data(1, CONTENT[at : at + 1]) for at in range(count)])
        if end == "reset":
            raw.send(raw.reset(1))
            assert raw.is_alive()
        elif end == "end":
            raw.send(raw.data(1, b"", end_stream=True))
            raw.expect_reset(1)


def stop_h1(proxy, count, has_length, end, wait_begun):
    framing = f"Content-Length: {LENGTH}" if has_length else "Transfer-Encoding: chunked"
    chunks = b"8;x\r\n%s\r\ne\r\n%s\r\n0\r\n\r\n" % (CONTENT[:8], CONTENT[8:])
    text = CONTENT if has_length else chunks
    with proxy.h1() as client:
        client.send(f"POST /up HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode())
        wait_begun()
        client.send(text[:count])
        if end == "end":
            client.end_writing()
            assert client.is_closed()


STOPS = [
    (stop_h2, True, "reset"), (stop_h2, True, "close"), (stop_h2, True, "end"),
    (stop_h2, False, "reset"), (stop_h2, False, "close"),
    (stop_h1, True, "end"), (stop_h1, True, "close"),
    (stop_h1, False, "end"), (stop_h1, False, "close"),
]  # fmt: skip


@pytest.mark.parametrize("stop, has_length, end", STOPS)
def test_uploads_that_stop_at_each_byte(outrider, origin, stop, has_length, end):
    """The origin gets no more than came, in whole chunks; its connection is never used again."""
    origin.on("/up", take_raw)
    origin.on("*", tell_target())
    proxy = outrider(origin, workers=1)
    with proxy.h2(tls=False) as canary:
        for count in range(len(CONTENT)):
            before = len(origin.seen("/up"))
            stop(proxy, count, has_length, end, partial(origin.wait_requests, before + 1, "/up"))
            assert canary.get("/canary").body == b"/canary"
            request = origin.seen("/up")[before]
            assert request.is_done.wait(5) and request.is_abandoned
            content = request.body if has_length else content_of_chunks(request.body)
            assert CONTENT.startswith(content) and len(content) <= count
    last_on = {request.connection: request for request in origin.seen()}
    assert all(last_on[request.connection] is request for request in origin.seen("/up"))
    assert {request.path for request in origin.seen()} == {"/up", "/canary"}
