# SPDX-License-Identifier: Apache-2.0
"""Responses that break off: at every byte, in every framing. None may look complete."""

import pytest

from origin import chunk, close, head, last_chunk, reset, respond, send, sleep

BODY = b"0123456789abcdefghij"
LENGTH = head(200, [("Content-Length", len(BODY))]) + BODY
CHUNKED = (
    head(200, [("Transfer-Encoding", "chunked")])
    + chunk(BODY[:9], b";ext=1")
    + chunk(BODY[9:])
    + last_chunk([("X-Sum", "20")])
)
CLOSE = head(200, [("X-A", "b")]) + BODY
HINTED = head(103, [("Link", "</a>; nopush")]) + LENGTH

# text, how it ends, from which byte on it is complete
CUTS = {
    "length, end": (LENGTH, close, len(LENGTH)),
    "length, reset": (LENGTH, reset, len(LENGTH)),
    "chunked, end": (CHUNKED, close, len(CHUNKED)),
    "chunked, reset": (CHUNKED, reset, len(CHUNKED)),
    "close, end": (CLOSE, close, len(CLOSE) - len(BODY)),  # any end of the content is its end
    "close, reset": (CLOSE, reset, len(CLOSE) + 1),
    "hints, end": (HINTED, close, len(HINTED)),
}


def cut_origin(origin, text, end):
    """/cut/N sends N bytes and ends; the pause lets them arrive before a reset."""
    for count in range(len(text) + 1):
        pause = [sleep(0.01)] if end is reset else []
        origin.on(f"/cut/{count}", send(text[:count]), *pause, end())
    return range(len(text) + 1)


@pytest.mark.parametrize("name", CUTS)
def test_cut_at_each_byte_over_http2(outrider, origin, name):
    text, end, complete_from = CUTS[name]
    counts = cut_origin(origin, text, end)
    head_end = text.index(b"\r\n\r\n", text.index(b"HTTP/1.1 200")) + 4
    with outrider(origin, workers=1).h2() as client:
        responses = []
        for at in range(0, len(counts), 30):
            responses += client.get_all([f"/cut/{count}" for count in counts[at : at + 30]])
    for count, response in zip(counts, responses):
        if count < head_end:
            assert (response.status, response.is_complete) == (502, True), (count, response)
            error = response.header("proxy-status")
            wanted = "connection_terminated" if count == 0 else "http_response_incomplete"
            assert error == f"outrider; error={wanted}", (count, error)
        elif count < complete_from:
            assert response.reset == 2 and not response.is_ended, (count, response)
            assert response.status in (0, 200) and BODY.startswith(response.body), (count, response)
        else:
            assert response.is_complete and response.status == 200, (count, response)
            assert response.body == BODY[: max(count - (len(text) - len(BODY)), 0)] or (
                name.startswith("chunked") and response.body == BODY
            ), (count, response.body)


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_cut_at_each_byte_over_http1(outrider, origin, name, version):
    text, end, complete_from = CUTS[name]
    counts = cut_origin(origin, text, end)
    head_end = text.index(b"\r\n\r\n", text.index(b"HTTP/1.1 200")) + 4
    proxy = outrider(origin, workers=1)
    for count in counts:
        with proxy.h1() as old:
            old.send(f"GET /cut/{count} HTTP/{version}\r\nHost: a\r\n\r\n".encode())
            if count >= complete_from:
                assert old.read_response()[0] == 200, count
            elif count < head_end:
                assert old.read_response()[0] == 502, count
            else:  # no head at all, a short body, no last chunk, or a reset: never an end
                with pytest.raises(ConnectionError):
                    status, _, body = old.read_response()
                    pytest.fail(f"cut after {count} bytes looks complete: {status} {body}")


@pytest.mark.parametrize("tls", [True, False])
def test_a_cut_costs_only_its_own_stream(outrider, origin, tls):
    origin.on("/cut", send(head(200, [("Content-Length", 100000)]) + b"x" * 70000), close())
    origin.on("/fine", sleep(0.02), respond(200, [], b"y" * 100000))
    with outrider(origin, workers=1).h2(tls) as client:
        for _ in range(5):
            ids = [client.request(path) for path in ("/fine", "/cut", "/fine", "/cut")]
            fine, cut, other, last = [client.wait(stream_id) for stream_id in ids]
            assert fine.body == other.body == b"y" * 100000
            for response in (cut, last):
                assert response.reset == 2 and not response.is_ended
                assert len(response.body) <= 70000


def test_a_head_response_is_not_cut(outrider, origin):
    """It never had content, so an end right behind its head is none too early."""
    origin.on("/", send(head(200, [("Content-Length", 50)])), close())
    with outrider(origin).h2() as client:
        assert client.get("/", method="HEAD").is_complete
        assert client.get("/").reset == 2


def test_the_log_says_cut(outrider, origin):
    origin.on("/", send(head(200, [("Content-Length", 50)]) + b"x"), close())
    proxy = outrider(origin)
    with proxy.h2() as client:
        assert client.get("/").reset == 2
    proxy.stop()
    (line,) = proxy.access_log(1)
    assert (line["status"], line["fault"], line["response_bytes"]) == (200, "origin_cut", 1)
