# SPDX-License-Identifier: Apache-2.0
"""One request in everybody's logs: the trace that it belongs to, and its own id."""

import re

import pytest

import h2client
from origin import close, respond
from pushing import page, resources
from reloading import reload

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
FRESH = re.compile(r"[0-9a-f]{32}")


# ---- traces --------------------------------------------------------------------------------------


def test_the_trace_of_a_page_and_its_pushes(outrider, origin):
    page(origin, "/", "</a.css>; rel=preload; as=style")
    resources(origin)
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        client.get("/", headers=[("traceparent", TRACEPARENT), ("tracestate", "a=1,b=2")])
        client.wait_pushes()
        (push,) = client.pushes
        assert dict(push.promise)["traceparent"] == TRACEPARENT
        client.get("/none")
    proxy.stop()
    for path in ("/", "/a.css"):
        assert origin.last(path).header_list("traceparent") == [TRACEPARENT]
        assert origin.last(path).header("tracestate") == "a=1,b=2"
    assert origin.last("/none").header("traceparent") is None
    traces = {line["path"]: line.get("trace") for line in proxy.access_log()}
    assert traces == {"/": TRACE, "/a.css": TRACE, "/none": None}


BAD_PARENTS = [
    "00-00000000000000000000000000000000-00f067aa0ba902b7-01", TRACEPARENT.upper(),
    TRACEPARENT + "-more", "ff" + TRACEPARENT[2:], "", f"{TRACEPARENT},{TRACEPARENT}",
]  # fmt: skip


@pytest.mark.parametrize("version", [1, 2])
def test_a_malformed_trace_is_none(outrider, origin, version):
    origin.on("*", respond(200, [], b"hello"))
    proxy = outrider(origin, workers=1)
    cases = [[("traceparent", value)] for value in BAD_PARENTS]
    cases += [[("traceparent", TRACEPARENT)] * 2, []]
    for i, fields in enumerate(cases):
        fields = [*fields, ("tracestate", "a=1")]
        if version == 2:
            with proxy.h2() as client:
                assert client.get(f"/{i}", headers=fields).status == 200
        else:
            text = "".join(f"{name}: {value}\r\n" for name, value in fields)
            with proxy.h1() as client:
                client.send(f"GET /{i} HTTP/1.1\r\nHost: a\r\n{text}\r\n".encode())
                assert client.read_response()[0] == 200
        names = {name for name, _ in origin.last(f"/{i}").headers}
        assert not names & {"traceparent", "tracestate"}, fields
    proxy.stop()
    assert len(proxy.access_log()) == len(cases)
    assert not any("trace" in line for line in proxy.access_log())


# ---- request ids ---------------------------------------------------------------------------------

GOOD_ID = "Az09._~+/=:@-"
BAD_IDS = ["a b", "a" * 129, 'a"b', "a,b", "ü"]


@pytest.mark.parametrize("version", [1, 2])
def test_request_ids(outrider, origin, version):
    origin.on("*", respond(200, [], b"hello"))
    origin.on("/given", respond(200, [("X-Request-Id", "the origin's")], b"hello"))
    origin.on("/cut", close())
    proxy = outrider(origin, workers=1)

    def ask(path, *ids):
        """Status and id of the response."""
        if version == 2:
            with proxy.h2() as client:
                answer = client.get(path, headers=[("x-request-id", value) for value in ids])
                return answer.status, answer.header("x-request-id")
        text = "".join(f"X-Request-ID: {value}\r\n" for value in ids)
        with proxy.h1() as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n{text}\r\n".encode("latin-1"))
            status, fields, _ = client.read_response()
            return status, dict(fields).get("x-request-id")

    assert ask("/good", GOOD_ID) == (200, None)
    assert origin.last("/good").header_list("x-request-id") == [GOOD_ID]
    fresh = set()
    for i, ids in enumerate([[], [GOOD_ID, GOOD_ID], *([bad] for bad in BAD_IDS)]):
        assert ask(f"/fresh/{i}", *ids) == (200, None)
        (made,) = origin.last(f"/fresh/{i}").header_list("x-request-id")
        assert FRESH.fullmatch(made), ids
        fresh.add(made)
    assert len(fresh) == 2 + len(BAD_IDS)
    assert ask("/given") == (200, "the origin's")
    assert ask("/cut", "mine") == (502, "mine")  # our own words: to be quoted
    status, made = ask("/cut")
    assert status == 502 and FRESH.fullmatch(made)
    proxy.stop()
    lines = proxy.access_log()
    for request in origin.requests:
        ids = [line["request"] for line in lines if line["path"] == request.path]
        assert request.header("x-request-id") in ids


def test_a_push_has_an_id_of_its_own(outrider, origin):
    page(origin, "/", "</a.css>; rel=preload; as=style")
    resources(origin)
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        client.get("/", headers=[("x-request-id", "of-the-page")])
        client.wait_pushes()
        assert "x-request-id" not in dict(client.pushes[0].promise)
    proxy.stop()
    assert origin.last("/").header("x-request-id") == "of-the-page"
    made = origin.last("/a.css").header("x-request-id")
    assert FRESH.fullmatch(made)
    ids = {line["path"]: line["request"] for line in proxy.access_log()}
    assert ids == {"/": "of-the-page", "/a.css": made}


def test_ids_of_another_name_or_none(outrider, origin):
    origin.on("*", respond(200, [], b"hello"))
    proxy = outrider(origin, log={"request_id": "X-Correlation-ID"}, workers=1)
    with proxy.h2() as client:
        client.get("/one", headers=[("x-correlation-id", "mine"), ("x-request-id", "a b")])
        reload(proxy, log={"request_id": "off"})
        client.get("/two", headers=[("x-correlation-id", "a b")])
    proxy.stop()
    one, two = origin.last("/one"), origin.last("/two")
    assert (one.header("x-correlation-id"), one.header("x-request-id")) == ("mine", "a b")
    assert (two.header("x-correlation-id"), two.header("x-request-id")) == ("a b", None)
    assert [line.get("request") for line in proxy.access_log()] == ["mine", None]


def test_workers_make_different_ids(outrider, origin):
    """Also those before and after a reload, where each begins anew."""
    origin.on("*", respond(200, [], b"hello"))
    proxy = outrider(origin, workers=4)
    for _ in range(3):
        for _ in range(8):
            with h2client.H2Client(proxy.https_port) as client:
                client.get("/")
        reload(proxy)
    ids = [request.header("x-request-id") for request in origin.requests]
    assert len(ids) == 24 and len(set(ids)) == 24
