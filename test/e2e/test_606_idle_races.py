# SPDX-License-Identifier: Apache-2.0
"""An origin that ends idle connections at random, as we are about to use them (keep-alive race).

OUTRIDER_TEST_RACES=100000 sends more requests.
"""

import asyncio
import os
import random
import time

import pytest

from unruly import IdleOrigin

REQUESTS = int(os.environ.get("OUTRIDER_TEST_RACES", "1000"))
CLIENTS = 12
METHODS = ["GET"] * 5 + ["POST"] * 3 + ["HEAD", "OPTIONS", "PUT", "DELETE"]
IDLE_MS = 2


class Client:
    """A client of HTTP/1.1 that asks one request after the other, with pauses of about IDLE_MS."""

    def __init__(self, port, number, results):
        self.port = port
        self.dice = random.Random(number)
        self.number = number
        self.results = results

    async def run(self, count):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for item in range(count):
            method = self.dice.choice(METHODS)
            word = f"{self.number}.{item}.{method}"
            content = b"content" if method == "POST" and self.dice.random() < 0.5 else b""
            length = f"Content-Length: {len(content)}\r\n" if method == "POST" else ""
            head = f"{method} /{word} HTTP/1.1\r\nHost: a\r\n{length}\r\n"
            writer.write(head.encode() + content)
            status, body = await self._read(reader, method)
            expected = b"" if method == "HEAD" else f"<{word}>".encode() + content
            self.results.append((method, word, status, body == expected))
            await asyncio.sleep(self.dice.expovariate(1000 / IDLE_MS))
        writer.close()

    async def _read(self, reader, method):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        assert "connection" not in fields, head
        length = 0 if method == "HEAD" else int(fields["content-length"])
        return int(head[0].split(" ")[1]), await reader.readexactly(length)


@pytest.mark.limit(30 + REQUESTS // 200)
def test_an_origin_that_ends_idle_connections(outrider):
    """Whatever may be sent again is, and nobody sees it; POSTs arrive once at most."""
    origin = IdleOrigin(IDLE_MS)
    proxy = outrider(
        origin.url, {"idle_timeout": "1m"}, workers=2, admin={"listen": "127.0.0.1:0"},
        log={"access": "off"},
    )  # fmt: skip
    results = []

    async def run():
        clients = [Client(proxy.http_port, number, results) for number in range(CLIENTS)]
        await asyncio.gather(*[client.run(REQUESTS // CLIENTS + 1) for client in clients])

    start = time.monotonic()
    try:
        asyncio.run(run())
        metrics = proxy.metrics()
    finally:
        origin.stop()
    assert not origin.errors, origin.errors[:3]
    check(results, origin)
    retried = metrics['outrider_origin_retries_total{origin="app"}']
    lost = sum(status == 502 for _, _, status, _ in results)
    seconds = time.monotonic() - start
    print(f"{len(results)} requests, {seconds:.0f} s: {origin.ended} idle connections ended, "
          f"{retried:.0f} requests sent again, {lost} POSTs answered 502, none of them delivered")
    assert origin.ended > REQUESTS / 20


def check(results, origin):
    wrong = []
    for method, word, status, is_own in results:
        times = origin.delivered.get(word, 0)
        is_fine = status == 200 and is_own and times == 1
        if method == "POST":  # it may have been delivered, for all that we could know
            is_fine = is_fine or (status == 502 and times == 0)
        if not is_fine:
            wrong.append((word, status, is_own, times))
    assert not wrong, f"{len(wrong)} wrong: {wrong[:5]}"
