# SPDX-License-Identifier: Apache-2.0
"""Each answer belongs to its request, whatever the origin does: thousands of random schedules.

OUTRIDER_TEST_SCHEDULES=10000 runs more of them, from number OUTRIDER_TEST_FIRST_SCHEDULE on.
"""

import os
import random

import pytest

from unruly import UnrulyOrigin, content_for, kind_of, send_interim

SCHEDULES = int(os.environ.get("OUTRIDER_TEST_SCHEDULES", "1000"))
FIRST = int(os.environ.get("OUTRIDER_TEST_FIRST_SCHEDULE", "0"))
METHODS = ["GET"] * 6 + ["POST"] * 2 + ["HEAD", "PUT", "DELETE"]
OPTIONS = {"max_connections": 8, "first_byte_timeout": "2s", "between_bytes_timeout": "2s"}


class Tally:
    def __init__(self):
        self.whole = 0
        self.failed = 0
        self.wrong = []

    def note(self, method, word, status, named, body, is_whole):
        """One answer, or what came of it."""
        if status in (0, 502, 504):
            self.failed += 1
            return
        expected = b"" if method == "HEAD" or status == 204 else content_for(word)
        is_own = named.get("x-word") == word and status in (200, 204)
        is_own = is_own and (body == expected if is_whole else expected.startswith(body))
        self.whole += is_whole
        self.failed += not is_whole
        if not is_own:
            self.wrong.append((method, word, status, named, body[:100], is_whole))


def plan(dice, number):
    """The requests of a schedule: (method, word, content or None)."""
    requests = []
    for item in range(dice.randrange(2, 9)):
        method = dice.choice(METHODS)
        has_content = method in ("POST", "PUT") and dice.random() < 0.8
        content = b"c" * dice.choice([1, 30, 3000, 20000]) if has_content else None
        requests.append((method, f"{number}.{item}.{method}", content))
    return requests


def run_h2(client, dice, requests, tally):
    asked = []
    for method, word, content in requests:
        length = [("content-length", str(len(content)))] if content and dice.random() < 0.5 else []
        stream_id = client.request(f"/{word}", method, length, content)
        asked.append((stream_id, method, word))
        if dice.random() < 0.3:
            client.pump(dice.random() * 0.003)
    for stream_id, method, word in asked:
        # python h2 takes no interim response on a stream that it has reset.
        if dice.random() < 0.05 and kind_of(word) is not send_interim:
            client.pump(dice.random() * 0.002)
            if not client.responses[stream_id].is_over:
                client.reset(stream_id)
        response = client.wait(stream_id)
        del client.responses[stream_id]
        named = dict(response.headers)
        tally.note(method, word, response.status, named, response.body, response.is_complete)


def run_h1(proxy, dice, requests, tally):
    with proxy.h1() as client:
        for method, word, content in requests:
            head = f"{method} /{word} HTTP/1.1\r\nHost: a\r\n"
            if content is not None:
                head += f"Content-Length: {len(content)}\r\n"
            client.send(head.encode() + b"\r\n" + (content or b""))
            try:
                status, fields, body = client.read_response(method)
            except ConnectionError:
                tally.failed += 1
                return
            named = dict(fields)
            tally.note(method, word, status, named, body, True)
            if named.get("connection") == "close" or dice.random() < 0.02:
                return


@pytest.mark.limit(30 + SCHEDULES // 10)
def test_schedules(outrider):
    origin = UnrulyOrigin()
    proxy = outrider(origin.url, OPTIONS, workers=2, log={"access": "off"})
    tally, clients = Tally(), {}
    try:
        for number in range(FIRST, FIRST + SCHEDULES):
            dice = random.Random(f"schedule {number}")
            kind = dice.choice(["tls", "clear", "narrow", "h1"])
            if kind == "h1":
                run_h1(proxy, dice, plan(dice, number), tally)
                continue
            if kind not in clients or clients[kind].is_closed or dice.random() < 0.05:
                if kind in clients:
                    clients[kind].close()
                settings = {4: 700} if kind == "narrow" else None
                clients[kind] = proxy.h2(tls=kind == "tls", settings=settings)
            run_h2(clients[kind], dice, plan(dice, number), tally)
            clients[kind].log.clear()
    finally:
        for client in clients.values():
            client.close()
        origin.stop()
    assert not origin.errors, origin.errors[:3]
    assert not tally.wrong, f"{len(tally.wrong)} wrong: {tally.wrong[:3]}"
    assert tally.whole > 0.5 * (tally.whole + tally.failed), (tally.whole, tally.failed)
    check_deliveries(origin)
    print(f"{SCHEDULES} schedules: {tally.whole} whole answers, {tally.failed} failed, 0 wrong")


def check_deliveries(origin):
    """Once at most for POST; once again for others whose connection broke."""
    often = {word: count for word, count in origin.delivered.items() if count > 1}
    wrong = {word: count for word, count in often.items() if count > 2 or "POST" in word}
    assert not wrong, wrong
