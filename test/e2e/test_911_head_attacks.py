# SPDX-License-Identifier: Apache-2.0
"""Header blocks that cost more than they weigh, beside well-behaved clients. See besieged.py."""

import contextlib
import socket
import time

import pytest

import attacks
import besieged
from attacks import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, frame, window
from besieged import shortly

siege = besieged.fixture()


@pytest.mark.parametrize("size", shortly([0, 100, 8000], 0))
def test_cve_2024_27316_continuation_flood(siege, size):
    """A block that never ends, of empty pieces, small ones and large ones. Also CVE-2024-28182,
    CVE-2024-30255, CVE-2024-27919, CVE-2023-45288, CVE-2024-31309, CVE-2024-24549, CVE-2024-2653,
    CVE-2024-2758 and CVE-2016-8740. No request comes of it, so only the counters show it."""
    with siege.watch() as seen:
        siege.flood(attacks.continuation_flood(size), [ENHANCE_YOUR_CALM])
    assert seen.origin_requests < 10
    seen.expect(limits=["frames"], connections=["abuse"])


BOMBS = {
    "references to an empty field (CVE-2025-53020)": (b"a", b"", 32_000),
    "references to a field of 4000 bytes (CVE-2016-6581, CVE-2016-1544)": (b"a", b"v" * 4000, 32_000),
    "cookie crumbs (CVE-2026-47774, CVE-2026-49975)": (b"cookie", b"", 32_000),
    "cookie crumbs of 4000 bytes": (b"cookie", b"v" * 4000, 32_000),
}


@pytest.mark.parametrize(
    "kind", shortly(BOMBS, *(kind for kind in BOMBS if "2016-6581" in kind or "2026-47774" in kind))
)
def test_http2_bomb(siege, kind):
    """2026: ten connections with as many streams as they like. Each ends within a second."""
    with siege.watch() as seen:
        siege.flood(attacks.bomb(*BOMBS[kind]), [ENHANCE_YOUR_CALM], enemies=10)
    assert seen.origin_requests < 10
    seen.expect(limits=["head"], connections=["abuse"], memory_mb=64)


@pytest.mark.short
def test_cve_2026_73550_duplicate_host(siege):
    """Discarded fields count as well: the first one too much ends the request, and costs a token."""
    with siege.watch() as seen, siege.enemy() as enemy:
        pieces = attacks.bomb(b"host", b"localhost", 16_000)(enemy)
        assert enemy.flood(pieces, 20, is_in_step=True)
        assert enemy.code == ENHANCE_YOUR_CALM
    assert seen.origin_requests < 10
    seen.expect(limits=["resets"], connections=["abuse"])


@pytest.mark.short
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
    """2017, CDN Judo (2020): references that make a large head of a small one. The head that the origin gets is
    bounded, its requests are as many as streams are allowed, and memory does not grow."""
    with siege.watch() as seen, siege.enemy() as enemy:
        enemy.ask(attacks.tsunami(enemy), besieged.SECONDS, most=16)
        assert not enemy.has_ended, enemy.code
        assert enemy.reader.heads > 10
    seen.expect()


@pytest.mark.short
def test_hpack_table_size_updates(siege):
    """Thousands before each request. RFC 7541 section 4.2 has an encoder send two at most, and section
    6.3 has one error for a decoder, a size beyond the limit. So the requests are good; what one may
    hold of them is bounded like all of a block."""
    with siege.watch() as seen, siege.enemy() as enemy:
        enemy.ask(attacks.table_size_storm(enemy), besieged.SECONDS)
        assert not enemy.has_ended, enemy.code
        assert enemy.reader.heads > 10
    assert seen.origin_requests > 10
    seen.expect(cores=1.0)


MISPLACED = {
    "behind a field": lambda enemy: attacks.plain_request(enemy) + b"\x20",
    "beyond the limit": lambda enemy: b"\x3f\xe2\x1f" + attacks.plain_request(enemy),
    "of 32 bits and more": lambda enemy: b"\x3f" + b"\xff" * 9 + b"\x01" + attacks.plain_request(enemy),
}


@pytest.mark.short
@pytest.mark.parametrize("kind", MISPLACED)
def test_hpack_table_size_updates_where_they_must_not_be(siege, kind):
    with siege.watch() as seen, siege.enemy() as enemy:
        enemy.send(enemy.headers(1, MISPLACED[kind](enemy)))
        assert enemy.wait_ended(5) and enemy.code == COMPRESSION_ERROR
    assert seen.origin_requests < 10
    seen.expect(connections=["protocol"])


@pytest.mark.short
def test_cve_2024_27983_end_inside_a_block(siege):
    """The connection ends between HEADERS and CONTINUATION, or inside one."""
    with siege.watch() as seen:
        for number in range(40):
            with siege.enemy() as enemy:
                begin = frame(attacks.HEADERS, 0, 1, enemy.block())
                more = frame(attacks.CONTINUATION, 0, 1, attacks.literal(b"x-a", b"v" * 100))
                enemy.send(begin + (more * 2)[: number * 6])
                if number % 2:
                    enemy.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                time.sleep(0.001 * (number % 3))
    assert seen.origin_requests < 10
    seen.expect()
