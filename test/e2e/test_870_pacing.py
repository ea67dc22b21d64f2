# SPDX-License-Identifier: Apache-2.0
"""Over a slow link, a page whose origin thinks does not find the link's and the kernel's queues full
of what is less urgent; and meanwhile the link is not idle."""

import pathlib
import sys
import time

import pytest
from h2.settings import SettingCodes

import h2client
from origin import respond, wait

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "link"))
from link import Link, LinkUnavailable  # noqa: E402

# "slow": 100 ms there and back, 200 KB a second. Without care, the link's queue of 64 KB and what
# the kernel holds stand before the page: 0.4 s and more.
BYTES_PER_S = 200_000
PAGE = b"p" * 10_000
IMAGE = b"i" * 300_000
PAGE_S = 0.05 + len(PAGE) / BYTES_PER_S
QUEUE_S = 0.2
LARGE = 1 << 22


@pytest.fixture
def link():
    try:
        made = Link("slow")
    except LinkUnavailable as unavailable:
        pytest.skip(str(unavailable))
    yield made
    made.stop()


@pytest.fixture
def connect(link, outrider, unix_origin, certs):
    """A client at the link's other end, for a route with these settings."""
    clients = []

    def start(**route):
        unix_origin.on("/page", wait("thought"), respond(200, [("Content-Type", "text/html")], PAGE))
        unix_origin.on("/image", respond(200, [("Content-Type", "image/png")], IMAGE))
        address = f"https://{link.server_address}:0"
        with link.inside("server"):
            proxy = outrider(
                unix_origin,
                listeners=[{"address": address, "tls": certs.tls}],
                routes=[{"origin": "app", **route}],
            )
        with link.inside("client"):
            sock = h2client.open_socket(proxy.https_port, host=link.server_address)
        clients.append(
            h2client.H2Client.over(
                sock, settings={SettingCodes.INITIAL_WINDOW_SIZE: LARGE}, connection_window=LARGE
            )
        )
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def seconds_until(client, condition):
    start = time.monotonic()
    client.wait_until(condition)
    return time.monotonic() - start


def check(client, page, image, origin):
    """The image comes at the path's rate, the page at once, then the rest of the image."""
    client.wait_until(lambda: len(image.body) >= 40_000)
    seconds = seconds_until(client, lambda: len(image.body) >= 140_000)
    origin.event("thought").set()
    page_seconds = seconds_until(client, lambda: page.is_over)
    left = len(IMAGE) - len(image.body)
    rest_seconds = seconds_until(client, lambda: image.is_over)
    print(f"100 KB of the image in {seconds:.3f} s; the page in {page_seconds:.3f} s; "
          f"{left} bytes more in {rest_seconds:.3f} s")
    assert page.body == PAGE
    assert image.body == IMAGE
    assert seconds < 100_000 / BYTES_PER_S / 0.4
    assert page_seconds < PAGE_S + QUEUE_S
    assert rest_seconds < left / BYTES_PER_S / 0.3  # by then it fills the queue, and may lose some


def test_an_image_does_not_stand_before_the_page(connect, unix_origin):
    client = connect()
    page = client.responses[client.request("/page", headers=[("priority", "u=0")])]
    image = client.responses[client.request("/image", headers=[("priority", "u=5, i")])]
    check(client, page, image, unix_origin)


def test_a_push_does_not_stand_before_the_page(connect, unix_origin):
    client = connect(push={"declared": [{"path": "/image", "as": "image"}]})
    page = client.responses[client.request("/page")]
    client.wait_until(lambda: client.pushes)
    check(client, page, client.pushes[0], unix_origin)
