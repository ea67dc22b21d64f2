# SPDX-License-Identifier: Apache-2.0
"""What origins, pages and pushes did to other proxies and clients, each by the number of its CVE. The
responses stand in test/data/translation/historic_responses.yaml."""

import random
import signal
import threading
import time

import pytest

from origin import respond, sleep
from pushing import STYLE, assets, links, page
from test_545_response_translation import QUICK, ask_h1, ask_h2, problems_of, steps_of
from translation import load, tell_target

ROWS = load("historic_responses")


@pytest.mark.parametrize("cve", sorted({cve for row in ROWS for cve in row["cve"]}))
def test_historic_response(outrider, origin, cve):
    """Passed on as meant, refused, or visibly cut, over both protocols; and a canary after it."""
    origin.on("*", tell_target())
    proxy = outrider(origin, QUICK, workers=1)
    wrong = []
    with proxy.h2(tls=False) as canary:
        for row in [row for row in ROWS if cve in row["cve"]]:
            origin.on("/h2", *steps_of(row))
            origin.on("/h1", *steps_of(row))
            outcome = ask_h2(canary, row, "/h2")
            wrong += problems_of(origin, canary, row, outcome, "/h2")
            outcome = ask_h1(proxy, origin, row, "/h1")
            wrong += problems_of(origin, canary, row, outcome, "/h1")
    assert not wrong, wrong


# --- pushes --------------------------------------------------------------------------------------


def test_cve_2019_10081_pushes_before_the_head(outrider, origin):
    """Promises while the page is thought about, with as many fields as a request may have."""
    origin.on("/", sleep(0.2), respond(200, [], b"page"))
    assets(origin)
    declared = [f"/{number}.css" for number in range(20)]
    proxy = outrider(origin, routes=[{"origin": "app", "push": {"declared": declared}}])
    fields = [(f"x-{number}", "v" * 400) for number in range(80)] + [("user-agent", "u" * 4000)]
    with proxy.h2() as client:
        for _ in range(5):
            assert client.get("/", headers=fields).body == b"page"
        assert [push.path for push in client.pushes] == declared
        client.wait_pushes()
        assert all(push.is_complete for push in client.pushes)


DIGESTS = ["", "0", "=", "a" * 6000, "AAAAAAAA", "//////8", "B4JgR4W8; complete; complete; x",
           "gP8BAAA; reset", "wAA", "\xff\xfe", "KgAAAAAAAAAAAAAA" * 200, ", , ,"]  # fmt: skip


def test_cve_2020_9490_cache_digests(outrider, origin):
    """Digests of any size and sense are read or passed over."""
    page(origin, "/", STYLE)
    proxy = outrider(origin, push={"visitors": "digest", "cache_digest": True})
    for digest in DIGESTS:
        with proxy.h2() as client:
            assert client.get("/", headers=[("cache-digest", digest)]).status == 200


def test_cve_2020_11993_everything_in_the_log(outrider, origin):
    """Pushes by several workers with a log of every detail, read by another thread."""
    page(origin, "/", STYLE)
    proxy = outrider(origin, workers=4, log={"level": "debug", "access": "stdout"})
    clients = [proxy.h2() for _ in range(8)]
    for _ in range(5):
        for client in clients:
            assert client.get("/").status == 200
    for client in clients:
        assert [push.path for push in client.pushes] == ["/a.css"]
        client.close()


def test_cve_2024_2398_pushed_response_of_too_many_fields(outrider, origin):
    """A client that trips over more than 1000 fields never gets them."""
    page(origin, "/", STYLE)
    many = [(f"x-{number}", "v") for number in range(1001)]
    origin.on("/a.css", respond(200, many, b"asset"))
    proxy = outrider(origin)
    with proxy.h2() as client:
        assert client.get("/").status == 200
        (push,) = client.pushes
        client.wait_pushes()
        assert push.reset is not None and not push.headers


def test_cve_2026_18924_pushes_that_end_at_any_moment(outrider, origin):
    """The page or its pushes reset by the client, the connection closed, the origin late: whatever
    comes first, the next client is served."""
    moments = random.Random(18924)
    origin.on("/", respond(200, links(*[f"</{i}.css>; rel=preload; as=style" for i in range(6)]), b"p"))
    origin.on("*", sleep(0.003), respond(200, [("content-type", "text/css")], b"asset" * 100))
    proxy = outrider(origin)
    for number in range(30):
        with proxy.h2() as client:
            stream_id = client.request("/")
            client.pump(moments.random() * 0.008)
            for push in moments.sample(client.pushes, len(client.pushes) // 2):
                client.reset(push.stream_id)
            if number % 2:
                client.reset(stream_id)
            client.pump(moments.random() * 0.004)
    with proxy.h2() as client:
        assert client.get("/").status == 200


# --- threads -------------------------------------------------------------------------------------


@pytest.mark.limit(120)
def test_cve_2026_119618_streams_on_several_threads(outrider, origin):
    """Uploads, resets and fields of any size on four workers, while the configuration is read again:
    nothing of a connection is shared with another thread. With ThreadSanitizer this sees races."""
    origin.on("*", respond(200, [("x-many", "v" * 2000)], b"answer"))
    proxy = outrider(origin, workers=4)
    end, failures = time.monotonic() + 2, []

    def run(number):
        while time.monotonic() < end:
            with proxy.h2(tls=number % 2 == 0) as client:
                fields = [(f"x-{i}", "v" * 50 * number) for i in range(10)]
                dropped = client.request("/", "POST", fields, end=False)
                response = client.get("/", headers=fields)
                client.reset(dropped)
                if response.body != b"answer":
                    failures.append(response)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    while time.monotonic() < end:
        proxy.send_signal(signal.SIGHUP)
        time.sleep(0.3)
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
