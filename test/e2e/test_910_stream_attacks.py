# SPDX-License-Identifier: Apache-2.0
"""Streams that are opened for nothing, beside well-behaved clients. See besieged.py."""

import time

import pytest

import attacks
import besieged
from attacks import CANCEL, ENHANCE_YOUR_CALM, FRAME_SIZE_ERROR, PROTOCOL_ERROR, STREAM_CLOSED
from besieged import IS_LONG, note_figures, shortly

siege = besieged.fixture()

BUDGET = 200  # resets in a burst
SLACK = 100  # what is under way when the budget ends: the open streams, and the time it took


@pytest.mark.short
def test_cve_2023_44487_rapid_reset(siege):
    """One enemy who would like 100,000 of them: the origin hears of few, and the client of its end."""
    with siege.watch() as seen, siege.enemy() as enemy:
        pieces = attacks.rapid_reset(enemy)
        assert enemy.flood((next(pieces) for _ in range(10_000)), 10)
        assert enemy.code == ENHANCE_YOUR_CALM
    assert seen.origin_requests < 500
    assert BUDGET <= seen.labels("exchange_faults_total")["client_reset"] < BUDGET + SLACK
    seen.expect(limits=["resets"], exchanges=["client_reset"], connections=["abuse"])


def test_cve_2023_44487_rapid_reset_by_many(siege):
    with siege.watch() as seen:
        count, _ = siege.flood(attacks.rapid_reset, [ENHANCE_YOUR_CALM])
    assert seen.origin_requests < 500 * count
    seen.expect(limits=["resets"], connections=["abuse"])


STRICT = {  # answered more strictly: the whole connection ends at the first one
    "window of zero": PROTOCOL_ERROR,
    "priority of wrong length": FRAME_SIZE_ERROR,
    "priority on itself": PROTOCOL_ERROR,
    "headers after the end": STREAM_CLOSED,
    "data after the end": STREAM_CLOSED,
}


@pytest.mark.parametrize(
    "primitive",
    shortly(attacks.MADE_YOU_RESET, "window overflow", "data after the end", "trailers without end"),
)
def test_cve_2025_8671_made_you_reset(siege, primitive):
    """Each of them, 10,000 times: the connection ends within 300 of them."""
    with siege.watch() as seen, siege.enemy() as enemy:
        pieces = attacks.MADE_YOU_RESET[primitive](enemy)
        assert enemy.flood((next(pieces) for _ in range(1000)), 10, is_in_step=True)
        assert enemy.code in (None, STRICT.get(primitive, ENHANCE_YOUR_CALM))
    spent = sum(seen.labels("exchange_faults_total").values())
    assert spent <= BUDGET + SLACK
    assert seen.origin_requests < 500
    if primitive in STRICT:
        assert spent < 20
        seen.expect(connections=["protocol"])
    else:
        assert spent >= BUDGET
        seen.expect(limits=["resets"], connections=["abuse"])


@pytest.mark.parametrize("kind", shortly(attacks.MALFORMED, "control byte in a value"))
def test_malformed_requests_spend_the_budget(siege, kind):
    """Envoy GHSA-jhv4-f7mr-xx76, and empty names (CVE-2019-9516): nothing reaches the origin."""
    with siege.watch() as seen, siege.enemy() as enemy:
        pieces = attacks.MALFORMED[kind](enemy)
        assert enemy.flood((next(pieces) for _ in range(1000)), 10, is_in_step=True)
        assert enemy.code in (None, ENHANCE_YOUR_CALM)
    assert BUDGET <= sum(seen.labels("exchange_faults_total").values()) < BUDGET + SLACK
    assert seen.origin_requests < 10  # those of the others that were just on their way
    seen.expect(limits=["resets"], connections=["abuse"])


@pytest.mark.short
def test_streams_beyond_the_allowed_number(siege):
    """limits.streams was acknowledged, so the connection ends; no more reach the origin at once."""
    with siege.watch() as seen, siege.enemy() as enemy:
        assert enemy.flood(attacks.too_many_streams(enemy), 10)
        assert enemy.code in (None, PROTOCOL_ERROR)
    assert seen.origin_requests <= 100
    seen.expect(connections=["protocol"])


def test_requests_abandoned_over_http1(siege):
    """Asked for and left at once, a connection for each: what the origin does is not waited for."""
    count = 3000 if IS_LONG else 200
    with siege.watch() as seen:
        for _ in range(count):
            with siege.proxy.h1() as client:
                client.send(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        active = 'origin_connections_active{origin="heavy"}'
        siege.wait_number(active, lambda busy: busy <= 4)
    assert seen.labels("exchange_faults_total").get("client_gone", 0) > count // 2
    seen.expect(exchanges=["client_gone"])


@pytest.mark.short
def test_cve_2026_23918_headers_and_reset_at_every_moment(siege):
    """Reset before, inside and after the head, the content and the trailers (a lifetime fault in
    others, also CVE-2016-4817, CVE-2016-7835, CVE-2017-10908, CVE-2018-1302, CVE-2019-0196,
    CVE-2026-26311, CVE-2026-73513, CVE-2026-48913, CVE-2026-57941 and CVE-2026-123633): no fault, and
    the connection stays while the budget lasts."""
    with siege.watch() as seen:
        for number in range(60):
            with siege.enemy() as enemy:
                head = enemy.headers(1, end=False, method="POST", path="/wait")
                data = attacks.frame(attacks.DATA, 0, 1, b"x" * 100)
                tail = enemy.headers(1, attacks.literal(b"x-a", b"b"))
                frames = head + data + tail
                cut = len(head) + number * 3 % (len(data) + len(tail))
                for piece in (frames[:cut], frames[cut:] + attacks.reset(1, CANCEL), attacks.reset(1)):
                    enemy.send(piece)
                    time.sleep(0.001 * (number % 3))
                enemy.send(attacks.frame(attacks.PING, 0, 0, b"areyouup"))
    seen.expect()


@pytest.mark.short
def test_cve_2019_10082_end_of_the_connection_at_every_moment(siege):
    """Closed while the origin's answers are on their way, are here, or are being sent."""
    with siege.watch() as seen:
        for number in range(60):
            with siege.enemy(small_buffers=number % 2 == 0) as enemy:
                paths = ("/", "/held", "/medium", "/wait")
                enemy.send(*[enemy.headers(i, path=paths[i // 2 % 4]) for i in range(1, 40, 2)])
                time.sleep(0.0015 * (number % 10))
    seen.expect()


@pytest.mark.short
def test_cve_2023_45802_memory_of_reset_streams(siege):
    """What was reset is forgotten at once, not when the connection ends: large heads, reset as often
    as the budget allows."""
    with siege.watch() as seen, siege.enemy() as enemy:
        fields = attacks.literal(b"x-a", b"v" * 15_000) * 3
        head = attacks.plain_request(enemy) + fields
        ids = attacks.stream_ids()
        for _ in range(19):
            for stream_id in [next(ids) for _ in range(10)]:
                enemy.send(enemy.long_headers(stream_id, head), attacks.reset(stream_id))
            enemy.wait_read(time.monotonic() + 5)
        assert not enemy.has_ended
        siege.wait_number('exchanges{kind="request"}', lambda count: count <= 6)
    assert seen.labels("exchange_faults_total") == {"client_reset": 190}
    seen.expect(memory_mb=2)
