# SPDX-License-Identifier: Apache-2.0
"""Pushes from a running response: server-sent events that carry a Link value."""

import pytest
from origin import chunk, head, last_chunk, respond, send, wait
from pushing import assets, promised

ROUTE = [{"origin": "app", "push": {"event": "preload"}}]


def event(links, name="preload"):
    return f"event: {name}\ndata: {links}\n\n".encode()


def stream(origin, *steps, headers=()):
    """/events, with steps that are bytes sent as a chunk each."""
    fields = [("content-type", "text/event-stream"), ("transfer-encoding", "chunked"), *headers]
    script = [send(chunk(step)) if isinstance(step, bytes) else step for step in steps]
    origin.on("/events", send(head(200, fields)), *script, send(last_chunk()))
    assets(origin)


@pytest.fixture
def site(outrider, origin):
    def start(**options):
        return outrider(origin, routes=options.pop("routes", ROUTE), **options)

    return start


def test_an_event_is_promised_while_the_stream_runs(site, origin):
    first, second = event("</data/1>; rel=preload; as=fetch"), event("</data/2>; rel=preload")
    stream(origin, b": hello\n\n", first, wait("go"), b"data: between\n\n", second, wait("end"))
    with site().h2() as client:
        page = client.request("/events")
        client.wait_until(lambda: client.pushed("/data/1") and client.pushed("/data/1").is_complete)
        assert promised(client) == ["/data/1"]
        assert client.pushed("/data/1").body == b"asset"
        assert client.pushed("/data/1").parent_id == page
        origin.event("go").set()
        client.wait_until(lambda: client.pushed("/data/2") and client.pushed("/data/2").is_complete)
        origin.event("end").set()
        seen = client.wait(page)
        assert seen.body == b": hello\n\n" + first + b"data: between\n\n" + second


def test_the_promise_comes_before_the_event(site, origin):
    stream(origin, event("</data/1>; rel=preload"), wait("end"))
    with site().h2() as client:
        page = client.request("/events")
        client.wait_until(lambda: client.responses[page].body)
        order = client.order()
        assert order.index(("promise", "/data/1")) < order.index(("data", page))
        origin.event("end").set()
        client.wait(page)


def test_an_event_in_pieces_counts_once_it_is_whole(site, origin):
    whole = event("</data/1>; rel=preload, </data/2>; rel=preload; nopush, <//other.example/x>; rel=preload")
    stream(origin, *[whole[i : i + 1] for i in range(len(whole))])
    with site().h2() as client:
        assert client.get("/events").body == whole
        client.wait_pushes()
        assert promised(client) == ["/data/1"]


@pytest.mark.parametrize(
    "routes, headers, name",
    [
        ([{"origin": "app"}], [], "preload"),  # off by default
        (ROUTE, [], "message"),
        (ROUTE, [("content-encoding", "gzip")], "preload"),
        ([{"origin": "app", "push": {"event": "preload", "enabled": False}}], [], "preload"),
    ],
)
def test_events_that_promise_nothing(site, origin, routes, headers, name):
    stream(origin, event("</data/1>; rel=preload", name), headers=headers)
    with site(routes=routes).h2() as client:
        assert client.get("/events").body == event("</data/1>; rel=preload", name)
        assert promised(client) == []


def test_other_responses_are_not_watched(site, origin):
    origin.on("/page", respond(200, [("content-type", "text/html")], event("</data/1>; rel=preload")))
    assets(origin)
    with site().h2() as client:
        client.get("/page")
        assert promised(client) == []


def test_a_long_stream_promises_more_than_a_page_may(site, origin):
    """max_per_page is for each event; what was promised once on a connection is not again."""
    count = 40
    steps = []
    for i in range(count):
        steps += [event(f"</data/{i}>; rel=preload, </data/0>; rel=preload"), wait(f"go {i}")]
    stream(origin, *steps)
    with site().h2() as client:
        page = client.request("/events")
        for i in range(count):
            client.wait_until(lambda: client.pushed(f"/data/{i}") and client.pushed(f"/data/{i}").is_complete)
            origin.event(f"go {i}").set()
        client.wait(page)
        assert promised(client) == [f"/data/{i}" for i in range(count)]


def test_a_client_without_push_gets_the_events_alone(site, origin):
    body = event("</data/1>; rel=preload") * 3
    stream(origin, body)
    with site().h2(push=False) as client:
        assert client.get("/events").body == body
    assert origin.seen("/data/1") == []
