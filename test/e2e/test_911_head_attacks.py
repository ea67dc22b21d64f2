# SPDX-License-Identifier: Apache-2.0
"""Header blocks that cost more than they weigh, beside well-behaved clients. See besieged.py."""

import contextlib
import time

import pytest

import attacks
import besieged
from attacks import ENHANCE_YOUR_CALM, window

siege = besieged.fixture()


@pytest.mark.parametrize("size", [0, 100, 8000])
def test_cve_2024_27316_continuation_flood(siege, size):
    """Also CVE-2024-28182, 2023-45288, 2024-30255 and others: a block that never ends, of empty
    pieces, small ones and large ones. No request comes of it, so only the counters show it."""
    with siege.watch() as seen:
        siege.flood(attacks.continuation_flood(size), [ENHANCE_YOUR_CALM])
    assert seen.origin_requests < 10
    seen.expect(limits=["frames"], connections=["abuse"])


BOMBS = {
    "references to an empty field": (b"a", b"", 32_000),
    "references to a field of 4000 bytes (CVE-2016-6581)": (b"a", b"v" * 4000, 32_000),
    "cookie crumbs": (b"cookie", b"", 32_000),
    "cookie crumbs of 4000 bytes": (b"cookie", b"v" * 4000, 32_000),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_http2_bomb(siege, kind):
    """2026: ten connections with as many streams as they like. Each ends within a second."""
    with siege.watch() as seen:
        siege.flood(attacks.bomb(*BOMBS[kind]), [ENHANCE_YOUR_CALM], enemies=10)
    assert seen.origin_requests < 10
    seen.expect(limits=["head"], connections=["abuse"], memory_mb=64)


def test_cve_2026_73550_duplicate_host(siege):
    """Discarded fields count as well: the first one too much ends the request, and costs a token."""
    with siege.watch() as seen, siege.enemy() as enemy:
        pieces = attacks.bomb(b"host", b"localhost", 16_000)(enemy)
        assert enemy.flood(pieces, 20, is_in_step=True)
        assert enemy.code == ENHANCE_YOUR_CALM
    assert seen.origin_requests < 10
    seen.expect(limits=["resets"], connections=["abuse"])


@pytest.mark.limit(120)
def test_http2_bomb_held(siege):
    """Below every limit, and then held by closed windows and drips. All heads of a connection weigh
    only so much, what is beyond may come again; and in the end nothing of it is alive."""
    count = 10
    store = attacks.stored(b"a", b"v" * 500)
    with siege.watch() as seen, contextlib.ExitStack() as stack:
        closed = {attacks.INITIAL_WINDOW_SIZE: 0}
        enemies = [stack.enter_context(siege.enemy(settings=closed)) for _ in range(count)]
        for enemy in enemies:
            block = attacks.plain_request(enemy, b"/held")
            enemy.send(enemy.headers(1, block + store + attacks.NEWEST * 90))
            enemy.send(*[enemy.headers(i, block + attacks.NEWEST * 90) for i in range(3, 200, 2)])
        siege.wait_number('exchanges{kind="request"}', lambda open_now: open_now >= 20 * count)
        began = time.monotonic()
        while time.monotonic() < began + (45 if besieged.IS_LONG else 1):
            for enemy in enemies:
                enemy.send(*[window(i, 1) for i in range(1, 200, 2)])
            time.sleep(0.2)
        if besieged.IS_LONG:
            siege.wait_number('exchanges{kind="request"}', lambda open_now: open_now <= 6, 1)
    limits = ["head", "write_time"] if besieged.IS_LONG else ["head"]
    seen.expect(limits=limits, memory_mb=64)



def test_http2_tsunami(siege):
    """2017: references that make a large head of a small one. The head that the origin gets is
    bounded, its requests are as many as streams are allowed, and memory does not grow."""
    with siege.watch() as seen, siege.enemy() as enemy:
        pieces = attacks.tsunami(enemy)
        for _ in range(20):
            enemy.flood((next(pieces) for _ in range(20)), 10, is_in_step=True)
            time.sleep(0.02)
        assert not enemy.has_ended and enemy.code is None
    seen.expect()
